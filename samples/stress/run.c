// SPDX-License-Identifier: GPL-2.0-only
/*
 * The run command: on each CPU a thread, and as ctx= wants it hard interrupts of
 * a timer, soft interrupts of another, and calls from the CPU before it, all
 * allocating from one heap. Some blocks change hands, so that most are freed
 * elsewhere than where they were allocated.
 */
#include "stress.h"

#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/version.h>

#define NR_HELD		64
#define NR_SHARED	64
#define BATCH		8
#define TICK_NS		(2 * NSEC_PER_MSEC)

/* Who allocates on a CPU. */
enum who {
	WHO_TASK,
	WHO_HARD,
	WHO_SOFT,
	WHO_CALL,
	NR_WHO
};

/**
 * struct actor - one of those who allocate, and never two at a time as it
 * @rnd: what it does next
 * @tally: what it did
 * @held: its blocks, or none where ptr is NULL
 */
struct actor {
	struct rnd_state rnd;
	struct stress_tally tally;
	struct stress_block held[NR_HELD];
};

/**
 * struct run_cpu - what runs on one CPU
 * @run: of this run
 * @next: the CPU that this one calls
 * @thread: bound to the CPU
 * @hard: in hard interrupts
 * @soft: in soft interrupts
 * @actors: by enum who
 */
struct run_cpu {
	struct run *run;
	unsigned int next;
	struct task_struct *thread;
	struct hrtimer hard;
	struct hrtimer soft;
	struct actor actors[NR_WHO];
};

/**
 * struct run - a run command at work
 * @cmd: the command
 * @heap: the heap
 * @lock: of @shared
 * @shared: where blocks change hands
 * @cpus: cmd->cpus of them
 */
struct run {
	const struct stress_command *cmd;
	struct obm_heap *heap;
	raw_spinlock_t lock;	/* for @shared */
	struct stress_block shared[NR_SHARED];
	struct run_cpu cpus[];
};

static void block_swap(struct run *run, struct actor *actor,
		       struct stress_block *block)
{
	unsigned int i = prandom_u32_state(&actor->rnd) % NR_SHARED;
	unsigned long flags;

	raw_spin_lock_irqsave(&run->lock, flags);
	swap(*block, run->shared[i]);
	raw_spin_unlock_irqrestore(&run->lock, flags);
}

static void act_once(struct run *run, struct actor *actor, gfp_t gfp)
{
	struct stress_block *block =
		&actor->held[prandom_u32_state(&actor->rnd) % NR_HELD];

	if (stress_chance(&actor->rnd, 4))
		block_swap(run, actor, block);
	if (!block->ptr)
		stress_block_alloc(run->heap, block, run->cmd, gfp,
				   &actor->rnd, &actor->tally);
	else if (stress_chance(&actor->rnd, 8))
		stress_block_resize(run->heap, block, run->cmd, gfp,
				    &actor->rnd, &actor->tally);
	else
		stress_block_free(run->heap, block,
				  stress_chance(&actor->rnd, 2), &actor->tally);
}

static void act(struct run_cpu *rc, enum who who, gfp_t gfp)
{
	unsigned int i;

	for (i = 0; i < BATCH; i++)
		act_once(rc->run, &rc->actors[who], gfp);
}

static enum hrtimer_restart tick(struct hrtimer *timer, struct run_cpu *rc,
				 enum who who)
{
	act(rc, who, GFP_ATOMIC | __GFP_NOWARN);
	hrtimer_forward_now(timer, ns_to_ktime(TICK_NS));
	return HRTIMER_RESTART;
}

static enum hrtimer_restart hard_tick(struct hrtimer *timer)
{
	return tick(timer, container_of(timer, struct run_cpu, hard), WHO_HARD);
}

static enum hrtimer_restart soft_tick(struct hrtimer *timer)
{
	return tick(timer, container_of(timer, struct run_cpu, soft), WHO_SOFT);
}

static void timer_start(struct hrtimer *timer, enum hrtimer_mode mode,
			enum hrtimer_restart (*fn)(struct hrtimer *timer))
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	hrtimer_setup(timer, fn, CLOCK_MONOTONIC, mode);
#else
	hrtimer_init(timer, CLOCK_MONOTONIC, mode);
	timer->function = fn;
#endif
	hrtimer_start(timer, ns_to_ktime(TICK_NS), mode);
}

static void called(void *data)
{
	act(data, WHO_CALL, GFP_ATOMIC | __GFP_NOWARN);
}

/* A thread acts in all the contexts that it can be in. */
static void thread_act(struct run_cpu *rc)
{
	unsigned long flags;

	act(rc, WHO_TASK, GFP_KERNEL | __GFP_NOWARN);
	local_irq_save(flags);
	act(rc, WHO_TASK, GFP_NOWAIT | __GFP_NOWARN);
	local_irq_restore(flags);
}

static int thread_fn(void *data)
{
	struct run_cpu *rc = data;
	enum stress_ctx ctx = rc->run->cmd->ctx;

	if (ctx != STRESS_TASK) {
		timer_start(&rc->hard, HRTIMER_MODE_REL_PINNED_HARD, hard_tick);
		timer_start(&rc->soft, HRTIMER_MODE_REL_PINNED_SOFT, soft_tick);
	}
	while (!kthread_should_stop()) {
		if (ctx != STRESS_IRQ)
			thread_act(rc);
		if (ctx != STRESS_TASK)
			smp_call_function_single(rc->next, called, rc, true);
		if (ctx == STRESS_IRQ)
			usleep_range(50, 200);
		else
			cond_resched();
	}
	if (ctx != STRESS_TASK) {
		hrtimer_cancel(&rc->hard);
		hrtimer_cancel(&rc->soft);
	}
	return 0;
}

static void blocks_free(struct run *run, struct stress_block *blocks,
			unsigned int nr, struct stress_tally *tally)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (blocks[i].ptr)
			stress_block_free(run->heap, &blocks[i], false, tally);
}

/*
 * Threads on the first CPUs that are online; as many as could be started. They
 * stay there unless they roam.
 */
static unsigned int threads_start(struct run *run)
{
	unsigned int cpu, nr = 0, first = cpumask_first(cpu_online_mask);

	for_each_online_cpu(cpu) {
		struct run_cpu *rc = &run->cpus[nr];

		if (nr == run->cmd->cpus)
			break;
		rc->run = run;
		rc->next = cpumask_next(cpu, cpu_online_mask);
		if (rc->next >= nr_cpu_ids)
			rc->next = first;
		if (run->cmd->roam)
			rc->thread = kthread_run(thread_fn, rc, "stress");
		else
			rc->thread = kthread_run_on_cpu(thread_fn, rc, cpu,
							"stress/%u");
		if (IS_ERR(rc->thread))
			break;
		nr++;
	}
	return nr;
}

static void run_end(struct run *run, unsigned int nr,
		    struct stress_tally *tally)
{
	unsigned int i, who;

	for (i = 0; i < nr; i++)
		kthread_stop(run->cpus[i].thread);
	for (i = 0; i < nr; i++) {
		for (who = 0; who < NR_WHO; who++) {
			struct actor *actor = &run->cpus[i].actors[who];

			blocks_free(run, actor->held, NR_HELD, &actor->tally);
			stress_tally_add(tally, &actor->tally);
			cond_resched();
		}
	}
	blocks_free(run, run->shared, NR_SHARED, tally);
}

int stress_run(struct stress_command *cmd)
{
	struct stress_heap *sh = stress_heap_get(cmd);
	struct stress_tally tally = { };
	unsigned int i, who, nr;
	struct run *run;
	int err;

	if (IS_ERR(sh))
		return PTR_ERR(sh);
	run = kvzalloc(struct_size(run, cpus, cmd->cpus), GFP_KERNEL);
	if (!run) {
		stress_heap_put(sh);
		return stress_refuse(cmd->result, -ENOMEM, "no memory");
	}
	run->cmd = cmd;
	run->heap = sh->heap;
	raw_spin_lock_init(&run->lock);
	for (i = 0; i < cmd->cpus; i++)
		for (who = 0; who < NR_WHO; who++)
			prandom_seed_state(&run->cpus[i].actors[who].rnd,
					   cmd->seed + i * NR_WHO + who);

	/* Or no CPU could go meanwhile. */
	if (!cmd->roam)
		cpus_read_lock();
	nr = threads_start(run);
	if (nr == cmd->cpus)
		msleep_interruptible(cmd->ms);
	run_end(run, nr, &tally);
	if (!cmd->roam)
		cpus_read_unlock();

	kvfree(run);
	stress_heap_put(sh);
	if (nr < cmd->cpus)
		return stress_refuse(cmd->result, -EAGAIN,
				     "%u threads of %u started", nr, cmd->cpus);
	err = stress_tally_say(cmd->result, &tally);
	stress_say(cmd->result, "live=%llu\n", tally.allocs - tally.frees);
	return err;
}
