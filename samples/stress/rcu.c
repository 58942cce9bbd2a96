// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rcu command: on each CPU a thread, and with ctx=irq or mixed a timer in
 * hard interrupts, replace things that all the others look at under
 * rcu_read_lock(), and free them by obm_free_rcu(). Those that wait for their
 * grace period when the command ends go on waiting.
 */
#include "stress.h"

#include <linux/atomic.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/version.h>

#define NR_SLOTS	128
#define BATCH		16
#define TICK_NS		(NSEC_PER_MSEC / 2)

/**
 * struct thing - what is looked at
 * @seq: of this thing alone
 * @rcu: for obm_free_rcu()
 * @size: of the block
 * @check: complement of @seq
 */
struct thing {
	u64 seq;
	struct rcu_head rcu;
	size_t size;
	u64 check;
};

/**
 * struct rcu_cpu - what runs on one CPU
 * @run: of this run
 * @thread: bound to the CPU
 * @timer: in hard interrupts
 * @rnd: by who has it: 0 the thread, 1 the timer
 * @tally: the same
 */
struct rcu_cpu {
	struct rcu_run *run;
	struct task_struct *thread;
	struct hrtimer timer;
	struct rnd_state rnd[2];
	struct stress_tally tally[2];
};

/**
 * struct rcu_run - an rcu command at work
 * @cmd: the command
 * @heap: the heap
 * @seq: things so far
 * @slots: things that are looked at
 * @cpus: cmd->cpus of them
 */
struct rcu_run {
	const struct stress_command *cmd;
	struct obm_heap *heap;
	atomic64_t seq;
	struct thing *slots[NR_SLOTS];
	struct rcu_cpu cpus[];
};

static struct thing *thing_new(struct rcu_run *run, gfp_t gfp,
			       struct rnd_state *rnd,
			       struct stress_tally *tally)
{
	const struct stress_command *cmd = run->cmd;
	size_t size = cmd->size_min + prandom_u32_state(rnd) %
		      (cmd->size_max - cmd->size_min + 1);
	struct thing *thing;

	size = max(size, sizeof(*thing));
	thing = obm_alloc(run->heap, size, gfp | __GFP_NOWARN);
	if (!thing) {
		tally->failed++;
		return NULL;
	}
	tally->allocs++;
	thing->seq = atomic64_inc_return(&run->seq);
	thing->size = size;
	thing->check = ~thing->seq;
	memset((void *)thing + sizeof(*thing), (u8)thing->seq,
	       size - sizeof(*thing));
	return thing;
}

static bool thing_is_whole(const struct thing *thing, u64 seq)
{
	return READ_ONCE(thing->seq) == seq &&
	       READ_ONCE(thing->check) == ~seq &&
	       !memchr_inv((void *)thing + sizeof(*thing), (u8)seq,
			   thing->size - sizeof(*thing));
}

/* Twice, so that others have time to free it in between. */
static void look(struct rcu_run *run, unsigned int i,
		 struct stress_tally *tally)
{
	struct thing *thing;
	u64 seq;

	rcu_read_lock();
	/* Pairs with the xchg() in replace(). */
	thing = smp_load_acquire(&run->slots[i % NR_SLOTS]);
	seq = thing ? READ_ONCE(thing->seq) : 0;
	if (thing && !(thing_is_whole(thing, seq) &&
		       thing_is_whole(thing, seq)))
		tally->corrupt++;
	rcu_read_unlock();
}

static void replace(struct rcu_run *run, unsigned int i, gfp_t gfp,
		    struct rnd_state *rnd, struct stress_tally *tally)
{
	struct thing *old = xchg(&run->slots[i % NR_SLOTS],
				 thing_new(run, gfp, rnd, tally));

	tally->frees += !!old;
	obm_free_rcu(old, rcu);
}

static void act(struct rcu_cpu *rc, unsigned int who, gfp_t gfp)
{
	struct rnd_state *rnd = &rc->rnd[who];
	unsigned int i;

	for (i = 0; i < BATCH; i++) {
		look(rc->run, prandom_u32_state(rnd), &rc->tally[who]);
		if (stress_chance(rnd, 4))
			replace(rc->run, prandom_u32_state(rnd), gfp, rnd,
				&rc->tally[who]);
	}
}

static enum hrtimer_restart tick(struct hrtimer *timer)
{
	act(container_of(timer, struct rcu_cpu, timer), 1, GFP_ATOMIC);
	hrtimer_forward_now(timer, ns_to_ktime(TICK_NS));
	return HRTIMER_RESTART;
}

static void timer_start(struct hrtimer *timer)
{
	enum hrtimer_mode mode = HRTIMER_MODE_REL_PINNED_HARD;

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	hrtimer_setup(timer, tick, CLOCK_MONOTONIC, mode);
#else
	hrtimer_init(timer, CLOCK_MONOTONIC, mode);
	timer->function = tick;
#endif
	hrtimer_start(timer, ns_to_ktime(TICK_NS), mode);
}

static int thread_fn(void *data)
{
	struct rcu_cpu *rc = data;
	enum stress_ctx ctx = rc->run->cmd->ctx;

	if (ctx != STRESS_TASK)
		timer_start(&rc->timer);
	while (!kthread_should_stop()) {
		if (ctx == STRESS_IRQ)
			usleep_range(50, 200);
		else
			act(rc, 0, GFP_KERNEL);
		cond_resched();
	}
	if (ctx != STRESS_TASK)
		hrtimer_cancel(&rc->timer);
	return 0;
}

static unsigned int threads_start(struct rcu_run *run)
{
	unsigned int cpu, nr = 0;

	for_each_online_cpu(cpu) {
		struct rcu_cpu *rc = &run->cpus[nr];

		if (nr == run->cmd->cpus)
			break;
		rc->run = run;
		prandom_seed_state(&rc->rnd[0], run->cmd->seed + 2 * nr);
		prandom_seed_state(&rc->rnd[1], run->cmd->seed + 2 * nr + 1);
		rc->thread = kthread_run_on_cpu(thread_fn, rc, cpu,
						"stress/%u");
		if (IS_ERR(rc->thread))
			break;
		nr++;
	}
	return nr;
}

static void threads_stop(struct rcu_run *run, unsigned int nr,
			 struct stress_tally *tally)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		kthread_stop(run->cpus[i].thread);
	for (i = 0; i < nr; i++) {
		stress_tally_add(tally, &run->cpus[i].tally[0]);
		stress_tally_add(tally, &run->cpus[i].tally[1]);
	}
	for (i = 0; i < NR_SLOTS; i++) {
		tally->frees += !!run->slots[i];
		obm_free_rcu(run->slots[i], rcu);
	}
}

int stress_rcu(struct stress_command *cmd)
{
	struct stress_heap *sh = stress_heap_get(cmd);
	struct stress_tally tally = { };
	struct rcu_run *run;
	unsigned int nr;
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

	cpus_read_lock();
	nr = threads_start(run);
	if (nr == cmd->cpus)
		msleep_interruptible(cmd->ms);
	threads_stop(run, nr, &tally);
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
