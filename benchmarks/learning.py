"""DDPG's training against Stable-Baselines3's: the same networks, batches and trivial environment."""

from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import torch

from edgesim.policies.learning.ddpg import Ddpg, DdpgLearner

from .measure import Row, rounds

DEVICES, FEATURES, ACTIONS = 6, 5, 3
STEPS = 200


class Trivial(gymnasium.Env[Any, Any]):
    """Next to no work: what is measured is the learner."""

    observation_space = gymnasium.spaces.Box(-5.0, 5.0, (DEVICES, FEATURES), np.float32)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (DEVICES, ACTIONS), np.float32)
    state = np.zeros((DEVICES, FEATURES), np.float32)

    def reset(self, **how: Any) -> tuple[Any, dict[str, Any]]:
        """Always the same state."""
        return self.state, {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """A reward that depends on the action."""
        return self.state, float(action[0, 0]), False, False, {}


class TrivialVector:
    """The same as a vector of one."""

    single_observation_space = Trivial.observation_space
    single_action_space = Trivial.action_space

    def __init__(self, *how: Any) -> None:
        self._env = Trivial()

    def reset(self, seed: int) -> tuple[Any, dict[str, Any]]:
        """Always the same state."""
        return self._env.state[None], {}

    def step(self, action: Any) -> tuple[Any, Any, None, None, dict[str, Any]]:
        """A reward that depends on the action."""
        state, reward, *_ = self._env.step(action[0])
        return state[None], np.array([reward]), None, None, {}


def ours(batch: int) -> DdpgLearner:
    """With the paper's networks and defaults."""
    config = Ddpg(network="flat", batch=batch, warmup=batch, episode_slots=STEPS)
    learner = DdpgLearner(config, TrivialVector, seed=1)
    learner.advance()
    return learner


def theirs(batch: int) -> Any:
    """The same."""
    from stable_baselines3 import DDPG
    from stable_baselines3.common.noise import OrnsteinUhlenbeckActionNoise

    zero = np.zeros((DEVICES, ACTIONS))
    model = DDPG(
        "MlpPolicy",
        Trivial(),
        learning_rate=1e-4,
        buffer_size=100_000,
        learning_starts=batch,
        batch_size=batch,
        tau=1e-3,
        action_noise=OrnsteinUhlenbeckActionNoise(zero, zero + 0.2, dt=1.0),
        policy_kwargs={"net_arch": [512, 256, 128]},
        device="cpu",
        seed=1,
    )
    model.learn(STEPS)
    return model


def measure() -> Iterator[Row]:
    torch.set_num_threads(1)
    for batch, target in ((64, 1.3), (128, None)):
        own, other = ours(batch), theirs(batch)

        def learn(other: Any = other) -> None:
            other.learn(STEPS, reset_num_timesteps=False)

        seconds = rounds(own.advance, learn)
        what = f"one replica, batch {batch}"
        yield Row(what, STEPS / float(np.median(seconds[:, 0])), "steps per CPU-second")
        ratio = float(np.median(seconds[:, 1] / seconds[:, 0]))
        yield Row(f"{what}, to Stable-Baselines3", ratio, "times", at_least=target)
