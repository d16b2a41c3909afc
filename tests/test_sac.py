"""SAC against Stable-Baselines3's, its density against torch's and an integral, and its temperature."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_ddpg import (
    ACTIONS,
    BATCH,
    DEVICES,
    FEATURES,
    HIDDEN,
    Bandit,
    Blank,
    Prepared,
    batches,
    copy_weights,
    difference,
    in_their_shapes,
    linear_layers,
)
from torch import Tensor, distributions, nn

from edgesim.policies.learning.checkpoint import FORMAT, check_alike, read, write
from edgesim.policies.learning.sac import GaussianActor, Sac, SacLearner
from edgesim.policies.learning.trainable import NetworkKind
from edgesim.policies.registry import make_policy
from edgesim.scenarios.errors import ScenarioError
from edgesim.scenarios.loading import load_scenario
from edgesim.simulator.assembly.build import blueprint


def blank(config: Sac) -> SacLearner:
    """A learner to be given batches."""
    return SacLearner(config, lambda *_: Blank(), 0)


def in_turn(mean: nn.Linear, log_deviation: nn.Linear) -> nn.Linear:
    """Their two last layers as one, which has each device's means and then its deviations."""
    joined = nn.Linear(mean.in_features, 2 * mean.out_features).double()
    with torch.no_grad():
        for name in ("weight", "bias"):
            parts = [
                getattr(one, name).reshape(DEVICES, ACTIONS, -1) for one in (mean, log_deviation)
            ]
            getattr(joined, name).copy_(torch.cat(parts, 1).view_as(getattr(joined, name)))
    return joined


def as_ours(actor: Any) -> nn.Sequential:
    """Their actor's layers."""
    return nn.Sequential(*linear_layers(actor.latent_pi), in_turn(actor.mu, actor.log_std))


def test_an_update_is_that_of_stable_baselines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Same start weights, batches and noise, in double precision.

    It adds 1e-6 where 1 - tanh(u)^2 may be zero, ours has no need to; and its temperature comes first, but
    what it is used for in a step is its value before.
    """
    from stable_baselines3 import SAC
    from stable_baselines3.common import policies
    from stable_baselines3.common.logger import Logger

    config = Sac(network="flat", hidden=HIDDEN, temperature=0.5, rate=1e-3, discount=0.9)
    theirs = SAC(
        "MlpPolicy",
        Blank(),
        learning_rate=1e-3,
        tau=config.soft_update,
        gamma=config.discount,
        batch_size=BATCH,
        buffer_size=1,
        ent_coef="auto_0.5",
        policy_kwargs={"net_arch": HIDDEN},
        seed=0,
        device="cpu",
    )
    theirs.set_logger(Logger(None, []))
    theirs.policy.double()
    their_log: Any = theirs.log_ent_coef
    their_log.data = their_log.data.double()
    their_distribution: Any = theirs.actor.action_dist
    their_distribution.epsilon = 0.0
    ours = blank(config)
    start: dict[nn.Module, nn.Module] = {
        ours.actor: as_ours(theirs.actor),
        ours.critic: theirs.critic,
        ours.target_critic: theirs.critic,
    }
    for mine, their in start.items():
        mine.double()
        copy_weights(their, mine)
    ours.temperature.double()
    # It rounds to single.
    monkeypatch.setattr(policies, "preprocess_obs", lambda state, *_, **__: state)
    rng = np.random.default_rng(1)
    noises: list[Any] = []  # of the states and of the next ones, the order in which it draws them
    monkeypatch.setattr(
        distributions.normal, "_standard_normal", lambda *_, **__: noises.pop(0).flatten(1)
    )
    monkeypatch.setattr(ours, "_drawn", lambda count: noises.pop(1 if len(noises) == 2 else 0))

    for batch in batches(1, torch.float64)[:20]:
        drawn = [torch.from_numpy(rng.standard_normal((BATCH, DEVICES, ACTIONS))) for _ in range(2)]
        theirs.replay_buffer = Prepared(in_their_shapes(batch))  # type: ignore[assignment]
        noises[:] = drawn
        theirs.train(gradient_steps=1, batch_size=BATCH)
        noises[:] = drawn
        told, their_told = ours.update(batch), theirs.logger.name_to_value
        for name, their_name in (
            ("critic_loss", "critic_loss"),
            ("actor_loss", "actor_loss"),
            ("temperature", "ent_coef"),
        ):
            assert told[name] == pytest.approx(their_told[f"train/{their_name}"], rel=1e-6)
    assert difference(ours.actor, as_ours(theirs.actor)) < 1e-8
    assert difference(ours.critic, theirs.critic) < 1e-8
    assert difference(ours.target_critic, theirs.critic_target) < 1e-8
    assert ours.temperature.log.item() == pytest.approx(their_log.item(), abs=1e-8)
    # And all have moved by much more than that.
    assert difference(ours.critic, ours.target_critic) > 5e-3
    assert difference(ours.actor, start[ours.actor]) > 5e-3
    assert abs(their_log.item() - np.log(0.5)) > 5e-3


def an_actor(kind: NetworkKind = "shared", devices: int = DEVICES) -> GaussianActor:
    """With means and deviations of all kinds."""
    torch.manual_seed(2)
    actor = GaussianActor(kind, (16,), devices, FEATURES, ACTIONS).double()
    with torch.no_grad():
        linear_layers(actor)[-1].weight.mul_(300.0)
    return actor


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


@pytest.mark.parametrize("kind", ["flat", "shared"])
def test_the_density_is_that_of_a_transformed_normal(kind: NetworkKind) -> None:
    """Of torch's distributions; and it is no infinity where tanh has no slope in these digits."""
    actor, s = an_actor(kind), normal(50, DEVICES, FEATURES)
    mean, log_deviation = actor.normal(s)
    assert log_deviation.std() > 0.1 and mean.std() > 0.1
    assert torch.equal(actor(s), torch.tanh(mean))  # acts by its mean
    action, log_density = actor.sample(s, 0.5 * normal(50, DEVICES, ACTIONS))
    tanh = distributions.TanhTransform()
    expected = distributions.TransformedDistribution(
        distributions.Normal(mean, log_deviation.exp()), [tanh]
    )
    density = expected.log_prob(action)  # type: ignore[no-untyped-call]
    torch.testing.assert_close(log_density, density.sum(dim=(1, 2)))
    with torch.no_grad():
        linear_layers(actor)[-1].bias.fill_(30.0)
    far, log_density = actor.sample(s, torch.zeros_like(action))
    assert far.max() == 1.0 and log_density.isfinite().all()
    assert actor.normal(s)[1].max() == 2.0


def test_the_density_of_one_number_is_one_in_all() -> None:
    """Over (-1, 1), by Gauss-Legendre; its mean is that of many samples."""
    nodes, weights = np.polynomial.legendre.leggauss(400)
    actor = GaussianActor("shared", (8,), 1, 1, 1).double()
    with torch.no_grad():
        linear_layers(actor)[-1].weight.zero_()
        linear_layers(actor)[-1].bias.copy_(
            torch.tensor([0.4, -0.7], dtype=torch.float64)
        )  # mean and ln(deviation)
    s = torch.ones((len(nodes), 1, 1), dtype=torch.float64)
    noise = torch.from_numpy((np.arctanh(nodes) - 0.4) / np.exp(-0.7))[:, None, None]
    action, log_density = actor.sample(s, noise)
    np.testing.assert_allclose(action.detach().numpy().ravel(), nodes)
    density = log_density.detach().exp().numpy()
    assert weights @ density == pytest.approx(1.0, abs=1e-9)
    many = actor.sample(torch.ones(100_000, 1, 1).double(), normal(100_000, 1, 1))[0]
    assert weights @ (nodes * density) == pytest.approx(many.mean().item(), abs=5e-3)


def test_who_is_absent_counts_for_nothing() -> None:
    """In the density, and in what the temperature aims at."""
    actor, s, noise = an_actor(), normal(3, DEVICES, FEATURES), normal(3, DEVICES, ACTIONS)
    s[0, 1], s[1] = 0.0, 0.0
    there = [n for n in range(DEVICES) if n != 1]
    found = actor.sample(s, noise)[1]
    alone = an_actor(devices=len(there)).sample(s[:1, there], noise[:1, there])[1]
    torch.testing.assert_close(found[:1], alone)
    assert found[1] == 0.0
    noise[0, 1] += 1.0
    assert torch.equal(actor.sample(s, noise)[1], found)
    # As SGD, it shows its slope: (log pi + aimed at) of the batch, which is aimed at for 11 devices of 18.
    slopes = []
    for target in (0.0, -2.0):
        learner = blank(Sac(hidden=[8], target_entropy=target))
        learner.temperature_optimiser = torch.optim.SGD(learner.temperature.parameters(), lr=1e-3)  # type: ignore[assignment]
        learner.update((s.float(), noise.float().tanh(), torch.zeros(3), s.float()))
        slopes.append(learner.temperature.log.item() / 1e-3)
    assert slopes[1] - slopes[0] == pytest.approx(-2.0 * ACTIONS * (5 + 6) / 3, rel=1e-3)


def test_the_loop_samples_from_the_policy() -> None:
    """Line 5: normal before tanh, with the actor's means and deviations; uniform in the warm-up."""
    done: list[Any] = []

    class Noted(Bandit):
        def step(self, action: Any) -> Any:
            done.append((self._state.copy(), action))
            return super().step(action)

    config = Sac(hidden=[8], replicas=4000, warmup=4000, episode_slots=2, episodes=1, updates=1)
    learner = SacLearner(config, Noted, 1)
    learner.update = lambda batch: {}  # type: ignore[method-assign]
    with torch.no_grad():
        linear_layers(learner.actor)[-1].weight.mul_(300.0)
    learner.advance()
    (_, first), (state, second) = done
    assert np.std(first) == pytest.approx(3**-0.5, rel=0.02) and np.abs(first).max() <= 1.0
    with torch.inference_mode():
        mean, log_deviation = learner.actor.normal(torch.from_numpy(state))
    standard = (np.arctanh(second.astype(float)) - mean.numpy()) / log_deviation.exp().numpy()
    assert np.mean(standard) == pytest.approx(0.0, abs=0.02)  # three standard errors
    assert np.std(standard) == pytest.approx(1.0, abs=0.02)


@pytest.mark.slow
def test_learns_what_is_best() -> None:
    """As DDPG in its test; and the temperature finds the entropy that is aimed at, from above."""
    config = Sac(
        hidden=[24, 24],
        episodes=20,
        episode_slots=40,
        replicas=16,
        batch=64,
        discount=0.0,
        soft_update=0.01,
        rate_decay=0.9,
        warmup=320,
        rate=1e-2,
        temperature=0.005,
    )
    learner = config.learner(Bandit, seed=1)
    told: Mapping[str, float] = {}
    while learner.steps < config.steps:
        told = learner.advance()
    env = Bandit(2000, 1, 1.0)
    state, _ = env.reset(seed=99)
    with torch.inference_mode():
        action = learner.actor(torch.from_numpy(state)).numpy()
    assert told["entropy"] == pytest.approx(-6.0, abs=0.5)  # of three devices' two numbers
    assert float(env.cost(action).mean()) < 0.01


@pytest.mark.parametrize(("target", "sign"), [(1.0, 1.0), (-1.0, -1.0)])
def test_the_temperature_moves_towards_the_entropy_that_is_aimed_at(
    target: float, sign: float
) -> None:
    """The first policy's entropy is between: too little of it, and it is worth more; too much, and less."""
    learner = blank(Sac(hidden=[8], target_entropy=target))
    batch = batches(4, torch.float32)[0]
    told = [learner.update(batch) for _ in range(5)]
    assert sign * (target - told[0]["entropy"] / (DEVICES * ACTIONS)) > 0.0
    steps = np.diff([one["temperature"] for one in told])
    assert told[0]["temperature"] == pytest.approx(0.01) and (sign * steps > 0.0).all()


def test_files_that_are_damaged_or_of_others_are_refused(tmp_path: Path) -> None:
    def policy(name: str) -> tuple[Any, Any]:
        keys = ["policy.hidden=[8]", f'policy.checkpoint="{tmp_path / "one.pt"}"']
        scenario = load_scenario("carbon_6ue", keys, policy=name)
        return make_policy(scenario), blueprint(scenario).problem

    def refused(name: str, saved: dict[str, Any]) -> str:
        write(tmp_path / "one.pt", saved)
        one, problem = policy(name)
        with pytest.raises(ValueError) as error:
            one.load(problem)
        return str(error.value)

    sac, problem = policy("sac")
    sac.init_random(problem, 1)
    sac.save(tmp_path / "one.pt", problem, "none")
    good = read(tmp_path / "one.pt", FORMAT)
    assert 'policy = "sac", the scenario "ddpg"' in refused("ddpg", good)
    assert 'policy = "ddpg", the scenario "sac"' in refused("sac", good | {"policy": "ddpg"})
    actor = good["actor"]
    name, last = list(actor.items())[-1]
    # The bias of a layer that has no deviations, as other actors' have.
    half = actor | {name: last[: len(last) // 2]}
    assert "one.pt: the checkpoint is damaged" in refused("sac", good | {"actor": half})
    nothing = actor | {name: torch.full_like(last, torch.nan)}
    assert "has no numbers" in refused("sac", good | {"actor": nothing})
    fewer = {one: weight for one, weight in actor.items() if one != name}
    assert "the checkpoint is damaged" in refused("sac", good | {"actor": fewer})
    head = good["architecture"] | {"head": "paper"}
    assert "the checkpoint is damaged" in refused("sac", good | {"architecture": head})
    (tmp_path / "one.pt").write_bytes((tmp_path / "one.pt").read_bytes()[:500])
    one, problem = policy("sac")
    with pytest.raises(ValueError, match="is not a checkpoint"):
        one.load(problem)


def test_all_learn_at_one_rate() -> None:
    learner = blank(Sac(hidden=[8], rate=2e-3))
    rates = [getattr(learner, name).param_groups[0]["lr"] for name in learner.optimisers]
    assert rates == [2e-3] * 3


def test_more_entropy_than_there_is_cannot_be_aimed_at() -> None:
    """The temperature would grow for ever."""
    keys = ["policy.target_entropy=0.7"]
    with pytest.raises(ScenarioError, match=r"target_entropy.*0\.7.*0\.69"):
        make_policy(load_scenario("carbon_6ue", keys, policy="sac"))


def test_a_training_keeps_its_temperature_and_refuses_another_form_of_it() -> None:
    learner = blank(Sac(hidden=[8]))
    learner.update(batches(4, torch.float32)[0])
    state, fresh = learner.state_dict(), blank(Sac(hidden=[8])).state_dict()
    kept = state["agent"]["temperature"]["log"]
    assert kept == learner.temperature.log and kept != fresh["agent"]["temperature"]["log"]
    again = blank(Sac(hidden=[8]))
    check_alike(state, fresh)
    again.load_state_dict(state)
    assert again.temperature.log == kept
    for bad in (torch.zeros(2), torch.tensor(torch.nan), 0.0):
        state["agent"]["temperature"]["log"] = bad
        with pytest.raises(ValueError, match="temperature"):
            check_alike(state, fresh)
