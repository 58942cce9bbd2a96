// SPDX-License-Identifier: GPL-2.0-only
/*
 * The front: free blocks that wait on the CPU that freed them, or that are
 * fetched from the pools in batches, so that most calls need no lock. obm_front.h
 * has the hit path, mag.c the magazines.
 *
 * For the pools a block in a magazine is in use. What the statistics call used
 * is therefore what the pools gave away less what the magazines hold: derived,
 * so that the hit path counts nothing but allocations, and those on its CPU.
 *
 * A heap has two sets of slots on each CPU: for tasks, and for softirqs, which
 * interrupt tasks; both are made when a class first gets busy in such a context.
 * Neither is touched in hard interrupts but by a drain that found nobody in the
 * midst of using them. What has no slots yet shows some that are always empty.
 * A cache has the same, of a single class.
 */
#include "front.h"

bool obm_harden;

/* So that a class and its slot have the same offset. */
static_assert(sizeof(struct obm_slot) == sizeof(struct obm_class));

/* Slots without magazines, for all heaps. Nothing is ever put on one. */
static struct obm_slot __percpu *no_slots;

static size_t slots_bytes(unsigned int nr)
{
	return nr * (sizeof(struct obm_slot) + sizeof(void *));
}

static struct obm_slot __percpu *slots_new(struct obm_heap *heap,
					   unsigned int nr, gfp_t gfp)
{
	size_t bytes = slots_bytes(nr) * num_possible_cpus();
	struct obm_slot __percpu *slots;
	unsigned int i;
	int cpu;

	if (heap && !obm_charge(heap, bytes, gfp))
		return NULL;
	slots = __alloc_percpu_gfp(slots_bytes(nr), __alignof__(*slots),
				   gfp | __GFP_NOWARN);
	if (!slots) {
		if (heap)
			obm_uncharge(heap, bytes);
		return NULL;
	}
	if (heap)
		obm_charge_peak(heap);
	for_each_possible_cpu(cpu)
		for (i = 0; i < nr; i++)
			per_cpu_ptr(slots, cpu)[i].top = obm_mag_none();
	return slots;
}

/* Where the slots of this context are found; NULL if it has none. */
static struct obm_slot __percpu **slots_at(struct obm_set *set)
{
	unsigned int in = preempt_count() & OBM_IRQ_MASK;

	if (!in)
		return &set->front.slots;
	return in == SOFTIRQ_OFFSET ? &set->bh_slots : NULL;
}

/* Whether there are slots for this context, by now if need be. */
static bool slots_ready(struct obm_heap *heap, struct obm_set *set, gfp_t gfp)
{
	struct obm_slot __percpu **at = slots_at(set);
	struct obm_slot __percpu *slots;

	if (!at || READ_ONCE(*at) != set->none)
		return at;
	/*
	 * Never waited for: who does holds the mutex of the per-CPU allocator,
	 * and would be waited for by a caller like us in reclaim.
	 */
	slots = slots_new(heap, set->nr, GFP_NOWAIT | (gfp & __GFP_ACCOUNT));
	if (!slots)
		return false;
	/* Who sees the slots sees them made, by the address dependency. */
	if (cmpxchg(at, set->none, slots) != set->none) {
		free_percpu(slots);
		obm_uncharge(heap, slots_bytes(set->nr) * num_possible_cpus());
	}
	return true;
}

/* Gives a class a larger magazine; returns the one that is of no use now. */
static struct obm_mag *bin_swap(const struct bin *bin, struct obm_mag *mag)
{
	struct obm_mag *old = __this_cpu_read(*bin->mag);
	unsigned int nr = 0;

	if (old && old->cap >= mag->cap)
		return mag;
	if (old)
		nr = obm_mag_move(mag, old,
				  __this_cpu_read(bin->slot->top) - old->words);
	__this_cpu_write(*bin->mag, mag);
	__this_cpu_write(bin->slot->top, mag->words + nr);
	return old;
}

/* What the magazine here has room for, 0 if there is none. */
static unsigned int bin_cap(struct obm_heap *heap, unsigned int ci)
{
	struct obm_mag *mag;
	unsigned int cap;

	preempt_disable();
	mag = __this_cpu_read(*bin_here(heap, ci).mag);
	cap = mag ? mag->cap : 0;
	obm_front_leave();
	return cap;
}

/*
 * A magazine with room for @want blocks for a class on this CPU, whichever that
 * is by then. Not where the slab allocator may not be called.
 */
static bool bin_fit(struct obm_heap *heap, unsigned int ci, gfp_t gfp,
		    unsigned int want)
{
	struct obm_set *set = class_set_of(heap, ci);
	unsigned int cap = obm_mag_fit_cap(ci, want);
	struct obm_mag *mag = NULL;
	struct bin bin;

	/* What could not be had is not asked for with every block. */
	if (!obm_may_return() || time_before(jiffies, READ_ONCE(set->later)))
		return false;
	if (slots_ready(heap, set, gfp))
		mag = obm_mag_new(heap, ci, cap, gfp);
	if (!mag) {
		if (!bin_cap(heap, ci))
			WRITE_ONCE(set->later, jiffies + HZ / 10);
		return false;
	}
	preempt_disable();
	bin = bin_here(heap, ci);
	mag = bin_swap(&bin, mag);
	obm_front_leave();
	if (mag)
		obm_mag_free(heap, ci, mag);
	return true;
}

/* A wish for a larger magazine was refused: it is not repeated for a while. */
static void bin_hold(struct obm_heap *heap, unsigned int ci)
{
	struct obm_mag *mag;

	preempt_disable();
	mag = __this_cpu_read(*bin_here(heap, ci).mag);
	if (mag)
		mag->hold = MAG_HOLD;
	obm_front_leave();
}

/* The class has use for a magazine, or a larger one, if it is busy. */
static void bin_grow(struct obm_heap *heap, unsigned int ci, gfp_t gfp, int nid)
{
	unsigned int cap = bin_cap(heap, ci);

	if (!cap && !obm_node_is_busy(heap, ci, nid))
		return;
	if (obm_mag_fit_cap(ci, cap + 1) <= cap ||
	    !bin_fit(heap, ci, gfp, cap + 1))
		bin_hold(heap, ci);
}

/* Objects of a cache leave the pools constructed. */
static void front_construct(unsigned int ci, void **ptrs, int nr)
{
	if (class_is_cache(ci) && nr > 0)
		obm_cache_construct(ci, ptrs, nr);
}

/* A NULL among the blocks of obm_free_bulk() looks like the lower wall. */
static noinline void bin_skip_null(struct obm_heap *heap, const struct bin *bin,
				   const struct obm_mag *mag)
{
	void **top = __this_cpu_read(bin->slot->top);

	obm_report(heap, OBM_BAD_FOREIGN, NULL, _RET_IP_);
	while (top > mag->words && !*top)
		top--;
	__this_cpu_write(bin->slot->top, top);
}

/*
 * Blocks for an empty magazine, the lowest on top, to go out first. Returns
 * whether it should be larger.
 */
static bool bin_fetch(struct obm_heap *heap, unsigned int ci,
		      const struct bin *bin)
{
	struct obm_mag *mag = __this_cpu_read(*bin->mag);
	unsigned int i, got;
	void **words;

	if (!mag)
		return true;
	words = mag->words + 1;
	/* No hit path puts a NULL there; who frees many may have. */
	if (unlikely(__this_cpu_read(bin->slot->top) != mag->words)) {
		bin_skip_null(heap, bin, mag);
		return false;
	}
	got = obm_node_fetch(heap, ci, min(mag->cap / 2 + 1U, 0U + mag->batch),
			     words);
	front_construct(ci, words, got);
	for (i = 0; i < got / 2; i++)
		swap(words[i], words[got - 1 - i]);
	__this_cpu_write(bin->slot->top, mag->words + got);
	return mag_turn(mag, -1);
}

static void *front_pop(struct obm_heap *heap, unsigned int ci, bool *grow)
{
	struct bin bin;
	void *ptr;

	preempt_disable();
	bin = bin_here(heap, ci);
	ptr = obm_slot_pop(bin.slot);
	if (!ptr) {
		*grow = bin_fetch(heap, ci, &bin);
		ptr = obm_slot_pop(bin.slot);
	}
	obm_front_leave();
	return ptr;
}

/* Whether the heap has no magazines, nor ever will have. */
bool obm_front_is_off(const struct obm_heap *heap)
{
	return obm_heap_is_hard(heap) || obm_front_max < MAG_MIN;
}

/* Who wants a node gets no block that merely waits here. */
static bool front_serves(const struct obm_heap *heap, gfp_t gfp, int nid)
{
	return !obm_front_is_off(heap) &&
	       (heap->nid != NUMA_NO_NODE ||
		(nid == NUMA_NO_NODE && !(gfp & __GFP_THISNODE)));
}

/*
 * Keeps blocks that the pools have counted as handed out, so far as there is
 * room for them, the first one on top.
 */
static void front_keep(struct obm_heap *heap, unsigned int ci, unsigned int nr,
		       void **ptrs)
{
	struct obm_set *set = class_set_of(heap, ci);
	unsigned int i, kept;

	for (i = 0; i < nr / 2; i++)
		swap(ptrs[i], ptrs[nr - 1 - i]);
	kept = front_push_many(set, ci - set->ci, nr, ptrs);
	if (kept < nr)
		obm_node_put(heap, ci, ptrs + kept, nr - kept, _RET_IP_);
	/* On whichever CPU: it is the sum that counts. */
	preempt_disable();
	this_cpu_sub(bin_here(heap, ci).slot->nr_allocs, nr);
	obm_front_leave();
}

/* The node has nothing at hand: what is got is for the magazine as well. */
#define FRONT_REFILL		16U

static int front_refill(struct obm_heap *heap, unsigned int ci, gfp_t gfp,
			int nid, unsigned int cap, void **ptr)
{
	unsigned int want = min(cap / 2 + 1, FRONT_REFILL);
	void *ptrs[FRONT_REFILL];
	int got;

	got = obm_node_alloc(heap, ci, gfp, nid, want, ptrs);
	if (got < 0)
		return got;
	front_construct(ci, ptrs, got);
	*ptr = ptrs[0];
	if (got > 1)
		front_keep(heap, ci, got - 1, ptrs + 1);
	return 0;
}

/**
 * obm_front_alloc() - allocate a small block
 * @heap: the heap
 * @ci: class
 * @gfp: of the request
 * @nid: node, or NUMA_NO_NODE
 * @ptr: set to the block, not zeroed
 *
 * Context: As @gfp says; takes and drops nodes' locks.
 * Return: 0, -ENOMEM or -EDQUOT.
 */
int obm_front_alloc(struct obm_heap *heap, unsigned int ci, gfp_t gfp, int nid,
		    void **ptr)
{
	bool grow = false;

	if (!front_serves(heap, gfp, nid))
		return front_refill(heap, ci, gfp, nid, 0, ptr);
	*ptr = front_pop(heap, ci, &grow);
	if (grow)
		bin_grow(heap, ci, gfp, nid);
	if (*ptr)
		return 0;
	return front_refill(heap, ci, gfp, nid, bin_cap(heap, ci), ptr);
}

/*
 * Keeps a block if there is a magazine; @nr blocks in @old have to go for it.
 * @grow is set if it should be larger.
 */
static bool front_push(struct obm_heap *heap, unsigned int ci, const void *ptr,
		       void **old, unsigned int *nr, bool *grow)
{
	struct obm_mag *mag;
	struct bin bin;
	bool done;

	preempt_disable();
	bin = bin_here(heap, ci);
	done = obm_slot_push(bin.slot, ptr);
	mag = __this_cpu_read(*bin.mag);
	*grow = !mag;
	if (!done && mag) {
		*nr = obm_mag_take(mag, old);
		__this_cpu_write(bin.slot->top, mag->words + mag->cap - *nr);
		done = obm_slot_push(bin.slot, ptr);
		*grow = mag_turn(mag, 1);
	}
	obm_front_leave();
	return done;
}

/**
 * obm_front_free() - keep a freed block on this CPU
 * @heap: the heap
 * @ci: class of the block
 * @ptr: the block
 * @caller: for reports of the blocks that have to go for it
 *
 * Context: Any context but NMI; takes and drops nodes' locks.
 * Return: false if the block must go to its pool.
 */
bool obm_front_free(struct obm_heap *heap, unsigned int ci, const void *ptr,
		    unsigned long caller)
{
	void *old[OBM_BATCH];
	bool done, grow = false;
	unsigned int nr = 0;

	if (obm_front_is_off(heap))
		return false;
	done = front_push(heap, ci, ptr, old, &nr, &grow);
	if (nr)
		obm_node_put(heap, ci, old, nr, caller);
	/* Nobody is woken up: a free may come under a lock of the scheduler. */
	if (grow && !irqs_disabled())
		bin_grow(heap, ci, __GFP_NOWARN, NUMA_NO_NODE);
	return done;
}

/* Who moves @n blocks at once has use for a magazine of that size. */
void obm_front_fit(struct obm_heap *heap, unsigned int ci, gfp_t gfp, size_t n)
{
	unsigned int want = min_t(size_t, n, OBM_FRONT_MAX);

	if (!obm_front_is_off(heap) &&
	    obm_mag_fit_cap(ci, want) > bin_cap(heap, ci))
		bin_fit(heap, ci, gfp, want);
}

static unsigned long slots_count(const struct obm_set *set,
				 struct obm_slot *slots, unsigned int at)
{
	struct obm_mag *mag = READ_ONCE(slots_mags(set, slots)[at]);
	void **top = READ_ONCE(slots[at].top);
	unsigned long nr;

	if (!mag)
		return 0;
	/* The magazine may be another one by now; it is not looked into. */
	nr = ((unsigned long)top - (unsigned long)mag->words) / sizeof(*top);
	return nr <= OBM_FRONT_MAX ? nr : 0;
}

/* How many blocks of a class wait on CPUs. Exact while none is in use. */
unsigned long obm_front_count(struct obm_heap *heap, unsigned int ci)
{
	struct obm_set *set = class_set_of(heap, ci);
	unsigned int at = ci - set->ci;
	unsigned long nr = 0;
	int cpu;

	for_each_possible_cpu(cpu) {
		nr += slots_count(set, per_cpu_ptr(READ_ONCE(set->front.slots),
						   cpu), at);
		nr += slots_count(set, per_cpu_ptr(READ_ONCE(set->bh_slots),
						   cpu), at);
	}
	return nr;
}

static unsigned long slots_allocs(struct obm_slot __percpu *slots, int cpu,
				  unsigned int at)
{
	return READ_ONCE(per_cpu_ptr(slots, cpu)[at].nr_allocs);
}

/* Blocks of a class that were handed out without asking the pools, so far. */
unsigned long obm_front_allocs(struct obm_heap *heap, unsigned int ci)
{
	struct obm_set *set = class_set_of(heap, ci);
	unsigned int at = ci - set->ci;
	unsigned long nr = 0;
	int cpu;

	for_each_possible_cpu(cpu) {
		nr += slots_allocs(READ_ONCE(set->front.slots), cpu, at);
		nr += slots_allocs(READ_ONCE(set->bh_slots), cpu, at);
	}
	return nr;
}

/* What the slots of a set cost on all CPUs, without their magazines. */
size_t obm_set_bytes(const struct obm_set *set)
{
	unsigned int nr = (READ_ONCE(set->front.slots) != set->none) +
			  (READ_ONCE(set->bh_slots) != set->none);

	return nr * slots_bytes(set->nr) * num_possible_cpus();
}

/*
 * For one slot the last of no_slots will do: the word behind it is a magazine
 * that is not there, if another's.
 */
void obm_set_init(struct obm_set *set, unsigned int nr, unsigned int ci)
{
	set->none = no_slots + obm_nr_slots - nr;
	set->front.slots = set->none;
	set->bh_slots = set->none;
	set->later = jiffies;
	set->nr = nr;
	set->ci = ci;
}

/* Once no late free of a stale pointer may look at its slots any more. */
void obm_set_destroy(struct obm_set *set)
{
	if (set->bh_slots != set->none)
		free_percpu(set->bh_slots);
	if (set->front.slots != set->none)
		free_percpu(set->front.slots);
}

/*
 * Callers had their classes compiled in: without the fine classes up to
 * OBM_CONST_MAX there is no front at all.
 */
static bool __init const_fits(void)
{
	size_t size;

	if (!OBM_INLINE)
		return true;
	if (obm_small_max < OBM_CONST_MAX)
		return false;
	for (size = 0; size <= OBM_CONST_MAX; size++) {
		unsigned int ci = class_index(size);

		if (WARN_ON_ONCE(obm_const_class(size) != ci ||
				 obm_const_bytes(size) != obm_classes[ci].size))
			return false;
	}
	return true;
}

int __init obm_front_init(void)
{
	if (!const_fits())
		obm_front_max = 0;
	no_slots = slots_new(NULL, obm_nr_slots, GFP_KERNEL);
	return no_slots ? 0 : -ENOMEM;
}

void obm_front_exit(void)
{
	free_percpu(no_slots);
}
