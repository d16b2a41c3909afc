"""Fig. 4 of paper C: rewards of Algorithm 2 in training, for several pairs of learning rates."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from .. import reward_figures as rewards
from ..figure import NONE, Check, Checks, Claim, Evidence, Factor, Figure, Results
from ..measure import sample, split
from ..sentences import ahead, span
from ..task_figures import between
from ..training_settings import EPISODE_SLOTS, EPISODES

if TYPE_CHECKING:
    import xarray as xr

BEST, SECOND, *LOW = PAIRS = ("3e-5, 1e-4", "5e-6, 1e-5", "5e-6, 3e-5", "5e-4, 1e-4")
"""Learning rates of actor and critic."""

RATES = Factor(
    "rates",
    {
        pair: dict(zip(("policy.actor_rate", "policy.critic_rate"), rates, strict=True))
        for pair in PAIRS
        for rates in [[float(rate) for rate in pair.split(", ")]]
    },
)
BEST_PAIR, SECOND_PAIR, *LOW_PAIRS = (pair.replace(",", " and") for pair in PAIRS)
CYCLES = (1000, 1100)

TRAININGS = rewards.trainings("pairs", RATES, CYCLES, minutes=(90.0, 0.6))


def over(values: "xr.DataArray", upper: str, lower: str) -> Check:
    """That one pair of rates has the larger values in the median."""
    difference = values.sel(rates=upper) - values.sel(rates=lower)
    return Check(f"{upper} over {lower}", sample(difference), 0.0, skewed=True)


def higher(first: str, *others: str) -> Callable[[Results], Checks]:
    """That a pair ends at higher rewards than others."""

    def checks(results: Results) -> Checks:
        return {
            name: [over(ends, first, other) for other in others]
            for name, ends in rewards.at_end(results["pairs"])
        }

    return checks


def more_stable(results: Results) -> Checks:
    """That rewards of the best pair scatter less in the second half of a training."""
    found = {}
    for name, reward in split(results["pairs"]["reward"], "theta_0"):
        # The interquartile range: an episode in which a device hardly got through says little.
        ends = rewards.last(reward, 0.5).quantile([0.25, 0.75], dim="log")
        scatter = ends.isel(quantile=1) - ends.isel(quantile=0)
        found[name] = [over(scatter, other, BEST) for other in LOW]
    return found


def why_best(evidence: Evidence) -> str:
    """In how many pairs of trainings, and how far."""
    lead = span([check.interval()[0] for checks in evidence.checks.values() for check in checks])
    return (
        f"It is ahead in {ahead(evidence)} pairs of trainings. How far it is ahead in the median, "
        f"{lead} per slot, differs with the pair: with the others some trainings get stuck and others "
        "do not."
    )


def why_second(evidence: Evidence) -> str:
    """In how many pairs of trainings, and the critic's rate."""
    lead = ahead(evidence, f"{SECOND} over {LOW[0]}")
    return (
        f"A critic that learns at {SECOND.split(', ')[1]} is too slow for {EPISODES} episodes of "
        f"{EPISODE_SLOTS} slots: it is ahead of {LOW_PAIRS[0]} in {lead} pairs of trainings. Longer "
        "episodes, which the paper does not exclude, would help it."
    )


def why_stable(evidence: Evidence) -> str:
    """In how many pairs of trainings."""
    return (
        f"It is the more stable in {ahead(evidence)} pairs of trainings. In the others the rewards of "
        "the other pair hardly change any more either."
    )


PAIRED = "paired by training seed; in the median, more than 0"

FIGURE = Figure(
    id="c4",
    paper="C",
    title="Learning rates of Algorithm 2",
    notes=f"{rewards.NOTES}Tasks are of {between(*CYCLES)}.",
    x="training episodes",
    diagrams=lambda results: rewards.diagrams(results["pairs"], "rates", "actor, critic: {}"),
    minutes=(0.1, 0.1),
    free_y=True,
    trainings=(TRAININGS,),
    claims=(
        Claim(
            "c4-best",
            f"Rates of {BEST.replace(',', ' (actor) and')} (critic) reach the highest reward.",
            f"median reward of the last fifth of the episodes, less that of each other pair, {PAIRED}",
            "1",
            higher(BEST, SECOND, *LOW),
            least=5,
            reason=why_best,
        ),
        Claim(
            "c4-second",
            f"{SECOND_PAIR} come second: above {LOW_PAIRS[0]}, and above {LOW_PAIRS[1]}.",
            "the same differences; in the median, more than 0",
            "1",
            higher(SECOND, *LOW),
            least=5,
            reason=why_second,
            explained=NONE,
        ),
        Claim(
            "c4-stable",
            f"{BEST_PAIR} are more stable than the two lower pairs.",
            "interquartile range of the reward over the second half of the episodes, less that of the "
            f"best pair, {PAIRED}",
            "1",
            more_stable,
            least=5,
            reason=why_stable,
        ),
    ),
)
