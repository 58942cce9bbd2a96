// SPDX-License-Identifier: GPL-2.0-only
/*
 * A thread that does to the collector whatever can be done to it, one thing after
 * the other; the worker collects by itself besides.
 */
#include "graphstress.h"

#include <linux/delay.h>
#include <linux/kthread.h>

/* Finds garbage without freeing it, then lets it be found again. */
static void detect(void)
{
	if (obm_gc_set_mode(gs_heap, OBM_GC_DETECT))
		gs_error(GS_FAILED, NULL);
	obm_gc_collect(gs_heap, 1);
	obm_gc_garbage_count(gs_heap);
	if (obm_gc_set_mode(gs_heap, OBM_GC_FREE))
		gs_error(GS_FAILED, NULL);
}

static void thresholds(struct gs_rnd *rnd)
{
	unsigned int t[OBM_NR_GENERATIONS] = {
		50 + gs_rnd_below(rnd, 2000), 1 + gs_rnd_below(rnd, 10),
		1 + gs_rnd_below(rnd, 10),
	};

	if (obm_gc_set_thresholds(gs_heap, t))
		gs_error(GS_FAILED, NULL);
}

static void look(void)
{
	unsigned int counts[OBM_NR_GENERATIONS];
	struct obm_gc_stats stats;

	obm_gc_counts(gs_heap, counts);
	if (obm_gc_stats(gs_heap, 2, &stats))
		gs_error(GS_FAILED, NULL);
	if (obm_heap_validate(gs_heap))
		gs_error(GS_FAILED, NULL);
}

static void keep(struct gs_rnd *rnd)
{
	switch (gs_rnd_below(rnd, 32)) {
	case 0:
		if (obm_gc_freeze(gs_heap))
			gs_error(GS_FAILED, NULL);
		break;
	case 1 ... 3:
		if (obm_gc_unfreeze(gs_heap))
			gs_error(GS_FAILED, NULL);
		break;
	case 4:
		obm_gc_disable(gs_heap);
		break;
	case 5 ... 7:
		obm_gc_enable(gs_heap);
		break;
	case 8:
		detect();
		break;
	case 9:
		thresholds(rnd);
		break;
	case 10:
		look();
		break;
	case 11:
		obm_obj_flush(gs_heap);
		break;
	case 12 ... 17:
		obm_gc_step(gs_heap);
		break;
	case 18 ... 20:
		obm_gc_collect(gs_heap, 2);
		break;
	default:
		obm_gc_collect(gs_heap, gs_rnd_below(rnd, 2));
	}
}

int gs_keeper(void *data)
{
	struct gs_rnd *rnd = data;

	while (!kthread_should_stop()) {
		keep(rnd);
		usleep_range(50, 100 + gs_rnd_below(rnd, 2000));
	}
	return 0;
}
