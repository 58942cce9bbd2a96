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

static bool is_fine(const struct obm_class *class)
{
	return class->size <= OBM_FINE_MAX;
}

static void check_sizes(void)
{
	unsigned int size, last = 0;

	for (size = 0; size <= obm_small_max; size++) {
		unsigned int ci = class_index(size);
		const struct obm_class *class = &obm_classes[ci];

		if (!CHECK(ci < obm_nr_classes && ci >= last))
			return;
		CHECK(class->size >= size && class->size % 8 == 0);
		CHECK(!size || low_bit(class->size) >= align_of(size));
		/* Nothing smaller that is aligned as well has a better yield. */
		if (size && is_fine(class))
			CHECK(PAGE_SIZE / class->size ==
			      PAGE_SIZE / round_up(size, 8));
		/* An eighth of the block is lost at most. */
		if (!is_fine(class) && PAGE_SIZE >= 4096)
			CHECK((class->size - size) * 8 <= class->size);
		last = ci;
	}
	CHECK(last == obm_nr_classes - 1);
	/* Above there is a slot that is never used. */
	for (; size <= OBM_SMALL_MAX; size++)
		CHECK(class_index(size) == obm_nr_slots - 1 &&
		      class_index(size) >= obm_nr_classes);
}

static void check_classes(void)
{
	unsigned int ci;

	for (ci = 0; ci < obm_nr_classes; ci++) {
		const struct obm_class *class = &obm_classes[ci];
		unsigned int bytes = PAGE_SIZE << class->order;

		CHECK(class->nr_blocks == bytes / class->size);
		CHECK(class->nr_words == DIV_ROUND_UP(class->nr_blocks, 64));
		CHECK(class_quant_bytes(class) < class->size);
		CHECK(class_index(class->size) == ci);
		CHECK(class->order <= OBM_POOL_ORDER_MAX);
		CHECK(bytes <= 65536);
		CHECK(class->hot == (class->order ? 0 : class->recip));
		if (is_fine(class))
			CHECK(!class->order);
		else
			CHECK(class->size % 16 == 0);
		if (!is_fine(class) && class->order < OBM_POOL_ORDER_MAX)
			CHECK(class_quant_bytes(class) <= bytes / 64);
		if (!ci)
			continue;
		CHECK(class->size > class[-1].size);
		/* Sizes of one yield are one class, unless alignment forbids. */
		if (is_fine(class) && class->nr_blocks == class[-1].nr_blocks)
			CHECK(low_bit(class->size) < low_bit(class[-1].size));
	}
	CHECK(obm_classes[obm_nr_classes - 1].size == obm_small_max);
}

static void check_offsets(void)
{
	unsigned int ci, offset;

	for (ci = 0; ci < obm_nr_classes; ci++) {
		const struct obm_class *class = &obm_classes[ci];
		bool same = true;

		for (offset = 0; offset < class_pool_bytes(class); offset++) {
			u64 product = (u64)offset * class->recip;

			same &= class_block(class, offset) ==
				offset / class->size;
			same &= ((u32)product < class->recip) ==
				!(offset % class->size);
			same &= class_divides(class, product) ==
				(!class->order && !(offset % class->size));
		}
		if (!CHECK(same))
			printf("#   class of %u bytes\n", class->size);
	}
}

static void test_every_size(void)
{
	unsigned int small_max;

	for (small_max = 11; small_max <= OBM_SMALL_MAX;
	     small_max += small_max < 600 ? 8 : 296) {
		if (!CHECK(obm_class_init(small_max - small_max % 3) == 0))
			break;
		CHECK(obm_small_max >= small_max - small_max % 3);
		check_sizes();
		check_classes();
		if (tap_failures()) {
			printf("#   small_max %u\n", small_max);
			break;
		}
	}
}

static void test_offsets(void)
{
	CHECK(obm_class_init(OBM_SMALL_MAX) == 0);
	check_offsets();
}

/* What callers have compiled in. */
static void test_const(void)
{
	unsigned int size;

	if (PAGE_SIZE != 4096)
		return;
	CHECK(obm_class_init(OBM_SMALL_MAX) == 0);
	for (size = 0; size <= OBM_CONST_MAX; size++) {
		CHECK(obm_const_class(size) == class_index(size));
		CHECK(obm_const_bytes(size) ==
		      obm_classes[class_index(size)].size);
	}
	CHECK(obm_class_init(8) == 0);
	CHECK(obm_nr_slots > obm_const_class(OBM_CONST_MAX) + 1);
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
		CHECK_EQ(obm_nr_classes, 71);
	if (PAGE_SIZE == 65536)
		CHECK_EQ(obm_nr_classes, 96);
	if (PAGE_SIZE != 4096)
		return;
	CHECK(obm_class_init(512) == 0);
	CHECK_EQ(obm_nr_classes, 39);
}

const struct tap_test order_class_tests[] = {
	{ "class: every size, every small_max", test_every_size },
	{ "class: the block of every offset", test_offsets },
	{ "class: those compiled into callers", test_const },
	{ "class: small_max out of range", test_range },
	{ "class: numbers of classes", test_numbers },
};

const unsigned int order_nr_class_tests = ARRAY_SIZE(order_class_tests);
