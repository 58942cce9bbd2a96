// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fake page allocator: buddies over one mapping, half of it for each of two
 * nodes. Free runs are taken from the front of a list and put to its end, so
 * that a page that was given back stays unused, and poisoned, for long.
 */
#include "sim.h"
#include "asan.h"

#include <sys/mman.h>

#define MAX_ORDER	(22 - PAGE_SHIFT)
#define NODE_PAGES	(SIM_NR_PAGES / 2)
#define GRANULE		8

static_assert(NODE_PAGES % (1UL << MAX_ORDER) == 0, "nodes hold whole runs");

struct page sim_pages[SIM_NR_PAGES];
char *sim_base;
char *sim_high_memory;
char sim_vmalloc_area[64];
bool sim_init_on_alloc, sim_init_on_free;
bool sim_no_junk;
bool sim_profiling;
unsigned int nr_node_ids = SIM_NR_NODES;
unsigned int nr_online_nodes = 3;

static pthread_mutex_t page_lock = PTHREAD_MUTEX_INITIALIZER;
static int free_first[2][MAX_ORDER + 1];
static int free_last[2][MAX_ORDER + 1];
static unsigned long nr_held;
static struct pglist_data pgdats[2];

/* What kmemleak was told of, by granule. */
enum { LEAK_NONE, LEAK_START, LEAK_INSIDE };
static u8 leak_map[SIM_MEM_BYTES / GRANULE] __aligned(8);

static int pfn_of(const struct page *page)
{
	return page - sim_pages;
}

int page_to_nid(const struct page *page)
{
	return pfn_of(page) >= (int)NODE_PAGES;
}

void *page_address(const struct page *page)
{
	return sim_base + ((size_t)pfn_of(page) << PAGE_SHIFT);
}

bool virt_addr_valid(const void *ptr)
{
	return (uintptr_t)ptr - (uintptr_t)sim_base < SIM_MEM_BYTES;
}

struct page *virt_to_page(const void *ptr)
{
	if (!virt_addr_valid(ptr))
		sim_die("%p is in no page", ptr);
	return &sim_pages[((uintptr_t)ptr - (uintptr_t)sim_base) >> PAGE_SHIFT];
}

struct pglist_data *page_pgdat(const struct page *page)
{
	return &pgdats[page_to_nid(page)];
}

struct pglist_data *NODE_DATA(int nid)
{
	if (nid != 0 && nid != 1)
		sim_die("node %d has no pages", nid);
	return &pgdats[nid];
}

void mod_node_page_state(struct pglist_data *pgdat, enum node_stat_item item,
			 long delta)
{
	if (item != NR_KERNEL_MISC_RECLAIMABLE && delta % (long)PAGE_SIZE)
		sim_die("counts parts of pages");
	atomic_long_add(delta, &pgdat->stat[item]);
}

/* What the counters say, all headings together. */
long sim_stat_pages(enum node_stat_item item)
{
	unsigned long unit = item == NR_KERNEL_MISC_RECLAIMABLE ? 1 : PAGE_SIZE;

	return (atomic_long_read(&pgdats[0].stat[item]) +
		atomic_long_read(&pgdats[1].stat[item])) / (long)unit;
}

/*
 * Reclaim, as an allocation that may sleep would run it: one shrinker, asked as
 * do_shrink_slab() asks, credited by the pages themselves.
 */
static struct shrinker *shrinker;
unsigned int sim_pressure;
static __thread unsigned long *reclaimed;

struct shrinker *shrinker_alloc(unsigned int flags, const char *fmt, ...)
{
	if (flags != SHRINKER_NUMA_AWARE || !fmt || shrinker)
		sim_die("a shrinker that the simulation does not know");
	return calloc(1, sizeof(struct shrinker));
}

void shrinker_register(struct shrinker *new)
{
	if (!new->count_objects || !new->scan_objects)
		sim_die("a shrinker that does nothing");
	shrinker = new;
}

void shrinker_free(struct shrinker *old)
{
	if (old != shrinker)
		sim_die("frees a shrinker that is none");
	free(shrinker);
	shrinker = NULL;
}

void mm_account_reclaimed_pages(unsigned long pages)
{
	if (reclaimed)
		*reclaimed += pages;
}

unsigned long sim_reclaim(int nid, unsigned long nr)
{
	struct shrink_control sc = {
		.nid = nid, .nr_to_scan = nr, .nr_scanned = nr,
	};
	unsigned long credit = 0, freed, count;

	sim_might_sleep("reclaims memory");
	if (reclaimed)
		sim_die("reclaims memory while it does");
	count = shrinker->count_objects(shrinker, &sc);
	if (!count)
		sim_die("the shrinker does not know what it has");
	if (count == SHRINK_EMPTY)
		return 0;
	reclaimed = &credit;
	freed = shrinker->scan_objects(shrinker, &sc);
	reclaimed = NULL;
	if (!freed)
		sim_die("the shrinker would be asked for ever");
	if (freed == SHRINK_STOP)
		freed = 0;
	else if (sc.nr_scanned < nr || sc.nr_scanned < freed)
		sim_die("the shrinker scanned %lu and freed %lu", sc.nr_scanned,
			freed);
	/* Not counted: raw blocks that waited, and what interrupts free. */
	if (freed > credit)
		sim_die("the shrinker says %lu pages, and credits %lu", freed,
			credit);
	return freed;
}

/* Each allocation that may wait for memory may have to. */
void sim_allocates(gfp_t gfp)
{
	static unsigned int dice;
	unsigned int n;

	if (!sim_pressure || !gfpflags_allow_blocking(gfp) || reclaimed)
		return;
	n = __atomic_add_fetch(&dice, 0x9e3779b1U, __ATOMIC_RELAXED);
	if ((n >> 8) % 1000 < sim_pressure)
		sim_reclaim(n >> 31, 1 + (n >> 20) % 100);
}

bool node_online(int nid)
{
	return nid >= 0 && nid < 3;
}

bool node_state(int nid, enum node_states state)
{
	(void)state;
	return nid >= 0 && nid < 2;
}

int numa_mem_id(void)
{
	return sim_context.nid;
}

bool want_init_on_alloc(gfp_t gfp)
{
	return sim_init_on_alloc || (gfp & __GFP_ZERO);
}

bool want_init_on_free(void)
{
	return sim_init_on_free;
}

bool object_is_on_stack(const void *ptr)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	return (uintptr_t)ptr - here < 65536;
}

bool is_vmalloc_addr(const void *ptr)
{
	return (uintptr_t)ptr - (uintptr_t)sim_vmalloc_area <
	       sizeof(sim_vmalloc_area);
}

static void free_add(int pfn, unsigned int order)
{
	int nid = pfn >= (int)NODE_PAGES;
	struct page *page = &sim_pages[pfn];

	page->order = order;
	page->free = true;
	page->next = -1;
	page->prev = free_last[nid][order];
	if (page->prev >= 0)
		sim_pages[page->prev].next = pfn;
	else
		free_first[nid][order] = pfn;
	free_last[nid][order] = pfn;
}

static void free_del(int pfn)
{
	struct page *page = &sim_pages[pfn];
	int nid = pfn >= (int)NODE_PAGES;

	page->free = false;
	if (page->prev >= 0)
		sim_pages[page->prev].next = page->next;
	else
		free_first[nid][page->order] = page->next;
	if (page->next >= 0)
		sim_pages[page->next].prev = page->prev;
	else
		free_last[nid][page->order] = page->prev;
}

static int buddy_take(int nid, unsigned int order)
{
	unsigned int o;
	int pfn;

	for (o = order; o <= MAX_ORDER; o++)
		if (free_first[nid][o] >= 0)
			break;
	if (o > MAX_ORDER)
		return -1;
	pfn = free_first[nid][o];
	free_del(pfn);
	while (o-- > order)
		free_add(pfn + (1 << o), o);
	return pfn;
}

static void buddy_give(int pfn, unsigned int order)
{
	for (; order < MAX_ORDER; order++) {
		int buddy = pfn ^ (1 << order);

		if (!sim_pages[buddy].free || sim_pages[buddy].order != order)
			break;
		free_del(buddy);
		pfn = min(pfn, buddy);
	}
	free_add(pfn, order);
}

static void pages_init(void)
{
	unsigned int order, nid;
	unsigned long pfn;
	char *mem;

	/* Aligned to the longest run, as physical memory is. */
	mem = mmap(NULL, 2 * SIM_MEM_BYTES, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED)
		sim_die("mmap: %s", strerror(errno));
	sim_base = (char *)round_up((uintptr_t)mem, SIM_MEM_BYTES);
	sim_high_memory = sim_base + SIM_MEM_BYTES;
	for (nid = 0; nid < 2; nid++)
		for (order = 0; order <= MAX_ORDER; order++) {
			free_first[nid][order] = -1;
			free_last[nid][order] = -1;
		}
	for (pfn = 0; pfn < SIM_NR_PAGES; pfn += 1 << MAX_ORDER)
		free_add(pfn, MAX_ORDER);
	__asan_poison_memory_region(sim_base, SIM_MEM_BYTES);
}

static void gfp_check(gfp_t gfp, unsigned int order)
{
	sim_might_take_sleeping_lock("takes pages");
	might_alloc(gfp);
	sim_allocates(gfp);
	if (gfp & (__GFP_HIGHMEM | __GFP_COMP | __GFP_MOVABLE))
		sim_die("takes pages that blocks cannot use: GFP %#x", gfp);
	if ((gfp & __GFP_DMA) && (gfp & __GFP_DMA32))
		sim_die("takes pages of two zones");
	__atomic_store_n(&sim_fault.gfp[order > 0], gfp, __ATOMIC_RELAXED);
	if ((gfp & __GFP_NOFAIL) &&
	    (order > 1 || !gfpflags_allow_blocking(gfp)))
		sim_die("__GFP_NOFAIL for order %u, GFP %#x", order, gfp);
}

/* Gives the first page no owner and the others what was left in them. */
static void run_prepare(struct page *page, unsigned int order, gfp_t gfp)
{
	unsigned int i;

	for (i = 0; i < 1U << order; i++) {
		struct page *p = page + i;

		if (p->held)
			sim_die("page %d is in use twice", pfn_of(p));
		p->held = true;
		p->junk[0] = i ? sim_get_random_long() : 0;
		p->junk[1] = sim_get_random_long();
		WRITE_ONCE(p->private, p->junk[0]);
		WRITE_ONCE(p->index, p->junk[1]);
	}
	page->nr = 1U << order;
	page->charged = gfp & __GFP_ACCOUNT;
	page->refcount = 1;
	nr_held += 1UL << order;
}

static struct page *run_get(int nid, gfp_t gfp, unsigned int order)
{
	struct page *page;
	int pfn = -1;

	pthread_mutex_lock(&page_lock);
	if (nid < 2 && (!sim_fault.full[nid] || (gfp & __GFP_NOFAIL)))
		pfn = buddy_take(nid, order);
	if (pfn >= 0)
		run_prepare(&sim_pages[pfn], order, gfp);
	pthread_mutex_unlock(&page_lock);
	if (pfn < 0)
		return NULL;

	page = &sim_pages[pfn];
	__asan_unpoison_memory_region(page_address(page), PAGE_SIZE << order);
	memset(page_address(page), gfp & __GFP_ZERO ? 0 : SIM_JUNK,
	       PAGE_SIZE << order);
	return page;
}

struct page *alloc_pages_node(int nid, gfp_t gfp, unsigned int order)
{
	struct page *page = NULL;
	int other;

	if (!node_online(nid))
		sim_die("takes pages of node %d, which is not online", nid);
	if (order > MAX_ORDER)
		sim_die("takes a run of order %u", order);
	gfp_check(gfp, order);
	if (!sim_should_fail(order, gfp)) {
		page = run_get(nid, gfp, order);
		for (other = 0; other < 2 && !page; other++)
			if (other != nid && !(gfp & __GFP_THISNODE))
				page = run_get(other, gfp, order);
	}
	if (!page && (gfp & __GFP_NOFAIL))
		sim_die("the fake machine is too small for __GFP_NOFAIL");
	if (!page)
		__atomic_add_fetch(&sim_fault.failed, 1, __ATOMIC_RELAXED);
	return page;
}

struct page *alloc_pages(gfp_t gfp, unsigned int order)
{
	return alloc_pages_node(numa_mem_id(), gfp, order);
}

static void page_check_returned(struct page *page)
{
	const u64 *leaks = (const u64 *)leak_map +
			   pfn_of(page) * (PAGE_SIZE / GRANULE / 8);
	size_t i;

	if (!page->held)
		sim_die("page %d is given back twice", pfn_of(page));
	if ((page->private || page->index) &&
	    (page->private != page->junk[0] || page->index != page->junk[1]))
		sim_die("page %d is given back with an owner", pfn_of(page));
	for (i = 0; i < PAGE_SIZE / GRANULE / 8; i++)
		if (leaks[i])
			sim_die("page %d is given back, but kmemleak thinks it holds a block",
				pfn_of(page));
}

void __free_pages(struct page *page, unsigned int order)
{
	unsigned int i;

	sim_might_take_sleeping_lock("gives pages back");
	pthread_mutex_lock(&page_lock);
	if (page->refcount != 1)
		sim_die("page %d is given back with %d references",
			pfn_of(page), page->refcount);
	if (page->nr != 1U << order)
		sim_die("a run of %u pages is given back as of order %u",
			page->nr, order);
	for (i = 0; i < 1U << order; i++) {
		page_check_returned(page + i);
		page[i].held = false;
		WRITE_ONCE(page[i].private, 0);
		WRITE_ONCE(page[i].index, 0);
	}
	page->refcount = 0;
	nr_held -= 1UL << order;
	__asan_poison_memory_region(page_address(page), PAGE_SIZE << order);
	buddy_give(pfn_of(page), order);
	pthread_mutex_unlock(&page_lock);
}

/*
 * The run that @page lies in ends before it, and another one begins there. Its
 * first page alone knows of a charge.
 */
void init_page_count(struct page *page)
{
	struct page *first = page;

	pthread_mutex_lock(&page_lock);
	if (!page->held || page->refcount)
		sim_die("page %d gets a first reference, and has %d",
			pfn_of(page), page->refcount);
	while (!first->refcount)
		first--;
	if (first->charged || sim_profiling)
		sim_die("divides what a cgroup or a profile knows by its first page");
	page->refcount = 1;
	page->nr = first->nr - (page - first);
	first->nr = page - first;
	pthread_mutex_unlock(&page_lock);
}

void split_page(struct page *page, unsigned int order)
{
	unsigned int i;

	pthread_mutex_lock(&page_lock);
	if (page->refcount != 1 || page->nr != 1U << order)
		sim_die("splits order %u of a run of %u pages with %d references",
			order, page->nr, page->refcount);
	for (i = 0; i < 1U << order; i++) {
		page[i].refcount = 1;
		page[i].nr = 1;
	}
	pthread_mutex_unlock(&page_lock);
}

/* KASAN's part, by which ASan guards blocks. */
void kasan_poison(const void *addr, size_t size, u8 value, bool init);

void kasan_poison(const void *addr, size_t size, u8 value, bool init)
{
	(void)init;
	if ((uintptr_t)addr % GRANULE || size % GRANULE)
		sim_die("poisons part of a granule");
	if (value)
		__asan_poison_memory_region(addr, size);
	else
		__asan_unpoison_memory_region(addr, size);
}

/* Neighbours are looked at while other threads change them. */
#define leak_get(at)		__atomic_load_n(at, __ATOMIC_RELAXED)
#define leak_set(at, what)	__atomic_store_n(at, what, __ATOMIC_RELAXED)

#ifndef SIM_INLINE
static u8 *leak_at(const void *ptr)
{
	return &leak_map[((uintptr_t)ptr - (uintptr_t)sim_base) / GRANULE];
}

void kmemleak_alloc(const void *ptr, size_t size, int min_count, gfp_t gfp)
{
	size_t i, n = size / GRANULE;
	u8 *map = leak_at(ptr);

	(void)gfp;
	if (min_count != 1)
		sim_die("kmemleak would not look for the block");
	for (i = 0; i < n; i++) {
		if (leak_get(map + i))
			sim_die("kmemleak: the new block lies over another");
		leak_set(map + i, i ? LEAK_INSIDE : LEAK_START);
	}
}

void kmemleak_free(const void *ptr)
{
	u8 *map = leak_at(ptr);

	if (leak_get(map) != LEAK_START)
		sim_die("kmemleak: frees a block that it never saw");
	do {
		leak_set(map++, LEAK_NONE);
	} while (map < leak_map + sizeof(leak_map) &&
		 leak_get(map) == LEAK_INSIDE);
}

#endif

void *sim_mem(void)
{
	return sim_base;
}

unsigned long sim_pages_held(void)
{
	return __atomic_load_n(&nr_held, __ATOMIC_RELAXED);
}

bool sim_page_is_held(const void *addr)
{
	return virt_to_page(addr)->held;
}

void sim_pages_start(void)
{
	if (!sim_base)
		pages_init();
}

void sim_pages_check_empty(void)
{
	int item;

	if (nr_held)
		sim_die("%lu pages were not given back", nr_held);
	for (item = 0; item < NR_VM_NODE_STAT_ITEMS; item++)
		if (atomic_long_read(&pgdats[0].stat[item]) ||
		    atomic_long_read(&pgdats[1].stat[item]))
			sim_die("the page counters %d are off by %ld and %ld",
				item, atomic_long_read(&pgdats[0].stat[item]),
				atomic_long_read(&pgdats[1].stat[item]));
}
