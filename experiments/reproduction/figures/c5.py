"""Fig. 5 of paper C: rewards of Algorithm 2 in training, with few and with more devices."""

from .. import reward_figures as rewards
from ..figure import NONE, Checks, Claim, Evidence, Figure, Results, factor
from ..measure import conditions
from ..sentences import span
from ..task_figures import between
from ..training_settings import EPISODE_SLOTS, EPISODES
from .c4 import BEST_PAIR

FEWER, MORE = 6, 10
CYCLES = (1500, 2000)
CONVERGED_BY, NEAR = EPISODES // 5, 0.1

TRAININGS = rewards.trainings(
    "sizes", factor("devices", "devices.count", (FEWER, MORE)), CYCLES, minutes=(46.0, 0.5)
)


def _higher(results: Results) -> Checks:
    ends = rewards.at_end(results["sizes"])
    difference = ends.sel(devices=FEWER) - ends.sel(devices=MORE)
    return conditions({f"{FEWER} over {MORE} devices": difference}, "theta_0", low=0.0)


def _converged(results: Results) -> Checks:
    """From a fifth of the episodes on, the reward stays within a tenth of what was gained until then."""
    reward, end = results["sizes"]["reward"], rewards.at_end(results["sizes"])
    rows = reward.sizes["log"]
    first = reward.isel(log=slice(0, max(1, rows // 50))).median(dim="log")
    then = reward.isel(log=slice(rows // 5, 2 * rows // 5)).median(dim="log")
    share = (end - then) / (end - first)
    return conditions({"{} devices": share}, "theta_0", along="devices", low=-NEAR, high=NEAR)


def _why_later(evidence: Evidence) -> str:
    data = evidence.results["sizes"]
    course, end = (
        rewards.smoothed(data["reward"]).median("seed"),
        rewards.at_end(data).median("seed"),
    )
    episode = data["steps"].mean("seed") / EPISODE_SLOTS
    away = abs(course - end) > NEAR * abs(end - course.isel(log=0))
    return (
        "Learning begins after random actions, and makes the reward worse at first: in the median of "
        f"the trainings it is lowest in episodes {span(episode.isel(log=course.argmin('log')))}, and "
        f"{100.0 * NEAR:g} % of the gain away from its end until episodes {span(episode.where(away).max('log'))}. "
        "The paper does not say how many slots an episode has; with more than the "
        f"{EPISODE_SLOTS} here all of this comes earlier."
    )


FIGURE = Figure(
    id="c5",
    title=f"Algorithm 2 with {FEWER} and with {MORE} devices",
    notes=f"{rewards.NOTES}Tasks are of {between(*CYCLES)}, rates {BEST_PAIR}.",
    x="training episodes",
    diagrams=lambda results: rewards.diagrams(results["sizes"], "devices", "{} devices"),
    free_y=True,
    trainings=(TRAININGS,),
    claims=(
        Claim(
            "c5-devices",
            f"With {FEWER} devices the reward is higher than with {MORE}.",
            f"median reward of the last fifth of the episodes, less that with {MORE} devices, paired by "
            "training seed; more than 0",
            "1",
            _higher,
            least=5,
        ),
        Claim(
            "c5-converged",
            f"Both converge after about {CONVERGED_BY} episodes.",
            f"median reward of the last {EPISODES // 5} of {EPISODES} episodes less that of episodes "
            f"{CONVERGED_BY} to {2 * CONVERGED_BY}, as a part of the whole gain since the first "
            f"{EPISODES // 50}, over training seeds; between -{NEAR} and {NEAR}",
            "1",
            _converged,
            least=5,
            reason=_why_later,
            explained=NONE,
        ),
    ),
)
