// SPDX-License-Identifier: GPL-2.0-only
/* Nodes and what happens to them, which is written down as it happens. */
#include "graph.h"

#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/stdarg.h>

/* Adds a line to the answer. In any context. */
void graph_say(struct graph *graph, const char *fmt, ...)
{
	unsigned long flags;
	va_list args;
	size_t room;

	va_start(args, fmt);
	raw_spin_lock_irqsave(&graph->lock, flags);
	if (graph->len < GRAPH_ANSWER_MAX) {
		room = GRAPH_ANSWER_MAX - graph->len;
		graph->len += vsnprintf(graph->answer + graph->len, room, fmt,
					args);
		if (graph->len < GRAPH_ANSWER_MAX)
			graph->answer[graph->len++] = '\n';
	}
	raw_spin_unlock_irqrestore(&graph->lock, flags);
	va_end(args);
}

static struct node *to_node(struct obm_obj *obj)
{
	return container_of(obj, struct node, obj);
}

/* Takes over a reference, and lets go of the one that was there. */
void graph_var_set(struct graph *graph, unsigned int var, struct node *node)
{
	struct node *old = graph->vars[var];

	graph->vars[var] = node;
	obm_obj_drop(old);
}

void graph_weak_set(struct graph *graph, unsigned int nr,
		    struct obm_weakref *weak)
{
	struct obm_weakref *old = graph->weaks[nr];

	graph->weaks[nr] = weak;
	obm_obj_drop(old);
}

/* Says what a weak reference refers to, and puts it into a variable. */
void graph_deref(struct graph *graph, unsigned int nr, unsigned int var)
{
	struct obm_weakref *weak = graph->weaks[nr];
	struct obm_obj *obj = weak ? obm_weakref_get(weak) : NULL;
	struct node *node = obj ? to_node(obj) : NULL;

	if (node)
		graph_say(graph, "deref %u", node->number);
	else
		graph_say(graph, "deref none");
	graph_var_set(graph, var, node);
}

/* --- Types --- */

static void release_say(struct graph *graph, unsigned int number)
{
	graph->nr_released++;
	graph_say(graph, "release %u", number);
}

static void token_release(struct obm_obj *obj)
{
	struct token *token = container_of(obj, struct token, obj);

	release_say(token->graph, token->number);
}

static struct obm_type token_type = {
	.name = "token",
	.size = sizeof(struct token),
	.flags = OBM_TYPE_IMMUTABLE,
	.release = token_release,
};

static void node_name(struct node *node, struct graph *graph)
{
	node->graph = graph;
	node->number = ++graph->nr_nodes;
}

/* Gives a node its number, and a token of it. */
static int node_init(struct node *node, struct graph *graph, gfp_t gfp)
{
	struct token *token __free(obm_obj_put) =
		obm_obj_new(graph->heap, &token_type, gfp);

	if (!token)
		return -ENOMEM;
	node_name(node, graph);
	token->graph = graph;
	token->number = node->number;
	return obm_ref_set(&node->obj, &node->token, token);
}

static int node_copy(struct obm_obj *to, struct obm_obj *from, gfp_t gfp)
{
	struct node *node = to_node(to), *old = to_node(from);
	unsigned int i;
	int err;

	node->act = old->act;
	err = node_init(node, old->graph, gfp);
	for (i = 0; !err && i < GRAPH_NR_LINKS; i++)
		err = obm_ref_set(to, &node->links[i],
				  obm_ref_peek(&old->links[i]));
	return err ?: obm_ref_set(to, &node->weak, obm_ref_peek(&old->weak));
}

static void node_finalize(struct obm_obj *obj)
{
	struct node *node = to_node(obj), *saved = node;
	const struct act *act = &node->act;

	graph_say(node->graph, "finalize %u", node->number);
	switch (act->deed) {
	case GRAPH_DOES_NOTHING:
		break;
	case GRAPH_SAVES:
		obm_obj_get(obj);
		graph_var_set(node->graph, act->var, saved);
		break;
	case GRAPH_DROPS:
		graph_var_set(node->graph, act->var, NULL);
		break;
	case GRAPH_CUTS:
		obm_ref_clear(obj, &node->links[act->from]);
		break;
	case GRAPH_GRABS:
		saved = obm_ref_get(&node->links[act->from]);
		graph_var_set(node->graph, act->var, saved);
		break;
	}
}

static int leaf_copy(struct obm_obj *to, struct obm_obj *from, gfp_t gfp)
{
	node_name(to_node(to), to_node(from)->graph);
	return 0;
}

static void leaf_release(struct obm_obj *obj)
{
	struct node *node = to_node(obj);

	/* A copy that was not finished has no name. */
	if (node->graph)
		release_say(node->graph, node->number);
}

static struct obm_type node_types[GRAPH_NR_KINDS] = {
	[GRAPH_LEAF] = {
		.name = "leaf",
		.size = sizeof(struct node),
		.release = leaf_release,
		.copy = leaf_copy,
	},
	[GRAPH_PLAIN] = {
		.name = "plain",
		.size = sizeof(struct node),
		OBM_LINKS(struct node, token, GRAPH_NR_LINKS + 2),
		.copy = node_copy,
	},
	[GRAPH_FINAL] = {
		.name = "final",
		.size = sizeof(struct node),
		OBM_LINKS(struct node, token, GRAPH_NR_LINKS + 2),
		.finalize = node_finalize,
		.copy = node_copy,
	},
};

bool graph_node_is_leaf(const struct node *node)
{
	return obm_obj_type(&node->obj) == &node_types[GRAPH_LEAF];
}

/* A node, with a reference for the caller, or NULL. */
struct node *graph_node_new(struct graph *graph, enum graph_kind kind,
			    const struct act *act)
{
	struct node *node = obm_obj_new(graph->heap, &node_types[kind],
					GFP_KERNEL);

	if (!node)
		return NULL;
	node->act = *act;
	if (kind == GRAPH_LEAF) {
		node_name(node, graph);
	} else if (node_init(node, graph, GFP_KERNEL)) {
		obm_obj_put(&node->obj);
		return NULL;
	}
	return node;
}

int graph_types_register(void)
{
	int i, err = obm_type_register(&token_type);

	if (err)
		return err;
	for (i = 0; i < GRAPH_NR_KINDS; i++) {
		err = obm_type_register(&node_types[i]);
		if (err)
			goto err_nodes;
	}
	return 0;

err_nodes:
	while (i--)
		obm_type_unregister(&node_types[i]);
	obm_type_unregister(&token_type);
	return err;
}

void graph_types_unregister(void)
{
	int i = GRAPH_NR_KINDS;

	while (i--)
		obm_type_unregister(&node_types[i]);
	obm_type_unregister(&token_type);
}

/* --- Weak references --- */

/**
 * struct callback - what the callback of a weak reference does
 * @in_graph: in graph->callbacks
 * @graph: told
 * @number: of the weak reference
 * @act: then
 */
struct callback {
	struct list_head in_graph;
	struct graph *graph;
	unsigned int number;
	struct act act;
};

static void weak_called(struct obm_weakref *weak, void *arg)
{
	const struct callback *callback = arg;
	const struct act *act = &callback->act;

	graph_say(callback->graph, "callback %u", callback->number);
	if (act->deed == GRAPH_DROPS)
		graph_var_set(callback->graph, act->var, NULL);
	else if (act->deed == GRAPH_GRABS)
		graph_deref(callback->graph, act->from, act->var);
}

/* A weak reference, for the caller, or NULL; without @act it has no callback. */
struct obm_weakref *graph_weak_new(struct graph *graph, struct node *node,
				   unsigned int number, const struct act *act)
{
	struct callback *callback;

	if (!act)
		return obm_weakref_new(&node->obj, NULL, NULL, GFP_KERNEL);
	callback = kmalloc(sizeof(*callback), GFP_KERNEL);
	if (!callback)
		return NULL;
	callback->graph = graph;
	callback->number = number;
	callback->act = *act;
	list_add(&callback->in_graph, &graph->callbacks);
	return obm_weakref_new(&node->obj, weak_called, callback, GFP_KERNEL);
}

/* When the heap is no more, and nobody can be called. */
void graph_callbacks_free(struct graph *graph)
{
	struct callback *callback, *next;

	list_for_each_entry_safe(callback, next, &graph->callbacks, in_graph)
		kfree(callback);
}
