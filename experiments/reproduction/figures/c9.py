"""Fig. 9 of paper C: worst-case emission over the cycles of tasks, for small and for large tasks."""

import xarray as xr

from .. import task_figures as tasks
from ..figure import Checks, Diagram, Evidence, Figure, Question, Results, factor
from ..measure import conditions, feasible, split, steps
from ..sentences import span
from ..task_figures import CYCLES, EXACT, OPEN, PROPOSED

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


def _emission(data: xr.Dataset) -> xr.DataArray:
    """Each scheme's own, of each size, where it keeps all limits."""
    return data["worst_emission_mg"].where(feasible(data))


def _diagrams(results: Results) -> list[list[Diagram]]:
    data = results["sizes"].sel({"rate floor": "all", "policy": [PROPOSED, EXACT]})
    labels = [f"{mb} MB, {policy}" for policy in (PROPOSED, EXACT) for mb in (SMALL, LARGE)]
    data = data.stack(line=("policy", "size")).drop_vars(["line", "policy", "size"])
    parts = split(data.assign_coords(line=labels), "theta_0")
    return tasks.emission_rows(parts, by="line", emitted=_emission)


def _larger(results: Results) -> Checks:
    """In the instances in which both sizes can be served."""
    data = results["sizes"].sel(policy=PROPOSED)
    values = data["worst_emission_mg"].where(feasible(data).all("size"))
    more = {tasks.AT_CYCLES: values.sel(size=LARGE) - values.sel(size=SMALL)}
    return conditions(more, *OPEN, along=CYCLES, low=0.0)


def _rising(results: Results) -> Checks:
    rise = steps(_emission(results["sizes"].sel(policy=PROPOSED)), CYCLES)
    by_size = {f"{mb} MB, {{}}": rise.sel(size=mb) for mb in (SMALL, LARGE)}
    return conditions(by_size, *OPEN, along=CYCLES, low=0.0)


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
        f"All devices' tasks of {LARGE} MB cannot be sent within {tasks.DEADLINE}, so one at least stays "
        f"local and sets the worst case. Those of {SMALL} MB can, where offloading pays. Of tasks of "
        f"{SMALL} and of {LARGE} MB the optimum offloads: {by_theta}. Where all stay local, size makes "
        "no difference. So it is by the choice between sending and staying that size matters, not by the "
        "energy of the transmission."
    )


FIGURE = Figure(
    id="c9",
    title="Task size and task complexity",
    notes=(
        "Not stated: theta_0. All tasks of an instance have the same size and the same cycles. Drawn is "
        "the floor for all."
    ),
    x=tasks.MEGACYCLES,
    diagrams=_diagrams,
    minutes=(2.0, 0.4),
    studies=STUDIES,
    claims=(
        tasks.claim(
            "c9-size",
            f"Tasks of {LARGE} MB emit more than tasks of {SMALL} MB.",
            _larger,
            _why_larger,
        ),
        tasks.claim(
            "c9-rising",
            "Emissions rise with the cycles, for both sizes.",
            _rising,
            test=tasks.TO_NEXT,
        ),
    ),
    questions=(Question("How many tasks does the optimum offload?", "%", _offloaded),),
)
