"""Checkpoints of networks before any training: how well they do is their own tests' business."""

from pathlib import Path

from edgesim.policies.learned import Learned
from edgesim.policies.networks import seeded
from edgesim.policies.registry import make_policy
from edgesim.scenarios.schema import Scenario
from edgesim.simulator.build import blueprint
from edgesim.simulator.encoding import encoding_of


def save_untrained(scenario: Scenario, path: Path) -> None:
    """The scenario's policy, with the weights as they are drawn."""
    policy, problem = make_policy(scenario), blueprint(scenario).problem
    assert isinstance(policy, Learned)
    encoding = encoding_of(problem)
    sizes = problem.network.devices, encoding.feature_count, encoding.action_count
    with seeded(1):
        policy.use(policy.make_actor(policy.architecture, *sizes))
    policy.save(path, problem, "none")
