// SPDX-License-Identifier: GPL-2.0-only
/*
 * Callbacks of types. While one runs, what dies on this CPU in this context is only
 * noted, and its death comes when the callback has returned: callbacks do not call
 * callbacks, and whoever waits for a lock does not take it again below. For that
 * preemption is disabled; types that may sleep are called by the worker, where nobody
 * waits.
 */
#include "object.h"

#include <linux/sched.h>

/**
 * struct obm_note - objects that die while a callback runs
 * @on: one does, here
 * @first: the first to die
 * @last: where the next one is to be linked
 */
struct obm_note {
	bool on;
	struct obm_obj *first;
	struct obm_obj **last;
};

/* By context: a task, a soft interrupt, a hard one. */
struct notes {
	struct obm_note in[3];
};

static DEFINE_PER_CPU(struct notes, call_notes);

/* With preemption disabled. */
static struct obm_note *note_here(void)
{
	unsigned int in = preempt_count() & OBM_IRQ_MASK;

	return &this_cpu_ptr(&call_notes)->in[!in ? 0 :
					      in & HARDIRQ_MASK ? 2 : 1];
}

static unsigned long task_switches(void)
{
	return current->nvcsw + current->nivcsw;
}

/**
 * obm_call_begin() - before a callback
 * @may_sleep: it is of a type that may
 *
 * Context: Any context but NMI; preemption is disabled until obm_call_end(), unless
 * @may_sleep.
 * Return: for obm_call_end().
 */
struct obm_call obm_call_begin(bool may_sleep)
{
	struct obm_call c = { };

	if (may_sleep)
		return c;
	preempt_disable();
	c.note = note_here();
	c.note->on = true;
	c.note->first = NULL;
	c.note->last = &c.note->first;
	c.count = preempt_count();
	c.switches = task_switches();
	return c;
}

/**
 * obm_call_end() - after a callback
 * @c: from obm_call_begin()
 * @obj: whose callback it was; its memory is there
 * @what: name of the callback
 *
 * A callback that has done what it must not is named.
 *
 * Return: the first of those who have died meanwhile, linked by @waiting; or NULL.
 */
struct obm_obj *obm_call_end(struct obm_call *c, const struct obm_obj *obj,
			     const char *what)
{
	struct obm_obj *first;
	bool slept, uneven;

	if (!c->note)
		return NULL;
	slept = task_switches() != c->switches;
	uneven = preempt_count() != c->count;
	c->note->on = false;
	first = c->note->first;
	*c->note->last = NULL;
	if (!uneven)
		preempt_enable();
	if (unlikely(slept))
		obm_report_object(obm_obj_heap(obj), OBM_BAD_TYPE,
				  obm_obj_type(obj), "%s slept", what);
	if (unlikely(uneven))
		obm_report_object(obm_obj_heap(obj), OBM_BAD_TYPE,
				  obm_obj_type(obj),
				  "%s left preemption as it was not", what);
	return first;
}

/**
 * obm_call_notes() - whether a callback runs here, for which a dead object has to wait
 * @obj: the object
 *
 * Context: Any context but NMI.
 * Return: true if it has been noted.
 */
bool obm_call_notes(struct obm_obj *obj)
{
	struct obm_note *note;
	bool on;

	preempt_disable();
	note = note_here();
	on = note->on;
	if (on) {
		*note->last = obj;
		note->last = &obj->waiting;
	}
	preempt_enable();
	return on;
}
