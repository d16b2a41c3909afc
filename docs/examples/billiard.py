"""A mobility of one's own: `edgesim run iiot_20dev --set mobility.model=billiard:Billiard`."""

import numpy as np

from edgesim.scenarios.units import MetresPerSecond


class Billiard:
    """Devices go straight on, each in a direction of its own, and are reflected at the walls."""

    moves = True

    def __init__(self, speed: MetresPerSecond = 1.0) -> None:
        self.speed_mps = speed

    def start(self, position_m, area_m, rngs_of, placed):
        self.area_m = area_m
        angle = np.stack([rng.random(position_m.shape[1]) for rng in rngs_of("mobility")])
        angle *= 2.0 * np.pi
        self.velocity_mps = self.speed_mps * np.stack([np.cos(angle), np.sin(angle)], axis=2)
        return position_m

    def advance(self, position_m, dt_s):
        # Unfolded, the area is repeated in mirrors, and devices go straight on for ever.
        unfolded_m = (position_m + self.velocity_mps * dt_s) % (2.0 * self.area_m)
        mirrored = unfolded_m > self.area_m
        self.velocity_mps = np.where(mirrored, -self.velocity_mps, self.velocity_mps)
        return np.where(mirrored, 2.0 * self.area_m - unfolded_m, unfolded_m)
