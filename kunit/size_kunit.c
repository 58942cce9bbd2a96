// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blocks of every size: their usable size, alignment and content, and that the
 * figures of the heap add up after each step.
 */
#include <linux/vmalloc.h>

#include "common.h"

#define MAX_SIZE	8193

static const size_t *sizes_of(struct kunit *test)
{
	size_t small_max = obm_small_max_is(test);
	size_t *usable, size;

	usable = kunit_kmalloc_array(test, MAX_SIZE + 1, sizeof(*usable),
				     GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, usable);
	for (size = 0; size <= MAX_SIZE; size++)
		usable[size] = obm_usable(size, small_max);
	return usable;
}

static void expect_block(struct kunit *test, struct obm_heap *heap,
			 const void *ptr, size_t size, size_t usable)
{
	unsigned long addr = (unsigned long)ptr;
	size_t bounds_size = 0;
	void *base = NULL;

	KUNIT_EXPECT_EQ_MSG(test, obm_usable_size(ptr), usable, "size %zu",
			    size);
	KUNIT_EXPECT_EQ_MSG(test, addr % obm_block_align(usable), 0UL,
			    "size %zu", size);
	if (is_power_of_2(size) && size <= PAGE_SIZE)
		KUNIT_EXPECT_EQ_MSG(test, addr % size, 0UL, "size %zu", size);
	if (size % 16 == 0)
		KUNIT_EXPECT_EQ_MSG(test, addr % 16, size ? 0UL : addr % 16,
				    "size %zu", size);
	KUNIT_EXPECT_TRUE(test, obm_owns(heap, ptr));
	KUNIT_EXPECT_EQ(test, obm_block_bounds(ptr, &base, &bounds_size), 0);
	KUNIT_EXPECT_PTR_EQ(test, (const void *)base, ptr);
	KUNIT_EXPECT_EQ(test, bounds_size, usable);
}

/* One after the other, each used to its last byte. */
static void every_size_alone(struct kunit *test)
{
	const size_t *usable = sizes_of(test);
	struct obm_heap *heap = obm_test_heap(test, 0);
	struct obm_stats s;
	size_t size;
	void *ptr;

	for (size = 0; size <= MAX_SIZE; size++) {
		ptr = obm_must_alloc(test, heap, size);
		expect_block(test, heap, ptr, size, usable[size]);
		obm_fill(ptr, size, usable[size]);
		KUNIT_EXPECT_TRUE(test, obm_is_filled(ptr, size, usable[size]));
		s = obm_get(test, heap);
		KUNIT_EXPECT_EQ_MSG(test, s.used_bytes + s.raw_bytes,
				    usable[size], "size %zu", size);
		KUNIT_EXPECT_EQ(test, s.nr_blocks + s.nr_raw, 1);
		KUNIT_EXPECT_EQ(test, s.nr_allocs, size + 1);

		obm_free(ptr);
		s = obm_get(test, heap);
		KUNIT_EXPECT_EQ(test, s.used_bytes + s.raw_bytes, 0);
		KUNIT_EXPECT_EQ(test, s.nr_frees, size + 1);
		if (size % 64 == 0)
			KUNIT_ASSERT_EQ(test, obm_heap_validate(heap), 0);
	}
	KUNIT_EXPECT_EQ(test, s.nr_arenas_got, 1);
}

/* All of them live at once: no two may overlap. */
static void every_size_at_once(struct kunit *test)
{
	const size_t *usable = sizes_of(test);
	struct obm_heap *heap = obm_test_heap(test, 0);
	u64 small = 0, raw = 0;
	struct obm_stats s;
	size_t i, size;
	void **ptrs;

	ptrs = kunit_kmalloc_array(test, MAX_SIZE + 1, sizeof(*ptrs),
				   GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ptrs);
	for (size = 0; size <= MAX_SIZE; size++) {
		ptrs[size] = obm_must_alloc(test, heap, size);
		obm_fill(ptrs[size], size * 31, usable[size]);
		if (usable[size] % PAGE_SIZE)
			small += usable[size];
		else
			raw += usable[size];
	}
	s = obm_get(test, heap);
	KUNIT_EXPECT_EQ(test, s.used_bytes + s.raw_bytes, small + raw);
	KUNIT_EXPECT_EQ(test, s.nr_blocks + s.nr_raw, MAX_SIZE + 1);
	KUNIT_EXPECT_EQ(test, obm_heap_validate(heap), 0);

	/* In another order; the stride is prime to the number of sizes. */
	for (i = 0; i <= MAX_SIZE; i++) {
		size = i * 7919 % (MAX_SIZE + 1);
		KUNIT_EXPECT_TRUE_MSG(test, obm_is_filled(ptrs[size], size * 31,
							  usable[size]),
				      "size %zu", size);
		obm_free(ptrs[size]);
		if (i % 16 == 0)
			obm_get(test, heap);
		if (i % 1024 == 0)
			KUNIT_ASSERT_EQ(test, obm_heap_validate(heap), 0);
	}
	s = obm_get(test, heap);
	KUNIT_EXPECT_EQ(test, s.used_bytes + s.raw_bytes, 0);
	KUNIT_EXPECT_LE(test, s.nr_arenas, 1);
}

/* Powers of two and their neighbours up to the largest that is served. */
static void large_sizes(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	size_t pow, size, usable;
	struct obm_stats s;
	void *ptr;

	for (pow = 2 * PAGE_SIZE; pow <= OBM_MAX_BYTES; pow *= 2) {
		for (size = pow - 1; size <= pow + 1; size++) {
			if (size > OBM_MAX_BYTES)
				continue;
			usable = PAGE_ALIGN(size);
			ptr = obm_must_alloc(test, heap, size);
			expect_block(test, heap, ptr, size, usable);
			/* A run of 2^n pages is aligned to its size. */
			KUNIT_EXPECT_EQ(test, (unsigned long)ptr %
					roundup_pow_of_two(size), 0UL);
			obm_fill(ptr, 0xa5, usable);
			s = obm_get(test, heap);
			KUNIT_EXPECT_EQ(test, s.raw_bytes, usable);
			KUNIT_EXPECT_EQ(test, s.nr_raw, 1);
			obm_free(ptr);
			s = obm_get(test, heap);
			KUNIT_EXPECT_EQ(test, s.raw_bytes, 0);
			KUNIT_EXPECT_EQ(test, s.nr_raw, 0);
		}
	}
	KUNIT_EXPECT_EQ(test, s.nr_failed, 0);
}

static void huge_sizes_are_refused(struct kunit *test)
{
	static const size_t sizes[] = {
		OBM_MAX_BYTES + 1, OBM_MAX_BYTES + 8, 2 * OBM_MAX_BYTES,
		INT_MAX, (size_t)INT_MAX + 1, UINT_MAX, LONG_MAX,
		SIZE_MAX - PAGE_SIZE, SIZE_MAX - 8, SIZE_MAX,
	};
	struct obm_heap *heap = obm_test_heap(test, 0);
	struct obm_stats before = obm_get(test, heap), after;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		KUNIT_EXPECT_NULL(test, obm_alloc(heap, sizes[i], GFP_KERNEL));
		KUNIT_EXPECT_NULL(test, obm_zalloc(heap, sizes[i], GFP_KERNEL));
		after = obm_get(test, heap);
		before.nr_failed += 2;
		KUNIT_EXPECT_EQ_MSG(test, memcmp(&before, &after,
						 sizeof(after)), 0,
				    "size %zu", sizes[i]);
	}
}

/* No bytes still make blocks that differ and may be freed. */
static void zero_size_is_unique(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	void *ptrs[100];
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(ptrs); i++) {
		ptrs[i] = obm_must_alloc(test, heap, 0);
		KUNIT_EXPECT_FALSE(test, ZERO_OR_NULL_PTR(ptrs[i]));
		for (j = 0; j < i; j++)
			KUNIT_EXPECT_PTR_NE(test, ptrs[i], ptrs[j]);
	}
	for (i = 0; i < ARRAY_SIZE(ptrs); i++)
		obm_free(ptrs[i]);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_blocks, 0);
}

/* NULL is no block and no mistake, in each function that takes a block. */
static void null_does_nothing(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	struct obm_stats before = obm_get(test, heap), after;
	struct obm_stats all_before, all_after;

	obm_heap_stats(NULL, &all_before);
	obm_free(NULL);
	obm_free_sized(heap, NULL, 8);
	KUNIT_EXPECT_EQ(test, obm_usable_size(NULL), 0UL);
	KUNIT_EXPECT_FALSE(test, obm_owns(heap, NULL));
	KUNIT_EXPECT_EQ(test, obm_block_bounds(NULL, NULL, NULL), -EFAULT);
	after = obm_get(test, heap);
	obm_heap_stats(NULL, &all_after);
	KUNIT_EXPECT_EQ(test, memcmp(&before, &after, sizeof(after)), 0);
	KUNIT_EXPECT_EQ(test, memcmp(&all_before, &all_after,
				     sizeof(all_after)), 0);
}

static struct kunit_case size_cases[] = {
	KUNIT_CASE(every_size_alone),
	KUNIT_CASE(every_size_at_once),
	KUNIT_CASE(large_sizes),
	KUNIT_CASE(huge_sizes_are_refused),
	KUNIT_CASE(zero_size_is_unique),
	KUNIT_CASE(null_does_nothing),
	{ }
};

static struct kunit_suite size_suite = {
	.name = "obmalloc_size",
	.init = obm_test_init,
	.exit = obm_test_exit,
	.test_cases = size_cases,
};

kunit_test_suite(size_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of obmalloc's blocks of every size");
MODULE_LICENSE("GPL");
