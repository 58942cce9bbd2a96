// SPDX-License-Identifier: GPL-2.0-only
/* One CPU allocates, another one frees: blocks go through a ring. */
#include "bench.h"

#include <linux/atomic.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "allocator.h"
#include "clock.h"

#define NR_OPS		25600
#define NR_ROUNDS	25
#define BLOCK_BYTES	64
#define RING_LEN	256

/**
 * struct ring - blocks on their way from one CPU to the other
 * @blocks: the blocks, NULL where there is none
 * @kind: who allocates
 * @failed: the producer has ended early
 */
struct ring {
	void *blocks[RING_LEN];
	enum bench_kind kind;
	bool failed;
};

static struct ring ring;

static __always_inline int produce(enum bench_kind kind)
{
	u32 i;

	for (i = 0; i < NR_OPS; i++) {
		void **place = &ring.blocks[i % RING_LEN];
		void *block = bench_alloc(kind, BLOCK_BYTES, GFP_KERNEL);

		if (bench_failed(kind, block)) {
			WRITE_ONCE(ring.failed, true);
			return -ENOMEM;
		}
		/* Pairs with the release of consume(). */
		while (smp_load_acquire(place))
			cpu_relax();
		/* Pairs with the acquire of consume(). */
		smp_store_release(place, block);
	}
	return 0;
}

static __always_inline int consume(enum bench_kind kind)
{
	u32 i;

	for (i = 0; i < NR_OPS; i++) {
		void **place = &ring.blocks[i % RING_LEN];
		void *block;

		/* Pairs with the release of produce(). */
		while (!(block = smp_load_acquire(place))) {
			if (READ_ONCE(ring.failed))
				return 0;
			cpu_relax();
		}
		/* Pairs with the acquire of produce(). */
		smp_store_release(place, NULL);
		bench_free_sized(kind, block, BLOCK_BYTES);
	}
	return 0;
}

#define DEFINE_SIDES(name, kind)					\
static noinline int name##_side(unsigned int index)			\
{									\
	return index ? consume(kind) : produce(kind);			\
}

DEFINE_SIDES(empty, BENCH_EMPTY)
DEFINE_SIDES(obmalloc, BENCH_OBMALLOC)
DEFINE_SIDES(kmem_cache, BENCH_KMEM_CACHE)

static int side_run(void *arg, unsigned int index)
{
	switch (ring.kind) {
	case BENCH_OBMALLOC:
		return obmalloc_side(index);
	case BENCH_KMEM_CACHE:
		return kmem_cache_side(index);
	default:
		return empty_side(index);
	}
}

static int kind_run(enum bench_kind kind, u64 *least)
{
	int err = bench_open(kind, BLOCK_BYTES);
	u64 took;

	if (err)
		return err;
	memset(&ring, 0, sizeof(ring));
	ring.kind = kind;
	err = bench_on_cpus(2, side_run, NULL, &took);
	*least = min(*least, took);
	bench_close(kind);
	return err;
}

/* In turn, many times; the least counts, as a host has other things to do. */
static int pipe_run(const struct bench_case *bc)
{
	u64 least[BENCH_NR_KINDS] = { U64_MAX, U64_MAX, U64_MAX, U64_MAX };
	int kind, round, err = 0;

	for (round = 0; round < NR_ROUNDS; round++)
		for (kind = 0; !err && kind < BENCH_NR_KINDS; kind++)
			if (kind == BENCH_EMPTY || bc->kinds & BIT(kind))
				err = kind_run(kind, &least[kind]);

	for (kind = BENCH_EMPTY + 1; !err && kind < BENCH_NR_KINDS; kind++)
		if (bc->kinds & BIT(kind))
			bench_result(bc->name, kind, BLOCK_BYTES, bench_unit(),
				     div_s64((s64)(least[kind] -
						   least[BENCH_EMPTY]) * 1000,
					     NR_OPS));
	return err;
}

const struct bench_case bench_pipe = {
	.name = "pipe",
	.what = "64 bytes allocated on one CPU and freed on another",
	.kinds = BENCH_VS_CACHE,
	.nr_cpus = 2,
	.run = pipe_run,
};
