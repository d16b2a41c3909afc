"""[topology] file: stations and backhaul as networkx writes them, and all that may be wrong there."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest

from edgesim.scenarios.errors import ScenarioError
from edgesim.scenarios.loading import load_scenario, parse_scenario
from edgesim.simulator.build import blueprint
from edgesim.simulator.components import find_topology
from edgesim.simulator.network.topology import Topology


def a_graph(**changes: Any) -> "nx.Graph[str]":
    """An MBS, two SBSs in a chain, and a device."""
    graph: nx.Graph[str] = nx.Graph()
    graph.add_node("east", kind="sbs", x_m=400.0, y_m=100.0, cpu_hz=7e9)
    graph.add_node("tower", kind="mbs", x_m=200.0, y_m=100.0, bandwidth_hz=20e6)
    graph.add_node("far east", kind="sbs", x_m=450, y_m=120, coverage_m=90.0)
    graph.add_node("device-0", kind="device", x_m=1.0, y_m=1.0, power_max_w=0.1)
    graph.add_edge("far east", "east", latency_s=0.002, capacity_bps=1e6)
    graph.add_edge("east", "tower", capacity_bps=np.inf, kind="backhaul")
    graph.add_edge("device-0", "east", kind="access", distance_m=3.0)
    for name, attributes in changes.items():
        graph.nodes[name.replace("_", " ")].update(attributes)
    return graph


def write(graph: Any, path: Path) -> Path:
    if path.suffix == ".graphml":
        nx.write_graphml(graph, path)
    else:
        path.write_text(json.dumps(nx.node_link_data(graph, edges="edges")))
    return path


def read(path: Path, *overrides: str) -> Topology:
    file = f"topology.file={path.name}"
    scenario = parse_scenario('title = "test"', "test", [file, *overrides], folder=path.parent)
    return find_topology(scenario)


def refused(path: Path, *overrides: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        read(path, *overrides)
    messages = [str(problem) for problem in caught.value.issues]
    assert all(message.startswith(f"{path}: ") for message in messages), messages
    return [message.removeprefix(f"{path}: ") for message in messages]


@pytest.mark.parametrize("suffix", [".graphml", ".json"])
def test_stations_and_links_are_read(tmp_path: Path, suffix: str) -> None:
    topology = read(
        write(a_graph(), tmp_path / f"a{suffix}"),
        "stations.mbs.cpu=40 GHz",
        "stations.mbs.bandwidth=11 MHz",
        "stations.sbs.cpu=9 GHz",
        "stations.sbs.bandwidth=6 MHz",
        "stations.sbs.coverage=111 m",
        "backhaul.latency=5 ms",
        "backhaul.capacity=3 Mbps",
    )
    # The MBS comes first; what the file leaves out is as the scenario says.
    assert topology.station_names == ("tower", "east", "far east")
    assert topology.station_position_m.tolist() == [[200, 100], [400, 100], [450, 120]]
    assert topology.coverage_m.tolist() == [np.inf, 111.0, 90.0]
    assert topology.station_bandwidth_hz.tolist() == [20e6, 6e6, 6e6]
    assert topology.station_cpu_hz.tolist() == [40e9, 7e9, 9e9]
    # Both ways, as the graph has no directions.
    assert topology.links.source.tolist() == [0, 1, 1, 2]
    assert topology.links.target.tolist() == [1, 0, 2, 1]
    assert topology.links.latency_s.tolist() == [0.005, 0.005, 0.002, 0.002]
    assert topology.links.capacity_bps.tolist() == [np.inf, np.inf, 1e6, 1e6]


def test_links_take_the_scenarios_capacity(tmp_path: Path) -> None:
    graph = a_graph()
    del graph.edges["east", "tower"]["capacity_bps"]
    path = write(graph, tmp_path / "a.json")
    assert read(path, "backhaul.capacity=3 Mbps").links.capacity_bps[:2].tolist() == [3e6, 3e6]
    assert read(path).links.capacity_bps[:2].tolist() == [np.inf, np.inf]


def test_null_is_without_limit_in_json(tmp_path: Path) -> None:
    graph = a_graph(tower={"coverage_m": None}, east={"coverage_m": None})
    graph.edges["east", "tower"]["capacity_bps"] = None
    topology = read(write(graph, tmp_path / "a.json"), "backhaul.capacity=3 Mbps")
    assert topology.links.capacity_bps[:2].tolist() == [np.inf, np.inf]
    assert topology.coverage_m.tolist() == [np.inf, 150.0, 90.0]


def test_links_of_a_directed_graph_have_a_direction(tmp_path: Path) -> None:
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_node("m", kind="mbs", position_m=[1, 2], up=True)
    graph.add_node("s", kind="sbs", position_m=[3, 4], up=False)
    graph.add_edge("s", "m", latency_s="5 ms")
    topology = read(write(graph, tmp_path / "a.json"))
    assert topology.station_position_m.tolist() == [[1, 2], [3, 4]]
    assert (topology.links.source.tolist(), topology.links.target.tolist()) == ([1], [0])
    assert topology.links.latency_s.tolist() == [0.005]


def test_numbers_as_names_and_the_older_name_of_edges(tmp_path: Path) -> None:
    graph: nx.Graph[int] = nx.Graph()
    graph.add_node(7, kind="sbs", x_m=3, y_m=4)
    graph.add_node(8, kind="mbs", x_m=3, y_m=4)
    graph.add_edge(7, 8)
    path = tmp_path / "a.json"
    path.write_text(json.dumps(nx.node_link_data(graph, edges="links")))
    assert read(path).station_names == ("8", "7")


def test_a_file_runs_and_is_found_beside_its_scenario(tmp_path: Path) -> None:
    write(a_graph(), tmp_path / "net.graphml")
    file = tmp_path / "own.toml"
    file.write_text(
        'title = "own"\n[topology]\nfile = "net.graphml"\n[area]\nsize = [500, 150]\n'
        "[carbon]\nsbs = [1.0, 2.0]\n[tasks]\nmean = 1.0\n"
    )
    scenario = load_scenario(file)
    plan = blueprint(scenario)
    assert plan.network.station_names == ("tower", "east", "far east")
    assert plan.network.station_cpu_hz.tolist() == [50e9, 7e9, 10e9]
    assert plan.network.station_bandwidth_hz.tolist() == [20e6, 5e6, 5e6]
    # The resolved scenario, as a trace holds it, reads back.
    again = parse_scenario(scenario.to_toml(), "again", folder=tmp_path)
    assert again.to_toml() == scenario.to_toml()
    assert blueprint(again).network.station_names == plan.network.station_names


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("stations.sbs.count", "2"),
        ("stations.sbs.positions", "[[1.0, 2.0]]"),
        ("stations.sbs.radius", '"100 m"'),
        ("stations.mbs.position", "[1.0, 2.0]"),
    ],
)
def test_what_the_file_says_is_not_said_twice(key: str, value: str) -> None:
    with pytest.raises(ScenarioError, match=f"key `{key}` = .*`topology.file` places"):
        parse_scenario('title = "t"', "t", ["topology.file=a.json", f"{key}={value}"])


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"key `topology\.file` = .*: no such data file"):
        read(tmp_path / "a.json")


def test_the_task_problem_has_one_station(tmp_path: Path) -> None:
    tasks = [
        "run.problem=worst-case-emission",
        "channel.access=mrc",
        "tasks.deadline=1 s",
        "tasks.arrivals=uniform",
        "policy.name=local",
    ]
    path = write(a_graph(), tmp_path / "a.json")
    with pytest.raises(ScenarioError, match=r"topology\.file` = .*: 3 stations; allowed: 1"):
        read(path, *tasks)
    alone = a_graph()
    alone.remove_nodes_from(["east", "far east"])
    assert read(write(alone, tmp_path / "b.json"), *tasks).station_names == ("tower",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tower": {"kind": "sbs"}}, 'no node with kind = "mbs"; allowed: one'),
        ({"east": {"kind": "mbs"}}, 'key `node tower.kind` = "mbs": east is the MBS already'),
        ({"east": {"kind": "router"}}, 'key `node east.kind` = "router": not a value that it'),
        ({"east": {"kind": None}}, "key `node east.kind` = None: not a value that it may have"),
        ({"east": {"x_m": None}}, "key `node east`: its position is not whole; allowed: `x_m`"),
        ({"east": {"position_m": [1, 2]}}, "key `node east`: its position is given twice"),
        ({"east": {"y_m": 501}}, "key `node east` = [400.0, 501.0]: lies outside of the area"),
        ({"east": {"x_m": -1}}, "key `node east.x_m` = -1: too small; allowed: a length such"),
        ({"east": {"cpu_hz": 0}}, "key `node east.cpu_hz` = 0: too small; allowed: a frequency"),
        ({"east": {"bandwidth_hz": "x"}}, 'key `node east.bandwidth_hz` = "x": not a frequency'),
        ({"east": {"coverage_m": np.inf}}, "key `node east.coverage_m` = inf: not finite"),
        ({"east": {"coverage_m": np.nan}}, "key `node east.coverage_m` = nan: not finite"),
        ({"tower": {"coverage_m": 9}}, "key `node tower.coverage_m` = 9: the MBS reaches every"),
        ({"east": {"cpu_ghz": 9}}, "key `node east.cpu_ghz` = 9: unknown key; allowed: kind, "),
    ],
)
def test_what_is_wrong_with_a_node(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    found = refused(write(a_graph(**changes), tmp_path / "a.json"))
    assert len(found) == 1
    assert found[0].startswith(message)


@pytest.mark.parametrize(
    ("ends", "attributes", "message"),
    [
        (
            ("east", "tower"),
            {"latency_s": -0.5},
            "key `edge (east, tower).latency_s` = -0.5: too small; allowed: a time such as",
        ),
        (
            ("east", "tower"),
            {"capacity_bps": 0},
            "key `edge (east, tower).capacity_bps` = 0: too small; allowed: a data rate such as",
        ),
        (
            ("east", "tower"),
            {"latency": 1},
            "key `edge (east, tower).latency` = 1: unknown key; allowed: kind, latency_s, capa",
        ),
        (("east", "tower"), {"kind": "fibre"}, 'key `edge (east, tower).kind` = "fibre": not a'),
        (("east", "east"), {}, "key `edge (east, east)`: from a station to itself"),
    ],
)
def test_what_is_wrong_with_an_edge(
    tmp_path: Path, ends: tuple[str, str], attributes: dict[str, Any], message: str
) -> None:
    graph = a_graph()
    graph.add_edge(*ends, **attributes)
    found = refused(write(graph, tmp_path / "a.json"))
    assert len(found) == 1
    assert found[0].startswith(message)


def test_a_station_without_a_way_to_the_mbs(tmp_path: Path) -> None:
    graph = a_graph()
    graph.remove_edge("east", "tower")
    found = refused(write(graph, tmp_path / "a.graphml"))
    assert found == [
        "key `node east`: no edges lead from it to the MBS; allowed: a way for its reports",
        "key `node far east`: no edges lead from it to the MBS; allowed: a way for its reports",
    ]
    # A link that leads away from it is none.
    directed = nx.DiGraph(a_graph())
    directed.remove_edge("far east", "east")
    assert refused(write(directed, tmp_path / "b.graphml")) == [found[1]]


@pytest.mark.parametrize("suffix", [".graphml", ".json"])
def test_the_same_edge_twice(tmp_path: Path, suffix: str) -> None:
    graph = nx.MultiGraph(a_graph())
    graph.add_edge("tower", "east")
    (message,) = refused(write(graph, tmp_path / f"a{suffix}"))
    assert "there 2 times; allowed: once" in message


def test_a_station_with_a_devices_name(tmp_path: Path) -> None:
    graph = nx.relabel_nodes(a_graph(), {"east": "device-7"})
    (message,) = refused(write(graph, tmp_path / "a.json"))
    assert message.startswith("key `node device-7`: a station with the name of a device")


def test_all_that_is_wrong_comes_at_once(tmp_path: Path) -> None:
    graph = a_graph(east={"cpu_hz": -1}, tower={"y_m": 900})
    graph.edges["far east", "east"]["latency_s"] = -1
    messages = refused(write(graph, tmp_path / "a.json"))
    assert len(messages) == 3
    many: nx.Graph[str] = nx.empty_graph(100)
    assert len(refused(write(many, tmp_path / "b.json"))) == 10


ENTITIES = "".join(f'<!ENTITY {b} "{f"&{a};" * 20}">' for a, b in pairwise("abcdefghij"))
BOMB = f'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">{ENTITIES}]><graphml>&j;</graphml>'
"""5 TB of a's."""


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.graphml", "", "no GraphML of a graph: ParseError: no element found"),
        ("a.graphml", "<html/>", "no GraphML of a graph: "),
        ("a.graphml", "title = 1", "no GraphML of a graph: ParseError: syntax error"),
        ("a.graphml", BOMB, "no GraphML of a graph: ParseError: "),
        ("a.json", "", "no node-link JSON of a graph: JSONDecodeError"),
        ("a.json", "[]", "no node-link JSON of a graph: ValueError: it has no `nodes` and"),
        ("a.json", '{"nodes": [], "edges": []}', "no node-link JSON of a graph: ValueError: it"),
        ("a.json", '{"nodes": [{}], "edges": []}', "no node-link JSON of a graph: KeyError: 'id'"),
        ("a.json", '{"nodes": [1], "edges": []}', "no node-link JSON of a graph: TypeError"),
        ("a.json", '{"nodes": [{"id": [1]}], "edges": []}', "no node-link JSON of a graph: Valu"),
        (
            "a.json",
            '{"nodes": [{"id": 1}, {"id": "1"}], "edges": []}',
            "no node-link JSON of a graph: ValueError: node 1 is there twice",
        ),
        ("a.json", "[" * 100_000, "no node-link JSON of a graph: RecursionError"),
        ("a.gml", "graph []", "of another format; allowed: .graphml or .json"),
    ],
)
def test_a_file_that_is_no_graph(tmp_path: Path, name: str, content: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    (found,) = refused(path)
    assert found.startswith(message)
    assert "\n" not in found
