"""What is wrong with a picture, by the boxes that its renderer gives its texts and lines."""

from itertools import combinations
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.text import Text


def _shown(figure: Figure) -> list[Text]:
    """Its texts that can be seen; ticks beyond an axis' ends are none of them."""
    texts = []
    hidden = {id(text) for ax in figure.axes if not ax.get_visible() for text in ax.findobj(Text)}
    for ax in figure.axes:
        for axis, ends, at in ((ax.xaxis, ax.get_xlim(), 0), (ax.yaxis, ax.get_ylim(), 1)):
            low, high = sorted(ends)
            ticks = (*axis.get_major_ticks(), *axis.get_minor_ticks())
            for tick in ticks:
                place = tick.label1.get_position()[at]
                margin = 1e-9 * (abs(low) + abs(high))
                if not low - margin <= place <= high + margin or not tick.label1.get_visible():
                    hidden |= {id(tick.label1), id(tick.label2)}
    for text in figure.findobj(Text):
        if text.get_text().strip() and text.get_visible() and id(text) not in hidden:
            texts.append(text)
    return texts


def mistakes(figure: Figure) -> list[str]:
    """Texts on each other, texts beyond the picture, and names of lines on lines."""
    figure.draw_without_rendering()
    found, edge = [], figure.bbox
    boxes = [(text.get_text(), text.get_window_extent()) for text in _shown(figure)]
    for (one, a), (other, b) in combinations(boxes, 2):
        width = min(a.x1, b.x1) - max(a.x0, b.x0)
        height = min(a.y1, b.y1) - max(a.y0, b.y0)
        if width > 1.0 and height > 1.5:
            found.append(f"{one!r} on {other!r}")
    for text, box in boxes:
        if (
            box.x0 < edge.x0 - 1
            or box.x1 > edge.x1 + 1
            or box.y0 < edge.y0 - 1
            or box.y1 > edge.y1 + 1
        ):
            found.append(f"{text!r} beyond the picture")
    for ax in figure.axes:
        legend: Any = ax.get_legend()
        if legend is not None and ax.get_visible():
            box = legend.get_window_extent()
            for line in ax.lines:
                points = line.get_transform().transform(np.column_stack(line.get_data()))
                points = points[np.isfinite(points).all(axis=1)]
                at, place = np.arange(len(points)), np.linspace(0, len(points) - 1, 2000)
                between = [np.interp(place, at, points[:, k]) for k in (0, 1)]
                if len(points) and box.count_contains(np.column_stack(between)):
                    found.append(f"names on the line {line.get_label()!r}")
    return found
