// SPDX-License-Identifier: GPL-2.0-only
/* Pools that classes share, and the small arenas of a small heap. */
#include "order.h"
#include "cache.h"

#define MANY	200

static void *ptrs[MANY];

static struct obm_heap *start(unsigned int front_max)
{
	struct obm_heap *heap;

	sim_compact = true;
	heap = order_start_with(max(512UL, WHOLE), front_max, 0);
	sim_compact = false;
	return heap;
}

static struct obm_node_class *class_of(struct obm_heap *heap, size_t size)
{
	return node_class(heap->nodes[0], class_index(size));
}

static bool is_mixed(const void *ptr)
{
	return pool_ci(order_pool(ptr)) == OBM_MIXED;
}

/* One block of each class: they share a few pages. */
static void test_share(void)
{
	struct obm_heap *heap = start(0);
	unsigned int i, nr = 0, units = 0, nr_mixed = 0;
	struct obm_stats s;
	u64 used = 0;

	for (i = 0; i < obm_nr_classes && nr < MANY; i++) {
		unsigned int size = obm_classes[i].size;

		ptrs[nr] = obm_alloc(heap, size, GFP_KERNEL);
		CHECK(!!ptrs[nr]);
		CHECK(IS_ALIGNED((unsigned long)ptrs[nr], size & -size));
		CHECK_EQ(obm_usable_size(ptrs[nr]), size);
		used += size;
		if (is_mixed(ptrs[nr])) {
			units += obm_mixed_units(i);
			nr_mixed++;
			CHECK_EQ(class_of(heap, size)->nr_mixed, 1);
			CHECK_EQ(class_of(heap, size)->nr_pools, 0);
		} else {
			CHECK(obm_mixed_units(i) > OBM_UNITS / 2);
		}
		memset(ptrs[nr], nr, size);
		nr++;
		CHECK(obm_heap_validate(heap) == 0);
	}
	CHECK(nr_mixed > nr / 4);
	/* Alignment leaves some room, but not as much again. */
	CHECK(heap->nodes[0]->mixed.nr_pools * OBM_UNITS < 2 * units + OBM_UNITS);
	s = order_stats(heap);
	CHECK_EQ(s.nr_blocks, nr);
	CHECK_EQ(s.used_bytes, used);
	for (i = 0; i < nr; i++) {
		CHECK_EQ(*(u8 *)ptrs[i], i);
		if (i % 2)
			obm_free(ptrs[i]);
		else
			obm_free_sized(heap, ptrs[i], obm_usable_size(ptrs[i]));
		CHECK(obm_heap_validate(heap) == 0);
	}
	CHECK_EQ(order_stats(heap).nr_pools, 0);
	order_end(heap, 0);
}

/* A page's worth of units, and then pools of its own; and back. */
static void test_quota(void)
{
	struct obm_heap *heap = start(0);
	size_t size = obm_classes[class_index(OBM_UNIT)].size;
	unsigned int each = obm_mixed_units(class_index(size));
	unsigned int i, nr = OBM_UNITS / each;

	for (i = 0; i < nr + 1; i++) {
		ptrs[i] = obm_alloc(heap, size, GFP_KERNEL);
		CHECK_EQ(is_mixed(ptrs[i]), i < nr);
	}
	CHECK_EQ(class_of(heap, size)->nr_mixed, nr);
	CHECK_EQ(class_of(heap, size)->nr_pools, 1);
	/* While it has a pool with room, that is what it takes. */
	obm_free(ptrs[0]);
	ptrs[0] = obm_alloc(heap, size, GFP_KERNEL);
	CHECK(!is_mixed(ptrs[0]));
	obm_free(ptrs[0]);
	obm_free(ptrs[nr]);
	CHECK_EQ(class_of(heap, size)->nr_pools, 0);
	ptrs[0] = obm_alloc(heap, size, GFP_KERNEL);
	CHECK(is_mixed(ptrs[0]));
	for (i = 0; i < nr; i++)
		obm_free(ptrs[i]);
	order_end(heap, 0);
}

/* Nothing is said with less certainty of a block in a shared pool. */
static void test_bad(void)
{
	struct obm_heap *heap = start(0), *other;
	const struct obm_heap_attrs attrs = OBM_HEAP_ATTRS_INIT;
	size_t size = obm_classes[class_index(OBM_UNIT + 1)].size;
	char *a = obm_alloc(heap, size, GFP_KERNEL);
	char *b = obm_alloc(heap, size, GFP_KERNEL), *base;
	struct obm_stats s;
	size_t bytes;

	CHECK(is_mixed(a) && is_mixed(b) && order_pool(a) == order_pool(b));
	obm_free(a + 8);
	obm_free(a + 4);
	obm_free(a + OBM_UNIT);
	obm_free_sized(heap, a, 8);
	other = obm_heap_create("other", &attrs);
	obm_free_sized(other, a, size);
	s = order_stats(heap);
	CHECK_EQ(s.nr_bad[OBM_BAD_INTERIOR], 2);
	CHECK_EQ(s.nr_bad[OBM_BAD_MISALIGNED], 1);
	CHECK_EQ(s.nr_bad[OBM_BAD_SIZE], 1);
	CHECK_EQ(order_stats(other).nr_bad[OBM_BAD_HEAP], 1);
	CHECK_EQ(s.nr_blocks, 2);
	CHECK(obm_owns(heap, a + size - 1) && obm_owns(heap, b + OBM_UNIT));
	CHECK(obm_block_bounds(b + OBM_UNIT, (void **)&base, &bytes) == 0);
	CHECK(base == b && bytes == size);
	obm_free(a);
	obm_free(a);
	CHECK_EQ(order_stats(heap).nr_bad[OBM_BAD_DOUBLE], 1);
	CHECK(!obm_owns(heap, a));
	CHECK(obm_block_bounds(a + 8, NULL, NULL) == -ENOENT);
	obm_free(b);
	obm_free(b);
	/* Its pool is in no use any more. */
	CHECK_EQ(order_stats(heap).nr_bad[OBM_BAD_STALE], 1);
	CHECK_EQ(obm_heap_destroy(other), 0);
	order_end(heap, 0);
}

/* A busy class leaves the shared pools, and blocks of both kinds may wait. */
static void test_busy(void)
{
	struct obm_heap *heap = start(OBM_FRONT_MAX);
	unsigned int i;
	void *ptr = NULL;

	ptrs[0] = obm_alloc(heap, 64, GFP_KERNEL);
	for (i = 0; i < 4 * MANY; i++) {
		ptr = obm_alloc(heap, 64, GFP_KERNEL);
		obm_free_sized(heap, ptr, 64);
	}
	CHECK(!is_mixed(ptr));
	CHECK(obm_front_count(heap, class_index(64)) > 0);
	/* One of before waits like any other where its size is known. */
	CHECK_EQ(is_mixed(ptrs[0]), obm_mixed_units(class_index(64)) <=
				    OBM_UNITS / 2);
	obm_free_sized(heap, ptrs[0], 64);
	CHECK_EQ(order_stats(heap).nr_blocks, 0);
	CHECK(obm_heap_validate(heap) == 0);
	obm_heap_trim(heap);
	CHECK_EQ(order_stats(heap).nr_bad[OBM_BAD_SIZE], 0);
	CHECK_EQ(sim_pages_held(), heap->nodes[0]->meta_bytes == PAGE_SIZE);
	order_end(heap, 0);
}

/* What lives goes with the heap. */
static void test_leak(void)
{
	struct obm_heap *heap = start(0);
	unsigned int i;

	for (i = 0; i < 5; i++)
		ptrs[i] = obm_alloc(heap, 8 << i, GFP_KERNEL);
	order_end(heap, 5);
}

/* Arenas begin small and become whole. */
static void test_arenas(void)
{
	struct obm_heap *heap = start(0);
	unsigned int i, keep, last = 0;
	struct obm_arena *arena;

	for (i = 0; i < MANY; i++) {
		ptrs[i] = obm_alloc(heap, WHOLE, GFP_KERNEL);
		arena = order_arena(ptrs[i]);
		keep = BIT(arena->order) - hweight64(arena->returned_mask);
		CHECK(keep >= last || keep >= OBM_ARENA_POOLS / 2);
		if (!i)
			CHECK(keep < OBM_ARENA_POOLS);
		last = keep;
		CHECK(obm_heap_validate(heap) == 0);
	}
	CHECK_EQ(order_stats(heap).nr_pages_put, 0);
	for (i = 0; i < MANY; i++)
		obm_free(ptrs[i]);
	CHECK_EQ(order_stats(heap).nr_arenas, 1);
	/* The spare serves at the edge. */
	for (i = 0; i < 3; i++)
		obm_free(obm_alloc(heap, WHOLE, GFP_KERNEL));
	CHECK_EQ(order_stats(heap).nr_arenas_got,
		 order_stats(heap).nr_arenas_put + 1);
	order_end(heap, 0);
}

/* A refused map for a shared pool is no reason to refuse the block. */
static void test_no_map(void)
{
	struct obm_heap *heap = start(0);
	size_t size = order_few();

	ptrs[0] = obm_alloc(heap, WHOLE, GFP_KERNEL);
	CHECK(heap->nodes[0]->nr_unused > 0);
	sim_fault.nth = 1;
	sim_fault.forever = true;
	ptrs[1] = obm_alloc(heap, size, GFP_ATOMIC);
	CHECK(!!ptrs[1] == !order_has_maps(size));
	sim_fault_reset();
	obm_free(ptrs[1]);
	obm_free(ptrs[0]);
	order_end(heap, 0);
}

/* Of two empty arenas the larger one stays: a wide pool has room there. */
static void test_spare(void)
{
	struct obm_heap *heap = start(0);
	size_t size = obm_classes[obm_nr_classes - 1].size;
	unsigned int i, order = obm_classes[obm_nr_classes - 1].order;
	u64 got;

	obm_free(obm_alloc(heap, 8, GFP_KERNEL));
	obm_free(obm_alloc(heap, size, GFP_KERNEL));
	got = order_stats(heap).nr_arenas_got;
	for (i = 0; i < 20; i++)
		obm_free(obm_alloc(heap, size, GFP_KERNEL));
	CHECK_EQ(order_stats(heap).nr_arenas_got, got);
	CHECK(order_stats(heap).nr_unused_pools >= BIT(order));
	order_end(heap, 0);
}

/* One NULL among many blocks is refused, and nothing below it is lost. */
static void test_null(void)
{
	struct obm_heap *heap = start(OBM_FRONT_MAX);
	unsigned int i;

	for (i = 0; i < MANY; i++)
		ptrs[i] = obm_alloc(heap, 64, GFP_KERNEL);
	ptrs[3] = NULL;
	obm_free_bulk(heap, 64, 7, ptrs);
	for (i = 0; i < 7; i++)
		ptrs[i] = obm_alloc(heap, 64, GFP_KERNEL);
	obm_free_bulk(heap, 64, MANY, ptrs);
	CHECK_EQ(order_stats(heap).nr_blocks, 1);
	obm_heap_trim(heap);
	CHECK(obm_heap_validate(heap) == 0);
	order_end(heap, 1);
}

const struct tap_test order_mixed_tests[] = {
	{ "mixed: classes share pages", test_share },
	{ "mixed: a class takes a page at most", test_quota },
	{ "mixed: every bad pointer is known", test_bad },
	{ "mixed: a busy class leaves", test_busy },
	{ "mixed: live blocks go with the heap", test_leak },
	{ "mixed: no map, but a pool", test_no_map },
	{ "compact: arenas begin small", test_arenas },
	{ "compact: the larger spare stays", test_spare },
	{ "bulk: a NULL among blocks", test_null },
};

const unsigned int order_nr_mixed_tests = ARRAY_SIZE(order_mixed_tests);
