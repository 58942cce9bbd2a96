// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shrinker: what heaps hold for nobody goes to who is short of memory.
 *
 * It counts pages in no pool, by node, which is what it can promise. When more
 * is asked for than there are, it also puts back the blocks that wait on CPUs,
 * gives back what falls empty by that, and frees the maps of no pool.
 *
 * It runs inside of any allocation that may sleep, with whatever locks its caller
 * holds: obm_heaps_lock among them, as debugfs allocates under it. So the lock is
 * only tried for, and who does not get it leaves the work to others. A blocking
 * lock of its own would not do better: one reclaimer at a time is enough. Taken,
 * it keeps the heaps from being destroyed meanwhile. Nothing is allocated here.
 */
#include "internal.h"

/*
 * Who sets it is above us, and gives what clients hold: that may take long, so it
 * is done by others, and seen the next time.
 */
const struct obm_shrink_more *obm_shrink_more;

/* The place in obm_heaps of the heap that is the next to give; M. */
static unsigned int shrink_turn;

static struct obm_node *heap_node(struct obm_heap *heap, int nid)
{
	/* Pairs with the cmpxchg in obm_node_get(). */
	return smp_load_acquire(&heap->nodes[nid]);
}

/**
 * obm_shrink_count() - pages of a node that obm_shrink_scan() can give back
 * @nid: number of the node
 *
 * Those that it would get by emptying CPUs are not known and not among them. No
 * lock is taken: a heap that is being destroyed is looked at until a grace period
 * has passed.
 *
 * Context: Any context.
 * Return: how many.
 */
__no_kcsan
unsigned long obm_shrink_count(int nid)
{
	struct obm_heap *heap;
	struct obm_node *node;
	unsigned long nr = 0;

	rcu_read_lock();
	list_for_each_entry_rcu(heap, &obm_heaps, link) {
		node = heap_node(heap, nid);
		if (node)
			nr += READ_ONCE(node->nr_unused);
	}
	rcu_read_unlock();
	return nr;
}
EXPORT_SYMBOL_IF_KUNIT(obm_shrink_count);

/* Up to @nr pages that lie there unused. */
static unsigned long give_unused(struct obm_node *node, unsigned long nr)
{
	return obm_arena_trim(node, nr);
}

/*
 * And those that fall empty when no block waits on a CPU. Other CPUs are
 * interrupted for it, so once a jiffy, as obm_heap_reclaim() does.
 */
static unsigned long give_waiting(struct obm_node *node, unsigned long nr)
{
	struct obm_heap *heap = node->heap;
	bool others = time_after(jiffies, READ_ONCE(heap->reclaimed));
	unsigned long freed;

	WRITE_ONCE(heap->reclaimed, jiffies);
	freed = obm_front_shrink(heap, others);
	if (freed < nr)
		freed += obm_arena_trim(node, nr - freed);
	obm_maps_release(node);
	return freed;
}

/*
 * Asks heap after heap until there are enough pages, and begins with the one
 * after the last that gave some. One that is being destroyed gives all by itself.
 */
static unsigned long shrink_heaps(int nid, unsigned long nr,
				  unsigned long (*give)(struct obm_node *node,
							unsigned long nr))
{
	unsigned int lap, place, first = shrink_turn;
	unsigned long got, freed = 0;
	struct obm_heap *heap;
	struct obm_node *node;

	lockdep_assert_held(&obm_heaps_lock);
	for (lap = 0; lap < 2; lap++) {
		place = 0;
		list_for_each_entry(heap, &obm_heaps, link) {
			/* Those from the first on, then those before it. */
			if ((place++ < first) != lap)
				continue;
			if (freed >= nr)
				return freed;
			node = heap_node(heap, nid);
			if (!node || heap->dying)
				continue;
			got = give(node, nr - freed);
			if (got)
				shrink_turn = place;
			freed += got;
		}
	}
	return freed;
}

/**
 * obm_shrink_scan() - give back pages of a node
 * @nid: number of the node
 * @nr: how many are wanted; as many again as an arena has may come, as one in no
 *	use goes whole
 *
 * Context: Task context, may sleep; any lock may be held but those of level 2.
 * Takes obm_heaps_lock if it is free, and the locks of nodes.
 * Return: how many pages went back, those of other nodes included that fell
 * empty; 0 if some may come later, and more may be asked for; SHRINK_STOP if none
 * did, for then none will.
 */
unsigned long obm_shrink_scan(int nid, unsigned long nr)
{
	const struct obm_shrink_more *more = READ_ONCE(obm_shrink_more);
	unsigned long freed = 0;
	bool later = false;

	if (mutex_trylock(&obm_heaps_lock)) {
		freed = shrink_heaps(nid, nr, give_unused);
		if (freed < nr)
			freed += shrink_heaps(nid, nr - freed, give_waiting);
		mutex_unlock(&obm_heaps_lock);
	}
	if (more && freed < nr)
		later = more->kick(nid, nr - freed);
	return freed || later ? freed : SHRINK_STOP;
}
EXPORT_SYMBOL_IF_KUNIT(obm_shrink_scan);

/*
 * Once nothing lies unused, what magazines have room for tells whether to empty
 * them is worth a try. How many pages that frees, and on which node, is a guess.
 */
static unsigned long waiting_pages(void)
{
	struct obm_heap *heap;
	unsigned long bytes = 0;

	rcu_read_lock();
	list_for_each_entry_rcu(heap, &obm_heaps, link)
		bytes += atomic_long_read(&heap->front_bytes);
	rcu_read_unlock();
	return DIV_ROUND_UP(bytes, 4 * PAGE_SIZE);
}

static unsigned long count_objects(struct shrinker *unused,
				   struct shrink_control *sc)
{
	const struct obm_shrink_more *more = READ_ONCE(obm_shrink_more);
	unsigned long nr = obm_shrink_count(sc->nid) ?: waiting_pages();

	if (more)
		nr += more->count(sc->nid);
	return nr ?: SHRINK_EMPTY;
}

static unsigned long scan_objects(struct shrinker *unused,
				  struct shrink_control *sc)
{
	unsigned long freed = obm_shrink_scan(sc->nid, sc->nr_to_scan);

	if (freed != SHRINK_STOP)
		sc->nr_scanned = max(freed, sc->nr_to_scan);
	return freed;
}

static struct shrinker *shrinker;

int __init obm_shrink_init(void)
{
	shrinker = obm_shrinker_add("obmalloc", count_objects, scan_objects);
	return shrinker ? 0 : -ENOMEM;
}

void obm_shrink_exit(void)
{
	obm_shrinker_del(shrinker);
}
