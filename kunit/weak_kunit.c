// SPDX-License-Identifier: GPL-2.0-only
/* Weak references: to what lives, to what dies, and when others do both. */
#include <linux/kthread.h>

#include "context.h"
#include "object.h"

#define RACE_ROUNDS	5000

static void called(struct obm_weakref *weak, void *arg)
{
	event('W', (unsigned long)arg);
}

static struct obm_weakref *weak_new(struct kunit *test, struct item *item,
				    unsigned long id)
{
	struct obm_weakref *weak;

	weak = obm_weakref_new(&item->obj, id ? called : NULL, (void *)id,
			       GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, weak);
	return weak;
}

static void weak_put(struct obm_weakref *weak)
{
	obm_obj_put(&weak->obj);
}

static void alive_and_dead(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *item = item_new(test, heap, 1);
	struct obm_weakref *weak = weak_new(test, item, 0);
	struct obm_obj *obj;

	/* It keeps nothing. */
	KUNIT_EXPECT_EQ(test, item_refs(item), 1U);
	obj = obm_weakref_get(weak);
	KUNIT_EXPECT_PTR_EQ(test, obj, &item->obj);
	KUNIT_EXPECT_EQ(test, item_refs(item), 2U);
	item_put(item);
	EXPECT_EVENTS(test, "");
	obm_obj_put(obj);
	EXPECT_EVENTS(test, "F1 C1 R1");
	KUNIT_EXPECT_NULL(test, obm_weakref_get(weak));
	weak_put(weak);
	object_expect_idle(test, heap);
}

/* After the finalizer, before the links; the newest first. */
static void order(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *item = item_new(test, heap, 1);
	struct obm_weakref *weak[4];
	unsigned int i;

	for (i = 0; i < 4; i++)
		weak[i] = weak_new(test, item, i + 1);
	/* One that dies first is not called. */
	weak_put(weak[1]);
	item_put(item);
	EXPECT_EVENTS(test, "F1 W4 W3 W1 C1 R1");
	weak_put(weak[0]);
	weak_put(weak[2]);
	weak_put(weak[3]);
	EXPECT_EVENTS(test, "");
	object_expect_idle(test, heap);
}

static struct obm_weakref *late;

static void make_one(struct item *item)
{
	late = obm_weakref_new(&item->obj, called, (void *)9UL, GFP_ATOMIC);
}

/* One that a finalizer makes is cleared and called like the others. */
static void made_by_a_finalizer(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *item = item_new(test, heap, 1);
	struct obm_weakref *weak = weak_new(test, item, 1);

	item->finalize = make_one;
	item_put(item);
	KUNIT_ASSERT_NOT_NULL(test, late);
	EXPECT_EVENTS(test, "F1 W9 W1 C1 R1");
	KUNIT_EXPECT_NULL(test, obm_weakref_get(late));
	weak_put(late);
	weak_put(weak);
	object_expect_idle(test, heap);
}

/* A resurrected object keeps its weak references, if it died by its count. */
static void keep_it(struct item *item)
{
	obm_obj_get(&item->obj);
}

static void resurrected(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *item = item_new(test, heap, 1);
	struct obm_weakref *weak = weak_new(test, item, 1);
	struct obm_obj *obj;

	item->finalize = keep_it;
	item_put(item);
	EXPECT_EVENTS(test, "F1");
	obj = obm_weakref_get(weak);
	KUNIT_EXPECT_PTR_EQ(test, obj, &item->obj);
	obm_obj_put(obj);
	item_put(item);
	EXPECT_EVENTS(test, "W1 C1 R1");
	weak_put(weak);
	object_expect_idle(test, heap);
}

static void of_a_weak_reference(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *item = item_new(test, heap, 1);
	struct obm_weakref *weak = weak_new(test, item, 1), *second;
	struct obm_obj *obj;

	second = obm_weakref_new(&weak->obj, called, (void *)2UL, GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, second);
	obj = obm_weakref_get(second);
	KUNIT_EXPECT_PTR_EQ(test, obj, &weak->obj);
	obm_obj_put(obj);
	weak_put(weak);
	EXPECT_EVENTS(test, "W2");
	item_put(item);
	EXPECT_EVENTS(test, "F1 C1 R1");
	weak_put(second);
	object_expect_idle(test, heap);
}

struct looker {
	struct obm_weakref *weak;
	struct obm_obj *obj;
};

static void look(void *arg)
{
	struct looker *looker = arg;

	looker->obj = obm_weakref_get(looker->weak);
}

static void in_interrupts(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *item = item_new(test, heap, 1);
	struct looker looker = { .weak = weak_new(test, item, 1) };

	call_in_hardirq(test, look, &looker);
	KUNIT_EXPECT_PTR_EQ(test, looker.obj, &item->obj);
	item_put(item);
	obm_obj_put(looker.obj);
	EXPECT_EVENTS(test, "F1 W1 C1 R1");
	call_in_softirq(test, look, &looker);
	KUNIT_EXPECT_NULL(test, looker.obj);
	weak_put(looker.weak);
	object_expect_idle(test, heap);
}

/**
 * struct race - a weak reference is asked while its target is put
 * @heap: of both
 * @weak: the weak reference
 * @round: which one it is; odd while it may be asked
 * @nr_got: times that the target was had
 * @nr_dead: times that what was had was dead
 */
static struct race {
	struct obm_heap *heap;
	struct obm_weakref *weak;
	raw_spinlock_t lock;
	unsigned int nr_got;
	unsigned int nr_dead;
	struct completion done;
} race = {
	.lock = __RAW_SPIN_LOCK_UNLOCKED(race.lock),
};

static struct obm_weakref *race_weak(void)
{
	struct obm_weakref *weak;
	unsigned long flags;

	raw_spin_lock_irqsave(&race.lock, flags);
	weak = race.weak;
	if (weak)
		obm_obj_get(&weak->obj);
	raw_spin_unlock_irqrestore(&race.lock, flags);
	return weak;
}

static int race_thread(void *arg)
{
	struct obm_weakref *weak;
	struct obm_obj *obj;

	while (!kthread_should_stop()) {
		weak = race_weak();
		obj = weak ? obm_weakref_get(weak) : NULL;
		if (obj) {
			race.nr_got++;
			if (to_item(obj)->id != 77)
				race.nr_dead++;
			obm_obj_put(obj);
		}
		obm_obj_drop(weak);
		cond_resched();
	}
	return 0;
}

static void die_visibly(struct item *item)
{
	item->id = 0;
}

static void race_set(struct obm_weakref *weak)
{
	struct obm_weakref *old;
	unsigned long flags;

	raw_spin_lock_irqsave(&race.lock, flags);
	old = race.weak;
	race.weak = weak;
	raw_spin_unlock_irqrestore(&race.lock, flags);
	obm_obj_drop(old);
}

static void against_the_last_put(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct task_struct *task;
	struct item *item;
	unsigned int i;

	race.heap = heap;
	race.nr_got = 0;
	race.nr_dead = 0;
	object_type(test, &plain_type);
	task = kthread_run(race_thread, NULL, "obm_weak");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	for (i = 0; i < RACE_ROUNDS; i++) {
		item = plain_new(test, heap, 77);
		item->released = die_visibly;
		race_set(weak_new(test, item, 0));
		/* A cycle every other time, so that the collector has it. */
		if (i & 1)
			item_link(test, item, next, item);
		cond_resched();
		item_put(item);
		if (!(i % 64))
			obm_gc_collect(heap, 2);
	}
	race_set(NULL);
	kthread_stop(task);
	obm_gc_collect(heap, 2);
	kunit_info(test, "%u of %u rounds got it", race.nr_got, RACE_ROUNDS);
	KUNIT_EXPECT_EQ(test, race.nr_dead, 0U);
	events_take();
	object_expect_idle(test, heap);
}

static struct kunit_case weak_cases[] = {
	KUNIT_CASE(alive_and_dead),
	KUNIT_CASE(order),
	KUNIT_CASE(made_by_a_finalizer),
	KUNIT_CASE(resurrected),
	KUNIT_CASE(of_a_weak_reference),
	KUNIT_CASE(in_interrupts),
	KUNIT_CASE_SLOW(against_the_last_put),
	{ }
};

static struct kunit_suite weak_suite = {
	.name = "obmalloc_weak",
	.init = object_test_init,
	.exit = object_test_exit,
	.test_cases = weak_cases,
};

kunit_test_suite(weak_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of obmalloc's weak references");
MODULE_LICENSE("GPL");
