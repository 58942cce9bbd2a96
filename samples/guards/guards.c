// SPDX-License-Identifier: GPL-2.0-only
/*
 * Error paths that free without being told to: references, links and a heap that go
 * at the end of a scope, unless all went well.
 *
 * A house is made of rooms that know their house, so it is a cycle from its first
 * room on. Each step can fail. Nothing may be left of a house then, and no collector
 * helps: it is disabled. The module counts what is left after each way out, and is
 * not loaded if that is anything.
 */
#include <linux/module.h>
#include <linux/obm_gc.h>
#include <linux/obm_object.h>

struct house_ref {
	OBM_REF(struct house);
};

struct room_ref {
	OBM_REF(struct room);
};

struct house {
	struct obm_obj obj;
	struct room_ref hall;
	struct room_ref kitchen;
};

struct room {
	struct obm_obj obj;
	struct house_ref house;
	unsigned int doors;
};

static struct obm_type house_type = {
	.name = "house",
	.size = sizeof(struct house),
	OBM_LINKS(struct house, hall, 2),
};

static struct obm_type room_type = {
	.name = "room",
	.size = sizeof(struct room),
	OBM_LINKS(struct room, house, 1),
};

static struct obm_heap *guards_heap;
static struct house *guards_house;

/* The step that is to fail, counted down; negative for none. */
static int fail_at;

static bool step_fails(void)
{
	return !fail_at--;
}

static struct room *room_new(struct obm_heap *heap, struct house *house)
{
	struct room *room __free(obm_obj_put) =
		obm_obj_new(heap, &room_type, GFP_KERNEL);

	if (!room || step_fails())
		return NULL;
	room->doors = 1;
	if (obm_ref_set(&room->obj, &room->house, house) || step_fails())
		return NULL;
	/* The reference is the caller's now. */
	return_ptr(room);
}

static struct house *house_new(struct obm_heap *heap)
{
	struct house *house __free(obm_obj_put) =
		obm_obj_new(heap, &house_type, GFP_KERNEL);

	if (!house || step_fails())
		return NULL;

	struct room *hall __free(obm_obj_put) = room_new(heap, house);
	struct room *kitchen __free(obm_obj_put) = room_new(heap, house);

	if (!hall || !kitchen || step_fails())
		return NULL;

	/* Without these, to put the house would not be the end of the cycle. */
	obm_ref_set(&house->obj, &house->hall, hall);
	CLASS(obm_ref, undo_hall)(&house->obj, &house->hall.ref);
	if (step_fails())
		return NULL;
	obm_ref_set(&house->obj, &house->kitchen, kitchen);
	CLASS(obm_ref, undo_kitchen)(&house->obj, &house->kitchen.ref);
	if (step_fails())
		return NULL;

	undo_hall.ref = NULL;
	undo_kitchen.ref = NULL;
	return_ptr(house);
}

/* References for the time of a scope, whichever way that is left. */
static unsigned int house_doors(struct obm_obj *obj)
{
	CLASS(obm_obj, held)(obj);
	struct house *house = container_of(held, struct house, obj);
	struct room *hall __free(obm_obj_put) = obm_ref_get(&house->hall);
	struct room *kitchen __free(obm_obj_put) = obm_ref_get(&house->kitchen);

	if (!hall || !kitchen)
		return 0;
	return hall->doors + kitchen->doors;
}

static u64 nr_left(struct obm_heap *heap)
{
	struct obm_stats stats;

	obm_heap_stats(heap, &stats);
	return stats.nr_blocks;
}

/* How many ways out there are, until a house is made; or an error. */
static int try_all(struct obm_heap *heap)
{
	struct house *new;
	int step;

	for (step = 0; ; step++) {
		fail_at = step;
		new = house_new(heap);
		if (new)
			break;
		if (nr_left(heap)) {
			pr_err("guards: %llu objects are left after step %d\n",
			       nr_left(heap), step);
			return -EBUSY;
		}
	}
	guards_house = new;
	return step;
}

static int heap_fill(void)
{
	struct obm_heap *new __free(obm_heap_destroy) =
		obm_heap_create("guards", NULL);
	int nr;

	if (IS_ERR(new))
		return PTR_ERR(new);
	obm_gc_disable(new);
	nr = try_all(new);
	if (nr < 0)
		return nr;
	pr_info("guards: nothing is left by %d ways out; a house has %u doors\n",
		nr, house_doors(&guards_house->obj));
	guards_heap = no_free_ptr(new);
	return 0;
}

static int __init guards_init(void)
{
	int err = obm_type_register(&house_type);

	if (err)
		return err;
	err = obm_type_register(&room_type);
	if (err)
		goto err_house;
	err = heap_fill();
	if (err)
		goto err_room;
	return 0;

err_room:
	obm_type_unregister(&room_type);
err_house:
	obm_type_unregister(&house_type);
	return err;
}

/* A house is a cycle: the end of the heap collects it. */
static void __exit guards_exit(void)
{
	obm_obj_put(&guards_house->obj);
	obm_heap_destroy(guards_heap);
	obm_type_unregister(&room_type);
	obm_type_unregister(&house_type);
}

module_init(guards_init);
module_exit(guards_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Error paths of a client of obmalloc's objects");
MODULE_IMPORT_NS(OBM_NS);
