// SPDX-License-Identifier: GPL-2.0-only
/*
 * A cache of what can be had again: a table of objects by their key, in a heap with
 * a limit. What is not there is made; when there is no room, or the machine is short
 * of memory, obmalloc asks for the oldest, and gets what nobody uses just now.
 *
 *   /sys/kernel/debug/obm_cache/get	write "FIRST LAST": look these keys up
 *   /sys/kernel/debug/obm_cache/stats	what came of it
 */
#include <linux/debugfs.h>
#include <linux/hashtable.h>
#include <linux/module.h>
#include <linux/obm_object.h>
#include <linux/rculist.h>
#include <linux/seq_file.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>

#define TABLE_BITS	12
#define NR_WORDS	240

static unsigned long limit;
module_param(limit, ulong, 0444);
MODULE_PARM_DESC(limit, "most bytes of the heap, 0 for no limit");

/**
 * struct entry - what is known of a key
 * @obj: object; the table has a reference while it is in it
 * @hash: in the table
 * @key: key
 * @used: looked up since the owner was last asked for it
 * @words: what takes time to find out
 */
struct entry {
	struct obm_obj obj;
	struct hlist_node hash;
	u64 key;
	bool used;
	u64 words[NR_WORDS];
};

static struct obm_heap *heap;
static struct dentry *dir;

/* The lock is for who changes the table; it is read under RCU. */
static DEFINE_HASHTABLE(table, TABLE_BITS);
static DEFINE_SPINLOCK(table_lock);

static atomic_long_t nr_entries, nr_hits, nr_misses, nr_evicted, nr_failed,
		     nr_wrong;

static u64 word_of(u64 key, unsigned int i)
{
	return (key + i) * 0x9e3779b97f4a7c15ULL;
}

/*
 * Asked for an entry, with a reference held. One that was looked up since the last
 * time gets another chance, and one that somebody uses stays. One that is just
 * being made is in no table yet.
 */
static bool entry_evict(struct obm_obj *obj)
{
	struct entry *entry = container_of(obj, struct entry, obj);
	bool gone = false;

	spin_lock(&table_lock);
	if (entry->used) {
		entry->used = false;
	} else if (hash_hashed(&entry->hash) && obm_obj_refcount(obj) == 2) {
		hash_del_rcu(&entry->hash);
		gone = true;
	}
	spin_unlock(&table_lock);
	if (!gone)
		return false;
	atomic_long_dec(&nr_entries);
	atomic_long_inc(&nr_evicted);
	obm_obj_put(obj);
	return true;
}

/* Readers of the table may look at an entry that is gone: for a grace period. */
static struct obm_type entry_type = {
	.name = "entry",
	.size = sizeof(struct entry),
	.flags = OBM_TYPE_RCU,
	.evict = entry_evict,
};

/* With a reference for the caller, or NULL. */
static struct entry *entry_find(u64 key)
{
	struct entry *entry;

	rcu_read_lock();
	hash_for_each_possible_rcu(table, entry, hash, key)
		if (entry->key == key && obm_obj_get_unless_zero(&entry->obj))
			break;
	rcu_read_unlock();
	return entry;
}

/* Into the table, unless another one was quicker; then that. */
static struct entry *entry_add(struct entry *new)
{
	struct entry *entry;

	spin_lock(&table_lock);
	hash_for_each_possible(table, entry, hash, new->key)
		if (entry->key == new->key)
			break;
	if (!entry) {
		obm_obj_get(&new->obj);
		hash_add_rcu(table, &new->hash, new->key);
		atomic_long_inc(&nr_entries);
		entry = new;
	} else {
		/* In the table, so it has not lost its last reference. */
		obm_obj_get(&entry->obj);
		obm_obj_put(&new->obj);
	}
	spin_unlock(&table_lock);
	return entry;
}

/* No lock is held: to make one, others may be evicted. */
static struct entry *entry_make(u64 key)
{
	struct entry *entry = obm_obj_new(heap, &entry_type,
					  GFP_KERNEL | __GFP_NOWARN);
	unsigned int i;

	if (!entry)
		return NULL;
	entry->key = key;
	for (i = 0; i < NR_WORDS; i++)
		entry->words[i] = word_of(key, i);
	return entry_add(entry);
}

static void look_up(u64 key)
{
	struct entry *entry = entry_find(key);
	unsigned int i;

	atomic_long_inc(entry ? &nr_hits : &nr_misses);
	if (entry)
		WRITE_ONCE(entry->used, true);
	else
		entry = entry_make(key);
	if (!entry) {
		atomic_long_inc(&nr_failed);
		return;
	}
	for (i = 0; i < NR_WORDS; i++)
		if (entry->words[i] != word_of(key, i))
			break;
	if (i < NR_WORDS)
		atomic_long_inc(&nr_wrong);
	obm_obj_put(&entry->obj);
}

static ssize_t get_write(struct file *file, const char __user *buf, size_t len,
			 loff_t *pos)
{
	u64 first, last, key;
	char text[64];

	if (len >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buf, len))
		return -EFAULT;
	text[len] = '\0';
	if (sscanf(text, "%llu %llu", &first, &last) != 2 || first > last ||
	    last == U64_MAX)
		return -EINVAL;
	for (key = first; key <= last; key++) {
		look_up(key);
		cond_resched();
		if (signal_pending(current))
			return -EINTR;
	}
	return len;
}

static const struct file_operations get_fops = {
	.owner = THIS_MODULE,
	.write = get_write,
};

static int stats_show(struct seq_file *seq, void *unused)
{
	seq_printf(seq, "entries: %ld\n", atomic_long_read(&nr_entries));
	seq_printf(seq, "hits: %ld\n", atomic_long_read(&nr_hits));
	seq_printf(seq, "misses: %ld\n", atomic_long_read(&nr_misses));
	seq_printf(seq, "evicted: %ld\n", atomic_long_read(&nr_evicted));
	seq_printf(seq, "failed: %ld\n", atomic_long_read(&nr_failed));
	seq_printf(seq, "wrong: %ld\n", atomic_long_read(&nr_wrong));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

static int __init cache_init(void)
{
	struct obm_heap_attrs attrs = OBM_HEAP_ATTRS_INIT;
	int err = obm_type_register(&entry_type);

	if (err)
		return err;
	attrs.limit_bytes = limit;
	attrs.flags = OBM_HEAP_RECLAIMABLE;
	heap = obm_heap_create("cache", &attrs);
	if (IS_ERR(heap)) {
		obm_type_unregister(&entry_type);
		return PTR_ERR(heap);
	}
	dir = debugfs_create_dir("obm_cache", NULL);
	debugfs_create_file("get", 0200, dir, NULL, &get_fops);
	debugfs_create_file("stats", 0400, dir, NULL, &stats_fops);
	return 0;
}

/* A worker may be asking for entries until the heap is gone. */
static void __exit cache_exit(void)
{
	struct hlist_node *next;
	struct entry *entry;
	unsigned int i;

	debugfs_remove(dir);
	spin_lock(&table_lock);
	hash_for_each_safe(table, i, next, entry, hash) {
		hash_del_rcu(&entry->hash);
		obm_obj_put(&entry->obj);
	}
	spin_unlock(&table_lock);
	obm_heap_destroy(heap);
	obm_type_unregister(&entry_type);
}

module_init(cache_init);
module_exit(cache_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A cache of objects that obmalloc may ask for");
MODULE_IMPORT_NS(OBM_NS);
