// SPDX-License-Identifier: GPL-2.0-only
/* Runs of pages of which only the beginning is kept. */
#include "order.h"

/* Each part of each run: what is not kept is back at once, and all of it soon. */
static void cut_all(gfp_t gfp)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);
	unsigned long held = sim_pages_held();
	unsigned int order, keep;
	struct page *page;

	for (order = 1; order <= OBM_ARENA_ORDER; order++)
		for (keep = 1; keep < 1U << order; keep++) {
			page = obm_pages_get(heap, order, gfp, 0);
			obm_pages_cut(heap, page, order, keep, gfp);
			CHECK_EQ(sim_pages_held(), held + keep);
			CHECK_EQ(sim_stat_pages(NR_SLAB_UNRECLAIMABLE_B), keep);
			obm_page_set_owner(page, 1, 0);
			obm_pages_put_single(heap, page, keep);
			CHECK_EQ(sim_pages_held(), held);
			CHECK_EQ(sim_stat_pages(NR_SLAB_UNRECLAIMABLE_B), 0);
		}
	order_end(heap, 0);
}

static void test_cut(void)
{
	cut_all(GFP_KERNEL);
}

/* Who knows of a run by its first page is told of every page. */
static void test_cut_charged(void)
{
	cut_all(GFP_KERNEL_ACCOUNT);
}

static void test_cut_profiled(void)
{
	sim_profiling = true;
	cut_all(GFP_KERNEL);
	sim_profiling = false;
}

/* A raw block is as many pages as it needs, of a run that had more. */
static void test_raw(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);
	unsigned long held = sim_pages_held();
	unsigned int nr;
	void *ptr;

	for (nr = 3; nr < POOLS; nr++) {
		ptr = obm_alloc(heap, nr * PAGE_SIZE, GFP_KERNEL);
		CHECK_EQ(sim_pages_held(), held + nr);
		obm_free(ptr);
		CHECK_EQ(sim_pages_held(), held);
	}
	order_end(heap, 0);
}

const struct tap_test order_page_tests[] = {
	{ "page: the beginning of a run is kept", test_cut },
	{ "page: the same of a run that is charged", test_cut_charged },
	{ "page: the same of a run that is profiled", test_cut_profiled },
	{ "page: a raw block is cut to its pages", test_raw },
};

const unsigned int order_nr_page_tests = ARRAY_SIZE(order_page_tests);
