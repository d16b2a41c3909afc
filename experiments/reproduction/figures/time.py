"""Wall-clock time per decision of every policy, over the number of devices."""

from collections.abc import Mapping

from .. import stream_figures as stream
from .. import task_figures as tasks
from ..figure import Checks, Diagram, Figure, Question, Results, Study
from ..measure import curves, each
from ..stream_figures import N
from ..training_settings import (
    NETWORK_A,
    NETWORK_C,
    aac_stream,
    aac_tasks,
    ddpg_tasks,
    dqn_stream,
)


def timed(
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
    timed("stream", NETWORK_A, stream.EVERY, stream.LEARNED, (5, 10, 20, 40, 80), 30),
    timed("search", NETWORK_A, {"exact search": "exact"}, {}, (2, 4, 6), 10),
    timed("tasks", NETWORK_C, tasks.EVERY, tasks.LEARNED, (2, 4, 6, 8, 10), 5),
)


def diagrams(results: Results) -> list[list[Diagram]]:
    """A column for each paper's network."""
    return [
        [
            Diagram(
                f"paper {paper}'s network",
                "time per decision, median [ms]",
                tuple(
                    line
                    for name in names
                    for line in curves(results[name], 1e3 * results[name]["decision_s"], N)
                ),
                log=True,
            )
            for paper, names in (("A", ("stream", "search")), ("C", ("tasks",)))
        ]
    ]


def times(results: Results) -> Checks:
    """Of each policy and training, for each number of devices."""
    return {
        f"{study.name}, {n} devices": each(1e3 * data["decision_s"].sel({N: n}), "policy")
        for study in STUDIES
        for data in [results[study.name]]
        for n in data[N].values.tolist()
    }


FIGURE = Figure(
    id="time",
    paper="",
    title="Time per decision",
    notes=(
        "Wall-clock time of one decision of one replication on the machine of the run, so the one figure "
        "that is not the same twice. Compare policies, not machines."
    ),
    x="number of devices",
    diagrams=diagrams,
    minutes=(9.0, 1.0),
    trainings=(aac_stream, dqn_stream, ddpg_tasks, aac_tasks),
    studies=STUDIES,
    log_x=True,
    questions=(Question("How long does a decision take?", "ms", times),),
)
