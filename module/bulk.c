// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many blocks of one size at once: what waits on this CPU first, then the pools,
 * a batch under one lock. As kmem_cache_alloc_bulk(), all or nothing.
 */
#include "internal.h"

/* Blocks that are moved under one hold of a lock. */
#define BULK_BATCH		32U

/* Off the magazine of this CPU, as many as it has; the hottest first. */
static size_t slot_pop_many(struct obm_heap *heap, unsigned int ci, size_t n,
			    void **ptrs)
{
	struct obm_slot __percpu *slot = &heap->front.slots[ci];
	void **top, **from;
	size_t got = 0;

	preempt_disable();
	if (obm_front_mine()) {
		from = __this_cpu_read(slot->top);
		for (top = from; got < n && *top; top--) {
			ptrs[got++] = *top;
			*top = NULL;
		}
		__this_cpu_write(slot->top, top);
		this_cpu_add(slot->nr_allocs, got);
	}
	preempt_enable();
	return got;
}

/* On it, as many as there is room for. */
static size_t slot_push_many(struct obm_heap *heap, unsigned int ci, size_t n,
			     void **ptrs)
{
	struct obm_slot __percpu *slot = &heap->front.slots[ci];
	size_t put = 0;
	void **top;

	preempt_disable();
	if (obm_front_mine()) {
		for (top = __this_cpu_read(slot->top); put < n && !top[1]; top++)
			top[1] = ptrs[put++];
		__this_cpu_write(slot->top, top);
	}
	preempt_enable();
	return put;
}

/* Blocks that go out: what obm_alloc() does for each. */
static void bulk_init(unsigned int ci, gfp_t gfp, size_t n, void **ptrs)
{
	size_t size = obm_classes[ci].size;
	bool zero = want_init_on_alloc(gfp);
	size_t i;

	if (OBM_INLINE && !zero)
		return;
	for (i = 0; i < n; i++) {
		obm_san_alloc(ptrs[i], size, gfp);
		if (zero)
			memset(ptrs[i], 0, size);
	}
}

/* One by one: raw blocks, zones, and what is short of memory or hardened. */
static size_t bulk_slowly(struct obm_heap *heap, size_t size, gfp_t gfp,
			  size_t n, void **ptrs)
{
	size_t got;

	for (got = 0; got < n; got++) {
		ptrs[got] = __obm_alloc(heap, size, gfp);
		if (!ptrs[got])
			break;
	}
	return got;
}

/**
 * obm_alloc_bulk() - allocate many blocks of one size
 * @heap: the heap
 * @size: bytes of each
 * @gfp: as for obm_alloc_node()
 * @n: how many
 * @ptrs: filled in
 *
 * Context: Any context but NMI, as @gfp says. Takes and drops nodes' locks, for
 * a batch of blocks each time.
 * Return: @n, or 0 if there was no memory for all of them; then @ptrs says
 * nothing.
 */
size_t obm_alloc_bulk(struct obm_heap *heap, size_t size, gfp_t gfp, size_t n,
		      void **ptrs)
{
	unsigned int ci;
	size_t got = 0;
	int more;

	if (obm_is_small(size, gfp) && !(gfp & OBM_SLOW_GFP) &&
	    !(gfp & __GFP_NOFAIL) && !obm_heap_is_hard(heap) &&
	    heap->nid == NUMA_NO_NODE) {
		might_alloc(gfp);
		ci = class_index(size);
		got = slot_pop_many(heap, ci, n, ptrs);
		if (got < n)
			obm_front_fit(heap, ci, gfp, n);
		while (got < n) {
			more = obm_node_alloc(heap, ci, obm_block_gfp(heap, gfp) &
					      ~__GFP_ZERO, NUMA_NO_NODE,
					      min_t(size_t, n - got, BULK_BATCH),
					      ptrs + got);
			if (more < 0)
				break;
			this_cpu_add(heap->front.slots[ci].nr_allocs, more);
			got += more;
		}
		bulk_init(ci, gfp, got, ptrs);
	}
	got += bulk_slowly(heap, size, gfp, n - got, ptrs + got);
	if (got == n)
		return n;
	obm_free_bulk(heap, size, got, ptrs);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(obm_alloc_bulk, OBM_NS);

/**
 * obm_free_bulk() - free many blocks of one heap and size
 * @heap: the heap
 * @size: bytes that each was asked for with
 * @n: how many
 * @ptrs: the blocks, none of them NULL
 *
 * Context: Any context but NMI. Takes and drops nodes' locks, for a batch of
 * blocks each time.
 */
void obm_free_bulk(struct obm_heap *heap, size_t size, size_t n, void **ptrs)
{
	unsigned int ci, batch;
	size_t i = 0;

	ci = size <= obm_small_max ? class_index(size) : OBM_NO_CLASS;
	/* One of a wide class may be a raw block: it has to be looked up. */
	if (ci == OBM_NO_CLASS || obm_classes[ci].order ||
	    obm_heap_is_hard(heap) || !OBM_INLINE || want_init_on_free()) {
		for (i = 0; i < n; i++)
			__obm_free_sized(heap, ptrs[i], size);
		return;
	}
	for (i = slot_push_many(heap, ci, n, ptrs); i < n; i += batch) {
		batch = min_t(size_t, n - i, BULK_BATCH);
		obm_node_put(heap, ci, ptrs + i, batch, _RET_IP_);
	}
}
EXPORT_SYMBOL_NS_GPL(obm_free_bulk, OBM_NS);
