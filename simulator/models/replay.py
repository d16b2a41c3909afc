"""Arrivals as recorded: requests of a file."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Discriminator, Tag

from ...scenarios.base import form
from ...scenarios.data.row_store import Rows, RowStore
from ...scenarios.data.workloads import Workload, read_workload
from ...scenarios.units import Bits, Positive, PositiveBits, PositiveCycles
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
class Recorded:
    """What models of recorded requests have in common: their file is read when they are made.

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
        cycles_column: of each request's cycles.
        deadline_column: seconds from arrival to completion; where it is unknown, `deadline` holds.
        unknown: what stands for unknown: requests without time, size or cycles are left out, and counted;
            as a known format has it if not given, else nothing does.

    Raises:
        ValueError: the file lacks a column, a request or a readable value; names the file, and the row
            and column of the value.
        OSError: there is no room for what is read, in the folder that TMPDIR names.
    """

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
    workload: Workload = field(init=False, repr=False)
    not_read_by: ClassVar[dict[str, Any]] = {"bits": 1.0, "more_ids": "refuse"}

    def __post_init__(self) -> None:
        given = {key: vars(self).get(key) for key in WorkloadReading.model_fields}
        if given["unknown"] is not None:
            given["unknown"] = tuple(given["unknown"])
        self.workload = read_workload(Path(self.file), WorkloadReading(**given), self.bits)

    def check(self, devices: int, slot_s: float) -> None:
        """Refuse a file that does not go with a run.

        Raises:
            ValueError: it has more ids than devices, or more requests than anybody waits for.
        """
        ids = len(self.workload.ids)
        if ids > devices and self.more_ids == "refuse":
            what = f"{self.file}: {ids:,} ids of devices for {devices:,} devices"
            raise ValueError(f'{what}; allowed: at least as many devices, or more_ids = "wrap"')

    def notes(self, devices: int, slots: int, slot_s: float) -> list[str]:
        """What a user should know of a run with this file, a line each."""
        workload, name = self.workload, self.file.name
        used, count = self.used(devices, slots, slot_s)
        told = []
        if used < FEW * count:
            share = 100.0 * used / count
            told.append(f"{name}: the run uses {used:,} of {count:,} requests, {share:.2g} %")
        if workload.out_of_order[0]:
            behind, first = workload.out_of_order
            what = f"{behind:,} requests stand behind a later one, the first is record {first:,}"
            told.append(f"{name}: {what}; they are put in order")
        told += [
            f"{name}: {rows:,} rows left out: {reason}"
            for reason, rows in workload.left_out.items()
        ]
        return told

    def used(self, devices: int, slots: int, slot_s: float) -> tuple[int, int]:
        """How many of the file's requests a run uses, and how many there are."""
        raise NotImplementedError


@dataclass
class Replay(Recorded, PointProcess):
    """Recorded requests of a file: CSV, SWF or Parquet, of any length: "Data of your own" in the documentation.

    The first request arrives at time zero. Each goes to a device chosen at random, unless the file has a
    column of devices. The chosen devices differ between replications, times and sizes do not; where the
    file counts requests by the minute, they are spread over it at random, and times do, too. Requests of
    no bits are left out.

    Args:
        cycles_column: only in the problem worst-case-emission; here it is `cycles_per_bit` for all.
        speedup: how many times faster than recorded the requests arrive.
        repeat: begin again after the last request, and the mean time between two.

    Raises:
        ValueError: as `Recorded`, or `speedup` is not positive, or `cycles_column` is given.
    """

    remembers: ClassVar[tuple[str, ...]] = (*PointProcess.remembers, "_next", "_seeds")

    not_read_by: ClassVar[dict[str, Any]] = Recorded.not_read_by | {"speedup": 1.0, "repeat": True}

    refused: ClassVar[dict[str, tuple[str, str]]] = {
        "cycles_column": (
            "in the problem drift-plus-penalty a bit takes the same cycles in all",
            '`tasks.cycles_per_bit`, or problem "worst-case-emission"',
        )
    }

    speedup: Positive = 1.0
    repeat: bool = True

    def __post_init__(self) -> None:
        require_positive("speedup", self.speedup)
        if self.cycles_column is not None:
            what, allowed = self.refused["cycles_column"]
            raise ValueError(f"cycles_column: {what}; allowed: {allowed}")
        super().__post_init__()
        self._requests = Requests(self.workload, self.speedup)
        last_s, count = self._requests.last_s, self._requests.count
        if self.repeat and not last_s > 0.0:
            what = f"{self.file}: cannot repeat, all requests have the same time"
            raise ValueError(f"{what}; allowed: repeat = false")
        pause_s = 0.0 if self.workload.minutes else last_s / max(count - 1, 1)
        self._period_s = last_s + pause_s if self.repeat else np.inf

    def check(self, devices: int, slot_s: float) -> None:
        """Refuse a file that does not go with a run; see `Recorded`."""
        super().check(devices, slot_s)
        count = self._requests.count
        if count / self._period_s * slot_s > MOST_IN_A_SLOT:
            what = f"{self.file}: {count:,} requests in {self._period_s:.3g} s"
            allowed = f"at most {MOST_IN_A_SLOT:,} in a slot of {slot_s:g} s"
            raise ValueError(f"{what}; allowed: {allowed}")

    def used(self, devices: int, slots: int, slot_s: float) -> tuple[int, int]:
        """How many of the file's requests a run uses, and how many there are."""
        return self._requests.before(slots * slot_s), self._requests.count

    def start(self, devices: int, slot_s: float, rngs_of: Callable[[str], Generators]) -> None:
        """Begin a run; see `Arrivals`."""
        super().start(devices, slot_s, rngs_of)
        self.check(devices, slot_s)
        self._next = np.zeros((len(self.rngs), 2), np.int64)
        self._seeds = np.zeros(len(self.rngs), np.int64)
        if self.workload.minutes:
            self._seeds = np.array([rng.integers(1 << 62) for rng in self.rngs])

    def check_state(self) -> None:
        """The next request is one of the file's, and not long past."""
        super().check_state()
        if self._next.shape != (len(self.rngs), 2) or self._seeds.shape != (len(self.rngs),):
            raise ValueError("a request of another replication")
        cycle, request = self._next.T
        count = self._requests.count
        if not ((cycle >= 0) & (request >= 0) & (request <= count) & (self._seeds >= 0)).all():
            raise ValueError("a request that there is not")
        for (through, at), seed in zip(self._next.tolist(), self._seeds.tolist(), strict=True):
            if at < count:
                due = self._requests.time_s(at, through, seed)
                due += through * float(self._period_s) if self.repeat else 0.0
                if due / self.slot_s < self._first + len(self._starts) - 2:
                    raise ValueError("a request that is long past")

    def draw(self, replication: int, rng: np.random.Generator, first: int, slots: int) -> Points:
        """The tasks of some slots; see `PointProcess`."""
        cycle, request = self._next[replication].tolist()
        seed, count = int(self._seeds[replication]), self._requests.count
        at, rows = [np.empty(0)], list[Rows]()
        while request < count:
            time_s, some = self._requests.window(request, cycle, seed)
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
        self, rng: np.random.Generator, at: FloatArray, rows: list[Rows], first: int
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


@dataclass
class ReplayPerSlot(Recorded):
    """Recorded requests of a file, as for the stream problem, one for each device in each slot.

    They are taken in the order of their arrival, which is all that their times are used for, and again from
    the first after the last. The next N are dealt out at random among the N devices, unless the file has a
    column of devices: each device then has its own.

    Args:
        cycles_column: of C_m.
        cycles_per_unit: how many cycles one unit of it stands for.
    """

    remembers: ClassVar[tuple[str, ...]] = ("_rngs", "_slot")

    not_read_by: ClassVar[dict[str, Any]] = Recorded.not_read_by | {
        "cycles_column": None,
        "cycles_per_unit": 1.0,
    }

    cycles_column: str | None = field(kw_only=True)
    cycles_per_unit: PositiveCycles = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cycles_column is None:  # the rest of the file is looked at all the same
            raise ValueError("cycles_column: missing; allowed: a column of the file")

    def check(self, devices: int, slot_s: float) -> None:
        """Refuse a file that does not go with a run; see `Recorded`.

        Raises:
            ValueError: also where a device would have nothing to do.
        """
        super().check(devices, slot_s)
        if self.device_column is not None and len(self.workload.ids) < devices:
            what = f"{self.file}: {len(self.workload.ids):,} ids of devices for {devices:,} devices"
            raise ValueError(
                f"{what}; allowed: one for each device, as each has a task in each slot"
            )

    def used(self, devices: int, slots: int, slot_s: float) -> tuple[int, int]:
        """How many of the file's requests a run uses at most, and how many there are."""
        count = self.workload.requests.size
        return min(slots * devices, count), count

    def start(self, devices: int, rngs_of: Callable[[str], Generators]) -> None:
        """Begin a run of N devices."""
        self.check(devices, 1.0)
        self._rngs = rngs_of("arrivals")
        self._slot = 0
        self._order, self._starts = self.workload.requests, np.empty(0, np.int64)
        if self.device_column is not None:
            self._order = _by_device(self._order, devices)
            starts = [self._order.below("device", device) for device in range(devices + 1)]
            self._starts = np.array(starts)
        self._devices = devices

    def check_state(self) -> None:
        """A slot that there is."""
        if self._slot < 0:
            raise ValueError("a slot before the first")

    def next(self) -> tuple[FloatArray, ...]:
        """(R, N) bits, cycles and deadlines of the next slot's tasks; see `SlotTasks`."""
        if self.device_column is None:
            numbers = self._slot * self._devices + np.arange(self._devices)
            rows = self._order.take(numbers % self._order.size)
            dealt = [rows[rng.permutation(self._devices)] for rng in self._rngs]
        else:
            first = self._starts[:-1]
            rows = self._order.take(first + self._slot % np.diff(self._starts))
            dealt = [rows] * len(self._rngs)
        self._slot += 1
        tasks = np.stack(dealt)
        bits, cycles = tasks["bits"].copy(), tasks["cycles"] * self.cycles_per_unit
        return (
            (bits, cycles) if self.deadline_column is None else (bits, cycles, tasks["deadline_s"])
        )


def _by_device(requests: RowStore, devices: int) -> RowStore:
    """Requests by their device, those of each in order; of more ids than devices several share one."""
    shared = RowStore(requests.dtype)
    for rows in requests.blocks():
        mine = rows.copy()
        mine["device"] %= devices
        shared.append(mine)
    return shared.sorted("device")
