"""Fig. 3 of paper C: worst-case emission over the iterations of Algorithm 1."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from .. import task_figures as tasks
from ..figure import (
    Check,
    Checks,
    Claim,
    Diagram,
    Evidence,
    Figure,
    Question,
    Results,
    Shown,
    factor,
)
from ..measure import (
    Column,
    curves,
    each,
    emission_rows,
    feasible,
    level,
    named,
    sample,
    share,
    split,
)
from ..sentences import held_at, held_by, listed, shipped, span
from ..task_figures import DEADLINE, ENERGY_MAX, EXACT, LOCAL_CPU, OPEN, THETAS, between
from ..training_settings import NETWORK_C

if TYPE_CHECKING:
    import xarray as xr

ITERATIONS, SLOW_FROM = 10, 5
FOLD, FOLDS = 30, (25.0, 35.0)
MOST, LITTLE = 0.5, 0.05

PRINTED, STARTED = "as printed", "feasible start"
STARTS = {
    PRINTED: 'sca{variant="paper", threshold=0.0}',
    STARTED: f'sca{{variant="paper", threshold=0.0, local_cpu="{LOCAL_CPU}"}}',
}
ADDED = (1250, 1250)
TASKS = tasks.drawn_from((1000, 2000), (1000, 1500), (1000, 1100), ADDED)
DRAWN = {"tasks": between(1000, 1500), "rate floor": "all"}
TRIES = factor(
    "iteration", "policy.iterations_max", range(ITERATIONS + 1), quick=(0, 1, SLOW_FROM, ITERATIONS)
)
CONDITIONS = (TASKS, tasks.THETA_0, tasks.FLOOR)

STUDIES = (
    tasks.instances("convergence", STARTS, TRIES, *CONDITIONS, seeds=20),
    tasks.instances("optimum", {EXACT: "exact", "improved SCA": "sca"}, *CONDITIONS, seeds=20),
)


def solvable(results: Results) -> "xr.Dataset":
    """Algorithm 1 on the instances that have a solution; NaN on the others."""
    possible = feasible(results["optimum"].sel(policy=EXACT, drop=True))
    return results["convergence"][["worst_emission_mg", "feasible_share"]].where(possible)


def diagrams(results: Results) -> list[list[Diagram]]:
    """Emission over iterations beside that of the optimum, a column for each theta_0."""
    optimum = results["optimum"].sel(DRAWN)

    def column(title: str, part: "xr.Dataset") -> Column:
        part = part.assign_coords(policy=[f"Algorithm 1, {start}" for start in STARTS])
        best = optimum.sel(theta_0=part["theta_0"].item())
        emission = best["worst_emission_mg"].where(feasible(best.sel(policy=EXACT, drop=True)))
        levels = (
            level(name, emission.sel(policy=name), (0, ITERATIONS))
            for name in best["policy"].values.tolist()
        )
        lines = curves(part, part["worst_emission_mg"], "iteration")
        return title, (*lines, *levels), curves(part, share(part), "iteration")

    columns = split(solvable(results).sel(DRAWN), "theta_0")
    return emission_rows((column(*one) for one in columns), log=True)


def fold(results: Results) -> Checks:
    """The start's emission over that after the last iteration."""
    emission = solvable(results)["worst_emission_mg"]
    ratio = emission.sel(iteration=0) / emission.sel(iteration=ITERATIONS)
    return {
        name: [Check(f"start over iteration {ITERATIONS}", sample(part), *FOLDS, log=True)]
        for name, part in split(ratio, "policy", "tasks", *OPEN)
    }


def part_of_reduction(
    first: int, last: int, low: float, high: float
) -> Callable[[Results], Checks]:
    """The part of the whole reduction that some iterations bring."""
    what = f"part of the reduction between iterations {first} and {last}"

    def checks(results: Results) -> Checks:
        emission = solvable(results)["worst_emission_mg"]
        whole = emission.sel(iteration=0) - emission.sel(iteration=ITERATIONS)
        # Of nothing, no iteration brings a part.
        part = (emission.sel(iteration=first) - emission.sel(iteration=last)) / whole.where(
            whole > 1e-9
        )
        return {
            name: [Check(what, sample(one), low, high)]
            for name, one in split(part, "policy", "tasks", *OPEN)
        }

    return checks


def gap(results: Results) -> Checks:
    """What Algorithm 1 ends at, over the optimum, where it ends within all limits."""
    ended = results["convergence"].sel(iteration=ITERATIONS)
    best = results["optimum"]["worst_emission_mg"].sel(policy=EXACT, drop=True)
    ratio = ended["worst_emission_mg"].where(feasible(ended)) / best
    return {name: each(part, "policy", log=True) for name, part in split(ratio, "tasks", *OPEN)}


def ends_feasible(results: Results) -> Checks:
    """Part of the solvable instances that are within all limits after the last iteration."""
    kept = share(solvable(results)).sel(iteration=ITERATIONS)
    return {name: each(part, "policy") for name, part in split(kept, "tasks", *OPEN)}


def why_fold(evidence: Evidence) -> str:
    """The factors that were measured, beside what it is if all tasks end up local."""

    def measured(start: str, theta_0: float, *cycles: Shown) -> str:
        names = (
            named({"policy": start, "tasks": one, "theta_0": theta_0, "rate floor": "all"})
            for one in cycles
        )
        return span([evidence.checks[name][0].interval()[0] for name in names])

    *lower, highest = THETAS
    by_tasks = [f"{measured(STARTED, highest, one)} ({one})" for one in TASKS.settings]
    by_theta = [f"{measured(STARTED, one, *TASKS.settings)} ({one:g})" for one in lower]
    printed = [measured(PRINTED, one, *TASKS.settings) for one in THETAS]
    return (
        "If all tasks end up local, the start is theta_0 / theta_m (F_max D / (M C))^2 times the end: "
        f"from the feasible start and with the floor for all, {listed(by_tasks)} for theta_0 = "
        f"{highest:g}, and {listed(by_theta)} for the smaller theta_0. So it holds at "
        f"{held_at(evidence)}, and not for other parameters. Started as printed, with all CPUs at "
        "their slowest, nearly every local task is late, no step improves that, and the algorithm "
        f"stands still: there the factors are {listed(dict.fromkeys(printed))}."
    )


def why_moves(evidence: Evidence) -> str:
    """From which start, and with which tasks."""
    return (
        f"It holds wherever the algorithm moves: {held_by(evidence, STARTS)} conditions, and "
        f"{held_by(evidence, TASKS.settings)}. The longer tasks cannot all be executed by their devices "
        f"within {DEADLINE} and {ENERGY_MAX}."
    )


FIGURE = Figure(
    id="c3",
    paper="C",
    title="Convergence of Algorithm 1",
    notes=(
        "Not stated: theta_0; the tasks behind the figure; P_min (docs/scenario.md). With the start as "
        f"printed, all CPUs at {shipped(NETWORK_C, 'devices.cpu_min')}, nearly every local task takes "
        f"longer than the {DEADLINE} that it may, so the paper's own helper function would "
        f"refuse it; the feasible start has all device CPUs at {LOCAL_CPU} instead. Drawn are tasks of "
        f"{DRAWN['tasks']} and the floor for all. Instances without any solution are left out. Tasks "
        f"of {ADDED[0]} Mcycles were added when the first results were known."
    ),
    x="iteration of Algorithm 1",
    diagrams=diagrams,
    minutes=(6.0, 0.5),
    studies=STUDIES,
    claims=(
        Claim(
            "c3-factor",
            f"Algorithm 1 lowers the worst-case emission nearly {FOLD}-fold within {ITERATIONS} "
            "iterations.",
            f"geometric mean over instances of the start's emission over that after {ITERATIONS} "
            f"iterations; between {FOLDS[0]:g} and {FOLDS[1]:g}",
            "1",
            fold,
            reason=why_fold,
        ),
        Claim(
            "c3-first",
            "Most of the reduction comes with the first iteration.",
            f"mean part of the reduction that the first iteration brings; more than {MOST}",
            "1",
            part_of_reduction(0, 1, MOST, np.inf),
            reason=why_moves,
        ),
        Claim(
            "c3-fifth",
            "From the fifth iteration on emissions fall slowly.",
            f"mean part of the reduction that iterations {SLOW_FROM + 1} to {ITERATIONS} bring; "
            f"between -{LITTLE} and {LITTLE}",
            "1",
            part_of_reduction(SLOW_FROM, ITERATIONS, -LITTLE, LITTLE),
            reason=why_moves,
        ),
    ),
    questions=(
        Question("How far above the exact optimum does Algorithm 1 end?", "times the optimum", gap),
        Question(
            "How many of the instances that have a solution does Algorithm 1 end within all limits of?",
            "%",
            ends_feasible,
        ),
    ),
)
