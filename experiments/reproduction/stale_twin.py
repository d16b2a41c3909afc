"""What a stale twin costs: what `age_a`, `age_c`, `loss_a` and `loss_c` share."""

from collections.abc import Callable

import xarray as xr

from . import stream_figures as stream
from . import task_figures as tasks
from .figure import Diagram, Factor, Figure, Question, Results, Shown, Study, factor
from .measure import EMISSION, conditions, curves
from .training_settings import (
    ALL_GUIDED,
    EASY,
    EASY_TEXT,
    NETWORK_C,
    aac_stream,
    aac_tasks,
    ddpg_tasks,
    dqn_stream,
)
from .verdicts import Checks

LOSS = factor(
    "loss",
    "twin.device.loss",
    {percent: percent / 100.0 for percent in (0, 10, 20, 30, 40, 50)},
    quick=(0, 50),
)
PERIODIC = {"twin.sync": "periodic"}
TASK_SLOTS = 60

X = {"age": "age of the twin [slots]", "loss": "lost messages [%]"}
NOTES = (
    "Devices stand still and fading is new in each slot, so a twin that is one slot old knows nothing of "
    "the channel but its mean. Each device reports in each slot; "
)
HOW = {"age": "the report arrives so many slots later.", "loss": "so many of the reports are lost."}


def ages(slot_s: float) -> Factor:
    """The latency of devices' reports, in slots."""
    values: dict[Shown, str] = {slots: f"{slots * slot_s:g} s" for slots in (0, 1, 2, 5, 10, 20)}
    return factor("age", "twin.device.latency", values, quick=(0, 5, 20))


def _added(
    study: str, x: str, asks: str, unit: str, of: Callable[[xr.Dataset], xr.DataArray]
) -> Question:
    """What a stale twin adds: a value at each place less that at the first, by seed or training."""

    def checks(results: Results) -> Checks:
        data = results[study]
        found: Checks = {}
        for policy, values in curves(data, of(data)).items():
            added = (values - values.isel({x: 0})).isel({x: slice(1, None)})
            found |= conditions({f"{x} {{}}": added}, along=x, prefix=policy)
        return found

    return Question(asks, unit, checks)


def stream_figure(varied: Factor, title: str) -> Figure:
    """On paper A's network."""
    x = varied.name
    study = stream.study(
        "stream",
        stream.EVERY,
        varied,
        keys={"run.slots": stream.SLOTS} | PERIODIC,
        learned=stream.LEARNED,
        warmups=(),
        **stream.FEW,
    )
    return Figure(
        id=f"{x}-a",
        title=f"{title}, on paper A's network",
        notes=f"{NOTES}{HOW[x]} {ALL_GUIDED}",
        x=X[x],
        diagrams=lambda results: stream.two_by_two(stream.cost_diagrams(results, "stream")),
        minutes=(4.0, 0.15),
        trainings=(aac_stream, dqn_stream),
        studies=(study,),
        questions=tuple(
            _added("stream", x, f"What does it add to {one.what}?", one.unit, one.of)
            for one in stream.READINGS
        ),
    )


def task_figure(varied: Factor, title: str) -> Figure:
    """On paper C's network."""
    x = varied.name
    study = Study(
        "tasks",
        NETWORK_C,
        tasks.EVERY,
        (varied,),
        EASY | PERIODIC | {"run.slots": TASK_SLOTS},
        # The oldest twin knows nothing before the twentieth slot.
        warmup=0.5,
        learned=tasks.LEARNED,
        **stream.FEW,
    )

    def diagrams(results: Results) -> list[list[Diagram]]:
        data = results["tasks"]
        emission = curves(data, data["worst_emission_mg"])
        share = curves(data, 100.0 * data["feasible_share"])
        return [
            [Diagram("", EMISSION, emission, log=True)],
            [Diagram("", "slots feasible [%]", share)],
        ]

    return Figure(
        id=f"{x}-c",
        title=f"{title}, on paper C's network",
        notes=(
            f"{NOTES}{HOW[x]} Tasks are new in each slot too: an old twin plans for others. {EASY_TEXT}. "
            f"The first half of {TASK_SLOTS} slots is left out. {ALL_GUIDED}"
        ),
        x=X[x],
        diagrams=diagrams,
        minutes=(4.0, 0.15),
        trainings=(ddpg_tasks, aac_tasks),
        studies=(study,),
        questions=(
            _added(
                "tasks",
                x,
                "What does it add to the part of the slots in which all limits are kept?",
                "%",
                lambda data: 100.0 * data["feasible_share"],
            ),
            _added(
                "tasks",
                x,
                "And to the worst-case emission, feasible or not?",
                "mg",
                lambda data: data["worst_emission_mg"],
            ),
        ),
    )
