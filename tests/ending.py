"""Arrivals for tests: Poisson ones that end, and may come together as slots begin."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from edgesim.simulator.core.randomness import Generators
from edgesim.simulator.models.arrivals import Poisson, Tasks


@dataclass
class Ending(Poisson):
    """Poisson arrivals up to a slot, so that all is due within the run."""

    until: int = 64
    together: bool = False

    def start(self, devices: int, slot_s: float, rngs_of: Callable[[str], Generators]) -> None:
        super().start(devices, slot_s, rngs_of)
        self._length_s = slot_s

    def slot(self, slot: int) -> Tasks:
        tasks = super().slot(slot)
        if slot < self.until:
            if self.together:
                return replace(
                    tasks, arrival_s=np.full_like(tasks.arrival_s, slot * self._length_s)
                )
            return tasks
        return Tasks(
            *(getattr(tasks, x)[:0] for x in ("replication", "device", "arrival_s", "bits"))
        )
