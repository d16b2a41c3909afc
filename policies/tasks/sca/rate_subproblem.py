"""Subproblem (20) of paper C's Algorithm 1: the processing rates, for given powers and offloading.

It is convex as it stands. A device has one rate that matters, its own or its share of the server: one
variable each, relative to the rate at the point. Limits are relative to what is allowed, and emissions
to the largest.
"""

from dataclasses import replace

import numpy as np

from ....simulator.tasks.decision import TaskDecision
from ...convex_solver import Parameters, solved
from ..c10.slot import Slot
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

        self._given = given = Parameters(
            devices, "radio_emission computing_emission transmission execution server f_min f_max"
        )
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
        self._given.assign(
            radio_emission=emission[0],
            computing_emission=emission[1],  # at f^(i), C(7) or C(8)
            transmission=outcome.transmission_s / tasks.deadline_s,  # alpha S / R / D_max
            execution=tasks.cycles / (rate_hz * tasks.deadline_s),  # C / f^(i) / D_max
            server=offload * rate_hz / network.server_cpu_hz,  # alpha f^0(i) / F_max
            f_min=np.where(offload, 0.0, network.device_cpu_min_hz / rate_hz),
            f_max=np.where(offload, network.server_cpu_hz, local_max_hz) / rate_hz,
        )
        if (radio_j > network.energy_max_j).any() or not solved(self.problem):
            return None
        rate_hz = rate_hz * self.f.value
        local_hz = np.clip(rate_hz, network.device_cpu_min_hz, network.device_cpu_max_hz)
        return replace(
            point,
            local_cpu_hz=np.where(offload, point.local_cpu_hz, local_hz),
            edge_cpu_hz=np.where(offload, rate_hz, point.edge_cpu_hz),
        )
