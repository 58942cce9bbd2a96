// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads and interrupts change a graph while it is collected: nothing that is
 * alive is freed, and in the end nothing is left.
 */
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/random.h>
#include <linux/timer.h>

#include "object.h"

#define NR_THREADS	3
#define NR_ROOTS	64
#define NR_LINKS	3
#define NR_LOCKS	16
#define RUN_MS		1500
/* Vertices that wait for the collector before the threads do so, too. */
#define MAX_LEFT	2000
#define PERIOD_NS	(50000 * OBM_TEST_SLOWNESS)

/* Less than that, and nothing was tested. */
#define MIN_STEPS	(10000 / OBM_TEST_SLOWNESS)
#define MIN_NEW		(1000 / OBM_TEST_SLOWNESS)
#define MIN_COLLECTIONS	(OBM_TEST_SLOWNESS > 1 ? 4 : 10)
#define MIN_IRQS	20
#define MIN_SOFTIRQS	10

#define ALIVE		0x616c6976UL

struct vertex_ref {
	OBM_REF(struct vertex);
};

struct vertex {
	struct obm_obj obj;
	struct vertex_ref links[NR_LINKS];
	struct vertex_ref more;
	unsigned long alive;
};

/**
 * struct load - many who change a graph
 * @heap: of the graph
 * @locks: each protects some roots and the links of some vertices, so that what
 *	   is found there can be got
 * @roots: vertices, counted
 * @stop: the timers shall not start again
 * @nr_new: vertices made
 * @nr_gone: and released
 * @nr_steps: changes
 * @nr_irqs: times that the hard interrupt came
 * @nr_softirqs: times that the soft interrupt came
 * @nr_broken: vertices that were got and dead
 * @nr_rescued: got by a weak reference
 * @nr_collections: of the thread that collects
 * @weak: a weak reference to some vertex
 * @hrtimer: hard interrupts
 * @timer: soft interrupts
 * @threads: that change, and one that collects
 */
static struct load {
	struct obm_heap *heap;
	raw_spinlock_t locks[NR_LOCKS];
	struct vertex *roots[NR_ROOTS];
	bool stop;
	atomic_long_t nr_new;
	atomic_long_t nr_gone;
	atomic_long_t nr_steps;
	atomic_t nr_irqs;
	atomic_t nr_softirqs;
	atomic_t nr_broken;
	atomic_t nr_rescued;
	unsigned int nr_collections;
	struct obm_weakref *weak[NR_ROOTS];
	struct hrtimer hrtimer;
	struct timer_list timer;
	struct task_struct *threads[NR_THREADS + 1];
} load;

/* Of the links of a vertex; by its id, as it has no lock of its own. */
static raw_spinlock_t *lock_of(struct vertex *vertex)
{
	return &load.locks[obm_obj_id(&vertex->obj) % NR_LOCKS];
}

static raw_spinlock_t *lock_of_root(unsigned int i)
{
	return &load.locks[i % NR_LOCKS];
}

static int vertex_traverse(struct obm_obj *obj, obm_visit_t visit, void *arg)
{
	struct vertex *vertex = container_of(obj, struct vertex, obj);

	return visit(&vertex->more.ref, arg);
}

static void vertex_release(struct obm_obj *obj)
{
	struct vertex *vertex = container_of(obj, struct vertex, obj);

	WRITE_ONCE(vertex->alive, 0);
	atomic_long_inc(&load.nr_gone);
}

static struct obm_type vertex_type = {
	.name = "vertex",
	.size = sizeof(struct vertex),
	OBM_LINKS(struct vertex, links, NR_LINKS),
	.traverse = vertex_traverse,
	.release = vertex_release,
};

static void check_alive(struct vertex *vertex)
{
	if (READ_ONCE(vertex->alive) != ALIVE)
		atomic_inc(&load.nr_broken);
}

static struct vertex *root_get(unsigned int i)
{
	struct vertex *vertex;
	unsigned long flags;

	raw_spin_lock_irqsave(lock_of_root(i), flags);
	vertex = load.roots[i];
	if (vertex)
		obm_obj_get(&vertex->obj);
	raw_spin_unlock_irqrestore(lock_of_root(i), flags);
	if (vertex)
		check_alive(vertex);
	return vertex;
}

/* Takes over the caller's reference. */
static void root_set(unsigned int i, struct vertex *vertex)
{
	unsigned long flags;

	raw_spin_lock_irqsave(lock_of_root(i), flags);
	swap(load.roots[i], vertex);
	raw_spin_unlock_irqrestore(lock_of_root(i), flags);
	if (vertex)
		obm_obj_put(&vertex->obj);
}

/* The vertex that a link refers to, counted; gives back the one it is of. */
static struct vertex *walk(struct vertex *vertex, u32 rnd)
{
	struct vertex *next;
	unsigned long flags;

	raw_spin_lock_irqsave(lock_of(vertex), flags);
	if (rnd % (NR_LINKS + 1) < NR_LINKS)
		next = obm_ref_get(&vertex->links[rnd % (NR_LINKS + 1)]);
	else
		next = obm_ref_get(&vertex->more);
	raw_spin_unlock_irqrestore(lock_of(vertex), flags);
	obm_obj_put(&vertex->obj);
	if (next)
		check_alive(next);
	return next;
}

static void link_to(struct vertex *from, struct vertex *to, u32 rnd)
{
	unsigned long flags;
	int err;

	raw_spin_lock_irqsave(lock_of(from), flags);
	if (rnd % (NR_LINKS + 1) < NR_LINKS)
		err = obm_ref_set(&from->obj, &from->links[rnd % NR_LINKS], to);
	else
		err = obm_ref_set(&from->obj, &from->more, to);
	raw_spin_unlock_irqrestore(lock_of(from), flags);
	if (err)
		atomic_inc(&load.nr_broken);
}

static struct vertex *vertex_new(gfp_t gfp)
{
	struct vertex *vertex = obm_obj_new(load.heap, &vertex_type, gfp);

	if (!vertex)
		return NULL;
	vertex->alive = ALIVE;
	atomic_long_inc(&load.nr_new);
	return vertex;
}

static void look_weakly(u32 rnd)
{
	struct obm_obj *obj = obm_weakref_get(load.weak[rnd % NR_ROOTS]);

	if (!obj)
		return;
	atomic_inc(&load.nr_rescued);
	check_alive(container_of(obj, struct vertex, obj));
	if (rnd & BIT(20))
		root_set((rnd >> 8) % NR_ROOTS, container_of(obj, struct vertex, obj));
	else
		obm_obj_put(obj);
}

static void step(gfp_t gfp)
{
	u32 rnd = get_random_u32();
	struct vertex *from = root_get(rnd % NR_ROOTS), *to;

	atomic_long_inc(&load.nr_steps);
	if (!from) {
		root_set(rnd % NR_ROOTS, vertex_new(gfp));
		return;
	}
	to = root_get((rnd >> 6) % NR_ROOTS);
	if (to && rnd & BIT(12))
		to = walk(to, rnd >> 13);
	switch ((rnd >> 16) % 8) {
	case 0:
		root_set(rnd % NR_ROOTS, NULL);
		break;
	case 1:
		link_to(from, NULL, rnd >> 20);
		break;
	case 2:
		if (to)
			obm_obj_put(&to->obj);
		to = vertex_new(gfp);
		fallthrough;
	case 3 ... 5:
		link_to(from, to, rnd >> 20);
		break;
	case 6:
		root_set(rnd % NR_ROOTS, to);
		to = NULL;
		break;
	default:
		look_weakly(rnd);
	}
	if (to)
		obm_obj_put(&to->obj);
	obm_obj_put(&from->obj);
}

static enum hrtimer_restart load_hrtimer(struct hrtimer *hrtimer)
{
	unsigned int i;

	atomic_inc(&load.nr_irqs);
	for (i = 0; i < 4; i++)
		step(GFP_ATOMIC | __GFP_NOWARN);
	if (READ_ONCE(load.stop))
		return HRTIMER_NORESTART;
	return obm_test_again(hrtimer, PERIOD_NS + get_random_u32() % 4096);
}

static void load_timer(struct timer_list *timer)
{
	unsigned int i;

	atomic_inc(&load.nr_softirqs);
	for (i = 0; i < 64 / OBM_TEST_SLOWNESS; i++)
		step(GFP_ATOMIC | __GFP_NOWARN);
	if (!READ_ONCE(load.stop))
		mod_timer(timer, jiffies + 1);
}

static int load_thread(void *data)
{
	unsigned int i;

	while (!kthread_should_stop()) {
		for (i = 0; i < 64; i++)
			step(GFP_KERNEL);
		if (atomic_long_read(&load.nr_new) -
		    atomic_long_read(&load.nr_gone) > MAX_LEFT)
			usleep_range(100, 1000);
		cond_resched();
	}
	return 0;
}

static int collect_thread(void *data)
{
	while (!kthread_should_stop()) {
		obm_gc_collect(load.heap, get_random_u32() % 3);
		WRITE_ONCE(load.nr_collections, load.nr_collections + 1);
		cond_resched();
	}
	return 0;
}

static void load_init(struct kunit *test)
{
	unsigned int i;

	memset(&load, 0, sizeof(load));
	load.heap = object_heap(test);
	for (i = 0; i < NR_LOCKS; i++)
		raw_spin_lock_init(&load.locks[i]);
	object_type(test, &vertex_type);
	for (i = 0; i < NR_ROOTS; i++) {
		load.roots[i] = vertex_new(GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, load.roots[i]);
		load.weak[i] = obm_weakref_new(&load.roots[i]->obj, NULL, NULL,
					       GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, load.weak[i]);
	}
	obm_hrtimer_setup(&load.hrtimer, load_hrtimer, CLOCK_MONOTONIC,
			  HRTIMER_MODE_REL_HARD);
	timer_setup(&load.timer, load_timer, 0);
}

static bool load_is_enough(void)
{
	return atomic_long_read(&load.nr_steps) >= MIN_STEPS &&
	       atomic_long_read(&load.nr_new) >= MIN_NEW &&
	       READ_ONCE(load.nr_collections) >= MIN_COLLECTIONS &&
	       atomic_read(&load.nr_irqs) >= MIN_IRQS &&
	       atomic_read(&load.nr_softirqs) >= MIN_SOFTIRQS;
}

static void load_run(void)
{
	unsigned long begin = jiffies;
	unsigned int i;

	for (i = 0; i < NR_THREADS; i++)
		load.threads[i] = kthread_run(load_thread, NULL, "obm_gc/%u",
					      i);
	load.threads[i] = kthread_run(collect_thread, NULL, "obm_gc/gc");
	hrtimer_start(&load.hrtimer, ns_to_ktime(PERIOD_NS),
		      HRTIMER_MODE_REL_HARD);
	mod_timer(&load.timer, jiffies + 1);
	while (obm_test_goes_on(begin, RUN_MS, load_is_enough()))
		msleep(20);
	for (i = 0; i <= NR_THREADS; i++)
		if (!IS_ERR_OR_NULL(load.threads[i]))
			kthread_stop(load.threads[i]);
	WRITE_ONCE(load.stop, true);
	hrtimer_cancel(&load.hrtimer);
	obm_timer_delete_sync(&load.timer);
}

static const bool kinds[] = { false, true };

static void kind_desc(const bool *worker, char *desc)
{
	strscpy(desc, *worker ? "with the worker" : "asked only",
		KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(kind, kinds, kind_desc);

static void changed_while_collected(struct kunit *test)
{
	unsigned int i;

	load_init(test);
	if (*(const bool *)test->param_value)
		obm_gc_enable(load.heap);
	load_run();
	obm_gc_disable(load.heap);
	kunit_info(test, "%ld steps, %ld vertices, %u collections, %d rescued\n",
		   atomic_long_read(&load.nr_steps),
		   atomic_long_read(&load.nr_new), load.nr_collections,
		   atomic_read(&load.nr_rescued));

	KUNIT_EXPECT_EQ(test, atomic_read(&load.nr_broken), 0);
	KUNIT_EXPECT_GE(test, atomic_long_read(&load.nr_steps), MIN_STEPS);
	KUNIT_EXPECT_GE(test, atomic_long_read(&load.nr_new), MIN_NEW);
	KUNIT_EXPECT_GE(test, load.nr_collections, MIN_COLLECTIONS);
	KUNIT_EXPECT_GE(test, atomic_read(&load.nr_irqs), MIN_IRQS);
	KUNIT_EXPECT_GE(test, atomic_read(&load.nr_softirqs), MIN_SOFTIRQS);

	for (i = 0; i < NR_ROOTS; i++) {
		root_set(i, NULL);
		obm_obj_put(&load.weak[i]->obj);
	}
	obm_gc_collect(load.heap, 2);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&load.nr_gone),
			atomic_long_read(&load.nr_new));
	KUNIT_EXPECT_EQ(test, obm_gc_garbage_count(load.heap), 0UL);
	object_expect_idle(test, load.heap);
}

static struct kunit_case race_cases[] = {
	KUNIT_CASE_PARAM(changed_while_collected, kind_gen_params),
	{ }
};

static struct kunit_suite race_suite = {
	.name = "obmalloc_gc_race",
	.init = object_test_init,
	.exit = object_test_exit,
	.test_cases = race_cases,
};

kunit_test_suite(race_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of obmalloc's collector against mutators");
MODULE_LICENSE("GPL");
