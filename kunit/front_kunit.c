// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blocks that wait on a CPU: what callers see of sizes, content and numbers, and
 * that no memory is kept where it is wanted.
 */
#include "front.h"

#define MAX_SIZE	16384
#define NR_LIVE		3

/**
 * struct way - how blocks come and go
 * @sized: by obm_free_sized()
 * @zero: __GFP_ZERO
 */
struct way {
	bool sized;
	bool zero;
};

static const struct way ways[] = {
	{ false, false }, { true, false }, { false, true }, { true, true },
};

static void way_desc(const struct way *way, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%ssized%s",
		 way->sized ? "" : "un", way->zero ? ", zeroed" : "");
}

KUNIT_ARRAY_PARAM(way, ways, way_desc);

/* Few blocks of each size, used to the last byte; the numbers are exact. */
static void every_size_comes_and_goes(struct kunit *test)
{
	const struct way *way = test->param_value;
	struct obm_heap *heap = front_heap(test, 0);
	size_t small_max = obm_small_max_is(test), size, usable;
	u8 *ptrs[NR_LIVE];
	struct obm_stats s;
	u64 nr = 0;
	int i;

	for (size = 0; size <= MAX_SIZE; size++) {
		usable = obm_usable(size, small_max);
		for (i = 0; i < NR_LIVE; i++, nr++) {
			ptrs[i] = obm_alloc(heap, size, GFP_KERNEL |
					    (way->zero ? __GFP_ZERO : 0));
			KUNIT_ASSERT_NOT_NULL(test, ptrs[i]);
			if (way->zero)
				KUNIT_ASSERT_TRUE_MSG(test,
						      obm_is_filled(ptrs[i], 0,
								    usable),
						      "size %zu", size);
			obm_fill(ptrs[i], size + i, usable);
		}
		obm_heap_stats(heap, &s);
		KUNIT_ASSERT_EQ_MSG(test, s.used_bytes + s.raw_bytes,
				    NR_LIVE * usable, "size %zu", size);
		KUNIT_ASSERT_EQ(test, s.nr_blocks + s.nr_raw, NR_LIVE);
		KUNIT_ASSERT_EQ(test, s.nr_allocs, nr);
		KUNIT_ASSERT_TRUE(test, obm_adds_up(&s));
		for (i = 0; i < NR_LIVE; i++) {
			KUNIT_ASSERT_EQ(test, obm_usable_size(ptrs[i]), usable);
			KUNIT_ASSERT_TRUE(test, obm_is_filled(ptrs[i], size + i,
							      usable));
			if (way->sized)
				obm_free_sized(heap, ptrs[i], size);
			else
				obm_free(ptrs[i]);
		}
		obm_heap_stats(heap, &s);
		KUNIT_ASSERT_EQ(test, s.used_bytes + s.raw_bytes, 0);
		KUNIT_ASSERT_EQ(test, s.nr_blocks + s.nr_raw, 0);
		KUNIT_ASSERT_EQ(test, s.nr_frees, nr);
	}
	front_expect_idle(test, heap);
}

/**
 * struct trip - round trips of blocks of a constant size
 * @heap: the heap
 * @size: which size
 * @usable: bytes that a block must have
 * @nr_failed: allocations that gave NULL
 * @nr_dirty: blocks of zeroes that were none
 * @nr_shared: blocks that were handed out twice
 */
struct trip {
	struct obm_heap *heap;
	size_t size;
	size_t usable;
	unsigned int nr_failed;
	unsigned int nr_dirty;
	unsigned int nr_shared;
};

/* @size is a constant here: what is inlined is the hit path. */
static __always_inline void trip_of(struct trip *trip, const size_t size)
{
	void *a, *b;

	if (trip->size != size)
		return;
	a = obm_alloc(trip->heap, size, GFP_KERNEL);
	b = obm_zalloc(trip->heap, size, GFP_KERNEL);
	if (a && b) {
		obm_fill(a, 0xa5, trip->usable);
		trip->nr_dirty += !obm_is_filled(b, 0, trip->usable);
		obm_fill(b, 0x5a, trip->usable);
		trip->nr_shared += !obm_is_filled(a, 0xa5, trip->usable);
	}
	trip->nr_failed += !a + !b;
	obm_free_sized(trip->heap, a, size);
	obm_free_sized(trip->heap, b, size);
}

/* The least and the largest size of each step. */
static __always_inline void trips_of_32(struct trip *trip, const size_t size)
{
	trip_of(trip, size + 1);
	trip_of(trip, size + 8);
	trip_of(trip, size + 9);
	trip_of(trip, size + 16);
	trip_of(trip, size + 17);
	trip_of(trip, size + 24);
	trip_of(trip, size + 25);
	trip_of(trip, size + 32);
}

static noinline void trips_to_128(struct trip *trip)
{
	trip_of(trip, 0);
	trips_of_32(trip, 0);
	trips_of_32(trip, 32);
	trips_of_32(trip, 64);
	trips_of_32(trip, 96);
}

static noinline void trips_to_256(struct trip *trip)
{
	trips_of_32(trip, 128);
	trips_of_32(trip, 160);
	trips_of_32(trip, 192);
	trips_of_32(trip, 224);
}

static noinline void trips_to_384(struct trip *trip)
{
	trips_of_32(trip, 256);
	trips_of_32(trip, 288);
	trips_of_32(trip, 320);
	trips_of_32(trip, 352);
}

static noinline void trips_to_512(struct trip *trip)
{
	trips_of_32(trip, 384);
	trips_of_32(trip, 416);
	trips_of_32(trip, 448);
	trips_of_32(trip, 480);
}

static void trip_once(struct trip *trip)
{
	if (trip->size <= 128)
		trips_to_128(trip);
	else if (trip->size <= 256)
		trips_to_256(trip);
	else if (trip->size <= 384)
		trips_to_384(trip);
	else
		trips_to_512(trip);
}

static void constant_sizes(struct kunit *test)
{
	struct trip trip = { .heap = front_heap(test, 0) };
	size_t small_max = obm_small_max_is(test), size;
	unsigned int round;
	struct obm_stats s;
	u64 nr = 0;

	for (size = 0; size <= 512; size++) {
		if (size && size % 8 > 1)
			continue;
		trip.size = size;
		trip.usable = obm_usable(size, small_max);
		for (round = 0; round < FRONT_CALLS; round++, nr += 2)
			trip_once(&trip);
		s = obm_get(test, trip.heap);
		KUNIT_ASSERT_EQ_MSG(test, s.nr_allocs, nr, "size %zu", size);
		KUNIT_ASSERT_EQ(test, s.nr_frees, nr);
		KUNIT_ASSERT_EQ(test, trip.nr_failed, 0U);
		KUNIT_ASSERT_EQ(test, trip.nr_dirty, 0U);
		KUNIT_ASSERT_EQ(test, trip.nr_shared, 0U);
		KUNIT_ASSERT_EQ(test, obm_nr_mistakes(&s), 0);
	}
	front_expect_idle(test, trip.heap);
}

/* Who asks for zeroes gets them, whatever the last owner left. */
static void zeroes_over_dirt(struct kunit *test)
{
	static const size_t sizes[] = { 1, 8, 63, 64, 500, 512, 1000, 4096,
					5000, 8192 };
	struct obm_heap *heap = front_heap(test, 0);
	void *ptrs[100], *ptr;
	unsigned int i, j;
	size_t usable;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (j = 0; j < ARRAY_SIZE(ptrs); j++) {
			ptrs[j] = obm_must_alloc(test, heap, sizes[i]);
			obm_fill(ptrs[j], 0xff, obm_usable_size(ptrs[j]));
		}
		for (j = 0; j < ARRAY_SIZE(ptrs); j++)
			obm_free(ptrs[j]);
		for (j = 0; j < ARRAY_SIZE(ptrs); j++) {
			if (j % 3 == 0)
				ptr = obm_zalloc(heap, sizes[i], GFP_KERNEL);
			else if (j % 3 == 1)
				ptr = obm_calloc(heap, sizes[i], 1, GFP_KERNEL);
			else
				ptr = obm_realloc(heap, NULL, sizes[i],
						  GFP_KERNEL | __GFP_ZERO);
			KUNIT_ASSERT_NOT_NULL(test, ptr);
			usable = obm_usable_size(ptr);
			KUNIT_EXPECT_TRUE_MSG(test, obm_is_filled(ptr, 0, usable),
					      "size %zu", sizes[i]);
			ptrs[j] = ptr;
		}
		for (j = 0; j < ARRAY_SIZE(ptrs); j++)
			obm_free_sized(heap, ptrs[j], sizes[i]);
	}
	front_expect_idle(test, heap);
}

/* What leaves a CPU is the block that came there last, which is the hottest. */
static void last_in_first_out(struct kunit *test)
{
	struct obm_heap *heap = front_heap(test, 0);
	void *a, *b;

	front_warm(test, heap, 64);
	a = obm_must_alloc(test, heap, 64);
	b = obm_must_alloc(test, heap, 64);
	KUNIT_EXPECT_PTR_NE(test, a, b);
	obm_free(a);
	obm_free_sized(heap, b, 64);
	KUNIT_EXPECT_PTR_EQ(test, obm_alloc(heap, 64, GFP_KERNEL), b);
	KUNIT_EXPECT_PTR_EQ(test, obm_alloc(heap, 61, GFP_ATOMIC), a);
	obm_free(a);
	obm_free(b);
	front_expect_idle(test, heap);
}

static struct kunit_case front_cases[] = {
	KUNIT_CASE_PARAM(every_size_comes_and_goes, way_gen_params),
	KUNIT_CASE(constant_sizes),
	KUNIT_CASE(zeroes_over_dirt),
	KUNIT_CASE(last_in_first_out),
	{ }
};

static struct kunit_suite front_suite = {
	.name = "obmalloc_front",
	.init = obm_test_init,
	.exit = obm_test_exit,
	.test_cases = front_cases,
};

kunit_test_suite(front_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of blocks that wait on a CPU");
MODULE_LICENSE("GPL");
