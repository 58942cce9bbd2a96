/* SPDX-License-Identifier: GPL-2.0-only */
/* module/sanitize.h declares kasan_poison(); sim_page.c asks ASan for it. */
#ifndef SIM_LINUX_KASAN_H
#define SIM_LINUX_KASAN_H

/* Without, where blocks go in and out inline and nobody is told. */
#ifndef SIM_INLINE
#define CONFIG_KASAN 1
#define CONFIG_KASAN_GENERIC 1
#endif

#endif
