// SPDX-License-Identifier: GPL-2.0-only
/*
 * Arenas: runs of pages that pools are taken from.
 *
 * A pool is taken from the arena with the fewest unused ones, so that the
 * emptier arenas drain and can go back. CPython keeps its arenas sorted by that
 * number (usable_arenas, nfp2lasta); here there is a list for each number and a
 * mask of the lists that are not empty, which makes every step O(1).
 *
 * An arena in which no pool is in use is kept as a spare if the node has no
 * other (bpo-37257), else it goes back at once. A trim also gives back single
 * pages out of arenas in use: split_page() turns the run into single pages
 * first, which is possible because arenas are not compound pages.
 */
#include "internal.h"

/* kmalloc() would round 64 pools' descriptors up to the next power of two. */
static struct kmem_cache *arena_cache;

static atomic_long_t arena_ids = ATOMIC_LONG_INIT(0);

static unsigned int arena_nr_pools(const struct obm_arena *arena)
{
	return 1U << arena->order;
}

static u64 arena_all_mask(const struct obm_arena *arena)
{
	return GENMASK_ULL(arena_nr_pools(arena) - 1, 0);
}

static bool arena_is_empty(const struct obm_arena *arena)
{
	return (arena->free_mask | arena->returned_mask) ==
	       arena_all_mask(arena);
}

static unsigned int arena_nr_pages(const struct obm_arena *arena)
{
	return arena_nr_pools(arena) - hweight64(arena->returned_mask);
}

size_t obm_arena_meta_bytes(unsigned int order)
{
	return struct_size_t(struct obm_arena, pools, 1U << order);
}

/* Files the arena by its number of unused pools; with none, nowhere. */
static void bucket_add(struct obm_node *node, struct obm_arena *arena)
{
	unsigned int bucket = arena->nr_free - 1;

	if (!arena->nr_free)
		return;
	hlist_add_head(&arena->link, &node->buckets[bucket]);
	node->bucket_mask |= BIT_ULL(bucket);
}

static void bucket_del(struct obm_node *node, struct obm_arena *arena)
{
	unsigned int bucket = arena->nr_free - 1;

	if (!arena->nr_free)
		return;
	hlist_del(&arena->link);
	if (hlist_empty(&node->buckets[bucket]))
		node->bucket_mask &= ~BIT_ULL(bucket);
}

static struct obm_arena *bucket_first(struct obm_node *node,
				      unsigned int bucket)
{
	return hlist_entry(node->buckets[bucket].first, struct obm_arena, link);
}

/* The other end of what pools are taken from: spare ones, if any, first. */
static struct obm_arena *bucket_emptiest(struct obm_node *node)
{
	if (!node->bucket_mask)
		return NULL;
	return bucket_first(node, fls64(node->bucket_mask) - 1);
}

/*
 * A small heap keeps only a part of its first arenas, so that it does not hold
 * many times what it uses: a quarter of what it holds already, but not less than
 * this.
 */
#define ARENA_FIRST_PAGES	min(4U, (unsigned int)OBM_ARENA_POOLS / 2)

static unsigned int arena_keep(struct obm_heap *heap, unsigned int order,
			       unsigned int min_order)
{
	unsigned long held = atomic_long_read(&heap->held_bytes);
	unsigned long least = max(1U << min_order, ARENA_FIRST_PAGES);
	unsigned long keep = max(held / (4 * PAGE_SIZE), least);

	/* Who takes one after the other has use for larger ones. */
	keep = max_t(unsigned long, keep, atomic_long_read(&heap->nr_cut));

	/* What goes back at once must be worth the splitting. */
	if (!obm_compact || keep > 3UL << order >> 2)
		return 1U << order;
	return keep;
}

/* Gives back what a new arena shall not keep. */
static void arena_cut(struct obm_heap *heap, struct obm_arena *arena,
		      unsigned int keep, gfp_t gfp)
{
	unsigned int idx, nr = arena_nr_pools(arena);

	obm_pages_cut(heap, arena->page, arena->order, keep, gfp);
	atomic_long_inc(&heap->nr_cut);
	arena->split = true;
	arena->returned_mask = GENMASK_ULL(nr - 1, keep);
	arena->free_mask &= ~arena->returned_mask;
	arena->nr_free = keep;
	for (idx = keep; idx < nr; idx++)
		arena->pools[idx].state = OBM_POOL_RETURNED;
}

/*
 * Tells /proc/meminfo how many pages are unused, if that is @step or more off:
 * exactly when an arena or single pages come or go, else in larger steps, so
 * that a pool that comes and goes costs nothing.
 */
static void unused_show(struct obm_node *node, long step)
{
	long off = node->nr_unused - node->nr_shown;

	lockdep_assert_held(&node->lock);
	if (abs(off) < step)
		return;
	node->nr_shown = node->nr_unused;
	obm_pages_show_unused(node->heap, node->nid, off);
}

static struct obm_arena *arena_new(unsigned int order, gfp_t gfp, int nid)
{
	struct obm_arena *arena;
	unsigned int idx;

	gfp = obm_meta_gfp(gfp) | __GFP_ZERO;
	if (order == OBM_ARENA_ORDER)
		arena = kmem_cache_alloc_node(arena_cache, gfp, nid);
	else
		arena = kmalloc_node(obm_arena_meta_bytes(order), gfp, nid);
	if (!arena)
		return NULL;

	arena->order = order;
	arena->nr_free = arena_nr_pools(arena);
	arena->free_mask = arena_all_mask(arena);
	for (idx = 0; idx < arena_nr_pools(arena); idx++) {
		arena->pools[idx].idx = idx;
		pool_set_class(&arena->pools[idx], OBM_NO_CLASS);
		INIT_HLIST_NODE(&arena->pools[idx].link);
	}
	return arena;
}

static void arena_free(struct obm_arena *arena)
{
	if (arena->order == OBM_ARENA_ORDER)
		kmem_cache_free(arena_cache, arena);
	else
		kfree(arena);
}

static void arena_free_rcu(struct rcu_head *rcu)
{
	arena_free(container_of(rcu, struct obm_arena, rcu));
}

/*
 * Charges an arena. A larger one than need be must leave room under the limit
 * for what may have to come with it, the descriptor of a node and a map, or its
 * pages would be of no use.
 */
static bool arena_charge(struct obm_heap *heap, unsigned int order, gfp_t gfp,
			 size_t bytes)
{
	size_t slack = order ? node_bytes() + obm_map_bytes(OBM_NR_MAP_SIZES) :
			       0;

	return obm_charge_room(heap, bytes, slack, gfp);
}

static struct obm_arena *arena_try(struct obm_heap *heap, unsigned int order,
				   gfp_t gfp, int nid, unsigned int min_order)
{
	unsigned int keep = arena_keep(heap, order, min_order);
	size_t bytes = keep * PAGE_SIZE + obm_arena_meta_bytes(order);
	struct obm_arena *arena;

	if (!arena_charge(heap, order, gfp, bytes))
		return ERR_PTR(-EDQUOT);
	arena = arena_new(order, gfp, nid);
	if (!arena)
		goto err_uncharge;
	arena->page = obm_pages_get(heap, order, gfp, nid);
	if (!arena->page)
		goto err_free;
	arena->base = page_address(arena->page);
	if (keep < arena_nr_pools(arena))
		arena_cut(heap, arena, keep, gfp);
	obm_san_get_pages(arena->base, keep * PAGE_SIZE);
	obm_charge_peak(heap);
	return arena;

err_free:
	arena_free(arena);
err_uncharge:
	obm_uncharge(heap, bytes);
	return ERR_PTR(-ENOMEM);
}

/*
 * A run of more than one page is a wish: no reclaim is done, no reserve
 * touched and no warning printed for it. SLUB asks for its larger slabs so.
 */
static gfp_t arena_wish_gfp(gfp_t gfp)
{
	gfp &= ~(__GFP_RECLAIM | __GFP_NOFAIL | __GFP_HIGH | __GFP_MEMALLOC |
		 __GFP_RETRY_MAYFAIL);
	return gfp | __GFP_NOWARN | __GFP_NORETRY | __GFP_NOMEMALLOC;
}

/**
 * obm_arena_create() - take the largest run of pages that can be had
 * @heap: to charge
 * @gfp: of the request; only the smallest run is tried for with all of it
 * @nid: node, or NUMA_NO_NODE
 * @min_order: 1 << @min_order pages are the smallest that will do
 *
 * Context: As @gfp says; no lock held.
 * Return: an arena for obm_arena_add(), ERR_PTR(-ENOMEM) or, if not even a page
 * fits under the heap's limit, ERR_PTR(-EDQUOT).
 */
struct obm_arena *obm_arena_create(struct obm_heap *heap, gfp_t gfp, int nid,
				   unsigned int min_order)
{
	struct obm_arena *arena;
	unsigned int order;

	for (order = OBM_ARENA_ORDER; order > min_order; order--) {
		arena = arena_try(heap, order, arena_wish_gfp(gfp), nid,
				  min_order);
		if (!IS_ERR(arena))
			return arena;
	}
	return arena_try(heap, min_order, gfp, nid, min_order);
}

/**
 * obm_arena_add() - make a new arena's pools available
 * @node: the node whose pages they are
 * @arena: from obm_arena_create()
 *
 * Context: Takes no lock; the node's is held.
 */
void obm_arena_add(struct obm_node *node, struct obm_arena *arena)
{
	unsigned int idx, nr_pages = arena_nr_pages(arena);

	lockdep_assert_held(&node->lock);
	arena->node = node;
	arena->id = atomic_long_inc_return(&arena_ids);
	arena->front = &node->heap->set.front;
	/* The first ones, if it has not all of them. */
	for (idx = 0; idx < nr_pages; idx++)
		obm_page_set_owner(arena->page + idx, 1,
				   (unsigned long)&arena->pools[idx]);
	obm_table_set(arena, arena);
	bucket_add(node, arena);
	/* First, so that who walks under RCU never has to catch up with us. */
	list_add_rcu(&arena->all, &node->arenas);
	node->nr_arenas++;
	node->nr_arenas_got++;
	node->nr_empty++;
	node->nr_pages += nr_pages;
	node->nr_unused += nr_pages;
	unused_show(node, 1);
	node->meta_bytes += obm_arena_meta_bytes(arena->order);
}

/* Takes an arena out of its node, whatever is in it; then release it. */
void obm_arena_del(struct obm_node *node, struct obm_arena *arena)
{
	lockdep_assert_held(&node->lock);
	arena->dead = true;
	if (arena == node->spare)
		node->spare = NULL;
	obm_table_set(arena, NULL);
	bucket_del(node, arena);
	list_del_rcu(&arena->all);
	node->nr_arenas--;
	node->nr_arenas_put++;
	node->nr_empty -= arena_is_empty(arena);
	node->nr_pages -= arena_nr_pages(arena);
	node->nr_unused -= arena->nr_free;
	unused_show(node, 1);
	node->meta_bytes -= obm_arena_meta_bytes(arena->order);
}

/**
 * obm_arena_release() - give an arena's pages back
 * @heap: that was charged for it
 * @arena: taken out by obm_arena_del(), or never added
 *
 * Context: As __free_pages(); no lock held. The descriptor lives on for an RCU
 * grace period.
 * Return: how many pages.
 */
unsigned int obm_arena_release(struct obm_heap *heap, struct obm_arena *arena)
{
	unsigned int idx, nr_pages = arena_nr_pages(arena);

	/* Page by page: a returned one may be anybody's by now. */
	for (idx = 0; idx < arena_nr_pools(arena); idx++) {
		if (arena->returned_mask & BIT_ULL(idx))
			continue;
		obm_page_set_owner(arena->page + idx, 1, 0);
		obm_san_put_pages(arena->base + ((size_t)idx << PAGE_SHIFT),
				  PAGE_SIZE);
	}
	if (arena->split)
		obm_pages_put_mask(heap, arena->page, arena_all_mask(arena) &
						      ~arena->returned_mask);
	else
		obm_pages_put(heap, arena->page, arena->order);

	obm_uncharge(heap, nr_pages * PAGE_SIZE +
			   obm_arena_meta_bytes(arena->order));
	call_rcu(&arena->rcu, arena_free_rcu);
	return nr_pages;
}

/* The first pages of the aligned runs of 1 << @order unused pages. */
static u64 arena_runs(const struct obm_arena *arena, unsigned int order)
{
	static const u64 aligned[] = {
		~0ULL, 0x5555555555555555ULL, 0x1111111111111111ULL,
		0x0101010101010101ULL, 0x0001000100010001ULL,
	};
	u64 mask = arena->free_mask;
	unsigned int i;

	for (i = 0; i < order; i++)
		mask &= mask >> BIT(i);
	return mask & aligned[order];
}

/*
 * An arena with room for a pool: the fullest one for a pool of a page. For a
 * wider pool the first arena of each bucket is asked, from the fullest up: at
 * most as many as an arena has pages.
 */
static struct obm_arena *arena_with_run(struct obm_node *node,
					unsigned int order)
{
	u64 buckets = node->bucket_mask & GENMASK_ULL(63, BIT(order) - 1);
	struct obm_arena *arena;

	for (; buckets; buckets &= buckets - 1) {
		arena = bucket_first(node, __ffs64(buckets));
		if (arena_runs(arena, order))
			return arena;
	}
	return NULL;
}

/* The pages of a pool as bits of its arena. */
static u64 pool_mask(unsigned int idx, unsigned int order)
{
	return GENMASK_ULL(idx + BIT(order) - 1, idx);
}

/**
 * obm_arena_take_pool() - take an unused pool, out of the fullest arena
 * @node: the node
 * @order: 1 << @order pages
 *
 * Context: The node's lock is held.
 * Return: the pool, or NULL if no arena has one.
 */
struct obm_pool *obm_arena_take_pool(struct obm_node *node, unsigned int order)
{
	struct obm_arena *arena;
	unsigned int idx, i;

	lockdep_assert_held(&node->lock);
	arena = arena_with_run(node, order);
	if (!arena)
		return NULL;

	node->nr_empty -= arena_is_empty(arena);
	if (arena == node->spare)
		node->spare = NULL;
	idx = __ffs64(arena_runs(arena, order));
	bucket_del(node, arena);
	arena->free_mask &= ~pool_mask(idx, order);
	arena->nr_free -= BIT(order);
	bucket_add(node, arena);
	node->nr_unused -= BIT(order);
	unused_show(node, OBM_SHOW_STEP);

	for (i = 1; i < BIT(order); i++)
		arena->pools[idx + i].state = OBM_POOL_TAIL;
	/* A pointer into any page leads to the pool. */
	obm_page_set_owner(arena->page + idx + 1, BIT(order) - 1,
			   (unsigned long)&arena->pools[idx]);
	return &arena->pools[idx];
}

/*
 * Whether an empty arena shall be the spare: the larger one, as a small one may
 * have no room for what is wanted next. One with holes will do if it was made so.
 */
static bool spare_is(const struct obm_node *node, const struct obm_arena *arena)
{
	if (arena->returned_mask &&
	    !(obm_compact && arena->nr_free >= ARENA_FIRST_PAGES))
		return false;
	return !node->spare || node->spare->nr_free < arena->nr_free;
}

/**
 * obm_arena_give_pool() - put an unused pool back into its arena
 * @node: the arena's
 * @pool: not in use any more
 * @order: 1 << @order pages
 * @may_return: obm_may_return(), asked before the lock was taken
 *
 * Context: The node's lock is held.
 * Return: the arena if it was the last pool in use, or the node's spare if that
 * is smaller: taken out, to be released once the lock is dropped. Else NULL.
 */
struct obm_arena *obm_arena_give_pool(struct obm_node *node,
				      struct obm_pool *pool,
				      unsigned int order, bool may_return)
{
	struct obm_arena *arena = pool_arena(pool);
	unsigned int i;

	lockdep_assert_held(&node->lock);
	bucket_del(node, arena);
	arena->free_mask |= pool_mask(pool->idx, order);
	arena->nr_free += BIT(order);
	bucket_add(node, arena);
	node->nr_unused += BIT(order);
	unused_show(node, OBM_SHOW_STEP);
	for (i = 1; i < BIT(order); i++) {
		pool[i].state = OBM_POOL_UNUSED;
		obm_page_set_owner(arena->page + pool->idx + i, 1,
				   (unsigned long)&pool[i]);
	}

	if (!arena_is_empty(arena))
		return NULL;
	node->nr_empty++;
	if (spare_is(node, arena))
		swap(node->spare, arena);
	if (!arena)
		return NULL;
	if (!may_return) {
		schedule_work(&node->heap->trim_work);
		return NULL;
	}
	obm_arena_del(node, arena);
	return arena;
}

/*
 * Marks unused pools of an arena returned, up to @max of them; the caller gives
 * them back. The upper ones go first, being the last that would be taken.
 */
static u64 arena_return_unused(struct obm_node *node, struct obm_arena *arena,
			       unsigned long max)
{
	unsigned int idx, nr = min_t(unsigned long, arena->nr_free, max);
	u64 mask = arena->free_mask;

	lockdep_assert_held(&node->lock);
	while (hweight64(mask) > nr)
		mask &= mask - 1;
	if (!arena->split && arena->order)
		split_page(arena->page, arena->order);
	arena->split = true;
	bucket_del(node, arena);
	arena->free_mask &= ~mask;
	arena->nr_free -= nr;
	arena->returned_mask |= mask;
	bucket_add(node, arena);
	for (idx = 0; idx < arena_nr_pools(arena); idx++) {
		if (!(mask & BIT_ULL(idx)))
			continue;
		arena->pools[idx].state = OBM_POOL_RETURNED;
		obm_page_set_owner(arena->page + idx, 1, 0);
		obm_san_put_pages(arena->base + ((size_t)idx << PAGE_SHIFT),
				  PAGE_SIZE);
	}
	node->nr_pages -= nr;
	node->nr_unused -= nr;
	unused_show(node, 1);
	node->nr_pages_put += nr;
	return mask;
}

/* Gives back unused pages of the emptiest arena, and returns how many. */
static unsigned long arena_trim_one(struct obm_node *node, unsigned long max)
{
	struct obm_heap *heap = node->heap;
	struct obm_arena *arena;
	struct page *page;
	unsigned long flags;
	u64 mask;

	raw_spin_lock_irqsave(&node->lock, flags);
	arena = bucket_emptiest(node);
	if (!arena) {
		raw_spin_unlock_irqrestore(&node->lock, flags);
		return 0;
	}
	if (arena_is_empty(arena)) {
		obm_arena_del(node, arena);
		raw_spin_unlock_irqrestore(&node->lock, flags);
		return obm_arena_release(heap, arena);
	}
	page = arena->page;
	mask = arena_return_unused(node, arena, max);
	raw_spin_unlock_irqrestore(&node->lock, flags);

	/* From here on the arena may be gone; the marked pages are ours. */
	obm_pages_put_mask(heap, page, mask);
	obm_uncharge(heap, hweight64(mask) * PAGE_SIZE);
	return hweight64(mask);
}

/**
 * obm_arena_trim() - give back pages of a node that are in no pool
 * @node: the node
 * @nr: how many at most; ULONG_MAX for all
 *
 * The emptiest arenas are trimmed first, and an arena in which no pool is in use
 * goes whole: the page allocator gets the run that it gave, though that may be
 * more than @nr.
 *
 * Context: As __free_pages(); takes and drops the node's lock for each arena.
 * Return: pages given back.
 */
unsigned long obm_arena_trim(struct obm_node *node, unsigned long nr)
{
	unsigned long flags, steps, got, total = 0;

	/* An arena a step; those that others add meanwhile are not waited for. */
	raw_spin_lock_irqsave(&node->lock, flags);
	steps = node->nr_arenas + 1;
	raw_spin_unlock_irqrestore(&node->lock, flags);
	while (steps-- && total < nr) {
		got = arena_trim_one(node, nr - total);
		if (!got)
			break;
		total += got;
	}
	return total;
}

int __init obm_arena_init(void)
{
	/* One cache for all heaps, under its own name in /proc/slabinfo. */
	arena_cache = kmem_cache_create("obm_arena",
					obm_arena_meta_bytes(OBM_ARENA_ORDER),
					0, 0, NULL);
	return arena_cache ? 0 : -ENOMEM;
}

void obm_arena_exit(void)
{
	/* Descriptors still wait for their grace period. */
	rcu_barrier();
	kmem_cache_destroy(arena_cache);
}
