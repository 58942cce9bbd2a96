/* SPDX-License-Identifier: GPL-2.0-only */
/* Exact, other than the kernel's: see sim_page.c. */
#ifndef SIM_LINUX_KMEMLEAK_H
#define SIM_LINUX_KMEMLEAK_H

#include <linux/types.h>

#ifndef SIM_INLINE
void kmemleak_alloc(const void *ptr, size_t size, int min_count, gfp_t gfp);
void kmemleak_free(const void *ptr);
#else
static inline void kmemleak_alloc(const void *ptr, size_t size, int min_count,
				  gfp_t gfp)
{
}

static inline void kmemleak_free(const void *ptr)
{
}
#endif

#endif
