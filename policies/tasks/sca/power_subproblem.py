"""Subproblem (19) of paper C's Algorithm 1: the powers, for given rates and offloading.

(11) is made convex by the `inequalities` (12), (13) and (17) around the point p^(i). p and r are
relative to it, limits to what is allowed, and emissions to the largest.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ....simulator.core.arrays import BoolArray, FloatArray
from ....simulator.core.compiled import compiled
from ....simulator.tasks.decision import TaskDecision
from ....simulator.tasks.outcome import TOLERANCE
from ...convex_solver import Parameters, solved
from ..c10.slot import Slot, SlotArrays
from .cones import add, empty, half_squares, inverse, long_limit, minimise, not_negative
from .inequalities import MARGIN, REACH, product_bound, rate_bound


class PowerSubproblem:
    """(19), built once for N devices.

    The objective holds the server's emissions as (11a) has them: they are given, but the line below
    (19), which drops them, would minimise the worst of something else.

    Attributes:
        p: (N,) p / p^(i).
        r: (N,) r / r^(i).
        constraints: by their numbers in the paper.
        problem: (19).
    """

    def __init__(self, devices: int) -> None:
        import cvxpy as cp

        self._given = given = power_parameters(devices)
        self.p, self.r = p, r = cp.Variable(devices, "p"), cp.Variable(devices, "r")
        p_r = cp.Variable(devices, "p r")
        worst = cp.Variable(name="worst emission")
        allowed = 1.0 - MARGIN
        # R^(i)(p) / R(p^(i)), C(13).
        rate = given.u - cp.multiply(given.v, cp.inv_pos(p)) - given.w @ p - given.w_noise
        emission = (
            cp.multiply(given.radio_emission, p_r) + given.server_emission + given.local_emission
        )
        self.constraints = {
            "(19a)": emission <= worst,
            "(13)": cp.inv_pos(r) <= rate,
            "(15)": cp.multiply(given.transmission, r) + given.execution <= allowed,
            "(18)": cp.multiply(given.energy, p_r) <= allowed,
            "(14)": r <= given.slowest * allowed,
            "(10e)": cp.sum(given.server) <= allowed,  # given; a full server leaves no room
            "p <= P_max": p <= given.power_max * allowed,
            "(17)": product_bound(p, r, p_r),
        }
        self.problem = cp.Problem(cp.Minimize(worst), list(self.constraints.values()))

    def solve(self, slot: Slot, point: TaskDecision) -> TaskDecision | None:
        """The point with the best powers; None if there are none within the limits.

        Nothing can be done here for local devices that are beyond theirs, (15) and (18).
        """
        outcome = slot.evaluate(point)
        beyond = np.maximum(outcome.use.delay, outcome.use.energy) > 1.0 + TOLERANCE
        if (beyond & ~point.offload).any():
            return None
        given = power_coefficients(
            slot.arrays(),
            point.offload,
            point.power_w,
            point.edge_cpu_hz,
            outcome.rate_bps,
            outcome.energy_j,
        )
        p = self._best(given, point)
        if p is None:
            return None
        power_w = np.minimum(point.power_w * p, slot.network.device_power_max_w)
        return replace(point, power_w=power_w)

    def _best(self, given: "PowerCoefficients", point: TaskDecision) -> FloatArray | None:
        """(N,) p."""
        self._given.assign(**given._asdict())
        p: FloatArray | None = self.p.value if solved(self.problem, rough=True) else None
        return p


class CompiledPowerSubproblem(PowerSubproblem):
    """(19) without CVXPY."""

    def __init__(self) -> None:
        pass

    def _best(self, given: "PowerCoefficients", point: TaskDecision) -> FloatArray | None:
        if given.server.sum() > 1.0 - MARGIN:  # (10e)
            return None
        optimal, p = _least_emission(given, point.offload, point.power_w > 0.0)
        return p if optimal else None


class PowerCoefficients(NamedTuple):
    """(19) at a point: the (N,) coefficients of p, r and p r, which are relative to it.

    Attributes:
        u: of (13), see `RateBound`.
        v: of 1 / p.
        w: (N, N) of the interferers' p.
        w_noise: of the noise.
        power_max: P_max / p^(i).
        slowest: the largest r, (14).
        transmission: alpha S r^(i) / D_max.
        execution: alpha C / f^0 / D_max.
        server: alpha f^0 / F_max.
        energy: alpha S p^(i) r^(i) / E_max.
        radio_emission: of p r, over the largest emission of a device; so are the next.
        server_emission: of what is offloaded.
        local_emission: of who stays local.
    """

    u: FloatArray
    v: FloatArray
    w: FloatArray
    w_noise: FloatArray
    power_max: FloatArray
    slowest: FloatArray
    transmission: FloatArray
    execution: FloatArray
    server: FloatArray
    energy: FloatArray
    radio_emission: FloatArray
    server_emission: FloatArray
    local_emission: FloatArray


@compiled
def power_coefficients(
    slot: SlotArrays,
    offload: BoolArray,
    power_w: FloatArray,
    edge_hz: FloatArray,
    rate_bps: FloatArray,
    local_j: FloatArray,
) -> PowerCoefficients:
    """(19) at a point.

    Args:
        slot: of one replication.
        offload: (N,) alpha^(i).
        power_w: (N,) p^(i).
        edge_hz: (N,) f^0(i).
        rate_bps: (N,) R at the point.
        local_j: (N,) what those emit for that stay local; zero where they do not count.
    """
    devices = len(offload)
    bound = rate_bound(slot, power_w)
    power_max, slowest = np.empty(devices), np.full(devices, REACH)
    transmission, execution, server, energy = np.zeros((4, devices))
    radio, edge, local = np.zeros((3, devices))
    largest_j = 0.0
    for m in range(devices):
        power_max[m] = min(slot.power_max_w[m] / power_w[m], REACH) if power_w[m] > 0.0 else REACH
        if power_w[m] > 0.0 and slot.rate_min_bps > 0.0:
            slowest[m] = min(rate_bps[m] / slot.rate_min_bps, REACH)
        if offload[m]:
            airtime_s = slot.bits[m] / rate_bps[m]
            radio[m] = power_w[m] * airtime_s if power_w[m] > 0.0 else 0.0
            edge[m] = slot.theta_server * slot.cycles[m] * edge_hz[m] ** 2
            transmission[m] = airtime_s / slot.deadline_s[m]
            execution[m] = slot.cycles[m] / (edge_hz[m] * slot.deadline_s[m])
            server[m] = edge_hz[m] / slot.server_cpu_hz
            energy[m] = radio[m] / slot.energy_max_j
        else:
            local[m] = local_j[m]
        largest_j = max(largest_j, radio[m] + edge[m] + local[m])
    if largest_j > 0.0:
        radio, edge, local = radio / largest_j, edge / largest_j, local / largest_j
    return PowerCoefficients(
        bound.u,
        bound.v,
        bound.w,
        bound.w_noise,
        power_max,
        slowest,
        transmission,
        execution,
        server,
        energy,
        radio,
        edge,
        local,
    )


def power_parameters(devices: int) -> Parameters:
    """The parameters of (19)."""
    columns = [name for name in PowerCoefficients._fields if name != "w"]
    return Parameters(devices, " ".join(columns), "w")


@compiled
def _least_emission(
    given: PowerCoefficients, offload: BoolArray, sends: BoolArray
) -> tuple[bool, FloatArray]:
    """(19) as a cone program.

    Left out are the p r of who does not offload, which means nothing, and its r: (13) and (14) are R_min
    alone. Who is silent stays so.

    Args:
        given: the coefficients.
        offload: (N,) alpha.
        sends: (N,) whose power is not zero.

    Returns:
        Whether there is an optimum, and (N,) p.
    """
    devices = len(offload)
    # p r, 1 / r, 1 / p, r and the multiplier of (13) of each device, then all p, then the worst emission.
    worst = 6 * devices
    program = empty(worst + 1, 20 * devices + 1, devices * (devices + 28) + 1)
    room, staying = 1.0 - MARGIN, 0.0
    program.cost[worst] = 1.0
    for m in range(devices):
        p_r, inverse_r, inverse_p, r, multiplier = 5 * m, 5 * m + 1, 5 * m + 2, 5 * m + 3, 5 * m + 4
        p = 5 * devices + m
        if not offload[m]:
            staying = max(staying, given.local_emission[m])
        if not sends[m]:
            continue
        add(program, -1.0, p)
        not_negative(program, given.power_max[m] * room)  # p <= P_max
        inverse(program, inverse_p, p)
        add(program, -given.v[m], inverse_p)
        for n in range(devices):
            if sends[n] and n != m:
                add(program, -given.w[m, n], 5 * devices + n)
        if not offload[m]:
            slowest = given.slowest[m] * room
            long_limit(program, given.u[m] - given.w_noise[m] - 1.0 / slowest, multiplier)
            continue
        add(program, -1.0, inverse_r)
        long_limit(program, given.u[m] - given.w_noise[m], multiplier)  # (13)
        inverse(program, inverse_r, r)
        half_squares(program, p_r, p, r)  # (17)
        add(program, -given.transmission[m], r)
        not_negative(program, room - given.execution[m])  # (15)
        add(program, -given.energy[m], p_r)
        not_negative(program, room)  # (18)
        add(program, -1.0, r)
        not_negative(program, given.slowest[m] * room)  # (14)
        add(program, 1.0, worst)
        add(program, -given.radio_emission[m], p_r)
        not_negative(program, -given.server_emission[m])  # (19a)
    add(program, 1.0, worst)
    not_negative(program, -staying)  # (19a) of who stays local
    x = np.ones(worst + 1)
    return minimise(program, x), x[5 * devices : 6 * devices]
