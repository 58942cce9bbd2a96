/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of obmalloc.ko share, and nobody else sees.
 *
 * Glossary, from the outside in:
 *   heap   a client's private allocator; no page is shared between heaps
 *   node   the part of a heap that lives on one NUMA node
 *   arena  a run of pages from the page allocator, OBM_ARENA_POOLS if it can be
 *   pool   one page of an arena, or a few for a wide class, cut into blocks of
 *          one class or unused
 *   block  what a client gets; nothing is ever written into a free block
 *   raw    a block above small_max: a run of pages of its own
 *   cache  a class of a heap that a client made for objects of one type
 *   slot   free blocks of a class that wait on a CPU for the next caller
 *   set    slots on all CPUs: of a heap's classes, or of a cache
 *   class  blocks of one size; its index is always called ci
 *
 * Layers, a lower one never calls a higher: class < charge, page < pool <
 * arena < mixed, node, put, raw < mag < front < heap < alloc, bulk, cache < rcu.
 * shrink gives back for the kernel what it finds below heap. stats, validate, proc
 * and debugfs look. heap ends its caches, and front has objects constructed.
 * What is made of all that, counted objects, is in object.h; heap ends those, too.
 *
 * Lock order:
 *   1. obm_heaps_lock	(mutex)		which heaps there are, and caches
 *   2. obm_node.lock	(raw spinlock)	all of a node: its arenas, pools, counts
 *      obm_heap.raw_lock (raw spinlock) the heap's raw blocks
 * A slot has no lock: only its own CPU touches it, with preemption disabled;
 * obm_front.h, front.c and drain.c say how.
 * The two of level 2 are never held together, and no two nodes' locks are.
 * Both are raw because a free may come from a hard interrupt on PREEMPT_RT
 * too; so nothing is allocated or freed under them, and no loop under them is
 * longer than an arena has pools, a pool has words or a magazine has blocks.
 *
 * Letters on fields:
 *   I: set before others can see the structure, then constant
 *   M: protected by obm_heaps_lock
 *   L: protected by the node's lock; readers of single words may peek
 *   R: protected by the heap's raw_lock
 *   A: atomic
 *
 * Life time. Descriptors (heap, node, arena, raw) are freed after an RCU grace
 * period. Whoever starts from a client's pointer holds rcu_read_lock(), finds
 * the descriptor through the page, takes the lock and only then looks whether
 * the descriptor is still in use. A stale pointer thus never leads to freed
 * memory, however late it comes.
 */
#ifndef OBM_INTERNAL_H
#define OBM_INTERNAL_H

#include "seam.h"
#include "class.h"

#include <linux/obmalloc.h>

#define OBM_ARENA_POOLS		BIT(OBM_ARENA_ORDER)
#define OBM_ARENA_SHIFT		(PAGE_SHIFT + OBM_ARENA_ORDER)

static_assert(OBM_ARENA_POOLS <= 64, "an arena's masks are u64");
static_assert(OBM_ARENA_POOLS >= 2, "a full-size arena has buckets");

#include "node.h"

/**
 * struct obm_raw - descriptor of a block above small_max
 * @link: R: in heap->raws
 * @heap: I: the heap
 * @page: I: first page
 * @nr_pages: R: pages
 * @order: I: 1 << @order pages for the page allocator, if not @split
 * @split: R: single pages for the page allocator
 * @dead: R: freed
 * @later: in heap->raws_later
 * @rcu: defers the release of the descriptor
 */
struct obm_raw {
	struct list_head link;
	struct obm_heap *heap;
	struct page *page;
	unsigned int nr_pages;
	u8 order;
	bool split;
	bool dead;
	struct llist_node later;
	struct rcu_head rcu;
};

/**
 * struct obm_set - slots on all CPUs, of a heap's classes or of a cache
 * @front: those of tasks; set once (cmpxchg)
 * @bh_slots: the same for softirqs
 * @none: I: what both are before, and hard interrupts find: always empty
 * @later: in jiffies, until when no slots are asked for; a peek
 * @nr: I: slots on a CPU; as many pointers to magazines stand behind them
 * @ci: I: class of the first one
 */
struct obm_set {
	struct obm_front front;
	struct obm_slot __percpu *bh_slots;
	struct obm_slot __percpu *none;
	unsigned long later;
	unsigned int nr;
	unsigned int ci;
};

/**
 * struct obm_heap - a client's private allocator
 * @set: blocks that wait on CPUs
 * @link: M: in obm_heaps; the shrinker counts under RCU
 * @name: I: unique among heaps
 * @limit_bytes: I: most that @held_bytes may become, 0 for no limit
 * @nid: I: node of every page, or NUMA_NO_NODE
 * @flags: I: OBM_HEAP_*
 * @plain: I: of no node, and not hardened
 * @held_bytes: A: pages and metadata, those being taken just now included
 * @peak_bytes: A: the most that @held_bytes was when memory had been taken
 * @nr_failed: A: allocations that found no memory
 * @nr_limited: A: allocations that the limit refused
 * @nr_bad: A: callers' mistakes
 * @nr_cut: A: arenas so far that kept a part of their pages
 * @front_bytes: A: bytes of blocks that the magazines have room for
 * @mag_bytes: A: of the magazines themselves
 * @draining: A: somebody is asking the CPUs for their magazines
 * @reclaimed: in jiffies, when they were last asked for want of room; a peek
 * @raw_lock: protects the raw blocks
 * @raws: R: raw blocks
 * @nr_raw: R: how many
 * @raw_pages: R: their pages
 * @raw_allocs: R: raw blocks handed out so far
 * @raw_frees: R: raw blocks that came back so far
 * @raws_later: A: freed raw blocks whose pages could not be given back yet
 * @rcu_new: A: rcu_heads of blocks to free after a grace period that has not begun
 * @rcu_wait: those whose grace period has begun; of whoever has set @rcu_busy
 * @rcu_busy: A: a grace period is being waited for, or its blocks are being freed
 * @rcu_gp: waits for it
 * @rcu_work: frees them
 * @dying: M: being destroyed, but its name is not free yet
 * @trim_work: gives memory back where a free could not (PREEMPT_RT)
 * @dir: I: debugfs directory
 * @caches: M: its caches, oldest first; read under RCU
 * @gc: what it has of objects; set once, released when it is destroyed
 * @object_bytes: A: of that, and of their kinds
 * @rcu: defers the release
 * @nodes: by node number, made when first used; set once (cmpxchg), so a reader
 *	   needs no lock
 */
struct obm_heap {
	struct obm_set set;
	struct list_head link;
	char name[OBM_NAME_LEN];
	size_t limit_bytes;
	int nid;
	unsigned int flags;
	bool plain;
	atomic_long_t held_bytes;
	atomic_long_t peak_bytes;
	atomic_long_t nr_failed;
	atomic_long_t nr_limited;
	atomic_long_t nr_bad[OBM_NR_BAD];
	atomic_long_t nr_cut;
	atomic_long_t front_bytes;
	atomic_long_t mag_bytes;
	atomic_t draining;
	unsigned long reclaimed;
	raw_spinlock_t raw_lock;
	struct list_head raws;
	unsigned long nr_raw;
	unsigned long raw_pages;
	u64 raw_allocs;
	u64 raw_frees;
	struct llist_head raws_later;
	struct llist_head rcu_new;
	struct llist_node *rcu_wait;
	atomic_t rcu_busy;
	struct rcu_head rcu_gp;
	struct work_struct rcu_work;
	bool dying;
	struct work_struct trim_work;
	struct dentry *dir;
	struct list_head caches;
	struct obm_gc *gc;
	atomic_long_t object_bytes;
	struct rcu_head rcu;
	struct obm_node *nodes[];
};

/* What the functions that look at a client's pointer say if nothing is wrong. */
#define OBM_OK			OBM_NR_BAD

/* All heaps, oldest first; M, or read under RCU. */
extern struct list_head obm_heaps;
extern struct mutex obm_heaps_lock;

/* Mistakes with pointers of which no heap is known. */
extern atomic_long_t obm_nr_bad[OBM_NR_BAD];

/* charge.c: what a heap holds against its limit */
bool obm_charge_room(struct obm_heap *heap, size_t bytes, size_t slack,
		     gfp_t gfp);
void obm_charge_peak(struct obm_heap *heap);
void obm_uncharge(struct obm_heap *heap, size_t bytes);

static inline bool obm_charge(struct obm_heap *heap, size_t bytes, gfp_t gfp)
{
	return obm_charge_room(heap, bytes, 0, gfp);
}

/*
 * page.c: pages, and whose an address is. The owner's word is a descriptor's
 * address; its lowest bit tells what of.
 */
#define OBM_OWNER_RAW		1UL

void obm_page_init(void);
void obm_page_set_owner(struct page *page, unsigned int nr,
			unsigned long owner);
unsigned long obm_page_owner(const void *ptr);
struct page *obm_pages_get(const struct obm_heap *heap, unsigned int order,
			   gfp_t gfp, int nid);
void obm_pages_put(const struct obm_heap *heap, struct page *page,
		   unsigned int order);
void obm_pages_put_single(const struct obm_heap *heap, struct page *page,
			  unsigned int nr);
void obm_pages_cut(const struct obm_heap *heap, struct page *page,
		   unsigned int order, unsigned int keep, gfp_t gfp);
struct page *obm_page_get_meta(gfp_t gfp, int nid);
void obm_page_put_meta(struct page *page);
void obm_pages_put_mask(const struct obm_heap *heap, struct page *page,
			u64 mask);
void obm_pages_show_unused(const struct obm_heap *heap, int nid, long nr);
bool obm_may_return(void);

static inline gfp_t obm_meta_gfp(gfp_t gfp)
{
	return gfp & (__GFP_RECLAIM | __GFP_HIGH | __GFP_IO | __GFP_FS |
		      __GFP_NOWARN | __GFP_RETRY_MAYFAIL | __GFP_NOFAIL |
		      __GFP_NORETRY | __GFP_MEMALLOC | __GFP_NOMEMALLOC |
		      __GFP_ACCOUNT | OBM_GFP_ATOMIC);
}

/*
 * page.c: the arena that each 1 << OBM_ARENA_SHIFT bytes of the kernel's linear mapping
 * belong to, if it is one of full size: those are aligned to it. A first look,
 * for speed: what is not in the table may yet be ours.
 */
extern struct obm_arena **obm_table;
extern unsigned long obm_table_nr;

int obm_table_init(void);
void obm_table_exit(void);
void obm_table_set(const struct obm_arena *arena, struct obm_arena *value);

/* Descriptors with their owner known: what a client's pointer led to. */
static inline struct obm_arena *pool_arena(const struct obm_pool *pool)
{
	const struct obm_pool *first = pool - pool->idx;

	return container_of(first, struct obm_arena, pools[0]);
}

static inline unsigned int pool_ci(const struct obm_pool *pool)
{
	return READ_ONCE(pool->class_offset) >> OBM_CLASS_SHIFT;
}

static inline void pool_set_class(struct obm_pool *pool, unsigned int ci)
{
	WRITE_ONCE(pool->class_offset, ci << OBM_CLASS_SHIFT);
}

static inline void *pool_base(const struct obm_pool *pool)
{
	return pool_arena(pool)->base + ((size_t)pool->idx << PAGE_SHIFT);
}

static inline bool obm_is_small(size_t size, gfp_t gfp)
{
	/* A zone that arenas are not taken from makes any size a raw block. */
	return size <= obm_small_max && !(gfp & (__GFP_DMA | __GFP_DMA32));
}

/* Of a pointer into the pool, from its beginning. */
static inline unsigned int pool_offset(const struct obm_pool *pool,
				       const void *ptr)
{
	return obm_classes[pool_ci(pool)].order ? ptr - pool_base(pool) :
					     offset_in_page(ptr);
}

/* The owner's word of an address, from the table if it is there. */
static inline unsigned long obm_find_owner(const void *ptr)
{
	unsigned long offset = (unsigned long)ptr - PAGE_OFFSET;
	const struct obm_arena *arena;
	const struct obm_pool *pool;

	if (offset >> OBM_ARENA_SHIFT < obm_table_nr) {
		arena = READ_ONCE(obm_table[offset >> OBM_ARENA_SHIFT]);
		pool = &arena->pools[(offset >> PAGE_SHIFT) % OBM_ARENA_POOLS];
		if (READ_ONCE(pool->class_offset) !=
		    OBM_NO_CLASS << OBM_CLASS_SHIFT)
			return (unsigned long)pool;
	}
	return obm_page_owner(ptr);
}

/* pool.c: blocks of one pool */
unsigned int obm_map_order(unsigned int ci);
size_t obm_map_bytes(unsigned int order);
unsigned long *obm_map_alloc(struct obm_heap *heap, unsigned int ci,
			     gfp_t gfp, int nid);
void obm_map_add(struct obm_node *node, unsigned int ci, unsigned long *map);
bool obm_map_ready(struct obm_node *node, unsigned int ci);
size_t obm_maps_release(struct obm_node *node);
void obm_pool_carve(struct obm_node *node, struct obm_pool *pool,
		    unsigned int ci);
void obm_pool_uncarve(struct obm_node *node, struct obm_pool *pool);
void obm_pool_abandon(struct obm_heap *heap, struct obm_pool *pool);
unsigned int obm_pool_pop_hard(struct obm_node *node, struct obm_pool *pool,
			       unsigned int nr, void **ptrs);
bool obm_pool_tail_is_set(const struct obm_pool *pool);
unsigned int obm_pool_count_free(const struct obm_pool *pool);

/* mixed.c: pools that classes share */
unsigned int obm_mixed_units(unsigned int ci);
void *obm_mixed_get(struct obm_node *node, unsigned int ci,
		    unsigned int *missing);
void obm_mixed_put(struct obm_node *node, struct obm_pool *pool,
		   unsigned int unit);
enum obm_bad obm_mixed_look(const struct obm_pool *pool, unsigned int offset,
			    struct obm_spot *spot);
void obm_mixed_abandon(struct obm_pool *pool);
const char *obm_mixed_check(const struct obm_pool *pool, u64 *nr_blocks);

/* arena.c: pools of one arena, arenas of one node */
int obm_arena_init(void);
void obm_arena_exit(void);
struct obm_arena *obm_arena_create(struct obm_heap *heap, gfp_t gfp, int nid,
				   unsigned int min_order);
unsigned int obm_arena_release(struct obm_heap *heap, struct obm_arena *arena);
void obm_arena_add(struct obm_node *node, struct obm_arena *arena);
void obm_arena_del(struct obm_node *node, struct obm_arena *arena);
struct obm_pool *obm_arena_take_pool(struct obm_node *node,
				     unsigned int order);
struct obm_arena *obm_arena_give_pool(struct obm_node *node,
				      struct obm_pool *pool,
				      unsigned int order, bool may_return);
unsigned long obm_arena_trim(struct obm_node *node, unsigned long nr);
size_t obm_arena_meta_bytes(unsigned int order);

/* node.c: small blocks, out of the pools */
struct obm_node *obm_node_get(struct obm_heap *heap, int nid, gfp_t gfp);
struct obm_pool *obm_node_carve(struct obm_node *node, unsigned int ci,
				unsigned int *missing);
void obm_node_release(struct obm_node *node);
int obm_node_alloc(struct obm_heap *heap, unsigned int ci, gfp_t gfp,
		   int nid, unsigned int want, void **ptrs);
unsigned int obm_node_fetch(struct obm_heap *heap, unsigned int ci,
			    unsigned int want, void **ptrs);
bool obm_node_is_busy(struct obm_heap *heap, unsigned int ci, int nid);

/* put.c: small blocks, back into the pools */
unsigned long obm_node_put(struct obm_heap *heap, unsigned int ci, void **ptrs,
			   unsigned int nr, unsigned long caller);
enum obm_bad obm_node_peek(struct obm_pool *pool, const void *ptr,
			   unsigned int *ci);
enum obm_bad obm_node_free(struct obm_pool *pool, struct obm_heap *heap,
			   const void *ptr, size_t size);
void obm_pool_retire(struct obm_node *node, struct obm_pool *pool,
		     bool may_return, struct hlist_head *empty);
unsigned long obm_arenas_release(struct obm_heap *heap,
				 struct hlist_head *empty);

/**
 * struct obm_block - where a client's pointer lies
 * @heap: of this heap
 * @base: in the block that starts here
 * @size: and is so many bytes long
 * @raw: its descriptor if it is above small_max, or NULL
 * @cached: it is an object of a cache
 */
struct obm_block {
	struct obm_heap *heap;
	void *base;
	size_t size;
	struct obm_raw *raw;
	bool cached;
};

enum obm_bad obm_node_find(struct obm_pool *pool, const void *ptr,
			   struct obm_block *block);

/* raw.c: blocks above small_max */
void *obm_raw_alloc(struct obm_heap *heap, size_t size, gfp_t gfp, int nid);
enum obm_bad obm_raw_free(struct obm_raw *raw, struct obm_heap *heap,
			  const void *ptr, size_t size);
enum obm_bad obm_raw_find(struct obm_raw *raw, const void *ptr,
			  struct obm_block *block);
bool obm_raw_shrink(struct obm_raw *raw, unsigned int nr_pages);
size_t obm_raw_release_later(struct obm_heap *heap);
unsigned long obm_raw_release_all(struct obm_heap *heap);

/* mag.c: magazines */
#define OBM_FRONT_MAX		252U

extern unsigned int obm_front_max;
extern unsigned int obm_front_kib;

/* front.c: blocks that wait on a CPU */
extern bool obm_harden;

int obm_front_init(void);
void obm_front_exit(void);
int obm_front_alloc(struct obm_heap *heap, unsigned int ci, gfp_t gfp, int nid,
		    void **ptr);
bool obm_front_free(struct obm_heap *heap, unsigned int ci, const void *ptr,
		    unsigned long caller);
void obm_front_fit(struct obm_heap *heap, unsigned int ci, gfp_t gfp, size_t n);
bool obm_front_is_off(const struct obm_heap *heap);
unsigned long obm_front_drain(struct obm_heap *heap, bool others);
bool obm_front_drain_all(struct obm_heap *heap, bool wait);
unsigned long obm_front_shrink(struct obm_heap *heap, bool others);
unsigned long obm_front_count(struct obm_heap *heap, unsigned int ci);
unsigned long obm_front_allocs(struct obm_heap *heap, unsigned int ci);
void obm_front_drain_cpu(struct obm_heap *heap, unsigned int cpu);
void obm_set_init(struct obm_set *set, unsigned int nr, unsigned int ci);
void obm_set_empty(struct obm_heap *heap, struct obm_set *set);
void obm_set_destroy(struct obm_set *set);
size_t obm_set_bytes(const struct obm_set *set);

/* A size that no sized free has: the caller does not know it. */
#define OBM_SIZE_ANY		SIZE_MAX

/*
 * What a node's descriptor takes. One that fills most of a page has a page of its
 * own, so that a small heap does not begin with a slab of such.
 */
static inline bool node_has_page(void)
{
	size_t bytes = struct_size_t(struct obm_node, classes, obm_nr_classes);

	return obm_compact && bytes > PAGE_SIZE / 2 && bytes <= PAGE_SIZE;
}

static inline size_t node_bytes(void)
{
	return node_has_page() ? PAGE_SIZE :
	       struct_size_t(struct obm_node, classes, obm_nr_classes);
}

static inline size_t raw_bytes(const struct obm_raw *raw)
{
	return (size_t)raw->nr_pages << PAGE_SHIFT;
}

/* alloc.c */
gfp_t obm_block_gfp(struct obm_heap *heap, gfp_t gfp);
bool obm_block_may_trim(gfp_t gfp, int err);
void obm_block_put(struct obm_heap *heap, const void *ptr, size_t size,
		   unsigned long caller);
enum obm_bad obm_block_find(const void *ptr, struct obm_block *block);

/* rcu.c: frees that wait for a grace period */
void obm_rcu_init(void);
void obm_rcu_create(struct obm_heap *heap);
void obm_rcu_drain(struct obm_heap *heap);
void obm_rcu_wait(struct obm_heap *heap);

/* heap.c */
int obm_name_check(const char *name);
bool obm_heap_reclaim(struct obm_heap *heap);
int obm_heap_init(void);
void obm_heap_exit(void);
size_t obm_heap_trim_wait(struct obm_heap *heap);
size_t obm_heap_trim_all(void);

/**
 * struct obm_shrink_more - a layer above that can be asked for memory, too
 * @count: pages of a node that it might give
 * @kick: it is to give so many pages of a node, later; in any context. False if
 *	  it has none to give
 */
struct obm_shrink_more {
	unsigned long (*count)(int nid);
	bool (*kick)(int nid, unsigned long nr);
};

/* shrink.c */
extern const struct obm_shrink_more *obm_shrink_more;
unsigned long obm_shrink_count(int nid);
unsigned long obm_shrink_scan(int nid, unsigned long nr);
int obm_shrink_init(void);
void obm_shrink_exit(void);

/* type.c: what a heap has of objects */
int obm_objects_init(void);
void obm_objects_exit(void);
void obm_objects_end(struct obm_heap *heap);

/* validate.c */
int obm_heap_validate_all(void);

/* The first node from number *@nid on that the heap has used, or NULL. */
static inline struct obm_node *obm_node_from(struct obm_heap *heap, int *nid)
{
	struct obm_node *node;

	for (; *nid < nr_node_ids; (*nid)++) {
		/* Pairs with the cmpxchg in obm_node_get(). */
		node = smp_load_acquire(&heap->nodes[*nid]);
		if (node)
			return node;
	}
	return NULL;
}

static inline bool obm_heap_is_hard(const struct obm_heap *heap)
{
	return obm_harden || (heap->flags & OBM_HEAP_HARDEN);
}

#define obm_for_each_node(heap, nid, node)				\
	for ((nid) = 0; ((node) = obm_node_from(heap, &(nid))); (nid)++)

/* stats.c: snapshots, a node at a time */
void obm_stats_all(struct obm_stats *stats);

/**
 * struct obm_class_stats - one class of a heap, or its raw blocks
 * @nr_blocks: allocated blocks
 * @nr_total: allocated and available blocks
 * @nr_pools: pools in use
 * @nr_allocs: blocks handed out so far
 * @nr_frees: blocks that came back so far
 */
struct obm_class_stats {
	u64 nr_blocks;
	u64 nr_total;
	u64 nr_pools;
	u64 nr_allocs;
	u64 nr_frees;
};

void obm_stats_class(struct obm_heap *heap, unsigned int ci,
		     struct obm_class_stats *stats);
void obm_stats_mixed(struct obm_heap *heap, struct obm_class_stats *stats);
void obm_stats_raw(struct obm_heap *heap, struct obm_class_stats *stats);
extern const char *const obm_bad_names[OBM_NR_BAD];

/* report.c: mistakes of callers and of our own */
void obm_report(struct obm_heap *heap, enum obm_bad bad, const void *ptr,
		unsigned long caller);
__printf(4, 5)
void obm_report_misuse(struct obm_heap *heap, enum obm_bad bad, const char *of,
		       const char *fmt, ...);
void obm_report_broken(const struct obm_heap *heap, const char *what,
		       unsigned long arena_id, unsigned int pool);

#ifdef CONFIG_PROC_FS
int obm_proc_init(void);
void obm_proc_exit(void);
#else
static inline int obm_proc_init(void) { return 0; }
static inline void obm_proc_exit(void) { }
#endif

#ifdef CONFIG_DEBUG_FS
void obm_debugfs_init(void);
void obm_debugfs_exit(void);
void obm_debugfs_add(struct obm_heap *heap);
void obm_gcfs_add(struct obm_heap *heap);
void obm_debugfs_del(struct obm_heap *heap);
#else
static inline void obm_debugfs_init(void) { }
static inline void obm_debugfs_exit(void) { }
static inline void obm_debugfs_add(struct obm_heap *heap) { }
static inline void obm_debugfs_del(struct obm_heap *heap) { }
#endif

#endif /* OBM_INTERNAL_H */
