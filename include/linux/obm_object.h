/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reference-counted objects on the heaps of obmalloc: types, counts, links from
 * object to object, weak references, values that are shared, copies. What frees
 * the cycles that counting cannot is in <linux/obm_gc.h>.
 *
 * The semantics are CPython 3.11's, in the kernel's words: get and put for
 * Py_INCREF and Py_DECREF, traverse, clear, finalize and release for the slots
 * tp_traverse, tp_clear, tp_finalize and tp_dealloc.
 *
 *	struct node {
 *		struct obm_obj obj;
 *		OBM_DECLARE_REF(struct node, next);
 *		int value;
 *	};
 *
 *	static struct obm_type node_type = {
 *		.name = "node",
 *		.size = sizeof(struct node),
 *		OBM_LINKS(struct node, next, 1),
 *	};
 */
#ifndef _LINUX_OBM_OBJECT_H
#define _LINUX_OBM_OBJECT_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/cleanup.h>
#include <linux/compiler.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/obmalloc.h>
#include <linux/rhashtable-types.h>
#include <linux/stddef.h>
#include <linux/types.h>

struct obm_kind;
struct obm_obj;
struct obm_ref;
struct obm_weakref;

/*
 * The word of an object. Whatever happens to its references is one atomic
 * addition that changes the count and adds one to the operations:
 *
 *	63        29    28     27      0
 *	operations | frozen |   count
 *
 * The collector sets the operations to zero, looks at the graph, and then knows
 * of an object whose operations are still zero that no reference to it came,
 * went or moved meanwhile. Documentation/gc.md has the argument. A count from
 * OBM_COUNT_MAX on is saturated, as refcount_t's: it stays, and the object does.
 */
#define OBM_COUNT_BITS		28
#define OBM_COUNT_MASK		(BIT_ULL(OBM_COUNT_BITS) - 1)
#define OBM_COUNT_MAX		BIT_ULL(OBM_COUNT_BITS - 1)
#define OBM_WORD_FROZEN		BIT_ULL(OBM_COUNT_BITS)
#define OBM_WORD_OP		BIT_ULL(OBM_COUNT_BITS + 1)

/**
 * struct obm_obj - what every object begins with
 * @word: count of references, and operations on them
 * @kind: its type and heap
 * @link: in a list of its generation
 * @in: links to it
 * @out: links from it, and how often they changed
 * @waiting: of a dying object: the next one, and what comes next
 * @limbo: the same, of a list without a lock
 * @refs: the collector's: references that it has not found
 * @place: which list
 * @color: the collector's: what it thinks of the object
 * @marks: has weak references, has been finalized
 *
 * All of it is obmalloc's own. An object is the first member of its structure.
 */
struct obm_obj {
	atomic64_t word;
	struct obm_kind *kind;
	struct list_head link;
	union {
		struct {
			atomic_t in;
			atomic_t out;
		};
		struct obm_obj *waiting;
		struct llist_node limbo;
	};
	int refs;
	u16 place;
	u8 color;
	u8 marks;
};

/**
 * struct obm_ref - a link: a place in an object that holds a reference
 * @target: the object it refers to, counted, or NULL
 *
 * Declared with OBM_DECLARE_REF() or OBM_REF(), changed by obm_ref_set(),
 * obm_ref_clear() and obm_ref_move() only. It lies in the object or in memory that
 * the object owns.
 */
struct obm_ref {
	struct obm_obj *target;
};

/* A link to objects of one structure, for a row of links or a typedef. */
#define OBM_REF(type)							\
	union {								\
		struct obm_ref ref;					\
		type *to;						\
	}

/* A member of a structure that is such a link. */
#define OBM_DECLARE_REF(type, name)					\
	union {								\
		struct obm_ref ref;					\
		type *to;						\
	} name

/**
 * typedef obm_visit_t - what a traverse calls for each link
 * @ref: the link, which may be NULL inside
 * @arg: as traverse was given it
 *
 * Return: 0 to go on; anything else must be returned by traverse at once.
 */
typedef int (*obm_visit_t)(struct obm_ref *ref, void *arg);

/* Memory of a dead object is freed after a grace period of RCU. */
#define OBM_TYPE_RCU		BIT(0)
/* Its callbacks may sleep: a worker calls them, later, when the last put is done. */
#define OBM_TYPE_MAY_SLEEP	BIT(1)
/* Never changes and has no links: a deep copy shares it. */
#define OBM_TYPE_IMMUTABLE	BIT(2)
/* Objects have sizes of their own: obm_obj_new_size(). */
#define OBM_TYPE_VAR_SIZE	BIT(3)
/* The collector counts its objects and lists them, though they have no links. */
#define OBM_TYPE_TRACKED	BIT(4)
/*
 * Its callbacks need interrupts enabled, for locks that hard interrupts do not
 * take: where they are not, a worker calls them, later.
 */
#define OBM_TYPE_IRQS_ON	BIT(5)

#define OBM_TYPE_FLAGS							\
	(OBM_TYPE_RCU | OBM_TYPE_MAY_SLEEP | OBM_TYPE_IMMUTABLE |	\
	 OBM_TYPE_VAR_SIZE | OBM_TYPE_TRACKED | OBM_TYPE_IRQS_ON)

/**
 * struct obm_type - what objects of one structure have in common
 * @name: what readers of the statistics see; the rules of obm_cache_create()
 * @size: bytes of the structure, struct obm_obj included; of an object of
 *	  %OBM_TYPE_VAR_SIZE the least
 * @flags: OBM_TYPE_*
 * @nr_links: links in the object itself, in a row: OBM_LINKS()
 * @links_offset: bytes from the start of the object to the first of them
 * @cache_depth: most dead objects that wait on a CPU for reuse, 0 for the
 *		 module's default
 * @ctor: called for the memory of an object before it is first used, as that
 *	  of obm_cache_create(); everything behind struct obm_obj must be so again
 *	  when @release returns. Without it all of @nr_links are NULL in a new
 *	  object and the rest is undefined, or zeroes if it has @traverse or
 *	  @evict, which may be called as soon as the object is made. An object
 *	  that is made by __GFP_ZERO is zeroes in any case
 * @traverse: calls visit for every link that is not among @nr_links, once. Runs
 *	  in any context, also while others change the links: it takes the lock
 *	  that guards them (irqsave), or reads them under RCU. The object is
 *	  kept alive meanwhile. Must not get, put, set or clear
 * @clear: makes the object let go of its links, with obm_ref_clear(); called by
 *	  the collector, or when the object dies if that has not called it. NULL:
 *	  all that @traverse and @nr_links find is cleared, in this order:
 *	  @nr_links first
 * @finalize: called once in an object's life, before its links are cleared; may
 *	  resurrect it by making somebody hold a reference
 * @release: the last call: the links are gone; gives back what the object owns
 * @copy: makes @to, new and with nothing set, equal to @from, with links to the
 *	  same objects (obm_ref_set()). NULL: what lies behind struct obm_obj is
 *	  copied, and each of @nr_links set; a type with @traverse and without
 *	  @copy cannot be copied
 * @evict: memory is short: the owner should drop its reference; true if it has.
 *	  Called by a worker, or in obm_obj_new() with GFP_KERNEL for the heap: for
 *	  a lock that is held there it can only try. May sleep, and may make
 *	  objects, for which no others are evicted. Who refuses may be asked again
 *	  at once, so that a second chance can be given and taken back
 *
 * Callbacks but @copy and @evict run in the context of the last put, or of the
 * collector, with preemption disabled, and must not sleep, unless the type has
 * %OBM_TYPE_MAY_SLEEP. A type without links and @traverse is a leaf, with which
 * the collector has nothing to do.
 */
struct obm_type {
	const char *name;
	size_t size;
	unsigned int flags;
	unsigned int nr_links;
	size_t links_offset;
	unsigned int cache_depth;
	void (*ctor)(void *obj);
	int (*traverse)(struct obm_obj *obj, obm_visit_t visit, void *arg);
	void (*clear)(struct obm_obj *obj);
	void (*finalize)(struct obm_obj *obj);
	void (*release)(struct obm_obj *obj);
	int (*copy)(struct obm_obj *to, struct obm_obj *from, gfp_t gfp);
	bool (*evict)(struct obm_obj *obj);
	/* private: */
	int nr;
	bool distrusted;
	struct list_head kinds;
	struct obm_kind *quick;
};

/* Initializers of a type with @n links in a row from @member on. */
#define OBM_LINKS(type, member, n)					\
	.links_offset = offsetof(type, member),				\
	.nr_links = (n) + BUILD_BUG_ON_ZERO(offsetof(type, obj)) +	\
		    BUILD_BUG_ON_ZERO((n) * sizeof(struct obm_ref) >	\
				      sizeof(type) - offsetof(type, member))

int obm_type_register(struct obm_type *type);
int obm_type_unregister(struct obm_type *type);
int obm_type_prepare(struct obm_heap *heap, struct obm_type *type);

void *__obm_obj_new(struct obm_heap *heap, struct obm_type *type, gfp_t gfp);
void *obm_obj_new_size(struct obm_heap *heap, struct obm_type *type,
		       size_t size, gfp_t gfp);

/* The place of an object that is in no list. */
#define OBM_PLACE_NONE		0xffff

/* How a kind begins that has been made of a type in a heap: for the hit path. */
struct obm_kind_front {
	struct obm_heap *heap;
	struct obm_front *cache;
};

/* Nobody knows of the object yet, so these may be few stores. */
static __always_inline void obm_obj_init(struct obm_obj *obj,
					 struct obm_kind *kind)
{
	obj->word = (atomic64_t)ATOMIC64_INIT(1);
	obj->kind = kind;
	obj->in = (atomic_t)ATOMIC_INIT(0);
	obj->out = (atomic_t)ATOMIC_INIT(0);
	obj->refs = 0;
	obj->place = OBM_PLACE_NONE;
	obj->color = 0;
	obj->marks = 0;
}

/*
 * A leaf that waits on this CPU. The type knows a kind of it, mostly that of the
 * only heap that has any; a kind is freed after a grace period.
 */
static __always_inline void *obm_obj_quick(struct obm_heap *heap,
					   struct obm_type *type)
{
	struct obm_obj *obj = NULL;
	struct obm_kind *quick;
	struct obm_kind_front *kind;

	preempt_disable();
	/* Pairs with the release in obm_kind_get(). */
	quick = READ_ONCE(type->quick);
	kind = (struct obm_kind_front *)quick;
	if (likely(kind && kind->heap == heap) && obm_front_mine())
		obj = obm_slot_pop(READ_ONCE(kind->cache->slots));
	obm_front_leave();
	if (likely(obj))
		obm_obj_init(obj, quick);
	return obj;
}

/**
 * obm_obj_new() - make an object
 * @heap: the heap that it is to be in
 * @type: its type, registered and not of %OBM_TYPE_VAR_SIZE
 * @gfp: as for obm_cache_alloc(). With __GFP_ZERO all behind struct obm_obj is
 *	 zeroes, whatever the constructor did
 *
 * If there is no room, and @gfp allows all that GFP_KERNEL does, owners of other
 * objects in the heap are asked for some (evict of struct obm_type).
 *
 * Context: Any context but NMI, as @gfp says; but see obm_type_prepare() for the
 * first object of a type in a heap.
 * Return: the object, with one reference, which is the caller's; or NULL if there
 * is no memory, the limit of the heap is reached, or the type or @gfp is refused.
 */
static __always_inline void *obm_obj_new(struct obm_heap *heap,
					 struct obm_type *type, gfp_t gfp)
{
	void *obj;

	if (OBM_INLINE && __builtin_constant_p(gfp) &&
	    !(gfp & (OBM_SLOW_GFP | __GFP_ZERO)) && !want_init_on_alloc(gfp)) {
		obj = obm_obj_quick(heap, type);
		if (likely(obj))
			return obj;
	}
	return __obm_obj_new(heap, type, gfp);
}

void __obm_obj_odd_get(struct obm_obj *obj, u64 old);
void __obm_obj_last_put(struct obm_obj *obj, u64 old);

/**
 * obm_obj_get() - take one more reference
 * @obj: the object, to which the caller has a reference
 *
 * Saturates with a report instead of overflowing, as refcount_inc().
 *
 * Context: Any context but NMI.
 */
static __always_inline void obm_obj_get(struct obm_obj *obj)
{
	u64 old = atomic64_fetch_add_relaxed(OBM_WORD_OP + 1, &obj->word);

	/* One comparison for 0 and for what is saturated. */
	if (unlikely((old & OBM_COUNT_MASK) - 1 >= OBM_COUNT_MAX - 2))
		__obm_obj_odd_get(obj, old);
}

/**
 * obm_obj_put() - give a reference back
 * @obj: the object; no other use of it is allowed but by further references
 *
 * With the last one the object dies: it is finalized, its weak references are
 * cleared and their callbacks called, its links are cleared, which may be the
 * end of others, it is released and its memory freed. All that is done in a
 * loop, depth first, with a bounded use of stack; a worker takes over after some
 * thousand objects, and for types that may sleep.
 *
 * Context: Any context but NMI.
 */
static __always_inline void obm_obj_put(struct obm_obj *obj)
{
	u64 old = atomic64_fetch_add_release(OBM_WORD_OP - 1, &obj->word);

	if (unlikely((old & OBM_COUNT_MASK) - 2 >= OBM_COUNT_MAX - 2))
		__obm_obj_last_put(obj, old);
}

bool obm_obj_get_unless_zero(struct obm_obj *obj) __must_check;
void obm_obj_make_immortal(struct obm_obj *obj);
void obm_obj_flush(struct obm_heap *heap);

/**
 * obm_obj_refcount() - how many references there are
 * @obj: the object
 *
 * Context: Any context.
 * Return: the count; OBM_COUNT_MAX or more for one that is saturated or immortal.
 */
static inline unsigned int obm_obj_refcount(const struct obm_obj *obj)
{
	return atomic64_read(&obj->word) & OBM_COUNT_MASK;
}

struct obm_type *obm_obj_type(const struct obm_obj *obj);
struct obm_heap *obm_obj_heap(const struct obm_obj *obj);
u64 obm_obj_id(const struct obm_obj *obj);

/* --- Links --- */

int __obm_ref_set(struct obm_obj *owner, struct obm_ref *ref,
		  struct obm_obj *target);
void __obm_ref_clear(struct obm_obj *owner, struct obm_ref *ref);
int __obm_ref_move(struct obm_obj *to_owner, struct obm_ref *to,
		   struct obm_obj *from_owner, struct obm_ref *from);
struct obm_obj *__obm_ref_get(struct obm_ref *ref);

/*
 * The object of a pointer to a structure that the link was declared with, or NULL. A
 * pointer to another structure does not compile.
 */
#define obm_ref_target(link, target)					\
({									\
	typeof((link)->to) ___obm_t = (target);				\
									\
	BUILD_BUG_ON(offsetof(typeof(*___obm_t), obj));			\
	___obm_t ? &___obm_t->obj : NULL;				\
})

/**
 * obm_ref_set() - make a link refer to an object
 * @owner: the object that the link is of, as struct obm_obj *
 * @link: the link, as OBM_DECLARE_REF() declared it; by address
 * @target: what it is to refer to, or NULL; the caller has a reference, and
 *	    keeps it
 *
 * What it referred to before loses a reference. Several callers may set the same
 * link at once: one of them is last, and no reference is lost.
 *
 * Context: Any context but NMI; the caller has a reference to the owner.
 * Return: 0, or -EXDEV with a report if @target is in another heap: then
 * nothing has changed.
 */
#define obm_ref_set(owner, link, target)				\
	__obm_ref_set(owner, &(link)->ref, obm_ref_target(link, target))

/**
 * obm_ref_clear() - make a link refer to nothing
 * @owner: the object that the link is of
 * @link: the link
 *
 * Context: as obm_obj_put().
 */
#define obm_ref_clear(owner, link)	__obm_ref_clear(owner, &(link)->ref)

/**
 * obm_ref_move() - let one link have what another one has
 * @to_owner: the object that @dst is of
 * @dst: link that gets it; what it had loses a reference
 * @from_owner: the object that @src is of; it may die by this, if it is what @dst
 *		had: so the next one of a list takes the place of the first
 * @src: link of the same type that gives it, and is NULL then
 *
 * Context: as obm_obj_put().
 * Return: 0, or -EXDEV with a report if the owners are in different heaps.
 */
#define obm_ref_move(to_owner, dst, from_owner, src)			\
({									\
	BUILD_BUG_ON(!__same_type((dst)->to, (src)->to));		\
	__obm_ref_move(to_owner, &(dst)->ref, from_owner, &(src)->ref);	\
})

/**
 * obm_ref_peek() - what a link refers to, not counted
 * @link: the link
 *
 * For who keeps the link from being changed meanwhile, or knows the object to be
 * alive.
 */
#define obm_ref_peek(link)		READ_ONCE((link)->to)

/**
 * obm_ref_get() - what a link refers to, with a reference for the caller
 * @link: the link
 *
 * Context: Any context but NMI. Nobody may change the link meanwhile; where
 * others may, the type needs a lock of its own for it.
 * Return: a pointer of the link's type, or NULL.
 */
#define obm_ref_get(link)						\
	((typeof((link)->to))__obm_ref_get(&(link)->ref))

/* --- Weak references --- */

/**
 * typedef obm_weak_fn - told that an object is gone
 * @weak: the weak reference, which is cleared already
 * @arg: as given to obm_weakref_new()
 */
typedef void (*obm_weak_fn)(struct obm_weakref *weak, void *arg);

/**
 * struct obm_weakref - refers to an object without keeping it
 * @obj: it is an object itself: obm_obj_get(&weak->obj), obm_obj_put(&weak->obj)
 *
 * The others are its target, which is not counted, the link by which that finds
 * it, the next one that is to be called back, and the callback, which is called
 * when the target dies unless this dies before or with it.
 *
 * A weak reference may be linked to like any object; one that is itself part of
 * the garbage that its target dies with is not called back.
 */
struct obm_weakref {
	struct obm_obj obj;
	/* private: */
	struct obm_obj *target;
	struct hlist_node hash;
	struct obm_weakref *next;
	obm_weak_fn callback;
	void *arg;
};

struct obm_weakref *obm_weakref_new(struct obm_obj *obj, obm_weak_fn callback,
				    void *arg, gfp_t gfp);
struct obm_obj *obm_weakref_get(struct obm_weakref *weak);

/* --- Values that are shared --- */

/**
 * struct obm_bytes - an interned string of bytes
 * @obj: object; put it when done
 * @len: bytes
 * @data: they, and a NUL behind them
 */
struct obm_bytes {
	struct obm_obj obj;
	/* private: */
	struct rhash_head node;
	/* public: */
	size_t len;
	u8 data[];
};

/**
 * struct obm_int - an interned integer
 * @obj: object; put it when done
 * @value: the integer
 */
struct obm_int {
	struct obm_obj obj;
	/* private: */
	struct rhash_head node;
	/* public: */
	s64 value;
};

struct obm_bytes *obm_intern(struct obm_heap *heap, const void *bytes,
			     size_t len, gfp_t gfp);
struct obm_int *obm_intern_int(struct obm_heap *heap, s64 n, gfp_t gfp);

/* --- Copies --- */

void *obm_obj_copy(struct obm_obj *obj, gfp_t gfp);
void *obm_obj_deepcopy(struct obm_obj *obj, gfp_t gfp);

/* --- Guards --- */

static inline void obm_obj_drop(void *obj)
{
	if (!IS_ERR_OR_NULL(obj))
		obm_obj_put(obj);
}

static inline struct obm_obj *obm_obj_keep(struct obm_obj *obj)
{
	if (obj)
		obm_obj_get(obj);
	return obj;
}

/*
 * A reference that is given back on every way out of a scope; for any structure
 * that begins with its struct obm_obj:
 *
 *	struct node *node __free(obm_obj_put) = obm_obj_new(heap, …);
 */
DEFINE_FREE(obm_obj_put, void *, obm_obj_drop(_T))

/* The same as a class, that takes the reference too: CLASS(obm_obj, name)(obj); */
DEFINE_CLASS(obm_obj, struct obm_obj *, obm_obj_drop(_T), obm_obj_keep(obj),
	     struct obm_obj *obj)

/**
 * struct obm_held_ref - a link that is cleared at the end of a scope
 * @owner: the object that it is of
 * @ref: the link, or NULL
 */
struct obm_held_ref {
	struct obm_obj *owner;
	struct obm_ref *ref;
};

static inline void obm_held_ref_clear(struct obm_held_ref held)
{
	if (held.ref)
		__obm_ref_clear(held.owner, held.ref);
}

/*
 * A link that an error path takes back:
 *
 *	CLASS(obm_ref, undo)(&a->obj, &a->next.ref);
 *	…
 *	undo.ref = NULL;	(all went well)
 */
DEFINE_CLASS(obm_ref, struct obm_held_ref, obm_held_ref_clear(_T),
	     ((struct obm_held_ref){ .owner = owner, .ref = ref }),
	     struct obm_obj *owner, struct obm_ref *ref)

#endif /* _LINUX_OBM_OBJECT_H */
