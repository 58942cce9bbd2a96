// SPDX-License-Identifier: GPL-2.0-only
/*
 * How the collector is steered, and when it runs: the worker, switched on and
 * off, detecting only, asked in the wrong place; and the end of a heap with
 * everything still in it.
 */
#include <linux/delay.h>

#include "console.h"
#include "object.h"

#define SETTLE_MS	20000

static u64 nr_collections(struct obm_heap *heap, unsigned int generation)
{
	struct obm_gc_stats stats = { };

	obm_gc_stats(heap, generation, &stats);
	return stats.nr_collections;
}

static unsigned int nr_by_worker, nr_by_task;

static void note_who(struct obm_obj *obj)
{
	if (in_task() && current->flags & PF_WQ_WORKER)
		nr_by_worker++;
	else
		nr_by_task++;
}

static struct obm_type noted_type = {
	.name = "noted",
	.size = sizeof(struct item),
	OBM_LINKS(struct item, next, 2),
	.release = note_who,
};

/* Garbage that is made all the time does not pile up, and nobody else waits. */
static void worker_collects(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	unsigned long end = jiffies + msecs_to_jiffies(SETTLE_MS);
	unsigned int i;

	nr_by_worker = 0;
	nr_by_task = 0;
	KUNIT_EXPECT_FALSE(test, obm_gc_is_enabled(heap));
	obm_gc_enable(heap);
	KUNIT_EXPECT_TRUE(test, obm_gc_is_enabled(heap));
	for (i = 0; i < 1000; i++)
		ring_new(test, heap, &noted_type, 0, 3);
	/* Not in an allocation: no other task but this one has run yet, or if
	 * it has, it was the worker.
	 */
	KUNIT_EXPECT_EQ(test, nr_by_task, 0U);
	while (!nr_collections(heap, 0) && time_before(jiffies, end))
		msleep(20);
	KUNIT_EXPECT_GT(test, nr_collections(heap, 0) +
			nr_collections(heap, 1), 0);
	KUNIT_EXPECT_GT(test, nr_by_worker, 0U);
	KUNIT_EXPECT_EQ(test, nr_by_task, 0U);
	obm_gc_disable(heap);
	obm_gc_collect(heap, 2);
	KUNIT_EXPECT_EQ(test, nr_by_worker + nr_by_task, 3000U);
	object_expect_idle(test, heap);
}

static void disabled(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	unsigned int i;

	for (i = 0; i < 1000; i++)
		ring_new(test, heap, &noted_type, 0, 3);
	msleep(100);
	for (i = 0; i < OBM_NR_GENERATIONS; i++)
		KUNIT_EXPECT_EQ(test, nr_collections(heap, i), 0);
	/* By hand it can be had all the same. */
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 0), 3000L);
	object_expect_idle(test, heap);
}

static void nothing_is_due_at_zero(struct kunit *test)
{
	static const unsigned int never[OBM_NR_GENERATIONS] = { 0, 10, 10 };
	struct obm_heap *heap = object_heap(test);
	unsigned int i;

	KUNIT_EXPECT_EQ(test, obm_gc_set_thresholds(heap, never), 0);
	obm_gc_enable(heap);
	for (i = 0; i < 1000; i++)
		ring_new(test, heap, &noted_type, 0, 3);
	msleep(100);
	for (i = 0; i < OBM_NR_GENERATIONS; i++)
		KUNIT_EXPECT_EQ(test, nr_collections(heap, i), 0);
	obm_gc_disable(heap);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 3000L);
	object_expect_idle(test, heap);
}

/* A heap at its limit whose garbage is in cycles. */
static void under_pressure(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 100 * PAGE_SIZE);
	unsigned long end = jiffies + msecs_to_jiffies(SETTLE_MS);
	unsigned int nr = 0, failed = 0;
	struct item *item;

	object_type(test, &noted_type);
	/* Many times what there is room for. */
	while (nr < 20000 && time_before(jiffies, end)) {
		item = obm_obj_new(heap, &noted_type, GFP_KERNEL);
		if (!item) {
			failed++;
			msleep(20);
			continue;
		}
		item_link(test, item, next, item);
		item_put(item);
		nr++;
	}
	kunit_info(test, "%u objects, %u allocations failed\n", nr, failed);
	KUNIT_EXPECT_EQ(test, nr, 20000U);
	KUNIT_EXPECT_GT(test, nr_collections(heap, 0), 0);
	obm_gc_disable(heap);
	obm_gc_collect(heap, 2);
	object_expect_idle(test, heap);
}

static void arguments(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);

	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 3), (long)-EINVAL);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, UINT_MAX), (long)-EINVAL);
	KUNIT_EXPECT_EQ(test, obm_gc_set_mode(heap, OBM_GC_DETECT + 1),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, (int)obm_gc_get_mode(heap), (int)OBM_GC_FREE);
	/* A heap without any object. */
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 0L);
	KUNIT_EXPECT_EQ(test, obm_gc_freeze(heap), 0);
	KUNIT_EXPECT_EQ(test, obm_gc_unfreeze(heap), 0);
	KUNIT_EXPECT_EQ(test, obm_gc_garbage_count(heap), 0UL);
	obm_obj_flush(heap);
}

static long inner;

static void collect_again(struct item *item)
{
	inner = obm_gc_collect(obm_obj_heap(&item->obj), 2);
}

static void collect_called_back(struct obm_weakref *weak, void *arg)
{
	inner += obm_gc_collect(obm_obj_heap(&weak->obj), 0);
}

/* From a callback of a collection nothing is collected. */
static void reentered(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *item = item_new(test, heap, 1);
	struct obm_weakref *weak;

	ring_new(test, heap, &item_type, 10, 2);
	item_link(test, item, next, item);
	item->finalize = collect_again;
	weak = obm_weakref_new(&item->obj, collect_called_back, NULL,
			       GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, weak);
	item_put(item);
	inner = -1;
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 3L);
	KUNIT_EXPECT_EQ(test, inner, 0L);
	KUNIT_EXPECT_EQ(test, nr_collections(heap, 2), 1);
	KUNIT_EXPECT_EQ(test, nr_collections(heap, 0), 0);
	EXPECT_EVENTS(test, "F1 F10 F11 C1 R1 C10 C11 R11 R10");
	obm_obj_put(&weak->obj);
	object_expect_idle(test, heap);
}

static void detecting(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *held = plain_new(test, heap, 9);
	struct obm_gc_stats stats;

	KUNIT_EXPECT_EQ(test, obm_gc_set_mode(heap, OBM_GC_DETECT), 0);
	KUNIT_EXPECT_EQ(test, (int)obm_gc_get_mode(heap), (int)OBM_GC_DETECT);
	ring_new(test, heap, &plain_type, 1, 3);
	item_link(test, held, next, held);
	console_room(1);
	console_watch();
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 3L);
	/* Something is said of it, but that it is no mistake. */
	KUNIT_EXPECT_GE(test, console.nr, 1U);
	KUNIT_EXPECT_EQ(test, console.nr_reports, 0U);
	EXPECT_EVENTS(test, "");
	KUNIT_EXPECT_EQ(test, obm_gc_garbage_count(heap), 3UL);
	KUNIT_EXPECT_EQ(test, obm_gc_stats(heap, 2, &stats), 0);
	KUNIT_EXPECT_EQ(test, stats.nr_collected, 0);
	KUNIT_EXPECT_EQ(test, stats.nr_uncollectable, 3);
	/* It is not found again. */
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 0L);
	KUNIT_EXPECT_EQ(test, obm_gc_garbage_count(heap), 3UL);
	expect_generation(test, held, 2);
	item_put(held);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 1L);
	KUNIT_EXPECT_EQ(test, obm_gc_garbage_count(heap), 4UL);
	KUNIT_EXPECT_EQ(test, obm_gc_set_mode(heap, OBM_GC_FREE), 0);
	EXPECT_EVENTS(test, "");
}

static struct kunit_case mode_cases[] = {
	KUNIT_CASE_SLOW(worker_collects),
	KUNIT_CASE(disabled),
	KUNIT_CASE(nothing_is_due_at_zero),
	KUNIT_CASE(under_pressure),
	KUNIT_CASE(arguments),
	KUNIT_CASE(reentered),
	KUNIT_CASE(detecting),
	{ }
};

static struct kunit_suite mode_suite = {
	.name = "obmalloc_gc_mode",
	.suite_init = console_init,
	.suite_exit = console_exit,
	.init = object_test_init,
	.exit = object_test_exit,
	.test_cases = mode_cases,
};

kunit_test_suite(mode_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of obmalloc's collector: its worker and modes");
MODULE_LICENSE("GPL");
