"""What the figures on the task problem share: paper C's network, its schemes, and their emission.

What the paper leaves open is a condition of each claim: theta_0 of the server, who has to reach R_min,
and where it matters the tasks, the equal rates, or how the twin errs. Each seed is one instance: places of
the devices, channels, tasks; one slot, as slots of one run share the places.

Algorithm 1 runs three times: as printed; with a repair of ours that lets it move, CPUs that start fast
enough; and, under a name of its own, as our search over nested sets of offloaders.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import xarray as xr

from ...traces.style import far_apart
from .figure import Diagram, Evidence, Factor, Question, Reason, Results, Study, factor
from .measure import (
    EMISSION,
    FEASIBLE,
    conditions,
    emission,
    feasible,
    geometric_mean,
    split,
    steps,
    title_of,
    with_shares,
)
from .sentences import listed, shipped
from .training_settings import BASELINES, NETWORK_C
from .verdicts import Checks

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

EXACT = "exact optimum"
LOCAL_CPU = "794 MHz"
"""The one rate at which a device executes what it can within both the deadline and E_max."""

PRINTED_1, REPAIRED_1 = "Algorithm 1 as printed", "Algorithm 1 from 0.794 GHz"
SEARCH = "our search"
ALGORITHM_1 = {
    PRINTED_1: 'sca{variant="paper"}',
    REPAIRED_1: f'sca{{variant="paper", local_cpu="{LOCAL_CPU}"}}',
    SEARCH: "sca",
}
"""Who is judged: the paper's algorithm, its repair, and ours."""

PRINTED_2, GUIDED_2 = "Algorithm 2 as printed", "guided Algorithm 2"
REPAIRED_2 = "Algorithm 2 with our settings"

EVERY = {"exact": "exact", "SCA": "sca", "drift plus penalty": "lyapunov"} | BASELINES
LEARNED = {"DDPG": "ddpg", "AAC": "aac-tasks"}


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


def apart(data: xr.Dataset, lower: str, upper: str) -> tuple[xr.DataArray, xr.DataArray]:
    """What one scheme emits less than another, in each instance that both can serve; and which these are.

    Over the dimensions of the data.
    """
    values = emission(data, (lower, upper))
    kept = kept_by(data, lower, upper)
    return values.sel(policy=upper) - values.sel(policy=lower), kept


def kept_by(data: xr.Dataset, *policies: str) -> xr.DataArray:
    """Whether all of these schemes keep all limits; NaN in instances that have no solution at all.

    Over the dimensions of the data without `policy`.
    """
    solvable = feasible(data).sel(policy=EXACT, drop=True)
    kept = feasible(data).sel(policy=list(policies)).all("policy")
    return kept.astype(float).where(solvable)


def less(study: str, lower: str, upper: str, *dims: str) -> Callable[[Results], Checks]:
    """That one scheme emits less than another in each instance that both can serve."""

    def checks(results: Results) -> Checks:
        more, kept = apart(results[study], lower, upper)
        return conditions({AT_CYCLES: more}, *OPEN, *dims, along=CYCLES, kept=kept)

    return checks


def rises(data: xr.Dataset, policies: Sequence[str], *dims: str) -> Checks:
    """That the emission of each scheme rises with the cycles, on its own feasible instances."""
    own = {one: emission(data, [one]).sel(policy=one, drop=True) for one in policies}
    rise = {f"{one}, {{}}": steps(values, CYCLES) for one, values in own.items()}
    kept = {f"{one}, {{}}": at_both(kept_by(data, one)) for one in policies}
    return conditions(rise, *dims, along=CYCLES, kept=kept)


def at_both(kept: xr.DataArray) -> xr.DataArray:
    """Whether limits are kept at a number of cycles and at the next: its dimensions, places as of `steps`."""
    places = steps(kept, CYCLES)[CYCLES]
    both = kept.values.take(range(kept.sizes[CYCLES] - 1), kept.get_axis_num(CYCLES))
    more = kept.isel({CYCLES: slice(1, None)}).assign_coords({CYCLES: places})
    return more * both


def each_rises(study: str, *policies: str) -> Callable[[Results], Checks]:
    """See `rises`."""
    return lambda results: rises(results[study], policies, *OPEN)


def over_optimum(data: xr.Dataset, policy: str) -> xr.DataArray:
    """What a scheme emits over the exact optimum, in the geometric mean over the dimension of cycles."""
    both = emission(data, [policy, EXACT])
    return geometric_mean(both.sel(policy=policy) / both.sel(policy=EXACT), CYCLES)


def gap_question(study: str, policies: Sequence[str], *dims: str) -> Question:
    """What schemes emit over the exact optimum, over all instances that both can serve."""

    def checks(results: Results) -> Checks:
        means = {one: over_optimum(results[study], one) for one in policies}
        return conditions(means, *OPEN, *dims)

    asks = "How far are the schemes above the exact optimum? (Geometric mean over all cycles.)"
    return Question(asks, "times the optimum", checks, "geometric mean")


def kept_question(study: str, policies: Sequence[str], *dims: str) -> Question:
    """In how many instances schemes keep all limits."""

    def checks(results: Results) -> Checks:
        share = 100.0 * feasible(results[study]).astype(float).mean(CYCLES)
        return conditions(share.sel(policy=list(policies)), *OPEN, *dims, along="policy")

    asks = "In how many instances do the schemes keep all limits? (Mean over all cycles.)"
    return Question(asks, "%", checks, "share")


def emitted_question(study: str, policies: Sequence[str], *dims: str) -> Question:
    """What schemes emit, whether or not they keep all limits."""

    def checks(results: Results) -> Checks:
        mean = results[study]["worst_emission_mg"].mean(CYCLES).sel(policy=list(policies))
        return conditions(mean, *OPEN, *dims, along="policy")

    return Question(
        "What do they emit, feasible or not, in the mean over all cycles?", "mg", checks
    )


def drawn(data: xr.Dataset) -> xr.DataArray:
    """What schemes emit where they keep all limits, printed ones wherever it can be; the data's dimensions."""
    solvable = feasible(data.sel(policy=EXACT, drop=True))
    anyway = data["policy"].isin([PRINTED_1, REPAIRED_1]) & solvable
    return data["worst_emission_mg"].where(feasible(data) | anyway)


DRAWN = (
    f"Lines of {PRINTED_1} and from {REPAIRED_1.rpartition(' from ')[2]} are of all instances that have a "
    "solution, whether or not limits are kept; others are of the instances in which they keep all limits. "
)
DEVICES = f"There are {shipped(NETWORK_C, 'devices.count')} devices. "
COUNTED = (
    f"{DEVICES}Instances that have no solution at all do not "
    "count; where one of the compared schemes breaks a limit, an instance is left out of the comparison. "
)


def why_printed(study: str) -> Reason:
    """At what Algorithm 1 as printed fails, and what its repair and our search make of it."""

    def reason(evidence: Evidence) -> str:
        data = evidence.results[study]
        solvable = feasible(data.sel(policy=EXACT, drop=True))

        def of(scheme: str) -> str:
            one = data.sel(policy=scheme, drop=True)
            kept = 100.0 * float(feasible(one).where(solvable).astype(float).mean())
            mean = float(one["worst_emission_mg"].where(solvable).mean())
            return f"{scheme} keeps all limits in {kept:.0f} % and emits {mean:.3g} mg in the mean"

        return (
            f"Of the instances that have a solution, {listed(map(of, ALGORITHM_1))}. With the start as "
            f"printed CPUs are too slow for local tasks; to start them at {LOCAL_CPU} is our repair."
        )

    return reason


def scheme_rows(
    data: xr.Dataset, shown: Callable[[xr.Dataset], xr.Dataset] = lambda part: part
) -> list[list[Diagram]]:
    """Rows for each rate floor, with a column for each theta_0; `shown` chooses and names schemes."""
    return [
        row
        for _, part in split(data, "rate floor")
        for row in emission_rows(
            ((title_of(one, *OPEN), shown(one)) for _, one in split(part, "theta_0")), drawn
        )
    ]


def emission_rows(
    parts: Iterable[tuple[str, xr.Dataset]],
    emitted: Callable[[xr.Dataset], xr.DataArray],
    by: str = "policy",
) -> list[list[Diagram]]:
    """A column for each part: emission over the cycles, below it the share of feasible instances.

    Args:
        parts: with their titles.
        emitted: mg, by part.
        by: the dimension of which each value is a line.
    """

    def diagram(title: str, y: str, values: xr.DataArray, log: bool = False) -> Diagram:
        lines = {at: values.sel({by: at}) for at in values[by].values.tolist()}
        return Diagram(title, y, lines, log=log)

    of = {title: (emitted(part), 100.0 * part["feasible_share"]) for title, part in parts}
    means = [mg.mean("seed") for mg, _ in of.values()]
    log = far_apart(end for mean in means for end in (float(mean.min()), float(mean.max())))
    values = [diagram(title, EMISSION, mg, log) for title, (mg, _) in of.items()]
    shares = [diagram(title, FEASIBLE, share) for title, (_, share) in of.items()]
    return with_shares(values, shares)
