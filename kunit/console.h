/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What obmalloc prints, caught on its way to the console. A report is part of
 * what a refused mistake must do, so a counter that rose is not enough.
 */
#ifndef OBM_KUNIT_CONSOLE_H
#define OBM_KUNIT_CONSOLE_H

#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/moduleparam.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <trace/events/printk.h>

#include "common.h"

#define CONSOLE_LINES	8
#define CONSOLE_LEN	200

/* report.c prints so many reports in so much time, and only counts the rest. */
#define REPORT_BURST	20U
#define REPORT_INTERVAL	(5 * HZ)

static bool fresh;
module_param(fresh, bool, 0);
MODULE_PARM_DESC(fresh, "no report was printed since obmalloc was loaded");

/**
 * struct console - what obmalloc printed since console_watch()
 * @lock: protects the rest
 * @nr: lines
 * @nr_reports: lines that begin a report
 * @lines: the first of them
 */
static struct {
	raw_spinlock_t lock;
	unsigned int nr;
	unsigned int nr_reports;
	char lines[CONSOLE_LINES][CONSOLE_LEN];
} console = {
	.lock = __RAW_SPIN_LOCK_UNLOCKED(console.lock),
};

/* The text is not terminated, and comes in any context that prints. */
static void console_probe(void *unused, const char *text, size_t len)
{
	unsigned long flags;

	if (len < 10 || strncmp(text, "obmalloc: ", 10))
		return;
	raw_spin_lock_irqsave(&console.lock, flags);
	if (console.nr < CONSOLE_LINES)
		strscpy(console.lines[console.nr], text + 10,
			min_t(size_t, len - 10 + 1, CONSOLE_LEN));
	console.nr++;
	if (strnstr(text, "BUG: OBM: ", len))
		console.nr_reports++;
	raw_spin_unlock_irqrestore(&console.lock, flags);
}

static inline int console_init(struct kunit_suite *suite)
{
	/* For who reads the log for what nobody expected. */
	pr_info("obm-test: expect: BUG: OBM: .* in .*_kunit\\]\n");
	return register_trace_console(console_probe, NULL);
}

static inline void console_exit(struct kunit_suite *suite)
{
	unregister_trace_console(console_probe, NULL);
	tracepoint_synchronize_unregister();
}

static inline void console_watch(void)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&console.lock, flags);
	console.nr = 0;
	console.nr_reports = 0;
	memset(console.lines, 0, sizeof(console.lines));
	raw_spin_unlock_irqrestore(&console.lock, flags);
}

/* Which line holds the text, or -1. */
static inline int console_find(const char *text)
{
	unsigned int i;

	for (i = 0; i < min_t(unsigned int, console.nr, CONSOLE_LINES); i++)
		if (strstr(console.lines[i], text))
			return i;
	return -1;
}

/*
 * Waits until another @nr reports will be printed. Suites that ran before may
 * have used the interval up, so the first call waits for its end, if
 * nobody says that there were none.
 */
static inline void console_room(unsigned int nr)
{
	static unsigned long end;
	static unsigned int left;

	if (fresh)
		left = REPORT_BURST;
	fresh = false;
	if (left < nr) {
		if (!end)
			end = jiffies + REPORT_INTERVAL;
		/* From the report on, which may be late where all is slow. */
		while (time_before_eq(jiffies, end + 1 +
				      (OBM_TEST_SLOWNESS > 1 ? HZ : 0)))
			msleep(20);
		left = REPORT_BURST;
		/* Begins with the next report, so this is not too early. */
		end = 0;
	}
	left -= nr;
	if (!end)
		end = jiffies + REPORT_INTERVAL;
}

/**
 * struct mistake - what is seen of one mistake
 * @heap: whose counters are looked at, or NULL
 * @of_heap: its numbers before
 * @of_all: the numbers of all heaps before
 */
struct mistake {
	struct obm_heap *heap;
	struct obm_stats of_heap;
	struct obm_stats of_all;
};

/* Before a mistake that @heap, or with NULL no heap, is to count. */
static inline void mistake_begin(struct mistake *m, struct obm_heap *heap)
{
	console_room(1);
	m->heap = heap;
	if (heap)
		obm_heap_stats(heap, &m->of_heap);
	obm_heap_stats(NULL, &m->of_all);
	console_watch();
}

/*
 * After it: one report of that title with this module as the caller, one more
 * counted where it should be, and no other number has changed.
 */
static inline void mistake_end(struct kunit *test, struct mistake *m,
			       enum obm_bad bad, const char *what)
{
	static const char *const titles[OBM_NR_BAD] = {
		"foreign pointer", "misaligned pointer", "interior pointer",
		"stale pointer", "double free", "wrong heap", "wrong size",
		"__GFP_NOFAIL above one page", "misbehaving type",
		"bad reference",
	};
	struct obm_stats now;
	char title[80];

	KUNIT_EXPECT_EQ_MSG(test, console.nr_reports, 1U, "%s", what);
	snprintf(title, sizeof(title), "BUG: OBM: %s in ", titles[bad]);
	KUNIT_EXPECT_EQ_MSG(test, console_find(title), 0, "%s: '%s'", what,
			    console.lines[0]);
	KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(console.lines[0],
					       " [" KBUILD_MODNAME "]"),
				  "%s: '%s'", what, console.lines[0]);

	obm_heap_stats(NULL, &now);
	m->of_all.nr_bad[bad]++;
	KUNIT_EXPECT_EQ_MSG(test, memcmp(&now, &m->of_all, sizeof(now)), 0,
			    "%s: sum of heaps", what);
	if (!m->heap)
		return;
	obm_heap_stats(m->heap, &now);
	m->of_heap.nr_bad[bad]++;
	KUNIT_EXPECT_EQ_MSG(test, memcmp(&now, &m->of_heap, sizeof(now)), 0,
			    "%s: heap", what);
	KUNIT_EXPECT_EQ_MSG(test, obm_heap_validate(m->heap), 0, "%s", what);
}

#endif /* OBM_KUNIT_CONSOLE_H */
