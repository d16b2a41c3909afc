"""Arrivals as recorded: requests of a CSV file."""

import csv
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from ...scenarios.data.records import UNREADABLE, open_text
from ...scenarios.units import Bits, Positive
from ..core.arrays import FloatArray, IntArray
from ..core.compiled import compiled
from ..core.randomness import Generators
from .arrivals import PointProcess, Points, require_positive


@dataclass
class Replay(PointProcess):
    """Recorded requests from a CSV file with a header; each goes to a device chosen at random.

    The first request arrives at time zero. The chosen devices differ between replications, times
    and sizes do not. Requests of no bits are left out.

    Args:
        file: the CSV file.
        time_column: its column of times, either in seconds or as dates like
            "2023-11-16 18:17:03.98".
        bits: by column, how many bits one unit of it stands for; a request's size is the sum.
        speedup: how many times faster than recorded the requests arrive.
        repeat: begin again after the last request, and the mean time between two.

    Raises:
        ValueError: the file lacks a column, a request or a readable value, or `speedup` is not
            positive; names the file, and the line and column of the value.
        OSError: the file cannot be read.
    """

    remembers: ClassVar[tuple[str, ...]] = (*PointProcess.remembers, "_next")

    file: Path
    time_column: str
    bits: dict[str, Bits]
    speedup: Positive = 1.0
    repeat: bool = True

    def __post_init__(self) -> None:
        require_positive("speedup", self.speedup)
        time_s, self._request_bits = _read_requests(Path(self.file), self.time_column, self.bits)
        self._time_s = (time_s - time_s[0]) / self.speedup
        last_s = self._time_s[-1]
        if self.repeat and not last_s > 0.0:
            raise ValueError(f"{self.file}: cannot repeat, all requests have the same time")
        self._period_s = last_s + last_s / (time_s.size - 1) if self.repeat else np.inf

    def start(self, devices: int, slot_s: float, rngs_of: Callable[[str], Generators]) -> None:
        """Begin a run; see `Arrivals`."""
        super().start(devices, slot_s, rngs_of)
        self._next = np.zeros((len(self.rngs), 2), np.int64)

    def check_state(self) -> None:
        """The next request is one of the file's, and not long past."""
        super().check_state()
        cycle, row = self._next.T
        if not ((cycle >= 0) & (row >= 0) & (row <= self._time_s.size)).all():
            raise ValueError("a request that there is not")
        row = np.minimum(row, self._time_s.size - 1)
        due = self._time_s[row] + (cycle * self._period_s if self.repeat else 0.0)
        ended = self._next[:, 1] == self._time_s.size
        if not (ended | (due / self.slot_s >= self._first + len(self._starts) - 2)).all():
            raise ValueError("a request that is long past")

    def draw(self, replication: int, rng: np.random.Generator, first: int, slots: int) -> Points:
        """The tasks of some slots; see `PointProcess`."""
        slot, phase, request = _replayed(
            self._time_s / self.slot_s,
            self._period_s / self.slot_s,
            self._next[replication],
            first,
            slots,
        )
        device = rng.integers(self.devices, size=slot.size)
        return Points(slot, phase, device, self._request_bits[request])


@compiled
def _replayed(
    time: FloatArray, period: float, following: IntArray, first: int, slots: int
) -> tuple[IntArray, FloatArray, IntArray]:
    """Slot, phase and row of the requests in some slots; times in slots.

    `following` is the next request: how many times the file has been gone through, and its row.
    """
    cycle, row = following
    slot = np.empty(64, np.int64)
    phase = np.empty(64)
    request = np.empty(64, np.int64)
    count = 0
    while row < time.size:
        # 0 * inf, where the file is not repeated, would not be a number.
        at = time[row] + cycle * period if cycle > 0 else time[row]
        if at >= first + slots:
            break
        if count == slot.size:
            slot = np.concatenate((slot, np.empty_like(slot)))
            phase = np.concatenate((phase, np.empty_like(phase)))
            request = np.concatenate((request, np.empty_like(request)))
        slot[count] = int(at) - first
        phase[count] = at - int(at)
        request[count] = row
        count += 1
        row += 1
        if row == time.size and period < np.inf:
            cycle, row = cycle + 1, 0
    following[0], following[1] = cycle, row
    return slot[:count], phase[:count], request[:count]


def _read_requests(
    file: Path, time_column: str, bits: dict[str, float]
) -> tuple[FloatArray, FloatArray]:
    """Times in seconds, ascending, and sizes in bits, of all requests that have any."""
    try:
        return _requests(file, time_column, bits)
    except (*UNREADABLE, OverflowError) as error:
        raise ValueError(f"{file}: {error}") from None


def _requests(
    file: Path, time_column: str, bits: dict[str, float]
) -> tuple[FloatArray, FloatArray]:
    times, sizes = [], []
    with open_text(file) as lines:
        reader = csv.DictReader(lines)
        for column in (time_column, *bits):
            if column not in (reader.fieldnames or ()):
                raise ValueError(
                    f"{file}: no column {column!r}; it has {', '.join(reader.fieldnames or ())}"
                )
        for row in reader:
            line = f"{file}, line {reader.line_num}"
            times.append(_seconds(row[time_column], f"{line}, column {time_column}"))
            sizes.append(
                sum(
                    factor * _amount(row[column], f"{line}, column {column}")
                    for column, factor in bits.items()
                )
            )
    time_s, request_bits = np.array(times), np.array(sizes, dtype=float)
    order = np.argsort(time_s, kind="stable")
    order = order[request_bits[order] > 0.0]
    if order.size == 0:
        raise ValueError(f"{file}: no request that has any bits")
    return time_s[order], request_bits[order]


def _seconds(text: str | None, where: str) -> float:
    """A time in seconds, or a date, from whatever origin."""
    try:
        seconds = float(text or "")
    except ValueError:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # numpy would leave out a time zone
                date = np.datetime64((text or "").strip().removesuffix("Z"), "ns")
            seconds = float((date - _EPOCH) / np.timedelta64(1, "s"))
        except (ValueError, UserWarning, DeprecationWarning):
            seconds = np.nan
    if not np.isfinite(seconds):
        raise ValueError(f"{where}: {text!r} is neither a number of seconds nor a date")
    return seconds


def _amount(text: str | None, where: str) -> float:
    try:
        amount = float(text or "")
    except ValueError:
        amount = np.nan
    if not 0.0 <= amount < np.inf:
        raise ValueError(f"{where}: {text!r} is not a number that is finite and not negative")
    return amount


_EPOCH = np.datetime64("2000-01-01", "ns")
