// SPDX-License-Identifier: GPL-2.0-only
/*
 * Very many objects that die of one last put: chains, trees and wide objects,
 * with little stack and without a long time in which nobody else runs.
 */
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/task_stack.h>

#include "context.h"
#include "object.h"

/* As many as there are in the longest chain, where memory is. */
#define CHAIN_MAX	10000000UL
#define CHAIN_MIN	(100000UL / (OBM_TEST_SLOWNESS > 1 ? 8 : 1))

/* Most of it may be in the chain: so much is its object, all told. */
#define LINK_BYTES	96

#define NR_WIDE		(100000U / (OBM_TEST_SLOWNESS > 1 ? 8 : 1))
#define TREE_DEPTH	(OBM_TEST_SLOWNESS > 1 ? 14 : 17)

struct bead_ref {
	OBM_REF(struct bead);
};

/* The least that is a chain: an object and its link. */
struct bead {
	struct obm_obj obj;
	struct bead_ref next;
};

static atomic_long_t nr_gone;
static unsigned long lowest;

/* How deep the stack is, where a callback runs on a task's. */
static void bead_release(struct obm_obj *obj)
{
	unsigned long here = (unsigned long)__builtin_frame_address(0);

	atomic_long_inc(&nr_gone);
	if (in_task() && object_is_on_stack((void *)here)) {
		here -= (unsigned long)task_stack_page(current);
		lowest = min(lowest, here);
	}
}

static struct obm_type bead_type = {
	.name = "bead",
	.size = sizeof(struct bead),
	OBM_LINKS(struct bead, next, 1),
	.release = bead_release,
};

static unsigned long chain_length(void)
{
	unsigned long room = totalram_pages() / 4 * 3 * PAGE_SIZE / LINK_BYTES;

	if (OBM_TEST_SLOWNESS > 1)
		room = CHAIN_MIN;
	return clamp(room, CHAIN_MIN, CHAIN_MAX);
}

/* The last one made is the head; NULL if memory was short. */
static struct bead *chain_new(struct obm_heap *heap, unsigned long nr)
{
	struct bead *head = NULL, *bead;

	while (nr--) {
		bead = obm_obj_new(heap, &bead_type, GFP_KERNEL);
		if (bead && head && obm_ref_set(&bead->obj, &bead->next, head))
			return NULL;
		if (head)
			obm_obj_put(&head->obj);
		head = bead;
		if (!head)
			return NULL;
		if (nr % 1024 == 0)
			cond_resched();
	}
	return head;
}

static struct bead *must_chain(struct kunit *test, struct obm_heap *heap,
			       unsigned long nr)
{
	struct bead *head;

	object_type(test, &bead_type);
	head = chain_new(heap, nr);
	KUNIT_ASSERT_NOT_NULL(test, head);
	atomic_long_set(&nr_gone, 0);
	lowest = ULONG_MAX;
	return head;
}

/**
 * struct watch - what tells whether others come to run
 * @task: a thread that wants to run all the time, but gives way
 * @last_ns: when it did
 * @longest_ns: the longest time that it could not
 */
struct watch {
	struct task_struct *task;
	u64 last_ns;
	u64 longest_ns;
};

static int watch_thread(void *data)
{
	struct watch *watch = data;
	u64 now;

	while (!kthread_should_stop()) {
		now = ktime_get_ns();
		if (watch->last_ns)
			watch->longest_ns = max(watch->longest_ns,
						now - watch->last_ns);
		watch->last_ns = now;
		usleep_range(100, 200);
	}
	return 0;
}

/* Nobody may wait as long as this for the CPU: a tenth of a second. */
#define LONGEST_NS	(100 * NSEC_PER_MSEC * OBM_TEST_SLOWNESS)

/* Dropped by a task, where others run meanwhile. */
static void long_chain(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	unsigned long nr = chain_length(), here;
	struct watch watch = { };
	struct bead *head;
	u64 begin, ns;

	head = must_chain(test, heap, nr);
	watch.task = kthread_run(watch_thread, &watch, "obm_watch");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, watch.task);
	msleep(20);
	watch.longest_ns = 0;
	here = (unsigned long)__builtin_frame_address(0) -
	       (unsigned long)task_stack_page(current);
	begin = ktime_get_ns();
	obm_obj_put(&head->obj);
	ns = ktime_get_ns() - begin;
	obm_obj_flush(heap);
	kthread_stop(watch.task);

	kunit_info(test, "%lu objects in %llu us, %llu us of them in the put, others waited %llu us at most\n",
		   nr, (ktime_get_ns() - begin) / 1000, ns / 1000,
		   watch.longest_ns / 1000);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&nr_gone), (long)nr);
	/* A worker's stack begins with less on it than this task's. */
	KUNIT_EXPECT_NE(test, lowest, ULONG_MAX);
	KUNIT_EXPECT_GT(test, lowest + 2048, here);
	KUNIT_EXPECT_LT(test, watch.longest_ns, LONGEST_NS);
	object_expect_idle(test, heap);
}

static void put_fn(void *arg)
{
	struct bead *head = arg;

	obm_obj_put(&head->obj);
}

/* The interrupt does a part, and leaves the rest to a worker. */
static void long_chain_in_hardirq(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct bead *head = must_chain(test, heap, CHAIN_MIN);

	call_in_hardirq(test, put_fn, head);
	obm_obj_flush(heap);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&nr_gone), (long)CHAIN_MIN);
	object_expect_idle(test, heap);
}

/* All that is given up by a link in the middle, and nothing before it. */
static void cut_in_the_middle(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct bead *head = must_chain(test, heap, CHAIN_MIN), *bead = head;
	unsigned long i;

	for (i = 0; i < CHAIN_MIN / 4; i++)
		bead = obm_ref_peek(&bead->next);
	obm_ref_clear(&bead->obj, &bead->next);
	obm_obj_flush(heap);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&nr_gone),
			(long)(CHAIN_MIN - CHAIN_MIN / 4 - 1));
	obm_obj_put(&head->obj);
	obm_obj_flush(heap);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&nr_gone), (long)CHAIN_MIN);
	object_expect_idle(test, heap);
}

static void count_release(struct item *item)
{
	atomic_long_inc(&nr_gone);
}

static struct obm_type twig_type = {
	.name = "twig",
	.size = sizeof(struct item),
	OBM_LINKS(struct item, next, 2),
	.release = item_release,
};

static struct item *twig_new(struct kunit *test, struct obm_heap *heap)
{
	struct item *item = item_new_of(test, heap, &twig_type, 0);

	item->released = count_release;
	return item;
}

/* Grown from the leaves: what is done for one is done for its pair. */
static void tree(struct kunit *test)
{
	struct item *made[TREE_DEPTH + 1] = { }, *item;
	struct obm_heap *heap = object_heap(test);
	unsigned long i, nr = 0;
	unsigned int level;

	atomic_long_set(&nr_gone, 0);
	for (i = 0; i < 1UL << TREE_DEPTH; i++) {
		item = twig_new(test, heap);
		nr++;
		for (level = 0; made[level]; level++) {
			struct item *parent = twig_new(test, heap);

			nr++;
			item_give(test, parent, next, made[level]);
			item_give(test, parent, other, item);
			made[level] = NULL;
			item = parent;
		}
		made[level] = item;
	}
	KUNIT_EXPECT_EQ(test, nr, (2UL << TREE_DEPTH) - 1);
	item = made[TREE_DEPTH];
	KUNIT_ASSERT_NOT_NULL(test, item);
	item_put(item);
	obm_obj_flush(heap);
	events_take();
	KUNIT_EXPECT_EQ(test, atomic_long_read(&nr_gone), (long)nr);
	object_expect_idle(test, heap);
}

/* Many links of one object, in a block of the heap that it owns. */
struct wide {
	struct obm_obj obj;
	struct bead_ref *links;
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

static void wide_release(struct obm_obj *obj)
{
	struct wide *wide = container_of(obj, struct wide, obj);

	obm_free(wide->links);
}

static struct obm_type wide_type = {
	.name = "wide",
	.size = sizeof(struct wide),
	.traverse = wide_traverse,
	.release = wide_release,
};

static struct wide *wide_new(struct kunit *test, struct obm_heap *heap)
{
	struct wide *wide = object_new(test, heap, &wide_type);
	struct bead *bead;
	unsigned int i;

	object_type(test, &bead_type);
	atomic_long_set(&nr_gone, 0);
	wide->links = obm_calloc(heap, NR_WIDE, sizeof(*wide->links),
				 GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, wide->links);
	for (i = 0; i < NR_WIDE; i++) {
		bead = object_new(test, heap, &bead_type);
		item_give(test, wide, links[i], bead);
	}
	return wide;
}

static void wide_object(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct wide *wide = wide_new(test, heap);

	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 0L);
	obm_obj_put(&wide->obj);
	obm_obj_flush(heap);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&nr_gone), (long)NR_WIDE);
	object_expect_idle(test, heap);
}

static struct kunit_case chain_cases[] = {
	KUNIT_CASE_SLOW(long_chain),
	KUNIT_CASE(long_chain_in_hardirq),
	KUNIT_CASE(cut_in_the_middle),
	KUNIT_CASE(tree),
	KUNIT_CASE(wide_object),
	{ }
};

static struct kunit_suite chain_suite = {
	.name = "obmalloc_ref_chain",
	.init = object_test_init,
	.exit = object_test_exit,
	.test_cases = chain_cases,
};

kunit_test_suite(chain_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of long chains of obmalloc's objects");
MODULE_LICENSE("GPL");
