// SPDX-License-Identifier: GPL-2.0-only
/*
 * Values that are shared: strings of bytes and integers, of which a heap has one
 * object for all that are equal, as CPython has for interned strings and for small
 * integers.
 *
 * A table knows the objects and does not count them. Who finds one takes a
 * reference unless it is dying, under RCU; its memory is there for a grace period
 * after it has left the table. The last put takes it out (release). Who meets a
 * dying one before that puts a new object in its place, and the release then finds
 * nothing to take out.
 *
 * The locks of the kernel's rhashtable let hard interrupts in up to 6.1, and cannot
 * be taken with interrupts disabled. So values are made, and die, only where they
 * are enabled: OBM_TYPE_IRQS_ON. A hard interrupt may come while this CPU moves an
 * entry to a larger table, when the old chain leads on into the new one. Who does
 * not find there what it looks for begins again until the move is done: for ever.
 * So hard interrupts have to do without values.
 */
#include "object.h"

#include <linux/jhash.h>
#include <linux/kcsan-checks.h>
#include <linux/rhashtable.h>

/* CPython's _PY_NSMALLNEGINTS and _PY_NSMALLPOSINTS. */
#define INT_SMALL_MIN	(-5)
#define INT_SMALL_MAX	256

#define BYTES_MAX	(OBM_MAX_BYTES - sizeof(struct obm_bytes) - 1)

/* Waits, of a tick, for a table to grow. */
#define INSERT_TRIES	20

/*
 * A change of a table. The lock of a chain is a bit of the pointer to it, which
 * who has the lock reads while others try to set the bit again: by design of
 * rhashtable, though KCSAN cannot know.
 */
#define table_change(change)						\
({									\
	typeof(change) __ret;						\
									\
	kcsan_disable_current();					\
	__ret = (change);						\
	kcsan_enable_current();						\
	__ret;								\
})

/**
 * struct obm_interned - the values of a heap
 * @bytes: strings of bytes
 * @ints: integers
 */
struct obm_interned {
	struct rhashtable bytes;
	struct rhashtable ints;
};

/**
 * struct bytes_key - what a string of bytes is looked for by
 * @data: the bytes
 * @len: how many
 */
struct bytes_key {
	const void *data;
	size_t len;
};

static u32 bytes_key_hash(const void *data, u32 unused, u32 seed)
{
	const struct bytes_key *key = data;

	return jhash(key->data, key->len, seed);
}

static u32 bytes_hash(const void *data, u32 unused, u32 seed)
{
	const struct obm_bytes *bytes = data;

	return jhash(bytes->data, bytes->len, seed);
}

static int bytes_differ(struct rhashtable_compare_arg *arg, const void *data)
{
	const struct bytes_key *key = arg->key;
	const struct obm_bytes *bytes = data;

	return bytes->len != key->len ||
	       memcmp(bytes->data, key->data, key->len);
}

static const struct rhashtable_params bytes_params = {
	.head_offset = offsetof(struct obm_bytes, node),
	.nelem_hint = 16,
	.automatic_shrinking = true,
	.hashfn = bytes_key_hash,
	.obj_hashfn = bytes_hash,
	.obj_cmpfn = bytes_differ,
};

static u32 int_key_hash(const void *data, u32 unused, u32 seed)
{
	const s64 *value = data;

	return jhash_2words(lower_32_bits(*value), upper_32_bits(*value), seed);
}

static u32 int_hash(const void *data, u32 unused, u32 seed)
{
	const struct obm_int *n = data;

	return int_key_hash(&n->value, 0, seed);
}

static int int_differs(struct rhashtable_compare_arg *arg, const void *data)
{
	const struct obm_int *n = data;
	const s64 *value = arg->key;

	return n->value != *value;
}

static const struct rhashtable_params int_params = {
	.head_offset = offsetof(struct obm_int, node),
	.nelem_hint = 16,
	.automatic_shrinking = true,
	.hashfn = int_key_hash,
	.obj_hashfn = int_hash,
	.obj_cmpfn = int_differs,
};

/* --- The objects --- */

/* Alike in both, so that what follows need not know which it is. */
static_assert(offsetof(struct obm_bytes, node) == sizeof(struct obm_obj));
static_assert(offsetof(struct obm_int, node) == sizeof(struct obm_obj));

static struct rhash_head *value_node(struct obm_obj *obj)
{
	return (struct rhash_head *)(obj + 1);
}

static void value_remove(struct obm_obj *obj, struct rhashtable *table)
{
	/* Unless it was replaced, or was never there. */
	table_change(rhashtable_remove_fast(table, value_node(obj), table->p));
}

static void bytes_release(struct obm_obj *obj)
{
	struct obm_interned *interned = obj->kind->gc->interned;

	value_remove(obj, &interned->bytes);
}

static void int_release(struct obm_obj *obj)
{
	struct obm_interned *interned = obj->kind->gc->interned;

	value_remove(obj, &interned->ints);
}

#define VALUE_FLAGS							\
	(OBM_TYPE_VAR_SIZE | OBM_TYPE_RCU | OBM_TYPE_IMMUTABLE |	\
	 OBM_TYPE_IRQS_ON)

static struct obm_type bytes_type = {
	.name = "bytes",
	.size = sizeof(struct obm_bytes),
	.flags = VALUE_FLAGS,
	.release = bytes_release,
};

static struct obm_type int_type = {
	.name = "int",
	.size = sizeof(struct obm_int),
	.flags = VALUE_FLAGS,
	.release = int_release,
};

/* --- The tables --- */

static struct obm_interned *interned_new(void)
{
	struct obm_interned *interned = kzalloc(sizeof(*interned), GFP_KERNEL);

	if (!interned)
		return NULL;
	if (rhashtable_init(&interned->bytes, &bytes_params))
		goto err_free;
	if (rhashtable_init(&interned->ints, &int_params))
		goto err_bytes;
	return interned;

err_bytes:
	rhashtable_destroy(&interned->bytes);
err_free:
	kfree(interned);
	return NULL;
}

static void interned_free(struct obm_interned *interned,
			  void (*free_fn)(void *ptr, void *arg))
{
	rhashtable_free_and_destroy(&interned->bytes, free_fn, NULL);
	rhashtable_free_and_destroy(&interned->ints, free_fn, NULL);
	kfree(interned);
}

/* All that a heap needs for values; of several that make it one is first. */
static noinline struct obm_interned *interned_make(struct obm_heap *heap)
{
	struct obm_interned *interned, *old;
	struct obm_gc *gc;

	if (obm_type_prepare(heap, &bytes_type) ||
	    obm_type_prepare(heap, &int_type))
		return NULL;
	gc = obm_gc_of(heap);
	if (!obm_objects_charge(heap, sizeof(*interned)))
		return NULL;
	interned = interned_new();
	/* Pairs with the acquire in interned_of(). */
	old = interned ? cmpxchg(&gc->interned, NULL, interned) : NULL;
	if (interned && !old)
		return interned;
	obm_objects_uncharge(heap, sizeof(*interned));
	if (interned)
		interned_free(interned, NULL);
	return old;
}

static struct obm_interned *interned_of(struct obm_heap *heap, gfp_t gfp)
{
	struct obm_gc *gc = obm_gc_of(heap);
	struct obm_interned *interned = NULL;

	if (gc)
		/* Pairs with the cmpxchg() in interned_make(). */
		interned = smp_load_acquire(&gc->interned);
	if (unlikely(!interned) && gfpflags_allow_blocking(gfp))
		interned = interned_make(heap);
	return interned;
}

/* --- Finding and making --- */

static __always_inline struct obm_obj *
value_find(struct rhashtable *table, const void *key,
	   const struct rhashtable_params params)
{
	struct obm_obj *obj;

	if (unlikely(in_hardirq()))
		return NULL;
	rcu_read_lock();
	obj = rhashtable_lookup(table, key, params);
	if (obj && !obm_obj_get_unless_zero(obj))
		obj = NULL;
	rcu_read_unlock();
	return obj;
}

/* Whether a value may be made here. */
static bool value_may_make(void)
{
	return !in_hardirq() && !irqs_disabled();
}

/*
 * Puts a new object into the table, in the place of a dying one if need be. 0;
 * -EEXIST: there is another one, to which @other is a reference; -EAGAIN if one
 * has just gone; else the table cannot grow now.
 */
static int value_insert(struct rhashtable *table, const void *key,
			struct obm_obj *obj, struct obm_obj **other)
{
	struct obm_obj *old;
	int err;

	rcu_read_lock();
	old = table_change(rhashtable_lookup_get_insert_key(table, key,
							    value_node(obj),
							    table->p));
	if (IS_ERR_OR_NULL(old)) {
		err = PTR_ERR_OR_ZERO(old);
	} else if (obm_obj_get_unless_zero(old)) {
		*other = old;
		err = -EEXIST;
	} else {
		err = table_change(rhashtable_replace_fast(table,
							   value_node(old),
							   value_node(obj),
							   table->p));
		if (err)
			err = -EAGAIN;
	}
	rcu_read_unlock();
	return err;
}

/* Returns the one object of the value, for which @obj was made, or NULL. */
static struct obm_obj *value_publish(struct rhashtable *table, const void *key,
				     struct obm_obj *obj, gfp_t gfp)
{
	struct obm_obj *other = NULL;
	unsigned int tries = 0;
	int err;

	while ((err = value_insert(table, key, obj, &other))) {
		if (err == -EAGAIN)
			continue;
		if (err == -EEXIST || !gfpflags_allow_blocking(gfp) ||
		    ++tries > INSERT_TRIES)
			break;
		/* A worker makes it larger, with more patience. */
		schedule_timeout_uninterruptible(1);
	}
	if (!err)
		return obj;
	obm_obj_put(obj);
	return other;
}

static struct obm_obj *bytes_make(struct obm_heap *heap,
				  struct obm_interned *interned,
				  const struct bytes_key *key, gfp_t gfp)
{
	struct obm_bytes *bytes;

	if (!value_may_make())
		return NULL;
	bytes = obm_obj_new_size(heap, &bytes_type,
				 struct_size(bytes, data, key->len + 1), gfp);
	if (!bytes)
		return NULL;
	bytes->len = key->len;
	memcpy(bytes->data, key->data, key->len);
	bytes->data[key->len] = '\0';
	return value_publish(&interned->bytes, key, &bytes->obj, gfp);
}

/**
 * obm_intern() - the one object of a heap for a string of bytes
 * @heap: the heap
 * @bytes: the bytes, copied if they are new to the heap; any of them may be 0
 * @len: how many, from 0 to somewhat less than OBM_MAX_BYTES
 * @gfp: as for obm_obj_new()
 *
 * The object does not change, and must not be changed. It is freed with the last
 * reference; if that goes in a hard interrupt, or with interrupts disabled, by a
 * worker soon after.
 *
 * Context: Any context but hard interrupts and NMI, as @gfp says. The first call for
 * a heap, of this or of obm_intern_int(), must be one that may sleep. With interrupts
 * disabled, only values are found that are there already. They may be put in hard
 * interrupts, too.
 * Return: the object, with a reference for the caller; or NULL: there is no memory;
 * the limit of the heap is reached; @len is too large; or the context does not
 * allow what would have to be done.
 */
struct obm_bytes *obm_intern(struct obm_heap *heap, const void *bytes,
			     size_t len, gfp_t gfp)
{
	const struct bytes_key key = { .data = bytes, .len = len };
	struct obm_interned *interned;
	struct obm_obj *obj;

	if (len > BYTES_MAX)
		return NULL;
	interned = interned_of(heap, gfp);
	if (!interned)
		return NULL;
	obj = value_find(&interned->bytes, &key, bytes_params);
	if (!obj)
		obj = bytes_make(heap, interned, &key, gfp);
	return obj ? container_of(obj, struct obm_bytes, obj) : NULL;
}
EXPORT_SYMBOL_NS_GPL(obm_intern, OBM_NS);

static struct obm_obj *int_make(struct obm_heap *heap,
				struct obm_interned *interned, s64 value, gfp_t gfp)
{
	struct obm_obj *obj;
	struct obm_int *n;

	if (!value_may_make())
		return NULL;
	n = obm_obj_new_size(heap, &int_type, sizeof(*n), gfp);
	if (!n)
		return NULL;
	n->value = value;
	obj = value_publish(&interned->ints, &value, &n->obj, gfp);
	/* When it is the one: another would never go away. */
	if (obj && value >= INT_SMALL_MIN && value <= INT_SMALL_MAX)
		obm_obj_make_immortal(obj);
	return obj;
}

/**
 * obm_intern_int() - the one object of a heap for an integer
 * @heap: the heap
 * @n: the integer
 * @gfp: as for obm_obj_new()
 *
 * Those from -5 to 256 stay until the heap is destroyed, once they have been asked
 * for. For the others the same holds as for obm_intern().
 *
 * Context: as obm_intern().
 * Return: as obm_intern().
 */
struct obm_int *obm_intern_int(struct obm_heap *heap, s64 n, gfp_t gfp)
{
	struct obm_interned *interned = interned_of(heap, gfp);
	struct obm_obj *obj;

	if (!interned)
		return NULL;
	obj = value_find(&interned->ints, &n, int_params);
	if (!obj)
		obj = int_make(heap, interned, n, gfp);
	return obj ? container_of(obj, struct obm_int, obj) : NULL;
}
EXPORT_SYMBOL_NS_GPL(obm_intern_int, OBM_NS);

/* --- Beginning and end --- */

/* Who is immortal has not leaked; what else is left has. */
static void value_end(void *ptr, void *unused)
{
	struct obm_obj *obj = ptr;

	if (obm_obj_refcount(obj) >= OBM_COUNT_MAX)
		obm_free(obj);
}

/**
 * obm_intern_end() - end the tables of a heap that is being destroyed
 * @gc: its collector; nobody uses the heap, and no object of it is dying
 *
 * Context: Process context, may sleep.
 */
void obm_intern_end(struct obm_gc *gc)
{
	struct obm_interned *interned = gc->interned;

	if (!interned)
		return;
	gc->interned = NULL;
	interned_free(interned, value_end);
	obm_objects_uncharge(gc->heap, sizeof(*interned));
}

int __init obm_intern_init(void)
{
	int err = obm_type_register(&bytes_type);

	if (err)
		return err;
	err = obm_type_register(&int_type);
	if (err)
		obm_type_unregister(&bytes_type);
	return err;
}

void obm_intern_exit(void)
{
	obm_type_unregister(&int_type);
	obm_type_unregister(&bytes_type);
}
