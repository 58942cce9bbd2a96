/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef OBM_CLASS_H
#define OBM_CLASS_H

#include "seam.h"

/*
 * Block sizes are multiples of 8, the alignment that every block has. It is
 * also KASAN's granule and at least sizeof(u64) on every architecture.
 */
#define OBM_STEP		8U
#define OBM_STEP_SHIFT		3

/* The largest size that may have a class. */
#define OBM_SMALL_MAX		(PAGE_SIZE < 4096 ? PAGE_SIZE : 4096UL)
#define OBM_SMALL_DEFAULT	512U

/*
 * With 4 KiB pages 39 classes reach up to 512 and 48 up to 4096; 64 KiB pages
 * merge fewer sizes and make 190. obm_class_init() refuses what does not fit.
 */
#define OBM_MAX_CLASSES		192

/**
 * struct obm_class - blocks of one size
 * @size: bytes of a block
 * @nr_blocks: blocks in a pool, PAGE_SIZE / @size
 * @recip: 2^32 / @size rounded up, so that for an offset below 2^16
 *	   offset / @size == (offset * @recip) >> 32
 * @nr_words: longs in a pool's map of free blocks, 1 when it is in the pool
 */
struct obm_class {
	u32 size;
	u32 nr_blocks;
	u32 recip;
	u32 nr_words;
};

extern struct obm_class obm_classes[OBM_MAX_CLASSES];
extern unsigned int obm_nr_classes;
extern unsigned int obm_small_max;
extern u8 obm_class_of[OBM_SMALL_MAX / OBM_STEP + 1];

int obm_class_init(unsigned int small_max);

/* The class of a request of @size bytes; @size <= obm_small_max. */
static inline unsigned int class_index(size_t size)
{
	return obm_class_of[(size + OBM_STEP - 1) >> OBM_STEP_SHIFT];
}

/* The block that holds the byte at @offset of a pool, if the pool is so long. */
static inline unsigned int class_block(const struct obm_class *class,
				       unsigned int offset)
{
	return ((u64)offset * class->recip) >> 32;
}

static inline unsigned int class_quant_bytes(const struct obm_class *class)
{
	return PAGE_SIZE - class->nr_blocks * class->size;
}

#endif /* OBM_CLASS_H */
