"""A run's replications in two processes beside one: throughput per core, and time on the wall."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from edgesim.experiments.run import execute, prepare
from edgesim.scenarios.schema import Scenario

from .measure import Row, scenario

TOGETHER = 64
ROUNDS = 5


def measure() -> Iterator[Row]:
    runs = {
        "iiot_20dev, lyapunov": scenario(f"run.replications={TOGETHER}", slots=1500),
        "iiot_20dev, local": scenario(
            f"run.replications={TOGETHER}", "policy.name=local", slots=3000
        ),
        "carbon_6ue, exact": scenario(
            f"run.replications={TOGETHER}", "policy.name=exact", slots=100, name="carbon_6ue"
        ),
    }
    for name, plan in runs.items():
        spent(plan, 1)
        taken = np.array([[spent(plan, workers) for workers in (1, 2)] for _ in range(ROUNDS)])
        cpu, wall = np.median(taken[:, 0] / taken[:, 1], axis=0)
        cores = len(os.sched_getaffinity(0))
        target = 0.85 if "lyapunov" in name else None
        what = f"{name}, R = {TOGETHER}: per core"
        yield Row(what, cpu, "x of one process", at_least=target)
        yield Row("runs per hour", wall, f"x (on {cores} cores, free or not)")


def spent(plan: Scenario, workers: int) -> tuple[float, float]:
    """CPU time of all processes of a run, and the time that it took, s."""
    with TemporaryDirectory() as folder:
        before, begin = os.times(), time.perf_counter()
        execute(prepare(plan), Path(folder, "trace.h5"), workers=workers)
        wall, after = time.perf_counter() - begin, os.times()
    return sum(after[:4]) - sum(before[:4]), wall
