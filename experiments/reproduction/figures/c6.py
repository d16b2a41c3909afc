"""Fig. 6 of paper C: worst-case emission of both algorithms, and with rates left at their start."""

from collections.abc import Callable
from dataclasses import replace

import xarray as xr

from .. import task_figures as tasks
from ..figure import Claim, Diagram, Figure, Results, factor
from ..measure import by_training, conditions, emission, split, title_of, trained
from ..task_figures import (
    ALGORITHM_1,
    AT_CYCLES,
    CYCLES,
    EXACT,
    GUIDED_2,
    LOCAL_CPU,
    OPEN,
    PRINTED_1,
    PRINTED_2,
    REPAIRED_1,
    REPAIRED_2,
    SEARCH,
    between,
)
from ..training_settings import EASY_CYCLES, EASY_THETA_0, ddpg_printed, ddpg_repaired, ddpg_tasks
from ..verdicts import Checks

NON_OPTIMAL = "non-optimal rates"
SCHEMES = ALGORITHM_1 | {NON_OPTIMAL: 'sca{rates="initial"}', EXACT: "exact"}
LEARNED = {
    PRINTED_2: ("printed", ddpg_printed),
    REPAIRED_2: ("repaired", ddpg_repaired),
    GUIDED_2: ("learned", ddpg_tasks),
}

STUDIES = (
    tasks.instances(
        "schemes", SCHEMES, tasks.UP_TO_1500, tasks.THETA_0, tasks.FLOOR, quick_seeds=6
    ),
    *(
        tasks.instances(
            study,
            SCHEMES,
            tasks.UP_TO_1500,
            factor("theta_0", "energy.theta_0", (EASY_THETA_0,)),
            factor("rate floor", "limits.rate_floor", ("all",)),
            quick_seeds=6,
            learned={label: training.name},
        )
        for label, (study, training) in LEARNED.items()
    ),
)


def _diagrams(results: Results) -> list[list[Diagram]]:
    rows = tasks.scheme_rows(results["schemes"])
    for label, (study, _) in LEARNED.items():
        if study in results:
            rows = [[_with_learned(results, study, label, old) for old in row] for row in rows]
    return rows


def _with_learned(results: Results, study: str, label: str, old: Diagram) -> Diagram:
    """A line more, in the diagram of the place for which it was trained."""
    (learned,) = (part for _, part in split(results[study], *OPEN))
    if old.title != title_of(learned, *OPEN):
        return old
    shares = by_training(100.0 * learned["feasible_share"], learned, label)
    values = by_training(emission(learned, [*trained(learned, label), SEARCH]), learned, label)
    return replace(old, curves={**old.curves, label: shares if old.percent else values})


def _ratio(label: str, other: str) -> Callable[[Results], Checks]:
    """Emission of each training's policy over that of a scheme, over the instances of all of them."""

    def checks(results: Results) -> Checks:
        data = results[LEARNED[label][0]]
        policies = trained(data, label)
        values = emission(data, [*policies, other])
        ratio = by_training(values, data, label) / values.sel(policy=other).mean(dim="seed")
        each = [tasks.kept_by(data, one, other) for one in policies]
        kept = by_training(xr.concat(each, "policy").assign_coords(policy=policies), data, label)
        return conditions({AT_CYCLES: ratio}, *OPEN, along=CYCLES, kept=kept)

    return checks


def _near(scheme: str) -> Callable[[Results], Checks]:
    """Over the optimum, and where both keep all limits."""

    def checks(results: Results) -> Checks:
        data = results["schemes"]
        both = emission(data, [scheme, EXACT])
        over = {AT_CYCLES: both.sel(policy=scheme) / both.sel(policy=EXACT)}
        return conditions(over, *OPEN, along=CYCLES, kept=tasks.kept_by(data, scheme))

    return checks


FIGURE = Figure(
    id="c6",
    title="Worst-case emission of the proposed algorithms, and with rates left at their start",
    notes=(
        f"{tasks.COUNTED}Not stated: theta_0; the rates of the scheme with non-optimal rates, here {LOCAL_CPU} for "
        f"devices, at which all their tasks can be executed in time and within {tasks.ENERGY_MAX}, and "
        "F_max / N for the server, while powers and who offloads are optimised; the cycles of the axis. "
        "Algorithm 1 runs as printed, from CPUs that start at "
        f"{LOCAL_CPU}, and beside it our search over nested sets of offloaders, which is another "
        f"algorithm. Algorithm 2 is trained under theta_0 = {EASY_THETA_0:g} and the floor for all, on "
        f"{between(*EASY_CYCLES)}: as printed; with states and actions as printed and all else by a search of ours, "
        "several environments, a network that devices share, no discount, logarithms of rewards, limits that weigh "
        "more and higher rates among it (docs/learning.md); and guided, with the settings of docs/learning.md. Lines and bands are over training "
        f"seeds. {tasks.DRAWN.strip()}"
    ),
    x=tasks.MEGACYCLES,
    diagrams=_diagrams,
    minutes=(4.0, 0.1),
    trainings=(ddpg_printed, ddpg_repaired, ddpg_tasks),
    studies=STUDIES,
    claims=(
        Claim(
            "c6-below-1",
            {one: tasks.less("schemes", one, NON_OPTIMAL) for one in ALGORITHM_1},
            tasks.why_printed("schemes"),
        ),
        Claim("c6-below-2", {label: _ratio(label, NON_OPTIMAL) for label in LEARNED}),
        Claim(
            "c6-close",
            {
                "Algorithms 1 and 2 as printed": _ratio(PRINTED_2, PRINTED_1),
                "Algorithm 1 from 0.794 GHz and 2 with our settings": _ratio(
                    REPAIRED_2, REPAIRED_1
                ),
                "our search and guided Algorithm 2": _ratio(GUIDED_2, SEARCH),
            },
        ),
        Claim(
            "c6-rising", {one: tasks.each_rises("schemes", one, NON_OPTIMAL) for one in ALGORITHM_1}
        ),
        Claim("c6-near", {one: _near(one) for one in ALGORITHM_1}),
    ),
    questions=(
        tasks.gap_question("schemes", (*ALGORITHM_1, NON_OPTIMAL)),
        tasks.kept_question("schemes", tuple(SCHEMES)),
        tasks.emitted_question("schemes", tuple(SCHEMES)),
    ),
)
