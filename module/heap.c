// SPDX-License-Identifier: GPL-2.0-only
/*
 * Heaps: who has one, how they begin and end.
 */
#include "cache.h"

#include <linux/cpu.h>

LIST_HEAD(obm_heaps);
/* Level 1 of the lock order: which heaps there are. */
DEFINE_MUTEX(obm_heaps_lock);

/*
 * A name is a directory in debugfs and a word in /proc/obminfo, where a slash
 * parts it from the class.
 */
int obm_name_check(const char *name)
{
	size_t len;

	if (!name || !*name)
		return -EINVAL;
	len = strnlen(name, OBM_NAME_LEN);
	if (len == OBM_NAME_LEN)
		return -ENAMETOOLONG;
	if (name[0] == '.' || name[0] == '#')
		return -EINVAL;
	for (; *name; name++)
		if (!isascii(*name) || !isgraph(*name) || *name == '/')
			return -EINVAL;
	return 0;
}

static int attrs_check(const struct obm_heap_attrs *attrs)
{
	if (attrs->flags & ~OBM_HEAP_FLAGS)
		return -EINVAL;
	if (attrs->limit_bytes > LONG_MAX)
		return -EINVAL;
	if (attrs->node == NUMA_NO_NODE)
		return 0;
	if (attrs->node < 0 || attrs->node >= nr_node_ids)
		return -EINVAL;
	if (!node_state(attrs->node, N_MEMORY))
		return -ENODEV;
	return 0;
}

static struct obm_heap *heap_find(const char *name)
{
	struct obm_heap *heap;

	lockdep_assert_held(&obm_heaps_lock);
	list_for_each_entry(heap, &obm_heaps, link)
		if (!strcmp(heap->name, name))
			return heap;
	return NULL;
}

/* Gives back the pages and maps that no pool uses. */
static size_t heap_trim_pools(struct obm_heap *heap)
{
	struct obm_node *node;
	size_t bytes = 0;
	int nid;

	obm_for_each_node(heap, nid, node) {
		bytes += obm_arena_trim(node, ULONG_MAX) * PAGE_SIZE;
		bytes += obm_maps_release(node);
	}
	return bytes;
}

/* And before that what waits on CPUs, or where a free had to leave it. */
static size_t heap_trim(struct obm_heap *heap, bool wait)
{
	size_t bytes = obm_raw_release_later(heap);
	long held = atomic_long_read(&heap->held_bytes);

	/* Blocks that come home may empty an arena, which then goes at once. */
	if (!obm_front_drain_all(heap, wait))
		schedule_work(&heap->trim_work);
	bytes += max(held - atomic_long_read(&heap->held_bytes), 0L);
	return bytes + heap_trim_pools(heap);
}

/**
 * obm_heap_reclaim() - make room for a request that found none
 * @heap: the heap
 *
 * Blocks that wait on this CPU go to their pools, and once a jiffy those on the
 * others; then all goes back that no pool uses.
 *
 * Context: Any context but NMI.
 * Return: whether trying again may help.
 */
bool obm_heap_reclaim(struct obm_heap *heap)
{
	bool others = time_after(jiffies, READ_ONCE(heap->reclaimed));
	unsigned long nr;
	size_t bytes;

	if (!obm_may_return()) {
		schedule_work(&heap->trim_work);
		return false;
	}
	WRITE_ONCE(heap->reclaimed, jiffies);
	bytes = obm_raw_release_later(heap);
	nr = obm_front_drain(heap, others);
	bytes += heap_trim_pools(heap);
	return bytes || nr;
}

static void heap_trim_work(struct work_struct *work)
{
	heap_trim(container_of(work, struct obm_heap, trim_work), true);
}

static size_t heap_bytes(void)
{
	return struct_size_t(struct obm_heap, nodes, nr_node_ids);
}

static struct obm_heap *heap_new(const char *name,
				 const struct obm_heap_attrs *attrs)
{
	struct obm_heap *heap;

	heap = kzalloc(struct_size(heap, nodes, nr_node_ids), GFP_KERNEL);
	if (!heap)
		return NULL;
	obm_set_init(&heap->set, obm_nr_slots, 0);
	INIT_LIST_HEAD(&heap->caches);
	strscpy(heap->name, name, sizeof(heap->name));
	heap->limit_bytes = attrs->limit_bytes;
	heap->nid = attrs->node;
	heap->flags = attrs->flags;
	heap->plain = attrs->node == NUMA_NO_NODE && !obm_heap_is_hard(heap);
	raw_spin_lock_init(&heap->raw_lock);
	INIT_LIST_HEAD(&heap->raws);
	init_llist_head(&heap->raws_later);
	obm_rcu_create(heap);
	heap->reclaimed = jiffies - 1;
	INIT_WORK(&heap->trim_work, heap_trim_work);
	atomic_long_set(&heap->held_bytes, heap_bytes());
	atomic_long_set(&heap->peak_bytes, heap_bytes());
	return heap;
}

static void heap_free_rcu(struct rcu_head *rcu)
{
	struct obm_heap *heap = container_of(rcu, struct obm_heap, rcu);

	obm_set_destroy(&heap->set);
	kfree(heap);
}

/**
 * obm_heap_create() - make a heap
 * @name: what readers of the statistics see: 1 to OBM_NAME_LEN - 1 printable
 *	  ASCII characters without space and slash, the first no dot or hash,
 *	  and no other heap's name; copied
 * @attrs: limit, node and flags, or NULL for none of them
 *
 * The heap takes no pages until it is first allocated from. It keeps
 * obmalloc.ko loaded until it is destroyed.
 *
 * Context: Process context, may sleep. Takes and drops obm_heaps_lock.
 * Return: the heap, or an ERR_PTR: -EINVAL for a name with a character that may
 * not be, unknown flags, a node number out of range or a limit above LONG_MAX;
 * -ENAMETOOLONG; -EEXIST for a name in use; -ENODEV for a node without memory;
 * -EDQUOT for a limit that not even the heap's own descriptor fits under;
 * -ENOMEM.
 */
struct obm_heap *obm_heap_create(const char *name,
				 const struct obm_heap_attrs *attrs)
{
	static const struct obm_heap_attrs none = OBM_HEAP_ATTRS_INIT;
	struct obm_heap *heap;
	int err;

	attrs = attrs ?: &none;
	err = obm_name_check(name);
	if (!err)
		err = attrs_check(attrs);
	if (err)
		return ERR_PTR(err);
	if (attrs->limit_bytes && attrs->limit_bytes < heap_bytes())
		return ERR_PTR(-EDQUOT);

	heap = heap_new(name, attrs);
	if (!heap)
		return ERR_PTR(-ENOMEM);

	mutex_lock(&obm_heaps_lock);
	if (heap_find(name)) {
		mutex_unlock(&obm_heaps_lock);
		kfree(heap);
		return ERR_PTR(-EEXIST);
	}
	/* The caller runs in a module that uses us: we cannot be unloading. */
	__module_get(THIS_MODULE);
	list_add_tail_rcu(&heap->link, &obm_heaps);
	obm_debugfs_add(heap);
	mutex_unlock(&obm_heaps_lock);
	return heap;
}
EXPORT_SYMBOL_NS_GPL(obm_heap_create, OBM_NS);

/* Says which classes still hold blocks; returns how many there are. */
static unsigned long heap_report_leaks(struct obm_heap *heap)
{
	struct obm_class_stats cs;
	unsigned long leaked = 0;
	unsigned int ci;

	for (ci = 0; ci < obm_nr_classes; ci++) {
		obm_stats_class(heap, ci, &cs);
		if (!cs.nr_blocks)
			continue;
		leaked += cs.nr_blocks;
		pr_warn("heap %s: %llu blocks of %u bytes leaked\n",
			heap->name, cs.nr_blocks, obm_classes[ci].size);
	}
	obm_stats_raw(heap, &cs);
	if (cs.nr_blocks)
		pr_warn("heap %s: %llu raw blocks of %llu pages leaked\n",
			heap->name, cs.nr_blocks, cs.nr_pools);
	return leaked;
}

/*
 * Whether this is a heap to destroy; told by the list, as what is no heap may
 * not be looked into. It stays listed, and its name in use, until its debugfs
 * directory is gone.
 */
static bool heap_condemn(struct obm_heap *heap)
{
	struct obm_heap *other;
	bool found = false;

	mutex_lock(&obm_heaps_lock);
	list_for_each_entry(other, &obm_heaps, link) {
		if (other != heap)
			continue;
		found = !heap->dying;
		heap->dying = true;
		break;
	}
	mutex_unlock(&obm_heaps_lock);
	return found;
}

static void heap_unlist(struct obm_heap *heap)
{
	mutex_lock(&obm_heaps_lock);
	list_del_rcu(&heap->link);
	mutex_unlock(&obm_heaps_lock);
}

/**
 * obm_heap_destroy() - give back all that a heap holds, and the heap
 * @heap: the heap, or NULL or an ERR_PTR, which is ignored; no function may be
 *	  using it or its blocks any more
 *
 * Garbage of objects is collected; then blocks that are still allocated go with
 * it, and so do its caches. They are
 * reported, a line for each class or cache, as leaks. Those given to
 * obm_free_rcu() are none: they are waited for. What is not a heap, or is none
 * any more, is refused with a report.
 *
 * Context: Process context, may sleep. Takes and drops obm_heaps_lock.
 * Return: how many blocks were still allocated.
 */
unsigned long obm_heap_destroy(struct obm_heap *heap)
{
	struct obm_node *node;
	unsigned long leaked;
	int nid;

	if (IS_ERR_OR_NULL(heap))
		return 0;
	if (!heap_condemn(heap)) {
		obm_report(NULL, OBM_BAD_HEAP, heap, _RET_IP_);
		return 0;
	}
	obm_debugfs_del(heap);
	heap_unlist(heap);
	obm_objects_end(heap);
	obm_rcu_drain(heap);
	cancel_work_sync(&heap->trim_work);
	leaked = obm_caches_destroy(heap);
	obm_set_empty(heap, &heap->set);

	leaked += heap_report_leaks(heap);
	leaked += obm_raw_release_all(heap);
	obm_for_each_node(heap, nid, node)
		obm_node_release(node);

	WARN_ON_ONCE(atomic_long_read(&heap->held_bytes) !=
		     heap_bytes() + obm_set_bytes(&heap->set));
	call_rcu(&heap->rcu, heap_free_rcu);
	module_put(THIS_MODULE);
	return leaked;
}
EXPORT_SYMBOL_NS_GPL(obm_heap_destroy, OBM_NS);

/**
 * obm_heap_trim() - give back every page that holds no live block
 * @heap: the heap
 *
 * Empty arenas go whole, the spare one too; of the others each unused page. Blocks
 * that wait on a CPU which is too busy to answer are left to a worker, as are those
 * of all other CPUs if the caller may not be preempted.
 *
 * Context: Any context but NMI; on PREEMPT_RT where it may sleep, else a worker
 * does it later. Takes and drops the locks of the heap's nodes.
 * Return: bytes of pages and of pools' maps given back, without what is done later.
 */
size_t obm_heap_trim(struct obm_heap *heap)
{
	if (!obm_may_return()) {
		schedule_work(&heap->trim_work);
		return 0;
	}
	return heap_trim(heap, false);
}
EXPORT_SYMBOL_NS_GPL(obm_heap_trim, OBM_NS);

/*
 * The same, complete when it returns, but for what somebody else is just about to
 * put back. Context: process context, may sleep.
 */
size_t obm_heap_trim_wait(struct obm_heap *heap)
{
	/* What was left to the worker before is done, too. */
	flush_work(&heap->trim_work);
	return heap_trim(heap, true);
}

/* Trims every heap. Context: process context, takes obm_heaps_lock. */
size_t obm_heap_trim_all(void)
{
	struct obm_heap *heap;
	size_t bytes = 0;

	mutex_lock(&obm_heaps_lock);
	list_for_each_entry(heap, &obm_heaps, link)
		bytes += obm_heap_trim_wait(heap);
	mutex_unlock(&obm_heaps_lock);
	return bytes;
}

/* A CPU is dead: what waited on it goes back to the pools. */
static int heap_cpu_dead(unsigned int cpu)
{
	struct obm_heap *heap;

	mutex_lock(&obm_heaps_lock);
	list_for_each_entry(heap, &obm_heaps, link)
		if (!heap->dying)
			obm_front_drain_cpu(heap, cpu);
	mutex_unlock(&obm_heaps_lock);
	return 0;
}

static int cpuhp_state;

int __init obm_heap_init(void)
{
	/* In the section whose teardown runs once the CPU does nothing more. */
	cpuhp_state = cpuhp_setup_state_nocalls(CPUHP_BP_PREPARE_DYN,
						"mm/obmalloc:dead", NULL,
						heap_cpu_dead);
	return min(cpuhp_state, 0);
}

void obm_heap_exit(void)
{
	cpuhp_remove_state_nocalls(cpuhp_state);
}
