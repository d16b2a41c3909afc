"""What stands still: the area, the stations, and the backhaul links between them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..core.arrays import FloatArray, IntArray
from ..core.compiled import compiled
from ..core.elementary import unit_vector
from ..core.randomness import Generators

if TYPE_CHECKING:
    import networkx as nx

    Graph = nx.DiGraph[str]


class Links(NamedTuple):
    """Directed links between stations.

    Attributes:
        source: (L,) number of the station at which each begins.
        target: (L,) number of the station at which it ends.
        latency_s: (L,) from the end of sending to the arrival.
        capacity_bps: (L,) bit/s; infinite where sending takes no time.
    """

    source: IntArray
    target: IntArray
    latency_s: FloatArray
    capacity_bps: FloatArray


@dataclass(frozen=True)
class Topology:
    """The area and the stations, as columns. Station 0 is the MBS.

    Attributes:
        area_m: (2,) width and height; coordinates run from (0, 0) to (width, height).
        station_names: B names.
        station_position_m: (B, 2).
        coverage_m: (B,) the radius within which a station serves; infinite for the MBS.
        station_bandwidth_hz: (B,) w_j, A(14a).
        station_cpu_hz: (B,) f_j^e, A(14d).
        links: the backhaul.
    """

    area_m: FloatArray
    station_names: tuple[str, ...]
    station_position_m: FloatArray
    coverage_m: FloatArray
    station_bandwidth_hz: FloatArray
    station_cpu_hz: FloatArray
    links: Links

    @property
    def stations(self) -> int:
        """B = M + 1, the MBS included."""
        return len(self.station_names)

    def distance_m(self, position_m: FloatArray) -> FloatArray:
        """(R, N, 2) positions of devices -> (R, N, B) r_ij, their distances to the stations."""
        return distances_m(position_m, self.station_position_m)

    def graph(self) -> "Graph":
        """The stations and the backhaul as a directed graph.

        Nodes are the stations, by name, with `kind` ("mbs" or "sbs"), `position_m` (x, y),
        `coverage_m`, `bandwidth_hz` and `cpu_hz`; edges are the links, with `kind` "backhaul",
        `latency_s` and `capacity_bps`.
        """
        import networkx as nx

        graph: Graph = nx.DiGraph()
        for j, name in enumerate(self.station_names):
            graph.add_node(
                name,
                kind="sbs" if j else "mbs",
                position_m=tuple(self.station_position_m[j].tolist()),
                coverage_m=float(self.coverage_m[j]),
                bandwidth_hz=float(self.station_bandwidth_hz[j]),
                cpu_hz=float(self.station_cpu_hz[j]),
            )
        for source, target, latency_s, capacity_bps in zip(*self.links, strict=True):
            graph.add_edge(
                self.station_names[source],
                self.station_names[target],
                kind="backhaul",
                latency_s=float(latency_s),
                capacity_bps=float(capacity_bps),
            )
        return graph


def station_names(sbs: int) -> tuple[str, ...]:
    """The MBS is "mbs", the SBSs are "sbs-1", "sbs-2" and so on."""
    return ("mbs", *(f"sbs-{j}" for j in range(1, sbs + 1)))


def star(sbs: int, latency_s: float = 0.0, capacity_bps: float = np.inf) -> Links:
    """Links from each of so many SBSs to the MBS, and back, all alike."""
    number = np.arange(1, sbs + 1)
    mbs = np.zeros_like(number)
    return Links(
        np.concatenate([mbs, number]),
        np.concatenate([number, mbs]),
        np.full(2 * sbs, latency_s),
        np.full(2 * sbs, capacity_bps),
    )


def circle(centre_m: FloatArray, radius_m: float, count: int) -> FloatArray:
    """(count, 2) points evenly spaced on a circle; the first lies due east of its centre."""
    points = np.array([unit_vector(k, count) for k in range(count)]).reshape(count, 2)
    return centre_m + radius_m * points


def uniform(devices: int, area_m: FloatArray, rngs: Generators) -> FloatArray:
    """(R, N, 2) points uniform in the area, each replication's from its own generator.

    More devices leave the places of the first ones as they are.
    """
    return np.stack([rng.random((devices, 2)) for rng in rngs]) * area_m


@compiled
def distances_m(position_m: FloatArray, station_position_m: FloatArray) -> FloatArray:
    """(R, N, B) distances of (R, N, 2) devices to (B, 2) stations."""
    replications, devices, _ = position_m.shape
    stations = len(station_position_m)
    distance_m = np.empty((replications, devices, stations))
    for r in range(replications):
        for i in range(devices):
            for j in range(stations):
                dx = position_m[r, i, 0] - station_position_m[j, 0]
                dy = position_m[r, i, 1] - station_position_m[j, 1]
                distance_m[r, i, j] = np.sqrt(dx * dx + dy * dy)
    return distance_m
