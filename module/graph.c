// SPDX-License-Identifier: GPL-2.0-only
/*
 * What of a list of objects is garbage: CPython's deduce_unreachable(), while
 * others change the graph. Documentation/gc.md has the argument; the steps are
 *
 *	look	counts are copied, and operations set to zero
 *	subtract	the links found between the objects are taken off the copies
 *	part	what no reference from outside is left of, and nothing that has one
 *		leads to, is lost
 *	freeze	of the lost, those with operations are rescued, and all that they
 *		lead to; of the others the words are marked, so that who has no
 *		reference cannot take one unseen
 *	wait	for a grace period: links that were being cleared are clear, and
 *		their operations added
 *	check	as freeze; wait and check until nobody has to be rescued any more
 *	doom	if no frozen object has been got at meanwhile, at one instant
 *
 * No recursion, no memory: lists, and what the objects have room for. Whatever
 * seems wrong makes an object live.
 */
#include "object.h"

#include <linux/ktime.h>

/* Of an object of which nothing can be said. */
#define REFS_MANY	(INT_MAX / 2)
/* Tries to doom; then all are rescued. */
#define CHECK_MANY	16
/*
 * Operations are 35 bits, and each takes some nanoseconds. In this time nobody
 * can have made them zero by making enough.
 */
#define LOOK_MAX_NS	(60ULL * NSEC_PER_SEC)

/**
 * struct graph - a list of objects that is looked at
 * @gc: the collector
 * @base: the objects; in the end those that live
 * @lost: in the end those that do not
 * @saved: rescued, and yet to be looked through
 * @odd: one that is visited more often than it has references, or NULL
 * @nr_base: how many there were alive
 * @nr_lost: how many are lost
 * @nr_steps: objects passed, to let others run now and then
 * @broken: a type has been found out: nothing is garbage today
 * @doubtful: nor if this is set, for another reason
 */
struct graph {
	struct obm_gc *gc;
	struct list_head *base;
	struct list_head *lost;
	struct list_head saved;
	struct obm_obj *odd;
	unsigned long nr_base;
	unsigned long nr_lost;
	unsigned int nr_steps;
	bool broken;
	bool doubtful;
};

static inline void graph_step(struct graph *graph)
{
	if (unlikely(!(++graph->nr_steps % 256)))
		cond_resched();
}

static inline bool is_ours(const struct graph *graph, const struct obm_obj *obj)
{
	return likely(obj->kind->gc == graph->gc);
}

static inline bool is_trusted(const struct obm_obj *obj)
{
	return likely(!READ_ONCE(obj->kind->type->distrusted));
}

/* --- Look --- */

static void graph_look(struct graph *graph, u16 place)
{
	struct obm_obj *obj;
	u64 word;

	list_for_each_entry(obj, graph->base, link) {
		WRITE_ONCE(obj->place, place);
		word = atomic64_read(&obj->word);
		if (word > OBM_COUNT_MASK)
			word = atomic64_fetch_and(OBM_COUNT_MASK, &obj->word);
		obj->refs = word_count(word);
		/* Dead ones may be in the list for a while. */
		graph->nr_base += !!obj->refs;
		obj->color = OBM_COLOR_LOOKED_AT;
		/* One that is dying has nothing to do with it. */
		if (unlikely(!obj->refs || obj->refs >= OBM_COUNT_MAX ||
			     !is_trusted(obj))) {
			obj->refs = REFS_MANY;
			obj->color = OBM_COLOR_NONE;
		}
		graph_step(graph);
	}
	/* Words before links; pairs with the xchg() of those that change links. */
	smp_mb();
}

/* --- Subtract --- */

static __always_inline int visit_subtract(struct obm_ref *ref, void *arg)
{
	struct obm_obj *obj = READ_ONCE(ref->target);
	struct obm_links *links = arg;

	if (!obj)
		return 0;
	links->nr++;
	if (unlikely(obj->kind->gc != links->gc))
		links->nr_strange++;
	else if (obj->color == OBM_COLOR_LOOKED_AT)
		obj->refs--;
	return 0;
}

static int visit_subtract_far(struct obm_ref *ref, void *arg)
{
	return visit_subtract(ref, arg);
}

/* Of an object whose links are not all in itself. */
static void subtract_far(struct graph *graph, struct obm_obj *obj)
{
	struct obm_links links = { .gc = graph->gc };

	/* It must not be released while its containers are looked through. */
	if (!obm_obj_pin(obj))
		return;
	if (obm_links_differ(obj, &links, visit_subtract_far))
		graph->broken |= obm_suspect(graph->gc, obj);
	obm_obj_put_unseen(obj);
}

static void graph_subtract(struct graph *graph)
{
	struct obm_ahead ahead = obm_ahead_begin(graph->base);
	struct obm_links links = { .gc = graph->gc };
	struct obm_obj *obj;

	list_for_each_entry(obj, graph->base, link) {
		obm_ahead_step(&ahead);
		if (unlikely(obj->color != OBM_COLOR_LOOKED_AT))
			continue;
		if (unlikely(obj->kind->type->traverse))
			subtract_far(graph, obj);
		else
			obj_traverse(obj, visit_subtract, &links);
		if (unlikely(graph->broken))
			return;
		graph_step(graph);
	}
}

/* --- Part --- */

static __always_inline int visit_reach(struct obm_ref *ref, void *arg)
{
	struct obm_obj *obj = READ_ONCE(ref->target);
	struct graph *graph = arg;

	if (!obj || unlikely(!is_ours(graph, obj)))
		return 0;
	if (obj->color == OBM_COLOR_LOST) {
		/* Was passed, and is to be looked through after all. */
		list_move_tail(&obj->link, graph->base);
		obj->color = OBM_COLOR_LOOKED_AT;
		obj->refs = 1;
	} else if (obj->color == OBM_COLOR_LOOKED_AT && !obj->refs) {
		obj->refs = 1;
	}
	return 0;
}

static int visit_reach_far(struct obm_ref *ref, void *arg)
{
	return visit_reach(ref, arg);
}

/*
 * Links of an object that lives; which must not be released meanwhile, if it has
 * some elsewhere. If it dies just now, its finalizer may yet get at what only it
 * leads to, and that cannot be told.
 */
static void look_far(struct graph *graph, struct obm_obj *obj,
		     obm_visit_t visit)
{
	/* No link of it was subtracted; it may be dead for long. */
	if (obj->refs == REFS_MANY)
		return;
	/* Somebody has found out its type meanwhile. */
	if (!is_trusted(obj) || !obm_obj_pin(obj)) {
		graph->doubtful = true;
		return;
	}
	obm_obj_traverse(obj, visit, graph);
	obm_obj_put_unseen(obj);
}

static __always_inline void look_through(struct graph *graph,
					 struct obm_obj *obj,
					 obm_visit_t visit,
					 obm_visit_t visit_far)
{
	if (unlikely(obj->kind->type->traverse))
		look_far(graph, obj, visit_far);
	else
		obj_traverse(obj, visit, graph);
}

/*
 * As CPython's move_unreachable(), which moves what is lost and not what lives,
 * as there is less of it, and keeps the others in this very order.
 */
static void graph_part(struct graph *graph)
{
	struct obm_ahead ahead = obm_ahead_begin(graph->base);
	struct obm_obj *obj, *next;

	/* The next one is taken late, as objects are moved to the end. */
	for (obj = list_first_entry(graph->base, struct obm_obj, link);
	     !list_entry_is_head(obj, graph->base, link); obj = next) {
		obm_ahead_step(&ahead);
		if (obj->refs) {
			if (unlikely(obj->refs < 0))
				graph->odd = obj;
			look_through(graph, obj, visit_reach, visit_reach_far);
			obj->color = OBM_COLOR_NONE;
			next = list_next_entry(obj, link);
		} else {
			next = list_next_entry(obj, link);
			obm_ahead_leave(&ahead, obj);
			obj->color = OBM_COLOR_LOST;
			list_move_tail(&obj->link, graph->lost);
		}
		graph_step(graph);
	}
}

/* If nothing has happened to the object, somebody visits links that are none. */
static void graph_report_odd(struct graph *graph)
{
	struct obm_obj *obj = graph->odd;
	u64 word;

	obm_gc_synchronize(graph->gc);
	word = atomic64_read(&obj->word);
	if (word_is_still(word) && word_count(word))
		obm_suspect_visitor(graph->gc, obj, graph->base, graph->lost,
				    word_count(word) - obj->refs,
				    atomic_read(&obj->in));
}

/* --- Rescue --- */

static void obj_rescue(struct graph *graph, struct obm_obj *obj)
{
	atomic64_andnot(OBM_WORD_FROZEN, &obj->word);
	obj->color = OBM_COLOR_NONE;
	list_move_tail(&obj->link, &graph->saved);
}

static int visit_rescue(struct obm_ref *ref, void *arg)
{
	struct obm_obj *obj = READ_ONCE(ref->target);
	struct graph *graph = arg;

	if (obj && is_ours(graph, obj) && obj->color == OBM_COLOR_LOST)
		obj_rescue(graph, obj);
	return 0;
}

/* All that rescued ones lead to lives, too; true if there were any. */
static bool graph_rescue(struct graph *graph)
{
	struct obm_obj *obj;

	if (list_empty(&graph->saved))
		return false;
	list_for_each_entry(obj, &graph->saved, link) {
		look_through(graph, obj, visit_rescue, visit_rescue);
		graph->gc->nr_doubts++;
		graph_step(graph);
	}
	list_splice_tail_init(&graph->saved, graph->base);
	return true;
}

static void graph_rescue_all(struct graph *graph)
{
	struct obm_obj *obj, *next;

	list_for_each_entry_safe(obj, next, graph->lost, link) {
		obj_rescue(graph, obj);
		graph_step(graph);
	}
	graph_rescue(graph);
}

/* --- Freeze, check, doom --- */

static bool obj_freeze(struct obm_obj *obj)
{
	s64 word = atomic64_read(&obj->word);

	do {
		if (!word_is_still(word) || !word_count(word))
			return false;
	} while (!atomic64_try_cmpxchg(&obj->word, &word,
				       word | OBM_WORD_FROZEN));
	return true;
}

static void graph_freeze(struct graph *graph)
{
	struct obm_obj *obj, *next;
	unsigned long flags;

	raw_spin_lock_irqsave(&graph->gc->weak_lock, flags);
	graph->gc->rescued = false;
	raw_spin_unlock_irqrestore(&graph->gc->weak_lock, flags);
	list_for_each_entry_safe(obj, next, graph->lost, link) {
		if (!obj_freeze(obj))
			obj_rescue(graph, obj);
		graph_step(graph);
	}
	graph_rescue(graph);
}

/*
 * An object without operations has as many references as links to it were found.
 * If fewer have been set, somebody visits links that are none.
 */
static bool obj_is_doubtful(struct graph *graph, struct obm_obj *obj, u64 word)
{
	unsigned int in = atomic_read(&obj->in);

	if (likely(in == word_count(word)))
		return false;
	/* Or a link is just being cleared: then it is an operation by now. */
	obm_gc_synchronize(graph->gc);
	if (atomic64_read(&obj->word) == word &&
	    atomic_read(&obj->in) == in)
		obm_suspect_visitor(graph->gc, obj, graph->base, graph->lost,
				    word_count(word), in);
	return true;
}

/* What is found in the pass before the garbage is doomed holds from then on. */
static void note_callbacks(struct obm_gc *gc, const struct obm_obj *obj)
{
	if (unlikely(READ_ONCE(obj->marks) & OBM_MARK_WEAK ||
		     obj->kind->type == &obm_weakref_type))
		gc->has_weak = true;
	if (unlikely(obj->kind->type->finalize))
		gc->has_finalizer = true;
}

/* Whether a pass over all that are lost found nothing to say against it. */
static bool graph_check(struct graph *graph)
{
	struct obm_obj *obj, *next;
	u64 word;

	/* Links were read before words; pairs as in graph_look(). */
	smp_mb();
	graph->nr_lost = 0;
	graph->gc->has_weak = false;
	graph->gc->has_finalizer = false;
	list_for_each_entry_safe(obj, next, graph->lost, link) {
		word = atomic64_read(&obj->word);
		if (!word_is_still(word) ||
		    obj_is_doubtful(graph, obj, word)) {
			obj_rescue(graph, obj);
		} else {
			graph->nr_lost++;
			note_callbacks(graph->gc, obj);
		}
		graph_step(graph);
	}
	return !graph_rescue(graph);
}

/* The instant from which nobody gets at what is lost. */
static bool graph_doom(struct graph *graph)
{
	struct obm_gc *gc = graph->gc;
	unsigned long flags;
	bool done;

	raw_spin_lock_irqsave(&gc->weak_lock, flags);
	done = !gc->rescued;
	gc->rescued = false;
	gc->doomed = done;
	raw_spin_unlock_irqrestore(&gc->weak_lock, flags);
	return done;
}

/* Which of the lost are garbage. */
static void graph_decide(struct graph *graph, u64 start)
{
	unsigned int tries;

	graph_freeze(graph);
	if (list_empty(graph->lost))
		return;
	for (tries = 0; tries < CHECK_MANY && !graph->doubtful; tries++) {
		obm_gc_synchronize(graph->gc);
		if (!graph_check(graph))
			continue;
		if (ktime_get_ns() - start > LOOK_MAX_NS)
			break;
		if (graph_doom(graph))
			return;
	}
	graph_rescue_all(graph);
	graph->nr_lost = 0;
}

static void graph_clear_colors(struct graph *graph)
{
	struct obm_obj *obj;

	list_for_each_entry(obj, graph->base, link) {
		obj->color = OBM_COLOR_NONE;
		graph_step(graph);
	}
}

/**
 * obm_graph_deduce() - find out what of a list of objects is garbage
 * @gc: the collector, which is at work: the era is odd
 * @base: the objects; those that live stay, in CPython's order
 * @place: what their place is from now on
 * @lost: empty; gets those that are garbage, frozen and doomed: nobody but the
 *	  collector can get at them until obm_graph_thaw()
 * @nr_live: set to the number of those that stay
 *
 * Context: Process context, under gc->mutex; lets others run. No lock is held for
 * longer than an instant, and no memory allocated.
 * Return: how many are garbage.
 */
unsigned long obm_graph_deduce(struct obm_gc *gc, struct list_head *base,
			       u16 place, struct list_head *lost,
			       unsigned long *nr_live)
{
	struct graph graph = { .gc = gc, .base = base, .lost = lost };
	u64 start = ktime_get_ns();

	lockdep_assert_held(&gc->mutex);
	INIT_LIST_HEAD(&graph.saved);
	gc->looking = true;
	graph_look(&graph, place);
	graph_subtract(&graph);
	if (unlikely(graph.broken)) {
		graph_clear_colors(&graph);
	} else {
		graph_part(&graph);
		if (unlikely(graph.odd))
			graph_report_odd(&graph);
		if (!list_empty(lost))
			graph_decide(&graph, start);
	}
	gc->looking = false;
	*nr_live = graph.nr_base - graph.nr_lost;
	return graph.nr_lost;
}

/**
 * obm_graph_thaw() - let others get at objects again that were lost
 * @gc: the collector
 * @lost: list of them
 *
 * Context: as obm_graph_deduce().
 */
void obm_graph_thaw(struct obm_gc *gc, struct list_head *lost)
{
	unsigned long flags;
	struct obm_obj *obj;
	unsigned int nr = 0;

	raw_spin_lock_irqsave(&gc->weak_lock, flags);
	gc->doomed = false;
	raw_spin_unlock_irqrestore(&gc->weak_lock, flags);
	list_for_each_entry(obj, lost, link) {
		atomic64_andnot(OBM_WORD_FROZEN, &obj->word);
		obj->color = OBM_COLOR_NONE;
		if (!(++nr % 256))
			cond_resched();
	}
}
