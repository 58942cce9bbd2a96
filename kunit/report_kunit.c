// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mistakes in the other functions that take a block or a heap: realloc, sized
 * free, usable size, destroy, __GFP_NOFAIL; those that answer without a report;
 * and what happens to the log if there are very many.
 */
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "console.h"

/* What a bad pointer may be, made anew for each function. */
static const enum obm_bad kinds[] = {
	OBM_BAD_FOREIGN, OBM_BAD_MISALIGNED, OBM_BAD_INTERIOR, OBM_BAD_STALE,
	OBM_BAD_DOUBLE,
};

/**
 * struct victims - a heap with what bad pointers are made of
 * @heap: the heap
 * @other: another one, with nothing in it
 * @block: the only block of its pool
 * @stale: of a pool that is not in use
 * @foreign: somebody else's
 */
struct victims {
	struct obm_heap *heap;
	struct obm_heap *other;
	void *block;
	void *stale;
	void *foreign;
};

static struct victims victims_new(struct kunit *test)
{
	struct victims v = {
		.heap = obm_test_heap(test, 0),
		.other = obm_test_heap(test, 0),
		.foreign = kunit_kzalloc(test, 64, GFP_KERNEL),
	};

	obm_need_small(test, 512);
	KUNIT_ASSERT_NOT_NULL(test, v.foreign);
	v.block = obm_must_alloc(test, v.heap, 64);
	v.stale = obm_must_alloc(test, v.heap, 512);
	obm_free(v.stale);
	return v;
}

static void *victim(const struct victims *v, enum obm_bad bad)
{
	switch (bad) {
	case OBM_BAD_FOREIGN:
		return v->foreign;
	case OBM_BAD_MISALIGNED:
		return v->block + 4;
	case OBM_BAD_INTERIOR:
		return v->block + 8;
	case OBM_BAD_STALE:
		return v->stale;
	default:
		/* The block after it, free all along. */
		return v->block + 64;
	}
}

/* The caller named the heap, so it counts even what lies in no heap. */
static void realloc_refuses(struct kunit *test)
{
	struct victims v = victims_new(test);
	struct mistake m;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		mistake_begin(&m, v.heap);
		KUNIT_EXPECT_NULL(test, obm_realloc(v.heap,
						    victim(&v, kinds[i]), 100,
						    GFP_KERNEL));
		mistake_end(test, &m, kinds[i], "realloc");
	}
	mistake_begin(&m, v.other);
	KUNIT_EXPECT_NULL(test, obm_realloc(v.other, v.block, 100, GFP_KERNEL));
	mistake_end(test, &m, OBM_BAD_HEAP, "realloc in another heap");
	/* Shrinking in place would not have needed the heap. */
	mistake_begin(&m, v.other);
	KUNIT_EXPECT_NULL(test, obm_realloc(v.other, v.block, 64, GFP_KERNEL));
	mistake_end(test, &m, OBM_BAD_HEAP, "realloc in place");
	obm_free(v.block);
}

static void sized_free_refuses(struct kunit *test)
{
	struct victims v = victims_new(test);
	struct mistake m;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		mistake_begin(&m, v.heap);
		obm_free_sized(v.heap, victim(&v, kinds[i]), 64);
		mistake_end(test, &m, kinds[i], "sized free");
	}
	obm_free_sized(v.heap, v.block, 64);
}

/* No heap is named: that of the pointer counts, if it has one. */
static void usable_size_refuses(struct kunit *test)
{
	struct victims v = victims_new(test);
	struct mistake m;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		mistake_begin(&m, kinds[i] == OBM_BAD_FOREIGN ? NULL : v.heap);
		KUNIT_EXPECT_EQ(test, obm_usable_size(victim(&v, kinds[i])),
				0UL);
		mistake_end(test, &m, kinds[i], "usable size");
	}
	obm_free(v.block);
}

static void wrong_heap_is_refused(struct kunit *test)
{
	struct victims v = victims_new(test);
	void *raw = obm_must_alloc(test, v.heap, 2 * PAGE_SIZE);
	struct obm_stats before = obm_get(test, v.heap), after;
	struct mistake m;

	mistake_begin(&m, v.other);
	obm_free_sized(v.other, v.block, 64);
	mistake_end(test, &m, OBM_BAD_HEAP, "small");
	mistake_begin(&m, v.other);
	obm_free_sized(v.other, raw, 2 * PAGE_SIZE);
	mistake_end(test, &m, OBM_BAD_HEAP, "raw");
	/* The block's heap knows nothing of it. */
	after = obm_get(test, v.heap);
	KUNIT_EXPECT_EQ(test, memcmp(&before, &after, sizeof(after)), 0);
	obm_free_sized(v.heap, raw, 2 * PAGE_SIZE);
	obm_free_sized(v.heap, v.block, 64);
}

static void wrong_size_is_refused(struct kunit *test)
{
	struct victims v = victims_new(test);
	void *raw = obm_must_alloc(test, v.heap, 3 * PAGE_SIZE);
	static const size_t of_small[] = { 0, 56, 65, 513, 4096, SIZE_MAX - 1 };
	static const size_t of_raw[] = { 0, 8, 512, 2 * 4096, 3 * 4096 + 1 };
	struct mistake m;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(of_small); i++) {
		mistake_begin(&m, v.heap);
		obm_free_sized(v.heap, v.block, of_small[i]);
		mistake_end(test, &m, OBM_BAD_SIZE, "small");
	}
	for (i = 0; i < ARRAY_SIZE(of_raw); i++) {
		mistake_begin(&m, v.heap);
		obm_free_sized(v.heap, raw, of_raw[i]);
		mistake_end(test, &m, OBM_BAD_SIZE, "raw");
	}
	obm_free_sized(v.heap, v.block, 57);
	obm_free_sized(v.heap, raw, 2 * PAGE_SIZE + 1);
}

/* All that a sized free may say: what was asked for, up to the usable size. */
static void right_sizes_are_taken(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	struct obm_stats s;
	size_t size;
	void *ptr;

	for (size = 0; size <= 8193; size++) {
		ptr = obm_must_alloc(test, heap, size);
		obm_free_sized(heap, ptr, size);
		ptr = obm_must_alloc(test, heap, size);
		obm_free_sized(heap, ptr, obm_usable_size(ptr));
	}
	s = obm_get(test, heap);
	KUNIT_EXPECT_EQ(test, s.nr_blocks + s.nr_raw, 0);
	KUNIT_EXPECT_EQ(test, s.nr_bad[OBM_BAD_SIZE], 0);
}

static void nofail_above_a_page_is_refused(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	void *ptr = obm_must_alloc(test, heap, 64);
	gfp_t gfp = GFP_KERNEL | __GFP_NOFAIL;
	struct mistake m;

	mistake_begin(&m, heap);
	KUNIT_EXPECT_NULL(test, obm_alloc(heap, PAGE_SIZE + 1, gfp));
	mistake_end(test, &m, OBM_BAD_NOFAIL, "alloc");
	mistake_begin(&m, heap);
	KUNIT_EXPECT_NULL(test, obm_calloc(heap, 2, PAGE_SIZE, gfp));
	mistake_end(test, &m, OBM_BAD_NOFAIL, "calloc");
	mistake_begin(&m, heap);
	KUNIT_EXPECT_NULL(test, obm_realloc(heap, ptr, OBM_MAX_BYTES, gfp));
	mistake_end(test, &m, OBM_BAD_NOFAIL, "realloc");
	obm_free(ptr);
	ptr = obm_alloc(heap, PAGE_SIZE, gfp);
	KUNIT_EXPECT_NOT_NULL(test, ptr);
	obm_free(ptr);
}

static void destroying_no_heap_is_refused(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	void *block = obm_must_alloc(test, heap, 64);
	void *raw = obm_must_alloc(test, heap, PAGE_SIZE);
	void *foreign = kunit_kzalloc(test, 4096, GFP_KERNEL);
	struct mistake m;

	KUNIT_EXPECT_EQ(test, obm_heap_destroy(NULL), 0UL);
	KUNIT_EXPECT_EQ(test, obm_test_destroy(test, heap), 2UL);
	mistake_begin(&m, NULL);
	KUNIT_EXPECT_EQ(test, obm_heap_destroy(heap), 0UL);
	mistake_end(test, &m, OBM_BAD_HEAP, "doubled");
	rcu_barrier();
	mistake_begin(&m, NULL);
	KUNIT_EXPECT_EQ(test, obm_heap_destroy(heap), 0UL);
	mistake_end(test, &m, OBM_BAD_HEAP, "doubled, after a while");
	mistake_begin(&m, NULL);
	KUNIT_EXPECT_EQ(test, obm_heap_destroy(foreign), 0UL);
	mistake_end(test, &m, OBM_BAD_HEAP, "memory of somebody else");

	/* What the heap had is nobody's now. */
	mistake_begin(&m, NULL);
	obm_free(block);
	mistake_end(test, &m, OBM_BAD_FOREIGN, "a block of it");
	mistake_begin(&m, NULL);
	obm_free(raw);
	mistake_end(test, &m, OBM_BAD_FOREIGN, "a raw block of it");
}

/* Those who only ask make no mistake. */
static void asking_is_silent(struct kunit *test)
{
	struct victims v = victims_new(test);
	struct obm_stats before, after;
	unsigned int i;

	/* Something that would print is told by the counters first. */
	console_watch();
	obm_heap_stats(NULL, &before);
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		obm_owns(v.heap, victim(&v, kinds[i]));
		obm_owns(v.other, victim(&v, kinds[i]));
		obm_block_bounds(victim(&v, kinds[i]), NULL, NULL);
	}
	obm_heap_stats(NULL, &after);
	KUNIT_EXPECT_EQ(test, memcmp(&before, &after, sizeof(after)), 0);
	KUNIT_EXPECT_EQ(test, console.nr, 0U);
	obm_free(v.block);
}

/* A hostile loop does not fill the log, but every turn is counted. */
static void many_reports_are_limited(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	void *block = obm_must_alloc(test, heap, 64);
	unsigned int i;

	console_room(REPORT_BURST);
	console_watch();
	for (i = 0; i < 10 * REPORT_BURST; i++)
		obm_free(block + 8);
	KUNIT_EXPECT_EQ(test, console.nr_reports, REPORT_BURST);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_bad[OBM_BAD_INTERIOR],
			10 * REPORT_BURST);
	obm_expect_sound(test, heap);
	obm_free(block);
}

static struct kunit_case report_cases[] = {
	KUNIT_CASE_SLOW(realloc_refuses),
	KUNIT_CASE(sized_free_refuses),
	KUNIT_CASE(usable_size_refuses),
	KUNIT_CASE(wrong_heap_is_refused),
	KUNIT_CASE_SLOW(wrong_size_is_refused),
	KUNIT_CASE(right_sizes_are_taken),
	KUNIT_CASE(nofail_above_a_page_is_refused),
	KUNIT_CASE(destroying_no_heap_is_refused),
	KUNIT_CASE(asking_is_silent),
	KUNIT_CASE_SLOW(many_reports_are_limited),
	{ }
};

static struct kunit_suite report_suite = {
	.name = "obmalloc_report",
	.suite_init = console_init,
	.suite_exit = console_exit,
	.init = obm_test_init,
	.exit = obm_test_exit,
	.test_cases = report_cases,
};

kunit_test_suite(report_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of obmalloc's reports of callers' mistakes");
MODULE_LICENSE("GPL");
