"""Fig. 8 of paper A: system cost over training episodes, for several learning rates."""

from collections.abc import Callable
from typing import Any

from .. import stream_figures as stream
from ..figure import Claim, Diagram, Factor, Figure, Results, Shown, Trainings
from ..measure import conditions, course, short
from ..stream_figures import GUIDED_AAC, PRINTED_AAC
from ..training_settings import (
    AAC,
    AAC_PRINTED,
    AAC_PRINTED_QUICK,
    AAC_QUICK,
    AAC_STEPS,
    EPISODE_STEPS,
    FINAL_RATE,
    NETWORK_A,
    PRINTED_STEPS,
)
from ..verdicts import Checks

RATE, BEST, RATES = "learning rate", 1e-3, (1e-2, 1e-3, 1e-4)


def _rates(name: str, keys: dict[str, Any], quick: dict[str, Any], minutes: float) -> Trainings:
    levels: dict[Shown, dict[str, Any]] = {
        rate: dict.fromkeys(("policy.actor_rate", "policy.critic_rate"), rate) for rate in RATES
    }
    varied = (Factor(RATE, levels),)
    return Trainings(
        name, NETWORK_A, "aac", varied, keys=keys, quick_keys=quick, minutes=(minutes, 0.4)
    )


TRAININGS = {
    PRINTED_AAC: _rates("aac-printed-rates", AAC_PRINTED, AAC_PRINTED_QUICK, 63.0),
    GUIDED_AAC: _rates("aac-rates", AAC, AAC_QUICK, 36.0),
}


def _diagrams(results: Results) -> list[list[Diagram]]:
    def diagram(subject: str, training: Trainings) -> Diagram:
        column = ("system_cost", "evaluated_steps", EPISODE_STEPS)
        data = results[training.name]
        costs = {f"{RATE} {short(rate)}": data.sel({RATE: rate}) for rate in RATES}
        lines = {label: course(of, *column) for label, of in costs.items()}
        return Diagram(subject, stream.COST, lines)

    shown = [diagram(*one) for one in TRAININGS.items() if one[1].name in results]
    return [shown] if shown else []


def _best(training: str) -> Callable[[Results], Checks]:
    """Mean of the last fifth of the evaluations, of the other rates over the best."""

    def checks(results: Results) -> Checks:
        cost = results[training]["system_cost"]
        last = cost.isel(evaluation=slice(-max(1, cost.sizes["evaluation"] // 5), None))
        ends = last.mean("evaluation")
        over = (ends - ends.sel({RATE: BEST})).drop_sel({RATE: BEST})
        return conditions({f"{RATE} = {{}}": over}, along=RATE)

    return checks


FIGURE = Figure(
    id="a8",
    title="System cost in training, for several learning rates",
    notes=(
        f"{stream.NOT_STATED}The text names {BEST:g} alone; ten times more and less were taken beside "
        f"it, for actor and critic alike, by Adam. As printed, over {PRINTED_STEPS:,} steps, rates stay, and the "
        "one softmax leaves so little to each device that rates are compared where next to nothing is served; "
        "those of guided AAC fall linearly to "
        f"{100.0 * FINAL_RATE:g} %, over {AAC_STEPS:,} steps. Costs are on held-out seeds."
    ),
    x="training episodes",
    average="median",
    diagrams=_diagrams,
    free_y=True,
    trainings=tuple(TRAININGS.values()),
    claims=(Claim("a8-rate", {subject: _best(one.name) for subject, one in TRAININGS.items()}),),
)
