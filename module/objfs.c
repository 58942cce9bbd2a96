// SPDX-License-Identifier: GPL-2.0-only
/*
 * debugfs/obmalloc/heaps/<name>: the objects of a heap, and who refers to whom. An
 * object is known by obm_obj_id(). While somebody reads, new objects are made and
 * others die, but no memory of them is freed.
 */
#include "gcfs.h"

#include <linux/debugfs.h>

/* Objects that a graph shows. */
#define GRAPH_MAX	10000

/* Links of an object that may be about to die; not those of one that does. */
static void obj_visit(struct obm_obj *obj, obm_visit_t visit, void *arg)
{
	if (!obm_obj_pin(obj))
		return;
	obm_obj_traverse(obj, visit, arg);
	obm_obj_put_unseen(obj);
}

static int visit_count(struct obm_ref *ref, void *arg)
{
	unsigned int *nr = arg;

	*nr += !!READ_ONCE(ref->target);
	return 0;
}

void obm_fs_show_obj(struct seq_file *m, struct obm_obj *obj)
{
	unsigned int nr = 0;

	obj_visit(obj, visit_count, &nr);
	seq_printf(m, "%016llx %10d %10u %10u %10u %s\n", obm_obj_id(obj),
		   obm_gc_generation(obj), obm_obj_refcount(obj),
		   (unsigned int)atomic_read(&obj->in), nr, obj->kind->name);
}

/* --- By type --- */

static int refs_one(struct obm_obj *obj, int generation, void *arg)
{
	u64 *refs = arg;

	refs[obj->kind->type->nr] += obm_obj_refcount(obj);
	return 0;
}

static void show_kind(struct seq_file *m, struct obm_kind *kind, u64 refs)
{
	unsigned long nr_live = obm_kind_nr_live(kind);
	u64 bytes = kind->cache ? nr_live *
				  obm_cache_usable_size(kind->cache) :
				  atomic_long_read(&kind->live_bytes);

	seq_printf(m, "%-31s %10lu %10lu %12llu ", kind->name, nr_live,
		   obm_kind_nr_cached(kind), bytes);
	/* Objects without links are in no list to be counted by. */
	if (kind->tracked)
		seq_printf(m, "%12llu", refs);
	else
		seq_printf(m, "%12s", "-");
	seq_printf(m, " %12llu %12llu\n", obm_kind_nr_allocs(kind),
		   obm_kind_nr_made(kind));
}

static int objects_show(struct seq_file *m, void *v)
{
	struct obm_gc *gc = obm_gc_of(m->private);
	struct obm_kind *kind;
	u64 *refs;

	seq_puts(m, "# type                                live     cached        bytes         refs       allocs         made\n");
	if (!gc)
		return 0;
	refs = kcalloc(OBM_NR_TYPES, sizeof(*refs), GFP_KERNEL);
	if (!refs)
		return -ENOMEM;
	obm_gc_walk(m->private, refs_one, refs);
	rcu_read_lock();
	list_for_each_entry_rcu(kind, &gc->kind_list, in_gc)
		show_kind(m, kind, refs[kind->nr]);
	rcu_read_unlock();
	kfree(refs);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(objects);

/* --- Who refers to whom --- */

/**
 * struct search - an object that is looked for, or at
 * @m: where to show what is found, or NULL
 * @id: of the object
 * @found: there is such an object
 */
struct search {
	struct seq_file *m;
	u64 id;
	bool found;
};

static int visit_is_it(struct obm_ref *ref, void *arg)
{
	struct obm_obj *target = READ_ONCE(ref->target);
	struct search *search = arg;

	if (!target || obm_obj_id(target) != search->id)
		return 0;
	search->found = true;
	return 1;
}

/* It is the object, or refers to it: leaves are known by that alone. */
static int exists_one(struct obm_obj *obj, int generation, void *arg)
{
	struct search *search = arg;

	if (obm_obj_id(obj) == search->id)
		search->found = true;
	else
		obj_visit(obj, visit_is_it, search);
	return search->found;
}

static int search_set(struct obm_heap *heap, const char *word, u64 *id)
{
	struct search search = { };

	if (kstrtou64(word, 16, &search.id))
		return -EINVAL;
	obm_gc_walk(heap, exists_one, &search);
	if (!search.found)
		return -ENOENT;
	/* There are objects, so there is a collector. */
	WRITE_ONCE(*id, search.id);
	return 0;
}

static int referrers_one(struct obm_obj *obj, int generation, void *arg)
{
	struct search *search = arg;

	search->found = false;
	obj_visit(obj, visit_is_it, search);
	/* Not while it is visited, as the type may hold a lock. */
	if (search->found)
		obm_fs_show_obj(search->m, obj);
	return 0;
}

static int referrers_show(struct seq_file *m, void *v)
{
	struct obm_gc *gc = obm_gc_of(m->private);
	struct search search = { .m = m };

	seq_puts(m, OBM_FS_OBJ_HEADER);
	if (!gc)
		return 0;
	search.id = READ_ONCE(gc->referrers_of);
	return obm_gc_walk(m->private, referrers_one, &search);
}

static int referrers_set(struct obm_heap *heap, char *word)
{
	struct obm_gc *gc = obm_gc_make(heap);

	return gc ? search_set(heap, word, &gc->referrers_of) : -ENOMEM;
}
DEFINE_OBM_ATTRIBUTE(referrers, "referrers");

/**
 * struct referents - what an object refers to
 * @nr: how many there are
 * @max: room for so many
 * @objs: they, pinned
 */
struct referents {
	unsigned int nr;
	unsigned int max;
	struct obm_obj *objs[];
};

static int visit_pin(struct obm_ref *ref, void *arg)
{
	struct obm_obj *target = READ_ONCE(ref->target);
	struct referents *r = arg;

	if (target && r->nr < r->max && obm_obj_pin(target))
		r->objs[r->nr++] = target;
	return 0;
}

/* Pinned first, and shown when the object's type holds no lock any more. */
static int referents_one(struct obm_obj *obj, int generation, void *arg)
{
	struct search *search = arg;
	struct referents *r;
	unsigned int i, nr = 0;

	if (obm_obj_id(obj) != search->id)
		return 0;
	obj_visit(obj, visit_count, &nr);
	r = kvzalloc(struct_size(r, objs, nr), GFP_KERNEL);
	if (!r)
		return -ENOMEM;
	r->max = nr;
	obj_visit(obj, visit_pin, r);
	for (i = 0; i < r->nr; i++) {
		obm_fs_show_obj(search->m, r->objs[i]);
		obm_obj_put_unseen(r->objs[i]);
	}
	kvfree(r);
	return 1;
}

static int referents_show(struct seq_file *m, void *v)
{
	struct obm_gc *gc = obm_gc_of(m->private);
	struct search search = { .m = m };

	seq_puts(m, OBM_FS_OBJ_HEADER);
	if (!gc)
		return 0;
	search.id = READ_ONCE(gc->referents_of);
	return min(obm_gc_walk(m->private, referents_one, &search), 0);
}

static int referents_set(struct obm_heap *heap, char *word)
{
	struct obm_gc *gc = obm_gc_make(heap);

	return gc ? search_set(heap, word, &gc->referents_of) : -ENOMEM;
}
DEFINE_OBM_ATTRIBUTE(referents, "referents");

/* --- The graph --- */

/**
 * struct drawing - a graph for Graphviz
 * @m: where it goes
 * @type: number of the type that is shown, with what it refers to; or 0
 * @id: of the object that is shown, with those that refer to it; or 0
 * @owner: whose links are visited
 * @nr: objects shown
 */
struct drawing {
	struct seq_file *m;
	int type;
	u64 id;
	struct obm_obj *owner;
	unsigned int nr;
};

static bool is_drawn(const struct drawing *d, const struct obm_obj *obj)
{
	if (d->id)
		return obm_obj_id(obj) == d->id;
	return !d->type || obj->kind->nr == d->type;
}

static void draw_node(struct drawing *d, const struct obm_obj *obj)
{
	seq_printf(d->m, "\t\"%016llx\" [label=\"", obm_obj_id(obj));
	seq_escape(d->m, obj->kind->name, "\"\\");
	seq_printf(d->m, "\\n%016llx\\nrefs %u\"];\n", obm_obj_id(obj),
		   obm_obj_refcount(obj));
}

static int visit_draw(struct obm_ref *ref, void *arg)
{
	struct obm_obj *target = READ_ONCE(ref->target);
	struct drawing *d = arg;

	if (!target || (!is_drawn(d, d->owner) && !is_drawn(d, target)))
		return 0;
	seq_printf(d->m, "\t\"%016llx\" -> \"%016llx\";\n",
		   obm_obj_id(d->owner), obm_obj_id(target));
	/* Those that are not drawn by themselves. */
	if (!is_drawn(d, d->owner))
		draw_node(d, d->owner);
	if (!target->kind->tracked || !is_drawn(d, target))
		draw_node(d, target);
	return 0;
}

static int draw_one(struct obm_obj *obj, int generation, void *arg)
{
	struct drawing *d = arg;

	if (d->nr >= GRAPH_MAX)
		return 1;
	if (is_drawn(d, obj)) {
		d->nr++;
		draw_node(d, obj);
	}
	d->owner = obj;
	obj_visit(obj, visit_draw, d);
	return 0;
}

static int graph_show(struct seq_file *m, void *v)
{
	struct obm_heap *heap = m->private;
	struct obm_gc *gc = obm_gc_of(heap);
	struct drawing d = { .m = m };

	seq_puts(m, "digraph \"");
	seq_escape(m, heap->name, "\"\\");
	seq_puts(m, "\" {\n\tnode [shape=box];\n");
	if (gc) {
		d.type = READ_ONCE(gc->graph_type);
		d.id = READ_ONCE(gc->graph_id);
		if (obm_gc_walk(heap, draw_one, &d))
			seq_printf(m, "\t// cut after %u objects\n", d.nr);
	}
	seq_puts(m, "}\n");
	return 0;
}

static int kind_find(struct obm_gc *gc, const char *name)
{
	struct obm_kind *kind;
	int nr = 0;

	rcu_read_lock();
	list_for_each_entry_rcu(kind, &gc->kind_list, in_gc)
		if (!strcmp(kind->name, name))
			nr = kind->nr;
	rcu_read_unlock();
	return nr;
}

/* A type, an object's id, or "all". A type's name comes first. */
static int graph_set(struct obm_heap *heap, char *word)
{
	struct obm_gc *gc = obm_gc_make(heap);
	u64 id = 0;
	int nr, err;

	if (!gc)
		return -ENOMEM;
	nr = kind_find(gc, word);
	if (!nr && *word && strcmp(word, "all")) {
		err = search_set(heap, word, &id);
		if (err)
			return err;
	}
	WRITE_ONCE(gc->graph_type, nr);
	WRITE_ONCE(gc->graph_id, id);
	return 0;
}
DEFINE_OBM_ATTRIBUTE(graph, "graph");

void obm_objfs_add(struct obm_heap *heap)
{
	struct dentry *dir = heap->dir;

	debugfs_create_file("objects", 0400, dir, heap, &objects_fops);
	debugfs_create_file("referrers", 0600, dir, heap, &referrers_fops);
	debugfs_create_file("referents", 0600, dir, heap, &referents_fops);
	debugfs_create_file("graph", 0600, dir, heap, &graph_fops);
}
