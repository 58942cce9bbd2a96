// SPDX-License-Identifier: GPL-2.0-only
/*
 * Weak references that are asked for their objects while others drop the last
 * references to these, in threads and in interrupts.
 */
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/random.h>
#include <linux/rwsem.h>

#include "object.h"

#define NR_THREADS	3
#define NR_SLOTS	64
#define RUN_MS		700
#define PERIOD_NS	(50000 * OBM_TEST_SLOWNESS)

/* Less than that, and nothing was tested. */
#define MIN_HITS	1000
#define MIN_MISSES	100
#define MIN_IRQS	20

#define ALIVE		0x616c6976UL

struct thing_ref {
	OBM_REF(struct thing);
};

struct thing {
	struct obm_obj obj;
	struct thing_ref link;
	unsigned long alive;
};

static void thing_release(struct obm_obj *obj)
{
	struct thing *thing = container_of(obj, struct thing, obj);

	WRITE_ONCE(thing->alive, 0);
}

static struct obm_type thing_type = {
	.name = "thing",
	.size = sizeof(struct thing),
	OBM_LINKS(struct thing, link, 1),
	.release = thing_release,
};

/**
 * struct slot - an object and a weak reference to it
 * @thing: the object, of whoever takes it out, who drops it
 * @weak: stays until the next round
 * @nr_called: how often it was called back
 */
struct slot {
	struct thing *thing;
	struct obm_weakref *weak;
	atomic_t nr_called;
};

/**
 * struct load - many who get and drop
 * @heap: of the objects
 * @slots: them
 * @lock: held for reading by threads while they use slots; a round begins when
 *	  it is had for writing
 * @cyclic: each object is a cycle, which the collector finds
 * @stop: the timer shall not start again
 * @nr_hits: objects that were got
 * @nr_misses: and were not
 * @nr_broken: objects that were dead and yet got, or called back yet alive
 * @nr_irqs: times that the timer came
 * @hrtimer: gets and drops in hard interrupts
 * @threads: get and drop
 * @collector: collects
 */
struct load {
	struct obm_heap *heap;
	struct slot slots[NR_SLOTS];
	struct rw_semaphore lock;
	bool cyclic;
	bool stop;
	atomic_t nr_hits;
	atomic_t nr_misses;
	atomic_t nr_broken;
	unsigned int nr_irqs;
	struct hrtimer hrtimer;
	struct task_struct *threads[NR_THREADS];
	struct task_struct *collector;
};

static void called_back(struct obm_weakref *weak, void *arg)
{
	struct slot *slot = arg;

	/* Nobody may get it any more, here least of all. */
	if (obm_weakref_get(weak))
		atomic_add(1000, &slot->nr_called);
	atomic_inc(&slot->nr_called);
}

static void look(struct load *load, u32 rnd)
{
	struct obm_weakref *weak = READ_ONCE(load->slots[rnd % NR_SLOTS].weak);
	struct obm_obj *obj = weak ? obm_weakref_get(weak) : NULL;
	struct thing *thing = container_of(obj, struct thing, obj);
	unsigned int i;

	if (!obj) {
		atomic_inc(&load->nr_misses);
		return;
	}
	atomic_inc(&load->nr_hits);
	for (i = 0; i < (rnd >> 16 & 63); i++)
		if (READ_ONCE(thing->alive) != ALIVE)
			atomic_inc(&load->nr_broken);
	obm_obj_put(obj);
}

static void drop(struct load *load, u32 rnd)
{
	struct thing *thing = xchg(&load->slots[rnd % NR_SLOTS].thing, NULL);

	if (thing)
		obm_obj_put(&thing->obj);
}

static enum hrtimer_restart load_hrtimer(struct hrtimer *hrtimer)
{
	struct load *load = container_of(hrtimer, struct load, hrtimer);
	u32 rnd = get_random_u32();

	load->nr_irqs++;
	look(load, rnd);
	if (rnd & BIT(31))
		drop(load, rnd >> 8);
	if (READ_ONCE(load->stop))
		return HRTIMER_NORESTART;
	return obm_test_again(hrtimer, PERIOD_NS);
}

static int load_thread(void *data)
{
	struct load *load = data;
	unsigned int i;
	u32 rnd;

	while (!kthread_should_stop()) {
		down_read(&load->lock);
		for (i = 0; i < 32; i++) {
			rnd = get_random_u32();
			look(load, rnd);
			if (rnd >> 27 == 0)
				drop(load, rnd >> 8);
		}
		up_read(&load->lock);
		cond_resched();
	}
	return 0;
}

static int collect_thread(void *data)
{
	struct load *load = data;

	while (!kthread_should_stop()) {
		down_read(&load->lock);
		obm_gc_collect(load->heap, get_random_u32() % 3);
		up_read(&load->lock);
		cond_resched();
	}
	return 0;
}

/* Nobody else uses the slots. */
static int slot_fill(struct load *load, struct slot *slot)
{
	struct thing *thing = obm_obj_new(load->heap, &thing_type, GFP_KERNEL);
	int err = 0;

	if (!thing)
		return -ENOMEM;
	thing->alive = ALIVE;
	if (load->cyclic)
		err = obm_ref_set(&thing->obj, &thing->link, thing);
	atomic_set(&slot->nr_called, 0);
	slot->weak = obm_weakref_new(&thing->obj, called_back, slot,
				     GFP_KERNEL);
	slot->thing = thing;
	return slot->weak ? err : -ENOMEM;
}

static void slot_empty(struct kunit *test, struct load *load,
		       struct slot *slot)
{
	if (!slot->weak)
		return;
	KUNIT_EXPECT_EQ(test, atomic_read(&slot->nr_called), 1);
	KUNIT_EXPECT_NULL(test, obm_weakref_get(slot->weak));
	obm_obj_put(&slot->weak->obj);
	slot->weak = NULL;
}

/* What is not dropped yet is dropped, and must all be dead then. */
static void round_end(struct kunit *test, struct load *load)
{
	unsigned int i;

	for (i = 0; i < NR_SLOTS; i++)
		drop(load, i);
	if (load->cyclic)
		obm_gc_collect(load->heap, 2);
	obm_obj_flush(load->heap);
	for (i = 0; i < NR_SLOTS; i++)
		slot_empty(test, load, &load->slots[i]);
}

static void round_run(struct kunit *test, struct load *load)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < NR_SLOTS; i++)
		err |= slot_fill(load, &load->slots[i]);
	KUNIT_EXPECT_EQ(test, err, 0);
	WRITE_ONCE(load->stop, false);
	hrtimer_start(&load->hrtimer, ns_to_ktime(PERIOD_NS),
		      HRTIMER_MODE_REL_HARD);
	up_write(&load->lock);
	msleep(20);
	down_write(&load->lock);
	WRITE_ONCE(load->stop, true);
	hrtimer_cancel(&load->hrtimer);
	round_end(test, load);
}

static bool load_is_enough(struct load *load)
{
	return atomic_read(&load->nr_hits) >= MIN_HITS &&
	       atomic_read(&load->nr_misses) >= MIN_MISSES &&
	       load->nr_irqs >= MIN_IRQS;
}

static void load_run(struct kunit *test, struct load *load)
{
	unsigned long begin = jiffies;
	unsigned int i;

	init_rwsem(&load->lock);
	down_write(&load->lock);
	obm_hrtimer_setup(&load->hrtimer, load_hrtimer, CLOCK_MONOTONIC,
			  HRTIMER_MODE_REL_HARD);
	for (i = 0; i < NR_THREADS; i++)
		load->threads[i] = kthread_run(load_thread, load,
					       "obm_weak/%u", i);
	if (load->cyclic)
		load->collector = kthread_run(collect_thread, load,
					      "obm_weak/gc");
	while (obm_test_goes_on(begin, RUN_MS, load_is_enough(load)))
		round_run(test, load);
	up_write(&load->lock);
	for (i = 0; i < NR_THREADS; i++)
		if (!IS_ERR_OR_NULL(load->threads[i]))
			kthread_stop(load->threads[i]);
	if (!IS_ERR_OR_NULL(load->collector))
		kthread_stop(load->collector);
}

static const bool kinds[] = { false, true };

static void kind_desc(const bool *cyclic, char *desc)
{
	strscpy(desc, *cyclic ? "collected" : "last put",
		KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(kind, kinds, kind_desc);

static void get_against_the_end(struct kunit *test)
{
	struct load *load = kunit_kzalloc(test, sizeof(*load), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, load);
	load->heap = object_heap(test);
	load->cyclic = *(const bool *)test->param_value;
	object_type(test, &thing_type);
	load_run(test, load);

	KUNIT_EXPECT_EQ(test, atomic_read(&load->nr_broken), 0);
	KUNIT_EXPECT_GE(test, atomic_read(&load->nr_hits), MIN_HITS);
	KUNIT_EXPECT_GE(test, atomic_read(&load->nr_misses), MIN_MISSES);
	KUNIT_EXPECT_GE(test, load->nr_irqs, MIN_IRQS);
	object_expect_idle(test, load->heap);
}

static struct kunit_case race_cases[] = {
	KUNIT_CASE_PARAM(get_against_the_end, kind_gen_params),
	{ }
};

static struct kunit_suite race_suite = {
	.name = "obmalloc_weak_race",
	.init = object_test_init,
	.exit = object_test_exit,
	.test_cases = race_cases,
};

kunit_test_suite(race_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of obmalloc's weak references under load");
MODULE_LICENSE("GPL");
