// SPDX-License-Identifier: GPL-2.0-only
/*
 * Types of objects: which may be, when they may go, and that a type can have
 * objects in several heaps.
 */
#include "console.h"
#include "context.h"
#include "object.h"

struct thing_ref {
	OBM_REF(struct thing);
};

struct thing {
	struct obm_obj obj;
	struct thing_ref links[3];
	u64 value;
};

static const struct obm_type good = {
	.name = "thing",
	.size = sizeof(struct thing),
	OBM_LINKS(struct thing, links, 3),
};

/* Tries one that differs from a good one, and takes it back if it could be. */
static int try(struct obm_type *type)
{
	int err = obm_type_register(type);

	if (!err)
		obm_type_unregister(type);
	return err;
}

static void names(struct kunit *test)
{
	static char long_name[OBM_NAME_LEN + 1];
	static const char *const bad[] = {
		"", "a/b", "a b", ".hidden", "#x", "12", "raw", "a\n",
	};
	struct obm_type type;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		type = good;
		type.name = bad[i];
		KUNIT_EXPECT_EQ_MSG(test, try(&type), -EINVAL, "'%s'", bad[i]);
	}
	type = good;
	type.name = NULL;
	KUNIT_EXPECT_EQ(test, try(&type), -EINVAL);
	memset(long_name, 'x', OBM_NAME_LEN);
	type = good;
	type.name = long_name;
	KUNIT_EXPECT_EQ(test, try(&type), -ENAMETOOLONG);
	long_name[OBM_NAME_LEN - 1] = '\0';
	type = good;
	type.name = long_name;
	KUNIT_EXPECT_EQ(test, try(&type), 0);
}

#define expect_invalid(test, field, value)				\
do {									\
	struct obm_type ___type = good;					\
									\
	___type.field = value;						\
	KUNIT_EXPECT_EQ(test, try(&___type), -EINVAL);			\
} while (0)

static void clear_fn(struct obm_obj *obj)
{
}

static void ctor_fn(void *obj)
{
}

static void sizes_and_flags(struct kunit *test)
{
	struct obm_type type = good;

	KUNIT_EXPECT_EQ(test, try(&type), 0);
	expect_invalid(test, size, 0);
	expect_invalid(test, size, sizeof(struct obm_obj) - 1);
	expect_invalid(test, size, OBM_CACHE_MAX + 1);
	expect_invalid(test, size, SIZE_MAX);
	expect_invalid(test, flags, OBM_TYPE_FLAGS + 1);
	expect_invalid(test, flags, BIT(31));
	/* Links that do not lie behind the head of the object, and in it. */
	expect_invalid(test, links_offset, 0);
	expect_invalid(test, links_offset, sizeof(struct obm_obj) - 8);
	expect_invalid(test, links_offset, sizeof(struct obm_obj) + 1);
	expect_invalid(test, links_offset, sizeof(struct thing) - 16);
	expect_invalid(test, links_offset, SIZE_MAX - 7);
	expect_invalid(test, nr_links, 5);
	expect_invalid(test, nr_links, UINT_MAX);
	/* What never changes has none, and what has none cannot clear any. */
	expect_invalid(test, flags, OBM_TYPE_IMMUTABLE);
	type.nr_links = 0;
	type.flags = OBM_TYPE_IMMUTABLE;
	KUNIT_EXPECT_EQ(test, try(&type), 0);
	type.flags = 0;
	type.clear = clear_fn;
	KUNIT_EXPECT_EQ(test, try(&type), -EINVAL);
	/* A constructor is a cache's, and those of all sizes have none. */
	type = good;
	type.flags = OBM_TYPE_VAR_SIZE;
	KUNIT_EXPECT_EQ(test, try(&type), 0);
	type.ctor = ctor_fn;
	KUNIT_EXPECT_EQ(test, try(&type), -EINVAL);
}

/* Of two with one name a heap can have one. */
static void registered_twice(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test), *other = object_heap(test);
	struct obm_type type = good, same = good, copy;

	KUNIT_ASSERT_EQ(test, obm_type_register(&type), 0);
	KUNIT_EXPECT_EQ(test, obm_type_register(&type), -EEXIST);
	/* It is by its address that a type is known. */
	copy = type;
	KUNIT_EXPECT_EQ(test, obm_type_unregister(&copy), -ENOENT);
	KUNIT_EXPECT_EQ(test, obm_type_register(&same), 0);
	KUNIT_EXPECT_EQ(test, obm_type_prepare(heap, &type), 0);
	KUNIT_EXPECT_EQ(test, obm_type_prepare(heap, &same), -ENOMEM);
	KUNIT_EXPECT_NULL(test, obm_obj_new(heap, &same, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, obm_type_prepare(other, &same), 0);
	KUNIT_EXPECT_EQ(test, obm_type_unregister(&type), 0);
	KUNIT_EXPECT_EQ(test, obm_type_prepare(heap, &same), 0);
	KUNIT_EXPECT_EQ(test, obm_type_unregister(&type), -ENOENT);
	KUNIT_EXPECT_EQ(test, obm_type_unregister(&same), 0);
	KUNIT_EXPECT_EQ(test, obm_type_unregister(NULL), -ENOENT);
}

/* What is not registered is refused, and that is a mistake. */
static void unregistered(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct obm_type type = good;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		console_room(1);
		console_watch();
		KUNIT_EXPECT_NULL(test, obm_obj_new(heap, &type, GFP_KERNEL));
		KUNIT_EXPECT_EQ(test, console.nr_reports, 1U);
		KUNIT_EXPECT_EQ(test, console_find("BUG: OBM: misbehaving type"),
				0);
		KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_bad[OBM_BAD_TYPE],
				i + 1);
		KUNIT_EXPECT_EQ(test, try(&type), 0);
	}
}

#define NR_TYPES	256

static void as_many_as_there_are(struct kunit *test)
{
	struct obm_type *types = kunit_kcalloc(test, NR_TYPES + 1,
					       sizeof(*types), GFP_KERNEL);
	char (*type_names)[8] = kunit_kcalloc(test, NR_TYPES + 1,
					      sizeof(*type_names), GFP_KERNEL);
	unsigned int round, nr;
	int err;

	KUNIT_ASSERT_NOT_NULL(test, types);
	KUNIT_ASSERT_NOT_NULL(test, type_names);
	for (round = 0; round < 2; round++) {
		for (nr = 0, err = 0; nr <= NR_TYPES; nr++) {
			snprintf(type_names[nr], sizeof(type_names[nr]), "t.%u",
				 nr);
			types[nr] = good;
			types[nr].name = type_names[nr];
			err = obm_type_register(&types[nr]);
			if (err)
				break;
		}
		KUNIT_EXPECT_EQ(test, err, -ENOSPC);
		/* Some are obmalloc's own. */
		KUNIT_EXPECT_GT(test, nr, NR_TYPES - 8U);
		while (nr--)
			KUNIT_EXPECT_EQ(test, obm_type_unregister(&types[nr]),
					0);
	}
}

static struct thing *thing_new(struct kunit *test, struct obm_heap *heap,
			       struct obm_type *type)
{
	struct thing *thing = obm_obj_new(heap, type, GFP_KERNEL);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, thing);
	return thing;
}

/* While it has an object it stays, and can be used. */
static void busy(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test), *other = object_heap(test);
	struct obm_type type = good;
	struct thing *a, *b;

	KUNIT_ASSERT_EQ(test, obm_type_register(&type), 0);
	a = thing_new(test, heap, &type);
	b = thing_new(test, other, &type);
	KUNIT_EXPECT_EQ(test, obm_type_unregister(&type), -EBUSY);
	obm_obj_put(&a->obj);
	KUNIT_EXPECT_EQ(test, obm_type_unregister(&type), -EBUSY);
	a = thing_new(test, heap, &type);
	KUNIT_EXPECT_NULL(test, obm_ref_peek(&a->links[2]));
	obm_obj_put(&b->obj);
	KUNIT_EXPECT_EQ(test, obm_type_unregister(&type), -EBUSY);
	obm_obj_put(&a->obj);
	/* Dead ones that wait to be used again do not keep it. */
	KUNIT_EXPECT_EQ(test, obm_type_unregister(&type), 0);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_pools, 0);
	KUNIT_EXPECT_EQ(test, obm_get(test, other).nr_pools, 0);
	object_expect_idle(test, heap);
}

/* Garbage is alive until it is collected. */
static void busy_with_garbage(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct obm_type type = good;
	struct thing *a;

	KUNIT_ASSERT_EQ(test, obm_type_register(&type), 0);
	a = thing_new(test, heap, &type);
	KUNIT_EXPECT_EQ(test, obm_ref_set(&a->obj, &a->links[1], a), 0);
	obm_obj_put(&a->obj);
	KUNIT_EXPECT_EQ(test, obm_type_unregister(&type), -EBUSY);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 0), 1L);
	KUNIT_EXPECT_EQ(test, obm_type_unregister(&type), 0);
	object_expect_idle(test, heap);
}

/* A heap that is gone has no objects, and none of its kinds is left. */
static void heap_goes_first(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct obm_type type = good;
	unsigned int round;

	for (round = 0; round < 3; round++) {
		KUNIT_ASSERT_EQ(test, obm_type_register(&type), 0);
		thing_new(test, heap, &type);
		KUNIT_EXPECT_EQ(test, obm_test_destroy(test, heap), 1UL);
		heap = object_heap(test);
		if (round == 1)
			obm_obj_put(&thing_new(test, heap, &type)->obj);
		KUNIT_EXPECT_EQ(test, obm_type_unregister(&type), 0);
	}
	object_expect_idle(test, heap);
}

static void two_heaps(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test), *other = object_heap(test);
	struct item *a, *b;
	unsigned int i;

	for (i = 0; i < 100; i++) {
		a = item_new(test, heap, 1);
		b = item_new(test, other, 2);
		KUNIT_EXPECT_PTR_EQ(test, obm_obj_heap(&a->obj), heap);
		KUNIT_EXPECT_PTR_EQ(test, obm_obj_heap(&b->obj), other);
		KUNIT_EXPECT_PTR_EQ(test, obm_obj_type(&a->obj),
				    obm_obj_type(&b->obj));
		KUNIT_EXPECT_TRUE(test, obm_owns(heap, a));
		KUNIT_EXPECT_TRUE(test, obm_owns(other, b));
		item_link(test, a, next, a);
		item_link(test, b, next, b);
		item_put(a);
		item_put(b);
	}
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 100L);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_blocks, 0);
	KUNIT_EXPECT_EQ(test, obm_get(test, other).nr_blocks, 100);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(other, 2), 100L);
	events_take();
	object_expect_idle(test, heap);
	object_expect_idle(test, other);
}

/**
 * struct first - a first object of a type in a heap
 * @heap: the heap
 * @item: the object
 */
struct first {
	struct obm_heap *heap;
	struct item *item;
};

static void new_fn(void *arg)
{
	struct first *first = arg;

	first->item = obm_obj_new(first->heap, &plain_type, GFP_ATOMIC);
}

static void first_use_in_hardirq(struct kunit *test)
{
	struct first first = { .heap = object_heap(test) };

	object_type(test, &plain_type);
	/* What has to be made first cannot be made there. */
	call_in_hardirq(test, new_fn, &first);
	KUNIT_EXPECT_NULL(test, first.item);
	preempt_disable();
	new_fn(&first);
	preempt_enable();
	KUNIT_EXPECT_NULL(test, first.item);
	KUNIT_EXPECT_EQ(test, obm_type_prepare(first.heap, &plain_type), 0);
	KUNIT_EXPECT_EQ(test, obm_type_prepare(first.heap, &plain_type), 0);
	call_in_hardirq(test, new_fn, &first);
	KUNIT_ASSERT_NOT_NULL(test, first.item);
	first.item->released = NULL;
	item_put(first.item);
	events_take();
	object_expect_idle(test, first.heap);
}

static struct kunit_case type_cases[] = {
	KUNIT_CASE(names),
	KUNIT_CASE(sizes_and_flags),
	KUNIT_CASE(registered_twice),
	KUNIT_CASE_SLOW(unregistered),
	KUNIT_CASE(as_many_as_there_are),
	KUNIT_CASE(busy),
	KUNIT_CASE(busy_with_garbage),
	KUNIT_CASE(heap_goes_first),
	KUNIT_CASE(two_heaps),
	KUNIT_CASE(first_use_in_hardirq),
	{ }
};

static struct kunit_suite type_suite = {
	.name = "obmalloc_type",
	.suite_init = console_init,
	.suite_exit = console_exit,
	.init = object_test_init,
	.exit = object_test_exit,
	.test_cases = type_cases,
};

kunit_test_suite(type_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of types of obmalloc's objects");
MODULE_LICENSE("GPL");
