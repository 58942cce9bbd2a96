// SPDX-License-Identifier: GPL-2.0-only
/*
 * Small blocks: what a heap has on one NUMA node, and where to look when that
 * node has nothing left.
 */
#include "internal.h"

static struct obm_node *node_new(struct obm_heap *heap, int nid, gfp_t gfp)
{
	struct obm_node *node;
	unsigned int i;

	if (!obm_charge(heap, node_bytes(), gfp))
		return ERR_PTR(-EDQUOT);
	node = kzalloc_node(node_bytes(), obm_meta_gfp(gfp), nid);
	if (!node) {
		obm_uncharge(heap, node_bytes());
		return ERR_PTR(-ENOMEM);
	}
	raw_spin_lock_init(&node->lock);
	node->heap = heap;
	node->nid = nid;
	node->meta_bytes = node_bytes();
	node->full_until = jiffies;
	INIT_LIST_HEAD(&node->arenas);
	for (i = 0; i < OBM_ARENA_POOLS; i++)
		INIT_LIST_HEAD(&node->buckets[i]);
	for (i = 0; i < obm_nr_classes; i++)
		INIT_LIST_HEAD(&node->classes[i].partial);
	return node;
}

static void node_free_rcu(struct rcu_head *rcu)
{
	kfree(container_of(rcu, struct obm_node, rcu));
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
		kfree(node);
		return other;
	}
	obm_charge_peak(heap);
	return node;
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

/*
 * A block out of what the node has: of a pool of the class that has a free
 * one, else of an unused pool. NULL if there is none; with @need_map set if
 * only the map for a new pool is missing.
 */
static void *node_pop(struct obm_node *node, unsigned int ci, bool *need_map)
{
	struct obm_node_class *nc = &node->classes[ci];
	struct obm_pool *pool;

	lockdep_assert_held(&node->lock);
	*need_map = false;
	pool = list_first_entry_or_null(&nc->partial, struct obm_pool, link);
	if (!pool) {
		*need_map = node->bucket_mask && !obm_map_ready(node, ci);
		if (*need_map)
			return NULL;
		pool = obm_arena_take_pool(node);
		if (!pool)
			return NULL;
		obm_pool_carve(node, pool, ci);
	}
	return obm_pool_pop(node, pool);
}

/* The same, from outside of the lock, getting maps as needed. */
static void *node_take(struct obm_node *node, unsigned int ci, gfp_t gfp,
		       struct obm_arena *arena)
{
	unsigned long flags, *map = NULL;
	bool need_map;
	void *ptr;

	/* Another CPU may use up a map before we do: then we bring one more. */
	for (;;) {
		raw_spin_lock_irqsave(&node->lock, flags);
		if (map)
			obm_map_add(node, ci, map);
		if (arena)
			obm_arena_add(node, arena);
		arena = NULL;
		ptr = node_pop(node, ci, &need_map);
		raw_spin_unlock_irqrestore(&node->lock, flags);
		if (ptr || !need_map)
			return ptr;

		map = obm_map_alloc(node->heap, ci, gfp, node->nid);
		if (IS_ERR(map))
			return map;
	}
}

/* A block out of a new arena, filed under the node that its pages are of. */
static void *node_grow(struct obm_heap *heap, unsigned int ci, gfp_t gfp,
		       int nid)
{
	struct obm_arena *arena;
	struct obm_node *node;
	void *ptr;

	/* Others may empty the new arena before we get a block of it. */
	do {
		arena = obm_arena_create(heap, gfp, nid);
		if (IS_ERR(arena))
			return arena;
		node = obm_node_get(heap, page_to_nid(arena->page), gfp);
		if (IS_ERR(node)) {
			obm_arena_release(heap, arena);
			return node;
		}
		ptr = node_take(node, ci, gfp, arena);
	} while (!ptr);
	return ptr;
}

/* A block out of what the heap has on nodes other than @nid. */
static void *node_take_other(struct obm_heap *heap, unsigned int ci, gfp_t gfp,
			     int nid)
{
	struct obm_node *node;
	void *ptr;
	int other;

	obm_for_each_node(heap, other, node) {
		if (other == nid)
			continue;
		ptr = node_take(node, ci, gfp, NULL);
		if (!IS_ERR_OR_NULL(ptr))
			return ptr;
	}
	return NULL;
}

/*
 * New pages on a node, if they are to be had at once. A node that had none is
 * not asked again for a while: asking costs much more than a block that the heap
 * has elsewhere.
 */
static void *node_grow_near(struct obm_heap *heap, struct obm_node *node,
			    unsigned int ci, gfp_t gfp)
{
	void *ptr;

	if (time_before(jiffies, READ_ONCE(node->full_until)))
		return ERR_PTR(-ENOMEM);
	gfp &= ~(__GFP_RECLAIM | __GFP_NOFAIL);
	gfp |= __GFP_THISNODE | __GFP_NOWARN | __GFP_NORETRY;
	ptr = node_grow(heap, ci, gfp, node->nid);
	/* Not so if the heap's limit refused them. */
	if (ptr == ERR_PTR(-ENOMEM))
		WRITE_ONCE(node->full_until, jiffies + HZ / 10);
	return ptr;
}

/**
 * obm_node_alloc() - allocate a small block
 * @heap: the heap
 * @ci: class
 * @gfp: of the request
 * @nid: node to prefer, or with __GFP_THISNODE to insist on; NUMA_NO_NODE for
 *	 that of this CPU
 *
 * What is near comes first: a block on the node, new pages on the node, a
 * block on another node, and only then new pages anywhere, with reclaim.
 *
 * Context: As @gfp says; takes and drops nodes' locks.
 * Return: the block, not zeroed, ERR_PTR(-ENOMEM) or ERR_PTR(-EDQUOT).
 */
void *obm_node_alloc(struct obm_heap *heap, unsigned int ci, gfp_t gfp, int nid)
{
	int near = nid == NUMA_NO_NODE ? numa_mem_id() : nid;
	struct obm_node *node;
	void *ptr;

	node = obm_node_get(heap, near, gfp);
	if (IS_ERR(node))
		return node;
	ptr = node_take(node, ci, gfp, NULL);
	if (ptr)
		return ptr;

	if (nr_online_nodes > 1 && !(gfp & __GFP_THISNODE)) {
		ptr = node_grow_near(heap, node, ci, gfp);
		if (!IS_ERR(ptr))
			return ptr;
		/* If only a map was missing, the new arena is there. */
		ptr = node_take(node, ci, gfp, NULL);
		if (!ptr)
			ptr = node_take_other(heap, ci, gfp, near);
		if (ptr)
			return ptr;
	}
	return node_grow(heap, ci, gfp, nid);
}

/*
 * Whether @ptr is the start of an allocated block of @pool; if it merely lies in
 * one, @block says so all the same.
 */
static enum obm_bad pool_look(struct obm_node *node, struct obm_pool *pool,
			      const void *ptr, unsigned int *block)
{
	unsigned int offset = offset_in_page(ptr);
	const struct obm_class *class;

	lockdep_assert_held(&node->lock);
	if (pool_arena(pool)->dead || pool->state == OBM_POOL_UNUSED ||
	    pool->state == OBM_POOL_RETURNED)
		return OBM_BAD_STALE;
	class = &obm_classes[pool->ci];
	*block = class_block(class, offset);
	if (offset % OBM_STEP)
		return OBM_BAD_MISALIGNED;
	if (*block >= class->nr_blocks || offset != *block * class->size)
		return OBM_BAD_INTERIOR;
	if (obm_pool_block_is_free(pool, *block))
		return OBM_BAD_DOUBLE;
	return OBM_OK;
}

/**
 * obm_node_find() - the block that a pointer into a pool lies in
 * @pool: the owner of the pointer's page
 * @ptr: the pointer
 * @block: where it lies; set unless the pool is in no use or @ptr lies behind
 *	   its last block
 *
 * Context: Any context, under rcu_read_lock(); takes the node's lock.
 * Return: OBM_OK if @ptr starts an allocated block, else what is wrong:
 * MISALIGNED and INTERIOR where it lies in one, allocated or not.
 */
enum obm_bad obm_node_find(struct obm_pool *pool, const void *ptr,
			   struct obm_block *block)
{
	struct obm_node *node = pool_arena(pool)->node;
	const struct obm_class *class;
	unsigned int i = 0;
	unsigned long flags;
	enum obm_bad bad;

	*block = (struct obm_block){ .heap = node->heap };
	raw_spin_lock_irqsave(&node->lock, flags);
	bad = pool_look(node, pool, ptr, &i);
	class = &obm_classes[pool->ci];
	if (bad != OBM_BAD_STALE && i < class->nr_blocks) {
		block->base = pool_base(pool) + i * class->size;
		block->size = class->size;
		if (bad != OBM_OK && obm_pool_block_is_free(pool, i))
			block->base = NULL;
	}
	raw_spin_unlock_irqrestore(&node->lock, flags);
	return bad;
}

/**
 * obm_node_free() - free a small block
 * @pool: the owner of the pointer's page
 * @heap: the heap that it must be of, or NULL for any
 * @ptr: what the client gave
 * @size: what the client says its size is, or OBM_SIZE_ANY
 *
 * Context: Any context but NMI, under rcu_read_lock(); takes the node's lock,
 * and may give an arena back after it.
 * Return: OBM_OK, or why nothing was freed.
 */
enum obm_bad obm_node_free(struct obm_pool *pool, struct obm_heap *heap,
			   const void *ptr, size_t size)
{
	struct obm_node *node = pool_arena(pool)->node;
	bool may_return = obm_may_return();
	struct obm_arena *empty = NULL;
	const struct obm_class *class;
	unsigned int block;
	unsigned long flags;
	enum obm_bad bad;

	if (heap && heap != node->heap)
		return OBM_BAD_HEAP;

	raw_spin_lock_irqsave(&node->lock, flags);
	bad = pool_look(node, pool, ptr, &block);
	if (bad == OBM_OK && size != OBM_SIZE_ANY &&
	    (size > obm_small_max || class_index(size) != pool->ci))
		bad = OBM_BAD_SIZE;
	if (bad != OBM_OK)
		goto out;

	/* Before the block can be handed out again, so under the lock. */
	class = &obm_classes[pool->ci];
	if (want_init_on_free())
		memset((void *)ptr, 0, class->size);
	obm_san_free(ptr, class->size);

	obm_pool_push(node, pool, block);
	if (pool->nr_free == class->nr_blocks) {
		obm_pool_uncarve(node, pool);
		empty = obm_arena_give_pool(node, pool, may_return);
	}
out:
	raw_spin_unlock_irqrestore(&node->lock, flags);
	if (empty)
		obm_arena_release(node->heap, empty);
	return bad;
}
