"""Arrivals for tests: Poisson ones that end."""

from dataclasses import dataclass

from edgesim.simulator.models.arrivals import Poisson, Tasks


@dataclass
class Ending(Poisson):
    """Poisson arrivals up to a slot, so that all is due within the run."""

    until: int = 64

    def slot(self, slot: int) -> Tasks:
        tasks = super().slot(slot)
        if slot < self.until:
            return tasks
        return Tasks(
            *(getattr(tasks, x)[:0] for x in ("replication", "device", "arrival_s", "bits"))
        )
