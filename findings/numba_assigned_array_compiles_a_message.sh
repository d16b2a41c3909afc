#!/usr/bin/env bash
# Guess: in a compiled function `into[:] = array` costs the compiler about what a loop over its numbers does.
# Truth: numba also compiles what would tell of both shapes if they did not match, formatting of text and all: more
#        than twenty functions instead of one, and tens of times the time, in each process whose cache is empty.
#        With scalars, into[:] = 0.0, it does not. numba 0.68.1, numba/np/arrayobj.py, raise_with_shape_context.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install -q --disable-pip-version-check numba==0.68.1
"$place/venv/bin/python" - <<'PYTHON'
import time

import numba
import numpy as np
from numba.core import event


class Compiled(event.Listener):
    """Names of what is compiled, inner functions among it."""

    def __init__(self):
        self.names = []

    def on_start(self, found):
        self.names.append(found.data["dispatcher"].py_func.__qualname__)

    def on_end(self, found):
        pass


def loop(into, array):
    for k in range(len(into)):
        into[k] = array[k]


def scalar(into, array):
    into[:] = array[0]


def whole(into, array):
    into[:] = array


listener = Compiled()
event.register("numba:compile", listener)
numba.njit(lambda a: a[0] + 1.0)(np.ones(3))  # what the first compilation sets up is none of theirs
print("numba", numba.__version__)
count = {}
for function in (loop, scalar, whole):
    listener.names.clear()
    start = time.process_time()
    numba.njit(function)(np.zeros(3), np.ones(3))
    took = time.process_time() - start
    count[function.__name__] = len(listener.names)
    print(f"{function.__name__}: {len(listener.names)} functions compiled in {took:.2f} s")
print("among the last:", ", ".join(sorted({name.partition(".")[0] for name in listener.names})[:8]), "…")
assert count["loop"] == count["scalar"] == 1
assert count["whole"] > 10
assert any("raise_with_shape_context" in name for name in listener.names)
PYTHON
