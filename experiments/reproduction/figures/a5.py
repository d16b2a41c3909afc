"""Fig. 5 of paper A: system cost over the number of SBSs, with few and with many devices."""

from collections.abc import Callable

import xarray as xr

from .. import stream_figures as stream
from ..figure import Claim, Diagram, Figure, Results
from ..measure import conditions, of_policy
from ..sentences import shipped
from ..stream_figures import AAC, GUIDED_AAC, JOINT, PRINTED_1, PRINTED_AAC, M, N
from ..training_settings import NETWORK_A, aac_printed, aac_stream
from ..verdicts import Checks

FEWER, MORE = 20, 40
PART = 0.25
"""Of the change with more devices: what is smaller is not much."""

FIRST, LAST = 1, 6
SBSS = stream.stations(*range(FIRST, LAST + 1), quick=(FIRST, 3, LAST))
DEVICES = stream.devices(FEWER, MORE)
PRINTED = stream.PrintedByCount(
    ((FEWER, MORE), (FIRST, LAST)),
    {JOINT: "lyapunov"},
    {PRINTED_AAC: aac_printed},
    quick=(FEWER, MORE),
)

STUDIES = (
    stream.study("stations", {JOINT: "lyapunov"}, SBSS, DEVICES),
    stream.study("learned", {JOINT: "lyapunov"}, SBSS, DEVICES, learned={AAC: "aac"}),
    *PRINTED.studies,
    stream.sca_study(SBSS, DEVICES),
)


def _study(name: str) -> Callable[[Results], xr.Dataset]:
    return lambda results: results[name]


def _diagrams(results: Results) -> list[list[Diagram]]:
    """A row for each reading, a column for each number of devices; then what is printed, where it was run."""
    names = ("stations", "learned", "sca")
    columns = [
        stream.cost_diagrams(results, *names, title=stream.GUIDED, at={N: n}) for n in (FEWER, MORE)
    ]
    printed = [PRINTED.diagrams(results, {N: n})[:1] for n in (FEWER, MORE)]
    return [list(row) for row in (*zip(*columns, strict=True), *zip(*printed, strict=True))]


def _change(data: xr.Dataset, policy: str) -> xr.DataArray:
    """The cost with most SBSs less that with one."""
    of = of_policy(stream.costs(data), data, policy)
    return of.isel({M: -1}) - of.isel({M: 0})


def _falling(of: Callable[[Results], xr.Dataset], policy: str) -> Callable[[Results], Checks]:
    def checks(results: Results) -> Checks:
        change = _change(of(results), policy).sel({N: MORE})
        return conditions({f"{LAST} SBSs less {FIRST} SBS, N = {MORE}": change}, "reading")

    return checks


def _flat(of: Callable[[Results], xr.Dataset], policy: str) -> Callable[[Results], Checks]:
    def checks(results: Results) -> Checks:
        change = abs(_change(of(results), policy))
        over = change.sel({N: FEWER}) - PART * change.sel({N: MORE})
        what = f"|change| at N = {FEWER} less {PART:g} of that at N = {MORE}"
        return conditions({what: over}, "reading")

    return checks


FIGURE = Figure(
    id="a5",
    title="System cost and the number of SBSs",
    notes=(
        f"{stream.NOT_STATED}SBSs stand on a circle of {shipped(NETWORK_A, 'stations.sbs.radius')} "
        f"around the MBS. {stream.TRAINED} AAC as printed, whose network fits one number of devices and of SBSs, has "
        "trainings of its own with the fewest and with the most SBSs."
    ),
    x="number of SBSs",
    average="median",
    diagrams=_diagrams,
    minutes=(12.0, 0.1),
    trainings=(aac_stream, *PRINTED.trainings),
    studies=STUDIES,
    claims=(
        Claim(
            "a5-falling",
            {
                PRINTED_1: _falling(_study("stations"), JOINT),
                PRINTED_AAC: _falling(PRINTED.joined, PRINTED_AAC),
                GUIDED_AAC: _falling(_study("learned"), AAC),
            },
            lambda evidence: stream.why_scattered(
                PRINTED.joined(evidence.results), PRINTED_AAC, PRINTED_AAC
            ),
        ),
        Claim(
            "a5-flat",
            {
                PRINTED_1: _flat(_study("stations"), JOINT),
                PRINTED_AAC: _flat(PRINTED.joined, PRINTED_AAC),
                GUIDED_AAC: _flat(_study("learned"), AAC),
            },
        ),
    ),
    questions=stream.gap_questions("learned", (AAC,), N, M),
)
