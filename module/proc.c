// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/obminfo: a row for each heap and class or cache, in the grammar of
 * /proc/slabinfo 2.1, so that what parses that can parse this. A block is an
 * object there, a pool a slab.
 */
#include "object.h"

#include <linux/proc_fs.h>
#include <linux/seq_file.h>

static void *obminfo_start(struct seq_file *m, loff_t *pos)
{
	mutex_lock(&obm_heaps_lock);
	return seq_list_start_head(&obm_heaps, *pos);
}

static void *obminfo_next(struct seq_file *m, void *v, loff_t *pos)
{
	return seq_list_next(v, &obm_heaps, pos);
}

static void obminfo_stop(struct seq_file *m, void *v)
{
	mutex_unlock(&obm_heaps_lock);
}

static void show_row(struct seq_file *m, const char *heap, const char *row,
		     const struct obm_class_stats *cs, unsigned long size,
		     unsigned int nr_blocks, unsigned int nr_pages)
{
	int pad = 23 - (int)strlen(heap) - (int)strlen(row);

	seq_printf(m, "%s/%s%*s %6llu %6llu %6lu %4u %4u", heap, row,
		   max(pad, 0), "", cs->nr_blocks, cs->nr_total, size,
		   nr_blocks, nr_pages);
	/* No tunables; a pool is active as long as it has a class. */
	seq_printf(m, " : tunables %4u %4u %4u", 0, 0, 0);
	seq_printf(m, " : slabdata %6llu %6llu %6u\n", cs->nr_pools,
		   cs->nr_pools, 0);
}

static void show_class(struct seq_file *m, struct obm_heap *heap,
		       const char *row, unsigned int ci)
{
	const struct obm_class *class = &obm_classes[ci];
	struct obm_class_stats cs;

	obm_stats_class(heap, ci, &cs);
	show_row(m, heap->name, row, &cs, class->size, class->nr_blocks,
		 1U << class->order);
}

/*
 * Types whose objects have no cache, as they have sizes of their own: their blocks
 * stand with their classes, too, so they have no pools here.
 */
static void show_kinds(struct seq_file *m, struct obm_heap *heap)
{
	struct obm_gc *gc = obm_gc_of(heap);
	struct obm_class_stats cs = { };
	struct obm_kind *kind;

	if (!gc)
		return;
	rcu_read_lock();
	list_for_each_entry_rcu(kind, &gc->kind_list, in_gc) {
		if (kind->cache)
			continue;
		cs.nr_blocks = obm_kind_nr_live(kind);
		cs.nr_total = cs.nr_blocks;
		show_row(m, heap->name, kind->name, &cs, 0, 0, 0);
	}
	rcu_read_unlock();
}

/* Under obm_heaps_lock, which keeps its caches. */
static void show_heap(struct seq_file *m, struct obm_heap *heap)
{
	struct obm_class_stats cs;
	struct obm_cache *cache;
	char row[12];
	unsigned int ci;

	for (ci = 0; ci < obm_nr_classes; ci++) {
		snprintf(row, sizeof(row), "%u", obm_classes[ci].size);
		show_class(m, heap, row, ci);
	}
	/* Its blocks stand with their classes: here are the units left. */
	obm_stats_mixed(heap, &cs);
	show_row(m, heap->name, "mixed", &cs, OBM_UNIT, OBM_UNITS, 1);
	/* Raw blocks differ in size: their pages are the objects. */
	obm_stats_raw(heap, &cs);
	cs.nr_blocks = cs.nr_pools;
	cs.nr_total = cs.nr_pools;
	show_row(m, heap->name, "raw", &cs, PAGE_SIZE, 1, 1);
	obm_for_each_cache(heap, cache)
		show_class(m, heap, cache->name, cache->set.ci);
	show_kinds(m, heap);
}

static int obminfo_show(struct seq_file *m, void *v)
{
	if (v == &obm_heaps) {
		seq_puts(m, "obminfo - version: 1.0\n");
		seq_puts(m, "# name                   <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>\n");
		return 0;
	}
	show_heap(m, list_entry(v, struct obm_heap, link));
	return 0;
}

static const struct seq_operations obminfo_ops = {
	.start = obminfo_start,
	.next = obminfo_next,
	.stop = obminfo_stop,
	.show = obminfo_show,
};

int __init obm_proc_init(void)
{
	return proc_create_seq("obminfo", 0400, NULL, &obminfo_ops) ? 0 :
	       -ENOMEM;
}

void obm_proc_exit(void)
{
	remove_proc_entry("obminfo", NULL);
}
