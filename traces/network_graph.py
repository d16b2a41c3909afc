"""The network of a trace as a networkx graph, and as a file that other programs read."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..simulator.core.outputs import replaced
from ..simulator.network.graph import NetworkGraph, Placement
from ..simulator.network.topology import Links, Topology
from .file_errors import indices, reported
from .reader import Trace, TraceError, open_trace

if TYPE_CHECKING:
    import xarray as xr

    from ..simulator.network.topology import Graph

SUFFIXES = (".graphml", ".json")
"""Of the files that `export_graph` writes."""


def recorded_topology(trace: Trace) -> Topology:
    """The stations and the backhaul of a trace.

    Raises:
        TraceError: it has level "summary", is of an earlier version, or is torn.
    """
    slots, network = trace.slots, _network(trace)
    stations = slots.sizes["station"]
    source, target = (
        indices(network[name].values.astype(np.int64), stations, trace.path)
        for name in ("link_source", "link_target")
    )
    latency_s, capacity_bps = network["link_latency_s"].values, network["link_capacity_bps"].values
    return Topology(
        area_m=np.array(trace.attrs["area_m"]),
        station_names=tuple(str(name) for name in slots["station_name"].values),
        station_position_m=np.stack([slots["station_x_m"], slots["station_y_m"]], axis=1),
        coverage_m=slots["station_coverage_m"].values,
        station_bandwidth_hz=network["station_bandwidth_hz"].values,
        station_cpu_hz=network["station_cpu_hz"].values,
        links=Links(source, target, latency_s, capacity_bps),
    )


def backhaul_pairs(trace: Trace) -> list[tuple[int, int]]:
    """The pairs of stations that a backhaul link joins, by number; none in an earlier version's trace.

    Raises:
        TraceError: the trace is torn.
    """
    if trace.network is None:
        return []
    links = recorded_topology(trace).links
    ends = np.sort(np.stack([links.source, links.target], axis=1), axis=1)
    return [(int(one), int(other)) for one, other in np.unique(ends, axis=0)]


def network_graph(trace: Trace, slot: int | None = None, replication: int = 0) -> "Graph":
    """Stations, backhaul, devices and their association in one slot, as `LiveNetwork.graph` had them.

    Args:
        trace: open.
        slot: the last one that was recorded if not given.
        replication: whose devices.

    Raises:
        TraceError: there is no such slot or replication, the trace has level "summary", is of an
            earlier version, or is torn.
    """
    topology, network, recorded = recorded_topology(trace), _network(trace), trace.slots
    known = recorded["slot"].values
    if not len(known):
        raise TraceError(f"{trace.path}: no slot was recorded")
    slot = int(known[-1]) if slot is None else slot
    if slot not in known:
        raise TraceError(f"{trace.path}: no slot {slot}; it has {known[0]} to {known[-1]}")
    if not 0 <= replication < recorded.sizes["replication"]:
        raise TraceError(f"{trace.path}: no replication {replication}")
    # As a part of one replication and slot, with those two axes.
    then = recorded.isel(replication=[replication], slot=np.flatnonzero(known == slot)[:1])
    station = indices(then["serving_station"].values[:, 0], len(topology.station_names), trace.path)
    placement = Placement(
        np.stack([then["x_m"].values[:, 0], then["y_m"].values[:, 0]], axis=-1),
        station,
        then["station_up"].values[:, 0] > 0 if "station_up" in then else None,
        then["present"].values[:, 0] > 0 if "present" in then else None,
    )
    columns = network["device_cpu_hz"].values, network["device_power_max_w"].values
    return NetworkGraph(topology.graph(), topology, *columns).at(placement)


def export_graph(
    path: str | Path, target: str | Path, slot: int | None = None, replication: int = 0
) -> Path:
    """Write the graph of a trace's network, which `[topology] file` of a scenario reads.

    GraphML has no pairs, so there a position is `x_m` and `y_m`; JSON has
    no infinity, so there it is null.

    Args:
        path: of the trace.
        target: the file: GraphML if it ends in .graphml, node-link JSON if in .json.
        slot: see `network_graph`.
        replication: see `network_graph`.

    Returns:
        The target.

    Raises:
        TraceError: as `network_graph`.
        ValueError: another format.
        OSError: the file cannot be written.
    """
    import networkx as nx

    target = Path(target)
    if target.suffix not in SUFFIXES:
        raise ValueError(f"{target}: a graph ends in {', '.join(SUFFIXES)}")
    with open_trace(path) as trace, reported(path):
        graph = network_graph(trace, slot, replication)
    if target.suffix == ".json":
        data = nx.node_link_data(graph, edges="edges")
        parts = {name: [_finite(row) for row in data[name]] for name in ("nodes", "edges")}
        with reported(path):
            text = json.dumps(data | parts, indent=1, allow_nan=False)
    with replaced(target) as hidden:
        if target.suffix == ".json":
            hidden.write_text(text + "\n", encoding="utf-8")
        else:
            for _, attributes in graph.nodes(data=True):
                attributes["x_m"], attributes["y_m"] = attributes.pop("position_m")
            nx.write_graphml(graph, hidden)
    return target


def _finite(attributes: dict[str, Any]) -> dict[str, Any]:
    return {key: value if _is_json(value) else None for key, value in attributes.items()}


def _is_json(value: object) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _network(trace: Trace) -> "xr.Dataset":
    if trace.network is None:
        raise TraceError(f"{trace.path}: an earlier version recorded it, without the backhaul")
    return trace.network
