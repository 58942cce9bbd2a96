// SPDX-License-Identifier: GPL-2.0-only
/* NUMA nodes, and PREEMPT_RT: where memory comes from and who gives it back. */
#include "order.h"

static int nid_of(const void *ptr)
{
	return page_to_nid(virt_to_page(ptr));
}

static void test_node_choice(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);
	unsigned long nr = 0;
	int nid;

	for (nid = 0; nid < 2; nid++) {
		sim_context.nid = nid;
		CHECK(nid_of(obm_alloc(heap, 16, GFP_KERNEL)) == nid);
		CHECK(nid_of(obm_alloc(heap, 2 * PAGE_SIZE, GFP_KERNEL)) == nid);
		CHECK(nid_of(obm_alloc_node(heap, 16, GFP_KERNEL, !nid)) == !nid);
		CHECK(nid_of(obm_alloc_node(heap, 2 * PAGE_SIZE, GFP_KERNEL,
					    !nid)) == !nid);
		/* A node that is none, or not online: that of the CPU. */
		CHECK(nid_of(obm_alloc_node(heap, 16, GFP_KERNEL, 3)) == nid);
		CHECK(nid_of(obm_alloc_node(heap, 16, GFP_KERNEL, 99)) == nid);
		CHECK(nid_of(obm_alloc_node(heap, 16, GFP_KERNEL, -7)) == nid);
		nr += 7;
	}
	order_end(heap, nr);
}

static void test_other_node_blocks(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);
	unsigned long got;
	void *a, *b;

	a = obm_alloc_node(heap, 16, GFP_KERNEL, 1);
	got = order_stats(heap).nr_arenas_got;
	/* New pages on the node come before blocks of another. */
	b = obm_alloc_node(heap, 16, GFP_KERNEL, 0);
	CHECK(nid_of(b) == 0);
	CHECK_EQ(order_stats(heap).nr_arenas_got, ++got);
	obm_free(b);
	obm_heap_trim(heap);
	/* Without such pages the other node's blocks come, and no new pages. */
	sim_fault.full[0] = true;
	b = obm_alloc_node(heap, 16, GFP_KERNEL, 0);
	CHECK((char *)b == (char *)a + 16);
	CHECK_EQ(order_stats(heap).nr_arenas_got, got);
	/* Unless the caller insists. */
	CHECK(!obm_alloc_node(heap, 16, GFP_KERNEL | __GFP_THISNODE, 0));
	CHECK(!obm_alloc_node(heap, 2 * PAGE_SIZE,
			      GFP_KERNEL | __GFP_THISNODE, 0));
	CHECK_EQ(order_stats(heap).nr_failed, 2);
	/* New pages elsewhere are last. */
	CHECK(nid_of(obm_alloc_node(heap, WHOLE, GFP_KERNEL, 0)) == 1);
	CHECK(nid_of(obm_alloc_node(heap, 2 * PAGE_SIZE, GFP_KERNEL, 0)) == 1);
	order_end(heap, 4);
}

/* A node that had no pages is left alone for a tenth of a second. */
static void test_full_node_rests(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);
	unsigned long calls, nr = 2;

	obm_alloc_node(heap, 16, GFP_KERNEL, 1);
	sim_fault.full[0] = true;
	obm_alloc_node(heap, 16, GFP_KERNEL, 0);
	calls = sim_fault.calls;
	for (; nr < 10; nr++)
		CHECK(nid_of(obm_alloc_node(heap, 16, GFP_KERNEL, 0)) == 1);
	CHECK_EQ(sim_fault.calls, calls);
	sim_fault.full[0] = false;
	sim_jiffies += HZ / 10 - 1;
	CHECK(nid_of(obm_alloc_node(heap, 16, GFP_KERNEL, 0)) == 1);
	sim_jiffies++;
	CHECK(nid_of(obm_alloc_node(heap, 16, GFP_KERNEL, 0)) == 0);
	/* A limit says nothing about a node. */
	heap->limit_bytes = order_stats(heap).held_bytes;
	while (obm_alloc_node(heap, WHOLE, GFP_KERNEL, 0))
		nr++;
	heap->limit_bytes = 0;
	CHECK(nid_of(obm_alloc_node(heap, WHOLE, GFP_KERNEL, 1)) == 1);
	CHECK(nid_of(obm_alloc_node(heap, WHOLE, GFP_KERNEL, 0)) == 0);
	order_end(heap, nr + 4);
}

/* With one node, reclaim is not put off until the others were asked. */
static void test_single_node(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);
	unsigned long calls;

	nr_online_nodes = 1;
	obm_free(obm_alloc(heap, 2 * PAGE_SIZE, GFP_KERNEL));
	sim_fault.full[0] = true;
	sim_fault.full[1] = true;
	calls = sim_fault.calls;
	CHECK(!obm_alloc(heap, WHOLE, GFP_ATOMIC));
	/* Node, a descriptor and a run for each order, and no more. */
	CHECK_EQ(sim_fault.calls - calls, 1 + 2 * (OBM_ARENA_ORDER + 1));
	order_end(heap, 0);
}

static void test_bound_heap(void)
{
	struct obm_heap *heap = order_start(0, 1);

	sim_context.nid = 0;
	CHECK(nid_of(obm_alloc(heap, 16, GFP_KERNEL)) == 1);
	CHECK(nid_of(obm_alloc_node(heap, 16, GFP_KERNEL, 0)) == 1);
	CHECK(nid_of(obm_alloc(heap, 3 * PAGE_SIZE, GFP_KERNEL)) == 1);
	obm_heap_trim(heap);
	sim_fault.full[1] = true;
	CHECK(!obm_alloc(heap, WHOLE, GFP_KERNEL));
	CHECK(!obm_alloc(heap, 2 * PAGE_SIZE, GFP_KERNEL));
	CHECK(!order_stats(heap).nr_limited);
	CHECK_EQ(order_stats(heap).nr_failed, 2);
	order_end(heap, 3);
}

static void test_memoryless_node(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);
	void *a, *b;

	sim_context.nid = 2;
	a = obm_alloc(heap, 16, GFP_KERNEL);
	b = obm_alloc(heap, 16, GFP_KERNEL);
	CHECK(a && (char *)b == (char *)a + 16);
	CHECK_EQ(order_stats(heap).nr_arenas_got, 1);
	CHECK(!obm_alloc_node(heap, 16, GFP_KERNEL | __GFP_THISNODE, 2));
	order_end(heap, 2);
}

/* Without memory, what the heap itself can give up is given up first. */
static void test_trim_before_failure(void)
{
	struct obm_heap *heap = order_start(0, 0);
	void *a = obm_alloc(heap, WHOLE, GFP_KERNEL);

	obm_free(a);
	CHECK_EQ(order_stats(heap).nr_arenas, 1);
	sim_fault.nth = 2;
	/* Who may not wait does not look for it. */
	CHECK(!obm_alloc(heap, 4 * PAGE_SIZE, GFP_ATOMIC));
	CHECK_EQ(order_stats(heap).nr_arenas, 1);
	sim_fault.nth = 2;
	CHECK(!!obm_alloc(heap, 4 * PAGE_SIZE, GFP_KERNEL));
	CHECK_EQ(order_stats(heap).nr_arenas, 0);
	CHECK_EQ(order_stats(heap).nr_failed, 1);
	order_end(heap, 1);
}

/* On PREEMPT_RT a free in atomic context returns nothing, a worker does. */
static void test_rt_arena(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);
	struct order_unit units[2 * POOLS];
	unsigned int i;

	for (i = 0; i < 2 * POOLS; i++)
		units[i] = order_get(heap);
	sim_preempt_rt = true;
	sim_context.atomic = true;
	for (i = 0; i < 2 * POOLS; i++)
		order_put(&units[i]);
	CHECK_EQ(order_stats(heap).nr_arenas, 2);
	CHECK_EQ(sim_pages_held(), 2 * POOLS);
	CHECK(sim_work_pending());
	CHECK_EQ(obm_heap_trim(heap), 0);
	sim_context.atomic = false;
	sim_run_work();
	CHECK_EQ(sim_pages_held(), 0);
	/* Who may sleep returns it at once there too. */
	for (i = 0; i < 2 * POOLS; i++)
		units[i] = order_get(heap);
	for (i = 0; i < 2 * POOLS; i++)
		order_put(&units[i]);
	CHECK(!sim_work_pending());
	CHECK_EQ(order_stats(heap).nr_arenas, 1);
	order_end(heap, 0);
}

static void test_rt_raw(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);
	char *a = obm_alloc(heap, 3 * PAGE_SIZE, GFP_KERNEL);
	char *b = obm_alloc(heap, 4 * PAGE_SIZE, GFP_KERNEL);

	sim_preempt_rt = true;
	sim_context.atomic = true;
	/* A block that may not shrink here stays whole. */
	obm_free(a);
	CHECK_EQ(sim_pages_held(), 7);
	CHECK_EQ(order_stats(heap).nr_raw, 1);
	obm_free(a);
	CHECK_EQ(order_stats(heap).nr_bad[OBM_BAD_DOUBLE], 1);
	CHECK(obm_block_bounds(a, NULL, NULL) == -ENOENT);
	CHECK(!obm_owns(heap, a));
	sim_context.atomic = false;
	sim_run_work();
	CHECK_EQ(sim_pages_held(), 4);
	sim_context.atomic = true;
	obm_free(b);
	sim_context.atomic = false;
	/* Destroy does not wait for the worker. */
	order_end(heap, 0);
}

/* What a worker is to give back is not lost to a heap at its limit. */
static void test_rt_limit(void)
{
	struct obm_heap *heap = order_start(65536 + 8192 + 20 * PAGE_SIZE,
					    NUMA_NO_NODE);
	size_t size = 65536 + 10 * PAGE_SIZE;
	void *a = obm_alloc(heap, size, GFP_KERNEL);

	sim_preempt_rt = true;
	sim_context.atomic = true;
	obm_free(a);
	sim_context.atomic = false;
	CHECK(!!obm_alloc(heap, size, GFP_KERNEL));
	CHECK_EQ(order_stats(heap).nr_limited, 0);
	order_end(heap, 1);
}

const struct tap_test order_node_tests[] = {
	{ "node: the caller's, or the one asked for", test_node_choice },
	{ "node: another's blocks before its pages", test_other_node_blocks },
	{ "node: a full one is left alone for a while", test_full_node_rests },
	{ "node: a machine with one", test_single_node },
	{ "node: a heap bound to one", test_bound_heap },
	{ "node: one without memory", test_memoryless_node },
	{ "node: trim before failure", test_trim_before_failure },
	{ "rt: arenas are left to a worker", test_rt_arena },
	{ "rt: raw blocks are left to a worker", test_rt_raw },
	{ "rt: but serve a heap at its limit", test_rt_limit },
};

const unsigned int order_nr_node_tests = ARRAY_SIZE(order_node_tests);
