"""Pictures of a trace."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..simulator.core.arrays import FloatArray
from ..simulator.core.outputs import replaced
from .file_errors import indices, reported
from .network_graph import backhaul_pairs
from .network_map import STYLE, NetworkMap, draw_map
from .panels import latency_distribution, panels, time_unit
from .reader import Trace, TraceError, open_trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Kind = Literal["all", "series", "latency", "map"]

# Different in brightness too, for a grey print.
DARK, MIDDLE = "#1b3a6b", "#d1682b"
SUFFIXES = (".png", ".svg", ".pdf")
"""Of the pictures that can be drawn."""


def plot(path: str | Path, output: str | Path, kind: Kind = "all") -> Path:
    """Draw a trace.

    Args:
        path: of the trace; it may still be running.
        output: the picture, PNG, SVG or PDF by its suffix.
        kind: "series": queues or worst-case emission, energy, offloading and emission over time;
            "latency": the distribution function of the tasks' latencies; "map": stations, devices
            and who talks to whom in the last slot; "all": what the trace has of these, in one figure.

    Returns:
        The path of the picture.

    Raises:
        TraceError: if the trace cannot be read, or does not hold what is to be drawn.
        ValueError: if the suffix is none of these.
    """
    from matplotlib import rc_context

    output = check_picture(output)
    with open_trace(path) as trace, rc_context(STYLE):
        with reported(path):
            figure = draw(trace, kind)
        save(figure, output)
    return output


def check_picture(output: str | Path) -> Path:
    """The path, if a picture can be written there.

    Raises:
        ValueError: if the suffix is none of `SUFFIXES`.
    """
    if Path(output).suffix.lower() not in SUFFIXES:
        raise ValueError(f"{output}: a picture ends in {', '.join(SUFFIXES)}")
    return Path(output)


def save(figure: "Figure", output: Path) -> None:
    """Write a picture without its date, so the same numbers give the same file."""
    form = output.suffix.lower().removeprefix(".")
    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    with replaced(output) as hidden:
        figure.savefig(hidden, dpi=200, format=form, metadata=undated.get(form))


_SIZES = {"all": (12.0, 6.5), "series": (7.5, 5.0), "latency": (5.5, 3.8), "map": (5.5, 5.8)}
"""Width and height by kind, inches."""


def draw(trace: Trace, kind: Kind = "all") -> "Figure":
    """The figure that `plot` saves.

    Raises:
        TraceError: the trace does not hold what is to be drawn.
    """
    from matplotlib.figure import Figure

    if kind == "map" and not has_map(trace):
        raise TraceError(f"{trace.path}: no positions were recorded, so there is no map to draw")
    figure = Figure(figsize=_SIZES[kind], layout="constrained")
    runs = len(trace.seeds)
    which = f"seed {trace.seeds[0]}" if runs == 1 else f"{runs} replications"
    status = "" if trace.status == "complete" else f", {trace.status}"
    figure.suptitle(
        f"{trace.path.name}: {trace.policy}, {which}{status}", x=0.01, ha="left", fontsize=10
    )
    match kind:
        case "series":
            _draw_series(trace, list(figure.subplots(2, 2, sharex=True).flat))
        case "latency":
            _draw_latency(trace, figure.subplots())
        case "map":
            _draw_map(trace, figure.subplots())
        case "all":
            widths, heights = [1.0, 1.0, 1.15], [1.15, 1.0]
            grid = figure.add_gridspec(2, 3, width_ratios=widths, height_ratios=heights)
            _draw_series(trace, [figure.add_subplot(grid[i, j]) for i in (0, 1) for j in (0, 1)])
            mapped = has_map(trace)
            if mapped:
                _draw_map(trace, figure.add_subplot(grid[0, 2]))
            _draw_latency(trace, figure.add_subplot(grid[1 if mapped else slice(None), 2]))
    return figure


def _draw_series(trace: Trace, axes: "list[Axes]") -> None:
    scale, unit = time_unit(trace.attrs["slots"] * trace.attrs["slot_s"])
    time = trace.totals.middles_s / scale
    for ax, panel in zip(axes, panels(trace)[: len(axes)], strict=True):
        looks = ((DARK, "-"), (MIDDLE, "--"))
        for line, (colour, style) in zip(panel.lines, looks, strict=False):
            _line(ax, time, line.values, colour, style, line.label)
        ax.set_title(panel.heading)
        if len(panel.lines) > 1:
            ax.legend(loc="best", fontsize=8)
        ax.set_ylim(0.0, panel.top)
        ax.set_xlim(0.0, None)
    for ax in axes[-2:]:
        ax.set_xlabel(f"time, {unit}")
    if len(trace.seeds) > 1:
        axes[1].legend(
            [axes[1].lines[0], axes[1].collections[0]],
            ["mean of the replications", "their range"],
            fontsize=8,
        )


def _line(
    ax: "Axes",
    time: FloatArray,
    values: FloatArray,
    colour: str,
    style: str = "-",
    label: str = "",
) -> None:
    """The mean over replications, (R, K), with their range as a band."""
    if len(values) > 1:
        ax.fill_between(
            time, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.2, linewidth=0
        )
    ax.plot(time, values.mean(axis=0), color=colour, linestyle=style, linewidth=1.3, label=label)


def _draw_latency(trace: Trace, ax: "Axes") -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    ax.set_title("latency of completed tasks, distribution function")
    ax.set_xlabel("latency, s")
    ax.set_ylim(0.0, 1.02)
    known = latency_distribution(trace)
    if known is None:
        ax.text(0.5, 0.5, "no task was completed", transform=ax.transAxes, ha="center")
        return
    ax.plot(known.latency_s, known.below, color=DARK, linewidth=1.5)
    if known.log:
        ax.set_xscale("log")
        # "0.5", not "5 x 10^-1", of which two neighbours would overlap.
        ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlim(known.left_s, known.latency_s[-1])
    for share, name, marker in ((0.5, "median", "o"), (0.95, "95 %", "s"), (0.99, "99 %", "D")):
        at = known.quantile(share)
        ax.plot([at, at], [0.0, share], color=MIDDLE, linewidth=0.9, linestyle=":")
        ax.plot(
            at, share, marker, color=MIDDLE, markersize=4, label=f"{name}: {at:.3g} s", zorder=3
        )
    ax.legend(loc="best", fontsize=8)


def has_map(trace: Trace) -> bool:
    """Whether the trace has the devices' positions."""
    return trace.level != "summary" and "x_m" in trace.slots and trace.slots.sizes["slot"] > 0


def _draw_map(trace: Trace, ax: "Axes") -> None:
    last = trace.slots.isel(replication=0, slot=-1)
    of_all = ""
    if "present" in last:
        of_all = f" of {last.sizes['device']}"
        last = last.isel(device=np.flatnonzero(last["present"].values))
    seen = NetworkMap(
        area_m=trace.attrs["area_m"],
        device_m=np.column_stack([last["x_m"].values, last["y_m"].values]),
        serving=indices(last["serving_station"].values, last.sizes["station"], trace.path),
        station_m=np.column_stack([last["station_x_m"].values, last["station_y_m"].values]),
        station_names=[str(name) for name in last["station_name"].values],
        coverage_m=last["station_coverage_m"].values,
        wires=backhaul_pairs(trace),
    )
    draw_map(seen, ax)
    slot = int(last["slot"])
    time = slot * trace.attrs["slot_s"]
    ax.set_title(f"network in slot {slot} ({time:g} s), {len(seen.device_m)}{of_all} devices")
