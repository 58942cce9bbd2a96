// SPDX-License-Identifier: GPL-2.0-only
/* Heaps: how they begin, what they refuse, their limits, how they end. */
#include "order.h"

static int create(const char *name, size_t limit, int node, unsigned int flags)
{
	const struct obm_heap_attrs attrs = {
		.limit_bytes = limit, .node = node, .flags = flags,
	};
	struct obm_heap *heap = obm_heap_create(name, &attrs);

	if (IS_ERR(heap))
		return PTR_ERR(heap);
	obm_heap_destroy(heap);
	return 0;
}

static void test_names(void)
{
	static const struct {
		const char *name;
		int err;
	} names[] = {
		{ "a", 0 },
		{ "net/tx", -EINVAL },
		{ "0123456789012345678901234567890", 0 },
		{ "01234567890123456789012345678901", -ENAMETOOLONG },
		{ "012345678901234567890123456789012345678901", -ENAMETOOLONG },
		{ "", -EINVAL },
		{ NULL, -EINVAL },
		{ ".", -EINVAL },
		{ "..", -EINVAL },
		{ ".hidden", -EINVAL },
		{ "a.b", 0 },
		{ "#a", -EINVAL },
		{ "a#", 0 },
		{ "a b", -EINVAL },
		{ "a\tb", -EINVAL },
		{ "a\n", -EINVAL },
		{ "\x7f", -EINVAL },
		{ "m\xc3\xbcll", -EINVAL },
		{ "!~", 0 },
		{ "order", -EEXIST },
	};
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		int err = create(names[i].name, 0, NUMA_NO_NODE, 0);

		if (!CHECK(err == names[i].err))
			printf("#   \"%s\" gave %d\n", names[i].name, err);
	}
	/* The heap keeps a copy, and the name is free when the heap is gone. */
	CHECK(create("orde", 0, NUMA_NO_NODE, 0) == 0);
	CHECK(create("order2", 0, NUMA_NO_NODE, 0) == 0);
	order_end(heap, 0);
}

static void test_attrs(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);
	size_t bytes = struct_size_t(struct obm_heap, nodes, nr_node_ids);

	CHECK(create("x", 0, 0, 0) == 0);
	CHECK(create("x", 0, 1, OBM_HEAP_FLAGS) == 0);
	CHECK(create("x", 0, 2, 0) == -ENODEV);
	CHECK(create("x", 0, 3, 0) == -ENODEV);
	CHECK(create("x", 0, SIM_NR_NODES, 0) == -EINVAL);
	CHECK(create("x", 0, -2, 0) == -EINVAL);
	CHECK(create("x", 0, INT_MIN, 0) == -EINVAL);
	CHECK(create("x", 0, 0, OBM_HEAP_FLAGS + 1) == -EINVAL);
	CHECK(create("x", 0, 0, 1U << 31) == -EINVAL);
	CHECK(create("x", 1, 0, 0) == -EDQUOT);
	CHECK(create("x", bytes - 1, 0, 0) == -EDQUOT);
	CHECK(create("x", bytes, 0, 0) == 0);
	CHECK(create("x", LONG_MAX, 0, 0) == 0);
	CHECK(create("x", LONG_MAX + 1UL, 0, 0) == -EINVAL);
	order_end(heap, 0);
}

static void test_limit(void)
{
	size_t limit = 65536 + 6 * POOLS * PAGE_SIZE;
	struct obm_heap *heap = order_start(limit, NUMA_NO_NODE);
	unsigned long nr = 0;
	struct obm_stats s;

	while (obm_alloc(heap, WHOLE, GFP_KERNEL)) {
		nr++;
		s = order_stats(heap);
		if (!CHECK(s.held_bytes <= limit))
			break;
	}
	s = order_stats(heap);
	CHECK(s.peak_bytes <= limit);
	CHECK_EQ(s.nr_failed, 1);
	CHECK_EQ(s.nr_limited, 1);
	CHECK_EQ(s.limit_bytes, limit);
	/* Not a page more would have fitted. */
	CHECK(s.held_bytes + PAGE_SIZE + obm_arena_meta_bytes(0) > limit);
	CHECK_EQ(s.nr_blocks, nr);
	/* Who may not sleep is refused in the same way. */
	CHECK(!obm_alloc(heap, 3 * PAGE_SIZE, GFP_ATOMIC));
	CHECK_EQ(order_stats(heap).nr_limited, 2);
	order_end(heap, nr);
}

/* What lies unused is given back before the limit refuses anybody. */
static void test_limit_trims(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);
	struct order_unit units[POOLS];
	size_t size = (POOLS - 1) * PAGE_SIZE;
	unsigned int i;

	for (i = 0; i < POOLS; i++)
		units[i] = order_get(heap);
	for (i = 1; i < POOLS; i++)
		order_put(&units[i]);
	/* Room for a descriptor; the pages lie unused. */
	heap->limit_bytes = order_stats(heap).held_bytes + sizeof(struct obm_raw);
	sim_context.atomic = true;
	CHECK(!!obm_alloc(heap, max(size, WHOLE + 1), GFP_ATOMIC) ==
	      (size > WHOLE));
	sim_context.atomic = false;
	CHECK_EQ(sim_pages_held(), size > WHOLE ? POOLS : 1);
	CHECK_EQ(order_stats(heap).nr_limited, size <= WHOLE);
	CHECK(order_stats(heap).held_bytes <= heap->limit_bytes);
	order_end(heap, (size > WHOLE) + PER_POOL);
}

/* The peak is what was held, not what was wished for. */
static void test_peak(void)
{
	struct obm_heap *heap = order_start(0, 0);
	void *a;

	sim_fault.max_order = 0;
	a = obm_alloc(heap, 8, GFP_KERNEL);
	CHECK_EQ(order_stats(heap).peak_bytes, order_stats(heap).held_bytes);
	CHECK(!obm_alloc(heap, 4 * PAGE_SIZE, GFP_KERNEL));
	CHECK_EQ(order_stats(heap).peak_bytes, order_stats(heap).held_bytes);
	obm_free(a);
	obm_heap_trim(heap);
	CHECK(order_stats(heap).peak_bytes > order_stats(heap).held_bytes);
	order_end(heap, 0);
}

static void test_sizes(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);
	void *a = obm_alloc(heap, 0, GFP_KERNEL);
	void *b = obm_alloc(heap, 0, GFP_KERNEL);
	/* The compiler must not know, for it would say so. */
	size_t huge = SIZE_MAX;

	OPTIMIZER_HIDE_VAR(huge);
	CHECK(a && b && a != b);
	CHECK(obm_usable_size(a) >= 8);
	CHECK(!!obm_alloc(heap, OBM_MAX_BYTES, GFP_KERNEL));
	CHECK(!obm_alloc(heap, OBM_MAX_BYTES + 1, GFP_KERNEL));
	CHECK(!obm_alloc(heap, huge, GFP_KERNEL));
	CHECK(!obm_zalloc(heap, huge - 7, GFP_KERNEL));
	CHECK(!obm_calloc(heap, huge / 2 + 1, 2, GFP_KERNEL));
	CHECK(!obm_calloc(heap, huge >> 20, huge >> 20, GFP_KERNEL));
	CHECK(!obm_realloc(heap, a, huge, GFP_KERNEL));
	CHECK_EQ(order_stats(heap).nr_failed, 6);
	CHECK(!!obm_calloc(heap, 0, huge, GFP_KERNEL));
	CHECK(!obm_strdup(heap, NULL, GFP_KERNEL));
	CHECK(!obm_alloc(heap, PAGE_SIZE + 1, GFP_KERNEL | __GFP_NOFAIL));
	CHECK_EQ(order_stats(heap).nr_bad[OBM_BAD_NOFAIL], 1);
	order_end(heap, 4);
}

static void test_destroy(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE), *other;
	unsigned int i;

	CHECK(obm_heap_destroy(NULL) == 0);
	other = obm_heap_create("other", NULL);
	for (i = 0; i < 100; i++)
		obm_alloc(other, i * 8 % (WHOLE + 8), GFP_KERNEL);
	obm_alloc(other, 3 * PAGE_SIZE, GFP_KERNEL);
	obm_alloc_node(other, 3 * PAGE_SIZE, GFP_KERNEL, 1);
	obm_alloc_node(other, 8, GFP_KERNEL, 1);
	CHECK_EQ(obm_heap_destroy(other), 103);
	CHECK_EQ(sim_pages_held(), 0);
	/* Its name is free, its address is known no more. */
	CHECK_EQ(obm_heap_destroy(other), 0);
	CHECK_EQ(atomic_long_read(&obm_nr_bad[OBM_BAD_HEAP]), 1);
	other = obm_heap_create("other", NULL);
	CHECK(!IS_ERR(other));
	CHECK_EQ(obm_heap_destroy(other), 0);
	order_end(heap, 0);
}

static void test_cleanup(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);

	{
		void *a __free(obm_free) = obm_alloc(heap, 8, GFP_KERNEL);
		void *none __free(obm_free) = NULL;
		struct obm_heap *other __free(obm_heap_destroy) =
			obm_heap_create("other", NULL);
		struct obm_heap *err __free(obm_heap_destroy) =
			obm_heap_create("other", NULL);

		CHECK(a && !none && !IS_ERR(other) && IS_ERR(err));
		CHECK_EQ(order_stats(heap).nr_blocks, 1);
	}
	CHECK_EQ(order_stats(heap).nr_blocks, 0);
	order_end(heap, 0);
}

static void test_sum(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE), *other;
	struct obm_stats a, b, all;

	other = obm_heap_create("other", NULL);
	obm_alloc(heap, 8, GFP_KERNEL);
	obm_alloc(other, 3 * PAGE_SIZE, GFP_KERNEL);
	obm_free((void *)8);
	a = order_stats(heap);
	b = order_stats(other);
	all = order_stats(NULL);
	CHECK_EQ(all.held_bytes, a.held_bytes + b.held_bytes);
	CHECK_EQ(all.nr_blocks, 1);
	CHECK_EQ(all.nr_raw, 1);
	CHECK_EQ(all.nr_bad[OBM_BAD_FOREIGN], 1);
	CHECK(obm_heap_validate_all() == 0);
	CHECK_EQ(obm_heap_trim_all(), (POOLS - 1) * PAGE_SIZE);
	CHECK_EQ(obm_heap_destroy(other), 1);
	order_end(heap, 1);
}

/* A sized free finds the class by the size that was asked for last. */
static void test_resize_then_free(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);
	size_t from, to, max = WHOLE + 4 * PAGE_SIZE;
	void *ptr;

	for (from = 0; from <= max; from += max / 40)
		for (to = 0; to <= max; to += max / 90) {
			ptr = obm_alloc(heap, from, GFP_KERNEL);
			ptr = obm_realloc(heap, ptr, to, GFP_KERNEL);
			CHECK(ptr && obm_usable_size(ptr) >= to);
			obm_free_sized(heap, ptr, to);
		}
	CHECK_EQ(order_stats(heap).nr_bad[OBM_BAD_SIZE], 0);
	CHECK_EQ(order_stats(heap).nr_blocks, 0);
	CHECK_EQ(order_stats(heap).nr_raw, 0);
	order_end(heap, 0);
}

const struct tap_test order_heap_tests[] = {
	{ "heap: names", test_names },
	{ "heap: attributes", test_attrs },
	{ "heap: the limit is never passed", test_limit },
	{ "heap: trim before the limit refuses", test_limit_trims },
	{ "heap: the peak", test_peak },
	{ "heap: sizes at the ends", test_sizes },
	{ "heap: destroy counts leaks", test_destroy },
	{ "heap: __free()", test_cleanup },
	{ "heap: sums over heaps", test_sum },
	{ "heap: resize, then a sized free", test_resize_then_free },
};

const unsigned int order_nr_heap_tests = ARRAY_SIZE(order_heap_tests);
