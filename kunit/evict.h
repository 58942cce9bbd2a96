/* SPDX-License-Identifier: GPL-2.0-only */
/* An owner of objects that it can do without, for the suites of eviction. */
#ifndef OBM_KUNIT_EVICT_H
#define OBM_KUNIT_EVICT_H

#include "object.h"

#define LIMIT		(512 * 1024)
#define NR_PAGES	400
/* Two in a page, so that there are soon enough of them. */
#define PAGE_BYTES	2000
#define NR_ASKED	1000

/**
 * struct page_obj - an object that is found in a table
 * @obj: object
 * @at: its place in the table
 * @refused: to go, once
 */
struct page_obj {
	struct obm_obj obj;
	unsigned int at;
	bool refused;
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

static __maybe_unused struct obm_heap *owner_heap(struct kunit *test, size_t limit)
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
static __maybe_unused unsigned int
fill_with(struct obm_heap *heap, struct obm_type *type, unsigned int from,
	  unsigned int nr)
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
static __maybe_unused unsigned int
fill(struct kunit *test, struct obm_heap *heap, struct obm_type *type)
{
	unsigned int nr = fill_with(heap, type, 0, NR_PAGES);

	KUNIT_EXPECT_LT(test, nr, NR_PAGES);
	KUNIT_EXPECT_GT(test, nr, 100U);
	KUNIT_EXPECT_EQ(test, atomic_read(&owner.nr_asked), 0);
	return nr;
}

static __maybe_unused unsigned int nr_left(void)
{
	unsigned int i, nr = 0;

	for (i = 0; i < NR_PAGES; i++)
		nr += !!owner.pages[i];
	return nr;
}

static __maybe_unused void drop_all(struct kunit *test, struct obm_heap *heap)
{
	unsigned int i;

	for (i = 0; i < NR_PAGES; i++)
		if (owner.pages[i])
			page_drop(owner.pages[i]);
	object_expect_idle(test, heap);
}

static __maybe_unused struct page_obj *want(struct obm_heap *heap, gfp_t gfp)
{
	return obm_obj_new(heap, &wanted_type, gfp | __GFP_NOWARN);
}

/* Objects that are wanted until there are no more, and nobody is left to ask. */
static __maybe_unused unsigned int want_all(struct kunit *test, struct obm_heap *heap)
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

#endif /* OBM_KUNIT_EVICT_H */
