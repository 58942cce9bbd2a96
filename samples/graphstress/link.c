// SPDX-License-Identifier: GPL-2.0-only
/*
 * Links of objects: in the object, or in its box. Who takes a link away holds what
 * it led to until the lock is let go, so that nothing dies under it.
 */
#include "graphstress.h"

#include <linux/slab.h>

/* Of random numbers of links: none of these bits is the blind link. */
#define NOT_BLIND	0xf00

static struct gs_box *box_of(struct gs_obj *obj)
{
	return rcu_dereference_protected(obj->box,
					 lockdep_is_held(&obj->lock));
}

/* Some link that is followed, with the lock held. */
static struct gs_link *link_of(struct gs_obj *obj, u64 rnd)
{
	struct gs_box *box = box_of(obj);
	unsigned int i = rnd & 0xff;

	if (box && i & 1)
		return &box->links[(i >> 1) % box->nr];
	return &obj->links[i % GS_NR_LINKS];
}

/* What a link of the object leads to, with a reference, or NULL. */
struct gs_obj *gs_follow(struct gs_obj *obj, u64 rnd)
{
	struct gs_obj *to = NULL;
	unsigned long flags;

	if (!gs_has_links(obj))
		return NULL;
	raw_spin_lock_irqsave(&obj->lock, flags);
	to = obm_ref_get(link_of(obj, rnd));
	raw_spin_unlock_irqrestore(&obj->lock, flags);
	if (to)
		gs_check(to);
	return to;
}

/* Sets a link of the object, which is the blind one now and then. */
void gs_set(struct gs_obj *obj, u64 rnd, struct gs_obj *to)
{
	struct gs_obj *old;
	struct gs_link *link;
	unsigned long flags;
	int err;

	if (!(rnd & NOT_BLIND)) {
		if (obm_ref_set(&obj->obj, &obj->blind, to))
			gs_error(GS_FAILED, obj);
		return;
	}
	raw_spin_lock_irqsave(&obj->lock, flags);
	link = link_of(obj, rnd);
	old = obm_ref_get(link);
	err = obm_ref_set(&obj->obj, link, to);
	raw_spin_unlock_irqrestore(&obj->lock, flags);
	if (err)
		gs_error(GS_FAILED, obj);
	if (old) {
		gs_check(old);
		gs_put(old);
	}
}

/* With both locks held. Returns what is to be put when they are not. */
static struct gs_obj *move(struct gs_obj *to, struct gs_obj *from, u64 rnd)
{
	struct gs_link *src = link_of(from, rnd >> 16);
	struct gs_link *dst = link_of(to, rnd);
	struct gs_obj *old = obm_ref_get(dst);

	if (obm_ref_move(&to->obj, dst, &from->obj, src))
		gs_error(GS_FAILED, to);
	return old;
}

/* Locks are taken in the order of addresses, so that two threads do not wait. */
static struct gs_obj *move_between(struct gs_obj *to, struct gs_obj *from,
				   u64 rnd)
{
	struct gs_obj *first = min(to, from), *second = max(to, from), *old;
	unsigned long flags;

	raw_spin_lock_irqsave(&first->lock, flags);
	raw_spin_lock_nested(&second->lock, SINGLE_DEPTH_NESTING);
	old = move(to, from, rnd);
	raw_spin_unlock(&second->lock);
	raw_spin_unlock_irqrestore(&first->lock, flags);
	return old;
}

static struct gs_obj *move_within(struct gs_obj *obj, u64 rnd)
{
	struct gs_obj *old;
	unsigned long flags;

	raw_spin_lock_irqsave(&obj->lock, flags);
	old = move(obj, obj, rnd);
	raw_spin_unlock_irqrestore(&obj->lock, flags);
	return old;
}

/* Moves what a link of one object has to one of the other, or the same. */
void gs_move(struct gs_obj *to, struct gs_obj *from, u64 rnd)
{
	if (rnd & NOT_BLIND)
		gs_put(to == from ? move_within(to, rnd) :
				    move_between(to, from, rnd));
	else if (obm_ref_move(&to->obj, &to->blind, &from->obj, &from->blind))
		gs_error(GS_FAILED, to);
}

void gs_set_weak(struct gs_obj *obj, struct obm_weakref *weak)
{
	struct obm_weakref *old;
	unsigned long flags;
	int err;

	raw_spin_lock_irqsave(&obj->lock, flags);
	old = obm_ref_get(&obj->weak);
	err = obm_ref_set(&obj->obj, &obj->weak, weak);
	raw_spin_unlock_irqrestore(&obj->lock, flags);
	if (err)
		gs_error(GS_FAILED, obj);
	if (old)
		obm_obj_put(&old->obj);
}

struct obm_weakref *gs_get_weak(struct gs_obj *obj)
{
	struct obm_weakref *weak;
	unsigned long flags;

	raw_spin_lock_irqsave(&obj->lock, flags);
	weak = obm_ref_get(&obj->weak);
	raw_spin_unlock_irqrestore(&obj->lock, flags);
	return weak;
}

/* --- Boxes --- */

/* One that readers see under RCU is the kernel's, another the heap's. */
static bool box_is_rcu(const struct gs_obj *obj)
{
	return obj->type == GS_RCU_BOX;
}

static struct gs_box *box_new(struct gs_obj *obj, gfp_t gfp)
{
	if (box_is_rcu(obj))
		return kzalloc(sizeof(struct gs_box), gfp);
	return obm_zalloc(gs_heap, sizeof(struct gs_box), gfp);
}

static void box_free(struct gs_obj *obj, struct gs_box *box)
{
	if (!box)
		return;
	if (box_is_rcu(obj))
		kfree_rcu(box, rcu);
	else
		obm_free(box);
}

/*
 * Under the lock. Who reads under RCU finds all links in the old box, or all in the
 * new one.
 */
static void box_copy(struct gs_obj *obj, struct gs_box *box, struct gs_box *old)
{
	unsigned int i;

	for (i = 0; i < old->nr; i++)
		if (obm_ref_set(&obj->obj, &box->links[i],
				obm_ref_peek(&old->links[i])))
			gs_error(GS_FAILED, obj);
	rcu_assign_pointer(obj->box, box);
	for (i = 0; i < old->nr; i++)
		obm_ref_clear(&obj->obj, &old->links[i]);
}

/* Under the lock, which is what traverse takes. */
static void box_move(struct gs_obj *obj, struct gs_box *box, struct gs_box *old)
{
	unsigned int i;

	for (i = 0; i < old->nr; i++)
		if (obm_ref_move(&obj->obj, &box->links[i], &obj->obj,
				 &old->links[i]))
			gs_error(GS_FAILED, obj);
	rcu_assign_pointer(obj->box, box);
}

/* Gives the object a box that has room for one more link, up to a limit. */
void gs_box_grow(struct gs_obj *obj, gfp_t gfp)
{
	struct gs_box *box = box_new(obj, gfp), *old;
	unsigned long flags;

	if (!box)
		return;
	raw_spin_lock_irqsave(&obj->lock, flags);
	old = box_of(obj);
	box->nr = old ? min(old->nr + 1, GS_BOX_MAX + 0U) : GS_BOX_MIN;
	if (!old)
		rcu_assign_pointer(obj->box, box);
	else if (box_is_rcu(obj))
		box_copy(obj, box, old);
	else
		box_move(obj, box, old);
	raw_spin_unlock_irqrestore(&obj->lock, flags);
	box_free(obj, old);
}

static int links_traverse(struct gs_box *box, obm_visit_t visit, void *arg)
{
	unsigned int i;
	int err = 0;

	for (i = 0; box && !err && i < box->nr; i++)
		err = visit(&box->links[i].ref, arg);
	return err;
}

int gs_box_traverse(struct gs_obj *obj, obm_visit_t visit, void *arg)
{
	unsigned long flags;
	int err;

	if (box_is_rcu(obj)) {
		rcu_read_lock();
		err = links_traverse(rcu_dereference(obj->box), visit, arg);
		rcu_read_unlock();
		return err;
	}
	raw_spin_lock_irqsave(&obj->lock, flags);
	err = links_traverse(box_of(obj), visit, arg);
	raw_spin_unlock_irqrestore(&obj->lock, flags);
	return err;
}

/* In release, where nobody else knows the object but readers under RCU. */
void gs_box_free(struct gs_obj *obj)
{
	struct gs_box *box = rcu_dereference_protected(obj->box, true);

	RCU_INIT_POINTER(obj->box, NULL);
	box_free(obj, box);
}

/* Lets go of all links, one by one. */
void gs_clear(struct gs_obj *obj)
{
	unsigned int i;

	/* Even numbers are links of the object, odd ones those of its box. */
	for (i = 0; i < 2 * GS_BOX_MAX; i++)
		gs_set(obj, NOT_BLIND | i, NULL);
	obm_ref_clear(&obj->obj, &obj->blind);
	gs_set_weak(obj, NULL);
}

static int visit_any(struct obm_ref *ref, void *arg)
{
	return !!READ_ONCE(ref->target);
}

/* In release: none must be left. */
bool gs_is_linked(struct gs_obj *obj)
{
	unsigned int i;

	if (!gs_has_links(obj))
		return false;
	for (i = 0; i < GS_NR_LINKS; i++)
		if (obm_ref_peek(&obj->links[i]))
			return true;
	return obm_ref_peek(&obj->blind) || obm_ref_peek(&obj->weak) ||
	       gs_box_traverse(obj, visit_any, NULL);
}
