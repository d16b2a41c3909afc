"""DDPG against Stable-Baselines3's, its noise against closed forms, and its replay."""

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edgesim.policies.learning.ddpg import Ddpg, DdpgLearner
from edgesim.policies.learning.dqn import Dqn
from edgesim.policies.learning.exploration import OrnsteinUhlenbeck
from edgesim.policies.learning.networks import Actor, Critic, SharedNetwork, check_finite, pool
from edgesim.policies.learning.replay_buffer import Batch, ReplayBuffer
from edgesim.policies.learning.trainable import NetworkKind, TrainingError

DEVICES, FEATURES, ACTIONS = 6, 5, 3
UPDATES, BATCH, HIDDEN = 200, 64, [64, 48, 32]


def linear_layers(network: nn.Module) -> list[nn.Linear]:
    return [module for module in network.modules() if isinstance(module, nn.Linear)]


def copy_weights(theirs: nn.Module, ours: nn.Module) -> None:
    """Of all linear layers, in their order."""
    with torch.no_grad():
        for a, b in zip(linear_layers(ours), linear_layers(theirs), strict=True):
            a.weight.copy_(b.weight)
            a.bias.copy_(b.bias)


class Prepared:
    """A replay buffer of Stable-Baselines3 that hands out one minibatch.

    Args:
        samples: it.
    """

    def __init__(self, samples: Any) -> None:
        self.samples = samples

    def sample(self, count: int, env: Any = None) -> Any:
        return self.samples


def in_their_shapes(batch: Batch) -> Any:
    """A minibatch as Stable-Baselines3 has it, none of whose transitions ends an episode."""
    from stable_baselines3.common.type_aliases import ReplayBufferSamples

    s, a, r, s2 = batch
    return ReplayBufferSamples(s, a.flatten(1), s2, torch.zeros_like(r)[:, None], r[:, None])


def difference(ours: nn.Module, theirs: nn.Module) -> float:
    """The largest difference of any weight."""
    pairs = zip(linear_layers(ours), linear_layers(theirs), strict=True)
    return max(
        float((getattr(a, name) - getattr(b, name)).detach().abs().max())
        for a, b in pairs
        for name in ("weight", "bias")
    )


class Blank(gymnasium.Env[Any, Any]):
    """The spaces of a scenario, and nothing in it."""

    observation_space = gymnasium.spaces.Box(-5.0, 5.0, (DEVICES, FEATURES), np.float32)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (DEVICES, ACTIONS), np.float32)
    single_observation_space, single_action_space = observation_space, action_space


def blank(config: Ddpg) -> DdpgLearner:
    """A learner to be given batches."""
    return DdpgLearner(config, lambda *_: Blank(), 0)


def batches(seed: int, dtype: torch.dtype) -> list[Batch]:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=dtype)

    state, action = (BATCH, DEVICES, FEATURES), (BATCH, DEVICES, ACTIONS)
    return [
        (normal(*state), normal(*action).clamp(-1.0, 1.0), normal(BATCH), normal(*state))
        for _ in range(UPDATES)
    ]


def test_an_update_is_that_of_stable_baselines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Same start weights, same batches; wrong variants (order, targets, discount) are off by 2e-3.

    In double precision: in single, Adam lets rounding, which differs between processors, grow to the
    1e-4 that is asked for.
    """
    from stable_baselines3 import DDPG
    from stable_baselines3.common import policies
    from stable_baselines3.common.logger import Logger

    config = Ddpg(network="flat", hidden=HIDDEN, actor_rate=1e-4, critic_rate=1e-4)
    theirs = DDPG(
        "MlpPolicy",
        Blank(),
        learning_rate=1e-4,
        tau=config.soft_update,
        gamma=config.discount,
        batch_size=BATCH,
        buffer_size=1,
        policy_kwargs={"net_arch": HIDDEN},
        seed=0,
        device="cpu",
    )
    theirs.set_logger(Logger(None, []))
    ours = blank(config)
    start = {
        ours.actor: theirs.actor,
        ours.target_actor: theirs.actor,
        ours.critic: theirs.critic,
        ours.target_critic: theirs.critic,
    }
    for mine, their in start.items():
        copy_weights(their, mine)
    theirs.policy.double()
    # It rounds to single.
    monkeypatch.setattr(policies, "preprocess_obs", lambda state, *_, **__: state)
    for network in start:
        network.double()

    for batch in batches(1, torch.float64):
        theirs.replay_buffer = Prepared(in_their_shapes(batch))  # type: ignore[assignment]
        theirs.train(gradient_steps=1, batch_size=BATCH)
        ours.update(batch)
    assert difference(ours.actor, theirs.actor) < 1e-8
    assert difference(ours.critic, theirs.critic) < 1e-8
    assert difference(ours.target_actor, theirs.actor_target) < 1e-8
    assert difference(ours.target_critic, theirs.critic_target) < 1e-8
    # And both have moved by much more than that.
    assert difference(ours.actor, ours.target_actor) > 5e-3


def noise(sigma: float, theta: float, dt: float, random: float = 0.0) -> OrnsteinUhlenbeck:
    rng = np.random.default_rng(1)
    return OrnsteinUhlenbeck((4000, 1, 1), sigma, theta, dt, random, 0.0, rng)


@pytest.mark.parametrize(("dt", "steps"), [(1.0, 1), (1.0, 10), (1.0, 40), (0.01, 100)])
def test_noise_has_the_variance_of_its_recursion(dt: float, steps: int) -> None:
    """x' = (1 - theta dt) x + sigma sqrt(dt) n: a geometric series."""
    sigma, theta = 0.05, 0.15
    process = noise(sigma, theta, dt)
    for _ in range(steps):
        x = process.explore(np.zeros((4000, 1, 1), np.float32))
    expected = sigma**2 * (1 - (1 - theta * dt) ** (2 * steps)) / (theta * (2 - theta * dt))
    assert np.var(x) == pytest.approx(expected, rel=0.1)  # 4 standard errors
    process.reset()
    x = process.explore(np.zeros((4000, 1, 1), np.float32))
    assert np.var(x) == pytest.approx(sigma**2 * dt, rel=0.1)


def test_noise_stays_within_the_actions() -> None:
    process = noise(5.0, 0.15, 1.0, random=0.5)
    x = process.explore(np.full((4000, 1, 1), 0.9, np.float32))
    assert x.min() == -1.0 and x.max() == 1.0
    # Half of the devices act at random, within the range; what the noise does is cut at its ends.
    assert np.mean(np.abs(x) < 1.0) > 0.4


def test_replay_keeps_the_last_transitions_and_draws_them_uniformly() -> None:
    replay = ReplayBuffer(8, (2, 3), (2, 1), np.random.default_rng(3))

    def add(first: int, count: int) -> None:
        number = np.arange(first, first + count, dtype=np.float32)
        replay.add(
            number[:, None, None] + np.arange(6).reshape(2, 3) / 10,
            -number[:, None, None] * np.ones((2, 1)),
            number,
            number[:, None, None] + 100 + np.zeros((2, 3)),
        )

    add(0, 5)
    assert len(replay) == 5
    after = replay.sample(1000)[3][:, 0, 0].tolist()
    assert set(after) == {100.0, 101.0, 102.0, 103.0, 104.0}  # none before it is there
    add(5, 6)  # over the end: 3 to 10 are left
    assert len(replay) == 8
    s, a, r, s2 = replay.sample(8000)
    assert s.shape == s2.shape == (8000, 2, 3) and a.shape == (8000, 2, 1) and r.shape == (8000,)
    values, counts = np.unique(r.numpy(), return_counts=True)
    assert values.tolist() == [3, 4, 5, 6, 7, 8, 9, 10]
    assert np.abs(counts - 1000).max() < 5 * np.sqrt(1000 * 7 / 8)
    # The parts of a transition stay together.
    torch.testing.assert_close(s[:, 1, 2], r + 0.5)
    torch.testing.assert_close(a[:, 1, 0], -r)
    torch.testing.assert_close(s2[:, 0, 0], r + 100)


def test_noise_and_random_actions_fade_together() -> None:
    shape = (4, 100, 3)
    noise = OrnsteinUhlenbeck(shape, 0.3, 0.15, 1.0, 0.5, 1.0, np.random.default_rng(0))
    action = np.zeros(shape, np.float32)
    assert (np.abs(noise.explore(action)) > 0.01).mean() > 0.9
    noise.anneal(1.0)
    assert not noise.explore(action).any()


def test_replay_goes_on_where_it_was() -> None:
    rows = np.random.default_rng(0).random((5, 2, 3))
    replay = ReplayBuffer(4, (2, 3), (2, 3), np.random.default_rng(3))
    replay.add(rows, rows, rows[:, 0, 0], rows)
    replay.sample(3)
    other = ReplayBuffer(4, (2, 3), (2, 3), np.random.default_rng(99))
    other.load_state_dict(replay.state_dict())
    for _ in range(2):
        for one, two in zip(replay.sample(10), other.sample(10), strict=True):
            assert torch.equal(one, two)
        for buffer in (replay, other):  # the sixth takes the place of the second
            buffer.add(rows[:1], rows[:1], np.full(1, 9.0), rows[:1])


def test_shared_networks_do_not_care_for_the_order_or_number_of_devices() -> None:
    torch.manual_seed(0)
    actor = Actor("shared", (16, 16), 6, FEATURES, ACTIONS)
    critic = Critic("shared", (16, 16), 6, FEATURES, ACTIONS)
    s, a = torch.randn(4, 6, FEATURES), torch.rand(4, 6, ACTIONS)
    order = torch.randperm(6)
    torch.testing.assert_close(actor(s[:, order]), actor(s)[:, order])
    torch.testing.assert_close(critic(s[:, order], a[:, order]), critic(s, a))
    # Everybody twice is the same mean and the same maximum.
    torch.testing.assert_close(actor(s.repeat(1, 2, 1)), actor(s).repeat(1, 2, 1))
    torch.testing.assert_close(critic(s.repeat(1, 2, 1), a.repeat(1, 2, 1)), critic(s, a))
    # But what the others are matters.
    s[:, 0] += 1.0
    assert (actor(s)[:, 1:] - actor(s.roll(1, 0))[:, 1:]).abs().max() > 1e-6


def test_pooling_is_the_mean_and_the_maximum() -> None:
    code = torch.tensor([[[1.0, 2.0], [5.0, -2.0]], [[-3.0, 0.5], [-1.0, 0.5]]])
    everybody = torch.ones(2, 2, dtype=torch.bool)
    assert pool(code, everybody).tolist() == [[3.0, 0.0, 5.0, 2.0], [-2.0, 0.5, -1.0, 0.5]]
    assert pool(code, torch.tensor([[True, False], [False, False]])).tolist() == [
        [1.0, 2.0, 1.0, 2.0],
        [0.0, 0.0, 0.0, 0.0],
    ]


def test_who_is_absent_might_as_well_not_be_in_a_shared_network() -> None:
    """Nobody sees them, and where all are there everything is what it is without such a replication."""
    torch.manual_seed(3)
    actor = Actor("shared", (16, 8), DEVICES, FEATURES, ACTIONS)
    critic = Critic("shared", (16, 8), DEVICES, FEATURES, ACTIONS)
    s, a = torch.randn(3, DEVICES, FEATURES), torch.randn(3, DEVICES, ACTIONS)
    for network in (actor, critic):
        for parameter in network.parameters():
            parameter.data.uniform_(-1.0, 1.0)
    whole, value = actor(s), critic(s, a)
    gone = s.clone()
    gone[0, 1], gone[1] = 0.0, 0.0
    some, worth = actor(gone), critic(gone, a)
    assert torch.equal(some[2], whole[2]) and torch.equal(worth[2], value[2])
    there = [n for n in range(DEVICES) if n != 1]
    torch.testing.assert_close(some[0, there], actor(s[:1, there])[0])
    torch.testing.assert_close(worth[:1], critic(s[:1, there], a[:1, there]))
    other = a.clone()
    other[0, 1] += 1.0  # what one does that is not there
    assert torch.equal(critic(gone, other)[:1], worth[:1])
    worth.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in critic.parameters() if p.grad is not None)


def test_a_shared_network_by_hand() -> None:
    """Codes relu(x); of the sum of own code, 10 times the mean and 100 times the maximum, a third."""
    network = SharedNetwork(1, 1, (1,))
    encoder, head = linear_layers(network.encoder)[0], linear_layers(network.head)[0]
    with torch.no_grad():
        for layer, weight in ((encoder, 1.0), (network.own, 1.0), (head, 1.0 / 3.0)):
            layer.weight.fill_(weight)
            layer.bias.zero_()
        network.context.weight.copy_(torch.tensor([[10.0, 100.0]]))
    found = network(torch.tensor([[[-2.0], [1.0], [4.0]]])).squeeze(2)
    mean, most = 5.0 / 3.0, 4.0
    expected = [(code + 10.0 * mean + 100.0 * most) / 3.0 for code in (0.0, 1.0, 4.0)]
    torch.testing.assert_close(found, torch.tensor([expected]))


def test_a_weight_that_is_infinite_is_named() -> None:
    actor = Actor("flat", (4,), DEVICES, FEATURES, ACTIONS)
    check_finite(actor)
    with torch.no_grad():
        linear_layers(actor)[1].bias[2] = torch.inf
    with pytest.raises(TrainingError, match=r"weight body\.layers\.2\.bias is not a number"):
        check_finite(actor)


@pytest.mark.parametrize("kind", ["flat", "shared"])
def test_heads(kind: NetworkKind) -> None:
    torch.manual_seed(0)
    s = 5.0 * torch.randn(3, DEVICES, FEATURES)
    grouped = Actor(kind, (16,), DEVICES, FEATURES, ACTIONS)
    assert grouped(s).abs().max() < 0.2  # starts in the middle
    with torch.no_grad():
        linear_layers(grouped)[-1].weight.mul_(1e4)
    assert 0.9 < grouped(s).abs().max() <= 1.0
    paper = Actor(kind, (16,), DEVICES, FEATURES, ACTIONS, "paper")
    share = (paper(s) + 1.0) / 2.0
    torch.testing.assert_close(share.sum(dim=(1, 2)), torch.ones(3))
    assert (share > 0.0).all()


def test_losses_that_are_not_numbers_stop_learning() -> None:
    learner = blank(Ddpg(hidden=[8]))
    s, a, r, s2 = batches(2, torch.float32)[0]
    with pytest.raises(TrainingError, match="critic_loss is nan"):
        learner.update((s, a, r * float("nan"), s2))


class Bandit:
    """Every device's best numbers are half of its own first feature and the mean of all seconds."""

    single_observation_space = gymnasium.spaces.Box(-5.0, 5.0, (3, 2), np.float32)
    single_action_space = gymnasium.spaces.Box(-1.0, 1.0, (3, 2), np.float32)

    def __init__(self, replications: int, slots: int, *others: Any) -> None:
        self._replications = replications

    def reset(self, seed: int) -> tuple[Any, dict[str, Any]]:
        self._rng = np.random.default_rng(seed)
        return self._look(), {}

    def step(self, action: Any) -> tuple[Any, Any, None, None, dict[str, Any]]:
        reward = -self.cost(action)
        return self._look(), reward, None, None, {}

    def cost(self, action: Any) -> Any:
        best = np.empty_like(self._state)
        best[..., 0] = 0.5 * self._state[..., 0]
        best[..., 1] = self._state[..., 1].mean(axis=1, keepdims=True)
        return np.square(action - best).mean(axis=(1, 2))

    def _look(self) -> Any:
        shape = (self._replications, 3, 2)
        self._state = self._rng.uniform(-1.0, 1.0, shape).astype(np.float32)
        return self._state


@pytest.mark.parametrize(
    ("policy", "random_cost", "most"), [("ddpg", 31 / 72, 0.02), ("dqn", 43 / 72, 0.08)]
)
def test_learns_what_is_best(policy: str, random_cost: float, most: float) -> None:
    """The least cost is 0; of 5 levels per number, spaced by 0.5, (0.5 ** 2) / 12 = 0.02."""
    common: dict[str, Any] = {
        "hidden": [24, 24],
        "episodes": 10,
        "episode_slots": 40,
        "replicas": 16,
        "batch": 64,
        "discount": 0.0,
        "soft_update": 0.01,
        "rate_decay": 0.9,
    }
    config: Ddpg | Dqn = (
        Ddpg(actor_rate=4e-3, critic_rate=8e-3, warmup=320, **common)
        if policy == "ddpg"
        else Dqn(rate=8e-3, levels=5, warmup=640, **common)
    )
    learner = config.learner(Bandit, seed=1)
    first = learner.advance()["reward"]
    assert first == pytest.approx(-random_cost, rel=0.05)  # variances of uniform numbers
    while learner.steps < config.steps:
        learner.advance()
    env = Bandit(2000, 1, 1.0)
    state, _ = env.reset(seed=99)
    with torch.inference_mode():
        action = learner.actor(torch.from_numpy(state)).numpy()
    assert float(env.cost(action).mean()) < most
