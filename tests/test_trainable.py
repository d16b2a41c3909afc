"""Policies that act by a trained network: what a checkpoint keeps, and where it may be used."""

from pathlib import Path
from typing import Any

import pytest
import torch

from edgesim.policies.learning.checkpoint import check_fit
from edgesim.policies.learning.trainable import TrainablePolicy
from edgesim.policies.registry import make_policy
from edgesim.scenarios.loading import load_scenario
from edgesim.simulator.assembly.build import blueprint


def a_policy(name: str, *keys: str) -> tuple[TrainablePolicy, Any]:
    """And its problem."""
    scenario = load_scenario("carbon_6ue", ["policy.hidden=[8, 8]", *keys], policy=name)
    policy = make_policy(scenario)
    assert isinstance(policy, TrainablePolicy)
    return policy, blueprint(scenario).problem


def actions(policy: TrainablePolicy) -> torch.Tensor:
    """In 5 states."""
    state = torch.randn(5, 6, 19, generator=torch.Generator().manual_seed(1))
    actor: Any = policy._actor
    with torch.inference_mode():
        found: torch.Tensor = actor(state)
    return found


@pytest.mark.parametrize("name", ["ddpg", "dqn", "sac", "aac"])
def test_a_network_acts_as_the_one_that_was_saved(name: str, tmp_path: Path) -> None:
    saved, problem = a_policy(name)
    saved.init_random(problem, 1)
    saved.save(tmp_path / "one.pt", problem, "none")
    found, _ = a_policy(name, f'policy.checkpoint="{tmp_path / "one.pt"}"')
    found.load(problem)
    assert torch.equal(actions(found), actions(saved))
    again, other = a_policy(name)[0], a_policy(name)[0]
    again.init_random(problem, 1)
    other.init_random(problem, 2)
    assert torch.equal(actions(again), actions(saved))
    assert not torch.equal(actions(other), actions(saved))


SAVED = {
    "policy": "ddpg",
    "problem": "worst-case-emission",
    "features": 15,
    "actions": 4,
    "devices": 6,
}


@pytest.mark.parametrize(
    ("kind", "change", "refused"),
    [
        ("flat", {}, ""),
        ("flat", {"devices": 7}, 'devices = 6, the scenario 7; only network = "shared"'),
        ("shared", {"devices": 7}, ""),
        ("shared", {"policy": "aac"}, 'policy = "ddpg", the scenario "aac"'),
        ("shared", {"problem": "drift-plus-penalty"}, "problem = "),
        ("shared", {"actions": 3}, "actions = 4, the scenario 3"),
        # Of a file that does not say: of the first version of what actions mean.
        ("shared", {"encoding": 1}, ""),
        ("shared", {"encoding": 2}, "encoding = 1, the scenario 2: .* so train it anew"),
    ],
)
def test_a_checkpoint_fits_its_policy_problem_and_size(
    kind: str, change: dict[str, Any], refused: str
) -> None:
    saved = SAVED | {"architecture": {"network": kind}}
    if refused:
        with pytest.raises(ValueError, match=refused):
            check_fit(saved, SAVED | change)
    else:
        check_fit(saved, SAVED | change)
