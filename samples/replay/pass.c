// SPDX-License-Identifier: GPL-2.0-only
/*
 * A recording's way through an allocator: each block is filled when it is
 * allocated and looked at when it is freed, and the pages that the allocator
 * holds are counted after each allocation.
 *
 * Whatever the recorded kernel had in caches of their own (kmem_cache_alloc) is
 * asked for by its size here, as all the rest.
 */
#include "replay.h"

#include <linux/math64.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

/* How many failures are told one by one. */
#define MAX_REPORTS	10

/*
 * What obmalloc's count of its bytes may differ by from the kernel's count of
 * pages: descriptors come in whole slabs, and the kernel has other business.
 */
#define STATS_SLACK	(256U << 10)
#define STATS_SHARE	16

/**
 * struct replay_slot - a block, or the place for one
 * @ptr: the block, NULL if it could not be allocated
 * @size: bytes asked for
 * @seq: which allocation it is, from 1; 0 if there is none
 */
struct replay_slot {
	void *ptr;
	u32 size;
	u32 seq;
};

/**
 * struct replay_pass - a recording on its way through an allocator
 * @trace: the recording
 * @allocator: who allocates
 * @result: what came of it so far
 * @slots: blocks by their number
 * @next_op: operation that is next
 * @live_bytes: asked for and not freed
 * @base_bytes: taken from the page allocator before the pass
 */
struct replay_pass {
	const struct replay_trace *trace;
	const struct replay_allocator *allocator;
	struct replay_result *result;
	struct replay_slot *slots;
	u32 next_op;
	u64 live_bytes;
	s64 base_bytes;
};

/**
 * struct replay_allocator - who can be replayed
 * @name: for messages
 * @start: makes it ready, if that is needed
 * @alloc: allocates a block, or returns NULL
 * @free: frees it
 * @check: looks at the blocks while there are some
 * @end: undoes @start; there are no blocks any more
 */
struct replay_allocator {
	const char *name;
	int (*start)(void);
	void *(*alloc)(size_t size);
	void (*free)(const void *ptr);
	int (*check)(void);
	int (*end)(struct replay_result *result);
};

/* --- The allocators --- */

static struct obm_heap *heap;

static int heap_start(void)
{
	heap = obm_heap_create("replay", NULL);
	return PTR_ERR_OR_ZERO(heap);
}

static void *heap_alloc(size_t size)
{
	return obm_alloc(heap, size, GFP_KERNEL | __GFP_NOWARN);
}

static int heap_check(void)
{
	int err = obm_heap_validate(heap);

	if (err)
		pr_err("obmalloc: the heap is not valid: %d\n", err);
	return err;
}

static bool stats_agree(u64 stats, u64 taken)
{
	u64 diff = max(stats, taken) - min(stats, taken);

	return diff <= STATS_SLACK + div_u64(stats, STATS_SHARE);
}

static int heap_end(struct replay_result *result)
{
	struct obm_stats stats;
	unsigned long leaked;
	int err = 0;

	obm_heap_stats(heap, &stats);
	leaked = obm_heap_destroy(heap);
	heap = NULL;

	result->stats_peak = stats.peak_bytes;
	if (stats.nr_blocks || stats.nr_raw || stats.used_bytes || leaked) {
		pr_err("obmalloc: %llu blocks and %llu raw blocks in the empty heap, %lu leaked\n",
		       stats.nr_blocks, stats.nr_raw, leaked);
		err = -EIO;
	}
	if (!stats_agree(stats.peak_bytes, result->taken_peak)) {
		pr_err("obmalloc: held %llu bytes at most, took %llu\n",
		       stats.peak_bytes, result->taken_peak);
		err = -EIO;
	}
	return err;
}

const struct replay_allocator replay_obmalloc = {
	.name = "obmalloc",
	.start = heap_start,
	.alloc = heap_alloc,
	.free = obm_free,
	.check = heap_check,
	.end = heap_end,
};

const struct replay_allocator replay_kmalloc = {
	.name = "kmalloc",
	.alloc = replay_kmalloc_block,
	.free = kfree,
};

/* --- Blocks --- */

static void slot_fail(struct replay_pass *pass, const struct replay_slot *slot,
		      const char *what)
{
	if (pass->result->nr_failed++ < MAX_REPORTS)
		pr_err("%s: allocation %u, %u bytes: %s\n",
		       pass->allocator->name, slot->seq, slot->size, what);
}

/* No two blocks have the same pattern, and no part of one is a part's copy. */
static u64 slot_pattern(const struct replay_slot *slot)
{
	return slot->seq * 0x9e3779b97f4a7c15ULL;
}

static void slot_fill(const struct replay_slot *slot)
{
	u64 pattern = slot_pattern(slot);
	size_t nr = slot->size / sizeof(pattern);

	memset64(slot->ptr, pattern, nr);
	memcpy(slot->ptr + nr * sizeof(pattern), &pattern,
	       slot->size % sizeof(pattern));
}

static bool slot_intact(const struct replay_slot *slot)
{
	u64 pattern = slot_pattern(slot);
	size_t i, nr = slot->size / sizeof(pattern);
	const u64 *words = slot->ptr;

	for (i = 0; i < nr; i++)
		if (words[i] != pattern)
			return false;
	return !memcmp(&words[nr], &pattern, slot->size % sizeof(pattern));
}

static void slot_alloc(struct replay_pass *pass, struct replay_slot *slot,
		       u32 size)
{
	struct replay_result *result = pass->result;
	s64 taken;

	slot->seq = ++result->nr_allocs;
	slot->size = size;
	slot->ptr = pass->allocator->alloc(size);
	if (!slot->ptr) {
		slot_fail(pass, slot, "no memory");
		return;
	}
	slot_fill(slot);

	pass->live_bytes += size;
	if (pass->live_bytes > result->requested_peak) {
		result->requested_peak = pass->live_bytes;
		result->peak_op = pass->next_op;
	}
	taken = replay_taken_bytes() - pass->base_bytes;
	if (taken > (s64)result->taken_peak)
		result->taken_peak = taken;
}

static void slot_free(struct replay_pass *pass, struct replay_slot *slot)
{
	if (slot->ptr) {
		if (!slot_intact(slot))
			slot_fail(pass, slot, "its content changed");
		pass->live_bytes -= slot->size;
		pass->allocator->free(slot->ptr);
	}
	slot->ptr = NULL;
	slot->seq = 0;
}

static int op_run(struct replay_pass *pass, const struct replay_op *op)
{
	struct replay_slot *slot;

	if (op->slot >= pass->trace->head.nr_slots)
		return -EINVAL;
	slot = &pass->slots[op->slot];
	if (op->size == REPLAY_FREE) {
		if (!slot->seq)
			return -EINVAL;
		slot_free(pass, slot);
		pass->result->nr_frees++;
		return 0;
	}
	if (slot->seq) {
		slot_free(pass, slot);
		pass->result->nr_again++;
	}
	slot_alloc(pass, slot, op->size);
	return 0;
}

/* --- Passes --- */

/**
 * replay_pass_start() - get ready to replay
 * @trace: a complete recording, which stays until the pass ends
 * @allocator: who is to allocate
 * @result: cleared, and then filled in
 *
 * Context: Process context, may sleep.
 * Return: the pass, or an ERR_PTR.
 */
struct replay_pass *replay_pass_start(const struct replay_trace *trace,
				      const struct replay_allocator *allocator,
				      struct replay_result *result)
{
	struct replay_pass *pass = kzalloc(sizeof(*pass), GFP_KERNEL);
	int err = -ENOMEM;

	if (!pass)
		return ERR_PTR(-ENOMEM);
	memset(result, 0, sizeof(*result));
	pass->trace = trace;
	pass->allocator = allocator;
	pass->result = result;
	/* One more than none, which vmalloc() would not give. */
	pass->slots = vcalloc(trace->head.nr_slots + 1UL, sizeof(*pass->slots));
	if (!pass->slots)
		goto err_free;

	/* What was freed before this pass must not become free during it. */
	rcu_barrier();
	err = replay_slack_fill();
	if (err)
		goto err_drop;
	pass->base_bytes = replay_taken_bytes();
	if (allocator->start)
		err = allocator->start();
	if (err)
		goto err_drop;
	return pass;

err_drop:
	replay_slack_drop();
	vfree(pass->slots);
err_free:
	kfree(pass);
	return ERR_PTR(err);
}

/**
 * replay_pass_run() - replay a part of the recording
 * @pass: the pass
 * @nr_ops: up to which operation of the recording
 *
 * Context: Process context, may sleep.
 * Return: 0, or -EINVAL for operations that are none, or -EINTR.
 */
int replay_pass_run(struct replay_pass *pass, u32 nr_ops)
{
	int err = 0;

	for (; !err && pass->next_op < nr_ops; pass->next_op++) {
		err = op_run(pass, &pass->trace->ops[pass->next_op]);
		if (err)
			pr_err("operation %u is none\n", pass->next_op);
		else if (fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	return err;
}

/**
 * replay_pass_end() - free every block and what the pass needed itself
 * @pass: the pass
 *
 * Context: Process context, may sleep.
 * Return: 0, or -EIO if a block or the allocator was not as it should be.
 */
int replay_pass_end(struct replay_pass *pass)
{
	const struct replay_allocator *allocator = pass->allocator;
	int err = 0, end_err = 0;
	u32 i;

	if (allocator->check)
		err = allocator->check();
	for (i = 0; i < pass->trace->head.nr_slots; i++) {
		if (!pass->slots[i].seq)
			continue;
		slot_free(pass, &pass->slots[i]);
		pass->result->nr_rest++;
		cond_resched();
	}
	if (allocator->end)
		end_err = allocator->end(pass->result);
	if (pass->result->nr_failed)
		err = -EIO;

	replay_slack_drop();
	vfree(pass->slots);
	kfree(pass);
	return err ?: end_err;
}
