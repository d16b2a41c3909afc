"""The runs of a sweep in groups: means over seeds, and paired differences within each group.

The unit of statistics is a seed. Where a group holds several points, a seed's number is its mean over
them: what their runs have in common, the world of the seed, then counts once.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...scenarios.sections import objective_keys
from ...simulator.core.arrays import FloatArray
from ...traces.comparison import COMPARED, Comparison, compare_samples, mean
from ...traces.export import Format, write_tables
from ...traces.reader import TraceError
from ...traces.statistics import CONFIDENCE, ROWS, Estimate, format_estimate
from .dataset import SweepResults
from .table import consistent

if TYPE_CHECKING:
    from rich.table import Table

POLICY = "policy"


class GroupingError(TraceError):
    """A key to group by, or a number, that the sweep does not have."""


@dataclass(frozen=True)
class SweepComparison:
    """A comparison in each group; all differences count together for Holm's method.

    Attributes:
        between: the key whose values are compared: "policy", or a swept key.
        groups: one comparison each.
    """

    between: str
    groups: list[Comparison]

    def to_table(self) -> Any:
        """Tables for people, one below the other."""
        from rich.console import Group

        return Group(*(comparison.to_table() for comparison in self.groups))

    def to_json(self) -> str:
        """The same for machines, SI units, full precision; null for what is not known."""
        groups = [comparison.to_dict() for comparison in self.groups]
        return json.dumps({"between": self.between, "groups": groups}, indent=2, allow_nan=False)


@dataclass(frozen=True)
class GroupSummary:
    """The means of a group.

    Attributes:
        labels: of the keys that it was grouped by.
        seeds: how many the means are over.
        means: by key of `ROWS`, SI.
    """

    labels: dict[str, str]
    seeds: int
    means: dict[str, Estimate]


@dataclass(frozen=True)
class SweepSummary:
    """The means of a sweep, group by group.

    Attributes:
        title: of the sweep.
        by: the keys that it was grouped by.
        groups: in the sweep's order.
        complete: runs that there are results of.
        runs: that the sweep asks for.
    """

    title: str
    by: list[str]
    groups: list[GroupSummary]
    complete: int
    runs: int

    def to_table(self) -> "Table":
        """For people: a section for each number, a row for each group but for its policy."""
        from rich.table import Table
        from rich.text import Text

        keys = [key for key in self.by if key != POLICY]
        columns = list(dict.fromkeys(group.labels.get(POLICY, "") for group in self.groups))
        rows = list(dict.fromkeys(tuple(g.labels[key] for key in keys) for g in self.groups))
        cells = {
            (tuple(g.labels[key] for key in keys), g.labels.get(POLICY, "")): g for g in self.groups
        }
        table = Table(
            title=Text(self.title),
            caption=f"means and 95 % intervals over seeds; {self.complete:,} of {self.runs:,} runs",
        )
        for key in keys or [""]:
            table.add_column(Text(key))
        for policy in columns:
            table.add_column(Text(policy or "mean"), justify="right")
        for name in dict.fromkeys(name for group in self.groups for name in group.means):
            row = ROWS[name]
            table.add_row(Text(row.heading, style="bold"))
            for labels in rows:
                found = [cells.get((labels, policy)) for policy in columns]
                numbers = [group and group.means.get(name) for group in found]
                texts = [format_estimate(number or None, row.scale) for number in numbers]
                table.add_row(*(Text(label) for label in labels or ("",)), *texts)
            table.add_section()
        return table

    def to_json(self) -> str:
        """For machines, SI units, full precision; null for what is not known."""
        return json.dumps(
            {
                "title": self.title,
                "confidence": CONFIDENCE,
                "runs": self.runs,
                "complete": self.complete,
                "groups": [
                    {
                        "labels": group.labels,
                        "seeds": group.seeds,
                        "means": {key: _as_dict(one) for key, one in group.means.items()},
                    }
                    for group in self.groups
                ],
            },
            indent=2,
            allow_nan=False,
        )


def compare_sweep(
    results: SweepResults,
    *,
    between: str = POLICY,
    values: Sequence[str] = (),
    by: Sequence[str] | None = None,
    numbers: Sequence[str] = (),
    warmup: float,
) -> SweepComparison:
    """Means and paired differences in each group of a sweep's runs.

    Only seeds of which all runs of all groups are complete count: all differences are over the same.

    Args:
        results: of the sweep.
        between: the key whose values are compared.
        values: of it, the baseline first; all of them, in the sweep's order, if not given.
        by: the keys to group by; all other keys, if not given. Points that differ in no key of these
            are taken together.
        numbers: keys of `ROWS`; those of `COMPARED` if not given.
        warmup: share of the slots that the results leave out.

    Raises:
        GroupingError: no such key or value.
        TraceError: fewer than two seeds are complete.
    """
    others = [key for key in [*results.keys, POLICY] if key != between]
    by = others if by is None else list(by)
    _check_keys(results, [between, *by])
    compared = results.labels(between)
    labels = list(values) or list(dict.fromkeys(compared))
    if unknown := [label for label in labels if label not in compared]:
        known = ", ".join(dict.fromkeys(compared))
        raise GroupingError(f"no {between} {', '.join(unknown)} in the sweep; there are: {known}")
    if len(labels) < 2:
        raise GroupingError(f"the sweep has only one {between}, {labels[0]}: nothing to compare")
    keys = _numbers(results, numbers or COMPARED, strict=bool(numbers))
    members: dict[str, dict[str, list[int]]] = {}
    for case, (title, label) in enumerate(zip(_titles(results, by), compared, strict=True)):
        if label in labels:
            members.setdefault(title, {one: [] for one in labels})[label].append(case)
    # Listed points need not have every value beside every other.
    members = {title: {k: v for k, v in one.items() if v} for title, one in members.items()}
    members = {title: one for title, one in members.items() if len(one) > 1 and labels[0] in one}
    used = [case for one in members.values() for cases in one.values() for case in cases]
    seeds = results.complete[used].all(axis=0)
    if seeds.sum() < 2:
        what = f"{seeds.sum()} seeds are complete for all that is compared; two or more are needed"
        raise TraceError(f"{results.folder}: {what}")
    groups = {}
    for title, one in members.items():
        groups[title] = {
            label: _by_seed(results, cases, keys, seeds) for label, cases in one.items()
        }
        scenarios = [results.cases[case].scenario for cases in one.values() for case in cases]
        with consistent(results.folder):
            objectives = [objective_keys(json.loads(text)["policy"]) for text in scenarios]
        if any(objective != objectives[0] for objective in objectives):
            for sample in groups[title].values():
                sample.pop("objective", None)
    chosen = np.array(results.seeds)[seeds].tolist()
    folder = dict.fromkeys(labels, results.folder)
    return SweepComparison(between, compare_samples(groups, folder, chosen, warmup))


def summarise_sweep(
    results: SweepResults, *, by: Sequence[str] | None = None, numbers: Sequence[str] = ()
) -> SweepSummary:
    """Means over seeds in each group of a sweep's runs, as far as they are complete.

    Args:
        results: of the sweep.
        by: the keys to group by; all, if not given.
        numbers: keys of `ROWS`; those of `COMPARED` if not given.

    Raises:
        GroupingError: no such key.
    """
    by = [*results.keys, POLICY] if by is None else list(by)
    _check_keys(results, by)
    keys = _numbers(results, numbers or COMPARED, strict=bool(numbers))
    members: dict[tuple[str, ...], list[int]] = {}
    columns = [results.labels(key) for key in by]
    for case, labels in enumerate(
        zip(*columns, strict=True) if columns else [()] * len(results.cases)
    ):
        members.setdefault(tuple(labels), []).append(case)
    groups = []
    for labels, cases in members.items():
        seeds = results.complete[cases].all(axis=0)
        by_seed = _by_seed(results, cases, keys, seeds)
        means = {key: _mean(sample) for key, sample in by_seed.items()}
        groups.append(GroupSummary(dict(zip(by, labels, strict=True)), int(seeds.sum()), means))
    return SweepSummary(
        results.title, by, groups, int(results.complete.sum()), results.complete.size
    )


def _check_keys(results: SweepResults, keys: Sequence[str]) -> None:
    known = [*results.keys, POLICY]
    for key in keys:
        if key not in known:
            raise GroupingError(f"the sweep does not vary {key}; it varies: {', '.join(known)}")


def _numbers(results: SweepResults, names: Sequence[str], *, strict: bool) -> list[str]:
    """The numbers that there are, and that are not zero throughout."""
    unknown = [name for name in names if name not in results.numbers]
    if strict and unknown:
        known = ", ".join(results.numbers)
        raise GroupingError(f"no number {', '.join(unknown)} in the sweep; there are: {known}")
    if strict:
        return list(names)
    return [
        name for name in names if name not in unknown and np.nan_to_num(results.numbers[name]).any()
    ]


def _titles(results: SweepResults, by: Sequence[str]) -> list[str]:
    """(C,) what each case's group is called."""
    columns = [results.labels(key) for key in by]
    return [
        ", ".join(f"{key} = {columns[k][case]}" for k, key in enumerate(by)) or results.title
        for case in range(len(results.cases))
    ]


def _by_seed(
    results: SweepResults, cases: list[int], keys: list[str], seeds: Any
) -> dict[str, FloatArray]:
    """By number, of each of these seeds the mean over cases."""
    return {key: results.numbers[key][cases][:, seeds].mean(axis=0) for key in keys}


def _mean(sample: FloatArray) -> Estimate:
    if len(sample) > 1:
        return mean(sample)
    return Estimate(float(sample[0]) if len(sample) else float("nan"))


def _as_dict(estimate: Estimate) -> dict[str, float | None]:
    named = (("value", estimate.value), ("low", estimate.low), ("high", estimate.high))
    return {name: value if np.isfinite(value) else None for name, value in named}


def export_sweep(results: SweepResults, directory: Path, file_format: Format) -> Path:
    """Write a sweep's runs as a table: a row for each run, also for those that are missing.

    Its columns are `id`, the swept keys (SI where they are quantities), `policy`, `seed`, `trace`,
    `replication`, and the numbers of `ROWS`, SI, null where there are none.

    Args:
        results: of the sweep.
        directory: where the table goes; made if it is not there.
        file_format: "csv" or "parquet".

    Returns:
        The path of the table.
    """
    import pyarrow as pa

    seeds = len(results.seeds)
    runs = [run for case in results.runs for run in case]
    columns: dict[str, Any] = {"id": [run.id for run in runs]}
    for key in results.keys:
        quantity = results.values(key)
        column = results.labels(key) if quantity is None else quantity[0]
        columns[key] = np.repeat(np.array(column, dtype=None if quantity else object), seeds)
    columns[POLICY] = np.repeat(np.array(results.labels(POLICY), object), seeds)
    columns["seed"] = np.tile(np.array(results.seeds), len(results.cases))
    columns["trace"] = [run.trace for run in runs]
    columns["replication"] = [run.replication for run in runs]
    for key, values in results.numbers.items():
        columns[key] = pa.array(values.ravel(), from_pandas=True)
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / f"runs.{file_format}"
    write_tables(target, iter([columns]), file_format)
    return target
