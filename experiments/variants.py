"""Domain randomisation: one training over several variants of a scenario.

A policy that is trained in one world may be good for that alone. Trained over several at once it learns
what to do in each, as far as what it sees tells them apart (J. Tobin et al., "Domain Randomization for
Transferring Deep Neural Networks from Simulation to the Real World", IROS 2017). **Ours:** the variants
are listed, not drawn, and each is evaluated beside references of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..policies.base import Policy
from ..policies.learning.encoding import AnyProblem
from ..policies.learning.environment import VectorEnvironment
from ..policies.learning.trainable import MakeEnvironment, TrainablePolicy
from ..scenarios.errors import Issue, ScenarioError, as_toml
from ..scenarios.loading import load_scenario
from ..scenarios.schema import Scenario
from ..scenarios.tables import flatten
from ..simulator.assembly.build import blueprint
from .evaluation import Evaluation, Evaluator, beyond_best

KEY = "policy.variants"

MAX_VARIANTS = 100
"""Each is evaluated as a scenario of its own is."""

_OF_TRAINING = ("run", "policy")
"""Sections that are not about the world."""

_TOLD_EACH = ("excess", "gap_closed", "feasible")
"""Figures that are told of each variant, beside their means."""


@dataclass(frozen=True)
class Variant:
    """One of the worlds of a training.

    Attributes:
        label: its values, as its figures are called by; empty of the scenario itself.
        scenario: with them.
    """

    label: str
    scenario: Scenario


def variants_of(scenario: Scenario, policy: TrainablePolicy) -> tuple[Variant, ...]:
    """The worlds of a training: every combination of the values of `policy.variants`, or the scenario.

    Raises:
        ScenarioError: a value is no list, or has what its key may not have; or a key is not of the world,
            or changes how many devices or stations there are.
    """
    grid = flatten(policy.variants or {})
    if issues := [issue for key in grid for issue in _issues(key, grid[key], scenario.source)]:
        raise ScenarioError(issues)
    if (count := prod(len(values) for values in grid.values())) > MAX_VARIANTS:
        what, allowed = f"{count:,} variants", f"<= {MAX_VARIANTS}"
        raise ScenarioError([Issue(scenario.source, what, KEY, allowed=allowed)])
    if not grid:
        return (Variant("", scenario),)
    sizes, found = _sizes(scenario), []
    for values in product(*grid.values()):
        point = dict(zip(grid, values, strict=True))
        label = ", ".join(f"{key} = {as_toml(value)}" for key, value in point.items())
        found.append(Variant(label, _variant(scenario, point)))
        if (others := _sizes(found[-1].scenario)) != sizes:
            what = (
                f"{label} has {others}, the scenario {sizes}; one network learns from all variants"
            )
            allowed = "keys that change neither of the two"
            raise ScenarioError([Issue(scenario.source, what, KEY, allowed=allowed)])
    return tuple(found)


def _issues(key: str, values: Any, source: str) -> list[Issue]:
    at, given = f"{KEY}.{key}", as_toml(values)
    if key.partition(".")[0] in _OF_TRAINING:
        return [Issue(source, "not of the world", at, given, "keys of other sections")]
    if not isinstance(values, list | tuple) or not values:
        what = "not a list" if values else "empty"
        return [Issue(source, what, at, given, "a list of values; every combination is a variant")]
    return []


def _variant(scenario: Scenario, point: Mapping[str, Any]) -> Scenario:
    """The scenario with the values of a point; what is wrong with them is said of `policy.variants`."""
    try:
        return load_scenario(scenario, point)
    except ScenarioError as error:
        raise ScenarioError(
            [
                Issue(
                    scenario.source, one.what, f"{KEY}.{one.key}", one.value, one.allowed, one.near
                )
                for one in error.issues
            ]
        ) from None


def _sizes(scenario: Scenario) -> str:
    plan = blueprint(scenario)
    return f"{plan.network.devices} devices and {plan.topology.stations} stations"


def make_environments(
    scenarios: Sequence[Scenario], make: MakeEnvironment, replications: int, *asked: Any
) -> "VectorEnvironment | VariedEnvironment":
    """The replications of a training, divided among its worlds.

    Args:
        scenarios: of the variants.
        make: an environment of a scenario, from it, replications, and what else is asked.
        replications: of all of them together.
        asked: an episode's slots and so on.

    Raises:
        ScenarioError: there are fewer replications than variants.
    """
    if len(scenarios) == 1:
        env: VectorEnvironment = make(scenarios[0], replications, *asked)
        return env
    if replications < len(scenarios):
        allowed = f">= {len(scenarios)}, one for each of the variants"
        issue = Issue(
            scenarios[0].source, "too small", "policy.replicas", f"{replications}", allowed
        )
        raise ScenarioError([issue])
    each, more = divmod(replications, len(scenarios))
    return VariedEnvironment(
        [make(one, each + (n < more), *asked) for n, one in enumerate(scenarios)]
    )


class VariedEnvironment:
    """Environments of several worlds as one, as learners use it; replication r of seed s has seed s + r.

    Args:
        parts: of (R_k, N, F) observations and (R_k, N, A) actions each, with episodes of one length.

    Attributes:
        single_observation_space: of each replication.
        single_action_space: likewise.
    """

    def __init__(self, parts: Sequence[VectorEnvironment]) -> None:
        self._parts = parts
        self._ends = np.cumsum([part.num_envs for part in parts]).tolist()
        self.single_observation_space = parts[0].single_observation_space
        self.single_action_space = parts[0].single_action_space

    def reset(self, *, seed: int) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start an episode: (R, N, F) observations, and an empty info."""
        seeds = [
            seed + end - part.num_envs for end, part in zip(self._ends, self._parts, strict=True)
        ]
        seen = [part.reset(seed=first)[0] for first, part in zip(seeds, self._parts, strict=True)]
        return np.concatenate(seen), {}

    def step(self, actions: NDArray[np.floating]) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """One slot of all: (R, N, F) observations, and (R,) each of what Gymnasium has; no info."""
        acted = np.split(np.asarray(actions), self._ends[:-1])
        results = [part.step(one)[:4] for part, one in zip(self._parts, acted, strict=True)]
        seen, reward, terminated, truncated = map(np.concatenate, zip(*results, strict=True))
        return seen, reward, terminated, truncated, {}

    def close(self) -> None:
        """End all of them."""
        for part in self._parts:
            part.close()


class VariedEvaluator:
    """Runs policies in every variant, on the scenario's seeds, beside references of its own.

    The score is the mean of how far the policy is beyond each variant's best reference, in the units of
    that variant (`beyond_best`), so each counts alike. Figures are means over the variants, and those of
    `_TOLD_EACH` are told of each, too. Of one variant all is as of an `Evaluator`.

    Args:
        variants: at least one.
        energy_price: as for `Evaluator`.

    Attributes:
        problem: of the first variant.
    """

    def __init__(self, variants: Sequence[Variant], energy_price: float = 0.0) -> None:
        self._variants = variants
        self._evaluators = [Evaluator(one.scenario, energy_price) for one in variants]
        self.problem: AnyProblem = self._evaluators[0].problem

    def evaluate(self, policy: Policy) -> Evaluation:
        """The figures of a policy that is ready to act."""
        found = [one.evaluate(policy) for one in self._evaluators]
        if len(found) == 1:
            return found[0]
        figures: dict[str, float] = {}
        for name in found[0].figures:
            each = [one.figures[name] for one in found if name in one.figures]
            # The end of an interval in each is none of their mean.
            if len(each) == len(found) and not name.startswith("above_"):
                figures[name] = float(np.mean(each))
        for name in _TOLD_EACH:
            for variant, one in zip(self._variants, found, strict=True):
                if name in one.figures:
                    figures[f"{name} ({variant.label})"] = one.figures[name]
        return Evaluation(figures, float(np.mean([beyond_best(one) for one in found])))

    def seconds(self, policy: Policy) -> float:
        """What an evaluation takes here, about, by the clock."""
        return sum(one.seconds(policy) for one in self._evaluators)
