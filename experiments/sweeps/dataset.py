"""A sweep's folder, read: its results as one labelled dataset, and how far it is."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...scenarios.errors import as_toml
from ...scenarios.units import in_si
from ...simulator.core.arrays import FloatArray
from ...traces.reader import TraceError, open_trace
from ...traces.statistics import ROWS
from .table import WARMUP, CaseRow, RunRow, SweepTable, consistent, read_numbers

if TYPE_CHECKING:
    import xarray as xr
    from rich.table import Table

UNITS = {
    "": "1",
    "%": "1",
    "mg/Mbit": "mg/bit",
    "nJ/bit": "J/bit",
    "Mbit": "bit",
    "bit²": "bit2",
}
"""SI units of `ROWS`, where they are not the table's."""


@dataclass(frozen=True)
class Axis:
    """Keys of a sweep that vary together.

    Attributes:
        keys: of the scenario: one of a grid's, or those of the listed points.
        where: "grid" or "points".
        places: how many values it has.
    """

    keys: tuple[str, ...]
    where: str
    places: int

    @property
    def dim(self) -> str:
        """The dimension of a dataset that it is."""
        return "point" if self.where == "points" else self.keys[0]


@dataclass(frozen=True)
class SweepResults:
    """What the runs of a sweep say, in C cases (a point under a policy) and S seeds.

    Attributes:
        folder: of the sweep.
        title: of the sweep.
        axes: of its points; the last one changes fastest.
        policies: as the sweep file writes them; they change faster than the points.
        seeds: S of them.
        cases: C of them.
        runs: (C, S) by case and seed.
        complete: (C, S) whether there are results.
        numbers: by key of `ROWS`, (C, S), SI; NaN where there are none.
    """

    folder: Path
    title: str
    axes: tuple[Axis, ...]
    policies: tuple[str, ...]
    seeds: tuple[int, ...]
    cases: list[CaseRow]
    runs: list[list[RunRow]]
    complete: NDArray[np.bool_] = field(repr=False)
    numbers: dict[str, FloatArray] = field(repr=False)

    @property
    def keys(self) -> list[str]:
        """All swept keys."""
        return [key for axis in self.axes for key in axis.keys]

    def labels(self, key: str) -> list[str]:
        """(C,) a swept key, or "policy", as a table shows it; "" where a listed point lacks it."""
        if key == "policy":
            return [case.policy for case in self.cases]
        return [_label(case.keys[key]) if key in case.keys else "" for case in self.cases]

    def values(self, key: str) -> tuple[FloatArray, str] | None:
        """(C,) a swept key in SI, and its unit; None if it is no quantity in every case."""
        found = [_quantity(case.keys.get(key)) for case in self.cases]
        known = [one for one in found if one is not None]
        if len(known) < len(found) or not known:
            return None
        units = dict.fromkeys(unit for _, unit in known if unit)
        return np.array([value for value, _ in known]), " or ".join(units)


def load_results(folder: str | Path, warmup: float = WARMUP) -> SweepResults:
    """The results of a sweep, which may still be running.

    Args:
        folder: of the sweep.
        warmup: share of the slots left out first. With another than the table's, all traces are
            read, which takes some milliseconds each.

    Raises:
        TraceError: there is no sweep, or it cannot be read.
        ValueError: if the warm-up is not in [0, 1).
    """
    if not 0.0 <= warmup < 1.0:
        raise ValueError(f"warmup is {warmup}, but must be at least 0 and below 1")
    folder = Path(folder)
    with consistent(folder):
        return _results(folder, warmup)


def _results(folder: Path, warmup: float) -> SweepResults:
    with SweepTable(folder) as table:
        said = {name: table.said(name) for name in ("title", "axes", "policies", "seeds")}
        if None in said.values():
            raise TraceError(f"{folder}: the sweep did not get so far as to note what it asks for")
        cases = table.cases()
        rows = list(table.runs())
    axes, policies, seeds = (json.loads(str(said[name])) for name in ("axes", "policies", "seeds"))
    order = {seed: place for place, seed in enumerate(seeds)}
    shape = len(cases), len(seeds)
    runs: list[list[RunRow]] = [[row] * len(seeds) for row in rows[: len(cases)]]
    complete = np.zeros(shape, bool)
    numbers: dict[str, FloatArray] = {}
    read = _reader(folder, warmup)
    for row in rows:
        place = row.case, order[row.seed]
        runs[place[0]][place[1]] = row
        if row.numbers is None:
            continue
        complete[place] = True
        for key, value in (read(row) if warmup != WARMUP else row.numbers).items():
            if key not in numbers:
                numbers[key] = np.full(shape, np.nan)
            numbers[key][place] = value
    return SweepResults(
        folder=folder,
        title=str(said["title"]),
        axes=tuple(Axis(tuple(axis["keys"]), axis["where"], axis["places"]) for axis in axes),
        policies=tuple(policies),
        seeds=tuple(seeds),
        cases=cases,
        runs=runs,
        complete=complete,
        numbers={key: numbers[key] for key in ROWS if key in numbers},
    )


def _reader(folder: Path, warmup: float) -> Any:
    """Numbers of a run from its trace; a trace is read once for all of its runs."""
    known: dict[str, dict[str, list[float]]] = {}

    def read(row: RunRow) -> dict[str, float]:
        name = str(row.trace)
        if name not in known:
            with open_trace(folder / "traces" / name) as trace:
                known[name] = read_numbers(trace, warmup)
        assert row.replication is not None  # complete runs have one
        return {key: values[row.replication] for key, values in known[name].items()}

    return read


def open_sweep(
    folder: str | Path, warmup: float = WARMUP, *, group: Literal["slots"] | None = None
) -> "xr.Dataset":
    """The results of a sweep as one labelled dataset.

    Its dimensions are the keys of the grid, `point` if points were listed (their keys are labels of
    it), `policy` and `seed`; its variables are the numbers of `edgesim summary`, SI, NaN where a run
    is missing, and `trace` and `replication`, which say where the rest of a run is:
    `edgesim.open_trace(folder / "traces" / name)`.

    With `group="slots"` they are those of a trace's `slots` instead, over the same dimensions and
    `slot`, `device` or `station`. They are read when they are used, run by run, so a sweep may exceed
    the memory; `.chunk(seed=1)` hands them to dask. Where runs differ in a size, the largest counts;
    what a run does not have is NaN.

    Args:
        folder: of the sweep, which may still be running.
        warmup: share of the slots that the numbers leave out first.
        group: of the traces.

    Raises:
        TraceError: there is no sweep, or it cannot be read, or its traces hold no slots.
        ValueError: the warm-up is not in [0, 1), or there is no such group.
    """
    import xarray as xr

    if group not in (None, "slots"):
        raise ValueError(f"group is {group!r}, but must be None or 'slots'")
    results = load_results(folder, warmup if group is None else WARMUP)
    dims = [*(axis.dim for axis in results.axes), "policy", "seed"]
    shape = [*(axis.places for axis in results.axes), len(results.policies), len(results.seeds)]
    coords: dict[str, Any] = {"policy": list(results.policies), "seed": list(results.seeds)}
    for number, axis in enumerate(results.axes):
        # The cases in which all other axes are at their first place.
        step = math.prod(shape[number + 1 : -1])
        first = slice(0, axis.places * step, step)
        for key in axis.keys:
            coords[key] = (axis.dim, *_coordinate(results, key, first))
        if axis.where == "points":
            coords["point"] = np.arange(axis.places)
    if group is None:
        variables = _numbers(results, dims, shape)
        return xr.Dataset(variables, coords, {"title": results.title, "warmup": warmup})
    from .dataset_slots import slot_variables

    slots, labels = slot_variables(results.folder / "traces", results.runs, dims, shape)
    return xr.Dataset(slots, coords, {"title": results.title}).set_coords(labels)


def _numbers(results: SweepResults, dims: list[str], shape: list[int]) -> dict[str, Any]:
    """One number per run, and where its trace is."""
    runs = [row for case in results.runs for row in case]
    traces = np.array([row.trace or "" for row in runs], object)
    places = np.array([-1 if row.replication is None else row.replication for row in runs])
    return {
        key: (dims, values.reshape(shape), {"long_name": ROWS[key].label, "units": _unit(key)})
        for key, values in results.numbers.items()
    } | {
        "trace": (
            dims,
            traces.reshape(shape),
            {"long_name": "file in traces/; empty if there is none"},
        ),
        "replication": (dims, places.reshape(shape), {"long_name": "place in the trace"}),
    }


def _coordinate(
    results: SweepResults, key: str, cases: slice
) -> tuple[NDArray[Any], dict[str, str]]:
    """Values of a key in these cases, SI where they are quantities, and attributes."""
    raw = [case.keys.get(key) for case in results.cases[cases]]
    if all(isinstance(value, int) for value in raw):  # bool, too
        return np.array(raw), {}
    if (found := results.values(key)) is not None:
        values, unit = found
        return values[cases], {"units": unit or "1"}
    return np.array(results.labels(key)[cases], object), {}


def _unit(key: str) -> str:
    """SI unit of a number."""
    return UNITS.get(ROWS[key].unit, ROWS[key].unit)


def _label(value: object) -> str:
    return value if isinstance(value, str) else as_toml(value)


def _quantity(value: object) -> tuple[float, str] | None:
    if isinstance(value, str):
        return in_si(value)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return (float(value), "") if number else None  # type: ignore[arg-type]


@dataclass(frozen=True)
class SweepStatus:
    """How far a sweep is.

    Attributes:
        folder: of the sweep.
        title: of the sweep.
        runs: that it asks for.
        complete: of them.
        failed: of them, when they were last tried.
        failures: by message, how many runs failed with it.
        cpu_s: CPU time of what is complete.
        size: bytes of the traces.
        left_cpu_s: CPU time that what is missing will take, if it goes on like that; NaN if nothing
            is complete.
    """

    folder: Path
    title: str
    runs: int
    complete: int
    failed: int
    failures: Mapping[str, int]
    cpu_s: float
    size: int
    left_cpu_s: float

    def to_table(self) -> "Table":
        """For people."""
        from rich.table import Table
        from rich.text import Text

        table = Table(title=Text(self.title), show_header=False)
        table.add_column("")
        table.add_column("", justify="right", overflow="fold")
        table.add_row("runs", f"{self.runs:,}")
        table.add_row("complete", f"{self.complete:,}")
        table.add_row("missing", f"{self.runs - self.complete:,}")
        if self.failed:
            table.add_row("of which failed", f"{self.failed:,}")
        table.add_row("CPU time", duration(self.cpu_s))
        if self.complete < self.runs and not math.isnan(self.left_cpu_s):
            table.add_row("CPU time left, about", duration(self.left_cpu_s))
        table.add_row("size", f"{self.size / 1e6:,.1f} MB")
        if self.failures:
            table.add_section()
        for message, count in self.failures.items():
            table.add_row(Text(f"{count:,} failed"), Text(message))
        return table

    def to_json(self) -> str:
        """For machines."""
        return json.dumps(
            {
                "folder": str(self.folder),
                "title": self.title,
                "runs": self.runs,
                "complete": self.complete,
                "failed": self.failed,
                "failures": dict(self.failures),
                "cpu_s": self.cpu_s,
                "bytes": self.size,
                "left_cpu_s": None if math.isnan(self.left_cpu_s) else self.left_cpu_s,
            },
            indent=2,
        )


def sweep_status(folder: str | Path) -> SweepStatus:
    """How far a sweep is, by its table.

    Raises:
        TraceError: there is no sweep, or it cannot be read.
    """
    folder = Path(folder)
    with consistent(folder), SweepTable(folder) as table:
        runs, complete, failed = table.counts()
        cpu_s, size, costed = table.cost()
        return SweepStatus(
            folder=folder,
            title=table.said("title") or "",
            runs=runs,
            complete=complete,
            failed=failed,
            failures=table.failures(),
            cpu_s=cpu_s,
            size=size,
            left_cpu_s=cpu_s / costed * (runs - complete) if costed else math.nan,
        )


def duration(seconds: float) -> str:
    """'3 h 20 min', '2 min 5 s' or '0.4 s'."""
    if seconds < 10.0:
        return f"{seconds:.2g} s"
    if seconds < 60.0:
        return f"{seconds:.0f} s"
    parts: Sequence[tuple[float, str]] = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))
    for (large, name), (small, lesser) in pairwise(parts):
        if seconds >= large:
            whole, rest = divmod(seconds, large)
            return f"{whole:.0f} {name} {rest // small:.0f} {lesser}"
    raise AssertionError("every duration of a minute or more has returned")
