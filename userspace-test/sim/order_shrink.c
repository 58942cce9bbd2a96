// SPDX-License-Identifier: GPL-2.0-only
/* What the kernel gets when it is short of memory, and what it is shown before. */
#include "order.h"

/* What /proc/meminfo makes of the pages of all heaps. */
static void check_shown(long unreclaimable, long reclaimable, long unused)
{
	CHECK_EQ(sim_stat_pages(NR_SLAB_UNRECLAIMABLE_B), unreclaimable);
	CHECK_EQ(sim_stat_pages(NR_SLAB_RECLAIMABLE_B), reclaimable);
	CHECK_EQ(sim_stat_pages(NR_KERNEL_MISC_RECLAIMABLE), unused);
}

/* Arenas with a pool in use each, the last one. */
static void fill_and_thin(struct obm_heap *heap, struct order_unit *units,
			  unsigned int nr_arenas)
{
	unsigned int i;

	for (i = 0; i < nr_arenas * POOLS; i++)
		units[i] = order_get(heap);
	for (i = 0; i < nr_arenas * POOLS; i++)
		if ((i + 1) % POOLS)
			order_put(&units[i]);
}

static void test_count(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);
	struct order_unit units[2 * POOLS];

	CHECK_EQ(obm_shrink_count(0), 0);
	CHECK_EQ(sim_reclaim(0, 1), 0);
	fill_and_thin(heap, units, 2);
	CHECK_EQ(obm_shrink_count(0), 2 * (POOLS - 1));
	CHECK_EQ(obm_shrink_count(1), 0);
	/* What is of another node is not given. */
	CHECK_EQ(obm_shrink_scan(1, 1), SHRINK_STOP);
	CHECK_EQ(sim_pages_held(), 2 * POOLS);
	order_end(heap, 2 * PER_POOL);
}

/* No page more than is asked for, of the emptiest arena first. */
static void test_bound(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);
	struct order_unit units[2 * POOLS];
	struct obm_arena *fuller;
	unsigned long held;
	unsigned int nr;

	fill_and_thin(heap, units, 2);
	/* One of the two has two pools in use. */
	units[0] = order_get(heap);
	fuller = order_arena(units[0].ptrs[0]);
	for (nr = 0; nr < POOLS - 2; nr++) {
		held = sim_pages_held();
		CHECK_EQ(sim_reclaim(0, 1), 1);
		CHECK_EQ(sim_pages_held(), held - 1);
		CHECK(nr || !fuller->returned_mask);
		CHECK(obm_heap_validate(heap) == 0);
	}
	/* All there is, if more is asked for. */
	nr = obm_shrink_count(0);
	CHECK_EQ(sim_reclaim(0, 10 * POOLS), nr);
	CHECK_EQ(obm_shrink_count(0), 0);
	CHECK_EQ(obm_shrink_scan(0, 1), SHRINK_STOP);
	CHECK_EQ(sim_pages_held(), 3);
	order_end(heap, 3 * PER_POOL);
}

/* The lower pages of an arena stay, as pools are taken from there. */
static void test_upper_pages(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);
	struct order_unit first = order_get(heap);
	struct obm_arena *arena = order_arena(first.ptrs[0]);

	CHECK_EQ(sim_reclaim(0, 1), 1);
	CHECK(arena->returned_mask == BIT_ULL(POOLS - 1));
	CHECK_EQ(arena->nr_free, POOLS - 2);
	order_end(heap, PER_POOL);
}

/* A spare arena goes first, and as the run that it was. */
static void test_spare(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);
	struct order_unit units[2 * POOLS];
	unsigned int i;

	for (i = 0; i < 2 * POOLS; i++)
		units[i] = order_get(heap);
	for (i = 0; i < POOLS; i++)
		order_put(&units[i]);
	order_put(&units[POOLS]);
	CHECK_EQ(order_stats(heap).nr_arenas, 2);
	CHECK_EQ(sim_reclaim(0, 1), POOLS);
	CHECK_EQ(order_stats(heap).nr_arenas, 1);
	CHECK_EQ(order_stats(heap).nr_pages_put, 0);
	CHECK_EQ(sim_reclaim(0, 1), 1);
	CHECK_EQ(order_stats(heap).nr_pages_put, 1);
	order_end(heap, (POOLS - 1) * PER_POOL);
}

/* Heaps take turns. */
static void test_turns(void)
{
	struct obm_heap *heaps[3] = { order_start(0, NUMA_NO_NODE) };
	unsigned int i, k, turn = 0, paid[3] = { };
	struct order_unit units[3][POOLS];

	heaps[1] = obm_heap_create("second", NULL);
	heaps[2] = obm_heap_create("third", NULL);
	for (i = 0; i < 3; i++)
		fill_and_thin(heaps[i], units[i], 1);
	for (k = 0; k < 6; k++) {
		CHECK_EQ(sim_reclaim(0, 1), 1);
		for (i = 0; i < 3; i++)
			if (order_stats(heaps[i]).nr_pages_put > paid[i])
				break;
		CHECK(i < 3 && (!k || i == (turn + 1) % 3));
		turn = i;
		paid[i]++;
	}
	/* One that ends is passed over, and so is one that has nothing. */
	heaps[(turn + 1) % 3]->dying = true;
	CHECK_EQ(sim_reclaim(0, 1), 1);
	CHECK_EQ(order_stats(heaps[(turn + 1) % 3]).nr_pages_put, 2);
	CHECK_EQ(order_stats(heaps[(turn + 2) % 3]).nr_pages_put, 3);
	heaps[(turn + 1) % 3]->dying = false;
	/* More than one has is had of the next. */
	CHECK_EQ(sim_reclaim(0, 3 * POOLS), 3 * (POOLS - 1) - 7);
	CHECK_EQ(obm_heap_destroy(heaps[1]), PER_POOL);
	CHECK_EQ(obm_heap_destroy(heaps[2]), PER_POOL);
	order_end(heaps[0], PER_POOL);
}

/* Blocks that wait keep pages; they go back once no unused ones are left. */
static void test_front(void)
{
	struct obm_heap *heap = order_start_with(max(512UL, WHOLE),
						 OBM_FRONT_MAX, 0);
	unsigned int i, nr = 400;
	void *ptrs[400], *live;
	unsigned long held;

	for (i = 0; i < nr; i++)
		ptrs[i] = obm_alloc(heap, 64, GFP_KERNEL);
	for (i = 0; i < nr; i++)
		obm_free(ptrs[i]);
	live = obm_alloc(heap, WHOLE, GFP_KERNEL);
	CHECK(atomic_long_read(&heap->mag_bytes) > 0);
	held = obm_shrink_count(0);
	CHECK_EQ(sim_reclaim(0, held), held);
	CHECK(atomic_long_read(&heap->mag_bytes) > 0);
	/* One in use, or the shrinker would not be asked at all. */
	obm_free(live);
	live = NULL;
	for (i = 0; i < 2 * PER_POOL; i++)
		ptrs[i] = obm_alloc(heap, WHOLE, GFP_KERNEL);
	CHECK(obm_shrink_count(0) > 0);
	held = sim_pages_held();
	CHECK_EQ(sim_reclaim(0, ULONG_MAX), held - 2);
	CHECK_EQ(atomic_long_read(&heap->mag_bytes), 0);
	CHECK_EQ(sim_pages_held(), 2);
	order_end(heap, 2 * PER_POOL);
}

/* Maps of no pool go too. */
static void test_maps(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);
	u64 meta;

	obm_alloc(heap, WHOLE, GFP_KERNEL);
	meta = order_stats(heap).meta_bytes;
	obm_free(obm_alloc(heap, 8, GFP_KERNEL));
	CHECK(order_stats(heap).meta_bytes > meta || !order_has_maps(8));
	CHECK_EQ(sim_reclaim(0, 1), 1);
	CHECK(order_stats(heap).meta_bytes > meta || !order_has_maps(8));
	CHECK_EQ(sim_reclaim(0, POOLS), POOLS - 2);
	CHECK_EQ(order_stats(heap).meta_bytes, meta);
	order_end(heap, 1);
}

/* Whoever has the lock may allocate under it. */
static void test_lock(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);
	struct order_unit unit = order_get(heap);

	mutex_lock(&obm_heaps_lock);
	CHECK_EQ(obm_shrink_count(0), POOLS - 1);
	CHECK_EQ(obm_shrink_scan(0, 1), SHRINK_STOP);
	CHECK_EQ(sim_reclaim(0, 1), 0);
	mutex_unlock(&obm_heaps_lock);
	CHECK_EQ(sim_pages_held(), POOLS);
	CHECK_EQ(sim_reclaim(0, 1), 1);
	order_put(&unit);
	order_end(heap, 0);
}

/* Unused pages are shown as such, used ones by the heap's kind. */
static void test_shown(void)
{
	const struct obm_heap_attrs attrs = {
		.node = NUMA_NO_NODE, .flags = OBM_HEAP_RECLAIMABLE,
	};
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE), *caches;
	struct order_unit units[POOLS];
	struct obm_stats s;
	unsigned int i;
	long shown;

	check_shown(0, 0, 0);
	units[0] = order_get(heap);
	shown = sim_stat_pages(NR_KERNEL_MISC_RECLAIMABLE);
	CHECK(shown == POOLS || shown == POOLS - 1);
	check_shown(POOLS - shown, 0, shown);
	for (i = 1; i < POOLS; i++) {
		units[i] = order_get(heap);
		s = order_stats(heap);
		shown = sim_stat_pages(NR_KERNEL_MISC_RECLAIMABLE);
		CHECK(labs(shown - (long)s.nr_unused_pools) < OBM_SHOW_STEP);
		check_shown(POOLS - shown, 0, shown);
	}
	for (i = 0; i < POOLS - 1; i++)
		order_put(&units[i]);
	/* When pages go back it is exact. */
	CHECK_EQ(sim_reclaim(0, 1), 1);
	check_shown(1, 0, POOLS - 2);
	CHECK_EQ(sim_reclaim(0, POOLS), POOLS - 2);
	check_shown(1, 0, 0);

	caches = obm_heap_create("caches", &attrs);
	obm_alloc(caches, WHOLE, GFP_KERNEL);
	CHECK_EQ(sim_reclaim(0, 1), 1);
	check_shown(1, 1, POOLS - 2);
	obm_alloc(caches, 3 * PAGE_SIZE, GFP_KERNEL);
	obm_alloc(heap, 3 * PAGE_SIZE, GFP_KERNEL);
	check_shown(4, 4, POOLS - 2);
	CHECK_EQ(obm_heap_destroy(caches), 2);
	check_shown(4, 0, 0);
	order_end(heap, PER_POOL + 1);
	check_shown(0, 0, 0);
}

const struct tap_test order_shrink_tests[] = {
	{ "shrink: what is unused is counted by node", test_count },
	{ "shrink: not a page more than asked for", test_bound },
	{ "shrink: the upper pages of an arena first", test_upper_pages },
	{ "shrink: a spare arena goes whole, and first", test_spare },
	{ "shrink: heaps take turns", test_turns },
	{ "shrink: blocks that wait on CPUs", test_front },
	{ "shrink: maps of no pool", test_maps },
	{ "shrink: under the lock of heaps", test_lock },
	{ "shrink: what is shown before", test_shown },
};

const unsigned int order_nr_shrink_tests = ARRAY_SIZE(order_shrink_tests);
