"""Carbon intensity of the electricity at each station, over time."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core.arrays import FloatArray
from ..core.clock import NANOSECONDS

JOULES_PER_KWH = 3.6e6
"""1 / eta of C(9)."""

LEAST_G_PER_J = 1e-3 / JOULES_PER_KWH
"""Of a decision: below 1 mg/kWh a joule is as dear as at 1 mg/kWh, so that none is for nothing."""


@dataclass(frozen=True)
class Series:
    """A step function of simulated time.

    Attributes:
        time_s: (K,) ascending; each value holds from its time to the next. The first is at or before
            the run's start, at time zero.
        g_per_j: (K,) grams of CO2 per joule.
    """

    time_s: FloatArray
    g_per_j: FloatArray

    @classmethod
    def constant(cls, g_per_j: float) -> "Series":
        """The same value for ever."""
        return cls(np.zeros(1), np.full(1, g_per_j))


class CarbonIntensity:
    """C_IE of C(9), one series per station.

    Args:
        series: B of them.
    """

    def __init__(self, series: Sequence[Series]) -> None:
        self._series = list({id(one): one for one in series}.values())
        places = {id(one): place for place, one in enumerate(self._series)}
        self._place = np.array([places[id(one)] for one in series], np.int64)
        self._times_ns = [
            np.round(one.time_s * NANOSECONDS).astype(np.int64) for one in self._series
        ]
        changes = np.unique(np.concatenate([one.time_s for one in self._series]))
        self._changes_ns = np.round(changes * NANOSECONDS).astype(np.int64).tolist()

    @property
    def size(self) -> int:
        """B."""
        return len(self._place)

    def at(self, now_ns: int) -> FloatArray:
        """(B,) grams per joule, now."""
        values = np.empty(len(self._series))
        for place, (one, times_ns) in enumerate(zip(self._series, self._times_ns, strict=True)):
            step = max(int(np.searchsorted(times_ns, now_ns, side="right")) - 1, 0)
            values[place] = one.g_per_j[step]
        return values[self._place]

    def mean(self, start_ns: int, end_ns: int) -> FloatArray:
        """(B,) grams per joule, the time-weighted mean over an interval of positive length."""
        total, now_ns = np.zeros(self.size), start_ns
        while now_ns < end_ns:
            change_ns = self.next_change_ns(now_ns)
            until_ns = end_ns if change_ns is None else min(change_ns, end_ns)
            total += self.at(now_ns) * (until_ns - now_ns)
            now_ns = until_ns
        return np.asarray(total / (end_ns - start_ns))

    def next_change_ns(self, now_ns: int) -> int | None:
        """When some station's value changes next; None if never."""
        step = bisect_right(self._changes_ns, now_ns)
        return self._changes_ns[step] if step < len(self._changes_ns) else None
