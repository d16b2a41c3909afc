"""Random decisions: what a policy must beat. A baseline of ours, in neither paper."""

from typing import ClassVar

import numpy as np

from ..simulator.core.arrays import FloatArray
from ..simulator.core.randomness import Generators, standard_exponential
from ..simulator.network.network import Network
from ..simulator.stream.decision import Decision
from ..simulator.stream.observation import Observation
from ..simulator.stream.problem import DriftPlusPenalty
from ..simulator.tasks.decision import TaskDecision
from ..simulator.tasks.network import TaskNetwork
from ..simulator.tasks.observation import TaskObservation
from ..simulator.tasks.problem import WorstCaseEmission
from .allocation_rules import station_service
from .base import Policy


class Random(Policy):
    """Uniform powers and CPU speeds; shares of a station uniform on its simplex.

    Normalised exponential variables are uniform on the simplex.
    """

    remembers: ClassVar[tuple[str, ...]] = ("_rngs",)

    def reset(self, network: Network, problem: DriftPlusPenalty, rngs: Generators) -> None:
        """Keep the capacities and the stream."""
        self._network = network
        self._rngs = rngs

    def decide(self, observation: Observation) -> Decision:
        """A fresh draw in every slot, whatever is observed."""
        network, cells = self._network, observation.cells
        devices = network.devices
        uniform = np.stack([rng.random((2, devices)) for rng in self._rngs], axis=1)
        weight = np.stack([standard_exponential(rng, (2, devices)) for rng in self._rngs], axis=1)

        def share(capacity: FloatArray, weights: FloatArray) -> FloatArray:
            weights = weights * cells.present
            total = cells.total(weights)
            return weights * cells.at_station(capacity / np.where(total > 0.0, total, 1.0))

        return Decision(
            bandwidth_hz=share(network.station_bandwidth_hz, weight[0]),
            power_w=uniform[0] * observation.power_max_w,
            local_cpu_hz=uniform[1] * network.device_cpu_hz * cells.present,
            edge_cpu_hz=share(network.station_cpu_hz, weight[1]),
            served_bits=station_service(network, observation),
        )


class RandomTasks(Policy):
    """Coin flips for offloading, uniform powers and CPU speeds, server shares on the simplex."""

    remembers: ClassVar[tuple[str, ...]] = ("_rngs",)

    def reset(self, network: TaskNetwork, problem: WorstCaseEmission, rngs: Generators) -> None:
        """Keep the limits and the stream."""
        self._network = network
        self._rngs = rngs

    def decide(self, observation: TaskObservation) -> TaskDecision:
        """A fresh draw in every slot, whatever is observed."""
        network = self._network
        uniform = np.stack([rng.random((3, network.devices)) for rng in self._rngs], axis=1)
        draws = [standard_exponential(rng, network.devices) for rng in self._rngs]
        present = observation.present
        weight = np.stack(draws) * present
        total = weight.sum(axis=1, keepdims=True)
        slack = network.device_cpu_max_hz - network.device_cpu_min_hz
        return TaskDecision(
            power_w=uniform[0] * network.device_power_max_w * present,
            offload=(uniform[1] < 0.5) & present,
            local_cpu_hz=(network.device_cpu_min_hz + uniform[2] * slack) * present,
            edge_cpu_hz=network.server_cpu_hz * (weight / np.where(total > 0.0, total, 1.0)),
        )
