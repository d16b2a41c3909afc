"""DDPG against Stable-Baselines3's, its noise against closed forms, and its replay."""

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edgesim.policies.ddpg import Agent, Ddpg, OrnsteinUhlenbeck
from edgesim.policies.learned import TrainingError
from edgesim.policies.networks import Actor, Critic, Kind
from edgesim.policies.replay import Batch, Replay

torch.set_num_threads(1)  # two of them wait for each other on a busy machine

DEVICES, FEATURES, ACTIONS = 6, 5, 3
UPDATES, BATCH = 200, 64


def linear_layers(network: nn.Module) -> list[nn.Linear]:
    return [module for module in network.modules() if isinstance(module, nn.Linear)]


def difference(ours: nn.Module, theirs: nn.Module) -> float:
    """The largest difference of any weight."""
    pairs = zip(linear_layers(ours), linear_layers(theirs), strict=True)
    return max(
        float((getattr(a, name) - getattr(b, name)).abs().max())
        for a, b in pairs
        for name in ("weight", "bias")
    )


class Blank(gymnasium.Env[Any, Any]):
    """The spaces of a scenario, and nothing in it."""

    observation_space = gymnasium.spaces.Box(-5.0, 5.0, (DEVICES, FEATURES), np.float32)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (DEVICES, ACTIONS), np.float32)


def batches(seed: int) -> list[Batch]:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    state, action = (BATCH, DEVICES, FEATURES), (BATCH, DEVICES, ACTIONS)
    return [
        (normal(*state), normal(*action).clamp(-1.0, 1.0), normal(BATCH), normal(*state))
        for _ in range(UPDATES)
    ]


def test_an_update_is_that_of_stable_baselines() -> None:
    """Same start weights, same batches; wrong variants (order, targets, discount) are off by 2e-3."""
    from stable_baselines3 import DDPG
    from stable_baselines3.common.logger import Logger
    from stable_baselines3.common.type_aliases import ReplayBufferSamples

    keys = Ddpg(network="flat", actor_rate=1e-4, critic_rate=1e-4)
    theirs = DDPG(
        "MlpPolicy",
        Blank(),
        learning_rate=1e-4,
        tau=keys.soft_update,
        gamma=keys.discount,
        batch_size=BATCH,
        buffer_size=1,
        policy_kwargs={"net_arch": [512, 256, 128]},
        seed=0,
        device="cpu",
    )
    theirs.set_logger(Logger(None, []))
    ours = Agent(keys, DEVICES, FEATURES, ACTIONS)
    start = {
        ours.actor: theirs.actor,
        ours.target_actor: theirs.actor,
        ours.critic: theirs.critic,
        ours.target_critic: theirs.critic,
    }
    with torch.no_grad():
        for mine, their in start.items():
            for a, b in zip(linear_layers(mine), linear_layers(their), strict=True):
                a.weight.copy_(b.weight)
                a.bias.copy_(b.bias)

    class Prepared:
        """A replay that hands out one batch, in their shapes."""

        def __init__(self, batch: Batch) -> None:
            s, a, r, s2 = batch
            self.samples = ReplayBufferSamples(
                s, a.flatten(1), s2, torch.zeros(BATCH, 1), r[:, None]
            )

        def sample(self, count: int, env: Any = None) -> ReplayBufferSamples:
            return self.samples

    for batch in batches(seed=1):
        theirs.replay_buffer = Prepared(batch)  # type: ignore[assignment]
        theirs.train(gradient_steps=1, batch_size=BATCH)
        ours.update(batch)
    assert difference(ours.actor, theirs.actor) < 1e-4
    assert difference(ours.critic, theirs.critic) < 1e-4
    assert difference(ours.target_actor, theirs.actor_target) < 1e-4
    assert difference(ours.target_critic, theirs.critic_target) < 1e-4
    # And both have moved by much more than that.
    assert difference(ours.actor, ours.target_actor) > 5e-3
