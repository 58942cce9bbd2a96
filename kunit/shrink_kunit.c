// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shrinker: what the kernel is promised, what it gets when it asks, and what
 * /proc/meminfo shows meanwhile. Mostly asked directly, as the kernel would not
 * ask for so few pages; once by drop_caches, so that it is known to be asked.
 *
 * The heaps are hardened, so that no block waits on a CPU: blocks that were got
 * one after another then fill a pool.
 */
#include "internal.h"

#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/swap.h>
#include <linux/vmstat.h>

#include "front.h"
#include "unit.h"

#define NR_BLOCKS	(NR_UNITS * PER_UNIT)

/**
 * struct thin - a heap of NR_ARENAS arenas with few blocks left in each
 * @heap: the heap
 * @nid: its node
 * @ptrs: its blocks, or NULL where one was freed
 */
struct thin {
	struct obm_heap *heap;
	int nid;
	void **ptrs;
};

/* A heap with one unit in use of @per. */
static struct thin *thin_new(struct kunit *test, unsigned int per,
			     unsigned int flags)
{
	struct thin *thin = kunit_kzalloc(test, sizeof(*thin), GFP_KERNEL);
	struct obm_heap_attrs attrs = OBM_HEAP_ATTRS_INIT;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, thin);
	thin->ptrs = kunit_kcalloc(test, NR_BLOCKS, sizeof(void *), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, thin->ptrs);
	thin->nid = first_node(node_states[N_MEMORY]);
	attrs.node = thin->nid;
	attrs.flags = OBM_HEAP_HARDEN | flags;
	thin->heap = obm_test_heap_attrs(test, &attrs);
	for (i = 0; i < NR_BLOCKS; i++) {
		thin->ptrs[i] = obm_must_alloc(test, thin->heap, UNIT_SIZE);
		obm_fill(thin->ptrs[i], i, UNIT_SIZE);
	}
	for (i = 0; i < NR_BLOCKS; i++) {
		if (i / PER_UNIT % per == 0)
			continue;
		obm_free(thin->ptrs[i]);
		thin->ptrs[i] = NULL;
	}
	return thin;
}

/* What was left is as it was; afterwards it is gone. */
static void thin_end(struct kunit *test, struct thin *thin)
{
	unsigned int i;

	obm_expect_sound(test, thin->heap);
	for (i = 0; i < NR_BLOCKS; i++) {
		if (!thin->ptrs[i])
			continue;
		KUNIT_EXPECT_TRUE(test, obm_is_filled(thin->ptrs[i], i,
						      UNIT_SIZE));
		obm_free(thin->ptrs[i]);
	}
}

static void unused_pages_are_counted(struct kunit *test)
{
	struct thin *thin;

	KUNIT_EXPECT_EQ(test, obm_shrink_count(0), 0UL);
	thin = thin_new(test, 4, 0);
	KUNIT_EXPECT_EQ(test, obm_shrink_count(thin->nid), NR_UNITS * 3UL / 4);
	KUNIT_EXPECT_EQ(test, obm_get(test, thin->heap).nr_unused_pools,
			NR_UNITS * 3ULL / 4);
	thin_end(test, thin);
	/* One spare arena. */
	KUNIT_EXPECT_EQ(test, obm_shrink_count(thin->nid),
			(unsigned long)OBM_TEST_POOLS);
	KUNIT_EXPECT_EQ(test, obm_test_destroy(test, thin->heap), 0UL);
	KUNIT_EXPECT_EQ(test, obm_shrink_count(thin->nid), 0UL);
}

static void no_more_goes_than_asked_for(struct kunit *test)
{
	static const unsigned int wanted[] = { 1, 5, 48, 64, 70 };
	struct thin *thin = thin_new(test, 4, 0);
	unsigned long left = NR_UNITS * 3UL / 4;
	u64 held = obm_get(test, thin->heap).held_bytes;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(wanted); i++) {
		KUNIT_EXPECT_EQ(test, obm_shrink_scan(thin->nid, wanted[i]),
				(unsigned long)wanted[i]);
		left -= wanted[i];
		held -= wanted[i] * PAGE_SIZE;
		KUNIT_EXPECT_EQ(test, obm_shrink_count(thin->nid), left);
		KUNIT_EXPECT_EQ(test, obm_get(test, thin->heap).held_bytes,
				held);
		obm_expect_sound(test, thin->heap);
	}
	KUNIT_ASSERT_GT(test, left, 0UL);
	KUNIT_EXPECT_EQ(test, obm_shrink_scan(thin->nid, ULONG_MAX), left);
	KUNIT_EXPECT_EQ(test, obm_shrink_count(thin->nid), 0UL);
	KUNIT_EXPECT_EQ(test, obm_shrink_scan(thin->nid, 1), SHRINK_STOP);
	thin_end(test, thin);
}

static void a_spare_arena_goes_whole(struct kunit *test)
{
	struct thin *thin = thin_new(test, OBM_TEST_POOLS, 0);

	thin_end(test, thin);
	KUNIT_EXPECT_EQ(test, obm_get(test, thin->heap).nr_arenas, 1);
	KUNIT_EXPECT_EQ(test, obm_shrink_scan(thin->nid, 1),
			(unsigned long)OBM_TEST_POOLS);
	KUNIT_EXPECT_EQ(test, obm_get(test, thin->heap).nr_arenas, 0);
	KUNIT_EXPECT_EQ(test, obm_get(test, thin->heap).nr_pages_put, 0);
}

static void blocks_that_wait_go_last(struct kunit *test)
{
	struct obm_heap *heap = front_heap(test, 0);
	void **ptrs = front_ptrs(test, 1000);
	unsigned long count, freed = 0;
	int nid = first_node(node_states[N_MEMORY]);
	unsigned int i;

	for (i = 0; i < 1000; i++)
		ptrs[i] = obm_must_alloc(test, heap, 64);
	for (i = 0; i < 1000; i++)
		obm_free(ptrs[i]);
	count = obm_shrink_count(nid);
	KUNIT_ASSERT_GT(test, count, 0UL);
	KUNIT_EXPECT_EQ(test, obm_shrink_scan(nid, count), count);
	/* Where they wait they keep their pools. */
	KUNIT_EXPECT_GT(test, obm_get(test, heap).nr_pools, 0);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).unused_bytes, 0);
	i = obm_get(test, heap).nr_pools;
	freed = obm_shrink_scan(nid, ULONG_MAX);
	KUNIT_EXPECT_EQ(test, freed, (unsigned long)i);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_pools, 0);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_arenas, 0);
}

/* As SLUB's pages are. */
static void reclaim_is_credited(struct kunit *test)
{
	struct thin *thin = thin_new(test, 4, 0);
	struct reclaim_state state = { };

	if (current->reclaim_state)
		kunit_skip(test, "the test is reclaiming memory");
	current->reclaim_state = &state;
	obm_shrink_scan(thin->nid, 50);
	current->reclaim_state = NULL;
	KUNIT_EXPECT_EQ(test, obm_reclaimed(&state), 50UL);
	obm_shrink_scan(thin->nid, 50);
	KUNIT_EXPECT_EQ(test, obm_reclaimed(&state), 50UL);
	thin_end(test, thin);
}

/*
 * Lockdep knows from here that it runs in reclaim, and of obm_heaps_lock that
 * memory is allocated under it: debugfs does for a heap that is created.
 */
static void reclaim_waits_for_no_lock(struct kunit *test)
{
	struct thin *thin = thin_new(test, 4, 0);
	struct obm_heap *other = obm_heap_create("kunit_other", NULL);
	unsigned long some, rest;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, other);
	fs_reclaim_acquire(GFP_KERNEL);
	some = obm_shrink_scan(thin->nid, 50);
	rest = obm_shrink_scan(thin->nid, ULONG_MAX);
	fs_reclaim_release(GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, some, 50UL);
	KUNIT_EXPECT_EQ(test, rest, NR_UNITS * 3UL / 4 - 50);
	KUNIT_EXPECT_EQ(test, obm_heap_destroy(other), 0UL);
	thin_end(test, thin);
}

static long pages_shown(enum node_stat_item item)
{
	return global_node_page_state_pages(item);
}

/* So far other slabs may grow or shrink meanwhile. */
#define NOISE		24

/* Of 256 pages a quarter is used; the others are as good as free. */
static void meminfo_tells(struct kunit *test)
{
	const bool caches = *(const bool *)test->param_value;
	enum node_stat_item mine = caches ? NR_SLAB_RECLAIMABLE_B :
					    NR_SLAB_UNRECLAIMABLE_B;
	long misc = pages_shown(NR_KERNEL_MISC_RECLAIMABLE);
	long slab = pages_shown(mine);
	const long used = NR_UNITS / 4;
	struct thin *thin;

	if (num_online_cpus() > 1)
		kunit_skip(test, "each CPU keeps a part of the counts to itself");
	thin = thin_new(test, 4, caches ? OBM_HEAP_RECLAIMABLE : 0);
	KUNIT_EXPECT_LT(test, abs(pages_shown(NR_KERNEL_MISC_RECLAIMABLE) -
				  misc - 3 * used), OBM_SHOW_STEP);
	KUNIT_EXPECT_LT(test, abs(pages_shown(mine) - slab - used), NOISE);
	obm_shrink_scan(thin->nid, 100);
	KUNIT_EXPECT_EQ(test, pages_shown(NR_KERNEL_MISC_RECLAIMABLE) - misc,
			3 * used - 100);
	KUNIT_EXPECT_LT(test, abs(pages_shown(mine) - slab - used), NOISE);
	thin_end(test, thin);
	KUNIT_EXPECT_EQ(test, obm_test_destroy(test, thin->heap), 0UL);
	KUNIT_EXPECT_EQ(test, pages_shown(NR_KERNEL_MISC_RECLAIMABLE), misc);
	KUNIT_EXPECT_LT(test, abs(pages_shown(mine) - slab), NOISE);
}

static const bool kinds[] = { false, true };

static void kind_desc(const bool *caches, char *desc)
{
	strscpy(desc, *caches ? "reclaimable" : "unreclaimable",
		KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(kind, kinds, kind_desc);

static int ask_kernel(void)
{
	struct file *file = filp_open("/proc/sys/vm/drop_caches", O_WRONLY, 0);
	ssize_t n;

	if (IS_ERR(file))
		return PTR_ERR(file);
	n = kernel_write(file, "2", 1, &file->f_pos);
	filp_close(file, NULL);
	return n == 1 ? 0 : -EIO;
}

static void the_kernel_asks(struct kunit *test)
{
	struct thin *thin = thin_new(test, 4, 0);

	KUNIT_ASSERT_EQ(test, ask_kernel(), 0);
	KUNIT_EXPECT_EQ(test, obm_shrink_count(thin->nid), 0UL);
	KUNIT_EXPECT_EQ(test, obm_get(test, thin->heap).nr_pools,
			NR_UNITS / 4ULL);
	thin_end(test, thin);
}

static int ask_always(void *nr_asked)
{
	while (!kthread_should_stop()) {
		obm_shrink_count(0);
		obm_shrink_scan(0, 3);
		(*(unsigned long *)nr_asked)++;
		cond_resched();
	}
	return 0;
}

#define NR_DOOMED	(200U / OBM_TEST_SLOWNESS)

/* Nothing is given twice, and all of it comes back. */
static void a_heap_may_end_meanwhile(struct kunit *test)
{
	long misc = pages_shown(NR_KERNEL_MISC_RECLAIMABLE);
	struct task_struct *asker;
	unsigned long asked = 0;
	unsigned int round, i;
	struct obm_heap *heap;
	void *ptr = NULL;

	asker = kthread_run(ask_always, &asked, "obm_asker");
	KUNIT_ASSERT_FALSE(test, IS_ERR(asker));
	for (round = 0; round < NR_DOOMED; round++) {
		heap = obm_heap_create("kunit_doomed", NULL);
		if (IS_ERR(heap))
			break;
		for (i = 0; i < 2 * OBM_TEST_POOLS * PER_UNIT; i++) {
			if (i % 100)
				obm_free(ptr);
			ptr = obm_alloc(heap, UNIT_SIZE, GFP_KERNEL);
			cond_resched();
		}
		obm_heap_destroy(heap);
	}
	kthread_stop(asker);
	KUNIT_EXPECT_EQ(test, round, NR_DOOMED);
	KUNIT_EXPECT_GT(test, asked, 0UL);
	KUNIT_EXPECT_EQ(test, obm_shrink_count(0), 0UL);
	/* Other CPUs keep a part of the counts to themselves. */
	if (num_online_cpus() == 1)
		KUNIT_EXPECT_EQ(test, pages_shown(NR_KERNEL_MISC_RECLAIMABLE),
				misc);
}

static struct kunit_case shrink_cases[] = {
	KUNIT_CASE(unused_pages_are_counted),
	KUNIT_CASE(no_more_goes_than_asked_for),
	KUNIT_CASE(a_spare_arena_goes_whole),
	KUNIT_CASE(blocks_that_wait_go_last),
	KUNIT_CASE(reclaim_is_credited),
	KUNIT_CASE(reclaim_waits_for_no_lock),
	KUNIT_CASE_PARAM(meminfo_tells, kind_gen_params),
	KUNIT_CASE(the_kernel_asks),
	KUNIT_CASE(a_heap_may_end_meanwhile),
	{ }
};

static struct kunit_suite shrink_suite = {
	.name = "obmalloc_shrink",
	.init = obm_test_init,
	.exit = obm_test_exit,
	.test_cases = shrink_cases,
};

kunit_test_suite(shrink_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_IMPORT_NS(OBM_KUNIT_NS);
MODULE_DESCRIPTION("KUnit suite of obmalloc's shrinker");
MODULE_LICENSE("GPL");
