// SPDX-License-Identifier: GPL-2.0-only
/* Classes of more than 512 bytes, whose pools may have several pages. */
#include "console.h"
#include "front.h"

#define NR_PTRS		300

/* The sizes of the wide classes, from the rule. */
static unsigned int wide_sizes(size_t *sizes)
{
	unsigned int nr = 0;
	size_t size;

	for (size = 513; size <= 8192; size = sizes[nr - 1] + 1)
		sizes[nr++] = obm_usable_wide(size);
	return nr;
}

/* Blocks of each class fill pools: aligned, apart, and all accounted for. */
static void blocks_fill_pools(struct kunit *test)
{
	struct obm_heap *heap = front_heap(test, 0);
	void **ptrs = front_ptrs(test, NR_PTRS);
	size_t sizes[64], size;
	unsigned int nr, i, j;
	struct obm_stats s;

	nr = wide_sizes(sizes);
	KUNIT_ASSERT_EQ(test, nr, 32U);
	for (i = 0; i < nr; i++) {
		size = sizes[i];
		for (j = 0; j < NR_PTRS; j++) {
			ptrs[j] = obm_must_alloc(test, heap, size);
			KUNIT_EXPECT_EQ(test, (unsigned long)ptrs[j] %
					obm_block_align(size), 0UL);
			obm_fill(ptrs[j], i + j, size);
		}
		s = obm_get(test, heap);
		KUNIT_EXPECT_EQ(test, s.used_bytes, NR_PTRS * size);
		KUNIT_EXPECT_EQ(test, s.nr_raw, 0);
		/* At most a 64th of a pool is too short for a block. */
		KUNIT_EXPECT_LE(test, s.quant_bytes * 63,
				s.used_bytes + s.avail_bytes);
		KUNIT_EXPECT_EQ(test, obm_heap_validate(heap), 0);
		for (j = 0; j < NR_PTRS; j++) {
			KUNIT_ASSERT_EQ(test, obm_usable_size(ptrs[j]), size);
			KUNIT_ASSERT_TRUE(test, obm_is_filled(ptrs[j], i + j,
							      size));
			if (j % 2)
				obm_free(ptrs[j]);
			else
				obm_free_sized(heap, ptrs[j], size - 1);
		}
		front_expect_idle(test, heap);
	}
}

/* Any byte of a block, on whatever page of its pool, leads to the block. */
static void bounds_across_pages(struct kunit *test)
{
	struct obm_heap *heap = front_heap(test, 0);
	size_t sizes[64], size, bytes, at;
	void *ptrs[40], *base;
	unsigned int nr, i, j;

	nr = wide_sizes(sizes);
	for (i = 0; i < nr; i++) {
		size = sizes[i];
		for (j = 0; j < ARRAY_SIZE(ptrs); j++)
			ptrs[j] = obm_must_alloc(test, heap, size);
		for (j = 0; j < ARRAY_SIZE(ptrs); j++) {
			for (at = 0; at < size; at += 248) {
				KUNIT_ASSERT_EQ(test, obm_block_bounds(ptrs[j] +
						at, &base, &bytes), 0);
				KUNIT_ASSERT_PTR_EQ(test, base, ptrs[j]);
				KUNIT_ASSERT_EQ(test, bytes, size);
			}
			KUNIT_EXPECT_TRUE(test, obm_owns(heap, ptrs[j] + size -
							 1));
		}
		for (j = 0; j < ARRAY_SIZE(ptrs); j++)
			obm_free(ptrs[j]);
		obm_heap_trim(heap);
		KUNIT_EXPECT_FALSE(test, obm_owns(heap, ptrs[0]));
	}
	front_expect_idle(test, heap);
}

static void bad_pointers(struct kunit *test)
{
	struct obm_heap *heap = front_heap(test, 0);
	size_t size = 5461 / 16 * 16;
	void *first, *ptr;
	struct mistake m;

	first = obm_must_alloc(test, heap, size);
	ptr = obm_must_alloc(test, heap, size);
	mistake_begin(&m, heap);
	free_it(first + PAGE_SIZE);
	mistake_end(test, &m, OBM_BAD_INTERIOR, "second page");
	mistake_begin(&m, heap);
	free_it(ptr + 8);
	mistake_end(test, &m, OBM_BAD_INTERIOR, "second block");
	mistake_begin(&m, heap);
	free_it(ptr + 4);
	mistake_end(test, &m, OBM_BAD_MISALIGNED, "misaligned");
	mistake_begin(&m, heap);
	obm_free_sized(heap, ptr, 4096);
	barrier();
	mistake_end(test, &m, OBM_BAD_SIZE, "smaller class");

	obm_free(ptr);
	obm_heap_trim(heap);
	mistake_begin(&m, heap);
	free_it(ptr);
	mistake_end(test, &m, OBM_BAD_DOUBLE, "doubled");
	obm_free(first);
	obm_heap_trim(heap);
	mistake_begin(&m, NULL);
	free_it(first);
	mistake_end(test, &m, OBM_BAD_FOREIGN, "given back");
}

/* Where no wide pool has room, pages do; whoever frees need not know. */
static void pages_stand_in(struct kunit *test)
{
	struct obm_heap *heap = front_heap(test, 45 * PAGE_SIZE);
	void **ptrs = front_ptrs(test, NR_PTRS);
	unsigned int way, nr, i, nr_raw = 0;
	struct obm_stats s;
	size_t size = 5000;

	for (way = 0; way < 6; way++) {
		for (nr = 0; nr < NR_PTRS; nr++) {
			ptrs[nr] = obm_alloc(heap, size, GFP_KERNEL);
			if (!ptrs[nr])
				break;
			obm_fill(ptrs[nr], nr, size);
		}
		s = obm_get(test, heap);
		nr_raw += s.nr_raw;
		KUNIT_EXPECT_EQ(test, s.nr_blocks + s.nr_raw, nr);
		for (i = 0; i < nr; i++)
			KUNIT_EXPECT_TRUE(test, obm_is_filled(ptrs[i], i,
							      size));
		if (way % 3 == 0)
			obm_free_bulk(heap, size, nr, ptrs);
		for (i = 0; i < nr && way % 3 == 1; i++)
			obm_free_sized(heap, ptrs[i], size);
		for (i = 0; i < nr && way % 3 == 2; i++)
			obm_free(ptrs[i]);
		front_expect_idle(test, heap);
	}
	/* Else nothing was tested. */
	KUNIT_EXPECT_GT(test, nr_raw, 0U);
}

/* Content survives every step from class to class, up and down. */
static void realloc_between_classes(struct kunit *test)
{
	struct obm_heap *heap = front_heap(test, 0);
	size_t sizes[64];
	unsigned int nr = wide_sizes(sizes), i, j;
	void *ptr, *new;

	for (i = 0; i < nr; i++) {
		for (j = 0; j < nr; j++) {
			ptr = obm_must_alloc(test, heap, sizes[i]);
			obm_fill(ptr, i, sizes[i]);
			new = obm_realloc(heap, ptr, sizes[j], GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, new);
			KUNIT_EXPECT_EQ(test, new == ptr, i == j);
			KUNIT_EXPECT_EQ(test, obm_usable_size(new), sizes[j]);
			KUNIT_EXPECT_TRUE(test, obm_is_filled(new, i,
							      min(sizes[i],
								  sizes[j])));
			obm_free_sized(heap, new, sizes[j]);
		}
	}
	front_expect_idle(test, heap);
}

static struct kunit_case wide_cases[] = {
	KUNIT_CASE(blocks_fill_pools),
	KUNIT_CASE(bounds_across_pages),
	KUNIT_CASE(bad_pointers),
	KUNIT_CASE(pages_stand_in),
	KUNIT_CASE(realloc_between_classes),
	{ }
};

static struct kunit_suite wide_suite = {
	.name = "obmalloc_wide",
	.suite_init = console_init,
	.suite_exit = console_exit,
	.init = obm_test_init,
	.exit = obm_test_exit,
	.test_cases = wide_cases,
};

kunit_test_suite(wide_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of obmalloc's wide classes");
MODULE_LICENSE("GPL");
