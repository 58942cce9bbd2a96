// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a collector is steered, and what it tells: the functions of CPython's gc
 * module that do not collect. All take gc->mutex, and so wait for who collects,
 * unless they say otherwise. A heap that has had no object yet gets its collector
 * by those that set something.
 */
#include "object.h"

#include <linux/sort.h>

/* When new objects tell the worker. */
static void set_kick(struct obm_gc *gc)
{
	unsigned int threshold = gc->generations[0].threshold;

	lockdep_assert_held(&gc->mutex);
	WRITE_ONCE(gc->kick_at, gc->enabled && threshold ? threshold : UINT_MAX);
}

static void set_enabled(struct obm_heap *heap, bool enabled)
{
	struct obm_gc *gc = obm_gc_make(heap);

	if (!gc)
		return;
	mutex_lock(&gc->mutex);
	WRITE_ONCE(gc->enabled, enabled);
	set_kick(gc);
	mutex_unlock(&gc->mutex);
}

/**
 * obm_gc_enable() - let the worker collect by itself
 * @heap: the heap
 *
 * So it is when a heap begins.
 *
 * Context: Process context, may sleep.
 */
void obm_gc_enable(struct obm_heap *heap)
{
	set_enabled(heap, true);
}
EXPORT_SYMBOL_NS_GPL(obm_gc_enable, OBM_NS);

/**
 * obm_gc_disable() - let nobody collect but obm_gc_collect()
 * @heap: the heap
 *
 * Context: Process context, may sleep. When it returns the worker does not
 * collect.
 */
void obm_gc_disable(struct obm_heap *heap)
{
	set_enabled(heap, false);
}
EXPORT_SYMBOL_NS_GPL(obm_gc_disable, OBM_NS);

/**
 * obm_gc_is_enabled() - whether the worker collects by itself
 * @heap: the heap
 *
 * Context: Any context.
 * Return: whether it does.
 */
bool obm_gc_is_enabled(struct obm_heap *heap)
{
	struct obm_gc *gc = obm_gc_of(heap);

	return !gc || READ_ONCE(gc->enabled);
}
EXPORT_SYMBOL_NS_GPL(obm_gc_is_enabled, OBM_NS);

/**
 * obm_gc_set_thresholds() - say when a generation is collected
 * @heap: the heap
 * @thresholds: for generation 0, of objects made less those that died, on any one
 *		CPU; 0 for never. For the others, of collections of the generation
 *		below. Collected is when there are more
 *
 * Context: Process context, may sleep.
 * Return: 0, or -ENOMEM.
 */
int obm_gc_set_thresholds(struct obm_heap *heap,
			  const unsigned int thresholds[OBM_NR_GENERATIONS])
{
	struct obm_gc *gc = obm_gc_make(heap);
	unsigned int i;

	if (!gc)
		return -ENOMEM;
	mutex_lock(&gc->mutex);
	for (i = 0; i < OBM_NR_GENERATIONS; i++)
		WRITE_ONCE(gc->generations[i].threshold, thresholds[i]);
	set_kick(gc);
	mutex_unlock(&gc->mutex);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(obm_gc_set_thresholds, OBM_NS);

/**
 * obm_gc_thresholds() - when a generation is collected
 * @heap: the heap
 * @thresholds: filled in
 *
 * Context: Process context, may sleep.
 */
void obm_gc_thresholds(struct obm_heap *heap,
		       unsigned int thresholds[OBM_NR_GENERATIONS])
{
	struct obm_gc *gc = obm_gc_make(heap);
	unsigned int i;

	for (i = 0; i < OBM_NR_GENERATIONS; i++)
		thresholds[i] = gc ? READ_ONCE(gc->generations[i].threshold) : 0;
}
EXPORT_SYMBOL_NS_GPL(obm_gc_thresholds, OBM_NS);

/* Of generation 0, all CPUs' and the rest; a peek. */
unsigned int obm_gc_nr_young(struct obm_gc *gc)
{
	unsigned int cpu, nr = READ_ONCE(gc->generations[0].count);
	struct obm_gc_cpu *of_cpu;

	for_each_possible_cpu(cpu) {
		of_cpu = per_cpu_ptr(gc->cpus, cpu);
		/* CPUs count as fast as they can: a peek. */
		nr += data_race(of_cpu->nr[0] + of_cpu->nr[1]);
	}
	return nr;
}

/**
 * obm_gc_counts() - what is compared with the thresholds
 * @heap: the heap
 * @counts: filled in; for generation 0 the sum over CPUs
 *
 * Context: Process context, may sleep.
 */
void obm_gc_counts(struct obm_heap *heap,
		   unsigned int counts[OBM_NR_GENERATIONS])
{
	struct obm_gc *gc = obm_gc_of(heap);
	unsigned int i;

	memset(counts, 0, OBM_NR_GENERATIONS * sizeof(*counts));
	if (!gc)
		return;
	mutex_lock(&gc->mutex);
	counts[0] = obm_gc_nr_young(gc);
	for (i = 1; i < OBM_NR_GENERATIONS; i++)
		counts[i] = gc->generations[i].count;
	mutex_unlock(&gc->mutex);
}
EXPORT_SYMBOL_NS_GPL(obm_gc_counts, OBM_NS);

static void list_move_all(struct obm_gc *gc, unsigned int from, unsigned int to)
{
	struct obm_obj *obj;

	list_for_each_entry(obj, &gc->shared[from], link)
		WRITE_ONCE(obj->place, OBM_PLACE_GEN(to));
	list_splice_tail_init(&gc->shared[from], &gc->shared[to]);
}

/**
 * obm_gc_set_mode() - say what is done with garbage
 * @heap: the heap
 * @mode: free or detect; as CPython's gc.DEBUG_SAVEALL, the latter keeps it
 *
 * What is in the garbage list when it is to be freed again is in generation 2
 * from then on, where the next collection finds it.
 *
 * Context: Process context, may sleep.
 * Return: 0; -EINVAL for a mode that is none; -ENOMEM.
 */
int obm_gc_set_mode(struct obm_heap *heap, enum obm_gc_mode mode)
{
	struct obm_gc *gc;

	if (mode != OBM_GC_FREE && mode != OBM_GC_DETECT)
		return -EINVAL;
	gc = obm_gc_make(heap);
	if (!gc)
		return -ENOMEM;
	mutex_lock(&gc->mutex);
	if (gc->mode == OBM_GC_DETECT && mode == OBM_GC_FREE) {
		obm_gc_begin(gc);
		list_move_all(gc, OBM_GC_GARBAGE, OBM_NR_GENERATIONS - 1);
		obm_gc_end(gc);
	}
	WRITE_ONCE(gc->mode, mode);
	mutex_unlock(&gc->mutex);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(obm_gc_set_mode, OBM_NS);

/**
 * obm_gc_get_mode() - what is done with garbage
 * @heap: the heap
 *
 * Context: Any context.
 * Return: the mode.
 */
enum obm_gc_mode obm_gc_get_mode(struct obm_heap *heap)
{
	struct obm_gc *gc = obm_gc_of(heap);

	return gc ? READ_ONCE(gc->mode) : OBM_GC_FREE;
}
EXPORT_SYMBOL_NS_GPL(obm_gc_get_mode, OBM_NS);

/**
 * obm_gc_freeze() - let no collection look at the objects that there are
 * @heap: the heap
 *
 * As CPython's gc.freeze(): all move to a permanent generation, and the counts
 * are zero. They die by their count as ever.
 *
 * Context: Process context, may sleep.
 * Return: 0, or -ENOMEM.
 */
int obm_gc_freeze(struct obm_heap *heap)
{
	struct obm_gc *gc = obm_gc_make(heap);
	unsigned int i;

	if (!gc)
		return -ENOMEM;
	mutex_lock(&gc->mutex);
	obm_gc_begin(gc);
	for (i = 0; i < OBM_NR_GENERATIONS; i++) {
		list_move_all(gc, i, OBM_GC_PERMANENT);
		WRITE_ONCE(gc->generations[i].count, 0);
	}
	obm_gc_end(gc);
	mutex_unlock(&gc->mutex);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(obm_gc_freeze, OBM_NS);

/**
 * obm_gc_unfreeze() - undo obm_gc_freeze()
 * @heap: the heap
 *
 * The objects are in generation 2 then.
 *
 * Context: Process context, may sleep.
 * Return: 0, or -ENOMEM.
 */
int obm_gc_unfreeze(struct obm_heap *heap)
{
	struct obm_gc *gc = obm_gc_make(heap);

	if (!gc)
		return -ENOMEM;
	mutex_lock(&gc->mutex);
	obm_gc_begin(gc);
	list_move_all(gc, OBM_GC_PERMANENT, OBM_NR_GENERATIONS - 1);
	obm_gc_end(gc);
	mutex_unlock(&gc->mutex);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(obm_gc_unfreeze, OBM_NS);

static unsigned long list_count(struct obm_heap *heap, unsigned int which)
{
	struct obm_gc *gc = obm_gc_of(heap);
	struct obm_obj *obj;
	unsigned long nr = 0;

	if (!gc)
		return 0;
	mutex_lock(&gc->mutex);
	obm_gc_begin(gc);
	list_for_each_entry(obj, &gc->shared[which], link)
		nr += !!obm_obj_refcount(obj);
	obm_gc_end(gc);
	mutex_unlock(&gc->mutex);
	return nr;
}

/**
 * obm_gc_freeze_count() - how many objects are in the permanent generation
 * @heap: the heap
 *
 * Context: Process context, may sleep.
 * Return: how many.
 */
unsigned long obm_gc_freeze_count(struct obm_heap *heap)
{
	return list_count(heap, OBM_GC_PERMANENT);
}
EXPORT_SYMBOL_NS_GPL(obm_gc_freeze_count, OBM_NS);

/**
 * obm_gc_garbage_count() - how many objects are in the garbage list
 * @heap: the heap
 *
 * Those that could not be freed, and those that were only to be detected.
 *
 * Context: Process context, may sleep.
 * Return: how many.
 */
unsigned long obm_gc_garbage_count(struct obm_heap *heap)
{
	return list_count(heap, OBM_GC_GARBAGE);
}
EXPORT_SYMBOL_NS_GPL(obm_gc_garbage_count, OBM_NS);

static int times_cmp(const void *a, const void *b)
{
	const u64 *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/**
 * obm_gc_stats() - what was collected of a generation
 * @heap: the heap
 * @generation: 0 to 2
 * @stats: filled in
 *
 * Context: Process context, may sleep.
 * Return: 0; -EINVAL for a generation that there is none of; -ENOMEM.
 */
int obm_gc_stats(struct obm_heap *heap, unsigned int generation,
		 struct obm_gc_stats *stats)
{
	struct obm_gc *gc = obm_gc_of(heap);
	u64 *times;
	size_t nr;

	memset(stats, 0, sizeof(*stats));
	if (generation >= OBM_NR_GENERATIONS)
		return -EINVAL;
	if (!gc)
		return 0;
	times = kcalloc(OBM_GC_NR_TIMES, sizeof(*times), GFP_KERNEL);
	if (!times)
		return -ENOMEM;
	mutex_lock(&gc->mutex);
	*stats = gc->generations[generation].stats;
	memcpy(times, gc->generations[generation].times,
	       OBM_GC_NR_TIMES * sizeof(*times));
	mutex_unlock(&gc->mutex);
	nr = min_t(u64, stats->nr_collections, OBM_GC_NR_TIMES);
	if (nr) {
		sort(times, nr, sizeof(*times), times_cmp, NULL);
		stats->min_ns = times[0];
		stats->median_ns = times[nr / 2];
	}
	kfree(times);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(obm_gc_stats, OBM_NS);
