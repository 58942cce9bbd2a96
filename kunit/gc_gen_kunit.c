// SPDX-License-Identifier: GPL-2.0-only
/*
 * Generations: who is promoted, what a young collection sees, what is counted,
 * when the thresholds ask for a collection, and what freezing keeps from it.
 */
#include "object.h"

static void expect_counts(struct kunit *test, struct obm_heap *heap,
			  unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int counts[OBM_NR_GENERATIONS];

	obm_gc_counts(heap, counts);
	KUNIT_EXPECT_EQ(test, counts[0], a);
	KUNIT_EXPECT_EQ(test, counts[1], b);
	KUNIT_EXPECT_EQ(test, counts[2], c);
}

static u64 nr_collections(struct kunit *test, struct obm_heap *heap,
			  unsigned int generation)
{
	struct obm_gc_stats stats;

	KUNIT_EXPECT_EQ(test, obm_gc_stats(heap, generation, &stats), 0);
	return stats.nr_collections;
}

/* Nodes that refer to nothing, for the case to hold. */
static struct item **many_new(struct kunit *test, struct obm_heap *heap,
			      unsigned int nr)
{
	struct item **items = kunit_kcalloc(test, nr, sizeof(*items),
					    GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, items);
	for (i = 0; i < nr; i++)
		items[i] = plain_new(test, heap, i);
	return items;
}

static void many_put(struct item **items, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		item_put(items[i]);
	events_take();
}

static void promotion(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *a = item_new(test, heap, 1), *b, *c;

	expect_generation(test, a, 0);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 0), 0L);
	expect_generation(test, a, 1);
	b = item_new(test, heap, 2);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 0), 0L);
	expect_generation(test, a, 1);
	expect_generation(test, b, 1);
	c = item_new(test, heap, 3);
	expect_generation(test, c, 0);
	/* The younger ones are collected with it. */
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 1), 0L);
	expect_generation(test, a, 2);
	expect_generation(test, b, 2);
	expect_generation(test, c, 2);
	item_put(b);
	b = item_new(test, heap, 4);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 0L);
	expect_generation(test, a, 2);
	expect_generation(test, b, 2);
	item_put(a);
	item_put(b);
	item_put(c);
	events_take();
	object_expect_idle(test, heap);
}

static void older_garbage_stays(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *a = plain_new(test, heap, 1), *b = plain_new(test, heap, 2);

	item_link(test, a, next, a);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 0), 0L);
	item_put(a);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 0), 0L);
	EXPECT_EVENTS(test, "");
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 1), 1L);
	EXPECT_EVENTS(test, "R1");

	item_link(test, b, next, b);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 1), 0L);
	expect_generation(test, b, 2);
	item_put(b);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 0), 0L);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 1), 0L);
	EXPECT_EVENTS(test, "");
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 1L);
	EXPECT_EVENTS(test, "R2");
	object_expect_idle(test, heap);
}

/* A link from older garbage is one from outside. */
static void older_garbage_keeps_younger(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *old = plain_new(test, heap, 1), *young;

	item_link(test, old, next, old);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 1), 0L);
	young = plain_new(test, heap, 2);
	item_link(test, young, next, young);
	item_link(test, old, other, young);
	item_put(old);
	item_put(young);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 0), 0L);
	expect_generation(test, young, 1);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 1), 0L);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 2L);
	KUNIT_EXPECT_EQ(test, strlen(events_take()), 5UL);
	object_expect_idle(test, heap);
}

static void counts(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item **items = many_new(test, heap, 20);

	expect_counts(test, heap, 20, 0, 0);
	/* Objects that died are not counted, down to none. */
	many_put(items, 5);
	expect_counts(test, heap, 15, 0, 0);
	obm_gc_collect(heap, 0);
	expect_counts(test, heap, 0, 1, 0);
	many_put(items + 5, 5);
	expect_counts(test, heap, 0, 1, 0);
	item_put(plain_new(test, heap, 1));
	expect_counts(test, heap, 0, 1, 0);
	obm_gc_collect(heap, 0);
	expect_counts(test, heap, 0, 2, 0);
	obm_gc_collect(heap, 1);
	expect_counts(test, heap, 0, 0, 1);
	obm_gc_collect(heap, 0);
	obm_gc_collect(heap, 1);
	expect_counts(test, heap, 0, 0, 2);
	obm_gc_collect(heap, 0);
	obm_gc_collect(heap, 2);
	expect_counts(test, heap, 0, 0, 0);
	many_put(items + 10, 10);
	object_expect_idle(test, heap);
}

static void set_thresholds(struct kunit *test, struct obm_heap *heap,
			   unsigned int a, unsigned int b, unsigned int c)
{
	const unsigned int thresholds[OBM_NR_GENERATIONS] = { a, b, c };

	KUNIT_EXPECT_EQ(test, obm_gc_set_thresholds(heap, thresholds), 0);
}

static void thresholds(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	unsigned int got[OBM_NR_GENERATIONS];

	obm_gc_thresholds(heap, got);
	KUNIT_EXPECT_EQ(test, got[0], 700U);
	KUNIT_EXPECT_EQ(test, got[1], 10U);
	KUNIT_EXPECT_EQ(test, got[2], 10U);
	set_thresholds(test, heap, 5, 6, 7);
	obm_gc_thresholds(heap, got);
	KUNIT_EXPECT_EQ(test, got[0], 5U);
	KUNIT_EXPECT_EQ(test, got[1], 6U);
	KUNIT_EXPECT_EQ(test, got[2], 7U);
}

/*
 * What is due is collected by a step: the oldest generation above its threshold,
 * 0 at least, if the collector is enabled and threshold 0 is not 0. Returns which one was, or -1.
 */
static int step(struct kunit *test, struct obm_heap *heap)
{
	u64 before[OBM_NR_GENERATIONS];
	int i, which = -1;

	for (i = 0; i < OBM_NR_GENERATIONS; i++)
		before[i] = nr_collections(test, heap, i);
	obm_gc_step(heap);
	for (i = 0; i < OBM_NR_GENERATIONS; i++) {
		if (nr_collections(test, heap, i) == before[i])
			continue;
		KUNIT_EXPECT_EQ(test, which, -1);
		KUNIT_EXPECT_EQ(test, nr_collections(test, heap, i),
				before[i] + 1);
		which = i;
	}
	return which;
}

/* As CPython chooses: count above threshold, not equal to it. */
static void what_is_due(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item **items[4];
	unsigned int i;

	set_thresholds(test, heap, 10, 2, 1);
	for (i = 0; i < 3; i++) {
		items[i] = many_new(test, heap, 11);
		obm_gc_enable(heap);
		KUNIT_EXPECT_EQ(test, step(test, heap), 0);
		obm_gc_disable(heap);
		expect_counts(test, heap, 0, i + 1, 0);
	}
	items[3] = many_new(test, heap, 11);
	KUNIT_EXPECT_EQ(test, step(test, heap), -1);
	obm_gc_enable(heap);
	KUNIT_EXPECT_EQ(test, step(test, heap), 1);
	expect_counts(test, heap, 0, 0, 1);
	set_thresholds(test, heap, 0, 2, 1);
	KUNIT_EXPECT_EQ(test, step(test, heap), -1);
	obm_gc_disable(heap);
	for (i = 0; i < 4; i++)
		many_put(items[i], 11);
	object_expect_idle(test, heap);
}

/*
 * A full collection is due only if those that survived generation 1 since the
 * last one are a quarter of those that survived it.
 */
static void quarter_rule(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item **old = many_new(test, heap, 400);
	struct item **young[3];

	set_thresholds(test, heap, 10, 0, 0);
	obm_gc_collect(heap, 2);
	young[0] = many_new(test, heap, 50);
	obm_gc_collect(heap, 1);
	/* Its count is above the threshold, but 50 are not 100. */
	expect_counts(test, heap, 0, 0, 1);
	young[1] = many_new(test, heap, 49);
	obm_gc_enable(heap);
	KUNIT_EXPECT_EQ(test, step(test, heap), 0);
	obm_gc_disable(heap);
	obm_gc_collect(heap, 1);
	expect_counts(test, heap, 0, 0, 2);
	/* 99 are still not 100. */
	young[2] = many_new(test, heap, 11);
	obm_gc_enable(heap);
	KUNIT_EXPECT_EQ(test, step(test, heap), 0);
	obm_gc_disable(heap);
	obm_gc_collect(heap, 1);
	/* 110 are enough. */
	many_put(old, 11);
	old = memcpy(old, many_new(test, heap, 11), 11 * sizeof(*old));
	obm_gc_enable(heap);
	KUNIT_EXPECT_EQ(test, step(test, heap), 2);
	obm_gc_disable(heap);
	expect_counts(test, heap, 0, 0, 0);
	many_put(old, 400);
	many_put(young[0], 50);
	many_put(young[1], 49);
	many_put(young[2], 11);
	object_expect_idle(test, heap);
}

/* Frozen objects are in no generation, and garbage among them stays. */
static void freezing(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *a = plain_new(test, heap, 1), *b, *c;

	item_link(test, a, next, a);
	obm_gc_collect(heap, 1);
	b = plain_new(test, heap, 2);
	item_link(test, b, next, b);
	KUNIT_EXPECT_EQ(test, obm_gc_freeze_count(heap), 0UL);
	KUNIT_EXPECT_EQ(test, obm_gc_freeze(heap), 0);
	KUNIT_EXPECT_EQ(test, obm_gc_freeze_count(heap), 2UL);
	expect_generation(test, a, OBM_GC_PERMANENT);
	expect_generation(test, b, OBM_GC_PERMANENT);
	expect_counts(test, heap, 0, 0, 0);
	c = plain_new(test, heap, 3);
	expect_generation(test, c, 0);
	item_link(test, c, next, b);
	item_link(test, b, other, c);
	item_put(a);
	item_put(b);
	item_put(c);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 0L);
	EXPECT_EVENTS(test, "");
	/* A frozen one may still die of its last put. */
	KUNIT_EXPECT_EQ(test, obm_gc_unfreeze(heap), 0);
	KUNIT_EXPECT_EQ(test, obm_gc_freeze_count(heap), 0UL);
	expect_generation(test, a, 2);
	expect_generation(test, b, 2);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 1), 0L);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 3L);
	KUNIT_EXPECT_EQ(test, strlen(events_take()), 8UL);
	object_expect_idle(test, heap);
}

static void frozen_and_put(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *item = item_new(test, heap, 1);

	KUNIT_EXPECT_EQ(test, obm_gc_freeze(heap), 0);
	item_put(item);
	EXPECT_EVENTS(test, "F1 C1 R1");
	KUNIT_EXPECT_EQ(test, obm_gc_freeze_count(heap), 0UL);
	/* A second time adds to the first. */
	item = item_new(test, heap, 2);
	KUNIT_EXPECT_EQ(test, obm_gc_freeze(heap), 0);
	KUNIT_EXPECT_EQ(test, obm_gc_freeze(heap), 0);
	KUNIT_EXPECT_EQ(test, obm_gc_freeze_count(heap), 1UL);
	item_put(item);
	object_expect_idle(test, heap);
}

static void statistics(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct obm_gc_stats stats;
	unsigned int i;

	for (i = 0; i < 5; i++) {
		ring_new(test, heap, &plain_type, 0, 10 + i);
		KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, i % 2), 10L + i);
	}
	KUNIT_EXPECT_EQ(test, obm_gc_stats(heap, 0, &stats), 0);
	KUNIT_EXPECT_EQ(test, stats.nr_collections, 3);
	KUNIT_EXPECT_EQ(test, stats.nr_collected, 10 + 12 + 14);
	KUNIT_EXPECT_EQ(test, stats.nr_uncollectable, 0);
	KUNIT_EXPECT_EQ(test, stats.nr_doubts, 0);
	KUNIT_EXPECT_GT(test, stats.min_ns, 0);
	KUNIT_EXPECT_LE(test, stats.min_ns, stats.median_ns);
	KUNIT_EXPECT_LE(test, stats.median_ns, stats.max_ns);
	KUNIT_EXPECT_EQ(test, obm_gc_stats(heap, 1, &stats), 0);
	KUNIT_EXPECT_EQ(test, stats.nr_collections, 2);
	KUNIT_EXPECT_EQ(test, stats.nr_collected, 11 + 13);
	KUNIT_EXPECT_EQ(test, obm_gc_stats(heap, 2, &stats), 0);
	KUNIT_EXPECT_EQ(test, stats.nr_collections, 0);
	KUNIT_EXPECT_EQ(test, stats.max_ns, 0);
	KUNIT_EXPECT_EQ(test, obm_gc_stats(heap, 3, &stats), -EINVAL);
	events_take();
	object_expect_idle(test, heap);
}

static struct kunit_case gen_cases[] = {
	KUNIT_CASE(promotion),
	KUNIT_CASE(older_garbage_stays),
	KUNIT_CASE(older_garbage_keeps_younger),
	KUNIT_CASE(counts),
	KUNIT_CASE(thresholds),
	KUNIT_CASE(what_is_due),
	KUNIT_CASE(quarter_rule),
	KUNIT_CASE(freezing),
	KUNIT_CASE(frozen_and_put),
	KUNIT_CASE(statistics),
	{ }
};

static struct kunit_suite gen_suite = {
	.name = "obmalloc_gc_gen",
	.init = object_test_init,
	.exit = object_test_exit,
	.test_cases = gen_cases,
};

kunit_test_suite(gen_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of obmalloc's collector: generations");
MODULE_LICENSE("GPL");
