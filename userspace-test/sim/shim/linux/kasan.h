/* SPDX-License-Identifier: GPL-2.0-only */
/* module/sanitize.h declares kasan_poison(); sim_page.c asks ASan for it. */
#ifndef SIM_LINUX_KASAN_H
#define SIM_LINUX_KASAN_H

#define CONFIG_KASAN_GENERIC 1

#endif
