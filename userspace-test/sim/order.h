/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the program `order` share. */
#ifndef SIM_ORDER_H
#define SIM_ORDER_H

#include "sim.h"
#include "internal.h"
#include "tap.h"

#define POOLS		OBM_ARENA_POOLS
/* Blocks of so many bytes fill a pool, one or a few of them. */
#define WHOLE		(PAGE_SIZE < OBM_SMALL_MAX ? PAGE_SIZE : OBM_SMALL_MAX)
#define PER_POOL	(PAGE_SIZE / WHOLE)

/*
 * A machine with a heap on it; and its end, with what it leaked. Blocks above
 * WHOLE are raw, and none waits on a CPU, unless it is said otherwise.
 */
struct obm_heap *order_start(size_t limit, int nid);
struct obm_heap *order_start_with(unsigned int small_max,
				  unsigned int front_max, unsigned int flags);
void order_end(struct obm_heap *heap, unsigned long leaked);

struct obm_stats order_stats(struct obm_heap *heap);
struct obm_arena *order_arena(const void *ptr);
struct obm_pool *order_pool(const void *ptr);

/* All blocks of a pool at once; the pool is used or unused with them. */
struct order_unit {
	void *ptrs[PER_POOL];
};

struct order_unit order_get(struct obm_heap *heap);
void order_put(struct order_unit *unit);

/* A class with a few blocks in a pool, and one whose maps are outside. */
size_t order_few(void);
bool order_has_maps(size_t size);

extern const struct tap_test order_class_tests[];
extern const unsigned int order_nr_class_tests;
extern const struct tap_test order_page_tests[];
extern const unsigned int order_nr_page_tests;
extern const struct tap_test order_arena_tests[];
extern const unsigned int order_nr_arena_tests;
extern const struct tap_test order_node_tests[];
extern const unsigned int order_nr_node_tests;
extern const struct tap_test order_heap_tests[];
extern const unsigned int order_nr_heap_tests;
extern const struct tap_test order_race_tests[];
extern const unsigned int order_nr_race_tests;
extern const struct tap_test order_front_tests[];
extern const unsigned int order_nr_front_tests;
extern const struct tap_test order_shrink_tests[];
extern const unsigned int order_nr_shrink_tests;
extern const struct tap_test order_cache_tests[];
extern const unsigned int order_nr_cache_tests;
extern const struct tap_test order_wide_tests[];
extern const unsigned int order_nr_wide_tests;
extern const struct tap_test order_mixed_tests[];
extern const unsigned int order_nr_mixed_tests;
extern const struct tap_test order_rcu_tests[];
extern const unsigned int order_nr_rcu_tests;
extern const struct tap_test order_report_tests[];
extern const unsigned int order_nr_report_tests;
extern const struct tap_test order_validate_tests[];
extern const unsigned int order_nr_validate_tests;

#endif
