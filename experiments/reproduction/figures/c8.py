"""Fig. 8 of paper C: worst-case emission when the twin errs about processing rates."""

from collections.abc import Callable
from itertools import pairwise

import xarray as xr

from .. import task_figures as tasks
from ..figure import Checks, Claim, Diagram, Evidence, Factor, Figure, Question, Results, Shown
from ..measure import conditions, feasible, split, steps
from ..sentences import held_by, listed, span
from ..task_figures import CYCLES, OPEN, PROPOSED

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
        {PROPOSED: "sca"},
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
    data = results["twins"].sel({"policy": PROPOSED, "rate floor": "all"})
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
    of: Callable[[xr.DataArray, list[str]], dict[str, xr.DataArray]],
) -> Callable[[Results], Checks]:
    """That differences of the emission are positive under each condition, for each way to err."""

    def checks(results: Results) -> Checks:
        emission = _emission(results["twins"].sel(policy=PROPOSED))
        found: Checks = {}
        for kind, twins in TWINS.items():
            found |= conditions(of(emission, twins), *OPEN, along=CYCLES, prefix=kind, low=0.0)
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
    data = results["twins"].sel(policy=PROPOSED)
    share = 100.0 * data["feasible_share"].where(_possible(data)).mean(CYCLES)
    return conditions(share, *OPEN, along="twin")


def _why_square(evidence: Evidence) -> str:
    data = evidence.results["twins"].sel(policy=PROPOSED)
    share = 100.0 * data["feasible_share"].where(_possible(data)).mean("seed")
    least = {kind: span(share.sel(twin=twins[1]).mean(CYCLES)) for kind, twins in TWINS.items()}
    return (
        f"It holds under {held_by(evidence, KINDS)} conditions. Energy goes as the square of the rate "
        "that really happens. A CPU that runs faster than the twin believes emits more than was "
        "planned, and so does one that is wrong at random, as the worst device counts. One that runs "
        f"slower emits less; but by {LEVELS[1]} % slower {least[LOWER]} % of the instances keep all "
        f"limits, as planned rates leave no time, and {least[NOISE]} % with errors at random."
    )


FIGURE = Figure(
    id="c8",
    title="What the twin's estimates of the processing rates are worth",
    notes=(
        "Not stated: theta_0; how the deviation is distributed, and whether the optimiser knows it. Here "
        "it does not: it decides by what the twin believes, and CPUs of devices and server really run "
        f"{listed(LEVELS[1:])} % faster, or slower, or with a normal error of that standard deviation "
        f"(of {USUAL_MHZ[DEVICE]:g} MHz at devices, {USUAL_MHZ[SERVER]:g} MHz at the server). If it "
        "knew, it would compensate, and nothing would change. Decisions are the improved SCA's. "
        "Instances are those that an exact twin can serve."
    ),
    x=tasks.MEGACYCLES,
    diagrams=_diagrams,
    minutes=(8.5, 0.5),
    studies=STUDIES,
    claims=(
        Claim(
            "c8-accuracy",
            "The more precise the twin's estimates, the lower the emission.",
            f"difference paired by instance, from each deviation ({', '.join(map(str, LEVELS))} %) to "
            "the next, at each number of cycles; more than 0",
            "mg",
            _by_kind(_worse),
            reason=_why_square,
        ),
        Claim(
            "c8-rising",
            "Emissions rise with the cycles.",
            "difference paired by instance, from each number of cycles to the next, at each deviation; "
            "more than 0",
            "mg",
            _by_kind(_rise),
        ),
    ),
    questions=(
        Question("How many instances still keep all limits when the twin errs?", "%", _kept),
    ),
)
