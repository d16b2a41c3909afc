"""DQN against Stable-Baselines3's, its table of actions and its decomposed values against brute force."""

from itertools import product
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from test_ddpg import Prepared, copy_weights, linear_layers
from torch import nn

from edgesim.policies.learning.dqn import Dqn, DqnLearner, QNetwork
from edgesim.policies.learning.exploration import EpsilonGreedy
from edgesim.policies.learning.trainable import TrainingError

FEATURES, ACTIONS, LEVELS = 5, 2, 3


class Blank(gymnasium.Env[Any, Any]):
    """Some devices' spaces, and nothing in them."""

    observation_space = gymnasium.spaces.Box(-5.0, 5.0, (1, FEATURES), np.float32)
    action_space = gymnasium.spaces.Discrete(LEVELS**ACTIONS)
    single_observation_space = observation_space
    single_action_space = gymnasium.spaces.Box(-1.0, 1.0, (1, ACTIONS), np.float32)


def blank(config: Dqn) -> DqnLearner:
    """A learner to be given batches."""
    return DqnLearner(config, lambda *_: Blank(), 0)


def greedy(devices: int, levels: int = LEVELS, actions: int = ACTIONS) -> QNetwork:
    torch.manual_seed(0)
    network = QNetwork("shared", (16, 16), levels, devices, FEATURES, actions)
    with torch.no_grad():
        for parameter in network.q.parameters():
            parameter.mul_(3.0)
    return network


def test_the_table_has_every_action_once_and_finds_it_again() -> None:
    network = greedy(devices=1, levels=4, actions=3)
    expected = set(product((-1.0, -1 / 3, 1 / 3, 1.0), repeat=3))
    rows = {tuple(float(f"{value:.6f}") for value in row) for row in network.table.tolist()}
    assert rows == {tuple(float(f"{value:.6f}") for value in row) for row in expected}
    found = network.index(network.table[:, None, :])
    assert found.squeeze(1).tolist() == list(range(64))


def test_a_device_may_have_only_so_many_actions() -> None:
    with pytest.raises(ValueError, match=r"levels: 9\^4"):
        greedy(devices=1, levels=9, actions=4)


def test_the_greedy_action_is_the_best_of_all_joint_actions() -> None:
    """3 devices with 9 actions each: 729 joint actions, by the mean of what each is worth."""
    network = greedy(devices=3)
    state = torch.randn(4, 3, FEATURES)
    values = network.q(state).detach()
    best = network.index(network(state))
    for r in range(4):
        joint = {
            index: float(np.mean([values[r, i, index[i]] for i in range(3)]))
            for index in product(range(9), repeat=3)
        }
        assert max(joint, key=lambda index: joint[index]) == tuple(best[r].tolist())


def test_an_update_is_that_of_stable_baselines() -> None:
    """One device: the same start weights and batches, a target that stands still."""
    from stable_baselines3 import DQN
    from stable_baselines3.common.logger import Logger
    from stable_baselines3.common.type_aliases import ReplayBufferSamples

    theirs = DQN(
        "MlpPolicy",
        Blank(),
        learning_rate=1e-3,
        gamma=0.9,
        buffer_size=1,
        max_grad_norm=float("inf"),
        policy_kwargs={"net_arch": [32, 32]},
        seed=0,
        device="cpu",
    )
    theirs.set_logger(Logger(None, []))
    config = Dqn(network="flat", hidden=[32, 32], rate=1e-3, discount=0.9, soft_update=0.0)
    ours = blank(config)

    for mine in (ours.actor, ours.target):
        copy_weights(theirs.q_net, mine)
    start = linear_layers(theirs.q_net)[0].weight.detach().clone()
    generator = torch.Generator().manual_seed(1)
    for _ in range(100):
        s, s2 = torch.randn(2, 32, 1, FEATURES, generator=generator)
        r = 2.0 * torch.randn(32, generator=generator)
        index = torch.randint(0, LEVELS**ACTIONS, (32, 1), generator=generator)
        samples = ReplayBufferSamples(s, index, s2, torch.zeros(32, 1), r[:, None])
        theirs.replay_buffer = Prepared(samples)  # type: ignore[assignment]
        theirs.train(gradient_steps=1, batch_size=32)
        ours.update((s, ours.actor.table[index], r, s2))
    for a, b in zip(linear_layers(ours.actor), linear_layers(theirs.q_net), strict=True):
        torch.testing.assert_close(a.weight, b.weight, rtol=0.0, atol=1e-4)
        torch.testing.assert_close(a.bias, b.bias, rtol=0.0, atol=1e-4)
    assert (linear_layers(theirs.q_net)[0].weight - start).abs().max() > 1e-2


def test_the_loss_of_two_devices_by_hand() -> None:
    """Values that hang on nothing but the device: means over devices of what is chosen, and of the best."""

    class Two(Blank):
        single_observation_space = gymnasium.spaces.Box(-5.0, 5.0, (2, FEATURES), np.float32)
        single_action_space = gymnasium.spaces.Box(-1.0, 1.0, (2, 1), np.float32)

    config = Dqn(network="flat", hidden=[8], levels=2, discount=0.5, soft_update=0.0)
    learner = DqnLearner(config, lambda *_: Two(), 0)
    for network, values in (
        (
            learner.actor,
            [1.0, 2.0, 4.0, -1.0],
        ),  # of the first device's two actions, of the second's
        (learner.target, [0.0, 3.0, 7.0, 5.0]),
    ):
        for layer in linear_layers(network):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        with torch.no_grad():
            linear_layers(network)[-1].bias.copy_(torch.tensor(values))
    s = torch.zeros(3, 2, FEATURES)
    a = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0]])[:, :, None]
    r = torch.tensor([-0.25, 0.0, 1.0])
    # y = r + (3 + 7) / 4; chosen: (1 + 4) / 2, (2 + 4) / 2 and (2 - 1) / 2.
    errors = np.array([2.25 - 2.5, 2.5 - 3.0, 3.5 - 0.5])
    huber = np.where(np.abs(errors) < 1.0, errors**2 / 2.0, np.abs(errors) - 0.5)
    assert learner.update((s, a, r, s))["q_loss"] == pytest.approx(huber.mean(), rel=1e-6)


def test_exploration_takes_actions_of_the_table_at_its_share() -> None:
    explore = EpsilonGreedy((200, 10, ACTIONS), LEVELS, 0.3, np.random.default_rng(1))
    assert set(np.unique(explore.random())) == {-1.0, 0.0, 1.0}
    action = np.full((200, 10, ACTIONS), 0.5, np.float32)  # not in the table: seen if it was kept
    tried = explore.explore(action)
    changed = (tried != 0.5).all(axis=2)
    assert ((tried == 0.5).all(axis=2) | changed).all()
    assert changed.mean() == pytest.approx(0.3, abs=5 * np.sqrt(0.3 * 0.7 / 2000))


def test_losses_that_are_not_numbers_stop_learning() -> None:
    learner = blank(Dqn(hidden=[8]))
    s, a = torch.zeros(2, 1, FEATURES), torch.zeros(2, 1, ACTIONS)
    with pytest.raises(TrainingError, match="q_loss is nan"):
        learner.update((s, a, torch.tensor([1.0, float("nan")]), s))
