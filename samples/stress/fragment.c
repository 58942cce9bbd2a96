// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fragment and mend commands: memory in which no run as long as an arena is
 * free, though most of it is. Of each such run one page is kept, which nobody
 * can move away, and the rest is given back before the next is taken: nobody
 * else is short of memory meanwhile.
 */
#include "stress.h"

#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/nodemask.h>
#include <linux/sched.h>

/* Pages of an arena that is not a smaller one. */
#define RUN_ORDER	6

/* As obmalloc asks for an arena: nothing is reclaimed or moved for it. */
#define RUN_GFP		((GFP_KERNEL & ~__GFP_RECLAIM) | __GFP_NOWARN | \
			 __GFP_NORETRY | __GFP_THISNODE)

static LIST_HEAD(kept);
static DEFINE_MUTEX(kept_lock);

/* Takes a run of a node's and keeps its middle page; false if there is none. */
static bool run_break(int nid)
{
	struct page *page = alloc_pages_node(nid, RUN_GFP, RUN_ORDER);
	unsigned int i;

	if (!page)
		return false;
	split_page(page, RUN_ORDER);
	for (i = 0; i < BIT(RUN_ORDER); i++) {
		if (i == BIT(RUN_ORDER) / 2)
			list_add(&page[i].lru, &kept);
		else
			__free_page(page + i);
	}
	return true;
}

int stress_fragment(struct stress_command *cmd)
{
	struct stress_heap *sh = stress_heap_get(cmd);
	unsigned long nr = 0;
	int nid;

	if (IS_ERR(sh))
		return PTR_ERR(sh);
	mutex_lock(&kept_lock);
	for_each_node_state(nid, N_MEMORY)
		for (; run_break(nid); nr++)
			cond_resched();
	mutex_unlock(&kept_lock);
	stress_heap_put(sh);
	stress_say(cmd->result, "broken=%lu\n", nr);
	return 0;
}

unsigned long stress_fragment_end(void)
{
	struct page *page, *next;
	unsigned long nr = 0;

	mutex_lock(&kept_lock);
	list_for_each_entry_safe(page, next, &kept, lru) {
		list_del(&page->lru);
		__free_page(page);
		nr++;
	}
	mutex_unlock(&kept_lock);
	return nr;
}

int stress_mend(struct stress_command *cmd)
{
	struct stress_heap *sh = stress_heap_get(cmd);

	if (IS_ERR(sh))
		return PTR_ERR(sh);
	stress_say(cmd->result, "mended=%lu\n", stress_fragment_end());
	stress_heap_put(sh);
	return 0;
}
