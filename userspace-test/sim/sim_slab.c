// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fake slab allocator, over malloc() so that the sanitizers see each
 * object, and the injection of failures into it and the page allocator.
 */
#include "sim.h"
#include "asan.h"

/* In front of each object, out of reach of who has it. */
struct header {
	struct kmem_cache *cache;
	size_t size;
	void *start;
} __aligned(16);

struct kmem_cache {
	unsigned int size;
	unsigned int align;
	unsigned long nr_objects;
};

struct sim_fault sim_fault = { .max_order = -1 };

static unsigned long slab_bytes;
static unsigned long slab_objects;
static pthread_mutex_t fault_lock = PTHREAD_MUTEX_INITIALIZER;
static struct sim_rng fault_rng;

void sim_fault_reset(void)
{
	sim_fault = (struct sim_fault){ .max_order = -1 };
	fault_rng = sim_rng(1);
}

bool sim_should_fail(int order, gfp_t gfp)
{
	bool fail = false;

	sim_opportunity();

	if (gfp & __GFP_NOFAIL)
		return false;
	pthread_mutex_lock(&fault_lock);
	sim_fault.calls++;
	if (sim_fault.nth == 1) {
		fail = true;
		sim_fault.hit++;
		if (!sim_fault.forever)
			sim_fault.nth = 0;
	} else if (sim_fault.nth) {
		sim_fault.nth--;
	}
	if (sim_fault.max_order >= 0 && order > sim_fault.max_order)
		fail = true;
	if (sim_fault.permille && sim_below(&fault_rng, 1000) < sim_fault.permille)
		fail = true;
	if (fail)
		sim_fault.hit_order = order;
	pthread_mutex_unlock(&fault_lock);
	return fail;
}

static void *object_get(struct kmem_cache *cache, size_t size, gfp_t gfp,
			int nid)
{
	struct header *header;
	size_t align;
	void *start;

	sim_might_take_sleeping_lock("takes a slab object");
	might_alloc(gfp);
	sim_allocates(gfp);
	if (gfp & (__GFP_HIGHMEM | __GFP_DMA | __GFP_DMA32 | __GFP_MOVABLE |
		   __GFP_COMP | __GFP_THISNODE))
		sim_die("takes a slab object with GFP %#x", gfp);
	if (nid != NUMA_NO_NODE && !node_online(nid))
		sim_die("takes a slab object of node %d", nid);
	if (sim_should_fail(-1, gfp)) {
		__atomic_add_fetch(&sim_fault.failed, 1, __ATOMIC_RELAXED);
		return NULL;
	}
	align = max_t(size_t, cache ? cache->align : 0, sizeof(*header));
	align = 1UL << order_base_2(align);
	if (posix_memalign(&start, align, align + size))
		sim_die("out of memory");
	header = start + align - sizeof(*header);
	header->start = start;
	header->cache = cache;
	header->size = size;
	memset(header + 1, gfp & __GFP_ZERO ? 0 : SIM_JUNK, size);
	__asan_poison_memory_region(header, sizeof(*header));
	__atomic_add_fetch(&slab_bytes, size, __ATOMIC_RELAXED);
	__atomic_add_fetch(&slab_objects, 1, __ATOMIC_RELAXED);
	return header + 1;
}

static void object_put(struct kmem_cache *cache, void *ptr)
{
	struct header *header = (struct header *)ptr - 1;

	sim_might_take_sleeping_lock("frees a slab object");
	__asan_unpoison_memory_region(header, sizeof(*header));
	if (header->cache != cache)
		sim_die("a slab object is freed into another cache");
	__atomic_sub_fetch(&slab_bytes, header->size, __ATOMIC_RELAXED);
	__atomic_sub_fetch(&slab_objects, 1, __ATOMIC_RELAXED);
	memset(ptr, 0x6b, header->size);
	free(header->start);
}

void *kmalloc_node(size_t size, gfp_t gfp, int nid)
{
	return object_get(NULL, size, gfp, nid);
}

void kfree(const void *ptr)
{
	if (ptr)
		object_put(NULL, (void *)ptr);
}

struct kmem_cache *kmem_cache_create(const char *name, unsigned int size,
				     unsigned int align, unsigned int flags,
				     void (*ctor)(void *ptr))
{
	struct kmem_cache *cache = calloc(1, sizeof(*cache));

	if (!name || flags || ctor || !cache)
		sim_die("makes a cache that the simulation does not know");
	cache->size = size;
	cache->align = align;
	return cache;
}

void kmem_cache_destroy(struct kmem_cache *cache)
{
	if (cache->nr_objects)
		sim_die("a cache is destroyed that has %lu objects",
			cache->nr_objects);
	free(cache);
}

void *kmem_cache_alloc_node(struct kmem_cache *cache, gfp_t gfp, int nid)
{
	void *ptr = object_get(cache, cache->size, gfp, nid);

	if (ptr)
		__atomic_add_fetch(&cache->nr_objects, 1, __ATOMIC_RELAXED);
	return ptr;
}

void kmem_cache_free(struct kmem_cache *cache, void *ptr)
{
	__atomic_sub_fetch(&cache->nr_objects, 1, __ATOMIC_RELAXED);
	object_put(cache, ptr);
}

/* Per-CPU memory: a page for each CPU, at the same distance for all of it. */
void *__alloc_percpu_gfp(size_t size, size_t align, gfp_t gfp)
{
	struct header *header;
	unsigned int cpu;

	if ((gfp & GFP_KERNEL) == GFP_KERNEL)
		sim_might_sleep("allocates per-CPU memory");
	if (size > SIM_PERCPU_BYTES - align)
		sim_die("too much per-CPU memory");
	if (sim_should_fail(-1, gfp)) {
		__atomic_add_fetch(&sim_fault.failed, 1, __ATOMIC_RELAXED);
		return NULL;
	}
	header = calloc(1, sizeof(*header) + SIM_NR_CPUS * SIM_PERCPU_BYTES);
	header->size = size;
	for (cpu = 0; cpu < SIM_NR_CPUS; cpu++)
		__asan_poison_memory_region((char *)(header + 1) +
					    cpu * SIM_PERCPU_BYTES + size,
					    SIM_PERCPU_BYTES - size);
	__atomic_add_fetch(&slab_bytes, size * SIM_NR_CPUS, __ATOMIC_RELAXED);
	__atomic_add_fetch(&slab_objects, 1, __ATOMIC_RELAXED);
	return header + 1;
}

void free_percpu(void *ptr)
{
	struct header *header = (struct header *)ptr - 1;

	__atomic_sub_fetch(&slab_bytes, header->size * SIM_NR_CPUS,
			   __ATOMIC_RELAXED);
	__atomic_sub_fetch(&slab_objects, 1, __ATOMIC_RELAXED);
	__asan_unpoison_memory_region(ptr, SIM_NR_CPUS * SIM_PERCPU_BYTES);
	free(header);
}

unsigned long sim_slab_bytes(void)
{
	return __atomic_load_n(&slab_bytes, __ATOMIC_RELAXED);
}

unsigned long sim_slab_objects(void)
{
	return __atomic_load_n(&slab_objects, __ATOMIC_RELAXED);
}
