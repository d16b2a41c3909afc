"""Power of panels at stations: the clear sky with clouds, or what a file says."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Protocol

import numpy as np

from ..core.arrays import FloatArray
from ..core.clock import NANOSECONDS
from ..core.elementary import unit_vector
from ..core.randomness import Generators

_DAY_NS = 86_400 * NANOSECONDS
_YEAR_NS = _DAY_NS * 365 + _DAY_NS // 4
_HOUR_NS = 3600 * NANOSECONDS
_PIECE_NS = 60 * NANOSECONDS
"""The sun is looked at in the middle of pieces of a slot that are no longer."""

_OBLIQUITY = 23.44
_MICRODEGREES = 10**6


class Sun(Protocol):
    """What panels give without clouds."""

    def mean_w(self, start_ns: int, length_ns: int) -> float:
        """The mean power over an interval."""


@dataclass(frozen=True)
class ClearSky:
    """peak times the sine of the sun's elevation, where it is above the horizon.

    sin(elevation) = sin(latitude) sin(d) + cos(latitude) cos(d) cos(hour angle), with
    sin(d) = -sin(23.44 degrees) cos(2 pi (t + 10 days) / 365.25 days), t from the beginning of the year:
    the sun on a circular orbit, solstice ten days before the year ends.

    Attributes:
        peak_w: with the sun overhead.
        latitude: degrees, north positive.
        start: of the run, by the sun.
    """

    peak_w: float
    latitude: float
    start: datetime

    def mean_w(self, start_ns: int, length_ns: int) -> float:
        """The mean power over an interval, looked at once a minute or more often."""
        pieces = -(-length_ns // _PIECE_NS)
        first_ns = (
            (self.start - datetime(self.start.year, 1, 1)) // timedelta(microseconds=1) * 1000
        )
        total = 0.0
        for piece in range(pieces):
            now_ns = first_ns + start_ns + (2 * piece + 1) * length_ns // (2 * pieces)
            total += max(self._sine(now_ns), 0.0)
        return self.peak_w * total / pieces

    def _sine(self, year_ns: int) -> float:
        """Of the sun's elevation, so long after a year began."""
        cos_latitude, sin_latitude = _of_degrees(self.latitude)
        sin_tilt = _of_degrees(_OBLIQUITY)[1]
        sin_sun = -sin_tilt * unit_vector((year_ns + 10 * _DAY_NS) % _YEAR_NS, _YEAR_NS)[0]
        cos_sun = float(np.sqrt(1.0 - sin_sun * sin_sun))
        # Counted from midnight, so with the other sign than from noon.
        cos_hour = -unit_vector(year_ns % _DAY_NS, _DAY_NS)[0]
        return sin_latitude * sin_sun + cos_latitude * cos_sun * cos_hour


def _of_degrees(angle: float) -> tuple[float, float]:
    """Cosine and sine."""
    turn = 360 * _MICRODEGREES
    return unit_vector(round(angle * _MICRODEGREES) % turn, turn)


class PowerSeries:
    """A step function of time, as from a file.

    Args:
        time_s: (K,) ascending, from the start of the run; each value holds up to the next time.
        power_w: (K,); the last is not used.
    """

    def __init__(self, time_s: FloatArray, power_w: FloatArray) -> None:
        self._time_s = time_s
        self._energy_j = np.concatenate([[0.0], np.cumsum(power_w[:-1] * np.diff(time_s))])

    def mean_w(self, start_ns: int, length_ns: int) -> float:
        """The mean power over an interval."""
        ends_s = np.array([start_ns, start_ns + length_ns]) / NANOSECONDS
        begin_j, end_j = np.interp(ends_s, self._time_s, self._energy_j)
        return max(float((end_j - begin_j) / (ends_s[1] - ends_s[0])), 0.0)


class Panels:
    """Panels at stations.

    Each hour, or slot where that is longer, clouds take another share, uniform on [0, 2 clouds].

    Args:
        suns: of each station; None where there are no panels.
        clouds: (B,) mean share that they take.
        slot_ns: tau.
        rngs: of each station, its stream, one generator per replication.
    """

    remembers: ClassVar[tuple[str, ...]] = ("_left", "_hour", "_rngs")

    def __init__(
        self,
        suns: Sequence[Sun | None],
        clouds: FloatArray,
        slot_ns: int,
        rngs: Sequence[Generators],
    ) -> None:
        self._suns, self._clouds, self._slot_ns, self._rngs = suns, clouds, slot_ns, rngs
        self._left = np.ones((len(rngs[0]), len(suns)))
        self._hour = -1

    def energy_j(self, start_ns: int) -> FloatArray:
        """(R, B) of the slot that begins then; to be asked once for each slot, in their order."""
        if (hour := start_ns // _HOUR_NS) != self._hour:
            self._hour = hour
            taken = [[rng.random() for rng in station] for station in self._rngs]
            self._left = 1.0 - 2.0 * self._clouds * np.transpose(taken)
        of_sun = {
            id(sun): sun.mean_w(start_ns, self._slot_ns) for sun in self._suns if sun is not None
        }
        mean_w = np.array([of_sun.get(id(sun), 0.0) for sun in self._suns])
        return np.asarray(mean_w * self._left * (self._slot_ns / NANOSECONDS))
