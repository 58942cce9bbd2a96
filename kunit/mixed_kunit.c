// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pools that several classes share: classes of few blocks lie in few pages, and
 * of a block there everything is known that is known of any other.
 */
#include <linux/prandom.h>
#include <linux/random.h>

#include "console.h"

/* A shared pool is cut into units, of which a block takes as many as it needs. */
#define UNIT		max_t(size_t, PAGE_SIZE / 64, 8)
#define UNITS		((unsigned int)(PAGE_SIZE / UNIT))

#define SMALL_MAX	8192
/* The largest blocks, of half a page, that come from there. */
#define MIXED_MAX	(PAGE_SIZE / 2)

#define NR_CLASSES	40

static unsigned int units_of(size_t usable)
{
	return DIV_ROUND_UP(usable, UNIT);
}

static void *page_of(const void *ptr)
{
	return PTR_ALIGN_DOWN((void *)ptr, PAGE_SIZE);
}

/* A heap that is compact: all heaps are if the first arena is not a whole one. */
static struct obm_heap *mixed_heap(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	struct obm_stats s;

	obm_free(obm_must_alloc(test, heap, 8));
	s = obm_get(test, heap);
	obm_test_destroy(test, heap);
	if (s.nr_unused_pools == OBM_TEST_POOLS)
		kunit_skip(test, "compact is 0");
	obm_need_small(test, SMALL_MAX);
	return obm_test_heap(test, 0);
}

/* The sizes of the first classes. */
static void class_sizes(size_t *sizes, unsigned int nr)
{
	size_t size = 1;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		sizes[i] = obm_usable(size, SMALL_MAX);
		size = sizes[i] + 1;
	}
}

/* A block of each of the first classes, filled with its number. */
static void one_of_each(struct kunit *test, struct obm_heap *heap,
			size_t *sizes, void **ptrs)
{
	unsigned int i;

	class_sizes(sizes, NR_CLASSES);
	for (i = 0; i < NR_CLASSES; i++) {
		ptrs[i] = obm_must_alloc(test, heap, sizes[i]);
		KUNIT_ASSERT_EQ(test, obm_usable_size(ptrs[i]), sizes[i]);
		obm_fill(ptrs[i], i, sizes[i]);
	}
}

static void all_intact(struct kunit *test, const size_t *sizes, void **ptrs)
{
	unsigned int i;

	for (i = 0; i < NR_CLASSES; i++)
		KUNIT_EXPECT_TRUE_MSG(test, obm_is_filled(ptrs[i], i, sizes[i]),
				      "size %zu", sizes[i]);
}

/*
 * Pages are at least half full of units on average, and first arenas have four
 * pages, of which only the last has any that are unused. Descriptors come to
 * less than four pages: of the node, of two arenas, and of each pool.
 */
static void classes_share_pages(struct kunit *test)
{
	struct obm_heap *heap = mixed_heap(test);
	u64 idle = obm_get(test, heap).held_bytes, used = 0, quant = 0;
	unsigned int nr_units = 0, i;
	size_t sizes[NR_CLASSES];
	void *ptrs[NR_CLASSES];
	struct obm_stats s;

	one_of_each(test, heap, sizes, ptrs);
	for (i = 0; i < NR_CLASSES; i++) {
		nr_units += units_of(sizes[i]);
		used += sizes[i];
		quant += units_of(sizes[i]) * UNIT - sizes[i];
	}
	s = obm_get(test, heap);
	KUNIT_EXPECT_EQ(test, s.nr_blocks, NR_CLASSES);
	KUNIT_EXPECT_EQ(test, s.used_bytes, used);
	KUNIT_EXPECT_EQ(test, s.quant_bytes, quant);
	KUNIT_EXPECT_EQ(test, s.avail_bytes,
			s.nr_pools * PAGE_SIZE - nr_units * UNIT);
	KUNIT_EXPECT_LE(test, s.nr_pools, DIV_ROUND_UP(2 * nr_units, UNITS));
	KUNIT_EXPECT_LE(test, s.nr_pools, NR_CLASSES / 5);
	KUNIT_EXPECT_LT(test, s.nr_unused_pools, 4);
	KUNIT_EXPECT_LE(test, s.held_bytes - idle,
			(s.nr_pools + 3 + 4) * PAGE_SIZE);
	all_intact(test, sizes, ptrs);
	for (i = 0; i < NR_CLASSES; i++) {
		if (i % 2)
			obm_free(ptrs[i]);
		else
			obm_free_sized(heap, ptrs[i], sizes[i]);
		obm_expect_sound(test, heap);
	}
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_pools, 0);
}

/* Every size beside the smallest. */
static void every_size(struct kunit *test)
{
	struct obm_heap *heap = mixed_heap(test);
	void *kept = obm_must_alloc(test, heap, 8), *ptr;
	size_t size, usable;

	obm_fill(kept, 1, 8);
	for (size = 1; size <= MIXED_MAX; size++) {
		ptr = obm_must_alloc(test, heap, size);
		KUNIT_EXPECT_PTR_EQ(test, page_of(ptr), page_of(kept));
		KUNIT_EXPECT_TRUE(test, IS_ALIGNED((unsigned long)ptr, 8));
		if (size % 16 == 0)
			KUNIT_EXPECT_TRUE(test,
					  IS_ALIGNED((unsigned long)ptr, 16));
		if (is_power_of_2(size))
			KUNIT_EXPECT_TRUE(test,
					  IS_ALIGNED((unsigned long)ptr, size));
		usable = obm_usable_size(ptr);
		KUNIT_EXPECT_EQ(test, usable, obm_usable(size, SMALL_MAX));
		KUNIT_EXPECT_TRUE(test, IS_ALIGNED((unsigned long)ptr,
						   obm_block_align(usable)));
		obm_fill(ptr, 2, usable);
		KUNIT_EXPECT_TRUE(test, obm_is_filled(ptr, 2, usable));
		KUNIT_EXPECT_TRUE(test, obm_is_filled(kept, 1, 8));
		obm_free(ptr);
	}
	obm_free(kept);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_pools, 0);
}

/* What all blocks of a class take of a shared pool, and then a pool of its own. */
static void quota_of(struct kunit *test, struct obm_heap *heap, size_t size)
{
	size_t usable = obm_usable(size, SMALL_MAX);
	unsigned int each = units_of(usable), nr = UNITS / each, i;
	struct obm_stats s;
	void *ptrs[64], *own;

	for (i = 0; i < nr; i++) {
		ptrs[i] = obm_must_alloc(test, heap, size);
		KUNIT_EXPECT_PTR_EQ(test, page_of(ptrs[i]), page_of(ptrs[0]));
		s = obm_get(test, heap);
		KUNIT_EXPECT_EQ(test, s.nr_pools, 1);
		KUNIT_EXPECT_EQ(test, s.avail_bytes,
				(UNITS - (i + 1) * each) * UNIT);
		KUNIT_EXPECT_EQ(test, s.quant_bytes,
				(i + 1) * (each * UNIT - usable));
	}
	own = obm_must_alloc(test, heap, size);
	KUNIT_EXPECT_PTR_NE(test, page_of(own), page_of(ptrs[0]));
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_pools, 2);
	/* Which it takes from as long as it has it, */
	obm_free(ptrs[0]);
	ptrs[0] = obm_must_alloc(test, heap, size);
	KUNIT_EXPECT_PTR_NE(test, page_of(ptrs[0]), page_of(ptrs[1]));
	obm_expect_sound(test, heap);
	/* and then it shares again. */
	obm_free(ptrs[0]);
	obm_free(own);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_pools, 1);
	ptrs[0] = obm_must_alloc(test, heap, size);
	KUNIT_EXPECT_PTR_EQ(test, page_of(ptrs[0]), page_of(ptrs[1]));
	for (i = 0; i < nr; i++)
		obm_free(ptrs[i]);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_pools, 0);
}

static void a_class_takes_a_page_at_most(struct kunit *test)
{
	struct obm_heap *heap = mixed_heap(test);
	static const size_t sizes[] = { 8, 64, 72, 128, 304, 512, 1000, 2048 };
	struct obm_stats s;
	unsigned int i;
	void *ptr, *other;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		quota_of(test, heap, sizes[i]);
	/* More than half of a page is never shared. */
	other = obm_must_alloc(test, heap, 8);
	ptr = obm_must_alloc(test, heap, MIXED_MAX + 1);
	s = obm_get(test, heap);
	KUNIT_EXPECT_EQ(test, s.nr_pools, 2);
	KUNIT_EXPECT_EQ(test, s.used_bytes, obm_usable_size(ptr) + 8);
	obm_free(ptr);
	obm_free(other);
}

static void expect_refused(struct kunit *test, struct obm_heap *heap,
			   const void *ptr, enum obm_bad bad, const char *what)
{
	struct mistake m;

	mistake_begin(&m, heap);
	free_it(ptr);
	mistake_end(test, &m, bad, what);
	if (heap && bad != OBM_BAD_STALE)
		KUNIT_EXPECT_GT_MSG(test, console_find(" of several classes, "),
				    0, "%s: '%s'", what, console.lines[1]);
}

/* Of a block of two units, of which it leaves a part, and of its neighbours. */
static void bad_pointers(struct kunit *test)
{
	struct obm_heap *heap = mixed_heap(test);
	size_t size = obm_usable(UNIT + 8, SMALL_MAX);
	void *first = obm_must_alloc(test, heap, size);
	void *next = obm_must_alloc(test, heap, UNIT);

	KUNIT_ASSERT_PTR_EQ(test, next, first + 2 * UNIT);
	obm_fill(first, 1, size);
	obm_fill(next, 2, UNIT);
	expect_refused(test, heap, first + 4, OBM_BAD_MISALIGNED, "+ 4");
	expect_refused(test, heap, first + 8, OBM_BAD_INTERIOR, "+ 8");
	expect_refused(test, heap, first + UNIT, OBM_BAD_INTERIOR,
		       "its second unit");
	expect_refused(test, heap, first + size, OBM_BAD_INTERIOR, "behind it");
	expect_refused(test, heap, next - 8, OBM_BAD_INTERIOR, "before next");
	expect_refused(test, heap, next - 1, OBM_BAD_MISALIGNED,
		       "last byte before next");
	expect_refused(test, heap, next + UNIT, OBM_BAD_DOUBLE, "a free unit");
	expect_refused(test, heap, next + UNIT + 8, OBM_BAD_INTERIOR,
		       "in a free unit");
	expect_refused(test, heap, next + UNIT + 1, OBM_BAD_MISALIGNED,
		       "odd in a free unit");
	expect_refused(test, heap, page_of(first) + PAGE_SIZE - 8,
		       OBM_BAD_INTERIOR, "the last word of the page");
	KUNIT_EXPECT_TRUE(test, obm_is_filled(first, 1, size));
	KUNIT_EXPECT_TRUE(test, obm_is_filled(next, 2, UNIT));
	obm_free(next);
	obm_free(first);
}

static void blocks_that_are_gone(struct kunit *test)
{
	struct obm_heap *heap = mixed_heap(test);
	void *kept = obm_must_alloc(test, heap, 8);
	void *even = obm_must_alloc(test, heap, 16), *low, *high, *over;

	/* The units of two blocks go to one. */
	low = obm_must_alloc(test, heap, UNIT);
	high = obm_must_alloc(test, heap, UNIT);
	KUNIT_ASSERT_PTR_EQ(test, high, low + UNIT);
	obm_free(low);
	obm_free(high);
	expect_refused(test, heap, low, OBM_BAD_DOUBLE, "doubled");
	expect_refused(test, heap, high, OBM_BAD_DOUBLE, "another");
	over = obm_must_alloc(test, heap, 2 * UNIT);
	KUNIT_ASSERT_PTR_EQ(test, over, low);
	expect_refused(test, heap, high, OBM_BAD_INTERIOR, "inside by now");
	obm_free(over);
	expect_refused(test, heap, over, OBM_BAD_DOUBLE, "doubled again");
	obm_free(even);
	obm_free(kept);
	expect_refused(test, heap, kept, OBM_BAD_STALE, "unused pool");
	obm_heap_trim(heap);
	expect_refused(test, NULL, kept, OBM_BAD_FOREIGN, "returned page");
}

static void wrong_sizes_and_heaps(struct kunit *test)
{
	struct obm_heap *heap = mixed_heap(test);
	struct obm_heap *other = obm_test_heap(test, 0);
	void *ptr = obm_must_alloc(test, heap, 2 * UNIT);
	static const size_t wrong[] = { 8, 64, 136, 4096, 9000 };
	struct mistake m;
	unsigned int i;

	obm_fill(ptr, 3, 2 * UNIT);
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		mistake_begin(&m, heap);
		free_sized(heap, ptr, wrong[i]);
		mistake_end(test, &m, OBM_BAD_SIZE, "another class");
	}
	mistake_begin(&m, heap);
	free_sized(heap, ptr + UNIT, UNIT);
	mistake_end(test, &m, OBM_BAD_INTERIOR, "as large as what is left");
	mistake_begin(&m, other);
	free_sized(other, ptr, 2 * UNIT);
	mistake_end(test, &m, OBM_BAD_HEAP, "another heap");
	KUNIT_EXPECT_TRUE(test, obm_is_filled(ptr, 3, 2 * UNIT));
	free_sized(heap, ptr, 2 * UNIT);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_blocks, 0);
}

/* Where each byte of the page lies: in the block of its class, or in none. */
static void every_byte_is_known(struct kunit *test)
{
	struct obm_heap *heap = mixed_heap(test);
	struct obm_heap *other = obm_test_heap(test, 0);
	size_t sizes[NR_CLASSES], size, at;
	void *ptrs[NR_CLASSES], *base;
	unsigned int i;

	one_of_each(test, heap, sizes, ptrs);
	for (i = 0; i < NR_CLASSES; i++) {
		for (at = 0; at < sizes[i]; at++) {
			KUNIT_ASSERT_EQ(test, obm_block_bounds(ptrs[i] + at,
							       &base, &size), 0);
			KUNIT_ASSERT_PTR_EQ(test, base, ptrs[i]);
			KUNIT_ASSERT_EQ(test, size, sizes[i]);
			KUNIT_ASSERT_TRUE(test, obm_owns(heap, ptrs[i] + at));
		}
		for (; at < units_of(sizes[i]) * UNIT; at++) {
			KUNIT_ASSERT_EQ(test, obm_block_bounds(ptrs[i] + at,
							       &base, &size),
					-ENOENT);
			KUNIT_ASSERT_FALSE(test, obm_owns(heap, ptrs[i] + at));
		}
		KUNIT_EXPECT_FALSE(test, obm_owns(other, ptrs[i]));
	}
	for (i = 0; i < NR_CLASSES; i++) {
		obm_free(ptrs[i]);
		KUNIT_EXPECT_FALSE(test, obm_owns(heap, ptrs[i]));
	}
}

/* From each class to each, with the neighbours there. */
static void realloc_keeps_content(struct kunit *test)
{
	struct obm_heap *heap = mixed_heap(test);
	size_t sizes[NR_CLASSES];
	void *ptrs[NR_CLASSES], *ptr, *new;
	unsigned int i, j;

	one_of_each(test, heap, sizes, ptrs);
	for (i = 0; i < NR_CLASSES; i++) {
		for (j = 0; j < NR_CLASSES; j++) {
			ptr = obm_must_alloc(test, heap, sizes[i]);
			obm_fill(ptr, 0xa5, sizes[i]);
			new = obm_realloc(heap, ptr, sizes[j], GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, new);
			KUNIT_EXPECT_EQ(test, obm_usable_size(new), sizes[j]);
			KUNIT_EXPECT_TRUE(test, obm_is_filled(new, 0xa5,
							      min(sizes[i],
								  sizes[j])));
			if (i == j)
				KUNIT_EXPECT_PTR_EQ(test, new, ptr);
			obm_fill(new, 0x5a, sizes[j]);
			obm_free(new);
		}
	}
	all_intact(test, sizes, ptrs);
	obm_expect_sound(test, heap);
	for (i = 0; i < NR_CLASSES; i++)
		obm_free(ptrs[i]);
}

/* Random sizes come and go; at each step all is as it must be. */
static void sound_at_each_step(struct kunit *test)
{
	struct obm_heap *heap = mixed_heap(test);
	u32 seed = get_random_u32();
	size_t sizes[64] = { };
	void *ptrs[64] = { };
	struct rnd_state rnd;
	struct obm_stats s;
	unsigned int step, i;
	u64 used = 0, nr = 0;

	prandom_seed_state(&rnd, seed);
	for (step = 0; step < 3000; step++) {
		i = prandom_u32_state(&rnd) % ARRAY_SIZE(ptrs);
		if (ptrs[i]) {
			KUNIT_ASSERT_TRUE_MSG(test,
					      obm_is_filled(ptrs[i], i,
							    sizes[i]),
					      "seed %u", seed);
			obm_free(ptrs[i]);
			used -= sizes[i];
			nr--;
			ptrs[i] = NULL;
		} else {
			sizes[i] = prandom_u32_state(&rnd) % MIXED_MAX;
			if (step % 4)
				sizes[i] %= 200;
			ptrs[i] = obm_must_alloc(test, heap, sizes[i]);
			sizes[i] = obm_usable_size(ptrs[i]);
			obm_fill(ptrs[i], i, sizes[i]);
			used += sizes[i];
			nr++;
		}
		s = obm_get(test, heap);
		KUNIT_ASSERT_EQ_MSG(test, s.used_bytes, used, "seed %u", seed);
		KUNIT_ASSERT_EQ_MSG(test, s.nr_blocks, nr, "seed %u", seed);
		KUNIT_ASSERT_EQ_MSG(test, obm_heap_validate(heap), 0,
				    "seed %u", seed);
	}
	for (i = 0; i < ARRAY_SIZE(ptrs); i++)
		obm_free(ptrs[i]);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_pools, 0);
}

/* Room for one page: it is filled with blocks of any class, and no more. */
static void one_page_serves_many_classes(struct kunit *test)
{
	struct obm_heap *heap = mixed_heap(test);
	u64 idle = obm_get(test, heap).held_bytes, limit, failed;
	void *first = NULL, *ptrs[64];
	struct obm_stats s;
	unsigned int nr;

	obm_test_destroy(test, heap);
	for (limit = idle + PAGE_SIZE; !first; limit += 8) {
		KUNIT_ASSERT_LT(test, limit, idle + 4 * PAGE_SIZE);
		heap = obm_test_heap(test, limit);
		first = obm_alloc(heap, 8, GFP_KERNEL);
		/* With less, the page is a pool of this class alone. */
		ptrs[0] = first ? obm_alloc(heap, 64, GFP_KERNEL) : NULL;
		obm_free(ptrs[0]);
		if (!ptrs[0]) {
			obm_free(first);
			first = NULL;
			obm_test_destroy(test, heap);
		}
	}
	failed = obm_get(test, heap).nr_limited;
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_pools, 1);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_unused_pools, 0);
	for (nr = 0; nr < UNITS - 1; nr++) {
		ptrs[nr] = obm_must_alloc(test, heap, 8 * (nr % 8 + 1));
		KUNIT_EXPECT_PTR_EQ(test, page_of(ptrs[nr]), page_of(first));
	}
	KUNIT_EXPECT_NULL(test, obm_alloc(heap, 8, GFP_KERNEL));
	s = obm_get(test, heap);
	KUNIT_EXPECT_EQ(test, s.avail_bytes, 0);
	KUNIT_EXPECT_LE(test, s.peak_bytes, s.limit_bytes);
	KUNIT_EXPECT_EQ(test, s.nr_limited, failed + 1);
	/* What one class frees serves another. */
	obm_free(first);
	first = obm_must_alloc(test, heap, 48);
	KUNIT_EXPECT_NULL(test, obm_alloc(heap, 48, GFP_KERNEL));
	obm_expect_sound(test, heap);
	while (nr--)
		obm_free(ptrs[nr]);
	obm_free(first);
}

static void leaks_of_several_classes(struct kunit *test)
{
	struct obm_heap *heap = mixed_heap(test);
	void *first = obm_must_alloc(test, heap, 8), *ptr;
	unsigned int i;
	char line[80];

	for (i = 1; i < 5; i++) {
		ptr = obm_must_alloc(test, heap, 8 << i);
		KUNIT_EXPECT_PTR_EQ(test, page_of(ptr), page_of(first));
	}
	console_watch();
	KUNIT_EXPECT_EQ(test, obm_test_destroy(test, heap), 5UL);
	for (i = 0; i < 5; i++) {
		snprintf(line, sizeof(line), ": 1 blocks of %u bytes leaked",
			 8U << i);
		KUNIT_EXPECT_EQ(test, console_find(line), (int)i);
	}
	KUNIT_EXPECT_EQ(test, console.nr, 5U);
}

/* With a block left all but its page, and without one every page. */
static void trim_gives_back_everything(struct kunit *test)
{
	struct obm_heap *heap = mixed_heap(test);
	size_t sizes[NR_CLASSES];
	void *ptrs[NR_CLASSES];
	u64 meta_bytes;
	struct obm_stats s;
	unsigned int i;

	/* The descriptor of a node, once made, stays. */
	obm_free(obm_must_alloc(test, heap, 8));
	obm_heap_trim(heap);
	s = obm_get(test, heap);
	KUNIT_EXPECT_EQ(test, s.held_bytes, s.meta_bytes);
	meta_bytes = s.meta_bytes;

	one_of_each(test, heap, sizes, ptrs);
	for (i = 0; i < NR_CLASSES; i++)
		if (i != NR_CLASSES / 2)
			obm_free(ptrs[i]);
	KUNIT_EXPECT_GT(test, obm_heap_trim(heap), 0UL);
	s = obm_get(test, heap);
	i = NR_CLASSES / 2;
	KUNIT_EXPECT_EQ(test, s.held_bytes - s.meta_bytes, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, s.avail_bytes,
			(UNITS - units_of(sizes[i])) * UNIT);
	KUNIT_EXPECT_TRUE(test, obm_is_filled(ptrs[i], i, sizes[i]));
	obm_expect_sound(test, heap);
	obm_free(ptrs[i]);
	obm_heap_trim(heap);
	s = obm_get(test, heap);
	KUNIT_EXPECT_EQ(test, s.held_bytes, s.meta_bytes);
	KUNIT_EXPECT_EQ(test, s.meta_bytes, meta_bytes);
	KUNIT_EXPECT_EQ(test, s.nr_arenas, 0);
}

/* Units that are full of others' bytes, beside blocks that must stay. */
static void dirty_units_are_zeroed(struct kunit *test)
{
	struct obm_heap *heap = mixed_heap(test);
	size_t sizes[NR_CLASSES];
	void *ptrs[NR_CLASSES];
	unsigned int i, turn;

	one_of_each(test, heap, sizes, ptrs);
	for (turn = 0; turn < 2; turn++) {
		for (i = turn; i < NR_CLASSES; i += 2) {
			obm_fill(ptrs[i], 0xff, sizes[i]);
			obm_free(ptrs[i]);
		}
		/* The other way round, so that they lie elsewhere. */
		for (i = NR_CLASSES - 2 + turn; i < NR_CLASSES; i -= 2) {
			ptrs[i] = obm_zalloc(heap, sizes[i], GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, ptrs[i]);
			KUNIT_EXPECT_TRUE_MSG(test, obm_is_filled(ptrs[i], 0,
								  sizes[i]),
					      "size %zu", sizes[i]);
			obm_fill(ptrs[i], i, sizes[i]);
		}
		all_intact(test, sizes, ptrs);
	}
	for (i = 0; i < NR_CLASSES; i++)
		obm_free(ptrs[i]);
}

static struct kunit_case mixed_cases[] = {
	KUNIT_CASE(classes_share_pages),
	KUNIT_CASE(every_size),
	KUNIT_CASE(a_class_takes_a_page_at_most),
	KUNIT_CASE_SLOW(bad_pointers),
	KUNIT_CASE_SLOW(blocks_that_are_gone),
	KUNIT_CASE_SLOW(wrong_sizes_and_heaps),
	KUNIT_CASE(every_byte_is_known),
	KUNIT_CASE(realloc_keeps_content),
	KUNIT_CASE(sound_at_each_step),
	KUNIT_CASE(one_page_serves_many_classes),
	KUNIT_CASE(leaks_of_several_classes),
	KUNIT_CASE(trim_gives_back_everything),
	KUNIT_CASE(dirty_units_are_zeroed),
	{ }
};

static struct kunit_suite mixed_suite = {
	.name = "obmalloc_mixed",
	.suite_init = console_init,
	.suite_exit = console_exit,
	.init = obm_test_init,
	.exit = obm_test_exit,
	.test_cases = mixed_cases,
};

kunit_test_suite(mixed_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of pools that obmalloc's classes share");
MODULE_LICENSE("GPL");
