// SPDX-License-Identifier: GPL-2.0-only
/* Threads on chosen CPUs, which start their work together. */
#include "bench.h"

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/topology.h>

#include "clock.h"

#define MAX_THREADS	8

/**
 * struct team - threads of one piece of work
 * @fn: the work
 * @arg: its argument
 * @nr: threads
 * @nr_ready: of them, those that have reached the start
 * @nr_left: of them, those that have not ended
 * @abort: not all of them could be made: nothing starts
 * @err: the first error of any
 * @begin: when the first of them began its work
 * @end: when the last one ended it
 * @lock: protects the two
 * @ended: all have ended
 */
struct team {
	int (*fn)(void *arg, unsigned int index);
	void *arg;
	unsigned int nr;
	atomic_t nr_ready;
	atomic_t nr_left;
	bool abort;
	atomic_t err;
	u64 begin;
	u64 end;
	spinlock_t lock; /* begin, end */
	struct completion ended;
};

struct member {
	struct team *team;
	unsigned int index;
};

static int work_run(struct team *team, unsigned int index)
{
	u64 begin = bench_now();
	int err = team->fn(team->arg, index);
	u64 end = bench_now();

	spin_lock(&team->lock);
	team->begin = min(team->begin, begin);
	team->end = max(team->end, end);
	spin_unlock(&team->lock);
	return err;
}

/*
 * A thread waits for the others by turning round: they have a CPU each. Other
 * tasks get next to nothing of it, but RCU and workqueues still get that.
 */
static int member_run(void *data)
{
	struct member *member = data;
	struct team *team = member->team;
	int err = 0;

	set_user_nice(current, MIN_NICE);
	atomic_inc(&team->nr_ready);
	while (atomic_read(&team->nr_ready) < team->nr &&
	       !READ_ONCE(team->abort)) {
		cpu_relax();
		cond_resched();
	}
	if (!READ_ONCE(team->abort))
		err = work_run(team, member->index);
	if (err)
		atomic_cmpxchg(&team->err, 0, err);
	if (atomic_dec_and_test(&team->nr_left))
		complete(&team->ended);
	return 0;
}

static int team_start(struct team *team, struct member *members)
{
	struct task_struct *task;
	unsigned int i = 0;
	int cpu;

	for_each_online_cpu(cpu) {
		if (i == team->nr)
			break;
		members[i] = (struct member){ .team = team, .index = i };
		task = kthread_create_on_node(member_run, &members[i],
					      cpu_to_node(cpu), "bench/%u", i);
		if (IS_ERR(task))
			return i;
		kthread_bind(task, cpu);
		wake_up_process(task);
		i++;
	}
	return i;
}

/**
 * bench_on_cpus() - run a function on several CPUs at once
 * @nr: how many threads, on the first CPUs that are online
 * @fn: what each runs, told which it is; may sleep
 * @arg: argument of @fn
 * @took: set to the time from the first one's start to the last one's end, in
 *	  units of bench_now(); or NULL
 *
 * Context: Process context, may sleep.
 * Return: 0, the first error of any thread, -ENODEV for too few CPUs, -ENOMEM.
 */
int bench_on_cpus(unsigned int nr, int (*fn)(void *arg, unsigned int index),
		  void *arg, u64 *took)
{
	struct team team = {
		.fn = fn, .arg = arg, .nr = nr, .begin = U64_MAX
	};
	struct member members[MAX_THREADS];
	int started;

	if (nr > MAX_THREADS || nr > num_online_cpus())
		return -ENODEV;
	spin_lock_init(&team.lock);
	init_completion(&team.ended);
	/* One more, so that none ends the team before all are there. */
	atomic_set(&team.nr_left, nr + 1);
	started = team_start(&team, members);
	if (started < nr)
		WRITE_ONCE(team.abort, true);
	if (!atomic_sub_and_test(nr - started + 1, &team.nr_left))
		wait_for_completion(&team.ended);
	if (took)
		*took = team.end - team.begin;
	return started < nr ? -ENOMEM : atomic_read(&team.err);
}
