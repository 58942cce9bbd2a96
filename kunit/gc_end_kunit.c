// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of a heap with objects in it: what is garbage is released as by a
 * collection, what somebody still refers to is a leak, counted and named, and
 * goes without another call.
 */
#include "console.h"
#include "object.h"

static void expect_line(struct kunit *test, const char *text)
{
	KUNIT_EXPECT_GE_MSG(test, console_find(text), 0, "'%s': '%s'", text,
			    console.lines[0]);
}

static void garbage_is_released(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct obm_weakref *weak;
	struct item *item;

	ring_new(test, heap, &item_type, 1, 2);
	obm_gc_collect(heap, 0);
	events_take();
	/* Old and new, frozen, and with a weak reference in it. */
	item = item_new(test, heap, 3);
	item_link(test, item, next, item);
	obm_gc_collect(heap, 2);
	item_put(item);
	item = item_new(test, heap, 4);
	item_link(test, item, next, item);
	obm_gc_freeze(heap);
	weak = obm_weakref_new(&item->obj, NULL, NULL, GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, weak);
	KUNIT_EXPECT_EQ(test, __obm_ref_set(&item->obj, &item->other.ref,
					    &weak->obj), 0);
	obm_obj_put(&weak->obj);
	item_put(item);
	ring_new(test, heap, &item_type, 5, 1);
	console_watch();
	KUNIT_EXPECT_EQ(test, obm_test_destroy(test, heap), 0UL);
	KUNIT_EXPECT_EQ(test, console.nr, 0U);
	KUNIT_EXPECT_EQ(test, strlen(events_take()), 26UL);
}

static void leaks_are_named(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *a = item_new(test, heap, 1), *b = item_new(test, heap, 2);
	struct item *c = plain_new(test, heap, 3);

	item_link(test, a, next, b);
	item_link(test, b, next, a);
	item_put(a);
	obm_gc_collect(heap, 1);
	console_watch();
	KUNIT_EXPECT_EQ(test, obm_test_destroy(test, heap), 3UL);
	expect_line(test, "2 objects of cache item leaked");
	expect_line(test, "1 objects of cache plain leaked");
	KUNIT_EXPECT_EQ(test, console.nr_reports, 0U);
	/* Who has the reference might be looking. */
	EXPECT_EVENTS(test, "");
	KUNIT_EXPECT_NOT_NULL(test, c);
}

static void weak_references_are_leaks(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *item = item_new(test, heap, 1);
	struct obm_weakref *weak;

	weak = obm_weakref_new(&item->obj, NULL, NULL, GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, weak);
	item_put(item);
	EXPECT_EVENTS(test, "F1 C1 R1");
	console_watch();
	KUNIT_EXPECT_EQ(test, obm_test_destroy(test, heap), 1UL);
	expect_line(test, "1 objects of cache ");
	expect_line(test, "weakref");
}

static void immortals_are_none(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *item = item_new(test, heap, 1);

	obm_obj_make_immortal(&item->obj);
	item_put(item);
	EXPECT_EVENTS(test, "");
	console_watch();
	KUNIT_EXPECT_EQ(test, obm_test_destroy(test, heap), 0UL);
	KUNIT_EXPECT_EQ(test, console.nr, 0U);
}

/* Of what was left for the worker everything is done. */
static struct obm_type sleepy_type = {
	.name = "sleepy",
	.size = sizeof(struct item),
	.flags = OBM_TYPE_MAY_SLEEP,
	OBM_LINKS(struct item, next, 2),
	.release = item_release,
};

static struct obm_type rcu_type = {
	.name = "late",
	.size = sizeof(struct item),
	.flags = OBM_TYPE_RCU,
	OBM_LINKS(struct item, next, 2),
	.release = item_release,
};

static void what_waits_is_waited_for(struct kunit *test)
{
	struct obm_heap *heap;
	unsigned int i;

	for (i = 0; i < 10; i++) {
		heap = object_heap(test);
		item_put(item_new_of(test, heap, &sleepy_type, 1));
		item_put(item_new_of(test, heap, &rcu_type, 2));
		ring_new(test, heap, &rcu_type, 3, 1);
		console_watch();
		KUNIT_EXPECT_EQ(test, obm_test_destroy(test, heap), 0UL);
		KUNIT_EXPECT_EQ(test, console.nr, 0U);
		KUNIT_EXPECT_EQ(test, strlen(events_take()), 8UL);
	}
}

static void resurrect(struct item *item)
{
	obm_obj_get(&item->obj);
}

/* Whoever is rescued now is a leak. */
static void rescued_too_late(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *item = item_new(test, heap, 1);

	item->finalize = resurrect;
	item_link(test, item, next, item);
	item_put(item);
	console_watch();
	KUNIT_EXPECT_EQ(test, obm_test_destroy(test, heap), 1UL);
	expect_line(test, "1 objects of cache item leaked");
	EXPECT_EVENTS(test, "F1");
}

/* The thresholds are passed while the heap goes. */
static void with_the_worker_at_it(struct kunit *test)
{
	struct obm_heap *heap;
	unsigned int i, j;

	for (i = 0; i < 10; i++) {
		heap = object_heap(test);
		obm_gc_enable(heap);
		for (j = 0; j < 600; j++)
			ring_new(test, heap, &plain_type, j, 2);
		KUNIT_EXPECT_EQ(test, obm_test_destroy(test, heap), 0UL);
		events_take();
	}
}

static struct kunit_case end_cases[] = {
	KUNIT_CASE(garbage_is_released),
	KUNIT_CASE(leaks_are_named),
	KUNIT_CASE(weak_references_are_leaks),
	KUNIT_CASE(immortals_are_none),
	KUNIT_CASE(what_waits_is_waited_for),
	KUNIT_CASE(rescued_too_late),
	KUNIT_CASE(with_the_worker_at_it),
	{ }
};

static struct kunit_suite end_suite = {
	.name = "obmalloc_gc_end",
	.suite_init = console_init,
	.suite_exit = console_exit,
	.init = object_test_init,
	.exit = object_test_exit,
	.test_cases = end_cases,
};

kunit_test_suite(end_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of the end of heaps with obmalloc's objects");
MODULE_LICENSE("GPL");
