"""AAC: with one agent of one replica it is Stable-Baselines3's A2C; with several none is lost."""

from collections.abc import Iterator
from functools import partial
from multiprocessing import Pipe
from typing import Any, ClassVar

import gymnasium
import numpy as np
import pytest
import torch
from torch import nn

from edgesim.experiments.train import make_environment
from edgesim.policies.learning import aac
from edgesim.policies.learning.aac import Aac, ActorCritic, GlobalAgent, LearningAgent
from edgesim.policies.learning.aac_workers import Update
from edgesim.policies.learning.environment import StreamVectorEnvironment
from edgesim.policies.learning.seeding import seeded, torch_seed
from edgesim.policies.learning.trainable import TrainingError
from edgesim.scenarios.loading import load_scenario

DEVICES = 4
SMALL = [f"devices.count={DEVICES}", "stations.sbs.count=1", "run.slots=20"]
T_MAX, EPISODE, EPISODES = 5, 20, 12
RATE = 1e-3


def environment(replicas: int = 1) -> StreamVectorEnvironment:
    return StreamVectorEnvironment(replicas, overrides=SMALL, flat=False)


class OnLogits(gymnasium.Env[Any, Any]):
    """The same environment for A2C, which knows no squashing: its actions are logits.

    Episode k has seed k, as the learning agent's.
    """

    observation_space = gymnasium.spaces.Box(-5.0, 5.0, (DEVICES * 19,), np.float32)
    action_space = gymnasium.spaces.Box(-100.0, 100.0, (DEVICES * 4,), np.float32)

    def __init__(self) -> None:
        self.env = environment()
        self.episode = 0

    def reset(self, **_: Any) -> tuple[Any, dict[str, Any]]:
        observation, _ = self.env.reset(seed=self.episode)
        self.episode += 1
        return observation.reshape(-1), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        squashed = torch.tanh(torch.from_numpy(action).view(1, DEVICES, 4)).numpy()
        observation, reward, _, truncated, _ = self.env.step(squashed)
        return observation.reshape(-1), float(reward[0]), False, bool(truncated[0]), {}


class OneDeviation(nn.Module):
    """A2C's log_std, of every output, from one of a device's actions, as AAC has it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.repeat(DEVICES)


@pytest.fixture
def config() -> Aac:
    return Aac(
        workers=1,
        replicas=1,
        network="flat",
        hidden=[32, 32],
        t_max=T_MAX,
        episode_slots=EPISODE,
        actor_rate=RATE,
        critic_rate=RATE,
        discount=0.9,
        entropy=0.01,
        final_rate=1.0,
        logit_penalty=0.0,
    )


def a2c(model: ActorCritic) -> Any:
    """Stable-Baselines3's, with these start weights and the same settings."""
    from stable_baselines3 import A2C
    from stable_baselines3.common.vec_env import DummyVecEnv
    from torch.nn.utils import parametrize

    theirs = A2C(
        "MlpPolicy",
        DummyVecEnv([OnLogits]),
        learning_rate=RATE,
        n_steps=T_MAX,
        gamma=0.9,
        gae_lambda=1.0,
        ent_coef=0.01,
        vf_coef=1.0,
        max_grad_norm=0.5,
        use_rms_prop=False,
        device="cpu",
        policy_kwargs={
            "net_arch": {"pi": [32, 32], "vf": [32, 32]},
            "activation_fn": nn.ReLU,
            "optimizer_kwargs": {"eps": 1e-5},
        },
    )
    policy = theirs.policy
    pairs = zip(their_layers(policy), our_layers(model), strict=True)
    with torch.no_grad():
        for layer, ours in pairs:
            layer.weight.copy_(ours.weight)
            layer.bias.copy_(ours.bias)
    policy.log_std = nn.Parameter(model.log_deviation.detach().clone())
    parametrize.register_parametrization(policy, "log_std", OneDeviation(), unsafe=True)
    policy.optimizer = torch.optim.Adam(policy.parameters(), lr=RATE, eps=1e-5)
    return theirs


def their_layers(policy: Any) -> list[Any]:
    actor = [layer for layer in policy.mlp_extractor.policy_net if isinstance(layer, nn.Linear)]
    critic = [layer for layer in policy.mlp_extractor.value_net if isinstance(layer, nn.Linear)]
    return [*actor, policy.action_net, *critic, policy.value_net]


def our_layers(model: ActorCritic) -> list[Any]:
    return [layer for layer in model.modules() if isinstance(layer, nn.Linear)]


def difference(theirs: Any, model: ActorCritic) -> float:
    """The largest difference of any weight, deviations included."""
    pairs = zip(their_layers(theirs.policy), our_layers(model), strict=True)
    weights = [(a.weight - b.weight, a.bias - b.bias) for a, b in pairs]
    deviation = theirs.policy.log_std[:4] - model.log_deviation
    return max(float(one.detach().abs().max()) for one in [deviation, *sum(weights, ())])


def test_one_agent_with_one_replica_is_a2c(config: Aac) -> None:
    """Same start, same noise, 12 episodes, 48 updates; a wrong discount is off by far more."""

    def trained(discount: float) -> GlobalAgent:
        config.discount = discount
        training = GlobalAgent(config, lambda replicas, *_: environment(replicas), 0)
        for _ in range(EPISODES):
            training.advance()
        return training

    start = GlobalAgent(config, lambda replicas, *_: environment(replicas), 0).model
    theirs = a2c(start)
    assert difference(theirs, start) == 0.0
    torch.manual_seed(torch_seed(0))  # as the agent's noise
    theirs.learn(EPISODES * EPISODE)
    ours = trained(0.9).model
    assert difference(theirs, start) > 1e-2
    assert difference(theirs, ours) < 1e-4
    assert difference(theirs, trained(0.8).model) > 1e-3


def test_an_episode_goes_on_bit_for_bit(config: Aac) -> None:
    def training() -> GlobalAgent:
        return GlobalAgent(config, lambda replicas, *_: environment(replicas), 3)

    whole, first, second = training(), training(), training()
    for _ in range(4):
        whole.advance()
    for _ in range(2):
        first.advance()
    second.load_state_dict(first.state_dict())
    for _ in range(2):
        second.advance()
    ours, theirs = whole.state_dict(), second.state_dict()
    assert ours["steps"] == theirs["steps"] == 4 * EPISODE
    for name, parameter in ours["model"].items():
        assert torch.equal(parameter, theirs["model"][name])
    assert torch.equal(ours["noise"], theirs["noise"])


def test_rollouts_end_with_the_episode(config: Aac) -> None:
    """20 slots in rollouts of 8: 8, 8, 4; the value of the last state is counted, as it goes on."""
    config.t_max = 8
    agent = LearningAgent(config, lambda *_: environment(), 0)
    shared = agent.model
    assert [agent.work(shared).steps for _ in range(4)] == [8, 8, 4, 8]


def test_a_gradient_that_is_no_number_changes_nothing(config: Aac) -> None:
    training = GlobalAgent(config, lambda *_: environment(), 0)
    before = {name: value.clone() for name, value in training.model.state_dict().items()}
    gradients = [torch.full_like(one, torch.nan) for one in training.model.parameters()]
    with pytest.raises(TrainingError, match="norm of a gradient"):
        training.apply(Update(gradients, 5, {}))
    assert training.steps == 0
    after = training.model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_the_density_is_that_of_a_normal_distribution(config: Aac) -> None:
    """Up to its constant, for which torch's own distribution is asked."""
    model = ActorCritic(config, DEVICES, 17, 4)
    generator = torch.Generator().manual_seed(2)
    mean, logits = torch.randn(2, 3, DEVICES, 4, generator=generator)
    normal = torch.distributions.Normal(mean, model.log_deviation.exp())
    constant = DEVICES * 4 * 0.5 * np.log(2.0 * np.pi)
    ours = model.log_density(mean, logits) - constant
    assert torch.allclose(ours, normal.log_prob(logits).sum(dim=(1, 2)), atol=1e-5)  # type: ignore[no-untyped-call]
    entropy = normal.entropy()[0].sum() - DEVICES * 4 * 0.5 * (1.0 + np.log(2.0 * np.pi))  # type: ignore[no-untyped-call]
    assert model.entropy(DEVICES).item() == pytest.approx(entropy.item(), abs=1e-5)


class InTurn:
    """A learning agent that works in this process, whenever the global agent asks."""

    sent: ClassVar[list[Update]] = []

    def __init__(self, make_agent: Any, shared: ActorCritic) -> None:
        self.connection, self._other = Pipe()
        self._agent, self._shared = make_agent(), shared
        self.resume()

    def resume(self) -> None:
        self._other.send(None)

    def receive(self) -> Update:
        self.connection.recv()
        update: Update = self._agent.work(self._shared)
        kept = [gradient.clone() for gradient in update.gradients]
        self.sent.append(update._replace(gradients=kept))
        return update

    def close(self) -> None:
        self._agent.close()


def test_the_global_agent_takes_every_agents_updates(
    config: Aac, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Algorithm 3: each gradient is a step of its own of Adam, at the rates of that time."""
    monkeypatch.setattr(aac, "RemoteAgent", InTurn)
    InTurn.sent.clear()
    config.workers, config.steps, config.final_rate = 3, 6 * EPISODE, 0.1
    training = GlobalAgent(config, lambda *_: environment(), 0)
    expected = [parameter.detach().clone() for parameter in training.model.parameters()]
    training.advance()
    assert training.steps == 3 * EPISODE
    assert len(InTurn.sent) == 3 * EPISODE // T_MAX
    # Three agents whose episodes differ.
    assert len({update.means["reward"] for update in InTurn.sent}) == len(InTurn.sent)
    adam = torch.optim.Adam(expected, lr=RATE, eps=1e-5)
    for number, update in enumerate(InTurn.sent):
        left = 1.0 - 0.9 * number * T_MAX / config.steps
        adam.param_groups[0]["lr"] = RATE * left
        for parameter, gradient in zip(expected, update.gradients, strict=True):
            parameter.grad = gradient
        nn.utils.clip_grad_norm_(expected, config.norm)
        adam.step()
    for parameter, ours in zip(expected, training.model.parameters(), strict=True):
        torch.testing.assert_close(parameter, ours.detach())
    training.close()


@pytest.fixture
def two_agents() -> Iterator[GlobalAgent]:
    config = Aac(workers=2, replicas=4, hidden=[16], t_max=T_MAX, episode_slots=EPISODE)
    scenario = load_scenario("iiot_20dev", SMALL)
    training = GlobalAgent(config, partial(make_environment, scenario), 5)
    yield training
    training.close()


@pytest.mark.slow
def test_every_update_of_several_agents_is_applied_once(two_agents: GlobalAgent) -> None:
    """The optimiser counts as many steps as there were updates, of 4 replicas and 5 slots each."""
    start = [one.clone() for one in two_agents.actor.parameters()]
    means = two_agents.advance()
    assert np.isfinite(list(means.values())).all()
    assert two_agents.steps == 2 * 4 * EPISODE
    counted = {int(one["step"]) for one in two_agents.state_dict()["optimiser"]["state"].values()}
    assert counted == {two_agents.steps // (4 * T_MAX)}
    assert all(
        not torch.equal(a, b) for a, b in zip(start, two_agents.actor.parameters(), strict=True)
    )


@pytest.mark.slow
def test_it_learns_to_offload() -> None:
    """On the small network, beyond all-local and random, within a minute."""
    config = Aac(workers=1, replicas=32, steps=64_000, t_max=T_MAX, hidden=[32, 32])
    scenario = load_scenario("iiot_20dev", SMALL)
    training = GlobalAgent(config, partial(make_environment, scenario), 1)
    while training.steps < config.steps:
        last = training.advance()["reward"]
    env = make_environment(scenario, 32, config.episode_slots)
    shape = (config.episode_slots, 32, DEVICES, 4)
    local = np.zeros(shape)
    local[..., 0] = -1.0
    for actions in (np.random.default_rng(1).uniform(-1.0, 1.0, shape), local):
        env.reset(seed=1)
        assert last > np.mean([env.step(action)[1] for action in actions]) + 0.2


def test_seeds_of_trainings_give_other_weights() -> None:
    """Trainings have seeds that differ above the 32 bits that torch looks at."""
    drawn = []
    for seed in (1 << 32, 2 << 32, 2 << 32):
        with seeded(seed):
            drawn.append(torch.rand(4))
    assert not torch.equal(drawn[0], drawn[1])
    assert torch.equal(drawn[1], drawn[2])
