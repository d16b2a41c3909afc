import pickle
from time import process_time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.scenarios.loading import parse_scenario
from edgesim.simulator.assembly.components import find_topology
from edgesim.simulator.core.arrays import FloatArray, IntArray
from edgesim.simulator.core.randomness import Streams
from edgesim.simulator.models.association import LoadAware, Nearest
from edgesim.simulator.models.path_loss import LogDistance
from edgesim.simulator.network.graph import LiveNetwork
from edgesim.simulator.network.network import Network
from edgesim.simulator.network.topology import Topology, star, station_names, uniform


def a_network(
    replications: int,
    power_w: FloatArray,
    bandwidth_hz: FloatArray,
    noise_w: FloatArray | float = 1e-14,
) -> LiveNetwork:
    devices, stations = len(power_w), len(bandwidth_hz)
    names, cpu_hz = station_names(stations - 1), np.full(stations, 10e9)
    network = Network(
        replications=replications,
        slot_s=0.1,
        station_names=names,
        device_cpu_hz=np.full(devices, 5e8),
        device_power_max_w=power_w,
        station_bandwidth_hz=bandwidth_hz,
        station_cpu_hz=cpu_hz,
        cycles_per_bit=100.0,
        varsigma=1e-27,
        epsilon_w=0.1,
        noise_w=np.broadcast_to(noise_w, stations),
    )
    at, reach_m = np.zeros((stations, 2)), np.full(stations, np.inf)
    area_m, links = np.ones(2), star(stations - 1)
    return LiveNetwork(network, Topology(area_m, names, at, reach_m, bandwidth_hz, cpu_hz, links))


@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 6), st.integers(1, 5))
def test_nearest_is_what_brute_force_finds(
    seed: int, replications: int, devices: int, stations: int
) -> None:
    rng = np.random.default_rng(seed)
    # Small integers: many ties, and many devices exactly at the edge of a cell.
    distance = rng.integers(0, 6, (replications, devices, stations)).astype(float)
    coverage = rng.integers(0, 6, stations).astype(float)
    coverage[0] = np.inf
    model = Nearest()
    model.start(a_network(replications, np.full(devices, 0.1), np.ones(stations)), coverage)
    station = model.associate(distance, np.ones_like(distance))
    for r in range(replications):
        for i in range(devices):
            covering = [j for j in range(1, stations) if distance[r, i, j] < coverage[j]]
            expected = min(covering, key=lambda j: (distance[r, i, j], j), default=0)
            assert station[r, i] == expected


class Reference:
    """Online association, one device and station at a time, as its docstring reads."""

    def __init__(self, network: Network, coverage_m: FloatArray, hysteresis: float) -> None:
        self.network, self.coverage_m, self.hysteresis = network, coverage_m, hysteresis
        self.at: dict[int, int] = {}

    def associate(self, distance_m: FloatArray, path_gain: FloatArray) -> list[int]:
        for i in range(self.network.devices):
            others = [j for k, j in self.at.items() if k != i]
            share = {}
            for j, bandwidth in enumerate(self.network.station_bandwidth_hz):
                if j > 0 and distance_m[i, j] >= self.coverage_m[j]:
                    continue
                signal = self.network.device_power_max_w[i] * path_gain[i, j]
                efficiency = np.log2(1.0 + signal / self.network.noise_w[j])
                share[j] = bandwidth * efficiency / (1 + others.count(j))
            best = max(share, key=lambda j: (share[j], -j))
            current = self.at.get(i)
            if current not in share or share[best] > self.hysteresis * share[current]:
                self.at[i] = best
        return [self.at[i] for i in range(self.network.devices)]


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 12),
    st.integers(1, 4),
    st.sampled_from([1.0, 1.1, 2.0, 10.0]),
)
def test_load_aware_is_what_its_definition_says(
    seed: int, devices: int, stations: int, hysteresis: float
) -> None:
    rng = np.random.default_rng(seed)
    bandwidth = rng.choice([5e6, 10e6], stations)
    noise = rng.choice([1e-14, 1e-11], stations)
    network = a_network(2, rng.choice([0.1, 0.2], devices), bandwidth, noise)
    # Many devices exactly at the edge of a cell, which does not cover them.
    coverage = np.array([np.inf, *rng.choice([60.0, 120.0, 300.0, 400.0], stations - 1)])
    model = LoadAware(hysteresis)
    model.start(network, coverage)
    references = [Reference(network, coverage, hysteresis) for _ in range(2)]
    for _ in range(4):
        distance = rng.choice([20.0, 60.0, 120.0, 300.0], (2, devices, stations))
        gain = LogDistance().gain(distance)
        station = model.associate(distance, gain)
        for r in range(2):
            assert station[r].tolist() == references[r].associate(distance[r], gain[r])


def associate_at_shares(
    model: LoadAware, shares_bps: list[list[float]], reached: list[list[bool]] | None = None
) -> IntArray:
    """Associate devices that alone would get `shares_bps` at unit bandwidth, power and noise."""
    share = np.array([shares_bps])
    within = np.ones(share.shape, bool) if reached is None else np.array([reached])
    station: IntArray = model.associate(np.where(within, 1.0, 100.0), np.exp2(share) - 1.0)[0]
    return station


def unit_model(hysteresis: float, devices: int, stations: int) -> LoadAware:
    model = LoadAware(hysteresis)
    network = a_network(1, np.ones(devices), np.ones(stations), noise_w=1.0)
    model.start(network, np.array([np.inf] + [50.0] * (stations - 1)))
    return model


def test_devices_choose_one_after_another() -> None:
    # Shares when they choose: 4|2, 2|2 (a tie: the first), 4/3|2, 4/3|1, 1|1 (again).
    station = associate_at_shares(unit_model(1.0, 5, 2), [[4.0, 2.0]] * 5)
    assert station.tolist() == [0, 0, 1, 0, 0]


@pytest.mark.parametrize(("better", "expected"), [(1.19, 1), (1.21, 2)])
def test_a_device_stays_until_another_station_is_clearly_better(
    better: float, expected: int
) -> None:
    model = unit_model(1.2, 1, 3)
    assert associate_at_shares(model, [[0.5, 1.0, 0.9]]).tolist() == [1]
    assert associate_at_shares(model, [[0.5, 1.0, better]]).tolist() == [expected]


def test_a_device_leaves_a_station_that_no_longer_covers_it() -> None:
    model = unit_model(1e6, 1, 2)
    assert associate_at_shares(model, [[1.0, 2.0]]).tolist() == [1]
    # Even for an MBS that promises nothing.
    assert associate_at_shares(model, [[0.0, 2.0]], [[True, False]]).tolist() == [0]


def test_load_is_spread_over_the_stations() -> None:
    scenario = parse_scenario('title = "test"', "test", ["stations.sbs.radius=100.0"])
    topology = find_topology(scenario)
    rngs = Streams(2, 1).generators("positions")
    crowd = topology.station_position_m[1] + uniform(40, np.array([80.0, 80.0]), rngs) - 40.0
    distance = topology.distance_m(crowd)
    gain = LogDistance().gain(distance)
    network = a_network(1, np.full(40, 0.1), np.array([10e6, 5e6, 5e6, 5e6]))
    loads = {}
    for model in (Nearest(), LoadAware()):
        model.start(network, topology.coverage_m)
        loads[type(model)] = np.bincount(model.associate(distance, gain)[0], minlength=4)
    assert loads[Nearest].tolist() == [0, 40, 0, 0]
    # No device would gain 10 % by going elsewhere, so the widest band carries most.
    assert loads[LoadAware].max() == loads[LoadAware][0] <= 25
    assert loads[LoadAware][1] >= 10


@pytest.mark.parametrize("model", [Nearest, LoadAware])
def test_a_replication_is_a_run_of_its_own(model: type[Nearest] | type[LoadAware]) -> None:
    rng = np.random.default_rng(3)
    distance = rng.uniform(5.0, 300.0, (5, 4, 30, 3))
    coverage = np.array([np.inf, 150.0, 150.0])
    bandwidth = np.array([10e6, 5e6, 5e6])
    together = model()
    together.start(a_network(4, np.full(30, 0.1), bandwidth), coverage)
    alone = [model() for _ in range(4)]
    for single in alone:
        single.start(a_network(1, np.full(30, 0.1), bandwidth), coverage)
    for step in distance:
        station = together.associate(step, LogDistance().gain(step))
        for r, single in enumerate(alone):
            expected = single.associate(step[r : r + 1], LogDistance().gain(step[r : r + 1]))
            np.testing.assert_array_equal(station[r], expected[0])


def test_a_pickled_model_goes_on_where_it_was_and_old_columns_stay() -> None:
    model = unit_model(1.2, 1, 3)
    before = associate_at_shares(model, [[0.5, 1.0, 0.9]])
    copy = pickle.loads(pickle.dumps(model))
    assert associate_at_shares(copy, [[0.5, 1.0, 1.1]]).tolist() == [1]
    assert associate_at_shares(model, [[0.5, 1.0, 1.3]]).tolist() == [2]
    assert before.tolist() == [1]


def test_where_it_is_not_time_to_choose_nothing_is_forgotten() -> None:
    model = LoadAware(1.2)
    model.start(a_network(2, np.ones(1), np.ones(3), noise_w=1.0), np.array([np.inf, 50.0, 50.0]))

    def choose(better: float, chooses: list[bool] | None) -> list[int]:
        gain = np.exp2(np.array([[[0.5, 1.0, better]]] * 2)) - 1.0
        who = None if chooses is None else np.array(chooses)
        return model.associate(np.ones(gain.shape), gain, who)[:, 0].tolist()  # type: ignore[no-any-return]

    assert choose(0.9, None) == [1, 1]
    assert choose(2.0, [True, False])[0] == 2
    # A tenth more is worth no handover: the second is still at its first.
    assert choose(1.1, None) == [2, 1]


@pytest.mark.parametrize("model", [Nearest, LoadAware])
def test_a_hundred_thousand_devices_take_no_time(
    model: type[Nearest] | type[LoadAware],
) -> None:
    def seconds(devices: int) -> float:
        distance = np.random.default_rng(3).uniform(5.0, 300.0, (1, devices, 4))
        gain = LogDistance().gain(distance)
        network = a_network(1, np.full(devices, 0.1), np.array([10e6, 5e6, 5e6, 5e6]))
        instance = model()
        instance.start(network, np.array([np.inf, 150.0, 150.0, 150.0]))
        begin = process_time()
        instance.associate(distance, gain)
        return process_time() - begin

    seconds(1)  # compiles
    assert seconds(100_000) < 0.2  # 2 to 6 ms on the author's machine; N^2 would take minutes
