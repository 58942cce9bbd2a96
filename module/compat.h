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

/* What slab allocators credit a task with that is reclaiming memory. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
static inline void mm_account_reclaimed_pages(unsigned long pages)
{
	if (current->reclaim_state)
		current->reclaim_state->reclaimed_slab += pages;
}
#endif

#endif /* OBM_COMPAT_H */
