// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blocks are replaced at random while many others live. A cost that grows with
 * the number of blocks shows here.
 */
#include "bench.h"

#include <linux/errno.h>
#include <linux/kernel.h>

#include "allocator.h"

#define NR_OPS		20000
#define NR_BATCHES	25
#define NR_CHURNED	100000
#define NR_SIZES	4096
/* Divides NR_OPS, and is no more than live at least. */
#define BURST		250
#define BLOCK_BYTES	64

/* Another size each time, one of the many that the work has. */
static __always_inline int sizes_loop(enum bench_kind kind,
				      struct bench_work *work)
{
	u32 i;

	for (i = 0; i < work->nr; i++) {
		u32 at = bench_random(work, work->nr_blocks);
		u32 size = READ_ONCE(work->sizes[bench_random(work, NR_SIZES)]);
		void *block;

		bench_free(kind, READ_ONCE(work->blocks[at]));
		block = bench_alloc(kind, size, GFP_KERNEL);
		WRITE_ONCE(work->blocks[at], block);
		if (bench_failed(kind, block))
			return -ENOMEM;
	}
	return 0;
}

DEFINE_BENCH_LOOPS(sizes_loops, sizes_loop);

/* The same place and those after it, in the random order of the work. */
static __always_inline void **place(struct bench_work *work, u32 at)
{
	if (at >= work->nr_blocks)
		at -= work->nr_blocks;
	return &work->blocks[READ_ONCE(work->order[at])];
}

/* In bursts: what is freed does not all come back at once. */
static __always_inline int burst_loop(enum bench_kind kind,
				      struct bench_work *work)
{
	u32 i, done, start;

	for (done = 0; done < work->nr; done += BURST) {
		start = bench_random(work, work->nr_blocks);
		for (i = 0; i < BURST; i++) {
			void **at = place(work, start + i);
			void *block = READ_ONCE(*at);

			WRITE_ONCE(*at, NULL);
			bench_free_sized(kind, block, BLOCK_BYTES);
		}
		for (i = 0; i < BURST; i++) {
			void *block = bench_alloc(kind, BLOCK_BYTES,
						  GFP_KERNEL);

			WRITE_ONCE(*place(work, start + i), block);
			if (bench_failed(kind, block))
				return -ENOMEM;
		}
	}
	return 0;
}

DEFINE_BENCH_LOOPS(burst_loops, burst_loop);

static int churn_run(const struct bench_case *bc)
{
	struct bench_work work = {
		.nr = NR_OPS, .nr_blocks = NR_CHURNED, .filled = true
	};
	int err = bench_work_init(&work);

	if (!err) {
		bench_work_sizes(&work, 1, 512);
		err = bench_compare(bc, bc->name, sizes_loops, &work,
				    NR_BATCHES);
	}
	bench_work_exit(&work);
	return err;
}

static int live_measure(const struct bench_case *bc, const char *name, u32 nr)
{
	struct bench_work work = {
		.nr = NR_OPS, .nr_blocks = nr, .filled = true
	};
	int err = bench_work_init(&work);

	work.size = BLOCK_BYTES;
	if (!err)
		err = bench_compare(bc, name, burst_loops, &work,
				    NR_BATCHES);
	bench_work_exit(&work);
	return err;
}

static int live_run(const struct bench_case *bc)
{
	return live_measure(bc, "live_1e3", 1000) ?:
		live_measure(bc, "live_1e5", 100000);
}

static int huge_run(const struct bench_case *bc)
{
	return live_measure(bc, "live_1e7", 10000000);
}

const struct bench_case bench_churn = {
	.name = "churn",
	.what = "100,000 blocks of 1 to 512 bytes, replaced at random",
	.kinds = BENCH_VS_KMALLOC,
	.nr_cpus = 1,
	.run = churn_run,
};

const struct bench_case bench_live = {
	.name = "live",
	.what = "1,000 and 100,000 blocks of 64 bytes, 250 random ones replaced at a time",
	.kinds = BENCH_VS_CACHE,
	.nr_cpus = 1,
	.run = live_run,
};

const struct bench_case bench_huge = {
	.name = "huge",
	.what = "the same with 10,000,000 (800 MB of memory)",
	.kinds = BENCH_VS_CACHE,
	.nr_cpus = 1,
	.run = huge_run,
};
