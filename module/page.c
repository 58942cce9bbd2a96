// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages from the page allocator, and whose page an address lies in.
 *
 * A page belongs to who took it, so its two spare words are ours: the private
 * word holds the owner (the descriptor of its pool or raw block), the other one
 * the owner xored with a secret. A foreign page passes for one of ours only if
 * two unrelated words of it differ by just that secret. Both words share a cache
 * line, and memory that is not ours costs nothing. CPython's address_in_range()
 * asks the same question of a header in the pool or of a radix tree.
 */
#include "internal.h"

static unsigned long page_secret __ro_after_init;

/**
 * obm_page_owner() - who owns the page that @ptr lies in
 * @ptr: any value at all
 *
 * The words are read without a lock while another CPU may be giving the page
 * away. Whatever mixture of old and new is seen, only a pair that was written
 * by one obm_page_set_owner() matches; and a descriptor that is gone by then
 * lives on until the caller leaves its RCU read-side section.
 *
 * Context: Any context, under rcu_read_lock().
 * Return: the owner's word, or 0 if the page is not ours.
 */
unsigned long obm_page_owner(const void *ptr)
{
	const struct page *page;
	unsigned long owner;

	if (!virt_addr_valid(ptr))
		return 0;
	page = virt_to_page(ptr);
	owner = READ_ONCE(page->private);
	if ((owner ^ page_secret) != READ_ONCE(obm_page_word(page)))
		return 0;
	return owner;
}

/* With no owner, both words are zero, as the page allocator wants them. */
void obm_page_set_owner(struct page *page, unsigned int nr,
			unsigned long owner)
{
	unsigned long word = owner ? owner ^ page_secret : 0;

	for (; nr--; page++) {
		WRITE_ONCE(obm_page_word(page), word);
		/* Pairs with the address dependency of obm_page_owner()'s user. */
		smp_store_release(&page->private, owner);
	}
}

/*
 * The pages count as slab pages in /proc/meminfo: memory in use by the kernel
 * in small pieces, which is what a reader of that line wants to know.
 */
static void pages_account(const struct obm_heap *heap,
			  struct pglist_data *pgdat, long nr)
{
	mod_node_page_state(pgdat, heap->flags & OBM_HEAP_RECLAIMABLE ?
				   NR_SLAB_RECLAIMABLE_B :
				   NR_SLAB_UNRECLAIMABLE_B,
			    nr * (long)PAGE_SIZE);
}

/* Pages that go back; if the task is reclaiming memory, it has done well. */
static void pages_account_put(const struct obm_heap *heap, struct page *page,
			      unsigned int nr)
{
	pages_account(heap, page_pgdat(page), -(long)nr);
	mm_account_reclaimed_pages(nr);
}

/**
 * obm_pages_show_unused() - pages come to be in no pool, or are so no more
 * @heap: whose pages they are
 * @nid: their node
 * @nr: how many; negative if they are used from now on
 *
 * The shrinker gives such pages back to who asks, so they are no slab pages but
 * reclaimable ones, which MemAvailable contains.
 *
 * Context: Any context.
 */
void obm_pages_show_unused(const struct obm_heap *heap, int nid, long nr)
{
	pages_account(heap, NODE_DATA(nid), -nr);
	mod_node_page_state(NODE_DATA(nid), NR_KERNEL_MISC_RECLAIMABLE, nr);
}

/**
 * obm_pages_get() - take a run of pages
 * @heap: for which; they count by its flags
 * @order: 1 << @order pages
 * @gfp: for the page allocator, cleared of what a block may not have
 * @nid: node to prefer, or NUMA_NO_NODE for that of the task's memory policy
 *
 * Context: As @gfp says; no lock held.
 * Return: the first page, or NULL.
 */
struct page *obm_pages_get(const struct obm_heap *heap, unsigned int order,
			   gfp_t gfp, int nid)
{
	struct page *page;

	if (nid == NUMA_NO_NODE)
		page = alloc_pages(gfp, order);
	else
		page = alloc_pages_node(nid, gfp, order);
	if (page)
		pages_account(heap, page_pgdat(page), 1L << order);
	return page;
}

/* Gives back a run as it was taken; its pages have no owner any more. */
void obm_pages_put(const struct obm_heap *heap, struct page *page,
		   unsigned int order)
{
	pages_account_put(heap, page, 1U << order);
	__free_pages(page, order);
}

/* Gives back @nr pages of a run that split_page() made single pages of. */
void obm_pages_put_single(const struct obm_heap *heap, struct page *page,
			  unsigned int nr)
{
	pages_account_put(heap, page, nr);
	for (; nr--; page++)
		__free_page(page);
}

/*
 * A part of a run, at @page + @at, becomes a run of its own: for the page
 * allocator that is one of which the first page has a reference, and no other.
 */
static struct page *pages_part(struct page *page, unsigned int at)
{
	if (at)
		init_page_count(page + at);
	return page + at;
}

/*
 * From the end on, by parts that are aligned to their length as all runs are.
 * __free_pages() does not ask of how large a run they were.
 */
static void pages_cut_parts(struct page *page, unsigned int nr,
			    unsigned int keep)
{
	unsigned int order;

	while (nr > keep) {
		order = __fls(nr - keep);
		nr -= BIT(order);
		__free_pages(pages_part(page, nr), order);
	}
	while (nr) {
		order = __ffs(nr);
		nr -= BIT(order);
		split_page(pages_part(page, nr), order);
	}
}

/*
 * What a memory cgroup is charged, and what allocation profiling counts, is known
 * to the first page of a run alone, and split_page() alone divides it.
 */
static bool pages_have_tags(gfp_t gfp)
{
	return gfp & __GFP_ACCOUNT || IS_ENABLED(CONFIG_MEM_ALLOC_PROFILING);
}

/**
 * obm_pages_cut() - keep only the beginning of a run
 * @heap: whose run it is
 * @page: the run, just taken
 * @order: of the run
 * @keep: how many pages are kept, as single ones; at least one, and not all
 * @gfp: that it was taken with
 *
 * The others were more than was wanted: nothing is reclaimed. One by one they
 * would take some 400 instructions each.
 *
 * Context: As __free_pages(); no lock held.
 */
void obm_pages_cut(const struct obm_heap *heap, struct page *page,
		   unsigned int order, unsigned int keep, gfp_t gfp)
{
	unsigned int at, nr = 1U << order;

	pages_account(heap, page_pgdat(page), (long)keep - nr);
	if (!pages_have_tags(gfp)) {
		pages_cut_parts(page, nr, keep);
		return;
	}
	split_page(page, order);
	for (at = keep; at < nr; at++)
		__free_page(page + at);
}

/*
 * A zeroed page for a descriptor; it may outlive its heap, and counts as slab
 * memory that cannot be reclaimed.
 */
struct page *obm_page_get_meta(gfp_t gfp, int nid)
{
	struct page *page = alloc_pages_node(nid, gfp | __GFP_ZERO, 0);

	if (!page)
		return NULL;
	mod_node_page_state(page_pgdat(page), NR_SLAB_UNRECLAIMABLE_B,
			    PAGE_SIZE);
	/* It points to what is found by nothing else. */
	kmemleak_alloc(page_address(page), PAGE_SIZE, 1, gfp);
	return page;
}

void obm_page_put_meta(struct page *page)
{
	kmemleak_free(page_address(page));
	mod_node_page_state(page_pgdat(page), NR_SLAB_UNRECLAIMABLE_B,
			    -(long)PAGE_SIZE);
	__free_page(page);
}

/* Of such a run the pages whose bits are set in @mask. */
void obm_pages_put_mask(const struct obm_heap *heap, struct page *page,
			u64 mask)
{
	pages_account_put(heap, page, hweight64(mask));
	for (; mask; mask &= mask - 1)
		__free_page(page + __ffs64(mask));
}

/*
 * On PREEMPT_RT the page and slab allocators sleep on their locks: what must
 * not sleep leaves empty arenas to a worker.
 */
bool obm_may_return(void)
{
	return !IS_ENABLED(CONFIG_PREEMPT_RT) || preemptible();
}

void __init obm_page_init(void)
{
	page_secret = get_random_long();
}

struct obm_arena **obm_table;
unsigned long obm_table_nr;

/* What the table shows where there is no arena: pools that no pointer fits. */
static struct obm_arena *table_none __ro_after_init;

void obm_table_set(const struct obm_arena *arena, struct obm_arena *value)
{
	unsigned long i = ((unsigned long)arena->base - PAGE_OFFSET) >>
			  OBM_ARENA_SHIFT;

	/* Memory that was added later is not in the table. */
	if (arena->order == OBM_ARENA_ORDER && i < obm_table_nr)
		/* Pairs with the address dependency of who looks it up. */
		smp_store_release(&obm_table[i], value ?: table_none);
}

static struct obm_arena * __init table_none_new(void)
{
	struct obm_arena *arena;
	unsigned int idx;

	arena = kzalloc(struct_size(arena, pools, OBM_ARENA_POOLS), GFP_KERNEL);
	for (idx = 0; arena && idx < OBM_ARENA_POOLS; idx++)
		pool_set_class(&arena->pools[idx], OBM_NO_CLASS);
	return arena;
}

/* 8 bytes for each arena that could be, 1/32768 of memory. */
int __init obm_table_init(void)
{
	obm_table_nr = ((unsigned long)high_memory - PAGE_OFFSET) >>
		       OBM_ARENA_SHIFT;
	obm_table = kvcalloc(obm_table_nr, sizeof(*obm_table), GFP_KERNEL);
	table_none = table_none_new();
	if (!obm_table || !table_none) {
		obm_table_exit();
		return -ENOMEM;
	}
	/* The hit path clears nothing; nothing leads to it then. */
	if (want_init_on_free())
		obm_table_nr = 0;
	memset_p((void **)obm_table, table_none, obm_table_nr);
	return 0;
}

void obm_table_exit(void)
{
	kfree(table_none);
	kvfree(obm_table);
}
