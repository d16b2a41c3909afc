"""AAC, DQN and DDPG on paper A's network: their cost in training."""

from .. import stream_figures as stream
from ..figure import Diagram, Figure, Question, Results
from ..measure import conditions, course, level
from ..training_settings import (
    AAC_STEPS,
    ALL_GUIDED,
    DQN_STEPS,
    aac_stream,
    ddpg_stream,
    dqn_stream,
)
from ..verdicts import Checks

LEARNERS = {"AAC": "aac", "DQN": "dqn", "DDPG": "ddpg-stream"}
LEVELS = {"P2 in each slot": "lyapunov_system_cost", "local": "local_system_cost"}


def _diagrams(results: Results) -> list[list[Diagram]]:
    column = ("system_cost", "evaluated_steps")
    lines = {label: course(results[name], *column) for label, name in LEARNERS.items()}
    steps = [x for of in lines.values() for x in of["evaluation"].values]
    for label, cost in LEVELS.items():
        lines[label] = level(results["aac"][cost].isel(evaluation=-1), (min(steps), max(steps)))
    return [[Diagram("", stream.COST, lines)]]


def _closed(results: Results) -> Checks:
    gaps = {label: results[name]["gap_closed"] for label, name in LEARNERS.items()}
    best = {label: 100.0 * gap.max("evaluation") for label, gap in gaps.items()}
    ends = {label: gap.isel(evaluation=slice(-5, None)) for label, gap in gaps.items()}
    last = {label: 100.0 * gap.mean("evaluation") for label, gap in ends.items()}
    return {
        **conditions(best, prefix="best evaluation"),
        **conditions(last, prefix="mean of the last five"),
    }


FIGURE = Figure(
    id="learners-a",
    title="AAC, DQN and DDPG on paper A's network",
    notes=(
        f"Costs on held-out seeds, over {aac_stream.seeds} trainings each. AAC has {AAC_STEPS:,} "
        f"environment steps, DQN and DDPG, which learn from a replay, {DQN_STEPS:,}. DDPG's settings "
        f"were not searched for. {ALL_GUIDED}"
    ),
    x="environment steps",
    diagrams=_diagrams,
    trainings=(aac_stream, dqn_stream, ddpg_stream),
    log_x=True,
    questions=(
        Question(
            "How much of the gap between local execution and P2 solved in each slot do they close?",
            "%",
            _closed,
        ),
    ),
)
