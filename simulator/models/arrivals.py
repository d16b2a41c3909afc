"""Arrival processes: when tasks arrive, at which device, and how many bits they bring."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from ...scenarios.units import (
    PerSecond,
    PositiveBits,
    PositiveCycles,
    PositivePerSecond,
    PositiveSeconds,
)
from ..core.answers import first, numbers, whole_numbers
from ..core.arrays import FloatArray, IntArray
from ..core.compiled import compiled
from ..core.errors import AnswerError
from ..core.randomness import Generators, exponential_draw, random_each, standard_exponential
from ..core.state_checks import check_used

ARRIVALS = {
    "uniform": f"{__package__}.arrivals:Uniform",
    "poisson": f"{__package__}.arrivals:Poisson",
    "mmpp": f"{__package__}.arrivals:MarkovModulatedPoisson",
    "replay": f"{__package__}.replay:Replay",
}
"""Arrival models by the name that a scenario gives."""

SLOT_TASKS = {
    "per-slot": f"{__package__}.arrivals:PerSlot",
    "replay": f"{__package__}.replay:ReplayPerSlot",
}
"""Models of one task per device and slot, C(10), by the name that a scenario gives."""

SLOTS_AT_ONCE = 256
"""Slots that are drawn together, if they hold no more than `TASKS_AT_ONCE`."""

TASKS_AT_ONCE = 2**17
"""Bounds the memory that tasks drawn ahead take, whatever their rate."""


@dataclass(slots=True)
class Tasks:
    """The tasks that arrive in one slot, sorted by replication, device and arrival.

    Attributes:
        replication: (K,)
        device: (K,)
        arrival_s: (K,) from the start of the run, within the slot.
        bits: (K,) positive.
        deadline_s: (K,) from arrival to completion, NaN where the scenario's holds; None if it holds for
            all.
    """

    replication: IntArray
    device: IntArray
    arrival_s: FloatArray
    bits: FloatArray
    deadline_s: FloatArray | None = None


class Arrivals(Protocol):
    """When and where tasks arrive. The same for every policy under one seed.

    A model's constructor keywords are its keys of the scenario's [tasks] section. All that it knows
    between two slots lies in its attributes, as numbers, text, arrays and generators, so that it can
    be saved (core/saved_state.py). Tasks of points in continuous time are most easily written as a
    subclass of `PointProcess`.
    """

    def start(self, devices: int, slot_s: float, rngs_of: Callable[[str], Generators]) -> None:
        """Begin a run.

        Args:
            devices: N.
            slot_s: tau.
            rngs_of: the random streams of a name, one generator per replication.
        """

    def slot(self, slot: int) -> Tasks:
        """The tasks of a slot. Slots are asked for in order from 0, each once."""


class SlotTasks(Protocol):
    """One task per device in each slot, C(10). A model is made and saved as `Arrivals` are."""

    def start(self, devices: int, rngs_of: Callable[[str], Generators]) -> None:
        """Begin a run of N devices."""

    def next(self) -> tuple[FloatArray, ...]:
        """(R, N) bits and cycles of the next slot's tasks, and deadlines, s, if not all the scenario's.

        A deadline that is NaN is the scenario's.
        """


@dataclass
class Uniform:
    """Paper A: at the start of each slot one task per device, of i.i.d. uniform size on (0, 2 mean].

    Args:
        mean: mean size, bits.

    Raises:
        ValueError: if `mean` is not positive.
    """

    remembers: ClassVar[tuple[str, ...]] = ("_rngs", "_bits", "_used")
    grows: ClassVar[tuple[str, ...]] = ("_bits",)

    mean: PositiveBits

    def __post_init__(self) -> None:
        require_positive("mean", self.mean)

    def check_state(self) -> None:
        """Whole slots were drawn ahead, and some of them used."""
        _, replications, devices = self._shape
        if self._bits.shape[1:] != (replications * devices,):
            raise ValueError("tasks of other devices")
        if not ((self._bits > 0.0) & np.isfinite(self._bits)).all():
            raise ValueError("a task of no bits")
        check_used(self._used, len(self._bits))

    def start(self, devices: int, slot_s: float, rngs_of: Callable[[str], Generators]) -> None:
        """Begin a run; see `Arrivals`."""
        self._slot_s = slot_s
        self._rngs = rngs_of("arrivals")
        replications = len(self._rngs)
        self._replication, self._device = np.divmod(np.arange(replications * devices), devices)
        at_once = max(min(SLOTS_AT_ONCE, TASKS_AT_ONCE // (replications * devices)), 1)
        self._shape = (at_once, replications, devices)
        self._bits, self._used = np.empty((0, replications * devices)), 0

    def slot(self, slot: int) -> Tasks:
        """The tasks of a slot; see `Arrivals`."""
        if self._used == len(self._bits):
            self._draw()
        self._used += 1
        bits, arrival_s = self._bits[self._used - 1], np.empty(self._replication.size)
        arrival_s.fill(slot * self._slot_s)  # np.full takes four times as long
        return Tasks(self._replication, self._device, arrival_s, bits)

    def _draw(self) -> None:
        slots, _, devices = self._shape
        bits = np.empty(self._shape)
        for replication, rng in enumerate(self._rngs):
            bits[:, replication] = rng.random((slots, devices))
        # random() may be 0 but never 1, and no task is empty.
        np.subtract(1.0, bits, out=bits)
        bits *= 2.0 * self.mean
        self._bits = bits.reshape(slots, -1)
        self._used = 0


@dataclass(frozen=True)
class Points:
    """Tasks of one replication over some slots, in the order of their arrival.

    Attributes:
        slot: (K,) counted from the first of those slots.
        phase: (K,) when within the slot, as a fraction of it in [0, 1).
        device: (K,)
        bits: (K,) positive.
        deadline_s: as of `Tasks`.
    """

    slot: IntArray
    phase: FloatArray
    device: IntArray
    bits: FloatArray
    deadline_s: FloatArray | None = None


class PointProcess:
    """Tasks that arrive in continuous time. A subclass draws them for one replication at a time.

    How many slots are drawn at once changes nothing but the time it takes: `draw` keeps what it
    needs to go on from where it stopped, and takes random numbers in the order of time only.
    """

    remembers: ClassVar[tuple[str, ...]] = (
        "rngs",
        "_first",
        "_starts",
        "_replication",
        "_device",
        "_phase",
        "_bits",
        "_deadline_s",
    )
    grows: ClassVar[tuple[str, ...]] = remembers

    def check_state(self) -> None:
        """Each slot's tasks lie in the columns of those drawn ahead."""
        columns = [vars(self).get(name) for name in ("_replication", "_device", "_phase", "_bits")]
        drawn = [column.shape for column in columns if isinstance(column, np.ndarray)]
        starts, ends = self._starts, drawn[0][0] if drawn else 0
        if drawn and self._deadline_s.shape not in ((0,), (ends,)):
            raise ValueError("deadlines of other tasks")
        if drawn and (drawn != [(ends,)] * 4 or ends != starts[-1]):
            raise ValueError("columns of other lengths than its slots")
        if self._first < 0 or starts.ndim != 1 or starts[0] != 0 or (np.diff(starts) < 0).any():
            raise ValueError("slots that are in no order")

    def draw(self, replication: int, rng: np.random.Generator, first: int, slots: int) -> Points:
        """The tasks of a replication in the slots `first`, …, `first + slots - 1`."""
        raise NotImplementedError

    def start(self, devices: int, slot_s: float, rngs_of: Callable[[str], Generators]) -> None:
        """Begin a run; see `Arrivals`."""
        self.devices = devices
        self.slot_s = slot_s
        self.rngs = rngs_of("arrivals")
        self._first = 0
        self._starts = np.zeros(1, np.int64)

    def slot(self, slot: int) -> Tasks:
        """The tasks of a slot; see `Arrivals`."""
        if slot == self._first + len(self._starts) - 1:
            self._draw_block(slot)
        within = slice(self._starts[slot - self._first], self._starts[slot - self._first + 1])
        return Tasks(
            self._replication[within],
            self._device[within],
            (self._phase[within] + slot) * self.slot_s,
            self._bits[within],
            self._deadline_s[within] if self._deadline_s.size else None,
        )

    def _draw_block(self, first: int) -> None:
        replications = len(self.rngs)
        slots = self._slots_at_once() if first > 0 else 1
        drawn = [self.draw(r, rng, first, slots) for r, rng in enumerate(self.rngs)]
        points = [_looked_at(one, slots, self.devices) for one in drawn]
        deadlines = [one.deadline_s for one in points if one.deadline_s is not None]
        if 0 < len(deadlines) < replications:
            what = (
                f"of {len(deadlines)} of {replications} replications; allowed: of all, or of none"
            )
            raise AnswerError("deadline_s", what)
        grouped = _grouped(
            np.array([one.slot.size for one in points]),
            np.concatenate([one.slot for one in points]),
            np.concatenate([one.phase for one in points]),
            np.concatenate([one.device for one in points]),
            np.concatenate([one.bits for one in points]),
            np.concatenate([np.empty(0), *deadlines]),
            (slots, replications, self.devices),
        )
        self._replication, self._device, self._phase, self._bits, self._deadline_s = grouped[:-1]
        self._first, self._starts = first, grouped[-1]

    def _slots_at_once(self) -> int:
        """From how many tasks the last block turned out to hold."""
        slots = len(self._starts) - 1
        per_slot = self._bits.size / slots + len(self.rngs) * self.devices
        return max(min(SLOTS_AT_ONCE, 4 * slots, int(TASKS_AT_ONCE / per_slot)), 1)


def _looked_at(points: Any, slots: int, devices: int) -> Points:
    """What a subclass drew, once it is known that compiled code may go through it.

    Raises:
        AnswerError: no numbers, columns of different lengths, or a slot or device that there is not.
    """
    if not isinstance(points, Points):
        raise AnswerError("points", f"expected Points, got {type(points).__name__}")
    slot = whole_numbers("slot", points.slot).astype(np.int64)
    if slot.ndim != 1:
        raise AnswerError("slot", f"shape {slot.shape}, expected (K,)")
    device = whole_numbers("device", points.device, slot.shape).astype(np.int64)
    for name, column, end in (("slot", slot, slots), ("device", device, devices)):
        if (at := first((column < 0) | (column >= end))) is not None:
            raise AnswerError(name, f"{column[at]} of point {at[0]}; allowed: 0 to {end - 1}")
    phase = numbers("phase", points.phase, slot.shape)
    bits, own = numbers("bits", points.bits, slot.shape), points.deadline_s
    deadline_s = None if own is None else numbers("deadline_s", own, slot.shape)
    return Points(slot, phase, device, bits, deadline_s)


Sizes = Literal["fixed", "exponential", "uniform"]
"""The law of a task's size: always the mean, exponential, or uniform on (0, 2 mean]."""


@dataclass
class Poisson(PointProcess):
    """Poisson arrivals at each device. All devices together are one process, thinned by device.

    Args:
        mean: mean size, bits.
        rate: tasks per second and device.
        sizes: law of the sizes.

    Raises:
        ValueError: if `mean` or `rate` is not positive.
    """

    remembers: ClassVar[tuple[str, ...]] = (*PointProcess.remembers, "_candidates")

    mean: PositiveBits
    rate: PositivePerSecond
    sizes: Sizes = "exponential"

    def __post_init__(self) -> None:
        require_positive("mean", self.mean)
        require_positive("rate", self.rate)

    def start(self, devices: int, slot_s: float, rngs_of: Callable[[str], Generators]) -> None:
        """Begin a run; see `Arrivals`."""
        super().start(devices, slot_s, rngs_of)
        always = np.zeros((len(self.rngs), devices), np.int64)
        self._candidates = _Candidates.of([self.rate], [np.inf], always, slot_s, self.rngs)

    def draw(self, replication: int, rng: np.random.Generator, first: int, slots: int) -> Points:
        """The tasks of some slots; see `PointProcess`."""
        return self._candidates.draw(replication, rng, slots, self.mean, self.sizes)


@dataclass
class MarkovModulatedPoisson(PointProcess):
    """Bursty arrivals: each device goes through states by itself and has a Poisson rate in each.

    A state lasts an exponential time; the next one of the list follows, after the last the first.
    At the start a device is in a state with the probability that it has in the long run, which is in
    proportion to its sojourn. The mean rate is `sum(rates * sojourns) / sum(sojourns)`.

    Args:
        mean: mean size, bits.
        rates: of each state, tasks per second and device.
        sojourns: of each state, mean time until it is left, s.
        sizes: law of the sizes.

    Raises:
        ValueError: if there are fewer than two states, the lists differ in length, `mean` or a
            sojourn is not positive, or no rate is.
    """

    remembers: ClassVar[tuple[str, ...]] = (*PointProcess.remembers, "_candidates")

    mean: PositiveBits
    rates: list[PerSecond]
    sojourns: list[PositiveSeconds]
    sizes: Sizes = "exponential"

    def __post_init__(self) -> None:
        require_positive("mean", self.mean)
        require_positive("the largest of rates", max(self.rates, default=0.0))
        require_positive("the smallest of sojourns", min(self.sojourns, default=0.0))
        if len(self.rates) < 2 or len(self.rates) != len(self.sojourns):
            raise ValueError(
                f"{len(self.rates)} rates and {len(self.sojourns)} sojourns; "
                "allowed: one of each per state, two states or more"
            )

    def start(self, devices: int, slot_s: float, rngs_of: Callable[[str], Generators]) -> None:
        """Begin a run; see `Arrivals`."""
        super().start(devices, slot_s, rngs_of)
        ends = np.cumsum(self.sojourns) / np.sum(self.sojourns)
        state = np.stack(
            [np.searchsorted(ends[:-1], rng.random(devices), side="right") for rng in self.rngs]
        )
        self._candidates = _Candidates.of(self.rates, self.sojourns, state, slot_s, self.rngs)

    def draw(self, replication: int, rng: np.random.Generator, first: int, slots: int) -> Points:
        """The tasks of some slots; see `PointProcess`."""
        return self._candidates.draw(replication, rng, slots, self.mean, self.sizes)


@dataclass
class _Candidates:
    """All devices' arrivals and changes of state, thinned out of one Poisson process (uniformisation).

    Its points come at the fastest device's pace. Each picks a device at random, and is an arrival
    there, a change of its state, or nothing, as likely as the device's state makes it.

    Attributes:
        mean_gap: between two points, slots.
        arrives: (S,) probability that a point is an arrival, by the state of its device.
        happens: (S,) probability that it is an arrival or a change of state.
        state: (R, N) of each device.
        wait: (R,) from the start of the next slot to the next point, slots.
    """

    remembers: ClassVar[tuple[str, ...]] = ("state", "wait")

    mean_gap: float
    arrives: FloatArray
    happens: FloatArray
    state: IntArray
    wait: FloatArray

    def check_state(self) -> None:
        """States that there are, and points that come."""
        if self.state.min() < 0 or self.state.max() >= len(self.arrives):
            raise ValueError("a device in a state that there is not")
        if not ((self.wait >= 0.0) & np.isfinite(self.wait)).all():
            raise ValueError("a time that does not come")

    @classmethod
    def of(
        cls,
        rates: list[float],
        sojourns: list[float],
        state: IntArray,
        slot_s: float,
        rngs: Generators,
    ) -> "_Candidates":
        arrival_rate = np.array(rates)
        event_rate = arrival_rate + 1.0 / np.array(sojourns)
        pace = event_rate.max()
        mean_gap = float(1.0 / (pace * state.shape[1] * slot_s))
        wait = np.array([standard_exponential(rng, 1)[0] for rng in rngs]) * mean_gap
        return cls(mean_gap, arrival_rate / pace, event_rate / pace, state, wait)

    def draw(
        self, replication: int, rng: np.random.Generator, slots: int, mean_bits: float, sizes: Sizes
    ) -> Points:
        return Points(
            *_thinned(
                rng,
                slots,
                self.mean_gap,
                self.arrives,
                self.happens,
                self.state[replication],
                self.wait[replication : replication + 1],
                mean_bits,
                _SIZES.index(sizes),
            )
        )


_SIZES: tuple[Sizes, ...] = ("fixed", "exponential", "uniform")
_EXPONENTIAL, _UNIFORM = _SIZES.index("exponential"), _SIZES.index("uniform")


@compiled
def _thinned(
    rng: np.random.Generator,
    slots: int,
    mean_gap: float,
    arrives: FloatArray,
    happens: FloatArray,
    state: IntArray,
    wait: FloatArray,
    mean_bits: float,
    sizes: int,
) -> tuple[IntArray, FloatArray, IntArray, FloatArray]:
    """Slot, phase, device and bits of the arrivals; leaves `state` and `wait` at the end."""
    devices = state.size
    expected = slots / mean_gap
    slot = np.empty(int(expected + 6.0 * np.sqrt(expected)) + 16, np.int64)
    phase = np.empty(slot.size)
    device = np.empty(slot.size, np.int64)
    bits = np.empty(slot.size)
    count = 0
    # Counted from the start of the current slot, so that precision does not fade as time goes on.
    now = wait[0]
    for k in range(slots):
        while now < 1.0:
            # One number picks the device by its integer part, and what happens by its fraction. The
            # largest double below 1, times N, still rounds to less than N.
            pick = rng.random() * devices
            i = int(pick)
            chance = pick - i
            if chance < arrives[state[i]]:
                if count == slot.size:
                    slot = np.concatenate((slot, np.empty_like(slot)))
                    phase = np.concatenate((phase, np.empty_like(phase)))
                    device = np.concatenate((device, np.empty_like(device)))
                    bits = np.concatenate((bits, np.empty_like(bits)))
                slot[count] = k
                phase[count] = now
                device[count] = i
                if sizes == _EXPONENTIAL:
                    bits[count] = mean_bits * exponential_draw(rng.bit_generator)
                elif sizes == _UNIFORM:
                    bits[count] = 2.0 * mean_bits * (1.0 - rng.random())
                else:
                    bits[count] = mean_bits
                count += 1
            elif chance < happens[state[i]]:
                state[i] = (state[i] + 1) % arrives.size
            now += mean_gap * exponential_draw(rng.bit_generator)
        now -= 1.0
    wait[0] = now
    return slot[:count], phase[:count], device[:count], bits[:count]


@dataclass
class PerSlot:
    """Paper C: one task per device in each slot, of i.i.d. uniform size and cycles.

    Args:
        size: least and largest S_m.
        cycles: least and largest C_m.

    Raises:
        ValueError: if a least value exceeds the largest.
    """

    remembers: ClassVar[tuple[str, ...]] = ("_rngs",)

    size: tuple[PositiveBits, PositiveBits] = (8e6, 32e6)
    cycles: tuple[PositiveCycles, PositiveCycles] = (1e9, 2e9)

    def __post_init__(self) -> None:
        for name, (least, largest) in (("size", self.size), ("cycles", self.cycles)):
            if not 0.0 < least <= largest:
                raise ValueError(f"{name} from {least} to {largest}; allowed: 0 < least <= largest")

    def start(self, devices: int, rngs_of: Callable[[str], Generators]) -> None:
        """Begin a run of N devices."""
        self._devices = devices
        self._rngs = rngs_of("arrivals")

    def next(self) -> tuple[FloatArray, FloatArray]:
        """(R, N) bits and (R, N) cycles of the next slot's tasks."""
        drawn = random_each(self._rngs, (2, self._devices)).swapaxes(0, 1)
        bits, cycles = (
            least + (largest - least) * share
            for (least, largest), share in zip((self.size, self.cycles), drawn, strict=True)
        )
        return bits, cycles


def require_positive(name: str, value: float) -> None:
    """Refuse a model's key.

    Raises:
        ValueError: it is not positive and finite.
    """
    if not 0.0 < value < np.inf:
        raise ValueError(f"{name} = {value}; allowed: positive")


@compiled
def _grouped(
    counts: IntArray,
    slot: IntArray,
    phase: FloatArray,
    device: IntArray,
    bits: FloatArray,
    deadline_s: FloatArray,
    shape: tuple[int, int, int],
) -> tuple[IntArray, IntArray, FloatArray, FloatArray, FloatArray, IntArray]:
    """Sort points by slot, replication and device; within a device they keep their order.

    Args:
        counts: (R,) points of each replication; theirs follow one another in the other arguments.
        slot: slots, counted from the block's first.
        phase: fractions of a slot.
        device: devices.
        bits: sizes.
        deadline_s: deadlines, of all points or of none.
        shape: (slots, R, N).

    Returns:
        Replication, device, phase, bits and deadlines, and (slots + 1,) where each slot begins.
    """
    slots, replications, devices = shape
    # A counting sort: how many in each cell, where each cell begins, then each to its place.
    place = np.zeros(slots * replications * devices + 1, np.int64)
    k = 0
    for r in range(replications):
        for _ in range(counts[r]):
            place[(slot[k] * replications + r) * devices + device[k] + 1] += 1
            k += 1
    for cell in range(1, place.size):
        place[cell] += place[cell - 1]
    starts = place[:: replications * devices].copy()
    sorted_replication = np.empty_like(device)
    sorted_device = np.empty_like(device)
    sorted_phase = np.empty_like(phase)
    sorted_bits = np.empty_like(bits)
    sorted_deadline_s = np.empty_like(deadline_s)
    k = 0
    for r in range(replications):
        for _ in range(counts[r]):
            cell = (slot[k] * replications + r) * devices + device[k]
            at = place[cell]
            place[cell] += 1
            sorted_replication[at] = r
            sorted_device[at] = device[k]
            sorted_phase[at] = phase[k]
            sorted_bits[at] = bits[k]
            if deadline_s.size > 0:
                sorted_deadline_s[at] = deadline_s[k]
            k += 1
    return (
        sorted_replication,
        sorted_device,
        sorted_phase,
        sorted_bits,
        sorted_deadline_s,
        starts,
    )
