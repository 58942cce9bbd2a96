// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mixed pools: pages that several classes share while they have few blocks, for
 * else a heap of many classes would be one of many near-empty pools.
 *
 * Such a page is cut into units, and a block takes as many in a row as it needs.
 * Like any pool it keeps its books outside: which units are free, in which ones
 * a block starts, and of what class that is. So nothing is said with less
 * certainty of a block here than of any other.
 *
 * A class may fill as many units as a page has; from then on it takes pools of
 * its own. That is what its first pool would have cost it, so that sharing never
 * makes a heap larger. Its blocks here are of its class in every other respect.
 */
#include "pool.h"

/* Pools that are searched for room, under the node's lock. */
#define MIXED_TRIES		8

static struct obm_mixed *mixed_of(const struct obm_pool *pool)
{
	return (struct obm_mixed *)pool->maps;
}

unsigned int obm_mixed_units(unsigned int ci)
{
	return DIV_ROUND_UP(obm_classes[ci].size, OBM_UNIT);
}

/* The units of a block as bits. */
static u64 mixed_mask(unsigned int unit, unsigned int nr)
{
	return GENMASK_ULL(unit + nr - 1, unit);
}

/*
 * Where a block of @nr units fits, @align of them to be aligned to; OBM_UNITS if
 * nowhere.
 */
static unsigned int mixed_room(const struct obm_mixed *mixed, unsigned int nr,
			       unsigned int align)
{
	u64 runs = mixed->free;
	unsigned int done, step, unit;

	/* Bits that have @done - 1 others above them, until these are @nr. */
	for (done = 1; done < nr; done += step) {
		step = min(done, nr - done);
		runs &= runs >> step;
	}
	for (; runs; runs &= runs - 1) {
		unit = __ffs64(runs);
		if (unit % align == 0)
			return unit;
	}
	return OBM_UNITS;
}

/* Whether a class may have a block more here. */
static bool mixed_may(struct obm_node *node, unsigned int ci)
{
	unsigned int nr = obm_mixed_units(ci);

	return obm_compact && !obm_heap_is_hard(node->heap) &&
	       ci < obm_nr_classes && nr <= OBM_UNITS / 2 &&
	       (node_class(node, ci)->nr_mixed + 1) * nr <= OBM_UNITS;
}

static void *mixed_take(struct obm_node *node, struct obm_pool *pool,
			unsigned int unit, unsigned int ci)
{
	struct obm_mixed *mixed = mixed_of(pool);
	unsigned int nr = obm_mixed_units(ci);

	mixed->free &= ~mixed_mask(unit, nr);
	mixed->start |= BIT_ULL(unit);
	mixed->ci[unit] = ci;
	node_class(node, ci)->nr_mixed++;
	pool->nr_free -= nr;
	if (!pool->nr_free) {
		hlist_del_init(&pool->link);
		pool->state = OBM_POOL_FULL;
	}
	return pool_base(pool) + unit * OBM_UNIT;
}

/**
 * obm_mixed_get() - take a block out of a shared pool
 * @node: the node
 * @ci: class
 * @missing: set to OBM_MIXED if there is no map for a new shared pool
 *
 * Context: The node's lock is held.
 * Return: the block; NULL if the class has enough here, or there is no room.
 */
void *obm_mixed_get(struct obm_node *node, unsigned int ci,
		    unsigned int *missing)
{
	unsigned int align, nr, unit, tries = MIXED_TRIES;
	struct obm_pool *pool;

	lockdep_assert_held(&node->lock);
	if (!mixed_may(node, ci))
		return NULL;
	nr = obm_mixed_units(ci);
	/* As in a pool of its own: to the lowest bit of its size. */
	align = max(1U << __ffs(obm_classes[ci].size), OBM_UNIT) / OBM_UNIT;
	hlist_for_each_entry(pool, &node->mixed.partial, link) {
		unit = mixed_room(mixed_of(pool), nr, align);
		if (unit < OBM_UNITS)
			return mixed_take(node, pool, unit, ci);
		if (!--tries)
			break;
	}
	pool = obm_node_carve(node, OBM_MIXED, missing);
	if (!pool)
		return NULL;
	mixed_of(pool)->free = GENMASK_ULL(OBM_UNITS - 1, 0);
	mixed_of(pool)->start = 0;
	return mixed_take(node, pool, 0, ci);
}

/* The block that starts at @unit goes; the caller sees to its pool. */
void obm_mixed_put(struct obm_node *node, struct obm_pool *pool,
		   unsigned int unit)
{
	struct obm_mixed *mixed = mixed_of(pool);
	unsigned int ci = mixed->ci[unit], nr = obm_mixed_units(ci);

	lockdep_assert_held(&node->lock);
	mixed->free |= mixed_mask(unit, nr);
	mixed->start &= ~BIT_ULL(unit);
	node_class(node, ci)->nr_mixed--;
	if (!pool->nr_free)
		pool_unfill(&node->mixed, pool);
	pool->nr_free += nr;
}

/**
 * obm_mixed_look() - what is at an offset of a shared pool
 * @pool: the pool
 * @offset: bytes from its beginning
 * @spot: set to the block there, if it is in one
 *
 * Context: The node's lock is held.
 * Return: OBM_OK if an allocated block starts there, or why not.
 */
enum obm_bad obm_mixed_look(const struct obm_pool *pool, unsigned int offset,
			    struct obm_spot *spot)
{
	const struct obm_mixed *mixed = mixed_of(pool);
	unsigned int unit = offset / OBM_UNIT;
	u64 below = mixed->start & (~0ULL >> (63 - unit));

	if (!(mixed->free & BIT_ULL(unit))) {
		/* In use, so a block has started here or below. */
		spot->block = fls64(below) - 1;
		spot->ci = mixed->ci[spot->block];
		spot->used = offset - spot->block * OBM_UNIT <
			     obm_classes[spot->ci].size;
		if (offset == spot->block * OBM_UNIT)
			return OBM_OK;
	} else if (offset % OBM_UNIT == 0) {
		return OBM_BAD_DOUBLE;
	}
	return offset % OBM_STEP ? OBM_BAD_MISALIGNED : OBM_BAD_INTERIOR;
}

/* Forgets the blocks of a pool of a dead arena. */
void obm_mixed_abandon(struct obm_pool *pool)
{
	const struct obm_mixed *mixed = mixed_of(pool);
	unsigned int unit;
	u64 start;

	for (start = mixed->start; start; start &= start - 1) {
		unit = __ffs64(start);
		obm_san_free(pool_base(pool) + unit * OBM_UNIT,
			     obm_classes[mixed->ci[unit]].size);
	}
}

/* What is wrong with the books of a shared pool, or NULL; counts its blocks. */
const char *obm_mixed_check(const struct obm_pool *pool, u64 *nr_blocks)
{
	const struct obm_mixed *mixed = mixed_of(pool);
	u64 start, mask, used = 0;
	unsigned int unit;

	if (hweight64(mixed->free) != pool->nr_free)
		return "a shared pool's count differs from its map";
	for (start = mixed->start; start; start &= start - 1) {
		unit = __ffs64(start);
		if (mixed->ci[unit] >= obm_nr_classes)
			return "a block of a shared pool is of no class";
		mask = mixed_mask(unit, obm_mixed_units(mixed->ci[unit]));
		if (used & mask)
			return "blocks of a shared pool overlap";
		used |= mask;
		(*nr_blocks)++;
	}
	if ((used ^ mixed->free) != GENMASK_ULL(OBM_UNITS - 1, 0))
		return "units of a shared pool are neither free nor in use";
	return NULL;
}
