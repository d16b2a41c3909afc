"""What Figs. 4 and 5 of paper C share: the rewards of Algorithm 2 in training."""

from dataclasses import replace

import xarray as xr

from .figure import Diagram, Factor, Trainings
from .measure import course, split
from .task_figures import THETA_0, THETAS
from .training_settings import DDPG_PAPER, DDPG_PAPER_QUICK, EPISODE_SLOTS, NETWORK_C

REWARD = "mean reward per slot, C(22)"
SMOOTH = 9

NOTES = (
    f"Not stated: theta_0; the length of an episode, {EPISODE_SLOTS} slots here; the offset of the "
    "reward, which C(22) never lets be positive and the paper draws far above zero: shapes and orders "
    "are compared, not levels. As the paper has it there is one environment, its layers and noise, and "
    "no scaling of rewards; what the networks see and answer is ours (docs/learning.md). Drawn is the "
    f"running median of {SMOOTH} rows of each training's log: a device that hardly gets through makes "
    "single episodes worth next to nothing. "
)


def trainings(
    name: str, varied: Factor, cycles: tuple[int, int], minutes: tuple[float, float]
) -> Trainings:
    """Algorithm 2 with the paper's settings under each theta_0, on cycles drawn from a range."""
    return Trainings(
        name,
        NETWORK_C,
        "ddpg",
        (replace(THETA_0, quick=THETAS[:1]), varied),
        keys=DDPG_PAPER | {"tasks.cycles": [f"{end} Mcycles" for end in cycles]},
        quick_keys=DDPG_PAPER_QUICK,
        minutes=minutes,
    )


def smoothed(reward: xr.DataArray) -> xr.DataArray:
    """The running median over the dimension `log`, its rows."""
    return reward.rolling(log=SMOOTH, center=True, min_periods=1).median()


def diagrams(data: xr.Dataset, dim: str, label: str) -> list[list[Diagram]]:
    """Rewards over episodes, a diagram for each theta_0 and a line for each value of a dimension."""
    found = []
    for title, part in split(data.assign(reward=smoothed(data["reward"])), "theta_0"):
        lines = {
            label.format(value): course(part.sel({dim: value}), "reward", "steps", EPISODE_SLOTS)
            for value in part[dim].values.tolist()
        }
        found.append(Diagram(title, REWARD, lines))
    return [found]


def last(reward: xr.DataArray, share: float) -> xr.DataArray:
    """The last part of a training's rewards, of the dimension `log`."""
    return reward.isel(log=slice(-max(2, round(share * reward.sizes["log"])), None))


def at_end(data: xr.Dataset) -> xr.DataArray:
    """The median reward of the last fifth of the episodes, without the dimension `log`."""
    return last(data["reward"], 0.2).median(dim="log")
