// SPDX-License-Identifier: GPL-2.0-only
/*
 * Size classes: arithmetic only, no locks. The table is made once, before the
 * first heap, and only read from then on.
 */
#include "class.h"

struct obm_class obm_classes[OBM_CACHE_CLASS + OBM_NR_CACHES] = {
	[OBM_NO_CLASS] = { .size = PAGE_SIZE },
	/* Not hot: what starts in a unit is not known from the unit alone. */
	[OBM_MIXED] = {
		.size = OBM_UNIT,
		.nr_blocks = OBM_UNITS,
		.nr_words = DIV_ROUND_UP(sizeof(struct obm_mixed),
					 sizeof(long)),
	},
};

unsigned int obm_nr_classes;
unsigned int obm_nr_slots;
unsigned int obm_small_max;
bool obm_compact = true;

/*
 * Class by size in steps, rounded up; [0] is for requests of no bytes. What is
 * kept is the class's offset in its array, which saves the hit path a shift.
 */
u16 obm_class_of[OBM_SMALL_MAX / OBM_STEP + 1];

/*
 * What a request of @size bytes may count on, as from kmalloc(): a power of two
 * is aligned to itself, another multiple of 16 to 16.
 */
static unsigned int size_align(unsigned int size)
{
	unsigned int low = size & -size;

	return low == size ? size : min(low, 16U);
}

/*
 * A class may serve smaller sizes too if as few of them fit into a pool, for
 * then its blocks cost no more, and if its blocks are aligned well enough: 304
 * and 312 both yield 13 blocks of a 4 KiB page, but 312 is no multiple of 16.
 * So among sizes of the same yield the largest makes a class, and where that
 * is an odd multiple of 8 the one below it makes another.
 */
static bool class_serves(const struct obm_class *class, unsigned int size)
{
	return PAGE_SIZE / size == class->nr_blocks &&
	       (class->size & -class->size) >= size_align(size);
}

static void class_set(struct obm_class *class, unsigned int size,
		      unsigned int order)
{
	class->size = size;
	class->order = order;
	class->nr_blocks = (PAGE_SIZE << order) / size;
	class->recip = DIV_ROUND_UP_ULL(1ULL << 32, size);
	class->hot = order ? 0 : class->recip;
	class->nr_words = BITS_TO_LONGS(class->nr_blocks);
}

/*
 * Wide classes: of each doubling of sizes, up to @top, those of which 8 to 15
 * fill a run of 8 * @top bytes. They lie at most an eighth apart, and next to
 * nothing is left over at the end of a pool. Multiples of 16; @top itself
 * divides a smaller run as well and takes the smallest that does.
 */
static unsigned int wide_size(unsigned int top, unsigned int nr)
{
	return round_down(8 * top / nr, 16);
}

static unsigned int wide_order(unsigned int size)
{
	unsigned int bytes, order;

	for (order = 0; order < OBM_POOL_ORDER_MAX; order++) {
		bytes = PAGE_SIZE << order;
		if (bytes >= size && bytes % size <= bytes / 64)
			break;
	}
	return order;
}

/* Adds the wide classes; returns how many classes there are then. */
static unsigned int wide_init(unsigned int nr, unsigned int small_max)
{
	unsigned int top, n, size = OBM_FINE_MAX, below = size;

	for (top = 2 * OBM_FINE_MAX; below < small_max; top *= 2) {
		for (n = 15; n >= 8 && below < small_max; n--) {
			if (nr == OBM_MAX_CLASSES)
				return 0;
			size = wide_size(top, n);
			if (size <= below)
				continue;
			class_set(&obm_classes[nr], size, wide_order(size));
			for (; below < size; below += OBM_STEP)
				obm_class_of[below / OBM_STEP + 1] = nr;
			nr++;
		}
	}
	return nr;
}

/* Fine classes, from the largest down, as one serves what is below it. */
static unsigned int fine_init(unsigned int fine_max)
{
	unsigned int size, i, nr = 0;

	for (size = fine_max; size; size -= OBM_STEP) {
		if (!nr || !class_serves(&obm_classes[nr - 1], size))
			class_set(&obm_classes[nr++], size, 0);
		obm_class_of[size / OBM_STEP] = nr - 1;
	}
	/* Numbered from the smallest up, as a reader expects. */
	for (i = 0; i < nr / 2; i++)
		swap(obm_classes[i], obm_classes[nr - 1 - i]);
	for (size = OBM_STEP; size <= fine_max; size += OBM_STEP)
		obm_class_of[size / OBM_STEP] =
			nr - 1 - obm_class_of[size / OBM_STEP];
	return nr;
}

/**
 * obm_class_init() - make the table of classes
 * @small_max: the largest size with a class, in bytes, from 8 to OBM_SMALL_MAX;
 *	       rounded up to the size of a class
 *
 * Context: Before any heap exists.
 * Return: 0, or -EINVAL where @small_max is out of range, or -E2BIG where it
 * makes more than OBM_MAX_CLASSES classes.
 */
int obm_class_init(unsigned int small_max)
{
	unsigned int nr, i;

	if (small_max < OBM_STEP || small_max > OBM_SMALL_MAX)
		return -EINVAL;
	small_max = round_up(small_max, OBM_STEP);

	nr = fine_init(min_t(unsigned int, small_max, OBM_FINE_MAX));
	nr = wide_init(nr, small_max);
	if (!nr)
		return -E2BIG;
	/* All of what the last class holds, so that a block's size has a class. */
	small_max = obm_classes[nr - 1].size;
	obm_nr_classes = nr;
	/* A caller may have any constant class compiled in. */
	obm_nr_slots = max(nr, obm_const_class(OBM_CONST_MAX) + 1) + 1;
	obm_small_max = small_max;

	/* Above small_max there is a slot that is always empty. */
	for (i = 0; i < ARRAY_SIZE(obm_class_of); i++)
		obm_class_of[i] = (i <= small_max / OBM_STEP ?
				   obm_class_of[i] : obm_nr_slots - 1) <<
				  OBM_CLASS_SHIFT;
	obm_class_of[0] = obm_class_of[1];
	return 0;
}

/*
 * The smallest run of pages of which at most 1/32 is left over at the end, else
 * the one that wastes the least. No costly ones: a cache has no other class to
 * fall back on where memory is fragmented.
 */
static unsigned int cache_order(unsigned int size)
{
	unsigned int order, rest, best = 0, best_rest = UINT_MAX;

	for (order = 0; order <= min(OBM_POOL_ORDER_MAX, 3); order++) {
		unsigned int bytes = PAGE_SIZE << order;

		if (bytes < size)
			continue;
		/* In proportion to the largest run, so that they compare. */
		rest = (bytes % size) << (3 - order);
		if (rest < best_rest) {
			best = order;
			best_rest = rest;
		}
		if (bytes % size <= bytes / 32)
			break;
	}
	return best;
}

/**
 * obm_class_set_cache() - make the class of a cache
 * @ci: its index, which no pool and no pointer to one is of
 * @size: bytes of an object, a multiple of OBM_STEP up to OBM_SMALL_MAX
 *
 * It is not hot: the hit path of obm_free() would look for its slot among the
 * heap's.
 */
void obm_class_set_cache(unsigned int ci, unsigned int size)
{
	struct obm_class class;

	class_set(&class, size, cache_order(size));
	class.hot = 0;
	obm_classes[ci] = class;
}
