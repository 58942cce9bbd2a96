// SPDX-License-Identifier: GPL-2.0-only
/* What the model expects to see: contents and numbers. */
#include "model.h"

/* Of a long block only the ends and a word of each page are looked at. */
#define WHOLE	4096
#define ENDS	512

static u64 word_at(u64 seed, size_t offset)
{
	return (seed + offset) * 0x9e3779b97f4a7c15ULL;
}

static size_t next_offset(size_t offset, size_t size)
{
	offset += 8;
	if (size <= WHOLE || offset < ENDS || offset + ENDS >= size)
		return offset;
	return min(offset - 8 + 1024, (size - ENDS) & ~7UL);
}

void model_fill(const struct model_block *block)
{
	size_t offset, size = block->size;

	for (offset = 0; offset + 8 <= size; offset = next_offset(offset, size))
		*(u64 *)(block->ptr + offset) = word_at(block->seed, offset);
	for (offset = size & ~7UL; offset < size; offset++)
		block->ptr[offset] = word_at(block->seed, offset);
}

/* That the first @size bytes are as model_fill() left them for block->size. */
void model_verify(const struct model_block *block, size_t size)
{
	size_t offset;

	for (offset = 0; offset + 8 <= size;
	     offset = next_offset(offset, block->size))
		MUST(*(u64 *)(block->ptr + offset) ==
		     word_at(block->seed, offset));
	if (size == block->size)
		for (offset = size & ~7UL; offset < size; offset++)
			MUST(block->ptr[offset] ==
			     (char)word_at(block->seed, offset));
}

static u64 sum_of(const struct obm_stats *s)
{
	return s->used_bytes + s->avail_bytes + s->unused_bytes +
	       s->meta_bytes + s->quant_bytes + s->raw_bytes;
}

static bool differs(const char *what, u64 is, u64 expected)
{
	if (is == expected)
		return false;
	printf("# %s is %llu, expected %llu\n", what, is, expected);
	return true;
}

#define SAME(field, expected)	(wrong |= differs(#field, s.field, expected))

static struct sim_context task_enter(void)
{
	struct sim_context old = sim_context;

	sim_context.atomic = false;
	return old;
}

void model_settle(struct model_heap *h)
{
	struct sim_context old = task_enter();
	struct obm_stats s;
	unsigned int cpu;

	for (cpu = 0; cpu < SIM_NR_CPUS; cpu++)
		if (!sim_cpu_online[cpu])
			obm_front_drain_cpu(h->heap, cpu);
	obm_front_drain(h->heap, true);
	MUST(obm_front_drain(h->heap, true) == 0);
	sim_context = old;
	obm_heap_stats(h->heap, &s);
	MUST(atomic_long_read(&h->heap->mag_bytes) == 0);
	MUST(atomic_long_read(&h->heap->front_bytes) == 0);
}

static void check_heap(struct model_heap *h, bool settled)
{
	bool exact = settled || !h->front;
	struct obm_stats s;
	bool wrong = false;
	int i;

	obm_heap_stats(h->heap, &s);
	SAME(nr_blocks, h->nr_small);
	SAME(nr_raw, h->nr_raw);
	SAME(used_bytes, h->used_bytes);
	if (exact) {
		SAME(nr_pools, h->nr_pools);
		SAME(avail_bytes, h->pool_bytes - h->used_bytes);
		SAME(quant_bytes, h->quant_bytes);
	} else {
		MUST(s.nr_pools >= h->nr_pools);
		/* What waits may be of a shared page, with its rounding. */
		MUST(s.avail_bytes + s.quant_bytes >=
		     h->pool_bytes - h->used_bytes + h->quant_bytes);
		MUST(atomic_long_read(&h->heap->front_bytes) <=
		     (long)obm_front_kib * 1024 * SIM_NR_CPUS);
	}
	SAME(raw_bytes, h->raw_bytes);
	SAME(nr_allocs, h->nr_allocs);
	SAME(nr_frees, h->nr_frees);
	SAME(nr_failed, h->nr_failed);
	SAME(nr_limited, h->nr_limited);
	SAME(limit_bytes, h->limit);
	SAME(held_bytes, sum_of(&s));
	SAME(unused_bytes, s.nr_unused_pools * PAGE_SIZE);
	SAME(nr_arenas, s.nr_arenas_got - s.nr_arenas_put);
	for (i = 0; i < OBM_NR_BAD; i++)
		wrong |= differs(obm_bad_names[i], s.nr_bad[i], h->nr_bad[i]);
	MUST(!wrong);
	MUST(s.peak_bytes >= s.held_bytes);
	MUST(!h->limit || s.held_bytes <= h->limit);
	/* What is charged is what is held, but for what waits for a worker. */
	if (!sim_work_pending())
		MUST(atomic_long_read(&h->heap->held_bytes) ==
		     (long)s.held_bytes);
	MUST(obm_heap_validate(h->heap) == 0);
}

void model_check_heap(struct model_heap *h)
{
	check_heap(h, false);
	if (chance(model.slow ? 3 : 30)) {
		model_settle(h);
		check_heap(h, true);
	}
}

/* Descriptors of nodes that have a page of their own. */
static unsigned long node_pages(struct obm_heap *heap)
{
	unsigned long nr = 0;
	struct obm_node *node;
	int nid;

	obm_for_each_node(heap, nid, node)
		nr += node_has_page();
	return nr;
}

/* All heaps together against what the machine gave out. */
void model_check_all(void)
{
	u64 pages = 1, meta = 0, in_pages = 0, bad[OBM_NR_BAD];
	struct obm_stats s;
	int i, k;

	memcpy(bad, model.nr_bad, sizeof(bad));
	for (i = 0; i < MODEL_HEAPS; i++) {
		struct model_heap *h = &model.heaps[i];

		if (!h->heap)
			continue;
		model_check_heap(h);
		obm_heap_stats(h->heap, &s);
		pages += (s.held_bytes - s.meta_bytes) / PAGE_SIZE;
		meta += s.meta_bytes;
		in_pages += node_pages(h->heap);
		for (k = 0; k < OBM_NR_BAD; k++)
			bad[k] += h->nr_bad[k];
	}
	obm_heap_stats(NULL, &s);
	MUST(!memcmp(bad, s.nr_bad, sizeof(bad)));
	MUST(s.meta_bytes == meta);
	MUST(s.held_bytes == sum_of(&s));
	if (sim_work_pending())
		return;
	/* Of descriptors, the last may wait for RCU. */
	sim_run_rcu();
	MUST(sim_pages_held() == pages + in_pages);
	/* All but the model's own page count under one heading or another. */
	MUST(sim_stat_pages(NR_SLAB_RECLAIMABLE_B) +
	     sim_stat_pages(NR_SLAB_UNRECLAIMABLE_B) +
	     sim_stat_pages(NR_KERNEL_MISC_RECLAIMABLE) == (long)(pages + in_pages) - 1);
	MUST(sim_heap_bytes() == meta - in_pages * PAGE_SIZE);
}

/* The kernel wants pages of a node: it gets what it says, and no block goes. */
void model_shrink(void)
{
	unsigned long held = sim_pages_held(), wanted = 1 + below(200);
	unsigned long count, freed;
	int nid = below(2);

	sim_run_work();
	count = obm_shrink_count(nid);
	held = sim_pages_held();
	freed = sim_reclaim(nid, wanted);
	MUST(freed <= held - sim_pages_held());
	MUST(freed >= min(wanted, count));
	MUST(freed >= wanted || obm_shrink_count(nid) == 0);
}

/* Afterwards there is no page without a live block. */
void model_trim(struct model_heap *h)
{
	struct obm_stats before, after;
	unsigned int cpu;
	size_t bytes;

	sim_run_work();
	obm_heap_stats(h->heap, &before);
	for (cpu = 0; cpu < SIM_NR_CPUS; cpu++)
		if (!sim_cpu_online[cpu])
			sim_cpu_revive(cpu);
	bytes = obm_heap_trim(h->heap);
	obm_heap_stats(h->heap, &after);
	MUST(bytes >= before.unused_bytes);
	MUST(after.nr_unused_pools == 0);
	MUST(after.held_bytes - after.meta_bytes ==
	     h->pool_pages * PAGE_SIZE + h->raw_bytes);
	MUST(obm_heap_trim(h->heap) == 0);
}
