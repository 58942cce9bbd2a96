// SPDX-License-Identifier: GPL-2.0-only
/*
 * Values that are shared: one object for all that are equal, in every context, for
 * as long as somebody has it.
 */
#include <linux/irqflags.h>

#include "console.h"
#include "context.h"
#include "intern.h"

static void equal_bytes_are_one(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test), *other = object_heap(test);
	struct obm_bytes *a = text(heap, "a"), *again = text(heap, "a");
	struct obm_bytes *ab = text(heap, "ab"), *empty = text(heap, "");
	struct obm_bytes *nul = obm_intern(heap, "a\0b", 3, GFP_KERNEL);
	struct obm_bytes *foreign = text(other, "a");

	expect_text(test, a, "a");
	expect_text(test, ab, "ab");
	expect_text(test, empty, "");
	expect_text(test, foreign, "a");
	KUNIT_EXPECT_PTR_EQ(test, again, a);
	KUNIT_EXPECT_EQ(test, obm_obj_refcount(&a->obj), 2U);
	KUNIT_EXPECT_EQ(test, obm_obj_refcount(&ab->obj), 1U);
	KUNIT_EXPECT_PTR_NE(test, a, foreign);
	KUNIT_ASSERT_NOT_NULL(test, nul);
	KUNIT_EXPECT_PTR_NE(test, nul, a);
	KUNIT_EXPECT_EQ(test, nul->len, 3UL);
	KUNIT_EXPECT_EQ(test, memcmp(nul->data, "a\0b", 4), 0);
	/* No reference leads on from them: the collector need not know them. */
	KUNIT_EXPECT_EQ(test, obm_gc_generation(&a->obj), OBM_GC_UNTRACKED);
	KUNIT_EXPECT_PTR_EQ(test, obm_obj_heap(&a->obj), heap);
	obm_obj_put(&a->obj);
	obm_obj_put(&again->obj);
	obm_obj_put(&ab->obj);
	obm_obj_put(&empty->obj);
	obm_obj_put(&nul->obj);
	obm_obj_put(&foreign->obj);
	object_expect_idle(test, heap);
	object_expect_idle(test, other);
}

static const s64 some_ints[] = {
	S64_MIN, -0x100000001LL, S32_MIN, -6, -5, 0, 1, 256, 257, S32_MAX,
	U32_MAX, 0x100000001LL, S64_MAX
};

static void equal_integers_are_one(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct obm_int *n[ARRAY_SIZE(some_ints)], *again;
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(n); i++) {
		n[i] = obm_intern_int(heap, some_ints[i], GFP_KERNEL);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, n[i]);
		KUNIT_EXPECT_EQ(test, n[i]->value, some_ints[i]);
		for (k = 0; k < i; k++)
			KUNIT_EXPECT_PTR_NE(test, n[k], n[i]);
	}
	for (i = 0; i < ARRAY_SIZE(n); i++) {
		again = obm_intern_int(heap, some_ints[i], GFP_KERNEL);
		KUNIT_EXPECT_PTR_EQ(test, again, n[i]);
		obm_obj_put(&again->obj);
		obm_obj_put(&n[i]->obj);
	}
	/* Three of them are small. */
	obm_obj_flush(heap);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_blocks, 4);
}

static bool int_is_immortal(struct kunit *test, struct obm_heap *heap, s64 value)
{
	struct obm_int *n = obm_intern_int(heap, value, GFP_KERNEL), *again;
	bool immortal;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, n);
	immortal = obm_obj_refcount(&n->obj) >= OBM_COUNT_MAX;
	obm_obj_put(&n->obj);
	/* As often as one likes: it stays what it is. */
	again = immortal ? obm_intern_int(heap, value, GFP_KERNEL) : NULL;
	if (again) {
		KUNIT_EXPECT_PTR_EQ(test, again, n);
		KUNIT_EXPECT_EQ(test, again->value, value);
		obm_obj_put(&again->obj);
	}
	return immortal;
}

/* As in CPython; with the heap they go, and are no leak. */
static void small_integers_stay(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	s64 value;

	for (value = -20; value < 300; value++)
		KUNIT_EXPECT_EQ_MSG(test, int_is_immortal(test, heap, value),
				    value >= -5 && value <= 256, "%lld", value);
	obm_obj_flush(heap);
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_blocks, 262);
	console_watch();
	KUNIT_EXPECT_EQ(test, obm_test_destroy(test, heap), 0UL);
	KUNIT_EXPECT_EQ(test, console.nr, 0U);
}

static void the_last_put_is_the_end(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct obm_bytes *bytes;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		bytes = text(heap, "here and gone");
		expect_text(test, bytes, "here and gone");
		KUNIT_EXPECT_EQ(test, obm_obj_refcount(&bytes->obj), 1U);
		obm_obj_put(&bytes->obj);
		/* Once without a grace period in between. */
		if (i)
			object_expect_idle(test, heap);
	}
}

#define NR_MANY	5000

/* The table grows and shrinks. */
static void many_values(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct obm_bytes **all, *again;
	unsigned int i, wrong = 0;
	char s[20];

	all = kunit_kcalloc(test, NR_MANY, sizeof(*all), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, all);
	for (i = 0; i < NR_MANY; i++) {
		snprintf(s, sizeof(s), "value %u", i);
		all[i] = text(heap, s);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, all[i]);
	}
	KUNIT_EXPECT_EQ(test, obm_get(test, heap).nr_blocks, NR_MANY);
	for (i = 0; i < NR_MANY; i++) {
		snprintf(s, sizeof(s), "value %u", i);
		again = text(heap, s);
		wrong += again != all[i] || strcmp(again->data, s);
		obm_obj_put(&again->obj);
	}
	KUNIT_EXPECT_EQ(test, wrong, 0U);
	for (i = 0; i < NR_MANY; i++)
		obm_obj_put(&all[i]->obj);
	object_expect_idle(test, heap);
}

/* What refers to a value keeps it. */
static void links_to_values(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct item *item = item_new(test, heap, 1);
	struct obm_bytes *bytes = text(heap, "linked");

	expect_text(test, bytes, "linked");
	KUNIT_EXPECT_EQ(test, __obm_ref_set(&item->obj, &item->next.ref,
					    &bytes->obj), 0);
	obm_obj_put(&bytes->obj);
	KUNIT_EXPECT_EQ(test, obm_obj_refcount(&bytes->obj), 1U);
	item_link(test, item, other, item);
	item_put(item);
	KUNIT_EXPECT_EQ(test, obm_gc_collect(heap, 2), 1L);
	EXPECT_EVENTS(test, "F1 C1 R1");
	object_expect_idle(test, heap);
}

static void sizes(struct kunit *test)
{
	const size_t most = OBM_MAX_BYTES - sizeof(struct obm_bytes) - 1;
	struct obm_heap *heap = object_heap(test);
	struct obm_bytes *bytes, *again;
	u8 *long_one;

	long_one = kvzalloc(OBM_MAX_BYTES, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, long_one);
	long_one[most - 1] = 1;
	bytes = obm_intern(heap, long_one, most, GFP_KERNEL);
	again = obm_intern(heap, long_one, most, GFP_KERNEL);
	KUNIT_EXPECT_PTR_EQ(test, bytes, again);
	if (bytes) {
		KUNIT_EXPECT_EQ(test, bytes->len, most);
		KUNIT_EXPECT_EQ(test, memcmp(bytes->data, long_one, most), 0);
		obm_obj_put(&bytes->obj);
		obm_obj_put(&again->obj);
	}
	KUNIT_EXPECT_NOT_NULL(test, bytes);
	KUNIT_EXPECT_NULL(test, obm_intern(heap, long_one, most + 1,
					   GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, obm_intern(heap, long_one, SIZE_MAX,
					   GFP_KERNEL));
	kvfree(long_one);
	object_expect_idle(test, heap);
}

/**
 * struct found - what a context has got
 * @heap: there
 * @old: of a value that is there
 * @new: of one that is not
 * @n: of a small integer that has been asked for
 */
struct found {
	struct obm_heap *heap;
	struct obm_bytes *old;
	struct obm_bytes *new;
	struct obm_int *n;
};

static void find_both(void *arg)
{
	struct found *found = arg;

	found->old = obm_intern(found->heap, "old", 3, GFP_ATOMIC);
	found->new = obm_intern(found->heap, "new", 3, GFP_ATOMIC);
	found->n = obm_intern_int(found->heap, 7, GFP_ATOMIC);
}

static void find_with_irqs_off(struct kunit *test, void *arg)
{
	unsigned long flags;

	local_irq_save(flags);
	find_both(arg);
	local_irq_restore(flags);
}

/* What has been found is given back by the last put, in the same context. */
static void put_all(void *arg)
{
	struct found *found = arg;

	if (found->old)
		obm_obj_put(&found->old->obj);
	if (found->new)
		obm_obj_put(&found->new->obj);
	if (found->n)
		obm_obj_put(&found->n->obj);
}

static void put_with_irqs_off(struct kunit *test, void *arg)
{
	unsigned long flags;

	local_irq_save(flags);
	put_all(arg);
	local_irq_restore(flags);
}

static void expect_found(struct kunit *test, struct found *found, bool made)
{
	struct obm_bytes *old = text(found->heap, "old");
	struct obm_int *n = obm_intern_int(found->heap, 7, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, old);
	KUNIT_EXPECT_PTR_EQ(test, found->old, old);
	KUNIT_EXPECT_PTR_EQ(test, found->n, n);
	if (made)
		expect_text(test, found->new, "new");
	else
		KUNIT_EXPECT_NULL(test, found->new);
	/* Theirs is the last one when the caller has put its own. */
	obm_obj_put(&old->obj);
}

static void in_every_context(struct kunit *test)
{
	struct found found = { .heap = object_heap(test) };
	struct obm_bytes *old = text(found.heap, "old");
	struct obm_int *n = obm_intern_int(found.heap, 7, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, old);
	KUNIT_ASSERT_NOT_NULL(test, n);
	call_in_softirq(test, find_both, &found);
	expect_found(test, &found, true);
	obm_obj_put(&old->obj);
	call_in_softirq(test, put_all, &found);
	obm_obj_flush(found.heap);
	KUNIT_EXPECT_EQ(test, obm_get(test, found.heap).nr_blocks, 1);

	found.old = text(found.heap, "old");
	found.new = text(found.heap, "new");
	KUNIT_ASSERT_NOT_NULL(test, found.old);
	KUNIT_ASSERT_NOT_NULL(test, found.new);
	call_in_hardirq(test, put_all, &found);
	call_in_hardirq(test, find_both, &found);
	KUNIT_EXPECT_NULL(test, found.old);
	KUNIT_EXPECT_NULL(test, found.new);
	KUNIT_EXPECT_NULL(test, found.n);
	obm_obj_flush(found.heap);
	KUNIT_EXPECT_EQ(test, obm_get(test, found.heap).nr_blocks, 1);

	old = text(found.heap, "old");
	KUNIT_ASSERT_NOT_NULL(test, old);
	find_with_irqs_off(test, &found);
	expect_found(test, &found, false);
	obm_obj_put(&old->obj);
	put_with_irqs_off(test, &found);
	obm_obj_flush(found.heap);
	KUNIT_EXPECT_EQ(test, obm_get(test, found.heap).nr_blocks, 1);
}

static void the_first_may_sleep(struct kunit *test)
{
	struct obm_heap *heap = object_heap(test);
	struct obm_bytes *bytes;
	struct obm_int *n;

	KUNIT_EXPECT_NULL(test, obm_intern(heap, "x", 1, GFP_ATOMIC));
	KUNIT_EXPECT_NULL(test, obm_intern_int(heap, 1000, GFP_NOWAIT));
	bytes = text(heap, "x");
	expect_text(test, bytes, "x");
	n = obm_intern_int(heap, 1000, GFP_NOWAIT);
	KUNIT_ASSERT_NOT_NULL(test, n);
	obm_obj_put(&n->obj);
	obm_obj_put(&bytes->obj);
	object_expect_idle(test, heap);
}

static struct kunit_case intern_cases[] = {
	KUNIT_CASE(equal_bytes_are_one),
	KUNIT_CASE(equal_integers_are_one),
	KUNIT_CASE(small_integers_stay),
	KUNIT_CASE(the_last_put_is_the_end),
	KUNIT_CASE(many_values),
	KUNIT_CASE(links_to_values),
	KUNIT_CASE(sizes),
	KUNIT_CASE(in_every_context),
	KUNIT_CASE(the_first_may_sleep),
	{ }
};

static struct kunit_suite intern_suite = {
	.name = "obmalloc_intern",
	.suite_init = console_init,
	.suite_exit = console_exit,
	.init = object_test_init,
	.exit = object_test_exit,
	.test_cases = intern_cases,
};

kunit_test_suite(intern_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of obmalloc's shared values");
MODULE_LICENSE("GPL");
