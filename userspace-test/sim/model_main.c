// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random operations against a trivial model:
 *	model [--seed N] [--ops N] [--slow]
 * In slow mode every number and every invariant is checked after each step.
 */
#include "model.h"

#include <getopt.h>

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "ops", required_argument, NULL, 'o' },
		{ "slow", no_argument, NULL, 'l' },
		{ }
	};
	const unsigned int small_max[] = {
		min(512UL, OBM_SMALL_MAX), OBM_SMALL_MAX, 64, 200,
	};
	u64 ops = 100000;
	unsigned int i;
	int c;

	model.seed = 1;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 's':
			model.seed = strtoull(optarg, NULL, 0);
			break;
		case 'o':
			ops = strtoull(optarg, NULL, 0);
			break;
		case 'l':
			model.slow = true;
			break;
		default:
			return 2;
		}
	}
	sim_on_death = model_print_where;
	tap_plan(ARRAY_SIZE(small_max));
	for (i = 0; i < ARRAY_SIZE(small_max); i++) {
		model_run(ops / ARRAY_SIZE(small_max), small_max[i]);
		tap_result(true, "%llu operations, small_max %u",
			   ops / ARRAY_SIZE(small_max), small_max[i]);
	}
	return tap_status();
}
