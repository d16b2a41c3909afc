"""Fig. 6 of paper C: worst-case emission of both algorithms, and with rates left at their start."""

from collections.abc import Callable
from dataclasses import replace

from .. import task_figures as tasks
from ..figure import NONE, Checks, Claim, Diagram, Evidence, Figure, Results, factor
from ..measure import by_training, conditions, emission, split, title_of, trained
from ..sentences import interval, listed, span
from ..task_figures import AT_CYCLES, CYCLES, EXACT, LOCAL_CPU, OPEN, PROPOSED, between
from ..training_settings import EASY_CYCLES, EASY_THETA_0, ddpg_tasks

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


def _diagrams(results: Results) -> list[list[Diagram]]:
    (learned,) = (part for _, part in split(results["learned"], *OPEN))
    shares = by_training(100.0 * learned["feasible_share"], learned, DDPG)
    values = by_training(emission(learned, [*trained(learned, DDPG), PROPOSED]), learned, DDPG)

    def with_algorithm_2(old: Diagram) -> Diagram:
        if old.title != title_of(learned, *OPEN):
            return old
        lines = {**old.curves, "Algorithm 2 (DDPG)": shares if old.percent else values}
        return replace(old, curves=lines)

    rows = tasks.scheme_rows(results["schemes"])
    return [[with_algorithm_2(old) for old in row] for row in rows]


def _ratio(other: str, low: float, high: float) -> Callable[[Results], Checks]:
    """Emission of each training's policy over that of a scheme, over the instances of all of them."""

    def checks(results: Results) -> Checks:
        data = results["learned"]
        values = emission(data, [*trained(data, DDPG), other])
        ratio = by_training(values, data, DDPG) / values.sel(policy=other).mean(dim="seed")
        over = {AT_CYCLES: ratio}
        return conditions(over, *OPEN, along=CYCLES, low=low, high=high, log=True)

    return checks


def _excess(evidence: Evidence, scheme: str) -> str:
    checks = [check for checks in evidence.checks.values() for check in checks]
    missed = [check for check in checks if check.answer(2) != "holds"]
    return (
        f"In the mean of {checks[0].seeds} trainings Algorithm 2 emits "
        f"{span([check.interval()[0] for check in checks])} times what {scheme} does; the interval is "
        "not on the right side of the threshold at "
        f"{listed(f'{check.what}, {interval(*check.interval())}' for check in missed)}."
    )


def _why_below(evidence: Evidence) -> str:
    excess = _excess(evidence, "the scheme")
    return f"{excess} With many cycles the fixed rates are all but optimal."


def _why_close(evidence: Evidence) -> str:
    values = emission(evidence.results["schemes"], (PROPOSED, EXACT))
    gap = 100.0 * (values.sel(policy=PROPOSED) / values.sel(policy=EXACT) - 1.0)
    return (
        f"{_excess(evidence, 'Algorithm 1')} Algorithm 1 itself is {float(gap.mean()):.2g} % above the "
        f"optimum in the mean. {EASY_CYCLES[1]} Mcycles are at the edge of what Algorithm 2 was "
        "trained on."
    )


FIGURE = Figure(
    id="c6",
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
    diagrams=_diagrams,
    minutes=(2.0, 0.6),
    trainings=(ddpg_tasks,),
    studies=STUDIES,
    claims=(
        tasks.claim(
            "c6-below-1",
            "Algorithm 1 emits less than the scheme with non-optimal rates.",
            tasks.less("schemes", PROPOSED, NON_OPTIMAL),
        ),
        Claim(
            "c6-below-2",
            "Algorithm 2 emits less than the scheme with non-optimal rates.",
            "mean emission of Algorithm 2 over that of the scheme, over training seeds, at each number "
            "of cycles; less than 1",
            "1",
            _ratio(NON_OPTIMAL, 0.0, 1.0),
            least=5,
            reason=_why_below,
            explained=NONE,
        ),
        Claim(
            "c6-close",
            "Algorithms 1 and 2 are close to each other.",
            "mean emission of Algorithm 2 over that of Algorithm 1, over training seeds, at each number "
            f"of cycles; between {1.0 - CLOSE} and {1.0 + CLOSE}",
            "1",
            _ratio(PROPOSED, 1.0 - CLOSE, 1.0 + CLOSE),
            least=5,
            reason=_why_close,
            explained=NONE,
        ),
        tasks.claim(
            "c6-rising",
            "Emissions rise with the cycles, for Algorithm 1 and for the scheme with non-optimal rates.",
            lambda results: tasks.rises(results["schemes"], (PROPOSED, NON_OPTIMAL), *OPEN),
            test=tasks.TO_NEXT,
        ),
    ),
    questions=(tasks.gap_question("schemes", (PROPOSED, NON_OPTIMAL)),),
)
