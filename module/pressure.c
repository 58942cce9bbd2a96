// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pressure: the shrinker is told how much objects take that owners can do without,
 * and has a worker of each heap ask for its share of what the kernel wants. The
 * shrinker itself has no time for owners, and they cannot know what it holds.
 */
#include "object.h"

/* How long a heap is left alone of which nothing was to be had. */
#define EVICT_PAUSE	HZ

/* What is in pools of objects that can be evicted; how many go, their owners know. */
static unsigned long kind_pages(struct obm_kind *kind, int nid)
{
	unsigned int order;

	if (kind->cache) {
		order = obm_classes[kind->cache->set.ci].order;
		/* A peek at what the node's lock protects. */
		return data_race(kind->cache->classes[nid].nr_pools) << order;
	}
	/* Where they are is not known. */
	if (nid != first_node(node_states[N_MEMORY]))
		return 0;
	return atomic_long_read(&kind->live_bytes) >> PAGE_SHIFT;
}

/* Under RCU. */
static unsigned long gc_pages(struct obm_gc *gc, int nid)
{
	struct obm_kind *kind;
	unsigned long nr = 0;

	if (READ_ONCE(gc->evict_ended) ||
	    time_before(jiffies, READ_ONCE(gc->evict_later)))
		return 0;
	list_for_each_entry_rcu(kind, &gc->kind_list, in_gc)
		if (kind->evicts)
			nr += kind_pages(kind, nid);
	return nr;
}

/* Pages of a node that owners might give. Context: any. */
static unsigned long pressure_count(int nid)
{
	unsigned long nr = 0;
	struct obm_heap *heap;
	struct obm_gc *gc;

	rcu_read_lock();
	list_for_each_entry_rcu(heap, &obm_heaps, link) {
		gc = obm_gc_of(heap);
		if (gc)
			nr += gc_pages(gc, nid);
	}
	rcu_read_unlock();
	return nr;
}

/* Lets workers ask for that many pages, each heap for its share. Context: any. */
static bool pressure_kick(int nid, unsigned long nr)
{
	unsigned long total = pressure_count(nid), pages;
	struct obm_heap *heap;
	struct obm_gc *gc;

	nr = min(nr, total);
	if (!nr)
		return false;
	rcu_read_lock();
	list_for_each_entry_rcu(heap, &obm_heaps, link) {
		gc = obm_gc_of(heap);
		pages = gc ? gc_pages(gc, nid) : 0;
		if (!pages)
			continue;
		pages = div64_ul((u64)nr * pages + total - 1, total);
		atomic_long_add(pages, &gc->evict_pages);
		queue_work(obm_wq, &gc->evict_work);
	}
	rcu_read_unlock();
	return true;
}

static void evict_work(struct work_struct *work)
{
	struct obm_gc *gc = container_of(work, struct obm_gc, evict_work);
	unsigned long pages = atomic_long_xchg(&gc->evict_pages, 0);

	pages = min(pages, ULONG_MAX >> PAGE_SHIFT);
	if (obm_evict_bytes(gc, pages << PAGE_SHIFT))
		obm_heap_trim(gc->heap);
	else
		WRITE_ONCE(gc->evict_later, jiffies + EVICT_PAUSE);
}

/* A heap that begins to have objects. */
void obm_pressure_begin(struct obm_gc *gc)
{
	INIT_WORK(&gc->evict_work, evict_work);
	gc->evict_later = jiffies;
}

/**
 * obm_pressure_end() - ask for no more objects of a heap that is being destroyed
 * @gc: its collector
 *
 * Context: Process context, may sleep.
 */
void obm_pressure_end(struct obm_gc *gc)
{
	WRITE_ONCE(gc->evict_ended, true);
	if (!gc->evicts)
		return;
	/* Who has not seen that has queued the work. */
	synchronize_rcu_expedited();
	cancel_work_sync(&gc->evict_work);
}

static const struct obm_shrink_more pressure_more = {
	.count = pressure_count,
	.kick = pressure_kick,
};

void __init obm_pressure_init(void)
{
	WRITE_ONCE(obm_shrink_more, &pressure_more);
}

void obm_pressure_exit(void)
{
	WRITE_ONCE(obm_shrink_more, NULL);
}
