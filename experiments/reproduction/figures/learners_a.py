"""AAC, DQN and DDPG on paper A's network: their cost in training."""

from .. import stream_figures as stream
from ..figure import Check, Checks, Diagram, Figure, Question, Results
from ..measure import level, sample, training_curve
from ..training_settings import AAC_STEPS, DQN_STEPS, aac_stream, ddpg_stream, dqn_stream

LEARNERS = {"AAC": "aac", "DQN": "dqn", "DDPG": "ddpg-stream"}
LEVELS = {"P2 in each slot": "lyapunov_system_cost", "local": "local_system_cost"}


def _diagrams(results: Results) -> list[list[Diagram]]:
    lines = [
        training_curve(label, results[name], "system_cost", "evaluated_steps")
        for label, name in LEARNERS.items()
    ]
    ends = (min(one.x[0] for one in lines), max(one.x[-1] for one in lines))
    for label, column in LEVELS.items():
        lines.append(level(label, results["aac"][column].isel(evaluation=-1), ends))
    return [[Diagram("", stream.COST, tuple(lines))]]


def _closed(results: Results) -> Checks:
    """How much of the gap the best evaluation closes, and the mean of the last five."""
    best, last = [], []
    for label, name in LEARNERS.items():
        gap = results[name]["gap_closed"]
        best.append(Check(label, sample(100.0 * gap.max("evaluation"))))
        last.append(
            Check(label, sample(100.0 * gap.isel(evaluation=slice(-5, None)).mean("evaluation")))
        )
    return {"best evaluation": best, "mean of the last five": last}


FIGURE = Figure(
    id="learners-a",
    paper="",
    title="AAC, DQN and DDPG on paper A's network",
    notes=(
        f"Costs on held-out seeds, over {aac_stream.seeds} trainings each. AAC has {AAC_STEPS:,} "
        f"environment steps, DQN and DDPG, which learn from a replay, {DQN_STEPS:,}. DDPG's settings "
        "were not searched for."
    ),
    x="environment steps",
    diagrams=_diagrams,
    minutes=(0.1, 0.1),
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
