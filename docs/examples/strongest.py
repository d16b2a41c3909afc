"""An association of one's own: `edgesim run iiot_20dev --set association.model=strongest:Strongest`."""

import numpy as np

from edgesim.scenarios.units import PowerRatio


class Strongest:
    """The station that is heard best, small cells with a bias: cell range expansion."""

    def __init__(self, bias: PowerRatio = 4.0) -> None:
        self.bias = bias  # a number, or "6 dB"

    def start(self, network, coverage_m):
        self.bias_of = np.full(network.stations, self.bias)
        self.bias_of[0] = 1.0  # station 0 is the MBS

    def associate(self, distance_m, path_gain, chooses=None):
        # A station that is down is infinitely far, and its gain is zero.
        return (self.bias_of * path_gain).argmax(axis=2)
