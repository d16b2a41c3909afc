"""Picture of comparisons of policies."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .comparison import Comparison
from .file_errors import TraceError
from .metrics import METRICS
from .style import DARK, MIDDLE, Style, check_picture, heading, legend_beside, save, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_PANELS = 60


def plot_comparison(
    comparisons: Sequence[Comparison], output: str | Path, style: Style = "screen"
) -> Path:
    """Draw a panel for each number, with a line for each policy; comparisons one below the other.

    A dot is a policy's mean with its 95 % interval; below it, the thick bar is the interval of its
    difference to the baseline, drawn from the baseline's mean: where it misses the dashed line, the
    policies differ.

    Args:
        comparisons: what is drawn.
        output: the picture, PNG, SVG or PDF by its suffix.
        style: as of `figures.plot`.

    Returns:
        The path of the picture.

    Raises:
        ValueError: if the suffix or the style is none of these.
        TraceError: there are more panels than a picture has room for, or than a page in print.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from matplotlib.lines import Line2D

    output = check_picture(output)
    panels = sum(len(one.shown) for one in comparisons)
    if panels > MAX_PANELS:
        what = f"{panels} panels, of which a picture has room for {MAX_PANELS}"
        raise TraceError(f"{what}: ask for fewer numbers, or fewer keys to group by")
    most = max(len(one.shown) for one in comparisons) or 1
    with styled(style) as sheet:
        columns = min(sheet.columns, most)
        if style == "screen":  # no picture that is much taller than wide
            columns = min(max(columns, math.ceil(0.75 * math.sqrt(panels))), most)
        rows = [max(math.ceil(len(one.shown) / columns), 1) for one in comparisons]
        heights = [
            0.4 + n * (0.75 + 0.36 * len(one.policies))
            for n, one in zip(rows, comparisons, strict=True)
        ]
        longest = max(len(policy.label) for one in comparisons for policy in one.policies)
        size = sheet.size(0.8 + 0.07 * longest + 2.5 * columns, 0.5 + sum(heights))
        # Policies' names stand at the edge, inches.
        figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.08))
        parts = figure.subfigures(len(comparisons), squeeze=False, height_ratios=heights).ravel()
        for comparison, part, n in zip(comparisons, parts, rows, strict=True):
            heading(
                part,
                f"{comparison.title}: {len(comparison.seeds)} seeds, {comparison.seeds[0]} to "
                f"{comparison.seeds[-1]}; differences to {comparison.baseline.label}, paired by seed",
            )
            axes = part.subplots(n, columns, sharey=True, squeeze=False).ravel()
            for ax, key in zip(axes, comparison.shown, strict=False):
                _draw(comparison, key, ax)
            for ax in axes[len(comparison.shown) :]:
                ax.set_visible(False)
        looks: tuple[Any, ...] = (
            {"color": DARK, "marker": "o", "markersize": 4},
            {"color": MIDDLE, "linewidth": 4},
            {"color": "black", "linestyle": "--", "linewidth": 0.9},
        )
        labels = (
            "mean, 95 % interval",
            "baseline's mean plus the difference's 95 % interval",
            "baseline",
        )
        handles = [Line2D([], [], **look) for look in looks]
        legend_beside(figure, "lower left", handles, labels)
        save(figure, output)
    return output


def _draw(comparison: Comparison, key: str, ax: "Axes") -> None:
    row = METRICS[key]
    base = comparison.baseline.means[key].value
    ax.set_title(row.heading, parse_math=False)
    ax.axvline(base * row.scale, color="black", linestyle="--", linewidth=0.9, zorder=1)
    for place, policy in enumerate(comparison.policies):
        estimate = policy.means[key]
        ax.errorbar(
            estimate.value * row.scale,
            place,
            xerr=[[arm * row.scale] for arm in estimate.arms],
            color=DARK,
            fmt="o",
            markersize=4,
            capsize=2,
            linewidth=1.2,
        )
        if difference := policy.differences.get(key):
            paired = difference.estimate
            ends = [(base + paired.low) * row.scale, (base + paired.high) * row.scale]
            ax.plot(ends, [place + 0.28] * 2, color=MIDDLE, linewidth=4, solid_capstyle="butt")
    ax.set_yticks(
        range(len(comparison.policies)),
        [policy.label for policy in comparison.policies],
        parse_math=False,
    )
    ax.set_ylim(len(comparison.policies) - 0.45, -0.55)
    ax.grid(axis="y", visible=False)
    ax.locator_params(axis="x", nbins=3)
    ax.ticklabel_format(axis="x", scilimits=(-2, 5))
