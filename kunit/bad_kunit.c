// SPDX-License-Identifier: GPL-2.0-only
/*
 * obm_free() of what is no block: each is refused, reported once, counted once
 * in the right place, and changes nothing else.
 */
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "console.h"

static char module_data[64];

/* Frees @ptr, a mistake that @heap counts, or with NULL no heap. */
static void expect_refused(struct kunit *test, struct obm_heap *heap,
			   const void *ptr, enum obm_bad bad, const char *what)
{
	struct mistake m;

	mistake_begin(&m, heap);
	free_it(ptr);
	mistake_end(test, &m, bad, what);
	KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(console.lines[0],
					       " in free_it+0x"),
				  "%s: '%s'", what, console.lines[0]);
}

static void expect_foreign(struct kunit *test, const void *ptr,
			   const char *what, const char *kind)
{
	expect_refused(test, NULL, ptr, OBM_BAD_FOREIGN, what);
	KUNIT_EXPECT_EQ_MSG(test, console_find(kind), 1, "%s: '%s'", what,
			    console.lines[1]);
}

static void addresses_of_no_memory(struct kunit *test)
{
	/* So that there are pages that are ours, somewhere. */
	struct obm_heap *heap = obm_test_heap(test, 0);
	void *block = obm_must_alloc(test, heap, 64);

	expect_foreign(test, (void *)8, "near NULL", "a user address");
	expect_foreign(test, (void *)0x10000, "user", "a user address");
	expect_foreign(test, ZERO_SIZE_PTR, "ZERO_SIZE_PTR", "a user address");
	expect_foreign(test, ERR_PTR(-ENOMEM), "ERR_PTR", "an error code");
	expect_foreign(test, (void *)-8L, "the last word", "an error code");
	obm_free(block);
}

static void memory_of_others(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	void *block = obm_must_alloc(test, heap, 64);
	void *kmalloced = kunit_kzalloc(test, 64, GFP_KERNEL);
	unsigned long on_stack[4] = { };
	void *vmalloced = vmalloc(64);

	KUNIT_ASSERT_NOT_NULL(test, kmalloced);
	KUNIT_ASSERT_NOT_NULL(test, vmalloced);
	expect_foreign(test, kmalloced, "kmalloc", "in a page of somebody");
	expect_foreign(test, on_stack, "stack", "on this task's stack");
	expect_foreign(test, vmalloced, "vmalloc", "a vmalloc address");
	expect_foreign(test, heap, "a heap", "in a page of somebody");
	vfree(vmalloced);
	obm_free(block);
}

static void text_and_data(struct kunit *test)
{
	static const char kind[] = " is ";

	expect_foreign(test, (void *)kfree, "kernel text", kind);
	expect_foreign(test, (void *)&init_task, "kernel data", kind);
	expect_foreign(test, (void *)free_it, "module text", kind);
	expect_foreign(test, module_data, "module data", kind);
	expect_foreign(test, (void *)obm_free, "text of obmalloc", kind);
}

/* Pages whose spare words are used by their owner, or were by us. */
static void pages_of_others(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	struct page *page = alloc_pages(GFP_KERNEL, 0), *ours;
	void *block = obm_must_alloc(test, heap, 64), *addr;

	KUNIT_ASSERT_NOT_NULL(test, page);
	addr = page_address(page);
	expect_foreign(test, addr, "a page", " is ");
	/* Half of what marks a page as ours marks none. */
	ours = virt_to_page(block);
	set_page_private(page, page_private(ours));
	expect_foreign(test, addr, "a page with our private word", " is ");
	set_page_private(page, 0);
	__free_page(page);
	expect_foreign(test, addr, "a freed page", " is ");
	obm_free(block);
}

static void misaligned_pointers(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	void *small = obm_must_alloc(test, heap, 64);
	void *raw = obm_must_alloc(test, heap, 2 * PAGE_SIZE);
	enum obm_bad bad = OBM_BAD_MISALIGNED;

	expect_refused(test, heap, small + 1, bad, "small + 1");
	expect_refused(test, heap, small + 4, bad, "small + 4");
	expect_refused(test, heap, small + 63, bad, "small + 63");
	expect_refused(test, heap, raw + 4, bad, "raw + 4");
	expect_refused(test, heap, raw + 2 * PAGE_SIZE - 1, bad, "raw's end");
	obm_free(small);
	obm_free(raw);
}

static void interior_pointers(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	void *small = obm_must_alloc(test, heap, 64);
	void *raw = obm_must_alloc(test, heap, 3 * PAGE_SIZE);
	enum obm_bad bad = OBM_BAD_INTERIOR;

	expect_refused(test, heap, small + 8, bad, "small + 8");
	KUNIT_EXPECT_GT(test, console_find("64 bytes), block 0, offset 8"), 0);
	expect_refused(test, heap, small + 56, bad, "small + 56");
	/* In no allocated block, but not at the start of one either. */
	expect_refused(test, heap, small + 72, bad, "in a free block");
	expect_refused(test, heap, raw + 8, bad, "raw + 8");
	expect_refused(test, heap, raw + PAGE_SIZE, bad, "raw + a page");
	expect_refused(test, heap, raw + 3 * PAGE_SIZE - 8, bad, "raw's end");
	obm_free(small);
	obm_free(raw);
}

/* Behind the last block: 4096 is no multiple of 72. */
static void pool_tail(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	void *block, *tail;

	obm_need_small(test, 72);
	block = obm_must_alloc(test, heap, 72);
	tail = block + rounddown(PAGE_SIZE, obm_usable_size(block));
	expect_refused(test, heap, tail, OBM_BAD_INTERIOR, "tail");
	expect_refused(test, heap, block + PAGE_SIZE - 8, OBM_BAD_INTERIOR,
		       "last word of the pool");
	expect_refused(test, heap, tail + 1, OBM_BAD_MISALIGNED, "tail + 1");
	obm_free(block);
}

/* The pool holds nothing any more, but is still the heap's. */
static void stale_pointers(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	void *kept, *gone, *other;

	obm_need_small(test, 512);
	kept = obm_must_alloc(test, heap, 64);
	gone = obm_must_alloc(test, heap, 512);
	obm_free(gone);
	expect_refused(test, heap, gone, OBM_BAD_STALE, "unused pool");
	expect_refused(test, heap, gone + 3, OBM_BAD_STALE, "misaligned too");

	/* The same pool serves another class: a pointer of the old one. */
	other = obm_must_alloc(test, heap, 264);
	KUNIT_EXPECT_PTR_EQ(test, other, gone);
	expect_refused(test, heap, gone + 512, OBM_BAD_INTERIOR, "reused pool");
	obm_free(other);

	/* The whole arena is unused, a spare one. */
	obm_free(kept);
	expect_refused(test, heap, kept, OBM_BAD_STALE, "spare arena");
	obm_heap_trim(heap);
	expect_refused(test, NULL, kept, OBM_BAD_FOREIGN, "trimmed arena");
	/* The page allocator clears only the first page of what it gets. */
	expect_refused(test, NULL, gone, OBM_BAD_FOREIGN, "its second page");
	rcu_barrier();
	expect_refused(test, NULL, gone, OBM_BAD_FOREIGN, "after a while");
}

/* A page that went back alone is nobody's, its neighbours are still ours. */
static void stale_after_partial_trim(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	void *kept, *gone;

	obm_need_small(test, 512);
	kept = obm_must_alloc(test, heap, 64);
	gone = obm_must_alloc(test, heap, 512);
	obm_free(gone);
	KUNIT_EXPECT_EQ(test, obm_heap_trim(heap),
			(OBM_TEST_POOLS - 1) * PAGE_SIZE);
	expect_refused(test, NULL, gone, OBM_BAD_FOREIGN, "returned page");
	KUNIT_EXPECT_TRUE(test, obm_owns(heap, kept));
	obm_free(kept);
	expect_refused(test, NULL, kept, OBM_BAD_FOREIGN, "returned arena");
}

/* For maps of one word and of several, first, inner and last blocks. */
static void double_frees(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	static const size_t sizes[] = { 8, 64, 72 };
	unsigned int i, nr;
	void *first, *last;
	size_t usable;

	obm_need_small(test, 72);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		first = obm_must_alloc(test, heap, sizes[i]);
		usable = obm_usable_size(first);
		nr = PAGE_SIZE / usable;
		/* Never allocated, which is as free as freed. */
		last = first + (nr - 1) * usable;
		expect_refused(test, heap, last, OBM_BAD_DOUBLE, "last block");
		last = obm_must_alloc(test, heap, sizes[i]);
		obm_free(first);
		expect_refused(test, heap, first, OBM_BAD_DOUBLE, "doubled");
		obm_free(last);
		/* With its last block the pool is gone. */
		expect_refused(test, heap, last, OBM_BAD_STALE, "emptied");
	}
}

static void double_frees_of_raw_blocks(struct kunit *test)
{
	struct obm_heap *heap = obm_test_heap(test, 0);
	void *raw = obm_must_alloc(test, heap, 3 * PAGE_SIZE), *shrunk;

	shrunk = obm_realloc(heap, raw, 2 * PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_PTR_EQ(test, shrunk, raw);
	expect_refused(test, NULL, raw + 2 * PAGE_SIZE, OBM_BAD_FOREIGN,
		       "page that a shrink gave back");
	obm_free(raw);
	expect_refused(test, NULL, raw, OBM_BAD_FOREIGN, "doubled raw");
	expect_refused(test, NULL, raw + 4, OBM_BAD_FOREIGN, "misaligned too");

	raw = obm_must_alloc(test, heap, 4 * PAGE_SIZE);
	obm_free(raw);
	expect_refused(test, NULL, raw, OBM_BAD_FOREIGN, "doubled whole run");
	expect_refused(test, NULL, raw + PAGE_SIZE, OBM_BAD_FOREIGN,
		       "its second page");
}

static struct kunit_case bad_cases[] = {
	KUNIT_CASE_SLOW(addresses_of_no_memory),
	KUNIT_CASE(memory_of_others),
	KUNIT_CASE(text_and_data),
	KUNIT_CASE(pages_of_others),
	KUNIT_CASE_SLOW(misaligned_pointers),
	KUNIT_CASE(interior_pointers),
	KUNIT_CASE(pool_tail),
	KUNIT_CASE_SLOW(stale_pointers),
	KUNIT_CASE(stale_after_partial_trim),
	KUNIT_CASE(double_frees),
	KUNIT_CASE(double_frees_of_raw_blocks),
	{ }
};

static struct kunit_suite bad_suite = {
	.name = "obmalloc_bad",
	.suite_init = console_init,
	.suite_exit = console_exit,
	.init = obm_test_init,
	.exit = obm_test_exit,
	.test_cases = bad_cases,
};

kunit_test_suite(bad_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of obmalloc's answers to bad pointers");
MODULE_LICENSE("GPL");
