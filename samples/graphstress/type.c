// SPDX-License-Identifier: GPL-2.0-only
/*
 * Objects. Each has a magic and a canary, which its release destroys and who has
 * a reference looks at.
 */
#include "graphstress.h"

#include <linux/delay.h>
#include <linux/spinlock.h>

/* Which interrupts do not take; and who sleeps. */
static DEFINE_SPINLOCK(plain_lock);
static DEFINE_MUTEX(sleepers_lock);

static struct gs_obj *to_gs(struct obm_obj *obj)
{
	return container_of(obj, struct gs_obj, obj);
}

static u64 canary_of(const struct gs_obj *obj)
{
	return (unsigned long)obj * 0x9e3779b97f4a7c15 ^ obj->type;
}

/* --- Callbacks --- */

/* What every object is before it is made and after it is released. */
static void constructed(void *ptr)
{
	struct gs_obj *obj = ptr;

	memset_after(obj, 0, obj);
	raw_spin_lock_init(&obj->lock);
	obj->magic = GS_GONE;
	obj->seen = -1;
}

static int traverse(struct obm_obj *obj, obm_visit_t visit, void *arg)
{
	return gs_box_traverse(to_gs(obj), visit, arg);
}

static void release(struct obm_obj *ptr)
{
	struct gs_obj *obj = to_gs(ptr);

	if (READ_ONCE(obj->magic) != GS_ALIVE ||
	    READ_ONCE(obj->canary) != canary_of(obj))
		gs_error(GS_TWICE, obj);
	if (gs_is_linked(obj))
		gs_error(GS_LINKED, obj);
	WRITE_ONCE(obj->magic, GS_GONE);
	WRITE_ONCE(obj->canary, 0);
	gs_seen_del(obj);
	gs_box_free(obj);
	gs_count(released[obj->type]);
}

/* What it leads to must be there still. */
static void look_around(struct gs_obj *obj)
{
	unsigned int i;

	if (atomic_inc_return(&obj->finalized) != 1)
		gs_error(GS_AGAIN, obj);
	gs_check(obj);
	for (i = 0; i < GS_NR_LINKS; i++)
		gs_put(gs_follow(obj, i));
	gs_count(finalized);
}

static void phoenix_finalize(struct obm_obj *ptr)
{
	struct gs_obj *obj = to_gs(ptr), *other;
	u64 rnd = gs_rnd_any();

	look_around(obj);
	if (READ_ONCE(gs_ending))
		return;
	switch (rnd >> 60 & 3) {
	case 0:
		obm_obj_get(&obj->obj);
		gs_root_set(rnd, obj);
		break;
	case 1:
		other = gs_root_get(rnd);
		if (other && gs_has_links(other))
			gs_set(other, rnd >> 16, obj);
		gs_put(other);
		break;
	}
}

static void will_finalize(struct obm_obj *ptr)
{
	struct gs_obj *obj = to_gs(ptr), *heir;
	u64 rnd = gs_rnd_any();

	look_around(obj);
	heir = gs_follow(obj, rnd);
	if (heir && rnd >> 63 && !READ_ONCE(gs_ending))
		gs_root_set(rnd, heir);
	else
		gs_put(heir);
	gs_set(obj, rnd >> 8, NULL);
	/* Its own garbage, whose end is in this callback. */
	gs_put(gs_new(GS_INLINE, rnd, GFP_ATOMIC | __GFP_NOWARN));
}

static void sleeper_finalize(struct obm_obj *ptr)
{
	if (!in_task() || irqs_disabled())
		gs_error(GS_CONTEXT, to_gs(ptr));
	mutex_lock(&sleepers_lock);
	look_around(to_gs(ptr));
	mutex_unlock(&sleepers_lock);
	if (!(gs_rnd_any() & 63))
		usleep_range(10, 100);
}

static void sleeper_release(struct obm_obj *ptr)
{
	if (!in_task() || irqs_disabled())
		gs_error(GS_CONTEXT, to_gs(ptr));
	mutex_lock(&sleepers_lock);
	release(ptr);
	mutex_unlock(&sleepers_lock);
}

static void irqs_on_finalize(struct obm_obj *ptr)
{
	if (in_hardirq() || irqs_disabled())
		gs_error(GS_CONTEXT, to_gs(ptr));
	spin_lock_bh(&plain_lock);
	spin_unlock_bh(&plain_lock);
	look_around(to_gs(ptr));
}

static void clear(struct obm_obj *obj)
{
	gs_clear(to_gs(obj));
}

/* --- Types --- */

/* In the object: those that are followed, the blind one, a weak reference. */
#define NR_INLINE	(GS_NR_LINKS + 2)

static struct obm_type types[GS_NR_TYPES] = {
	[GS_PLAIN] = {
		.name = "gs-plain",
		.size = sizeof(struct gs_obj),
		OBM_LINKS(struct gs_obj, links, NR_INLINE),
	},
	[GS_INLINE] = {
		.name = "gs-inline",
		.size = sizeof(struct gs_obj),
		OBM_LINKS(struct gs_obj, links, NR_INLINE),
		.release = release,
		.cache_depth = 8,
	},
	[GS_LEAF] = {
		.name = "gs-leaf",
		.size = sizeof(struct gs_obj),
		.flags = OBM_TYPE_IMMUTABLE,
		.release = release,
	},
	[GS_BOX] = {
		.name = "gs-box",
		.size = sizeof(struct gs_obj),
		OBM_LINKS(struct gs_obj, links, NR_INLINE),
		.ctor = constructed,
		.traverse = traverse,
		.release = release,
	},
	[GS_RCU] = {
		.name = "gs-rcu",
		.size = sizeof(struct gs_obj),
		.flags = OBM_TYPE_RCU,
		OBM_LINKS(struct gs_obj, links, NR_INLINE),
		.ctor = constructed,
		.release = release,
	},
	[GS_RCU_BOX] = {
		.name = "gs-rcu-box",
		.size = sizeof(struct gs_obj),
		.flags = OBM_TYPE_RCU,
		OBM_LINKS(struct gs_obj, links, NR_INLINE),
		.ctor = constructed,
		.traverse = traverse,
		.release = release,
	},
	[GS_PHOENIX] = {
		.name = "gs-phoenix",
		.size = sizeof(struct gs_obj),
		OBM_LINKS(struct gs_obj, links, NR_INLINE),
		.finalize = phoenix_finalize,
		.release = release,
	},
	[GS_WILL] = {
		.name = "gs-will",
		.size = sizeof(struct gs_obj),
		OBM_LINKS(struct gs_obj, links, NR_INLINE),
		.ctor = constructed,
		.traverse = traverse,
		.finalize = will_finalize,
		.release = release,
	},
	[GS_CLEAR] = {
		.name = "gs-clear",
		.size = sizeof(struct gs_obj),
		OBM_LINKS(struct gs_obj, links, NR_INLINE),
		.ctor = constructed,
		.traverse = traverse,
		.clear = clear,
		.release = release,
	},
	[GS_SLEEPER] = {
		.name = "gs-sleeper",
		.size = sizeof(struct gs_obj),
		.flags = OBM_TYPE_MAY_SLEEP,
		OBM_LINKS(struct gs_obj, links, NR_INLINE),
		.finalize = sleeper_finalize,
		.release = sleeper_release,
	},
	[GS_IRQS_ON] = {
		.name = "gs-irqs-on",
		.size = sizeof(struct gs_obj),
		.flags = OBM_TYPE_IRQS_ON,
		OBM_LINKS(struct gs_obj, links, NR_INLINE),
		.finalize = irqs_on_finalize,
		.release = release,
	},
};

int gs_types_register(void)
{
	unsigned int i;
	int err;

	for (i = 0; i < GS_NR_TYPES; i++) {
		err = obm_type_register(&types[i]);
		if (err)
			goto err_type;
		err = obm_type_prepare(gs_heap, &types[i]);
		if (err) {
			obm_type_unregister(&types[i]);
			goto err_type;
		}
	}
	return 0;

err_type:
	while (i--)
		obm_type_unregister(&types[i]);
	return err;
}

/* The first error; all that can be are unregistered. */
int gs_types_unregister(void)
{
	unsigned int i;
	int err, first = 0;

	for (i = 0; i < GS_NR_TYPES; i++) {
		err = obm_type_unregister(&types[i]);
		if (err == -ENOENT)
			continue;
		if (err)
			pr_err("type %s: error %d\n", types[i].name, err);
		first = first ?: err;
	}
	return first;
}

/* --- Objects --- */

bool gs_has_links(const struct gs_obj *obj)
{
	return types[obj->type].nr_links;
}

bool gs_has_box(const struct gs_obj *obj)
{
	return types[obj->type].traverse;
}

/* A new object with a reference, or NULL: counted as refused. */
struct gs_obj *gs_new(unsigned int type, u64 rnd, gfp_t gfp)
{
	struct gs_obj *obj = obm_obj_new(gs_heap, &types[type], gfp);

	if (!obj) {
		gs_count(refused);
		return NULL;
	}
	if (types[type].ctor) {
		if (obj->magic != GS_GONE || obj->canary)
			gs_error(GS_TWICE, obj);
	} else {
		raw_spin_lock_init(&obj->lock);
		RCU_INIT_POINTER(obj->box, NULL);
		obj->seen = -1;
	}
	obj->type = type;
	atomic_set(&obj->finalized, 0);
	WRITE_ONCE(obj->canary, canary_of(obj));
	WRITE_ONCE(obj->magic, GS_ALIVE);
	gs_count(made[type]);
	if (gs_has_box(obj) && rnd & 1)
		gs_box_grow(obj, gfp);
	if (types[type].flags & OBM_TYPE_RCU)
		gs_seen_add(obj, rnd);
	return obj;
}

/* Of an object to which somebody has a reference: it must be alive. */
void gs_check(struct gs_obj *obj)
{
	if (READ_ONCE(obj->magic) != GS_ALIVE ||
	    READ_ONCE(obj->canary) != canary_of(obj) ||
	    !obm_obj_refcount(&obj->obj))
		gs_error(GS_DEAD, obj);
}
