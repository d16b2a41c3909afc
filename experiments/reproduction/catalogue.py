"""All figures, by the id that the command knows."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from importlib import import_module

from ...traces.printing import duration
from .figure import Figure

_OF_A = ("a4", "a5", "a6", "a7", "a8")
_OF_C = ("c3", "c4", "c5", "c6", "c7", "c8", "c9")
_GAPS = ("gap_a", "gap_c", "learners_a", "learners_c")
_BEYOND = (*_GAPS, "age_a", "age_c", "loss_a", "loss_c", "carbon", "time")

FIGURES: dict[str, Figure] = {
    figure.id: figure
    for name in (*_OF_A, *_OF_C, *_BEYOND)
    for figure in [import_module(f".figures.{name}", __package__).FIGURE]
}

PAPERS = {
    "A": (
        "Paper A: Dai, Zhang, Maharjan, Zhang, Deep Reinforcement Learning for Stochastic Computation "
        "Offloading in Digital Twin Networks"
    ),
    "C": (
        "Paper C: Huynh et al., Carbon-Aware Edge Computing for Internet of Everything Networks: A "
        "Digital Twin Approach"
    ),
    "": "Beyond the papers",
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
        texts = [claim.entry.says for claim in figure.claims]
        texts = texts or [question.asks for question in figure.questions]
        lines += [f"  {'':<10} - {text}" for text in texts]
    return "\n".join([*lines, "", f"CPU time of all, about: {_cost(FIGURES.values())}"])


def _cost(figures: Iterable[Figure]) -> str:
    """CPU time of a full and of a quick run; a training that several figures share counts once."""
    figures = list(figures)
    minutes = []
    for quick in (False, True):
        trainings = {one.name: one for figure in figures for one in figure.parts(quick)[0]}
        costs = [
            *(one.minutes for one in trainings.values()),
            *(figure.minutes for figure in figures),
        ]
        minutes.append(sum(cost[quick] for cost in costs))
    full, of_quick = (duration(60.0 * one) for one in minutes)
    return f"{full}; quick {of_quick}"
