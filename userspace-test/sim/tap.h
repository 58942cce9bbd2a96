/* SPDX-License-Identifier: GPL-2.0-only */
/* Results as TAP: a line for each test, nothing else unless something fails. */
#ifndef SIM_TAP_H
#define SIM_TAP_H

#include <stdbool.h>

struct tap_test {
	const char *name;
	void (*run)(void);
};

/* Runs the tests, which call CHECK(); returns main()'s status. */
int tap_run(const struct tap_test *tests, unsigned int nr);

/* The same by hand: a plan, results, and the status in the end. */
void tap_plan(unsigned int nr);
void tap_result(bool ok, const char *fmt, ...) __printf(2, 3);
int tap_status(void);

/* What failed, in the words of the source; the test goes on. */
bool tap_check(bool ok, const char *file, int line, const char *what);
#define CHECK(cond)	tap_check(cond, __FILE__, __LINE__, #cond)
/* Two numbers that must be alike, printed if they are not. */
bool tap_check_eq(unsigned long long a, unsigned long long b, const char *file,
		  int line, const char *what);
#define CHECK_EQ(a, b)	tap_check_eq(a, b, __FILE__, __LINE__, #a " == " #b)
/* Failed checks since the last result. */
unsigned int tap_failures(void);

#endif
