"""Checkpoints of networks before any training: how well they do is their own tests' business."""

from pathlib import Path
from typing import Any

import numpy as np

from edgesim.policies.learning.trainable import TrainablePolicy
from edgesim.policies.registry import make_policy
from edgesim.scenarios.schema import Scenario
from edgesim.simulator.assembly.build import blueprint

STEADY = ("policy.name=agent", f"policy.file={__name__}:Steady")


class Steady:
    """An agent for any number of devices that remembers what it did last."""

    flat = False

    def __init__(self) -> None:
        self.last = 0.0

    def predict(self, observation: Any) -> Any:
        """A contraction towards what it sees."""
        action = 0.5 * np.tanh(observation[:, :4]) + self.last
        self.last = 0.25 * float(action.mean())
        return action


def save_untrained(scenario: Scenario, path: Path) -> None:
    """The scenario's policy, with the weights as they are drawn."""
    policy, problem = make_policy(scenario), blueprint(scenario).problem
    assert isinstance(policy, TrainablePolicy)
    policy.init_random(problem, 1)
    policy.save(path, problem, "none")
