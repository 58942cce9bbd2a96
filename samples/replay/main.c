// SPDX-License-Identifier: GPL-2.0-only
/*
 * Replays what a kernel was recorded to allocate, through obmalloc and through
 * kmalloc(), and says how many pages each of them took for it. By debugfs, in
 * the directory obm_replay:
 *
 *   ops     w  what trace2ops made of a recording
 *   run     w  "all": replay it through both; fails if anything was wrong
 *              "hold": replay it through obmalloc up to its peak, and stay
 *              there, for a person to look at the heap "replay"
 *              "drop": end that
 *   result  r  what "all" gave
 */
#include "replay.h"

#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

/* Protects all that follows. */
static DEFINE_MUTEX(replay_lock);

static struct replay_trace trace;
static struct replay_result obm_result;
static struct replay_result kmalloc_result;
static struct replay_result held_result;
static struct replay_pass *held;
static bool have_result;

static struct dentry *dir;

static size_t ops_bytes(void)
{
	return (size_t)trace.head.nr_ops * sizeof(*trace.ops);
}

static bool trace_complete(void)
{
	return trace.ops && trace.nr_bytes == ops_bytes();
}

static void trace_drop(void)
{
	vfree(trace.ops);
	memset(&trace, 0, sizeof(trace));
	have_result = false;
}

/* --- The file ops --- */

static int ops_open(struct inode *inode, struct file *file)
{
	int err = mutex_lock_killable(&replay_lock);

	if (err)
		return err;
	if (held)
		err = -EBUSY;
	else
		trace_drop();
	mutex_unlock(&replay_lock);
	return err ?: stream_open(inode, file);
}

static ssize_t head_write(const char __user *buf, size_t count)
{
	struct replay_header head;

	if (count < sizeof(head))
		return -EINVAL;
	if (copy_from_user(&head, buf, sizeof(head)))
		return -EFAULT;
	if (head.magic != REPLAY_MAGIC || head.nr_ops > REPLAY_MAX_OPS ||
	    head.nr_slots > head.nr_ops)
		return -EINVAL;
	/* One more than none, which vmalloc() would not give. */
	trace.ops = vmalloc((head.nr_ops + 1UL) * sizeof(*trace.ops));
	if (!trace.ops)
		return -ENOMEM;
	trace.head = head;
	return sizeof(head);
}

static ssize_t ops_write(struct file *file, const char __user *buf,
			 size_t count, loff_t *pos)
{
	ssize_t done = mutex_lock_killable(&replay_lock);

	if (done)
		return done;
	if (held) {
		done = -EBUSY;
	} else if (!trace.ops) {
		done = head_write(buf, count);
	} else if (count > ops_bytes() - trace.nr_bytes) {
		done = -EFBIG;
	} else if (copy_from_user((void *)trace.ops + trace.nr_bytes, buf,
				  count)) {
		done = -EFAULT;
	} else {
		trace.nr_bytes += count;
		done = count;
	}
	mutex_unlock(&replay_lock);
	return done;
}

static const struct file_operations ops_fops = {
	.owner = THIS_MODULE,
	.open = ops_open,
	.write = ops_write,
};

/* --- The file run --- */

static int run_one(const struct replay_allocator *allocator,
		   struct replay_result *result)
{
	struct replay_pass *pass = replay_pass_start(&trace, allocator, result);
	int err, end_err;

	if (IS_ERR(pass))
		return PTR_ERR(pass);
	err = replay_pass_run(pass, trace.head.nr_ops);
	end_err = replay_pass_end(pass);
	return err ?: end_err;
}

static int run_all(void)
{
	int obm_err, kmalloc_err;

	have_result = false;
	obm_err = run_one(&replay_obmalloc, &obm_result);
	if (obm_err && obm_err != -EIO)
		return obm_err;
	kmalloc_err = run_one(&replay_kmalloc, &kmalloc_result);
	if (kmalloc_err && kmalloc_err != -EIO)
		return kmalloc_err;
	have_result = true;
	return obm_err ?: kmalloc_err;
}

static int run_hold(void)
{
	struct replay_pass *pass;
	int err;

	if (!have_result)
		return -ENODATA;
	pass = replay_pass_start(&trace, &replay_obmalloc, &held_result);
	if (IS_ERR(pass))
		return PTR_ERR(pass);
	err = replay_pass_run(pass, min(obm_result.peak_op + 1,
					trace.head.nr_ops));
	if (err)
		replay_pass_end(pass);
	else
		held = pass;
	return err;
}

static int run_drop(void)
{
	struct replay_pass *pass = held;

	held = NULL;
	return pass ? replay_pass_end(pass) : -ENODATA;
}

static int run_command(const char *command)
{
	if (!trace_complete())
		return -ENODATA;
	if (sysfs_streq(command, "drop"))
		return run_drop();
	if (held)
		return -EBUSY;
	if (sysfs_streq(command, "all"))
		return run_all();
	if (sysfs_streq(command, "hold"))
		return run_hold();
	return -EINVAL;
}

static ssize_t run_write(struct file *file, const char __user *buf,
			 size_t count, loff_t *pos)
{
	char command[8] = { };
	int err;

	if (count >= sizeof(command))
		return -EINVAL;
	if (copy_from_user(command, buf, count))
		return -EFAULT;
	err = mutex_lock_killable(&replay_lock);
	if (err)
		return err;
	err = run_command(command);
	mutex_unlock(&replay_lock);
	return err ?: count;
}

static const struct file_operations run_fops = {
	.owner = THIS_MODULE,
	.open = stream_open,
	.write = run_write,
};

/* --- The file result --- */

static void result_print(struct seq_file *m)
{
	const struct replay_result *obm = &obm_result;
	const struct replay_result *kmalloc = &kmalloc_result;

	seq_printf(m, "trace: unseen_frees=%u never_freed=%u\n", obm->nr_again,
		   obm->nr_rest);
	seq_printf(m, "obmalloc: failed=%u peak=%llu peak_by_its_stats=%llu\n",
		   obm->nr_failed, obm->taken_peak, obm->stats_peak);
	seq_printf(m, "kmalloc: failed=%u peak=%llu\n", kmalloc->nr_failed,
		   kmalloc->taken_peak);
	seq_printf(m, "replay: events=%u allocs=%u frees=%u skipped=%u failed=%u requested_peak=%llu obmalloc_peak=%llu kmalloc_peak=%llu\n",
		   trace.head.nr_ops + trace.head.nr_skipped, obm->nr_allocs,
		   obm->nr_frees, trace.head.nr_skipped,
		   obm->nr_failed + kmalloc->nr_failed, obm->requested_peak,
		   obm->taken_peak, kmalloc->taken_peak);
}

static int result_show(struct seq_file *m, void *unused)
{
	int err = mutex_lock_killable(&replay_lock);

	if (err)
		return err;
	if (have_result)
		result_print(m);
	else
		err = -ENODATA;
	mutex_unlock(&replay_lock);
	return err;
}
DEFINE_SHOW_ATTRIBUTE(result);

static int __init replay_init(void)
{
	dir = debugfs_create_dir("obm_replay", NULL);
	debugfs_create_file("ops", 0200, dir, NULL, &ops_fops);
	debugfs_create_file("run", 0200, dir, NULL, &run_fops);
	debugfs_create_file("result", 0400, dir, NULL, &result_fops);
	return 0;
}

static void __exit replay_exit(void)
{
	debugfs_remove(dir);
	if (held)
		replay_pass_end(held);
	trace_drop();
}

module_init(replay_init);
module_exit(replay_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Replays recorded allocations through obmalloc and kmalloc");
MODULE_IMPORT_NS(OBM_NS);
