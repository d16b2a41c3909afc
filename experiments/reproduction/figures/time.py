"""Wall-clock time per decision of every policy, over the number of devices."""

from collections.abc import Mapping

import xarray as xr

from .. import stream_figures as stream
from .. import task_figures as tasks
from ..figure import Checks, Diagram, Figure, Question, Results, Study
from ..measure import conditions, curves
from ..stream_figures import N
from ..training_settings import NETWORK_A, NETWORK_C, aac_stream, aac_tasks, ddpg_tasks, dqn_stream


def _timed(
    name: str,
    scenario: str,
    policies: Mapping[str, str],
    learned: Mapping[str, str],
    counts: tuple[int, ...],
    slots: int,
) -> Study:
    """Runs that keep the time of each decision, one at a time."""
    return Study(
        name,
        scenario,
        policies,
        (stream.devices(*counts, quick=counts[:2]),),
        {"run.slots": slots, "trace.level": "slots"},
        learned=learned,
        timed=True,
        **(stream.FEW | {"together": 1}),
    )


STUDIES = (
    _timed("stream", NETWORK_A, stream.EVERY, stream.LEARNED, (5, 10, 20, 40, 80), 30),
    _timed("search", NETWORK_A, {"exact search": "exact"}, {}, (2, 4, 6), 10),
    _timed("tasks", NETWORK_C, tasks.EVERY, tasks.LEARNED, (2, 4, 6, 8, 10), 5),
)


def _diagrams(results: Results) -> list[list[Diagram]]:
    found = []
    for paper, names in (("A", ("stream", "search")), ("C", ("tasks",))):
        lines: dict[str, xr.DataArray] = {}
        for name in names:
            lines |= curves(results[name], 1e3 * results[name]["decision_s"])
        title, y = f"paper {paper}'s network", "time per decision, median [ms]"
        found.append(Diagram(title, y, lines, log=True))
    return [found]


def _times(results: Results) -> Checks:
    return {
        f"{name}, {n} devices": checks
        for name, data in results.items()
        if "decision_s" in data
        for n, times in zip(data[N].values, data["decision_s"].transpose(N, ...), strict=True)
        for checks in conditions(1e3 * times, along="policy").values()
    }


FIGURE = Figure(
    id="time",
    title="Time per decision",
    notes=(
        "Wall-clock time of one decision of one replication on the machine of the run, so the one figure "
        "that is not the same twice. Compare policies, not machines."
    ),
    x="number of devices",
    diagrams=_diagrams,
    minutes=(9.0, 1.0),
    trainings=(aac_stream, dqn_stream, ddpg_tasks, aac_tasks),
    studies=STUDIES,
    log_x=True,
    questions=(Question("How long does a decision take?", "ms", _times),),
)
