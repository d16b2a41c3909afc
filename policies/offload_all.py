"""Everything is offloaded: equal bandwidth and edge CPU, full power, idle device CPUs."""

import numpy as np

from ..simulator.decision import Decision
from ..simulator.network import Network
from ..simulator.observation import Observation
from ..simulator.problem import DriftPlusPenalty
from ..simulator.randomness import Generators
from .base import Policy
from .shares import equal_shares, station_service


class OffloadAll(Policy):
    """The counterpart of `local`: what the edge alone can carry."""

    def reset(self, network: Network, problem: DriftPlusPenalty, rngs: Generators) -> None:
        """Keep the network's capacities."""
        self._network = network

    def decide(self, observation: Observation) -> Decision:
        """Equal shares of the station, p_i = p_i,max."""
        network, cells = self._network, observation.cells
        return Decision(
            bandwidth_hz=equal_shares(network.station_bandwidth_hz, cells),
            power_w=observation.power_max_w,
            local_cpu_hz=np.zeros_like(observation.queue_bits),
            edge_cpu_hz=equal_shares(network.station_cpu_hz, cells),
            served_bits=station_service(network, observation),
        )
