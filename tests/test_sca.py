import itertools
import subprocess
import sys
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
import table1
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import optimize

from edgesim.policies.tasks.c10.points import Point
from edgesim.policies.tasks.c10.slot import Slot
from edgesim.policies.tasks.c10.solver import solve as optimum
from edgesim.policies.tasks.sca import joint_subproblem, power_subproblem
from edgesim.policies.tasks.sca.algorithm1 import Algorithm1
from edgesim.policies.tasks.sca.improved import Search
from edgesim.policies.tasks.sca.inequalities import rate_bound
from edgesim.policies.tasks.sca.joint_subproblem import CompiledJointSubproblem, JointSubproblem
from edgesim.policies.tasks.sca.offloading_subproblem import (
    CompiledOffloadingSubproblem,
    OffloadingSubproblem,
)
from edgesim.policies.tasks.sca.policy import Sca
from edgesim.policies.tasks.sca.power_subproblem import CompiledPowerSubproblem, PowerSubproblem
from edgesim.policies.tasks.sca.rate_subproblem import CompiledRateSubproblem, RateSubproblem
from edgesim.simulator.core.arrays import FloatArray
from edgesim.simulator.tasks.channel import MrcChannel
from edgesim.simulator.tasks.decision import TaskDecision
from edgesim.simulator.tasks.network import RateFloor
from edgesim.simulator.tasks.outcome import TaskOutcome

CARBON = table1.CARBON_G_PER_J


@pytest.fixture(scope="module")
def improved() -> Sca:
    return Sca()


def draw(
    seed: int,
    devices: int = 6,
    theta_server: float = 1e-28,
    rate_floor: RateFloor = "all",
    **ranges: tuple[float, float],
) -> Slot:
    rng = np.random.default_rng(seed)
    network = table1.network(devices, theta_server, rate_floor)
    channel = table1.channel(rng, devices)
    return Slot(network, table1.tasks(rng, devices, **ranges), channel, CARBON)


def feasible_point(one: Slot) -> TaskDecision:
    """The optimum with all powers doubled and all rates raised: everything holds with room."""
    best = optimum(one).decision
    alpha = best.offload
    return TaskDecision(
        power_w=np.minimum(2.0 * best.power_w, one.network.device_power_max_w),
        offload=alpha,
        local_cpu_hz=np.where(alpha, 0.5e9, 1.01 * best.local_cpu_hz),
        edge_cpu_hz=np.where(alpha, 1.1 * best.edge_cpu_hz, 1e9),
    )


def joint_step(
    subproblem: JointSubproblem, one: Slot, point: TaskDecision, relaxed: bool = False
) -> TaskDecision | None:
    rate_bps = one.rates_bps(point.power_w)
    here = Point(point.power_w, point.edge_cpu_hz, rate_bps, 0.0, 0.0)
    found = subproblem.step(one.arrays(), point.offload, here, relaxed)
    return None if found is None else replace(point, power_w=found[0], edge_cpu_hz=found[1])


positive = st.floats(1e-3, 1e3)


@given(x=positive, y=positive, x_bar=positive, y_bar=positive)
def test_inequality_12_as_used_bounds_the_rate_and_is_tight_at_the_point(
    x: float, y: float, x_bar: float, y_bar: float
) -> None:
    """One device alone hears noise only: y is the noise, and its change is that of 1 / z."""
    assume(x / x_bar < 100.0 and x_bar / x < 100.0)
    network = replace(table1.network(1), noise_w=y_bar)
    alone = MrcChannel(np.ones(1), np.zeros((1, 1)))
    one = Slot(network, table1.tasks(np.random.default_rng(0), 1), alone, CARBON)
    u, v, _, w_noise = rate_bound(one.arrays(), np.array([x_bar]))

    def bound(P: float, z: float) -> float:
        return float((u - v / P - w_noise * z)[0] * np.log1p(x_bar / y_bar))

    assert bound(1.0, 1.0) == pytest.approx(np.log1p(x_bar / y_bar), rel=1e-9)
    assert bound(x / x_bar, y / y_bar) <= np.log1p(x / y) + 1e-9 * (1.0 + abs(bound(1.0, 1.0)))


@given(seed=st.integers(0, 2**32 - 1))
def test_inequality_12_with_interference_bounds_the_rates_of_c2(seed: int) -> None:
    one, rng = draw(seed), np.random.default_rng(seed)
    power_w = 10.0 ** rng.uniform(-6.0, -0.7, 6)
    P = 10.0 ** rng.uniform(-1.0, 1.0, 6)
    u, v, w, w_noise = rate_bound(one.arrays(), power_w)
    here = one.rates_bps(power_w)
    np.testing.assert_allclose(u - v - w.sum(axis=1) - w_noise, 1.0, rtol=1e-12)
    bound = here * (u - v / P - w @ P - w_noise)
    assert (bound <= one.rates_bps(power_w * P) * (1.0 + 1e-9)).all()


# Every constraint of (19), (20) and (21) at random points, against what is printed


def random_point(one: Slot, seed: int) -> TaskDecision:
    """Devices 0 to 2 offload; the others are well within their limits."""
    rng = np.random.default_rng(seed)
    return TaskDecision(
        power_w=rng.uniform(0.01, 0.1, 6),
        offload=np.arange(6) < 3,
        local_cpu_hz=one.tasks.cycles / rng.uniform(1.5, 1.9, 6),
        edge_cpu_hz=rng.uniform(1e9, 6e9, 6),
    )


def excess(constraints: Any) -> dict[str, FloatArray]:
    """Left side minus right side of all but the cone (17)."""
    return {name: one.expr.value for name, one in constraints.items() if name != "(17)"}


@pytest.mark.parametrize("seed", range(3))
def test_power_subproblem_is_19_as_printed(seed: int) -> None:
    one = draw(seed, megacycles=(1000.0, 1400.0))
    network, tasks, channel = one.network, one.tasks, one.channel
    point = random_point(one, seed)
    subproblem, rng = PowerSubproblem(6), np.random.default_rng(seed)
    subproblem.solve(one, point)  # sets the parameters
    subproblem.p.value, subproblem.r.value = rng.uniform(0.5, 2.0, (2, 6))
    variables = subproblem.problem.var_dict
    variables["worst emission"].value = 0.7
    alpha, f, f0 = point.offload, point.local_cpu_hz, point.edge_cpu_hz
    gain, cross, noise = channel.gain, channel.interference_gain, network.noise_w
    bar_p, bar_r = point.power_w, 1.0 / one.rates_bps(point.power_w)
    p, r = bar_p * subproblem.p.value, bar_r * subproblem.r.value
    # (18): what bounds p r, by (17).
    p_r = (bar_r / bar_p * p**2 + bar_p / bar_r * r**2) / 2.0
    variables["p r"].value = p_r / (bar_p * bar_r)
    found = excess(subproblem.constraints)
    room = 1.0 - 1e-6

    x, y, bar_x, bar_y = p * gain, cross @ p + noise, bar_p * gain, cross @ bar_p + noise
    u = np.log(1.0 + bar_x / bar_y) + 2.0 * bar_x / (bar_x + bar_y)
    v, w = bar_x**2 / (bar_x + bar_y), bar_x / ((bar_x + bar_y) * bar_y)
    rate = network.bandwidth_hz / np.log(2.0) * (u - v / x - w * y)
    np.testing.assert_allclose(found["(13)"], (1.0 / r - rate) * bar_r, atol=1e-9)
    slowest_r = np.minimum(1.0 / network.rate_min_bps, 10.0 * bar_r)
    np.testing.assert_allclose(found["(14)"], (r - slowest_r * room) / bar_r, atol=1e-9)
    # The terms of local devices are given; that they hold is checked before.
    delay = alpha * tasks.bits * r + alpha * tasks.cycles / f0
    np.testing.assert_allclose(found["(15)"], delay / tasks.deadline_s - room, atol=1e-9)
    radio_j = p_r * alpha * tasks.bits
    np.testing.assert_allclose(found["(18)"], radio_j / network.energy_max_j - room, atol=1e-9)
    given_j = np.where(
        alpha,
        network.theta_server * tasks.cycles * f0**2,
        network.theta_device * tasks.cycles * f**2,
    )
    largest_g = CARBON * (bar_p * bar_r * alpha * tasks.bits + given_j).max()
    emission = CARBON * (radio_j + given_j) / largest_g
    np.testing.assert_allclose(found["(19a)"], emission - 0.7, atol=1e-9)
    loudest = np.minimum(network.device_power_max_w / bar_p, 10.0)
    np.testing.assert_allclose(found["p <= P_max"], p / bar_p - loudest * room, atol=1e-9)
    assert found["(10e)"] == pytest.approx((alpha * f0).sum() / 20e9 - room, abs=1e-9)
    # (17) holds with equality, and not for less.
    assert (subproblem.constraints["(17)"].residual < 1e-9).all()
    variables["p r"].value = 0.99 * variables["p r"].value
    assert (subproblem.constraints["(17)"].residual > 1e-4).all()


@pytest.mark.parametrize("column", ["deadline_s", "energy_max_j"])
def test_no_power_helps_a_local_device_that_is_late_or_spends_too_much(column: str) -> None:
    """The local terms of (15) and (16)."""
    one = draw(0, megacycles=(1000.0, 1400.0))
    point = replace(random_point(one, 0), offload=np.zeros(6, dtype=np.bool_))
    assert PowerSubproblem(6).solve(one, point) is not None
    if column == "deadline_s":
        one = replace(one, tasks=replace(one.tasks, deadline_s=np.full(6, 1.5)))
    else:
        one = replace(one, network=replace(one.network, energy_max_j=0.3))
    assert PowerSubproblem(6).solve(one, point) is None


@pytest.mark.parametrize("seed", range(3))
def test_rate_subproblem_is_20_as_printed(seed: int) -> None:
    one = draw(seed, megacycles=(1000.0, 1400.0))
    network, tasks = one.network, one.tasks
    point = random_point(one, seed)
    subproblem, rng = RateSubproblem(6), np.random.default_rng(seed)
    subproblem.solve(one, point)  # sets the parameters
    subproblem.f.value = rng.uniform(0.5, 2.0, 6)
    subproblem.problem.var_dict["worst emission"].value = 0.7
    alpha = point.offload
    bar_f = np.where(alpha, point.edge_cpu_hz, point.local_cpu_hz)
    f = bar_f * subproblem.f.value
    found, room = excess(subproblem.constraints), 1.0 - 2e-6
    sending_s = alpha * tasks.bits / one.rates_bps(point.power_w)
    theta = np.where(alpha, network.theta_server, network.theta_device)
    spent_j = point.power_w * sending_s + theta * tasks.cycles * np.stack([f, bar_f]) ** 2
    emission = spent_j[0] / spent_j[1].max()
    np.testing.assert_allclose(found["(20a)"], emission - 0.7, atol=1e-9)
    delay_s = sending_s + tasks.cycles / f
    np.testing.assert_allclose(found["(20b)"], delay_s / tasks.deadline_s - room, atol=1e-9)
    # theta C f^2 <= E_max of who computes itself, and f <= F_max.
    most_hz = np.minimum(2e9, np.sqrt(network.energy_max_j / (1e-27 * tasks.cycles)))
    most_hz = np.where(alpha, 20e9, most_hz)
    np.testing.assert_allclose(found["(20c), f <= f_max"], (f - most_hz) / bar_f, atol=1e-9)
    least_hz = np.where(alpha, 0.0, 0.5e9)
    np.testing.assert_allclose(found["f >= f_min"], (least_hz - f) / bar_f, atol=1e-9)
    assert found["(10e)"] == pytest.approx((alpha * f).sum() / 20e9 - room, abs=1e-9)
    # (20c) of an offloader does not depend on f.
    offloaded = replace(point, offload=~np.zeros(6, dtype=np.bool_), edge_cpu_hz=np.full(6, 3e9))
    slow = replace(one, tasks=replace(tasks, deadline_s=np.full(6, 1e3)))
    radio_j = slow.evaluate(offloaded).energy_j.max()
    for share in (1.01, 0.99):
        poor = replace(slow, network=replace(network, energy_max_j=share * radio_j))
        assert (subproblem.solve(poor, offloaded) is None) == (share < 1.0)


@pytest.mark.parametrize("seed", range(3))
def test_offloading_subproblem_is_21_as_printed(seed: int) -> None:
    one = draw(seed, megabytes=(1.0, 6.0), megacycles=(1200.0, 2000.0))
    network, tasks = one.network, one.tasks
    point = replace(random_point(one, seed), local_cpu_hz=np.full(6, 0.75e9))
    point = replace(point, edge_cpu_hz=np.linspace(0.6e9, 3e9, 6))
    subproblem = OffloadingSubproblem(6)
    subproblem.solve(one, point)  # sets the parameters
    sending_s = tasks.bits / one.rates_bps(point.power_w)
    local_s, edge_s = tasks.cycles / 0.75e9, sending_s + tasks.cycles / point.edge_cpu_hz
    local_j, radio_j = 1e-27 * tasks.cycles * 0.75e9**2, point.power_w * sending_s
    edge_j = radio_j + network.theta_server * tasks.cycles * point.edge_cpu_hz**2
    largest_j = max(local_j.max(), edge_j.max())
    broken = set()
    for alpha in itertools.product([0.0, 1.0], repeat=6):
        offload = np.array(alpha)
        subproblem.alpha.value = offload
        subproblem.problem.var_dict["worst emission"].value = 0.7
        found = excess(subproblem.constraints)
        emission = np.where(offload, edge_j, local_j) / largest_j
        np.testing.assert_allclose(found["(21a)"], emission - 0.7, atol=1e-9)
        late = np.where(offload, edge_s, local_s) > 2.0
        np.testing.assert_array_equal(found["(21b)"] > 0.0, late)
        overspent = np.where(offload, radio_j, local_j) > network.energy_max_j
        np.testing.assert_array_equal(found["(21c)"] > 0.0, overspent)
        asked = (offload * point.edge_cpu_hz).sum() / 20e9
        assert found["(21d)"] == pytest.approx(asked - 1.0, abs=1e-9)
        broken |= {"(21b)"} if late.any() else set()
        broken |= {"(21c)"} if overspent.any() else set()
    assert "(21b)" in broken
    assert subproblem.alpha.attributes["boolean"]  # (21e)


# Algorithm 1


SUBPROBLEMS = {
    "cvxpy": (PowerSubproblem(6), RateSubproblem(6), OffloadingSubproblem(6)),
    "compiled": (
        CompiledPowerSubproblem(),
        CompiledRateSubproblem(),
        CompiledOffloadingSubproblem(),
    ),
}


@pytest.mark.parametrize("solver", ["cvxpy", "compiled"])
def test_algorithm_1_takes_turns_as_printed(solver: Literal["cvxpy", "compiled"]) -> None:
    """Lines 2 to 7 from a feasible start, with the same subproblems called by hand."""
    one = draw(13, 6, 3e-28, megabytes=(1.0, 2.0), megacycles=(1000.0, 1500.0))
    start = TaskDecision(
        np.full(6, 0.01), np.arange(6) < 3, np.full(6, 0.78e9), np.full(6, 20e9 / 6)
    )
    algorithm = Algorithm1(6, True, solver)
    result = algorithm.solve(one, start, iterations_max=2, threshold=0.0)
    point, history, moved = start, [float(one.evaluate(start).worst_emission_g)], set()
    for _ in range(2):
        for subproblem in SUBPROBLEMS[solver]:
            found = subproblem.solve(one, point)
            assert found is not None
            for name in ("power_w", "local_cpu_hz", "edge_cpu_hz", "offload"):
                if not np.array_equal(getattr(found, name), getattr(point, name)):
                    moved.add(name)
            point = found
        history.append(float(one.evaluate(point).worst_emission_g))
    assert moved == {"power_w", "local_cpu_hz", "edge_cpu_hz", "offload"}
    np.testing.assert_array_equal(result.history, history)
    np.testing.assert_array_equal(result.decision.power_w, point.power_w)
    np.testing.assert_array_equal(result.decision.offload, point.offload)
    assert (result.iterations, result.status) == (2, "iteration limit")
    # Line 6: as soon as the change is within the threshold.
    first, second = np.abs(np.diff(history)) / history[:-1]
    assert first > 1.1 * second > 0.01
    for threshold, iterations in ((1.01 * first, 1), (1.01 * second, 2)):
        result = algorithm.solve(one, start, 5, threshold)
        assert (result.iterations, result.status) == (iterations, "converged")


def test_algorithm_1_starts_as_printed() -> None:
    """Line 1, and the discussion below the algorithm."""
    one = draw(4)
    start = Sca("paper", power_min=3e-3, iterations_max=0).solve(one).decision
    np.testing.assert_array_equal(start.power_w, 3e-3)
    np.testing.assert_array_equal(start.offload, np.arange(6) < 3)
    np.testing.assert_array_equal(start.local_cpu_hz, [0.0, 0.0, 0.0, 0.5e9, 0.5e9, 0.5e9])
    np.testing.assert_allclose(start.edge_cpu_hz, [20e9 / 6] * 3 + [0.0] * 3)


def test_algorithm_1_keeps_a_point_within_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    one = draw(1, 6, 3e-28, megabytes=(1.0, 2.0), megacycles=(1000.0, 1500.0))
    start = feasible_point(one)
    monkeypatch.setattr(
        PowerSubproblem, "solve", lambda _, slot, point: replace(point, power_w=np.zeros(6))
    )
    result = Algorithm1(6, False, "compiled").solve(one, start, 1, 0.0)
    assert result.feasible
    assert result.failed_solves == 1
    np.testing.assert_array_equal(result.decision.power_w, start.power_w)


@pytest.mark.parametrize("seed", range(4))
def test_a_power_step_stays_within_limits_and_emits_no_more_than_the_program_says(
    seed: int,
) -> None:
    one = draw(seed, theta_server=1e-28)
    point = feasible_point(one)
    before = one.evaluate(point)
    assert before.use.feasible
    subproblem = PowerSubproblem(6)
    found = subproblem.solve(one, point)
    assert found is not None
    after = one.evaluate(found)
    assert after.use.feasible
    # (12) and (17) bound from the safe side, so the truth is no worse than the program's value.
    promised_g = subproblem.problem.value * before.emission_g.max()
    assert after.worst_emission_g <= promised_g * (1.0 + 1e-6) <= before.worst_emission_g * 1.00001
    for name in ("offload", "local_cpu_hz", "edge_cpu_hz"):
        np.testing.assert_array_equal(getattr(found, name), getattr(point, name))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("joint", [True, False])
def test_a_joint_step_stays_within_limits_and_emits_no_more_than_the_program_says(
    seed: int, joint: bool
) -> None:
    one = draw(seed, theta_server=1e-28)
    point = feasible_point(one)
    before_g = (one.evaluate(point).emission_g * point.offload).max()
    subproblem = JointSubproblem(6, joint)
    found = joint_step(subproblem, one, point)
    assert found is not None
    after = one.evaluate(found)
    assert after.use.feasible
    promised_g = subproblem.emission.var_dict["worst emission"].value * before_g
    after_g = (after.emission_g * point.offload).max()
    assert after_g <= promised_g * (1.0 + 1e-6) <= before_g * 1.00001
    assert joint or np.array_equal(found.edge_cpu_hz, point.edge_cpu_hz)


def test_a_joint_step_fills_the_server_and_no_more() -> None:
    """Where the server emits next to nothing, all that it has is used, and buys time for the radio."""
    one = draw(0, theta_server=1e-32)
    point = feasible_point(one)
    asked_hz = (point.edge_cpu_hz * point.offload).sum()
    one = replace(one, network=replace(one.network, server_cpu_hz=1.05 * asked_hz))
    found = joint_step(JointSubproblem(6, joint=True), one, point)
    assert found is not None
    after = one.evaluate(found)
    assert after.use.feasible
    assert after.use.capacity.max() == pytest.approx(1.0, abs=1e-4)


def test_powers_converge_to_the_best_on_a_grid() -> None:
    one = draw(5, devices=2, theta_server=1e-28, megabytes=(2.0, 4.0))
    point = feasible_point(one)
    both, fast = point.offload, point.edge_cpu_hz
    assert both.all()
    assert one.evaluate(point).use.feasible
    subproblem = PowerSubproblem(2)
    for _ in range(60):
        found = subproblem.solve(one, point)
        assert found is not None
        point = found
    found_g = float(one.evaluate(point).worst_emission_g)

    centre, span = np.log(one.network.device_power_max_w) - 6.0, 6.0
    best_g = np.inf
    for _ in range(6):
        axes = [np.linspace(c - span, c + span, 61) for c in centre]
        powers = np.exp(np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2))
        shape = powers.shape
        outcome = one.evaluate(
            TaskDecision(
                powers,
                np.broadcast_to(both, shape),
                np.broadcast_to(fast, shape),
                np.broadcast_to(fast, shape),
            )
        )
        worst_g = np.where(outcome.use.feasible, outcome.worst_emission_g, np.inf)
        best_g, centre = float(worst_g.min()), np.log(powers[worst_g.argmin()])
        span /= 5.0
    assert found_g == pytest.approx(best_g, rel=1e-3)


@pytest.mark.parametrize("seed", range(4))
def test_rates_are_as_good_as_the_slowest_in_time(seed: int) -> None:
    one = draw(seed, theta_server=1e-28)
    point = feasible_point(one)
    found = RateSubproblem(6).solve(one, point)
    assert found is not None
    outcome = one.evaluate(found)
    assert outcome.use.feasible
    left_s = one.tasks.deadline_s - outcome.transmission_s
    slowest = np.maximum(one.tasks.cycles / left_s, np.where(point.offload, 0.0, 0.5e9))
    best = one.evaluate(replace(point, local_cpu_hz=slowest, edge_cpu_hz=slowest))
    assert outcome.worst_emission_g == pytest.approx(best.worst_emission_g, rel=1e-4)
    np.testing.assert_array_equal(found.power_w, point.power_w)


@pytest.mark.parametrize("seed", range(4))
def test_offloading_is_the_best_of_all_sets(seed: int) -> None:
    one = draw(seed, theta_server=3e-28, megacycles=(1000.0, 1500.0))
    rng = np.random.default_rng(seed)
    point = TaskDecision(
        feasible_point(one).power_w,
        np.zeros(6, dtype=np.bool_),
        rng.uniform(0.7e9, 0.8e9, 6),
        rng.uniform(2e9, 6e9, 6),
    )

    def outcome(alpha: Any) -> TaskOutcome:
        return one.evaluate(replace(point, offload=np.array(alpha)))

    sets = [outcome(alpha) for alpha in itertools.product([False, True], repeat=6)]
    # (21) asks for (10b), (10c) and (10e).
    held = [np.maximum.reduce([o.use.delay, o.use.energy, o.use.capacity]).max() <= 1 for o in sets]
    best_g = min(
        (float(o.worst_emission_g) for o, ok in zip(sets, held, strict=True) if ok), default=np.inf
    )
    found = OffloadingSubproblem(6).solve(one, point)
    assert (found is None) == np.isinf(best_g)
    if found is not None:
        assert outcome(found.offload).worst_emission_g == pytest.approx(best_g, rel=1e-6)


@pytest.mark.parametrize(("rate_min_bps", "theta_server"), [(1e6, 1e-28), (40e6, 1e-32)])
def test_the_bound_of_what_a_device_emits_alone_is_one_and_is_close(
    rate_min_bps: float, theta_server: float
) -> None:
    """Against all airtimes up to the deadline's, or the rate floor's, on a fine grid."""
    one = draw(3, 4, theta_server)
    one = replace(one, network=replace(one.network, rate_min_bps=rate_min_bps))
    start = TaskDecision(np.zeros(4), np.zeros(4, np.bool_), np.full(4, 1e9), np.full(4, 5e9))
    found = Search(one, start, CompiledJointSubproblem(True), "best", 1, 1e-3)._bound_g
    network, tasks, gain = one.network, one.tasks, one.channel.gain / one.network.noise_w
    for m in range(4):
        most_bps = network.bandwidth_hz * np.log2(1.0 + network.device_power_max_w[m] * gain[m])
        longest_s = min(tasks.bits[m] / rate_min_bps, tasks.deadline_s[m])
        airtime_s = np.linspace(tasks.bits[m] / most_bps, longest_s, 20_001)[:-1]
        power_w = (2.0 ** (tasks.bits[m] / (network.bandwidth_hz * airtime_s)) - 1.0) / gain[m]
        edge_hz = tasks.cycles[m] / (tasks.deadline_s[m] - airtime_s)
        server_j = network.theta_server * tasks.cycles[m] * edge_hz**2
        least_g = CARBON * (power_w * airtime_s + server_j).min()
        assert 0.8 * least_g < found[m] <= least_g * (1.0 + 1e-9)


def test_programs_are_parametrised_so_that_they_compile_once() -> None:
    joint = JointSubproblem(6, joint=True)
    programs = (
        PowerSubproblem(6).problem,
        RateSubproblem(6).problem,
        OffloadingSubproblem(6).problem,
        joint.emission,
        joint.violation,
    )
    assert all(program.is_dcp(dpp=True) for program in programs)


def gaps(policy: Sca, instances: list[Slot]) -> FloatArray:
    """Excess over the optimum of the instances that have one; infinite where none was found."""
    found = []
    for one in instances:
        best = optimum(one)
        if best.feasible:
            result = policy.solve(one)
            assert result.worst_emission_g >= best.lower_bound_g * (1.0 - 1e-9)
            excess = result.worst_emission_g / best.worst_emission_g - 1.0
            found.append(excess if result.feasible else np.inf)
    return np.array(found)


@pytest.mark.parametrize("rate_floor", ["all", "offloading"])
@pytest.mark.parametrize("theta_server", [1e-28, 1e-27])
def test_improved_is_close_to_the_optimum(
    improved: Sca, theta_server: float, rate_floor: RateFloor
) -> None:
    found = gaps(improved, [draw(seed, 6, theta_server, rate_floor) for seed in range(12)])
    assert len(found) >= 10
    assert found.max() < 5e-3


@pytest.mark.slow
@pytest.mark.parametrize("theta_server", [1e-28, 3e-28, 1e-27])
def test_improved_on_200_instances(improved: Sca, theta_server: float) -> None:
    found = gaps(improved, [draw(seed, 6, theta_server) for seed in range(200)])
    assert np.isfinite(found).mean() >= 0.99
    assert np.median(found) <= 0.005
    assert np.quantile(found, 0.95) <= 0.05


def test_history_falls_to_the_answer_and_solves_are_reproducible(improved: Sca) -> None:
    one = draw(3)
    first = improved.solve(one)
    improved.solve(draw(4, theta_server=1e-27))
    for again in (improved.solve(one), Sca().solve(one)):
        np.testing.assert_array_equal(again.history, first.history)
        np.testing.assert_array_equal(again.decision.power_w, first.decision.power_w)
    assert len(first.history) == first.iterations + 1 >= 3
    # Infinite at first, perhaps: no feasible point is known.
    assert (first.history[1:] <= first.history[:-1]).all()
    assert first.history[-1] == pytest.approx(first.worst_emission_g, rel=1e-12)
    assert first.status == "converged"
    assert first.failed_solves == 0


def test_a_set_is_improved_until_a_step_gains_less_than_the_threshold() -> None:
    """The steps by themselves first, none too little; each gains less than the one before."""
    one = draw(1)
    start = Sca().solve(one).decision
    offloaders = np.flatnonzero(start.offload).tolist()

    def improved(steps: int, threshold: float) -> Any:
        search = Search(one, start, CompiledJointSubproblem(True), "best", steps, threshold)
        return search._improve(offloaders, (0.0, 0.0))

    emission_g = [improved(steps, 0.0).level[1] for steps in range(4)]
    gained = -np.diff(emission_g) / emission_g[:-1]
    assert (gained[1:] < 0.5 * gained[:-1]).all()
    for steps, gain in enumerate(gained, start=1):
        found = improved(9, 1.01 * gain)
        assert (found.steps, found.converged) == (steps, True)


def test_below_the_worst_case_the_others_are_optimised_too() -> None:
    """The one that sets the worst case cannot send: the others are as if it did not exist."""
    one = draw(2, rate_floor="offloading", megabytes=(1.0, 2.0), megacycles=(1000.0, 1100.0))
    one.tasks.cycles[0] = 1.5e9
    one.channel.gain[0] *= 1e-9
    result = Sca().solve(one)
    others = Slot(
        table1.network(5, 1e-28, "offloading"),
        type(one.tasks)(one.tasks.bits[1:], one.tasks.cycles[1:], one.tasks.deadline_s[1:]),
        MrcChannel(one.channel.gain[1:], one.channel.interference_gain[1:, 1:]),
        CARBON,
    )
    emission_g = one.evaluate(result.decision).emission_g
    local_g = CARBON * 1e-27 * 1.5e9 * 0.75e9**2
    assert result.worst_emission_g == pytest.approx(local_g, rel=1e-9)
    assert emission_g[1:].max() == pytest.approx(optimum(others).worst_emission_g, rel=2e-3)
    assert emission_g[1:].max() < 0.8 * local_g


@pytest.mark.parametrize("variant", ["improved", "paper"])
@pytest.mark.parametrize("rates", ["best", "initial"])
def test_an_infeasible_instance_has_a_decision(variant: Any, rates: Any) -> None:
    one = draw(0, megabytes=(8.0, 9.0), megacycles=(1900.0, 2000.0))
    best = optimum(one)
    assert not best.feasible
    result = Sca(variant, rates).solve(one)
    assert not result.feasible
    assert result.status == "infeasible"
    violation = float(one.evaluate(result.decision).use.violation)
    assert violation >= best.violation - 1e-5
    if (variant, rates) == ("improved", "best"):
        assert violation <= 1.05 * best.violation + 0.01


def test_a_solver_that_fails_is_counted_and_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    one, ones = draw(3), np.ones(6)
    for module in (power_subproblem, joint_subproblem):
        monkeypatch.setattr(module, "solved", lambda *_, **__: False)
    monkeypatch.setattr(power_subproblem, "_least_emission", lambda *_: (False, ones))
    monkeypatch.setattr(joint_subproblem, "_solved", lambda *_: (False, ones, ones))
    for variant, solver in itertools.product(("improved", "paper"), ("compiled", "cvxpy")):
        result = Sca(variant, solver=solver).solve(one)  # type: ignore[arg-type]
        assert result.failed_solves > 0
        assert np.isfinite(result.decision.power_w).all()


def test_solvers_print_nothing() -> None:
    """In a process of its own: a banner may be printed only once."""
    code = (
        "import numpy as np\n"
        "from edgesim.policies.convex_solver import solved\n"
        "from edgesim.policies.tasks.sca.offloading_subproblem import OffloadingSubproblem\n"
        "one = OffloadingSubproblem(2)\n"
        "one._given.assign(**dict.fromkeys(vars(one._given), np.full(2, 0.1)))\n"
        "assert solved(one.problem, mixed_integer=True)\n"
    )
    words = [sys.executable, "-c", code]
    ended = subprocess.run(words, check=True, capture_output=True, text=True)
    assert ended.stdout == ended.stderr == ""


def test_paper_starts_as_printed_and_only_falls_once_feasible() -> None:
    """Nearly 30 times the optimum at the start, as in Fig. 3."""
    one = draw(1, 6, 1e-27, megabytes=(1.0, 1.0), megacycles=(1250.0, 1250.0))
    result = Sca("paper", local_cpu=0.75e9).solve(one)
    assert result.history[0] == pytest.approx(CARBON * 1e-27 * 1.25e9 * (20e9 / 6) ** 2, rel=0.05)
    assert 27.0 < result.history[0] / optimum(one).worst_emission_g < 30.0
    assert result.feasible
    assert (result.history[1:] <= result.history[:-1] * (1.0 + 1e-6)).all()
    assert result.worst_emission_g == pytest.approx(result.history[-1], rel=1e-12)


def test_initial_rates_stay_and_cost() -> None:
    one = draw(3, 6, 1e-28, megacycles=(1000.0, 1500.0))
    result = Sca(rates="initial").solve(one)
    alpha = result.decision.offload
    assert result.feasible
    # (E_max / (theta D))^(1/3): executes 1587 Mcycles in 2 s with 1 J, and more at no other rate.
    common_hz = (1.0 / (1e-27 * 2.0)) ** (1.0 / 3.0)
    np.testing.assert_allclose(result.decision.local_cpu_hz[~alpha], common_hz)
    np.testing.assert_allclose(result.decision.edge_cpu_hz[alpha], 20e9 / 6)
    assert result.worst_emission_g > optimum(one).worst_emission_g


@pytest.mark.parametrize("seed", range(3))
def test_initial_rates_get_the_best_powers_and_offloading(seed: int) -> None:
    """At given rates the least powers in time are best for everybody; all 64 sets are tried."""
    one = draw(seed, 6, 1e-28, megacycles=(1000.0, 1500.0))
    local_hz, edge_hz = np.full(6, 0.78e9), np.full(6, 3e9)
    time_s = one.tasks.deadline_s - one.tasks.cycles / edge_hz
    best_g = np.inf
    for offloads in itertools.product([False, True], repeat=6):
        offload = np.array(offloads)
        rate_bps = np.maximum(1e6, np.where(offload, one.tasks.bits / time_s, 0.0))
        sinr = 2.0 ** (rate_bps / 10e6) - 1.0
        power_w = np.zeros(6)
        for _ in range(2000):
            heard_w = (one.channel.interference_gain * power_w).sum(axis=1) + one.network.noise_w
            power_w = np.minimum(sinr * heard_w / one.channel.gain, 0.2)
        outcome = one.evaluate(TaskDecision(power_w * (1.0 + 1e-9), offload, local_hz, edge_hz))
        if outcome.use.feasible:
            best_g = min(best_g, float(outcome.worst_emission_g))
    result = Sca(rates="initial", local_cpu=0.78e9, edge_cpu=3e9).solve(one)
    alpha = result.decision.offload
    assert result.feasible
    assert result.worst_emission_g == pytest.approx(best_g, rel=2e-3)
    np.testing.assert_array_equal(result.decision.local_cpu_hz[~alpha], 0.78e9)
    np.testing.assert_array_equal(result.decision.edge_cpu_hz[alpha], 3e9)


@pytest.mark.parametrize("cycles", [1.1e9, 1.5e9, 1.58e9, 1.6e9])
def test_the_initial_rate_executes_what_any_rate_can(cycles: float) -> None:
    def feasible(hz: float) -> bool:
        return cycles / hz <= 2.0 and 1e-27 * cycles * hz**2 <= 1.0

    one = draw(0, 1, rate_floor="offloading")
    task = replace(one.tasks, cycles=np.array([cycles]))
    result = Sca(rates="initial").solve(replace(one, tasks=task))
    any_rate = any(feasible(hz) for hz in np.linspace(0.5e9, 2e9, 2001))
    alone = optimize.brentq(lambda hz: 1e-27 * hz**3 * 2.0 - 1.0, 1e8, 1e10)
    assert feasible(float(alone)) == any_rate
    if not result.decision.offload[0]:
        assert result.decision.local_cpu_hz[0] == pytest.approx(alone, rel=1e-9)
