// SPDX-License-Identifier: GPL-2.0-only
/* Frees that wait for a grace period: when they happen, and when never. */
#include "order.h"

/* The head is at the end, where it may lie outside. */
struct thing {
	u64 words[2];
	struct rcu_head rcu;
};

static struct obm_heap *start(unsigned int flags)
{
	return order_start_with(max(512UL, WHOLE), OBM_FRONT_MAX, flags);
}

static struct thing *thing_new(struct obm_heap *heap, size_t size)
{
	struct thing *thing = obm_alloc(heap, size, GFP_KERNEL);

	thing->words[0] = 1234;
	thing->words[1] = 5678;
	return thing;
}

static bool thing_is_whole(const struct thing *thing)
{
	return thing->words[0] == 1234 && thing->words[1] == 5678;
}

static u64 nr_live(struct obm_heap *heap)
{
	struct obm_stats s = order_stats(heap);

	CHECK_EQ(s.nr_allocs - s.nr_frees, s.nr_blocks + s.nr_raw);
	return s.nr_blocks + s.nr_raw;
}

static bool refused(struct obm_heap *heap, enum obm_bad bad, u64 nr)
{
	u64 counted = heap ? order_stats(heap).nr_bad[bad] :
			     atomic_long_read(&obm_nr_bad[bad]);
	bool said = sim_log_count("BUG: OBM: ") == 1;

	sim_log_clear();
	return said && counted == nr;
}

/* Blocks of every kind, whole until the grace period and the work are over. */
static void test_waits(void)
{
	const size_t sizes[] = {
		sizeof(struct thing), 64, 512, WHOLE, 2 * PAGE_SIZE, 8192, 50000,
	};
	struct obm_heap *heap = start(0);
	struct thing *things[ARRAY_SIZE(sizes)];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		things[i] = thing_new(heap, max(sizes[i], sizes[0]));
		obm_free_rcu(things[i], rcu);
		CHECK_EQ(nr_live(heap), i + 1);
	}
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		CHECK(thing_is_whole(things[i]) && obm_owns(heap, things[i]));
	CHECK(!sim_work_pending());
	/* The second to the last came while a grace period was waited for. */
	sim_run_rcu();
	CHECK(sim_work_pending());
	CHECK_EQ(nr_live(heap), ARRAY_SIZE(sizes));
	sim_run_work();
	CHECK_EQ(nr_live(heap), ARRAY_SIZE(sizes) - 1);
	for (i = 1; i < ARRAY_SIZE(sizes); i++)
		CHECK(thing_is_whole(things[i]));
	sim_run_rcu();
	sim_run_work();
	CHECK_EQ(nr_live(heap), 0);
	CHECK(atomic_read(&heap->rcu_busy) == 0);

	/* And it begins anew. */
	obm_free_rcu(thing_new(heap, 64), rcu);
	sim_run_rcu();
	sim_run_work();
	CHECK_EQ(nr_live(heap), 0);
	CHECK(sim_log_count("BUG") == 0);
	order_end(heap, 0);
}

/* Those in every step are waited for; what was forgotten is a leak still. */
static void test_destroy(void)
{
	struct obm_heap *heap;
	unsigned int step, i;

	for (step = 0; step < 4; step++) {
		heap = start(step % 2 ? OBM_HEAP_HARDEN : 0);
		for (i = 0; i < 100; i++)
			obm_free_rcu(thing_new(heap, 32 + 40 * i), rcu);
		if (step > 1)
			sim_run_rcu();
		thing_new(heap, 64);
		order_end(heap, 1);
	}
}

static void test_mightsleep(void)
{
	struct obm_heap *heap = start(0);
	void *ptr = obm_alloc(heap, 8, GFP_KERNEL);

	obm_free_rcu_mightsleep(NULL);
	obm_free_rcu_mightsleep(ptr + 1);
	CHECK(refused(heap, OBM_BAD_MISALIGNED, 1));
	CHECK_EQ(nr_live(heap), 1);
	obm_free_rcu_mightsleep(ptr);
	CHECK_EQ(nr_live(heap), 0);
	CHECK_EQ(atomic_read(&heap->rcu_busy), 0);
	order_end(heap, 0);
}

/* A second time is refused; a copy, and the next life of a block, are not. */
static void test_double(void)
{
	struct obm_heap *heap = start(0);
	struct thing *thing = thing_new(heap, 64), *copy;
	unsigned int i;

	obm_free_rcu(thing, rcu);
	obm_free_rcu(thing, rcu);
	CHECK(refused(heap, OBM_BAD_DOUBLE, 1));
	copy = obm_memdup(heap, thing, sizeof(*thing), GFP_KERNEL);
	obm_free_rcu(copy, rcu);
	obm_free_rcu(copy, rcu);
	CHECK(refused(heap, OBM_BAD_DOUBLE, 2));
	obm_free_rcu(thing, rcu);
	CHECK(refused(heap, OBM_BAD_DOUBLE, 3));
	for (i = 0; i < 2; i++) {
		sim_run_rcu();
		sim_run_work();
	}
	CHECK_EQ(nr_live(heap), 0);

	/* Of memory that keeps what was in it. */
	sim_no_junk = true;
	for (i = 0; i < 300; i++) {
		copy = obm_alloc(heap, 64, GFP_KERNEL);
		obm_free_rcu(copy, rcu);
		sim_run_rcu();
		sim_run_work();
		CHECK_EQ(nr_live(heap), 0);
	}
	CHECK(sim_log_count("BUG") == 0);
	order_end(heap, 0);
}

static void bad_pointers(unsigned int flags)
{
	struct obm_heap *heap = start(flags);
	struct thing *thing = thing_new(heap, 64);
	struct thing *tight = thing_new(heap, sizeof(*thing));
	struct thing *raw = thing_new(heap, 3 * PAGE_SIZE + 8192), *gone;
	struct rcu_head outside = { };
	struct thing mine;

	obm_free_rcu((struct thing *)NULL, rcu);
	CHECK(sim_log_count("BUG") == 0);
	obm_free_rcu(&mine, rcu);
	CHECK(refused(NULL, OBM_BAD_FOREIGN, 1));
	obm_free_rcu((struct thing *)((char *)thing + 8), rcu);
	CHECK(refused(heap, OBM_BAD_INTERIOR, 1));
	obm_free_rcu((struct thing *)((char *)raw + PAGE_SIZE), rcu);
	CHECK(refused(heap, OBM_BAD_INTERIOR, 2));
	__obm_free_rcu((char *)thing + 4, &thing->rcu);
	CHECK(refused(heap, OBM_BAD_MISALIGNED, 1));
	/* No head, one of another block, and one that is half in the block. */
	__obm_free_rcu(thing, &outside);
	CHECK(refused(heap, OBM_BAD_SIZE, 1));
	__obm_free_rcu(thing, &raw->rcu);
	CHECK(refused(heap, OBM_BAD_SIZE, 2));
	__obm_free_rcu(tight, (void *)tight + sizeof(*tight) - 8);
	CHECK(refused(heap, OBM_BAD_SIZE, 3));
	__obm_free_rcu(thing, (void *)thing - 8);
	CHECK(refused(heap, OBM_BAD_SIZE, 4));
	CHECK(!sim_work_pending() && atomic_read(&heap->rcu_busy) == 0);
	CHECK(thing_is_whole(thing) && thing_is_whole(raw));

	gone = thing_new(heap, 64);
	obm_free(gone);
	obm_heap_trim(heap);
	obm_free_rcu(gone, rcu);
	CHECK(refused(heap, OBM_BAD_DOUBLE, 1));
	obm_free_rcu(thing, rcu);
	obm_free_rcu(tight, rcu);
	obm_free_rcu(raw, rcu);
	CHECK(sim_log_count("BUG") == 0);
	order_end(heap, 0);
}

static void test_bad(void)
{
	bad_pointers(0);
	bad_pointers(OBM_HEAP_HARDEN);
}

/* Nothing that may be forbidden is done, whatever the context. */
static void test_contexts(void)
{
	struct obm_heap *heap = start(0);
	struct thing *things[64];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(things); i++)
		things[i] = thing_new(heap, 32 << i % 10);
	for (i = 0; i < ARRAY_SIZE(things); i++) {
		sim_preempt_rt = i % 8 >= 4;
		sim_atomic_enter(i);
		obm_free_rcu(things[i], rcu);
		sim_atomic_leave();
	}
	sim_preempt_rt = false;
	CHECK_EQ(nr_live(heap), ARRAY_SIZE(things));
	for (i = 0; i < 2; i++) {
		sim_run_rcu();
		sim_run_work();
	}
	CHECK_EQ(nr_live(heap), 0);
	order_end(heap, 0);
}

/* Freed behind our back: its next owner keeps it, and whoever is behind it. */
static void test_stolen(void)
{
	struct obm_heap *heap = start(OBM_HEAP_HARDEN);
	struct thing *first = thing_new(heap, 64), *thing, *next;

	obm_free_rcu(first, rcu);
	thing = thing_new(heap, 64);
	next = thing_new(heap, 64);
	obm_free_rcu(next, rcu);
	obm_free_rcu(thing, rcu);
	memset(thing, 0x33, sizeof(*thing));
	sim_run_rcu();
	sim_run_work();
	CHECK(sim_log_count("BUG") == 0);
	CHECK_EQ(nr_live(heap), 2);
	sim_run_rcu();
	sim_run_work();
	CHECK(refused(heap, OBM_BAD_DOUBLE, 1));
	CHECK_EQ(nr_live(heap), 2);
	CHECK(obm_owns(heap, thing) && obm_owns(heap, next));
	order_end(heap, 2);
}

static struct thing *meanwhile_thing;

static void meanwhile_free(void)
{
	obm_free_rcu(meanwhile_thing, rcu);
}

/* Another CPU frees by RCU at each opportunity of the work: none is missed. */
static void test_meanwhile(void)
{
	struct obm_heap *heap = start(0);
	unsigned int nth, i;

	for (nth = 1; nth < 40; nth++) {
		for (i = 0; i < 3; i++)
			obm_free_rcu(thing_new(heap, 64), rcu);
		meanwhile_thing = thing_new(heap, 64);
		sim_run_rcu();
		sim_meanwhile = (struct sim_meanwhile){ meanwhile_free, nth };
		sim_run_work();
		if (sim_meanwhile.func) {
			sim_meanwhile.func = NULL;
			meanwhile_free();
		}
		for (i = 0; i < 3; i++) {
			sim_run_rcu();
			sim_run_work();
		}
		CHECK_EQ(nr_live(heap), 0);
		CHECK_EQ(atomic_read(&heap->rcu_busy), 0);
	}
	order_end(heap, 0);
}

const struct tap_test order_rcu_tests[] = {
	{ "rcu: whole for a grace period", test_waits },
	{ "rcu: destroy waits", test_destroy },
	{ "rcu: a task that sleeps", test_mightsleep },
	{ "rcu: a second time", test_double },
	{ "rcu: each mistake", test_bad },
	{ "rcu: every context", test_contexts },
	{ "rcu: freed by another way meanwhile", test_stolen },
	{ "rcu: queued while others are freed", test_meanwhile },
};

const unsigned int order_nr_rcu_tests = ARRAY_SIZE(order_rcu_tests);
