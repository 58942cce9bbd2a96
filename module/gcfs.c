// SPDX-License-Identifier: GPL-2.0-only
/*
 * debugfs/obmalloc/heaps/<name>/gc: the collector of a heap, steered by hand. The
 * files are there before there is an object; setting something makes a collector.
 */
#include "gcfs.h"

#include <linux/debugfs.h>
#include <linux/uaccess.h>

/**
 * obm_fs_word() - a line that was written to a file, without blanks around it
 * @heap: whose file it is
 * @what: the file, for the log
 * @buf: user's memory
 * @count: bytes
 * @word: gets it
 *
 * Return: 0; -EFAULT; -EINVAL, named in the log, if it is too long.
 */
int obm_fs_word(const struct obm_heap *heap, const char *what,
		const char __user *buf, size_t count,
		char word[OBM_FS_WORD])
{
	char *text;

	if (count >= OBM_FS_WORD)
		return obm_fs_refuse(heap, what, "a line of too many characters");
	if (copy_from_user(word, buf, count))
		return -EFAULT;
	word[count] = '\0';
	text = strim(word);
	memmove(word, text, strlen(text) + 1);
	return 0;
}

/* Says what is wrong with what was written. */
int obm_fs_refuse(const struct obm_heap *heap, const char *what,
		  const char *word)
{
	pr_warn("heap %s: %s: not understood: '%s'\n", heap->name, what, word);
	return -EINVAL;
}

static int enabled_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%d\n", obm_gc_is_enabled(m->private));
	return 0;
}

static int enabled_set(struct obm_heap *heap, char *word)
{
	bool enabled;

	if (kstrtobool(word, &enabled))
		return -EINVAL;
	if (enabled)
		obm_gc_enable(heap);
	else
		obm_gc_disable(heap);
	return 0;
}
DEFINE_OBM_ATTRIBUTE(enabled, "gc/enabled");

static int thresholds_show(struct seq_file *m, void *v)
{
	unsigned int t[OBM_NR_GENERATIONS];

	obm_gc_thresholds(m->private, t);
	seq_printf(m, "%u %u %u\n", t[0], t[1], t[2]);
	return 0;
}

static int thresholds_set(struct obm_heap *heap, char *word)
{
	unsigned int t[OBM_NR_GENERATIONS], i;
	char *number;

	for (i = 0; i < OBM_NR_GENERATIONS; i++) {
		number = strsep(&word, " \t");
		if (!number || kstrtouint(number, 0, &t[i]))
			return -EINVAL;
		word = word ? skip_spaces(word) : NULL;
	}
	return word ? -EINVAL : obm_gc_set_thresholds(heap, t);
}
DEFINE_OBM_ATTRIBUTE(thresholds, "gc/thresholds");

static int counts_show(struct seq_file *m, void *v)
{
	unsigned int counts[OBM_NR_GENERATIONS];

	obm_gc_counts(m->private, counts);
	seq_printf(m, "%u %u %u\n", counts[0], counts[1], counts[2]);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(counts);

static int collect_show(struct seq_file *m, void *v)
{
	struct obm_gc *gc = obm_gc_of(m->private);
	struct obm_gc_last last = { .generation = -1 };

	if (gc) {
		mutex_lock(&gc->mutex);
		last = gc->last;
		mutex_unlock(&gc->mutex);
	}
	if (last.generation < 0) {
		seq_puts(m, "nothing was collected yet\n");
		return 0;
	}
	seq_printf(m, "generation: %d\nunreachable: %lu\ncollected: %lu\nuncollectable: %lu\ndoubts: %llu\nns: %llu\n",
		   last.generation, last.nr, last.nr - last.nr_kept,
		   last.nr_kept, last.nr_doubts, last.ns);
	return 0;
}

static int collect_set(struct obm_heap *heap, char *word)
{
	unsigned int generation;
	long nr;

	if (kstrtouint(word, 0, &generation))
		return -EINVAL;
	nr = obm_gc_collect(heap, generation);
	return min(nr, 0L);
}
DEFINE_OBM_ATTRIBUTE(collect, "gc/collect");

static int stats_show(struct seq_file *m, void *v)
{
	struct obm_gc_stats s;
	int i, err;

	seq_puts(m, "# generation collections    collected uncollectable       doubts       min_ns    median_ns       max_ns\n");
	for (i = 0; i < OBM_NR_GENERATIONS; i++) {
		err = obm_gc_stats(m->private, i, &s);
		if (err)
			return err;
		seq_printf(m, "%12d %11llu %12llu %13llu %12llu %12llu %12llu %12llu\n",
			   i, s.nr_collections, s.nr_collected,
			   s.nr_uncollectable, s.nr_doubts, s.min_ns,
			   s.median_ns, s.max_ns);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

static int garbage_one(struct obm_obj *obj, int generation, void *arg)
{
	if (generation == OBM_GC_GARBAGE)
		obm_fs_show_obj(arg, obj);
	return 0;
}

static int garbage_show(struct seq_file *m, void *v)
{
	seq_puts(m, OBM_FS_OBJ_HEADER);
	return obm_gc_walk(m->private, garbage_one, m);
}
DEFINE_SHOW_ATTRIBUTE(garbage);

static int freeze_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%lu\n", obm_gc_freeze_count(m->private));
	return 0;
}

static int freeze_set(struct obm_heap *heap, char *word)
{
	bool freeze;

	if (kstrtobool(word, &freeze))
		return -EINVAL;
	return freeze ? obm_gc_freeze(heap) : obm_gc_unfreeze(heap);
}
DEFINE_OBM_ATTRIBUTE(freeze, "gc/freeze");

static const char *const mode_names[] = {
	[OBM_GC_FREE] = "free",
	[OBM_GC_DETECT] = "detect",
};

static int mode_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%s\n", mode_names[obm_gc_get_mode(m->private)]);
	return 0;
}

static int mode_set(struct obm_heap *heap, char *word)
{
	int mode = match_string(mode_names, ARRAY_SIZE(mode_names), word);

	return mode < 0 ? -EINVAL : obm_gc_set_mode(heap, mode);
}
DEFINE_OBM_ATTRIBUTE(mode, "gc/mode");

void obm_gcfs_add(struct obm_heap *heap)
{
	struct dentry *dir = debugfs_create_dir("gc", heap->dir);

	debugfs_create_file("enabled", 0600, dir, heap, &enabled_fops);
	debugfs_create_file("thresholds", 0600, dir, heap, &thresholds_fops);
	debugfs_create_file("counts", 0400, dir, heap, &counts_fops);
	debugfs_create_file("collect", 0600, dir, heap, &collect_fops);
	debugfs_create_file("stats", 0400, dir, heap, &stats_fops);
	debugfs_create_file("garbage", 0400, dir, heap, &garbage_fops);
	debugfs_create_file("freeze", 0600, dir, heap, &freeze_fops);
	debugfs_create_file("mode", 0600, dir, heap, &mode_fops);
	obm_objfs_add(heap);
}
