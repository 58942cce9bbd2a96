// SPDX-License-Identifier: GPL-2.0-only
/*
 * Measures obmalloc against kmem_cache and kmalloc() in the running kernel. By
 * debugfs, in the directory obm_bench:
 *
 *   cases    r  what can be measured: name, CPUs needed, a sentence
 *   run      w  names of cases, or "all": measures them before it returns
 *   results  r  lines of case,allocator,size,metric,value
 */
#include "bench.h"

#include <linux/cpumask.h>
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/obmalloc.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#define MAX_COMMAND	256

static char *run;
module_param(run, charp, 0444);
MODULE_PARM_DESC(run, "cases to measure when loaded: names, or all");

static const struct bench_case *const cases[] = {
	&bench_pair,
	&bench_variable,
	&bench_typed_pair,
	&bench_bulk,
	&bench_order,
	&bench_churn,
	&bench_live,
	&bench_latency,
	&bench_density,
	&bench_small,
	&bench_trim,
	&bench_pipe,
	&bench_scale,
	&bench_object,
	&bench_object_gc,
	&bench_getput,
	&bench_collect,
	&bench_wait,
	&bench_huge,
	&bench_collect_huge,
};

/* Protects the results; only one case at a time can be measured. */
static DEFINE_MUTEX(bench_lock);

static struct dentry *dir;

static int case_thread(void *arg, unsigned int index)
{
	const struct bench_case *bc = arg;

	return bc->run(bc);
}

static int case_run(const struct bench_case *bc)
{
	int err;

	if (bc->nr_cpus > num_online_cpus())
		return -ENODEV;
	err = bench_on_cpus(1, case_thread, (void *)bc, NULL);
	if (err)
		pr_err("%s: error %d\n", bc->name, err);
	return err;
}

/* Those that this machine has the CPUs for. */
static int all_run(void)
{
	int i, err, first_err = 0;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		if (cases[i]->nr_cpus > num_online_cpus())
			continue;
		err = case_run(cases[i]);
		first_err = first_err ?: err;
	}
	return first_err;
}

static int name_run(const char *name)
{
	int i;

	if (!strcmp(name, "all"))
		return all_run();
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		if (!strcmp(name, cases[i]->name))
			return case_run(cases[i]);
	return -EINVAL;
}

static int names_run(char *names)
{
	int err, first_err = 0;
	const char *name;

	mutex_lock(&bench_lock);
	while ((name = strsep(&names, " ,\n"))) {
		if (!*name)
			continue;
		err = name_run(name);
		first_err = first_err ?: err;
	}
	mutex_unlock(&bench_lock);
	return first_err;
}

static ssize_t run_write(struct file *file, const char __user *buf,
			 size_t count, loff_t *pos)
{
	char *names;
	int err;

	if (count > MAX_COMMAND)
		return -EINVAL;
	names = memdup_user_nul(buf, count);
	if (IS_ERR(names))
		return PTR_ERR(names);
	err = names_run(names);
	kfree(names);
	return err ?: count;
}

static const struct file_operations run_fops = {
	.owner = THIS_MODULE,
	.open = stream_open,
	.write = run_write,
};

static int results_show(struct seq_file *m, void *unused)
{
	int err = mutex_lock_killable(&bench_lock);

	if (err)
		return err;
	bench_results_show(m);
	mutex_unlock(&bench_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(results);

static int cases_show(struct seq_file *m, void *unused)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		seq_printf(m, "%-12s %u %s\n", cases[i]->name,
			   cases[i]->nr_cpus, cases[i]->what);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(cases);

static int __init bench_init(void)
{
	char *names;
	int err = 0;

	if (run) {
		names = kstrdup(run, GFP_KERNEL);
		if (!names)
			return -ENOMEM;
		err = names_run(names);
		kfree(names);
		if (err)
			return err;
	}
	dir = debugfs_create_dir("obm_bench", NULL);
	debugfs_create_file("cases", 0400, dir, NULL, &cases_fops);
	debugfs_create_file("run", 0200, dir, NULL, &run_fops);
	debugfs_create_file("results", 0400, dir, NULL, &results_fops);
	return 0;
}

static void __exit bench_exit(void)
{
	debugfs_remove(dir);
}

module_init(bench_init);
module_exit(bench_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Measures obmalloc against kmem_cache and kmalloc()");
MODULE_IMPORT_NS(OBM_NS);
