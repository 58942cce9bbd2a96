// SPDX-License-Identifier: GPL-2.0-only
/* The words of reports: they are what a reader and a CI system go by. */
#include "order.h"

/* One report, with @title and, if given, @detail; counted in @bad. */
static void expect(struct obm_heap *heap, enum obm_bad bad, const char *title,
		   const char *detail)
{
	char line[80];

	snprintf(line, sizeof(line), "BUG: OBM: %s in ", title);
	if (!CHECK(sim_log_count("BUG: OBM: ") == 1 && sim_log_count(line) == 1))
		printf("#   no \"%s\"\n", line);
	if (detail && !CHECK(sim_log_count(detail) == 1))
		printf("#   no \"%s\"\n", detail);
	if (heap)
		CHECK_EQ(order_stats(heap).nr_bad[bad], 1);
	else
		CHECK_EQ(atomic_long_read(&obm_nr_bad[bad]), 1);
	sim_log_clear();
}

static void test_titles(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);
	struct obm_heap *other = obm_heap_create("other", NULL);
	size_t size = order_few();
	void *user = (void *)8;
	char *a = obm_alloc(heap, size, GFP_KERNEL);
	char *b = obm_alloc(heap, size, GFP_KERNEL);
	char *whole = obm_alloc(heap, WHOLE, GFP_KERNEL);
	char *raw = obm_alloc(heap, 2 * PAGE_SIZE, GFP_KERNEL);

	CHECK(sim_log_count("BUG") == 0);
	obm_free(a + 3);
	expect(heap, OBM_BAD_MISALIGNED, "misaligned pointer", "offset 3");
	obm_free(raw + PAGE_SIZE);
	expect(heap, OBM_BAD_INTERIOR, "interior pointer", "raw block of 2 pages");
	obm_free(b);
	obm_free(b);
	expect(heap, OBM_BAD_DOUBLE, "double free", "block 1, offset 0");
	obm_free(whole);
	obm_free(whole);
	expect(heap, OBM_BAD_STALE, "stale pointer", "heap order, node 0");
	obm_free_sized(other, a, size);
	expect(other, OBM_BAD_HEAP, "wrong heap", "in heap other so far");
	obm_free_sized(heap, a, 1);
	expect(heap, OBM_BAD_SIZE, "wrong size", NULL);
	obm_alloc(other, PAGE_SIZE + 1, GFP_KERNEL | __GFP_NOFAIL);
	expect(other, OBM_BAD_NOFAIL, "__GFP_NOFAIL above one page", NULL);
	OPTIMIZER_HIDE_VAR(user);
	obm_free_sized(other, user, 8);
	expect(other, OBM_BAD_FOREIGN, "foreign pointer", "a user address");
	/* Nothing was freed but what was meant. */
	CHECK_EQ(order_stats(heap).nr_blocks, 1);
	CHECK_EQ(order_stats(heap).nr_raw, 1);
	obm_heap_destroy(other);
	order_end(heap, 2);
}

static void test_foreign(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);
	struct page *page = alloc_pages(GFP_KERNEL, 0);
	static char elsewhere[16];
	const struct {
		const void *ptr;
		const char *kind;
	} kinds[] = {
		{ (void *)16, "a user address" },
		{ ERR_PTR(-ENOMEM), "an error code" },
		{ __builtin_frame_address(0), "on this task's stack" },
		{ sim_vmalloc_area, "a vmalloc address" },
		{ page_address(page), "in a page of somebody else" },
		{ elsewhere, "no address of memory" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		WRITE_ONCE(obm_nr_bad[OBM_BAD_FOREIGN].counter, 0);
		obm_free(kinds[i].ptr);
		expect(NULL, OBM_BAD_FOREIGN, "foreign pointer", kinds[i].kind);
	}
	__free_page(page);
	order_end(heap, 0);
}

/* The log is spared a flood, the counters are not. */
static void test_ratelimit(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);
	unsigned int i;

	sim_report_all = false;
	for (i = 0; i < 1000; i++)
		obm_free((void *)8);
	CHECK(sim_log_count("BUG: OBM: foreign") < 100);
	CHECK_EQ(atomic_long_read(&obm_nr_bad[OBM_BAD_FOREIGN]), 1000);
	sim_report_all = true;
	order_end(heap, 0);
}

static void test_leaks(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);
	char line[80];
	int i;

	for (i = 0; i < 3; i++)
		obm_alloc(heap, 16, GFP_KERNEL);
	obm_alloc(heap, 5 * PAGE_SIZE, GFP_KERNEL);
	obm_alloc(heap, 2 * PAGE_SIZE, GFP_KERNEL);
	CHECK_EQ(obm_heap_destroy(heap), 5);
	snprintf(line, sizeof(line), "heap order: 3 blocks of %u bytes leaked\n",
		 obm_classes[class_index(16)].size);
	CHECK(sim_log_count(line) == 1);
	CHECK(sim_log_count("heap order: 2 raw blocks of 7 pages leaked\n") == 1);
	CHECK(sim_log_count("leaked") == 2);
	sim_end();
}

/* A heap that is none is the caller's bug, not a crash. */
static void test_no_heap(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);

	sim_expect_warn = true;
	CHECK(!obm_alloc_node(NULL, 8, GFP_KERNEL, 0));
	CHECK(!obm_calloc(ERR_PTR(-EEXIST), 8, 1, GFP_KERNEL));
	CHECK_EQ(sim_nr_warn, 2);
	sim_expect_warn = false;
	order_end(heap, 0);
}

static void test_gfp(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE);
	void *ptr;

	/* Flags of pages that no block can have are dropped, with a word. */
	ptr = obm_alloc(heap, 8, GFP_KERNEL | __GFP_COMP | __GFP_MOVABLE);
	CHECK(ptr && sim_log_count("GFP flags") == 0);
	obm_free(ptr);
	ptr = obm_alloc(heap, 2 * PAGE_SIZE, GFP_HIGHUSER);
	CHECK(ptr && sim_log_count("heap order: GFP flags") == 1);
	obm_free(ptr);
	/* A zone makes a raw block of any size. */
	ptr = obm_alloc(heap, 8, GFP_KERNEL | __GFP_DMA);
	CHECK(obm_usable_size(ptr) == PAGE_SIZE);
	CHECK_EQ(order_stats(heap).nr_raw, 1);
	obm_free_sized(heap, ptr, 8);
	CHECK_EQ(order_stats(heap).nr_raw, 0);
	order_end(heap, 0);
}

/* What the page allocator was told for a block of @size. */
static gfp_t told(struct obm_heap *heap, size_t size, gfp_t gfp, bool many)
{
	sim_fault.max_order = many ? -1 : 0;
	obm_heap_trim(heap);
	obm_free(obm_alloc(heap, size, gfp));
	sim_fault.max_order = -1;
	return sim_fault.gfp[many];
}

static void test_gfp_pages(void)
{
	struct obm_heap *heap = order_start(0, NUMA_NO_NODE), *other;
	struct obm_heap_attrs attrs = OBM_HEAP_ATTRS_INIT;
	gfp_t gfp, wish = __GFP_NORETRY | __GFP_NOWARN | __GFP_NOMEMALLOC;

	nr_online_nodes = 1;
	/* A single page is asked for as the caller asks. */
	gfp = GFP_NOFS | __GFP_HARDWALL | __GFP_ACCOUNT | __GFP_RETRY_MAYFAIL;
	CHECK(told(heap, 8, gfp, false) == gfp);
	CHECK(told(heap, PAGE_SIZE, gfp | __GFP_ZERO, false) ==
	      (PAGE_SIZE > WHOLE ? (gfp | __GFP_ZERO) : gfp));
	CHECK(told(heap, 8, GFP_ATOMIC | __GFP_MEMALLOC, false) ==
	      (GFP_ATOMIC | __GFP_MEMALLOC));
	/* A run is a wish that disturbs nobody. */
	gfp = told(heap, 8, GFP_ATOMIC | __GFP_MEMALLOC | __GFP_ACCOUNT, true);
	CHECK(!(gfp & (__GFP_RECLAIM | __GFP_HIGH | __GFP_MEMALLOC)));
	CHECK((gfp & wish) == wish && (gfp & __GFP_ACCOUNT));
	/* A raw block's run is no wish, and comes zeroed. */
	gfp = GFP_KERNEL | __GFP_ZERO | __GFP_DMA32;
	CHECK(told(heap, 2 * PAGE_SIZE, gfp, true) == gfp);
	CHECK(told(heap, 8, gfp, false) == gfp);
	CHECK(told(heap, 8, GFP_DMA | __GFP_DMA32, false) & __GFP_DMA);

	attrs.flags = OBM_HEAP_ACCOUNT;
	other = obm_heap_create("other", &attrs);
	CHECK(told(other, 8, GFP_KERNEL, false) == GFP_KERNEL_ACCOUNT);
	obm_heap_destroy(other);
	attrs.flags = OBM_HEAP_RECLAIMABLE;
	attrs.node = 1;
	other = obm_heap_create("other", &attrs);
	CHECK(told(other, 8, GFP_KERNEL, false) ==
	      (GFP_KERNEL | __GFP_RECLAIMABLE | __GFP_THISNODE));
	obm_heap_destroy(other);
	order_end(heap, 0);
}

const struct tap_test order_report_tests[] = {
	{ "report: the title of each mistake", test_titles },
	{ "report: what a foreign pointer is", test_foreign },
	{ "report: rate limit", test_ratelimit },
	{ "report: leaks by class", test_leaks },
	{ "report: no heap", test_no_heap },
	{ "report: GFP flags", test_gfp },
	{ "gfp: what the page allocator is told", test_gfp_pages },
};

const unsigned int order_nr_report_tests = ARRAY_SIZE(order_report_tests);
