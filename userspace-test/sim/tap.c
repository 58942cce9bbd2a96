// SPDX-License-Identifier: GPL-2.0-only
#include "tap.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A loop that fails must not fill the screen. */
#define MAX_PRINTED	20

static unsigned int nr_done, nr_failed, failures;

unsigned int tap_failures(void)
{
	return failures;
}

bool tap_check(bool ok, const char *file, int line, const char *what)
{
	const char *base = strrchr(file, '/');

	if (ok)
		return true;
	if (failures++ < MAX_PRINTED)
		printf("# %s:%d: %s\n", base ? base + 1 : file, line, what);
	return false;
}

bool tap_check_eq(unsigned long long a, unsigned long long b, const char *file,
		  int line, const char *what)
{
	if (!tap_check(a == b, file, line, what) && failures <= MAX_PRINTED)
		printf("#   %llu and %llu\n", a, b);
	return a == b;
}

void tap_plan(unsigned int nr)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n1..%u\n", nr);
}

void tap_result(bool ok, const char *fmt, ...)
{
	va_list args;

	ok = ok && !failures;
	printf("%sok %u - ", ok ? "" : "not ", ++nr_done);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	nr_failed += !ok;
	failures = 0;
}

int tap_status(void)
{
	return nr_failed != 0;
}

int tap_run(const struct tap_test *tests, unsigned int nr)
{
	unsigned int i;

	tap_plan(nr);
	for (i = 0; i < nr; i++) {
		tests[i].run();
		tap_result(true, "%s", tests[i].name);
	}
	return tap_status();
}
