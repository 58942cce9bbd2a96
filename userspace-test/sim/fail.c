// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that runs out: a fixed script, in which each allocation of pages and
 * of slab objects fails in turn. Whatever fails, blocks keep their content, the
 * heap stays sound, and destroying it gives everything back.
 */
#include "sim.h"
#include "internal.h"
#include "tap.h"

#define NR_SLOTS	64

struct slot {
	unsigned char *ptr;
	size_t size;
};

/**
 * struct script - one run of it
 * @heap: of the blocks
 * @single: no page alone is refused more than once, so that small requests
 *	    must get by
 * @limit: of the heap
 * @nulls: requests that got nothing
 */
struct script {
	struct obm_heap *heap;
	bool single;
	size_t limit;
	unsigned int nulls;
	struct slot slots[NR_SLOTS];
};

/* Every byte of a small block, some of a long one. */
static size_t stride(const struct slot *slot)
{
	return slot->size > 4096 ? 509 : 1;
}

static unsigned char byte_at(const struct slot *slot, size_t i)
{
	return slot->size * 7 + i;
}

static void verify(const struct slot *slot, size_t size)
{
	bool same = true;
	size_t i;

	for (i = 0; i < size; i += stride(slot))
		same &= slot->ptr[i] == byte_at(slot, i);
	CHECK(same);
}

static void fill(struct slot *slot)
{
	size_t i;

	for (i = 0; i < slot->size; i += stride(slot))
		slot->ptr[i] = byte_at(slot, i);
}

static void check_limit(struct script *s)
{
	struct obm_stats stats;

	obm_heap_stats(s->heap, &stats);
	CHECK(!s->limit || stats.held_bytes <= s->limit);
	CHECK(!s->limit || stats.peak_bytes <= s->limit);
	CHECK(stats.peak_bytes >= stats.held_bytes);
}

static void check_null(struct script *s, size_t size, unsigned long failed)
{
	s->nulls++;
	CHECK(sim_fault.failed != failed || s->limit);
	if (s->single && size <= obm_small_max &&
	    obm_classes[class_index(size)].order) {
		/* A wide pool, and pages in its place, both are runs. */
		check_limit(s);
		return;
	}
	/* Where a run is refused, single pages make an arena. */
	if (s->single && size <= obm_small_max)
		CHECK(sim_fault.hit_order <= 0);
	/* And with another node about, not even those are missed. */
	if (s->single && size <= obm_small_max && nr_online_nodes > 1)
		CHECK(sim_fault.hit_order < (node_has_page() ? 1 : 0));
	check_limit(s);
}

static void get(struct script *s, unsigned int i, size_t size, gfp_t gfp)
{
	struct slot *slot = &s->slots[i];
	unsigned long failed = sim_fault.failed;

	slot->size = size;
	slot->ptr = obm_alloc(s->heap, size, gfp);
	if (!slot->ptr) {
		check_null(s, size, failed);
		return;
	}
	fill(slot);
	check_limit(s);
}

static void put(struct script *s, unsigned int i)
{
	struct slot *slot = &s->slots[i];

	if (slot->ptr)
		verify(slot, slot->size);
	obm_free(slot->ptr);
	slot->ptr = NULL;
}

static void resize(struct script *s, unsigned int i, size_t size)
{
	struct slot *slot = &s->slots[i];
	unsigned long failed = sim_fault.failed;
	unsigned char *ptr;

	if (!slot->ptr)
		return;
	ptr = obm_realloc(s->heap, slot->ptr, size, GFP_KERNEL);
	if (!ptr) {
		check_null(s, size, failed);
		verify(slot, slot->size);
		return;
	}
	slot->ptr = ptr;
	verify(slot, min(size, slot->size));
	slot->size = size;
	fill(slot);
}

/* Small blocks with maps and without, arenas that fill, empty and get holes. */
static void run_small(struct script *s, int nid)
{
	unsigned int i;

	sim_context.nid = nid;
	for (i = 0; i < 40; i++)
		get(s, i, i % 3 ? obm_small_max : 8 + i % 2 * 16, GFP_KERNEL);
	for (i = 0; i < 40; i += 2)
		put(s, i);
	obm_heap_trim(s->heap);
	for (i = 0; i < 40; i += 4)
		get(s, i, 8 + i, GFP_ATOMIC);
	sim_context.nid = 1;
	for (i = 40; i < 48; i++)
		get(s, i, obm_small_max - i, GFP_NOWAIT);
	sim_context.nid = 0;
	CHECK(obm_heap_validate(s->heap) == 0);
}

static void empty(struct script *s)
{
	unsigned int i;

	for (i = 0; i < NR_SLOTS; i++)
		put(s, i);
	obm_heap_trim(s->heap);
}

static void run_raw(struct script *s)
{
	unsigned int i;

	get(s, 48, PAGE_SIZE + 1, GFP_KERNEL);
	get(s, 49, 5 * PAGE_SIZE, GFP_ATOMIC);
	get(s, 50, 16 * PAGE_SIZE, GFP_KERNEL);
	get(s, 51, 10, GFP_KERNEL | __GFP_DMA);
	resize(s, 48, 3 * PAGE_SIZE);
	resize(s, 49, 2 * PAGE_SIZE + 5);
	resize(s, 50, obm_small_max);
	resize(s, 1, obm_small_max + PAGE_SIZE);
	resize(s, 3, 1);
	sim_preempt_rt = true;
	sim_context.atomic = true;
	put(s, 48);
	for (i = 1; i < 30; i++)
		put(s, i);
	sim_preempt_rt = false;
	sim_context.atomic = false;
	get(s, 52, 9 * PAGE_SIZE, GFP_KERNEL);
	CHECK(obm_heap_validate(s->heap) == 0);
	sim_run_work();
}

/* Returns how many requests got nothing, or -1 if there was not even a heap. */
static int run(struct script *s)
{
	const struct obm_heap_attrs attrs = {
		.node = NUMA_NO_NODE, .limit_bytes = s->limit
	};
	s->heap = obm_heap_create("script", &attrs);
	if (IS_ERR(s->heap)) {
		CHECK(PTR_ERR(s->heap) == (s->limit ? -EDQUOT : -ENOMEM));
		sim_check_empty();
		return -1;
	}
	/* Not from a node with memory: the pages tell which they are of. */
	run_small(s, 2);
	empty(s);
	run_small(s, 0);
	run_raw(s);
	empty(s);
	run_small(s, 1);
	empty(s);
	CHECK(obm_heap_validate(s->heap) == 0);
	CHECK(obm_heap_destroy(s->heap) == 0);
	sim_check_empty();
	return s->nulls;
}

static void each_in_turn(bool forever, unsigned int nodes)
{
	unsigned long n, hit;

	sim_start(min(512UL, OBM_SMALL_MAX), 1);
	nr_online_nodes = nodes;
	for (n = 1; ; n++) {
		struct script s = { .single = !forever };

		sim_fault_reset();
		sim_fault.nth = n;
		sim_fault.forever = forever;
		run(&s);
		hit = sim_fault.hit;
		if (tap_failures()) {
			printf("# allocation %lu failed\n", n);
			break;
		}
		if (!hit)
			break;
	}
	/* The script is worth it: it allocates often. */
	CHECK(n > 40);
	sim_end();
}

static void test_each(void)
{
	each_in_turn(false, 3);
}

static void test_each_one_node(void)
{
	each_in_turn(false, 1);
}

static void test_all_after(void)
{
	each_in_turn(true, 3);
}

static void test_all_after_one_node(void)
{
	each_in_turn(true, 1);
}

static void test_orders(void)
{
	int order;

	sim_start(min(512UL, OBM_SMALL_MAX), 1);
	for (order = OBM_ARENA_ORDER; order >= 0; order--) {
		struct script s = { .single = true };

		sim_fault_reset();
		sim_fault.max_order = order;
		run(&s);
		/* The longest raw block takes 16 pages. */
		CHECK(!s.nulls == (order >= 4));
	}
	sim_end();
}

static void test_full_nodes(void)
{
	unsigned int mask;

	sim_start(min(512UL, OBM_SMALL_MAX), 1);
	for (mask = 1; mask < 4; mask++) {
		struct script s = { };

		sim_fault_reset();
		sim_fault.full[0] = mask & 1;
		sim_fault.full[1] = mask & 2;
		run(&s);
		CHECK(!s.nulls == (mask != 3));
	}
	sim_end();
}

static void test_limits(void)
{
	size_t limit;
	int last = 1;

	sim_start(min(512UL, OBM_SMALL_MAX), 1);
	for (limit = 1; last; limit += 1 + limit / 16) {
		struct script s = { .limit = limit };

		last = run(&s);
		if (tap_failures()) {
			printf("# limit %zu\n", limit);
			break;
		}
	}
	CHECK(limit > 20 * PAGE_SIZE);
	sim_end();
}

static void test_random(void)
{
	unsigned int i;

	sim_start(min(512UL, OBM_SMALL_MAX), 1);
	sim_fault_reset();
	for (i = 0; i < 100; i++) {
		struct script s = { };

		sim_fault.permille = 10 * i;
		run(&s);
	}
	sim_end();
}

/* With nothing to be had but by __GFP_NOFAIL, and with a limit reached. */
static void nofail(struct obm_heap *heap)
{
	static const unsigned short sizes[] = { 0, 1, 8, 24, 100, 256 };
	unsigned char *ptrs[64];
	unsigned int i;
	size_t size;

	for (i = 0; i < 64; i++) {
		size = i < 60 ? sizes[i % 6] : PAGE_SIZE - i % 2;
		ptrs[i] = obm_alloc(heap, size, GFP_KERNEL | __GFP_NOFAIL);
		if (!CHECK(ptrs[i]))
			continue;
		memset(ptrs[i], 1, size);
	}
	CHECK(obm_heap_validate(heap) == 0);
	for (i = 0; i < 64; i++)
		obm_free(ptrs[i]);
}

static void test_nofail(void)
{
	struct obm_heap_attrs attrs = OBM_HEAP_ATTRS_INIT;
	struct obm_heap *heap, *limited;

	sim_start(min(512UL, OBM_SMALL_MAX), 1);
	attrs.limit_bytes = 2000;
	heap = obm_heap_create("nofail", NULL);
	limited = obm_heap_create("limited", &attrs);
	sim_fault.permille = 1000;
	nofail(heap);
	nofail(limited);
	nr_online_nodes = 1;
	nofail(heap);
	sim_fault_reset();
	nofail(limited);
	CHECK(obm_heap_destroy(heap) == 0);
	CHECK(obm_heap_destroy(limited) == 0);
	sim_end();
}

static void test_no_heap(void)
{
	sim_start(min(512UL, OBM_SMALL_MAX), 1);
	sim_fault.permille = 1000;
	CHECK(PTR_ERR(obm_heap_create("none", NULL)) == -ENOMEM);
	sim_fault_reset();
	sim_end();
}

int main(void)
{
	static const struct tap_test tests[] = {
		{ "each allocation fails in turn", test_each },
		{ "each fails in turn, one node", test_each_one_node },
		{ "all fail from the nth on", test_all_after },
		{ "all fail from the nth on, one node", test_all_after_one_node },
		{ "runs above each order are refused", test_orders },
		{ "nodes without free pages", test_full_nodes },
		{ "limits of all sizes hold", test_limits },
		{ "random failures", test_random },
		{ "__GFP_NOFAIL up to a page never fails", test_nofail },
		{ "no memory for a heap", test_no_heap },
	};

	return tap_run(tests, ARRAY_SIZE(tests));
}
