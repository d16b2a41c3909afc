"""Fig. 9 of paper C: worst-case emission over the cycles of tasks, for small and for large tasks."""

from typing import TYPE_CHECKING

from .. import task_figures as tasks
from ..figure import Checks, Claim, Diagram, Evidence, Figure, Question, Results, factor
from ..measure import conditions, feasible, joined, split, steps
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


def _emission(data: "xr.Dataset") -> "xr.DataArray":
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
    difference = values.sel(size=LARGE) - values.sel(size=SMALL)
    return conditions(difference, *OPEN, along=CYCLES, low=0.0)


def _rising(results: Results) -> Checks:
    rise = steps(_emission(results["sizes"].sel(policy=PROPOSED)), CYCLES)
    return joined(
        conditions(rise.sel(size=mb), *OPEN, along=CYCLES, what=f"{mb} MB, {{}}", low=0.0)
        for mb in (SMALL, LARGE)
    )


def _offloaded(results: Results) -> Checks:
    share = 100.0 * results["sizes"]["offloaded_task_share"].sel(policy=EXACT).mean(CYCLES)
    return conditions(share, *OPEN, along="size", what="{} MB")


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
    paper="C",
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
        Claim(
            "c9-size",
            f"Tasks of {LARGE} MB emit more than tasks of {SMALL} MB.",
            tasks.AT_EACH,
            "mg",
            _larger,
            reason=_why_larger,
        ),
        Claim(
            "c9-rising",
            "Emissions rise with the cycles, for both sizes.",
            tasks.TO_NEXT,
            "mg",
            _rising,
        ),
    ),
    questions=(Question("How many tasks does the optimum offload?", "%", _offloaded),),
)
