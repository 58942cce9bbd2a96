// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads that share heaps, free each other's blocks, read the statistics and
 * ask about any address, all at once:
 *	threads [--seed N] [--ops N] [--threads N] [--rt]
 * Meant for ThreadSanitizer, and for AddressSanitizer too.
 */
#include "sim.h"
#include "internal.h"
#include "tap.h"

#include <getopt.h>

#define NR_HEAPS	3
#define NR_SLOTS	256
#define MAX_THREADS	(SIM_NR_CPUS - 1)

/* A block on its way from one thread to another. */
struct item {
	u64 *ptr;
	size_t size;
	u64 seed;
	int heap;
};

struct worker {
	pthread_t thread;
	struct sim_rng rng;
	u64 nr_allocs;
	u64 nr_frees;
	u64 nr_bad;
};

static struct obm_heap *heaps[NR_HEAPS];
static struct item *slots[NR_SLOTS];
static struct worker workers[MAX_THREADS];
static u64 seed = 1, nr_ops = 20000, nr_threads = 4;
static bool rt;
static unsigned long nr_identities;
static bool bulk_failed;

static u64 below(struct worker *w, u64 n)
{
	return sim_below(&w->rng, n);
}

static void fill(const struct item *item)
{
	size_t i;

	for (i = 0; i < item->size / 8; i++)
		item->ptr[i] = item->seed + i;
}

static void verify(const struct item *item, size_t size)
{
	size_t i;

	for (i = 0; i < size / 8; i++)
		if (item->ptr[i] != item->seed + i)
			sim_die("a block has changed under its owner");
}

static size_t pick_size(struct worker *w)
{
	u64 dice = below(w, 100);

	if (dice < 50)
		return below(w, obm_small_max + 1);
	if (dice < 85)
		return 16 << below(w, 4);
	if (dice < 95)
		return obm_small_max + below(w, 3 * PAGE_SIZE);
	return below(w, 20 * PAGE_SIZE);
}

static gfp_t pick_gfp(struct worker *w)
{
	return below(w, 4) ? GFP_KERNEL : GFP_ATOMIC;
}

static struct item *item_new(struct worker *w)
{
	struct item *item = malloc(sizeof(*item));

	item->heap = below(w, NR_HEAPS);
	item->size = pick_size(w);
	item->seed = sim_random(&w->rng);
	if (below(w, 8))
		item->ptr = obm_alloc(heaps[item->heap], item->size,
				      pick_gfp(w));
	else
		item->ptr = obm_alloc_node(heaps[item->heap], item->size,
					   pick_gfp(w), below(w, SIM_NR_NODES));
	if (!item->ptr) {
		free(item);
		return NULL;
	}
	w->nr_allocs++;
	fill(item);
	return item;
}

/* Of whoever finds the block meanwhile. */
struct waiting {
	u64 word;
	struct rcu_head rcu;
};

static void item_free(struct worker *w, struct item *item)
{
	if (!item)
		return;
	verify(item, item->size);
	if (below(w, 2))
		sim_atomic_enter(below(w, 8));
	if (item->size >= sizeof(struct waiting) && !below(w, 4))
		obm_free_rcu((struct waiting *)item->ptr, rcu);
	else if (below(w, 2))
		obm_free(item->ptr);
	else
		obm_free_sized(heaps[item->heap], item->ptr, item->size);
	sim_atomic_leave();
	w->nr_frees++;
	free(item);
}

static struct item *exchange(struct worker *w, struct item *item)
{
	return xchg(&slots[below(w, NR_SLOTS)], item);
}

static void provide(struct worker *w)
{
	struct item *item = item_new(w);

	if (item)
		item_free(w, exchange(w, item));
}

static void resize(struct worker *w)
{
	struct item *item = exchange(w, NULL);
	size_t size = pick_size(w);
	u64 *ptr;

	if (!item)
		return;
	ptr = obm_realloc(heaps[item->heap], item->ptr, size, pick_gfp(w));
	if (ptr) {
		w->nr_allocs += ptr != item->ptr;
		w->nr_frees += ptr != item->ptr;
		item->ptr = ptr;
		verify(item, min(size, item->size));
		item->size = size;
		fill(item);
	}
	item_free(w, exchange(w, item));
}

/* Nobody else can know this block: what is wrong with it is certain. */
static void mistake(struct worker *w)
{
	struct item *item = exchange(w, NULL);
	char *ptr;

	if (!item)
		return;
	ptr = (char *)item->ptr + 1 + below(w, 7);
	if (below(w, 2))
		obm_free(ptr);
	else if (obm_usable_size(ptr))
		sim_die("a misaligned pointer has a size");
	w->nr_bad++;
	item_free(w, exchange(w, item));
}

/* Any address at all, at a time when anything may happen to it. */
static void ask(struct worker *w)
{
	char *ptr = sim_base + below(w, SIM_MEM_BYTES);
	struct item *item;
	void *base;
	size_t size;

	/* Mostly where something is. */
	if (below(w, 4))
		ptr = sim_base + (below(w, 2) * SIM_MEM_BYTES / 2) +
		      below(w, 512 * PAGE_SIZE);
	if (!obm_block_bounds(ptr, &base, &size) &&
	    (ptr < (char *)base || ptr >= (char *)base + size))
		sim_die("the bounds of a block do not hold the pointer");
	obm_owns(heaps[below(w, NR_HEAPS)], ptr);

	item = exchange(w, NULL);
	if (!item)
		return;
	if (obm_block_bounds(item->ptr, &base, &size) || base != item->ptr ||
	    size < item->size || !obm_owns(heaps[item->heap], item->ptr))
		sim_die("a live block is not known");
	item_free(w, exchange(w, item));
}

static void read_stats(struct worker *w)
{
	struct obm_class_stats cs;
	struct obm_stats s;
	struct obm_heap *heap = below(w, 4) ? heaps[below(w, NR_HEAPS)] : NULL;

	obm_heap_stats(heap, &s);
	if (s.used_bytes + s.avail_bytes + s.unused_bytes + s.meta_bytes +
	    s.quant_bytes + s.raw_bytes != s.held_bytes)
		sim_die("the bytes do not add up");
	/* Of a batch on its way, and of nodes read one after another. */
	if (s.nr_allocs < s.nr_frees)
		sim_die("the counts of blocks do not add up");
	__atomic_add_fetch(&nr_identities, 1, __ATOMIC_RELAXED);
	if (!heap)
		return;
	obm_stats_class(heap, below(w, obm_nr_classes), &cs);
	if (cs.nr_blocks > cs.nr_total)
		sim_die("more blocks are allocated than there are");
}

static void private_heap(struct worker *w)
{
	unsigned int i, n = below(w, 20);
	struct obm_heap *heap;
	char name[OBM_NAME_LEN];
	unsigned long got = 0;

	snprintf(name, sizeof(name), "own-%zu-%llu", w - workers,
		 below(w, 1000000));
	heap = obm_heap_create(name, NULL);
	if (IS_ERR(heap))
		return;
	for (i = 0; i < n; i++)
		got += !!obm_alloc(heap, pick_size(w), GFP_KERNEL);
	obm_heap_validate(heap);
	if (obm_heap_destroy(heap) != got)
		sim_die("a heap's leaks are miscounted");
}

static void bulk(struct worker *w)
{
	struct obm_heap *heap = heaps[below(w, NR_HEAPS)];
	size_t size = below(w, 8) * 32, n = below(w, 50), i;
	void *ptrs[50];

	if (obm_alloc_bulk(heap, size, GFP_KERNEL, n, ptrs) != n) {
		__atomic_store_n(&bulk_failed, true, __ATOMIC_RELAXED);
		return;
	}
	for (i = 0; i < n; i++)
		memset(ptrs[i], w - workers, size);
	for (i = 0; i < n; i++)
		if (size && *(u8 *)ptrs[i] != w - workers)
			sim_die("a block has two owners");
	obm_free_bulk(heap, size, n, ptrs);
	w->nr_allocs += n;
	w->nr_frees += n;
}

/* A cache comes and goes while others trim its heap and look at it. */
static void typed(struct worker *w)
{
	struct obm_heap *heap = heaps[below(w, NR_HEAPS)];
	struct obm_cache *cache;
	unsigned int i, got;
	char name[OBM_NAME_LEN];
	u64 *ptrs[200];

	snprintf(name, sizeof(name), "own-%zu", w - workers);
	cache = obm_cache_create(heap, name, 8 + below(w, 500), 0, NULL);
	if (IS_ERR(cache))
		return;
	for (got = 0; got < ARRAY_SIZE(ptrs); got++) {
		ptrs[got] = obm_cache_alloc(cache, pick_gfp(w));
		if (!ptrs[got])
			break;
		*ptrs[got] = (unsigned long)&ptrs[got];
	}
	for (i = 0; i < got; i++) {
		if (*ptrs[i] != (unsigned long)&ptrs[i])
			sim_die("an object has two owners");
		if (below(w, 2))
			sim_atomic_enter(below(w, 8));
		if (below(w, 2))
			obm_free(ptrs[i]);
		else
			obm_cache_free(cache, ptrs[i]);
		sim_atomic_leave();
	}
	w->nr_allocs += got;
	w->nr_frees += got;
	if (obm_cache_destroy(cache))
		sim_die("objects that were freed are leaks");
}

/* A CPU that runs nothing goes off and comes back. */
static void unplug(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

	pthread_mutex_lock(&lock);
	sim_cpu_die(SIM_NR_CPUS - 1);
	sim_cpu_revive(SIM_NR_CPUS - 1);
	pthread_mutex_unlock(&lock);
}

static void step(struct worker *w)
{
	u64 dice = below(w, 1000);

	if (dice < 100)
		resize(w);
	else if (dice < 120)
		mistake(w);
	else if (dice < 200)
		ask(w);
	else if (dice < 250)
		read_stats(w);
	else if (dice < 260 && obm_heap_validate(heaps[below(w, NR_HEAPS)]))
		sim_die("a heap is not valid");
	else if (dice < 264)
		obm_heap_trim(heaps[below(w, NR_HEAPS)]);
	else if (dice < 265)
		obm_heap_trim_all();
	else if (dice < 267)
		private_heap(w);
	else if (dice < 268)
		unplug();
	else if (dice < 275)
		bulk(w);
	else if (dice < 279)
		typed(w);
	else if (dice < 290)
		sim_context.nid = below(w, 3);
	else if (dice < 420)
		item_free(w, exchange(w, NULL));
	else
		provide(w);
	sim_tick(sim_random(&w->rng));
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	u64 i;

	sim_context = (struct sim_context){ .cpu = w - workers };
	for (i = 0; i < nr_ops; i++)
		step(w);
	return NULL;
}

static void setup(void)
{
	struct obm_heap_attrs attrs = OBM_HEAP_ATTRS_INIT;
	unsigned int i;

	sim_start(OBM_SMALL_MAX, seed);
	sim_threads = true;
	sim_preempt_rt = rt;
	heaps[0] = obm_heap_create("free", &attrs);
	attrs.limit_bytes = 60 * PAGE_SIZE + 16384;
	heaps[1] = obm_heap_create("limited", &attrs);
	attrs.limit_bytes = 0;
	attrs.node = 1;
	heaps[2] = obm_heap_create("bound", &attrs);
	sim_fault.permille = 10;
	sim_pressure = 20;
	for (i = 0; i < nr_threads; i++)
		workers[i].rng = sim_rng(seed * MAX_THREADS + i);
}

/* With everybody gone, the numbers must be those that the threads counted. */
static void check(void)
{
	u64 allocs = 0, frees = 0, bad = 0;
	struct obm_stats s;
	unsigned int i;

	for (i = 0; i < NR_SLOTS; i++)
		item_free(&workers[0], slots[i]);
	/* Those that wait, and those that came while others did. */
	for (i = 0; i < 2; i++) {
		sim_run_rcu();
		sim_run_work();
	}
	sim_threads = false;
	for (i = 0; i < nr_threads; i++) {
		allocs += workers[i].nr_allocs;
		frees += workers[i].nr_frees;
		bad += workers[i].nr_bad;
	}
	obm_heap_stats(NULL, &s);
	/* One that failed half-way took blocks and put them back. */
	CHECK(s.nr_allocs == allocs || (bulk_failed && s.nr_allocs > allocs));
	CHECK_EQ(s.nr_allocs - allocs, s.nr_frees - frees);
	CHECK_EQ(allocs, frees);
	CHECK_EQ(s.nr_bad[OBM_BAD_MISALIGNED], bad);
	CHECK_EQ(s.nr_blocks + s.nr_raw, 0);
	CHECK(nr_identities > 0);
	for (i = 0; i < NR_HEAPS; i++) {
		CHECK(obm_heap_validate(heaps[i]) == 0);
		obm_heap_stats(heaps[i], &s);
		CHECK_EQ(s.held_bytes,
			 atomic_long_read(&heaps[i]->held_bytes));
		CHECK(obm_heap_destroy(heaps[i]) == 0);
	}
	sim_end();
}

static void print_where(void)
{
	printf("# to repeat, perhaps: --seed %llu --threads %llu%s\n", seed,
	       nr_threads, rt ? " --rt" : "");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "ops", required_argument, NULL, 'o' },
		{ "threads", required_argument, NULL, 't' },
		{ "rt", no_argument, NULL, 'r' },
		{ }
	};
	unsigned int i;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 'o':
			nr_ops = strtoull(optarg, NULL, 0);
			break;
		case 't':
			nr_threads = strtoull(optarg, NULL, 0);
			break;
		case 'r':
			rt = true;
			break;
		default:
			return 2;
		}
	}
	if (!nr_threads || nr_threads > MAX_THREADS)
		return 2;
	sim_on_death = print_where;
	tap_plan(1);
	setup();
	for (i = 0; i < nr_threads; i++)
		if (pthread_create(&workers[i].thread, NULL, worker_main,
				   &workers[i]))
			sim_die("no threads");
	for (i = 0; i < nr_threads; i++)
		pthread_join(workers[i].thread, NULL);
	check();
	tap_result(true, "%llu threads, %llu operations each%s", nr_threads,
		   nr_ops, rt ? ", PREEMPT_RT" : "");
	return tap_status();
}
