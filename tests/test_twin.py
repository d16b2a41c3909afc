"""The twin shows the world, or exactly the world of the time that it claims."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from conftest import a_network, observing, simulate

from edgesim.scenarios.errors import ScenarioError
from edgesim.simulator.core.arrays import FloatArray
from edgesim.simulator.core.clock import EventOrder
from edgesim.simulator.network.network import Network
from edgesim.simulator.twin.deviation import Deviation
from edgesim.simulator.twin.prediction import (
    ArrivalPredictor,
    EnergyPredictor,
    LocationPredictor,
    RunningMean,
)
from edgesim.simulator.twin.synchronisation import (
    LOST,
    Constant,
    Exponential,
    Hop,
    Model,
    Times,
    Uniform,
    reports,
)

COLUMNS = (
    "station",
    "channel_gain",
    "queue_bits",
    "power_max_w",
    "position_m",
    "battery_j",
    "arrived_bits",
    "departed_bits",
)
MOVING = (
    "policy.name=random",
    "mobility.model=random-waypoint",
    'mobility.speed=["20 m/s", "30 m/s"]',
    'devices.battery={capacity="0.05 J", harvest="60 mW"}',
)


def rows(column: Any) -> Any:
    """(R, n, …) as (R, n, anything)."""
    return np.asarray(column).reshape(*column.shape[:2], -1)


def test_ideal_synchronisation_shows_the_world() -> None:
    seen: list[Any] = []
    observing(seen, *MOVING)
    assert len(seen) == 50
    for observation, world in seen:
        for name in (*COLUMNS, "station_queue_bits", "carbon_g_per_j"):
            np.testing.assert_array_equal(getattr(observation, name), world[name], err_msg=name)
        energy, bits = world["total_energy_j"].sum(), world["total_departed_bits"].sum()
        expected = energy / bits if bits else 0.0
        np.testing.assert_allclose(observation.energy_per_bit_j, expected, rtol=1e-15)
        assert not observation.age_s.any() and not observation.station_age_s.any()
    # A(19) with eta' one slot old and the largest departure of the last slot.
    for (before, _), (observation, world) in pairwise(seen):
        beta = 1e13 * before.energy_per_bit_j + world["departed_bits"].max()
        np.testing.assert_allclose(observation.perturbation_bits[0], beta[0], rtol=1e-12)


@pytest.mark.parametrize(
    "hops",
    [
        ("twin.device.latency=0.13",),
        ("twin.device.period=0.3", "twin.station.period=0.2"),
        ("twin.device.loss=0.5", "twin.station.loss=0.3"),
        (
            "twin.device.latency={exponential=0.25}",
            "twin.device.loss=0.2",
            "twin.station.latency={uniform=[0, 0.4]}",
            "twin.station.loss=0.2",
            "twin.station.period=0.2",
        ),
    ],
)
def test_late_or_lost_messages_show_the_world_of_the_time_they_claim(hops: tuple[str, ...]) -> None:
    seen: list[Any] = []
    observing(seen, *MOVING, "twin.sync=periodic", "run.slots=80", "run.replications=2", *hops)
    worlds = [world for _, world in seen]
    ages = []
    for slot, (observation, _) in enumerate(seen):
        for names, age_s in (
            (COLUMNS, observation.age_s),
            (("station_queue_bits", "carbon_g_per_j"), observation.station_age_s),
        ):
            stamp = slot - np.round(age_s / 0.1).astype(int)
            assert (stamp >= 0).all() and np.allclose(stamp, slot - age_s / 0.1)
            for name in names:
                shown = rows(getattr(observation, name))
                for r in range(2):
                    for i in range(shown.shape[1]):
                        true = rows(worlds[stamp[r, i]][name])
                        np.testing.assert_array_equal(shown[r, i], true[r, i], err_msg=name)
        ages.append(observation.age_s)
    assert np.max(ages) > 0.0
    # What has been known once is never replaced by something older.
    times = 0.1 * np.arange(80)[:, None, None] - np.array(ages)
    assert (np.diff(times, axis=0) >= -1e-9).all()


def test_age_of_information_under_loss_has_its_law() -> None:
    """With loss q on one hop and a report each slot, the age is geometric: mean tau q / (1 - q)."""
    seen: list[Any] = []
    observing(
        seen,
        "policy.name=local",
        "twin.sync=periodic",
        "twin.device.loss=0.6",
        "run.slots=1060",
        "devices.count=82",
    )
    ages = np.concatenate([o.age_s for o, _ in seen[100:]])
    assert ages.mean() == pytest.approx(0.1 * 0.6 / 0.4, rel=0.02)
    assert (ages == 0).mean() == pytest.approx(0.4, abs=0.01)


def test_latency_delays_by_whole_deliveries() -> None:
    """A constant 130 ms on the first hop: reports of slot t are seen at the sync of slot t + 2."""
    seen: list[Any] = []
    run = observing(seen, "policy.name=local", "twin.sync=periodic", "twin.device.latency=0.13")
    for observation, _ in seen[2:]:
        np.testing.assert_allclose(observation.age_s, 0.2, atol=1e-12)
    np.testing.assert_allclose(run.trace["twin_age_s"][0, 2:], 0.2, atol=1e-12)


def test_what_a_station_sends_takes_its_hop_and_the_backhaul_one_after_the_other() -> None:
    """60 ms and 60 ms: seen two slots later, where either alone is seen one slot later; the MBS knows its own."""
    for late, slots in (
        (("twin.station.latency=0.06",), 1),
        (("backhaul.latency=60 ms",), 1),
        (("twin.station.latency=0.06", "backhaul.latency=60 ms"), 2),
    ):
        seen: list[Any] = []
        observing(seen, "policy.name=local", "twin.sync=periodic", *late, "run.slots=6")
        for observation, _ in seen[2:]:
            age_s = np.where(observation.station > 0, 0.1 * slots, 0.0)
            assert observation.age_s == pytest.approx(age_s), late
            assert observation.station_age_s[:, 1:] == pytest.approx(0.1 * slots), late
            assert observation.station_age_s[:, 0] == 0.0, late


def test_a_report_takes_the_way_of_the_station_that_holds_it() -> None:
    """Not of the one that its device has gone to since: 0.15 s from an SBS, nothing from the MBS."""
    seen: list[Any] = []
    hops = ("twin.device.period=0.4", "twin.station.latency=0.15", "run.replications=2")
    fast = (*MOVING, 'mobility.speed=["100 m/s", "150 m/s"]')
    observing(seen, *fast, "twin.sync=periodic", "run.slots=200", *hops)
    stations = np.array([world["station"] for _, world in seen])
    switched = 0
    for slot, (observation, _) in enumerate(seen):
        since = slot % 4  # slots since the last report
        held_at = stations[slot - since]
        late = (held_at > 0) & (since < 2) & (slot >= 4)
        np.testing.assert_allclose(observation.age_s, 0.1 * since + 0.4 * late, atol=1e-9)
        switched += int((late & (stations[slot] == 0) & (since == 1)).sum())
    assert switched > 0


def test_mbs_hears_its_own_devices_without_the_second_hop() -> None:
    seen: list[Any] = []
    observing(seen, "policy.name=local", "twin.sync=periodic", "twin.station.loss=1.0")
    for slot, (observation, _) in enumerate(seen):
        own = observation.station == 0
        assert own.any() and not own.all()
        np.testing.assert_allclose(observation.age_s[own], 0.0)
        np.testing.assert_allclose(observation.age_s[~own], 0.1 * slot)


def test_what_reaches_a_station_between_two_of_its_rounds_goes_with_the_next() -> None:
    """Rounds at 0, 50 and 100 ms, each on the way for 40 ms: half of the devices are in time for the
    second, whose reports are there as the next slot begins."""
    seen: list[Any] = []
    hops = ("twin.device.latency={uniform=[0, 0.1]}", "twin.station.period=0.05")
    observing(
        seen, "policy.name=local", "twin.sync=periodic", *hops, "backhaul.latency=40 ms",
        "devices.count=60",
    )  # fmt: skip
    ages = np.concatenate([o.age_s[o.station > 0] for o, _ in seen[2:]])
    early = np.isclose(ages, 0.1)
    assert (early | np.isclose(ages, 0.2)).all()
    assert early.mean() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(ages.size))


def test_a_late_report_does_not_overwrite_a_newer_one() -> None:
    def model(value: float, time_ns: int) -> Model:
        at = Times((1, 1), time_ns)
        return Model({"x": np.array([[value]])}, at, at)

    here, under_way = model(0.0, 0), []  # type: ignore[var-annotated]
    [late] = reports(model(1.0, 10), np.array([[100]]), EventOrder.AT_MBS, here, under_way, [40])
    [soon] = reports(model(2.0, 20), np.array([[30]]), EventOrder.AT_MBS, here, under_way, [40])
    assert (late.arrival_ns, soon.arrival_ns) == (100, 30)
    for report in (soon, late):
        report.deliver()
        assert here.columns["x"] == 2.0 and here.stamp_ns == 20
    assert not under_way


def test_rows_that_arrive_between_two_readings_are_one_report() -> None:
    """Readings at 0, 40, 60, 80, 120, …: rows at 1 and 39, at 41, at 60, at 61; two are lost."""
    arrival = np.array([[1, 39, 41, LOST], [60, 61, LOST, 39]])
    now, before = Times((2, 4), 1), Times((2, 4), 0)
    sent = Model({"x": np.arange(8.0).reshape(2, 4)}, now, now)
    here, under_way = Model({"x": np.zeros((2, 4))}, before, before), []  # type: ignore[var-annotated]
    found = reports(sent, arrival, EventOrder.AT_STATION, here, under_way, [40, 60])
    assert [report.arrival_ns for report in found] == [39, 60, 61] and under_way == found
    for report in found:
        report.deliver()
    np.testing.assert_array_equal(here.columns["x"], [[0, 1, 2, 0], [4, 5, 0, 7]])


def test_reports_within_a_slot_show_its_beginning() -> None:
    """Every 0.25 s, at slots of 0.1 s: what is shown at 0.3 s was sent at 0.25 s and true at 0.2 s."""
    seen: list[Any] = []
    period = ("twin.device.period=0.25", "twin.station.period=0.25")
    observing(seen, *MOVING, "twin.sync=periodic", *period)
    for slot, (observation, _) in enumerate(seen):
        true_at = int(np.floor(np.floor(slot * 0.1 / 0.25 + 1e-9) * 0.25 / 0.1 + 1e-9))
        np.testing.assert_allclose(observation.age_s, 0.1 * (slot - true_at), atol=1e-12)
        np.testing.assert_array_equal(observation.queue_bits, seen[true_at][1]["queue_bits"])


def test_what_changes_within_a_slot_is_not_in_a_report_that_leaves_later_in_it() -> None:
    """Stations fail at any time and devices look for others; what is shown is of the stamp's slot."""
    seen: list[Any] = []
    changing = ("stations.sbs.failures={time_to_failure=0.7, time_to_repair=0.4}", "run.slots=200")
    period = ("twin.device.period=0.25", "twin.station.period=0.25")
    observing(seen, *MOVING, *changing, "twin.sync=periodic", *period)
    names = (*COLUMNS, "station_queue_bits", "station_up")
    changed = 0
    for slot, (observation, now) in enumerate(seen):
        true_at = int(np.floor(np.floor(slot * 0.1 / 0.25 + 1e-9) * 0.25 / 0.1 + 1e-9))
        for name in names:
            then = seen[true_at][1][name]
            np.testing.assert_array_equal(getattr(observation, name), then, err_msg=name)
            changed += not np.array_equal(then, now[name])
    assert changed > 300


@pytest.mark.parametrize("hop", ["device", "station"])
def test_a_period_may_be_shorter_than_a_slot_but_not_by_a_unit_mistaken(hop: str) -> None:
    seen: list[Any] = []
    observing(seen, *MOVING, "twin.sync=periodic", f"twin.{hop}.period=0.05")
    assert not any(observation.age_s.any() for observation, _ in seen)
    with pytest.raises(ScenarioError, match=f"twin.{hop}.period.*too short.*>= 0.0001 s"):
        observing(seen, "twin.sync=periodic", f"twin.{hop}.period=1e-8")


def test_latencies_and_losses_have_their_laws() -> None:
    def rngs(seed: int) -> list[np.random.Generator]:
        return [np.random.default_rng(seed), np.random.default_rng(seed + 1)]

    hop = Hop(Exponential(0.02), 0.25, rngs(1), rngs(5))
    arrival = hop.arrival_ns(7, (2, 40_000))
    lost = arrival == LOST
    assert lost.mean() == pytest.approx(0.25, abs=0.005)
    assert (arrival[~lost] - 7).mean() == pytest.approx(0.02e9, rel=0.01)
    assert (arrival[~lost] - 7 > 0.02e9).mean() == pytest.approx(np.exp(-1.0), abs=0.01)
    even = Uniform(0.1, 0.3).sample(rngs(9)[0], 40_000)
    assert 0.1 <= even.min() < 0.101 and 0.299 < even.max() <= 0.3
    assert (even < 0.15).mean() == pytest.approx(0.25, abs=0.01)
    at_once = Hop(Constant(0.0), 0.0, [], [])  # it draws nothing
    assert at_once.instant and at_once.arrival_ns(7, (2, 3)).tolist() == [[7] * 3] * 2


def test_arrival_predictor_continues_queues_by_running_means() -> None:
    network = _network()
    predictor = ArrivalPredictor(network)
    for arrived, departed in ((1.0, 3.0), (3.0, 1.0)):
        columns = _columns(arrived_bits=arrived, departed_bits=departed, queue_bits=5.0)
        predictor.learn(columns, np.full((1, 1), 0.1), np.ones((1, 1), dtype=np.bool_))
    # What devices say when they register, at time zero, is of no slot.
    nothing = _columns(arrived_bits=0.0, departed_bits=0.0, queue_bits=0.0)
    predictor.learn(nothing, np.zeros((1, 1)), np.ones((1, 1), dtype=np.bool_))
    # Means of 2 in and 2 out per slot: after 4 slots of 0.1 s, max(5 - 8, 0) + 8.
    now = predictor.predict(columns, np.zeros((1, 1)), 0.4)
    np.testing.assert_allclose(now["queue_bits"], 8.0)
    np.testing.assert_allclose(now["arrived_bits"], 2.0)
    # What is known of the present is that, and no mean.
    known = predictor.predict(columns, np.full((1, 1), 0.4), 0.4)
    assert known["queue_bits"] == 5.0 and known["arrived_bits"] == 3.0


def test_location_predictor_carries_on_with_the_velocity_of_the_nearest_neighbours() -> None:
    def path_gain(position_m: FloatArray) -> FloatArray:
        gain: FloatArray = (position_m[..., :1] + 100.0) ** -2.0
        return gain

    predictor = LocationPredictor(path_gain, np.array([1000.0, 1000.0]))
    new = np.ones((1, 1), dtype=np.bool_)
    for k in range(8):
        stamp = np.full((1, 1), 0.5 * k)
        columns = _columns(position_m=[10.0 + 2.0 * k, 50.0 - k], channel_gain=[1.0])
        predictor.learn(columns, stamp, new)
    # 4 m/s east and 2 m/s south, for 1.5 s.
    now = predictor.predict(columns, stamp, 3.5 + 1.5)
    np.testing.assert_allclose(now["position_m"], [[[24.0 + 6.0, 43.0 - 3.0]]])
    np.testing.assert_allclose(now["channel_gain"], (124.0 / 130.0) ** 2 * np.ones((1, 1, 1)))


def test_location_predictor_goes_where_the_device_went_when_it_was_near() -> None:
    """It left three places around its last one with 4 m/s east, 8 m/s north, 6 west and 10 south."""
    places = [
        (100, 100), (104, 100), (300, 300), (101, 100), (101, 108),
        (500, 500), (100, 102), (94, 92), (400, 400), (100.5, 100),
    ]  # fmt: skip
    predictor = LocationPredictor(
        lambda place: np.ones((*place.shape[:2], 1)), np.array([1e3, 1e3])
    )
    new = np.ones((1, 1), dtype=np.bool_)
    for k, place in enumerate(places):
        columns, stamp = _columns(position_m=place, channel_gain=[1.0]), np.full((1, 1), float(k))
        predictor.learn(columns, stamp, new)
    # A mean of -2/3 m/s either way; it does not leave the area.
    for after_s, expected in ((3.0, (98.5, 98.0)), (600.0, (0.0, 0.0))):
        found = predictor.predict(columns, stamp, 9.0 + after_s)["position_m"]
        np.testing.assert_allclose(found, [[expected]], rtol=1e-12, atol=1e-12)


def test_each_device_is_predicted_from_its_own_reports() -> None:
    """Two replications of three devices that report at times of their own, and each of them alone."""
    rng = np.random.default_rng(2)
    gain, area = rng.uniform(1e-9, 1e-8, 2), np.array([63.0, 60.0])

    def path_gain(position_m: FloatArray) -> FloatArray:
        found: FloatArray = gain / (1.0 + (position_m**2).sum(axis=-1, keepdims=True))
        return found

    def predictors(devices: int) -> list[Any]:
        power = np.full(devices, 0.1)
        network = a_network(devices=devices, device_power_max_w=power)
        return [
            ArrivalPredictor(network),
            LocationPredictor(path_gain, area),
            EnergyPredictor(network, 0.02),
        ]

    together = predictors(3)
    alone = [[predictors(1) for _ in range(3)] for _ in range(2)]
    names = ("arrived_bits", "departed_bits", "queue_bits")
    shown: dict[str, FloatArray] = {}
    stamp_s, shape, at_edge = np.zeros((2, 3)), (2, 3), np.zeros(2, np.int64)
    for step in range(30):
        new = (rng.random(shape) < 0.4) | (step == 0)
        told = {name: rng.uniform(0.0, 3.0, shape) for name in names}
        told["battery_j"] = rng.uniform(0.0, 0.02, shape)
        told["power_max_w"] = np.minimum(0.1, told["battery_j"] / 0.1)
        told["position_m"] = rng.uniform(0.0, 60.0, (2, 3, 2))
        told["channel_gain"] = rng.random((2, 3, 2))
        shown = {
            name: np.where(
                new.reshape(2, 3, *[1] * (column.ndim - 2)), column, shown.get(name, column)
            )
            for name, column in told.items()
        }
        stamp_s = np.where(new, 0.1 * step - 0.05 * (rng.random(shape) < 0.5), stamp_s)
        predicted = shown
        for predictor in together:
            predictor.learn(shown, stamp_s, new)
            predicted = predictor.predict(predicted, stamp_s, 0.1 * step)
        assert (predicted["position_m"] <= area).all()
        at_edge += (predicted["position_m"] == area).sum(axis=(0, 1))
        for r, i in np.ndindex(2, 3):
            own = slice(r, r + 1), slice(i, i + 1)
            mine = {name: column[own] for name, column in shown.items()}
            found = mine
            for predictor in alone[r][i]:
                if new[r, i]:
                    predictor.learn(mine, stamp_s[own], np.ones((1, 1), np.bool_))
                found = predictor.predict(found, stamp_s[own], 0.1 * step)
            for name in shown:
                np.testing.assert_allclose(
                    predicted[name][own], found[name], rtol=1e-12, err_msg=name
                )
    assert at_edge.all()


def test_running_mean_is_of_what_was_reported() -> None:
    mean = RunningMean()
    for values, new in (([1.0, 5.0], [1, 1]), ([3.0, 100.0], [1, 0]), ([8.0, 7.0], [1, 1])):
        mean.learn(np.array([values]), np.array([new], dtype=np.bool_))
    np.testing.assert_allclose(mean.mean, [[4.0, 6.0]], rtol=1e-15)


def test_a_predictor_learns_each_report_once(monkeypatch: pytest.MonkeyPatch) -> None:
    learned: list[tuple[FloatArray, Any]] = []
    monkeypatch.setattr(
        ArrivalPredictor, "learn", lambda self, columns, stamp, new: learned.append((stamp, new))
    )
    monkeypatch.setattr(ArrivalPredictor, "predict", lambda self, columns, stamp, now: columns)
    late = ("twin.sync=periodic", "twin.device.period=0.3", "twin.device.loss=0.3")
    observing([], "policy.name=local", "run.slots=20", *late, 'twin.predict=["arrivals"]')
    assert len(learned) == 20 and learned[0][1].all()
    for (before, _), (stamp, new) in pairwise(learned):
        np.testing.assert_array_equal(new, stamp > before)
    assert any(new.any() for _, new in learned[1:])


def test_deviation_by_hand() -> None:
    """A tenth more, less 0.1 GHz; not below a standstill; what is not used stays unused."""
    believed = np.array([[2e9, 0.05e9, 0.0]])
    real = Deviation(-0.1e9, 0.1, 0.0, []).real_hz(believed)
    np.testing.assert_allclose(real, [[2.1e9, 0.0, 0.0]], rtol=1e-15)
    assert Deviation(0.1e9, 0.0, 0.0, []).real_hz(believed)[0, 2] == 0.0


def test_energy_predictor_drains_the_battery_at_its_mean_rate() -> None:
    predictor = EnergyPredictor(_network(), capacity_j=10.0)
    new = np.ones((1, 1), dtype=np.bool_)
    for k in range(4):
        columns = _columns(battery_j=5.0 - 0.5 * k, power_max_w=0.1)
        predictor.learn(columns, np.full((1, 1), float(k)), new)
    now = predictor.predict(columns, np.full((1, 1), 3.0), 5.0)
    np.testing.assert_allclose(now["battery_j"], 3.5 - 0.5 * 2)
    np.testing.assert_allclose(now["power_max_w"], 0.1)
    empty = predictor.predict(columns, np.full((1, 1), 3.0), 9.995)
    np.testing.assert_allclose(empty["power_max_w"], 0.0025 / 0.1)


def test_prediction_beats_holding_the_last_report() -> None:
    def error(*overrides: str) -> float:
        seen: list[Any] = []
        observing(
            seen, *MOVING, "twin.sync=periodic", "twin.device.period=1.0", "run.slots=300",
            "devices.count=30", *overrides,
        )  # fmt: skip
        return float(
            np.mean([np.abs(o.position_m - w["position_m"]).mean() for o, w in seen[100:]])
        )

    assert error('twin.predict=["location", "arrivals", "energy"]') < 0.75 * error()


def _network() -> Network:
    from conftest import a_network

    return a_network(devices=1)


def _columns(**values: Any) -> dict[str, Any]:
    return {name: np.array([[value]], dtype=np.float64) for name, value in values.items()}


def test_on_mains_there_is_no_energy_to_predict() -> None:
    """Warnings are errors here: infinite charges are not subtracted."""
    late = ("twin.sync=periodic", "twin.device.period=0.3 s", "run.slots=20")
    plain = simulate(*late).trace
    predicted = simulate(*late, 'twin.predict=["energy"]').trace
    for name in plain.rows[0]:
        np.testing.assert_array_equal(plain[name], predicted[name], err_msg=name)


@pytest.mark.parametrize("relative", [0.35, -0.35])
def test_a_real_cpu_is_as_much_faster_than_its_limit_as_than_any_speed(relative: float) -> None:
    """The limit is what the twin believes; A(8) and A(9) are at the real speed, and nothing is scaled."""
    keys = (f"twin.deviation.{which}.relative={relative}" for which in ("device_cpu", "edge_cpu"))
    trace = simulate(*keys, "tasks.mean=2 Mbit", "policy.name=epr", "run.slots=30").trace
    real = 0.5e9 * (1.0 + relative)
    speed = trace["local_cpu_hz"]
    assert speed.max() == pytest.approx(real)
    np.testing.assert_allclose(trace["local_bits"], speed * 0.1 / 100.0, rtol=1e-12)
    np.testing.assert_allclose(trace["local_energy_j"], 1e-27 * 0.1 * speed**3, rtol=1e-12)
    shared = np.zeros((30, 4))
    for j in range(4):
        shared[:, j] = (trace["edge_cpu_hz"][0] * (trace["serving_station"][0] == j)).sum(axis=1)
    assert (shared.max(axis=0) / [50e9, 10e9, 10e9, 10e9]).max() == pytest.approx(1.0 + relative)
    assert not trace["scaled"].any()
