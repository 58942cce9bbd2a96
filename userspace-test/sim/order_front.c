// SPDX-License-Identifier: GPL-2.0-only
/* Blocks that wait on CPUs: how many, whose, and what becomes of them. */
#include "order.h"
#include "mag.h"

#define SIZE	64UL
#define MANY	700

static unsigned int ci;
static void *ptrs[SIM_NR_CPUS][MANY];

static struct obm_heap *start(void)
{
	struct obm_heap *heap = order_start_with(max(512UL, WHOLE),
						 OBM_FRONT_MAX, 0);

	ci = class_index(SIZE);
	return heap;
}

static u64 taken(struct obm_heap *heap)
{
	return heap->nodes[0]->classes[ci].nr_taken;
}

static u64 put(struct obm_heap *heap)
{
	return heap->nodes[0]->classes[ci].nr_put;
}

static void get_many(struct obm_heap *heap, unsigned int cpu, unsigned int nr)
{
	unsigned int i;

	sim_context.cpu = cpu;
	for (i = 0; i < nr; i++)
		ptrs[cpu][i] = obm_alloc(heap, SIZE, sim_context.irq ?
					 GFP_ATOMIC : GFP_KERNEL);
}

static void put_many(unsigned int cpu, unsigned int nr)
{
	unsigned int i;

	sim_context.cpu = cpu;
	for (i = 0; i < nr; i++)
		obm_free(ptrs[cpu][i]);
}

static bool counts_fit(struct obm_heap *heap, unsigned long live)
{
	struct obm_stats s = order_stats(heap);

	return s.nr_blocks == live &&
	       taken(heap) - put(heap) == live + obm_front_count(heap, ci) &&
	       s.nr_allocs - s.nr_frees == live;
}

/* The last one freed comes first, and no pool knows. */
static void test_hits(void)
{
	struct obm_heap *heap = start();
	unsigned long count;
	u64 t, p;
	void *ptr;

	get_many(heap, 0, MANY);
	/* Some wait, whatever was fetched last. */
	obm_free(ptrs[0][MANY - 1]);
	obm_free(ptrs[0][MANY - 2]);
	ptrs[0][MANY - 2] = obm_alloc(heap, SIZE, GFP_KERNEL);
	CHECK(counts_fit(heap, MANY - 1));
	count = obm_front_count(heap, ci);
	CHECK(count > 0 && count < OBM_FRONT_MAX);
	t = taken(heap);
	p = put(heap);
	obm_free(ptrs[0][7]);
	CHECK_EQ(obm_front_count(heap, ci), count + 1);
	CHECK(counts_fit(heap, MANY - 2));
	ptr = obm_alloc(heap, SIZE, GFP_KERNEL);
	CHECK(ptr == ptrs[0][7]);
	CHECK(t == taken(heap) && p == put(heap));
	CHECK_EQ(obm_front_count(heap, ci), count);
	/* Known sizes and masks too. */
	obm_free_sized(heap, ptr, 64);
	CHECK(obm_alloc(heap, 64, GFP_ATOMIC) == ptr);
	CHECK(t == taken(heap) && p == put(heap));
	CHECK(counts_fit(heap, MANY - 1));
	order_end(heap, MANY - 1);
}

/* An empty magazine fetches a batch, a full one gives one away. */
static void test_refill_flush(void)
{
	struct obm_heap *heap = start();
	unsigned long before, after, most = 0;
	unsigned int i;
	u64 t, p;

	/* One that is filled and emptied in turn grows. */
	for (i = 0; i < 12; i++) {
		get_many(heap, 0, MANY);
		put_many(0, MANY);
	}
	CHECK_EQ(atomic_long_read(&heap->front_bytes),
		 OBM_FRONT_MAX * obm_classes[ci].size);
	for (i = 0; i < MANY; i++) {
		before = obm_front_count(heap, ci);
		t = heap->nodes[0] ? taken(heap) : 0;
		ptrs[0][i] = obm_alloc(heap, SIZE, GFP_KERNEL);
		after = obm_front_count(heap, ci);
		if (before)
			CHECK(after == before - 1 && taken(heap) == t);
		else
			CHECK(taken(heap) - t == 1 + after &&
			      after <= OBM_BATCH);
	}
	for (i = 0; i < MANY; i++) {
		before = obm_front_count(heap, ci);
		p = put(heap);
		obm_free(ptrs[0][i]);
		after = obm_front_count(heap, ci);
		if (p == put(heap))
			CHECK(after == before + 1);
		else
			CHECK(after == before - (put(heap) - p) + 1 &&
			      put(heap) - p >= MAG_BATCH_MIN &&
			      put(heap) - p <= OBM_BATCH);
		most = max(most, after);
		CHECK(after <= OBM_FRONT_MAX);
		CHECK(counts_fit(heap, MANY - 1 - i));
	}
	/* It is full. */
	CHECK_EQ(most, OBM_FRONT_MAX);
	CHECK_EQ(atomic_long_read(&heap->front_bytes),
		 OBM_FRONT_MAX * obm_classes[ci].size);
	before = obm_front_count(heap, ci);
	CHECK_EQ(obm_front_drain(heap, true), before);
	CHECK_EQ(obm_front_count(heap, ci), 0);
	CHECK_EQ(atomic_long_read(&heap->front_bytes), 0);
	CHECK_EQ(atomic_long_read(&heap->mag_bytes), 0);
	CHECK_EQ(taken(heap), put(heap));
	order_end(heap, 0);
}

/* Each class, on each CPU: the sum keeps to the budget. */
static void test_budget(void)
{
	struct obm_heap *heap = start();
	unsigned int kib, cpu, i, size;

	for (kib = 0; kib <= 8; kib = kib ? kib * 2 : 1) {
		unsigned long waiting = 0;

		obm_front_kib = kib;
		/* What was refused is asked for again. */
		WRITE_ONCE(sim_jiffies, sim_jiffies + HZ);
		for (cpu = 0; cpu < SIM_NR_CPUS; cpu++) {
			sim_context.cpu = cpu;
			for (size = 64; size <= 512; size += 64) {
				for (i = 0; i < 150; i++)
					ptrs[0][i] = obm_alloc(heap, size,
							       GFP_KERNEL);
				for (i = 0; i < 150; i++)
					obm_free(ptrs[0][i]);
			}
			CHECK(atomic_long_read(&heap->front_bytes) <=
			      kib * 1024 * SIM_NR_CPUS);
		}
		for (i = 0; i < obm_nr_classes; i++)
			waiting += obm_front_count(heap, i) *
				   obm_classes[i].size;
		CHECK(waiting <= kib * 1024 * SIM_NR_CPUS);
		CHECK(!waiting == (kib == 0));
		obm_heap_trim(heap);
		CHECK_EQ(sim_pages_held(), 0);
	}
	order_end(heap, 0);
}

/* A trim fetches the blocks of all CPUs. */
static void test_drain(void)
{
	struct obm_heap *heap = start();
	unsigned int cpu;

	for (cpu = 0; cpu < SIM_NR_CPUS; cpu++)
		get_many(heap, cpu, MANY);
	for (cpu = 0; cpu < SIM_NR_CPUS; cpu++)
		put_many(cpu, MANY);
	CHECK(obm_front_count(heap, ci) > SIM_NR_CPUS);
	CHECK(counts_fit(heap, 0));
	sim_context.cpu = 2;
	CHECK(obm_heap_trim(heap) > 0);
	CHECK_EQ(obm_front_count(heap, ci), 0);
	CHECK_EQ(sim_pages_held(), 0);
	CHECK(counts_fit(heap, 0));
	order_end(heap, 0);
}

/* A CPU in the midst of it is left alone, and so is one that is off. */
static void test_drain_busy(void)
{
	struct obm_heap *heap = start();
	unsigned long on_1, all;

	get_many(heap, 0, MANY);
	put_many(0, MANY);
	all = obm_front_count(heap, ci);
	get_many(heap, 1, MANY);
	put_many(1, MANY);
	on_1 = obm_front_count(heap, ci) - all;
	CHECK(all && on_1);

	/* A task on CPU 1 has preemption disabled, and another one drains. */
	preempt_disable();
	sim_context.preempt = 0;
	sim_context.cpu = 0;
	CHECK_EQ(obm_front_drain(heap, true), all);
	sim_context.cpu = 1;
	sim_context.preempt = 1;
	CHECK_EQ(obm_front_drain(heap, true), on_1);
	preempt_enable();

	/* A trim leaves it to a worker, which waits for the task. */
	get_many(heap, 1, MANY);
	put_many(1, MANY);
	on_1 = obm_front_count(heap, ci);
	preempt_disable();
	sim_context.preempt = 0;
	sim_context.cpu = 0;
	obm_heap_trim(heap);
	CHECK_EQ(obm_front_count(heap, ci), on_1);
	CHECK(sim_work_pending());
	sim_context.cpu = 1;
	sim_context.preempt = 1;
	preempt_enable();
	sim_context.cpu = 0;
	sim_run_work();
	CHECK_EQ(obm_front_count(heap, ci), 0);
	CHECK_EQ(order_stats(heap).nr_pools, 0);
	CHECK(!sim_work_pending());

	get_many(heap, 1, MANY);
	put_many(1, MANY);
	on_1 = obm_front_count(heap, ci);
	sim_context.cpu = 0;
	/* Off, but its callback has not run. */
	sim_cpu_online[1] = false;
	CHECK_EQ(obm_front_drain(heap, true), 0);
	CHECK_EQ(obm_front_count(heap, ci), on_1);
	sim_cpu_online[1] = true;
	sim_cpu_die(1);
	CHECK_EQ(obm_front_count(heap, ci), 0);
	sim_cpu_revive(1);
	CHECK(counts_fit(heap, 0));
	order_end(heap, 0);
}

/* What may not touch the slots goes to the pools. */
static void test_contexts(void)
{
	struct obm_heap *heap = start();
	unsigned long count, both;
	void *ptr;
	u64 p, t;

	get_many(heap, 0, MANY);
	count = obm_front_count(heap, ci);
	sim_context.atomic = true;
	sim_context.irq = HARDIRQ_OFFSET;
	p = put(heap);
	obm_free(ptrs[0][0]);
	CHECK_EQ(put(heap), p + 1);
	t = taken(heap);
	ptr = obm_alloc(heap, SIZE, GFP_ATOMIC);
	CHECK_EQ(taken(heap), t + 1);
	CHECK_EQ(obm_front_drain(heap, true), 0);
	CHECK_EQ(obm_front_count(heap, ci), count);
	ptrs[0][0] = ptr;
	sim_context.irq = 0;
	sim_context.atomic = false;

	/* A drain without interrupts is one of this CPU. */
	put_many(0, MANY);
	count = obm_front_count(heap, ci);
	get_many(heap, 1, MANY);
	put_many(1, MANY);
	both = obm_front_count(heap, ci);
	sim_context.irqs_off = true;
	CHECK_EQ(obm_front_drain(heap, true), both - count);
	CHECK_EQ(obm_front_count(heap, ci), count);
	obm_heap_trim(heap);
	CHECK_EQ(obm_front_count(heap, ci), count);
	sim_context.irqs_off = false;
	sim_run_work();
	CHECK_EQ(obm_front_count(heap, ci), 0);
	order_end(heap, 0);
}

static void softirq_begin(void)
{
	sim_context.atomic = true;
	sim_context.irq = SOFTIRQ_OFFSET;
}

static void softirq_end(void)
{
	sim_context.irq = 0;
	sim_context.atomic = false;
}

/* Softirqs have slots of their own; a task drains them too. */
static void test_softirqs(void)
{
	struct obm_heap *heap = start();
	struct obm_slot __percpu *none = heap->set.bh_slots;
	unsigned long count, waiting;
	u64 p, t;

	get_many(heap, 0, MANY);
	CHECK(heap->set.bh_slots == none);
	count = obm_front_count(heap, ci);
	softirq_begin();
	put_many(0, MANY);
	CHECK(heap->set.bh_slots != none);
	waiting = obm_front_count(heap, ci);
	CHECK(waiting > count + MAG_MIN);
	CHECK(counts_fit(heap, 0));
	t = taken(heap);
	p = put(heap);
	get_many(heap, 0, waiting - count);
	CHECK(t == taken(heap) && p == put(heap));
	CHECK_EQ(obm_front_count(heap, ci), count);
	put_many(0, waiting - count);
	CHECK_EQ(obm_front_drain(heap, true), 0);
	softirq_end();
	/* A task does not see what waits for softirqs. */
	get_many(heap, 0, count);
	CHECK_EQ(obm_front_count(heap, ci), waiting - count);
	put_many(0, count);
	CHECK_EQ(obm_front_drain(heap, false), waiting);
	CHECK(counts_fit(heap, 0));
	order_end(heap, 0);
}

/* At the limit, blocks that wait elsewhere serve. */
static void test_limit(void)
{
	struct obm_heap *heap = start();
	unsigned long nr;

	get_many(heap, 1, MANY);
	put_many(1, MANY);
	obm_front_drain(heap, true);
	get_many(heap, 1, MANY);
	put_many(1, MANY);
	nr = obm_front_count(heap, ci);
	CHECK(nr > 0);
	sim_context.cpu = 0;
	heap->limit_bytes = order_stats(heap).held_bytes;
	get_many(heap, 0, nr / 2);
	CHECK(!!ptrs[0][nr / 2 - 1]);
	CHECK_EQ(order_stats(heap).nr_limited, 0);
	CHECK(counts_fit(heap, nr / 2));
	order_end(heap, nr / 2);
}

/* A block of a zone is a raw one, and a sized free cannot tell. */
static void test_zone(void)
{
	struct obm_heap *heap = start();
	void *ptr;

	get_many(heap, 0, MANY);
	ptr = obm_alloc(heap, 64, GFP_KERNEL | __GFP_DMA);
	CHECK_EQ(order_stats(heap).nr_raw, 1);
	obm_free_sized(heap, ptr, 64);
	ptr = obm_alloc(heap, 64, GFP_KERNEL | __GFP_DMA);
	obm_free_bulk(heap, 64, 1, &ptr);
	obm_heap_trim(heap);
	CHECK_EQ(order_stats(heap).nr_raw, 0);
	CHECK_EQ(order_stats(heap).nr_bad[OBM_BAD_SIZE], 0);
	CHECK(counts_fit(heap, MANY));
	order_end(heap, MANY);
}

/* A wrong size that the compiler knew is found out at last. */
static void test_late_report(void)
{
	struct obm_heap *heap = start();
	void *ptr = obm_alloc(heap, 500, GFP_KERNEL);

	get_many(heap, 0, MANY);
	obm_free_sized(heap, ptr, 64);
	obm_heap_trim(heap);
	CHECK_EQ(order_stats(heap).nr_bad[OBM_BAD_SIZE], 1);
	CHECK_EQ(order_stats(heap).nr_blocks, MANY + 1);
	CHECK(obm_owns(heap, ptr));
	order_end(heap, MANY + 1);
}

static void test_bulk(void)
{
	struct obm_heap *heap = start();
	unsigned int n, i;

	for (n = 0; n <= MANY; n += 1 + n / 2) {
		struct obm_stats s = order_stats(heap);

		CHECK_EQ(obm_alloc_bulk(heap, SIZE, GFP_KERNEL | __GFP_ZERO, n,
					ptrs[0]), n);
		for (i = 0; i < n; i++)
			memset(ptrs[0][i], i, SIZE);
		for (i = 0; i < n; i++)
			CHECK(*(u8 *)ptrs[0][i] == (u8)i);
		CHECK_EQ(order_stats(heap).nr_allocs, s.nr_allocs + n);
		obm_free_bulk(heap, SIZE, n, ptrs[0]);
		CHECK_EQ(order_stats(heap).nr_blocks, 0);
		CHECK(obm_heap_validate(heap) == 0);
	}
	/* All or nothing. */
	heap->limit_bytes = order_stats(heap).held_bytes + PAGE_SIZE;
	CHECK_EQ(obm_alloc_bulk(heap, 3 * PAGE_SIZE, GFP_KERNEL, MANY,
				ptrs[0]), 0);
	CHECK_EQ(order_stats(heap).nr_blocks + order_stats(heap).nr_raw, 0);
	CHECK_EQ(order_stats(heap).nr_limited, 1);
	heap->limit_bytes = 0;
	order_end(heap, 0);
}

/* A hardened heap keeps nothing back and knows every mistake at once. */
static void hardened(struct obm_heap *heap)
{
	unsigned int i, up = 0;

	ci = class_index(SIZE);
	get_many(heap, 0, MANY);
	for (i = 1; i < MANY; i++)
		up += ptrs[0][i] > ptrs[0][i - 1];
	/* Neither up nor down. */
	CHECK(up > MANY / 4 && up < 3 * MANY / 4 + MANY / 8);
	for (i = 0; i < MANY; i++) {
		obm_free_sized(heap, ptrs[0][i], 504);
		CHECK_EQ(order_stats(heap).nr_bad[OBM_BAD_SIZE], i + 1);
		obm_free_sized(heap, ptrs[0][i], 64);
		obm_free(ptrs[0][i]);
		CHECK_EQ(order_stats(heap).nr_bad[OBM_BAD_DOUBLE] +
			 order_stats(heap).nr_bad[OBM_BAD_STALE] +
			 atomic_long_read(&obm_nr_bad[OBM_BAD_FOREIGN]), i + 1);
		CHECK_EQ(order_stats(heap).nr_blocks, MANY - 1 - i);
	}
	CHECK_EQ(obm_front_count(heap, ci), 0);
	CHECK_EQ(atomic_long_read(&heap->mag_bytes), 0);
	order_end(heap, 0);
}

static void test_hardened_heap(void)
{
	hardened(order_start_with(max(512UL, WHOLE), OBM_FRONT_MAX,
				  OBM_HEAP_HARDEN));
}

static void test_hardened_all(void)
{
	struct obm_heap *heap = start();

	obm_harden = true;
	hardened(heap);
}

/* An interrupt at each point of an operation finds and leaves all in order. */
static struct obm_heap *irq_heap;
static void *irq_ptr;

static void irq_works(void)
{
	obm_free(irq_ptr);
	irq_ptr = obm_alloc(irq_heap, SIZE, GFP_ATOMIC);
	obm_free(obm_alloc(irq_heap, SIZE, GFP_ATOMIC));
	obm_free(irq_ptr);
	irq_ptr = obm_alloc(irq_heap, SIZE, GFP_ATOMIC);
}

static void softirq_works(void)
{
	unsigned int i;

	sim_context.irq = SOFTIRQ_OFFSET;
	for (i = 0; i < 10; i++)
		irq_works();
}

static void other_drains(void)
{
	struct sim_context old = sim_context;

	sim_context = (struct sim_context){ .cpu = 1 };
	obm_heap_trim(irq_heap);
	sim_context = old;
}

static void interrupted(unsigned int what)
{
	switch (what) {
	case 0:
		get_many(irq_heap, 0, 1);
		put_many(0, 1);
		break;
	case 1:
		get_many(irq_heap, 0, 100);
		put_many(0, 100);
		break;
	case 2:
		CHECK_EQ(obm_alloc_bulk(irq_heap, SIZE, GFP_KERNEL, 40,
					ptrs[0]), 40);
		obm_free_bulk(irq_heap, SIZE, 40, ptrs[0]);
		break;
	}
}

static void test_interrupts(void)
{
	void (*const funcs[])(void) = {
		irq_works, softirq_works, other_drains
	};
	unsigned int i, what, nth;

	for (i = 0; i < ARRAY_SIZE(funcs); i++)
		for (what = 0; what < 3; what++)
			for (nth = 1; !tap_failures(); nth += 1 + nth / 16) {
				bool more;

				irq_heap = start();
				irq_ptr = obm_alloc(irq_heap, SIZE, GFP_KERNEL);
				if (nth % 2)
					interrupted(1);
				sim_irq.func = funcs[i];
				sim_irq.nth = nth;
				interrupted(what);
				more = !sim_irq.func;
				sim_irq.func = NULL;
				CHECK(counts_fit(irq_heap, 1));
				obm_heap_trim(irq_heap);
				CHECK_EQ(obm_front_count(irq_heap, ci), 0);
				CHECK_EQ(sim_pages_held(), 1);
				order_end(irq_heap, 1);
				if (!more)
					break;
			}
}

const struct tap_test order_front_tests[] = {
	{ "front: what was freed last comes first", test_hits },
	{ "front: refill and flush", test_refill_flush },
	{ "front: the budget", test_budget },
	{ "front: a trim drains all CPUs", test_drain },
	{ "front: busy CPUs and dead ones", test_drain_busy },
	{ "front: interrupts use the pools", test_contexts },
	{ "front: softirqs have their own", test_softirqs },
	{ "front: interrupts at every point", test_interrupts },
	{ "front: what waits serves at the limit", test_limit },
	{ "front: blocks of zones", test_zone },
	{ "front: a wrong size is found out", test_late_report },
	{ "bulk: all or nothing", test_bulk },
	{ "harden: a heap", test_hardened_heap },
	{ "harden: all heaps", test_hardened_all },
};

const unsigned int order_nr_front_tests = ARRAY_SIZE(order_front_tests);
