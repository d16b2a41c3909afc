"""What a trace says in numbers: long-run means with 95 % intervals, latency quantiles, stability.

All of it is computed from /summary, which every trace has, so it costs the same however long the run
was. The unit of statistics is a group: a replication, where there are several, else a batch of
consecutive slots, at most 25 of them (batch means).
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from ..simulator.core.arrays import FloatArray, IntArray
from ..simulator.core.recorder import OUTCOMES
from .reader import Trace, open_trace
from .variables import SLOT_VARIABLES, SUMMARY_VARIABLES

if TYPE_CHECKING:
    from rich.table import Table

BATCH_MEANS = 25
CONFIDENCE = 0.95
NEGLIGIBLE_GROWTH = 0.01
"""Queues that grow by less than this share of the arrivals are called stable."""

Sums = Mapping[str, FloatArray]
Stability = Literal["stable", "growing", "undecided"]


@dataclass(frozen=True)
class Estimate:
    """A long-run mean, ratio or quantile, with the half-width of its 95 % interval.

    Attributes:
        value: the estimate; NaN if there is nothing to estimate it from.
        half_width: NaN where one group is all there is.
    """

    value: float
    half_width: float = math.nan

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        return self.value - self.half_width

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        return self.value + self.half_width


def ratio(numerator: FloatArray, denominator: FloatArray) -> Estimate:
    """The ratio of two sums over groups, with the jackknife's Student-t interval.

    Where all denominators are equal this is the mean over groups and its ordinary t interval.

    Args:
        numerator: (G,) sums by group.
        denominator: (G,) sums by group.
    """
    total, over = numerator.sum(), denominator.sum()
    if not over > 0.0:
        return Estimate(math.nan)
    value = float(total / over)
    groups = len(numerator)
    if groups < 2 or not (over - denominator > 0.0).all():
        return Estimate(value)
    without = (total - numerator) / (over - denominator)
    variance = (groups - 1) / groups * ((without - without.mean()) ** 2).sum()
    return Estimate(value, student_t(groups - 1) * math.sqrt(variance))


def by_group(values: FloatArray) -> FloatArray:
    """Sums by group: by replication where there are several, else by runs of consecutive batches.

    Args:
        values: (R, K) by replication and batch.

    Returns:
        (G,), with the sum of all values.
    """
    replications, batches = values.shape
    if replications > 1:
        return np.asarray(values.sum(axis=1))
    groups = min(batches, BATCH_MEANS)
    return np.add.reduceat(values[0], np.arange(groups) * batches // groups)


@dataclass(frozen=True)
class Metric:
    """One row of a summary: a ratio of sums.

    Attributes:
        label: what a table calls it.
        unit: of the table's numbers.
        scale: from SI to that unit.
        numerator: from the sums by group.
        denominator: from the sums by group.
    """

    label: str
    unit: str
    scale: float
    numerator: Callable[[Sums], FloatArray]
    denominator: Callable[[Sums], FloatArray]


METRICS = {
    "worst_emission_mg": Metric(
        "worst-case emission",
        "mg",
        1.0,
        lambda s: s["worst_emission_mg"],
        lambda s: s["slots"],
    ),
    "lower_bound_mg": Metric(
        "lower bound of it", "mg", 1.0, lambda s: s["lower_bound_mg"], lambda s: s["slots"]
    ),
    "feasible_share": Metric(
        "slots feasible", "%", 100.0, lambda s: s["feasible"], lambda s: s["slots"]
    ),
    "energy_per_task_j": Metric(
        "energy per task",
        "J",
        1.0,
        lambda s: s["energy_j"] + s["server_energy_j"],
        lambda s: s["device_slots"],
    ),
    "offloaded_task_share": Metric(
        "tasks offloaded", "%", 100.0, lambda s: s["offload"], lambda s: s["slots"]
    ),
    "energy_per_bit_j": Metric(
        "energy per bit",
        "nJ/bit",
        1e9,
        lambda s: s["local_energy_j"] + s["offload_energy_j"],
        lambda s: s["local_bits"] + s["offloaded_bits"],
    ),
    "power_w": Metric(
        "energy per second",
        "W",
        1.0,
        lambda s: s["local_energy_j"] + s["offload_energy_j"],
        lambda s: s["seconds"],
    ),
    "emission_mg": Metric(
        "emission", "mg", 1.0, lambda s: s["emission_mg"], lambda s: s["replications"]
    ),
    "emission_mg_per_bit": Metric(
        "emission per Mbit",
        "mg/Mbit",
        1e6,
        lambda s: s["emission_mg"],
        lambda s: s["local_bits"] + s["offloaded_bits"],
    ),
    "queue_bits": Metric(
        "queue of a device", "Mbit", 1e-6, lambda s: s["queue_bits"], lambda s: s["device_slots"]
    ),
    "station_queue_bits": Metric(
        "queue of a station",
        "Mbit",
        1e-6,
        lambda s: s["station_queue_bits"],
        lambda s: s["station_slots"],
    ),
    "offloaded_share": Metric(
        "bits offloaded",
        "%",
        100.0,
        lambda s: s["offloaded_bits"],
        lambda s: s["local_bits"] + s["offloaded_bits"],
    ),
    "dropped_share": Metric(
        "bits dropped",
        "%",
        100.0,
        lambda s: s["dropped_bits"],
        lambda s: s["arrived_bits"] + s["dropped_bits"],
    ),
    "completed_tasks": Metric(
        "tasks completed", "", 1.0, lambda s: s["completed"], lambda s: s["replications"]
    ),
    "late_share": Metric(
        "completed tasks late", "%", 100.0, lambda s: s["late"], lambda s: s["completed"]
    ),
    "lost_share": Metric(
        "tasks lost", "%", 100.0, lambda s: s["lost"], lambda s: s["completed"] + s["lost"]
    ),
    "latency_s": Metric(
        "latency, mean", "s", 1.0, lambda s: s["latency_sum_s"], lambda s: s["completed"]
    ),
    "objective": Metric(
        "objective per slot", "bit²", 1.0, lambda s: s["objective"], lambda s: s["slots"]
    ),
    "twin_age_s": Metric(
        "age of the twins", "s", 1.0, lambda s: s["twin_age_s"], lambda s: s["slots"]
    ),
    "scaled": Metric(
        "decision entries scaled down",
        "",
        1.0,
        lambda s: s["scaled"],
        lambda s: s["replications"],
    ),
    "failed_solves": Metric(
        "programs not solved", "", 1.0, lambda s: s["failed_solves"], lambda s: s["replications"]
    ),
}
"""By key, of both worlds: a trace has those whose variables it has. Totals (emission, tasks, entries,
programs) are per replication, over the slots counted."""

QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


class Row(NamedTuple):
    """How tables and figures show a number.

    Attributes:
        label: what it is called.
        unit: of the numbers shown.
        scale: from SI to that unit.
    """

    label: str
    unit: str
    scale: float

    @property
    def heading(self) -> str:
        """Label and unit."""
        return f"{self.label} [{self.unit}]" if self.unit else self.label


def _rows() -> dict[str, Row]:
    rows = {key: Row(metric.label, metric.unit, metric.scale) for key, metric in METRICS.items()}
    last = {key: rows.pop(key) for key in ("objective", "twin_age_s", "scaled", "failed_solves")}
    quantiles = {f"latency_{name}_s": Row(f"latency, {name}", "s", 1.0) for name in QUANTILES}
    return rows | quantiles | last


ROWS = _rows()
"""By key of an estimate, in the order of a table."""


@dataclass(frozen=True)
class TraceSummary:
    """The numbers of one trace, SI.

    Attributes:
        path: of the trace.
        policy: its name.
        seed: of the first replication.
        replications: R.
        status: of the run.
        slots: recorded.
        counted_slots: those that the estimates are taken from, after the warm-up.
        estimates: by key of `METRICS`, and `latency_p50_s` … `latency_p99_s`; what the trace has.
        growth: of all queues together, as a share of the arrivals; None if there are no queues.
        decision_s: median wall-clock time of a decision; None if not recorded.
    """

    path: Path
    policy: str
    seed: int
    replications: int
    status: str
    slots: int
    counted_slots: int
    estimates: dict[str, Estimate]
    growth: Estimate | None
    decision_s: float | None

    @property
    def stability(self) -> Stability | None:
        """Whether queues are "stable", "growing", or "undecided" where the growth's interval allows both.

        None where there are no queues.
        """
        if self.growth is None:
            return None
        if math.isnan(self.growth.half_width):
            return "undecided"
        if self.growth.high < NEGLIGIBLE_GROWTH:
            return "stable"
        return "growing" if self.growth.low > 0.0 else "undecided"


@dataclass(frozen=True)
class Summary:
    """The numbers of several traces, side by side.

    Attributes:
        traces: one each.
        warmup: share of the slots left out at the beginning.
    """

    traces: list[TraceSummary]
    warmup: float

    def to_table(self) -> "Table":
        """A table for people: one column per trace, with 95 % intervals."""
        from rich.table import Table
        from rich.text import Text

        table = Table(caption=f"95 % intervals; the first {self.warmup:.0%} of the slots left out")
        table.add_column("")
        names = [trace.path.name for trace in self.traces]
        for trace in self.traces:
            unique = names.count(trace.path.name) == 1
            table.add_column(trace.path.name if unique else str(trace.path), justify="right")
        for section in self.sections():
            for label, cells in section:
                table.add_row(Text(label), *cells)
            table.add_section()
        return table

    def sections(self) -> list[list[tuple[str, list[str]]]]:
        """The rows of a table, in its sections: a label, and a text for each trace."""
        about: list[tuple[str, Callable[[TraceSummary], str]]] = [
            ("policy", lambda t: t.policy),
            ("seed", lambda t: _seeds(t)),
            ("status", lambda t: t.status),
            ("slots (counted)", lambda t: f"{t.slots:,} ({t.counted_slots:,})"),
        ]
        numbers = [
            (row.heading, [format_estimate(t.estimates.get(key), row.scale) for t in self.traces])
            for key, row in ROWS.items()
            if any(key in trace.estimates for trace in self.traces)
        ]
        rest: list[tuple[str, list[str]]] = []
        if any(trace.growth is not None for trace in self.traces):
            rest.append(("queues", [str(trace.stability or "-") for trace in self.traces]))
            growth = [format_estimate(trace.growth, 100.0) for trace in self.traces]
            rest.append(("growth / arrivals [%]", growth))
        if any(trace.decision_s is not None for trace in self.traces):
            times = [
                "-" if t.decision_s is None else f"{1e3 * t.decision_s:.3g}" for t in self.traces
            ]
            rest.append(("decision, median [ms]", times))
        return [
            [(label, [text(trace) for trace in self.traces]) for label, text in about],
            numbers,
            rest,
        ]

    def to_json(self) -> str:
        """The same for machines, SI units, full precision; null for what is not known."""
        return json.dumps(
            {
                "warmup": self.warmup,
                "confidence": CONFIDENCE,
                "traces": [_as_dict(trace) for trace in self.traces],
            },
            indent=2,
            allow_nan=False,
        )


def summarise(paths: Iterable[str | Path], warmup: float = 0.1) -> Summary:
    """Long-run means, quantiles and stability of traces.

    Args:
        paths: of the traces; they may still be running.
        warmup: share of the slots to leave out at the beginning, rounded up to whole batches (a
            hundredth of the run), for latency quantiles to the nearest ten batches.

    Raises:
        ValueError: if the warm-up is not in [0, 1).
        TraceError: if a trace cannot be read or holds no slot.
    """
    if not 0.0 <= warmup < 1.0:
        raise ValueError(f"warmup is {warmup}, but must be at least 0 and below 1")
    summaries = []
    for path in paths:
        with open_trace(path) as trace:
            summaries.append(_summarise(trace, warmup))
    return Summary(summaries, warmup)


def format_estimate(estimate: Estimate | None, scale: float = 1.0) -> str:
    """'12.34 ± 0.56': as many digits as the interval supports."""
    if estimate is None or math.isnan(estimate.value):
        return "-"
    value, half_width = scale * estimate.value, scale * estimate.half_width
    if not math.isfinite(half_width):
        return f"{value:.4g}"
    if half_width <= 1e-6 * abs(value):  # rounding
        return f"{value:,.6g}"
    exponent = math.floor(math.log10(max(abs(value), half_width)))
    decimals = 1 - math.floor(math.log10(half_width))
    if -4 <= exponent < 7:
        decimals = max(decimals, 0)
        return f"{value:,.{decimals}f} ± {half_width:,.{decimals}f}"
    decimals, power = max(decimals + exponent, 0), 10.0**exponent
    return f"({value / power:.{decimals}f} ± {half_width / power:.{decimals}f})e{exponent:+d}"


class _Counted:
    """/summary after the warm-up, by groups; the batch that a run ended in only if `partial`."""

    def __init__(self, trace: Trace, warmup: float, *, partial: bool = False) -> None:
        summary, attrs = trace.summary_arrays()
        whole = int((summary["slots"] == attrs["batch_slots"]).sum())
        # A run that ended within its first batch has nothing else to go by.
        last = len(summary["slots"]) if partial else max(whole, 1)
        first = min(math.ceil(warmup * whole - 1e-9), last - 1)
        self.attrs = trace.attrs
        self._all = summary
        self._span = slice(first, last)
        self.replications, parts = summary["latency_tasks"].shape[:2]
        self._parts = slice(min(round(first / attrs["batches_per_part"]), parts - 1), parts)

    @property
    def recorded(self) -> int:
        """Slots recorded, of one replication."""
        return int(self._all["slots"].sum())

    @property
    def slots(self) -> int:
        """Slots counted, of one replication."""
        return int(self._all["slots"][self._span].sum())

    @cached_property
    def columns(self) -> dict[str, FloatArray]:
        """By name, (R, K) sums over slots and network."""
        shape = (self.replications, self._span.stop - self._span.start)
        slots = np.broadcast_to(self._all["slots"][self._span].astype(float), shape)
        tasks = self._all["tasks"][:, self._span].astype(float)
        done, late, lost = (tasks[..., OUTCOMES.index(name)] for name in ("done", "late", "lost"))
        columns = {
            "slots": slots,
            "seconds": slots * self.attrs["slot_s"],
            "device_slots": slots * self.attrs["devices"],
            "station_slots": slots * self.attrs["stations"],
            "replications": slots / self.slots,
            "late": late,
            "completed": done + late,
            "lost": lost,
        }
        for name, column in self._all.items():
            if SUMMARY_VARIABLES[name].dims == ("replication", "batch"):
                kind = SLOT_VARIABLES[name].total if name in SLOT_VARIABLES else "sum"
                columns[name] = column[:, self._span] * (1.0 if kind == "sum" else slots)
        return columns

    @cached_property
    def sums(self) -> dict[str, FloatArray]:
        """By name, sums by group over slots and network."""
        return {name: by_group(column) for name, column in self.columns.items()}

    def growth(self) -> Estimate | None:
        """Growth of all queues together, as a share of the arrivals."""
        names = [f"initial_{name}" for name in ("queue_bits", "station_queue_bits")]
        if any(name not in self._all for name in (*names, "arrived_bits")):
            return None
        queued = np.add(*(self._all[name][:, self._span.start :] for name in names))
        increments = np.diff(queued, axis=1)
        batches = min(increments.shape[1], self._span.stop - self._span.start)
        if batches == 0:
            return Estimate(math.nan)
        arrived = self._all["arrived_bits"][:, self._span]
        return ratio(by_group(increments[:, :batches]), by_group(arrived[:, :batches]))

    def quantiles(self) -> dict[str, Estimate]:
        """Latency quantiles, from the histogram; intervals by sectioning."""
        histogram = self._histogram
        sections = histogram.sum(axis=1) if self.replications > 1 else histogram[0]
        sections = sections[sections.sum(axis=1) > 0]
        if not len(sections):
            return {}
        values = self._quantiles(sections.sum(axis=0))
        spread = np.full(len(values), np.nan)
        if len(sections) > 1:
            parts = np.array([self._quantiles(section) for section in sections])
            groups = len(sections)
            spread = student_t(groups - 1) * np.sqrt(
                ((parts - values) ** 2).sum(axis=0) / (groups * (groups - 1))
            )
        return {
            f"latency_{name}_s": Estimate(float(value), float(half_width))
            for name, value, half_width in zip(QUANTILES, values, spread, strict=True)
        }

    def replication_quantiles(self) -> dict[str, FloatArray]:
        """Latency quantiles of each replication alone, (R,); NaN where it completed no task."""
        counts = self._histogram.sum(axis=1)
        none = np.full(len(QUANTILES), np.nan)
        values = np.array(
            [self._quantiles(c, slice(r, r + 1)) if c.any() else none for r, c in enumerate(counts)]
        )
        return {f"latency_{name}_s": values[:, k] for k, name in enumerate(QUANTILES)}

    @cached_property
    def _histogram(self) -> IntArray:
        """(R, parts, bins) completed tasks by latency."""
        return np.asarray(self._all["latency_tasks"][:, self._parts])

    def _quantiles(self, counts: IntArray, of: slice = slice(None)) -> FloatArray:
        """Of a histogram of these replications, within what they saw."""
        edges = np.append(self._all["latency_low_s"], self._all["latency_high_s"][-1])
        least, greatest = (
            float(self._all["latency_min_s"][of].min()),
            float(self._all["latency_max_s"][of].max()),
        )
        edges[0], edges[-1] = min(edges[1], least), max(edges[-2], greatest)
        quantiles = histogram_quantiles(counts, edges, np.array(list(QUANTILES.values())))
        return np.clip(quantiles, least, greatest)


def histogram_quantiles(counts: Any, edges: FloatArray, shares: FloatArray) -> FloatArray:
    """Quantiles of a histogram, linear within a bin.

    Args:
        counts: (bins,).
        edges: (bins + 1,) finite.
        shares: (n,) in [0, 1].

    Returns:
        (n,).
    """
    hit = np.flatnonzero(counts)
    cumulated = np.cumsum(counts[hit])
    rank = shares * cumulated[-1]
    place = np.minimum(np.searchsorted(cumulated, rank), len(hit) - 1)
    bins = hit[place]
    inside = (rank - (cumulated[place] - counts[bins])) / counts[bins]
    return np.asarray(edges[bins] + inside * (edges[bins + 1] - edges[bins]))


def replication_values(trace: Trace, warmup: float) -> dict[str, FloatArray]:
    """The numbers of each replication alone.

    Args:
        trace: to be read.
        warmup: share of the slots to leave out, as for `summarise`.

    Returns:
        By key of `ROWS`, those that the trace has: (R,); NaN where there is nothing to divide by.

    Raises:
        TraceError: if the trace holds no slot.
    """
    counted = _Counted(trace, warmup)
    totals = {name: column.sum(axis=1) for name, column in counted.columns.items()}
    values = {
        key: np.divide(over, under, out=np.full(len(under), np.nan), where=under > 0.0)
        for key, (over, under) in _fractions(totals).items()
    }
    return values | counted.replication_quantiles()


def batch_values(trace: Trace) -> dict[str, FloatArray]:
    """The numbers of each batch of slots alone, also of one that the run ended in.

    Args:
        trace: to be read.

    Returns:
        By key of `METRICS`, those that the trace has, (R, K), and `emission_mg_per_s` and
        `station_up`; NaN where there is nothing to divide by.

    Raises:
        TraceError: if the trace holds no slot.
    """
    columns = _Counted(trace, 0.0, partial=True).columns
    fractions = _fractions(columns)
    fractions["emission_mg_per_s"] = columns["emission_mg"], columns["seconds"]
    if "station_up" in columns:
        fractions["station_up"] = columns["station_up"], columns["slots"]
    return {
        key: np.divide(over, under, out=np.full(under.shape, np.nan), where=under > 0.0)
        for key, (over, under) in fractions.items()
    }


def _fractions(sums: Sums) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Numerator and denominator of each metric whose variables were recorded."""
    found = {}
    for key, metric in METRICS.items():
        try:
            found[key] = metric.numerator(sums), metric.denominator(sums)
        except KeyError:  # another world's
            continue
    return found


def _summarise(trace: Trace, warmup: float) -> TraceSummary:
    counted = _Counted(trace, warmup)
    estimates = {key: ratio(*parts) for key, parts in _fractions(counted.sums).items()}
    decision_s = None
    if "decision_s" in trace.timing and trace.timing.sizes["slot"]:
        decision_s = float(np.median(trace.timing["decision_s"].values))
    return TraceSummary(
        path=trace.path,
        policy=trace.policy,
        seed=trace.attrs["seed"],
        replications=counted.replications,
        status=trace.status,
        slots=counted.recorded,
        counted_slots=counted.slots,
        estimates=estimates | counted.quantiles(),
        growth=counted.growth(),
        decision_s=decision_s,
    )


@cache
def student_t(freedom: int) -> float:
    """The quantile that makes a 95 % interval."""
    from scipy.stats import t

    return float(t.ppf(0.5 + CONFIDENCE / 2.0, freedom))


def _seeds(trace: TraceSummary) -> str:
    last = trace.seed + trace.replications - 1
    return str(trace.seed) if last == trace.seed else f"{trace.seed} to {last}"


def _as_dict(trace: TraceSummary) -> dict[str, Any]:
    def known(value: float | None) -> float | None:
        return value if value is not None and math.isfinite(value) else None

    def interval(estimate: Estimate) -> dict[str, float | None]:
        return {
            "value": known(estimate.value),
            "low": known(estimate.low),
            "high": known(estimate.high),
        }

    return {
        "trace": str(trace.path),
        "policy": trace.policy,
        "seed": trace.seed,
        "replications": trace.replications,
        "status": trace.status,
        "slots": trace.slots,
        "counted_slots": trace.counted_slots,
        "estimates": {key: interval(estimate) for key, estimate in trace.estimates.items()},
        "stability": trace.stability,
        "queue_growth": None if trace.growth is None else interval(trace.growth),
        "decision_s": known(trace.decision_s),
    }
