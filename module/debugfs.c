// SPDX-License-Identifier: GPL-2.0-only
/*
 * debugfs/obmalloc: what a person reads and steers. Only formats snapshots; a
 * heap's directory is removed, and its readers waited for, before the heap is.
 */
#include "cache.h"

#include <linux/debugfs.h>
#include <linux/seq_file.h>

static struct dentry *obm_root;
static struct dentry *obm_heaps_dir;

static void show_u64(struct seq_file *m, const char *name, u64 value)
{
	seq_printf(m, "%s: %llu\n", name, value);
}

static void show_stats(struct seq_file *m, const struct obm_stats *s)
{
	unsigned int i;

	show_u64(m, "used_bytes", s->used_bytes);
	show_u64(m, "avail_bytes", s->avail_bytes);
	show_u64(m, "unused_bytes", s->unused_bytes);
	show_u64(m, "meta_bytes", s->meta_bytes);
	show_u64(m, "quant_bytes", s->quant_bytes);
	show_u64(m, "raw_bytes", s->raw_bytes);
	show_u64(m, "held_bytes", s->held_bytes);
	show_u64(m, "peak_bytes", s->peak_bytes);
	show_u64(m, "limit_bytes", s->limit_bytes);
	show_u64(m, "nr_blocks", s->nr_blocks);
	show_u64(m, "nr_raw", s->nr_raw);
	show_u64(m, "nr_allocs", s->nr_allocs);
	show_u64(m, "nr_frees", s->nr_frees);
	show_u64(m, "nr_failed", s->nr_failed);
	show_u64(m, "nr_limited", s->nr_limited);
	show_u64(m, "nr_arenas", s->nr_arenas);
	show_u64(m, "nr_arenas_got", s->nr_arenas_got);
	show_u64(m, "nr_arenas_put", s->nr_arenas_put);
	show_u64(m, "nr_pages_put", s->nr_pages_put);
	show_u64(m, "nr_pools", s->nr_pools);
	show_u64(m, "nr_unused_pools", s->nr_unused_pools);
	for (i = 0; i < OBM_NR_BAD; i++)
		seq_printf(m, "nr_bad_%s: %llu\n", obm_bad_names[i],
			   s->nr_bad[i]);
}

/* Of one heap, or of all where the file belongs to none. */
static int stats_show(struct seq_file *m, void *v)
{
	struct obm_stats stats;

	obm_heap_stats(m->private, &stats);
	show_stats(m, &stats);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

static int classes_show(struct seq_file *m, void *v)
{
	struct obm_heap *heap = m->private;
	struct obm_class_stats cs;
	unsigned int ci;

	seq_puts(m, "#   ci   size per_pool      pools       used      avail       allocs        frees\n");
	for (ci = 0; ci < obm_nr_classes; ci++) {
		obm_stats_class(heap, ci, &cs);
		seq_printf(m, "%6u %6u %8u %10llu %10llu %10llu %12llu %12llu\n",
			   ci, obm_classes[ci].size, obm_classes[ci].nr_blocks,
			   cs.nr_pools, cs.nr_blocks,
			   cs.nr_total - cs.nr_blocks, cs.nr_allocs,
			   cs.nr_frees);
	}
	obm_stats_mixed(heap, &cs);
	seq_printf(m, "%6s %6u %8u %10llu %10llu %10llu %12llu %12llu\n",
		   "mixed", OBM_UNIT, OBM_UNITS, cs.nr_pools, cs.nr_blocks,
		   cs.nr_total, cs.nr_allocs, cs.nr_frees);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(classes);

static int caches_show(struct seq_file *m, void *v)
{
	struct obm_heap *heap = m->private;
	const struct obm_class *class;
	struct obm_class_stats cs;
	struct obm_cache *cache;

	seq_puts(m, "# name                            size per_pool      pools       used      avail       allocs        frees\n");
	rcu_read_lock();
	obm_for_each_cache(heap, cache) {
		class = &obm_classes[cache->set.ci];
		obm_stats_class(heap, cache->set.ci, &cs);
		seq_printf(m, "%-31s %6u %8u %10llu %10llu %10llu %12llu %12llu\n",
			   cache->name, class->size, class->nr_blocks,
			   cs.nr_pools, cs.nr_blocks,
			   cs.nr_total - cs.nr_blocks, cs.nr_allocs,
			   cs.nr_frees);
	}
	rcu_read_unlock();
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(caches);

/* How full a pool is: empty, a tenth from 0 to 9, full, returned. */
static char pool_char(const struct obm_pool *pool)
{
	unsigned int nr_blocks = obm_classes[pool_ci(pool)].nr_blocks;

	switch (pool->state) {
	case OBM_POOL_UNUSED:
		return '.';
	case OBM_POOL_FULL:
		return '#';
	case OBM_POOL_RETURNED:
		return '-';
	default:
		return '0' + 10 * (nr_blocks - pool->nr_free) / nr_blocks;
	}
}

static void show_arena(struct seq_file *m, struct obm_arena *arena)
{
	struct obm_node *node = arena->node;
	char map[OBM_ARENA_POOLS + 1];
	unsigned long flags;
	unsigned int i;
	bool dead;

	memset(map, ' ', OBM_ARENA_POOLS);
	map[OBM_ARENA_POOLS] = '\0';
	raw_spin_lock_irqsave(&node->lock, flags);
	dead = arena->dead;
	for (i = 0; i < 1U << arena->order; i++)
		map[i] = arena->pools[i].state == OBM_POOL_TAIL ? map[i - 1] :
			 pool_char(&arena->pools[i]);
	raw_spin_unlock_irqrestore(&node->lock, flags);
	if (!dead)
		seq_printf(m, "%4d %8lu |%s|\n", node->nid, arena->id, map);
}

/*
 * An arena a row. The walk is under RCU alone and begins anew if the buffer was
 * too small, so that no lock is held for longer than an arena.
 */
static int arenas_show(struct seq_file *m, void *v)
{
	struct obm_heap *heap = m->private;
	struct obm_arena *arena;
	struct obm_node *node;
	int nid;

	seq_puts(m, "# node arena |pools: . unused, 0-9 tenths in use, # full, - returned|\n");
	obm_for_each_node(heap, nid, node) {
		rcu_read_lock();
		list_for_each_entry_rcu(arena, &node->arenas, all)
			show_arena(m, arena);
		rcu_read_unlock();
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(arenas);

/* Any write triggers; what is written does not matter. */
static ssize_t trim_write(struct file *file, const char __user *buf,
			  size_t count, loff_t *ppos)
{
	struct obm_heap *heap = file->private_data;

	if (heap)
		obm_heap_trim_wait(heap);
	else
		obm_heap_trim_all();
	return count;
}

static const struct file_operations trim_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = trim_write,
	.llseek = noop_llseek,
};

static ssize_t validate_write(struct file *file, const char __user *buf,
			      size_t count, loff_t *ppos)
{
	struct obm_heap *heap = file->private_data;
	int err = heap ? obm_heap_validate(heap) : obm_heap_validate_all();

	return err ?: count;
}

static const struct file_operations validate_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = validate_write,
	.llseek = noop_llseek,
};

static void add_common(struct dentry *dir, struct obm_heap *heap)
{
	debugfs_create_file("stats", 0400, dir, heap, &stats_fops);
	debugfs_create_file("trim", 0200, dir, heap, &trim_fops);
	debugfs_create_file("validate", 0200, dir, heap, &validate_fops);
}

/* Files of a heap, while obm_heaps_lock keeps it from being destroyed. */
void obm_debugfs_add(struct obm_heap *heap)
{
	lockdep_assert_held(&obm_heaps_lock);
	heap->dir = debugfs_create_dir(heap->name, obm_heaps_dir);
	add_common(heap->dir, heap);
	debugfs_create_file("classes", 0400, heap->dir, heap, &classes_fops);
	debugfs_create_file("caches", 0400, heap->dir, heap, &caches_fops);
	debugfs_create_file("arenas", 0400, heap->dir, heap, &arenas_fops);
	obm_gcfs_add(heap);
}

/*
 * Waits for readers, and so without obm_heaps_lock, which others may hold while
 * they wait for memory.
 */
void obm_debugfs_del(struct obm_heap *heap)
{
	debugfs_remove(heap->dir);
}

void __init obm_debugfs_init(void)
{
	obm_root = debugfs_create_dir("obmalloc", NULL);
	add_common(obm_root, NULL);
	obm_heaps_dir = debugfs_create_dir("heaps", obm_root);
}

void obm_debugfs_exit(void)
{
	debugfs_remove(obm_root);
}
