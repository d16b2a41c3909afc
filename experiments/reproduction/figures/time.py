"""Of ours: the time that a decision takes, over the number of devices."""

from .. import stream_figures as stream
from .. import task_figures as tasks
from ..figure import Checks, Diagram, Figure, Question, Results, Study
from ..measure import curves, each
from ..stream_figures import N
from ..training_settings import NETWORK_A, NETWORK_C, aac_stream, aac_tasks, ddpg_tasks, dqn_stream


def timed(
    name: str,
    scenario: str,
    policies: dict[str, str],
    counts: tuple[int, ...],
    slots: int,
    learned: dict[str, str],
) -> Study:
    """A study whose replications run one by one, as their decisions are timed."""
    return Study(
        name,
        scenario,
        policies,
        (stream.devices(*counts, quick=counts[:2]),),
        {"run.slots": slots, "trace.level": "slots"},
        **stream.FEW | {"together": 1},
        learned=learned,
        timed=True,
    )


STUDIES = (
    timed("stream", NETWORK_A, stream.POLICIES, (5, 10, 20, 40, 80), 30, stream.LEARNED),
    timed("search", NETWORK_A, {"exact search": "exact"}, (2, 4, 6), 10, {}),
    timed("tasks", NETWORK_C, tasks.POLICIES, (2, 4, 6, 8, 10), 5, tasks.LEARNED),
)


def diagrams(results: Results) -> list[list[Diagram]]:
    """The median, a diagram for each network."""
    shown = {"paper A's network": ("stream", "search"), "paper C's network": ("tasks",)}
    found = []
    for title, names in shown.items():
        lines = tuple(
            line
            for data in (results[name] for name in names)
            for line in curves(data, 1e3 * data["decision_s"], N)
        )
        found.append(Diagram(title, "time per decision, median [ms]", lines, log=True))
    return [found]


def times(results: Results) -> Checks:
    """Of each policy for each number of devices."""
    return {
        f"{study.name}, {n} devices": each(1e3 * data["decision_s"].sel({N: n}), "policy")
        for study, data in ((study, results[study.name]) for study in STUDIES)
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
