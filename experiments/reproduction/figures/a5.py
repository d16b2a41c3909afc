"""Fig. 5 of paper A: system cost over the number of SBSs, with few and with many devices."""

from collections.abc import Callable

import xarray as xr

from .. import stream_figures as stream
from ..figure import Claim, Diagram, Figure, Results, factor
from ..measure import conditions, of_policy
from ..sentences import shipped
from ..stream_figures import AAC, GUIDED_AAC, JOINT, PRINTED_1, M, N
from ..training_settings import NETWORK_A, aac_stream
from ..verdicts import Checks

FEWER, MORE = 20, 40
PART = 0.25
"""Of the change with more devices: what is smaller is not much."""

SBSS = factor(M, "stations.sbs.count", (1, 2, 3, 4, 5, 6), quick=(1, 3, 6))
FIRST, *_, LAST = SBSS.settings

STUDIES = (
    stream.study("stations", {JOINT: "lyapunov"}, SBSS, stream.devices(FEWER, MORE)),
    stream.study(
        "learned", {JOINT: "lyapunov"}, SBSS, stream.devices(FEWER, MORE), learned={AAC: "aac"}
    ),
    stream.sca_study(SBSS, stream.devices(FEWER, MORE)),
)


def _diagrams(results: Results) -> list[list[Diagram]]:
    """A row for each reading, a column for each number of devices."""
    names = ("stations", "learned", "sca")
    columns = [stream.cost_diagrams(results, *names, at={N: n}) for n in (FEWER, MORE)]
    return [list(row) for row in zip(*columns, strict=True)]


def _change(data: xr.Dataset, policy: str) -> xr.DataArray:
    """The cost with most SBSs less that with one."""
    of = of_policy(stream.costs(data), data, policy)
    return of.isel({M: -1}) - of.isel({M: 0})


def _falling(study: str, policy: str) -> Callable[[Results], Checks]:
    def checks(results: Results) -> Checks:
        change = _change(results[study], policy).sel({N: MORE})
        return conditions({f"{LAST} SBSs less {FIRST} SBS, N = {MORE}": change}, "reading")

    return checks


def _flat(study: str, policy: str) -> Callable[[Results], Checks]:
    def checks(results: Results) -> Checks:
        change = abs(_change(results[study], policy))
        over = change.sel({N: FEWER}) - PART * change.sel({N: MORE})
        what = f"|change| at N = {FEWER} less {PART:g} of that at N = {MORE}"
        return conditions({what: over}, "reading")

    return checks


FIGURE = Figure(
    id="a5",
    title="System cost and the number of SBSs",
    notes=(
        f"{stream.NOT_STATED}SBSs stand on a circle of {shipped(NETWORK_A, 'stations.sbs.radius')} "
        f"around the MBS. {stream.TRAINED} AAC as printed is not among the subjects: its flat network "
        "would need trainings of its own for each number of devices and of SBSs."
    ),
    x="number of SBSs",
    diagrams=_diagrams,
    minutes=(12.0, 0.4),
    trainings=(aac_stream,),
    studies=STUDIES,
    claims=(
        Claim(
            "a5-falling",
            {PRINTED_1: _falling("stations", JOINT), GUIDED_AAC: _falling("learned", AAC)},
        ),
        Claim(
            "a5-flat",
            {PRINTED_1: _flat("stations", JOINT), GUIDED_AAC: _flat("learned", AAC)},
        ),
    ),
    questions=stream.gap_questions("learned", (AAC,), N, M),
)
