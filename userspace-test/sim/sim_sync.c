// SPDX-License-Identifier: GPL-2.0-only
/* Contexts, locks, RCU and work of the fake machine. */
#include "sim.h"

__thread struct sim_context sim_context;
bool sim_preempt_rt;
unsigned long sim_jiffies;

void sim_might_sleep(const char *why)
{
	if (!preemptible() || sim_context.rcu_depth)
		sim_die("%s, and may sleep, in atomic context", why);
}

void sim_might_take_sleeping_lock(const char *why)
{
	if (sim_context.nr_raw_locks)
		sim_die("%s under a raw spinlock", why);
	if (sim_preempt_rt && !preemptible())
		sim_die("%s in atomic context on PREEMPT_RT", why);
}

static void lock_take(struct mutex *lock)
{
	if (__atomic_load_n(&lock->owner, __ATOMIC_RELAXED) == &sim_context)
		sim_die("a lock is taken twice");
	pthread_mutex_lock(&lock->lock);
	__atomic_store_n(&lock->owner, &sim_context, __ATOMIC_RELAXED);
}

static void lock_drop(struct mutex *lock)
{
	if (__atomic_load_n(&lock->owner, __ATOMIC_RELAXED) != &sim_context)
		sim_die("a lock is dropped by who does not hold it");
	__atomic_store_n(&lock->owner, NULL, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&lock->lock);
}

struct sim_meanwhile sim_meanwhile;

void sim_opportunity(void)
{
	struct sim_context old = sim_context;
	void (*func)(void) = sim_meanwhile.func;

	if (!func || --sim_meanwhile.nth)
		return;
	sim_meanwhile.func = NULL;
	sim_context = (struct sim_context){
		.nid = old.nid, .cpu = (old.cpu + 1) % SIM_NR_CPUS,
	};
	func();
	if (!old.rcu_depth)
		sim_run_rcu();
	sim_context = old;
}

void mutex_lock(struct mutex *mutex)
{
	sim_might_sleep("takes a mutex");
	lock_take(mutex);
}

/* Who holds it already does not get it, as anybody else. */
bool mutex_trylock(struct mutex *mutex)
{
	if (sim_context.irq || sim_context.nr_raw_locks)
		sim_die("tries for a mutex in an interrupt or under a raw lock");
	if (pthread_mutex_trylock(&mutex->lock))
		return false;
	__atomic_store_n(&mutex->owner, &sim_context, __ATOMIC_RELAXED);
	return true;
}

void mutex_unlock(struct mutex *mutex)
{
	lock_drop(mutex);
}

void raw_spin_lock_init(raw_spinlock_t *lock)
{
	pthread_mutex_init(&lock->lock, NULL);
	lock->owner = NULL;
}

/* The flags say whether interrupts were on, so nesting can be checked. */
unsigned long sim_raw_lock(raw_spinlock_t *lock)
{
	if (sim_context.nr_raw_locks)
		sim_die("two raw spinlocks are held together");
	sim_opportunity();
	lock_take(lock);
	return 0x200 + sim_context.nr_raw_locks++;
}

void sim_raw_unlock(raw_spinlock_t *lock, unsigned long flags)
{
	lock_drop(lock);
	if (flags != 0x200 + --sim_context.nr_raw_locks)
		sim_die("interrupts are restored to what they were not");
}

void sim_assert_held(const struct mutex *lock, const char *file, int line)
{
	if (__atomic_load_n(&lock->owner, __ATOMIC_RELAXED) != &sim_context)
		sim_die("%s:%d: the lock is not held", file, line);
}

/* CPUs */
static struct cpu {
	pthread_mutex_t lock;
	unsigned int preempt;
	unsigned int calls;
} cpus[SIM_NR_CPUS] = {
	[0 ... SIM_NR_CPUS - 1] = { .lock = PTHREAD_MUTEX_INITIALIZER },
};

bool sim_threads;
bool sim_cpu_online[SIM_NR_CPUS];
struct sim_meanwhile sim_irq;
static int (*cpu_teardown)(unsigned int cpu);

void preempt_disable(void)
{
	if (!sim_context.preempt++ && sim_threads)
		pthread_mutex_lock(&cpus[sim_context.cpu].lock);
	if (!sim_threads)
		cpus[sim_context.cpu].preempt++;
}

void preempt_enable(void)
{
	if (!sim_context.preempt)
		sim_die("enables preemption that is not disabled");
	if (!--sim_context.preempt && sim_threads)
		pthread_mutex_unlock(&cpus[sim_context.cpu].lock);
	if (!sim_threads)
		cpus[sim_context.cpu].preempt--;
}

static bool is_pinned(void)
{
	return sim_context.preempt || sim_context.irq || sim_context.irqs_off ||
	       sim_context.nr_raw_locks;
}

unsigned int smp_processor_id(void)
{
	if (!is_pinned())
		sim_die("asks for its CPU while it may move");
	return sim_context.cpu;
}

static void interrupt(void)
{
	struct sim_context old = sim_context;
	void (*func)(void) = sim_irq.func;

	if (!func || old.irqs_off || old.nr_raw_locks || old.irq ||
	    --sim_irq.nth)
		return;
	sim_irq.func = NULL;
	sim_context.irq = HARDIRQ_OFFSET;
	sim_context.atomic = true;
	func();
	sim_context = old;
}

void sim_percpu_read(void)
{
	if (!sim_context.preempt)
		sim_die("reads data of its CPU while it may move");
	interrupt();
}

void sim_percpu_write(void)
{
	if (!sim_context.preempt)
		sim_die("writes data of its CPU while it may move");
	if (sim_context.irq & ~SOFTIRQ_OFFSET)
		sim_die("writes a slot in an interrupt");
	interrupt();
}

/* Half of those that are interrupted are idle. */
int smp_call_function_single(int cpu, void (*func)(void *info), void *info,
			     int wait)
{
	struct sim_context old = sim_context;

	if (is_pinned() && !old.preempt)
		sim_die("calls another CPU with interrupts disabled");
	if (old.preempt)
		sim_die("calls another CPU with preemption disabled");
	if (!wait)
		sim_die("does not wait for the other CPU");
	if (!READ_ONCE(sim_cpu_online[cpu]))
		return -ENXIO;
	if (sim_threads)
		pthread_mutex_lock(&cpus[cpu].lock);
	sim_context = (struct sim_context){
		.nid = old.nid, .cpu = cpu, .atomic = true,
		.irq = HARDIRQ_OFFSET, .irqs_off = true,
		.preempt = cpus[cpu].preempt,
		/* No grace period ends while the caller waits in a section. */
		.rcu_depth = old.rcu_depth,
	};
	if (!sim_threads && !cpus[cpu].preempt && cpus[cpu].calls++ % 2) {
		sim_context.preempt = 1;
		sim_context.idle = true;
	}
	func(info);
	sim_context = old;
	if (sim_threads)
		pthread_mutex_unlock(&cpus[cpu].lock);
	return 0;
}

/* A task there, when the one that has the CPU is through. */
int smp_call_on_cpu(unsigned int cpu, int (*func)(void *par), void *par,
		    bool phys)
{
	struct sim_context old = sim_context;
	int ret;

	sim_might_sleep("waits for another CPU");
	if (phys)
		sim_die("asks for a CPU of the hypervisor's");
	if (!sim_threads && cpus[cpu].preempt)
		sim_die("waits for a CPU that is kept busy");
	if (!READ_ONCE(sim_cpu_online[cpu]))
		return -ENXIO;
	sim_context = (struct sim_context){ .nid = old.nid, .cpu = cpu };
	ret = func(par);
	sim_context = old;
	return ret;
}

int cpuhp_setup_state_nocalls(enum cpuhp_state state, const char *name,
			      int (*startup)(unsigned int cpu),
			      int (*teardown)(unsigned int cpu))
{
	unsigned int cpu;

	if (state != CPUHP_BP_PREPARE_DYN || !name || startup || cpu_teardown)
		sim_die("a CPU state that the simulation does not know");
	cpu_teardown = teardown;
	for (cpu = 0; cpu < SIM_NR_CPUS; cpu++)
		sim_cpu_online[cpu] = true;
	return 100;
}

void cpuhp_remove_state_nocalls(int state)
{
	if (state != 100 || !cpu_teardown)
		sim_die("removes a CPU state that it does not have");
	cpu_teardown = NULL;
}

void sim_cpu_die(unsigned int cpu)
{
	if (cpu == sim_context.cpu || !sim_cpu_online[cpu])
		return;
	WRITE_ONCE(sim_cpu_online[cpu], false);
	cpu_teardown(cpu);
}

void sim_cpu_revive(unsigned int cpu)
{
	WRITE_ONCE(sim_cpu_online[cpu], true);
}

void sim_atomic_enter(u64 random)
{
	sim_context.atomic = true;
	switch (random % 4) {
	case 0:
		sim_context.irqs_off = true;
		break;
	case 1:
		/* Softirqs are tasks on PREEMPT_RT. */
		sim_context.irq = sim_preempt_rt ? HARDIRQ_OFFSET :
						   SOFTIRQ_OFFSET;
		break;
	case 2:
		sim_context.irq = HARDIRQ_OFFSET;
		break;
	}
}

void sim_atomic_leave(void)
{
	sim_context.atomic = false;
	sim_context.irqs_off = false;
	sim_context.irq = 0;
}

/*
 * RCU: readers share a lock that a grace period takes alone, once, before it
 * calls back. Between readers that orders nothing, so ThreadSanitizer misses
 * no race of theirs.
 */
static pthread_rwlock_t rcu_lock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_mutex_t rcu_queue_lock = PTHREAD_MUTEX_INITIALIZER;
static struct rcu_head *rcu_queue;

void rcu_read_lock(void)
{
	if (!sim_context.rcu_depth) {
		sim_opportunity();
		pthread_rwlock_rdlock(&rcu_lock);
	}
	sim_context.rcu_depth++;
}

void rcu_read_unlock(void)
{
	if (!sim_context.rcu_depth)
		sim_die("leaves an RCU section that it is not in");
	if (!--sim_context.rcu_depth)
		pthread_rwlock_unlock(&rcu_lock);
}

void sim_assert_rcu(const char *file, int line)
{
	if (!sim_context.rcu_depth)
		sim_die("%s:%d: not under rcu_read_lock()", file, line);
}

void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
	head->func = func;
	pthread_mutex_lock(&rcu_queue_lock);
	head->next = rcu_queue;
	rcu_queue = head;
	pthread_mutex_unlock(&rcu_queue_lock);
}

/* Runs @func's caller in a thread of the kernel's own: it may do anything. */
static struct sim_context context_enter(void)
{
	struct sim_context old = sim_context;

	if (old.nr_raw_locks || old.rcu_depth)
		sim_die("waits with a lock held or inside an RCU section");
	if (old.preempt)
		sim_die("waits with preemption disabled");
	sim_context.atomic = false;
	sim_context.irq = 0;
	sim_context.irqs_off = false;
	return old;
}

static void grace_period(void)
{
	pthread_rwlock_wrlock(&rcu_lock);
	pthread_rwlock_unlock(&rcu_lock);
}

void synchronize_rcu(void)
{
	sim_might_sleep("waits for RCU");
	sim_opportunity();
	grace_period();
}

void sim_run_rcu(void)
{
	struct sim_context old = context_enter();
	struct rcu_head *head, *next;

	pthread_mutex_lock(&rcu_queue_lock);
	head = rcu_queue;
	rcu_queue = NULL;
	pthread_mutex_unlock(&rcu_queue_lock);

	grace_period();
	for (; head; head = next) {
		next = head->next;
		head->func(head);
	}
	sim_context = old;
}

void rcu_barrier(void)
{
	sim_might_sleep("waits for RCU");
	sim_run_rcu();
}

/* Work */
static pthread_mutex_t work_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work_done = PTHREAD_COND_INITIALIZER;
static struct work_struct *work_queue;

bool schedule_work(struct work_struct *work)
{
	bool queued = false;

	pthread_mutex_lock(&work_lock);
	if (!work->pending) {
		work->pending = true;
		work->next = work_queue;
		work_queue = work;
		queued = true;
	}
	pthread_mutex_unlock(&work_lock);
	return queued;
}

static void work_unqueue(struct work_struct *work)
{
	struct work_struct **where;

	for (where = &work_queue; *where; where = &(*where)->next) {
		if (*where == work) {
			*where = work->next;
			break;
		}
	}
	work->pending = false;
}

/* Without the lock, which is held before and after. */
static void work_call(struct work_struct *work)
{
	work->running = true;
	pthread_mutex_unlock(&work_lock);
	work->func(work);
	pthread_mutex_lock(&work_lock);
	work->running = false;
	pthread_cond_broadcast(&work_done);
}

bool flush_work(struct work_struct *work)
{
	bool waited;

	sim_might_sleep("waits for work");
	pthread_mutex_lock(&work_lock);
	waited = work->pending || work->running;
	while (work->running)
		pthread_cond_wait(&work_done, &work_lock);
	if (work->pending) {
		work_unqueue(work);
		work_call(work);
	}
	pthread_mutex_unlock(&work_lock);
	return waited;
}

bool cancel_work_sync(struct work_struct *work)
{
	bool was_pending;

	sim_might_sleep("waits for work");
	pthread_mutex_lock(&work_lock);
	was_pending = work->pending;
	work_unqueue(work);
	while (work->running)
		pthread_cond_wait(&work_done, &work_lock);
	pthread_mutex_unlock(&work_lock);
	return was_pending;
}

void sim_run_work(void)
{
	struct sim_context old = context_enter();
	struct work_struct *work;

	pthread_mutex_lock(&work_lock);
	/* An item that another thread runs stays queued, as in the kernel. */
	for (work = work_queue; work && !work->running; work = work_queue) {
		work_queue = work->next;
		work->pending = false;
		work_call(work);
	}
	pthread_mutex_unlock(&work_lock);
	sim_context = old;
}

bool sim_work_pending(void)
{
	bool pending;

	pthread_mutex_lock(&work_lock);
	pending = work_queue;
	pthread_mutex_unlock(&work_lock);
	return pending;
}

void sim_tick(u64 random)
{
	if (random % 16 == 0)
		sim_run_rcu();
	if (random % 32 == 1)
		sim_run_work();
	if (random % 64 == 2)
		__atomic_add_fetch(&sim_jiffies, 1, __ATOMIC_RELAXED);
}
