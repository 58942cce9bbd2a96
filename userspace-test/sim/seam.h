/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel as the core sees it in userspace. Included before everything else
 * (gcc -include); having the guard of module/seam.h, it takes its place.
 *
 * Lists, bitmaps and GFP flags are the kernel's own, from tools/include of its
 * source. The rest is small and checks more than the kernel would.
 */
#ifndef OBM_SEAM_H
#define OBM_SEAM_H

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/types.h>
#include <linux/compiler.h>
#include <linux/compiler_attributes.h>
#include <linux/kernel.h>
#include <linux/bitmap.h>
#include <linux/bits.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/numa.h>
#include <linux/overflow.h>
#include <linux/version.h>

/* Geometry; the build says another. */
#ifndef PAGE_SHIFT
#define PAGE_SHIFT	12
#endif
#define PAGE_SIZE	BIT(PAGE_SHIFT)
#define PAGE_MASK	(~(PAGE_SIZE - 1))
#define offset_in_page(p)	((unsigned long)(p) & ~PAGE_MASK)

/* What tools/include lacks */
#define DIV_ROUND_UP_ULL(n, d)	DIV_ROUND_UP((unsigned long long)(n), d)
#define swap(a, b)							\
	do { typeof(a) __tmp = (a); (a) = (b); (b) = __tmp; } while (0)
#define struct_size_t(type, member, n)					\
	struct_size((type *)NULL, member, n)
#define order_base_2(n)		((n) > 1 ? ilog2((n) - 1) + 1 : 0)
#define __no_kcsan
#define __ffs64(word)		((unsigned int)__builtin_ctzll(word))
#ifndef min3
#define min3(a, b, c)		min(min(a, b), c)
#endif
#ifndef PTR_ALIGN_DOWN
#define PTR_ALIGN_DOWN(p, a)						\
	((typeof(p))((unsigned long)(p) & ~((unsigned long)(a) - 1)))
#endif
/* Of any type, as the kernel's. */
#define abs(x)			labs(x)
#define cpu_relax()		do { } while (0)
#define __percpu

static inline void memset_p(void **p, void *v, size_t n)
{
	while (n--)
		*p++ = v;
}

#define __init
#define __exit
#define __ro_after_init
#define IS_ENABLED(CONFIG_x)	(CONFIG_x)
#define CONFIG_PREEMPT_COUNT	1

static inline size_t size_mul(size_t a, size_t b)
{
	return array_size(a, b);
}

static inline int get_order(unsigned long bytes)
{
	return order_base_2(DIV_ROUND_UP(bytes, PAGE_SIZE));
}

static inline void bitmap_set(unsigned long *map, unsigned int start,
			      unsigned int nr)
{
	for (; nr--; start++)
		__set_bit(start, map);
}

static inline ssize_t strscpy(char *to, const char *from, size_t size)
{
	size_t len = strnlen(from, size);

	if (len == size) {
		memcpy(to, from, size - 1);
		to[size - 1] = '\0';
		return -E2BIG;
	}
	memcpy(to, from, len + 1);
	return len;
}

#include "seam-sync.h"
#include "seam-mm.h"

/* Messages: kept in memory, for tests to look at. */
void sim_printk(const char *fmt, ...) __printf(1, 2);
void sim_warn(const char *what, const char *file, int line);

#define pr_err(...)		sim_printk(__VA_ARGS__)
#define pr_warn(...)		sim_printk(__VA_ARGS__)
#define pr_warn_once(...)	sim_printk(__VA_ARGS__)
#define pr_info(...)		sim_printk(__VA_ARGS__)
#define WARN_ON_ONCE(cond)						\
({									\
	bool __warn = (cond);						\
	if (__warn)							\
		sim_warn(#cond, __FILE__, __LINE__);			\
	__warn;								\
})
#define dump_stack()		do { } while (0)
#define vscnprintf(to, size, fmt, args)	vsnprintf(to, size, fmt, args)

enum { TAINT_BAD_PAGE, LOCKDEP_STILL_OK };
#define add_taint(flag, ok)	((void)(flag), (void)(ok))

struct ratelimit_state {
	int interval;
	int left;
};

#define DEFINE_RATELIMIT_STATE(name, interval_, burst)			\
	struct ratelimit_state name = { .interval = interval_, .left = burst }
int __ratelimit(struct ratelimit_state *limit);

u64 sim_get_random_long(void);
#define get_random_long()	sim_get_random_long()

/* Modules */
struct module;
#define THIS_MODULE		((struct module *)0x1000)
void __module_get(struct module *module);
void module_put(struct module *module);

/* Random numbers of no great worth */
struct rnd_state {
	u64 state;
};

static inline void prandom_seed_state(struct rnd_state *rnd, u64 seed)
{
	rnd->state = seed;
}

static inline u32 prandom_u32_state(struct rnd_state *rnd)
{
	rnd->state = rnd->state * 6364136223846793005ULL + 1442695040888963407ULL;
	return rnd->state >> 32;
}

#include "compat.h"
#include "sanitize.h"

/* Compiled as without PREEMPT_RT, which is a matter of the run here. */
#include <linux/obm_front.h>
#undef strscpy
#define CONFIG_PREEMPT_RT	sim_preempt_rt

#endif
