"""Stations that fail: the law of their times, what becomes of tasks and bits, what the twin knows."""

import math
from typing import Any

import numpy as np
import pytest
from conftest import SMALL, observing, simulate
from scipy import stats

from edgesim.scenarios.errors import ScenarioError
from edgesim.scenarios.loading import parse_scenario
from edgesim.simulator.failures import FailureModel, Failures
from edgesim.simulator.ledger import TaskLedger
from edgesim.simulator.randomness import Streams
from edgesim.simulator.recorder import OUTCOMES
from edgesim.simulator.traffic import Tasks

SBS = "stations.sbs.failures"


def failing(kind: str = "sbs", **keys: str) -> tuple[str, ...]:
    """Overrides: stations of a kind that are up for 1 s and down for 0.5 s in the mean."""
    values = {"time_to_failure": "1 s", "time_to_repair": "0.5 s"} | keys
    return tuple(f"stations.{kind}.failures.{key}={value}" for key, value in values.items())


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
        following = failures.next_change_ns(now_ns)
        assert following is not None and following > now_ns
        now_ns = following
        changed = up ^ failures.change(now_ns)
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
        inflow[..., b] = (trace["offloaded_bits"] * (trace["station"] == b)).sum(axis=2)
    after = np.maximum(queued - served, 0.0) + inflow
    np.testing.assert_allclose(
        queued[:, 1:], after[:, :-1] - trace["lost_bits"][:, 1:], rtol=1e-12, atol=1e-3
    )
    lost = math.fsum(trace["lost_bits"].ravel())
    assert (lost > 0.0) == (queue == "lost")

    state: Any = run.simulation.world.state
    assert not trace["offloaded_bits"][~_own(trace["station_up"], trace["station"])].any()
    assert not served[trace["station_up"] == 0].any()

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


def _own(up: np.ndarray, station: np.ndarray) -> np.ndarray:
    """(R, T, N) whether each device's own station is up."""
    own: np.ndarray = np.take_along_axis(up, station, axis=2) == 1
    return own


def test_devices_reassociate_or_wait() -> None:
    quiet = simulate("run.slots=60")
    home = quiet.trace["station"][0, 0]
    assert (home > 0).any()
    for devices in ("reassociate", "wait"):
        run = simulate(*failing(devices=devices), "run.slots=60")
        up, station = run.trace["station_up"][0], run.trace["station"][0]
        assert not up.all()
        if devices == "wait":
            np.testing.assert_array_equal(station, np.broadcast_to(home, station.shape))
        else:
            assert _own(run.trace["station_up"], run.trace["station"]).all()
            # Static devices are at home whenever their home is up.
            at_home = np.take_along_axis(up, np.broadcast_to(home, station.shape), axis=1) == 1
            np.testing.assert_array_equal(station == home, at_home | (station == home))
            assert (station != home).any()


def test_load_aware_devices_leave_a_station_that_is_down() -> None:
    run = simulate(*failing(), "association.model=load-aware", "run.slots=100")
    assert not run.trace["station_up"].all()
    assert _own(run.trace["station_up"], run.trace["station"]).all()


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


def test_a_task_in_two_stations_is_lost_once() -> None:
    """8 bits: 3 of them at station 1, 3 at station 2, 2 still at the device; station 1 fails."""
    ledger = TaskLedger(1, 1, 3, 1.0)
    task = Tasks(np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros(1), np.full(1, 8.0))
    ledger.admit(task, np.zeros((1, 1)))
    nothing, three = np.zeros((1, 1)), np.full((1, 1), 3.0)
    idle = np.zeros((1, 3))
    for slot, station in ((1, 1), (2, 2)):
        assert not len(ledger.serve(slot, np.full((1, 1), station), nothing, three, idle))
    ledger.lose(np.array([[False, True, False]]))
    assert [OUTCOMES[code] for code in ledger.pending()["outcome"]] == ["lost"]
    served = np.array([[0.0, 0.0, 3.0]])
    assert not len(ledger.serve(3, np.full((1, 1), 0), nothing, nothing, served))
    ended = ledger.serve(4, np.full((1, 1), 0), np.full((1, 1), 2.0), nothing, idle)
    assert [OUTCOMES[code] for code in ended["outcome"]] == ["lost"]
    assert np.isnan(ended["completion_s"]).all()
    assert not len(ledger.pending())


def test_keys() -> None:
    with pytest.raises(ScenarioError, match=r"time_to_repair.*missing"):
        parse_scenario(SMALL, "test", [f"{SBS}.time_to_failure=1 s"])
    with pytest.raises(ScenarioError, match="too small"):
        parse_scenario(SMALL, "test", [*failing(time_to_failure="0 s")])
