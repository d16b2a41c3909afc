"""The runs of a sweep in groups: means over seeds, and paired differences within each group.

The unit of statistics is a seed. Where a group holds several points, a seed's number is its mean over
them: the arrivals and channels of a seed, which its runs share, then count once.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...simulator.core.arrays import FloatArray
from ...traces.comparison import COMPARED, Comparison, compare_samples, drop_unlike_objectives
from ...traces.confidence_intervals import CONFIDENCE, Estimate, format_estimate, mean
from ...traces.metrics import METRICS
from ...traces.printing import Printable
from ...traces.reader import TraceError
from ...traces.summary import meaning, subjects
from .results import POINT, POLICY, SweepResults
from .table import consistent

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table


class GroupingError(TraceError):
    """A key to group by, or a number, that the sweep does not have."""


@dataclass(frozen=True)
class SweepComparison(Printable):
    """A comparison in each group; all differences count together for Holm's method.

    Attributes:
        between: the key whose values are compared: "policy", a swept key, or "point" for all of these together.
        groups: one comparison each.
    """

    between: str
    groups: list[Comparison]

    def to_table(self) -> "Group":
        """Tables for people, one below the other."""
        from rich.console import Group

        return Group(*(comparison.to_table() for comparison in self.groups))

    def to_dict(self) -> dict[str, Any]:
        """What `to_json` writes."""
        return {"between": self.between, "groups": [one.to_dict() for one in self.groups]}


@dataclass(frozen=True)
class GroupSummary:
    """The means of a group.

    Attributes:
        labels: of the keys that it was grouped by.
        seeds: how many the means are over.
        means: by key of `METRICS`, SI.
    """

    labels: dict[str, str]
    seeds: int
    means: dict[str, Estimate]


@dataclass(frozen=True)
class SweepSummary(Printable):
    """The means of a sweep, group by group.

    Attributes:
        title: of the sweep.
        by: the keys that it was grouped by.
        groups: in the sweep's order.
        complete: runs that have results.
        runs: that the sweep file asks for.
        about: what the intervals are about, of `traces.summary.subject`, each once.
    """

    title: str
    by: list[str]
    groups: list[GroupSummary]
    complete: int
    runs: int
    about: list[str]

    def to_table(self) -> "Table":
        """A section for each number; in it a row for each group, and a column for each policy."""
        from rich.table import Table
        from rich.text import Text

        keys = [key for key in self.by if key != POLICY]
        rows: dict[tuple[str, ...], dict[str, GroupSummary]] = {}
        for group in self.groups:
            row = rows.setdefault(tuple(group.labels[key] for key in keys), {})
            row[group.labels.get(POLICY, "")] = group
        policies = list(dict.fromkeys(group.labels.get(POLICY, "") for group in self.groups))
        table = Table(
            title=Text(self.title),
            caption=f"means and 95 % intervals over seeds; {self.complete:,} of {self.runs:,} runs. "
            f"{meaning(self.about)}",
        )
        for key in keys or [""]:
            table.add_column(Text(key))
        for policy in policies:
            table.add_column(Text(policy or "mean"), justify="right")
        for name in dict.fromkeys(name for group in self.groups for name in group.means):
            metric = METRICS[name]
            table.add_row(Text(metric.heading, style="bold"))
            for labels, row in rows.items():
                means = [
                    row[policy].means.get(name) if policy in row else None for policy in policies
                ]
                texts = [format_estimate(one, metric.scale) for one in means]
                table.add_row(*map(Text, labels or ("",)), *texts)
            table.add_section()
        return table

    def to_dict(self) -> dict[str, Any]:
        """What `to_json` writes."""
        return {
            "title": self.title,
            "confidence": CONFIDENCE,
            "intervals_about": self.about,
            "runs": self.runs,
            "complete": self.complete,
            "groups": [
                {
                    "labels": group.labels,
                    "seeds": group.seeds,
                    "means": {key: one.to_dict() for key, one in group.means.items()},
                }
                for group in self.groups
            ],
        }


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
        between: the key whose values are compared; "point" is all swept keys together.
        values: of that key, the baseline first; all of them, in the sweep's order, if not given.
        by: the keys to group by; all other keys, if not given. Points that differ in no key of these
            are taken together.
        numbers: keys of `METRICS`; those of `COMPARED` if not given.
        warmup: share of the slots that the results leave out.

    Raises:
        GroupingError: no such key or value, one that is compared and grouped by, or no two values of it
            in any group.
        TraceError: fewer than two seeds are complete.
    """
    others = [POLICY] if between == POINT else [*results.keys, POLICY]
    others = [key for key in others if key != between]
    by = others if by is None else list(by)
    _check_keys(results, [between, *by])
    if any(key not in others for key in by):
        what = f"the values of {between} are compared, so they cannot be the groups too"
        raise GroupingError(f"{what}; group by: {', '.join(others) or 'nothing'}")
    labels = _compared_labels(results, between, values)
    keys = _chosen_numbers(results, numbers)
    groups = _compared_cases(results, between, labels, by)
    if not groups:
        what = f"no group has {labels[0]} and another {between} in it"
        raise GroupingError(f"{what}: nothing to compare; group by fewer keys")
    used = [case for one in groups.values() for cases in one.values() for case in cases]
    seeds = np.all(results.complete[used], axis=0)
    if seeds.sum() < 2:
        what = f"{seeds.sum()} seeds are complete for all that is compared; two or more are needed"
        raise TraceError(f"{results.folder}: {what}")
    samples, about = {}, {}
    for title, one in groups.items():
        samples[title] = {
            label: _by_seed(results, cases, keys, seeds) for label, cases in one.items()
        }
        with consistent(results.folder):
            scenarios = [
                json.loads(results.cases[case].scenario) for cases in one.values() for case in cases
            ]
            drop_unlike_objectives(samples[title], scenarios)
            about[title] = subjects(scenarios, int(seeds.sum()))
    chosen = np.array(results.seeds)[seeds].tolist()
    folders = dict.fromkeys(labels, results.folder)
    return SweepComparison(between, compare_samples(samples, folders, chosen, warmup, about))


def summarise_sweep(
    results: SweepResults, *, by: Sequence[str] | None = None, numbers: Sequence[str] = ()
) -> SweepSummary:
    """Means over seeds in each group of a sweep's runs, as far as they are complete.

    Args:
        results: of the sweep.
        by: the keys to group by; all, if not given.
        numbers: keys of `METRICS`; those of `COMPARED` if not given.

    Raises:
        GroupingError: no such key.
    """
    by = [*results.keys, POLICY] if by is None else list(by)
    _check_keys(results, by)
    keys = _chosen_numbers(results, numbers)
    groups = []
    for labels, cases in results.grouped(by).items():
        seeds = np.all(results.complete[cases], axis=0)
        by_seed = _by_seed(results, cases, keys, seeds)
        means = {key: mean(sample, METRICS[key].within) for key, sample in by_seed.items()}
        groups.append(GroupSummary(dict(zip(by, labels, strict=True)), int(seeds.sum()), means))
    complete, runs = int(results.complete.sum()), results.complete.size
    return SweepSummary(results.title, by, groups, complete, runs, intervals_about(results))


def intervals_about(results: SweepResults) -> list[str]:
    """What the intervals of a sweep's means are about, of `traces.summary.subject`, each once.

    Raises:
        TraceError: its table is damaged.
    """
    with consistent(results.folder):
        scenarios = [json.loads(case.scenario) for case in results.cases]
        return subjects(scenarios, len(results.seeds))


def _check_keys(results: SweepResults, keys: Sequence[str]) -> None:
    known = [*results.keys, POLICY]
    if results.keys:
        known.append(POINT)
    for key in keys:
        if key not in known:
            what = f"the sweep does not vary {key}; it varies: {', '.join(known)}"
            if key in ("seed", "seeds"):
                what = "means and intervals are over seeds; each seed's numbers: `edgesim export`"
            raise GroupingError(what)


def _chosen_numbers(results: SweepResults, names: Sequence[str]) -> list[str]:
    """Those that are asked for; or else of `COMPARED` those that are there, and not zero throughout."""
    if not names:
        return results.nonzero(COMPARED)
    if unknown := [name for name in names if name not in results.numbers]:
        known = ", ".join(results.numbers)
        raise GroupingError(f"no number {', '.join(unknown)} in the sweep; there are: {known}")
    return list(names)


def _compared_labels(results: SweepResults, between: str, values: Sequence[str]) -> list[str]:
    """The values of the key that are compared, the baseline first."""
    known = dict.fromkeys(results.labels(between))
    labels = list(values or known)
    if unknown := [label for label in labels if label not in known]:
        what = f"no {between} {', '.join(unknown)} in the sweep; there are: {', '.join(known)}"
        raise GroupingError(what)
    if len(labels) < 2:
        what = f"the sweep has only one {between}, {labels[0]}: nothing to compare"
        others = [key for key in results.keys if len(set(results.labels(key))) > 1]
        others += [POINT] if len(others) > 1 else []
        if between == POLICY and others:
            what += f"; to compare what else it varies: --between {' or '.join(others)}"
        raise GroupingError(what)
    return labels


def _compared_cases(
    results: SweepResults, between: str, labels: Sequence[str], by: Sequence[str]
) -> dict[str, dict[str, list[int]]]:
    """By title of the group, and by label, the cases; of groups with the baseline and another label.

    Listed points need not have every value beside every other.
    """
    compared = results.labels(between)
    groups = {}
    for place, cases in results.grouped(by).items():
        # Of listed points not each gives every key.
        given = [(key, label) for key, label in zip(by, place, strict=True) if label]
        title = ", ".join(f"{key} = {label}" for key, label in given)
        by_label = {one: [case for case in cases if compared[case] == one] for one in labels}
        found = {label: members for label, members in by_label.items() if members}
        if len(found) > 1 and labels[0] in found:
            groups[title or results.title] = found
    return groups


def _by_seed(
    results: SweepResults, cases: list[int], keys: list[str], seeds: NDArray[np.bool_]
) -> dict[str, FloatArray]:
    """By number, of each of these seeds the mean over cases."""
    return {key: results.numbers[key][cases][:, seeds].mean(axis=0) for key in keys}
