"""Of ours: DDPG and AAC on paper C's network, over their training."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from .. import task_figures as tasks
from ..figure import Check, Checks, Diagram, Figure, Question, Results
from ..measure import SLOTS_FEASIBLE, sample, training_curve
from ..training_settings import aac_tasks, ddpg_tasks

if TYPE_CHECKING:
    import xarray as xr

LEARNERS = {"DDPG": ddpg_tasks, "AAC": aac_tasks}


def ratio(data: "xr.Dataset") -> "xr.DataArray":
    """Emission over that of the optimum."""
    return 1.0 + data["excess"]


def share(data: "xr.Dataset") -> "xr.DataArray":
    """Of the slots in which all limits are kept."""
    return data["feasible"]


def diagrams(results: Results) -> list[list[Diagram]]:
    """Their courses on held-out seeds: ratio and share."""

    def courses(
        y: str, values: "Callable[[xr.Dataset], xr.DataArray]", log: bool = False
    ) -> list[Diagram]:
        found = {label: results[of.name] for label, of in LEARNERS.items()}
        lines = (
            training_curve(label, data.assign(shown=values(data)), "shown", "evaluated_steps")
            for label, data in found.items()
        )
        return [Diagram("", y, tuple(lines), log)]

    return [
        courses("emission over the optimum", ratio, log=True),
        courses(SLOTS_FEASIBLE, lambda data: 100.0 * share(data)),
    ]


def ends(results: Results) -> Checks:
    """Ratio and share in the last evaluation."""
    return {
        name: [
            Check(label, sample(values(results[of.name]).isel(evaluation=-1)))
            for label, of in LEARNERS.items()
        ]
        for name, values in (
            ("emission over the optimum", ratio),
            ("part of the slots feasible", share),
        )
    }


FIGURE = Figure(
    id="learners-c",
    paper="",
    title="DDPG and AAC on paper C's network",
    notes=(
        f"Held-out seeds, over {ddpg_tasks.seeds} trainings each; {tasks.EASY_TASKS}. AAC's settings were "
        "not searched for."
    ),
    x="environment steps",
    diagrams=diagrams,
    minutes=(0.1, 0.1),
    trainings=tuple(LEARNERS.values()),
    log_x=True,
    questions=(Question("Where do they end?", "1", ends),),
)
