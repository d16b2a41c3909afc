#!/usr/bin/env bash
# Guess: to run a numba function under cProfile changes nothing in it; what it is can be told by its code object.
# Truth: the first call under a profiler takes CO_OPTIMIZED from the code object of its Python function, for the rest
#        of the process. The "same" function has other bytes in cloudpickle: a cache
#        that knows functions by them misses, in profiled processes alone.
# numba 0.68.1, numba/_dispatcher.cpp, tried on Python 3.10 and 3.11; not so on 3.12 and 3.13.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3.11 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check numba==0.68.1 cloudpickle==3.1.1
"$place/venv/bin/python" - <<'PYTHON'
import cProfile
import inspect
from hashlib import sha256

import cloudpickle
import numba

print("numba", numba.__version__)


def plus(number):
    return number + 1.0


def shown(when):
    known = (
        bool(plus.__code__.co_flags & inspect.CO_OPTIMIZED),
        sha256(cloudpickle.dumps(plus)).hexdigest()[:12],
    )
    print(f"{when:28} CO_OPTIMIZED {known[0]!s:5} cloudpickle {known[1]}")
    return known


compiled = numba.njit(plus)
profile = cProfile.Profile()
new = shown("before its first call")
compiled(1.0)
called = shown("after a call")
profile.enable()
compiled(1.0)
profile.disable()
profiled = shown("after a call in a profile")
compiled(1.0)
later = shown("after a later call without")
assert new == called and new[0]
assert profiled == later and not profiled[0]
assert profiled[1] != new[1]
PYTHON
