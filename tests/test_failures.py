"""Stations that fail: the law of their times, what becomes of tasks and bits, what the twin knows."""

import math
from typing import Any

import numpy as np
import pytest
from conftest import SMALL, Capture, admit, observing, pending, simulate
from scipy import stats

from edgesim.experiments.run import prepare
from edgesim.scenarios.errors import ScenarioError
from edgesim.scenarios.loading import parse_scenario
from edgesim.simulator.core.arrays import BoolArray, FloatArray, IntArray
from edgesim.simulator.core.randomness import Streams
from edgesim.simulator.core.recorder import OUTCOMES
from edgesim.simulator.models.arrivals import Tasks
from edgesim.simulator.models.association import Nearest
from edgesim.simulator.models.failures import Availability, FailureModel, Failures
from edgesim.simulator.stream.decision import Decision
from edgesim.simulator.stream.ledger import TaskLedger

SBS = "stations.sbs.failures"


def failing(kind: str = "sbs", **keys: str) -> tuple[str, ...]:
    """Overrides: stations of a kind that are up for 1 s and down for 0.5 s in the mean."""
    values = {"time_to_failure": "1 s", "time_to_repair": "0.5 s"} | keys
    return tuple(f"stations.{kind}.failures.{key}={value}" for key, value in values.items())


def test_what_is_served_and_lost_in_three_windows() -> None:
    """Two stations: one loses its queue after its first window and again after its second; one never."""
    begins, ends = (
        np.array([[[0.0, 0.3, 0.8], [0.25, 1.0, 1.0]]]),
        np.array([[[0.2, 0.7, 1.0], [1.0] * 3]]),
    )
    slot = Availability(begins, ends, np.array([[1, 3]]), np.array([[2, 0]]))
    np.testing.assert_allclose(slot.share, [[0.8, 0.75]], rtol=1e-15)
    np.testing.assert_allclose(slot.serving, [[[0.2, 0.0, 0.0], [0.75, 0.0, 0.0]]], rtol=1e-15)
    np.testing.assert_allclose(slot.serving_share, [[0.2, 0.75]], rtol=1e-15)
    assert slot.loses.tolist() == [[True, False]]
    np.testing.assert_allclose(slot.lost_share, [[0.6 / 0.8, 0.0]], rtol=1e-15)


def test_times_have_the_stated_law() -> None:
    stations, replications = 40, 3
    streams = Streams(1, replications)
    rngs = [streams.generators(f"failures/{b}") for b in range(stations)]
    failures = Failures([FailureModel(30.0, 5.0)] * stations, rngs)
    up = failures.up
    since = np.zeros(up.shape)
    times: dict[bool, list[float]] = {True: [], False: []}
    now_ns = 0
    while len(times[True]) < 4000:
        following = failures.next_change_ns()
        assert following is not None and following > now_ns
        now_ns = following
        failures.change(now_ns)
        changed = up ^ failures.up
        assert changed.any()
        for r, b in np.argwhere(changed):
            times[bool(up[r, b])].append(now_ns / 1e9 - since[r, b])
            since[r, b] = now_ns / 1e9
        up = failures.up
    assert stats.kstest(times[True], "expon", args=(0.0, 30.0)).pvalue > 0.01
    assert stats.kstest(times[False], "expon", args=(0.0, 5.0)).pvalue > 0.01


def test_fixed_times_by_hand() -> None:
    """Up for 0.25 s, down for 0.15 s: down in the slots that begin at 0.3, 0.7, 1.1, … s."""
    run = simulate(
        *failing(law="fixed", time_to_failure="0.25 s", time_to_repair="0.15 s"), "run.slots=20"
    )
    up = run.trace["station_up"][0]
    starts = np.arange(20) * 0.1
    expected = (starts + 1e-6) % 0.4 < 0.25
    assert up[:, 0].all()
    for b in range(1, up.shape[1]):
        np.testing.assert_array_equal(up[:, b], expected)


@pytest.mark.parametrize("queue", ["wait", "lost"])
@pytest.mark.parametrize("devices", ["reassociate", "wait"])
def test_bits_and_tasks_are_conserved(devices: str, queue: str) -> None:
    run = simulate(
        *failing(devices=devices, queue=queue),
        *failing("mbs", devices=devices, queue=queue, time_to_failure="3 s"),
        "policy.name=offload-all",
        "tasks.deadline=2 s",
        "run.slots=400",
        "run.replications=2",
        "tasks.mean=0.1 Mbit",
    )
    trace = run.trace
    # A(6), less what was lost meanwhile, which the next slot's row tells.
    served, queued = trace["station_served_bits"], trace["station_queue_bits"]
    inflow = np.zeros(queued.shape)
    for b in range(queued.shape[2]):
        inflow[..., b] = (trace["offloaded_bits"] * (trace["serving_station"] == b)).sum(axis=2)
    after = np.maximum(queued - served, 0.0) + inflow
    np.testing.assert_allclose(
        queued[:, 1:], after[:, :-1] - trace["lost_bits"][:, 1:], rtol=1e-12, atol=1e-3
    )
    lost = math.fsum(trace["lost_bits"].ravel())
    assert (lost > 0.0) == (queue == "lost")

    state: Any = run.simulation.world.state
    available = trace["station_availability"]
    assert ((available > 0.0) & (available < 1.0)).any()
    own = np.take_along_axis(available, trace["serving_station"], axis=2)
    assert not trace["offloaded_bits"][own == 0.0].any()
    assert not served[available == 0.0].any()

    tasks = len(trace.column("outcome"))
    outcome = np.bincount(trace.column("outcome"), minlength=len(OUTCOMES))
    assert outcome.sum() == tasks
    sizes = trace.column("bits")
    assert math.fsum(sizes) == pytest.approx(math.fsum(trace["arrived_bits"].ravel()), rel=1e-12)
    done, late, waiting, _, missing = (trace.column("outcome") == code for code in range(5))
    assert done.any() and late.any()
    assert missing.any() == (queue == "lost")
    assert np.isnan(trace.column("completion_s")[missing | waiting]).all()
    assert np.isfinite(trace.column("completion_s")[done | late]).all()
    # What is not finished is at least what lies in the queues, at most that and what was lost.
    left = state.queue_bits.sum() + state.station_queue_bits.sum()
    assert math.fsum(sizes[waiting | missing]) >= (left + lost) * (1.0 - 1e-9)
    assert math.fsum(trace["local_bits"].ravel()) + math.fsum(served.ravel()) + left + lost == (
        pytest.approx(math.fsum(sizes), rel=1e-9)
    )


def test_what_one_station_loses_as_a_slot_begins_is_beside_what_another_lost_within_the_last() -> (
    None
):
    """The MBS fails at 0.25 s and every 0.5 s, the SBSs at 0.3 s and every 0.5 s; both lose what they hold."""
    times = {"law": "fixed", "queue": "lost", "time_to_repair": "0.25 s"}
    run = simulate(
        *failing("mbs", **times, time_to_failure="0.25 s"),
        *failing(**times | {"time_to_repair": "0.2 s"}, time_to_failure="0.3 s"),
        "run.slots=24",
        "devices.count=12",
        "stations.mbs.cpu=0.1 GHz",
        "stations.sbs.cpu=0.1 GHz",
        "policy.name=offload-all",
    )
    trace = run.trace
    sent, at = trace["offloaded_bits"][0], trace["serving_station"][0]
    inflow = np.stack([np.where(at == b, sent, 0.0).sum(axis=1) for b in range(4)], axis=1)
    queued, lost = trace["station_queue_bits"][0], trace["lost_bits"][0]
    after = np.maximum(queued - trace["station_served_bits"][0], 0.0) + inflow
    np.testing.assert_allclose(queued[1:], after[:-1] - lost[1:], rtol=1e-12, atol=1e-3)
    both = (lost[:, 0] > 0.0) & (lost[:, 1:] > 0.0).any(axis=1)
    assert both.sum() >= 3


def _own(up: np.ndarray, station: np.ndarray) -> np.ndarray:
    """(R, T, N) whether each device's own station is up."""
    own: np.ndarray = np.take_along_axis(up, station, axis=2) == 1
    return own


def test_devices_reassociate_or_wait() -> None:
    quiet = simulate("run.slots=60")
    home = quiet.trace["serving_station"][0, 0]
    assert (home > 0).any()
    for devices in ("reassociate", "wait"):
        run = simulate(*failing(devices=devices), "run.slots=60")
        up, station = run.trace["station_up"][0], run.trace["serving_station"][0]
        assert not up.all()
        if devices == "wait":
            np.testing.assert_array_equal(station, np.broadcast_to(home, station.shape))
        else:
            assert _own(run.trace["station_up"], run.trace["serving_station"]).all()
            # Static devices are at home whenever their home is up.
            at_home = np.take_along_axis(up, np.broadcast_to(home, station.shape), axis=1) == 1
            np.testing.assert_array_equal(station == home, at_home | (station == home))
            assert (station != home).any()


def test_load_aware_devices_leave_a_station_that_is_down() -> None:
    run = simulate(*failing(), "association.model=load-aware", "run.slots=100")
    assert not run.trace["station_up"].all()
    assert _own(run.trace["station_up"], run.trace["serving_station"]).all()


def test_nobody_who_is_covered_chooses_an_mbs_that_is_down() -> None:
    """However wide its band is: a down station promises nothing."""
    times = {"law": "fixed", "time_to_failure": "1 s", "time_to_repair": "100 s"}
    keys = (
        "association.model=load-aware",
        "stations.sbs.coverage=1 km",
        "stations.mbs.bandwidth=1 GHz",
    )
    moving = ("mobility.model=random-waypoint", 'mobility.speed=["20 m/s", "30 m/s"]')
    for more in ((), moving):
        trace = simulate(*failing("mbs", **times), *keys, *more, "run.slots=15").trace
        station = trace["serving_station"][0]
        assert not station[:10].any() and station[10:].all()


class Restless(Nearest):
    """Has another answer each time."""

    asked = 0

    def associate(
        self, distance_m: FloatArray, path_gain: FloatArray, chooses: BoolArray | None = None
    ) -> IntArray:
        self.asked += 1
        return np.full(distance_m.shape[:2], self.asked % 3)


def test_only_those_choose_anew_whose_stations_have_changed() -> None:
    keys = (*failing(time_to_failure="3 s"), f"association.model={__name__}:Restless")
    trace = simulate(*keys, "run.replications=2", "run.slots=80").trace
    station, available = trace["serving_station"], trace["station_availability"]
    moved = (station[:, 1:] != station[:, :-1]).any(axis=2)
    # A station has changed if it is up for a part of a slot, or from one on.
    partly: Any = ((available > 0.0) & (available < 1.0)).any(axis=2)
    switched = (available[:, 1:] != available[:, :-1]).any(axis=2) | partly[:, :-1] | partly[:, 1:]
    assert not moved[~switched].any() and moved.any(axis=1).all()
    assert (moved[0] != moved[1]).any()


def test_the_twin_learns_of_a_failure_at_its_next_synchronisation() -> None:
    seen: list[tuple[object, dict[str, np.ndarray]]] = []
    run = observing(
        seen,
        *failing(),
        "twin.sync=periodic",
        "twin.station.period=0.5 s",
        "twin.device.period=0.5 s",
        "run.slots=100",
    )
    real = run.trace["station_up"][0]
    shown = np.array([observation.station_up[0] for observation, _ in seen])  # type: ignore[attr-defined]
    for slot in range(100):
        np.testing.assert_array_equal(shown[slot], real[slot - slot % 5])
    assert (shown != real).any()
    heard = np.array([observation.channel_gain[0] > 0.0 for observation, _ in seen])  # type: ignore[attr-defined]
    np.testing.assert_array_equal(heard, np.broadcast_to(shown[:, None] == 1, heard.shape))


def test_failures_are_the_same_under_every_policy_and_among_others() -> None:
    common = (*failing(queue="lost"), "association.model=load-aware")
    one = simulate(*common, "run.seed=3")
    other = simulate(*common, "run.seed=2", "run.replications=2")
    third = simulate(*common, "run.seed=3", "policy.name=local")
    np.testing.assert_array_equal(one.trace["station_up"][0], other.trace["station_up"][1])
    np.testing.assert_array_equal(one.trace["station_up"][0], third.trace["station_up"][0])
    for name in one.trace.rows[0]:
        np.testing.assert_array_equal(one.trace[name][0], other.trace[name][1], err_msg=name)


def test_failures_leave_all_other_streams_alone() -> None:
    """They have streams of their own, by station: those of others stay when one kind more fails."""
    moving = ("mobility.model=random-waypoint", 'mobility.speed=["20 m/s", "30 m/s"]')
    quiet = simulate(*moving).trace
    some = simulate(*moving, *failing()).trace
    all_kinds = simulate(*moving, *failing(), *failing("mbs")).trace
    for name in ("arrived_bits", "x_m", "y_m"):
        np.testing.assert_array_equal(some[name], quiet[name], err_msg=name)
    heard = some["station_availability"][:, :, None, :] > 0.0
    assert not heard.all()
    np.testing.assert_array_equal(some["channel_gain"], np.where(heard, quiet["channel_gain"], 0.0))
    np.testing.assert_array_equal(some["station_up"][..., 1:], all_kinds["station_up"][..., 1:])
    assert not all_kinds["station_up"][..., 0].all()


def test_every_task_has_one_outcome_in_a_long_run() -> None:
    """Of all that arrived, as the ledger was handed them, with bounded buffers and lost queues."""
    scenario = parse_scenario(
        SMALL,
        "test",
        [
            *failing(queue="lost"),
            *failing("mbs", queue="lost", time_to_failure="2 s"),
            "policy.name=offload-all",
            "tasks.arrivals=poisson",
            'tasks.rate="20 tasks/s"',
            'tasks.mean="30 kbit"',
            "tasks.deadline=1 s",
            'tasks.buffer="0.3 Mbit"',
            "run.slots=2000",
        ],
    )
    plan, streams = prepare(scenario).blueprint, Streams(scenario.run.seed, 1)
    policy = prepare(scenario).policy
    policy.reset(plan.network, plan.problem, streams.generators("policy"))
    trace = Capture()
    simulation = plan.simulation(policy.decide, trace, streams)
    world: Any = simulation.world
    arrived, let_in = [], world.ledger.admit

    def watched(tasks: Tasks, *rest: Any) -> None:
        arrived.append(np.column_stack((tasks.device, tasks.arrival_s, tasks.bits)))
        let_in(tasks, *rest)

    world.ledger.admit = watched
    simulation.run()
    for rows in world.unfinished():
        trace.tasks(rows)
    ours = np.column_stack([trace.column(name) for name in ("device", "arrival_s", "bits")])
    theirs = np.concatenate(arrived)
    assert len(theirs) > 20_000
    np.testing.assert_array_equal(_sorted(ours), _sorted(theirs))
    outcome = trace.column("outcome")
    assert (np.bincount(outcome, minlength=len(OUTCOMES)) > 0).all()  # each of them occurs
    done, late = outcome == OUTCOMES.index("done"), outcome == OUTCOMES.index("late")
    late_by = trace.column("completion_s") - trace.column("deadline_s")
    assert (late_by[done] <= 0.0).all() and (late_by[late] > 0.0).all()


def _sorted(rows: np.ndarray) -> np.ndarray:
    ordered: np.ndarray = rows[np.lexsort(rows.T)]
    return ordered


def test_what_is_sent_to_a_station_that_is_down_stays_where_it_was() -> None:
    """A policy that knows nothing of it: no bit leaves, nothing is executed, no energy is spent."""

    def everything(observation: Any) -> Decision:
        devices = observation.queue_bits.shape[1]
        full = np.full((1, devices), 1.0)
        return Decision(
            bandwidth_hz=full * 5e6 / devices,
            power_w=full * 0.1,
            local_cpu_hz=full * 0.0,
            edge_cpu_hz=full * 10e9 / devices,
            served_bits=np.full(observation.station_queue_bits.shape, 1e12),
        )

    run = simulate(
        *failing(devices="wait"),
        *failing("mbs", devices="wait"),
        "run.slots=200",
        "tasks.mean=10 kbit",
        decide=everything,
    )
    trace = run.trace
    available = np.take_along_axis(trace["station_availability"], trace["serving_station"], axis=2)
    down = available == 0.0
    waits = down & (trace["queue_bits"] > 0.0)
    assert waits.sum() > 100
    columns = ("offloaded_bits", "rate_bps", "power_w", "offload_energy_j", "bandwidth_hz")
    for name in (*columns, "edge_cpu_hz"):
        assert not trace[name][down].any(), name
    up = ~down & (trace["queue_bits"] > 0.0)
    assert (trace["offloaded_bits"][up] > 0.0).all()
    stopped = (trace["station_availability"] == 0.0) & (trace["station_queue_bits"] > 0.0)
    assert stopped.any() and not trace["station_served_bits"][stopped].any()
    following = trace["queue_bits"][:, 1:]
    expected = trace["queue_bits"] + trace["arrived_bits"]
    np.testing.assert_array_equal(following[down[:, :-1]], expected[:, :-1][down[:, :-1]])


@pytest.mark.parametrize("devices", ["reassociate", "wait"])
def test_all_stations_down_at_once(devices: str) -> None:
    """Up and down for 1 s each, the MBS too: what was waiting goes on when they come back."""
    times = {"law": "fixed", "time_to_failure": "1 s", "time_to_repair": "1 s", "devices": devices}
    run = simulate(*failing(**times), *failing("mbs", **times), "run.slots=60")
    trace = run.trace
    down = np.arange(60) // 10 % 2 == 1
    np.testing.assert_array_equal(trace["station_up"][0], np.repeat(~down[:, None], 4, axis=1))
    assert not trace["offloaded_bits"][0, down].any()
    assert trace["local_bits"][0, down].sum() > 0.0
    assert (trace["offloaded_bits"][0, ~down].reshape(3, -1).sum(axis=1) > 0.0).all()
    home = trace["serving_station"][0, 0]
    assert (home > 0).any()
    # Who looks for another station finds none: the MBS, which is asked last, is where it waits.
    there = np.zeros(home.shape) if devices == "reassociate" else home
    np.testing.assert_array_equal(
        trace["serving_station"][0, down], np.tile(there, (down.sum(), 1))
    )
    np.testing.assert_array_equal(
        trace["serving_station"][0, ~down], np.tile(home, ((~down).sum(), 1))
    )


def test_without_the_mbs_only_small_cells_serve() -> None:
    times = {"law": "fixed", "time_to_failure": "1 s", "time_to_repair": "100 s"}
    trace = simulate(*failing("mbs", **times), "run.slots=40").trace
    station, later = trace["serving_station"][0], slice(10, None)
    np.testing.assert_array_equal(station, np.tile(station[0], (40, 1)))
    at_mbs = station[0] == 0
    assert at_mbs.any() and not at_mbs.all()
    assert not trace["offloaded_bits"][0, later][:, at_mbs].any()
    assert (trace["offloaded_bits"][0, later][:, ~at_mbs].sum(axis=0) > 0.0).all()


def test_news_of_a_failure_may_be_late_or_lost() -> None:
    """What is shown is what was true when the station reported, not what is."""
    seen: list[tuple[Any, Any]] = []
    run = observing(
        seen,
        *failing(),
        "twin.sync=periodic",
        "twin.station.latency={exponential=0.2}",
        "twin.station.loss=0.3",
        "run.slots=200",
    )
    real = run.trace["station_up"][0]
    wrong = 0
    for slot, (observation, _) in enumerate(seen):
        told = slot - np.round(observation.station_age_s[0] / 0.1).astype(int)
        np.testing.assert_array_equal(observation.station_up[0], real[told, np.arange(4)])
        wrong += (observation.station_up[0] != real[slot]).sum()
    assert wrong > 20


def test_a_station_may_as_well_never_fail() -> None:
    """Times beyond what the clock can count."""
    trace = simulate(*failing(time_to_failure="1e12 s", law="fixed"), "run.slots=3").trace
    assert trace["station_up"].all()


def test_a_task_in_two_stations_is_lost_once() -> None:
    """8 bits: 3 of them at station 1, 3 at station 2, 2 still at the device; station 1 fails."""
    ledger = TaskLedger(1, 1, 3, 1.0)
    task = Tasks(np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros(1), np.full(1, 8.0))
    admit(ledger, task, np.zeros((1, 1)))
    nothing, three = np.zeros((1, 1)), np.full((1, 1), 3.0)
    idle = np.zeros((1, 3))
    for slot, station in ((1, 1), (2, 2)):
        assert not len(ledger.serve(slot, np.full((1, 1), station), nothing, three, idle))
    ledger.lose(np.array([[False, True, False]]))
    assert [OUTCOMES[code] for code in pending(ledger)["outcome"]] == ["lost"]
    served = np.array([[0.0, 0.0, 3.0]])
    assert not len(ledger.serve(3, np.full((1, 1), 0), nothing, nothing, served))
    ended = ledger.serve(4, np.full((1, 1), 0), np.full((1, 1), 2.0), nothing, idle)
    assert [OUTCOMES[code] for code in ended["outcome"]] == ["lost"]
    assert np.isnan(ended["completion_s"]).all()
    assert not len(pending(ledger))


def test_keys() -> None:
    with pytest.raises(ScenarioError, match=r"time_to_repair.*missing"):
        parse_scenario(SMALL, "test", [f"{SBS}.time_to_failure=1 s"])
    with pytest.raises(ScenarioError, match="too small"):
        parse_scenario(SMALL, "test", [*failing(time_to_failure="0 s")])
    with pytest.raises(ScenarioError, match=r"time_to_repair.*too short for slots.*>= 0\.0001 s"):
        parse_scenario(SMALL, "test", [*failing(time_to_repair="1 ns")])
