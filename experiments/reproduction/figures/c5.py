"""Fig. 5 of paper C: rewards of Algorithm 2 in training, with few and with more devices."""

import xarray as xr

from .. import reward_figures as rewards
from ..figure import Claim, Figure, factor
from ..task_figures import between
from ..verdicts import Checks
from .c4 import BEST_PAIR

FEWER, MORE = 6, 10
CYCLES = (1500, 2000)

TRAININGS = rewards.trainings(
    "sizes", factor("devices", "devices.count", (FEWER, MORE)), CYCLES, minutes=(35.0, 0.25)
)


def _higher(data: xr.Dataset) -> Checks:
    ends = rewards.at_end(data)
    difference = ends.sel(devices=FEWER) - ends.sel(devices=MORE)
    return rewards.conditions_of({f"{FEWER} over {MORE} devices": difference})


def _converged(data: xr.Dataset) -> Checks:
    """What is gained after the second fifth of the episodes, of all that is gained."""
    end, rows = rewards.at_end(data), data.sizes["log"]
    then = data["reward"].isel(log=slice(rows // 5, 2 * rows // 5)).median(dim="log")
    share = (end - then) / (end - rewards.at_start(data))
    return rewards.conditions_of({"{} devices": share}, along="devices")


FIGURE = Figure(
    id="c5",
    title=f"Algorithm 2 with {FEWER} and with {MORE} devices",
    notes=f"{rewards.NOTES}Tasks are of {between(*CYCLES)}, rates {BEST_PAIR}.",
    x="training episodes",
    average="median",
    diagrams=lambda results: rewards.diagrams(results, TRAININGS, "devices", "{} devices"),
    free_y=True,
    trainings=tuple(TRAININGS.values()),
    claims=(
        Claim("c5-devices", rewards.by_subject(TRAININGS, _higher)),
        Claim("c5-converged", rewards.by_subject(TRAININGS, _converged)),
    ),
)
