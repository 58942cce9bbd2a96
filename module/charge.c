// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a heap holds, in bytes of pages and metadata, against its limit. Memory
 * is charged before it is taken, so the limit is never passed, not even for a
 * moment.
 */
#include "internal.h"

/**
 * obm_charge_room() - reserve room under the limit
 * @heap: the heap
 * @bytes: how many
 * @slack: so many more must there be room for, but are not taken
 * @gfp: with __GFP_NOFAIL the limit gives way, as a memory cgroup's does
 *
 * Context: Any context.
 * Return: whether there is room.
 */
bool obm_charge_room(struct obm_heap *heap, size_t bytes, size_t slack,
		     gfp_t gfp)
{
	long held = atomic_long_read(&heap->held_bytes);

	/* What does not fit is never added, so that no other request sees it. */
	do {
		if (heap->limit_bytes && !(gfp & __GFP_NOFAIL) &&
		    held + bytes + slack > heap->limit_bytes)
			return false;
	} while (!atomic_long_try_cmpxchg(&heap->held_bytes, &held,
					  held + bytes));
	return true;
}

/*
 * Memory that was charged is there now. Not known when it is charged: a large
 * run is charged, refused by the page allocator and uncharged again.
 */
void obm_charge_peak(struct obm_heap *heap)
{
	long held = atomic_long_read(&heap->held_bytes);
	long peak = atomic_long_read(&heap->peak_bytes);

	while (held > peak &&
	       !atomic_long_try_cmpxchg(&heap->peak_bytes, &peak, held))
		;
}

void obm_uncharge(struct obm_heap *heap, size_t bytes)
{
	atomic_long_sub(bytes, &heap->held_bytes);
}
