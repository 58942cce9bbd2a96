// SPDX-License-Identifier: GPL-2.0-only
/*
 * obm_realloc(): what it keeps, when it stays in place, and what it leaves alone
 * when it fails; and the other functions that fill what they allocate.
 */
#include "common.h"

/* Bytes that differ by position, so that a shifted copy is noticed. */
static void pattern_fill(void *ptr, size_t size, u8 seed)
{
	u8 *p = ptr;
	size_t i;

	for (i = 0; i < size; i++)
		p[i] = seed + i * 7 + (i >> 8);
}

static bool pattern_is(const void *ptr, size_t size, u8 seed)
{
	const u8 *p = ptr;
	size_t i;

	for (i = 0; i < size; i++)
		if (p[i] != (u8)(seed + i * 7 + (i >> 8)))
			return false;
	return true;
}

static const size_t sizes[] = {
	0, 1, 8, 9, 24, 64, 100, 256, 384, 385, 504, 511, 512, 513, 1000, 4096,
	4097, 8192, 12288, 12289, 40000, 65536, 100000, 1 << 20, 4 << 20,
};

/* Every pair of sizes, grown or shrunk, small or raw. */
static void content_is_kept(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	unsigned int from, to;
	struct obm_stats s;
	void *ptr, *new;

	for (from = 0; from < ARRAY_SIZE(sizes); from++) {
		for (to = 0; to < ARRAY_SIZE(sizes); to++) {
			ptr = obm_must_alloc(test, heap, sizes[from]);
			pattern_fill(ptr, sizes[from], from);
			new = obm_realloc(heap, ptr, sizes[to], GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, new);
			KUNIT_EXPECT_GE(test, obm_usable_size(new), sizes[to]);
			KUNIT_EXPECT_TRUE_MSG(test,
					      pattern_is(new, min(sizes[from],
								  sizes[to]),
							 from),
					      "%zu to %zu", sizes[from],
					      sizes[to]);
			obm_fill(new, 0x5a, obm_usable_size(new));
			s = obm_get(test, heap);
			KUNIT_EXPECT_EQ(test, s.nr_blocks + s.nr_raw, 1);
			obm_free(new);
		}
		obm_expect_sound(test, heap);
	}
}

/* All usable bytes are the client's and move, not only those asked for. */
static void usable_size_is_kept(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	unsigned int i;
	size_t usable;
	void *ptr;

	for (i = 0; i < ARRAY_SIZE(sizes) - 1; i++) {
		ptr = obm_must_alloc(test, heap, sizes[i]);
		usable = obm_usable_size(ptr);
		pattern_fill(ptr, usable, i);
		ptr = obm_realloc(heap, ptr, usable + 1, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, ptr);
		KUNIT_EXPECT_TRUE(test, pattern_is(ptr, usable, i));
		obm_free(ptr);
	}
}

/* A small block stays where no other class is meant, and only there. */
static void small_stays_in_its_class(struct kunit *test)
{
	size_t small_max = obm_small_max_is(test), from, to, usable;
	struct obm_heap *heap = obm_test_heap(test, 0);
	void *ptr, *new;

	for (from = 8; from <= min(small_max, 512UL); from += 8) {
		usable = obm_usable(from, small_max);
		for (to = 0; to <= from + 8; to++) {
			ptr = obm_must_alloc(test, heap, from);
			new = obm_realloc(heap, ptr, to, GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, new);
			KUNIT_EXPECT_EQ_MSG(test, new == ptr,
					    obm_usable(to, small_max) == usable,
					    "%zu to %zu", from, to);
			KUNIT_EXPECT_EQ(test, obm_usable_size(new),
					obm_usable(to, small_max));
			/* So a sized free knows the class by the last size. */
			obm_free_sized(heap, new, to);
		}
	}
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_bad[OBM_BAD_SIZE], 0);
}

/* A raw block gives back the pages at its end. */
static void raw_shrinks_in_place(struct kunit *test)
{
	size_t small_max = obm_small_max_is(test), from, to;
	struct obm_heap *heap = obm_test_heap(test, 0);
	u64 raw_meta, held;
	struct obm_stats s;
	void *ptr, *new;

	obm_free(obm_must_alloc(test, heap, 8 * PAGE_SIZE));
	held = obm_get(test, heap).held_bytes;
	ptr = obm_must_alloc(test, heap, 8 * PAGE_SIZE);
	raw_meta = obm_get(test, heap).held_bytes - held - 8 * PAGE_SIZE;
	obm_free(ptr);

	for (from = 1; from <= 20; from++) {
		for (to = from; to; to--) {
			if (to * PAGE_SIZE <= small_max)
				continue;
			ptr = obm_must_alloc(test, heap, from * PAGE_SIZE);
			pattern_fill(ptr, to * PAGE_SIZE, from);
			new = obm_realloc(heap, ptr, to * PAGE_SIZE,
					  GFP_KERNEL);
			KUNIT_ASSERT_PTR_EQ(test, new, ptr);
			s = obm_get(test, heap);
			KUNIT_EXPECT_EQ(test, s.raw_bytes, to * PAGE_SIZE);
			KUNIT_EXPECT_EQ(test, s.held_bytes - held,
					to * PAGE_SIZE + raw_meta);
			KUNIT_EXPECT_EQ(test, obm_usable_size(new),
					to * PAGE_SIZE);
			KUNIT_EXPECT_TRUE(test, pattern_is(new, to * PAGE_SIZE,
							   from));
			/* What was given back is the heap's no more. */
			if (to < from)
				KUNIT_EXPECT_FALSE(test, obm_owns(heap, ptr +
						   to * PAGE_SIZE));
			obm_free_sized(heap, new, to * PAGE_SIZE);
			KUNIT_EXPECT_EQ(test, obm_get(test, heap).raw_bytes, 0);
		}
	}
}

static void null_allocates(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	void *ptr;

	ptr = obm_realloc(heap, NULL, 100, GFP_KERNEL | __GFP_ZERO);
	KUNIT_ASSERT_NOT_NULL(test, ptr);
	KUNIT_EXPECT_TRUE(test, obm_is_filled(ptr, 0, 100));
	/* No bytes: still a block. */
	ptr = obm_realloc(heap, ptr, 0, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ptr);
	KUNIT_EXPECT_TRUE(test, obm_owns(heap, ptr));
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_blocks, 1);
	obm_free(ptr);
	ptr = obm_realloc(heap, NULL, 0, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ptr);
	obm_free(ptr);
}

/* What it grows by is zero, whoever had the memory before. */
static void zero_covers_what_is_new(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	unsigned int from, to;
	size_t usable, end;
	void *ptr;

	for (from = 0; from < ARRAY_SIZE(sizes); from++) {
		for (to = from + 1; to < ARRAY_SIZE(sizes); to++) {
			ptr = obm_must_alloc(test, heap, sizes[to]);
			obm_fill(ptr, 0xff, obm_usable_size(ptr));
			obm_free(ptr);
			ptr = obm_must_alloc(test, heap, sizes[from]);
			usable = obm_usable_size(ptr);
			pattern_fill(ptr, usable, to);
			ptr = obm_realloc(heap, ptr, sizes[to],
					  GFP_KERNEL | __GFP_ZERO);
			KUNIT_ASSERT_NOT_NULL(test, ptr);
			KUNIT_EXPECT_TRUE(test, pattern_is(ptr, usable, to));
			end = obm_usable_size(ptr);
			KUNIT_EXPECT_TRUE_MSG(test,
					      obm_is_filled(ptr + usable, 0,
							    end - usable),
					      "%zu to %zu", sizes[from],
					      sizes[to]);
			obm_free(ptr);
		}
	}
}

/* On failure the old block is as it was. */
static void failure_changes_nothing(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 16 * PAGE_SIZE);
	static const size_t had[] = { 8, 100, 512, 4096, 3 * 4096 };
	static const size_t wanted[] = {
		16 * 4096, OBM_MAX_BYTES, OBM_MAX_BYTES + 1, SIZE_MAX - 8,
		SIZE_MAX,
	};
	struct obm_stats before, after;
	unsigned int i, j;
	size_t usable;
	void *ptr;

	for (i = 0; i < ARRAY_SIZE(had); i++) {
		ptr = obm_must_alloc(test, heap, had[i]);
		usable = obm_usable_size(ptr);
		pattern_fill(ptr, usable, i);
		/* At the limit what is unused goes: let it go before. */
		obm_heap_trim(heap);
		before = obm_get(test, heap);
		for (j = 0; j < ARRAY_SIZE(wanted); j++) {
			KUNIT_EXPECT_NULL(test, obm_realloc(heap, ptr,
							    wanted[j],
							    GFP_KERNEL));
			before.nr_failed++;
			before.nr_limited += wanted[j] <= OBM_MAX_BYTES;
			after = obm_get(test, heap);
			KUNIT_EXPECT_EQ(test, memcmp(&before, &after,
						     sizeof(after)), 0);
		}
		KUNIT_EXPECT_TRUE(test, pattern_is(ptr, usable, i));
		KUNIT_EXPECT_EQ(test, obm_usable_size(ptr), usable);
		obm_expect_sound(test, heap);
		obm_free(ptr);
	}
}

static void calloc_zeroes_and_checks(struct kunit *test)
{
	static const size_t overflows[][2] = {
		{ SIZE_MAX, 2 }, { 2, SIZE_MAX }, { SIZE_MAX / 2 + 1, 2 },
		{ 1UL << 32, 1UL << 32 }, { SIZE_MAX / 8 + 2, 8 },
		{ SIZE_MAX, SIZE_MAX }, { OBM_MAX_BYTES / 8 + 1, 8 },
	};
	struct obm_heap *heap = obm_test_heap(test, 0);
	unsigned int i;
	void *ptr;

	for (i = 0; i < ARRAY_SIZE(overflows); i++)
		KUNIT_EXPECT_NULL_MSG(test, obm_calloc(heap, overflows[i][0],
						       overflows[i][1],
						       GFP_KERNEL),
				      "%zu * %zu", overflows[i][0],
				      overflows[i][1]);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_failed,
			ARRAY_SIZE(overflows));
	for (i = 1; i <= 3000; i += 13) {
		ptr = obm_must_alloc(test, heap, 3 * i);
		obm_fill(ptr, 0xff, 3 * i);
		obm_free(ptr);
		ptr = obm_calloc(heap, i, 3, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, ptr);
		KUNIT_EXPECT_TRUE(test, obm_is_filled(ptr, 0,
						      obm_usable_size(ptr)));
		obm_free(ptr);
	}
	/* An empty array is a block of no bytes. */
	ptr = obm_calloc(heap, 0, SIZE_MAX, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, ptr);
	obm_free(ptr);
}

static void strings_and_bytes_are_copied(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	char *text = kunit_kzalloc(test, 5001, GFP_KERNEL), *copy;
	unsigned int len;

	KUNIT_ASSERT_NOT_NULL(test, text);
	KUNIT_EXPECT_NULL(test, obm_strdup(heap, NULL, GFP_KERNEL));
	memset(text, 'a', 5000);
	for (len = 0; len <= 5000; len += 1 + len / 4) {
		text[len] = '\0';
		copy = obm_strdup(heap, text, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, copy);
		KUNIT_EXPECT_STREQ(test, copy, text);
		KUNIT_EXPECT_PTR_NE(test, copy, text);
		KUNIT_EXPECT_GT(test, obm_usable_size(copy), (size_t)len);
		obm_free(copy);
		text[len] = 'a';
	}
	for (len = 0; len <= 5000; len += 1 + len / 4) {
		pattern_fill(text, len, len);
		copy = obm_memdup(heap, text, len, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, copy);
		KUNIT_EXPECT_TRUE(test, pattern_is(copy, len, len));
		obm_free(copy);
	}
	KUNIT_EXPECT_NULL(test, obm_memdup(heap, text, SIZE_MAX, GFP_KERNEL));
}

static struct kunit_case realloc_cases[] = {
	KUNIT_CASE(content_is_kept),
	KUNIT_CASE(usable_size_is_kept),
	KUNIT_CASE(small_stays_in_its_class),
	KUNIT_CASE(raw_shrinks_in_place),
	KUNIT_CASE(null_allocates),
	KUNIT_CASE(zero_covers_what_is_new),
	KUNIT_CASE(failure_changes_nothing),
	KUNIT_CASE(calloc_zeroes_and_checks),
	KUNIT_CASE(strings_and_bytes_are_copied),
	{ }
};

static struct kunit_suite realloc_suite = {
	.name = "obmalloc_realloc",
	.init = obm_test_init,
	.exit = obm_test_exit,
	.test_cases = realloc_cases,
};

kunit_test_suite(realloc_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of obmalloc's realloc and its kin");
MODULE_LICENSE("GPL");
