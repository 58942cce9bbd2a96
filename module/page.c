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
static void pages_account(struct page *page, long nr)
{
	mod_node_page_state(page_pgdat(page), NR_SLAB_UNRECLAIMABLE_B,
			    nr * (long)PAGE_SIZE);
}

/**
 * obm_pages_get() - take a run of pages
 * @order: 1 << @order pages
 * @gfp: for the page allocator, cleared of what a block may not have
 * @nid: node to prefer, or NUMA_NO_NODE for that of the task's memory policy
 *
 * Context: As @gfp says; no lock held.
 * Return: the first page, or NULL.
 */
struct page *obm_pages_get(unsigned int order, gfp_t gfp, int nid)
{
	struct page *page;

	if (nid == NUMA_NO_NODE)
		page = alloc_pages(gfp, order);
	else
		page = alloc_pages_node(nid, gfp, order);
	if (page)
		pages_account(page, 1L << order);
	return page;
}

/* Gives back a run as it was taken; its pages have no owner any more. */
void obm_pages_put(struct page *page, unsigned int order)
{
	pages_account(page, -(1L << order));
	__free_pages(page, order);
}

/* Gives back @nr pages of a run that split_page() made single pages of. */
void obm_pages_put_single(struct page *page, unsigned int nr)
{
	pages_account(page, -(long)nr);
	for (; nr--; page++)
		__free_page(page);
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
