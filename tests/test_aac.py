"""AAC: with one agent of one replica it is Stable-Baselines3's A2C; with several none is lost."""

import signal
import time
from collections.abc import Iterator
from functools import partial
from multiprocessing import Pipe
from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import numpy as np
import pytest
import torch
from conftest import run_script
from torch import nn

from edgesim.experiments.train import make_environment
from edgesim.policies.learning import aac, aac_workers
from edgesim.policies.learning.aac import Aac, ActorCritic, GlobalAgent, LearningAgent
from edgesim.policies.learning.aac_workers import RemoteAgent, Update
from edgesim.policies.learning.seeding import seeded, torch_seed
from edgesim.policies.learning.trainable import TrainingError
from edgesim.scenarios.loading import load_scenario

DEVICES, FEATURES, ACTIONS = 4, 7, 3
SMALL = [f"devices.count={DEVICES}", "stations.sbs.count=1", "run.slots=20"]
T_MAX, EPISODE, EPISODES = 5, 20, 12
RATE = 1e-3


class Drifting:
    """A state that drifts with the actions, and a reward that is better the nearer they are to it."""

    single_observation_space = gymnasium.spaces.Box(-5.0, 5.0, (DEVICES, FEATURES), np.float32)
    single_action_space = gymnasium.spaces.Box(-1.0, 1.0, (DEVICES, ACTIONS), np.float32)
    seeds: ClassVar[list[int]] = []

    def __init__(self, replicas: int = 1, slots: int = EPISODE, *others: Any) -> None:
        self._replicas, self._slots = replicas, slots

    def reset(self, seed: int) -> tuple[Any, dict[str, Any]]:
        self.seeds.append(seed)
        self._rng, self._slot = np.random.default_rng(seed), 0
        shape = (self._replicas, DEVICES, FEATURES)
        self._state = self._rng.uniform(-1.0, 1.0, shape).astype(np.float32)
        return self._state, {}

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        assert self._slot < self._slots  # else a reset is due
        reward = -np.square(action - self._state[..., :ACTIONS]).mean(axis=(1, 2), dtype=np.float64)
        noise = self._rng.uniform(-1.0, 1.0, self._state.shape).astype(np.float32)
        self._state = np.float32(0.5) * (self._state + noise)
        self._state[..., :ACTIONS] += np.float32(0.2) * action
        self._slot += 1
        over = np.full(self._replicas, self._slot == self._slots)
        return self._state, reward, ~over & over, over, {}

    def close(self) -> None:
        """Nothing is held."""


def environment(replicas: int = 1) -> Drifting:
    return Drifting(replicas)


class OnLogits(gymnasium.Env[Any, Any]):
    """The same environment for A2C, which knows no squashing: its actions are logits.

    Episode k has seed k, as the learning agent's.
    """

    observation_space = gymnasium.spaces.Box(-5.0, 5.0, (DEVICES * FEATURES,), np.float32)
    action_space = gymnasium.spaces.Box(-100.0, 100.0, (DEVICES * ACTIONS,), np.float32)

    def __init__(self) -> None:
        self.env = environment()
        self.episode = 0

    def reset(self, **_: Any) -> tuple[Any, dict[str, Any]]:
        observation, _ = self.env.reset(seed=self.episode)
        self.episode += 1
        return observation.reshape(-1), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        squashed = torch.tanh(torch.from_numpy(action).view(1, DEVICES, ACTIONS)).numpy()
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
        norm=0.5,
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


def our_layers(model: nn.Module) -> list[Any]:
    return [layer for layer in model.modules() if isinstance(layer, nn.Linear)]


def difference(theirs: Any, model: ActorCritic) -> float:
    """The largest difference of any weight, deviations included."""
    pairs = zip(their_layers(theirs.policy), our_layers(model), strict=True)
    weights = [(a.weight - b.weight, a.bias - b.bias) for a, b in pairs]
    deviation = theirs.policy.log_std[:ACTIONS] - model.log_deviation
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

    cpu_s = 2.5
    sent: ClassVar[list[Update]] = []
    senders: ClassVar[list[Any]] = []

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
        self.senders.append(self)
        return update

    def close(self) -> None:
        self._agent.close()


def test_the_global_agent_takes_every_agents_updates(
    config: Aac, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Algorithm 3: each gradient is a step of its own of Adam, at the rates of that time."""
    monkeypatch.setattr(aac, "RemoteAgent", InTurn)
    InTurn.sent.clear()
    InTurn.senders.clear()
    config.workers, config.steps, config.final_rate = 3, 6 * EPISODE, 0.1
    training = GlobalAgent(config, lambda *_: environment(), 0)
    expected = [parameter.detach().clone() for parameter in training.model.parameters()]
    training.advance()
    assert training.steps == 3 * EPISODE
    assert len(InTurn.sent) == 3 * EPISODE // T_MAX
    assert training.cpu_s == 3 * 2.5
    # Three agents, none of which waits for another, whose episodes differ.
    turns = [InTurn.senders.count(one) for one in set(InTurn.senders)]
    assert turns == [EPISODE // T_MAX] * 3
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


def test_no_two_episodes_of_any_replicas_have_a_seed_in_common(
    config: Aac, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replica r of seed s has seed s + r: three agents of two replicas, two episodes of each, and on."""
    monkeypatch.setattr(aac, "RemoteAgent", InTurn)
    config.workers, config.replicas = 3, 2

    def seeds(training: GlobalAgent) -> list[int]:
        monkeypatch.setattr(Drifting, "seeds", [])
        for _ in range(2):
            training.advance()
        training.close()
        return sorted(seed + r for seed in Drifting.seeds for r in range(2))

    first = GlobalAgent(config, Drifting, 100)
    assert seeds(first) == list(range(100, 112))
    second = GlobalAgent(config, Drifting, 100)
    second.load_state_dict(first.state_dict())
    assert seeds(second) == list(range(112, 124))


class Still(Drifting):
    """Nothing to see, and in each slot of an episode one less to get."""

    def reset(self, seed: int) -> tuple[Any, dict[str, Any]]:
        super().reset(seed)
        return np.zeros_like(self._state), {}

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        state, _, terminated, truncated, info = super().step(action)
        return (
            np.zeros_like(state),
            np.full(self._replicas, 1.0 - self._slot),
            *(
                terminated,
                truncated,
                info,
            ),
        )


def test_means_are_over_steps(config: Aac) -> None:
    """Rewards 0, -1, … -19 in rollouts of 8, 8 and 4: their mean is -9.5, that of rollouts' means not."""
    config.t_max = 8
    training = GlobalAgent(config, Still, 0)
    assert training.advance()["reward"] == pytest.approx(-9.5)
    assert training.steps == EPISODE


def test_the_penalty_on_logits_pulls_them_to_zero(config: Aac) -> None:
    """Of equal states, mean square's slope at each of the last biases: 2 logit / (N A)."""
    shared = ActorCritic(config, DEVICES, FEATURES, ACTIONS)
    with torch.no_grad():
        our_layers(shared.actor)[-1].bias.add_(torch.linspace(-1.0, 2.0, DEVICES * ACTIONS))
        logits = shared.actor.logits(torch.zeros(1, DEVICES, FEATURES)).flatten()
    slopes = []
    for weight in (0.0, 1.0):
        config.logit_penalty = weight
        agent = LearningAgent(config, Still, 0)
        agent.work(shared)
        slopes.append(our_layers(agent.model.actor)[-1].bias.grad)
    torch.testing.assert_close(
        slopes[1] - slopes[0], 2.0 * logits / (DEVICES * ACTIONS), rtol=1e-4, atol=1e-5
    )


def test_a_gradient_that_is_too_long_is_scaled_down(config: Aac) -> None:
    """Of length 100 and then of 0.25, of which 0.5 is the most: as if the first had been of 0.5."""
    first, second = (GlobalAgent(config, Drifting, 0) for _ in range(2))
    direction = [torch.ones_like(one) for one in first.model.parameters()]
    length = sum(one.numel() for one in direction) ** 0.5
    for training, lengths in ((first, (100.0, 0.25)), (second, (0.5, 0.25))):
        for wanted in lengths:
            training.apply(Update([wanted / length * one for one in direction], 5, {}))
    for one, other in zip(first.model.parameters(), second.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0.0, atol=1e-6)


@pytest.mark.parametrize("gone", [EOFError, BrokenPipeError, ConnectionResetError])
def test_an_agents_process_hands_over_its_gradients(
    monkeypatch: pytest.MonkeyPatch, gone: type[Exception]
) -> None:
    """It copies them to where the global agent looks, tells so, and waits; a failure is told as text.

    The line is reset where the global agent has ended without reading what was sent.
    """
    handlers = dict[int, Any]()
    monkeypatch.setattr(signal, "signal", handlers.__setitem__)
    monkeypatch.setattr(time, "process_time", lambda: 12.5)
    sent: list[Any] = []

    class Connection:
        def send(self, message: Any) -> None:
            sent.append(message)

        def recv(self) -> None:
            raise gone  # as is the global agent

    class Agent:
        def work(self, shared: nn.Module) -> Update:
            if not isinstance(shared, nn.Linear):
                raise TrainingError("a loss is nan")
            return Update([torch.full((1, 2), 3.0), torch.full((1,), 4.0)], 40, {"reward": -1.0})

    shared = nn.Linear(2, 1)
    gradients = [torch.zeros(1, 2), torch.zeros(1)]
    for model in (shared, nn.Identity()):
        aac_workers._learn(Connection(), Agent, model, gradients)  # type: ignore[arg-type]
    assert [one.tolist() for one in gradients] == [[[3.0, 3.0]], [4.0]]
    assert handlers == dict.fromkeys((signal.SIGINT, signal.SIGTERM), signal.SIG_IGN)
    assert sent == [Update((), 40, {"reward": -1.0}, 12.5), "TrainingError: a loss is nan"]


def test_environments_are_those_of_the_policy(config: Aac) -> None:
    made = []

    def make(*asked: Any) -> Drifting:
        made.append(asked)
        return Drifting(*asked)

    config.replicas, config.limit_weight = 3, 2.5
    config.action, config.energy_price = "paper", 0.5
    LearningAgent(config, make, 0)
    assert made == [(3, EPISODE, 2.5, "paper", 0.5)]


def test_a_script_without_a_guard_is_not_run_again_by_the_agents(tmp_path: Path) -> None:
    """`if __name__ == "__main__"` is what nobody writes in the first hour."""
    keys = ["devices.count=2", "policy.workers=2", "policy.replicas=1", "policy.hidden=[4]"]
    keys += ["policy.episode_slots=4", "policy.steps=16", "policy.t_max=4", "policy.action=paper"]
    told = run_script(
        tmp_path,
        "import edgesim\nprint('begun')\n"
        f"scenario = edgesim.load_scenario('iiot_20dev', {keys}, policy='aac')\n"
        "print(edgesim.train(scenario, 'out').complete)\n",
    )
    assert told.stdout.split() == ["begun", "True"] and told.stderr == ""


def test_what_no_other_process_can_have_is_said_to_be_so() -> None:
    with pytest.raises(TrainingError, match=r"process of its own: .*; with policy\.workers = 1"):
        RemoteAgent(lambda: pytest.fail(), nn.Linear(2, 1))


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
