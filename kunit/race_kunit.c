// SPDX-License-Identifier: GPL-2.0-only
/*
 * The figures add up at any instant: threads, a timer in hard interrupts, one in
 * soft interrupts and an irq_work allocate and free, what the others allocated
 * too, while they are read. On one CPU it is the interrupts that come at any
 * instruction.
 */
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/timer.h>

#include "common.h"

#define NR_THREADS	3
#define NR_SLOTS	128
#define RUN_MS		700
#define PERIOD_NS	(200000 * OBM_TEST_SLOWNESS)

/* Less than that, and nothing was tested. */
#define MIN_READS	(1000 / OBM_TEST_SLOWNESS)
#define MIN_STEPS	(10000 / OBM_TEST_SLOWNESS)
#define MIN_IRQS	20
#define MIN_SOFTIRQS	10
#define MIN_WORKS	10

/**
 * struct load - who allocates and frees
 * @heap: here
 * @slots: blocks, of whoever takes them out
 * @stop: the timers shall not start again
 * @nr_steps: steps of all
 * @nr_irqs: times that the hard interrupt came
 * @nr_softirqs: times that the soft interrupt came
 * @nr_works: times that the irq_work came
 * @nr_broken: wrong sums or overwritten blocks
 * @threads: threads that take steps
 * @hrtimer: hard interrupts
 * @timer: soft interrupts
 * @work: queued by them
 */
struct load {
	struct obm_heap *heap;
	void *slots[NR_SLOTS];
	bool stop;
	atomic_long_t nr_steps;
	atomic_t nr_irqs;
	atomic_t nr_softirqs;
	atomic_t nr_works;
	atomic_t nr_broken;
	struct task_struct *threads[NR_THREADS];
	struct hrtimer hrtimer;
	struct timer_list timer;
	struct irq_work work;
};

/* A block says its size and where it is, at both of its ends. */
static unsigned long mark_of(const void *ptr, size_t size)
{
	return (unsigned long)ptr ^ (size * 0x9e3779b97f4a7c15UL);
}

static void step(struct load *load, gfp_t gfp)
{
	u32 rnd = get_random_u32();
	void **slot = &load->slots[rnd % NR_SLOTS];
	void *ptr = xchg(slot, NULL);
	unsigned long *words;
	size_t size;

	atomic_long_inc(&load->nr_steps);
	if (ptr) {
		words = ptr;
		size = words[1];
		if (words[0] != mark_of(ptr, size) ||
		    words[size / sizeof(long) - 1] != words[0])
			atomic_inc(&load->nr_broken);
		obm_free(ptr);
		return;
	}
	size = 24 + (rnd >> 16) % 62 * 8;
	if ((rnd >> 8) % 16 == 0)
		size *= 20;
	ptr = obm_alloc(load->heap, size, gfp | __GFP_NOWARN);
	if (!ptr)
		return;
	words = ptr;
	words[0] = mark_of(ptr, size);
	words[1] = size;
	words[size / sizeof(long) - 1] = words[0];
	if (cmpxchg(slot, NULL, ptr))
		obm_free(ptr);
}

/*
 * The peak says whether the limit held: nodes and raw blocks are read one after
 * the other, and what moves in between makes the sum larger than it ever was.
 */
static void check(struct load *load)
{
	struct obm_stats s;

	obm_heap_stats(load->heap, &s);
	if (!obm_adds_up(&s) || (s.limit_bytes && s.peak_bytes > s.limit_bytes))
		atomic_inc(&load->nr_broken);
}

static int thread_fn(void *data)
{
	struct load *load = data;
	unsigned int i;

	while (!kthread_should_stop()) {
		for (i = 0; i < 64; i++)
			step(load, GFP_KERNEL);
		cond_resched();
	}
	return 0;
}

static enum hrtimer_restart hrtimer_fn(struct hrtimer *hrtimer)
{
	struct load *load = container_of(hrtimer, struct load, hrtimer);
	unsigned int i;

	atomic_inc(&load->nr_irqs);
	check(load);
	for (i = 0; i < 8; i++)
		step(load, GFP_ATOMIC);
	check(load);
	if (READ_ONCE(load->stop))
		return HRTIMER_NORESTART;
	return obm_test_again(hrtimer, PERIOD_NS);
}

static void timer_fn(struct timer_list *timer)
{
	struct load *load = container_of(timer, struct load, timer);
	unsigned int i;

	atomic_inc(&load->nr_softirqs);
	for (i = 0; i < 64 / OBM_TEST_SLOWNESS; i++)
		step(load, GFP_ATOMIC);
	obm_heap_trim(load->heap);
	check(load);
	irq_work_queue(&load->work);
	if (!READ_ONCE(load->stop))
		mod_timer(timer, jiffies + 1);
}

static void work_fn(struct irq_work *work)
{
	struct load *load = container_of(work, struct load, work);
	unsigned int i;

	atomic_inc(&load->nr_works);
	for (i = 0; i < 8; i++)
		step(load, GFP_NOWAIT);
	check(load);
}

static void load_start(struct kunit *test, struct load *load)
{
	unsigned int i;

	obm_hrtimer_setup(&load->hrtimer, hrtimer_fn, CLOCK_MONOTONIC,
			  HRTIMER_MODE_REL_HARD);
	timer_setup(&load->timer, timer_fn, 0);
	init_irq_work(&load->work, work_fn);
	for (i = 0; i < NR_THREADS; i++) {
		load->threads[i] = kthread_run(thread_fn, load, "obm_race/%u",
					       i);
		KUNIT_EXPECT_NOT_ERR_OR_NULL(test, load->threads[i]);
	}
	hrtimer_start(&load->hrtimer, ns_to_ktime(PERIOD_NS),
		      HRTIMER_MODE_REL_HARD);
	mod_timer(&load->timer, jiffies + 1);
}

static void load_stop(struct load *load)
{
	unsigned int i;

	for (i = 0; i < NR_THREADS; i++)
		if (!IS_ERR_OR_NULL(load->threads[i]))
			kthread_stop(load->threads[i]);
	WRITE_ONCE(load->stop, true);
	hrtimer_cancel(&load->hrtimer);
	obm_timer_delete_sync(&load->timer);
	irq_work_sync(&load->work);
}

static bool load_is_enough(struct load *load, unsigned int reads)
{
	return reads >= MIN_READS &&
	       atomic_long_read(&load->nr_steps) >= MIN_STEPS &&
	       atomic_read(&load->nr_irqs) >= MIN_IRQS &&
	       atomic_read(&load->nr_softirqs) >= MIN_SOFTIRQS &&
	       atomic_read(&load->nr_works) >= MIN_WORKS;
}

static const size_t limits[] = { 0, 40 * 4096, 400 * 4096 };

static void limit_desc(const size_t *limit, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "limit=%zu", *limit);
}

KUNIT_ARRAY_PARAM(limit, limits, limit_desc);

static void sums_hold_at_any_instant(struct kunit *test)
{
	struct load *load = kunit_kzalloc(test, sizeof(*load), GFP_KERNEL);
	unsigned int i, reads = 0, invalid = 0;
	unsigned long begin;
	struct obm_stats s;

	KUNIT_ASSERT_NOT_NULL(test, load);
	load->heap = obm_test_heap(test, *(const size_t *)test->param_value);
	load_start(test, load);
	/* Nothing may abort the case until all has stopped. */
	begin = jiffies;
	while (obm_test_goes_on(begin, RUN_MS, load_is_enough(load, reads))) {
		for (i = 0; i < 64; i++, reads++)
			check(load);
		invalid += !!obm_heap_validate(load->heap);
		cond_resched();
	}
	load_stop(load);

	KUNIT_EXPECT_EQ(test, atomic_read(&load->nr_broken), 0);
	KUNIT_EXPECT_EQ(test, invalid, 0U);
	KUNIT_EXPECT_GE(test, reads, MIN_READS);
	KUNIT_EXPECT_GE(test, atomic_long_read(&load->nr_steps), MIN_STEPS);
	KUNIT_EXPECT_GE(test, atomic_read(&load->nr_irqs), MIN_IRQS);
	KUNIT_EXPECT_GE(test, atomic_read(&load->nr_softirqs), MIN_SOFTIRQS);
	KUNIT_EXPECT_GE(test, atomic_read(&load->nr_works), MIN_WORKS);

	for (i = 0; i < NR_SLOTS; i++)
		obm_free(load->slots[i]);
	obm_heap_trim(load->heap);
	s = obm_get(test, load->heap);
	KUNIT_EXPECT_EQ(test, s.nr_blocks + s.nr_raw, 0);
	KUNIT_EXPECT_EQ(test, s.nr_allocs, s.nr_frees);
	KUNIT_EXPECT_EQ(test, s.nr_arenas, 0);
	for (i = 0; i < OBM_NR_BAD; i++)
		KUNIT_EXPECT_EQ(test, s.nr_bad[i], 0);
}

static struct kunit_case race_cases[] = {
	KUNIT_CASE_PARAM(sums_hold_at_any_instant, limit_gen_params),
	{ }
};

static struct kunit_suite race_suite = {
	.name = "obmalloc_race",
	.init = obm_test_init,
	.exit = obm_test_exit,
	.test_cases = race_cases,
};

kunit_test_suite(race_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of obmalloc in several contexts at once");
MODULE_LICENSE("GPL");
