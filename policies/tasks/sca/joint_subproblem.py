"""The convex program of the improved variant: (19) and the server's part of (20) as one.

Rates and powers share the deadline (15). While the rates stand still the radio cannot use more time,
and while the radio stands still the rates cannot fall. (15) and the energies are convex in both
together. All variables are relative to the point (p, r, f)^(i), as in `power_subproblem`.
"""

from typing import TYPE_CHECKING

import numpy as np

from ....simulator.core.arrays import BoolArray, FloatArray
from ....simulator.core.compiled import compiled, compiled_in_place
from ...convex_solver import solved
from ..c10.points import Point
from ..c10.slot import SlotArrays
from .cones import (
    Program,
    add,
    empty,
    half_squares,
    inverse,
    inverse_of_relaxed,
    long_limit,
    minimise,
    not_negative,
    square,
)
from .inequalities import MARGIN, REACH, product_bound
from .power_subproblem import PowerCoefficients, power_coefficients, power_parameters

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

    def step(
        self, slot: SlotArrays, offload: BoolArray, point: Point, relaxed: bool
    ) -> tuple[FloatArray, FloatArray] | None:
        """One step of SCA.

        Args:
            slot: of one replication.
            offload: (N,) alpha.
            point: where it begins.
            relaxed: towards the least factor by which limits of radio and server must be relaxed, else
                towards the least worst emission of offloaders.

        Returns:
            (N,) powers in W and server rates in Hz; None if the program is not solved.
        """
        given = power_coefficients(
            slot, offload, point.power_w, point.edge_hz, point.rate_bps, np.zeros(len(offload))
        )
        server_max = np.minimum(slot.server_cpu_hz / point.edge_hz, REACH)
        # A device at its cap, or silent, must have r = 1 within its limits.
        fastest = point.rate_bps / (slot.bandwidth_hz * slot.efficiency.cap)
        fastest = np.where(offload, np.minimum(fastest, 1.0), 0.0)
        best = self._best(given, server_max, fastest, offload, point.power_w > 0.0, relaxed)
        if best is None:
            return None
        p, f = best
        return np.minimum(point.power_w * p, slot.power_max_w), point.edge_hz * f

    def _best(
        self,
        given: PowerCoefficients,
        server_max: FloatArray,
        fastest: FloatArray,
        offload: BoolArray,
        sends: BoolArray,
        relaxed: bool,
    ) -> tuple[FloatArray, FloatArray] | None:
        """(N,) p = q / z and f."""
        self._given.assign(**given._asdict())
        self._server_max.save_value(server_max)
        if self._fastest is not None:
            self._fastest.save_value(fastest)
        if not solved(self.violation if relaxed else self.emission, rough=True):
            return None
        return self.q.value / self.z.value, self.f.value


class CompiledJointSubproblem(JointSubproblem):
    """The same without CVXPY, for any number of devices.

    Args:
        joint: the server's rates are optimised; else they stay.
    """

    def __init__(self, joint: bool) -> None:
        self._joint = joint

    def _best(
        self,
        given: PowerCoefficients,
        server_max: FloatArray,
        fastest: FloatArray,
        offload: BoolArray,
        sends: BoolArray,
        relaxed: bool,
    ) -> tuple[FloatArray, FloatArray] | None:
        optimal, p, f = _solved(given, server_max, fastest, offload, sends, self._joint, relaxed)
        return (p, f) if optimal else None


@compiled
def _solved(
    given: PowerCoefficients,
    server_max: FloatArray,
    fastest: FloatArray,
    offload: BoolArray,
    sends: BoolArray,
    joint: bool,
    relaxed: bool,
) -> tuple[bool, FloatArray, FloatArray]:
    """The cone program.

    Left out are f and p r of who does not offload, which mean nothing, and its r: (13) and (14) are R_min
    alone. Who is silent stays so.

    Args:
        given: the coefficients of (19).
        server_max: (N,) F_max / f^0(i).
        fastest: (N,) the least r by a cap on spectral efficiency; zero without one.
        offload: (N,) alpha.
        sends: (N,) whose power is not zero.
        joint: with f, else f = 1.
        relaxed: the least excess, else the least emission.

    Returns:
        Whether there is an optimum, and (N,) p = q / z and f.
    """
    devices = len(offload)
    # Nine of each device, all q, then: bound of 1 / z, z, 1 / z, 1 / (1 + excess), what is minimised.
    size = 10 * devices + 5
    z, inverse_z, last = size - 4, size - 3, size - 1
    program = empty(size, 30 * devices + 12, devices * (devices + 42) + 12)
    program.cost[last] = 1.0
    add(program, 1.0, last)
    not_negative(program, 1e-2 if relaxed else 0.0)
    inverse(program, size - 5, z)
    add(program, 1.0, inverse_z)
    add(program, -1.0, size - 5)
    not_negative(program, 0.0)  # 1 / z
    if relaxed:
        inverse_of_relaxed(program, size - 2, last)
    for m in range(devices):
        if sends[m]:
            _radio(program, given, m, offload[m], sends, relaxed)
        if fastest[m] > 0.0:
            add(program, 1.0, 9 * m + 7)
            not_negative(program, -fastest[m])  # r >= r_min
        if offload[m]:
            _server(program, given, server_max[m], m, joint, relaxed)
            if not relaxed:
                _emission(program, given, m, joint)
    used = 0.0
    for m in range(devices):
        if offload[m] and joint:
            add(program, -given.server[m], 9 * m + 3)
        elif offload[m]:
            used += given.server[m]
    _end_limit(program, 1.0, used, relaxed)  # (10e)
    x = np.ones(size)
    optimal = minimise(program, x)
    f = np.ones(devices)
    for m in range(devices):
        if offload[m] and joint:
            f[m] = x[9 * m + 3]
    return optimal, x[9 * devices : 10 * devices] / x[z], f


@compiled_in_place
def _end_limit(program: Program, scale: float, used: float, relaxed: bool) -> None:
    """The row so far is minus the rest of a limit: terms + used <= scale (1 + excess)."""
    if relaxed:
        add(program, scale, len(program.cost) - 1)
        not_negative(program, scale - used)
    else:
        not_negative(program, scale * (1.0 - MARGIN) - used)


@compiled_in_place
def _radio(
    program: Program,
    given: PowerCoefficients,
    m: int,
    offloads: bool,
    sends: BoolArray,
    relaxed: bool,
) -> None:
    """The limits of the radio of device m.

    A device's variables are, in this order: the bounds of f^2 and 1 / f, p r, f, the bounds of 1 / r and
    1 / q, p, r, and the multiplier of (13); q comes after those of all.
    """
    devices = len(sends)
    all_q, size = 9 * devices, len(program.cost)
    z, inverse_z = size - 4, size - 3
    p_r, inverse_r, inverse_q, p, r, multiplier = (
        9 * m + 2,
        9 * m + 4,
        9 * m + 5,
        9 * m + 6,
        9 * m + 7,
        9 * m + 8,
    )
    half_squares(program, p, all_q + m, inverse_z)  # (17) q (1 / z)
    add(program, -1.0, p)
    _end_limit(program, given.power_max[m], 0.0, relaxed)  # p <= P_max
    inverse(program, inverse_q, all_q + m)
    add(program, -given.v[m], inverse_q)
    add(program, -given.w_noise[m], z)
    for n in range(devices):
        if sends[n] and n != m:
            add(program, -given.w[m, n], all_q + n)
    if offloads:
        add(program, -1.0, inverse_r)
        long_limit(program, given.u[m], multiplier)  # (13)
        inverse(program, inverse_r, r)
        add(program, -1.0, r)
        _end_limit(program, given.slowest[m], 0.0, relaxed)  # (14)
        half_squares(program, p_r, p, r)  # (17) p r
    elif relaxed:
        add(program, -1.0 / given.slowest[m], size - 2)
        long_limit(program, given.u[m], multiplier)
    else:
        long_limit(program, given.u[m] - 1.0 / (given.slowest[m] * (1.0 - MARGIN)), multiplier)


@compiled_in_place
def _server(
    program: Program,
    given: PowerCoefficients,
    server_max: float,
    m: int,
    joint: bool,
    relaxed: bool,
) -> None:
    """The limits of device m that have to do with its task."""
    inverse_f, p_r, f, r = 9 * m + 1, 9 * m + 2, 9 * m + 3, 9 * m + 7
    used = given.execution[m]
    if joint:
        inverse(program, inverse_f, f)
        add(program, -1.0, f)
        not_negative(program, server_max)  # f <= F_max
        add(program, -given.execution[m], inverse_f)
        used = 0.0
    add(program, -given.transmission[m], r)
    _end_limit(program, 1.0, used, relaxed)  # (15)
    add(program, -given.energy[m], p_r)
    _end_limit(program, 1.0, 0.0, relaxed)  # (18)


@compiled_in_place
def _emission(program: Program, given: PowerCoefficients, m: int, joint: bool) -> None:
    """The worst emission is no less than that of device m, and all of them count a little."""
    square_f, p_r, f, worst = 9 * m, 9 * m + 2, 9 * m + 3, len(program.cost) - 1
    weight = _TIE_WEIGHT / len(given.u)
    program.cost[p_r] = weight * given.radio_emission[m]
    used = given.server_emission[m]
    if joint:
        square(program, square_f, f)
        program.quadratic[f] = 2.0 * weight * used
        add(program, -used, square_f)
        used = 0.0
    add(program, 1.0, worst)
    add(program, -given.radio_emission[m], p_r)
    not_negative(program, -used)  # (19a)
