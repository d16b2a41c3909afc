"""Tasks of the task problem: `edgesim run carbon_6ue --set tasks.arrivals=two_kinds:TwoKinds`."""

import numpy as np

from edgesim.scenarios.units import PositiveBits, PositiveCycles, Share


class TwoKinds:
    """Each slot's task is a large one with some probability, else a small one."""

    def __init__(
        self,
        size: tuple[PositiveBits, PositiveBits] = (8e6, 32e6),
        cycles: tuple[PositiveCycles, PositiveCycles] = (1e9, 2e9),
        share: Share = 0.25,
    ) -> None:
        self.size, self.cycles, self.share = size, cycles, share

    def start(self, devices, rngs_of):
        self.devices = devices
        self.rngs = rngs_of("arrivals")

    def next(self):
        is_large = np.stack([rng.random(self.devices) for rng in self.rngs]) < self.share
        bits, cycles = (
            np.where(is_large, large, small) for small, large in (self.size, self.cycles)
        )
        return bits, cycles
