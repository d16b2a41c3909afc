"""Runs without files: a recorder that keeps everything in memory."""

import gc
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Before the first import of numpy or torch, and for the processes that tests start: on networks this
# small more threads only wait for each other, and for those of the tests beside.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# What is started in the background of a script ignores Ctrl-C, and so would all that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgesim.experiments.run import prepare
from edgesim.scenarios.loading import parse_scenario
from edgesim.scenarios.schema import Scenario
from edgesim.simulator.core.arrays import FloatArray
from edgesim.simulator.core.randomness import Streams
from edgesim.simulator.core.recorder import NullRecorder, SlotColumns, TaskTable
from edgesim.simulator.models.arrivals import Tasks
from edgesim.simulator.network.network import Network
from edgesim.simulator.simulation import Simulation
from edgesim.simulator.stream.ledger import TaskLedger

# Generated examples are the same in every run, so the suite cannot fail by chance; slow tests that draw
# anew say so, and what they find becomes an example. No deadline: the first example may compile.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


# By itself `pytest.approx` takes all numbers below 1e-12 for one: noise of 4e-21 W/Hz, for instance.
setattr(type(pytest.approx(1.0)), "DEFAULT_ABSOLUTE_TOLERANCE", 0.0)  # noqa: B010 - mypy knows no such type

# What is imported stays: to look through it for garbage, again and again, takes a tenth of all time.
gc.disable()


@given(st.none())
def _first_example(nothing: None) -> None:
    """With it Hypothesis makes a generator of random numbers, and looks who refers to it."""


def pytest_collection_finish() -> None:
    """All has been imported."""
    if sys.version_info >= (3, 14):  # which finds nobody among what is frozen
        _first_example()
    gc.freeze()
    # Tests make much that lives as long as their file: by the usual thresholds it is looked through
    # hundreds of times.
    gc.set_threshold(100_000, 50, 100)
    gc.enable()


SMALL = """
title = "test"
[run]
slots = 50
[devices]
count = 6
[tasks]
mean = "0.6 Mbit"
"""


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweeps and trainings of figures are made here: see `sweeping.Here`."""
    from sweeping import Here

    for room in (
        "sweeps.workers",
        "sweeps.estimate",
        "reproduction.engine",
        "sweeps.trainings",
    ):
        monkeypatch.setattr(f"edgesim.experiments.{room}.LocalPool", Here)


@dataclass
class Capture(NullRecorder):
    """Keeps all columns, stacked over slots on the second axis, and all tasks."""

    rows: list[dict[str, NDArray[Any]]] = field(default_factory=list)
    tables: list[TaskTable] = field(default_factory=list)

    def slot(self, slot: int, columns: SlotColumns) -> None:
        assert slot == len(self.rows)
        self.rows.append({name: column.copy() for name, column in columns.items()})

    def tasks(self, tasks: TaskTable) -> None:
        self.tables.append(tasks.copy())

    def __getitem__(self, name: str) -> NDArray[Any]:
        """(R, T, …)"""
        return np.stack([row[name] for row in self.rows], axis=1)

    def column(self, name: str) -> NDArray[Any]:
        """A column of the task table."""
        return np.concatenate([table[name] for table in self.tables])


@dataclass
class Run:
    """A finished run in memory."""

    scenario: Scenario
    network: Network
    simulation: Simulation
    trace: Capture


def simulate(*overrides: str, toml: str = SMALL, decide: Any = None) -> Run:
    """Run a scenario at level "full", to the end, with its own policy or another `decide`."""
    scenario = parse_scenario(toml, "test", ["trace.level=full", *overrides])
    experiment = prepare(scenario)
    plan, streams = experiment.blueprint, Streams(scenario.run.seed, scenario.run.replications)
    experiment.policy.reset(plan.problem.network, plan.problem, streams.generators("policy"))
    trace = Capture()
    simulation = plan.simulation(decide or experiment.policy.decide, trace, streams)
    simulation.run()
    for rows in simulation.world.unfinished():
        trace.tasks(rows)
    return Run(scenario, plan.network, simulation, trace)


def observing(seen: list[Any], *overrides: str, toml: str = SMALL) -> Run:
    """As `simulate`, with every observation kept beside the world's state of the same time."""
    scenario = parse_scenario(toml, "test", ["trace.level=full", *overrides])
    experiment = prepare(scenario)
    plan, streams = experiment.blueprint, Streams(scenario.run.seed, scenario.run.replications)
    experiment.policy.reset(plan.problem.network, plan.problem, streams.generators("policy"))

    def decide(observation: Any) -> Any:
        state = simulation.world.state
        seen.append((observation, state.device_columns() | state.station_columns()))
        return experiment.policy.decide(observation)

    trace = Capture()
    simulation = plan.simulation(decide, trace, streams)
    simulation.run()
    return Run(scenario, plan.network, simulation, trace)


def a_network(
    stations: int = 3, devices: int = 4, replications: int = 1, **changes: Any
) -> Network:
    """Paper A's capacities on any number of devices and stations."""
    small = stations - 1
    values: dict[str, Any] = {
        "replications": replications,
        "slot_s": 0.1,
        "station_names": ("mbs", *(f"sbs-{j + 1}" for j in range(small))),
        "device_cpu_hz": np.full(devices, 0.5e9),
        "device_power_max_w": np.full(devices, 0.1),
        "station_bandwidth_hz": np.array([10e6] + [5e6] * small),
        "station_cpu_hz": np.array([50e9] + [10e9] * small),
        "cycles_per_bit": 100.0,
        "varsigma": 1e-27,
        "epsilon_w": 0.1,
        "noise_w": np.full(stations, 1e-14),
    }
    return Network(**(values | changes))


def run_script(folder: Path, text: str) -> "subprocess.CompletedProcess[str]":
    """A script in a process of its own, as somebody writes it in the first hour: without `if __name__`."""
    (folder / "script.py").write_text(text)
    return subprocess.run(
        [sys.executable, "script.py"],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )


def mistakes(stderr: str) -> str:
    """What a command says on stderr, without its notes."""
    lines = stderr.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("note: "))


def admit(ledger: TaskLedger, tasks: Tasks, queue_bits: FloatArray) -> FloatArray:
    """(2, R, N) bits that joined the queues and bits refused, where a slot's service took nothing."""
    admitted = np.full((2, *queue_bits.shape), np.nan)
    ledger.admit(tasks, queue_bits, np.zeros(queue_bits.shape), admitted)
    return admitted


def pending(ledger: TaskLedger) -> TaskTable:
    """All tasks still in a queue, and those dropped since the last service."""
    return np.concatenate(list(ledger.pending()))
