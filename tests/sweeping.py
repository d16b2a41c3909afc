"""Sweeps of short runs, and what tests ask of the folders that they leave."""

import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from edgesim.experiments.sweeps.dataset import open_sweep
from edgesim.experiments.sweeps.execute import SweepProgress, execute_sweep, jobs, plan
from edgesim.experiments.sweeps.jobs import JobOutcome, run_job
from edgesim.experiments.sweeps.sweep_file import load_sweep
from edgesim.experiments.sweeps.table import SweepTable
from edgesim.experiments.sweeps.workers import AHEAD, LocalPool, Submission

SMALL = """
scenario = "base.toml"
policies = ["local", "random"]
seeds = 4
replications = 2
[set]
run.slots = 20
[grid]
devices.count = [3, 5]
"""
BASE = """
title = "small"
[devices]
count = 4
[tasks]
mean = "0.4 Mbit"
"""


def write(folder: Path, sweep: str = SMALL, base: str = BASE) -> Path:
    """A sweep file with its base beside it."""
    (folder / "base.toml").write_text(base)
    path = folder / "sweep.toml"
    path.write_text(sweep)
    return path


class Here:
    """A `LocalPool` of this process, which runs a job when its outcome is asked for.

    For tests of what a sweep leaves: each process of a pool takes a second of CPU until it has begun.
    """

    def __init__(
        self, folder: Path, workers: int, run: Callable[[Any, Path], JobOutcome] = run_job
    ) -> None:
        self._folder, self._run = folder.resolve(), run
        self._jobs: deque[Submission] = deque()
        self.capacity = AHEAD * workers

    def submit(self, job: Submission) -> None:
        """See `LocalPool`."""
        assert len(self._jobs) < self.capacity
        self._jobs.append(job)

    def next(self, timeout_s: float) -> JobOutcome | None:
        """See `LocalPool`."""
        return self._run(self._jobs.popleft(), self._folder) if self._jobs else None

    def close(self) -> None:
        """Nothing is under way."""


def make(
    path: Path, folder: Path, pool: type[Here] | type[LocalPool] = Here, workers: int = 2
) -> SweepProgress:
    """What the command does, in this process alone or with a pool's."""
    sweep = load_sweep(path)
    plan(sweep, folder)
    return execute_sweep(sweep, folder, lambda: pool(folder, workers))


def start(path: Path, *options: str) -> "subprocess.Popen[str]":
    """`edgesim sweep` in a session of its own, beside the file."""
    return subprocess.Popen(
        [sys.executable, "-m", "edgesim", "sweep", path.name, *options],
        cwd=path.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def kill_all(process: "subprocess.Popen[str]") -> None:
    """SIGKILL to the command and to all of its processes, and wait."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def contents(path: Path) -> dict[str, bytes]:
    """Every dataset and attribute of a trace, but for its wall-clock times."""
    found: dict[str, bytes] = {}

    def visit(name: str, item: h5py.HLObject) -> None:
        if name.startswith("timing"):
            return
        if isinstance(item, h5py.Dataset):
            found[name] = (
                np.asarray(item).tobytes() if item.dtype.kind != "O" else repr(item[...]).encode()
            )
        for key, value in item.attrs.items():
            if "LIST" not in key:
                found[f"{name}@{key}"] = repr(value).encode()

    with h5py.File(path, "r") as file:
        file.visititems(visit)
        found["scenario"] = str(file.attrs["scenario"]).encode()
        found["status"] = bytes(file.attrs["status"])
    return found


def assert_whole(path: Path, folder: Path, undisturbed: Path) -> None:
    """Every run is complete exactly once, bit for bit as in a sweep that nobody disturbed."""
    sweep = load_sweep(path)
    expected = {f"{job.id}.h5": job for job in jobs(sweep, set())}
    traces = {entry.name for entry in (folder / "traces").iterdir()}
    assert traces == expected.keys()
    with SweepTable(folder) as table:
        rows = list(table.runs())
    assert sorted(row.id for row in rows) == sorted(
        run_id for job in expected.values() for run_id in job.run_ids
    )
    for row in rows:
        assert row.trace is not None and row.replication is not None
        assert expected[row.trace].run_ids[row.replication] == row.id
    assert open_sweep(folder).identical(open_sweep(undisturbed))
    for name in traces:
        assert contents(folder / "traces" / name) == contents(undisturbed / "traces" / name)
