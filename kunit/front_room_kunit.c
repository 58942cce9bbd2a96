// SPDX-License-Identifier: GPL-2.0-only
/*
 * What blocks that wait on a CPU may keep: no more than the front's bounds, and
 * nothing once the memory is wanted.
 */
#include <linux/kthread.h>
#include <linux/sizes.h>

#include "front.h"

#define NR_PTRS		2000

/* Takes @nr blocks and frees them all. */
static void come_and_go(struct kunit *test, struct obm_heap *heap, void **ptrs,
			size_t size, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		ptrs[i] = obm_must_alloc(test, heap, size);
	for (i = 0; i < nr; i++)
		obm_free(ptrs[i]);
}

/* A pool of one block of 4096 bytes is in use exactly while the block waits. */
static void no_more_wait_than_front_max(struct kunit *test)
{
	struct obm_heap *heap = front_heap(test, 0);
	void **ptrs = front_ptrs(test, NR_PTRS);
	unsigned int round;
	struct obm_stats s;

	for (round = 0; round < 5; round++) {
		come_and_go(test, heap, ptrs, 4096, 300);
		s = obm_get(test, heap);
		KUNIT_EXPECT_EQ(test, s.nr_blocks, 0);
		KUNIT_EXPECT_EQ(test, s.avail_bytes, s.nr_pools * 4096);
		KUNIT_EXPECT_LE(test, s.nr_pools,
				FRONT_SHARE / 4096 * num_possible_cpus());
	}
	/* Else nothing was tested. */
	KUNIT_EXPECT_GT(test, s.nr_pools, FRONT_SHARE / 4096 / 4);
	front_expect_idle(test, heap);
}

/* So are two pages with one of 8192. */
static void no_more_wait_than_the_budget(struct kunit *test)
{
	static const size_t sizes[] = { 8192, 4096, 8192, 4096 };
	struct obm_heap *heap = front_heap(test, 0);
	void **ptrs = front_ptrs(test, NR_PTRS);
	struct obm_stats s;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		come_and_go(test, heap, ptrs, sizes[i], 300);
		s = obm_get(test, heap);
		KUNIT_EXPECT_EQ(test, s.nr_blocks, 0);
		KUNIT_EXPECT_GT(test, s.avail_bytes, 0);
		KUNIT_EXPECT_LE(test, s.avail_bytes,
				FRONT_BUDGET * num_possible_cpus());
	}
	front_expect_idle(test, heap);

	/* What was drained is room again. */
	come_and_go(test, heap, ptrs, 4096, 300);
	s = obm_get(test, heap);
	KUNIT_EXPECT_GT(test, s.nr_pools, FRONT_SHARE / 4096 / 4);
	front_expect_idle(test, heap);
}

/* Every 7th block stays: the heap holds the pages that those are in. */
static void trim_leaves_pages_of_live_blocks(struct kunit *test)
{
	static const size_t sizes[] = { 8, 64, 72, 512, 1024, 4096 };
	struct obm_heap *heap = front_heap(test, 0);
	void **ptrs = front_ptrs(test, NR_PTRS), *page;
	unsigned int i, j, nr_pages;
	struct obm_stats s, before;
	size_t bytes;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (j = 0; j < NR_PTRS; j++) {
			ptrs[j] = obm_must_alloc(test, heap, sizes[i]);
			obm_fill(ptrs[j], j, sizes[i]);
		}
		for (j = 0; j < NR_PTRS; j++)
			if (j % 7)
				obm_free_sized(heap, ptrs[j], sizes[i]);
		before = obm_get(test, heap);
		bytes = obm_heap_trim(heap);
		s = obm_get(test, heap);
		KUNIT_EXPECT_GT(test, bytes, 0UL);
		KUNIT_EXPECT_GE(test, before.held_bytes, s.held_bytes + bytes);
		KUNIT_EXPECT_EQ(test, s.nr_blocks, before.nr_blocks);
		KUNIT_EXPECT_EQ(test, s.nr_frees, before.nr_frees);

		/* Taken in ascending order, so those of a page are together. */
		for (j = 0, nr_pages = 0, page = NULL; j < NR_PTRS; j += 7) {
			void *of = PTR_ALIGN_DOWN(ptrs[j], PAGE_SIZE);

			nr_pages += of != page;
			page = of;
			KUNIT_ASSERT_TRUE(test, obm_is_filled(ptrs[j], j,
							      sizes[i]));
		}
		KUNIT_EXPECT_LE_MSG(test, s.nr_pools, nr_pages, "size %zu",
				    sizes[i]);
		KUNIT_EXPECT_EQ(test, s.nr_unused_pools, 0);
		KUNIT_EXPECT_EQ(test, s.held_bytes - s.meta_bytes,
				s.nr_pools * PAGE_SIZE);
		KUNIT_EXPECT_EQ(test, obm_heap_trim(heap), 0UL);
		KUNIT_EXPECT_EQ(test, obm_heap_validate(heap), 0);
		for (j = 0; j < NR_PTRS; j += 7)
			obm_free(ptrs[j]);
		front_expect_idle(test, heap);
	}
}

static unsigned int fill_up(struct obm_heap *heap, size_t size, void **ptrs)
{
	unsigned int nr = 0;

	while (nr < NR_PTRS) {
		ptrs[nr] = obm_alloc(heap, size, GFP_KERNEL);
		if (!ptrs[nr])
			break;
		nr++;
	}
	return nr;
}

/* Blocks that wait make room for others before anybody gets NULL. */
static void limit_drains_the_front(struct kunit *test)
{
	struct obm_heap *heap = front_heap(test, 80 * PAGE_SIZE);
	void **ptrs = front_ptrs(test, NR_PTRS), *raw;
	unsigned int nr, first, round, i;
	struct obm_stats s;

	first = fill_up(heap, 512, ptrs);
	KUNIT_ASSERT_LT(test, first, NR_PTRS);
	for (i = 0; i < first; i++)
		obm_free(ptrs[i]);
	for (round = 0; round < 5; round++) {
		raw = obm_alloc(heap, 60 * PAGE_SIZE, GFP_KERNEL);
		KUNIT_EXPECT_NOT_NULL(test, raw);
		obm_free(raw);
		nr = fill_up(heap, 512, ptrs);
		KUNIT_EXPECT_EQ(test, nr, first);
		for (i = 0; i < nr; i++)
			obm_free_sized(heap, ptrs[i], 512);
		/* Another class: every page has to change hands. */
		nr = fill_up(heap, 4096, ptrs);
		KUNIT_EXPECT_GT(test, nr, 60U);
		for (i = 0; i < nr; i++)
			obm_free(ptrs[i]);
	}
	s = obm_get(test, heap);
	KUNIT_EXPECT_EQ(test, s.nr_failed, 11);
	KUNIT_EXPECT_EQ(test, s.nr_limited, 11);
	KUNIT_EXPECT_LE(test, s.peak_bytes, s.limit_bytes);
	front_expect_idle(test, heap);
}

/*
 * Blocks that wait are found by who passes by them: who names a node, and wants
 * zeroes of a heap with a node. No page falls free by it.
 */
static void waiting_blocks_are_found_at_the_limit(struct kunit *test)
{
	struct obm_heap *heap = front_heap(test, 80 * PAGE_SIZE);
	int nid = first_node(node_states[N_MEMORY]);
	void **ptrs = front_ptrs(test, NR_PTRS);
	unsigned int nr, i, round;
	size_t size = 512;

	/* No constant, or it would be inlined. */
	OPTIMIZER_HIDE_VAR(size);
	for (round = 0; round < 2; round++) {
		nr = fill_up(heap, 512, ptrs);
		KUNIT_ASSERT_GT(test, nr, 400U);
		for (i = 0; i < 400; i += 40)
			obm_free(ptrs[i]);
		for (i = 0; i < 400; i += 40) {
			ptrs[i] = round ? obm_zalloc(heap, size, GFP_KERNEL) :
				  obm_alloc_node(heap, 512, GFP_KERNEL, nid);
			KUNIT_EXPECT_NOT_NULL_MSG(test, ptrs[i], "%u of %u", i,
						  nr);
		}
		for (i = 0; i < nr; i++)
			obm_free(ptrs[i]);
		front_expect_idle(test, heap);
		heap = obm_test_heap(test, 80 * PAGE_SIZE);
	}
}

/* Blocks that wait are no leaks, and others are. */
static void destroy_tells_leaks_from_waiting(struct kunit *test)
{
	static const size_t sizes[] = { 8, 64, 512, 1024, 5000, 8192 };
	void **ptrs = front_ptrs(test, NR_PTRS);
	unsigned int i, nr_leaks;
	struct obm_heap *heap;

	for (nr_leaks = 0; nr_leaks < 4; nr_leaks++) {
		heap = front_heap(test, 0);
		for (i = 0; i < ARRAY_SIZE(sizes); i++)
			come_and_go(test, heap, ptrs, sizes[i], 250);
		for (i = 0; i < nr_leaks; i++)
			obm_must_alloc(test, heap, sizes[i]);
		KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_blocks, nr_leaks);
		KUNIT_EXPECT_EQ(test, obm_test_destroy(test, heap), nr_leaks);
	}
}

/**
 * struct busy - a task on another CPU that lets blocks wait there
 * @heap: of the blocks
 * @ptrs: room for them
 * @is_busy: it has freed them, and has preemption disabled
 * @enough: it is to go on
 */
struct busy {
	struct obm_heap *heap;
	void **ptrs;
	bool is_busy;
	bool enough;
};

#define NR_BUSY		200

static int busy_thread(void *data)
{
	struct busy *busy = data;
	unsigned int i;

	for (i = 0; i < NR_BUSY; i++)
		busy->ptrs[i] = obm_alloc(busy->heap, 64, GFP_KERNEL);
	for (i = 0; i < NR_BUSY; i++)
		obm_free(busy->ptrs[i]);
	preempt_disable();
	WRITE_ONCE(busy->is_busy, true);
	while (!READ_ONCE(busy->enough))
		cpu_relax();
	preempt_enable();
	while (!kthread_should_stop())
		usleep_range(1000, 2000);
	return 0;
}

/* It is not disturbed, and what it has let wait goes when it is through. */
static void trim_waits_for_a_busy_cpu(struct kunit *test)
{
	struct busy busy = { .ptrs = front_ptrs(test, NR_BUSY) };
	struct task_struct *thread;
	unsigned int cpu, tries;
	struct obm_stats s;

	busy.heap = front_heap(test, 0);
	cpu = cpumask_any_but(cpu_online_mask, raw_smp_processor_id());
	if (cpu >= nr_cpu_ids)
		kunit_skip(test, "there is no other CPU");
	thread = kthread_run_on_cpu(busy_thread, &busy, cpu, "obm_busy/%u");
	KUNIT_ASSERT_FALSE(test, IS_ERR(thread));
	while (!READ_ONCE(busy.is_busy))
		cond_resched();
	obm_heap_trim(busy.heap);
	s = obm_get(test, busy.heap);
	WRITE_ONCE(busy.enough, true);
	KUNIT_EXPECT_GT(test, s.avail_bytes, 0);
	/* On their way back to the pools, blocks count as given away. */
	for (tries = 0; s.nr_pools && tries < 100; tries++) {
		msleep(20);
		s = obm_get(test, busy.heap);
	}
	KUNIT_EXPECT_EQ(test, s.nr_pools, 0);
	kthread_stop(thread);
	front_expect_idle(test, busy.heap);
}

static struct kunit_case room_cases[] = {
	KUNIT_CASE(no_more_wait_than_front_max),
	KUNIT_CASE(no_more_wait_than_the_budget),
	KUNIT_CASE(trim_leaves_pages_of_live_blocks),
	KUNIT_CASE(trim_waits_for_a_busy_cpu),
	KUNIT_CASE(limit_drains_the_front),
	KUNIT_CASE(waiting_blocks_are_found_at_the_limit),
	KUNIT_CASE(destroy_tells_leaks_from_waiting),
	{ }
};

static struct kunit_suite room_suite = {
	.name = "obmalloc_front_room",
	.init = obm_test_init,
	.exit = obm_test_exit,
	.test_cases = room_cases,
};

kunit_test_suite(room_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of what blocks that wait on a CPU may keep");
MODULE_LICENSE("GPL");
