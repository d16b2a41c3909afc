"""The compiled solver of SCA, against closed forms, CVXPY, and the subproblems as CVXPY states them."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import cvxpy as cp
import numpy as np
import pytest
import table1
from hypothesis import given, settings
from hypothesis import strategies as st

from edgesim.policies.convex_solver import Parameters, solved
from edgesim.policies.tasks.c10.slot import Slot
from edgesim.policies.tasks.sca import cones
from edgesim.policies.tasks.sca.joint_subproblem import JointSubproblem
from edgesim.policies.tasks.sca.offloading_subproblem import (
    CompiledOffloadingSubproblem,
    OffloadingCoefficients,
    OffloadingSubproblem,
)
from edgesim.policies.tasks.sca.policy import Sca
from edgesim.policies.tasks.sca.result import Result
from edgesim.simulator.core.arrays import BoolArray, FloatArray
from edgesim.simulator.core.compiled import compiled
from edgesim.simulator.core.linear import (
    clear,
    factorise,
    find_entries,
    no_entries,
    solve_factorised,
)
from edgesim.simulator.tasks.decision import TaskDecision
from edgesim.simulator.tasks.network import RateFloor

CARBON = table1.CARBON_G_PER_J

# The method


@compiled
def cheapest(price: float, most: float, long: bool) -> tuple[bool, FloatArray]:
    """Minimise x^2 / 2 + price / x for 0 < x <= most, and (y^2 + z^2) / 2 for y >= x, z >= 1."""
    program = cones.empty(7, 30, 30)
    x, inverse, y, z, half, multiplier = 0, 1, 3, 4, 5, 6
    program.quadratic[x] = 1.0
    program.cost[inverse], program.cost[half] = price, 1.0
    cones.inverse(program, inverse, x)
    cones.half_squares(program, half, y, z)
    cones.add(program, -1.0, x)
    if long:
        cones.long_limit(program, most, multiplier)
    else:
        cones.not_negative(program, most)
    cones.add(program, 1.0, y)
    cones.add(program, -1.0, x)
    cones.not_negative(program, 0.0)
    cones.add(program, 1.0, z)
    cones.not_negative(program, -1.0)
    solution = np.ones(7)
    return cones.minimise(program, solution), solution


@pytest.mark.parametrize("long", [False, True])
@pytest.mark.parametrize(("price", "most"), [(2.0, 10.0), (16.0, 10.0), (16.0, 0.5), (1e-3, 3.0)])
def test_a_small_program_has_its_closed_form(price: float, most: float, long: bool) -> None:
    """Y = x, so x^2 + price / x is least at (price / 2)^(1/3)."""
    optimal, found = cheapest(price, most, long)
    x = min((price / 2.0) ** (1.0 / 3.0), most)
    assert optimal
    assert found[:6] == pytest.approx([x, 1.0 / x, 1.0, x, 1.0, (x**2 + 1.0) / 2.0], rel=1e-3)


def test_limits_that_exclude_each_other_are_told() -> None:
    assert not cheapest(2.0, -1e-3, False)[0]
    assert not cheapest(2.0, 0.0, False)[0]
    assert not cheapest(2.0, -1.0, True)[0]


@compiled
def conic(
    quadratic: FloatArray, cost: FloatArray, rows: FloatArray, constant: FloatArray, numbers: int
) -> tuple[bool, FloatArray]:
    """Minimise x' diag(quadratic) x / 2 + cost' x; the rows are `numbers` numbers, then cones of 4."""
    program = cones.empty(len(cost), len(rows), rows.size)
    program.quadratic[:], program.cost[:] = quadratic, cost
    for i in range(len(rows)):
        for j in range(len(cost)):
            cones.add(program, rows[i, j], j)
        cones.end_row(program, constant[i])
        if i < numbers or (i - numbers) % 4 == 3:
            cones.end_cone(program)
    x = np.ones(len(cost))
    return cones.minimise(program, x), x


class Stated:
    """The same with CVXPY, for x in [-3, 3]^4 and three cones."""

    def __init__(self) -> None:
        self.rows, self.constant = cp.Parameter((12, 4)), cp.Parameter(12)
        self.root, self.cost, x = cp.Parameter(4), cp.Parameter(4), cp.Variable(4)
        image = self.rows @ x + self.constant
        limits: list[cp.Constraint] = [cp.abs(x) <= 3.0]
        limits += [cp.SOC(image[c], image[c + 1 : c + 4]) for c in (0, 4, 8)]
        value = self.cost @ x + cp.sum_squares(cp.multiply(self.root, x)) / 2.0
        self.problem = cp.Problem(cp.Minimize(value), limits)


STATED = Stated()


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1))
def test_random_programs_have_the_value_that_clarabel_finds(seed: int) -> None:
    """Feasible or not."""
    rng = np.random.default_rng(seed)
    rows, constant = rng.normal(size=(12, 4)), rng.normal(size=12)
    constant[::4] += rng.uniform(0.0, 3.0)
    root, cost = rng.exponential(size=4) * (rng.random(4) < 0.5), rng.normal(size=4)
    STATED.rows.value, STATED.constant.value = rows, constant
    STATED.root.value, STATED.cost.value = root, cost
    STATED.problem.solve(solver=cp.CLARABEL)
    box = np.concatenate([np.eye(4), -np.eye(4), rows])
    optimal, found = conic(root**2, cost, box, np.append(np.full(8, 3.0), constant), 8)
    assert optimal == (STATED.problem.status == cp.OPTIMAL)
    if optimal:
        value = cost @ found + root**2 @ found**2 / 2.0
        assert value == pytest.approx(STATED.problem.value, rel=1e-5, abs=1e-5)
        reached = (rows @ found + constant).reshape(3, 4)
        assert np.abs(found).max() < 3.0 + 1e-7
        assert (reached[:, 0] - np.linalg.norm(reached[:, 1:], axis=1)).min() > -1e-7


def test_a_sparse_quasi_definite_system_is_solved() -> None:
    rng, size = np.random.default_rng(0), 12
    dense = np.diag(rng.uniform(5.0, 9.0, size))
    dense[3, 3], dense[7, 7] = -5.0, 0.0
    for i, j in [(0, 3), (0, 9), (1, 2), (2, 11), (3, 10), (4, 5), (5, 11), (10, 11)]:
        dense[i, j] = dense[j, i] = rng.normal()
    sparse = no_entries(size)
    sparse.matrix[:] = np.triu(dense)
    find_entries(sparse)
    for scale in (1.0, 3.0):  # the same entries again, with other numbers
        clear(sparse)
        assert not sparse.matrix[np.triu_indices(size)].any()
        sparse.matrix[:] = np.triu(dense) * scale
        factorise(sparse)
        right = rng.normal(size=size)
        right[7] = 0.0  # of a row without entries
        x = right.copy()
        solve_factorised(sparse, x)
        np.testing.assert_allclose(scale * dense @ x, right, atol=1e-12)


# Against the subproblems as they are stated


def instances(count: int) -> Iterator[Slot]:
    """Of 2 to 8 devices, roomy or not, with both rate floors."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        devices = int(rng.integers(2, 9))
        floor: RateFloor = "all" if seed % 2 else "offloading"
        network = table1.network(devices, (1e-28, 3e-28, 1e-27)[seed % 3], floor)
        network = replace(network, server_cpu_hz=10e9 * (1 + seed % 4))
        channel = table1.channel(rng, devices)
        yield Slot(network, table1.tasks(rng, devices), channel, CARBON)


def compare(count: int) -> list[tuple[Result, Result]]:
    """Both solvers' answers, of which neither is infeasible where the other is not."""
    compiled_, stated = Sca(), Sca(solver="cvxpy")
    answers = [(compiled_.solve(one), stated.solve(one)) for one in instances(count)]
    for one, other in answers:
        assert one.feasible == other.feasible
        assert one.failed_solves == other.failed_solves
        if one.feasible:
            # Both end where a step gains less than `threshold`, now and then a step apart.
            assert one.worst_emission_g <= other.worst_emission_g * (1.0 + 1e-4)
            assert one.worst_emission_g == pytest.approx(
                other.worst_emission_g, rel=compiled_.threshold
            )
    return answers


def test_the_compiled_solver_decides_as_cvxpy() -> None:
    answers = compare(10)
    assert sum(one.feasible for one, _ in answers) >= 8


@pytest.mark.slow
def test_the_compiled_solver_decides_as_cvxpy_on_500_instances() -> None:
    answers = compare(500)
    emitted = [
        (one.worst_emission_g, other.worst_emission_g) for one, other in answers if one.feasible
    ]
    assert len(emitted) >= 400
    assert sum(one == pytest.approx(other, rel=1e-4) for one, other in emitted) >= 0.98 * len(
        emitted
    )
    assert sum(one.iterations == other.iterations for one, other in answers) >= 450


def level(
    one: Slot, offload: BoolArray, power_w: FloatArray, edge_hz: FloatArray
) -> tuple[float, float]:
    """Use of the limits that a step can change, at least one; and the worst emission, mg."""
    outcome = one.evaluate(TaskDecision(power_w, offload, np.full(len(offload), 1e9), edge_hz))
    use = np.where(offload, outcome.use.worst, np.maximum(outcome.use.rate, outcome.use.power))
    return max(float(use.max()), 1.0), float((outcome.emission_g * offload).max()) * 1e3


@pytest.mark.parametrize("rates", ["best", "initial"])
def test_each_step_is_as_good_as_that_of_cvxpy(rates: Any) -> None:
    """All steps of a search: towards the limits they relax them alike, then they emit the same."""
    steps = []
    for one in instances(4):
        policy = Sca(rates=rates)
        stated = JointSubproblem(one.network.devices, rates == "best")
        policy.solve(one)
        ours = policy._joint[one.network.devices]

        class Both:
            def step(
                self,
                *given: Any,
                relaxed: bool,
                one: Slot = one,
                ours: JointSubproblem = ours,
                stated: JointSubproblem = stated,
            ) -> Any:
                found, expected = (
                    cast(Any, each).step(*given, relaxed=relaxed) for each in (ours, stated)
                )
                assert (found is None) == (expected is None)
                if found is not None and expected is not None:
                    levels = [level(one, given[1], *each) for each in (found, expected)]
                    if relaxed:  # what is not worst is left open
                        assert levels[0][0] == pytest.approx(levels[1][0], rel=0.03)
                    else:
                        assert levels[0] == pytest.approx(levels[1], rel=2e-4)
                steps.append(relaxed)
                return found

        policy._joint[one.network.devices] = Both()  # type: ignore[assignment]
        policy.solve(one)
    assert set(steps) >= {False} and len(steps) > 8


def test_the_printed_algorithm_ends_as_with_cvxpy() -> None:
    """Also where (20) leaves rates open that do not set the worst case, along the way."""
    found = [Sca("paper", local_cpu=0.78e9), Sca("paper", local_cpu=0.78e9, solver="cvxpy")]
    feasible = 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        network, channel = table1.network(6, 3e-28), table1.channel(rng)
        tasks = table1.tasks(rng, 6, (1.0, 2.0), (1000.0, 1500.0))
        one, other = (policy.solve(Slot(network, tasks, channel, CARBON)) for policy in found)
        assert (one.feasible, one.failed_solves) == (other.feasible, other.failed_solves)
        assert one.worst_emission_g == pytest.approx(other.worst_emission_g, rel=1e-4)
        feasible += one.feasible
    assert feasible >= 3


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_who_offloads_is_as_good_as_what_highs_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    late, spent = rng.random((2, 2, 5)) < 0.2
    emitted, server = rng.uniform(0.1, 1.0, (2, 5)), rng.uniform(0.05, 0.6, 5)
    broken = np.concatenate([late, spent]).astype(np.float64)
    given_ = OffloadingCoefficients._make([*emitted, *broken, server])
    found = CompiledOffloadingSubproblem()._best(given_)
    expected = _HIGHS._best(given_)
    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        worst = [
            np.where(a, given_.edge_emission, given_.local_emission).max()
            for a in (found, expected)
        ]
        assert worst[0] == pytest.approx(worst[1], rel=1e-6)
        assert given_.server[found].sum() <= 1.0
        assert not (np.where(found, late[1], late[0]) | np.where(found, spent[1], spent[0])).any()
        # Nobody could emit less by another choice that fits.
        room = 1.0 - given_.server[found].sum()
        better = ~found & (given_.edge_emission < given_.local_emission) & (given_.server <= room)
        assert not (better & ~late[1] & ~spent[1]).any()


_HIGHS = OffloadingSubproblem(5)


def test_cvxpy_answers_by_the_parameters_alone() -> None:
    """In all bits, whatever the same program was solved for before."""

    def answers(*seeds: int) -> list[FloatArray]:
        given, x = Parameters(9, "aside size"), cp.Variable(9)
        mixed = np.random.default_rng(1).normal(size=(9, 9))
        cost = cp.norm(mixed @ x - given.aside) + cp.sum(cp.exp(x))
        program = cp.Problem(cp.Minimize(cost), [cp.norm(x) <= 3.0, x >= -given.size])
        found = []
        for seed in seeds:
            aside, size = np.random.default_rng(seed).random((2, 9))
            given.assign(aside=aside, size=size)
            assert solved(program)
            found.append(x.value.copy())
        return found

    np.testing.assert_array_equal(answers(1, 2, 3)[-1], answers(3)[0])
    assert (answers(1, 3)[0] != answers(1, 3)[1]).all()


def test_where_not_all_fit_who_gains_most_is_offloaded_first() -> None:
    """The first device is too much for the server, and sets the level; of the others 0.5 is more than 0.1."""
    none = np.zeros(3)
    given_ = OffloadingCoefficients(
        np.array([1.0, 0.5, 0.6]), np.array([0.9, 0.4, 0.1]), none, none, none, none,
        server=np.array([2.0, 0.6, 0.6]),
    )  # fmt: skip
    found = CompiledOffloadingSubproblem()._best(given_)
    assert found is not None and found.tolist() == [False, False, True]
