// SPDX-License-Identifier: GPL-2.0-only
/*
 * One block: what a client may count on, checked when it is got; a pattern that
 * tells it from every other, written then and looked for when it is freed.
 */
#include "stress.h"

#include <linux/align.h>
#include <linux/errno.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/string.h>

/* The tag itself, as far as it fits, then one byte of it over and over. */
static void block_write(struct stress_block *block)
{
	size_t head = min_t(size_t, block->size, sizeof(block->tag));

	memcpy(block->ptr, &block->tag, head);
	memset(block->ptr + head, block->tag, block->size - head);
}

/* Whether the first @len bytes are as they were written. */
static bool block_holds(const struct stress_block *block, size_t len)
{
	size_t head = min_t(size_t, len, sizeof(block->tag));

	return !memcmp(block->ptr, &block->tag, head) &&
	       !memchr_inv(block->ptr + head, (u8)block->tag, len - head);
}

bool stress_block_intact(const struct stress_block *block)
{
	return block_holds(block, block->size);
}

/* As kmalloc() promises: a power of two to itself, multiples of 16 to 16. */
static unsigned int size_align(unsigned int size)
{
	if (size && is_power_of_2(size))
		return max(size, 8U);
	return size && size % 16 == 0 ? 16 : 8;
}

static bool block_fits(struct obm_heap *heap, const struct stress_block *block)
{
	return IS_ALIGNED((unsigned long)block->ptr, size_align(block->size)) &&
	       obm_usable_size(block->ptr) >= block->size &&
	       obm_owns(heap, block->ptr);
}

static unsigned int block_size(const struct stress_command *cmd,
			       struct rnd_state *rnd)
{
	return cmd->size_min + prandom_u32_state(rnd) %
	       (cmd->size_max - cmd->size_min + 1);
}

/* What a client writes in its source: sizes that the compiler knows. */
static void *alloc_const(struct obm_heap *heap, size_t size)
{
	switch (size) {
	case 8:
		return obm_alloc(heap, 8, GFP_KERNEL | __GFP_NOWARN);
	case 64:
		return obm_alloc(heap, 64, GFP_KERNEL | __GFP_NOWARN);
	case 200:
		return obm_alloc(heap, 200, GFP_KERNEL | __GFP_NOWARN);
	case 512:
		return obm_alloc(heap, 512, GFP_KERNEL | __GFP_NOWARN);
	default:
		return obm_alloc(heap, size, GFP_KERNEL | __GFP_NOWARN);
	}
}

static void free_const(struct obm_heap *heap, const void *ptr, size_t size)
{
	switch (size) {
	case 8:
		obm_free_sized(heap, ptr, 8);
		break;
	case 64:
		obm_free_sized(heap, ptr, 64);
		break;
	case 200:
		obm_free_sized(heap, ptr, 200);
		break;
	case 512:
		obm_free_sized(heap, ptr, 512);
		break;
	default:
		obm_free_sized(heap, ptr, size);
	}
}

/* Gets @block; one in eight by obm_zalloc() where no node is asked for. */
bool stress_block_alloc(struct obm_heap *heap, struct stress_block *block,
			const struct stress_command *cmd, gfp_t gfp,
			struct rnd_state *rnd, struct stress_tally *tally)
{
	bool zero = cmd->node == NUMA_NO_NODE && stress_chance(rnd, 8);

	block->size = block_size(cmd, rnd);
	block->tag = prandom_u32_state(rnd);
	if (zero)
		block->ptr = obm_zalloc(heap, block->size, gfp);
	else if (cmd->node == NUMA_NO_NODE &&
		 gfp == (GFP_KERNEL | __GFP_NOWARN))
		block->ptr = alloc_const(heap, block->size);
	else if (cmd->node == NUMA_NO_NODE)
		block->ptr = obm_alloc(heap, block->size, gfp);
	else
		block->ptr = obm_alloc_node(heap, block->size, gfp, cmd->node);
	if (!block->ptr) {
		tally->failed++;
		return false;
	}
	tally->allocs++;
	if (zero && memchr_inv(block->ptr, 0, block->size))
		tally->dirty++;
	if (!block_fits(heap, block))
		tally->misplaced++;
	block_write(block);
	return true;
}

/* Another size for @block: what it held before must have come along. */
void stress_block_resize(struct obm_heap *heap, struct stress_block *block,
			 const struct stress_command *cmd, gfp_t gfp,
			 struct rnd_state *rnd, struct stress_tally *tally)
{
	unsigned int size = block_size(cmd, rnd);
	unsigned int kept = min(size, block->size);
	void *ptr = obm_realloc(heap, block->ptr, size, gfp);

	if (!ptr) {
		tally->failed++;
		return;
	}
	block->ptr = ptr;
	if (!block_holds(block, kept))
		tally->corrupt++;
	block->size = size;
	block->tag = prandom_u32_state(rnd);
	if (obm_usable_size(ptr) < size || !obm_owns(heap, ptr))
		tally->misplaced++;
	block_write(block);
}

void stress_block_free(struct obm_heap *heap, struct stress_block *block,
		       bool sized, struct stress_tally *tally)
{
	if (!stress_block_intact(block))
		tally->corrupt++;
	/* Whoever sees it from now on must not take it for an intact one. */
	memset(block->ptr, ~block->tag, block->size);
	if (sized)
		free_const(heap, block->ptr, block->size);
	else
		obm_free(block->ptr);
	block->ptr = NULL;
	tally->frees++;
}

void stress_tally_add(struct stress_tally *sum, const struct stress_tally *t)
{
	sum->allocs += t->allocs;
	sum->frees += t->frees;
	sum->failed += t->failed;
	sum->corrupt += t->corrupt;
	sum->dirty += t->dirty;
	sum->misplaced += t->misplaced;
}

/* Prints @t; gives back -EUCLEAN if obmalloc did anything wrong. */
int stress_tally_say(struct stress_result *result, const struct stress_tally *t)
{
	stress_say(result, "allocs=%llu\nfrees=%llu\nfailed=%llu\n",
		   t->allocs, t->frees, t->failed);
	stress_say(result, "corrupt=%llu\ndirty=%llu\nmisplaced=%llu\n",
		   t->corrupt, t->dirty, t->misplaced);
	return t->corrupt || t->dirty || t->misplaced ? -EUCLEAN : 0;
}
