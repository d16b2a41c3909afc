"""A fading of one's own: `edgesim run iiot_20dev --set channel.fading=nakagami:Nakagami`."""

from edgesim.scenarios.units import Positive
from edgesim.simulator.models.fading import IndependentFading


class Nakagami(IndependentFading):
    """Nakagami-m amplitudes: power gains are gamma distributed, with mean 1 and variance 1 / m."""

    def __init__(self, m: Positive = 2.0) -> None:
        self.m = m

    def sample(self, rng, blocks, devices):
        return rng.gamma(self.m, 1.0 / self.m, (blocks, devices))
