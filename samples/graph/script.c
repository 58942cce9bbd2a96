// SPDX-License-Identifier: GPL-2.0-only
/*
 * The language: a line an operation, words and numbers with blanks between. What
 * an operation finds is said after what happened by it. Names of nothing are
 * "none"; what cannot be understood ends the script.
 */
#include "graph.h"

#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>

#define MAX_ARGS	4

/**
 * struct command - an operation
 * @name: its word
 * @args: a letter for each argument: v, u: a variable; w: a weak reference;
 *	  i, j: a link of a node; n: a number; where v must have a node, V
 * @fn: does it; with the arguments, and the node of the first V
 */
struct command {
	const char *name;
	const char *args;
	int (*fn)(struct graph *graph, const unsigned int *args,
		  struct node *node);
};

static int var_keep(struct graph *graph, unsigned int var, struct node *node)
{
	if (IS_ERR_OR_NULL(node)) {
		graph_say(graph, "no memory");
		return -ENOMEM;
	}
	graph_var_set(graph, var, node);
	return 0;
}

static int do_new(struct graph *graph, const unsigned int *args,
		  struct node *node)
{
	return var_keep(graph, args[0], graph_node_new(graph, false, -1));
}

static int do_final(struct graph *graph, const unsigned int *args,
		    struct node *node)
{
	return var_keep(graph, args[0], graph_node_new(graph, true, -1));
}

static int do_saved(struct graph *graph, const unsigned int *args,
		    struct node *node)
{
	return var_keep(graph, args[0], graph_node_new(graph, true, args[1]));
}

static int do_link(struct graph *graph, const unsigned int *args,
		   struct node *node)
{
	return obm_ref_set(&node->obj, &node->links[args[1]],
			   graph->vars[args[2]]);
}

static int do_unlink(struct graph *graph, const unsigned int *args,
		     struct node *node)
{
	obm_ref_clear(&node->obj, &node->links[args[1]]);
	return 0;
}

static int do_move(struct graph *graph, const unsigned int *args,
		   struct node *node)
{
	struct node *to = graph->vars[args[2]];

	if (!to) {
		graph_say(graph, "none");
		return 0;
	}
	return obm_ref_move(&to->obj, &to->links[args[3]], &node->obj,
			    &node->links[args[1]]);
}

static int do_del(struct graph *graph, const unsigned int *args,
		  struct node *node)
{
	graph_var_set(graph, args[0], NULL);
	return 0;
}

static int do_take(struct graph *graph, const unsigned int *args,
		   struct node *node)
{
	graph_var_set(graph, args[2], obm_ref_get(&node->links[args[1]]));
	return 0;
}

static int do_weak(struct graph *graph, const unsigned int *args,
		   struct node *node)
{
	struct obm_weakref *weak = graph_weak_new(graph, node, args[1],
						  args[2]);

	if (!weak)
		return -ENOMEM;
	graph_weak_set(graph, args[1], weak);
	return 0;
}

static int do_hold(struct graph *graph, const unsigned int *args,
		   struct node *node)
{
	return obm_ref_set(&node->obj, &node->weak, graph->weaks[args[1]]);
}

static int do_wdel(struct graph *graph, const unsigned int *args,
		   struct node *node)
{
	graph_weak_set(graph, args[0], NULL);
	return 0;
}

static int do_deref(struct graph *graph, const unsigned int *args,
		    struct node *node)
{
	struct obm_weakref *weak = graph->weaks[args[0]];
	struct obm_obj *obj = weak ? obm_weakref_get(weak) : NULL;

	if (obj)
		graph_say(graph, "deref %u",
			  container_of(obj, struct node, obj)->number);
	else
		graph_say(graph, "deref none");
	graph_var_set(graph, args[1],
		      obj ? container_of(obj, struct node, obj) : NULL);
	return 0;
}

static int do_collect(struct graph *graph, const unsigned int *args,
		      struct node *node)
{
	graph_say(graph, "collected %ld",
		  obm_gc_collect(graph->heap, args[0]));
	return 0;
}

static int do_step(struct graph *graph, const unsigned int *args,
		   struct node *node)
{
	int generation = -1;

	if (graph->enabled) {
		obm_gc_enable(graph->heap);
		generation = obm_gc_step(graph->heap);
		obm_gc_disable(graph->heap);
	}
	graph_say(graph, "step %d", generation);
	return 0;
}

static int do_threshold(struct graph *graph, const unsigned int *args,
			struct node *node)
{
	return obm_gc_set_thresholds(graph->heap, args);
}

static int do_counts(struct graph *graph, const unsigned int *args,
		     struct node *node)
{
	unsigned int counts[OBM_NR_GENERATIONS];

	obm_gc_counts(graph->heap, counts);
	/* Of generation 0 CPython counts what its interpreter makes, too. */
	graph_say(graph, "counts %u %u", counts[1], counts[2]);
	return 0;
}

static int do_enable(struct graph *graph, const unsigned int *args,
		     struct node *node)
{
	graph->enabled = true;
	return 0;
}

static int do_disable(struct graph *graph, const unsigned int *args,
		      struct node *node)
{
	graph->enabled = false;
	return 0;
}

static int do_freeze(struct graph *graph, const unsigned int *args,
		     struct node *node)
{
	return obm_gc_freeze(graph->heap);
}

static int do_unfreeze(struct graph *graph, const unsigned int *args,
		       struct node *node)
{
	return obm_gc_unfreeze(graph->heap);
}

static int do_frozen(struct graph *graph, const unsigned int *args,
		     struct node *node)
{
	graph_say(graph, "frozen %lu", obm_gc_freeze_count(graph->heap));
	return 0;
}

static int do_copy(struct graph *graph, const unsigned int *args,
		   struct node *node)
{
	return var_keep(graph, args[1], obm_obj_copy(&node->obj, GFP_KERNEL));
}

static int do_deepcopy(struct graph *graph, const unsigned int *args,
		       struct node *node)
{
	return var_keep(graph, args[1],
			obm_obj_deepcopy(&node->obj, GFP_KERNEL));
}

static int do_refs(struct graph *graph, const unsigned int *args,
		   struct node *node)
{
	graph_say(graph, "refs %u", obm_obj_refcount(&node->obj));
	return 0;
}

static int do_generation(struct graph *graph, const unsigned int *args,
			 struct node *node)
{
	graph_say(graph, "generation %d", obm_gc_generation(&node->obj));
	return 0;
}

static int do_finalized(struct graph *graph, const unsigned int *args,
			struct node *node)
{
	graph_say(graph, "finalized %d", obm_gc_is_finalized(&node->obj));
	return 0;
}

static int do_live(struct graph *graph, const unsigned int *args,
		   struct node *node)
{
	graph_say(graph, "live %u", graph->nr_nodes - graph->nr_released);
	return 0;
}

static const struct command commands[] = {
	{ "new", "v", do_new },
	{ "final", "v", do_final },
	{ "saved", "vu", do_saved },
	{ "link", "Viu", do_link },
	{ "unlink", "Vi", do_unlink },
	{ "move", "Viuj", do_move },
	{ "del", "v", do_del },
	{ "take", "Viu", do_take },
	{ "weak", "Vwn", do_weak },
	{ "hold", "Vw", do_hold },
	{ "wdel", "w", do_wdel },
	{ "deref", "wu", do_deref },
	{ "collect", "n", do_collect },
	{ "step", "", do_step },
	{ "threshold", "nnn", do_threshold },
	{ "counts", "", do_counts },
	{ "enable", "", do_enable },
	{ "disable", "", do_disable },
	{ "freeze", "", do_freeze },
	{ "unfreeze", "", do_unfreeze },
	{ "frozen", "", do_frozen },
	{ "copy", "Vu", do_copy },
	{ "deepcopy", "Vu", do_deepcopy },
	{ "refs", "V", do_refs },
	{ "generation", "V", do_generation },
	{ "finalized", "V", do_finalized },
	{ "live", "", do_live },
};

static unsigned int arg_max(char kind)
{
	switch (kind) {
	case 'i':
	case 'j':
		return GRAPH_NR_LINKS - 1;
	case 'n':
		return UINT_MAX;
	default:
		return GRAPH_NR_VARS - 1;
	}
}

/* The arguments of a line; says what is wrong with them. */
static int args_parse(struct graph *graph, unsigned int line,
		      const struct command *command, char *rest,
		      unsigned int *args)
{
	size_t i, nr = strlen(command->args);
	char *word;

	for (i = 0; i < nr; i++) {
		word = strsep(&rest, " ");
		if (!word || kstrtouint(word, 10, &args[i]) ||
		    args[i] > arg_max(command->args[i])) {
			graph_say(graph, "error: line %u: %s: argument %zu: '%s' is no number up to %u",
				  line, command->name, i + 1, word ?: "",
				  arg_max(command->args[i]));
			return -EINVAL;
		}
	}
	if (rest) {
		graph_say(graph, "error: line %u: %s: '%s' is too much", line,
			  command->name, rest);
		return -EINVAL;
	}
	return 0;
}

static int line_run(struct graph *graph, unsigned int nr, char *line)
{
	unsigned int args[MAX_ARGS] = { };
	const struct command *command = commands;
	struct node *node = NULL;
	char *word = strsep(&line, " ");
	int err;

	while (command < commands + ARRAY_SIZE(commands) &&
	       strcmp(word, command->name))
		command++;
	if (command == commands + ARRAY_SIZE(commands)) {
		graph_say(graph, "error: line %u: '%s' is no operation", nr,
			  word);
		return -EINVAL;
	}
	err = args_parse(graph, nr, command, line, args);
	if (err)
		return err;
	if (command->args[0] == 'V') {
		node = graph->vars[args[0]];
		if (!node) {
			graph_say(graph, "none");
			return 0;
		}
	}
	err = command->fn(graph, args, node);
	if (err)
		graph_say(graph, "error: line %u: %s: error %d", nr,
			  command->name, err);
	return err;
}

/* What is left is let go of in order, and collected. */
static void script_end(struct graph *graph)
{
	unsigned int i;

	graph_say(graph, "end");
	for (i = 0; i < GRAPH_NR_VARS; i++)
		graph_var_set(graph, i, NULL);
	for (i = 0; i < GRAPH_NR_VARS; i++)
		graph_weak_set(graph, i, NULL);
	obm_gc_unfreeze(graph->heap);
	graph_say(graph, "collected %ld", obm_gc_collect(graph->heap, 2));
	/* Finalizers may have saved some; those run once. */
	while (memchr_inv(graph->vars, 0, sizeof(graph->vars))) {
		for (i = 0; i < GRAPH_NR_VARS; i++)
			graph_var_set(graph, i, NULL);
		graph_say(graph, "collected %ld",
			  obm_gc_collect(graph->heap, 2));
	}
	graph_say(graph, "live %u", graph->nr_nodes - graph->nr_released);
}

/**
 * graph_run() - run a script
 * @graph: with an empty heap; gets the answer
 * @script: lines, taken apart
 *
 * Return: 0, or what was wrong with the script.
 */
int graph_run(struct graph *graph, char *script)
{
	unsigned int nr = 0;
	char *line;
	int err = 0;

	obm_gc_disable(graph->heap);
	while (!err && (line = strsep(&script, "\n"))) {
		nr++;
		if (*line && *line != '#')
			err = line_run(graph, nr, line);
	}
	script_end(graph);
	return err;
}
