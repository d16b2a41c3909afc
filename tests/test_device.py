"""Trainings on a GPU: what they learn is what they learn on the CPU, and can be used there."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from gymnasium.spaces import Box
from torch import Tensor, nn

from edgesim.cli import main
from edgesim.experiments import evaluation
from edgesim.experiments import train as training
from edgesim.experiments.train import FORMAT, train
from edgesim.policies.learning import aac, ddpg, dqn, networks, sac
from edgesim.policies.learning.aac import Aac, GlobalAgent
from edgesim.policies.learning.checkpoint import read
from edgesim.policies.learning.ddpg import Ddpg, DdpgLearner
from edgesim.policies.learning.dqn import Dqn, DqnLearner
from edgesim.policies.learning.sac import Sac, SacLearner
from edgesim.scenarios.loading import load_scenario

DEVICES, FEATURES, ACTIONS = 3, 4, 2


class Blank:
    """Spaces, and always the same to be seen."""

    single_observation_space = Box(-5.0, 5.0, (DEVICES, FEATURES), np.float32)
    single_action_space = Box(-1.0, 1.0, (DEVICES, ACTIONS), np.float32)

    def __init__(self, replicas: int, *asked: Any) -> None:
        self.shape = replicas, DEVICES, FEATURES

    def reset(self, seed: int) -> tuple[Any, dict[str, Any]]:
        return np.ones(self.shape, np.float32), {}

    def close(self) -> None:
        """Nothing is held."""


@pytest.fixture
def _elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch's device "meta" in the place of a GPU: it has shapes, no numbers, and mixes with no other."""
    for module in (ddpg, dqn, sac, aac):
        monkeypatch.setattr(module, "finite", lambda **losses: {})
    for module in (ddpg, dqn, sac):  # there are no fused loops for it
        monkeypatch.setattr(
            module, "adam", lambda network, rate: torch.optim.Adam(network.parameters(), lr=rate)
        )

    def pool(code: Tensor, present: Tensor) -> Tensor:
        assert present.device == code.device
        return torch.cat((code.mean(dim=1), code.amax(dim=1)), dim=1)

    monkeypatch.setattr(networks, "pool", pool)


@pytest.mark.usefixtures("_elsewhere")
@pytest.mark.parametrize("kind", ["flat", "shared"])
@pytest.mark.parametrize("policy", ["ddpg", "dqn", "sac"])
def test_all_that_an_update_touches_lies_on_the_device(policy: str, kind: Any) -> None:
    common: dict[str, Any] = {"network": kind, "hidden": [4, 4], "replicas": 2, "batch": 8}
    learner: Any = (
        DdpgLearner(Ddpg(**common, logit_penalty=0.1), Blank, 1, "meta")
        if policy == "ddpg"
        else DqnLearner(Dqn(**common), Blank, 1, "meta")
        if policy == "dqn"
        else SacLearner(Sac(**common), Blank, 1, "meta")
    )
    state, _ = Blank(2).reset(1)
    learner._replay.add(state, np.ones((2, DEVICES, ACTIONS)), np.ones(2), state)
    batch = learner._replay.sample(8)
    assert {part.device.type for part in batch} == {"meta"}
    learner.update(batch)
    for name in (*learner.networks, *learner.targets):
        network: nn.Module = getattr(learner, name)
        assert {weight.device.type for weight in network.parameters()} == {"meta"}
    for name in learner.optimisers:
        kept = getattr(learner, name).state.values()
        assert kept and {one["exp_avg"].device.type for one in kept} == {"meta"}


def test_what_cannot_be_used_is_told() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    words = ("train", "carbon_6ue", "--policy", "ddpg", "--device", "cuda")
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2 and "Traceback" not in result.output
    assert "--device: cuda cannot be used" in " ".join(result.stderr.split())
    assert "allowed here: cpu" in result.stderr


SMALL = ("policy.episode_slots=5", "policy.replicas=4", "policy.hidden=[16, 16]")
OFF_POLICY = (*SMALL, "policy.warmup=20", "policy.batch=16", "policy.episodes=8")
KEYS = {
    "ddpg": (*OFF_POLICY, "policy.actor_rate=1e-4"),
    "dqn": (*OFF_POLICY, "policy.rate=1e-4"),
    "sac": (*OFF_POLICY, "policy.rate=1e-4"),
    "aac": (*SMALL, "policy.workers=1", "policy.steps=160", "policy.t_max=5"),
}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that torch can use is here")
@pytest.mark.parametrize("policy", KEYS)
def test_a_gpu_learns_what_the_cpu_learns(
    policy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every weight within 1e-4 after eight episodes; what is left goes on and acts on the CPU."""
    monkeypatch.setattr(evaluation, "SHAPES", {"worst-case-emission": (2, 2)})
    scenario = load_scenario("carbon_6ue", KEYS[policy], policy=policy)
    for device in ("cpu", "cuda"):
        train(scenario, tmp_path / device, device=device)
    ours, theirs = (
        read(tmp_path / device / "best.pt", "edgesim policy 1")["actor"]
        for device in ("cpu", "cuda")
    )
    assert ours.keys() == theirs.keys()
    for name, weight in ours.items():
        torch.testing.assert_close(theirs[name], weight, rtol=0.0, atol=1e-4)
    saved = read(tmp_path / "cuda" / "checkpoint.pt", FORMAT)["learner"]
    assert saved["steps"] == 160
    length = "steps=240" if policy == "aac" else "episodes=12"
    longer = load_scenario("carbon_6ue", [*KEYS[policy], f"policy.{length}"], policy=policy)
    assert train(longer, tmp_path / "cuda", resume=True, device="cpu").steps == 240


def test_the_device_reaches_the_learner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class NotedError(Exception):
        """The learner would be made."""

    def learner(self: Any, make: Any, seed: int, device: str) -> None:
        asked.append(device)
        raise NotedError

    monkeypatch.setattr(training, "check_device", lambda device: None)
    monkeypatch.setattr(training, "VariedEvaluator", lambda variants, price: None)
    monkeypatch.setattr(Ddpg, "learner", learner)
    for device in ("cpu", "cuda"):
        with pytest.raises(NotedError):
            train(load_scenario("carbon_6ue", policy="ddpg"), tmp_path, device=device)
    assert asked == ["cpu", "cuda"]


def test_several_agents_share_parameters_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one agent they lie where it learns; processes share those of the CPU alone."""
    for workers, home in ((1, "meta"), (2, "cpu")):
        config = Aac(workers=workers, replicas=2, hidden=[4])
        learner = GlobalAgent(config, Blank, 1, "meta")
        assert {one.device.type for one in learner.model.parameters()} == {home}
        agent = learner._make_agent(1)
        assert {one.device.type for one in agent.model.parameters()} == {"meta"}
        assert agent._there(np.ones(3)).device.type == "meta"


def test_an_actor_that_lies_elsewhere_is_copied_to_where_decisions_are_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    policy = Ddpg(hidden=[4])
    here = policy.make_actor(policy.architecture, DEVICES, FEATURES, ACTIONS)
    policy.set_actor(here)
    assert policy._actor is here
    there = policy.make_actor(policy.architecture, DEVICES, FEATURES, ACTIONS).to("meta")
    # Numbers cannot be copied out of "meta": a fresh network stands for the copy.
    monkeypatch.setattr(nn.Module, "cpu", lambda self: here)
    policy.set_actor(there)
    assert policy._actor is here
