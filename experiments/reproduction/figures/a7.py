"""Fig. 7 of paper A: system cost over the number of devices, under AAC and DQN."""

from collections.abc import Callable

import xarray as xr

from .. import stream_figures as stream
from ..figure import Claim, Diagram, Evidence, Figure, Results
from ..measure import conditions, of_policy, steps
from ..stream_figures import AAC, DQN, JOINT, N_TRAINED, N
from ..training_settings import (
    AAC_STEPS,
    DQN_STEPS,
    aac_printed,
    aac_stream,
    dqn_printed,
    dqn_stream,
)
from ..verdicts import Checks

QUICK = (15, 20)
COUNTS = (5, 10, 15, 20)
DEVICES = stream.devices(*COUNTS, quick=QUICK)
PRINTED = stream.PrintedByCount(
    (COUNTS,), {JOINT: "lyapunov"}, {AAC: aac_printed, DQN: dqn_printed}, QUICK
)

STUDIES = (
    stream.study("learned", {JOINT: "lyapunov"}, DEVICES, learned={AAC: "aac", DQN: "dqn"}),
    *PRINTED.studies,
    stream.sca_study(DEVICES),
)


def _learned(results: Results) -> xr.Dataset:
    return results["learned"]


def _aac_below(of: Callable[[Results], xr.Dataset]) -> Callable[[Results], Checks]:
    def checks(results: Results) -> Checks:
        data = of(results)
        aac, dqn = (of_policy(stream.costs(data), data, label) for label in (AAC, DQN))
        return conditions({f"{N} = {{}}": dqn - aac}, "reading", along=N)

    return checks


def _rising(of: Callable[[Results], xr.Dataset]) -> Callable[[Results], Checks]:
    def checks(results: Results) -> Checks:
        data = of(results)
        costs = {label: of_policy(stream.costs(data), data, label) for label in (AAC, DQN)}
        rise = {f"{label}, {{}}": steps(cost, N) for label, cost in costs.items()}
        return conditions(rise, "reading", along=N)

    return checks


def _why(evidence: Evidence) -> str:
    return stream.why_scattered(PRINTED.joined(evidence.results), AAC, stream.PRINTED_AAC)


def _diagrams(results: Results) -> list[list[Diagram]]:
    shown = stream.cost_diagrams(results, "learned", "sca", title=stream.GUIDED)
    return [*stream.two_by_two(shown), *PRINTED.row(results)]


FIGURE = Figure(
    id="a7",
    title="System cost and the number of devices, under AAC and DQN",
    notes=(
        f"{stream.NOT_STATED}The guided ones were trained with {N_TRAINED} devices (AAC {AAC_STEPS:,} "
        f"steps; DQN {DQN_STEPS:,} with replay, in as much CPU time), and run with all others; as printed, "
        "each number of devices has trainings of its own. Guided DQN has three values for each of a "
        "device's actions, decomposed by device."
    ),
    x="number of devices",
    average="median",
    diagrams=_diagrams,
    minutes=(4.5, 0.1),
    trainings=(aac_stream, dqn_stream, *PRINTED.trainings),
    studies=STUDIES,
    claims=(
        Claim(
            "a7-dqn",
            {
                "AAC and DQN as printed": _aac_below(PRINTED.joined),
                "guided AAC and DQN": _aac_below(_learned),
            },
            _why,
        ),
        Claim(
            "a7-rising",
            {
                "AAC and DQN as printed": _rising(PRINTED.joined),
                "guided AAC and DQN": _rising(_learned),
            },
            _why,
        ),
    ),
    questions=stream.gap_questions("learned", (AAC, DQN), N),
)
