// SPDX-License-Identifier: GPL-2.0-only
/*
 * Deterministic tests: in which order blocks, pools, arenas and nodes are
 * used and given back, and what every mistake is answered with.
 */
#include "order.h"

struct obm_heap *order_start(size_t limit, int nid)
{
	const struct obm_heap_attrs attrs = { .limit_bytes = limit, .node = nid };
	struct obm_heap *heap;

	sim_front_max = 0;
	sim_start(WHOLE, 1);
	heap = obm_heap_create("order", &attrs);
	if (IS_ERR(heap))
		sim_die("no heap");
	return heap;
}

struct obm_heap *order_start_with(unsigned int small_max,
				  unsigned int front_max, unsigned int flags)
{
	const struct obm_heap_attrs attrs = {
		.node = NUMA_NO_NODE, .flags = flags,
	};
	struct obm_heap *heap;

	sim_front_max = front_max;
	sim_start(small_max, 1);
	sim_front_max = 0;
	heap = obm_heap_create("order", &attrs);
	if (IS_ERR(heap))
		sim_die("no heap");
	return heap;
}

void order_end(struct obm_heap *heap, unsigned long leaked)
{
	CHECK(obm_heap_validate(heap) == 0);
	CHECK_EQ(obm_heap_destroy(heap), leaked);
	sim_end();
}

struct obm_stats order_stats(struct obm_heap *heap)
{
	struct obm_stats s;

	obm_heap_stats(heap, &s);
	return s;
}

struct obm_pool *order_pool(const void *ptr)
{
	unsigned long owner = obm_page_owner(ptr);

	if (!owner || (owner & OBM_OWNER_RAW))
		sim_die("not in a pool");
	return (struct obm_pool *)owner;
}

struct obm_arena *order_arena(const void *ptr)
{
	return pool_arena(order_pool(ptr));
}

struct order_unit order_get(struct obm_heap *heap)
{
	struct order_unit unit;
	unsigned int i;

	for (i = 0; i < PER_POOL; i++)
		unit.ptrs[i] = obm_alloc(heap, WHOLE, GFP_KERNEL);
	return unit;
}

void order_put(struct order_unit *unit)
{
	unsigned int i;

	for (i = 0; i < PER_POOL; i++)
		obm_free(unit->ptrs[i]);
}

size_t order_few(void)
{
	return WHOLE / 4;
}

bool order_has_maps(size_t size)
{
	return obm_map_order(class_index(size)) > 0;
}

static void run(const struct tap_test *tests, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		tests[i].run();
		tap_result(true, "%s", tests[i].name);
	}
}

int main(void)
{
	/* Classes have pools of their own, and arenas are whole. */
	sim_compact = false;
	tap_plan(order_nr_class_tests + order_nr_page_tests +
		 order_nr_arena_tests +
		 order_nr_node_tests + order_nr_race_tests +
		 order_nr_heap_tests + order_nr_front_tests +
		 order_nr_shrink_tests + order_nr_cache_tests +
		 order_nr_wide_tests + order_nr_mixed_tests +
		 order_nr_rcu_tests + order_nr_report_tests +
		 order_nr_validate_tests);
	run(order_class_tests, order_nr_class_tests);
	run(order_page_tests, order_nr_page_tests);
	run(order_arena_tests, order_nr_arena_tests);
	run(order_node_tests, order_nr_node_tests);
	run(order_race_tests, order_nr_race_tests);
	run(order_heap_tests, order_nr_heap_tests);
	run(order_front_tests, order_nr_front_tests);
	run(order_shrink_tests, order_nr_shrink_tests);
	run(order_cache_tests, order_nr_cache_tests);
	run(order_wide_tests, order_nr_wide_tests);
	run(order_mixed_tests, order_nr_mixed_tests);
	run(order_rcu_tests, order_nr_rcu_tests);
	run(order_report_tests, order_nr_report_tests);
	run(order_validate_tests, order_nr_validate_tests);
	return tap_status();
}
