"""EPR and EPR-EP: equal processing rates, without and with equal power (paper C, section V).

Paper C compares its optimum with schemes whose processing rates are equal and fixed. Their natural
counterparts in the network of paper A: all device CPUs run at one common speed, each station divides
its CPU equally among its devices, and what is left to optimise is optimised on P2, A(20).

The paper states neither these rates nor the power; they are keys, whose defaults are ours.
"""

from dataclasses import dataclass, replace

import numpy as np

from ..scenarios.units import PositiveHertz, PositiveWatts
from ..simulator.core.arrays import BoolArray
from ..simulator.core.randomness import Generators
from ..simulator.network.network import Network
from ..simulator.stream.decision import Decision
from ..simulator.stream.observation import Observation
from ..simulator.stream.outcome import carry_out
from ..simulator.stream.problem import DriftPlusPenalty
from ..simulator.tasks.decision import TaskDecision
from ..simulator.tasks.network import TaskNetwork
from ..simulator.tasks.observation import TaskObservation
from ..simulator.tasks.powers import least_powers_w
from ..simulator.tasks.problem import WorstCaseEmission
from .allocation_rules import equal_shares, local_cpu_to_empty, station_service
from .among_present import Rows, among_present
from .base import Policy
from .stream.lyapunov import Lyapunov
from .tasks.c10.closed_form_rates import feasible_common_hz
from .tasks.c10.fixed_rates import FixedRates, best_offloading
from .tasks.c10.slot import observed


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

    local_cpu: PositiveHertz | None = None

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

    local_cpu: PositiveHertz | None = None

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
        value = problem.bit_value(observation)
        congestion = observation.cells.at_station(observation.station_queue_bits)
        # Offloading also takes the head of the queue from the local CPU; those bits would have had
        # the same value, at the energy of A(9).
        alone_bits = decision.local_cpu_hz * (network.slot_s / network.cycles_per_bit)
        lost_bits = alone_bits - outcome.local_bits
        cubed = decision.local_cpu_hz * decision.local_cpu_hz * decision.local_cpu_hz
        saved_j = network.varsigma * network.slot_s * cubed
        saved_j = saved_j - outcome.local_energy_j
        gained = (value - congestion) * outcome.offloaded_bits - value * lost_bits
        gained += problem.pressing_value(observation, outcome.departed_bits)
        gained -= problem.pressing_value(observation, alone_bits)
        worthwhile: BoolArray = gained > problem.offload_cost(observation, outcome, saved_j)
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


@dataclass
class EqualRatesTasks(Policy):
    """EPR: equal, fixed processing rates; who offloads and the powers are optimal for them.

    An offloader has D - C / f^0 for its transmission. The slowest rate that is in time costs the
    least energy, C(7), and disturbs the least, so the least powers that give everybody its slowest
    rate are best for all at once. Who offloads is found exactly, by `c10.fixed_rates`. Where no
    decision holds all limits, they are relaxed by the least factor that makes one hold them.

    Attributes:
        local_cpu: the rate of all devices, cut to the range of their CPUs. By default the least
            (E_max / (theta_m D_max))^(1/3) of any device: at this rate a device executes every task,
            in time and within its energy, that it can execute at any rate. With Table I it is
            0.794 GHz, for tasks of up to 1587 Mcycles; tasks of at most 1500 Mcycles leave a choice
            between 0.75 GHz (in time) and 0.816 GHz (within 1 J).
        edge_cpu: the server's rate for each offloaded task; by default F_max / N, so that all
            devices that are there can offload at once.

    Raises:
        ValueError: a rate of zero.
    """

    local_cpu: PositiveHertz | None = None
    edge_cpu: PositiveHertz | None = None

    def __post_init__(self) -> None:
        _require_positive(local_cpu=self.local_cpu, edge_cpu=self.edge_cpu)

    def reset(self, network: TaskNetwork, problem: WorstCaseEmission, rngs: Generators) -> None:
        """Keep the network's limits."""
        self._network = network

    def decide(self, observation: TaskObservation) -> TaskDecision:
        """Offloading and powers of least worst-case emission at the equal rates."""
        return among_present(self._network, observation, self._decide)

    def _decide(
        self, network: TaskNetwork, observation: TaskObservation, rows: Rows
    ) -> TaskDecision:
        return best_offloading(
            at_equal_rates(network, observation, self.local_cpu, self.edge_cpu),
            lambda instance, offload, relaxation: least_powers_w(
                network, instance.slot.channel, instance.needed_bps(offload, relaxation)
            ),
        )


@dataclass
class EqualRatesEqualPowerTasks(Policy):
    """EPR-EP: equal, fixed processing rates and powers; only who offloads is optimal.

    A device that need not keep up a rate floor, C(10d), is silent while it stays local.

    Attributes:
        local_cpu: as for `epr`.
        edge_cpu: as for `epr`.
        power: of every device that transmits, cut to P_max; by default P_max.

    Raises:
        ValueError: a rate or power of zero.
    """

    local_cpu: PositiveHertz | None = None
    edge_cpu: PositiveHertz | None = None
    power: PositiveWatts | None = None

    def __post_init__(self) -> None:
        _require_positive(local_cpu=self.local_cpu, edge_cpu=self.edge_cpu, power=self.power)

    def reset(self, network: TaskNetwork, problem: WorstCaseEmission, rngs: Generators) -> None:
        """Keep the network's limits."""
        self._network = network

    def decide(self, observation: TaskObservation) -> TaskDecision:
        """Offloading of least worst-case emission at the equal rates and powers."""
        return among_present(self._network, observation, self._decide)

    def _decide(
        self, network: TaskNetwork, observation: TaskObservation, rows: Rows
    ) -> TaskDecision:
        everybody = network.rate_floor == "all" and network.rate_min_bps > 0.0
        power_w = network.device_power_max_w
        if self.power is not None:
            power_w = np.minimum(self.power, power_w)
        return best_offloading(
            at_equal_rates(network, observation, self.local_cpu, self.edge_cpu),
            lambda instance, offload, relaxation: power_w * (offload | everybody),
        )


def at_equal_rates(
    network: TaskNetwork,
    observation: TaskObservation,
    local_cpu_hz: float | None,
    edge_cpu_hz: float | None,
) -> FixedRates:
    """The slot's instances with the rates of `EqualRatesTasks`."""
    tasks = observation.tasks
    if local_cpu_hz is None:
        local_hz = feasible_common_hz(network, tasks)
    else:
        common_hz = np.full(tasks.bits.shape, local_cpu_hz)
        local_hz = np.clip(common_hz, network.device_cpu_min_hz, network.device_cpu_max_hz)
    equal_share_hz = network.server_cpu_hz / network.devices
    edge_hz = equal_share_hz if edge_cpu_hz is None else edge_cpu_hz
    return FixedRates(observed(network, observation), local_hz, edge_hz)


def _require_positive(**keys: float | None) -> None:
    for name, value in keys.items():
        if value == 0.0:
            raise ValueError(f"{name} = 0; allowed: positive")
