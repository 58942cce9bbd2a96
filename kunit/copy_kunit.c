// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copies of objects: what is shared and what is made anew, in which order, of types
 * of every sort, of chains that are too long for a recursion, and of random graphs
 * while somebody collects.
 */
#include <linux/kthread.h>
#include <linux/prandom.h>
#include <linux/random.h>

#include "copy.h"

static void one_object(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *a = item_new(test, heap, 1), *b = item_new(test, heap, 2);
	struct item *copy;

	item_link(test, a, next, b);
	item_link(test, a, other, a);
	a->data = heap;
	copy = obm_obj_copy(&a->obj, GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, copy);
	KUNIT_EXPECT_PTR_NE(test, copy, a);
	KUNIT_EXPECT_NE(test, obm_obj_id(&copy->obj), obm_obj_id(&a->obj));
	KUNIT_EXPECT_PTR_EQ(test, obm_obj_type(&copy->obj), &item_type);
	KUNIT_EXPECT_PTR_EQ(test, obm_obj_heap(&copy->obj), heap);
	KUNIT_EXPECT_EQ(test, item_refs(copy), 1U);
	KUNIT_EXPECT_EQ(test, copy->id, 1U);
	KUNIT_EXPECT_PTR_EQ(test, copy->data, (void *)heap);
	KUNIT_EXPECT_PTR_EQ(test, obm_ref_peek(&copy->next), b);
	KUNIT_EXPECT_PTR_EQ(test, obm_ref_peek(&copy->other), a);
	KUNIT_EXPECT_EQ(test, item_refs(a), 3U);
	KUNIT_EXPECT_EQ(test, item_refs(b), 3U);
	expect_generation(test, copy, 0);
	EXPECT_EVENTS(test, "");
	item_put(copy);
	EXPECT_EVENTS(test, "F1 C1 R1");
	item_put(b);
	item_put(a);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 2L);
	EXPECT_EVENTS(test, "F1 F2 C1 C2 R2 R1");
	object_expect_idle(test, heap);
}

/* What cannot change, and what is what it is by its address. */
static void what_is_shared(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *item = item_new(test, heap, 1), *copy;
	struct obm_bytes *bytes = obm_intern(heap, "shared", 6, GFP_KERNEL);
	struct obm_weakref *weak;

	weak = obm_weakref_new(&item->obj, NULL, NULL, GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, bytes);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, weak);
	expect_shared(test, &bytes->obj);
	expect_shared(test, &weak->obj);
	__obm_ref_set(&item->obj, &item->next.ref, &bytes->obj);
	__obm_ref_set(&item->obj, &item->other.ref, &weak->obj);
	copy = obm_obj_deepcopy(&item->obj, GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, copy);
	KUNIT_EXPECT_PTR_EQ(test, copy->next.ref.target, &bytes->obj);
	KUNIT_EXPECT_PTR_EQ(test, copy->other.ref.target, &weak->obj);
	KUNIT_EXPECT_EQ(test, obm_obj_refcount(&bytes->obj), 3U);
	KUNIT_EXPECT_EQ(test, obm_obj_refcount(&weak->obj), 3U);
	/* Of whom it speaks it goes on to speak. */
	item_put(copy);
	expect_weak(test, weak, &item->obj);
	item_put(item);
	expect_weak(test, weak, NULL);
	obm_obj_put(&weak->obj);
	obm_obj_put(&bytes->obj);
	object_expect_idle(test, heap);
}

static struct obm_type sized_type = {
	.name = "sized",
	.size = sizeof(struct item),
	.flags = OBM_TYPE_VAR_SIZE,
	OBM_LINKS(struct item, next, 2),
};

static void sizes_of_their_own(struct kunit *test)
{
	static const size_t more[] = { 0, 8, 300, 5000 };
	struct obm_heap *heap = object_heap(test);
	struct item *item, *copy;
	unsigned int i;
	u8 *tail;

	object_type(test, &sized_type);
	for (i = 0; i < ARRAY_SIZE(more); i++) {
		item = obm_obj_new_size(heap, &sized_type,
					sizeof(*item) + more[i],
					GFP_KERNEL | __GFP_ZERO);
		KUNIT_ASSERT_NOT_NULL(test, item);
		tail = (u8 *)(item + 1);
		obm_fill(tail, 0x5a, more[i]);
		item_link(test, item, next, item);
		copy = obm_obj_deepcopy(&item->obj, GFP_KERNEL);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, copy);
		tail = (u8 *)(copy + 1);
		KUNIT_EXPECT_TRUE(test, obm_is_filled(tail, 0x5a, more[i]));
		KUNIT_EXPECT_PTR_EQ(test, obm_ref_peek(&copy->next), copy);
		item_put(item);
		item_put(copy);
		KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 2L);
	}
	object_expect_idle(test, heap);
}

/* Shared by two links, in a cycle, and linked to itself. */
static void shape_is_kept(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *a = item_new(test, heap, 1), *b, *c, *d;
	struct item *copy, *b2, *c2, *d2;

	b = item_new(test, heap, 2);
	c = item_new(test, heap, 3);
	d = item_new(test, heap, 4);
	item_link(test, a, next, b);
	item_link(test, a, other, c);
	item_link(test, b, next, d);
	item_link(test, c, next, d);
	item_link(test, c, other, a);
	item_give(test, d, other, d);
	item_put(c);
	item_put(b);
	copy = obm_obj_deepcopy(&a->obj, GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, copy);
	b2 = obm_ref_peek(&copy->next);
	c2 = obm_ref_peek(&copy->other);
	d2 = obm_ref_peek(&b2->next);
	KUNIT_EXPECT_EQ(test, copy->id * 1000 + b2->id * 100 + c2->id * 10 +
			d2->id, 1234U);
	KUNIT_EXPECT_TRUE(test, copy != a && b2 != b && c2 != c && d2 != d);
	KUNIT_EXPECT_PTR_EQ(test, obm_ref_peek(&c2->next), d2);
	KUNIT_EXPECT_PTR_EQ(test, obm_ref_peek(&c2->other), copy);
	KUNIT_EXPECT_PTR_EQ(test, obm_ref_peek(&d2->other), d2);
	KUNIT_EXPECT_EQ(test, item_refs(copy), 2U);
	KUNIT_EXPECT_EQ(test, item_refs(b2), 1U);
	KUNIT_EXPECT_EQ(test, item_refs(d2), 3U);
	KUNIT_EXPECT_EQ(test, item_refs(a), 2U);
	KUNIT_EXPECT_EQ(test, item_refs(d), 3U);
	/* The copy is in use until it is put. */
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 0L);
	item_put(copy);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 4L);
	item_put(a);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 4L);
	object_expect_idle(test, heap);
}

/* As CPython's copy.deepcopy(): an object, then what its links lead to. */
static void depth_first(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *root = tree_new(test, heap, &made_type, 4), *copy;

	copy = obm_obj_deepcopy(&root->obj, GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, copy);
	EXPECT_EVENTS(test, "K1 K2 K4 K8 K9 K5 K10 K11 K3 K6 K12 K13 K7 K14 K15");
	item_put(copy);
	EXPECT_EVENTS(test, "R8 R9 R4 R10 R11 R5 R2 R12 R13 R6 R14 R15 R7 R3 R1");
	item_put(root);
	events_take();
	object_expect_idle(test, heap);
}

/* Links in memory of the object's own, into which a cycle leads. */
static void links_elsewhere(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct vector *vector = vector_new(test, heap, 5), *copy;
	struct item *item = plain_new(test, heap, 1), *shared;
	unsigned int i;

	/* 0 and 3 the same one; 1 leads back; 2 and 4 are NULL. */
	for (i = 0; i < 4; i += 3)
		item_link(test, vector, links[i], item);
	item = plain_new(test, heap, 2);
	__obm_ref_set(&item->obj, &item->other.ref, &vector->obj);
	item_give(test, vector, links[1], item);
	copy = obm_obj_deepcopy(&vector->obj, GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, copy);
	KUNIT_ASSERT_EQ(test, copy->nr, 5U);
	shared = obm_ref_peek(&copy->links[0]);
	KUNIT_EXPECT_PTR_NE(test, shared, obm_ref_peek(&vector->links[0]));
	KUNIT_EXPECT_PTR_EQ(test, obm_ref_peek(&copy->links[3]), shared);
	KUNIT_EXPECT_EQ(test, shared->id, 1U);
	KUNIT_EXPECT_EQ(test, item_refs(shared), 2U);
	KUNIT_EXPECT_NULL(test, obm_ref_peek(&copy->links[2]));
	KUNIT_EXPECT_NULL(test, obm_ref_peek(&copy->links[4]));
	item = obm_ref_peek(&copy->links[1]);
	KUNIT_EXPECT_PTR_EQ(test, item->other.ref.target, &copy->obj);
	obm_obj_put(&copy->obj);
	item_put(obm_ref_peek(&vector->links[0]));
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 3L);
	obm_obj_put(&vector->obj);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 3L);
	object_expect_idle(test, heap);
}

#define MAGIC	0x6d616769U

static void constructed_ctor(void *obj)
{
	struct item *item = obj;

	memset(&item->obj + 1, 0, sizeof(*item) - sizeof(item->obj));
	item->id = MAGIC;
}

static void constructed_release(struct obm_obj *obj)
{
	struct item *item = to_item(obj);

	event('R', item->id);
	item->id = MAGIC;
	item->data = NULL;
}

static struct obm_type constructed_type = {
	.name = "constructed",
	.size = sizeof(struct item),
	OBM_LINKS(struct item, next, 2),
	.ctor = constructed_ctor,
	.release = constructed_release,
};

static void constructed(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *item = object_new(test, heap, &constructed_type), *copy;

	KUNIT_EXPECT_EQ(test, item->id, MAGIC);
	item->id = 7;
	item_link(test, item, other, item);
	copy = obm_obj_deepcopy(&item->obj, GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, copy);
	KUNIT_EXPECT_EQ(test, copy->id, 7U);
	KUNIT_EXPECT_PTR_EQ(test, obm_ref_peek(&copy->other), copy);
	obm_ref_clear(&copy->obj, &copy->other);
	item_put(copy);
	obm_ref_clear(&item->obj, &item->other);
	item_put(item);
	EXPECT_EVENTS(test, "R7 R7");
	item = object_new(test, heap, &constructed_type);
	KUNIT_EXPECT_EQ(test, item->id, MAGIC);
	item_put(item);
	object_expect_idle(test, heap);
}

/* Far more than a recursion could go down. */
#define NR_CHAIN	20000

static void long_chain(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *head, *copy, *item;
	unsigned int i, wrong = 0;

	head = chain_new(test, heap, &quiet_type, NR_CHAIN);
	copy = obm_obj_deepcopy(&head->obj, GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, copy);
	for (i = 0, item = copy; i < NR_CHAIN && item; i++) {
		wrong += item->id != i || item_refs(item) != 1;
		item = obm_ref_peek(&item->next);
	}
	KUNIT_EXPECT_EQ(test, i, NR_CHAIN);
	KUNIT_EXPECT_NULL(test, item);
	KUNIT_EXPECT_EQ(test, wrong, 0U);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_blocks, 2 * NR_CHAIN);
	item_put(copy);
	item_put(head);
	object_expect_idle(test, heap);
}

/* --- Random graphs --- */

#define NR_NODES	2000
#define NR_ROUNDS	5

/**
 * struct random_graph - one that is copied
 * @items: of it, by their id; a reference to each
 * @copies: by id, what has been found in the copy
 * @todo: ids whose links have not been looked at
 */
struct random_graph {
	struct item *items[NR_NODES];
	struct item *copies[NR_NODES];
	unsigned int todo[NR_NODES];
};

static void graph_make(struct kunit *test, struct obm_heap *heap,
		       struct random_graph *graph, struct rnd_state *rnd)
{
	unsigned int i;

	memset(graph, 0, sizeof(*graph));
	for (i = 0; i < NR_NODES; i++)
		graph->items[i] = item_new_of(test, heap, &quiet_type, i);
	for (i = 0; i < NR_NODES; i++) {
		item_link(test, graph->items[i], next,
			  graph->items[prandom_u32_state(rnd) % NR_NODES]);
		if (prandom_u32_state(rnd) % 2)
			item_link(test, graph->items[i], other,
				  graph->items[prandom_u32_state(rnd) %
					       NR_NODES]);
	}
}

/* Whether a link of the copy corresponds to one of the original. */
static bool graph_match(struct random_graph *graph, struct item *from,
			struct item *to, unsigned int *nr_todo)
{
	if (!from || !to)
		return from == to;
	if (from == to || from->id != to->id)
		return false;
	if (graph->copies[from->id])
		return graph->copies[from->id] == to;
	graph->copies[from->id] = to;
	graph->todo[(*nr_todo)++] = from->id;
	return true;
}

/* How many objects the copy has; 0 if it is another graph. */
static unsigned int graph_compare(struct random_graph *graph, struct item *copy)
{
	unsigned int nr_todo = 0, nr = 0, id;
	struct item *from, *to;

	if (!graph_match(graph, graph->items[0], copy, &nr_todo))
		return 0;
	while (nr_todo) {
		id = graph->todo[--nr_todo];
		from = graph->items[id];
		to = graph->copies[id];
		nr++;
		if (!graph_match(graph, obm_ref_peek(&from->next),
				 obm_ref_peek(&to->next), &nr_todo) ||
		    !graph_match(graph, obm_ref_peek(&from->other),
				 obm_ref_peek(&to->other), &nr_todo))
			return 0;
	}
	return nr;
}

static int collect_all_the_time(void *data)
{
	struct obm_heap *heap = data;
	unsigned int nr = 0;

	while (!kthread_should_stop()) {
		obm_gc_collect(heap, nr++ % OBM_NR_GENERATIONS);
		cond_resched();
	}
	return 0;
}

static void random_graphs(struct kunit *test)
{
	struct random_graph *graph = kunit_kzalloc(test, sizeof(*graph),
						   GFP_KERNEL);
	struct obm_heap *heap = object_heap(test);
	u64 seed = get_random_u64();
	struct task_struct *collector;
	struct rnd_state rnd;
	unsigned int round, i, nr;
	struct item *copy;

	KUNIT_ASSERT_NOT_NULL(test, graph);
	kunit_info(test, "seed %llu", seed);
	prandom_seed_state(&rnd, seed);
	collector = kthread_run(collect_all_the_time, heap, "obm_copy");
	KUNIT_ASSERT_FALSE(test, IS_ERR(collector));
	for (round = 0; round < NR_ROUNDS; round++) {
		graph_make(test, heap, graph, &rnd);
		copy = obm_obj_deepcopy(&graph->items[0]->obj, GFP_KERNEL);
		if (IS_ERR(copy))
			break;
		nr = graph_compare(graph, copy);
		KUNIT_EXPECT_GT(test, nr, 0U);
		item_put(copy);
		for (i = 0; i < NR_NODES; i++)
			item_put(graph->items[i]);
		obm_gc_collect(heap, 2);
		obm_gc_collect(heap, 2);
	}
	kthread_stop(collector);
	KUNIT_EXPECT_EQ(test, round, NR_ROUNDS);
	object_expect_idle(test, heap);
}

static struct kunit_case copy_cases[] = {
	KUNIT_CASE(one_object),
	KUNIT_CASE(what_is_shared),
	KUNIT_CASE(sizes_of_their_own),
	KUNIT_CASE(shape_is_kept),
	KUNIT_CASE(depth_first),
	KUNIT_CASE(links_elsewhere),
	KUNIT_CASE(constructed),
	KUNIT_CASE(long_chain),
	KUNIT_CASE(random_graphs),
	{ }
};

static struct kunit_suite copy_suite = {
	.name = "obmalloc_copy",
	.init = object_test_init,
	.exit = object_test_exit,
	.test_cases = copy_cases,
};

kunit_test_suite(copy_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of obmalloc's copies");
MODULE_LICENSE("GPL");
