#!/usr/bin/env bash
# Guess: an exception that a SimPy process raises comes out of Environment.run as it was raised.
# Truth: a copy comes out, made from its args, with the original as __cause__: an OSError has lost its
# filename, and one whose constructor wants other arguments has become a TypeError.
# simpy 4.1.2, simpy/core.py, Environment.step.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check simpy==4.1.2
"$place/venv/bin/python" - <<'PYTHON'
import simpy


class NotConverged(Exception):
    def __init__(self, solver, iterations):
        super().__init__(f"{solver}: {iterations} iterations")


def process(env, error):
    yield env.timeout(1)
    raise error


def outcome(error):
    env = simpy.Environment()
    env.process(process(env, error))
    try:
        env.run()
    except Exception as found:
        return found


print("simpy", simpy.__version__)
disk = OSError(28, "No space left on device", "trace.h5")
found = outcome(disk)
print("raised:", repr(disk), "filename", disk.filename)
print("caught:", repr(found), "filename", found.filename, "- the same object:", found is disk)
assert found is not disk and found.filename is None and found.__cause__ is disk

own = outcome(NotConverged("newton", 30))
print("raised: NotConverged, caught:", repr(own))
assert type(own) is TypeError
PYTHON
