"""Replications of a run that are simulated together: their policy, their simulation, and what is saved of them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..policies.base import Policy
from ..scenarios.schema import Scenario
from ..simulator.assembly.build import Blueprint
from ..simulator.core.errors import RunError
from ..simulator.core.randomness import Streams
from ..simulator.core.recorder import Recorder, TaskTable
from ..simulator.core.saved_state import Saved, load_state
from ..simulator.simulation import Simulation
from . import checkpoint
from .inputs import MODELS


@dataclass(frozen=True)
class Experiment:
    """A scenario with all that it names found and configured, ready for one run."""

    scenario: Scenario
    blueprint: Blueprint
    policy: Policy

    @property
    def streams(self) -> Streams:
        """The random streams of its seeds."""
        return Streams(self.scenario.run.seed, self.scenario.run.replications)

    @property
    def is_our_own(self) -> bool:
        """Whether policy and models are the program's: of others nobody knows if replications are alone."""
        models = (getattr(self.blueprint, name) for name in MODELS)
        own = __name__.partition(".")[0]
        used = [type(one) for one in (self.policy, *models) if one is not None]
        used += getattr(self.policy, "classes", [])
        return all(one.__module__.partition(".")[0] == own for one in used)

    def of_replications(self, first: int, count: int) -> "Experiment":
        """Some consecutive replications of it: the run with seed `seed + first`, bit for bit."""
        plan = self.blueprint.of_replications(first, count)
        return Experiment(plan.scenario, plan, self.policy)


class Running(Protocol):
    """A run under way, to be followed: a `Simulation`, or the same in several processes."""

    @property
    def slot(self) -> int:
        """The slot that comes next, or is under way."""

    @property
    def slots(self) -> int:
        """Of the whole run."""

    def notes(self) -> Sequence[str]:
        """What is to be known of the run, a line each."""

    def stop(self) -> None:
        """End the run soon; safe in a signal handler."""


class Block:
    """An experiment in this process.

    Args:
        experiment: used up by this.
        file: of the run's checkpoint; None if it is not saved.
        saved: the state from which it goes on, if it does.

    Raises:
        RunError: the policy's `reset` failed.
        CheckpointError: the policy has a state that cannot be saved.
    """

    def __init__(
        self, experiment: Experiment, file: Path | None = None, saved: Saved | None = None
    ) -> None:
        self.experiment = experiment
        self._saved = saved
        self._file = file
        policy, problem = experiment.policy, experiment.blueprint.problem
        try:
            policy.reset(problem.network, problem, experiment.streams.generators("policy"))
        except Exception as error:
            name = experiment.scenario.policy.name
            raise RunError(f"policy {name!r}, reset: {type(error).__name__}: {error}") from error
        if file is not None:
            checkpoint.state_of({"policy": policy}, file)

    def start(self, recorder: Recorder) -> None:
        """Make the simulation: at time zero, or where it was saved.

        Raises:
            RunError: a model does not start, or there is too little memory.
            StateError: what was saved is not of this run.
        """
        plan, policy = self.experiment.blueprint, self.experiment.policy
        saved, self._saved = self._saved, None  # with arrays that grow in the run
        if saved is not None:
            load_state(saved, {"policy": policy})
        try:
            self.running: Simulation = plan.simulation(
                policy.decide, recorder, self.experiment.streams, saved
            )
        except Exception as error:
            if saved is not None or isinstance(error, RunError):
                raise
            what = (
                "too little memory" if isinstance(error, MemoryError) else "a model does not start"
            )
            raise RunError(f"{what}: {type(error).__name__}: {error}") from error

    @property
    def slot(self) -> int:
        """The slot that comes next."""
        return self.running.slot

    def run(self, until: int) -> bool:
        """As `Simulation.run`."""
        return self.running.run(until)

    def stop(self) -> None:
        """As `Simulation.stop`."""
        self.running.stop()

    def unfinished(self) -> Iterator[TaskTable]:
        """As `World.unfinished`."""
        return self.running.world.unfinished()

    def look_at_state(self) -> None:
        """Note where objects are as the run begins, for only there can they be again.

        Raises:
            CheckpointError: the policy or a model has a state that cannot be saved.
        """
        self._places: frozenset[str] | None = None
        self._places = self.saved()[0].places

    def saved(self) -> list[Saved]:
        """The state between two slots. Its arrays are those in use.

        Raises:
            CheckpointError: as `look_at_state`.
        """
        assert self._file is not None
        parts = {"policy": self.experiment.policy, **self.running.parts()}
        return [checkpoint.state_of(parts, self._file, self._places)]

    def close(self) -> None:
        """Nothing is left."""


def counted_from(first: int, message: str) -> str:
    """A message of a block, with the numbers that its replications have in the run."""
    return re.sub(
        r"\breplication (\d+)", lambda found: f"replication {first + int(found[1])}", message
    )
