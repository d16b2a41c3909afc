"""No offloading: every device executes what its own CPU can."""

import numpy as np

from ..simulator.decision import Decision
from ..simulator.network import Network
from ..simulator.observation import Observation
from ..simulator.problem import DriftPlusPenalty
from ..simulator.randomness import Generators
from .base import Policy
from .shares import local_cpu_to_empty, station_service


class Local(Policy):
    """The CPU runs at full speed, or as fast as it takes to empty the queue within the slot."""

    def reset(self, network: Network, problem: DriftPlusPenalty, rngs: Generators) -> None:
        """Keep the network's capacities."""
        self._network = network

    def decide(self, observation: Observation) -> Decision:
        """f_i = min(f_max, c Q_i / tau); the radio is silent."""
        zeros = np.zeros_like(observation.queue_bits)
        return Decision(
            bandwidth_hz=zeros,
            power_w=zeros,
            local_cpu_hz=local_cpu_to_empty(self._network, observation),
            edge_cpu_hz=zeros,
            served_bits=station_service(self._network, observation),
        )
