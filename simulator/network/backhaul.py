"""The backhaul: the links over which the SBSs' reports reach the MBS, and how long that takes."""

from heapq import heappop, heappush
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from ..core.arrays import BoolArray, FloatArray, IntArray
from ..core.clock import NANOSECONDS, NEVER_NS
from ..core.compiled import compiled
from .topology import Topology

if TYPE_CHECKING:
    import networkx as nx

LOST = NEVER_NS
"""The arrival time of a report that never arrives."""

_NEVER_NS = 1 << 61
"""A link that is busy until then, in 73 years, takes no report any more."""

_CACHED = 1 << 20
"""Stations times patterns of working stations whose routes are kept, about."""


class _Routes(NamedTuple):
    """From each station to the MBS.

    Attributes:
        links: (B, most hops) the links of its path in order, -1 after the last.
        latency_ns: (B,) the sum of their latencies; `LOST` where there is no path.
    """

    links: IntArray
    latency_ns: IntArray


class Backhaul:
    """Carries the stations' reports to the MBS, all replications in lock-step.

    A report takes the path with the least latency, and of two such the one with fewer links, over
    stations that are up when it leaves. A station that is down still sends its own reports but
    relays none. A link sends one report after another, each for size / capacity, in the order in
    which they reach it, and those of an earlier round first; of two that reach it together, that of
    the station with the lower number. Each direction of a link sends by itself.

    Args:
        topology: the stations and their links.
        report_bits: size of a report.
        replications: R.
        ideal: every report arrives as it leaves, whatever the links are.

    Attributes:
        instant: True if every report arrives as it leaves, whichever stations are down.
        free_ns: (R, links) from when on each link can send another report.
    """

    remembers: ClassVar[tuple[str, ...]] = ("free_ns",)

    def __init__(
        self, topology: Topology, report_bits: float, replications: int, *, ideal: bool = False
    ) -> None:
        links = topology.links
        self._topology = topology
        self._latency_ns = _ns(links.latency_s)
        self._sending_ns = _ns(report_bits / links.capacity_bps)
        self.free_ns: IntArray = np.zeros((replications, len(links.source)), dtype=np.int64)
        at_once = (self._latency_ns == 0) & (self._sending_ns == 0) & (links.target == 0)
        without_delay = set(links.source[at_once].tolist())
        self.instant = ideal or set(range(1, topology.stations)) <= without_delay
        # Only where one SBS hears another does it matter which of them are up.
        self._relays = np.setdiff1d(links.target[links.source > 0], 0)
        self._graph: nx.DiGraph[int] | None = None
        self._known: dict[bytes, _Routes] = {}

    def arrival_ns(self, now_ns: int, up: BoolArray) -> IntArray:
        """When reports that all stations send now reach the MBS.

        Args:
            now_ns: not before that of the last call.
            up: (R, B) True where a station works and can relay.

        Returns:
            (R, B) ns; `LOST` where no path leads to the MBS, and now for the MBS's own.
        """
        if self.instant:
            return np.full(up.shape, now_ns, dtype=np.int64)
        routes = [self._routes(row) for row in up]
        if not self._sending_ns.any():  # nobody waits
            delay_ns = np.stack([route.latency_ns for route in routes])
            return np.where(delay_ns == LOST, LOST, now_ns + delay_ns)
        return np.stack(
            [
                _forward(now_ns, route.links, self._sending_ns, self._latency_ns, free_ns)
                for route, free_ns in zip(routes, self.free_ns, strict=True)
            ]
        )

    def path(self, station: int, up: BoolArray) -> list[int]:
        """The links, by number, that a report of the station takes to the MBS.

        Args:
            station: by number.
            up: (B,) which stations are up.

        Returns:
            None of them for the MBS, and where there is no path.
        """
        links = self._routes(up).links[station]
        return [int(link) for link in links if link >= 0]

    def _routes(self, up: BoolArray) -> _Routes:
        """All paths while these stations (B,) are up; looked for once for each pattern."""
        key = up[self._relays].tobytes()
        if key not in self._known:
            if len(self._known) * len(up) > _CACHED:
                self._known.clear()
            self._known[key] = self._find(up)
        return self._known[key]

    def _find(self, up: BoolArray) -> _Routes:
        import networkx as nx

        if self._graph is None:
            self._graph = nx.DiGraph()
            self._graph.add_nodes_from(range(self._topology.stations))
            ends = zip(self._topology.links.source, self._topology.links.target, strict=True)
            for number, (source, target) in enumerate(ends):
                # Whole numbers of any length: the latency first, then the number of links.
                cost = int(self._latency_ns[number]) * self._topology.stations + 1
                self._graph.add_edge(int(source), int(target), number=number, cost=cost)
        graph = self._graph
        view = nx.subgraph_view(graph, filter_edge=lambda _, b: b == 0 or bool(up[b]))
        paths = nx.shortest_path(view, target=0, weight="cost")
        links = np.full((len(graph), max(map(len, paths.values()))), -1, dtype=np.int64)
        latency_ns = np.full(len(graph), LOST)
        for station, path in paths.items():
            taken = [graph.edges[hop]["number"] for hop in pairwise(path)]
            links[station, : len(taken)] = taken
            latency_ns[station] = min(sum(self._latency_ns[taken].tolist()), _NEVER_NS)
        return _Routes(links, latency_ns)


def _ns(seconds: FloatArray) -> IntArray:
    return np.minimum(np.round(seconds * NANOSECONDS), _NEVER_NS).astype(np.int64)


@compiled
def _forward(
    now_ns: int, route: IntArray, sending_ns: IntArray, latency_ns: IntArray, free_ns: IntArray
) -> IntArray:
    """(B,) when the reports of one replication arrive; `free_ns` goes on to when the links are free.

    From event to event, each the arrival of a report at a link of its path.
    """
    stations, most = route.shape
    arrival_ns = np.full(stations, LOST)
    arrival_ns[0] = now_ns
    events = [(now_ns, j, 0) for j in range(1, stations) if route[j, 0] >= 0]
    while len(events) > 0:
        reached_ns, j, hop = heappop(events)
        link = route[j, hop]
        sent_ns = max(reached_ns, free_ns[link]) + sending_ns[link]
        if sent_ns >= _NEVER_NS:
            continue
        free_ns[link] = sent_ns
        reached_ns = sent_ns + latency_ns[link]
        if hop + 1 < most and route[j, hop + 1] >= 0:
            heappush(events, (reached_ns, j, hop + 1))
        else:
            arrival_ns[j] = reached_ns
    return arrival_ns
