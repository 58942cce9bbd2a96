/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Threads and interrupts change a graph of objects at random while it is
 * collected. main.c tells what is looked at; one file a noun, below.
 *
 * Locks, all raw and all taken with interrupts off, as hard interrupts take them:
 * an object's lock guards those of its links that are followed. A root's guards
 * who is the root, a weak slot's the weak reference. No object is ever put with a
 * lock held, as its callbacks take locks.
 */
#ifndef GRAPHSTRESS_H
#define GRAPHSTRESS_H

#include <linux/hrtimer.h>
#include <linux/irq_work.h>
#include <linux/obm_gc.h>
#include <linux/obm_object.h>
#include <linux/percpu.h>
#include <linux/sched.h>

/* Links in the object itself that are followed; and the most in its box. */
#define GS_NR_LINKS	3
#define GS_BOX_MIN	2
#define GS_BOX_MAX	8

/* Objects on their way to an interrupt that puts them. */
#define GS_NR_PUTS	8

/**
 * enum gs_type - types, each for a way to have links or to end
 * @GS_PLAIN: links in the object and no callback
 * @GS_INLINE: links in the object
 * @GS_LEAF: no links
 * @GS_BOX: links in a box that its lock guards
 * @GS_RCU: links in the object; readers under RCU know it without counting it
 * @GS_RCU_BOX: the same, and links in a box that is read under RCU
 * @GS_PHOENIX: its finalizer makes it a root again, or has others link to it
 * @GS_WILL: its finalizer makes a root of what it leads to, and changes links
 * @GS_CLEAR: has a box, and a clear of its own
 * @GS_SLEEPER: its callbacks sleep
 * @GS_IRQS_ON: its callbacks take a lock that interrupts do not take
 * @GS_NR_TYPES: how many there are
 */
enum gs_type {
	GS_PLAIN,
	GS_INLINE,
	GS_LEAF,
	GS_BOX,
	GS_RCU,
	GS_RCU_BOX,
	GS_PHOENIX,
	GS_WILL,
	GS_CLEAR,
	GS_SLEEPER,
	GS_IRQS_ON,
	GS_NR_TYPES
};

/**
 * enum gs_error - what must not be
 * @GS_DEAD: an object is dead that somebody has a reference to
 * @GS_TWICE: an object is released that is dead
 * @GS_REUSED: memory is another's before a grace period of RCU has passed
 * @GS_LINKED: an object is released that has links
 * @GS_CONTEXT: a callback is called where it must not be
 * @GS_AGAIN: a finalizer, or a callback of a weak reference, is called again
 * @GS_FAILED: a call fails that cannot
 * @GS_LEFT: objects are left in the end
 * @GS_NR_ERRORS: how many there are
 */
enum gs_error {
	GS_DEAD,
	GS_TWICE,
	GS_REUSED,
	GS_LINKED,
	GS_CONTEXT,
	GS_AGAIN,
	GS_FAILED,
	GS_LEFT,
	GS_NR_ERRORS
};

struct gs_obj;

/* A link by itself, so that there can be a row of them. */
struct gs_link {
	OBM_REF(struct gs_obj);
};

/**
 * struct gs_box - links that lie outside of their object
 * @rcu: to free it
 * @nr: how many
 * @links: they
 */
struct gs_box {
	struct rcu_head rcu;
	unsigned int nr;
	struct gs_link links[GS_BOX_MAX];
};

/**
 * struct gs_obj - an object of any type
 * @obj: object
 * @links: guarded by @lock
 * @blind: set by anybody, without a lock, and never followed
 * @weak: to a weak reference, guarded by @lock
 * @lock: of its links
 * @type: which
 * @finalized: how often
 * @box: more links, or NULL
 * @seen: where readers under RCU find it: a slot of gs_seen, or -1
 * @magic: GS_ALIVE or GS_GONE
 * @canary: changes with the object and its life
 */
struct gs_obj {
	struct obm_obj obj;
	struct gs_link links[GS_NR_LINKS];
	struct gs_link blind;
	OBM_DECLARE_REF(struct obm_weakref, weak);
	raw_spinlock_t lock;
	unsigned int type;
	atomic_t finalized;
	struct gs_box __rcu *box;
	int seen;
	u32 magic;
	u64 canary;
};

#define GS_ALIVE	0x616c6976
#define GS_GONE		0x676f6e65

/**
 * struct gs_rnd - random numbers
 * @state: of splitmix64
 */
struct gs_rnd {
	u64 state;
};

/**
 * struct gs_counts - what is counted on a CPU
 * @made: objects, by type
 * @released: objects, by type
 * @finalized: finalizers called
 * @called: weak references called back
 * @rescued: objects got by a weak reference, or under RCU
 * @irqs: interrupts
 * @refused: objects that there was no memory for
 */
struct gs_counts {
	unsigned long made[GS_NR_TYPES];
	unsigned long released[GS_NR_TYPES];
	unsigned long finalized;
	unsigned long called;
	unsigned long rescued;
	unsigned long irqs;
	unsigned long refused;
};

/**
 * struct gs_thread - who changes the graph
 * @task: thread
 * @rnd: its numbers
 * @irq_rnd: those of its interrupts
 * @nr_ops: operations done
 * @todo: operations to do
 * @full: there were too many objects when it looked last
 * @puts: objects that an interrupt is to put
 * @work: such an interrupt
 * @timer: another
 */
struct gs_thread {
	struct task_struct *task;
	struct gs_rnd rnd;
	struct gs_rnd irq_rnd;
	unsigned long nr_ops;
	unsigned long todo;
	bool full;
	struct gs_obj *puts[GS_NR_PUTS];
	struct irq_work work;
	struct hrtimer timer;
};

/* main.c */
extern struct obm_heap *gs_heap;
extern struct gs_counts __percpu *gs_counts;
extern bool gs_ending;

#define gs_count(what)	this_cpu_inc(gs_counts->what)

void gs_error(enum gs_error error, const struct gs_obj *obj);
void gs_rnd_init(struct gs_rnd *rnd, u64 number);
u64 gs_rnd_u64(struct gs_rnd *rnd);
u64 gs_rnd_any(void);
unsigned int gs_rnd_type(u64 rnd);

/* A number below @max, which is not large. */
static inline unsigned int gs_rnd_below(struct gs_rnd *rnd, unsigned int max)
{
	return ((gs_rnd_u64(rnd) >> 32) * max) >> 32;
}

/* type.c: objects of all types, and their callbacks */
int gs_types_register(void);
int gs_types_unregister(void);
struct gs_obj *gs_new(unsigned int type, u64 rnd, gfp_t gfp);
void gs_check(struct gs_obj *obj);
bool gs_has_links(const struct gs_obj *obj);
bool gs_has_box(const struct gs_obj *obj);

static inline void gs_put(struct gs_obj *obj)
{
	if (obj)
		obm_obj_put(&obj->obj);
}

/* link.c: links of an object */
struct gs_obj *gs_follow(struct gs_obj *obj, u64 rnd);
void gs_set(struct gs_obj *obj, u64 rnd, struct gs_obj *to);
void gs_move(struct gs_obj *to, struct gs_obj *from, u64 rnd);
void gs_set_weak(struct gs_obj *obj, struct obm_weakref *weak);
struct obm_weakref *gs_get_weak(struct gs_obj *obj);
void gs_box_grow(struct gs_obj *obj, gfp_t gfp);
int gs_box_traverse(struct gs_obj *obj, obm_visit_t visit, void *arg);
void gs_box_free(struct gs_obj *obj);
void gs_clear(struct gs_obj *obj);
bool gs_is_linked(struct gs_obj *obj);

/* table.c: how threads find objects */
int gs_tables_init(unsigned int nr);
void gs_tables_drop(void);
void gs_tables_exit(void);
struct gs_obj *gs_root_get(u64 rnd);
void gs_root_set(u64 rnd, struct gs_obj *obj);
struct obm_weakref *gs_weak_get(u64 rnd);
void gs_weak_set(u64 rnd, struct obm_weakref *weak);
void gs_seen_add(struct gs_obj *obj, u64 rnd);
void gs_seen_del(struct gs_obj *obj);
struct gs_obj *gs_seen_get(u64 rnd);

/* step.c: operations */
void gs_step(struct gs_thread *thread);

/* irq.c: interrupts that take part */
void gs_irq_start(struct gs_thread *thread);
void gs_irq_stop(struct gs_thread *thread);
void gs_irq_put(struct gs_thread *thread, struct gs_obj *obj);

/* keeper.c: a thread that collects, freezes, counts */
int gs_keeper(void *data);

#endif /* GRAPHSTRESS_H */
