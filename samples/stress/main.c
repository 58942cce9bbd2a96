// SPDX-License-Identifier: GPL-2.0-only
/*
 * A client of obmalloc for tests: does what the text written to
 * debugfs/obm_stress/cmd says, and answers key=value lines in
 * debugfs/obm_stress/result. command.c has the grammar.
 *
 * It trusts nothing: each block is filled with a pattern of its own that must
 * still be there when it is freed. A command that finds a block to be wrong
 * fails with -EUCLEAN.
 */
#include "stress.h"

#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#define COMMAND_LEN	256

/* Let the heaps live on when the module goes, as a careless client would. */
static bool leak;
module_param(leak, bool, 0444);
MODULE_PARM_DESC(leak, "do not destroy heaps when unloaded (default 0)");

static struct dentry *root;

/* The answer to the command that ended last. */
static struct stress_result last_result;
static DEFINE_MUTEX(result_lock);

static __printf(2, 0)
void result_add(struct stress_result *result, const char *fmt, va_list args)
{
	result->len += vscnprintf(result->text + result->len,
				  sizeof(result->text) - result->len, fmt,
				  args);
}

void stress_say(struct stress_result *result, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	result_add(result, fmt, args);
	va_end(args);
}

/* Says what is wrong, and that alone; gives back @err. */
int stress_refuse(struct stress_result *result, int err, const char *fmt, ...)
{
	va_list args;

	result->len = 0;
	stress_say(result, "error=");
	va_start(args, fmt);
	result_add(result, fmt, args);
	va_end(args);
	stress_say(result, "\n");
	return err;
}

/* A command is one write, from its first byte to its last. */
static ssize_t cmd_write(struct file *file, const char __user *buf,
			 size_t count, loff_t *ppos)
{
	struct stress_result *result;
	char *text;
	int err;

	if (*ppos || count >= COMMAND_LEN)
		return -EINVAL;
	text = memdup_user_nul(buf, count);
	if (IS_ERR(text))
		return PTR_ERR(text);
	result = kzalloc(sizeof(*result), GFP_KERNEL);
	if (!result) {
		kfree(text);
		return -ENOMEM;
	}
	if (strlen(text) == count)
		err = stress_command_run(text, result);
	else
		err = stress_refuse(result, -EINVAL, "a NUL byte");

	mutex_lock(&result_lock);
	last_result = *result;
	mutex_unlock(&result_lock);
	kfree(result);
	kfree(text);
	return err ?: count;
}

static const struct file_operations cmd_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = cmd_write,
	.llseek = noop_llseek,
};

static int result_show(struct seq_file *m, void *v)
{
	mutex_lock(&result_lock);
	seq_puts(m, last_result.text);
	mutex_unlock(&result_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(result);

static int __init stress_init(void)
{
	root = debugfs_create_dir("obm_stress", NULL);
	if (IS_ERR(root))
		return PTR_ERR(root);
	debugfs_create_file("cmd", 0200, root, NULL, &cmd_fops);
	debugfs_create_file("result", 0400, root, NULL, &result_fops);
	return 0;
}

static void __exit stress_exit(void)
{
	debugfs_remove(root);
	stress_fragment_end();
	stress_heaps_exit(leak);
}

module_init(stress_init);
module_exit(stress_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A client of obmalloc that tests steer");
MODULE_IMPORT_NS(OBM_NS);
