"""Fig. 9 of paper C: worst-case emission over the cycles of tasks, for small and for large tasks."""

from collections.abc import Callable

import xarray as xr

from .. import task_figures as tasks
from ..figure import Claim, Diagram, Evidence, Figure, Question, Results, factor
from ..measure import conditions, feasible, split, steps
from ..sentences import span
from ..task_figures import ALGORITHM_1, CYCLES, EXACT, OPEN, PRINTED_1, SEARCH
from ..verdicts import Checks

SMALL, LARGE = 1, 4

STUDIES = (
    tasks.instances(
        "sizes",
        ALGORITHM_1 | {EXACT: "exact"},
        factor("size", "tasks.size", {mb: [f"{mb} MB"] * 2 for mb in (SMALL, LARGE)}),
        tasks.cycles(1000, 1100, 1200, 1300, 1400, quick=(1000, 1400)),
        tasks.THETA_0,
        tasks.FLOOR,
        kept=("worst_emission_mg", "feasible_share", "offloaded_task_share"),
    ),
)


def _emission(data: xr.Dataset) -> xr.DataArray:
    """Each scheme's own, of each size, where it keeps all limits."""
    return data["worst_emission_mg"].where(feasible(data))


def _diagrams(results: Results) -> list[list[Diagram]]:
    shown = (PRINTED_1, SEARCH, EXACT)
    data = results["sizes"].sel({"rate floor": "all"})
    data = data.assign(drawn=tasks.drawn(data)).sel(policy=list(shown))
    labels = [f"{mb} MB, {policy}" for policy in shown for mb in (SMALL, LARGE)]
    data = data.stack(line=("policy", "size")).drop_vars(["line", "policy", "size"])
    parts = split(data.assign_coords(line=labels), "theta_0")
    return tasks.emission_rows(parts, lambda part: part["drawn"], by="line")


def _larger(subject: str) -> Callable[[Results], Checks]:
    """In the instances in which both sizes can be served."""

    def checks(results: Results) -> Checks:
        data = results["sizes"].sel(policy=subject)
        keeps = feasible(data).all("size")
        values = data["worst_emission_mg"].where(keeps)
        more = {tasks.AT_CYCLES: values.sel(size=LARGE) - values.sel(size=SMALL)}
        possible = feasible(results["sizes"].sel(policy=EXACT)).all("size")
        kept = keeps.astype(float).where(possible)
        return conditions(more, *OPEN, along=CYCLES, kept=kept)

    return checks


def _rising(subject: str) -> Callable[[Results], Checks]:
    def checks(results: Results) -> Checks:
        data = results["sizes"]
        rise = steps(_emission(data.sel(policy=subject, drop=True)), CYCLES)
        both = tasks.at_both(tasks.kept_by(data, subject))
        by_size, kept = (
            {f"{mb} MB, {{}}": of.sel(size=mb) for mb in (SMALL, LARGE)} for of in (rise, both)
        )
        return conditions(by_size, *OPEN, along=CYCLES, kept=kept)

    return checks


def _offloaded(results: Results) -> Checks:
    share = 100.0 * results["sizes"]["offloaded_task_share"].sel(policy=EXACT).mean(CYCLES)
    return conditions({"{} MB": share}, *OPEN, along="size")


def _why_larger(evidence: Evidence) -> str:
    share = 100.0 * evidence.results["sizes"]["offloaded_task_share"].sel(policy=EXACT)
    by_theta = "; ".join(
        f"{name}, {span(part.sel(size=SMALL).mean())} and {span(part.sel(size=LARGE).mean())} %"
        for name, part in split(share, "theta_0")
    )
    return (
        f"Of tasks of {SMALL} and of {LARGE} MB the optimum offloads: {by_theta}. Where the worst "
        "device's task stays local, size makes no difference: it matters by the choice between sending and staying."
    )


FIGURE = Figure(
    id="c9",
    title="Task size and task complexity",
    notes=(
        f"{tasks.COUNTED}Not stated: theta_0. All tasks of an instance have the same size and the same cycles. "
        f"Drawn is the floor for all. Lines of {PRINTED_1} are of all instances that have a solution, whether "
        "or not limits are kept; others are of the instances in which they keep all limits."
    ),
    x=tasks.MEGACYCLES,
    diagrams=_diagrams,
    minutes=(4.0, 0.05),
    studies=STUDIES,
    claims=(
        Claim("c9-size", {one: _larger(one) for one in ALGORITHM_1}, _why_larger),
        Claim("c9-rising", {one: _rising(one) for one in ALGORITHM_1}),
    ),
    questions=(
        Question("How many tasks does the optimum offload?", "%", _offloaded, "share"),
        tasks.kept_question("sizes", (*ALGORITHM_1, EXACT), "size"),
    ),
)
