"""One picture of whatever can be drawn: a trace, a comparison, a sweep."""

from collections.abc import Sequence
from pathlib import Path

from ...traces.comparison import Comparison
from ...traces.comparison_figures import plot_comparison
from ...traces.figures import Kind, plot
from ...traces.style import Style, default_suffix
from ..errors import ArgumentError
from .comparison import SweepComparison
from .figures import plot_sweep
from .results import load_results


def picture(
    what: Path | Comparison | SweepComparison,
    output: str | Path | None,
    kind: Kind,
    x: str | None,
    by: Sequence[str] | None,
    numbers: Sequence[str],
    style: Style,
) -> Path:
    """Draw it; arguments and result are those of `edgesim.plot`."""
    if isinstance(what, Comparison | SweepComparison):
        if output is None:
            raise ArgumentError("the picture of a comparison needs `output`")
        groups = [what] if isinstance(what, Comparison) else what.groups
        return plot_comparison(groups, output, style)
    if what.is_dir():
        output = output or what / f"sweep{default_suffix(style)}"
        return plot_sweep(load_results(what), output, x=x, by=by, numbers=numbers, style=style)
    return plot(what, output or what.with_suffix(default_suffix(style)), kind, style)
