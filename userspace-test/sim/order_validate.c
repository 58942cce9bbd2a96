// SPDX-License-Identifier: GPL-2.0-only
/* Validation finds what is broken, and says what. */
#include "order.h"

/* A heap with an arena that has full, partial, unused and returned pools. */
struct scene {
	struct obm_heap *heap;
	struct obm_node *node;
	struct obm_arena *arena;
	struct obm_pool *full;
	struct obm_pool *partial;
	struct obm_pool *unused;
	struct obm_pool *returned;
	char *block;
};

static void scene_begin(struct scene *s)
{
	struct order_unit units[POOLS];
	unsigned int i;

	s->heap = order_start(0, NUMA_NO_NODE);
	/* Two pools are all that an arena is sure to have. */
	for (i = 0; i < POOLS; i++)
		units[i] = order_get(s->heap);
	s->arena = order_arena(units[0].ptrs[0]);
	s->node = s->arena->node;
	s->full = &s->arena->pools[0];
	s->partial = NULL;
	s->unused = NULL;
	s->returned = NULL;
	s->block = units[0].ptrs[0];
	if (POOLS < 4)
		return;
	order_put(&units[1]);
	obm_heap_trim(s->heap);
	order_put(&units[2]);
	order_put(&units[3]);
	s->returned = &s->arena->pools[1];
	s->unused = &s->arena->pools[3];
	s->partial = order_pool(obm_alloc(s->heap, order_few(), GFP_KERNEL));
}

static void scene_end(struct scene *s)
{
	CHECK(obm_heap_validate(s->heap) == 0);
	obm_heap_destroy(s->heap);
	sim_end();
}

/* Breaks @what, expects the report @says, and mends it again. */
#define BROKEN(what, value, says)					\
	do {								\
		typeof(what) __was = (what);				\
									\
		(what) = (typeof(what))(value);				\
		sim_log_clear();					\
		CHECK(obm_heap_validate(s.heap) == -EUCLEAN);		\
		if (!CHECK(sim_log_count(says) == 1))			\
			printf("#   no \"%s\"\n", says);		\
		(what) = __was;						\
		CHECK(obm_heap_validate(s.heap) == 0);			\
	} while (0)

static void test_pools(void)
{
	struct scene s;

	scene_begin(&s);
	BROKEN(s.full->nr_free, 1, "count differs from its map");
	BROKEN(s.full->state, OBM_POOL_PARTIAL, "state differs from its count");
	BROKEN(s.full->state, OBM_POOL_UNUSED, "in use has another state");
	BROKEN(s.full->class_offset, obm_nr_classes << OBM_CLASS_SHIFT, "of no class");
	BROKEN(s.full->link.pprev, &s.full->link.next, "in a list");
	if (POOLS < 4) {
		scene_end(&s);
		return;
	}
	BROKEN(s.partial->state, OBM_POOL_FULL, "state differs from its count");
	BROKEN(s.partial->map, 0, "count differs from its map");
	BROKEN(*s.partial->link.pprev, &s.full->link, "torn");
	BROKEN(s.unused->state, OBM_POOL_FULL, "unused pool has another state");
	BROKEN(s.returned->state, OBM_POOL_UNUSED,
	       "returned pool has another state");
	BROKEN(s.arena->free_mask, s.arena->free_mask | 2,
	       "returned pool is unused too");
	scene_end(&s);
}

static void test_arenas(void)
{
	struct scene s;

	scene_begin(&s);
	BROKEN(s.arena->base, s.arena->base + PAGE_SIZE, "another owner");
	BROKEN(s.arena->page->private, 0, "another owner");
	BROKEN(s.arena->page->index, 1, "another owner");
	BROKEN(s.arena->nr_free, s.arena->nr_free + 1,
	       "count differs from its mask");
	if (POOLS >= 4) {
		BROKEN(s.node->bucket_mask, 0, "bucket is marked empty");
		BROKEN(s.arena->split, false, "unsplit run");
	}
	scene_end(&s);
}

static void test_counts(void)
{
	unsigned int ci = class_index(WHOLE);
	struct scene s;

	scene_begin(&s);
	BROKEN(s.node->nr_arenas, s.node->nr_arenas + 1,
	       "count of arenas");
	BROKEN(s.node->nr_empty, s.node->nr_empty + 1, "count of empty arenas");
	BROKEN(s.node->nr_pages, s.node->nr_pages + 1, "count of pages");
	BROKEN(s.node->nr_unused, s.node->nr_unused + 1,
	       "count of unused pools");
	BROKEN(s.node->classes[ci].nr_pools, 7777, "count of pools");
	BROKEN(s.node->classes[ci].nr_taken, 7777, "count of blocks");
	BROKEN(s.node->classes[ci].nr_put, 77777,
	       "more blocks were put back");
	scene_end(&s);
}

const struct tap_test order_validate_tests[] = {
	{ "validate: broken pools", test_pools },
	{ "validate: broken arenas", test_arenas },
	{ "validate: broken counts", test_counts },
};

const unsigned int order_nr_validate_tests = ARRAY_SIZE(order_validate_tests);
