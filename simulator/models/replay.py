"""Arrivals as recorded: requests of a file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Discriminator, Tag

from ...scenarios.base import form
from ...scenarios.data.workloads import Workload, read_workload
from ...scenarios.units import Bits, Positive, PositiveBits
from ...scenarios.workload_section import TimeUnit, WorkloadReading
from ..core.arrays import FloatArray, IntArray
from ..core.randomness import Generators
from .arrivals import PointProcess, Points, require_positive
from .requests import Requests

SizesOfRequests = Annotated[
    Annotated[PositiveBits, Tag("<value>")] | Annotated[dict[str, Bits], Tag("<table>")],
    Discriminator(form),
]
MoreIds = Literal["refuse", "wrap"]
"""What happens if there are more ids than devices."""

MOST_IN_A_SLOT = 1_000_000
"""Requests in the mean; more come of a unit mistaken."""

FEW = 1 / 20
"""A run that uses less of its file than this has it said."""


@dataclass
class Replay(PointProcess):
    """Recorded requests of a file: CSV, SWF or Parquet, of any length (docs/data.md).

    The first request arrives at time zero. Each goes to a device chosen at random, unless the file has a
    column of devices. The chosen devices differ between replications, times and sizes do not; where the
    file counts requests by the minute, they are spread over it at random, and times do, too. Requests of
    no bits are left out.

    Args:
        file: CSV (commas, semicolons or tabs), .swf, each also .gz, or .parquet.
        bits: by column, how many bits one unit of it stands for; a request's size is the sum. Or the size
            of every request.
        time_column: its column of times; found, where the file is of a known format or has only one.
        time_unit: of times that are numbers; found from a known format, or from numbers since 1970.
        time_zone: of dates without one, for the hours when clocks change: "Europe/London".
        duration_column: the times are those of ends, and requests arrived by so much earlier; in the
            unit of times that are numbers, else seconds.
        device_column: whose a request is: each id is a device, in the order in which they appear in the
            file.
        more_ids: than devices: a mistake, or the next device is the first again.
        cycles_column: only in the problem worst-case-emission; here it is `cycles_per_bit` for all.
        deadline_column: seconds from arrival to completion; where it is unknown, `deadline` holds.
        unknown: what stands for unknown: requests without time or size are left out, and counted; as a
            known format has it if not given, else nothing does.
        speedup: how many times faster than recorded the requests arrive.
        repeat: begin again after the last request, and the mean time between two.

    Raises:
        ValueError: the file lacks a column, a request or a readable value, or `speedup` is not
            positive, or `cycles_column` is given; names the file, and the row and column of the value.
        OSError: there is no room for what is read, in the folder that TMPDIR names.
    """

    remembers: ClassVar[tuple[str, ...]] = (*PointProcess.remembers, "_next", "_seeds")

    file: Path
    bits: SizesOfRequests
    time_column: str | None = None
    time_unit: TimeUnit | None = None
    time_zone: str | None = None
    duration_column: str | None = None
    device_column: str | None = None
    more_ids: MoreIds = "refuse"
    cycles_column: str | None = None
    deadline_column: str | None = None
    unknown: list[str] | None = None
    speedup: Positive = 1.0
    repeat: bool = True

    def __post_init__(self) -> None:
        require_positive("speedup", self.speedup)
        if self.cycles_column is not None:
            what = "cycles_column: in the problem drift-plus-penalty a bit takes the same cycles in all"
            raise ValueError(
                f'{what}; allowed: `tasks.cycles_per_bit`, or problem "worst-case-emission"'
            )
        self.requests = Requests(_read(self), self.speedup)
        last_s = self.requests.last_s
        if self.repeat and not last_s > 0.0:
            raise ValueError(f"{self.file}: cannot repeat, all requests have the same time")
        self._period_s = last_s if self.requests.workload.minutes else _period(self.requests)
        if not self.repeat:
            self._period_s = np.inf

    def check(self, devices: int, slot_s: float) -> None:
        """Refuse a file that does not go with a run.

        Raises:
            ValueError: it has more ids than devices, or more requests than anybody waits for.
        """
        if self.more_ids == "refuse":
            _check_ids(self.requests.workload, devices)
        if self.requests.count / self._period_s * slot_s > MOST_IN_A_SLOT:
            what = f"{self.file}: {self.requests.count:,} requests in {self._period_s:.3g} s"
            raise ValueError(
                f"{what}; allowed: at most {MOST_IN_A_SLOT:,} in a slot of {slot_s:g} s"
            )

    def notes(self, devices: int, run_s: float) -> list[str]:
        """What a user should know of a run with this file, a line each."""
        return notes(self.requests, self.requests.before(run_s), run_s)

    def start(self, devices: int, slot_s: float, rngs_of: Callable[[str], Generators]) -> None:
        """Begin a run; see `Arrivals`."""
        super().start(devices, slot_s, rngs_of)
        self.check(devices, slot_s)
        self._next = np.zeros((len(self.rngs), 2), np.int64)
        self._seeds = np.zeros(len(self.rngs), np.int64)
        if self.requests.workload.minutes:
            self._seeds = np.array([rng.integers(1 << 62) for rng in self.rngs])

    def check_state(self) -> None:
        """The next request is one of the file's, and not long past."""
        super().check_state()
        if self._next.shape != (len(self.rngs), 2) or self._seeds.shape != (len(self.rngs),):
            raise ValueError("a request of another replication")
        cycle, request = self._next.T
        count = self.requests.count
        if not ((cycle >= 0) & (request >= 0) & (request <= count) & (self._seeds >= 0)).all():
            raise ValueError("a request that there is not")
        for (cycle, request), seed in zip(self._next.tolist(), self._seeds.tolist(), strict=True):
            if request < count:
                due = self.requests.time_s(request, cycle, seed)
                due += cycle * self._period_s if self.repeat else 0.0
                if due / self.slot_s < self._first + len(self._starts) - 2:
                    raise ValueError("a request that is long past")

    def draw(self, replication: int, rng: np.random.Generator, first: int, slots: int) -> Points:
        """The tasks of some slots; see `PointProcess`."""
        cycle, request = self._next[replication].tolist()
        seed, count = int(self._seeds[replication]), self.requests.count
        at, rows = [np.empty(0)], []
        while request < count:
            time_s, some = self.requests.window(request, cycle, seed)
            due = time_s / self.slot_s
            if cycle > 0:  # 0 * inf, where the file is not repeated, would not be a number
                due = due + cycle * (self._period_s / self.slot_s)
            taken = int(np.searchsorted(due, first + slots))
            at.append(due[:taken])
            rows.append(some[:taken])
            request += taken
            if taken < due.size:
                break
            if request == count and self.repeat:
                cycle, request = cycle + 1, 0
        self._next[replication] = cycle, request
        return self._points(rng, np.concatenate(at), rows, first)

    def _points(
        self, rng: np.random.Generator, at: FloatArray, rows: list[FloatArray], first: int
    ) -> Points:
        """Of requests that arrive at a time in slots."""

        def column(name: str) -> FloatArray:
            return np.concatenate([np.empty(0), *(some[name] for some in rows)])

        slot: IntArray = at.astype(np.int64)
        phase = at - slot
        if self.device_column is None:
            device = rng.integers(self.devices, size=slot.size)
        else:
            device = column("device").astype(np.int64) % self.devices
        deadline_s = None if self.deadline_column is None else column("deadline_s")
        return Points(slot - first, phase, device, column("bits"), deadline_s)


def _period(requests: Requests) -> float:
    """Of a file that is repeated: the mean time between two requests passes after the last."""
    return requests.last_s + requests.last_s / max(requests.count - 1, 1)


def _read(keys: "Replay") -> Workload:
    reading = WorkloadReading(
        time_column=keys.time_column,
        time_unit=keys.time_unit,
        time_zone=keys.time_zone,
        duration_column=keys.duration_column,
        device_column=keys.device_column,
        cycles_column=keys.cycles_column,
        deadline_column=keys.deadline_column,
        unknown=None if keys.unknown is None else tuple(keys.unknown),
    )
    return read_workload(Path(keys.file), reading, keys.bits)


def _check_ids(workload: Workload, devices: int) -> None:
    if len(workload.ids) > devices:
        what = f"{workload.path}: {len(workload.ids):,} ids of devices for {devices:,} devices"
        raise ValueError(f'{what}; allowed: at least as many devices, or more_ids = "wrap"')


def notes(requests: Requests, used: int, run_s: float) -> list[str]:
    """What a user should know of a run that uses some of a file's requests, a line each."""
    workload = requests.workload
    name, count = workload.path.name, requests.count
    told = []
    if used < FEW * count:
        what = f"{name}: the run uses {used:,} of {count:,} requests, {used / count:.2g} of all"
        told.append(what)
    if workload.out_of_order[0]:
        behind, first = workload.out_of_order
        told.append(
            f"{name}: {behind:,} requests stood behind a later one, the first is record {first:,}; "
            "they were put in order"
        )
    for reason, rows in workload.left_out.items():
        told.append(f"{name}: {rows:,} rows left out: {reason}")
    return told
