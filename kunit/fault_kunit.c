// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every allocation that obmalloc makes of its own fails once: descriptors of
 * nodes, arenas, maps and raw blocks, and runs of pages. After each the heap is
 * as it was, or what it was asked for is there all the same.
 */
#include <linux/sizes.h>

#include "fail.h"

/**
 * struct sweep - allocations of one kind, with failures in turn
 * @size: what is asked for
 * @from: if not 0, by growing a block of so many bytes
 * @points: at least so many allocations of its own it takes
 */
struct sweep {
	size_t size;
	size_t from;
	unsigned int points;
};

static const struct sweep sweeps[] = {
	/* Node, and an arena: 6 orders with 2 points each, or 1 point. */
	{ 64, 0, 3 },
	{ 512, 0, 3 },
	/* A map besides. */
	{ 8, 0, 4 },
	{ 24, 0, 4 },
	/* Descriptor and pages. */
	{ 8192, 0, 2 },
	{ 9 * 4096, 0, 2 },
	{ SZ_1M, 0, 2 },
	{ 512, 64, 0 },
	{ 8192, 64, 2 },
	{ 64, 8192, 3 },
	{ SZ_64K, 8192, 2 },
};

static void sweep_desc(const struct sweep *sweep, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%zu to %zu bytes", sweep->from,
		 sweep->size);
}

KUNIT_ARRAY_PARAM(sweep, sweeps, sweep_desc);

static void each_allocation_fails_in_turn(struct kunit *test)
{
	const struct sweep *sweep = test->param_value;
	struct obm_stats before, after;
	unsigned int nth, failed = 0;
	struct obm_heap *heap;
	void *ptr, *old;
	size_t kept;
	bool done;

	fail_needed(test);
	obm_need_small(test, 512);
	kept = min(sweep->from, sweep->size);
	for (nth = 1; nth < 100; nth++) {
		/* Anew each time, so that it has nothing in reserve. */
		heap = obm_test_heap(test, 0);
		old = NULL;
		if (sweep->from) {
			old = obm_must_alloc(test, heap, sweep->from);
			obm_fill(old, 0x77, sweep->from);
		}
		before = obm_get(test, heap);
		fail_nth(nth);
		if (old)
			ptr = obm_realloc(heap, old, sweep->size, GFP_FAIL);
		else
			ptr = obm_alloc(heap, sweep->size, GFP_FAIL);
		done = fail_done();

		obm_expect_sound(test, heap);
		after = obm_get(test, heap);
		KUNIT_EXPECT_EQ(test, after.nr_limited, 0);
		KUNIT_EXPECT_EQ(test, after.nr_failed, !ptr);
		if (ptr) {
			KUNIT_EXPECT_TRUE(test, obm_is_filled(ptr, 0x77, kept));
			obm_fill(ptr, 1, sweep->size);
		} else {
			failed++;
			KUNIT_EXPECT_EQ(test, after.nr_allocs,
					before.nr_allocs);
			KUNIT_EXPECT_EQ(test, after.used_bytes,
					before.used_bytes);
			KUNIT_EXPECT_EQ(test, after.raw_bytes,
					before.raw_bytes);
			if (old)
				KUNIT_EXPECT_TRUE(test,
						  obm_is_filled(old, 0x77,
								sweep->from));
			ptr = obm_realloc(heap, old, sweep->size, GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, ptr);
		}
		obm_free(ptr);
		obm_expect_charged(test, heap);
		KUNIT_EXPECT_EQ(test, obm_test_destroy(test, heap), 0UL);
		if (!done)
			break;
	}
	/* The last turn was one in which nothing was left to fail. */
	KUNIT_EXPECT_GE(test, nth - 1, sweep->points);
	KUNIT_EXPECT_LT(test, nth, 100U);
	if (sweep->points)
		KUNIT_EXPECT_GT(test, failed, 0U);
}

/* A run that is refused is a smaller run: never NULL for a small block. */
static void refused_runs_become_smaller(struct kunit *test)
{
	struct obm_heap *heap;
	struct obm_stats s;
	unsigned int nth, smaller = 0;
	void *ptr;
	bool done;

	if (!IS_ENABLED(CONFIG_FAIL_PAGE_ALLOC))
		kunit_skip(test, "needs FAIL_PAGE_ALLOC");
	obm_need_small(test, 512);
	for (nth = 1; nth < 100; nth++) {
		heap = obm_test_heap(test, 0);
		/* The node is there, the arena is not. */
		obm_free(obm_must_alloc(test, heap, 64));
		obm_heap_trim(heap);
		fail_nth(nth);
		ptr = obm_alloc(heap, 64, GFP_FAIL);
		done = fail_done();
		KUNIT_EXPECT_NOT_NULL(test, ptr);
		s = obm_get(test, heap);
		KUNIT_EXPECT_EQ(test, s.nr_pools, 1);
		smaller += s.nr_unused_pools < OBM_TEST_POOLS - 1;
		KUNIT_EXPECT_GE(test, s.nr_unused_pools,
				OBM_TEST_POOLS / 2 - 1);
		obm_free(ptr);
		KUNIT_EXPECT_EQ(test, obm_test_destroy(test, heap), 0UL);
		if (!done)
			break;
	}
	/* What kmemleak and KASAN cannot have costs no one a run. */
	if (IS_ENABLED(CONFIG_DEBUG_KMEMLEAK) || IS_ENABLED(CONFIG_KASAN))
		KUNIT_EXPECT_LE(test, smaller, nth - 1);
	else
		KUNIT_EXPECT_EQ(test, smaller, nth - 1);
	KUNIT_EXPECT_GE(test, smaller, 2U);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE_PARAM(each_allocation_fails_in_turn, sweep_gen_params),
	KUNIT_CASE(refused_runs_become_smaller),
	{ }
};

static struct kunit_suite fault_suite = {
	.name = "obmalloc_fault",
	.init = obm_test_init,
	.exit = obm_test_exit,
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of obmalloc with failing allocations");
MODULE_LICENSE("GPL");
