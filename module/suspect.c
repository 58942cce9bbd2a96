// SPDX-License-Identifier: GPL-2.0-only
/*
 * Types that do not what they say: whose traverse visits what is no link of the
 * object, or not all that is. They are named, and from then on their objects are
 * taken to live, with all that they lead to.
 *
 * An object knows how many links were set in it, and how many were set to it. That
 * is all there is to compare with, as only the type knows where its links are.
 */
#include "object.h"

static int visit_count(struct obm_ref *ref, void *arg)
{
	struct obm_obj *obj = READ_ONCE(ref->target);
	struct obm_links *links = arg;

	if (!obj)
		return 0;
	links->nr++;
	links->nr_strange += obj->kind->gc != links->gc;
	return 0;
}

/**
 * obm_links_differ() - count an object's links, and compare with those set
 * @obj: the object, pinned
 * @links: filled in
 * @visit: what counts them, and maybe does more
 *
 * Return: true if they are not as many as were set and none was changed while
 * they were counted; or if some are to objects of other heaps.
 */
bool obm_links_differ(struct obm_obj *obj, struct obm_links *links,
		      obm_visit_t visit)
{
	int out = atomic_read(&obj->out);

	links->nr = 0;
	links->nr_strange = 0;
	/* Pairs with the xchg() in obj_ref_take(), between link and number. */
	smp_mb();
	obm_obj_traverse(obj, visit, links);
	/* As above. */
	smp_mb();
	if (links->nr_strange)
		return true;
	return atomic_read(&obj->out) == out &&
	       ((links->nr ^ out) & OBM_OUT_MASK);
}

static void type_distrust(struct obm_type *type)
{
	WRITE_ONCE(type->distrusted, true);
}

/**
 * obm_suspect() - make sure whether a type is wrong about an object's links
 * @gc: the collector
 * @obj: the object, pinned, of which obm_links_differ()
 *
 * Whoever changes a link and its owner's number of them does so with preemption
 * disabled. If they differ still when all that were at it are done, and twice
 * more, it is the type that is wrong.
 *
 * Context: Process context, may sleep.
 * Return: true if it is; then it has been reported, and is distrusted.
 */
bool obm_suspect(struct obm_gc *gc, struct obm_obj *obj)
{
	struct obm_type *type = obj->kind->type;
	struct obm_links links = { .gc = gc };
	unsigned int i;

	for (i = 0; i < 3; i++) {
		obm_gc_synchronize(gc);
		if (!obm_links_differ(obj, &links, visit_count))
			return false;
	}
	type_distrust(type);
	if (links.nr_strange)
		obm_report_object(gc->heap, OBM_BAD_TYPE, type,
				  "traverse of object %016llx visits %u links to other heaps",
				  obm_obj_id(obj), links.nr_strange);
	else
		obm_report_object(gc->heap, OBM_BAD_TYPE, type,
				  "traverse of object %016llx visits %u links, of %u that were set",
				  obm_obj_id(obj), links.nr,
				  atomic_read(&obj->out) & OBM_OUT_MASK);
	return true;
}

/**
 * struct visitor - who visits an object
 * @obj: the object
 * @owner: whose links are looked at
 * @strange: one of them is to @obj, and lies in another object
 */
struct visitor {
	const struct obm_obj *obj;
	const struct obm_obj *owner;
	bool strange;
};

/* Whether memory is an object's that is not the owner. */
static bool lies_elsewhere(const void *ptr, const struct obm_obj *owner)
{
	struct obm_block block;
	bool elsewhere;

	rcu_read_lock();
	elsewhere = obm_block_find(ptr, &block) != OBM_BAD_FOREIGN &&
		    block.base && block.cached && block.base != owner;
	rcu_read_unlock();
	return elsewhere;
}

static int visit_strange(struct obm_ref *ref, void *arg)
{
	struct visitor *visitor = arg;

	if (READ_ONCE(ref->target) != visitor->obj ||
	    !lies_elsewhere(ref, visitor->owner))
		return 0;
	visitor->strange = true;
	return 1;
}

/* The first type that visits the object by a link of somebody else. */
static struct obm_type *list_find_visitor(const struct obm_obj *obj,
					  struct list_head *list)
{
	struct visitor visitor = { .obj = obj };
	struct obm_obj *owner;

	list_for_each_entry(owner, list, link) {
		if (!owner->kind->type->traverse || !obm_obj_pin(owner))
			continue;
		visitor.owner = owner;
		obm_obj_traverse(owner, visit_strange, &visitor);
		obm_obj_put_unseen(owner);
		if (visitor.strange)
			return owner->kind->type;
		cond_resched();
	}
	return NULL;
}

/**
 * obm_suspect_visitor() - report that an object is visited by what is no link
 * @gc: the collector
 * @obj: the object
 * @base: objects of which one visits it
 * @lost: more of them
 * @nr_visits: how often it is visited
 * @nr_links: how many links to it were set
 *
 * Context: Process context, may sleep.
 */
void obm_suspect_visitor(struct obm_gc *gc, struct obm_obj *obj,
			 struct list_head *base, struct list_head *lost,
			 unsigned int nr_visits, unsigned int nr_links)
{
	struct obm_type *type = list_find_visitor(obj, lost) ?:
				list_find_visitor(obj, base);

	if (type)
		type_distrust(type);
	obm_report_object(gc->heap, OBM_BAD_TYPE, type ?: obj->kind->type,
			  "%s object %016llx of type %s, %u times by %u links",
			  type ? "traverse visits a stranger," :
				 "another type's traverse visits",
			  obm_obj_id(obj), obj->kind->type->name, nr_visits,
			  nr_links);
}
