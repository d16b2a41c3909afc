"""The one look of all pictures, on a screen and in print: sizes, fonts, lines, titles, legends and ticks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from ..simulator.core.outputs import replaced
from .file_errors import TraceError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.layout_engine import LayoutEngine
    from matplotlib.text import Text

Style = Literal["screen", "paper", "paper-wide"]
"""Of a picture: for a screen, for one column of IEEE's, for both."""
STYLES: tuple[Style, ...] = get_args(Style)
SUFFIXES = (".png", ".svg", ".pdf")
"""Of the pictures that can be drawn."""

STYLE: Any = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.titlesize": 10,
    "svg.hashsalt": "edgesim",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
}
"""Of matplotlib, for all pictures: letters stay letters, with their fonts in a PDF (type 42)."""

_PRINT: Any = STYLE | {
    "font.family": ["STIXGeneral", "DejaVu Sans"],
    "mathtext.fontset": "stix",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "figure.titlesize": 8,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.0,
}
"""Of print: a serif like that of the text, in letters no smaller than 7 points."""

DARK, MIDDLE = "#1b3a6b", "#d1682b"
"""Different in brightness too, for a grey print."""

LOOKS: tuple[tuple[str, Any, str], ...] = (
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

FAR_APART = 30.0
"""Values whose ratio is larger have a logarithmic axis: the smaller ones would be one line on a linear one."""

TALLEST = 9.5
"""Inches: what is printed fits a page."""


def line_look(number: int) -> dict[str, Any]:
    """Of a picture's line of this number, for `Axes.plot`.

    Markers are open and of different sizes, so that lines that coincide are all seen; after all looks the same
    colours and dashes come with other markers.
    """
    count = len(LOOKS)
    colour, dashes, _ = LOOKS[number % count]
    return {
        "color": colour,
        "linestyle": dashes,
        "marker": LOOKS[(number + number // count) % count][2],
        "markersize": (0.7 if for_print() else 1.0) * (3.5 + 1.5 * (number % 4)),
        "markerfacecolor": "none",
        "linewidth": 1.3,
    }


@dataclass(frozen=True)
class Sheet:
    """What a style draws on.

    Attributes:
        style: its name.
        width_in: of the picture, inches; None if the content decides.
        columns: panels side by side that there is room for.
        unit: size of a panel, relative to a screen's.
    """

    style: Style
    width_in: float | None
    columns: int
    unit: float

    def size(
        self, width_in: float, height_in: float, *, at_most: bool = False
    ) -> tuple[float, float]:
        """Of a picture that would be as large on a screen: the given width in print.

        Args:
            width_in: on a screen.
            height_in: likewise.
            at_most: whether panels are pressed into a page.

        Raises:
            TraceError: what is printed would be taller than a page.
        """
        height = height_in * self.unit
        if self.width_in is None:
            return width_in, min(height, TALLEST) if at_most else height
        if height > TALLEST and not at_most:
            what = f"the picture would be {height:.0f} inches tall in style {self.style}"
            raise TraceError(f"{what}, and a page has {TALLEST:g}: ask for fewer numbers")
        return self.width_in, min(height, TALLEST)


SHEETS = {
    "screen": Sheet("screen", None, 4, 1.0),
    "paper": Sheet("paper", 3.5, 2, 0.72),
    "paper-wide": Sheet("paper-wide", 7.16, 4, 0.72),
}


def default_suffix(style: Style) -> str:
    """Of a picture whose name is not given: vectors for print."""
    return ".png" if style == "screen" else ".pdf"


@contextmanager
def styled(style: Style) -> Iterator[Sheet]:
    """Pictures that are made and saved within have this style.

    Raises:
        ValueError: there is no such style.
    """
    from matplotlib import rc_context

    if style not in STYLES:
        raise ValueError(f"style {style!r}: one of {', '.join(STYLES)}")
    with rc_context(STYLE if style == "screen" else _PRINT):
        yield SHEETS[style]


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
    settle(figure)
    dpi = 600 if for_print() else 200  # what print wants of drawings in pixels
    form = output.suffix.lower().removeprefix(".")
    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    with replaced(output) as hidden:
        figure.savefig(hidden, dpi=dpi, format=form, metadata=undated.get(form))


def for_print() -> bool:
    """Whether what is drawn now is for print."""
    from matplotlib import rcParams

    return bool(rcParams["font.size"] == _PRINT["font.size"])


def heading(figure: "Figure | SubFigure", text: str) -> None:
    """A title above all, from the left, in lines as wide as the picture."""
    title = figure.suptitle(text, x=0.01, ha="left", parse_math=False)
    title.set_text(wrapped(title, 0.98 * figure.bbox.width))


def legend_above(ax: "Axes", columns: int = 0) -> None:
    """The lines' names between title and axes, where no line can be.

    Args:
        ax: whose; what `settle` finds too wide is written in one column.
        columns: of the names; by default all are side by side.
    """
    handles, labels = ax.get_legend_handles_labels()
    columns = columns or len(labels)
    legend = ax.legend(
        handles,
        labels,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        borderaxespad=0.0,
        borderpad=0.2,
        handlelength=2.2,
        columnspacing=1.0,
        labelspacing=0.2,
        ncols=columns,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    legend.set_in_layout(False)  # its height is the title's distance, its width is seen to
    rows = -(-len(labels) // columns)
    size = float(legend.get_texts()[0].get_fontsize())
    ax.set_title(ax.get_title("left"), pad=6.0 + 1.35 * size * rows)


def legend_beside(
    figure: "Figure", where: Any, handles: Sequence[Any], labels: Sequence[str]
) -> None:
    """The names of all panels' lines, outside of all, in as many columns as there is room for."""
    for columns in range(len(labels), 0, -1):
        place: Any = f"outside {where}"
        legend = figure.legend(handles, labels, loc=place, ncols=columns, handlelength=3.2)
        for text in legend.get_texts():
            text.set_parse_math(False)
        if columns == 1 or legend.get_window_extent().width <= 0.98 * figure.bbox.width:
            return
        legend.remove()


def wrapped(text: "Text", width: float) -> str:
    """A text in lines that are no wider than this, in pixels; no-break spaces stay."""
    lines: list[str] = []
    for word in text.get_text().replace("\n", " ").split(" "):
        text.set_text(f"{lines[-1]} {word}" if lines else word)
        if lines and text.get_window_extent().width <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return "\n".join(lines)


def settle(figure: "Figure") -> None:
    """Once all is drawn: titles in lines as wide as their panels, tick labels apart from each other.

    Nothing happens to a figure that has settled, as one that is saved in several formats has.
    """
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = figure.get_layout_engine()
    if not isinstance(layout, ConstrainedLayoutEngine):
        return
    drawn = [ax for ax in figure.axes if ax.get_visible()]
    layout.execute(figure)
    _wrap(drawn)
    # What is wrapped moves the panels a little, until all is where it was.
    moved = _moves(figure, layout)
    if _wrap(drawn) or moved:
        moved = _moves(figure, layout)
    thinned = [_thin(ax.xaxis) for ax in drawn]
    if moved or any(thinned):
        layout.execute(figure)
    # The solver of layouts errs in the last place, differently in each process, and so would an SVG's names.
    figure.set_layout_engine("none")
    for ax, place in zip(figure.axes, _places(figure), strict=True):
        ax.set_position(place)


def _places(figure: "Figure") -> list[tuple[float, float, float, float]]:
    """Of all panels, as shares of the picture, to what can be seen."""
    bounds = [np.round(ax.get_position(original=True).bounds, 6) for ax in figure.axes]
    return [(one[0], one[1], one[2], one[3]) for one in bounds]


def _moves(figure: "Figure", layout: "LayoutEngine") -> bool:
    """Lay out anew; whether that moved any panel."""
    before = _places(figure)
    layout.execute(figure)
    return _places(figure) != before


def _wrap(drawn: "Sequence[Axes]") -> bool:
    """Titles and labels in lines that have room, and names of lines; whether that changed any."""
    changed = False
    rooms = [_room(ax, drawn) for ax in drawn]
    for ax, room in zip(drawn, rooms, strict=True):
        if (legend := ax.get_legend()) and legend.get_window_extent().width > room:
            legend_above(ax, columns=1)
            changed = True
        title = ax._left_title  # type: ignore[attr-defined]
        labels = title, ax.xaxis.label, ax.yaxis.label
        before = [label.get_text() for label in labels]
        title.set_text(wrapped(title, room))
        _wrap_label(ax.xaxis.label, max(ax.bbox.width, 0.9 * room))
        _wrap_label(ax.yaxis.label, ax.bbox.height)
        changed |= before != [label.get_text() for label in labels]
    return changed


def _room(ax: "Axes", drawn: "Sequence[Axes]") -> float:
    """Pixels from the left end of a panel to the next one, or to the end of the picture."""
    assert ax.figure is not None
    ends = [ax.figure.bbox.x1]
    for other in drawn:
        beside = other.bbox.x0 >= ax.bbox.x1 and other.bbox.y0 < ax.bbox.y1 + 1.0
        if beside and other.bbox.y1 > ax.bbox.y0:
            box = other.get_tightbbox(for_layout_only=True)
            ends.append(box.x0 if box else other.bbox.x0)
    return float(min(ends) - ax.bbox.x0 - 0.05 * ax.figure.figure.dpi)


def _wrap_label(label: "Text", room: float) -> None:
    """An axis' label in lines no longer than its axis."""
    turned = label.get_rotation()
    label.set_rotation(0.0)
    label.set_text(wrapped(label, room))
    label.set_rotation(turned)


def _thin(axis: "Axis") -> bool:
    """Leave out every other label of those that touch, names are written aslant; whether any did."""
    low, high = sorted(axis.get_view_interval())
    touched = False
    while True:
        # Ticks beyond the ends are not drawn, and ends that are set would move out to them.
        placed = zip(axis.get_majorticklocs(), axis.get_ticklabels(), strict=False)
        ticks = [(place, label) for place, label in placed if low <= place <= high]
        labels = [label for _, label in ticks if label.get_text() and label.get_visible()]
        boxes = sorted((one.get_window_extent() for one in labels), key=lambda box: box.x0)
        if not any(a.x1 + 2.0 > b.x0 for a, b in pairwise(boxes)) or len(labels) < 3:
            return touched
        touched = True
        texts = [label.get_text() for _, label in ticks]
        if not all(_is_number(text) for text in texts if text):
            for one in labels:
                one.set(rotation=30.0, ha="right", rotation_mode="anchor")
            return touched
        kept = set([k for k, text in enumerate(texts) if text][::2])
        shown = [text if k in kept else "" for k, text in enumerate(texts)]
        axis.set_ticks([place for place, _ in ticks], shown)


def _is_number(text: str) -> bool:
    return all(letter in "0123456789.,-\N{MINUS SIGN}e+$\\{}mathdefault^" for letter in text)


def far_apart(values: Iterable[float]) -> bool:
    """Whether values, NaN aside, need a logarithmic axis to be told apart, and all can be on one."""
    known = [value for value in values if np.isfinite(value)]
    return bool(known) and 0.0 < FAR_APART * min(known) < max(known)


def ticks_at(ax: "Axes", places: Mapping[str, float], log: bool = False) -> None:
    """Ticks of the x axis at what was run; at round numbers, whole for counts, if that is much.

    Args:
        ax: whose.
        places: of the points, by what is written there.
        log: whether the axis is logarithmic.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    numbers = all(_is_number(name) for name in places)
    if log:
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,g}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
    elif numbers and all(float(place).is_integer() for place in places.values()):
        # What of these would touch, `settle` thins; matplotlib's "auto" has room for twice as much.
        ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10], integer=True))
    if len(places) <= MANY_PLACES or not numbers:
        ax.set_xticks(list(places.values()), list(places), minor=False, parse_math=False)
        ax.set_xticks([], minor=True)
