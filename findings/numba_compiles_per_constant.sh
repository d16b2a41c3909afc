#!/usr/bin/env bash
# Guess: a numba function that another one calls is compiled once for float64 and int64, whatever the numbers.
# Truth: once for each constant that stands in a call, f(a, 1), f(a, 2), …, of int or bool; from Python it is once.
# numba 0.68.1, numba/core/typeinfer.py: arguments of a call keep their literal types.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check numba==0.68.1
"$place/venv/bin/python" - <<'PYTHON'
import numba

print("numba", numba.__version__)


@numba.njit
def from_compiled(a, n):
    return a + n


@numba.njit
def caller(a):
    return from_compiled(a, 1) + from_compiled(a, 2) + from_compiled(a, 3)


@numba.njit
def from_python(a, n):
    return a + n


caller(1.0)
for n in (1, 2, 3):
    from_python(1.0, n)
print("called from Python:       ", from_python.signatures)
print("called from compiled code:", from_compiled.signatures)
assert len(from_python.signatures) == 1
assert len(from_compiled.signatures) == 3
PYTHON
