"""Networks of others as stations and backhaul: Topology Zoo, topohub, GML; told and refused, not guessed."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_topology_file import read, refused

import edgesim

LIGHT_M_PER_S = 299_792_458.0
DEGREE_M = math.pi / 180.0 * 6_371_008.8
AREA = "area.rectangle={south=49.0, west=7.0, north=53.0, east=9.0}"

NODES: dict[str, dict[str, Any]] = {
    "0": {"label": "Alpha", "Latitude": 50.0, "Longitude": 8.0, "Internal": 1},
    "1": {"label": "Beta", "Latitude": 51.0, "Longitude": 8.0, "Internal": 1},
    "2": {"label": "Gamma", "Latitude": 52.0, "Longitude": 8.0, "Internal": 1},
    "3": {"label": "?", "Internal": 0},
    "4": {"label": "?", "Internal": 0},
}
LINKS: list[tuple[str, str, dict[str, Any]]] = [
    ("0", "1", {"LinkSpeedRaw": 1e9, "LinkLabel": "1 Gbps"}),
    ("1", "2", {}),
    ("2", "3", {}),
    ("2", "4", {}),
]
INTERNAL = ("topology.mbs=Alpha", "topology.stations=internal")


def graphml(nodes: Any = NODES, links: Any = LINKS) -> str:
    """As the Topology Zoo lays it out."""
    kinds = {int: "int", float: "double", str: "string"}
    keys: dict[tuple[str, str], tuple[str, str]] = {}

    def data(target: str, said: dict[str, Any]) -> str:
        text = ""
        for name, value in said.items():
            key = keys.setdefault((target, name), (f"d{len(keys)}", kinds[type(value)]))
            text += f'<data key="{key[0]}">{value}</data>'
        return text

    body = "".join(f'<node id="{n}">{data("node", said)}</node>' for n, said in nodes.items())
    body += "".join(
        f'<edge source="{a}" target="{b}">{data("edge", said)}</edge>' for a, b, said in links
    )
    declared = "".join(
        f'<key attr.name="{name}" attr.type="{kind}" for="{target}" id="{key}"/>'
        for (target, name), (key, kind) in keys.items()
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<graphml xmlns="http://graphml.graphdrawing.org/xmlns">'
        f'{declared}<graph edgedefault="undirected">{body}</graph></graphml>'
    )


def gml(nodes: Any = NODES, links: Any = LINKS) -> str:
    def said(attributes: dict[str, Any]) -> str:
        return " ".join(
            f'{key} "{value}"' if isinstance(value, str) else f"{key} {value}"
            for key, value in attributes.items()
        )

    lines = [f"  node [ id {name} {said(one)} ]" for name, one in nodes.items()]
    lines += [f"  edge [ source {a} target {b} {said(one)} ]" for a, b, one in links]
    return "\n".join(["graph [", *lines, "]"])


def node_link(scale: float = 1.0) -> dict[str, Any]:
    """As topohub lays it out."""
    return {
        "directed": False,
        "multigraph": False,
        "graph": {"name": "small", "demands": {}},
        "nodes": [
            {
                "name": said["label"],
                "pos": [scale * said["Longitude"], scale * said["Latitude"]],
                "id": n,
            }
            for n, said in enumerate(list(NODES.values())[:3])
        ],
        "edges": [
            {"dist": 111.2, "source": 0, "target": 1},
            {"dist": 111.2, "source": 1, "target": 2},
        ],
    }


def write(folder: Path, content: Any, name: str = "net.graphml") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "content", "keys"),
    [
        ("net.graphml", graphml(), INTERNAL),
        ("net.gml", gml(), INTERNAL),
        ("net.graphml", graphml(), ("topology.mbs=0", 'topology.stations=["Alpha", "1", "Gamma"]')),
        ("net.json", node_link(), ("topology.mbs=Alpha", "topology.coordinates=degrees")),
    ],
)
def test_networks_become_stations_and_links(
    tmp_path: Path, name: str, content: Any, keys: tuple[str, ...]
) -> None:
    topology = read(write(tmp_path, content, name), AREA, "backhaul.capacity=7 Mbps", *keys)
    assert topology.station_names == ("Alpha", "Beta", "Gamma")
    # A degree of latitude is one of a great circle.
    np.testing.assert_allclose(np.diff(topology.station_position_m[:, 1]), DEGREE_M, rtol=1e-12)
    np.testing.assert_allclose(topology.station_position_m[0, 1], DEGREE_M, rtol=1e-12)
    ends = list(zip(topology.links.source, topology.links.target, strict=True))
    assert ends == [(0, 1), (1, 0), (1, 2), (2, 1)]
    delay_s = DEGREE_M * 1.468 / LIGHT_M_PER_S
    np.testing.assert_allclose(topology.links.latency_s, delay_s, rtol=1e-9)
    fast = 7e6 if name.endswith("json") else 1e9
    assert topology.links.capacity_bps.tolist() == [fast, fast, 7e6, 7e6]


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ({"label": ("A", "B", "C")}, ("A", "B", "C")),
        ({"label": ("A", "B", "A")}, ("0", "1", "2")),  # two of one label
        ({"label": ("A", "B", " ")}, ("0", "1", "2")),  # one without
        ({"label": ("A", "B", None), "name": ("X", "Y", "Z")}, ("X", "Y", "Z")),
        ({"label": ("1", "B", "C")}, ("0", "1", "2")),  # the id of another
        ({"label": ("A", "3", "C")}, ("0", "1", "2")),  # also of one that is no station
        ({"label": ("A", "device-1", "C")}, ("0", "1", "2")),
        ({"label": ("0", "1", "2")}, ("0", "1", "2")),
        ({}, ("0", "1", "2")),
    ],
)
def test_stations_are_called_by_labels_of_their_own(
    tmp_path: Path, labels: dict[str, tuple[str | None, ...]], names: tuple[str, ...]
) -> None:
    nodes = {n: {k: v for k, v in said.items() if k != "label"} for n, said in NODES.items()}
    for key, values in labels.items():
        for node, value in zip("012", values, strict=True):
            nodes[node] |= {} if value is None else {key: value}
    path = write(tmp_path, graphml(nodes))
    topology = read(path, AREA, INTERNAL[1], "topology.mbs=0")
    assert topology.station_names == names
    # Whatever they are called: the links, places and ids of the file hold.
    np.testing.assert_allclose(np.diff(topology.station_position_m[:, 1]), DEGREE_M, rtol=1e-12)
    ends = list(zip(topology.links.source, topology.links.target, strict=True))
    assert ends == [(0, 1), (1, 0), (1, 2), (2, 1)]
    by_name = read(path, AREA, INTERNAL[1], f"topology.mbs={names[1]}")
    assert by_name.station_names == (names[1], names[0], names[2])


def test_distances_are_along_the_great_circle(tmp_path: Path) -> None:
    """Paris to New York, 5,837 km by the haversine on a sphere of the Earth's mean radius."""
    nodes = {
        "p": {"Latitude": 48.8566, "Longitude": 2.3522},
        "n": {"Latitude": 40.7128, "Longitude": -74.006},
    }
    area = "area.rectangle={south=40, west=-75, north=50, east=3}"
    path = write(tmp_path, graphml(nodes, [("p", "n", {})]))
    links = read(path, area, "topology.mbs=p", "topology.fibre_index=1").links
    np.testing.assert_allclose(links.latency_s * LIGHT_M_PER_S, 5_837_241.0, rtol=1e-4)
    slow = read(path, area, "topology.mbs=p", "topology.fibre_index=1.5").links
    np.testing.assert_allclose(slow.latency_s, 1.5 * links.latency_s, rtol=1e-12)


@pytest.mark.parametrize(("unit", "metres"), [("m", 1.0), ("km", 1000.0)])
def test_places_on_a_plane(tmp_path: Path, unit: str, metres: float) -> None:
    path = write(tmp_path, node_link(10.0), "net.json")
    keys = ("topology.mbs=Beta", f"topology.coordinates={unit}", "area.size=[600_000, 600_000]")
    topology = read(path, *keys)
    assert topology.station_names == ("Beta", "Alpha", "Gamma")
    np.testing.assert_allclose(topology.station_position_m[0], [80 * metres, 510 * metres])
    delay_s = 10 * metres * 1.468 / LIGHT_M_PER_S
    np.testing.assert_allclose(topology.links.latency_s, delay_s, rtol=1e-9)


def test_parallel_links_are_joined_where_it_is_said(tmp_path: Path) -> None:
    links = [*LINKS[:2], ("1", "0", {"LinkSpeedRaw": 2e9}), ("1", "2", {})]
    for name, content in (("n.graphml", graphml(links=links)), ("n.gml", gml(links=links))):
        path = write(tmp_path, content, name)
        [message] = refused(path, AREA, *INTERNAL)
        assert message == (
            "several links between the same two nodes: 0 and 1, 1 and 2; "
            'allowed: parallel = "join": one link with their capacities together'
        )
        joined = read(path, AREA, *INTERNAL, "topology.parallel=join").links
        assert joined.capacity_bps.tolist() == [3e9, 3e9, np.inf, np.inf]


@pytest.mark.parametrize(
    ("speeds", "usual", "joined"),
    [
        ((1e6, 1e6), "10 Mbps", 2e6),
        ((None, None), "10 Mbps", 20e6),
        ((1e6, None), "10 Mbps", 11e6),
        ((None, 1e6), "10 Mbps", 11e6),
        ((1e6, None, None), "10 Mbps", 21e6),
        ((1e6, None), None, np.inf),
        ((None, 1e6, 1e6), None, np.inf),
    ],
)
def test_a_joined_link_that_says_no_speed_has_the_usual_one(
    speeds: tuple[float | None, ...], usual: str | None, joined: float, tmp_path: Path
) -> None:
    """One more link never makes fewer bits."""
    several = [("0", "1", {} if one is None else {"LinkSpeedRaw": one}) for one in speeds]
    path = write(tmp_path, graphml(links=[*several, *LINKS[1:]]), "n.graphml")
    keys = [] if usual is None else [f"backhaul.capacity={usual}"]
    found = read(path, AREA, *INTERNAL, "topology.parallel=join", *keys).links
    of_first = (found.source == 0) & (found.target == 1)
    assert found.capacity_bps[of_first].tolist() == [joined]


def test_a_speed_of_0_is_unknown(tmp_path: Path) -> None:
    path = write(tmp_path, graphml(links=[("0", "1", {"LinkSpeedRaw": 0.0}), *LINKS[1:]]))
    found = read(path, AREA, *INTERNAL, "backhaul.capacity=7 Mbps").links.capacity_bps
    assert found.tolist() == [7e6] * 4


def test_links_of_length_zero_are_refused_or_take_the_least_length(tmp_path: Path) -> None:
    nodes = NODES | {"1": NODES["1"] | {"Latitude": 50.0}}
    path = write(tmp_path, graphml(nodes))
    [message] = refused(path, AREA, *INTERNAL)
    assert message.startswith(
        "1 links have a length of 0, as their ends have the same place: 0 and 1"
    )
    assert "`topology.min_length`" in message
    latency_s = read(path, AREA, *INTERNAL, "topology.min_length=300 m").links.latency_s
    np.testing.assert_allclose(latency_s[:2], 300.0 * 1.468 / LIGHT_M_PER_S, rtol=1e-12)
    np.testing.assert_allclose(latency_s[2:], 2 * DEGREE_M * 1.468 / LIGHT_M_PER_S, rtol=1e-9)


@pytest.mark.parametrize(
    ("nodes", "links", "keys", "messages"),
    [
        (
            NODES,
            LINKS,
            (),
            (
                'no node says that it is the MBS; allowed: `topology.mbs`, as in mbs = "2", which has the',
                "2 of 5 nodes have no coordinates: 3, 4; allowed: `topology.stations` without them",
            ),
        ),
        (
            NODES,
            LINKS,
            ("topology.mbs=Alpa", INTERNAL[1]),
            ('no node "Alpa"; allowed: did you mean Alpha?',),
        ),
        (
            NODES,
            LINKS,
            ("topology.mbs=Alpha", 'topology.stations=["Alpha", "?"]'),
            ('`topology.stations`: 2 nodes have the label "?"; allowed: names 3, 4',),
        ),
        (NODES, LINKS, ("topology.mbs=3", INTERNAL[1]), ("node 3 is none of the stations",)),
        (
            NODES,
            LINKS[1:],
            INTERNAL,
            (
                "2 parts that no link joins; outside of the largest: 0; allowed: `topology.stations`",
            ),
        ),
        (NODES, [*LINKS, ("1", "1", {})], INTERNAL, ("links from a node to itself: 1",)),
        (
            NODES | {"1": {"Latitude": 400.0, "Longitude": 300.0, "Internal": 1}},
            LINKS,
            INTERNAL,
            ("1 nodes lie nowhere on the Earth, as in a drawing: 1",),
        ),
        (
            NODES | {"1": {"Latitude": 60.0, "Longitude": 8.0, "Internal": 1}},
            LINKS,
            INTERNAL,
            (
                "1 nodes lie outside of the area: 1; allowed: `area.rectangle` around them, as in "
                + "rectangle = {south = 49.99, west = 7.99, north = 60.01, east = 8.01}",
            ),
        ),
        (
            NODES,
            LINKS,
            (*INTERNAL, "topology.coordinates=km"),
            ('`topology.coordinates` = "km", and nodes have Latitude and Longitude',),
        ),
        (
            NODES,
            [("0", "1", {"LinkSpeedRaw": -1.0}), ("1", "2", {})],
            INTERNAL,
            ("`LinkSpeedRaw` of the link of 0 and 1 is -1.0; allowed: bit/s",),
        ),
        (
            {n: {k: v for k, v in said.items() if k != "Internal"} for n, said in NODES.items()},
            LINKS,
            INTERNAL,
            ("no node has `Internal` = 1",),
        ),
    ],
)
def test_what_a_file_does_not_say_is_refused(
    tmp_path: Path, nodes: Any, links: Any, keys: tuple[str, ...], messages: tuple[str, ...]
) -> None:
    said = refused(write(tmp_path, graphml(nodes, links)), AREA, *keys)
    assert len(said) == len(messages)
    for message, expected in zip(said, messages, strict=True):
        assert expected in message


def test_degrees_need_a_place_on_the_earth(tmp_path: Path) -> None:
    [message] = refused(write(tmp_path, graphml()), *INTERNAL)
    assert message == (
        "its coordinates are degrees; allowed: `area.rectangle` around them, as in rectangle = "
        "{south = 49.99, west = 7.99, north = 52.01, east = 8.01}"
    )


@pytest.mark.parametrize("latitude", [-90.1, -90.0, 90.0, 90.1])
@pytest.mark.parametrize("longitude", [-180.1, -180.0, 180.0, 180.1])
def test_where_the_earth_ends(longitude: float, latitude: float, tmp_path: Path) -> None:
    content = node_link()
    content["nodes"][1]["pos"] = [longitude, latitude]
    path = write(tmp_path, content, "n.json")
    [message, *_] = refused(path, AREA, "topology.mbs=Alpha", "topology.coordinates=degrees")
    nowhere = message.startswith("1 nodes lie nowhere on the Earth, as in a drawing: 1")
    assert nowhere == (abs(longitude) > 180.0 or abs(latitude) > 90.0)


def test_all_that_a_file_does_not_say_comes_at_once(tmp_path: Path) -> None:
    """Keys, coordinates, an area, links of no length, and a speed that is none: in one round."""
    nodes = NODES | {"1": NODES["1"] | {"Latitude": 50.0}}
    links = [*LINKS, ("0", "1", {"LinkSpeedRaw": 10**400})]
    path = write(tmp_path, gml(nodes, links), "n.gml")
    begins = [
        "no node says that it is the MBS",
        "2 of 5 nodes have no coordinates: 3, 4",
        "several links between the same two nodes: 0 and 1",
        "`LinkSpeedRaw` of the link of 0 and 1 is ",
        "its coordinates are degrees; allowed: `area.rectangle` around them",
        "1 links have a length of 0",
    ]
    found = refused(path)
    assert len(found) == len(begins), found
    for one, begin in zip(found, begins, strict=True):
        assert one.startswith(begin)


def test_a_place_that_is_too_large_a_number_is_none(tmp_path: Path) -> None:
    content = node_link()
    content["nodes"][1]["pos"] = [10**400, 51]
    path = write(tmp_path, content, "n.json")
    [message] = refused(path, AREA, "topology.mbs=Alpha", "topology.coordinates=degrees")
    assert message.startswith("1 of 3 nodes have no coordinates: 1")


def test_a_place_without_a_name_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, node_link(), "net.json")
    [message] = refused(path, AREA, "topology.mbs=Alpha")
    assert (
        "nothing says whether `pos` are degrees" in message and "`topology.coordinates`" in message
    )
    drawing = write(tmp_path, node_link(10.0), "drawing.json")
    [message] = refused(drawing, AREA, "topology.mbs=Alpha", "topology.coordinates=degrees")
    assert message.startswith("3 nodes lie nowhere on the Earth, as in a drawing: 0, 1, 2")


def test_keys_for_other_graphs_go_with_no_own_one_and_not_without_a_file(tmp_path: Path) -> None:
    own = {"nodes": [{"id": "m", "kind": "mbs", "x_m": 1, "y_m": 1}], "edges": []}
    path = write(tmp_path, own, "own.json")
    [message] = refused(path, "topology.mbs=m", "topology.parallel=join")
    assert "its nodes say by `kind` which are stations: no effect of mbs, parallel" in message
    with pytest.raises(
        edgesim.ScenarioError, match=r"topology\.min_length.*no effect without a file"
    ):
        edgesim.load_scenario({"title": "x", "topology": {"min_length": 3.0}})


def test_a_run_over_such_a_backhaul(tmp_path: Path) -> None:
    """Reports to the MBS are as old as light takes through the fibre, and then the period."""
    path = write(tmp_path, graphml())
    keys = [AREA, *INTERNAL, f"topology.file={path}", "twin.sync=periodic", "devices.count=6"]
    keys += ["stations.sbs={coverage='60 km'}", "run.slots=20", "tasks.mean=1 kbit"]
    with edgesim.run('title = "small"\n', tmp_path / "t.h5", overrides=keys) as trace:
        assert trace.attrs["stations"] == 3
        assert trace.recorded == 20
        again = edgesim.load_scenario(tmp_path / "t.h5")
        assert again.topology.mbs == "Alpha" and again.topology.stations == "internal"
