// SPDX-License-Identifier: GPL-2.0-only
/*
 * How threads find objects: roots, which are references; weak references; and
 * objects that are known without being counted, to readers under RCU.
 */
#include "graphstress.h"

#include <linux/mm.h>
#include <linux/slab.h>

/**
 * struct root - a reference from outside
 * @lock: guards @obj
 * @obj: object, or NULL
 */
struct root {
	raw_spinlock_t lock;
	struct gs_obj *obj;
};

/**
 * struct weak_slot - a weak reference from outside
 * @lock: guards @weak
 * @weak: it, or NULL
 */
struct weak_slot {
	raw_spinlock_t lock;
	struct obm_weakref *weak;
};

static unsigned int nr_slots;
static struct root *roots;
static struct weak_slot *weaks;
static struct gs_obj __rcu **seen;

static unsigned int slot_of(u64 rnd)
{
	return ((rnd & U32_MAX) * nr_slots) >> 32;
}

/* --- Roots --- */

/* Some root, with a reference, or NULL. */
struct gs_obj *gs_root_get(u64 rnd)
{
	struct root *root = &roots[slot_of(rnd)];
	struct gs_obj *obj;
	unsigned long flags;

	raw_spin_lock_irqsave(&root->lock, flags);
	obj = root->obj;
	if (obj)
		obm_obj_get(&obj->obj);
	raw_spin_unlock_irqrestore(&root->lock, flags);
	if (obj)
		gs_check(obj);
	return obj;
}

static void root_change(struct root *root, struct gs_obj *obj)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&root->lock, flags);
	swap(root->obj, obj);
	raw_spin_unlock_irqrestore(&root->lock, flags);
	if (obj) {
		gs_check(obj);
		gs_put(obj);
	}
}

/* Takes over the caller's reference; who was the root before loses one. */
void gs_root_set(u64 rnd, struct gs_obj *obj)
{
	root_change(&roots[slot_of(rnd)], obj);
}

/* --- Weak references --- */

/* Some weak reference, with a reference to it, or NULL. */
struct obm_weakref *gs_weak_get(u64 rnd)
{
	struct weak_slot *slot = &weaks[slot_of(rnd)];
	struct obm_weakref *weak;
	unsigned long flags;

	raw_spin_lock_irqsave(&slot->lock, flags);
	weak = slot->weak;
	if (weak)
		obm_obj_get(&weak->obj);
	raw_spin_unlock_irqrestore(&slot->lock, flags);
	return weak;
}

static void weak_change(struct weak_slot *slot, struct obm_weakref *weak)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&slot->lock, flags);
	swap(slot->weak, weak);
	raw_spin_unlock_irqrestore(&slot->lock, flags);
	if (weak)
		obm_obj_put(&weak->obj);
}

/* Takes over the caller's reference. */
void gs_weak_set(u64 rnd, struct obm_weakref *weak)
{
	weak_change(&weaks[slot_of(rnd)], weak);
}

/* --- Seen under RCU --- */

/* Lets readers find an object, which takes the place of another. */
void gs_seen_add(struct gs_obj *obj, u64 rnd)
{
	obj->seen = slot_of(rnd);
	rcu_assign_pointer(seen[obj->seen], obj);
}

/* In release: nobody begins to look at it from now on. */
void gs_seen_del(struct gs_obj *obj)
{
	struct gs_obj *me = obj;

	if (obj->seen < 0)
		return;
	/* Only if no other has taken the place. */
	cmpxchg((struct gs_obj **)&seen[obj->seen], me, NULL);
	obj->seen = -1;
}

/* Some object that has not died yet, with a reference, or NULL. */
struct gs_obj *gs_seen_get(u64 rnd)
{
	struct gs_obj *obj;
	u32 magic;

	rcu_read_lock();
	obj = rcu_dereference(seen[slot_of(rnd)]);
	if (obj && !obm_obj_get_unless_zero(&obj->obj)) {
		/* Dead it may be, but not yet another. */
		magic = READ_ONCE(obj->magic);
		if (magic != GS_ALIVE && magic != GS_GONE)
			gs_error(GS_REUSED, NULL);
		obj = NULL;
	}
	rcu_read_unlock();
	if (obj) {
		gs_check(obj);
		gs_count(rescued);
	}
	return obj;
}

/* --- Beginning and end --- */

int gs_tables_init(unsigned int nr)
{
	unsigned int i;

	nr_slots = nr;
	roots = kvcalloc(nr, sizeof(*roots), GFP_KERNEL);
	weaks = kvcalloc(nr, sizeof(*weaks), GFP_KERNEL);
	seen = kvcalloc(nr, sizeof(*seen), GFP_KERNEL);
	if (!roots || !weaks || !seen) {
		gs_tables_exit();
		return -ENOMEM;
	}
	for (i = 0; i < nr; i++) {
		raw_spin_lock_init(&roots[i].lock);
		raw_spin_lock_init(&weaks[i].lock);
	}
	return 0;
}

/* Gives back all references, when threads and interrupts have ended. */
void gs_tables_drop(void)
{
	unsigned int i;

	/* Callbacks may look for roots while others go. */
	for (i = 0; i < nr_slots; i++) {
		root_change(&roots[i], NULL);
		weak_change(&weaks[i], NULL);
		cond_resched();
	}
}

void gs_tables_exit(void)
{
	kvfree(roots);
	kvfree(weaks);
	kvfree(seen);
}
