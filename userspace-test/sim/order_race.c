// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two calls at once: one is interrupted at each point where it does not hold a
 * lock, in turn, and the other runs there as if on another CPU.
 */
#include "order.h"

/**
 * struct stage - what the calls find
 * @heap: with one empty arena, the spare, and two with a pool in use each
 * @units: of those two
 * @raw: a raw block of four pages
 * @tiny: a block of the smallest class
 * @live: blocks allocated
 * @bad: mistakes made
 */
struct stage {
	struct obm_heap *heap;
	struct order_unit units[2];
	char *raw;
	char *tiny;
	unsigned long live;
	unsigned long bad;
};

static struct stage stage;

static void stage_begin(void)
{
	struct order_unit units[3 * POOLS];
	unsigned int i;

	sim_front_max = 0;
	sim_start(WHOLE, 1);
	memset(&stage, 0, sizeof(stage));
	stage.heap = obm_heap_create("race", NULL);
	for (i = 0; i < 3 * POOLS; i++)
		units[i] = order_get(stage.heap);
	for (i = 0; i < 3 * POOLS; i++)
		if (i != POOLS && i != 2 * POOLS)
			order_put(&units[i]);
	stage.units[0] = units[POOLS];
	stage.units[1] = units[2 * POOLS];
	stage.raw = obm_alloc(stage.heap, 4 * PAGE_SIZE, GFP_KERNEL);
	stage.tiny = obm_alloc(stage.heap, 8, GFP_KERNEL);
	stage.live = 2 * PER_POOL + 2;
}

static void stage_end(void)
{
	struct obm_stats s = order_stats(stage.heap);
	unsigned long bad = 0;
	unsigned int i;

	CHECK(obm_heap_validate(stage.heap) == 0);
	CHECK_EQ(s.nr_blocks + s.nr_raw, stage.live);
	CHECK_EQ(s.held_bytes, atomic_long_read(&stage.heap->held_bytes));
	CHECK_EQ(s.held_bytes - s.meta_bytes, sim_pages_held() * PAGE_SIZE);
	for (i = 0; i < OBM_NR_BAD; i++)
		bad += s.nr_bad[i] + atomic_long_read(&obm_nr_bad[i]);
	CHECK_EQ(bad, stage.bad);
	CHECK_EQ(obm_heap_destroy(stage.heap), stage.live);
	sim_end();
}

static void get(size_t size, unsigned int nr)
{
	for (; nr--; stage.live++)
		CHECK(!!obm_alloc(stage.heap, size, GFP_KERNEL));
}

static void get_tiny(void)
{
	get(8, 1);
}

static void get_pool_of_tiny(void)
{
	get(8, obm_classes[0].nr_blocks);
}

static void get_class(void)
{
	get(WHOLE / 2, 1);
}

static void get_arenas(void)
{
	get(WHOLE, 2 * POOLS * PER_POOL);
}

static void get_raw(void)
{
	get(3 * PAGE_SIZE, 1);
}

static void get_elsewhere(void)
{
	CHECK(!!obm_alloc_node(stage.heap, 8, GFP_KERNEL, 1));
	stage.live++;
}

/* The last of its arena; with a spare there is, the arena goes back. */
static void put_unit(void)
{
	order_put(&stage.units[0]);
	stage.live -= PER_POOL;
}

static void put_other_unit(void)
{
	order_put(&stage.units[1]);
	stage.live -= PER_POOL;
}

static bool tiny_is_put, raw_is_put;

static void put_tiny(void)
{
	obm_free(stage.tiny);
	stage.live -= !tiny_is_put;
	stage.bad += tiny_is_put;
	tiny_is_put = true;
}

static void put_raw(void)
{
	obm_free(stage.raw);
	stage.live -= !raw_is_put;
	stage.bad += raw_is_put;
	raw_is_put = true;
}

static void shrink_raw(void)
{
	if (!raw_is_put)
		CHECK(obm_realloc(stage.heap, stage.raw, 3 * PAGE_SIZE,
				  GFP_KERNEL) == stage.raw);
}

static void trim(void)
{
	obm_heap_trim(stage.heap);
}

static void validate(void)
{
	CHECK(obm_heap_validate(stage.heap) == 0);
}

static void read_stats(void)
{
	struct obm_stats s = order_stats(stage.heap);

	CHECK_EQ(s.held_bytes, s.used_bytes + s.avail_bytes + s.unused_bytes +
		 s.meta_bytes + s.quant_bytes + s.raw_bytes);
}

/* Of a block that may be freed meanwhile, and its arena or pages returned. */
static void ask_unit(void)
{
	void *ptr = stage.units[1].ptrs[0];
	size_t size = 0;
	int err;

	err = obm_block_bounds(ptr, NULL, &size);
	CHECK(err ? err == -ENOENT || err == -EFAULT : size == WHOLE);
}

static void ask_raw(void)
{
	size_t size = 0;
	int err;

	err = obm_block_bounds(stage.raw + PAGE_SIZE, NULL, &size);
	CHECK(err ? err == -ENOENT || err == -EFAULT : size >= 3 * PAGE_SIZE);
}

struct call {
	const char *name;
	void (*func)(void);
};

/*
 * Where both put the same block, it is the interrupted one that comes too late:
 * the puts look, afterwards, whether the block had been put.
 */
static void against(const struct call *call, void (*other)(void))
{
	unsigned long nth;

	/* Each of the first points, then, in loops, ever fewer. */
	for (nth = 1; ; nth += 1 + nth / 8) {
		stage_begin();
		tiny_is_put = false;
		raw_is_put = false;
		sim_meanwhile.func = other;
		sim_meanwhile.nth = nth;
		call->func();
		if (sim_meanwhile.func) {
			sim_meanwhile.func = NULL;
			stage_end();
			break;
		}
		stage_end();
		if (tap_failures()) {
			printf("# in \"%s\", at point %lu\n", call->name, nth);
			break;
		}
	}
}

static const struct call calls[] = {
	{ "get tiny", get_tiny },
	{ "get pool of tiny", get_pool_of_tiny },
	{ "get class", get_class },
	{ "get arenas", get_arenas },
	{ "get raw", get_raw },
	{ "get elsewhere", get_elsewhere },
	{ "put unit", put_unit },
	{ "put tiny", put_tiny },
	{ "put raw", put_raw },
	{ "shrink raw", shrink_raw },
	{ "trim", trim },
	{ "validate", validate },
	{ "stats", read_stats },
	{ "ask unit", ask_unit },
	{ "ask raw", ask_raw },
};

static void all_against(void (*other)(void))
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(calls) && !tap_failures(); i++) {
		/* A client does not use a raw block that it is freeing. */
		if (other == put_raw && calls[i].func == shrink_raw)
			continue;
		against(&calls[i], other);
	}
}

static void test_get_tiny(void)
{
	all_against(get_tiny);
}

static void test_get_pool(void)
{
	all_against(get_pool_of_tiny);
}

static void test_get_arenas(void)
{
	all_against(get_arenas);
}

static void test_get_elsewhere(void)
{
	all_against(get_elsewhere);
}

static void test_put_unit(void)
{
	all_against(put_other_unit);
}

static void test_put_tiny(void)
{
	all_against(put_tiny);
}

static void test_put_raw(void)
{
	all_against(put_raw);
}

static void test_trim(void)
{
	all_against(trim);
}

static void destroy(void)
{
	CHECK_EQ(obm_heap_destroy(stage.heap), stage.live);
}

/*
 * Somebody is wrong about a block whose heap is destroyed just then: he gets
 * an answer, if only a useless one, and nothing that is freed is touched.
 */
static void use(unsigned int way, void *ptr)
{
	switch (way) {
	case 0:
		obm_block_bounds(ptr, NULL, NULL);
		break;
	case 1:
		obm_usable_size(ptr);
		break;
	case 2:
		obm_owns(stage.heap, ptr);
		break;
	default:
		obm_free(ptr);
		break;
	}
}

static void test_destroy(void)
{
	unsigned int way, nth;
	bool hit;

	for (way = 0; way < 8; way++) {
		for (nth = 1, hit = true; hit; nth++) {
			stage_begin();
			sim_meanwhile.func = destroy;
			sim_meanwhile.nth = nth;
			use(way / 2, way % 2 ? stage.raw :
			    stage.units[0].ptrs[0]);
			hit = !sim_meanwhile.func;
			sim_meanwhile.func = NULL;
			if (!hit)
				obm_heap_destroy(stage.heap);
			sim_end();
			/* After its lock the free is done: one leak less. */
			if (way / 2 == 3 && nth == 2)
				break;
		}
		CHECK(nth > 2 || way / 2 == 3);
	}
}

const struct tap_test order_race_tests[] = {
	{ "race: each call and an allocation", test_get_tiny },
	{ "race: each call and a pool that fills", test_get_pool },
	{ "race: each call and arenas that are used up", test_get_arenas },
	{ "race: each call and a node that is made", test_get_elsewhere },
	{ "race: each call and an arena that goes back", test_put_unit },
	{ "race: each call and a pool that falls empty", test_put_tiny },
	{ "race: each call and a raw block that is freed", test_put_raw },
	{ "race: each call and a trim", test_trim },
	{ "race: a stale pointer and destroy", test_destroy },
};

const unsigned int order_nr_race_tests = ARRAY_SIZE(order_race_tests);
