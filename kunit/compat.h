/* SPDX-License-Identifier: GPL-2.0-only */
/* What kernels before 6.12, or after it, spell in another way. */
#ifndef OBM_KUNIT_COMPAT_H
#define OBM_KUNIT_COMPAT_H

#include <kunit/test.h>
#include <linux/version.h>

#ifndef KUNIT_CASE_SLOW
#define KUNIT_CASE_SLOW(name)	KUNIT_CASE(name)
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#define obm_hrtimer_setup(timer, fn, clock, mode)	\
do {							\
	hrtimer_init(timer, clock, mode);		\
	(timer)->function = (fn);			\
} while (0)
#else
#define obm_hrtimer_setup(timer, fn, clock, mode)	\
	hrtimer_setup(timer, fn, clock, mode)
#endif

/* Symbol namespaces became string literals in 6.13. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
#define OBM_KUNIT_NS	"EXPORTED_FOR_KUNIT_TESTING"
#else
#define OBM_KUNIT_NS	EXPORTED_FOR_KUNIT_TESTING
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
#define obm_reclaimed(state)	((state)->reclaimed_slab)
#else
#define obm_reclaimed(state)	((state)->reclaimed)
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define obm_timer_delete_sync(timer)	del_timer_sync(timer)
#else
#define obm_timer_delete_sync(timer)	timer_delete_sync(timer)
#endif

#endif /* OBM_KUNIT_COMPAT_H */
