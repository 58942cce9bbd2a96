// SPDX-License-Identifier: GPL-2.0-only
/* Orders the beginning and the end of the module. */
#include "internal.h"

#include <linux/init.h>
#include <linux/moduleparam.h>

/* The largest size, in bytes, that has a class; CPython's 512 by default. */
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
MODULE_PARM_DESC(small_max, "largest request in bytes that is served from pools, 8 to 4096 (default 512)");

static int __init obm_init(void)
{
	int err;

	obm_page_init();
	err = obm_class_init(small_max);
	if (err) {
		pr_err("small_max=%u: too many classes\n", small_max);
		return err;
	}
	err = obm_arena_init();
	if (err)
		return err;
	err = obm_proc_init();
	if (err)
		goto err_arena;
	obm_debugfs_init();
	return 0;

err_arena:
	obm_arena_exit();
	return err;
}

static void __exit obm_exit(void)
{
	obm_debugfs_exit();
	obm_proc_exit();
	obm_arena_exit();
}

module_init(obm_init);
module_exit(obm_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Private heaps of small objects: CPython's obmalloc for kernel modules");
MODULE_AUTHOR("The obmalloc maintainers");
MODULE_VERSION("1.0");
