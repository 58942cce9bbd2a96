/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A unit is a pool filled with blocks of 512 bytes, eight with 4 KiB pages:
 * while no pool is partial, taking and freeing units is taking and freeing whole
 * pools.
 */
#ifndef OBM_KUNIT_UNIT_H
#define OBM_KUNIT_UNIT_H

#include "common.h"

#define UNIT_SIZE	512
#define PER_UNIT	((unsigned int)(PAGE_SIZE / UNIT_SIZE))
#define ARENA_BYTES	(OBM_TEST_POOLS * PAGE_SIZE)
#define NR_ARENAS	4
#define NR_UNITS	(NR_ARENAS * OBM_TEST_POOLS)

/* A run of 2^n pages is aligned to its size. */
static inline unsigned long arena_of(const void *ptr)
{
	return ALIGN_DOWN((unsigned long)ptr, ARENA_BYTES);
}

static inline void *unit_get(struct kunit *test, struct obm_heap *heap)
{
	void *base = obm_must_alloc(test, heap, UNIT_SIZE), *ptr;
	unsigned int i;

	KUNIT_ASSERT_TRUE(test, PAGE_ALIGNED(base));
	for (i = 1; i < PER_UNIT; i++) {
		ptr = obm_must_alloc(test, heap, UNIT_SIZE);
		KUNIT_ASSERT_PTR_EQ(test, ptr, base + i * UNIT_SIZE);
	}
	return base;
}

static inline void unit_put(void *base)
{
	unsigned int i;

	for (i = 0; i < PER_UNIT; i++)
		obm_free(base + i * UNIT_SIZE);
}

static inline struct obm_heap *arena_heap(struct kunit *test)
{
	obm_need_small(test, UNIT_SIZE);
	return obm_test_heap(test, 0);
}

/* Room for pointers to units. */
static inline void **units_new(struct kunit *test)
{
	void **units = kunit_kcalloc(test, NR_UNITS, sizeof(*units),
				     GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, units);
	return units;
}

static inline void units_fill(struct kunit *test, struct obm_heap *heap,
			      void **units, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		units[i] = unit_get(test, heap);
}

#endif /* OBM_KUNIT_UNIT_H */
