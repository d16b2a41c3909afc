"""Where stations and devices stand, and the network as a graph G = (U, B, epsilon)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ..core.arrays import FloatArray, IntArray
from ..core.compiled import compiled
from ..core.randomness import Generators
from ..stream.network import Network

if TYPE_CHECKING:
    import networkx as nx

    Graph = nx.DiGraph[str]


@dataclass(frozen=True)
class Topology:
    """What stands still: the area and the stations. Station 0 is the MBS.

    Columns (distances, association) are what the simulation works on; the graph is made of them
    when someone asks for it.

    Attributes:
        area_m: (2,) width and height; coordinates run from (0, 0) to (width, height).
        station_position_m: (B, 2).
        coverage_m: (B,) the radius within which a station serves; infinite for the MBS.
    """

    area_m: FloatArray
    station_position_m: FloatArray
    coverage_m: FloatArray

    @property
    def station_names(self) -> tuple[str, ...]:
        """B names: "mbs", "sbs-1", "sbs-2" and so on."""
        return ("mbs", *(f"sbs-{j}" for j in range(1, len(self.coverage_m))))

    def distance_m(self, position_m: FloatArray) -> FloatArray:
        """(R, N, 2) positions of devices -> (R, N, B) r_ij, their distances to the stations."""
        return _distance_m(position_m, self.station_position_m)

    def graph(self, network: Network, position_m: FloatArray, station: IntArray) -> "Graph":
        """The network of one replication as a directed graph.

        Nodes are the stations, by name, and "device-0", "device-1", …; each has its `kind` ("mbs",
        "sbs" or "device"), `position_m` (x, y) and `cpu_hz`. Stations have `bandwidth_hz` and
        `coverage_m`, devices `power_max_w`. Edges go from each device to its station (`kind`
        "access", `distance_m`), and between each SBS and the MBS in both directions ("backhaul").

        Args:
            network: the capacities.
            position_m: (N, 2) positions of the replication's devices.
            station: (N,) their stations.
        """
        import networkx as nx

        graph: Graph = nx.DiGraph()
        for j, name in enumerate(self.station_names):
            graph.add_node(
                name,
                kind="sbs" if j else "mbs",
                position_m=_point(self.station_position_m[j]),
                cpu_hz=float(network.station_cpu_hz[j]),
                bandwidth_hz=float(network.station_bandwidth_hz[j]),
                coverage_m=float(self.coverage_m[j]),
            )
            if j:
                graph.add_edge(name, "mbs", kind="backhaul")
                graph.add_edge("mbs", name, kind="backhaul")
        distance_m = self.distance_m(position_m[None])[0]
        for i, j in enumerate(station.tolist()):
            name = f"device-{i}"
            graph.add_node(
                name,
                kind="device",
                position_m=_point(position_m[i]),
                cpu_hz=float(network.device_cpu_hz[i]),
                power_max_w=float(network.device_power_max_w[i]),
            )
            graph.add_edge(
                name, self.station_names[j], kind="access", distance_m=float(distance_m[i, j])
            )
        return graph


def lay_out(
    area_m: ArrayLike,
    sbs: int,
    coverage_m: float,
    *,
    radius_m: float = 0.0,
    mbs_position_m: ArrayLike | None = None,
    sbs_position_m: ArrayLike | None = None,
) -> Topology:
    """Place the stations.

    Args:
        area_m: (2,) width and height.
        sbs: M, how many SBSs there are.
        coverage_m: the radius within which an SBS serves.
        radius_m: of the circle around the MBS on which the SBSs stand, evenly spaced.
        mbs_position_m: (2,) where the MBS stands; by default at the centre of the area.
        sbs_position_m: (M, 2) where the SBSs stand, instead of on the circle.

    Raises:
        ValueError: if `sbs_position_m` has not one row (x, y) for each SBS.
    """
    area = np.asarray(area_m, dtype=np.float64)
    mbs = area / 2.0 if mbs_position_m is None else np.asarray(mbs_position_m, dtype=np.float64)
    if sbs_position_m is None:
        positions = circle(mbs, radius_m, sbs)
    else:
        positions = np.asarray(sbs_position_m, dtype=np.float64)
        if positions.shape != (sbs, 2):
            raise ValueError(f"SBS positions of shape {positions.shape}, expected {(sbs, 2)}")
    return Topology(
        area_m=area,
        station_position_m=np.concatenate([mbs[None], positions]),
        coverage_m=np.concatenate([[np.inf], np.full(sbs, coverage_m)]),
    )


def circle(centre_m: FloatArray, radius_m: float, count: int) -> FloatArray:
    """(count, 2) points evenly spaced on a circle; the first lies due east of its centre."""
    angle = 2.0 * np.pi * np.arange(count) / max(count, 1)
    return centre_m + radius_m * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def uniform(devices: int, area_m: FloatArray, rngs: Generators) -> FloatArray:
    """(R, N, 2) points uniform in the area, each replication's from its own generator.

    More devices leave the places of the first ones as they are.
    """
    return np.stack([rng.random((devices, 2)) for rng in rngs]) * area_m


@compiled
def _distance_m(position_m: FloatArray, station_position_m: FloatArray) -> FloatArray:
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


def _point(position_m: FloatArray) -> tuple[float, float]:
    return float(position_m[0]), float(position_m[1])
