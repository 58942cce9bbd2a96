/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What trace2ops makes of a trace and replay.ko replays: a header and then the
 * operations in the trace's order, all in the byte order of the machine.
 *
 * A slot is what a block is known by while it is live; there are as many as the
 * recorded kernel ever had blocks at once. An allocation into a slot that still
 * holds a block frees that one first: the trace did not see its free.
 */
#ifndef REPLAY_OPS_H
#define REPLAY_OPS_H

#include <linux/types.h>

#define REPLAY_MAGIC	0x7370306fU	/* "o0ps" */
#define REPLAY_FREE	0xffffffffU	/* instead of a size */
#define REPLAY_MAX_OPS	0x4000000U

/**
 * struct replay_header - the beginning
 * @magic: REPLAY_MAGIC
 * @nr_ops: operations that follow
 * @nr_slots: slots that they use, from 0
 * @nr_skipped: events of the trace that became no operation
 */
struct replay_header {
	__u32 magic;
	__u32 nr_ops;
	__u32 nr_slots;
	__u32 nr_skipped;
};

/**
 * struct replay_op - one event
 * @slot: where the block goes or is
 * @size: bytes to allocate, or REPLAY_FREE
 */
struct replay_op {
	__u32 slot;
	__u32 size;
};

#endif /* REPLAY_OPS_H */
