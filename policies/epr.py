"""EPR and EPR-EP: equal processing rates, without and with equal power (paper C, section V).

Paper C compares its optimum with schemes whose processing rates are equal and fixed. Their natural
counterparts in the network of paper A: all device CPUs run at one common speed, each station divides
its CPU equally among its devices, and what is left to optimise is optimised on P2, A(20).
"""

from dataclasses import dataclass, replace

import numpy as np

from ..scenarios.units import Hertz
from ..simulator.arrays import BoolArray
from ..simulator.decision import Decision
from ..simulator.network import Network
from ..simulator.observation import Observation
from ..simulator.outcome import carry_out
from ..simulator.problem import DriftPlusPenalty
from ..simulator.randomness import Generators
from .base import Policy
from .lyapunov import Lyapunov
from .shares import equal_shares, local_cpu_to_empty, station_service


def with_equal_cpus(network: Network, local_cpu_hz: float | None) -> Network:
    """The same network, all device CPUs limited to one speed; by default the slowest one's."""
    slowest = float(network.device_cpu_hz.min())
    common = slowest if local_cpu_hz is None else min(local_cpu_hz, slowest)
    return replace(network, device_cpu_hz=np.full(network.devices, common))


@dataclass
class EqualRates(Policy):
    """EPR: offloading, bandwidth and power as `lyapunov` finds them, at equal processing rates.

    Attributes:
        local_cpu: the common speed of the device CPUs; by default full speed of the slowest.
    """

    local_cpu: Hertz | None = None

    def reset(self, network: Network, problem: DriftPlusPenalty, rngs: Generators) -> None:
        """Hand the network with equal CPUs to the radio optimisation."""
        equal = with_equal_cpus(network, self.local_cpu)
        self._radio = Lyapunov(optimise=["radio"])
        self._radio.reset(equal, replace(problem, network=equal), rngs)

    def decide(self, observation: Observation) -> Decision:
        """P2 over offloading, bandwidth and power."""
        return self._radio.decide(observation)


@dataclass
class EqualRatesEqualPower(Policy):
    """EPR-EP: everything is equal, and a device only chooses whether to offload at all.

    Attributes:
        local_cpu: the common speed of the device CPUs; by default full speed of the slowest.
    """

    local_cpu: Hertz | None = None

    def reset(self, network: Network, problem: DriftPlusPenalty, rngs: Generators) -> None:
        """Keep the network with equal CPUs."""
        self._network = with_equal_cpus(network, self.local_cpu)
        self._problem = problem

    def decide(self, observation: Observation) -> Decision:
        """Devices for which offloading does not lower P2 at these rates stay silent.

        Judged once with everybody on the air; those who stay then hear less interference.
        """
        everyone = np.ones(observation.queue_bits.shape, dtype=np.bool_)
        return self._decision(observation, self._worthwhile(observation, everyone))

    def _worthwhile(self, observation: Observation, sending: BoolArray) -> BoolArray:
        """(R, N) True where the terms of A(20) that offloading adds are negative."""
        decision = self._decision(observation, sending)
        network, problem = self._network, self._problem
        outcome = carry_out(
            network, observation.cells, observation.channel_gain, observation.queue_bits, decision
        )
        perturbation = observation.perturbation_bits
        value_per_bit = (
            problem.V * observation.energy_per_bit_j[:, None]
            + observation.queue_bits
            - perturbation
        )
        congestion = observation.cells.at_station(observation.station_queue_bits)
        # Offloading also takes the head of the queue from the local CPU; those bits would have had
        # the same value, at the energy of A(9).
        alone_bits = decision.local_cpu_hz * (network.slot_s / network.cycles_per_bit)
        lost_bits = alone_bits - outcome.local_bits
        saved_j = network.varsigma * network.slot_s * decision.local_cpu_hz**3
        saved_j = saved_j - outcome.local_energy_j
        gained = (value_per_bit - congestion) * outcome.offloaded_bits - value_per_bit * lost_bits
        worthwhile: BoolArray = gained > problem.V * (outcome.offload_energy_j - saved_j)
        return worthwhile

    def _decision(self, observation: Observation, sending: BoolArray) -> Decision:
        network, cells = self._network, observation.cells
        return Decision(
            bandwidth_hz=equal_shares(network.station_bandwidth_hz, cells),
            power_w=observation.power_max_w * sending,
            local_cpu_hz=local_cpu_to_empty(network, observation),
            edge_cpu_hz=equal_shares(network.station_cpu_hz, cells),
            served_bits=station_service(network, observation),
        )
