"""From the totals of a trace to its numbers: over the slots that count, by replication and by batch.

All but latency quantiles comes from /summary, which every trace has, so the cost does not grow with the
length of the run. Intervals are made in `confidence_intervals`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..simulator.core.arrays import FloatArray, IntArray
from ..simulator.core.recorder import LATE, OUTCOMES
from .confidence_intervals import (
    CALM,
    Caution,
    Estimate,
    Range,
    by_group,
    ratio,
    replicated_ratio,
    sectioned,
    series_quantiles,
    series_ratios,
)
from .effective_sample_size import caution
from .latencies import LatencyRecord, SketchRecord, TaskRecord, without_rounding
from .metrics import BATCH_METRICS, METRICS, QUANTILES, fractions, metric_values
from .variables import SLOT_VARIABLES, SUMMARY_VARIABLES, total_of

_SHARES = np.array(list(QUANTILES.values()))
QUEUES = ("queue_bits", "station_queue_bits")
"""Keys of `METRICS` that the rest of a run follows."""

_QUANTILES = [f"latency_{name}_s" for name in QUANTILES]

NEGLIGIBLE_GROWTH = 0.01
"""Queues that grow by less than this share of the arrivals are called stable."""

Stability = Literal["stable", "growing", "undecided"]


def stability(growth: Estimate | None) -> Stability | None:
    """Whether queues grow, or "undecided" where the growth's interval allows both; None without queues."""
    if growth is None:
        return None
    if math.isnan(growth.half_width):
        return "undecided"
    if growth.high < NEGLIGIBLE_GROWTH:
        return "stable"
    return "growing" if growth.low > 0.0 else "undecided"


@dataclass(frozen=True)
class BatchTotals:
    """/summary of a trace: totals by batch of slots, and the latency histogram by part of the run.

    Attributes:
        arrays: by name as in `SUMMARY_VARIABLES`, what was recorded of batches that have begun; the
            histogram only where latencies come from it.
        batch_slots: slots in a batch.
        batches_per_part: batches that a latency histogram covers.
        slot_s: tau.
        devices: N.
        stations: B.
    """

    arrays: Mapping[str, NDArray[Any]]
    batch_slots: int
    batches_per_part: int
    slot_s: float
    devices: int
    stations: int

    @property
    def recorded(self) -> int:
        """Slots recorded, of one replication."""
        return int(self.arrays["slots"].sum())

    @property
    def middles_s(self) -> FloatArray:
        """(K,) seconds from the start of the run to the middle of each batch."""
        slots = self.arrays["slots"]
        return (np.arange(len(slots)) * self.batch_slots + slots / 2) * self.slot_s


def _ended(tasks: IntArray) -> IntArray:
    """(K,) tasks that have ended by the end of each batch, of (R, K, outcomes) numbers of them."""
    return np.asarray(np.cumsum(tasks.sum(axis=(0, 2))))


def recorded_tasks(
    totals: BatchTotals,
    outcome: NDArray[np.uint8],
    replication: IntArray,
    arrival_s: FloatArray,
    completion_s: FloatArray,
) -> LatencyRecord:
    """The latencies of a trace that has its tasks.

    Args:
        totals: of the trace.
        outcome: (n,) of the first tasks that ended, as many as there are in `totals` or fewer.
        replication: (n,) of each.
        arrival_s: (n,) of each.
        completion_s: (n,) of each.
    """
    tasks = totals.arrays["tasks"]
    ended = _ended(tasks)
    completed = outcome <= LATE
    batch = np.searchsorted(ended, np.flatnonzero(completed), side="right")
    until_s = totals.recorded * totals.slot_s
    seconds = without_rounding((completion_s - arrival_s)[completed], until_s)
    return TaskRecord(seconds, replication[completed], batch, len(tasks))


def sketched_tasks(totals: BatchTotals) -> LatencyRecord:
    """The latencies of a trace that has a histogram alone."""
    until_s = totals.recorded * totals.slot_s
    return SketchRecord(totals.arrays, totals.batches_per_part, until_s)


def check_warmup(warmup: float) -> None:
    """Refuse a share that leaves out everything.

    Raises:
        ValueError: if the warm-up is not in [0, 1).
    """
    if not 0.0 <= warmup < 1.0:
        raise ValueError(f"warmup is {warmup}, but must be at least 0 and below 1")


class CountedBatches:
    """The totals after the warm-up, K batches of R replications.

    Args:
        totals: of a trace.
        warmup: share of the slots to leave out at the beginning, rounded up to whole batches.
        partial: whether the batch that a run ended in counts.
    """

    def __init__(self, totals: BatchTotals, warmup: float, *, partial: bool = False) -> None:
        self._totals = totals
        self._all = totals.arrays
        whole = int((self._all["slots"] == totals.batch_slots).sum())
        # A run that ended within its first batch has nothing else to go by.
        last = len(self._all["slots"]) if partial else max(whole, 1)
        first = min(math.ceil(warmup * whole - 1e-9), last - 1)
        self._span = slice(first, last)
        self.replications = len(self._all["tasks"])

    @property
    def slots(self) -> int:
        """Slots counted, of one replication."""
        return int(self._all["slots"][self._span].sum())

    @cached_property
    def columns(self) -> dict[str, FloatArray]:
        """By name, (R, K) sums over slots and network, SI."""
        shape = (self.replications, self._span.stop - self._span.start)
        slots = np.broadcast_to(self._all["slots"][self._span].astype(float), shape)
        tasks = self._all["tasks"][:, self._span].astype(float)
        done, late, lost = (tasks[..., OUTCOMES.index(name)] for name in ("done", "late", "lost"))
        columns = {
            "slots": slots,
            "seconds": slots * self._totals.slot_s,
            "station_slots": slots * self._totals.stations,
            "replications": slots / self.slots,
            "late": late,
            "completed": done + late,
            "lost": lost,
        }
        for name, column in self._all.items():
            if SUMMARY_VARIABLES[name].dims == ("replication", "batch"):
                derived = name in SLOT_VARIABLES or name == "present_queue_bits"
                kind = total_of(name) if derived else "sum"
                columns[name] = column[:, self._span] * (1.0 if kind == "sum" else slots)
        columns["there"] = columns.get("present", slots)
        columns["device_slots"] = columns["there"] * self._totals.devices
        if "queue_bits" in columns:
            columns.setdefault("present_queue_bits", columns["queue_bits"])
        for name in ("station_up", "station_availability"):  # older traces lack the second
            if name in columns:
                columns["stations_at_work"] = columns[name]
        return columns

    def estimates(self, latencies: LatencyRecord) -> dict[str, Estimate]:
        """By key of `METRICS`, those whose variables were recorded.

        Args:
            latencies: of the same trace.
        """
        parts = fractions(self.columns, METRICS)
        means = self._ratios(parts, {key: METRICS[key].within for key in parts})
        if self.replications > 1:
            quantiles = self._quantiles_over_replications(latencies)
            if needed := means["latency_s"].slots_needed:
                for key, one in quantiles.items():
                    quantiles[key] = Estimate(one.value, slots_needed=needed)
            return self._marked(means | quantiles)
        batches, recorded = latencies.by_batch(self._span), self._totals.recorded
        found = series_quantiles(batches, _SHARES, recorded, self._caution)
        return self._marked(means | dict(zip(_QUANTILES, found, strict=True)))

    def _ratios(
        self, parts: Mapping[str, tuple[FloatArray, FloatArray]], within: Mapping[str, Range]
    ) -> dict[str, Estimate]:
        """By key, of (R, K) numerators and denominators, as if each was known for itself."""
        recorded = self._totals.recorded
        if self.replications > 1:
            return {
                key: replicated_ratio(over, under, within[key], recorded)
                for key, (over, under) in parts.items()
            }
        queues = self._caution
        over, under = (np.concatenate(one) for one in zip(*parts.values(), strict=True))
        least = [queues.least if key in (*QUEUES, "latency_s") else 0.0 for key in parts]
        bounds = [within[key] for key in parts]
        ratios = series_ratios(over, under, bounds, recorded, queues.factor, least)
        return dict(zip(parts, ratios, strict=True))

    @property
    def ended(self) -> IntArray:
        """(K,) tasks that have ended by the end of each batch of the run, in all replications."""
        return _ended(self._all["tasks"])

    def share(self, part: FloatArray, whole: FloatArray) -> Estimate:
        """A ratio of (R, K) numbers by batch of the run, over those that count; NaN where there are none."""
        over, under = part[:, self._span], whole[:, self._span]
        if not under.any():
            return Estimate(math.nan)
        found = self._ratios({"share": (over, under)}, {"share": (0.0, 1.0)})
        return self._marked(self._queues | found)["share"]

    @cached_property
    def _queues(self) -> dict[str, Estimate]:
        """By key, what is estimated of the queues."""
        parts = fractions(self.columns, {key: METRICS[key] for key in QUEUES})
        if not parts:
            return {}
        return self._ratios(parts, {key: METRICS[key].within for key in parts})

    @cached_property
    def _caution(self) -> Caution:
        """What the queues of the one replication say."""
        names = [f"initial_{name}" for name in QUEUES]
        if any(name not in self._all for name in (*names, *QUEUES, "arrived_bits")):
            return CALM
        queued, at_start = (
            np.sum([self._all[name][0, self._span] for name in one], axis=0)
            for one in (QUEUES, names)
        )
        arrived = self._all["arrived_bits"][0, self._span]
        return caution(queued, at_start, arrived, self._totals.devices, self._totals.recorded)

    def _marked(self, estimates: dict[str, Estimate]) -> dict[str, Estimate]:
        """Where the queues are not known yet, nothing is that follows them.

        Where they grow, they have no mean, nor has what follows them.
        """
        grows = self._grows
        if self.replications > 1:
            follow = {*QUEUES, "latency_s", *_QUANTILES} if grows else ()
            return {
                key: Estimate(one.value) if key in follow or (grows and one.slots_needed) else one
                for key, one in estimates.items()
            }
        needed = self._caution.slots_needed or 0
        queues = [estimates[key] for key in QUEUES if key in estimates]
        needed = max([needed, *(one.slots_needed or 0 for one in queues)])
        marked = {}
        for key, one in estimates.items():
            if one.slots_needed or (needed and one.low < one.high and not grows):
                most = max(needed, one.slots_needed or 0)
                one = Estimate(one.value, slots_needed=None if grows else most)
            marked[key] = one
        return marked

    @cached_property
    def _grows(self) -> bool:
        return stability(self.growth()) == "growing"

    def growth(self) -> Estimate | None:
        """Growth of all queues together, as a share of the arrivals; None if there are no queues."""
        names = [f"initial_{name}" for name in QUEUES]
        if any(name not in self._all for name in (*names, "arrived_bits")):
            return None
        queued = np.add(*(self._all[name][:, self._span.start :] for name in names))
        increments = np.diff(queued, axis=1)
        batches = min(increments.shape[1], self._span.stop - self._span.start)
        if batches == 0:
            return Estimate(math.nan)
        arrived = self._all["arrived_bits"][:, self._span]
        return ratio(by_group(increments[:, :batches]), by_group(arrived[:, :batches]))

    def replication_quantiles(self, latencies: LatencyRecord) -> dict[str, FloatArray]:
        """Latency quantiles of each replication alone, (R,) s; NaN where it completed no task."""
        values = np.array(
            [latencies.of(r, self._span).quantiles(_SHARES) for r in range(self.replications)]
        )
        return {name: values[:, k] for k, name in enumerate(_QUANTILES)}

    def _quantiles_over_replications(self, latencies: LatencyRecord) -> dict[str, Estimate]:
        """Of all together, with intervals from each alone."""
        values = latencies.by_replication(self._span).quantiles(_SHARES)
        alone = np.stack(list(self.replication_quantiles(latencies).values()), axis=1)
        known = alone[np.isfinite(alone).all(axis=1)]
        return dict(zip(_QUANTILES, sectioned(values, known, (0.0, math.inf)), strict=True))


def replication_values(
    totals: BatchTotals, latencies: LatencyRecord, warmup: float
) -> dict[str, FloatArray]:
    """The numbers of each replication alone.

    Args:
        totals: of a trace.
        latencies: of the same.
        warmup: share of the slots to leave out at the beginning.

    Returns:
        By key of `METRICS`, those that the trace has: (R,) SI; NaN where there is nothing to divide by.
    """
    counted = CountedBatches(totals, warmup)
    sums = {name: column.sum(axis=1) for name, column in counted.columns.items()}
    return metric_values(sums, METRICS) | counted.replication_quantiles(latencies)


def batch_values(totals: BatchTotals) -> dict[str, FloatArray]:
    """The numbers of each batch of slots alone, also of one that the run ended in.

    Args:
        totals: of a trace.

    Returns:
        By key of `BATCH_METRICS`, those that the trace has: (R, K) SI; NaN where there is nothing to
        divide by.
    """
    return metric_values(all_columns(totals), BATCH_METRICS)


def all_columns(totals: BatchTotals) -> dict[str, FloatArray]:
    """By name, (R, K) sums over slots and network, SI, of all batches that have begun."""
    return CountedBatches(totals, 0.0, partial=True).columns
