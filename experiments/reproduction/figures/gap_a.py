"""Of ours: every policy against a multi-start search on P2, paper A's network."""

from typing import TYPE_CHECKING

from .. import stream_figures as stream
from ..figure import Check, Checks, Diagram, Figure, Question, Results
from ..measure import curves, of_policy, sample
from ..stream_figures import AAC, N_TRAINED, N
from ..training_settings import aac_stream

if TYPE_CHECKING:
    import xarray as xr

SEARCH, SLOTS = "exact search", 100

STUDY = stream.study(
    "stream",
    {SEARCH: "exact"} | stream.POLICIES,
    stream.devices(2, 3, 4, 5, quick=(2, 3)),
    keys={"run.slots": SLOTS},
    quick_keys={"run.slots": 20},
    learned={AAC: aac_stream.name},
    **stream.FEW,
)
SHOWN = (*stream.POLICIES, AAC)


def gap(data: "xr.Dataset") -> "xr.DataArray":
    """P2's value over that of the search, in % of the latter's mean."""
    cost = data["objective"]
    best = cost.sel(policy=SEARCH)
    return 100.0 * (cost - best) / abs(best.mean("seed"))


def diagrams(results: Results) -> list[list[Diagram]]:
    """Of each policy over the number of devices."""
    data = results["stream"]
    lines = curves(data, gap(data), N, SHOWN)
    return [[Diagram("", "P2 over that of the search, in %", lines)]]


def gaps(results: Results) -> Checks:
    """Of each policy for each number of devices."""
    data = results["stream"]
    values = {policy: of_policy(gap(data), data, policy) for policy in SHOWN}
    return {
        f"{n} devices": [Check(policy, sample(of.sel({N: n}))) for policy, of in values.items()]
        for n in data[N].values.tolist()
    }


FIGURE = Figure(
    id="gap-a",
    paper="",
    title="Every policy against a multi-start search on P2",
    notes=(
        f"Paper A's network with few devices, {SLOTS} slots. The search tries all sets of senders from "
        "several starts in each slot, but has no certificate, and what is best in each slot need not be "
        f"best in the long run: a policy can be below zero. AAC was trained with {N_TRAINED} devices."
    ),
    x="number of devices",
    diagrams=diagrams,
    minutes=(20.0, 0.4),
    trainings=(aac_stream,),
    studies=(STUDY,),
    questions=(
        Question(
            "How far is P2's value, in the mean over slots, above that of the search?", "%", gaps
        ),
    ),
)
