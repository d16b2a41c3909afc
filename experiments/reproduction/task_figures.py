"""What the figures on the task problem share: paper C's network, its schemes, and their emission.

What the paper leaves open is a condition of each claim: theta_0 of the server, who has to reach R_min,
and where it matters the starting point, the equal rates, or how the twin errs. Each seed is one
instance: places of the devices, channels, tasks; one slot, as slots of one run share the places.

Thresholds are from the paper's sentences, and were written down before anything was run.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import xarray as xr

from .figure import Checks, Claim, Diagram, Factor, Question, Reason, Results, Study, factor
from .measure import (
    EMISSION,
    FEASIBLE,
    conditions,
    emission,
    geometric_mean,
    split,
    steps,
    title_of,
    with_shares,
)
from .sentences import shipped
from .training_settings import BASELINES, NETWORK_C

CYCLES, AT_CYCLES = "cycles", "cycles = {}"
MEGACYCLES = "cycles of each task [Mcycles]"

THETAS = (1e-28, 3e-28, 1e-27)
THETA_0 = factor("theta_0", "energy.theta_0", THETAS)
FLOOR = factor("rate floor", "limits.rate_floor", ("offloading", "all"))
OPEN = ("theta_0", "rate floor")
"""What the paper leaves open in all figures."""

THETA_M = shipped(NETWORK_C, "energy.varsigma")
SIZE: list[str] = shipped(NETWORK_C, "tasks.size")
DEADLINE, ENERGY_MAX = shipped(NETWORK_C, "tasks.deadline"), shipped(NETWORK_C, "limits.energy_max")

ONE_SLOT = {"run.slots": 1}

PROPOSED = "Algorithm 1 (improved SCA)"
EXACT = "exact optimum"
LOCAL_CPU = "794 MHz"
"""The one rate at which a device executes what it can within both the deadline and E_max."""

EVERY = {"exact": "exact", "SCA": "sca", "drift plus penalty": "lyapunov"} | BASELINES
LEARNED = {"DDPG": "ddpg", "AAC": "aac-tasks"}

AT_EACH = "difference paired by instance, at each number of cycles; more than 0"
TO_NEXT = "difference paired by instance, from each number of cycles to the next; more than 0"


def cycles(*megacycles: int, quick: tuple[int, ...] = ()) -> Factor:
    """All tasks need the same number of cycles."""
    return factor(CYCLES, "tasks.cycles", {c: [f"{c} Mcycles"] * 2 for c in megacycles}, quick)


UP_TO_1500 = cycles(1000, 1100, 1200, 1300, 1400, 1500, quick=(1000, 1500))


def instances(name: str, policies: Mapping[str, str], *factors: Factor, **changes: Any) -> Study:
    """A study of paper C's network, an instance for each seed; `changes` are attributes of `Study`."""
    usual = Study(name, NETWORK_C, policies, factors, ONE_SLOT)
    return replace(usual, **changes)


def between(least: int, most: int) -> str:
    """A range of cycles."""
    return f"{least} to {most} Mcycles" if least < most else f"all {least} Mcycles"


def drawn_from(*ranges: tuple[int, int]) -> Factor:
    """Cycles of each task, drawn uniformly from a range."""
    return factor(
        "tasks", "tasks.cycles", {between(*ends): [f"{c} Mcycles" for c in ends] for ends in ranges}
    )


def less(study: str, lower: str, upper: str, *dims: str) -> Callable[[Results], Checks]:
    """That one scheme emits less than another in each instance that both can serve."""

    def checks(results: Results) -> Checks:
        values = emission(results[study], (lower, upper))
        more = {AT_CYCLES: values.sel(policy=upper) - values.sel(policy=lower)}
        return conditions(more, *OPEN, *dims, along=CYCLES, low=0.0)

    return checks


def rises(data: xr.Dataset, policies: Sequence[str], *dims: str, prefix: str = "") -> Checks:
    """That the emission of each scheme rises with the cycles, on its own feasible instances."""
    own = {one: emission(data, [one]).sel(policy=one) for one in policies}
    rise = {f"{one}, {{}}": steps(values, CYCLES) for one, values in own.items()}
    return conditions(rise, *dims, along=CYCLES, prefix=prefix, low=0.0)


def gap_question(study: str, policies: Sequence[str], *dims: str) -> Question:
    """What schemes emit over the exact optimum, over all instances that both can serve."""

    def checks(results: Results) -> Checks:
        both = {one: emission(results[study], [one, EXACT]) for one in policies}
        means = {
            one: geometric_mean(values.sel(policy=one) / values.sel(policy=EXACT), CYCLES)
            for one, values in both.items()
        }
        return conditions(means, *OPEN, *dims, log=True)

    asks = "How far are the schemes above the exact optimum? (Geometric mean over all cycles.)"
    return Question(asks, "times the optimum", checks)


def claim(
    id: str,
    says: str,
    checks: Callable[[Results], Checks],
    reason: Reason | None = None,
    test: str = AT_EACH,
) -> Claim:
    """About differences of emission."""
    return Claim(id, says, test, "mg", checks, reason=reason)


def scheme_rows(
    data: xr.Dataset, shown: Callable[[xr.Dataset], xr.Dataset] = lambda part: part
) -> list[list[Diagram]]:
    """Rows for each rate floor, with a column for each theta_0; `shown` chooses and names schemes."""
    return [
        row
        for _, part in split(data, "rate floor")
        for row in emission_rows(
            (title_of(one, *OPEN), shown(one)) for _, one in split(part, "theta_0")
        )
    ]


def emission_rows(
    parts: Iterable[tuple[str, xr.Dataset]],
    by: str = "policy",
    emitted: Callable[[xr.Dataset], xr.DataArray] = emission,
) -> list[list[Diagram]]:
    """A column for each part: emission over the cycles, below it the share of feasible instances.

    Args:
        parts: with their titles.
        by: the dimension of which each value is a line.
        emitted: mg, by part.
    """

    def diagram(title: str, y: str, values: xr.DataArray) -> Diagram:
        return Diagram(title, y, {at: values.sel({by: at}) for at in values[by].values.tolist()})

    of = dict(parts)
    values = [diagram(title, EMISSION, emitted(part)) for title, part in of.items()]
    shares = [
        diagram(title, FEASIBLE, 100.0 * part["feasible_share"]) for title, part in of.items()
    ]
    return with_shares(values, shares)
