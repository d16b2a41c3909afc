"""Fig. 8 of paper A: system cost over training episodes, for several learning rates."""

from .. import stream_figures as stream
from ..figure import (
    NONE,
    Checks,
    Claim,
    Diagram,
    Evidence,
    Factor,
    Figure,
    Results,
    Trainings,
)
from ..measure import each, short, training_curve
from ..sentences import listed, measured
from ..training_settings import AAC, AAC_QUICK, EPISODE_STEPS, NETWORK_A

RATE, NAMED = "learning rate", "1e-3"
BEST = float(NAMED)
RATES = (10.0 * BEST, BEST, BEST / 10.0)
STEPS = 400_000

TRAININGS = Trainings(
    "rates",
    NETWORK_A,
    "aac",
    (Factor(RATE, {r: {"policy.actor_rate": r, "policy.critic_rate": r} for r in RATES}),),
    keys=AAC | {"policy.steps": STEPS},
    quick_keys=AAC_QUICK,
    minutes=(25.0, 0.6),
)


def diagrams(results: Results) -> list[list[Diagram]]:
    """The course of each rate."""
    lines = (
        training_curve(
            f"{RATE} {short(rate)}",
            results["rates"].sel({RATE: rate}),
            "system_cost",
            "evaluated_steps",
            EPISODE_STEPS,
        )
        for rate in RATES
    )
    return [[Diagram("", stream.COST, tuple(lines))]]


def best(results: Results) -> Checks:
    """Mean of the last fifth of the evaluations, of the other rates over the best."""
    cost = results["rates"]["system_cost"]
    last = cost.isel(evaluation=slice(-max(1, cost.sizes["evaluation"] // 5), None))
    last = last.mean("evaluation")
    over = last - last.sel({RATE: BEST})
    others = over.sel({RATE: [rate for rate in over[RATE].values if rate != BEST]})
    return {"": each(others, RATE, f"{RATE} = {{}}", low=0.0)}


def why(evidence: Evidence) -> str:
    """How far above the best rate the others end, and which of them beyond doubt."""
    checks = evidence.checks[""]
    ends = [f"{measured(check)} ({check.what})" for check in checks]
    beyond = [check.what for check in checks if check.interval()[1] > 0.0]
    return (
        f"The others end {listed(ends)} above it; beyond the scatter of {checks[0].seeds} trainings "
        f"that is {listed(beyond)} alone. A rate that is too low hardly learns in so many steps, and "
        "one that is higher gets to the same end sooner."
    )


FIGURE = Figure(
    id="a8",
    paper="A",
    title="System cost in training, for several learning rates",
    notes=(
        f"{stream.NOT_STATED}The text names {NAMED} alone; ten times more and less were taken beside "
        f"it, for actor and critic alike. Trainings are of {STEPS:,} steps, costs on held-out seeds."
    ),
    x="training episodes",
    diagrams=diagrams,
    minutes=(0.1, 0.1),
    trainings=(TRAININGS,),
    claims=(
        Claim(
            "a8-rate",
            f"With a learning rate of {NAMED} the cost converges to the lowest value.",
            "mean cost of the last fifth of a training's evaluations under the other rates, less that "
            f"under {NAMED}, over training seeds; more than 0",
            "bit²/slot",
            best,
            least=5,
            reason=why,
            explained=NONE,
        ),
    ),
)
