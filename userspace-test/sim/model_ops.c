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
	if (*atomic)
		sim_atomic_enter(below(8));
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

/* What a block leaves of the units that it takes of a shared page. */
static size_t mixed_rest(const struct model_block *block)
{
	unsigned int units = obm_mixed_units(class_index(block->usable));

	return units * OBM_UNIT - block->usable;
}

/* A block in a page that several classes share. */
static void mixed_enter(struct model_heap *h, const struct model_block *block)
{
	size_t pfn = pfn_of(block->ptr);

	MUST(obm_compact && !(h->flags & OBM_HEAP_HARDEN));
	MUST(offset_in_page(block->ptr) % OBM_UNIT == 0);
	MUST(offset_in_page(block->ptr) + block->usable <= PAGE_SIZE);
	h->quant_bytes += mixed_rest(block);
	h->pool_bytes -= mixed_rest(block);
	if (model.page_live[pfn]++) {
		MUST(model.page_mixed[pfn]);
		MUST(model.page_heap[pfn] == block->heap);
		return;
	}
	model.page_mixed[pfn] = true;
	model.page_order[pfn] = 0;
	model.page_class[pfn] = OBM_UNIT;
	model.page_heap[pfn] = block->heap;
	h->pool_pages++;
	h->nr_pools++;
	h->pool_bytes += OBM_UNITS * OBM_UNIT;
}

static void mixed_leave(struct model_heap *h, const struct model_block *block)
{
	size_t pfn = pfn_of(block->ptr);

	h->quant_bytes -= mixed_rest(block);
	h->pool_bytes += mixed_rest(block);
	if (--model.page_live[pfn])
		return;
	model.page_mixed[pfn] = false;
	h->pool_pages--;
	h->nr_pools--;
	h->pool_bytes -= OBM_UNITS * OBM_UNIT;
}

static void page_enter(struct model_heap *h, const struct model_block *block)
{
	const struct obm_class *class;
	size_t pfn;

	if (block->mixed) {
		mixed_enter(h, block);
		return;
	}
	class = &obm_classes[class_index(block->usable)];
	/* Runs of pages are aligned to their size. */
	pfn = pfn_of(block->ptr) & ~(BIT(class->order) - 1);
	MUST((block->ptr - (char *)page_address(&sim_pages[pfn])) %
	     class->size == 0);
	if (model.page_live[pfn]++) {
		MUST(!model.page_mixed[pfn]);
		MUST(model.page_class[pfn] == block->usable);
		MUST(model.page_heap[pfn] == block->heap);
		return;
	}
	model.page_order[pfn] = class->order;
	h->pool_pages += BIT(class->order);
	model.page_class[pfn] = block->usable;
	model.page_heap[pfn] = block->heap;
	h->nr_pools++;
	h->pool_bytes += class->nr_blocks * class->size;
	h->quant_bytes += class_quant_bytes(class);
}

static void page_leave(struct model_heap *h, const struct model_block *block)
{
	const struct obm_class *class;

	if (block->mixed) {
		mixed_leave(h, block);
		return;
	}
	class = &obm_classes[class_index(block->usable)];
	if (--model.page_live[pfn_of(block->ptr) & ~(BIT(class->order) - 1)])
		return;
	h->pool_pages -= BIT(class->order);
	h->nr_pools--;
	h->pool_bytes -= class->nr_blocks * class->size;
	h->quant_bytes -= class_quant_bytes(class);
}

/* The one thing that the core is asked: which kind of pool it chose. */
static bool is_mixed(const void *ptr)
{
	return pool_ci((struct obm_pool *)obm_page_owner(ptr)) == OBM_MIXED;
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
		.mixed = !raw && is_mixed(ptr),
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
		raw = raw || obm_classes[class_index(size)].order;
		need = raw ? pages_of(size) * PAGE_SIZE + sizeof(struct obm_raw)
			   : PAGE_SIZE + obm_arena_meta_bytes(0) +
			     obm_map_bytes(obm_map_order(class_index(size))) +
			     struct_size_t(struct obm_node, classes,
					   obm_nr_classes);
		/* Not even without what the heap holds for nobody. */
		/* A magazine may have come first; not every context empties others. */
		if (h->front)
			return;
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

/* Sizes and masks that the compiler knows. */
static void *alloc_const(struct call *c)
{
	struct obm_heap *heap = c->h->heap;

	c->gfp = GFP_ATOMIC;
	switch (below(6)) {
	case 0:
		c->size = 8;
		return obm_alloc(heap, 8, GFP_ATOMIC);
	case 1:
		c->size = 96;
		return obm_alloc(heap, 96, GFP_ATOMIC);
	case 2:
		c->size = 300;
		return obm_alloc(heap, 300, GFP_ATOMIC);
	case 3:
		c->size = 512;
		return obm_alloc(heap, 512, GFP_ATOMIC);
	case 4:
		c->zero = true;
		c->size = 64;
		return obm_zalloc(heap, 64, GFP_ATOMIC);
	default:
		c->size = 1000;
		return obm_alloc(heap, 1000, GFP_ATOMIC);
	}
}

static void *call_alloc(struct call *c)
{
	static char source[4096];
	void *ptr;

	switch (below(c->size <= sizeof(source) ? 10 : 8)) {
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
	case 8:
		c->copied = true;
		memset(source, 0x11, c->size);
		ptr = obm_memdup(c->h->heap, source, c->size, c->gfp);
		MUST(!ptr || !memcmp(ptr, source, c->size));
		return ptr;
	case 9:
		c->copied = true;
		c->size += !c->size;
		memset(source, 'x', c->size - 1);
		source[c->size - 1] = '\0';
		ptr = obm_strdup(c->h->heap, source, c->gfp);
		MUST(!ptr || !strcmp(ptr, source));
		return ptr;
	case 6:
		return alloc_const(c);
	default:
		c->zero = chance(10);
		if (c->zero)
			c->gfp |= __GFP_ZERO;
		return obm_alloc(c->h->heap, c->size, c->gfp);
	}
}

/* Whether pages stand in for a block of a wide class, and for a reason. */
static bool is_fallback(struct model_heap *h, const void *ptr, size_t size,
			unsigned long failed)
{
	if (!(obm_page_owner(ptr) & OBM_OWNER_RAW))
		return false;
	MUST(obm_classes[class_index(size)].order);
	MUST(h->limit || sim_fault.failed != failed);
	return true;
}

void model_alloc(void)
{
	struct call c = {
		.h = model_pick_heap(),
		.size = model_pick_size(),
		.node = NUMA_NO_NODE,
	};
	unsigned long failed = sim_fault.failed;
	bool raw, atomic;
	char *ptr;

	if (model.nr_blocks == MODEL_BLOCKS)
		return;
	c.gfp = pick_gfp(&atomic);
	ptr = call_alloc(&c);
	if (atomic)
		sim_atomic_leave();
	raw = c.size > obm_small_max || (c.gfp & (__GFP_DMA | __GFP_DMA32));
	if (ptr && !raw)
		raw = is_fallback(c.h, ptr, c.size, failed);
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
	struct sim_context old;
	bool old_rt;
	char *ptr = block->ptr;
	size_t size = chance(50) ? block->size : block->usable;

	model_verify(block, block->size);
	model_forget(block);
	/* On PREEMPT_RT, where nothing may be given back. */
	old = sim_context;
	old_rt = sim_preempt_rt;
	sim_preempt_rt = old_rt || chance(10);
	if (!old.irq && chance(30))
		sim_atomic_enter(below(8));
	if (chance(50))
		obm_free(ptr);
	/* Not those of zones: they would be handed out again as small ones. */
	else if (size == 96 && !block->raw)
		obm_free_sized(heap, ptr, 96);
	else if (size == 512 && !block->raw)
		obm_free_sized(heap, ptr, 512);
	else
		obm_free_sized(heap, ptr, size);
	sim_preempt_rt = old_rt;
	sim_context = old;
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
	bool raw = obm_page_owner(ptr) & OBM_OWNER_RAW;
	struct model_block copy = *block;

	MUST(raw || size <= obm_small_max);
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
	model.busy = block;
	ptr = obm_realloc(h->heap, old, size,
			  GFP_KERNEL | (zero ? __GFP_ZERO : 0));
	model.busy = NULL;
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
	/* What waits on a CPU is handed out unasked. */
	if (!ptr || !h->front)
		MUST(!ptr == (size > PAGE_SIZE));
	if (ptr)
		enter(h, ptr, size, obm_page_owner(ptr) & OBM_OWNER_RAW);
	else
		h->nr_bad[OBM_BAD_NOFAIL]++;
}

/* All or nothing, of one size; and all at once, or one by one, back. */
void model_bulk(void)
{
	struct model_heap *h = model_pick_heap();
	size_t size = below(obm_small_max + PAGE_SIZE), n = below(60), i, k;
	unsigned int from = model.nr_blocks;
	struct obm_stats s;
	void *ptrs[60];
	bool zero = chance(20);
	gfp_t gfp = (chance(50) ? GFP_KERNEL : GFP_ATOMIC) |
		    (zero ? __GFP_ZERO : 0);

	if (model.nr_blocks + n > MODEL_BLOCKS)
		return;
	if (chance(70))
		size = below(5) * 48 + 8;
	if (obm_alloc_bulk(h->heap, size, gfp, n, ptrs) != n) {
		/* Those that came went back. */
		obm_heap_stats(h->heap, &s);
		MUST(s.nr_allocs - h->nr_allocs < n);
		MUST(s.nr_allocs - h->nr_allocs == s.nr_frees - h->nr_frees);
		h->nr_allocs = s.nr_allocs;
		h->nr_frees = s.nr_frees;
		h->nr_failed++;
		MUST(s.nr_failed == h->nr_failed);
		MUST(s.nr_limited - h->nr_limited <= !!h->limit);
		h->nr_limited = s.nr_limited;
		return;
	}
	for (i = 0; i < n; i++) {
		check_align(ptrs[i], size);
		if (zero)
			MUST(is_zero(ptrs[i], size));
		enter(h, ptrs[i], size,
		      obm_page_owner(ptrs[i]) & OBM_OWNER_RAW);
	}
	if (chance(30))
		return;
	/* In another order, and in two parts. */
	k = n ? below(n) : 0;
	for (i = 0; i < k; i++)
		swap(ptrs[i], ptrs[n - 1 - i]);
	for (i = n; i--; )
		model_forget(&model.blocks[model.dense[from + i]]);
	if (chance(30))
		switch (below(2)) {
		case 0:
			sim_context.cpu = 0;
			break;
		default:
			sim_atomic_enter(below(8));
			break;
		}
	obm_free_bulk(h->heap, size, k, ptrs);
	obm_free_bulk(h->heap, size, n - k, ptrs + k);
	sim_atomic_leave();
}

/* An interrupt comes into the midst of what a CPU does with its own. */
static void irq(void)
{
	struct sim_fault fault = sim_fault;
	struct model_block *block = model_pick_block();
	struct model_heap *h = model_pick_heap();
	unsigned int n = below(4);
	char *ptr;

	sim_fault.permille = 0;
	if (block && block != model.busy && !model.heaps[block->heap].limit)
		model_free(block);
	while (n-- && !h->limit && !sim_preempt_rt && model.nr_blocks < MODEL_BLOCKS - 100) {
		size_t size = below(16) * 8;
		unsigned long failed = sim_fault.failed;

		ptr = obm_alloc(h->heap, size, GFP_ATOMIC);
		if (ptr)
			enter(h, ptr, size,
			      obm_page_owner(ptr) & OBM_OWNER_RAW);
		else
			check_null(h, size, false, failed);
	}
	fault.failed = sim_fault.failed;
	fault.calls = sim_fault.calls;
	sim_fault = fault;
}

void model_arm_irq(void)
{
	sim_irq.nth = 1 + below(4);
	sim_irq.func = irq;
}
