// SPDX-License-Identifier: GPL-2.0-only
/*
 * Objects that their owner can do without: who is asked for which, in which order,
 * and what becomes of an allocation for which there was no room. Owners here refuse,
 * lie, make objects, and drop those of others.
 */
#include <linux/random.h>
#include <linux/sched/mm.h>

#include "evict.h"

static void room_is_made(struct kunit *test)
{
	struct obm_heap *heap = owner_heap(test, LIMIT);
	unsigned int nr = fill(test, heap, &page_type);
	struct page_obj *page = want(heap, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_EXPECT_GT(test, atomic_read(&owner.nr_asked), 0);
	/* Few, and not all that there are. */
	KUNIT_EXPECT_LE(test, atomic_read(&owner.nr_asked), 32);
	KUNIT_EXPECT_EQ(test, nr_left(), nr - atomic_read(&owner.nr_asked));
	KUNIT_EXPECT_LE(test, obm_get(test, heap).peak_bytes, LIMIT);
	obm_obj_put(&page->obj);
	drop_all(test, heap);
}

/* Permanent ones, then by generation, each in the order of its list. */
static void the_oldest_first(struct kunit *test)
{
	struct obm_heap *heap = owner_heap(test, LIMIT);
	unsigned int nr, i, wrong = 0;

	nr = fill_with(heap, &page_type, 0, 40);
	KUNIT_EXPECT_EQ(test, obm_gc_freeze(heap), 0);
	nr += fill_with(heap, &page_type, nr, 40);
	obm_gc_collect(heap, 2);
	nr += fill_with(heap, &page_type, nr, 40);
	obm_gc_collect(heap, 0);
	expect_generation(test, owner.pages[0], OBM_GC_PERMANENT);
	expect_generation(test, owner.pages[40], 2);
	expect_generation(test, owner.pages[80], 1);
	KUNIT_EXPECT_EQ(test, nr, 120U);
	nr += fill_with(heap, &page_type, nr, NR_PAGES);
	expect_generation(test, owner.pages[120], 0);
	KUNIT_EXPECT_GT(test, want_all(test, heap), 100U);
	KUNIT_EXPECT_EQ(test, nr_left(), 0U);
	KUNIT_ASSERT_EQ(test, atomic_read(&owner.nr_asked), nr);
	for (i = 0; i < nr; i++)
		wrong += owner.asked[i] != i;
	KUNIT_EXPECT_EQ(test, wrong, 0U);
	object_expect_idle(test, heap);
}

static bool odd_ones_stay(struct page_obj *page)
{
	return !(page->at % 2) && page_drop(page);
}

static bool nobody_goes(struct page_obj *page)
{
	return false;
}

static bool drop_none_and_say_so(struct page_obj *page)
{
	return true;
}

static void owners_refuse(struct kunit *test)
{
	struct obm_heap *heap = owner_heap(test, LIMIT);
	unsigned int nr = fill(test, heap, &page_type), i;

	owner.evict = odd_ones_stay;
	/* Two in each page: one alone in it makes no room. */
	want_all(test, heap);
	for (i = 0; i < nr; i++)
		KUNIT_EXPECT_EQ(test, !!owner.pages[i], i % 2);
	/* Each a few times at most, if nothing can be had. */
	atomic_set(&owner.nr_asked, 0);
	owner.evict = nobody_goes;
	KUNIT_EXPECT_EQ(test, fill_with(heap, &wanted_type, nr, 1), 0U);
	KUNIT_EXPECT_EQ(test, atomic_read(&owner.nr_asked), 0);
	drop_all(test, heap);
}

static void nothing_to_be_had(struct kunit *test)
{
	static bool (*const evict[])(struct page_obj *page) = {
		nobody_goes, drop_none_and_say_so
	};
	struct obm_heap *heap = owner_heap(test, LIMIT);
	unsigned int nr = fill(test, heap, &page_type), i;

	for (i = 0; i < ARRAY_SIZE(evict); i++) {
		owner.evict = evict[i];
		atomic_set(&owner.nr_asked, 0);
		KUNIT_EXPECT_NULL(test, want(heap, GFP_KERNEL));
		/* Three rounds, and one more when the new ones are known. */
		KUNIT_EXPECT_GE(test, atomic_read(&owner.nr_asked), 3 * nr);
		KUNIT_EXPECT_LE(test, atomic_read(&owner.nr_asked), 4 * nr);
		KUNIT_EXPECT_EQ(test, nr_left(), nr);
	}
	drop_all(test, heap);
}

static bool refuse_once(struct page_obj *page)
{
	if (page->refused)
		return page_drop(page);
	page->refused = true;
	return false;
}

/* All have been used since the last round: another one finds who is to go. */
static void second_chances(struct kunit *test)
{
	struct obm_heap *heap = owner_heap(test, LIMIT);
	unsigned int nr = fill(test, heap, &page_type), i;
	struct page_obj *wanted;

	owner.evict = refuse_once;
	for (i = 0; i < nr; i++)
		owner.pages[i]->refused = false;
	wanted = want(heap, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, wanted);
	KUNIT_EXPECT_LT(test, nr_left(), nr);
	KUNIT_EXPECT_GT(test, nr_left(), nr - 20);
	if (wanted)
		obm_obj_put(&wanted->obj);
	owner.evict = page_drop;
	drop_all(test, heap);
}

static void only_where_it_may_be_asked(struct kunit *test)
{
	struct obm_heap *heap = owner_heap(test, LIMIT);
	unsigned int nr = fill(test, heap, &page_type), flags;

	KUNIT_EXPECT_NULL(test, want(heap, GFP_ATOMIC));
	KUNIT_EXPECT_NULL(test, want(heap, GFP_NOWAIT));
	KUNIT_EXPECT_NULL(test, want(heap, GFP_NOIO));
	KUNIT_EXPECT_NULL(test, want(heap, GFP_NOFS));
	flags = memalloc_nofs_save();
	KUNIT_EXPECT_NULL(test, want(heap, GFP_KERNEL));
	memalloc_nofs_restore(flags);
	flags = memalloc_noreclaim_save();
	KUNIT_EXPECT_NULL(test, want(heap, GFP_KERNEL));
	memalloc_noreclaim_restore(flags);
	KUNIT_EXPECT_EQ(test, atomic_read(&owner.nr_asked), 0);
	KUNIT_EXPECT_EQ(test, nr_left(), nr);
	drop_all(test, heap);
}

static bool make_one_first(struct page_obj *page)
{
	struct page_obj *made;

	owner.max_depth = max(owner.max_depth, ++owner.depth);
	made = want(owner.heap, GFP_KERNEL);
	owner.depth--;
	if (made)
		obm_obj_put(&made->obj);
	return page_drop(page);
}

/* An owner that makes objects does not ask the next one, and that the next. */
static void owners_make_objects(struct kunit *test)
{
	struct obm_heap *heap = owner_heap(test, LIMIT);

	fill(test, heap, &page_type);
	owner.evict = make_one_first;
	KUNIT_EXPECT_GT(test, want_all(test, heap), 100U);
	KUNIT_EXPECT_EQ(test, nr_left(), 0U);
	KUNIT_EXPECT_EQ(test, owner.max_depth, 1U);
	object_expect_idle(test, heap);
}

static bool drop_neighbours(struct page_obj *page)
{
	struct page_obj *next = owner.pages[(page->at + 1) % NR_PAGES];

	if (next)
		page_drop(next);
	return page_drop(page);
}

static void owners_drop_others(struct kunit *test)
{
	struct obm_heap *heap = owner_heap(test, LIMIT);

	fill(test, heap, &page_type);
	owner.evict = drop_neighbours;
	KUNIT_EXPECT_GT(test, want_all(test, heap), 100U);
	KUNIT_EXPECT_EQ(test, nr_left(), 0U);
	object_expect_idle(test, heap);
}

/* Their memory is there only after a grace period. */
static void rcu(struct kunit *test)
{
	struct obm_heap *heap = owner_heap(test, LIMIT);

	fill(test, heap, &rcu_page_type);
	KUNIT_EXPECT_GT(test, want_all(test, heap), 100U);
	KUNIT_EXPECT_EQ(test, nr_left(), 0U);
	object_expect_idle(test, heap);
}

static void sizes_of_their_own(struct kunit *test)
{
	struct obm_heap *heap = owner_heap(test, LIMIT);
	struct page_obj *page;
	unsigned int i;

	/* Ever new ones, in the place of the old. */
	for (i = 0; i < 2 * NR_PAGES; i++) {
		page = obm_obj_new_size(heap, &sized_page_type,
					200 + get_random_u32() % 12000,
					GFP_KERNEL | __GFP_NOWARN);
		KUNIT_ASSERT_NOT_NULL(test, page);
		page->at = i % NR_PAGES;
		page = xchg(&owner.pages[i % NR_PAGES], page);
		if (page)
			obm_obj_put(&page->obj);
	}
	KUNIT_EXPECT_GT(test, atomic_read(&owner.nr_asked), 100);
	KUNIT_EXPECT_LE(test, obm_get(test, heap).peak_bytes, LIMIT);
	drop_all(test, heap);
}

static bool got_in_collection;

static void want_in_collection(struct obm_obj *obj)
{
	struct page_obj *page = want(owner.heap, GFP_KERNEL);

	got_in_collection = page;
	if (page)
		obm_obj_put(&page->obj);
}

static struct obm_type asking_type = {
	.name = "asking",
	.size = sizeof(struct item),
	.flags = OBM_TYPE_MAY_SLEEP,
	OBM_LINKS(struct item, next, 2),
	.finalize = want_in_collection,
};

/* Who collects has all lists for himself, and cannot wait for himself. */
static void not_by_who_collects(struct kunit *test)
{
	struct obm_heap *heap = owner_heap(test, LIMIT);
	unsigned long start;
	unsigned int nr;

	ring_new(test, heap, &asking_type, 1, 1);
	nr = fill(test, heap, &page_type);
	got_in_collection = true;
	start = jiffies;
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 1L);
	KUNIT_EXPECT_FALSE(test, got_in_collection);
	KUNIT_EXPECT_TRUE(test, time_before(jiffies, start + HZ / 4));
	KUNIT_EXPECT_EQ(test, nr_left(), nr);
	drop_all(test, heap);
}

static struct kunit_case evict_cases[] = {
	KUNIT_CASE(room_is_made),
	KUNIT_CASE(the_oldest_first),
	KUNIT_CASE(owners_refuse),
	KUNIT_CASE(nothing_to_be_had),
	KUNIT_CASE(second_chances),
	KUNIT_CASE(only_where_it_may_be_asked),
	KUNIT_CASE(owners_make_objects),
	KUNIT_CASE(owners_drop_others),
	KUNIT_CASE(rcu),
	KUNIT_CASE(sizes_of_their_own),
	KUNIT_CASE(not_by_who_collects),
	{ }
};

static struct kunit_suite evict_suite = {
	.name = "obmalloc_evict",
	.init = object_test_init,
	.exit = object_test_exit,
	.test_cases = evict_cases,
};

kunit_test_suite(evict_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of obmalloc's eviction");
MODULE_LICENSE("GPL");
