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
static inline struct obm_mag **slots_mags(struct obm_slot *slots)
{
	return (struct obm_mag **)(slots + obm_nr_slots);
}

/* Slots without magazines, for all heaps. Nothing is ever put on one. */
extern struct obm_slot __percpu *obm_no_slots;

/*
 * With preemption disabled: a class on this CPU, in the slots of this context.
 * Hard interrupts have none.
 */
static __always_inline struct bin bin_here(struct obm_heap *heap,
					   unsigned int ci)
{
	unsigned int in = preempt_count() & OBM_IRQ_MASK;
	struct obm_slot __percpu *slots = READ_ONCE(heap->front.slots);

	if (unlikely(in))
		slots = in == SOFTIRQ_OFFSET ? READ_ONCE(heap->bh_slots) :
					       obm_no_slots;
	return (struct bin){
		.slot = slots + ci,
		.mag = (struct obm_mag * __percpu *)(slots + obm_nr_slots) + ci,
	};
}

/* Takes up to @n blocks that wait on this CPU; returns how many. */
static __always_inline size_t front_pop_many(struct obm_heap *heap, unsigned int ci,
				    size_t n, void **ptrs)
{
	struct obm_mag *mag;
	struct bin bin;
	void **top;

	preempt_disable();
	bin = bin_here(heap, ci);
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
static __always_inline size_t front_push_many(struct obm_heap *heap, unsigned int ci,
				     size_t n, void **ptrs)
{
	struct obm_mag *mag;
	struct bin bin;
	void **top;

	preempt_disable();
	bin = bin_here(heap, ci);
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
