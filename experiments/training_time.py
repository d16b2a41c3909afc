"""How long a training will take on this machine, from a few of its own steps."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any

from ..policies.learning.trainable import Learner, MakeEnvironment, TrainablePolicy
from ..traces.printing import duration

PROBE_S = 1.0
"""Of each kind of step so much is measured, at least one episode, and less of a short training."""

SLOTS = 8
"""Of an episode that is measured; how long a reset takes is measured by itself."""

SHARE = 0.02
"""Of a training's steps, at most so many are measured, if that is more than one episode."""


@dataclass(frozen=True)
class Forecast:
    """What a training will take on this machine.

    Attributes:
        steps: environment steps that are left, over all replicas.
        steps_s: seconds that they will take.
        evaluations_s: seconds of the evaluations on held-out seeds that are left.
        minute_steps: environment steps in a minute, in whole episodes.
        key: of [policy], which says how long the training is.
        minute: its value for a training of so many.
    """

    steps: int
    steps_s: float
    evaluations_s: float
    minute_steps: int
    key: str
    minute: int

    @property
    def seconds(self) -> float:
        """Of all that is left."""
        return self.steps_s + self.evaluations_s

    def __str__(self) -> str:
        return (
            f"about {duration(self.seconds)} on this machine: {self.steps:,} steps take "
            f"{duration(self.steps_s)}, evaluations {duration(self.evaluations_s)}; "
            f"--steps {self.minute_steps} ({self.key} = {self.minute}) take a minute"
        )


@dataclass(frozen=True)
class Pace:
    """What an episode takes.

    Attributes:
        environments: that are stepped together.
        reset_s: seconds until it begins.
        acting_s: seconds of a slot of all environments without learning.
        learning_s: seconds of one in which is learned.
    """

    environments: int
    reset_s: float
    acting_s: float
    learning_s: float

    def seconds(self, policy: TrainablePolicy, first: int, last: int) -> float:
        """From one number of environment steps to another."""
        warmup = min(max(policy.unlearned - first, 0), last - first)
        slots = (last - first) / self.environments
        acted = warmup / self.environments
        resets = slots / policy.episode_slots
        return resets * self.reset_s + acted * self.acting_s + (slots - acted) * self.learning_s


def forecast(
    policy: TrainablePolicy,
    make: MakeEnvironment,
    first: int,
    device: str,
    evaluation_s: float,
    evaluations: int,
) -> Forecast:
    """Measure a few steps of a training that is thrown away, of its own seeds.

    Args:
        policy: is to be trained.
        make: its environments.
        first: environment steps that are done already.
        device: where it is trained.
        evaluation_s: seconds of an evaluation.
        evaluations: of a whole training, which has no more of them than episodes.
    """
    pace = measured(policy, make, device)
    left = max(policy.steps - first, 0)
    episodes = ceil(left / (pace.environments * policy.episode_slots))
    per_step_s = pace.seconds(policy, 0, policy.steps) / policy.steps
    key, minute = policy.length(max(round(60.0 / max(per_step_s, 1e-9)), 1))
    return Forecast(
        steps=left,
        steps_s=pace.seconds(policy, first, first + left),
        evaluations_s=min(evaluations * left / policy.steps, episodes) * evaluation_s,
        minute_steps=round(minute * policy.steps / getattr(policy, key)),
        key=f"policy.{key}",
        minute=minute,
    )


def measured(policy: TrainablePolicy, make: MakeEnvironment, device: str) -> Pace:
    """The pace of a training, by the clock."""
    brief = policy.brief(min(SLOTS, policy.episode_slots))
    slots, most = brief.episode_slots, SHARE * policy.steps
    learner = brief.learner(make, 0, device)
    try:
        learner.advance()  # compiles, reads files, fills caches
        environments = learner.steps // slots
        reset_s = _reset_s(brief.environment(make, environments))
        acting_s = 0.0
        if brief.unlearned:
            acting_s = max(_seconds(learner.advance) - reset_s, 0.0) / slots
            learner.advance()
        learning_s = max(_per_episode(learner, most) - reset_s, 0.0) / slots
    finally:
        learner.close()
    return Pace(environments, reset_s, acting_s, learning_s)


def _reset_s(env: Any) -> float:
    env.reset(seed=0)
    taken = _seconds(lambda: env.reset(seed=0))
    env.close()
    return taken


def _per_episode(learner: Learner, most: float) -> float:
    """Seconds, the mean of as many as fit into `PROBE_S`, or into so many steps."""
    before, count, start = learner.steps, 0, time.monotonic()
    while True:
        learner.advance()
        count += 1
        taken = time.monotonic() - start
        if taken > PROBE_S or learner.steps - before >= most:
            return taken / count


def _seconds(call: Callable[[], Any]) -> float:
    start = time.monotonic()
    call()
    return time.monotonic() - start
