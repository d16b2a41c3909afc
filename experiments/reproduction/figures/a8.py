"""Fig. 8 of paper A: system cost over training episodes, for several learning rates."""

from .. import stream_figures as stream
from ..figure import NONE, Checks, Claim, Diagram, Evidence, Factor, Figure, Results, Trainings
from ..measure import conditions, course, short
from ..sentences import interval, listed
from ..training_settings import AAC, AAC_QUICK, EPISODE_STEPS, NETWORK_A

RATE, BEST, RATES = "learning rate", 1e-3, (1e-2, 1e-3, 1e-4)
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


def _diagrams(results: Results) -> list[list[Diagram]]:
    costs = {f"{RATE} {short(rate)}": results["rates"].sel({RATE: rate}) for rate in RATES}
    column = ("system_cost", "evaluated_steps", EPISODE_STEPS)
    lines = {label: course(data, *column) for label, data in costs.items()}
    return [[Diagram("", stream.COST, lines)]]


def _best(results: Results) -> Checks:
    """Mean of the last fifth of the evaluations, of the other rates over the best."""
    cost = results["rates"]["system_cost"]
    last = cost.isel(evaluation=slice(-max(1, cost.sizes["evaluation"] // 5), None))
    over = (last.mean("evaluation") - last.mean("evaluation").sel({RATE: BEST})).drop_sel(
        {RATE: BEST}
    )
    return conditions({f"{RATE} = {{}}": over}, along=RATE, low=0.0)


def _why(evidence: Evidence) -> str:
    checks = evidence.checks[""]
    ends = [f"{interval(*check.interval())} ({check.what})" for check in checks]
    beyond = [check.what for check in checks if check.interval()[1] > 0.0]
    return (
        f"The others end {listed(ends)} above it; beyond the scatter of {checks[0].seeds} trainings "
        f"that is {listed(beyond)} alone. A rate that is too low hardly learns in so many steps, and "
        "one that is higher gets to the same end sooner."
    )


FIGURE = Figure(
    id="a8",
    title="System cost in training, for several learning rates",
    notes=(
        f"{stream.NOT_STATED}The text names {BEST:g} alone; ten times more and less were taken beside "
        f"it, for actor and critic alike. Trainings are of {STEPS:,} steps, costs on held-out seeds."
    ),
    x="training episodes",
    diagrams=_diagrams,
    trainings=(TRAININGS,),
    claims=(
        Claim(
            "a8-rate",
            f"With a learning rate of {BEST:g} the cost converges to the lowest value.",
            "mean cost of the last fifth of a training's evaluations under the other rates, less that "
            f"under {BEST:g}, over training seeds; more than 0",
            "bit²/slot",
            _best,
            least=5,
            reason=_why,
            explained=NONE,
        ),
    ),
)
