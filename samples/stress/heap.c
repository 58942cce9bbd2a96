// SPDX-License-Identifier: GPL-2.0-only
/* Heaps by name, and the blocks that fill and free commands leave in them. */
#include "stress.h"

#include <linux/debugfs.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>

static LIST_HEAD(heaps);
/* Protects the list and who is busy. */
static DEFINE_MUTEX(heaps_lock);

static struct stress_heap *heap_find(const char *name)
{
	struct stress_heap *sh;

	list_for_each_entry(sh, &heaps, link)
		if (!strcmp(sh->name, name))
			return sh;
	return NULL;
}

/* The heap that @cmd names, for it alone until stress_heap_put(). */
struct stress_heap *stress_heap_get(struct stress_command *cmd)
{
	struct stress_heap *sh;
	bool busy;

	mutex_lock(&heaps_lock);
	sh = heap_find(cmd->name);
	busy = sh && sh->busy;
	if (sh)
		sh->busy = true;
	mutex_unlock(&heaps_lock);
	if (!sh)
		return ERR_PTR(stress_refuse(cmd->result, -ENOENT,
					     "no heap '%s'", cmd->name));
	if (busy)
		return ERR_PTR(stress_refuse(cmd->result, -EBUSY,
					     "heap '%s' is busy", cmd->name));
	return sh;
}

void stress_heap_put(struct stress_heap *sh)
{
	mutex_lock(&heaps_lock);
	sh->busy = false;
	mutex_unlock(&heaps_lock);
}

/* Files a heap under the name of @cmd, to which it must not be known yet. */
static int heap_add(struct stress_command *cmd, struct obm_heap *heap)
{
	struct stress_heap *sh = kzalloc(sizeof(*sh), GFP_KERNEL);

	if (!sh)
		return stress_refuse(cmd->result, -ENOMEM, "no memory");
	strscpy(sh->name, cmd->name, sizeof(sh->name));
	sh->heap = heap;
	mutex_lock(&heaps_lock);
	list_add_tail(&sh->link, &heaps);
	mutex_unlock(&heaps_lock);
	stress_say(cmd->result, "heap=%s\n", cmd->name);
	return 0;
}

int stress_create(struct stress_command *cmd)
{
	struct obm_heap_attrs attrs = OBM_HEAP_ATTRS_INIT;
	struct obm_heap *heap;
	int err;

	attrs.limit_bytes = cmd->limit;
	attrs.node = cmd->node;
	if (cmd->account)
		attrs.flags |= OBM_HEAP_ACCOUNT;
	if (cmd->harden)
		attrs.flags |= OBM_HEAP_HARDEN;
	if (cmd->reclaimable)
		attrs.flags |= OBM_HEAP_RECLAIMABLE;
	heap = obm_heap_create(cmd->name, &attrs);
	if (IS_ERR(heap))
		return stress_refuse(cmd->result, PTR_ERR(heap),
				     "obm_heap_create() gave %ld",
				     PTR_ERR(heap));
	err = heap_add(cmd, heap);
	if (err)
		obm_heap_destroy(heap);
	return err;
}

static struct dentry *dir_enter(struct dentry *dir, const char *name)
{
	struct dentry *entry = debugfs_lookup(name, dir);

	dput(dir);
	return entry ?: ERR_PTR(-ENOENT);
}

/* obmalloc's files in debugfs have their heap with them. */
static struct obm_heap *heap_of_file(const char *name)
{
	struct dentry *entry = dir_enter(NULL, "obmalloc");
	struct obm_heap *heap = NULL;

	entry = IS_ERR(entry) ? entry : dir_enter(entry, "heaps");
	entry = IS_ERR(entry) ? entry : dir_enter(entry, name);
	entry = IS_ERR(entry) ? entry : dir_enter(entry, "stats");
	if (!IS_ERR(entry)) {
		heap = d_inode(entry)->i_private;
		dput(entry);
	}
	return heap;
}

/* A heap without its blocks: those are lost until it is destroyed. */
int stress_adopt(struct stress_command *cmd)
{
	struct obm_heap *heap;
	bool known;

	mutex_lock(&heaps_lock);
	known = heap_find(cmd->name);
	mutex_unlock(&heaps_lock);
	heap = known ? NULL : heap_of_file(cmd->name);
	if (!heap)
		return stress_refuse(cmd->result, -ENOENT,
				     "no lost heap '%s'", cmd->name);
	return heap_add(cmd, heap);
}

static void heap_forget(struct stress_heap *sh)
{
	kvfree(sh->blocks);
	kfree(sh);
}

int stress_destroy(struct stress_command *cmd)
{
	struct stress_heap *sh = stress_heap_get(cmd);

	if (IS_ERR(sh))
		return PTR_ERR(sh);
	mutex_lock(&heaps_lock);
	list_del(&sh->link);
	mutex_unlock(&heaps_lock);
	stress_say(cmd->result, "leaked=%lu\n", obm_heap_destroy(sh->heap));
	heap_forget(sh);
	return 0;
}

/* The module goes; with @leak it leaves its heaps behind. */
void stress_heaps_exit(bool leak)
{
	struct stress_heap *sh, *next;

	list_for_each_entry_safe(sh, next, &heaps, link) {
		if (!leak)
			obm_heap_destroy(sh->heap);
		heap_forget(sh);
	}
}

int stress_trim(struct stress_command *cmd)
{
	struct stress_heap *sh = stress_heap_get(cmd);

	if (IS_ERR(sh))
		return PTR_ERR(sh);
	stress_say(cmd->result, "trimmed=%zu\n", obm_heap_trim(sh->heap));
	stress_heap_put(sh);
	return 0;
}

static int blocks_make_room(struct stress_heap *sh, unsigned int nr)
{
	unsigned long max = sh->nr_blocks + nr;
	struct stress_block *blocks;

	if (max <= sh->max_blocks)
		return 0;
	blocks = kvmalloc_array(max, sizeof(*blocks), GFP_KERNEL);
	if (!blocks)
		return -ENOMEM;
	if (sh->nr_blocks)
		memcpy(blocks, sh->blocks, sh->nr_blocks * sizeof(*blocks));
	kvfree(sh->blocks);
	sh->blocks = blocks;
	sh->max_blocks = max;
	return 0;
}

static int heap_say(struct stress_command *cmd, struct stress_heap *sh,
		    const struct stress_tally *tally)
{
	int err = stress_tally_say(cmd->result, tally);

	stress_say(cmd->result, "live=%lu\n", sh->nr_blocks);
	stress_heap_put(sh);
	return err;
}

/* Ends at the first allocation that fails. */
int stress_fill(struct stress_command *cmd)
{
	struct stress_heap *sh = stress_heap_get(cmd);
	struct stress_tally tally = { };
	struct rnd_state rnd;
	unsigned int i;

	if (IS_ERR(sh))
		return PTR_ERR(sh);
	if (blocks_make_room(sh, cmd->n)) {
		stress_heap_put(sh);
		return stress_refuse(cmd->result, -ENOMEM, "no memory");
	}
	prandom_seed_state(&rnd, cmd->seed);
	for (i = 0; i < cmd->n && !fatal_signal_pending(current); i++) {
		if (!stress_block_alloc(sh->heap, &sh->blocks[sh->nr_blocks],
					cmd, cmd->gfp, &rnd, &tally))
			break;
		sh->nr_blocks++;
		cond_resched();
	}
	return heap_say(cmd, sh, &tally);
}

int stress_verify(struct stress_command *cmd)
{
	struct stress_heap *sh = stress_heap_get(cmd);
	struct stress_tally tally = { };
	unsigned long i;

	if (IS_ERR(sh))
		return PTR_ERR(sh);
	for (i = 0; i < sh->nr_blocks; i++) {
		if (!stress_block_intact(&sh->blocks[i]))
			tally.corrupt++;
		cond_resched();
	}
	return heap_say(cmd, sh, &tally);
}

/* Exactly so many percent, rounded down, in random order. */
int stress_free(struct stress_command *cmd)
{
	struct stress_heap *sh = stress_heap_get(cmd);
	struct stress_tally tally = { };
	struct stress_block *block;
	struct rnd_state rnd;
	unsigned long nr;

	if (IS_ERR(sh))
		return PTR_ERR(sh);
	prandom_seed_state(&rnd, cmd->seed);
	for (nr = sh->nr_blocks * cmd->percent / 100; nr; nr--) {
		block = sh->blocks + prandom_u32_state(&rnd) % sh->nr_blocks;
		stress_block_free(sh->heap, block, stress_chance(&rnd, 2),
				  &tally);
		*block = sh->blocks[--sh->nr_blocks];
		cond_resched();
	}
	return heap_say(cmd, sh, &tally);
}
