"""Fig. 7 of paper C: worst-case emission of the optimal scheme, EPR and EPR-EP."""

from collections.abc import Callable

import xarray as xr

from .. import task_figures as tasks
from ..figure import Claim, Diagram, Evidence, Figure, Results, factor
from ..measure import conditions, feasible, short
from ..sentences import listed
from ..task_figures import (
    ALGORITHM_1,
    AT_CYCLES,
    CYCLES,
    EXACT,
    LOCAL_CPU,
    OPEN,
    THETA_M,
    THETAS,
)
from ..verdicts import Checks

EPR, EPR_EP = "EPR", "EPR-EP"
EQUAL, PAYS, RATE = "F_max / N", "a rate that pays", "equal rate"
SLOWER = dict(zip(THETAS, ("2 GHz", "1.2 GHz", "0.9 GHz"), strict=True))
"""By theta_0, a rate of the server near that below which offloading saves emission at equal rates
(docs/problems.md); the last is above it."""


def _at(kind: str, rate: str) -> str:
    """Equal rates with this one of the server; other schemes have none."""
    return f"{kind}, server at {rate}" if kind in (EPR, EPR_EP) else kind


SCHEMES = ALGORITHM_1 | {EXACT: "exact"}
SCHEMES |= {_at(kind, EQUAL): kind.lower() for kind in (EPR, EPR_EP)}
SCHEMES |= {
    _at(kind, rate): f'{kind.lower()}{{edge_cpu="{rate}"}}'
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


def _diagrams(results: Results) -> list[list[Diagram]]:
    def named(part: xr.Dataset) -> xr.Dataset:
        slower = SLOWER[part["theta_0"].item()]
        names = {one: one for one in (*ALGORITHM_1, EXACT)}
        names |= {_at(kind, EQUAL): _at(kind, EQUAL) for kind in (EPR, EPR_EP)}
        names |= {_at(kind, slower): _at(kind, PAYS) for kind in (EPR, EPR_EP)}
        return part.sel(policy=list(names)).assign_coords(policy=list(names.values()))

    return tasks.scheme_rows(results["schemes"].sel(size=DRAWN), named)


def _by_rate(results: Results) -> xr.Dataset:
    """With the server's equal rate as a dimension: of each theta_0 the one that pays there."""
    data = results["schemes"]

    def at(theta_0: float, called: str) -> xr.Dataset:
        rate = EQUAL if called == EQUAL else SLOWER[theta_0]
        schemes = [*ALGORITHM_1, _at(EPR, rate), _at(EPR_EP, rate)]
        part = data.sel(theta_0=[theta_0], policy=schemes)
        return part.assign_coords(policy=[*ALGORITHM_1, EPR, EPR_EP])

    rates = (EQUAL, PAYS)
    thetas = data["theta_0"].values.tolist()
    parts = [xr.concat([at(theta_0, one) for theta_0 in thetas], "theta_0") for one in rates]
    return xr.concat(parts, RATE).assign_coords({RATE: list(rates)})


def _below(lower: str, upper: str) -> Callable[[Results], Checks]:
    def checks(results: Results) -> Checks:
        more, kept = tasks.apart(_by_rate(results), lower, upper)
        return conditions({AT_CYCLES: more}, *OPEN, "size", RATE, along=CYCLES, kept=kept)

    return checks


def _rising(proposed: str) -> Callable[[Results], Checks]:
    return lambda results: tasks.rises(
        _by_rate(results), (proposed, EPR, EPR_EP), *OPEN, "size", RATE
    )


def _why_power_matters(evidence: Evidence) -> str:
    ghz = float(LOCAL_CPU.split()[0]) / 1e3
    slow = [f"{ghz * (THETA_M / theta_0) ** 0.5:.2f} GHz" for theta_0 in THETAS]
    (judged,) = evidence.judged.values()
    equal = [of for of in judged.values() if all(one.outcome == "equal" for one in of)]
    data = evidence.results["schemes"].sel({"policy": _at(EPR_EP, EQUAL), "rate floor": "all"})
    return (
        f"It needs offloading at the equal rates: a server slower than {listed(slow)} for theta_0 = "
        f"{listed(map(short, THETAS))}. Under {len(equal)} of {len(judged)} conditions both schemes emit "
        "the same: everything stays local. At equal power and F_max / N the limits with the floor for all "
        f"are missed in {100.0 * (1.0 - float(feasible(data).mean())):.0f} % of the instances."
    )


FIGURE = Figure(
    id="c7",
    title="Optimal scheme, EPR and EPR-EP",
    notes=(
        f"Not stated: theta_0, and the equal rates. Devices compute at {LOCAL_CPU}. For the server "
        "there are two: F_max / N, at which offloading never saves emission; and a slower one, at which "
        f"it does for the smaller theta_0: {listed(SLOWER.values())} for theta_0 = "
        f"{listed(short(theta_0) for theta_0 in THETAS)}. Tasks are of {STATED}, as stated, or of "
        f"{DRAWN} (drawn). Instances that one of the compared schemes cannot serve are left out of "
        f"comparisons. {tasks.DRAWN.strip()}"
    ),
    x=tasks.MEGACYCLES,
    diagrams=_diagrams,
    minutes=(5.0, 0.5),
    studies=STUDIES,
    claims=(
        Claim(
            "c7-epr", {one: _below(one, EPR) for one in ALGORITHM_1}, tasks.why_printed("schemes")
        ),
        Claim("c7-epr-ep", {"EPR and EPR-EP": _below(EPR, EPR_EP)}, _why_power_matters),
        Claim("c7-rising", {one: _rising(one) for one in ALGORITHM_1}),
    ),
    questions=(
        tasks.gap_question("schemes", [name for name in SCHEMES if name != EXACT], "size"),
        tasks.kept_question("schemes", list(SCHEMES), "size"),
    ),
)
