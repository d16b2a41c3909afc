"""How devices move."""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from ...scenarios.units import PositiveMetresPerSecond, Seconds
from ..core.arrays import BoolArray, FloatArray
from ..core.assignment import copy_vector
from ..core.compiled import compiled
from ..core.elementary import log, power
from ..core.randomness import Generators

MOBILITY = {
    "static": f"{__package__}.mobility:Static",
    "random-waypoint": f"{__package__}.mobility:RandomWaypoint",
    "trace": f"{__package__}.trace_mobility:TraceMobility",
}
"""Mobility models by the name that a scenario gives."""


class Mobility(Protocol):
    """Moves all devices of all replications at once.

    A model's constructor keywords are its keys of the scenario's [mobility] section. All that it
    knows between two calls lies in its attributes, as numbers, text, arrays and generators, so that it
    can be saved (core/saved_state.py).

    It may have a further attribute, `present`: see `present_of`.

    Attributes:
        moves: False if positions never change, and nothing that follows from them need be redone.
    """

    moves: ClassVar[bool]

    def start(
        self,
        position_m: FloatArray,
        area_m: FloatArray,
        rngs_of: Callable[[str], Generators],
        placed: bool,
    ) -> FloatArray:
        """Begin a run.

        Args:
            position_m: (R, N, 2) where the devices are put, in [0, width] x [0, height].
            area_m: (2,) width and height.
            rngs_of: the random streams of a name, one generator per replication.
            placed: True if the scenario gives the positions; False if they are uniform draws, which
                a model may replace by draws from its own stationary law.

        Returns:
            (R, N, 2) m, where the devices are at time zero, in the area.
        """

    def advance(self, position_m: FloatArray, dt_s: float) -> FloatArray:
        """(R, N, 2) m, where the devices are `dt_s` seconds later, in the area, in a new array."""


def present_of(mobility: Mobility) -> BoolArray | None:
    """(R, N) which devices are in the network, of a model whose devices come and go; else None.

    It is true of the moment of the positions that `start` or `advance` answered last. Of a device that
    is not there the position means nothing, but lies in the area.
    """
    present: BoolArray | None = getattr(mobility, "present", None)
    return present


@dataclass
class Static:
    """Devices stay where they are put."""

    moves: ClassVar[bool] = False

    def start(
        self,
        position_m: FloatArray,
        area_m: FloatArray,
        rngs_of: Callable[[str], Generators],
        placed: bool,
    ) -> FloatArray:
        """Begin a run; see `Mobility`."""
        return position_m

    def advance(self, position_m: FloatArray, dt_s: float) -> FloatArray:
        """(R, N, 2) the same positions."""
        return position_m


@dataclass
class RandomWaypoint:
    """Random waypoint: walk straight to a uniform point at a uniform speed, pause, and so on.

    Exact in continuous time: a device that reaches its waypoint within a step spends the rest of
    the step on what comes next, so its path does not depend on the steps in which it is followed
    (beyond rounding). Each device has a random generator of its own, seeded from the stream
    "mobility".

    A run begins in the stationary regime (Navidi and Camp, 2004, perfect simulation): there is no
    warm-up in which devices drift to the centre and slow down. Devices that a scenario places
    begin there instead, paused or walking with the stationary probability and speed, but with a
    fresh waypoint; their positions take a few legs to forget the start.

    Args:
        speed: the least and the largest speed, m/s; the least must be positive, because the mean
            speed would otherwise fall towards zero for ever.
        pause: at each waypoint, s.

    Raises:
        ValueError: if the speeds are not 0 < least <= largest.
    """

    moves: ClassVar[bool] = True
    remembers: ClassVar[tuple[str, ...]] = ("_generator", "_waypoint_m", "_velocity_mps", "_left_s")

    speed: tuple[PositiveMetresPerSecond, PositiveMetresPerSecond] = (0.5, 2.0)
    pause: Seconds = 0.0

    def __post_init__(self) -> None:
        least, largest = self.speed
        if not 0.0 < least <= largest:
            raise ValueError(f"speed: from {least} to {largest} m/s; allowed: 0 < least <= largest")

    def start(
        self,
        position_m: FloatArray,
        area_m: FloatArray,
        rngs_of: Callable[[str], Generators],
        placed: bool,
    ) -> FloatArray:
        """Begin a run; see `Mobility`."""
        replications, devices, _ = position_m.shape
        self._area_m = area_m
        self._generator = np.array(
            [
                rng.integers(2**64, size=devices, dtype=np.uint64, endpoint=False)
                for rng in rngs_of("mobility")
            ]
        )
        self._waypoint_m = np.empty((replications, devices, 2))
        self._velocity_mps = np.empty((replications, devices, 2))
        self._left_s = np.empty((replications, devices))
        return _start(
            position_m,
            self._waypoint_m,
            self._velocity_mps,
            self._left_s,
            self._generator,
            area_m,
            self.speed,
            self.pause,
            self._pausing_share(),
            placed,
        )

    def check_state(self) -> None:
        """Legs that end within the area, and not for ever anew."""
        walks = np.isfinite(self._velocity_mps).all() and (self._left_s >= 0.0).all()
        within = ((self._waypoint_m >= 0.0) & (self._waypoint_m <= self._area_m)).all()
        if not (walks and within):
            raise ValueError("a leg that leads nowhere")

    def advance(self, position_m: FloatArray, dt_s: float) -> FloatArray:
        """(R, N, 2) m, where the devices are `dt_s` seconds later, in a new array."""
        return _advance(
            position_m,
            self._waypoint_m,
            self._velocity_mps,
            self._left_s,
            self._generator,
            self._area_m,
            self.speed,
            self.pause,
            dt_s,
        )

    def _pausing_share(self) -> float:
        """Of all time, the share that a device pauses: E[pause] / (E[pause] + E[L] E[1/v])."""
        least, largest = self.speed
        pace = 1.0 / least
        if largest > least:
            pace = log(largest / least) / (largest - least)
        walk_s = mean_distance_m(*self._area_m) * pace
        return self.pause / (self.pause + walk_s)


def mean_distance_m(width_m: float, height_m: float) -> float:
    """Mean distance of two uniform points in a rectangle (Ghosh, 1951)."""
    a, b = width_m, height_m
    a2, b2 = a * a, b * b
    d = sqrt(a2 + b2)
    cubes = a * a2 / b2 + b * b2 / a2 + d * (3.0 - a2 / b2 - b2 / a2)
    return (cubes + 2.5 * (b2 / a * log((a + d) / b) + a2 / b * log((b + d) / a))) / 15.0


UnsignedArray = NDArray[np.uint64]


@compiled
def _uniform(generator: UnsignedArray, r: int, i: int) -> float:
    """The next number in [0, 1) of a device's generator, SplitMix64 (Steele et al., 2014)."""
    generator[r, i] += np.uint64(0x9E3779B97F4A7C15)
    z = generator[r, i]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return float(z >> np.uint64(11)) * 2.0**-53


@compiled
def _set_out(
    from_m: FloatArray,
    waypoint_m: FloatArray,
    velocity_mps: FloatArray,
    speed_mps: float,
) -> float:
    """Turn a device at `from_m` towards its waypoint; returns how long it will take, s."""
    dx, dy = waypoint_m[0] - from_m[0], waypoint_m[1] - from_m[1]
    length_m = np.sqrt(dx * dx + dy * dy)
    if length_m == 0.0:
        velocity_mps[:] = 0.0
        return 0.0
    velocity_mps[0] = dx / length_m * speed_mps
    velocity_mps[1] = dy / length_m * speed_mps
    return float(length_m / speed_mps)


@compiled
def _start(
    position_m: FloatArray,
    waypoint_m: FloatArray,
    velocity_mps: FloatArray,
    left_s: FloatArray,
    generator: UnsignedArray,
    area_m: FloatArray,
    speed_mps: tuple[float, float],
    pause_s: float,
    pausing_share: float,
    placed: bool,
) -> FloatArray:
    """Draw each device's place, phase, waypoint and speed from their stationary law."""
    position_m = position_m.copy()
    replications, devices, _ = position_m.shape
    diagonal_m = np.sqrt(area_m[0] * area_m[0] + area_m[1] * area_m[1])
    for r in range(replications):
        for i in range(devices):
            position, waypoint = position_m[r, i], waypoint_m[r, i]
            if _uniform(generator, r, i) < pausing_share:
                # The place where it arrived is as good as uniform; what is left of the pause, too.
                if not placed:
                    position[0] = area_m[0] * _uniform(generator, r, i)
                    position[1] = area_m[1] * _uniform(generator, r, i)
                copy_vector(waypoint, position)
                velocity_mps[r, i] = 0.0
                left_s[r, i] = pause_s * _uniform(generator, r, i)
                continue
            waypoint[0] = area_m[0] * _uniform(generator, r, i)
            waypoint[1] = area_m[1] * _uniform(generator, r, i)
            if not placed:
                # A leg is under way at a random time with a probability that is proportional to
                # its length, and the device is anywhere on it.
                while True:
                    origin_x = area_m[0] * _uniform(generator, r, i)
                    origin_y = area_m[1] * _uniform(generator, r, i)
                    dx, dy = waypoint[0] - origin_x, waypoint[1] - origin_y
                    if _uniform(generator, r, i) * diagonal_m < np.sqrt(dx * dx + dy * dy):
                        break
                    waypoint[0] = area_m[0] * _uniform(generator, r, i)
                    waypoint[1] = area_m[1] * _uniform(generator, r, i)
                done = _uniform(generator, r, i)
                position[0] = origin_x + done * dx
                position[1] = origin_y + done * dy
            # Slow legs take longer: the speed's density at a random time goes as 1 / v.
            ratio = speed_mps[1] / speed_mps[0]
            now_mps = speed_mps[0] * power(ratio, _uniform(generator, r, i))
            left_s[r, i] = _set_out(position, waypoint, velocity_mps[r, i], now_mps)
    return position_m


@compiled
def _advance(
    position_m: FloatArray,
    waypoint_m: FloatArray,
    velocity_mps: FloatArray,
    left_s: FloatArray,
    generator: UnsignedArray,
    area_m: FloatArray,
    speed_mps: tuple[float, float],
    pause_s: float,
    dt_s: float,
) -> FloatArray:
    """Walk and pause for `dt_s`; a leg's last moment puts the device exactly on its waypoint."""
    position_m = position_m.copy()
    replications, devices, _ = position_m.shape
    for r in range(replications):
        for i in range(devices):
            position, waypoint, velocity = position_m[r, i], waypoint_m[r, i], velocity_mps[r, i]
            rest_s = dt_s
            while left_s[r, i] <= rest_s:
                rest_s -= left_s[r, i]
                walked = velocity[0] != 0.0 or velocity[1] != 0.0
                copy_vector(position, waypoint)
                if walked and pause_s > 0.0:
                    velocity[:] = 0.0
                    left_s[r, i] = pause_s
                else:
                    waypoint[0] = area_m[0] * _uniform(generator, r, i)
                    waypoint[1] = area_m[1] * _uniform(generator, r, i)
                    slack = speed_mps[1] - speed_mps[0]
                    next_mps = speed_mps[0] + slack * _uniform(generator, r, i)
                    left_s[r, i] = _set_out(position, waypoint, velocity, next_mps)
            left_s[r, i] -= rest_s
            position[0] += velocity[0] * rest_s
            position[1] += velocity[1] * rest_s
    return position_m
