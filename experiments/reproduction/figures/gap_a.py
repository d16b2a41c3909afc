"""Every policy of the stream problem against a multi-start search on P2."""

import xarray as xr

from .. import stream_figures as stream
from ..figure import Diagram, Figure, Question, Results
from ..measure import conditions, curves
from ..stream_figures import AAC, N_TRAINED, N
from ..training_settings import ALL_GUIDED, aac_stream
from ..verdicts import Checks

SEARCH = "exact search"
SHOWN = (*stream.EVERY, AAC)
SLOTS = 100

STUDIES = (
    stream.study(
        "stream",
        {SEARCH: "exact"} | stream.EVERY,
        stream.devices(2, 3, 4, 5, quick=(2, 3)),
        keys={"run.slots": SLOTS},
        quick_keys={"run.slots": 20},
        learned={AAC: "aac"},
        warmups=(),
        kept=("objective",),
        **stream.FEW,
    ),
)


def _gap(data: xr.Dataset) -> xr.DataArray:
    """P2's value over that of the multi-start search, in % of the latter's mean."""
    cost = data["objective"]
    best = cost.sel(policy=SEARCH)
    return 100.0 * (cost - best) / abs(best.mean(dim="seed"))


def _diagrams(results: Results) -> list[list[Diagram]]:
    data = results["stream"]
    return [[Diagram("", "P2 over that of the search, in %", curves(data, _gap(data), SHOWN))]]


def _gaps(results: Results) -> Checks:
    data = results["stream"]
    gaps = curves(data, _gap(data), SHOWN)
    return {
        f"{n} devices": checks
        for n in data[N].values.tolist()
        for checks in conditions({name: gap.sel({N: n}) for name, gap in gaps.items()}).values()
    }


FIGURE = Figure(
    id="gap-a",
    title="Every policy against a multi-start search on P2",
    notes=(
        f"Paper A's network with few devices, {SLOTS} slots. The search tries all sets of senders from "
        "several starts in each slot, but has no certificate, and what is best in each slot need not be "
        "best in the long run: a policy can be below zero. AAC was trained with "
        f"{N_TRAINED} devices. {ALL_GUIDED}"
    ),
    x="number of devices",
    diagrams=_diagrams,
    minutes=(20.0, 0.2),
    trainings=(aac_stream,),
    studies=STUDIES,
    questions=(
        Question(
            "How far is P2's value, in the mean over slots, above that of the search?", "%", _gaps
        ),
    ),
)
