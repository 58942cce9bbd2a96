// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shared values that are not to be had: at the limit of the heap, and with each
 * allocation failing in turn. And the end of a heap that has some.
 */
#include <linux/sizes.h>

#include "console.h"
#include "context.h"
#include "fail.h"
#include "intern.h"

#define LIMIT_STEP	1024

/* A heap in which there is ever more room, until there is enough. */
static void at_the_limit(struct kunit *test)
{
	struct obm_heap_attrs attrs = OBM_HEAP_ATTRS_INIT;
	unsigned int half = 0;
	struct obm_bytes *bytes = NULL;
	struct obm_int *n = NULL;
	struct obm_heap *heap;
	size_t limit;

	for (limit = LIMIT_STEP; limit < SZ_1M; limit += LIMIT_STEP) {
		attrs.limit_bytes = limit;
		heap = obm_heap_create(KBUILD_MODNAME, &attrs);
		if (IS_ERR(heap))
			continue;
		n = obm_intern_int(heap, 7, GFP_KERNEL | __GFP_NOWARN);
		bytes = obm_intern(heap, "x", 1, GFP_KERNEL | __GFP_NOWARN);
		KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_blocks,
				!!n + !!bytes);
		KUNIT_EXPECT_LE(test, obm_get(test, heap).peak_bytes, limit);
		half += !n || !bytes;
		if (bytes)
			obm_obj_put(&bytes->obj);
		obm_obj_flush(heap);
		KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_blocks, !!n);
		obm_expect_sound(test, heap);
		KUNIT_EXPECT_EQ(test, obm_heap_destroy(heap), 0UL);
		if (n && bytes)
			break;
	}
	KUNIT_EXPECT_NOT_NULL(test, n);
	KUNIT_EXPECT_NOT_NULL(test, bytes);
	KUNIT_EXPECT_GT(test, half, 4U);
}

/* As many as make the table grow in a hurry. */
#define NR_FAILING	40

/* How many of the values were not to be had. */
static unsigned int intern_failing(struct kunit *test, struct obm_heap *heap,
				   struct obm_int **n, unsigned int nth,
				   bool *done)
{
	unsigned int i, failed = 0;

	fail_nth(nth);
	for (i = 0; i < NR_FAILING; i++)
		n[i] = obm_intern_int(heap, 1000 + i, GFP_FAIL);
	*done = fail_done();
	for (i = 0; i < NR_FAILING; i++)
		failed += !n[i];
	/* Those that came to nothing may have waited for RCU. */
	obm_obj_flush(heap);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_blocks,
			NR_FAILING - failed);
	obm_expect_sound(test, heap);
	return failed;
}

static void each_allocation_fails_in_turn(struct kunit *test)
{
	unsigned int nth, i, failed = 0;
	struct obm_int *n[NR_FAILING], *again;
	struct obm_heap *heap;
	bool done = true;

	fail_needed(test);
	for (nth = 1; done && nth < 1000; nth++) {
		heap = object_heap(test);
		again = obm_intern_int(heap, 999, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, again);
		obm_obj_put(&again->obj);
		obm_obj_flush(heap);
		obm_heap_trim(heap);
		failed += intern_failing(test, heap, n, nth, &done);
		for (i = 0; i < NR_FAILING; i++) {
			again = obm_intern_int(heap, 1000 + i, GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, again);
			if (n[i])
				KUNIT_EXPECT_PTR_EQ(test, again, n[i]);
			KUNIT_EXPECT_EQ(test, again->value, 1000 + i);
			obm_obj_put(&again->obj);
			if (n[i])
				obm_obj_put(&n[i]->obj);
		}
		object_expect_idle(test, heap);
		KUNIT_EXPECT_EQ(test, obm_test_destroy(test, heap), 0UL);
	}
	/* The last turn was one in which nothing was left to fail. */
	KUNIT_EXPECT_FALSE(test, done);
	KUNIT_EXPECT_GE(test, nth, 5U);
	KUNIT_EXPECT_GT(test, failed, 0U);
}

/* --- The end --- */

/* Who is held is a leak, as any block is; who is immortal is none. */
static void alive_at_the_end(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct obm_bytes *bytes[3];
	unsigned int i;

	bytes[0] = text(heap, "one");
	bytes[1] = text(heap, "two");
	bytes[2] = text(heap, "three, in a block of another size: a line more");
	for (i = 0; i < ARRAY_SIZE(bytes); i++)
		KUNIT_ASSERT_NOT_NULL(test, bytes[i]);
	KUNIT_ASSERT_NOT_NULL(test, obm_intern_int(heap, 256, GFP_KERNEL));
	KUNIT_ASSERT_NOT_NULL(test, obm_intern_int(heap, 257, GFP_KERNEL));
	console_watch();
	KUNIT_EXPECT_EQ(test, obm_test_destroy(test, heap), 4UL);
	KUNIT_EXPECT_GE(test, console_find("leaked"), 0);
	KUNIT_EXPECT_EQ(test, console.nr_reports, 0U);
}

static void put_bytes(void *arg)
{
	struct obm_bytes *bytes = arg;

	obm_obj_put(&bytes->obj);
}

/* A last put in an interrupt, just before. */
static void dying_at_the_end(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct obm_bytes *bytes = text(heap, "old");

	KUNIT_ASSERT_NOT_NULL(test, bytes);
	console_watch();
	call_in_hardirq(test, put_bytes, bytes);
	KUNIT_EXPECT_EQ(test, obm_test_destroy(test, heap), 0UL);
	KUNIT_EXPECT_EQ(test, console.nr, 0U);
}

static struct kunit_case intern_fail_cases[] = {
	KUNIT_CASE(at_the_limit),
	KUNIT_CASE(each_allocation_fails_in_turn),
	KUNIT_CASE(alive_at_the_end),
	KUNIT_CASE(dying_at_the_end),
	{ }
};

static struct kunit_suite intern_fail_suite = {
	.name = "obmalloc_intern_fail",
	.suite_init = console_init,
	.suite_exit = console_exit,
	.init = object_test_init,
	.exit = object_test_exit,
	.test_cases = intern_fail_cases,
};

kunit_test_suite(intern_fail_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of obmalloc's shared values that fail");
MODULE_LICENSE("GPL");
