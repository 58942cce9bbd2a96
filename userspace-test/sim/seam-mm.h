/* SPDX-License-Identifier: GPL-2.0-only */
/* The page allocator, the slab allocator and what a machine's memory is. */
#ifndef SIM_SEAM_MM_H
#define SIM_SEAM_MM_H

/**
 * struct page - as much of it as a page's owner may use, and our own books
 * @private: the owner's
 * @index: the owner's
 * @junk: what we left in those two words when we gave the page out
 * @next: in the list of free runs
 * @prev: in the list of free runs
 * @refcount: 1 in the first page of a run that is in use, and once it is split
 *	      in each of it
 * @order: of a free run, in its first page
 * @nr: pages of a run in use, in its first page
 * @charged: and whether it was taken with __GFP_ACCOUNT, there too
 * @free: first page of a free run
 * @held: in use
 */
struct page {
	unsigned long private;
	unsigned long index;
	unsigned long junk[2];
	int next;
	int prev;
	int refcount;
	unsigned int nr;
	bool charged;
	u8 order;
	bool free;
	bool held;
};

extern struct page sim_pages[];
extern char *sim_base;

enum node_stat_item {
	NR_SLAB_RECLAIMABLE_B,		/* these two in bytes */
	NR_SLAB_UNRECLAIMABLE_B,
	NR_KERNEL_MISC_RECLAIMABLE,	/* in pages */
	NR_VM_NODE_STAT_ITEMS
};

struct pglist_data {
	atomic_long_t stat[NR_VM_NODE_STAT_ITEMS];
};

bool virt_addr_valid(const void *ptr);
struct page *virt_to_page(const void *ptr);
void *page_address(const struct page *page);
int page_to_nid(const struct page *page);
struct pglist_data *page_pgdat(const struct page *page);
struct pglist_data *NODE_DATA(int nid);
void mod_node_page_state(struct pglist_data *pgdat, enum node_stat_item item,
			 long delta);

struct page *alloc_pages(gfp_t gfp, unsigned int order);
struct page *alloc_pages_node(int nid, gfp_t gfp, unsigned int order);
void __free_pages(struct page *page, unsigned int order);
#define __free_page(page)	__free_pages(page, 0)
#define CONFIG_MEM_ALLOC_PROFILING	sim_profiling
extern bool sim_profiling;
void split_page(struct page *page, unsigned int order);
void init_page_count(struct page *page);

/* Reclaim */
struct shrink_control {
	gfp_t gfp_mask;
	int nid;
	unsigned long nr_to_scan;
	unsigned long nr_scanned;
};

struct shrinker {
	unsigned long (*count_objects)(struct shrinker *shrinker,
				       struct shrink_control *sc);
	unsigned long (*scan_objects)(struct shrinker *shrinker,
				      struct shrink_control *sc);
};

#define SHRINK_STOP		(~0UL)
#define SHRINK_EMPTY		(~0UL - 1)
#define SHRINKER_NUMA_AWARE	BIT(2)
struct shrinker *shrinker_alloc(unsigned int flags, const char *fmt, ...)
	__printf(2, 3);
void shrinker_register(struct shrinker *shrinker);
void shrinker_free(struct shrinker *shrinker);
void mm_account_reclaimed_pages(unsigned long pages);

bool want_init_on_alloc(gfp_t gfp);
bool want_init_on_free(void);

#define TASK_SIZE		0x10000UL
bool object_is_on_stack(const void *ptr);
bool is_vmalloc_addr(const void *ptr);
extern char sim_vmalloc_area[64];

/* NUMA */
extern unsigned int nr_node_ids;
extern unsigned int nr_online_nodes;
enum node_states { N_MEMORY };
bool node_online(int nid);
bool node_state(int nid, enum node_states state);
int numa_mem_id(void);

/* The linear mapping; what lies above high_memory was added later. */
#define PAGE_OFFSET		((unsigned long)sim_base)
extern char *sim_high_memory;
#define high_memory		sim_high_memory
#define kvcalloc(n, size, gfp)	calloc(n, size)
#define kvfree(ptr)		free(ptr)

/* The slab allocator */
struct kmem_cache;
void *kmalloc_node(size_t size, gfp_t gfp, int nid);
void kfree(const void *ptr);
#define kmalloc(size, gfp)		kmalloc_node(size, gfp, NUMA_NO_NODE)
#define kzalloc(size, gfp)		kmalloc(size, (gfp) | __GFP_ZERO)
#define kzalloc_node(size, gfp, nid)	kmalloc_node(size, (gfp) | __GFP_ZERO, nid)
struct kmem_cache *kmem_cache_create(const char *name, unsigned int size,
				     unsigned int align, unsigned int flags,
				     void (*ctor)(void *ptr));
void kmem_cache_destroy(struct kmem_cache *cache);
void *kmem_cache_alloc_node(struct kmem_cache *cache, gfp_t gfp, int nid);
#define kmem_cache_zalloc(cache, gfp)					\
	kmem_cache_alloc_node(cache, (gfp) | __GFP_ZERO, NUMA_NO_NODE)
void kmem_cache_free(struct kmem_cache *cache, void *ptr);

#endif
