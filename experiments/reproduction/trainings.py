"""The trainings behind a figure: resumable, several seeds, each made once."""

import csv
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ... import __version__
from ...scenarios.errors import as_toml
from ...scenarios.loading import load_scenario
from ...simulator.core.arrays import FloatArray
from ...simulator.core.outputs import put_bytes
from ..sweeps.trainings import TrainingJob, make_trainings
from .figure import Trainings


@dataclass(frozen=True)
class _Step(TrainingJob):
    """One training of a figure.

    Attributes:
        place: (factors + 1) level of each factor, and seed.
    """

    place: tuple[int, ...]


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
    if missing := sum(not step.done for step in made):
        log(f"  {training.name}: {missing} of {len(made)} trainings to make")
        make_trainings(made, folder, workers)
    return _dataset(training, made, quick)


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
        name = f"seed{place[-1] + 1}-{digest}"
        yield _Step(scenario, folder / name, "edgesim reproduce", place)


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
    cost = sum(step.result().get("cpu_s", 0.0) for step in made)
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
        policy, _ = _about(Path(name))
        path = folder / f"{policy}-{sha256(content).hexdigest()[:16]}.pt"
        if not path.exists():
            put_bytes(path, content)
        found.append(path)
    return found


def as_policy(checkpoint: Path) -> str:
    """A trained policy as a sweep file writes it, with the actions that it was trained with."""
    policy, action = _about(checkpoint)
    return f"{policy}{{checkpoint={json.dumps(str(checkpoint))}, action={json.dumps(action)}}}"


def _about(checkpoint: Path) -> tuple[str, str]:
    """The name of the policy that a checkpoint is of, and its actions."""
    from ...policies.learning.checkpoint import FORMAT, read

    saved = read(checkpoint, FORMAT)
    return saved["policy"], saved["action"]
