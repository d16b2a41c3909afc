"""Emission and classes of tasks as part of P2: costs of joules, deadlines, debts, budgets, and their account."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run, observing, simulate
from hypothesis import given
from hypothesis import strategies as st
from trace_recording import task_table

from edgesim.experiments.run import prepare
from edgesim.policies.stream.exact import MultiStart
from edgesim.policies.stream.lyapunov import Lyapunov
from edgesim.scenarios.errors import ScenarioError
from edgesim.scenarios.loading import parse_scenario
from edgesim.simulator.core.arrays import FloatArray
from edgesim.simulator.core.randomness import Streams
from edgesim.simulator.models.arrivals import Tasks
from edgesim.simulator.models.carbon import CarbonIntensity, Series
from edgesim.simulator.stream.deadlines import TaskClass, TaskClasses, UrgentFirst
from edgesim.simulator.stream.decision import Decision
from edgesim.simulator.stream.green_observation import GreenObservation
from edgesim.simulator.stream.green_problem import GreenProblem
from edgesim.simulator.stream.ledger_entries import DROPPED, LATE

GREEN = """
title = "test"
[run]
slots = 96
slot = "15 min"
[devices]
count = 3
[stations.sbs]
count = 2
[tasks]
arrivals = "poisson"
mean = "200 Mbit"
rate = "0.002 tasks/s"
classes = [
  {share = 0.3, deadline = "1 h", late = 0.05, weight = 10.0},
  {share = 0.7, deadline = "12 h"},
]
[carbon]
intensity = {file = "intensity.csv", start = 2020-01-06T00:07:00Z, unit = "g/kWh"}
[policy]
penalty = "carbon"
perturbation = "none"
V = 3e23
"""
OTHERS = (
    'carbon.devices=["50 g/kWh", "400 g/kWh", "0 g/kWh"]',
    'carbon.mbs="30 g/kWh"',
    'carbon.signal={intensity="200 g/kWh", sbs=["90 g/kWh", "500 g/kWh"]}',
)


@pytest.fixture
def toml(tmp_path: Path) -> str:
    """A scenario with an intensity that has a period of a day, in steps of half an hour."""
    rows = ["time,carbon intensity"]
    for step in range(48 * 40):
        value = 200.0 + 150.0 * np.sin(2.0 * np.pi * step / 48.0)
        day, half = divmod(step, 48)
        moment = np.datetime64("2020-01-05") + day
        rows.append(f"{moment}T{half // 2:02}:{half % 2 * 30:02}Z,{value:.3f}")
    path = tmp_path / "intensity.csv"
    path.write_text("\n".join(rows), encoding="utf-8")
    return GREEN.replace('"intensity.csv"', f'"{path}"')


def step_function(minutes: float) -> float:
    """g/kWh at so many minutes from the run's start, which is at seven past midnight, on the second day."""
    step = int((24 * 60 + 7 + minutes) // 30)
    return float(f"{200.0 + 150.0 * np.sin(2.0 * np.pi * step / 48.0):.3f}")


def energies_j(run: Run) -> tuple[FloatArray, FloatArray]:
    """(T, N) of devices themselves, and of stations for them, from the trace's own columns."""
    trace = run.trace
    sent, rate, power = (trace[name][0] for name in ("offloaded_bits", "rate_bps", "power_w"))
    radio = power * np.divide(sent, rate, out=np.zeros_like(sent), where=rate > 0.0)
    return trace["local_energy_j"][0] + radio, trace["offload_energy_j"][0] - radio


def test_emission_follows_from_the_trace_and_the_file(toml: str) -> None:
    """Energy times an intensity that changes within slots, integrated over every change."""
    run = simulate("carbon.devices='100 g/kWh'", toml=toml)
    own_j, edge_j = energies_j(run)
    minutes = np.arange(96)[:, None] * 15.0 + np.arange(15)
    exact = np.array([[step_function(one + 0.5) for one in row] for row in minutes]).mean(axis=1)
    assert run.trace["carbon_g_per_kwh"][0, :, 0] == pytest.approx(exact, rel=1e-12)
    emitted_mg = (own_j * 100.0 + edge_j * exact[:, None]) / 3.6e6 * 1e3
    assert run.trace["emission_mg"][0] == pytest.approx(emitted_mg, rel=1e-9)
    assert emitted_mg.sum() > 0.0


def test_each_has_its_own_intensity_and_the_signal_another(toml: str) -> None:
    run = simulate(*OTHERS, toml=toml)
    trace, station = run.trace, run.trace["serving_station"][0]
    own_j, edge_j = energies_j(run)
    mean = trace["carbon_g_per_kwh"][0]
    assert (mean[:, 0] == pytest.approx(30.0)) and mean[:, 1].std() > 10.0
    by_station = np.take_along_axis(mean, station, axis=1)
    expected = (own_j * np.array([50.0, 400.0, 0.0]) + edge_j * by_station) / 3.6e3
    assert trace["emission_mg"][0] == pytest.approx(expected, rel=1e-9)
    assert trace["signal_g_per_kwh"][0] == pytest.approx(np.array([[200.0, 90.0, 500.0]] * 96))
    shown = np.array([200.0, 90.0, 500.0])[station]  # a device has that of its station
    expected = (own_j + edge_j) * shown / 3.6e3
    assert trace["signal_emission_mg"][0] == pytest.approx(expected, rel=1e-9)


def test_a_decision_is_by_the_signal_alone(toml: str) -> None:
    signal = "carbon.signal={intensity='200 g/kWh'}"
    runs = [simulate(signal, f"carbon.mbs='{x} g/kWh'", toml=toml) for x in (10, 900)]
    names = ("local_bits", "offloaded_bits", "signal_emission_mg", "objective")
    assert all((runs[0].trace[name] == runs[1].trace[name]).all() for name in names)
    assert (runs[0].trace["emission_mg"] < runs[1].trace["emission_mg"]).any()


def test_at_one_constant_intensity_emission_is_energy_at_a_price(toml: str) -> None:
    """V bit^2/g at c g/J is V c bit^2/J: the same decisions, up to rounding."""
    flat = ("carbon={intensity='180 g/kWh'}", "policy.perturbation='observed'")
    green = simulate(*flat, "policy.V=2e23", toml=toml)
    plain = simulate(*flat, "policy.penalty=energy", "policy.V=1e19", toml=toml)
    for name in ("local_bits", "offloaded_bits", "power_w", "late_debt_bits"):
        assert green.trace[name] == pytest.approx(plain.trace[name], rel=1e-6, abs=1e-9), name
    assert green.trace["objective"] == pytest.approx(plain.trace["objective"], rel=1e-6)


@pytest.fixture(scope="module")
def states() -> list[Any]:
    return []


def seen_states(toml: str, *overrides: str) -> tuple[GreenProblem, list[GreenObservation]]:
    """Observations of a run, whose devices and stations have very different intensities."""
    seen: list[Any] = []
    run = observing(seen, *OTHERS, *overrides, toml=toml)
    problem = run.simulation.world.problem  # type: ignore[attr-defined]
    assert isinstance(problem, GreenProblem)
    return problem, [one for one, _ in seen]


def changed(decision: Decision, rng: np.random.Generator) -> Decision:
    """One resource of one device by a factor."""
    name = rng.choice(["bandwidth_hz", "power_w", "local_cpu_hz", "edge_cpu_hz"])
    column = getattr(decision, name).copy()
    column[0, rng.integers(column.shape[1])] *= rng.choice([0.0, 0.5, 0.9, 0.99, 1.01, 1.1])
    return replace(decision, **{name: column})


def test_no_small_change_makes_a_decision_better(toml: str) -> None:
    """P2's own value is the judge, computed from energies and intensities, not from the solver's scales."""
    problem, seen = seen_states(toml, "tasks.mean='2 Gbit'")
    rng = np.random.default_rng(1)
    network, tried = problem.network, 0
    policy = Lyapunov()
    policy.reset(network, problem, [])
    for one in seen[5::9]:
        best = policy.decide(one)
        value = problem.value(one, best)[0]
        assert value <= 0.0
        for _ in range(60):
            other = changed(best, rng)
            fits = (
                (other.power_w <= one.power_max_w).all()
                and (other.local_cpu_hz <= network.device_cpu_hz).all()
                and (one.cells.total(other.bandwidth_hz) <= network.station_bandwidth_hz).all()
                and (one.cells.total(other.edge_cpu_hz) <= network.station_cpu_hz).all()
            )
            if fits:
                tried += 1
                assert problem.value(one, other)[0] >= value - 2e-3 * abs(value)
    assert tried > 200


def test_the_search_finds_nothing_much_better(toml: str) -> None:
    problem, seen = seen_states(toml, "tasks.mean='2 Gbit'")
    policies = [Lyapunov(), MultiStart()]
    rngs = Streams(1, 1).generators("policy")
    for policy in policies:
        policy.reset(problem.network, problem, rngs)
    for one in seen[8::30]:
        found, best = (problem.value(one, policy.decide(one))[0] for policy in policies)
        assert best <= found * (1.0 - 1e-9) and found <= best * 0.99


def test_dirty_devices_leave_the_work_to_green_stations(toml: str) -> None:
    """The same network, once with green stations and dirty devices, once the other way round."""
    shares = []
    for devices, stations in (("1 g/kWh", "900 g/kWh"), ("900 g/kWh", "1 g/kWh")):
        run = simulate(f"carbon={{devices='{devices}', intensity='{stations}'}}", toml=toml)
        sent = run.trace["offloaded_bits"].sum()
        shares.append(sent / (sent + run.trace["local_bits"].sum()))
    assert shares[0] < 0.5 * shares[1]


def weighted_intensity(run: Run) -> tuple[float, FloatArray]:
    """g/kWh at which bits leave, in their mean over the last four of five days, and (384,) by slot."""
    left = (run.trace["local_bits"] + run.trace["offloaded_bits"])[0, 96:].sum(axis=1)
    intensity: FloatArray = run.trace["carbon_g_per_kwh"][0, 96:, 0]
    return float((left * intensity).sum() / left.sum()), intensity


def test_bits_wait_for_green_hours_as_far_as_a_cpu_makes_that_pay(toml: str) -> None:
    """l bits in a slot emit c l^3, so for all bits together least where l goes as c^(-1/2)."""
    one = ("run.slots=480", "policy.V=1e24", "energy.epsilon='1 MW'")  # nobody offloads
    run = simulate("tasks.classes=[{share=1.0, deadline='24 h'}]", *one, toml=toml)
    weighted, c = weighted_intensity(run)
    assert run.trace["offloaded_bits"].sum() == 0.0
    assert weighted == pytest.approx(np.sqrt(c).mean() / (1.0 / np.sqrt(c)).mean(), rel=0.02)
    assert weighted < 0.93 * c.mean()
    urgent = "tasks.classes=[{share=1.0, deadline='45 min', late=0.0, weight=1e6}]"
    weighted, c = weighted_intensity(simulate(urgent, *one, toml=toml))
    assert weighted > 0.97 * c.mean()


@pytest.mark.parametrize("buffer", [(), ("tasks.buffer='500 Mbit'",)])
def test_the_debts_of_late_bits_follow_from_the_tasks(buffer: tuple[str, ...], toml: str) -> None:
    """Z(t + 1) = max(Z + late - theta arrived, 0) by device and class, from the rows of tasks alone.

    What a full buffer refuses is never late, and its share of what may be does not come to the others.
    """
    run = simulate("policy.V=1e24", "run.slots=300", *buffer, toml=toml)
    trace, slot_s = run.trace, 900.0
    arrival, due, end = (trace.column(x) for x in ("arrival_s", "deadline_s", "completion_s"))
    bits, device = trace.column("bits"), trace.column("device")
    bits = np.where(trace.column("outcome") == DROPPED, 0.0, bits)
    assert bool(buffer) == bool((bits == 0.0).sum() > 100)
    deadline = due - arrival
    for name, theta in ((3600.0, 0.05), (43200.0, 0.05)):
        assert (np.abs(deadline - name) < 1e-3).sum() > 100, theta
    debt = np.zeros((3, 2))
    late_bits = np.zeros(2)
    for t in range(300):
        recorded = trace["late_debt_bits"][0, t]
        assert recorded == pytest.approx(debt.sum(axis=1), rel=1e-9, abs=1.0)
        for i in range(3):
            for k, limit in enumerate((3600.0, 43200.0)):
                mine = (device == i) & (np.abs(deadline - limit) < 1e-3)
                new = mine & (arrival >= t * slot_s) & (arrival < (t + 1) * slot_s)
                with np.errstate(invalid="ignore"):
                    # What ends exactly with a slot has ended in it.
                    ended = (np.ceil(end / slot_s - 1e-9) - 1 == t) & (end > due) & mine
                late_bits[k] += bits[ended].sum()
                change = bits[ended].sum() - 0.05 * bits[new].sum()
                debt[i, k] = max(debt[i, k] + change, 0.0)
    assert late_bits.max() > 0.0
    # The bound that follows on every path: late <= theta arrived + Z(T).
    assert late_bits.sum() <= 0.05 * bits.sum() + debt.sum()


def test_a_pressing_bit_is_worth_its_class_s_debt_by_weight(toml: str) -> None:
    seen: list[Any] = []
    one = "tasks.classes=[{share=1.0, deadline='45 min', late=0.02, weight=7.0}]"
    trace = observing(seen, one, "policy.V=1e24", "run.slots=60", toml=toml).trace
    worth = np.array([observation.lateness_bits[0] for observation, _ in seen])
    pressing, debt = trace["pressing_bits"][0], trace["late_debt_bits"][0]
    np.testing.assert_allclose(worth, np.where(pressing > 0.0, 7.0 * debt, 0.0), rtol=1e-12)
    assert (worth > 0.0).sum() > 10


def test_the_budget_is_a_queue_of_what_was_emitted(toml: str) -> None:
    """As it is accounted, whatever the network is told of it."""
    budget = "carbon.budget={mass='0.5 mg', period='1 d'}"
    for signal in (("carbon.signal={intensity='20 g/kWh'}",), ()):
        run = simulate(budget, *signal, toml=toml)
        spent, debt = run.trace["emission_mg"][0].sum(axis=1), 0.0
        for t in range(96):
            assert run.trace["budget_debt_mg"][0, t] == pytest.approx(debt, rel=1e-9, abs=1e-15)
            debt = max(debt + spent[t] - 0.5 / 96.0, 0.0)
        assert debt > 0.0
    without = simulate(toml=toml)
    assert spent.sum() < without.trace["emission_mg"].sum()


def test_the_budget_is_of_all_that_the_network_emits_where_stations_draw_power(toml: str) -> None:
    power = ('stations.sbs.power.radio="pico"', "run.slots=30")
    trace = simulate("carbon.budget={mass='60 g', period='1 d'}", *power, toml=toml).trace
    debt = 0.0
    for t in range(30):
        assert trace["budget_debt_mg"][0, t] == pytest.approx(debt, rel=1e-9, abs=1e-12)
        debt = max(debt + trace["network_emission_mg"][0, t] - 60e3 / 96.0, 0.0)
    assert debt > 10e3


@pytest.mark.parametrize(
    "away",
    [
        (),
        (
            "mobility.model=shifts:Shifts",
            "mobility.absent=[[0, 7, 3], [1, 12, 4], [2, 17, 5], [0, 22, 3]]",
        ),
    ],
)
def test_eta_and_beta_are_by_what_the_network_is_told(toml: str, away: tuple[str, ...]) -> None:
    """x up to the last slot, and A(19) with x one slot older, by the signal's intensity.

    Of who is absent it is what was known as it was last there, and nothing of the last slot.
    """
    seen: list[Any] = []
    keys = ("carbon.signal={intensity='50 g/kWh'}", "carbon.budget={mass='1 mg', period='1 d'}")
    more = ("policy.perturbation=observed", "run.slots=30", "policy.V=1e22")
    trace = observing(seen, *keys, *more, *away, toml=toml).trace
    emitted = trace["signal_emission_mg"][0] / 1e3
    both = np.stack([emitted, (trace["local_bits"] + trace["offloaded_bits"])[0]])
    known, last, stale = np.zeros((2, 3)), np.zeros((2, 3)), 0.0
    for t, (one, _) in enumerate(seen):
        there = one.cells.present[0]
        if t > 0:
            known = np.where(there, both[:, :t].sum(axis=1), known)
            last = np.where(there, both[:, t - 1], last)
        before = known - last * there
        stale += (last * ~there)[0].sum()
        ratio, earlier = (x.sum() / y.sum() if y.sum() else 0.0 for x, y in (known, before))
        assert one.emission_per_bit_g[0] == pytest.approx(ratio, rel=1e-9)
        worth = 1e22 * (1.0 + trace["budget_debt_mg"][0, t]) * earlier
        beta = worth + (last[1] * there).max()
        np.testing.assert_allclose(one.perturbation_bits[0], beta, rtol=1e-9)
    assert ratio > 0.0 and worth > 0.0 and bool(stale) == bool(away)


def test_the_value_of_what_happened_by_hand(toml: str) -> None:
    """V (1 + G / M) [X - x D] + stations' drift - devices' drift - what was pressing, of each slot."""
    seen: list[Any] = []
    run = observing(seen, "carbon.budget={mass='1 mg', period='1 d'}", toml=toml)
    trace = run.trace
    pressed = 0.0
    for t in range(96):
        one, _ = seen[t]
        weight = 3e23 * (1.0 + one.budget_debt_g[0] / 1e-3)
        left = (trace["local_bits"] + trace["offloaded_bits"])[0, t]
        emission = trace["emission_mg"][0, t].sum() * 1e-3
        value = weight * (emission - one.emission_per_bit_g[0] * left.sum())
        value -= (one.queue_bits[0] * (left - trace["arrived_bits"][0, t])).sum()
        pressing = np.minimum(left, one.pressing_bits[0]) * one.lateness_bits[0]
        inflow = one.cells.total(trace["offloaded_bits"][:, t])[0]
        value += (one.station_queue_bits[0] * (inflow - trace["station_served_bits"][0, t])).sum()
        pressed += pressing.sum()
        assert trace["objective"][0, t] == pytest.approx(value - pressing.sum(), rel=1e-9)
    assert pressed > 0.0


def test_what_will_happen_is_what_a_run_meets(toml: str) -> None:
    """Tasks, stations of who is there, intensities as accounted, and gains as if no station ever failed."""
    quiet = (
        *OTHERS,
        "run.slots=24",
        "run.replications=2",
        "run.seed=3",
    )
    shifts = ("mobility.model=shifts:Shifts", "mobility.absent=[[0, 5, 3], [2, 9, 6]]")
    failing = "stations.sbs.failures={time_to_failure='90 min', time_to_repair='1 h'}"
    keys = [*quiet, *shifts, failing]
    path = prepare(parse_scenario(toml, "test", keys)).blueprint.problem.foresee()  # type: ignore[union-attr]
    run = simulate(*keys, "policy.name=local", toml=toml)
    trace = run.trace
    up, there = trace["station_availability"], trace["present"]
    assert ((up > 0.0) & (up < 1.0)).any() and not there.all()
    at = np.where(there, trace["serving_station"], -1).transpose(1, 0, 2)
    np.testing.assert_array_equal(path.station, at)
    never = simulate(*quiet, *shifts, "policy.name=local", toml=toml).trace
    np.testing.assert_array_equal(path.gain, never["channel_gain"].transpose(1, 0, 2, 3))
    mean = trace["carbon_g_per_kwh"].transpose(1, 0, 2)
    assert mean.std(axis=0).max() > 10.0
    np.testing.assert_allclose(path.station_g_per_j * 3.6e6, mean, rtol=1e-12)
    own = np.broadcast_to([50.0, 400.0, 0.0], (24, 2, 3))
    np.testing.assert_allclose(path.device_g_per_j * 3.6e6, own, rtol=1e-12)
    names = ("replication", "device", "arrival_s", "bits", "deadline_s")
    ours = np.stack([path.tasks[name].astype(float) for name in names], axis=1)
    theirs = np.stack([trace.column(name).astype(float) for name in names], axis=1)
    assert len(ours) > 30
    np.testing.assert_array_equal(ours[np.lexsort(ours.T)], theirs[np.lexsort(theirs.T)])


@pytest.mark.slow
def test_queues_grow_as_v_and_the_gap_falls_as_one_over_v(toml: str) -> None:
    """The trend of both bounds, on a periodic intensity and tasks without deadlines."""
    free = ("tasks.classes=[{share=1.0}]", "run.slots=1920", "run.replications=2")
    V = np.array([1e22, 3e22, 1e23, 3e23, 1e24])
    runs = [simulate(*free, f"policy.V={one}", toml=toml).trace for one in V]
    half = slice(960, None)
    queue = np.array([run["queue_bits"][:, half].sum(axis=2).mean() for run in runs])
    left = [(run["local_bits"] + run["offloaded_bits"])[:, half].sum() for run in runs]
    emission = np.array([run["emission_mg"][:, half].sum() for run in runs]) / left
    assert (np.diff(queue) > 0.0).all() and (np.diff(emission) < 0.0).all()
    # Q <= a + b V: no faster than V; and what is gained beyond V is no more than a constant over V.
    assert (queue / V <= queue[0] / V[0]).all()
    gap = emission - emission[-1]
    assert (gap[:-1] * V[:-1] <= 1.05 * gap[-2] * V[-2] * 3.0).all()


CLASSES = [
    TaskClass(0.5, 3.0, 0.1, 1.0),
    TaskClass(0.25, np.inf, 0.0, 1.0),
    TaskClass(0.25, 1.0, 0.2, 2.0),
]


def test_classes_are_told_by_their_deadlines() -> None:
    classes = TaskClasses(CLASSES, Streams(1, 2).generators("x"))
    assert classes.of(np.array([3.0, np.inf, 1.0, 1.0 + 1e-9, 3.0 - 1e-9])).tolist() == [
        0,
        1,
        2,
        2,
        0,
    ]
    count = 4000
    tasks = Tasks(
        np.repeat([0, 1], count), np.zeros(2 * count, int), np.zeros(2 * count), np.ones(2 * count)
    )
    drawn = classes.assigned(tasks).deadline_s
    assert drawn is not None
    shares = [np.mean(drawn == one.deadline_s) for one in CLASSES]
    assert shares == pytest.approx([0.5, 0.25, 0.25], abs=0.03)
    # A replication's draws are those of its seed alone.
    alone = TaskClasses(CLASSES, Streams(2, 1).generators("x"))
    some = slice(count)
    first = alone.assigned(
        Tasks(tasks.replication[some], tasks.device[some], tasks.arrival_s[some], tasks.bits[some])
    )
    assert first.deadline_s is not None and (first.deadline_s == drawn[count:]).all()


def test_late_bits_and_debts_by_hand() -> None:
    """Of two replications and two devices; what was dropped or lost is no late bit."""
    classes = TaskClasses(CLASSES, [])
    outcome = [1, 1, 1, 0, 3, 4, 1]
    span, bits = [3.0, 1.0, 1.0, 1.0, 1.0, 3.0, 1.0], 2.0 ** np.arange(7)
    r, i, arrival = [0, 0, 1, 1, 1, 0, 1], [1, 1, 0, 0, 1, 0, 0], np.arange(7.0)
    ended = task_table(r, i, [0] * 7, arrival, arrival + 9.0, bits, arrival + span, outcome)
    late = classes.bits_that(LATE, (2, 2), ended)
    expected = np.zeros((2, 2, 3))
    expected[0, 1, 0], expected[0, 1, 2], expected[1, 0, 2] = 1.0, 2.0, 4.0 + 64.0
    np.testing.assert_array_equal(late, expected)
    debt, arrived = np.full((2, 2, 3), 1.5), np.full((2, 2, 3), 20.0)
    after = classes.debts_after(debt, late, arrived)
    np.testing.assert_allclose(after[0, 1], [0.5, 1.5, 0.0])
    np.testing.assert_allclose(after[1], [[0.0, 1.5, 65.5], [0.0, 1.5, 0.0]])


@given(
    st.lists(st.lists(st.sampled_from([0.5, 1.5, 4.0, 9.0]), max_size=4), min_size=1, max_size=8)
)
def test_the_most_urgent_is_served_first(arriving: list[list[float]]) -> None:
    """Against a list that is sorted: what is executed, what is left, and what is pressing."""
    ledger = UrgentFirst(1, 1, 1, 1.0)
    kinds = [TaskClass(0.25, one, 0.0, 1.0) for one in (0.5, 1.5, 4.0, 9.0)]
    classes = TaskClasses(kinds, [])
    waiting: list[list[float]] = []  # deadline, order of arrival, bits
    served, number = 0.7, 0
    done: list[tuple[float, float]] = []
    expected: list[tuple[float, float]] = []
    for slot, deadlines in enumerate(arriving):
        bits = min(served, sum(one[2] for one in waiting))
        local = np.full((1, 1), bits)
        ended = ledger.serve(slot, np.zeros((1, 1), int), local, np.zeros((1, 1)), np.zeros((1, 1)))
        done += [(one["deadline_s"], one["arrival_s"]) for one in ended]
        room = bits
        while room > 1e-12 and waiting:
            taken = min(room, waiting[0][2])
            room -= taken
            waiting[0][2] -= taken
            if waiting[0][2] < 1e-9:
                expected.append((waiting[0][0], waiting[0][1]))
                del waiting[0]
        count = len(deadlines)
        arrival = slot + np.arange(count) / 8.0
        tasks = Tasks(np.zeros(count, int), np.zeros(count, int), arrival,
                      np.ones(count), np.array(deadlines))  # fmt: skip
        queue = np.full((1, 1), sum(one[2] for one in waiting))
        ledger.admit(tasks, queue, np.zeros((1, 1)), np.zeros((2, 1, 1)))
        for at, limit in zip(arrival, deadlines, strict=True):
            waiting.append([at + limit, at, 1.0])
            number += 1
        waiting.sort(key=lambda one: one[0])
        pressing = sum(one[2] for one in waiting if one[0] < slot + 1 + 3)
        assert ledger.pressing_bits(slot + 1, classes).sum() == pytest.approx(pressing)
    assert done == expected


def test_what_is_due_and_how_many_have_to_leave_for_it_by_hand() -> None:
    """Slot 1 of 1 s begins: 2 bits are late, 1 is due 0.25 s after its end, 4 are so 0.5 s after it.

    The first seven of n bits that are sent evenly are executed by 7 / n of the next slot, so n is 14, and for
    the first three 12. What is due as a slot begins is not in time in it.
    """
    ledger, one = UrgentFirst(1, 2, 1, 1.0), np.zeros((1, 2))
    due_s, bits = np.array([0.9, 2.25, 2.5, 4.0, 1.5]), np.array([2.0, 1.0, 4.0, 3.0, 1.0])
    device = np.array([0, 0, 0, 0, 1])
    tasks = Tasks(0 * device, device, np.zeros(5), bits, due_s)
    ledger.admit(tasks, one, one, np.zeros((2, 1, 2)))
    due, least = ledger.due_bits(1, 4)
    assert due[0].tolist() == [[7.0, 0.0, 3.0, 0.0], [1.0, 0.0, 0.0, 0.0]]
    assert least[0].tolist() == [[14.0, 0.0, 3e12, 0.0], [1e12, 0.0, 0.0, 0.0]]
    # What is due late in a slot needs no more than what is due early in it: 3 bits by a quarter, 1 by 0.875.
    early = UrgentFirst(1, 1, 1, 1.0)
    none, at = np.zeros((1, 1)), np.zeros(2, int)
    tasks = Tasks(at, at, np.zeros(2), np.array([3.0, 1.0]), np.array([3.25, 3.875]))
    early.admit(tasks, none, none, np.zeros((2, 1, 1)))
    assert [one[0, 0].tolist() for one in early.due_bits(1, 3)] == [[0, 4, 0], [0, 12, 0]]


def test_intensities_are_kept_once_for_all_that_have_the_same() -> None:
    day = Series(np.array([0.0, 10.0]), np.array([1.0, 3.0]))
    found = CarbonIntensity([day, Series.constant(2.0), day])
    assert found.size == 3
    assert found.at(0).tolist() == [1.0, 2.0, 1.0]
    assert found.mean(5 * 10**9, 15 * 10**9).tolist() == [2.0, 2.0, 2.0]


def test_runs_in_lock_step_are_those_of_their_seeds(toml: str) -> None:
    more = (*OTHERS, "carbon.budget={mass='1 mg'}", "run.slots=60")
    both = simulate("run.replications=2", "run.seed=4", *more, toml=toml)
    alone = simulate("run.seed=5", *more, toml=toml)
    for name in alone.trace.rows[0]:
        assert (both.trace[name][1] == alone.trace[name][0]).all(), name


WRONG = [
    ("tasks.classes=[{share=0.5, deadline=1}]", "shares that add up to 0.5"),
    ("tasks.classes=[{share=0.5}, {share=0.5}]", "two classes with the same deadline"),
    ("tasks.deadline=5", "classes have their own"),
    ("carbon.devices=[1e-4, 1e-4]", "2 values for 3 devices"),
    ("carbon.signal={sbs=[1e-4]}", "1 values for 2 SBSs"),
    ("policy.penalty=cost", "penalty"),
    ("carbon.budget={mass='0 g'}", "mass"),
]


@pytest.mark.parametrize(("override", "says"), WRONG)
def test_what_is_wrong_is_told(toml: str, override: str, says: str) -> None:
    with pytest.raises(ScenarioError, match=says):
        parse_scenario(toml, "test", [override])


def test_a_budget_needs_a_penalty_of_emission(toml: str) -> None:
    with pytest.raises(ScenarioError, match="no effect without a penalty"):
        parse_scenario(toml, "test", ["policy.penalty=energy", "carbon.budget={mass='1 g'}"])


def test_the_task_problem_has_none_of_it() -> None:
    for key, value in (
        ("policy.penalty", '"carbon"'),
        ("carbon.devices", "1e-4"),
        ("carbon.signal", "{}"),
    ):
        with pytest.raises(ScenarioError, match=f"{key}.*does not go with the problem"):
            parse_scenario(TASK_PROBLEM, "test", [f"{key}={value}"])
    with pytest.raises(ScenarioError, match=r"tasks\.classes.*does not go with the problem"):
        parse_scenario(TASK_PROBLEM.replace("deadline = 2.0", "classes = [{share = 1.0}]"), "test")


TASK_PROBLEM = """
title = "test"
[run]
problem = "worst-case-emission"
slot = 2.0
[stations.sbs]
count = 0
[channel]
access = "mrc"
[tasks]
arrivals = "per-slot"
deadline = 2.0
"""


def test_v_of_emission_has_a_default_of_its_own() -> None:
    text = 'title = "t"\n[policy]\n'
    assert parse_scenario(text + 'penalty = "carbon"', "test").policy.V == 2e17
    assert parse_scenario(text, "test").policy.V == 1e13
    again = parse_scenario(text + 'penalty = "carbon"', "test").with_policy("local").policy
    assert (again.penalty, again.V) == ("carbon", 2e17)
