"""Lyapunov drift-plus-penalty: Algorithm 1 of paper A, with P2 solved in each slot."""

from collections.abc import Sequence
from typing import Literal

from ...simulator.core.randomness import Generators
from ...simulator.stream.decision import Decision
from ...simulator.stream.network import Network
from ...simulator.stream.observation import Observation
from ...simulator.stream.problem import DriftPlusPenalty
from ..allocation_rules import station_service
from .p2 import solver as p2

Part = Literal["radio", "compute"]


class Lyapunov:
    """Algorithm 1: predict beta, observe the queues, minimise P2.

    Args:
        optimise: what P2 is minimised over beside who offloads. "radio": bandwidth and power;
            without it each device has an equal share of its station's band, and full power while
            it sends. "compute": CPU speeds of devices and stations; without it devices compute at
            full speed, and a station's CPU is shared equally. One alone is a benchmark of Fig. 4.

    Raises:
        ValueError: nothing to optimise, or an unknown part.
    """

    def __init__(self, optimise: Sequence[Part] = ("radio", "compute")) -> None:
        if not optimise or not set(optimise) <= {"radio", "compute"}:
            raise ValueError(f'optimise: {optimise!r}; allowed: "radio", "compute", or both')
        self._radio = "radio" in optimise
        self._compute = "compute" in optimise

    def reset(self, network: Network, problem: DriftPlusPenalty, rngs: Generators) -> None:
        """Keep what does not change during a run."""
        self._network = network
        self._problem = problem
        self._cells = p2.cells(problem)

    def decide(self, observation: Observation) -> Decision:
        """Lines 1 and 2 of Algorithm 1, for all replications."""
        bandwidth_hz, power_w, local_bits, edge_share = p2.solve(
            self._cells,
            observation.station,
            observation.channel_gain,
            observation.queue_bits,
            observation.station_queue_bits,
            self._problem.bit_value(observation),
            observation.power_max_w,
            self._network.device_service_bits,
            self._problem.V * self._network.slot_s,
            self._radio,
            self._compute,
        )
        return Decision(
            bandwidth_hz=bandwidth_hz,
            power_w=power_w,
            local_cpu_hz=local_bits * (self._network.cycles_per_bit / self._network.slot_s),
            edge_cpu_hz=edge_share * self._network.station_cpu_hz[observation.station],
            served_bits=station_service(self._network, observation),
        )
