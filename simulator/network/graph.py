"""The network as it is now: its parameters, and a networkx graph that follows the simulation."""

from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import BoolArray, FloatArray, IntArray
from .cells import Cells
from .network import Network
from .topology import Topology

if TYPE_CHECKING:
    from .topology import Graph


class Followed(Protocol):
    """A world's state, whose columns are replaced and never written into."""

    position_m: FloatArray
    present: BoolArray
    cells: Cells
    carbon_g_per_j: FloatArray
    station_up: BoolArray


@dataclass(frozen=True)
class Placement:
    """What of a network changes.

    Attributes:
        position_m: (R, N, 2) of the devices; None before they are placed.
        station: (R, N) their stations; None before they have chosen.
        up: (R, B) which stations are up; None for all.
        present: (R, N) which devices are there; None for all.
        carbon_g_per_j: (R, B) what is told of the stations' carbon intensity; None if nothing is.
    """

    position_m: FloatArray | None = None
    station: IntArray | None = None
    up: BoolArray | None = None
    present: BoolArray | None = None
    carbon_g_per_j: FloatArray | None = None


class LiveNetwork(Network):
    """A network's parameters, and the graph G = (U, B, epsilon) of what is true of it now.

    Stations and backhaul are there from the start. The devices join when a replication's graph is
    first asked for, and it is brought up to date whenever it is asked for, by what has changed since
    the last time: a run of many devices that never asks pays nothing for them. It is for reading; a
    copy of it can be kept and changed.

    Args:
        network: the parameters.
        topology: the stations and the backhaul.

    Attributes:
        topology: the same.
    """

    def __init__(self, network: Network, topology: Topology) -> None:
        super().__init__(**{field.name: getattr(network, field.name) for field in fields(network)})
        self.topology = topology
        self._state: Followed | Placement = Placement()
        self._graphs: dict[int, NetworkGraph] = {}

    @cached_property
    def stations_graph(self) -> "Graph":
        """Stations and backhaul alone, which do not change."""
        return self.topology.graph()

    def follow(self, state: Followed | Placement) -> None:
        """Show from now on what this state holds, whenever the graph is asked for."""
        self._state = state

    @property
    def present(self) -> BoolArray:
        """(R, N) which devices are there now."""
        present = self._state.present
        return np.ones((self.replications, self.devices), np.bool_) if present is None else present

    @property
    def carbon_g_per_j(self) -> FloatArray:
        """(R, B) what decisions are told of the stations' carbon intensity now, g/J; zero before anything is."""
        carbon = self._state.carbon_g_per_j
        return np.zeros((self.replications, self.stations)) if carbon is None else carbon

    @property
    def graph(self) -> "Graph":
        """The graph of the first replication; see `graph_of`."""
        return self.graph_of(0)

    def graph_of(self, replication: int) -> "Graph":
        """The network of one replication as it is now, as a directed graph.

        Nodes are the stations, by name, and "device-0", "device-1", …; each has its `kind` ("mbs",
        "sbs" or "device"), `position_m` (x, y) and `cpu_hz`. Stations have `coverage_m`,
        `bandwidth_hz` and `up`, devices `power_max_w`. Edges go from each device that is there to its station
        (`kind` "access", `distance_m`), and between stations (`kind` "backhaul", `latency_s`,
        `capacity_bps`, infinite where it is unlimited).

        Raises:
            IndexError: there is no such replication.
        """
        if not 0 <= replication < self.replications:
            raise IndexError(f"replication {replication} of {self.replications}")
        if replication not in self._graphs:
            columns = self.device_cpu_hz, self.device_power_max_w
            self._graphs[replication] = NetworkGraph(
                self.stations_graph, self.topology, *columns, replication
            )
        return self._graphs[replication].at(_placement(self._state))


def _placement(state: Followed | Placement) -> Placement:
    if isinstance(state, Placement):
        return state
    return Placement(state.position_m, state.cells.station, state.station_up, state.present)


class NetworkGraph:
    """The graph of one replication, brought up to date whenever it is asked for; see `LiveNetwork`.

    Args:
        stations: the graph of the topology, which is copied.
        topology: the stations and the backhaul.
        device_cpu_hz: (N,) f_i^l.
        device_power_max_w: (N,) the radio's limit.
        replication: the row of a placement that it shows.
    """

    def __init__(
        self,
        stations: "Graph",
        topology: Topology,
        device_cpu_hz: FloatArray,
        device_power_max_w: FloatArray,
        replication: int = 0,
    ) -> None:
        self._topology = topology
        self._replication = replication
        self._graph = stations.copy()
        for name in topology.station_names:
            self._graph.nodes[name]["up"] = True
        for i, (cpu_hz, power_w) in enumerate(zip(device_cpu_hz, device_power_max_w, strict=True)):
            attributes = {"cpu_hz": float(cpu_hz), "power_max_w": float(power_w)}
            self._graph.add_node(f"device-{i}", kind="device", **attributes)
        self._shown = Placement()

    def at(self, now: Placement) -> "Graph":
        """The graph, made to show what is true now."""
        before, self._shown = self._shown, now
        graph, r = self._graph, self._replication
        moved, joined, switched, came_or_went = (
            _changed(one, other, r)
            for one, other in (
                (now.position_m, before.position_m),
                (now.station, before.station),
                (now.up, before.up),
                (now.present, before.present),
            )
        )
        joined = np.union1d(joined, came_or_went)
        if now.position_m is not None:
            for i, (x_m, y_m) in zip(
                moved.tolist(), now.position_m[r, moved].tolist(), strict=True
            ):
                graph.nodes[f"device-{i}"]["position_m"] = x_m, y_m
        for i in joined.tolist():
            graph.remove_edges_from(list(graph.out_edges(f"device-{i}")))
        if now.position_m is not None and now.station is not None:
            devices = np.union1d(moved, joined)
            if now.present is not None:
                devices = devices[now.present[r, devices]]
            station = now.station[r, devices]
            apart_m = now.position_m[r, devices] - self._topology.station_position_m[station]
            columns = (
                devices,
                station,
                np.sqrt(apart_m[:, 0] * apart_m[:, 0] + apart_m[:, 1] * apart_m[:, 1]),
            )
            for i, j, distance_m in zip(*(column.tolist() for column in columns), strict=True):
                name = self._topology.station_names[j]
                graph.add_edge(f"device-{i}", name, kind="access", distance_m=distance_m)
        if now.up is not None:
            for j in switched.tolist():
                graph.nodes[self._topology.station_names[j]]["up"] = bool(now.up[r, j])
        return graph


def _changed(now: NDArray[Any] | None, before: NDArray[Any] | None, replication: int) -> IntArray:
    """The devices, or stations, of which something differs in a replication."""
    if now is None or now is before:
        return np.zeros(0, dtype=np.int64)
    rows = now[replication]
    if before is None:
        return np.arange(len(rows))
    differs = rows != before[replication]
    return np.flatnonzero(differs.reshape(len(rows), -1).any(axis=1))
