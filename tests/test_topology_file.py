"""[topology] file: stations and backhaul as networkx writes them, and all that may be wrong there."""

import json
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import networkx as nx
import numpy as np
import pytest
import tomli_w
import xarray as xr
from click.testing import CliRunner
from conftest import Capture
from matplotlib.collections import LineCollection

from edgesim.api import run
from edgesim.cli import main
from edgesim.experiments.report.data import network_map
from edgesim.experiments.run import prepare
from edgesim.scenarios.errors import ScenarioError
from edgesim.scenarios.loading import load_scenario, parse_scenario
from edgesim.simulator.assembly.build import blueprint
from edgesim.simulator.assembly.components import find_topology
from edgesim.simulator.core.randomness import Streams
from edgesim.simulator.network.topology import Topology
from edgesim.traces import figures
from edgesim.traces.network_graph import backhaul_pairs, export_graph
from edgesim.traces.reader import TraceError, open_trace

ROOT = Path(__file__).resolve().parents[1]


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
    elif path.suffix == ".gml":
        nx.write_gml(graph, path)
    else:
        path.write_text(json.dumps(nx.node_link_data(graph, edges="edges")))
    return path


def read(path: Path, *overrides: str) -> Topology:
    keys = [f"topology.file={path.name}", "twin.sync=periodic", *overrides]
    return find_topology(parse_scenario('title = "test"', "test", keys, folder=path.parent))


def refused(path: Path, *overrides: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        read(path, *overrides)
    messages = [str(problem) for problem in caught.value.issues]
    source = f"{path} (`topology.file`): "
    assert all(message.startswith(source) for message in messages), messages
    return [message.removeprefix(source) for message in messages]


@pytest.mark.parametrize("suffix", [".graphml", ".gml", ".json"])
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
        "[carbon]\nsbs = [1e-4, 2e-4]\n[tasks]\nmean = 1.0\n[twin]\nsync = 'periodic'\n"
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


def test_an_ideal_twin_has_no_time_for_links(tmp_path: Path) -> None:
    graph = a_graph()
    path = write(graph, tmp_path / "a.json")
    told = 'key `twin.sync` = "ideal": no time for the backhaul of a.json; allowed: "periodic"'
    with pytest.raises(ScenarioError, match=told):
        read(path, "twin.sync=ideal")
    del graph.edges["far east", "east"]["latency_s"]
    write(graph, path)
    with pytest.raises(ScenarioError, match=told):
        read(path, "twin.sync=ideal", "backhaul.report=1 bit")
    read(path, "twin.sync=ideal")


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


def test_an_area_has_a_width_and_a_height(tmp_path: Path) -> None:
    """Each bounds its own coordinate: nodes are at (400, 100), (200, 100) and (450, 120)."""
    path = write(a_graph(), tmp_path / "a.json")
    assert read(path, "area.size=[450, 120]").stations == 3
    for size, number in (([500, 110], 1), ([300, 500], 2)):
        told = f"lies outside of the area; allowed: x <= {size[0]} m, y <= {size[1]} m"
        found = refused(path, f"area.size={size}")
        assert [one.partition("]: ")[2] for one in found] == [told] * number


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


@pytest.mark.parametrize("suffix", [".graphml", ".gml", ".json"])
def test_the_same_edge_twice(tmp_path: Path, suffix: str) -> None:
    graph: nx.MultiGraph[str] = nx.MultiGraph(a_graph())
    graph.add_edge("tower", "east")
    (message,) = refused(write(graph, tmp_path / f"a{suffix}"))
    assert "there 2 times; allowed: once" in message


def test_numbers_that_networkx_quotes_in_gml_are_numbers(tmp_path: Path) -> None:
    """Whole ones from 2^31 on; labels remain text (findings/networkx_gml_makes_10_gbps_text.sh)."""
    graph = nx.relabel_nodes(a_graph(east={"cpu_hz": 3_000_000_000}), {"far east": "4915112345678"})
    graph.edges["4915112345678", "east"]["capacity_bps"] = 10_000_000_000
    path = write(graph, tmp_path / "a.gml")
    assert '"3000000000"' in path.read_text() and '"10000000000"' in path.read_text()
    topology = read(path)
    assert topology.station_names == ("tower", "east", "4915112345678")
    assert topology.station_cpu_hz[1] == 3e9
    assert topology.links.capacity_bps.tolist()[2:] == [1e10, 1e10]


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
    for node in many:
        many.nodes[node]["kind"] = "sbs"
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
        ("a.gml", "graph []", "no GML of a graph: ValueError: it has no nodes"),
        ("a.gml", "graph [ node [", "no GML of a graph: NetworkXError"),
        (
            "a.gml",
            'graph [ node [ id 1 label "a" kind "mbs" ] node [ id 2 label "a" kind "sbs" ] ]',
            "no GML of a graph: ValueError: two nodes have the same label",
        ),
        ("a.xml", "<x/>", "of another format; allowed: .graphml, .gml, .json, or .gz of them"),
    ],
)
def test_a_file_that_is_no_graph(tmp_path: Path, name: str, content: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    (found,) = refused(path)
    assert found.startswith(message)
    assert "\n" not in found


# Export


OWN = """
title = "own"
[run]
slots = 12
[topology]
file = "net.json"
[devices]
count = 15
[mobility]
model = "random-waypoint"
speed = ["20 m/s", "40 m/s"]
[stations.sbs]
failures = {time_to_failure = "0.5 s", time_to_repair = "0.5 s"}
[backhaul]
capacity = "8 Mbps"
[twin]
sync = "periodic"
[tasks]
mean = "0.6 Mbit"
"""


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a network whose stations and links all differ."""
    folder = tmp_path_factory.mktemp("own")
    graph = nx.DiGraph(a_graph())
    graph.remove_edge("tower", "east")
    write(graph, folder / "net.json")
    (folder / "own.toml").write_text(OWN)
    run(folder / "own.toml", folder / "own.h5")
    return folder / "own.h5"


@pytest.mark.parametrize("suffix", [".graphml", ".json"])
def test_what_is_exported_reads_back(trace: Path, tmp_path: Path, suffix: str) -> None:
    done = CliRunner().invoke(main, ["export", str(trace), "--graph", str(tmp_path / f"g{suffix}")])
    assert done.exit_code == 0
    assert done.output.strip() == str(tmp_path / f"g{suffix}")
    before = read(trace.with_name("net.json"), "backhaul.capacity=8 Mbps")
    # Of the scenario nothing is needed: neither its stations' values, nor its links'.
    others = ["stations.mbs.cpu=1 Hz", "stations.sbs.bandwidth=1 Hz", "stations.sbs.coverage=1 m"]
    others += ["backhaul.capacity=1 bit/s", "backhaul.latency=1 h"]
    after = read(tmp_path / f"g{suffix}", *others)
    for name, column in vars(before).items():
        if name != "links":
            np.testing.assert_array_equal(getattr(after, name), column)
    for column, again in zip(before.links, after.links, strict=True):
        np.testing.assert_array_equal(again, column)
    assert len(after.links.source) == 3
    assert [path.name for path in tmp_path.iterdir()] == [f"g{suffix}"]


def test_a_run_on_what_was_exported_is_the_same(tmp_path: Path) -> None:
    """Of a star, whose names are the same, so that its random streams are."""
    failing = "stations.sbs.failures={time_to_failure=3, time_to_repair=1}"
    overrides = ["run.slots=20", failing]
    run("iiot_20dev", tmp_path / "a.h5", overrides=overrides)
    export_graph(tmp_path / "a.h5", tmp_path / "g.graphml")
    text = tomllib.loads((ROOT / "scenarios" / "iiot_20dev.toml").read_text())
    del text["stations"]["sbs"]["count"], text["stations"]["sbs"]["radius"]
    text["topology"] = {"file": "g.graphml"}
    (tmp_path / "b.toml").write_text(tomli_w.dumps(text))
    run(tmp_path / "b.toml", tmp_path / "b.h5", overrides=overrides)
    with open_trace(tmp_path / "a.h5") as a, open_trace(tmp_path / "b.h5") as b:
        xr.testing.assert_identical(a.slots.load(), b.slots.load())
        xr.testing.assert_identical(a.network, b.network)


@pytest.mark.parametrize("slot", [None, 3])
def test_the_exported_graph_is_the_networks(trace: Path, tmp_path: Path, slot: int | None) -> None:
    words = ["export", str(trace), "--graph", str(tmp_path / "g.json")]
    words += [] if slot is None else ["--slot", str(slot)]
    assert CliRunner().invoke(main, words).exit_code == 0
    text = (tmp_path / "g.json").read_text()
    assert "Infinity" not in text
    written = nx.node_link_graph(json.loads(text), edges="edges")
    scenario = load_scenario(trace.with_name("own.toml"))
    experiment = prepare(scenario)
    streams = Streams(1, 1)
    problem = experiment.blueprint.problem
    experiment.policy.reset(problem.network, problem, streams.generators("policy"))
    simulation = experiment.blueprint.simulation(experiment.policy.decide, Capture(), streams)
    graph = None
    for number in range(12 if slot is None else slot + 1):
        observation = simulation.observe()
        assert observation is not None
        assert observation.slot == number
        graph = simulation.network.graph.copy()  # before the slot is over
        simulation.act(experiment.policy.decide(observation))
    assert graph is not None
    for _, attributes in written.nodes(data=True):
        attributes["position_m"] = tuple(attributes["position_m"])
    for attributes in (written.nodes["tower"], *(edge for *_, edge in written.edges(data=True))):
        for key in ("coverage_m", "capacity_bps"):
            if key in attributes:
                attributes[key] = attributes[key] or np.inf
    assert nx.utils.graphs_equal(written, graph)
    assert not all(up for _, up in written.nodes(data="up") if up is not None)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--graph", "a.gml"], "a graph ends in .graphml, .json"),
        (["--graph", "a.json", "-o", "x"], "--output cannot be used with --graph"),
        (["--slot", "3"], "--slot cannot be used with tables"),
        (["--graph", "a.json", "--slot", "12"], "no slot 12; it has 0 to 11"),
    ],
)
def test_an_export_that_is_refused(trace: Path, words: list[str], message: str) -> None:
    done = CliRunner().invoke(main, ["export", str(trace), *words])
    assert done.exit_code == 2
    assert message in done.output
    assert not Path("a.json").exists()


def test_traces_without_a_network(tmp_path: Path) -> None:
    run("iiot_20dev", tmp_path / "a.h5", overrides=["run.slots=2", "trace.level=summary"])
    with pytest.raises(TraceError, match="recorded at level 'summary'"):
        export_graph(tmp_path / "a.h5", tmp_path / "g.json")
    run("iiot_20dev", tmp_path / "b.h5", overrides=["run.slots=2"])
    with h5py.File(tmp_path / "b.h5", "r+") as file:
        del file["network"]
    with pytest.raises(TraceError, match="an earlier version recorded it"):
        export_graph(tmp_path / "b.h5", tmp_path / "g.json")
    with open_trace(tmp_path / "b.h5") as trace:
        assert backhaul_pairs(trace) == []
    with pytest.raises(ValueError, match="a graph ends in"):
        export_graph(tmp_path / "b.h5", tmp_path / "g.gml")


def test_the_maps_show_the_backhaul(trace: Path) -> None:
    with open_trace(trace) as opened:
        # The tower, east, and far east: a chain.
        assert backhaul_pairs(opened) == [(0, 1), (1, 2)]
        drawn = network_map(opened, "map")
        (ax,) = figures.draw(opened, "map").axes
    wires, _ = (lines for lines in ax.collections if isinstance(lines, LineCollection))
    chain = [[[200, 100], [400, 100]], [[400, 100], [450, 120]]]
    np.testing.assert_array_equal(np.array(wires.get_segments()), chain)
    assert drawn is not None
    assert drawn["backhaul"] == [(0, 1), (1, 2)]
    assert [name for name, *_ in drawn["stations"]] == ["tower", "east", "far east"]
