"""Policies side by side on the same seeds: means, and paired differences to the first policy.

Under common random numbers all policies of a seed meet the same arrivals and channels, so variation
from seed to seed cancels in paired differences: their intervals are far narrower than the means'.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..scenarios.policy_section import objective_keys
from ..simulator.core.arrays import FloatArray
from .confidence_intervals import CONFIDENCE, Estimate, format_estimate, mean
from .metrics import METRICS
from .printing import Printable, finite
from .reader import TraceError, open_trace
from .statistics import check_warmup
from .summary import WARMUP, meaning, subjects

if TYPE_CHECKING:
    from rich.table import Table

COMPARED = (
    "worst_emission_mg",
    "feasible_share",
    "energy_per_task_j",
    "offloaded_task_share",
    "energy_per_bit_j",
    "queue_bits",
    "latency_s",
    "latency_p95_s",
    "late_share",
    "lost_share",
    "dropped_share",
    "emission_mg",
    "emission_mg_per_bit",
    "offloaded_share",
    "objective",
)
"""Keys of `METRICS`; a comparison has those that its traces have, by the problem that they are of, and
the objective only if all traces have the same."""


@dataclass(frozen=True)
class Difference:
    """A policy minus the baseline, seed by seed.

    Attributes:
        estimate: mean of the differences, and their t interval.
        relative: the mean as a share of the baseline's mean; NaN if that is zero.
        p_value: of the paired t-test, two-sided; NaN where no seed shows a difference.
        holm_p_value: the same, adjusted by Holm's method for all differences of the comparison. Where
            only those at 0.05 or less are called differences, the chance that any of them is none is
            5 % at most.
    """

    estimate: Estimate
    relative: float
    p_value: float
    holm_p_value: float

    @property
    def mark(self) -> str:
        """Empty, "*" where the interval excludes zero, or "**" where Holm's method agrees."""
        level = 1.0 - CONFIDENCE
        return "**" if self.holm_p_value <= level else "*" if self.p_value <= level else ""

    def to_dict(self) -> dict[str, float | None]:
        """Numbers by name; None where there are none."""
        return self.estimate.to_dict() | {
            "relative": finite(self.relative),
            "p_value": finite(self.p_value),
            "holm_p_value": finite(self.holm_p_value),
        }


@dataclass(frozen=True)
class PolicyResult:
    """The numbers of one policy, SI, by key of `COMPARED`.

    Attributes:
        label: the policy, with its options.
        trace: where they come from.
        by_seed: (R,) each; NaN where there is nothing to divide by.
        means: over the seeds, with t intervals.
        differences: to the baseline; none of the baseline itself.
    """

    label: str
    trace: Path
    by_seed: dict[str, FloatArray]
    means: dict[str, Estimate]
    differences: dict[str, Difference]

    def cells(self, key: str) -> list[str]:
        """A number as tables show it: mean, difference, its mark, and its share of the baseline."""
        scale = METRICS[key].scale
        shown = format_estimate(self.means[key], scale)
        difference = self.differences.get(key)
        if difference is None:
            return [shown, "", "", ""]
        estimate = difference.estimate
        paired = _signed(estimate.value, format_estimate(estimate, scale))
        return [shown, paired, difference.mark, _percent(difference.relative)]

    def to_dict(self) -> dict[str, Any]:
        """Its part of a comparison's JSON."""
        return {
            "policy": self.label,
            "trace": str(self.trace),
            "means": {key: one.to_dict() for key, one in self.means.items()},
            "differences": {key: one.to_dict() for key, one in self.differences.items()},
            "by_seed": {key: list(map(finite, one.tolist())) for key, one in self.by_seed.items()},
        }


@dataclass(frozen=True)
class Comparison(Printable):
    """Policies on the same seeds.

    Attributes:
        title: of the scenario.
        policies: the baseline first.
        seeds: R of them.
        warmup: share of the slots left out at the beginning.
        about: what the intervals are about, of `summary.subject`, each once.
        tests_elsewhere: differences of other comparisons that count together with these for Holm's
            method.
    """

    title: str
    policies: list[PolicyResult]
    seeds: list[int]
    warmup: float
    about: list[str]
    tests_elsewhere: int = 0

    @property
    def baseline(self) -> PolicyResult:
        """The policy that the others are compared with."""
        return self.policies[0]

    @property
    def tests(self) -> int:
        """How many differences were tested, for Holm's method."""
        return self.tests_elsewhere + sum(
            not math.isnan(difference.p_value)
            for policy in self.policies
            for difference in policy.differences.values()
        )

    @property
    def shown(self) -> list[str]:
        """Keys of what is not zero for every policy and seed: worth a row or a panel."""
        keys = self.baseline.by_seed
        return [key for key in keys if any(policy.by_seed[key].any() for policy in self.policies)]

    def to_table(self) -> "Table":
        """A table for people: a section for each number, a row for each policy."""
        from rich.table import Table
        from rich.text import Text

        table = Table(
            title=Text(self.title),
            caption=f"95 % intervals over {len(self.seeds)} seeds ({min(self.seeds)} to "
            f"{max(self.seeds)}), differences paired by seed; the first {self.warmup:.0%} of the "
            f"slots left out. {meaning(self.about)}\n"
            f"* interval excludes zero   ** also by Holm's method for all {self.tests} differences",
        )
        table.add_column("")
        table.add_column("mean", justify="right")
        table.add_column(Text(f"difference to {self.baseline.label}"), justify="right")
        table.add_column("", width=2)
        table.add_column("", justify="right")
        for key in self.shown:
            row = METRICS[key]
            table.add_row(Text(row.heading, style="bold"))
            for policy in self.policies:
                table.add_row(Text(f"  {policy.label}"), *policy.cells(key))
            table.add_section()
        return table

    def to_dict(self) -> dict[str, Any]:
        """What `to_json` writes."""
        return {
            "title": self.title,
            "seeds": self.seeds,
            "warmup": self.warmup,
            "confidence": CONFIDENCE,
            "intervals_about": self.about,
            "baseline": self.baseline.label,
            "tests": self.tests,
            "policies": [policy.to_dict() for policy in self.policies],
        }


def compare_traces(traces: Mapping[str, str | Path], warmup: float = WARMUP) -> Comparison:
    """Means and paired differences of traces with the same seeds.

    Args:
        traces: by the label of their policy; the first is the baseline.
        warmup: share of the slots to leave out at the beginning, as for `summarise`.

    Raises:
        ValueError: if the warm-up is not in [0, 1).
        TraceError: if a trace cannot be read, has fewer than two replications, or other seeds,
            slots or variables than the first.
    """
    check_warmup(warmup)
    by_seed: dict[str, dict[str, FloatArray]] = {}
    first: tuple[list[int], int, list[str]] | None = None
    scenarios, titles = [], []
    for label, path in traces.items():
        with open_trace(path) as trace:
            totals = trace.totals
            if len(trace.seeds) < 2:
                raise TraceError(f"{path}: one replication has no interval; record two or more")
            values = trace.replication_values(warmup)
            by_seed[label] = {key: values[key] for key in COMPARED if key in values}
            sampled = trace.seeds, totals.recorded, list(by_seed[label])
            scenarios.append(trace.scenario_table)
            titles.append(trace.title)
        first = first or sampled
        if sampled != first:
            raise TraceError(f"{path}: other seeds, slots or variables than the first trace has")
    if first is None:
        raise ValueError("no traces to compare")
    drop_unlike_objectives(by_seed, scenarios)
    paths = {label: Path(path) for label, path in traces.items()}
    about = {titles[0]: subjects(scenarios, len(first[0]))}
    return compare_samples({titles[0]: by_seed}, paths, first[0], warmup, about)[0]


def compare_samples(
    groups: Mapping[str, dict[str, dict[str, FloatArray]]],
    traces: Mapping[str, Path],
    seeds: list[int],
    warmup: float,
    about: Mapping[str, list[str]],
) -> list[Comparison]:
    """Comparisons whose differences count together for Holm's method.

    Args:
        groups: by title, then by label, the baseline first, then by key: (R,) by seed.
        traces: by label, where the numbers come from.
        seeds: R of them.
        warmup: share of the slots that were left out.
        about: by title, what the intervals are about.
    """
    paired: dict[tuple[str, str], dict[str, Difference]] = {}
    for title, by_seed in groups.items():
        baseline, *others = by_seed
        for label in others:
            paired[title, label] = _differences(by_seed[label], by_seed[baseline])
    p_values = [one.p_value for found in paired.values() for one in found.values()]
    adjusted = iter(holm(np.array(p_values)).tolist())
    for found in paired.values():
        for key, one in found.items():
            found[key] = replace(one, holm_p_value=next(adjusted))
    comparisons = [
        Comparison(
            title=title,
            policies=[
                PolicyResult(
                    label=label,
                    trace=traces[label],
                    by_seed=values,
                    means={
                        key: mean(sample, METRICS[key].within) for key, sample in values.items()
                    },
                    differences=paired.get((title, label), {}),
                )
                for label, values in by_seed.items()
            ],
            seeds=seeds,
            warmup=warmup,
            about=about[title],
        )
        for title, by_seed in groups.items()
    ]
    tests = sum(comparison.tests for comparison in comparisons)
    return [replace(one, tests_elsewhere=tests - one.tests) for one in comparisons]


def p_value(differences: FloatArray) -> float:
    """Two-sided p-value of the one-sample t-test that the mean is zero; NaN if all of them are.

    Args:
        differences: (R,), R >= 2.
    """
    from scipy.special import stdtr

    if not np.isfinite(differences).all() or not differences.any():
        return math.nan
    spread = float(differences.std(ddof=1)) / math.sqrt(len(differences))
    if spread == 0.0:
        return 0.0
    statistic = abs(float(differences.mean())) / spread
    return 2.0 * float(stdtr(len(differences) - 1, -statistic))


def holm(p_values: FloatArray) -> FloatArray:
    """Holm's step-down adjustment, which bounds the chance of any false finding.

    Args:
        p_values: (m,); NaN where nothing was tested.
    """
    tested = np.flatnonzero(~np.isnan(p_values))
    order = tested[np.argsort(p_values[tested], kind="stable")]
    stepped = p_values[order] * np.arange(len(order), 0, -1)
    adjusted = np.full(len(p_values), np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return adjusted


def drop_unlike_objectives(
    by_seed: Mapping[str, dict[str, FloatArray]], scenarios: Iterable[Mapping[str, Any]]
) -> None:
    """Leave out values of P2, A(20), where not all scenarios have the same objective.

    Args:
        by_seed: by label and key, (R,) each; changed.
        scenarios: that they are of.
    """
    first, *others = [objective_keys(scenario.get("policy", {})) for scenario in scenarios]
    if any(objective != first for objective in others):
        for values in by_seed.values():
            values.pop("objective", None)


def _differences(
    values: dict[str, FloatArray], baseline: dict[str, FloatArray]
) -> dict[str, Difference]:
    """By key, not yet adjusted for their number."""
    found = {}
    with np.errstate(invalid="ignore"):
        for key, sample in values.items():
            paired = sample - baseline[key]
            estimate, base = mean(paired), float(baseline[key].mean())
            relative = estimate.value / abs(base) if base != 0.0 else math.nan
            found[key] = Difference(estimate, relative, p_value(paired), math.nan)
    return found


def _signed(value: float, text: str) -> str:
    return f"+{text}" if value > 0.0 else text


def _percent(share: float) -> str:
    if not math.isfinite(share):
        return ""
    percent = 100.0 * share
    return _signed(share, f"{percent:,.0f} %" if abs(percent) >= 100.0 else f"{percent:.3g} %")
