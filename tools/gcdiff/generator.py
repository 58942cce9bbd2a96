# SPDX-License-Identifier: GPL-2.0-only
"""Random scripts for samples/graph."""

import random

from interpreter import NR_LINKS, OPERATIONS

# CPython puts off what dies deeper than 50.
MAX_NODES = 40
# Fewer names than nodes, so that they are met again.
NR_NAMES = 10
NR_WEAKS = 6

# What there is to do, and how often.
WEIGHTS = {
    "new": 14, "leaf": 2, "final": 6, "saved": 4, "drops": 2, "cuts": 2,
    "grabs": 2, "link": 40, "unlink": 8, "move": 4, "take": 8, "del": 12,
    "weak": 8, "wdrops": 2, "wgrabs": 2, "hold": 4, "wdel": 2, "deref": 4,
    "copy": 2, "deepcopy": 2, "collect": 8, "step": 3, "threshold": 1,
    "enable": 1, "disable": 1, "counts": 2, "freeze": 1, "unfreeze": 1,
    "frozen": 1, "refs": 4, "generation": 2, "finalized": 2, "live": 2,
}
MAKERS = ("new", "leaf", "final", "saved", "drops", "cuts", "grabs", "copy")


def argument(rnd, kind, full):
    """What a letter of OPERATIONS stands for; some variables are full."""
    if kind in "VN" and full and rnd.random() < 0.9:
        return rnd.choice(sorted(full))
    if kind in "vuVNO":
        return rnd.randrange(NR_NAMES)
    if kind in "ij":
        return rnd.randrange(NR_LINKS)
    if kind == "w":
        return rnd.randrange(NR_WEAKS)
    if kind == "g":
        return rnd.choice((0, 0, 1, 1, 2))
    return rnd.randrange(2)


def thresholds(rnd):
    """Of the first only 0 matters: a step passes all others."""
    return "threshold %d %d %d" % (rnd.choice((0, 5, 700, 700)),
                                   rnd.randrange(3), rnd.randrange(3))


def script(seed):
    """A script, as a list of lines."""
    rnd = random.Random(seed)
    names = list(WEIGHTS)
    # Each script likes some operations more than others.
    weights = [WEIGHTS[name] * rnd.choice((0, 1, 1, 1, 3)) for name in names]
    weights[names.index("new")] = WEIGHTS["new"]
    weights[names.index("link")] = WEIGHTS["link"]
    nr_nodes = 0
    # Variables that may have a node, as far as can be seen.
    full = set()
    lines = ["enable"] if rnd.random() < 0.7 else []
    if rnd.random() < 0.4:
        lines.append(thresholds(rnd))

    for _ in range(rnd.choice((10, 30, 60, 120))):
        name = rnd.choices(names, weights)[0]
        if name in MAKERS:
            if nr_nodes >= MAX_NODES:
                continue
            nr_nodes += 1
        if name == "deepcopy":
            if nr_nodes > MAX_NODES / 2:
                continue
            nr_nodes *= 2
        args = [argument(rnd, kind, full) for kind in OPERATIONS[name]]
        if name in MAKERS[:-1]:
            full.add(args[0])
        elif name in ("take", "deref", "copy", "deepcopy"):
            full.add(args[-1])
        elif name == "del":
            full.discard(args[0])
        if name == "threshold":
            lines.append(thresholds(rnd))
        else:
            lines.append(" ".join([name] + [str(arg) for arg in args]))
    return lines
