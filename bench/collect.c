// SPDX-License-Identifier: GPL-2.0-only
/*
 * Full collections: what they cost for each object, and how long others wait
 * meanwhile. The graph is a ring whose objects have a second link, to any of them;
 * bench/collect.py makes the same one in CPython.
 */
#include "bench.h"

#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/obm_gc.h>
#include <linux/obm_object.h>
#include <linux/sched.h>
#include <linux/vmalloc.h>
#include <uapi/linux/sched/types.h>

#include "allocator.h"
#include "clock.h"

#define NR_ROUNDS	5
/* Objects that all rounds of a small graph together have at least. */
#define NR_LEAST	100000
#define NR_OF_WAIT	1000000

struct knot;

/* A link by itself, so that there can be a row of them. */
struct knot_link {
	OBM_REF(struct knot);
};

/**
 * struct knot - an object of the graph, of 64 bytes
 * @obj: object
 * @links: to the next one, and to any
 */
struct knot {
	struct obm_obj obj;
	struct knot_link links[2];
};

static struct obm_type knot_type = {
	.name = "bench_knot",
	.size = sizeof(struct knot),
	OBM_LINKS(struct knot, links, 2),
};

/**
 * struct graph - objects that link to each other
 * @nr: how many
 * @knots: they; the first one has a reference, the others have none of their own
 * @work: random numbers
 */
struct graph {
	u32 nr;
	struct knot **knots;
	struct bench_work work;
};

static int graph_link(struct graph *graph)
{
	struct knot *knot;
	u32 i;
	int err = 0;

	for (i = 0; !err && i < graph->nr; i++) {
		knot = graph->knots[i];
		err = obm_ref_set(&knot->obj, &knot->links[0],
				  graph->knots[(i + 1) % graph->nr]) ?:
		      obm_ref_set(&knot->obj, &knot->links[1],
				  graph->knots[bench_random(&graph->work,
							    graph->nr)]);
		if (!(i % 1024))
			cond_resched();
	}
	return err;
}

/* On failure nothing is left. */
static int graph_make(struct graph *graph)
{
	u32 i, nr;
	int err;

	graph->work.random = BENCH_SEED;
	for (nr = 0; nr < graph->nr; nr++) {
		graph->knots[nr] = obm_obj_new(bench_heap, &knot_type,
					       GFP_KERNEL);
		if (!graph->knots[nr])
			break;
		if (!(nr % 1024))
			cond_resched();
	}
	err = nr == graph->nr ? graph_link(graph) : -ENOMEM;
	/* The ring holds them from now on. */
	for (i = err ? 0 : 1; i < nr; i++)
		obm_obj_put(&graph->knots[i]->obj);
	return err;
}

static void graph_drop(struct graph *graph)
{
	obm_obj_put(&graph->knots[0]->obj);
}

/* -EUCLEAN if another number of objects was found. */
static int collect(u32 nr, u64 *took)
{
	u64 start = bench_now();
	long found = obm_gc_collect(bench_heap, OBM_NR_GENERATIONS - 1);

	*took = bench_now() - start;
	return found == nr ? 0 : -EUCLEAN;
}

/**
 * struct costs - of the rounds of a graph, the least of each
 * @live: to find all of it alive
 * @garbage: to find it dead, and free it
 */
struct costs {
	u64 live;
	u64 garbage;
};

static int round_take(struct graph *graph, struct costs *costs)
{
	u64 live, garbage;
	int err = graph_make(graph);

	if (err)
		return err;
	/* The first time they are young; then as they are for ever after. */
	err = collect(0, &live) ?: collect(0, &live);
	graph_drop(graph);
	err = collect(graph->nr, &garbage) ?: err;
	costs->live = min(costs->live, live);
	costs->garbage = min(costs->garbage, garbage);
	return err;
}

static int rounds(struct graph *graph, u32 nr_rounds)
{
	struct costs costs = { U64_MAX, U64_MAX };
	char name[20];
	u32 i, digits = 0;
	int err = 0;

	for (i = 0; !err && i < nr_rounds; i++)
		err = round_take(graph, &costs);
	if (err)
		return err;
	for (i = graph->nr; i >= 10; i /= 10)
		digits++;
	snprintf(name, sizeof(name), "gc_live_1e%u", digits);
	bench_result(name, BENCH_OBMALLOC, 0, bench_unit(),
		     div_u64(costs.live * 1000, graph->nr));
	snprintf(name, sizeof(name), "gc_garbage_1e%u", digits);
	bench_result(name, BENCH_OBMALLOC, 0, bench_unit(),
		     div_u64(costs.garbage * 1000, graph->nr));
	return 0;
}

/* Calls @fn with a graph of nothing, and a heap for it that collects only if told. */
static int with_graph(u32 nr, int (*fn)(struct graph *graph))
{
	struct graph graph = { .nr = nr };
	int err = obm_type_register(&knot_type);

	if (err)
		return err;
	err = bench_open(BENCH_OBMALLOC, 0);
	if (err)
		goto out_type;
	obm_gc_disable(bench_heap);
	graph.knots = vmalloc(array_size(nr, sizeof(*graph.knots)));
	err = graph.knots ? fn(&graph) : -ENOMEM;
	vfree(graph.knots);
	bench_close(BENCH_OBMALLOC);
out_type:
	return obm_type_unregister(&knot_type) ?: err;
}

static int rounds_all(struct graph *graph)
{
	u32 nr_rounds = max_t(u32, NR_ROUNDS, NR_LEAST / graph->nr);

	/* The largest take their time, and an interrupt there is not much. */
	if (graph->nr > 1000000)
		nr_rounds = 2;
	if (bench_counts && graph->nr >= NR_LEAST)
		nr_rounds = 1;
	return rounds(graph, nr_rounds);
}

static int collect_run(const struct bench_case *bc)
{
	u32 nr;
	int err = 0;

	for (nr = 1000; !err && nr <= 1000000; nr *= 10)
		err = with_graph(nr, rounds_all);
	return err;
}

static int collect_huge_run(const struct bench_case *bc)
{
	return with_graph(10000000, rounds_all);
}

/* --- Who waits --- */

/**
 * struct waiter - a thread that goes before all others, and works on the graph
 * @knot: object that it gets, links and puts
 * @longest: that it came too late, or that an operation took
 */
struct waiter {
	struct knot *knot;
	u64 longest;
};

/* What a mutator does: count, link, make one and drop it. */
static int operate(struct knot *knot)
{
	struct knot *new;
	int err;

	obm_obj_get(&knot->obj);
	new = obm_obj_new(bench_heap, &knot_type, GFP_KERNEL);
	if (!new)
		return -ENOMEM;
	err = obm_ref_set(&new->obj, &new->links[0], knot) ?:
	      obm_ref_set(&knot->obj, &knot->links[1], new);
	obm_obj_put(&new->obj);
	obm_obj_put(&knot->obj);
	return err;
}

#define PERIOD_US	50

static int waiter_run(void *data)
{
	struct waiter *waiter = data;
	ktime_t due = ktime_get();
	int err = 0;

	while (!kthread_should_stop()) {
		if (!err)
			err = operate(waiter->knot);
		waiter->longest = max_t(s64, waiter->longest,
					ktime_to_ns(ktime_sub(ktime_get(), due)));
		due = ktime_add_us(ktime_get(), PERIOD_US);
		set_current_state(TASK_INTERRUPTIBLE);
		schedule_hrtimeout_range(&due, 0, HRTIMER_MODE_ABS);
	}
	return err;
}

/*
 * On the same CPU as who collects: it can only have it when that one lets go of
 * it. So the time is that of the longest slice, and of the operations.
 */
static int wait_for(const char *name, struct graph *graph,
		    int (*fn)(struct graph *graph))
{
	struct waiter waiter = { .knot = graph->knots[0] };
	struct task_struct *task;
	int err, waiter_err;

	task = kthread_create(waiter_run, &waiter, "bench/waiter");
	if (IS_ERR(task))
		return PTR_ERR(task);
	get_task_struct(task);
	kthread_bind(task, task_cpu(current));
	sched_set_fifo(task);
	wake_up_process(task);
	err = fn(graph);
	waiter_err = kthread_stop(task);
	put_task_struct(task);
	bench_result(name, BENCH_OBMALLOC, 0, "ns_max", waiter.longest * 1000);
	return err ?: waiter_err;
}

static int wait_idle(struct graph *graph)
{
	unsigned long i;

	/* As who collects would: it gives way. */
	for (i = 0; i < 10000; i++) {
		usleep_range(10, 20);
		cond_resched();
	}
	return 0;
}

static int wait_live(struct graph *graph)
{
	return min(obm_gc_collect(bench_heap, OBM_NR_GENERATIONS - 1), 0L);
}

static int waits(struct graph *graph)
{
	int err = graph_make(graph);

	if (err)
		return err;
	err = wait_for("gc_wait_idle", graph, wait_idle) ?:
	      wait_for("gc_wait", graph, wait_live);
	graph_drop(graph);
	obm_gc_collect(bench_heap, OBM_NR_GENERATIONS - 1);
	return err;
}

static int wait_run(const struct bench_case *bc)
{
	return with_graph(NR_OF_WAIT, waits);
}

const struct bench_case bench_collect = {
	.name = "collect",
	.what = "full collections of 10^3 to 10^6 objects, live and garbage",
	.kinds = BIT(BENCH_OBMALLOC),
	.nr_cpus = 1,
	.run = collect_run,
};

const struct bench_case bench_collect_huge = {
	.name = "collect_huge",
	.what = "the same of 10^7",
	.kinds = BIT(BENCH_OBMALLOC),
	.nr_cpus = 1,
	.run = collect_huge_run,
};

const struct bench_case bench_wait = {
	.name = "wait",
	.what = "longest wait during a full collection of 10^6 objects",
	.kinds = BIT(BENCH_OBMALLOC),
	.nr_cpus = 1,
	.run = wait_run,
};
