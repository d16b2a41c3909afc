"""Events count from when they happen, in their order, and their number does not grow with the network."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import SMALL, Capture, admit, simulate
from hypothesis import given, settings
from hypothesis import strategies as st
from simpy.core import EmptySchedule

from edgesim.experiments.run import prepare
from edgesim.scenarios.loading import parse_scenario
from edgesim.simulator.core.clock import Clock, EventOrder, Process
from edgesim.simulator.core.randomness import Streams
from edgesim.simulator.core.recorder import OUTCOMES
from edgesim.simulator.models.arrivals import Tasks
from edgesim.simulator.models.carbon import CarbonIntensity, Series
from edgesim.simulator.models.failures import Availability, FailureModel, Failures
from edgesim.simulator.processes import carbon_intensity
from edgesim.simulator.simulation import Simulation
from edgesim.simulator.stream.decision import Decision
from edgesim.simulator.stream.ledger import TaskLedger
from edgesim.simulator.twin.synchronisation import Report


def failing(**keys: str) -> tuple[str, ...]:
    """SBSs that are up for 0.25 s, down for 0.1 s, up again from 0.35 s on, and so on."""
    values = {"time_to_failure": "0.25 s", "time_to_repair": "0.1 s", "law": "fixed"} | keys
    return tuple(f"stations.sbs.failures.{key}={value}" for key, value in values.items())


def everything(observation: Any) -> Decision:
    """Equal shares at full power for all, whatever is up; stations serve 0.2 Mbit."""
    devices = observation.queue_bits.shape[1]
    full = np.ones(observation.queue_bits.shape)
    queued = observation.station_queue_bits
    return Decision(
        bandwidth_hz=full * 5e6 / devices,
        power_w=full * 0.1,
        local_cpu_hz=full * 0.0,
        edge_cpu_hz=full * 10e9 / devices,
        served_bits=np.minimum(queued, 0.2e6),
    )


@pytest.mark.parametrize(("begun", "seen"), [(False, [300, 500]), (True, [500])])
def test_a_run_that_goes_on_where_the_electricity_changes_sees_it_once(
    begun: bool, seen: list[int]
) -> None:
    """Saved between two slots the change is still to come, saved before a decision it has been."""
    series = Series(np.array([0.0, 0.3, 0.5]), np.array([1.0, 2.0, 3.0]))
    updates: list[int] = []
    world: Any = SimpleNamespace(carbon=CarbonIntensity([series]), change_carbon=updates.append)
    clock = Clock(300_000_000, begun=begun)
    clock.start(carbon_intensity(clock, world))
    with pytest.raises(EmptySchedule):
        clock.run()
    assert updates == [one * 1_000_000 for one in seen]


def test_a_station_serves_for_the_part_of_the_slot_in_which_it_is_up() -> None:
    """By hand: down in [0.25, 0.35) and [0.6, 0.7), so half of slots 2 and 3, and slot 6 whole."""
    run = simulate(*failing(devices="wait"), "run.slots=8", decide=everything)
    trace = run.trace
    share = np.array([1.0, 1.0, 0.5, 0.5, 1.0, 1.0, 0.0, 1.0])
    np.testing.assert_allclose(trace["station_availability"][0, :, 1:].T, [share] * 3, atol=1e-12)
    np.testing.assert_array_equal(trace["station_availability"][0, :, 0], 1.0)
    np.testing.assert_array_equal(trace["station_up"][0, :, 1], [1, 1, 1, 0, 1, 1, 0, 1])
    here = np.take_along_axis(trace["station_availability"], trace["serving_station"], axis=2)
    sendable = trace["rate_bps"] * 0.1 * here
    expected = np.minimum(trace["queue_bits"], sendable)
    np.testing.assert_allclose(trace["offloaded_bits"], expected, rtol=1e-12)
    assert (trace["offloaded_bits"][0, 2:4] > 0.0).any(axis=1).all()
    # The radio works for a part of the slot, and pays for that part.
    busy = trace["power_w"] * trace["offloaded_bits"] / np.maximum(trace["rate_bps"], 1e-9)
    edge = 0.1 * 100 * trace["offloaded_bits"] / np.maximum(trace["edge_cpu_hz"], 1e-9)
    np.testing.assert_allclose(trace["offload_energy_j"], busy + edge, rtol=1e-12)
    asked = np.minimum(trace["station_queue_bits"], 0.2e6)
    np.testing.assert_allclose(
        trace["station_served_bits"], asked * trace["station_availability"], rtol=1e-12
    )


def test_tasks_end_while_their_station_is_up() -> None:
    run = simulate(
        *failing(devices="wait"), "run.slots=200", "tasks.mean=50 kbit", decide=everything
    )
    done = run.trace.column("outcome") == OUTCOMES.index("done")
    at_sbs = done & (run.trace.column("station") > 0)
    moment = run.trace.column("completion_s")[at_sbs] % 0.35
    assert len(moment) > 300
    assert (moment <= 0.25 + 1e-9).all()
    # Also within slots that a failure cuts.
    slot = run.trace.column("completion_s")[at_sbs] // 0.1
    cut = np.isclose(run.trace["station_availability"][0, :, 1], 0.5)
    assert cut[slot.astype(int)].sum() > 20


def test_a_queue_is_lost_at_the_moment_of_the_failure() -> None:
    """What was served before it is served, what was sent before it is lost, what came later is kept."""
    run = simulate(*failing(devices="wait", queue="lost"), "run.slots=100", decide=everything)
    trace = run.trace
    served, queued = trace["station_served_bits"], trace["station_queue_bits"]
    inflow = np.zeros(queued.shape)
    for b in range(queued.shape[2]):
        inflow[..., b] = (trace["offloaded_bits"] * (trace["serving_station"] == b)).sum(axis=2)
    after = np.maximum(queued - served, 0.0) + inflow
    lost = trace["lost_bits"]
    np.testing.assert_allclose(queued[:, 1:], after[:, :-1] - lost[:, 1:], atol=1e-6)
    # Slot 2: up for its first half, so half of what was asked is served and nothing is left.
    asked = np.minimum(queued, 0.2e6)
    np.testing.assert_allclose(served[0, 2, 1:], 0.5 * asked[0, 2, 1:], rtol=1e-12)
    np.testing.assert_array_equal(queued[0, 3, 1:], 0.0)
    np.testing.assert_allclose(lost[0, 3, 1:], after[0, 2, 1:], rtol=1e-12)
    # Slot 3: down for its first half; what is sent in the second is kept.
    np.testing.assert_allclose(queued[0, 4, 1:], inflow[0, 3, 1:], rtol=1e-12)
    assert inflow[0, 3, 1:].any()
    # Every task that is lost had bits at a station as it failed, and the bits agree.
    state: Any = run.simulation.world.state
    missing = trace.column("outcome") == OUTCOMES.index("lost")
    assert missing.any()
    total = lost.sum() + state.lost_bits.sum()
    left = state.queue_bits.sum() + state.station_queue_bits.sum()
    assert served.sum() + left + total == pytest.approx(trace.column("bits").sum(), rel=1e-12)


def test_failures_of_others_do_not_change_a_bit() -> None:
    """Replications fail at moments of their own; each is what it would be alone."""
    law = failing(law="exponential", queue="lost")
    together = simulate(*law, "run.slots=40", "run.replications=3", "run.seed=5").trace
    assert ((together["station_availability"] % 1.0) > 0.0).any(axis=(1, 2)).all()
    for r in range(3):
        alone = simulate(*law, "run.slots=40", f"run.seed={5 + r}").trace
        for name in alone.rows[0]:
            np.testing.assert_array_equal(alone[name][0], together[name][r], err_msg=name)
        own = [table[table["replication"] == r] for table in together.tables]
        for name in ("completion_s", "outcome", "station"):
            mine = np.concatenate([table[name] for table in own])
            np.testing.assert_array_equal(alone.column(name), mine, err_msg=name)


@settings(max_examples=100)
@given(
    st.lists(st.floats(0.01, 1.5), min_size=2, max_size=8),
    st.floats(0.1, 1.0),
)
def test_availability_against_a_fine_grid(times: list[float], phase: float) -> None:
    """One station that fails and is repaired at given moments, in the slot that begins at 1 s."""
    moments = np.cumsum(times)
    failures = Failures([FailureModel(1e9, 1e9, "fixed", loses=True)], [[np.random.default_rng(0)]])
    failures.begin_slot()
    began = False
    for moment in moments[moments < 2.0]:
        if moment > 1.0 and not began:
            failures.begin_slot()
            began = True
        failures._next_ns[:] = round(moment * 1e9)
        failures.change(round(moment * 1e9))
    if not began:
        failures.begin_slot()
    found = failures.availability(1_000_000_000, 1_000_000_000)

    grid = 1.0 + (np.arange(200_000) + 0.5) / 200_000
    up = (moments[:, None] < grid).sum(axis=0) % 2 == 0
    assert found.share[0, 0] == pytest.approx(up.mean(), abs=1e-4)
    fails = [moment for moment in moments[::2] if 1.0 < moment < 2.0]
    assert found.loses[0, 0] == bool(fails)
    serving = up & (grid < fails[0]) if fails else up
    assert found.serving_share[0, 0] == pytest.approx(serving.mean(), abs=1e-4)
    if fails and up.any():
        lost = (up & (grid < fails[-1])).sum() / up.sum()
        assert found.lost_share[0, 0] == pytest.approx(lost, abs=2e-4)
    if serving.mean() > 0.01:
        # The service is even over the windows: a share `phase` of it is done at that moment.
        completion_s = served_at(found, phase)
        assert serving[grid < completion_s].sum() / serving.sum() == pytest.approx(phase, abs=2e-3)


def served_at(availability: Availability, phase: float) -> float:
    """When a task is complete whose bits are the first `phase` of what a station serves in slot 1."""
    ledger = TaskLedger(1, 1, 1, 1.0)
    zero = np.zeros(1, np.int64)
    for bits in (1e6 * phase, 1e6 * (1.0 - phase) + 1e6):
        admit(ledger, Tasks(zero, zero, np.zeros(1), np.full(1, bits)), np.zeros((1, 1)))
    station, none = np.zeros((1, 1), np.int64), np.zeros((1, 1))
    ledger.serve(0, station, none, np.full((1, 1), 2e6), none)
    ended = ledger.serve(1, station, none, none, np.full((1, 1), 1e6), availability)
    return float(ended["completion_s"][0])


@pytest.mark.parametrize(
    ("phase", "moment"), [(0.25, 0.15), (0.5, 0.5), (0.75, 0.85), (0.9, 0.94), (1.0, 1.0)]
)
def test_a_service_goes_on_in_the_next_window(phase: float, moment: float) -> None:
    """Up for 0.2, 0.2 and 0.2 of a slot: a quarter of the service is done 0.15 into the first."""
    begins, ends = np.array([[[0.0, 0.4, 0.8]]]), np.array([[[0.2, 0.6, 1.0]]])
    never, none = np.array([[3]]), np.array([[0]])
    assert served_at(Availability(begins, ends, never, none), phase) == pytest.approx(1.0 + moment)


def test_emission_is_energy_times_the_intensity_of_its_time(tmp_path: Path) -> None:
    """Slots of a day, a value each half hour: the mean over the slot, not the value at its start."""
    hours = np.arange(96) / 2.0
    values = 200.0 + 100.0 * np.sin(hours / 24.0 * 2.0 * np.pi) + hours
    rows = [
        f"2020-01-{1 + int(h // 24):02d}T{int(h % 24):02d}:{int(h % 1 * 60):02d}:00,{v}"
        for h, v in zip(hours, values, strict=True)
    ]
    (tmp_path / "grid.csv").write_text("Time,Carbon Intensity\n" + "\n".join(rows) + "\n")
    file = f'carbon.mbs={{file="{tmp_path / "grid.csv"}", start=2020-01-01T00:00:00}}'
    run = simulate("run.slot=20 h", "run.slots=2", "carbon.intensity=100 g/kWh", file)
    trace = run.trace
    fine = np.repeat(values, 1800)
    for slot in range(2):
        mean = fine[slot * 72_000 : (slot + 1) * 72_000].mean()
        assert trace["carbon_g_per_kwh"][0, slot, 0] == pytest.approx(mean, rel=1e-12)
        assert abs(mean / fine[slot * 72_000] - 1.0) > 0.02
    np.testing.assert_allclose(trace["carbon_g_per_kwh"][0, :, 1:], 100.0, rtol=1e-12)
    intensity = np.take_along_axis(trace["carbon_g_per_kwh"], trace["serving_station"], axis=2)
    energy = trace["local_energy_j"] + trace["offload_energy_j"]
    assert (trace["serving_station"] == 0).any()
    np.testing.assert_allclose(trace["emission_mg"], energy * intensity / 3.6e6 * 1e3, rtol=1e-12)


def test_mean_intensity_by_hand() -> None:
    carbon = CarbonIntensity(
        [Series(np.array([0.0, 1.0, 3.0]), np.array([2.0, 4.0, 8.0])), Series.constant(5.0)]
    )
    second = 1_000_000_000
    np.testing.assert_allclose(carbon.mean(0, 4 * second), [(2 + 4 * 2 + 8) / 4, 5.0], rtol=1e-15)
    np.testing.assert_array_equal(carbon.mean(second, 3 * second), [4.0, 5.0])
    np.testing.assert_array_equal(carbon.mean(0, second), [2.0, 5.0])
    np.testing.assert_allclose(carbon.mean(second // 2, second * 3 // 2), [3.0, 5.0], rtol=1e-15)


def test_every_report_arrives_at_its_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """130 ms after it was sent, not when somebody looks."""
    run, arrived = simulation("twin.sync=periodic", "twin.device.latency=0.13", "run.slots=20"), []
    deliver = Report.deliver

    def watched(report: Report) -> None:
        arrived.append(run._clock.now_ns - int(report.sent.sent_ns.max()))
        deliver(report)

    monkeypatch.setattr(Report, "deliver", watched)
    run.run()
    assert len(arrived) == 19 and set(arrived) == {130_000_000}


def test_the_number_of_events_does_not_grow_with_the_network() -> None:
    def events(*overrides: str) -> int:
        run, count = simulation("run.slots=50", *overrides), 0
        step = run._clock._env.step

        def counted() -> None:
            nonlocal count
            count += 1
            step()

        run._clock._env.step = counted  # type: ignore[method-assign]
        run.run()
        return count

    late = ("twin.sync=periodic", "twin.device.latency={uniform=[0, 0.3]}", "twin.device.loss=0.1")
    for common in ((), late):
        few = events(*common, "devices.count=100")
        many = events(*common, "devices.count=400", "run.replications=4")
        assert many <= few * 1.02
    assert events() <= 50 * 10 + 20


def test_the_order_of_one_instant() -> None:
    clock, order = Clock(), []

    def process(which: EventOrder) -> Process:
        for moment in clock.every(5, which, 5):
            yield moment
            order.append(which)
            if len(order) == 2 * len(EventOrder):
                clock.pause()

    for which in reversed(EventOrder):
        clock.start(process(which))
    clock.run()
    assert order == [*EventOrder, *EventOrder] and clock.now_ns == 10


def test_who_waits_for_the_end_of_a_slot_goes_on_in_the_order_of_waiting() -> None:
    clock, order = Clock(20), []

    def process(name: str, first: EventOrder | None = None) -> Process:
        while True:
            if first is not None:
                yield clock.at(clock.now_ns, first)
            yield clock.slot_end(10)
            order.append((name, clock.now_ns))
            if len(order) == 6:
                clock.pause()

    for waiting in (process("slot", EventOrder.SLOT_START), process("radio"), process("device")):
        clock.start(waiting)
    clock.run()
    names = ["radio", "device", "slot"]
    assert order == [(name, time_ns) for time_ns in (30, 40) for name in names]


@pytest.mark.parametrize(("start", "expected"), [(0, [7, 14]), (14, [14, 21]), (15, [21, 28])])
def test_a_process_that_goes_on_meets_what_is_due_now(start: int, expected: list[int]) -> None:
    clock, seen = Clock(start), []

    def process() -> Process:
        for moment in clock.every(7, EventOrder.CARBON, 7):
            yield moment
            seen.append(clock.now_ns)
            clock.pause()

    clock.start(process())
    clock.run()
    clock.run()
    assert seen == expected


def test_what_a_process_raises_keeps_what_it_says() -> None:
    """SimPy raises a copy of it, made from its args: an OSError loses its file's name."""
    clock = Clock()

    def process() -> Process:
        yield clock.at(3, EventOrder.SLOT_END)
        raise OSError(28, "No space left on device", "trace.h5")

    clock.start(process())
    with pytest.raises(OSError, match=r"trace\.h5"):
        clock.run()


def simulation(*overrides: str) -> Simulation:
    """One that has not begun."""
    scenario = parse_scenario(SMALL, "test", overrides)
    experiment = prepare(scenario)
    plan, streams = experiment.blueprint, Streams(scenario.run.seed, scenario.run.replications)
    experiment.policy.reset(plan.network, plan.problem, streams.generators("policy"))
    return plan.simulation(experiment.policy.decide, Capture(), streams)
