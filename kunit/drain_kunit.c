// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which arena new pools come from: the fullest one that has any, so that the
 * emptier ones drain and go back.
 */
#include <linux/prandom.h>
#include <linux/random.h>

#include "unit.h"

/* New pools come from the arena with fewer unused ones until it has none. */
static void fuller_arena_comes_first(struct kunit *test)
{
	struct obm_heap *heap = arena_heap(test);
	void **units = units_new(test);
	void **fresh = units_new(test);
	unsigned long emptier, fuller;
	unsigned int i;

	units_fill(test, heap, units, 2 * OBM_TEST_POOLS);
	emptier = arena_of(units[0]);
	fuller = arena_of(units[OBM_TEST_POOLS]);
	KUNIT_ASSERT_NE(test, emptier, fuller);
	for (i = 0; i < 40; i++)
		unit_put(units[i]);
	for (i = 0; i < 10; i++)
		unit_put(units[OBM_TEST_POOLS + i]);

	for (i = 0; i < 50; i++) {
		fresh[i] = unit_get(test, heap);
		KUNIT_EXPECT_EQ_MSG(test, arena_of(fresh[i]),
				    i < 10 ? fuller : emptier, "unit %u", i);
	}
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_arenas_got, 2);
	obm_expect_sound(test, heap);
	for (i = 0; i < 50; i++)
		unit_put(fresh[i]);
	for (i = 40; i < OBM_TEST_POOLS; i++)
		unit_put(units[i]);
	for (i = 10; i < OBM_TEST_POOLS; i++)
		unit_put(units[OBM_TEST_POOLS + i]);
}

/**
 * struct model - what the arenas must look like
 * @base: address of an arena, 0 for none
 * @nr_used: its pools in use
 */
struct model {
	unsigned long base[2 * NR_ARENAS];
	unsigned int nr_used[2 * NR_ARENAS];
};

static unsigned int model_find(const struct model *m, unsigned long base)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(m->base); i++)
		if (m->base[i] == base)
			break;
	return i;
}

static unsigned int model_nr_arenas(const struct model *m)
{
	unsigned int i, nr = 0;

	for (i = 0; i < ARRAY_SIZE(m->base); i++)
		nr += !!m->base[i];
	return nr;
}

/* Most used pools among arenas with an unused one, -1 if none has any. */
static int model_fullest(const struct model *m)
{
	int i, most = -1;

	for (i = 0; i < ARRAY_SIZE(m->base); i++)
		if (m->base[i] && m->nr_used[i] < OBM_TEST_POOLS)
			most = max_t(int, most, m->nr_used[i]);
	return most;
}

static void model_get(struct kunit *test, struct model *m, void *unit)
{
	int fullest = model_fullest(m);
	unsigned int i = model_find(m, arena_of(unit));

	if (fullest < 0) {
		KUNIT_ASSERT_EQ(test, i, ARRAY_SIZE(m->base));
		i = model_find(m, 0);
		KUNIT_ASSERT_LT(test, i, ARRAY_SIZE(m->base));
		m->base[i] = arena_of(unit);
		m->nr_used[i] = 0;
	} else {
		KUNIT_ASSERT_LT(test, i, ARRAY_SIZE(m->base));
		KUNIT_EXPECT_EQ(test, m->nr_used[i], fullest);
	}
	m->nr_used[i]++;
}

/* An arena in which nothing is used goes, unless it is the only such. */
static void model_put(struct kunit *test, struct model *m, void *unit)
{
	unsigned int i = model_find(m, arena_of(unit)), j;

	KUNIT_ASSERT_LT(test, i, ARRAY_SIZE(m->base));
	if (--m->nr_used[i])
		return;
	for (j = 0; j < ARRAY_SIZE(m->base); j++)
		if (j != i && m->base[j] && !m->nr_used[j])
			m->base[i] = 0;
}

/**
 * struct churn - random units taken and freed
 * @heap: from here
 * @units: those that are taken
 * @nr: how many
 * @model: what the arenas must look like
 * @rnd: random numbers
 */
struct churn {
	struct obm_heap *heap;
	void **units;
	unsigned int nr;
	struct model model;
	struct rnd_state rnd;
};

static void churn_step(struct kunit *test, struct churn *c, bool get)
{
	struct obm_stats s;
	unsigned int i;

	if (get) {
		c->units[c->nr] = unit_get(test, c->heap);
		model_get(test, &c->model, c->units[c->nr++]);
	} else {
		i = prandom_u32_state(&c->rnd) % c->nr;
		model_put(test, &c->model, c->units[i]);
		unit_put(c->units[i]);
		c->units[i] = c->units[--c->nr];
	}
	s = obm_get(test, c->heap);
	KUNIT_EXPECT_EQ(test, s.nr_pools, c->nr);
	KUNIT_EXPECT_EQ(test, s.nr_arenas, model_nr_arenas(&c->model));
}

/*
 * Every pool that is taken is of the fullest arena, whatever was freed before.
 * So with random frees the emptier arenas drain, although as many units are
 * taken as are freed.
 */
static void emptier_arenas_drain(struct kunit *test)
{
	struct churn *c = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);
	u32 seed = get_random_u32();
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, c);
	prandom_seed_state(&c->rnd, seed);
	c->heap = arena_heap(test);
	c->units = units_new(test);

	for (i = 0; i < NR_UNITS; i++)
		churn_step(test, c, true);
	KUNIT_EXPECT_EQ(test, model_nr_arenas(&c->model), NR_ARENAS);
	while (c->nr > NR_UNITS / 2)
		churn_step(test, c, false);

	/* Half of each is used, and half of all would do: two go. */
	for (i = 0; i < 20000 && model_nr_arenas(&c->model) > 3; i++) {
		churn_step(test, c, c->nr <= NR_UNITS / 2 - 4 ||
			   (c->nr < NR_UNITS / 2 &&
			    prandom_u32_state(&c->rnd) % 2));
		if (i % 256 == 0)
			obm_expect_sound(test, c->heap);
	}
	KUNIT_EXPECT_LE_MSG(test, model_nr_arenas(&c->model), 3U,
			    "seed %u, nothing drained in %u steps", seed, i);
	while (c->nr)
		churn_step(test, c, false);
	KUNIT_EXPECT_EQ(test, obm_get(test, c->heap).nr_arenas, 1);
}

/* A partial pool comes before any unused one, wherever it is. */
static void partial_pool_comes_before_unused(struct kunit *test)
{
	struct obm_heap *heap = arena_heap(test);
	void **units = units_new(test);
	unsigned int i;
	void *ptr;

	units_fill(test, heap, units, 2 * OBM_TEST_POOLS);
	/* The first arena is the emptier, but for one block of units[0]. */
	for (i = 1; i < 40; i++)
		unit_put(units[i]);
	obm_free(units[0]);
	unit_put(units[OBM_TEST_POOLS]);

	ptr = obm_must_alloc(test, heap, UNIT_SIZE);
	KUNIT_EXPECT_PTR_EQ(test, ptr, units[0]);
	ptr = obm_must_alloc(test, heap, UNIT_SIZE);
	KUNIT_EXPECT_EQ(test, arena_of(ptr), arena_of(units[OBM_TEST_POOLS]));
	obm_free(ptr);

	unit_put(units[0]);
	for (i = 40; i < 2 * OBM_TEST_POOLS; i++)
		if (i != OBM_TEST_POOLS)
			unit_put(units[i]);
}

/* Arenas with holes are ordered by what is unused, not by what is used. */
static void holes_do_not_count_as_unused(struct kunit *test)
{
	struct obm_heap *heap = arena_heap(test);
	void **units = units_new(test);
	unsigned long holed, whole;
	unsigned int i;
	void *unit;

	units_fill(test, heap, units, 2 * OBM_TEST_POOLS);
	holed = arena_of(units[0]);
	whole = arena_of(units[OBM_TEST_POOLS]);
	for (i = 0; i < 50; i++)
		unit_put(units[i]);
	KUNIT_EXPECT_EQ(test, obm_heap_trim(heap), 50 * PAGE_SIZE);
	unit_put(units[50]);
	unit_put(units[OBM_TEST_POOLS]);
	unit_put(units[OBM_TEST_POOLS + 1]);

	/* One unused there, two here. */
	unit = unit_get(test, heap);
	KUNIT_EXPECT_EQ(test, arena_of(unit), holed);
	units[50] = unit;
	unit = unit_get(test, heap);
	KUNIT_EXPECT_EQ(test, arena_of(unit), whole);
	unit_put(unit);
	for (i = 50; i < 2 * OBM_TEST_POOLS; i++)
		if (i != OBM_TEST_POOLS && i != OBM_TEST_POOLS + 1)
			unit_put(units[i]);
}

static struct kunit_case drain_cases[] = {
	KUNIT_CASE(fuller_arena_comes_first),
	KUNIT_CASE(emptier_arenas_drain),
	KUNIT_CASE(partial_pool_comes_before_unused),
	KUNIT_CASE(holes_do_not_count_as_unused),
	{ }
};

static struct kunit_suite drain_suite = {
	.name = "obmalloc_drain",
	.init = obm_test_init,
	.exit = obm_test_exit,
	.test_cases = drain_cases,
};

kunit_test_suite(drain_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of the order in which obmalloc's arenas drain");
MODULE_LICENSE("GPL");
