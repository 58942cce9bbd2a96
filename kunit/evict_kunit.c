// SPDX-License-Identifier: GPL-2.0-only
/*
 * Objects that their owner can do without: who is asked for which, in which order,
 * by whom, and what becomes of an allocation for which there was no room. Owners
 * here refuse, lie, make objects, and drop those of others.
 */
#include "internal.h"

#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/random.h>
#include <linux/sched/mm.h>

#include "object.h"

#define LIMIT		(512 * 1024)
#define NR_PAGES	400
/* Two in a page, so that there are soon enough of them. */
#define PAGE_BYTES	2000
#define NR_ASKED	1000
#define WAIT_MS		10000

/**
 * struct page_obj - an object that is found in a table
 * @obj: object
 * @at: its place in the table
 */
struct page_obj {
	struct obm_obj obj;
	unsigned int at;
};

/**
 * struct owner - a table of objects, with a reference to each
 * @pages: the table
 * @evict: what it does if it is asked
 * @nr_asked: how often it was
 * @asked: for whom, in this order
 * @depth: of an evict that makes objects: calls, one in the other
 * @max_depth: the most of them
 * @heap: where @evict makes objects
 */
static struct owner {
	struct page_obj *pages[NR_PAGES];
	bool (*evict)(struct page_obj *page);
	atomic_t nr_asked;
	unsigned int asked[NR_ASKED];
	unsigned int depth;
	unsigned int max_depth;
	struct obm_heap *heap;
} owner;

static struct page_obj *to_page_obj(struct obm_obj *obj)
{
	return container_of(obj, struct page_obj, obj);
}

/* Of several that drop an object one does. */
static bool page_drop(struct page_obj *page)
{
	unsigned int at = READ_ONCE(page->at);

	/* One that is being made is in no table yet. */
	if (cmpxchg(&owner.pages[at], page, NULL) != page)
		return false;
	obm_obj_put(&page->obj);
	return true;
}

static bool page_evict(struct obm_obj *obj)
{
	struct page_obj *page = to_page_obj(obj);
	unsigned int nr = atomic_inc_return(&owner.nr_asked) - 1;

	if (nr < NR_ASKED)
		owner.asked[nr] = page->at;
	return owner.evict(page);
}

static struct obm_type page_type = {
	.name = "page",
	.size = PAGE_BYTES,
	.evict = page_evict,
};

static struct obm_type rcu_page_type = {
	.name = "rcu_page",
	.size = PAGE_BYTES,
	.flags = OBM_TYPE_RCU,
	.evict = page_evict,
};

static struct obm_type sized_page_type = {
	.name = "sized_page",
	.size = sizeof(struct page_obj),
	.flags = OBM_TYPE_VAR_SIZE,
	.evict = page_evict,
};

/* What room is wanted for. */
static struct obm_type wanted_type = {
	.name = "wanted",
	.size = PAGE_BYTES,
};

static struct obm_heap *owner_heap(struct kunit *test, size_t limit)
{
	struct obm_heap *heap = obm_test_heap(test, limit);

	obm_gc_disable(heap);
	memset(&owner, 0, sizeof(owner));
	owner.evict = page_drop;
	owner.heap = heap;
	object_type(test, &page_type);
	object_type(test, &rcu_page_type);
	object_type(test, &sized_page_type);
	object_type(test, &wanted_type);
	KUNIT_ASSERT_EQ(test, obm_type_prepare(heap, &page_type), 0);
	KUNIT_ASSERT_EQ(test, obm_type_prepare(heap, &rcu_page_type), 0);
	KUNIT_ASSERT_EQ(test, obm_type_prepare(heap, &wanted_type), 0);
	return heap;
}

/* Up to @nr objects, for which nobody is asked for others. */
static unsigned int fill_with(struct obm_heap *heap, struct obm_type *type,
			      unsigned int from, unsigned int nr)
{
	struct page_obj *page;
	unsigned int i;

	for (i = from; i < from + nr && i < NR_PAGES; i++) {
		page = obm_obj_new(heap, type, GFP_NOWAIT | __GFP_NOWARN);
		if (!page)
			break;
		page->at = i;
		owner.pages[i] = page;
	}
	return i - from;
}

/* A heap that has no room for one more. */
static unsigned int fill(struct kunit *test, struct obm_heap *heap,
			 struct obm_type *type)
{
	unsigned int nr = fill_with(heap, type, 0, NR_PAGES);

	KUNIT_EXPECT_LT(test, nr, NR_PAGES);
	KUNIT_EXPECT_GT(test, nr, 100U);
	KUNIT_EXPECT_EQ(test, atomic_read(&owner.nr_asked), 0);
	return nr;
}

static unsigned int nr_left(void)
{
	unsigned int i, nr = 0;

	for (i = 0; i < NR_PAGES; i++)
		nr += !!owner.pages[i];
	return nr;
}

static void drop_all(struct kunit *test, struct obm_heap *heap)
{
	unsigned int i;

	for (i = 0; i < NR_PAGES; i++)
		if (owner.pages[i])
			page_drop(owner.pages[i]);
	object_expect_idle(test, heap);
}

static struct page_obj *want(struct obm_heap *heap, gfp_t gfp)
{
	return obm_obj_new(heap, &wanted_type, gfp | __GFP_NOWARN);
}

/* Objects that are wanted until there are no more, and nobody is left to ask. */
static unsigned int want_all(struct kunit *test, struct obm_heap *heap)
{
	static struct page_obj *list[NR_PAGES];
	unsigned int nr, i;

	for (nr = 0; nr < NR_PAGES; nr++) {
		list[nr] = want(heap, GFP_KERNEL);
		if (!list[nr])
			break;
	}
	KUNIT_EXPECT_LT(test, nr, NR_PAGES);
	KUNIT_EXPECT_LE(test, obm_get(test, heap).peak_bytes, LIMIT);
	for (i = 0; i < nr; i++)
		obm_obj_put(&list[i]->obj);
	return nr;
}

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
		/* Everybody, and once more when the new ones are known. */
		KUNIT_EXPECT_GE(test, atomic_read(&owner.nr_asked), nr);
		KUNIT_EXPECT_LE(test, atomic_read(&owner.nr_asked), 2 * nr);
		KUNIT_EXPECT_EQ(test, nr_left(), nr);
	}
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

/* --- Pressure --- */

static bool wait_until_left(unsigned int nr)
{
	unsigned long end = jiffies + msecs_to_jiffies(WAIT_MS);

	while (nr_left() > nr && time_before(jiffies, end))
		msleep(20);
	return nr_left() <= nr;
}

/* The shrinker has no time for owners: a worker asks them, for as much. */
static void the_shrinker_asks(struct kunit *test)
{
	struct obm_heap *heap = owner_heap(test, 0);
	int nid = first_node(node_states[N_MEMORY]);
	u64 held;

	KUNIT_EXPECT_EQ(test, fill_with(heap, &page_type, 0, 300), 300U);
	obm_heap_trim(heap);
	held = obm_get(test, heap).held_bytes;
	obm_shrink_scan(nid, 20);
	KUNIT_EXPECT_TRUE(test, wait_until_left(300 - 20));
	msleep(100);
	KUNIT_EXPECT_GT(test, nr_left(), 300U - 100);
	/* All there is. */
	obm_shrink_scan(nid, 100000);
	KUNIT_EXPECT_TRUE(test, wait_until_left(0));
	object_expect_idle(test, heap);
	obm_heap_trim(heap);
	KUNIT_EXPECT_LT(test, obm_get(test, heap).held_bytes, held / 4);
}

/* The heap is gone before the worker is done. */
static void the_end_is_waited_for(struct kunit *test)
{
	struct obm_heap *heap;
	unsigned int i, k;

	for (i = 0; i < 10; i++) {
		heap = owner_heap(test, 0);
		fill_with(heap, &page_type, 0, 200);
		obm_shrink_scan(first_node(node_states[N_MEMORY]), 100000);
		if (i % 2)
			cond_resched();
		for (k = 0; k < 200; k++) {
			struct page_obj *page = xchg(&owner.pages[k], NULL);

			if (page)
				obm_obj_put(&page->obj);
		}
		KUNIT_EXPECT_EQ(test, obm_test_destroy(test, heap), 0UL);
	}
}

/* --- All at once --- */

#define NR_THREADS	3
#define RUN_MS		700

/**
 * struct rush - threads that fill a heap that is full
 * @heap: the heap
 * @nr_made: objects made
 * @nr_failed: and for which there was no room
 */
struct rush {
	struct obm_heap *heap;
	atomic_long_t nr_made;
	atomic_long_t nr_failed;
};

static int rush_fn(void *data)
{
	struct rush *rush = data;
	struct page_obj *page;
	unsigned int at;

	while (!kthread_should_stop()) {
		at = get_random_u32() % NR_PAGES;
		page = obm_obj_new(rush->heap,
				   at % 2 ? &page_type : &rcu_page_type,
				   GFP_KERNEL | __GFP_NOWARN);
		if (page) {
			atomic_long_inc(&rush->nr_made);
			WRITE_ONCE(page->at, at);
			page = xchg(&owner.pages[at], page);
		} else {
			atomic_long_inc(&rush->nr_failed);
		}
		if (page)
			obm_obj_put(&page->obj);
		cond_resched();
	}
	return 0;
}

/* With a collector, that makes everybody wait, and a shrinker. */
static void in_a_rush(struct kunit *test)
{
	struct rush rush = { .heap = owner_heap(test, LIMIT) };
	unsigned long end = jiffies + msecs_to_jiffies(RUN_MS);
	struct task_struct *threads[NR_THREADS];
	unsigned int nr, round = 0;

	for (nr = 0; nr < NR_THREADS; nr++) {
		threads[nr] = kthread_run(rush_fn, &rush, "obm_evict/%u", nr);
		if (IS_ERR(threads[nr]))
			break;
	}
	KUNIT_EXPECT_EQ(test, nr, NR_THREADS);
	while (time_before(jiffies, end)) {
		obm_gc_collect(rush.heap, round++ % OBM_NR_GENERATIONS);
		if (!(round % 16))
			obm_shrink_scan(first_node(node_states[N_MEMORY]), 8);
		msleep(20);
	}
	while (nr--)
		kthread_stop(threads[nr]);
	kunit_info(test, "%ld made, %ld not, asked for %d",
		   atomic_long_read(&rush.nr_made),
		   atomic_long_read(&rush.nr_failed),
		   atomic_read(&owner.nr_asked));
	KUNIT_EXPECT_GT(test, atomic_long_read(&rush.nr_made), 1000);
	KUNIT_EXPECT_LT(test, atomic_long_read(&rush.nr_failed),
			atomic_long_read(&rush.nr_made) / 10);
	KUNIT_EXPECT_GT(test, atomic_read(&owner.nr_asked), 100);
	KUNIT_EXPECT_LE(test, obm_get(test, rush.heap).peak_bytes, LIMIT);
	drop_all(test, rush.heap);
}

static struct kunit_case evict_cases[] = {
	KUNIT_CASE(room_is_made),
	KUNIT_CASE(the_oldest_first),
	KUNIT_CASE(owners_refuse),
	KUNIT_CASE(nothing_to_be_had),
	KUNIT_CASE(only_where_it_may_be_asked),
	KUNIT_CASE(owners_make_objects),
	KUNIT_CASE(owners_drop_others),
	KUNIT_CASE(rcu),
	KUNIT_CASE(sizes_of_their_own),
	KUNIT_CASE(not_by_who_collects),
	KUNIT_CASE(the_shrinker_asks),
	KUNIT_CASE(the_end_is_waited_for),
	KUNIT_CASE(in_a_rush),
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
MODULE_IMPORT_NS(OBM_KUNIT_NS);
MODULE_DESCRIPTION("KUnit suite of obmalloc's eviction");
MODULE_LICENSE("GPL");
