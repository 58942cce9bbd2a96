/* SPDX-License-Identifier: GPL-2.0-only */
/* Objects that are copied, for the suites of copies. */
#ifndef OBM_KUNIT_COPY_H
#define OBM_KUNIT_COPY_H

#include "object.h"

/* Nothing is called, so that no event is in the way. */
static __maybe_unused struct obm_type quiet_type = {
	.name = "quiet",
	.size = sizeof(struct item),
	OBM_LINKS(struct item, next, 2),
};

/* The copies that made_copy() makes before it fails; negative for never. */
static int made_left = -1;

/* K: a copy is made. Fails after one of two links, if it is to. */
static int made_copy(struct obm_obj *to, struct obm_obj *from, gfp_t gfp)
{
	struct item *item = to_item(from), *copy = to_item(to);

	event('K', item->id);
	copy->id = item->id;
	obm_ref_set(to, &copy->next, obm_ref_peek(&item->next));
	if (!made_left)
		return -EIO;
	made_left--;
	obm_ref_set(to, &copy->other, obm_ref_peek(&item->other));
	return 0;
}

/* Makes its copies itself, and writes down each, and each that is released. */
static __maybe_unused struct obm_type made_type = {
	.name = "made",
	.size = sizeof(struct item),
	OBM_LINKS(struct item, next, 2),
	.release = item_release,
	.copy = made_copy,
};

/**
 * struct vector - an object with links in memory of its own
 * @obj: object
 * @nr: links; set when they can be looked at
 * @links: they
 */
struct vector {
	struct obm_obj obj;
	unsigned int nr;
	struct item_ref *links;
};

static inline struct vector *to_vector(struct obm_obj *obj)
{
	return container_of(obj, struct vector, obj);
}

static int vector_traverse(struct obm_obj *obj, obm_visit_t visit, void *arg)
{
	struct vector *vector = to_vector(obj);
	unsigned int i, nr;
	int err = 0;

	/* Pairs with the release in vector_room(). */
	nr = smp_load_acquire(&vector->nr);
	for (i = 0; i < nr && !err; i++)
		err = visit(&vector->links[i].ref, arg);
	return err;
}

static void vector_release(struct obm_obj *obj)
{
	obm_free(to_vector(obj)->links);
}

static int vector_room(struct vector *vector, unsigned int nr, gfp_t gfp)
{
	vector->links = obm_calloc(obm_obj_heap(&vector->obj), nr,
				   sizeof(*vector->links), gfp);
	if (!vector->links)
		return -ENOMEM;
	/* Pairs with the acquire in vector_traverse(). */
	smp_store_release(&vector->nr, nr);
	return 0;
}

static int vector_copy(struct obm_obj *to, struct obm_obj *from, gfp_t gfp)
{
	struct vector *vector = to_vector(from), *copy = to_vector(to);
	unsigned int i;
	int err;

	err = vector_room(copy, vector->nr, gfp);
	for (i = 0; i < vector->nr && !err; i++)
		err = obm_ref_set(to, &copy->links[i],
				  obm_ref_peek(&vector->links[i]));
	return err;
}

static __maybe_unused struct obm_type vector_type = {
	.name = "vector",
	.size = sizeof(struct vector),
	.traverse = vector_traverse,
	.release = vector_release,
	.copy = vector_copy,
};

static inline struct vector *vector_new(struct kunit *test,
					struct obm_heap *heap, unsigned int nr)
{
	struct vector *vector = object_new(test, heap, &vector_type);

	KUNIT_ASSERT_EQ(test, vector_room(vector, nr, GFP_KERNEL), 0);
	return vector;
}

/* A copy of it, of either kind, is the object itself. */
static inline void expect_shared(struct kunit *test, struct obm_obj *obj)
{
	unsigned int refs = obm_obj_refcount(obj);

	KUNIT_EXPECT_PTR_EQ(test, obm_obj_copy(obj, GFP_KERNEL), (void *)obj);
	KUNIT_EXPECT_EQ(test, obm_obj_refcount(obj), refs + 1);
	KUNIT_EXPECT_PTR_EQ(test, obm_obj_deepcopy(obj, GFP_KERNEL),
			    (void *)obj);
	KUNIT_EXPECT_EQ(test, obm_obj_refcount(obj), refs + 2);
	obm_obj_put(obj);
	obm_obj_put(obj);
}

static inline void expect_weak(struct kunit *test, struct obm_weakref *weak,
			       struct obm_obj *wanted)
{
	struct obm_obj *obj = obm_weakref_get(weak);

	KUNIT_EXPECT_PTR_EQ(test, obj, wanted);
	if (obj)
		obm_obj_put(obj);
}

/* A chain of items, numbered from 0 on; the first has the only reference. */
static inline struct item *chain_new(struct kunit *test, struct obm_heap *heap,
				     struct obm_type *type, unsigned int nr)
{
	struct item *head = NULL, *item;

	while (nr--) {
		item = item_new_of(test, heap, type, nr);
		if (head)
			item_give(test, item, next, head);
		head = item;
	}
	return head;
}

/* A tree of so many levels, numbered in the manner of a heap of numbers. */
static inline struct item *tree_new(struct kunit *test, struct obm_heap *heap,
				    struct obm_type *type, unsigned int levels)
{
	struct item *items[64];
	unsigned int i;

	KUNIT_ASSERT_LE(test, levels, 6U);
	for (i = BIT(levels) - 1; i; i--) {
		items[i] = item_new_of(test, heap, type, i);
		if (2 * i + 1 >= BIT(levels))
			continue;
		item_give(test, items[i], next, items[2 * i]);
		item_give(test, items[i], other, items[2 * i + 1]);
	}
	return items[1];
}

#endif /* OBM_KUNIT_COPY_H */
