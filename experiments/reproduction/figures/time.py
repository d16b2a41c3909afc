"""Wall-clock time per decision of every policy, over the number of devices."""

from collections.abc import Callable, Mapping

import numpy as np
import xarray as xr

from .. import stream_figures as stream
from .. import task_figures as tasks
from ..figure import Claim, Diagram, Figure, Question, Results, Study
from ..measure import conditions, curves, of_policy
from ..stream_figures import GUIDED_AAC, PRINTED_AAC, N
from ..task_figures import ALGORITHM_1, PRINTED_1, SEARCH
from ..training_settings import NETWORK_A, NETWORK_C, aac_printed
from ..verdicts import Checks

P2 = "P2 in each slot"
printed_aac = aac_printed(stream.N_TRAINED)


def _timed(
    name: str,
    scenario: str,
    policies: Mapping[str, str],
    counts: tuple[int, ...],
    slots: int,
    learned: Mapping[str, str] | None = None,
) -> Study:
    """Runs that keep the time of each decision, one at a time."""
    return Study(
        name,
        scenario,
        policies,
        (stream.devices(*counts, quick=counts[:2]),),
        {"run.slots": slots, "trace.level": "slots"},
        learned=learned or {},
        timed=True,
        kept=("decision_s",),
        **(stream.FEW | {"together": 1}),
    )


# How long a network takes does not depend on its weights: those that are shipped will do.
STREAM = stream.EVERY | {GUIDED_AAC: 'aac{checkpoint="aac_iiot_20dev"}'}
TASKS = tasks.EVERY | {
    PRINTED_1: ALGORITHM_1[PRINTED_1],
    tasks.GUIDED_2: 'ddpg{checkpoint="ddpg_carbon_6ue"}',
}
# A decision takes fewer iterations where the start breaks limits, so complexity is of decisions of one.
ONE = {PRINTED_1: "one iteration of Algorithm 1", SEARCH: "one iteration of our search"}
ONCE = {
    ONE[PRINTED_1]: 'sca{variant="paper", iterations_max=1}',
    ONE[SEARCH]: "sca{iterations_max=1}",
}

STUDIES = (
    _timed("stream", NETWORK_A, STREAM, (5, 10, 20, 40, 80), 30),
    _timed(
        "printed",
        NETWORK_A,
        {P2: stream.EVERY[P2]},
        (stream.N_TRAINED,),
        30,
        {PRINTED_AAC: printed_aac.name},
    ),
    _timed("search", NETWORK_A, {"exact search": "exact"}, (2, 4, 6), 10),
    _timed("tasks", NETWORK_C, TASKS, (2, 4, 6, 8, 10), 5),
    _timed("once", NETWORK_C, ONCE, (2, 4, 6, 8, 10), 5),
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


def _real_time(study: str, learned: str) -> Callable[[Results], Checks]:
    """What P2 solved anew takes, over what a learned policy does."""

    def checks(results: Results) -> Checks:
        data = results[study]
        times = data["decision_s"]
        learns, solved = of_policy(times, data, learned), times.sel(policy=P2)
        if learned != GUIDED_AAC:
            solved = solved.mean("seed")
        return conditions({f"{N} = {{}}": solved / learns}, along=N)

    return checks


def _exponent(label: str) -> Callable[[Results], Checks]:
    """Slope of the logarithm of the time in that of the number of devices, by run."""

    def checks(results: Results) -> Checks:
        times = results["once"]["decision_s"].sel(policy=label).transpose(N, "seed")
        log_n = np.log(times[N].values.astype(float))
        slopes = np.polyfit(log_n, np.log(times.values), 1)[0]
        return conditions(xr.DataArray(slopes, dims="seed"))

    return checks


FIGURE = Figure(
    id="time",
    title="Time per decision",
    notes=(
        "Wall-clock time of one decision of one replication on the machine of the run, so the one figure "
        "that is not the same twice. Compare policies, not machines. Learned policies are the shipped "
        "ones: weights make no difference."
    ),
    x="number of devices",
    diagrams=_diagrams,
    minutes=(9.0, 0.3),
    trainings=(printed_aac,),
    studies=STUDIES,
    log_x=True,
    claims=(
        Claim(
            "time-real",
            {
                PRINTED_AAC: _real_time("printed", PRINTED_AAC),
                GUIDED_AAC: _real_time("stream", GUIDED_AAC),
            },
        ),
        Claim("complexity-1", {one: _exponent(label) for one, label in ONE.items()}),
    ),
    questions=(Question("How long does a decision take?", "ms", _times),),
)
