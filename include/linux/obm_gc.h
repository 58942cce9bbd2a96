/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The collector of cycles: what CPython's gc module offers, for the objects of a
 * heap. See <linux/obm_object.h>.
 *
 * Each heap has three generations. New objects are in generation 0; who survives
 * a collection of a generation is in the next one. A worker collects when the
 * thresholds say so.
 */
#ifndef _LINUX_OBM_GC_H
#define _LINUX_OBM_GC_H

#include <linux/obm_object.h>
#include <linux/types.h>

#define OBM_NR_GENERATIONS	3

/**
 * enum obm_gc_mode - what is done with garbage
 * @OBM_GC_FREE: it is freed
 * @OBM_GC_DETECT: it is reported, kept, and shown in the garbage list
 */
enum obm_gc_mode {
	OBM_GC_FREE,
	OBM_GC_DETECT,
};

/**
 * struct obm_gc_stats - one generation of a heap
 * @nr_collections: collections so far
 * @nr_collected: objects found unreachable and freed
 * @nr_uncollectable: objects found unreachable that could not be freed, or were
 *		      not to be (%OBM_GC_DETECT)
 * @nr_doubts: objects that seemed unreachable and were touched meanwhile, or
 *	       kept because a type could not be trusted
 * @min_ns: shortest of the last collections, in nanoseconds
 * @median_ns: their median
 * @max_ns: the longest of all
 */
struct obm_gc_stats {
	u64 nr_collections;
	u64 nr_collected;
	u64 nr_uncollectable;
	u64 nr_doubts;
	u64 min_ns;
	u64 median_ns;
	u64 max_ns;
};

long obm_gc_collect(struct obm_heap *heap, unsigned int generation);
int obm_gc_step(struct obm_heap *heap);
void obm_gc_enable(struct obm_heap *heap);
void obm_gc_disable(struct obm_heap *heap);
bool obm_gc_is_enabled(struct obm_heap *heap);
int obm_gc_set_thresholds(struct obm_heap *heap,
			  const unsigned int thresholds[OBM_NR_GENERATIONS]);
void obm_gc_thresholds(struct obm_heap *heap,
		       unsigned int thresholds[OBM_NR_GENERATIONS]);
void obm_gc_counts(struct obm_heap *heap,
		   unsigned int counts[OBM_NR_GENERATIONS]);
int obm_gc_set_mode(struct obm_heap *heap, enum obm_gc_mode mode);
enum obm_gc_mode obm_gc_get_mode(struct obm_heap *heap);
int obm_gc_freeze(struct obm_heap *heap);
int obm_gc_unfreeze(struct obm_heap *heap);
unsigned long obm_gc_freeze_count(struct obm_heap *heap);
unsigned long obm_gc_garbage_count(struct obm_heap *heap);
int obm_gc_stats(struct obm_heap *heap, unsigned int generation,
		 struct obm_gc_stats *stats);
bool obm_gc_is_finalized(const struct obm_obj *obj);
int obm_gc_generation(const struct obm_obj *obj);

/* What obm_gc_generation() says of objects in no generation. */
#define OBM_GC_PERMANENT	OBM_NR_GENERATIONS
#define OBM_GC_GARBAGE		(OBM_NR_GENERATIONS + 1)
#define OBM_GC_UNTRACKED	(-1)

#endif /* _LINUX_OBM_GC_H */
