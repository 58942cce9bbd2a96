// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pass command: a thread on the first CPU allocates, one on the last frees,
 * and looks first whether each block holds what was written on the other CPU.
 */
#include "stress.h"

#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/sched.h>
#include <linux/slab.h>

#define RING	256

/**
 * struct pass - a pass command at work
 * @cmd: the command
 * @heap: the heap
 * @head: blocks that were put into @ring so far, written by the producer
 * @tail: blocks that were taken out of it so far, written by the consumer
 * @rnd: the producer's
 * @made: by the producer
 * @used: by the consumer
 * @ring: blocks on their way
 */
struct pass {
	const struct stress_command *cmd;
	struct obm_heap *heap;
	unsigned int head;
	unsigned int tail;
	struct rnd_state rnd;
	struct stress_tally made;
	struct stress_tally used;
	struct stress_block ring[RING];
};

/* kthread_stop() waits for whoever has ended already, too. */
static int thread_end(void)
{
	while (!kthread_should_stop())
		usleep_range(100, 200);
	return 0;
}

static int produce(void *data)
{
	struct pass *pass = data;
	unsigned int head = 0;

	while (head < pass->cmd->n && !kthread_should_stop()) {
		/* Pairs with the release in consume(). */
		if (head - smp_load_acquire(&pass->tail) == RING) {
			usleep_range(20, 50);
			continue;
		}
		if (!stress_block_alloc(pass->heap, &pass->ring[head % RING],
					pass->cmd, GFP_KERNEL | __GFP_NOWARN,
					&pass->rnd, &pass->made))
			break;
		/* Pairs with the acquire in consume(). */
		smp_store_release(&pass->head, ++head);
		cond_resched();
	}
	return thread_end();
}

static int consume(void *data)
{
	struct pass *pass = data;
	unsigned int tail = 0;
	bool stop;

	for (;;) {
		stop = kthread_should_stop();
		/* Pairs with the release in produce(). */
		if (tail == smp_load_acquire(&pass->head)) {
			/* The producer has been stopped before. */
			if (stop)
				return 0;
			usleep_range(20, 50);
			continue;
		}
		stress_block_free(pass->heap, &pass->ring[tail % RING],
				  tail % 2, &pass->used);
		/* Pairs with the acquire in produce(). */
		smp_store_release(&pass->tail, ++tail);
		cond_resched();
	}
}

static bool is_done(struct pass *pass)
{
	return READ_ONCE(pass->tail) == pass->cmd->n ||
	       READ_ONCE(pass->made.failed);
}

static int pass_run(struct pass *pass)
{
	unsigned int cpu, last = 0;
	struct task_struct *consumer, *producer;

	for_each_online_cpu(cpu)
		last = cpu;
	consumer = kthread_run_on_cpu(consume, pass, last, "stress/%u");
	if (IS_ERR(consumer))
		return PTR_ERR(consumer);
	producer = kthread_run_on_cpu(produce, pass,
				      cpumask_first(cpu_online_mask),
				      "stress/%u");
	if (!IS_ERR(producer)) {
		while (!is_done(pass) && !msleep_interruptible(1))
			;
		kthread_stop(producer);
	}
	kthread_stop(consumer);
	return PTR_ERR_OR_ZERO(producer);
}

int stress_pass(struct stress_command *cmd)
{
	struct stress_heap *sh = stress_heap_get(cmd);
	struct pass *pass;
	int err;

	if (IS_ERR(sh))
		return PTR_ERR(sh);
	pass = kvzalloc(sizeof(*pass), GFP_KERNEL);
	if (!pass) {
		stress_heap_put(sh);
		return stress_refuse(cmd->result, -ENOMEM, "no memory");
	}
	pass->cmd = cmd;
	pass->heap = sh->heap;
	prandom_seed_state(&pass->rnd, cmd->seed);

	cpus_read_lock();
	err = pass_run(pass);
	cpus_read_unlock();

	stress_heap_put(sh);
	stress_tally_add(&pass->used, &pass->made);
	if (err)
		err = stress_refuse(cmd->result, err, "no thread started");
	else
		err = stress_tally_say(cmd->result, &pass->used);
	stress_say(cmd->result, "live=%llu\n",
		   pass->used.allocs - pass->used.frees);
	kvfree(pass);
	return err;
}
