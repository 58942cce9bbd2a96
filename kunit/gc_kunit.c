// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cycles: each shape is found when nobody refers to it, and left alone while
 * somebody does. What is called then comes in CPython 3.11's order.
 */
#include <linux/delay.h>

#include "context.h"
#include "object.h"

static void self_cycle(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *item = item_new(test, heap, 1);

	item_link(test, item, next, item);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 0L);
	item_put(item);
	EXPECT_EVENTS(test, "");
	/* Counting alone leaks it. */
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_blocks, 1);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 1L);
	EXPECT_EVENTS(test, "F1 C1 R1");
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 0L);
	object_expect_idle(test, heap);
}

/* Twice to itself, which is two references and two links. */
static void double_self_cycle(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *item = item_new(test, heap, 1);

	item_link(test, item, next, item);
	item_link(test, item, other, item);
	item_put(item);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 1L);
	EXPECT_EVENTS(test, "F1 C1 R1");
	object_expect_idle(test, heap);
}

static void two_cycle(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *a = item_new(test, heap, 1), *b = item_new(test, heap, 2);

	item_link(test, a, next, b);
	item_link(test, b, next, a);
	item_put(b);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 0), 0L);
	item_put(a);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 1), 2L);
	EXPECT_EVENTS(test, "F1 F2 C1 C2 R2 R1");
	object_expect_idle(test, heap);
}

/* What a cycle refers to goes with it, what refers to a cycle keeps it. */
static void tails_and_handles(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *handle = item_new(test, heap, 1);
	struct item *a = item_new(test, heap, 2), *b = item_new(test, heap, 3);

	item_link(test, handle, next, a);
	item_link(test, a, next, b);
	item_link(test, b, next, a);
	item_give(test, b, other, item_new(test, heap, 4));
	item_put(a);
	item_put(b);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 0L);
	EXPECT_EVENTS(test, "");
	/* The handle is no garbage: it dies at once, of its last put. */
	item_put(handle);
	EXPECT_EVENTS(test, "F1 C1 R1");
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 3L);
	EXPECT_EVENTS(test, "F2 F3 F4 C2 C3 C4 R4 R3 R2");
	object_expect_idle(test, heap);
}

#define NR_RING		100000U

static atomic_long_t nr_gone;

static void count_release(struct obm_obj *obj)
{
	atomic_long_inc(&nr_gone);
}

static struct obm_type ring_type = {
	.name = "ring",
	.size = sizeof(struct item),
	OBM_LINKS(struct item, next, 2),
	.release = count_release,
};

static void large_ring(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);

	atomic_long_set(&nr_gone, 0);
	ring_new(test, heap, &ring_type, 0, NR_RING);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_blocks, NR_RING);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), (long)NR_RING);
	obm_obj_flush(heap);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&nr_gone), (long)NR_RING);
	object_expect_idle(test, heap);
}

/* A ring of which one item is held does not go, wherever that one is. */
static void held_from_outside(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *items[5];
	unsigned int i, j;

	for (j = 0; j < ARRAY_SIZE(items); j++) {
		for (i = 0; i < ARRAY_SIZE(items); i++)
			items[i] = plain_new(test, heap, i);
		for (i = 0; i < ARRAY_SIZE(items); i++)
			item_link(test, items[i], next,
				  items[(i + 1) % ARRAY_SIZE(items)]);
		for (i = 0; i < ARRAY_SIZE(items); i++)
			if (i != j)
				item_put(items[i]);
		KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 0L);
		KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_blocks,
				ARRAY_SIZE(items));
		EXPECT_EVENTS(test, "");
		item_put(items[j]);
		KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2),
				(long)ARRAY_SIZE(items));
		KUNIT_EXPECT_EQ(test, strlen(events_take()), 14UL);
	}
	object_expect_idle(test, heap);
}

/* Its links are in a block of its own, which traverse knows. */
struct box {
	struct item item;
	unsigned int nr;
	struct item_ref *links;
};

static int box_traverse(struct obm_obj *obj, obm_visit_t visit, void *arg)
{
	struct box *box = container_of(obj, struct box, item.obj);
	unsigned int i;
	int err = 0;

	for (i = 0; i < box->nr && !err; i++)
		err = visit(&box->links[i].ref, arg);
	return err;
}

static void box_release(struct obm_obj *obj)
{
	struct box *box = container_of(obj, struct box, item.obj);

	event('R', box->item.id);
	obm_free(box->links);
}

static struct obm_type box_type = {
	.name = "box",
	.size = sizeof(struct box),
	OBM_LINKS(struct item, next, 2),
	.traverse = box_traverse,
	.release = box_release,
};

static struct box *box_new(struct kunit *test, struct obm_heap *heap,
			   unsigned int id, size_t nr)
{
	struct item *item = item_new_of(test, heap, &box_type, id);
	struct box *box = container_of(item, struct box, item);

	KUNIT_EXPECT_EQ(test, box->nr, 0U);
	box->links = obm_calloc(heap, nr, sizeof(*box->links), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, box->links);
	box->nr = nr;
	return box;
}

static void through_a_raw_block(struct kunit *test)
{
	static const size_t lens[] = { 1, 10, 2000, 50000 };
	struct obm_heap *heap = object_heap(test);
	struct item *item;
	struct box *box;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		box = box_new(test, heap, 1, lens[i]);
		item = plain_new(test, heap, 2);
		item_link(test, item, next, &box->item);
		/* By the last of its links alone. */
		item_link(test, &box->item, next, &box->item);
		KUNIT_EXPECT_EQ(test,
				obm_ref_set(&box->item.obj,
					    &box->links[lens[i] - 1], item), 0);
		item_put(&box->item);
		KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 0L);
		item_put(item);
		KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 2L);
		EXPECT_EVENTS(test, "R2 R1");
		object_expect_idle(test, heap);
	}
}

static struct item *kept;

static void keep_itself(struct item *item)
{
	obm_obj_get(&item->obj);
	kept = item;
}

/* One that a finalizer rescued is alive, with all that it refers to. */
static void resurrected(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *a = item_new(test, heap, 1), *b = item_new(test, heap, 2);
	struct item *c = item_new(test, heap, 3);

	item_link(test, a, next, b);
	item_link(test, b, next, a);
	item_link(test, c, next, c);
	item_link(test, c, other, a);
	b->finalize = keep_itself;
	item_put(a);
	item_put(b);
	item_put(c);
	/* The third is garbage all the same, though it refers to them. */
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 1L);
	EXPECT_EVENTS(test, "F1 F2 F3 C3 R3");
	KUNIT_ASSERT_PTR_EQ(test, kept, b);
	KUNIT_EXPECT_EQ(test, item_refs(b), 2U);
	KUNIT_EXPECT_PTR_EQ(test, obm_ref_peek(&b->next), a);
	KUNIT_EXPECT_PTR_EQ(test, obm_ref_peek(&a->next), b);
	KUNIT_EXPECT_TRUE(test, obm_gc_is_finalized(&a->obj));
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 0L);
	/* No second finalizer: now it goes. */
	item_put(kept);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 2L);
	/* The rescued one came first, then what it led to. */
	EXPECT_EVENTS(test, "C2 C1 R1 R2");
	object_expect_idle(test, heap);
}

/* The same in a last put, where there is no cycle. */
static void resurrected_in_a_put(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *item = item_new(test, heap, 1);

	item_give(test, item, next, item_new(test, heap, 2));
	item->finalize = keep_itself;
	kept = NULL;
	item_put(item);
	EXPECT_EVENTS(test, "F1");
	KUNIT_ASSERT_PTR_EQ(test, kept, item);
	KUNIT_EXPECT_EQ(test, item_refs(item), 1U);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_blocks, 2);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 0L);
	item_put(item);
	EXPECT_EVENTS(test, "C1 F2 C2 R2 R1");
	object_expect_idle(test, heap);
}

/* One that is rescued into an object that is alive. */
static void link_into_another(struct item *item)
{
	struct item *root = item->data;

	WARN_ON(obm_ref_set(&root->obj, &root->next, item));
}

static void resurrected_twice(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *root = item_new(test, heap, 1);
	struct item *a = item_new(test, heap, 2), *b = item_new(test, heap, 3);

	item_link(test, a, next, b);
	item_link(test, b, next, a);
	a->finalize = link_into_another;
	a->data = root;
	item_put(a);
	item_put(b);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 0L);
	EXPECT_EVENTS(test, "F2 F3");
	KUNIT_EXPECT_PTR_EQ(test, obm_ref_peek(&root->next), a);
	/* A finalizer is called once in a life. */
	obm_ref_clear(&root->obj, &root->next);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 2L);
	KUNIT_EXPECT_NULL(test, obm_ref_peek(&root->next));
	EXPECT_EVENTS(test, "C2 C3 R3 R2");
	item_put(root);
	object_expect_idle(test, heap);
}

/* What is garbage on its own is so before it is anybody's to clear. */
static void drop_data(struct item *item)
{
	struct item *other = item->data;

	item->data = NULL;
	if (other)
		item_put(other);
}

/* A reference that only clear knows of is one from outside. */
static void clear_drops_others(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *a = item_new(test, heap, 1), *b = item_new(test, heap, 2);
	struct item *c = item_new(test, heap, 3);

	item_link(test, a, next, a);
	item_link(test, b, next, b);
	item_give(test, c, next, item_new(test, heap, 4));
	a->cleared = drop_data;
	a->data = b;
	/* This one's clear drops what is in no cycle. */
	b->cleared = drop_data;
	b->data = c;
	item_put(a);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 1L);
	EXPECT_EVENTS(test, "F1 C1 R1");
	/* Now nothing but itself refers to the second. */
	KUNIT_EXPECT_EQ(test, item_refs(b), 1U);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 1L);
	EXPECT_EVENTS(test, "F2 C2 F3 C3 F4 C4 R4 R3 R2");
	object_expect_idle(test, heap);
}

static void called_back(struct obm_weakref *weak, void *arg)
{
	event('W', (uintptr_t)arg);
}

/* Callbacks, then finalizers, then all is cleared. */
static void order_of_callbacks(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct obm_weakref *weak[3];
	struct item *items[3];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(items); i++)
		items[i] = item_new(test, heap, i + 1);
	for (i = 0; i < ARRAY_SIZE(items); i++) {
		item_link(test, items[i], next, items[(i + 1) % 3]);
		weak[i] = obm_weakref_new(&items[2 - i]->obj, called_back,
					  (void *)(3UL - i), GFP_KERNEL);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, weak[i]);
	}
	for (i = 0; i < ARRAY_SIZE(items); i++)
		item_put(items[i]);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 3L);
	EXPECT_EVENTS(test, "W1 W2 W3 F1 F2 F3 C1 C2 C3 R3 R2 R1");
	for (i = 0; i < ARRAY_SIZE(items); i++)
		obm_obj_put(&weak[i]->obj);
	object_expect_idle(test, heap);
}

static struct kunit_case gc_cases[] = {
	KUNIT_CASE(self_cycle),
	KUNIT_CASE(double_self_cycle),
	KUNIT_CASE(two_cycle),
	KUNIT_CASE(tails_and_handles),
	KUNIT_CASE(large_ring),
	KUNIT_CASE(held_from_outside),
	KUNIT_CASE(through_a_raw_block),
	KUNIT_CASE(resurrected),
	KUNIT_CASE(resurrected_in_a_put),
	KUNIT_CASE(resurrected_twice),
	KUNIT_CASE(clear_drops_others),
	KUNIT_CASE(order_of_callbacks),
	{ }
};

static struct kunit_suite gc_suite = {
	.name = "obmalloc_gc",
	.init = object_test_init,
	.exit = object_test_exit,
	.test_cases = gc_cases,
};

kunit_test_suite(gc_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of obmalloc's collector: cycles");
MODULE_LICENSE("GPL");
