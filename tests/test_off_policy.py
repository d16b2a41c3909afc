"""The loop of Algorithm 2 of paper C, which DDPG, DQN and SAC share: actions, transitions, targets, annealing."""

from copy import deepcopy
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box

from edgesim.policies.learning.ddpg import Ddpg, DdpgLearner
from edgesim.policies.learning.dqn import Dqn, DqnLearner
from edgesim.policies.learning.exploration import OrnsteinUhlenbeck
from edgesim.policies.learning.replay_buffer import Batch
from edgesim.policies.learning.sac import Sac, SacLearner
from edgesim.policies.learning.trainable import TrainingError

REPLICAS, SLOTS, EPISODES = 2, 10, 4
SHORT: dict[str, Any] = {
    "hidden": [8],
    "episodes": EPISODES,
    "episode_slots": SLOTS,
    "replicas": REPLICAS,
    "warmup": 4 * REPLICAS,
    "batch": 4,
    "rate_decay": 0.9,
}

LEARNERS: dict[Any, Any] = {DdpgLearner: Ddpg, DqnLearner: Dqn, SacLearner: Sac}


class Diary:
    """An environment in which every state has its number, and every reward is minus that of its step."""

    single_observation_space = Box(-5.0, 5.0, (1, 1), np.float32)
    single_action_space = Box(-1.0, 1.0, (1, 1), np.float32)
    actions: ClassVar[dict[int, Any]] = {}
    seeds: ClassVar[list[int]] = []

    def __init__(self, replications: int, slots: int, *others: Any) -> None:
        self._replications = replications
        self._number = -1

    def reset(self, seed: int) -> tuple[Any, dict[str, Any]]:
        self.seeds.append(seed)
        return self._next(), {}

    def step(self, action: Any) -> tuple[Any, Any, None, None, dict[str, Any]]:
        self.actions[self._number] = action.copy()
        reward = np.full(self._replications, -float(self._number))
        return self._next(), reward, None, None, {}

    def _next(self) -> Any:
        self._number += 1
        return np.full((self._replications, 1, 1), self._number, np.float32)


@pytest.mark.parametrize("cls", LEARNERS)
def test_targets_start_as_what_they_follow(cls: Any) -> None:
    """Line 2; they learn nothing by themselves."""
    learner = cls(LEARNERS[cls](**SHORT), Diary, 1)
    for pair in zip(learner.networks, learner.targets, strict=False):
        network, target = (getattr(learner, name) for name in pair)
        for mine, its in zip(network.parameters(), target.parameters(), strict=True):
            assert torch.equal(mine, its) and mine is not its
            assert mine.requires_grad and not its.requires_grad


def test_an_episode_of_algorithm_2_line_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of paper C: what is acted, stored and learned from, for two episodes of 20 slots."""
    batches: list[Any] = []

    def update(_: DdpgLearner, batch: Any) -> dict[str, float]:
        batches.append(batch)
        return {}

    monkeypatch.setattr(DdpgLearner, "update", update)
    monkeypatch.setattr(Diary, "actions", {})
    monkeypatch.setattr(Diary, "seeds", [])
    replicas, slots, warmup = 400, 20, 10
    config = Ddpg(
        hidden=[8],
        episodes=2,
        episode_slots=slots,
        replicas=replicas,
        warmup=warmup * replicas,
        updates=2,
        noise=0.01,
        noise_reversion=0.0,
    )
    learner = config.learner(Diary, seed=7)
    for _ in range(2):
        learner.advance()
    # 4 to 6: each episode begins with a reset and has T steps. Replica r of seed s has seed s + r.
    assert Diary.seeds == [7, 7 + replicas]
    assert learner.steps == 2 * slots * replicas
    assert sorted(Diary.actions) == [*range(slots), *range(slots + 1, 2 * slots + 1)]
    # 10 to 14 once for each step after the warm-up, here twice.
    assert len(batches) == 2 * (2 * slots - warmup)

    def noise(number: int) -> Any:
        state = torch.full((replicas, 1, 1), float(number))
        with torch.inference_mode():
            return Diary.actions[number] - learner.actor(state).numpy()

    # 7: mu(s_t) + N_t; the noise begins anew with each episode, else it would grow as a random walk.
    assert np.std(Diary.actions[0]) == pytest.approx(3**-0.5, rel=0.1)  # uniform, in the warm-up
    assert np.std(noise(slots - 1)) == pytest.approx(0.01 * (slots - warmup) ** 0.5, rel=0.15)
    assert np.std(noise(slots + 1)) == pytest.approx(0.01, rel=0.15)
    # 8, 9, 15: what is stored is what was seen, done, given, and seen next; never across episodes.
    seen = set()
    for s, a, r, s2 in batches:
        for number, action, reward, after in zip(
            s[:, 0, 0].tolist(), a[:, 0, 0].tolist(), r.tolist(), s2[:, 0, 0].tolist(), strict=True
        ):
            assert reward == -number and after == number + 1
            assert np.float32(action) in Diary.actions[int(number)]
            seen.add(int(number))
    assert len(seen) == 2 * slots and slots not in seen


def test_nothing_is_learned_in_the_warm_up() -> None:
    learner = DdpgLearner(Ddpg(**SHORT | {"warmup": SLOTS * REPLICAS}), Diary, 1)
    assert learner.advance().keys() == {"reward"}
    assert "critic_loss" in learner.advance()


def test_rewards_as_they_are_learned() -> None:
    learner = DdpgLearner(Ddpg(**SHORT, reward_unit=0.5, reward_floor=-3.0), Diary, 1)
    assert learner.advance()["reward"] == -4.5  # as they are
    least = np.minimum(np.repeat(np.arange(SLOTS), REPLICAS), 3.0)
    rows = learner.state_dict()["replay"]["rows"]  # s, a, r, s'
    assert np.allclose(rows[:, 2], -np.log(1.0 + least / 0.5))


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, [-6.0, -0.25, 0.0, 2.0]),
        ({"reward_unit": 0.5}, [-np.log(13.0), -np.log(1.5), 0.0, np.log(5.0)]),
        ({"reward_floor": -1.0}, [-1.0, -0.25, 0.0, 2.0]),
        ({"reward_unit": 0.5, "reward_floor": -1.0}, [-np.log(3.0), -np.log(1.5), 0, np.log(5.0)]),
    ],
)
def test_rewards_keep_their_sign_and_are_cut_from_below(
    keys: dict[str, Any], expected: list[float]
) -> None:
    """sign(r) ln(1 + |r| / unit), of r = -6, -1/4, 0 and 2."""

    class Gains(Diary):
        def step(self, action: Any) -> tuple[Any, Any, None, None, dict[str, Any]]:
            return self._next(), np.array([-6.0, -0.25, 0.0, 2.0]), None, None, {}

    learner = DdpgLearner(Ddpg(**SHORT | {"replicas": 4, "warmup": 100}, **keys), Gains, 1)
    learner.advance()
    rows = learner.state_dict()["replay"]["rows"]
    np.testing.assert_allclose(rows[:4, 2], expected, rtol=1e-6)


def test_environments_are_those_of_the_policy() -> None:
    made = []

    def make(*asked: Any) -> Diary:
        made.append(asked)
        return Diary(*asked)

    DdpgLearner(Ddpg(**SHORT, limit_weight=3.0, action="paper", energy_price=0.5), make, 1)
    assert made == [(REPLICAS, SLOTS, 3.0, "paper", 0.5)]


def test_a_weight_that_is_no_number_ends_the_training() -> None:
    learner = DdpgLearner(Ddpg(**SHORT | {"warmup": 1000}), Diary, 1)
    learner.advance()
    with torch.no_grad():
        next(learner.actor.parameters()).view(-1)[0] = torch.nan
    with pytest.raises(TrainingError, match="weight"):
        learner.advance()


def batch() -> Batch:
    generator = torch.Generator().manual_seed(1)
    s, s2 = torch.randn(2, 4, 1, 1, generator=generator)
    a = torch.randint(-1, 2, (4, 1, 1), generator=generator).float()
    return s, a, torch.randn(4, generator=generator), s2


@pytest.mark.parametrize("cls", LEARNERS)
def test_targets_follow_slowly(cls: Any) -> None:
    """theta' <- tau theta + (1 - tau) theta', by the weights that line 13 leaves."""
    config = LEARNERS[cls](**SHORT, soft_update=0.25)
    learner = cls(config, Diary, 1)
    start = {name: deepcopy(getattr(learner, name)) for name in learner.targets}
    learner.update(batch())
    for online, target in zip(learner.networks, learner.targets, strict=False):
        weights = (getattr(learner, online), start[target], getattr(learner, target))
        moved = 0.0
        for now, before, after in zip(*(one.parameters() for one in weights), strict=True):
            torch.testing.assert_close(after, 0.25 * now + 0.75 * before)
            moved += float((now - before).abs().sum().detach())
        assert moved > 0.0


@pytest.mark.parametrize("cls", LEARNERS)
def test_learning_rates_fall_over_the_training(cls: Any) -> None:
    config = LEARNERS[cls](**SHORT)
    learner = cls(config, Diary, 1)
    first = [getattr(learner, name).param_groups[0]["lr"] for name in learner.optimisers]
    for episode in range(EPISODES):
        learner.advance()
        rates = [getattr(learner, name).param_groups[0]["lr"] for name in learner.optimisers]
        assert rates == pytest.approx([rate * (1 - 0.9 * episode / EPISODES) for rate in first])


def test_learning_rates_are_each_networks_own() -> None:
    learner = DdpgLearner(Ddpg(**SHORT, actor_rate=1e-3, critic_rate=3e-3), Diary, 1)
    rates = [getattr(learner, name).param_groups[0]["lr"] for name in learner.optimisers]
    assert dict(zip(learner.networks, rates, strict=True)) == {"actor": 1e-3, "critic": 3e-3}


def test_noise_falls_over_the_training() -> None:
    def spread(progress: float) -> float:
        noise = OrnsteinUhlenbeck((4000, 1, 1), 0.2, 0.15, 1.0, 0.0, 0.75, np.random.default_rng(1))
        noise.anneal(progress)
        return float(np.std(noise.explore(np.zeros((4000, 1, 1), np.float32))))

    assert spread(1.0) == pytest.approx(0.25 * spread(0.0))
    assert spread(0.5) == pytest.approx(0.625 * spread(0.0))


def test_random_numbers_become_fewer_over_the_training() -> None:
    """At the end of a decay of 3/4, a quarter of the 40 %; without noise they are all that changes."""
    noise = OrnsteinUhlenbeck((4000, 1, 1), 0.0, 0.15, 1.0, 0.4, 0.75, np.random.default_rng(1))
    for progress, share in ((0.0, 0.4), (1.0, 0.1)):
        noise.anneal(progress)
        changed = noise.explore(np.zeros((4000, 1, 1), np.float32)) != 0.0
        assert changed.mean() == pytest.approx(share, abs=0.03)  # four standard errors


def test_a_training_explores_less_from_episode_to_episode(monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise without memory, of which all is gone at the end of four episodes."""
    monkeypatch.setattr(DdpgLearner, "update", lambda *_: {})
    monkeypatch.setattr(Diary, "actions", {})
    replicas, slots = 500, 4
    config = Ddpg(
        hidden=[8],
        episodes=EPISODES,
        episode_slots=slots,
        replicas=replicas,
        warmup=replicas,
        noise=0.1,
        noise_reversion=1.0,
        noise_decay=1.0,
    )
    learner = config.learner(Diary, seed=3)
    for episode in range(EPISODES):
        learner.advance()
        number = episode * (slots + 1) + slots - 1  # of the episode's last step
        state = torch.full((replicas, 1, 1), float(number))
        with torch.inference_mode():
            noise = Diary.actions[number] - learner.actor(state).numpy()
        assert np.std(noise) == pytest.approx(0.1 * (1.0 - episode / EPISODES), rel=0.15)


def test_the_penalty_on_logits_falls_to_nothing() -> None:
    def loss(penalty: float, progress: float) -> float:
        learner = DdpgLearner(Ddpg(**SHORT, logit_penalty=penalty), Diary, 1)
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
