"""Subproblem (21) of paper C's Algorithm 1: who offloads, at given powers and processing rates.

A mixed-integer linear program: with everything else given, each device has two emissions to choose
from, of which some are forbidden.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ....simulator.core.arrays import BoolArray, FloatArray
from ....simulator.tasks.decision import TaskDecision
from ....simulator.tasks.outcome import TOLERANCE
from ...convex_solver import Parameters, solved
from ..c10.nested_sets import crossing
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

        self._given = given = Parameters(devices, " ".join(OffloadingCoefficients._fields))
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
        given = OffloadingCoefficients(
            local_emission=emission[0],
            edge_emission=emission[1],
            local_late=late[0],
            edge_late=late[1],
            local_overspent=overspent[0],
            edge_overspent=overspent[1],
            server=point.edge_cpu_hz / slot.network.server_cpu_hz,
        )
        offload = self._best(given)
        return None if offload is None else replace(point, offload=offload)

    def _best(self, given: "OffloadingCoefficients") -> BoolArray | None:
        """(N,) alpha."""
        self._given.assign(**given._asdict())
        if not solved(self.problem, mixed_integer=True):
            return None
        alpha: BoolArray = self.alpha.value > 0.5
        return alpha


class CompiledOffloadingSubproblem(OffloadingSubproblem):
    """(21) without CVXPY.

    Whoever can stay local within a level of emission frees a part of the server, so the least level is
    the least at which there is room for all others. Of the decisions that reach it, each device takes the
    one that emits less, for as long as the server has room; who gains most is first.
    """

    def __init__(self) -> None:
        pass

    def _best(self, given: "OffloadingCoefficients") -> BoolArray | None:
        local = np.where(
            given.local_late + given.local_overspent > 0.0, np.inf, given.local_emission
        )
        edge = np.where(given.edge_late + given.edge_overspent > 0.0, np.inf, given.edge_emission)
        levels = np.unique([local, edge])
        levels = levels[levels < np.inf]

        def fits(level: float) -> bool:
            must = local > level
            return bool((edge[must] <= level).all() and given.server[must].sum() <= 1.0)

        if not levels.size or not fits(levels[-1]):
            return None
        place, _ = crossing(0, levels.size - 1, lambda k: fits(levels[k]))
        level = levels[place]
        offload: BoolArray = local > level
        room = 1.0 - given.server[offload].sum()
        wins = np.flatnonzero((local <= level) & (edge < local))
        for m in wins[np.argsort(edge[wins] - local[wins], kind="stable")]:
            if given.server[m] <= room:
                offload[m] = True
                room -= given.server[m]
        return offload


class OffloadingCoefficients(NamedTuple):
    """(21) at a point, (N,) each.

    Attributes:
        local_emission: xi_m at alpha_m = 0, over the largest.
        edge_emission: at alpha_m = 1.
        local_late: 1 where it breaks (21b), else 0.
        edge_late: likewise.
        local_overspent: 1 where it breaks (21c), else 0.
        edge_overspent: likewise.
        server: f_m^0(i) / F_max.
    """

    local_emission: FloatArray
    edge_emission: FloatArray
    local_late: FloatArray
    edge_late: FloatArray
    local_overspent: FloatArray
    edge_overspent: FloatArray
    server: FloatArray
