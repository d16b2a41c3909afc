"""Graphs from files that networkx reads, and networks of others turned into stations and links."""

import json
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import asin, cos, hypot, radians, sin, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import Issue, ScenarioError, as_toml, nearest
from ..schema import Scenario
from ..sections import EARTH_RADIUS_M, Rectangle, TopologySection
from ..units import LIGHT_M_PER_S
from .positions import around
from .records import UNREADABLE, whole_text

if TYPE_CHECKING:
    import networkx as nx

    Graph: TypeAlias = nx.Graph[Any]
else:
    Graph = Any

DEVICE = re.compile(r"device-\d+")
"""What devices are called in exported graphs, and no station."""

_WIDE = re.compile(r"-?[1-9]\d{9,18}")
"""A whole number that may lie beyond 32 bits."""

_SHOWN = 5
"""Nodes and links that a message lists."""


def read_graph(path: Path) -> Graph:
    """The graph that a file describes, with text for the names of its nodes.

    Args:
        path: ends in .graphml, .gml or .json; each may be compressed, .gz.

    Raises:
        ScenarioError: of another format, unreadable, or no graph.
    """
    import networkx as nx

    readers: dict[str, tuple[str, Callable[[str], Graph]]] = {
        ".graphml": ("GraphML", nx.parse_graphml),
        ".gml": ("GML", _parse_gml),
        ".json": ("node-link JSON", _parse_json),
    }
    suffix = Path(path.name.removesuffix(".gz")).suffix
    if suffix not in readers:
        raise ScenarioError(
            [Issue(str(path), "of another format", allowed=", ".join(readers) + ", or .gz of them")]
        )
    name, read = readers[suffix]
    try:
        text = whole_text(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph = read(text)
        if not graph:
            raise ValueError("it has no nodes")
        return nx.relabel_nodes(graph, {node: _name(node) for node in graph})
    except ScenarioError:
        raise
    except OSError as error:
        reason = error.strerror or error
        raise ScenarioError([Issue(str(path), f"cannot be read: {reason}")]) from None
    except Exception as error:  # noqa: BLE001 - networkx raises whatever comes first
        if isinstance(error, UNREADABLE):
            raise ScenarioError([Issue(str(path), f"cannot be read: {error}")]) from None
        reason = f"{type(error).__name__}: {error}".partition("\n")[0][:200]
        raise ScenarioError([Issue(str(path), f"no {name} of a graph: {reason}")]) from None


def _parse_gml(text: str) -> Graph:
    """Nodes by their numbers, as labels may be the same; links may be parallel, whether it says so or not.

    Of a graph that says which nodes are stations they are called by their labels, as networkx writes them.
    """
    import networkx as nx

    if not re.search(r"\bmultigraph\s+1\b", text):
        text = re.sub(r"\bgraph\s*\[", "graph [\n  multigraph 1\n", text, count=1)
    graph: Graph = nx.parse_gml(text, label="id")
    for said in (
        *dict(graph.nodes(data=True)).values(),
        *(one for *_, one in graph.edges(data=True)),
    ):
        said.update(_whole_numbers(said))
    if not says_kinds(graph):
        return graph
    names = {node: said.pop("label", node) for node, said in graph.nodes(data=True)}
    if len(set(names.values())) < len(names):
        raise ValueError("two nodes have the same label")
    return nx.relabel_nodes(graph, names)


def _whole_numbers(said: Mapping[str, Any]) -> dict[str, int]:
    """Those that networkx writes in quotes, as GML's have 32 bits: 10 Gbit/s, but not 1."""
    return {
        key: int(value)
        for key, value in said.items()
        if key not in ("label", "name") and isinstance(value, str) and _WIDE.fullmatch(value)
    }


def _parse_json(text: str) -> Graph:
    """With all that the file says twice: networkx would let the last one count."""
    import networkx as nx

    data = json.loads(text)
    if not isinstance(data, dict) or not {"edges", "links"} & data.keys() or "nodes" not in data:
        raise ValueError("it has no `nodes` and `edges`")
    twice = [
        name for name, n in Counter(_name(node["id"]) for node in data["nodes"]).items() if n > 1
    ]
    if twice:
        raise ValueError(f"node {twice[0]} is there twice")
    edges = "edges" if "edges" in data else "links"
    graph: Graph = nx.node_link_graph(data | {"multigraph": True}, edges=edges)
    return graph


def _name(node: object) -> str:
    if isinstance(node, bool) or not isinstance(node, str | int) or node == "":
        raise ValueError(f"{node!r} is no name of a node")
    return str(node)


def stations_of(graph: Graph, path: Path, scenario: Scenario) -> Graph:
    """A graph whose nodes have `kind`, as it is; of another, stations and links by the keys of [topology].

    Args:
        graph: of `read_graph`.
        path: its file, for messages.
        scenario: has those keys, and the area.

    Returns:
        Nodes have `kind`, `x_m` and `y_m`, edges `latency_s` and, if known, `capacity_bps`.

    Raises:
        ScenarioError: what the file does not say and the keys do not either; with all that is wrong.
    """
    keys = scenario.topology
    if says_kinds(graph):
        if given := keys.of_others():
            what = f"its nodes say by `kind` which are stations: no effect of {', '.join(given)}"
            raise ScenarioError([Issue(str(path), what, allowed="not given")])
        return graph
    found = [*_unsaid(graph, keys), *_wrong_speeds(graph, keys), *_misplaced(graph, scenario)]
    _refuse_all(path, found)
    return _as_stations(graph, scenario)


def says_kinds(graph: Graph) -> bool:
    """Whether its nodes say themselves which are stations."""
    return any("kind" in said for _, said in graph.nodes(data=True))


def check_said(graph: Graph, path: Path, keys: TopologySection) -> None:
    """Whether `stations_of` finds all that it needs, but for places in an area.

    Raises:
        ScenarioError: with all that it does not.
    """
    if not says_kinds(graph):
        _refuse_all(path, [*_unsaid(graph, keys), *_wrong_speeds(graph, keys)])


def _refuse_all(path: Path, found: Iterable[tuple[str, str]]) -> None:
    if issues := [Issue(str(path), what, allowed=allowed) for what, allowed in found]:
        raise ScenarioError(issues)


def labels(graph: Graph) -> dict[str, list[str]]:
    """Nodes by what they are called: names, and labels."""
    found: dict[str, list[str]] = {}
    for node, said in graph.nodes(data=True):
        for name in {node, *(str(said[key]).strip() for key in ("label", "name") if key in said)}:
            found.setdefault(name, []).append(node)
    return found


def find_node(graph: Graph, name: str) -> str | None:
    """The node of this name, else the only one of this label; None if there is none, or there are several."""
    if name in graph:
        return name
    called = labels(graph).get(name, [])
    return called[0] if len(called) == 1 else None


def station_names(graph: Graph, nodes: Iterable[str]) -> dict[str, str]:
    """What stations are called: by their labels, else names, where each has one of its own, else by their ids."""
    said = {node: graph.nodes[node] for node in nodes}
    for key in ("label", "name"):
        found = {node: str(one.get(key, "")).strip() for node, one in said.items()}
        # An id that is the label of another node would name two of them.
        own = all(
            name and (name == node or name not in graph) and not DEVICE.fullmatch(name)
            for node, name in found.items()
        )
        if own and len(set(found.values())) == len(found):
            return found
    return {node: node for node in said}


def chosen_nodes(graph: Graph, keys: TopologySection) -> list[str]:
    """The nodes that are stations, in the graph's order, as far as they are there."""
    if isinstance(keys.stations, tuple):
        named = {find_node(graph, name) for name in keys.stations}
        return [node for node in graph if node in named]
    if keys.stations == "internal":
        return [node for node, said in graph.nodes(data=True) if said.get("Internal") in (1, True)]
    return list(graph)


def degrees(said: Mapping[str, Any]) -> tuple[float, float] | None:
    """A node's longitude and latitude, where attributes are called so."""
    names = {key.lower(): value for key, value in said.items() if isinstance(key, str)}
    try:
        return float(names["longitude"]), float(names["latitude"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def plane(said: Mapping[str, Any]) -> tuple[float, float] | None:
    """A node's `pos`, whatever it is."""
    try:
        x, y = said["pos"]
        return float(x), float(y)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def place(said: Mapping[str, Any]) -> tuple[float, float] | None:
    """Either."""
    return degrees(said) or plane(said)


def _unsaid(graph: Graph, keys: TopologySection) -> Iterator[tuple[str, str]]:
    """What is wrong and what is allowed."""
    called = labels(graph)
    for key, names in (("mbs", [keys.mbs] if keys.mbs else []), ("stations", keys.stations)):
        for name in names if not isinstance(names, str) else ():
            if find_node(graph, name) is None:
                several = called.get(name, [])
                what = f"`topology.{key}`: no node {as_toml(name)}"
                if several:
                    what = f"`topology.{key}`: {len(several)} nodes have the label {as_toml(name)}"
                near = nearest(name, list(called))
                yield (
                    what,
                    f"names {_listed(several)}"
                    if several
                    else f"did you mean {near}?"
                    if near
                    else _listed(graph),
                )
    nodes = chosen_nodes(graph, keys)
    if not nodes:
        yield "no node has `Internal` = 1", 'stations = "all", or a list of nodes'
        return
    if keys.mbs is None:
        central = max(nodes, key=lambda node: int(graph.degree(node)))
        allowed = f"`topology.mbs`, as in mbs = {as_toml(central)}, which has the most links"
        yield "no node says that it is the MBS", allowed
    elif (mbs := find_node(graph, keys.mbs)) is not None and mbs not in nodes:
        yield f"`topology.mbs`: node {mbs} is none of the stations", "one of them"
    yield from _unplaced(graph, nodes, keys)
    yield from _unlinked(graph, nodes, keys)


def _unplaced(graph: Graph, nodes: list[str], keys: TopologySection) -> Iterator[tuple[str, str]]:
    said = {node: graph.nodes[node] for node in nodes}
    named = [node for node in nodes if degrees(said[node])]
    if not named and any(plane(one) for one in said.values()):
        if keys.coordinates is None:
            what = "nothing says whether `pos` are degrees: some are places in a drawing, or kilometres"
            yield what, '`topology.coordinates`, as in coordinates = "degrees"'
            return
        named = [node for node in nodes if plane(said[node])]
    elif keys.coordinates not in (None, "degrees"):
        what = f"`topology.coordinates` = {as_toml(keys.coordinates)}, and nodes have Latitude and Longitude"
        yield what, '"degrees", or not given'
    missing = [node for node in nodes if node not in set(named)]
    if missing:
        what = f"{len(missing)} of {len(nodes)} nodes have no coordinates: {_listed(missing)}"
        allowed = '`topology.stations` without them: a list, or "internal" if they are external'
        yield what, allowed if named else "Latitude and Longitude of nodes, or `pos`"
    if keys.coordinates in (None, "degrees"):
        odd = [node for node in named if not ((at := place(said[node])) and is_on_earth(at))]
        if odd:
            what = f"{len(odd)} nodes lie nowhere on the Earth, as in a drawing: {_listed(odd)}"
            yield what, "longitude and latitude in degrees"


def _unlinked(graph: Graph, nodes: list[str], keys: TopologySection) -> Iterator[tuple[str, str]]:
    import networkx as nx

    between: Graph = graph.subgraph(nodes)
    loops = sorted(nx.nodes_with_selfloops(between))
    if loops:
        yield f"links from a node to itself: {_listed(loops)}", "`topology.stations` without it"
    if keys.parallel == "refuse":
        pairs = Counter(
            frozenset(ends) if not graph.is_directed() else ends for ends in between.edges()
        )
        many = [" and ".join(sorted(ends)) for ends, count in pairs.items() if count > 1]
        if many:
            what = f"several links between the same two nodes: {_listed(many)}"
            yield what, 'parallel = "join": one link with their capacities together'
    parts = sorted(nx.connected_components(between.to_undirected()), key=len, reverse=True)
    if len(parts) > 1:
        rest = [node for part in parts[1:] for node in sorted(part)]
        what = f"{len(parts)} parts that no link joins; outside of the largest: {_listed(rest)}"
        yield what, "`topology.stations`, a list of nodes of one part"


def _listed(names: Any) -> str:
    """Some of them."""
    found = [str(name) for name in names]
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(found[:_SHOWN]) + more


def placed_alike(graph: Graph, nodes: Iterable[str]) -> dict[str, tuple[float, float]]:
    """Longitude and latitude of the nodes that have them; if none has, `pos`, whatever it is."""
    said = {node: graph.nodes[node] for node in nodes}
    for read in (degrees, plane):
        if found := {node: at for node, one in said.items() if (at := read(one))}:
            return found
    return {}


def _places(graph: Graph, keys: TopologySection) -> dict[str, tuple[float, float]]:
    """Where stations are, as the file has it, as far as it is known what that means."""
    nodes = chosen_nodes(graph, keys)
    at = placed_alike(graph, nodes)
    if keys.coordinates in ("km", "m"):
        return at
    if keys.coordinates is None and not any(degrees(graph.nodes[node]) for node in nodes):
        return {}
    return {node: one for node, one in at.items() if is_on_earth(one)}


def is_on_earth(at: tuple[float, float]) -> bool:
    """Whether these may be a longitude and a latitude."""
    return -180.0 <= at[0] <= 180.0 and -90.0 <= at[1] <= 90.0


def _misplaced(graph: Graph, scenario: Scenario) -> Iterator[tuple[str, str]]:
    """Stations that have no place in the area, and links that have no length."""
    keys, area = scenario.topology, scenario.area
    at = _places(graph, keys)
    on_earth = keys.coordinates in (None, "degrees")
    if on_earth and area.rectangle is None:
        if at:
            yield "its coordinates are degrees", _rectangle(at)
    else:
        outside = [
            node
            for node, (x, y) in at.items()
            for east, north in [_metres(x, y, scenario)]
            if not (0.0 <= east <= area.size[0] and 0.0 <= north <= area.size[1])
        ]
        if outside:
            allowed = _rectangle(at) if on_earth else "a larger `area.size`"
            yield f"{len(outside)} nodes lie outside of the area: {_listed(outside)}", allowed
    short = [
        f"{source} and {target}"
        for source, target in dict.fromkeys(graph.subgraph(at).edges())
        if source != target and _length(at[source], at[target], keys) == 0.0
    ]
    if short:
        what = f"{len(short)} links have a length of 0, as their ends have the same place: {_listed(short)}"
        yield what, "`topology.min_length`, or other stations"


def _wrong_speeds(graph: Graph, keys: TopologySection) -> Iterator[tuple[str, str]]:
    between: Graph = graph.subgraph(chosen_nodes(graph, keys))
    for source, target, said in between.edges(data=True):
        try:
            _speed(said)
        except (ValueError, OverflowError):
            value = as_toml(said["LinkSpeedRaw"])
            yield f"`LinkSpeedRaw` of the link of {source} and {target} is {value}", "bit/s"
            return


def _as_stations(graph: Graph, scenario: Scenario) -> Graph:
    import networkx as nx

    keys = scenario.topology
    at, mbs = _places(graph, keys), find_node(graph, keys.mbs or "")
    found: Graph = nx.DiGraph() if graph.is_directed() else nx.Graph()
    for node, (x, y) in at.items():
        east, north = _metres(x, y, scenario)
        kind = "mbs" if node == mbs else "sbs"
        # With its unit no number is asked about, however large the network.
        found.add_node(node, kind=kind, x_m=f"{east!r} m", y_m=f"{north!r} m")
    for source, target, said in graph.subgraph(at).edges(data=True):
        length = _length(at[source], at[target], keys)
        latency_s = length * keys.fibre_index / LIGHT_M_PER_S
        _join(found, source, target, latency_s, _speed(said), scenario.backhaul.capacity)
    return nx.relabel_nodes(found, station_names(graph, at))


def _metres(x: float, y: float, scenario: Scenario) -> tuple[float, float]:
    """Where a place lies in the area."""
    coordinates, rectangle = scenario.topology.coordinates, scenario.area.rectangle
    if coordinates in (None, "degrees") and rectangle is not None:
        return _projected(x, y, rectangle)
    scale = 1000.0 if coordinates == "km" else 1.0
    return scale * x, scale * y


def _length(one: tuple[float, float], other: tuple[float, float], keys: TopologySection) -> float:
    """Metres of the link between two places."""
    if keys.coordinates in (None, "degrees"):
        length = _distance(one, other)
    else:
        scale = 1000.0 if keys.coordinates == "km" else 1.0
        length = scale * hypot(one[0] - other[0], one[1] - other[1])
    return max(length, keys.min_length or 0.0)


def _projected(longitude: float, latitude: float, rectangle: Rectangle) -> tuple[float, float]:
    x, y = rectangle.scale
    return (longitude - rectangle.west) * x, (latitude - rectangle.south) * y


def _rectangle(at: Mapping[str, tuple[float, float]]) -> str:
    return f"`area.rectangle` around them, as in rectangle = {around(at.values())}"


def _distance(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Metres along the great circle between two points of longitude and latitude, by the haversine."""
    (west, south), (east, north) = (tuple(map(radians, point)) for point in (one, other))
    half = sin((north - south) / 2) ** 2 + cos(south) * cos(north) * sin((east - west) / 2) ** 2
    return 2.0 * EARTH_RADIUS_M * asin(sqrt(min(half, 1.0)))


def _speed(said: Mapping[str, Any]) -> float | None:
    """Bit/s of a link, where it says; 0 stands for what is not known.

    Raises:
        ValueError: it is no number, or negative.
        OverflowError: it is larger than any.
    """
    value = said.get("LinkSpeedRaw")
    if value is None:
        return None
    if not isinstance(value, int | float | str) or not 0.0 <= (speed := float(value)) < float(
        "inf"
    ):
        raise ValueError(value)
    return speed or None


def _join(
    graph: Graph,
    source: str,
    target: str,
    latency_s: float,
    speed: float | None,
    usual_bps: float | None,
) -> None:
    """Add a link, or the capacity of one to that which is there; of who does not say it has the usual one."""
    if not graph.has_edge(source, target):
        known = {} if speed is None else {"capacity_bps": speed}
        graph.add_edge(source, target, latency_s=latency_s, **known)
        return
    link = graph.edges[source, target]
    link["latency_s"] = min(latency_s, link["latency_s"])
    both = (link.pop("capacity_bps", None) or usual_bps, speed or usual_bps)
    if both[0] is not None and both[1] is not None:  # else one of them is unlimited, and both are
        link["capacity_bps"] = both[0] + both[1]
