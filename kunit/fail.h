/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Allocations that fail. current->fail_nth is what /proc/self/fail-nth writes: the
 * n-th call in this task that may fail does. By default the kernel lets fail only
 * what may not be waited for, and no single page.
 */
#ifndef OBM_KUNIT_FAIL_H
#define OBM_KUNIT_FAIL_H

#include <linux/sched.h>

#include "common.h"

#define GFP_FAIL	(GFP_NOWAIT | __GFP_NOWARN)

#ifdef CONFIG_FAULT_INJECTION
static inline void fail_nth(unsigned int nth)
{
	WRITE_ONCE(current->fail_nth, nth);
}

/* Whether what was to fail did; and no more fails. */
static inline bool fail_done(void)
{
	bool done = !READ_ONCE(current->fail_nth);

	WRITE_ONCE(current->fail_nth, 0);
	return done;
}
#else
static inline void fail_nth(unsigned int nth) { }
static inline bool fail_done(void) { return false; }
#endif

static inline void fail_needed(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_FAILSLAB) ||
	    !IS_ENABLED(CONFIG_FAIL_PAGE_ALLOC))
		kunit_skip(test, "needs FAILSLAB and FAIL_PAGE_ALLOC");
	obm_test_stay(test);
}

#endif /* OBM_KUNIT_FAIL_H */
