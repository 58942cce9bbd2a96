// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blocks that wait on CPUs go back to their pools: for a trim, at a limit, when
 * memory is short, when a CPU dies and when the heap does. Magazines are taken
 * away whole, by the CPU itself; they come back as they are needed.
 */
#include "front.h"

#include <linux/cpu.h>
#include <linux/smp.h>

/* Takes all magazines out of a set of slots that nobody uses just now. */
static void slots_detach(const struct obm_set *set, struct obm_slot *slots,
			 struct obm_mag **list)
{
	struct obm_mag **mags = slots_mags(set, slots);
	unsigned int i;

	for (i = 0; i < set->nr; i++) {
		struct obm_mag *mag = mags[i];

		if (!mag)
			continue;
		mag->nr = slots[i].top - mag->words;
		mag->ci = set->ci + i;
		mag->next = *list;
		*list = mag;
		WRITE_ONCE(slots[i].top, obm_mag_none());
		WRITE_ONCE(mags[i], NULL);
	}
}

/* Of one CPU, in all contexts. */
static void set_detach(struct obm_set *set, unsigned int cpu,
		       struct obm_mag **list)
{
	slots_detach(set, per_cpu_ptr(READ_ONCE(set->front.slots), cpu), list);
	slots_detach(set, per_cpu_ptr(READ_ONCE(set->bh_slots), cpu), list);
}

/*
 * The same of a heap and its caches. Who asks for it is in a read-side section of
 * RCU until the magazines are empty: who destroys a cache waits for that.
 */
static void cpu_detach(struct obm_heap *heap, unsigned int cpu,
		       struct obm_mag **list)
{
	struct obm_cache *cache;

	set_detach(&heap->set, cpu, list);
	rcu_read_lock();
	obm_for_each_cache(heap, cache)
		if (!READ_ONCE(cache->dying))
			set_detach(&cache->set, cpu, list);
	rcu_read_unlock();
}

static bool slots_have_mags(const struct obm_set *set, struct obm_slot *slots)
{
	struct obm_mag **mags = (struct obm_mag **)(slots + set->nr);
	unsigned int i;

	for (i = 0; i < set->nr; i++)
		if (READ_ONCE(mags[i]))
			return true;
	return false;
}

static bool set_has_mags(const struct obm_set *set, unsigned int cpu)
{
	return slots_have_mags(set, per_cpu_ptr(READ_ONCE(set->front.slots),
						cpu)) ||
	       slots_have_mags(set, per_cpu_ptr(READ_ONCE(set->bh_slots), cpu));
}

/* Whether it is worth to interrupt a CPU; a peek. Under rcu_read_lock(). */
static bool cpu_has_mags(struct obm_heap *heap, unsigned int cpu)
{
	struct obm_cache *cache;

	if (set_has_mags(&heap->set, cpu))
		return true;
	obm_for_each_cache(heap, cache)
		if (set_has_mags(&cache->set, cpu))
			return true;
	return false;
}

struct drain {
	struct obm_heap *heap;
	struct obm_mag *list;
	unsigned long nr_pages;
	bool busy;
	bool left;
};

/*
 * In a hard interrupt on the CPU whose slots are wanted. A task that was
 * interrupted inside the hit path has preemption disabled; one that has it
 * disabled for another reason is taken for such a one, too, and so is any
 * softirq. The idle task always has, and never allocates.
 */
static void drain_ipi(void *info)
{
	struct drain *drain = info;
	unsigned int count = preempt_count();

	drain->busy = (count & SOFTIRQ_OFFSET) ||
		      ((count & PREEMPT_MASK) && !is_idle_task(current));
	if (!drain->busy)
		cpu_detach(drain->heap, smp_processor_id(), &drain->list);
}

/* How often a busy CPU is asked again. */
#define DRAIN_TRIES		10

static void drain_cpu(struct drain *drain, int cpu)
{
	int tries = DRAIN_TRIES;

	do {
		if (smp_call_function_single(cpu, drain_ipi, drain, 1))
			return;
		if (!drain->busy)
			return;
		cpu_relax();
	} while (--tries);
	drain->left = true;
}

static unsigned long front_drain(struct drain *drain, bool others)
{
	struct obm_heap *heap = drain->heap;
	/* Asking others under a lock that they wait for would be a deadlock. */
	bool all = others && preemptible();
	unsigned long flags, nr;
	int cpu, this_cpu;

	drain->left = others && !all;
	if (!in_task())
		return 0;
	if (all)
		migrate_disable();
	rcu_read_lock();
	/* No softirq may come to use its slots meanwhile. */
	local_irq_save(flags);
	this_cpu = smp_processor_id();
	cpu_detach(heap, this_cpu, &drain->list);
	local_irq_restore(flags);
	/* Two that asked each other would be busy for each other: one asks. */
	if (all && !atomic_xchg(&heap->draining, 1)) {
		for_each_online_cpu(cpu)
			if (cpu != this_cpu && cpu_has_mags(heap, cpu))
				drain_cpu(drain, cpu);
		atomic_set_release(&heap->draining, 0);
	} else if (all) {
		drain->left = true;
	}
	nr = obm_mags_release(heap, drain->list, &drain->nr_pages);
	rcu_read_unlock();
	if (all)
		migrate_enable();
	return nr;
}

static int drain_here(void *heap)
{
	obm_front_drain(heap, false);
	return 0;
}

static bool cpu_has_mags_peek(struct obm_heap *heap, unsigned int cpu)
{
	bool has;

	rcu_read_lock();
	has = cpu_has_mags(heap, cpu);
	rcu_read_unlock();
	return has;
}

/**
 * obm_front_drain() - put the blocks that wait on CPUs back into their pools
 * @heap: the heap
 * @others: those of other CPUs too, if possible
 *
 * From a task that may be preempted those of all CPUs, unless one is too busy to
 * answer; from another task those of this CPU; in an interrupt none.
 *
 * Context: Any context but NMI.
 * Return: how many blocks.
 */
unsigned long obm_front_drain(struct obm_heap *heap, bool others)
{
	struct drain drain = { .heap = heap };

	return front_drain(&drain, others);
}

/**
 * obm_front_drain_all() - the same of all CPUs, however busy
 * @heap: the heap
 * @wait: let a task on each CPU that did not answer do it there, and wait for that:
 *	  it runs when what the CPU is busy with is over
 *
 * Context: Any context but NMI; process context, may sleep, if @wait.
 * Return: whether nothing is left that waited when it was called; never false if
 * @wait.
 */
bool obm_front_drain_all(struct obm_heap *heap, bool wait)
{
	struct drain drain = { .heap = heap };
	int cpu;

	front_drain(&drain, true);
	if (!drain.left)
		return true;
	if (!wait)
		return !atomic_long_read(&heap->mag_bytes);
	/* One that dies meanwhile answers with an error: heap_cpu_dead(). */
	for_each_online_cpu(cpu)
		if (cpu_has_mags_peek(heap, cpu))
			smp_call_on_cpu(cpu, drain_here, heap, false);
	return true;
}

/*
 * The same for the shrinker, which wants to know how many pages went back with
 * arenas that fell empty. Nothing is asked of CPUs where no magazine is.
 */
unsigned long obm_front_shrink(struct obm_heap *heap, bool others)
{
	struct drain drain = { .heap = heap };

	if (atomic_long_read(&heap->mag_bytes))
		front_drain(&drain, others);
	return drain.nr_pages;
}

/* The same for a CPU that is dead, or whose slots nobody uses any more. */
void obm_front_drain_cpu(struct obm_heap *heap, unsigned int cpu)
{
	struct obm_mag *list = NULL;
	unsigned long nr_pages = 0;

	rcu_read_lock();
	cpu_detach(heap, cpu, &list);
	obm_mags_release(heap, list, &nr_pages);
	rcu_read_unlock();
}

/* And for a set that nobody uses any more, of all CPUs. */
void obm_set_empty(struct obm_heap *heap, struct obm_set *set)
{
	struct obm_mag *list = NULL;
	unsigned long nr_pages = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		set_detach(set, cpu, &list);
	obm_mags_release(heap, list, &nr_pages);
}
