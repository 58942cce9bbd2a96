/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Objects and their collector, as the files see them that make both.
 *
 * Layers above heap and cache: type, object < ref < weak < call < die < era < suspect <
 * graph < gc, steer. type has types and kinds, object makes and forgets the memory
 * of objects, ref changes links, die does what follows the last put, and gc
 * collects. That type and object tell the collector is the exception.
 *
 * Where an object is. Each heap has on each CPU two lists of new objects, of
 * which one is in use, and shared lists for the generations. What may be done to
 * an object's link depends on whether somebody collects, which the heap's era
 * tells: it is odd while somebody does.
 *
 *	new object	goes to the list of this CPU, era's half: a task, with
 *			preemption disabled; in interrupts to gc->newborn
 *	dead object	- era even, on this CPU's list: unlinked, as above
 *			- era even, on a shared list: unlinked, under gc->lock
 *			- it is garbage, and dies by the collector's own hand:
 *			  stays linked, and is found by it
 *			- else: stays linked and waits in gc->limbo
 *	collector	makes the era odd and waits for a grace period: then the
 *			other half of all CPUs, and the shared lists, are its own
 *			until it makes the era even
 *
 * So while somebody collects no object's memory is freed, and who finds an object
 * by a link may look at it.
 *
 * Lock order, above those of internal.h:
 *   0. obm_types_lock	(mutex)		which types there are
 *      gc->mutex	(mutex)		who collects
 *   1. obm_heaps_lock
 *   2. gc->lock, gc->weak_lock (raw spinlocks): neither with the other, nor with
 *	any of level 2
 *
 * Letters on fields, besides those of internal.h:
 *   T: protected by obm_types_lock
 *   G: protected by gc->mutex
 *   S: protected by gc->lock
 *   W: protected by gc->weak_lock
 */
#ifndef OBM_OBJECT_PRIVATE_H
#define OBM_OBJECT_PRIVATE_H

#include "cache.h"

#include <linux/hashtable.h>
#include <linux/obm_gc.h>
#include <linux/obm_object.h>
#include <linux/prefetch.h>

/* Links of an object that are worth fetching in advance. */
#define OBM_PREFETCH_LINKS	8U

/* How many types there may be at once, obmalloc's own among them. */
#define OBM_NR_TYPES		256

/* Colors that the collector gives; all others are 0. */
enum obm_color {
	OBM_COLOR_NONE,
	OBM_COLOR_LOOKED_AT,	/* in the generation that is collected */
	OBM_COLOR_LOST,		/* no reference from outside was found */
	OBM_COLOR_DEAD,		/* has died while it was lost */
};

/* Marks; changed under gc->weak_lock. */
#define OBM_MARK_WEAK		BIT(0)	/* there are weak references to it */
#define OBM_MARK_FINALIZED	BIT(1)
#define OBM_MARK_UNSEEN		BIT(2)	/* no callback is to hear of it */
#define OBM_MARK_IMMORTAL	BIT(4)
#define OBM_MARK_CLEARED	BIT(3)	/* the collector has called clear */

/*
 * The links of an object, and above them how often one has changed. More of them
 * than the bits can count are compared by the bits that there are.
 */
#define OBM_OUT_BITS		20
#define OBM_OUT_OP		((int)BIT(OBM_OUT_BITS))
#define OBM_OUT_MASK		(OBM_OUT_OP - 1)

/*
 * Places: which list an object's link is in. Those of CPUs are numbers of the
 * CPU and the half.
 */
#define OBM_PLACE_SHARED	0xff00
#define OBM_PLACE_GEN(n)	(OBM_PLACE_SHARED + (n))
#define OBM_PLACE_PERMANENT	OBM_PLACE_GEN(OBM_GC_PERMANENT)
#define OBM_PLACE_GARBAGE	OBM_PLACE_GEN(OBM_GC_GARBAGE)
#define OBM_NR_SHARED		(OBM_NR_GENERATIONS + 2)
#define OBM_PLACE_NEWBORN	OBM_PLACE_GEN(OBM_NR_SHARED)

static_assert(2 * CONFIG_NR_CPUS <= OBM_PLACE_SHARED);

/**
 * struct obm_kind - the objects of a type in a heap
 * @front: I: what inlines see of the first two
 * @heap: I: the heap
 * @cache: I: where they are, or NULL if they have sizes of their own
 * @gc: I: of the heap
 * @type: I: the type
 * @in_type: T: in type->kinds
 * @in_gc: T: in gc->kind_list; read under RCU or gc->mutex
 * @nr_live: A: of objects with sizes of their own: how many
 * @live_bytes: A: and their bytes
 * @nr: I: number of the type
 * @name: I: copy of the type's, which may go before the kind does
 * @tracked: I: the type has links: its objects are in lists
 * @flushed: T: by who unregisters the type: what is dead of it is gone
 * @plain: I: no callbacks, and links in the object only
 * @quick: I: nothing but memory: plain and not tracked, and not freed by RCU
 * @evicts: I: its owner can be asked for objects
 * @zeroes: I: new objects are zeroes, as callbacks may come before their maker has
 *	    done anything to them
 * @rcu: defers the release
 */
struct obm_kind {
	union {
		struct obm_kind_front front;
		struct {
			struct obm_heap *heap;
			struct obm_cache *cache;
		};
	};
	struct obm_gc *gc;
	struct obm_type *type;
	struct list_head in_type;
	struct list_head in_gc;
	atomic_long_t nr_live;
	atomic_long_t live_bytes;
	int nr;
	char name[OBM_NAME_LEN];
	bool tracked;
	bool plain;
	bool quick;
	bool evicts;
	bool zeroes;
	bool flushed;
	struct rcu_head rcu;
};

/**
 * struct obm_gc_cpu - new objects of a CPU
 * @young: of the two halves; its CPU's tasks alone, with preemption disabled,
 *	   and the collector when a grace period has passed
 * @nr: objects made less those that died, of a half; the same
 */
struct obm_gc_cpu {
	struct list_head young[2];
	unsigned int nr[2];
};

/* Durations of which the median is taken. */
#define OBM_GC_NR_TIMES		63

/**
 * struct obm_generation - what is counted of one
 * @threshold: G: of @count, above which it is collected; read by anybody
 * @count: of 0: S: objects made less those that died, but for what CPUs count;
 *	   of the others: G: collections of the generation below
 * @stats: G: all but the median
 * @times: G: the last durations, in ns
 */
struct obm_generation {
	unsigned int threshold;
	unsigned int count;
	struct obm_gc_stats stats;
	u64 times[OBM_GC_NR_TIMES];
};

/**
 * struct obm_gc_last - what the last collection found
 * @generation: that it was of, or -1
 * @nr: objects that were garbage
 * @nr_kept: of which so many were not freed
 * @nr_doubts: objects that seemed to be
 * @ns: how long it took
 */
struct obm_gc_last {
	int generation;
	unsigned long nr;
	unsigned long nr_kept;
	u64 nr_doubts;
	u64 ns;
};

#define OBM_WEAK_BITS		10

/**
 * struct obm_gc - the objects of a heap
 * @heap: I: the heap
 * @era: odd while somebody collects; changed under @lock by who has @mutex
 * @enabled: G: whether the worker collects by itself
 * @kick_at: new objects on a CPU above which it is told to; UINT_MAX if it is not
 * @kicked: A: it has been told to
 * @cpus: I: new objects
 * @kinds: set once under obm_types_lock, cleared when a type goes; by type->nr
 * @lock: protects @shared while the era is even, and the change of the era
 * @newborn: S: objects made in interrupts
 * @shared: S, or of the collector: generations, permanent, garbage
 * @limbo: A: dead objects whose memory waits for the end of the era
 * @nr_limbo: A: about how many of them are to be had by gathering
 * @mutex: who collects, freezes, or lists objects
 * @collector: G: the task that collects
 * @looking: G: the collector goes through lists: nothing may leave them
 * @clearing: G: by which garbage is made to let go of its links
 * @dead: of the collector: garbage that has died by that
 * @has_weak: G: some of the garbage that was found last has weak references, or is one
 * @has_finalizer: G: or a finalizer
 * @patient: G: nobody waits for the collection that is going on
 * @mode: G: what is done with garbage
 * @generations: G
 * @pending: G: survivors of generation 1 that no full collection has seen
 * @total: G: survivors of the last full collection
 * @last: G: the last collection
 * @referrers_of: id of the object that debugfs shows them of; the last one asked for
 * @referents_of: the same
 * @graph_type: number of the type that debugfs draws, or 0
 * @graph_id: id of the object, or 0
 * @nr_doubts: G: of the collection that is going on
 * @weak_lock: protects weak references, marks, and the verdict
 * @weak: W: weak references by target; made when first needed
 * @doomed: W: objects that are frozen are garbage; else they may yet be rescued
 * @rescued: W: somebody has got at a frozen one meanwhile
 * @work: collects, gathers, lets objects die that are too many or may sleep
 * @sleepers: A: those that may sleep
 * @dying_lock: protects @dying; nothing else is taken under it
 * @dying: the stack of those that are too many; die.c
 * @limbo_work: empties limbo of who came late
 * @kind_list: T: kinds
 * @interned: values that are shared, when there are any; set once (cmpxchg)
 * @evicts: A: it has had a kind of which objects can be evicted
 * @evictors: S: who asks owners for objects just now
 * @evict_hand: S: which list is the next to be asked
 * @evict_era: S: as long as it is this era
 * @evict_mark: S: where the hand began in that list; may be gone
 * @evict_work: asks owners for objects when memory is short
 * @evict_pages: A: how much it is to ask for
 * @evict_later: in jiffies, until when it is of no use; a peek
 * @evict_ended: it is not to be queued any more; read under RCU
 * @rcu: defers the release
 */
struct obm_gc {
	struct obm_heap *heap;
	unsigned int era;
	bool enabled;
	unsigned int kick_at;
	atomic_t kicked;
	struct obm_gc_cpu __percpu *cpus;
	struct obm_kind *kinds[OBM_NR_TYPES];
	raw_spinlock_t lock;
	struct list_head newborn;
	struct list_head shared[OBM_NR_SHARED];
	struct llist_head limbo;
	atomic_t nr_limbo;
	struct mutex mutex;	/* level 0 */
	struct task_struct *collector;
	bool looking;
	bool clearing;
	struct list_head dead;
	bool has_weak;
	bool has_finalizer;
	bool patient;
	enum obm_gc_mode mode;
	struct obm_generation generations[OBM_NR_GENERATIONS];
	unsigned long pending;
	unsigned long total;
	struct obm_gc_last last;
	u64 referrers_of;
	u64 referents_of;
	int graph_type;
	u64 graph_id;
	u64 nr_doubts;
	raw_spinlock_t weak_lock;
	struct hlist_head *weak;
	bool doomed;
	bool rescued;
	struct work_struct work;
	struct llist_head sleepers;
	raw_spinlock_t dying_lock;
	unsigned long dying;
	struct rcu_work limbo_work;
	struct list_head kind_list;
	struct obm_interned *interned;
	bool evicts;
	struct list_head evictors;
	unsigned int evict_hand;
	unsigned int evict_era;
	const struct obm_obj *evict_mark;
	struct work_struct evict_work;
	atomic_long_t evict_pages;
	unsigned long evict_later;
	bool evict_ended;
	struct rcu_head rcu;
};

extern struct mutex obm_types_lock;
extern struct workqueue_struct *obm_wq;

/* The half of a CPU's lists that new objects go to. */
static inline unsigned int era_half(unsigned int era)
{
	return (era + 1) >> 1 & 1;
}

static inline bool era_is_busy(unsigned int era)
{
	return era & 1;
}

/*
 * Lets a dead leaf of a quick kind, without marks, wait on this CPU; false if it
 * has to be freed in another way. As obm_obj_free(), which tells why.
 */
static __always_inline bool obj_free_quick(struct obm_obj *obj,
					   const struct obm_kind *kind)
{
	bool done = false;

	if (!OBM_INLINE || want_init_on_free())
		return false;
	preempt_disable();
	if (likely(!era_is_busy(READ_ONCE(kind->gc->era)) && obm_front_mine()))
		done = obm_slot_push(READ_ONCE(kind->front.cache->slots), obj);
	preempt_enable();
	return done;
}

static inline unsigned int word_count(u64 word)
{
	return word & OBM_COUNT_MASK;
}

/* Whether no reference has come, gone or moved since the operations were zero. */
static inline bool word_is_still(u64 word)
{
	return word < OBM_WORD_OP;
}

/* Of a word before it lost a reference: it was the last, or not a right one. */
static inline bool obm_word_is_odd(u64 word)
{
	return word_count(word) - 2U >= OBM_COUNT_MAX - 2;
}

static inline bool kind_is(const struct obm_obj *obj, const struct obm_type *type)
{
	return obj->kind->type == type;
}

/**
 * obj_traverse() - visit every link of an object
 * @obj: the object
 * @visit: called for each; inlined for those in the object, if it is constant
 * @arg: for @visit
 *
 * Context: as type->traverse.
 * Return: 0, or what @visit returned that was not.
 */
static __always_inline int obj_traverse(struct obm_obj *obj, obm_visit_t visit,
					void *arg)
{
	const struct obm_type *type = obj->kind->type;
	struct obm_ref *ref = (void *)obj + type->links_offset;
	struct obm_ref *end = ref + type->nr_links;
	int err;

	for (; ref < end; ref++) {
		err = visit(ref, arg);
		if (err)
			return err;
	}
	return unlikely(type->traverse) ? type->traverse(obj, visit, arg) : 0;
}

/*
 * How many links an object has, and how often they have changed. While it dies,
 * other things stand there, and nobody wants to know.
 */
static __always_inline void obj_out_add(struct obm_obj *owner, int nr)
{
	if (word_count(atomic64_read(&owner->word)))
		atomic_add(OBM_OUT_OP + nr, &owner->out);
}

/**
 * obj_ref_take() - exchange what a link has, and give back its reference
 * @ref: the link
 * @target: what it is to have; the caller has added its operation
 * @word: what the word of the old target was before
 *
 * Whether that was the last reference is for the caller to deal with.
 *
 * Return: the old target, or NULL if there was none.
 */
static __always_inline struct obm_obj *
obj_ref_take(struct obm_ref *ref, struct obm_obj *target, u64 *word)
{
	struct obm_obj *old;

	preempt_disable();
	old = xchg(&ref->target, target);
	if (old) {
		atomic_dec(&old->in);
		*word = atomic64_fetch_add_release(OBM_WORD_OP - 1,
						   &old->word);
	}
	preempt_enable();
	return old;
}

/**
 * obj_ref_exchange() - the same, of an owner that lives
 * @owner: whose link it is; its number of links changes, too
 * @ref: the link
 * @target: as for obj_ref_take()
 * @word: as for obj_ref_take()
 *
 * Return: as obj_ref_take().
 */
static __always_inline struct obm_obj *
obj_ref_exchange(struct obm_obj *owner, struct obm_ref *ref,
		 struct obm_obj *target, u64 *word)
{
	struct obm_obj *old;

	/* Who finds links and their number different waits, and looks again. */
	preempt_disable();
	old = obj_ref_take(ref, target, word);
	obj_out_add(owner, !!target - !!old);
	preempt_enable();
	return old;
}

/* Whether we clear garbage, and not in an interrupt. */
static inline bool gc_is_clearing(const struct obm_gc *gc)
{
	return READ_ONCE(gc->collector) == current && gc->clearing &&
	       !(preempt_count() & OBM_IRQ_MASK);
}

/*
 * Links lead to anywhere: fetches what those in the object lead to, which will be
 * looked at soon.
 */
static __always_inline void obj_prefetch_links(const struct obm_obj *obj)
{
	const struct obm_type *type = obj->kind->type;
	const struct obm_ref *refs = (const void *)obj + type->links_offset;
	unsigned int i, nr = min(type->nr_links, OBM_PREFETCH_LINKS);

	for (i = 0; i < nr; i++)
		prefetchw(READ_ONCE(refs[i].target));
}

/*
 * A large graph is not in the caches: what the links of an object lead to is fetched
 * when who goes through the list is so many places before it.
 */
#define OBM_AHEAD		32

/**
 * struct obm_ahead - who goes ahead in a list
 * @list: the list
 * @pos: in the list, or the list itself
 */
struct obm_ahead {
	struct list_head *list;
	struct list_head *pos;
};

static __always_inline void obm_ahead_step(struct obm_ahead *ahead)
{
	if (ahead->pos->next == ahead->list)
		return;
	ahead->pos = ahead->pos->next;
	obj_prefetch_links(list_entry(ahead->pos, struct obm_obj, link));
}

static inline struct obm_ahead obm_ahead_begin(struct list_head *list)
{
	struct obm_ahead ahead = { .list = list, .pos = list };
	unsigned int i;

	for (i = 0; i < OBM_AHEAD; i++)
		obm_ahead_step(&ahead);
	return ahead;
}

/* An object leaves the list: nobody may stand on it. */
static __always_inline void obm_ahead_leave(struct obm_ahead *ahead,
					    struct obm_obj *obj)
{
	if (unlikely(ahead->pos == &obj->link))
		ahead->pos = obj->link.prev;
}

/* type.c: types, and kinds of heaps */
struct obm_gc *obm_gc_of(struct obm_heap *heap);
struct obm_gc *obm_gc_make(struct obm_heap *heap);
struct obm_kind *obm_kind_get(struct obm_heap *heap, struct obm_type *type,
			      gfp_t gfp);
bool obm_objects_charge(struct obm_heap *heap, size_t bytes);
void obm_objects_uncharge(struct obm_heap *heap, size_t bytes);
unsigned long obm_kind_nr_live(struct obm_kind *kind);
unsigned long obm_kind_nr_cached(struct obm_kind *kind);
u64 obm_kind_nr_allocs(struct obm_kind *kind);
u64 obm_kind_nr_made(struct obm_kind *kind);

/* object.c: the memory of objects, and which list they are in */
void obm_obj_free(struct obm_obj *obj);
void obm_obj_renew(struct obm_obj *obj);
void obm_limbo_empty(struct obm_gc *gc);
void obm_dead_free(struct obm_gc *gc);
size_t obm_obj_bytes(const struct obm_obj *obj);
void obm_id_init(void);

/* A misuse of an object, a type or a link; @type may be NULL. */
static inline const char *type_name(const struct obm_type *type)
{
	return type ? type->name : NULL;
}

#define obm_report_object(heap, bad, type, fmt, ...)			\
	obm_report_misuse(heap, bad, type_name(type), fmt, ##__VA_ARGS__)

/* ref.c: counts and links */
bool obm_obj_pin(struct obm_obj *obj);
void obm_obj_put_unseen(struct obm_obj *obj);
int obm_obj_traverse(struct obm_obj *obj, obm_visit_t visit, void *arg);

/**
 * struct obm_call - a callback that is being called
 * @note: what dies meanwhile; NULL if it may sleep, and nobody waits
 * @count: of preemption, as it was
 * @switches: of the task, as they were
 */
struct obm_call {
	struct obm_note *note;
	int count;
	unsigned long switches;
};

/* call.c: callbacks */
struct obm_call obm_call_begin(bool may_sleep);
struct obm_obj *obm_call_end(struct obm_call *c, const struct obm_obj *obj,
			     const char *what);
bool obm_call_notes(struct obm_obj *obj);

/* die.c: what follows the last put */
void obm_obj_die(struct obm_obj *obj);
void obm_obj_clear(struct obm_obj *obj);
void obm_obj_clear_links(struct obm_obj *obj);
bool obm_obj_has_links(struct obm_obj *obj);
bool obm_obj_finalize(struct obm_obj *obj);
void obm_weak_call(struct obm_weakref *weak);
void obm_dying_work(struct obm_gc *gc);

/* weak.c: weak references, and marks */
bool obm_weak_rescue(struct obm_obj *obj);
void obm_weak_forget(struct obm_obj *obj);
void obm_weak_clear(struct obm_obj *obj, struct obm_weakref **calls);
bool obm_obj_mark(struct obm_obj *obj, u8 mark);
extern struct obm_type obm_weakref_type;

/**
 * struct obm_links - of an object, counted
 * @gc: of the heap that they should lead to
 * @nr: links that are not NULL
 * @nr_strange: links to objects of other heaps
 */
struct obm_links {
	struct obm_gc *gc;
	unsigned int nr;
	unsigned int nr_strange;
};

/* suspect.c: types that are wrong about links */
bool obm_links_differ(struct obm_obj *obj, struct obm_links *links,
		      obm_visit_t visit);
bool obm_suspect(struct obm_gc *gc, struct obm_obj *obj);
void obm_suspect_visitor(struct obm_gc *gc, struct obm_obj *obj,
			 struct list_head *base, struct list_head *lost,
			 unsigned int nr_visits, unsigned int nr_links);

/* graph.c: what of a list of objects is garbage */
unsigned long obm_graph_deduce(struct obm_gc *gc, struct list_head *base,
			       u16 place, struct list_head *lost,
			       unsigned long *nr_live);
void obm_graph_thaw(struct obm_gc *gc, struct list_head *lost);

/* era.c: who has all objects to himself */
void obm_era_init(struct obm_gc *gc);
void obm_era_flush(struct obm_gc *gc);
void obm_gc_synchronize(struct obm_gc *gc);
void obm_gc_begin(struct obm_gc *gc);
void obm_gc_end(struct obm_gc *gc);
int obm_gc_walk(struct obm_heap *heap,
		int (*fn)(struct obm_obj *obj, int generation, void *arg),
		void *arg);

/* gc.c: collections */
void obm_gc_init(struct obm_gc *gc);
void obm_gc_stop(struct obm_gc *gc);
void obm_gc_kick(struct obm_gc *gc);

/* steer.c */
unsigned int obm_gc_nr_young(struct obm_gc *gc);

/* intern.c: values that are shared */
int obm_intern_init(void);
void obm_intern_exit(void);
void obm_intern_end(struct obm_gc *gc);

/* evict.c: objects that owners can do without */
unsigned long obm_evict(struct obm_gc *gc, unsigned long nr);
unsigned long obm_evict_bytes(struct obm_gc *gc, unsigned long bytes);

/* pressure.c: the shrinker asks for them, too */
void obm_pressure_init(void);
void obm_pressure_exit(void);
void obm_pressure_begin(struct obm_gc *gc);
void obm_pressure_end(struct obm_gc *gc);

#endif /* OBM_OBJECT_PRIVATE_H */
