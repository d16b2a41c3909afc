"""Fig. 7 of paper C: worst-case emission of the optimal scheme, EPR and EPR-EP."""

from collections.abc import Callable, Iterator

import numpy as np
import xarray as xr

from .. import task_figures as tasks
from ..figure import Checks, Diagram, Evidence, Figure, Results, factor
from ..measure import conditions, emission, feasible, short, split
from ..sentences import held_at, listed
from ..task_figures import AT_CYCLES, CYCLES, EXACT, LOCAL_CPU, OPEN, PROPOSED, THETA_M, THETAS

EPR, EPR_EP = "EPR", "EPR-EP"
EQUAL = "F_max / N"
SLOWER = dict(zip(THETAS, ("2 GHz", "1.2 GHz", "0.9 GHz"), strict=True))
"""By theta_0, a rate of the server near that below which offloading saves emission at equal rates
(docs/problems.md); the last is above it."""


def _at(kind: str, rate: str) -> str:
    """Equal rates with this one of the server; other schemes have none."""
    return f"{kind}, server at {rate}" if kind in (EPR, EPR_EP) else kind


SCHEMES = {PROPOSED: "sca", EXACT: "exact"}
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
        names = {EXACT: EXACT, PROPOSED: PROPOSED}
        names |= {_at(kind, EQUAL): _at(kind, EQUAL) for kind in (EPR, EPR_EP)}
        names |= {_at(kind, slower): _at(kind, "a rate that pays") for kind in (EPR, EPR_EP)}
        return part.sel(policy=list(names)).assign_coords(policy=list(names.values()))

    return tasks.scheme_rows(results["schemes"].sel(size=DRAWN), named)


def _conditions(results: Results) -> Iterator[tuple[str, xr.Dataset, str]]:
    """Each condition, the server's equal rate included."""
    for name, part in split(results["schemes"], *OPEN, "size"):
        for rate in (EQUAL, SLOWER[part["theta_0"].item()]):
            yield f"{name}, server at {rate}", part, rate


def _below(lower: str, upper: str) -> Callable[[Results], Checks]:
    def checks(results: Results) -> Checks:
        found: Checks = {}
        for name, part, rate in _conditions(results):
            pair = [_at(lower, rate), _at(upper, rate)]
            less, more = (emission(part, pair).sel(policy=one) for one in pair)
            found |= conditions({AT_CYCLES: more - less}, along=CYCLES, prefix=name, low=0.0)
        return found

    return checks


def _rising(results: Results) -> Checks:
    found: Checks = {}
    for name, part, rate in _conditions(results):
        schemes = (PROPOSED, _at(EPR, rate), _at(EPR_EP, rate))
        found |= tasks.rises(part, schemes, prefix=name)
    return found


def _why_power_matters(evidence: Evidence) -> str:
    ghz = float(LOCAL_CPU.split()[0]) / 1e3
    slow = [f"{ghz * (THETA_M / theta_0) ** 0.5:.2f} GHz" for theta_0 in THETAS]
    equal = [
        all(check.seeds and not np.nan_to_num(check.sample).any() for check in checks)
        for checks in evidence.checks.values()
    ]
    data = evidence.results["schemes"].sel({"policy": _at(EPR_EP, EQUAL), "rate floor": "all"})
    return (
        f"It holds at {held_at(evidence)}. It needs offloading at the equal rates: a server slower "
        f"than {listed(slow)} for theta_0 = {listed(map(short, THETAS))}. Under {sum(equal)} of "
        f"{len(equal)} conditions both schemes emit the same to the last bit: everything stays local. "
        f"With tasks of {STATED}, or with the floor for all, there are instances in which too few can "
        "send to make a difference; and at equal power and F_max / N the limits with the floor for all "
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
        f"{DRAWN} (drawn). Instances that one of the schemes cannot serve are left out."
    ),
    x=tasks.MEGACYCLES,
    diagrams=_diagrams,
    minutes=(3.0, 0.5),
    studies=STUDIES,
    claims=(
        tasks.claim("c7-epr", "The optimal scheme emits less than EPR.", _below(PROPOSED, EPR)),
        tasks.claim(
            "c7-epr-ep", "EPR emits less than EPR-EP.", _below(EPR, EPR_EP), _why_power_matters
        ),
        tasks.claim(
            "c7-rising",
            "Emissions of all three schemes rise with the cycles.",
            _rising,
            test=tasks.TO_NEXT,
        ),
    ),
    questions=(tasks.gap_question("schemes", [name for name in SCHEMES if name != EXACT], "size"),),
)
