"""Kills single runs at random moments, and tells whether anybody could see it in their traces.

`python tests/kill_run.py [KILLS] [PROBLEM-POLICY…]`: each policy on each problem ("stream-lyapunov", "tasks-exact";
all of them if none is named), with everything that a checkpoint has to hold, killed with SIGKILL so
often (50 times) and begun again with `--resume`. The trace must become, bit for bit, that of a run which
nobody disturbed. Where it is complete before it was killed often enough, another one is begun.

Each attempt is a fork of this process, which has compiled and imported everything: of the attempts'
time, most is that of slots and checkpoints.
"""

import math
import os
import random
import signal
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from continuing import assert_same, everything

from edgesim.cli import main as edgesim
from edgesim.experiments.checkpoint import checkpoint_path
from edgesim.experiments.run import execute, prepare
from edgesim.policies.catalogue import POLICIES

PROBLEMS = {"stream": "drift-plus-penalty", "tasks": "worst-case-emission"}
CHECKPOINTS = 30
LENGTH_S = 0.3
"""Of a run in peace, at least, if 20,000 slots take so long."""


def fork(arguments: list[str], log: Path) -> int:
    """`edgesim` in a process of its own."""
    if pid := os.fork():
        return pid
    status = 70
    try:
        with log.open("a") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        edgesim(arguments, standalone_mode=True)
    except SystemExit as end:
        status = int(end.code or 0)
    finally:
        os._exit(status)


def wait_for_change(file: Path, pid: int) -> None:
    """Until a file was replaced, or the process has ended."""

    def version() -> int:
        try:
            return file.stat().st_ino
        except FileNotFoundError:
            return 0

    before = version()
    while version() == before:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return
        time.sleep(0.001)


def survive(problem: str, policy: str, folder: Path, kills: int, *options: str) -> str:
    """Kill runs so often, which have more options perhaps; what happened, in a line."""
    name = f"{problem}-{policy}"
    rng = random.Random(name)
    execute(prepare(everything(problem, policy, folder, "run.slots=10")), folder / "warm.h5")
    slots, peace_s = CHECKPOINTS, 0.0
    whole, path = folder / f"{name}-whole.h5", folder / f"{name}.h5"
    while peace_s < LENGTH_S and slots < 20_000:
        slots *= 2
        what = everything(problem, policy, folder, f"run.slots={slots}")
        begin = time.perf_counter()
        execute(prepare(what), whole)
        peace_s = time.perf_counter() - begin
    scenario = folder / f"{name}.toml"
    scenario.write_text(what.to_toml())
    # A run that was killed before its first checkpoint has nothing to go on from.
    command = ["run", str(scenario), "-o", str(path), "--resume", "--overwrite", "--trust"]
    command += ["--checkpoint-every", str(max(slots // CHECKPOINTS, 1)), *options]
    log = folder / "log"
    killed = resumed = complete = 0
    start_s = math.nan  # of an attempt, up to its first slot
    while True:
        resumed += checkpoint_path(path).exists()
        log.write_text("")
        begin = time.perf_counter()
        pid = fork(command, log)
        if complete and killed < kills:
            # While it begins or goes on, or some time after it has saved the run.
            if rng.random() < 0.3:
                time.sleep(rng.uniform(0.0, start_s))
            else:
                wait_for_change(checkpoint_path(path), pid)
                time.sleep(rng.uniform(0.0, 2.0 * peace_s / CHECKPOINTS))
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        if os.WIFSIGNALED(status):
            killed += 1
            continue
        assert os.WEXITSTATUS(status) == 0, log.read_text()
        assert not checkpoint_path(path).exists()
        assert_same(path, whole)
        complete += 1
        if complete == 1:
            start_s = max(time.perf_counter() - begin - peace_s, 0.0)
        if killed >= kills:
            assert resumed > kills / 4, "killed before there was anything to go on from"
            return (
                f"{name}: {killed} kills, gone on {resumed} times; {complete} traces of {slots} "
                "slots, all bit for bit the same"
            )
        path.unlink()


def main(kills: int, names: list[str]) -> None:
    """Of each policy that is named."""
    torch.set_num_threads(1)  # a fork has no pool of threads, but would wait for it
    known = [
        f"{problem}-{policy}" for problem, kind in PROBLEMS.items() for policy in POLICIES[kind]
    ]
    with TemporaryDirectory() as folder:
        for name in names or known:
            problem, _, policy = name.partition("-")
            print(survive(problem, policy, Path(folder), kills), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50, sys.argv[2:])
