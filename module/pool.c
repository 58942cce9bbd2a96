// SPDX-License-Identifier: GPL-2.0-only
/*
 * A pool: one page of an arena, cut into blocks of one class.
 *
 * Which blocks are free stands in a map of bits, outside of the page, as in
 * jemalloc's slabs and not, as in CPython and SLUB, in a list through the free
 * blocks: a write after free finds no pointer to corrupt, and a double free is
 * known for certain. The lowest free block is taken first, so that the upper
 * end of a pool falls empty.
 *
 * Classes below 64 bytes have more blocks than a long has bits; their maps are
 * allocated and kept by the node when their pool falls empty, because a free
 * may not call the slab allocator under the node's lock.
 */
#include "pool.h"

unsigned int obm_map_order(unsigned int ci)
{
	return order_base_2(obm_classes[ci].nr_words);
}

size_t obm_map_bytes(unsigned int order)
{
	return sizeof(unsigned long) << order;
}

/*
 * The spare maps of a node are linked by their first word. Order 0 is in the
 * pool itself, so list [order - 1] holds those of an order.
 */
static unsigned long **map_list(struct obm_node *node, unsigned int order)
{
	return &node->spare_maps[order - 1];
}

static void map_push(struct obm_node *node, unsigned int order,
		     unsigned long *map)
{
	unsigned long **list = map_list(node, order);

	lockdep_assert_held(&node->lock);
	map[0] = (unsigned long)*list;
	*list = map;
}

static unsigned long *map_pop(struct obm_node *node, unsigned int order)
{
	unsigned long **list = map_list(node, order);
	unsigned long *map = *list;

	lockdep_assert_held(&node->lock);
	*list = (unsigned long *)map[0];
	return map;
}

/**
 * obm_map_alloc() - make a map for a pool of a class
 * @heap: to charge
 * @ci: class
 * @gfp: of the request
 * @nid: node
 *
 * Context: As @gfp says; no lock held.
 * Return: a map for obm_map_add(), ERR_PTR(-ENOMEM) or, at the heap's limit,
 * ERR_PTR(-EDQUOT).
 */
unsigned long *obm_map_alloc(struct obm_heap *heap, unsigned int ci,
			     gfp_t gfp, int nid)
{
	size_t bytes = obm_map_bytes(obm_map_order(ci));
	unsigned long *map;

	if (!obm_charge(heap, bytes, gfp))
		return ERR_PTR(-EDQUOT);
	map = kmalloc_node(bytes, obm_meta_gfp(gfp), nid);
	if (!map) {
		obm_uncharge(heap, bytes);
		return ERR_PTR(-ENOMEM);
	}
	obm_charge_peak(heap);
	return map;
}

void obm_map_add(struct obm_node *node, unsigned int ci, unsigned long *map)
{
	unsigned int order = obm_map_order(ci);

	map_push(node, order, map);
	node->meta_bytes += obm_map_bytes(order);
}

/* Whether obm_pool_carve() has the map that it needs. */
bool obm_map_ready(struct obm_node *node, unsigned int ci)
{
	unsigned int order = obm_map_order(ci);

	lockdep_assert_held(&node->lock);
	return !order || *map_list(node, order);
}

/*
 * Frees the spare maps of a node; returns their bytes.
 * Context: as kfree(); no lock held.
 */
size_t obm_maps_release(struct obm_node *node)
{
	size_t total = 0;
	unsigned int order;

	for (order = 1; order <= OBM_NR_MAP_SIZES; order++) {
		unsigned long *map, *next, flags;
		size_t bytes = 0;

		raw_spin_lock_irqsave(&node->lock, flags);
		map = *map_list(node, order);
		*map_list(node, order) = NULL;
		raw_spin_unlock_irqrestore(&node->lock, flags);

		for (; map; map = next) {
			next = (unsigned long *)map[0];
			kfree(map);
			bytes += obm_map_bytes(order);
		}

		raw_spin_lock_irqsave(&node->lock, flags);
		node->meta_bytes -= bytes;
		raw_spin_unlock_irqrestore(&node->lock, flags);
		obm_uncharge(node->heap, bytes);
		total += bytes;
	}
	return total;
}

/* Makes an unused pool one of class @ci with every block free. */
void obm_pool_carve(struct obm_node *node, struct obm_pool *pool,
		    unsigned int ci)
{
	const struct obm_class *class = &obm_classes[ci];
	unsigned int order = obm_map_order(ci);

	lockdep_assert_held(&node->lock);
	pool_set_class(pool, ci);
	pool->nr_free = class->nr_blocks;
	pool->state = OBM_POOL_PARTIAL;
	if (order)
		pool->maps = map_pop(node, order);
	/*
	 * Bits past the last block are set, too, and stay so: who frees what
	 * would be the next block is told that it is free.
	 */
	memset(pool_map(pool), 0xff, class->nr_words * sizeof(long));
	hlist_add_head(&pool->link, &node_class(node, ci)->partial);
	node_class(node, ci)->nr_pools++;
}

/* The reverse, for a pool with every block free. */
void obm_pool_uncarve(struct obm_node *node, struct obm_pool *pool)
{
	unsigned int order = obm_map_order(pool_ci(pool));

	lockdep_assert_held(&node->lock);
	hlist_del_init(&pool->link);
	node_class(node, pool_ci(pool))->nr_pools--;
	if (order)
		map_push(node, order, pool->maps);
	pool_set_class(pool, OBM_NO_CLASS);
	pool->state = OBM_POOL_UNUSED;
}

static void pool_forget(struct obm_pool *pool)
{
	const struct obm_class *class = &obm_classes[pool_ci(pool)];
	unsigned int block;

	for (block = 0; block < class->nr_blocks; block++)
		if (!pool_block_is_free(pool, block))
			obm_san_free(pool_base(pool) + block * class->size,
				     class->size);
}

/*
 * Forgets what a pool of a dead arena holds: its heap is being destroyed. No
 * lock is needed, as who finds the pool sees that the arena is dead.
 */
void obm_pool_abandon(struct obm_heap *heap, struct obm_pool *pool)
{
	unsigned int order;

	if (pool->state != OBM_POOL_PARTIAL && pool->state != OBM_POOL_FULL)
		return;
	order = obm_map_order(pool_ci(pool));
	if (pool_ci(pool) == OBM_MIXED)
		obm_mixed_abandon(pool);
	else
		pool_forget(pool);
	if (order) {
		kfree(pool->maps);
		obm_uncharge(heap, obm_map_bytes(order));
	}
}

/* The lowest free block; in a hardened heap one that cannot be foretold. */
static unsigned int pool_choose(struct obm_node *node, unsigned long *map,
				unsigned int nr_blocks)
{
	unsigned int from, block;

	if (!obm_heap_is_hard(node->heap))
		return find_first_bit(map, nr_blocks);
	from = prandom_u32_state(&node->rnd) % nr_blocks;
	block = find_next_bit(map, nr_blocks, from);
	return block < nr_blocks ? block : find_first_bit(map, nr_blocks);
}

/* As pool_pop_low(), for a hardened heap: one at a time. */
unsigned int obm_pool_pop_hard(struct obm_node *node, struct obm_pool *pool,
			       unsigned int nr, void **ptrs)
{
	const struct obm_class *class = &obm_classes[pool_ci(pool)];
	unsigned long *map = pool_map(pool);
	unsigned int got, block;

	for (got = 0; got < nr; got++) {
		block = pool_choose(node, map, class->nr_blocks);
		__clear_bit(block, map);
		ptrs[got] = pool_base(pool) + block * class->size;
	}
	return got;
}

/* Whether the bits of a map that are of no block are set, as they must be. */
bool obm_pool_tail_is_set(const struct obm_pool *pool)
{
	const struct obm_class *class = &obm_classes[pool_ci(pool)];
	unsigned int nr_bits = class->nr_words * BITS_PER_LONG;

	return find_next_zero_bit(pool_map(pool), nr_bits,
				  class->nr_blocks) == nr_bits;
}

/* What nr_free must be, from the map. */
unsigned int obm_pool_count_free(const struct obm_pool *pool)
{
	const struct obm_class *class = &obm_classes[pool_ci(pool)];

	return bitmap_weight(pool_map(pool),
			     class->nr_blocks);
}
