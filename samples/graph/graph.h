/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A client of obmalloc's objects: runs scripts of operations on a graph and says
 * what happened. README.md has the language.
 */
#ifndef GRAPH_H
#define GRAPH_H

#include <linux/list.h>
#include <linux/obm_gc.h>
#include <linux/obm_object.h>
#include <linux/spinlock.h>
#include <linux/types.h>

/* Variables, and weak references, that a script may name. */
#define GRAPH_NR_VARS		64
/* Links of a node that a script may set. */
#define GRAPH_NR_LINKS		4
/* The answer to one script, in bytes. */
#define GRAPH_ANSWER_MAX	(64 << 10)

/**
 * struct graph - a script that is running
 * @heap: its objects
 * @vars: references from outside
 * @weaks: references to weak references
 * @callbacks: what the callbacks of weak references do, until the script ends
 * @nr_nodes: nodes made so far: the number of the last one
 * @nr_released: tokens released so far
 * @enabled: what enable and disable said last
 * @lock: protects the answer, to which callbacks add in any context
 * @answer: lines
 * @len: of the answer; above GRAPH_ANSWER_MAX it was too long
 */
struct graph {
	struct obm_heap *heap;
	struct node *vars[GRAPH_NR_VARS];
	struct obm_weakref *weaks[GRAPH_NR_VARS];
	struct list_head callbacks;
	unsigned int nr_nodes;
	unsigned int nr_released;
	bool enabled;
	raw_spinlock_t lock;
	char *answer;
	size_t len;
};

/**
 * enum graph_deed - what a finalizer or a callback does, besides saying so
 * @GRAPH_DOES_NOTHING: that was all
 * @GRAPH_SAVES: puts its node into a variable
 * @GRAPH_DROPS: lets go of a variable's reference
 * @GRAPH_CUTS: clears a link of its node
 * @GRAPH_GRABS: puts what a link of its node leads to, or another weak reference
 *		 refers to, into a variable
 */
enum graph_deed {
	GRAPH_DOES_NOTHING,
	GRAPH_SAVES,
	GRAPH_DROPS,
	GRAPH_CUTS,
	GRAPH_GRABS,
};

/**
 * struct act - the same, with its names
 * @deed: what
 * @from: number of the link, or of the weak reference
 * @var: the variable
 */
struct act {
	enum graph_deed deed;
	unsigned int from;
	unsigned int var;
};

/* Kinds of nodes: without links; with them; and with a finalizer. */
enum graph_kind {
	GRAPH_LEAF,
	GRAPH_PLAIN,
	GRAPH_FINAL,
	GRAPH_NR_KINDS
};

/**
 * struct token - tells when a node's links begin to be cleared
 * @obj: object; a leaf, held by the node's first link alone
 * @graph: told
 * @number: of the node
 */
struct token {
	struct obm_obj obj;
	struct graph *graph;
	unsigned int number;
};

/**
 * struct node - a node of the graph
 * @obj: object
 * @token: the first of its links
 * @links: those that scripts set
 * @weak: a weak reference that the node holds
 * @graph: told when it is finalized
 * @number: in the order in which nodes are made
 * @act: of its finalizer
 *
 * The three kinds of links are one row. A leaf has none of them, and says itself
 * when it is released.
 */
struct node {
	struct obm_obj obj;
	OBM_DECLARE_REF(struct token, token);
	union {
		struct obm_ref ref;
		struct node *to;
	} links[GRAPH_NR_LINKS];
	OBM_DECLARE_REF(struct obm_weakref, weak);
	struct graph *graph;
	unsigned int number;
	struct act act;
};

/* node.c */
int graph_types_register(void);
void graph_types_unregister(void);
struct node *graph_node_new(struct graph *graph, enum graph_kind kind,
			    const struct act *act);
bool graph_node_is_leaf(const struct node *node);
struct obm_weakref *graph_weak_new(struct graph *graph, struct node *node,
				   unsigned int number, const struct act *act);
void graph_callbacks_free(struct graph *graph);
void graph_deref(struct graph *graph, unsigned int nr, unsigned int var);
void graph_var_set(struct graph *graph, unsigned int var, struct node *node);
void graph_weak_set(struct graph *graph, unsigned int nr,
		    struct obm_weakref *weak);
__printf(2, 3) void graph_say(struct graph *graph, const char *fmt, ...);

/* script.c */
int graph_run(struct graph *graph, char *script);

#endif /* GRAPH_H */
