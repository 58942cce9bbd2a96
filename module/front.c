// SPDX-License-Identifier: GPL-2.0-only
/*
 * The front: free blocks that wait on the CPU that freed them, or that are
 * fetched from the pools in batches, so that most calls need no lock. Bonwick's
 * magazines; obm_front.h has the hit path and tells how a magazine looks.
 *
 * For the pools a block in a magazine is in use. What the statistics call used
 * is therefore what the pools gave away less what the magazines hold: derived,
 * so that the hit path counts nothing but allocations, and those on its CPU.
 *
 * A class gets a magazine on a CPU only once it is busy there, and a magazine
 * begins small and grows by use as long as the heap's budget lasts. Draining
 * takes magazines away whole; they come back as they are needed.
 */
#include "internal.h"

#include <linux/cpu.h>
#include <linux/smp.h>

/*
 * A magazine is aligned to its size, so that its beginning is known from its
 * top. The first word is the lower wall, the last one tells the capacity in its
 * upper bits and is never NULL: an upper wall for the largest capacity.
 */
#define MAG_WORDS		64
#define MAG_BYTES		(MAG_WORDS * sizeof(void *))
#define MAG_MAX			OBM_FRONT_MAX
#define MAG_MIN			6
#define MAG_WALL		((void *)1UL)

/* Allocations on a CPU after which a class counts as busy there. */
#define FRONT_WARM		64

/* Blocks that are moved at once: half of the largest magazine. */
#define FRONT_BATCH		(MAG_MAX / 2)

bool obm_harden;
unsigned int obm_front_max = MAG_MAX;
unsigned int obm_front_kib = 256;

/* So that a class and its slot have the same offset. */
static_assert(sizeof(struct obm_slot) == sizeof(struct obm_class));
static_assert(MAG_MAX == MAG_WORDS - 2);

static struct kmem_cache *mag_cache;

/* What a slot without a magazine shows: empty, and full. Never written to. */
static void * const mag_none[MAG_WORDS] __aligned(MAG_BYTES) = {
	[1] = MAG_WALL,
};

static void **mag_of(void **top)
{
	return PTR_ALIGN_DOWN(top, MAG_BYTES);
}

static bool mag_is_none(void **top)
{
	return mag_of(top) == mag_none;
}

static unsigned int mag_cap(void **mag)
{
	return (unsigned long)mag[MAG_WORDS - 1] >> 1;
}

static void mag_set_cap(void **mag, unsigned int cap)
{
	if (mag_cap(mag) < MAG_MAX)
		mag[mag_cap(mag) + 1] = NULL;
	mag[MAG_WORDS - 1] = (void *)(2UL * cap | 1);
	if (cap < MAG_MAX)
		mag[cap + 1] = MAG_WALL;
}

static size_t mag_budget(unsigned int ci, unsigned int cap)
{
	return (size_t)cap * obm_classes[ci].size;
}

/* Takes room in the heap's budget for what the magazines may hold. */
static bool front_reserve(struct obm_heap *heap, size_t bytes)
{
	long budget = (long)obm_front_kib * 1024;

	if (atomic_long_add_return(bytes, &heap->front_bytes) <= budget)
		return true;
	atomic_long_sub(bytes, &heap->front_bytes);
	return false;
}

static void **mag_new(struct obm_heap *heap, unsigned int ci, gfp_t gfp)
{
	unsigned int cap = min_t(unsigned int, MAG_MIN, obm_front_max);
	void **mag;

	if (!front_reserve(heap, mag_budget(ci, cap)))
		return NULL;
	if (!obm_charge(heap, MAG_BYTES, gfp & ~__GFP_NOFAIL))
		goto err_budget;
	mag = kmem_cache_zalloc(mag_cache, (obm_meta_gfp(gfp) | __GFP_NOWARN) &
					   ~(__GFP_NOFAIL | __GFP_DIRECT_RECLAIM));
	if (!mag)
		goto err_charge;
	obm_charge_peak(heap);
	atomic_long_inc(&heap->nr_mags);
	mag[MAG_WORDS - 1] = (void *)(2UL * MAG_MAX | 1);
	mag_set_cap(mag, cap);
	return mag;

err_charge:
	obm_uncharge(heap, MAG_BYTES);
err_budget:
	atomic_long_sub(mag_budget(ci, cap), &heap->front_bytes);
	return NULL;
}

static void mag_free(struct obm_heap *heap, unsigned int ci, void **mag)
{
	atomic_long_sub(mag_budget(ci, mag_cap(mag)), &heap->front_bytes);
	atomic_long_dec(&heap->nr_mags);
	obm_uncharge(heap, MAG_BYTES);
	kmem_cache_free(mag_cache, mag);
}

/* An empty or a full magazine has turned out too small. */
static void mag_grow(struct obm_heap *heap, unsigned int ci, void **mag)
{
	unsigned int cap = mag_cap(mag);
	unsigned int more = min(cap, obm_front_max - cap);

	if (more && front_reserve(heap, mag_budget(ci, more)))
		mag_set_cap(mag, cap + more);
}

/* Whether the heap has no magazines, nor ever will have. */
bool obm_front_is_off(const struct obm_heap *heap)
{
	return obm_heap_is_hard(heap) || obm_front_max < MAG_MIN;
}

/*
 * Gives a slot of this CPU, whichever that is by then, a magazine. Not from an
 * interrupt, which may have come in the midst of a use of the slot, nor where
 * the slab allocator may not be called.
 */
static void slot_fit(struct obm_heap *heap, unsigned int ci, gfp_t gfp)
{
	struct obm_slot __percpu *slot = &heap->front.slots[ci];
	void **mag;

	if (in_interrupt() || !obm_may_return())
		return;
	mag = mag_new(heap, ci, gfp);
	if (!mag)
		return;
	preempt_disable();
	if (mag_is_none(__this_cpu_read(slot->top))) {
		__this_cpu_write(slot->top, mag);
		mag = NULL;
	}
	preempt_enable();
	if (mag)
		mag_free(heap, ci, mag);
}

/*
 * How many blocks a request should fetch: one, and half a magazine. Here a busy
 * class gets its magazine, and one that has run empty a larger one.
 */
static unsigned int front_want(struct obm_heap *heap, unsigned int ci,
			       gfp_t gfp, int nid)
{
	struct obm_slot __percpu *slot = &heap->front.slots[ci];
	unsigned int want = 1;
	void **top;

	if (obm_front_is_off(heap))
		return 1;
	/* Who wants a node gets no block that merely waits here. */
	if (heap->nid == NUMA_NO_NODE &&
	    (nid != NUMA_NO_NODE || (gfp & __GFP_THISNODE)))
		return 1;
	if (mag_is_none(raw_cpu_read(slot->top)) &&
	    (raw_cpu_read(slot->nr_allocs) >= FRONT_WARM ||
	     obm_node_is_busy(heap, ci, nid)))
		slot_fit(heap, ci, gfp);

	preempt_disable();
	top = __this_cpu_read(slot->top);
	if (obm_front_mine() && !mag_is_none(top)) {
		if (top == mag_of(top))
			mag_grow(heap, ci, top);
		want += mag_cap(mag_of(top)) / 2;
	}
	preempt_enable();
	return min_t(unsigned int, want, FRONT_BATCH);
}

/* Who moves @n blocks at once has use for a magazine of that size. */
void obm_front_fit(struct obm_heap *heap, unsigned int ci, gfp_t gfp, size_t n)
{
	struct obm_slot __percpu *slot = &heap->front.slots[ci];
	void **mag;

	if (obm_front_is_off(heap))
		return;
	if (mag_is_none(raw_cpu_read(slot->top)))
		slot_fit(heap, ci, gfp);
	preempt_disable();
	mag = mag_of(__this_cpu_read(slot->top));
	if (obm_front_mine() && mag != mag_none && mag_cap(mag) < n)
		mag_grow(heap, ci, mag);
	preempt_enable();
}

/* Puts fetched blocks on the magazine; returns how many found room. */
static unsigned int front_fill(struct obm_heap *heap, unsigned int ci,
			       void **ptrs, unsigned int nr)
{
	unsigned int i = 0;

	preempt_disable();
	if (obm_front_mine())
		while (i < nr && obm_slot_push(&heap->front.slots[ci], ptrs[i]))
			i++;
	preempt_enable();
	return i;
}

/**
 * obm_front_alloc() - allocate a small block that was not at hand
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
	unsigned int want = front_want(heap, ci, gfp, nid);
	void *ptrs[FRONT_BATCH];
	unsigned int kept;
	int got;

	got = obm_node_alloc(heap, ci, gfp, nid, want, ptrs);
	if (got < 0)
		return got;
	/* The lowest on top, to go out first. */
	kept = got > 1 ? front_fill(heap, ci, ptrs + 1, got - 1) : 0;
	if (kept + 1 < got)
		obm_node_put(heap, ci, ptrs + 1 + kept, got - 1 - kept,
			     _RET_IP_);
	this_cpu_inc(heap->front.slots[ci].nr_allocs);
	*ptr = ptrs[0];
	return 0;
}

/* Takes the older half off a full magazine, which is the colder one. */
static unsigned int mag_take_old(void **mag, void **ptrs)
{
	unsigned int cap = mag_cap(mag), nr = (cap + 1) / 2;

	memcpy(ptrs, mag + 1, nr * sizeof(void *));
	memmove(mag + 1, mag + 1 + nr, (cap - nr) * sizeof(void *));
	memset(mag + 1 + cap - nr, 0, nr * sizeof(void *));
	return nr;
}

/**
 * obm_front_free() - keep a freed block on this CPU, where there was no room
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
	struct obm_slot __percpu *slot = &heap->front.slots[ci];
	void *ptrs[FRONT_BATCH + 1];
	unsigned int nr = 0;
	void **top, **mag;
	bool done = false;

	if (obm_front_is_off(heap))
		return false;
	if (mag_is_none(raw_cpu_read(slot->top)) &&
	    obm_node_is_busy(heap, ci, NUMA_NO_NODE))
		slot_fit(heap, ci, GFP_NOWAIT);

	preempt_disable();
	top = __this_cpu_read(slot->top);
	if (obm_front_mine() && !mag_is_none(top)) {
		mag = mag_of(top);
		if (top == mag + mag_cap(mag))
			mag_grow(heap, ci, mag);
		if (top == mag + mag_cap(mag)) {
			nr = mag_take_old(mag, ptrs);
			__this_cpu_write(slot->top, top - nr);
		}
		done = obm_slot_push(slot, ptr);
	}
	preempt_enable();
	if (nr)
		obm_node_put(heap, ci, ptrs, nr, caller);
	return done;
}

/*
 * Magazines that were taken from their slots are linked by their lower wall;
 * the last word then holds, above the capacity, the class and the number of
 * blocks.
 */
static void slots_detach(struct obm_slot *slots, void ***list)
{
	unsigned int ci;

	for (ci = 0; ci < obm_nr_classes; ci++) {
		void **top = slots[ci].top;
		void **mag = mag_of(top);
		unsigned long word;

		if (mag_is_none(top))
			continue;
		WRITE_ONCE(slots[ci].top, (void **)mag_none);
		word = (unsigned long)(top - mag) << 8 | ci << 16;
		mag[MAG_WORDS - 1] = (void *)((unsigned long)mag[MAG_WORDS - 1] |
					      word);
		mag[0] = *list;
		*list = mag;
	}
}

/* Empties detached magazines into the pools; returns how many blocks. */
static unsigned long mags_release(struct obm_heap *heap, void **list)
{
	unsigned long word, nr, total = 0;
	void **mag;

	while (list) {
		mag = list;
		list = mag[0];
		word = (unsigned long)mag[MAG_WORDS - 1];
		nr = word >> 8 & 0xff;
		obm_node_put(heap, word >> 16, mag + 1, nr, _RET_IP_);
		total += nr;
		mag[MAG_WORDS - 1] = (void *)(word & 0xff);
		mag_free(heap, word >> 16, mag);
	}
	return total;
}

struct drain {
	struct obm_heap *heap;
	void **list;
	bool busy;
};

/*
 * In a hard interrupt on the CPU whose slots are wanted. A task that was
 * interrupted inside the hit path has preemption disabled; one that has it
 * disabled for another reason is taken for such a one, too. The idle task
 * always has, and never allocates.
 */
static void drain_ipi(void *info)
{
	struct drain *drain = info;

	drain->busy = (preempt_count() & PREEMPT_MASK) &&
		      !is_idle_task(current);
	if (!drain->busy)
		slots_detach(this_cpu_ptr(drain->heap->front.slots),
			     &drain->list);
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
	/* Asking others under a lock that they wait for would be a deadlock. */
	bool all = others && preemptible();
	int cpu, this_cpu;

	if (!in_task())
		return 0;
	if (all)
		migrate_disable();
	preempt_disable();
	this_cpu = smp_processor_id();
	slots_detach(this_cpu_ptr(heap->front.slots), &drain.list);
	preempt_enable();
	/* Two that asked each other would be busy for each other: one asks. */
	if (all && !atomic_xchg(&heap->draining, 1)) {
		for_each_online_cpu(cpu)
			if (cpu != this_cpu)
				drain_cpu(&drain, cpu);
		atomic_set_release(&heap->draining, 0);
	}
	if (all)
		migrate_enable();
	return mags_release(heap, drain.list);
}

/* The same for a CPU that is dead, or whose slots nobody uses any more. */
void obm_front_drain_cpu(struct obm_heap *heap, unsigned int cpu)
{
	void **list = NULL;

	slots_detach(per_cpu_ptr(heap->front.slots, cpu), &list);
	mags_release(heap, list);
}

/* How many blocks of a class wait on CPUs. Exact while none is in use. */
unsigned long obm_front_count(struct obm_heap *heap, unsigned int ci)
{
	unsigned long nr = 0;
	void **top;
	int cpu;

	for_each_possible_cpu(cpu) {
		top = READ_ONCE(per_cpu_ptr(heap->front.slots, cpu)[ci].top);
		nr += top - mag_of(top);
	}
	return nr;
}

unsigned long obm_front_allocs(struct obm_heap *heap, unsigned int ci)
{
	unsigned long nr = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		nr += READ_ONCE(per_cpu_ptr(heap->front.slots,
					    cpu)[ci].nr_allocs);
	return nr;
}

/* What the magazines of a heap cost just now. */
size_t obm_front_mag_bytes(struct obm_heap *heap)
{
	return atomic_long_read(&heap->nr_mags) * MAG_BYTES;
}

/* What the slots of a heap cost, on all CPUs. */
size_t obm_front_bytes(void)
{
	return obm_nr_slots() * sizeof(struct obm_slot) * num_possible_cpus();
}

int obm_front_create(struct obm_heap *heap)
{
	unsigned int ci;
	int cpu;

	heap->front.slots = __alloc_percpu(obm_nr_slots() *
					   sizeof(struct obm_slot),
					   __alignof__(struct obm_slot));
	if (!heap->front.slots)
		return -ENOMEM;
	for_each_possible_cpu(cpu)
		for (ci = 0; ci < obm_nr_slots(); ci++)
			per_cpu_ptr(heap->front.slots, cpu)[ci].top =
				(void **)mag_none;
	return 0;
}

/*
 * The heap is being destroyed: its blocks go back to the pools. The slots stay
 * for as long as a late free of a stale pointer may look at them.
 */
void obm_front_empty(struct obm_heap *heap)
{
	int cpu;

	for_each_possible_cpu(cpu)
		obm_front_drain_cpu(heap, cpu);
}

void obm_front_destroy(struct obm_heap *heap)
{
	free_percpu(heap->front.slots);
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
	mag_cache = kmem_cache_create("obm_mag", MAG_BYTES, MAG_BYTES, 0, NULL);
	return mag_cache ? 0 : -ENOMEM;
}

void obm_front_exit(void)
{
	kmem_cache_destroy(mag_cache);
}
