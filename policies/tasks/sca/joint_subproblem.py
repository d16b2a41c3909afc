"""The convex program of the improved variant: (19) and the server's part of (20) as one.

Rates and powers share the deadline (15). While the rates stand still the radio cannot use more time,
and while the radio stands still the rates cannot fall. (15) and the energies are convex in both
together. All variables are relative to the point (p, r, f)^(i), as in `power_subproblem`.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ....simulator.tasks.decision import TaskDecision
from ...convex_solver import solved
from ..c10.slot import Slot
from .inequalities import MARGIN, product_bound, within_reach
from .power_subproblem import assign_at, power_parameters

if TYPE_CHECKING:
    import cvxpy as cp

_TIE_WEIGHT = 1e-4
"""Of the mean emission of offloaders, beside the worst: settles what the worst device leaves open."""


class JointSubproblem:
    """The best powers and server rates of given offloaders, built once for N devices.

    p = q / z with a common z: (12) cannot see that all powers scaled alike leave the rates alone but
    for the noise, and would only allow short steps. With z, y = I(q) + N_0 z is as linear as before,
    and (17) is applied to q (1 / z) as well.

    Args:
        devices: N.
        joint: the server's rates are optimised; else they stay.
        capped: links carry no more than a cap.

    Attributes:
        q: (N,) z p / p^(i).
        r: (N,) r / r^(i).
        f: (N,) f^0 / f^0(i).
        z: the scale.
        emission: the problem of the least worst emission.
        violation: the problem of the least factor 1 + excess by which limits must be relaxed.
    """

    def __init__(self, devices: int, joint: bool, capped: bool = False) -> None:
        import cvxpy as cp

        self._given, self._joint = power_parameters(devices), joint
        self._fastest = cp.Parameter(devices, "fastest", nonneg=True) if capped else None
        self._server_max = cp.Parameter(devices, "server_max", nonneg=True)
        self.q, self.r, self.z = cp.Variable(devices, "q"), cp.Variable(devices, "r"), cp.Variable()
        self.f = cp.Variable(devices, "f") if joint else cp.Constant(np.ones(devices))
        p_r = cp.Variable(devices, "p r")
        emission = cp.multiply(self._given.radio_emission, p_r) + cp.multiply(
            self._given.server_emission, cp.square(self.f)
        )
        worst, excess = cp.Variable(name="worst emission"), cp.Variable(name="excess")
        self.emission = cp.Problem(
            cp.Minimize(worst + _TIE_WEIGHT / devices * cp.sum(emission)),
            [emission <= worst, *self._limits(p_r, -MARGIN).values()],
        )
        self.violation = cp.Problem(
            cp.Minimize(excess), [excess >= -1e-2, *self._limits(p_r, excess).values()]
        )

    def _limits(
        self, p_r: "cp.Variable", excess: "cp.Variable | float"
    ) -> "dict[str, cp.Constraint]":
        """All limits, relaxed by a factor 1 + excess."""
        import cvxpy as cp

        given, q, r, f, z = self._given, self.q, self.r, self.f, self.z
        p, inverse = cp.Variable(q.size, "p"), cp.Variable(name="1 / z")
        allowed = 1.0 + excess
        rate = given.u - cp.multiply(given.v, cp.inv_pos(q)) - given.w @ q - given.w_noise * z
        limits = {
            "(13)": cp.inv_pos(r) <= rate,
            "(15)": cp.multiply(given.transmission, r) + cp.multiply(given.execution, cp.inv_pos(f))
            <= allowed,
            "(18)": cp.multiply(given.energy, p_r) <= allowed,
            "(14)": r <= given.slowest * allowed,
            "(10e)": given.server @ f <= allowed,
        }
        if self._joint:
            limits["f <= F_max"] = f <= self._server_max
        if self._fastest is not None:
            limits["r >= r_min"] = r >= self._fastest
        return limits | {
            "1 / z": cp.inv_pos(z) <= inverse,
            "(17) q (1 / z)": product_bound(q, inverse, p),
            "p <= P_max": p <= given.power_max * allowed,
            "(17) p r": product_bound(p, r, p_r),
        }

    def least_emission(self, slot: Slot, point: TaskDecision) -> TaskDecision | None:
        """One step from a point of (N,) columns towards the least worst emission of offloaders."""
        return self._step(self.emission, slot, point)

    def least_violation(self, slot: Slot, point: TaskDecision) -> TaskDecision | None:
        """One step towards the least factor by which limits of radio and server must be relaxed."""
        return self._step(self.violation, slot, point)

    def _step(self, problem: "cp.Problem", slot: Slot, point: TaskDecision) -> TaskDecision | None:
        network, edge_hz = slot.network, point.edge_cpu_hz
        outcome = slot.evaluate(point)
        assign_at(self._given, slot, point, outcome, everybody=False)
        if self._fastest is not None:
            # A device at its cap, or silent, must have r = 1 within its limits.
            fastest = outcome.rate_bps / (network.bandwidth_hz * network.efficiency.cap)
            self._fastest.save_value(np.where(point.offload, np.minimum(fastest, 1.0), 0.0))
        self._server_max.save_value(within_reach(network.server_cpu_hz, edge_hz))
        if not solved(problem, rough=True):
            return None
        power_w = point.power_w * self.q.value / self.z.value
        return replace(
            point,
            power_w=np.minimum(power_w, network.device_power_max_w),
            edge_cpu_hz=edge_hz * self.f.value,
        )
