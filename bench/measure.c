// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a loop costs.
 *
 * Under QEMU's -icount the time stamp counter counts instructions, the same on
 * every run (counts=1): the median of many batches is the cost without the timer
 * interrupts that some batches have in them. Elsewhere it is time that counts,
 * in nanoseconds and, where there is a counter, in its cycles.
 */
#include "bench.h"

#include <linux/errno.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "clock.h"

#define MAX_BATCHES	256

bool bench_counts;
module_param_named(counts, bench_counts, bool, 0444);
MODULE_PARM_DESC(counts, "the time stamp counter counts instructions, as under qemu -icount");

/* What bench_now() counts. */
const char *bench_unit(void)
{
	return bench_counts ? "instructions" : "ns";
}

/* What bench_fine() counts. */
const char *bench_fine_unit(void)
{
	if (bench_counts)
		return "instructions";
	return bench_has_cycles() ? "cycles" : "ns";
}

/* Operations of a batch: for a clock more than for a counter of instructions. */
u32 bench_nr(u32 nr)
{
	return bench_counts ? nr : nr * 10;
}

/**
 * struct series - what the batches of one allocator took
 * @nr: batches
 * @ns: nanoseconds of each
 * @cycles: cycles of each, or instructions
 */
struct series {
	u32 nr;
	u64 ns[MAX_BATCHES];
	u64 cycles[MAX_BATCHES];
};

static int u64_compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static void series_sort(struct series *series)
{
	sort(series->ns, series->nr, sizeof(u64), u64_compare, NULL);
	sort(series->cycles, series->nr, sizeof(u64), u64_compare, NULL);
}

/* The first batch makes caches warm and is not counted. */
static int series_take(struct series *series, bench_loop loop,
		       struct bench_work *work, u32 nr_batches)
{
	u32 i;
	int err = loop(work);

	series->nr = min_t(u32, nr_batches, MAX_BATCHES);
	for (i = 0; !err && i < series->nr; i++) {
		u64 ns, cycles;

		cond_resched();
		if (fatal_signal_pending(current))
			return -EINTR;
		ns = bench_ns();
		cycles = bench_cycles();
		err = loop(work);
		series->cycles[i] = bench_cycles() - cycles;
		series->ns[i] = bench_ns() - ns;
	}
	series_sort(series);
	return err;
}

static s64 per_op(u64 all, u64 empty, u32 nr)
{
	return div_s64((s64)(all - empty) * 1000, nr);
}

static void report(const char *name, enum bench_kind kind,
		   const struct bench_work *work, const u64 *values,
		   const u64 *empty, u32 nr, const char *const metrics[4])
{
	u32 at[] = { 0, nr / 2, nr * 99 / 100, nr - 1 };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(at); i++)
		bench_result(name, kind, work->size, metrics[i],
			     per_op(values[at[i]],
				    empty[min_t(u32, at[i], nr / 2)],
				    work->nr));
}

static void series_report(const char *name, enum bench_kind kind,
			  const struct bench_work *work,
			  const struct series *series,
			  const struct series *empty)
{
	static const char *const ns[] = {
		"ns_min", "ns", "ns_p99", "ns_max"
	};
	static const char *const cycles[] = {
		"cycles_min", "cycles", "cycles_p99", "cycles_max"
	};
	u32 mid = series->nr / 2;

	if (bench_counts) {
		bench_result(name, kind, work->size, "instructions",
			     per_op(series->cycles[mid], empty->cycles[mid],
				    work->nr));
		return;
	}
	report(name, kind, work, series->ns, empty->ns, series->nr, ns);
	if (series->cycles[mid])
		report(name, kind, work, series->cycles, empty->cycles,
		       series->nr, cycles);
}

/* A kind's batches, from its first block to its last. */
static int kind_take(struct series *series, enum bench_kind kind,
		     bench_loop loop, struct bench_work *work, u32 nr_batches)
{
	int err = bench_open(kind, work->size);

	if (err)
		return err;
	work->random = BENCH_SEED;
	if (work->filled)
		err = bench_work_fill(kind, work);
	if (!err)
		err = series_take(series, loop, work, nr_batches);
	if (work->filled)
		bench_work_drain(kind, work);
	bench_close(kind);
	return err;
}

static int compare(const struct bench_case *bc, const char *name,
		   const bench_loop *loops, struct bench_work *work,
		   u32 nr_batches, struct series *series)
{
	enum bench_kind kind;
	int err = kind_take(&series[0], BENCH_EMPTY, loops[BENCH_EMPTY], work,
			    nr_batches);

	for (kind = BENCH_EMPTY + 1; !err && kind < BENCH_NR_KINDS; kind++) {
		if (!(bc->kinds & BIT(kind)))
			continue;
		err = kind_take(&series[1], kind, loops[kind], work,
				nr_batches);
		if (!err)
			series_report(name, kind, work, &series[1],
				      &series[0]);
	}
	return err;
}

/**
 * bench_compare() - measure a loop with each allocator of a case
 * @bc: the case
 * @name: what the results are called
 * @loops: the loop of each kind; after a batch there are as many blocks as before
 * @work: what a batch does
 * @nr_batches: how many are measured, at most 256
 *
 * Context: Process context, may sleep.
 * Return: 0 or a negative error, the loop's own too.
 */
int bench_compare(const struct bench_case *bc, const char *name,
		  const bench_loop *loops, struct bench_work *work,
		  u32 nr_batches)
{
	struct series *series = kcalloc(2, sizeof(*series), GFP_KERNEL);
	int err;

	if (!series)
		return -ENOMEM;
	err = compare(bc, name, loops, work, nr_batches, series);
	kfree(series);
	return err;
}
