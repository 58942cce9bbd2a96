/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Takes the machine's memory away, to see what is done without, or to count it.
 *
 * Between hog_all() and unhog() nothing may be printed or asserted: KUnit would
 * want memory for it.
 */
#ifndef OBM_KUNIT_HOG_H
#define OBM_KUNIT_HOG_H

#include <linux/cpumask.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/obmalloc.h>

#include "compat.h"

/* Nothing is waited for, nothing reclaimed, and no reserve is left. */
#define GFP_HOG		(__GFP_MEMALLOC | __GFP_NOWARN | __GFP_NORETRY)

/* Others would suffer, and hold pages in their per-CPU lists. */
static inline void hog_may(struct kunit *test)
{
	if (num_online_nodes() > 1 || num_online_cpus() > 1)
		kunit_skip(test, "takes all memory; only for one CPU");
}

/* Takes up to @max runs of pages; their order is in their private word. */
static inline void hog(struct list_head *list, gfp_t gfp, unsigned int order,
		       unsigned long max)
{
	struct page *page;

	while (max--) {
		page = alloc_pages(GFP_HOG | gfp, order);
		if (!page)
			break;
		set_page_private(page, order);
		list_add(&page->lru, list);
	}
}

/*
 * Takes every free page, in runs that are as long as there are. A page in a
 * per-CPU list is given only to who asks for its kind of mobility.
 */
static inline void hog_all(struct list_head *list)
{
	int order;

	for (order = get_order(OBM_MAX_BYTES); order >= 0; order--) {
		hog(list, 0, order, ULONG_MAX);
		hog(list, __GFP_MOVABLE, order, ULONG_MAX);
		hog(list, __GFP_RECLAIMABLE, order, ULONG_MAX);
	}
}

static inline void unhog_one(struct page *page)
{
	unsigned int order = page_private(page);

	list_del(&page->lru);
	set_page_private(page, 0);
	__free_pages(page, order);
}

/* Gives everything back; returns how many pages it was. */
static inline long unhog(struct list_head *list)
{
	struct page *page, *next;
	long nr = 0;

	list_for_each_entry_safe(page, next, list, lru) {
		nr += 1L << page_private(page);
		unhog_one(page);
	}
	return nr;
}

#endif /* OBM_KUNIT_HOG_H */
