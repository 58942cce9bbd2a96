/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of stress.ko share. */
#ifndef STRESS_H
#define STRESS_H

#include <linux/obmalloc.h>
#include <linux/prandom.h>
#include <linux/types.h>

/**
 * struct stress_block - a block, and what is to be found in it
 * @ptr: the block, or NULL
 * @size: bytes that were asked for
 * @tag: from which its content is made
 */
struct stress_block {
	void *ptr;
	u32 size;
	u32 tag;
};

/**
 * struct stress_tally - what was done, and what obmalloc did wrong
 * @allocs: blocks got
 * @frees: blocks given back
 * @failed: allocations that gave NULL
 * @corrupt: blocks whose content was not what had been written
 * @dirty: blocks of obm_zalloc() that were not zero
 * @misplaced: blocks too short, badly aligned, or denied by their heap
 */
struct stress_tally {
	u64 allocs;
	u64 frees;
	u64 failed;
	u64 corrupt;
	u64 dirty;
	u64 misplaced;
};

/**
 * struct stress_heap - a heap and the blocks that fill commands put into it
 * @link: in the list of heaps
 * @name: the heap's
 * @heap: the heap
 * @busy: a command is at work on it
 * @blocks: allocated blocks, in no order
 * @nr_blocks: how many
 * @max_blocks: how many @blocks has room for
 */
struct stress_heap {
	struct list_head link;
	char name[OBM_NAME_LEN];
	struct obm_heap *heap;
	bool busy;
	struct stress_block *blocks;
	unsigned long nr_blocks;
	unsigned long max_blocks;
};

/* The answer to a command, which obm_stress/result shows. */
struct stress_result {
	size_t len;
	char text[1024];
};

/* Who allocates and frees while a run command runs. */
enum stress_ctx {
	STRESS_TASK,
	STRESS_IRQ,
	STRESS_MIXED,
};

/**
 * struct stress_command - a command, parsed
 * @name: of the heap
 * @given: which keys were given, a bit each
 * @limit: limit=, bytes
 * @node: node=
 * @account: account=, whether to charge the memory cgroup
 * @harden: harden=, whether the heap is a hardened one
 * @reclaimable: reclaimable=, whether its blocks are caches
 * @n: n=, how many blocks or times
 * @size_min: size= or the smaller of sizes=
 * @size_max: size= or the larger of sizes=
 * @percent: percent=
 * @cpus: cpus=
 * @ms: ms=
 * @seed: seed=
 * @ctx: ctx=
 * @roam: roam=, whether threads may run on any CPU
 * @gfp: gfp=
 * @kind: kind=, text
 * @result: its answer
 */
struct stress_command {
	const char *name;
	unsigned long given;
	u64 limit;
	int node;
	bool account;
	bool harden;
	bool reclaimable;
	unsigned int n;
	unsigned int size_min;
	unsigned int size_max;
	unsigned int percent;
	unsigned int cpus;
	unsigned int ms;
	u64 seed;
	enum stress_ctx ctx;
	bool roam;
	gfp_t gfp;
	const char *kind;
	struct stress_result *result;
};

static inline bool stress_chance(struct rnd_state *rnd, u32 out_of)
{
	return prandom_u32_state(rnd) % out_of == 0;
}

/* main.c */
void stress_say(struct stress_result *result, const char *fmt, ...)
	__printf(2, 3);
int stress_refuse(struct stress_result *result, int err, const char *fmt, ...)
	__printf(3, 4);

/* command.c */
int stress_command_run(char *text, struct stress_result *result);

/* block.c */
bool stress_block_alloc(struct obm_heap *heap, struct stress_block *block,
			const struct stress_command *cmd, gfp_t gfp,
			struct rnd_state *rnd, struct stress_tally *tally);
void stress_block_resize(struct obm_heap *heap, struct stress_block *block,
			 const struct stress_command *cmd, gfp_t gfp,
			 struct rnd_state *rnd, struct stress_tally *tally);
void stress_block_free(struct obm_heap *heap, struct stress_block *block,
		       bool sized, struct stress_tally *tally);
bool stress_block_intact(const struct stress_block *block);
void stress_tally_add(struct stress_tally *sum, const struct stress_tally *t);
int stress_tally_say(struct stress_result *result,
		     const struct stress_tally *t);

/* heap.c */
int stress_create(struct stress_command *cmd);
int stress_adopt(struct stress_command *cmd);
int stress_destroy(struct stress_command *cmd);
int stress_trim(struct stress_command *cmd);
int stress_fill(struct stress_command *cmd);
int stress_verify(struct stress_command *cmd);
int stress_free(struct stress_command *cmd);
struct stress_heap *stress_heap_get(struct stress_command *cmd);
void stress_heap_put(struct stress_heap *sh);
void stress_heaps_exit(bool leak);

/* run.c */
int stress_run(struct stress_command *cmd);

/* pass.c */
int stress_pass(struct stress_command *cmd);

/* rcu.c */
int stress_rcu(struct stress_command *cmd);

/* fragment.c */
int stress_fragment(struct stress_command *cmd);
int stress_mend(struct stress_command *cmd);
unsigned long stress_fragment_end(void);

/* bad.c */
int stress_bad(struct stress_command *cmd);

#endif /* STRESS_H */
