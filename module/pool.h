/* SPDX-License-Identifier: GPL-2.0-only */
/* Single blocks of a pool, inlined where batches of them are moved. */
#ifndef OBM_POOL_H
#define OBM_POOL_H

#include "internal.h"

static inline unsigned long *pool_map(const struct obm_pool *pool)
{
	struct obm_pool *p = (struct obm_pool *)pool;

	return obm_classes[p->ci].nr_words > 1 ? p->maps : &p->map;
}

static inline bool pool_block_is_free(const struct obm_pool *pool,
				      unsigned int block)
{
	return pool_map(pool)[BIT_WORD(block)] & BIT_MASK(block);
}

/*
 * Puts an allocated block back. A full pool becomes partial and goes to the
 * front, as in CPython: having one free block it is the fullest.
 */
static inline void pool_push(struct obm_node *node, struct obm_pool *pool,
			     unsigned int block)
{
	lockdep_assert_held(&node->lock);
	pool_map(pool)[BIT_WORD(block)] |= BIT_MASK(block);
	node->classes[pool->ci].nr_put++;
	if (!pool->nr_free++) {
		list_add(&pool->link, &node->classes[pool->ci].partial);
		pool->state = OBM_POOL_PARTIAL;
	}
}

#endif /* OBM_POOL_H */
