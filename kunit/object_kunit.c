// SPDX-License-Identifier: GPL-2.0-only
/* The life of an object that counting ends, and what is refused on the way. */
#include "console.h"
#include "context.h"
#include "object.h"

#define EXPECT_BAD(test, heap, bad, nr)					\
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_bad[bad], (u64)(nr))

static void from_new_to_release(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *item = item_new(test, heap, 1);

	KUNIT_EXPECT_EQ(test, item_refs(item), 1U);
	KUNIT_EXPECT_PTR_EQ(test, obm_obj_type(&item->obj), &item_type);
	KUNIT_EXPECT_PTR_EQ(test, obm_obj_heap(&item->obj), heap);
	KUNIT_EXPECT_NULL(test, obm_ref_peek(&item->next));
	KUNIT_EXPECT_NULL(test, obm_ref_peek(&item->other));
	KUNIT_EXPECT_FALSE(test, obm_gc_is_finalized(&item->obj));
	obm_obj_get(&item->obj);
	KUNIT_EXPECT_EQ(test, item_refs(item), 2U);
	item_put(item);
	EXPECT_EVENTS(test, "");
	item_put(item);
	EXPECT_EVENTS(test, "F1 C1 R1");
	object_expect_idle(test, heap);
}

/* An id is of one object as long as it lives, and no address. */
static void ids(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *a = plain_new(test, heap, 1), *b = plain_new(test, heap, 2);
	u64 id = obm_obj_id(&a->obj);

	KUNIT_EXPECT_EQ(test, obm_obj_id(&a->obj), id);
	KUNIT_EXPECT_NE(test, obm_obj_id(&b->obj), id);
	KUNIT_EXPECT_NE(test, id, (u64)(unsigned long)a);
	item_put(a);
	item_put(b);
	events_take();
}

static void put_it(void *item)
{
	item_put(item);
}

static void last_put_in_interrupts(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *item = item_new(test, heap, 1);

	item_give(test, item, next, item_new(test, heap, 2));
	call_in_hardirq(test, put_it, item);
	EXPECT_EVENTS(test, "F1 C1 F2 C2 R2 R1");
	item = item_new(test, heap, 3);
	item_give(test, item, other, item_new(test, heap, 4));
	call_in_softirq(test, put_it, item);
	EXPECT_EVENTS(test, "F3 C3 F4 C4 R4 R3");
	object_expect_idle(test, heap);
}

struct made {
	struct obm_heap *heap;
	struct item *item;
};

static void make_it(void *arg)
{
	struct made *made = arg;

	made->item = obm_obj_new(made->heap, &plain_type, GFP_ATOMIC);
}

/* One that an interrupt made is collected like others. */
static void made_in_an_interrupt(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct made made = { .heap = heap };

	object_type(test, &plain_type);
	KUNIT_ASSERT_EQ(test, obm_type_prepare(heap, &plain_type), 0);
	call_in_hardirq(test, make_it, &made);
	KUNIT_ASSERT_NOT_NULL(test, made.item);
	made.item->id = 7;
	made.item->released = NULL;
	item_link(test, made.item, next, made.item);
	expect_generation(test, made.item, 0);
	item_put(made.item);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 0), 1L);
	EXPECT_EVENTS(test, "R7");
	call_in_hardirq(test, make_it, &made);
	KUNIT_ASSERT_NOT_NULL(test, made.item);
	made.item->id = 8;
	made.item->released = NULL;
	item_put(made.item);
	EXPECT_EVENTS(test, "R8");
	object_expect_idle(test, heap);
}

static void sleep_a_little(struct item *item)
{
	might_sleep();
	msleep(20);
}

static struct obm_type sleeper_type = {
	.name = "sleeper",
	.size = sizeof(struct item),
	.flags = OBM_TYPE_MAY_SLEEP,
	OBM_LINKS(struct item, next, 2),
	.finalize = item_finalize,
	.release = item_release,
};

/* Wherever the last put is, callbacks that may sleep do so in the worker. */
static void callbacks_that_sleep(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *item = item_new_of(test, heap, &sleeper_type, 1);

	item->released = sleep_a_little;
	item_give(test, item, next, item_new(test, heap, 2));
	item_put(item);
	obm_obj_flush(heap);
	EXPECT_EVENTS(test, "F1 F2 C2 R2 R1");
	item = item_new_of(test, heap, &sleeper_type, 3);
	item->finalize = sleep_a_little;
	call_in_hardirq(test, put_it, item);
	obm_obj_flush(heap);
	EXPECT_EVENTS(test, "F3 R3");
	object_expect_idle(test, heap);
}

/* It stays, and is said so once. */
static void saturation(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *item = plain_new(test, heap, 1);
	unsigned int i;

	/* As many references as can be. */
	atomic64_add(OBM_COUNT_MAX - 2, &item->obj.word);
	KUNIT_EXPECT_EQ(test, item_refs(item), (unsigned int)OBM_COUNT_MAX - 1);
	console_room(1);
	console_watch();
	obm_obj_get(&item->obj);
	KUNIT_EXPECT_EQ(test, console.nr_reports, 1U);
	KUNIT_EXPECT_GE(test, console_find("bad reference plain: too many"), 0);
	KUNIT_EXPECT_GT(test, item_refs(item), (unsigned int)OBM_COUNT_MAX);
	for (i = 0; i < 1000; i++)
		item_put(item);
	KUNIT_EXPECT_GT(test, item_refs(item), (unsigned int)OBM_COUNT_MAX);
	obm_obj_get(&item->obj);
	KUNIT_EXPECT_EQ(test, console.nr_reports, 1U);
	EXPECT_BAD(test, heap, OBM_BAD_REF, 1);
	EXPECT_EVENTS(test, "");
	/* The test knows what nobody else does. */
	atomic64_set(&item->obj.word, 1);
	item_put(item);
	EXPECT_EVENTS(test, "R1");
	object_expect_idle(test, heap);
}

static struct item *used;

static void get_and_put_dead(struct item *item)
{
	obm_obj_get(&item->obj);
	used = item;
}

/* From the last put on a reference is refused: here, while it is released. */
static void dead_ones_are_refused(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *item = plain_new(test, heap, 1);

	used = NULL;
	item->released = get_and_put_dead;
	console_room(1);
	console_watch();
	item_put(item);
	KUNIT_EXPECT_PTR_EQ(test, used, item);
	KUNIT_EXPECT_EQ(test, console.nr_reports, 1U);
	KUNIT_EXPECT_GE(test, console_find("that is dead"), 0);
	EXPECT_BAD(test, heap, OBM_BAD_REF, 1);
	events_take();
	object_expect_idle(test, heap);
}

static void get_unless_zero(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *item = plain_new(test, heap, 1);

	KUNIT_EXPECT_TRUE(test, obm_obj_get_unless_zero(&item->obj));
	KUNIT_EXPECT_EQ(test, item_refs(item), 2U);
	item_put(item);
	item_put(item);
	events_take();
}

static struct obm_type odd_types[] = {
	{ .name = NULL, .size = 64 },
	{ .name = "", .size = 64 },
	{ .name = "a/b", .size = 64 },
	{ .name = "raw", .size = 64 },
	{ .name = "64", .size = 64 },
	{ .name = "small", .size = sizeof(struct obm_obj) - 1 },
	{ .name = "large", .size = OBM_CACHE_MAX + 1 },
	{ .name = "flags", .size = 64, .flags = BIT(31) },
	{ .name = "links", .size = 64, .nr_links = 3,
	  .links_offset = sizeof(struct obm_obj) },
	{ .name = "head", .size = 64, .nr_links = 1, .links_offset = 8 },
	{ .name = "odd", .size = 72, .nr_links = 1,
	  .links_offset = sizeof(struct obm_obj) + 1 },
	{ .name = "leaf", .size = 64, .clear = item_clear },
	{ .name = "fixed", .size = 64, .flags = OBM_TYPE_IMMUTABLE,
	  .nr_links = 1, .links_offset = sizeof(struct obm_obj) },
};

static void types(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test), *far = object_heap(test);
	struct item *item;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(odd_types); i++)
		KUNIT_EXPECT_EQ_MSG(test, obm_type_register(&odd_types[i]),
				    -EINVAL, "type %u", i);
	KUNIT_EXPECT_EQ(test, obm_type_unregister(&plain_type), -ENOENT);
	item = plain_new(test, heap, 1);
	KUNIT_EXPECT_EQ(test, obm_type_register(&plain_type), -EEXIST);
	KUNIT_EXPECT_EQ(test, obm_type_unregister(&plain_type), -EBUSY);
	item_put(item);
	/* One in another heap keeps it, too. */
	item = plain_new(test, far, 2);
	KUNIT_EXPECT_EQ(test, obm_type_unregister(&plain_type), -EBUSY);
	item_put(item);
	KUNIT_EXPECT_EQ(test, obm_type_unregister(&plain_type), 0);
	KUNIT_EXPECT_EQ(test, obm_type_register(&plain_type), 0);
	item = plain_new(test, heap, 3);
	item_put(item);
	EXPECT_EVENTS(test, "R1 R2 R3");
}

static void unregistered(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	static struct obm_type unknown = {
		.name = "unknown",
		.size = sizeof(struct item),
	};

	console_room(1);
	console_watch();
	KUNIT_EXPECT_NULL(test, obm_obj_new(heap, &unknown, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, console.nr_reports, 1U);
	EXPECT_BAD(test, heap, OBM_BAD_TYPE, 1);
}

/* The first object may have to sleep; after obm_type_prepare() none does. */
static void first_in_atomic_context(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *item;

	object_type(test, &plain_type);
	KUNIT_EXPECT_NULL(test, obm_obj_new(heap, &plain_type, GFP_ATOMIC));
	KUNIT_EXPECT_EQ(test, obm_type_prepare(heap, &plain_type), 0);
	item = obm_obj_new(heap, &plain_type, GFP_ATOMIC);
	KUNIT_ASSERT_NOT_NULL(test, item);
	item->id = 1;
	item->released = NULL;
	item_put(item);
	EXPECT_EVENTS(test, "R1");
}

static unsigned int nr_constructed;

static void construct(void *obj)
{
	struct item *item = obj;

	nr_constructed++;
	memset(&item->next, 0, sizeof(*item) - offsetof(struct item, next));
	item->id = 55;
}

static struct obm_type built_type = {
	.name = "built",
	.size = sizeof(struct item),
	OBM_LINKS(struct item, next, 2),
	.ctor = construct,
};

/* Dead objects wait, constructed, for the next one. */
static void constructed_once(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	unsigned int i, first = 0;
	struct item *item;

	nr_constructed = 0;
	for (i = 0; i < 1000; i++) {
		item = object_new(test, heap, &built_type);
		KUNIT_EXPECT_EQ(test, item->id, 55U);
		if (!i)
			first = nr_constructed;
		item_put(item);
	}
	KUNIT_EXPECT_GE(test, first, 1U);
	KUNIT_EXPECT_LE(test, nr_constructed, 500U);
	/* A full collection drops them. */
	obm_gc_collect(heap, 2);
	first = nr_constructed;
	item = object_new(test, heap, &built_type);
	KUNIT_EXPECT_GT(test, nr_constructed, first);
	item_put(item);
	item = obm_obj_new(heap, &built_type, GFP_KERNEL | __GFP_ZERO);
	KUNIT_ASSERT_NOT_NULL(test, item);
	KUNIT_EXPECT_EQ(test, item->id, 0U);
	item->id = 55;
	item_put(item);
	object_expect_idle(test, heap);
}

static struct kunit_case object_cases[] = {
	KUNIT_CASE(from_new_to_release),
	KUNIT_CASE(ids),
	KUNIT_CASE(last_put_in_interrupts),
	KUNIT_CASE(made_in_an_interrupt),
	KUNIT_CASE(callbacks_that_sleep),
	KUNIT_CASE_SLOW(saturation),
	KUNIT_CASE(dead_ones_are_refused),
	KUNIT_CASE(get_unless_zero),
	KUNIT_CASE(types),
	KUNIT_CASE(unregistered),
	KUNIT_CASE(first_in_atomic_context),
	KUNIT_CASE(constructed_once),
	{ }
};

static struct kunit_suite object_suite = {
	.name = "obmalloc_object",
	.suite_init = console_init,
	.suite_exit = console_exit,
	.init = object_test_init,
	.exit = object_test_exit,
	.test_cases = object_cases,
};

kunit_test_suite(object_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of the life of obmalloc's objects");
MODULE_LICENSE("GPL");
