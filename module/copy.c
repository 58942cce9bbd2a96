// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copies of objects: of one, and of all that it leads to.
 *
 * A deep copy goes through the graph as CPython's does, depth first, and makes an
 * object's copy before those of what it refers to. Each copy begins as a shallow
 * one, with links to the originals: these are what is gone through, as nobody but
 * us can change them. When there is a copy of everything, the links are turned from
 * the originals to the copies.
 *
 * Until then the memo holds a reference to every original and every copy. So no
 * link that is turned or cleared is the end of anything, and if memory runs out on
 * the way the copies are taken apart before they are let go: nobody has seen them,
 * and no callback hears of them but the release of what a type has copied itself.
 */
#include "object.h"

#include <linux/xarray.h>

/* What is shared by a copy: it cannot change, or is what it is by its address. */
static bool obj_is_shared(const struct obm_obj *obj)
{
	const struct obm_type *type = obj->kind->type;

	return type->flags & OBM_TYPE_IMMUTABLE || type == &obm_weakref_type;
}

static struct obm_ref *obj_refs(struct obm_obj *obj)
{
	return (void *)obj + obj->kind->type->links_offset;
}

/* --- One object --- */

/* Bytes of an object, without those that a cache adds. */
static size_t obj_size(const struct obm_obj *obj)
{
	const struct obm_kind *kind = obj->kind;

	return kind->cache ? kind->type->size : obm_usable_size(obj);
}

/*
 * The collector may look at a new object at any time: no link may stand there that
 * was not counted. So the links are left out, and set.
 */
static void copy_plain(struct obm_obj *to, struct obm_obj *from, size_t size)
{
	const struct obm_type *type = from->kind->type;
	struct obm_ref *old = obj_refs(from), *new = obj_refs(to);
	size_t head = sizeof(*to), tail = head;
	struct obm_obj *target;
	unsigned int i;

	if (type->nr_links) {
		tail = type->links_offset + type->nr_links * sizeof(*old);
		memcpy(to + 1, from + 1, type->links_offset - head);
	}
	memcpy((void *)to + tail, (void *)from + tail, size - tail);
	for (i = 0; i < type->nr_links; i++) {
		target = READ_ONCE(old[i].target);
		if (target)
			__obm_ref_set(to, &new[i], target);
	}
}

/*
 * Lets go of a copy that nobody has seen, with links that are clear. What the
 * type's own copy has given it, only release knows; else nothing is called.
 */
static void copy_undo(struct obm_obj *to)
{
	const struct obm_type *type = to->kind->type;

	if (type->copy || type->ctor)
		obm_obj_mark(to, OBM_MARK_FINALIZED | OBM_MARK_CLEARED);
	else
		obm_obj_mark(to, OBM_MARK_UNSEEN);
	obm_obj_put(to);
}

/* A copy with links to the same objects, and one reference; or an ERR_PTR. */
static struct obm_obj *copy_make(struct obm_obj *from, gfp_t gfp)
{
	struct obm_kind *kind = from->kind;
	struct obm_type *type = kind->type;
	size_t size = obj_size(from);
	struct obm_obj *to;
	int err = 0;

	if (type->traverse && !type->copy)
		return ERR_PTR(-EOPNOTSUPP);
	/* Release must be able to tell how far a copy that failed has come. */
	if (type->copy && !type->ctor)
		gfp |= __GFP_ZERO;
	to = kind->cache ? obm_obj_new(kind->heap, type, gfp) :
			   obm_obj_new_size(kind->heap, type, size, gfp);
	if (!to)
		return ERR_PTR(-ENOMEM);
	if (type->copy)
		err = type->copy(to, from, gfp & ~__GFP_ZERO);
	else
		copy_plain(to, from, size);
	if (!err)
		return to;
	obm_obj_clear_links(to);
	copy_undo(to);
	return ERR_PTR(err < 0 ? err : -EINVAL);
}

/**
 * obm_obj_copy() - make another object that is equal to one
 * @obj: the object; nobody changes it, nor its links, meanwhile, unless its type's
 *	 copy keeps them from that
 * @gfp: as for obm_obj_new()
 *
 * The copy is of the same type, in the same heap, and has links to the same
 * objects. Of an object that cannot change, or that is a weak reference, there is
 * no copy: it is one itself.
 *
 * Context: Any context but NMI, as @gfp and the type's copy say.
 * Return: the copy, with one reference, which is the caller's; or an ERR_PTR:
 * -EOPNOTSUPP for a type that has traverse and no copy; -ENOMEM, also at the limit
 * of the heap; what the type's copy returned.
 */
void *obm_obj_copy(struct obm_obj *obj, gfp_t gfp)
{
	if (!obj_is_shared(obj))
		return copy_make(obj, gfp);
	obm_obj_get(obj);
	return obj;
}
EXPORT_SYMBOL_NS_GPL(obm_obj_copy, OBM_NS);

/* --- All that it leads to --- */

/**
 * struct twin - an original and its copy
 * @from: the original
 * @to: the copy; a reference to each
 * @next: the twin that was made next
 * @up: the twin whose links led here
 * @links: links of the copy, to originals; its own, or an array of as many
 * @nr: how many
 * @at: those before this one have been followed
 */
struct twin {
	struct obm_obj *from;
	struct obm_obj *to;
	struct twin *next;
	struct twin *up;
	struct obm_ref *links;
	unsigned int nr;
	unsigned int at;
};

/**
 * struct deep - a deep copy that is being made
 * @memo: twins by the address of the original
 * @first: the first twin that was made
 * @last: where the next is to be linked
 * @path: the twin whose links are being followed, and by @up those before it
 * @gfp: for the copies
 * @nr: steps taken
 */
struct deep {
	struct xarray memo;
	struct twin *first;
	struct twin **last;
	struct twin *path;
	gfp_t gfp;
	unsigned int nr;
};

static void deep_step(struct deep *deep)
{
	if (!(++deep->nr % 256) && gfpflags_allow_blocking(deep->gfp))
		cond_resched();
}

static unsigned long memo_key(const struct obm_obj *obj)
{
	return (unsigned long)obj / __alignof__(*obj);
}

static struct twin *memo_find(struct deep *deep, const struct obm_obj *obj)
{
	return xa_load(&deep->memo, memo_key(obj));
}

static int visit_count(struct obm_ref *ref, void *arg)
{
	unsigned int *nr = arg;

	*nr += !!ref->target;
	return 0;
}

static int visit_note(struct obm_ref *ref, void *arg)
{
	struct twin *twin = arg;

	if (ref->target && twin->at < twin->nr)
		twin->links[twin->at++] = *ref;
	return 0;
}

static bool links_are_noted(const struct twin *twin)
{
	return twin->to->kind->type->traverse;
}

/* Memory is not to be had while an object is traversed, so it is so twice. */
static int links_note(struct twin *twin, gfp_t gfp)
{
	struct obm_obj *to = twin->to;

	twin->at = 0;
	if (!links_are_noted(twin)) {
		twin->links = obj_refs(to);
		twin->nr = to->kind->type->nr_links;
		return 0;
	}
	twin->nr = 0;
	obm_obj_traverse(to, visit_count, &twin->nr);
	twin->links = kvmalloc_array(twin->nr, sizeof(*twin->links),
				     obm_meta_gfp(gfp));
	if (!twin->links)
		return -ENOMEM;
	obm_obj_traverse(to, visit_note, twin);
	twin->nr = twin->at;
	twin->at = 0;
	return 0;
}

static void links_forget(struct twin *twin)
{
	if (links_are_noted(twin))
		kvfree(twin->links);
	twin->links = NULL;
}

/* Makes the copy of an object that has none yet, whose links are followed next. */
static int deep_enter(struct deep *deep, struct obm_obj *from)
{
	gfp_t gfp = obm_meta_gfp(deep->gfp);
	struct twin *twin = kmalloc(sizeof(*twin), gfp);
	int err = -ENOMEM;

	if (!twin)
		return err;
	twin->from = from;
	twin->to = copy_make(from, deep->gfp);
	if (IS_ERR(twin->to)) {
		err = PTR_ERR(twin->to);
		goto err_free;
	}
	err = links_note(twin, deep->gfp);
	if (err)
		goto err_copy;
	err = xa_err(xa_store(&deep->memo, memo_key(from), twin, gfp));
	if (err)
		goto err_links;
	obm_obj_get(from);
	twin->next = NULL;
	*deep->last = twin;
	deep->last = &twin->next;
	twin->up = deep->path;
	deep->path = twin;
	return 0;

err_links:
	links_forget(twin);
err_copy:
	obm_obj_clear_links(twin->to);
	copy_undo(twin->to);
err_free:
	kfree(twin);
	return err;
}

/* Makes copies of all that an object leads to. */
static int deep_follow(struct deep *deep, struct obm_obj *root)
{
	int err = deep_enter(deep, root);
	struct obm_obj *obj;
	struct twin *twin;

	while (!err && (twin = deep->path)) {
		deep_step(deep);
		if (twin->at == twin->nr) {
			links_forget(twin);
			deep->path = twin->up;
			continue;
		}
		obj = twin->links[twin->at++].target;
		if (obj && !obj_is_shared(obj) && !memo_find(deep, obj))
			err = deep_enter(deep, obj);
	}
	for (twin = deep->path; twin; twin = twin->up)
		links_forget(twin);
	return err;
}

/**
 * struct turn - links that are turned to copies
 * @deep: where they are
 * @owner: whose links; a copy
 */
struct turn {
	struct deep *deep;
	struct obm_obj *owner;
};

/* Under the type's own locks, maybe; no reference is the last, and none sleeps. */
static int visit_turn(struct obm_ref *ref, void *arg)
{
	struct turn *turn = arg;
	struct twin *twin;

	twin = ref->target ? memo_find(turn->deep, ref->target) : NULL;
	if (twin)
		__obm_ref_set(turn->owner, ref, twin->to);
	return 0;
}

static void deep_turn(struct deep *deep)
{
	struct turn turn = { .deep = deep };
	struct twin *twin;

	for (twin = deep->first; twin; twin = twin->next) {
		turn.owner = twin->to;
		obm_obj_traverse(twin->to, visit_turn, &turn);
		deep_step(deep);
	}
}

/* Nothing refers to any copy then but the memo. */
static void deep_undo(struct deep *deep)
{
	struct twin *twin;

	for (twin = deep->first; twin; twin = twin->next) {
		obm_obj_clear_links(twin->to);
		deep_step(deep);
	}
	for (twin = deep->first; twin; twin = twin->next) {
		copy_undo(twin->to);
		deep_step(deep);
	}
}

/* Forgets the memo; of the copies only if they are done: all but the first. */
static void deep_end(struct deep *deep, bool done)
{
	struct twin *twin, *next;

	xa_destroy(&deep->memo);
	for (twin = deep->first; twin; twin = next) {
		next = twin->next;
		obm_obj_put(twin->from);
		if (done && twin != deep->first)
			obm_obj_put(twin->to);
		kfree(twin);
		deep_step(deep);
	}
}

/**
 * obm_obj_deepcopy() - make a copy of an object and of all that it leads to
 * @obj: the object
 * @gfp: as for obm_obj_new()
 *
 * What several links refer to is copied once, and cycles become cycles. Objects
 * that cannot change, and weak references, are shared, as obm_obj_copy() does; a
 * weak reference refers to what it did. No recursion; the memory that it takes
 * meanwhile, some hundred bytes an object, is not the heap's.
 *
 * It is done as a whole or not at all: after a failure no copy is left, no
 * finalizer and no clear has been called, and release only for copies of types
 * that have a copy or a constructor.
 *
 * Nobody may change the links of the originals meanwhile but those that the copy of
 * their type keeps from being changed. Each object is then copied as it is at one
 * instant, but not all at the same.
 *
 * Context: Process context, as @gfp and the types' copy say.
 * Return: as obm_obj_copy(); an error if it is one for any of the objects.
 */
void *obm_obj_deepcopy(struct obm_obj *obj, gfp_t gfp)
{
	struct deep deep = { .gfp = gfp };
	struct obm_obj *copy;
	int err;

	if (obj_is_shared(obj)) {
		obm_obj_get(obj);
		return obj;
	}
	xa_init(&deep.memo);
	deep.last = &deep.first;
	err = deep_follow(&deep, obj);
	if (err)
		deep_undo(&deep);
	else
		deep_turn(&deep);
	copy = err ? ERR_PTR(err) : deep.first->to;
	deep_end(&deep, !err);
	return copy;
}
EXPORT_SYMBOL_NS_GPL(obm_obj_deepcopy, OBM_NS);
