"""Stations and backhaul from a file that networkx reads: GraphML, GML, or node-link JSON."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..base import Section
from ..errors import Issue, ScenarioError, as_toml
from ..schema import Scenario
from ..sections import MAX_STATIONS, MbsSection, Point, SbsSection
from ..units import BitsPerSecond, Metres, PositiveHertz, PositiveMetres, Seconds
from ..validation import ModelT, validate
from .graphs import DEVICE, Graph, check_said, read_graph, says_kinds, stations_of

_ISSUES = 10
"""A file with more that is wrong is of another kind: no use to list it all."""


class _Station(Section):
    """What a node may say; `up` is what the network was when it was exported."""

    kind: Literal["mbs", "sbs", "device"]
    position_m: Point | None = None
    x_m: Metres | None = None
    y_m: Metres | None = None
    coverage_m: PositiveMetres | None = None
    bandwidth_hz: PositiveHertz | None = None
    cpu_hz: PositiveHertz | None = None
    up: bool = True


class _Link(Section):
    """What an edge between stations may say."""

    kind: Literal["backhaul"] = "backhaul"
    latency_s: Seconds | None = None
    capacity_bps: Annotated[BitsPerSecond, Field(gt=0)] | None = None


class TopologyColumns(NamedTuple):
    """Stations, the MBS first and the SBSs in the file's order, and directed links, in order.

    Attributes:
        names: B node names.
        position_m: (B, 2).
        coverage_m: (B,) infinite for the MBS.
        bandwidth_hz: (B,).
        cpu_hz: (B,).
        source: (L,) number of the station at which a link begins.
        target: (L,) number of the station at which it ends.
        latency_s: (L,).
        capacity_bps: (L,) bit/s; infinite where unlimited.
    """

    names: tuple[str, ...]
    position_m: NDArray[np.float64]
    coverage_m: NDArray[np.float64]
    bandwidth_hz: NDArray[np.float64]
    cpu_hz: NDArray[np.float64]
    source: NDArray[np.int64]
    target: NDArray[np.int64]
    latency_s: NDArray[np.float64]
    capacity_bps: NDArray[np.float64]


def read_topology(path: Path, scenario: Scenario) -> TopologyColumns:
    """The stations and links of a file; what it leaves out is as in [stations] and [backhaul].

    Args:
        path: ends in .graphml, .gml or .json; each may be compressed, .gz.
        scenario: has those sections, and the area.

    Raises:
        ScenarioError: with all that is wrong, by node, edge and attribute.
    """
    graph = stations_of(read_graph(path), path, scenario)
    stations, links = _looked_at(graph, path, scenario.area.size)
    return _columns(stations, links, scenario)


def check_topology(path: Path, scenario: Scenario) -> None:
    """Look at a file where it is not known what area it is for.

    Raises:
        ScenarioError: with all that is wrong but places.
    """
    graph = read_graph(path)
    check_said(graph, path, scenario.topology)
    if says_kinds(graph):
        _looked_at(graph, path, (np.inf, np.inf))


def _looked_at(
    graph: Graph, path: Path, size: tuple[float, float]
) -> tuple[dict[Any, _Station], dict[tuple[Any, Any], _Link]]:
    """Stations and links of a graph.

    Raises:
        ScenarioError: with all that is wrong, by node, edge and attribute.
    """
    issues: list[Issue] = []

    def checked(model: type[ModelT], attributes: Mapping[str, Any], where: str) -> ModelT | None:
        try:
            return validate(model, attributes, str(path), prefix=(where,))
        except ScenarioError as error:
            issues.extend(error.issues)
            return None

    devices = {node for node, said in graph.nodes(data=True) if said.get("kind") == "device"}
    stations: dict[Any, _Station | None] = {
        node: checked(_Station, _finite(attributes), f"node {node}")
        for node, attributes in graph.nodes(data=True)
        if node not in devices
    }
    links: dict[tuple[Any, Any], _Link | None] = {}
    for source, target, attributes in graph.edges(data=True):
        if not {source, target} & devices:
            link = checked(_Link, _unlimited(attributes), f"edge ({source}, {target})")
            links[source, target] = link
            if not graph.is_directed():
                links[target, source] = link
    found = [*_wrong_nodes(stations, size), *_wrong_edges(graph, stations)]
    issues += [Issue(str(path), what, key, value, allowed) for key, value, what, allowed in found]
    if issues:
        raise ScenarioError(issues[:_ISSUES])
    known = {node: station for node, station in stations.items() if station is not None}
    return known, {ends: link for ends, link in links.items() if link}


def _finite(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Without the MBS's coverage, if it is without end."""
    endless = attributes.get("kind") == "mbs" and attributes.get("coverage_m") == np.inf
    return {key: v for key, v in attributes.items() if not (endless and key == "coverage_m")}


def _unlimited(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """With None for a capacity without limit."""
    return {
        key: None if key == "capacity_bps" and value == np.inf else value
        for key, value in attributes.items()
    }


_Found = tuple[str, str | None, str, str]
"""Node or edge with its attribute, value, what is wrong, and what would be right."""


def _wrong_nodes(
    stations: Mapping[str, _Station | None], size: tuple[float, float]
) -> Iterator[_Found]:
    mbss = [node for node, station in stations.items() if station and station.kind == "mbs"]
    if not mbss and None not in stations.values():
        yield "", None, 'no node with kind = "mbs"', "one"
    for node in mbss[1:]:
        yield f"node {node}.kind", '"mbs"', f"{mbss[0]} is the MBS already", "one"
    if len(stations) > MAX_STATIONS + 1:
        yield "", None, f"{len(stations)} stations", f"<= {MAX_STATIONS + 1}"
    for node, station in stations.items():
        where = f"node {node}"
        if DEVICE.fullmatch(node):
            yield where, None, "a station with the name of a device", 'others than "device-0", …'
        if station is None:
            continue
        if station.kind == "mbs" and station.coverage_m is not None:
            value = f"{station.coverage_m:g}"
            yield f"{where}.coverage_m", value, "the MBS reaches everywhere", "not given, or inf"
        either = (station.x_m, station.y_m) != (None, None)
        if (station.position_m is not None) == either or (
            either and None in (station.x_m, station.y_m)
        ):
            what = "given twice" if station.position_m else "missing" if not either else "not whole"
            yield (
                where,
                None,
                f"its position is {what}",
                "`x_m` and `y_m`, or `position_m` = [x, y]",
            )
            continue
        x, y = _position(station)
        if x > size[0] or y > size[1]:
            allowed = f"x <= {size[0]:g} m, y <= {size[1]:g} m"
            yield where, as_toml([x, y]), "lies outside of the area", allowed


def _wrong_edges(graph: "Graph", stations: Mapping[str, _Station | None]) -> Iterator[_Found]:
    import networkx as nx

    between: Graph = graph.subgraph(stations)
    for node in nx.nodes_with_selfloops(between):
        yield f"edge ({node}, {node})", None, "from a station to itself", "between two stations"
    parallel = Counter(between.edges()) if between.is_multigraph() else {}
    for (source, target), count in parallel.items():
        if count > 1:
            yield f"edge ({source}, {target})", None, f"there {count} times", "once"
    mbss = [node for node, station in stations.items() if station and station.kind == "mbs"]
    reached = {node for mbs in mbss for node in (mbs, *nx.ancestors(between, mbs))}
    for node in stations:
        if mbss and node not in reached:
            what = "no edges lead from it to the MBS"
            yield f"node {node}", None, what, "a way for its reports"


def _position(station: _Station) -> tuple[float, float]:
    return station.position_m or (station.x_m or 0.0, station.y_m or 0.0)


def _columns(
    stations: Mapping[str, _Station], links: Mapping[tuple[str, str], _Link], scenario: Scenario
) -> TopologyColumns:
    order = sorted(stations, key=lambda name: stations[name].kind != "mbs")
    number = {name: j for j, name in enumerate(order)}
    rows = [stations[name] for name in order]
    defaults: list[MbsSection | SbsSection] = [
        scenario.stations.mbs,
        *[scenario.stations.sbs] * (len(rows) - 1),
    ]
    latency_s, capacity_bps = scenario.backhaul.latency, scenario.backhaul.capacity
    ends = sorted((number[source], number[target]) for source, target in links)
    ordered = [links[order[source], order[target]] for source, target in ends]
    source, target = np.array(ends, dtype=np.int64).reshape(-1, 2).T
    return TopologyColumns(
        names=tuple(order),
        position_m=np.array([_position(row) for row in rows]),
        coverage_m=np.array(
            [np.inf, *(row.coverage_m or scenario.stations.sbs.coverage for row in rows[1:])]
        ),
        bandwidth_hz=np.array(
            [row.bandwidth_hz or one.bandwidth for row, one in zip(rows, defaults, strict=True)]
        ),
        cpu_hz=np.array([row.cpu_hz or one.cpu for row, one in zip(rows, defaults, strict=True)]),
        source=source,
        target=target,
        latency_s=np.array(
            [latency_s if link.latency_s is None else link.latency_s for link in ordered]
        ),
        capacity_bps=np.array(
            [
                (link.capacity_bps if "capacity_bps" in link.model_fields_set else capacity_bps)
                or np.inf
                for link in ordered
            ]
        ),
    )
