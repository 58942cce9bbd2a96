/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The trivial model of the allocator: a table of blocks and, by address, whose
 * block it is. Numbers that the core must show are kept by adding and
 * subtracting at each step, nothing else.
 */
#ifndef SIM_MODEL_H
#define SIM_MODEL_H

#include "sim.h"
#include "internal.h"
#include "tap.h"

#define MODEL_HEAPS	4
#define MODEL_BLOCKS	6000
#define MODEL_FREED	512
#define NR_GRANULES	(SIM_MEM_BYTES / 8)

/**
 * struct model_block - a block that is allocated
 * @ptr: where
 * @size: bytes asked for
 * @usable: bytes that it has
 * @seed: of its content
 * @heap: index of its heap
 * @raw: above small_max, or of a zone
 * @mixed: in a page that several classes share
 * @dense: its place in model.dense
 */
struct model_block {
	char *ptr;
	size_t size;
	size_t usable;
	u64 seed;
	int heap;
	bool raw;
	bool mixed;
	unsigned int dense;
};

/**
 * struct model_heap - what is expected of a heap
 * @heap: it, or NULL
 * @limit: in bytes, or 0
 * @nid: its node, or NUMA_NO_NODE
 * @flags: OBM_HEAP_*
 * @front: blocks may wait on CPUs, so that what pools hold is known only after
 *	   a drain, and what is wrong with a free block not at once
 * @pool_bytes: of pools that hold a block, without what is too short for one
 * @quant_bytes: what is too short for one
 */
struct model_heap {
	struct obm_heap *heap;
	size_t limit;
	int nid;
	unsigned int flags;
	bool front;
	u64 nr_small;
	u64 nr_raw;
	u64 nr_pools;
	u64 used_bytes;
	u64 pool_bytes;
	u64 pool_pages;
	u64 quant_bytes;
	u64 raw_bytes;
	u64 nr_allocs;
	u64 nr_frees;
	u64 nr_failed;
	u64 nr_limited;
	u64 nr_bad[OBM_NR_BAD];
};

struct model {
	u64 seed;
	u64 step;
	bool slow;
	struct sim_rng rng;
	struct model_heap heaps[MODEL_HEAPS];
	u64 nr_bad[OBM_NR_BAD];
	struct model_block blocks[MODEL_BLOCKS];
	unsigned int dense[MODEL_BLOCKS];
	unsigned int nr_blocks;
	unsigned int target;
	const void *freed[MODEL_FREED];
	struct page *own_page;
	unsigned int serial;
	/* Is being resized. */
	struct model_block *busy;
	/* Block by granule (index + 1), small blocks by first page of the pool. */
	u32 cover[NR_GRANULES];
	u32 page_live[SIM_NR_PAGES];
	u16 page_class[SIM_NR_PAGES];
	bool page_mixed[SIM_NR_PAGES];
	u8 page_heap[SIM_NR_PAGES];
	u8 page_order[SIM_NR_PAGES];
};

extern struct model model;

void model_fail(const char *file, int line, const char *what) __noreturn;
#define MUST(cond)							\
	do {								\
		if (!(cond))						\
			model_fail(__FILE__, __LINE__, #cond);		\
	} while (0)

static inline u64 below(u64 n)
{
	return sim_below(&model.rng, n);
}

static inline bool chance(unsigned int percent)
{
	return below(100) < percent;
}

static inline size_t granule_of(const void *ptr)
{
	return ((const char *)ptr - sim_base) / 8;
}

static inline size_t pfn_of(const void *ptr)
{
	return ((const char *)ptr - sim_base) >> PAGE_SHIFT;
}

/* The first page of the pool that the page lies in, if there is one. */
static inline bool pool_of(size_t pfn, size_t *first)
{
	unsigned int order;

	for (order = 0; order <= OBM_POOL_ORDER_MAX; order++) {
		*first = pfn & ~(BIT(order) - 1);
		if (model.page_live[*first] &&
		    model.page_order[*first] >= order)
			return true;
	}
	return false;
}

static inline size_t pages_of(size_t size)
{
	return size ? (size + PAGE_SIZE - 1) / PAGE_SIZE : 1;
}

/* model.c */
void model_run(u64 ops, unsigned int small_max);
/* Until the input is used up. */
void model_run_input(const u8 *input, size_t size);
void model_print_where(void);

/* model_ops.c */
size_t model_pick_size(void);
struct model_heap *model_pick_heap(void);
void model_alloc(void);
void model_free(struct model_block *block);
void model_forget(struct model_block *block);
void model_realloc(struct model_block *block);
void model_nofail(void);
void model_bulk(void);
void model_arm_irq(void);
struct model_block *model_pick_block(void);
/* Whether a block may be resized to @size where it is. */
bool model_stays(const struct model_block *block, size_t size);

/* model_bad.c */
void model_bad(void);
void model_query(void);

/* model_check.c */
void model_fill(const struct model_block *block);
void model_verify(const struct model_block *block, size_t size);
void model_check_heap(struct model_heap *heap);
void model_check_all(void);
/* Blocks wait on CPUs no more. */
void model_settle(struct model_heap *h);
void model_trim(struct model_heap *heap);
void model_shrink(void);

#endif
