// SPDX-License-Identifier: GPL-2.0-only
/* Properties of the table of classes, for every size. */
#include "order.h"

static unsigned int low_bit(unsigned int n)
{
	return n & -n;
}

/* What kmalloc() promises of a size. */
static unsigned int align_of(unsigned int size)
{
	if (size && !(size & (size - 1)))
		return max(size, 8U);
	return size % 16 ? 8 : 16;
}

static void check_sizes(void)
{
	unsigned int size, last = 0;

	for (size = 0; size <= obm_small_max; size++) {
		unsigned int ci = class_index(size);
		const struct obm_class *class = &obm_classes[ci];

		CHECK(ci < obm_nr_classes && ci >= last);
		CHECK(class->size >= size && class->size % 8 == 0);
		CHECK(!size || low_bit(class->size) >= align_of(size));
		/* Nothing smaller that is aligned as well has a better yield. */
		if (size)
			CHECK(PAGE_SIZE / class->size ==
			      PAGE_SIZE / round_up(size, 8));
		last = ci;
	}
	CHECK(last == obm_nr_classes - 1);
}

static void check_classes(void)
{
	unsigned int ci;

	for (ci = 0; ci < obm_nr_classes; ci++) {
		const struct obm_class *class = &obm_classes[ci];

		CHECK(class->nr_blocks == PAGE_SIZE / class->size);
		CHECK(class->nr_words == DIV_ROUND_UP(class->nr_blocks, 64));
		CHECK(class_quant_bytes(class) < class->size);
		CHECK(class_index(class->size) == ci);
		if (!ci)
			continue;
		CHECK(class->size > class[-1].size);
		/* Sizes of one yield are one class, unless alignment forbids. */
		if (class->nr_blocks == class[-1].nr_blocks)
			CHECK(low_bit(class->size) < low_bit(class[-1].size));
	}
	CHECK(obm_classes[obm_nr_classes - 1].size == round_up(obm_small_max, 8));
}

static void check_offsets(void)
{
	unsigned int ci, offset;

	for (ci = 0; ci < obm_nr_classes; ci++) {
		const struct obm_class *class = &obm_classes[ci];
		bool same = true;

		for (offset = 0; offset < PAGE_SIZE; offset++)
			same &= class_block(class, offset) ==
				offset / class->size;
		CHECK(same);
	}
}

static void test_every_size(void)
{
	unsigned int small_max;

	for (small_max = 8; small_max <= OBM_SMALL_MAX;
	     small_max += small_max < 600 ? 1 : 97) {
		if (!CHECK(obm_class_init(small_max) == 0))
			break;
		CHECK(obm_small_max == round_up(small_max, 8));
		check_sizes();
		check_classes();
	}
}

static void test_offsets(void)
{
	CHECK(obm_class_init(OBM_SMALL_MAX) == 0);
	check_offsets();
	CHECK(obm_class_init(min(520UL, OBM_SMALL_MAX)) == 0);
	check_offsets();
}

static void test_range(void)
{
	CHECK(obm_class_init(0) == -EINVAL);
	CHECK(obm_class_init(7) == -EINVAL);
	CHECK(obm_class_init(OBM_SMALL_MAX + 1) == -EINVAL);
	CHECK(obm_class_init(UINT_MAX) == -EINVAL);
}

/* As class.h says. */
static void test_numbers(void)
{
	CHECK(obm_class_init(OBM_SMALL_MAX) == 0);
	if (PAGE_SIZE == 4096)
		CHECK_EQ(obm_nr_classes, 48);
	if (PAGE_SIZE == 65536)
		CHECK_EQ(obm_nr_classes, 190);
	if (PAGE_SIZE != 4096)
		return;
	CHECK(obm_class_init(OBM_SMALL_DEFAULT) == 0);
	CHECK_EQ(obm_nr_classes, 39);
}

const struct tap_test order_class_tests[] = {
	{ "class: every size, every small_max", test_every_size },
	{ "class: the block of every offset", test_offsets },
	{ "class: small_max out of range", test_range },
	{ "class: numbers of classes", test_numbers },
};

const unsigned int order_nr_class_tests = ARRAY_SIZE(order_class_tests);
