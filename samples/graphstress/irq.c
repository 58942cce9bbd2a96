// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hard interrupts that take part: an irq_work puts what a thread leaves to it; a
 * timer of high resolution does that too, and changes the graph by itself.
 */
#include "graphstress.h"

#include <linux/version.h>

/* Between two of a thread's; some more at random. */
#define PERIOD_NS	50000

static void put_all(struct gs_thread *thread)
{
	unsigned int i;

	for (i = 0; i < GS_NR_PUTS; i++)
		gs_put(xchg(&thread->puts[i], NULL));
	gs_count(irqs);
}

static void on_work(struct irq_work *work)
{
	put_all(container_of(work, struct gs_thread, work));
}

/* Takes over the caller's reference, and has an interrupt put it. */
void gs_irq_put(struct gs_thread *thread, struct gs_obj *obj)
{
	gs_put(xchg(&thread->puts[gs_rnd_below(&thread->rnd, GS_NR_PUTS)], obj));
	if (gs_rnd_u64(&thread->rnd) & 1)
		irq_work_queue(&thread->work);
}

static void change_graph(u64 rnd)
{
	struct gs_obj *obj, *next;

	switch (rnd >> 60 & 7) {
	case 0:
		gs_root_set(rnd, NULL);
		break;
	case 1:
		obj = gs_new(gs_rnd_type(rnd), rnd,
			     GFP_ATOMIC | __GFP_NOWARN);
		gs_root_set(rnd, obj);
		break;
	case 2:
		gs_put(gs_seen_get(rnd));
		break;
	default:
		obj = gs_root_get(rnd);
		if (!obj)
			break;
		next = gs_follow(obj, rnd >> 32);
		if (next && gs_has_links(next))
			gs_set(next, rnd >> 40, obj);
		gs_put(obj);
		gs_put(next);
	}
}

static enum hrtimer_restart on_timer(struct hrtimer *timer)
{
	struct gs_thread *thread = container_of(timer, struct gs_thread, timer);
	u64 rnd = gs_rnd_u64(&thread->irq_rnd);

	put_all(thread);
	change_graph(rnd);
	hrtimer_forward_now(timer, ns_to_ktime(PERIOD_NS + (rnd & 0xffff)));
	return HRTIMER_RESTART;
}

static void timer_setup_here(struct hrtimer *timer)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
	hrtimer_init(timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	timer->function = on_timer;
#else
	hrtimer_setup(timer, on_timer, CLOCK_MONOTONIC,
		      HRTIMER_MODE_REL_PINNED_HARD);
#endif
}

/* On the CPU of the caller. */
void gs_irq_start(struct gs_thread *thread)
{
	init_irq_work(&thread->work, on_work);
	timer_setup_here(&thread->timer);
	hrtimer_start(&thread->timer, ns_to_ktime(PERIOD_NS),
		      HRTIMER_MODE_REL_PINNED_HARD);
}

void gs_irq_stop(struct gs_thread *thread)
{
	hrtimer_cancel(&thread->timer);
	irq_work_sync(&thread->work);
	put_all(thread);
}
