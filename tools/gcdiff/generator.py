# SPDX-License-Identifier: GPL-2.0-only
"""Random scripts for samples/graph."""

import random

NR_LINKS = 4
MAX_NODES = 40
# Fewer names than nodes, so that they are met again.
NR_NAMES = 10
NR_WEAKS = 6

# What there is to do, and how often.
WEIGHTS = {
    "new": 14, "final": 6, "saved": 4, "link": 40, "unlink": 8, "move": 4,
    "del": 12, "take": 8, "weak": 8, "hold": 4, "wdel": 2, "deref": 4,
    "collect": 8, "step": 3, "threshold": 1, "counts": 2, "enable": 1,
    "disable": 1, "freeze": 1, "unfreeze": 1, "frozen": 1, "copy": 2,
    "deepcopy": 2, "refs": 4, "generation": 2, "finalized": 2, "live": 2,
}


def script(seed):
    """A script, as a list of lines."""
    rnd = random.Random(seed)
    names = list(WEIGHTS)
    # Each script likes some operations more than others.
    weights = [WEIGHTS[name] * rnd.choice((0, 1, 1, 1, 3)) for name in names]
    weights[names.index("new")] = 14
    weights[names.index("link")] = 40
    nr_nodes = 0
    steps = True
    lines = ["enable"] if rnd.random() < 0.7 else []

    def var():
        return rnd.randrange(NR_NAMES)

    def link():
        return rnd.randrange(NR_LINKS)

    def weak():
        return rnd.randrange(NR_WEAKS)

    for _ in range(rnd.choice((10, 30, 60, 120))):
        name = rnd.choices(names, weights)[0]
        if name in ("new", "final", "saved", "copy"):
            if nr_nodes >= MAX_NODES:
                continue
            nr_nodes += 1
        if name == "deepcopy":
            if nr_nodes > MAX_NODES / 2:
                continue
            nr_nodes *= 2
        if name in ("step", "frozen") and not steps:
            continue
        if name == "unfreeze":
            # The interpreter's own objects come back to the oldest
            # generation, too. How many are frozen, when it is due, and in which
            # order a full collection finds what they refer to, is no longer
            # comparable, until the end, when they refer to nothing.
            steps = False
        args = {
            "new": lambda: (var(),), "final": lambda: (var(),),
            "saved": lambda: (var(), var()),
            "link": lambda: (var(), link(), var()),
            "unlink": lambda: (var(), link()),
            "move": lambda: (var(), link(), var(), link()),
            "del": lambda: (var(),),
            "take": lambda: (var(), link(), var()),
            "weak": lambda: (var(), weak(), rnd.randrange(2)),
            "hold": lambda: (var(), weak()),
            "wdel": lambda: (weak(),), "deref": lambda: (weak(), var()),
            "collect": lambda: (rnd.choice((0, 0, 1, 1, 2) if steps else
                                           (0, 1)),),
            "threshold": lambda: (rnd.choice((0, 5, 700)), rnd.randrange(4),
                                  rnd.randrange(4)),
            "copy": lambda: (var(), var()),
            "deepcopy": lambda: (var(), var()),
            "refs": lambda: (var(),), "generation": lambda: (var(),),
            "finalized": lambda: (var(),),
        }.get(name, tuple)()
        lines.append(" ".join([name] + [str(arg) for arg in args]))
    return lines
