"""Picture of a sweep: numbers against a swept key."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...scenarios.key_list import with_prefix
from ...traces.metrics import METRICS
from ...traces.style import (
    Sheet,
    Style,
    check_picture,
    far_apart,
    heading,
    legend_beside,
    line_look,
    save,
    styled,
    ticks_at,
)
from .comparison import GroupingError, GroupSummary, summarise_sweep
from .results import POINT, POLICY, SweepResults

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


def logarithmic(name: str, groups: Iterable[GroupSummary]) -> bool:
    """Whether the means of a number, a key of `METRICS`, need a logarithmic axis; of a share, never."""
    if METRICS[name].unit == "%":
        return False
    return far_apart(group.means[name].value for group in groups)


def plot_sweep(
    results: SweepResults,
    output: str | Path,
    *,
    x: str | None = None,
    by: Sequence[str] | None = None,
    numbers: Sequence[str] = (),
    style: Style = "screen",
) -> Path:
    """Draw numbers against a swept key: a line for each policy, bands of 95 % intervals over seeds.

    There is a row of panels for each number, and a column for each setting of the other keys; if there is
    no other key, a panel for each number. Points that differ in no key that is drawn are taken together.

    Args:
        results: of the sweep.
        output: the picture, PNG, SVG or PDF by its suffix.
        x: the swept key; if not given, the first that is a quantity, else the first.
        by: the keys that have lines ("policy") and columns of panels; all, if not given.
        numbers: keys of `METRICS`; if not given, those of `NUMBERS` that the sweep has.
        style: as of `edgesim.plot`.

    Returns:
        The path of the picture.

    Raises:
        GroupingError: no such key or number, or more panels than a picture has room for.
        ValueError: if the suffix or the style is none of these.
        TraceError: what is printed would be taller than a page.
    """
    output = check_picture(output)
    if not results.keys:
        raise GroupingError(
            "the sweep varies no key but the policy: there is nothing to draw against"
        )
    x = x or results.main_key
    names = list(numbers) or results.nonzero(NUMBERS)
    by = [*results.keys, POLICY] if by is None else list(by)
    if POINT in (x, *by):
        known = ", ".join([*results.keys, POLICY])
        raise GroupingError(f"a picture has one key on its axis, no point; there are: {known}")
    others = [key for key in by if key not in (x, POLICY)]
    columns: dict[str, Lines] = {}
    for group in summarise_sweep(
        results, by=list(dict.fromkeys([*others, x, *by])), numbers=names
    ).groups:
        # A value stays in one line.
        values = {key: group.labels[key].replace(" ", "\xa0") for key in others}
        title = ", ".join(f"{key} =\xa0{value}" for key, value in values.items() if value)
        columns.setdefault(title, {}).setdefault(group.labels.get(POLICY, "mean"), []).append(group)
    if len(names) * len(columns) > MAX_PANELS:
        what = f"{len(names)} numbers and {len(columns)} settings of {', '.join(others)}"
        raise GroupingError(f"{what} make more than {MAX_PANELS} panels; ask for fewer numbers")
    with styled(style) as sheet:
        save(_figure(results, x, names, columns, sheet), output)
    return output


def _figure(
    results: SweepResults, x: str, names: list[str], columns: Mapping[str, Lines], sheet: Sheet
) -> "Figure":
    """A row of panels for each number, a column for each setting of the other keys."""
    from matplotlib.figure import Figure

    alone = len(columns) == 1
    tall = math.ceil(len(names) / min(sheet.columns, 3)) if alone else len(names)
    wide = math.ceil(len(names) / tall) if alone else len(columns)
    size = sheet.size(1.2 + 2.9 * wide, 1.0 + 2.1 * tall)
    figure = Figure(figsize=size, layout="constrained")
    heading(figure, f"{results.title}; bands: 95 % intervals over seeds")
    axes = figure.subplots(
        tall, wide, sharex=True, sharey="none" if alone else "row", squeeze=False
    )
    known = places = results.places(x)
    unit = results.unit(x)
    if results.values(x) is not None:
        prefix, unit = with_prefix(max(map(abs, known.values())), unit)
        known = {label: place / prefix for label, place in known.items()}
        places = {f"{place:g}": place for place in known.values()}
    drawn = [group for lines in columns.values() for of in lines.values() for group in of]
    pairs = [(name, title) for name in names for title in columns]
    for number, (ax, (name, title)) in enumerate(zip(axes.flat, pairs, strict=False)):
        _draw(ax, name, x, known, columns[title])
        if logarithmic(name, drawn):
            ax.set_yscale("log")
        else:
            ax.ticklabel_format(axis="y", scilimits=(-2, 5))
        if alone:
            ax.set_title(METRICS[name].heading, parse_math=False)
        else:
            if number % wide == 0:
                ax.set_ylabel(METRICS[name].heading, parse_math=False)
            if number < wide:
                ax.set_title(title, parse_math=False)
    label = f"{x} [{unit}]" if unit else x
    spread = sorted(places.values())
    for number, ax in enumerate(axes.flat):
        if number >= len(pairs):
            ax.set_visible(False)
            continue
        ticks_at(ax, places, log=spread[0] > 0.0 and spread[-1] / spread[0] >= 50.0)
        if number + wide >= len(pairs):
            ax.xaxis.set_tick_params(labelbottom=True)
            # Under many narrow panels it would run into the next: once for all.
            if alone or wide < 3 or number % wide == wide // 2:
                ax.set_xlabel(label, parse_math=False)
    legend_beside(figure, "lower left", *axes[0, 0].get_legend_handles_labels())
    return figure


def _draw(ax: "Axes", name: str, x: str, places: Mapping[str, float], lines: Lines) -> None:
    scale = METRICS[name].scale
    for number, (policy, groups) in enumerate(lines.items()):
        look = line_look(number)
        groups = sorted(groups, key=lambda group: places[group.labels[x]])
        at = [places[group.labels[x]] for group in groups]
        values = scale * np.array([group.means[name].value for group in groups])
        ends = scale * np.array(
            [(group.means[name].low, group.means[name].high) for group in groups]
        )
        ax.plot(at, values, label=policy, **look)
        ax.fill_between(at, *ends.T, color=look["color"], alpha=0.2, linewidth=0)
