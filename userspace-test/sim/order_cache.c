// SPDX-License-Identifier: GPL-2.0-only
/* Caches: their classes, what waits on CPUs, constructors, and their end. */
#include "order.h"
#include "mag.h"

#define SIZE	64UL
#define MANY	700

static struct obm_heap *heap;
static struct obm_cache *cache;
static void *ptrs[MANY];
static unsigned long nr_made;

static void make(void *object)
{
	*(unsigned long *)object = ~(unsigned long)object;
	nr_made++;
}

static bool is_made(const void *object)
{
	return *(unsigned long *)object == ~(unsigned long)object;
}

static struct obm_cache *cache_of(size_t size, void (*ctor)(void *object))
{
	struct obm_cache *new = obm_cache_create(heap, "things", size, 0, ctor);

	if (IS_ERR(new))
		sim_die("no cache");
	return new;
}

static void start(size_t size, void (*ctor)(void *object))
{
	heap = order_start_with(max(512UL, WHOLE), OBM_FRONT_MAX, 0);
	nr_made = 0;
	cache = cache_of(size, ctor);
}

static void get_many(unsigned int cpu, unsigned int from, unsigned int nr)
{
	gfp_t gfp = sim_context.irq ? GFP_ATOMIC : GFP_KERNEL;
	unsigned int i;

	sim_context.cpu = cpu;
	for (i = from; i < from + nr; i++)
		ptrs[i] = obm_cache_alloc(cache, gfp);
}

static void put_many(unsigned int cpu, unsigned int from, unsigned int nr)
{
	unsigned int i;

	sim_context.cpu = cpu;
	for (i = from; i < from + nr; i++) {
		if (i % 2)
			obm_cache_free(cache, ptrs[i]);
		else
			obm_free(ptrs[i]);
	}
}

static unsigned long waiting(void)
{
	return obm_front_count(heap, cache->set.ci);
}

static void check_sound(unsigned long live)
{
	struct obm_stats s = order_stats(heap);

	CHECK_EQ(s.nr_blocks, live);
	CHECK_EQ(s.nr_allocs - s.nr_frees, live);
	CHECK(obm_heap_validate(heap) == 0);
}

static void test_classes(void)
{
	const struct obm_class *class = &obm_classes[OBM_CACHE_CLASS];
	unsigned int size, bytes, order;

	for (size = OBM_STEP; size <= OBM_SMALL_MAX; size += OBM_STEP) {
		obm_class_set_cache(OBM_CACHE_CLASS, size);
		bytes = class_pool_bytes(class);
		CHECK(class->size == size && !class->hot);
		CHECK(class->order <= OBM_POOL_ORDER_MAX);
		CHECK(class->nr_blocks && class->nr_blocks == bytes / size);
		if (class_quant_bytes(class) <= bytes / 32)
			continue;
		/* Then no other run would do any better. */
		for (order = 0; order <= min(OBM_POOL_ORDER_MAX, 3); order++)
			CHECK(PAGE_SIZE << order < size ||
			      (PAGE_SIZE << order) % size * bytes >=
			      class_quant_bytes(class) * (PAGE_SIZE << order));
		if (tap_failures())
			break;
	}
}

/* A number is used again only when no stale pointer can lead to it. */
static void test_numbers(void)
{
	struct obm_cache *second;
	unsigned int ci;
	void *ptr;

	start(SIZE, NULL);
	ci = cache->set.ci;
	ptr = obm_cache_alloc(cache, GFP_KERNEL);
	CHECK(pool_ci(order_pool(ptr)) == ci);
	obm_cache_free(cache, ptr);
	CHECK_EQ(obm_cache_destroy(cache), 0);
	CHECK(obm_caches[ci - OBM_CACHE_CLASS] == cache);
	second = cache_of(SIZE, NULL);
	CHECK(second->set.ci != ci);
	sim_run_rcu();
	CHECK(!obm_caches[ci - OBM_CACHE_CLASS]);
	CHECK_EQ(obm_cache_destroy(second), 0);
	cache = cache_of(SIZE, NULL);
	CHECK_EQ(cache->set.ci, ci);
	order_end(heap, 0);
}

/* It waits for its own cache, on the CPU that freed it, and is made once. */
static void test_front(void)
{
	unsigned long made, count;
	void *ptr;

	start(SIZE, make);
	get_many(0, 0, MANY);
	count = waiting();
	CHECK(count > 0 || PAGE_SIZE < 1024);
	CHECK_EQ(nr_made, MANY + count);
	check_sound(MANY);
	made = nr_made;
	ptr = ptrs[7];
	CHECK(is_made(ptr));
	obm_cache_free(cache, ptr);
	CHECK_EQ(waiting(), count + 1);
	CHECK(obm_cache_alloc(cache, GFP_KERNEL) == ptr);
	obm_free(ptr);
	CHECK_EQ(waiting(), count + 1);
	CHECK(obm_cache_alloc(cache, GFP_ATOMIC) == ptr);
	CHECK(is_made(ptr));
	CHECK_EQ(nr_made, made);
	/* The heap's class of that size knows nothing of it. */
	CHECK_EQ(obm_front_count(heap, class_index(SIZE)), 0);
	put_many(0, 0, MANY);
	check_sound(0);
	get_many(0, 0, MANY);
	for (count = 0; count < MANY; count++)
		CHECK(is_made(ptrs[count]));
	CHECK(nr_made > made);
	put_many(0, 0, MANY);
	order_end(heap, 0);
}

/* Drains find what waits for a cache, wherever that is. */
static void test_drains(void)
{
	unsigned long here, there, bh;

	start(SIZE, NULL);
	get_many(0, 0, MANY);
	put_many(0, 0, 100);
	here = waiting();
	put_many(1, MANY / 2, 100);
	there = waiting() - here;
	sim_context.atomic = true;
	sim_context.irq = SOFTIRQ_OFFSET;
	put_many(1, MANY / 2 + 100, 100);
	sim_context.irq = 0;
	sim_context.atomic = false;
	bh = waiting() - here - there;
	CHECK(here && there && bh);
	check_sound(MANY - 300);
	sim_context.cpu = 0;
	sim_cpu_die(1);
	CHECK_EQ(waiting(), here);
	sim_cpu_revive(1);
	obm_heap_trim(heap);
	CHECK_EQ(waiting(), 0);
	check_sound(MANY - 300);
	order_end(heap, MANY - 300);
}

/* What is still out, waits or lies in full pools: all of it comes back. */
static void test_end(void)
{
	size_t sizes[] = { 8, SIZE, 136, 512 };
	unsigned long pages;
	unsigned int i;
	u64 allocs;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		start(sizes[i], NULL);
		obm_alloc(heap, 8, GFP_KERNEL);
		pages = sim_pages_held();
		get_many(0, 0, MANY);
		put_many(1, 0, 50);
		sim_log_clear();
		allocs = order_stats(heap).nr_allocs;
		CHECK_EQ(obm_cache_destroy(cache), MANY - 50);
		CHECK_EQ(sim_log_count("650 objects of cache things leaked"),
			 1);
		CHECK_EQ(order_stats(heap).nr_allocs, allocs);
		check_sound(1);
		obm_heap_trim(heap);
		CHECK(sim_pages_held() <= pages);
		order_end(heap, 1);
	}
	start(SIZE, NULL);
	get_many(0, 0, MANY);
	order_end(heap, MANY);
}

/* Out of any memory that it asks for: an error, and nothing is left. */
static void test_faults(void)
{
	unsigned long nth;
	unsigned int i;

	for (nth = 1; !tap_failures(); nth++) {
		start(SIZE, make);
		sim_fault.nth = nth;
		sim_fault.forever = nth % 2;
		CHECK_EQ(obm_cache_destroy(cache), 0);
		cache = obm_cache_create(heap, "cache", 40, 0, make);
		if (!IS_ERR(cache)) {
			get_many(0, 0, 200);
			for (i = 0; i < 200; i++)
				CHECK(!ptrs[i] || is_made(ptrs[i]));
			put_many(0, 0, 200);
		} else {
			CHECK(PTR_ERR(cache) == -ENOMEM);
		}
		i = sim_fault.failed;
		sim_fault_reset();
		check_sound(0);
		order_end(heap, 0);
		if (!i)
			break;
	}
	CHECK(nth > 5);
}

/* Interrupts and other CPUs at each point of what a task does with a cache. */
static void *irq_ptr;

static void irq_works(void)
{
	obm_cache_free(cache, irq_ptr);
	irq_ptr = obm_cache_alloc(cache, GFP_ATOMIC);
	if (!irq_ptr || !is_made(irq_ptr))
		sim_die("an interrupt got no object");
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
	obm_heap_trim(heap);
	sim_context = old;
}

static void other_looks(void)
{
	if (obm_heap_validate(heap))
		sim_die("found broken by another CPU");
}

static void task_works(void)
{
	get_many(0, 0, 100);
	put_many(0, 0, 100);
}

static void test_interrupts(void)
{
	void (*const funcs[])(void) = {
		irq_works, softirq_works, other_drains, other_looks
	};
	struct sim_meanwhile *when;
	unsigned int i, nth;

	for (i = 0; i < ARRAY_SIZE(funcs); i++)
		for (nth = 1; !tap_failures(); nth += 1 + nth / 16) {
			bool more;

			start(SIZE, make);
			irq_ptr = obm_cache_alloc(cache, GFP_KERNEL);
			if (nth % 2)
				task_works();
			when = i < 2 ? &sim_irq : &sim_meanwhile;
			when->func = funcs[i];
			when->nth = nth;
			task_works();
			more = !when->func;
			when->func = NULL;
			check_sound(1);
			order_end(heap, 1);
			if (!more)
				break;
		}
}

/* And while a cache is being destroyed, with all that it holds. */
static void test_end_meanwhile(void)
{
	void (*const funcs[])(void) = { other_drains, other_looks };
	unsigned int i, nth;

	for (i = 0; i < ARRAY_SIZE(funcs); i++)
		for (nth = 1; !tap_failures(); nth++) {
			bool more;

			start(SIZE, NULL);
			get_many(0, 0, 300);
			put_many(0, 0, 200);
			sim_meanwhile.func = funcs[i];
			sim_meanwhile.nth = nth;
			CHECK_EQ(obm_cache_destroy(cache), 100);
			more = !sim_meanwhile.func;
			sim_meanwhile.func = NULL;
			check_sound(0);
			order_end(heap, 0);
			if (!more)
				break;
		}
}

const struct tap_test order_cache_tests[] = {
	{ "cache: classes of every size", test_classes },
	{ "cache: a number waits for RCU", test_numbers },
	{ "cache: what was freed last comes first", test_front },
	{ "cache: drains of all kinds", test_drains },
	{ "cache: its end", test_end },
	{ "cache: no memory", test_faults },
	{ "cache: interrupts and others at every point", test_interrupts },
	{ "cache: its end, and others at every point", test_end_meanwhile },
};

const unsigned int order_nr_cache_tests = ARRAY_SIZE(order_cache_tests);
