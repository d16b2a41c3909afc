"""Subproblem (20) of paper C's Algorithm 1: the processing rates, for given powers and offloading.

It is convex as it stands. A device has one rate that matters, its own or its share of the server: one
variable each, relative to the rate at the point. Limits are relative to what is allowed, and emissions
to the largest.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ....simulator.core.arrays import FloatArray
from ....simulator.core.compiled import compiled
from ....simulator.tasks.decision import TaskDecision
from ...convex_solver import Parameters, solved
from ..c10.slot import Slot
from .cones import add, empty, inverse, minimise, not_negative, square
from .inequalities import MARGIN


class RateSubproblem:
    """(20), built once for N devices.

    Attributes:
        f: (N,) f_m / f_m^(i), or f_m^0 / f_m^0(i) where the device offloads.
        constraints: by their numbers in the paper.
        problem: (20).
    """

    def __init__(self, devices: int) -> None:
        import cvxpy as cp

        self._given = given = Parameters(devices, " ".join(RateCoefficients._fields))
        self.f = f = cp.Variable(devices, "f")
        worst = cp.Variable(name="worst emission")
        # Tighter than in (19), which otherwise would have no inside at these rates.
        allowed = 1.0 - 2.0 * MARGIN
        self.constraints = {
            "(20a)": given.radio_emission + cp.multiply(given.computing_emission, cp.square(f))
            <= worst,
            "(20b)": given.transmission + cp.multiply(given.execution, cp.inv_pos(f)) <= allowed,
            "(10e)": given.server @ f <= allowed,
            "f >= f_min": given.f_min <= f,
            "(20c), f <= f_max": f <= given.f_max,
        }
        self.problem = cp.Problem(cp.Minimize(worst), list(self.constraints.values()))

    def solve(self, slot: Slot, point: TaskDecision) -> TaskDecision | None:
        """The point with the best rates, those that mean nothing kept; None if none are allowed."""
        network, tasks, offload = slot.network, slot.tasks, point.offload
        outcome = slot.evaluate(point)
        rate_hz = np.where(offload, point.edge_cpu_hz, point.local_cpu_hz)
        computing_j = np.where(offload, outcome.server_energy_j, outcome.energy_j)
        radio_j = np.where(offload, outcome.energy_j, 0.0)
        # (20c) limits the rate of a local device; of an offloader, only its radio's energy counts.
        affordable_hz = np.sqrt(network.energy_max_j / (network.theta_device * tasks.cycles))
        local_max_hz = np.minimum(network.device_cpu_max_hz, affordable_hz)
        emission_g = slot.carbon_g_per_j * np.stack([radio_j, computing_j])
        emission = emission_g / emission_g.sum(axis=0).max()
        given = RateCoefficients(
            radio_emission=emission[0],
            computing_emission=emission[1],
            transmission=outcome.transmission_s / tasks.deadline_s,
            execution=tasks.cycles / (rate_hz * tasks.deadline_s),
            server=offload * rate_hz / network.server_cpu_hz,
            f_min=np.where(offload, 0.0, network.device_cpu_min_hz / rate_hz),
            f_max=np.where(offload, network.server_cpu_hz, local_max_hz) / rate_hz,
        )
        f = None if (radio_j > network.energy_max_j).any() else self._best(given)
        if f is None:
            return None
        rate_hz = rate_hz * f
        local_hz = np.clip(rate_hz, network.device_cpu_min_hz, network.device_cpu_max_hz)
        return replace(
            point,
            local_cpu_hz=np.where(offload, point.local_cpu_hz, local_hz),
            edge_cpu_hz=np.where(offload, rate_hz, point.edge_cpu_hz),
        )

    def _best(self, given: "RateCoefficients") -> FloatArray | None:
        """(N,) f."""
        self._given.assign(**given._asdict())
        f: FloatArray | None = self.f.value if solved(self.problem) else None
        return f


class CompiledRateSubproblem(RateSubproblem):
    """(20) without CVXPY."""

    def __init__(self) -> None:
        pass

    def _best(self, given: "RateCoefficients") -> FloatArray | None:
        optimal, f = _least_emission(given)
        return f if optimal else None


class RateCoefficients(NamedTuple):
    """(20) at a point: the (N,) coefficients of f, which is relative to it.

    Attributes:
        radio_emission: over the largest emission of a device.
        computing_emission: at f^(i), C(7) or C(8); likewise.
        transmission: alpha S / R / D_max.
        execution: C / f^(i) / D_max.
        server: alpha f^0(i) / F_max.
        f_min: f_min / f^(i) of a device that executes its task, else zero.
        f_max: f_max / f^(i), or F_max / f^0(i).
    """

    radio_emission: FloatArray
    computing_emission: FloatArray
    transmission: FloatArray
    execution: FloatArray
    server: FloatArray
    f_min: FloatArray
    f_max: FloatArray


@compiled
def _least_emission(given: RateCoefficients) -> tuple[bool, FloatArray]:
    """(20) as a cone program: whether there is an optimum, and (N,) f."""
    devices = len(given.server)
    # Bounds of 1 / f and f^2 of each device, then all f, then the worst emission.
    worst = 3 * devices
    program = empty(worst + 1, 10 * devices + 1, 14 * devices)
    allowed = 1.0 - 2.0 * MARGIN
    program.cost[worst] = 1.0
    for m in range(devices):
        inverse_f, square_f, f = 2 * m, 2 * m + 1, 2 * devices + m
        inverse(program, inverse_f, f)
        square(program, square_f, f)
        add(program, 1.0, worst)
        add(program, -given.computing_emission[m], square_f)
        not_negative(program, -given.radio_emission[m])  # (20a)
        add(program, -given.execution[m], inverse_f)
        not_negative(program, allowed - given.transmission[m])  # (20b)
        add(program, 1.0, f)
        not_negative(program, -given.f_min[m])
        add(program, -1.0, f)
        not_negative(program, given.f_max[m])  # (20c), f <= f_max
    for m in range(devices):
        if given.server[m] > 0.0:
            add(program, -given.server[m], 2 * devices + m)
    not_negative(program, allowed)  # (10e)
    x = np.ones(worst + 1)
    return minimise(program, x), x[2 * devices : worst]
