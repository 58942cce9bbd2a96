/* SPDX-License-Identifier: GPL-2.0-only */
/* For suites that want blocks to wait on CPUs. */
#ifndef OBM_KUNIT_FRONT_H
#define OBM_KUNIT_FRONT_H

#include <linux/delay.h>

#include "common.h"

/* Calls after which a class has a magazine on this CPU. */
#define FRONT_CALLS	200

/* The defaults of the module parameters. */
#define FRONT_MAX	252
#define FRONT_BUDGET	(512UL << 10)
/* Of that, what one class may have on a CPU. */
#define FRONT_SHARE	(FRONT_BUDGET / 16)

/* What no field of the statistics says. */
static inline u64 obm_nr_mistakes(const struct obm_stats *s)
{
	unsigned int i;
	u64 nr = 0;

	for (i = 0; i < OBM_NR_BAD; i++)
		nr += s->nr_bad[i];
	return nr;
}

/* After this, blocks of that size wait on this CPU when they are freed. */
static inline void front_warm(struct kunit *test, struct obm_heap *heap,
			      size_t size)
{
	unsigned int i;

	for (i = 0; i < FRONT_CALLS; i++)
		obm_free(obm_must_alloc(test, heap, size));
}

/* A heap of no node, as most are; skips the case if there is no front. */
static inline struct obm_heap *front_heap(struct kunit *test, size_t limit)
{
	struct obm_heap_attrs attrs = OBM_HEAP_ATTRS_INIT;
	struct obm_heap *heap = obm_test_heap_attrs(test, &attrs);
	struct obm_stats s;

	obm_test_stay(test);
	front_warm(test, heap, 64);
	s = obm_get(test, heap);
	KUNIT_EXPECT_EQ(test, s.nr_blocks, 0);
	KUNIT_EXPECT_EQ(test, obm_test_destroy(test, heap), 0UL);
	if (!s.nr_pools)
		kunit_skip(test, "obmalloc was loaded without a front");
	attrs.limit_bytes = limit;
	return obm_test_heap_attrs(test, &attrs);
}

/* Room for pointers to blocks. */
static inline void **front_ptrs(struct kunit *test, unsigned int nr)
{
	void **ptrs = kunit_kcalloc(test, nr, sizeof(*ptrs), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ptrs);
	return ptrs;
}

/* Nothing is left but what waits, and every number says so. */
static inline void front_expect_idle(struct kunit *test, struct obm_heap *heap)
{
	struct obm_stats s = obm_get(test, heap);
	unsigned int tries = num_online_cpus() > 1 ? 50 : 1;

	KUNIT_EXPECT_EQ(test, s.nr_blocks, 0);
	KUNIT_EXPECT_EQ(test, s.used_bytes, 0);
	KUNIT_EXPECT_EQ(test, s.nr_raw, 0);
	KUNIT_EXPECT_EQ(test, s.nr_allocs, s.nr_frees);
	KUNIT_EXPECT_EQ(test, obm_nr_mistakes(&s), 0);
	KUNIT_EXPECT_EQ(test, obm_heap_validate(heap), 0);

	/* What waits on another CPU that is busy is left to a worker. */
	obm_heap_trim(heap);
	while ((s = obm_get(test, heap)).nr_arenas && --tries)
		msleep(20);
	KUNIT_EXPECT_EQ(test, s.nr_arenas, 0);
	KUNIT_EXPECT_EQ(test, s.nr_pools, 0);
	KUNIT_EXPECT_EQ(test, s.avail_bytes + s.unused_bytes + s.quant_bytes,
			0);
	KUNIT_EXPECT_EQ(test, s.held_bytes, s.meta_bytes);
	KUNIT_EXPECT_EQ(test, obm_nr_mistakes(&s), 0);
}

#endif /* OBM_KUNIT_FRONT_H */
