// SPDX-License-Identifier: GPL-2.0-only
/*
 * Objects in every context: made, counted and dropped in interrupts, left to the
 * worker where their callbacks may sleep, and looked up while others drop them.
 */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/random.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>

#include "context.h"
#include "object.h"

static void put_fn(void *arg)
{
	item_put(arg);
}

/**
 * struct place - where a callback ran
 * @calls: how often it was called
 * @hardirq: in a hard interrupt
 * @softirq: in a soft one
 * @worker: in a worker
 */
struct place {
	unsigned int calls;
	bool hardirq;
	bool softirq;
	bool worker;
};

static void note_place(struct item *item)
{
	struct place *place = item->data;

	place->calls++;
	place->hardirq = in_hardirq();
	place->softirq = in_serving_softirq();
	place->worker = in_task() && current->flags & PF_WQ_WORKER;
}

static struct item *placed_new(struct kunit *test, struct obm_heap *heap,
			       struct obm_type *type, unsigned int id,
			       struct place *place)
{
	struct item *item = item_new_of(test, heap, type, id);

	item->released = note_place;
	item->data = place;
	return item;
}

/* All is done where the last reference goes, what hangs on it included. */
static void last_put_in_interrupts(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct place a = { }, b = { };
	struct item *item;

	item = placed_new(test, heap, &item_type, 1, &a);
	item_give(test, item, next, placed_new(test, heap, &item_type, 2, &b));
	call_in_hardirq(test, put_fn, item);
	EXPECT_EVENTS(test, "F1 C1 F2 C2 R2 R1");
	KUNIT_EXPECT_TRUE(test, a.hardirq);
	KUNIT_EXPECT_TRUE(test, b.hardirq);

	item = placed_new(test, heap, &item_type, 1, &a);
	item_give(test, item, next, placed_new(test, heap, &item_type, 2, &b));
	call_in_softirq(test, put_fn, item);
	EXPECT_EVENTS(test, "F1 C1 F2 C2 R2 R1");
	KUNIT_EXPECT_TRUE(test, a.softirq && !a.hardirq);
	KUNIT_EXPECT_TRUE(test, b.softirq && !b.hardirq);

	item = placed_new(test, heap, &item_type, 1, &a);
	local_irq_disable();
	item_put(item);
	local_irq_enable();
	EXPECT_EVENTS(test, "F1 C1 R1");
	KUNIT_EXPECT_FALSE(test, a.softirq || a.hardirq || a.worker);
	KUNIT_EXPECT_EQ(test, a.calls, 3U);
	object_expect_idle(test, heap);
}

struct made_there {
	struct obm_heap *heap;
	struct item *items[100];
	int err;
};

static void make_fn(void *arg)
{
	struct made_there *made = arg;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(made->items); i++) {
		made->items[i] = obm_obj_new(made->heap, &plain_type,
					     GFP_ATOMIC);
		if (IS_ERR_OR_NULL(made->items[i])) {
			made->err = -ENOMEM;
			return;
		}
		made->items[i]->id = i;
		made->items[i]->released = NULL;
		if (!i)
			continue;
		made->err |= obm_ref_set(&made->items[i]->obj,
					 &made->items[i]->next,
					 made->items[i - 1]);
		item_put(made->items[i - 1]);
	}
}

/* And found by the collector when it has become garbage. */
static void made_in_interrupts(struct kunit *test)
{
	struct made_there *made = kunit_kzalloc(test, sizeof(*made),
						GFP_KERNEL);
	struct obm_heap *heap = object_heap(test);
	struct item *last;

	KUNIT_ASSERT_NOT_NULL(test, made);
	object_type(test, &plain_type);
	KUNIT_EXPECT_EQ(test, obm_type_prepare(heap, &plain_type), 0);
	made->heap = heap;
	call_in_hardirq(test, make_fn, made);
	KUNIT_ASSERT_EQ(test, made->err, 0);
	last = made->items[ARRAY_SIZE(made->items) - 1];
	item_link(test, made->items[0], next, last);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 0), 0L);
	KUNIT_EXPECT_EQ(test, obm_gc_generation(&last->obj), 1);
	item_put(last);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 1),
			(long)ARRAY_SIZE(made->items));

	call_in_softirq(test, make_fn, made);
	KUNIT_ASSERT_EQ(test, made->err, 0);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 0L);
	last = made->items[ARRAY_SIZE(made->items) - 1];
	call_in_hardirq(test, put_fn, last);
	events_take();
	object_expect_idle(test, heap);
}

static void sleep_a_while(struct item *item)
{
	note_place(item);
	msleep(20);
}

/* Its callbacks sleep, so a worker calls them. */
static struct obm_type sleepy_type = {
	.name = "sleepy",
	.size = sizeof(struct item),
	.flags = OBM_TYPE_MAY_SLEEP,
	OBM_LINKS(struct item, next, 2),
	.finalize = item_finalize,
	.clear = item_clear,
	.release = item_release,
};

static struct item *sleepy_new(struct kunit *test, struct obm_heap *heap,
			       unsigned int id, struct place *place)
{
	struct item *item = item_new_of(test, heap, &sleepy_type, id);

	item->data = place;
	item->finalize = sleep_a_while;
	item->cleared = sleep_a_while;
	item->released = sleep_a_while;
	return item;
}

static void may_sleep_is_deferred(struct kunit *test)
{
	void (*const calls[])(struct kunit *test, void (*fn)(void *arg),
			      void *arg) = {
		call_in_hardirq, call_in_softirq, NULL,
	};
	struct obm_heap *heap = object_heap(test);
	struct place place;
	struct item *item;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		place = (struct place){ };
		item = sleepy_new(test, heap, 1, &place);
		if (calls[i])
			calls[i](test, put_fn, item);
		else
			item_put(item);
		obm_obj_flush(heap);
		EXPECT_EVENTS(test, "F1 C1 R1");
		KUNIT_EXPECT_EQ(test, place.calls, 3U);
		KUNIT_EXPECT_TRUE(test, place.worker);
	}
	object_expect_idle(test, heap);
}

/* Between two that are dropped in the last put itself. */
static void may_sleep_in_a_chain(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *a = item_new(test, heap, 1), *b;
	struct place place = { };

	b = sleepy_new(test, heap, 2, &place);
	item_give(test, b, next, item_new(test, heap, 3));
	item_give(test, a, next, b);
	preempt_disable();
	item_put(a);
	KUNIT_EXPECT_EQ(test, place.calls, 0U);
	preempt_enable();
	obm_obj_flush(heap);
	KUNIT_EXPECT_EQ(test, place.calls, 3U);
	KUNIT_EXPECT_TRUE(test, place.worker);
	events_take();
	object_expect_idle(test, heap);
}

/* A ring of both kinds: the collector's own callbacks may sleep as well. */
static void may_sleep_in_a_cycle(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *a = item_new(test, heap, 1), *b;
	struct place place = { };

	b = sleepy_new(test, heap, 2, &place);
	item_link(test, b, next, a);
	item_give(test, a, next, b);
	item_put(a);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 2L);
	obm_obj_flush(heap);
	KUNIT_EXPECT_EQ(test, place.calls, 3U);
	events_take();
	object_expect_idle(test, heap);
}

#define RUN_MS		500
#define NR_THREADS	3
#define NR_SLOTS	8
#define PERIOD_NS	(50000 * OBM_TEST_SLOWNESS)

/* Less than that, and nothing was tested. */
#define MIN_HITS	1000
#define MIN_MISSES	1
#define MIN_IRQS	20

/* What is looked up: alive as long as there is a reference. */
struct thing {
	struct obm_obj obj;
	unsigned long alive;
};

#define ALIVE	0x616c6976UL

static void thing_release(struct obm_obj *obj)
{
	struct thing *thing = container_of(obj, struct thing, obj);

	WRITE_ONCE(thing->alive, 0);
}

static struct obm_type thing_type = {
	.name = "thing",
	.size = sizeof(struct thing),
	.flags = OBM_TYPE_RCU,
	.release = thing_release,
};

/**
 * struct load - many who look things up, and who replaces them
 * @heap: of the things
 * @slots: where they are found, with a reference
 * @stop: the timer shall not start again
 * @nr_hits: references that were got
 * @nr_misses: and were not, as the thing was dead
 * @nr_broken: things that were dead and yet got
 * @nr_irqs: times that the timer came
 * @hrtimer: replaces things in hard interrupts
 * @threads: look things up, and replace some
 */
struct load {
	struct obm_heap *heap;
	struct thing __rcu *slots[NR_SLOTS];
	bool stop;
	atomic_t nr_hits;
	atomic_t nr_misses;
	atomic_t nr_broken;
	unsigned int nr_irqs;
	struct hrtimer hrtimer;
	struct task_struct *threads[NR_THREADS];
};

static void replace(struct load *load, gfp_t gfp)
{
	struct thing *thing = obm_obj_new(load->heap, &thing_type, gfp);
	struct thing __rcu **slot;

	if (!thing)
		return;
	WRITE_ONCE(thing->alive, ALIVE);
	slot = &load->slots[get_random_u32() % NR_SLOTS];
	thing = (__force struct thing *)xchg(slot,
					     RCU_INITIALIZER(thing));
	if (thing)
		obm_obj_put(&thing->obj);
}

static void look_up(struct load *load)
{
	struct thing *thing;
	unsigned int spins;

	rcu_read_lock();
	thing = rcu_dereference(load->slots[get_random_u32() % NR_SLOTS]);
	/* Gives the interrupt some time to drop it. */
	for (spins = get_random_u32() % 64; thing && spins; spins--)
		cpu_relax();
	if (thing && !obm_obj_get_unless_zero(&thing->obj)) {
		atomic_inc(&load->nr_misses);
		thing = NULL;
	}
	rcu_read_unlock();
	if (!thing)
		return;
	atomic_inc(&load->nr_hits);
	for (spins = 0; spins < 64; spins++)
		if (READ_ONCE(thing->alive) != ALIVE)
			atomic_inc(&load->nr_broken);
	obm_obj_put(&thing->obj);
}

static enum hrtimer_restart load_hrtimer(struct hrtimer *hrtimer)
{
	struct load *load = container_of(hrtimer, struct load, hrtimer);
	unsigned int i;

	WRITE_ONCE(load->nr_irqs, load->nr_irqs + 1);
	for (i = 0; i < NR_SLOTS; i++)
		replace(load, GFP_ATOMIC);
	look_up(load);
	if (READ_ONCE(load->stop))
		return HRTIMER_NORESTART;
	return obm_test_again(hrtimer, PERIOD_NS + get_random_u32() % 4096);
}

static int load_thread(void *data)
{
	struct load *load = data;
	unsigned int i;

	while (!kthread_should_stop()) {
		for (i = 0; i < 64; i++) {
			look_up(load);
			if (i % 8 == 0)
				replace(load, GFP_KERNEL);
		}
		cond_resched();
	}
	return 0;
}

static bool load_is_enough(struct load *load)
{
	return atomic_read(&load->nr_hits) >= MIN_HITS &&
	       atomic_read(&load->nr_misses) >= MIN_MISSES &&
	       READ_ONCE(load->nr_irqs) >= MIN_IRQS;
}

static void unless_zero_against_the_last_put(struct kunit *test)
{
	struct load *load = kunit_kzalloc(test, sizeof(*load), GFP_KERNEL);
	struct thing *thing;
	unsigned long begin;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, load);
	load->heap = object_heap(test);
	object_type(test, &thing_type);
	KUNIT_ASSERT_EQ(test, obm_type_prepare(load->heap, &thing_type), 0);
	obm_hrtimer_setup(&load->hrtimer, load_hrtimer, CLOCK_MONOTONIC,
			  HRTIMER_MODE_REL_HARD);
	for (i = 0; i < NR_THREADS; i++)
		load->threads[i] = kthread_run(load_thread, load,
					       "obm_object/%u", i);
	hrtimer_start(&load->hrtimer, ns_to_ktime(PERIOD_NS),
		      HRTIMER_MODE_REL_HARD);
	begin = jiffies;
	while (obm_test_goes_on(begin, RUN_MS, load_is_enough(load)))
		msleep(20);
	for (i = 0; i < NR_THREADS; i++)
		if (!IS_ERR_OR_NULL(load->threads[i]))
			kthread_stop(load->threads[i]);
	WRITE_ONCE(load->stop, true);
	hrtimer_cancel(&load->hrtimer);

	KUNIT_EXPECT_EQ(test, atomic_read(&load->nr_broken), 0);
	KUNIT_EXPECT_GE(test, atomic_read(&load->nr_hits), MIN_HITS);
	KUNIT_EXPECT_GE(test, atomic_read(&load->nr_misses), MIN_MISSES);
	KUNIT_EXPECT_GE(test, load->nr_irqs, MIN_IRQS);
	for (i = 0; i < NR_SLOTS; i++) {
		thing = rcu_dereference_protected(load->slots[i], true);
		if (thing)
			obm_obj_put(&thing->obj);
	}
	/* Whose memory still waits for a grace period. */
	rcu_barrier();
	object_expect_idle(test, load->heap);
}

static struct kunit_case context_cases[] = {
	KUNIT_CASE(last_put_in_interrupts),
	KUNIT_CASE(made_in_interrupts),
	KUNIT_CASE(may_sleep_is_deferred),
	KUNIT_CASE(may_sleep_in_a_chain),
	KUNIT_CASE(may_sleep_in_a_cycle),
	KUNIT_CASE(unless_zero_against_the_last_put),
	{ }
};

static struct kunit_suite context_suite = {
	.name = "obmalloc_object_context",
	.init = object_test_init,
	.exit = object_test_exit,
	.test_cases = context_cases,
};

kunit_test_suite(context_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of obmalloc's objects in every context");
MODULE_LICENSE("GPL");
