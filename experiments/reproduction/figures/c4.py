"""Fig. 4 of paper C: rewards of Algorithm 2 in training, for several pairs of learning rates."""

import xarray as xr

from .. import reward_figures as rewards
from ..figure import Claim, Factor, Figure, Question, Results
from ..task_figures import between
from ..verdicts import Checks

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
BEST_PAIR = BEST.replace(",", " and")
CYCLES = (1000, 1100)
STUCK = 0.1
"""Of what the best training of a pair gains: one that gains less is stuck."""

TRAININGS = rewards.trainings("pairs", RATES, CYCLES, minutes=(65.0, 0.35))


def _over(values: xr.DataArray, *pairs: tuple[str, str]) -> Checks:
    """That in each pair the first has the larger values."""
    over = {
        f"{upper} over {lower}": values.sel(rates=upper) - values.sel(rates=lower)
        for upper, lower in pairs
    }
    return rewards.conditions_of(over)


def _best(data: xr.Dataset) -> Checks:
    return _over(rewards.at_end(data), *((BEST, other) for other in (SECOND, *LOW)))


def _second(data: xr.Dataset) -> Checks:
    return _over(rewards.at_end(data), *((SECOND, other) for other in LOW))


def _eventually(data: xr.Dataset) -> Checks:
    end = rewards.at_end(data)
    gain = (end - rewards.at_start(data)).sel(rates=BEST)
    behind = (end.sel(rates=SECOND) - end.sel(rates=BEST)) / abs(gain)
    return rewards.conditions_of({f"{SECOND} over {BEST}, part of the gain": behind})


def _stable(data: xr.Dataset) -> Checks:
    # The interquartile range: an episode in which a device hardly got through says little.
    ends = rewards.last(data["reward"], 0.5).quantile([0.25, 0.75], dim="log")
    scatter = ends.isel(quantile=1) - ends.isel(quantile=0)
    return _over(scatter, *((other, BEST) for other in LOW))


def _stuck(results: Results) -> Checks:
    """Part of the trainings that gain next to nothing, by who is trained and by pair."""
    found: Checks = {}
    for subject, training in TRAININGS.items():
        data = results[training.name]
        gain = rewards.at_end(data) - rewards.at_start(data)
        share = 100.0 * (gain < STUCK * gain.max("seed")).astype(float)
        found |= rewards.conditions_of({"{}": share}, along="rates", prefix=subject)
    return found


FIGURE = Figure(
    id="c4",
    title="Learning rates of Algorithm 2",
    notes=f"{rewards.NOTES}Tasks are of {between(*CYCLES)}.",
    x="training episodes",
    average="median",
    diagrams=lambda results: rewards.diagrams(results, TRAININGS, "rates", "actor, critic: {}"),
    free_y=True,
    trainings=tuple(TRAININGS.values()),
    claims=tuple(
        Claim(name, rewards.by_subject(TRAININGS, checks))
        for name, checks in (
            ("c4-best", _best),
            ("c4-second", _second),
            ("c4-eventually", _eventually),
            ("c4-stable", _stable),
        )
    ),
    questions=(
        Question(
            f"How many trainings gain less than {100.0 * STUCK:g} % of what the best of theirs does?",
            "%",
            _stuck,
        ),
    ),
)
