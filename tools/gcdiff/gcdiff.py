#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Runs random scripts in a kernel and over Python's own objects, and compares.

    gcdiff.py [--seed S] [--n N] [--tap] [--python] KERNEL-COMMAND...

KERNEL-COMMAND reads scripts, parted by lines "---", and writes the answers the
same way: scripts/gcdiff.sh runs samples/graph in User Mode Linux. A script that
is answered differently is made as small as it can be and shown. With --python
the kernel is this interpreter with a mistake in it: a test of the test.
"""

import argparse
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import generator                                    # noqa: E402
import interpreter                                  # noqa: E402

BATCH = 2000
# Scripts that are no scripts, and what the kernel says of them: it names line and
# word, and ends the script as if it had been all.
MALFORMED = {
    "new 0\nfrob 1": "error: line 2: 'frob' is no operation",
    "# one\n\nfinal 0\nNew 0": "error: line 4: 'New' is no operation",
    "final 0\nlink 0 4 0":
        "error: line 2: link: argument 2: '4' is no number up to 3",
    "new 64": "error: line 1: new: argument 1: '64' is no number up to 63",
    "new -1": "error: line 1: new: argument 1: '-1' is no number up to 63",
    "new x": "error: line 1: new: argument 1: 'x' is no number up to 63",
    "new": "error: line 1: new: argument 1: '' is no number up to 63",
    "new  0": "error: line 1: new: argument 1: '' is no number up to 63",
    "new 0 1": "error: line 1: new: '1' is too much",
    "step 1 2": "error: line 1: step: '1 2' is too much",
    "collect 3":
        "error: line 1: collect: argument 1: '3' is no number up to 2",
    "saved 0 1\nweak 0 1 2":
        "error: line 2: weak: argument 3: '2' is no number up to 1",
    "threshold 1 2 2147483648":
        "error: line 1: threshold: argument 3: '2147483648' is no number up "
        "to 2147483647",
}
# Scripts that are tried at once when one is made smaller.
TRIES = 400


def python_answers(scripts):
    return [interpreter.run(script) for script in scripts]


def kernel_answers(command, scripts):
    """Of all scripts; those that a kernel which died did not answer are None."""
    text = "".join("\n".join(script) + "\n---\n" for script in scripts)
    with tempfile.TemporaryDirectory() as tmp:
        with open(os.path.join(tmp, "scripts"), "w") as file:
            file.write(text)
        result = subprocess.run(command + [tmp], stdout=subprocess.PIPE,
                                text=True)
        try:
            with open(os.path.join(tmp, "answers")) as file:
                parts = file.read().split("---\n")
        except FileNotFoundError:
            parts = [""]
    answers = [part.splitlines() for part in parts[:-1]]
    if result.returncode:
        print("# the kernel failed with status %d after %d of %d scripts" %
              (result.returncode, len(answers), len(scripts)))
        answers = answers[:max(len(answers) - 1, 0)]
    return answers + [None] * (len(scripts) - len(answers))


def wrong_answers(scripts):
    """A kernel that forgets a finalizer where a callback came before it."""
    answers = python_answers(scripts)
    for answer in answers:
        called = False
        for i, line in enumerate(answer):
            called = called or line.startswith("callback")
            if called and line.startswith("finalize"):
                del answer[i]
                break
    return answers


def malformed_wrong(answers):
    """What is said else of a malformed script, or None."""
    for script, error, answer in zip(MALFORMED, MALFORMED.values(), answers):
        said = "\n".join(answer or ["(no answer)"])
        if not said.startswith(error + "\nend\n") or \
           not said.endswith("\nlive 0"):
            return "# of %r is said:\n# %s" % (script,
                                              said.replace("\n", "\n# "))
    return None


def check_malformed(ask, nr):
    wrong = malformed_wrong(ask([script.split("\n") for script in MALFORMED]))
    print("%sok %d - gcdiff: malformed scripts are refused by line and word" %
          ("not " if wrong else "", nr))
    if wrong:
        print(wrong)
    return bool(wrong)


def smaller(script):
    """Scripts with something left out, the smallest first."""
    size = len(script)
    piece = size // 2
    while piece:
        for at in range(0, size, piece):
            yield script[:at] + script[at + piece:]
        piece //= 2


def shrink(script, ask):
    """The smallest script found that is still answered differently."""
    while True:
        tries = []
        for candidate in smaller(script):
            if candidate not in tries:
                tries.append(candidate)
            if len(tries) == TRIES:
                break
        if not tries:
            return script
        kernel, python = ask(tries), python_answers(tries)
        differ = [tries[i] for i in range(len(tries))
                  if kernel[i] != python[i]]
        if not differ:
            return script
        script = min(differ, key=len)


def show(script, ask, out):
    kernel, python = ask([script])[0], python_answers([script])[0]
    out.write("# the script:\n")
    for line in script:
        out.write("#   %s\n" % line)
    kernel = kernel or ["(no answer)"]
    out.write("#   %-30s %s\n" % ("the kernel says", "CPython says"))
    for i in range(max(len(kernel), len(python))):
        left = kernel[i] if i < len(kernel) else ""
        right = python[i] if i < len(python) else ""
        out.write("# %s %-30s %s\n" % (" " if left == right else "!", left,
                                       right))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--python", action="store_true")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    if args.python:
        ask = wrong_answers
    else:
        def ask(scripts):
            return kernel_answers(args.command, scripts)
    if sys.version_info[:2] != (3, 11):
        print("# CPython %s: the order of things is compared with 3.11's" %
              sys.version.split()[0])

    print("TAP version 13")
    failed = nr = 0
    for first in range(0, args.n, BATCH):
        count = min(BATCH, args.n - first)
        seeds = ["%d.%d" % (args.seed, first + i) for i in range(count)]
        scripts = [generator.script(seed) for seed in seeds]
        kernel, python = ask(scripts), python_answers(scripts)
        differ = [i for i in range(count) if kernel[i] != python[i]]
        events = sum(len(answer) for answer in python)
        nr += 1
        print("%sok %d - gcdiff: scripts %s to %s, %d events" %
              ("not " if differ else "", nr, seeds[0], seeds[-1], events))
        if differ:
            failed = 1
            print("# %d of %d scripts are answered differently, the first "
                  "is %s" % (len(differ), count, seeds[differ[0]]))
            shortest = min(differ, key=lambda i: len(scripts[i]))
            show(shrink(scripts[shortest], ask), ask, sys.stdout)
        sys.stdout.flush()
    if not args.python:
        nr += 1
        failed |= check_malformed(ask, nr)
    print("1..%d" % nr)
    return failed


if __name__ == "__main__":
    sys.exit(main())
