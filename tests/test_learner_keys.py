"""Each key of each learner does something: a training with another value differs in what the key is about."""

import dataclasses
import functools
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from test_aac import InTurn

from edgesim.policies.catalogue import POLICIES
from edgesim.policies.learning import aac
from edgesim.policies.learning.aac import Aac
from edgesim.policies.learning.ddpg import Ddpg
from edgesim.policies.learning.dqn import Dqn
from edgesim.policies.learning.sac import Sac
from edgesim.policies.learning.trainable import TrainablePolicy
from edgesim.policies.registry import make_policy
from edgesim.scenarios.components import resolve
from edgesim.scenarios.loading import load_scenario
from edgesim.simulator.assembly.build import blueprint

CLASSES: dict[str, type[TrainablePolicy]] = {
    "ddpg": Ddpg,
    "aac": Aac,
    "dqn": Dqn,
    "sac": Sac,
}
DEVICES, FEATURES, ACTIONS = 3, 4, 2


class World:
    """Seen at random, and rewarded by how near the actions are to what is seen."""

    single_observation_space = Box(-5.0, 5.0, (DEVICES, FEATURES), np.float32)
    single_action_space = Box(-1.0, 1.0, (DEVICES, ACTIONS), np.float32)
    asked: ClassVar[list[Any]] = []
    acted: ClassVar[list[Any]] = []

    def __init__(self, *asked: Any) -> None:
        self.asked.append(asked)
        self._replicas, self._slots = asked[:2]

    def reset(self, seed: int) -> tuple[Any, dict[str, Any]]:
        self._rng, self._slot = np.random.default_rng(seed), 0
        return self._look(), {}

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        self.acted.append(np.array(action))
        reward = -0.5 - np.square(action - self._seen[..., :ACTIONS]).mean(axis=(1, 2))
        self._slot += 1
        over = np.full(self._replicas, self._slot == self._slots)
        return self._look(), reward.astype(np.float64), ~over & over, over, {}

    def close(self) -> None:
        """Nothing is held."""

    def _look(self) -> Any:
        shape = (self._replicas, DEVICES, FEATURES)
        self._seen = self._rng.uniform(-1.0, 1.0, shape).astype(np.float32)
        return self._seen


COMMON: dict[str, Any] = {"hidden": [6, 5], "episode_slots": 6}
OFF_POLICY: dict[str, Any] = {
    **COMMON,
    "episodes": 4,
    "replicas": 2,
    "warmup": 4,
    "batch": 4,
    "capacity": 40,
    "soft_update": 0.25,
}
BASE: dict[str, dict[str, Any]] = {
    "ddpg": {**OFF_POLICY, "actor_rate": 1e-2, "critic_rate": 1e-2},
    "dqn": {**OFF_POLICY, "rate": 1e-2},
    "sac": {**OFF_POLICY, "rate": 1e-2},
    "aac": {**COMMON, "workers": 1, "replicas": 2, "steps": 48, "t_max": 3},
}

ABOUT_ALL: dict[str, tuple[dict[str, Any], str]] = {
    "action": ({"action": "paper"}, "asked"),
    "network": ({"network": "flat"}, "shapes"),
    "hidden": ({"hidden": [6, 7]}, "shapes"),
    "episode_slots": ({"episode_slots": 5}, "asked"),
    "limit_weight": ({"limit_weight": 2.0}, "asked"),
    "energy_price": ({"energy_price": 0.5}, "asked"),
    "replicas": ({"replicas": 3}, "asked"),
}
ABOUT_REPLAY: dict[str, tuple[dict[str, Any], str]] = {
    **ABOUT_ALL,
    "episodes": ({"episodes": 5}, "length"),
    "updates": ({"updates": 2}, "updates"),
    "warmup": ({"warmup": 8}, "updates"),
    "batch": ({"batch": 5}, "weights"),
    "capacity": ({"capacity": 20}, "kept"),
    "rate_decay": ({"rate_decay": 0.5}, "weights"),
    "discount": ({"discount": 0.5}, "weights"),
    "soft_update": ({"soft_update": 0.5}, "targets"),
    "reward_unit": ({"reward_unit": 0.5}, "kept"),
    "reward_floor": ({"reward_floor": -1.0}, "kept"),
}
"""By key: another value than that of `BASE`, and what of a training it has to change."""

CASES: dict[str, dict[str, tuple[dict[str, Any], str]]] = {
    "ddpg": {
        **ABOUT_REPLAY,
        "random": ({"random": 0.5}, "acted"),
        "head": ({"head": "paper"}, "acted"),
        "actor_rate": ({"actor_rate": 2e-2}, "weights"),
        "critic_rate": ({"critic_rate": 2e-2}, "weights"),
        "noise": ({"noise": 0.4}, "acted"),
        "noise_reversion": ({"noise_reversion": 0.9}, "acted"),
        "noise_dt": ({"noise_dt": 0.25}, "acted"),
        "noise_decay": ({"noise_decay": 0.9}, "acted"),
        "logit_penalty": ({"logit_penalty": 1.0}, "weights"),
    },
    "dqn": {
        **ABOUT_REPLAY,
        "random": ({"random": 0.5}, "acted"),
        "levels": ({"levels": 2}, "shapes"),
        "rate": ({"rate": 2e-2}, "weights"),
    },
    "sac": {
        **ABOUT_REPLAY,
        "rate": ({"rate": 2e-2}, "weights"),
        "temperature": ({"temperature": 0.5}, "weights"),
        "target_entropy": ({"target_entropy": 0.69}, "weights"),
    },
    "aac": {
        **ABOUT_ALL,
        "head": ({"head": "paper"}, "acted"),
        "workers": ({"workers": 2}, "agents"),
        "steps": ({"steps": 96}, "length"),
        "t_max": ({"t_max": 2}, "updates"),
        "actor_rate": ({"actor_rate": 2e-3}, "weights"),
        "critic_rate": ({"critic_rate": 4e-3}, "weights"),
        "discount": ({"discount": 0.9}, "weights"),
        "entropy": ({"entropy": 1.0}, "weights"),
        "deviation": ({"deviation": 0.3}, "acted"),
        "norm": ({"norm": 1e-3}, "weights"),
        "final_rate": ({"final_rate": 1.0}, "weights"),
        "logit_penalty": ({"logit_penalty": 1.0}, "weights"),
    },
}
ELSEWHERE = {"checkpoint", "variants"}
"""Keys that no learner looks at: a test of the first is below, `test_variants` has those of the other."""


def numbers(state: Any) -> list[Any]:
    """All that a state holds, in order."""
    if isinstance(state, torch.Tensor):
        return [state.tolist()]
    if isinstance(state, dict):
        return [leaf for value in state.values() for leaf in numbers(value)]
    if isinstance(state, list | tuple):
        return [leaf for value in state for leaf in numbers(value)]
    return [state]


def training(name: str, keys: dict[str, Any]) -> dict[str, Any]:
    """Three episodes: what was asked of environments, done in them, learned, kept, and how often."""
    World.asked.clear()
    World.acted.clear()
    InTurn.senders.clear()
    policy = CLASSES[name](**BASE[name] | keys)
    learner: Any = policy.learner(World, 5)
    for _ in range(3):
        learner.advance()
    state = learner.state_dict()
    network = learner.model if name == "aac" else learner.actor
    optimiser = state["optimiser"] if name == "aac" else state["agent"][learner.optimisers[0]]
    found = {
        "asked": list(World.asked),
        "acted": [one.tolist() for one in World.acted],
        "weights": numbers(network.state_dict()),
        "shapes": [tuple(one.shape) for one in network.state_dict().values()],
        "updates": [int(one["step"]) for one in optimiser["state"].values()],
        "length": policy.steps,
        "agents": len(set(InTurn.senders)),
    }
    if name != "aac":
        found["kept"] = state["replay"]["rows"].tolist()
        found["targets"] = numbers([state["agent"][target] for target in learner.targets])
    learner.close()
    return found


@functools.cache
def usual(name: str) -> dict[str, Any]:
    """The training that all others of the learner are compared with; agents take turns in it."""
    return training(name, {})


def test_every_key_of_every_learner_has_its_case() -> None:
    """The learners are those of the catalogue, the keys those that a scenario may have."""
    names = {name for problem in POLICIES.values() for name in problem}
    found = {
        name: cls
        for name in names
        for problem in POLICIES.values()
        if name in problem
        and issubclass(cls := resolve(name, "policies", problem), TrainablePolicy)
    }
    assert found == CLASSES
    for name, cls in CLASSES.items():
        keys = {field.name for field in dataclasses.fields(cls) if field.init}
        assert keys - ELSEWHERE == CASES[name].keys(), name


def test_a_training_is_the_same_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would differ whatever a key does."""
    monkeypatch.setattr(aac, "RemoteAgent", InTurn)
    for name in CLASSES:
        assert training(name, {}) == usual(name)


@pytest.mark.parametrize(("name", "key"), [(name, key) for name in CASES for key in CASES[name]])
def test_a_key_changes_what_it_is_about(
    name: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aac, "RemoteAgent", InTurn)
    change, about = CASES[name][key]
    assert list(change) == [key]
    assert training(name, change)[about] != usual(name)[about]


@pytest.mark.parametrize("name", CLASSES)
def test_who_acts_is_in_the_checkpoint(name: str, tmp_path: Path) -> None:
    scenario = load_scenario("carbon_6ue", ["policy.hidden=[4]"], policy=name)
    problem = blueprint(scenario).problem
    found = []
    for seed in (1, 2):
        saved = make_policy(scenario)
        assert isinstance(saved, TrainablePolicy)
        saved.init_random(problem, seed)
        saved.save(tmp_path / f"{seed}.pt", problem, "none")
        chosen = f'policy.checkpoint="{tmp_path / f"{seed}.pt"}"'
        policy: Any = make_policy(load_scenario(scenario, [chosen]))
        policy.load(problem)
        found.append(numbers(policy._actor.state_dict()))
        assert found[-1] == numbers(saved._actor.state_dict())  # type: ignore[union-attr]
    assert found[0] != found[1]
