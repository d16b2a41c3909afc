"""The pictures: vector and PNG, readable in grey, with the command that makes them again."""

import csv
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...simulator.core.arrays import FloatArray
from ...simulator.core.outputs import replaced
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
from .verdicts import Average, Rule

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas


TALLEST = 1.25
"""Times its width: beside text a picture that fills a page is not seen as one."""

FAR_OUT = 300.0
"""Times the median size of what is drawn: from there on an axis is symmetric-logarithmic."""

FEWEST = 5
"""Seeds of which a band is drawn: two would have one that reaches far beyond all that was seen."""

_BANDS = {
    "mean": "lines: means, geometric on a logarithmic axis; "
    f"bands: 95 % intervals of them over seeds, of {FEWEST} and more",
    "median": "lines: medians; bands: 95 % intervals of them over seeds, by order statistics",
}


def band(sample: FloatArray, average: Average = "mean") -> tuple[FloatArray, ...]:
    """Averages over seeds, and the ends of their 95 % intervals.

    Args:
        sample: (K, S); NaN where a seed says nothing.
        average: of each row.

    Returns:
        (K,) each; NaN where no seed, or for the ends too few, say something.
    """
    rule = Rule(average)
    found = np.full((3, len(sample)), np.nan)
    for k, values in enumerate(sample):
        known = values[np.isfinite(values)]
        if len(known) > 1:
            found[:, k] = rule.interval(known)
        elif len(known):
            found[0, k] = known[0]
        if len(known) < FEWEST:
            found[1:, k] = np.nan
    return tuple(np.where(np.isfinite(found), found, np.nan))


def _drawn(
    figure: Figure, diagram: Diagram
) -> Iterator[tuple[str, FloatArray, tuple[FloatArray, ...], FloatArray]]:
    """Label, (K,) places, (K,) averages with the ends of their bands, and numbers of seeds, of each curve."""
    average: Average = "geometric mean" if diagram.logarithmic else figure.average
    for label, x, sample in diagram.lines():
        value, *ends = band(sample, average)
        low, high = (np.clip(end, *diagram.ends) for end in ends)
        yield label, x, (value, low, high), np.isfinite(sample).sum(axis=1)


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
        row = min(2.5, (TALLEST * width - 1.5) / sum(heights))
        size = sheet.size(width, 1.5 + row * sum(heights), at_most=True)
        canvas = Canvas(figsize=size, layout="constrained")
        _draw_all(canvas, figure, diagrams, columns, heights)
        named = {
            greek(text): handle
            for ax in canvas.axes
            for handle, text in zip(*ax.get_legend_handles_labels(), strict=True)
        }
        legend_beside(canvas, "upper left", list(named.values()), list(named))
        said = canvas.supxlabel(
            f"{command}; {_BANDS[figure.average]}",
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
    write_lines(figure, diagrams, folder / "lines.csv")
    draw(figure, diagrams, command, folder / figure.id, style)


def write_lines(figure: Figure, diagrams: list[list[Diagram]], path: Path) -> None:
    """What the picture shows, as a table: a row for each point of each line."""
    with replaced(path) as hidden, hidden.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        measured = ("average", "low", "high", "seeds")
        writer.writerow(["panel", "number", "line", figure.x, *measured])
        for diagram in (one for row in diagrams for one in row):
            for label, x, values, seeds in _drawn(figure, diagram):
                columns = (x, *values, seeds)
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
            drawn = _draw(ax, figure, diagram, looks)
            _set_axes(ax, diagram, drawn, places, figure.log_x)
            if diagram.title != above[column]:
                above[column] = diagram.title
                ax.set_title(greek(diagram.title), parse_math=False)
            if column == 0 or not alike:
                ax.set_ylabel(greek(diagram.y), parse_math=False)
        for ax in row[len(shown) :]:
            ax.set_visible(False)
    for ax in axes[-1]:
        ax.set_xlabel(greek(figure.x), parse_math=False)


def _draw(ax: "Axes", figure: Figure, diagram: Diagram, looks: dict[str, int]) -> FloatArray:
    """Its lines, with their intervals; all the values that are drawn."""
    drawn = [np.empty(0)]
    for label, x, (value, *ends), _ in _drawn(figure, diagram):
        look = line_look(looks[label])
        every = max(1, len(x) // 10) if len(x) > MANY_POINTS else 1
        # A point at the end of the axes is drawn whole.
        ax.plot(x, value, markevery=every, label=label, clip_on=False, **look)
        low, high = (np.where(np.isfinite(end), end, value) for end in ends)
        ax.fill_between(x, low, high, color=look["color"], alpha=0.18, linewidth=0)
        drawn += [value, low, high]
    return np.concatenate(drawn)


def _symmetric_log(sizes: FloatArray) -> float:
    """Up to which size an axis is linear, if some are so far out that the others could not be told apart; else 0."""
    sizes = np.abs(sizes[np.isfinite(sizes) & (sizes != 0.0)])
    if not len(sizes) or sizes.max() < FAR_OUT * np.median(sizes):
        return 0.0
    # A little more than a power of ten: matplotlib has its logarithm rounded down, and another tick within.
    return float(1.001 * 10.0 ** math.floor(math.log10(np.median(sizes))))


def _set_axes(
    ax: "Axes", diagram: Diagram, drawn: FloatArray, places: Sequence[float], log_x: bool
) -> None:
    """Scales and ticks."""
    if diagram.logarithmic:
        ax.set_yscale("log")
    elif diagram.percent:
        ax.set_ylim(0.0, 105.0)
    elif threshold := _symmetric_log(drawn):
        ax.set_yscale("symlog", linthresh=threshold)
    else:
        ax.ticklabel_format(axis="y", scilimits=(-3, 5))
    ticks_at(ax, {f"{place:g}": place for place in places}, log_x)
