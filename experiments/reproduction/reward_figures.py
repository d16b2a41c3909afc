"""What Figs. 4 and 5 of paper C share: the rewards of Algorithm 2 in training."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import xarray as xr

from .figure import Diagram, Factor, Results, Trainings
from .measure import course, split
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

NOTES = (
    "Not stated: theta_0; the length of an episode; whether random slots come first; the offset of the "
    "reward, which C(22) never lets be positive and the paper draws far above zero: shapes and orders are "
    "compared, not levels. As the paper has it there is one environment, its layers and noise, and no "
    "scaling of rewards. As printed, the networks see and answer what the paper says; guided, they shift a "
    f"decision that keeps all limits (docs/learning.md). Drawn are episodes of {EPISODE_SLOTS} slots, and "
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
    """Algorithm 2 as printed and guided, under each theta_0 and course, on cycles from a range.

    Args:
        name: of both, with "-printed" or "-guided".
        varied: a factor.
        cycles: least and most, in Mcycles.
        minutes: CPU time of each, in a full and in a quick run.
        seeds: in a full run.
    """
    courses = Factor(COURSE, COURSES, quick=tuple(COURSES)[:1])
    factors = (replace(THETA_0, quick=THETAS[:1]), courses, varied)

    def of(suffix: str, settings: dict[str, Any]) -> Trainings:
        return Trainings(
            f"{name}-{suffix}",
            NETWORK_C,
            "ddpg",
            factors,
            keys=settings | {"tasks.cycles": [f"{end} Mcycles" for end in cycles]},
            quick_keys=DDPG_PAPER_QUICK,
            seeds=seeds,
            minutes=minutes,
            kept=("reward", "steps"),
        )

    return {PRINTED_2: of("printed", DDPG_PRINTED), GUIDED_2: of("guided", DDPG_PAPER)}


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
        data = results[training.name].sel({COURSE: next(iter(COURSES))})
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
