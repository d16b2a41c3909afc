"""The task problem's policies piece by piece: by hand, at boundaries, and in replications that all differ."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import table1

from edgesim.policies.among_present import among_present
from edgesim.policies.epr import EqualRatesTasks
from edgesim.policies.tasks import exact
from edgesim.policies.tasks.c10 import solver
from edgesim.policies.tasks.c10.fixed_rates import FixedRates
from edgesim.policies.tasks.c10.points import Point, least_offloaded_j
from edgesim.policies.tasks.c10.slot import Slot
from edgesim.policies.tasks.c10.solver import SizeError, Solution, _Best
from edgesim.policies.tasks.exact import Exact
from edgesim.policies.tasks.lyapunov import LyapunovTasks
from edgesim.policies.tasks.sca import improved
from edgesim.policies.tasks.sca.algorithm1 import Algorithm1
from edgesim.policies.tasks.sca.improved import Search, _best_local_hz
from edgesim.policies.tasks.sca.offloading_subproblem import (
    CompiledOffloadingSubproblem,
    OffloadingCoefficients,
)
from edgesim.policies.tasks.sca.policy import Sca
from edgesim.simulator.core.arrays import FloatArray
from edgesim.simulator.network.spectral_efficiency import SpectralEfficiency
from edgesim.simulator.tasks.channel import MrcChannel
from edgesim.simulator.tasks.decision import TaskDecision
from edgesim.simulator.tasks.network import TaskNetwork, Tasks
from edgesim.simulator.tasks.observation import TaskObservation
from edgesim.simulator.tasks.problem import WorstCaseEmission

CARBON = table1.CARBON_G_PER_J


def a_slot(cycles: list[float], **changes: Any) -> Slot:
    """Tasks of 1 Mbit in 2 s, for devices of Table I that hear nothing of each other."""
    n = len(cycles)
    tasks = Tasks(np.full(n, 1e6), np.array(cycles), np.full(n, 2.0))
    channel = MrcChannel(np.full(n, 1e-8), np.zeros((n, n)))
    return Slot(replace(table1.network(n, 1e-28), **changes), tasks, channel, CARBON)


def shown(rows: int, devices: int, **changes: Any) -> TaskObservation:
    """Instances of Table I whose intensities differ, and no number is there twice."""
    one = [table1.tasks(np.random.default_rng(r), devices) for r in range(rows)]
    channels = [table1.channel(np.random.default_rng(r), devices) for r in range(rows)]
    count = rows * devices
    column: FloatArray = np.arange(1.0, count + 1.0).reshape(rows, devices)
    values: dict[str, Any] = {
        "slot": 0, "time_s": 0.0,
        "tasks": Tasks(*(np.stack([getattr(t, f) for t in one]) for f in ("bits", "cycles", "deadline_s"))),
        "channel": MrcChannel(
            np.stack([c.gain for c in channels]), np.stack([c.interference_gain for c in channels])
        ),
        "carbon_g_per_j": CARBON * np.geomspace(1.0, 9.0, rows)[:, None],
        "position_m": np.arange(2.0 * count).reshape(rows, devices, 2),
        "last_emission_g": 100.0 + column, "age_s": 200.0 + column,
        "present": np.ones((rows, devices), np.bool_),
    }  # fmt: skip
    return TaskObservation(**(values | changes))


def row(seen: TaskObservation, r: int) -> TaskObservation:
    """One of its replications."""
    tasks, channel, at = seen.tasks, seen.channel, slice(r, r + 1)
    return replace(
        seen,
        tasks=Tasks(tasks.bits[at], tasks.cycles[at], tasks.deadline_s[at]),
        channel=MrcChannel(channel.gain[at], channel.interference_gain[at]),
        **{
            name: getattr(seen, name)[at]
            for name in ("carbon_g_per_j", "position_m", "last_emission_g", "age_s", "present")
        },
    )


# Who is there


def test_a_decision_is_among_those_who_are_there_and_is_theirs() -> None:
    network = replace(
        table1.network(3),
        device_power_max_w=np.array([0.1, 0.2, 0.3]), device_cpu_min_hz=np.array([1e8, 2e8, 3e8]),
        device_cpu_max_hz=np.array([1e9, 2e9, 3e9]), theta_device=np.array([1e-27, 2e-27, 3e-27]),
    )  # fmt: skip
    present = np.array([[True, False, True], [False, False, False], [False, True, True]])
    seen = shown(3, 3, present=present)
    asked: list[tuple[TaskNetwork, TaskObservation, Any]] = []

    def decide(one: TaskNetwork, of: TaskObservation, rows: Any) -> TaskDecision:
        asked.append((one, of, rows))
        power_w = one.device_power_max_w[None]
        told = {"iterations": np.array([10.0 * len(asked)])}
        return TaskDecision(power_w, power_w > 0.15, 2.0 * power_w, 3.0 * power_w, told)

    found = among_present(network, seen, decide, {"iterations": -1.0})
    assert found.power_w.tolist() == [[0.1, 0.0, 0.3], [0.0] * 3, [0.0, 0.2, 0.3]]
    assert found.offload.tolist() == [[False, False, True], [False] * 3, [False, True, True]]
    assert found.local_cpu_hz == pytest.approx(2.0 * found.power_w)
    assert found.edge_cpu_hz == pytest.approx(3.0 * found.power_w)
    assert found.diagnostics["iterations"].tolist() == [10.0, -1.0, 20.0]
    for (one, of, rows), r, at in zip(asked, (0, 2), ([0, 2], [1, 2]), strict=True):
        assert one.device_cpu_min_hz.tolist() == network.device_cpu_min_hz[at].tolist()
        assert one.device_cpu_max_hz.tolist() == network.device_cpu_max_hz[at].tolist()
        assert one.theta_device.tolist() == network.theta_device[at].tolist()
        assert one.devices == 2 and of.present.tolist() == [[True, True]]
        for name in ("bits", "cycles", "deadline_s"):
            columns = getattr(of.tasks, name), getattr(seen.tasks, name)
            assert columns[0].tolist() == columns[1][r : r + 1, at].tolist()
        for name in ("position_m", "last_emission_g", "age_s"):
            assert getattr(of, name).tolist() == getattr(seen, name)[r : r + 1, at].tolist()
        assert of.carbon_g_per_j.tolist() == seen.carbon_g_per_j[r : r + 1].tolist()
        cross = seen.channel.interference_gain[r]
        assert of.channel.gain.tolist() == [[seen.channel.gain[r, i] for i in at]]
        assert of.channel.interference_gain.tolist() == [[[cross[i, n] for n in at] for i in at]]
        assert seen.age_s[rows].tolist() == [[seen.age_s[r, i] for i in at]]


@pytest.mark.parametrize("make", [LyapunovTasks, EqualRatesTasks, Sca, Exact])
def test_each_replication_is_decided_by_its_own_numbers(make: Any) -> None:
    """Of other intensities and debts: bit for bit as alone."""
    network, seen = table1.network(3, 1e-28), shown(3, 3)

    def decided(of: TaskObservation, debts_j: FloatArray) -> TaskDecision:
        policy = make()
        policy.reset(network, WorstCaseEmission(network), [np.random.default_rng(0)] * len(debts_j))
        policy.overdrawn_j = debts_j
        return policy.decide(of)  # type: ignore[no-any-return]

    debts_j = np.array([[0.0, 2.0, 9.0], [0.0, 0.0, 0.0], [50.0, 1.0, 0.0]])
    together = decided(seen, debts_j)
    for r in range(3):
        alone = decided(row(seen, r), debts_j[r : r + 1])
        for name in ("power_w", "offload", "local_cpu_hz", "edge_cpu_hz"):
            assert (getattr(together, name)[r] == getattr(alone, name)[0]).all()


# Drift plus penalty


def test_debts_and_intensity_decide_who_offloads_by_hand() -> None:
    """Alone in its cell a device sends what costs V g + Z E less there than at its own CPU, in its replication."""
    network = table1.network(1, 1e-27, "offloading")
    tasks = Tasks(np.full((2, 1), 1e6), np.full((2, 1), 1.5e9), np.full((2, 1), 2.0))
    channel = MrcChannel(np.full((2, 1), 1e-8), np.zeros((2, 1, 1)))
    seen = replace(
        row(shown(1, 1), 0), tasks=tasks, channel=channel, carbon_g_per_j=np.full((2, 1), CARBON),
        present=np.ones((2, 1), np.bool_),
    )  # fmt: skip
    policy = LyapunovTasks(emission_weight=1e4)
    policy.reset(network, WorstCaseEmission(network), [np.random.default_rng(0)] * 2)
    policy.overdrawn_j = np.array([[0.0], [5.0]])
    found = policy.decide(seen)
    # A cycle costs as much at the server, which has less time for it: only a debt pays for sending.
    assert found.offload.tolist() == [[False], [True]]
    # 1.5e9 cycles at 0.75 GHz take 0.84 of 1 J, and nothing is saved up; of the debt a slot's budget is paid.
    assert policy.overdrawn_j[0, 0] == 0.0
    assert policy.overdrawn_j[1, 0] == pytest.approx(4.0, abs=0.05)


def test_who_is_too_slow_for_its_task_offloads_first() -> None:
    """0.8 GHz are needed: of 0.6 GHz that is too late, of 2 GHz cheaper than the server's."""
    network = replace(
        table1.network(2, 1e-26, "offloading"), device_cpu_max_hz=np.array([0.6e9, 2e9])
    )
    seen = replace(
        row(shown(1, 2), 0),
        tasks=Tasks(np.full((1, 2), 1e6), np.full((1, 2), 1.6e9), np.full((1, 2), 2.0)),
        channel=MrcChannel(np.full((1, 2), 1e-8), np.zeros((1, 2, 2))),
    )
    for debts_j in ([[0.0, 0.0]], [[9.0, 0.0]]):
        policy = LyapunovTasks()
        policy.reset(network, WorstCaseEmission(network), [np.random.default_rng(0)])
        policy.overdrawn_j = np.array(debts_j)
        assert policy.decide(seen).offload.tolist() == [[True, False]]


def test_a_server_that_is_asked_for_too_much_gives_to_each_in_proportion() -> None:
    """24 and 36 Gcycle in 2 s, which no device has in time: 12 and 18 GHz and more, of 20."""
    network = table1.network(2, 1e-30, "offloading")
    seen = shown(1, 2)
    seen = replace(
        seen,
        tasks=Tasks(np.full((1, 2), 1e3), np.array([[24e9, 36e9]]), np.full((1, 2), 2.0)),
        channel=MrcChannel(np.full((1, 2), 1e-7), np.zeros((1, 2, 2))),
    )
    policy = LyapunovTasks()
    policy.reset(network, WorstCaseEmission(network), [np.random.default_rng(0)])
    found = policy.decide(seen)
    assert found.offload.all()
    assert found.edge_cpu_hz.sum() == pytest.approx(20e9, rel=1e-12)
    assert found.edge_cpu_hz[0, 1] / found.edge_cpu_hz[0, 0] == pytest.approx(1.5, rel=0.1)


# The search of `sca`


def test_what_devices_cost_alone_by_hand() -> None:
    """In time; too slow by half; over its budget at its least speed; and both, missed alike."""
    one = a_slot([1e9, 6e9, 0.9e9, 2e9], device_cpu_min_hz=np.array([5e8, 5e8, 2e9, 5e8]))
    start = TaskDecision(np.zeros(4), np.zeros(4, bool), np.full(4, 7e8), np.full(4, 5e9))
    search: Any = Search(one, start, SimpleNamespace(), "best", 30, 1e-3)  # type: ignore[arg-type]
    # (C / D, f_max): 3 of 2 GHz at sqrt(6) GHz; energy theta C f^2 over 1 J, and C / (D f), alike at (E / theta D)^(1/3).
    alike = (1.0 / 2e-27) ** (1.0 / 3.0)
    assert _best_local_hz(one.network, one.tasks) == pytest.approx(
        [0.5e9, alike, (2e9 / 0.9e-18) ** (1.0 / 3.0), alike]
    )
    violation, emission = zip(*search._local, strict=True)
    hz = _best_local_hz(one.network, one.tasks)
    for m, f in enumerate(hz):
        late = one.tasks.cycles[m] / (2.0 * f)
        spent_j = 1e-27 * one.tasks.cycles[m] * f**2
        least = one.network.device_cpu_min_hz[m] / f
        use = max(late, spent_j, f / 2e9, least)
        assert violation[m] == pytest.approx(0.0 if use <= 1.0 else use - 1.0, rel=1e-9, abs=0)
        assert emission[m] == pytest.approx(CARBON * spent_j, rel=1e-12)
    assert violation[0] == 0.0 and min(violation[1:]) > 0.1
    assert search._order == sorted(range(4), key=lambda m: (-violation[m], -emission[m]))
    bound = CARBON * least_offloaded_j(one.arrays(), np.full(4, 5e9), True)
    assert search._bound_g == pytest.approx(bound.tolist(), rel=1e-12)


def test_a_rate_that_stays_may_cost_more_than_the_budget() -> None:
    """0.7 s of 2 s, and 3.15 J of 1; where energy is plenty, f_max and the deadline are missed alike, by sqrt(3 / 2)."""
    one = a_slot([1.4e9, 1e9])
    start = TaskDecision(np.zeros(2), np.zeros(2, bool), np.array([1.5e9, 6e8]), np.full(2, 5e9))
    search: Any = Search(one, start, SimpleNamespace(), "initial", 30, 1e-3)  # type: ignore[arg-type]
    assert search._local[0] == pytest.approx((2.15, CARBON * 3.15))
    assert search._local[1] == pytest.approx((0.0, CARBON * 0.36), abs=0)
    plenty = a_slot([6e9, 1e9], energy_max_j=100.0)
    assert _best_local_hz(plenty.network, plenty.tasks) == pytest.approx([6e18**0.5, 0.5e9])


def test_a_search_answers_with_the_best_that_it_has_seen() -> None:
    one = a_slot([1e9, 1e9])
    start = TaskDecision(np.zeros(2), np.zeros(2, bool), np.full(2, 7e8), np.full(2, 5e9))
    search: Any = Search(one, start, SimpleNamespace(), "best", 30, 1e-2)  # type: ignore[arg-type]
    power_w, nobody = np.full(2, 0.1), np.zeros(2, bool)
    worse = search._found(nobody, Point(power_w, power_w, power_w, 0.0, 9.0), 0, True)
    good = search._found(~nobody, Point(power_w, 1e10 * power_w, power_w, 0.0, 0.1), 0, True)
    search._order, search._best, search._history = [], good, [1.0]
    search._improve = lambda offloaders, enough: worse
    assert search.run().decision.offload.all()
    search._best = replace(worse, whole=(0.0, 99.0))
    assert not search.run().decision.offload.any()


def test_the_least_rate_is_asked_of_all_or_of_those_who_offload() -> None:
    for floor, least_bps in (("all", 1e6), ("offloading", 0.0)):
        arrays = a_slot([1e9, 1e9], rate_floor=floor).arrays()
        assert arrays.floor_bps.tolist() == [least_bps] * 2 and arrays.rate_min_bps == 1e6


def test_a_search_step_ends_where_it_gains_little_of_what_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of the violation while there is one, then of the emission; no step, or a worse one, ends it where it was."""
    one = a_slot([1e9, 1e9])
    start = TaskDecision(np.zeros(2), np.zeros(2, bool), np.full(2, 7e8), np.full(2, 5e9))
    answer: Any = (np.ones(2), np.ones(2))
    asked: list[bool] = []

    def step(*_: Any, relaxed: bool) -> Any:
        asked.append(relaxed)
        return answer

    steps = SimpleNamespace(step=step)
    search: Any = Search(one, start, steps, "best", 30, 1e-2)  # type: ignore[arg-type]
    both = np.ones(2, bool)

    def point(violation: float, joule: float) -> Any:
        power_w = np.ones(2)
        return Point(power_w, power_w, power_w, violation, joule)

    for here, there, converged, moved in (
        ((0.5, 10.0), (0.4, 11.0), False, True),
        ((0.5, 10.0), (0.498, 5.0), True, True),
        ((0.0, 10.0), (0.0, 9.8), False, True),
        ((0.0, 10.0), (0.0, 9.95), True, True),
        ((0.0, 10.0), (0.0, 10.0), True, False),
        ((0.1, 10.0), (0.2, 1.0), True, False),
    ):
        monkeypatch.setattr(improved, "prolonged", lambda *_, to=there: point(*to))
        begin = search._found(both, point(*here), 3, False)
        found = search._step(begin)
        assert (found.converged, found.steps, asked.pop()) == (converged, 4, here[0] > 0.0)
        level = there if moved else here
        assert found.level == pytest.approx((level[0], CARBON * level[1]))
    assert search._failed == 0
    answer = None
    found = search._step(begin)
    assert (found.converged, found.steps, found.level) == (True, 4, begin.level)
    assert search._failed == 1


def test_a_decision_is_as_bad_as_its_worst_device_and_the_best_of_all_is_kept() -> None:
    """Device 0 stays: late by half, at 8 g; the history is infinite until all limits hold."""
    one = a_slot([1e9, 1e9])
    start = TaskDecision(np.zeros(2), np.zeros(2, bool), np.full(2, 7e8), np.full(2, 5e9))
    search: Any = Search(one, start, SimpleNamespace(), "best", 30, 1e-2)  # type: ignore[arg-type]
    search._local = [(0.5, 8.0), (0.0, 1.0)]
    power_w = np.ones(2)
    only_1 = np.array([False, True])
    worse = search._found(only_1, Point(power_w, power_w, power_w, 0.2, 3.0), 0, False)
    assert worse.level == pytest.approx((0.2, CARBON * 3.0)) and worse.whole == (0.5, 8.0)
    search._keep((1,), worse)
    assert search._history == [np.inf] and search._best is worse
    search._local[0] = (0.0, 1e-9)
    good = search._found(only_1, Point(power_w, power_w, power_w, 0.0, 3.0), 0, False)
    search._keep((1,), good)
    assert search._history == [pytest.approx(CARBON * 3.0)] and search._best is good
    search._keep((0,), worse)
    assert search._best is good and len(search._history) == 1


# Algorithm 1


def test_algorithm_1_counts_a_rise_as_a_change_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """From a start beyond its limits every answer is taken; here powers, and emissions, rise in each."""
    one = a_slot([1.9e9, 1.9e9], energy_max_j=1e-3)
    start = TaskDecision(
        np.full(2, 1e-3), np.array([True, False]), np.full(2, 5e8), np.full(2, 5e9)
    )
    algorithm: Any = Algorithm1(2, False, "compiled")
    algorithm._power = SimpleNamespace(
        solve=lambda slot, point: replace(point, edge_cpu_hz=1.2 * point.edge_cpu_hz)
    )
    algorithm._offloading = SimpleNamespace(solve=lambda slot, point: None)
    found = algorithm.solve(one, start, 3, 0.1)
    assert len(found.history) == 4 and found.iterations == 3 and found.failed_solves == 3
    assert found.decision.edge_cpu_hz[0] == pytest.approx(5e9 * 1.2**3)
    assert (np.diff(found.history) > 0.0).all()
    found = algorithm.solve(one, start, 3, 0.6)  # f^2 grows by 0.44
    assert found.iterations == 1


def test_the_printed_start_of_five_devices() -> None:
    """The first two of five offload; no radio starts above what it can."""
    one = a_slot([1e9] * 5, device_power_max_w=np.array([2e-3, 1.0, 1.0, 1.0, 1.0]))
    start = Sca("paper", power_min=3e-3)._printed_start(one)
    assert start.offload.tolist() == [True, True, False, False, False]
    assert start.power_w.tolist() == [2e-3, 3e-3, 3e-3, 3e-3, 3e-3]
    assert start.edge_cpu_hz.tolist() == [4e9] * 5 and start.local_cpu_hz.tolist() == [5e8] * 5
    given = Sca("paper", edge_cpu=1e9, local_cpu=6e8)._printed_start(one)
    assert given.edge_cpu_hz.tolist() == [1e9] * 5 and given.local_cpu_hz.tolist() == [6e8] * 5


def test_what_sca_says_of_each_replication(monkeypatch: pytest.MonkeyPatch) -> None:
    """Iterations, failures, and decisions; a task that is not known yet is a bit and a cycle."""
    seen = shown(2, 2)
    seen.tasks.bits[1, 0] = seen.tasks.cycles[1, 1] = 0.0
    slots: list[Slot] = []

    def solve(self: Sca, slot: Slot) -> Any:
        slots.append(slot)
        k = float(len(slots))
        decision = TaskDecision(np.full(2, k), np.ones(2, bool), np.full(2, -k), np.full(2, 2 * k))
        return SimpleNamespace(
            decision=decision, iterations=3 * len(slots), failed_solves=len(slots)
        )

    monkeypatch.setattr(Sca, "solve", solve)
    policy = Sca()
    policy.reset(table1.network(2), WorstCaseEmission(table1.network(2)), [])
    found = policy.decide(seen)
    assert found.diagnostics["iterations"].tolist() == [3.0, 6.0]
    assert found.diagnostics["failed_solves"].tolist() == [1.0, 2.0]
    assert found.power_w.tolist() == [[1.0, 1.0], [2.0, 2.0]]
    assert (slots[1].tasks.bits[0], slots[1].tasks.cycles[1]) == (1.0, 1.0)
    assert slots[0].tasks.bits.tolist() == seen.tasks.bits[0].tolist()
    assert slots[1].carbon_g_per_j == pytest.approx(9.0 * CARBON)


def test_offloaders_fill_the_server_to_the_last_cycle() -> None:
    """Halves of it for two; of three, those who gain most; and none who cannot be in time there."""
    zeros, best = np.zeros(3), CompiledOffloadingSubproblem()._best

    def given(**columns: Any) -> OffloadingCoefficients:
        values = dict.fromkeys(OffloadingCoefficients._fields, zeros)
        return OffloadingCoefficients(**(values | {k: np.array(v) for k, v in columns.items()}))

    gains = {"local_emission": [3.0, 2.0, 4.0], "edge_emission": [2.0, 1.9, 2.5]}
    half = {"server": [0.5, 0.5, 0.5]}
    found = best(given(**gains, **half))
    assert found is not None and found.tolist() == [True, False, True]
    found = best(given(**gains, **half, edge_late=[0.0, 0.0, 1.0]))
    assert found is not None and found.tolist() == [True, True, False]
    found = best(given(**gains, **half, local_late=[0.0, 1.0, 0.0]))
    assert found is not None and found.tolist() == [False, True, True]
    assert best(given(**gains, server=[0.6, 0.6, 0.6], local_overspent=[1.0, 1.0, 0.0])) is None


# Fixed rates and the optimum


def test_what_rates_are_needed_by_hand() -> None:
    """S / (D x - C / f^0) within limits relaxed by x, R_min / x; nobody waits for a server that is too slow."""
    network = replace(table1.network(3), rate_min_bps=6e5)
    tasks = Tasks(
        np.array([[1e6, 2e6, 3e6], [4e6, 5e6, 6e5]]), np.array([[1e9, 9e9, 2e9], [1e9, 2e9, 3e9]]),
        np.array([[2.0, 3.0, 4.0], [1.0, 2.0, 3.0]]),
    )  # fmt: skip
    channel = MrcChannel(np.ones((2, 3)), np.zeros((2, 3, 3)))
    slot = Slot(network, tasks, channel, np.full((2, 1), CARBON))
    fixed = FixedRates(slot, np.full((2, 3), 1e9), 2e9)
    offload = np.array([[True, True, False], [True, False, True]])
    relaxation = np.array([[1.0], [3.0]])
    assert fixed.needed_bps(offload, relaxation) == pytest.approx(
        np.array([[1e6 / 1.5, 6e5, 6e5], [4e6 / 2.5, 2e5, 2e5]])
    )
    few = replace(slot, network=replace(network, rate_floor="offloading"))
    assert FixedRates(few, np.full((2, 3), 1e9), 2e9).needed_bps(offload, relaxation)[
        ~offload
    ].tolist() == [0.0, 0.0]
    # The greater of C / (f D) and theta C f^2 / E.
    assert fixed.local_use == pytest.approx(np.array([[1.0, 9.0, 2.0], [1.0, 2.0, 3.0]]))


def test_the_best_so_far_and_its_bound_by_hand() -> None:
    """Of the sets of 1 and 3 of 4, where 0 cannot be: the crossing is known to lie at 2 or 3."""
    answers = {
        k: _Best(np.arange(4) < k, value, bound, None)
        for k, value, bound in ((1, 5.0, 4.0), (3, 9.0, 8.0))
    }
    stay = np.array([np.inf, 6.0, 5.5, 2.0, 0.0])
    best = solver._best_so_far(answers, stay, 1, 2, 3)
    assert (best.value, best.bound, int(best.offload.sum())) == (6.0, 4.0, 1)
    best = solver._best_so_far(answers, stay, 1, 1, 3)
    assert (best.value, best.bound) == (6.0, 2.0)
    best = solver._best_so_far(answers, np.array([np.inf, 3.0, 2.9, 2.0, 0.0]), 1, 2, 3)
    assert (best.value, best.bound) == (5.0, 3.0)


def test_as_many_devices_as_are_said_are_solved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver, "MAX_DEVICES", 2)
    assert solver.solve(a_slot([1e9, 1e9])).feasible
    with pytest.raises(SizeError, match="3 devices"):
        solver.solve(a_slot([1e9, 1e9, 1e9]))


def test_a_floor_over_what_links_carry() -> None:
    network = replace(table1.network(2), efficiency=SpectralEfficiency(0.5, np.zeros(0)))
    assert solver._floor_over_cap(network) == pytest.approx(1e6 / (0.5 * 10e6))
    assert solver._floor_over_cap(replace(network, rate_floor="offloading")) == 0.0


def test_exact_says_bound_and_gap_of_each_replication(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = TaskDecision(np.zeros(2), np.zeros(2, bool), np.zeros(2), np.zeros(2))
    found = iter((Solution(nobody, 2e-3, 1.5e-3, True, 0.0), Solution(nobody, 0.0, 0.0, True, 0.0)))
    monkeypatch.setattr(exact, "solve", lambda slot, limit: next(found))
    policy = Exact()
    policy.reset(table1.network(2), WorstCaseEmission(table1.network(2)), [])
    told = policy.decide(shown(2, 2)).diagnostics
    assert told["lower_bound_mg"].tolist() == [1.5, 0.0]
    assert told["optimality_gap"] == pytest.approx([0.25, 0.0])
