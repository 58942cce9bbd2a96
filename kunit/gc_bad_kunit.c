// SPDX-License-Identifier: GPL-2.0-only
/*
 * Types that misbehave: what is wrong with them is said once, their objects stay
 * alive with all that they refer to, and nothing else suffers.
 */
#include "console.h"
#include "object.h"

#define NR_SLOTS	4

struct liar_ref {
	OBM_REF(struct liar);
};

/* What its traverse does is in the object. */
struct liar {
	struct obm_obj obj;
	struct liar_ref slots[NR_SLOTS];
	unsigned int visits;
	unsigned int again;
	struct obm_ref *stranger;
};

static int liar_traverse(struct obm_obj *obj, obm_visit_t visit, void *arg)
{
	struct liar *liar = container_of(obj, struct liar, obj);
	unsigned int i;
	int err = 0;

	for (i = 0; i < liar->visits && !err; i++)
		err = visit(&liar->slots[i].ref, arg);
	for (i = 0; i < liar->again && !err; i++)
		err = visit(&liar->slots[i].ref, arg);
	if (liar->stranger && !err)
		err = visit(liar->stranger, arg);
	return err;
}

static unsigned int nr_released;

static void liar_release(struct obm_obj *obj)
{
	nr_released++;
}

/* Each case has one of its own: who has lied once is not trusted again. */
static void liar_type_init(struct obm_type *type, const char *name)
{
	*type = (struct obm_type) {
		.name = name,
		.size = sizeof(struct liar),
		.traverse = liar_traverse,
		.release = liar_release,
	};
	nr_released = 0;
}

static struct liar *liar_new(struct kunit *test, struct obm_heap *heap,
			     struct obm_type *type)
{
	struct liar *liar = object_new(test, heap, type);

	liar->visits = NR_SLOTS;
	return liar;
}

/* Two of them in a cycle, with something that hangs on the last link. */
static struct liar *pair_new(struct kunit *test, struct obm_heap *heap,
			     struct obm_type *type)
{
	struct liar *a = liar_new(test, heap, type);
	struct liar *b = liar_new(test, heap, type);

	KUNIT_EXPECT_EQ(test, obm_ref_set(&a->obj, &a->slots[0], b), 0);
	KUNIT_EXPECT_EQ(test, obm_ref_set(&b->obj, &b->slots[0], a), 0);
	KUNIT_EXPECT_EQ(test, obm_ref_set(&a->obj, &a->slots[NR_SLOTS - 1],
					  a), 0);
	obm_obj_put(&b->obj);
	return a;
}

/* A collection that says what is wrong with the type, and frees none of it. */
static void expect_named(struct kunit *test, struct obm_heap *heap,
			 struct obm_type *type, const char *what)
{
	u64 blocks = obm_get(test, heap).nr_blocks;
	unsigned int gone = nr_released, round;
	char name[OBM_NAME_LEN + 40];

	snprintf(name, sizeof(name), "BUG: OBM: misbehaving type %s: ",
		 type->name);
	console_room(1);
	console_watch();
	for (round = 0; round < 3; round++) {
		KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 0L);
		obm_obj_flush(heap);
		KUNIT_EXPECT_EQ(test, console.nr_reports, 1U);
	}
	KUNIT_EXPECT_EQ_MSG(test, console_find(name), 0, "'%s'",
			    console.lines[0]);
	KUNIT_EXPECT_EQ_MSG(test, console_find(what), 0, "'%s'",
			    console.lines[0]);
	KUNIT_EXPECT_EQ(test, nr_released, gone);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_blocks, blocks);
	KUNIT_EXPECT_EQ(test, obm_heap_validate(heap), 0);
}

/* Others in the same heap are collected as ever. */
static void expect_others_unharmed(struct kunit *test, struct obm_heap *heap)
{
	events_take();
	ring_new(test, heap, &item_type, 1, 2);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 2L);
	EXPECT_EVENTS(test, "F1 F2 C1 C2 R2 R1");
}

/* By hand the cycle can be opened, and then all dies as it should. */
static void let_go(struct kunit *test, struct obm_heap *heap, struct liar *a)
{
	unsigned int i;

	obm_obj_get(&a->obj);
	a->visits = NR_SLOTS;
	a->again = 0;
	a->stranger = NULL;
	for (i = 0; i < NR_SLOTS; i++)
		obm_ref_clear(&a->obj, &a->slots[i]);
	KUNIT_EXPECT_EQ(test, nr_released, 1U);
	obm_obj_put(&a->obj);
	KUNIT_EXPECT_EQ(test, nr_released, 2U);
}

static void misses_a_link(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	static struct obm_type type;
	struct liar *a;

	liar_type_init(&type, "misses");
	a = pair_new(test, heap, &type);
	a->visits = NR_SLOTS - 1;
	obm_obj_put(&a->obj);
	expect_named(test, heap, &type, " visits 1 links, of 2 that were set");
	expect_others_unharmed(test, heap);
	let_go(test, heap, a);
	object_expect_idle(test, heap);
}

static void visits_twice(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	static struct obm_type type;
	struct liar *a;

	liar_type_init(&type, "doubles");
	a = pair_new(test, heap, &type);
	a->again = 1;
	obm_obj_put(&a->obj);
	expect_named(test, heap, &type, " visits 3 links, of 2 that were set");
	expect_others_unharmed(test, heap);
	let_go(test, heap, a);
	object_expect_idle(test, heap);
}

/* A link of another object, whose target somebody refers to from outside. */
static void visits_a_stranger(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *other = plain_new(test, heap, 1);
	static struct obm_type type;
	struct liar *a;

	item_give(test, other, next, plain_new(test, heap, 2));
	liar_type_init(&type, "stranger");
	a = pair_new(test, heap, &type);
	a->stranger = &other->next.ref;
	obm_obj_put(&a->obj);
	expect_named(test, heap, &type, " visits 3 links, of 2 that were set");
	EXPECT_EVENTS(test, "");
	expect_others_unharmed(test, heap);
	let_go(test, heap, a);
	item_put(other);
	EXPECT_EVENTS(test, "R2 R1");
	object_expect_idle(test, heap);
}

/*
 * The same instead of one of its own, so that the number is right. The stranger
 * has no other reference but by the link, and yet it stays.
 */
static void visits_a_stranger_instead(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *other = plain_new(test, heap, 1);
	static struct obm_type type;
	struct liar *a;

	item_give(test, other, next, plain_new(test, heap, 2));
	liar_type_init(&type, "instead");
	a = pair_new(test, heap, &type);
	a->visits = NR_SLOTS - 1;
	a->stranger = &other->next.ref;
	obm_obj_put(&a->obj);
	expect_named(test, heap, &type, "traverse visits a stranger");
	EXPECT_EVENTS(test, "");
	expect_others_unharmed(test, heap);
	let_go(test, heap, a);
	item_put(other);
	EXPECT_EVENTS(test, "R2 R1");
	object_expect_idle(test, heap);
}

static void visits_another_heap(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test), *far = object_heap(test);
	struct item *other = plain_new(test, far, 1);
	static struct obm_type type;
	struct liar *a;

	item_link(test, other, next, other);
	liar_type_init(&type, "faraway");
	a = pair_new(test, heap, &type);
	a->stranger = &other->next.ref;
	obm_obj_put(&a->obj);
	expect_named(test, heap, &type, " visits 1 links to other heaps");
	expect_others_unharmed(test, heap);
	let_go(test, heap, a);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(far, 2), 0L);
	item_put(other);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(far, 2), 1L);
	EXPECT_EVENTS(test, "R1");
	object_expect_idle(test, heap);
	object_expect_idle(test, far);
}

/* Its objects are found, finalized and then do not go away. */
static void clear_nothing(struct obm_obj *obj)
{
}

static void clears_nothing(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	static struct obm_type type;
	struct liar *a;

	liar_type_init(&type, "holds");
	type.clear = clear_nothing;
	a = pair_new(test, heap, &type);
	obm_obj_put(&a->obj);
	console_room(1);
	console_watch();
	obm_gc_collect(heap, 2);
	obm_obj_flush(heap);
	KUNIT_EXPECT_EQ(test, console.nr_reports, 1U);
	KUNIT_EXPECT_GE(test, console_find("type holds"), 0);
	KUNIT_EXPECT_EQ(test, nr_released, 0U);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_blocks, 2);
	KUNIT_EXPECT_EQ(test, obm_gc_garbage_count(heap), 2UL);
	/* It is in the list of garbage, and not looked at again. */
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 0L);
	KUNIT_EXPECT_EQ(test, console.nr_reports, 1U);
	expect_others_unharmed(test, heap);
	let_go(test, heap, a);
	KUNIT_EXPECT_EQ(test, obm_gc_garbage_count(heap), 0UL);
	object_expect_idle(test, heap);
}

static struct kunit_case bad_cases[] = {
	KUNIT_CASE_SLOW(misses_a_link),
	KUNIT_CASE(visits_twice),
	KUNIT_CASE(visits_a_stranger),
	KUNIT_CASE(visits_a_stranger_instead),
	KUNIT_CASE(visits_another_heap),
	KUNIT_CASE(clears_nothing),
	{ }
};

static struct kunit_suite bad_suite = {
	.name = "obmalloc_gc_bad",
	.suite_init = console_init,
	.suite_exit = console_exit,
	.init = object_test_init,
	.exit = object_test_exit,
	.test_cases = bad_cases,
};

kunit_test_suite(bad_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of types that misbehave in obmalloc's collector");
MODULE_LICENSE("GPL");
