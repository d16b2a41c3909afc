"""No offloading: every device executes what its own CPU can. A baseline of ours, in neither paper."""

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
from .allocation_rules import local_cpu_to_empty, station_service
from .among_present import Rows, among_present
from .base import Policy
from .tasks.c10.closed_form_rates import slowest_local_hz


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


class LocalTasks(Policy):
    """Every device executes its task itself, as slowly as the deadline allows.

    It transmits only what keeps up its rate floor, C(10d), if that is asked of all.
    """

    def reset(self, network: TaskNetwork, problem: WorstCaseEmission, rngs: Generators) -> None:
        """Keep the network's limits."""
        self._network = network

    def decide(self, observation: TaskObservation) -> TaskDecision:
        """alpha_m = 0, f_m = C_m / D_m, the least powers for the rate floor."""
        return among_present(self._network, observation, self._decide)

    @staticmethod
    def _decide(network: TaskNetwork, observation: TaskObservation, rows: Rows) -> TaskDecision:
        tasks = observation.tasks
        floor = network.rate_min_bps if network.rate_floor == "all" else 0.0
        rate = np.full(tasks.bits.shape, floor)
        return TaskDecision(
            power_w=least_powers_w(network, observation.channel, rate),
            offload=np.zeros(tasks.bits.shape, dtype=np.bool_),
            local_cpu_hz=np.minimum(slowest_local_hz(network, tasks), network.device_cpu_max_hz),
            edge_cpu_hz=np.zeros(tasks.bits.shape),
        )
