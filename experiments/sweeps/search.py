"""A search among the settings of trainings: what is to be tried next, by Optuna."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from ...scenarios.base import Section
from ...scenarios.errors import Issue, ScenarioError, as_toml
from ...scenarios.tables import flatten
from ...scenarios.units import Count, Whole

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

_PARTS = ("low", "high", "log")

Point = dict[str, Any]
"""Values of keys of a scenario."""


class SearchSection(Section):
    """Trials of the settings of a training, each a point of the sweep."""

    trials: Count = Field(le=10_000, description="how many settings are tried")
    seed: Whole = Field(default=0, description="of the sampler, Optuna's TPE")
    together: Count = Field(
        default=2, le=100, description="trials that are trained side by side, unknown to each other"
    )
    space: dict[str, Any] = Field(
        min_length=1,
        description="of each key a list of values, or {low = …, high = …}, with log = true on a "
        "logarithmic scale",
    )

    def ranges(self, source: str) -> dict[str, Any]:
        """By key, the values or the range, as the file writes them.

        Raises:
            ScenarioError: with all that are neither.
        """
        found: dict[str, Any] = {}
        for key, value in flatten(self.space).items():
            name, _, part = key.rpartition(".")
            if part in _PARTS:
                found.setdefault(name, {})[part] = value
            else:
                found[key] = value
        issues = [
            Issue(source, what, f"search.space.{key}", as_toml(one), _ALLOWED)
            for key, one in found.items()
            if (what := _mistake(one))
        ]
        if issues:
            raise ScenarioError(issues)
        return found

    def ends(self, source: str) -> list[Point]:
        """Two points that have all that can be wrong: first and last values, least and most."""
        return [
            {
                key: one[place] if isinstance(one, list) else one[("low", "high")[place]]
                for key, one in self.ranges(source).items()
            }
            for place in (0, -1)
        ]


_ALLOWED = "a list of two values or more, or {low = 1e-4, high = 1e-2, log = true}"


def _mistake(given: Any) -> str:
    if isinstance(given, list):
        texts = [json.dumps(one, default=str) for one in given]
        return "" if 1 < len(set(texts)) == len(texts) else "not values to choose from"
    if not isinstance(given, dict):
        return "not a range"
    ends: list[Any] = [given.get(name) for name in ("low", "high")]
    if any(isinstance(one, bool) or not isinstance(one, int | float) for one in ends):
        return "not a range"
    if not ends[0] < ends[1]:
        return "an empty range"
    log = given.get("log", False)
    if not isinstance(log, bool):
        return "not a range"
    return "no logarithm at its low end" if log and ends[0] <= 0 else ""


def ask(
    section: SearchSection, source: str, tried: Sequence[tuple[Point, float]], count: int
) -> list[Point]:
    """What to try next. The same trials, asked in the same order, are answered the same.

    So a search that was killed needs no memory of its own: it asks again for what it has tried.

    Args:
        section: of the sweep file.
        source: for messages.
        tried: all points so far, and their scores, of which the least is the best.
        count: of points.

    Raises:
        ScenarioError: Optuna is not installed.
    """
    try:
        import optuna
    except ImportError:
        what, allowed = "needs Optuna", "pip install 'edgesim[search]'"
        raise ScenarioError([Issue(source, what, "search", allowed=allowed)]) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    kinds = _distributions(section.ranges(source))
    found = []
    for number in range(len(tried), len(tried) + count):
        drawn = np.random.SeedSequence([section.seed, number]).generate_state(1)
        sampler = optuna.samplers.TPESampler(seed=int(drawn[0]))
        study = optuna.create_study(sampler=sampler)
        for point, score in tried:
            coded = {key: _coded(kinds[key], value) for key, value in point.items()}
            study.add_trial(
                optuna.trial.create_trial(params=coded, distributions=dict(kinds), value=score)
            )
        params = study.ask(dict(kinds)).params
        found.append({key: _plain(kinds[key], value) for key, value in params.items()})
    return found


def _distributions(ranges: Mapping[str, Any]) -> dict[str, "BaseDistribution"]:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    found: dict[str, BaseDistribution] = {}
    for key, one in ranges.items():
        if isinstance(one, list):
            found[key] = CategoricalDistribution([json.dumps(value) for value in one])
            continue
        low, high, log = one["low"], one["high"], one.get("log", False)
        whole = isinstance(low, int) and isinstance(high, int)
        found[key] = (IntDistribution if whole else FloatDistribution)(low, high, log=log)
    return found


def _coded(kind: "BaseDistribution", value: Any) -> Any:
    """As Optuna has it: choices are numbers or text there."""
    return json.dumps(value) if hasattr(kind, "choices") else value


def _plain(kind: "BaseDistribution", value: Any) -> Any:
    return json.loads(value) if hasattr(kind, "choices") else value
