#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The graph of collect.c in CPython: what gc.collect() takes for each object.

Prints results as bench.ko does, of the best of some rounds.
"""

import gc
import sys
import time

SEED = 1991
ROUNDS = 5
# Objects that all rounds of a small graph together have at least.
LEAST = 100000


class Knot:
    """Next one, and any: two links, and nothing besides."""

    __slots__ = ("next", "other")


def numbers(below):
    """As bench_random()."""
    state = SEED
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        yield (state >> 32) * below >> 32


def graph(size):
    knots = [Knot() for _ in range(size)]
    number = numbers(size)
    for i in range(size):
        knots[i].next = knots[(i + 1) % size]
        knots[i].other = knots[next(number)]
    return knots[0]


def collect(expected):
    start = time.perf_counter_ns()
    found = gc.collect()
    took = time.perf_counter_ns() - start
    if found != expected:
        sys.exit("gc.collect() found %d, not %d" % (found, expected))
    return took


def measure(size, rounds):
    live = []
    garbage = []
    for _ in range(rounds):
        head = graph(size)
        collect(0)
        live.append(collect(0))
        del head
        garbage.append(collect(size))
    digits = len(str(size)) - 1
    for name, times in (("live", live), ("garbage", garbage)):
        print("gc_%s_1e%d,cpython,0,ns,%.3f" %
              (name, digits, min(times) / size))


def main():
    gc.disable()
    gc.collect()
    # The interpreter's own objects are none of the graph's.
    gc.freeze()
    size = 1000
    while size <= int(sys.argv[1]):
        measure(size, max(ROUNDS, LEAST // size))
        size *= 10


main()
