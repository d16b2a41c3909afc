"""Makes figures: their sweeps and trainings, as far as they are not there yet; then claims and pictures.

Under the output folder each figure has its own:

    FIGURE/sweeps/STUDY/        a sweep's folder, with `sweep.toml` that made it
    FIGURE/numbers.json.gz      what was measured, all that claims and pictures are made of
    FIGURE/FIGURE.svg .pdf .png the picture
    FIGURE/lines.csv            what it shows

    trainings/POLICY/…          trainings' folders, which figures share

and `index.md`, `index.html` present all figures whose numbers are there.
"""

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ...simulator.core.errors import RunError
from ...simulator.core.outputs import make_folder, put_text
from ...traces.reader import open_trace
from ...traces.style import Style
from ..errors import SweepStoppedError
from ..sweeps.dataset import open_sweep
from ..sweeps.execute import SweepProgress, execute_sweep, plan
from ..sweeps.status import sweep_status
from ..sweeps.sweep_file import load_sweep
from ..sweeps.workers import LocalPool
from .catalogue import FIGURES
from .figure import Figure, Ran, Study, left_out
from .stored import NAME, load, store
from .trainings import as_policy, checkpoints, train_all

PAGE_S = 60.0
"""At least so long the page stays as it is between two figures."""

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
    train: bool = True
    style: Style = "screen"

    def make(self, figure: Figure) -> None:
        """The numbers of one figure."""
        own = make_folder(self.folder, figure.id)
        store(figure, self.results(figure), self.quick, own / NAME)

    def results(self, figure: Figure) -> Ran:
        """Of its trainings, and of its sweeps with the policies that were trained."""
        results = Ran()
        trainings, studies = figure.parts(self.quick)
        for one in trainings if self.train else ():
            log = self.reporter.log
            folder = make_folder(self.folder, "trainings", one.policy)
            results[one.name] = train_all(one, folder, self.quick, self.workers, log)
        for study in studies:
            if not set(study.learned.values()) <= set(results):
                self.reporter.log(f"  {study.name}: not run, as it needs trainings")
                continue
            trained = {
                f"{label} {number}": path
                for label, name in study.learned.items()
                for number, path in enumerate(
                    checkpoints(results[name], make_folder(self.folder, "trainings", "trained")),
                    start=1,
                )
            }
            folder = make_folder(self.folder, figure.id, "sweeps", study.name)
            results |= self.run_study(study, folder, trained)
        return results

    def run_study(
        self, study: Study, folder: Path, trained: dict[str, Path]
    ) -> dict[str, xr.Dataset]:
        """Make the runs of a study that are missing, and read all of them, also with other warm-ups."""
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
        found = {study.name: open_sweep(folder, warmup=study.warmup)}
        found |= {left_out(study.name, one): open_sweep(folder, one) for one in study.warmups}
        if study.timed:
            found[study.name]["decision_s"] = _decision_s(found[study.name], folder)
        found[study.name].attrs["cpu_s"] = status.cpu_s
        names = [*study.policies, *trained]
        return {name: labelled(study, data, self.quick, names) for name, data in found.items()}


def reproduce(
    figures: Sequence[Figure],
    folder: Path,
    *,
    quick: bool = False,
    train: bool = True,
    workers: int = 1,
    data_dir: Path | None = None,
    reporter: Reporter | None = None,
    style: Style = "screen",
) -> None:
    """Make figures, or what is missing of them, and the page.

    Args:
        figures: which.
        folder: for all that is made.
        quick: the small version of each.
        train: whether policies are trained; else what needs them is not run.
        workers: processes.
        data_dir: of data files, as for `load_scenario`.
        reporter: gets the progress.
        style: of the pictures.

    Raises:
        ScenarioError: a scenario is not right, or a data file is not there.
        RunError: runs failed, or a training came to nothing; what is complete is kept.
        OSError: the folder cannot be written.
    """
    from .drawing import draw_stored
    from .judging import judge
    from .page import write_pages

    workshop = Workshop(folder, quick, workers, data_dir, reporter or Reporter(), train, style)
    log = workshop.reporter.log
    shown_s = -math.inf
    # Runs and trainings have processes of their own; while one figure is drawn, the next one is made.
    with ThreadPoolExecutor(1) as artist:
        drawings: list[Future[None]] = []
        for figure in figures:
            began = time.monotonic()
            log(f"{figure.id}: {figure.title}")
            workshop.make(figure)
            _, results = load(folder / figure.id / NAME)
            for claim in figure.claims:
                log(f"  {judge(claim, figure, results).verdict}: {claim.entry.says}")
            drawings.append(artist.submit(draw_stored, figure, folder / figure.id, style))
            log(f"  {time.monotonic() - began:,.0f} s")
            if figure is figures[-1] or time.monotonic() - shown_s > PAGE_S:
                for drawing in drawings:
                    drawing.result()
                drawings.clear()
                write_pages(folder)
                shown_s = time.monotonic()


def redraw(folder: Path, style: Style = "screen") -> Path:
    """Pictures and page of a folder, from its numbers alone; the path of the page."""
    from .drawing import draw_stored
    from .page import write_pages

    for name, figure in FIGURES.items():
        if (folder / name / NAME).exists():
            draw_stored(figure, folder / name, style)
    return write_pages(folder)[-1]


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
    learned = {label: as_policy(path) for label, path in trained.items()}
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
