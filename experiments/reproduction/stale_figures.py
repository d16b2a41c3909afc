"""What the four figures on a stale twin share: what age and loss of the devices' reports cost."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from . import stream_figures as stream
from . import task_figures as tasks
from .figure import Check, Checks, Diagram, Factor, Figure, Question, Results, Shown, factor
from .measure import EMISSION, SLOTS_FEASIBLE, curves, labels, of_policy, sample, share, short
from .training_settings import EASY, aac_stream, aac_tasks, ddpg_tasks, dqn_stream

if TYPE_CHECKING:
    import xarray as xr

PERIODIC = {"twin.sync": "periodic"}
LOSSES: dict[Shown, float] = {percent: percent / 100.0 for percent in range(0, 60, 10)}
LOSS = factor("loss", "twin.device.loss", LOSSES, quick=(0, 50))

TASK_SLOTS, TASK_WARM_UP = 60, 0.5
"""The oldest twin knows nothing before the twentieth slot."""


SLOT_S = {"A": 0.1, "C": 2.0}
"""Slots of the papers' networks."""


def age(slot_s: float) -> Factor:
    """Slots that a report is on its way."""
    latencies: dict[Shown, str] = {slots: f"{slots * slot_s:g} s" for slots in (0, 1, 2, 5, 10, 20)}
    return factor("age", "twin.device.latency", latencies, quick=(0, 5, 20))


def added(
    study: str, x: str, value: "Callable[[xr.Dataset], xr.DataArray]"
) -> Callable[[Results], Checks]:
    """Of each policy, a value at each place less that at the first, paired by seed or training."""

    def checks(results: Results) -> Checks:
        data = results[study]
        values = value(data)
        first, *more = data[x].values.tolist()
        found = {}
        for label in labels(data):
            over = of_policy(values, data, label)
            over = over - over.sel({x: first})
            found[label] = [Check(f"{x} {short(at)}", sample(over.sel({x: at}))) for at in more]
        return found

    return checks


def emission_and_share(results: Results, x: str) -> list[list[Diagram]]:
    """The worst-case emission, feasible or not, and the slots in which all limits are kept."""
    data = results["tasks"]
    emission = curves(data, data["worst_emission_mg"], x)
    kept = curves(data, share(data), x)
    return [[Diagram("", EMISSION, emission, log=True)], [Diagram("", SLOTS_FEASIBLE, kept)]]


def stale(paper: Literal["A", "C"], x: Literal["age", "loss"]) -> Figure:
    """What a twin costs that is old, or misses reports, on a paper's network."""
    old = x == "age"
    where = age(SLOT_S[paper]) if old else LOSS
    notes = (
        "Devices stand still and fading is new in each slot, so a twin that is one slot old knows "
        "nothing of the channel but its mean. Each device reports in each slot; "
        f"{'the report is so many slots on its way' if old else 'so many of the reports are lost'}."
    )
    if paper == "A":
        trainings = (aac_stream, dqn_stream)
        study = stream.study(
            "stream",
            stream.POLICIES,
            where,
            keys={"run.slots": stream.SLOTS} | PERIODIC,
            learned=stream.LEARNED,
            **stream.FEW,
        )
        asked = [(f"What does it add to {one.what}?", one.unit, one.of) for one in stream.READINGS]
    else:
        trainings = (ddpg_tasks, aac_tasks)
        notes += (
            f" Tasks are new in each slot too: an old twin plans for others. {tasks.EASY_TASKS}. The "
            f"first {TASK_WARM_UP * TASK_SLOTS:g} of {TASK_SLOTS} slots are left out."
        )
        study = tasks.instances(
            "tasks",
            tasks.POLICIES,
            where,
            keys=EASY | PERIODIC | {"run.slots": TASK_SLOTS},
            learned=tasks.LEARNED,
            warmup=TASK_WARM_UP,
            **stream.FEW,
        )
        asked = [
            (
                "What does it add to the part of the slots in which all limits are kept?",
                "%",
                share,
            ),
            (
                "And to the worst-case emission, feasible or not?",
                "mg",
                lambda data: data["worst_emission_mg"],
            ),
        ]

    def diagrams(results: Results) -> list[list[Diagram]]:
        if paper == "A":
            return stream.two_by_two(stream.reading_diagrams(results, "stream", x))
        return emission_and_share(results, x)

    return Figure(
        id=f"{x}-{paper.lower()}",
        paper="",
        title=f"What {'an old' if old else 'a lossy'} twin costs, on paper {paper}'s network",
        notes=notes,
        x="age of the twin [slots]" if old else "lost messages [%]",
        diagrams=diagrams,
        minutes=(4.0, 0.4),
        trainings=trainings,
        studies=(study,),
        questions=tuple(Question(text, unit, added(study.name, x, of)) for text, unit, of in asked),
    )
