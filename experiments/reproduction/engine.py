"""Runs figures: their sweeps and trainings, as far as they are not there yet; then claims and pictures.

Under the output folder each figure has its own:

    FIGURE/sweeps/STUDY/        a sweep's folder, with `sweep.toml` that made it
    FIGURE/FIGURE.svg .pdf .png the picture
    FIGURE/lines.csv            what it shows
    FIGURE/results.json         claims and answers

    trainings/TRAINING/…        trainings' folders, which figures share

and `index.md`, `index.html` tell of all figures that are there.
"""

import csv
import json
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...simulator.core.errors import RunError
from ...traces.reader import open_trace
from ..sweeps.dataset import open_sweep, sweep_status
from ..sweeps.execute import Progress, SweepStoppedError, execute_sweep, plan
from ..sweeps.sweep_file import load_sweep
from ..sweeps.workers import LocalPool
from .figure import (
    Claim,
    Diagram,
    Evidence,
    Figure,
    Question,
    Results,
    Shown,
    Study,
    answer,
    verdict,
)
from .trainings import checkpoints, train_all

if TYPE_CHECKING:
    import xarray as xr

Follow = AbstractContextManager[tuple[Callable[[Progress], None], Callable[[str], None]]]


@dataclass(frozen=True)
class Reporter:
    """How the user learns where it stands.

    Attributes:
        say: a line.
        runs: for the runs of a sweep, what shows their progress and what tells of failures.
    """

    say: Callable[[str], None] = lambda text: None
    runs: Callable[[int], Follow] = lambda total: nullcontext(
        (lambda progress: None, lambda failure: None)
    )


def reproduce(
    figures: Sequence[Figure],
    folder: Path,
    *,
    quick: bool = False,
    workers: int = 1,
    data_dir: Path | None = None,
    reporter: Reporter | None = None,
) -> list[dict[str, Any]]:
    """Make figures, or what is missing of them, and the page.

    Args:
        figures: which.
        folder: where to.
        quick: the small version of each.
        workers: processes.
        data_dir: where data files are looked up, as for `load_scenario`.
        reporter: is told of progress.

    Returns:
        What is in each figure's `results.json`.

    Raises:
        ScenarioError: a scenario is not right, or a data file is not there.
        RunError: runs failed, or a training came to nothing; what is complete is kept.
        OSError: the folder cannot be written.
    """
    from .page import write_pages

    reporter = reporter or Reporter()
    told = []
    for figure in figures:
        began = time.monotonic()
        reporter.say(f"{figure.id}: {figure.title}")
        told.append(make(figure, folder, quick, workers, data_dir, reporter))
        for claim in told[-1]["claims"]:
            reporter.say(f"  {claim['verdict']}: {claim['says']}")
        reporter.say(f"  {time.monotonic() - began:,.0f} s")
        write_pages(folder)
    return told


def make(
    figure: Figure,
    folder: Path,
    quick: bool,
    workers: int,
    data_dir: Path | None,
    reporter: Reporter,
) -> dict[str, Any]:
    """One figure; what its `results.json` says."""
    from .drawing import draw

    own = folder / figure.id
    own.mkdir(parents=True, exist_ok=True)
    results: dict[str, xr.Dataset] = {}
    for trainings in figure.trainings:
        place = folder / "trainings" / trainings.name
        results[trainings.name] = train_all(trainings, place, quick, workers, reporter.say)
    for study in figure.studies:
        trained = {
            f"{label} {number}": path
            for label, name in study.learned.items()
            for number, path in enumerate(
                checkpoints(results[name], folder / "trainings" / "trained"), start=1
            )
        }
        place = own / "sweeps" / study.name
        results[study.name] = run_study(study, place, quick, workers, data_dir, reporter, trained)
    command = f"edgesim reproduce {figure.id}" + (" --quick" if quick else "")
    diagrams = figure.diagrams(results)
    write_lines(diagrams, figure.x, own / "lines.csv")
    draw(figure, diagrams, command, own / figure.id)
    about = {
        "id": figure.id,
        "paper": figure.paper,
        "title": figure.title,
        "notes": figure.notes,
        "x": figure.x,
        "command": command,
        "quick": quick,
        "claims": [judge(claim, results, quick) for claim in figure.claims],
        "questions": [measured(question, results) for question in figure.questions],
    }
    (own / "results.json").write_text(
        json.dumps(about, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
    )
    return about


def document(study: Study, quick: bool, trained: dict[str, Path] | None = None) -> str:
    """The sweep file of a study.

    Args:
        study: which.
        quick: the small version.
        trained: by label, checkpoints of the policies that learn.
    """
    import tomli_w

    grid: dict[str, Any] = {}
    points: list[dict[str, Any]] = []
    for one in study.factors:
        settings = one.chosen(quick).values()
        if one.key is not None:
            grid[one.key] = [setting[one.key] for setting in settings]
        else:
            points = [dict(setting) for setting in settings]
    return tomli_w.dumps(
        {
            "scenario": study.scenario,
            "title": study.name,
            "policies": list(policies(study, trained or {}).values()),
            "seeds": study.quick_seeds if quick else study.seeds,
            "replications": study.together,
            "set": {**study.keys, **(study.quick_keys if quick else {})},
            "grid": grid,
            "points": points,
        }
    )


def policies(study: Study, trained: dict[str, Path]) -> dict[str, str]:
    """By label, the policies as a sweep file writes them."""
    found = dict(study.policies)
    for label, path in trained.items():
        name = path.name.split("-")[0]
        found[label] = f"{name}{{checkpoint={json.dumps(str(path))}}}"
    return found


def run_study(
    study: Study,
    folder: Path,
    quick: bool,
    workers: int,
    data_dir: Path | None = None,
    reporter: Reporter | None = None,
    trained: dict[str, Path] | None = None,
) -> "xr.Dataset":
    """Make the runs of a study that are missing, and read all of them.

    Raises:
        ScenarioError: a scenario is not right, or a data file is not there.
        RunError: runs failed.
    """
    reporter = reporter or Reporter()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "sweep.toml"
    file.write_text(document(study, quick, trained), encoding="utf-8")
    sweep = load_sweep(file, data_dir)
    plan(sweep, folder)
    with reporter.runs(sweep.runs) as (watch, tell):
        try:
            execute_sweep(sweep, folder, lambda: LocalPool(folder, workers), watch=watch, tell=tell)
        except SweepStoppedError as error:
            raise RunError(f"{error}; what is complete is kept") from None
    status = sweep_status(folder)
    if status.complete < status.runs:
        why = "; ".join(status.failures) or "interrupted"
        raise RunError(f"{folder}: {status.runs - status.complete} of {status.runs} runs: {why}")
    data = open_sweep(folder, warmup=study.warmup)
    if study.timed:
        data["decision_s"] = _decision_s(data, folder)
    return labelled(study, data, quick, list(policies(study, trained or {})))


def labelled(study: Study, data: "xr.Dataset", quick: bool, labels: list[str]) -> "xr.Dataset":
    """A sweep's dataset with the study's own names of dimensions, values and policies."""
    for one in study.factors:
        dim = one.key or "point"
        values: list[Shown] = list(one.chosen(quick))
        others = [name for name, coord in data.coords.items() if coord.dims == (dim,)]
        data = data.drop_vars(others).rename({dim: one.name}).assign_coords({one.name: values})
    return data.assign_coords(policy=labels)


def _decision_s(data: "xr.Dataset", folder: Path) -> "xr.DataArray":
    """Median wall-clock time of a decision of each run's trace, for all of its replications."""
    known: dict[str, float] = {}

    def median(name: str) -> float:
        if name not in known:
            with open_trace(folder / "traces" / name) as trace:
                known[name] = float(np.median(trace.timing["decision_s"].values))
        return known[name]

    values = np.vectorize(median, otypes=[float])(data["trace"].values)
    return data["trace"].copy(data=values)


def judge(claim: Claim, results: Results, quick: bool) -> dict[str, Any]:
    """A claim's verdict, and what it rests on."""
    least = 2 if quick else claim.least
    found = claim.checks(results)
    answers = {name: answer(checks, least) for name, checks in found.items()}
    came_out = verdict(answers)
    conditions = []
    for name, checks in found.items():
        # What is nearest to failing says most.
        tight = min(
            checks, key=lambda check: (check.answer(least) == "holds", _or_inf(check.margin))
        )
        conditions.append(
            {
                "name": name,
                "answer": answers[name],
                "checks": len(checks),
                "holding": sum(check.answer(least) == "holds" for check in checks),
                "tightest": {"what": tight.what, "seeds": tight.seeds} | _interval(tight),
            }
        )
    reason = ""
    if claim.reason and came_out == claim.explained:
        reason = claim.reason(Evidence(results, found, answers))
    return {
        "id": claim.id,
        "says": claim.says,
        "test": claim.test,
        "unit": claim.unit,
        "least_seeds": least,
        "verdict": came_out,
        "reason": reason,
        "conditions": conditions,
    }


def measured(question: Question, results: Results) -> dict[str, Any]:
    """The numbers that answer a question."""
    rows = [
        {"name": name, "what": check.what, "seeds": check.seeds} | _interval(check)
        for name, checks in question.checks(results).items()
        for check in checks
    ]
    return {"asks": question.asks, "unit": question.unit, "rows": rows}


def _or_inf(margin: float) -> float:
    """Where nothing is known, nothing is tighter."""
    return -np.inf if np.isnan(margin) else margin


def _interval(check: Any) -> dict[str, float | None]:
    ends = zip(("value", "low", "high"), check.interval(), strict=True)
    return {name: value if np.isfinite(value) else None for name, value in ends}


def write_lines(diagrams: list[list[Diagram]], x: str, path: Path) -> None:
    """What the picture shows, as a table: a row for each point of each line."""
    from .drawing import band

    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["panel", "number", "line", x, "mean", "low", "high", "seeds"])
        for row in diagrams:
            for diagram in row:
                for line in diagram.curves:
                    value, half = band(line.sample)
                    seeds = np.isfinite(line.sample).sum(axis=1)
                    rows = zip(
                        line.x.tolist(),
                        value.tolist(),
                        (value - half).tolist(),
                        (value + half).tolist(),
                        seeds.tolist(),
                        strict=True,
                    )
                    writer.writerows([diagram.title, diagram.y, line.label, *one] for one in rows)
