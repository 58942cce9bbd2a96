// SPDX-License-Identifier: GPL-2.0-only
/*
 * How much memory an allocator has taken from the page allocator: one measure
 * for both of them. SLUB counts the pages of its slabs and of large blocks as
 * slab memory, and so does obmalloc those of its arenas and raw blocks; its
 * descriptors lie in slabs. What else the kernel does meanwhile counts too, so
 * the machine is to be quiet.
 */
#include "replay.h"

#include <linux/cpumask.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/vmstat.h>

/**
 * struct slack_block - what fills a hole in a slab
 * @next: the one that was taken before it
 */
struct slack_block {
	struct slack_block *next;
};

static struct slack_block *slack;

/*
 * The counter of a node and what the CPUs have not added to it yet: together
 * exact, unless another CPU is just adding.
 */
static s64 node_pages(struct pglist_data *pgdat, enum node_stat_item item)
{
	s64 pages = atomic_long_read(&pgdat->vm_stat[item]);
	struct per_cpu_nodestat *stat;
	int cpu;

	for_each_online_cpu(cpu) {
		stat = per_cpu_ptr(pgdat->per_cpu_nodestats, cpu);
		pages += READ_ONCE(stat->vm_node_stat_diff[item]);
	}
	return pages;
}

/* Bytes of all slab memory and of unused pages. Context: any. */
s64 replay_taken_bytes(void)
{
	s64 pages = 0;
	int nid;

	preempt_disable();
	for_each_online_node(nid) {
		pages += node_pages(NODE_DATA(nid), NR_SLAB_RECLAIMABLE_B);
		pages += node_pages(NODE_DATA(nid), NR_SLAB_UNRECLAIMABLE_B);
		/* As which pages in no pool of a heap count. */
		pages += node_pages(NODE_DATA(nid), NR_KERNEL_MISC_RECLAIMABLE);
	}
	preempt_enable();
	return pages << PAGE_SHIFT;
}

/* One caller for every block: a kernel may choose caches by who calls. */
noinline void *replay_kmalloc_block(size_t size)
{
	return kmalloc(size, GFP_KERNEL | __GFP_NOWARN);
}

static bool slack_add(size_t size)
{
	struct slack_block *block = replay_kmalloc_block(size);

	if (!block)
		return false;
	block->next = slack;
	slack = block;
	return true;
}

/* Takes blocks until there is a new slab, and then all the rest of that. */
static int class_fill(size_t size)
{
	s64 now, before = replay_taken_bytes();
	size_t rest;

	do {
		if (!slack_add(size))
			return -ENOMEM;
		now = replay_taken_bytes();
		before = min(before, now);
	} while (now == before);

	for (rest = (now - before) / size; rest > 1; rest--)
		if (!slack_add(size))
			return -ENOMEM;
	return 0;
}

/**
 * replay_slack_fill() - leave no free block in any slab of kmalloc()
 *
 * The slabs of a running kernel have free blocks. A replay that gets those
 * takes no page for them and would look thriftier than it is, the first replay
 * more than the second. Filled beforehand, every page that a replay needs is
 * one that it takes. At most a slab of each size may be left over if the kernel
 * allocates meanwhile.
 *
 * Context: Process context, may sleep.
 * Return: 0 or -ENOMEM; replay_slack_drop() is due in both cases.
 */
int replay_slack_fill(void)
{
	size_t size = sizeof(struct slack_block);
	int err = 0;

	while (!err && size <= KMALLOC_MAX_CACHE_SIZE) {
		size = kmalloc_size_roundup(size);
		err = class_fill(size++);
	}
	return err;
}

/* Frees what replay_slack_fill() took. */
void replay_slack_drop(void)
{
	struct slack_block *block;

	while (slack) {
		block = slack;
		slack = block->next;
		kfree(block);
	}
}
