/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Caches, as those see them who go through all classes of a heap, or are told of
 * one by a pool.
 */
#ifndef OBM_CACHE_PRIVATE_H
#define OBM_CACHE_PRIVATE_H

#include "internal.h"

/**
 * struct obm_cache - objects of one type in a heap
 * @set: those that wait on CPUs; the class is @set.ci
 * @link: M: in heap->caches; read under RCU
 * @heap: I: where its pools are
 * @ctor: I: makes an object of a block, or NULL
 * @name: I: unique in the heap
 * @depth: most objects that wait on a CPU
 * @dying: M: being destroyed; a drain, under RCU, does not touch it any more
 * @rcu: defers the release, and the next use of its class
 * @classes: what each node has of it, by number; as in the node, under its lock
 */
struct obm_cache {
	struct obm_set set;
	struct list_head link;
	struct obm_heap *heap;
	void (*ctor)(void *object);
	char name[OBM_NAME_LEN];
	bool dying;
	u8 depth;
	struct rcu_head rcu;
	struct obm_node_class classes[];
};

/* By class; M, cleared by RCU when nobody can have the class in hand. */
extern struct obm_cache *obm_caches[OBM_NR_CACHES];

/*
 * Caches of a heap: under RCU, or obm_heaps_lock if none may come or go. What is
 * gone from the list has no blocks.
 */
#define obm_for_each_cache(heap, cache)					\
	list_for_each_entry_rcu(cache, &(heap)->caches, link,		\
				lockdep_is_held(&obm_heaps_lock))

/* The cache of a class that is one's; it lives while a block of it is looked at. */
static inline struct obm_cache *class_cache(unsigned int ci)
{
	return obm_caches[ci - OBM_CACHE_CLASS];
}

static inline bool class_is_cache(unsigned int ci)
{
	return unlikely(ci >= OBM_CACHE_CLASS);
}

/* Whether objects keep what they hold while they are free: they are constructed. */
static inline bool class_keeps(unsigned int ci)
{
	return class_is_cache(ci) && class_cache(ci)->ctor;
}

static inline struct obm_node_class *node_class(struct obm_node *node,
						unsigned int ci)
{
	if (class_is_cache(ci))
		return &class_cache(ci)->classes[node->nid];
	return ci == OBM_MIXED ? &node->mixed : &node->classes[ci];
}

/* As OBM_SIZE_ANY, no size: it is of the cache with that class. */
#define OBM_SIZE_CACHE(ci)	(SIZE_MAX - (ci))

/* Whether a block of class @ci is what a caller says it is. */
static inline bool class_is_said(unsigned int ci, size_t size)
{
	if (size == OBM_SIZE_ANY)
		return true;
	if (class_is_cache(ci))
		return size == OBM_SIZE_CACHE(ci);
	return size <= obm_small_max && class_index(size) == ci;
}

/* A block has come back: before it can be handed out again. */
static inline void obm_block_wipe(void *ptr, unsigned int ci)
{
	size_t size = obm_classes[ci].size;

	/* Where no checker is told, either. */
	if (OBM_INLINE && !want_init_on_free())
		return;
	if (class_keeps(ci)) {
		obm_san_free_kept(ptr, size);
		return;
	}
	if (want_init_on_free())
		memset(ptr, 0, size);
	obm_san_free(ptr, size);
}

/* The least that obm_cache_set_depth() can be asked for. */
#define OBM_DEPTH_MIN		6U

/* cache.c: objects of one type */
void obm_cache_set_depth(struct obm_cache *cache, unsigned int depth);
void obm_cache_construct(unsigned int ci, void **ptrs, unsigned int nr);
unsigned long obm_caches_destroy(struct obm_heap *heap);
size_t obm_caches_bytes(struct obm_heap *heap);

#endif /* OBM_CACHE_PRIVATE_H */
