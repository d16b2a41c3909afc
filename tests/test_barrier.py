"""C(10)'s convex program: its derivatives by differences, its bound and its box by points inside."""

from dataclasses import replace

import numpy as np
import pytest
import table1

from edgesim.policies.tasks.c10 import barrier
from edgesim.policies.tasks.c10.program import (
    Limits,
    Program,
    derivatives,
    emission_start,
    empty_limits,
    in_box,
    program_of,
    slacks,
)
from edgesim.policies.tasks.c10.slot import Slot
from edgesim.simulator.core.arrays import FloatArray
from edgesim.simulator.network.spectral_efficiency import SpectralEfficiency
from edgesim.simulator.tasks.network import RateFloor

SETS: list[tuple[int, RateFloor, float]] = [
    (1, "all", np.inf),
    (3, "all", np.inf),
    (2, "offloading", np.inf),
    (2, "all", 9.0),
]
"""How many of three devices offload, who keeps up the rate floor, and a cap in bit/s/Hz."""

every_case = pytest.mark.parametrize(
    ("offloaders", "floor", "cap", "emission"),
    [(*one, wanted) for one in SETS for wanted in (False, True)],
)

STEP = 1e-5


def program(offloaders: int, floor: RateFloor, cap: float) -> Program:
    rng = np.random.default_rng(3)
    efficiency = SpectralEfficiency(cap, np.empty(0))
    network = replace(table1.network(3, rate_floor=floor), efficiency=efficiency)
    slot = Slot(network, table1.tasks(rng, 3), table1.channel(rng, 3), table1.CARBON_G_PER_J)
    return program_of(slot, np.arange(3) < offloaders)


def inside(one: Program, emission: bool) -> FloatArray:
    """A point strictly inside all limits, at no special place."""
    point, relaxation, _ = barrier.least_relaxation(one)
    assert relaxation < 0.0
    if emission:
        return emission_start(one, point)
    return np.append(point[:-1], relaxation + 0.2)


def slack_at(one: Program, x: FloatArray, emission: bool) -> FloatArray:
    slack = empty_limits(one, len(x), emission).slack
    assert slacks(one, x, emission, slack)
    return slack


def limits_at(one: Program, x: FloatArray, emission: bool) -> Limits:
    limits = empty_limits(one, len(x), emission)
    limits.slack[:] = slack_at(one, x, emission)
    derivatives(one, x, emission, limits)
    return limits


@every_case
def test_derivatives_are_those_of_differences(
    offloaders: int, floor: RateFloor, cap: float, emission: bool
) -> None:
    """Gradients of each limit, and the sum of the Hessians, each divided by its limit's slack."""
    one = program(offloaders, floor, cap)
    x = inside(one, emission)
    limits = limits_at(one, x, emission)
    hessian = np.zeros_like(limits.hessian)
    for j, aside in enumerate(STEP * np.eye(len(x))):
        up, down = limits_at(one, x + aside, emission), limits_at(one, x - aside, emission)
        slope = (down.slack - up.slack) / (2.0 * STEP)
        np.testing.assert_allclose(limits.gradient[:, j], slope, rtol=1e-6, atol=1e-8)
        turn = (up.gradient - down.gradient) / (2.0 * STEP)
        hessian[j] = (turn / limits.slack[:, None]).sum(axis=0)
    np.testing.assert_allclose(limits.hessian, hessian, rtol=1e-5, atol=1e-6)


@every_case
def test_no_point_inside_lies_below_a_bound_or_outside_of_the_box(
    offloaders: int, floor: RateFloor, cap: float, emission: bool
) -> None:
    """Whatever the multipliers, and wherever the point is that they are used at."""
    one = program(offloaders, floor, cap)
    rng = np.random.default_rng(7)
    start = inside(one, emission)
    solved = barrier.least_emission(one, start) if emission else barrier.least_relaxation(one)
    points = [solved[0], start]
    slack = empty_limits(one, len(start), emission).slack
    for _ in range(300):
        x = points[rng.integers(len(points))] + rng.normal(0.0, 0.3, len(start))
        if slacks(one, x, emission, slack):
            points.append(x)
    assert len(points) > 20
    best = min(x[-1] for x in points)
    for x in points:
        limits = limits_at(one, x, emission)
        # Of the objective's own limits alone, of all alike, and of any.
        for weight in (limits.gradient[:, -1] < 0.0, np.ones(len(slack)), rng.random(len(slack))):
            bound = barrier._bound(one, x, emission, limits, weight / limits.slack)
            assert bound <= best + 1e-9
        looser = 1.0 if emission else np.exp(max(x[-1], 0.0))
        for j in range(len(x) - 1):
            low, high = in_box(one, j, looser)
            assert low - 1e-12 <= x[j] <= high + 1e-12
    assert solved[2] <= solved[1] <= best + 1e-12
