// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pools: unused, partial, full and back, as the statistics show it. For classes
 * with few and with many blocks, whose maps lie in and out of the descriptor.
 */
#include "common.h"

static const unsigned int sizes[] = {
	1, 8, 16, 24, 56, 64, 72, 128, 304, 312, 504, 512,
};

static void size_desc(const unsigned int *size, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "size=%u", *size);
}

KUNIT_ARRAY_PARAM(size, sizes, size_desc);

/**
 * struct pool_case - a case about pools of one class
 * @heap: its heap
 * @size: what is asked for
 * @usable: what a block has
 * @nr: blocks of a pool
 * @ptrs: room for the blocks of three pools
 */
struct pool_case {
	struct obm_heap *heap;
	size_t size;
	size_t usable;
	unsigned int nr;
	void **ptrs;
};

static struct pool_case pool_case(struct kunit *test, size_t size)
{
	struct pool_case c = { .size = size };
	void *ptr;

	obm_need_small(test, size);
	c.heap = obm_test_heap(test, 0);
	ptr = obm_must_alloc(test, c.heap, size);
	c.usable = obm_usable_size(ptr);
	obm_free(ptr);
	KUNIT_ASSERT_GE(test, c.usable, size);
	c.nr = PAGE_SIZE / c.usable;
	c.ptrs = kunit_kcalloc(test, 3 * c.nr, sizeof(void *), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, c.ptrs);
	obm_heap_trim(c.heap);
	return c;
}

/* What the figures must be with @nr_blocks of the class in @nr_pools pools. */
static void expect_pools(struct kunit *test, const struct pool_case *c,
			 u64 nr_blocks, u64 nr_pools)
{
	struct obm_stats s = obm_get(test, c->heap);

	KUNIT_EXPECT_EQ(test, s.nr_blocks, nr_blocks);
	KUNIT_EXPECT_EQ(test, s.nr_pools, nr_pools);
	KUNIT_EXPECT_EQ(test, s.used_bytes, nr_blocks * c->usable);
	KUNIT_EXPECT_EQ(test, s.avail_bytes,
			(nr_pools * c->nr - nr_blocks) * c->usable);
	KUNIT_EXPECT_EQ(test, s.quant_bytes,
			nr_pools * (PAGE_SIZE - c->nr * c->usable));
	KUNIT_EXPECT_EQ(test, s.nr_arenas, 1);
	KUNIT_EXPECT_EQ(test, s.nr_unused_pools, OBM_TEST_POOLS - nr_pools);
	KUNIT_EXPECT_EQ(test, s.unused_bytes, s.nr_unused_pools * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, s.raw_bytes, 0);
}

/* Three pools become full block by block, and unused again. */
static void unused_partial_full_and_back(struct kunit *test)
{
	struct pool_case c = pool_case(test, *(const int *)test->param_value);
	unsigned int i;

	for (i = 0; i < 3 * c.nr; i++) {
		c.ptrs[i] = obm_must_alloc(test, c.heap, c.size);
		expect_pools(test, &c, i + 1, i / c.nr + 1);
		/* The lowest free block comes first. */
		KUNIT_EXPECT_EQ(test, offset_in_page(c.ptrs[i]),
				i % c.nr * c.usable);
		obm_fill(c.ptrs[i], i, c.usable);
	}
	KUNIT_EXPECT_EQ(test, obm_heap_validate(c.heap), 0);
	for (i = 0; i < 3 * c.nr; i++) {
		KUNIT_EXPECT_TRUE(test, obm_is_filled(c.ptrs[i], i, c.usable));
		obm_free(c.ptrs[i]);
		expect_pools(test, &c, 3 * c.nr - 1 - i,
			     3 - (i + 1) / c.nr);
	}
	KUNIT_EXPECT_EQ(test, obm_heap_validate(c.heap), 0);
}

/* Every block of a full pool can be the one that makes it partial. */
static void full_partial_full(struct kunit *test)
{
	struct pool_case c = pool_case(test, *(const int *)test->param_value);
	unsigned int i;
	void *ptr;

	for (i = 0; i < c.nr; i++)
		c.ptrs[i] = obm_must_alloc(test, c.heap, c.size);
	/* A second pool that has room: the fuller one is still preferred. */
	c.ptrs[c.nr] = obm_must_alloc(test, c.heap, c.size);

	for (i = 0; i < c.nr; i++) {
		obm_free(c.ptrs[i]);
		expect_pools(test, &c, c.nr, 2 - (c.nr == 1));
		ptr = obm_must_alloc(test, c.heap, c.size);
		KUNIT_EXPECT_PTR_EQ(test, ptr, c.ptrs[i]);
		expect_pools(test, &c, c.nr + 1, 2);
	}
	KUNIT_EXPECT_EQ(test, obm_heap_validate(c.heap), 0);
	for (i = 0; i <= c.nr; i++)
		obm_free(c.ptrs[i]);
	expect_pools(test, &c, 0, 0);
}

/* The last block of the pool, whichever it is, makes the pool unused. */
static void any_last_block_empties(struct kunit *test)
{
	struct pool_case c = pool_case(test, *(const int *)test->param_value);
	unsigned int last, i;

	for (last = 0; last < c.nr; last += max(c.nr / 16, 1U)) {
		for (i = 0; i < c.nr; i++)
			c.ptrs[i] = obm_must_alloc(test, c.heap, c.size);
		for (i = 0; i < c.nr; i++)
			if (i != last)
				obm_free(c.ptrs[i]);
		expect_pools(test, &c, 1, 1);
		obm_free(c.ptrs[last]);
		expect_pools(test, &c, 0, 0);
	}
}

/* A pool belongs to a class for as long as it has blocks, no longer. */
static void unused_pool_changes_class(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	void *ptr, *first = NULL;
	unsigned int i;

	obm_need_small(test, 64);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		ptr = obm_must_alloc(test, heap, min(sizes[i], 64U));
		if (!i)
			first = ptr;
		KUNIT_EXPECT_PTR_EQ(test, ptr, first);
		obm_fill(ptr, 0xff, obm_usable_size(ptr));
		obm_free(ptr);
	}
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_arenas_got, 1);
}

/* Classes do not share pools. */
static void classes_have_their_own_pools(struct kunit *test)
{
	size_t small_max = obm_small_max_is(test), size;
	struct obm_heap *heap = obm_test_heap(test, 0);
	void *ptrs[64];
	unsigned int i, j, nr = 0, nr_pools = 0;

	for (size = 8; size <= min(small_max, 512UL); size += 8) {
		ptrs[nr] = obm_must_alloc(test, heap, size);
		for (j = 0; j < nr; j++)
			if (PAGE_ALIGN_DOWN((unsigned long)ptrs[j]) ==
			    PAGE_ALIGN_DOWN((unsigned long)ptrs[nr]))
				break;
		if (j < nr)
			KUNIT_EXPECT_EQ(test, obm_usable_size(ptrs[j]),
					obm_usable_size(ptrs[nr]));
		else
			nr_pools++;
		nr++;
	}
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_pools, nr_pools);
	KUNIT_EXPECT_EQ(test, obm_heap_validate(heap), 0);
	for (i = 0; i < nr; i++)
		obm_free(ptrs[i]);
}

/*
 * Maps of classes with many blocks are kept for the next pool and go with a
 * trim; in between they are metadata that is held.
 */
static void maps_are_kept_and_trimmed(struct kunit *test)
{
	struct pool_case c = pool_case(test, 8);
	u64 idle = obm_get(test, c.heap).meta_bytes, arena, map;
	unsigned int round;

	obm_need_small(test, 64);
	for (round = 0; round < 3; round++) {
		/* 64 bytes: the map is a word of the pool's descriptor. */
		void *other = obm_must_alloc(test, c.heap, 64);
		void *ptr;

		arena = obm_get(test, c.heap).meta_bytes;
		ptr = obm_must_alloc(test, c.heap, 8);
		map = obm_get(test, c.heap).meta_bytes - arena;
		KUNIT_EXPECT_EQ(test, map, PAGE_SIZE / 8 / BITS_PER_BYTE);
		obm_free(ptr);
		KUNIT_EXPECT_EQ(test, obm_get(test, c.heap).meta_bytes,
				arena + map);
		ptr = obm_must_alloc(test, c.heap, 8);
		KUNIT_EXPECT_EQ(test, obm_get(test, c.heap).meta_bytes,
				arena + map);
		obm_free(ptr);
		obm_free(other);
		obm_heap_trim(c.heap);
		KUNIT_EXPECT_EQ(test, obm_get(test, c.heap).meta_bytes, idle);
	}
}

static struct kunit_case pool_cases[] = {
	KUNIT_CASE_PARAM(unused_partial_full_and_back, size_gen_params),
	KUNIT_CASE_PARAM(full_partial_full, size_gen_params),
	KUNIT_CASE_PARAM(any_last_block_empties, size_gen_params),
	KUNIT_CASE(unused_pool_changes_class),
	KUNIT_CASE(classes_have_their_own_pools),
	KUNIT_CASE(maps_are_kept_and_trimmed),
	{ }
};

static struct kunit_suite pool_suite = {
	.name = "obmalloc_pool",
	.init = obm_test_init,
	.exit = obm_test_exit,
	.test_cases = pool_cases,
};

kunit_test_suite(pool_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of obmalloc's pools");
MODULE_LICENSE("GPL");
