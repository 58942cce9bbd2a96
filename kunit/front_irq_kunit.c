// SPDX-License-Identifier: GPL-2.0-only
/*
 * A task in the hit path is interrupted by others that allocate, free and read
 * the numbers: hard interrupts of a timer, and the irq_work that they queue.
 */
#include <linux/hash.h>
#include <linux/hrtimer.h>
#include <linux/irq_work.h>
#include <linux/random.h>

#include "front.h"

#define NR_OWN		90
#define NR_SHARED	32
#define NR_BULK		20
#define RUN_MS		500
#define PERIOD_NS	(50000 * OBM_TEST_SLOWNESS)

/* Less than that, and nothing was tested. */
#define MIN_STEPS	(10000 / OBM_TEST_SLOWNESS)
#define MIN_IRQS	100
#define MIN_WORKS	10

/**
 * struct load - who allocates and frees
 * @heap: here
 * @size: blocks of this size
 * @cache: or objects of this cache, or NULL
 * @own: blocks of the task
 * @shared: blocks of whoever takes them out
 * @stop: the timer shall not start again
 * @nr_steps: steps of the task
 * @nr_irqs: times that the timer came
 * @nr_works: times that the irq_work came
 * @nr_broken: overwritten blocks and wrong sums
 * @timer: the timer
 * @work: the irq_work
 */
struct load {
	struct obm_heap *heap;
	size_t size;
	struct obm_cache *cache;
	void *own[NR_OWN];
	void *shared[NR_SHARED];
	bool stop;
	unsigned long nr_steps;
	unsigned long nr_irqs;
	unsigned long nr_works;
	atomic_t nr_broken;
	struct hrtimer timer;
	struct irq_work work;
};

static u8 mark_of(const void *ptr)
{
	return hash_long((unsigned long)ptr, 8);
}

/* A block is full of what its address says while it has an owner. */
static void mark(struct load *load, void *ptr, bool zeroed)
{
	if (zeroed && !obm_is_filled(ptr, 0, load->size))
		atomic_inc(&load->nr_broken);
	obm_fill(ptr, mark_of(ptr), load->size);
}

/* And of something else as soon as it has none. */
static void unmark(struct load *load, void *ptr)
{
	if (!obm_is_filled(ptr, mark_of(ptr), load->size))
		atomic_inc(&load->nr_broken);
	obm_fill(ptr, ~mark_of(ptr), load->size);
}

/* In the classes that are inlined the size must be a constant. */
static void *get(struct load *load, gfp_t gfp, bool zero)
{
	if (load->cache)
		return obm_cache_alloc(load->cache,
				       gfp | (zero ? __GFP_ZERO : 0));
	if (load->size == 64 && gfp == GFP_KERNEL)
		return zero ? obm_zalloc(load->heap, 64, GFP_KERNEL) :
			      obm_alloc(load->heap, 64, GFP_KERNEL);
	return obm_alloc(load->heap, load->size,
			 gfp | (zero ? __GFP_ZERO : 0));
}

static void put(struct load *load, void *ptr, bool sized)
{
	unmark(load, ptr);
	if (!sized)
		obm_free(ptr);
	else if (load->cache)
		obm_cache_free(load->cache, ptr);
	else if (load->size == 64)
		obm_free_sized(load->heap, ptr, 64);
	else
		obm_free_sized(load->heap, ptr, load->size);
}

static void swap_shared(struct load *load, gfp_t gfp, u32 rnd)
{
	void **slot = &load->shared[rnd % NR_SHARED], *ptr, *new;

	new = get(load, gfp | __GFP_NOWARN, rnd & BIT(8));
	if (new)
		mark(load, new, rnd & BIT(8));
	ptr = xchg(slot, new);
	if (ptr)
		put(load, ptr, rnd & BIT(9));
}

static void swap_own(struct load *load, u32 rnd)
{
	void **slot = &load->own[rnd % NR_OWN];

	if (*slot) {
		put(load, *slot, rnd & BIT(9));
		*slot = NULL;
		return;
	}
	*slot = get(load, GFP_KERNEL, rnd & BIT(8));
	if (*slot)
		mark(load, *slot, rnd & BIT(8));
}

static void bulk_trip(struct load *load)
{
	void *ptrs[NR_BULK];
	unsigned int i;

	if (!obm_alloc_bulk(load->heap, load->size, GFP_KERNEL, NR_BULK, ptrs))
		return;
	for (i = 0; i < NR_BULK; i++)
		mark(load, ptrs[i], false);
	for (i = 0; i < NR_BULK; i++)
		unmark(load, ptrs[i]);
	obm_free_bulk(load->heap, load->size, NR_BULK, ptrs);
}

static void check(struct load *load)
{
	struct obm_stats s;

	obm_heap_stats(load->heap, &s);
	if (!obm_adds_up(&s) || (s.limit_bytes && s.peak_bytes > s.limit_bytes))
		atomic_inc(&load->nr_broken);
}

static enum hrtimer_restart timer_fn(struct hrtimer *timer)
{
	struct load *load = container_of(timer, struct load, timer);
	unsigned int i;

	load->nr_irqs++;
	if (load->nr_irqs % 4 == 0)
		check(load);
	for (i = 0; i < 4; i++)
		swap_shared(load, GFP_ATOMIC, get_random_u32());
	if (load->nr_irqs % 8 == 0)
		irq_work_queue(&load->work);
	if (READ_ONCE(load->stop))
		return HRTIMER_NORESTART;
	return obm_test_again(timer, PERIOD_NS + get_random_u32() % 4096);
}

static void work_fn(struct irq_work *work)
{
	struct load *load = container_of(work, struct load, work);

	load->nr_works++;
	swap_shared(load, GFP_NOWAIT, get_random_u32());
	/* Must leave alone what the task that it interrupts is at. */
	if (load->nr_works % 16 == 0)
		obm_heap_trim(load->heap);
	check(load);
}

static void task_step(struct load *load)
{
	u32 rnd = get_random_u32();

	load->nr_steps++;
	swap_own(load, rnd);
	if (rnd % 8 == 0)
		swap_shared(load, GFP_KERNEL, rnd >> 10);
	if (rnd % 64 == 1 && !load->cache)
		bulk_trip(load);
	if (rnd % 4096 == 2)
		obm_heap_trim(load->heap);
	if (rnd % 1024 == 3)
		check(load);
}

static bool load_is_enough(struct load *load)
{
	return load->nr_steps >= MIN_STEPS &&
	       READ_ONCE(load->nr_irqs) >= MIN_IRQS &&
	       READ_ONCE(load->nr_works) >= MIN_WORKS;
}

static void load_run(struct load *load)
{
	unsigned long begin = jiffies;
	unsigned int i;

	obm_hrtimer_setup(&load->timer, timer_fn, CLOCK_MONOTONIC,
			  HRTIMER_MODE_REL_PINNED_HARD);
	init_irq_work(&load->work, work_fn);
	hrtimer_start(&load->timer, ns_to_ktime(PERIOD_NS),
		      HRTIMER_MODE_REL_PINNED_HARD);
	/* Nothing may abort the case until all has stopped. */
	while (obm_test_goes_on(begin, RUN_MS, load_is_enough(load))) {
		for (i = 0; i < 256 / OBM_TEST_SLOWNESS; i++)
			task_step(load);
		cond_resched();
	}
	WRITE_ONCE(load->stop, true);
	hrtimer_cancel(&load->timer);
	irq_work_sync(&load->work);
}

/**
 * struct kind - what load there is
 * @name: of the case
 * @size: of the blocks
 * @limit: of the heap, in pages
 * @cached: they are objects of a cache
 */
struct kind {
	const char *name;
	size_t size;
	unsigned int limit;
	bool cached;
};

static const struct kind kinds[] = {
	{ "inlined", 64, 0 },
	{ "inlined, at the limit", 64, 8 },
	{ "many a pool", 16, 0 },
	{ "one a pool", 4096, 0 },
	{ "one a pool, at the limit", 4096, 60 },
	{ "wide", 1360, 0 },
	{ "of a cache", 64, 0, true },
	{ "of a cache, at the limit", 1000, 20, true },
};

static void kind_desc(const struct kind *kind, char *desc)
{
	strscpy(desc, kind->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(kind, kinds, kind_desc);

static void interrupts_leave_the_hit_path_alone(struct kunit *test)
{
	struct load *load = kunit_kzalloc(test, sizeof(*load), GFP_KERNEL);
	const struct kind *kind = test->param_value;
	struct obm_stats s;
	u64 nr = 0;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, load);
	load->heap = front_heap(test, kind->limit * PAGE_SIZE);
	load->size = kind->size;
	if (kind->cached) {
		load->cache = obm_cache_create(load->heap, "load", load->size,
					       8, NULL);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, load->cache);
	}
	load_run(load);

	KUNIT_EXPECT_EQ(test, atomic_read(&load->nr_broken), 0);
	KUNIT_EXPECT_GE(test, load->nr_steps, MIN_STEPS);
	KUNIT_EXPECT_GE(test, load->nr_irqs, MIN_IRQS);
	KUNIT_EXPECT_GE(test, load->nr_works, MIN_WORKS);

	for (i = 0; i < NR_OWN; i++)
		nr += !!load->own[i];
	for (i = 0; i < NR_SHARED; i++)
		nr += !!load->shared[i];
	s = obm_get(test, load->heap);
	KUNIT_EXPECT_EQ(test, s.nr_blocks + s.nr_raw, nr);
	KUNIT_EXPECT_EQ(test, s.nr_allocs - s.nr_frees, nr);
	for (i = 0; i < NR_OWN; i++)
		if (load->own[i])
			put(load, load->own[i], i % 2);
	for (i = 0; i < NR_SHARED; i++)
		if (load->shared[i])
			put(load, load->shared[i], i % 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&load->nr_broken), 0);
	KUNIT_EXPECT_EQ(test, obm_cache_destroy(load->cache), 0UL);
	front_expect_idle(test, load->heap);
}

static struct kunit_case irq_cases[] = {
	KUNIT_CASE_PARAM(interrupts_leave_the_hit_path_alone, kind_gen_params),
	{ }
};

static struct kunit_suite irq_suite = {
	.name = "obmalloc_front_irq",
	.init = obm_test_init,
	.exit = obm_test_exit,
	.test_cases = irq_cases,
};

kunit_test_suite(irq_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of interrupts in obmalloc's hit path");
MODULE_LICENSE("GPL");
