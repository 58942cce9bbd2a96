/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Caches: objects of one type, with pools and a row in the statistics of their
 * own, in a heap. Not for direct use: include <linux/obmalloc.h>.
 *
 * What <linux/obm_front.h> says of a heap's slots holds for the one of a cache.
 */
#ifndef _LINUX_OBM_CACHE_H
#define _LINUX_OBM_CACHE_H

#include <linux/cleanup.h>
#include <linux/compiler_attributes.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/obm_front.h>
#include <linux/types.h>

struct obm_heap;
struct obm_cache;

/* The largest object of a cache, in bytes. */
#define OBM_CACHE_MAX		8192

struct obm_cache *obm_cache_create(struct obm_heap *heap, const char *name,
				   size_t size, size_t align,
				   void (*ctor)(void *object));
unsigned long obm_cache_destroy(struct obm_cache *cache);
size_t obm_cache_usable_size(const struct obm_cache *cache);

void *__obm_cache_alloc(struct obm_cache *cache, gfp_t gfp) __malloc;
void __obm_cache_free(struct obm_cache *cache, const void *ptr);
void __obm_cache_zero(struct obm_cache *cache, void *ptr, gfp_t gfp);

/**
 * obm_cache_alloc() - allocate an object
 * @cache: the cache
 * @gfp: as for obm_alloc_node(); without __GFP_DMA and __GFP_DMA32, which are
 *	 refused. __GFP_NOFAIL is refused with a report where a pool of the cache
 *	 has more than two pages, and never where objects fill a page or two.
 *	 __GFP_ZERO is ignored, with a warning, if the cache has a constructor
 *
 * An object that waits on this CPU is handed out without a call.
 *
 * Context: Any context but NMI, as @gfp says.
 * Return: the object, constructed if the cache has a constructor; or NULL if
 * there is no memory, the limit of the heap is reached, or @gfp is refused.
 */
static __always_inline __malloc void *
obm_cache_alloc(struct obm_cache *cache, gfp_t gfp)
{
	void *ptr;

	if (OBM_INLINE && !(gfp & OBM_SLOW_GFP)) {
		ptr = obm_front_pop_at((struct obm_front *)cache, 0);
		if (likely(ptr)) {
			if (want_init_on_alloc(gfp))
				__obm_cache_zero(cache, ptr, gfp);
			return ptr;
		}
	}
	return __obm_cache_alloc(cache, gfp);
}

/**
 * obm_cache_zalloc() - allocate an object of zeroes
 * @cache: the cache; without a constructor
 * @gfp: as for obm_cache_alloc()
 *
 * Context: Any context but NMI, as @gfp says.
 * Return: as obm_cache_alloc().
 */
static __always_inline __malloc void *
obm_cache_zalloc(struct obm_cache *cache, gfp_t gfp)
{
	return obm_cache_alloc(cache, gfp | __GFP_ZERO);
}

/**
 * obm_cache_free() - free an object
 * @cache: the cache that it is of
 * @ptr: the object, or NULL; as the constructor left it, if there is one
 *
 * Nothing is looked up while the object waits on this CPU for the next caller.
 * What is no object of this cache is found when it leaves the CPU, and refused
 * with a report; at once in a hardened heap. obm_free() frees an object too: it
 * finds the cache and looks at once.
 *
 * Context: Any context but NMI.
 */
static __always_inline void
obm_cache_free(struct obm_cache *cache, const void *ptr)
{
	if (!ptr)
		return;
	if (OBM_INLINE) {
		if (want_init_on_free())
			__obm_cache_zero(cache, (void *)ptr, 0);
		if (likely(obm_front_push_at((struct obm_front *)cache, 0,
					     ptr)))
			return;
	}
	__obm_cache_free(cache, ptr);
}

/* A cache, with all that it still holds. */
DEFINE_FREE(obm_cache_destroy, struct obm_cache *, obm_cache_destroy(_T))

#endif /* _LINUX_OBM_CACHE_H */
