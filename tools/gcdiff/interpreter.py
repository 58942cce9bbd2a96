# SPDX-License-Identifier: GPL-2.0-only
"""Runs the scripts of samples/graph over Python's own objects and collector.

What a script does is done to real objects, and what is said is what CPython
does: nothing here decides an order, a count or who is garbage.
"""

import ctypes
import gc
import sys
import weakref

NR_VARS = 64
NR_LINKS = 4

say = None          # the answer that is being written
graph = None        # the script that is running


def token_died(capsule):
    graph.nr_released += 1
    say("release %d" % token_number(capsule, None))


# A token is a node's alone, in its first slot, and dies when its slots begin to be
# cleared. Objects of any class are the collector's, and finalized by it; a
# capsule is not.
token_destructor = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(token_died)
token_number = ctypes.pythonapi.PyCapsule_GetPointer
token_number.argtypes = (ctypes.c_void_p, ctypes.c_char_p)
token_number.restype = ctypes.c_void_p
token_new = ctypes.pythonapi.PyCapsule_New
token_new.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
token_new.restype = ctypes.py_object


class Weak(weakref.ref):
    """Each of them is an object of its own, and knows its number."""

    __slots__ = ("number",)


# Slots are cleared in the order of their names.
class Plain:
    __slots__ = ("_0token", "_1number", "a0", "a1", "a2", "a3", "b_weak",
                 "__weakref__")

    def __copy__(self):
        return graph.copy_of(self)

    def __deepcopy__(self, memo):
        node = graph.node(type(self), SAVERS.get(id(self)))
        memo[id(self)] = node
        for name in LINKS:
            other = getattr(self, name)
            if other is not None:
                other = memo.get(id(other)) or other.__deepcopy__(memo)
            setattr(node, name, other)
        node.b_weak = self.b_weak
        return node


class Final(Plain):
    __slots__ = ()

    def __del__(self):
        say("finalize %d" % self._1number)
        saver = SAVERS.get(id(self))
        if saver is not None:
            graph.vars[saver] = self


LINKS = ["a%d" % i for i in range(NR_LINKS)]
# Which variable a finalizer saves its node into, by id.
SAVERS = {}
# Two dicts for each step, never freed: so none of them comes from a free list.
# An empty dict is in no generation.
DUMMIES = []


def weak_called(weak):
    say("callback %d" % weak.number)


class Graph:
    def __init__(self):
        self.vars = [None] * NR_VARS
        self.weaks = [None] * NR_VARS
        self.nr_nodes = 0
        self.nr_released = 0
        self.enabled = False
        self.froze = False
        self.frozen_before = 0

    def node(self, kind, saver=None):
        node = kind.__new__(kind)
        self.nr_nodes += 1
        node._0token = token_new(self.nr_nodes, None, token_destructor)
        node._1number = self.nr_nodes
        node.a0 = node.a1 = node.a2 = node.a3 = None
        node.b_weak = None
        if saver is None:
            SAVERS.pop(id(node), None)
        else:
            SAVERS[id(node)] = saver
        return node

    def copy_of(self, old):
        node = self.node(type(old), SAVERS.get(id(old)))
        for name in LINKS:
            setattr(node, name, getattr(old, name))
        node.b_weak = old.b_weak
        return node

    def do_new(self, v):
        self.vars[v] = self.node(Plain)

    def do_final(self, v):
        self.vars[v] = self.node(Final)

    def do_saved(self, v, u):
        self.vars[v] = self.node(Final, u)

    def do_link(self, v, i, u):
        setattr(self.vars[v], LINKS[i], self.vars[u])

    def do_unlink(self, v, i):
        setattr(self.vars[v], LINKS[i], None)

    def do_move(self, v, i, u, j):
        if self.vars[u] is None:
            say("none")
            return
        if v == u and i == j:
            return
        owner, name = self.vars[v], LINKS[i]
        to, to_name = self.vars[u], LINKS[j]
        if owner is to and name == to_name:
            return
        setattr(to, to_name, getattr(owner, name))
        setattr(owner, name, None)

    def do_del(self, v):
        self.vars[v] = None

    def do_take(self, v, i, u):
        self.vars[u] = getattr(self.vars[v], LINKS[i])

    def do_weak(self, v, w, n):
        weak = Weak(self.vars[v], weak_called if n else None)
        weak.number = w
        self.weaks[w] = weak

    def do_hold(self, v, w):
        self.vars[v].b_weak = self.weaks[w]

    def do_wdel(self, w):
        self.weaks[w] = None

    def do_deref(self, w, u):
        weak = self.weaks[w]
        node = weak() if weak is not None else None
        if node is None:
            say("deref none")
        else:
            say("deref %d" % node._1number)
        self.vars[u] = node

    def do_collect(self, n):
        say("collected %d" % gc.collect(n))

    def do_step(self):
        generation = -1
        thresholds = gc.get_threshold()
        if self.enabled and thresholds[0]:
            SEEN[0] = -1
            gc.set_threshold(1, thresholds[1], thresholds[2])
            gc.callbacks.append(step_seen)
            gc.enable()
            while SEEN[0] < 0:
                DUMMIES.append({})
            gc.disable()
            gc.callbacks.remove(step_seen)
            gc.set_threshold(*thresholds)
            generation = SEEN[0]
        say("step %d" % generation)

    def do_threshold(self, a, b, c):
        gc.set_threshold(a, b, c)

    def do_counts(self):
        say("counts %d %d" % gc.get_count()[1:])

    def do_enable(self):
        self.enabled = True

    def do_disable(self):
        self.enabled = False

    def do_freeze(self):
        self.froze = True
        gc.freeze()

    def do_unfreeze(self):
        gc.unfreeze()

    def do_frozen(self):
        say("frozen %d" % (gc.get_freeze_count() - self.frozen_before))

    def do_copy(self, v, u):
        self.vars[u] = self.vars[v].__copy__()

    def do_deepcopy(self, v, u):
        self.vars[u] = self.vars[v].__deepcopy__({})

    def do_refs(self, v):
        # One of them is the call's.
        say("refs %d" % (sys.getrefcount(self.vars[v]) - 1))

    def do_generation(self, v):
        node = self.vars[v]
        for generation in range(3):
            for other in gc.get_objects(generation):
                if other is node:
                    other = None
                    say("generation %d" % generation)
                    return
        say("generation 3")

    def do_finalized(self, v):
        say("finalized %d" % gc.is_finalized(self.vars[v]))

    def do_live(self):
        say("live %d" % (self.nr_nodes - self.nr_released))

    def end(self):
        say("end")
        for i in range(NR_VARS):
            self.vars[i] = None
        for i in range(NR_VARS):
            self.weaks[i] = None
        # Only if some of the script's were frozen: the interpreter's are many.
        if self.froze:
            gc.unfreeze()
        say("collected %d" % gc.collect())
        # Finalizers may have saved some; those run once.
        while self.vars != NOTHING:
            for i in range(NR_VARS):
                self.vars[i] = None
            say("collected %d" % gc.collect())
        say("live %d" % (self.nr_nodes - self.nr_released))


SEEN = [-1]
NOTHING = [None] * NR_VARS


def step_seen(phase, info):
    if phase == "start" and SEEN[0] < 0:
        SEEN[0] = info["generation"]
    elif phase == "stop":
        gc.disable()


# Operations whose first argument is a variable that must have a node.
NEED_NODE = frozenset(("link", "unlink", "move", "take", "weak", "hold", "copy",
                       "deepcopy", "refs", "generation", "finalized"))


def run(script):
    """The answer to a script, as a list of lines."""
    global say, graph

    answer = []
    say = answer.append
    graph = Graph()
    ops = []
    for line in script:
        words = line.split(" ")
        ops.append((words[0], getattr(graph, "do_" + words[0]),
                    tuple(int(word) for word in words[1:])))
    line = words = None
    gc.disable()
    gc.set_threshold(700, 10, 10)
    # All that is ours goes out of the way, and the numbers of old ones are 0.
    gc.freeze()
    gc.collect()
    graph.frozen_before = gc.get_freeze_count()
    # An iterator would be an object of the young generation.
    i = 0
    while i < len(ops):
        name, op, args = ops[i]
        i += 1
        if name in NEED_NODE and graph.vars[args[0]] is None:
            say("none")
        else:
            op(*args)
    graph.end()
    return answer
