// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long single operations take, the rare slow ones above all: an allocator
 * grows from nothing, lives on, and shrinks.
 */
#include "bench.h"

#include <linux/errno.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/sort.h>
#include <linux/vmalloc.h>

#include "allocator.h"
#include "clock.h"

#define NR_LIVE		100000
#define NR_REPLACED	100000
#define NR_OPS		(NR_LIVE + NR_REPLACED)

/**
 * struct latencies - of all operations of one kind
 * @nr: how many
 * @values: what each took, in vmalloc memory
 */
struct latencies {
	u32 nr;
	u32 *values;
};

/*
 * An operation that the timer interrupted, or that gave way to another task,
 * tells nothing of the allocator.
 */
static __always_inline unsigned long events(void)
{
	return jiffies + current->nvcsw + current->nivcsw;
}

static __always_inline void op_begin(unsigned long *before, u64 *start)
{
	if (need_resched())
		cond_resched();
	*before = events();
	*start = bench_fine();
}

static __always_inline void op_end(struct latencies *latencies,
				   unsigned long before, u64 start)
{
	u64 took = bench_fine() - start;

	if (events() == before)
		latencies->values[latencies->nr++] = min_t(u64, took, U32_MAX);
}

static __always_inline int block_take(enum bench_kind kind,
				      struct bench_work *work, u32 at,
				      struct latencies *latencies)
{
	size_t size = work->sizes[at];
	unsigned long before;
	void *block;
	u64 start;

	op_begin(&before, &start);
	block = bench_alloc(kind, size, GFP_KERNEL);
	op_end(latencies, before, start);
	if (!block)
		return -ENOMEM;
	work->blocks[at] = block;
	return 0;
}

static __always_inline void block_drop(enum bench_kind kind,
				       struct bench_work *work, u32 at,
				       struct latencies *latencies)
{
	void *block = work->blocks[at];
	unsigned long before;
	u64 start;

	op_begin(&before, &start);
	bench_free(kind, block);
	op_end(latencies, before, start);
	work->blocks[at] = NULL;
}

static __always_inline int take_loop(enum bench_kind kind,
				     struct bench_work *work,
				     struct latencies *allocs,
				     struct latencies *frees)
{
	u32 i, at;
	int err = 0;

	for (i = 0; !err && i < NR_LIVE; i++)
		err = block_take(kind, work, i, allocs);
	for (i = 0; !err && i < NR_REPLACED; i++) {
		at = bench_random(work, NR_LIVE);
		block_drop(kind, work, at, frees);
		err = block_take(kind, work, at, allocs);
	}
	for (i = 0; !err && i < NR_LIVE; i++)
		block_drop(kind, work, work->order[i], frees);
	return err;
}

static noinline int take_obmalloc(struct bench_work *work,
				  struct latencies *allocs,
				  struct latencies *frees)
{
	return take_loop(BENCH_OBMALLOC, work, allocs, frees);
}

static noinline int take_kmalloc(struct bench_work *work,
				 struct latencies *allocs,
				 struct latencies *frees)
{
	return take_loop(BENCH_KMALLOC, work, allocs, frees);
}

static noinline int take_empty(struct bench_work *work,
			       struct latencies *allocs,
			       struct latencies *frees)
{
	return take_loop(BENCH_EMPTY, work, allocs, frees);
}

static int u32_compare(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

/* @read_cost: the least that an empty operation took. */
static void latencies_report(const char *name, enum bench_kind kind,
			     struct latencies *latencies, u32 read_cost)
{
	static const struct {
		const char *metric;
		u32 per_mille;
	} points[] = {
		{ "p50", 500 }, { "p99", 990 }, { "p999", 999 }, { "max", 1000 }
	};
	char metric[24];
	u32 i, at, value;

	sort(latencies->values, latencies->nr, sizeof(u32), u32_compare, NULL);
	for (i = 0; i < ARRAY_SIZE(points); i++) {
		at = mul_u32_u32(latencies->nr - 1, points[i].per_mille) / 1000;
		value = latencies->values[at];
		snprintf(metric, sizeof(metric), "%s_%s", bench_fine_unit(),
			 points[i].metric);
		bench_result(name, kind, 0, metric,
			     ((s64)value - read_cost) * 1000);
	}
}

static int latency_measure(enum bench_kind kind, struct bench_work *work,
			   struct latencies *allocs, struct latencies *frees)
{
	int err = bench_open(kind, 0);

	if (err)
		return err;
	work->random = BENCH_SEED;
	allocs->nr = 0;
	frees->nr = 0;
	if (kind == BENCH_OBMALLOC)
		err = take_obmalloc(work, allocs, frees);
	else if (kind == BENCH_KMALLOC)
		err = take_kmalloc(work, allocs, frees);
	else
		err = take_empty(work, allocs, frees);
	if (kind == BENCH_EMPTY)
		memset(work->blocks, 0, NR_LIVE * sizeof(void *));
	else
		bench_work_drain(kind, work);
	bench_close(kind);
	return err;
}

static u32 least(const struct latencies *latencies)
{
	u32 i, value = U32_MAX;

	for (i = 0; i < latencies->nr; i++)
		value = min(value, latencies->values[i]);
	return value;
}

static int latency_run(const struct bench_case *bc)
{
	struct bench_work work = { .nr_blocks = NR_LIVE };
	struct latencies allocs = { }, frees = { };
	int kind, err = bench_work_init(&work);
	u32 read_cost = 0;

	allocs.values = vmalloc(NR_OPS * sizeof(u32));
	frees.values = vmalloc(NR_OPS * sizeof(u32));
	if (!allocs.values || !frees.values)
		err = -ENOMEM;
	for (kind = 0; !err && kind < BENCH_NR_KINDS; kind++) {
		if (kind != BENCH_EMPTY && !(bc->kinds & BIT(kind)))
			continue;
		bench_work_sizes(&work, 1, 512);
		err = latency_measure(kind, &work, &allocs, &frees);
		if (err)
			break;
		if (kind == BENCH_EMPTY) {
			read_cost = least(&allocs);
			continue;
		}
		latencies_report("latency_alloc", kind, &allocs, read_cost);
		latencies_report("latency_free", kind, &frees, read_cost);
	}
	vfree(allocs.values);
	vfree(frees.values);
	bench_work_exit(&work);
	return err;
}

const struct bench_case bench_latency = {
	.name = "latency",
	.what = "single operations with 100,000 blocks of 1 to 512 bytes, from the first on",
	.kinds = BENCH_VS_KMALLOC,
	.nr_cpus = 1,
	.run = latency_run,
};
