// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many blocks of one size at once: what waits on this CPU first, then the pools,
 * a batch under one lock. As kmem_cache_alloc_bulk(), all or nothing.
 */
#include "front.h"

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

/* A batch under each hold of a lock. */
static size_t bulk_from_pools(struct obm_heap *heap, unsigned int ci, gfp_t gfp,
			      size_t n, void **ptrs)
{
	size_t got = 0;
	int more;

	might_alloc(gfp);
	obm_front_fit(heap, ci, gfp, n);
	gfp = obm_block_gfp(heap, gfp) & ~__GFP_ZERO;
	while (got < n) {
		more = obm_node_alloc(heap, ci, gfp, NUMA_NO_NODE,
				      min_t(size_t, n - got, OBM_BATCH),
				      ptrs + got);
		if (more < 0)
			break;
		got += more;
	}
	return got;
}

/*
 * Whether what waits on this CPU may serve. Above small_max there is a slot that
 * is always empty.
 */
static bool bulk_is_plain(size_t size, gfp_t gfp)
{
	return size <= OBM_SMALL_MAX && !(gfp & (OBM_SLOW_GFP | __GFP_NOFAIL));
}

/* What did not wait on this CPU: all or nothing. */
static noinline size_t bulk_rest(struct obm_heap *heap, size_t size, gfp_t gfp,
				 size_t got, size_t n, void **ptrs)
{
	unsigned int ci;

	if (bulk_is_plain(size, gfp) && size <= obm_small_max) {
		ci = class_index(size);
		if (heap->plain)
			got += bulk_from_pools(heap, ci, gfp, n - got,
					       ptrs + got);
		bulk_init(ci, gfp, got, ptrs);
	}
	got += bulk_slowly(heap, size, gfp, n - got, ptrs + got);
	if (got == n)
		return n;
	obm_free_bulk(heap, size, got, ptrs);
	return 0;
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
	size_t got = 0;

	if (likely(bulk_is_plain(size, gfp)))
		got = front_pop_many(&heap->set, class_index(size), n, ptrs);
	if (likely(got == n && OBM_INLINE && !want_init_on_alloc(gfp)))
		return n;
	return bulk_rest(heap, size, gfp, got, n, ptrs);
}
EXPORT_SYMBOL_NS_GPL(obm_alloc_bulk, OBM_NS);

/*
 * One of a wide class may be a raw block: it has to be looked up. Above small_max
 * the table leads behind the last class, to one that is not hot either.
 */
static bool bulk_may_wait(size_t size)
{
	return OBM_INLINE && size <= OBM_SMALL_MAX &&
	       class_at(class_offset(size))->hot && !want_init_on_free();
}

/* What there is no room for on this CPU, from the block number @i on. */
static noinline void free_rest(struct obm_heap *heap, size_t size, size_t n,
			       void **ptrs, size_t i, unsigned long caller)
{
	if (bulk_may_wait(size) && heap->plain)
		obm_node_put(heap, class_index(size), ptrs + i, n - i, caller);
	else
		for (; i < n; i++)
			__obm_free_sized(heap, ptrs[i], size);
}

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
	size_t put = 0;

	if (likely(bulk_may_wait(size)))
		put = front_push_many(&heap->set, class_index(size), n, ptrs);
	if (unlikely(put < n))
		free_rest(heap, size, n, ptrs, put, _RET_IP_);
}
EXPORT_SYMBOL_NS_GPL(obm_free_bulk, OBM_NS);
