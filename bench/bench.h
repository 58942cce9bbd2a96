/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of bench.ko share.
 *
 * A case measures obmalloc and its rivals in turn, all by the same loop: the
 * loop is an always-inline template over enum bench_kind, and the kind is a
 * constant where it is used (allocator.h). One of the kinds allocates nothing;
 * what its loop costs is subtracted from the others'.
 */
#ifndef BENCH_H
#define BENCH_H

#include <linux/bits.h>
#include <linux/types.h>

/**
 * enum bench_kind - who allocates
 * @BENCH_EMPTY: nobody: a loop by itself
 * @BENCH_OBMALLOC: obm_alloc() and the like, in a heap of the case's own
 * @BENCH_KMEM_CACHE: kmem_cache_alloc(), in a cache of the case's own
 * @BENCH_KMALLOC: kmalloc()
 * @BENCH_NR_KINDS: number of them
 */
enum bench_kind {
	BENCH_EMPTY,
	BENCH_OBMALLOC,
	BENCH_KMEM_CACHE,
	BENCH_KMALLOC,
	BENCH_NR_KINDS
};

extern const char *const bench_kind_names[BENCH_NR_KINDS];

/* Bits of struct bench_case.kinds. */
#define BENCH_VS_CACHE		(BIT(BENCH_OBMALLOC) | BIT(BENCH_KMEM_CACHE))
#define BENCH_VS_KMALLOC	(BIT(BENCH_OBMALLOC) | BIT(BENCH_KMALLOC))
#define BENCH_VS_BOTH		(BENCH_VS_CACHE | BENCH_VS_KMALLOC)

/**
 * struct bench_case - something to measure
 * @name: what its results start with
 * @what: the same in a sentence
 * @kinds: BIT() of each allocator that takes part
 * @nr_cpus: how many CPUs it needs
 * @run: measures and calls bench_result(); in a thread on the first CPU
 */
struct bench_case {
	const char *name;
	const char *what;
	unsigned long kinds;
	unsigned int nr_cpus;
	int (*run)(const struct bench_case *bc);
};

extern const struct bench_case bench_pair;
extern const struct bench_case bench_variable;
extern const struct bench_case bench_typed_pair;
extern const struct bench_case bench_bulk;
extern const struct bench_case bench_order;
extern const struct bench_case bench_churn;
extern const struct bench_case bench_live;
extern const struct bench_case bench_huge;
extern const struct bench_case bench_latency;
extern const struct bench_case bench_density;
extern const struct bench_case bench_small;
extern const struct bench_case bench_trim;
extern const struct bench_case bench_pipe;
extern const struct bench_case bench_scale;
extern const struct bench_case bench_object;
extern const struct bench_case bench_object_gc;
extern const struct bench_case bench_getput;
extern const struct bench_case bench_collect;
extern const struct bench_case bench_collect_huge;
extern const struct bench_case bench_wait;

/**
 * struct bench_work - what one batch of a loop does, and with which blocks
 * @nr: operations of a batch, each an allocation and a free
 * @size: bytes of a block where all have the same, else 0
 * @nr_blocks: length of @blocks
 * @filled: @blocks are allocated before the first batch and freed after the last
 * @blocks: the blocks, in vmalloc memory
 * @order: permutation of them, or NULL
 * @sizes: bytes of each, or NULL
 * @random: what bench_random() goes on from
 */
struct bench_work {
	u32 nr;
	u32 size;
	u32 nr_blocks;
	bool filled;
	void **blocks;
	u32 *order;
	u16 *sizes;
	u64 random;
};

#define BENCH_SEED	1991

/* A number below @nr, from Knuth's MMIX generator: few instructions, no call. */
static __always_inline u32 bench_random(struct bench_work *work, u32 nr)
{
	work->random = work->random * 6364136223846793005ULL +
		       1442695040888963407ULL;
	return ((work->random >> 32) * nr) >> 32;
}

typedef int (*bench_loop)(struct bench_work *work);

/* Loops of a template, one for each kind. */
#define DEFINE_BENCH_LOOPS(name, template)				\
static noinline int name##_empty(struct bench_work *work)		\
{									\
	return template(BENCH_EMPTY, work);				\
}									\
static noinline int name##_obmalloc(struct bench_work *work)		\
{									\
	return template(BENCH_OBMALLOC, work);				\
}									\
static noinline int name##_kmem_cache(struct bench_work *work)		\
{									\
	return template(BENCH_KMEM_CACHE, work);			\
}									\
static noinline int name##_kmalloc(struct bench_work *work)		\
{									\
	return template(BENCH_KMALLOC, work);				\
}									\
static const bench_loop name[BENCH_NR_KINDS] = {			\
	name##_empty, name##_obmalloc, name##_kmem_cache, name##_kmalloc \
}

/* allocator.c: what the allocators allocate from */
int bench_open(enum bench_kind kind, size_t size);
void bench_close(enum bench_kind kind);

/* work.c: blocks, their sizes and their order */
int bench_work_init(struct bench_work *work);
void bench_work_sizes(struct bench_work *work, u32 min_size, u32 max_size);
void bench_work_exit(struct bench_work *work);
u32 bench_work_size(const struct bench_work *work, u32 i);
int bench_work_fill(enum bench_kind kind, struct bench_work *work);
void bench_work_drain(enum bench_kind kind, struct bench_work *work);
void *bench_alloc_any(enum bench_kind kind, size_t size);
void bench_free_any(enum bench_kind kind, void *block);

/* taken.c: what is taken from the page allocator */
s64 bench_taken_bytes(void);
int bench_slack_fill(void);
void bench_slack_drop(void);

/* measure.c: what a loop costs */
extern bool bench_counts;
const char *bench_unit(void);
const char *bench_fine_unit(void);
u32 bench_nr(u32 nr);
int bench_compare(const struct bench_case *bc, const char *name,
		  const bench_loop *loops, struct bench_work *work,
		  u32 nr_batches);

/* thread.c: work on chosen CPUs */
int bench_on_cpus(unsigned int nr, int (*fn)(void *arg, unsigned int index),
		  void *arg, u64 *took);

/* result.c: figures found */
void bench_result(const char *name, enum bench_kind kind, u32 size,
		  const char *metric, s64 milli);
struct seq_file;
void bench_results_show(struct seq_file *m);

#endif /* BENCH_H */
