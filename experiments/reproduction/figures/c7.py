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
EQUAL, SLOW, RATE = "F_max / N", "a slower rate", "equal rate"
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
STATED, SMALLER = SIZES.settings

STUDIES = (
    tasks.instances("schemes", SCHEMES, tasks.UP_TO_1500, SIZES, tasks.THETA_0, tasks.FLOOR),
)


def _diagrams(results: Results) -> list[list[Diagram]]:
    def named(part: xr.Dataset) -> xr.Dataset:
        slower = SLOWER[part["theta_0"].item()]
        names = {one: one for one in (*ALGORITHM_1, EXACT)}
        names |= {_at(kind, EQUAL): _at(kind, EQUAL) for kind in (EPR, EPR_EP)}
        names |= {_at(kind, slower): _at(kind, SLOW) for kind in (EPR, EPR_EP)}
        return part.sel(policy=list(names)).assign_coords(policy=list(names.values()))

    return tasks.scheme_rows(results["schemes"].sel(size=STATED), named)


def _by_rate(results: Results) -> xr.Dataset:
    """With the server's equal rate as a dimension: of each theta_0 the slower one that is run there."""
    data = results["schemes"]

    def at(theta_0: float, called: str) -> list[str]:
        rate = EQUAL if called == EQUAL else SLOWER[theta_0]
        return [*ALGORITHM_1, EXACT, _at(EPR, rate), _at(EPR_EP, rate)]

    rates, thetas = (EQUAL, SLOW), data["theta_0"]
    schemes = [[at(theta_0, one) for theta_0 in thetas.values.tolist()] for one in rates]
    found = data.sel(theta_0=thetas, policy=xr.DataArray(schemes, dims=(RATE, "theta_0", "policy")))
    names = {RATE: list(rates), "policy": [*ALGORITHM_1, EXACT, EPR, EPR_EP]}
    return found.assign_coords(names)


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
    data = evidence.results["schemes"].sel({"policy": _at(EPR_EP, EQUAL), "rate floor": "all"})
    at = {"rate floor": "all", "size": STATED, RATE: SLOW}
    more, kept = tasks.apart(_by_rate(evidence.results).sel(at), EPR, EPR_EP)
    differ = ((abs(more) > 0.0) & (kept > 0.0)).sum("seed").max(CYCLES)
    most = ", ".join(f"{differ.sel(theta_0=one).item()} at {one:g}" for one in THETAS)
    of = int((kept > 0.0).sum("seed").max())
    return (
        f"It needs offloading at the equal rates: a server slower than {listed(slow)} for theta_0 = "
        f"{listed(map(short, THETAS))}. With tasks of {STATED}, the floor for all and the slower rate the two "
        f"schemes differ in this many of {of} instances, at the number of cycles with most: {most}. At equal "
        "power and F_max / N the limits with the floor for all "
        f"are missed in {100.0 * (1.0 - float(feasible(data).mean())):.0f} % of the instances."
    )


FIGURE = Figure(
    id="c7",
    title="Optimal scheme, EPR and EPR-EP",
    notes=(
        f"{tasks.COUNTED}Not stated: theta_0, the equal rates, and the equal power, here P_max. Devices compute "
        f"at {LOCAL_CPU}. For the server there are two rates: F_max / N, at which offloading never saves emission; "
        f"and a slower one, at which it does but at the largest theta_0: {listed(SLOWER.values())} for theta_0 = "
        f"{listed(short(theta_0) for theta_0 in THETAS)}. Tasks are of {STATED}, as stated and drawn; those of "
        f"{SMALLER} are another setting. {tasks.DRAWN.strip()}"
    ),
    x=tasks.MEGACYCLES,
    diagrams=_diagrams,
    minutes=(5.0, 0.1),
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
