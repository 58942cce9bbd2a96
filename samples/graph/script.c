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
 * @args: a letter for each argument: v, u: a variable; O: one whose node is used;
 *	  V: and must be there; N: and is no leaf; w: a weak reference; i, j: a
 *	  link of a node; b: 0 or 1; g: a generation; n: a number
 * @fn: does it; with the arguments, and the nodes that are used, each with a
 *	reference: by a finalizer, variables may lose theirs meanwhile
 */
struct command {
	const char *name;
	const char *args;
	int (*fn)(struct graph *graph, const unsigned int *args,
		  struct node **nodes);
};

static int var_keep(struct graph *graph, unsigned int var, struct node *node)
{
	if (IS_ERR_OR_NULL(node))
		return node ? PTR_ERR(node) : -ENOMEM;
	graph_var_set(graph, var, node);
	return 0;
}

static int node_make(struct graph *graph, unsigned int var,
		     enum graph_kind kind, const struct act *act)
{
	return var_keep(graph, var, graph_node_new(graph, kind, act));
}

static int do_new(struct graph *graph, const unsigned int *args,
		  struct node **nodes)
{
	return node_make(graph, args[0], GRAPH_PLAIN, &(struct act) { });
}

static int do_leaf(struct graph *graph, const unsigned int *args,
		   struct node **nodes)
{
	return node_make(graph, args[0], GRAPH_LEAF, &(struct act) { });
}

static int do_final(struct graph *graph, const unsigned int *args,
		    struct node **nodes)
{
	return node_make(graph, args[0], GRAPH_FINAL, &(struct act) { });
}

static int do_saved(struct graph *graph, const unsigned int *args,
		    struct node **nodes)
{
	const struct act act = { GRAPH_SAVES, .var = args[1] };

	return node_make(graph, args[0], GRAPH_FINAL, &act);
}

static int do_drops(struct graph *graph, const unsigned int *args,
		    struct node **nodes)
{
	const struct act act = { GRAPH_DROPS, .var = args[1] };

	return node_make(graph, args[0], GRAPH_FINAL, &act);
}

static int do_cuts(struct graph *graph, const unsigned int *args,
		   struct node **nodes)
{
	const struct act act = { GRAPH_CUTS, .from = args[1] };

	return node_make(graph, args[0], GRAPH_FINAL, &act);
}

static int do_grabs(struct graph *graph, const unsigned int *args,
		    struct node **nodes)
{
	const struct act act = { GRAPH_GRABS, args[1], args[2] };

	return node_make(graph, args[0], GRAPH_FINAL, &act);
}

static int do_link(struct graph *graph, const unsigned int *args,
		   struct node **nodes)
{
	return obm_ref_set(&nodes[0]->obj, &nodes[0]->links[args[1]],
			   nodes[2]);
}

static int do_unlink(struct graph *graph, const unsigned int *args,
		     struct node **nodes)
{
	obm_ref_clear(&nodes[0]->obj, &nodes[0]->links[args[1]]);
	return 0;
}

static int do_move(struct graph *graph, const unsigned int *args,
		   struct node **nodes)
{
	struct node *from = nodes[0], *to = nodes[2];

	return obm_ref_move(&to->obj, &to->links[args[3]], &from->obj,
			    &from->links[args[1]]);
}

static int do_del(struct graph *graph, const unsigned int *args,
		  struct node **nodes)
{
	graph_var_set(graph, args[0], NULL);
	return 0;
}

static int do_take(struct graph *graph, const unsigned int *args,
		   struct node **nodes)
{
	graph_var_set(graph, args[2], obm_ref_get(&nodes[0]->links[args[1]]));
	return 0;
}

static int weak_make(struct graph *graph, unsigned int nr, struct node *node,
		     const struct act *act)
{
	struct obm_weakref *weak = graph_weak_new(graph, node, nr, act);

	if (!weak)
		return -ENOMEM;
	graph_weak_set(graph, nr, weak);
	return 0;
}

static int do_weak(struct graph *graph, const unsigned int *args,
		   struct node **nodes)
{
	const struct act act = { GRAPH_DOES_NOTHING };

	return weak_make(graph, args[1], nodes[0], args[2] ? &act : NULL);
}

static int do_wdrops(struct graph *graph, const unsigned int *args,
		     struct node **nodes)
{
	const struct act act = { GRAPH_DROPS, .var = args[2] };

	return weak_make(graph, args[1], nodes[0], &act);
}

static int do_wgrabs(struct graph *graph, const unsigned int *args,
		     struct node **nodes)
{
	const struct act act = { GRAPH_GRABS, args[2], args[3] };

	return weak_make(graph, args[1], nodes[0], &act);
}

static int do_hold(struct graph *graph, const unsigned int *args,
		   struct node **nodes)
{
	return obm_ref_set(&nodes[0]->obj, &nodes[0]->weak, graph->weaks[args[1]]);
}

static int do_wdel(struct graph *graph, const unsigned int *args,
		   struct node **nodes)
{
	graph_weak_set(graph, args[0], NULL);
	return 0;
}

static int do_deref(struct graph *graph, const unsigned int *args,
		    struct node **nodes)
{
	graph_deref(graph, args[0], args[1]);
	return 0;
}

static int do_collect(struct graph *graph, const unsigned int *args,
		      struct node **nodes)
{
	graph_say(graph, "collected %ld",
		  obm_gc_collect(graph->heap, args[0]));
	return 0;
}

static int do_step(struct graph *graph, const unsigned int *args,
		   struct node **nodes)
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
			struct node **nodes)
{
	return obm_gc_set_thresholds(graph->heap, args);
}

static int do_counts(struct graph *graph, const unsigned int *args,
		     struct node **nodes)
{
	unsigned int counts[OBM_NR_GENERATIONS];

	obm_gc_counts(graph->heap, counts);
	/* Of generation 0 CPython counts what its interpreter makes, too. */
	graph_say(graph, "counts %u %u", counts[1], counts[2]);
	return 0;
}

static int do_enable(struct graph *graph, const unsigned int *args,
		     struct node **nodes)
{
	graph->enabled = true;
	return 0;
}

static int do_disable(struct graph *graph, const unsigned int *args,
		      struct node **nodes)
{
	graph->enabled = false;
	return 0;
}

static int do_freeze(struct graph *graph, const unsigned int *args,
		     struct node **nodes)
{
	return obm_gc_freeze(graph->heap);
}

static int do_unfreeze(struct graph *graph, const unsigned int *args,
		       struct node **nodes)
{
	return obm_gc_unfreeze(graph->heap);
}

static int do_frozen(struct graph *graph, const unsigned int *args,
		     struct node **nodes)
{
	graph_say(graph, "frozen %lu", obm_gc_freeze_count(graph->heap));
	return 0;
}

static int do_copy(struct graph *graph, const unsigned int *args,
		   struct node **nodes)
{
	return var_keep(graph, args[1], obm_obj_copy(&nodes[0]->obj, GFP_KERNEL));
}

static int do_deepcopy(struct graph *graph, const unsigned int *args,
		       struct node **nodes)
{
	return var_keep(graph, args[1],
			obm_obj_deepcopy(&nodes[0]->obj, GFP_KERNEL));
}

static int do_refs(struct graph *graph, const unsigned int *args,
		   struct node **nodes)
{
	/* One is that of the operation. */
	graph_say(graph, "refs %u", obm_obj_refcount(&nodes[0]->obj) - 1);
	return 0;
}

static int do_generation(struct graph *graph, const unsigned int *args,
			 struct node **nodes)
{
	graph_say(graph, "generation %d", obm_gc_generation(&nodes[0]->obj));
	return 0;
}

static int do_finalized(struct graph *graph, const unsigned int *args,
			struct node **nodes)
{
	graph_say(graph, "finalized %d", obm_gc_is_finalized(&nodes[0]->obj));
	return 0;
}

static int do_live(struct graph *graph, const unsigned int *args,
		   struct node **nodes)
{
	graph_say(graph, "live %u", graph->nr_nodes - graph->nr_released);
	return 0;
}

static const struct command commands[] = {
	{ "new", "v", do_new },
	{ "leaf", "v", do_leaf },
	{ "final", "v", do_final },
	{ "saved", "vu", do_saved },
	{ "drops", "vu", do_drops },
	{ "cuts", "vi", do_cuts },
	{ "grabs", "viu", do_grabs },
	{ "link", "NiO", do_link },
	{ "unlink", "Ni", do_unlink },
	{ "move", "NiNj", do_move },
	{ "take", "Niu", do_take },
	{ "del", "v", do_del },
	{ "weak", "Nwb", do_weak },
	{ "wdrops", "Nwu", do_wdrops },
	{ "wgrabs", "Nwwu", do_wgrabs },
	{ "hold", "Nw", do_hold },
	{ "wdel", "w", do_wdel },
	{ "deref", "wu", do_deref },
	{ "copy", "Vu", do_copy },
	{ "deepcopy", "Vu", do_deepcopy },
	{ "collect", "g", do_collect },
	{ "step", "", do_step },
	{ "threshold", "nnn", do_threshold },
	{ "enable", "", do_enable },
	{ "disable", "", do_disable },
	{ "counts", "", do_counts },
	{ "freeze", "", do_freeze },
	{ "unfreeze", "", do_unfreeze },
	{ "frozen", "", do_frozen },
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
	case 'b':
		return 1;
	case 'g':
		return OBM_NR_GENERATIONS - 1;
	case 'n':
		return INT_MAX;
	default:
		return GRAPH_NR_VARS - 1;
	}
}

static int not_a_number(struct graph *graph, unsigned int line,
			const struct command *command, size_t i,
			const char *word)
{
	graph_say(graph, "error: line %u: %s: argument %zu: '%s' is no number up to %u",
		  line, command->name, i + 1, word ?: "",
		  arg_max(command->args[i]));
	return -EINVAL;
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
		    args[i] > arg_max(command->args[i]))
			return not_a_number(graph, line, command, i, word);
	}
	if (rest) {
		graph_say(graph, "error: line %u: %s: '%s' is too much", line,
			  command->name, rest);
		return -EINVAL;
	}
	return 0;
}

/* Takes a reference to each node that is used; says what is there instead. */
static bool nodes_get(struct graph *graph, const struct command *command,
		      const unsigned int *args, struct node **nodes)
{
	unsigned int i;
	char kind;

	for (i = 0; command->args[i]; i++) {
		kind = command->args[i];
		if (kind != 'O' && kind != 'V' && kind != 'N')
			continue;
		nodes[i] = graph->vars[args[i]];
		if (nodes[i])
			obm_obj_get(&nodes[i]->obj);
		if (!nodes[i] && kind != 'O') {
			graph_say(graph, "none");
			return false;
		}
		if (kind == 'N' && graph_node_is_leaf(nodes[i])) {
			graph_say(graph, "leaf");
			return false;
		}
	}
	return true;
}

static int line_run(struct graph *graph, unsigned int nr, char *line)
{
	const struct command *command = commands;
	struct node *nodes[MAX_ARGS] = { };
	unsigned int args[MAX_ARGS] = { };
	char *word = strsep(&line, " ");
	unsigned int i;
	int err = 0;

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
	if (nodes_get(graph, command, args, nodes))
		err = command->fn(graph, args, nodes);
	for (i = 0; i < MAX_ARGS; i++)
		obm_obj_drop(nodes[i]);
	if (err)
		graph_say(graph, "error: line %u: %s: error %d", nr,
			  command->name, err);
	return err;
}

static void vars_drop(struct graph *graph)
{
	unsigned int i;

	for (i = 0; i < GRAPH_NR_VARS; i++)
		graph_var_set(graph, i, NULL);
}

/* What is left is let go of in order, and collected. */
static void script_end(struct graph *graph)
{
	unsigned int i;
	long nr;

	graph_say(graph, "end");
	vars_drop(graph);
	for (i = 0; i < GRAPH_NR_VARS; i++)
		graph_weak_set(graph, i, NULL);
	obm_gc_unfreeze(graph->heap);
	/* Finalizers may have saved some; those run once. */
	for (;;) {
		nr = obm_gc_collect(graph->heap, 2);
		graph_say(graph, "collected %ld", nr);
		if (!nr && !memchr_inv(graph->vars, 0, sizeof(graph->vars)))
			break;
		vars_drop(graph);
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
