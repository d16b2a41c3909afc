"""Fig. 9 of paper C: worst-case emission over the cycles of tasks, for small and for large tasks."""

from typing import TYPE_CHECKING

from .. import task_figures as tasks
from ..figure import Checks, Claim, Diagram, Evidence, Figure, Question, Results, factor
from ..measure import (
    Column,
    above,
    curve,
    each,
    emission,
    emission_rows,
    feasible,
    rising,
    share,
    split,
)
from ..sentences import span
from ..task_figures import CYCLES, EXACT, OPEN, PROPOSED

if TYPE_CHECKING:
    import xarray as xr

SMALL, LARGE = 1, 4

STUDIES = (
    tasks.instances(
        "sizes",
        {PROPOSED: "sca", EXACT: "exact"},
        factor("size", "tasks.size", {mb: [f"{mb} MB"] * 2 for mb in (SMALL, LARGE)}),
        tasks.cycles(1000, 1100, 1200, 1300, 1400, quick=(1000, 1400)),
        tasks.THETA_0,
        tasks.FLOOR,
    ),
)


def diagrams(results: Results) -> list[list[Diagram]]:
    """Emission and the share of feasible instances, a column for each theta_0."""

    def column(title: str, part: "xr.Dataset") -> Column:
        emitted, kept = [], []
        for policy in (PROPOSED, EXACT):
            for size in (SMALL, LARGE):
                one, label = part.sel(size=size), f"{size} MB, {policy}"
                emitted.append(curve(label, emission(one, [policy]).sel(policy=policy), CYCLES))
                kept.append(curve(label, share(one).sel(policy=policy), CYCLES))
        return title, tuple(emitted), tuple(kept)

    columns = split(results["sizes"].sel({"rate floor": "all"}), "theta_0")
    return emission_rows(column(*one) for one in columns)


def larger(results: Results) -> Checks:
    """Large tasks emit more than small ones, in the instances where both can be served."""
    found = {}
    for name, part in split(results["sizes"].sel(policy=PROPOSED), *OPEN):
        values = part["worst_emission_mg"].where(feasible(part).all("size"))
        found[name] = above(values.sel(size=LARGE), values.sel(size=SMALL), CYCLES)
    return found


def rising_with_cycles(results: Results) -> Checks:
    """Emissions of both sizes rise with the cycles."""
    found = {}
    for name, part in split(results["sizes"], *OPEN):
        values = emission(part, [PROPOSED]).sel(policy=PROPOSED)
        found[name] = [
            check
            for size in (SMALL, LARGE)
            for check in rising(values.sel(size=size), CYCLES, f"{size} MB, ")
        ]
    return found


def offloaded(results: Results) -> Checks:
    """Part of the tasks that the optimum offloads."""
    share = 100.0 * results["sizes"]["offloaded_task_share"].sel(policy=EXACT).mean(CYCLES)
    return {name: each(part, "size", "{} MB") for name, part in split(share, *OPEN)}


def why_larger(evidence: Evidence) -> str:
    """How many tasks of each size are offloaded, for each theta_0."""
    share = 100.0 * evidence.results["sizes"]["offloaded_task_share"].sel(policy=EXACT)
    by_theta = "; ".join(
        f"{name}, {span(part.sel(size=SMALL).mean())} and {span(part.sel(size=LARGE).mean())} %"
        for name, part in split(share, "theta_0")
    )
    return (
        f"All devices' tasks of {LARGE} MB cannot be sent within {tasks.DEADLINE}, so one at least stays "
        f"local and sets the worst case. Those of {SMALL} MB can, where offloading pays. Of tasks of "
        f"{SMALL} and of {LARGE} MB the optimum offloads: {by_theta}. Where all stay local, size makes "
        "no difference. So it is by the choice between sending and staying that size matters, not by the "
        "energy of the transmission."
    )


FIGURE = Figure(
    id="c9",
    paper="C",
    title="Task size and task complexity",
    notes=(
        "Not stated: theta_0. All tasks of an instance have the same size and the same cycles. Drawn is "
        "the floor for all."
    ),
    x=tasks.MEGACYCLES,
    diagrams=diagrams,
    minutes=(2.0, 0.4),
    studies=STUDIES,
    claims=(
        Claim(
            "c9-size",
            f"Tasks of {LARGE} MB emit more than tasks of {SMALL} MB.",
            tasks.AT_EACH,
            "mg",
            larger,
            reason=why_larger,
        ),
        Claim(
            "c9-rising",
            "Emissions rise with the cycles, for both sizes.",
            tasks.TO_NEXT,
            "mg",
            rising_with_cycles,
        ),
    ),
    questions=(Question("How many tasks does the optimum offload?", "%", offloaded),),
)
