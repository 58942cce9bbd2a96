// SPDX-License-Identifier: GPL-2.0-only
/*
 * No page is lost. The heap's own figures cannot tell: a page that is booked as
 * returned and never was is in none of them. So each way in which pages come and
 * go is gone so often that the machine would miss them.
 */
#include <linux/rcupdate.h>

#include "hog.h"
#include "unit.h"

/* Of which each handles a descriptor of 64 bytes at least. */
#define ROUNDS		1024

/* Less than that many descriptors are. */
#define SLACK_PAGES	8

/* All free pages, the per-CPU lists included, which no counter tells. */
static long free_pages_now(void)
{
	LIST_HEAD(taken);

	/* Descriptors go after a grace period. */
	rcu_barrier();
	hog_all(&taken);
	return unhog(&taken);
}

/**
 * struct way - one way in which pages come and go
 * @name: what it is called
 * @fn: goes it once, and leaves nothing behind
 * @limit: that the heap has
 */
struct way {
	const char *name;
	void (*fn)(struct kunit *test, struct obm_heap *heap, void **units);
	size_t limit;
};

static void arena_comes_and_goes(struct kunit *test, struct obm_heap *heap,
				 void **units)
{
	obm_free(obm_must_alloc(test, heap, UNIT_SIZE));
	KUNIT_ASSERT_EQ(test, obm_heap_trim(heap), ARENA_BYTES);
}

static void second_arena_goes(struct kunit *test, struct obm_heap *heap,
			      void **units)
{
	unsigned int i;

	units_fill(test, heap, units, OBM_TEST_POOLS + 1);
	for (i = 0; i <= OBM_TEST_POOLS; i++)
		unit_put(units[i]);
}

static void holes_are_trimmed(struct kunit *test, struct obm_heap *heap,
			      void **units)
{
	unsigned int i;

	units_fill(test, heap, units, OBM_TEST_POOLS);
	for (i = 0; i < OBM_TEST_POOLS; i += 2)
		unit_put(units[i]);
	KUNIT_ASSERT_EQ(test, obm_heap_trim(heap), ARENA_BYTES / 2);
	for (i = 1; i < OBM_TEST_POOLS; i += 2)
		unit_put(units[i]);
	KUNIT_ASSERT_EQ(test, obm_get(test, heap).nr_arenas, 0);
}

static void one_hole_is_trimmed(struct kunit *test, struct obm_heap *heap,
				void **units)
{
	unsigned int i;

	units_fill(test, heap, units, OBM_TEST_POOLS);
	unit_put(units[OBM_TEST_POOLS - 1]);
	KUNIT_ASSERT_EQ(test, obm_heap_trim(heap), PAGE_SIZE);
	for (i = 0; i < OBM_TEST_POOLS - 1; i++)
		unit_put(units[i]);
}

/* 9 pages of 16: the seven others go back at once, these when freed. */
static void raw_with_tail(struct kunit *test, struct obm_heap *heap,
			  void **units)
{
	obm_free(obm_must_alloc(test, heap, 9 * PAGE_SIZE));
}

static void raw_whole(struct kunit *test, struct obm_heap *heap, void **units)
{
	obm_free(obm_must_alloc(test, heap, 16 * PAGE_SIZE));
}

static void raw_shrinks(struct kunit *test, struct obm_heap *heap,
			void **units)
{
	void *ptr = obm_must_alloc(test, heap, 32 * PAGE_SIZE), *shrunk;

	shrunk = obm_realloc(heap, ptr, 20 * PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_PTR_EQ(test, shrunk, ptr);
	shrunk = obm_realloc(heap, ptr, 9 * PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_PTR_EQ(test, shrunk, ptr);
	obm_free(ptr);
}

static void raw_moves(struct kunit *test, struct obm_heap *heap, void **units)
{
	void *ptr = obm_must_alloc(test, heap, 9 * PAGE_SIZE);

	ptr = obm_realloc(heap, ptr, 10 * PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ptr);
	ptr = obm_realloc(heap, ptr, 64, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ptr);
	obm_free(ptr);
}

/* All that leaks goes with the heap. */
static void heap_is_destroyed(struct kunit *test, struct obm_heap *unused,
			      void **units)
{
	struct obm_heap *heap = obm_heap_create("kunit_doomed", NULL);
	unsigned int i;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, heap);
	units_fill(test, heap, units, OBM_TEST_POOLS + 8);
	for (i = 0; i < 8; i++)
		unit_put(units[i]);
	obm_heap_trim(heap);
	obm_must_alloc(test, heap, 8);
	obm_must_alloc(test, heap, 9 * PAGE_SIZE);
	obm_must_alloc(test, heap, 16 * PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, obm_heap_destroy(heap),
			OBM_TEST_POOLS * PER_UNIT + 3UL);
}

static void limit_refuses(struct kunit *test, struct obm_heap *heap,
			  void **units)
{
	unsigned int i;

	for (i = 0; i < 16; i++)
		KUNIT_ASSERT_NULL(test, obm_alloc(heap, 16 * PAGE_SIZE,
						  GFP_KERNEL));
	KUNIT_ASSERT_NULL(test, obm_alloc(heap, UNIT_SIZE, GFP_KERNEL));
}

static const struct way ways[] = {
	{ "arena_comes_and_goes", arena_comes_and_goes },
	{ "second_arena_goes", second_arena_goes },
	{ "holes_are_trimmed", holes_are_trimmed },
	{ "one_hole_is_trimmed", one_hole_is_trimmed },
	{ "raw_with_tail", raw_with_tail },
	{ "raw_whole", raw_whole },
	{ "raw_shrinks", raw_shrinks },
	{ "raw_moves", raw_moves },
	{ "heap_is_destroyed", heap_is_destroyed },
	{ "limit_refuses", limit_refuses, PAGE_SIZE },
};

static void way_desc(const struct way *way, char *desc)
{
	strscpy(desc, way->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(way, ways, way_desc);

static void way_go(struct kunit *test, const struct way *way,
		   struct obm_heap *heap, void **units)
{
	unsigned int i;

	for (i = 0; i < ROUNDS; i++)
		way->fn(test, heap, units);
}

static void no_page_is_lost(struct kunit *test)
{
	const struct way *way = test->param_value;
	struct obm_stats first, last;
	struct obm_heap *heap;
	unsigned int try;
	void **units;
	long lost;

	hog_may(test);
	obm_need_small(test, UNIT_SIZE);
	heap = obm_test_heap(test, way->limit);
	units = units_new(test);

	/*
	 * What comes the first time stays: the node, slabs, spare arenas. If
	 * slabs grow later, they do not grow each time; what leaks does.
	 */
	way_go(test, way, heap, units);
	first = obm_get(test, heap);
	for (try = 0; try < 5; try++) {
		lost = free_pages_now();
		way_go(test, way, heap, units);
		lost -= free_pages_now();
		if (lost < SLACK_PAGES)
			break;
	}
	last = obm_get(test, heap);
	KUNIT_EXPECT_LT(test, lost, SLACK_PAGES);
	KUNIT_EXPECT_EQ(test, last.held_bytes, first.held_bytes);
	KUNIT_EXPECT_EQ(test, last.nr_blocks + last.nr_raw, 0);
}

/* The pages count as slab memory, and as such only while they are held. */
static void pages_are_accounted(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	const long nr = OBM_MAX_BYTES >> PAGE_SHIFT;
	long before, with, after;
	void *ptrs[8];
	unsigned int i;

	/* Per-CPU differences hide some pages of such a sum. */
	before = global_node_page_state_pages(NR_SLAB_UNRECLAIMABLE_B);
	for (i = 0; i < ARRAY_SIZE(ptrs); i++)
		ptrs[i] = obm_must_alloc(test, heap, OBM_MAX_BYTES);
	with = global_node_page_state_pages(NR_SLAB_UNRECLAIMABLE_B);
	for (i = 0; i < ARRAY_SIZE(ptrs); i++)
		obm_free(ptrs[i]);
	after = global_node_page_state_pages(NR_SLAB_UNRECLAIMABLE_B);
	KUNIT_EXPECT_LT(test, abs(with - before - 8 * nr), nr);
	KUNIT_EXPECT_LT(test, abs(after - before), nr);
}

static struct kunit_case pages_cases[] = {
	KUNIT_CASE_PARAM(no_page_is_lost, way_gen_params),
	KUNIT_CASE(pages_are_accounted),
	{ }
};

static struct kunit_suite pages_suite = {
	.name = "obmalloc_pages",
	.init = obm_test_init,
	.exit = obm_test_exit,
	.test_cases = pages_cases,
};

kunit_test_suite(pages_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite: obmalloc loses no page");
MODULE_LICENSE("GPL");
