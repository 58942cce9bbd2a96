// SPDX-License-Identifier: GPL-2.0-only
/* Links: what they count, and what dies with them. */
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>

#include "console.h"
#include "object.h"

#define NR_WIDE		100000
/* A hundred times more than would fit on a stack, however slow the kernel is. */
#define CHAIN_MAX	(10000000UL / (OBM_TEST_SLOWNESS > 1 ? 128 : 1))
/* What kmemleak knows of a block takes several times a block's memory. */
#define CHAIN_BYTES	(64 + (IS_ENABLED(CONFIG_DEBUG_KMEMLEAK) ? 576 : 0))
#define RACE_ROUNDS	20000

static void set_and_clear(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *a = item_new(test, heap, 1), *b = item_new(test, heap, 2);
	struct item *c = item_new(test, heap, 3), *got;

	item_link(test, a, next, b);
	KUNIT_EXPECT_EQ(test, item_refs(b), 2U);
	KUNIT_EXPECT_PTR_EQ(test, obm_ref_peek(&a->next), b);
	/* The same again changes nothing. */
	item_link(test, a, next, b);
	KUNIT_EXPECT_EQ(test, item_refs(b), 2U);
	got = obm_ref_get(&a->next);
	KUNIT_EXPECT_PTR_EQ(test, got, b);
	KUNIT_EXPECT_EQ(test, item_refs(b), 3U);
	item_put(got);
	item_link(test, a, next, c);
	KUNIT_EXPECT_EQ(test, item_refs(b), 1U);
	KUNIT_EXPECT_EQ(test, item_refs(c), 2U);
	item_link(test, a, next, (struct item *)NULL);
	KUNIT_EXPECT_EQ(test, item_refs(c), 1U);
	obm_ref_clear(&a->obj, &a->next);
	KUNIT_EXPECT_NULL(test, obm_ref_get(&a->next));
	item_put(c);
	EXPECT_EVENTS(test, "F3 C3 R3");
	/* The last reference is the link's. */
	item_give(test, a, other, b);
	KUNIT_EXPECT_EQ(test, item_refs(b), 1U);
	obm_ref_clear(&a->obj, &a->other);
	EXPECT_EVENTS(test, "F2 C2 R2");
	item_put(a);
	EXPECT_EVENTS(test, "F1 C1 R1");
	object_expect_idle(test, heap);
}

static void moved(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *a = plain_new(test, heap, 1), *b = plain_new(test, heap, 2);

	item_give(test, a, next, plain_new(test, heap, 3));
	item_give(test, b, next, plain_new(test, heap, 4));
	KUNIT_EXPECT_EQ(test, obm_ref_move(&b->obj, &b->next, &a->obj,
					   &a->next), 0);
	EXPECT_EVENTS(test, "R4");
	KUNIT_EXPECT_NULL(test, obm_ref_peek(&a->next));
	KUNIT_EXPECT_EQ(test, obm_ref_peek(&b->next)->id, 3U);
	KUNIT_EXPECT_EQ(test, item_refs(obm_ref_peek(&b->next)), 1U);
	/* To itself, and of nothing. */
	KUNIT_EXPECT_EQ(test, obm_ref_move(&b->obj, &b->next, &b->obj,
					   &b->next), 0);
	KUNIT_EXPECT_EQ(test, obm_ref_peek(&b->next)->id, 3U);
	KUNIT_EXPECT_EQ(test, obm_ref_move(&b->obj, &b->next, &a->obj,
					   &a->next), 0);
	EXPECT_EVENTS(test, "R3");
	item_put(a);
	item_put(b);
	EXPECT_EVENTS(test, "R1 R2");
	object_expect_idle(test, heap);
}

/* The first of a list goes, and with it the link that is moved from. */
static void moved_from_who_dies(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *head = plain_new(test, heap, 1);
	struct item *first = plain_new(test, heap, 2);

	item_give(test, first, next, plain_new(test, heap, 3));
	item_give(test, head, next, first);
	KUNIT_EXPECT_EQ(test, obm_ref_move(&head->obj, &head->next, &first->obj,
					   &first->next), 0);
	EXPECT_EVENTS(test, "R2");
	KUNIT_EXPECT_EQ(test, obm_ref_peek(&head->next)->id, 3U);
	KUNIT_EXPECT_EQ(test, item_refs(obm_ref_peek(&head->next)), 1U);
	/* The last one's, which leads to nothing. */
	KUNIT_EXPECT_EQ(test, obm_ref_move(&head->obj, &head->next,
					   &obm_ref_peek(&head->next)->obj,
					   &obm_ref_peek(&head->next)->next), 0);
	EXPECT_EVENTS(test, "R3");
	KUNIT_EXPECT_NULL(test, obm_ref_peek(&head->next));
	item_put(head);
	EXPECT_EVENTS(test, "R1");
	object_expect_idle(test, heap);
}

static void between_heaps(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test), *far = object_heap(test);
	struct item *a = plain_new(test, heap, 1), *b = plain_new(test, far, 2);

	item_give(test, a, next, plain_new(test, heap, 3));
	console_room(2);
	console_watch();
	KUNIT_EXPECT_EQ(test, obm_ref_set(&a->obj, &a->next, b), -EXDEV);
	KUNIT_EXPECT_EQ(test, obm_ref_move(&b->obj, &b->next, &a->obj,
					   &a->next), -EXDEV);
	KUNIT_EXPECT_EQ(test, console.nr_reports, 2U);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_bad[OBM_BAD_HEAP], 1);
	KUNIT_EXPECT_EQ(test, obm_ref_peek(&a->next)->id, 3U);
	KUNIT_EXPECT_EQ(test, item_refs(b), 1U);
	item_put(a);
	item_put(b);
	EXPECT_EVENTS(test, "R3 R1 R2");
}

/* Depth first, each done with before the next link is cleared. */
static void order_of_a_tree(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *items[8];
	unsigned int i;

	for (i = 1; i < 8; i++)
		items[i] = plain_new(test, heap, i);
	for (i = 1; i < 4; i++) {
		item_link(test, items[i], next, items[2 * i]);
		item_link(test, items[i], other, items[2 * i + 1]);
	}
	/* 7 is held by 4, which goes before 3 is cleared. */
	item_link(test, items[4], next, items[7]);
	for (i = 2; i < 8; i++)
		item_put(items[i]);
	EXPECT_EVENTS(test, "");
	item_put(items[1]);
	EXPECT_EVENTS(test, "R4 R5 R2 R6 R7 R3 R1");
	object_expect_idle(test, heap);
}

struct cell {
	struct obm_obj obj;
	OBM_DECLARE_REF(struct cell, next);
};

static struct obm_type cell_type = {
	.name = "cell",
	.size = sizeof(struct cell),
	OBM_LINKS(struct cell, next, 1),
};

/* As long as half of memory allows, up to ten million. */
static unsigned long chain_length(void)
{
	return min(CHAIN_MAX, totalram_pages() / 2 * (PAGE_SIZE / CHAIN_BYTES));
}

static struct cell *chain_new(struct kunit *test, struct obm_heap *heap,
			      unsigned long nr)
{
	struct cell *head = NULL, *cell;
	unsigned long i;

	object_type(test, &cell_type);
	for (i = 0; i < nr; i++) {
		cell = obm_obj_new(heap, &cell_type, GFP_KERNEL);
		if (!cell)
			break;
		if (head) {
			obm_ref_set(&cell->obj, &cell->next, head);
			obm_obj_put(&head->obj);
		}
		head = cell;
		if (!(i % 4096))
			cond_resched();
	}
	KUNIT_EXPECT_EQ(test, i, nr);
	return head;
}

/* However long, it needs no stack; and the put returns soon. */
static void long_chain(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	unsigned long nr = chain_length(), left;
	struct cell *head = chain_new(test, heap, nr);

	kunit_info(test, "a chain of %lu objects", nr);
	KUNIT_ASSERT_NOT_NULL(test, head);
	preempt_disable();
	obm_obj_put(&head->obj);
	left = obm_get(test, heap).nr_blocks;
	preempt_enable();
	/* The rest is left to the worker. */
	KUNIT_EXPECT_GT(test, left, nr / 2);
	object_expect_idle(test, heap);
}

struct wide {
	struct obm_obj obj;
	struct {
		OBM_REF(struct cell);
	} *links;
};

static int wide_traverse(struct obm_obj *obj, obm_visit_t visit, void *arg)
{
	struct wide *wide = container_of(obj, struct wide, obj);
	unsigned int i;
	int err = 0;

	for (i = 0; wide->links && i < NR_WIDE && !err; i++)
		err = visit(&wide->links[i].ref, arg);
	return err;
}

static struct obm_type wide_type = {
	.name = "wide",
	.size = sizeof(struct wide),
	.traverse = wide_traverse,
};

static void many_links(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct wide *wide = object_new(test, heap, &wide_type);
	struct cell *cell;
	void *links = vzalloc(NR_WIDE * sizeof(*wide->links));
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, links);
	wide->links = links;
	object_type(test, &cell_type);
	for (i = 0; i < NR_WIDE; i++) {
		cell = obm_obj_new(heap, &cell_type, GFP_KERNEL);
		if (!cell)
			break;
		obm_ref_set(&wide->obj, &wide->links[i], cell);
		/* Every other one hangs on the one before. */
		if (i & 1)
			obm_ref_set(&cell->obj, &cell->next,
				    wide->links[i - 1].to);
		obm_obj_put(&cell->obj);
	}
	KUNIT_EXPECT_EQ(test, i, NR_WIDE);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 0L);
	obm_obj_put(&wide->obj);
	object_expect_idle(test, heap);
	vfree(links);
}

/**
 * struct race - several who set one link
 * @owner: of the link
 * @targets: what they set it to
 * @done: they have
 * @nr: how many still do
 */
static struct race {
	struct item *owner;
	struct item *targets[2];
	struct completion done;
	atomic_t nr;
} race;

static int race_thread(void *arg)
{
	struct item *target = arg;
	unsigned int i;

	for (i = 0; i < RACE_ROUNDS; i++) {
		if (i % 3)
			obm_ref_set(&race.owner->obj, &race.owner->next,
				    target);
		else
			obm_ref_clear(&race.owner->obj, &race.owner->next);
		if (!(i % 256))
			cond_resched();
	}
	if (atomic_dec_and_test(&race.nr))
		complete(&race.done);
	return 0;
}

/* No reference is lost, none is left. */
static void set_by_several(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct task_struct *task;
	unsigned int i;

	init_completion(&race.done);
	race.owner = plain_new(test, heap, 1);
	atomic_set(&race.nr, ARRAY_SIZE(race.targets));
	for (i = 0; i < ARRAY_SIZE(race.targets); i++) {
		race.targets[i] = plain_new(test, heap, 2 + i);
		task = kthread_run(race_thread, race.targets[i], "obm_ref/%u",
				   i);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	}
	while (!try_wait_for_completion(&race.done)) {
		obm_gc_collect(heap, 2);
		cond_resched();
	}
	obm_ref_clear(&race.owner->obj, &race.owner->next);
	KUNIT_EXPECT_EQ(test, item_refs(race.targets[0]), 1U);
	KUNIT_EXPECT_EQ(test, item_refs(race.targets[1]), 1U);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_bad[OBM_BAD_TYPE], 0);
	EXPECT_EVENTS(test, "");
	item_put(race.owner);
	item_put(race.targets[0]);
	item_put(race.targets[1]);
	EXPECT_EVENTS(test, "R1 R2 R3");
	object_expect_idle(test, heap);
}

static struct kunit_case ref_cases[] = {
	KUNIT_CASE(set_and_clear),
	KUNIT_CASE(moved),
	KUNIT_CASE(moved_from_who_dies),
	KUNIT_CASE(between_heaps),
	KUNIT_CASE(order_of_a_tree),
	KUNIT_CASE_SLOW(long_chain),
	KUNIT_CASE_SLOW(many_links),
	KUNIT_CASE_SLOW(set_by_several),
	{ }
};

static struct kunit_suite ref_suite = {
	.name = "obmalloc_ref",
	.suite_init = console_init,
	.suite_exit = console_exit,
	.init = object_test_init,
	.exit = object_test_exit,
	.test_cases = ref_cases,
};

kunit_test_suite(ref_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of links between obmalloc's objects");
MODULE_LICENSE("GPL");
