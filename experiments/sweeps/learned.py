"""Sweeps whose policies are trained first: each point its own, and then run on seeds that no training saw."""

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

from ...scenarios.schema import Scenario
from ...simulator.core.outputs import make_folder, put_bytes
from ..train import learns
from .search import Point, ask
from .sweep_file import Digests, Sweep, points
from .trainings import TrainingJob, make_trainings

TRAININGS = "trainings"
"""The folder of the trainings, beside the traces, each named as a run of its case would be."""

TABLE = "trainings.csv"
"""What was trained, and how it scored where it was chosen by it; the best first."""

Load = Callable[..., Sweep]
"""Reads a sweep file; `found` are the points of its search."""


def learned(load: Load, folder: Path, workers: int) -> Sweep:
    """A sweep, of which all that has to be trained is trained, and all that is searched is found.

    Args:
        load: reads the file.
        folder: of the sweep.
        workers: processes.

    Raises:
        ScenarioError: as `load`, or Optuna is needed and not installed.
        RunError: a training came to nothing.
        OSError: the folder cannot be written.
    """
    sweep = load()
    if not sweep.train:
        return sweep
    make_folder(folder, TRAININGS)
    if (section := sweep.search) is not None:
        tried: list[tuple[Point, float]] = []
        while len(tried) < section.trials:
            count = min(section.together, section.trials - len(tried))
            asked = ask(section, sweep.source, tried, count)
            part = load(found=_distinct(asked))
            scores = _scores(part, _trained(part, folder, workers))
            tried += [(point, scores[json.dumps(point)]) for point in asked]
        sweep = load(found=_distinct([point for point, _ in tried]))
    jobs = _trained(sweep, folder, workers)
    _note(sweep, jobs, folder)
    digests = Digests()
    return replace(
        sweep,
        cases=tuple(
            case
            if job is None
            else replace(case, scenario=text, digest=digests.of(_scenario(sweep, text), text))
            for case, job in zip(sweep.cases, jobs, strict=True)
            for text in [case.scenario if job is None else _with_checkpoint(case.scenario, job)]
        ),
    )


def _trained(sweep: Sweep, folder: Path, workers: int) -> list[TrainingJob | None]:
    """Of each case its training, which is complete; None where nothing has to be trained."""
    jobs: list[TrainingJob | None] = []
    for case in sweep.cases:
        scenario = _scenario(sweep, case.scenario)
        name = case.run_id(scenario.run.seed)
        job = TrainingJob(scenario, (folder / TRAININGS / name).resolve(), "edgesim sweep")
        jobs.append(job if learns(scenario) else None)
    make_trainings([job for job in jobs if job], folder, workers)
    return jobs


def _scores(sweep: Sweep, jobs: Sequence[TrainingJob | None]) -> dict[str, float]:
    """Of each searched point, as JSON, the mean over its trainings."""
    found: dict[str, list[float]] = {}
    for point, job in zip(_searched(sweep), jobs, strict=True):
        if job is not None:
            found.setdefault(json.dumps(point), []).append(job.result()["score"])
    return {point: sum(scores) / len(scores) for point, scores in found.items()}


def _searched(sweep: Sweep) -> list[Point]:
    """Of each case, the point of the search that it belongs to; it is the first axis."""
    settings = sweep.axes[0].settings
    each = len(sweep.cases) // len(settings)
    return [dict(settings[number // each]) for number in range(len(sweep.cases))]


def _note(sweep: Sweep, jobs: Sequence[TrainingJob | None], folder: Path) -> None:
    keys = list(points(sweep.axes))
    rows: list[dict[str, Any]] = [
        {
            **{key: json.dumps(value) for key, value in keys[case.point].items()},
            "policy": case.policy,
            **job.result(),
            "checkpoint": str(job.folder / "best.pt"),
        }
        for case, job in zip(sweep.cases, jobs, strict=True)
        if job is not None
    ]
    rows.sort(key=lambda row: float(row["score"]))
    names = dict.fromkeys(name for row in rows for name in row)
    text = StringIO(newline="")
    writer = csv.DictWriter(text, list(names), restval="")
    writer.writeheader()
    writer.writerows(rows)
    put_bytes(folder / TABLE, text.getvalue().encode())


def _scenario(sweep: Sweep, text: str) -> Scenario:
    return Scenario.model_validate_json(text).located(sweep.source, sweep.folders, sweep.code)


def _with_checkpoint(text: str, job: TrainingJob) -> str:
    """JSON of the scenario, from JSON, that runs what was trained."""
    table = json.loads(text)
    table["policy"]["checkpoint"] = str(job.folder / "best.pt")
    return Scenario.model_validate_json(json.dumps(table)).model_dump_json(exclude_none=True)


def _distinct(found: Sequence[Point]) -> list[Point]:
    """Each once: a sampler may ask again for what it knows."""
    return list({json.dumps(point): point for point in found}.values())
