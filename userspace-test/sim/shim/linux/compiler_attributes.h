/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_LINUX_COMPILER_ATTRIBUTES_H
#define SIM_LINUX_COMPILER_ATTRIBUTES_H

#define __alloc_size(...)	__attribute__((__alloc_size__(__VA_ARGS__)))
/* Tests compare blocks with freed ones, which this lets gcc decide unread. */
#define __malloc
#ifndef __must_check
#define __must_check		__attribute__((__warn_unused_result__))
#endif

#endif
