// SPDX-License-Identifier: GPL-2.0-only
/* Orders the beginning and the end of the module. */
#include "internal.h"

#include <linux/init.h>
#include <linux/moduleparam.h>

/* The largest size, in bytes, that has a class; CPython's is 512. */
static unsigned int small_max = OBM_SMALL_DEFAULT;

static int small_max_set(const char *val, const struct kernel_param *kp)
{
	int err = param_set_uint_minmax(val, kp, OBM_STEP, OBM_SMALL_MAX);

	if (err)
		pr_err("small_max=%s: not a number from %u to %lu\n", val,
		       OBM_STEP, OBM_SMALL_MAX);
	return err;
}

static const struct kernel_param_ops small_max_ops = {
	.set = small_max_set,
	.get = param_get_uint,
};
module_param_cb(small_max, &small_max_ops, &small_max, 0444);
MODULE_PARM_DESC(small_max, "largest request in bytes that is served from pools, 8 to 8192 (default 8192)");

/* Whether a heap spends time to stay small while it is small. */
module_param_named(compact, obm_compact, bool, 0444);
MODULE_PARM_DESC(compact, "classes of few blocks share pages, and first arenas are small (default 1)");

module_param_named(harden, obm_harden, bool, 0444);
MODULE_PARM_DESC(harden, "refuse every bad free at once and randomise blocks, at the cost of speed (default 0)");

/* Blocks of a class that may wait on a CPU, 0 for none. */
static int front_max_set(const char *val, const struct kernel_param *kp)
{
	int err = param_set_uint_minmax(val, kp, 0, OBM_FRONT_MAX);

	if (err)
		pr_err("front_max=%s: not a number from 0 to %u\n", val,
		       OBM_FRONT_MAX);
	return err;
}

static const struct kernel_param_ops front_max_ops = {
	.set = front_max_set,
	.get = param_get_uint,
};
module_param_cb(front_max, &front_max_ops, &obm_front_max, 0444);
MODULE_PARM_DESC(front_max, "most blocks of a class that wait on a CPU, 0 to 252 (default 252)");

/* What the blocks that wait may come to, for each heap and on average for each CPU. */
module_param_named(front_kib, obm_front_kib, uint, 0644);
MODULE_PARM_DESC(front_kib, "most KiB of a heap's blocks that wait, for each CPU (default 512)");

static int __init obm_init(void)
{
	int err;

	obm_page_init();
	obm_rcu_init();
	err = obm_class_init(small_max);
	if (err) {
		pr_err("small_max=%u: too many classes\n", small_max);
		return err;
	}
	err = obm_table_init();
	if (err)
		return err;
	err = obm_arena_init();
	if (err)
		goto err_table;
	err = obm_front_init();
	if (err)
		goto err_arena;
	err = obm_heap_init();
	if (err)
		goto err_front;
	err = obm_shrink_init();
	if (err)
		goto err_heap;
	err = obm_objects_init();
	if (err)
		goto err_shrink;
	err = obm_proc_init();
	if (err)
		goto err_objects;
	obm_debugfs_init();
	return 0;

err_objects:
	obm_objects_exit();
err_shrink:
	obm_shrink_exit();
err_heap:
	obm_heap_exit();
err_front:
	obm_front_exit();
err_arena:
	obm_arena_exit();
err_table:
	obm_table_exit();
	return err;
}

static void __exit obm_exit(void)
{
	obm_debugfs_exit();
	obm_proc_exit();
	obm_objects_exit();
	obm_shrink_exit();
	obm_heap_exit();
	obm_front_exit();
	obm_arena_exit();
	obm_table_exit();
}

module_init(obm_init);
module_exit(obm_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Private heaps of small objects: CPython's obmalloc for kernel modules");
MODULE_AUTHOR("The obmalloc maintainers");
MODULE_VERSION("1.0");
