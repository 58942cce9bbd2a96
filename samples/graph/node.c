// SPDX-License-Identifier: GPL-2.0-only
/* Nodes and what happens to them, which is written down as it happens. */
#include "graph.h"

#include <linux/kernel.h>
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

static void token_release(struct obm_obj *obj)
{
	struct token *token = container_of(obj, struct token, obj);

	token->graph->nr_released++;
	graph_say(token->graph, "release %u", token->number);
}

static struct obm_type token_type = {
	.name = "token",
	.size = sizeof(struct token),
	.flags = OBM_TYPE_IMMUTABLE,
	.release = token_release,
};

/* Gives a node its number, and a token of it. */
static int node_name(struct node *node, struct graph *graph, gfp_t gfp)
{
	struct token *token __free(obm_obj_put) =
		obm_obj_new(graph->heap, &token_type, gfp);

	if (!token)
		return -ENOMEM;
	node->graph = graph;
	node->number = ++graph->nr_nodes;
	token->graph = graph;
	token->number = node->number;
	return obm_ref_set(&node->obj, &node->token, token);
}

static int node_copy(struct obm_obj *to, struct obm_obj *from, gfp_t gfp)
{
	struct node *node = to_node(to), *old = to_node(from);
	unsigned int i;
	int err;

	node->saver = old->saver;
	err = node_name(node, old->graph, gfp);
	for (i = 0; !err && i < GRAPH_NR_LINKS; i++)
		err = obm_ref_set(to, &node->links[i],
				  obm_ref_peek(&old->links[i]));
	return err ?: obm_ref_set(to, &node->weak, obm_ref_peek(&old->weak));
}

static void node_finalize(struct obm_obj *obj)
{
	struct node *node = to_node(obj);

	graph_say(node->graph, "finalize %u", node->number);
	if (node->saver < 0)
		return;
	obm_obj_get(obj);
	graph_var_set(node->graph, node->saver, node);
}

#define NODE_TYPE(title, finalizer)					\
{									\
	.name = title,							\
	.size = sizeof(struct node),					\
	OBM_LINKS(struct node, token, GRAPH_NR_LINKS + 2),		\
	.finalize = finalizer,						\
	.copy = node_copy,						\
}

static struct obm_type plain_type = NODE_TYPE("plain", NULL);
static struct obm_type final_type = NODE_TYPE("final", node_finalize);

/* A node, with a reference for the caller, or NULL. */
struct node *graph_node_new(struct graph *graph, bool finalized, int saver)
{
	struct node *node = obm_obj_new(graph->heap, finalized ? &final_type :
					&plain_type, GFP_KERNEL);

	if (!node)
		return NULL;
	node->saver = saver;
	if (node_name(node, graph, GFP_KERNEL)) {
		obm_obj_put(&node->obj);
		return NULL;
	}
	return node;
}

/* The number of a weak reference is its argument, beside the graph's. */
struct weak_arg {
	struct graph *graph;
	unsigned int number;
};

static struct weak_arg weak_args[GRAPH_NR_VARS];

static void weak_called(struct obm_weakref *weak, void *arg)
{
	struct weak_arg *told = arg;

	graph_say(told->graph, "callback %u", told->number);
}

struct obm_weakref *graph_weak_new(struct graph *graph, struct node *node,
				   unsigned int number, bool callback)
{
	weak_args[number].graph = graph;
	weak_args[number].number = number;
	return obm_weakref_new(&node->obj, callback ? weak_called : NULL,
			       &weak_args[number], GFP_KERNEL);
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

int graph_types_register(void)
{
	int err = obm_type_register(&token_type);

	if (err)
		return err;
	err = obm_type_register(&plain_type);
	if (err)
		goto err_token;
	err = obm_type_register(&final_type);
	if (err)
		goto err_plain;
	return 0;

err_plain:
	obm_type_unregister(&plain_type);
err_token:
	obm_type_unregister(&token_type);
	return err;
}

void graph_types_unregister(void)
{
	obm_type_unregister(&final_type);
	obm_type_unregister(&plain_type);
	obm_type_unregister(&token_type);
}
