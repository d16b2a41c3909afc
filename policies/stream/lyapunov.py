"""Lyapunov drift-plus-penalty: Algorithm 1 of paper A (Dai, Zhang, Maharjan, Zhang, IEEE TII)."""

from collections.abc import Sequence
from typing import Literal

from ...simulator.core.randomness import Generators
from ...simulator.network.network import Network
from ...simulator.stream.decision import Decision
from ...simulator.stream.observation import Observation
from ...simulator.stream.problem import DriftPlusPenalty
from .p2.solver import Solver
from .pressing import with_pressing

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
        self._optimise = optimise

    def reset(self, network: Network, problem: DriftPlusPenalty, rngs: Generators) -> None:
        """Set up the solver of P2."""
        self._problem = problem
        self._solver = Solver(problem, "radio" in self._optimise, "compute" in self._optimise)

    def decide(self, observation: Observation) -> Decision:
        """One time slot of Algorithm 1, in all replications.

        Line 1, "digital twin first predicts perturbation vector beta based on local task queue and
        Eq. (19)": `observation.perturbation_bits`, from `DriftPlusPenalty.predict`.

        Line 2, "digital twin observes Theta(t) and lambda_i(t) and determines a(t) by solving P2":
        Theta is `observation.queue_bits` and `observation.station_queue_bits`; lambda_i adds a
        constant to P2, A(20), and changes no decision; a(t) is what `Solver.solve` answers.
        """
        return with_pressing(self._problem, observation, self._solver.solve)
