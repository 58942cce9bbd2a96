/* SPDX-License-Identifier: GPL-2.0-only */
/* Types as 64-bit kernels have them: u64 is long long, so %llu fits it. */
#ifndef SIM_LINUX_TYPES_H
#define SIM_LINUX_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <asm/types.h>

typedef __u64 u64;
typedef __s64 s64;
typedef __u32 u32;
typedef __s32 s32;
typedef __u16 u16;
typedef __s16 s16;
typedef __u8 u8;
typedef __s8 s8;

#define gfp_t		unsigned int
#define atomic_long_t	struct sim_atomic_long

struct sim_atomic_long {
	long counter;
};

struct list_head {
	struct list_head *next, *prev;
};

struct hlist_node {
	struct hlist_node *next, **pprev;
};

struct hlist_head {
	struct hlist_node *first;
};

#define __bitwise
#define __force
#define __user

#endif
