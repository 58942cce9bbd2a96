/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Slots and magazines of this CPU, out of line but for many blocks at once.
 */
#ifndef OBM_FRONT_PRIVATE_H
#define OBM_FRONT_PRIVATE_H

#include "mag.h"

/**
 * struct bin - one class in a set of slots
 * @slot: what the hit path sees
 * @mag: its magazine, or NULL
 */
struct bin {
	struct obm_slot __percpu *slot;
	struct obm_mag * __percpu *mag;
};

/* The magazines stand behind the slots, which the hit path sees alone. */
static inline struct obm_mag **slots_mags(const struct obm_set *set,
					  struct obm_slot *slots)
{
	return (struct obm_mag **)(slots + set->nr);
}

/*
 * With preemption disabled: a class on this CPU, in the slots of this context.
 * Hard interrupts have none.
 */
static __always_inline struct bin bin_in(struct obm_set *set, unsigned int at)
{
	unsigned int in = preempt_count() & OBM_IRQ_MASK;
	struct obm_slot __percpu *slots = READ_ONCE(set->front.slots);

	if (unlikely(in))
		slots = in == SOFTIRQ_OFFSET ? READ_ONCE(set->bh_slots) :
					       set->none;
	return (struct bin){
		.slot = slots + at,
		.mag = (struct obm_mag * __percpu *)(slots + set->nr) + at,
	};
}

/* The set that has the slots of a class, at [ci - set->ci]. */
static inline struct obm_set *class_set_of(struct obm_heap *heap,
					   unsigned int ci)
{
	return class_is_cache(ci) ? &class_cache(ci)->set : &heap->set;
}

static inline struct bin bin_here(struct obm_heap *heap, unsigned int ci)
{
	struct obm_set *set = class_set_of(heap, ci);

	return bin_in(set, ci - set->ci);
}

/* Takes up to @n blocks that wait on this CPU; returns how many. */
static __always_inline size_t front_pop_many(struct obm_set *set,
					     unsigned int at, size_t n,
					     void **ptrs)
{
	struct obm_mag *mag;
	struct bin bin;
	void **top;

	preempt_disable();
	bin = bin_in(set, at);
	mag = __this_cpu_read(*bin.mag);
	if (unlikely(!mag)) {
		preempt_enable();
		return 0;
	}
	top = __this_cpu_read(bin.slot->top);
	n = min_t(size_t, n, (top - mag->words));
	top -= n;
	words_take(ptrs, top + 1, n);
	__this_cpu_write(bin.slot->top, top);
	this_cpu_add(bin.slot->nr_allocs, n);
	preempt_enable();
	return n;
}

/* Keeps the first of @n blocks, as many as there is room for. */
static __always_inline size_t front_push_many(struct obm_set *set,
					      unsigned int at, size_t n,
					      void **ptrs)
{
	struct obm_mag *mag;
	struct bin bin;
	void **top;

	preempt_disable();
	bin = bin_in(set, at);
	mag = __this_cpu_read(*bin.mag);
	if (unlikely(!mag)) {
		preempt_enable();
		return 0;
	}
	top = __this_cpu_read(bin.slot->top);
	n = min_t(size_t, n, (mag->words + mag->cap - top));
	words_copy(top + 1, ptrs, n);
	__this_cpu_write(bin.slot->top, top + n);
	preempt_enable();
	return n;
}

#endif /* OBM_FRONT_PRIVATE_H */
