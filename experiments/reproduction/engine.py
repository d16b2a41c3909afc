"""Makes figures: their sweeps and trainings, as far as they are not there yet; then claims and pictures.

Under the output folder each figure has its own:

    FIGURE/sweeps/STUDY/        a sweep's folder, with `sweep.toml` that made it
    FIGURE/FIGURE.svg .pdf .png the picture
    FIGURE/lines.csv            what it shows
    FIGURE/results.json         claims and answers

    trainings/TRAINING/…        trainings' folders, which figures share

and `index.md`, `index.html` present all figures that are there.
"""

import csv
import json
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ...simulator.core.errors import RunError
from ...simulator.core.outputs import make_folder, put_text, replaced
from ...traces.reader import open_trace
from ..errors import SweepStoppedError
from ..sweeps.dataset import open_sweep
from ..sweeps.execute import SweepProgress, execute_sweep, plan
from ..sweeps.status import sweep_status
from ..sweeps.sweep_file import load_sweep
from ..sweeps.workers import LocalPool
from .figure import (
    Check,
    Claim,
    Diagram,
    Evidence,
    Figure,
    Question,
    Results,
    Study,
    answer,
    verdict,
)
from .trainings import checkpoints, train_all

Follow = AbstractContextManager[tuple[Callable[[SweepProgress], None], Callable[[str], None]]]


@dataclass(frozen=True)
class Reporter:
    """How the user learns how far it is.

    Attributes:
        log: a line.
        runs: of a sweep, what shows their progress and what reports failures.
    """

    log: Callable[[str], None] = lambda text: None
    runs: Callable[[], Follow] = lambda: nullcontext((lambda progress: None, lambda failure: None))


@dataclass(frozen=True)
class Workshop:
    """Where and how figures are made; the attributes are the arguments of `reproduce`."""

    folder: Path
    quick: bool = False
    workers: int = 1
    data_dir: Path | None = None
    reporter: Reporter = field(default_factory=Reporter)

    def make(self, figure: Figure) -> dict[str, Any]:
        """One figure; what its `results.json` holds."""
        from .drawing import draw

        own = make_folder(self.folder, figure.id)
        results = self.results(figure)
        command = f"edgesim reproduce {figure.id}" + (" --quick" if self.quick else "")
        diagrams = figure.diagrams(results)
        write_lines(diagrams, figure.x, own / "lines.csv")
        draw(figure, diagrams, command, own / figure.id)
        about = {name: getattr(figure, name) for name in ("id", "paper", "title", "notes", "x")} | {
            "command": command,
            "quick": self.quick,
            "claims": [judge(claim, results, self.quick) for claim in figure.claims],
            "questions": [measured(question, results) for question in figure.questions],
        }
        text = json.dumps(about, indent=2, ensure_ascii=False, allow_nan=False)
        put_text(own / "results.json", f"{text}\n")
        return about

    def results(self, figure: Figure) -> Results:
        """Of its trainings, and of its sweeps with the policies that were trained."""
        results: dict[str, xr.Dataset] = {}
        for one in figure.trainings:
            log = self.reporter.log
            folder = make_folder(self.folder, "trainings", one.name)
            results[one.name] = train_all(one, folder, self.quick, self.workers, log)
        for study in figure.studies:
            trained = {
                f"{label} {number}": path
                for label, name in study.learned.items()
                for number, path in enumerate(
                    checkpoints(results[name], make_folder(self.folder, "trainings", "trained")),
                    start=1,
                )
            }
            folder = make_folder(self.folder, figure.id, "sweeps", study.name)
            results[study.name] = self.run_study(study, folder, trained)
        return results

    def run_study(self, study: Study, folder: Path, trained: dict[str, Path]) -> xr.Dataset:
        """Make the runs of a study that are missing, and read all of them."""
        file = folder / "sweep.toml"
        put_text(file, document(study, self.quick, trained))
        sweep = load_sweep(file, self.data_dir)
        plan(sweep, folder)
        with self.reporter.runs() as (watch, report):
            try:
                pool = lambda: LocalPool(folder, self.workers)
                execute_sweep(sweep, folder, pool, watch=watch, report=report)
            except SweepStoppedError as error:
                raise RunError(f"{error}; what is complete is kept") from None
        status = sweep_status(folder)
        if missing := status.runs - status.complete:
            why = "; ".join(status.failures) or "interrupted"
            raise RunError(f"{folder}: {missing} of {status.runs} runs: {why}")
        data = open_sweep(folder, warmup=study.warmup)
        if study.timed:
            data["decision_s"] = _decision_s(data, folder)
        return labelled(study, data, self.quick, list(policies(study, trained)))


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
        folder: for all that is made.
        quick: the small version of each.
        workers: processes.
        data_dir: of data files, as for `load_scenario`.
        reporter: gets the progress.

    Returns:
        What is in each figure's `results.json`.

    Raises:
        ScenarioError: a scenario is not right, or a data file is not there.
        RunError: runs failed, or a training came to nothing; what is complete is kept.
        OSError: the folder cannot be written.
    """
    from .page import write_pages

    workshop = Workshop(folder, quick, workers, data_dir, reporter or Reporter())
    log, made = workshop.reporter.log, []
    for figure in figures:
        began = time.monotonic()
        log(f"{figure.id}: {figure.title}")
        made.append(workshop.make(figure))
        for claim in made[-1]["claims"]:
            log(f"  {claim['verdict']}: {claim['says']}")
        log(f"  {time.monotonic() - began:,.0f} s")
        write_pages(folder)
    return made


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
    learned = {
        label: f"{path.name.split('-')[0]}{{checkpoint={json.dumps(str(path))}}}"
        for label, path in trained.items()
    }
    return {**study.policies, **learned}


def labelled(study: Study, data: xr.Dataset, quick: bool, labels: list[str]) -> xr.Dataset:
    """A sweep's dataset with the study's own names of dimensions, values and policies."""
    for one in study.factors:
        dim = one.key or "point"
        others = [name for name, coord in data.coords.items() if coord.dims == (dim,)]
        data = data.drop_vars(others).rename({dim: one.name})
        data = data.assign_coords({one.name: list(one.chosen(quick))})
    return data.assign_coords(policy=labels)


def _decision_s(data: xr.Dataset, folder: Path) -> xr.DataArray:
    """Median wall-clock time of a decision of each run's trace, for all of its replications."""
    medians: dict[str, float] = {}
    for name in np.unique(data["trace"].values):
        with open_trace(folder / "traces" / name) as trace:
            medians[name] = float(np.median(trace.timing["decision_s"].values))
    return data["trace"].copy(data=np.vectorize(medians.get, otypes=[float])(data["trace"].values))


def judge(claim: Claim, results: Results, quick: bool) -> dict[str, Any]:
    """A claim's verdict, and what it rests on."""
    least = 2 if quick else claim.least
    checks = claim.checks(results)
    answers = {name: answer(of, least) for name, of in checks.items()}
    came_out = verdict(answers)
    reason = claim.reason if came_out == claim.explained else None
    conditions = []
    for name, of in checks.items():
        held = [check.answer(least) == "holds" for check in of]
        # What is nearest to failing says most; where nothing is known, nothing is tighter.
        margins = [-np.inf if np.isnan(check.margin) else check.margin for check in of]
        tight = of[min(range(len(of)), key=lambda k: (held[k], margins[k]))]
        conditions.append(
            {
                "name": name,
                "answer": answers[name],
                "checks": len(of),
                "holding": sum(held),
                "tightest": _row(tight),
            }
        )
    return {
        **{name: getattr(claim, name) for name in ("id", "says", "test", "unit")},
        "least_seeds": least,
        "verdict": came_out,
        "reason": reason(Evidence(results, checks, answers)) if reason else "",
        "conditions": conditions,
    }


def measured(question: Question, results: Results) -> dict[str, Any]:
    """The numbers that answer a question."""
    found = question.checks(results).items()
    rows = [{"name": name} | _row(check) for name, checks in found for check in checks]
    return {"asks": question.asks, "unit": question.unit, "rows": rows}


def _row(check: Check) -> dict[str, Any]:
    ends = zip(("value", "low", "high"), check.interval(), strict=True)
    known = {name: value if np.isfinite(value) else None for name, value in ends}
    return {"what": check.what, "seeds": check.seeds, **known}


def write_lines(diagrams: list[list[Diagram]], x_axis: str, path: Path) -> None:
    """What the picture shows, as a table: a row for each point of each line."""
    from .drawing import band

    with replaced(path) as hidden, hidden.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["panel", "number", "line", x_axis, "mean", "low", "high", "seeds"])
        for diagram in (one for row in diagrams for one in row):
            for label, x, sample in diagram.lines():
                value, half = band(sample)
                columns = (x, value, value - half, value + half, np.isfinite(sample).sum(axis=1))
                for row in zip(*(column.tolist() for column in columns), strict=True):
                    writer.writerow([diagram.title, diagram.y, label, *row])
