/* SPDX-License-Identifier: GPL-2.0-only */
/* What KMSAN calls uninitialized is filled with junk here, unless ... */
#ifndef SIM_LINUX_KMSAN_CHECKS_H
#define SIM_LINUX_KMSAN_CHECKS_H

#include <string.h>
#include <linux/types.h>

#define SIM_JUNK	0x5a

/* ... a test wants to see what was there. */
extern bool sim_no_junk;

static inline void kmsan_poison_memory(const void *ptr, size_t size, gfp_t gfp)
{
	(void)gfp;
#ifndef SIM_INLINE
	if (!sim_no_junk)
		memset((void *)ptr, SIM_JUNK, size);
#else
	(void)ptr;
	(void)size;
#endif
}

/* Junk stays what it is. */
static inline void kmsan_unpoison_memory(const void *ptr, size_t size)
{
	(void)ptr;
	(void)size;
}

#endif
