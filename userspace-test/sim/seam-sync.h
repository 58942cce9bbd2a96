/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Locks, atomics, RCU, work items and contexts. Every rule that lockdep, RT or
 * might_sleep() would enforce is enforced.
 */
#ifndef SIM_SEAM_SYNC_H
#define SIM_SEAM_SYNC_H

/**
 * struct sim_context - what a thread of the test is, as the kernel sees it
 * @nid: NUMA node of its CPU
 * @atomic: it may not sleep; on PREEMPT_RT, not even allocate or free pages
 * @nr_raw_locks: raw spinlocks held
 * @rcu_depth: RCU read-side sections entered
 * @cpu: its CPU
 * @preempt: how often preemption is disabled
 * @irq: SOFTIRQ_OFFSET, HARDIRQ_OFFSET or 0: the interrupt that it is
 * @irqs_off: interrupts are disabled
 * @idle: it interrupted the idle task
 */
struct sim_context {
	int nid;
	bool atomic;
	unsigned int nr_raw_locks;
	unsigned int rcu_depth;
	unsigned int cpu;
	unsigned int preempt;
	unsigned int irq;
	bool irqs_off;
	bool idle;
};

extern __thread struct sim_context sim_context;
extern bool sim_preempt_rt;

#define preemptible()							\
	(!sim_context.atomic && !sim_context.nr_raw_locks &&		\
	 !sim_context.preempt && !sim_context.irq && !sim_context.irqs_off)
void sim_might_sleep(const char *why);
/* What takes locks that sleep on PREEMPT_RT. */
#undef might_sleep
#undef cond_resched
#define might_sleep()		sim_might_sleep("might sleep")
#define cond_resched()		sim_might_sleep("may be scheduled away")
void sim_might_take_sleeping_lock(const char *why);
#define might_alloc(gfp)						\
	do {								\
		if (gfpflags_allow_blocking(gfp))			\
			sim_might_sleep("allocates");			\
	} while (0)

/*
 * CPUs. In a program without threads the test says which one it is on; with
 * threads each is a CPU of its own, and disabled preemption is a mutex, which
 * a call from another CPU takes too.
 */
#define SIM_NR_CPUS		6
#define SIM_PERCPU_BYTES	4096
extern bool sim_cpu_online[SIM_NR_CPUS];

#define PREEMPT_MASK		0x000000ffU
#define SOFTIRQ_OFFSET		0x00000100U
#define HARDIRQ_OFFSET		0x00010000U
#define HARDIRQ_MASK		0x000f0000U
#define NMI_MASK		0x00f00000U
#define preempt_count()		(sim_context.preempt | sim_context.irq)
#define in_task()		(!sim_context.irq)
#define in_interrupt()		(sim_context.irq != 0)
/* Nobody moves unless a test says so, between the calls of the core. */
#define migrate_disable()	do { } while (0)
#define migrate_enable()	do { } while (0)
#define cpus_read_lock()	do { } while (0)
#define cpus_read_unlock()	do { } while (0)
#define irqs_disabled()							\
	(sim_context.irqs_off || sim_context.nr_raw_locks ||		\
	 sim_context.irq == HARDIRQ_OFFSET)
/* Keeps out what other CPUs ask of this one, as disabled preemption does. */
#define local_irq_save(flags)						\
	((flags) = sim_context.irqs_off, preempt_disable(),		\
	 (void)(sim_context.irqs_off = true))
#define local_irq_restore(flags)					\
	((void)(sim_context.irqs_off = (flags)), preempt_enable())
#define kcsan_release()		do { } while (0)
void preempt_disable(void);
void preempt_enable(void);
unsigned int smp_processor_id(void);
#define num_possible_cpus()	SIM_NR_CPUS
#define for_each_possible_cpu(cpu)					\
	for ((cpu) = 0; (cpu) < SIM_NR_CPUS; (cpu)++)
#define for_each_online_cpu(cpu)					\
	for_each_possible_cpu(cpu)					\
		if (READ_ONCE(sim_cpu_online[cpu]))
int smp_call_function_single(int cpu, void (*func)(void *info), void *info,
			     int wait);
int smp_call_on_cpu(unsigned int cpu, int (*func)(void *par), void *par,
		    bool phys);
#define current			((void *)0)
#define is_idle_task(task)	((void)(task), sim_context.idle)

enum cpuhp_state { CPUHP_BP_PREPARE_DYN };
int cpuhp_setup_state_nocalls(enum cpuhp_state state, const char *name,
			      int (*startup)(unsigned int cpu),
			      int (*teardown)(unsigned int cpu));
void cpuhp_remove_state_nocalls(int state);

void *__alloc_percpu_gfp(size_t size, size_t align, gfp_t gfp);
void free_percpu(void *ptr);
/* Before each access: rules, and interrupts. */
void sim_percpu_read(void);
void sim_percpu_write(void);
#define per_cpu_ptr(ptr, cpu)						\
	((typeof(ptr))((char *)(ptr) + (size_t)(cpu) * SIM_PERCPU_BYTES))
#define this_cpu_ptr(ptr)	per_cpu_ptr(ptr, smp_processor_id())
#define sim_percpu(var)		per_cpu_ptr(&(var), sim_context.cpu)
#define raw_cpu_read(var)						\
	__atomic_load_n(sim_percpu(var), __ATOMIC_RELAXED)
#define __this_cpu_read(var)	(sim_percpu_read(), raw_cpu_read(var))
#define __this_cpu_write(var, val)					\
	(sim_percpu_write(),						\
	 __atomic_store_n(sim_percpu(var), val, __ATOMIC_RELAXED))
#define this_cpu_add(var, val)						\
	((void)__atomic_add_fetch(sim_percpu(var), val, __ATOMIC_RELAXED))
#define this_cpu_sub(var, val)						\
	((void)__atomic_sub_fetch(sim_percpu(var), val, __ATOMIC_RELAXED))
#define this_cpu_inc(var)	this_cpu_add(var, 1)

/* Time: goes on when a test says so, and begins shortly before it wraps. */
/* A race that does no harm, as the one who says so argues. */
#define data_race(expr)		__atomic_load_n(&(expr), __ATOMIC_RELAXED)
#define HZ			100
extern unsigned long sim_jiffies;
#define jiffies			READ_ONCE(sim_jiffies)
#define time_before(a, b)	((long)((a) - (b)) < 0)
#define time_after(a, b)	time_before(b, a)

/* Locks: mutex and raw spinlock are the same but for who may take them. */
struct mutex {
	pthread_mutex_t lock;
	void *owner;
};

#define raw_spinlock_t		struct mutex

#define DEFINE_MUTEX(name) \
	struct mutex name = { .lock = PTHREAD_MUTEX_INITIALIZER }
void mutex_lock(struct mutex *mutex);
bool mutex_trylock(struct mutex *mutex);
void mutex_unlock(struct mutex *mutex);
void raw_spin_lock_init(raw_spinlock_t *lock);
unsigned long sim_raw_lock(raw_spinlock_t *lock);
void sim_raw_unlock(raw_spinlock_t *lock, unsigned long flags);
#define raw_spin_lock_irqsave(lock, flags)	((flags) = sim_raw_lock(lock))
#define raw_spin_unlock_irqrestore(lock, flags)	sim_raw_unlock(lock, flags)
void sim_assert_held(const struct mutex *lock, const char *file, int line);
#define lockdep_assert_held(lock)	sim_assert_held(lock, __FILE__, __LINE__)
#define lockdep_is_held(lock)						\
	(__atomic_load_n(&(lock)->owner, __ATOMIC_RELAXED) == &sim_context)

/* Atomics */
#define ATOMIC_LONG_INIT(v)		{ (v) }
#define atomic_long_read(a)						\
	__atomic_load_n(&(a)->counter, __ATOMIC_RELAXED)
#define atomic_long_set(a, v)						\
	__atomic_store_n(&(a)->counter, v, __ATOMIC_RELAXED)
#define atomic_long_add(v, a)						\
	((void)__atomic_add_fetch(&(a)->counter, v, __ATOMIC_RELAXED))
#define atomic_long_sub(v, a)						\
	((void)__atomic_sub_fetch(&(a)->counter, v, __ATOMIC_RELAXED))
#define atomic_long_inc(a)		atomic_long_add(1, a)
#define atomic_long_dec(a)		atomic_long_sub(1, a)
#define atomic_long_add_return(v, a)					\
	__atomic_add_fetch(&(a)->counter, v, __ATOMIC_SEQ_CST)
#define atomic_long_sub_return(v, a)					\
	__atomic_sub_fetch(&(a)->counter, v, __ATOMIC_SEQ_CST)
#define atomic_long_inc_return(a)	atomic_long_add_return(1, a)
#define atomic_long_try_cmpxchg(a, old, new)				\
	__atomic_compare_exchange_n(&(a)->counter, old, new, false,	\
				    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)
#ifndef SIM_ATOMIC_T
#define SIM_ATOMIC_T
/* tools/include has a smaller one under the same name. */
#define atomic_t		struct sim_atomic
struct sim_atomic {
	int counter;
};

#define atomic_read(a)		atomic_long_read(a)
#define atomic_set(a, v)	atomic_long_set(a, v)
#define atomic_inc(a)		atomic_long_inc(a)
#define atomic_dec(a)		atomic_long_dec(a)
#define atomic_add(v, a)	atomic_long_add(v, a)
#define atomic_sub(v, a)	atomic_long_sub(v, a)
/* Pairs with atomic_xchg(). */
#define atomic_set_release(a, v)					\
	__atomic_store_n(&(a)->counter, v, __ATOMIC_RELEASE)
#define atomic_xchg(a, v)						\
	__atomic_exchange_n(&(a)->counter, v, __ATOMIC_SEQ_CST)
#define atomic_inc_return(a)	atomic_long_inc_return(a)
#define atomic_dec_return(a)	atomic_long_sub_return(1, a)
#endif
#define cmpxchg(ptr, old, new)						\
({									\
	typeof(*(ptr)) __old = (old);					\
	__atomic_compare_exchange_n(ptr, &__old, new, false,		\
				    __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE); \
	__old;								\
})
#define xchg(ptr, val)		__atomic_exchange_n(ptr, val, __ATOMIC_SEQ_CST)
/* What they pair with, their users say. */
#define smp_load_acquire(ptr)	__atomic_load_n(ptr, __ATOMIC_ACQUIRE)
/* The same. */
#define smp_store_release(ptr, val) \
	__atomic_store_n(ptr, val, __ATOMIC_RELEASE)

/* RCU: a grace period has to wait for every reader. */
struct rcu_head {
	struct rcu_head *next;
	void (*func)(struct rcu_head *head);
};

void rcu_read_lock(void);
void rcu_read_unlock(void);
void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head));
void rcu_barrier(void);
#undef synchronize_rcu
void synchronize_rcu(void);
void sim_assert_rcu(const char *file, int line);

static inline void list_add_rcu(struct list_head *new, struct list_head *head)
{
	struct list_head *next = head->next;

	new->next = next;
	new->prev = head;
	/* Pairs with READ_ONCE() in list_for_each_entry_rcu(). */
	smp_store_release(&head->next, new);
	next->prev = new;
}

static inline void list_add_tail_rcu(struct list_head *new,
				     struct list_head *head)
{
	struct list_head *prev = head->prev;

	new->next = head;
	new->prev = prev;
	/* Pairs with READ_ONCE() in list_for_each_entry_rcu(). */
	smp_store_release(&prev->next, new);
	head->prev = new;
}

static inline void list_del_rcu(struct list_head *entry)
{
	struct list_head *prev = entry->prev, *next = entry->next;

	next->prev = prev;
	/*
	 * Whoever added @next did so under the lock that is held here: in the
	 * kernel that orders it before this for readers too, in C11 a release
	 * has to.
	 */
	smp_store_release(&prev->next, next);
	entry->prev = LIST_POISON2;
}

#define list_entry_rcu(ptr, type, member) \
	container_of(READ_ONCE(ptr), type, member)
/* @cond, if it is there: what else keeps the list as it is. */
#define list_for_each_entry_rcu(pos, head, member, cond...)		\
	for ((cond + 0) ? (void)0 : sim_assert_rcu(__FILE__, __LINE__),	\
	     pos = list_entry_rcu((head)->next, typeof(*pos), member);	\
	     &pos->member != (head);					\
	     pos = list_entry_rcu(pos->member.next, typeof(*pos), member))
#define list_first_or_null_rcu(head, type, member)			\
({									\
	struct list_head *__next = READ_ONCE((head)->next);		\
	__next == (head) ? NULL : container_of(__next, type, member);	\
})

/* Lists without a lock */
struct llist_node {
	struct llist_node *next;
};

struct llist_head {
	struct llist_node *first;
};

static inline void init_llist_head(struct llist_head *head)
{
	head->first = NULL;
}

static inline bool llist_add(struct llist_node *new, struct llist_head *head)
{
	struct llist_node *first = READ_ONCE(head->first);

	do {
		new->next = first;
	} while (!__atomic_compare_exchange_n(&head->first, &first, new, false,
					      __ATOMIC_SEQ_CST,
					      __ATOMIC_RELAXED));
	return !first;
}

static inline bool llist_empty(const struct llist_head *head)
{
	return !READ_ONCE(head->first);
}

#define llist_del_all(head)	xchg(&(head)->first, NULL)
#define sim_llist_entry(node, type, member)				\
({									\
	struct llist_node *__node = (node);				\
	__node ? container_of(__node, type, member) : NULL;		\
})
#define llist_for_each_entry_safe(pos, n, node, member)			\
	for (pos = sim_llist_entry(node, typeof(*pos), member);		\
	     pos && (n = sim_llist_entry(pos->member.next, typeof(*pos), \
					 member), true);		\
	     pos = n)

/* Work: queued until a test lets it run. */
struct work_struct {
	struct work_struct *next;
	void (*func)(struct work_struct *work);
	bool pending;
	bool running;
};

#define INIT_WORK(work, fn)	(*(work) = (struct work_struct){ .func = (fn) })
bool schedule_work(struct work_struct *work);
bool cancel_work_sync(struct work_struct *work);
bool flush_work(struct work_struct *work);

#endif
