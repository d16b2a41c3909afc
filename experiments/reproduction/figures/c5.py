"""Fig. 5 of paper C: rewards of Algorithm 2 in training, with few and with more devices."""

from .. import reward_figures as rewards
from ..figure import NONE, Check, Checks, Claim, Evidence, Figure, Results, factor
from ..measure import each, sample, split
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


def higher(results: Results) -> Checks:
    """That the reward is higher with fewer devices."""
    found = {}
    for name, ends in rewards.at_end(results["sizes"]):
        difference = ends.sel(devices=FEWER) - ends.sel(devices=MORE)
        found[name] = [Check(f"{FEWER} over {MORE} devices", sample(difference), 0.0)]
    return found


def converged(results: Results) -> Checks:
    """From a fifth of the episodes on, the reward stays within a tenth of what was gained until then."""
    found = {}
    for name, reward in split(results["sizes"]["reward"], "theta_0"):
        rows = reward.sizes["log"]
        first = reward.isel(log=slice(0, max(1, rows // 50))).median(dim="log")
        then = reward.isel(log=slice(rows // 5, 2 * rows // 5)).median(dim="log")
        end = rewards.last(reward, 0.2).median(dim="log")
        share = (end - then) / (end - first)
        found[name] = each(share, "devices", "{} devices", -NEAR, NEAR)
    return found


def why_later(evidence: Evidence) -> str:
    """When rewards are lowest, and from when on they stay near their end."""
    data = evidence.results["sizes"]
    course = rewards.smoothed(data["reward"]).median("seed")
    episode = data["steps"].mean("seed") / EPISODE_SLOTS
    first, end = course.isel(log=0), rewards.last(course, 0.2).median("log")
    away = abs(course - end) > NEAR * abs(end - first)
    settled = episode.where(away).max("log")
    lowest = episode.isel(log=course.argmin("log"))
    return (
        "Learning begins after random actions, and makes the reward worse at first: in the median of "
        f"the trainings it is lowest in episodes {span(lowest)}, and {100.0 * NEAR:g} % of the gain away from "
        f"its end until episodes {span(settled)}. The paper does not say how many slots an episode "
        f"has; with more than the {EPISODE_SLOTS} here all of this comes earlier."
    )


FIGURE = Figure(
    id="c5",
    paper="C",
    title=f"Algorithm 2 with {FEWER} and with {MORE} devices",
    notes=f"{rewards.NOTES}Tasks are of {between(*CYCLES)}, rates {BEST_PAIR}.",
    x="training episodes",
    diagrams=lambda results: rewards.diagrams(results["sizes"], "devices", "{} devices"),
    minutes=(0.1, 0.1),
    free_y=True,
    trainings=(TRAININGS,),
    claims=(
        Claim(
            "c5-devices",
            f"With {FEWER} devices the reward is higher than with {MORE}.",
            f"median reward of the last fifth of the episodes, less that with {MORE} devices, paired by "
            "training seed; more than 0",
            "1",
            higher,
            least=5,
        ),
        Claim(
            "c5-converged",
            f"Both converge after about {CONVERGED_BY} episodes.",
            f"median reward of the last {EPISODES // 5} of {EPISODES} episodes less that of episodes "
            f"{CONVERGED_BY} to {2 * CONVERGED_BY}, as a part of the whole gain since the first "
            f"{EPISODES // 50}, over training seeds; between -{NEAR} and {NEAR}",
            "1",
            converged,
            least=5,
            reason=why_later,
            explained=NONE,
        ),
    ),
)
