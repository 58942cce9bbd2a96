/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef OBM_CLASS_H
#define OBM_CLASS_H

#include "seam.h"

#include <linux/obm_front.h>

/*
 * Block sizes are multiples of 8, the alignment that every block has. It is
 * also KASAN's granule and at least sizeof(u64) on every architecture.
 */
#define OBM_STEP		8U
#define OBM_STEP_SHIFT		3

/*
 * Fine classes, in steps of 8 bytes in pools of one page, reach up to an eighth
 * of a page, with 4 KiB pages CPython's 512. Wide ones reach up to two pages.
 */
#define OBM_FINE_MAX		(PAGE_SIZE / 8 < 512 ? PAGE_SIZE / 8 : 512UL)
#define OBM_SMALL_MAX		(2 * PAGE_SIZE < 8192 ? 2 * PAGE_SIZE : 8192UL)
#define OBM_SMALL_DEFAULT	OBM_SMALL_MAX

/* The userspace build shrinks the geometry. */
#ifndef OBM_ARENA_ORDER
#define OBM_ARENA_ORDER		6
#endif

/*
 * A pool has at most 1 << OBM_POOL_ORDER_MAX pages, and so 64 KiB: offsets in it
 * fit into 16 bits, which the arithmetic below needs. It lies within an arena.
 */
#define OBM_POOL_ORDER_MAX	min(16 - PAGE_SHIFT, min(OBM_ARENA_ORDER, 4))

/* 71 with 4 KiB pages, 96 with larger ones. */
#define OBM_MAX_CLASSES		127

/**
 * struct obm_class - blocks of one size
 * @size: bytes of a block
 * @recip: 2^32 / @size rounded up, so that for an offset below 2^16
 *	   offset / @size == (offset * @recip) >> 32
 * @hot: @recip where the hit path of obm_free() may use it, else 0
 * @nr_blocks: blocks in a pool
 * @nr_words: longs in a pool's map of free blocks, 1 when it is in the pool
 * @order: 1 << @order pages in a pool
 */
struct obm_class {
	u32 size;
	u32 recip;
	u32 hot;
	u16 nr_blocks;
	u8 nr_words;
	u8 order;
};

/* The class of a pool that has none: no offset is that of one of its blocks. */
#define OBM_NO_CLASS		OBM_MAX_CLASSES
/* That of a pool that several classes share; its blocks are units. */
#define OBM_MIXED		(OBM_NO_CLASS + 1)

/* As many units in a page as a u64 has bits, if they can be that small. */
#define OBM_UNIT		(PAGE_SIZE / 64 > 8 ? (unsigned int)PAGE_SIZE / 64 : 8U)
#define OBM_UNITS		((unsigned int)PAGE_SIZE / OBM_UNIT)

/* Caches have a class each, from this one on: so many at once, of all heaps. */
#define OBM_CACHE_CLASS		(OBM_NO_CLASS + 2)
#define OBM_NR_CACHES		896U

extern struct obm_class obm_classes[OBM_CACHE_CLASS + OBM_NR_CACHES];
/* A class by its offset in bytes in obm_classes[]; so a slot in its array. */
#define OBM_CLASS_SHIFT		4
static_assert(sizeof(struct obm_class) == BIT(OBM_CLASS_SHIFT));
static_assert(OBM_CACHE_CLASS + OBM_NR_CACHES <= BIT(16 - OBM_CLASS_SHIFT),
	      "a pool knows its class by an offset of 16 bits");

/**
 * struct obm_mixed - the books of a pool that several classes share
 * @free: units in no block
 * @start: units in which a block starts
 * @ci: by such a unit: the class of the block
 */
struct obm_mixed {
	u64 free;
	u64 start;
	u8 ci[64];
};

/* Slots that a heap has on a CPU; the last is of no class and always empty. */
extern unsigned int obm_nr_slots;
extern unsigned int obm_nr_classes;
extern unsigned int obm_small_max;
extern bool obm_compact;
extern u16 obm_class_of[OBM_SMALL_MAX / OBM_STEP + 1];

int obm_class_init(unsigned int small_max);
void obm_class_set_cache(unsigned int ci, unsigned int size);

/*
 * The class of a request of @size bytes, @size <= OBM_SMALL_MAX, by offset; above
 * obm_small_max that behind the last class.
 */
static inline unsigned int class_offset(size_t size)
{
	return obm_class_of[(size + OBM_STEP - 1) >> OBM_STEP_SHIFT];
}

static inline unsigned int class_index(size_t size)
{
	return class_offset(size) >> OBM_CLASS_SHIFT;
}

static inline const struct obm_class *class_at(unsigned int offset)
{
	return (void *)obm_classes + offset;
}

/* The block that holds the byte at @offset of a pool, if the pool is so long. */
static inline unsigned int class_block(const struct obm_class *class,
				       unsigned int offset)
{
	return ((u64)offset * class->recip) >> 32;
}

/*
 * Whether an offset is a multiple of the class's size, told by its @product with
 * hot, of which the upper half is then the quotient.
 * With e = recip * size - 2^32, which is below size, and offset = q * size + r,
 * offset * recip = q * 2^32 + r * recip + q * e: as q * e <= offset < 2^16 <
 * recip, the lower half is below recip exactly if r is 0 (Lemire, Kaser, Kurz:
 * Faster remainder by direct computation).
 */
static inline bool class_divides(const struct obm_class *class, u64 product)
{
	return (u32)product < class->hot;
}

static inline unsigned int class_pool_bytes(const struct obm_class *class)
{
	return PAGE_SIZE << class->order;
}

static inline unsigned int class_quant_bytes(const struct obm_class *class)
{
	return class_pool_bytes(class) - class->nr_blocks * class->size;
}

#endif /* OBM_CLASS_H */
