/* SPDX-License-Identifier: GPL-2.0-only */
/* Calls in another context than a test's own. */
#ifndef OBM_KUNIT_CONTEXT_H
#define OBM_KUNIT_CONTEXT_H

#include <linux/completion.h>
#include <linux/hrtimer.h>
#include <linux/preempt.h>
#include <linux/timer.h>

#include "common.h"

#define CONTEXT_WAIT	(30 * HZ)

/**
 * struct context - a call in another context
 * @hrtimer: brings the hard interrupt
 * @timer: brings the soft interrupt
 * @done: it has been called
 * @fn: what is called
 * @arg: with this
 * @right: the context was the one asked for
 */
struct context {
	struct hrtimer hrtimer;
	struct timer_list timer;
	struct completion done;
	void (*fn)(void *arg);
	void *arg;
	bool right;
};

static inline enum hrtimer_restart context_hrtimer(struct hrtimer *hrtimer)
{
	struct context *context = container_of(hrtimer, struct context,
					       hrtimer);

	context->right = in_hardirq();
	context->fn(context->arg);
	complete(&context->done);
	return HRTIMER_NORESTART;
}

static inline void context_timer(struct timer_list *timer)
{
	struct context *context = container_of(timer, struct context, timer);

	context->right = in_serving_softirq() && !in_hardirq();
	context->fn(context->arg);
	complete(&context->done);
}

static inline struct context *context_new(struct kunit *test,
					  void (*fn)(void *arg), void *arg)
{
	struct context *context = kunit_kzalloc(test, sizeof(*context),
						GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, context);
	context->fn = fn;
	context->arg = arg;
	init_completion(&context->done);
	return context;
}

/* Calls in a hard interrupt, and returns when that is done. */
static inline void call_in_hardirq(struct kunit *test, void (*fn)(void *arg),
				   void *arg)
{
	struct context *context = context_new(test, fn, arg);
	unsigned long left;

	obm_hrtimer_setup(&context->hrtimer, context_hrtimer, CLOCK_MONOTONIC,
			  HRTIMER_MODE_REL_HARD);
	hrtimer_start(&context->hrtimer, ns_to_ktime(1000),
		      HRTIMER_MODE_REL_HARD);
	left = wait_for_completion_timeout(&context->done, CONTEXT_WAIT);
	hrtimer_cancel(&context->hrtimer);
	KUNIT_EXPECT_NE(test, left, 0UL);
	KUNIT_EXPECT_TRUE(test, context->right);
}

/* The same in a soft interrupt. */
static inline void call_in_softirq(struct kunit *test, void (*fn)(void *arg),
				   void *arg)
{
	struct context *context = context_new(test, fn, arg);
	unsigned long left;

	timer_setup(&context->timer, context_timer, 0);
	mod_timer(&context->timer, jiffies);
	left = wait_for_completion_timeout(&context->done, CONTEXT_WAIT);
	obm_timer_delete_sync(&context->timer);
	KUNIT_EXPECT_NE(test, left, 0UL);
	KUNIT_EXPECT_TRUE(test, context->right);
}

#endif /* OBM_KUNIT_CONTEXT_H */
