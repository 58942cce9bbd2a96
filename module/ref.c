// SPDX-License-Identifier: GPL-2.0-only
/*
 * References to objects: counts that are odd, and links.
 *
 * What the collector relies on: whenever a reference to an object comes, goes, or
 * moves from one place to another, the operations in its word have grown
 *   - before a link can be seen that was not there, and
 *   - within the same section of disabled preemption in which one that was there
 *     cannot be seen any more; and who moves one holds a reference meanwhile.
 */
#include "object.h"

/* Where a saturated count is put: as far from both ends as can be. */
#define COUNT_SATURATED		(OBM_COUNT_MAX + OBM_COUNT_MAX / 2)

static void word_saturate(struct obm_obj *obj)
{
	s64 old = atomic64_read(&obj->word), new;

	do {
		new = (old & ~OBM_COUNT_MASK) | COUNT_SATURATED;
	} while (!atomic64_try_cmpxchg_relaxed(&obj->word, &old, new));
}

/* obm_obj_get() of a count that was 0, or is saturated. */
void __obm_obj_odd_get(struct obm_obj *obj, u64 old)
{
	unsigned int count = word_count(old);

	word_saturate(obj);
	if (!count)
		obm_report_object(obm_obj_heap(obj), OBM_BAD_REF,
				  obm_obj_type(obj),
				  "a reference to an object that is dead");
	else if (count < OBM_COUNT_MAX)
		obm_report_object(obm_obj_heap(obj), OBM_BAD_REF,
				  obm_obj_type(obj),
				  "too many references, its object stays");
}
EXPORT_SYMBOL_NS_GPL(__obm_obj_odd_get, OBM_NS);

/* obm_obj_put() of a count that was 1, 0, or is saturated. */
void __obm_obj_last_put(struct obm_obj *obj, u64 old)
{
	const struct obm_kind *kind = obj->kind;
	unsigned int count = word_count(old);

	if (likely(count == 1)) {
		/* Pairs with the release in obm_obj_put() on other CPUs. */
		smp_acquire__after_ctrl_dep();
		if (likely(kind->quick && !READ_ONCE(obj->marks)) &&
		    likely(obj_free_quick(obj, kind)))
			return;
		obm_obj_die(obj);
		return;
	}
	word_saturate(obj);
	if (!count)
		obm_report_object(obm_obj_heap(obj), OBM_BAD_REF,
				  obm_obj_type(obj),
				  "a put of an object that is dead");
}
EXPORT_SYMBOL_NS_GPL(__obm_obj_last_put, OBM_NS);

/**
 * obm_obj_make_immortal() - let an object be for as long as its heap
 * @obj: the object; the caller has a reference, and may keep it or put it
 *
 * With the heap it ends as others do with their last reference. Of a leaf nobody
 * knows where it is then: it is reported as a leak.
 *
 * Context: Any context but NMI.
 */
void obm_obj_make_immortal(struct obm_obj *obj)
{
	obm_obj_mark(obj, OBM_MARK_IMMORTAL);
	word_saturate(obj);
}
EXPORT_SYMBOL_NS_GPL(obm_obj_make_immortal, OBM_NS);

/**
 * obm_obj_get_unless_zero() - take a reference to an object that may be dying
 * @obj: the object; its memory is there, by RCU or by a lock
 *
 * For tables that know objects without counting them. An object that the
 * collector has found to be garbage is refused like one that is dead; one that
 * it has yet to decide about is kept.
 *
 * Context: Any context but NMI.
 * Return: whether the caller has a reference now.
 */
bool obm_obj_get_unless_zero(struct obm_obj *obj)
{
	s64 old = atomic64_read(&obj->word);

	do {
		if (!word_count(old))
			return false;
		if (unlikely(old & OBM_WORD_FROZEN))
			return obm_weak_rescue(obj);
		if (unlikely(word_count(old) >= OBM_COUNT_MAX - 1))
			return word_count(old) >= OBM_COUNT_MAX;
	} while (!atomic64_try_cmpxchg(&obj->word, &old,
				       old + OBM_WORD_OP + 1));
	return true;
}
EXPORT_SYMBOL_NS_GPL(obm_obj_get_unless_zero, OBM_NS);

/**
 * obm_obj_pin() - keep an object that may be dying, without being seen
 * @obj: the object; its memory is there, as the era is odd
 *
 * The collector's own references are no operations. obm_obj_put_unseen() undoes
 * it.
 *
 * Return: false if it is dead.
 */
bool obm_obj_pin(struct obm_obj *obj)
{
	s64 old = atomic64_read(&obj->word);

	do {
		if (!word_count(old))
			return false;
		/* Saturated: it stays by itself. */
		if (word_count(old) >= OBM_COUNT_MAX - 1)
			return true;
	} while (!atomic64_try_cmpxchg(&obj->word, &old, old + 1));
	return true;
}

void obm_obj_put_unseen(struct obm_obj *obj)
{
	s64 old = atomic64_read(&obj->word);

	do {
		if (word_count(old) >= OBM_COUNT_MAX - 1)
			return;
	} while (!atomic64_try_cmpxchg(&obj->word, &old, old - 1));
	if (word_count(old) == 1)
		obm_obj_die(obj);
}

/* --- Links --- */

static __always_inline void ref_exchange(struct obm_obj *owner,
					 struct obm_ref *ref,
					 struct obm_obj *target)
{
	struct obm_obj *old;
	u64 word;

	old = obj_ref_exchange(owner, ref, target, &word);
	if (old && unlikely(obm_word_is_odd(word)))
		__obm_obj_last_put(old, word);
}

static bool ref_is_refused(struct obm_obj *owner, struct obm_obj *other)
{
	if (likely(owner->kind->heap == other->kind->heap))
		return false;
	obm_report_object(owner->kind->heap, OBM_BAD_HEAP, owner->kind->type,
			  "a link to an object in heap %s",
			  other->kind->heap->name);
	return true;
}

/* obm_ref_set(), documented there. */
int __obm_ref_set(struct obm_obj *owner, struct obm_ref *ref,
		  struct obm_obj *target)
{
	if (target) {
		if (unlikely(ref_is_refused(owner, target)))
			return -EXDEV;
		obm_obj_get(target);
		atomic_inc(&target->in);
	}
	ref_exchange(owner, ref, target);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(__obm_ref_set, OBM_NS);

/* obm_ref_clear() */
void __obm_ref_clear(struct obm_obj *owner, struct obm_ref *ref)
{
	ref_exchange(owner, ref, NULL);
}
EXPORT_SYMBOL_NS_GPL(__obm_ref_clear, OBM_NS);

/* obm_ref_move() */
int __obm_ref_move(struct obm_obj *to_owner, struct obm_ref *to,
		   struct obm_obj *from_owner, struct obm_ref *from)
{
	struct obm_obj *target;

	if (unlikely(ref_is_refused(to_owner, from_owner)))
		return -EXDEV;
	if (to == from)
		return 0;
	target = READ_ONCE(from->target);
	if (!target) {
		ref_exchange(to_owner, to, NULL);
		return 0;
	}
	/*
	 * A reference of our own until the move is over: were there none, one
	 * could be looked for in the new place before it is there and in the
	 * old one after it has gone. First from the old one, as its owner may be
	 * what only the new one has referred to so far.
	 */
	obm_obj_get(target);
	ref_exchange(from_owner, from, NULL);
	__obm_ref_set(to_owner, to, target);
	obm_obj_put(target);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(__obm_ref_move, OBM_NS);

/* obm_ref_get() */
struct obm_obj *__obm_ref_get(struct obm_ref *ref)
{
	struct obm_obj *target = READ_ONCE(ref->target);

	if (target)
		obm_obj_get(target);
	return target;
}
EXPORT_SYMBOL_NS_GPL(__obm_ref_get, OBM_NS);

/* obj_traverse() for who needs not be quick. */
int obm_obj_traverse(struct obm_obj *obj, obm_visit_t visit, void *arg)
{
	return obj_traverse(obj, visit, arg);
}
