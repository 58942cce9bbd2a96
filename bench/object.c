// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counted objects against what a client has without them: an object of a
 * kmem_cache of its own with a kref in it.
 */
#include "bench.h"

#include <linux/container_of.h>
#include <linux/errno.h>
#include <linux/kref.h>
#include <linux/obm_object.h>

#include "allocator.h"

#define NR_PAIRS	2000
#define NR_BATCHES	101
#define OBJECT_SIZE	64

/**
 * struct counted - an object of either kind, of 64 bytes
 * @obj: obmalloc's
 * @ref: the kernel's
 * @room: all of its bytes
 */
struct counted {
	union {
		struct obm_obj obj;
		struct kref ref;
		char room[OBJECT_SIZE];
	};
};

/* One that the collector has nothing to do with, and one that it has. */
static struct obm_type leaf_type = {
	.name = "bench_leaf",
	.size = sizeof(struct counted),
};

static struct obm_type linked_type = {
	.name = "bench_linked",
	.size = sizeof(struct counted),
	.nr_links = 2,
	.links_offset = sizeof(struct obm_obj),
};

static void counted_release(struct kref *ref)
{
	kmem_cache_free(bench_cache, container_of(ref, struct counted, ref));
}

static __always_inline struct counted *
counted_new(enum bench_kind kind, struct obm_type *type)
{
	struct counted *counted;

	if (kind == BENCH_OBMALLOC)
		return obm_obj_new(bench_heap, type, GFP_KERNEL);
	counted = bench_alloc(kind, OBJECT_SIZE, GFP_KERNEL);
	if (kind == BENCH_KMEM_CACHE && likely(counted))
		kref_init(&counted->ref);
	return counted;
}

static __always_inline void counted_get(enum bench_kind kind,
					struct counted *counted)
{
	if (kind == BENCH_OBMALLOC)
		obm_obj_get(&counted->obj);
	else if (kind == BENCH_KMEM_CACHE)
		kref_get(&counted->ref);
}

static __always_inline void counted_put(enum bench_kind kind,
					struct counted *counted)
{
	if (kind == BENCH_OBMALLOC)
		obm_obj_put(&counted->obj);
	else if (kind == BENCH_KMEM_CACHE)
		kref_put(&counted->ref, counted_release);
}

static __always_inline int new_loop(enum bench_kind kind,
				    struct bench_work *work,
				    struct obm_type *type)
{
	u32 left = work->nr;

	while (left--) {
		struct counted *counted = counted_new(kind, type);

		if (bench_failed(kind, counted))
			return -ENOMEM;
		barrier_data(counted);
		counted_put(kind, counted);
	}
	return 0;
}

static __always_inline int leaf_loop(enum bench_kind kind,
				     struct bench_work *work)
{
	return new_loop(kind, work, &leaf_type);
}

static __always_inline int linked_loop(enum bench_kind kind,
				       struct bench_work *work)
{
	return new_loop(kind, work, &linked_type);
}

DEFINE_BENCH_LOOPS(leaf_loops, leaf_loop);
DEFINE_BENCH_LOOPS(linked_loops, linked_loop);

/* Of one object, which lives: the count alone. */
static __always_inline int getput_loop(enum bench_kind kind,
				       struct bench_work *work)
{
	struct counted *counted = counted_new(kind, &leaf_type);
	u32 left = work->nr;

	if (bench_failed(kind, counted))
		return -ENOMEM;
	while (left--) {
		counted_get(kind, counted);
		barrier_data(counted);
		counted_put(kind, counted);
	}
	counted_put(kind, counted);
	return 0;
}

DEFINE_BENCH_LOOPS(getput_loops, getput_loop);

static int loops_run(const struct bench_case *bc, struct obm_type *type,
		     const bench_loop *loops)
{
	struct bench_work work = {
		.nr = bench_nr(NR_PAIRS), .size = OBJECT_SIZE
	};
	int err = obm_type_register(type);

	if (err)
		return err;
	err = bench_compare(bc, bc->name, loops, &work, NR_BATCHES);
	return obm_type_unregister(type) ?: err;
}

static int object_run(const struct bench_case *bc)
{
	return loops_run(bc, &leaf_type, leaf_loops);
}

static int linked_run(const struct bench_case *bc)
{
	return loops_run(bc, &linked_type, linked_loops);
}

static int getput_run(const struct bench_case *bc)
{
	return loops_run(bc, &leaf_type, getput_loops);
}

const struct bench_case bench_object = {
	.name = "object",
	.what = "counted object of 64 bytes without links: new and put",
	.kinds = BENCH_VS_CACHE,
	.nr_cpus = 1,
	.run = object_run,
};

const struct bench_case bench_object_gc = {
	.name = "object_gc",
	.what = "the same with two links, which the collector knows",
	.kinds = BENCH_VS_CACHE,
	.nr_cpus = 1,
	.run = linked_run,
};

const struct bench_case bench_getput = {
	.name = "getput",
	.what = "get and put of an object that lives",
	.kinds = BENCH_VS_CACHE,
	.nr_cpus = 1,
	.run = getput_run,
};
