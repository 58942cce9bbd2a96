/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of replay.ko share. */
#ifndef REPLAY_H
#define REPLAY_H

#include <linux/obmalloc.h>
#include <linux/types.h>

#include "ops.h"

/**
 * struct replay_trace - a recording
 * @head: how much of everything
 * @ops: the operations, in vmalloc memory, or NULL
 * @nr_bytes: how much of @ops has been written
 */
struct replay_trace {
	struct replay_header head;
	struct replay_op *ops;
	size_t nr_bytes;
};

/**
 * struct replay_result - what a pass of a recording through an allocator gave
 * @nr_allocs: allocations tried
 * @nr_frees: frees that the trace saw
 * @nr_again: allocations where the trace had a live block: it missed a free
 * @nr_rest: blocks that lived at the trace's end
 * @nr_failed: allocations that gave NULL and blocks that lost their content
 * @requested_peak: the most bytes that were asked for and not freed
 * @taken_peak: the most bytes of pages that the pass had, by the kernel's counts
 * @stats_peak: the same by the allocator's own counts, 0 if it has none
 * @peak_op: operation that made @requested_peak
 */
struct replay_result {
	u32 nr_allocs;
	u32 nr_frees;
	u32 nr_again;
	u32 nr_rest;
	u32 nr_failed;
	u64 requested_peak;
	u64 taken_peak;
	u64 stats_peak;
	u32 peak_op;
};

struct replay_allocator;
struct replay_pass;

extern const struct replay_allocator replay_obmalloc;
extern const struct replay_allocator replay_kmalloc;

/* pass.c: a recording's way through an allocator */
struct replay_pass *replay_pass_start(const struct replay_trace *trace,
				      const struct replay_allocator *allocator,
				      struct replay_result *result);
int replay_pass_run(struct replay_pass *pass, u32 nr_ops);
int replay_pass_end(struct replay_pass *pass);

/* pages.c: what is taken from the page allocator */
s64 replay_taken_bytes(void);
void *replay_kmalloc_block(size_t size);
int replay_slack_fill(void);
void replay_slack_drop(void);

#endif /* REPLAY_H */
