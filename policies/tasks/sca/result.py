"""The answer of SCA, of either variant."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ....simulator.core.arrays import FloatArray
from ....simulator.tasks.decision import TaskDecision
from ..c10.slot import Slot

Status = Literal["converged", "iteration limit", "infeasible"]


@dataclass(frozen=True)
class Result:
    """A decision, and how SCA came to it.

    Attributes:
        decision: (N,) columns; rates are zero where they have no effect.
        worst_emission_g: C(10a).
        feasible: all limits hold, up to `TOLERANCE`.
        iterations: of Algorithm 1; for "improved", convex programs solved.
        failed_solves: subproblems without an answer; the last point was kept.
        status: "infeasible" if the decision is; else whether it converged.
        history: (1 + iterations,) worst emission in g at the start and after each iteration: of the
            iterate as it is ("paper"), or of the best decision so far, infinite before one is
            feasible ("improved").
    """

    decision: TaskDecision
    worst_emission_g: float
    feasible: bool
    iterations: int
    failed_solves: int
    status: Status
    history: FloatArray


def result(
    slot: Slot, point: TaskDecision, failed: int, status: Status, history: FloatArray
) -> Result:
    """The result that ends in a point of (N,) columns: no rates, and no power, without effect."""
    offload, power_w = point.offload, point.power_w
    if slot.network.rate_floor == "offloading":
        power_w = np.where(offload, power_w, 0.0)
    decision = TaskDecision(
        power_w=power_w,
        offload=offload,
        local_cpu_hz=np.where(offload, 0.0, point.local_cpu_hz),
        edge_cpu_hz=np.where(offload, point.edge_cpu_hz, 0.0),
    )
    outcome = slot.evaluate(decision)
    feasible = bool(outcome.use.feasible)
    return Result(
        decision=decision,
        worst_emission_g=float(outcome.worst_emission_g),
        feasible=feasible,
        iterations=len(history) - 1,
        failed_solves=failed,
        status=status if feasible else "infeasible",
        history=history,
    )
