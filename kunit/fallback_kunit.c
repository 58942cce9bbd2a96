// SPDX-License-Identifier: GPL-2.0-only
/*
 * Smaller arenas where there is no run of 64 pages: because the heap's limit
 * leaves no room for one, or because the machine has none left.
 */
#include <linux/string.h>
#include <linux/tracepoint.h>

#include "hog.h"
#include "unit.h"

#define GFP_TRY		(GFP_NOWAIT | __GFP_NOWARN)

/* More than the page allocator keeps for emergencies. */
#define GAPS_BYTES	(32UL << 20)

/*
 * Takes all memory but gaps of 1 << @gap_order pages, which cannot merge as
 * every buddy of theirs is taken.
 */
static void leave_gaps(struct list_head *taken, unsigned int gap_order)
{
	LIST_HEAD(gaps);
	struct page *page, *next;

	hog(&gaps, 0, gap_order, 2 * GAPS_BYTES >> PAGE_SHIFT >> gap_order);
	hog_all(taken);
	list_for_each_entry_safe(page, next, &gaps, lru)
		if (!(page_to_pfn(page) & BIT(gap_order)))
			unhog_one(page);
	list_splice(&gaps, taken);
}

static const unsigned int gap_orders[] = { 0, 1, 3 };

static void gap_desc(const unsigned int *order, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "order=%u", *order);
}

KUNIT_ARRAY_PARAM(gap, gap_orders, gap_desc);

/* How often somebody had to reclaim memory before going on. */
static atomic_t nr_reclaims;
static struct tracepoint *reclaim_tracepoint;

static void reclaim_probe(void *unused, int order, gfp_t gfp)
{
	atomic_inc(&nr_reclaims);
}

static void reclaim_find(struct tracepoint *tracepoint, void *unused)
{
	if (!strcmp(tracepoint->name, "mm_vmscan_direct_reclaim_begin"))
		reclaim_tracepoint = tracepoint;
}

/* The tracepoint is not exported, but may be found. */
static int fallback_init(struct kunit_suite *suite)
{
	for_each_kernel_tracepoint(reclaim_find, NULL);
	if (!reclaim_tracepoint)
		return -ENOENT;
	return tracepoint_probe_register(reclaim_tracepoint, reclaim_probe,
					 NULL);
}

static void fallback_exit(struct kunit_suite *suite)
{
	if (!reclaim_tracepoint)
		return;
	tracepoint_probe_unregister(reclaim_tracepoint, reclaim_probe, NULL);
	tracepoint_synchronize_unregister();
}

/*
 * No run of 64 pages is free: smaller ones serve, down to single pages, and
 * nothing is reclaimed for a larger one, though this may wait.
 */
static void memory_in_fragments(struct kunit *test)
{
	unsigned int order = *(const unsigned int *)test->param_value;
	unsigned int nr_blocks = 12 * PER_UNIT << order, i, nr = 0;
	void *first, **ptrs;
	struct obm_heap *heap;
	struct obm_stats s;
	LIST_HEAD(taken);
	int err, reclaims;

	hog_may(test);
	obm_need_small(test, UNIT_SIZE);
	heap = obm_test_heap(test, 0);
	ptrs = kunit_kcalloc(test, nr_blocks, sizeof(*ptrs), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ptrs);
	first = obm_must_alloc(test, heap, UNIT_SIZE);
	obm_free(first);
	obm_heap_trim(heap);

	leave_gaps(&taken, order);
	atomic_set(&nr_reclaims, 0);
	for (i = 0; i < nr_blocks; i++) {
		ptrs[i] = obm_alloc(heap, UNIT_SIZE, GFP_KERNEL);
		if (!ptrs[i])
			break;
		obm_fill(ptrs[i], i, UNIT_SIZE);
		nr++;
	}
	obm_heap_stats(heap, &s);
	err = obm_heap_validate(heap);
	reclaims = atomic_read(&nr_reclaims);
	unhog(&taken);

	KUNIT_EXPECT_EQ(test, nr, nr_blocks);
	KUNIT_EXPECT_EQ(test, reclaims, 0);
	KUNIT_EXPECT_TRUE(test, obm_adds_up(&s));
	KUNIT_EXPECT_EQ(test, err, 0);
	KUNIT_EXPECT_EQ(test, s.nr_failed, 0);
	/* But for the one that was trimmed, each arena is as long as a gap. */
	KUNIT_EXPECT_EQ(test, s.nr_arenas, s.nr_arenas_got - 1);
	KUNIT_EXPECT_EQ(test, s.nr_arenas << order,
			s.nr_pools + s.nr_unused_pools);
	KUNIT_EXPECT_EQ(test, s.nr_pools, nr_blocks / PER_UNIT);
	KUNIT_EXPECT_LT(test, s.nr_unused_pools, BIT(order));
	for (i = 0; i < nr; i++) {
		KUNIT_EXPECT_TRUE(test, obm_is_filled(ptrs[i], i, UNIT_SIZE));
		obm_free(ptrs[i]);
	}
	/* Small arenas are not hoarded: one spare is kept of them all. */
	s = obm_get(test, heap);
	KUNIT_EXPECT_EQ(test, s.nr_arenas, 1);
	obm_heap_trim(heap);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_arenas, 0);

	/* And when there is memory again, whole arenas are back. */
	obm_free(obm_must_alloc(test, heap, UNIT_SIZE));
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_unused_pools,
			OBM_TEST_POOLS);
}

/*
 * Only the reserves are left, for who may not wait: a single page of them, for
 * a larger run is a wish.
 */
static void reserves_give_single_pages(struct kunit *test)
{
	struct obm_heap *heap;
	LIST_HEAD(taken);
	struct obm_stats s;
	void *ptr, *wish;
	int order;

	hog_may(test);
	obm_need_small(test, UNIT_SIZE);
	heap = obm_test_heap(test, 0);
	obm_free(obm_must_alloc(test, heap, UNIT_SIZE));
	obm_heap_trim(heap);

	for (order = get_order(OBM_MAX_BYTES); order >= 0; order--)
		hog(&taken, __GFP_NOMEMALLOC, order, ULONG_MAX);
	wish = obm_alloc(heap, ARENA_BYTES, GFP_ATOMIC | __GFP_NOWARN);
	ptr = obm_alloc(heap, UNIT_SIZE, GFP_ATOMIC | __GFP_NOWARN);
	obm_heap_stats(heap, &s);
	unhog(&taken);

	KUNIT_EXPECT_NOT_NULL(test, ptr);
	KUNIT_EXPECT_EQ(test, s.nr_pools, 1);
	KUNIT_EXPECT_EQ(test, s.nr_unused_pools, 0);
	obm_free(wish);
	obm_free(ptr);
	/* A raw block is no wish: there would have been such a run. */
	if (!wish)
		kunit_skip(test, "the reserves were in fragments");
}

/* There is nothing at all: NULL, counted, and nothing is lost. */
static void memory_exhausted(struct kunit *test)
{
	struct obm_heap *heap;
	struct obm_stats before, after, s;
	LIST_HEAD(taken);
	void *small = NULL, *raw = NULL, *big;
	unsigned int tries = 0;
	int err;

	hog_may(test);
	obm_need_small(test, UNIT_SIZE);
	heap = obm_test_heap(test, 0);
	obm_free(obm_must_alloc(test, heap, UNIT_SIZE));
	obm_heap_trim(heap);

	hog_all(&taken);
	obm_heap_stats(heap, &before);
	big = obm_alloc(heap, OBM_MAX_BYTES, GFP_TRY);
	/* The descriptor may come out of a slab that has room. */
	while (tries++ < 100 && !small && !raw) {
		small = obm_alloc(heap, UNIT_SIZE, GFP_TRY);
		raw = obm_alloc(heap, 2 * PAGE_SIZE, GFP_TRY);
	}
	obm_heap_stats(heap, &after);
	err = obm_heap_validate(heap);
	unhog(&taken);

	KUNIT_EXPECT_EQ(test, err, 0);
	KUNIT_EXPECT_NULL(test, big);
	KUNIT_EXPECT_NULL(test, small);
	KUNIT_EXPECT_NULL(test, raw);
	KUNIT_EXPECT_EQ(test, after.nr_failed - before.nr_failed, 201);
	KUNIT_EXPECT_EQ(test, after.nr_limited, before.nr_limited);
	KUNIT_EXPECT_EQ(test, after.held_bytes, before.held_bytes);
	KUNIT_EXPECT_EQ(test, after.nr_allocs, before.nr_allocs);
	obm_free(big);
	obm_free(small);
	obm_free(raw);
	s = obm_get(test, heap);
	KUNIT_EXPECT_EQ(test, s.nr_blocks + s.nr_raw, 0);
}

/* With room for so many bytes under the limit, the largest that fit come. */
static void limit_leaves_room_for_less(struct kunit *test)
{
	struct obm_stats idle, s, last;
	unsigned int nr = 0, i;
	struct obm_heap *heap;
	size_t limit;
	void **ptrs;

	obm_need_small(test, UNIT_SIZE);
	idle = obm_get(test, obm_test_heap(test, 0));
	limit = idle.held_bytes + ARENA_BYTES - PAGE_SIZE;
	heap = obm_test_heap(test, limit);
	ptrs = kunit_kcalloc(test, ARENA_BYTES / UNIT_SIZE, sizeof(*ptrs),
			     GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ptrs);

	last = obm_get(test, heap);
	for (;;) {
		ptrs[nr] = obm_alloc(heap, UNIT_SIZE, GFP_KERNEL);
		s = obm_get(test, heap);
		KUNIT_EXPECT_LE(test, s.held_bytes, limit);
		if (!ptrs[nr])
			break;
		if (s.nr_arenas_got > last.nr_arenas_got)
			/* A run of 2^n pages, and no larger than the last. */
			KUNIT_EXPECT_TRUE(test, is_power_of_2(s.nr_pools +
					s.nr_unused_pools - last.nr_pools -
					last.nr_unused_pools));
		last = s;
		nr++;
	}
	KUNIT_EXPECT_EQ(test, s.nr_limited, 1);
	KUNIT_EXPECT_EQ(test, s.nr_failed, 1);
	/* 32, 16, 8, 4, 2, 1 pages, as far as descriptors let them. */
	KUNIT_EXPECT_GE(test, s.nr_arenas_got, 4);
	KUNIT_EXPECT_GE(test, s.nr_pools, 56);
	/* Not one page more would have fitted. */
	KUNIT_EXPECT_GT(test, s.held_bytes + PAGE_SIZE + s.meta_bytes /
			s.nr_arenas, limit);
	obm_expect_sound(test, heap);
	for (i = 0; i < nr; i++)
		obm_free(ptrs[i]);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_arenas, 1);
}

static struct kunit_case fallback_cases[] = {
	KUNIT_CASE_PARAM(memory_in_fragments, gap_gen_params),
	KUNIT_CASE(reserves_give_single_pages),
	KUNIT_CASE(memory_exhausted),
	KUNIT_CASE(limit_leaves_room_for_less),
	{ }
};

static struct kunit_suite fallback_suite = {
	.name = "obmalloc_fallback",
	.suite_init = fallback_init,
	.suite_exit = fallback_exit,
	.init = obm_test_init,
	.exit = obm_test_exit,
	.test_cases = fallback_cases,
};

kunit_test_suite(fallback_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of obmalloc where memory is short");
MODULE_LICENSE("GPL");
