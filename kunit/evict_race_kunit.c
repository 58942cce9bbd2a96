// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owners are asked by a worker, when the shrinker wants memory, while others make
 * objects at the limit of the heap, somebody collects, and the heap ends.
 */
#include "internal.h"

#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/random.h>

#include "evict.h"

#define WAIT_MS		10000

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
/* As many at least, however slow the machine is. */
#define NR_MADE		1000

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
	unsigned long late = jiffies + msecs_to_jiffies(20 * RUN_MS);
	struct task_struct *threads[NR_THREADS];
	unsigned int nr, round = 0;

	for (nr = 0; nr < NR_THREADS; nr++) {
		threads[nr] = kthread_run(rush_fn, &rush, "obm_evict/%u", nr);
		if (IS_ERR(threads[nr]))
			break;
	}
	KUNIT_EXPECT_EQ(test, nr, NR_THREADS);
	while (time_before(jiffies, end) ||
	       (atomic_long_read(&rush.nr_made) < NR_MADE &&
		time_before(jiffies, late))) {
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
	KUNIT_EXPECT_GT(test, atomic_long_read(&rush.nr_made), NR_MADE - 1);
	KUNIT_EXPECT_LT(test, atomic_long_read(&rush.nr_failed),
			atomic_long_read(&rush.nr_made) / 10);
	KUNIT_EXPECT_GT(test, atomic_read(&owner.nr_asked), 100);
	KUNIT_EXPECT_LE(test, obm_get(test, rush.heap).peak_bytes, LIMIT);
	drop_all(test, rush.heap);
}

static struct kunit_case evict_race_cases[] = {
	KUNIT_CASE(the_shrinker_asks),
	KUNIT_CASE(the_end_is_waited_for),
	KUNIT_CASE(in_a_rush),
	{ }
};

static struct kunit_suite evict_race_suite = {
	.name = "obmalloc_evict_race",
	.init = object_test_init,
	.exit = object_test_exit,
	.test_cases = evict_race_cases,
};

kunit_test_suite(evict_race_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_IMPORT_NS(OBM_KUNIT_NS);
MODULE_DESCRIPTION("KUnit suite of obmalloc's eviction under pressure");
MODULE_LICENSE("GPL");
