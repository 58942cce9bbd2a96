// SPDX-License-Identifier: GPL-2.0-only
/*
 * How much memory is taken from the page allocator for small blocks: one measure
 * for all allocators. SLUB counts the pages of its slabs as slab memory, and so
 * does obmalloc those of its arenas; its descriptors lie in slabs. What the rest
 * of the kernel takes meanwhile counts too, so the machine is to be quiet.
 */
#include "bench.h"

#include <linux/cpumask.h>
#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/vmstat.h>

/**
 * struct slack - a block that fills a hole in a slab
 * @next: the one that was taken before it
 */
struct slack {
	struct slack *next;
};

static struct slack *slacks;

/*
 * The node's counter and what the CPUs have not added to it yet: exact unless
 * another CPU is just adding.
 */
static s64 node_pages(struct pglist_data *pgdat, enum node_stat_item item)
{
	s64 pages = atomic_long_read(&pgdat->vm_stat[item]);
	int cpu;

	for_each_online_cpu(cpu) {
		struct per_cpu_nodestat *stat =
			per_cpu_ptr(pgdat->per_cpu_nodestats, cpu);

		pages += READ_ONCE(stat->vm_node_stat_diff[item]);
	}
	return pages;
}

/* Bytes of all slab memory and of unused pages. */
s64 bench_taken_bytes(void)
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

static bool slack_add(size_t size)
{
	struct slack *slack = bench_alloc_any(BENCH_KMALLOC, size);

	if (!slack)
		return false;
	slack->next = slacks;
	slacks = slack;
	return true;
}

/* Takes blocks until there is a new slab, and then all the rest of that. */
static int class_fill(size_t size)
{
	s64 now, before = bench_taken_bytes();
	size_t rest;

	do {
		if (!slack_add(size))
			return -ENOMEM;
		now = bench_taken_bytes();
		before = min(before, now);
	} while (now == before);

	for (rest = (now - before) / size; rest > 1; rest--)
		if (!slack_add(size))
			return -ENOMEM;
	return 0;
}

/**
 * bench_slack_fill() - leave no free block in any slab of kmalloc()
 *
 * The slabs of a running kernel have free blocks. Who gets those takes no page
 * for them, and would look thriftier than it is, the first one more than the
 * second. Filled beforehand, every page that is needed is one that is taken.
 *
 * Context: Process context, may sleep.
 * Return: 0 or -ENOMEM; bench_slack_drop() is due in both cases.
 */
int bench_slack_fill(void)
{
	size_t size = sizeof(struct slack);
	int err = 0;

	while (!err && size <= KMALLOC_MAX_CACHE_SIZE) {
		size = kmalloc_size_roundup(size);
		err = class_fill(size++);
	}
	return err;
}

/* Frees what bench_slack_fill() took. */
void bench_slack_drop(void)
{
	struct slack *slack;

	while ((slack = slacks)) {
		slacks = slack->next;
		kfree(slack);
	}
}
