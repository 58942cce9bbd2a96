// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory of objects: how they are made, which list they are in, and how
 * their memory is freed. object.h has the rules of the lists.
 */
#include "object.h"

#include <linux/sched/mm.h>
#include <linux/siphash.h>

/* --- Lists --- */

/* In an interrupt: the CPU's lists may be just being changed. */
static noinline void track_shared(struct obm_gc *gc, struct obm_obj *obj)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&gc->lock, flags);
	WRITE_ONCE(obj->place, OBM_PLACE_NEWBORN);
	list_add_tail(&obj->link, &gc->newborn);
	WRITE_ONCE(gc->generations[0].count, gc->generations[0].count + 1);
	raw_spin_unlock_irqrestore(&gc->lock, flags);
}

/* Puts a new object at the end of a list. */
static __always_inline void obj_track(struct obm_gc *gc, struct obm_obj *obj)
{
	struct obm_gc_cpu *cpu;
	unsigned int half;
	bool kick = false;

	preempt_disable();
	if (likely(obm_front_mine())) {
		cpu = this_cpu_ptr(gc->cpus);
		half = era_half(READ_ONCE(gc->era));
		WRITE_ONCE(obj->place, 2 * smp_processor_id() + half);
		list_add_tail(&obj->link, &cpu->young[half]);
		kick = ++cpu->nr[half] > READ_ONCE(gc->kick_at);
	} else {
		track_shared(gc, obj);
	}
	obm_front_leave();
	if (unlikely(kick))
		obm_gc_kick(gc);
}

static noinline bool untrack_shared(struct obm_gc *gc, struct obm_obj *obj)
{
	struct obm_generation *young = &gc->generations[0];
	unsigned long flags;
	bool idle;

	raw_spin_lock_irqsave(&gc->lock, flags);
	idle = !era_is_busy(gc->era);
	if (idle) {
		list_del(&obj->link);
		if (young->count)
			WRITE_ONCE(young->count, young->count - 1);
	}
	raw_spin_unlock_irqrestore(&gc->lock, flags);
	return idle;
}

/*
 * With preemption disabled, since @era was read: takes a dead object off its
 * list, if that may be done here and now.
 */
static __always_inline bool obj_untrack(struct obm_gc *gc, struct obm_obj *obj,
					unsigned int era)
{
	unsigned int half = era_half(era), place = obj->place;
	struct obm_gc_cpu *cpu;

	if (place == OBM_PLACE_NONE)
		return true;
	if (place >= OBM_PLACE_SHARED)
		return untrack_shared(gc, obj);
	if (place != 2 * smp_processor_id() + half || !obm_front_mine())
		return false;
	cpu = this_cpu_ptr(gc->cpus);
	list_del(&obj->link);
	if (cpu->nr[half])
		cpu->nr[half]--;
	return true;
}

/*
 * Whether a list that is shared may be changed here. The collector's own thread may
 * take out what dies in a callback of its own: it is not what it stands at, unless it
 * has pinned that just to look at it.
 */
static bool shared_is_mine(struct obm_gc *gc)
{
	lockdep_assert_held(&gc->lock);
	return !era_is_busy(gc->era) ||
	       (READ_ONCE(gc->collector) == current && !gc->looking);
}

static bool shared_take_out(struct obm_gc *gc, struct obm_obj *obj)
{
	unsigned long flags;
	bool mine;

	raw_spin_lock_irqsave(&gc->lock, flags);
	mine = shared_is_mine(gc);
	if (mine)
		list_del(&obj->link);
	raw_spin_unlock_irqrestore(&gc->lock, flags);
	return mine;
}

/**
 * obm_obj_renew() - let an object be the youngest
 * @obj: the object; its count is 0, and it is about to be finalized
 *
 * CPython takes a dying object out of its generation, and puts it back before its
 * finalizer is called: so one that is resurrected is the last of generation 0.
 * Here it stays where it is, if somebody else collects just now.
 *
 * Context: Any context but NMI. Takes gc->lock.
 */
void obm_obj_renew(struct obm_obj *obj)
{
	struct obm_gc *gc = obj->kind->gc;
	struct list_head *young;
	unsigned int half, here, place;

	preempt_disable();
	half = era_half(READ_ONCE(gc->era));
	here = 2 * smp_processor_id() + half;
	young = &this_cpu_ptr(gc->cpus)->young[half];
	/* The collector may make it another one, if it is that of a shared list. */
	place = READ_ONCE(obj->place);
	/* Garbage that is being cleared stays in its list: it has been finalized. */
	if (place == OBM_PLACE_NONE || !obm_front_mine() ||
	    WARN_ON_ONCE(gc_is_clearing(gc) && obj->color == OBM_COLOR_LOST))
		goto out;
	if (place == here) {
		list_move_tail(&obj->link, young);
	} else if (place >= OBM_PLACE_SHARED && shared_take_out(gc, obj)) {
		WRITE_ONCE(obj->place, here);
		obj->color = OBM_COLOR_NONE;
		list_add_tail(&obj->link, young);
	}
out:
	obm_front_leave();
}

/* --- Memory --- */

/* Objects that an allocation asks for before it tries again. */
#define EVICT_FEW	16

static noinline void obj_free_odd(struct obm_kind *kind, struct obm_obj *obj)
{
	if (!kind->cache) {
		atomic_long_dec(&kind->nr_live);
		atomic_long_sub(obm_usable_size(obj), &kind->live_bytes);
	}
	if (kind->type->flags & OBM_TYPE_RCU)
		/* Readers may look at the word until then: it says 0. */
		__obm_free_rcu(obj, (struct rcu_head *)&obj->link);
	else
		obm_free(obj);
}

static __always_inline void obj_free_memory(struct obm_obj *obj)
{
	struct obm_kind *kind = obj->kind;

	static_assert(sizeof(struct rcu_head) <= sizeof(struct list_head));
	if (unlikely(!kind->cache || kind->type->flags & OBM_TYPE_RCU))
		obj_free_odd(kind, obj);
	else
		obm_cache_free(kind->cache, obj);
}

/* Dead objects that cannot go now, from this many on, are worth an era. */
#define LIMBO_MANY	1024

static noinline void obj_wait(struct obm_gc *gc, struct obm_obj *obj)
{
	/* Colors are the collector's: nobody else may as much as read them. */
	if (gc_is_clearing(gc) && obj->color == OBM_COLOR_LOST) {
		/* It finds this one when it comes to it. */
		obj->color = OBM_COLOR_DEAD;
		return;
	}
	llist_add(&obj->limbo, &gc->limbo);
	if (atomic_inc_return(&gc->nr_limbo) > LIMBO_MANY &&
	    !era_is_busy(READ_ONCE(gc->era)))
		obm_gc_kick(gc);
}

/**
 * obm_obj_free() - free the memory of a dead object, now or later
 * @obj: the object; its count is 0 and everything else of it is done
 *
 * Context: Any context but NMI. Takes gc->lock for some.
 */
void obm_obj_free(struct obm_obj *obj)
{
	struct obm_gc *gc = obj->kind->gc;
	unsigned int era;

	/*
	 * Who makes the era odd waits for all that is between here and
	 * obm_front_leave(): synchronize_rcu() in obm_gc_begin().
	 */
	preempt_disable();
	era = READ_ONCE(gc->era);
	if (likely(!era_is_busy(era) && obj_untrack(gc, obj, era)))
		obj_free_memory(obj);
	else
		obj_wait(gc, obj);
	obm_front_leave();
}

/**
 * obm_limbo_empty() - free the memory of dead objects that waited
 * @gc: the collector
 *
 * Those that are in a list of a CPU go on waiting: the next era gets that list.
 *
 * Context: Process context, may sleep. Under gc->mutex, with the era even.
 */
void obm_limbo_empty(struct obm_gc *gc)
{
	struct llist_node *node = llist_del_all(&gc->limbo);
	struct obm_obj *obj, *next;
	int nr = 0, left = 0;

	lockdep_assert_held(&gc->mutex);
	llist_for_each_entry_safe(obj, next, node, limbo) {
		nr++;
		if (obj->place < OBM_PLACE_SHARED) {
			llist_add(&obj->limbo, &gc->limbo);
			left++;
			continue;
		}
		if (obj->place != OBM_PLACE_NONE)
			untrack_shared(gc, obj);
		obj_free_memory(obj);
		if (!(nr % 256))
			cond_resched();
	}
	atomic_sub(nr - left, &gc->nr_limbo);
}

/**
 * obm_dead_free() - free the memory of garbage
 * @gc: the collector
 *
 * Context: Process context, may sleep. Under gc->mutex, with the era even.
 */
void obm_dead_free(struct obm_gc *gc)
{
	struct obm_obj *obj, *next;
	unsigned int nr = 0;

	lockdep_assert_held(&gc->mutex);
	list_for_each_entry_safe(obj, next, &gc->dead, link) {
		prefetchw(next->link.next);
		obj_free_memory(obj);
		if (!(++nr % 256))
			cond_resched();
	}
	INIT_LIST_HEAD(&gc->dead);
}

/* Mostly a few, which are not worth a call. */
static __always_inline void links_init(struct obm_obj *obj,
				       const struct obm_type *type)
{
	struct obm_ref *ref = (void *)obj + type->links_offset;
	struct obm_ref *end = ref + type->nr_links;

	if (unlikely(type->nr_links > 8)) {
		memset(ref, 0, (void *)end - (void *)ref);
		return;
	}
	for (; ref < end; ref++)
		WRITE_ONCE(ref->target, NULL);
}

static __always_inline void obj_fill(struct obm_kind *kind, struct obm_obj *obj,
				     size_t size, gfp_t gfp)
{
	const struct obm_type *type = kind->type;

	if (unlikely(gfp & __GFP_ZERO) || kind->zeroes)
		memset(obj + 1, 0, size - sizeof(*obj));
	else if (!type->ctor)
		links_init(obj, type);
	obm_obj_init(obj, kind);
	if (kind->tracked)
		obj_track(kind->gc, obj);
}

/* Owners need not know what they must not do, as shrinkers need. */
static bool gfp_may_evict(gfp_t gfp)
{
	const gfp_t all = __GFP_DIRECT_RECLAIM | __GFP_IO | __GFP_FS;

	return (current_gfp_context(gfp) & all) == all;
}

/* What owners can do without goes first, a few at a time. */
static noinline void *new_evict(struct obm_kind *kind, size_t size, gfp_t gfp)
{
	void *ptr = NULL;

	while (!ptr && gfp_may_evict(gfp) && obm_evict(kind->gc, EVICT_FEW))
		ptr = kind->cache ? obm_cache_alloc(kind->cache, gfp) :
				    obm_alloc(kind->heap, size, gfp);
	return ptr;
}

/* obm_obj_new() where nothing waits, or the object is no leaf. */
void *__obm_obj_new(struct obm_heap *heap, struct obm_type *type, gfp_t gfp)
{
	struct obm_kind *kind = obm_kind_get(heap, type, gfp);
	struct obm_obj *obj;

	if (unlikely(!kind || !kind->cache)) {
		if (kind)
			obm_report_object(heap, OBM_BAD_TYPE, type,
					  "objects have sizes of their own");
		return NULL;
	}
	obj = obm_cache_alloc(kind->cache, gfp & ~__GFP_ZERO);
	if (unlikely(!obj)) {
		obj = new_evict(kind, type->size, gfp & ~__GFP_ZERO);
		if (!obj)
			return NULL;
	}
	obj_fill(kind, obj, type->size, gfp);
	return obj;
}
EXPORT_SYMBOL_NS_GPL(__obm_obj_new, OBM_NS);

/**
 * obm_obj_new_size() - make an object that has a size of its own
 * @heap: the heap that it is to be in
 * @type: its type, of %OBM_TYPE_VAR_SIZE
 * @size: bytes, struct obm_obj included; at least the type's and at most
 *	  OBM_MAX_BYTES
 * @gfp: as for obm_obj_new()
 *
 * Context: as obm_obj_new().
 * Return: as obm_obj_new(); NULL also for a size out of range.
 */
void *obm_obj_new_size(struct obm_heap *heap, struct obm_type *type,
		       size_t size, gfp_t gfp)
{
	struct obm_kind *kind = obm_kind_get(heap, type, gfp);
	struct obm_obj *obj;

	if (!kind || size < type->size || size > OBM_MAX_BYTES)
		return NULL;
	if (kind->cache) {
		obm_report_object(heap, OBM_BAD_TYPE, type,
				  "objects have no sizes of their own");
		return NULL;
	}
	obj = obm_alloc(heap, size, gfp & ~__GFP_ZERO);
	if (unlikely(!obj)) {
		obj = new_evict(kind, size, gfp & ~__GFP_ZERO);
		if (!obj)
			return NULL;
	}
	atomic_long_inc(&kind->nr_live);
	atomic_long_add(obm_usable_size(obj), &kind->live_bytes);
	obj_fill(kind, obj, size, gfp);
	return obj;
}
EXPORT_SYMBOL_NS_GPL(obm_obj_new_size, OBM_NS);

/* --- What an object is --- */

static siphash_key_t id_key __ro_after_init;

void __init obm_id_init(void)
{
	get_random_bytes(&id_key, sizeof(id_key));
}

/**
 * obm_obj_id() - a number for an object, to show to people
 * @obj: the object
 *
 * CPython's id() is the address. This is a hash of it, with a key drawn when the
 * module was loaded: the same as long as the object lives, and of no use to who
 * would like to know where that is.
 *
 * Context: Any context.
 * Return: the number; two objects that live may have the same one, with a chance
 * of 2^-64.
 */
u64 obm_obj_id(const struct obm_obj *obj)
{
	return siphash_1u64((unsigned long)obj, &id_key);
}
EXPORT_SYMBOL_NS_GPL(obm_obj_id, OBM_NS);

/**
 * obm_obj_type() - the type of an object
 * @obj: the object
 *
 * Context: Any context.
 * Return: the type that it was made with.
 */
struct obm_type *obm_obj_type(const struct obm_obj *obj)
{
	return obj->kind->type;
}
EXPORT_SYMBOL_NS_GPL(obm_obj_type, OBM_NS);

/**
 * obm_obj_heap() - the heap of an object
 * @obj: the object
 *
 * Context: Any context.
 * Return: the heap that it is in.
 */
struct obm_heap *obm_obj_heap(const struct obm_obj *obj)
{
	return obj->kind->heap;
}
EXPORT_SYMBOL_NS_GPL(obm_obj_heap, OBM_NS);

/* Bytes that an object takes. */
size_t obm_obj_bytes(const struct obm_obj *obj)
{
	const struct obm_kind *kind = obj->kind;

	return kind->cache ? obm_cache_usable_size(kind->cache) :
			     obm_usable_size(obj);
}
