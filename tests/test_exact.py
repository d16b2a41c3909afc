import itertools
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
import table1
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from edgesim.policies.tasks.c10 import barrier, solver
from edgesim.policies.tasks.c10.closed_form_rates import slowest_edge_hz, slowest_local_hz
from edgesim.policies.tasks.c10.nested_sets import crossing, worst_alone_first
from edgesim.policies.tasks.c10.program import program_of
from edgesim.policies.tasks.c10.slot import Slot
from edgesim.policies.tasks.c10.solver import Solution, solve
from edgesim.simulator.core.arrays import BoolArray, FloatArray
from edgesim.simulator.tasks.channel import MrcChannel, path_gain
from edgesim.simulator.tasks.decision import TaskDecision
from edgesim.simulator.tasks.network import RateFloor, TaskNetwork, Tasks
from edgesim.simulator.tasks.outcome import evaluate
from edgesim.simulator.tasks.powers import least_powers_w

CARBON = table1.CARBON_G_PER_J
FLOORS: tuple[RateFloor, ...] = ("all", "offloading")


class Instance(NamedTuple):
    network: TaskNetwork
    tasks: Tasks
    channel: MrcChannel

    def solve(self) -> Solution:
        return solve(Slot(*self, CARBON))


def draw(
    seed: int,
    devices: int,
    theta_server: float = 1e-27,
    rate_floor: RateFloor = "all",
    **changes: Any,
) -> Instance:
    rng = np.random.default_rng(seed)
    network = replace(table1.network(devices, theta_server, rate_floor), **changes)
    channel = table1.channel(rng, devices)
    return Instance(network, table1.tasks(rng, devices), channel)


def relaxed(instance: Instance, factor: float) -> Instance:
    """What a decision can miss, relaxed: (10b) to (10d), and the least speeds of CPUs."""
    network = replace(
        instance.network,
        device_cpu_min_hz=instance.network.device_cpu_min_hz / factor,
        energy_max_j=instance.network.energy_max_j * factor,
        rate_min_bps=instance.network.rate_min_bps / factor,
    )
    tasks = replace(instance.tasks, deadline_s=instance.tasks.deadline_s * factor)
    return Instance(network, tasks, instance.channel)


# Brute force: its own physics, all offloading decisions, a grid of powers, the best point polished


def outcomes(
    instance: Instance, offload: BoolArray, power_w: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Joules of each device, and the share of each limit that is used, for (P, N) powers."""
    network, tasks, channel = instance
    heard = np.stack([(power_w * row).sum(axis=1) for row in channel.interference_gain], axis=1)
    shannon = np.log2(1 + power_w * channel.gain / (heard + network.noise_w))
    rate = network.bandwidth_hz * np.minimum(shannon, network.efficiency.cap)
    rate = np.maximum(rate, 1e-200)
    airtime_s = tasks.bits / rate
    left_s = tasks.deadline_s - airtime_s
    edge_hz = np.where(left_s > 0, tasks.cycles / np.where(left_s > 0, left_s, 1.0), 1e-9)
    local_hz = np.maximum(tasks.cycles / tasks.deadline_s, network.device_cpu_min_hz)
    device_j = np.where(
        offload, power_w * airtime_s, network.theta_device * tasks.cycles * local_hz**2
    )
    server_j = np.where(offload, network.theta_server * tasks.cycles * edge_hz**2, 0.0)
    floor = offload if network.rate_floor == "offloading" else np.ones_like(offload)
    busy_hz = np.where(offload, edge_hz, 0.0).sum(axis=1, keepdims=True)
    uses = [
        # A task that is not even sent in time counts as worse than anything else.
        np.where(offload & (left_s <= 0), 1e6 * airtime_s / tasks.deadline_s, 1e-9),
        device_j / network.energy_max_j,
        np.where(offload, 1e-9, local_hz / network.device_cpu_max_hz),
        np.where(floor, network.rate_min_bps / rate, 1e-9),
        np.maximum(busy_hz / network.server_cpu_hz, 1e-9),
    ]
    columns = [np.broadcast_to(use, (len(power_w), use.shape[-1])) for use in uses]
    return device_j + server_j, np.concatenate(columns, axis=1)


def grid_search(instance: Instance, offload: BoolArray) -> tuple[float, FloatArray]:
    """The best log powers on grids that close in, and their worst joules, infinite if over a limit."""
    network = instance.network
    loudest = np.log(network.device_power_max_w)
    points = {1: 41, 2: 31, 3: 13}[network.devices]
    silent = ~offload & (network.rate_floor == "offloading")
    width, low = np.full(network.devices, 25.0), loudest - 25.0
    best, best_at = np.inf, loudest
    for _ in range(20):
        high = np.minimum(low + width, loudest)
        axes = [
            np.array([-600.0]) if silent[m] else np.linspace(low[m], high[m], points)
            for m in range(network.devices)
        ]
        log_power = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
        log_power = log_power.reshape(-1, network.devices)
        joule, use = outcomes(instance, offload, np.exp(log_power))
        worst_j, excess = joule.max(axis=1), np.maximum(use.max(axis=1), 1.0)
        at = np.lexsort((worst_j, excess))[0]
        if excess[at] <= 1.0 and worst_j[at] < best:
            best, best_at = worst_j[at], log_power[at]
        # Closes in on the best point, unless that lies on the edge of what was searched.
        found = log_power[at]
        inside = silent | ((found > low) & ((found < high) | (high == loudest)))
        if inside.all():
            width = width * 0.5
        low = found - width / 2
    return best, best_at


def polish(instance: Instance, offload: BoolArray, log_power: FloatArray) -> float:
    """The least worst joules that a general optimiser reaches from there."""

    def level(x: FloatArray) -> float:
        return float(x[-1])

    def slack(x: FloatArray) -> FloatArray:
        joule, use = outcomes(instance, offload, np.exp(np.clip(x[None, :-1], -600.0, 5.0)))
        return np.concatenate([x[-1] - np.log(joule[0]), -np.log(use[0])])

    joule = outcomes(instance, offload, np.exp(log_power[None]))[0].max()
    loudest = np.log(instance.network.device_power_max_w)
    result = optimize.minimize(
        level,
        [*log_power.tolist(), float(np.log(joule))],
        method="SLSQP",
        constraints=[optimize.NonlinearConstraint(slack, 0.0, np.inf)],
        bounds=optimize.Bounds(-np.inf, np.append(loudest, np.inf)),
        tol=1e-12,
    )
    reached, use = outcomes(instance, offload, np.exp(np.minimum(result.x[None, :-1], loudest)))
    return float(reached.max()) if use.max() <= 1 + 1e-9 else float(joule)


def brute_force(instance: Instance) -> float:
    """The least worst emission in grams that a search over powers finds; infinite if none."""
    choices = itertools.product([False, True], repeat=instance.network.devices)
    found = [(*grid_search(instance, np.array(choice)), np.array(choice)) for choice in choices]
    best = min(joule for joule, _, _ in found)
    for joule, log_power, offload in found:
        if joule < 1.2 * best:
            best = min(best, polish(instance, offload, log_power))
    return float(best * CARBON)


def compare_with_brute_force(instance: Instance) -> bool:
    """Returns whether the instance is feasible."""
    solution = instance.solve()
    found = brute_force(instance)
    if np.isfinite(found):
        assert solution.feasible
        assert solution.worst_emission_g <= found * (1 + 1e-7)
    if solution.feasible:
        assert found <= solution.worst_emission_g * (1 + 1e-4)
        assert solution.gap < 1e-7
    return solution.feasible


SETTINGS = [
    (theta_server, floor, devices)
    for theta_server in (1e-28, 1e-27)
    for floor in FLOORS
    for devices in (2, 3)
]


@pytest.mark.parametrize(("theta_server", "floor", "devices"), SETTINGS)
def test_agrees_with_brute_force(theta_server: float, floor: RateFloor, devices: int) -> None:
    for seed in range(3):
        compare_with_brute_force(draw(seed, devices, theta_server, floor))


@pytest.mark.slow
@pytest.mark.parametrize(("theta_server", "floor", "devices"), SETTINGS)
def test_agrees_with_brute_force_on_many(
    theta_server: float, floor: RateFloor, devices: int
) -> None:
    feasible = [
        compare_with_brute_force(draw(seed, devices, theta_server, floor))
        for seed in range(100, 200)
    ]
    assert np.mean(feasible) > 0.9


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_brute_force_where_the_server_is_full(seed: int) -> None:
    """With the capacity tight, powers and server rates trade off between devices."""
    instance = draw(seed, 2, 1e-28, "all")
    free = instance.solve()
    asked_hz = free.decision.edge_cpu_hz.sum()
    assert free.decision.offload.all()
    tight = instance._replace(network=replace(instance.network, server_cpu_hz=0.99 * asked_hz))
    full = tight.solve()
    assert full.feasible
    assert full.worst_emission_g >= free.worst_emission_g
    compare_with_brute_force(tight)


def test_the_server_is_full_and_three_devices_share_it() -> None:
    instance = draw(3, 3, 1e-28, "offloading", device_cpu_max_hz=np.full(3, 0.6e9))
    asked_hz = instance.solve().decision.edge_cpu_hz.sum()
    tight = instance._replace(network=replace(instance.network, server_cpu_hz=0.97 * asked_hz))
    solution = tight.solve()
    assert solution.decision.edge_cpu_hz.sum() == pytest.approx(0.97 * asked_hz, rel=1e-3)
    assert compare_with_brute_force(tight)


# Other witnesses


@pytest.mark.parametrize("theta_server", [1e-28, 1e-27])
@pytest.mark.parametrize("floor", FLOORS)
def test_no_set_of_offloaders_beats_the_one_that_the_level_decides(
    theta_server: float, floor: RateFloor
) -> None:
    """All 2^6 offloading decisions, each by its own convex program."""
    for seed in range(4):
        instance = draw(seed, 6, theta_server, floor)
        network, tasks, _ = instance
        local_j = network.theta_device * tasks.cycles * slowest_local_hz(network, tasks) ** 2
        best_j = np.inf
        for choice in itertools.product([False, True], repeat=6):
            offload = np.array(choice)
            staying_j = local_j[~offload].max(initial=0.0)
            if staying_j > network.energy_max_j or staying_j >= best_j:
                continue
            program = program_of(Slot(*instance, CARBON), offload)
            inside, relaxation, _ = barrier.least_relaxation(program)
            if relaxation < 0.0:
                offloading_j = 0.0
                if offload.any():
                    offloading_j = np.exp(barrier.least_emission(program, inside)[1])
                best_j = min(best_j, max(staying_j, offloading_j))
        solution = instance.solve()
        assert solution.feasible == np.isfinite(best_j)
        if solution.feasible:
            assert solution.worst_emission_g == pytest.approx(best_j * CARBON, rel=1e-7)


def least_powers_exist(instance: Instance, offload: BoolArray, level_j: float) -> bool:
    """Whether powers exist that keep every device within a level, if the server has no limit.

    Given the interference, a device has a least power that is enough, and it grows with the
    interference. Asking again and again from silence climbs to the least powers that suffice for
    all, or beyond any limit.
    """
    network, tasks, channel = instance
    local_j = network.theta_device * tasks.cycles * slowest_local_hz(network, tasks) ** 2
    if (local_j[~offload] > level_j).any():
        return False
    power_w = np.zeros(network.devices)
    for _ in range(3000):
        disturbance_w = (channel.interference_gain * power_w).sum(axis=1) + network.noise_w
        unit_w = disturbance_w / channel.gain
        asked_w = np.zeros(network.devices)
        for m in range(network.devices):
            nats_s = tasks.bits[m] * np.log(2) / network.bandwidth_hz

            def joule(
                airtime_s: float, m: int = m, nats_s: float = nats_s, unit_w: FloatArray = unit_w
            ) -> float:
                radio_j = float(unit_w[m] * airtime_s * np.expm1(nats_s / airtime_s))
                left_s = tasks.deadline_s[m] - airtime_s
                server_j = network.theta_server * tasks.cycles[m] ** 3 / left_s**2
                return max(
                    radio_j + float(server_j) - level_j,
                    (radio_j - network.energy_max_j) * level_j / network.energy_max_j,
                )

            if offload[m]:
                longest_s = min(
                    tasks.bits[m] / network.rate_min_bps, tasks.deadline_s[m] * (1 - 1e-9)
                )
                # The longest airtime takes the least power; joule is convex in it.
                low_s = nats_s / 40.0
                least = optimize.minimize_scalar(
                    joule, bounds=(low_s, longest_s), method="bounded", options={"xatol": 1e-10}
                )
                if least.fun > 0.0:
                    return False
                airtime_s = longest_s
                if joule(longest_s) > 0.0:
                    airtime_s = float(optimize.brentq(joule, least.x, longest_s, xtol=1e-13))
                asked_w[m] = unit_w[m] * np.expm1(nats_s / airtime_s)
            elif network.rate_floor == "all":
                nats = network.rate_min_bps * np.log(2) / network.bandwidth_hz
                asked_w[m] = unit_w[m] * np.expm1(nats)
        if (asked_w > network.device_power_max_w).any():
            return False
        if np.allclose(asked_w, power_w, rtol=1e-7, atol=0.0):
            return True
        power_w = asked_w
    raise AssertionError("undecided")


@pytest.mark.parametrize("floor", FLOORS)
def test_least_powers_exist_just_above_the_optimum_and_not_just_below(floor: RateFloor) -> None:
    for seed in range(2):
        instance = draw(seed, 6, 3e-28, floor, server_cpu_hz=1e12)
        solution = instance.solve()
        assert solution.feasible
        level_j = solution.worst_emission_g / CARBON
        assert least_powers_exist(instance, solution.decision.offload, level_j * (1 + 1e-3))
        local_j = 1e-27 * instance.tasks.cycles**3 / instance.tasks.deadline_s**2
        below_j = level_j * (1 - 1e-3)
        must = (local_j > below_j) | (local_j > instance.network.energy_max_j)
        assert not least_powers_exist(instance, must, below_j)


@pytest.mark.parametrize("theta_server", [1e-30, 1e-28, 1e-27])
def test_without_interference_each_device_is_a_scalar_problem(theta_server: float) -> None:
    instance = draw(11, 5, theta_server)
    network, tasks, channel = instance
    alone = instance._replace(channel=replace(channel, interference_gain=np.zeros((5, 5))))
    best_j = []
    for m in range(5):
        unit_w = network.noise_w / channel.gain[m]
        nats_s = tasks.bits[m] * np.log(2) / network.bandwidth_hz

        def joule(airtime_s: float, m: int = m, unit_w: float = unit_w, a: float = nats_s) -> float:
            server_j = theta_server * tasks.cycles[m] ** 3 / (tasks.deadline_s[m] - airtime_s) ** 2
            return float(unit_w * airtime_s * np.expm1(a / airtime_s) + server_j)

        fastest_s = nats_s / np.log1p(network.device_power_max_w[m] / unit_w)
        longest_s = tasks.deadline_s[m] * (1 - 1e-9)
        found = optimize.minimize_scalar(
            joule, bounds=(fastest_s, longest_s), method="bounded", options={"xatol": 1e-12}
        )
        offloaded_j = min(found.fun, joule(fastest_s))
        local_j = 1e-27 * tasks.cycles[m] ** 3 / tasks.deadline_s[m] ** 2
        best_j.append(offloaded_j if local_j > 1.0 else min(local_j, offloaded_j))
    solution = alone.solve()
    assert solution.feasible
    assert solution.worst_emission_g == pytest.approx(max(best_j) * CARBON, rel=1e-6)


EQUAL_TASKS = [
    (1e-28, 1, 1000, 0.0028, 6),
    (1e-28, 1, 1800, 0.0161, 6),
    (1e-28, 4, 1250, 0.0247, 0),
    (1e-28, 4, 1800, None, None),
    (3e-28, 1, 1000, 0.0083, 6),
    (3e-28, 1, 1500, 0.0279, 6),
    (1e-27, 1, 1000, 0.0126, 0),
    (1e-27, 1, 1500, 0.0427, 0),
    (1e-27, 1, 1800, 0.1601, 6),
]


@pytest.mark.parametrize(("theta_server", "megabytes", "megacycles", "mg", "offload"), EQUAL_TASKS)
def test_equal_tasks_reach_the_known_medians(
    theta_server: float, megabytes: int, megacycles: int, mg: float | None, offload: int | None
) -> None:
    """Medians of 24 draws from a separate enumeration; such medians spread by 4 % themselves."""
    size, cycles = (megabytes, megabytes), (megacycles, megacycles)
    solutions = []
    for seed in range(48):
        rng = np.random.default_rng(seed)
        channel = table1.channel(rng)
        tasks = table1.tasks(rng, 6, size, cycles)
        solutions.append(solve(Slot(table1.network(6, theta_server), tasks, channel, CARBON)))
    if mg is None:
        assert not any(solution.feasible for solution in solutions)
    else:
        assert np.median([s.worst_emission_g * 1e3 for s in solutions]) == pytest.approx(
            mg, rel=0.06, abs=5e-5
        )
        assert np.median([s.decision.offload.sum() for s in solutions]) == offload


# Limits, certificates, infeasible instances


@st.composite
def instances(draw_from: st.DrawFn) -> Instance:
    """Anything from roomy to hopeless, up to 8 devices."""
    rng = np.random.default_rng(draw_from(st.integers(0, 10**6)))
    devices = draw_from(st.integers(1, 8))
    floor = draw_from(st.sampled_from(FLOORS))
    network = replace(
        table1.network(devices, draw_from(st.sampled_from([0.0, 1e-28, 1e-27, 1e-26])), floor),
        server_cpu_hz=10 ** rng.uniform(9, 10.5),
        rate_min_bps=draw_from(st.sampled_from([0.0, 1e4, 1e6, 1e7])),
        energy_max_j=10 ** rng.uniform(-2, 1),
        device_power_max_w=10 ** rng.uniform(-3, 0, devices),
        theta_device=10 ** rng.uniform(-28, -26, devices),
    )
    busy = rng.random(devices) < 0.9
    tasks = Tasks(
        10 ** rng.uniform(5, 7.5, devices),
        10 ** rng.uniform(8, 9.5, devices) * busy,
        10 ** rng.uniform(-0.5, 0.7, devices),
    )
    return Instance(network, tasks, table1.channel(rng, devices))


@settings(max_examples=150)
@given(instance=instances())
def test_limits_bounds_and_violations(instance: Instance) -> None:
    solution = instance.solve()
    outcome = evaluate(*instance, CARBON, solution.decision)
    assert np.isfinite(solution.worst_emission_g)
    assert solution.worst_emission_g == outcome.worst_emission_g
    assert solution.feasible == outcome.use.feasible
    assert solution.violation == outcome.use.violation
    assert -1e-8 < solution.gap < 1e-6
    offload = solution.decision.offload
    assert (solution.decision.local_cpu_hz[offload] == 0.0).all()
    assert (solution.decision.edge_cpu_hz[~offload] == 0.0).all()
    assert outcome.use.power.max() <= 1.0 + 1e-9  # what hardware cannot exceed is never relaxed
    assert outcome.use.capacity.max() <= 1.0 + 1e-9
    if not solution.feasible:
        assert relaxed(instance, 1.0 + solution.violation + 1e-5).solve().feasible
        if solution.violation > 1e-4:
            assert not relaxed(instance, 1.0 + solution.violation - 1e-4).solve().feasible


@settings(max_examples=60)
@given(instance=instances(), factor=st.floats(1.0, 2.0))
def test_looser_limits_never_cost_emissions(instance: Instance, factor: float) -> None:
    solution = instance.solve()
    looser = relaxed(instance, factor).solve()
    if solution.feasible:
        assert looser.feasible
        assert looser.worst_emission_g <= solution.worst_emission_g * (1 + 1e-6)


@settings(max_examples=40)
@given(instance=instances(), seed=st.integers(0, 1000))
def test_names_of_devices_do_not_matter(instance: Instance, seed: int) -> None:
    network, tasks, channel = instance
    order = np.random.default_rng(seed).permutation(network.devices)
    renamed = Instance(
        replace(
            network,
            device_power_max_w=network.device_power_max_w[order],
            theta_device=network.theta_device[order],
        ),
        Tasks(tasks.bits[order], tasks.cycles[order], tasks.deadline_s[order]),
        MrcChannel(channel.gain[order], channel.interference_gain[np.ix_(order, order)]),
    )
    first, second = instance.solve(), renamed.solve()
    assert first.feasible == second.feasible
    assert first.violation == pytest.approx(second.violation, rel=1e-6, abs=1e-8)
    if first.feasible:
        assert first.worst_emission_g == pytest.approx(second.worst_emission_g, rel=1e-6)


@pytest.mark.parametrize("floor", FLOORS)
def test_least_violation_against_brute_force(floor: RateFloor) -> None:
    """Two devices that can neither compute nor send their tasks in time."""
    instance = draw(2, 2, 1e-27, floor, device_cpu_max_hz=np.full(2, 0.6e9), energy_max_j=0.05)
    instance = instance._replace(tasks=replace(instance.tasks, bits=np.full(2, 60e6)))
    solution = instance.solve()
    assert not solution.feasible
    assert solution.violation > 0.05
    assert np.isinf(brute_force(relaxed(instance, 1.0 + solution.violation - 2e-3)))
    assert np.isfinite(brute_force(relaxed(instance, 1.0 + solution.violation + 2e-3)))


def test_limits_that_are_relaxed_are_used_less() -> None:
    """Whatever is decided: twice the room is half the use, of time, energy and rate."""
    slot, rng = Slot(*draw(0, 6), CARBON), np.random.default_rng(0)
    decision = TaskDecision(
        rng.uniform(0.01, 0.1, 6), np.arange(6) < 3, np.full(6, 1e9), np.full(6, 9e9)
    )
    use, half = slot.evaluate(decision).use, slot.relaxed(2.0).evaluate(decision).use
    for name in ("delay", "energy", "rate"):
        assert getattr(half, name) == pytest.approx(getattr(use, name) / 2.0, rel=1e-12)
    # What exceeds these is scaled down, so no decision can use more.
    assert (half.power == use.power).all() and (half.capacity == use.capacity).all()


def test_least_violation_of_a_device_on_its_own_by_hand() -> None:
    """3 Gcycles in 2 s take 6.75 J of 1 J. Relaxed by x: (3e9 / 2 x)^2 3e9 1e-27 = x, so x^3 = 6.75."""
    instance = draw(0, 1, rate_floor="offloading")
    tasks = Tasks(np.array([1e12]), np.array([3e9]), np.array([2.0]))  # far too much to send
    solution = instance._replace(tasks=tasks).solve()
    assert not solution.feasible and not solution.decision.offload.any()
    assert solution.violation == pytest.approx(6.75 ** (1.0 / 3.0) - 1.0, abs=1e-5)


def test_a_device_without_a_task_stays_local_and_keeps_up_its_floor() -> None:
    instance = draw(0, 3, 1e-28)
    bits, cycles = instance.tasks.bits.copy(), instance.tasks.cycles.copy()
    bits[1] = cycles[1] = 0.0
    solution = instance._replace(tasks=replace(instance.tasks, bits=bits, cycles=cycles)).solve()
    assert solution.feasible
    assert not solution.decision.offload[1]
    assert solution.decision.power_w[1] > 0.0


def test_too_many_devices_are_refused() -> None:
    with pytest.raises(solver.SizeError, match="33 devices"):
        draw(0, 33).solve()
    assert draw(0, 32, 1e-28, "offloading").solve().gap < 1e-6


@pytest.mark.parametrize("seed", range(12))
def test_a_time_limit_leaves_the_best_so_far_and_a_bound(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a clock that ticks once per look: the more looks, the closer; never on the wrong side."""
    instance = draw(seed, 10, theta_server=(1e-28, 1e-27)[seed % 2])
    optimum = instance.solve()
    gaps = []
    for looks in range(1, 12):
        clock = iter(range(1000))
        monkeypatch.setattr(solver, "perf_counter", lambda clock=clock: float(next(clock)))
        answer = solve(Slot(*instance, CARBON), time_limit_s=float(looks))
        assert answer.feasible == optimum.feasible
        assert answer.worst_emission_g >= optimum.worst_emission_g * (1.0 - 1e-6)
        if optimum.feasible:
            assert answer.lower_bound_g <= optimum.worst_emission_g * (1.0 + 1e-9)
        gaps.append(answer.gap)
    assert (np.diff(gaps) <= 1e-9).all()
    assert gaps[-1] == pytest.approx(optimum.gap)


def test_a_time_limit_admits_large_networks() -> None:
    instance = relaxed(draw(1, 40, rate_floor="offloading", server_cpu_hz=4e10), 1.3)
    answer = solve(Slot(*instance, CARBON), time_limit_s=1e-9)
    assert answer.feasible
    assert 0.0 <= answer.lower_bound_g < answer.worst_emission_g
    longer = solve(Slot(*instance, CARBON), time_limit_s=60.0)
    assert answer.lower_bound_g <= longer.lower_bound_g <= longer.worst_emission_g
    assert longer.worst_emission_g <= answer.worst_emission_g
    assert longer.gap < 1e-3


def test_who_would_cost_most_alone_offloads_first() -> None:
    """The first cost decides, then the second, then the number; the crossing is the first of all."""
    assert worst_alone_first(np.array([1.0, 3.0, np.inf, 2.0])).tolist() == [2, 1, 3, 0]
    first, second = np.array([[0.0, 0.0, 1.0], [2.0, 2.0, 2.0]]), np.array([5.0, 7.0, 0.0])
    both = worst_alone_first(first, np.broadcast_to(second, (2, 3)))
    assert both.tolist() == [[2, 1, 0], [1, 0, 2]]
    assert worst_alone_first(np.ones(3)).tolist() == [0, 1, 2]
    for low, high in itertools.product(range(9), repeat=2):
        for least in range(low, high + 1):
            assert crossing(low, high, lambda k, least=least: k >= least) == (least, least)  # type: ignore[misc]


def test_slowest_rates_meet_the_deadline_exactly() -> None:
    instance = draw(4, 6)
    airtime_s = np.linspace(0.1, 1.9, 6)
    edge_hz = slowest_edge_hz(instance.tasks, airtime_s)
    assert airtime_s + instance.tasks.cycles / edge_hz == pytest.approx(instance.tasks.deadline_s)
    assert slowest_edge_hz(instance.tasks, np.full(6, 2.0)).tolist() == [np.inf] * 6
    light = replace(instance.tasks, cycles=np.array([1e8, 1e9, 2e9, 3e9, 4e9, 5e9]))
    assert slowest_local_hz(instance.network, light) == pytest.approx(
        [0.5e9, 0.5e9, 1e9, 1.5e9, 2e9, 2.5e9]
    )


def test_a_device_in_the_cell_centre_is_no_special_case() -> None:
    """A gain of a million times the others' leaves a well-posed problem."""
    instance = draw(8, 4, 1e-28)
    strong = path_gain(np.array(1.0)) / path_gain(np.array(40.0))
    gain = instance.channel.gain.copy()
    cross = instance.channel.interference_gain.copy()
    gain[0] *= strong
    cross[1:, 0] *= strong
    solution = instance._replace(channel=MrcChannel(gain, cross)).solve()
    assert solution.feasible
    assert solution.gap < 1e-7


def test_least_powers_are_a_fixed_point_where_some_are_cut() -> None:
    """p = min(gamma (T p + N_0) / ||h||^2, P_max) of every device, each with limits of its own."""
    rng = np.random.default_rng(8)
    network = table1.network(4)
    count, shape = 60, (60, 4, 4)
    limits = replace(network, device_power_max_w=np.array([0.2, 0.1, 0.05, 0.4]))
    gain = rng.uniform(0.5, 2.0, (count, 4)) * 1e-12
    cross = gain[:, :, None] * rng.uniform(0.0, 0.6, shape) * (1.0 - np.eye(4))
    rate_bps = rng.uniform(2e6, 14e6, (count, 4))
    power_w = least_powers_w(limits, MrcChannel(gain, cross), rate_bps)
    needed = (2.0 ** (rate_bps / network.bandwidth_hz) - 1.0) / gain
    heard_w = (cross @ power_w[..., None])[..., 0] + network.noise_w
    np.testing.assert_allclose(
        power_w, np.minimum(needed * heard_w, limits.device_power_max_w), rtol=1e-9
    )
    cut = power_w == limits.device_power_max_w
    assert 0.1 < cut.mean() < 0.9 and (cut.any(axis=1) & ~cut.all(axis=1)).sum() > 10
