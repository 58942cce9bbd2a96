/* SPDX-License-Identifier: GPL-2.0-only */
/* Strings that are shared, for the suites of values. */
#ifndef OBM_KUNIT_INTERN_H
#define OBM_KUNIT_INTERN_H

#include "object.h"

static inline struct obm_bytes *text(struct obm_heap *heap, const char *s)
{
	return obm_intern(heap, s, strlen(s), GFP_KERNEL);
}

static inline void expect_text(struct kunit *test,
			       const struct obm_bytes *bytes, const char *s)
{
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, bytes);
	KUNIT_EXPECT_EQ(test, bytes->len, strlen(s));
	/* With the NUL behind it. */
	KUNIT_EXPECT_EQ(test, memcmp(bytes->data, s, strlen(s) + 1), 0);
}

#endif /* OBM_KUNIT_INTERN_H */
