"""The trainings behind a figure: resumable, several seeds, each made once."""

import csv
import json
import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ... import __version__
from ...scenarios.errors import ScenarioError, as_toml
from ...scenarios.loading import load_scenario
from ...scenarios.schema import Scenario
from ...simulator.core.arrays import FloatArray
from ...simulator.core.errors import RunError
from ...simulator.core.outputs import OutputError, make_folder, put_bytes, put_text
from ...traces.locks import locked
from ..sweeps.jobs import JobOutcome
from ..sweeps.workers import LocalPool
from .figure import Trainings

_DONE = "done.json"


@dataclass(frozen=True)
class _Step:
    """One training.

    Attributes:
        place: (factors + 1) level of each factor, and seed.
        scenario: resolved.
        folder: named after the scenario and the version, so that another training has another one.
    """

    place: tuple[int, ...]
    scenario: Scenario
    folder: Path

    @property
    def id(self) -> str:
        """For messages."""
        return str(self.folder)


def train_all(
    training: Trainings,
    folder: Path,
    quick: bool,
    workers: int,
    log: Callable[[str], None] = lambda text: None,
) -> xr.Dataset:
    """Make the trainings that are missing, go on with those that were stopped, and read all of them.

    Args:
        training: which.
        folder: for all of them.
        quick: the small version.
        workers: processes.
        log: gets what is under way.

    Returns:
        Over the factors, `seed`, and `log` or `evaluation`.

    Raises:
        ScenarioError: a scenario is not right.
        RunError: a training came to nothing, or was interrupted.
    """
    made = list(steps(training, folder, quick))
    missing = deque(step for step in made if not (step.folder / _DONE).exists())
    if missing:
        log(f"  {training.name}: {len(missing)} of {len(made)} trainings to make")
        pool = LocalPool(folder, min(workers, len(missing)), run_training)
        try:
            _make(missing, pool)
        finally:
            pool.close()
    return _dataset(training, made, quick)


def _make(missing: "deque[_Step]", pool: LocalPool) -> None:
    """All of them, a few at a time.

    Raises:
        RunError: one came to nothing; the others under way go on from their checkpoints another time.
    """
    under_way = 0
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


def steps(training: Trainings, folder: Path, quick: bool) -> Iterator[_Step]:
    """One for each setting and seed, checked.

    Raises:
        ScenarioError: a scenario is not right.
    """
    settings = [list(one.chosen(quick).values()) for one in training.factors]
    keys = {**training.keys, **(training.quick_keys if quick else {})}
    seeds = range(training.quick_seeds if quick else training.seeds)
    for place in product(*(range(len(one)) for one in settings), seeds):
        chosen = dict(keys)
        for number, one in zip(place[:-1], settings, strict=True):
            chosen |= one[number]
        changes = [f"{key}={as_toml(value)}" for key, value in chosen.items()]
        changes.append(f"run.seed={place[-1] + 1}")
        scenario = load_scenario(training.scenario, changes, policy=training.policy)
        text = f"{__version__}\n{scenario.to_toml()}"
        digest = sha256(text.encode()).hexdigest()[:12]
        yield _Step(place, scenario, folder / f"seed{place[-1] + 1}-{digest}")


def run_training(step: _Step, folder: Path) -> JobOutcome:
    """One training to its end, in a process of its own; it goes on where an earlier one stopped."""
    from ..train import train

    started = time.process_time()
    try:
        make_folder(step.folder.parent, step.folder.name)
        with locked(step.folder / ".lock") as mine:
            if not mine:
                return JobOutcome(step.id, "locked", "another process is at it")
            result = train(step.scenario, step.folder, resume=True, command="edgesim reproduce")
            if not result.complete:
                return JobOutcome(step.id, "interrupted", "interrupted; start again to go on")
            cost = {"steps": result.steps, "cpu_s": time.process_time() - started}
            text = json.dumps(cost | result.best, indent=2)
            put_text(step.folder / _DONE, text + "\n")
    except (ScenarioError, RunError, OutputError, OSError) as error:
        return JobOutcome(step.id, "failed", str(error).replace("\n", "; "))
    return JobOutcome(step.id, "complete", cpu_s=time.process_time() - started)


def _dataset(training: Trainings, made: list[_Step], quick: bool) -> xr.Dataset:
    """Learning curves and evaluations; NaN where a value is missing."""
    levels = {one.name: list(one.chosen(quick)) for one in training.factors}
    seeds = 1 + max(step.place[-1] for step in made)
    shape = (*(len(values) for values in levels.values()), seeds)
    dims = [*levels, "seed"]
    variables: dict[str, Any] = {}
    for file, dim, steps_name in (
        ("progress.csv", "log", "steps"),
        ("evaluation.csv", "evaluation", "evaluated_steps"),
    ):
        tables = {step.place: _columns(step.folder / file) for step in made}
        rows = max(len(table["steps"]) for table in tables.values())
        names = dict.fromkeys(name for table in tables.values() for name in table)
        for name in names:
            # When a training was made says nothing about what it learned.
            if name in ("seconds", "steps_per_s"):
                continue
            values = np.full((*shape, rows), math.nan)
            for place, table in tables.items():
                if name in table:
                    values[place][: len(table[name])] = table[name]
            variables[steps_name if name == "steps" else name] = ([*dims, dim], values)
    paths = np.empty(shape, object)
    for step in made:
        paths[step.place] = str(step.folder / "best.pt")
    variables["checkpoint"] = (dims, paths)
    ends = (json.loads((step.folder / _DONE).read_text(encoding="utf-8")) for step in made)
    cost = sum(end.get("cpu_s", 0.0) for end in ends)
    coords = {**levels, "seed": np.arange(1, seeds + 1)}
    return xr.Dataset(variables, coords, {"cpu_s": cost})


def _columns(path: Path) -> dict[str, FloatArray]:
    """A table that a training left; an empty cell is NaN."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {
        name: np.array([float(row[name]) if row[name] else math.nan for row in rows])
        for name in (rows[0] if rows else {"steps": ""})
    }


def checkpoints(data: xr.Dataset, folder: Path) -> list[Path]:
    """The trained policies of a training without factors, by seed, as files named after their content.

    A sweep then runs them again when, and only when, they were trained anew.

    Args:
        data: of `train_all`.
        folder: for the files.
    """
    found = []
    for name in data["checkpoint"].values.tolist():
        content = Path(name).read_bytes()
        policy = _policy(Path(name))
        path = folder / f"{policy}-{sha256(content).hexdigest()[:16]}.pt"
        if not path.exists():
            put_bytes(path, content)
        found.append(path)
    return found


def _policy(checkpoint: Path) -> str:
    """The name of the policy that a checkpoint is of."""
    from ...policies.learning.checkpoint import FORMAT, read

    return str(read(checkpoint, FORMAT)["policy"])
