"""Picture of a sweep: numbers against a swept key."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...traces.figures import check_picture, save
from ...traces.metrics import METRICS
from ...traces.network_map import STATION_COLOURS, STYLE
from .comparison import GroupingError, GroupSummary, summarise_sweep
from .results import POLICY, SweepResults

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NUMBERS = (
    "energy_per_bit_j",
    "worst_emission_mg",
    "feasible_share",
    "queue_bits",
    "latency_s",
    "emission_mg",
)
"""Rows of panels where none are asked for; those that the sweep has."""

Lines = dict[str, list[GroupSummary]]
"""The groups of each policy, by its label."""

MAX_PANELS = 60
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


def plot_sweep(
    results: SweepResults,
    output: str | Path,
    *,
    x: str | None = None,
    numbers: Sequence[str] = (),
) -> Path:
    """Draw numbers against a swept key: a line for each policy, bands of 95 % intervals over seeds.

    There is a row of panels for each number, and a column for each setting of the other keys.

    Args:
        results: of the sweep.
        output: the picture, PNG, SVG or PDF by its suffix.
        x: the swept key; if not given, the first that is a quantity, else the first.
        numbers: keys of `METRICS`; if not given, those of `NUMBERS` that the sweep has.

    Returns:
        The path of the picture.

    Raises:
        GroupingError: no such key or number, or more panels than a picture has room for.
        ValueError: if the suffix is none of these.
    """
    from matplotlib import rc_context

    output = check_picture(output)
    if not results.keys:
        raise GroupingError(
            "the sweep varies no key but the policy: there is nothing to draw against"
        )
    x = x or results.main_key
    names = list(numbers) or results.nonzero(NUMBERS)
    others = [key for key in results.keys if key != x]
    columns: dict[str, Lines] = {}
    for group in summarise_sweep(results, by=[*others, x, POLICY], numbers=names).groups:
        title = ", ".join(f"{key} = {group.labels[key]}" for key in others if group.labels[key])
        columns.setdefault(title, {}).setdefault(group.labels[POLICY], []).append(group)
    if len(names) * len(columns) > MAX_PANELS:
        what = f"{len(names)} numbers and {len(columns)} settings of {', '.join(others)}"
        raise GroupingError(f"{what} make more than {MAX_PANELS} panels; ask for fewer numbers")
    with rc_context(STYLE):
        save(_figure(results, x, names, columns), output)
    return output


def _figure(
    results: SweepResults, x: str, names: list[str], columns: Mapping[str, Lines]
) -> "Figure":
    """A row of panels for each number, a column for each setting of the other keys."""
    from matplotlib.figure import Figure

    size = (1.2 + 2.9 * len(columns), 1.0 + 2.1 * len(names))
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(results.title, x=0.01, ha="left", fontsize=10, parse_math=False)
    axes = figure.subplots(len(names), len(columns), sharex=True, sharey="row", squeeze=False)
    places = results.places(x)
    for row, name in zip(axes, names, strict=True):
        for ax, lines in zip(row, columns.values(), strict=True):
            _draw(ax, name, x, places, lines)
        row[0].set_ylabel(METRICS[name].heading, parse_math=False)
    for ax, title in zip(axes[0], columns, strict=True):
        if title:
            ax.set_title(title, parse_math=False, fontsize=8)
    unit = results.unit(x)
    for ax in axes[-1]:
        ax.set_xlabel(f"{x} [{unit}]" if unit else x, parse_math=False)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    legend = figure.legend(handles, labels, loc="outside lower left", ncols=4, fontsize=8)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def _draw(ax: "Axes", name: str, x: str, places: Mapping[str, float], lines: Lines) -> None:
    scale = METRICS[name].scale
    styles = zip(cycle(STATION_COLOURS), cycle(MARKERS), strict=False)
    for (policy, groups), (colour, marker) in zip(lines.items(), styles, strict=False):
        groups = sorted(groups, key=lambda group: places[group.labels[x]])
        at = [places[group.labels[x]] for group in groups]
        values = scale * np.array([group.means[name].value for group in groups])
        ends = scale * np.array(
            [(group.means[name].low, group.means[name].high) for group in groups]
        )
        ax.plot(at, values, color=colour, marker=marker, markersize=4, linewidth=1.3, label=policy)
        ax.fill_between(at, *ends.T, color=colour, alpha=0.2, linewidth=0)
    spread = sorted(places.values())
    if spread[0] > 0.0 and spread[-1] / spread[0] >= 50.0:
        ax.set_xscale("log")
    if list(places.values()) == list(range(len(places))) and any(
        label != f"{place}" for place, label in enumerate(places)
    ):
        ax.set_xticks(range(len(places)), list(places), parse_math=False)
    ax.ticklabel_format(axis="y", scilimits=(-2, 5))
