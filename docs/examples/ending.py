"""Tasks come for a time, so that all are due within the run: `edgesim run green_shift_gb --set tasks.arrivals=ending:Ending`."""

from dataclasses import dataclass

import numpy as np

from edgesim.scenarios.units import PositiveSeconds
from edgesim.simulator.models.arrivals import Poisson, Tasks


@dataclass
class Ending(Poisson):
    """Poisson arrivals up to a time."""

    until: PositiveSeconds = 86400.0

    def start(self, devices, slot_s, rngs_of):
        super().start(devices, slot_s, rngs_of)
        self.last = round(self.until / slot_s)

    def slot(self, slot):
        if slot < self.last:
            return super().slot(slot)
        none = np.zeros(0, np.int64)
        return Tasks(none, none, np.zeros(0), np.zeros(0))
