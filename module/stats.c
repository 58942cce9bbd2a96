// SPDX-License-Identifier: GPL-2.0-only
/*
 * Snapshots. Every number is counted where it changes, under the lock that
 * protects what it counts; a snapshot copies them node by node. No node gives
 * anything to another, so the sum of consistent parts is consistent.
 *
 * The terms of the identity come from different counters: what pools hold from
 * the counts of pools and blocks by class, what is held from the count of
 * pages. They agree only if every path keeps both.
 */
#include "cache.h"

const char *const obm_bad_names[OBM_NR_BAD] = {
	[OBM_BAD_FOREIGN] = "foreign",
	[OBM_BAD_MISALIGNED] = "misaligned",
	[OBM_BAD_INTERIOR] = "interior",
	[OBM_BAD_STALE] = "stale",
	[OBM_BAD_DOUBLE] = "double",
	[OBM_BAD_HEAP] = "heap",
	[OBM_BAD_SIZE] = "size",
	[OBM_BAD_NOFAIL] = "nofail",
	[OBM_BAD_TYPE] = "type",
	[OBM_BAD_REF] = "ref",
};

atomic_long_t obm_nr_bad[OBM_NR_BAD];

static void class_add(const struct obm_node_class *nc, unsigned int ci,
		      struct obm_stats *stats)
{
	const struct obm_class *class = &obm_classes[ci];
	u64 nr_blocks = nc->nr_taken - nc->nr_put;

	stats->nr_allocs += nc->nr_direct;
	stats->nr_blocks += nr_blocks;
	stats->nr_pools += nc->nr_pools;
	stats->used_bytes += nr_blocks * class->size;
	stats->avail_bytes += ((u64)nc->nr_pools * class->nr_blocks -
			       (nr_blocks - nc->nr_mixed)) * class->size;
	stats->quant_bytes += (u64)nc->nr_pools * class_quant_bytes(class);
}

/* What blocks of the classes leave of the units that they take is rounding. */
static void mixed_add(struct obm_node *node, struct obm_stats *stats)
{
	u64 units = (u64)node->mixed.nr_pools * OBM_UNITS;
	unsigned int ci;

	for (ci = 0; ci < obm_nr_classes; ci++) {
		u64 nr = node_class(node, ci)->nr_mixed;
		unsigned int each = nr ? obm_mixed_units(ci) : 0;

		units -= nr * each;
		stats->quant_bytes += nr * (each * OBM_UNIT -
					    obm_classes[ci].size);
	}
	stats->nr_pools += node->mixed.nr_pools;
	stats->avail_bytes += units * OBM_UNIT;
}

static void node_add(struct obm_node *node, struct obm_stats *stats)
{
	struct obm_cache *cache;
	unsigned long flags;
	unsigned int ci;

	raw_spin_lock_irqsave(&node->lock, flags);
	for (ci = 0; ci < obm_nr_classes; ci++)
		class_add(node_class(node, ci), ci, stats);
	mixed_add(node, stats);
	obm_for_each_cache(node->heap, cache)
		class_add(node_class(node, cache->set.ci), cache->set.ci, stats);
	stats->nr_allocs += node->gone_allocs;
	stats->unused_bytes += (u64)node->nr_unused * PAGE_SIZE;
	stats->meta_bytes += node->meta_bytes;
	stats->held_bytes += (u64)node->nr_pages * PAGE_SIZE + node->meta_bytes;
	stats->nr_unused_pools += node->nr_unused;
	stats->nr_arenas += node->nr_arenas;
	stats->nr_arenas_got += node->nr_arenas_got;
	stats->nr_arenas_put += node->nr_arenas_put;
	stats->nr_pages_put += node->nr_pages_put;
	raw_spin_unlock_irqrestore(&node->lock, flags);
}

/*
 * Blocks that wait on CPUs are in use for the pools and available for a reader.
 * The CPUs go on meanwhile, so a batch on its way counts as used, and a block
 * may be seen twice; the sum of used and available bytes stays what it is.
 */
static void waiting_add(struct obm_heap *heap, unsigned int ci,
			struct obm_stats *stats)
{
	u64 size = obm_classes[ci].size;
	u64 nr = min3((u64)obm_front_count(heap, ci), stats->nr_blocks,
		      stats->used_bytes / size);

	stats->nr_blocks -= nr;
	stats->used_bytes -= nr * size;
	stats->avail_bytes += nr * size;
	stats->nr_allocs += obm_front_allocs(heap, ci);
}

static void front_add(struct obm_heap *heap, struct obm_stats *stats)
{
	struct obm_cache *cache;
	unsigned int ci;

	for (ci = 0; ci < obm_nr_classes; ci++)
		waiting_add(heap, ci, stats);
	obm_for_each_cache(heap, cache)
		waiting_add(heap, cache->set.ci, stats);
	stats->nr_allocs = max(stats->nr_allocs, stats->nr_blocks);
	stats->nr_frees = stats->nr_allocs - stats->nr_blocks;
}

static void raw_add(struct obm_heap *heap, struct obm_stats *stats)
{
	unsigned long flags;
	u64 meta_bytes;

	raw_spin_lock_irqsave(&heap->raw_lock, flags);
	meta_bytes = heap->nr_raw * sizeof(struct obm_raw) +
		     struct_size(heap, nodes, nr_node_ids);
	stats->nr_raw += heap->nr_raw;
	stats->nr_allocs += heap->raw_allocs;
	stats->nr_frees += heap->raw_frees;
	stats->raw_bytes += (u64)heap->raw_pages * PAGE_SIZE;
	stats->meta_bytes += meta_bytes;
	stats->held_bytes += (u64)heap->raw_pages * PAGE_SIZE + meta_bytes;
	raw_spin_unlock_irqrestore(&heap->raw_lock, flags);
}

/* A snapshot of one heap, in a zeroed @stats. */
static void heap_stats(struct obm_heap *heap, struct obm_stats *stats)
{
	struct obm_node *node;
	size_t front_bytes;
	unsigned int i;
	int nid;

	rcu_read_lock();
	front_bytes = obm_set_bytes(&heap->set) + obm_caches_bytes(heap) +
		      atomic_long_read(&heap->mag_bytes) +
		      atomic_long_read(&heap->object_bytes);
	obm_for_each_node(heap, nid, node)
		node_add(node, stats);
	front_add(heap, stats);
	rcu_read_unlock();
	stats->meta_bytes += front_bytes;
	stats->held_bytes += front_bytes;
	raw_add(heap, stats);
	stats->peak_bytes = atomic_long_read(&heap->peak_bytes);
	stats->limit_bytes = heap->limit_bytes;
	stats->nr_failed = atomic_long_read(&heap->nr_failed);
	stats->nr_limited = atomic_long_read(&heap->nr_limited);
	for (i = 0; i < OBM_NR_BAD; i++)
		stats->nr_bad[i] = atomic_long_read(&heap->nr_bad[i]);
}

/* Every field is a u64 that adds up over heaps. */
static void stats_sum(struct obm_stats *sum, const struct obm_stats *stats)
{
	const u64 *from = (const u64 *)stats;
	u64 *to = (u64 *)sum;
	unsigned int i;

	static_assert(sizeof(*sum) % sizeof(u64) == 0);
	for (i = 0; i < sizeof(*sum) / sizeof(u64); i++)
		to[i] += from[i];
}

/**
 * obm_heap_stats() - a snapshot of a heap's numbers
 * @heap: the heap, or NULL for the sum over all, with the mistakes of which no
 *	  heap is known
 * @stats: filled in
 *
 * Context: Any context but NMI, takes the locks of the heap; for NULL process
 * context, takes obm_heaps_lock.
 */
void obm_heap_stats(struct obm_heap *heap, struct obm_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	if (heap)
		heap_stats(heap, stats);
	else
		obm_stats_all(stats);
}
EXPORT_SYMBOL_NS_GPL(obm_heap_stats, OBM_NS);

/* The sum over all heaps. Context: process context, takes obm_heaps_lock. */
void obm_stats_all(struct obm_stats *stats)
{
	struct obm_stats one;
	struct obm_heap *heap;
	unsigned int i;

	mutex_lock(&obm_heaps_lock);
	list_for_each_entry(heap, &obm_heaps, link) {
		obm_heap_stats(heap, &one);
		stats_sum(stats, &one);
	}
	mutex_unlock(&obm_heaps_lock);
	for (i = 0; i < OBM_NR_BAD; i++)
		stats->nr_bad[i] += atomic_long_read(&obm_nr_bad[i]);
}

/* One class of a heap. */
void obm_stats_class(struct obm_heap *heap, unsigned int ci,
		     struct obm_class_stats *stats)
{
	const struct obm_node_class *nc;
	struct obm_node *node;
	unsigned long flags;
	int nid;

	memset(stats, 0, sizeof(*stats));
	obm_for_each_node(heap, nid, node) {
		raw_spin_lock_irqsave(&node->lock, flags);
		nc = node_class(node, ci);
		stats->nr_pools += nc->nr_pools;
		stats->nr_blocks += nc->nr_taken - nc->nr_put;
		stats->nr_allocs += nc->nr_direct;
		stats->nr_total += nc->nr_mixed;
		raw_spin_unlock_irqrestore(&node->lock, flags);
	}
	stats->nr_blocks -= min_t(u64, stats->nr_blocks,
				  obm_front_count(heap, ci));
	stats->nr_allocs += obm_front_allocs(heap, ci);
	stats->nr_allocs = max(stats->nr_allocs, stats->nr_blocks);
	stats->nr_frees = stats->nr_allocs - stats->nr_blocks;
	stats->nr_total += stats->nr_pools * obm_classes[ci].nr_blocks;
}

/* The shared pools of a heap: units that no block takes, as free blocks. */
void obm_stats_mixed(struct obm_heap *heap, struct obm_class_stats *stats)
{
	struct obm_stats free;
	struct obm_node *node;
	unsigned long flags;
	int nid;

	memset(stats, 0, sizeof(*stats));
	memset(&free, 0, sizeof(free));
	obm_for_each_node(heap, nid, node) {
		raw_spin_lock_irqsave(&node->lock, flags);
		mixed_add(node, &free);
		raw_spin_unlock_irqrestore(&node->lock, flags);
	}
	stats->nr_pools = free.nr_pools;
	stats->nr_total = free.avail_bytes / OBM_UNIT;
}

/* The raw blocks of a heap; a page counts as a pool. */
void obm_stats_raw(struct obm_heap *heap, struct obm_class_stats *stats)
{
	unsigned long flags;

	memset(stats, 0, sizeof(*stats));
	raw_spin_lock_irqsave(&heap->raw_lock, flags);
	stats->nr_blocks = heap->nr_raw;
	stats->nr_total = heap->nr_raw;
	stats->nr_pools = heap->raw_pages;
	stats->nr_allocs = heap->raw_allocs;
	stats->nr_frees = heap->raw_frees;
	raw_spin_unlock_irqrestore(&heap->raw_lock, flags);
}
