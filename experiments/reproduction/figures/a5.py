"""Fig. 5 of paper A: system cost over the number of SBSs, with few and with many devices."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .. import stream_figures as stream
from ..figure import Check, Checks, Claim, Diagram, Evidence, Figure, Results, factor
from ..measure import of_policy, sample, short
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


def diagrams(results: Results) -> list[list[Diagram]]:
    """A row for each reading, a column for each number of devices."""
    legend = {JOINT: JOINT, AAC: "joint (AAC)", SCA: SCA}
    columns = [
        stream.reading_diagrams(results, "stations", M, legend, **{N: n}) for n in (FEWER, MORE)
    ]
    return [list(row) for row in zip(*columns, strict=True)]


def change(results: Results) -> "Iterator[tuple[str, xr.DataArray, xr.DataArray]]":
    """By condition, with fewer and with more devices: cost with most SBSs less that with one."""
    data = results["stations"]
    for reading, values in stream.by_reading(data):
        for scheme, policy in (("P2 in each slot", JOINT), ("AAC", AAC)):
            cost = of_policy(values, data, policy)
            difference = cost.isel({M: -1}) - cost.isel({M: 0})
            yield f"{scheme}, {reading}", difference.sel({N: FEWER}), difference.sel({N: MORE})


def falling(results: Results) -> Checks:
    """With more devices the cost falls with the number of SBSs."""
    what = f"{LAST} SBSs less {FIRST} SBS, N = {MORE}"
    return {name: [Check(what, sample(more), high=0.0)] for name, _, more in change(results)}


def flat(results: Results) -> Checks:
    """With fewer devices it changes by less than a quarter of that."""
    what = f"|change| at N = {FEWER} less a quarter of that at N = {MORE}"
    return {
        name: [Check(what, sample(abs(fewer) - 0.25 * abs(more)), high=0.0)]
        for name, fewer, more in change(results)
    }


def why_falling(evidence: Evidence) -> str:
    """Where energy is least."""
    data = evidence.results["stations"]
    energy = data["energy_per_bit_j"].sel({"policy": JOINT, N: MORE}).mean("seed")
    return (
        f"It holds by {held_by(evidence, stream.BY_READING)} conditions. More SBSs save energy per "
        f"bit up to {short(energy[M].values[energy.values.argmin()])} of them; then cells that reuse "
        "the band disturb each other. P2's value is mostly drift."
    )


def why_flat(evidence: Evidence) -> str:
    """What more SBSs save with fewer and with more devices."""
    saved = {
        name: (span(-fewer.mean()), span(-more.mean()))
        for name, fewer, more in change(evidence.results)
    }[f"P2 in each slot, {stream.PER_BIT}"]
    return (
        f"It holds by {held_by(evidence, stream.BY_READING)} conditions. P2 in "
        f"each slot saves {saved[0]} nJ/bit with {FEWER} devices, and {saved[1]} with {MORE}."
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
    diagrams=diagrams,
    minutes=(11.0, 0.4),
    trainings=(aac_stream,),
    studies=STUDIES,
    claims=(
        Claim(
            "a5-falling",
            f"With {MORE} devices the cost falls with the number of SBSs.",
            f"change {SPAN}, paired by seed (for AAC by training); less than 0",
            "as the condition",
            falling,
            least=5,
            reason=why_falling,
        ),
        Claim(
            "a5-flat",
            f"With {FEWER} devices the cost does not change much.",
            f"size of the change {SPAN}, less a quarter of that with {MORE} devices; less than 0",
            "as the condition",
            flat,
            least=5,
            reason=why_flat,
        ),
    ),
    questions=stream.gap_questions("stations", (AAC,), N, M),
)
