"""What the figures on the task problem share: paper C's network, its schemes, and their emission.

What the paper leaves open is a condition of each claim: theta_0 of the server, who has to reach R_min,
and where it matters the starting point, the equal rates, or how the twin errs. Each seed is one
instance: places of the devices, channels, tasks; one slot, as slots of one run share the places.

Thresholds are from the paper's sentences, and were written down before anything was run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .figure import Check, Checks, Factor, Question, Results, Study, factor
from .measure import emission, geometric_mean, rising, split
from .sentences import shipped
from .training_settings import EASY_CYCLES, EASY_THETA_0, NETWORK_C, aac_tasks, ddpg_tasks

if TYPE_CHECKING:
    import xarray as xr

CYCLES, MEGACYCLES = "cycles", "cycles of each task [Mcycles]"

THETAS = (1e-28, 3e-28, 1e-27)
THETA_0 = factor("theta_0", "energy.theta_0", THETAS)
FLOOR = factor("rate floor", "limits.rate_floor", ("offloading", "all"))
OPEN = ("theta_0", "rate floor")
"""What the paper leaves open in all figures."""

THETA_M = shipped(NETWORK_C, "energy.varsigma")
DEADLINE, ENERGY_MAX = shipped(NETWORK_C, "tasks.deadline"), shipped(NETWORK_C, "limits.energy_max")

ONE_SLOT = {"run.slots": 1}

PROPOSED = "Algorithm 1 (improved SCA)"
EXACT = "exact optimum"
LOCAL_CPU = "794 MHz"
"""The one rate at which a device executes what it can within both the deadline and E_max."""

POLICIES = {
    "exact": "exact",
    "SCA": "sca",
    "drift plus penalty": "lyapunov",
    "EPR": "epr",
    "EPR-EP": "epr-ep",
    "local": "local",
    "offload all": "offload-all",
    "random": "random",
}
LEARNED = {"DDPG": ddpg_tasks.name, "AAC": aac_tasks.name}
"""Of the figures that the papers did not draw."""

AT_EACH = "difference paired by instance, at each number of cycles; more than 0"
TO_NEXT = "difference paired by instance, from each number of cycles to the next; more than 0"


def cycles(*megacycles: int, quick: tuple[int, ...] = ()) -> Factor:
    """All tasks need the same number of cycles."""
    return factor(CYCLES, "tasks.cycles", {c: [f"{c} Mcycles"] * 2 for c in megacycles}, quick)


UP_TO_1500 = cycles(1000, 1100, 1200, 1300, 1400, 1500, quick=(1000, 1500))


def instances(
    name: str, policies: Mapping[str, str], *factors: Factor, quick_seeds: int = 4, **changes: Any
) -> Study:
    """A study of paper C's network, an instance for each seed; `changes` are attributes of `Study`."""
    usual = Study(name, NETWORK_C, policies, factors, ONE_SLOT, quick_seeds=quick_seeds)
    return replace(usual, **changes)


def between(least: int, most: int) -> str:
    """A range of cycles."""
    return f"{least} to {most} Mcycles" if least < most else f"all {least} Mcycles"


EASY_TASKS = f"theta_0 = {EASY_THETA_0:g}, {between(*EASY_CYCLES)}"
"""What policies are trained for."""


def drawn_from(*ranges: tuple[int, int]) -> Factor:
    """Cycles of each task, drawn uniformly from a range."""
    return factor(
        "tasks", "tasks.cycles", {between(*ends): [f"{c} Mcycles" for c in ends] for ends in ranges}
    )


def rises(part: "xr.Dataset", policies: Sequence[str]) -> list[Check]:
    """That the emission of each scheme rises with the cycles, on its own feasible instances."""
    return [
        check
        for policy in policies
        for check in rising(emission(part, [policy]).sel(policy=policy), CYCLES, f"{policy}, ")
    ]


def gap_question(study: str, policies: Sequence[str], *dims: str) -> Question:
    """What schemes emit over the exact optimum, over all instances that both can serve."""

    def checks(results: Results) -> Checks:
        found: dict[str, list[Check]] = {}
        for name, part in split(results[study], *OPEN, *dims):
            for policy in policies:
                values = emission(part, [policy, EXACT])
                ratio = values.sel(policy=policy) / values.sel(policy=EXACT)
                mean = geometric_mean(ratio, CYCLES)
                found.setdefault(name, []).append(Check(policy, mean, log=True))
        return found

    asks = "How far are the schemes above the exact optimum? (Geometric mean over all cycles.)"
    return Question(asks, "times the optimum", checks)
