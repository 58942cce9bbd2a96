// SPDX-License-Identifier: GPL-2.0-only
/*
 * Caches: what they are made of and end as, what a constructor may count on, and
 * that no object is taken for another's.
 */
#include <linux/timer.h>

#include "console.h"
#include "front.h"

#define NR_OBJECTS	300
/* Of all heaps together, as obm_cache_create() says. */
#define NR_CACHES	896

static struct obm_cache *must_create(struct kunit *test, struct obm_heap *heap,
				     const char *name, size_t size,
				     size_t align, void (*ctor)(void *))
{
	struct obm_cache *cache = obm_cache_create(heap, name, size, align,
						   ctor);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, cache);
	return cache;
}

static void get_many(struct kunit *test, struct obm_cache *cache,
		     unsigned int nr, void **ptrs)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		ptrs[i] = obm_cache_alloc(cache, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, ptrs[i]);
	}
}

static void put_many(struct obm_cache *cache, unsigned int nr, void **ptrs)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		obm_cache_free(cache, ptrs[i]);
}

static noinline void cache_free(struct obm_cache *cache, const void *ptr)
{
	obm_cache_free(cache, ptr);
	barrier();
}

static struct obm_heap *hard_heap(struct kunit *test)
{
	struct obm_heap_attrs attrs = OBM_HEAP_ATTRS_INIT;

	attrs.flags = OBM_HEAP_HARDEN;
	return obm_test_heap_attrs(test, &attrs);
}

struct bad_args {
	const char *name;
	size_t size;
	size_t align;
	int err;
};

static void arguments(struct kunit *test)
{
	static const struct bad_args bad[] = {
		{ "a", 0, 8, -EINVAL },
		{ "a", 8193, 8, -EINVAL },
		{ "a", SIZE_MAX, 8, -EINVAL },
		{ "a", 64, 24, -EINVAL },
		{ "a", 64, 2 * PAGE_SIZE, -EINVAL },
		{ NULL, 64, 8, -EINVAL },
		{ "", 64, 8, -EINVAL },
		{ "a/b", 64, 8, -EINVAL },
		{ "a b", 64, 8, -EINVAL },
		{ ".a", 64, 8, -EINVAL },
		{ "raw", 64, 8, -EINVAL },
		{ "64", 64, 8, -EINVAL },
		{ "a_name_that_is_longer_than_it_may_be", 64, 8,
		  -ENAMETOOLONG },
		{ "used", 64, 8, -EEXIST },
	};
	struct obm_heap *heap = obm_test_heap(test, 0);
	struct obm_heap *other = obm_test_heap(test, 0);
	struct obm_cache *cache;
	struct obm_stats before;
	unsigned int i;

	must_create(test, heap, "used", 64, 8, NULL);
	before = obm_get(test, heap);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		cache = obm_cache_create(heap, bad[i].name, bad[i].size,
					 bad[i].align, NULL);
		KUNIT_EXPECT_TRUE_MSG(test, IS_ERR(cache), "case %u", i);
		KUNIT_EXPECT_EQ_MSG(test, PTR_ERR(cache), (long)bad[i].err,
				    "case %u", i);
	}
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).held_bytes,
			before.held_bytes);
	/* The same name in another heap is another name. */
	must_create(test, other, "used", 1, 0, NULL);
	must_create(test, other, "64b", 8192, PAGE_SIZE, NULL);
	KUNIT_EXPECT_EQ(test, obm_cache_destroy(NULL), 0UL);
	KUNIT_EXPECT_EQ(test, obm_cache_destroy(ERR_PTR(-ENOMEM)), 0UL);
}

static void check_size(struct kunit *test, struct obm_heap *heap, size_t size,
		       size_t align, void **ptrs)
{
	struct obm_cache *cache = must_create(test, heap, "sizes", size, align,
					      NULL);
	size_t usable = round_up(size, max_t(size_t, align, 8)), found;
	unsigned int i;
	void *base;

	KUNIT_EXPECT_EQ(test, obm_cache_usable_size(cache), usable);
	get_many(test, cache, 100, ptrs);
	for (i = 0; i < 100; i++) {
		KUNIT_ASSERT_TRUE(test, IS_ALIGNED((unsigned long)ptrs[i],
						   max_t(size_t, align, 8)));
		KUNIT_ASSERT_EQ(test, obm_usable_size(ptrs[i]), usable);
		KUNIT_ASSERT_TRUE(test, obm_owns(heap, ptrs[i]));
		KUNIT_ASSERT_EQ(test, obm_block_bounds(ptrs[i] + size - 1,
						       &base, &found), 0);
		KUNIT_ASSERT_PTR_EQ(test, base, ptrs[i]);
		KUNIT_ASSERT_EQ(test, found, usable);
		obm_fill(ptrs[i], i, usable);
	}
	for (i = 0; i < 100; i++)
		KUNIT_ASSERT_TRUE(test, obm_is_filled(ptrs[i], i, usable));
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).used_bytes, 100 * usable);
	KUNIT_EXPECT_EQ(test, obm_heap_validate(heap), 0);
	put_many(cache, 100, ptrs);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).used_bytes, 0);
	KUNIT_EXPECT_EQ(test, obm_cache_destroy(cache), 0UL);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_pools, 0);
}

static void sizes_and_alignment(struct kunit *test)
{
	static const size_t sizes[] = {
		1, 8, 24, 64, 72, 200, 456, 512, 520, 1000, 2056, 4096, 4104,
		6000, 8192
	};
	struct obm_heap *heap = obm_test_heap(test, 0);
	void **ptrs = front_ptrs(test, 100);
	size_t align;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		for (align = i % 2; align <= 4096; align = 16 * align ?: 64)
			check_size(test, heap, sizes[i], align, ptrs);
}

/* Whatever their size, by the figures of one pool. */
static void pools_waste_little(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	struct obm_cache *cache;
	struct obm_stats s;
	size_t size;
	void *ptr;

	for (size = 8; size <= 8192; size += 8 + size / 16 / 8 * 8) {
		cache = must_create(test, heap, "waste", size, 8, NULL);
		ptr = obm_cache_alloc(cache, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, ptr);
		s = obm_get(test, heap);
		/* Of four large ones a fifth; of small ones next to nothing. */
		KUNIT_EXPECT_LE_MSG(test, s.quant_bytes * 5,
				    s.used_bytes + s.avail_bytes +
				    s.quant_bytes, "size %zu", size);
		if (size <= 1024)
			KUNIT_EXPECT_LE_MSG(test, s.quant_bytes * 32,
					    s.used_bytes + s.avail_bytes +
					    s.quant_bytes, "size %zu", size);
		obm_cache_free(cache, ptr);
		KUNIT_EXPECT_EQ(test, obm_cache_destroy(cache), 0UL);
	}
}

/* An object as its constructor makes it. */
struct thing {
	u64 magic;
	struct thing *self;
	u64 used;
	char rest[40];
};

#define MAGIC	0x0b0b0b0b12345678ULL

static unsigned long nr_made;

static void thing_make(void *object)
{
	struct thing *thing = object;

	thing->magic = MAGIC;
	thing->self = thing;
	thing->used = 0;
	nr_made++;
}

static bool thing_is_new(const struct thing *thing)
{
	return thing->magic == MAGIC && thing->self == thing && !thing->used;
}

static void constructed(struct kunit *test)
{
	struct obm_heap *heap = front_heap(test, 0);
	struct obm_cache *cache;
	void **ptrs = front_ptrs(test, NR_OBJECTS);
	struct thing *thing;
	unsigned long made;
	unsigned int i;

	nr_made = 0;
	cache = must_create(test, heap, "things", sizeof(*thing), 8,
			    thing_make);
	get_many(test, cache, NR_OBJECTS, ptrs);
	made = nr_made;
	KUNIT_EXPECT_GE(test, made, (unsigned long)NR_OBJECTS);
	/* What waits has been made, too, and nothing else. */
	KUNIT_EXPECT_LE(test, made, 2UL * NR_OBJECTS);
	for (i = 0; i < NR_OBJECTS; i++) {
		thing = ptrs[i];
		KUNIT_ASSERT_TRUE(test, thing_is_new(thing));
		/* What no constructor sets stays, too. */
		memset(thing->rest, 0x5a, sizeof(thing->rest));
	}

	/* One that merely waited here is as it was freed: made once. */
	obm_cache_free(cache, ptrs[7]);
	thing = obm_cache_alloc(cache, GFP_KERNEL);
	KUNIT_EXPECT_PTR_EQ(test, (void *)thing, ptrs[7]);
	KUNIT_EXPECT_TRUE(test, thing_is_new(thing));
	KUNIT_EXPECT_TRUE(test, obm_is_filled(thing->rest, 0x5a,
					      sizeof(thing->rest)));
	KUNIT_EXPECT_EQ(test, nr_made, made);

	/* obm_free() does not spoil it either, nor does a wish for zeroes. */
	obm_free(thing);
	thing = obm_cache_zalloc(cache, GFP_KERNEL);
	KUNIT_EXPECT_PTR_EQ(test, (void *)thing, ptrs[7]);
	KUNIT_EXPECT_TRUE(test, thing_is_new(thing));
	KUNIT_EXPECT_EQ(test, nr_made, made);

	/* One that was in its pool is made again. */
	put_many(cache, NR_OBJECTS, ptrs);
	obm_heap_trim(heap);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_pools, 0);
	thing = obm_cache_alloc(cache, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, thing);
	KUNIT_EXPECT_TRUE(test, thing_is_new(thing));
	KUNIT_EXPECT_GT(test, nr_made, made);
	obm_cache_free(cache, thing);
	KUNIT_EXPECT_EQ(test, obm_cache_destroy(cache), 0UL);
}

static void zeroed_without_constructor(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	struct obm_cache *cache = must_create(test, heap, "zeroes", 72, 8,
					      NULL);
	unsigned int i;
	void *ptr;

	for (i = 0; i < FRONT_CALLS; i++) {
		ptr = obm_cache_zalloc(cache, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, ptr);
		KUNIT_ASSERT_TRUE(test, obm_is_filled(ptr, 0, 72));
		obm_fill(ptr, 0xff, 72);
		obm_cache_free(cache, ptr);
	}
}

/* Classes of one size, and yet no page of one is the other's. */
static void pools_are_its_own(struct kunit *test)
{
	struct obm_heap *heap = front_heap(test, 0);
	struct obm_cache *cache = must_create(test, heap, "own", 64, 8, NULL);
	void **ptrs = front_ptrs(test, NR_OBJECTS);
	void **others = front_ptrs(test, NR_OBJECTS);
	struct obm_stats s;
	unsigned int i, j;

	for (i = 0; i < NR_OBJECTS; i++) {
		ptrs[i] = obm_cache_alloc(cache, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, ptrs[i]);
		others[i] = obm_must_alloc(test, heap, 64);
	}
	for (i = 0; i < NR_OBJECTS; i++)
		for (j = 0; j < NR_OBJECTS; j++)
			KUNIT_ASSERT_NE(test, (unsigned long)ptrs[i] >> PAGE_SHIFT,
					(unsigned long)others[j] >> PAGE_SHIFT);
	/* Whichever way they are freed. */
	for (i = 0; i < NR_OBJECTS; i++) {
		obm_free(ptrs[i]);
		obm_free(others[i]);
	}
	s = obm_get(test, heap);
	KUNIT_EXPECT_EQ(test, s.nr_blocks, 0);
	KUNIT_EXPECT_EQ(test, s.nr_allocs, s.nr_frees);
	KUNIT_EXPECT_EQ(test, obm_heap_validate(heap), 0);
	KUNIT_EXPECT_EQ(test, obm_cache_destroy(cache), 0UL);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_allocs, s.nr_allocs);
	front_expect_idle(test, heap);
}

static void leaks(struct kunit *test)
{
	static const size_t sizes[] = { 16, 64, 1000, 4096 };
	struct obm_heap *heap = front_heap(test, 0);
	void **ptrs = front_ptrs(test, NR_OBJECTS);
	struct obm_cache *cache;
	struct obm_stats s;
	unsigned int i;
	char line[80];

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		cache = must_create(test, heap, "leaky", sizes[i], 8, NULL);
		get_many(test, cache, NR_OBJECTS, ptrs);
		put_many(cache, NR_OBJECTS / 2, ptrs);
		console_watch();
		KUNIT_EXPECT_EQ(test, obm_cache_destroy(cache),
				NR_OBJECTS / 2UL);
		snprintf(line, sizeof(line),
			 "%d objects of cache leaky leaked, %zu bytes",
			 NR_OBJECTS / 2, sizes[i]);
		KUNIT_EXPECT_GE_MSG(test, console_find(line), 0, "%s",
				    console.lines[0]);
		KUNIT_EXPECT_EQ(test, console.nr, 1U);
		s = obm_get(test, heap);
		KUNIT_EXPECT_EQ(test, s.nr_blocks, 0);
		KUNIT_EXPECT_EQ(test, s.nr_pools, 0);
		KUNIT_EXPECT_EQ(test, s.nr_allocs, s.nr_frees);
		KUNIT_EXPECT_EQ(test, obm_heap_validate(heap), 0);
	}
	front_expect_idle(test, heap);
}

/* A heap takes its caches with it. */
static void heap_ends_with_caches(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	void *ptr[4];
	struct obm_cache *cache;

	cache = must_create(test, heap, "one", 64, 8, NULL);
	get_many(test, cache, 3, ptr);
	cache = must_create(test, heap, "two", 5000, 8, NULL);
	get_many(test, cache, 2, ptr);
	must_create(test, heap, "three", 8, 8, NULL);
	ptr[0] = obm_must_alloc(test, heap, 64);
	console_watch();
	KUNIT_EXPECT_EQ(test, obm_test_destroy(test, heap), 6UL);
	KUNIT_EXPECT_GE(test, console_find("3 objects of cache one leaked"),
			0);
	KUNIT_EXPECT_GE(test, console_find("2 objects of cache two leaked"),
			0);
	KUNIT_EXPECT_GE(test, console_find("1 blocks of 64 bytes leaked"), 0);
	KUNIT_EXPECT_EQ(test, console.nr, 3U);
}

static noinline void destroy_again(struct obm_cache *cache)
{
	obm_cache_destroy(cache);
	barrier();
}

static void destroyed_twice(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	struct obm_cache *cache = must_create(test, heap, "twice", 64, 8, NULL);
	struct mistake m;

	KUNIT_EXPECT_EQ(test, obm_cache_destroy(cache), 0UL);
	mistake_begin(&m, NULL);
	destroy_again(cache);
	mistake_end(test, &m, OBM_BAD_HEAP, "destroyed twice");
	mistake_begin(&m, NULL);
	destroy_again((void *)heap);
	mistake_end(test, &m, OBM_BAD_HEAP, "a heap");
}

/* What was believed is found out when it leaves the CPU, and is as it was. */
static void bad_frees_show(struct kunit *test)
{
	struct obm_heap *heap = front_heap(test, 0);
	struct obm_cache *cache = must_create(test, heap, "bad", 64, 8, NULL);
	struct obm_cache *other = must_create(test, heap, "other", 64, 8, NULL);
	void **ptrs = front_ptrs(test, NR_OBJECTS), *wrong[3];
	struct obm_stats s;
	unsigned int i;

	if (!OBM_INLINE)
		kunit_skip(test, "nothing is believed where nothing is inlined");
	wrong[0] = obm_must_alloc(test, heap, 64);
	wrong[1] = obm_cache_alloc(other, GFP_KERNEL);
	wrong[2] = obm_must_alloc(test, heap, 3 * PAGE_SIZE);
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		get_many(test, cache, NR_OBJECTS, ptrs);
		put_many(cache, 1, ptrs);
		console_room(1);
		console_watch();
		cache_free(cache, wrong[i]);
		KUNIT_EXPECT_EQ(test, console.nr_reports, 0U);
		put_many(cache, NR_OBJECTS - 1, ptrs + 1);
		obm_heap_trim(heap);
		KUNIT_EXPECT_EQ(test, console.nr_reports, 1U);
		KUNIT_EXPECT_EQ(test, console_find("BUG: OBM: wrong size in "),
				0);
		s = obm_get(test, heap);
		KUNIT_EXPECT_EQ(test, s.nr_bad[OBM_BAD_SIZE], i + 1);
		KUNIT_EXPECT_EQ(test, s.nr_blocks + s.nr_raw, 3);
		KUNIT_EXPECT_TRUE(test, obm_owns(heap, wrong[i]));
		KUNIT_EXPECT_EQ(test, obm_heap_validate(heap), 0);
	}
	for (i = 0; i < ARRAY_SIZE(wrong); i++)
		obm_free(wrong[i]);
}

static noinline void *resize(struct obm_heap *heap, void *ptr, size_t size)
{
	void *new = obm_realloc(heap, ptr, size, GFP_KERNEL);

	barrier();
	return new;
}

/* At once where nothing waits, and where something is looked up. */
static void bad_frees_are_refused(struct kunit *test)
{
	struct obm_heap *heap = hard_heap(test), *soft = obm_test_heap(test, 0);
	struct obm_cache *cache = must_create(test, heap, "hard", 64, 8, NULL);
	struct obm_cache *other = must_create(test, heap, "other", 64, 8, NULL);
	struct obm_cache *foreign = must_create(test, soft, "soft", 64, 8,
						NULL);
	void **ptrs = front_ptrs(test, NR_OBJECTS), *ptr;
	struct mistake m;

	get_many(test, cache, NR_OBJECTS, ptrs);
	put_many(cache, NR_OBJECTS - 1, ptrs + 1);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_pools, 1);
	mistake_begin(&m, heap);
	cache_free(other, ptrs[0]);
	mistake_end(test, &m, OBM_BAD_SIZE, "another cache");
	mistake_begin(&m, soft);
	cache_free(foreign, ptrs[0]);
	mistake_end(test, &m, OBM_BAD_HEAP, "another heap's");
	mistake_begin(&m, heap);
	cache_free(cache, ptrs[0] + 8);
	mistake_end(test, &m, OBM_BAD_INTERIOR, "interior");
	mistake_begin(&m, heap);
	free_sized(heap, ptrs[0], 64);
	mistake_end(test, &m, OBM_BAD_SIZE, "a size");
	mistake_begin(&m, heap);
	KUNIT_EXPECT_NULL(test, resize(heap, ptrs[0], 60));
	mistake_end(test, &m, OBM_BAD_SIZE, "resized");
	ptr = obm_must_alloc(test, heap, 64);
	mistake_begin(&m, heap);
	cache_free(cache, ptr);
	mistake_end(test, &m, OBM_BAD_SIZE, "a block");
	obm_free(ptr);
	ptr = obm_must_alloc(test, heap, 20000);
	mistake_begin(&m, heap);
	cache_free(cache, ptr);
	mistake_end(test, &m, OBM_BAD_SIZE, "a raw block");
	obm_free(ptr);
	obm_cache_free(cache, NULL);
	/* By any other way it is free. */
	obm_free(ptrs[0]);
	mistake_begin(&m, heap);
	cache_free(cache, ptrs[0]);
	mistake_end(test, &m, OBM_BAD_STALE, "emptied");
}

/* One whose pools are of many pages cannot promise any. */
static noinline void *get_nofail(struct obm_cache *cache)
{
	void *ptr = obm_cache_alloc(cache, GFP_KERNEL | __GFP_NOFAIL);

	barrier();
	return ptr;
}

static void masks(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	struct obm_cache *small = must_create(test, heap, "small", 64, 8, NULL);
	struct obm_cache *large = must_create(test, heap, "large", 6000, 8,
					      NULL);
	struct mistake m;
	void *ptr;

	ptr = get_nofail(small);
	KUNIT_EXPECT_NOT_NULL(test, ptr);
	KUNIT_EXPECT_NULL(test, obm_cache_alloc(small, GFP_KERNEL | __GFP_DMA));
	obm_cache_free(small, ptr);
	mistake_begin(&m, heap);
	KUNIT_EXPECT_NULL(test, get_nofail(large));
	mistake_end(test, &m, OBM_BAD_NOFAIL, "many pages");
}

static void at_the_limit(struct kunit *test)
{
	size_t limit = 40 * PAGE_SIZE;
	struct obm_heap *heap = front_heap(test, limit);
	struct obm_cache *cache = must_create(test, heap, "limited", 512, 8,
					      NULL), *more;
	void **ptrs = front_ptrs(test, 400);
	unsigned int nr, i;
	struct obm_stats s;

	for (nr = 0; nr < 400; nr++) {
		ptrs[nr] = obm_cache_alloc(cache, GFP_KERNEL);
		if (!ptrs[nr])
			break;
	}
	KUNIT_EXPECT_GT(test, nr, 100U);
	KUNIT_EXPECT_LT(test, nr, 40U * 8);
	s = obm_get(test, heap);
	KUNIT_EXPECT_LE(test, s.peak_bytes, limit);
	KUNIT_EXPECT_EQ(test, s.nr_limited, 1);
	KUNIT_EXPECT_EQ(test, s.nr_failed, 1);
	for (i = 0; i < 100; i++) {
		more = obm_cache_create(heap, (char []){ 'a' + i / 26,
					'a' + i % 26, '\0' }, 8, 8, NULL);
		if (IS_ERR(more))
			break;
	}
	KUNIT_EXPECT_LT(test, i, 100U);
	KUNIT_EXPECT_EQ(test, PTR_ERR(more), (long)-EDQUOT);
	obm_get(test, heap);
	put_many(cache, nr, ptrs);
	/* Another class may have what the cache gave back. */
	obm_free(obm_must_alloc(test, heap, 20 * PAGE_SIZE));
}

static void as_many_as_there_are(struct kunit *test)
{
	struct obm_cache *cache = NULL;
	struct obm_heap *heap;
	unsigned int round, nr;
	char name[16];

	for (round = 0; round < 2; round++) {
		heap = obm_test_heap(test, 0);
		for (nr = 0; nr <= NR_CACHES; nr++) {
			snprintf(name, sizeof(name), "no.%u", nr);
			cache = obm_cache_create(heap, name, 8 + nr, 8, NULL);
			if (IS_ERR(cache))
				break;
		}
		KUNIT_EXPECT_EQ(test, nr, NR_CACHES);
		KUNIT_EXPECT_EQ(test, PTR_ERR(cache), (long)-ENOSPC);
		KUNIT_EXPECT_EQ(test, obm_test_destroy(test, heap), 0UL);
	}
}

struct softirq {
	struct timer_list timer;
	struct obm_cache *cache;
	void *ptrs[NR_OBJECTS];
	unsigned int nr;
	bool broken;
};

static void softirq_fn(struct timer_list *timer)
{
	struct softirq *s = container_of(timer, struct softirq, timer);
	unsigned int round, i;

	for (round = 0; round < 10; round++) {
		for (i = 0; i < NR_OBJECTS; i++) {
			s->ptrs[i] = obm_cache_alloc(s->cache, GFP_ATOMIC);
			if (!s->ptrs[i] || !thing_is_new(s->ptrs[i]))
				s->broken = true;
		}
		for (i = 0; i < NR_OBJECTS; i++)
			obm_cache_free(s->cache, s->ptrs[i]);
	}
	s->nr++;
}

static void in_softirqs(struct kunit *test)
{
	struct softirq *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	struct obm_heap *heap = front_heap(test, 0);
	unsigned long made;
	void *ptr;

	KUNIT_ASSERT_NOT_NULL(test, s);
	nr_made = 0;
	s->cache = must_create(test, heap, "softirq", sizeof(struct thing), 8,
			       thing_make);
	/* Else pools fall empty whenever all is free. */
	ptr = obm_cache_alloc(s->cache, GFP_KERNEL);
	timer_setup(&s->timer, softirq_fn, TIMER_PINNED);
	mod_timer(&s->timer, jiffies);
	while (!READ_ONCE(s->nr))
		msleep(20);
	obm_timer_delete_sync(&s->timer);
	KUNIT_EXPECT_FALSE(test, s->broken);
	made = nr_made;
	/* Some waited: not every one was made anew. */
	KUNIT_EXPECT_LT(test, made, 10UL * NR_OBJECTS);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_blocks, 1);
	obm_cache_free(s->cache, ptr);
	KUNIT_EXPECT_EQ(test, obm_cache_destroy(s->cache), 0UL);
	front_expect_idle(test, heap);
}

static struct kunit_case cache_cases[] = {
	KUNIT_CASE(arguments),
	KUNIT_CASE(sizes_and_alignment),
	KUNIT_CASE(pools_waste_little),
	KUNIT_CASE(constructed),
	KUNIT_CASE(zeroed_without_constructor),
	KUNIT_CASE(pools_are_its_own),
	KUNIT_CASE(leaks),
	KUNIT_CASE(heap_ends_with_caches),
	KUNIT_CASE_SLOW(destroyed_twice),
	KUNIT_CASE_SLOW(bad_frees_show),
	KUNIT_CASE_SLOW(bad_frees_are_refused),
	KUNIT_CASE_SLOW(masks),
	KUNIT_CASE(at_the_limit),
	KUNIT_CASE(as_many_as_there_are),
	KUNIT_CASE(in_softirqs),
	{ }
};

static struct kunit_suite cache_suite = {
	.name = "obmalloc_cache",
	.suite_init = console_init,
	.suite_exit = console_exit,
	.init = obm_test_init,
	.exit = obm_test_exit,
	.test_cases = cache_cases,
};

kunit_test_suite(cache_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of obmalloc's caches");
MODULE_LICENSE("GPL");
