// SPDX-License-Identifier: GPL-2.0-only
/*
 * Deep copies that fail, at each step that can: nothing is left of them, the
 * originals are as they were, and no callback has heard of a half-made object but
 * the release of what its type's own copy has made.
 */
#include "copy.h"
#include "fail.h"

/* What must be the same after a failure. */
static void expect_as_before(struct kunit *test, struct obm_heap *heap,
			     const struct obm_stats *before)
{
	struct obm_stats now;

	obm_obj_flush(heap);
	/* Nor is anything left that nobody has. */
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 0L);
	now = obm_get(test, heap);
	KUNIT_EXPECT_EQ(test, now.nr_blocks, before->nr_blocks);
	KUNIT_EXPECT_EQ(test, now.used_bytes, before->used_bytes);
	KUNIT_EXPECT_EQ(test, now.nr_raw, before->nr_raw);
	KUNIT_EXPECT_EQ(test, obm_heap_validate(heap), 0);
}

static void expect_tree(struct kunit *test, struct item *item)
{
	struct item *next = obm_ref_peek(&item->next);
	struct item *other = obm_ref_peek(&item->other);

	KUNIT_EXPECT_EQ(test, item_refs(item), 1U);
	if (next)
		expect_tree(test, next);
	if (other)
		expect_tree(test, other);
}

static void expect_error(struct kunit *test, void *copy, int err)
{
	KUNIT_EXPECT_PTR_EQ(test, copy, (void *)ERR_PTR(err));
	if (!IS_ERR_OR_NULL(copy))
		obm_obj_put(copy);
}

static struct obm_type hidden_type = {
	.name = "hidden",
	.size = sizeof(struct vector),
	.traverse = vector_traverse,
	.release = vector_release,
};

/* Whose links are not in the object, and who does not say how to copy them. */
static void type_without_copy(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *root = tree_new(test, heap, &item_type, 3);
	struct item *leaf = obm_ref_peek(&root->other);
	struct vector *hidden = object_new(test, heap, &hidden_type);
	struct obm_stats before;

	leaf = obm_ref_peek(&leaf->other);
	__obm_ref_set(&leaf->obj, &leaf->next.ref, &hidden->obj);
	before = obm_get(test, heap);
	expect_error(test, obm_obj_copy(&hidden->obj, GFP_KERNEL), -EOPNOTSUPP);
	expect_error(test, obm_obj_deepcopy(&hidden->obj, GFP_KERNEL),
		     -EOPNOTSUPP);
	expect_error(test, obm_obj_deepcopy(&root->obj, GFP_KERNEL),
		     -EOPNOTSUPP);
	EXPECT_EVENTS(test, "");
	expect_as_before(test, heap, &before);
	KUNIT_EXPECT_EQ(test, obm_obj_refcount(&hidden->obj), 2U);
	/* A copy of one that only refers to it is no matter. */
	leaf = obm_obj_copy(&leaf->obj, GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, leaf);
	item_put(leaf);
	obm_obj_put(&hidden->obj);
	item_put(root);
	events_take();
	object_expect_idle(test, heap);
}

static int wrong_copy(struct obm_obj *to, struct obm_obj *from, gfp_t gfp)
{
	return 1;
}

static struct obm_type wrong_type = {
	.name = "wrong",
	.size = sizeof(struct item),
	OBM_LINKS(struct item, next, 2),
	.copy = wrong_copy,
};

static void errors_are_errors(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *item = item_new_of(test, heap, &wrong_type, 1);

	expect_error(test, obm_obj_copy(&item->obj, GFP_KERNEL), -EINVAL);
	expect_error(test, obm_obj_deepcopy(&item->obj, GFP_KERNEL), -EINVAL);
	item_put(item);
	object_expect_idle(test, heap);
}

static void nobody_is_called(struct obm_weakref *weak, void *arg)
{
	event('W', 0);
}

#define LEVELS	3

/* The one that failed is the first to go, as nobody knows it yet. */
static const char *const made_events[] = {
	"K1 R1",
	"K1 K2 R2 R1",
	"K1 K2 K4 R4 R1 R2",
	"K1 K2 K4 K5 R5 R1 R2 R4",
	"K1 K2 K4 K5 K3 R3 R1 R2 R4 R5",
	"K1 K2 K4 K5 K3 K6 R6 R1 R2 R4 R5 R3",
	"K1 K2 K4 K5 K3 K6 K7 R7 R1 R2 R4 R5 R3 R6",
};

/* Each copy fails with one of its two links set. */
static void each_copy_fails_in_turn(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *root = tree_new(test, heap, &made_type, LEVELS), *copy;
	struct obm_stats before;
	struct obm_weakref *weak;
	unsigned int i;

	weak = obm_weakref_new(&root->obj, nobody_is_called, NULL, GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, weak);
	before = obm_get(test, heap);
	for (i = 0; i < ARRAY_SIZE(made_events); i++) {
		made_left = i;
		copy = obm_obj_deepcopy(&root->obj, GFP_KERNEL);
		made_left = -1;
		expect_error(test, copy, -EIO);
		EXPECT_EVENTS(test, made_events[i]);
		expect_as_before(test, heap, &before);
		expect_tree(test, root);
	}
	copy = obm_obj_deepcopy(&root->obj, GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, copy);
	EXPECT_EVENTS(test, "K1 K2 K4 K5 K3 K6 K7");
	item_put(copy);
	obm_obj_put(&weak->obj);
	item_put(root);
	events_take();
	object_expect_idle(test, heap);
}

/* Each allocation, of the heap as of the copier, in a graph of several types. */
static void each_allocation_fails_in_turn(struct kunit *test)
{
	struct obm_stats before;
	struct vector *vector;
	struct obm_heap *heap;
	unsigned int nth, failed = 0;
	bool done = true;
	void *copy;

	fail_needed(test);
	for (nth = 1; done && nth < 500; nth++) {
		heap = object_heap(test);
		vector = vector_new(test, heap, 3);
		item_give(test, vector, links[0],
			  chain_new(test, heap, &item_type, 20));
		item_give(test, vector, links[2],
			  tree_new(test, heap, &item_type, 4));
		obm_heap_trim(heap);
		before = obm_get(test, heap);
		fail_nth(nth);
		copy = obm_obj_deepcopy(&vector->obj, GFP_FAIL);
		done = fail_done();
		EXPECT_EVENTS(test, "");
		if (IS_ERR(copy)) {
			failed++;
			expect_error(test, copy, -ENOMEM);
			expect_as_before(test, heap, &before);
			expect_tree(test, obm_ref_peek(&vector->links[2]));
		} else {
			obm_obj_put(copy);
		}
		obm_obj_put(&vector->obj);
		events_take();
		object_expect_idle(test, heap);
		KUNIT_EXPECT_EQ(test, obm_test_destroy(test, heap), 0UL);
	}
	/* The last turn was one in which nothing was left to fail. */
	KUNIT_EXPECT_FALSE(test, done);
	/*
	 * Of 36 objects each is noted, in memory that must be had. How much more
	 * it takes depends on where they are, and that changes.
	 */
	KUNIT_EXPECT_GE(test, failed, 18U);
}

static struct obm_type large_type = {
	.name = "large",
	.size = 1500,
	OBM_LINKS(struct item, next, 2),
};

#define NR_LARGE	10
#define NR_FILLERS	400

/* A heap at its limit, with room for some of the copies, and for all. */
static void at_the_limit(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 300 * 1024);
	struct item *head, **fill, *copy = NULL;
	unsigned int nr, room;
	struct obm_stats before;

	obm_gc_disable(heap);
	head = chain_new(test, heap, &large_type, NR_LARGE);
	fill = kunit_kcalloc(test, NR_FILLERS, sizeof(*fill), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fill);
	for (nr = 0; nr < NR_FILLERS; nr++) {
		fill[nr] = obm_obj_new(heap, &large_type,
				       GFP_KERNEL | __GFP_NOWARN);
		if (!fill[nr])
			break;
	}
	KUNIT_ASSERT_LT(test, nr, NR_FILLERS);
	KUNIT_ASSERT_GT(test, nr, NR_LARGE);
	for (room = 0; room <= NR_LARGE; room++) {
		before = obm_get(test, heap);
		copy = obm_obj_deepcopy(&head->obj, GFP_KERNEL | __GFP_NOWARN);
		if (room == NR_LARGE)
			break;
		expect_error(test, copy, -ENOMEM);
		expect_as_before(test, heap, &before);
		KUNIT_EXPECT_GT(test, obm_get(test, heap).nr_limited,
				before.nr_limited);
		item_put(fill[--nr]);
	}
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, copy);
	item_put(copy);
	while (nr)
		item_put(fill[--nr]);
	item_put(head);
	object_expect_idle(test, heap);
}

static int collecting_copy(struct obm_obj *to, struct obm_obj *from, gfp_t gfp)
{
	struct item *item = to_item(from), *copy = to_item(to);

	obm_ref_set(to, &copy->next, obm_ref_peek(&item->next));
	copy->id = item->id + obm_gc_collect(obm_obj_heap(from), 2);
	return 0;
}

static struct obm_type collecting_type = {
	.name = "collecting",
	.size = sizeof(struct item),
	OBM_LINKS(struct item, next, 2),
	.copy = collecting_copy,
};

/* Who is being made looks like garbage to nobody. */
static void collected_meanwhile(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *head = chain_new(test, heap, &collecting_type, 20);
	struct item *copy, *item;
	unsigned int i = 0;

	copy = obm_obj_deepcopy(&head->obj, GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, copy);
	for (item = copy; item; item = obm_ref_peek(&item->next))
		KUNIT_EXPECT_EQ(test, item->id, i++);
	KUNIT_EXPECT_EQ(test, i, 20U);
	item_put(copy);
	item_put(head);
	object_expect_idle(test, heap);
}

static struct kunit_case copy_fail_cases[] = {
	KUNIT_CASE(type_without_copy),
	KUNIT_CASE(errors_are_errors),
	KUNIT_CASE(each_copy_fails_in_turn),
	KUNIT_CASE(each_allocation_fails_in_turn),
	KUNIT_CASE(at_the_limit),
	KUNIT_CASE(collected_meanwhile),
	{ }
};

static struct kunit_suite copy_fail_suite = {
	.name = "obmalloc_copy_fail",
	.init = object_test_init,
	.exit = object_test_exit,
	.test_cases = copy_fail_cases,
};

kunit_test_suite(copy_fail_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of obmalloc's copies that fail");
MODULE_LICENSE("GPL");
