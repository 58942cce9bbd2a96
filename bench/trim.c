// SPDX-License-Identifier: GPL-2.0-only
/* What comes back to the system when nearly all blocks are freed at random. */
#include "bench.h"

#include <linux/kernel.h>
#include <linux/obmalloc.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "allocator.h"

#define NR_LIVE		1000000
#define NR_LEFT		(NR_LIVE / 100)
#define BLOCK_BYTES	64

static void trim(enum bench_kind kind)
{
	if (kind == BENCH_OBMALLOC)
		obm_heap_trim(bench_heap);
	else
		kmem_cache_shrink(bench_cache);
}

/* After this all that was given back has really gone. */
static s64 taken_bytes(void)
{
	rcu_barrier();
	return bench_taken_bytes();
}

static int trim_measure(const char *name, enum bench_kind kind,
			struct bench_work *work)
{
	s64 peak, freed, trimmed, base = taken_bytes();
	int err = bench_work_fill(kind, work);
	u32 i;

	if (err)
		return err;
	peak = taken_bytes();
	for (i = NR_LEFT; i < work->nr_blocks; i++) {
		bench_free_any(kind, work->blocks[work->order[i]]);
		work->blocks[work->order[i]] = NULL;
		if (!(i % 4096))
			cond_resched();
	}
	freed = taken_bytes();
	trim(kind);
	trimmed = taken_bytes();

	bench_result(name, kind, BLOCK_BYTES, "peak_bytes", (peak - base) * 1000);
	bench_result(name, kind, BLOCK_BYTES, "returned_by_free_bytes",
		     (peak - freed) * 1000);
	bench_result(name, kind, BLOCK_BYTES, "returned_by_trim_bytes",
		     (freed - trimmed) * 1000);
	bench_result(name, kind, BLOCK_BYTES, "returned_bytes",
		     (peak - trimmed) * 1000);
	bench_result(name, kind, BLOCK_BYTES, "left_bytes",
		     (trimmed - base) * 1000);
	return 0;
}

static int trim_run(const struct bench_case *bc)
{
	struct bench_work work = { .nr_blocks = NR_LIVE };
	int kind, err = bench_work_init(&work);

	work.size = BLOCK_BYTES;
	for (kind = 0; !err && kind < BENCH_NR_KINDS; kind++) {
		if (!(bc->kinds & BIT(kind)))
			continue;
		err = bench_open(kind, BLOCK_BYTES);
		if (err)
			break;
		err = trim_measure(bc->name, kind, &work);
		bench_work_drain(kind, &work);
		bench_close(kind);
	}
	bench_work_exit(&work);
	return err;
}

const struct bench_case bench_trim = {
	.name = "trim",
	.what = "1,000,000 blocks of 64 bytes, 99 % freed at random: bytes that come back",
	.kinds = BENCH_VS_CACHE,
	.nr_cpus = 1,
	.run = trim_run,
};
