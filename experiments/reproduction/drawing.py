"""The pictures: vector and PNG, readable in grey, with the command that makes them again."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...simulator.core.arrays import FloatArray
from ...simulator.core.outputs import replaced
from ...traces.confidence_intervals import student_t
from ...traces.figures import save
from ...traces.network_map import STYLE
from .figure import Diagram, Figure, NotRun
from .stored import NAME, load

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

SUFFIXES = (".svg", ".pdf", ".png")

LOOKS = (
    ("#1b3a6b", "-", "o"),
    ("#d1682b", "--", "s"),
    ("#009e73", "-.", "^"),
    ("#b0468a", ":", "D"),
    ("#444444", (0, (5, 1, 1, 1, 1, 1)), "v"),
    ("#3b96c9", (0, (7, 2)), "P"),
    ("#8a6d00", (0, (1, 2)), "X"),
    ("#777777", (0, (3, 3)), "*"),
    ("#a0522d", (0, (10, 2)), "<"),
    ("#5e3c99", (0, (5, 2, 1, 2)), ">"),
    ("#117733", (0, (2, 2)), "h"),
    ("#cc3311", (0, (9, 2, 3, 2)), "p"),
    ("#e69f00", (0, (2, 1, 2, 4)), "d"),
)
"""Colour, dashes and marker of each line: any two differ in dashes and marker, so also in grey."""

MANY_POINTS = 30
"""Lines with more points than this have no marker at each of them."""

MANY_PLACES = 7
"""Axes with more places than this have round numbers instead of each of them."""


def band(sample: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Means over seeds and half-widths of their 95 % intervals.

    Args:
        sample: (K, S); NaN where a seed says nothing.

    Returns:
        (K,) each; NaN where no seed, or for the half-width a single one, says something.
    """
    known = np.isfinite(sample)
    count = known.sum(axis=1)
    total = np.where(known, sample, 0.0).sum(axis=1)
    value = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
    deviation = np.where(known, sample - value[:, None], 0.0)
    half = np.full(len(count), np.nan)
    for k in np.flatnonzero(count > 1):
        freedom = int(count[k]) - 1
        spread = np.sqrt((deviation[k] ** 2).sum() / freedom / count[k])
        half[k] = student_t(freedom) * spread
    return value, half


def draw(figure: Figure, diagrams: list[list[Diagram]], command: str, target: Path) -> None:
    """Draw a figure in all formats.

    Args:
        figure: which.
        diagrams: rows of them.
        command: that makes it again.
        target: of the files, without suffix.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure as Canvas

    columns = max(len(row) for row in diagrams)
    heights = [0.62 if row[0].percent and len(diagrams) > 1 else 1.0 for row in diagrams]
    width = max(1.0 + 2.4 * columns, 5.2)
    with rc_context({**STYLE, "svg.fonttype": "path"}):
        canvas = Canvas(figsize=(width, 1.5 + 2.5 * sum(heights)), layout="constrained")
        _draw_all(canvas, figure, diagrams, columns, heights)
        _add_legend(canvas, width)
        canvas.supxlabel(
            f"{command}; bands: 95 % intervals over seeds",
            fontsize=7,
            x=0.01,
            ha="left",
            color="#555555",
            parse_math=False,
        )
        for suffix in SUFFIXES:
            save(canvas, target.with_suffix(suffix))


def draw_stored(figure: Figure, folder: Path) -> None:
    """The picture of a figure and its numbers as a table, from `numbers.json` in its folder.

    None, if what it shows was not run.
    """
    about, results = load(folder / NAME)
    try:
        diagrams = figure.diagrams(results)
    except NotRun:
        return
    if not diagrams:
        return
    command = f"edgesim reproduce {figure.id}" + (" --quick" if about["quick"] else "")
    write_lines(diagrams, figure.x, folder / "lines.csv")
    draw(figure, diagrams, command, folder / figure.id)


def write_lines(diagrams: list[list[Diagram]], x_axis: str, path: Path) -> None:
    """What the picture shows, as a table: a row for each point of each line."""
    with replaced(path) as hidden, hidden.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["panel", "number", "line", x_axis, "mean", "low", "high", "seeds"])
        for diagram in (one for row in diagrams for one in row):
            for label, x, sample in diagram.lines():
                value, half = band(sample)
                columns = (x, value, value - half, value + half, np.isfinite(sample).sum(axis=1))
                for row in zip(*(column.tolist() for column in columns), strict=True):
                    writer.writerow([diagram.title, diagram.y, label, *row])


def _draw_all(
    canvas: "Canvas",
    figure: Figure,
    diagrams: list[list[Diagram]],
    columns: int,
    heights: list[float],
) -> None:
    """The grid of diagrams; one that differs from the one above it alone has its title."""
    alike = all(len({diagram.y for diagram in row}) == 1 for row in diagrams)
    axes = canvas.subplots(
        len(diagrams),
        columns,
        sharex=True,
        sharey="row" if alike and not figure.free_y else "none",
        squeeze=False,
        height_ratios=heights,
    )
    lines = [line for row in diagrams for diagram in row for line in diagram.lines()]
    looks = {label: k for k, label in enumerate(dict.fromkeys(label for label, _, _ in lines))}
    places = sorted({float(x) for _, xs, _ in lines for x in xs})
    above = [""] * columns
    for row, shown in zip(axes, diagrams, strict=True):
        for column, (ax, diagram) in enumerate(zip(row, shown, strict=False)):
            _draw(ax, diagram, looks)
            _set_axes(ax, diagram, places, figure.log_x)
            if diagram.title != above[column]:
                above[column] = diagram.title
                ax.set_title(diagram.title.replace(", ", "\n"), fontsize=8, parse_math=False)
            if column == 0 or not alike:
                ax.set_ylabel(diagram.y, parse_math=False)
        for ax in row[len(shown) :]:
            ax.set_visible(False)
    for ax in axes[-1]:
        ax.set_xlabel(figure.x, parse_math=False)


def _add_legend(canvas: "Canvas", width: float) -> None:
    """Once for all diagrams, in as many columns as fit."""
    named = {
        text: handle
        for ax in canvas.axes
        for handle, text in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    longest = max(len(text) for text in named)
    per_row = max(1, int(width / (0.65 + 0.068 * longest)))
    legend = canvas.legend(
        list(named.values()),
        list(named),
        loc="outside upper left",
        ncols=min(per_row, len(named)),
        fontsize=8,
        handlelength=3.2,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _draw(ax: "Axes", diagram: Diagram, looks: dict[str, int]) -> None:
    """Its lines, with their intervals."""
    for label, x, sample in diagram.lines():
        number = looks[label]
        colour, dashes, marker = LOOKS[number % len(LOOKS)]
        value, half = band(sample)
        ax.plot(
            x,
            value,
            color=colour,
            linestyle=dashes,
            marker=marker,
            # Open and of different sizes, so that lines that coincide are all seen.
            markersize=3.5 + 1.5 * (number % 4),
            markerfacecolor="none",
            markevery=max(1, len(x) // 10) if len(x) > MANY_POINTS else 1,
            linewidth=1.3,
            label=label,
        )
        half = np.nan_to_num(half)
        low, high = value - half, value + half
        if diagram.percent:
            low, high = np.clip(low, 0.0, 100.0), np.clip(high, 0.0, 100.0)
        ax.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)


def _set_axes(ax: "Axes", diagram: Diagram, places: Sequence[float], log_x: bool) -> None:
    """Scales and ticks."""
    if diagram.log:
        ax.set_yscale("log")
    elif diagram.percent:
        ax.set_ylim(0.0, 105.0)
    else:
        ax.ticklabel_format(axis="y", scilimits=(-3, 5))
    if log_x:
        from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
    if len(places) <= MANY_PLACES:
        ax.set_xticks(places, [f"{place:g}" for place in places], minor=False)
        ax.set_xticks([], minor=True)
