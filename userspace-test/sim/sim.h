/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fake machine: what test programs steer and what they may ask it. Whatever
 * the core does that a kernel would not forgive ends the program (sim_die()).
 */
#ifndef SIM_H
#define SIM_H

#include "seam.h"

/* Nodes 0 and 1 have memory, 2 is online without, 3 is possible but absent. */
#define SIM_NR_NODES	4
#define SIM_MEM_SHIFT	26
#define SIM_MEM_BYTES	BIT(SIM_MEM_SHIFT)
#define SIM_NR_PAGES	(SIM_MEM_BYTES >> PAGE_SHIFT)

/* Module parameters and boot options for the next sim_start(). */
extern unsigned int sim_front_max;
extern bool sim_compact;
extern bool sim_boot_init_on_free;

/* A machine begins and ends with the module in it. */
void sim_start(unsigned int small_max, u64 seed);
/* Unloads the module; dies if it left anything behind. */
void sim_end(void);
/* The same check while heaps are gone but the module is loaded. */
void sim_check_empty(void);

/* Runs what is due in the background: RCU callbacks, work, the clock. */
void sim_run_rcu(void);
void sim_run_work(void);
/* Perhaps one of them: called by tests between their steps. */
void sim_tick(u64 random);
bool sim_work_pending(void);

/* Prints why and ends the program, after sim_on_death() if that is set. */
void sim_die(const char *fmt, ...) __printf(1, 2) __noreturn;
extern void (*sim_on_death)(void);

/* What the page allocator gave out and has not got back. */
void sim_pages_start(void);
void sim_pages_check_empty(void);
unsigned long sim_pages_held(void);
bool sim_page_is_held(const void *addr);
void *sim_mem(void);
/* What the kernel's counters say of them. */
long sim_stat_pages(enum node_stat_item item);
/*
 * The kernel asks the shrinker for @nr pages of a node, and gets so many. With
 * sim_pressure, so many of 1000 allocations that may sleep do so.
 */
unsigned long sim_reclaim(int nid, unsigned long nr);
extern unsigned int sim_pressure;
void sim_allocates(gfp_t gfp);
/* What kmalloc() gave out, in bytes asked for. */
unsigned long sim_slab_bytes(void);
unsigned long sim_slab_objects(void);
/* Of those, what the heaps have. */
unsigned long sim_heap_bytes(void);

/**
 * struct sim_fault - which allocations of pages and of slab objects fail
 * @nth: the nth from now on, 0 for none
 * @forever: and all that follow it
 * @max_order: runs of more than 1 << @max_order pages, -1 for none
 * @permille: so many of 1000 at random
 * @full: those of pages from this node
 * @calls: counted: allocations tried
 * @failed: counted: allocations refused
 * @gfp: told: of the last run of pages asked for, of one page and of more
 * @hit: counted: of those by @nth
 * @hit_order: order of the last run that was refused by any of @nth,
 *	       @max_order and @permille, -1 if it was a slab object
 */
struct sim_fault {
	unsigned long nth;
	bool forever;
	int max_order;
	unsigned int permille;
	bool full[SIM_NR_NODES];
	unsigned long calls;
	unsigned long failed;
	gfp_t gfp[2];
	unsigned long hit;
	int hit_order;
};

/*
 * What another CPU does at the nth opportunity from now on, that is when this
 * one is about to take a raw spinlock, to allocate or to enter an RCU section.
 * If it is in none, a grace period ends too. Programs without threads so come
 * by every interleaving of two calls, each in its turn.
 */
struct sim_meanwhile {
	void (*func)(void);
	unsigned long nth;
};

/* The same for an interrupt on this CPU, at accesses of per-CPU data. */
extern struct sim_meanwhile sim_irq;

/* With threads: each has a CPU of its own, sim_context.cpu. */
extern bool sim_threads;
/* A CPU goes off-line, or comes back. */
void sim_cpu_die(unsigned int cpu);
void sim_cpu_revive(unsigned int cpu);
/* What interrupted a task: atomic contexts of every kind, by chance. */
void sim_atomic_enter(u64 random);
void sim_atomic_leave(void);

extern struct sim_meanwhile sim_meanwhile;
void sim_opportunity(void);

extern struct sim_fault sim_fault;
/* Whether to refuse; @order is that of a run of pages, -1 of an object. */
bool sim_should_fail(int order, gfp_t gfp);
void sim_fault_reset(void);

/* The machine as a whole */
extern bool sim_init_on_alloc, sim_init_on_free;
/* A report every time, or as the rate limit says. */
extern bool sim_report_all;
/* WARN_ON_ONCE() is a failure unless this is set; how many there were. */
extern bool sim_expect_warn;
extern unsigned long sim_nr_warn;

/* The log: how many lines hold @text since the last sim_log_clear(). */
unsigned int sim_log_count(const char *text);
void sim_log_clear(void);

/**
 * struct sim_rng - a generator of random numbers; every test has its own
 * @state: of it
 * @input: choices are taken from here as long as it lasts, if it is set
 * @left: bytes of it
 */
struct sim_rng {
	u64 state;
	const u8 *input;
	size_t left;
};

static inline struct sim_rng sim_rng(u64 seed)
{
	return (struct sim_rng){ .state = seed * 0x9e3779b97f4a7c15ULL + 1 };
}

static inline u64 sim_random(struct sim_rng *rng)
{
	u64 z = rng->state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static inline u64 sim_below(struct sim_rng *rng, u64 n)
{
	u64 value = 0, max;

	if (!rng->input)
		return sim_random(rng) % n;
	for (max = 1; max < n && rng->left; max <<= 8, rng->left--)
		value = value << 8 | *rng->input++;
	return value % n;
}

#endif
