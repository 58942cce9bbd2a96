// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hardened heaps: every mistake is refused at once, with one report, and where
 * the next block lies cannot be told.
 */
#include "console.h"
#include "front.h"

static struct obm_heap *hard_heap(struct kunit *test)
{
	struct obm_heap_attrs attrs = OBM_HEAP_ATTRS_INIT;

	attrs.flags = OBM_HEAP_HARDEN;
	return obm_test_heap_attrs(test, &attrs);
}

/* As free_sized(), with a size that the compiler knows. */
static noinline void free_64(struct obm_heap *heap, const void *ptr)
{
	obm_free_sized(heap, ptr, 64);
	barrier();
}

/* Busy classes, too: no block waits on a CPU. */
static void nothing_waits(struct kunit *test)
{
	static const size_t sizes[] = { 8, 64, 512, 1000, 4096, 8192 };
	struct obm_heap *heap = hard_heap(test);
	void **ptrs = front_ptrs(test, 300);
	struct obm_stats s;
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		front_warm(test, heap, sizes[i]);
		for (j = 0; j < 300; j++)
			ptrs[j] = obm_must_alloc(test, heap, sizes[i]);
		s = obm_get(test, heap);
		KUNIT_EXPECT_EQ(test, s.nr_blocks, 300);
		for (j = 0; j < 300; j++)
			obm_free_sized(heap, ptrs[j], sizes[i]);
		s = obm_get(test, heap);
		KUNIT_EXPECT_EQ_MSG(test, s.nr_pools, 0, "size %zu", sizes[i]);
		KUNIT_EXPECT_EQ(test, s.avail_bytes, 0);
		KUNIT_ASSERT_EQ(test, obm_alloc_bulk(heap, sizes[i], GFP_KERNEL,
						     300, ptrs), 300UL);
		obm_free_bulk(heap, sizes[i], 300, ptrs);
		s = obm_get(test, heap);
		KUNIT_EXPECT_EQ(test, s.nr_pools, 0);
	}
	front_expect_idle(test, heap);
}

static void double_frees(struct kunit *test)
{
	static const size_t sizes[] = { 8, 64, 1360 };
	struct obm_heap *heap = hard_heap(test);
	void *kept, *ptr;
	struct mistake m;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		front_warm(test, heap, sizes[i]);
		kept = obm_must_alloc(test, heap, sizes[i]);
		ptr = obm_must_alloc(test, heap, sizes[i]);
		free_it(ptr);
		mistake_begin(&m, heap);
		free_it(ptr);
		mistake_end(test, &m, OBM_BAD_DOUBLE, "unsized");
		mistake_begin(&m, heap);
		free_sized(heap, ptr, sizes[i]);
		mistake_end(test, &m, OBM_BAD_DOUBLE, "sized");
		free_it(kept);
		mistake_begin(&m, heap);
		free_it(kept);
		mistake_end(test, &m, OBM_BAD_STALE, "emptied");
	}
}

/* Where the size is a constant too, which a soft heap believes. */
static void wrong_sizes(struct kunit *test)
{
	static const size_t sizes[] = { 72, 1000, 8192 };
	struct obm_heap *heap = hard_heap(test);
	struct mistake m;
	unsigned int i;
	void *ptr;

	front_warm(test, heap, 64);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		ptr = obm_must_alloc(test, heap, sizes[i]);
		obm_fill(ptr, i, sizes[i]);
		mistake_begin(&m, heap);
		free_64(heap, ptr);
		mistake_end(test, &m, OBM_BAD_SIZE, "constant");
		mistake_begin(&m, heap);
		free_sized(heap, ptr, 9000);
		mistake_end(test, &m, OBM_BAD_SIZE, "of a raw block");
		KUNIT_EXPECT_TRUE(test, obm_is_filled(ptr, i, sizes[i]));
		free_sized(heap, ptr, sizes[i]);
	}
}

static void wrong_heaps(struct kunit *test)
{
	struct obm_heap *heap = hard_heap(test), *other = hard_heap(test);
	struct mistake m;
	void *ptr;

	front_warm(test, heap, 64);
	front_warm(test, other, 64);
	ptr = obm_must_alloc(test, heap, 64);
	mistake_begin(&m, other);
	free_64(other, ptr);
	mistake_end(test, &m, OBM_BAD_HEAP, "constant");
	mistake_begin(&m, other);
	free_sized(other, ptr, 64);
	mistake_end(test, &m, OBM_BAD_HEAP, "variable");
	free_64(heap, ptr);
}

/* Of one pool: neither up nor down, and in no two heaps alike. */
static void order_cannot_be_foretold(struct kunit *test)
{
	unsigned long offsets[2][64];
	unsigned int nr_up = 0, nr_alike = 0, i, h;
	struct obm_heap *heap;
	void *ptrs[64];

	for (h = 0; h < 2; h++) {
		heap = hard_heap(test);
		for (i = 0; i < 64; i++) {
			ptrs[i] = obm_must_alloc(test, heap, 64);
			offsets[h][i] = offset_in_page(ptrs[i]);
		}
		KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_pools, 1);
		for (i = 0; i < 64; i++)
			free_it(ptrs[i]);
	}
	for (i = 1; i < 64; i++) {
		nr_up += offsets[0][i] > offsets[0][i - 1];
		nr_alike += offsets[0][i] == offsets[1][i];
	}
	KUNIT_EXPECT_GT(test, nr_up, 10U);
	KUNIT_EXPECT_LT(test, nr_up, 53U);
	KUNIT_EXPECT_LT(test, nr_alike, 32U);
}

/* A hardened heap beside a soft one: each is what it is. */
static void others_stay_soft(struct kunit *test)
{
	struct obm_heap *soft = front_heap(test, 0), *hard = hard_heap(test);

	front_warm(test, soft, 64);
	front_warm(test, hard, 64);
	KUNIT_EXPECT_GT(test, obm_get(test, soft).nr_pools, 0);
	KUNIT_EXPECT_EQ(test, obm_get(test, hard).nr_pools, 0);
	front_expect_idle(test, soft);
	front_expect_idle(test, hard);
}

static struct kunit_case hard_cases[] = {
	KUNIT_CASE(nothing_waits),
	KUNIT_CASE_SLOW(double_frees),
	KUNIT_CASE_SLOW(wrong_sizes),
	KUNIT_CASE(wrong_heaps),
	KUNIT_CASE(order_cannot_be_foretold),
	KUNIT_CASE(others_stay_soft),
	{ }
};

static struct kunit_suite hard_suite = {
	.name = "obmalloc_hard",
	.suite_init = console_init,
	.suite_exit = console_exit,
	.init = obm_test_init,
	.exit = obm_test_exit,
	.test_cases = hard_cases,
};

kunit_test_suite(hard_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of hardened obmalloc heaps");
MODULE_LICENSE("GPL");
