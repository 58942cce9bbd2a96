// SPDX-License-Identifier: GPL-2.0-only
/* Many blocks are allocated, then all are freed: in one order or another. */
#include "bench.h"

#include <linux/errno.h>
#include <linux/kernel.h>

#include "allocator.h"

#define NR_LIVE		10000
#define NR_BATCHES	25
#define BLOCK_BYTES	64

static __always_inline int blocks_take(enum bench_kind kind,
				       struct bench_work *work)
{
	u32 i;

	for (i = 0; i < work->nr; i++) {
		void *block = bench_alloc(kind, BLOCK_BYTES, GFP_KERNEL);

		if (bench_failed(kind, block))
			goto fail;
		work->blocks[i] = block;
	}
	return 0;

fail:
	while (i--)
		bench_free(kind, work->blocks[i]);
	return -ENOMEM;
}

static __always_inline int same_loop(enum bench_kind kind,
				     struct bench_work *work)
{
	int err = blocks_take(kind, work);
	u32 i;

	for (i = 0; !err && i < work->nr; i++)
		bench_free_sized(kind, READ_ONCE(work->blocks[i]), BLOCK_BYTES);
	return err;
}

DEFINE_BENCH_LOOPS(same_loops, same_loop);

static __always_inline int reverse_loop(enum bench_kind kind,
					struct bench_work *work)
{
	int err = blocks_take(kind, work);
	u32 i;

	for (i = work->nr; !err && i--;)
		bench_free_sized(kind, READ_ONCE(work->blocks[i]), BLOCK_BYTES);
	return err;
}

DEFINE_BENCH_LOOPS(reverse_loops, reverse_loop);

static __always_inline int random_loop(enum bench_kind kind,
				       struct bench_work *work)
{
	int err = blocks_take(kind, work);
	u32 i;

	for (i = 0; !err && i < work->nr; i++)
		bench_free_sized(kind, READ_ONCE(work->blocks[work->order[i]]),
				 BLOCK_BYTES);
	return err;
}

DEFINE_BENCH_LOOPS(random_loops, random_loop);

static int order_run(const struct bench_case *bc)
{
	struct bench_work work = { .nr = NR_LIVE, .nr_blocks = NR_LIVE };
	int err = bench_work_init(&work);

	work.size = BLOCK_BYTES;
	if (!err)
		err = bench_compare(bc, "order_same", same_loops, &work,
				    NR_BATCHES);
	if (!err)
		err = bench_compare(bc, "order_reverse", reverse_loops, &work,
				    NR_BATCHES);
	if (!err)
		err = bench_compare(bc, "order_random", random_loops, &work,
				    NR_BATCHES);
	bench_work_exit(&work);
	return err;
}

const struct bench_case bench_order = {
	.name = "order",
	.what = "10,000 blocks of 64 bytes, freed in allocation, reverse or random order",
	.kinds = BENCH_VS_BOTH,
	.nr_cpus = 1,
	.run = order_run,
};
