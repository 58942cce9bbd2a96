// SPDX-License-Identifier: GPL-2.0-only
/* Operations on the graph. */
#include "graphstress.h"

/* Longer than what one put does by itself. */
#define CHAIN_LONG	6000
#define RING_MAX	12

#define GFP_TASK	(GFP_KERNEL | __GFP_NOWARN)

static u64 rnd_of(struct gs_thread *t)
{
	return gs_rnd_u64(&t->rnd);
}

static struct gs_obj *new_any(struct gs_thread *t)
{
	return gs_new(gs_rnd_type(rnd_of(t)), rnd_of(t), GFP_TASK);
}

/* A root, or what it leads to in some steps; with a reference, or NULL. */
static struct gs_obj *get_any(struct gs_thread *t)
{
	struct gs_obj *obj = gs_root_get(rnd_of(t)), *next;
	unsigned int steps = gs_rnd_below(&t->rnd, 4);

	while (obj && steps--) {
		next = gs_follow(obj, rnd_of(t));
		if (!next)
			break;
		gs_put(obj);
		obj = next;
	}
	return obj;
}

/* The same, of those that have links. */
static struct gs_obj *get_linked(struct gs_thread *t)
{
	struct gs_obj *obj = get_any(t);

	if (!obj || gs_has_links(obj))
		return obj;
	gs_put(obj);
	return NULL;
}

/* --- Links --- */

static void link_new(struct gs_thread *t)
{
	struct gs_obj *obj = new_any(t), *from = get_linked(t);

	if (obj && from)
		gs_set(from, rnd_of(t), obj);
	if (obj && gs_has_links(obj) && from)
		gs_set(obj, rnd_of(t), from);
	gs_put(from);
	if (rnd_of(t) & 1)
		gs_root_set(rnd_of(t), obj);
	else
		gs_put(obj);
}

static void link_set(struct gs_thread *t)
{
	struct gs_obj *from = get_linked(t), *to = get_any(t);

	if (from)
		gs_set(from, rnd_of(t), to);
	gs_put(to);
	gs_put(from);
}

static void link_clear(struct gs_thread *t)
{
	struct gs_obj *from = get_linked(t);

	if (from)
		gs_set(from, rnd_of(t), NULL);
	gs_put(from);
}

static void link_move(struct gs_thread *t)
{
	struct gs_obj *from = get_linked(t), *to = get_linked(t);

	if (from && to)
		gs_move(to, from, rnd_of(t));
	gs_put(from);
	gs_put(to);
}

static void walk_far(struct gs_thread *t)
{
	struct gs_obj *obj = gs_root_get(rnd_of(t)), *next;
	unsigned int steps;

	for (steps = 0; obj && steps < 16; steps++) {
		next = gs_follow(obj, rnd_of(t));
		gs_put(obj);
		obj = next;
	}
	gs_put(obj);
}

static void grow(struct gs_thread *t)
{
	struct gs_obj *obj = get_linked(t);

	if (obj && gs_has_box(obj))
		gs_box_grow(obj, GFP_TASK);
	gs_put(obj);
}

/* --- Garbage --- */

/* A ring, known to nobody when it is made; which may lead to what lives. */
static void ring(struct gs_thread *t)
{
	unsigned int n = 1 + gs_rnd_below(&t->rnd, RING_MAX);
	struct gs_obj *first = NULL, *last = NULL, *obj;

	while (n--) {
		obj = new_any(t);
		if (!obj || !gs_has_links(obj)) {
			gs_put(obj);
			continue;
		}
		if (last)
			gs_set(obj, rnd_of(t), last);
		else
			first = obj, obm_obj_get(&obj->obj);
		gs_put(last);
		last = obj;
	}
	if (last)
		gs_set(first, rnd_of(t), last);
	obj = get_any(t);
	if (last && rnd_of(t) & 1)
		gs_set(last, rnd_of(t), obj);
	gs_put(obj);
	gs_put(first);
	gs_put(last);
}

/* Dies by one put. */
static void chain(struct gs_thread *t)
{
	unsigned int n = gs_rnd_below(&t->rnd, CHAIN_LONG);
	struct gs_obj *head = NULL, *obj;

	while (n--) {
		obj = gs_new(GS_INLINE, 0, GFP_TASK);
		if (!obj)
			break;
		gs_set(obj, U64_MAX, head);
		gs_put(head);
		head = obj;
		cond_resched();
	}
	gs_put(head);
}

/* --- References from outside --- */

static void root_copy(struct gs_thread *t)
{
	struct gs_obj *obj = get_any(t);

	if (obj)
		gs_root_set(rnd_of(t), obj);
}

static void root_drop(struct gs_thread *t)
{
	gs_root_set(rnd_of(t), NULL);
}

static void irq_put(struct gs_thread *t)
{
	struct gs_obj *obj = get_any(t);

	if (!obj)
		return;
	if (rnd_of(t) & 1)
		gs_root_set(rnd_of(t), NULL);
	gs_irq_put(t, obj);
}

/* Something got without a reference: kept in one way or another, or not. */
static void keep(struct gs_thread *t, struct gs_obj *obj)
{
	struct gs_obj *from;

	switch (gs_rnd_below(&t->rnd, 4)) {
	case 0:
		gs_root_set(rnd_of(t), obj);
		return;
	case 1:
		from = get_linked(t);
		if (from)
			gs_set(from, rnd_of(t), obj);
		gs_put(from);
		break;
	case 2:
		gs_put(gs_follow(obj, rnd_of(t)));
		break;
	}
	gs_put(obj);
}

static void seen_get(struct gs_thread *t)
{
	struct gs_obj *obj = gs_seen_get(rnd_of(t));

	if (obj)
		keep(t, obj);
}

/* --- Weak references --- */

/* Called back once, when the target cannot be got any more. */
static void called_back(struct obm_weakref *weak, void *arg)
{
	struct obm_obj *obj = obm_weakref_get(weak);
	u64 rnd = gs_rnd_any();

	if (obj) {
		gs_error(GS_AGAIN, container_of(obj, struct gs_obj, obj));
		obm_obj_put(obj);
	}
	gs_count(called);
	if (!(rnd >> 60))
		gs_root_set(rnd, NULL);
}

static void weak_new(struct gs_thread *t)
{
	struct gs_obj *obj = get_any(t), *from;
	struct obm_weakref *weak;

	if (!obj)
		return;
	weak = obm_weakref_new(&obj->obj, rnd_of(t) & 1 ? called_back : NULL,
			       NULL, GFP_TASK);
	gs_put(obj);
	if (!weak)
		return;
	if (rnd_of(t) & 1) {
		gs_weak_set(rnd_of(t), weak);
		return;
	}
	from = get_linked(t);
	if (from)
		gs_set_weak(from, weak);
	gs_put(from);
	obm_obj_put(&weak->obj);
}

static void weak_get(struct gs_thread *t)
{
	struct obm_weakref *weak = NULL;
	struct obm_obj *obj;
	struct gs_obj *from;

	if (rnd_of(t) & 1) {
		weak = gs_weak_get(rnd_of(t));
	} else {
		from = get_linked(t);
		if (from)
			weak = gs_get_weak(from);
		gs_put(from);
	}
	if (!weak)
		return;
	obj = obm_weakref_get(weak);
	obm_obj_put(&weak->obj);
	if (!obj)
		return;
	gs_count(rescued);
	gs_check(container_of(obj, struct gs_obj, obj));
	keep(t, container_of(obj, struct gs_obj, obj));
}

/* --- All of them --- */

static const struct {
	void (*fn)(struct gs_thread *thread);
	unsigned int weight;
} steps[] = {
	{ link_new, 12 },
	{ link_set, 17 },
	{ link_clear, 4 },
	{ link_move, 6 },
	{ walk_far, 10 },
	{ grow, 4 },
	{ ring, 1 },
	{ root_copy, 8 },
	{ root_drop, 6 },
	{ irq_put, 6 },
	{ seen_get, 8 },
	{ weak_new, 6 },
	{ weak_get, 12 },
};

#define WEIGHT_ALL	100
/* One in so many is a chain. */
#define CHAIN_RARE	200000

/* Too many objects: a step that makes less of them. */
static void step_down(struct gs_thread *t)
{
	root_drop(t);
	gs_weak_set(rnd_of(t), NULL);
	link_clear(t);
}

/* One operation. */
void gs_step(struct gs_thread *thread)
{
	unsigned int pick = gs_rnd_below(&thread->rnd, WEIGHT_ALL), i;

	if (thread->full) {
		step_down(thread);
		return;
	}
	if (unlikely(!gs_rnd_below(&thread->rnd, CHAIN_RARE))) {
		chain(thread);
		return;
	}
	for (i = 0; i < ARRAY_SIZE(steps) - 1; i++) {
		if (pick < steps[i].weight)
			break;
		pick -= steps[i].weight;
	}
	steps[i].fn(thread);
}
