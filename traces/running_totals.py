"""Running totals of a run in bounded memory: sums by batch of slots, and the latency histogram.

Every sum is taken in the order of slots and of tasks, one by one, so its last bit depends neither on
when the buffers were emptied nor on how many replications ran beside it.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..simulator.core.arrays import FloatArray, IntArray
from ..simulator.core.compiled import compiled
from ..simulator.core.recorder import OUTCOMES, TaskTable
from .variables import columns_of, total_of

BATCHES = 100
"""Batches that a run is divided into, at most."""

BATCHES_PER_PART = 5
"""A latency histogram covers this many batches."""

# A latency's bin is the exponent and the first seven bits of the mantissa of its float64: 128 bins
# for each factor of two, each at most 1/128 of its value wide.
_SHIFT = 52 - 7
_LOWEST = int(np.float64(2.0**-20).view(np.int64) >> _SHIFT)
_HIGHEST = int(np.float64(2.0**24).view(np.int64) >> _SHIFT)
LATENCY_EDGES_S: FloatArray = np.concatenate(
    [
        [0.0],
        (np.arange(_LOWEST, _HIGHEST + 1, dtype=np.int64) << _SHIFT).view(np.float64),
        [np.inf],
    ]
)
"""Edges of the latency bins: 1 us to 194 days, and all below and above."""


class SlotTally:
    """Sums of the slots' columns by batch.

    Attributes:
        batch_slots: slots in a batch.
        batches: number of batches, K.
        slots: (K,) slots seen of each batch.
        initial: by name, (R, K) totals in the batch's first slot.

    Args:
        replications: R.
        slots: in the whole run.
        names: the columns that will come; those without a total are passed over.
    """

    remembers: ClassVar[tuple[str, ...]] = ("slots", "_sums", "_entries", "initial")

    def __init__(self, replications: int, slots: int, names: list[str]) -> None:
        self.batch_slots = -(-slots // BATCHES)
        self.batches = -(-slots // self.batch_slots)
        self.slots = np.zeros(self.batches, np.int64)
        shape = (replications, self.batches)
        self._sums = {name: np.zeros(shape) for name in names if total_of(name)}
        if set(columns_of("present_queue_bits")) <= set(names):
            self._sums["present_queue_bits"] = np.zeros(shape)
        self._entries = dict.fromkeys(self._sums, 1)
        self.initial = {
            f"initial_{name}": np.full(shape, np.nan)
            for name in ("queue_bits", "station_queue_bits")
            if name in names
        }

    def add(self, first: int, count: int, columns: Mapping[str, NDArray[Any]]) -> None:
        """Take in `count` slots from slot `first` on; columns are (R, >= count, …)."""
        batch: IntArray = (first + np.arange(count, dtype=np.int64)) // self.batch_slots
        seen = np.bincount(batch, minlength=self.batches)
        begun = np.flatnonzero((self.slots == 0) & (seen > 0))
        begins = np.searchsorted(batch, begun)
        for name, sums in self._sums.items():
            column, *there = (columns[one][:, :count] for one in columns_of(name))
            for present in there:
                column = np.where(present, column, 0.0)
            self._entries[name] = column[0, 0].size
            entries = column.reshape(*column.shape[:2], -1)
            if (initial := self.initial.get(f"initial_{name}")) is not None:
                initial[:, begun] = entries[:, begins].sum(axis=2)
            _add_up(entries, batch, sums)
        self.slots += seen

    def totals(self) -> dict[str, FloatArray]:
        """By name, (R, K) each variable condensed by its `Variable.total`; NaN where no slots."""
        slots = np.where(self.slots > 0, self.slots, np.nan)
        divisors = {"sum": lambda _: slots / slots, "level": lambda _: slots, "mean": slots.__mul__}
        return {
            name: sums / divisors[str(total_of(name))](self._entries[name])
            for name, sums in self._sums.items()
        }


@compiled
def _add_up(entries: FloatArray, batch: IntArray, sums: FloatArray) -> None:
    """Add all entries (R, slots, M) to the sums (R, K) of the slots' batches (slots,)."""
    replications, slots, width = entries.shape
    for r in range(replications):
        for t in range(slots):
            total = 0.0
            for k in range(width):
                total += entries[r, t, k]
            sums[r, batch[t]] += total


class TaskTally:
    """Counts and latencies of the tasks by batch, and their histogram by part of the run.

    Attributes:
        tasks: (R, K, outcomes).
        latency_sum_s: (R, K), of completed tasks.
        latency_min_s: (R, K); inf if none.
        latency_max_s: (R, K); -inf if none.
        histogram: (R, parts, bins) completed tasks. Pages never counted in take no memory.
        bin_min_s: (R, bins) least latency in each bin of the histogram; 0 if none.
        bin_max_s: (R, bins) greatest latency likewise.

    Args:
        replications: R.
        batches: K.
    """

    remembers: ClassVar[tuple[str, ...]] = (
        "tasks",
        "latency_sum_s",
        "latency_min_s",
        "latency_max_s",
        "histogram",
        "bin_min_s",
        "bin_max_s",
    )

    def __init__(self, replications: int, batches: int) -> None:
        shape = (replications, batches)
        parts = -(-batches // BATCHES_PER_PART)
        self.tasks = np.zeros((*shape, len(OUTCOMES)), np.int64)
        self.latency_sum_s = np.zeros(shape)
        self.latency_min_s = np.full(shape, np.inf)
        self.latency_max_s = np.full(shape, -np.inf)
        bins = len(LATENCY_EDGES_S) - 1
        self.histogram = np.zeros((replications, parts, bins), np.int64)
        self.bin_min_s = np.zeros((replications, bins))
        self.bin_max_s = np.zeros((replications, bins))

    def add(self, batch: int, tasks: TaskTable) -> None:
        """Take in tasks that ended in this batch."""
        _tally(
            tasks,
            batch,
            self.tasks,
            self.latency_sum_s,
            self.latency_min_s,
            self.latency_max_s,
            self.histogram,
            self.bin_min_s,
            self.bin_max_s,
        )


@compiled
def _tally(
    ended: TaskTable,
    batch: int,
    tasks: IntArray,
    latency_sum_s: FloatArray,
    latency_min_s: FloatArray,
    latency_max_s: FloatArray,
    histogram: IntArray,
    bin_min_s: FloatArray,
    bin_max_s: FloatArray,
) -> None:
    latency_s = ended["completion_s"] - ended["arrival_s"]
    code = latency_s.view(np.int64) >> _SHIFT
    part = batch // BATCHES_PER_PART
    last = histogram.shape[2] - 1
    for k in range(len(ended)):
        r, outcome = ended[k]["replication"], ended[k]["outcome"]
        tasks[r, batch, outcome] += 1
        if outcome <= 1:  # done or late
            latency = latency_s[k]
            latency_sum_s[r, batch] += latency
            latency_min_s[r, batch] = min(latency_min_s[r, batch], latency)
            latency_max_s[r, batch] = max(latency_max_s[r, batch], latency)
            bin_ = min(max(code[k] - _LOWEST + 1, 0), last)
            histogram[r, part, bin_] += 1
            # Zero is none yet; only the first bin may have it as a latency.
            if latency < bin_min_s[r, bin_] or (bin_min_s[r, bin_] == 0.0 and bin_ > 0):
                bin_min_s[r, bin_] = latency
            bin_max_s[r, bin_] = max(bin_max_s[r, bin_], latency)
