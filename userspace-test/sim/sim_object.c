// SPDX-License-Identifier: GPL-2.0-only
/*
 * What heap.c calls of the objects, which the sim has none of: they are tested in
 * kernels, where there are interrupts, grace periods and other CPUs.
 */
#include "sim.h"

#include "internal.h"

void obm_objects_end(struct obm_heap *heap)
{
	if (heap->gc)
		sim_die("a heap of the sim has objects");
}
