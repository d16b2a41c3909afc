"""Latencies of completed tasks: each of them where a trace has its tasks, else a sketch of them.

Both answer the same questions. The sketch is a histogram with the least and the greatest latency in each
bin: what it takes for a task's latency lies in the same bin, so it is off by at most 1/128 of it, and
exact where all of a bin are the same, as deadlines are.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..simulator.core.arrays import FloatArray, IntArray


class Latencies(ABC):
    """Latencies in G groups: batches of slots, or replications.

    Attributes:
        tasks: (G,) tasks of each group.
    """

    tasks: IntArray

    @abstractmethod
    def quantiles(self, shares: FloatArray) -> FloatArray:
        """Of all groups together, linear between one task and the next.

        Args:
            shares: (n,) in [0, 1].

        Returns:
            (n,) s; NaN if there are no tasks.
        """

    @abstractmethod
    def above(self, bounds: FloatArray) -> FloatArray:
        """(G, M) tasks of each group that took longer than each of M ascending bounds, s."""

    @abstractmethod
    def following(self, bound: float) -> float:
        """The least latency above a bound, s; the bound if there is none."""


class TaskLatencies(Latencies):
    """Every single one.

    Args:
        seconds: (n,) latencies.
        groups: (n,) number of the group of each.
        count: G.
    """

    def __init__(self, seconds: FloatArray, groups: IntArray, count: int) -> None:
        order = np.argsort(seconds, kind="stable")
        self._seconds, self._groups = seconds[order], groups[order]
        self.tasks = np.bincount(groups, minlength=count)

    def quantiles(self, shares: FloatArray) -> FloatArray:
        """(n,) s, as numpy has them."""
        last = len(self._seconds) - 1
        if last < 0:
            return np.full(len(shares), np.nan)
        below = np.floor(shares * last).astype(int)
        low, high = self._seconds[below], self._seconds[np.minimum(below + 1, last)]
        return np.asarray(low + (shares * last - below) * (high - low))

    def above(self, bounds: FloatArray) -> FloatArray:
        """(G, M), counted."""
        ends = np.searchsorted(self._seconds, bounds, side="right")
        lengths = np.diff(ends, prepend=0, append=len(self._seconds))
        interval = np.repeat(np.arange(len(bounds) + 1), lengths)
        places = self._groups * (len(bounds) + 1) + interval
        counts = np.bincount(places, minlength=len(self.tasks) * (len(bounds) + 1))
        return _above(counts.reshape(len(self.tasks), -1))

    def following(self, bound: float) -> float:
        """The next task's."""
        place = np.searchsorted(self._seconds, bound, side="right")
        return float(self._seconds[place]) if place < len(self._seconds) else bound


class SketchedLatencies(Latencies):
    """A histogram; within a bin, tasks lie evenly from the least to the greatest.

    Args:
        counts: (G, bins).
        least: (bins,) the least latency in each bin, s.
        greatest: (bins,) the greatest.
    """

    def __init__(self, counts: IntArray, least: FloatArray, greatest: FloatArray) -> None:
        hit = np.flatnonzero(counts.any(axis=0))
        self._counts, self._least, self._greatest = counts[:, hit], least[hit], greatest[hit]
        self.tasks = counts.sum(axis=1)
        self._together = self._counts.sum(axis=0)
        self._ends = np.cumsum(self._together)

    def quantiles(self, shares: FloatArray) -> FloatArray:
        """(n,) s, between tasks where the sketch has them."""
        if not len(self._ends):
            return np.full(len(shares), np.nan)
        last = self._ends[-1] - 1
        below = np.floor(shares * last).astype(int)
        low, high = self._place(below), self._place(np.minimum(below + 1, last))
        return np.asarray(low + (shares * last - below) * (high - low))

    def above(self, bounds: FloatArray) -> FloatArray:
        """(G, M); of the bin that a bound lies in, the part above it."""
        reached = np.searchsorted(self._least, bounds, side="right")
        higher = _above(np.concatenate([self._counts, np.zeros_like(self._counts[:, :1])], axis=1))
        beyond = np.concatenate([self.tasks[:, None], higher], axis=1)[:, reached]
        bin_ = np.maximum(reached - 1, 0)
        width = self._greatest[bin_] - self._least[bin_]
        part = np.where(
            width > 0.0, (self._greatest[bin_] - bounds) / np.where(width > 0.0, width, 1.0), 0.0
        )
        part = np.where(reached > 0, np.clip(part, 0.0, 1.0), 0.0)
        return np.asarray(beyond + part * self._counts[:, bin_])

    def following(self, bound: float) -> float:
        """In the same bin the bound itself, else where the next one begins."""
        bin_ = np.searchsorted(self._greatest, bound, side="right")
        return max(bound, float(self._least[bin_])) if bin_ < len(self._least) else bound

    def _place(self, rank: IntArray) -> FloatArray:
        """Where the tasks of these ranks, from 0 on, are taken to be."""
        bin_ = np.searchsorted(self._ends, rank, side="right")
        within = rank - (self._ends[bin_] - self._together[bin_])
        steps = np.maximum(self._together[bin_] - 1, 1)
        least = self._least[bin_]
        return np.asarray(least + within / steps * (self._greatest[bin_] - least))


def _above(counts: NDArray[Any]) -> FloatArray:
    """(G, M) what is in later columns than each but the last of (G, M + 1)."""
    later = np.cumsum(counts[:, :0:-1], axis=1)[:, ::-1]
    return np.asarray(later, float)


def without_rounding(latencies: FloatArray, until_s: float) -> FloatArray:
    """Latencies as exact as the times are whose differences they are, so that ties are ties.

    Args:
        latencies: (n,) s.
        until_s: the latest of the times.
    """
    step = 64.0 * np.spacing(until_s)
    return np.asarray(np.round(latencies / step) * step)


class LatencyRecord(ABC):
    """The latencies of a trace, by replication and batch of slots."""

    @abstractmethod
    def by_batch(self, batches: slice) -> Latencies:
        """Of a run of one replication: a group for each batch, or for several."""

    @abstractmethod
    def by_replication(self, batches: slice) -> Latencies:
        """A group for each replication."""

    @abstractmethod
    def of(self, replication: int, batches: slice) -> Latencies:
        """Of one replication, in one group."""


class TaskRecord(LatencyRecord):
    """Of a trace that has its tasks.

    Args:
        seconds: (n,) latencies of completed tasks.
        replication: (n,) of each.
        batch: (n,) in which each ended.
        replications: R.
    """

    def __init__(
        self, seconds: FloatArray, replication: IntArray, batch: IntArray, replications: int
    ) -> None:
        self._seconds, self._replication, self._batch = seconds, replication, batch
        self._replications = replications

    def by_batch(self, batches: slice) -> Latencies:
        """A group for each batch."""
        counted = self._counted(batches)
        groups = self._batch[counted] - batches.start
        return TaskLatencies(self._seconds[counted], groups, batches.stop - batches.start)

    def by_replication(self, batches: slice) -> Latencies:
        """A group for each replication."""
        counted = self._counted(batches)
        return TaskLatencies(self._seconds[counted], self._replication[counted], self._replications)

    def of(self, replication: int, batches: slice) -> Latencies:
        """Of one replication."""
        counted = self._counted(batches) & (self._replication == replication)
        seconds = self._seconds[counted]
        return TaskLatencies(seconds, np.zeros(len(seconds), int), 1)

    def _counted(self, batches: slice) -> NDArray[np.bool_]:
        return np.asarray((self._batch >= batches.start) & (self._batch < batches.stop))


class SketchRecord(LatencyRecord):
    """Of a trace that has totals alone: a histogram for each part of several batches.

    The least and the greatest of a bin are those of the whole run.

    Args:
        summary: /summary of the trace, by name.
        batches_per_part: batches in a part.
        until_s: the end of what was recorded, s.
    """

    def __init__(
        self, summary: Mapping[str, NDArray[Any]], batches_per_part: int, until_s: float
    ) -> None:
        self._counts: IntArray = summary["latency_tasks"]
        self._per_part = batches_per_part
        shape = (len(self._counts), self._counts.shape[2])
        if "latency_bin_min_s" in summary:
            ends = summary["latency_bin_min_s"], summary["latency_bin_max_s"]
            self._least, self._greatest = (without_rounding(end, until_s) for end in ends)
        else:  # a trace of an earlier version: anywhere in the bin
            ends = summary["latency_low_s"], summary["latency_high_s"]
            span = summary["latency_min_s"].min(), summary["latency_max_s"].max()
            self._least, self._greatest = (np.broadcast_to(np.clip(e, *span), shape) for e in ends)

    def by_batch(self, batches: slice) -> Latencies:
        """A group for each part."""
        return self._sketch(self._counts[:, self._parts(batches)].sum(axis=0), slice(None))

    def by_replication(self, batches: slice) -> Latencies:
        """A group for each replication."""
        return self._sketch(self._counts[:, self._parts(batches)].sum(axis=1), slice(None))

    def of(self, replication: int, batches: slice) -> Latencies:
        """Of one replication."""
        these = slice(replication, replication + 1)
        return self._sketch(self._counts[these, self._parts(batches)].sum(axis=1), these)

    def _parts(self, batches: slice) -> slice:
        """From the nearest beginning of a part on."""
        parts = self._counts.shape[1]
        return slice(min(round(batches.start / self._per_part), parts - 1), parts)

    def _sketch(self, counts: IntArray, replications: slice) -> Latencies:
        # Zero where a replication has none in the bin.
        none = self._counts[replications].sum(axis=1) == 0
        least = np.where(none, np.inf, self._least[replications]).min(axis=0)
        return SketchedLatencies(counts, least, self._greatest[replications].max(axis=0))
