// SPDX-License-Identifier: GPL-2.0-only
/*
 * debugfs/obm_graph/run: scripts are written to it, parted by lines "---", and the
 * answers read from it, parted the same way. They run when the first answer is
 * read, each with a heap of its own. An open file has scripts of its own.
 */
#include "graph.h"

#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

/* Scripts of one open file, in bytes. */
#define SCRIPTS_MAX	(16UL << 20)

/**
 * struct text - grows at its end
 * @data: ends in a NUL
 * @len: bytes
 * @room: bytes that there is memory for
 */
struct text {
	char *data;
	size_t len;
	size_t room;
};

/**
 * struct session - an open file
 * @lock: protects the rest
 * @scripts: what was written
 * @answers: what there is to read
 * @ran: the scripts have run
 */
struct session {
	struct mutex lock;	/* all below */
	struct text scripts;
	struct text answers;
	bool ran;
};

static struct dentry *dir;

static int text_reserve(struct text *text, size_t more)
{
	size_t room = max_t(size_t, text->room, 4096);
	char *data;

	while (room < text->len + more + 1)
		room *= 2;
	if (room == text->room)
		return 0;
	data = kvmalloc(room, GFP_KERNEL);
	if (!data)
		return -ENOMEM;
	if (text->data)
		memcpy(data, text->data, text->len);
	kvfree(text->data);
	text->data = data;
	text->room = room;
	return 0;
}

static int text_add(struct text *text, const char *from, size_t len)
{
	int err = text_reserve(text, len);

	if (err)
		return err;
	memcpy(text->data + text->len, from, len);
	text->len += len;
	text->data[text->len] = '\0';
	return 0;
}

static int script_run(struct graph *graph, char *script, struct text *answers)
{
	char *answer = graph->answer;
	unsigned long leaked;
	int err;

	memset(graph, 0, sizeof(*graph));
	raw_spin_lock_init(&graph->lock);
	INIT_LIST_HEAD(&graph->callbacks);
	graph->answer = answer;
	graph->heap = obm_heap_create("graph", NULL);
	if (IS_ERR(graph->heap))
		return PTR_ERR(graph->heap);
	/* What a script says wrong, it says in its answer. */
	graph_run(graph, script);
	leaked = obm_heap_destroy(graph->heap);
	graph_callbacks_free(graph);
	if (leaked)
		graph_say(graph, "error: %lu blocks leaked", leaked);
	if (graph->len >= GRAPH_ANSWER_MAX)
		return -EFBIG;
	err = text_add(answers, graph->answer, graph->len);
	return err ?: text_add(answers, "---\n", 4);
}

/* The next script, without the line that parts it from the one behind it. */
static char *script_next(char **rest)
{
	char *script = *rest, *end;

	if (!script || !*script)
		return NULL;
	if (!strncmp(script, "---\n", 4)) {
		*rest = script + 4;
		return script + 3;
	}
	end = strstr(script, "\n---\n");
	*rest = end ? end + 5 : NULL;
	if (end)
		*end = '\0';
	return script;
}

static int session_run(struct session *session)
{
	struct graph *graph = kzalloc(sizeof(*graph), GFP_KERNEL);
	char *answer = kvmalloc(GRAPH_ANSWER_MAX, GFP_KERNEL);
	char *rest = session->scripts.data, *script;
	int err = graph && answer ? 0 : -ENOMEM;

	while (!err && (script = script_next(&rest))) {
		graph->answer = answer;
		err = script_run(graph, script, &session->answers);
		cond_resched();
	}
	kvfree(answer);
	kfree(graph);
	return err;
}

static int run_open(struct inode *inode, struct file *file)
{
	struct session *session = kzalloc(sizeof(*session), GFP_KERNEL);

	if (!session)
		return -ENOMEM;
	mutex_init(&session->lock);
	file->private_data = session;
	return 0;
}

static int run_release(struct inode *inode, struct file *file)
{
	struct session *session = file->private_data;

	kvfree(session->scripts.data);
	kvfree(session->answers.data);
	kfree(session);
	return 0;
}

static ssize_t run_write(struct file *file, const char __user *buf,
			 size_t count, loff_t *pos)
{
	struct session *session = file->private_data;
	struct text *text = &session->scripts;
	int err;

	mutex_lock(&session->lock);
	if (session->ran || count > SCRIPTS_MAX - text->len) {
		err = session->ran ? -EBUSY : -EFBIG;
		goto out;
	}
	err = text_reserve(text, count);
	if (err)
		goto out;
	if (copy_from_user(text->data + text->len, buf, count)) {
		err = -EFAULT;
		goto out;
	}
	text->len += count;
	text->data[text->len] = '\0';
out:
	mutex_unlock(&session->lock);
	return err ?: count;
}

static ssize_t run_read(struct file *file, char __user *buf, size_t count,
			loff_t *pos)
{
	struct session *session = file->private_data;
	ssize_t ret = 0;

	mutex_lock(&session->lock);
	if (!session->ran) {
		session->ran = true;
		*pos = 0;
		ret = session_run(session);
	}
	if (!ret)
		ret = simple_read_from_buffer(buf, count, pos,
					      session->answers.data,
					      session->answers.len);
	mutex_unlock(&session->lock);
	return ret;
}

static const struct file_operations run_fops = {
	.owner = THIS_MODULE,
	.open = run_open,
	.write = run_write,
	.read = run_read,
	.release = run_release,
	.llseek = noop_llseek,
};

static int __init graph_init(void)
{
	int err = graph_types_register();

	if (err)
		return err;
	dir = debugfs_create_dir("obm_graph", NULL);
	debugfs_create_file("run", 0600, dir, NULL, &run_fops);
	return 0;
}

static void __exit graph_exit(void)
{
	debugfs_remove(dir);
	graph_types_unregister();
}

module_init(graph_init);
module_exit(graph_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Runs scripts of operations on a graph of obmalloc's objects");
MODULE_IMPORT_NS(OBM_NS);
