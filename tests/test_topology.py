import pickle
from math import dist
from typing import Any

import conftest
import networkx as nx
import numpy as np
import pytest
from conftest import SMALL, Capture, simulate
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from edgesim.experiments.run import prepare
from edgesim.scenarios.loading import parse_scenario
from edgesim.simulator.assembly.components import find_topology
from edgesim.simulator.core.arrays import BoolArray, FloatArray, IntArray
from edgesim.simulator.core.randomness import Streams
from edgesim.simulator.models.association import Nearest
from edgesim.simulator.network.graph import LiveNetwork, Placement
from edgesim.simulator.network.topology import Topology, circle, uniform


@given(count=st.integers(2, 30), radius=st.floats(1.0, 1e4))
def test_sbss_stand_evenly_on_a_circle(count: int, radius: float) -> None:
    centre = np.array([300.0, -20.0])
    points = circle(centre, radius, count)
    np.testing.assert_allclose(np.hypot(*(points - centre).T), radius)
    chord = 2.0 * radius * np.sin(np.pi / count)
    gaps = np.hypot(*(np.roll(points, -1, axis=0) - points).T)
    np.testing.assert_allclose(gaps, chord)


def topology_of(*overrides: str) -> Topology:
    return find_topology(parse_scenario('title = "test"', "test", overrides))


def test_three_sbss_of_paper_a() -> None:
    topology = topology_of("stations.sbs.coverage=120.0")
    half_height = 75.0 * np.sqrt(3.0)
    expected = [
        [250.0, 250.0],
        [400.0, 250.0],
        [175.0, 250.0 + half_height],
        [175.0, 250.0 - half_height],
    ]
    np.testing.assert_allclose(topology.station_position_m, expected)
    assert topology.coverage_m.tolist() == [np.inf, 120.0, 120.0, 120.0]
    assert topology.station_names == ("mbs", "sbs-1", "sbs-2", "sbs-3")


def test_given_positions_are_kept() -> None:
    at = "stations.mbs.position=[10.0, 20.0]"
    topology = topology_of(at, "stations.sbs.positions=[[1.0, 2.0], [3.0, 4.0]]")
    assert topology.station_position_m.tolist() == [[10.0, 20.0], [1.0, 2.0], [3.0, 4.0]]
    around = topology_of(at, "stations.sbs.count=1", "stations.sbs.radius=5.0")
    assert around.station_position_m.tolist() == [[10.0, 20.0], [15.0, 20.0]]


def test_stations_and_devices_have_what_the_scenario_gives_them() -> None:
    """-170 dBm/Hz are 1e-20 W/Hz."""
    keys = (
        "stations.sbs.count=2", "stations.mbs.cpu=40 GHz", "stations.sbs.cpu=9 GHz",
        "stations.mbs.bandwidth=12 MHz", "stations.sbs.bandwidth=4 MHz",
        "devices.cpu=[1e8, 2e8]", "devices.power_max=[0.1, 0.2]", "devices.count=2",
        "channel.noise=-170 dBm/Hz",
    )  # fmt: skip
    network = prepare(parse_scenario(SMALL, "test", keys)).blueprint.network
    assert network.station_cpu_hz.tolist() == [40e9, 9e9, 9e9]
    assert network.station_bandwidth_hz.tolist() == [12e6, 4e6, 4e6]
    assert network.device_cpu_hz.tolist() == [1e8, 2e8]
    assert network.device_power_max_w.tolist() == [0.1, 0.2]
    np.testing.assert_allclose(network.noise_w, [12e-14, 4e-14, 4e-14], rtol=1e-12)


def test_an_mbs_alone() -> None:
    topology = topology_of("stations.sbs.count=0", "area.size=[500.0, 300.0]")
    assert topology.station_position_m.tolist() == [[250.0, 150.0]]
    assert topology.station_names == ("mbs",)


def test_distances_are_euclidean() -> None:
    topology = topology_of("area.size=[500.0, 300.0]", "stations.sbs.radius=90.0")
    position = uniform(7, topology.area_m, Streams(4, 2).generators("positions"))
    distance = topology.distance_m(position)
    for r in range(2):
        for i in range(7):
            for j in range(4):
                expected = dist(position[r, i], topology.station_position_m[j])
                assert distance[r, i, j] == pytest.approx(expected, rel=1e-14)


def test_devices_are_uniform_in_the_area() -> None:
    position = uniform(5000, np.array([400.0, 100.0]), Streams(1, 2).generators("positions"))
    for r in range(2):
        x, y = position[r].T
        assert stats.kstest(x, stats.uniform(0, 400).cdf).pvalue > 0.01
        assert stats.kstest(y, stats.uniform(0, 100).cdf).pvalue > 0.01
        assert abs(np.corrcoef(x, y)[0, 1]) < 4 / np.sqrt(5000)


def test_a_place_depends_on_seed_and_device_only() -> None:
    area = np.array([400.0, 100.0])
    together = uniform(9, area, Streams(3, 4).generators("positions"))
    for r in range(4):
        alone = uniform(6, area, Streams(3 + r, 1).generators("positions"))
        np.testing.assert_array_equal(alone[0], together[r, :6])
    assert len(np.unique(together[..., 0])) == 36


def live(*overrides: str) -> LiveNetwork:
    """That of a simulation at its start."""
    return simulate("run.slots=1", *overrides).simulation.network


def test_graph_has_the_association_as_its_edges() -> None:
    network = live(
        "stations.sbs.count=2",
        "stations.sbs.radius=100.0",
        "stations.sbs.coverage=99.0",
        "stations.sbs.bandwidth=4 MHz",
        "devices.positions=[[250.0, 250.0], [380.0, 250.0], [10.0, 10.0], [150.0, 210.0]]",
        "devices.cpu=[1e8, 2e8, 3e8, 5e8]",
        "devices.power_max=[0.1, 0.1, 0.1, 0.2]",
        "devices.count=4",
        "backhaul.latency=2 ms",
        "twin.sync=periodic",
        "backhaul.capacity=1 Gbit/s",
    )
    graph = network.graph

    access = {edge for edge in graph.edges if graph.edges[edge]["kind"] == "access"}
    assert access == {
        ("device-0", "mbs"),
        ("device-1", "sbs-1"),
        ("device-2", "mbs"),
        ("device-3", "sbs-2"),
    }
    backhaul = {edge for edge in graph.edges if graph.edges[edge]["kind"] == "backhaul"}
    assert backhaul == {("mbs", "sbs-1"), ("sbs-1", "mbs"), ("mbs", "sbs-2"), ("sbs-2", "mbs")}
    assert graph.number_of_edges() == 8
    assert graph.edges["sbs-1", "mbs"] == {
        "kind": "backhaul",
        "latency_s": 0.002,
        "capacity_bps": 1e9,
    }
    # The MBS is at (250, 250), sbs-1 at (350, 250), sbs-2 at (150, 250).
    assert graph.edges["device-1", "sbs-1"]["distance_m"] == pytest.approx(30.0)
    assert graph.edges["device-3", "sbs-2"]["distance_m"] == pytest.approx(40.0)

    assert graph.nodes["mbs"] == {
        "kind": "mbs",
        "position_m": (250.0, 250.0),
        "cpu_hz": 50e9,
        "bandwidth_hz": 10e6,
        "coverage_m": np.inf,
        "up": True,
    }
    assert graph.nodes["sbs-2"]["kind"] == "sbs"
    assert graph.nodes["sbs-2"]["bandwidth_hz"] == 4e6
    assert graph.nodes["sbs-2"]["coverage_m"] == 99.0
    assert graph.nodes["device-3"] == {
        "kind": "device",
        "position_m": (150.0, 210.0),
        "cpu_hz": 5e8,
        "power_max_w": 0.2,
    }


@pytest.mark.parametrize("sbs", [0, 3])
def test_every_device_reaches_the_mbs(sbs: int) -> None:
    graph = live(f"stations.sbs.count={sbs}", "devices.count=20").graph
    assert len(nx.ancestors(graph, "mbs")) == 20 + sbs


def test_graph_is_true_while_devices_move_and_stations_fail() -> None:
    """Asked for in some slots only, by a policy; built anew in each replication it is the same."""
    slots: list[int] = []

    def decide(observation: Any) -> Any:
        slot = simulation.world.state.slot
        if slot in (0, 1, 5, 12, 30, 49):
            slots.append(slot)
            for replication in range(2):
                check(replication)
        return experiment.policy.decide(observation)

    def check(replication: int) -> None:
        state: Any = simulation.world.state
        graph = simulation.network.graph_of(replication)
        stations = simulation.network.station_names
        for j, name in enumerate(stations):
            assert graph.nodes[name]["up"] == state.station_up[replication, j]
        for i in range(20):
            name = f"device-{i}"
            place = tuple(state.position_m[replication, i])
            assert graph.nodes[name]["position_m"] == place
            ((_, station, edge),) = graph.out_edges(name, data=True)
            assert station == stations[state.cells.station[replication, i]]
            expected = dist(place, graph.nodes[station]["position_m"])
            assert edge == {"kind": "access", "distance_m": pytest.approx(expected)}
        assert graph.number_of_nodes() == 20 + len(stations)
        assert graph.number_of_edges() == 20 + 2 * (len(stations) - 1)

    scenario = parse_scenario(
        SMALL,
        "test",
        [
            "run.replications=2",
            "devices.count=20",
            "mobility.model=random-waypoint",
            'mobility.speed=["20 m/s", "60 m/s"]',
            'stations.sbs.failures={time_to_failure="1 s", time_to_repair="1 s"}',
        ],
    )
    experiment = prepare(scenario)
    plan, streams = experiment.blueprint, Streams(1, 2)
    experiment.policy.reset(plan.problem.network, plan.problem, streams.generators("policy"))
    simulation = plan.simulation(decide, Capture(), streams)
    start = nx.DiGraph(simulation.network.graph)
    simulation.run()
    assert slots == [0, 1, 5, 12, 30, 49]
    assert not nx.utils.graphs_equal(start, simulation.network.graph)
    assert simulation.network.graph is simulation.network.graph_of(0)
    with pytest.raises(IndexError):
        simulation.network.graph_of(2)
    again = pickle.loads(pickle.dumps(simulation.world))
    assert nx.utils.graphs_equal(again.live.graph, simulation.network.graph)


def test_each_replication_s_graph_has_who_is_there_in_it() -> None:
    topology = find_topology(parse_scenario(SMALL, "test", ["stations.sbs.count=2"]))
    network = LiveNetwork(conftest.a_network(devices=3, replications=2), topology)
    rng = np.random.default_rng(1)
    place, station = rng.uniform(0.0, 500.0, (2, 3, 2)), np.array([[0, 1, 2], [2, 1, 0]])
    up = np.array([[True, True, False], [True, False, True]])
    for present in ([[1, 1, 0], [0, 1, 1]], [[0, 1, 1], [0, 0, 1]], [[1, 1, 1], [1, 1, 1]]):
        there = np.array(present, np.bool_)
        network.follow(Placement(place, station, up, there))
        for r in range(2):
            graph = network.graph_of(r)
            all_edges: Any = graph.edges(data="distance_m")
            edges = {(a, b): d for a, b, d in all_edges if a.startswith("device")}
            expected = {
                (f"device-{i}", topology.station_names[station[r, i]]): pytest.approx(
                    dist(place[r, i], topology.station_position_m[station[r, i]])
                )
                for i in range(3)
                if there[r, i]
            }
            assert edges == expected
            assert [graph.nodes[name]["up"] for name in topology.station_names] == up[r].tolist()


class Watching(Nearest):
    """An association model that looks at the graph each time."""

    def start(self, network: LiveNetwork, coverage_m: FloatArray) -> None:  # type: ignore[override]
        super().start(network, coverage_m)
        self.network = network
        self.seen: list[tuple[Any, int, bool]] = []

    def associate(
        self, distance_m: FloatArray, path_gain: FloatArray, chooses: BoolArray | None = None
    ) -> IntArray:
        graph = self.network.graph_of(1)
        at = graph.nodes["device-0"]["position_m"]
        expected = dist(at, graph.nodes["mbs"]["position_m"])
        near = distance_m[1, 0, 0] == pytest.approx(expected)
        self.seen.append((at, graph.out_degree("device-0"), near))
        return super().associate(distance_m, path_gain, chooses)


def test_association_models_see_the_graph() -> None:
    run = simulate(
        "run.replications=2",
        "run.slots=10",
        "mobility.model=random-waypoint",
        f"association.model={__name__}:Watching",
    )
    seen = run.simulation.world.association.model.seen  # type: ignore[attr-defined]
    assert len(seen) == 10
    assert all(near for *_, near in seen)
    # At first the devices are nowhere yet; from then on each has its station.
    assert [degree for _, degree, _ in seen] == [0] + [1] * 9


def test_the_graph_is_there_from_the_start() -> None:
    """Stations and backhaul before anything is asked; devices join the copy that is asked for."""
    run = simulate("run.slots=1")
    stations = run.simulation.network.stations_graph
    assert list(stations) == ["mbs", "sbs-1", "sbs-2", "sbs-3"]
    assert stations.edges["sbs-1", "mbs"]["kind"] == "backhaul"
    assert len(run.simulation.network.graph) == 4 + 6 and len(stations) == 4
