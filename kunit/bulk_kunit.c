// SPDX-License-Identifier: GPL-2.0-only
/* Many blocks at once: all or nothing, and the same blocks as one by one. */
#include <linux/mm.h>

#include "front.h"

#define MAX_BULK	300

/* No more blocks fit into a heap of 60 pages. */
#define MAX_FIT		(60 * PAGE_SIZE / 8)

static const size_t sizes[] = { 0, 8, 64, 500, 512, 1000, 4096, 5000, 8192,
				20000 };

static void size_desc(const size_t *size, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "size=%zu", *size);
}

KUNIT_ARRAY_PARAM(size, sizes, size_desc);

/* Marks the ends of each; the first and the last byte may be the same. */
static void mark_all(void **ptrs, size_t usable, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		obm_fill(ptrs[i], i, min_t(size_t, usable, 16));
		obm_fill(ptrs[i] + usable - 8, i, 8);
	}
}

static unsigned int count_broken(void **ptrs, size_t usable, unsigned int n)
{
	unsigned int i, nr = 0;

	for (i = 0; i < n; i++)
		nr += !obm_is_filled(ptrs[i], i, min_t(size_t, usable, 16)) ||
		      !obm_is_filled(ptrs[i] + usable - 8, i, 8);
	return nr;
}

static void every_number_of_blocks(struct kunit *test)
{
	size_t size = *(const size_t *)test->param_value, usable;
	struct obm_heap *heap = front_heap(test, 0);
	void **ptrs = front_ptrs(test, MAX_BULK);
	unsigned int n, way, i;
	struct obm_stats s;
	u64 nr = 0;

	usable = obm_usable(size, obm_small_max_is(test));
	for (n = 0; n <= MAX_BULK; n++) {
		for (way = 0; way < 3; way++, nr += n) {
			KUNIT_ASSERT_EQ(test, obm_alloc_bulk(heap, size,
							     GFP_KERNEL, n,
							     ptrs), n);
			mark_all(ptrs, usable, n);
			s = obm_get(test, heap);
			KUNIT_ASSERT_EQ(test, s.nr_blocks + s.nr_raw, n);
			KUNIT_ASSERT_EQ(test, s.used_bytes + s.raw_bytes,
					n * usable);
			KUNIT_ASSERT_EQ(test, s.nr_allocs, nr + n);
			KUNIT_ASSERT_EQ(test, count_broken(ptrs, usable, n),
					0U);
			/* Many come back as one by one, too. */
			if (!way)
				obm_free_bulk(heap, size, n, ptrs);
			for (i = 0; way && i < n; i++) {
				if (way == 1)
					obm_free(ptrs[i]);
				else
					obm_free_sized(heap, ptrs[i], size);
			}
		}
	}
	s = obm_get(test, heap);
	KUNIT_EXPECT_EQ(test, s.nr_frees, nr);
	KUNIT_EXPECT_EQ(test, s.nr_failed, 0);
	front_expect_idle(test, heap);
}

/* Single blocks go back as many, mixed with others, in any order. */
static void mixed_with_single_calls(struct kunit *test)
{
	size_t size = *(const size_t *)test->param_value, usable;
	struct obm_heap *heap = front_heap(test, 0);
	void **ptrs = front_ptrs(test, MAX_BULK);
	unsigned int round, i;
	struct obm_stats s;

	usable = obm_usable(size, obm_small_max_is(test));
	for (round = 0; round < 20; round++) {
		for (i = 0; i < 100; i++)
			ptrs[3 * i] = obm_must_alloc(test, heap, size);
		for (i = 0; i < 100; i++)
			KUNIT_ASSERT_EQ(test, obm_alloc_bulk(heap, size,
							     GFP_KERNEL, 2,
							     &ptrs[3 * i + 1]),
					2UL);
		mark_all(ptrs, usable, MAX_BULK);
		KUNIT_EXPECT_EQ(test, count_broken(ptrs, usable, MAX_BULK), 0U);
		for (i = 0; i < 50; i++)
			obm_free(ptrs[i]);
		s = obm_get(test, heap);
		KUNIT_EXPECT_EQ(test, s.nr_blocks + s.nr_raw, MAX_BULK - 50);
		KUNIT_EXPECT_EQ(test, s.nr_allocs - s.nr_frees, MAX_BULK - 50);
		if (round % 4 == 0)
			obm_heap_trim(heap);
		obm_free_bulk(heap, size, MAX_BULK - 50, &ptrs[50]);
	}
	front_expect_idle(test, heap);
}

static void zeroes_over_dirt(struct kunit *test)
{
	size_t size = *(const size_t *)test->param_value, usable;
	struct obm_heap *heap = front_heap(test, 0);
	void **ptrs = front_ptrs(test, MAX_BULK);
	unsigned int i, round;

	usable = obm_usable(size, obm_small_max_is(test));
	for (round = 0; round < 3; round++) {
		KUNIT_ASSERT_EQ(test, obm_alloc_bulk(heap, size, GFP_KERNEL |
						     __GFP_ZERO, 100, ptrs),
				100UL);
		for (i = 0; i < 100; i++) {
			KUNIT_EXPECT_TRUE(test, obm_is_filled(ptrs[i], 0,
							      usable));
			obm_fill(ptrs[i], 0xff, usable);
		}
		obm_free_bulk(heap, size, 100, ptrs);
	}
	front_expect_idle(test, heap);
}

/* What does not fit changes nothing, and all that fits does so afterwards. */
static void all_or_nothing(struct kunit *test)
{
	size_t size = *(const size_t *)test->param_value;
	struct obm_heap *heap = front_heap(test, 60 * PAGE_SIZE);
	unsigned int nr, first = 0, round;
	struct obm_stats s, before;
	void **ptrs;

	ptrs = front_ptrs(test, MAX_FIT + MAX_BULK);
	for (round = 0; round < 6; round++) {
		for (nr = 0; nr < MAX_FIT; nr++) {
			ptrs[nr] = obm_alloc(heap, size, GFP_KERNEL);
			if (!ptrs[nr])
				break;
		}
		first = first ?: nr;
		KUNIT_EXPECT_EQ(test, nr, first);
		obm_free_bulk(heap, size, 2, &ptrs[nr - 2]);
		before = obm_get(test, heap);
		KUNIT_EXPECT_EQ(test, obm_alloc_bulk(heap, size, GFP_KERNEL,
						     MAX_BULK, &ptrs[nr - 2]),
				0UL);
		s = obm_get(test, heap);
		KUNIT_EXPECT_EQ(test, s.nr_blocks, before.nr_blocks);
		KUNIT_EXPECT_EQ(test, s.nr_raw, before.nr_raw);
		KUNIT_EXPECT_EQ(test, s.used_bytes, before.used_bytes);
		KUNIT_EXPECT_EQ(test, s.nr_failed, before.nr_failed + 1);
		KUNIT_EXPECT_EQ(test, s.nr_allocs - s.nr_frees, nr - 2);
		KUNIT_EXPECT_LE(test, s.peak_bytes, s.limit_bytes);
		KUNIT_EXPECT_EQ(test, obm_nr_mistakes(&s), 0);
		/* In wide classes a few may be raw for want of a run. */
		obm_free_bulk(heap, size, nr - 2, ptrs);
		front_expect_idle(test, heap);
		KUNIT_EXPECT_EQ(test, obm_alloc_bulk(heap, size, GFP_KERNEL, nr,
						     ptrs), nr);
		obm_free_bulk(heap, size, nr, ptrs);
		front_expect_idle(test, heap);
	}
}

static struct kunit_case bulk_cases[] = {
	KUNIT_CASE_PARAM(every_number_of_blocks, size_gen_params),
	KUNIT_CASE_PARAM(mixed_with_single_calls, size_gen_params),
	KUNIT_CASE_PARAM(zeroes_over_dirt, size_gen_params),
	KUNIT_CASE_PARAM(all_or_nothing, size_gen_params),
	{ }
};

static struct kunit_suite bulk_suite = {
	.name = "obmalloc_bulk",
	.init = obm_test_init,
	.exit = obm_test_exit,
	.test_cases = bulk_cases,
};

kunit_test_suite(bulk_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of many obmalloc blocks at once");
MODULE_LICENSE("GPL");
