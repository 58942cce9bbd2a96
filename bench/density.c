// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bytes that an allocator holds for the bytes that were asked for: when all
 * blocks have just been allocated, and after each has been replaced by one of
 * another size several times.
 */
#include "bench.h"

#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/obmalloc.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>

#include "allocator.h"

#define NR_LIVE		100000
#define NR_ROUNDS	4
#define SMALL_BYTES	(50U << 10)
#define SMALL_SIZES	40

static u64 requested_bytes(const struct bench_work *work)
{
	u64 bytes = 0;
	u32 i;

	for (i = 0; i < work->nr_blocks; i++)
		bytes += bench_work_size(work, i);
	return bytes;
}

/*
 * By the kernel's count of pages, or by obmalloc's own where that is more: it
 * knows of memory besides slabs that it has.
 */
static u64 held_bytes(enum bench_kind kind, s64 base)
{
	s64 held = bench_taken_bytes() - base;
	struct obm_stats stats;

	if (kind == BENCH_OBMALLOC) {
		obm_heap_stats(bench_heap, &stats);
		held = max_t(s64, held, stats.held_bytes);
	}
	return held;
}

static void held_report(const char *name, enum bench_kind kind,
			const struct bench_work *work, const char *metric,
			s64 base)
{
	bench_result(name, kind, 0, metric,
		     div64_u64(held_bytes(kind, base) * 1000,
			       requested_bytes(work)));
}

/**
 * struct size_range - which sizes blocks have
 * @name: what the results are called
 * @min: bytes of the smallest
 * @max: bytes of the largest
 */
struct size_range {
	const char *name;
	u32 min;
	u32 max;
};

static int blocks_replace(enum bench_kind kind, struct bench_work *work,
			  const struct size_range *range)
{
	u32 i, at, size;

	for (i = 0; i < NR_ROUNDS * work->nr_blocks; i++) {
		at = bench_random(work, work->nr_blocks);
		size = range->min + bench_random(work, range->max - range->min +
						       1);
		bench_free_any(kind, work->blocks[at]);
		work->sizes[at] = size;
		work->blocks[at] = bench_alloc_any(kind, size);
		if (!work->blocks[at])
			return -ENOMEM;
		if (!(i % 1024))
			cond_resched();
	}
	return 0;
}

static int blocks_hold(const char *name, enum bench_kind kind,
		       struct bench_work *work, const struct size_range *range)
{
	s64 base = bench_taken_bytes();
	int err = bench_work_fill(kind, work);

	if (err)
		return err;
	bench_result(name, kind, 0, "requested_bytes",
		     requested_bytes(work) * 1000);
	bench_result(name, kind, 0, "held_bytes",
		     held_bytes(kind, base) * 1000);
	held_report(name, kind, work, "held_ratio", base);
	if (!range)
		return 0;
	err = blocks_replace(kind, work, range);
	if (!err)
		held_report(name, kind, work, "held_ratio_churned", base);
	return err;
}

static int density_measure(const char *name, enum bench_kind kind,
			   struct bench_work *work,
			   const struct size_range *range)
{
	int err;

	/* What others gave back may still wait for RCU. */
	rcu_barrier();
	err = bench_slack_fill();
	if (!err)
		err = bench_open(kind, 0);
	if (!err) {
		err = blocks_hold(name, kind, work, range);
		bench_work_drain(kind, work);
		bench_close(kind);
	}
	bench_slack_drop();
	return err;
}

static int range_run(const struct bench_case *bc, const struct size_range *range)
{
	struct bench_work work = { .nr_blocks = NR_LIVE };
	int kind, err = bench_work_init(&work);

	for (kind = 0; !err && kind < BENCH_NR_KINDS; kind++) {
		if (!(bc->kinds & BIT(kind)))
			continue;
		bench_work_sizes(&work, range->min, range->max);
		err = density_measure(range->name, kind, &work, range);
	}
	bench_work_exit(&work);
	return err;
}

static int density_run(const struct bench_case *bc)
{
	static const struct size_range ranges[] = {
		{ "density512", 1, 512 },
		{ "density8192", 513, 8192 },
	};

	return range_run(bc, &ranges[0]) ?: range_run(bc, &ranges[1]);
}

/* Sizes spread evenly up to 512, the same number of blocks of each. */
static int small_run(const struct bench_case *bc)
{
	const u32 mean = 512 * (SMALL_SIZES + 1) / SMALL_SIZES / 2;
	struct bench_work work = { .nr_blocks = SMALL_BYTES / mean };
	int kind, err = bench_work_init(&work);
	u32 i;

	for (i = 0; !err && i < work.nr_blocks; i++)
		work.sizes[work.order[i]] = 512 * (i % SMALL_SIZES + 1) /
					    SMALL_SIZES;
	for (kind = 0; !err && kind < BENCH_NR_KINDS; kind++)
		if (bc->kinds & BIT(kind))
			err = density_measure(bc->name, kind, &work,
					      NULL);
	bench_work_exit(&work);
	return err;
}

const struct bench_case bench_density = {
	.name = "density",
	.what = "bytes held for bytes requested, 100,000 blocks of random sizes",
	.kinds = BENCH_VS_KMALLOC,
	.nr_cpus = 1,
	.run = density_run,
};

const struct bench_case bench_small = {
	.name = "small",
	.what = "bytes held for 50 KiB in blocks of 40 sizes",
	.kinds = BENCH_VS_KMALLOC,
	.nr_cpus = 1,
	.run = small_run,
};
