"""Subproblem (19) of paper C's Algorithm 1: the powers, for given rates and offloading.

(11) is made convex by the `inequalities` (12), (13) and (17) around the point p^(i). p and r are
relative to it, limits to what is allowed, and emissions to the largest.
"""

from dataclasses import replace

import numpy as np

from ....simulator.tasks.decision import TaskDecision
from ....simulator.tasks.outcome import TOLERANCE, TaskOutcome
from ...convex_solver import Parameters, solved
from ..c10.slot import Slot
from .inequalities import MARGIN, product_bound, rate_bound, within_reach


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
        assign_at(self._given, slot, point, outcome, everybody=True)
        if not solved(self.problem, rough=True):
            return None
        power_w = point.power_w * self.p.value
        return replace(point, power_w=np.minimum(power_w, slot.network.device_power_max_w))


def power_parameters(devices: int) -> Parameters:
    """The parameters of (19)."""
    bound = "u v w_noise"
    limits = "power_max slowest transmission execution server energy"
    return Parameters(
        devices, f"{bound} {limits} radio_emission server_emission local_emission", "w"
    )


def assign_at(
    given: Parameters, slot: Slot, point: TaskDecision, outcome: TaskOutcome, everybody: bool
) -> None:
    """Give the parameters of (19) their values at a point.

    Args:
        given: those of a problem.
        slot: (N,) columns of one replication.
        point: (N,) columns; p^(i), f^(i) and alpha^(i).
        outcome: that of the point.
        everybody: the worst emission is that of all devices, else of those that offload.
    """
    network, tasks, offload = slot.network, slot.tasks, point.offload
    power_w, edge_hz, sends = point.power_w, point.edge_cpu_hz, point.power_w > 0.0
    radio_j = power_w * np.where(sends, outcome.transmission_s, 0.0)
    local_j = ~offload * outcome.energy_j * everybody
    emission_g = slot.carbon_g_per_j * np.stack([radio_j, outcome.server_energy_j, local_j])
    largest_g = emission_g.sum(axis=0).max()
    emission = emission_g / (largest_g if largest_g > 0.0 else 1.0)
    given.assign(
        **rate_bound(slot, power_w)._asdict(),
        power_max=within_reach(network.device_power_max_w, power_w),  # P_max / p^(i)
        slowest=within_reach(outcome.rate_bps, np.where(sends, network.rate_min_bps, 0.0)),
        transmission=outcome.transmission_s / tasks.deadline_s,  # alpha S r^(i) / D_max
        execution=offload * tasks.cycles / (edge_hz * tasks.deadline_s),  # alpha C / f^0 / D_max
        server=offload * edge_hz / network.server_cpu_hz,  # alpha f^0 / F_max
        energy=radio_j / network.energy_max_j,  # alpha S p^(i) r^(i) / E_max
        radio_emission=emission[0],
        server_emission=emission[1],
        local_emission=emission[2],
    )
