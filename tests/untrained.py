"""Checkpoints of networks before any training: how well they do is their own tests' business."""

from pathlib import Path

from edgesim.policies.learning.trainable import TrainablePolicy
from edgesim.policies.registry import make_policy
from edgesim.scenarios.schema import Scenario
from edgesim.simulator.build import blueprint


def save_untrained(scenario: Scenario, path: Path) -> None:
    """The scenario's policy, with the weights as they are drawn."""
    policy, problem = make_policy(scenario), blueprint(scenario).problem
    assert isinstance(policy, TrainablePolicy)
    policy.init_random(problem, 1)
    policy.save(path, problem, "none")
