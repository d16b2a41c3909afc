"""Fig. 6 of paper C: worst-case emission of both algorithms, and with rates left at their start."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from .. import task_figures as tasks
from ..figure import NONE, Checks, Claim, Curve, Diagram, Evidence, Figure, Results, factor
from ..measure import (
    Column,
    above,
    by_training,
    curve,
    curves,
    each,
    emission,
    emission_rows,
    share,
    split,
    title_of,
    trained,
)
from ..sentences import listed, measured, span
from ..task_figures import CYCLES, EXACT, LOCAL_CPU, OPEN, PROPOSED, between
from ..training_settings import EASY_CYCLES, EASY_THETA_0, ddpg_tasks

if TYPE_CHECKING:
    import xarray as xr

NON_OPTIMAL, DDPG = "non-optimal rates", "Algorithm 2"
SCHEMES = {PROPOSED: "sca", NON_OPTIMAL: 'sca{rates="initial"}', EXACT: "exact"}
CLOSE = 0.1

STUDIES = (
    tasks.instances(
        "schemes", SCHEMES, tasks.UP_TO_1500, tasks.THETA_0, tasks.FLOOR, quick_seeds=6
    ),
    tasks.instances(
        "learned",
        SCHEMES,
        tasks.UP_TO_1500,
        factor("theta_0", "energy.theta_0", (EASY_THETA_0,)),
        factor("rate floor", "limits.rate_floor", ("all",)),
        quick_seeds=6,
        learned={DDPG: ddpg_tasks.name},
    ),
)


def diagrams(results: Results) -> list[list[Diagram]]:
    """Emission and the share of feasible instances; Algorithm 2 under what it was trained for."""
    learned = {title_of(part, *OPEN): part for _, part in split(results["learned"], *OPEN)}

    def algorithm_2(title: str, of: "Callable[[xr.Dataset], xr.DataArray]") -> tuple[Curve, ...]:
        if title not in learned:
            return ()
        values = by_training(of(learned[title]), learned[title], DDPG)
        return (curve("Algorithm 2 (DDPG)", values, CYCLES),)

    def emitted(part: "xr.Dataset") -> "xr.DataArray":
        return emission(part, [*trained(part, DDPG), PROPOSED])

    def column(part: "xr.Dataset") -> Column:
        title = title_of(part, *OPEN)
        lines = curves(part, emission(part), CYCLES) + algorithm_2(title, emitted)
        return title, lines, curves(part, share(part), CYCLES) + algorithm_2(title, share)

    rows = []
    for _, row in split(results["schemes"].sel(policy=[*SCHEMES]), "rate floor"):
        rows += emission_rows(column(part) for _, part in split(row, "theta_0"))
    return rows


def below(results: Results) -> Checks:
    """Algorithm 1 emits less than non-optimal rates."""
    found = {}
    for name, part in split(results["schemes"], *OPEN):
        values = emission(part, (PROPOSED, NON_OPTIMAL))
        found[name] = above(values.sel(policy=NON_OPTIMAL), values.sel(policy=PROPOSED), CYCLES)
    return found


def ratio(other: str, low: float, high: float) -> Callable[[Results], Checks]:
    """Emission of each training's policy over that of a scheme, over the instances of all of them."""

    def checks(results: Results) -> Checks:
        found = {}
        for name, part in split(results["learned"], *OPEN):
            values = emission(part, [*trained(part, DDPG), other])
            over = by_training(values, part, DDPG) / values.sel(policy=other).mean(dim="seed")
            found[name] = each(over, CYCLES, f"{CYCLES} = {{}}", low, high, log=True)
        return found

    return checks


def rising(results: Results) -> Checks:
    """Emissions rise with the cycles."""
    return {
        name: tasks.rises(part, (PROPOSED, NON_OPTIMAL))
        for name, part in split(results["schemes"], *OPEN)
    }


def excess(evidence: Evidence, scheme: str) -> str:
    """What Algorithm 2 emits as a multiple of a scheme, and where that is not beyond doubt."""
    checks = [check for checks in evidence.checks.values() for check in checks]
    missed = [f"{measured(check)} ({check.what})" for check in checks if check.answer(2) != "holds"]
    return (
        f"In the mean of {checks[0].seeds} trainings it emits "
        f"{span([check.interval()[0] for check in checks])} times what {scheme} does; its intervals "
        f"do not tell enough at {listed(missed)}."
    )


def why_below(evidence: Evidence) -> str:
    """The ratios."""
    return f"{excess(evidence, 'the scheme')} With many cycles the fixed rates are all but optimal."


def why_close(evidence: Evidence) -> str:
    """The ratios, and how near Algorithm 1 is to the optimum."""
    values = emission(evidence.results["schemes"], (PROPOSED, EXACT))
    gap = 100.0 * (values.sel(policy=PROPOSED) / values.sel(policy=EXACT) - 1.0)
    return (
        f"{excess(evidence, 'Algorithm 1')} Algorithm 1 itself is {float(gap.mean()):.2g} % above the "
        f"optimum in the mean. {EASY_CYCLES[1]} Mcycles are at the edge of what Algorithm 2 was trained on."
    )


FIGURE = Figure(
    id="c6",
    paper="C",
    title="Worst-case emission of the proposed algorithms, and with rates left at their start",
    notes=(
        f"Not stated: theta_0; the rates of the scheme with non-optimal rates, here {LOCAL_CPU} for "
        f"devices, at which all their tasks can be executed in time and within {tasks.ENERGY_MAX}, and "
        "F_max / N for the server. Algorithm 1 is the improved SCA: as printed it gets stuck (see c3). "
        f"Algorithm 2 is trained under theta_0 = {EASY_THETA_0:g} and the floor for all, with the "
        f"settings of docs/learning.md, on {between(*EASY_CYCLES)}; its line and band are over training "
        "seeds. Instances that one of the compared schemes cannot serve are left out."
    ),
    x=tasks.MEGACYCLES,
    diagrams=diagrams,
    minutes=(2.0, 0.6),
    trainings=(ddpg_tasks,),
    studies=STUDIES,
    claims=(
        Claim(
            "c6-below-1",
            "Algorithm 1 emits less than the scheme with non-optimal rates.",
            tasks.AT_EACH,
            "mg",
            below,
        ),
        Claim(
            "c6-below-2",
            "Algorithm 2 emits less than the scheme with non-optimal rates.",
            "mean emission of Algorithm 2 over that of the scheme, over training seeds, at each number "
            "of cycles; less than 1",
            "1",
            ratio(NON_OPTIMAL, 0.0, 1.0),
            least=5,
            reason=why_below,
            explained=NONE,
        ),
        Claim(
            "c6-close",
            "Algorithms 1 and 2 are close to each other.",
            "mean emission of Algorithm 2 over that of Algorithm 1, over training seeds, at each number "
            f"of cycles; between {1.0 - CLOSE} and {1.0 + CLOSE}",
            "1",
            ratio(PROPOSED, 1.0 - CLOSE, 1.0 + CLOSE),
            least=5,
            reason=why_close,
            explained=NONE,
        ),
        Claim(
            "c6-rising",
            "Emissions rise with the cycles, for Algorithm 1 and for the scheme with non-optimal rates.",
            tasks.TO_NEXT,
            "mg",
            rising,
        ),
    ),
    questions=(tasks.gap_question("schemes", (PROPOSED, NON_OPTIMAL)),),
)
