from math import dist

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from edgesim.simulator.core.randomness import Streams
from edgesim.simulator.network.topology import circle, lay_out, uniform
from edgesim.simulator.stream.network import Network


def a_network(devices: int, stations: int) -> Network:
    return Network(
        replications=1,
        slot_s=0.1,
        station_names=lay_out((1.0, 1.0), stations - 1, 1.0).station_names,
        device_cpu_hz=np.linspace(1e8, 5e8, devices),
        device_power_max_w=np.linspace(0.1, 0.2, devices),
        station_bandwidth_hz=np.linspace(10e6, 5e6, stations),
        station_cpu_hz=np.linspace(50e9, 10e9, stations),
        cycles_per_bit=100.0,
        varsigma=1e-27,
        epsilon_w=0.1,
        noise_w=np.full(stations, 1e-14),
    )


@settings(deadline=None, derandomize=True)
@given(count=st.integers(2, 30), radius=st.floats(1.0, 1e4))
def test_sbss_stand_evenly_on_a_circle(count: int, radius: float) -> None:
    centre = np.array([300.0, -20.0])
    points = circle(centre, radius, count)
    np.testing.assert_allclose(np.hypot(*(points - centre).T), radius)
    chord = 2.0 * radius * np.sin(np.pi / count)
    gaps = np.hypot(*(np.roll(points, -1, axis=0) - points).T)
    np.testing.assert_allclose(gaps, chord)


def test_three_sbss_of_paper_a() -> None:
    topology = lay_out((500.0, 500.0), 3, 120.0, radius_m=150.0)
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
    topology = lay_out(
        (500.0, 300.0), 2, 100.0, mbs_position_m=[10, 20], sbs_position_m=[[1, 2], [3, 4]]
    )
    assert topology.station_position_m.tolist() == [[10.0, 20.0], [1.0, 2.0], [3.0, 4.0]]
    around = lay_out((500.0, 300.0), 1, 100.0, radius_m=5.0, mbs_position_m=[10, 20])
    assert around.station_position_m.tolist() == [[10.0, 20.0], [15.0, 20.0]]


def test_an_mbs_alone() -> None:
    topology = lay_out((500.0, 300.0), 0, 100.0, radius_m=150.0)
    assert topology.station_position_m.tolist() == [[250.0, 150.0]]
    assert topology.station_names == ("mbs",)


@pytest.mark.parametrize("positions", [[[1.0, 2.0]], [1.0, 2.0], [[1, 2, 3], [4, 5, 6]]])
def test_positions_that_are_not_one_point_for_each_sbs(positions: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="expected \\(2, 2\\)"):
        lay_out((500.0, 300.0), 2, 100.0, sbs_position_m=positions)


def test_distances_are_euclidean() -> None:
    topology = lay_out((500.0, 300.0), 3, 100.0, radius_m=90.0)
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


def test_graph_has_the_association_as_its_edges() -> None:
    topology = lay_out((500.0, 500.0), 2, 150.0, radius_m=100.0)
    position = np.array([[250.0, 250.0], [380.0, 250.0], [10.0, 10.0], [150.0, 210.0]])
    station = np.array([0, 1, 0, 2])
    network = a_network(4, 3)
    graph = topology.graph(network, position, station)

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
    # The MBS is at (250, 250), sbs-1 at (350, 250), sbs-2 at (150, 250).
    assert graph.edges["device-1", "sbs-1"]["distance_m"] == pytest.approx(30.0)
    assert graph.edges["device-3", "sbs-2"]["distance_m"] == pytest.approx(40.0)

    assert graph.nodes["mbs"] == {
        "kind": "mbs",
        "position_m": (250.0, 250.0),
        "cpu_hz": 50e9,
        "bandwidth_hz": 10e6,
        "coverage_m": np.inf,
    }
    assert graph.nodes["sbs-2"]["kind"] == "sbs"
    assert graph.nodes["sbs-2"]["bandwidth_hz"] == 5e6
    assert graph.nodes["sbs-2"]["coverage_m"] == 150.0
    assert graph.nodes["device-3"] == {
        "kind": "device",
        "position_m": (150.0, 210.0),
        "cpu_hz": 5e8,
        "power_max_w": 0.2,
    }


@pytest.mark.parametrize("stations", [1, 4])
def test_every_device_reaches_the_mbs(stations: int) -> None:
    topology = lay_out((500.0, 500.0), stations - 1, 150.0, radius_m=100.0)
    position = uniform(20, topology.area_m, Streams(0, 1).generators("positions"))[0]
    station = np.arange(20) % stations
    graph = topology.graph(a_network(20, stations), position, station)
    reached = nx.ancestors(graph, "mbs")
    assert len(reached) == 20 + stations - 1
