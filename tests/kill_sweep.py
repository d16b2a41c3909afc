"""Kills a sweep at random moments, and tells whether anybody could see it in the results.

`python tests/kill_sweep.py [KILLS]`: a sweep of 200 short runs, killed
with SIGKILL so often (50 times), now the command with all its processes, now the command alone, now
one of its workers. Each run must be complete exactly once, and all numbers bit for bit those of a sweep
that nobody disturbed. Where it is complete before it was killed often enough, another one is begun.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from sweeping import assert_whole, kill_all, make, start, write

SWEEP = """
scenario = "base.toml"
policies = ["local", "random"]
seeds = 20
replications = 2
[set]
run.slots = 400
[grid]
devices.count = [3, 4, 5, 6, 7]
"""


def children(process: int) -> list[int]:
    """Of a process, and theirs."""
    found = subprocess.run(
        ["pgrep", "-P", str(process)], check=False, capture_output=True, text=True
    ).stdout
    direct = [int(line) for line in found.split()]
    return [*direct, *(deeper for child in direct for deeper in children(child))]


def strike(process: "subprocess.Popen[str]", rng: random.Random) -> str:
    """Kill one, or all; what was killed."""
    how = rng.choice(["all", "command", "worker"])
    if how == "all":
        kill_all(process)
    elif how == "command":
        process.kill()
        process.communicate()
    elif workers := children(process.pid):
        try:
            os.kill(rng.choice(workers), signal.SIGKILL)
        except ProcessLookupError:
            return "nobody"
    return how


def main(kills: int) -> None:
    """Disturb sweeps until so many kills were survived."""
    rng = random.Random(7)
    struck: dict[str, int] = {}
    with TemporaryDirectory() as place:
        folder = Path(place)
        path = write(folder, SWEEP)
        begin = time.monotonic()
        make(path, folder / "undisturbed")
        peace_s = time.monotonic() - begin
        sweeps = 0
        while sum(struck.values()) < kills:
            sweeps += 1
            out = f"killed-{sweeps}"
            while True:
                process = start(path, "-o", out, "--workers", "2")
                while process.poll() is None and sum(struck.values()) < kills:
                    time.sleep(rng.uniform(0.0, 0.25 * peace_s))
                    if process.poll() is None:
                        how = strike(process, rng)
                        struck[how] = struck.get(how, 0) + 1
                _, err = process.communicate()
                if process.returncode == 0:
                    break
                assert process.returncode == -signal.SIGKILL, err
            assert_whole(path, folder / out, folder / "undisturbed")
            print(f"sweep {sweeps}: 200 runs whole after {sum(struck.values())} kills", flush=True)
    print(f"killed: {struck}; every run complete exactly once, all numbers the same")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
