"""Predictors: what the twin makes of its last reports until the next one comes.

Each learns from the rows that were newly reported, and moves the rows it is given from the time at
which they were true to the present.
"""

from typing import ClassVar, Protocol

import numpy as np

from ..core.arrays import BoolArray, FloatArray
from ..network.network import Network
from ..state import Columns

HISTORY = 16
"""Reports of a device's position that are kept."""

NEIGHBOURS = 3
"""k of the k-nearest-neighbours location predictor."""


class Predictor(Protocol):
    """Fills the time since the last update."""

    def learn(self, columns: Columns, stamp_s: FloatArray, new: BoolArray) -> None:
        """Take in the rows (R, N) that are new; `stamp_s` (R, N) is when each was true."""

    def predict(self, columns: Columns, stamp_s: FloatArray, now_s: float) -> Columns:
        """The (R, N, …) columns with this predictor's own replaced by what they should be by now.

        `stamp_s` (R, N) is when each row was true.
        """


class RunningMean:
    """The mean of a column over all reports so far, one per device."""

    remembers: ClassVar[tuple[str, ...]] = ("count", "mean")
    grows: ClassVar[tuple[str, ...]] = remembers

    def __init__(self) -> None:
        self.count: FloatArray | None = None
        self.mean: FloatArray = np.zeros(0)

    def learn(self, values: FloatArray, new: BoolArray) -> None:
        """Add the new rows of `values` (R, N)."""
        if self.count is None:
            self.count, self.mean = np.zeros(values.shape), np.zeros(values.shape)
        self.count = self.count + new
        step = (values - self.mean) / np.maximum(self.count, 1.0)
        self.mean = np.where(new, self.mean + step, self.mean)


class ArrivalPredictor:
    """Queues go on as A(5) with each device's running mean of arrivals and departures."""

    remembers: ClassVar[tuple[str, ...]] = ("_arrived", "_departed")

    def __init__(self, network: Network) -> None:
        self._slot_s = network.slot_s
        self._arrived = RunningMean()
        self._departed = RunningMean()

    def learn(self, columns: Columns, stamp_s: FloatArray, new: BoolArray) -> None:
        """Add the reported (R, N) arrivals and departures, bit, to their means.

        What is known at time zero is of no slot.
        """
        new = new & (stamp_s > 0.0)
        self._arrived.learn(columns["arrived_bits"], new)
        self._departed.learn(columns["departed_bits"], new)

    def predict(self, columns: Columns, stamp_s: FloatArray, now_s: float) -> Columns:
        """Queue and arrivals by now, (R, N) bit."""
        age = now_s - stamp_s
        slots = age / self._slot_s
        queue = np.maximum(columns["queue_bits"] - self._departed.mean * slots, 0.0)
        queue = queue + self._arrived.mean * slots
        arrived = np.where(age > 0.0, self._arrived.mean, columns["arrived_bits"])
        return columns | {"queue_bits": queue, "arrived_bits": arrived}


class LocationPredictor:
    """k nearest neighbours: where the device went next when it last was near where it is now.

    Neighbours are the k earlier reported positions of the same device that are nearest to its last
    one; the mean of the velocities with which it left them carries it on. The channel gain moves
    with the distance, by the path-loss law; the fading is kept.

    Args:
        path_gain: (R, N, 2) positions -> (R, N, B) mean power gains.
        area_m: (2,) devices do not leave it.
    """

    remembers: ClassVar[tuple[str, ...]] = ("_position", "_time")
    grows: ClassVar[tuple[str, ...]] = remembers

    def __init__(self, path_gain: "PathGain", area_m: FloatArray) -> None:
        self._path_gain = path_gain
        self._area_m = area_m
        self._position: FloatArray | None = None
        self._time = np.zeros(0)

    def learn(self, columns: Columns, stamp_s: FloatArray, new: BoolArray) -> None:
        """Append the new (R, N, 2) positions, m, to their devices' histories, the newest last."""
        position = columns["position_m"]
        if self._position is None:
            self._position = np.repeat(position[:, :, None, :], HISTORY, axis=2)
            self._time = np.repeat(stamp_s[:, :, None], HISTORY, axis=2)
            return
        grown = np.concatenate([self._position[:, :, 1:], position[:, :, None, :]], axis=2)
        times = np.concatenate([self._time[:, :, 1:], stamp_s[:, :, None]], axis=2)
        self._position = np.where(new[:, :, None, None], grown, self._position)
        self._time = np.where(new[:, :, None], times, self._time)

    def predict(self, columns: Columns, stamp_s: FloatArray, now_s: float) -> Columns:
        """Position, (R, N, 2) m, and channel gain, (R, N, B), by now."""
        age = (now_s - stamp_s)[:, :, None]
        if self._position is None or not age.any():
            return columns
        last = columns["position_m"]
        left = self._position[:, :, :-1]
        elapsed = np.diff(self._time, axis=2)
        velocity = (
            np.diff(self._position, axis=2) / np.where(elapsed > 0.0, elapsed, 1.0)[..., None]
        )
        distance = np.linalg.norm(left - last[:, :, None, :], axis=3)
        distance[elapsed <= 0.0] = np.inf
        nearest = np.argsort(distance, axis=2, kind="stable")[:, :, :NEIGHBOURS]
        known = np.isfinite(np.take_along_axis(distance, nearest, axis=2))[..., None]
        steps = np.take_along_axis(velocity, nearest[..., None], axis=2) * known
        mean = steps.sum(axis=2) / np.maximum(known.sum(axis=2), 1)
        position = np.clip(last + mean * age, 0.0, self._area_m)
        moved = self._path_gain(position) / self._path_gain(last)
        return columns | {"position_m": position, "channel_gain": columns["channel_gain"] * moved}


class EnergyPredictor:
    """The battery goes on at its mean net rate, between empty and full, and limits p_max."""

    remembers: ClassVar[tuple[str, ...]] = ("_rate_w", "_before")

    def __init__(self, network: Network, capacity_j: float) -> None:
        self._network = network
        self._capacity_j = capacity_j
        self._rate_w = RunningMean()
        self._before: tuple[FloatArray, FloatArray] | None = None

    def learn(self, columns: Columns, stamp_s: FloatArray, new: BoolArray) -> None:
        """Add the mean net power between a device's last two reports, (R, N) W."""
        battery = columns["battery_j"]
        if self._before is None:
            self._before = battery, stamp_s
            return
        charge, since = self._before
        elapsed = stamp_s - since
        moved = new & (elapsed > 0.0)
        gained = np.where(moved, battery, 0.0) - np.where(moved, charge, 0.0)
        self._rate_w.learn(gained / np.where(moved, elapsed, 1.0), moved)
        self._before = np.where(new, battery, charge), np.where(new, stamp_s, since)

    def predict(self, columns: Columns, stamp_s: FloatArray, now_s: float) -> Columns:
        """Charge, J, and p_max, W, by now, (R, N)."""
        if self._rate_w.count is None:
            return columns
        charge = columns["battery_j"] + self._rate_w.mean * (now_s - stamp_s)
        charge = np.clip(charge, 0.0, self._capacity_j)
        limit = np.minimum(self._network.device_power_max_w, charge / self._network.slot_s)
        return columns | {"battery_j": charge, "power_max_w": limit}


class PathGain(Protocol):
    """The path-loss law of the network, from positions."""

    def __call__(self, position_m: FloatArray) -> FloatArray:
        """(R, N, 2) metres -> (R, N, B) mean power gains."""
