/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * obmalloc: private heaps of small objects for kernel modules.
 *
 * A heap takes arenas of pages from the page allocator, cuts them into pools of
 * one page and each pool into blocks of one size (heap > arena > pool > block),
 * as CPython's Objects/obmalloc.c does for Python objects.
 *
 * Unless a function says otherwise, it may be called in any context but NMI,
 * with a GFP mask that fits the context, exactly as kmalloc().
 */
#ifndef _LINUX_OBMALLOC_H
#define _LINUX_OBMALLOC_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/cleanup.h>
#include <linux/compiler.h>
#include <linux/compiler_attributes.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/numa.h>
#include <linux/obm_cache.h>
#include <linux/obm_front.h>
#include <linux/types.h>
#include <linux/version.h>

/* Symbol namespaces became string literals in 6.13. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
#define OBM_NS "OBMALLOC"
#else
#define OBM_NS OBMALLOC
#endif

/* The longest heap name, its terminating NUL included. */
#define OBM_NAME_LEN		32

/* The largest request that any heap serves, in bytes. */
#define OBM_MAX_BYTES		(4UL << 20)

/* Charge every page of the heap to the memory cgroup of who made it grow. */
#define OBM_HEAP_ACCOUNT	BIT(0)
/*
 * The heap's blocks are caches: group its pages with reclaimable ones and show
 * them as such. Who creates it has a shrinker that frees blocks.
 */
#define OBM_HEAP_RECLAIMABLE	BIT(1)

/*
 * No block waits on a CPU, so that every bad free is refused at once, and blocks
 * come in random order. The module parameter harden=1 does so for all heaps.
 */
#define OBM_HEAP_HARDEN		BIT(2)

#define OBM_HEAP_FLAGS							\
	(OBM_HEAP_ACCOUNT | OBM_HEAP_RECLAIMABLE | OBM_HEAP_HARDEN)

struct obm_heap;

/**
 * struct obm_heap_attrs - what a heap is created with
 * @limit_bytes: most bytes the heap may hold (pages and metadata), 0 for no limit
 * @node: NUMA node of every page, NUMA_NO_NODE for that of the calling CPU
 * @flags: OBM_HEAP_* flags
 *
 * Initialize with OBM_HEAP_ATTRS_INIT and set what differs: a zeroed @node
 * means node 0.
 */
struct obm_heap_attrs {
	size_t limit_bytes;
	int node;
	unsigned int flags;
};

#define OBM_HEAP_ATTRS_INIT	{ .node = NUMA_NO_NODE }

/**
 * enum obm_bad - the mistakes of callers that are refused, reported and counted
 * @OBM_BAD_FOREIGN: the pointer lies in no page of any heap
 * @OBM_BAD_MISALIGNED: the pointer is not a multiple of 8
 * @OBM_BAD_INTERIOR: the pointer is not the start of a block
 * @OBM_BAD_STALE: the pool of the pointer holds no block any more
 * @OBM_BAD_DOUBLE: the block is free already
 * @OBM_BAD_HEAP: the block belongs to another heap
 * @OBM_BAD_SIZE: the size of a sized free, or the cache, is of another class, or
 *		  the rcu_head of obm_free_rcu() lies outside of the block
 * @OBM_BAD_NOFAIL: __GFP_NOFAIL for more than one page
 * @OBM_BAD_TYPE: a type of objects, or one of its callbacks, that does what it
 *		  must not
 * @OBM_BAD_REF: a reference to an object that is dead, or too many
 * @OBM_NR_BAD: number of kinds
 */
enum obm_bad {
	OBM_BAD_FOREIGN,
	OBM_BAD_MISALIGNED,
	OBM_BAD_INTERIOR,
	OBM_BAD_STALE,
	OBM_BAD_DOUBLE,
	OBM_BAD_HEAP,
	OBM_BAD_SIZE,
	OBM_BAD_NOFAIL,
	OBM_BAD_TYPE,
	OBM_BAD_REF,
	OBM_NR_BAD
};

/**
 * struct obm_stats - a snapshot of a heap, or the sum over heaps
 * @used_bytes: in allocated blocks of the size classes and caches
 * @avail_bytes: in free blocks of pools in use, and in free units of shared ones
 * @unused_bytes: in pools of no class, kept in the arenas
 * @meta_bytes: in descriptors of heap, nodes, arenas, pools and raw blocks
 * @quant_bytes: at the ends of pools, too short for one more block, and behind
 *		 blocks in shared pools, up to the next unit
 * @raw_bytes: in pages of blocks above small_max
 * @held_bytes: all of the above, counted on its own
 * @peak_bytes: the most that was ever held at once
 * @limit_bytes: limit of the heap, 0 for none
 * @nr_blocks: allocated blocks of the size classes and caches
 * @nr_raw: allocated blocks above small_max
 * @nr_allocs: successful allocations so far
 * @nr_frees: frees so far
 * @nr_failed: allocations that found no memory, those at the limit included
 * @nr_limited: allocations refused by the limit
 * @nr_arenas: arenas held
 * @nr_arenas_got: arenas taken from the page allocator so far
 * @nr_arenas_put: arenas given back so far
 * @nr_pages_put: single pages given back out of arenas in use so far
 * @nr_pools: pools in use
 * @nr_unused_pools: pools in no use
 * @nr_bad: refused mistakes by kind
 *
 * Invariant: @used_bytes + @avail_bytes + @unused_bytes + @meta_bytes +
 * @quant_bytes + @raw_bytes == @held_bytes, at any instant. The parts of a heap,
 * its nodes and its raw blocks, are each consistent and read one after another:
 * what moves from one to another meanwhile may be in both, and @held_bytes then
 * above @limit_bytes, which the heap itself never is.
 */
struct obm_stats {
	u64 used_bytes;
	u64 avail_bytes;
	u64 unused_bytes;
	u64 meta_bytes;
	u64 quant_bytes;
	u64 raw_bytes;
	u64 held_bytes;
	u64 peak_bytes;
	u64 limit_bytes;
	u64 nr_blocks;
	u64 nr_raw;
	u64 nr_allocs;
	u64 nr_frees;
	u64 nr_failed;
	u64 nr_limited;
	u64 nr_arenas;
	u64 nr_arenas_got;
	u64 nr_arenas_put;
	u64 nr_pages_put;
	u64 nr_pools;
	u64 nr_unused_pools;
	u64 nr_bad[OBM_NR_BAD];
};

struct obm_heap *obm_heap_create(const char *name,
				 const struct obm_heap_attrs *attrs);
unsigned long obm_heap_destroy(struct obm_heap *heap);
size_t obm_heap_trim(struct obm_heap *heap);
int obm_heap_validate(struct obm_heap *heap);
void obm_heap_stats(struct obm_heap *heap, struct obm_stats *stats);

void obm_free(const void *ptr);
void __obm_free_sized(struct obm_heap *heap, const void *ptr, size_t size);

void *obm_alloc_node(struct obm_heap *heap, size_t size, gfp_t gfp, int node)
	__alloc_size(2) __malloc;
void *__obm_alloc(struct obm_heap *heap, size_t size, gfp_t gfp)
	__alloc_size(2) __malloc;

/**
 * obm_alloc() - allocate a block
 * @heap: the heap
 * @size: bytes
 * @gfp: as for obm_alloc_node()
 *
 * With a constant @size and @gfp a block that waits on this CPU is handed out
 * without a call.
 *
 * Context: Any context but NMI, as @gfp says.
 * Return: as obm_alloc_node().
 */
static __always_inline __alloc_size(2) __malloc void *
obm_alloc(struct obm_heap *heap, size_t size, gfp_t gfp)
{
	void *ptr;

	if (obm_is_const(size, gfp)) {
		ptr = obm_front_pop(heap, obm_const_class(size));
		if (likely(ptr)) {
			if (want_init_on_alloc(gfp))
				memset(ptr, 0, obm_const_bytes(size));
			return ptr;
		}
	}
	return __obm_alloc(heap, size, gfp);
}

/**
 * obm_zalloc() - allocate a block of zeroes
 * @heap: the heap
 * @size: bytes
 * @gfp: as for obm_alloc_node()
 *
 * Context: Any context but NMI, as @gfp says.
 * Return: as obm_alloc_node().
 */
static __always_inline __alloc_size(2) __malloc void *
obm_zalloc(struct obm_heap *heap, size_t size, gfp_t gfp)
{
	return obm_alloc(heap, size, gfp | __GFP_ZERO);
}

/**
 * obm_free_sized() - free a block whose heap and size the caller knows
 * @heap: the heap that it is of
 * @ptr: the block, or NULL
 * @size: bytes, as they were asked for last or as obm_usable_size() gave them
 *
 * Nothing is looked up while the block waits on this CPU for the next caller.
 * A block of another heap or another class is found when it leaves the CPU, and
 * refused with a report; at once in a hardened heap.
 *
 * Context: Any context but NMI.
 */
static __always_inline void
obm_free_sized(struct obm_heap *heap, const void *ptr, size_t size)
{
	if (!ptr)
		return;
	if (OBM_INLINE && __builtin_constant_p(size) &&
	    size <= OBM_CONST_MAX) {
		if (want_init_on_free())
			memset((void *)ptr, 0, obm_const_bytes(size));
		if (likely(obm_front_push(heap, obm_const_class(size), ptr)))
			return;
	}
	__obm_free_sized(heap, ptr, size);
}

void *obm_calloc(struct obm_heap *heap, size_t n, size_t size, gfp_t gfp)
	__alloc_size(2, 3) __malloc;
void *obm_realloc(struct obm_heap *heap, void *ptr, size_t size, gfp_t gfp)
	__alloc_size(3) __must_check;
char *obm_strdup(struct obm_heap *heap, const char *s, gfp_t gfp) __malloc;
void *obm_memdup(struct obm_heap *heap, const void *src, size_t len, gfp_t gfp)
	__alloc_size(3) __malloc;

/* This header has obm_alloc_bulk(). */
#define OBM_HAS_BULK		1

size_t obm_alloc_bulk(struct obm_heap *heap, size_t size, gfp_t gfp, size_t n,
		      void **ptrs) __must_check;
void obm_free_bulk(struct obm_heap *heap, size_t size, size_t n, void **ptrs);

void __obm_free_rcu(const void *ptr, struct rcu_head *head);
void obm_free_rcu_mightsleep(const void *ptr);

/**
 * obm_free_rcu() - free a block after a grace period of RCU
 * @ptr: pointer to the structure that fills the block, or NULL
 * @rhf: name of its member of type struct rcu_head; nothing has to be done to
 *	 it before, and nobody else may use it from here on
 *
 * As kfree_rcu(): readers that found the block under rcu_read_lock() may look at
 * it until they leave. It counts as allocated until it is freed.
 *
 * What is no block is refused with a report at once, as by obm_free(), and so is
 * a block that already waits for its grace period, by whatever pointer, and one
 * in which the member does not lie. Not noticed, or only when it is too late to
 * name the caller: a block given to obm_free() while it waits here, and, unless
 * the heap is hardened, one that was freed before and waits on a CPU.
 *
 * Context: Any context but NMI. Takes and drops a lock of the block's heap.
 */
#define obm_free_rcu(ptr, rhf)						\
do {									\
	typeof(ptr) ___obm_p = (ptr);					\
									\
	BUILD_BUG_ON(!__same_type(struct rcu_head, ___obm_p->rhf));	\
	__obm_free_rcu(___obm_p, ___obm_p ? &___obm_p->rhf : NULL);	\
} while (0)

size_t obm_usable_size(const void *ptr);
bool obm_owns(struct obm_heap *heap, const void *ptr);
int obm_block_bounds(const void *ptr, void **base, size_t *size);

/* An error path that returns frees: void *p __free(obm_free) = obm_alloc(…); */
DEFINE_FREE(obm_free, void *, obm_free(_T))
/* The same for a whole heap, with all that it still holds. */
DEFINE_FREE(obm_heap_destroy, struct obm_heap *, obm_heap_destroy(_T))

#endif /* _LINUX_OBMALLOC_H */
