"""Arrivals of one's own: `edgesim run iiot_20dev --set tasks.arrivals=day_and_night:DayAndNight`."""

import numpy as np

from edgesim.scenarios.units import PositiveBits, PositivePerSecond, PositiveSeconds
from edgesim.simulator.models.arrivals import Tasks


class DayAndNight:
    """Poisson arrivals of equal tasks, whose rate rises and falls as a sine; steady within a slot."""

    def __init__(
        self,
        mean: PositiveBits,
        rate: PositivePerSecond = 10.0,
        period: PositiveSeconds = 86400.0,
    ) -> None:
        self.bits, self.rate_per_s, self.period_s = mean, rate, period

    def start(self, devices, slot_s, rngs_of):
        self.devices, self.slot_s = devices, slot_s
        self.rngs = rngs_of("arrivals")

    def slot(self, slot):
        phase = 2.0 * np.pi * slot * self.slot_s / self.period_s
        mean = self.rate_per_s * self.slot_s * (1.0 + np.sin(phase))
        counts = np.stack([rng.poisson(mean, self.devices) for rng in self.rngs])
        replication, device = np.divmod(np.arange(counts.size), self.devices)
        replication, device = (np.repeat(one, counts.ravel()) for one in (replication, device))
        sums = zip(self.rngs, counts.sum(axis=1), strict=True)
        within = np.concatenate([rng.random(tasks) for rng, tasks in sums])
        order = np.lexsort((within, device, replication))
        arrival_s = (slot + within[order]) * self.slot_s
        return Tasks(replication, device, arrival_s, np.full(len(order), self.bits))
