"""What Figs. 4 and 5 of paper C share: the rewards of Algorithm 2 in training."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import xarray as xr

from .figure import Diagram, Factor, Results, Trainings
from .measure import conditions, course, split
from .task_figures import GUIDED_2, PRINTED_2, THETA_0, THETAS
from .training_settings import (
    COURSES,
    DDPG_PAPER,
    DDPG_PAPER_QUICK,
    DDPG_PRINTED,
    EPISODE_SLOTS,
    NETWORK_C,
)
from .verdicts import Checks

REWARD = "mean reward per slot, C(22)"
SMOOTH = 9
COURSE = "course"
DRAWN = next(iter(COURSES))

NOTES = (
    "Not stated: theta_0; the length of an episode; whether random slots come first; the offset of the "
    "reward, which C(22) never lets be positive and the paper draws far above zero: shapes and orders are "
    "compared, not levels. As the paper has it there is one environment, its layers and noise, and no "
    "scaling of rewards. As printed, the networks see and answer what the paper says; guided, they shift a "
    f"decision that keeps all limits (docs/learning.md). Drawn are episodes of {EPISODE_SLOTS} slots, which are "
    "all that was run guided, and "
    f"the running median of {SMOOTH} rows of each training's log: a device that hardly gets through makes "
    "single episodes worth next to nothing. "
)


def trainings(
    name: str,
    varied: Factor,
    cycles: tuple[int, int],
    minutes: tuple[float, float],
    seeds: int = 10,
) -> dict[str, Trainings]:
    """Algorithm 2 as printed and guided, under each theta_0, on cycles from a range.

    As printed, whose rewards a verdict rests on, under each course; guided, under the one that is drawn.

    Args:
        name: of both, with "-printed" or "-guided".
        varied: a factor.
        cycles: least and most, in Mcycles.
        minutes: CPU time under a course, in a full and in a quick run.
        seeds: in a full run.
    """
    theta_0 = replace(THETA_0, quick=THETAS[:1])
    courses = Factor(COURSE, COURSES, quick=(DRAWN,))
    full, quick = minutes

    def of(suffix: str, settings: dict[str, Any], *factors: Factor) -> Trainings:
        return Trainings(
            f"{name}-{suffix}",
            NETWORK_C,
            "ddpg",
            factors,
            keys=settings | {"tasks.cycles": [f"{end} Mcycles" for end in cycles]},
            quick_keys=DDPG_PAPER_QUICK,
            seeds=seeds,
            minutes=(full * (len(COURSES) if courses in factors else 1), quick),
            kept=("reward", "steps"),
        )

    return {
        PRINTED_2: of("printed", DDPG_PRINTED, theta_0, courses, varied),
        GUIDED_2: of("guided", DDPG_PAPER | COURSES[DRAWN], theta_0, varied),
    }


def conditions_of(values: Mapping[str, xr.DataArray], along: str = "", prefix: str = "") -> Checks:
    """A condition for each theta_0 and, where it was varied, course.

    Args:
        values: by name of the check, over these, `along` and `seed`.
        along: see `conditions`, as for `prefix`.
        prefix: of the conditions' names.
    """
    dims = [
        name for name in ("theta_0", COURSE) if all(name in one.dims for one in values.values())
    ]
    return conditions(values, *dims, along=along, prefix=prefix)


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
    """Rewards over episodes: rows by subject, a diagram for each theta_0, a line for each place of `dim`."""
    rows = []
    for subject, training in of.items():
        if training.name not in results:
            continue
        data = results[training.name]
        data = data.sel({COURSE: DRAWN}) if COURSE in data.dims else data
        found = []
        for title, part in split(data.assign(reward=smoothed(data["reward"])), "theta_0"):
            lines = {
                label.format(value): course(
                    part.sel({dim: value}), "reward", "steps", EPISODE_SLOTS
                )
                for value in part[dim].values.tolist()
            }
            found.append(Diagram(f"{subject}, {title}", REWARD, lines))
        rows.append(found)
    return rows


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
