"""Picture of a comparison of policies."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from .comparison import Comparison
from .figures import DARK, MIDDLE, STYLE, check_picture, save
from .metrics import METRICS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 4
"""Panels side by side."""


def plot_comparison(comparison: Comparison, output: str | Path) -> Path:
    """Draw a panel for each number, with a line for each policy.

    A dot is a policy's mean with its 95 % interval; below it, the thick bar is the interval of its
    difference to the baseline, drawn from the baseline's mean: where it misses the dashed line, the
    policies differ.

    Args:
        comparison: what is drawn.
        output: the picture, PNG, SVG or PDF by its suffix.

    Returns:
        The path of the picture.

    Raises:
        ValueError: if the suffix is none of these.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    output = check_picture(output)
    keys = comparison.shown
    policies = len(comparison.policies)
    columns = min(COLUMNS, max(len(keys), 1))
    rows = max(math.ceil(len(keys) / columns), 1)
    with rc_context(STYLE):
        longest = max(len(policy.label) for policy in comparison.policies)
        size = (0.8 + 0.07 * longest + 2.5 * columns, 0.9 + rows * (0.75 + 0.36 * policies))
        figure = Figure(figsize=size, layout="constrained")
        figure.suptitle(
            f"{comparison.title}: {len(comparison.seeds)} seeds, {comparison.seeds[0]} to "
            f"{comparison.seeds[-1]}; differences to {comparison.baseline.label}, paired by seed",
            x=0.01,
            ha="left",
            fontsize=10,
            parse_math=False,
        )
        axes = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
        for ax, key in zip(axes, keys, strict=False):
            _draw(comparison, key, ax)
        for ax in axes[len(keys) :]:
            ax.set_visible(False)
        figure.legend(
            handles=[
                Line2D([], [], color=DARK, marker="o", markersize=4, label="mean, 95 % interval"),
                Line2D(
                    [],
                    [],
                    color=MIDDLE,
                    linewidth=4,
                    label="baseline's mean plus the difference's 95 % interval",
                ),
                Line2D([], [], color="black", linestyle="--", linewidth=0.9, label="baseline"),
            ],
            loc="outside lower left",
            ncols=3,
            fontsize=8,
        )
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
    ax.locator_params(axis="x", nbins=4)
    ax.ticklabel_format(axis="x", scilimits=(-2, 5))
