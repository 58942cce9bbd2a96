// SPDX-License-Identifier: GPL-2.0-only
/*
 * The grammar: a verb, a heap's name, then key=value words in any order, each
 * key once at most and only where the verb knows it. Words are parted by
 * spaces; a newline may end the line. Numbers are decimal.
 *
 *   create NAME [limit=BYTES] [node=N] [account=0|1] [harden=0|1]
 *				[reclaimable=0|1]
 *   destroy NAME
 *   adopt NAME			take over a heap that an earlier stress.ko left
 *   trim NAME			what obm_heap_trim() says
 *   fill NAME n=N size=S|sizes=A-B [node=N] [gfp=G] [seed=N]
 *   verify NAME		the content of what fill left there
 *   free NAME percent=P [seed=N]	so much of it, chosen at random
 *   run NAME cpus=N ms=N sizes=A-B [ctx=task|irq|mixed] [roam=0|1] [seed=N]
 *				with roam=1 on any CPUs, which may come and go
 *   pass NAME n=N size=S|sizes=A-B [seed=N]	from a CPU to another
 *   rcu NAME cpus=N ms=N sizes=A-B [ctx=task|irq|mixed] [seed=N]
 *				things freed while others look at them
 *   fragment NAME		leave no run of 64 free pages anywhere
 *   mend NAME			and let them merge again
 *   bad NAME kind=KIND [n=N]	mistakes that obmalloc must refuse, see bad.c
 *
 * G is kernel, nowait, atomic or account; no allocation warns of failing.
 */
#include "stress.h"

#include <linux/bitops.h>
#include <linux/cpumask.h>
#include <linux/ctype.h>
#include <linux/errno.h>
#include <linux/kstrtox.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/string.h>

#define MAX_BLOCKS	4000000
#define MAX_MS		60000

enum word {
	KEY_LIMIT,
	KEY_NODE,
	KEY_ACCOUNT,
	KEY_HARDEN,
	KEY_RECLAIMABLE,
	KEY_N,
	KEY_SIZE,
	KEY_SIZES,
	KEY_PERCENT,
	KEY_CPUS,
	KEY_MS,
	KEY_SEED,
	KEY_CTX,
	KEY_ROAM,
	KEY_GFP,
	KEY_KIND,
	NR_KEYS
};

static const char *const key_names[] = {
	[KEY_LIMIT] = "limit",
	[KEY_NODE] = "node",
	[KEY_ACCOUNT] = "account",
	[KEY_HARDEN] = "harden",
	[KEY_RECLAIMABLE] = "reclaimable",
	[KEY_N] = "n",
	[KEY_SIZE] = "size",
	[KEY_SIZES] = "sizes",
	[KEY_PERCENT] = "percent",
	[KEY_CPUS] = "cpus",
	[KEY_MS] = "ms",
	[KEY_SEED] = "seed",
	[KEY_CTX] = "ctx",
	[KEY_ROAM] = "roam",
	[KEY_GFP] = "gfp",
	[KEY_KIND] = "kind",
};

static_assert(ARRAY_SIZE(key_names) == NR_KEYS);

static const char *const ctx_names[] = {
	[STRESS_TASK] = "task",
	[STRESS_IRQ] = "irq",
	[STRESS_MIXED] = "mixed",
};

static const struct {
	const char *name;
	gfp_t gfp;
} gfps[] = {
	{ "kernel", GFP_KERNEL },
	{ "nowait", GFP_NOWAIT },
	{ "atomic", GFP_ATOMIC },
	{ "account", GFP_KERNEL_ACCOUNT },
};

#define SIZES	(BIT(KEY_SIZE) | BIT(KEY_SIZES))

/* Of the keys in one exactly one must be there, in must each, in may any. */
static const struct verb {
	const char *name;
	int (*fn)(struct stress_command *cmd);
	unsigned long one;
	unsigned long must;
	unsigned long may;
} verbs[] = {
	{ "create", stress_create, 0, 0,
	  BIT(KEY_LIMIT) | BIT(KEY_NODE) | BIT(KEY_ACCOUNT) |
	  BIT(KEY_HARDEN) | BIT(KEY_RECLAIMABLE) },
	{ "destroy", stress_destroy },
	{ "adopt", stress_adopt },
	{ "trim", stress_trim },
	{ "fill", stress_fill, SIZES, BIT(KEY_N),
	  BIT(KEY_NODE) | BIT(KEY_GFP) | BIT(KEY_SEED) },
	{ "verify", stress_verify },
	{ "free", stress_free, 0, BIT(KEY_PERCENT), BIT(KEY_SEED) },
	{ "run", stress_run, 0, BIT(KEY_SIZES) | BIT(KEY_CPUS) | BIT(KEY_MS),
	  BIT(KEY_CTX) | BIT(KEY_ROAM) | BIT(KEY_SEED) },
	{ "pass", stress_pass, SIZES, BIT(KEY_N), BIT(KEY_SEED) },
	{ "rcu", stress_rcu, 0, BIT(KEY_SIZES) | BIT(KEY_CPUS) | BIT(KEY_MS),
	  BIT(KEY_CTX) | BIT(KEY_SEED) },
	{ "fragment", stress_fragment },
	{ "mend", stress_mend },
	{ "bad", stress_bad, 0, BIT(KEY_KIND), BIT(KEY_N) },
};

/* kstrtouint() would take a sign and other bases. */
static int parse_u64(const char *text, u64 max, u64 *value)
{
	if (!isdigit(*text) || (text[0] == '0' && text[1]))
		return -EINVAL;
	if (kstrtou64(text, 10, value) || *value > max)
		return -EINVAL;
	return 0;
}

static int parse_uint(const char *text, u64 max, unsigned int *value)
{
	u64 wide;
	int err = parse_u64(text, max, &wide);

	if (!err)
		*value = wide;
	return err;
}

static int parse_sizes(char *text, struct stress_command *cmd)
{
	char *first = strsep(&text, "-");

	if (!text || parse_uint(first, OBM_MAX_BYTES, &cmd->size_min) ||
	    parse_uint(text, OBM_MAX_BYTES, &cmd->size_max) ||
	    cmd->size_min > cmd->size_max)
		return -EINVAL;
	return 0;
}

static int parse_gfp(const char *text, gfp_t *gfp)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(gfps); i++) {
		if (strcmp(text, gfps[i].name))
			continue;
		*gfp = gfps[i].gfp | __GFP_NOWARN;
		return 0;
	}
	return -EINVAL;
}

static int parse_value(struct stress_command *cmd, enum word key, char *text)
{
	unsigned int number = 0;
	int err;

	switch (key) {
	case KEY_LIMIT:
		return parse_u64(text, LONG_MAX, &cmd->limit);
	case KEY_NODE:
		err = parse_uint(text, INT_MAX, &number);
		cmd->node = number;
		return err;
	case KEY_ACCOUNT:
		err = parse_uint(text, 1, &number);
		cmd->account = number;
		return err;
	case KEY_HARDEN:
		err = parse_uint(text, 1, &number);
		cmd->harden = number;
		return err;
	case KEY_RECLAIMABLE:
		err = parse_uint(text, 1, &number);
		cmd->reclaimable = number;
		return err;
	case KEY_N:
		return parse_uint(text, MAX_BLOCKS, &cmd->n);
	case KEY_SIZE:
		err = parse_uint(text, OBM_MAX_BYTES, &cmd->size_min);
		cmd->size_max = cmd->size_min;
		return err;
	case KEY_SIZES:
		return parse_sizes(text, cmd);
	case KEY_PERCENT:
		return parse_uint(text, 100, &cmd->percent);
	case KEY_CPUS:
		err = parse_uint(text, num_online_cpus(), &cmd->cpus);
		return err ?: (cmd->cpus ? 0 : -EINVAL);
	case KEY_MS:
		return parse_uint(text, MAX_MS, &cmd->ms);
	case KEY_SEED:
		return parse_u64(text, U64_MAX, &cmd->seed);
	case KEY_CTX:
		err = match_string(ctx_names, ARRAY_SIZE(ctx_names), text);
		cmd->ctx = err;
		return min(err, 0);
	case KEY_ROAM:
		err = parse_uint(text, 1, &number);
		cmd->roam = number;
		return err;
	case KEY_GFP:
		return parse_gfp(text, &cmd->gfp);
	case KEY_KIND:
		cmd->kind = text;
		return 0;
	default:
		return -EINVAL;
	}
}

/* A word KEY=VALUE. */
static int parse_word(struct stress_command *cmd, const struct verb *verb,
		      char *value)
{
	const char *name = strsep(&value, "=");
	int key = match_string(key_names, NR_KEYS, name);

	if (key < 0 || !((verb->one | verb->must | verb->may) & BIT(key)))
		return stress_refuse(cmd->result, -EINVAL,
				     "%s does not know '%s'", verb->name, name);
	if (!value || !*value)
		return stress_refuse(cmd->result, -EINVAL,
				     "'%s' has no value", name);
	if (cmd->given & BIT(key))
		return stress_refuse(cmd->result, -EINVAL,
				     "'%s' is given twice", name);
	cmd->given |= BIT(key);
	if (parse_value(cmd, key, value))
		return stress_refuse(cmd->result, -EINVAL,
				     "a wrong value for '%s'", name);
	return 0;
}

static int parse_check(const struct stress_command *cmd,
		       const struct verb *verb)
{
	unsigned long missing = verb->must & ~cmd->given;

	if (!missing && verb->one && hweight_long(verb->one & cmd->given) != 1)
		missing = verb->one;
	if (!missing)
		return 0;
	return stress_refuse(cmd->result, -EINVAL, "%s needs '%s'%s",
			     verb->name, key_names[__ffs(missing)],
			     verb->one == missing ? " or 'sizes'" : "");
}

static const struct verb *verb_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

/* The next word of @text, or NULL. */
static char *next_word(char **text)
{
	char *word;

	do {
		word = strsep(text, " ");
	} while (word && !*word);
	return word;
}

/* Does what @text says, which is written to; the answer goes to @result. */
int stress_command_run(char *text, struct stress_result *result)
{
	struct stress_command cmd = {
		.node = NUMA_NO_NODE,
		.n = 1,
		.seed = 1,
		.gfp = GFP_KERNEL | __GFP_NOWARN,
		.result = result,
	};
	size_t len = strlen(text);
	const struct verb *verb;
	char *word;
	int err;

	if (len && text[len - 1] == '\n')
		text[len - 1] = '\0';
	word = next_word(&text);
	verb = word ? verb_find(word) : NULL;
	if (!verb)
		return stress_refuse(result, -EINVAL, "no such command '%s'",
				     word ?: "");
	cmd.name = next_word(&text);
	if (!cmd.name || strchr(cmd.name, '='))
		return stress_refuse(result, -EINVAL,
				     "%s needs the name of a heap", verb->name);
	while ((word = next_word(&text))) {
		err = parse_word(&cmd, verb, word);
		if (err)
			return err;
	}
	return parse_check(&cmd, verb) ?: verb->fn(&cmd);
}
