"""Everything is offloaded: equal bandwidth and edge CPU, full power, idle device CPUs.

A baseline of ours, in neither paper.
"""

import numpy as np

from ..simulator.core.randomness import Generators
from ..simulator.network.network import Network
from ..simulator.stream.decision import Decision
from ..simulator.stream.observation import Observation
from ..simulator.stream.problem import DriftPlusPenalty
from ..simulator.tasks.decision import TaskDecision
from ..simulator.tasks.network import TaskNetwork
from ..simulator.tasks.observation import TaskObservation
from ..simulator.tasks.powers import least_powers_w
from ..simulator.tasks.problem import WorstCaseEmission
from .allocation_rules import equal_shares, station_service
from .among_present import Rows, among_present
from .base import Policy


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


class OffloadAllTasks(Policy):
    """Every device offloads; the server is shared equally, powers are the least that are in time."""

    def reset(self, network: TaskNetwork, problem: WorstCaseEmission, rngs: Generators) -> None:
        """Keep the network's limits."""
        self._network = network

    def decide(self, observation: TaskObservation) -> TaskDecision:
        """alpha_m = 1, f_m^0 = F_max / N, and R_m = S_m / (D_m - C_m / f_m^0) or the floor.

        N are the devices that are there.
        """
        return among_present(self._network, observation, self._decide)

    @staticmethod
    def _decide(network: TaskNetwork, observation: TaskObservation, rows: Rows) -> TaskDecision:
        tasks = observation.tasks
        shape = tasks.bits.shape
        edge_hz = np.full(shape, network.server_cpu_hz / network.devices)
        left_s = tasks.deadline_s - tasks.cycles / edge_hz
        needed = np.where(left_s > 0.0, tasks.bits / np.where(left_s > 0.0, left_s, 1.0), 0.0)
        rate = np.maximum(needed, network.rate_min_bps)
        return TaskDecision(
            power_w=least_powers_w(network, observation.channel, rate),
            offload=np.ones(shape, dtype=np.bool_),
            local_cpu_hz=np.zeros(shape),
            edge_cpu_hz=edge_hz,
        )
