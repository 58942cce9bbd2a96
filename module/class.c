// SPDX-License-Identifier: GPL-2.0-only
/*
 * Size classes: arithmetic only, no locks. The table is made once, before the
 * first heap, and only read from then on.
 */
#include "class.h"

struct obm_class obm_classes[OBM_MAX_CLASSES];
unsigned int obm_nr_classes;
unsigned int obm_small_max;

/* Class by size in steps, rounded up; [0] is for requests of no bytes. */
u8 obm_class_of[OBM_SMALL_MAX / OBM_STEP + 1];

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

static void class_set(struct obm_class *class, unsigned int size)
{
	class->size = size;
	class->nr_blocks = PAGE_SIZE / size;
	class->recip = DIV_ROUND_UP_ULL(1ULL << 32, size);
	class->nr_words = BITS_TO_LONGS(class->nr_blocks);
}

/**
 * obm_class_init() - make the table of classes
 * @small_max: the largest size with a class, in bytes, from 8 to OBM_SMALL_MAX;
 *	       rounded up to a multiple of 8
 *
 * Context: Before any heap exists.
 * Return: 0, or -EINVAL where @small_max is out of range, or -E2BIG where it
 * makes more than OBM_MAX_CLASSES classes.
 */
int obm_class_init(unsigned int small_max)
{
	unsigned int size, nr = 0;

	if (small_max < OBM_STEP || small_max > OBM_SMALL_MAX)
		return -EINVAL;
	small_max = round_up(small_max, OBM_STEP);

	/* From the largest down, as a class serves what is below it. */
	for (size = small_max; size; size -= OBM_STEP) {
		if (!nr || !class_serves(&obm_classes[nr - 1], size)) {
			if (nr == OBM_MAX_CLASSES)
				return -E2BIG;
			class_set(&obm_classes[nr++], size);
		}
		obm_class_of[size >> OBM_STEP_SHIFT] = nr - 1;
	}

	/* Numbered from the smallest up, as a reader expects. */
	for (size = 0; size < nr / 2; size++)
		swap(obm_classes[size], obm_classes[nr - 1 - size]);
	for (size = OBM_STEP; size <= small_max; size += OBM_STEP)
		obm_class_of[size >> OBM_STEP_SHIFT] =
			nr - 1 - obm_class_of[size >> OBM_STEP_SHIFT];
	obm_class_of[0] = obm_class_of[1];

	obm_nr_classes = nr;
	obm_small_max = small_max;
	return 0;
}
