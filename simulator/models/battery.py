"""Batteries that are drained by CPU and radio, and charged by harvesting."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..core.arrays import FloatArray, remainder
from ..core.randomness import Generators
from ..network.network import Network


@dataclass(frozen=True)
class Battery:
    """One battery per device.

    Attributes:
        network: gives tau and the radios' limits.
        capacity_j: of each battery.
        harvest_w: mean power harvested; uniform on [0, 2 mean] in each slot.
        rngs: the stream of harvests, one generator per replication.
    """

    remembers: ClassVar[tuple[str, ...]] = ("rngs",)

    network: Network
    capacity_j: float
    harvest_w: float
    rngs: Generators

    def after_slot(self, charge_j: FloatArray, used_j: FloatArray) -> FloatArray:
        """(R, N) charge at the end of a slot in which `used_j` was drawn."""
        harvest_j: FloatArray | None = None
        if self.harvest_w > 0.0:
            mean_j = self.harvest_w * self.network.slot_s
            draws = np.stack([rng.random(charge_j.shape[1]) for rng in self.rngs])
            harvest_j = 2.0 * mean_j * draws
        return np.minimum(remainder(charge_j, used_j, harvest_j), self.capacity_j)

    def power_max_w(self, charge_j: FloatArray) -> FloatArray:
        """(R, N) p_i,max(t): the radio's limit, or what would empty the battery in one slot."""
        return np.minimum(self.network.device_power_max_w, charge_j / self.network.slot_s)
