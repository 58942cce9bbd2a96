# SPDX-License-Identifier: GPL-2.0-only
"""Runs the scripts of samples/graph over Python's own objects and collector.

What a script does is done to real objects, and what is said is what CPython
does: nothing here decides an order, a count or who is garbage.

The collector is shown the objects of the script and no others: all that the
interpreter has made for itself is taken out of the collector's lists before a
script begins. A reference from there is to the collector what one from a variable
of C is. So numbers, the 25 % rule and the permanent generation are the script's
alone.

What holds a reference, and until when, is as explicit as in C: an operation holds
the nodes that it is told of until it has ended; where a variable gets another
node, the old one goes by a statement of its own, as the statement that assigns
holds the new one meanwhile. And no operation may leave the collector an
object to find that is not the script's, such as a tuple of arguments.
"""

import atexit
import ctypes
import gc
import sys
import weakref

NR_VARS = 64
NR_LINKS = 4

# As in samples/graph/script.c.
OPERATIONS = {
    "new": "v", "leaf": "v", "final": "v", "saved": "vu", "drops": "vu",
    "cuts": "vi", "grabs": "viu",
    "link": "NiO", "unlink": "Ni", "move": "NiNj", "take": "Niu", "del": "v",
    "weak": "Nwb", "wdrops": "Nwu", "wgrabs": "Nwwu", "hold": "Nw",
    "wdel": "w", "deref": "wu",
    "copy": "Vu", "deepcopy": "Vu",
    "collect": "g", "step": "", "threshold": "nnn", "enable": "",
    "disable": "", "counts": "", "freeze": "", "unfreeze": "", "frozen": "",
    "refs": "V", "generation": "V", "finalized": "V", "live": "",
}

say = None          # adds a line to the answer
graph = None        # the script that is running

# --- Out of the collector's sight ---

untrack = ctypes.pythonapi.PyObject_GC_UnTrack
track = ctypes.pythonapi.PyObject_GC_Track
for function in untrack, track:
    function.argtypes = (ctypes.py_object,)
    function.restype = None


def hide():
    """Takes all that there is out of the lists, and returns it.

    Some of it could not die while it is in no list: the caller keeps it.
    """
    hidden = gc.get_objects()
    for other in hidden:
        untrack(other)
    untrack(hidden)
    return hidden


def unhide(hidden):
    for other in hidden:
        if not gc.is_tracked(other):
            track(other)
    track(hidden)


# --- Objects ---

def token_died(capsule):
    graph.nr_released += 1
    say("release %d" % token_number(capsule, None))


# A token is a node's alone, in its first slot, and dies when its slots begin to be
# cleared. Objects of any class are the collector's, and finalized by it; a
# capsule is not. A leaf is one, too.
token_destructor = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(token_died)
token_number = ctypes.pythonapi.PyCapsule_GetPointer
token_number.argtypes = (ctypes.c_void_p, ctypes.c_char_p)
token_number.restype = ctypes.c_void_p
token_new = ctypes.pythonapi.PyCapsule_New
token_new.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
token_new.restype = ctypes.py_object

# What finalizers and callbacks do. None of it makes an object.
NOTHING, SAVE, DROP, CUT, GRAB = range(5)
LINKS = ["a%d" % i for i in range(NR_LINKS)]


class Weak(weakref.ref):
    """Each of them is an object of its own, and knows its number."""

    __slots__ = ("number", "act", "other", "var")


def weak_called(weak):
    say("callback %d" % weak.number)
    if weak.act == DROP:
        graph.vars[weak.var] = None
    elif weak.act == GRAB:
        graph.do_deref(weak.other, weak.var)


class Plain:
    # Slots are cleared in the order of their names.
    __slots__ = ("_0token", "_1number", "_2act", "_3link", "_4var",
                 "a0", "a1", "a2", "a3", "b_weak", "__weakref__")


class Final(Plain):
    __slots__ = ()

    def __del__(self):
        say("finalize %d" % self._1number)
        if self._2act == SAVE:
            old = graph.vars[self._4var]
            graph.vars[self._4var] = self
            old = None
        elif self._2act == DROP:
            graph.vars[self._4var] = None
        elif self._2act == CUT:
            setattr(self, LINKS[self._3link], None)
        elif self._2act == GRAB:
            old = graph.vars[self._4var]
            graph.vars[self._4var] = getattr(self, LINKS[self._3link])
            old = None


def is_leaf(node):
    return not isinstance(node, Plain)


# Two dicts for each step, never freed: so none of them comes from a free list.
# An empty dict is in no list.
DUMMIES = []
# The generation of the first collection that a step began.
SEEN = [-1]


def step_seen(phase, info):
    if phase == "start" and SEEN[0] < 0:
        SEEN[0] = info["generation"]
    elif phase == "stop":
        gc.disable()


# --- Operations ---

class Graph:
    __slots__ = ("vars", "weaks", "nr_nodes", "nr_released", "enabled")

    def __init__(self):
        self.vars = [None] * NR_VARS
        self.weaks = [None] * NR_VARS
        self.nr_nodes = 0
        self.nr_released = 0
        self.enabled = False

    def token(self):
        self.nr_nodes += 1
        return token_new(self.nr_nodes, None, token_destructor)

    def node(self, kind, act=NOTHING, link=0, var=0):
        node = kind.__new__(kind)
        node._0token = self.token()
        node._1number = self.nr_nodes
        node._2act = act
        node._3link = link
        node._4var = var
        node.a0 = node.a1 = node.a2 = node.a3 = None
        node.b_weak = None
        return node

    def weak(self, v, w, callback, act=NOTHING, other=0, var=0):
        weak = Weak(self.vars[v], callback)
        weak.number = w
        weak.act = act
        weak.other = other
        weak.var = var
        self.weaks[w] = weak

    def copy_of(self, old, memo=None):
        if is_leaf(old):
            node = self.token()
        else:
            node = self.node(type(old), old._2act, old._3link, old._4var)
        if memo is not None:
            memo[id(old)] = node
        if is_leaf(old):
            return node
        for name in LINKS:
            other = getattr(old, name)
            if memo is not None and other is not None:
                other = memo.get(id(other)) or self.copy_of(other, memo)
            setattr(node, name, other)
        # As copy.deepcopy() does, a deep one shares it, too.
        node.b_weak = old.b_weak
        return node

    def do_new(self, v):
        old = self.vars[v]
        self.vars[v] = self.node(Plain)
        old = None

    def do_leaf(self, v):
        old = self.vars[v]
        self.vars[v] = self.token()
        old = None

    def do_final(self, v):
        old = self.vars[v]
        self.vars[v] = self.node(Final)
        old = None

    def do_saved(self, v, u):
        old = self.vars[v]
        self.vars[v] = self.node(Final, SAVE, 0, u)
        old = None

    def do_drops(self, v, u):
        old = self.vars[v]
        self.vars[v] = self.node(Final, DROP, 0, u)
        old = None

    def do_cuts(self, v, i):
        old = self.vars[v]
        self.vars[v] = self.node(Final, CUT, i)
        old = None

    def do_grabs(self, v, i, u):
        old = self.vars[v]
        self.vars[v] = self.node(Final, GRAB, i, u)
        old = None

    def do_link(self, v, i, u):
        setattr(self.vars[v], LINKS[i], self.vars[u])

    def do_unlink(self, v, i):
        setattr(self.vars[v], LINKS[i], None)

    def do_move(self, v, i, u, j):
        owner = self.vars[v]
        to = self.vars[u]
        if owner is to and i == j:
            return
        target = getattr(owner, LINKS[i])
        setattr(to, LINKS[j], target)
        setattr(owner, LINKS[i], None)
        target = None

    def do_take(self, v, i, u):
        old = self.vars[u]
        self.vars[u] = getattr(self.vars[v], LINKS[i])
        old = None

    def do_del(self, v):
        self.vars[v] = None

    def do_weak(self, v, w, called):
        self.weak(v, w, weak_called if called else None)

    def do_wdrops(self, v, w, u):
        self.weak(v, w, weak_called, DROP, 0, u)

    def do_wgrabs(self, v, w, x, u):
        self.weak(v, w, weak_called, GRAB, x, u)

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
        old = self.vars[u]
        self.vars[u] = node
        weak = node = None
        old = None

    def do_copy(self, v, u):
        old = self.vars[u]
        self.vars[u] = self.copy_of(self.vars[v])
        old = None

    def do_deepcopy(self, v, u):
        old = self.vars[u]
        self.vars[u] = self.copy_of(self.vars[v], {})
        old = None

    def do_collect(self, generation):
        nr = gc.collect(generation)
        say("collected %d" % nr)
        return nr

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

    def do_enable(self):
        self.enabled = True

    def do_disable(self):
        self.enabled = False

    def do_counts(self):
        say("counts %d %d" % gc.get_count()[1:])

    def do_freeze(self):
        gc.freeze()

    def do_unfreeze(self):
        gc.unfreeze()

    def do_frozen(self):
        say("frozen %d" % gc.get_freeze_count())

    def do_refs(self, v):
        # One is the call's, and one run_line()'s.
        say("refs %d" % (sys.getrefcount(self.vars[v]) - 2))

    def do_generation(self, v):
        node = self.vars[v]
        found = -1
        if gc.is_tracked(node):
            # What is in no list that can be had is in the permanent one.
            found = 3
            for generation in range(3):
                for other in gc.get_objects(generation):
                    if other is node:
                        found = generation
        other = None
        say("generation %d" % found)

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
        gc.unfreeze()
        # Finalizers may have saved some; those run once.
        while self.do_collect(2) or any(self.vars):
            for i in range(NR_VARS):
                self.vars[i] = None
        self.do_live()


def run_line(name, op, args):
    """An operation, unless what it needs is not there."""
    first = second = node = None
    i = 1
    for kind in OPERATIONS[name]:
        if kind in "VNO":
            node = graph.vars[args[i]]
            if node is None and kind != "O":
                say("none")
                return
            if kind == "N" and is_leaf(node):
                say("leaf")
                return
            if first is None:
                first = node
            else:
                second = node
        i += 1
    node = None
    op(*args)
    first = None
    second = None


def run(script):
    """The answer to a script, as a list of lines."""
    global say, graph

    answer = []
    say = answer.append
    graph = Graph()
    ops = []
    for line in script:
        words = line.split(" ")
        # A function: a bound method could not die while it is hidden.
        ops.append((words[0], getattr(Graph, "do_" + words[0]),
                    (graph,) + tuple(int(word) for word in words[1:])))
    line = words = None
    gc.disable()
    gc.set_threshold(700, 10, 10)
    hidden = hide()
    # The numbers of what was there before are 0.
    gc.collect()
    # An iterator would be an object of the young generation.
    i = 0
    while i < len(ops):
        name, op, args = ops[i]
        i += 1
        run_line(name, op, args)
    graph.end()
    unhide(hidden)
    return answer


# For good: there is much of it, and little of it changes.
HIDDEN = hide()
atexit.register(unhide, HIDDEN)
