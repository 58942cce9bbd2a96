/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_LINUX_CLEANUP_H
#define SIM_LINUX_CLEANUP_H

#define DEFINE_FREE(name, type, code)					\
static inline void __free_##name(void *where)				\
{									\
	type _T = *(type *)where;					\
									\
	code;								\
}

#define __free(name)	__attribute__((__cleanup__(__free_##name)))

#endif
