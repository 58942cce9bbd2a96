// SPDX-License-Identifier: GPL-2.0-only
/*
 * Weak references, and the marks of objects.
 *
 * Weak references are found by their target in a table of the heap, the newest
 * first. A target that has any is marked, so that others pay nothing. A dying
 * target clears its weak references before its memory can go: so who holds
 * weak_lock and sees a target may look at its word.
 *
 * The word says 0 of a target that dies by its count. Of one that the collector
 * has in hand it says "frozen", and the heap whether it is still deciding, then
 * a reference rescues the object, or has found it to be garbage.
 */
#include "object.h"

#include <linux/hash.h>

/*
 * A weak reference lets go of its target: when it dies itself, or is garbage. Its
 * callback, called later, could get at what has been cleared.
 */
void obm_weak_forget(struct obm_obj *obj)
{
	struct obm_weakref *weak = container_of(obj, struct obm_weakref, obj);
	struct obm_gc *gc = obj->kind->gc;
	unsigned long flags;

	raw_spin_lock_irqsave(&gc->weak_lock, flags);
	if (weak->target)
		hlist_del(&weak->hash);
	weak->target = NULL;
	raw_spin_unlock_irqrestore(&gc->weak_lock, flags);
}

struct obm_type obm_weakref_type = {
	.name = "weakref",
	.size = sizeof(struct obm_weakref),
	.flags = OBM_TYPE_TRACKED,
	.release = obm_weak_forget,
};

static struct hlist_head *weak_bucket(struct obm_gc *gc,
				      const struct obm_obj *target)
{
	return &gc->weak[hash_ptr(target, OBM_WEAK_BITS)];
}

/**
 * obm_weakref_new() - make a weak reference
 * @obj: what it is to refer to; the caller has a reference to it
 * @callback: called when @obj has died, as the newest weak reference first, or
 *	      NULL; in the context of the last put or of the collector, with
 *	      preemption disabled: it must not sleep
 * @arg: for @callback
 * @gfp: as for obm_obj_new()
 *
 * Context: Any context but NMI, as @gfp says; the first one of a heap where it
 * may sleep.
 * Return: an object with one reference, which is the caller's; NULL if there is
 * no memory, or no room under the heap's limit.
 */
struct obm_weakref *obm_weakref_new(struct obm_obj *obj, obm_weak_fn callback,
				    void *arg, gfp_t gfp)
{
	struct obm_gc *gc = obj->kind->gc;
	struct obm_weakref *weak;
	unsigned long flags;

	weak = obm_obj_new(gc->heap, &obm_weakref_type, gfp);
	if (!weak)
		return NULL;
	weak->callback = callback;
	weak->arg = arg;
	weak->next = NULL;
	weak->target = obj;
	raw_spin_lock_irqsave(&gc->weak_lock, flags);
	WRITE_ONCE(obj->marks, obj->marks | OBM_MARK_WEAK);
	hlist_add_head(&weak->hash, weak_bucket(gc, obj));
	raw_spin_unlock_irqrestore(&gc->weak_lock, flags);
	return weak;
}
EXPORT_SYMBOL_NS_GPL(obm_weakref_new, OBM_NS);

/*
 * Under weak_lock, of an object whose memory is there: a reference to it, unless
 * it is dead or garbage.
 */
static bool get_locked(struct obm_gc *gc, struct obm_obj *obj)
{
	s64 old = atomic64_read(&obj->word);

	lockdep_assert_held(&gc->weak_lock);
	do {
		if (!word_count(old))
			return false;
		if (old & OBM_WORD_FROZEN && gc->doomed)
			return false;
		if (word_count(old) >= OBM_COUNT_MAX - 1)
			break;
	} while (!atomic64_try_cmpxchg(&obj->word, &old,
				       old + OBM_WORD_OP + 1));
	/* Frozen: the collector has to look again. */
	if (old & OBM_WORD_FROZEN)
		gc->rescued = true;
	return true;
}

/* obm_obj_get_unless_zero() of an object that is frozen. */
bool obm_weak_rescue(struct obm_obj *obj)
{
	struct obm_gc *gc = obj->kind->gc;
	unsigned long flags;
	bool got;

	raw_spin_lock_irqsave(&gc->weak_lock, flags);
	got = get_locked(gc, obj);
	raw_spin_unlock_irqrestore(&gc->weak_lock, flags);
	return got;
}

/**
 * obm_weakref_get() - the object that a weak reference refers to
 * @weak: the weak reference
 *
 * Context: Any context but NMI. Takes the heap's weak_lock.
 * Return: the object, with a reference for the caller; NULL if it is dead.
 */
struct obm_obj *obm_weakref_get(struct obm_weakref *weak)
{
	struct obm_gc *gc = weak->obj.kind->gc;
	struct obm_obj *obj;
	unsigned long flags;

	raw_spin_lock_irqsave(&gc->weak_lock, flags);
	obj = weak->target;
	if (obj && !get_locked(gc, obj))
		obj = NULL;
	raw_spin_unlock_irqrestore(&gc->weak_lock, flags);
	return obj;
}
EXPORT_SYMBOL_NS_GPL(obm_weakref_get, OBM_NS);

/*
 * Whether a cleared weak reference is to be called back; then there is one more
 * reference to it. Not one that dies, nor one that is garbage.
 */
static bool wants_call(struct obm_gc *gc, struct obm_weakref *weak)
{
	return weak->callback && get_locked(gc, &weak->obj);
}

/**
 * obm_weak_clear() - clear the weak references to an object
 * @obj: the object, which is dead or garbage
 * @calls: list, by @next, of those that are to be called back, the newest first;
 *	   each with a reference, to be put after the call
 *
 * Context: Any context but NMI. Takes the heap's weak_lock, which is held for as
 * long as there are weak references in the object's bucket.
 */
void obm_weak_clear(struct obm_obj *obj, struct obm_weakref **calls)
{
	struct obm_gc *gc = obj->kind->gc;
	struct obm_weakref *weak;
	struct hlist_node *next;
	unsigned long flags;

	raw_spin_lock_irqsave(&gc->weak_lock, flags);
	hlist_for_each_entry_safe(weak, next, weak_bucket(gc, obj), hash) {
		if (weak->target != obj)
			continue;
		hlist_del(&weak->hash);
		weak->target = NULL;
		if (!wants_call(gc, weak))
			continue;
		weak->next = NULL;
		*calls = weak;
		calls = &weak->next;
	}
	WRITE_ONCE(obj->marks, obj->marks & ~OBM_MARK_WEAK);
	raw_spin_unlock_irqrestore(&gc->weak_lock, flags);
}

/* Sets a mark; false if it was set. */
bool obm_obj_mark(struct obm_obj *obj, u8 mark)
{
	struct obm_gc *gc = obj->kind->gc;
	unsigned long flags;
	bool was;

	raw_spin_lock_irqsave(&gc->weak_lock, flags);
	was = obj->marks & mark;
	WRITE_ONCE(obj->marks, obj->marks | mark);
	raw_spin_unlock_irqrestore(&gc->weak_lock, flags);
	return !was;
}

/**
 * obm_gc_is_finalized() - whether an object's finalizer has been called
 * @obj: the object
 *
 * Context: Any context.
 * Return: true if it was, so that it will not be again.
 */
bool obm_gc_is_finalized(const struct obm_obj *obj)
{
	return READ_ONCE(obj->marks) & OBM_MARK_FINALIZED;
}
EXPORT_SYMBOL_NS_GPL(obm_gc_is_finalized, OBM_NS);
