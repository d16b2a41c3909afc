"""Fig. 4 of paper C: rewards of Algorithm 2 in training, for several pairs of learning rates."""

import xarray as xr

from .. import reward_figures as rewards
from ..figure import NONE, Checks, Claim, Evidence, Factor, Figure, Results
from ..measure import conditions
from ..sentences import ahead, span
from ..task_figures import between
from ..training_settings import EPISODE_SLOTS, EPISODES

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


def _over(values: xr.DataArray, *pairs: tuple[str, str]) -> Checks:
    """That in each pair the first has the larger values, in the median."""
    over = {
        f"{upper} over {lower}": values.sel(rates=upper) - values.sel(rates=lower)
        for upper, lower in pairs
    }
    return conditions(over, "theta_0", low=0.0, skewed=True)


def _best(results: Results) -> Checks:
    ends = rewards.at_end(results["pairs"])
    return _over(ends, *((BEST, other) for other in (SECOND, *LOW)))


def _second(results: Results) -> Checks:
    return _over(rewards.at_end(results["pairs"]), *((SECOND, other) for other in LOW))


def _stable(results: Results) -> Checks:
    # The interquartile range: an episode in which a device hardly got through says little.
    ends = rewards.last(results["pairs"]["reward"], 0.5).quantile([0.25, 0.75], dim="log")
    scatter = ends.isel(quantile=1) - ends.isel(quantile=0)
    return _over(scatter, *((other, BEST) for other in LOW))


def _why_best(evidence: Evidence) -> str:
    lead = span([check.interval()[0] for checks in evidence.checks.values() for check in checks])
    return (
        f"It is ahead in {ahead(evidence)} pairs of trainings. How far it is ahead in the median, "
        f"{lead} per slot, differs with the pair: with the others some trainings get stuck and others "
        "do not."
    )


def _why_second(evidence: Evidence) -> str:
    lead = ahead(evidence, f"{SECOND} over {LOW[0]}")
    return (
        f"A critic that learns at {SECOND.split(', ')[1]} is too slow for {EPISODES} episodes of "
        f"{EPISODE_SLOTS} slots: it is ahead of {LOW_PAIRS[0]} in {lead} pairs of trainings. Longer "
        "episodes, which the paper does not exclude, would help it."
    )


def _why_stable(evidence: Evidence) -> str:
    return (
        f"It is the more stable in {ahead(evidence)} pairs of trainings. In the others the rewards of "
        "the other pair hardly change any more either."
    )


PAIRED = "paired by training seed; in the median, more than 0"

FIGURE = Figure(
    id="c4",
    title="Learning rates of Algorithm 2",
    notes=f"{rewards.NOTES}Tasks are of {between(*CYCLES)}.",
    x="training episodes",
    diagrams=lambda results: rewards.diagrams(results["pairs"], "rates", "actor, critic: {}"),
    free_y=True,
    trainings=(TRAININGS,),
    claims=(
        Claim(
            "c4-best",
            f"Rates of {BEST.replace(',', ' (actor) and')} (critic) reach the highest reward.",
            f"median reward of the last fifth of the episodes, less that of each other pair, {PAIRED}",
            "1",
            _best,
            least=5,
            reason=_why_best,
        ),
        Claim(
            "c4-second",
            f"{SECOND_PAIR} come second: above {LOW_PAIRS[0]}, and above {LOW_PAIRS[1]}.",
            "the same differences; in the median, more than 0",
            "1",
            _second,
            least=5,
            reason=_why_second,
            explained=NONE,
        ),
        Claim(
            "c4-stable",
            f"{BEST_PAIR} are more stable than the two lower pairs.",
            "interquartile range of the reward over the second half of the episodes, less that of the "
            f"best pair, {PAIRED}",
            "1",
            _stable,
            least=5,
            reason=_why_stable,
        ),
    ),
)
