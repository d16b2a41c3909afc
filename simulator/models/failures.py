"""Stations that fail and are repaired."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..core.arrays import BoolArray, IntArray
from ..core.clock import to_ns
from ..core.randomness import Generators

Law = Literal["exponential", "fixed"]

NEVER = np.iinfo(np.int64).max


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


class Failures:
    """Which stations are up, as an alternating renewal process of each. All are up at the start.

    Args:
        models: B of them; None for a station that never fails.
        rngs: of each station, its stream, one generator per replication.
    """

    def __init__(self, models: Sequence[FailureModel | None], rngs: Sequence[Generators]) -> None:
        self._models = models
        self._rngs = rngs
        self.up: BoolArray = np.ones((len(rngs[0]), len(models)), dtype=np.bool_)
        self._next_ns: IntArray = np.full(self.up.shape, NEVER)
        self._draw(self.up, 0)
        self.reassociates = np.array([one is not None and one.reassociates for one in models])
        self.loses = np.array([one is not None and one.loses for one in models])

    def next_change_ns(self, now_ns: int) -> int | None:
        """When some station fails or is repaired next; None if never."""
        earliest = int(self._next_ns.min())
        return earliest if earliest != NEVER else None

    def change(self, now_ns: int) -> BoolArray:
        """(R, B) True where a station is up from now on."""
        changes = self._next_ns <= now_ns
        self.up = self.up ^ changes
        self._draw(changes, now_ns)
        return self.up

    def _draw(self, changed: BoolArray, now_ns: int) -> None:
        """When those that have just changed will change again."""
        for r, b in np.argwhere(changed):
            model = self._models[b]
            if model is None:
                continue
            mean_s = model.time_to_failure_s if self.up[r, b] else model.time_to_repair_s
            share = 1.0 if model.law == "fixed" else self._rngs[b][r].standard_exponential()
            # At least a tick, so that time goes on; at most what the clock can count.
            self._next_ns[r, b] = min(now_ns + max(to_ns(mean_s * share), 1), NEVER)
