"""DDPG and AAC on paper C's network: their emission in training."""

from ..figure import Check, Checks, Diagram, Figure, Question, Results
from ..measure import sample, training_curve
from ..task_figures import LEARNED
from ..training_settings import EASY_TEXT, aac_tasks, ddpg_tasks


def _diagrams(results: Results) -> list[list[Diagram]]:
    rows = []
    for column, offset, scale, y in (
        ("excess", 1.0, 1.0, "emission over the optimum"),
        ("feasible", 0.0, 100.0, "slots feasible [%]"),
    ):
        lines = []
        for label, name in LEARNED.items():
            data = results[name].assign(shown=offset + scale * results[name][column])
            lines.append(training_curve(label, data, "shown", "evaluated_steps"))
        rows.append([Diagram("", y, tuple(lines), log=column == "excess")])
    return rows


def _ends(results: Results) -> Checks:
    """The last evaluation."""
    last = {label: results[name].isel(evaluation=-1) for label, name in LEARNED.items()}
    return {
        "emission over the optimum": [
            Check(label, sample(1.0 + data["excess"])) for label, data in last.items()
        ],
        "part of the slots feasible": [
            Check(label, sample(data["feasible"])) for label, data in last.items()
        ],
    }


FIGURE = Figure(
    id="learners-c",
    paper="",
    title="DDPG and AAC on paper C's network",
    notes=(
        f"Held-out seeds, over {ddpg_tasks.seeds} trainings each; {EASY_TEXT}. AAC's settings were not "
        "searched for."
    ),
    x="environment steps",
    diagrams=_diagrams,
    minutes=(0.1, 0.1),
    trainings=(ddpg_tasks, aac_tasks),
    log_x=True,
    questions=(Question("Where do they end?", "1", _ends),),
)
