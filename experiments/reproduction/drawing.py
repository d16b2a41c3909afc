"""The pictures: vector and PNG, readable in grey, with the command that makes them again."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...simulator.core.arrays import FloatArray
from ...simulator.core.outputs import replaced
from ...traces.confidence_intervals import student_t
from ...traces.style import (
    MANY_POINTS,
    SUFFIXES,
    Style,
    legend_beside,
    line_look,
    save,
    styled,
    ticks_at,
    wrapped,
)
from .figure import Diagram, Figure, NotRun
from .stored import NAME, load

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas


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


def draw(
    figure: Figure,
    diagrams: list[list[Diagram]],
    command: str,
    target: Path,
    style: Style = "screen",
) -> None:
    """Draw a figure in all formats.

    Args:
        figure: which.
        diagrams: rows of them.
        command: that makes it again.
        target: of the files, without suffix.
        style: as of `edgesim.plot`.
    """
    from matplotlib.figure import Figure as Canvas

    columns = max(len(row) for row in diagrams)
    heights = [0.62 if row[0].percent and len(diagrams) > 1 else 1.0 for row in diagrams]
    width = max(1.0 + 2.4 * columns, 5.2)
    with styled(style) as sheet:
        size = sheet.size(width, 1.5 + 2.5 * sum(heights), at_most=True)
        canvas = Canvas(figsize=size, layout="constrained")
        _draw_all(canvas, figure, diagrams, columns, heights)
        named = {
            greek(text): handle
            for ax in canvas.axes
            for handle, text in zip(*ax.get_legend_handles_labels(), strict=True)
        }
        legend_beside(canvas, "upper left", list(named.values()), list(named))
        said = canvas.supxlabel(
            f"{command}; bands: 95 % intervals over seeds",
            fontsize=7,
            x=0.01,
            ha="left",
            color="#555555",
            parse_math=False,
        )
        said.set_text(wrapped(said, 0.98 * canvas.bbox.width))
        for suffix in SUFFIXES:
            save(canvas, target.with_suffix(suffix))


def greek(text: str) -> str:
    """A key as the papers print it; a number stays with its key, and a unit in its line."""
    text = text.replace("theta_0", "θ₀").replace(" [", "\xa0[")
    return re.sub(r" = (?=\d)", "\xa0=\xa0", text)


def draw_stored(figure: Figure, folder: Path, style: Style = "screen") -> None:
    """The picture of a figure and its numbers as a table, from `numbers.json.gz` in its folder.

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
    draw(figure, diagrams, command, folder / figure.id, style)


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
        sharex="col",
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
                ax.set_title(greek(diagram.title), parse_math=False)
            if column == 0 or not alike:
                ax.set_ylabel(greek(diagram.y), parse_math=False)
        for ax in row[len(shown) :]:
            ax.set_visible(False)
    for ax in axes[-1]:
        ax.set_xlabel(greek(figure.x), parse_math=False)


def _draw(ax: "Axes", diagram: Diagram, looks: dict[str, int]) -> None:
    """Its lines, with their intervals."""
    for label, x, sample in diagram.lines():
        look = line_look(looks[label])
        value, half = band(sample)
        every = max(1, len(x) // 10) if len(x) > MANY_POINTS else 1
        # A point at the end of the axes is drawn whole.
        ax.plot(x, value, markevery=every, label=label, clip_on=False, **look)
        half = np.nan_to_num(half)
        low, high = value - half, value + half
        if diagram.percent:
            low, high = np.clip(low, 0.0, 100.0), np.clip(high, 0.0, 100.0)
        ax.fill_between(x, low, high, color=look["color"], alpha=0.18, linewidth=0)


def _set_axes(ax: "Axes", diagram: Diagram, places: Sequence[float], log_x: bool) -> None:
    """Scales and ticks."""
    if diagram.log:
        ax.set_yscale("log")
    elif diagram.percent:
        ax.set_ylim(0.0, 105.0)
    else:
        ax.ticklabel_format(axis="y", scilimits=(-3, 5))
    ticks_at(ax, {f"{place:g}": place for place in places}, log_x)
