/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the suites share. A header, for each suite is a module of its own and
 * kbuild dislikes an object that is in several.
 */
#ifndef OBM_KUNIT_COMMON_H
#define OBM_KUNIT_COMMON_H

#include <kunit/test.h>
#include <linux/align.h>
#include <linux/bitops.h>
#include <linux/compiler.h>
#include <linux/cpumask.h>
#include <linux/hrtimer.h>
#include <linux/jiffies.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/nodemask.h>
#include <linux/obmalloc.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <linux/string.h>

#include "compat.h"

#define OBM_TEST_HEAPS	8

/* Pools of an arena that is not the smaller one of short memory. */
#define OBM_TEST_POOLS	64

/*
 * By how much a kernel is slower that looks at each access, and at each lock. What
 * a load must have done in its time is less by that much, and interrupts come as
 * much more rarely, as otherwise nothing but them would run.
 */
#define OBM_TEST_SLOWNESS	(IS_ENABLED(CONFIG_KASAN) ||		\
				 IS_ENABLED(CONFIG_KCSAN) ? 16 : 1)

/**
 * struct obm_test - what every case has in test->priv
 * @heaps: heaps of the case, destroyed when it ends
 */
struct obm_test {
	struct obm_heap *heaps[OBM_TEST_HEAPS];
};

/*
 * Whether a load that began at @begin goes on: for @ms, and if it has not done
 * enough then, because the machine is slow or busy, for some time more.
 */
static inline bool obm_test_goes_on(unsigned long begin, unsigned int ms,
				    bool enough)
{
	return time_before(jiffies, begin + msecs_to_jiffies(ms)) ||
	       (!enough &&
		time_before(jiffies, begin + msecs_to_jiffies(40 * ms)));
}

/*
 * In a timer's callback: once more in @ns, or when others have had as much time as
 * this has cost. A busy host may let it take longer than its period.
 */
static inline enum hrtimer_restart obm_test_again(struct hrtimer *timer, u64 ns)
{
	ktime_t now = ktime_get();
	s64 spent = ktime_to_ns(ktime_sub(now, hrtimer_get_expires(timer)));

	hrtimer_set_expires(timer, ktime_add_ns(now, max_t(s64, ns, spent)));
	return HRTIMER_RESTART;
}

/*
 * The case stays on this CPU, where its blocks wait, so that numbers are exact.
 * Each case has a thread of its own, which ends with it.
 */
static inline void obm_test_stay(struct kunit *test)
{
	const struct cpumask *here = cpumask_of(raw_smp_processor_id());

	KUNIT_EXPECT_EQ(test, set_cpus_allowed_ptr(current, here), 0);
}

/* The identity of the statistics: every byte held is accounted for once. */
static inline bool obm_adds_up(const struct obm_stats *s)
{
	return s->used_bytes + s->avail_bytes + s->unused_bytes +
	       s->meta_bytes + s->quant_bytes + s->raw_bytes == s->held_bytes;
}

/* A snapshot that adds up. */
static inline struct obm_stats obm_get(struct kunit *test,
				       struct obm_heap *heap)
{
	struct obm_stats s;

	obm_heap_stats(heap, &s);
	KUNIT_EXPECT_TRUE(test, obm_adds_up(&s));
	return s;
}

/* The same and every invariant. */
static inline void obm_expect_sound(struct kunit *test, struct obm_heap *heap)
{
	obm_get(test, heap);
	KUNIT_EXPECT_EQ(test, obm_heap_validate(heap), 0);
}

/*
 * What is charged against the limit is what is held. Only the peak tells: with
 * the largest block it is what is held now, if it was less before.
 */
static inline void obm_expect_charged(struct kunit *test, struct obm_heap *heap)
{
	struct obm_stats s;
	void *ptr;

	obm_heap_stats(heap, &s);
	if (s.limit_bytes || s.peak_bytes >= s.held_bytes + OBM_MAX_BYTES)
		return;
	ptr = obm_alloc(heap, OBM_MAX_BYTES, GFP_KERNEL | __GFP_NOWARN);
	if (!ptr)
		return;
	obm_heap_stats(heap, &s);
	KUNIT_EXPECT_EQ(test, s.peak_bytes, s.held_bytes);
	obm_free(ptr);
}

static inline int obm_test_init(struct kunit *test)
{
	test->priv = kunit_kzalloc(test, sizeof(struct obm_test), GFP_KERNEL);
	return test->priv ? 0 : -ENOMEM;
}

/* No block may be left: a case that passed has freed what it had. */
static inline void obm_test_exit(struct kunit *test)
{
	struct obm_test *priv = test->priv;
	unsigned int i;

	for (i = 0; priv && i < OBM_TEST_HEAPS; i++) {
		if (!priv->heaps[i])
			continue;
		obm_expect_sound(test, priv->heaps[i]);
		obm_expect_charged(test, priv->heaps[i]);
		KUNIT_EXPECT_EQ(test, obm_heap_destroy(priv->heaps[i]), 0UL);
	}
}

static inline struct obm_heap *
obm_test_heap_attrs(struct kunit *test, const struct obm_heap_attrs *attrs)
{
	struct obm_test *priv = test->priv;
	struct obm_heap *heap;
	char name[OBM_NAME_LEN];
	unsigned int i;

	for (i = 0; i < OBM_TEST_HEAPS && priv->heaps[i]; i++)
		;
	KUNIT_ASSERT_LT(test, i, OBM_TEST_HEAPS);
	snprintf(name, sizeof(name), "%s.%u", KBUILD_MODNAME, i);
	heap = obm_heap_create(name, attrs);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, heap);
	priv->heaps[i] = heap;
	return heap;
}

/*
 * A heap for the case, on one node, so that the figures are those of one node
 * wherever the test's thread runs.
 */
static inline struct obm_heap *obm_test_heap(struct kunit *test, size_t limit)
{
	struct obm_heap_attrs attrs = OBM_HEAP_ATTRS_INIT;

	attrs.node = first_node(node_states[N_MEMORY]);
	attrs.limit_bytes = limit;
	return obm_test_heap_attrs(test, &attrs);
}

/* Destroys a heap of the case before its end. */
static inline unsigned long obm_test_destroy(struct kunit *test,
					     struct obm_heap *heap)
{
	struct obm_test *priv = test->priv;
	unsigned int i;

	for (i = 0; i < OBM_TEST_HEAPS; i++)
		if (priv->heaps[i] == heap)
			priv->heaps[i] = NULL;
	return obm_heap_destroy(heap);
}

static inline void *obm_must_alloc(struct kunit *test, struct obm_heap *heap,
				   size_t size)
{
	void *ptr = obm_alloc(heap, size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ptr);
	return ptr;
}

/* Fills a block; the compiler must not know how large it thinks the block is. */
static inline void obm_fill(void *ptr, u8 byte, size_t size)
{
	OPTIMIZER_HIDE_VAR(ptr);
	memset(ptr, byte, size);
}

/*
 * The callers that reports must name, so not inlined and no tail calls; a
 * suite need not use them all.
 */
static noinline __maybe_unused void free_it(const void *ptr)
{
	obm_free(ptr);
	barrier();
}

static noinline __maybe_unused void free_sized(struct obm_heap *heap,
					       const void *ptr, size_t size)
{
	obm_free_sized(heap, ptr, size);
	barrier();
}

static inline bool obm_is_filled(const void *ptr, u8 byte, size_t size)
{
	OPTIMIZER_HIDE_VAR(ptr);
	return !memchr_inv(ptr, byte, size);
}

/* The alignment of a block of @usable bytes, and of a raw one. */
static inline unsigned long obm_block_align(size_t usable)
{
	return min_t(unsigned long, usable & -usable, PAGE_SIZE);
}

/* The module parameter of the loaded obmalloc.ko, found out by asking. */
static inline size_t obm_small_max_is(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	struct obm_stats s;
	size_t size;
	void *ptr;

	for (size = 8192; size > 8; size -= 8) {
		ptr = obm_must_alloc(test, heap, size);
		s = obm_get(test, heap);
		obm_free(ptr);
		if (!s.nr_raw)
			break;
	}
	KUNIT_EXPECT_EQ(test, obm_test_destroy(test, heap), 0UL);
	return size;
}

/* Skips the case if obmalloc.ko was loaded with too small a small_max. */
static inline void obm_need_small(struct kunit *test, size_t size)
{
	if (obm_small_max_is(test) < size)
		kunit_skip(test, "small_max is below %zu", size);
}

/*
 * The usable size of a request of more than 512 bytes: of each doubling, sizes
 * of which 8 to 15 fill a run, in multiples of 16.
 */
static inline size_t obm_usable_wide(size_t size)
{
	size_t top = roundup_pow_of_two(size), nr = 15;

	while (round_down(8 * top / nr, 16) < size)
		nr--;
	return round_down(8 * top / nr, 16);
}

/*
 * The usable size of a request, from the rule and not from the table: of the
 * sizes that yield as many blocks per pool the largest, or the one below it if
 * that alone is a multiple of 16 and still large enough.
 */
static inline size_t obm_usable(size_t size, size_t small_max)
{
	size_t step = round_up(max_t(size_t, size, 1), 8), last = step;

	if (step > small_max)
		return PAGE_ALIGN(size);
	if (step > 512)
		return obm_usable_wide(step);
	while (last + 8 <= min_t(size_t, small_max, 512) &&
	       PAGE_SIZE / (last + 8) == PAGE_SIZE / step)
		last += 8;
	return last % 16 && step < last ? last - 8 : last;
}

#endif /* OBM_KUNIT_COMMON_H */
