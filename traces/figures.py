"""Pictures of a trace."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from ..simulator.core.arrays import FloatArray
from .file_errors import indices, reported
from .network_graph import backhaul_pairs
from .network_map import NetworkMap, draw_map
from .panels import latency_distribution, panels, time_unit
from .reader import Trace, TraceError, open_trace
from .style import (
    DARK,
    MIDDLE,
    SHEETS,
    Sheet,
    Style,
    check_picture,
    heading,
    legend_above,
    save,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Kind = Literal["all", "series", "latency", "map"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def plot(path: str | Path, output: str | Path, kind: Kind = "all", style: Style = "screen") -> Path:
    """Draw a trace.

    Args:
        path: of the trace; it may still be running.
        output: the picture, PNG, SVG or PDF by its suffix.
        kind: "series": queues or worst-case emission, energy, offloading and emission over time;
            "latency": the distribution function of the tasks' latencies; "map": stations, devices
            and who talks to whom in the last slot; "all": what the trace has of these, in one figure.
        style: "screen", or for print: "paper" is one column wide, "paper-wide" two.

    Returns:
        The path of the picture.

    Raises:
        TraceError: if the trace cannot be read, or does not hold what is to be drawn.
        ValueError: if the suffix, the kind or the style is none of these.
    """
    output = check_picture(output)
    if kind not in KINDS:
        raise ValueError(f"kind {kind!r}: one of {', '.join(KINDS)}")
    with open_trace(path) as trace, styled(style) as sheet:
        with reported(path):
            figure = draw(trace, kind, sheet)
        save(figure, output)
    return output


_SIZES = {"all": (12.0, 6.5), "series": (7.5, 5.0), "latency": (5.5, 3.8), "map": (5.5, 5.8)}
"""Width and height by kind on a screen, inches."""
_HEIGHTS = {
    "paper": {"all": 5.8, "series": 3.6, "latency": 2.4, "map": 3.6},
    "paper-wide": {"all": 4.0, "series": 3.6, "latency": 2.6, "map": 6.4},
}
"""In print."""


def draw(trace: Trace, kind: Kind = "all", sheet: Sheet = SHEETS["screen"]) -> "Figure":
    """The figure that `plot` saves.

    Raises:
        TraceError: the trace does not hold what is to be drawn.
    """
    from matplotlib.figure import Figure

    if kind == "map" and not has_map(trace):
        raise TraceError(f"{trace.path}: no positions were recorded, so there is no map to draw")
    size = _SIZES[kind]
    if sheet.width_in is not None:
        size = sheet.width_in, _HEIGHTS[sheet.style][kind]
    figure = Figure(figsize=size, layout="constrained")
    runs = len(trace.seeds)
    which = f"seed {trace.seeds[0]}" if runs == 1 else f"{runs} replications"
    if runs > 1 and kind in ("all", "series"):
        which = f"mean of {runs} replications, bands: their range"
    status = "" if trace.status == "complete" else f", {trace.status}"
    heading(figure, f"{trace.path.name}: {trace.policy}, {which}{status}")
    narrow = sheet.columns < 3
    match kind:
        case "series":
            _draw_series(trace, list(figure.subplots(2, 2, sharex=True).flat))
        case "latency":
            _draw_latency(trace, figure.subplots())
        case "map":
            _draw_map(trace, figure.subplots())
        case "all" if narrow:
            grid = figure.add_gridspec(3, 2, height_ratios=[1.0, 1.0, 1.3])
            _draw_series(trace, [figure.add_subplot(grid[i, j]) for i in (0, 1) for j in (0, 1)])
            mapped = has_map(trace)
            if mapped:
                _draw_map(trace, figure.add_subplot(grid[2, 0]))
            _draw_latency(trace, figure.add_subplot(grid[2, 1 if mapped else slice(None)]))
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
        # An equal line, such as the bound that an optimum attains, leaves the wider one below it to be seen.
        looks = ((DARK, "-", 2.2 if len(panel.lines) > 1 else 1.3), (MIDDLE, "--", 1.1))
        for line, (colour, style, width) in zip(panel.lines, looks, strict=False):
            _line(ax, time, line.values, colour, style, line.label, width)
        ax.set_title(panel.heading)
        if len(panel.lines) > 1:
            legend_above(ax)
        ax.set_ylim(0.0, panel.top)
        ax.set_xlim(0.0, 1.02 * time[-1])
    for ax in axes[-2:]:
        ax.set_xlabel(f"time, {unit}")


def _line(
    ax: "Axes",
    time: FloatArray,
    values: FloatArray,
    colour: str,
    style: str = "-",
    label: str = "",
    width: float = 1.3,
) -> None:
    """The mean over replications, (R, K), with their range as a band; a value between two unknown ones is a dot.

    Where a replication has none, such as energy per bit where it moved no bit, mean and range are of the others.
    """
    count = np.isfinite(values).sum(axis=0)
    mean = np.divide(np.nansum(values, axis=0), count, np.full(len(count), np.nan), where=count > 0)
    low, high = np.fmin.reduce(values), np.fmax.reduce(values)
    known = np.pad(np.isfinite(mean), 1)
    alone = known[1:-1] & ~known[:-2] & ~known[2:]
    if len(values) > 1:
        ax.fill_between(time, low, high, color=colour, alpha=0.2, linewidth=0)
    ax.plot(time, mean, color=colour, linestyle=style, linewidth=width, label=label)
    if alone.any():
        ax.vlines(time[alone], low[alone], high[alone], color=colour, alpha=0.2, linewidth=2.0)
        ax.plot(time[alone], mean[alone], ".", color=colour, markersize=4)


def _draw_latency(trace: Trace, ax: "Axes") -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    ax.set_title("latency of tasks, distribution")
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
    # What all tasks took is not the end of the axis, where nobody sees a line.
    ax.set_xlim(known.left_s, (1.0 if known.log else 1.05) * known.latency_s[-1])
    for share, name, marker in ((0.5, "median", "o"), (0.95, "95 %", "s"), (0.99, "99 %", "D")):
        at = known.quantile(share)
        ax.plot([at, at], [0.0, share], color=MIDDLE, linewidth=0.9, linestyle=":")
        ax.plot(
            at,
            share,
            marker,
            clip_on=False,  # the last may lie on the right end
            color=MIDDLE,
            markersize=4,
            label=f"{name}: {at:.3g} s",
            zorder=3,
            linestyle="none",
        )
    legend_above(ax)


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
    ax.set_title(
        f"network in slot {slot} ({time:g} s), {len(seen.device_m)}{of_all}\N{NO-BREAK SPACE}devices"
    )
