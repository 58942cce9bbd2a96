// SPDX-License-Identifier: GPL-2.0-only
/*
 * Raw blocks: requests above small_max, each a run of pages of its own. The
 * raw layer of CPython (PyMem_RawMalloc) hands them to malloc(); here they stay
 * the heap's, so that they are counted, limited and torn down with it.
 *
 * A run is taken as a power of two of pages, aligned to its size; what the
 * request does not need of it goes back at once.
 */
#include "internal.h"

static void raw_free_rcu(struct rcu_head *rcu)
{
	kfree(container_of(rcu, struct obm_raw, rcu));
}

static struct page *raw_get_pages(struct obm_raw *raw, gfp_t gfp, int nid)
{
	unsigned int got = 1U << raw->order;

	raw->page = obm_pages_get(raw->heap, raw->order, gfp, nid);
	if (raw->page && raw->nr_pages < got) {
		raw->split = true;
		obm_pages_cut(raw->heap, raw->page, raw->order, raw->nr_pages,
			      gfp);
	}
	return raw->page;
}

static void raw_put_pages(struct obm_raw *raw)
{
	obm_page_set_owner(raw->page, raw->nr_pages, 0);
	if (raw->split)
		obm_pages_put_single(raw->heap, raw->page, raw->nr_pages);
	else
		obm_pages_put(raw->heap, raw->page, raw->order);
}

/**
 * obm_raw_alloc() - allocate a block of whole pages
 * @heap: the heap
 * @size: bytes, at most OBM_MAX_BYTES
 * @gfp: of the request, zones included
 * @nid: node, or NUMA_NO_NODE
 *
 * Context: As @gfp says; takes and drops the heap's raw_lock.
 * Return: the block, zeroed if @gfp or the system asks for it,
 * ERR_PTR(-ENOMEM) or ERR_PTR(-EDQUOT).
 */
void *obm_raw_alloc(struct obm_heap *heap, size_t size, gfp_t gfp, int nid)
{
	unsigned int nr_pages = max(DIV_ROUND_UP(size, PAGE_SIZE), 1UL);
	size_t bytes = nr_pages * PAGE_SIZE + sizeof(struct obm_raw);
	struct obm_raw *raw;
	unsigned long flags;
	void *ptr;

	if (!obm_charge(heap, bytes, gfp))
		return ERR_PTR(-EDQUOT);
	raw = kzalloc_node(sizeof(*raw), obm_meta_gfp(gfp), nid);
	if (!raw)
		goto err_uncharge;
	raw->heap = heap;
	raw->nr_pages = nr_pages;
	raw->order = get_order(nr_pages * PAGE_SIZE);
	if (!raw_get_pages(raw, gfp, nid))
		goto err_free;
	obm_charge_peak(heap);
	ptr = page_address(raw->page);
	kmemleak_alloc(ptr, nr_pages * PAGE_SIZE, 1, gfp);
	obm_page_set_owner(raw->page, nr_pages,
			   (unsigned long)raw | OBM_OWNER_RAW);

	raw_spin_lock_irqsave(&heap->raw_lock, flags);
	list_add_tail(&raw->link, &heap->raws);
	heap->nr_raw++;
	heap->raw_pages += nr_pages;
	heap->raw_allocs++;
	raw_spin_unlock_irqrestore(&heap->raw_lock, flags);
	return ptr;

err_free:
	kfree(raw);
err_uncharge:
	obm_uncharge(heap, bytes);
	return ERR_PTR(-ENOMEM);
}

/* Takes a raw block out of the heap's books. */
static void raw_del(struct obm_heap *heap, struct obm_raw *raw)
{
	lockdep_assert_held(&heap->raw_lock);
	raw->dead = true;
	list_del(&raw->link);
	heap->nr_raw--;
	heap->raw_pages -= raw->nr_pages;
	heap->raw_frees++;
}

static void raw_release(struct obm_heap *heap, struct obm_raw *raw)
{
	kmemleak_free(page_address(raw->page));
	raw_put_pages(raw);
	obm_uncharge(heap, raw_bytes(raw) + sizeof(*raw));
	call_rcu(&raw->rcu, raw_free_rcu);
}

static enum obm_bad raw_look(const struct obm_raw *raw, const void *ptr)
{
	lockdep_assert_held(&raw->heap->raw_lock);
	if (raw->dead)
		return OBM_BAD_DOUBLE;
	if (offset_in_page(ptr) % OBM_STEP)
		return OBM_BAD_MISALIGNED;
	if (ptr != page_address(raw->page))
		return OBM_BAD_INTERIOR;
	return OBM_OK;
}

/* As obm_node_find(). */
enum obm_bad obm_raw_find(struct obm_raw *raw, const void *ptr,
			  struct obm_block *block)
{
	struct obm_heap *heap = raw->heap;
	unsigned long flags;
	enum obm_bad bad;

	*block = (struct obm_block){ .heap = heap, .raw = raw };
	raw_spin_lock_irqsave(&heap->raw_lock, flags);
	bad = raw_look(raw, ptr);
	if (!raw->dead) {
		block->base = page_address(raw->page);
		block->size = raw_bytes(raw);
	}
	raw_spin_unlock_irqrestore(&heap->raw_lock, flags);
	return bad;
}

/* Hands a block that could not be released here (PREEMPT_RT) to the worker. */
static void raw_defer(struct obm_heap *heap, struct obm_raw *raw)
{
	llist_add(&raw->later, &heap->raws_later);
	schedule_work(&heap->trim_work);
}

/*
 * Releases what frees in atomic context have left; returns its bytes.
 * Context: as kfree().
 */
size_t obm_raw_release_later(struct obm_heap *heap)
{
	struct obm_raw *raw, *next;
	size_t bytes = 0;

	llist_for_each_entry_safe(raw, next, llist_del_all(&heap->raws_later),
				  later) {
		bytes += raw_bytes(raw);
		raw_release(heap, raw);
	}
	return bytes;
}

/* As obm_node_free(), for a raw block. */
enum obm_bad obm_raw_free(struct obm_raw *raw, struct obm_heap *heap,
			  const void *ptr, size_t size)
{
	struct obm_heap *owner = raw->heap;
	unsigned long flags;
	enum obm_bad bad;

	if (heap && heap != owner)
		return OBM_BAD_HEAP;

	raw_spin_lock_irqsave(&owner->raw_lock, flags);
	bad = raw_look(raw, ptr);
	if (bad == OBM_OK && size != OBM_SIZE_ANY &&
	    (size > OBM_MAX_BYTES ||
	     max(DIV_ROUND_UP(size, PAGE_SIZE), 1UL) != raw->nr_pages))
		bad = OBM_BAD_SIZE;
	if (bad == OBM_OK)
		raw_del(owner, raw);
	raw_spin_unlock_irqrestore(&owner->raw_lock, flags);

	if (bad != OBM_OK)
		return bad;
	if (obm_may_return())
		raw_release(owner, raw);
	else
		raw_defer(owner, raw);
	return OBM_OK;
}

/**
 * obm_raw_shrink() - give back the end of a raw block
 * @raw: of an allocated block, which its owner is resizing
 * @nr_pages: that it still needs, less than it has and at least one
 *
 * Context: As __free_pages(); takes the heap's raw_lock.
 * Return: whether it was done; it is not where pages cannot be freed just now,
 * nor if the block was freed or resized meanwhile.
 */
bool obm_raw_shrink(struct obm_raw *raw, unsigned int nr_pages)
{
	struct obm_heap *heap = raw->heap;
	unsigned long flags;
	unsigned int had;

	if (!obm_may_return())
		return false;
	raw_spin_lock_irqsave(&heap->raw_lock, flags);
	had = raw->nr_pages;
	if (raw->dead || nr_pages >= had) {
		raw_spin_unlock_irqrestore(&heap->raw_lock, flags);
		return false;
	}
	if (!raw->split && raw->order)
		split_page(raw->page, raw->order);
	raw->split = true;
	WRITE_ONCE(raw->nr_pages, nr_pages);
	heap->raw_pages -= had - nr_pages;
	obm_page_set_owner(raw->page + nr_pages, had - nr_pages, 0);
	raw_spin_unlock_irqrestore(&heap->raw_lock, flags);

	/* kmemleak_free_part() may sleep, which we may not. */
	kmemleak_free(page_address(raw->page));
	kmemleak_alloc(page_address(raw->page), nr_pages * PAGE_SIZE, 1,
		       GFP_ATOMIC);
	obm_pages_put_single(heap, raw->page + nr_pages, had - nr_pages);
	obm_uncharge(heap, (had - nr_pages) * PAGE_SIZE);
	return true;
}

/* Gives back every raw block: the heap is being destroyed. */
unsigned long obm_raw_release_all(struct obm_heap *heap)
{
	unsigned long flags, nr = 0;
	struct obm_raw *raw;

	obm_raw_release_later(heap);
	for (;; nr++) {
		raw_spin_lock_irqsave(&heap->raw_lock, flags);
		raw = list_first_entry_or_null(&heap->raws, struct obm_raw,
					       link);
		if (raw)
			raw_del(heap, raw);
		raw_spin_unlock_irqrestore(&heap->raw_lock, flags);
		if (!raw)
			return nr;
		raw_release(heap, raw);
	}
}
