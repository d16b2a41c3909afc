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
    """The instances that an exact twin can serve; deviations then break limits."""
    return feasible(data.sel(twin=EXACT_TWIN, drop=True))


def _emission(data: xr.Dataset) -> xr.DataArray:
    return data["worst_emission_mg"].where(_possible(data))


def _diagrams(results: Results) -> list[list[Diagram]]:
    data = results["twins"].sel({"policy": SEARCH, "rate floor": "all"})
    data["worst_emission_mg"] = _emission(data)
    names = [f"deviation {percent} %" for percent in LEVELS]
    return [
        row
        for kind, twins in TWINS.items()
        for row in tasks.emission_rows(
            (
                (f"{kind}, {name}", part.sel(twin=twins).assign_coords(twin=names))
                for name, part in split(data, "theta_0")
            ),
            by="twin",
            emitted=lambda part: part["worst_emission_mg"],
        )
    ]


def _by_kind(
    subject: str,
    of: Callable[[xr.DataArray, list[str]], dict[str, xr.DataArray]],
) -> Callable[[Results], Checks]:
    """That differences of the emission are positive under each condition, for each way to err.

    What the twins of a way decide must keep all limits, in instances that an exact one can serve.
    """

    def checks(results: Results) -> Checks:
        data = results["twins"].sel(policy=subject, drop=True)
        emission, possible = _emission(data), _possible(data)
        found: Checks = {}
        for kind, twins in TWINS.items():
            keeps = feasible(data).sel(twin=twins).all("twin").astype(float).where(possible)
            shares, prefix = keeps.mean(CYCLES), level_name("deviation", kind)
            compared = of(emission, twins)
            found |= conditions(compared, *OPEN, along=CYCLES, prefix=prefix, kept=shares)
        return found

    return checks


def _worse(emission: xr.DataArray, twins: list[str]) -> dict[str, xr.DataArray]:
    return {
        f"{b} over {a}, {tasks.AT_CYCLES}": emission.sel(twin=b) - emission.sel(twin=a)
        for a, b in pairwise(twins)
    }


def _rise(emission: xr.DataArray, twins: list[str]) -> dict[str, xr.DataArray]:
    return {f"{twin}, {{}}": steps(emission.sel(twin=twin), CYCLES) for twin in twins}


def _kept(results: Results) -> Checks:
    """Part of the instances that keep all limits, of those that an exact twin can serve."""
    data = results["twins"]
    share = 100.0 * data["feasible_share"].where(_possible(data)).mean(CYCLES)
    return conditions(share, "policy", *OPEN, along="twin")


def _why_square(evidence: Evidence) -> str:
    data = evidence.results["twins"].sel(policy=SEARCH)
    share = 100.0 * data["feasible_share"].where(_possible(data)).mean("seed")
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
        "Not stated: theta_0; how the deviation is distributed, and whether the optimiser knows it. Here "
        "it does not: it decides by what the twin believes, and CPUs of devices and server really run "
        f"{listed(LEVELS[1:])} % faster, or slower, or with a normal error of that standard deviation "
        f"(of {USUAL_MHZ[DEVICE]:g} MHz at devices, {USUAL_MHZ[SERVER]:g} MHz at the server). If it "
        "knew, it would compensate, and nothing would change. Drawn are decisions of our search. "
        "Instances are those that an exact twin can serve."
    ),
    x=tasks.MEGACYCLES,
    diagrams=_diagrams,
    minutes=(12.0, 0.5),
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
        Question("How many instances still keep all limits when the twin errs?", "%", _kept),
    ),
)
