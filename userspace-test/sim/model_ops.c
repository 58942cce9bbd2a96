// SPDX-License-Identifier: GPL-2.0-only
/* The model's allocations: random calls, and what must come of them. */
#include "model.h"

struct model_block *model_pick_block(void)
{
	if (!model.nr_blocks)
		return NULL;
	return &model.blocks[model.dense[below(model.nr_blocks)]];
}

struct model_heap *model_pick_heap(void)
{
	struct model_heap *h;

	do {
		h = &model.heaps[below(MODEL_HEAPS)];
	} while (!h->heap);
	return h;
}

size_t model_pick_size(void)
{
	static const unsigned short hot[] = { 16, 24, 64, 96, 192, 256, 512 };
	u64 dice = below(1000);

	if (dice < 500)
		return below(obm_small_max + 1);
	if (dice < 750)
		return hot[below(ARRAY_SIZE(hot))];
	if (dice < 850)
		return 1UL << below(PAGE_SHIFT + 2);
	if (dice < 960)
		return obm_small_max + below(6 * PAGE_SIZE);
	if (dice < 995)
		return below(40 * PAGE_SIZE);
	if (dice < 999)
		return below(OBM_MAX_BYTES / 16);
	return OBM_MAX_BYTES - 4096 + below(4100);
}

static gfp_t pick_gfp(bool *atomic)
{
	gfp_t gfp;

	*atomic = chance(20);
	gfp = *atomic ? GFP_ATOMIC : chance(80) ? GFP_KERNEL : GFP_NOWAIT;
	if (chance(10))
		gfp |= __GFP_NOWARN | __GFP_COMP;
	if (chance(2))
		gfp |= chance(50) ? __GFP_DMA : __GFP_DMA32;
	if (chance(5))
		gfp |= __GFP_ACCOUNT | __GFP_NORETRY;
	return gfp;
}

static bool is_zero(const char *ptr, size_t size)
{
	size_t i;

	for (i = 0; i + 8 <= size; i += 8)
		if (*(const u64 *)(ptr + i))
			return false;
	for (; i < size; i++)
		if (ptr[i])
			return false;
	return true;
}

static void check_align(const void *ptr, size_t size)
{
	MUST((uintptr_t)ptr % 8 == 0);
	if (size && !(size & (size - 1)))
		MUST((uintptr_t)ptr % size == 0);
	if (size && size % 16 == 0)
		MUST((uintptr_t)ptr % 16 == 0);
}

static void cover(const struct model_block *block, size_t from, u32 old,
		  u32 new)
{
	size_t i = granule_of(block->ptr) + from / 8;
	size_t end = granule_of(block->ptr) + block->usable / 8;

	for (; i < end; i++) {
		/* No two blocks overlap. */
		MUST(model.cover[i] == old);
		model.cover[i] = new;
	}
}

static void page_enter(struct model_heap *h, const struct model_block *block)
{
	const struct obm_class *class;
	size_t pfn = pfn_of(block->ptr);

	if (model.page_live[pfn]++) {
		MUST(model.page_class[pfn] == block->usable);
		MUST(model.page_heap[pfn] == block->heap);
		return;
	}
	class = &obm_classes[class_index(block->usable)];
	model.page_class[pfn] = block->usable;
	model.page_heap[pfn] = block->heap;
	h->nr_pools++;
	h->pool_bytes += class->nr_blocks * class->size;
	h->quant_bytes += class_quant_bytes(class);
}

static void page_leave(struct model_heap *h, const struct model_block *block)
{
	const struct obm_class *class;

	if (--model.page_live[pfn_of(block->ptr)])
		return;
	class = &obm_classes[class_index(block->usable)];
	h->nr_pools--;
	h->pool_bytes -= class->nr_blocks * class->size;
	h->quant_bytes -= class_quant_bytes(class);
}

/* Enters a block that the core has just given. */
static void enter(struct model_heap *h, char *ptr, size_t size, bool raw)
{
	unsigned int dense = model.nr_blocks++;
	struct model_block *block = &model.blocks[model.dense[dense]];

	*block = (struct model_block){
		.ptr = ptr,
		.size = size,
		.usable = obm_usable_size(ptr),
		.seed = sim_random(&model.rng),
		.heap = h - model.heaps,
		.raw = raw,
		.dense = dense,
	};
	MUST(block->usable >= size && block->usable >= 8);
	cover(block, 0, 0, block - model.blocks + 1);
	h->nr_allocs++;
	if (raw) {
		MUST(block->usable == pages_of(size) * PAGE_SIZE);
		MUST((uintptr_t)ptr % PAGE_SIZE == 0);
		h->nr_raw++;
		h->raw_bytes += block->usable;
	} else {
		MUST(block->usable == obm_classes[class_index(size)].size);
		page_enter(h, block);
		h->nr_small++;
		h->used_bytes += block->usable;
	}
	if (h->nid != NUMA_NO_NODE)
		MUST(page_to_nid(virt_to_page(ptr)) == h->nid);
	model_fill(block);
}

/* Forgets a block that the core has, or is about to have, back. */
void model_forget(struct model_block *block)
{
	struct model_heap *h = &model.heaps[block->heap];
	unsigned int index = block - model.blocks;
	unsigned int last = model.dense[--model.nr_blocks];

	cover(block, 0, index + 1, 0);
	h->nr_frees++;
	if (block->raw) {
		h->nr_raw--;
		h->raw_bytes -= block->usable;
	} else {
		page_leave(h, block);
		h->nr_small--;
		h->used_bytes -= block->usable;
	}
	model.freed[below(MODEL_FREED)] = block->ptr;
	model.dense[block->dense] = last;
	model.blocks[last].dense = block->dense;
	model.dense[model.nr_blocks] = index;
}

/* NULL came: was there a reason? @failed is what had failed before the call. */
static void check_null(struct model_heap *h, size_t size, bool raw,
		       unsigned long failed)
{
	size_t need, held = atomic_long_read(&h->heap->held_bytes);
	struct obm_stats s;

	h->nr_failed++;
	obm_heap_stats(h->heap, &s);
	if (s.nr_limited != h->nr_limited) {
		h->nr_limited++;
		MUST(h->limit);
		need = raw ? pages_of(size) * PAGE_SIZE + sizeof(struct obm_raw)
			   : PAGE_SIZE + obm_arena_meta_bytes(0) +
			     obm_map_bytes(obm_map_order(class_index(size))) +
			     struct_size_t(struct obm_node, classes,
					   obm_nr_classes);
		/* Not even without what the heap holds for nobody. */
		MUST(held - s.unused_bytes + need > h->limit);
		return;
	}
	MUST(size > OBM_MAX_BYTES || sim_fault.failed != failed);
}

struct call {
	struct model_heap *h;
	size_t size;
	gfp_t gfp;
	int node;
	bool zero;
	bool copied;
};

static void *call_alloc(struct call *c)
{
	static char source[4096];
	void *ptr;

	switch (below(c->size <= sizeof(source) ? 8 : 6)) {
	case 0:
		c->zero = true;
		return obm_zalloc(c->h->heap, c->size, c->gfp);
	case 1:
		c->zero = true;
		if (c->size && below(2))
			return obm_calloc(c->h->heap, c->size, 1, c->gfp);
		return obm_calloc(c->h->heap, 1, c->size, c->gfp);
	case 2:
		c->node = below(SIM_NR_NODES + 2) - 1;
		if (chance(30) && c->node >= 0 && c->node < 2)
			c->gfp |= __GFP_THISNODE;
		return obm_alloc_node(c->h->heap, c->size, c->gfp, c->node);
	case 3:
		return obm_realloc(c->h->heap, NULL, c->size, c->gfp);
	case 6:
		c->copied = true;
		memset(source, 0x11, c->size);
		ptr = obm_memdup(c->h->heap, source, c->size, c->gfp);
		MUST(!ptr || !memcmp(ptr, source, c->size));
		return ptr;
	case 7:
		c->copied = true;
		c->size += !c->size;
		memset(source, 'x', c->size - 1);
		source[c->size - 1] = '\0';
		ptr = obm_strdup(c->h->heap, source, c->gfp);
		MUST(!ptr || !strcmp(ptr, source));
		return ptr;
	default:
		c->zero = chance(10);
		if (c->zero)
			c->gfp |= __GFP_ZERO;
		return obm_alloc(c->h->heap, c->size, c->gfp);
	}
}

void model_alloc(void)
{
	struct call c = {
		.h = model_pick_heap(),
		.size = model_pick_size(),
		.node = NUMA_NO_NODE,
	};
	unsigned long failed = sim_fault.failed;
	char *ptr;
	bool raw;

	if (model.nr_blocks == MODEL_BLOCKS)
		return;
	c.gfp = pick_gfp(&sim_context.atomic);
	ptr = call_alloc(&c);
	sim_context.atomic = false;
	raw = c.size > obm_small_max || (c.gfp & (__GFP_DMA | __GFP_DMA32));
	if (!ptr) {
		check_null(c.h, c.size, raw, failed);
		return;
	}
	MUST(c.size <= OBM_MAX_BYTES);
	check_align(ptr, c.size);
	/* Raw pages come as the page allocator has them. */
	if (c.zero || (sim_init_on_alloc && !raw && !c.copied))
		MUST(is_zero(ptr, c.size));
	enter(c.h, ptr, c.size, raw);
	if ((c.gfp & __GFP_THISNODE) && c.h->nid == NUMA_NO_NODE)
		MUST(page_to_nid(virt_to_page(ptr)) == c.node);
}

void model_free(struct model_block *block)
{
	struct obm_heap *heap = model.heaps[block->heap].heap;
	char *ptr = block->ptr;
	size_t size = chance(50) ? block->size : block->usable;

	model_verify(block, block->size);
	model_forget(block);
	/* On PREEMPT_RT, where nothing may be given back. */
	sim_preempt_rt = chance(10);
	sim_context.atomic = chance(30);
	if (chance(50))
		obm_free(ptr);
	else
		obm_free_sized(heap, ptr, size);
	sim_preempt_rt = false;
	sim_context.atomic = false;
}

bool model_stays(const struct model_block *block, size_t size)
{
	if (size > block->usable)
		return false;
	if (!block->raw)
		return class_index(size) == class_index(block->usable);
	return size > obm_small_max;
}

/* A raw block whose end was given back. */
static void shrink(struct model_block *block, size_t size)
{
	struct model_heap *h = &model.heaps[block->heap];
	size_t usable = pages_of(size) * PAGE_SIZE;

	cover(block, usable, block - model.blocks + 1, 0);
	h->raw_bytes -= block->usable - usable;
	block->usable = usable;
}

static void realloc_move(struct model_heap *h, struct model_block *block,
			 char *ptr, size_t size, bool zero)
{
	size_t usable = block->usable, kept = min(size, block->size);
	bool raw = size > obm_small_max;
	struct model_block copy = *block;

	check_align(ptr, size);
	copy.ptr = ptr;
	if (kept)
		model_verify(&copy, kept);
	if (zero && size > usable)
		MUST(is_zero(ptr + usable, size - usable));
	/* The old one is free by now. */
	model_forget(block);
	enter(h, ptr, size, raw);
}

void model_realloc(struct model_block *block)
{
	struct model_heap *h = &model.heaps[block->heap];
	size_t size = model_pick_size();
	unsigned long failed = sim_fault.failed;
	bool zero = chance(20);
	char *ptr, *old = block->ptr;

	/* Often a little more or less, as vectors grow. */
	if (chance(50))
		size = block->size / 2 + below(block->size + 64);
	ptr = obm_realloc(h->heap, old, size,
			  GFP_KERNEL | (zero ? __GFP_ZERO : 0));
	if (!ptr) {
		MUST(!model_stays(block, size));
		check_null(h, size, size > obm_small_max, failed);
		model_verify(block, block->size);
		return;
	}
	if (ptr != old) {
		MUST(!model_stays(block, size));
		realloc_move(h, block, ptr, size, zero);
		return;
	}
	MUST(model_stays(block, size));
	model_verify(block, min(size, block->size));
	if (block->raw && pages_of(size) * PAGE_SIZE != block->usable)
		shrink(block, size);
	MUST(obm_usable_size(ptr) == block->usable);
	block->size = size;
	model_fill(block);
}

/* Above a page it is a mistake; up to a page it never fails. */
void model_nofail(void)
{
	struct model_heap *h = model_pick_heap();
	size_t size = below(2 * PAGE_SIZE);
	char *ptr;

	if (h->limit || model.nr_blocks == MODEL_BLOCKS)
		return;
	ptr = obm_alloc(h->heap, size, GFP_KERNEL | __GFP_NOFAIL);
	MUST(!ptr == (size > PAGE_SIZE));
	if (ptr)
		enter(h, ptr, size, size > obm_small_max);
	else
		h->nr_bad[OBM_BAD_NOFAIL]++;
}
