// SPDX-License-Identifier: GPL-2.0-only
/*
 * Small blocks come back: one by one, by any pointer, or in batches from the
 * magazines. Everything that is said of a client's pointer is found out here.
 */
#include "pool.h"

/*
 * Whether @ptr is the start of an allocated block of @pool; if it merely lies in
 * one, @spot says so all the same.
 */
static enum obm_bad pool_look(struct obm_node *node, struct obm_pool *pool,
			      const void *ptr, struct obm_spot *spot)
{
	unsigned int ci = pool_ci(pool), offset;
	const struct obm_class *class = &obm_classes[ci];
	u64 product;

	lockdep_assert_held(&node->lock);
	*spot = (struct obm_spot){ .ci = ci };
	if (unlikely(pool_arena(pool)->dead || ci == OBM_NO_CLASS))
		return OBM_BAD_STALE;
	offset = pool_offset(pool, ptr);
	if (ci == OBM_MIXED)
		return obm_mixed_look(pool, offset, spot);
	product = (u64)offset * class->recip;
	spot->block = product >> 32;
	spot->used = spot->block < class->nr_blocks &&
		     !pool_block_is_free(pool, spot->block);
	if (likely((u32)product < class->recip &&
		   spot->block < class->nr_blocks))
		return likely(spot->used) ? OBM_OK : OBM_BAD_DOUBLE;
	return offset % OBM_STEP ? OBM_BAD_MISALIGNED : OBM_BAD_INTERIOR;
}

/**
 * obm_node_find() - the block that a pointer into a pool lies in
 * @pool: the owner of the pointer's page
 * @ptr: the pointer
 * @block: where it lies, if that is an allocated block
 *
 * Context: Any context, under rcu_read_lock(); takes the node's lock.
 * Return: OBM_OK if @ptr starts an allocated block, else what is wrong:
 * MISALIGNED and INTERIOR where it lies in one, allocated or not.
 */
enum obm_bad obm_node_find(struct obm_pool *pool, const void *ptr,
			   struct obm_block *block)
{
	struct obm_node *node = pool_arena(pool)->node;
	struct obm_spot spot;
	unsigned long flags;
	enum obm_bad bad;

	*block = (struct obm_block){ .heap = node->heap };
	raw_spin_lock_irqsave(&node->lock, flags);
	bad = pool_look(node, pool, ptr, &spot);
	block->cached = class_is_cache(spot.ci);
	if (spot.used) {
		block->size = obm_classes[spot.ci].size;
		block->base = pool_base(pool) +
			      spot.block * obm_classes[pool_ci(pool)].size;
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
 * pool may be changing classes. What changes meanwhile is of other blocks, so
 * KCSAN need not tell.
 *
 * Context: Any context but NMI, under rcu_read_lock().
 * Return: OBM_OK or what is wrong.
 */
__no_kcsan
enum obm_bad obm_node_peek(struct obm_pool *pool, const void *ptr,
			   unsigned int *ci)
{
	unsigned int state = READ_ONCE(pool->state);
	const struct obm_class *class;
	unsigned int block, offset;

	/* Read once: it may be changing. */
	*ci = pool_ci(pool);
	offset = obm_classes[*ci].order ? ptr - pool_base(pool) :
					  offset_in_page(ptr);
	/* A shared pool is not peeked at: it has become one just now. */
	if (READ_ONCE(pool_arena(pool)->dead) || *ci == OBM_MIXED ||
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
 * A pool with every block free goes back into its arena. What is to be released
 * once the lock is dropped is added to @empty; being taken out, an arena is in
 * no other list.
 */
noinline void obm_pool_retire(struct obm_node *node, struct obm_pool *pool,
			      bool may_return, struct hlist_head *empty)
{
	unsigned int order = obm_classes[pool_ci(pool)].order;
	struct obm_arena *arena;

	obm_pool_uncarve(node, pool);
	arena = obm_arena_give_pool(node, pool, order, may_return);
	if (arena)
		hlist_add_head(&arena->link, empty);
}

/* Returns how many pages that were. */
unsigned long obm_arenas_release(struct obm_heap *heap,
				 struct hlist_head *empty)
{
	unsigned long nr_pages = 0;
	struct obm_arena *arena;
	struct hlist_node *next;

	hlist_for_each_entry_safe(arena, next, empty, link)
		nr_pages += obm_arena_release(heap, arena);
	return nr_pages;
}

/* Puts back a block whose bit in the map is set again by now. */
static __always_inline void pool_count(struct obm_node *node,
				       struct obm_node_class *nc,
				       struct obm_pool *pool,
				       unsigned int nr_blocks, bool may_return,
				       struct hlist_head *empty)
{
	unsigned int nr_free = pool->nr_free++;

	if (!nr_free)
		pool_unfill(nc, pool);
	if (nr_free + 1 == nr_blocks)
		obm_pool_retire(node, pool, may_return, empty);
}

/* Puts back a block that pool_look() found in use. */
static void pool_push(struct obm_node *node, struct obm_pool *pool,
		      const struct obm_spot *spot, bool may_return,
		      struct hlist_head *empty)
{
	struct obm_node_class *nc = node_class(node, spot->ci);

	lockdep_assert_held(&node->lock);
	nc->nr_put++;
	if (pool_ci(pool) == OBM_MIXED) {
		obm_mixed_put(node, pool, spot->block);
		if (pool->nr_free == OBM_UNITS)
			obm_pool_retire(node, pool, may_return, empty);
		return;
	}
	pool_map(pool)[BIT_WORD(spot->block)] |= BIT_MASK(spot->block);
	pool_count(node, nc, pool, obm_classes[spot->ci].nr_blocks, may_return,
		   empty);
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
	struct obm_spot spot;
	unsigned long flags;
	HLIST_HEAD(empty);
	enum obm_bad bad;

	if (heap && heap != node->heap)
		return OBM_BAD_HEAP;

	raw_spin_lock_irqsave(&node->lock, flags);
	bad = pool_look(node, pool, ptr, &spot);
	if (bad == OBM_OK && !class_is_said(spot.ci, size))
		bad = OBM_BAD_SIZE;
	if (bad != OBM_OK)
		goto out;

	/* Before the block can be handed out again, so under the lock. */
	obm_block_wipe((void *)ptr, spot.ci);
	pool_push(node, pool, &spot, may_return, &empty);
out:
	raw_spin_unlock_irqrestore(&node->lock, flags);
	obm_arenas_release(node->heap, &empty);
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

	if (!(owner & OBM_OWNER_RAW) || class_is_cache(ci))
		return OBM_BAD_SIZE;
	return obm_raw_free((void *)(owner & ~OBM_OWNER_RAW), heap, ptr,
			    obm_classes[ci].size);
}

/*
 * Of a cache's class what class.hot is of others: it is not hot, but may be as
 * plain. Not where the first bit behind the blocks is of no word of the map.
 */
static u32 cache_plain(const struct obm_class *class)
{
	if (class->order || (class_quant_bytes(class) &&
			     class->nr_blocks % BITS_PER_LONG == 0))
		return 0;
	return class->recip;
}

/*
 * Puts back blocks as long as nothing is special about them: the table knows
 * their arena, which is of this node, they are of the class, in use, and of a
 * pool of one page. This is what every block goes through that has waited on a
 * CPU: so it looks at each thing once. Returns how many.
 *
 * The table shows live arenas only: one leaves it under its node's lock. Bits
 * behind the last block are set, and so they stop it, too.
 */
static unsigned int put_plain(struct obm_node *node, unsigned int ci,
			      void **ptrs, unsigned int nr, bool may_return,
			      struct hlist_head *empty)
{
	const struct obm_class *class = &obm_classes[ci];
	struct obm_node_class *nc = node_class(node, ci);
	u16 class_offset = ci << OBM_CLASS_SHIFT;
	u32 plain = class_is_cache(ci) ? cache_plain(class) : class->hot;
	bool inner = class->nr_words == 1;
	unsigned int i, block;

	lockdep_assert_held(&node->lock);
	for (i = 0; i < nr; i++) {
		unsigned long offset = (unsigned long)ptrs[i] - PAGE_OFFSET;
		unsigned long at = offset >> OBM_ARENA_SHIFT;
		struct obm_arena *arena;
		struct obm_pool *pool;
		unsigned long *map;
		u64 product;

		if (unlikely(at >= obm_table_nr))
			break;
		arena = READ_ONCE(obm_table[at]);
		pool = &arena->pools[(offset >> PAGE_SHIFT) % OBM_ARENA_POOLS];
		if (unlikely(READ_ONCE(arena->node) != node ||
			     READ_ONCE(pool->class_offset) != class_offset))
			break;
		product = (u64)offset_in_page(offset) * class->recip;
		if (unlikely((u32)product >= plain))
			break;
		block = product >> 32;
		map = inner ? &pool->map : pool->maps + BIT_WORD(block);
		if (unlikely(*map & BIT_MASK(block)))
			break;
		*map |= BIT_MASK(block);
		pool_count(node, nc, pool, class->nr_blocks, may_return, empty);
	}
	nc->nr_put += i;
	return i;
}

/* Puts back a block of the node of which something may be special. */
static enum obm_bad put_special(struct obm_heap *heap, struct obm_node *node,
				unsigned int ci, void *ptr, bool may_return,
				struct hlist_head *empty)
{
	struct obm_pool *pool;
	struct obm_spot spot;
	enum obm_bad bad;

	bad = put_find(heap, ptr, &pool);
	if (bad != OBM_OK)
		return bad;
	/* No mistake, but to be put back under another lock. */
	if (pool_arena(pool)->node != node)
		return OBM_OK;
	bad = pool_look(node, pool, ptr, &spot);
	if (bad == OBM_OK && spot.ci != ci)
		bad = OBM_BAD_SIZE;
	if (bad == OBM_OK)
		pool_push(node, pool, &spot, may_return, empty);
	return bad;
}

/*
 * Puts back blocks of one node, from the first on, under one hold of its lock.
 * Returns how many; the next is then of another node, or @bad says what it is.
 */
static unsigned int put_run(struct obm_heap *heap, unsigned int ci,
			    void **ptrs, unsigned int nr, bool may_return,
			    struct hlist_head *empty, enum obm_bad *bad)
{
	struct obm_node_class *nc;
	struct obm_pool *pool;
	struct obm_node *node;
	unsigned long flags;
	unsigned int i = 0;
	u64 nr_put;

	*bad = put_find(heap, ptrs[0], &pool);
	if (*bad != OBM_OK)
		return 0;
	node = pool_arena(pool)->node;
	nc = node_class(node, ci);

	raw_spin_lock_irqsave(&node->lock, flags);
	for (;;) {
		i += put_plain(node, ci, ptrs + i, nr - i, may_return, empty);
		if (i == nr)
			break;
		nr_put = nc->nr_put;
		*bad = put_special(heap, node, ci, ptrs[i], may_return, empty);
		if (nc->nr_put == nr_put)
			break;
		if (++i == nr)
			break;
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
 * Return: how many pages went back with arenas.
 */
unsigned long obm_node_put(struct obm_heap *heap, unsigned int ci, void **ptrs,
			   unsigned int nr, unsigned long caller)
{
	bool may_return = obm_may_return();
	unsigned int i = 0;
	enum obm_bad bad;
	HLIST_HEAD(empty);

	rcu_read_lock();
	while (i < nr) {
		i += put_run(heap, ci, ptrs + i, min(nr - i, OBM_BATCH),
			     may_return, &empty, &bad);
		if (bad == OBM_OK)
			continue;
		if (bad == OBM_BAD_SIZE)
			bad = put_raw(heap, ci, ptrs[i]);
		if (bad != OBM_OK)
			obm_report(heap, bad, ptrs[i], caller);
		i++;
	}
	rcu_read_unlock();

	return obm_arenas_release(heap, &empty);
}
