// SPDX-License-Identifier: GPL-2.0-only
/*
 * What follows the last put of an object: as CPython's subtype_dealloc(), in
 * this order,
 *
 *	finalize, unless it was; who resurrects the object ends it here
 *	weak references are cleared, and their callbacks called, newest first
 *	links are cleared one by one
 *	release, and its memory is free
 *
 * depth first: an object that dies with a link is done with before the next link
 * is cleared. CPython recurses for that, to a depth of 50; a kernel's stack is too
 * short. Here dying objects are a stack of their own, linked through themselves,
 * and one loop works at its top. Each has a phase, that of its next step.
 *
 * Callbacks may put objects, too: those go on the stack when it returns (call.c).
 * Types that may sleep are left to the worker.
 */
#include "object.h"

#include <linux/sched.h>

/* Steps of a put; then the worker goes on. */
#define DIE_MANY	4096
/* Finalizers in finalizers of which the dead go before it is seen who lives. */
#define DIE_NESTED	4
/* Returns to an object after a link; then all that die by the others go at once. */
#define DIE_RETURNS	64

/*
 * What is to be done next with an entry of the stack. It stands in the lowest bits
 * of the pointer to it; the end of the stack is 0.
 */
enum phase {
	PHASE_FINALIZE,
	PHASE_WEAK,
	PHASE_CLEAR,
	PHASE_LINKS,
	PHASE_RELEASE,
	PHASE_CALL,		/* a weak reference: its callback */
	PHASE_MASK = 7
};

static_assert(__alignof__(struct obm_obj) > PHASE_MASK);

/**
 * struct dying - a loop over dying objects
 * @gc: whose objects they are
 * @top: of the stack
 * @bottom: of the stack, if it is not empty
 * @steps: taken
 * @nested: finalizers that wait for others' deaths
 * @sleeps: callbacks may sleep
 * @unhurried: others may run now and then: nothing has to be left to the worker
 */
struct dying {
	struct obm_gc *gc;
	unsigned long top;
	struct obm_obj *bottom;
	unsigned int steps;
	unsigned int nested;
	bool sleeps;
	bool unhurried;
};

static void dying_loop(struct dying *d, unsigned long end);

/* --- The stack --- */

static inline enum phase entry_phase(unsigned long entry)
{
	return entry & PHASE_MASK;
}

static inline struct obm_obj *entry_obj(unsigned long entry)
{
	return (void *)(entry & ~(unsigned long)PHASE_MASK);
}

/* Where the entry below is noted. A weak reference lives, and uses its counts. */
static inline unsigned long *entry_below(unsigned long entry)
{
	struct obm_obj *obj = entry_obj(entry);
	struct obm_weakref *weak = container_of(obj, struct obm_weakref, obj);

	return entry_phase(entry) == PHASE_CALL ?
	       (unsigned long *)&weak->next : (unsigned long *)&obj->waiting;
}

static void dying_push(struct dying *d, struct obm_obj *obj, enum phase phase)
{
	unsigned long entry = (unsigned long)obj | phase;

	if (!d->top)
		d->bottom = obj;
	*entry_below(entry) = d->top;
	d->top = entry;
}

static struct obm_obj *dying_pop(struct dying *d)
{
	unsigned long entry = d->top;

	d->top = *entry_below(entry);
	return entry_obj(entry);
}

static void dying_next_phase(struct dying *d, enum phase phase)
{
	d->top = (d->top & ~(unsigned long)PHASE_MASK) | phase;
}

/* Callbacks of a type that may sleep are called by the worker of its heap. */
static void leave_to_worker(struct obm_obj *obj)
{
	struct obm_gc *gc = obj->kind->gc;

	llist_add(&obj->limbo, &gc->sleepers);
	queue_work(obm_wq, &gc->work);
}

static bool obj_may_sleep(const struct obm_obj *obj)
{
	return obj->kind->type->flags & OBM_TYPE_MAY_SLEEP;
}

/* Whether its callbacks may be called in this context, if it is not the worker's. */
static bool obj_may_die_here(const struct obm_obj *obj)
{
	unsigned int flags = obj->kind->type->flags;

	if (likely(!(flags & (OBM_TYPE_MAY_SLEEP | OBM_TYPE_IRQS_ON))))
		return true;
	return !(flags & OBM_TYPE_MAY_SLEEP) && !in_hardirq() &&
	       !irqs_disabled();
}

/* Who cannot die in this loop dies in its own heap's. */
static bool dying_takes(struct dying *d, struct obm_obj *obj)
{
	if (obj->kind->gc == d->gc && (d->sleeps || obj_may_die_here(obj)))
		return true;
	leave_to_worker(obj);
	return false;
}

/* One that has no callbacks, and no weak references, has but links. */
static enum phase first_phase(struct obm_obj *obj)
{
	if (!obj->kind->plain || READ_ONCE(obj->marks) & OBM_MARK_WEAK)
		return PHASE_FINALIZE;
	/* As step_weak(). */
	obj->marks = 0;
	return PHASE_LINKS;
}

/* Objects that died one after the other, linked by @waiting: the first on top. */
static void dying_push_list(struct dying *d, struct obm_obj *first)
{
	struct obm_obj *obj, *next, *last = NULL, *kept = NULL;

	/* Turned round, so that the first is pushed last. */
	for (obj = first; obj; obj = next) {
		next = obj->waiting;
		if (!dying_takes(d, obj))
			continue;
		obj->waiting = last;
		last = obj;
	}
	for (obj = last; obj; obj = kept) {
		kept = obj->waiting;
		dying_push(d, obj, first_phase(obj));
	}
}

/* --- The steps --- */

static int visit_count(struct obm_ref *ref, void *arg)
{
	unsigned int *nr = arg;

	*nr += !!READ_ONCE(ref->target);
	return 0;
}

static unsigned int obj_count_links(struct obm_obj *obj)
{
	unsigned int nr = 0;

	obm_obj_traverse(obj, visit_count, &nr);
	return nr & OBM_OUT_MASK;
}

/* For the time of the call the object lives, with our reference. */
static void step_finalize(struct dying *d, bool may_sleep)
{
	struct obm_obj *obj = entry_obj(d->top), *first;
	const struct obm_type *type = obj->kind->type;
	struct obm_call c;
	unsigned long end;
	u64 word;

	if (likely(!type->finalize) ||
	    !obm_obj_mark(obj, OBM_MARK_FINALIZED)) {
		dying_next_phase(d, PHASE_WEAK);
		return;
	}
	dying_pop(d);
	obm_obj_renew(obj);
	atomic_set(&obj->in, 0);
	atomic_set(&obj->out, obj_count_links(obj));
	/* Fully ordered: the collector, who sees the count, may see those. */
	atomic64_fetch_add(OBM_WORD_OP + 1, &obj->word);
	c = obm_call_begin(may_sleep);
	type->finalize(obj);
	first = obm_call_end(&c, obj, "finalize");
	if (first && d->nested < DIE_NESTED) {
		/* Their callbacks may save it, or undo that it was. */
		end = d->top;
		dying_push_list(d, first);
		first = NULL;
		d->nested++;
		dying_loop(d, end);
		d->nested--;
	}
	word = atomic64_fetch_add_release(OBM_WORD_OP - 1, &obj->word);
	if (word_count(word) == 1) {
		smp_acquire__after_ctrl_dep();
		dying_push(d, obj, PHASE_WEAK);
	}
	dying_push_list(d, first);
}

static void step_weak(struct dying *d)
{
	struct obm_obj *obj = entry_obj(d->top);
	struct obm_weakref *calls = NULL, *turned = NULL, *weak;

	/* Not once more, if the collector has cleared it. */
	dying_next_phase(d, obj->marks & OBM_MARK_CLEARED ? PHASE_LINKS :
							    PHASE_CLEAR);
	if (READ_ONCE(obj->marks) & OBM_MARK_WEAK)
		obm_weak_clear(obj, &calls);
	while (calls) {
		weak = calls;
		calls = weak->next;
		weak->next = turned;
		turned = weak;
	}
	while (turned) {
		weak = turned;
		turned = weak->next;
		dying_push(d, &weak->obj, PHASE_CALL);
	}
	/* Nobody looks at marks any more: returns are counted there. */
	obj->marks = 0;
}

/* The callback of a weak reference whose target dies. */
static void step_call(struct dying *d)
{
	struct obm_obj *obj = dying_pop(d), *first;
	struct obm_weakref *weak = container_of(obj, struct obm_weakref, obj);
	struct obm_call c = obm_call_begin(false);

	weak->callback(weak, weak->arg);
	/* Ours, which kept it until it was called. */
	obm_obj_put(obj);
	first = obm_call_end(&c, obj, "callback");
	dying_push_list(d, first);
}

static int visit_any(struct obm_ref *ref, void *arg)
{
	return !!READ_ONCE(ref->target);
}

/* Whether an object has any links. */
bool obm_obj_has_links(struct obm_obj *obj)
{
	return obm_obj_traverse(obj, visit_any, NULL);
}

static void step_clear(struct dying *d, bool may_sleep)
{
	struct obm_obj *obj = entry_obj(d->top), *first;
	const struct obm_type *type = obj->kind->type;
	struct obm_call c;

	dying_next_phase(d, PHASE_LINKS);
	if (likely(!type->clear))
		return;
	c = obm_call_begin(may_sleep);
	type->clear(obj);
	first = obm_call_end(&c, obj, "clear");
	dying_push_list(d, first);
}

/**
 * struct clearing - links that are being cleared
 * @owner: whose links they are
 * @once: end with the first by which an object dies
 * @first: the first that has died
 * @last: where the next is to be linked
 */
struct clearing {
	struct obm_obj *owner;
	bool once;
	struct obm_obj *first;
	struct obm_obj **last;
};

/* A link has let go of an object, which has died if it was the last one. */
static __always_inline int clearing_note(struct clearing *c,
					 struct obm_obj *old, u64 word)
{
	if (!old || !obm_word_is_odd(word))
		return 0;
	if (word_count(word) != 1) {
		__obm_obj_last_put(old, word);
		return 0;
	}
	smp_acquire__after_ctrl_dep();
	obj_prefetch_links(old);
	*c->last = old;
	c->last = &old->waiting;
	return c->once;
}

/* Of an object that dies. */
static __always_inline int visit_clear(struct obm_ref *ref, void *arg)
{
	struct obm_obj *old;
	u64 word;

	if (!READ_ONCE(ref->target))
		return 0;
	old = obj_ref_take(ref, NULL, &word);
	return clearing_note(arg, old, word);
}

/* Up to the next link by which somebody dies; that one has to go first. */
static void step_links(struct dying *d)
{
	struct obm_obj *obj = entry_obj(d->top);
	struct clearing c = {
		.owner = obj, .once = obj->marks < DIE_RETURNS
	};

	c.last = &c.first;
	if (c.once)
		obj->marks++;
	if (!obj_traverse(obj, visit_clear, &c)) {
		if (likely(!obj->kind->type->release)) {
			dying_pop(d);
			obm_obj_free(obj);
		} else {
			dying_next_phase(d, PHASE_RELEASE);
		}
	}
	*c.last = NULL;
	dying_push_list(d, c.first);
}

static void step_release(struct dying *d, bool may_sleep)
{
	struct obm_obj *obj = dying_pop(d), *first;
	const struct obm_type *type = obj->kind->type;
	struct obm_call c = obm_call_begin(may_sleep);

	type->release(obj);
	first = obm_call_end(&c, obj, "release");
	obm_obj_free(obj);
	dying_push_list(d, first);
}

static void dying_step(struct dying *d)
{
	bool may_sleep = obj_may_sleep(entry_obj(d->top));

	switch (entry_phase(d->top)) {
	case PHASE_FINALIZE:
		step_finalize(d, may_sleep);
		break;
	case PHASE_WEAK:
		step_weak(d);
		break;
	case PHASE_CLEAR:
		step_clear(d, may_sleep);
		break;
	case PHASE_LINKS:
		step_links(d);
		break;
	case PHASE_RELEASE:
		step_release(d, may_sleep);
		break;
	default:
		step_call(d);
		break;
	}
}

/* --- The loop --- */

/* The rest of a stack, on top of what others have left. */
static void dying_leave(struct dying *d)
{
	struct obm_gc *gc = d->gc;
	unsigned long flags;

	raw_spin_lock_irqsave(&gc->dying_lock, flags);
	d->bottom->waiting = (void *)gc->dying;
	WRITE_ONCE(gc->dying, d->top);
	raw_spin_unlock_irqrestore(&gc->dying_lock, flags);
	d->top = 0;
	queue_work(obm_wq, &gc->work);
}

/* Until the stack is down to @end again, or empty. */
static void dying_loop(struct dying *d, unsigned long end)
{
	for (; d->top && d->top != end; d->steps++) {
		if (d->sleeps || d->unhurried) {
			if (!(d->steps % 256))
				cond_resched();
		} else if (unlikely(d->steps >= DIE_MANY)) {
			dying_leave(d);
			return;
		}
		dying_step(d);
	}
}

static bool obj_has_links(struct obm_obj *obj, const struct obm_type *type)
{
	struct obm_ref *refs = (void *)obj + type->links_offset;
	unsigned int i;

	for (i = 0; i < type->nr_links; i++)
		if (refs[i].target)
			return true;
	return false;
}

/**
 * obm_obj_die() - deal with an object that has lost its last reference
 * @obj: the object
 *
 * Context: Any context but NMI.
 */
void obm_obj_die(struct obm_obj *obj)
{
	struct obm_kind *kind = obj->kind;
	struct dying d = { .gc = kind->gc };

	/* Nothing to call and nothing to clear, as with most. */
	if (kind->plain && likely(!(READ_ONCE(obj->marks) & OBM_MARK_WEAK)) &&
	    !obj_has_links(obj, kind->type)) {
		obm_obj_free(obj);
		return;
	}
	if (unlikely(READ_ONCE(obj->marks) & OBM_MARK_UNSEEN)) {
		obm_obj_free(obj);
		return;
	}
	if (obm_call_notes(obj) || !dying_takes(&d, obj))
		return;
	d.unhurried = gc_is_clearing(kind->gc);
	dying_push(&d, obj, first_phase(obj));
	dying_loop(&d, 0);
}

/**
 * obm_dying_work() - let those die that were left to the worker
 * @gc: the collector
 *
 * Context: The worker; may sleep.
 */
void obm_dying_work(struct obm_gc *gc)
{
	struct dying d = { .gc = gc, .sleeps = true };
	struct llist_node *node;
	struct obm_obj *obj, *next;

	do {
		raw_spin_lock_irq(&gc->dying_lock);
		d.top = gc->dying;
		WRITE_ONCE(gc->dying, 0);
		raw_spin_unlock_irq(&gc->dying_lock);
		/* The newest first, so that the oldest is at the top. */
		node = llist_del_all(&gc->sleepers);
		llist_for_each_entry_safe(obj, next, node, limbo)
			dying_push(&d, obj, PHASE_FINALIZE);
		dying_loop(&d, 0);
	} while (READ_ONCE(gc->dying) || !llist_empty(&gc->sleepers));
}

/**
 * obm_obj_clear() - call the clear of a live object, for the collector
 * @obj: the object, of a type with clear; the caller has a reference
 *
 * Each link by itself, so that those die in their order who die by it.
 *
 * Context: Process context.
 */
void obm_obj_clear(struct obm_obj *obj)
{
	const struct obm_type *type = obj->kind->type;
	struct dying d = { .gc = obj->kind->gc, .unhurried = true };
	struct obm_call c;

	obm_obj_mark(obj, OBM_MARK_CLEARED);
	c = obm_call_begin(obj_may_sleep(obj));
	type->clear(obj);
	dying_push_list(&d, obm_call_end(&c, obj, "clear"));
	dying_loop(&d, 0);
}

/**
 * obm_weak_call() - call back a weak reference of which the target is gone
 * @weak: the weak reference, with a reference to it, which is put
 *
 * Context: Process context.
 */
void obm_weak_call(struct obm_weakref *weak)
{
	struct dying d = { .gc = weak->obj.kind->gc };

	dying_push(&d, &weak->obj, PHASE_CALL);
	dying_loop(&d, 0);
}

/**
 * obm_obj_finalize() - call an object's finalizer, unless it has been called
 * @obj: the object; the caller has a reference
 *
 * Context: Process context.
 * Return: whether it was called.
 */
bool obm_obj_finalize(struct obm_obj *obj)
{
	struct dying d = { .gc = obj->kind->gc };
	struct obm_call c;

	if (!obj->kind->type->finalize ||
	    !obm_obj_mark(obj, OBM_MARK_FINALIZED))
		return false;
	c = obm_call_begin(obj_may_sleep(obj));
	obj->kind->type->finalize(obj);
	dying_push_list(&d, obm_call_end(&c, obj, "finalize"));
	dying_loop(&d, 0);
	return true;
}

/* Of an object that lives. */
static int visit_drop(struct obm_ref *ref, void *arg)
{
	struct clearing *c = arg;
	struct obm_obj *old;
	u64 word;

	if (!READ_ONCE(ref->target))
		return 0;
	old = obj_ref_exchange(c->owner, ref, NULL, &word);
	return clearing_note(c, old, word);
}

/* The type's traverse may hold a lock: nobody dies before it has returned. */
static void clear_far_links(struct obm_obj *obj)
{
	struct clearing c = { .owner = obj };
	unsigned int returns = 0;
	struct obm_obj *dead;
	int more;

	do {
		c.once = returns++ < DIE_RETURNS;
		c.last = &c.first;
		more = obj->kind->type->traverse(obj, visit_drop, &c);
		*c.last = NULL;
		while (c.first) {
			dead = c.first;
			c.first = dead->waiting;
			obm_obj_die(dead);
		}
	} while (more);
}

/* As the default for clear, of an object that lives. */
void obm_obj_clear_links(struct obm_obj *obj)
{
	const struct obm_type *type = obj->kind->type;
	struct obm_ref *ref = (void *)obj + type->links_offset;
	struct obm_ref *end = ref + type->nr_links;
	struct obm_obj *old;
	u64 word;

	for (; ref < end; ref++) {
		if (!READ_ONCE(ref->target))
			continue;
		old = obj_ref_exchange(obj, ref, NULL, &word);
		if (old && obm_word_is_odd(word))
			__obm_obj_last_put(old, word);
	}
	if (unlikely(type->traverse))
		clear_far_links(obj);
}
