"""All figures, by the id that the command calls them by."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from ...traces.printing import duration
from .beyond import (
    AGE_A,
    AGE_C,
    CARBON,
    GAP_A,
    GAP_C,
    LEARNERS_A,
    LEARNERS_C,
    LOSS_A,
    LOSS_C,
    TIME,
)
from .figure import Figure
from .paper_a import A4, A5, A6, A7, A8
from .paper_c import C3, C4, C5, C6, C7, C8, C9

_OF_A = (A4, A5, A6, A7, A8)
_OF_C = (C3, C4, C5, C6, C7, C8, C9)
_BEYOND = (GAP_A, GAP_C, LEARNERS_A, LEARNERS_C, AGE_A, AGE_C, LOSS_A, LOSS_C, CARBON, TIME)

FIGURES: dict[str, Figure] = {figure.id: figure for figure in (*_OF_A, *_OF_C, *_BEYOND)}

PAPERS = {
    "A": "Paper A: digital twins in the industrial Internet of Things",
    "C": "Paper C: carbon-aware edge computing",
    "": "What the papers did not ask",
}
"""By `Figure.paper`, a heading."""


def chosen(names: Sequence[str]) -> list[str]:
    """Ids of the figures that are asked for, in the catalogue's order.

    Args:
        names: ids in any case, or "all".

    Raises:
        ValueError: there is no such figure.
    """
    asked = {name.lower() for name in names}
    unknown = [name for name in names if name.lower() not in {*FIGURES, "all"}]
    if unknown:
        near = get_close_matches(unknown[0].lower(), FIGURES, n=1, cutoff=0.3)
        hint = f"; did you mean {near[0]}?" if near else "."
        known = ", ".join([*FIGURES, "all"])
        raise ValueError(f"no figure {unknown[0]!r}{hint} There are: {known}")
    return [name for name in FIGURES if name in asked or "all" in asked]


def listing() -> str:
    """The figures with their claims, and the CPU time that they take."""
    lines: list[str] = []
    paper = None
    for figure in FIGURES.values():
        if figure.paper != paper:
            paper = figure.paper
            lines += ["", PAPERS[paper]] if lines else [PAPERS[paper]]
        lines.append(f"  {figure.id:<10} {figure.title} ({_cost([figure])})")
        told = [claim.says for claim in figure.claims]
        told += [question.asks for question in figure.questions if not figure.claims]
        lines += [f"  {'':<10} - {text}" for text in told]
    return "\n".join([*lines, "", f"CPU time of all, about: {_cost(FIGURES.values())}"])


def _cost(figures: Iterable[Figure]) -> str:
    """CPU time of a full and of a quick run; a training that several figures share counts once."""
    figures = list(figures)
    trainings = {one.name: one.minutes for figure in figures for one in figure.trainings}
    costs = [*trainings.values(), *(figure.minutes for figure in figures)]
    full, quick = (duration(60.0 * sum(cost[which] for cost in costs)) for which in (0, 1))
    return f"{full}; quick {quick}"
