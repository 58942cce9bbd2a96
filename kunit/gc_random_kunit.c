// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random graphs against a trivial model: what can be reached from the roots is
 * alive and counted exactly, and after a full collection nothing else is.
 */
#include <linux/moduleparam.h>
#include <linux/prandom.h>
#include <linux/random.h>

#include "object.h"

#define NR_SPOTS	96
#define NR_LINKS	4
#define NR_STEPS	30000
#define NONE		NR_SPOTS

static unsigned int seed;
module_param(seed, uint, 0644);
MODULE_PARM_DESC(seed, "of the random graphs, 0 for a new one each time");

struct vertex_ref {
	OBM_REF(struct vertex);
};

/* Half of its links are in itself, half where only traverse finds them. */
struct vertex {
	struct obm_obj obj;
	struct vertex_ref links[NR_LINKS / 2];
	struct vertex_ref more[NR_LINKS / 2];
	unsigned int at;
};

/**
 * struct spot - what the model knows of a vertex
 * @vertex: it, or NULL
 * @roots: references that the test has
 * @links: which spots it refers to
 * @rescues: its finalizer makes the test have a reference
 * @nr_finalized: times that it was finalized
 * @weak: a weak reference to it, or NULL
 * @nr_called: times that this was called back
 * @reached: scratch
 */
struct spot {
	struct vertex *vertex;
	unsigned int roots;
	unsigned int links[NR_LINKS];
	bool rescues;
	unsigned int nr_finalized;
	struct obm_weakref *weak;
	unsigned int nr_called;
	bool reached;
};

/* Global, for callbacks find it too. */
static struct model {
	struct obm_heap *heap;
	struct spot spots[NR_SPOTS];
	struct rnd_state rnd;
	unsigned long nr_released;
	unsigned long nr_early;
	unsigned long nr_odd;
} model;

static u32 below(u32 end)
{
	return prandom_u32_state(&model.rnd) % end;
}

static int vertex_traverse(struct obm_obj *obj, obm_visit_t visit, void *arg)
{
	struct vertex *vertex = container_of(obj, struct vertex, obj);
	unsigned int i;
	int err = 0;

	for (i = 0; i < ARRAY_SIZE(vertex->more) && !err; i++)
		err = visit(&vertex->more[i].ref, arg);
	return err;
}

static void vertex_finalize(struct obm_obj *obj)
{
	struct vertex *vertex = container_of(obj, struct vertex, obj);
	struct spot *spot = &model.spots[vertex->at];

	spot->nr_finalized++;
	if (!spot->rescues)
		return;
	obm_obj_get(obj);
	spot->roots++;
}

static void vertex_release(struct obm_obj *obj)
{
	struct vertex *vertex = container_of(obj, struct vertex, obj);
	struct spot *spot = &model.spots[vertex->at];
	unsigned int i;

	model.nr_released++;
	if (spot->vertex != vertex || spot->nr_finalized != 1)
		model.nr_odd++;
	/* Whether something else reaches it is seen after the step. */
	if (spot->roots)
		model.nr_early++;
	for (i = 0; i < NR_LINKS; i++)
		spot->links[i] = NONE;
	spot->vertex = NULL;
}

static struct obm_type vertex_type = {
	.name = "vertex",
	.size = sizeof(struct vertex),
	OBM_LINKS(struct vertex, links, NR_LINKS / 2),
	.traverse = vertex_traverse,
	.finalize = vertex_finalize,
	.release = vertex_release,
};

static void called_back(struct obm_weakref *weak, void *arg)
{
	struct spot *spot = arg;

	spot->nr_called++;
}

static void reach_from(unsigned int first)
{
	static unsigned int stack[NR_SPOTS];
	unsigned int nr = 0, i, to;
	struct spot *spot;

	model.spots[first].reached = true;
	stack[nr++] = first;
	while (nr) {
		spot = &model.spots[stack[--nr]];
		for (i = 0; i < NR_LINKS; i++) {
			to = spot->links[i];
			if (to == NONE || model.spots[to].reached)
				continue;
			model.spots[to].reached = true;
			stack[nr++] = to;
		}
	}
}

static void reach(void)
{
	unsigned int i;

	for (i = 0; i < NR_SPOTS; i++)
		model.spots[i].reached = false;
	for (i = 0; i < NR_SPOTS; i++)
		if (model.spots[i].roots && !model.spots[i].reached)
			reach_from(i);
}

/* References to a spot, by the roots and by links of all that are alive. */
static unsigned int refs_to(unsigned int at)
{
	unsigned int nr = model.spots[at].roots, i, j;

	for (i = 0; i < NR_SPOTS; i++)
		for (j = 0; j < NR_LINKS; j++)
			nr += model.spots[i].links[j] == at;
	return nr;
}

static void compare_spot(struct kunit *test, unsigned int at, bool all)
{
	struct spot *spot = &model.spots[at];
	struct obm_obj *obj;

	if (spot->reached || all)
		KUNIT_EXPECT_EQ(test, spot->reached, !!spot->vertex);
	if (spot->vertex) {
		KUNIT_EXPECT_EQ(test, obm_obj_refcount(&spot->vertex->obj),
				refs_to(at));
		KUNIT_EXPECT_GT(test, refs_to(at), 0U);
	}
	if (!spot->weak || (!spot->reached && spot->vertex))
		return;
	/* One that a finalizer rescued has lost its weak references. */
	obj = obm_weakref_get(spot->weak);
	if (spot->nr_called)
		KUNIT_EXPECT_NULL(test, obj);
	else
		KUNIT_EXPECT_PTR_EQ(test, obj, &spot->vertex->obj);
	KUNIT_EXPECT_LE(test, spot->nr_called, 1U);
	if (obj)
		obm_obj_put(obj);
}

static void compare(struct kunit *test, bool all)
{
	unsigned int i;

	reach();
	for (i = 0; i < NR_SPOTS; i++)
		compare_spot(test, i, all);
	KUNIT_EXPECT_EQ(test, model.nr_early, 0UL);
	KUNIT_EXPECT_EQ(test, model.nr_odd, 0UL);
}

static void do_new(struct kunit *test, unsigned int at)
{
	struct spot *spot = &model.spots[at];
	unsigned int i;

	if (spot->weak)
		obm_obj_put(&spot->weak->obj);
	memset(spot, 0, sizeof(*spot));
	for (i = 0; i < NR_LINKS; i++)
		spot->links[i] = NONE;
	spot->rescues = below(16) == 0;
	spot->vertex = object_new(test, model.heap, &vertex_type);
	spot->vertex->at = at;
	spot->roots = 1;
	if (below(4) == 0)
		spot->weak = obm_weakref_new(&spot->vertex->obj, called_back,
					     spot, GFP_KERNEL);
}

/* One that the test can get at, by its own reference or by links from one. */
static unsigned int random_reached(void)
{
	unsigned int i, at = below(NR_SPOTS);

	reach();
	for (i = 0; i < NR_SPOTS; i++, at = (at + 1) % NR_SPOTS)
		if (model.spots[at].reached)
			return at;
	return NONE;
}

static struct obm_ref *ref_of(unsigned int at, unsigned int i)
{
	struct vertex *vertex = model.spots[at].vertex;

	return i < NR_LINKS / 2 ? &vertex->links[i].ref :
				  &vertex->more[i - NR_LINKS / 2].ref;
}

/* The model first: what dies of it tells the model. */
static void do_link(struct kunit *test, unsigned int from)
{
	struct obm_obj *owner = &model.spots[from].vertex->obj;
	unsigned int i = below(NR_LINKS), j = below(NR_LINKS);
	unsigned int to = random_reached(), what = below(8);

	/* As nobody else may hold it when it loses its link. */
	obm_obj_get(owner);
	model.spots[from].roots++;
	if (what == 0) {
		model.spots[from].links[i] = NONE;
		__obm_ref_clear(owner, ref_of(from, i));
	} else if (what == 1 && (from != to || i != j)) {
		model.spots[from].links[i] = model.spots[to].links[j];
		model.spots[to].links[j] = NONE;
		KUNIT_EXPECT_EQ(test,
				__obm_ref_move(owner, ref_of(from, i),
					       &model.spots[to].vertex->obj,
					       ref_of(to, j)), 0);
	} else {
		model.spots[from].links[i] = to;
		KUNIT_EXPECT_EQ(test,
				__obm_ref_set(owner, ref_of(from, i),
					      &model.spots[to].vertex->obj), 0);
	}
	model.spots[from].roots--;
	obm_obj_put(owner);
}

static void do_roots(unsigned int at)
{
	struct spot *spot = &model.spots[at];

	if (below(3) == 0) {
		spot->roots++;
		obm_obj_get(&spot->vertex->obj);
	} else if (spot->roots) {
		spot->roots--;
		obm_obj_put(&spot->vertex->obj);
	}
}

static void do_collect(struct kunit *test, unsigned int generation)
{
	unsigned long before = model.nr_released;
	long nr = obm_gc_collect(model.heap, generation);

	KUNIT_EXPECT_EQ(test, nr, (long)(model.nr_released - before));
	compare(test, generation == 2);
}

static void do_step(struct kunit *test)
{
	unsigned int at = below(NR_SPOTS), reached = random_reached();

	switch (below(64)) {
	case 0:
		return do_collect(test, below(3));
	case 1 ... 16:
		if (!model.spots[at].vertex)
			do_new(test, at);
		return;
	case 17 ... 40:
		if (reached != NONE)
			do_roots(reached);
		return;
	default:
		if (reached != NONE)
			do_link(test, reached);
	}
}

/* Whatever a finalizer rescues, it does so once. */
static void end(struct kunit *test)
{
	unsigned int round, i;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < NR_SPOTS; i++)
			while (model.spots[i].roots) {
				model.spots[i].roots--;
				obm_obj_put(&model.spots[i].vertex->obj);
			}
		do_collect(test, 2);
	}
	for (i = 0; i < NR_SPOTS; i++) {
		KUNIT_EXPECT_NULL(test, model.spots[i].vertex);
		if (!model.spots[i].weak)
			continue;
		KUNIT_EXPECT_EQ(test, model.spots[i].nr_called, 1U);
		obm_obj_put(&model.spots[i].weak->obj);
	}
}

static void graphs_agree_with_the_model(struct kunit *test)
{
	u32 the_seed = seed ?: get_random_u32();
	struct obm_gc_stats stats;
	unsigned int step, i, j;
	u64 nr_collected = 0;

	memset(&model, 0, sizeof(model));
	for (i = 0; i < NR_SPOTS; i++)
		for (j = 0; j < NR_LINKS; j++)
			model.spots[i].links[j] = NONE;
	prandom_seed_state(&model.rnd, the_seed);
	model.heap = object_heap(test);
	for (step = 0; step < NR_STEPS; step++) {
		do_step(test);
		if (step % 16 == 0)
			compare(test, false);
		if (test->status == KUNIT_FAILURE) {
			kunit_err(test, "failed at step %u of seed=%u\n", step,
				  the_seed);
			break;
		}
	}
	end(test);
	for (i = 0; i < OBM_NR_GENERATIONS; i++) {
		KUNIT_EXPECT_EQ(test, obm_gc_stats(model.heap, i, &stats), 0);
		nr_collected += stats.nr_collected;
		KUNIT_EXPECT_EQ(test, stats.nr_uncollectable + stats.nr_doubts,
				0);
	}
	/* Else nothing was tested. */
	KUNIT_EXPECT_GT_MSG(test, nr_collected, 20ULL, "seed=%u", the_seed);
	object_expect_idle(test, model.heap);
}

static struct kunit_case random_cases[] = {
	KUNIT_CASE(graphs_agree_with_the_model),
	{ }
};

static struct kunit_suite random_suite = {
	.name = "obmalloc_gc_random",
	.init = object_test_init,
	.exit = object_test_exit,
	.test_cases = random_cases,
};

kunit_test_suite(random_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of random graphs of obmalloc's objects");
MODULE_LICENSE("GPL");
