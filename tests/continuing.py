"""Runs that have everything a checkpoint has to hold, and what tests ask of their traces."""

import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from conftest import SMALL
from untrained import STEADY, save_untrained

from edgesim.experiments.checkpoint import checkpoint_path
from edgesim.experiments.run import execute, prepare
from edgesim.scenarios.loading import load_scenario, parse_scenario
from edgesim.scenarios.schema import Scenario

STREAMS = (
    'stations.sbs.failures={time_to_failure=1, time_to_repair=0.5, queue="lost"}',
    "mobility.model=random-waypoint",
    'mobility.speed=["20 m/s", "30 m/s"]',
    'devices.battery={capacity="0.05 J", initial=0.5, harvest="60 mW"}',
    "twin.sync=periodic",
    "twin.device.period=0.15 s",
    "twin.device.latency={exponential=0.15}",
    "twin.device.loss=0.3",
    "twin.station.latency=0.1 s",
    'twin.predict=["location", "arrivals", "energy"]',
    "twin.deviation.device_cpu={noise=1e7}",
    "tasks.arrivals=mmpp",
    "tasks.rates=[5.0, 40.0]",
    "tasks.sojourns=[0.5, 0.5]",
    "tasks.deadline=1 s",
    "run.replications=2",
)
"""The stream problem: stations that fail, devices that move, batteries, messages under way to the twin."""

GREEN = (
    *(one for one in STREAMS if not one.startswith("tasks.deadline")),
    "policy.penalty=carbon",
    'tasks.classes=[{share=0.4, deadline="0.5 s", weight=10}, {share=0.6, deadline="3 s"}]',
    'carbon.signal={intensity="200 g/kWh", devices="50 g/kWh"}',
    'carbon.devices="90 g/kWh"',
    'carbon.mbs="30 g/kWh"',
    'carbon.forecast={horizon="2 s", step="0.25 s", period="0.5 s", memory="1 s"}',
    'carbon.budget={mass="1 mg", period="1 h"}',
)
"""The stream problem with emission and the classes of tasks in the decision."""

TASKS = (
    "mobility.model=random-waypoint",
    'mobility.speed=["10 m/s", "20 m/s"]',
    "twin.sync=periodic",
    "twin.device.period=4.0",
    "twin.device.latency={exponential=2.0}",
    "twin.device.loss=0.3",
    'twin.deviation.device_cpu={noise="50 MHz"}',
    "run.replications=2",
)
"""The task problem, which has neither batteries nor stations that fail."""

LEARNING = (
    "policy.name=ddpg",
    "policy.episodes=20",
    "policy.episode_slots=2",
    "policy.replicas=2",
    "policy.warmup=4",
    "policy.batch=4",
    "policy.hidden=[4, 4]",
    "run.slots=4",
)
"""Of `carbon_6ue`: a training of a moment."""

LEARNERS = ("ddpg", "aac", "dqn", "sac")


def everything(problem: str, policy: str, folder: Path, *overrides: str) -> Scenario:
    """The problem "stream", "green" or "tasks" with all of it; a learner's untrained network is in the folder."""

    def made(*more: str) -> Scenario:
        if problem != "tasks":
            of = STREAMS if problem == "stream" else GREEN
            name = f"policy.name={policy}"
            return parse_scenario(SMALL, "test", [*of, name, *more, *overrides])
        return load_scenario("carbon_6ue", [*TASKS, *more, *overrides], policy=policy)

    if policy == "agent":
        return made(*STEADY)
    if policy not in LEARNERS:
        return made()
    network = folder / f"{problem}-{policy}.pt"
    if not network.exists():
        save_untrained(made(), network)
    return made(f'policy.checkpoint="{network}"')


def stop_at(slot: int) -> Any:
    """To follow a simulation with, until the end of this slot."""

    def follow(simulation: Any) -> None:
        decide = simulation._decide

        def watched(observation: Any) -> Any:
            if observation.slot == slot:
                simulation.stop()
            return decide(observation)

        simulation._decide = watched

    return follow


def killed_at(what: Scenario, path: Path, slot: int, kept: Path, every: int) -> None:
    """Run up to a slot, and keep the files as SIGKILL would leave them; saved every so many slots."""
    experiment = prepare(what)

    def follow(simulation: Any) -> None:
        decide = simulation._decide

        def watched(observation: Any) -> Any:
            if observation.slot == slot:
                for file in (path, checkpoint_path(path)):
                    if file.exists():
                        shutil.copy(file, kept / file.name)
                raise KeyboardInterrupt
            return decide(observation)

        simulation._decide = watched

    with pytest.raises(KeyboardInterrupt):
        execute(experiment, path, follow, every)


def content(path: Path) -> dict[str, Any]:
    """All that a trace holds, but for its timing and versions."""
    found: dict[str, Any] = {}
    with h5py.File(path, "r", libver="latest", swmr=True, locking=False) as file:

        def take(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset) and not name.startswith("timing"):
                found[name] = item[...]

        file.visititems(take)
        # Which libraries a process has loaded by then depends on what it did before.
        found |= {f"@{name}": value for name, value in file.attrs.items() if name != "blas"}
    return found


def assert_same(path: Path, expected: Path) -> None:
    ours, theirs = content(path), content(expected)
    assert ours.keys() == theirs.keys()
    for name, values in theirs.items():
        np.testing.assert_array_equal(ours[name], values, err_msg=name)
