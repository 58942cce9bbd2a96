// SPDX-License-Identifier: GPL-2.0-only
/*
 * Eras: who wants all objects of a heap to himself, without that others have to
 * wait, makes the era odd. object.h says what that means to whom.
 */
#include "object.h"

/* New objects of a CPU that can have no more; they are in generation 0 now. */
static unsigned int gather_cpu(struct obm_gc *gc, struct obm_gc_cpu *cpu,
			       unsigned int half)
{
	unsigned int nr = cpu->nr[half], steps = 0;
	struct obm_obj *obj;

	list_for_each_entry(obj, &cpu->young[half], link) {
		WRITE_ONCE(obj->place, OBM_PLACE_GEN(0));
		if (!(++steps % 256))
			cond_resched();
	}
	list_splice_tail_init(&cpu->young[half], &gc->shared[0]);
	cpu->nr[half] = 0;
	return nr;
}

/*
 * Waits for a grace period of RCU. Other CPUs are interrupted for it only if
 * somebody waits for us.
 */
void obm_gc_synchronize(struct obm_gc *gc)
{
	lockdep_assert_held(&gc->mutex);
	if (gc->patient)
		synchronize_rcu();
	else
		synchronize_rcu_expedited();
}

/**
 * obm_gc_begin() - make the era odd, and gather new objects
 * @gc: the collector
 *
 * From here to obm_gc_end() the shared lists belong to the caller, all objects
 * made before are in them, and no object's memory is freed.
 *
 * Context: Process context, may sleep; under gc->mutex.
 */
void obm_gc_begin(struct obm_gc *gc)
{
	unsigned int cpu, nr = 0, half;
	struct obm_obj *obj;
	LIST_HEAD(newborn);

	lockdep_assert_held(&gc->mutex);
	half = era_half(gc->era);
	raw_spin_lock_irq(&gc->lock);
	WRITE_ONCE(gc->era, gc->era + 1);
	raw_spin_unlock_irq(&gc->lock);
	/* For those who read the era with preemption disabled: object.c. */
	obm_gc_synchronize(gc);
	for_each_possible_cpu(cpu)
		nr += gather_cpu(gc, per_cpu_ptr(gc->cpus, cpu), half);
	raw_spin_lock_irq(&gc->lock);
	list_splice_init(&gc->newborn, &newborn);
	WRITE_ONCE(gc->generations[0].count, gc->generations[0].count + nr);
	raw_spin_unlock_irq(&gc->lock);
	list_for_each_entry(obj, &newborn, link) {
		WRITE_ONCE(obj->place, OBM_PLACE_GEN(0));
		cond_resched();
	}
	list_splice_tail(&newborn, &gc->shared[0]);
}

/**
 * obm_gc_end() - make the era even, and free what died in it
 * @gc: the collector
 *
 * Context: Process context, may sleep; under gc->mutex.
 */
void obm_gc_end(struct obm_gc *gc)
{
	lockdep_assert_held(&gc->mutex);
	raw_spin_lock_irq(&gc->lock);
	WRITE_ONCE(gc->era, gc->era + 1);
	raw_spin_unlock_irq(&gc->lock);
	obm_dead_free(gc);
	obm_limbo_empty(gc);
	/* Those who saw the old era may only now leave their objects there. */
	if (num_online_cpus() > 1)
		queue_rcu_work(obm_wq, &gc->limbo_work);
}

static void limbo_work(struct work_struct *work)
{
	struct obm_gc *gc = container_of(to_rcu_work(work), struct obm_gc,
					 limbo_work);

	mutex_lock(&gc->mutex);
	obm_limbo_empty(gc);
	mutex_unlock(&gc->mutex);
}

void obm_era_init(struct obm_gc *gc)
{
	unsigned int i;

	raw_spin_lock_init(&gc->lock);
	INIT_LIST_HEAD(&gc->newborn);
	for (i = 0; i < OBM_NR_SHARED; i++)
		INIT_LIST_HEAD(&gc->shared[i]);
	INIT_LIST_HEAD(&gc->dead);
	init_llist_head(&gc->limbo);
	INIT_RCU_WORK(&gc->limbo_work, limbo_work);
}

/* Frees what waits in limbo; nobody leaves more there meanwhile. */
void obm_era_flush(struct obm_gc *gc)
{
	mutex_lock(&gc->mutex);
	obm_gc_begin(gc);
	obm_gc_end(gc);
	mutex_unlock(&gc->mutex);
	flush_rcu_work(&gc->limbo_work);
}

static int walk_list(struct list_head *list, int generation,
		     int (*fn)(struct obm_obj *obj, int generation, void *arg),
		     void *arg)
{
	struct obm_obj *obj;
	int err, nr = 0;

	list_for_each_entry(obj, list, link) {
		/* Dead, or dying. */
		if (!obm_obj_refcount(obj))
			continue;
		err = fn(obj, generation, arg);
		if (err)
			return err;
		if (!(++nr % 256))
			cond_resched();
	}
	return 0;
}

/**
 * obm_gc_walk() - look at all objects of a heap that have links
 * @heap: the heap
 * @fn: called for each with its generation, OBM_GC_PERMANENT or OBM_GC_GARBAGE,
 *	the oldest first; ends the walk if it does not return 0. It may not free,
 *	nor make the object known to who has no reference but by getting one
 * @arg: for @fn
 *
 * Context: Process context, may sleep. Takes gc->mutex.
 * Return: 0, or what @fn returned that was not.
 */
int obm_gc_walk(struct obm_heap *heap,
		int (*fn)(struct obm_obj *obj, int generation, void *arg),
		void *arg)
{
	static const int order[] = {
		OBM_GC_PERMANENT, 2, 1, 0, OBM_GC_GARBAGE
	};
	struct obm_gc *gc = obm_gc_of(heap);
	unsigned int i;
	int err = 0;

	static_assert(ARRAY_SIZE(order) == OBM_NR_SHARED);
	if (!gc)
		return 0;
	mutex_lock(&gc->mutex);
	obm_gc_begin(gc);
	for (i = 0; !err && i < ARRAY_SIZE(order); i++)
		err = walk_list(&gc->shared[order[i]], order[i], fn, arg);
	obm_gc_end(gc);
	mutex_unlock(&gc->mutex);
	return err;
}

/**
 * obm_gc_generation() - which generation an object is in
 * @obj: the object
 *
 * Context: Any context; what it says may be old when it returns.
 * Return: 0 to 2, OBM_GC_PERMANENT for one that is frozen, OBM_GC_GARBAGE for one
 * that is in the garbage list, OBM_GC_UNTRACKED for one that has no links.
 */
int obm_gc_generation(const struct obm_obj *obj)
{
	unsigned int place = READ_ONCE(obj->place);

	if (place == OBM_PLACE_NONE)
		return OBM_GC_UNTRACKED;
	if (place < OBM_PLACE_SHARED || place == OBM_PLACE_NEWBORN)
		return 0;
	return place - OBM_PLACE_SHARED;
}
EXPORT_SYMBOL_NS_GPL(obm_gc_generation, OBM_NS);
