// SPDX-License-Identifier: GPL-2.0-only
/*
 * GFP flags: what each does to a block, which are dropped, and that memory that
 * may not be waited for is not.
 */
#include <linux/interrupt.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "common.h"

static const size_t sizes[] = {
	0, 1, 8, 24, 63, 64, 304, 512, 513, 4096, 5000, 12288, 65536, 100000,
};

/* Allocates what was full of other bytes a moment ago. */
static void *alloc_dirty(struct kunit *test, struct obm_heap *heap, size_t size,
			 gfp_t gfp)
{
	void *ptrs[4], *ptr;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ptrs); i++) {
		ptrs[i] = obm_must_alloc(test, heap, size);
		obm_fill(ptrs[i], 0xff, obm_usable_size(ptrs[i]));
	}
	while (i--)
		obm_free(ptrs[i]);
	ptr = obm_alloc(heap, size, gfp);
	KUNIT_ASSERT_NOT_NULL(test, ptr);
	return ptr;
}

static void zero_zeroes_all_that_is_usable(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	unsigned int i;
	void *ptr;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		ptr = alloc_dirty(test, heap, sizes[i],
				  GFP_KERNEL | __GFP_ZERO);
		KUNIT_EXPECT_TRUE_MSG(test, obm_is_filled(ptr, 0,
							  obm_usable_size(ptr)),
				      "size %zu", sizes[i]);
		obm_fill(ptr, 0xff, obm_usable_size(ptr));
		obm_free(ptr);
		ptr = obm_zalloc(heap, sizes[i], GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, ptr);
		KUNIT_EXPECT_TRUE_MSG(test, obm_is_filled(ptr, 0,
							  obm_usable_size(ptr)),
				      "size %zu", sizes[i]);
		obm_free(ptr);
	}
}

/* Without __GFP_ZERO, where the system asks for it (init_on_alloc=1). */
static void init_on_alloc_is_obeyed(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	unsigned int i;
	void *ptr;

	if (!want_init_on_alloc(0))
		kunit_skip(test, "booted without init_on_alloc=1");
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		ptr = alloc_dirty(test, heap, sizes[i], GFP_KERNEL);
		KUNIT_EXPECT_TRUE_MSG(test, obm_is_filled(ptr, 0,
							  obm_usable_size(ptr)),
				      "size %zu", sizes[i]);
		obm_free(ptr);
	}
}

/* Nothing is written into a block that nobody wants zeroed. */
static void nothing_else_is_zeroed(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	void *ptr;

	if (want_init_on_alloc(0) || want_init_on_free())
		kunit_skip(test, "booted with init_on_alloc or init_on_free");
	obm_need_small(test, 64);
	ptr = alloc_dirty(test, heap, 64, GFP_KERNEL);
	KUNIT_EXPECT_TRUE(test, obm_is_filled(ptr, 0xff, 64));
	obm_free(ptr);
}

/* What is freed is cleared before anybody else gets it (init_on_free=1). */
static void init_on_free_is_obeyed(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	void *ptr, *other;

	if (!want_init_on_free())
		kunit_skip(test, "booted without init_on_free=1");
	obm_need_small(test, 64);
	other = obm_must_alloc(test, heap, 64);
	ptr = obm_must_alloc(test, heap, 64);
	obm_fill(ptr, 0xff, 64);
	obm_free(ptr);
	/* The pool is still the heap's, so its memory may be looked at. */
	if (!IS_ENABLED(CONFIG_KASAN))
		KUNIT_EXPECT_TRUE(test, obm_is_filled(ptr, 0, 64));
	obm_free(other);
}

/* A zone that arenas are not of: whole pages of it, whatever the size. */
static void dma_zones_give_whole_pages(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	static const gfp_t zones[] = {
		__GFP_DMA, __GFP_DMA32, __GFP_DMA | __GFP_DMA32,
	};
	unsigned int i, j, zone;
	struct obm_stats s;
	void *ptr;

	for (i = 0; i < ARRAY_SIZE(zones); i++) {
		/* Of both the narrower one, as with kmalloc(). */
		zone = gfp_zone(zones[i] & __GFP_DMA ?: __GFP_DMA32);
		for (j = 0; j < ARRAY_SIZE(sizes); j++) {
			ptr = obm_alloc(heap, sizes[j], GFP_KERNEL | zones[i]);
			KUNIT_ASSERT_NOT_NULL(test, ptr);
			s = obm_get(test, heap);
			KUNIT_EXPECT_EQ(test, s.nr_raw, 1);
			KUNIT_EXPECT_EQ(test, s.raw_bytes,
					max(PAGE_ALIGN(sizes[j]), PAGE_SIZE));
			KUNIT_EXPECT_LE(test, page_zonenum(virt_to_page(ptr)),
					zone);
			if (j % 2)
				obm_free(ptr);
			else
				obm_free_sized(heap, ptr, s.raw_bytes);
		}
	}
}

/* As kmalloc() does: such flags say nothing about a block. */
static void flags_not_for_blocks_are_dropped(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	static const gfp_t flags[] = {
		__GFP_HIGHMEM, __GFP_COMP, __GFP_MOVABLE,
		__GFP_HIGHMEM | __GFP_MOVABLE,
		__GFP_HIGHMEM | __GFP_COMP | __GFP_MOVABLE | __GFP_ZERO,
	};
	unsigned int i, j;
	struct page *page;
	void *ptr;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		for (j = 0; j < ARRAY_SIZE(sizes); j++) {
			ptr = obm_alloc(heap, sizes[j], GFP_KERNEL | flags[i]);
			KUNIT_ASSERT_NOT_NULL(test, ptr);
			page = virt_to_page(ptr);
			KUNIT_EXPECT_FALSE(test, PageHighMem(page));
			KUNIT_EXPECT_FALSE(test, PageCompound(page));
			obm_fill(ptr, 0x11, obm_usable_size(ptr));
			obm_free(ptr);
		}
		obm_heap_trim(heap);
	}
	obm_expect_sound(test, heap);
}

static void flags_that_block_nothing(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	static const gfp_t flags[] = {
		GFP_KERNEL, GFP_ATOMIC, GFP_NOWAIT, GFP_NOIO, GFP_NOFS,
		GFP_KERNEL_ACCOUNT, GFP_USER, GFP_KERNEL | __GFP_NORETRY,
		GFP_KERNEL | __GFP_RETRY_MAYFAIL, GFP_KERNEL | __GFP_NOWARN,
		GFP_KERNEL | __GFP_MEMALLOC, GFP_KERNEL | __GFP_NOMEMALLOC,
		GFP_KERNEL | __GFP_THISNODE, GFP_KERNEL | __GFP_RECLAIMABLE,
		GFP_KERNEL | __GFP_WRITE, GFP_KERNEL | __GFP_NOFAIL, 0,
	};
	unsigned int i, j;
	void *ptr;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		for (j = 0; j < ARRAY_SIZE(sizes); j++) {
			if (flags[i] & __GFP_NOFAIL && sizes[j] > PAGE_SIZE)
				continue;
			ptr = obm_alloc(heap, sizes[j], flags[i]);
			KUNIT_EXPECT_NOT_NULL_MSG(test, ptr, "%x, size %zu",
						  (__force u32)flags[i],
						  sizes[j]);
			obm_free(ptr);
		}
		/* Arenas and descriptors anew, with the next flags. */
		obm_heap_trim(heap);
	}
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_failed, 0);
}

/* New arenas, raw pages, moves and a trim; returns how many got NULL. */
static unsigned int alloc_and_free(struct obm_heap *heap)
{
	unsigned int i, failed = 0;
	void *ptrs[16], *ptr;

	for (i = 0; i < ARRAY_SIZE(ptrs); i++) {
		ptr = obm_alloc(heap, 8 << i % 12, GFP_ATOMIC);
		ptrs[i] = obm_realloc(heap, ptr, 24 << i % 10, GFP_ATOMIC);
		failed += !ptrs[i];
	}
	for (i = 0; i < ARRAY_SIZE(ptrs); i++)
		obm_free(ptrs[i]);
	obm_heap_trim(heap);
	return failed;
}

/*
 * With interrupts off, under a spinlock and in a bottom half. If anything
 * sleeps, DEBUG_ATOMIC_SLEEP and lockdep see it.
 */
static void atomic_contexts(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	static DEFINE_SPINLOCK(lock);
	unsigned int failed = 0;
	unsigned long flags;

	local_irq_save(flags);
	failed += alloc_and_free(heap);
	local_irq_restore(flags);
	spin_lock(&lock);
	failed += alloc_and_free(heap);
	spin_unlock(&lock);
	local_bh_disable();
	failed += alloc_and_free(heap);
	local_bh_enable();
	KUNIT_EXPECT_EQ(test, failed, 0U);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_arenas, 0);
}

/* A node that does not exist is no wish, and a heap's own node wins. */
static void odd_nodes_are_ignored(struct kunit *test)
{
	static const int nodes[] = {
		NUMA_NO_NODE, -2, INT_MIN, MAX_NUMNODES, INT_MAX, 0,
	};
	struct obm_heap *bound = obm_test_heap(test, 0), *heap;
	unsigned int i;
	void *ptr;

	heap = obm_heap_create("kunit_any_node", NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, heap);
	for (i = 0; i < ARRAY_SIZE(nodes); i++) {
		ptr = obm_alloc_node(heap, 64, GFP_KERNEL, nodes[i]);
		KUNIT_EXPECT_NOT_NULL(test, ptr);
		obm_free(ptr);
		ptr = obm_alloc_node(heap, 8192, GFP_KERNEL, nodes[i]);
		KUNIT_EXPECT_NOT_NULL(test, ptr);
		obm_free(ptr);
		ptr = obm_alloc_node(bound, 64, GFP_KERNEL, nodes[i]);
		KUNIT_ASSERT_NOT_NULL(test, ptr);
		KUNIT_EXPECT_EQ(test, page_to_nid(virt_to_page(ptr)),
				first_node(node_states[N_MEMORY]));
		obm_free(ptr);
	}
	KUNIT_EXPECT_EQ(test, obm_heap_destroy(heap), 0UL);
}

static struct kunit_case gfp_cases[] = {
	KUNIT_CASE(zero_zeroes_all_that_is_usable),
	KUNIT_CASE(init_on_alloc_is_obeyed),
	KUNIT_CASE(init_on_free_is_obeyed),
	KUNIT_CASE(nothing_else_is_zeroed),
	KUNIT_CASE(dma_zones_give_whole_pages),
	KUNIT_CASE(flags_not_for_blocks_are_dropped),
	KUNIT_CASE(flags_that_block_nothing),
	KUNIT_CASE(atomic_contexts),
	KUNIT_CASE(odd_nodes_are_ignored),
	{ }
};

static struct kunit_suite gfp_suite = {
	.name = "obmalloc_gfp",
	.init = obm_test_init,
	.exit = obm_test_exit,
	.test_cases = gfp_cases,
};

kunit_test_suite(gfp_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of the GFP flags that obmalloc obeys");
MODULE_LICENSE("GPL");
