#!/usr/bin/env bash
# Guess: workers that take a token from a simulus Store (or a unit from a Bucket), use it and put it back are never more
#        than there are tokens, as with a Resource: the level of a store is said to stay from 0 to its capacity.
# Truth: put() wakes a waiting worker but leaves the token in the store until that worker runs. The one that put it back
#        goes on first; if its next step is a get(), it takes the same token, and the level becomes -1, without a word.
#        So 2 workers hold the only token, and 20 s of work are done in 11. A sleep(0) after put() keeps it right.
# simulus 1.2.1 (PyPI), simulus/store.py and bucket.py (get, put).
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install -q --disable-pip-version-check simulus==1.2.1 greenlet==3.5.6
"$place/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import simulus


def run(kind, pause=False):
    """Two workers do ten jobs of 1 s each, each job with the only token."""
    simulator = simulus.simulator()
    if kind == "resource":
        tokens = simulator.resource(capacity=1)
        take, give = tokens.acquire, tokens.release
    else:
        tokens = getattr(simulator, kind)(capacity=1, initlevel=1)
        take, give = lambda: tokens.get(1), lambda: tokens.put(1)
    holders, most, levels = set(), [0], []

    def worker(name):
        for _ in range(10):
            take()
            holders.add(name)
            most[0] = max(most[0], len(holders))
            levels.append(getattr(tokens, "level", 0))
            simulator.sleep(1)
            holders.remove(name)
            give()
            if pause:
                simulator.sleep(0)

    for name in "AB":
        simulator.process(worker, name)
    simulator.run()
    text = f"done at {simulator.now} s, at most {most[0]} with the token, lowest level {min(levels)}"
    print(f"{kind}{', sleep(0) after put()' if pause else ''}: {text}")
    return simulator.now, most[0], min(levels)


print("simulus", version("simulus"), "2 workers, 10 jobs of 1 s each, 1 token")
assert run("resource") == (20, 1, 0)
assert run("store") == (11, 2, -1)
assert run("bucket") == (11, 2, -1)
assert run("store", pause=True) == (20, 1, 0)
PYTHON
