// SPDX-License-Identifier: GPL-2.0-only
/*
 * Caches: a class of a heap for the objects of one type. Its pools hold nothing
 * else, its size is exact, and it is known by a name.
 *
 * The classes of caches have numbers behind those of all heaps, given out while
 * the cache lives. What finds the cache by its number came there by a pointer
 * into one of its pools, within a read-side section of RCU; so a number is used
 * again, and the cache released, after a grace period.
 *
 * A constructor is called when a block leaves the pools, with no lock held. From
 * then on the object is constructed, in the hands of clients and in magazines.
 */
#include "pool.h"

struct obm_cache *obm_caches[OBM_NR_CACHES];

static size_t cache_bytes(void)
{
	return struct_size_t(struct obm_cache, classes, nr_node_ids);
}

/* What the caches of a heap cost, but for pools and magazines; under RCU. */
size_t obm_caches_bytes(struct obm_heap *heap)
{
	struct obm_cache *cache;
	size_t bytes = 0;

	obm_for_each_cache(heap, cache)
		bytes += cache_bytes() + obm_set_bytes(&cache->set);
	return bytes;
}

/* Beside the rows of classes and of raw blocks, a name must not look like one. */
static int cache_name_check(const char *name)
{
	int err = obm_name_check(name);

	if (err)
		return err;
	if (!strcmp(name, "raw") || !name[strspn(name, "0123456789")])
		return -EINVAL;
	return 0;
}

/* Bytes of an object with those behind it that keep the next one aligned. */
static size_t cache_size(size_t size, size_t align)
{
	align = max_t(size_t, align, OBM_STEP);
	if (!size || size > OBM_SMALL_MAX || !is_power_of_2(align) ||
	    align > PAGE_SIZE)
		return 0;
	size = round_up(size, align);
	return size <= OBM_SMALL_MAX ? size : 0;
}

static struct obm_cache *cache_new(struct obm_heap *heap, const char *name,
				   void (*ctor)(void *object))
{
	struct obm_cache *cache;
	int nid;

	if (!obm_charge(heap, cache_bytes(), GFP_KERNEL))
		return ERR_PTR(-EDQUOT);
	cache = kzalloc(cache_bytes(), GFP_KERNEL);
	if (!cache) {
		obm_uncharge(heap, cache_bytes());
		return ERR_PTR(-ENOMEM);
	}
	obm_charge_peak(heap);
	cache->heap = heap;
	cache->ctor = ctor;
	cache->depth = OBM_FRONT_MAX;
	strscpy(cache->name, name, sizeof(cache->name));
	for (nid = 0; nid < nr_node_ids; nid++)
		INIT_HLIST_HEAD(&cache->classes[nid].partial);
	return cache;
}

static bool cache_name_is_used(struct obm_heap *heap, const char *name)
{
	struct obm_cache *cache;

	obm_for_each_cache(heap, cache)
		if (!strcmp(cache->name, name))
			return true;
	return false;
}

/* Gives a new cache its class, and shows it to others. */
static int cache_add(struct obm_cache *cache, unsigned int size)
{
	unsigned int i;

	lockdep_assert_held(&obm_heaps_lock);
	if (cache_name_is_used(cache->heap, cache->name))
		return -EEXIST;
	/* Pairs with the release in cache_free_rcu(). */
	for (i = 0; i < OBM_NR_CACHES && smp_load_acquire(&obm_caches[i]); i++)
		;
	if (i == OBM_NR_CACHES)
		return -ENOSPC;
	obm_class_set_cache(OBM_CACHE_CLASS + i, size);
	obm_set_init(&cache->set, 1, OBM_CACHE_CLASS + i);
	WRITE_ONCE(obm_caches[i], cache);
	list_add_tail_rcu(&cache->link, &cache->heap->caches);
	return 0;
}

/**
 * obm_cache_create() - make a cache for objects of one type
 * @heap: where its objects are to be; a heap may have any number of caches, but
 *	  all heaps together no more than 896
 * @name: what readers of the statistics see behind the heap's name and a slash:
 *	  as for obm_heap_create(), no other cache of the heap's, neither "raw" nor
 *	  a decimal number; copied
 * @size: bytes of an object, 1 to OBM_CACHE_MAX when rounded up to @align
 * @align: what the address of an object is to be a multiple of: a power of two up
 *	   to PAGE_SIZE, or 0; at least 8 it always is
 * @ctor: called for an object that comes out of the pools, before it is handed
 *	  out or waits on a CPU; or NULL
 *
 * An object that is freed must be as @ctor made it, and is handed out like that
 * again if it waited on a CPU meanwhile. In the pools it is forgotten: @ctor may
 * be called for the same memory any number of times, and nothing undoes what it
 * did, so it must not take what has to be given back. It is called in the context
 * of the allocation or with preemption disabled, so it must not sleep, and it
 * must not call functions of obmalloc for the same heap.
 *
 * The cache takes no pages until it is first allocated from.
 *
 * Context: Process context, may sleep. Takes and drops obm_heaps_lock.
 * Return: the cache, or an ERR_PTR: -EINVAL for a @heap that is none, a name that
 * may not be, a size or an alignment out of range; -ENAMETOOLONG; -EEXIST for a
 * name in use; -ENOSPC if there are too many caches; -EDQUOT at the limit of the
 * heap; -ENOMEM.
 */
struct obm_cache *obm_cache_create(struct obm_heap *heap, const char *name,
				   size_t size, size_t align,
				   void (*ctor)(void *object))
{
	struct obm_cache *cache;
	bool waited = false;
	int err;

	if (WARN_ON_ONCE(IS_ERR_OR_NULL(heap)))
		return ERR_PTR(-EINVAL);
	err = cache_name_check(name);
	if (err)
		return ERR_PTR(err);
	size = cache_size(size, align);
	if (!size)
		return ERR_PTR(-EINVAL);
	cache = cache_new(heap, name, ctor);
	if (IS_ERR(cache))
		return cache;

	for (;;) {
		mutex_lock(&obm_heaps_lock);
		err = cache_add(cache, size);
		mutex_unlock(&obm_heaps_lock);
		if (err != -ENOSPC || waited)
			break;
		/* Some may be free but for their grace period. */
		rcu_barrier();
		waited = true;
	}
	if (!err)
		return cache;
	kfree(cache);
	obm_uncharge(heap, cache_bytes());
	return ERR_PTR(err);
}
EXPORT_SYMBOL_NS_GPL(obm_cache_create, OBM_NS);

/* Takes a pool with all that is in it; returns how many objects were. */
static unsigned int pool_evict(struct obm_node *node, struct obm_pool *pool,
			       bool may_return, struct hlist_head *empty)
{
	const struct obm_class *class = &obm_classes[pool_ci(pool)];
	unsigned int block, nr = class->nr_blocks - pool->nr_free;

	/* Nothing where no checker follows the blocks. */
	for (block = 0; block < class->nr_blocks; block++)
		if (!pool_block_is_free(pool, block))
			obm_san_free_kept(pool_base(pool) + block * class->size,
					  class->size);
	node_class(node, pool_ci(pool))->nr_put += nr;
	obm_pool_retire(node, pool, may_return, empty);
	return nr;
}

/* All pools of the class in an arena. */
static unsigned long arena_evict(struct obm_node *node,
				 struct obm_arena *arena, unsigned int ci,
				 bool may_return, struct hlist_head *empty)
{
	unsigned long flags, nr = 0;
	unsigned int idx;

	raw_spin_lock_irqsave(&node->lock, flags);
	for (idx = 0; idx < 1U << arena->order; idx++)
		if (pool_ci(&arena->pools[idx]) == ci)
			nr += pool_evict(node, &arena->pools[idx], may_return,
					 empty);
	raw_spin_unlock_irqrestore(&node->lock, flags);
	return nr;
}

/* And on a node; nobody else uses the class any more. */
static unsigned long node_evict(struct obm_node *node, unsigned int ci)
{
	bool may_return = obm_may_return();
	struct obm_arena *arena;
	unsigned long nr = 0;
	HLIST_HEAD(empty);

	rcu_read_lock();
	list_for_each_entry_rcu(arena, &node->arenas, all)
		nr += arena_evict(node, arena, ci, may_return, &empty);
	rcu_read_unlock();
	obm_arenas_release(node->heap, &empty);
	return nr;
}

/* What was counted of a cache stays counted in its heap. */
static void cache_bequeath(struct obm_cache *cache)
{
	u64 allocs = obm_front_allocs(cache->heap, cache->set.ci);
	struct obm_node_class *nc;
	struct obm_node *node;
	unsigned long flags;
	int nid;

	obm_for_each_node(cache->heap, nid, node) {
		raw_spin_lock_irqsave(&node->lock, flags);
		nc = &cache->classes[nid];
		node->gone_moves += nc->nr_taken + nc->nr_put;
		node->gone_allocs += nc->nr_direct + allocs;
		nc->nr_taken = 0;
		nc->nr_put = 0;
		nc->nr_direct = 0;
		raw_spin_unlock_irqrestore(&node->lock, flags);
		allocs = 0;
	}
}

static void cache_free_rcu(struct rcu_head *rcu)
{
	struct obm_cache *cache = container_of(rcu, struct obm_cache, rcu);

	/* The class is free; pairs with the acquire in cache_add(). */
	smp_store_release(&obm_caches[cache->set.ci - OBM_CACHE_CLASS], NULL);
	obm_set_destroy(&cache->set);
	kfree(cache);
}

/* At most @depth objects are to wait on each CPU; a few are always let. */
void obm_cache_set_depth(struct obm_cache *cache, unsigned int depth)
{
	WRITE_ONCE(cache->depth, clamp(depth, OBM_DEPTH_MIN, OBM_FRONT_MAX));
}

/* Gives back all of a cache that neither clients nor drains use any more. */
static unsigned long cache_end(struct obm_cache *cache)
{
	struct obm_heap *heap = cache->heap;
	unsigned long leaked = 0;
	struct obm_node *node;
	int nid;

	obm_set_empty(heap, &cache->set);
	obm_for_each_node(heap, nid, node)
		leaked += node_evict(node, cache->set.ci);
	if (leaked)
		pr_warn("heap %s: %lu objects of cache %s leaked, %u bytes each\n",
			heap->name, leaked, cache->name,
			obm_classes[cache->set.ci].size);
	cache_bequeath(cache);

	mutex_lock(&obm_heaps_lock);
	list_del_rcu(&cache->link);
	mutex_unlock(&obm_heaps_lock);
	obm_uncharge(heap, cache_bytes() + obm_set_bytes(&cache->set));
	call_rcu(&cache->rcu, cache_free_rcu);
	return leaked;
}

/* As heap_condemn(): told by the table, as what is no cache is not looked into. */
static bool cache_condemn(struct obm_cache *cache)
{
	bool found = false;
	unsigned int i;

	mutex_lock(&obm_heaps_lock);
	for (i = 0; i < OBM_NR_CACHES && !found; i++)
		found = READ_ONCE(obm_caches[i]) == cache;
	found = found && !cache->dying;
	if (found)
		WRITE_ONCE(cache->dying, true);
	mutex_unlock(&obm_heaps_lock);
	return found;
}

/**
 * obm_cache_destroy() - give back all that a cache holds, and the cache
 * @cache: the cache, or NULL or an ERR_PTR, which is ignored; no function may be
 *	   using it or its objects any more, its heap may be in use
 *
 * Objects that are still allocated go with it, and are reported as leaks in one
 * line. What is not a cache, or is none any more, is refused with a report.
 *
 * Context: Process context, may sleep, and waits for a grace period of RCU. Takes
 * and drops obm_heaps_lock.
 * Return: how many objects were still allocated.
 */
unsigned long obm_cache_destroy(struct obm_cache *cache)
{
	if (IS_ERR_OR_NULL(cache))
		return 0;
	if (!cache_condemn(cache)) {
		obm_report(NULL, OBM_BAD_HEAP, cache, _RET_IP_);
		return 0;
	}
	/* Who drained the heap has put back what it found here. */
	synchronize_rcu();
	return cache_end(cache);
}
EXPORT_SYMBOL_NS_GPL(obm_cache_destroy, OBM_NS);

/* Destroys the caches of a heap that is being destroyed itself. */
unsigned long obm_caches_destroy(struct obm_heap *heap)
{
	struct obm_cache *cache;
	unsigned long leaked = 0;

	for (;;) {
		mutex_lock(&obm_heaps_lock);
		cache = list_first_entry_or_null(&heap->caches,
						 struct obm_cache, link);
		if (cache)
			WRITE_ONCE(cache->dying, true);
		mutex_unlock(&obm_heaps_lock);
		if (!cache)
			return leaked;
		leaked += cache_end(cache);
	}
}

/**
 * obm_cache_construct() - make objects of blocks that come out of the pools
 * @ci: class of a cache
 * @ptrs: the blocks
 * @nr: how many
 *
 * Context: Any context but NMI, with no lock held.
 */
void obm_cache_construct(unsigned int ci, void **ptrs, unsigned int nr)
{
	void (*ctor)(void *object) = class_cache(ci)->ctor;
	size_t size = obm_classes[ci].size;
	unsigned int i;

	if (!ctor)
		return;
	for (i = 0; i < nr; i++) {
		obm_san_open(ptrs[i], size);
		ctor(ptrs[i]);
		obm_san_close(ptrs[i], size);
	}
}

/* What a request may not ask of a cache. */
static bool cache_refuses(struct obm_cache *cache, gfp_t gfp,
			  unsigned long caller)
{
	if (gfp & (__GFP_DMA | __GFP_DMA32)) {
		pr_warn_once("heap %s: cache %s cannot serve zones\n",
			     cache->heap->name, cache->name);
		return true;
	}
	/* More than a few pages in a row are not to be had without fail. */
	if ((gfp & __GFP_NOFAIL) && obm_classes[cache->set.ci].order > 1) {
		obm_report(cache->heap, OBM_BAD_NOFAIL, NULL, caller);
		return true;
	}
	return false;
}

static void *cache_get(struct obm_cache *cache, gfp_t gfp)
{
	struct obm_heap *heap = cache->heap;
	void *ptr;
	int err;

	err = obm_front_alloc(heap, cache->set.ci, gfp, heap->nid, &ptr);
	if (err && obm_block_may_trim(gfp, err) && obm_heap_reclaim(heap))
		err = obm_front_alloc(heap, cache->set.ci, gfp, heap->nid,
				      &ptr);
	if (!err)
		return ptr;
	atomic_long_inc(&heap->nr_failed);
	if (err == -EDQUOT)
		atomic_long_inc(&heap->nr_limited);
	return NULL;
}

/* obm_cache_alloc() where it is not inlined, or no object waits on this CPU. */
void *__obm_cache_alloc(struct obm_cache *cache, gfp_t gfp)
{
	bool zero = want_init_on_alloc(gfp);
	size_t size;
	void *ptr;

	if (WARN_ON_ONCE(IS_ERR_OR_NULL(cache)))
		return NULL;
	size = obm_classes[cache->set.ci].size;
	might_alloc(gfp);
	if (cache_refuses(cache, gfp, _RET_IP_))
		return NULL;
	ptr = cache_get(cache, obm_block_gfp(cache->heap, gfp) & ~__GFP_ZERO);
	if (!ptr)
		return NULL;
	if (cache->ctor)
		obm_san_alloc_kept(ptr, size, gfp);
	else
		obm_san_alloc(ptr, size, gfp);
	if (zero)
		__obm_cache_zero(cache, ptr, gfp);
	return ptr;
}
EXPORT_SYMBOL_NS_GPL(__obm_cache_alloc, OBM_NS);

/* obm_cache_free() where it is not inlined, or the object cannot wait here. */
void __obm_cache_free(struct obm_cache *cache, const void *ptr)
{
	if (ptr)
		obm_block_put(cache->heap, ptr, OBM_SIZE_CACHE(cache->set.ci),
			      _RET_IP_);
}
EXPORT_SYMBOL_NS_GPL(__obm_cache_free, OBM_NS);

/* Zeroes an object, where that would not undo what the constructor did. */
void __obm_cache_zero(struct obm_cache *cache, void *ptr, gfp_t gfp)
{
	if (!cache->ctor)
		memset(ptr, 0, obm_classes[cache->set.ci].size);
	else if (gfp & __GFP_ZERO)
		pr_warn_once("heap %s: cache %s has a constructor and no zeroes\n",
			     cache->heap->name, cache->name);
}
EXPORT_SYMBOL_NS_GPL(__obm_cache_zero, OBM_NS);

/**
 * obm_cache_usable_size() - how many bytes of an object may be used
 * @cache: the cache
 *
 * Context: Any context.
 * Return: bytes: the size that it was created with, rounded up to its alignment.
 */
size_t obm_cache_usable_size(const struct obm_cache *cache)
{
	return obm_classes[cache->set.ci].size;
}
EXPORT_SYMBOL_NS_GPL(obm_cache_usable_size, OBM_NS);
