// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random operations on a heap, compared with a model after each: where every
 * block is, how large, what it holds, and what the heap's figures must be.
 */
#include <linux/minmax.h>
#include <linux/moduleparam.h>
#include <linux/prandom.h>
#include <linux/random.h>

#include "common.h"

#define NR_SLOTS	512
#define NR_STEPS	60000

static unsigned int seed;
module_param(seed, uint, 0644);
MODULE_PARM_DESC(seed, "of the random operations, 0 for a new one each time");

/**
 * struct slot - what the model knows of a block
 * @ptr: the block, or NULL
 * @size: what was asked for
 * @usable: what it must have
 * @fill: byte that it is full of
 */
struct slot {
	u8 *ptr;
	size_t size;
	size_t usable;
	u8 fill;
};

/**
 * struct model - what a heap must look like
 * @heap: the heap
 * @slots: its blocks
 * @rnd: random numbers
 * @small_max: of the loaded module
 * @small_bytes: usable bytes of blocks up to that
 * @raw_bytes: of those above
 * @nr_small: blocks up to that
 * @nr_raw: blocks above
 * @nr_allocs: allocations so far
 * @nr_frees: frees so far
 * @nr_failed: allocations that got NULL
 */
struct model {
	struct obm_heap *heap;
	struct slot slots[NR_SLOTS];
	struct rnd_state rnd;
	size_t small_max;
	u64 small_bytes;
	u64 raw_bytes;
	u64 nr_small;
	u64 nr_raw;
	u64 nr_allocs;
	u64 nr_frees;
	u64 nr_failed;
};

static u32 below(struct model *m, u32 end)
{
	return prandom_u32_state(&m->rnd) % end;
}

/* Small ones mostly, of all sizes alike; some pages, seldom very many. */
static size_t random_size(struct model *m)
{
	switch (below(m, 64)) {
	case 0:
		return below(m, 1 << 18);
	case 1 ... 4:
		return below(m, 20000);
	case 5 ... 16:
		return below(m, 64);
	default:
		return below(m, m->small_max + 8);
	}
}

static void model_add(struct model *m, struct slot *slot, void *ptr,
		      size_t size)
{
	slot->ptr = ptr;
	slot->size = size;
	slot->usable = obm_usable(size, m->small_max);
	slot->fill = below(m, 255) + 1;
	if (round_up(size, 8) <= m->small_max) {
		m->small_bytes += slot->usable;
		m->nr_small++;
	} else {
		m->raw_bytes += slot->usable;
		m->nr_raw++;
	}
	m->nr_allocs++;
}

static void model_del(struct model *m, struct slot *slot)
{
	if (round_up(slot->size, 8) <= m->small_max) {
		m->small_bytes -= slot->usable;
		m->nr_small--;
	} else {
		m->raw_bytes -= slot->usable;
		m->nr_raw--;
	}
	m->nr_frees++;
	slot->ptr = NULL;
}

static void do_alloc(struct kunit *test, struct model *m, struct slot *slot)
{
	bool zero = below(m, 2);
	size_t size = random_size(m);
	void *ptr = obm_alloc(m->heap, size,
			      GFP_KERNEL | (zero ? __GFP_ZERO : 0));

	if (!ptr) {
		m->nr_failed++;
		return;
	}
	model_add(m, slot, ptr, size);
	KUNIT_EXPECT_EQ(test, obm_usable_size(ptr), slot->usable);
	KUNIT_EXPECT_EQ(test, (unsigned long)ptr %
			obm_block_align(slot->usable), 0UL);
	if (zero)
		KUNIT_EXPECT_TRUE(test, obm_is_filled(ptr, 0, slot->usable));
	obm_fill(ptr, slot->fill, slot->usable);
}

static void do_free(struct kunit *test, struct model *m, struct slot *slot)
{
	KUNIT_EXPECT_TRUE(test, obm_is_filled(slot->ptr, slot->fill,
					      slot->usable));
	if (below(m, 2))
		obm_free(slot->ptr);
	else
		obm_free_sized(m->heap, slot->ptr, slot->size);
	model_del(m, slot);
}

/* Moves where the usable size changes, but for raw blocks that shrink. */
static void do_realloc(struct kunit *test, struct model *m, struct slot *slot)
{
	size_t size = random_size(m), usable = obm_usable(size, m->small_max);
	bool raw = round_up(size, 8) > m->small_max;
	bool was_raw = round_up(slot->size, 8) > m->small_max;
	struct slot old = *slot;
	size_t kept = min(usable, old.usable);
	void *ptr = obm_realloc(m->heap, old.ptr, size,
				GFP_KERNEL | __GFP_ZERO);

	if (!ptr) {
		KUNIT_EXPECT_TRUE(test, obm_is_filled(old.ptr, old.fill,
						      old.usable));
		m->nr_failed++;
		return;
	}
	KUNIT_EXPECT_EQ(test, obm_usable_size(ptr), usable);
	KUNIT_EXPECT_EQ(test, ptr == (void *)old.ptr, usable == old.usable ||
			(raw && was_raw && usable < old.usable));
	KUNIT_EXPECT_TRUE(test, obm_is_filled(ptr, old.fill,
					      min(kept, size)));
	if (usable > old.usable)
		KUNIT_EXPECT_TRUE(test, obm_is_filled(ptr + old.usable, 0,
						      usable - old.usable));
	if (ptr == (void *)old.ptr) {
		m->nr_frees--;
		m->nr_allocs--;
	}
	model_del(m, slot);
	model_add(m, slot, ptr, size);
	obm_fill(ptr, slot->fill, slot->usable);
}

static void compare(struct kunit *test, struct model *m)
{
	struct obm_stats s = obm_get(test, m->heap);

	KUNIT_EXPECT_EQ(test, s.used_bytes, m->small_bytes);
	KUNIT_EXPECT_EQ(test, s.raw_bytes, m->raw_bytes);
	KUNIT_EXPECT_EQ(test, s.nr_blocks, m->nr_small);
	KUNIT_EXPECT_EQ(test, s.nr_raw, m->nr_raw);
	KUNIT_EXPECT_EQ(test, s.nr_allocs, m->nr_allocs);
	KUNIT_EXPECT_EQ(test, s.nr_frees, m->nr_frees);
	KUNIT_EXPECT_EQ(test, s.nr_failed, m->nr_failed);
	KUNIT_EXPECT_EQ(test, s.nr_limited, m->nr_failed);
	KUNIT_EXPECT_TRUE(test, !s.limit_bytes ||
			  s.held_bytes <= s.limit_bytes);
	KUNIT_EXPECT_GE(test, s.peak_bytes, s.held_bytes);
}

static const size_t limits[] = { 0, 300 * 4096 };

static void limit_desc(const size_t *limit, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "limit=%zu", *limit);
}

KUNIT_ARRAY_PARAM(limit, limits, limit_desc);

static void operations_agree_with_the_model(struct kunit *test)
{
	u32 the_seed = seed ?: get_random_u32();
	unsigned int step, want = 0, i;
	struct slot *slot;
	struct model *m;

	m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m);
	prandom_seed_state(&m->rnd, the_seed);
	m->small_max = obm_small_max_is(test);
	if (m->small_max > 512 && *(const size_t *)test->param_value)
		kunit_skip(test, "at the limit pages stand in for wide classes");
	m->heap = obm_test_heap(test, *(const size_t *)test->param_value);

	for (step = 0; step < NR_STEPS; step++) {
		/* How full it shall be changes, so that arenas come and go. */
		if (step % 2000 == 0)
			want = below(m, 101);
		slot = &m->slots[below(m, NR_SLOTS)];
		if (slot->ptr && below(m, 4) == 0)
			do_realloc(test, m, slot);
		else if (slot->ptr && below(m, 100) >= want)
			do_free(test, m, slot);
		else if (!slot->ptr && below(m, 100) < want)
			do_alloc(test, m, slot);
		if (below(m, 500) == 0)
			obm_heap_trim(m->heap);
		compare(test, m);
		if (step % 128 == 0)
			KUNIT_EXPECT_EQ(test, obm_heap_validate(m->heap), 0);
		if (test->status == KUNIT_FAILURE) {
			kunit_err(test, "failed at step %u of seed=%u\n", step,
				  the_seed);
			break;
		}
	}
	for (i = 0; i < NR_SLOTS; i++)
		if (m->slots[i].ptr)
			do_free(test, m, &m->slots[i]);
	compare(test, m);
	obm_heap_trim(m->heap);
	KUNIT_EXPECT_EQ(test, obm_get(test, m->heap).nr_arenas, 0);
}

static struct kunit_case random_cases[] = {
	KUNIT_CASE_PARAM(operations_agree_with_the_model, limit_gen_params),
	{ }
};

static struct kunit_suite random_suite = {
	.name = "obmalloc_random",
	.init = obm_test_init,
	.exit = obm_test_exit,
	.test_cases = random_cases,
};

kunit_test_suite(random_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of random operations on obmalloc's heaps");
MODULE_LICENSE("GPL");
