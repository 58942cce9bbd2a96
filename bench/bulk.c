// SPDX-License-Identifier: GPL-2.0-only
/* Many blocks by one call, and freed by one. */
#include "bench.h"

#include <linux/errno.h>
#include <linux/kernel.h>

#include "allocator.h"

#define NR_OPS		4000
#define NR_BATCHES	51
#define BLOCK_BYTES	64

static __always_inline bool bulk_alloc(enum bench_kind kind, u32 nr,
				       void **blocks)
{
	switch (kind) {
#ifdef OBM_HAS_BULK
	case BENCH_OBMALLOC:
		return obm_alloc_bulk(bench_heap, BLOCK_BYTES, GFP_KERNEL, nr,
				       blocks);
#endif
	case BENCH_KMEM_CACHE:
		return kmem_cache_alloc_bulk(bench_cache, GFP_KERNEL, nr,
					     blocks);
	default:
		return true;
	}
}

static __always_inline void bulk_free(enum bench_kind kind, u32 nr,
				      void **blocks)
{
	switch (kind) {
#ifdef OBM_HAS_BULK
	case BENCH_OBMALLOC:
		obm_free_bulk(bench_heap, BLOCK_BYTES, nr, blocks);
		break;
#endif
	case BENCH_KMEM_CACHE:
		kmem_cache_free_bulk(bench_cache, nr, blocks);
		break;
	default:
		break;
	}
}

/* Operations count by the block; @work->nr_blocks come at once. */
static __always_inline int bulk_loop(enum bench_kind kind,
				     struct bench_work *work)
{
	u32 i;

	for (i = 0; i < work->nr; i += work->nr_blocks) {
		if (!bulk_alloc(kind, work->nr_blocks, work->blocks))
			return -ENOMEM;
		barrier_data(work->blocks);
		bulk_free(kind, work->nr_blocks, work->blocks);
	}
	return 0;
}

DEFINE_BENCH_LOOPS(bulk_loops, bulk_loop);

static int bulk_measure(const struct bench_case *bc, const char *name, u32 nr)
{
	struct bench_work work = {
		.nr = bench_nr(NR_OPS) / nr * nr, .nr_blocks = nr
	};
	int err = bench_work_init(&work);

	work.size = BLOCK_BYTES;
	if (!err)
		err = bench_compare(bc, name, bulk_loops, &work, NR_BATCHES);
	bench_work_exit(&work);
	return err;
}

static int bulk_run(const struct bench_case *bc)
{
	return bulk_measure(bc, "bulk16", 16) ?:
		bulk_measure(bc, "bulk64", 64) ?:
		bulk_measure(bc, "bulk250", 250);
}

const struct bench_case bench_bulk = {
	.name = "bulk",
	.what = "16, 64 and 250 blocks of 64 bytes by one call, per block",
#ifdef OBM_HAS_BULK
	.kinds = BENCH_VS_CACHE,
#else
	.kinds = BIT(BENCH_KMEM_CACHE),
#endif
	.nr_cpus = 1,
	.run = bulk_run,
};
