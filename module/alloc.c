// SPDX-License-Identifier: GPL-2.0-only
/*
 * The malloc family: what a client calls for a block. Decides between small
 * and raw blocks, obeys the GFP mask, and answers bad input.
 */
#include "cache.h"

/* What a request may say to the page allocator. */
#define GFP_BLOCK_MASK							\
	(__GFP_RECLAIM | __GFP_HIGH | __GFP_IO | __GFP_FS | __GFP_NOWARN | \
	 __GFP_RETRY_MAYFAIL | __GFP_NOFAIL | __GFP_NORETRY |		\
	 __GFP_MEMALLOC | __GFP_NOMEMALLOC | __GFP_HARDWALL |		\
	 __GFP_THISNODE | __GFP_ACCOUNT | __GFP_WRITE |			\
	 __GFP_RECLAIMABLE | __GFP_ZERO | __GFP_DMA | __GFP_DMA32 |	\
	 OBM_GFP_ATOMIC)

/*
 * Blocks have kernel addresses and pages of their own: highmem, movable and
 * compound pages cannot be served. kmalloc() drops such flags too.
 */
gfp_t obm_block_gfp(struct obm_heap *heap, gfp_t gfp)
{
	if (gfp & ~(GFP_BLOCK_MASK | __GFP_COMP | __GFP_MOVABLE))
		pr_warn_once("heap %s: GFP flags %pGg are not for blocks\n",
			     heap->name, &gfp);
	gfp &= GFP_BLOCK_MASK;
	if (gfp & __GFP_DMA)
		gfp &= ~__GFP_DMA32;
	if (heap->flags & OBM_HEAP_ACCOUNT)
		gfp |= __GFP_ACCOUNT;
	if (heap->flags & OBM_HEAP_RECLAIMABLE)
		gfp |= __GFP_RECLAIMABLE;
	if (heap->nid != NUMA_NO_NODE)
		gfp |= __GFP_THISNODE;
	return gfp;
}

/* The node to look at: the heap's, else the caller's if there is such a one. */
static int block_nid(struct obm_heap *heap, int nid)
{
	if (heap->nid != NUMA_NO_NODE)
		return heap->nid;
	if (nid < 0 || nid >= nr_node_ids || !node_online(nid))
		return NUMA_NO_NODE;
	return nid;
}

static void *small_get(struct obm_heap *heap, unsigned int ci, gfp_t gfp,
		       int nid)
{
	bool wide = obm_classes[ci].order;
	void *ptr;
	int err;

	err = obm_front_alloc(heap, ci, wide ? gfp & ~__GFP_NOFAIL : gfp, nid,
			      &ptr);
	return err ? ERR_PTR(err) : ptr;
}

static void *block_try(struct obm_heap *heap, size_t size, gfp_t gfp, int nid)
{
	unsigned int ci;
	void *ptr;

	/* Raw pages come zeroed, if at all, from the page allocator. */
	if (!obm_is_small(size, gfp))
		return obm_raw_alloc(heap, size, gfp, nid);

	ci = class_index(size);
	ptr = small_get(heap, ci, gfp & ~__GFP_ZERO, nid);
	if (IS_ERR(ptr))
		/* Where there is no room for a wide pool, pages will do. */
		return obm_classes[ci].order ?
		       obm_raw_alloc(heap, size, gfp, nid) : ptr;
	obm_san_alloc(ptr, obm_classes[ci].size, gfp);
	if (want_init_on_alloc(gfp))
		memset(ptr, 0, obm_classes[ci].size);
	return ptr;
}

/*
 * What the heap holds for nobody is the first reserve at its limit. Where
 * memory itself is short, who may not wait does not look for it in the heap.
 */
bool obm_block_may_trim(gfp_t gfp, int err)
{
	return err == -EDQUOT || gfpflags_allow_blocking(gfp);
}

static void *block_get(struct obm_heap *heap, size_t size, gfp_t gfp, int nid,
		       unsigned long caller)
{
	void *ptr;

	if (WARN_ON_ONCE(IS_ERR_OR_NULL(heap)))
		return NULL;
	gfp = obm_block_gfp(heap, gfp);
	might_alloc(gfp);
	if (size > OBM_MAX_BYTES) {
		atomic_long_inc(&heap->nr_failed);
		return NULL;
	}
	if ((gfp & __GFP_NOFAIL) && size > PAGE_SIZE) {
		obm_report(heap, OBM_BAD_NOFAIL, NULL, caller);
		return NULL;
	}

	nid = block_nid(heap, nid);
	ptr = block_try(heap, size, gfp, nid);
	if (IS_ERR(ptr) && obm_block_may_trim(gfp, PTR_ERR(ptr)) &&
	    obm_heap_reclaim(heap))
		ptr = block_try(heap, size, gfp, nid);
	if (!IS_ERR(ptr))
		return ptr;

	atomic_long_inc(&heap->nr_failed);
	if (PTR_ERR(ptr) == -EDQUOT)
		atomic_long_inc(&heap->nr_limited);
	return NULL;
}

/**
 * obm_alloc_node() - allocate a block near a NUMA node
 * @heap: the heap; not NULL
 * @size: bytes; 0 gives a block that may be freed and holds nothing
 * @gfp: as for kmalloc(). __GFP_ZERO zeroes the block, __GFP_ACCOUNT charges
 *	 the pages that this call adds to the heap, __GFP_DMA and __GFP_DMA32
 *	 give whole pages of their zone, __GFP_THISNODE insists on @node,
 *	 __GFP_NOFAIL passes the heap's limit and is refused above PAGE_SIZE
 * @node: the node to prefer, or NUMA_NO_NODE; a heap's own node wins
 *
 * The block is aligned to the largest power of two that divides the size of
 * its class, at least 8: a power of two is aligned to itself, and a multiple of
 * 16 to 16.
 *
 * Context: Any context but NMI, as @gfp says.
 * Return: the block; or NULL if there is no memory, the limit is reached, or
 * @size is above OBM_MAX_BYTES.
 */
void *obm_alloc_node(struct obm_heap *heap, size_t size, gfp_t gfp, int node)
{
	return block_get(heap, size, gfp, node, _RET_IP_);
}
EXPORT_SYMBOL_NS_GPL(obm_alloc_node, OBM_NS);

/* obm_alloc() where it is not inlined, and where no block waits on this CPU. */
void *__obm_alloc(struct obm_heap *heap, size_t size, gfp_t gfp)
{
	unsigned int at;
	void *ptr;

	/* Above small_max the table leads to a slot that is always empty. */
	if (likely(size <= OBM_SMALL_MAX &&
		   !(gfp & (OBM_SLOW_GFP | __GFP_ZERO | __GFP_NOFAIL)))) {
		at = class_offset(size);
		ptr = obm_front_pop_at(&heap->set.front, at);
		if (likely(ptr)) {
			if (!OBM_INLINE)
				obm_san_alloc(ptr, class_at(at)->size, gfp);
			if (want_init_on_alloc(0))
				memset(ptr, 0, class_at(at)->size);
			return ptr;
		}
	}
	return block_get(heap, size, gfp, NUMA_NO_NODE, _RET_IP_);
}
EXPORT_SYMBOL_NS_GPL(__obm_alloc, OBM_NS);

/**
 * obm_calloc() - allocate a zeroed array
 * @heap: the heap
 * @n: elements
 * @size: bytes of an element
 * @gfp: as for obm_alloc_node()
 *
 * Context: Any context but NMI, as @gfp says.
 * Return: as obm_alloc_node(); NULL too if @n * @size overflows.
 */
void *obm_calloc(struct obm_heap *heap, size_t n, size_t size, gfp_t gfp)
{
	/* SIZE_MAX, which no heap serves, where the product overflows. */
	return block_get(heap, size_mul(n, size), gfp | __GFP_ZERO,
			 NUMA_NO_NODE, _RET_IP_);
}
EXPORT_SYMBOL_NS_GPL(obm_calloc, OBM_NS);

/**
 * obm_memdup() - copy bytes into a new block
 * @heap: the heap
 * @src: what to copy
 * @len: bytes
 * @gfp: as for obm_alloc_node()
 *
 * Context: Any context but NMI, as @gfp says.
 * Return: as obm_alloc_node().
 */
void *obm_memdup(struct obm_heap *heap, const void *src, size_t len, gfp_t gfp)
{
	void *ptr = block_get(heap, len, gfp, NUMA_NO_NODE, _RET_IP_);

	if (ptr)
		memcpy(ptr, src, len);
	return ptr;
}
EXPORT_SYMBOL_NS_GPL(obm_memdup, OBM_NS);

/**
 * obm_strdup() - copy a string into a new block
 * @heap: the heap
 * @s: the string, or NULL
 * @gfp: as for obm_alloc_node()
 *
 * Context: Any context but NMI, as @gfp says.
 * Return: as obm_alloc_node(); NULL for NULL.
 */
char *obm_strdup(struct obm_heap *heap, const char *s, gfp_t gfp)
{
	size_t len;
	char *ptr;

	if (!s)
		return NULL;
	len = strlen(s);
	ptr = block_get(heap, len + 1, gfp, NUMA_NO_NODE, _RET_IP_);
	if (ptr) {
		memcpy(ptr, s, len);
		/* The string may have changed since: the copy ends all the same. */
		ptr[len] = '\0';
	}
	return ptr;
}
EXPORT_SYMBOL_NS_GPL(obm_strdup, OBM_NS);

/**
 * obm_block_find() - the block that an address lies in
 * @ptr: any address
 * @block: where it lies; no heap and no base where there is none
 *
 * Context: Any context but NMI, under rcu_read_lock(); takes a lock of the
 * block's heap.
 * Return: OBM_OK if @ptr starts an allocated block, else what is wrong.
 */
enum obm_bad obm_block_find(const void *ptr, struct obm_block *block)
{
	unsigned long owner = obm_page_owner(ptr);

	*block = (struct obm_block){ };
	if (!owner)
		return OBM_BAD_FOREIGN;
	if (owner & OBM_OWNER_RAW)
		return obm_raw_find((void *)(owner & ~OBM_OWNER_RAW), ptr,
				    block);
	return obm_node_find((void *)owner, ptr, block);
}

/*
 * Frees a small block: keeps it on this CPU if it can wait here. Until then it
 * is only peeked at; where none can wait it goes to its pool under the lock.
 */
static enum obm_bad small_put(struct obm_pool *pool, struct obm_heap *heap,
			      const void *ptr, size_t size,
			      unsigned long caller)
{
	struct obm_heap *owner = pool_arena(pool)->node->heap;
	void *block = (void *)ptr;
	enum obm_bad bad;
	unsigned int ci;

	if (obm_front_is_off(owner) || pool_ci(pool) == OBM_MIXED)
		return obm_node_free(pool, heap, ptr, size);
	if (heap && heap != owner)
		return OBM_BAD_HEAP;
	bad = obm_node_peek(pool, ptr, &ci);
	if (bad == OBM_OK && !class_is_said(ci, size))
		bad = OBM_BAD_SIZE;
	if (bad != OBM_OK)
		return bad;

	obm_block_wipe(block, ci);
	if (!obm_front_free(owner, ci, ptr, caller))
		obm_node_put(owner, ci, &block, 1, caller);
	return OBM_OK;
}

void obm_block_put(struct obm_heap *heap, const void *ptr, size_t size,
		   unsigned long caller)
{
	enum obm_bad bad = OBM_BAD_FOREIGN;
	unsigned long owner;

	rcu_read_lock();
	owner = obm_page_owner(ptr);
	if (owner & OBM_OWNER_RAW)
		bad = obm_raw_free((void *)(owner & ~OBM_OWNER_RAW), heap, ptr,
				   size);
	else if (owner)
		bad = small_put((void *)owner, heap, ptr, size, caller);
	if (unlikely(bad != OBM_OK))
		obm_report(heap, bad, ptr, caller);
	rcu_read_unlock();
}

/*
 * The hit path of a free without a size: the arena by its address, the pool, a
 * look as in obm_node_peek(), the slot. Disabled preemption is a read-side
 * section of RCU. A pool in no use has a class that no pointer fits.
 */
static __always_inline bool block_keep(const void *ptr)
{
	unsigned long offset = (unsigned long)ptr - PAGE_OFFSET;
	unsigned long i = offset >> OBM_ARENA_SHIFT;
	const struct obm_class *class;
	const struct obm_arena *arena;
	const struct obm_pool *pool;
	unsigned int at, block;
	bool done = false;
	u64 product;

	if (!OBM_INLINE || i >= obm_table_nr)
		return false;
	preempt_disable();
	if (!obm_front_mine())
		goto out;
	/* Read once, as READ_ONCE() would, but in one instruction. */
	arena = data_race(obm_table[i]);
	OPTIMIZER_HIDE_VAR(arena);
	pool = &arena->pools[(offset >> PAGE_SHIFT) % OBM_ARENA_POOLS];
	at = READ_ONCE(pool->class_offset);
	class = class_at(at);
	product = (u64)offset_in_page(ptr) * class->recip;
	if (unlikely(!class_divides(class, product)))
		goto out;
	block = product >> 32;
	/* The map knows free blocks, and what lies behind the last one. */
	if (class->nr_words == 1 ? !!(data_race(pool->map) & BIT(block)) :
				   block >= class->nr_blocks)
		goto out;
	done = obm_slot_push((void __percpu *)READ_ONCE(arena->front->slots) +
			     at, ptr);
out:
	preempt_enable();
	return done;
}

/**
 * obm_free() - free a block
 * @ptr: from any of the allocating functions, of any heap; NULL does nothing
 *
 * Anything else is refused with a report, and nothing changes. One mistake is
 * told late unless the heap is hardened: freeing a block again that waits on a
 * CPU, or that is of less than 64 bytes (PAGE_SIZE / BITS_PER_LONG), whose map is
 * not looked at here. It is found when the block leaves the CPU.
 *
 * Context: Any context but NMI. Takes and drops a lock of the block's heap.
 */
void obm_free(const void *ptr)
{
	if (likely(block_keep(ptr)) || !ptr)
		return;
	obm_block_put(NULL, ptr, OBM_SIZE_ANY, _RET_IP_);
}
EXPORT_SYMBOL_NS_GPL(obm_free, OBM_NS);

/* obm_free_sized() where it is not inlined, or the block cannot wait here. */
void __obm_free_sized(struct obm_heap *heap, const void *ptr, size_t size)
{
	if (ptr)
		obm_block_put(heap, ptr, size, _RET_IP_);
}
EXPORT_SYMBOL_NS_GPL(__obm_free_sized, OBM_NS);

/*
 * Whether @block may serve @size where it is: if a new one would be as large.
 * CPython also keeps a block of which up to a quarter would be wasted; here a
 * sized free must find the class by the size that was asked for last.
 */
static bool block_fits(const struct obm_block *block, size_t size)
{
	size_t nr_pages = DIV_ROUND_UP(size, PAGE_SIZE);

	if (size > block->size)
		return false;
	if (!block->raw)
		return class_index(size) == class_index(block->size);
	return size > obm_small_max &&
	       (nr_pages == block->size >> PAGE_SHIFT ||
		obm_raw_shrink(block->raw, nr_pages));
}

/**
 * obm_realloc() - resize a block
 * @heap: the heap that it is of
 * @ptr: the block, or NULL to allocate one
 * @size: bytes; 0 keeps a block that holds nothing
 * @gfp: as for obm_alloc_node(); with __GFP_ZERO what the block grows by is
 *	 zeroed, from the end of its old usable size on
 *
 * Content is kept up to the smaller of both sizes. The block stays where it is
 * if the new size has the same class, and a raw block gives back its last pages;
 * on failure it is as it was.
 *
 * Context: Any context but NMI, as @gfp says.
 * Return: the block, moved or not; NULL where obm_alloc_node() gives it, and,
 * with a report, where @ptr is no block of @heap or an object of a cache.
 */
void *obm_realloc(struct obm_heap *heap, void *ptr, size_t size, gfp_t gfp)
{
	struct obm_block block;
	enum obm_bad bad;
	void *new;

	if (!ptr)
		return block_get(heap, size, gfp, NUMA_NO_NODE, _RET_IP_);

	rcu_read_lock();
	bad = obm_block_find(ptr, &block);
	if (bad == OBM_OK && block.heap != heap)
		bad = OBM_BAD_HEAP;
	/* An object has the size of its type, which nothing changes. */
	if (bad == OBM_OK && block.cached)
		bad = OBM_BAD_SIZE;
	if (bad != OBM_OK) {
		obm_report(heap, bad, ptr, _RET_IP_);
		rcu_read_unlock();
		return NULL;
	}
	if (block_fits(&block, size)) {
		rcu_read_unlock();
		return ptr;
	}
	rcu_read_unlock();

	new = block_get(heap, size, gfp, NUMA_NO_NODE, _RET_IP_);
	if (!new)
		return NULL;
	memcpy(new, ptr, min(size, block.size));
	obm_free(ptr);
	return new;
}
EXPORT_SYMBOL_NS_GPL(obm_realloc, OBM_NS);

/**
 * obm_usable_size() - how many bytes of a block may be used
 * @ptr: the block, or NULL
 *
 * Context: Any context but NMI. Takes and drops a lock of the block's heap.
 * Return: bytes, at least those asked for; 0 for NULL and, with a report, for
 * what is no block.
 */
size_t obm_usable_size(const void *ptr)
{
	struct obm_block block;
	enum obm_bad bad;

	if (!ptr)
		return 0;
	rcu_read_lock();
	bad = obm_block_find(ptr, &block);
	if (bad != OBM_OK)
		obm_report(NULL, bad, ptr, _RET_IP_);
	rcu_read_unlock();
	return bad == OBM_OK ? block.size : 0;
}
EXPORT_SYMBOL_NS_GPL(obm_usable_size, OBM_NS);

/**
 * obm_block_bounds() - base and limit of the block that an address lies in
 * @ptr: any address, also one inside of a block
 * @base: set to the start of the block, if not NULL
 * @size: set to its usable size in bytes, if not NULL
 *
 * Nothing is reported: asking is no mistake. The answer holds as long as the
 * block is not freed. A freed block that waits on a CPU counts as allocated.
 *
 * Context: Any context but NMI. Takes and drops a lock of the block's heap.
 * Return: 0; -EFAULT if the address is of no heap; -ENOENT if it is of a heap
 * but in no allocated block.
 */
int obm_block_bounds(const void *ptr, void **base, size_t *size)
{
	struct obm_block block;
	enum obm_bad bad;

	rcu_read_lock();
	bad = obm_block_find(ptr, &block);
	rcu_read_unlock();
	if (bad == OBM_BAD_FOREIGN)
		return -EFAULT;
	if (!block.base || bad == OBM_BAD_DOUBLE || bad == OBM_BAD_STALE)
		return -ENOENT;
	if (base)
		*base = block.base;
	if (size)
		*size = block.size;
	return 0;
}
EXPORT_SYMBOL_NS_GPL(obm_block_bounds, OBM_NS);

/**
 * obm_owns() - whether an address lies in an allocated block of a heap
 * @heap: the heap
 * @ptr: any address
 *
 * A freed block that waits on a CPU counts as allocated.
 *
 * Context: Any context but NMI. Takes and drops a lock of the block's heap.
 * Return: true if so.
 */
bool obm_owns(struct obm_heap *heap, const void *ptr)
{
	struct obm_block block;
	enum obm_bad bad;

	rcu_read_lock();
	bad = obm_block_find(ptr, &block);
	rcu_read_unlock();
	return block.heap == heap && block.base && bad != OBM_BAD_DOUBLE &&
	       bad != OBM_BAD_STALE;
}
EXPORT_SYMBOL_NS_GPL(obm_owns, OBM_NS);
