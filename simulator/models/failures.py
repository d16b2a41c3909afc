"""Stations that fail and are repaired, and for which part of a slot each of them is up."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ..core.arrays import BoolArray, FloatArray, IntArray
from ..core.clock import NEVER_NS, to_ns
from ..core.randomness import Generators, standard_exponential

Law = Literal["exponential", "fixed"]


@dataclass(frozen=True)
class FailureModel:
    """How one station fails.

    Attributes:
        time_to_failure_s: mean time from a repair, or the start of the run, to the next failure.
        time_to_repair_s: mean time from a failure to its repair.
        law: of both times.
        reassociates: its devices look for another station while it is down; else they wait for it.
        loses: its queue is lost when it fails; else it waits for the repair.
    """

    time_to_failure_s: float
    time_to_repair_s: float
    law: Law = "exponential"
    reassociates: bool = True
    loses: bool = False


@dataclass(frozen=True)
class Availability:
    """When each station is up within one slot, and when it loses its queue.

    A station is up in at most K windows; those that it does not have are empty. Times are shares of
    the slot. What is said of one station depends on that station alone.

    Attributes:
        begins: (R, B, K) of each window.
        ends: (R, B, K).
        windows_served: (R, B) how many windows come before the queue is lost for the first time; what
            arrives in a slot can be served from the next one on, so there is nothing to serve later.
        windows_lost: (R, B) how many windows come before the queue is lost for the last time.
    """

    begins: FloatArray
    ends: FloatArray
    windows_served: IntArray
    windows_lost: IntArray

    @property
    def share(self) -> FloatArray:
        """(R, B) of the slot, in which a station is up."""
        return _total(self.ends - self.begins)

    @property
    def serving(self) -> FloatArray:
        """(R, B, K) lengths of the windows before the queue is first lost, zero for the others."""
        window = np.arange(self.begins.shape[2])
        before = window < self.windows_served[:, :, None]
        return np.where(before, self.ends - self.begins, 0.0)

    @property
    def serving_share(self) -> FloatArray:
        """(R, B) of the slot, in which a station is up and has not lost its queue yet."""
        return _total(self.serving)

    @property
    def loses(self) -> BoolArray:
        """(R, B) True where a station loses its queue."""
        return self.windows_lost > 0

    @property
    def lost_share(self) -> FloatArray:
        """(R, B) of what a station receives in the slot, the part that is lost with its queue."""
        window = np.arange(self.begins.shape[2])
        before = window < self.windows_lost[:, :, None]
        lost = _total(np.where(before, self.ends - self.begins, 0.0))
        return np.divide(lost, self.share, out=np.zeros_like(lost), where=lost > 0.0)


def _total(lengths: FloatArray) -> FloatArray:
    """(R, B, K) -> (R, B), one after another: how many windows there are for others does not matter."""
    return np.asarray(np.add.accumulate(lengths, axis=2)[:, :, -1])


class Failures:
    """Which stations are up, as an alternating renewal process of each. All are up at the start.

    Args:
        models: B of them; None for a station that never fails.
        rngs: of each station, its stream, one generator per replication.
    """

    remembers: ClassVar[tuple[str, ...]] = ("up", "_next_ns", "_rngs")

    def __init__(self, models: Sequence[FailureModel | None], rngs: Sequence[Generators]) -> None:
        self._models = models
        self._rngs = rngs
        self.up: BoolArray = np.ones((len(rngs[0]), len(models)), dtype=np.bool_)
        self._next_ns: IntArray = np.full(self.up.shape, NEVER_NS)
        self._draw(self.up, 0)
        self.reassociates = np.array([one is not None and one.reassociates for one in models])
        self.loses = np.array([one is not None and one.loses for one in models])
        self.begin_slot()

    def next_change_ns(self) -> int | None:
        """When some station fails or is repaired next; None if never."""
        earliest = int(self._next_ns.min())
        return earliest if earliest != NEVER_NS else None

    def change(self, now_ns: int) -> BoolArray:
        """Stations fail or are repaired now.

        Returns:
            (R, B) True where a station has failed and loses its queue.
        """
        changes = self._next_ns <= now_ns
        lost: BoolArray = changes & self.up & self.loses
        self.up = self.up ^ changes
        self._draw(changes, now_ns)
        self._in_slot.append((now_ns, changes, lost))
        return lost

    def begin_slot(self) -> None:
        """A slot begins, after what happened at its beginning: `availability` is about it."""
        self._up_at_start = self.up
        self._in_slot: list[tuple[int, BoolArray, BoolArray]] = []

    def availability(self, start_ns: int, slot_ns: int) -> Availability:
        """When the stations were up in the slot that began at `start_ns` and ends now."""
        up = self._up_at_start
        shape = (*up.shape, 1 + (len(self._in_slot) + 1) // 2)
        begins, ends = np.ones(shape), np.ones(shape)
        begins[:, :, 0] = np.where(up, 0.0, 1.0)
        windows = up.astype(np.int64)  # begun so far
        never = shape[2]
        served, lost = np.full(up.shape, never), np.zeros(up.shape, dtype=np.int64)
        for now_ns, changes, loses in self._in_slot:
            share = (now_ns - start_ns) / slot_ns
            for r, b in np.argwhere(changes):
                if up[r, b]:
                    ends[r, b, windows[r, b] - 1] = share
                else:
                    begins[r, b, windows[r, b]] = share
                    windows[r, b] += 1
            served = np.where(loses & (served == never), windows, served)
            lost = np.where(loses, windows, lost)
            up = up ^ changes
        return Availability(begins, ends, served, lost)

    def _draw(self, changed: BoolArray, now_ns: int) -> None:
        """When those that have just changed will change again."""
        for r, b in np.argwhere(changed):
            model = self._models[b]
            if model is None:
                continue
            mean_s = model.time_to_failure_s if self.up[r, b] else model.time_to_repair_s
            share = 1.0 if model.law == "fixed" else standard_exponential(self._rngs[b][r], 1)[0]
            # At least a tick, so that time goes on; at most what the clock can count.
            self._next_ns[r, b] = min(now_ns + max(to_ns(mean_s * share), 1), NEVER_NS)
