"""The loop of Algorithm 2 of paper C, which DDPG and DQN share: what is tried, stored, learned and annealed."""

from copy import deepcopy
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from edgesim.policies.learning.ddpg import Ddpg, DdpgLearner
from edgesim.policies.learning.dqn import Dqn, DqnLearner
from edgesim.policies.learning.exploration import OrnsteinUhlenbeck
from edgesim.policies.learning.replay_buffer import Batch

REPLICAS, DEVICES, SLOTS, EPISODES = 2, 3, 10, 4
SHORT: dict[str, Any] = {
    "hidden": [8],
    "episodes": EPISODES,
    "episode_slots": SLOTS,
    "replicas": REPLICAS,
    "warmup": 4 * REPLICAS,
    "batch": 4,
    "rate_decay": 0.9,
}


class Counter:
    """Each state is the number of the step, and each reward minus that number."""

    single_observation_space = gymnasium.spaces.Box(-5.0, 5.0, (DEVICES, 1), np.float32)
    single_action_space = gymnasium.spaces.Box(-1.0, 1.0, (DEVICES, 2), np.float32)

    def __init__(self, *_: Any) -> None:
        self.actions: list[NDArray[np.float32]] = []

    def _state(self) -> NDArray[np.float32]:
        return np.full((REPLICAS, DEVICES, 1), len(self.actions), np.float32)

    def reset(self, seed: int) -> tuple[NDArray[np.float32], dict[str, Any]]:
        return self._state(), {}

    def step(self, action: NDArray[np.float32]) -> tuple[Any, ...]:
        reward = np.full(REPLICAS, -float(len(self.actions)))
        self.actions.append(action.copy())
        return self._state(), reward, None, None, {}


def still(**keys: Any) -> Ddpg:
    """DDPG whose weights stay what they are, without noise."""
    return Ddpg(**{**SHORT, "actor_rate": 1e-30, "critic_rate": 1e-30, "noise": 0.0, **keys})


def stored(learner: DdpgLearner) -> list[NDArray[np.float32]]:
    """Of all transitions: s (K, N), a (K, N A), r (K,) and s' (K, N)."""
    rows = learner.state_dict()["replay"]["rows"].numpy()
    s, a, r, s2 = np.split(rows, np.cumsum([DEVICES, 2 * DEVICES, 1]), axis=1)
    return [s, a, r[:, 0], s2]


def test_a_transition_has_the_action_the_reward_and_the_next_state() -> None:
    env = Counter()
    learner = DdpgLearner(still(), lambda *_: env, 1)
    learner.advance()
    s, a, r, s2 = stored(learner)
    step = np.repeat(np.arange(SLOTS), REPLICAS)
    assert np.array_equal(s, step[:, None] + np.zeros(DEVICES))
    assert np.array_equal(a, np.concatenate(env.actions).reshape(len(step), -1))
    assert np.array_equal(r, -step)
    assert np.array_equal(s2, s + 1.0)


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_actions_are_random_in_the_warm_up_and_the_actors_with_noise_after_it(noise: float) -> None:
    env = Counter()
    learner = DdpgLearner(still(noise=noise), lambda *_: env, 1)
    assert learner.advance().keys() == {"reward", "critic_loss", "actor_loss"}
    state = torch.arange(float(SLOTS))[:, None, None, None].expand(-1, REPLICAS, DEVICES, 1)
    with torch.inference_mode():
        meant = torch.stack([learner.actor(one) for one in state]).numpy()
    off = np.abs(np.stack(env.actions) - meant).max(axis=(1, 2, 3))
    assert (off[:4] > 0.3).all()  # uniform over [-1, 1], where the actor's are near 0
    if noise:
        assert (off[4:] > 0.01).all() and (off[4:] < 6 * noise).all()
    else:
        assert (off[4:] == 0.0).all()


def test_nothing_is_learned_in_the_warm_up() -> None:
    learner = DdpgLearner(still(warmup=SLOTS * REPLICAS), lambda *_: Counter(), 1)
    assert learner.advance().keys() == {"reward"}
    assert "critic_loss" in learner.advance()


def test_rewards_as_they_are_learned() -> None:
    learner = DdpgLearner(still(reward_unit=0.5, reward_floor=-3.0), lambda *_: Counter(), 1)
    assert learner.advance()["reward"] == -4.5  # as they are
    r = -np.minimum(np.repeat(np.arange(SLOTS), REPLICAS), 3.0)
    assert np.allclose(stored(learner)[2], -np.log(1.0 - r / 0.5))


def batch() -> Batch:
    generator = torch.Generator().manual_seed(1)
    s, s2 = torch.randn(2, 4, DEVICES, 1, generator=generator)
    a = torch.randint(-1, 2, (4, DEVICES, 2), generator=generator).float()
    return s, a, torch.randn(4, generator=generator), s2


@pytest.mark.parametrize("cls", [DdpgLearner, DqnLearner])
def test_targets_follow_slowly(cls: Any) -> None:
    """theta' <- tau theta + (1 - tau) theta', by the weights that line 13 leaves."""
    config = (Ddpg if cls is DdpgLearner else Dqn)(**SHORT, soft_update=0.25)
    learner = cls(config, Counter, 1)
    start = {name: deepcopy(getattr(learner, name)) for name in learner.targets}
    learner.update(batch())
    for online, target in zip(learner.networks, learner.targets, strict=True):
        weights = (getattr(learner, online), start[target], getattr(learner, target))
        moved = 0.0
        for now, before, after in zip(*(one.parameters() for one in weights), strict=True):
            torch.testing.assert_close(after, 0.25 * now + 0.75 * before)
            moved += float((now - before).abs().sum().detach())
        assert moved > 0.0


@pytest.mark.parametrize("cls", [DdpgLearner, DqnLearner])
def test_learning_rates_fall_over_the_training(cls: Any) -> None:
    config = (Ddpg if cls is DdpgLearner else Dqn)(**SHORT)
    learner = cls(config, Counter, 1)
    first = [getattr(learner, name).param_groups[0]["lr"] for name in learner.optimisers]
    for episode in range(EPISODES):
        learner.advance()
        rates = [getattr(learner, name).param_groups[0]["lr"] for name in learner.optimisers]
        assert rates == pytest.approx([rate * (1 - 0.9 * episode / EPISODES) for rate in first])


def test_noise_falls_over_the_training() -> None:
    def spread(progress: float) -> float:
        noise = OrnsteinUhlenbeck((4000, 1, 1), 0.2, 0.15, 1.0, 0.0, 0.75, np.random.default_rng(1))
        noise.anneal(progress)
        return float(np.std(noise.explore(np.zeros((4000, 1, 1), np.float32))))

    assert spread(1.0) == pytest.approx(0.25 * spread(0.0))
    assert spread(0.5) == pytest.approx(0.625 * spread(0.0))


def test_the_penalty_on_logits_falls_to_nothing() -> None:
    def loss(penalty: float, progress: float) -> float:
        learner = DdpgLearner(Ddpg(**SHORT, logit_penalty=penalty), Counter, 1)
        with torch.no_grad():
            for parameter in learner.actor.parameters():
                parameter.mul_(100.0)
        learner.anneal(progress)
        return learner.update(batch())["actor_loss"]

    penalties = [loss(1.0, progress) - loss(0.0, progress) for progress in (0.0, 0.5, 1.0)]
    assert penalties[0] > 1e-3
    assert penalties == pytest.approx([penalties[0], penalties[0] / 2, 0.0], rel=1e-3)


def test_a_replay_buffer_that_never_holds_the_warm_up_is_refused() -> None:
    with pytest.raises(ValueError, match="capacity: 10 is less"):
        Dqn(capacity=10, warmup=20)
