// SPDX-License-Identifier: GPL-2.0-only
/*
 * Size classes: the arithmetic of module/class.c, of which this module has a
 * copy, for every size and for every small_max that a user may choose.
 */
#include "../module/class.c"

#include "common.h"

static const unsigned int small_maxes[] = {
	8, 16, 24, 64, 72, 500, 504, 512, 520, 1000, 1024, 2048, 2056, 4088,
	4096, 4104, 8184, 8192,
};

static void small_max_desc(const unsigned int *small_max, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "small_max=%u", *small_max);
}

KUNIT_ARRAY_PARAM(small_max, small_maxes, small_max_desc);

/* A small_max in between two classes is that of the upper one. */
static unsigned int effective(unsigned int small_max)
{
	return small_max <= 512 ? round_up(small_max, 8) :
				  obm_usable_wide(small_max);
}

static void init_table(struct kunit *test)
{
	unsigned int small_max = *(const unsigned int *)test->param_value;

	KUNIT_ASSERT_EQ(test, obm_class_init(small_max), 0);
	KUNIT_ASSERT_EQ(test, obm_small_max, effective(small_max));
	KUNIT_ASSERT_GT(test, obm_nr_classes, 0U);
	KUNIT_ASSERT_LE(test, obm_nr_classes, OBM_MAX_CLASSES);
}

static void table_is_ordered(struct kunit *test)
{
	const struct obm_class *class = obm_classes;
	unsigned int ci, pool;

	init_table(test);
	for (ci = 0; ci < obm_nr_classes; ci++, class++) {
		pool = PAGE_SIZE << class->order;
		if (ci)
			KUNIT_EXPECT_GT(test, class->size, class[-1].size);
		KUNIT_EXPECT_EQ(test, class->size % 8, 0U);
		KUNIT_EXPECT_EQ(test, class->nr_blocks, pool / class->size);
		KUNIT_EXPECT_EQ(test, class->nr_words,
				BITS_TO_LONGS(class->nr_blocks));
		KUNIT_EXPECT_EQ(test, class_pool_bytes(class), pool);
		KUNIT_EXPECT_EQ(test, class_quant_bytes(class),
				pool % class->size);
		if (class->size <= OBM_FINE_MAX)
			KUNIT_EXPECT_EQ(test, class->order, 0U);
	}
	KUNIT_EXPECT_EQ(test, class[-1].size, obm_small_max);
}

/* 8 to 15 blocks of a wide class fill a run, and rounding costs an eighth. */
static void wide_classes_waste_little(struct kunit *test)
{
	const struct obm_class *class;
	unsigned int ci, top, pool;

	init_table(test);
	for (ci = 1; ci < obm_nr_classes; ci++) {
		class = &obm_classes[ci];
		if (class->size <= OBM_FINE_MAX)
			continue;
		top = roundup_pow_of_two(class->size);
		pool = PAGE_SIZE << class->order;
		KUNIT_EXPECT_EQ(test, class->size % 16, 0U);
		KUNIT_EXPECT_GE(test, 8 * top / class->size, 8U);
		KUNIT_EXPECT_LE(test, 8 * top / class->size, 15U);
		KUNIT_EXPECT_LE(test, (class->size - class[-1].size) * 8,
				class->size);
		KUNIT_EXPECT_LE(test, class->order, OBM_POOL_ORDER_MAX);
		if (class->order < OBM_POOL_ORDER_MAX)
			KUNIT_EXPECT_LE(test, pool % class->size, pool / 64);
		if (class->size == top)
			KUNIT_EXPECT_EQ(test, pool, max_t(unsigned int, top,
							  PAGE_SIZE));
	}
}

/* Every size up to small_max gets what the rule says, nothing smaller. */
static void every_size_has_its_class(struct kunit *test)
{
	unsigned int size, ci;

	init_table(test);
	for (size = 0; size <= obm_small_max; size++) {
		ci = class_index(size);
		KUNIT_EXPECT_EQ(test, class_offset(size),
				ci * sizeof(struct obm_class));
		KUNIT_ASSERT_LT(test, ci, obm_nr_classes);
		KUNIT_EXPECT_GE(test, obm_classes[ci].size, size);
		KUNIT_EXPECT_EQ_MSG(test, obm_classes[ci].size,
				    obm_usable(size, obm_small_max),
				    "size %u", size);
		/* No smaller class would do. */
		if (ci)
			KUNIT_EXPECT_LT(test, obm_classes[ci - 1].size,
					max(size, 1U));
	}
	/* Above it there is a slot that is no class's. */
	for (; size <= OBM_SMALL_MAX; size++)
		if (size > obm_small_max)
			KUNIT_EXPECT_EQ(test, class_index(size),
					obm_nr_slots - 1);
	KUNIT_EXPECT_GT(test, obm_nr_slots, obm_nr_classes);
}

/* Two classes of the same yield differ in alignment, else they were one. */
static void equal_yields_are_merged(struct kunit *test)
{
	const struct obm_class *class;
	unsigned int ci, same = 0;

	init_table(test);
	for (ci = 1; ci < obm_nr_classes; ci++) {
		class = &obm_classes[ci];
		if (class->size > OBM_FINE_MAX)
			break;
		if (class->nr_blocks != class[-1].nr_blocks) {
			same = 0;
			continue;
		}
		KUNIT_EXPECT_EQ_MSG(test, ++same, 1U,
				    "three classes of %u blocks",
				    class->nr_blocks);
		KUNIT_EXPECT_EQ(test, class->size % 16, 8U);
		KUNIT_EXPECT_EQ(test, class[-1].size, class->size - 8);
	}
}

/* As kmalloc(): a power of two is aligned to itself, k * 16 to 16. */
static void blocks_are_aligned(struct kunit *test)
{
	const struct obm_class *class;
	unsigned int size, low;

	init_table(test);
	for (size = 1; size <= obm_small_max; size++) {
		class = &obm_classes[class_index(size)];
		low = class->size & -class->size;
		KUNIT_EXPECT_GE(test, low, 8U);
		if (is_power_of_2(size))
			KUNIT_EXPECT_GE_MSG(test, low, size, "size %u", size);
		else if (size % 16 == 0)
			KUNIT_EXPECT_GE_MSG(test, low, 16U, "size %u", size);
	}
}

/* The multiplication by the reciprocal is the division, for every offset. */
static void recip_divides(struct kunit *test)
{
	const struct obm_class *class;
	unsigned int ci, offset, wrong;
	u64 product;

	init_table(test);
	for (ci = 0; ci < obm_nr_classes; ci++) {
		class = &obm_classes[ci];
		wrong = 0;
		for (offset = 0; offset < 1U << 16; offset++) {
			bool starts = !(offset % class->size);

			product = (u64)offset * class->recip;
			wrong += class_block(class, offset) !=
				 offset / class->size;
			wrong += ((u32)product < class->recip) != starts;
			wrong += class_divides(class, product) !=
				 (starts && !class->order);
		}
		KUNIT_EXPECT_EQ_MSG(test, wrong, 0U, "class of %u bytes",
				    class->size);
	}
}

/* A pool of no class has no block, wherever a pointer points. */
static void no_class_has_no_block(struct kunit *test)
{
	const struct obm_class *none = &obm_classes[OBM_NO_CLASS];
	unsigned int offset;

	for (offset = 0; offset < 1U << 16; offset++)
		KUNIT_EXPECT_FALSE(test, class_divides(none, (u64)offset *
						       none->recip));
	KUNIT_EXPECT_EQ(test, none->nr_blocks, 0U);
}

static void bad_small_max_is_refused(struct kunit *test)
{
	static const unsigned int bad[] = {
		0, 1, 7, OBM_SMALL_MAX + 1, OBM_SMALL_MAX + 8, 65536,
		INT_MAX, UINT_MAX - 7, UINT_MAX,
	};
	unsigned int i;

	KUNIT_ASSERT_EQ(test, obm_class_init(64), 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		KUNIT_EXPECT_EQ_MSG(test, obm_class_init(bad[i]), -EINVAL,
				    "small_max=%u", bad[i]);
		KUNIT_EXPECT_EQ(test, obm_small_max, 64U);
	}
}

/* The figures of the header's comment, which readers of the table rely on. */
static void default_has_71_classes(struct kunit *test)
{
	if (PAGE_SIZE != 4096)
		kunit_skip(test, "pages are not of 4 KiB");
	KUNIT_ASSERT_EQ(test, obm_class_init(OBM_FINE_MAX), 0);
	KUNIT_EXPECT_EQ(test, obm_nr_classes, 39U);
	KUNIT_ASSERT_EQ(test, obm_class_init(OBM_SMALL_DEFAULT), 0);
	KUNIT_EXPECT_EQ(test, obm_small_max, 8192U);
	KUNIT_EXPECT_EQ(test, obm_nr_classes, 71U);
}

/* What callers have compiled in is what the table says. */
static void constants_agree_with_the_table(struct kunit *test)
{
	unsigned int size;

	if (PAGE_SIZE != 4096)
		kunit_skip(test, "pages are not of 4 KiB");
	KUNIT_ASSERT_EQ(test, obm_class_init(OBM_SMALL_DEFAULT), 0);
	for (size = 0; size <= OBM_CONST_MAX; size++) {
		KUNIT_EXPECT_EQ(test, obm_const_class(size),
				class_index(size));
		KUNIT_EXPECT_EQ(test, obm_const_bytes(size),
				obm_classes[class_index(size)].size);
	}
}

/* Whatever a user chooses, the last class serves it. */
static void every_small_max_works(struct kunit *test)
{
	unsigned int small_max, up;

	for (small_max = 8; small_max <= OBM_SMALL_MAX; small_max++) {
		up = effective(small_max);
		KUNIT_ASSERT_EQ(test, obm_class_init(small_max), 0);
		KUNIT_EXPECT_EQ(test, obm_small_max, up);
		KUNIT_EXPECT_EQ(test, obm_classes[class_index(up)].size, up);
		KUNIT_EXPECT_EQ(test, class_index(up), obm_nr_classes - 1);
		KUNIT_EXPECT_EQ(test, class_index(0), class_index(1));
		KUNIT_EXPECT_EQ(test, class_index(1), 0U);
	}
}

static struct kunit_case class_cases[] = {
	KUNIT_CASE_PARAM(table_is_ordered, small_max_gen_params),
	KUNIT_CASE_PARAM(wide_classes_waste_little, small_max_gen_params),
	KUNIT_CASE_PARAM(every_size_has_its_class, small_max_gen_params),
	KUNIT_CASE_PARAM(equal_yields_are_merged, small_max_gen_params),
	KUNIT_CASE_PARAM(blocks_are_aligned, small_max_gen_params),
	KUNIT_CASE_PARAM(recip_divides, small_max_gen_params),
	KUNIT_CASE(no_class_has_no_block),
	KUNIT_CASE(bad_small_max_is_refused),
	KUNIT_CASE(default_has_71_classes),
	KUNIT_CASE(constants_agree_with_the_table),
	KUNIT_CASE(every_small_max_works),
	{ }
};

static struct kunit_suite class_suite = {
	.name = "obmalloc_class",
	.test_cases = class_cases,
};

kunit_test_suite(class_suite);

MODULE_IMPORT_NS(OBM_NS);
MODULE_DESCRIPTION("KUnit suite of obmalloc's size classes");
MODULE_LICENSE("GPL");
