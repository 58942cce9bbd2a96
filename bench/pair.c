// SPDX-License-Identifier: GPL-2.0-only
/* An allocation and the free of the same block, over and over: all is hot. */
#include "bench.h"

#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/kernel.h>

#include "allocator.h"

#define NR_PAIRS	2000
#define NR_BATCHES	101
#define CONSTANT_SIZE	64

/* Size known when the client is compiled, as nearly all are. */
static __always_inline int constant_loop(enum bench_kind kind,
					 struct bench_work *work)
{
	u32 left = work->nr;

	while (left--) {
		void *block = bench_alloc(kind, CONSTANT_SIZE, GFP_KERNEL);

		if (bench_failed(kind, block))
			return -ENOMEM;
		barrier_data(block);
		bench_free_sized(kind, block, CONSTANT_SIZE);
	}
	return 0;
}

DEFINE_BENCH_LOOPS(constant_loops, constant_loop);

/* Size known to the caller when it runs, to the free not at all. */
static __always_inline int variable_loop(enum bench_kind kind,
					 struct bench_work *work)
{
	u32 left = work->nr;

	while (left--) {
		void *block = bench_alloc(kind, READ_ONCE(work->size),
					  GFP_KERNEL);

		if (bench_failed(kind, block))
			return -ENOMEM;
		barrier_data(block);
		bench_free(kind, block);
	}
	return 0;
}

DEFINE_BENCH_LOOPS(variable_loops, variable_loop);

/* Objects of one type: a cache of the heap's against the kernel's. */
static __always_inline int typed_loop(enum bench_kind kind,
				      struct bench_work *work)
{
	u32 left = work->nr;

	while (left--) {
		void *block = kind == BENCH_OBMALLOC ?
			obm_cache_alloc(bench_obm_cache, GFP_KERNEL) :
			bench_alloc(kind, CONSTANT_SIZE, GFP_KERNEL);

		if (bench_failed(kind, block))
			return -ENOMEM;
		barrier_data(block);
		if (kind == BENCH_OBMALLOC)
			obm_cache_free(bench_obm_cache, block);
		else
			bench_free(kind, block);
	}
	return 0;
}

DEFINE_BENCH_LOOPS(typed_loops, typed_loop);

static int pair_run(const struct bench_case *bc)
{
	struct bench_work work = {
		.nr = bench_nr(NR_PAIRS), .size = CONSTANT_SIZE
	};

	return bench_compare(bc, bc->name, constant_loops, &work, NR_BATCHES);
}

static int typed_run(const struct bench_case *bc)
{
	struct bench_work work = {
		.nr = bench_nr(NR_PAIRS), .size = CONSTANT_SIZE
	};
	int err;

	bench_typed = true;
	err = bench_compare(bc, bc->name, typed_loops, &work, NR_BATCHES);
	bench_typed = false;
	return err;
}

static int variable_run(const struct bench_case *bc)
{
	static const u32 sizes[] = { 16, 64, 256, 512, 1024, 4096 };
	struct bench_work work = { .nr = bench_nr(NR_PAIRS) };
	int i, err = 0;

	for (i = 0; !err && i < ARRAY_SIZE(sizes); i++) {
		work.size = sizes[i];
		err = bench_compare(bc, bc->name, variable_loops, &work,
				    NR_BATCHES);
	}
	return err;
}

const struct bench_case bench_pair = {
	.name = "pair",
	.what = "alloc and free of 64 bytes, constant size, sized free",
	.kinds = BENCH_VS_BOTH,
	.nr_cpus = 1,
	.run = pair_run,
};

const struct bench_case bench_typed_pair = {
	.name = "cache",
	.what = "alloc and free of 64 bytes, of a cache for one type",
	.kinds = BENCH_VS_CACHE,
	.nr_cpus = 1,
	.run = typed_run,
};

const struct bench_case bench_variable = {
	.name = "variable",
	.what = "alloc and free, variable size, unsized free",
	.kinds = BENCH_VS_KMALLOC,
	.nr_cpus = 1,
	.run = variable_run,
};
