/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a heap has on a node: pools, arenas, and the node itself. Not for direct
 * use: internal.h, which includes it, explains words and letters.
 */
#ifndef OBM_NODE_H
#define OBM_NODE_H

enum obm_pool_state {
	OBM_POOL_UNUSED,	/* in arena->free_mask, in no list */
	OBM_POOL_PARTIAL,	/* in node->classes[ci].partial */
	OBM_POOL_FULL,		/* in no list */
	OBM_POOL_TAIL,		/* a further page of the pool before it */
	OBM_POOL_RETURNED,	/* its page belongs to the page allocator */
};

/**
 * struct obm_pool - descriptor of a page in an arena
 * @link: L: in the node's list of partial pools of the class
 * @map: L: free blocks, bit set = free, if they fit into one long
 * @maps: L: the same in obm_class.nr_words longs, if they do not
 * @nr_free: L: bits set in the map
 * @class_offset: L: its class, if used, else OBM_NO_CLASS, by the offset in
 *		  obm_classes[]; peeked at by the hit path
 * @idx: I: place in the arena
 * @state: L: enum obm_pool_state
 *
 * Invariants: PARTIAL: 0 < @nr_free < nr_blocks of the class. FULL: @nr_free
 * is 0. The pool's memory begins at page @idx of its arena. A wide pool takes
 * the descriptors of all its pages; the first is the pool, the others are tails.
 */
struct obm_pool {
	struct hlist_node link;
	union {
		unsigned long map;
		unsigned long *maps;
	};
	u16 nr_free;
	u16 class_offset;
	u8 idx;
	u8 state;
};

/**
 * struct obm_spot - where in a pool something lies
 * @block: number of the block, in a shared pool that of its first unit
 * @ci: its class
 * @used: it is allocated
 */
struct obm_spot {
	unsigned int block;
	unsigned int ci;
	bool used;
};

/**
 * struct obm_arena - descriptor of a run of pages
 * @front: I: of its heap
 * @link: L: in node->buckets[nr_free - 1], or in no list if @nr_free is 0
 * @all: L: in node->arenas; read under RCU
 * @node: I: where it is filed
 * @page: I: first page
 * @base: I: address of the first page
 * @free_mask: L: pages in no pool
 * @returned_mask: L: pages that went back
 * @id: I: number for a human reader
 * @order: I: 1 << @order pools
 * @nr_free: L: bits set in @free_mask
 * @split: L: its pages are single ones for the page allocator
 * @dead: L: taken out of the node; nothing may be freed into it
 * @rcu: defers the release of the descriptor
 * @pools: the pools' descriptors
 *
 * Invariants: @free_mask & @returned_mask == 0. Pools in use and their tails, by
 * their states, are exactly the pages in neither mask.
 */
struct obm_arena {
	struct obm_front *front;
	struct hlist_node link;
	struct list_head all;
	struct obm_node *node;
	struct page *page;
	void *base;
	u64 free_mask;
	u64 returned_mask;
	unsigned long id;
	u8 order;
	u8 nr_free;
	bool split;
	bool dead;
	struct rcu_head rcu;
	struct obm_pool pools[];
};

/**
 * struct obm_node_class - what a node has of one class
 * @partial: L: pools with both free and allocated blocks
 * @nr_pools: L: pools of the class, full ones included
 * @nr_mixed: L: blocks taken, and not put back, that lie in shared pools
 * @nr_taken: L: blocks taken out of the pools so far
 * @nr_put: L: blocks put back so far
 * @nr_direct: L: blocks taken for a caller and not for a slot, so far
 *
 * Invariant: @nr_taken - @nr_put blocks are in use or wait in a slot.
 */
struct obm_node_class {
	struct hlist_head partial;
	unsigned int nr_pools;
	unsigned int nr_mixed;
	u64 nr_taken;
	u64 nr_put;
	u64 nr_direct;
};

/* Blocks that are moved under one hold of a lock. */
#define OBM_BATCH		64U

/*
 * So many pages must become unused or used before /proc/meminfo is told: few
 * beside what its own counters on each CPU may be off.
 */
#define OBM_SHOW_STEP		16

/* Sizes of maps outside of pools: 2, 4, 8, … longs. */
#define OBM_NR_MAP_SIZES	8

/**
 * struct obm_node - the part of a heap that lives on one NUMA node
 * @lock: protects all of it
 * @heap: I: the heap
 * @nid: I: number of the NUMA node
 * @buckets: L: arenas by their number of unused pools, [n - 1] holds those
 *	     with n: the lowest occupied one has the fullest arena
 * @bucket_mask: L: buckets that hold an arena
 * @arenas: L: all of them; read under RCU
 * @spare_maps: L: maps of no pool, kept for the next, linked by first word
 * @full_until: in jiffies, until when no pages are asked for here if the heap
 *		has blocks elsewhere; a peek, as nothing but speed hangs on it
 * @nr_arenas: L: arenas
 * @nr_empty: L: arenas in which no pool is in use
 * @spare: L: the one of them that is kept, or NULL
 * @nr_pages: L: pages of all arenas that were not returned
 * @nr_unused: L: pages of all arenas that are in no pool; the shrinker peeks
 * @nr_shown: L: how many of them /proc/meminfo shows as reclaimable
 * @meta_bytes: L: of this structure, its arenas' descriptors and maps
 * @nr_arenas_got: L: arenas taken so far
 * @nr_arenas_put: L: arenas given back so far
 * @nr_pages_put: L: single pages given back so far
 * @gone_moves: L: blocks taken and put back, of caches that are gone
 * @gone_allocs: L: blocks handed out, of caches that are gone
 * @rnd: L: order of blocks in a hardened heap
 * @rcu: defers the release
 * @mixed: L: shared pools; of blocks it counts none
 * @classes: L: one per class, obm_nr_classes of them
 *
 * Invariants: @nr_pages == @nr_unused + sum of nr_pools << order over @classes,
 * @mixed and those of the heap's caches. @nr_shown and @nr_unused differ by less
 * than OBM_SHOW_STEP, and not at all once there is no arena.
 */
struct obm_node {
	raw_spinlock_t lock;
	struct obm_heap *heap;
	int nid;
	struct hlist_head buckets[OBM_ARENA_POOLS];
	u64 bucket_mask;
	struct list_head arenas;
	unsigned long *spare_maps[OBM_NR_MAP_SIZES];
	unsigned long full_until;
	unsigned long nr_arenas;
	unsigned long nr_empty;
	struct obm_arena *spare;
	unsigned long nr_pages;
	unsigned long nr_unused;
	unsigned long nr_shown;
	unsigned long meta_bytes;
	unsigned long nr_arenas_got;
	unsigned long nr_arenas_put;
	unsigned long nr_pages_put;
	u64 gone_moves;
	u64 gone_allocs;
	struct rnd_state rnd;
	struct rcu_head rcu;
	struct obm_node_class mixed;
	struct obm_node_class classes[];
};

#endif /* OBM_NODE_H */
