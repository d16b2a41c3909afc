"""The pictures: vector and PNG, readable in grey, with the command that makes them again."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...simulator.core.arrays import FloatArray
from ...traces.figures import STYLE, save
from ...traces.statistics import student_t
from .figure import Curve, Diagram, Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

    Grid = np.ndarray[tuple[int, int], np.dtype[Any]]

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
    with rc_context({**STYLE, "svg.fonttype": "path"}):
        width = max(1.0 + 2.4 * columns, 5.2)
        canvas = Canvas(figsize=(width, 1.5 + 2.5 * sum(heights)), layout="constrained")
        alike = all(len({diagram.y for diagram in row}) == 1 for row in diagrams)
        axes = canvas.subplots(
            len(diagrams),
            columns,
            sharex=True,
            sharey="row" if alike and not figure.free_y else "none",
            squeeze=False,
            height_ratios=heights,
        )
        _fill(axes, figure, diagrams, alike)
        _legend(canvas, axes, width)
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


def _fill(axes: "Grid", figure: Figure, diagrams: list[list[Diagram]], alike: bool) -> None:
    """All diagrams, with titles where they change and labels where they are not those of a neighbour."""
    looks: dict[str, int] = {}
    places = sorted(
        {float(x) for row in diagrams for one in row for curve in one.curves for x in curve.x}
    )
    above = [""] * axes.shape[1]
    for row, shown in zip(axes, diagrams, strict=True):
        for column, (ax, diagram) in enumerate(zip(row, shown, strict=False)):
            for curve in diagram.curves:
                _plot(ax, curve, looks.setdefault(curve.label, len(looks)))
            _scale(ax, diagram, figure.log_x, places)
            if diagram.title != above[column]:
                above[column] = diagram.title
                ax.set_title(diagram.title.replace(", ", "\n"), fontsize=8, parse_math=False)
            if column == 0 or not alike:
                ax.set_ylabel(diagram.y, parse_math=False)
        for ax in row[len(shown) :]:
            ax.set_visible(False)
    for ax in axes[-1]:
        ax.set_xlabel(figure.x, parse_math=False)


def _legend(canvas: "Canvas", axes: "Grid", width: float) -> None:
    """Beside the lines as they are drawn in every diagram that has them."""
    named = {
        text: handle
        for ax in axes.flat
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


def _plot(ax: "Axes", curve: Curve, number: int) -> None:
    """A line and its band, in the look of its number."""
    colour, dashes, marker = LOOKS[number % len(LOOKS)]
    value, half = band(curve.sample)
    ax.plot(
        curve.x,
        value,
        color=colour,
        linestyle=dashes,
        marker=marker,
        # Open and of different sizes, such that lines that coincide are all seen.
        markersize=3.5 + 1.5 * (number % 4),
        markerfacecolor="none",
        markevery=max(1, len(curve.x) // 10) if len(curve.x) > MANY_POINTS else 1,
        linewidth=1.3,
        label=curve.label,
    )
    half = np.nan_to_num(half)
    ax.fill_between(curve.x, value - half, value + half, color=colour, alpha=0.18, linewidth=0)


def _scale(ax: "Axes", diagram: Diagram, log_x: bool, places: Sequence[float]) -> None:
    """Both axes, with a tick at each place where there are few."""
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
