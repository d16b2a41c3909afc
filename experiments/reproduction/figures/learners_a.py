"""Of ours: AAC, DQN and DDPG on paper A's network, over their training."""

from .. import stream_figures as stream
from ..figure import Check, Checks, Diagram, Figure, Question, Results
from ..measure import level, sample, training_curve
from ..training_settings import AAC_STEPS, DQN_STEPS, aac_stream, ddpg_stream, dqn_stream

LEARNERS = {"AAC": aac_stream, "DQN": dqn_stream, "DDPG": ddpg_stream}
LAST = 5


def diagrams(results: Results) -> list[list[Diagram]]:
    """Their courses on held-out seeds; P2 in each slot and local execution are levels."""
    lines = [
        training_curve(label, results[of.name], "system_cost", "evaluated_steps")
        for label, of in LEARNERS.items()
    ]
    ends = (min(one.x[0] for one in lines), max(one.x[-1] for one in lines))
    for label, column in (
        ("P2 in each slot", "lyapunov_system_cost"),
        ("local", "local_system_cost"),
    ):
        values = results[aac_stream.name][column].isel(evaluation=-1)
        lines.append(level(label, values, ends))
    return [[Diagram("", stream.COST, tuple(lines))]]


def closed(results: Results) -> Checks:
    """The part of the gap that is closed, in the best evaluation and in the last ones."""
    found: dict[str, list[Check]] = {"best evaluation": [], f"mean of the last {LAST}": []}
    best, last = found.values()
    for label, of in LEARNERS.items():
        part = 100.0 * results[of.name]["gap_closed"]
        end = part.isel(evaluation=slice(-LAST, None))
        best.append(Check(label, sample(part.max("evaluation"))))
        last.append(Check(label, sample(end.mean("evaluation"))))
    return found


FIGURE = Figure(
    id="learners-a",
    paper="",
    title="AAC, DQN and DDPG on paper A's network",
    notes=(
        f"Costs on held-out seeds, over {aac_stream.seeds} trainings each. AAC has {AAC_STEPS:,} "
        f"environment steps, DQN and DDPG, which learn from a replay, {DQN_STEPS:,}. DDPG's settings were "
        "not searched for."
    ),
    x="environment steps",
    diagrams=diagrams,
    minutes=(0.1, 0.1),
    trainings=tuple(LEARNERS.values()),
    log_x=True,
    questions=(
        Question(
            "How much of the gap between local execution and P2 solved in each slot do they close?",
            "%",
            closed,
        ),
    ),
)
