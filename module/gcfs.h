/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of objects and of the collector share. */
#ifndef OBM_GCFS_H
#define OBM_GCFS_H

#include "object.h"

#include <linux/seq_file.h>

/* The longest line that is understood, with its end. */
#define OBM_FS_WORD		80

int obm_fs_word(const struct obm_heap *heap, const char *what,
		const char __user *buf, size_t count,
		char word[OBM_FS_WORD]);
int obm_fs_refuse(const struct obm_heap *heap, const char *what,
		  const char *word);

/*
 * A file that is read by name_show(), and written by name_set(), which gets a line
 * and takes it apart; what it does not understand is named in the log.
 */
#define DEFINE_OBM_ATTRIBUTE(name, what)					\
static ssize_t name##_write(struct file *file, const char __user *buf,	\
			    size_t count, loff_t *pos)			\
{									\
	struct seq_file *m = file->private_data;			\
	char word[OBM_FS_WORD], copy[OBM_FS_WORD];			\
	int err = obm_fs_word(m->private, what, buf, count, word);	\
									\
	if (err)							\
		return err;						\
	memcpy(copy, word, sizeof(copy));				\
	err = name##_set(m->private, copy);				\
	if (err == -EINVAL)						\
		obm_fs_refuse(m->private, what, word);			\
	return err ?: count;						\
}									\
									\
static int name##_open(struct inode *inode, struct file *file)		\
{									\
	return single_open(file, name##_show, inode->i_private);	\
}									\
									\
static const struct file_operations name##_fops = {			\
	.owner = THIS_MODULE,						\
	.open = name##_open,						\
	.read = seq_read,						\
	.write = name##_write,						\
	.llseek = seq_lseek,						\
	.release = single_release,					\
}

/* A row for an object. */
#define OBM_FS_OBJ_HEADER						\
	"# id             generation       refs   links_in  links_out type\n"

void obm_fs_show_obj(struct seq_file *m, struct obm_obj *obj);
void obm_objfs_add(struct obm_heap *heap);

#endif /* OBM_GCFS_H */
