// SPDX-License-Identifier: GPL-2.0-only
/* Blocks in pools, pools in arenas: what is taken first, what goes back. */
#include "order.h"

static void test_lowest_block(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);
	size_t size = order_few();
	char *a = obm_alloc(heap, size, GFP_KERNEL);
	char *b = obm_alloc(heap, size, GFP_KERNEL);
	char *c = obm_alloc(heap, size, GFP_KERNEL);

	CHECK(offset_in_page(a) == 0 && b == a + size && c == b + size);
	CHECK(order_pool(a)->idx == 0);
	obm_free(b);
	obm_free(a);
	CHECK(obm_alloc(heap, size, GFP_KERNEL) == a);
	CHECK(obm_alloc(heap, size, GFP_KERNEL) == b);
	order_end(heap, 3);
}

static void test_full_pool_first(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);
	size_t size = order_few();
	unsigned int i, n = PAGE_SIZE / size;
	char *first = NULL, *second = NULL, *third;

	for (i = 0; i < n; i++)
		first = obm_alloc(heap, size, GFP_KERNEL);
	for (i = 0; i < n; i++)
		second = obm_alloc(heap, size, GFP_KERNEL);
	third = obm_alloc(heap, size, GFP_KERNEL);
	CHECK(order_pool(first)->state == OBM_POOL_FULL);
	CHECK(order_pool(third)->state == OBM_POOL_PARTIAL);
	/* The full one that gets a free block goes before the partial one. */
	obm_free(first);
	CHECK(obm_alloc(heap, size, GFP_KERNEL) == first);
	obm_free(second);
	obm_free(first);
	CHECK(obm_alloc(heap, size, GFP_KERNEL) == first);
	CHECK(obm_alloc(heap, size, GFP_KERNEL) == second);
	CHECK(obm_alloc(heap, size, GFP_KERNEL) == third + size);
	order_end(heap, 2 * n + 2);
}

/* Three arenas with one, two and three unused pools: filled in that order. */
static void test_fullest_arena(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);
	struct order_unit units[3 * POOLS];
	const void *bases[3];
	unsigned int i, k;

	for (i = 0; i < 3 * POOLS; i++)
		units[i] = order_get(heap);
	for (i = 0; i < 3; i++)
		bases[i] = order_arena(units[i * POOLS].ptrs[0]);
	CHECK(bases[0] != bases[1] && bases[1] != bases[2]);
	CHECK_EQ(order_stats(heap).nr_arenas, 3);
	/* In the middle one 1, in the last 2, in the first 3, if it has 3. */
	for (i = 0; i < min(3U, POOLS - 1); i++)
		order_put(&units[i]);
	order_put(&units[POOLS]);
	for (i = 0; i < min(2U, POOLS - 1); i++)
		order_put(&units[2 * POOLS + i]);
	units[POOLS] = order_get(heap);
	if (POOLS > 3) {
		CHECK(order_arena(units[POOLS].ptrs[0]) == bases[1]);
		for (k = 0; k < 2; k++) {
			units[2 * POOLS + k] = order_get(heap);
			CHECK(order_arena(units[2 * POOLS + k].ptrs[0]) ==
			      bases[2]);
		}
		for (k = 0; k < 3; k++) {
			units[k] = order_get(heap);
			CHECK(order_arena(units[k].ptrs[0]) == bases[0]);
			/* The lowest unused pool of it. */
			CHECK(order_pool(units[k].ptrs[0])->idx == k);
		}
		CHECK_EQ(order_stats(heap).nr_arenas_got, 3);
	}
	order_end(heap, order_stats(heap).nr_blocks);
}

/* An arena with one pool in use is taken from before a spare one. */
static void test_spare_last(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);
	struct order_unit units[2 * POOLS], unit;
	unsigned int i;

	for (i = 0; i < 2 * POOLS; i++)
		units[i] = order_get(heap);
	for (i = 0; i < POOLS; i++)
		order_put(&units[i]);
	order_put(&units[2 * POOLS - 1]);
	unit = order_get(heap);
	CHECK(unit.ptrs[0] == units[2 * POOLS - 1].ptrs[0]);
	unit = order_get(heap);
	CHECK(order_arena(unit.ptrs[0]) != order_arena(units[POOLS].ptrs[0]));
	CHECK_EQ(order_stats(heap).nr_arenas_got, 2);
	order_end(heap, (POOLS + 1) * PER_POOL);
}

static void test_one_spare(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);
	struct order_unit units[3 * POOLS];
	unsigned long pages = sim_pages_held();
	unsigned int i;

	for (i = 0; i < 3 * POOLS; i++)
		units[i] = order_get(heap);
	CHECK_EQ(sim_pages_held() - pages, 3 * POOLS);
	for (i = 0; i < POOLS; i++)
		order_put(&units[i]);
	CHECK_EQ(order_stats(heap).nr_arenas, 3);
	CHECK_EQ(order_stats(heap).nr_arenas_put, 0);
	for (i = POOLS; i < 2 * POOLS; i++) {
		CHECK_EQ(order_stats(heap).nr_arenas, 3);
		order_put(&units[i]);
	}
	CHECK_EQ(order_stats(heap).nr_arenas, 2);
	CHECK_EQ(sim_pages_held() - pages, 2 * POOLS);
	for (; i < 3 * POOLS; i++)
		order_put(&units[i]);
	CHECK_EQ(order_stats(heap).nr_arenas, 1);
	CHECK_EQ(order_stats(heap).nr_arenas_put, 2);
	CHECK_EQ(order_stats(heap).unused_bytes, POOLS * PAGE_SIZE);
	/* The spare serves again. */
	units[0] = order_get(heap);
	CHECK_EQ(order_stats(heap).nr_arenas_got, 3);
	order_put(&units[0]);
	CHECK_EQ(obm_heap_trim(heap), POOLS * PAGE_SIZE);
	CHECK_EQ(order_stats(heap).nr_arenas, 0);
	CHECK_EQ(sim_pages_held(), pages);
	order_end(heap, 0);
}

static void test_trim_pages(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);
	struct order_unit units[2 * POOLS], unit;
	struct obm_stats s;
	unsigned int i;

	for (i = 0; i < 2 * POOLS; i++)
		units[i] = order_get(heap);
	for (i = 0; i < 2 * POOLS; i += 2)
		order_put(&units[i]);
	CHECK_EQ(obm_heap_trim(heap), POOLS * PAGE_SIZE);
	CHECK_EQ(sim_pages_held(), POOLS);
	CHECK_EQ(obm_heap_trim(heap), 0);
	s = order_stats(heap);
	CHECK_EQ(s.nr_pages_put, POOLS);
	CHECK_EQ(s.nr_arenas, 2);
	CHECK_EQ(s.unused_bytes, 0);
	CHECK_EQ(s.nr_pools, POOLS);
	/* What was returned does not come back. */
	unit = order_get(heap);
	CHECK_EQ(order_stats(heap).nr_arenas_got, 3);
	order_put(&unit);
	/* An arena with holes is no spare. */
	for (i = 1; i < POOLS; i += 2)
		order_put(&units[i]);
	CHECK_EQ(order_stats(heap).nr_arenas, 2);
	obm_heap_trim(heap);
	for (; i < 2 * POOLS; i += 2)
		order_put(&units[i]);
	CHECK_EQ(order_stats(heap).nr_arenas, 0);
	CHECK_EQ(sim_pages_held(), 0);
	order_end(heap, 0);
}

/* A second trim of the same arena gives back what came to be unused since. */
static void test_trim_again(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);
	struct order_unit units[POOLS];
	unsigned int i;

	for (i = 0; i < POOLS; i++)
		units[i] = order_get(heap);
	for (i = 0; i < POOLS - 1; i++) {
		order_put(&units[i]);
		CHECK_EQ(obm_heap_trim(heap), PAGE_SIZE);
		CHECK_EQ(sim_pages_held(), POOLS - 1 - i);
		CHECK(obm_heap_validate(heap) == 0);
	}
	order_put(&units[POOLS - 1]);
	CHECK_EQ(sim_pages_held(), 0);
	order_end(heap, 0);
}

/* Runs of each order, down to single pages, are arenas of their own size. */
static void test_fallback(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);
	struct order_unit unit;
	unsigned int order, pages = 0;

	for (order = OBM_ARENA_ORDER; order <= OBM_ARENA_ORDER; order--) {
		unsigned int i, n = 1U << order;

		sim_fault.max_order = order;
		for (i = 0; i < n; i++) {
			unit = order_get(heap);
			CHECK(order_arena(unit.ptrs[0])->order == order);
		}
		pages += n;
		CHECK_EQ(sim_pages_held(), pages);
	}
	CHECK_EQ(order_stats(heap).nr_arenas, OBM_ARENA_ORDER + 1);
	CHECK_EQ(order_stats(heap).held_bytes,
		 atomic_long_read(&heap->held_bytes));
	order_end(heap, pages * PER_POOL);
}

static void test_maps(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);
	struct obm_stats before, after;
	void *a, *b;

	a = obm_alloc(heap, 8, GFP_KERNEL);
	before = order_stats(heap);
	obm_free(a);
	/* The map is kept for the next pool, and given up by a trim. */
	CHECK_EQ(order_stats(heap).meta_bytes, before.meta_bytes);
	a = obm_alloc(heap, 8, GFP_KERNEL);
	CHECK_EQ(order_stats(heap).meta_bytes, before.meta_bytes);
	obm_free(a);
	b = obm_alloc(heap, WHOLE, GFP_KERNEL);
	obm_heap_trim(heap);
	after = order_stats(heap);
	CHECK_EQ(before.meta_bytes - after.meta_bytes,
		 order_has_maps(8) ?
		 obm_map_bytes(obm_map_order(class_index(8))) : 0);
	obm_free(b);
	order_end(heap, 0);
}

/* init_on_alloc and init_on_free, as the kernel has them for slabs. */
static void test_init(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);
	size_t i, size = order_few();
	unsigned char *ptr, sum = 0;
	bool on_free;

	obm_alloc(heap, size, GFP_KERNEL);
	for (on_free = false; ; on_free = true) {
		sim_init_on_free = on_free;
		sim_init_on_alloc = !on_free;
		ptr = obm_alloc(heap, size, GFP_KERNEL);
		memset(ptr, 1, size);
		sim_no_junk = on_free;
		obm_free(ptr);
		CHECK(obm_alloc(heap, size, GFP_KERNEL) == ptr);
		for (i = 0; i < size; i++)
			sum |= ptr[i];
		CHECK(!sum);
		obm_free(ptr);
		if (on_free)
			break;
	}
	order_end(heap, 1);
}

/* Every block of every class can be had, and overlaps no other. */
static void test_every_block(void)
{
	struct obm_heap *heap = order_start_with(OBM_SMALL_MAX, 0, 0);
	unsigned long nr = 0;
	unsigned int ci, i;

	for (ci = 0; ci < obm_nr_classes; ci++) {
		const struct obm_class *class = &obm_classes[ci];
		char *first = NULL;

		for (i = 0; i < class->nr_blocks; i++) {
			char *ptr = obm_alloc(heap, class->size, GFP_KERNEL);

			first = first ?: ptr;
			if (!CHECK(ptr == first + i * class->size))
				break;
			memset(ptr, ci, class->size);
			nr++;
		}
		CHECK(order_pool(first)->state == OBM_POOL_FULL);
	}
	CHECK_EQ(order_stats(heap).avail_bytes, 0);
	order_end(heap, nr);
}

const struct tap_test order_arena_tests[] = {
	{ "pool: the lowest free block first", test_lowest_block },
	{ "pool: a full one goes to the front", test_full_pool_first },
	{ "pool: every block of every class", test_every_block },
	{ "pool: init_on_alloc, init_on_free", test_init },
	{ "arena: the fullest first", test_fullest_arena },
	{ "arena: the spare last", test_spare_last },
	{ "arena: one spare is kept", test_one_spare },
	{ "arena: trim leaves pages that hold blocks", test_trim_pages },
	{ "arena: trim after trim", test_trim_again },
	{ "arena: runs of every order", test_fallback },
	{ "arena: maps outside of pools", test_maps },
};

const unsigned int order_nr_arena_tests = ARRAY_SIZE(order_arena_tests);
