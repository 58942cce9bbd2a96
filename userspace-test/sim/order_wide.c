// SPDX-License-Identifier: GPL-2.0-only
/* Pools of more than one page. */
#include "order.h"

static struct obm_heap *start(void)
{
	return order_start_with(OBM_SMALL_MAX, 0, 0);
}

/* Runs are aligned, each page of one leads to it, and it goes back whole. */
static void test_runs(void)
{
	struct obm_heap *heap = start();
	unsigned int ci, i;

	for (ci = 0; ci < obm_nr_classes; ci++) {
		const struct obm_class *class = &obm_classes[ci];
		unsigned int nr = BIT(class->order);
		struct obm_pool *pool;
		char *ptr;

		if (!class->order)
			continue;
		ptr = obm_alloc(heap, class->size, GFP_KERNEL);
		pool = order_pool(ptr);
		CHECK(pool_base(pool) == ptr);
		CHECK((unsigned long)ptr % (PAGE_SIZE << class->order) == 0);
		CHECK(pool->idx % nr == 0);
		for (i = 0; i < nr; i++)
			CHECK(obm_page_owner(ptr + i * PAGE_SIZE) ==
			      (unsigned long)pool);
		for (i = 1; i < nr; i++)
			CHECK(pool[i].state == OBM_POOL_TAIL);
		CHECK_EQ(order_stats(heap).nr_pools, 1);
		CHECK_EQ(order_stats(heap).nr_unused_pools, POOLS - nr);
		CHECK_EQ(order_stats(heap).avail_bytes,
			 (class->nr_blocks - 1) * class->size);
		CHECK(obm_heap_validate(heap) == 0);
		obm_free(ptr);
		CHECK_EQ(order_stats(heap).nr_unused_pools, POOLS);
		for (i = 0; i < nr; i++)
			CHECK(pool[i].state == OBM_POOL_UNUSED &&
			      obm_page_owner(ptr + i * PAGE_SIZE) ==
			      (unsigned long)&pool[i]);
		CHECK(obm_heap_validate(heap) == 0);
	}
	order_end(heap, 0);
}

/* A class with several pages in a pool, and blocks that cross them. */
static const struct obm_class *wide_class(void)
{
	unsigned int ci;

	for (ci = obm_nr_classes; ci--; )
		if (obm_classes[ci].order && obm_classes[ci].size > PAGE_SIZE &&
		    obm_classes[ci].nr_blocks > 2)
			return &obm_classes[ci];
	return NULL;
}

static void test_mistakes(void)
{
	struct obm_heap *heap = start();
	const struct obm_class *class = wide_class();
	unsigned int bad = 0;
	char *ptr, *last, *at;
	void *base;
	size_t size;

	if (!class) {
		order_end(heap, 0);
		return;
	}
	obm_alloc(heap, class->size, GFP_KERNEL);
	ptr = obm_alloc(heap, class->size, GFP_KERNEL);
	last = ptr;
	for (at = ptr + 8; at < ptr + class->size; at += PAGE_SIZE / 4) {
		obm_free(at);
		CHECK_EQ(order_stats(heap).nr_bad[OBM_BAD_INTERIOR], ++bad);
		CHECK(obm_block_bounds(at, &base, &size) == 0);
		CHECK(base == ptr && size == class->size);
		CHECK(obm_owns(heap, at));
	}
	obm_free(ptr + 3);
	CHECK_EQ(order_stats(heap).nr_bad[OBM_BAD_MISALIGNED], 1);
	obm_free_sized(heap, ptr, class->size - PAGE_SIZE / 2);
	CHECK_EQ(order_stats(heap).nr_bad[OBM_BAD_SIZE], 1);
	obm_free(last);
	obm_free(last);
	CHECK_EQ(order_stats(heap).nr_bad[OBM_BAD_DOUBLE], 1);
	CHECK_EQ(order_stats(heap).nr_blocks, 1);
	order_end(heap, 1);
}

/* Without a run, single blocks of pages serve; they are free as others are. */
static void test_fallback(void)
{
	unsigned int front;

	for (front = 0; front <= OBM_FRONT_MAX; front += OBM_FRONT_MAX) {
		struct obm_heap *heap = order_start_with(OBM_SMALL_MAX, front,
							 0);
		const struct obm_class *class = wide_class();
		void *ptrs[20], *ptr;
		size_t size;

		if (!class) {
			order_end(heap, 0);
			return;
		}
		size = class->size;
		sim_fault.max_order = get_order(size);
		if (sim_fault.max_order >= class->order) {
			order_end(heap, 0);
			return;
		}
		ptr = obm_alloc(heap, size, GFP_KERNEL);
		CHECK_EQ(order_stats(heap).nr_raw, 1);
		CHECK_EQ(order_stats(heap).nr_failed, 0);
		obm_free_sized(heap, ptr, size);
		CHECK_EQ(obm_alloc_bulk(heap, size, GFP_KERNEL, 20, ptrs), 20);
		CHECK_EQ(order_stats(heap).nr_raw, 20);
		obm_free_bulk(heap, size, 20, ptrs);
		CHECK_EQ(order_stats(heap).nr_raw, 0);
		obm_heap_trim(heap);
		CHECK_EQ(sim_pages_held(), 0);
		order_end(heap, 0);
	}
}

/* Holes too small, or not aligned, are passed over. */
static void test_holes(void)
{
	struct obm_heap *heap = start();
	const struct obm_class *class = wide_class();
	struct order_unit units[POOLS];
	struct obm_arena *arena;
	unsigned int i, nr;
	char *ptr;

	if (!class) {
		order_end(heap, 0);
		return;
	}
	nr = BIT(class->order);
	for (i = 0; i < POOLS; i++)
		units[i] = order_get(heap);
	arena = order_arena(units[0].ptrs[0]);
	/* As many as it takes, one place off. */
	for (i = 1; i <= nr && i < POOLS; i++)
		order_put(&units[i]);
	ptr = obm_alloc(heap, class->size, GFP_KERNEL);
	CHECK((nr == POOLS) || order_arena(ptr) != arena);
	obm_free(ptr);
	obm_heap_trim(heap);
	if (nr < POOLS) {
		/* Returned pages make no run. */
		order_put(&units[0]);
		ptr = obm_alloc(heap, class->size, GFP_KERNEL);
		CHECK(order_arena(ptr) != arena);
		obm_free(ptr);
		obm_heap_trim(heap);
		CHECK_EQ(sim_pages_held(), POOLS - 1 - nr);
	}
	obm_heap_destroy(heap);
	sim_end();
}

const struct tap_test order_wide_tests[] = {
	{ "wide: runs of pages", test_runs },
	{ "wide: each mistake", test_mistakes },
	{ "wide: pages where there is no run", test_fallback },
	{ "wide: holes that do not fit", test_holes },
};

const unsigned int order_nr_wide_tests = ARRAY_SIZE(order_wide_tests);
