// SPDX-License-Identifier: GPL-2.0-only
/*
 * The model with its choices made by libFuzzer, which looks for those that take
 * the core along new paths. Every step is checked.
 */
#include "model.h"

/* By the name that libFuzzer calls. */
int fuzz_one(const u8 *data, size_t size) __asm__("LLVMFuzzerTestOneInput");

int fuzz_one(const u8 *data, size_t size)
{
	sim_on_death = model_print_where;
	model.slow = true;
	model_run_input(data, size);
	return 0;
}
