/* SPDX-License-Identifier: GPL-2.0-only */
/* Single blocks of a pool, inlined where batches of them are moved. */
#ifndef OBM_POOL_H
#define OBM_POOL_H

#include "cache.h"

static inline unsigned long *pool_map(const struct obm_pool *pool)
{
	struct obm_pool *p = (struct obm_pool *)pool;

	return obm_classes[pool_ci(p)].nr_words > 1 ? p->maps : &p->map;
}

static inline bool pool_block_is_free(const struct obm_pool *pool,
				      unsigned int block)
{
	return pool_map(pool)[BIT_WORD(block)] & BIT_MASK(block);
}

/*
 * Takes the @nr lowest free blocks; bits of no block are above all that can be
 * taken.
 */
static inline void pool_pop_low(struct obm_pool *pool, unsigned int nr,
				void **ptrs)
{
	unsigned int size = obm_classes[pool_ci(pool)].size;
	unsigned long *map = pool_map(pool), word = *map;
	void *base = pool_base(pool);

	while (nr--) {
		while (!word) {
			*map++ = 0;
			word = *map;
			base += BITS_PER_LONG * size;
		}
		*ptrs++ = base + __ffs(word) * size;
		word &= word - 1;
	}
	*map = word;
}

/*
 * Takes up to @want blocks out of a partial pool, which may make it full.
 * Returns how many, at least one.
 */
static inline unsigned int pool_pop(struct obm_node *node,
				    struct obm_pool *pool, unsigned int want,
				    void **ptrs, bool hard)
{
	unsigned int nr = min_t(unsigned int, want, pool->nr_free);

	lockdep_assert_held(&node->lock);
	if (unlikely(hard))
		obm_pool_pop_hard(node, pool, nr, ptrs);
	else
		pool_pop_low(pool, nr, ptrs);
	pool->nr_free -= nr;
	if (!pool->nr_free) {
		hlist_del_init(&pool->link);
		pool->state = OBM_POOL_FULL;
	}
	return nr;
}

/*
 * A block came back to a full pool. It goes to the front of the partial ones, as
 * in CPython: having one free block it is the fullest.
 */
static inline void pool_unfill(struct obm_node_class *nc,
			       struct obm_pool *pool)
{
	hlist_add_head(&pool->link, &nc->partial);
	pool->state = OBM_POOL_PARTIAL;
}

#endif /* OBM_POOL_H */
