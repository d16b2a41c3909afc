"""The optimum of C(10) in every slot."""

import math
from dataclasses import dataclass

import numpy as np

from ...scenarios.units import PositiveSeconds
from ...simulator.core.randomness import Generators
from ...simulator.tasks.decision import TaskDecision
from ...simulator.tasks.network import TaskNetwork
from ...simulator.tasks.observation import TaskObservation
from ...simulator.tasks.problem import WorstCaseEmission
from ..among_present import Rows, among_present
from ..base import Policy
from .c10.slot import stack, unstack
from .c10.solver import solve


@dataclass
class Exact(Policy):
    """The global optimum of C(10) in every slot, with its certificate in the trace.

    It is the optimum of what the twin shows, and so are `lower_bound_mg` and `optimality_gap`; where the
    server has panels, which no decision knows of, both are NaN. Paper C
    has no such scheme; `c10.solver` has the method and its proof. Refused with a `SizeError` for more
    than its `MAX_DEVICES` devices, unless there is a time limit.

    Attributes:
        time_limit: for one decision; then the best so far is taken, with the bound proven so far.
            What a decision reaches in it depends on the machine, so a run does not repeat exactly.

    Raises:
        ValueError: the limit is not positive.
    """

    time_limit: PositiveSeconds | None = None

    def __post_init__(self) -> None:
        if self.time_limit is not None and self.time_limit <= 0.0:
            raise ValueError(f"time_limit = {self.time_limit} s; allowed: more than 0 s")

    def reset(self, network: TaskNetwork, problem: WorstCaseEmission, rngs: Generators) -> None:
        """Keep the network's limits."""
        self._network = network
        # What is certified is of the grid's electricity.
        self._certified = math.nan if problem.panels else 1.0

    def decide(self, observation: TaskObservation) -> TaskDecision:
        """One replication after another."""
        nothing = {"lower_bound_mg": 0.0, "optimality_gap": 0.0}
        return among_present(self._network, observation, self._decide, nothing)

    def _decide(
        self, network: TaskNetwork, observation: TaskObservation, rows: Rows
    ) -> TaskDecision:
        solutions = [solve(slot, self.time_limit) for slot in unstack(network, observation)]
        return stack(
            [solution.decision for solution in solutions],
            {
                "lower_bound_mg": np.array([one.lower_bound_g for one in solutions])
                * (1e3 * self._certified),
                "optimality_gap": np.array([one.gap for one in solutions]) * self._certified,
            },
        )
