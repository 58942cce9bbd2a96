// SPDX-License-Identifier: GPL-2.0-only
/*
 * Small blocks: what a heap has on one NUMA node, and where to look when that
 * node has nothing left.
 */
#include "pool.h"

static struct obm_node *node_alloc(gfp_t gfp, int nid)
{
	struct page *page;

	if (!node_has_page())
		return kzalloc_node(node_bytes(), gfp, nid);
	page = obm_page_get_meta(gfp, nid);
	return page ? page_address(page) : NULL;
}

static void node_free(struct obm_node *node)
{
	if (node_has_page())
		obm_page_put_meta(virt_to_page(node));
	else
		kfree(node);
}

static struct obm_node *node_new(struct obm_heap *heap, int nid, gfp_t gfp)
{
	struct obm_node *node;
	unsigned int i;

	if (!obm_charge(heap, node_bytes(), gfp))
		return ERR_PTR(-EDQUOT);
	node = node_alloc(obm_meta_gfp(gfp), nid);
	if (!node) {
		obm_uncharge(heap, node_bytes());
		return ERR_PTR(-ENOMEM);
	}
	raw_spin_lock_init(&node->lock);
	node->heap = heap;
	node->nid = nid;
	prandom_seed_state(&node->rnd, get_random_long());
	node->meta_bytes = node_bytes();
	node->full_until = jiffies;
	INIT_LIST_HEAD(&node->arenas);
	for (i = 0; i < OBM_ARENA_POOLS; i++)
		INIT_HLIST_HEAD(&node->buckets[i]);
	for (i = 0; i < obm_nr_classes; i++)
		INIT_HLIST_HEAD(&node->classes[i].partial);
	INIT_HLIST_HEAD(&node->mixed.partial);
	return node;
}

static void node_free_rcu(struct rcu_head *rcu)
{
	node_free(container_of(rcu, struct obm_node, rcu));
}

/**
 * obm_node_get() - the heap's part on a node, made when first asked for
 * @heap: the heap
 * @nid: number of the node
 * @gfp: for the descriptor
 *
 * Context: As @gfp says; no lock held.
 * Return: the node, ERR_PTR(-ENOMEM) or ERR_PTR(-EDQUOT).
 */
struct obm_node *obm_node_get(struct obm_heap *heap, int nid, gfp_t gfp)
{
	/* Pairs with the cmpxchg below: who sees a node sees it made. */
	struct obm_node *other, *node = smp_load_acquire(&heap->nodes[nid]);

	if (node)
		return node;
	node = node_new(heap, nid, gfp);
	if (IS_ERR(node))
		return node;
	other = cmpxchg(&heap->nodes[nid], NULL, node);
	if (other) {
		obm_uncharge(heap, node_bytes());
		node_free(node);
		return other;
	}
	obm_charge_peak(heap);
	return node;
}

/* Of @nid, the heap's own node, and the one that is near the first there is. */
static int heap_nid(const struct obm_heap *heap, int nid)
{
	if (nid != NUMA_NO_NODE)
		return nid;
	return heap->nid == NUMA_NO_NODE ? numa_mem_id() : heap->nid;
}

/* Gives back all of a node, live blocks or not: the heap is being destroyed. */
void obm_node_release(struct obm_node *node)
{
	struct obm_arena *arena;
	unsigned long flags;
	unsigned int idx;

	for (;;) {
		raw_spin_lock_irqsave(&node->lock, flags);
		arena = list_first_or_null_rcu(&node->arenas, struct obm_arena,
					       all);
		if (arena)
			obm_arena_del(node, arena);
		raw_spin_unlock_irqrestore(&node->lock, flags);
		if (!arena)
			break;
		for (idx = 0; idx < 1U << arena->order; idx++)
			obm_pool_abandon(node->heap, &arena->pools[idx]);
		obm_arena_release(node->heap, arena);
	}
	obm_maps_release(node);
	obm_uncharge(node->heap, node_bytes());
	call_rcu(&node->rcu, node_free_rcu);
}

/**
 * obm_node_carve() - make a pool of a class of what the node has in no use
 * @node: the node
 * @ci: class
 * @missing: set to @ci if only the map is missing that such a pool needs
 *
 * Context: The node's lock is held.
 * Return: the pool, or NULL.
 */
struct obm_pool *obm_node_carve(struct obm_node *node, unsigned int ci,
				unsigned int *missing)
{
	struct obm_pool *pool;

	lockdep_assert_held(&node->lock);
	if (!obm_map_ready(node, ci)) {
		if (node->bucket_mask)
			*missing = ci;
		return NULL;
	}
	pool = obm_arena_take_pool(node, obm_classes[ci].order);
	if (pool)
		obm_pool_carve(node, pool, ci);
	return pool;
}

/* Up to @want blocks, as far as they are there. */
static int node_pop(struct obm_node *node, unsigned int ci, unsigned int want,
		    void **ptrs, bool mix, unsigned int *missing)
{
	struct obm_node_class *nc = node_class(node, ci);
	bool hard = obm_heap_is_hard(node->heap);
	struct obm_pool *pool;
	int got = 0;

	*missing = OBM_NO_CLASS;
	while (got < want) {
		pool = hlist_entry_safe(nc->partial.first, struct obm_pool,
					link);
		if (unlikely(!pool)) {
			/* Who wants one block may have few of the class. */
			if (mix)
				ptrs[0] = obm_mixed_get(node, ci, missing);
			if (mix && ptrs[0]) {
				got++;
				break;
			}
			if (*missing == OBM_NO_CLASS)
				pool = obm_node_carve(node, ci, missing);
			if (!pool)
				break;
		}
		got += pool_pop(node, pool, want - got, ptrs + got, hard);
	}
	nc->nr_taken += got;
	return got;
}

/*
 * The same, from outside of the lock, getting a map if it is needed for the
 * first block. Returns how many blocks, or -errno.
 */
static int node_take(struct obm_node *node, unsigned int ci, gfp_t gfp,
		     struct obm_arena *arena, unsigned int want, void **ptrs)
{
	unsigned int missing = OBM_NO_CLASS;
	unsigned long flags, *map = NULL;
	bool mix = want == 1;
	int got;

	/* Another CPU may use up a map before we do: then we bring one more. */
	for (;;) {
		raw_spin_lock_irqsave(&node->lock, flags);
		if (map)
			obm_map_add(node, missing, map);
		if (arena)
			obm_arena_add(node, arena);
		arena = NULL;
		got = node_pop(node, ci, want, ptrs, mix, &missing);
		node_class(node, ci)->nr_direct += got;
		raw_spin_unlock_irqrestore(&node->lock, flags);
		if (got || missing == OBM_NO_CLASS)
			return got;

		map = obm_map_alloc(node->heap, missing, gfp, node->nid);
		if (!IS_ERR(map))
			continue;
		/* A pool of the class itself may do without. */
		if (missing != OBM_MIXED)
			return PTR_ERR(map);
		mix = false;
		map = NULL;
	}
}

/* Blocks out of a new arena, filed under the node that its pages are of. */
static int node_grow(struct obm_heap *heap, unsigned int ci, gfp_t gfp,
		     int nid, unsigned int want, void **ptrs)
{
	struct obm_arena *arena;
	struct obm_node *node;
	int got;

	/* Others may empty the new arena before we get a block of it. */
	do {
		arena = obm_arena_create(heap, gfp, nid, obm_classes[ci].order);
		if (IS_ERR(arena))
			return PTR_ERR(arena);
		node = obm_node_get(heap, page_to_nid(arena->page), gfp);
		if (IS_ERR(node)) {
			obm_arena_release(heap, arena);
			return PTR_ERR(node);
		}
		got = node_take(node, ci, gfp, arena, want, ptrs);
	} while (!got);
	return got;
}

/* Blocks out of what the heap has on nodes other than @nid. */
static int node_take_other(struct obm_heap *heap, unsigned int ci, gfp_t gfp,
			   int nid, unsigned int want, void **ptrs)
{
	struct obm_node *node;
	int other, got;

	obm_for_each_node(heap, other, node) {
		if (other == nid)
			continue;
		got = node_take(node, ci, gfp, NULL, want, ptrs);
		if (got > 0)
			return got;
	}
	return 0;
}

/* Blocks taken one by one after which a class counts as busy. */
#define NODE_BUSY		64

/*
 * Whether the class is worth magazines on a node: it has more than one pool, or
 * was often asked for. A peek, as nothing but speed hangs on it.
 */
__no_kcsan
bool obm_node_is_busy(struct obm_heap *heap, unsigned int ci, int nid)
{
	const struct obm_node_class *nc;
	struct obm_node *node;

	node = READ_ONCE(heap->nodes[heap_nid(heap, nid)]);
	if (!node)
		return false;
	nc = node_class(node, ci);
	return READ_ONCE(nc->nr_pools) > 1 ||
	       READ_ONCE(nc->nr_direct) >= NODE_BUSY;
}

/**
 * obm_node_fetch() - take blocks for a magazine
 * @heap: the heap
 * @ci: class
 * @want: how many would be welcome
 * @ptrs: filled in, the lowest of each pool first
 *
 * Only what is there, and near.
 *
 * Context: Any context but NMI; takes the lock of the node.
 * Return: how many.
 */
unsigned int obm_node_fetch(struct obm_heap *heap, unsigned int ci,
			    unsigned int want, void **ptrs)
{
	struct obm_node *node;
	unsigned int missing;
	unsigned long flags;
	int got;

	/* Pairs with the cmpxchg in obm_node_get(). */
	node = smp_load_acquire(&heap->nodes[heap_nid(heap, NUMA_NO_NODE)]);
	if (!node)
		return 0;
	raw_spin_lock_irqsave(&node->lock, flags);
	got = node_pop(node, ci, want, ptrs, false, &missing);
	raw_spin_unlock_irqrestore(&node->lock, flags);
	return got;
}

/*
 * New pages on a node, if they are to be had at once. A node that had none is
 * not asked again for a while: asking costs much more than a block that the heap
 * has elsewhere.
 */
static int node_grow_near(struct obm_heap *heap, struct obm_node *node,
			  unsigned int ci, gfp_t gfp, unsigned int want,
			  void **ptrs)
{
	int got;

	if (time_before(jiffies, READ_ONCE(node->full_until)))
		return -ENOMEM;
	gfp &= ~(__GFP_RECLAIM | __GFP_NOFAIL);
	gfp |= __GFP_THISNODE | __GFP_NOWARN | __GFP_NORETRY;
	got = node_grow(heap, ci, gfp, node->nid, want, ptrs);
	/* Not so if the heap's limit refused them. */
	if (got == -ENOMEM)
		WRITE_ONCE(node->full_until, jiffies + HZ / 10);
	return got;
}

/**
 * obm_node_alloc() - take small blocks out of the pools
 * @heap: the heap
 * @ci: class
 * @gfp: of the request
 * @nid: node to prefer, or with __GFP_THISNODE to insist on; NUMA_NO_NODE for
 *	 that of this CPU
 * @want: how many blocks would be welcome, at least one
 * @ptrs: filled in
 *
 * What is near comes first: a block on the node, new pages on the node, a
 * block on another node, and only then new pages anywhere, with reclaim.
 *
 * Context: As @gfp says; takes and drops nodes' locks.
 * Return: how many blocks, at least one, -ENOMEM or -EDQUOT.
 */
int obm_node_alloc(struct obm_heap *heap, unsigned int ci, gfp_t gfp, int nid,
		   unsigned int want, void **ptrs)
{
	int near = nid == NUMA_NO_NODE ? numa_mem_id() : nid;
	struct obm_node *node;
	int got;

	node = obm_node_get(heap, near, gfp);
	if (IS_ERR(node))
		return PTR_ERR(node);
	got = node_take(node, ci, gfp, NULL, want, ptrs);
	if (got)
		return got;

	if (nr_online_nodes > 1 && !(gfp & __GFP_THISNODE)) {
		got = node_grow_near(heap, node, ci, gfp, want, ptrs);
		if (got > 0)
			return got;
		/* If only a map was missing, the new arena is there. */
		got = node_take(node, ci, gfp, NULL, want, ptrs);
		if (!got)
			got = node_take_other(heap, ci, gfp, near, want, ptrs);
		if (got)
			return got;
	}
	got = node_grow(heap, ci, gfp, nid, want, ptrs);
	/* A single one there may be where classes share a pool. */
	if (got < 0 && want > 1 && node_take(node, ci, gfp, NULL, 1, ptrs) > 0)
		return 1;
	return got;
}
