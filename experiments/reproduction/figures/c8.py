"""Fig. 8 of paper C: worst-case emission when the twin errs about processing rates."""

from collections.abc import Callable
from itertools import pairwise

import xarray as xr

from .. import task_figures as tasks
from ..figure import Claim, Diagram, Evidence, Factor, Figure, Question, Results, Shown
from ..measure import conditions, feasible, split, steps
from ..registration import level_name
from ..sentences import listed, span
from ..task_figures import ALGORITHM_1, CYCLES, OPEN, PRINTED_1, SEARCH
from ..verdicts import Checks

LEVELS = (0, 5, 10, 20)
"""Of the deviation, in per cent of the rate."""

HIGHER, LOWER, NOISE = KINDS = ("real rates higher", "real rates lower", "noise")
DEVICE, SERVER = "twin.deviation.device_cpu", "twin.deviation.edge_cpu"
USUAL_MHZ = {DEVICE: 750.0, SERVER: 3330.0}
"""Rates that are usual here: noise is in per cent of these."""

EXACT_TWIN = "exact twin"


def _deviation(kind: str, percent: int) -> dict[str, object]:
    if percent == 0:
        return {f"{DEVICE}.relative": 0.0}
    if kind == NOISE:
        return {f"{key}.noise": f"{mhz / 100.0 * percent} MHz" for key, mhz in USUAL_MHZ.items()}
    share = percent / 100.0 if kind == HIGHER else -percent / 100.0
    return {f"{key}.relative": share for key in USUAL_MHZ}


TWINS = {
    kind: [f"{kind} {percent} %" if percent else EXACT_TWIN for percent in LEVELS] for kind in KINDS
}
SETTINGS: dict[Shown, dict[str, object]] = {
    twin: _deviation(kind, percent)
    for kind, twins in TWINS.items()
    for twin, percent in zip(twins, LEVELS, strict=True)
}

STUDIES = (
    tasks.instances(
        "twins",
        {one: ALGORITHM_1[one] for one in (PRINTED_1, SEARCH)},
        Factor("twin", SETTINGS),
        tasks.UP_TO_1500,
        tasks.THETA_0,
        tasks.FLOOR,
        seeds=20,
        quick_seeds=2,
    ),
)


def _possible(data: xr.Dataset) -> xr.DataArray:
    """The instances that our search can serve with an exact twin; deviations then break limits."""
    return feasible(data.sel(twin=EXACT_TWIN, policy=SEARCH, drop=True))


def _diagrams(results: Results) -> list[list[Diagram]]:
    data = results["twins"].sel({"rate floor": "all"})
    data = data.where(_possible(data)).sel(policy=SEARCH)
    names = [f"deviation {percent} %" for percent in LEVELS]
    return [
        row
        for kind, twins in TWINS.items()
        for row in tasks.emission_rows(
            (
                (f"our search, {kind}, {name}", part.sel(twin=twins).assign_coords(twin=names))
                for name, part in split(data, "theta_0")
            ),
            by="twin",
            emitted=lambda part: part["worst_emission_mg"],
        )
    ]


Compared = dict[str, tuple[xr.DataArray, xr.DataArray]]
"""By name of comparisons along cycles, a difference of emissions and whether limits are kept on both sides."""


def _by_kind(
    subject: str, of: Callable[[xr.DataArray, xr.DataArray, list[str]], Compared]
) -> Callable[[Results], Checks]:
    """That differences of the emission are positive under each condition, for each way to err."""

    def checks(results: Results) -> Checks:
        possible = _possible(results["twins"])
        data = results["twins"].sel(policy=subject, drop=True)
        emission = data["worst_emission_mg"].where(possible)
        keeps = feasible(data).astype(float).where(possible)
        found: Checks = {}
        for kind, twins in TWINS.items():
            compared = of(emission, keeps, twins)
            values, kept = ({name: both[k] for name, both in compared.items()} for k in (0, 1))
            prefix = level_name("deviation", kind)
            found |= conditions(values, *OPEN, along=CYCLES, prefix=prefix, kept=kept)
        return found

    return checks


def _worse(emission: xr.DataArray, keeps: xr.DataArray, twins: list[str]) -> Compared:
    def compared(a: str, b: str) -> tuple[xr.DataArray, xr.DataArray]:
        return emission.sel(twin=b) - emission.sel(twin=a), keeps.sel(twin=[a, b]).prod(
            "twin", skipna=False
        )

    return {f"{b} over {a}, {tasks.AT_CYCLES}": compared(a, b) for a, b in pairwise(twins)}


def _rise(emission: xr.DataArray, keeps: xr.DataArray, twins: list[str]) -> Compared:
    return {
        f"{twin}, {{}}": (
            steps(emission.sel(twin=twin), CYCLES),
            tasks.at_both(keeps.sel(twin=twin)),
        )
        for twin in twins
    }


def _kept(results: Results) -> Checks:
    """Part of the instances that keep all limits, of those that our search can serve with an exact twin."""
    data = results["twins"]
    share = 100.0 * data["feasible_share"].where(_possible(data)).mean(CYCLES)
    return conditions(share, "policy", *OPEN, along="twin")


def _why_square(evidence: Evidence) -> str:
    data = evidence.results["twins"]
    share = 100.0 * data["feasible_share"].where(_possible(data)).sel(policy=SEARCH).mean("seed")
    least = {kind: span(share.sel(twin=twins[1]).mean(CYCLES)) for kind, twins in TWINS.items()}
    kept = listed(f"{least[kind]} % ({kind})" for kind in KINDS)
    return (
        f"With errors of {LEVELS[1]} % our search keeps all limits in {kept} of the instances: energy goes "
        "as the square of the rate that really happens, and planned rates leave no time."
    )


FIGURE = Figure(
    id="c8",
    title="What the twin's estimates of the processing rates are worth",
    notes=(
        f"{tasks.DEVICES}Not stated: theta_0; how the deviation is distributed, and whether the optimiser knows it. Here "
        "it does not: it decides by what the twin believes, and CPUs of devices and server really run "
        f"{listed(LEVELS[1:])} % faster, or slower, or with a normal error whose standard deviation is that "
        f"part of {USUAL_MHZ[DEVICE]:g} MHz at devices and of {USUAL_MHZ[SERVER]:g} MHz at the server. If it "
        "knew, it would compensate, and nothing would change. The deviations and the cycles of the axis are ours. "
        "Drawn is our search, not Algorithm 1 as printed, which is judged. "
        "Instances that count are those that our search can serve with an exact twin."
    ),
    x=tasks.MEGACYCLES,
    diagrams=_diagrams,
    minutes=(12.0, 0.1),
    studies=STUDIES,
    claims=(
        Claim(
            "c8-accuracy",
            {one: _by_kind(one, _worse) for one in (PRINTED_1, SEARCH)},
            _why_square,
        ),
        Claim("c8-rising", {one: _by_kind(one, _rise) for one in (PRINTED_1, SEARCH)}),
    ),
    questions=(
        Question(
            "Of the instances that our search serves with an exact twin, how many keep all limits?",
            "%",
            _kept,
            "share",
        ),
    ),
)
