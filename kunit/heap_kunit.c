// SPDX-License-Identifier: GPL-2.0-only
/*
 * Heaps: what they may be called and asked for, how they end and what they say
 * then, whose an address is, and the guards that end a scope.
 */
#include <linux/cleanup.h>

#include "console.h"

#define NAME_30	"123456789012345678901234567890"

struct name_case {
	const char *name;
	int err;
};

static void names(struct kunit *test)
{
	static const struct name_case cases[] = {
		{ NULL, -EINVAL }, { "", -EINVAL }, { " ", -EINVAL },
		{ "a b", -EINVAL }, { "a ", -EINVAL }, { "a/b", -EINVAL },
		{ "/", -EINVAL }, { ".", -EINVAL }, { "..", -EINVAL },
		{ ".a", -EINVAL }, { "#a", -EINVAL }, { "a\n", -EINVAL },
		{ "a\t", -EINVAL }, { "a\x7f", -EINVAL },
		{ "a\xc3\xa4", -EINVAL },
		{ NAME_30 "12", -ENAMETOOLONG },
		{ NAME_30 NAME_30 NAME_30, -ENAMETOOLONG },
		{ NAME_30 "1", 0 }, { "a", 0 }, { "~", 0 }, { "a.b#c", 0 },
		{ "-", 0 }, { "%s%n", 0 },
	};
	struct obm_stats before, after;
	struct obm_heap *heap;
	unsigned int i;

	obm_heap_stats(NULL, &before);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		heap = obm_heap_create(cases[i].name, NULL);
		KUNIT_EXPECT_EQ_MSG(test, PTR_ERR_OR_ZERO(heap), cases[i].err,
				    "'%s'", cases[i].name);
		KUNIT_EXPECT_NOT_NULL(test, heap);
		if (!IS_ERR_OR_NULL(heap))
			obm_heap_destroy(heap);
	}
	obm_heap_stats(NULL, &after);
	KUNIT_EXPECT_EQ(test, memcmp(&before, &after, sizeof(after)), 0);
}

static void attributes(struct kunit *test)
{
	size_t least = obm_get(test, obm_test_heap(test, 0)).held_bytes;
	const struct {
		struct obm_heap_attrs attrs;
		int err;
	} cases[] = {
		{ { .node = NUMA_NO_NODE }, 0 },
		{ { .node = first_node(node_states[N_MEMORY]) }, 0 },
		{ { .node = -2 }, -EINVAL },
		{ { .node = INT_MIN }, -EINVAL },
		{ { .node = nr_node_ids }, -EINVAL },
		{ { .node = MAX_NUMNODES }, -EINVAL },
		{ { .node = INT_MAX }, -EINVAL },
		{ { .node = NUMA_NO_NODE, .flags = OBM_HEAP_FLAGS }, 0 },
		{ { .node = NUMA_NO_NODE, .flags = OBM_HEAP_ACCOUNT }, 0 },
		{ { .node = NUMA_NO_NODE, .flags = OBM_HEAP_RECLAIMABLE }, 0 },
		{ { .node = NUMA_NO_NODE, .flags = OBM_HEAP_HARDEN }, 0 },
		{ { .node = NUMA_NO_NODE, .flags = BIT(3) }, -EINVAL },
		{ { .node = NUMA_NO_NODE, .flags = BIT(31) }, -EINVAL },
		{ { .node = NUMA_NO_NODE, .flags = ~0U }, -EINVAL },
		{ { LONG_MAX, NUMA_NO_NODE }, 0 },
		{ { (size_t)LONG_MAX + 1, NUMA_NO_NODE }, -EINVAL },
		{ { SIZE_MAX, NUMA_NO_NODE }, -EINVAL },
		{ { 1, NUMA_NO_NODE }, -EDQUOT },
		{ { least - 1, NUMA_NO_NODE }, -EDQUOT },
		{ { least, NUMA_NO_NODE }, 0 },
	};
	struct obm_heap *heap;
	unsigned int i;
	void *ptr;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		heap = obm_heap_create("kunit_attrs", &cases[i].attrs);
		KUNIT_EXPECT_EQ_MSG(test, PTR_ERR_OR_ZERO(heap), cases[i].err,
				    "case %u", i);
		if (IS_ERR_OR_NULL(heap))
			continue;
		ptr = obm_alloc(heap, 64, GFP_KERNEL);
		KUNIT_EXPECT_EQ(test, !ptr,
				cases[i].attrs.limit_bytes == least);
		obm_free(ptr);
		obm_expect_sound(test, heap);
		KUNIT_EXPECT_EQ(test, obm_get(test, heap).limit_bytes,
				cases[i].attrs.limit_bytes);
		KUNIT_EXPECT_EQ(test, obm_heap_destroy(heap), 0UL);
	}
}

/* Two heaps have not one name, until one of them is gone. */
static void names_are_unique(struct kunit *test)
{
	struct obm_heap *a, *b, *c;
	char name[] = "kunit_name";

	a = obm_heap_create(name, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, a);
	KUNIT_EXPECT_EQ(test, PTR_ERR(obm_heap_create(name, NULL)),
			(long)-EEXIST);
	/* The name was copied. */
	name[0] = 'K';
	b = obm_heap_create(name, NULL);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, b);
	KUNIT_EXPECT_EQ(test, PTR_ERR(obm_heap_create("kunit_name", NULL)),
			(long)-EEXIST);
	obm_heap_destroy(a);
	c = obm_heap_create("kunit_name", NULL);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, c);
	obm_heap_destroy(b);
	obm_heap_destroy(c);
}

/* What a heap had is no part of what the next one of the name has. */
static void heaps_begin_anew(struct kunit *test)
{
	struct obm_heap *heap;
	struct obm_stats first, s;
	unsigned int i;

	for (i = 0; i < 100; i++) {
		heap = obm_heap_create("kunit_anew", NULL);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, heap);
		s = obm_get(test, heap);
		if (!i)
			first = s;
		KUNIT_EXPECT_EQ(test, memcmp(&first, &s, sizeof(s)), 0);
		obm_free(obm_must_alloc(test, heap, 64));
		KUNIT_EXPECT_EQ(test, obm_heap_destroy(heap), 0UL);
	}
}

static void leaks_are_reported(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	struct obm_stats before, after;
	unsigned int i;

	obm_need_small(test, 512);
	obm_test_destroy(test, heap);
	obm_heap_stats(NULL, &before);
	heap = obm_heap_create("kunit_leaky", NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, heap);
	for (i = 0; i < 3; i++)
		obm_must_alloc(test, heap, 64);
	for (i = 0; i < 700; i++)
		obm_must_alloc(test, heap, 512);
	obm_free(obm_must_alloc(test, heap, 8));
	obm_must_alloc(test, heap, 16);
	obm_must_alloc(test, heap, 3 * PAGE_SIZE);
	obm_must_alloc(test, heap, 2 * PAGE_SIZE);

	console_watch();
	KUNIT_EXPECT_EQ(test, obm_heap_destroy(heap), 706UL);
	KUNIT_EXPECT_EQ(test, console.nr, 4U);
	KUNIT_EXPECT_EQ(test, console_find("heap kunit_leaky: 1 blocks of 16 bytes leaked"), 0);
	KUNIT_EXPECT_EQ(test, console_find("heap kunit_leaky: 3 blocks of 64 bytes leaked"), 1);
	KUNIT_EXPECT_EQ(test, console_find("heap kunit_leaky: 700 blocks of 512 bytes leaked"), 2);
	KUNIT_EXPECT_EQ(test, console_find("heap kunit_leaky: 2 raw blocks of 5 pages leaked"), 3);
	obm_heap_stats(NULL, &after);
	KUNIT_EXPECT_EQ(test, memcmp(&before, &after, sizeof(after)), 0);
}

/* The sum over all heaps has each of them once. */
static void stats_of_all_are_sums(struct kunit *test)
{
	struct obm_stats before, a, b, all;
	struct obm_heap *one, *two;
	void *small, *raw;

	obm_need_small(test, 64);
	obm_heap_stats(NULL, &before);
	one = obm_test_heap(test, 0);
	two = obm_test_heap(test, 1 << 20);
	small = obm_must_alloc(test, one, 64);
	raw = obm_must_alloc(test, two, 3 * PAGE_SIZE);
	a = obm_get(test, one);
	b = obm_get(test, two);
	all = obm_get(test, NULL);
	KUNIT_EXPECT_EQ(test, all.held_bytes - before.held_bytes,
			a.held_bytes + b.held_bytes);
	KUNIT_EXPECT_EQ(test, all.used_bytes - before.used_bytes, a.used_bytes);
	KUNIT_EXPECT_EQ(test, all.raw_bytes - before.raw_bytes, b.raw_bytes);
	KUNIT_EXPECT_EQ(test, all.nr_allocs - before.nr_allocs, 2);
	KUNIT_EXPECT_EQ(test, all.nr_arenas - before.nr_arenas, 1);
	KUNIT_EXPECT_EQ(test, all.limit_bytes - before.limit_bytes, 1 << 20);
	obm_free(small);
	obm_free(raw);
}

/**
 * struct where - what is known of an address
 * @ptr: the address
 * @base: start of the block that it is in, or NULL
 * @err: what obm_block_bounds() returns
 */
struct where {
	const void *ptr;
	void *base;
	int err;
};

static void addresses_are_found(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	struct obm_heap *other = obm_test_heap(test, 0);
	void *a = obm_must_alloc(test, heap, 72);
	void *raw = obm_must_alloc(test, heap, 3 * PAGE_SIZE);
	size_t usable = obm_usable_size(a), size;
	void *tail = a + rounddown(PAGE_SIZE, usable), *base;
	const struct where cases[] = {
		{ a, a }, { a + 1, a }, { a + 8, a }, { a + usable - 1, a },
		{ a + usable, NULL, -ENOENT }, { tail, NULL, -ENOENT },
		{ a + usable + 4, NULL, -ENOENT }, { tail + 1, NULL, -ENOENT },
		{ a + PAGE_SIZE, NULL, -ENOENT },
		{ a + PAGE_SIZE + 4, NULL, -ENOENT },
		{ raw, raw }, { raw + 1, raw }, { raw + PAGE_SIZE, raw },
		{ raw + 3 * PAGE_SIZE - 1, raw },
		{ raw + 3 * PAGE_SIZE, NULL, -EFAULT },
		{ NULL, NULL, -EFAULT }, { heap, NULL, -EFAULT },
		{ ERR_PTR(-EIO), NULL, -EFAULT }, { test, NULL, -EFAULT },
		{ (void *)8, NULL, -EFAULT }, { &size, NULL, -EFAULT },
		{ (void *)obm_free, NULL, -EFAULT },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		base = NULL;
		size = 0;
		KUNIT_EXPECT_EQ_MSG(test, obm_block_bounds(cases[i].ptr, &base,
							   &size),
				    cases[i].err, "case %u", i);
		KUNIT_EXPECT_PTR_EQ_MSG(test, base, cases[i].base, "case %u",
					i);
		if (base)
			KUNIT_EXPECT_EQ(test, size, base == a ? usable :
					3 * PAGE_SIZE);
		KUNIT_EXPECT_EQ(test, obm_block_bounds(cases[i].ptr, NULL,
						       NULL), cases[i].err);
		KUNIT_EXPECT_EQ_MSG(test, obm_owns(heap, cases[i].ptr),
				    !!cases[i].base, "case %u", i);
		KUNIT_EXPECT_FALSE(test, obm_owns(other, cases[i].ptr));
	}
	obm_free(a);
	obm_free(raw);
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		KUNIT_EXPECT_FALSE(test, obm_owns(heap, cases[i].ptr));
}

static void addresses_are_known(struct kunit *test)
{
	obm_need_small(test, 72);
	addresses_are_found(test);
}

static void *guarded(struct obm_heap *heap, bool keep)
{
	void *ptr __free(obm_free) = obm_alloc(heap, 64, GFP_KERNEL);
	void *none __free(obm_free) = NULL;

	return keep ? no_free_ptr(ptr) : none;
}

static void guards_free_at_scope_end(struct kunit *test)
{
	struct obm_heap *outer = obm_test_heap(test, 0);
	struct obm_stats before, after;
	void *ptr;

	obm_heap_stats(NULL, &before);
	guarded(outer, false);
	KUNIT_EXPECT_EQ(test, obm_get(test, outer).nr_blocks, 0);
	KUNIT_EXPECT_EQ(test, obm_get(test, outer).nr_allocs, 1);
	ptr = guarded(outer, true);
	KUNIT_EXPECT_TRUE(test, obm_owns(outer, ptr));
	obm_free(ptr);
	obm_test_destroy(test, outer);
	{
		struct obm_heap *heap __free(obm_heap_destroy) =
			obm_heap_create("kunit_guard", NULL);
		struct obm_heap *bad __free(obm_heap_destroy) =
			obm_heap_create("kunit_guard", NULL);
		struct obm_heap *none __free(obm_heap_destroy) = NULL;

		KUNIT_EXPECT_NOT_ERR_OR_NULL(test, heap);
		KUNIT_EXPECT_EQ(test, PTR_ERR(bad), (long)-EEXIST);
		KUNIT_EXPECT_NULL(test, none);
		obm_must_alloc(test, heap, 64);
	}
	obm_heap_stats(NULL, &after);
	KUNIT_EXPECT_EQ(test, memcmp(after.nr_bad, before.nr_bad,
				     sizeof(after.nr_bad)), 0);
	KUNIT_EXPECT_EQ(test, after.nr_blocks, before.nr_blocks);
}

static struct kunit_case heap_cases[] = {
	KUNIT_CASE(names),
	KUNIT_CASE(attributes),
	KUNIT_CASE(names_are_unique),
	KUNIT_CASE(heaps_begin_anew),
	KUNIT_CASE(leaks_are_reported),
	KUNIT_CASE(stats_of_all_are_sums),
	KUNIT_CASE(addresses_are_known),
	KUNIT_CASE(guards_free_at_scope_end),
	{ }
};

static struct kunit_suite heap_suite = {
	.name = "obmalloc_heap",
	.suite_init = console_init,
	.suite_exit = console_exit,
	.init = obm_test_init,
	.exit = obm_test_exit,
	.test_cases = heap_cases,
};

kunit_test_suite(heap_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of obmalloc's heaps");
MODULE_LICENSE("GPL");
