// SPDX-License-Identifier: GPL-2.0-only
/*
 * Types of objects, and kinds: what a heap has of a type. A heap has a collector
 * from its first kind on.
 */
#include "object.h"
#include "pool.h"

/* Level 0 of the lock order: which types there are, and which kinds. */
DEFINE_MUTEX(obm_types_lock);
struct workqueue_struct *obm_wq;

/* T: by type->nr */
static struct obm_type *types[OBM_NR_TYPES];

/* --- Types --- */

static int links_check(const struct obm_type *type)
{
	size_t bytes;

	if (!type->nr_links)
		return 0;
	if (check_mul_overflow((size_t)type->nr_links, sizeof(struct obm_ref),
			       &bytes) ||
	    type->links_offset < sizeof(struct obm_obj) ||
	    type->links_offset % sizeof(struct obm_ref) ||
	    type->links_offset > type->size ||
	    bytes > type->size - type->links_offset)
		return -EINVAL;
	return 0;
}

static int type_check(const struct obm_type *type)
{
	bool leaf = !type->nr_links && !type->traverse;
	int err = obm_name_check(type->name);

	if (err)
		return err;
	if (type->size < sizeof(struct obm_obj) ||
	    type->size > OBM_CACHE_MAX || type->flags & ~OBM_TYPE_FLAGS)
		return -EINVAL;
	/* What a cache would refuse: other rows are called so. */
	if (!strcmp(type->name, "raw") || !strcmp(type->name, "mixed") ||
	    !type->name[strspn(type->name, "0123456789")])
		return -EINVAL;
	if (type->clear && leaf)
		return -EINVAL;
	if (type->flags & OBM_TYPE_IMMUTABLE && !leaf)
		return -EINVAL;
	if (type->flags & OBM_TYPE_VAR_SIZE && (type->ctor || type->copy))
		return -EINVAL;
	return links_check(type);
}

static bool type_is_registered(const struct obm_type *type)
{
	lockdep_assert_held(&obm_types_lock);
	return type->nr > 0 && type->nr < OBM_NR_TYPES &&
	       types[type->nr] == type;
}

/* A place in the table; 0 is nobody's, so that a type of zeroes is not known. */
static int type_add(struct obm_type *type)
{
	int nr;

	lockdep_assert_held(&obm_types_lock);
	for (nr = 1; nr < OBM_NR_TYPES; nr++)
		if (types[nr] == type)
			return -EEXIST;
	for (nr = 1; nr < OBM_NR_TYPES; nr++) {
		if (types[nr])
			continue;
		types[nr] = type;
		type->nr = nr;
		type->distrusted = false;
		INIT_LIST_HEAD(&type->kinds);
		type->quick = NULL;
		return 0;
	}
	return -ENOSPC;
}

/**
 * obm_type_register() - make a type known, so that objects of it can be made
 * @type: the type; it must not change until it is unregistered
 *
 * Two types may have the same name, but not in one heap.
 *
 * Context: Process context, may sleep. Takes obm_types_lock.
 * Return: 0; -EINVAL for a name that may not be, a size below that of struct
 * obm_obj or above OBM_CACHE_MAX, links outside of the object, unknown flags or
 * some that contradict the callbacks (a leaf with clear, an immutable type that
 * is no leaf, a size of its own with ctor or copy); -ENAMETOOLONG; -EEXIST if it
 * is registered; -ENOSPC if there are 255 types.
 */
int obm_type_register(struct obm_type *type)
{
	int err = type_check(type);

	if (err)
		return err;
	mutex_lock(&obm_types_lock);
	err = type_add(type);
	mutex_unlock(&obm_types_lock);
	return err;
}
EXPORT_SYMBOL_NS_GPL(obm_type_register, OBM_NS);

/* --- Kinds --- */

/* What objects cost a heap besides their memory; at its limit, false. */
bool obm_objects_charge(struct obm_heap *heap, size_t bytes)
{
	if (!obm_charge(heap, bytes, GFP_KERNEL))
		return false;
	atomic_long_add(bytes, &heap->object_bytes);
	obm_charge_peak(heap);
	return true;
}

void obm_objects_uncharge(struct obm_heap *heap, size_t bytes)
{
	atomic_long_sub(bytes, &heap->object_bytes);
	obm_uncharge(heap, bytes);
}

static size_t gc_bytes(void)
{
	return sizeof(struct obm_gc) + (sizeof(struct hlist_head) <<
					OBM_WEAK_BITS) +
	       sizeof(struct obm_gc_cpu) * num_possible_cpus();
}

static void gc_free(struct obm_gc *gc)
{
	free_percpu(gc->cpus);
	kvfree(gc->weak);
	kfree(gc);
}

static struct obm_gc *gc_new(struct obm_heap *heap)
{
	struct obm_gc *gc = kzalloc(sizeof(*gc), GFP_KERNEL);
	unsigned int cpu;

	if (!gc)
		return NULL;
	gc->cpus = alloc_percpu(struct obm_gc_cpu);
	gc->weak = kvcalloc(1 << OBM_WEAK_BITS, sizeof(*gc->weak), GFP_KERNEL);
	if (!gc->cpus || !gc->weak) {
		gc_free(gc);
		return NULL;
	}
	for_each_possible_cpu(cpu) {
		INIT_LIST_HEAD(&per_cpu_ptr(gc->cpus, cpu)->young[0]);
		INIT_LIST_HEAD(&per_cpu_ptr(gc->cpus, cpu)->young[1]);
	}
	gc->heap = heap;
	obm_gc_init(gc);
	INIT_LIST_HEAD(&gc->evictors);
	obm_pressure_begin(gc);
	return gc;
}

/**
 * obm_gc_of() - the collector of a heap
 * @heap: the heap
 *
 * Context: Any context.
 * Return: it, or NULL as long as the heap has had no object.
 */
struct obm_gc *obm_gc_of(struct obm_heap *heap)
{
	/* Pairs with the release in gc_make_locked(). */
	return smp_load_acquire(&heap->gc);
}

static struct obm_gc *gc_make_locked(struct obm_heap *heap)
{
	struct obm_gc *gc = heap->gc;

	lockdep_assert_held(&obm_types_lock);
	if (gc)
		return gc;
	if (!obm_objects_charge(heap, gc_bytes()))
		return NULL;
	gc = gc_new(heap);
	if (!gc) {
		obm_objects_uncharge(heap, gc_bytes());
		return NULL;
	}
	/* Pairs with the acquire in obm_gc_of(). */
	smp_store_release(&heap->gc, gc);
	return gc;
}

/* The same, made if need be; NULL if there is no memory. May sleep. */
struct obm_gc *obm_gc_make(struct obm_heap *heap)
{
	struct obm_gc *gc = obm_gc_of(heap);

	if (likely(gc))
		return gc;
	mutex_lock(&obm_types_lock);
	gc = gc_make_locked(heap);
	mutex_unlock(&obm_types_lock);
	return gc;
}

static struct obm_kind *kind_new(struct obm_gc *gc, struct obm_type *type)
{
	struct obm_kind *kind = kzalloc(sizeof(*kind), GFP_KERNEL);

	if (!kind)
		return NULL;
	kind->gc = gc;
	kind->heap = gc->heap;
	kind->type = type;
	kind->nr = type->nr;
	strscpy(kind->name, type->name, sizeof(kind->name));
	kind->tracked = type->nr_links || type->traverse ||
			type->evict || type->flags & OBM_TYPE_TRACKED;
	kind->evicts = type->evict;
	kind->zeroes = (type->traverse || type->evict) && !type->ctor;
	kind->plain = !type->traverse && !type->clear && !type->finalize &&
		      !type->release;
	if (type->flags & OBM_TYPE_VAR_SIZE)
		return kind;
	kind->quick = kind->plain && !kind->tracked &&
		      !(type->flags & OBM_TYPE_RCU);
	/* What the type has of the cache is checked: the names' rules are one. */
	kind->cache = obm_cache_create(gc->heap, type->name, type->size,
				       __alignof__(struct obm_obj), type->ctor);
	if (IS_ERR(kind->cache)) {
		pr_warn("heap %s: type %s has no cache: error %ld\n",
			gc->heap->name, type->name, PTR_ERR(kind->cache));
		kfree(kind);
		return NULL;
	}
	if (type->cache_depth)
		obm_cache_set_depth(kind->cache, type->cache_depth);
	return kind;
}

static struct obm_kind *kind_make(struct obm_heap *heap, struct obm_type *type)
{
	struct obm_kind *kind;
	struct obm_gc *gc;

	if (!type_is_registered(type)) {
		obm_report_object(heap, OBM_BAD_TYPE, NULL,
				  "a type that is not registered");
		return NULL;
	}
	gc = gc_make_locked(heap);
	if (!gc)
		return NULL;
	if (gc->kinds[type->nr])
		return gc->kinds[type->nr];
	if (!obm_objects_charge(heap, sizeof(*kind)))
		return NULL;
	kind = kind_new(gc, type);
	if (!kind) {
		obm_objects_uncharge(heap, sizeof(*kind));
		return NULL;
	}
	if (kind->evicts)
		WRITE_ONCE(gc->evicts, true);
	list_add_tail(&kind->in_type, &type->kinds);
	list_add_tail_rcu(&kind->in_gc, &gc->kind_list);
	/* Pairs with the acquire in obm_kind_get(). */
	smp_store_release(&gc->kinds[type->nr], kind);
	return kind;
}

/* The first heap whose kind it is, until that one ends. */
static void type_set_quick(struct obm_type *type, struct obm_kind *kind)
{
	/* A full barrier; pairs with READ_ONCE() in obm_obj_quick(). */
	if (kind->cache)
		cmpxchg(&type->quick, NULL, kind);
}

/* The first time; or it is refused. */
static noinline struct obm_kind *kind_get_slow(struct obm_heap *heap,
					       struct obm_type *type, gfp_t gfp)
{
	struct obm_kind *kind;

	if (type->nr <= 0 || type->nr >= OBM_NR_TYPES) {
		obm_report_object(heap, OBM_BAD_TYPE, NULL,
				  "a type that is not registered");
		return NULL;
	}
	if (!gfpflags_allow_blocking(gfp)) {
		pr_warn_once("heap %s: the first %s object may sleep: obm_type_prepare()\n",
			     heap->name, type->name);
		return NULL;
	}
	mutex_lock(&obm_types_lock);
	kind = kind_make(heap, type);
	mutex_unlock(&obm_types_lock);
	return kind;
}

/**
 * obm_kind_get() - what a heap has of a type, made if need be
 * @heap: the heap
 * @type: the type
 * @gfp: whether it may sleep for that
 *
 * Context: as @gfp says; takes obm_types_lock and obm_heaps_lock if it may sleep.
 * Return: it, or NULL if there is none and it cannot be made.
 */
struct obm_kind *obm_kind_get(struct obm_heap *heap, struct obm_type *type,
			      gfp_t gfp)
{
	struct obm_gc *gc = obm_gc_of(heap);
	unsigned int nr = type->nr;
	struct obm_kind *kind;

	if (unlikely(!gc || nr >= OBM_NR_TYPES))
		return kind_get_slow(heap, type, gfp);
	/* Pairs with the release in kind_make(). */
	kind = smp_load_acquire(&gc->kinds[nr]);
	if (unlikely(!kind || kind->type != type))
		return kind_get_slow(heap, type, gfp);
	if (!kind->tracked && unlikely(!READ_ONCE(type->quick)))
		type_set_quick(type, kind);
	return kind;
}

/**
 * obm_type_prepare() - let a heap have objects of a type
 * @heap: the heap
 * @type: the type, registered
 *
 * The first obm_obj_new() that may sleep does the same. So this is for heaps of
 * which the first object is made in atomic context.
 *
 * Context: Process context, may sleep.
 * Return: 0, or -ENOMEM: there is no memory, or no room under the heap's limit,
 * or its name is another cache's of the heap, or there are too many caches (see
 * the log), or it is not registered (reported).
 */
int obm_type_prepare(struct obm_heap *heap, struct obm_type *type)
{
	return obm_kind_get(heap, type, GFP_KERNEL) ? 0 : -ENOMEM;
}
EXPORT_SYMBOL_NS_GPL(obm_type_prepare, OBM_NS);

static void kind_free_rcu(struct rcu_head *rcu)
{
	kfree(container_of(rcu, struct obm_kind, rcu));
}

static void kind_unlink(struct obm_kind *kind)
{
	lockdep_assert_held(&obm_types_lock);
	list_del(&kind->in_type);
	list_del_rcu(&kind->in_gc);
	if (kind->type->quick == kind)
		WRITE_ONCE(kind->type->quick, NULL);
	WRITE_ONCE(kind->gc->kinds[kind->type->nr], NULL);
}

static void kind_end(struct obm_kind *kind)
{
	struct obm_heap *heap = kind->heap;

	kind_unlink(kind);
	obm_cache_destroy(kind->cache);
	obm_objects_uncharge(heap, sizeof(*kind));
	call_rcu(&kind->rcu, kind_free_rcu);
}

/* A heap in which some of a type may be dead whose memory is not yet free. */
static struct obm_heap *type_unflushed(struct obm_type *type)
{
	struct obm_kind *kind;

	if (!type_is_registered(type))
		return NULL;
	list_for_each_entry(kind, &type->kinds, in_type) {
		if (kind->flushed || !obm_kind_nr_live(kind))
			continue;
		kind->flushed = true;
		return kind->heap;
	}
	return NULL;
}

/**
 * obm_type_unregister() - let no objects of a type be made any more
 * @type: the type; nobody makes an object of it just now, or destroys a heap
 *	  that has some
 *
 * Dead objects that wait for reuse are freed.
 *
 * Context: Process context, may sleep. Takes obm_types_lock and, in turn, what
 * obm_obj_flush() does.
 * Return: 0; -EBUSY while there are objects of it in any heap; -ENOENT if it is
 * not registered.
 */
int obm_type_unregister(struct obm_type *type)
{
	struct obm_kind *kind, *next;
	struct obm_heap *heap;

	if (!type)
		return -ENOENT;
	mutex_lock(&obm_types_lock);
	/* Not under the lock, which a callback may want that is waited for. */
	while ((heap = type_unflushed(type))) {
		mutex_unlock(&obm_types_lock);
		obm_obj_flush(heap);
		mutex_lock(&obm_types_lock);
	}
	if (!type_is_registered(type)) {
		mutex_unlock(&obm_types_lock);
		return -ENOENT;
	}
	list_for_each_entry(kind, &type->kinds, in_type) {
		kind->flushed = false;
		if (obm_kind_nr_live(kind)) {
			mutex_unlock(&obm_types_lock);
			return -EBUSY;
		}
	}
	list_for_each_entry_safe(kind, next, &type->kinds, in_type)
		kind_end(kind);
	types[type->nr] = NULL;
	type->nr = 0;
	mutex_unlock(&obm_types_lock);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(obm_type_unregister, OBM_NS);

/* --- What is counted of a kind --- */

/* Objects that live, or are dead and wait for the end of an era. */
unsigned long obm_kind_nr_live(struct obm_kind *kind)
{
	struct obm_class_stats cs;

	if (!kind->cache)
		return atomic_long_read(&kind->nr_live);
	obm_stats_class(kind->heap, kind->cache->set.ci, &cs);
	return cs.nr_blocks;
}

/* Dead objects that wait on CPUs for the next caller. */
unsigned long obm_kind_nr_cached(struct obm_kind *kind)
{
	return kind->cache ?
	       obm_front_count(kind->heap, kind->cache->set.ci) : 0;
}

/* Objects made so far. */
u64 obm_kind_nr_allocs(struct obm_kind *kind)
{
	struct obm_class_stats cs;

	if (!kind->cache)
		return 0;
	obm_stats_class(kind->heap, kind->cache->set.ci, &cs);
	return cs.nr_allocs;
}

/* Those of them that came out of the pools, and did not wait on a CPU. */
u64 obm_kind_nr_made(struct obm_kind *kind)
{
	struct obm_node *node;
	unsigned long flags;
	u64 nr = 0;
	int nid;

	if (!kind->cache)
		return 0;
	obm_for_each_node(kind->heap, nid, node) {
		raw_spin_lock_irqsave(&node->lock, flags);
		nr += node_class(node, kind->cache->set.ci)->nr_taken;
		raw_spin_unlock_irqrestore(&node->lock, flags);
	}
	return nr;
}

/* --- Beginning and end --- */

static void gc_free_rcu(struct rcu_head *rcu)
{
	gc_free(container_of(rcu, struct obm_gc, rcu));
}

/**
 * obm_objects_end() - end what a heap that is being destroyed has of objects
 * @heap: the heap, which nobody uses any more
 *
 * Cycles are collected, so that what their objects own is released. What lives
 * after that has leaked; its memory goes with the heap's caches and classes.
 *
 * Context: Process context, may sleep. Takes obm_types_lock.
 */
void obm_objects_end(struct obm_heap *heap)
{
	struct obm_gc *gc = obm_gc_of(heap);
	struct obm_kind *kind, *next;

	if (!gc)
		return;
	obm_pressure_end(gc);
	obm_gc_stop(gc);
	obm_intern_end(gc);
	mutex_lock(&obm_types_lock);
	list_for_each_entry_safe(kind, next, &gc->kind_list, in_gc) {
		kind_unlink(kind);
		obm_objects_uncharge(heap, sizeof(*kind));
		call_rcu(&kind->rcu, kind_free_rcu);
	}
	mutex_unlock(&obm_types_lock);
	obm_objects_uncharge(heap, gc_bytes());
	call_rcu(&gc->rcu, gc_free_rcu);
}

int __init obm_objects_init(void)
{
	int err;

	obm_wq = alloc_workqueue("obmalloc", WQ_UNBOUND, 0);
	if (!obm_wq)
		return -ENOMEM;
	obm_id_init();
	err = obm_type_register(&obm_weakref_type);
	if (err)
		goto err_wq;
	err = obm_intern_init();
	if (err)
		goto err_weakref;
	obm_pressure_init();
	return 0;

err_weakref:
	obm_type_unregister(&obm_weakref_type);
err_wq:
	destroy_workqueue(obm_wq);
	return err;
}

void obm_objects_exit(void)
{
	obm_pressure_exit();
	obm_intern_exit();
	obm_type_unregister(&obm_weakref_type);
	destroy_workqueue(obm_wq);
	/* Kinds and collectors are freed by functions of this module. */
	rcu_barrier();
}
