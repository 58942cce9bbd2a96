// SPDX-License-Identifier: GPL-2.0-only
/*
 * Size classes: the arithmetic of module/class.c, of which this module has a
 * copy, for every size and for every small_max that a user may choose.
 */
#include "../module/class.c"

#include "common.h"

static const unsigned int small_maxes[] = {
	8, 16, 24, 64, 72, 500, 504, 512, 520, 1000, 1024, 2048, 2056, 4088,
	4096,
};

static void small_max_desc(const unsigned int *small_max, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "small_max=%u", *small_max);
}

KUNIT_ARRAY_PARAM(small_max, small_maxes, small_max_desc);

static void init_table(struct kunit *test)
{
	unsigned int small_max = *(const unsigned int *)test->param_value;

	KUNIT_ASSERT_EQ(test, obm_class_init(small_max), 0);
	KUNIT_ASSERT_EQ(test, obm_small_max, round_up(small_max, 8));
	KUNIT_ASSERT_GT(test, obm_nr_classes, 0U);
	KUNIT_ASSERT_LE(test, obm_nr_classes, OBM_MAX_CLASSES);
}

static void table_is_ordered(struct kunit *test)
{
	const struct obm_class *class = obm_classes;
	unsigned int ci;

	init_table(test);
	for (ci = 0; ci < obm_nr_classes; ci++, class++) {
		if (ci)
			KUNIT_EXPECT_GT(test, class->size, class[-1].size);
		KUNIT_EXPECT_EQ(test, class->size % 8, 0U);
		KUNIT_EXPECT_EQ(test, class->nr_blocks,
				PAGE_SIZE / class->size);
		KUNIT_EXPECT_EQ(test, class->nr_words,
				BITS_TO_LONGS(class->nr_blocks));
		KUNIT_EXPECT_LT(test, class_quant_bytes(class), class->size);
		KUNIT_EXPECT_EQ(test, class_quant_bytes(class),
				PAGE_SIZE % class->size);
	}
	KUNIT_EXPECT_EQ(test, class[-1].size, obm_small_max);
}

/* Every size up to small_max gets what the rule says, nothing smaller. */
static void every_size_has_its_class(struct kunit *test)
{
	unsigned int size, ci;

	init_table(test);
	for (size = 0; size <= min(obm_small_max, 8193U); size++) {
		ci = class_index(size);
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
}

/* Two classes of the same yield differ in alignment, else they were one. */
static void equal_yields_are_merged(struct kunit *test)
{
	const struct obm_class *class;
	unsigned int ci, same = 0;

	init_table(test);
	for (ci = 1; ci < obm_nr_classes; ci++) {
		class = &obm_classes[ci];
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

	init_table(test);
	for (ci = 0; ci < obm_nr_classes; ci++) {
		class = &obm_classes[ci];
		wrong = 0;
		for (offset = 0; offset < 1U << 16; offset++)
			wrong += class_block(class, offset) !=
				 offset / class->size;
		KUNIT_EXPECT_EQ_MSG(test, wrong, 0U, "class of %u bytes",
				    class->size);
	}
}

static void bad_small_max_is_refused(struct kunit *test)
{
	static const unsigned int bad[] = {
		0, 1, 7, OBM_SMALL_MAX + 1, OBM_SMALL_MAX + 8, 8192, 65536,
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
static void default_has_39_classes(struct kunit *test)
{
	if (PAGE_SIZE != 4096)
		kunit_skip(test, "pages are not of 4 KiB");
	KUNIT_ASSERT_EQ(test, obm_class_init(OBM_SMALL_DEFAULT), 0);
	KUNIT_EXPECT_EQ(test, obm_nr_classes, 39U);
	KUNIT_ASSERT_EQ(test, obm_class_init(OBM_SMALL_MAX), 0);
	KUNIT_EXPECT_EQ(test, obm_nr_classes, 48U);
}

/* A small_max in between makes the class that it is rounded up to. */
static void every_small_max_works(struct kunit *test)
{
	unsigned int small_max, up;

	for (small_max = 8; small_max <= OBM_SMALL_MAX; small_max++) {
		up = round_up(small_max, 8);
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
	KUNIT_CASE_PARAM(every_size_has_its_class, small_max_gen_params),
	KUNIT_CASE_PARAM(equal_yields_are_merged, small_max_gen_params),
	KUNIT_CASE_PARAM(blocks_are_aligned, small_max_gen_params),
	KUNIT_CASE_PARAM(recip_divides, small_max_gen_params),
	KUNIT_CASE(bad_small_max_is_refused),
	KUNIT_CASE(default_has_39_classes),
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
