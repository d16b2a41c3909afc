"""Subproblem (21) of paper C's Algorithm 1: who offloads, at given powers and processing rates.

A mixed-integer linear program: with everything else given, each device has two emissions to choose
from, of which some are forbidden.
"""

from dataclasses import replace

import numpy as np

from ....simulator.tasks.decision import TaskDecision
from ....simulator.tasks.outcome import TOLERANCE
from ...convex_solver import Parameters, solved
from ..c10.slot import Slot


class OffloadingSubproblem:
    """(21), built once for N devices.

    Attributes:
        alpha: (N,) alpha_m, (10f).
        constraints: by their numbers in the paper.
        problem: (21).
    """

    def __init__(self, devices: int) -> None:
        import cvxpy as cp

        self._given = given = Parameters(
            devices,
            "local_emission edge_emission local_late edge_late local_overspent edge_overspent server",
        )
        self.alpha = alpha = cp.Variable(devices, "alpha", boolean=True)
        worst = cp.Variable(name="worst emission")

        def chosen(local: cp.Parameter, offloaded: cp.Parameter) -> cp.Expression:
            return cp.multiply(local, 1.0 - alpha) + cp.multiply(offloaded, alpha)

        self.constraints = {
            "(21a)": chosen(given.local_emission, given.edge_emission) <= worst,
            "(21b)": chosen(given.local_late, given.edge_late) <= 0.5,
            "(21c)": chosen(given.local_overspent, given.edge_overspent) <= 0.5,
            "(21d)": given.server @ alpha <= 1.0,
        }
        self.problem = cp.Problem(cp.Minimize(worst), list(self.constraints.values()))

    def solve(self, slot: Slot, point: TaskDecision) -> TaskDecision | None:
        """The point with the best offloading; None if no alpha holds the limits."""
        nobody = np.zeros(slot.network.devices, dtype=np.bool_)
        both = np.stack([nobody, ~nobody])
        outcome = slot.evaluate(replace(point, offload=both))
        emission = outcome.emission_g / outcome.emission_g.max()
        late = (outcome.use.delay > 1.0 + TOLERANCE).astype(np.float64)
        overspent = (outcome.use.energy > 1.0 + TOLERANCE).astype(np.float64)
        self._given.assign(
            local_emission=emission[0],  # xi_m at alpha_m = 0, and at alpha_m = 1
            edge_emission=emission[1],
            local_late=late[0],  # 1 where it breaks (21b), else 0
            edge_late=late[1],
            local_overspent=overspent[0],  # 1 where it breaks (21c), else 0
            edge_overspent=overspent[1],
            server=point.edge_cpu_hz / slot.network.server_cpu_hz,  # f_m^0(i) / F_max
        )
        if not solved(self.problem, mixed_integer=True):
            return None
        return replace(point, offload=self.alpha.value > 0.5)
