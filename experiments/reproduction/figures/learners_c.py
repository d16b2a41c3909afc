"""DDPG and AAC on paper C's network: their emission in training."""

from ....traces.style import far_apart
from ..figure import Diagram, Figure, Question, Results
from ..measure import conditions, course
from ..task_figures import LEARNED
from ..training_settings import ALL_GUIDED, EASY_TEXT, aac_tasks, ddpg_tasks
from ..verdicts import Checks


def _diagrams(results: Results) -> list[list[Diagram]]:
    def row(column: str, y: str, offset: float, scale: float) -> list[Diagram]:
        lines = {
            label: offset + scale * course(results[name], column, "evaluated_steps")
            for label, name in LEARNED.items()
        }
        ends = (end for line in lines.values() for end in (float(line.min()), float(line.max())))
        if column == "excess":
            return [Diagram("", y, lines, log=far_apart(ends), least=offset)]
        return [Diagram("", y, lines)]

    return [
        row("excess", "emission over the optimum", 1.0, 1.0),
        row("feasible", "slots feasible [%]", 0.0, 100.0),
    ]


def _ends(results: Results) -> Checks:
    last = {label: results[name].isel(evaluation=-1) for label, name in LEARNED.items()}
    emission = {label: 1.0 + data["excess"] for label, data in last.items()}
    feasible = {label: data["feasible"] for label, data in last.items()}
    return {
        **conditions(emission, prefix="emission over the optimum"),
        **conditions(feasible, prefix="part of the slots feasible"),
    }


FIGURE = Figure(
    id="learners-c",
    title="DDPG and AAC on paper C's network",
    notes=(
        f"Held-out seeds, over {ddpg_tasks.seeds} trainings each; {EASY_TEXT}. Settings were looked for on other seeds. {ALL_GUIDED}"
    ),
    x="environment steps",
    diagrams=_diagrams,
    trainings=(ddpg_tasks, aac_tasks),
    log_x=True,
    questions=(Question("Where do they end?", "1", _ends),),
)
