/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's accesses to shared words as C11 atomics, which ThreadSanitizer
 * understands; volatile ones it takes for plain.
 */
#ifndef SIM_LINUX_COMPILER_H
#define SIM_LINUX_COMPILER_H

#include_next <linux/compiler.h>

#undef READ_ONCE
#undef WRITE_ONCE

/*
 * An acquire, because the kernel's READ_ONCE() orders what is reached through
 * the value read (address dependency), and a C11 consume is nothing weaker.
 */
#define READ_ONCE(x)	__atomic_load_n(&(x), __ATOMIC_ACQUIRE)

/* Relaxed: who publishes something by it must say so. */
#define WRITE_ONCE(x, val)	__atomic_store_n(&(x), val, __ATOMIC_RELAXED)

#endif
