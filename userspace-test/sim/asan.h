/* SPDX-License-Identifier: GPL-2.0-only */
/* AddressSanitizer's part, in builds that have it; gcc and clang tell it apart. */
#ifndef SIM_ASAN_H
#define SIM_ASAN_H

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define SIM_ASAN
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define SIM_ASAN
#endif

#ifdef SIM_ASAN
#include <sanitizer/asan_interface.h>
#else
#define __asan_poison_memory_region(addr, size)				\
	((void)(addr), (void)(size))
#define __asan_unpoison_memory_region(addr, size)			\
	((void)(addr), (void)(size))
#endif

#endif
