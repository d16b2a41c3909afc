#!/usr/bin/env bash
# Guess: a program that blocks SIGINT while it starts a process by "spawn" or "forkserver" has a child with
# SIGINT blocked, and finds it still blocked itself.
# Truth: the first start also starts multiprocessing's resource tracker, which unblocks SIGINT and SIGTERM
# in the caller, whatever was blocked before, and so in the child that follows; a second start does not.
# CPython 3.11 to 3.13, Lib/multiprocessing/resource_tracker.py, ensure_running: SIG_UNBLOCK, no SIG_SETMASK.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cat > "$place/masks.py" <<'PYTHON'
import multiprocessing
import signal
import sys


def blocked():
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def child():
    sys.exit(10 if blocked() else 20)


if __name__ == "__main__":
    print("python", sys.version.split()[0])
    found = []
    for start in ("first", "second"):
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        process = multiprocessing.get_context("spawn").Process(target=child)
        process.start()
        process.join()
        found.append((blocked(), process.exitcode == 10))
        print(f"{start} start: SIGINT blocked in the program {found[-1][0]}, in its child {found[-1][1]}")
    assert found == [(False, False), (True, True)], found
PYTHON
"${PYTHON:-python3}" "$place/masks.py"
