"""Association by share and carbon intensity: by hand, in time, with failures, and where it is `load-aware`."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SMALL, Capture, Run, observing, simulate
from test_association import a_network

from edgesim.experiments.run import prepare
from edgesim.scenarios.loading import parse_scenario
from edgesim.simulator.core.arrays import FloatArray
from edgesim.simulator.core.randomness import Streams
from edgesim.simulator.core.saved_state import save_state
from edgesim.simulator.models.association import CarbonAware, LoadAware
from edgesim.simulator.network.graph import Placement

TWO = (
    "run.slot=1 h",
    "run.slots=24",
    "policy.name=local",
    "stations.mbs.bandwidth=1 Hz",
    "stations.sbs.positions=[[200.0, 250.0], [300.0, 250.0]]",
    "stations.sbs.coverage=400 m",
    "devices.positions=[[250.0, 250.0], [250.0, 250.0], [250.0, 250.0], [250.0, 250.0]]",
    "devices.count=4",
)
"""Two small cells that are alike, with four devices in the middle, and an MBS that carries next to nothing."""

AWARE = "association.model=carbon-aware"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Two intensities that swap each noon and midnight, and others each three hours."""
    rows = ["time,a,b,c,d"]
    for hour in range(0, 73, 3):
        noon, often = hour // 12 % 2, hour // 3 % 2
        values = [(50, 200)[noon], (200, 50)[noon], (50, 200)[often], (200, 50)[often]]
        rows.append(f"2020-01-0{1 + hour // 24}T{hour % 24:02}:00Z," + ",".join(map(str, values)))
    path = tmp_path / "two.csv"
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


def series(file: Path, column: str, start: str = "2020-01-01T00:00:00Z") -> str:
    return f"{{file='{file}', value_column='{column}', unit='g/kWh', start={start}}}"


def sites(file: Path, columns: str = "ab", start: str = "2020-01-01T00:00:00Z") -> str:
    both = ", ".join(series(file, column, start) for column in columns)
    return f"carbon.sbs=[{both}]"


def stations(*overrides: str) -> Any:
    """(T, N) of the first replication."""
    return simulate(*TWO, AWARE, *overrides).trace["serving_station"][0]


def choose(model: CarbonAware, told: list[float]) -> list[int]:
    """The stations of devices whose share is 1 at each of them, alone."""
    network: Any = model._network
    network.follow(Placement(carbon_g_per_j=np.array([told])))
    gain = np.ones((1, network.devices, network.stations))
    found: list[int] = model.associate(gain, gain)[0].tolist()
    return found


def of_units(devices: int, hysteresis: float) -> CarbonAware:
    model = CarbonAware(hysteresis)
    model.start(a_network(1, np.ones(devices), np.ones(2), noise_w=1.0), np.full(2, np.inf))
    return model


def test_two_stations_by_hand() -> None:
    # Shares by intensity as they choose: 1|2, 1|2/2 (a tie: the first), 1/2|2/2, 1/2|2/3.
    assert choose(of_units(4, 1.0), [2e-5, 1e-5]) == [1, 0, 1, 1]
    # What is free is as dear as 1 mg/kWh, so where all is free shares are what counts.
    assert choose(of_units(2, 1.0), [0.0, 0.0]) == [0, 1]
    assert choose(of_units(2, 1.0), [0.0, 2.1e-3 / 3.6e6]) == [0, 0]
    assert choose(of_units(2, 1.0), [0.0, 1.9e-3 / 3.6e6]) == [0, 1]
    # Before anything is told.
    gain = np.ones((1, 2, 2))
    assert of_units(2, 1.0).associate(gain, gain).tolist() == [[0, 1]]


@pytest.mark.parametrize(("greener", "expected"), [(1.19, 0), (1.21, 1)])
def test_nobody_leaves_for_little(greener: float, expected: int) -> None:
    model = of_units(1, 1.2)
    assert choose(model, [1e-5, 2e-5]) == [0]
    assert choose(model, [1e-5, 1e-5 / greener]) == [expected]


def test_one_intensity_for_all_rounds_nothing() -> None:
    """Three devices in a band three times as wide are as well off as one, but for the last digit."""
    networks = [a_network(1, np.ones(4), np.array([15e6, 5e6]), noise_w=1.0) for _ in range(2)]
    networks[0].follow(Placement(carbon_g_per_j=np.full((1, 2), 137.0 / 3.6e6)))
    found = []
    for network, kind in zip(networks, (CarbonAware, LoadAware), strict=True):
        rng, stations = np.random.default_rng(1), list[Any]()
        for gain in rng.uniform(1.0, 9.0, 40):
            model = kind(1.0)
            model.start(network, np.full(2, np.inf))
            at = np.full((1, 4, 2), gain)
            stations.append(model.associate(at, at)[0].tolist())
        found.append(stations)
    assert found[0] == found[1] and len({tuple(one) for one in found[0]}) > 1


@pytest.mark.parametrize("start", ["2020-01-01T00:00:00Z", "2020-01-01T00:30:00Z"])
def test_devices_that_stand_still_swap_stations_at_noon(file: Path, start: str) -> None:
    """The change counts from the slot that begins with it, or after it."""
    # Four times as green: the fourth of a station alone there is worth what the first is at the other, a tie.
    where = stations(sites(file, "ab", start))
    np.testing.assert_array_equal(where[:12], np.broadcast_to(where[0], (12, 4)))
    np.testing.assert_array_equal(where[12:], np.broadcast_to(where[12], (12, 4)))
    assert np.bincount(where[0], minlength=3).tolist() == [0, 4, 0]
    assert np.bincount(where[12], minlength=3).tolist() == [0, 1, 3]


def test_decisions_are_by_the_signal(file: Path) -> None:
    """From the first moment on, within an hour of its file, and whatever is accounted."""
    start = "2020-01-01T00:30:00Z"
    by_site = sites(file, "ba", start).removeprefix("carbon.")
    signal = f"carbon.signal={{mbs={series(file, 'a', start)}, {by_site}}}"
    accounted = "carbon.sbs=['50 g/kWh', '200 g/kWh']"
    where = stations(accounted, signal)
    assert np.bincount(where[0]).tolist() == np.bincount(where[11]).tolist() == [0, 1, 3]
    assert np.bincount(where[12]).tolist() == [0, 3, 1]
    seen: list[tuple[Any, Any]] = []
    run = observing(seen, *TWO, AWARE, accounted, signal, "run.slots=2")
    told = seen[0][0].carbon_g_per_j * 3.6e6
    assert told[0, 1:] == pytest.approx([200.0, 50.0])
    np.testing.assert_array_equal(run.simulation.network.carbon_g_per_j * 3.6e6, told)


MOVING = ("mobility.model=random-waypoint", 'mobility.speed=["0.5 km/h", "1 km/h"]')
CROWD = ("devices.count=12", "run.slot=1 h", "run.slots=30", "policy.name=local", "run.seed=4")
CELLS = ("stations.sbs.radius=100.0", "association.hysteresis=1")


def same(one: Run, other: Run, row: int = 0) -> None:
    for name in one.trace.rows[0]:
        np.testing.assert_array_equal(one.trace[name][0], other.trace[name][row], err_msg=name)


@pytest.mark.parametrize("more", [(), MOVING])
def test_where_all_have_the_same_intensity_it_is_load_aware(
    file: Path, more: tuple[str, ...]
) -> None:
    common = (*CROWD, *CELLS, *more, f"carbon.intensity={series(file, 'c')}")
    aware = simulate(*common, AWARE)
    same(aware, simulate(*common, "association.model=load-aware"))
    assert len(np.unique(aware.trace["serving_station"][0, 0])) > 2


FAILING = tuple(
    f"stations.{kind}.failures={{time_to_failure='6 h', time_to_repair='6 h', devices='%s'}}"
    for kind in ("sbs", "mbs")
)


@pytest.mark.parametrize("devices", ["wait", "reassociate"])
def test_no_intensity_leads_to_a_station_that_is_down(file: Path, devices: str) -> None:
    failing = [one % devices for one in FAILING]
    run = simulate(*TWO, AWARE, sites(file, "cd"), *failing, "run.slots=60", "run.replications=3")
    where, up = run.trace["serving_station"], run.trace["station_up"] == 1
    there = np.take_along_axis(up, where, axis=2)
    before, after = where[:, :-1], where[:, 1:]
    went = before != after
    some = up.any(axis=2, keepdims=True)  # else the MBS stands for all
    assert went.any() and (there | ~some)[:, 1:][went].all()
    waited = ~np.take_along_axis(up[:, 1:], before, axis=2)  # where they were is down
    if devices == "wait":
        assert waited.any() and not (went & waited).any()
    else:
        assert (there | ~some).all()


def test_who_waits_and_is_covered_no_longer_goes_elsewhere(file: Path) -> None:
    common = (*TWO, AWARE, sites(file), *MOVING, FAILING[0] % "wait", "run.replications=3")
    run = simulate(*common, "stations.sbs.coverage=150 m", "run.slots=60")
    where, up = run.trace["serving_station"], run.trace["station_up"] == 1
    before, after = where[:, :-1], where[:, 1:]
    waited = ~np.take_along_axis(up[:, 1:], before, axis=2)
    place = np.stack([run.trace["x_m"], run.trace["y_m"]], axis=-1)[:, 1:]
    site = run.simulation.world.topology.station_position_m[before]
    covered = np.hypot(*np.moveaxis(place - site, -1, 0)) < 150.0
    np.testing.assert_array_equal(before[waited & covered], after[waited & covered])
    assert (waited & covered).any() and (after[waited & ~covered] > 0).any()


def test_replications_are_runs_of_their_own(file: Path) -> None:
    cells = "stations.sbs.count=3", sites(file, "abc"), FAILING[0] % "wait"
    common = (*CROWD, *CELLS, *MOVING, *cells, AWARE)
    both = simulate(*common, "run.replications=2")
    same(simulate(*common, "run.seed=5"), both, 1)


@pytest.mark.parametrize("slot", [7, 12])
def test_goes_on_from_a_checkpoint(file: Path, slot: int) -> None:
    """Also from the moment at which stations swap, of which the saved half knows nothing yet."""
    overrides = [*CROWD, *CELLS, sites(file, "abc"), "stations.sbs.count=3", AWARE]
    scenario = parse_scenario(SMALL, "test", overrides)
    whole = simulate(*overrides).trace
    first, rows, saved = prepare(scenario), Capture(), None
    for experiment, until in ((first, slot), (prepare(scenario), None)):
        plan, streams = experiment.blueprint, experiment.streams
        policy = experiment.policy
        policy.reset(plan.problem.network, plan.problem, streams.generators("policy"))
        run = plan.simulation(policy.decide, rows, streams, saved)
        run.run(until)
        saved = save_state(run.parts())
    where = whole["serving_station"]
    np.testing.assert_array_equal(rows["serving_station"], where)
    assert (where[0, 11] != where[0, 12]).any()


def test_a_model_of_ones_own_may_follow_it(file: Path) -> None:
    """It is asked at each change, and sees what is told; one that does not say so is asked at the start."""

    class Greenest:
        """At the station whose electricity is greenest."""

        follows_carbon = True

        def start(self, network: Any, coverage_m: FloatArray) -> None:
            self.network, self.asked = network, 0

        def associate(self, distance_m: Any, path_gain: Any, chooses: Any = None) -> Any:
            self.asked += 1
            greenest = self.network.carbon_g_per_j.argmin(axis=1)
            return np.repeat(greenest[:, None], self.network.devices, axis=1)

    class Once(Greenest):
        """The same, at the start."""

        follows_carbon = False

    cases = ((Greenest, 8, ()), (Once, 1, ()), (Greenest, 24, MOVING))  # moving, at each slot, once
    for kind, asked, more in cases:
        scenario = parse_scenario(SMALL, "test", [*TWO, sites(file, "cd"), *more])
        ready = prepare(scenario)
        model = kind()
        plan = replace(ready.blueprint, association=model)
        network = plan.problem.network
        ready.policy.reset(network, plan.problem, Streams(1, 1).generators("policy"))
        simulation = plan.simulation(ready.policy.decide, trace := Capture(), Streams(1, 1))
        simulation.run()
        assert model.asked == asked
        expected = [1 + hour // 3 % 2 if kind is Greenest else 1 for hour in range(24)]
        assert trace["serving_station"][0, :, 0].tolist() == expected
