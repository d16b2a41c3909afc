"""What Figs. 4 and 5 of paper C share: the rewards of Algorithm 2 in training."""

from collections.abc import Callable, Mapping
from typing import Any

import xarray as xr

from .figure import Diagram, Factor, Results, Shown, Trainings
from .measure import conditions, course, split
from .task_figures import GUIDED_2, PRINTED_2, THETAS
from .training_settings import (
    BATCH,
    DDPG_PAPER,
    DDPG_PAPER_QUICK,
    DDPG_PRINTED,
    EASY_THETA_0,
    EPISODE_SLOTS,
    NETWORK_C,
)
from .verdicts import Checks

REWARD = "mean reward per slot, C(22)"
SMOOTH = 9

_USUAL = {"policy.episode_slots": EPISODE_SLOTS, "policy.warmup": BATCH}


def _case(theta_0: float, course: str, keys: dict[str, Any]) -> tuple[Shown, dict[str, Any]]:
    return f"theta_0 = {theta_0:g}, {course}", keys | {"energy.theta_0": theta_0}


CASES: dict[Shown, dict[str, Any]] = dict(
    [
        *(_case(one, f"{EPISODE_SLOTS} slots an episode", _USUAL) for one in THETAS),
        _case(EASY_THETA_0, "20 slots an episode", _USUAL | {"policy.episode_slots": 20}),
        _case(EASY_THETA_0, "1000 random slots first", _USUAL | {"policy.warmup": 1000}),
    ]
)
"""What Algorithm 2 leaves open, each varied alone: theta_0; how long an episode is; whether random slots come
first, as printed learning begins at once."""

CASE = "case"
FIRST = next(iter(CASES))

NOTES = (
    "Not stated: theta_0; the length of an episode; whether random slots come first; the offset of the "
    "reward, which C(22) never lets be positive and the paper draws far above zero: shapes and orders are "
    "compared, not levels. Each was varied alone. As the paper has it there is one environment, its layers "
    "and noise, and no scaling of rewards. As printed, the networks see and answer what the paper says; "
    "guided, they shift a decision that keeps all limits (docs/learning.md), and were trained under the first "
    f"of the conditions alone. Drawn is the running median of {SMOOTH} rows of each training's log: a "
    "device that hardly gets through makes single episodes worth next to nothing. "
)


def trainings(
    name: str,
    varied: Factor,
    cycles: tuple[int, int],
    minutes: tuple[float, float],
) -> dict[str, Trainings]:
    """Algorithm 2 as printed, whose rewards a verdict rests on, in each case; and guided in the first.

    Args:
        name: of both, with "-printed" or "-guided".
        varied: a factor.
        cycles: least and most, in Mcycles.
        minutes: CPU time in one case, in a full and in a quick run.
    """
    cases = Factor(CASE, CASES, quick=(FIRST,))
    full, quick = minutes

    def of(suffix: str, settings: dict[str, Any], *factors: Factor) -> Trainings:
        return Trainings(
            f"{name}-{suffix}",
            NETWORK_C,
            "ddpg",
            factors,
            keys=settings | {"tasks.cycles": [f"{end} Mcycles" for end in cycles]},
            quick_keys=DDPG_PAPER_QUICK,
            minutes=(full * (len(CASES) if cases in factors else 1), quick),
            kept=("reward", "steps"),
        )

    return {
        PRINTED_2: of("printed", DDPG_PRINTED, cases, varied),
        GUIDED_2: of("guided", DDPG_PAPER | CASES[FIRST], varied),
    }


def conditions_of(values: Mapping[str, xr.DataArray], along: str = "", prefix: str = "") -> Checks:
    """A condition for each case, or one if they were not varied.

    Args:
        values: by name of the check, over the cases, `along` and `seed`.
        along: see `conditions`, as for `prefix`.
        prefix: of the conditions' names.
    """
    varied = all(CASE in one.dims for one in values.values())
    return conditions(values, *([CASE] if varied else []), along=along, prefix=prefix)


def by_subject(
    of: Mapping[str, Trainings], checks: Callable[[xr.Dataset], Checks]
) -> dict[str, Callable[[Results], Checks]]:
    """The same checks of both kinds of trainings."""

    def from_results(training: str) -> Callable[[Results], Checks]:
        return lambda results: checks(results[training])

    return {subject: from_results(one.name) for subject, one in of.items()}


def smoothed(reward: xr.DataArray) -> xr.DataArray:
    """The running median over the dimension `log`, its rows."""
    return reward.rolling(log=SMOOTH, center=True, min_periods=1).median()


def diagrams(
    results: Results, of: Mapping[str, Trainings], dim: str, label: str
) -> list[list[Diagram]]:
    """Rewards over episodes: a diagram for each subject and case, three in a row; a line for each place of `dim`."""
    found = []
    for subject, training in of.items():
        if training.name not in results:
            continue
        data = results[training.name]
        data = data.assign(reward=smoothed(data["reward"]))
        for title, part in split(data, CASE) if CASE in data.dims else [(str(FIRST), data)]:
            lines = {
                label.format(value): course(
                    part.sel({dim: value}), "reward", "steps", _slots(title)
                )
                for value in part[dim].values.tolist()
            }
            found.append(Diagram(f"{subject}, {title}", REWARD, lines))
    return [found[k : k + 3] for k in range(0, len(found), 3)]


def _slots(case: str) -> int:
    """In an episode."""
    slots: int = CASES[case]["policy.episode_slots"]
    return slots


def last(reward: xr.DataArray, share: float) -> xr.DataArray:
    """The last part of a training's rewards, of the dimension `log`."""
    return reward.isel(log=slice(-max(2, round(share * reward.sizes["log"])), None))


def at_end(data: xr.Dataset) -> xr.DataArray:
    """The median reward of the last fifth of the episodes, without the dimension `log`."""
    return last(data["reward"], 0.2).median(dim="log")


def at_start(data: xr.Dataset) -> xr.DataArray:
    """The median reward of the first fiftieth of the episodes, without the dimension `log`."""
    rows = data.sizes["log"]
    return data["reward"].isel(log=slice(0, max(1, rows // 50))).median(dim="log")
