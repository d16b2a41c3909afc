"""Paper C's Algorithm 1, line by line, from any start."""

from typing import Literal

import numpy as np

from ....simulator.tasks.decision import TaskDecision
from ..c10.slot import Slot
from .offloading_subproblem import CompiledOffloadingSubproblem, OffloadingSubproblem
from .power_subproblem import CompiledPowerSubproblem, PowerSubproblem
from .rate_subproblem import CompiledRateSubproblem, RateSubproblem
from .result import Result, Status, result


class Algorithm1:
    """Algorithm 1: takes turns over powers (19), rates (20) and offloading (21).

    Three things are not in print. A subproblem that is not solved, as when the start breaks limits,
    leaves its variables alone. So does an answer that breaks limits where the point did not, as the
    solver's accuracy may bring about. And no power grows by more than `REACH` in one step.

    Args:
        devices: N.
        optimise_rates: else line 4 is left out: "non-optimal computing rate" of Fig. 6.
        solver: of the subproblems; see `Sca`.
    """

    def __init__(
        self, devices: int, optimise_rates: bool, solver: Literal["compiled", "cvxpy"]
    ) -> None:
        compiled = solver == "compiled"
        self._power = CompiledPowerSubproblem() if compiled else PowerSubproblem(devices)
        self._rates = None
        if optimise_rates:
            self._rates = CompiledRateSubproblem() if compiled else RateSubproblem(devices)
        self._offloading = (
            CompiledOffloadingSubproblem() if compiled else OffloadingSubproblem(devices)
        )

    def solve(
        self, slot: Slot, start: TaskDecision, iterations_max: int, threshold: float
    ) -> Result:
        """The decision in which it ends.

        Args:
            slot: (N,) columns of one replication.
            start: (N,) the initial point.
            iterations_max: I_max.
            threshold: converged when the worst emission changes by no more than this, relative.
        """
        iterate = _Iterate(slot, start)  # line 1
        history = [iterate.worst_emission_g]
        status: Status = "iteration limit"
        for _ in range(iterations_max):  # line 2
            iterate.accept(self._power.solve(slot, iterate.point))  # line 3
            if self._rates is not None:
                iterate.accept(self._rates.solve(slot, iterate.point))  # line 4
            iterate.accept(self._offloading.solve(slot, iterate.point))  # line 5
            history.append(iterate.worst_emission_g)
            if abs(history[-2] - history[-1]) <= threshold * history[-2]:  # line 6
                status = "converged"
                break
        return result(slot, iterate.point, iterate.failed, status, np.array(history))  # line 7


class _Iterate:
    """The point (p, f, alpha)^(i).

    Attributes:
        point: (N,) columns.
        failed: subproblems whose answer was not taken.
    """

    def __init__(self, slot: Slot, start: TaskDecision) -> None:
        self._slot, self.point, self.failed = slot, start, 0
        self._outcome = slot.evaluate(start)

    @property
    def worst_emission_g(self) -> float:
        """C(10a)."""
        return float(self._outcome.worst_emission_g)

    def accept(self, found: TaskDecision | None) -> None:
        """Move there, unless there is nothing or it breaks limits that held."""
        if found is not None:
            outcome = self._slot.evaluate(found)
            if outcome.use.feasible or not self._outcome.use.feasible:
                self.point, self._outcome = found, outcome
                return
        self.failed += 1
