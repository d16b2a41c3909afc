"""Recorded requests, one after another: those of a file, or drawn within the minutes that it counts."""

from functools import cached_property

import numpy as np

from ...scenarios.data.row_store import BLOCK, Rows
from ...scenarios.data.workloads import MINUTE_S, Workload
from ..core.arrays import FloatArray, IntArray

WINDOW = 1 << 12
"""Requests that are handed out at once."""


class Requests:
    """The requests of a file in the order of their arrival, numbered from 0; the first is at time zero.

    Where a file counts requests by the minute, they are independent and uniform within it, and time zero
    is the beginning of the first minute that has any.

    Args:
        workload: what was read.
        speedup: how many times faster than recorded they arrive.

    Attributes:
        count: how many there are.
        last_s: when the last arrives, or the last minute ends.
    """

    def __init__(self, workload: Workload, speedup: float) -> None:
        self.workload = workload
        self._store = workload.requests
        self._speedup = speedup
        self._first_s = float(self._store.read(0, 1)["time_s"][0])
        last_s = float(self._store.read(self._store.size - 1, self._store.size)["time_s"][0])
        if workload.minutes:
            self.count = int(self._minutes[2][-1])
            last_s += MINUTE_S
        else:
            self.count = self._store.size
        self.last_s = (last_s - self._first_s) / speedup
        self._drawn: tuple[tuple[int, int, int], tuple[FloatArray, Rows]] | None = None

    @cached_property
    def _minutes(self) -> tuple[FloatArray, IntArray, IntArray]:
        """Of the minutes with requests: when they begin; their first rows and requests, and the ends."""
        starts, rows, counts, row = list[float](), list[int](), list[int](), 0
        for block in self._store.blocks():
            time_s, first = np.unique(block["time_s"], return_index=True)
            count = np.add.reduceat(block["count"], first)
            if starts and time_s[0] == starts[-1]:
                counts[-1] += int(count[0])
                time_s, first, count = time_s[1:], first[1:], count[1:]
            starts += time_s.tolist()
            rows += (first + row).tolist()
            counts += count.tolist()
            row += block.size
        ends = np.concatenate(([0], np.cumsum(np.array(counts, np.int64))))
        return np.array(starts), np.array([*rows, row]), ends

    def window(self, request: int, cycle: int, seed: int) -> tuple[FloatArray, Rows]:
        """When some requests arrive, from the one given on, and what they are.

        Args:
            request: the first.
            cycle: how many times the file has been gone through.
            seed: of the moments within minutes; the same for the same run.

        Returns:
            (k,) seconds from time zero, ascending, and (k,) rows; k >= 1.
        """
        if self.workload.minutes:
            minute = int(np.searchsorted(self._minutes[2], request, side="right")) - 1
            time_s, rows = self._minute(minute, cycle, seed)
            start = request - int(self._minutes[2][minute])
        else:
            rows = self._store.block(request // BLOCK)
            start = request % BLOCK
        rows = rows[start : start + WINDOW]
        if self.workload.minutes:
            return time_s[start : start + WINDOW], rows
        return (rows["time_s"] - self._first_s) / self._speedup, rows

    def _minute(self, minute: int, cycle: int, seed: int) -> tuple[FloatArray, Rows]:
        key = (minute, cycle, seed)
        if self._drawn is None or self._drawn[0] != key:
            begin_s, rows, _ = (column[minute : minute + 2] for column in self._minutes)
            counted = self._store.read(int(rows[0]), int(rows[1]))
            all_rows = np.repeat(counted, counted["count"])
            # A generator for each minute: what was drawn can be drawn again, and need not be kept.
            rng = np.random.Generator(np.random.PCG64DXSM(np.random.SeedSequence(list(key))))
            within_s = MINUTE_S * rng.random(all_rows.size)
            order = np.argsort(within_s, kind="stable")
            time_s = ((begin_s[0] - self._first_s) + within_s[order]) / self._speedup
            self._drawn = key, (time_s, all_rows[order])
        return self._drawn[1]

    def time_s(self, request: int, cycle: int, seed: int) -> float:
        """When one arrives."""
        return float(self.window(request, cycle, seed)[0][0])

    def before(self, time_s: float) -> int:
        """How many arrive before a moment of the first time through; of a minute begun all."""
        at = time_s * self._speedup + self._first_s
        if self.workload.minutes:
            return int(self._minutes[2][np.searchsorted(self._minutes[0], at)])
        return self._store.below("time_s", at)
