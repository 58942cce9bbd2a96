// SPDX-License-Identifier: GPL-2.0-only
/* Arenas: when one is taken, when one goes back, and what a trim leaves. */
#include "unit.h"

static void idle_heap_holds_no_arena(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	struct obm_stats s = obm_get(test, heap);

	KUNIT_EXPECT_EQ(test, s.nr_arenas, 0);
	KUNIT_EXPECT_EQ(test, s.nr_arenas_got, 0);
	KUNIT_EXPECT_EQ(test, s.held_bytes, s.meta_bytes);
	KUNIT_EXPECT_LT(test, s.held_bytes, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, s.peak_bytes, s.held_bytes);
	KUNIT_EXPECT_EQ(test, obm_heap_trim(heap), 0UL);
}

static void arenas_come_when_needed(struct kunit *test)
{
	struct obm_heap *heap = arena_heap(test);
	void **units = units_new(test);
	struct obm_stats s;
	unsigned int i;

	for (i = 0; i < NR_UNITS; i++) {
		units[i] = unit_get(test, heap);
		s = obm_get(test, heap);
		KUNIT_EXPECT_EQ(test, s.nr_arenas, i / OBM_TEST_POOLS + 1);
		KUNIT_EXPECT_EQ(test, s.nr_arenas_got, s.nr_arenas);
		KUNIT_EXPECT_EQ(test, s.nr_pools, i + 1);
		KUNIT_EXPECT_EQ(test, s.held_bytes - s.meta_bytes,
				s.nr_arenas * ARENA_BYTES);
	}
	obm_expect_sound(test, heap);
	for (i = 0; i < NR_UNITS; i++)
		unit_put(units[i]);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).peak_bytes, s.held_bytes);
}

/* The first empty arena stays, a second one goes at once. */
static void one_spare_is_kept(struct kunit *test)
{
	struct obm_heap *heap = arena_heap(test);
	void **units = units_new(test);
	struct obm_stats s;
	unsigned int arena, i;

	units_fill(test, heap, units, NR_UNITS);
	for (arena = 0; arena < NR_ARENAS; arena++) {
		for (i = 0; i < OBM_TEST_POOLS; i++) {
			s = obm_get(test, heap);
			KUNIT_EXPECT_EQ(test, s.nr_arenas_put,
					arena ? arena - 1 : 0);
			unit_put(units[arena * OBM_TEST_POOLS + i]);
		}
		s = obm_get(test, heap);
		KUNIT_EXPECT_EQ(test, s.nr_arenas_put, arena);
		KUNIT_EXPECT_EQ(test, s.nr_arenas, NR_ARENAS - arena);
		KUNIT_EXPECT_EQ(test, obm_heap_validate(heap), 0);
	}
	KUNIT_EXPECT_EQ(test, s.nr_pages_put, 0);

	/* The spare one serves what comes next. */
	units_fill(test, heap, units, OBM_TEST_POOLS);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_arenas_got, NR_ARENAS);
	for (i = 0; i < OBM_TEST_POOLS; i++)
		unit_put(units[i]);
	s = obm_get(test, heap);
	KUNIT_EXPECT_EQ(test, s.nr_arenas, 1);
	KUNIT_EXPECT_EQ(test, s.nr_unused_pools, OBM_TEST_POOLS);

	/* A trim takes even that, whole. */
	KUNIT_EXPECT_EQ(test, obm_heap_trim(heap), ARENA_BYTES);
	s = obm_get(test, heap);
	KUNIT_EXPECT_EQ(test, s.nr_arenas, 0);
	KUNIT_EXPECT_EQ(test, s.nr_arenas_put, NR_ARENAS);
	KUNIT_EXPECT_EQ(test, s.nr_pages_put, 0);
	KUNIT_EXPECT_EQ(test, s.held_bytes, s.meta_bytes);
	KUNIT_EXPECT_EQ(test, obm_heap_trim(heap), 0UL);
}

/* A trim takes single pages out of arenas in use, and nothing in use. */
static void trim_leaves_holes(struct kunit *test)
{
	struct obm_heap *heap = arena_heap(test);
	void **units = units_new(test);
	struct obm_stats before, s;
	unsigned int i, holes = 0;

	units_fill(test, heap, units, OBM_TEST_POOLS);
	for (i = 0; i < OBM_TEST_POOLS; i++)
		obm_fill(units[i], i, PAGE_SIZE);
	for (i = 0; i < OBM_TEST_POOLS; i += 3, holes++)
		unit_put(units[i]);
	before = obm_get(test, heap);
	KUNIT_EXPECT_EQ(test, before.nr_unused_pools, holes);

	KUNIT_EXPECT_EQ(test, obm_heap_trim(heap), holes * PAGE_SIZE);
	s = obm_get(test, heap);
	KUNIT_EXPECT_EQ(test, s.nr_pages_put, holes);
	KUNIT_EXPECT_EQ(test, s.nr_unused_pools, 0);
	KUNIT_EXPECT_EQ(test, s.nr_pools, OBM_TEST_POOLS - holes);
	KUNIT_EXPECT_EQ(test, s.nr_arenas, 1);
	KUNIT_EXPECT_EQ(test, before.held_bytes - s.held_bytes,
			holes * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, obm_heap_validate(heap), 0);
	KUNIT_EXPECT_EQ(test, obm_heap_trim(heap), 0UL);

	/* Holes are not refilled: a new pool needs a new arena. */
	units[0] = unit_get(test, heap);
	KUNIT_EXPECT_NE(test, arena_of(units[0]), arena_of(units[1]));
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_arenas_got, 2);
	unit_put(units[0]);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_arenas, 2);

	for (i = 0; i < OBM_TEST_POOLS; i++) {
		if (i % 3 == 0)
			continue;
		KUNIT_EXPECT_TRUE(test, obm_is_filled(units[i], i, PAGE_SIZE));
		unit_put(units[i]);
	}
	s = obm_get(test, heap);
	KUNIT_EXPECT_EQ(test, s.nr_arenas, 1);
	KUNIT_EXPECT_EQ(test, s.nr_unused_pools, OBM_TEST_POOLS);
}

/* An arena with holes can never be whole again, so it makes no spare. */
static void arena_with_holes_is_no_spare(struct kunit *test)
{
	struct obm_heap *heap = arena_heap(test);
	void **units = units_new(test);
	struct obm_stats s;
	unsigned int i;

	units_fill(test, heap, units, OBM_TEST_POOLS);
	unit_put(units[0]);
	KUNIT_EXPECT_EQ(test, obm_heap_trim(heap), PAGE_SIZE);
	for (i = 1; i < OBM_TEST_POOLS; i++) {
		KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_arenas, 1);
		unit_put(units[i]);
	}
	s = obm_get(test, heap);
	KUNIT_EXPECT_EQ(test, s.nr_arenas, 0);
	KUNIT_EXPECT_EQ(test, s.nr_arenas_put, 1);
	KUNIT_EXPECT_EQ(test, s.nr_pages_put, 1);
	KUNIT_EXPECT_EQ(test, s.held_bytes, s.meta_bytes);
}

/* Trimmed step by step until but one pool is left, then that goes too. */
static void trim_after_each_free(struct kunit *test)
{
	struct obm_heap *heap = arena_heap(test);
	void **units = units_new(test);
	unsigned int i, idx;

	units_fill(test, heap, units, OBM_TEST_POOLS);
	for (i = 0; i < OBM_TEST_POOLS - 1; i++) {
		idx = i * 37 % OBM_TEST_POOLS;
		unit_put(units[idx]);
		KUNIT_EXPECT_EQ(test, obm_heap_trim(heap), PAGE_SIZE);
		obm_expect_sound(test, heap);
		KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_pages_put, i + 1);
	}
	idx = i * 37 % OBM_TEST_POOLS;
	unit_put(units[idx]);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_arenas, 0);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_arenas_put, 1);
}

static struct kunit_case arena_cases[] = {
	KUNIT_CASE(idle_heap_holds_no_arena),
	KUNIT_CASE(arenas_come_when_needed),
	KUNIT_CASE(one_spare_is_kept),
	KUNIT_CASE(trim_leaves_holes),
	KUNIT_CASE(arena_with_holes_is_no_spare),
	KUNIT_CASE(trim_after_each_free),
	{ }
};

static struct kunit_suite arena_suite = {
	.name = "obmalloc_arena",
	.init = obm_test_init,
	.exit = obm_test_exit,
	.test_cases = arena_cases,
};

kunit_test_suite(arena_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of obmalloc's arenas");
MODULE_LICENSE("GPL");
