// SPDX-License-Identifier: GPL-2.0-only
/* The figures found so far: the last one of each name, allocator, size, metric. */
#include "bench.h"

#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/seq_file.h>
#include <linux/string.h>

#define MAX_RESULTS	1024

/**
 * struct result - a figure
 * @name: what was measured
 * @kind: of whom
 * @size: bytes of a block, 0 if there are several
 * @metric: what was counted, or in which unit
 * @milli: how many thousandths of it
 */
struct result {
	char name[24];
	enum bench_kind kind;
	u32 size;
	char metric[24];
	s64 milli;
};

static struct result results[MAX_RESULTS];
static unsigned int nr_results;

static struct result *result_find(const char *name, enum bench_kind kind,
				  u32 size, const char *metric)
{
	struct result *result;

	for (result = results; result < results + nr_results; result++)
		if (result->kind == kind && result->size == size &&
		    !strcmp(result->name, name) &&
		    !strcmp(result->metric, metric))
			return result;
	return NULL;
}

/**
 * bench_result() - note a figure
 * @name: what was measured
 * @kind: of whom
 * @size: bytes of a block, 0 if there are several
 * @metric: what was counted, or in which unit
 * @milli: how many thousandths of it
 *
 * Context: Process context, one case at a time.
 */
void bench_result(const char *name, enum bench_kind kind, u32 size,
		  const char *metric, s64 milli)
{
	struct result *result = result_find(name, kind, size, metric);

	if (!result) {
		if (WARN_ON_ONCE(nr_results == MAX_RESULTS))
			return;
		result = &results[nr_results++];
		strscpy(result->name, name, sizeof(result->name));
		strscpy(result->metric, metric, sizeof(result->metric));
		result->kind = kind;
		result->size = size;
	}
	result->milli = milli;
}

static void result_show(struct seq_file *m, const struct result *result)
{
	u64 rest, whole = div64_u64_rem(abs(result->milli), 1000, &rest);

	seq_printf(m, "%s,%s,%u,%s,%s%llu", result->name,
		   bench_kind_names[result->kind], result->size,
		   result->metric, result->milli < 0 ? "-" : "", whole);
	if (rest)
		seq_printf(m, ".%03llu", rest);
	seq_putc(m, '\n');
}

/* Lines of case,allocator,size,metric,value. */
void bench_results_show(struct seq_file *m)
{
	const struct result *result;

	for (result = results; result < results + nr_results; result++)
		result_show(m, result);
}
