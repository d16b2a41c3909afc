"""A network drawn as a map: stations with their cells, backhaul, devices and who talks to whom."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..simulator.core.arrays import FloatArray, IntArray
from .style import for_print

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Different in brightness too, for a grey print.
STATION_COLOURS = ("#444444", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")

KILOMETRES_M = 10_000.0
"""Larger areas are told in kilometres."""

MANY_DEVICES = 300
"""More of them are pixels in a picture of vectors, which else would be megabytes."""

FEW_STATIONS = 12
"""With more stations than this a map does without their names and without shading their cells."""


@dataclass(frozen=True)
class NetworkMap:
    """What a map shows of one replication at one time.

    Attributes:
        area_m: width and height.
        device_m: (N, 2) of the devices that are there.
        serving: (N,) their stations.
        station_m: (B, 2); the first is the MBS.
        station_names: of each.
        coverage_m: (B,) radii, infinite where there is none.
        wires: pairs of stations that a backhaul link joins.
    """

    area_m: Sequence[float] | FloatArray
    device_m: FloatArray
    serving: IntArray
    station_m: FloatArray
    station_names: Sequence[str]
    coverage_m: FloatArray
    wires: Sequence[tuple[int, int]]

    @property
    def station_colours(self) -> Any:
        """(B,) colours; those of the small cells come again."""
        colours, number = np.array(STATION_COLOURS), np.arange(len(self.station_m))
        return np.where(number == 0, colours[0], colours[1 + (number - 1) % (len(colours) - 1)])


def draw_map(seen: NetworkMap, ax: "Axes", weight: FloatArray | None = None) -> None:
    """Draw a map.

    Args:
        seen: what.
        ax: where.
        weight: (N,) in [0, 1], by which a device's dot is larger; by default all are alike.
    """
    from matplotlib.collections import LineCollection

    width, height = seen.area_m
    far_m = 1e6 * np.hypot(width, height)  # matplotlib takes for ever for what is farther outside
    device, station = seen.device_m.clip(-far_m, far_m), seen.station_m.clip(-far_m, far_m)
    colour, association = seen.station_colours, seen.serving
    few = len(station) <= FEW_STATIONS
    _draw_cells(seen, ax, station, few)
    if wires := [station[list(ends)] for ends in seen.wires]:
        dotted: Any = {"colors": "black", "linestyles": ":", "linewidths": 0.8, "alpha": 0.6}
        ax.add_collection(LineCollection(wires, **dotted))
    shrunk = 0.4 if for_print() else 1.0
    size = shrunk * float(np.clip(600.0 / max(len(device), 1), 2.0, 22.0))
    dense: Any = {"rasterized": len(device) > MANY_DEVICES}
    ax.add_collection(
        LineCollection(
            list(np.stack([device, station[association]], axis=1)),
            colors=colour[association],
            linewidths=size / 25.0,
            alpha=0.7,
            **dense,
        )
    )
    dots: Any = size if weight is None else size * (0.5 + 3.5 * weight)
    ax.scatter(
        device[:, 0], device[:, 1], s=dots, c=colour[association], zorder=3, linewidths=0, **dense
    )
    # A station at the area's edge is seen whole.
    beyond = bool(((station < 0.0) | (station > seen.area_m)).any())
    ax.scatter(
        station[1:, 0],
        station[1:, 1],
        s=60 * shrunk,
        marker="^",
        c=colour[1:],
        edgecolors="black",
        zorder=4,
        clip_on=beyond,
    )
    ax.scatter(
        station[:1, 0],
        station[:1, 1],
        s=90 * shrunk,
        marker="s",
        c=colour[:1],
        edgecolors="black",
        zorder=4,
        clip_on=beyond,
    )
    if few:
        edge = 0.04 * width
        for name, place in _names_at(seen, station):
            beneath = place[1] > 0.95 * height  # where the title is else
            ax.annotate(
                name,
                tuple(place),
                xytext=(0, (-16 if beneath else 8) * shrunk**0.5),
                textcoords="offset points",
                ha="left" if place[0] < edge else "right" if place[0] > width - edge else "center",
                fontsize=7 if for_print() else 8,
                fontweight="bold",
                # Among a thousand devices else letters are dots too.
                bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.3},
                zorder=5,
            )
    ax.set_xlim(0.0, width)
    ax.set_ylim(0.0, height)
    ax.set_aspect("equal")
    ax.grid(False)
    ax.spines[["top", "right"]].set_visible(True)
    unit = "m"
    if max(width, height) >= KILOMETRES_M:
        unit = "km"
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(lambda metres, _: f"{metres / 1e3:g}")
    ax.set_xlabel(f"x, {unit}")
    ax.set_ylabel(f"y, {unit}")


def _names_at(seen: NetworkMap, station: FloatArray) -> list[tuple[str, FloatArray]]:
    """The stations' names and where they are written: side by side of those that share a place."""
    near_m, found = 0.01 * max(seen.area_m), list[tuple[str, FloatArray]]()
    for name, place in zip(seen.station_names, station, strict=True):
        for number, (others, at) in enumerate(found):
            if np.hypot(*(place - at)) <= near_m:
                found[number] = (f"{others}, {name}", at)
                break
        else:
            found.append((str(name), place))
    return found


def _draw_cells(seen: NetworkMap, ax: "Axes", station: FloatArray, filled: bool) -> None:
    """Circles of what the stations cover."""
    from matplotlib.patches import Circle

    far_m = 10.0 * np.hypot(*seen.area_m)
    for centre, radius, edge in zip(station, seen.coverage_m, seen.station_colours, strict=True):
        if np.isfinite(radius):
            ax.add_patch(
                Circle(
                    tuple(centre),
                    min(radius, far_m),
                    fill=filled,
                    facecolor=edge,
                    edgecolor=edge,
                    alpha=0.12,
                )
            )
