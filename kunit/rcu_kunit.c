// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frees that wait for a grace period: whoever looks at a block under
 * rcu_read_lock() finds it as it was, and then it goes, in every context.
 */
#include <linux/completion.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/rcupdate.h>
#include <linux/timer.h>

#include "console.h"
#include "front.h"

#define NR_MANY		3000
#define NR_SLOTS	64
#define NR_THREADS	3
#define RUN_MS		500
#define LOOK_MS		100
#define PERIOD_NS	(100000 * OBM_TEST_SLOWNESS)

/* Less than that, and nothing was tested. */
#define MIN_STEPS	(1000 / OBM_TEST_SLOWNESS)
#define MIN_IRQS	20
#define MIN_SOFTIRQS	10
#define SETTLE_MS	20000

/**
 * struct thing - what readers look at
 * @seq: of this thing, and of no other that ever was
 * @rcu: for obm_free_rcu()
 * @size: of the block
 * @check: complement of @seq
 */
struct thing {
	u64 seq;
	struct rcu_head rcu;
	size_t size;
	u64 check;
};

/* Its head lies behind the end of most blocks. */
struct long_thing {
	char text[256];
	struct rcu_head rcu;
};

static atomic64_t nr_things;

static struct thing *thing_new(struct obm_heap *heap, size_t size, gfp_t gfp)
{
	struct thing *thing = obm_alloc(heap, size, gfp | __GFP_NOWARN);

	if (!thing)
		return NULL;
	thing->seq = atomic64_inc_return(&nr_things);
	thing->size = size;
	thing->check = ~thing->seq;
	obm_fill(thing + 1, thing->seq, size - sizeof(*thing));
	return thing;
}

static bool thing_is_whole(const struct thing *thing)
{
	return READ_ONCE(thing->seq) == ~READ_ONCE(thing->check) &&
	       obm_is_filled(thing + 1, thing->seq,
			     thing->size - sizeof(*thing));
}

static u64 nr_live(struct obm_heap *heap)
{
	struct obm_stats s;

	obm_heap_stats(heap, &s);
	return s.nr_blocks + s.nr_raw;
}

/* Waits until what waits is freed; what is left then is @live blocks. */
static void expect_settled(struct kunit *test, struct obm_heap *heap, u64 live)
{
	unsigned long end = jiffies + msecs_to_jiffies(SETTLE_MS);

	while (nr_live(heap) > live && time_before(jiffies, end))
		msleep(20);
	KUNIT_EXPECT_EQ(test, nr_live(heap), live);
}

static struct obm_heap *rcu_heap(struct kunit *test, unsigned int flags)
{
	struct obm_heap_attrs attrs = OBM_HEAP_ATTRS_INIT;

	attrs.flags = flags;
	return obm_test_heap_attrs(test, &attrs);
}

static const unsigned int kinds[] = { 0, OBM_HEAP_HARDEN };

static void kind_desc(const unsigned int *flags, char *desc)
{
	strscpy(desc, *flags ? "hardened" : "soft", KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(kind, kinds, kind_desc);

static const size_t sizes[] = { 40, 64, 512, 1360, 4096, 8192, 9000, 50000 };

static void size_desc(const size_t *size, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "size=%zu", *size);
}

KUNIT_ARRAY_PARAM(size, sizes, size_desc);

/**
 * struct scene - a reader that is interrupted by who frees what it looks at
 * @thing: what it looks at
 * @heap: of the thing
 * @timer: frees it
 * @done: the reader has looked
 * @nr_frees: times that the timer came
 * @nr_looks: times that it looked after the thing had been freed
 * @nr_broken: times that it was not whole, or not there
 */
struct scene {
	struct thing __rcu *thing;
	struct obm_heap *heap;
	struct hrtimer timer;
	struct completion done;
	unsigned int nr_frees;
	unsigned int nr_looks;
	unsigned int nr_broken;
};

static enum hrtimer_restart scene_timer(struct hrtimer *timer)
{
	struct scene *scene = container_of(timer, struct scene, timer);
	struct thing *thing = rcu_dereference_raw(scene->thing);

	RCU_INIT_POINTER(scene->thing, NULL);
	obm_free_rcu(thing, rcu);
	WRITE_ONCE(scene->nr_frees, scene->nr_frees + 1);
	return HRTIMER_NORESTART;
}

/* It looks on for so long that grace periods would have passed without it. */
static int scene_reader(void *data)
{
	struct scene *scene = data;
	unsigned long end = jiffies + msecs_to_jiffies(LOOK_MS) + 1;
	struct thing *thing;

	rcu_read_lock();
	thing = rcu_dereference(scene->thing);
	hrtimer_start(&scene->timer, ns_to_ktime(PERIOD_NS),
		      HRTIMER_MODE_REL_HARD);
	while (time_before(jiffies, end)) {
		scene->nr_looks += READ_ONCE(scene->nr_frees);
		if (!thing_is_whole(thing) || !obm_owns(scene->heap, thing) ||
		    nr_live(scene->heap) != 1)
			scene->nr_broken++;
	}
	rcu_read_unlock();
	complete(&scene->done);
	return 0;
}

static void readers_see_it_whole(struct kunit *test)
{
	struct scene *scene = kunit_kzalloc(test, sizeof(*scene), GFP_KERNEL);
	size_t size = *(const size_t *)test->param_value;
	struct task_struct *reader;
	struct thing *thing;

	KUNIT_ASSERT_NOT_NULL(test, scene);
	scene->heap = rcu_heap(test, 0);
	thing = thing_new(scene->heap, size, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, thing);
	rcu_assign_pointer(scene->thing, thing);
	init_completion(&scene->done);
	obm_hrtimer_setup(&scene->timer, scene_timer, CLOCK_MONOTONIC,
			  HRTIMER_MODE_REL_HARD);
	reader = kthread_run(scene_reader, scene, "obm_rcu_reader");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, reader);
	wait_for_completion(&scene->done);
	hrtimer_cancel(&scene->timer);

	KUNIT_EXPECT_EQ(test, scene->nr_frees, 1U);
	/* Else nothing was tested. */
	KUNIT_EXPECT_GT(test, scene->nr_looks, 10U);
	KUNIT_EXPECT_EQ(test, scene->nr_broken, 0U);
	expect_settled(test, scene->heap, 0);
	front_expect_idle(test, scene->heap);
}

/* What is freed was so after the end of a grace period that began later. */
static void not_before_a_grace_period(struct kunit *test)
{
	struct obm_heap *heap = rcu_heap(test, 0);
	unsigned int i, nr_early = 0;
	unsigned long gp;
	struct thing *thing;

	for (i = 0; i < 50; i++) {
		thing = thing_new(heap, 64, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, thing);
		gp = get_state_synchronize_rcu();
		obm_free_rcu(thing, rcu);
		while (!poll_state_synchronize_rcu(gp)) {
			/* If it ended just now, that is not too early. */
			if (!nr_live(heap) && !poll_state_synchronize_rcu(gp))
				nr_early++;
			schedule_timeout_uninterruptible(1);
		}
		expect_settled(test, heap, 0);
	}
	KUNIT_EXPECT_EQ(test, nr_early, 0U);
	front_expect_idle(test, heap);
}

/* Random sizes, raw and wide ones among them, some of them by obm_free(). */
static void many_of_many_sizes(struct kunit *test)
{
	struct obm_heap *heap = rcu_heap(test, *(unsigned int *)test->param_value);
	void **ptrs = front_ptrs(test, NR_MANY);
	unsigned int i, nr_broken = 0;
	struct thing *thing;
	struct obm_stats s;
	size_t size;

	for (i = 0; i < NR_MANY; i++) {
		size = sizeof(*thing) + get_random_u32() %
		       (i % 16 ? i % 4 ? 600 : 8000 : 40000);
		ptrs[i] = thing_new(heap, size, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, ptrs[i]);
	}
	rcu_read_lock();
	for (i = 0; i < NR_MANY; i++) {
		thing = ptrs[i];
		if (i % 8)
			obm_free_rcu(thing, rcu);
	}
	s = (struct obm_stats){ };
	obm_heap_stats(heap, &s);
	for (i = 0; i < NR_MANY; i++)
		nr_broken += !thing_is_whole(ptrs[i]);
	rcu_read_unlock();
	KUNIT_EXPECT_EQ(test, nr_broken, 0U);
	KUNIT_EXPECT_EQ(test, s.nr_blocks + s.nr_raw, NR_MANY);
	expect_settled(test, heap, DIV_ROUND_UP(NR_MANY, 8));
	for (i = 0; i < NR_MANY; i += 8) {
		KUNIT_EXPECT_TRUE(test, thing_is_whole(ptrs[i]));
		obm_free(ptrs[i]);
	}
	front_expect_idle(test, heap);
}

/* Those in every step: just queued, and with their grace period gone by. */
static void destroy_waits(struct kunit *test)
{
	unsigned int flags = *(unsigned int *)test->param_value;
	struct thing *thing;
	struct obm_heap *heap;
	unsigned int round, i;

	for (round = 0; round < 20; round++) {
		heap = rcu_heap(test, flags);
		for (i = 0; i < 500; i++) {
			thing = thing_new(heap, 40 + 24 * i, GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, thing);
			obm_free_rcu(thing, rcu);
			if (i == 25 * round)
				synchronize_rcu();
		}
		/* What is a leak is one all the same. */
		for (i = 0; i < round; i++)
			obm_must_alloc(test, heap, 64);
		KUNIT_EXPECT_EQ(test, obm_test_destroy(test, heap), round);
	}
}

static void after_a_sleep(struct kunit *test)
{
	struct obm_heap *heap = rcu_heap(test, 0);
	unsigned long gp;
	unsigned int i;
	void *ptr;

	obm_free_rcu_mightsleep(NULL);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		ptr = obm_must_alloc(test, heap, sizes[i]);
		gp = get_state_synchronize_rcu();
		obm_free_rcu_mightsleep(ptr);
		KUNIT_EXPECT_TRUE(test, poll_state_synchronize_rcu(gp));
		KUNIT_EXPECT_EQ(test, nr_live(heap), 0);
	}
	front_expect_idle(test, heap);
}

/* Copies of waiting blocks, and blocks with a past, are not taken for such. */
static void only_the_same_is_double(struct kunit *test)
{
	struct obm_heap *heap = rcu_heap(test, *(unsigned int *)test->param_value);
	struct thing *thing, *copy;
	struct obm_stats s;
	unsigned int i;

	for (i = 0; i < 200; i++) {
		rcu_read_lock();
		thing = obm_alloc(heap, 64, GFP_ATOMIC);
		if (thing)
			obm_free_rcu(thing, rcu);
		copy = thing ? obm_memdup(heap, thing, 64, GFP_ATOMIC) : NULL;
		rcu_read_unlock();
		KUNIT_ASSERT_NOT_NULL(test, copy);
		obm_free_rcu(copy, rcu);
		if (i % 20 == 0)
			expect_settled(test, heap, 0);
	}
	expect_settled(test, heap, 0);
	s = obm_get(test, heap);
	KUNIT_EXPECT_EQ(test, obm_nr_mistakes(&s), 0);
	front_expect_idle(test, heap);
}

/* The callers that reports must name, so not inlined and no tail calls. */
static noinline void free_thing(struct thing *thing)
{
	obm_free_rcu(thing, rcu);
	barrier();
}

static noinline void free_long_thing(struct long_thing *thing)
{
	obm_free_rcu(thing, rcu);
	barrier();
}

static noinline void free_asleep(const void *ptr)
{
	obm_free_rcu_mightsleep(ptr);
	barrier();
}

static void bad_pointers(struct kunit *test)
{
	struct obm_heap *heap = rcu_heap(test, *(unsigned int *)test->param_value);
	struct thing *thing = thing_new(heap, 256, GFP_KERNEL);
	void *raw = obm_must_alloc(test, heap, 20000);
	struct thing *foreign = kunit_kzalloc(test, 64, GFP_KERNEL);
	struct mistake m;

	KUNIT_ASSERT_NOT_NULL(test, thing);
	KUNIT_ASSERT_NOT_NULL(test, foreign);
	free_thing(NULL);
	mistake_begin(&m, NULL);
	free_thing(foreign);
	mistake_end(test, &m, OBM_BAD_FOREIGN, "foreign");
	mistake_begin(&m, heap);
	free_thing((void *)thing + 64);
	mistake_end(test, &m, OBM_BAD_INTERIOR, "interior");
	mistake_begin(&m, heap);
	free_thing(raw + PAGE_SIZE);
	mistake_end(test, &m, OBM_BAD_INTERIOR, "in a raw block");
	mistake_begin(&m, heap);
	free_thing((void *)thing + 1);
	mistake_end(test, &m, OBM_BAD_MISALIGNED, "misaligned");
	mistake_begin(&m, heap);
	free_long_thing((void *)thing);
	mistake_end(test, &m, OBM_BAD_SIZE, "head behind the block");
	mistake_begin(&m, heap);
	free_asleep((void *)thing + 8);
	mistake_end(test, &m, OBM_BAD_INTERIOR, "asleep");
	/* Nothing of that was queued. */
	KUNIT_EXPECT_TRUE(test, thing_is_whole(thing));
	rcu_barrier();
	KUNIT_EXPECT_EQ(test, nr_live(heap), 2);
	free_thing(thing);
	obm_free(raw);
	expect_settled(test, heap, 0);
}

/* While it waits, and, where that is certain, when it is free. */
static void freed_again(struct kunit *test)
{
	unsigned int flags = *(unsigned int *)test->param_value, i;
	struct obm_heap *heap = rcu_heap(test, flags);
	struct thing *thing, *kept;
	struct mistake m;
	u64 before;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		thing = thing_new(heap, sizes[i], GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, thing);
		before = obm_get(test, heap).nr_bad[OBM_BAD_DOUBLE];
		console_room(1);
		console_watch();
		rcu_read_lock();
		free_thing(thing);
		free_thing(thing);
		rcu_read_unlock();
		KUNIT_EXPECT_EQ(test, console.nr_reports, 1U);
		KUNIT_EXPECT_EQ(test, console_find("BUG: OBM: double free in free_thing+0x"),
				0);
		KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_bad[OBM_BAD_DOUBLE],
				before + 1);
		expect_settled(test, heap, 0);
	}
	kept = thing_new(heap, 64, GFP_KERNEL);
	thing = thing_new(heap, 64, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, kept);
	KUNIT_ASSERT_NOT_NULL(test, thing);
	free_thing(thing);
	expect_settled(test, heap, 1);
	obm_heap_trim(heap);
	mistake_begin(&m, heap);
	free_thing(thing);
	mistake_end(test, &m, OBM_BAD_DOUBLE, "freed long ago");
	obm_free(kept);
	obm_heap_trim(heap);
}

/**
 * struct load - many who replace what others look at
 * @heap: here
 * @slots: things, of whoever takes them out
 * @stop: the timers shall not start again
 * @nr_steps: steps of the threads
 * @nr_irqs: times that the hard interrupt came
 * @nr_softirqs: times that the soft interrupt came
 * @nr_broken: things that were not whole, or not for as long as was looked
 * @threads: threads that take steps
 * @hrtimer: hard interrupts
 * @timer: soft interrupts
 */
struct load {
	struct obm_heap *heap;
	struct thing *slots[NR_SLOTS];
	bool stop;
	atomic_long_t nr_steps;
	atomic_t nr_irqs;
	atomic_t nr_softirqs;
	atomic_t nr_broken;
	struct task_struct *threads[NR_THREADS];
	struct hrtimer hrtimer;
	struct timer_list timer;
};

static void look(struct load *load, u32 rnd)
{
	struct thing *thing;
	unsigned int i;
	u64 seq;

	rcu_read_lock();
	/* Pairs with the xchg() in replace(). */
	thing = smp_load_acquire(&load->slots[rnd % NR_SLOTS]);
	seq = thing ? READ_ONCE(thing->seq) : 0;
	for (i = 0; thing && i < 3; i++)
		if (!thing_is_whole(thing) || READ_ONCE(thing->seq) != seq)
			atomic_inc(&load->nr_broken);
	rcu_read_unlock();
}

static void replace(struct load *load, u32 rnd, gfp_t gfp)
{
	size_t size = sizeof(struct thing) + (rnd >> 8) %
		      (rnd % 16 ? 500 : 12000);
	struct thing *old;

	old = xchg(&load->slots[rnd % NR_SLOTS],
		   thing_new(load->heap, size, gfp));
	obm_free_rcu(old, rcu);
}

static int load_thread(void *data)
{
	struct load *load = data;
	unsigned int i;

	while (!kthread_should_stop()) {
		for (i = 0; i < 16; i++) {
			atomic_long_inc(&load->nr_steps);
			look(load, get_random_u32());
			if (i % 4 == 0)
				replace(load, get_random_u32(), GFP_KERNEL);
		}
		cond_resched();
	}
	return 0;
}

static enum hrtimer_restart load_hrtimer(struct hrtimer *hrtimer)
{
	struct load *load = container_of(hrtimer, struct load, hrtimer);

	atomic_inc(&load->nr_irqs);
	replace(load, get_random_u32(), GFP_ATOMIC);
	if (READ_ONCE(load->stop))
		return HRTIMER_NORESTART;
	return obm_test_again(hrtimer, PERIOD_NS);
}

static void load_timer(struct timer_list *timer)
{
	struct load *load = container_of(timer, struct load, timer);
	unsigned int i;

	atomic_inc(&load->nr_softirqs);
	for (i = 0; i < 16 / OBM_TEST_SLOWNESS; i++) {
		look(load, get_random_u32());
		replace(load, get_random_u32(), GFP_ATOMIC);
	}
	if (!READ_ONCE(load->stop))
		mod_timer(timer, jiffies + 1);
}

static bool load_is_enough(struct load *load)
{
	return atomic_long_read(&load->nr_steps) >= MIN_STEPS &&
	       atomic_read(&load->nr_irqs) >= MIN_IRQS &&
	       atomic_read(&load->nr_softirqs) >= MIN_SOFTIRQS;
}

static void load_run(struct load *load)
{
	unsigned long begin = jiffies;
	unsigned int i;

	obm_hrtimer_setup(&load->hrtimer, load_hrtimer, CLOCK_MONOTONIC,
			  HRTIMER_MODE_REL_HARD);
	timer_setup(&load->timer, load_timer, 0);
	for (i = 0; i < NR_THREADS; i++)
		load->threads[i] = kthread_run(load_thread, load, "obm_rcu/%u",
					       i);
	hrtimer_start(&load->hrtimer, ns_to_ktime(PERIOD_NS),
		      HRTIMER_MODE_REL_HARD);
	mod_timer(&load->timer, jiffies + 1);
	while (obm_test_goes_on(begin, RUN_MS, load_is_enough(load)))
		msleep(20);
	for (i = 0; i < NR_THREADS; i++)
		if (!IS_ERR_OR_NULL(load->threads[i]))
			kthread_stop(load->threads[i]);
	WRITE_ONCE(load->stop, true);
	hrtimer_cancel(&load->hrtimer);
	obm_timer_delete_sync(&load->timer);
}

static void under_load_in_every_context(struct kunit *test)
{
	struct load *load = kunit_kzalloc(test, sizeof(*load), GFP_KERNEL);
	struct obm_stats s;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, load);
	load->heap = rcu_heap(test, *(unsigned int *)test->param_value);
	load_run(load);
	for (i = 0; i < NR_THREADS; i++)
		KUNIT_EXPECT_NOT_ERR_OR_NULL(test, load->threads[i]);
	KUNIT_EXPECT_EQ(test, atomic_read(&load->nr_broken), 0);
	KUNIT_EXPECT_GE(test, atomic_long_read(&load->nr_steps), MIN_STEPS);
	KUNIT_EXPECT_GE(test, atomic_read(&load->nr_irqs), MIN_IRQS);
	KUNIT_EXPECT_GE(test, atomic_read(&load->nr_softirqs), MIN_SOFTIRQS);
	for (i = 0; i < NR_SLOTS; i++)
		obm_free_rcu(load->slots[i], rcu);
	expect_settled(test, load->heap, 0);
	s = obm_get(test, load->heap);
	KUNIT_EXPECT_EQ(test, s.nr_allocs, s.nr_frees);
	front_expect_idle(test, load->heap);
}

static struct kunit_case rcu_cases[] = {
	KUNIT_CASE_PARAM(readers_see_it_whole, size_gen_params),
	KUNIT_CASE(not_before_a_grace_period),
	KUNIT_CASE_PARAM(many_of_many_sizes, kind_gen_params),
	KUNIT_CASE_PARAM(destroy_waits, kind_gen_params),
	KUNIT_CASE(after_a_sleep),
	KUNIT_CASE_PARAM(only_the_same_is_double, kind_gen_params),
	KUNIT_CASE_PARAM(bad_pointers, kind_gen_params),
	KUNIT_CASE_PARAM(freed_again, kind_gen_params),
	KUNIT_CASE_PARAM(under_load_in_every_context, kind_gen_params),
	{ }
};

static struct kunit_suite rcu_suite = {
	.name = "obmalloc_rcu",
	.suite_init = console_init,
	.suite_exit = console_exit,
	.init = obm_test_init,
	.exit = obm_test_exit,
	.test_cases = rcu_cases,
};

kunit_test_suite(rcu_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of obmalloc's frees that wait for RCU");
MODULE_LICENSE("GPL");
