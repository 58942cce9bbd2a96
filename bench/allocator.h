/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The allocators as loops call them: as a client would, with nothing between.
 * Where the kind is a constant, only its own call is left; where the size is
 * one, the allocator's header sees that it is.
 */
#ifndef BENCH_ALLOCATOR_H
#define BENCH_ALLOCATOR_H

#include <linux/compiler.h>
#include <linux/obmalloc.h>
#include <linux/slab.h>

#include "bench.h"

/* As a client's: a static pointer, set once. */
extern struct obm_heap *bench_heap;
extern struct kmem_cache *bench_cache;
/* The heap's own cache, if the case asks for one before it measures. */
extern bool bench_typed;
extern struct obm_cache *bench_obm_cache;
/* What the empty loop gets for a block. */
extern char bench_blank[];

static __always_inline void *bench_alloc(enum bench_kind kind, size_t size,
					 gfp_t gfp)
{
	switch (kind) {
	case BENCH_OBMALLOC:
		return obm_alloc(bench_heap, size, gfp);
	case BENCH_KMEM_CACHE:
		return kmem_cache_alloc(bench_cache, gfp);
	case BENCH_KMALLOC:
		return kmalloc(size, gfp);
	default:
		return bench_blank;
	}
}

/* The look at the result that every caller has to take is part of the cost. */
static __always_inline bool bench_failed(enum bench_kind kind,
					 const void *block)
{
	return kind != BENCH_EMPTY && unlikely(!block);
}

/* By a caller that does not know the size; kmem_cache's have to know the cache. */
static __always_inline void bench_free(enum bench_kind kind, void *block)
{
	switch (kind) {
	case BENCH_OBMALLOC:
		obm_free(block);
		break;
	case BENCH_KMEM_CACHE:
		kmem_cache_free(bench_cache, block);
		break;
	case BENCH_KMALLOC:
		kfree(block);
		break;
	default:
		break;
	}
}

/* By a caller that knows the size. */
static __always_inline void bench_free_sized(enum bench_kind kind, void *block,
					     size_t size)
{
	if (kind == BENCH_OBMALLOC)
		obm_free_sized(bench_heap, block, size);
	else
		bench_free(kind, block);
}

#endif /* BENCH_ALLOCATOR_H */
