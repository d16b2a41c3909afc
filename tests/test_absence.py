"""Devices that come and go: what becomes of their bits and tasks, and who learns of it when."""

import math
import tomllib
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import table1
from conftest import SMALL, Capture, admit, observing, pending, simulate
from continuing import STREAMS
from test_ledger import outcomes, tasks
from test_task_policies import decided, draw

import edgesim
from edgesim.experiments.run import prepare
from edgesim.policies.among_present import among_present
from edgesim.policies.catalogue import POLICIES
from edgesim.policies.learning.environment import (
    StreamVectorEnvironment,
    TaskVectorEnvironment,
)
from edgesim.scenarios.components import resolve
from edgesim.scenarios.loading import load_scenario, parse_scenario
from edgesim.simulator.core.arrays import FloatArray
from edgesim.simulator.core.errors import RunError
from edgesim.simulator.core.randomness import Streams
from edgesim.simulator.core.recorder import OUTCOMES, SlotColumns, TaskTable
from edgesim.simulator.core.saved_state import save_state
from edgesim.simulator.network.cells import Cells
from edgesim.simulator.stream.decision import Decision
from edgesim.simulator.stream.ledger import TaskLedger
from edgesim.simulator.tasks.channel import MrcChannel
from edgesim.simulator.tasks.decision import TaskDecision
from edgesim.simulator.tasks.network import TaskNetwork, Tasks
from edgesim.simulator.tasks.observation import TaskObservation

SHIFTS = "mobility.model=shifts:Shifts"
CHANGING = (SHIFTS, "mobility.change=0.1")
QUEUES = ("wait", "hand-over", "lost")


def away(*spells: tuple[int, int, int]) -> tuple[str, str]:
    """Overrides: (device, first slot, slots) of absences."""
    return SHIFTS, f"mobility.absent={[list(spell) for spell in spells]}"


class Conservation(Capture):
    """Looks at each slot as it comes, and keeps sums only: for runs of any length."""

    def __init__(self) -> None:
        super().__init__()
        self.sums = dict.fromkeys(
            ("arrived", "dropped", "local", "served", "lost", "left", "over"), 0.0
        )
        self.outcomes = np.zeros(len(OUTCOMES), np.int64)
        self.bits = np.zeros(len(OUTCOMES))
        self.without_station = 0
        self.absent = 0
        self._after: Any = None

    def slot(self, slot: int, columns: SlotColumns) -> None:
        names = {
            "arrived": "arrived_bits",
            "dropped": "dropped_bits",
            "local": "local_bits",
            "served": "station_served_bits",
            "lost": "lost_bits",
            "left": "left_bits",
            "over": "handed_over_bits",
        }
        now = {key: columns.get(name, np.zeros(1)) for key, name in names.items()}
        for key, column in now.items():
            self.sums[key] += float(column.sum())
        present = columns["present"]
        for name in ("arrived_bits", "dropped_bits", "local_bits", "offloaded_bits", "power_w"):
            assert not columns[name][~present].any(), name
        self.absent += int((~present).sum())
        queue, station_queue = columns["queue_bits"], columns["station_queue_bits"]
        cells = Cells(columns["serving_station"], station_queue.shape[1])
        if self._after is not None:
            device, station = self._after
            over = np.broadcast_to(now["over"], queue.shape)
            assert _near(queue, device - now["left"] - over)
            then = station + cells.total(over.copy()) - now["lost"]
            assert _near(station_queue, then)
        served = columns["station_served_bits"]
        left = np.maximum(queue - columns["local_bits"] - columns["offloaded_bits"], 0.0)
        self._after = (
            left + columns["arrived_bits"],
            np.maximum(station_queue - served, 0.0) + cells.total(columns["offloaded_bits"]),
        )

    def tasks(self, table: TaskTable) -> None:
        self.outcomes += np.bincount(table["outcome"], minlength=len(OUTCOMES))
        self.bits += np.bincount(table["outcome"], table["bits"], len(OUTCOMES))
        lost = table["outcome"] == OUTCOMES.index("lost")
        self.without_station += int((lost & (table["station"] < 0)).sum())


def _near(bits: FloatArray, expected: FloatArray) -> bool:
    return bool((np.abs(bits - expected) <= 1e-3 + 1e-9 * expected).all())


def conserved(queue: str, slots: int, *overrides: str) -> Conservation:
    """A run in which bits and tasks are conserved, with all that can happen to them."""
    scenario = parse_scenario(
        SMALL,
        "test",
        [
            *CHANGING,
            f"devices.absent_queue={queue}",
            "stations.sbs.failures={time_to_failure=1, time_to_repair=0.5, queue='lost'}",
            "tasks.arrivals=poisson",
            "tasks.rate=10.0",
            "tasks.mean=60 kbit",
            "tasks.deadline=0.25 s",
            "tasks.buffer=0.2 Mbit",
            f"run.slots={slots}",
            *overrides,
        ],
    )
    experiment, streams = prepare(scenario), Streams(1, scenario.run.replications)
    plan = experiment.blueprint
    experiment.policy.reset(plan.network, plan.problem, streams.generators("policy"))
    trace = Conservation()
    simulation = plan.simulation(experiment.policy.decide, trace, streams)
    world: Any = simulation.world
    came = [0, 0.0]
    let_in = world.ledger.admit

    def watched(tasks: Any, *rest: Any) -> None:
        came[0] += tasks.bits.size
        came[1] += math.fsum(tasks.bits)
        let_in(tasks, *rest)

    world.ledger.admit = watched
    simulation.run()
    for rows in world.unfinished():
        trace.tasks(rows)
    state, sums = world.state, trace.sums
    queued = state.queue_bits.sum() + state.station_queue_bits.sum()
    # The failures of the last slot would be in the row of the next.
    lost = sums["lost"] + sums["left"] + state.lost_bits.sum()
    gone = sums["local"] + sums["served"] + lost
    assert sums["arrived"] + sums["dropped"] == pytest.approx(came[1], rel=1e-12)
    assert gone + queued == pytest.approx(sums["arrived"], rel=1e-9)
    assert trace.outcomes.sum() == came[0]
    assert trace.bits.sum() == pytest.approx(came[1], rel=1e-12)
    assert (trace.outcomes > 0).all()
    assert (sums["left"] > 0.0) == (queue == "lost") == (trace.without_station > 0)
    assert (sums["over"] > 0.0) == (queue == "hand-over")
    assert trace.absent > 0
    return trace


@pytest.mark.parametrize("queue", QUEUES)
def test_bits_and_tasks_are_conserved(queue: str) -> None:
    conserved(queue, 160, "policy.name=offload-all", "run.replications=2")


@pytest.mark.slow
@pytest.mark.parametrize("queue", QUEUES)
def test_bits_and_tasks_are_conserved_for_long(queue: str) -> None:
    trace = conserved(queue, 100_000, "policy.name=epr-ep")
    assert trace.outcomes.sum() > 10**5


def idle_but(observation: Any, **columns: Any) -> Decision:
    """Devices do nothing, and stations serve all that they can."""
    zeros = np.zeros(observation.queue_bits.shape)
    values = dict.fromkeys(("bandwidth_hz", "power_w", "local_cpu_hz", "edge_cpu_hz"), zeros)
    return Decision(
        **(values | columns), served_bits=np.full(observation.station_queue_bits.shape, 1e12)
    )


@pytest.mark.parametrize("queue", QUEUES)
def test_what_becomes_of_a_queue_by_hand(queue: str) -> None:
    """Three tasks arrive at a device that does nothing, which is away in slots 3 and 4."""
    run = simulate(
        *away((0, 3, 2)),
        f"devices.absent_queue={queue}",
        "devices.count=1",
        "stations.sbs.count=0",
        "run.slots=7",
        decide=idle_but,
    )
    trace = run.trace
    arrived = trace["arrived_bits"][0, :, 0]
    assert (arrived > 0.0).tolist() == [True, True, True, False, False, True, True]
    first = arrived[:3].sum()
    kept = first if queue == "wait" else 0.0
    held = [0.0, arrived[0], arrived[:2].sum(), kept, kept, kept, kept + arrived[5]]
    np.testing.assert_allclose(trace["queue_bits"][0, :, 0], held, rtol=1e-12)
    at_station = [0.0] * 3 + [first * (queue == "hand-over")] + [0.0] * 3
    np.testing.assert_allclose(trace["station_queue_bits"][0, :, 0], at_station, rtol=1e-12)
    for name, of in (("left_bits", "lost"), ("handed_over_bits", "hand-over")):
        assert (name in trace.rows[0]) == (queue == of)
        if queue == of:
            expected = [0.0] * 3 + [first] + [0.0] * 3
            np.testing.assert_allclose(trace[name][0, :, 0], expected, rtol=1e-12)
    ended = np.concatenate(trace.tables)
    then = ended[np.argsort(ended["arrival_s"])]
    waits = ["queued"] * 2
    if queue == "wait":
        assert outcomes(then) == ["queued"] * 3 + waits
    elif queue == "lost":
        assert outcomes(then) == ["lost"] * 3 + waits
        assert (then["station"] == -1).all() and np.isnan(then["completion_s"]).all()
    else:
        assert outcomes(then) == ["done"] * 3 + waits
        assert then["station"].tolist() == [0] * 3 + [-1] * 2
        # The MBS executes 50 Mbit a slot, and what there is evenly over slot 3.
        done_s = (3.0 + np.cumsum(arrived[:3]) / first) * 0.1
        np.testing.assert_allclose(then["completion_s"][:3], done_s, rtol=1e-12)


@pytest.mark.parametrize("lost", [True, False])
def test_a_task_that_is_half_sent_by_hand(lost: bool) -> None:
    """Of 10 bits 4 are sent in slot 1, and the device leaves; the station executes them in slot 2."""
    ledger = TaskLedger(1, 2, 2, 0.1)
    admit(ledger, tasks((0, 1, 0.05, 10.0), (0, 1, 0.06, 2.0)), np.zeros((1, 2)))
    station, none = np.array([[0, 1]]), np.zeros((1, 2))
    assert not len(ledger.serve(1, station, none, np.array([[0.0, 4.0]]), none))
    ledger.leave(np.array([[False, True]]), None if lost else station)
    ended = [ledger.serve(2, station, none, none, np.array([[0.0, 4.0]])).copy()]
    ended.append(ledger.serve(3, station, none, none, np.array([[0.0, 16.0]])).copy())
    if lost:
        assert outcomes(ended[0]) == ["lost"] * 2 and not len(ended[1])
        assert ended[0]["station"].tolist() == [-1, -1]
        assert sorted(ended[0]["bits"]) == [2.0, 10.0]
        assert np.isnan(ended[0]["completion_s"]).all()
    else:
        assert not len(ended[0]) and outcomes(ended[1]) == ["done"] * 2
        # 16 bits could be served, and 8 are there: the first task's other 6, then the second's 2.
        np.testing.assert_allclose(ended[1]["completion_s"], [0.3 + 0.0375, 0.35], rtol=1e-12)
        assert ended[1]["station"].tolist() == [1, 1]
    assert not len(pending(ledger))
    ledger.check_state()


def test_a_station_that_is_down_takes_nothing_over() -> None:
    failing = "failures={time_to_failure=0.25, time_to_repair=100, law='fixed', devices='wait'}"
    trace = simulate(
        *away((0, 2, 2), (1, 3, 2)),
        "devices.absent_queue=hand-over",
        "devices.count=2",
        "stations.sbs.count=0",
        f"stations.mbs.{failing}",
        "run.slots=6",
        decide=idle_but,
    ).trace
    arrived, queue = trace["arrived_bits"][0], trace["queue_bits"][0]
    handed = trace["handed_over_bits"][0]
    assert handed[2, 0] == arrived[:2, 0].sum() and not np.delete(handed, 2, axis=0).any()
    np.testing.assert_allclose(queue[3:, 1], [arrived[:3, 1].sum()] * 3, rtol=1e-12)
    # What was taken over is served for the quarter of slot 2 that the station is up, and then waits.
    assert trace["station_served_bits"][0, 2, 0] == pytest.approx(handed[2, 0] * 0.5)


def test_each_hands_over_to_its_own_station_if_that_is_up() -> None:
    """Device 0 is at an SBS that is down from 0.25 s on, device 1 at the MBS; both leave in slot 4."""
    failing = "failures={time_to_failure=0.25, time_to_repair=100, law='fixed', devices='wait'}"
    trace = simulate(
        *away((0, 4, 2), (1, 4, 2)),
        "devices.absent_queue=hand-over",
        "devices.count=2",
        "devices.positions=[[400.0, 250.0], [10.0, 10.0]]",
        "stations.sbs.coverage=100 m",
        f"stations.sbs.{failing}",
        "run.slots=8",
        decide=idle_but,
    ).trace
    assert trace["serving_station"][0, 3].tolist() == [1, 0]
    arrived, queue = trace["arrived_bits"][0], trace["queue_bits"][0]
    handed = trace["handed_over_bits"][0]
    assert handed[4, 1] == arrived[:4, 1].sum() and np.count_nonzero(handed) == 1
    np.testing.assert_allclose(queue[4:7, 0], [arrived[:4, 0].sum()] * 3, rtol=1e-12)
    assert not trace["station_queue_bits"][0, :, 1:].any()


def test_a_decision_among_those_present_is_shown_them_alone() -> None:
    """Each replication's own numbers, and the answers where they belong; of 4 devices 2, 0 and 3."""
    rng = np.random.default_rng(5)
    present = np.array([[0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 1, 0]], np.bool_)
    gain, *numbers = rng.uniform(1.0, 2.0, (10, 3, 4))
    cross, carbon = rng.uniform(size=(3, 4, 4)), rng.uniform(size=(3, 1))
    position = rng.uniform(size=(3, 4, 2))
    seen = TaskObservation(
        slot=7,
        time_s=0.7,
        tasks=Tasks(*numbers[:3]),
        channel=MrcChannel(gain, cross),
        carbon_g_per_j=carbon,
        position_m=position,
        last_emission_g=numbers[3],
        age_s=numbers[4],
        present=present,
    )
    limits = dict(
        zip(
            ("device_power_max_w", "device_cpu_min_hz", "device_cpu_max_hz", "theta_device"),
            rng.uniform(1.0, 2.0, (4, 4)),
            strict=True,
        )
    )
    network = replace(table1.network(4), **limits)
    answers = rng.uniform(size=(4, 3, 4))
    asked = []

    def decide(some: TaskNetwork, shown: TaskObservation, rows: Any) -> TaskDecision:
        (r,) = rows[0].ravel()
        at = np.flatnonzero(present[r])
        asked.append(int(r))
        for name, limit in limits.items():
            np.testing.assert_array_equal(getattr(some, name), limit[at])
        assert shown.present.shape == (1, len(at)) and shown.present.all()
        for one, other in (
            (shown.tasks.bits, numbers[0]),
            (shown.tasks.cycles, numbers[1]),
            (shown.tasks.deadline_s, numbers[2]),
            (shown.channel.gain, gain),
            (shown.last_emission_g, numbers[3]),
            (shown.age_s, numbers[4]),
            (shown.position_m, position),
        ):
            np.testing.assert_array_equal(one, other[r, at][None])
        np.testing.assert_array_equal(shown.channel.interference_gain[0], cross[r][np.ix_(at, at)])
        np.testing.assert_array_equal(shown.carbon_g_per_j, carbon[r][None])
        power, local, edge, chance = answers[(slice(None), *rows)]
        return TaskDecision(
            power, chance > 0.5, local, edge, {"lower_bound_mg": np.array([9.0 + r])}
        )

    decision = among_present(network, seen, decide, {"lower_bound_mg": -3.0})
    assert asked == [0, 2]
    np.testing.assert_array_equal(decision.power_w, answers[0] * present)
    np.testing.assert_array_equal(decision.local_cpu_hz, answers[1] * present)
    np.testing.assert_array_equal(decision.edge_cpu_hz, answers[2] * present)
    np.testing.assert_array_equal(decision.offload, (answers[3] > 0.5) & present)
    assert {name: one.tolist() for name, one in decision.diagnostics.items()} == {
        "lower_bound_mg": [9.0, -3.0, 11.0]
    }


def test_presence_leaves_all_streams_alone() -> None:
    """What others draw, and what the absent would have drawn, is as in a network where all stay."""
    common = (
        "run.slots=200",
        "devices.battery={capacity='5 J', harvest='60 mW'}",
        "policy.name=local",
    )
    stays, goes = simulate(*common).trace, simulate(*common, *CHANGING).trace
    present = goes["present"]
    assert 0.2 < present.mean() < 0.8
    np.testing.assert_array_equal(
        goes["arrived_bits"], np.where(present, stays["arrived_bits"], 0.0)
    )
    np.testing.assert_array_equal(goes["channel_gain"], stays["channel_gain"])
    # A battery neither gives nor gets anything in the meantime.
    held = goes["battery_j"]
    np.testing.assert_array_equal(held[:, 1:][~present[:, :-1]], held[:, :-1][~present[:, :-1]])
    assert (held[:, 1:] != held[:, :-1])[present[:, :-1]].mean() > 0.5


def test_an_ideal_twin_knows_who_is_there_and_how_old_its_news_of_the_others_is() -> None:
    seen: list[Any] = []
    run = observing(seen, *CHANGING, "run.slots=100")
    trace = run.trace
    since = np.zeros(6)
    for slot, (observation, real) in enumerate(seen):
        present = trace["present"][0, slot]
        np.testing.assert_array_equal(observation.cells.present[0], present)
        assert observation.cells.complete == present.all()
        since = np.where(present, 0.0, since + (slot > 0))
        np.testing.assert_allclose(observation.age_s[0], since * 0.1, atol=1e-12)
        for name in ("queue_bits", "power_max_w", "arrived_bits", "departed_bits"):
            assert not getattr(observation, name)[0, ~present].any(), name
            there = getattr(observation, name)[0, present]
            np.testing.assert_array_equal(there, real[name][0, present], err_msg=name)
        members = observation.cells.members[0]
        np.testing.assert_array_equal(
            members, np.bincount(observation.station[0, present], minlength=4)
        )


def test_ages_are_of_the_twins_of_who_is_there(tmp_path: Path) -> None:
    """With news every slot they are 0; with news every 2 slots 0 and a slot in turn; at any absence."""
    path = tmp_path / "t.h5"
    for period, right in (("100 ms", 0.0), ("200 ms", 0.05)):
        twin = ("twin.sync=periodic", f"twin.device.period={period}", "trace.level=full")
        with edgesim.run(
            tomllib.loads(SMALL),
            path,
            slots=200,
            policy="local",
            overrides=[*away((0, 0, 200), (1, 0, 100), (3, 4, 100)), *twin],
        ) as trace:
            assert 0.0 < trace.summary().estimates["present_share"].value < 1.0
            assert trace.summary().estimates["twin_age_s"].value == pytest.approx(right, rel=0.02)
            absent = trace.slots["present"].values == 0
            assert not trace.slots["twin_age_s"].values[absent].any()


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("level", ["slots", "summary"])
def test_the_queue_of_a_device_is_a_mean_over_those_that_are_there(
    tmp_path: Path, queue: str, level: str
) -> None:
    """Also where the queues of others wait: half of a queue that is there half of the time is none."""
    spells = away((0, 0, 60), (1, 20, 30), (3, 4, 90))
    overrides = [*spells, f"devices.absent_queue={queue}"]
    slots = simulate(*overrides, "run.slots=100", "policy.name=epr").trace
    queued, there = (slots[name][0, 10:] for name in ("queue_bits", "present"))
    waits = queued[there == 0].sum()
    with edgesim.run(
        tomllib.loads(SMALL),
        tmp_path / "t.h5",
        slots=100,
        policy="epr",
        overrides=[*overrides, f"trace.level={level}"],
    ) as trace:
        found = trace.summary().estimates["queue_bits"].value
    assert found == pytest.approx(queued[there == 1].mean(), rel=1e-12)
    assert (waits > 0.0) == (queue == "wait") and not math.isclose(found, queued.mean())


def test_a_late_twin_learns_of_it_when_the_station_has_reported() -> None:
    """Stations note every 0.4 s who is there, and tell it 0.2 s later; of the MBS's own it is known."""
    seen: list[Any] = []
    run = observing(
        seen,
        *CHANGING,
        "run.slots=100",
        "twin.sync=periodic",
        "twin.device.period=0.4 s",
        "twin.device.latency=0.1 s",
        "twin.station.latency=0.2 s",
    )
    real = run.trace["present"][0]
    station = run.trace["serving_station"][0].max(
        axis=0
    )  # before it joins, a device is at the MBS's
    wrong = 0
    for slot, (observation, _) in enumerate(seen):
        for i in range(6):
            # Who is absent is noted at once; a report takes 0.1 s.
            path = 2 * int(station[i] > 0)
            noted = [at for at in range(0, slot + 1, 4) if at + path + real[at, i] <= slot]
            told = real[noted[-1], i] if noted else real[0, i]
            assert observation.cells.present[0, i] == told, (slot, i)
            wrong += told != real[slot, i]
    assert wrong > 20


def test_who_is_absent_is_no_load_and_keeps_its_station() -> None:
    common = ("association.model=load-aware", "association.hysteresis=1.0", "run.slots=40")
    trace = simulate(*CHANGING, *common).trace
    present, station = trace["present"][0], trace["serving_station"][0]
    gone = ~present[1:]
    np.testing.assert_array_equal(station[1:][gone], station[:-1][gone])
    # With one device left at a time, each has the station that it would have alone in the network.
    spells = [(i, 0, i) for i in range(6)] + [(i, i + 1, 40) for i in range(6)]
    one = simulate(*away(*spells), *common).trace["serving_station"][0]
    for i in range(6):
        others = [(k, 0, 40) for k in range(6) if k != i]
        alone = simulate(*away(*others), *common, "run.slots=2").trace["serving_station"][0]
        assert one[i, i] == alone[1, i]


def test_the_graph_shows_who_is_there() -> None:
    graphs: list[list[str]] = []

    def look(observation: Any) -> Decision:
        graph = run_of[0].network.graph
        edges: Any = graph.edges(data="kind")
        graphs.append(sorted(u for u, _, kind in edges if kind == "access"))
        return idle_but(observation)

    scenario = parse_scenario(SMALL, "test", [*away((2, 1, 2), (5, 0, 2)), "run.slots=4"])
    plan = prepare(scenario).blueprint
    run_of = [plan.simulation(look, Capture(), Streams(1, 1))]
    run_of[0].run()
    absent: list[set[int]] = [{5}, {2, 5}, {2}, set()]
    assert graphs == [[f"device-{i}" for i in range(6) if i not in one] for one in absent]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("[1, 1, 0, 1, 1, 1]", "not an array of True or False"),
        ("[[True]]", r"shape \(1, 1\), expected \(1, 6\)"),
        ("[[float('nan')] * 6]", "not an array of True or False"),
        ("None", "not an array of True or False"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_wrong_presence_ends_the_run(wrong: str, message: str) -> None:
    class Wrong:
        moves = True
        _slot = 0

        @property
        def present(self) -> Any:
            return eval(wrong) if self._slot == 3 else np.ones((1, 6), bool)

        def start(self, position_m: Any, *others: Any) -> Any:
            return position_m

        def advance(self, position_m: Any, dt_s: float) -> Any:
            self._slot += 1
            return position_m

    scenario = parse_scenario(SMALL, "test", ["mobility.model=random-waypoint"])
    model: Any = Wrong()
    plan = replace(prepare(scenario).blueprint, mobility=model)
    simulation = plan.simulation(idle_but, Capture(), Streams(1, 1))
    where = r"^mobility model 'random-waypoint', slot 3(, field present)?: .*"
    with pytest.raises(RunError, match=where + message):
        simulation.run()


def test_what_is_decided_for_who_is_absent_does_nothing() -> None:
    """By a policy that knows nothing of it."""

    def everything(observation: Any) -> Decision:
        full = np.ones(observation.queue_bits.shape)
        columns = {"bandwidth_hz": 5e6, "power_w": 0.1, "local_cpu_hz": 5e8, "edge_cpu_hz": 1e9}
        return idle_but(observation, **{name: full * most for name, most in columns.items()})

    trace = simulate(*CHANGING, "run.slots=200", decide=everything).trace
    absent = trace["present"] == 0
    assert trace["queue_bits"][absent].any()
    used = ("bandwidth_hz", "power_w", "rate_bps", "local_cpu_hz", "edge_cpu_hz", "arrived_bits")
    done = ("local_bits", "offloaded_bits", "local_energy_j", "offload_energy_j", "emission_mg")
    for name in (*used, *done):
        assert not trace[name][absent].any(), name
        assert (trace[name][~absent & (trace["queue_bits"] > 0.0)] > 0.0).any(), name
    stays = trace["queue_bits"][:, :-1][absent[:, :-1]]
    np.testing.assert_array_equal(trace["queue_bits"][:, 1:][absent[:, :-1]], stays)


ALWAYS = "tasks.arrivals=shifts:Steady"


@pytest.mark.parametrize("policy", ["lyapunov", "sca", "epr", "epr-ep", "local", "offload-all"])
@pytest.mark.parametrize(
    "more", [(), ("policy.optimise=['radio']",), ("policy.optimise=['compute']",)]
)
def test_who_is_always_absent_might_as_well_not_be(policy: str, more: tuple[str, ...]) -> None:
    if more and policy != "lyapunov":
        return
    common = (ALWAYS, "channel.fading=none", f"policy.name={policy}", "run.slots=25", *more)
    # The first is the MBS's, as is by its column one that was never there.
    places = [[30.0, 30.0], [260.0, 390.0], [270.0, 380.0], [255.0, 250.0], [400.0, 200.0]]
    alone = simulate(*common, f"devices.positions={places}", "devices.count=5").trace
    six = [*places[:2], [265.0, 385.0], *places[2:]]
    beside = simulate(
        *common, f"devices.positions={six}", "devices.count=6", *away((2, 0, 100))
    ).trace
    others = [0, 1, 3, 4, 5]
    assert not beside["serving_station"][:, :, [0, 2]].any()
    assert alone["offloaded_bits"].any() == (policy != "local")
    for name in alone.rows[0]:
        column = beside[name]
        if column.shape[2:3] == (6,):
            column = column[:, :, others]
        atol = 1e-12 * np.abs(alone[name]).max()  # one bit of a sum that is nearly nothing
        np.testing.assert_allclose(column, alone[name], rtol=1e-12, atol=atol, err_msg=name)


@pytest.mark.parametrize("policy", [name for name in POLICIES["worst-case-emission"]])
@pytest.mark.parametrize("floor", ["all", "offloading"])
def test_c10_is_about_those_who_are_there(policy: str, floor: Any) -> None:
    """Among others, who are absent, devices are given what they are given alone."""
    if policy in ("ddpg", "dqn", "sac", "aac", "agent"):
        return
    made: Any = resolve(policy, "policies", POLICIES["worst-case-emission"])()
    full, few = draw(range(2), 5), [0, 2, 3]
    present = np.zeros((2, 5), np.bool_)
    present[:, few] = True
    tasks, channel = full.tasks, full.channel
    shown = replace(full, present=present)
    reduced = replace(
        full,
        tasks=Tasks(*(getattr(tasks, name)[:, few] for name in ("bits", "cycles", "deadline_s"))),
        channel=MrcChannel(
            channel.gain[:, few], channel.interference_gain[:, few][:, :, few].copy()
        ),
        position_m=full.position_m[:, few],
        last_emission_g=full.last_emission_g[:, few],
        age_s=full.age_s[:, few],
        present=present[:, few],
    )
    beside = decided(made, table1.network(5, 0.0, floor), shown)
    columns = ("power_w", "offload", "local_cpu_hz", "edge_cpu_hz")
    if policy == "random":
        asked = (beside.edge_cpu_hz[:, few]).sum(axis=1)
        np.testing.assert_allclose(asked, 20e9, rtol=1e-12)
    else:
        alone = decided(made, table1.network(3, 0.0, floor), reduced)
        for name in columns:
            np.testing.assert_allclose(
                getattr(beside, name)[:, few], getattr(alone, name), rtol=1e-9, err_msg=name
            )
    for name in columns:
        assert not getattr(beside, name)[~present].any(), name


def test_limits_bind_only_who_is_there() -> None:
    """Device 1 is away in slots 1 and 2: it has no task, no rate to keep up, and no row."""
    shown = []

    def local(observation: Any) -> TaskDecision:
        shown.append(observation)
        zeros = np.zeros((1, 2))
        powers = np.array([[0.1, 0.1]])
        return TaskDecision(powers, zeros > 0.0, zeros + 0.7e9, zeros)

    toml = load_scenario("carbon_6ue").to_toml()
    run = simulate(
        *away((1, 1, 2)),
        "devices.count=2",
        "run.slots=4",
        "tasks.cycles=[1e9, 1.2e9]",
        toml=toml,
        decide=local,
    )
    trace = run.trace
    assert trace["present"][0].tolist() == [
        [True, True],
        [True, False],
        [True, False],
        [True, True],
    ]
    for name in ("task_bits", "task_cycles", "power_w", "rate_bps", "energy_j", "delay_s"):
        assert ((trace[name][0] > 0.0) == trace["present"][0]).all(), name
    alone = trace["emission_mg"][0, 1:3, 0]
    np.testing.assert_array_equal(trace["worst_emission_mg"][0, 1:3], alone)
    # All that device 0 asks for holds; with both there, each disturbs the other at the same power.
    gain = trace["channel_gain"][0, 1:3, 0, 0]
    world: Any = run.simulation.world
    network = world.network
    free = network.bandwidth_hz * np.log2(1.0 + 0.1 * gain / network.noise_w)
    np.testing.assert_allclose(trace["rate_bps"][0, 1:3, 0], free, rtol=1e-12)
    assert trace["feasible"][0, 1:3].all()
    rows = np.concatenate(trace.tables)
    assert rows["device"].tolist() == [0, 1, 0, 0, 0, 1]
    assert not shown[1].tasks.bits[0, 1] and not shown[1].channel.interference_gain.any()
    assert shown[1].tasks.bits[0, 0] == trace["task_bits"][0, 1, 0]


@pytest.mark.parametrize("problem", ["stream", "tasks"])
def test_an_environment_shows_who_is_absent_as_zeros(problem: str) -> None:
    kinds: dict[str, Any] = {"stream": StreamVectorEnvironment, "tasks": TaskVectorEnvironment}
    environment = kinds[problem](
        2,
        overrides=[*CHANGING, "devices.count=4", "mobility.change=0.5", "run.slots=20"],
        flat=False,
    )
    shown, _ = environment.reset(seed=3)
    away_for_all = 0
    for _ in range(19):
        world: Any = environment._simulation.world
        present = world.state.present
        np.testing.assert_array_equal(shown.any(axis=2), present)
        before = environment.observation
        assert (
            before.present if problem == "tasks" else before.cells.present
        ).sum() == present.sum()
        shown, reward, *_ = environment.step(np.full((2, 4, 4), 0.3))
        nobody = ~present.any(axis=1)
        away_for_all += int(nobody.sum())
        assert np.isfinite(reward).all()
        if problem == "tasks":
            assert not reward[nobody].any()
    assert away_for_all > 0


@pytest.mark.parametrize("queue", QUEUES)
def test_a_run_goes_on_from_a_checkpoint(queue: str) -> None:
    overrides = [
        *STREAMS,
        SHIFTS,
        "mobility.change=0.2",
        f"devices.absent_queue={queue}",
        "run.slots=40",
        "trace.level=full",
        "policy.name=lyapunov",
    ]
    overrides = [one for one in overrides if not one.startswith("mobility.speed")]
    overrides.remove("mobility.model=random-waypoint")
    whole = simulate(*overrides).trace

    def part(saved: Any, until: int) -> tuple[Capture, Any]:
        experiment = prepare(parse_scenario(SMALL, "test", overrides))
        plan, streams = experiment.blueprint, Streams(1, 2)
        experiment.policy.reset(plan.network, plan.problem, streams.generators("policy"))
        trace = Capture()
        if saved is not None:
            trace.rows = [{}] * 17
        simulation = plan.simulation(experiment.policy.decide, trace, streams, saved)
        simulation.run(until)
        return trace, deepcopy(save_state(simulation.parts()))

    first, saved = part(None, 17)
    then, _ = part(saved, 40)
    for name in whole.rows[0]:
        ours = [row[name] for row in (*first.rows, *then.rows[17:])]
        np.testing.assert_array_equal(np.stack(ours, axis=1), whole[name], err_msg=name)
