// SPDX-License-Identifier: GPL-2.0-only
/*
 * Eviction: objects that their owner can do without are asked for when memory is
 * short, the oldest first. Asked is by an allocation that found no room and may
 * sleep, and by a worker that the shrinker kicks; never inside of reclaim.
 *
 * The shared lists are gone through as the hand of a clock goes: what has been
 * passed or asked goes to the end of its list, and the heap remembers where the hand
 * is. So a call does not begin with those again that have just refused, unless objects
 * have come to older lists meanwhile: with each era. Nor does it know how long a list
 * is: it ends where it meets the first that it has moved, to which it keeps a
 * reference. Lists may be changed under gc->lock while the era is even; if it does not
 * stay so, somebody else is at work, and memory will come from there.
 *
 * The owner is asked with no lock held and with a reference held, so its evict may
 * do what it likes: put others, too, or make some. Nothing is allocated here.
 */
#include "object.h"

#include <linux/sched.h>

/* Objects passed in one section under gc->lock. */
#define EVICT_STEPS	64
/* Objects that are asked for between two of them. */
#define EVICT_BATCH	16
/* How long to wait for who collects. */
#define EVICT_PATIENCE	(HZ / 2)
/*
 * Times round all objects before it is certain that nothing is to be had. An owner
 * that gives second chances refuses them all once, if all have been used; and others
 * who ask at the same time have references to some.
 */
#define EVICT_ROUNDS	3

/**
 * struct evictor - somebody who asks for objects of a heap
 * @in_gc: in gc->evictors
 * @task: who it is
 * @gc: of the heap
 * @era: while the lists may be changed
 * @mark: the first that stayed of those that the hand has passed in its list;
 *	  only compared, as it may be gone
 * @nr: objects that are wanted
 * @bytes: and bytes of them
 * @asked: somebody was asked
 * @nr_got: objects that are gone
 * @bytes_got: and their bytes
 * @waits: some are freed only after a grace period
 */
struct evictor {
	struct list_head in_gc;
	struct task_struct *task;
	struct obm_gc *gc;
	unsigned int era;
	const struct obm_obj *mark;
	unsigned long nr;
	unsigned long bytes;
	bool asked;
	unsigned long nr_got;
	unsigned long bytes_got;
	bool waits;
};

static bool evictor_is_done(const struct evictor *ev)
{
	return ev->nr_got >= ev->nr || ev->bytes_got >= ev->bytes;
}

/* --- A list --- */

/**
 * struct turn - of the hand, around one list
 * @list: the list
 * @first: the first object that was moved, with a reference
 * @stayed: the first that was moved and stays, for all that is known
 * @picked: those to ask for, each with a reference
 * @nr: how many
 * @over: there are no more
 */
struct turn {
	struct list_head *list;
	struct obm_obj *first;
	struct obm_obj *stayed;
	struct obm_obj *picked[EVICT_BATCH];
	unsigned int nr;
	bool over;
};

/* Under gc->lock: @obj goes to the end, and is picked if it can be evicted. */
static void turn_pass(struct turn *turn, struct obm_obj *obj)
{
	bool evicts = obj->kind->evicts;

	list_move_tail(&obj->link, turn->list);
	if (!evicts && !turn->stayed)
		turn->stayed = obj;
	/* One that dies leaves its list by itself. */
	if ((turn->first && !evicts) || !obm_obj_get_unless_zero(obj))
		return;
	if (!turn->first) {
		turn->first = obj;
		if (!evicts)
			return;
		obm_obj_get(obj);
	}
	turn->picked[turn->nr++] = obj;
}

static void turn_pick(struct evictor *ev, struct turn *turn)
{
	unsigned long want = min(ev->nr - ev->nr_got, 0UL + EVICT_BATCH), flags;
	struct obm_obj *obj, *next;
	unsigned int steps = 0;

	turn->nr = 0;
	turn->over = true;
	raw_spin_lock_irqsave(&ev->gc->lock, flags);
	if (ev->gc->era != ev->era)
		goto out;
	list_for_each_entry_safe(obj, next, turn->list, link) {
		if (obj == turn->first || obj == ev->mark)
			break;
		if (steps++ == EVICT_STEPS || turn->nr == want) {
			/* Nothing but dying ones: there will be memory. */
			turn->over = !turn->first;
			break;
		}
		turn_pass(turn, obj);
	}
out:
	raw_spin_unlock_irqrestore(&ev->gc->lock, flags);
}

/* Objects count that nobody has when we have put them. */
static void turn_ask(struct evictor *ev, struct turn *turn)
{
	const struct obm_type *type;
	unsigned int i, nr_ours;
	struct obm_obj *obj;

	ev->asked |= turn->nr;
	for (i = 0; i < turn->nr; i++) {
		obj = turn->picked[i];
		type = obj->kind->type;
		nr_ours = obj == turn->first ? 2 : 1;
		if (type->evict(obj) && obm_obj_refcount(obj) == nr_ours) {
			ev->nr_got++;
			ev->bytes_got += obm_obj_bytes(obj);
			ev->waits |= type->flags & OBM_TYPE_RCU;
		} else if (!turn->stayed) {
			turn->stayed = obj;
		}
		obm_obj_put(obj);
	}
}

static void evict_list(struct evictor *ev, unsigned int which)
{
	struct turn turn = { .list = &ev->gc->shared[which] };

	do {
		turn_pick(ev, &turn);
		turn_ask(ev, &turn);
		cond_resched();
	} while (!turn.over && !evictor_is_done(ev));
	if (turn.over)
		ev->mark = NULL;
	else if (!ev->mark)
		ev->mark = turn.stayed;
	if (turn.first)
		obm_obj_put(turn.first);
}

/* --- All of a heap's --- */

/* Waits until nobody collects; not if that is ourselves. */
static bool era_calm(struct evictor *ev)
{
	unsigned long end = jiffies + EVICT_PATIENCE;
	struct obm_gc *gc = ev->gc;

	for (;;) {
		ev->era = READ_ONCE(gc->era);
		if (!era_is_busy(ev->era))
			return true;
		if (READ_ONCE(gc->collector) == current ||
		    time_after(jiffies, end))
			return false;
		schedule_timeout_uninterruptible(1);
	}
}

/* Lists in the order in which the hand goes through them. */
static const u8 evict_order[] = { OBM_GC_PERMANENT, 2, 1, 0 };

/* Where the hand is, if everything is where it was; else it is taken back. */
static unsigned int hand_at(struct evictor *ev)
{
	struct obm_gc *gc = ev->gc;
	unsigned int hand = 0;
	unsigned long flags;

	ev->mark = NULL;
	raw_spin_lock_irqsave(&gc->lock, flags);
	if (gc->evict_era == ev->era) {
		hand = gc->evict_hand;
		ev->mark = gc->evict_mark;
	}
	raw_spin_unlock_irqrestore(&gc->lock, flags);
	return hand;
}

static void hand_note(struct evictor *ev, unsigned int hand)
{
	struct obm_gc *gc = ev->gc;
	unsigned long flags;

	raw_spin_lock_irqsave(&gc->lock, flags);
	gc->evict_hand = hand;
	gc->evict_era = ev->era;
	gc->evict_mark = ev->mark;
	raw_spin_unlock_irqrestore(&gc->lock, flags);
}

static void evict_from(struct evictor *ev, unsigned int hand)
{
	for (; hand < ARRAY_SIZE(evict_order); hand++) {
		evict_list(ev, evict_order[hand]);
		if (evictor_is_done(ev))
			break;
	}
	hand_note(ev, hand);
}

/* New objects, which are in no list that is shared; a peek. */
static bool gc_has_young(struct obm_gc *gc)
{
	struct obm_gc_cpu *of_cpu;
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		of_cpu = per_cpu_ptr(gc->cpus, cpu);
		if (!list_empty(&of_cpu->young[0]) ||
		    !list_empty(&of_cpu->young[1]))
			return true;
	}
	return !list_empty(&gc->newborn);
}

/* Puts them before those of generation 0, who have just been asked. */
static bool evict_gather(struct obm_gc *gc)
{
	LIST_HEAD(asked);

	if (!gc_has_young(gc) || READ_ONCE(gc->collector) == current)
		return false;
	if (!mutex_trylock(&gc->mutex)) {
		/* Whoever has it gathers them, too. */
		schedule_timeout_uninterruptible(1);
		return true;
	}
	raw_spin_lock_irq(&gc->lock);
	list_splice_init(&gc->shared[0], &asked);
	raw_spin_unlock_irq(&gc->lock);
	obm_gc_begin(gc);
	list_splice_tail(&asked, &gc->shared[0]);
	obm_gc_end(gc);
	mutex_unlock(&gc->mutex);
	return true;
}

/* Whoever is asked may make objects, and must not ask others for that. */
static bool evictor_enter(struct evictor *ev)
{
	struct obm_gc *gc = ev->gc;
	struct evictor *other;
	unsigned long flags;
	bool first = true;

	ev->task = current;
	raw_spin_lock_irqsave(&gc->lock, flags);
	list_for_each_entry(other, &gc->evictors, in_gc)
		first &= other->task != current;
	if (first)
		list_add(&ev->in_gc, &gc->evictors);
	raw_spin_unlock_irqrestore(&gc->lock, flags);
	return first;
}

static void evictor_leave(struct evictor *ev)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&ev->gc->lock, flags);
	list_del(&ev->in_gc);
	raw_spin_unlock_irqrestore(&ev->gc->lock, flags);
}

/* From the hand on, then those that are new, and those before the hand. */
static void evict_around(struct evictor *ev)
{
	unsigned int hand = hand_at(ev);
	bool midway = hand || ev->mark;
	unsigned long before = ev->nr_got;

	evict_from(ev, hand);
	if (ev->nr_got == before && evict_gather(ev->gc) && era_calm(ev))
		evict_from(ev, ARRAY_SIZE(evict_order) - 1);
	if (ev->nr_got == before && midway)
		evict_from(ev, 0);
}

static void evict(struct evictor *ev)
{
	if (!evictor_enter(ev))
		return;
	if (era_calm(ev))
		evict_around(ev);
	evictor_leave(ev);
	if (ev->waits)
		obm_rcu_wait(ev->gc->heap);
}

/**
 * obm_evict() - ask owners for objects that they can do without
 * @gc: the collector of the heap
 * @nr: how many
 *
 * The permanent generation comes first, then the oldest. If nothing was to be had
 * of them, those are asked for, too, that are new; and all of them up to three times
 * before nothing is to be had.
 *
 * Context: Process context, may sleep; nothing in reclaim, or if who collects calls.
 * Return: how many objects nobody has any more.
 */
unsigned long obm_evict(struct obm_gc *gc, unsigned long nr)
{
	struct evictor ev = { .gc = gc, .nr = nr, .bytes = ULONG_MAX };
	unsigned int rounds = EVICT_ROUNDS;

	if (current->flags & PF_MEMALLOC || !READ_ONCE(gc->evicts))
		return 0;
	do {
		ev.asked = false;
		evict(&ev);
	} while (!ev.nr_got && ev.asked && --rounds);
	return ev.nr_got;
}

/**
 * obm_evict_bytes() - ask owners for so many bytes of objects
 * @gc: the collector of the heap
 * @bytes: how many; a few objects more may go
 *
 * Context: as obm_evict().
 * Return: how many objects nobody has any more.
 */
unsigned long obm_evict_bytes(struct obm_gc *gc, unsigned long bytes)
{
	struct evictor ev = { .gc = gc, .nr = ULONG_MAX, .bytes = bytes };
	unsigned long before;

	do {
		before = ev.nr_got;
		evict(&ev);
	} while (ev.nr_got != before && !evictor_is_done(&ev));
	return ev.nr_got;
}
