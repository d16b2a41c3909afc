"""The results of a sweep, read from its folder: a number per run, by case and seed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from ...scenarios.errors import as_toml
from ...scenarios.units import in_si
from ...simulator.core.arrays import FloatArray
from ...traces.metrics import METRICS
from ...traces.reader import TraceError, open_trace
from ...traces.statistics import check_warmup
from ...traces.summary import WARMUP
from .table import TRACES, CaseRow, RunRow, SweepTable, consistent

POLICY = "policy"
"""The key that is varied beside those of the scenario."""
POINT = "point"
"""Stands for all swept keys together, as in `--between point`."""


@dataclass(frozen=True)
class SweptAxis:
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


_AXES, _NAMES, _SEEDS = TypeAdapter(list[SweptAxis]), TypeAdapter(list[str]), TypeAdapter(list[int])


@dataclass(frozen=True)
class SweepResults:
    """The numbers of the runs of a sweep, in C cases (a point under a policy) and S seeds.

    Attributes:
        folder: of the sweep.
        title: of the sweep.
        axes: of its points; the last one changes fastest.
        policies: as the sweep file writes them; they change faster than the points.
        seeds: S of them.
        cases: C of them.
        runs: (C, S) by case and seed.
        complete: (C, S) whether there are results.
        numbers: by key of `METRICS`, (C, S), SI; NaN where there are none.
    """

    folder: Path
    title: str
    axes: tuple[SweptAxis, ...]
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
        """(C,) a swept key, "policy" or "point", as a table shows it; "" where a listed point lacks it."""
        if key == POLICY:
            return [case.policy for case in self.cases]
        if key == POINT:
            return [
                " ".join(f"{one}={_label(value)}" for one, value in case.keys.items())
                for case in self.cases
            ]
        return [_label(case.keys[key]) if key in case.keys else "" for case in self.cases]

    def values(self, key: str) -> tuple[FloatArray, str] | None:
        """(C,) a swept key in SI, and its unit; None if it is no quantity in every case."""
        found = [_quantity(case.keys.get(key)) for case in self.cases]
        known = [one for one in found if one is not None]
        if len(known) < len(found) or not known:
            return None
        units = dict.fromkeys(unit for _, unit in known if unit)
        return np.array([value for value, _ in known]), " or ".join(units)

    @property
    def main_key(self) -> str:
        """The first swept key that is a quantity, else the first: what numbers are drawn against."""
        return next((key for key in self.keys if self.values(key) is not None), self.keys[0])

    def unit(self, key: str) -> str:
        """SI unit of a swept key; empty if it has none."""
        return (self.values(key) or (None, ""))[1]

    def places(self, key: str) -> dict[str, float]:
        """Where each label of a swept key stands on an axis: quantities in SI, others in a row."""
        labels = self.labels(key)
        if (found := self.values(key)) is not None:
            return dict(zip(labels, found[0].tolist(), strict=True))
        return {label: float(place) for place, label in enumerate(dict.fromkeys(labels))}

    def grouped(self, by: Sequence[str]) -> dict[tuple[str, ...], list[int]]:
        """Numbers of the cases, by their labels of these keys, in the sweep's order."""
        groups: dict[tuple[str, ...], list[int]] = {}
        columns = [self.labels(key) for key in by]
        for case in range(len(self.cases)):
            groups.setdefault(tuple(column[case] for column in columns), []).append(case)
        return groups

    def nonzero(self, names: Iterable[str]) -> list[str]:
        """Of these numbers those that the sweep has, and that are not zero throughout."""
        known = self.numbers
        return [name for name in names if name in known and np.nan_to_num(known[name]).any()]


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
    check_warmup(warmup)
    folder = Path(folder)
    with consistent(folder):
        return _results(folder, warmup)


def _results(folder: Path, warmup: float) -> SweepResults:
    with SweepTable(folder) as table:
        about = {name: table.metadata(name) for name in ("title", "axes", "policies", "seeds")}
        if None in about.values():
            raise TraceError(f"{folder}: the sweep was ended before it noted what it asks for")
        cases = table.cases()
        rows = list(table.runs())
    axes = _AXES.validate_json(str(about["axes"]), strict=True)
    policies = _NAMES.validate_json(str(about["policies"]), strict=True)
    seeds = _SEEDS.validate_json(str(about["seeds"]), strict=True)
    order = {seed: place for place, seed in enumerate(seeds)}
    shape = len(cases), len(seeds)
    runs: list[list[RunRow]] = [[row] * len(seeds) for row in rows[: len(cases)]]
    complete = np.zeros(shape, bool)
    numbers: dict[str, FloatArray] = {}
    read = _reader(folder, warmup)
    for row in rows:
        place = row.case, order[row.seed]
        runs[row.case][order[row.seed]] = row
        if row.numbers is None:
            continue
        complete[place] = True
        for key, value in (row.numbers if warmup == WARMUP else read(row)).items():
            if key not in numbers:
                numbers[key] = np.full(shape, np.nan)
            numbers[key][place] = value
    return SweepResults(
        folder=folder,
        title=str(about["title"]),
        axes=tuple(axes),
        policies=tuple(policies),
        seeds=tuple(seeds),
        cases=cases,
        runs=runs,
        complete=complete,
        numbers={key: numbers[key] for key in METRICS if key in numbers},
    )


def _reader(folder: Path, warmup: float) -> Callable[[RunRow], dict[str, float]]:
    """Numbers of a run from its trace; a trace is read once for all of its runs."""
    known: dict[str, dict[str, FloatArray]] = {}

    def read(row: RunRow) -> dict[str, float]:
        name = str(row.trace)
        if name not in known:
            with open_trace(folder / TRACES / name) as trace:
                known[name] = trace.replication_values(warmup)
        assert row.replication is not None  # complete runs have one
        return {key: values[row.replication] for key, values in known[name].items()}

    return read


def _label(value: object) -> str:
    return value if isinstance(value, str) else as_toml(value)


def _quantity(value: object) -> tuple[float, str] | None:
    if isinstance(value, str):
        return in_si(value)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return (float(value), "") if number else None  # type: ignore[arg-type]
