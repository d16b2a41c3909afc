"""Fig. 5 of paper A: system cost over the number of SBSs, with few and with many devices."""

from typing import TYPE_CHECKING

from .. import stream_figures as stream
from ..figure import Checks, Claim, Diagram, Evidence, Figure, Results, factor
from ..measure import conditions, joined, of_policy
from ..sentences import held_by, shipped, span
from ..stream_figures import AAC, JOINT, SCA, M, N
from ..training_settings import NETWORK_A, aac_stream

if TYPE_CHECKING:
    import xarray as xr

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
    columns = [
        stream.cost_diagrams(results, "stations", M, legend, **{N: n}) for n in (FEWER, MORE)
    ]
    return [list(row) for row in zip(*columns, strict=True)]


def _change(results: Results) -> "dict[str, xr.DataArray]":
    """By scheme, the cost with most SBSs less that with one."""
    data = results["stations"]
    cost = stream.costs(data)
    schemes = {"P2 in each slot": JOINT, "AAC": AAC}
    by_scheme = {name: of_policy(cost, data, policy) for name, policy in schemes.items()}
    return {name: of.isel({M: -1}) - of.isel({M: 0}) for name, of in by_scheme.items()}


def _falling(results: Results) -> Checks:
    what = f"{LAST} SBSs less {FIRST} SBS, N = {MORE}"
    return joined(
        conditions(of.sel({N: MORE}), "reading", what=what, prefix=name, high=0.0)
        for name, of in _change(results).items()
    )


def _flat(results: Results) -> Checks:
    what = f"|change| at N = {FEWER} less a quarter of that at N = {MORE}"
    sizes = {name: abs(change) for name, change in _change(results).items()}
    return joined(
        conditions(
            of.sel({N: FEWER}) - 0.25 * of.sel({N: MORE}),
            "reading",
            what=what,
            prefix=name,
            high=0.0,
        )
        for name, of in sizes.items()
    )


def _why_falling(evidence: Evidence) -> str:
    energy = evidence.results["stations"]["energy_per_bit_j"].sel({"policy": JOINT, N: MORE})
    least = energy[M].values[int(energy.mean("seed").argmin().item())]
    return (
        f"It holds by {held_by(evidence, stream.BY_READING)} conditions. More SBSs save energy per "
        f"bit up to {least} of them; then cells that reuse the band disturb each other. P2's value is "
        "mostly drift."
    )


def _why_flat(evidence: Evidence) -> str:
    saved = -_change(evidence.results)["P2 in each slot"].sel(reading=stream.PER_BIT).mean("seed")
    return (
        f"It holds by {held_by(evidence, stream.BY_READING)} conditions. {SPAN.capitalize()} P2 in "
        f"each slot saves {span(saved.sel({N: FEWER}))} nJ/bit with {FEWER} devices, and "
        f"{span(saved.sel({N: MORE}))} with {MORE}."
    )


FIGURE = Figure(
    id="a5",
    paper="A",
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
        Claim(
            "a5-falling",
            f"With {MORE} devices the cost falls with the number of SBSs.",
            f"change {SPAN}, paired by seed (for AAC by training); less than 0",
            "as the condition",
            _falling,
            least=5,
            reason=_why_falling,
        ),
        Claim(
            "a5-flat",
            f"With {FEWER} devices the cost does not change much.",
            f"size of the change {SPAN}, less a quarter of that with {MORE} devices; less than 0",
            "as the condition",
            _flat,
            least=5,
            reason=_why_flat,
        ),
    ),
    questions=stream.gap_questions("stations", (AAC,), N, M),
)
