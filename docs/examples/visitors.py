"""Devices that come and go: `edgesim run iiot_20dev --set mobility.model=visitors:Visitors`."""

import numpy as np

from edgesim.scenarios.units import PositiveSeconds


class Visitors:
    """Devices stay where they are put, are there for a while, and then away for a while.

    Both last for exponential times, whose means are the keys; a run begins long after the first came.
    """

    moves = True  # else `advance` is never called, and `present` never changes

    def __init__(self, stays: PositiveSeconds = 2.0, away: PositiveSeconds = 2.0) -> None:
        self.mean_s = np.array([away, stays])  # of absence and of presence

    def start(self, position_m, area_m, rngs_of, placed):
        self.rngs = rngs_of("mobility")
        draws = np.stack([rng.random(position_m.shape[1]) for rng in self.rngs])
        self.present = draws < self.mean_s[1] / self.mean_s.sum()
        # What is left of an exponential time is one, too.
        self.left_s = np.stack([self.times_s(r) for r in range(len(draws))])
        return position_m

    def advance(self, position_m, dt_s):
        present, left_s = self.present.copy(), self.left_s - dt_s
        self.present = present
        for r in range(len(left_s)):
            while (over := left_s[r] <= 0.0).any():
                present[r] ^= over
                left_s[r] += np.where(over, self.times_s(r), 0.0)
        self.left_s = left_s
        return position_m

    def times_s(self, r):
        drawn = self.rngs[r].exponential(size=self.present.shape[1])
        return drawn * self.mean_s[self.present[r].astype(int)]
