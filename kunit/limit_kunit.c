// SPDX-License-Identifier: GPL-2.0-only
/* The limit of a heap: never passed, exact to the byte, and given way to. */
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/sizes.h>

#include "common.h"

/* What a heap without a limit comes to hold by one allocation. */
static u64 price(struct kunit *test, size_t size)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	u64 before = obm_get(test, heap).held_bytes, after;
	void *ptr = obm_must_alloc(test, heap, size);

	after = obm_get(test, heap).held_bytes;
	obm_free(ptr);
	obm_test_destroy(test, heap);
	return after - before;
}

/* A byte less than what is needed is too little, that much is enough. */
static void limit_is_exact(struct kunit *test)
{
	u64 idle = obm_get(test, obm_test_heap(test, 0)).held_bytes;
	static const size_t sizes[] = {
		4097, 2 * 4096, 5 * 4096, 16 * 4096, SZ_1M, OBM_MAX_BYTES,
	};
	struct obm_heap *heap;
	unsigned int i;
	u64 limit;
	void *ptr;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		limit = idle + price(test, sizes[i]);
		heap = obm_test_heap(test, limit);
		ptr = obm_alloc(heap, sizes[i], GFP_KERNEL);
		KUNIT_EXPECT_NOT_NULL_MSG(test, ptr, "size %zu", sizes[i]);
		KUNIT_EXPECT_EQ(test, obm_get(test, heap).held_bytes, limit);
		KUNIT_EXPECT_EQ(test, obm_get(test, heap).peak_bytes, limit);
		KUNIT_EXPECT_NULL(test, obm_alloc(heap, 4097, GFP_KERNEL));
		obm_free(ptr);
		obm_test_destroy(test, heap);

		heap = obm_test_heap(test, limit - 1);
		ptr = obm_alloc(heap, sizes[i], GFP_KERNEL);
		KUNIT_EXPECT_NULL_MSG(test, ptr, "size %zu", sizes[i]);
		KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_limited, 1);
		KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_failed, 1);
		obm_free(ptr);
		obm_test_destroy(test, heap);
	}
}

/* Under the least limit that a small block fits under, not a byte is idle. */
static void limit_is_exact_for_small_blocks(struct kunit *test)
{
	u64 idle = obm_get(test, obm_test_heap(test, 0)).held_bytes, limit;
	struct obm_heap *heap;
	struct obm_stats s;
	void *ptr;

	obm_need_small(test, 64);
	for (limit = idle; limit < idle + 4 * PAGE_SIZE; limit += 8) {
		heap = obm_test_heap(test, limit);
		ptr = obm_alloc(heap, 64, GFP_KERNEL);
		s = obm_get(test, heap);
		obm_free(ptr);
		KUNIT_EXPECT_EQ(test, obm_test_destroy(test, heap), 0UL);
		KUNIT_EXPECT_EQ(test, s.nr_limited, !ptr);
		if (ptr)
			break;
	}
	KUNIT_EXPECT_NOT_NULL(test, ptr);
	KUNIT_EXPECT_EQ(test, s.held_bytes, limit);
	KUNIT_EXPECT_EQ(test, s.nr_pools + s.nr_unused_pools, 1);
}

/* An arena is as long as the limit lets it be. */
static void limit_shortens_arenas(struct kunit *test)
{
	u64 idle = obm_get(test, obm_test_heap(test, 0)).held_bytes;
	u64 whole = price(test, 64);
	struct obm_heap *heap;
	void *ptr;

	obm_need_small(test, 64);
	/* Some room is left for what may have to come with it. */
	heap = obm_test_heap(test, idle + whole + 2 * PAGE_SIZE);
	ptr = obm_must_alloc(test, heap, 64);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_unused_pools,
			OBM_TEST_POOLS - 1);
	obm_free(ptr);

	heap = obm_test_heap(test, idle + whole - 1);
	ptr = obm_must_alloc(test, heap, 64);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_unused_pools,
			OBM_TEST_POOLS / 2 - 1);
	obm_free(ptr);
}

/* Random blocks until none fits: the limit holds at every step. */
static void limit_holds_at_every_step(struct kunit *test)
{
	const size_t limit = 40 * PAGE_SIZE;
	struct obm_heap *heap = obm_test_heap(test, limit);
	u32 seed = get_random_u32();
	unsigned int step, i, nr_failed = 0;
	struct rnd_state rnd;
	struct obm_stats s;
	void *ptrs[64] = { };
	size_t size;

	prandom_seed_state(&rnd, seed);
	for (step = 0; step < 20000; step++) {
		i = prandom_u32_state(&rnd) % ARRAY_SIZE(ptrs);
		obm_free(ptrs[i]);
		size = prandom_u32_state(&rnd) % 512;
		if (step % 8 == 0)
			size *= 80;
		ptrs[i] = obm_alloc(heap, size, GFP_KERNEL);
		nr_failed += !ptrs[i];
		s = obm_get(test, heap);
		KUNIT_ASSERT_LE_MSG(test, s.held_bytes, limit, "seed %u", seed);
		KUNIT_ASSERT_LE_MSG(test, s.peak_bytes, limit, "seed %u", seed);
		KUNIT_ASSERT_EQ(test, s.nr_failed, nr_failed);
		KUNIT_ASSERT_EQ(test, s.nr_limited, nr_failed);
	}
	/* Else nothing was tested. */
	KUNIT_EXPECT_GT(test, nr_failed, 10U);
	KUNIT_EXPECT_LT(test, nr_failed, 19000U);
	for (i = 0; i < ARRAY_SIZE(ptrs); i++)
		obm_free(ptrs[i]);
}

/* What the heap holds for nobody makes room before anybody gets NULL. */
static void unused_memory_makes_room(struct kunit *test)
{
	u64 arena = price(test, 64);
	struct obm_heap *heap = obm_test_heap(test, arena + 16 * PAGE_SIZE);
	struct obm_stats s;
	void *small, *raw;

	obm_need_small(test, 64);
	small = obm_must_alloc(test, heap, 64);
	obm_free(small);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_arenas, 1);
	/* The spare arena must go for it. */
	raw = obm_must_alloc(test, heap, 60 * PAGE_SIZE);
	s = obm_get(test, heap);
	KUNIT_EXPECT_EQ(test, s.nr_arenas, 0);
	KUNIT_EXPECT_EQ(test, s.nr_failed, 0);
	KUNIT_EXPECT_EQ(test, s.nr_limited, 0);
	obm_free(raw);

	/* So must the unused pools of one that is in use. */
	small = obm_must_alloc(test, heap, 64);
	raw = obm_must_alloc(test, heap, 60 * PAGE_SIZE);
	s = obm_get(test, heap);
	KUNIT_EXPECT_EQ(test, s.nr_unused_pools, 0);
	KUNIT_EXPECT_EQ(test, s.nr_pages_put, OBM_TEST_POOLS - 1);
	KUNIT_EXPECT_EQ(test, s.nr_limited, 0);

	/* In atomic context too: nothing is waited for. */
	obm_free(raw);
	obm_free(small);
	small = obm_must_alloc(test, heap, 64);
	obm_free(small);
	raw = obm_alloc(heap, 60 * PAGE_SIZE, GFP_NOWAIT);
	KUNIT_EXPECT_NOT_NULL(test, raw);
	obm_free(raw);
}

/* Who may not fail is let pass, and nobody else until there is room again. */
static void nofail_passes_the_limit(struct kunit *test)
{
	u64 idle = obm_get(test, obm_test_heap(test, 0)).held_bytes;
	struct obm_heap *heap = obm_test_heap(test, idle);
	void *small, *raw, *ptr;
	struct obm_stats s;

	obm_need_small(test, 64);
	KUNIT_EXPECT_NULL(test, obm_alloc(heap, 64, GFP_KERNEL));
	small = obm_alloc(heap, 64, GFP_KERNEL | __GFP_NOFAIL);
	KUNIT_ASSERT_NOT_NULL(test, small);
	raw = obm_alloc(heap, PAGE_SIZE, GFP_KERNEL | __GFP_NOFAIL);
	KUNIT_ASSERT_NOT_NULL(test, raw);
	s = obm_get(test, heap);
	KUNIT_EXPECT_GT(test, s.held_bytes, s.limit_bytes);
	KUNIT_EXPECT_EQ(test, s.peak_bytes, s.held_bytes);
	KUNIT_EXPECT_EQ(test, s.nr_limited, 1);
	KUNIT_EXPECT_NULL(test, obm_alloc(heap, PAGE_SIZE, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_limited, 2);
	/* What is there already costs nothing. */
	ptr = obm_must_alloc(test, heap, 64);
	obm_free(ptr);
	obm_free(small);
	obm_free(raw);
}

/* After a refusal, and after everything was freed, nothing is amiss. */
static void refusals_leave_nothing(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 64 * PAGE_SIZE);
	unsigned int round, nr, first = 0, i;
	struct obm_stats idle, s;
	void **ptrs = kunit_kcalloc(test, 64 * PAGE_SIZE / 8, sizeof(*ptrs),
				    GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ptrs);
	obm_free(obm_must_alloc(test, heap, 8));
	obm_heap_trim(heap);
	idle = obm_get(test, heap);
	for (round = 0; round < 5; round++) {
		for (nr = 0; ; nr++) {
			ptrs[nr] = obm_alloc(heap, 8, GFP_KERNEL);
			if (!ptrs[nr])
				break;
		}
		/* A heap that forgot something would have less each time. */
		if (!round)
			first = nr;
		KUNIT_EXPECT_EQ(test, nr, first);
		obm_expect_sound(test, heap);
		for (i = 0; i < 10; i++)
			KUNIT_EXPECT_NULL(test, obm_alloc(heap, SZ_64K,
							  GFP_KERNEL));
		for (i = 0; i < nr; i++)
			obm_free(ptrs[i]);
		obm_heap_trim(heap);
		s = obm_get(test, heap);
		KUNIT_EXPECT_EQ(test, s.held_bytes, idle.held_bytes);
		KUNIT_EXPECT_EQ(test, s.nr_limited, (round + 1) * 11);
	}
}

/* No limit is no limit. */
static void zero_is_no_limit(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	void *ptrs[16];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ptrs); i++)
		ptrs[i] = obm_must_alloc(test, heap, OBM_MAX_BYTES);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).limit_bytes, 0);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).raw_bytes,
			ARRAY_SIZE(ptrs) * OBM_MAX_BYTES);
	for (i = 0; i < ARRAY_SIZE(ptrs); i++)
		obm_free(ptrs[i]);
}

static struct kunit_case limit_cases[] = {
	KUNIT_CASE(limit_is_exact),
	KUNIT_CASE(limit_is_exact_for_small_blocks),
	KUNIT_CASE(limit_shortens_arenas),
	KUNIT_CASE(limit_holds_at_every_step),
	KUNIT_CASE(unused_memory_makes_room),
	KUNIT_CASE(nofail_passes_the_limit),
	KUNIT_CASE(refusals_leave_nothing),
	KUNIT_CASE(zero_is_no_limit),
	{ }
};

static struct kunit_suite limit_suite = {
	.name = "obmalloc_limit",
	.init = obm_test_init,
	.exit = obm_test_exit,
	.test_cases = limit_cases,
};

kunit_test_suite(limit_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of the limits of obmalloc's heaps");
MODULE_LICENSE("GPL");
