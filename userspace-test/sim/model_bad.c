// SPDX-License-Identifier: GPL-2.0-only
/* The model's mistakes: each must be refused under its own name. */
#include "model.h"

/* What the model says of an address. */
struct verdict {
	enum obm_bad bad;
	struct model_heap *heap;
	struct model_block *block;
	/* It may wait on a CPU: nothing is certain. */
	bool unsure;
};

/*
 * A page that holds no live block tells nothing about itself; whether a heap
 * keeps it, and which, only the core knows.
 */
static struct verdict judge_empty_page(const void *ptr)
{
	struct verdict v = { .bad = OBM_BAD_FOREIGN };
	unsigned long owner = obm_page_owner(ptr);
	struct obm_heap *heap;
	int i;

	MUST(!owner || sim_page_is_held(ptr));
	if (!owner)
		return v;
	if (owner & OBM_OWNER_RAW) {
		v.bad = OBM_BAD_DOUBLE;
		heap = ((struct obm_raw *)(owner & ~OBM_OWNER_RAW))->heap;
	} else {
		v.bad = OBM_BAD_STALE;
		heap = pool_arena((struct obm_pool *)owner)->node->heap;
	}
	for (i = 0; i < MODEL_HEAPS; i++)
		if (model.heaps[i].heap == heap)
			v.heap = &model.heaps[i];
	MUST(v.heap);
	v.unsure = v.heap->front && !(owner & OBM_OWNER_RAW);
	return v;
}

static struct verdict judge(const void *ptr)
{
	struct verdict v = { .bad = OBM_BAD_FOREIGN };
	unsigned int offset = offset_in_page(ptr);
	size_t first;
	u32 index;

	if (!virt_addr_valid(ptr) || virt_to_page(ptr) == model.own_page)
		return v;
	index = model.cover[granule_of(ptr)];
	if (index) {
		v.block = &model.blocks[index - 1];
		v.heap = &model.heaps[v.block->heap];
		v.bad = ptr == v.block->ptr ? OBM_OK :
			offset % 8 ? OBM_BAD_MISALIGNED : OBM_BAD_INTERIOR;
	} else if (pool_of(pfn_of(ptr), &first)) {
		unsigned int size = model.page_class[first];
		unsigned int bytes = PAGE_SIZE << model.page_order[first];

		offset = (char *)ptr - (char *)page_address(&sim_pages[first]);
		v.heap = &model.heaps[model.page_heap[first]];
		v.unsure = v.heap->front;
		v.bad = offset % 8 ? OBM_BAD_MISALIGNED :
			offset % size || offset / size >= bytes / size ?
			OBM_BAD_INTERIOR : OBM_BAD_DOUBLE;
	} else {
		v = judge_empty_page(ptr);
	}
	return v;
}

static const void *pick_pointer(void)
{
	static char somebody[64];
	struct model_block *block = model_pick_block();

	switch (below(12)) {
	case 0:
		return (void *)below(TASK_SIZE);
	case 1:
		return __builtin_frame_address(0) + below(64);
	case 2:
		return somebody + below(sizeof(somebody));
	case 3:
		return page_address(model.own_page) + below(PAGE_SIZE);
	case 4:
		return ERR_PTR(-(long)below(MAX_ERRNO) - 1);
	case 5:
		return sim_vmalloc_area;
	case 6:
	case 7:
		return model.freed[below(MODEL_FREED)];
	case 8:
		return block ? block->ptr + below(block->usable) : NULL;
	case 9:
		/* What is behind the last block of the page. */
		return block ? (void *)(((uintptr_t)block->ptr | ~PAGE_MASK) -
					below(64)) : NULL;
	case 10:
		return block ? (void *)(((uintptr_t)block->ptr & PAGE_MASK) +
					(below(PAGE_SIZE) & ~7UL)) : NULL;
	default:
		return sim_base + below(SIM_MEM_BYTES);
	}
}

static void count(struct model_heap *h, enum obm_bad bad)
{
	if (h)
		h->nr_bad[bad]++;
	else
		model.nr_bad[bad]++;
}

static void bad_free(const void *ptr, const struct verdict *v)
{
	if (v->bad == OBM_OK || v->unsure)
		return;
	obm_free(ptr);
	count(v->heap, v->bad);
}

static bool same_class(const struct model_block *block, size_t size)
{
	if (block->raw)
		return pages_of(size) * PAGE_SIZE == block->usable;
	return size <= obm_small_max &&
	       class_index(size) == class_index(block->usable);
}

static void bad_free_sized(const void *ptr, const struct verdict *v)
{
	struct model_heap *h = model_pick_heap();
	size_t size = model_pick_size();

	if (v->unsure)
		return;
	if (v->bad == OBM_OK && v->heap == h) {
		if (same_class(v->block, size))
			return;
		obm_free_sized(h->heap, ptr, size);
		count(h, OBM_BAD_SIZE);
		return;
	}
	obm_free_sized(h->heap, ptr, size);
	count(h, v->bad == OBM_BAD_FOREIGN || v->heap == h ? v->bad :
	      OBM_BAD_HEAP);
}

static void bad_realloc(void *ptr, const struct verdict *v)
{
	struct model_heap *h = model_pick_heap();

	if (v->unsure || (v->bad == OBM_OK && v->heap == h))
		return;
	MUST(!obm_realloc(h->heap, ptr, model_pick_size(), GFP_KERNEL));
	count(h, v->bad == OBM_OK ? OBM_BAD_HEAP : v->bad);
}

static void bad_usable(const void *ptr, const struct verdict *v)
{
	size_t size;

	if (v->unsure)
		return;
	size = obm_usable_size(ptr);
	if (v->bad == OBM_OK) {
		MUST(size == v->block->usable);
		return;
	}
	MUST(size == 0);
	count(v->heap, v->bad);
}

void model_bad(void)
{
	const void *ptr = pick_pointer();
	struct verdict v;

	if (!ptr)
		return;
	v = judge(ptr);
	switch (below(4)) {
	case 0:
		bad_free(ptr, &v);
		break;
	case 1:
		bad_free_sized(ptr, &v);
		break;
	case 2:
		bad_realloc((void *)ptr, &v);
		break;
	case 3:
		bad_usable(ptr, &v);
		break;
	}
}

/* Questions are no mistakes: asked of anything, counted nowhere. */
void model_query(void)
{
	const void *ptr = pick_pointer();
	struct model_heap *h = model_pick_heap();
	struct verdict v = judge(ptr);
	void *base = NULL;
	size_t size = 0;
	int err;

	err = obm_block_bounds(ptr, chance(90) ? &base : NULL, &size);
	if (!v.block && v.unsure) {
		/* What waits is known, but nobody's. */
		MUST(err == 0 || err == -ENOENT);
		MUST(v.heap == h || !obm_owns(h->heap, ptr));
		return;
	}
	if (v.block) {
		MUST(err == 0);
		MUST(!base || base == v.block->ptr);
		MUST(size == v.block->usable);
	} else {
		MUST(err == (v.bad == OBM_BAD_FOREIGN ? -EFAULT : -ENOENT));
	}
	MUST(obm_owns(h->heap, ptr) == (v.block && v.heap == h));
	MUST(obm_usable_size(NULL) == 0);
	obm_free(NULL);
	obm_free_sized(h->heap, NULL, 1);
}
