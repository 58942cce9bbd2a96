// SPDX-License-Identifier: GPL-2.0-only
/*
 * A long test of the collector: insmod runs it, and fails with -EUCLEAN if it
 * found anything wrong. The kernel log has the figures; the same parameters give
 * the same random numbers, but not the same order among threads.
 *
 *   insmod graphstress.ko [seed=N] [ops=N] [threads=N] [objects=N]
 *
 * It holds that
 *   - an object that somebody has a reference to is alive: each has a canary that
 *     its release destroys, and each access looks at it
 *   - each is released once, without links; finalized once; and each callback is
 *     called where it may be
 *   - in the end, when all references from outside are gone, a full collection
 *     leaves nothing: of each type as many are released as were made
 */
#include "graphstress.h"

#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/slab.h>

static unsigned long seed = 1;
module_param(seed, ulong, 0444);
MODULE_PARM_DESC(seed, "of the random numbers (default 1)");

static unsigned long ops = 1000000;
module_param(ops, ulong, 0444);
MODULE_PARM_DESC(ops, "operations, of all threads together (default 1000000)");

static unsigned int threads;
module_param(threads, uint, 0444);
MODULE_PARM_DESC(threads, "how many (default 0: two for each CPU)");

static unsigned int objects = 4000;
module_param(objects, uint, 0444);
MODULE_PARM_DESC(objects, "about so many at once (default 4000)");

static unsigned int types = BIT(GS_NR_TYPES) - 1;
module_param(types, uint, 0444);
MODULE_PARM_DESC(types, "bits of those to be made, of enum gs_type (default all)");

struct obm_heap *gs_heap;
struct gs_counts __percpu *gs_counts;
bool gs_ending;

static struct gs_thread *crew;
static atomic_t nr_running;
static DECLARE_COMPLETION(all_done);
static atomic_t errors[GS_NR_ERRORS];
static u64 __percpu *any_state;

static const char *const error_names[GS_NR_ERRORS] = {
	[GS_DEAD] = "dead, but somebody has a reference to it",
	[GS_TWICE] = "released twice, or overwritten",
	[GS_REUSED] = "reused before a grace period has passed",
	[GS_LINKED] = "released with links",
	[GS_CONTEXT] = "callback in a context that it must not be in",
	[GS_AGAIN] = "finalized or called back again",
	[GS_FAILED] = "a call failed that cannot",
	[GS_LEFT] = "left in the end",
};

/* Counts an error; the first of each kind is told. */
void gs_error(enum gs_error error, const struct gs_obj *obj)
{
	if (atomic_inc_return(&errors[error]) > 1)
		return;
	if (obj)
		pr_err("error: object %016llx of type %u: %s\n",
		       obm_obj_id(&obj->obj), obj->type, error_names[error]);
	else
		pr_err("error: %s\n", error_names[error]);
	dump_stack();
}

/* --- Random numbers --- */

static u64 mix(u64 x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

void gs_rnd_init(struct gs_rnd *rnd, u64 number)
{
	rnd->state = mix(seed * 0x9e3779b97f4a7c15 + number);
}

u64 gs_rnd_u64(struct gs_rnd *rnd)
{
	rnd->state += 0x9e3779b97f4a7c15;
	return mix(rnd->state);
}

/* For callbacks, which do not know whose they are. */
u64 gs_rnd_any(void)
{
	return mix(this_cpu_add_return(*any_state, 0x9e3779b97f4a7c15));
}

/* One of the types that are wanted. */
unsigned int gs_rnd_type(u64 rnd)
{
	unsigned int type = (rnd >> 32) % GS_NR_TYPES;

	while (!(types & BIT(type)))
		type = (type + 1) % GS_NR_TYPES;
	return type;
}

/* --- Threads --- */

/* Dead ones that wait, weak references and boxes included. */
static bool are_too_many(void)
{
	struct obm_stats stats;

	obm_heap_stats(gs_heap, &stats);
	return stats.nr_blocks > objects;
}

static int changer(void *data)
{
	struct gs_thread *thread = data;

	gs_irq_start(thread);
	while (thread->nr_ops < thread->todo && !kthread_should_stop()) {
		if (!(thread->nr_ops % 64)) {
			thread->full = are_too_many();
			/* The collector has to come first. */
			if (thread->full)
				usleep_range(20, 200);
			cond_resched();
		}
		gs_step(thread);
		WRITE_ONCE(thread->nr_ops, thread->nr_ops + 1);
	}
	gs_irq_stop(thread);
	if (atomic_dec_and_test(&nr_running))
		complete(&all_done);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(HZ / 10);
	return 0;
}

static unsigned long sum_ops(void)
{
	unsigned long sum = 0;
	unsigned int i;

	for (i = 0; i < threads; i++)
		sum += READ_ONCE(crew[i].nr_ops);
	return sum;
}

/* Half of them stay on a CPU each. */
static int crew_start(void)
{
	unsigned int i, cpu = cpumask_first(cpu_online_mask);
	struct task_struct *task;

	atomic_set(&nr_running, threads);
	for (i = 0; i < threads; i++) {
		gs_rnd_init(&crew[i].rnd, 2 * i);
		gs_rnd_init(&crew[i].irq_rnd, 2 * i + 1);
		crew[i].todo = ops / threads + (i < ops % threads);
		task = kthread_create(changer, &crew[i], "graphstress/%u", i);
		if (IS_ERR(task))
			return PTR_ERR(task);
		if (i < num_online_cpus()) {
			kthread_bind(task, cpu);
			cpu = cpumask_next(cpu, cpu_online_mask);
			if (cpu >= nr_cpu_ids)
				cpu = cpumask_first(cpu_online_mask);
		}
		crew[i].task = task;
	}
	for (i = 0; i < threads; i++)
		wake_up_process(crew[i].task);
	return 0;
}

static void crew_stop(void)
{
	unsigned int i;

	for (i = 0; i < threads; i++)
		if (crew[i].task)
			kthread_stop(crew[i].task);
}

/* -EINTR if somebody does not want to wait. */
static int crew_wait(void)
{
	unsigned long minutes = 0;
	long left;

	for (;;) {
		left = wait_for_completion_interruptible_timeout(&all_done,
								 60 * HZ);
		if (left)
			return left > 0 ? 0 : -EINTR;
		pr_info("%lu minutes, %lu operations\n", ++minutes, sum_ops());
	}
}

static int work(void)
{
	static struct gs_rnd keeper_rnd;
	struct task_struct *keeper;
	int err;

	gs_rnd_init(&keeper_rnd, U32_MAX);
	keeper = kthread_run(gs_keeper, &keeper_rnd, "graphstress/gc");
	if (IS_ERR(keeper))
		return PTR_ERR(keeper);
	err = crew_start();
	if (!err)
		err = crew_wait();
	crew_stop();
	kthread_stop(keeper);
	return err;
}

/* --- The end --- */

/* Of a type, as many have to be gone as came; GS_PLAIN cannot tell. */
static bool are_left(unsigned int type, bool tell)
{
	unsigned long made = 0, released = 0;
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		made += per_cpu_ptr(gs_counts, cpu)->made[type];
		released += per_cpu_ptr(gs_counts, cpu)->released[type];
	}
	if (type == GS_PLAIN || made == released)
		return false;
	if (tell)
		pr_err("type %u: %lu made, %lu released\n", type, made,
		       released);
	return true;
}

static bool any_are_left(void)
{
	unsigned int i;

	for (i = 0; i < GS_NR_TYPES; i++)
		if (are_left(i, false))
			return true;
	return false;
}

static void compare(void)
{
	unsigned int i;

	for (i = 0; i < GS_NR_TYPES; i++)
		if (are_left(i, true))
			gs_error(GS_LEFT, NULL);
}

/*
 * One full collection has to do, unless some die in the worker only when it is
 * over: then what they led to is left for the next one. So it may find nothing at
 * all, if somebody else has collected just before.
 */
static void collect_all(void)
{
	unsigned int nr_more = types & BIT(GS_SLEEPER) ? 100 : 0;
	long nr;

	do {
		nr = obm_gc_collect(gs_heap, OBM_NR_GENERATIONS - 1);
		obm_obj_flush(gs_heap);
	} while ((nr || any_are_left()) && nr_more--);
}

/* All references from outside go, and all objects have to. */
static void finish(void)
{
	struct obm_stats stats;

	WRITE_ONCE(gs_ending, true);
	/* Callbacks that did not see it are done then. */
	obm_obj_flush(gs_heap);
	gs_tables_drop();
	obm_gc_disable(gs_heap);
	if (obm_gc_set_mode(gs_heap, OBM_GC_FREE) || obm_gc_unfreeze(gs_heap))
		gs_error(GS_FAILED, NULL);
	obm_obj_flush(gs_heap);
	collect_all();
	compare();
	/* Types that readers under RCU know, and boxes. */
	rcu_barrier();
	if (gs_types_unregister())
		gs_error(GS_LEFT, NULL);
	obm_heap_stats(gs_heap, &stats);
	if (stats.nr_blocks) {
		pr_err("%llu blocks are left\n", stats.nr_blocks);
		gs_error(GS_LEFT, NULL);
	}
	if (obm_heap_validate(gs_heap))
		gs_error(GS_FAILED, NULL);
}

static struct gs_counts sum_counts(void)
{
	struct gs_counts sum = { }, *of_cpu;
	unsigned int cpu, i;

	for_each_possible_cpu(cpu) {
		of_cpu = per_cpu_ptr(gs_counts, cpu);
		for (i = 0; i < GS_NR_TYPES; i++)
			sum.made[0] += of_cpu->made[i];
		sum.finalized += of_cpu->finalized;
		sum.called += of_cpu->called;
		sum.rescued += of_cpu->rescued;
		sum.irqs += of_cpu->irqs;
		sum.refused += of_cpu->refused;
	}
	return sum;
}

static void report_collections(void)
{
	struct obm_gc_stats s;
	unsigned int i;

	for (i = 0; i < OBM_NR_GENERATIONS; i++) {
		if (obm_gc_stats(gs_heap, i, &s))
			continue;
		pr_info("generation %u: %llu collections, %llu collected, %llu doubts\n",
			i, s.nr_collections, s.nr_collected, s.nr_doubts);
	}
}

/* Returns how many errors there were. */
static unsigned int report(u64 ns)
{
	struct gs_counts sum = sum_counts();
	unsigned int i, nr = 0;

	for (i = 0; i < GS_NR_ERRORS; i++) {
		if (!atomic_read(&errors[i]))
			continue;
		pr_err("%u times: %s\n", atomic_read(&errors[i]),
		       error_names[i]);
		nr += atomic_read(&errors[i]);
	}
	report_collections();
	pr_info("%lu objects, %lu finalized, %lu called back, %lu got weakly, %lu interrupts, %lu refused\n",
		sum.made[0], sum.finalized, sum.called, sum.rescued, sum.irqs,
		sum.refused);
	pr_info("seed %lu: %lu operations by %u threads in %llu ms, %u errors\n",
		seed, sum_ops(), threads, div_u64(ns, NSEC_PER_MSEC), nr);
	return nr;
}

static int run(void)
{
	u64 start = ktime_get_ns();
	int err;

	pr_info("seed %lu, %lu operations, %u threads, %u objects\n", seed, ops,
		threads, objects);
	err = work();
	finish();
	return report(ktime_get_ns() - start) ? -EUCLEAN : err;
}

static int memory_get(void)
{
	unsigned int cpu;
	u64 *state;

	gs_counts = alloc_percpu(struct gs_counts);
	any_state = alloc_percpu(u64);
	crew = kcalloc(threads, sizeof(*crew), GFP_KERNEL);
	if (!gs_counts || !any_state || !crew)
		return -ENOMEM;
	for_each_possible_cpu(cpu) {
		state = per_cpu_ptr(any_state, cpu);
		*state = mix(seed + ((u64)cpu << 32));
	}
	return gs_tables_init(max(objects / 16, 16U));
}

static void memory_put(void)
{
	gs_tables_exit();
	kfree(crew);
	free_percpu(any_state);
	free_percpu(gs_counts);
}

/* With all types registered; those that stay go after the heap does. */
static int run_in_heap(void)
{
	int err;

	gs_heap = obm_heap_create("graphstress", NULL);
	if (IS_ERR(gs_heap))
		return PTR_ERR(gs_heap);
	err = gs_types_register();
	if (!err)
		err = run();
	if (obm_heap_destroy(gs_heap) && !err)
		err = -EUCLEAN;
	gs_types_unregister();
	rcu_barrier();
	return err;
}

static int __init graphstress_init(void)
{
	int err;

	if (!threads)
		threads = 2 * num_online_cpus();
	types &= BIT(GS_NR_TYPES) - 1;
	if (!ops || objects < 100 || !types)
		return -EINVAL;
	err = memory_get();
	if (!err)
		err = run_in_heap();
	memory_put();
	return err;
}

static void __exit graphstress_exit(void)
{
}

module_init(graphstress_init);
module_exit(graphstress_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A long test of obmalloc's objects and their collector");
MODULE_IMPORT_NS(OBM_NS);
