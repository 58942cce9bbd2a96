// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many want the same few values, in threads and in soft interrupts, and give them
 * back, or let hard interrupts do that. So values die all the time, while others find
 * them. Who has one must find the same one again, and no other, whoever has replaced
 * what.
 */
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/timer.h>

#include "object.h"

#define NR_THREADS	4
#define NR_VALUES	6
#define RUN_MS		600
#define PERIOD_NS	(100000 * OBM_TEST_SLOWNESS)
/* In each context. */
#define MIN_GOT		100

/* A large integer, and a string of some length that none of its parts is. */
#define VALUE_INT(i)	(1000000007LL * ((i) + 1))
#define VALUE_LEN(i)	(3 + 11 * (i))

#define NR_SLOTS	4

enum who { TASK, SOFTIRQ, NR_WHO };

/**
 * struct crowd - who wants values
 * @heap: here
 * @texts: the strings
 * @stop: the timers shall not start again
 * @slots: values that a hard interrupt is to put
 * @nr_got: values that somebody got, by context
 * @nr_put: values that hard interrupts have put
 * @nr_broken: what should not be
 * @threads: threads that take steps
 * @rnd: of the soft interrupts
 * @hrtimer: hard interrupts
 * @timer: soft interrupts
 */
struct crowd {
	struct obm_heap *heap;
	char texts[NR_VALUES][100];
	bool stop;
	struct obm_obj *slots[NR_SLOTS];
	atomic_long_t nr_got[NR_WHO];
	atomic_long_t nr_put;
	atomic_t nr_broken;
	struct task_struct *threads[NR_THREADS];
	struct rnd_state rnd;
	struct hrtimer hrtimer;
	struct timer_list timer;
};

/* Lets a hard interrupt do it, if that has come since the last time. */
static void put_later(struct crowd *crowd, struct obm_obj *obj)
{
	struct obm_obj **slot = &crowd->slots[get_random_u32() % NR_SLOTS];

	obj = xchg(slot, obj);
	if (obj)
		obm_obj_put(obj);
}

/* Twice the same integer: the second is there, as we have the first. */
static void step_int(struct crowd *crowd, unsigned int i, gfp_t gfp,
		     enum who who)
{
	struct obm_int *n = obm_intern_int(crowd->heap, VALUE_INT(i), gfp);
	struct obm_int *again;

	if (!n)
		return;
	atomic_long_inc(&crowd->nr_got[who]);
	again = obm_intern_int(crowd->heap, VALUE_INT(i), gfp);
	if (again != n || n->value != VALUE_INT(i))
		atomic_inc(&crowd->nr_broken);
	if (again)
		obm_obj_put(&again->obj);
	put_later(crowd, &n->obj);
}

static void step_bytes(struct crowd *crowd, unsigned int i, gfp_t gfp,
		       enum who who)
{
	struct obm_bytes *bytes, *again;
	size_t len = VALUE_LEN(i);

	bytes = obm_intern(crowd->heap, crowd->texts[i], len, gfp);
	if (!bytes)
		return;
	atomic_long_inc(&crowd->nr_got[who]);
	again = obm_intern(crowd->heap, crowd->texts[i], len, gfp);
	if (again != bytes || bytes->len != len ||
	    memcmp(bytes->data, crowd->texts[i], len))
		atomic_inc(&crowd->nr_broken);
	put_later(crowd, &bytes->obj);
	if (again)
		obm_obj_put(&again->obj);
}

static void step(struct crowd *crowd, u32 rnd, gfp_t gfp, enum who who)
{
	if (rnd & 0x10000)
		step_int(crowd, rnd % NR_VALUES, gfp, who);
	else
		step_bytes(crowd, rnd % NR_VALUES, gfp, who);
}

static int thread_fn(void *data)
{
	struct crowd *crowd = data;
	struct obm_int *kept = NULL;
	unsigned int i;

	while (!kthread_should_stop()) {
		for (i = 0; i < 64; i++)
			step(crowd, get_random_u32(), GFP_KERNEL, TASK);
		/* Over a pause, so that others find one that lives. */
		if (kept)
			obm_obj_put(&kept->obj);
		i = get_random_u32() % NR_VALUES;
		kept = obm_intern_int(crowd->heap, VALUE_INT(i), GFP_KERNEL);
		cond_resched();
	}
	if (kept)
		obm_obj_put(&kept->obj);
	return 0;
}

static enum hrtimer_restart hrtimer_fn(struct hrtimer *hrtimer)
{
	struct crowd *crowd = container_of(hrtimer, struct crowd, hrtimer);
	struct obm_obj *obj;
	unsigned int i;

	for (i = 0; i < NR_SLOTS; i++) {
		obj = xchg(&crowd->slots[i], NULL);
		if (!obj)
			continue;
		atomic_long_inc(&crowd->nr_put);
		obm_obj_put(obj);
	}
	if (READ_ONCE(crowd->stop))
		return HRTIMER_NORESTART;
	return obm_test_again(hrtimer, PERIOD_NS);
}

static void timer_fn(struct timer_list *timer)
{
	struct crowd *crowd = container_of(timer, struct crowd, timer);
	unsigned int i;

	for (i = 0; i < 64 / OBM_TEST_SLOWNESS; i++)
		step(crowd, prandom_u32_state(&crowd->rnd), GFP_ATOMIC,
		     SOFTIRQ);
	if (!READ_ONCE(crowd->stop))
		mod_timer(timer, jiffies + 1);
}

static struct crowd *crowd_new(struct kunit *test)
{
	struct crowd *crowd = kunit_kzalloc(test, sizeof(*crowd), GFP_KERNEL);
	struct obm_int *n;
	unsigned int i;
	u64 seed = get_random_u64();

	KUNIT_ASSERT_NOT_NULL(test, crowd);
	kunit_info(test, "seed %llu, of the soft interrupts", seed);
	crowd->heap = object_heap(test);
	for (i = 0; i < NR_VALUES; i++)
		memset(crowd->texts[i], 'a' + i, sizeof(crowd->texts[i]));
	prandom_seed_state(&crowd->rnd, seed);
	/* The first one of a heap may sleep. */
	n = obm_intern_int(crowd->heap, 1, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, n);
	return crowd;
}

static bool crowd_did_enough(struct crowd *crowd)
{
	return atomic_long_read(&crowd->nr_got[TASK]) >= MIN_GOT &&
	       atomic_long_read(&crowd->nr_got[SOFTIRQ]) >= MIN_GOT &&
	       atomic_long_read(&crowd->nr_put) >= MIN_GOT;
}

static void crowd_run(struct kunit *test, struct crowd *crowd)
{
	unsigned long begin = jiffies;
	unsigned int i;

	obm_hrtimer_setup(&crowd->hrtimer, hrtimer_fn, CLOCK_MONOTONIC,
			  HRTIMER_MODE_REL_HARD);
	timer_setup(&crowd->timer, timer_fn, 0);
	for (i = 0; i < NR_THREADS; i++) {
		crowd->threads[i] = kthread_run(thread_fn, crowd,
						"obm_intern/%u", i);
		if (IS_ERR(crowd->threads[i]))
			break;
	}
	hrtimer_start(&crowd->hrtimer, ns_to_ktime(PERIOD_NS),
		      HRTIMER_MODE_REL_HARD);
	mod_timer(&crowd->timer, jiffies);
	while (obm_test_goes_on(begin, RUN_MS, crowd_did_enough(crowd)))
		msleep(20);
	WRITE_ONCE(crowd->stop, true);
	hrtimer_cancel(&crowd->hrtimer);
	obm_timer_delete_sync(&crowd->timer);
	KUNIT_EXPECT_EQ(test, i, NR_THREADS);
	while (i--)
		kthread_stop(crowd->threads[i]);
	/* What came after the last hard interrupt. */
	for (i = 0; i < NR_SLOTS; i++)
		if (crowd->slots[i])
			obm_obj_put(crowd->slots[i]);
}

static void one_for_all(struct kunit *test)
{
	struct crowd *crowd = crowd_new(test);
	enum who who;

	crowd_run(test, crowd);
	kunit_info(test, "got %ld values in tasks, %ld in soft interrupts; %ld were put in hard ones",
		   atomic_long_read(&crowd->nr_got[TASK]),
		   atomic_long_read(&crowd->nr_got[SOFTIRQ]),
		   atomic_long_read(&crowd->nr_put));
	KUNIT_EXPECT_EQ(test, atomic_read(&crowd->nr_broken), 0);
	for (who = TASK; who < NR_WHO; who++)
		KUNIT_EXPECT_GE(test, atomic_long_read(&crowd->nr_got[who]),
				MIN_GOT);
	KUNIT_EXPECT_GE(test, atomic_long_read(&crowd->nr_put), MIN_GOT);
	obm_obj_flush(crowd->heap);
	/* The small one. */
	KUNIT_EXPECT_EQ(test, obm_get(test, crowd->heap).nr_blocks, 1);
	KUNIT_EXPECT_EQ(test, obm_heap_validate(crowd->heap), 0);
}

static struct kunit_case intern_race_cases[] = {
	KUNIT_CASE(one_for_all),
	{ }
};

static struct kunit_suite intern_race_suite = {
	.name = "obmalloc_intern_race",
	.init = object_test_init,
	.exit = object_test_exit,
	.test_cases = intern_race_cases,
};

kunit_test_suite(intern_race_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of obmalloc's shared values among many");
MODULE_LICENSE("GPL");
