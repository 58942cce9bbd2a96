// SPDX-License-Identifier: GPL-2.0-only
/* Four CPUs, each with blocks of its own, against one. */
#include "bench.h"

#include <linux/cache.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/time64.h>

#include "allocator.h"
#include "clock.h"

#define WINDOW_NS	(20 * NSEC_PER_MSEC)
#define NR_OPS		1024
#define NR_ROUNDS	60
#define NR_BLOCKS	64
#define BLOCK_BYTES	64
#define MAX_CPUS	4

/**
 * struct worker - what a CPU has to itself
 * @blocks: its blocks
 * @nr_ops: how often it has replaced one
 */
struct worker {
	void *blocks[NR_BLOCKS];
	u64 nr_ops;
} ____cacheline_aligned_in_smp;

static struct worker workers[MAX_CPUS];

/* In turn, each block is freed and allocated anew, until time is up. */
static __always_inline int replace(enum bench_kind kind, struct worker *own)
{
	u64 begin = bench_ns();
	u32 i;

	own->nr_ops = 0;
	do {
		for (i = 0; i < NR_OPS; i++) {
			void *block = READ_ONCE(own->blocks[i % NR_BLOCKS]);

			if (block)
				bench_free_sized(kind, block, BLOCK_BYTES);
			block = bench_alloc(kind, BLOCK_BYTES, GFP_KERNEL);
			WRITE_ONCE(own->blocks[i % NR_BLOCKS], block);
			if (bench_failed(kind, block))
				return -ENOMEM;
		}
		own->nr_ops += NR_OPS;
	} while (bench_ns() - begin < WINDOW_NS);
	return 0;
}

static int replace_obmalloc(void *arg, unsigned int index)
{
	return replace(BENCH_OBMALLOC, &workers[index]);
}

static int replace_kmem_cache(void *arg, unsigned int index)
{
	return replace(BENCH_KMEM_CACHE, &workers[index]);
}

static void blocks_drop(enum bench_kind kind)
{
	struct worker *worker;
	u32 i;

	for (worker = workers; worker < workers + MAX_CPUS; worker++) {
		for (i = 0; i < NR_BLOCKS; i++) {
			bench_free_any(kind, worker->blocks[i]);
			worker->blocks[i] = NULL;
		}
	}
}

/* @most: operations a second of all CPUs together, in the best round so far. */
static int kind_run(enum bench_kind kind, u32 nr_cpus, u64 *most)
{
	int err = bench_open(kind, BLOCK_BYTES);
	u64 took, nr_ops = 0;
	u32 i;

	if (err)
		return err;
	err = bench_on_cpus(nr_cpus, kind == BENCH_OBMALLOC ?
			    replace_obmalloc : replace_kmem_cache, NULL, &took);
	for (i = 0; !err && i < nr_cpus; i++)
		nr_ops += workers[i].nr_ops;
	if (!err)
		*most = max(*most, div64_u64(nr_ops * NSEC_PER_SEC, took));
	blocks_drop(kind);
	bench_close(kind);
	return err;
}

static void kind_report(enum bench_kind kind, u64 one, u64 four)
{
	bench_result("scale1", kind, BLOCK_BYTES, "ns",
		     div64_u64(1000 * NSEC_PER_SEC, one));
	bench_result("scale4", kind, BLOCK_BYTES, "ns",
		     div64_u64(1000 * NSEC_PER_SEC, four));
	bench_result("scale", kind, BLOCK_BYTES, "throughput_ratio",
		     div64_u64(1000 * four, one));
}

static int scale_run(const struct bench_case *bc)
{
	static const enum bench_kind kinds[] = {
		BENCH_OBMALLOC, BENCH_KMEM_CACHE
	};
	u64 one[] = { 0, 0 }, four[] = { 0, 0 };
	int i, round, err = 0;

	for (round = 0; round < NR_ROUNDS; round++) {
		for (i = 0; !err && i < ARRAY_SIZE(kinds); i++) {
			err = kind_run(kinds[i], 1, &one[i]) ?:
				kind_run(kinds[i], MAX_CPUS, &four[i]);
		}
	}
	for (i = 0; !err && i < ARRAY_SIZE(kinds); i++)
		kind_report(kinds[i], one[i], four[i]);
	return err;
}

const struct bench_case bench_scale = {
	.name = "scale",
	.what = "throughput of 4 CPUs, each with its own blocks of 64 bytes, against 1",
	.kinds = BENCH_VS_CACHE,
	.nr_cpus = MAX_CPUS,
	.run = scale_run,
};
