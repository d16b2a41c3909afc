"""Trainings in processes of their own: resumable, each made once."""

import json
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...scenarios.errors import ScenarioError
from ...scenarios.schema import Scenario
from ...simulator.core.errors import RunError
from ...simulator.core.outputs import OutputError, make_folder, put_text
from ...traces.locks import locked
from .jobs import JobOutcome
from .workers import LocalPool

_DONE = "done.json"

_TRAIN = f"{__package__.rpartition('.')[0]}.train"
"""Imported where a training is made alone: torch takes its time."""


@dataclass(frozen=True)
class TrainingJob:
    """One training.

    Attributes:
        scenario: resolved.
        folder: named after the scenario and the version, so that another training has another one.
        command: noted in its checkpoint.
    """

    scenario: Scenario
    folder: Path
    command: str

    @property
    def id(self) -> str:
        """For messages."""
        return str(self.folder)

    @property
    def done(self) -> bool:
        """Whether it is complete."""
        return (self.folder / _DONE).exists()

    def result(self) -> dict[str, Any]:
        """Of a complete one: "steps", "score", the least is the best, and the figures behind it.

        Raises:
            RunError: it cannot be read.
        """
        path = self.folder / _DONE
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            return {**found, "score": float(found["score"])}
        except (OSError, ValueError, KeyError, TypeError) as error:
            what = f"{path} is not what a training left ({type(error).__name__}); remove its folder"
            raise RunError(what) from None


def make_trainings(trainings: Iterable[TrainingJob], folder: Path, workers: int) -> None:
    """Make the trainings that are missing, a few at a time; those that were stopped go on.

    Args:
        trainings: all of them.
        folder: that the processes are told.
        workers: processes, at most.

    Raises:
        RunError: one came to nothing; the others under way go on from their checkpoints another time.
    """
    missing = deque(one for one in trainings if not one.done)
    if not missing:
        return
    processes = min(workers, len(missing))
    pool = LocalPool(folder, processes, run_training, parents=True, imports=[_TRAIN])
    under_way = 0
    try:
        while missing or under_way:
            while missing and under_way < pool.capacity:
                pool.submit(missing.popleft())
                under_way += 1
            outcome = pool.next(1.0)
            if outcome is None:
                continue
            under_way -= 1
            if outcome.end != "complete":
                raise RunError(f"training {outcome.job}: {outcome.message}")
    finally:
        pool.close()


def run_training(training: TrainingJob, folder: Path) -> JobOutcome:
    """One training to its end, in a process of its own; it goes on where an earlier one stopped."""
    from ..train import train

    try:
        make_folder(training.folder.parent, training.folder.name)
        with locked(training.folder / ".lock") as mine:
            if not mine:
                return JobOutcome(training.id, "locked", "another process is at it")
            result = train(
                training.scenario, training.folder, resume=True, command=training.command
            )
            if not result.complete:
                return JobOutcome(training.id, "interrupted", "interrupted; start again to go on")
            cost = {"steps": result.steps, "cpu_s": result.cpu_s}
            about = {**cost, "score": result.score, **result.best}
            put_text(training.folder / _DONE, json.dumps(about, indent=2) + "\n")
    except (ScenarioError, RunError, OutputError, OSError) as error:
        return JobOutcome(training.id, "failed", str(error).replace("\n", "; "))
    return JobOutcome(training.id, "complete", cpu_s=result.cpu_s)
