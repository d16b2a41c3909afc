"""Fig. 6 of paper A: system cost over the number of devices, with and without a part of the optimisation."""

import xarray as xr

from .. import stream_figures as stream
from ..figure import Claim, Diagram, Figure, Results
from ..measure import conditions, of_policy, steps
from ..sentences import shipped
from ..stream_figures import (
    AAC,
    COMPUTE,
    GUIDED_AAC,
    JOINT,
    PRINTED_1,
    PRINTED_AAC,
    RADIO,
    N,
)
from ..training_settings import NETWORK_A, aac_printed, aac_stream
from ..verdicts import Checks

QUICK = (10, 40)
COUNTS = (10, 20, 30, 40)
DEVICES = stream.devices(*COUNTS, quick=QUICK)
USUAL = shipped(NETWORK_A, "tasks.mean")
PRINTED = stream.PrintedByCount((COUNTS,), stream.SCHEMES, {PRINTED_AAC: aac_printed}, QUICK)

STUDIES = (
    stream.study("schemes", stream.SCHEMES, DEVICES, stream.LOAD),
    stream.study("learned", stream.SCHEMES, DEVICES, learned={AAC: "aac"}),
    *PRINTED.studies,
    stream.sca_study(DEVICES),
)


def _diagrams(results: Results) -> list[list[Diagram]]:
    names = ("schemes", "learned", "sca")
    shown = stream.cost_diagrams(results, *names, title=stream.GUIDED, at={"arrivals": USUAL})
    return [*stream.two_by_two(shown), *PRINTED.row(results)]


def _rising(results: Results) -> Checks:
    cost = steps(stream.costs(results["schemes"]), N)
    schemes = {f"{one}, {{}}": cost.sel(policy=one) for one in (JOINT, RADIO, COMPUTE)}
    return conditions(schemes, "reading", "arrivals", along=N)


def _aac_rises(data: xr.Dataset, label: str) -> Checks:
    return conditions(steps(of_policy(stream.costs(data), data, label), N), "reading", along=N)


def _printed_below(results: Results) -> Checks:
    found = {"printed": PRINTED.joined(results)}
    return stream.joint_below_parts("printed", PRINTED_AAC, along=N)(found)


FIGURE = Figure(
    id="a6",
    title="System cost and the number of devices, with and without a part of the optimisation",
    notes=(
        f"{stream.NOT_STATED}{stream.TRAINED} V is {shipped(NETWORK_A, 'policy.V'):g} bit²/J. Drawn at {USUAL} per "
        "slot; AAC where it was trained."
    ),
    x="number of devices",
    average="median",
    diagrams=_diagrams,
    minutes=(5.0, 0.1),
    trainings=(aac_stream, *PRINTED.trainings),
    studies=STUDIES,
    claims=(
        Claim(
            "a6-joint",
            {
                PRINTED_1: stream.joint_below_parts("schemes", JOINT, "arrivals", along=N),
                PRINTED_AAC: _printed_below,
                GUIDED_AAC: stream.joint_below_parts("learned", AAC, along=N),
            },
            lambda evidence: stream.why_printed(PRINTED.joined(evidence.results)),
        ),
        Claim(
            "a6-rising",
            {
                PRINTED_1: _rising,
                PRINTED_AAC: lambda results: _aac_rises(PRINTED.joined(results), PRINTED_AAC),
                GUIDED_AAC: lambda results: _aac_rises(results["learned"], AAC),
            },
            lambda evidence: stream.why_scattered(
                PRINTED.joined(evidence.results), PRINTED_AAC, PRINTED_AAC
            ),
        ),
    ),
    questions=stream.gap_questions("learned", (AAC,), N),
)
