// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mistakes while blocks wait on CPUs. What obm_free() is given is checked at
 * once; a size or a heap that a caller swears to is believed until the block
 * leaves the CPU. Then it is reported, and the block is as it was.
 */
#include "console.h"
#include "front.h"

/* Gives what waits back to the pools; says how many mistakes that showed. */
static unsigned int drain(struct obm_heap *heap)
{
	console_room(1);
	console_watch();
	obm_heap_trim(heap);
	return console.nr_reports;
}

static void expect_intact(struct kunit *test, struct obm_heap *heap, u8 *ptr,
			  size_t size, u8 fill)
{
	KUNIT_EXPECT_TRUE(test, obm_owns(heap, ptr));
	KUNIT_EXPECT_EQ(test, obm_usable_size(ptr), size);
	KUNIT_EXPECT_TRUE(test, obm_is_filled(ptr, fill, size));
	KUNIT_EXPECT_EQ(test, obm_heap_validate(heap), 0);
}

/* A constant size: what is inlined asks nobody. */
static void wrong_size_shows_when_it_leaves(struct kunit *test)
{
	static const size_t sizes[] = { 8, 1360, 8192 };
	struct obm_heap *heap = front_heap(test, 0);
	struct obm_stats s;
	unsigned int i;
	void *ptr;

	if (!OBM_INLINE)
		kunit_skip(test, "nothing is believed where nothing is inlined");
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		front_warm(test, heap, 64);
		ptr = obm_must_alloc(test, heap, sizes[i]);
		obm_fill(ptr, 0x11 * i, sizes[i]);
		console_watch();
		obm_free_sized(heap, ptr, 64);
		KUNIT_EXPECT_EQ(test, console.nr_reports, 0U);
		s = obm_get(test, heap);
		KUNIT_EXPECT_EQ(test, s.nr_bad[OBM_BAD_SIZE], i);

		KUNIT_EXPECT_EQ(test, drain(heap), 1U);
		KUNIT_EXPECT_EQ(test, console_find("BUG: OBM: wrong size in "),
				0);
		s = obm_get(test, heap);
		KUNIT_EXPECT_EQ(test, s.nr_bad[OBM_BAD_SIZE], i + 1);
		KUNIT_EXPECT_EQ(test, obm_nr_mistakes(&s), i + 1);
		KUNIT_EXPECT_EQ(test, s.nr_blocks, 1);
		expect_intact(test, heap, ptr, sizes[i], 0x11 * i);
		free_it(ptr);
		KUNIT_EXPECT_EQ(test, drain(heap), 0U);
		s = obm_get(test, heap);
		KUNIT_EXPECT_EQ(test, s.nr_blocks, 0);
		KUNIT_EXPECT_EQ(test, s.nr_arenas, 0);
	}
}

static void wrong_heap_shows_when_it_leaves(struct kunit *test)
{
	struct obm_heap *heap = front_heap(test, 0), *other;
	struct obm_stats s;
	void *ptr;

	if (!OBM_INLINE)
		kunit_skip(test, "nothing is believed where nothing is inlined");
	other = front_heap(test, 0);
	front_warm(test, heap, 64);
	front_warm(test, other, 64);
	ptr = obm_must_alloc(test, heap, 64);
	obm_fill(ptr, 0x77, 64);
	obm_free_sized(other, ptr, 64);
	KUNIT_EXPECT_EQ(test, drain(heap), 0U);
	KUNIT_EXPECT_EQ(test, drain(other), 1U);
	KUNIT_EXPECT_EQ(test, console_find("BUG: OBM: wrong heap in "), 0);
	s = obm_get(test, other);
	KUNIT_EXPECT_EQ(test, s.nr_bad[OBM_BAD_HEAP], 1);
	KUNIT_EXPECT_EQ(test, s.nr_blocks, 0);
	s = obm_get(test, heap);
	KUNIT_EXPECT_EQ(test, obm_nr_mistakes(&s), 0);
	KUNIT_EXPECT_EQ(test, s.nr_blocks, 1);
	expect_intact(test, heap, ptr, 64, 0x77);
	free_it(ptr);
	KUNIT_EXPECT_EQ(test, drain(heap), 0U);
}

/* By the use of others, too, and counted once however long that goes on. */
static void wrong_size_leaves_with_others(struct kunit *test)
{
	struct obm_heap *heap = front_heap(test, 0);
	void **ptrs = front_ptrs(test, 300), *ptr;
	unsigned int i, round;
	struct obm_stats s;

	for (i = 0; i < 300; i++)
		ptrs[i] = obm_must_alloc(test, heap, 64);
	front_warm(test, heap, 64);
	ptr = obm_must_alloc(test, heap, 128);
	console_room(1);
	console_watch();
	obm_free_sized(heap, ptr, 64);
	for (i = 0; i < 300; i++)
		obm_free_sized(heap, ptrs[i], 64);
	KUNIT_EXPECT_EQ(test, console.nr_reports, 1U);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < 300; i++) {
			ptrs[i] = obm_must_alloc(test, heap, 64);
			obm_fill(ptrs[i], i, 64);
		}
		for (i = 0; i < 300; i++) {
			KUNIT_EXPECT_TRUE(test, obm_is_filled(ptrs[i], i, 64));
			obm_free(ptrs[i]);
		}
	}
	KUNIT_EXPECT_EQ(test, drain(heap), 0U);
	s = obm_get(test, heap);
	KUNIT_EXPECT_EQ(test, s.nr_bad[OBM_BAD_SIZE], 1);
	KUNIT_EXPECT_EQ(test, obm_nr_mistakes(&s), 1);
	KUNIT_EXPECT_EQ(test, s.nr_blocks, 1);
	free_it(ptr);
	KUNIT_EXPECT_EQ(test, drain(heap), 0U);
}

/* What is not inlined is refused at once, as what no pool would take. */
static void at_once(struct kunit *test)
{
	struct obm_heap *heap = front_heap(test, 0), *other;
	void *ptr, *raw, *gone;
	size_t size = 128;
	struct mistake m;

	other = front_heap(test, 0);
	front_warm(test, heap, 64);
	ptr = obm_must_alloc(test, heap, 64);
	raw = obm_must_alloc(test, heap, 3 * PAGE_SIZE);
	gone = obm_must_alloc(test, heap, 20000);
	obm_free(gone);
	OPTIMIZER_HIDE_VAR(size);

	mistake_begin(&m, heap);
	free_it(ptr + 1);
	mistake_end(test, &m, OBM_BAD_MISALIGNED, "misaligned");
	mistake_begin(&m, heap);
	free_it(ptr + 8);
	mistake_end(test, &m, OBM_BAD_INTERIOR, "interior");
	mistake_begin(&m, heap);
	free_it(raw + PAGE_SIZE);
	mistake_end(test, &m, OBM_BAD_INTERIOR, "in a raw block");
	mistake_begin(&m, NULL);
	free_it(gone);
	mistake_end(test, &m, OBM_BAD_FOREIGN, "given back");
	mistake_begin(&m, heap);
	free_sized(heap, ptr, size);
	mistake_end(test, &m, OBM_BAD_SIZE, "variable size");
	mistake_begin(&m, heap);
	free_sized(heap, raw, size);
	mistake_end(test, &m, OBM_BAD_SIZE, "size of a raw block");
	mistake_begin(&m, other);
	free_sized(other, ptr, size / 2);
	mistake_end(test, &m, OBM_BAD_HEAP, "variable size, wrong heap");
	/* Once it is back in its pool, a block is known to be free. */
	obm_free(raw);
	gone = obm_must_alloc(test, heap, 64);
	free_it(gone);
	obm_heap_trim(heap);
	mistake_begin(&m, heap);
	free_it(gone);
	mistake_end(test, &m, OBM_BAD_DOUBLE, "after a trim");
	free_it(ptr);
}

static struct kunit_case bad_cases[] = {
	KUNIT_CASE_SLOW(wrong_size_shows_when_it_leaves),
	KUNIT_CASE(wrong_heap_shows_when_it_leaves),
	KUNIT_CASE(wrong_size_leaves_with_others),
	KUNIT_CASE(at_once),
	{ }
};

static struct kunit_suite bad_suite = {
	.name = "obmalloc_front_bad",
	.suite_init = console_init,
	.suite_exit = console_exit,
	.init = obm_test_init,
	.exit = obm_test_exit,
	.test_cases = bad_cases,
};

kunit_test_suite(bad_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of mistakes with blocks that wait on a CPU");
MODULE_LICENSE("GPL");
