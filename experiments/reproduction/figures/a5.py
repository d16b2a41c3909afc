"""Fig. 5 of paper A: system cost over the number of SBSs, with few and with many devices."""

import xarray as xr

from .. import stream_figures as stream
from ..figure import Checks, Diagram, Figure, Results, factor
from ..measure import conditions, of_policy
from ..sentences import shipped
from ..stream_figures import AAC, JOINT, SCA, M, N
from ..training_settings import NETWORK_A, aac_stream

FEWER, MORE = 20, 40
SBSS = factor(M, "stations.sbs.count", (1, 2, 3, 4, 5, 6), quick=(1, 3, 6))
FIRST, *_, LAST = SBSS.settings
SPAN = f"from {FIRST} to {LAST} SBSs"

STUDIES = (
    stream.study(
        "stations", {JOINT: "lyapunov"}, SBSS, stream.devices(FEWER, MORE), learned={AAC: "aac"}
    ),
    stream.sca_study(SBSS, stream.devices(FEWER, MORE)),
)


def _diagrams(results: Results) -> list[list[Diagram]]:
    """A row for each reading, a column for each number of devices."""
    legend = {JOINT: JOINT, AAC: "joint (AAC)", SCA: SCA}
    columns = [stream.cost_diagrams(results, "stations", legend, **{N: n}) for n in (FEWER, MORE)]
    return [list(row) for row in zip(*columns, strict=True)]


def _change(results: Results) -> dict[str, xr.DataArray]:
    """By scheme, the cost with most SBSs less that with one."""
    data = results["stations"]
    cost = stream.costs(data)
    schemes = {"P2 in each slot": JOINT, "AAC": AAC}
    by_scheme = {name: of_policy(cost, data, policy) for name, policy in schemes.items()}
    return {name: of.isel({M: -1}) - of.isel({M: 0}) for name, of in by_scheme.items()}


def _falling(results: Results) -> Checks:
    what = f"{LAST} SBSs less {FIRST} SBS, N = {MORE}"
    found: Checks = {}
    for scheme, change in _change(results).items():
        more = {what: change.sel({N: MORE})}
        found |= conditions(more, "reading", prefix=scheme, high=0.0)
    return found


def _flat(results: Results) -> Checks:
    what = f"|change| at N = {FEWER} less a quarter of that at N = {MORE}"
    found: Checks = {}
    for scheme, change in _change(results).items():
        over = {what: abs(change.sel({N: FEWER})) - 0.25 * abs(change.sel({N: MORE}))}
        found |= conditions(over, "reading", prefix=scheme, high=0.0)
    return found


FIGURE = Figure(
    id="a5",
    title="System cost and the number of SBSs",
    notes=(
        f"{stream.NOT_STATED}SBSs stand on a circle of {shipped(NETWORK_A, 'stations.sbs.radius')} "
        f"around the MBS. {stream.TRAINED} The flat line is tested against a quarter of the change at "
        f"N = {MORE}."
    ),
    x="number of SBSs",
    diagrams=_diagrams,
    minutes=(11.0, 0.4),
    trainings=(aac_stream,),
    studies=STUDIES,
    claims=(
        stream.claim(
            "a5-falling",
            f"With {MORE} devices the cost falls with the number of SBSs.",
            f"change {SPAN}, paired by seed (for AAC by training); less than 0",
            _falling,
            stream.by_reading(
                "More SBSs save energy, until cells that reuse the band disturb each other. P2's value "
                "is mostly drift."
            ),
        ),
        stream.claim(
            "a5-flat",
            f"With {FEWER} devices the cost does not change much.",
            f"size of the change {SPAN}, less a quarter of that with {MORE} devices; less than 0",
            _flat,
            stream.by_reading(
                f"P2's value is mostly drift. By energy {FEWER} devices gain from more SBSs too."
            ),
        ),
    ),
    questions=stream.gap_questions("stations", (AAC,), N, M),
)
