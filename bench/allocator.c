// SPDX-License-Identifier: GPL-2.0-only
/* What the allocators allocate from: a new heap or cache for each measurement. */
#include "allocator.h"

#include <linux/err.h>
#include <linux/printk.h>

const char *const bench_kind_names[BENCH_NR_KINDS] = {
	[BENCH_EMPTY] = "empty",
	[BENCH_OBMALLOC] = "obmalloc",
	[BENCH_KMEM_CACHE] = "kmem_cache",
	[BENCH_KMALLOC] = "kmalloc",
};

struct obm_heap *bench_heap;
struct kmem_cache *bench_cache;
bool bench_typed;
struct obm_cache *bench_obm_cache;
char bench_blank[8192];

/*
 * A cache of our own: one that is merged with another's starts with that one's
 * slabs. SLAB_NO_MERGE came later than 6.1; this flag only tells kmemleak to
 * look away, and no cache with it is merged either.
 */
static int cache_open(size_t size)
{
	bench_cache = kmem_cache_create("bench", size, 0, SLAB_NOLEAKTRACE,
					NULL);
	return bench_cache ? 0 : -ENOMEM;
}

static int heap_open(size_t size)
{
	bench_heap = obm_heap_create("bench", NULL);
	if (IS_ERR(bench_heap))
		return PTR_ERR(bench_heap);
	if (!bench_typed)
		return 0;
	bench_obm_cache = obm_cache_create(bench_heap, "bench", size, 0, NULL);
	if (IS_ERR(bench_obm_cache))
		obm_heap_destroy(bench_heap);
	return PTR_ERR_OR_ZERO(bench_obm_cache);
}

/**
 * bench_open() - make an allocator ready
 * @kind: which
 * @size: bytes of its blocks, if they all have the same; kmem_cache needs it
 *
 * Context: Process context, may sleep.
 * Return: 0 or a negative error; after 0 bench_close() is due.
 */
int bench_open(enum bench_kind kind, size_t size)
{
	switch (kind) {
	case BENCH_OBMALLOC:
		return heap_open(size);
	case BENCH_KMEM_CACHE:
		return cache_open(size);
	default:
		return 0;
	}
}

/* Undoes bench_open(). */
void bench_close(enum bench_kind kind)
{
	unsigned long leaked;

	if (kind == BENCH_OBMALLOC) {
		leaked = obm_heap_destroy(bench_heap);
		if (leaked)
			pr_warn("%lu blocks left in the heap\n", leaked);
		bench_heap = NULL;
	} else if (kind == BENCH_KMEM_CACHE) {
		kmem_cache_destroy(bench_cache);
		bench_cache = NULL;
	}
}
