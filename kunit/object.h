/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Objects for the suites. What happens to them is written down in order, and
 * anything can be made to happen in their callbacks.
 */
#ifndef OBM_KUNIT_OBJECT_H
#define OBM_KUNIT_OBJECT_H

#include <linux/obm_gc.h>
#include <linux/obm_object.h>
#include <linux/spinlock.h>

#include "common.h"

#define OBJECT_TYPES	8
#define EVENTS_LEN	400

/**
 * struct object_test - what every case has in test->priv
 * @heaps: heaps of the case; first, as common.h knows of no more
 * @types: types of the case, unregistered when it ends
 */
struct object_test {
	struct obm_test heaps;
	struct obm_type *types[OBJECT_TYPES];
};

/**
 * struct events - what happened since events_take()
 * @lock: protects the rest; events come in any context
 * @len: of the text
 * @text: a letter and the number of an object for each, with blanks between
 */
static struct {
	raw_spinlock_t lock;
	size_t len;
	char text[EVENTS_LEN];
} events = {
	.lock = __RAW_SPIN_LOCK_UNLOCKED(events.lock),
};

/* F: finalized, W: called back, C: cleared, R: released. */
static __maybe_unused void event(char what, unsigned int id)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&events.lock, flags);
	events.len += scnprintf(events.text + events.len,
				EVENTS_LEN - events.len, "%s%c%u",
				events.len ? " " : "", what, id);
	raw_spin_unlock_irqrestore(&events.lock, flags);
}

/* The events, which are forgotten; valid until the next call. */
static __maybe_unused const char *events_take(void)
{
	static char taken[EVENTS_LEN];
	unsigned long flags;

	raw_spin_lock_irqsave(&events.lock, flags);
	memcpy(taken, events.text, EVENTS_LEN);
	events.text[0] = '\0';
	events.len = 0;
	raw_spin_unlock_irqrestore(&events.lock, flags);
	return taken;
}

#define EXPECT_EVENTS(test, text)					\
	KUNIT_EXPECT_STREQ(test, events_take(), text)

struct item_ref {
	OBM_REF(struct item);
};

/**
 * struct item - an object with two links
 * @obj: object
 * @next: a link
 * @other: another
 * @id: in the events
 * @finalize: called when it is finalized, or NULL
 * @cleared: called when it is cleared, before its links are, or NULL
 * @released: called when it is released, or NULL
 * @data: for them
 */
struct item {
	struct obm_obj obj;
	struct item_ref next;
	struct item_ref other;
	unsigned int id;
	void (*finalize)(struct item *item);
	void (*cleared)(struct item *item);
	void (*released)(struct item *item);
	void *data;
};

static inline struct item *to_item(struct obm_obj *obj)
{
	return container_of(obj, struct item, obj);
}

static __maybe_unused void item_finalize(struct obm_obj *obj)
{
	struct item *item = to_item(obj);

	event('F', item->id);
	if (item->finalize)
		item->finalize(item);
}

static __maybe_unused void item_clear(struct obm_obj *obj)
{
	struct item *item = to_item(obj);

	event('C', item->id);
	if (item->cleared)
		item->cleared(item);
	obm_ref_clear(obj, &item->next);
	obm_ref_clear(obj, &item->other);
}

static __maybe_unused void item_release(struct obm_obj *obj)
{
	struct item *item = to_item(obj);

	event('R', item->id);
	if (item->released)
		item->released(item);
}

/* Every callback writes down that it was called. */
static __maybe_unused struct obm_type item_type = {
	.name = "item",
	.size = sizeof(struct item),
	OBM_LINKS(struct item, next, 2),
	.finalize = item_finalize,
	.clear = item_clear,
	.release = item_release,
};

/* Releases alone are written down; the links are cleared by obmalloc. */
static __maybe_unused struct obm_type plain_type = {
	.name = "plain",
	.size = sizeof(struct item),
	OBM_LINKS(struct item, next, 2),
	.release = item_release,
};

static inline int object_test_init(struct kunit *test)
{
	events_take();
	test->priv = kunit_kzalloc(test, sizeof(struct object_test),
				   GFP_KERNEL);
	return test->priv ? 0 : -ENOMEM;
}

/* No object may be left, so no type is busy. */
static inline void object_test_exit(struct kunit *test)
{
	struct object_test *priv = test->priv;
	unsigned int i;

	obm_test_exit(test);
	for (i = 0; priv && i < OBJECT_TYPES && priv->types[i]; i++)
		KUNIT_EXPECT_EQ(test, obm_type_unregister(priv->types[i]), 0);
}

/* Registers a type until the case ends. */
static inline void object_type(struct kunit *test, struct obm_type *type)
{
	struct object_test *priv = test->priv;
	unsigned int i;

	for (i = 0; i < OBJECT_TYPES && priv->types[i]; i++)
		if (priv->types[i] == type)
			return;
	KUNIT_ASSERT_LT(test, i, OBJECT_TYPES);
	KUNIT_ASSERT_EQ(test, obm_type_register(type), 0);
	priv->types[i] = type;
}

/* A heap that collects only when it is told to, so that numbers are exact. */
static inline struct obm_heap *object_heap(struct kunit *test)
{
	struct obm_heap_attrs attrs = OBM_HEAP_ATTRS_INIT;
	struct obm_heap *heap = obm_test_heap_attrs(test, &attrs);

	obm_gc_disable(heap);
	return heap;
}

static inline void *object_new(struct kunit *test, struct obm_heap *heap,
			       struct obm_type *type)
{
	void *obj;

	object_type(test, type);
	obj = obm_obj_new(heap, type, GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, obj);
	return obj;
}

static inline struct item *item_new_of(struct kunit *test,
				       struct obm_heap *heap,
				       struct obm_type *type, unsigned int id)
{
	struct item *item = object_new(test, heap, type);

	item->id = id;
	item->finalize = NULL;
	item->cleared = NULL;
	item->released = NULL;
	item->data = NULL;
	return item;
}

static inline struct item *item_new(struct kunit *test, struct obm_heap *heap,
				    unsigned int id)
{
	return item_new_of(test, heap, &item_type, id);
}

static inline struct item *plain_new(struct kunit *test, struct obm_heap *heap,
				     unsigned int id)
{
	return item_new_of(test, heap, &plain_type, id);
}

/* Sets a link, where that must succeed; the caller keeps its reference. */
#define item_link(test, owner, member, target)				\
	KUNIT_EXPECT_EQ(test, obm_ref_set(&(owner)->obj,		\
					  &(owner)->member, target), 0)

/* The same with the caller's reference, which is given up. */
#define item_give(test, owner, member, target)				\
do {									\
	typeof((owner)->member.to) ___given = (target);			\
									\
	item_link(test, owner, member, ___given);			\
	obm_obj_put(&___given->obj);					\
} while (0)

#define expect_generation(test, owner, generation)			\
	KUNIT_EXPECT_EQ(test, obm_gc_generation(&(owner)->obj), generation)

static inline void item_put(struct item *item)
{
	obm_obj_put(&item->obj);
}

static inline unsigned int item_refs(const struct item *item)
{
	return obm_obj_refcount(&item->obj);
}

/* A ring of items numbered from @first on, to which nobody has a reference. */
static inline void ring_new(struct kunit *test, struct obm_heap *heap,
			    struct obm_type *type, unsigned int first,
			    unsigned int nr)
{
	struct item *head = item_new_of(test, heap, type, first);
	struct item *last = head, *item;
	unsigned int i;

	for (i = 1; i < nr; i++) {
		item = item_new_of(test, heap, type, first + i);
		item_give(test, last, next, item);
		last = item;
	}
	item_link(test, last, next, head);
	item_put(head);
}

/* What the statistics say of a heap in which nothing is alive. */
static inline void object_expect_idle(struct kunit *test,
				      struct obm_heap *heap)
{
	struct obm_stats s;

	obm_obj_flush(heap);
	s = obm_get(test, heap);
	KUNIT_EXPECT_EQ(test, s.nr_blocks, 0);
	KUNIT_EXPECT_EQ(test, s.nr_raw, 0);
	KUNIT_EXPECT_EQ(test, obm_heap_validate(heap), 0);
}

#endif /* OBM_KUNIT_OBJECT_H */
