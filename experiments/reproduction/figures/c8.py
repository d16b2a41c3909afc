"""Fig. 8 of paper C: worst-case emission when the twin errs about processing rates."""

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

from .. import task_figures as tasks
from ..figure import Check, Checks, Claim, Diagram, Evidence, Factor, Figure, Question, Results
from ..measure import Column, above, curve, each, emission_rows, feasible, rising, share, split
from ..sentences import listed, span
from ..task_figures import CYCLES, OPEN, PROPOSED

if TYPE_CHECKING:
    import xarray as xr

LEVELS = (0, 5, 10, 20)
"""Of the deviation, in per cent of the rate."""

HIGHER, LOWER, NOISE = KINDS = ("real rates higher", "real rates lower", "noise")
DEVICE, SERVER = "twin.deviation.device_cpu", "twin.deviation.edge_cpu"
USUAL_MHZ = {DEVICE: 750.0, SERVER: 3330.0}
"""Rates that are usual here: noise is in per cent of these."""

EXACT_TWIN = "exact twin"


def deviation(kind: str, percent: int) -> dict[str, object]:
    """Keys of the scenario."""
    if percent == 0:
        return {f"{DEVICE}.relative": 0.0}
    if kind == NOISE:
        return {f"{key}.noise": f"{mhz / 100.0 * percent} MHz" for key, mhz in USUAL_MHZ.items()}
    share = percent / 100.0 if kind == HIGHER else -percent / 100.0
    return {f"{key}.relative": share for key in USUAL_MHZ}


def level(kind: str, percent: int) -> str:
    """As figures name it."""
    return f"{kind} {percent} %" if percent else EXACT_TWIN


def levels(kind: str) -> list[str]:
    """From the exact twin on."""
    return [level(kind, percent) for percent in LEVELS]


TWIN = Factor("twin", {level(kind, one): deviation(kind, one) for kind in KINDS for one in LEVELS})

STUDIES = (
    tasks.instances(
        "twins",
        {PROPOSED: "sca"},
        TWIN,
        tasks.UP_TO_1500,
        tasks.THETA_0,
        tasks.FLOOR,
        seeds=20,
        quick_seeds=2,
    ),
)


def possible(data: "xr.Dataset") -> "xr.DataArray":
    """The instances that an exact twin can serve; deviations then break limits."""
    return feasible(data.sel(twin=EXACT_TWIN, drop=True))


def diagrams(results: Results) -> list[list[Diagram]]:
    """A row for each way to err, a column for each theta_0."""
    data = results["twins"].sel({"policy": PROPOSED, "rate floor": "all"})

    def column(kind: str, name: str, part: "xr.Dataset") -> Column:
        emission = part["worst_emission_mg"].where(possible(part))
        emitted, kept = (
            tuple(
                curve(f"deviation {percent} %", of.sel(twin=level(kind, percent)), CYCLES)
                for percent in LEVELS
            )
            for of in (emission, share(part))
        )
        return f"{kind}, {name}", emitted, kept

    rows = []
    for kind in KINDS:
        rows += emission_rows(column(kind, *one) for one in split(data, "theta_0"))
    return rows


def by_kind(
    check: "Callable[[xr.DataArray, str], list[Check]]",
) -> Callable[[Results], Checks]:
    """Checks of the emission under each condition, for each way to err."""

    def checks(results: Results) -> Checks:
        found = {}
        for name, part in split(results["twins"].sel(policy=PROPOSED), *OPEN):
            emission = part["worst_emission_mg"].where(possible(part))
            for kind in KINDS:
                found[f"{kind}, {name}"] = check(emission, kind)
        return found

    return checks


def worse(emission: "xr.DataArray", kind: str) -> list[Check]:
    """The larger the deviation, the larger the emission."""
    return [
        check
        for a, b in pairwise(levels(kind))
        for check in above(
            emission.sel(twin=b), emission.sel(twin=a), CYCLES, what=f"{b} over {a}, "
        )
    ]


def rising_at_each(emission: "xr.DataArray", kind: str) -> list[Check]:
    """At each deviation emissions rise with the cycles."""
    return [
        check
        for one in levels(kind)
        for check in rising(emission.sel(twin=one), CYCLES, f"{one}, ")
    ]


def still_feasible(results: Results) -> Checks:
    """Part of the instances that keep all limits, of those that an exact twin can serve."""
    found = {}
    for name, part in split(results["twins"].sel(policy=PROPOSED), *OPEN):
        kept = share(part).where(possible(part)).mean(CYCLES)
        found[name] = each(kept, "twin")
    return found


def why_worse(evidence: Evidence) -> str:
    """Energy goes as the square; how many instances keep their deadlines."""
    shares: dict[str, list[float]] = {}
    for checks in still_feasible(evidence.results).values():
        for check in checks:
            shares.setdefault(check.what, []).append(check.interval()[0])
    least = {kind: f"{span(shares[level(kind, LEVELS[1])])} % of the instances" for kind in KINDS}
    held = {
        kind: [answer for name, answer in evidence.answers.items() if name.startswith(kind)]
        for kind in KINDS
    }
    counts = [f"{kind} in {of.count('holds')} of {len(of)}" for kind, of in held.items()]
    return (
        f"It holds under these conditions: {listed(counts)}. Energy goes as the square of the rate "
        "that really happens. A CPU that runs faster than the twin believes emits more than was "
        "planned, and so does one that is wrong at random, as the worst device counts. One that runs "
        f"slower emits less; but with {LEVELS[1]} % then only {least[LOWER]} keep all limits, as "
        f"planned rates leave no time, and {least[NOISE]} with random errors."
    )


FIGURE = Figure(
    id="c8",
    paper="C",
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
    diagrams=diagrams,
    minutes=(8.5, 0.5),
    studies=STUDIES,
    claims=(
        Claim(
            "c8-accuracy",
            "The more precise the twin's estimates, the lower the emission.",
            f"difference paired by instance, from each deviation ({', '.join(map(str, LEVELS))} %) to "
            "the next, at each number of cycles; more than 0",
            "mg",
            by_kind(worse),
            reason=why_worse,
        ),
        Claim(
            "c8-rising",
            "Emissions rise with the cycles.",
            "difference paired by instance, from each number of cycles to the next, at each deviation; "
            "more than 0",
            "mg",
            by_kind(rising_at_each),
        ),
    ),
    questions=(
        Question(
            "How many instances still keep all limits when the twin errs?", "%", still_feasible
        ),
    ),
)
