// SPDX-License-Identifier: GPL-2.0-only
/*
 * Small blocks: what a heap has on one NUMA node, and where to look when that
 * node has nothing left.
 */
#include "pool.h"

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
	prandom_seed_state(&node->rnd, get_random_long());
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
 * A pool with a free block of what the node has: one of the class, else an
 * unused one. NULL if there is none; with @need_map set if only the map for a
 * new pool is missing.
 */
static struct obm_pool *node_pool(struct obm_node *node, unsigned int ci,
				  bool *need_map)
{
	struct obm_node_class *nc = &node->classes[ci];
	struct obm_pool *pool;

	lockdep_assert_held(&node->lock);
	pool = list_first_entry_or_null(&nc->partial, struct obm_pool, link);
	if (pool)
		return pool;
	*need_map = node->bucket_mask && !obm_map_ready(node, ci);
	if (*need_map)
		return NULL;
	pool = obm_arena_take_pool(node, obm_classes[ci].order);
	if (pool)
		obm_pool_carve(node, pool, ci);
	return pool;
}

/* Up to @want blocks, as far as they are there. */
static int node_pop(struct obm_node *node, unsigned int ci, unsigned int want,
		    void **ptrs, bool *need_map)
{
	struct obm_pool *pool;
	int got = 0;

	*need_map = false;
	while (got < want) {
		pool = node_pool(node, ci, need_map);
		if (!pool)
			break;
		got += obm_pool_pop(node, pool, want - got, ptrs + got);
	}
	return got;
}

/*
 * The same, from outside of the lock, getting a map if it is needed for the
 * first block. Returns how many blocks, or -errno.
 */
static int node_take(struct obm_node *node, unsigned int ci, gfp_t gfp,
		     struct obm_arena *arena, unsigned int want, void **ptrs)
{
	unsigned long flags, *map = NULL;
	bool need_map;
	int got;

	/* Another CPU may use up a map before we do: then we bring one more. */
	for (;;) {
		raw_spin_lock_irqsave(&node->lock, flags);
		if (map)
			obm_map_add(node, ci, map);
		if (arena)
			obm_arena_add(node, arena);
		arena = NULL;
		got = node_pop(node, ci, want, ptrs, &need_map);
		raw_spin_unlock_irqrestore(&node->lock, flags);
		if (got || !need_map)
			return got;

		map = obm_map_alloc(node->heap, ci, gfp, node->nid);
		if (IS_ERR(map))
			return PTR_ERR(map);
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

/*
 * Whether the class is worth magazines on a node: it has more than one pool.
 * A peek, as nothing but speed hangs on it.
 */
bool obm_node_is_busy(struct obm_heap *heap, unsigned int ci, int nid)
{
	struct obm_node *node;

	if (nid == NUMA_NO_NODE)
		nid = heap->nid == NUMA_NO_NODE ? numa_mem_id() : heap->nid;
	node = READ_ONCE(heap->nodes[nid]);
	return node && READ_ONCE(node->classes[ci].nr_pools) > 1;
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
	return node_grow(heap, ci, gfp, nid, want, ptrs);
}

/*
 * Whether @ptr is the start of an allocated block of @pool; if it merely lies in
 * one, @block says so all the same.
 */
static enum obm_bad pool_look(struct obm_node *node, struct obm_pool *pool,
			      const void *ptr, unsigned int *block)
{
	const struct obm_class *class = &obm_classes[pool->ci];
	unsigned int offset;
	u64 product;

	lockdep_assert_held(&node->lock);
	if (unlikely(pool_arena(pool)->dead || pool->ci == OBM_NO_CLASS))
		return OBM_BAD_STALE;
	offset = pool_offset(pool, ptr);
	product = (u64)offset * class->recip;
	*block = product >> 32;
	if (likely((u32)product < class->recip && *block < class->nr_blocks))
		return unlikely(pool_block_is_free(pool, *block)) ?
		       OBM_BAD_DOUBLE : OBM_OK;
	return offset % OBM_STEP ? OBM_BAD_MISALIGNED : OBM_BAD_INTERIOR;
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
		if (bad != OBM_OK && pool_block_is_free(pool, i))
			block->base = NULL;
	}
	raw_spin_unlock_irqrestore(&node->lock, flags);
	return bad;
}

/**
 * obm_node_peek() - look at a pointer into a pool without its lock
 * @pool: the owner of the pointer's page
 * @ptr: the pointer
 * @ci: set to the class of the pool
 *
 * What is said of an allocated block is right, as nothing about it changes
 * until it is freed. Of a bad pointer it is a guess that errs towards OBM_OK,
 * and obm_node_put() will know. Maps outside of pools are not looked at: their
 * pool may be changing classes.
 *
 * Context: Any context but NMI, under rcu_read_lock().
 * Return: OBM_OK or what is wrong.
 */
enum obm_bad obm_node_peek(struct obm_pool *pool, const void *ptr,
			   unsigned int *ci)
{
	unsigned int offset = pool_offset(pool, ptr);
	unsigned int state = READ_ONCE(pool->state);
	const struct obm_class *class;
	unsigned int block;

	*ci = READ_ONCE(pool->ci);
	if (READ_ONCE(pool_arena(pool)->dead) ||
	    (state != OBM_POOL_PARTIAL && state != OBM_POOL_FULL))
		return OBM_BAD_STALE;
	class = &obm_classes[*ci];
	block = class_block(class, offset);
	if (offset % OBM_STEP)
		return OBM_BAD_MISALIGNED;
	if (block >= class->nr_blocks || offset != block * class->size)
		return OBM_BAD_INTERIOR;
	if (class->nr_words == 1 && (READ_ONCE(pool->map) & BIT(block)))
		return OBM_BAD_DOUBLE;
	return OBM_OK;
}

/*
 * Puts a block back, and its pool if that was the last one. Returns an arena to
 * release once the lock is dropped, or NULL.
 */
static struct obm_arena *node_put_block(struct obm_node *node,
					struct obm_pool *pool,
					unsigned int block, bool may_return)
{
	const struct obm_class *class = &obm_classes[pool->ci];

	lockdep_assert_held(&node->lock);
	pool_push(node, pool, block);
	if (pool->nr_free < class->nr_blocks)
		return NULL;
	obm_pool_uncarve(node, pool);
	return obm_arena_give_pool(node, pool, class->order, may_return);
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

	empty = node_put_block(node, pool, block, may_return);
out:
	raw_spin_unlock_irqrestore(&node->lock, flags);
	if (empty)
		obm_arena_release(node->heap, empty);
	return bad;
}

/* The pool of a block that has waited on a CPU. */
static enum obm_bad put_find(struct obm_heap *heap, const void *ptr,
			     struct obm_pool **pool)
{
	unsigned long owner = obm_find_owner(ptr);

	*pool = (struct obm_pool *)owner;
	if (!owner)
		return OBM_BAD_FOREIGN;
	if (owner & OBM_OWNER_RAW)
		return OBM_BAD_SIZE;
	return pool_arena(*pool)->node->heap == heap ? OBM_OK : OBM_BAD_HEAP;
}

/*
 * A block of a special zone is a raw one, of whatever size; a sized free cannot
 * tell, and so it waited among the blocks of its class.
 */
static enum obm_bad put_raw(struct obm_heap *heap, unsigned int ci,
			    const void *ptr)
{
	unsigned long owner = obm_page_owner(ptr);

	if (!(owner & OBM_OWNER_RAW))
		return OBM_BAD_SIZE;
	return obm_raw_free((void *)(owner & ~OBM_OWNER_RAW), heap, ptr,
			    obm_classes[ci].size);
}

/*
 * Puts back blocks of one node, from the first on, under one hold of its lock.
 * Returns how many; the next is then of another node, or @bad says what it is.
 */
static unsigned int put_run(struct obm_heap *heap, unsigned int ci,
			    void **ptrs, unsigned int nr, bool may_return,
			    struct list_head *empty, enum obm_bad *bad)
{
	const void *page = PTR_ALIGN_DOWN(ptrs[0], PAGE_SIZE);
	struct obm_arena *arena;
	struct obm_pool *pool;
	struct obm_node *node;
	unsigned int i, block;
	unsigned long flags;

	*bad = put_find(heap, ptrs[0], &pool);
	if (*bad != OBM_OK)
		return 0;
	node = pool_arena(pool)->node;

	raw_spin_lock_irqsave(&node->lock, flags);
	for (i = 0; i < nr; i++) {
		/* Blocks were fetched together and often come back so. */
		if (PTR_ALIGN_DOWN(ptrs[i], PAGE_SIZE) != page) {
			*bad = put_find(heap, ptrs[i], &pool);
			if (*bad != OBM_OK || pool_arena(pool)->node != node)
				break;
			page = PTR_ALIGN_DOWN(ptrs[i], PAGE_SIZE);
		}
		*bad = pool_look(node, pool, ptrs[i], &block);
		if (*bad == OBM_OK && pool->ci != ci)
			*bad = OBM_BAD_SIZE;
		if (unlikely(*bad != OBM_OK))
			break;
		arena = node_put_block(node, pool, block, may_return);
		/* Being taken out, it is in no other list. */
		if (arena)
			list_add(&arena->link, empty);
	}
	raw_spin_unlock_irqrestore(&node->lock, flags);
	return i;
}

/**
 * obm_node_put() - put blocks back into their pools
 * @heap: the heap
 * @ci: class
 * @ptrs: blocks that were freed and have waited on a CPU
 * @nr: how many
 * @caller: who frees just now, for reports
 *
 * A sized free is believed what it says; here it is found out. A pointer that
 * is no block of the class in use is reported, and nothing is put back.
 *
 * Context: Any context but NMI. Takes a node's lock once for blocks of it that
 * follow one another, and may give arenas back after it.
 */
void obm_node_put(struct obm_heap *heap, unsigned int ci, void **ptrs,
		  unsigned int nr, unsigned long caller)
{
	bool may_return = obm_may_return();
	struct obm_arena *arena, *next;
	unsigned int i = 0;
	enum obm_bad bad;
	LIST_HEAD(empty);

	rcu_read_lock();
	while (i < nr) {
		i += put_run(heap, ci, ptrs + i, nr - i, may_return, &empty,
			     &bad);
		if (bad == OBM_OK)
			continue;
		if (bad == OBM_BAD_SIZE)
			bad = put_raw(heap, ci, ptrs[i]);
		if (bad != OBM_OK)
			obm_report(heap, bad, ptrs[i], caller);
		i++;
	}
	rcu_read_unlock();

	list_for_each_entry_safe(arena, next, &empty, link)
		obm_arena_release(heap, arena);
}
