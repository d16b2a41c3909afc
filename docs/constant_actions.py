"""What printed actions come to that never change: `python docs/constant_actions.py`, for learning.md.

All devices act alike in all slots, whatever they see: the best of a grid of such actions on seeds that trainings are
evaluated on, measured on those that are reported. A training that ends there has learned nothing of states.
"""

import sys
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from learners import HELD_OUT, NUMBERS, WORLDS

from edgesim.experiments.evaluation import Evaluator
from edgesim.policies.learning.encodings import encoding_of
from edgesim.scenarios.loading import load_scenario

POWERS = np.linspace(0.05, 1.0, 12)
GRIDS: dict[str, list[tuple[Any, ...]]] = {
    "stream": [([0.5, 1.0], [0.25, 0.5, 0.75, 1.0], np.linspace(0.0, 1.0, 5), [1.0], [0.5, 1.0])],
    "tasks": [
        (POWERS, np.linspace(0.4, 1.0, 25), [0.5], [0.0]),  # everything local
        (POWERS, [0.5], np.linspace(0.05, 1.0, 12), [1.0]),  # at the server
    ],
}
"""Shares x = (a + 1) / 2 of each action's printed range, see `edgesim.policies.learning.paper_encoding`."""


class Constant:
    """Acts by the same shares for all devices."""

    def __init__(self, shares: tuple[float, ...]) -> None:
        self._action = 2.0 * np.array(shares) - 1.0

    def reset(self, network: Any, problem: Any, generators: Any) -> None:
        """A run begins."""
        self._encoding = encoding_of(problem, "paper")

    def decide(self, observation: Any) -> Any:
        """The decision that the shares stand for."""
        shape = self._encoding.features(observation).shape[:2]
        return self._encoding.decision(np.tile(self._action, (*shape, 1)), observation)


def best(world: str) -> Iterator[str]:
    """Lines on the best of the grid."""
    name, changed = WORLDS[world]
    chooses, reports = (
        Evaluator(load_scenario(name, [*changed, f"run.seed={seed}"])) for seed in (1, HELD_OUT)
    )
    grid = [shares for levels in GRIDS[world] for shares in product(*levels)]
    tried = [chooses.evaluate(Constant(shares)) for shares in grid]
    found = grid[int(np.argmin([one.score for one in tried]))]
    figures = reports.evaluate(Constant(found)).figures
    yield f"{name}: the best of {len(grid)} has shares {', '.join(f'{x:.3g}' for x in found)}"
    for key in (*NUMBERS[world], "feasible"):
        yield f"  {key} {figures[key]:.4g}"
    yield f"  feasible of any: {max(one.figures['feasible'] for one in tried):.4g}"


if __name__ == "__main__":
    for one in sys.argv[1:] or WORLDS:
        print("\n".join(best(one)))
