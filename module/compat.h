/* SPDX-License-Identifier: GPL-2.0-only */
/* The only place that knows kernel versions. */
#ifndef OBM_COMPAT_H
#define OBM_COMPAT_H

#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "obmalloc needs Linux 6.1 or newer"
#endif

/* The second word of struct page that its owner may use. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
#define obm_page_word(page)	((page)->__folio_index)
#else
#define obm_page_word(page)	((page)->index)
#endif

/* A part of GFP_ATOMIC in 6.1, which lets it take more of the reserves. */
#ifdef __GFP_ATOMIC
#define OBM_GFP_ATOMIC		__GFP_ATOMIC
#else
#define OBM_GFP_ATOMIC		((gfp_t)0)
#endif

/* A suite, which is a module of its own, calls what the kernel else would. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
#include <kunit/visibility.h>
#else
#define EXPORT_SYMBOL_IF_KUNIT(symbol) \
	EXPORT_SYMBOL_NS(symbol, EXPORTED_FOR_KUNIT_TESTING)
#endif

/* What slab allocators credit a task with that is reclaiming memory. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
static inline void mm_account_reclaimed_pages(unsigned long pages)
{
	if (current->reclaim_state)
		current->reclaim_state->reclaimed_slab += pages;
}
#endif

typedef unsigned long (*obm_shrinker_fn)(struct shrinker *shrinker,
					 struct shrink_control *sc);

/* A shrinker that looks at one node at a time, registered, or NULL. */
static inline struct shrinker *obm_shrinker_add(const char *name,
						obm_shrinker_fn count,
						obm_shrinker_fn scan)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	struct shrinker *shrinker = shrinker_alloc(SHRINKER_NUMA_AWARE, "%s",
						   name);

	if (!shrinker)
		return NULL;
	shrinker->count_objects = count;
	shrinker->scan_objects = scan;
	shrinker_register(shrinker);
#else
	struct shrinker *shrinker = kzalloc(sizeof(*shrinker), GFP_KERNEL);

	if (!shrinker)
		return NULL;
	shrinker->flags = SHRINKER_NUMA_AWARE;
	shrinker->seeks = DEFAULT_SEEKS;
	shrinker->count_objects = count;
	shrinker->scan_objects = scan;
	if (register_shrinker(shrinker, "%s", name)) {
		kfree(shrinker);
		return NULL;
	}
#endif
	return shrinker;
}

/* Returns when it no longer runs. */
static inline void obm_shrinker_del(struct shrinker *shrinker)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	shrinker_free(shrinker);
#else
	unregister_shrinker(shrinker);
	kfree(shrinker);
#endif
}

#endif /* OBM_COMPAT_H */
