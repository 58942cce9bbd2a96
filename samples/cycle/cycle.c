// SPDX-License-Identifier: GPL-2.0-only
/*
 * A client whose objects refer to each other in cycles: a ring, and a tree whose
 * nodes know their parents. When it lets go of them (debugfs/obm_cycle/drop) their
 * counts do not fall to zero, and only the collector frees them.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/obm_gc.h>
#include <linux/obm_object.h>

#define MAX_OBJECTS	1000000U

static unsigned int ring = 5;
module_param(ring, uint, 0444);
MODULE_PARM_DESC(ring, "links of the ring, 1 to 1000000 (default 5)");

static unsigned int tree = 7;
module_param(tree, uint, 0444);
MODULE_PARM_DESC(tree, "persons of the tree, 1 to 1000000 (default 7)");

/* A link of the ring. */
struct link {
	struct obm_obj obj;
	OBM_DECLARE_REF(struct link, next);
};

/* Somebody in the tree. */
struct person {
	struct obm_obj obj;
	OBM_DECLARE_REF(struct person, parent);
	OBM_DECLARE_REF(struct person, elder);
	OBM_DECLARE_REF(struct person, younger);
	unsigned int number;
};

static struct obm_type link_type = {
	.name = "link",
	.size = sizeof(struct link),
	OBM_LINKS(struct link, next, 1),
};

static struct obm_type person_type = {
	.name = "person",
	.size = sizeof(struct person),
	OBM_LINKS(struct person, parent, 3),
};

static DEFINE_MUTEX(lock);
static struct obm_heap *heap;
static struct link *first_link;
static struct person *ancestor;
static struct dentry *dir;

static int ring_make(void)
{
	struct link *first __free(obm_obj_put) =
		obm_obj_new(heap, &link_type, GFP_KERNEL);
	struct link *last = first, *link;
	unsigned int i;
	int err = 0;

	if (!first)
		return -ENOMEM;
	for (i = 1; i < ring && !err; i++) {
		link = obm_obj_new(heap, &link_type, GFP_KERNEL);
		if (!link)
			return -ENOMEM;
		err = obm_ref_set(&last->obj, &last->next, link);
		/* Now it is the link before that holds it. */
		obm_obj_put(&link->obj);
		last = link;
	}
	if (!err)
		err = obm_ref_set(&last->obj, &last->next, first);
	if (!err)
		first_link = no_free_ptr(first);
	return err;
}

/* Whose child the next person is: the tree is filled row by row. */
static struct person *person_find(unsigned int number)
{
	struct person *person = ancestor;
	int bit = fls(number) - 2;

	for (; bit > 0; bit--)
		person = number & BIT(bit) ? obm_ref_peek(&person->younger) :
					     obm_ref_peek(&person->elder);
	return person;
}

static int person_add(unsigned int number)
{
	struct person *person __free(obm_obj_put) =
		obm_obj_new(heap, &person_type, GFP_KERNEL);
	struct person *parent;
	int err;

	if (!person)
		return -ENOMEM;
	person->number = number;
	if (number == 1) {
		ancestor = no_free_ptr(person);
		return 0;
	}
	parent = person_find(number);
	err = obm_ref_set(&person->obj, &person->parent, parent);
	if (err)
		return err;
	return number & 1 ? obm_ref_set(&parent->obj, &parent->younger, person) :
			    obm_ref_set(&parent->obj, &parent->elder, person);
}

static int tree_make(void)
{
	unsigned int number;
	int err = 0;

	for (number = 1; number <= tree && !err; number++)
		err = person_add(number);
	return err;
}

static ssize_t drop_write(struct file *file, const char __user *buf,
			  size_t count, loff_t *pos)
{
	mutex_lock(&lock);
	obm_obj_drop(first_link);
	obm_obj_drop(ancestor);
	first_link = NULL;
	ancestor = NULL;
	mutex_unlock(&lock);
	return count;
}

static const struct file_operations drop_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = drop_write,
	.llseek = noop_llseek,
};

static int types_register(void)
{
	int err = obm_type_register(&link_type);

	if (err)
		return err;
	err = obm_type_register(&person_type);
	if (err)
		obm_type_unregister(&link_type);
	return err;
}

static void types_unregister(void)
{
	obm_type_unregister(&person_type);
	obm_type_unregister(&link_type);
}

static int __init cycle_init(void)
{
	int err;

	if (!ring || ring > MAX_OBJECTS || !tree || tree > MAX_OBJECTS) {
		pr_err("cycle: ring=%u tree=%u: not from 1 to %u\n", ring,
		       tree, MAX_OBJECTS);
		return -EINVAL;
	}
	err = types_register();
	if (err)
		return err;
	heap = obm_heap_create("cycle", NULL);
	if (IS_ERR(heap)) {
		types_unregister();
		return PTR_ERR(heap);
	}
	err = ring_make() ?: tree_make();
	if (err) {
		/* It collects what was made so far. */
		obm_obj_drop(first_link);
		obm_obj_drop(ancestor);
		obm_heap_destroy(heap);
		types_unregister();
		return err;
	}
	dir = debugfs_create_dir("obm_cycle", NULL);
	debugfs_create_file("drop", 0200, dir, NULL, &drop_fops);
	return 0;
}

static void __exit cycle_exit(void)
{
	debugfs_remove(dir);
	obm_obj_drop(first_link);
	obm_obj_drop(ancestor);
	obm_heap_destroy(heap);
	types_unregister();
}

module_init(cycle_init);
module_exit(cycle_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A client of obmalloc whose objects refer to each other in cycles");
MODULE_IMPORT_NS(OBM_NS);
