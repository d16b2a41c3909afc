"""Fig. 7 of paper C: worst-case emission of the optimal scheme, EPR and EPR-EP."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from .. import task_figures as tasks
from ..figure import Checks, Claim, Diagram, Evidence, Figure, Results, factor
from ..measure import (
    Column,
    above,
    curves,
    emission,
    emission_rows,
    feasible,
    share,
    short,
    split,
    title_of,
)
from ..sentences import held_at, listed
from ..task_figures import CYCLES, EXACT, LOCAL_CPU, OPEN, PROPOSED, THETA_M, THETAS

if TYPE_CHECKING:
    import xarray as xr

EPR, EPR_EP = "EPR", "EPR-EP"
EQUAL = "F_max / N"
SLOWER = dict(zip(THETAS, ("2 GHz", "1.2 GHz", "0.9 GHz"), strict=True))
"""By theta_0, a rate of the server near that below which offloading saves emission at equal rates
(docs/problems.md); the last is above it."""


def at(kind: str, rate: str) -> str:
    """Equal rates with this one of the server; other schemes have none."""
    return f"{kind}, server at {rate}" if kind in (EPR, EPR_EP) else kind


SCHEMES = {PROPOSED: "sca", EXACT: "exact"}
SCHEMES |= {at(kind, EQUAL): kind.lower() for kind in (EPR, EPR_EP)}
SCHEMES |= {
    at(kind, rate): f'{kind.lower()}{{edge_cpu="{rate}"}}'
    for rate in SLOWER.values()
    for kind in (EPR, EPR_EP)
}
SMALL, LARGE = (1, 2), (1, 4)
SIZES = factor(
    "size", "tasks.size", {f"{a} to {b} MB": [f"{a} MB", f"{b} MB"] for a, b in (LARGE, SMALL)}
)
STATED, DRAWN = SIZES.settings

STUDIES = (
    tasks.instances("schemes", SCHEMES, tasks.UP_TO_1500, SIZES, tasks.THETA_0, tasks.FLOOR),
)


def diagrams(results: Results) -> list[list[Diagram]]:
    """Emission and the share of feasible instances, a column for each theta_0."""

    def column(part: "xr.Dataset") -> Column:
        rate = SLOWER[part["theta_0"].item()]
        names = {EXACT: EXACT, PROPOSED: PROPOSED}
        names |= {at(kind, EQUAL): at(kind, EQUAL) for kind in (EPR, EPR_EP)}
        names |= {at(kind, rate): at(kind, "a slower rate") for kind in (EPR, EPR_EP)}
        part = part.sel(policy=list(names)).assign_coords(policy=list(names.values()))
        emitted, kept = (curves(part, of(part), CYCLES) for of in (emission, share))
        return title_of(part, *OPEN), emitted, kept

    rows = []
    for _, row in split(results["schemes"].sel(size=DRAWN), "rate floor"):
        rows += emission_rows(column(part) for _, part in split(row, "theta_0"))
    return rows


def conditions(results: Results) -> "Iterator[tuple[str, xr.Dataset, str]]":
    """Each condition, the server's equal rate included."""
    for name, part in split(results["schemes"], *OPEN, "size"):
        for rate in (EQUAL, SLOWER[part["theta_0"].item()]):
            yield f"{name}, server at {rate}", part, rate


def below(lower: str, upper: str) -> Callable[[Results], Checks]:
    """One scheme emits less than another."""

    def checks(results: Results) -> Checks:
        found = {}
        for name, part, rate in conditions(results):
            pair = [at(lower, rate), at(upper, rate)]
            less, more = (emission(part, pair).sel(policy=one) for one in pair)
            found[name] = above(more, less, CYCLES)
        return found

    return checks


def rising(results: Results) -> Checks:
    """Emissions of all schemes rise with the cycles."""
    return {
        name: tasks.rises(part, (PROPOSED, at(EPR, rate), at(EPR_EP, rate)))
        for name, part, rate in conditions(results)
    }


def why_power_matters(evidence: Evidence) -> str:
    """Which server is slow enough, and where both schemes are the same."""
    ghz = float(LOCAL_CPU.split()[0]) / 1e3
    slow = [f"{ghz * (THETA_M / theta_0) ** 0.5:.2f} GHz" for theta_0 in THETAS]
    equal = [
        all((check.sample[check.sample == check.sample] == 0.0).all() for check in checks)
        for checks in evidence.checks.values()
    ]
    data = evidence.results["schemes"].sel({"policy": at(EPR_EP, EQUAL), "rate floor": "all"})
    missed = 100.0 * (1.0 - float(feasible(data).mean()))
    return (
        f"It holds at {held_at(evidence)}. It needs offloading at the equal rates: a server slower "
        f"than {listed(slow)} for theta_0 = {listed(short(theta_0) for theta_0 in THETAS)}. Under "
        f"{sum(equal)} of {len(equal)} conditions both schemes emit the same to the last bit: "
        f"everything stays local. With tasks of {STATED}, or with the floor for all, there are "
        "instances in which too few can send to make a difference; and at equal power and F_max / N "
        f"the limits with the floor for all are missed in {missed:.0f} % of the instances."
    )


FIGURE = Figure(
    id="c7",
    paper="C",
    title="Optimal scheme, EPR and EPR-EP",
    notes=(
        f"Not stated: theta_0, and the equal rates. Devices compute at {LOCAL_CPU}. For the server "
        "there are two: F_max / N, at which offloading never saves emission; and a slower one, at which "
        f"it does for the smaller theta_0: {listed(SLOWER.values())} for theta_0 = "
        f"{listed(short(theta_0) for theta_0 in THETAS)}. Tasks are of {STATED}, as stated, or of "
        f"{DRAWN} (drawn). Instances that one of the schemes cannot serve are left out."
    ),
    x=tasks.MEGACYCLES,
    diagrams=diagrams,
    minutes=(3.0, 0.5),
    studies=STUDIES,
    claims=(
        Claim(
            "c7-epr",
            "The optimal scheme emits less than EPR.",
            tasks.AT_EACH,
            "mg",
            below(PROPOSED, EPR),
        ),
        Claim(
            "c7-epr-ep",
            "EPR emits less than EPR-EP.",
            tasks.AT_EACH,
            "mg",
            below(EPR, EPR_EP),
            reason=why_power_matters,
        ),
        Claim(
            "c7-rising",
            "Emissions of all three schemes rise with the cycles.",
            tasks.TO_NEXT,
            "mg",
            rising,
        ),
    ),
    questions=(tasks.gap_question("schemes", [name for name in SCHEMES if name != EXACT], "size"),),
)
