/* SPDX-License-Identifier: GPL-2.0-only */
/* What time it is, as exactly as the machine knows. */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

#include <linux/ktime.h>
#include <linux/timekeeping.h>
#include <linux/types.h>
#ifdef CONFIG_X86
#include <asm/msr.h>
#endif

#include "bench.h"

static __always_inline u64 bench_ns(void)
{
	return ktime_get_ns();
}

static __always_inline bool bench_has_cycles(void)
{
	return IS_ENABLED(CONFIG_X86);
}

/* 0 where there is no counter that means anything. */
static __always_inline u64 bench_cycles(void)
{
#ifdef CONFIG_X86
	return rdtsc_ordered();
#else
	return 0;
#endif
}

/* In units of bench_unit(). */
static __always_inline u64 bench_now(void)
{
	return bench_counts ? bench_cycles() : bench_ns();
}

/* The finest clock for short times, in units of bench_fine_unit(). */
static __always_inline u64 bench_fine(void)
{
	return bench_has_cycles() ? bench_cycles() : bench_ns();
}

#endif /* BENCH_CLOCK_H */
