// SPDX-License-Identifier: GPL-2.0-only
/*
 * Walks a heap and names the first invariant of internal.h that does not hold.
 *
 * Other CPUs may go on allocating: an arena is checked under its node's lock,
 * which is dropped before the next. The sums over all arenas are compared with
 * the node's counters only if nothing changed in between.
 */
#include "cache.h"

/* What the walk has counted in a node. */
struct tally {
	unsigned long nr_arenas;
	unsigned long nr_empty;
	unsigned long nr_pages;
	unsigned long nr_unused;
	unsigned long nr_pools;
	unsigned long nr_tails;
	u64 nr_blocks;
};

static u64 class_moves(struct obm_node *node, unsigned int ci)
{
	return node_class(node, ci)->nr_taken + node_class(node, ci)->nr_put;
}

/* Changes whenever a block, a pool or an arena does. */
static u64 node_version(struct obm_node *node)
{
	u64 version = node->nr_arenas_got + node->nr_arenas_put +
		      node->nr_pages_put + node->gone_moves;
	struct obm_cache *cache;
	unsigned int ci;

	lockdep_assert_held(&node->lock);
	for (ci = 0; ci < obm_nr_classes; ci++)
		version += class_moves(node, ci);
	obm_for_each_cache(node->heap, cache)
		version += class_moves(node, cache->set.ci);
	return version;
}

static const char *map_check(const struct obm_pool *pool, struct tally *tally)
{
	if (pool->nr_free != obm_pool_count_free(pool))
		return "a pool's count differs from its map";
	if (!obm_pool_tail_is_set(pool))
		return "a map has room for more blocks than its pool";
	tally->nr_blocks += obm_classes[pool_ci(pool)].nr_blocks -
			    pool->nr_free;
	return NULL;
}

/* Whether a pool is of a cache of its heap. */
static bool cache_has(const struct obm_arena *arena,
		      const struct obm_pool *pool)
{
	const struct obm_cache *cache;

	cache = class_is_cache(pool_ci(pool)) ? class_cache(pool_ci(pool)) : NULL;
	return cache && cache->heap == arena->node->heap;
}

static const char *pool_check(struct obm_pool *pool, struct tally *tally)
{
	struct obm_arena *arena = pool_arena(pool);
	u64 bit = BIT_ULL(pool->idx);
	const struct obm_class *class;
	unsigned long owner;
	const char *what;
	unsigned int i;
	bool full;

	/* A tail must be followed by no pool of its own; its head checks it. */
	if (pool->state == OBM_POOL_TAIL)
		return arena->free_mask & bit || arena->returned_mask & bit ?
		       "a tail is unused or returned" : NULL;
	owner = obm_page_owner(pool_base(pool));
	if (arena->returned_mask & bit) {
		if (arena->free_mask & bit)
			return "a returned pool is unused too";
		if (pool->state != OBM_POOL_RETURNED)
			return "a returned pool has another state";
		if (owner == (unsigned long)pool)
			return "a returned page is still ours";
		return NULL;
	}
	if (owner != (unsigned long)pool)
		return "a page has another owner";
	if (arena->free_mask & bit)
		return pool->state == OBM_POOL_UNUSED ? NULL :
		       "an unused pool has another state";

	if (pool->state != OBM_POOL_PARTIAL && pool->state != OBM_POOL_FULL)
		return "a pool in use has another state";
	if (pool_ci(pool) != OBM_MIXED && pool_ci(pool) >= obm_nr_classes &&
	    !cache_has(arena, pool))
		return "a pool is of no class";
	class = &obm_classes[pool_ci(pool)];
	for (i = 1; i < BIT(class->order); i++)
		if (pool[i].state != OBM_POOL_TAIL ||
		    obm_page_owner(pool_base(&pool[i])) != (unsigned long)pool)
			return "a wide pool lacks a page";
	tally->nr_tails += BIT(class->order) - 1;
	what = pool_ci(pool) == OBM_MIXED ?
	       obm_mixed_check(pool, &tally->nr_blocks) :
	       map_check(pool, tally);
	if (what)
		return what;
	if (pool->nr_free >= class->nr_blocks)
		return "a pool in use holds no block";
	full = pool->state == OBM_POOL_FULL;
	if (full != !pool->nr_free)
		return "a pool's state differs from its count";
	if (full != hlist_unhashed(&pool->link))
		return "a full pool is in a list, or a partial one in none";
	if (!full && (*pool->link.pprev != &pool->link ||
		      (pool->link.next &&
		       pool->link.next->pprev != &pool->link.next)))
		return "a list of pools is torn";
	tally->nr_pools++;
	return NULL;
}

static const char *arena_check(struct obm_arena *arena, struct tally *tally,
			       unsigned int *idx)
{
	struct obm_node *node = arena->node;
	unsigned int nr_pools = 1U << arena->order;
	unsigned int nr_gone = hweight64(arena->returned_mask);
	const char *what;

	lockdep_assert_held(&node->lock);
	for (*idx = 0; *idx < nr_pools; (*idx)++) {
		what = pool_check(&arena->pools[*idx], tally);
		if (what)
			return what;
	}
	*idx = 0;
	if (hweight64(arena->free_mask) != arena->nr_free)
		return "an arena's count differs from its mask";
	if (arena->nr_free + nr_gone > nr_pools)
		return "an arena has more pools than pages";
	if (arena->nr_free &&
	    !(node->bucket_mask & BIT_ULL(arena->nr_free - 1)))
		return "an arena's bucket is marked empty";
	if (nr_gone && !arena->split)
		return "a page was returned of an unsplit run";
	if (arena->base != page_address(arena->page))
		return "an arena's base is not its page's";

	tally->nr_arenas++;
	tally->nr_empty += arena->nr_free + nr_gone == nr_pools;
	tally->nr_pages += nr_pools - nr_gone;
	tally->nr_unused += arena->nr_free;
	return NULL;
}

static bool class_tally(struct obm_node *node, unsigned int ci,
			unsigned long *nr_pools, u64 *nr_blocks)
{
	const struct obm_node_class *nc = node_class(node, ci);

	*nr_pools += nc->nr_pools;
	*nr_blocks += nc->nr_taken - nc->nr_put;
	return nc->nr_put <= nc->nr_taken;
}

static const char *node_check_counts(struct obm_node *node,
				     const struct tally *tally)
{
	unsigned long nr_pools = node->mixed.nr_pools;
	struct obm_cache *cache;
	u64 nr_blocks = 0;
	unsigned int ci;
	bool sound = true;

	for (ci = 0; ci < obm_nr_classes; ci++)
		sound &= class_tally(node, ci, &nr_pools, &nr_blocks);
	obm_for_each_cache(node->heap, cache)
		sound &= class_tally(node, cache->set.ci, &nr_pools,
				     &nr_blocks);
	if (!sound)
		return "more blocks were put back than taken";
	if (node->nr_arenas != tally->nr_arenas)
		return "the count of arenas is wrong";
	if (node->nr_empty != tally->nr_empty)
		return "the count of empty arenas is wrong";
	if (node->nr_pages != tally->nr_pages)
		return "the count of pages is wrong";
	if (node->nr_unused != tally->nr_unused)
		return "the count of unused pools is wrong";
	if (abs((long)(node->nr_unused - node->nr_shown)) >= OBM_SHOW_STEP)
		return "/proc/meminfo is told another count of unused pools";
	if (nr_pools != tally->nr_pools)
		return "the count of pools is wrong";
	if (nr_blocks != tally->nr_blocks)
		return "the count of blocks is wrong";
	if (node->nr_pages != node->nr_unused + nr_pools + tally->nr_tails)
		return "pages are neither unused nor in use";
	return NULL;
}

static u64 node_start(struct obm_node *node)
{
	unsigned long flags;
	u64 version;

	raw_spin_lock_irqsave(&node->lock, flags);
	version = node_version(node);
	raw_spin_unlock_irqrestore(&node->lock, flags);
	return version;
}

/* Under RCU, so that neither arenas nor caches are gone. */
static int node_validate(struct obm_node *node)
{
	u64 version = node_start(node);
	struct tally tally = { };
	struct obm_arena *arena;
	const char *what = NULL;
	unsigned long id = 0, flags;
	unsigned int idx = 0;

	list_for_each_entry_rcu(arena, &node->arenas, all) {
		id = arena->id;
		raw_spin_lock_irqsave(&node->lock, flags);
		if (!arena->dead)
			what = arena_check(arena, &tally, &idx);
		raw_spin_unlock_irqrestore(&node->lock, flags);
		if (what)
			break;
	}

	if (!what) {
		id = 0;
		raw_spin_lock_irqsave(&node->lock, flags);
		if (node_version(node) == version)
			what = node_check_counts(node, &tally);
		raw_spin_unlock_irqrestore(&node->lock, flags);
	}
	if (!what)
		return 0;
	obm_report_broken(node->heap, what, id, idx);
	return -EUCLEAN;
}

/* The identity must hold at any instant, so it is checked at this one. */
static int stats_validate(struct obm_heap *heap)
{
	struct obm_stats s;

	obm_heap_stats(heap, &s);
	if (s.used_bytes + s.avail_bytes + s.unused_bytes + s.meta_bytes +
	    s.quant_bytes + s.raw_bytes == s.held_bytes)
		return 0;
	obm_report_broken(heap, "the bytes do not add up", 0, 0);
	return -EUCLEAN;
}

/**
 * obm_heap_validate() - check every invariant of a heap
 * @heap: the heap
 *
 * Context: Process context. Takes and drops the locks of the heap's nodes for
 * one arena at a time.
 * Return: 0; or -EUCLEAN, with a report, at the first that is broken.
 */
int obm_heap_validate(struct obm_heap *heap)
{
	struct obm_node *node;
	int nid, err;

	obm_for_each_node(heap, nid, node) {
		rcu_read_lock();
		err = node_validate(node);
		rcu_read_unlock();
		if (err)
			return err;
	}
	return stats_validate(heap);
}
EXPORT_SYMBOL_NS_GPL(obm_heap_validate, OBM_NS);

/* Validates every heap. Context: process context, takes obm_heaps_lock. */
int obm_heap_validate_all(void)
{
	struct obm_heap *heap;
	int err = 0;

	mutex_lock(&obm_heaps_lock);
	list_for_each_entry(heap, &obm_heaps, link) {
		err = obm_heap_validate(heap);
		if (err)
			break;
	}
	mutex_unlock(&obm_heaps_lock);
	return err;
}
