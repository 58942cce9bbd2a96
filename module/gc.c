// SPDX-License-Identifier: GPL-2.0-only
/*
 * Collections: CPython 3.11's gc_collect_main(), and when it is called. The order
 * of things is CPython's, too, as far as clients can see it:
 *
 *	younger generations are merged into the one that is collected
 *	what is garbage is found out (graph.c)
 *	who survives is in the next generation
 *	weak references to garbage are cleared, and called back if they are none
 *	finalizers that have not been called are called
 *	what somebody has got hold of by that lives, and all that it leads to
 *	the others are cleared, one after the other, and die as counts fall to 0
 */
#include "object.h"

#include <linux/ktime.h>

/* What survives a collection of a generation is in this one then. */
static unsigned int older(unsigned int generation)
{
	return min(generation + 1, OBM_NR_GENERATIONS - 1U);
}

static void list_set_place(struct list_head *list, u16 place)
{
	struct obm_obj *obj;
	unsigned int nr = 0;

	list_for_each_entry(obj, list, link) {
		WRITE_ONCE(obj->place, place);
		if (!(++nr % 256))
			cond_resched();
	}
}

/*
 * True if there was a callback. Weak references that end with theirs are counted,
 * as in CPython: their memory is there while the era is odd.
 */
static bool garbage_clear_weak(struct list_head *garbage,
			       unsigned long *nr_ended)
{
	struct obm_weakref *calls = NULL, **last = &calls, *weak;
	struct obm_obj *obj;
	unsigned int nr = 0;
	bool called;

	list_for_each_entry(obj, garbage, link) {
		if (unlikely(obj->kind->type == &obm_weakref_type))
			obm_weak_forget(obj);
		if (unlikely(READ_ONCE(obj->marks) & OBM_MARK_WEAK)) {
			obm_weak_clear(obj, last);
			while (*last)
				last = &(*last)->next;
		}
		if (!(++nr % 256))
			cond_resched();
	}
	called = calls;
	while (calls) {
		weak = calls;
		calls = weak->next;
		obm_weak_call(weak);
		*nr_ended += !obm_obj_refcount(&weak->obj);
		cond_resched();
	}
	return called;
}

/* True if there was one to be called. */
static bool garbage_finalize(struct list_head *garbage)
{
	struct obm_obj *obj;
	bool called = false;
	unsigned int nr = 0;

	list_for_each_entry(obj, garbage, link) {
		if (!(++nr % 256))
			cond_resched();
		if (likely(!obj->kind->type->finalize) || !obm_obj_pin(obj))
			continue;
		called |= obm_obj_finalize(obj);
		obm_obj_put_unseen(obj);
	}
	return called;
}

/* Lets one of the garbage go of its links, of which some may stay. */
static void garbage_clear_one(struct obm_obj *obj)
{
	if (!obm_obj_pin(obj))
		return;
	if (unlikely(obj->kind->type->clear)) {
		obm_obj_clear(obj);
		if (obm_obj_has_links(obj))
			obj->color = OBM_COLOR_NONE;
	} else {
		obm_obj_clear_links(obj);
	}
	atomic64_andnot(OBM_WORD_FROZEN, &obj->word);
	obm_obj_put_unseen(obj);
}

/*
 * Lets garbage go of its links. Who did not is in @stubborn then; who died here is in
 * gc->dead, as they lie in memory rather than as they died; and all others are in
 * @old, also those that died elsewhere and wait for the era to end.
 */
static void garbage_clear(struct obm_gc *gc, struct list_head *garbage,
			  struct list_head *old, struct list_head *stubborn)
{
	struct obm_ahead ahead = obm_ahead_begin(garbage);
	struct obm_obj *obj, *next;

	/* Nobody leaves the list meanwhile. */
	gc->clearing = true;
	list_for_each_entry(obj, garbage, link) {
		obm_ahead_step(&ahead);
		garbage_clear_one(obj);
		cond_resched();
	}
	gc->clearing = false;
	list_for_each_entry_safe(obj, next, garbage, link) {
		cond_resched();
		if (likely(obj->color == OBM_COLOR_DEAD))
			continue;
		list_move_tail(&obj->link, obj->color == OBM_COLOR_LOST ?
					   old : stubborn);
		obj->color = OBM_COLOR_NONE;
	}
	list_splice_tail_init(garbage, &gc->dead);
}

/* Those that live still: their types are named, and they can be looked at. */
static unsigned long garbage_keep(struct obm_gc *gc, struct list_head *stubborn,
				  struct list_head *old)
{
	struct obm_obj *obj, *next;
	unsigned long nr = 0;

	list_for_each_entry_safe(obj, next, stubborn, link) {
		if (!obm_obj_refcount(obj)) {
			list_move_tail(&obj->link, old);
			continue;
		}
		WRITE_ONCE(obj->place, OBM_PLACE_GARBAGE);
		/* One report for all: they are in the list. */
		if (!nr++)
			obm_report_object(gc->heap, OBM_BAD_TYPE,
					  obj->kind->type,
					  "clear left links of object %016llx",
					  obm_obj_id(obj));
	}
	list_splice_tail_init(stubborn, &gc->shared[OBM_GC_GARBAGE]);
	return nr;
}

/* What is only looked for is kept where it can be seen. */
static void garbage_show(struct obm_gc *gc, struct list_head *garbage,
			 unsigned long nr)
{
	const struct obm_obj *obj = list_first_entry(garbage, struct obm_obj,
						     link);

	pr_info("heap %s: %lu objects are garbage, the first one %016llx of type %s\n",
		gc->heap->name, nr, obm_obj_id(obj), obj->kind->type->name);
	obm_graph_thaw(gc, garbage);
	list_set_place(garbage, OBM_PLACE_GARBAGE);
	list_splice_tail_init(garbage, &gc->shared[OBM_GC_GARBAGE]);
}

/* Returns how much was garbage to the end. */
static unsigned long garbage_free(struct obm_gc *gc, struct list_head *garbage,
				  unsigned long nr, unsigned int generation)
{
	unsigned int next = older(generation);
	struct obm_generation *stats = &gc->generations[generation];
	unsigned long nr_live, nr_kept, nr_ended = 0;
	LIST_HEAD(stubborn);
	LIST_HEAD(lost);
	bool called = false;

	if (gc->has_weak)
		called = garbage_clear_weak(garbage, &nr_ended);
	if (gc->has_finalizer)
		called |= garbage_finalize(garbage);
	if (called) {
		obm_graph_thaw(gc, garbage);
		nr = obm_graph_deduce(gc, garbage, OBM_PLACE_GEN(next), &lost,
				      &nr_live);
		list_splice_tail_init(garbage, &gc->shared[next]);
		list_splice_init(&lost, garbage);
	}
	garbage_clear(gc, garbage, &gc->shared[next], &stubborn);
	nr_kept = garbage_keep(gc, &stubborn, &gc->shared[next]);
	obm_graph_thaw(gc, garbage);
	nr += nr_ended;
	stats->stats.nr_collected += nr - nr_kept;
	stats->stats.nr_uncollectable += nr_kept;
	gc->last.nr_kept = nr_kept;
	return nr;
}

/* Younger ones come in behind those of the generation. */
static void merge_younger(struct obm_gc *gc, unsigned int generation)
{
	unsigned int i;

	if (generation + 1 < OBM_NR_GENERATIONS)
		gc->generations[generation + 1].count++;
	for (i = 1; i <= generation; i++)
		gc->generations[i].count = 0;
	raw_spin_lock_irq(&gc->lock);
	WRITE_ONCE(gc->generations[0].count, 0);
	raw_spin_unlock_irq(&gc->lock);
	for (i = 0; i < generation; i++)
		list_splice_tail_init(&gc->shared[i], &gc->shared[generation]);
}

static void note_time(struct obm_generation *generation, u64 ns)
{
	struct obm_gc_stats *stats = &generation->stats;

	generation->times[stats->nr_collections++ % OBM_GC_NR_TIMES] = ns;
	stats->max_ns = max(stats->max_ns, ns);
}

/* Under gc->mutex, in an odd era; as gc_collect_main(). */
static unsigned long collect(struct obm_gc *gc, unsigned int generation)
{
	struct obm_generation *stats = &gc->generations[generation];
	struct list_head *young = &gc->shared[generation];
	unsigned int next = older(generation);
	u64 start = ktime_get_ns();
	unsigned long nr, nr_live;
	LIST_HEAD(garbage);

	merge_younger(gc, generation);
	gc->nr_doubts = 0;
	gc->last.nr_kept = 0;
	nr = obm_graph_deduce(gc, young, OBM_PLACE_GEN(next), &garbage,
			      &nr_live);
	if (generation == OBM_NR_GENERATIONS - 1) {
		gc->pending = 0;
		gc->total = nr_live;
	} else {
		if (generation == OBM_NR_GENERATIONS - 2)
			gc->pending += nr_live;
		list_splice_tail_init(young, &gc->shared[next]);
	}
	if (nr && gc->mode == OBM_GC_DETECT) {
		garbage_show(gc, &garbage, nr);
		stats->stats.nr_uncollectable += nr;
		gc->last.nr_kept = nr;
	} else if (nr) {
		nr = garbage_free(gc, &garbage, nr, generation);
	}
	stats->stats.nr_doubts += gc->nr_doubts;
	gc->last.generation = generation;
	gc->last.nr = nr;
	gc->last.nr_doubts = gc->nr_doubts;
	gc->last.ns = ktime_get_ns() - start;
	note_time(stats, gc->last.ns);
	return nr;
}

/* As gc_collect_generations(): the oldest one whose time has come, or -1. */
static int generation_due(struct obm_gc *gc)
{
	int i;

	for (i = OBM_NR_GENERATIONS - 1; i > 0; i--) {
		if (gc->generations[i].count <= gc->generations[i].threshold)
			continue;
		/* A full one only if what it has not seen is worth it. */
		if (i == OBM_NR_GENERATIONS - 1 && gc->pending < gc->total / 4)
			continue;
		return i;
	}
	return 0;
}

static long collect_one(struct obm_gc *gc, int generation)
{
	unsigned long nr;

	lockdep_assert_held(&gc->mutex);
	obm_gc_begin(gc);
	WRITE_ONCE(gc->collector, current);
	nr = collect(gc, generation);
	WRITE_ONCE(gc->collector, NULL);
	obm_gc_end(gc);
	/* As CPython clears its free lists. */
	if (generation == OBM_NR_GENERATIONS - 1)
		obm_front_drain(gc->heap, true);
	return nr;
}

/**
 * obm_gc_collect() - collect a generation and those younger than it
 * @heap: the heap
 * @generation: 0, 1, or 2 for all
 *
 * As CPython's gc.collect(). Finalizers, callbacks and releases are called before
 * it returns, but for those of types that may sleep. With generation 2, dead
 * objects that wait for reuse are freed, too.
 *
 * Context: Process context, may sleep. Takes gc->mutex: waits for another one who
 * collects.
 * Return: how many objects were garbage, and weak references that ended with their
 * callback; 0 if a callback of this very collection calls; -EINVAL for a generation
 * that there is none of.
 */
long obm_gc_collect(struct obm_heap *heap, unsigned int generation)
{
	struct obm_gc *gc = obm_gc_of(heap);
	long nr;

	if (generation >= OBM_NR_GENERATIONS)
		return -EINVAL;
	if (!gc || READ_ONCE(gc->collector) == current)
		return 0;
	mutex_lock(&gc->mutex);
	nr = collect_one(gc, generation);
	mutex_unlock(&gc->mutex);
	return nr;
}
EXPORT_SYMBOL_NS_GPL(obm_gc_collect, OBM_NS);

/**
 * obm_gc_step() - collect as if the threshold of generation 0 had been passed
 * @heap: the heap
 *
 * What the worker does by itself: the oldest generation is collected whose
 * threshold has been passed, 0 at least.
 *
 * Context: as obm_gc_collect().
 * Return: the generation; -1 if there are no objects, the collector is disabled,
 * threshold 0 is 0, or a callback of this very collection calls.
 */
int obm_gc_step(struct obm_heap *heap)
{
	struct obm_gc *gc = obm_gc_of(heap);
	int generation = -1;

	if (!gc || READ_ONCE(gc->collector) == current)
		return -1;
	mutex_lock(&gc->mutex);
	if (gc->enabled && gc->generations[0].threshold) {
		generation = generation_due(gc);
		collect_one(gc, generation);
	}
	mutex_unlock(&gc->mutex);
	return generation;
}
EXPORT_SYMBOL_NS_GPL(obm_gc_step, OBM_NS);

/* --- The worker --- */

/**
 * obm_gc_kick() - let the worker look whether there is something to do
 * @gc: the collector
 *
 * Context: Any context but NMI.
 */
void obm_gc_kick(struct obm_gc *gc)
{
	if (!atomic_xchg(&gc->kicked, 1))
		queue_work(obm_wq, &gc->work);
}

static bool young_are_many(struct obm_gc *gc)
{
	unsigned int threshold = gc->generations[0].threshold;

	return gc->enabled && threshold && obm_gc_nr_young(gc) > threshold;
}

static void gc_work(struct work_struct *work)
{
	struct obm_gc *gc = container_of(work, struct obm_gc, work);

	obm_dying_work(gc);
	if (!atomic_xchg(&gc->kicked, 0))
		return;
	mutex_lock(&gc->mutex);
	gc->patient = true;
	if (young_are_many(gc)) {
		collect_one(gc, generation_due(gc));
	} else if (atomic_read(&gc->nr_limbo)) {
		obm_gc_begin(gc);
		obm_gc_end(gc);
	}
	gc->patient = false;
	mutex_unlock(&gc->mutex);
}

/**
 * obm_obj_flush() - wait until all that is dead is gone
 * @heap: the heap
 *
 * For objects that may sleep, for those that were too many for one put, and for
 * memory that waits for a collection to end, or for RCU.
 *
 * Context: Process context, may sleep, not in a callback of an object. Takes
 * gc->mutex.
 */
void obm_obj_flush(struct obm_heap *heap)
{
	struct obm_gc *gc = obm_gc_of(heap);

	if (!gc)
		return;
	do {
		flush_work(&gc->work);
	} while (READ_ONCE(gc->dying) || !llist_empty(&gc->sleepers));
	obm_era_flush(gc);
	obm_rcu_wait(heap);
}
EXPORT_SYMBOL_NS_GPL(obm_obj_flush, OBM_NS);

void obm_gc_init(struct obm_gc *gc)
{
	static const unsigned int thresholds[OBM_NR_GENERATIONS] = {
		700, 10, 10
	};
	unsigned int i;

	mutex_init(&gc->mutex);
	raw_spin_lock_init(&gc->weak_lock);
	raw_spin_lock_init(&gc->dying_lock);
	init_llist_head(&gc->sleepers);
	INIT_LIST_HEAD(&gc->kind_list);
	INIT_WORK(&gc->work, gc_work);
	obm_era_init(gc);
	for (i = 0; i < OBM_NR_GENERATIONS; i++)
		gc->generations[i].threshold = thresholds[i];
	gc->kick_at = thresholds[0];
	gc->enabled = true;
	gc->last.generation = -1;
}

/*
 * Immortal objects live as long as their heap. In an odd era, as the end of one
 * may be that of others in the list.
 */
static void list_end_immortals(struct obm_gc *gc, struct list_head *list)
{
	struct obm_obj *obj;

	list_for_each_entry(obj, list, link) {
		if (!(READ_ONCE(obj->marks) & OBM_MARK_IMMORTAL))
			continue;
		/* Links to it are all that is known; and one is ours. */
		atomic64_set(&obj->word, atomic_read(&obj->in) + 1);
		obm_obj_put(obj);
		cond_resched();
	}
}

static void end_immortals(struct obm_gc *gc)
{
	unsigned int i;

	mutex_lock(&gc->mutex);
	obm_gc_begin(gc);
	for (i = 0; i < OBM_NR_SHARED; i++)
		list_end_immortals(gc, &gc->shared[i]);
	obm_gc_end(gc);
	mutex_unlock(&gc->mutex);
}

/* The heap is being destroyed: garbage is freed, and the worker ended. */
void obm_gc_stop(struct obm_gc *gc)
{
	obm_gc_disable(gc->heap);
	obm_obj_flush(gc->heap);
	end_immortals(gc);
	obm_gc_unfreeze(gc->heap);
	if (gc->mode == OBM_GC_FREE)
		obm_gc_collect(gc->heap, OBM_NR_GENERATIONS - 1);
	obm_obj_flush(gc->heap);
	cancel_work_sync(&gc->work);
}
