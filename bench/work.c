// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blocks, their sizes and the order that they are used in. What is random is the
 * same on each run and for each allocator.
 */
#include "bench.h"

#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "allocator.h"

/* How many blocks between two looks at the scheduler. */
#define NR_UNTIL_RESCHED	4096

/* Fisher and Yates. */
static void order_shuffle(struct bench_work *work)
{
	u32 i, j;

	for (i = 0; i < work->nr_blocks; i++)
		work->order[i] = i;
	for (i = work->nr_blocks; i > 1; i--) {
		j = bench_random(work, i);
		swap(work->order[i - 1], work->order[j]);
	}
}

/**
 * bench_work_init() - make room for blocks and put them into a random order
 * @work: of which @nr_blocks is set
 *
 * None of it lies in slabs: it must not disturb what is measured.
 *
 * Return: 0 or -ENOMEM; bench_work_exit() is due in both cases.
 */
int bench_work_init(struct bench_work *work)
{
	work->blocks = vzalloc(array_size(work->nr_blocks, sizeof(void *)));
	work->order = vzalloc(array_size(work->nr_blocks, sizeof(u32)));
	work->sizes = vzalloc(array_size(work->nr_blocks, sizeof(u16)));
	if (!work->blocks || !work->order || !work->sizes)
		return -ENOMEM;
	work->random = BENCH_SEED;
	order_shuffle(work);
	return 0;
}

/* Gives each block a size of its own, uniform on @min_size..@max_size. */
void bench_work_sizes(struct bench_work *work, u32 min_size, u32 max_size)
{
	u32 i, nr = max_size - min_size + 1;

	work->size = 0;
	work->random = BENCH_SEED;
	for (i = 0; i < work->nr_blocks; i++)
		work->sizes[i] = min_size + bench_random(work, nr);
}

void bench_work_exit(struct bench_work *work)
{
	vfree(work->blocks);
	vfree(work->order);
	vfree(work->sizes);
	memset(work, 0, sizeof(*work));
}

/* Bytes of a block. */
u32 bench_work_size(const struct bench_work *work, u32 i)
{
	return work->size ?: work->sizes[i];
}

/*
 * By any allocator, where its cost does not matter. One caller for every block
 * of kmalloc(): a kernel may choose caches by who calls.
 */
noinline void *bench_alloc_any(enum bench_kind kind, size_t size)
{
	return bench_alloc(kind, size, GFP_KERNEL | __GFP_NOWARN);
}

void bench_free_any(enum bench_kind kind, void *block)
{
	if (block)
		bench_free(kind, block);
}

/**
 * bench_work_fill() - allocate every block
 * @kind: by whom
 * @work: the blocks; none of them is allocated
 *
 * Return: 0, -ENOMEM or -EINTR; bench_work_drain() is due in all cases.
 */
int bench_work_fill(enum bench_kind kind, struct bench_work *work)
{
	u32 i;

	for (i = 0; i < work->nr_blocks; i++) {
		work->blocks[i] = bench_alloc_any(kind,
						  bench_work_size(work, i));
		if (!work->blocks[i])
			return -ENOMEM;
		if (i % NR_UNTIL_RESCHED)
			continue;
		cond_resched();
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	return 0;
}

/* Frees every block that there is, in random order. */
void bench_work_drain(enum bench_kind kind, struct bench_work *work)
{
	u32 i;

	for (i = 0; i < work->nr_blocks; i++) {
		bench_free_any(kind, work->blocks[work->order[i]]);
		work->blocks[work->order[i]] = NULL;
		if (!(i % NR_UNTIL_RESCHED))
			cond_resched();
	}
}
