/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hit path of obmalloc, inlined into its callers. Not for direct use:
 * include <linux/obmalloc.h>.
 *
 * Each heap has on each CPU a slot for each class, and a slot in use has a
 * magazine: an array of free blocks between two walls,
 *
 *	NULL | first second third NULL NULL | wall
 *			     ^ top
 *
 * A block is taken from the top and put above it. The lower wall is NULL and
 * the upper one is not, so that taking sees an empty magazine, and putting a
 * full one, by the very word that it loads. A slot without a magazine shows
 * one that is both empty and full, and so leads to the slow path.
 *
 * Exclusion: a slot is touched by its CPU alone, by tasks with preemption
 * disabled. Softirqs have slots of their own, out of line, and hard interrupts
 * go to the pools. So neither atomic operations nor interrupt switching are
 * needed. On PREEMPT_RT softirqs are tasks.
 */
#ifndef _LINUX_OBM_FRONT_H
#define _LINUX_OBM_FRONT_H

#include <linux/compiler.h>
#include <linux/gfp.h>
#include <linux/kcsan-checks.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/string.h>
#include <linux/types.h>

struct obm_heap;

/**
 * struct obm_slot - one class of a heap on one CPU
 * @top: the highest block of the magazine, or its lower wall
 * @nr_allocs: blocks handed out on this CPU so far
 */
struct obm_slot {
	void **top;
	unsigned long nr_allocs;
};

/* How a heap begins, and a cache, which has but one slot on a CPU. */
struct obm_front {
	struct obm_slot __percpu *slots;
};

/*
 * The class of a constant size, as obm_class_init() numbers them with 4 KiB
 * pages: every multiple of 8 up to 208, then one for each number of blocks that
 * a pool can hold. Checked against the table when the module is loaded.
 */
#define OBM_CONST_MAX	512

static __always_inline unsigned int obm_const_class(size_t size)
{
	if (size <= 208)
		return size ? (size - 1) / 8 : 0;
	return 26 + (size > 224) + (size > 240) + (size > 256) + (size > 272) +
	       (size > 288) + (size > 304) + (size > 312) + (size > 336) +
	       (size > 368) + (size > 400) + (size > 408) + (size > 448);
}

/* The bytes of a block of that class. */
static __always_inline size_t obm_const_bytes(size_t size)
{
	return size <= 208 ? (obm_const_class(size) + 1) * 8UL :
	       size <= 224 ? 224 : size <= 240 ? 240 : size <= 256 ? 256 :
	       size <= 272 ? 272 : size <= 288 ? 288 : size <= 304 ? 304 :
	       size <= 312 ? 312 : size <= 336 ? 336 : size <= 368 ? 368 :
	       size <= 400 ? 400 : size <= 408 ? 408 : size <= 448 ? 448 : 512;
}

/* A checker that follows every block is told of it out of line. */
#if PAGE_SHIFT == 12 && !defined(CONFIG_KASAN) && !defined(CONFIG_KMSAN) && \
	!defined(CONFIG_DEBUG_KMEMLEAK)
#define OBM_INLINE	1
#else
#define OBM_INLINE	0
#endif

/*
 * Softirqs and interrupts. A task that has merely disabled bottom halves is
 * one still, and so is the task that runs softirqs on PREEMPT_RT.
 */
#ifdef CONFIG_PREEMPT_RT
#define OBM_IRQ_MASK	(NMI_MASK | HARDIRQ_MASK)
#else
#define OBM_IRQ_MASK	(NMI_MASK | HARDIRQ_MASK | SOFTIRQ_OFFSET)
#endif

/* With preemption disabled: whether the slots may be touched here. */
static __always_inline bool obm_front_mine(void)
{
	return likely(!(preempt_count() & OBM_IRQ_MASK));
}

/*
 * The end of what preemption was disabled for. An interrupt that takes magazines
 * away comes between two instructions, and a grace period, which others wait for,
 * after the last; KCSAN, which knows of neither, would have writes come later.
 */
static __always_inline void obm_front_leave(void)
{
	kcsan_release();
	preempt_enable();
}

/* With preemption disabled, in a task: a block off the magazine, or NULL. */
static __always_inline void *obm_slot_pop(struct obm_slot __percpu *slot)
{
	void **top = __this_cpu_read(slot->top);
	void *ptr = *top;

	if (likely(ptr)) {
		*top = NULL;
		__this_cpu_write(slot->top, top - 1);
		this_cpu_inc(slot->nr_allocs);
	}
	return ptr;
}

/* The same: puts a block on it; false if there is no room. */
static __always_inline bool obm_slot_push(struct obm_slot __percpu *slot,
					  const void *ptr)
{
	void **top = __this_cpu_read(slot->top);

	if (unlikely(top[1]))
		return false;
	top[1] = (void *)ptr;
	__this_cpu_write(slot->top, top + 1);
	return true;
}

/* A block of the class whose slot is at @offset bytes in the array. */
static __always_inline void *obm_front_pop_at(struct obm_front *front,
					      unsigned long offset)
{
	void *ptr = NULL;

	preempt_disable();
	if (obm_front_mine())
		ptr = obm_slot_pop((void __percpu *)READ_ONCE(front->slots) +
				   offset);
	obm_front_leave();
	return ptr;
}

static __always_inline void *obm_front_pop(struct obm_heap *heap,
					   unsigned int ci)
{
	return obm_front_pop_at((struct obm_front *)heap,
				ci * sizeof(struct obm_slot));
}

static __always_inline bool obm_front_push_at(struct obm_front *front,
					      unsigned int nr, const void *ptr)
{
	bool done = false;

	preempt_disable();
	if (obm_front_mine())
		done = obm_slot_push(READ_ONCE(front->slots) + nr, ptr);
	obm_front_leave();
	return done;
}

static __always_inline bool obm_front_push(struct obm_heap *heap,
					   unsigned int ci, const void *ptr)
{
	return obm_front_push_at((struct obm_front *)heap, ci, ptr);
}

/* A request that the hit path can serve: its size and mask are constants. */
#define OBM_SLOW_GFP	(__GFP_DMA | __GFP_DMA32 | __GFP_THISNODE)
#define obm_is_const(size, gfp)						\
	(OBM_INLINE && __builtin_constant_p(size) &&			\
	 (size) <= OBM_CONST_MAX && __builtin_constant_p(gfp) &&	\
	 !((gfp) & OBM_SLOW_GFP))

#endif /* _LINUX_OBM_FRONT_H */
