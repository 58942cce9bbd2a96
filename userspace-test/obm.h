/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the C tests share: modules, obmalloc's files and strict parsers of them.
 * What returns bool says in obm_error why it is false.
 */
#ifndef OBM_H
#define OBM_H

#include <stdbool.h>
#include <stddef.h>

#include "kselftest.h"

#define OBM_INFO	"/proc/obminfo"
#define OBM_DEBUG	"/sys/kernel/debug/obmalloc"
#define OBM_HEAPS	OBM_DEBUG "/heaps"
#define OBM_STRESS	"/sys/kernel/debug/obm_stress"
#define OBM_NAME_LEN	32

extern char obm_error[256];

typedef unsigned long long u64;

/* What stands for the class in the row of the pools that classes share. */
#define OBM_MIXED	(~0ULL)

/* A row of /proc/obminfo; class 0 is raw, or a cache if it has a name. */
struct obm_row {
	char heap[OBM_NAME_LEN];
	char cache[OBM_NAME_LEN];
	u64 class;
	u64 active;
	u64 num;
	u64 size;
	u64 per_pool;
	u64 pages;
	u64 pools;
	u64 shared;
};

struct obm_info {
	struct obm_row *rows;
	size_t nr_rows;
	struct obm_row *caches;
	size_t nr_caches;
};

/* The lines of a stats file, in their order. */
enum obm_stat {
	USED_BYTES,
	AVAIL_BYTES,
	UNUSED_BYTES,
	META_BYTES,
	QUANT_BYTES,
	RAW_BYTES,
	HELD_BYTES,
	PEAK_BYTES,
	LIMIT_BYTES,
	NR_BLOCKS,
	NR_RAW,
	NR_ALLOCS,
	NR_FREES,
	NR_FAILED,
	NR_LIMITED,
	NR_ARENAS,
	NR_ARENAS_GOT,
	NR_ARENAS_PUT,
	NR_PAGES_PUT,
	NR_POOLS,
	NR_UNUSED_POOLS,
	NR_BAD_FOREIGN,
	NR_BAD_MISALIGNED,
	NR_BAD_INTERIOR,
	NR_BAD_STALE,
	NR_BAD_DOUBLE,
	NR_BAD_HEAP,
	NR_BAD_SIZE,
	NR_BAD_NOFAIL,
	NR_BAD_TYPE,
	NR_BAD_REF,
	NR_STATS
};

struct obm_stats {
	u64 value[NR_STATS];
};

/*
 * A row of a classes or caches file; pages of a pool are concluded from it, and
 * how many blocks are not in a pool of the class's own.
 */
struct obm_class {
	char name[OBM_NAME_LEN];
	u64 size;
	u64 per_pool;
	u64 pages;
	u64 pools;
	u64 used;
	u64 avail;
	u64 allocs;
	u64 frees;
	u64 shared;
};

/* The last row is not of a class. */
struct obm_classes {
	struct obm_class *rows;
	size_t nr_rows;
	struct obm_class mixed;
};

/* An arenas file, summed up. */
struct obm_arenas {
	u64 nr_arenas;
	u64 nr_unused;
	u64 nr_partial;
	u64 nr_full;
	u64 nr_returned;
	u64 nr_missing;
};

/* In a test of the kselftest harness: @expr, or the end with obm_error. */
#define OK(expr)							\
	do {								\
		bool ok_ = expr;					\
									\
		if (!ok_)						\
			TH_LOG("%s", obm_error);			\
		ASSERT_TRUE(ok_);					\
	} while (0)

bool obm_fail(const char *fmt, ...) __printf(1, 2);

/* Why no test can run here, or NULL. */
const char *obm_lack(void);
bool obm_load(const char *module, const char *params);
bool obm_unload(const char *module);
void obm_unload_all(void);
bool obm_stress(const char *fmt, ...) __printf(1, 2);

/* A whole file, read in pieces of @step bytes; to be freed. */
char *obm_read(const char *path, size_t step);
bool obm_write(const char *path, const char *text);

/* How many there may be of a "cpu" or "node", the numbers left out included. */
u64 obm_possible(const char *what);

/* The kernel log from now on, and what has come since then; to be freed. */
int obm_log_open(void);
char *obm_log_read(int log);

/* Units of a shared pool that a block takes, and bytes of a unit. */
u64 obm_units(u64 size);
u64 obm_unit_bytes(void);

bool obm_parse_info(const char *text, struct obm_info *info);
bool obm_parse_stats(const char *text, struct obm_stats *stats);
bool obm_parse_classes(const char *text, struct obm_classes *classes);
bool obm_parse_caches(const char *text, struct obm_classes *caches);
bool obm_parse_arenas(const char *text, struct obm_arenas *arenas);
/* The same of a whole file, read in pieces of @step bytes. */
bool obm_read_info(const char *path, size_t step, struct obm_info *info);
bool obm_read_stats(const char *path, size_t step, struct obm_stats *stats);
bool obm_read_classes(const char *path, size_t step,
		      struct obm_classes *classes);
bool obm_read_arenas(const char *path, size_t step, struct obm_arenas *arenas);

/* No word of @text is an address of kernel memory. */
bool obm_parse_no_address(const char *text);

#endif /* OBM_H */
