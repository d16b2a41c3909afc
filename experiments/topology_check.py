"""What a file of a topology is, and the keys with which a scenario may name it."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..scenarios.data.graphs import (
    Graph,
    chosen_nodes,
    degrees,
    is_on_earth,
    place,
    placed_alike,
    read_graph,
)
from ..scenarios.data.positions import around
from ..scenarios.errors import as_toml
from ..scenarios.sections import TopologySection
from ..scenarios.validation import validate


def topology_facts(path: Path, keys: Mapping[str, Any]) -> dict[str, str | int | float]:
    """Nodes and links, what they say, and what they do not.

    Args:
        path: of the file.
        keys: of [topology], which say how it is read.

    Raises:
        ScenarioError: it cannot be read, or a key is unknown.
    """
    import networkx as nx

    given = validate(TopologySection, keys, "--set")
    graph = read_graph(path)
    said = [attributes for _, attributes in graph.nodes(data=True)]
    links = [attributes for _, _, attributes in graph.edges(data=True)]
    parts = list(nx.connected_components(graph.to_undirected()))
    facts: dict[str, str | int | float] = {
        "nodes": len(said),
        "attributes of nodes": _names(said),
        "links": len(links),
        "attributes of links": _names(links),
        "links without `LinkSpeedRaw`": sum("LinkSpeedRaw" not in one for one in links),
        "links beside another": sum(count - 1 for count in _pairs(graph).values()),
        "links to the same node": nx.number_of_selfloops(graph),
        "links of length 0": _short(graph),
        "parts that no link joins": len(parts),
    }
    file = as_toml(path.name.removesuffix(".gz"))
    if any("kind" in one for one in said):
        kinds = Counter(str(one.get("kind")) for one in said)
        facts["kinds"] = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items())
        facts["becomes"] = f"[topology] file = {file}"
        return facts
    placed = [found for one in said if (found := place(one))]
    facts["nodes with coordinates"] = len(placed)
    named = any(degrees(one) for one in said)
    facts["coordinates"] = "Longitude, Latitude" if named else "`pos`" if placed else "none"
    if any("Internal" in one for one in said):
        facts["nodes with `Internal` = 1"] = sum(one.get("Internal") in (1, True) for one in said)
    facts["node of most links"] = _central(graph, list(graph))
    if odd := sum(not is_on_earth(one) for one in placed):
        facts["coordinates that are no degrees"] = odd
        for axis, values in zip("xy", zip(*placed, strict=True), strict=True):
            facts[axis] = f"{min(values):.9g} to {max(values):.9g}"
    elif placed:
        facts["area"] = around(placed)
    wanted, area = _wanted(graph, given)
    written = {key: json.dumps(value, ensure_ascii=False) for key, value in keys.items()}
    inner = ", ".join(f"{key} = {value}" for key, value in (wanted | written).items())
    facts["becomes"] = f'[topology] file = {file}, {inner}, with {area}[twin] sync = "periodic"'
    return facts


def _wanted(graph: Graph, given: TopologySection) -> tuple[dict[str, str], str]:
    """Keys for what a graph does not say, as TOML, "…" where nobody but the user knows; and the area."""
    wanted: dict[str, str] = {}
    if given.stations == "all" and (found := _stations(graph)) != list(graph):
        internal = chosen_nodes(graph, TopologySection(stations="internal"))
        # A list is not cut, however long: it is to be copied.
        wanted["stations"] = json.dumps("internal" if internal == found else found)
    else:
        found = chosen_nodes(graph, given)
    wanted["mbs"] = json.dumps(_central(graph, found) if found else "…", ensure_ascii=False)
    at = placed_alike(graph, found)
    on_earth = all(map(is_on_earth, at.values())) and given.coordinates in (None, "degrees")
    if at and not any(degrees(graph.nodes[node]) for node in found):
        wanted["coordinates"] = '"degrees"' if on_earth else '"…"'
    between: Graph = graph.subgraph(found)
    if max(_pairs(between).values(), default=0) > 1:
        wanted["parallel"] = '"join"'
    if _short(between):
        wanted["min_length"] = '"… m"'
    area = f"[area] rectangle = {around(at.values())}, " if at and on_earth else ""
    return wanted, area


def _stations(graph: Graph) -> list[str]:
    """The nodes that have coordinates, of the largest part that links join."""
    import networkx as nx

    placed: Graph = graph.subgraph(placed_alike(graph, list(graph)))
    if not placed:
        return list(graph)
    part = max(nx.connected_components(placed.to_undirected()), key=len)
    return [node for node in graph if node in part]


def _central(graph: Graph, nodes: list[str]) -> str:
    return max(nodes, key=lambda node: int(graph.degree(node)))


def _names(said: list[dict[str, Any]]) -> str:
    return ", ".join(dict.fromkeys(str(key) for one in said for key in one)) or "none"


def _pairs(graph: Graph) -> Counter[Any]:
    """How many links there are between two nodes; of a directed graph, in each direction."""
    ends = (ends for ends in graph.edges() if ends[0] != ends[1])
    return Counter(ends if graph.is_directed() else map(frozenset, ends))


def _short(graph: Graph) -> int:
    """Links between two nodes at the same place."""
    at = {node: place(said) for node, said in graph.nodes(data=True)}
    return sum(a != b and at[a] is not None and at[a] == at[b] for a, b in graph.edges())
