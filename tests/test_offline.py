"""Runs as offline data sets of Minari's: what is in them, and an agent that learns from them."""

import json
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from click.testing import CliRunner
from untrained import save_untrained

import edgesim
from edgesim.cli import main
from edgesim.experiments.errors import ArgumentError
from edgesim.policies.learning.inverse_encoding import action_of, difference
from edgesim.policies.learning.registration import STREAM, TASKS
from edgesim.scenarios.loading import load_scenario
from edgesim.simulator.core.errors import RunError

minari = pytest.importorskip("minari")
edgesim.register_envs()
CARBON = ["energy.theta_0=1e-28", 'tasks.cycles=["1000 Mcycles", "1500 Mcycles"]', "run.slots=4"]
"""Where `exact` offloads some devices."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    return tmp_path


def recorded(folder: Path, scenario: str, policy: str, *overrides: str, **keywords: Any) -> Path:
    path = folder / f"{policy}.h5"
    keywords = {"seed": 5, "replications": 2} | keywords
    edgesim.run(scenario, path, policy=policy, overrides=overrides, **keywords).close()
    return path


def written(path: Path, name: str) -> Any:
    edgesim.export_minari(path, name)
    return minari.load_dataset(name)


@pytest.mark.parametrize(
    ("scenario", "policy", "overrides"),
    [
        ("iiot_20dev", "aac", ("run.slots=6", "policy.checkpoint=aac_iiot_20dev")),
        ("iiot_20dev", "lyapunov", ("run.slots=6",)),
        ("sumo_crossing", "random", ("run.slots=30",)),
        ("carbon_6ue", "random", ("run.slots=3",)),
    ],
)
def test_a_data_set_is_what_its_environment_does(
    folder: Path, scenario: str, policy: str, overrides: tuple[str, ...]
) -> None:
    """The environment that the data set names, its seeds and actions give all that is in it, bit for bit."""
    dataset = written(recorded(folder, scenario, policy, *overrides), "edgesim/some/thing-v3")
    assert (dataset.total_episodes, dataset.storage.metadata["algorithm_name"]) == (2, policy)
    env = dataset.recover_environment()
    episodes = list(dataset.iterate_episodes())
    seeds = [one["seed"] for one in dataset.storage.get_episode_metadata(range(2))]
    about = dataset.storage.metadata["edgesim"]
    assert seeds == about["seeds"] == [5, 6]
    assert (about["policy"], about["edgesim_version"]) == (policy, edgesim.__version__)
    for seed, episode in zip(seeds, episodes, strict=True):
        seen, _ = env.reset(seed=seed)
        assert np.array_equal(seen, episode.observations[0])
        for t, action in enumerate(episode.actions):
            assert env.action_space.contains(action)
            seen, reward, terminated, truncated, info = env.step(action)
            assert np.array_equal(seen, episode.observations[t + 1])
            assert reward == episode.rewards[t]
            assert (terminated, truncated) == (episode.terminations[t], episode.truncations[t])
            for key, column in episode.infos.items():
                known = info.get(key, np.nan)
                assert np.array_equal(column[t + 1], known, equal_nan=True), key
        assert truncated
        assert all(np.isnan(column[0]).all() for column in episode.infos.values())
        assert not set(info) - set(episode.infos)


@pytest.mark.parametrize(
    ("scenario", "policy", "overrides", "number"),
    [
        ("iiot_20dev", "aac", ("run.slots=6", "policy.checkpoint=aac_iiot_20dev"), "objective"),
        ("carbon_6ue", "ddpg", (*CARBON, "policy.checkpoint=ddpg_carbon_6ue"), ""),
    ],
)
def test_a_learners_data_set_is_its_run(
    folder: Path, scenario: str, policy: str, overrides: tuple[str, ...], number: str
) -> None:
    """Bit for bit: its own actions are in it, and not some that stand for its decisions."""
    path = recorded(folder, scenario, policy, *overrides)
    dataset = written(path, "own-v0")
    number = number or "worst_emission_mg"
    found = [episode.infos[number][1:] for episode in dataset.iterate_episodes()]
    with edgesim.open_trace(path) as trace:
        assert np.array_equal(np.stack(found), trace.slots[number].values)
    about = dataset.storage.metadata["edgesim"]
    assert (about["actions"], about["action_difference"]) == ("the policy's own", {})


def test_a_data_set_of_printed_actions_is_of_an_environment_that_takes_them(folder: Path) -> None:
    keys = ("policy.action=paper", f"policy.checkpoint={folder}/printed.pt")
    save_untrained(load_scenario("iiot_20dev", keys[:1], policy="ddpg"), folder / "printed.pt")
    path = recorded(folder, "iiot_20dev", "ddpg", "run.slots=4", *keys)
    edgesim.export_minari(path, "printed-v0", trust=True)
    dataset = minari.load_dataset("printed-v0")
    assert dataset.storage.metadata["edgesim"]["encoding"]["action"] == "paper"
    env, episode = dataset.recover_environment(), next(iter(dataset.iterate_episodes()))
    env.reset(seed=5)
    rewards = [env.step(action)[1] for action in episode.actions]
    assert np.array_equal(rewards, episode.rewards)
    with edgesim.open_trace(path) as trace:
        assert np.array_equal(episode.infos["objective"][1:], trace.slots["objective"].values[0])


def decisions(name: str, slots: int = 6, **keywords: Any) -> Any:
    """An environment, and its observations as actions of a random learner pass by."""
    env: Any = gymnasium.make_vec(name, num_envs=2, flat=False, **keywords)
    env.reset(seed=3)
    rng = np.random.default_rng(1)
    for _ in range(slots):
        action = rng.uniform(-1.0, 1.0, env.action_space.shape)
        yield env, action
        env.step(action)


@pytest.mark.parametrize(
    ("name", "keywords"),
    [
        (STREAM, {}),
        (STREAM, {"scenario": "sumo_crossing", "overrides": ["run.slots=60"]}),
        (TASKS, {"overrides": CARBON}),
        (TASKS, {"overrides": [*CARBON, 'limits.rate_floor="offloading"']}),
    ],
)
def test_the_way_back_from_decisions_that_actions_stand_for(name: str, keywords: Any) -> None:
    """Of any action's decision the action found stands for the same decision; in the stream for one near it,
    where who sends is decided anew."""
    slots, sum_of = {STREAM: 40, TASKS: 4}[name], dict[str, float]()
    for env, action in decisions(name, slots, **keywords):
        decision = env.encoding.decision(action, env.observation)
        back = action_of(env.encoding, decision, env.observation)
        apart = difference(env.encoding, back, decision, env.observation)
        assert max(apart.values()) < (0.7 if name == STREAM else 0.03)
        for field, share in apart.items():
            sum_of[field] = sum_of.get(field, 0.0) + share / slots
        there = env.observation.cells if name == STREAM else env.observation
        assert not back[~there.present].any()
    if name == STREAM:
        assert sum_of["bandwidth_hz"] < 0.1 and sum_of["power_w"] < 0.15
        assert sum_of["local_cpu_hz"] < 0.02 and sum_of["edge_cpu_hz"] < 0.06


def test_nobody_sends_where_nobody_did() -> None:
    """Of 20 devices: who is silenced is not replaced by the next one, however many would send."""
    env: Any = gymnasium.make_vec(STREAM, num_envs=8, flat=False, overrides=["run.slots=60"])
    env.reset(seed=3)
    silent = np.zeros(env.action_space.shape)
    silent[..., 0] = -1.0
    for _ in range(60):
        decision = env.encoding.decision(silent, env.observation)
        assert not decision.power_w.any()
        back = action_of(env.encoding, decision, env.observation)
        assert not env.encoding.decision(back, env.observation).power_w.any()
        env.step(back)


def test_the_difference_is_a_share_of_what_is_given() -> None:
    """By hand: half of the band elsewhere, all of it, and a device of six that offloads."""
    for env, _ in decisions(STREAM, 1, overrides=["run.slots=3"]):
        env.step(np.zeros(env.action_space.shape))
        zero = np.zeros(env.action_space.shape)
        decision = env.encoding.decision(zero, env.observation)
        assert set(difference(env.encoding, zero, decision, env.observation).values()) == {0.0}
        silent = zero.copy()
        silent[..., 0] = -1.0
        assert difference(env.encoding, silent, decision, env.observation)["bandwidth_hz"] == 1.0
    for env, _ in decisions(TASKS, 1, overrides=CARBON):
        zero = np.full(env.action_space.shape, -1.0)
        one = zero.copy()
        one[:, 0, 0] = 1.0
        decision = env.encoding.decision(one, env.observation)
        assert decision.offload[:, 0].all()
        shares = difference(env.encoding, zero, decision, env.observation)
        assert shares["offload"] == pytest.approx(1 / 6)
        assert (shares["edge_cpu_hz"], shares["local_cpu_hz"]) == (1.0, 0.0)


def test_an_optimisers_decisions_are_nearly_actions(folder: Path) -> None:
    """C(10)'s optimum is; P2's but for a sixth of the band, and powers to match."""
    exact = written(recorded(folder, "carbon_6ue", "exact", *CARBON), "exact-v0")
    apart = exact.storage.metadata["edgesim"]["action_difference"]
    assert apart["offload"] == 0.0 and max(apart.values()) < 1e-3
    assert gymnasium.spec(TASKS).kwargs == {}  # others' environments are what they were
    emitted = np.mean([one.infos["worst_emission_mg"][1:] for one in exact.iterate_episodes()])
    with edgesim.open_trace(folder / "exact.h5") as trace:
        assert emitted == pytest.approx(float(trace.slots["worst_emission_mg"].mean()), rel=1e-3)
    lyapunov = written(recorded(folder, "iiot_20dev", "lyapunov", "run.slots=40"), "lyapunov-v0")
    apart = lyapunov.storage.metadata["edgesim"]["action_difference"]
    assert 0.0 < apart["bandwidth_hz"] < 0.17 and apart["local_cpu_hz"] < 0.04
    assert max(apart.values()) < 0.45


def test_an_agent_learns_offline(folder: Path) -> None:
    """Behaviour cloning of the better half of all episodes, on seeds that it has not seen.

    Actions of zero are no bad decisions, so it has to beat them, too.
    """
    import torch

    keys = ["run.slots=60"]
    learner = [*keys, "policy.checkpoint=aac_iiot_20dev"]
    sets = []
    for policy, overrides in (("random", keys), ("lyapunov", keys), ("aac", learner)):
        path = recorded(folder, "iiot_20dev", policy, *overrides, replications=4)
        sets.append(written(path, f"edgesim/iiot/{policy}-v0"))
    episodes: list[Any] = list(minari.combine_datasets(sets, "edgesim/all-v0").iterate_episodes())
    assert len(episodes) == 12
    episodes.sort(key=lambda episode: -episode.rewards.sum())
    kept = episodes[: len(episodes) // 2]
    features = np.concatenate([one.observations[:-1] for one in kept]).reshape(-1, 19)
    actions = np.concatenate([one.actions for one in kept]).reshape(-1, 4)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        shown, given = torch.from_numpy(features), torch.from_numpy(actions)
        layers: list[Any] = [torch.nn.Linear(19, 32), torch.nn.Tanh(), torch.nn.Linear(32, 4)]
        net = torch.nn.Sequential(*layers, torch.nn.Tanh())
        adam = torch.optim.Adam(net.parameters(), 1e-2)
        for _ in range(300):
            adam.zero_grad()
            loss: Any = torch.nn.functional.mse_loss(net(shown), given)
            loss.backward()
            adam.step()

    def reward(act: Any) -> float:
        env: Any = gymnasium.make_vec(STREAM, num_envs=4, overrides=keys, flat=False)
        seen, _ = env.reset(seed=1001)
        total = 0.0
        for _ in range(60):
            seen, gained, _, _, _ = env.step(act(seen))
            total += gained.mean()
        return total

    with torch.inference_mode():
        cloned = reward(lambda seen: net(torch.from_numpy(seen)).numpy())
    held_out = recorded(folder, "iiot_20dev", "random", *keys, seed=1001, replications=4)
    with edgesim.open_trace(held_out) as trace:
        random = -float(trace.slots["objective"].mean("replication").sum())
    random /= gymnasium.make_vec(STREAM, num_envs=1).reward_unit  # type: ignore[attr-defined]
    zero = reward(lambda seen: np.zeros((4, 20, 4)))
    assert random < zero < cloned


def test_the_command_writes_one(folder: Path) -> None:
    path = recorded(folder, "iiot_20dev", "lyapunov", "run.slots=3")
    done = CliRunner().invoke(main, ["export", str(path), "--minari", "edgesim/run-v0"])
    assert done.exit_code == 0, done.output
    where = Path(done.output.strip())
    assert where == folder / "minari" / "edgesim" / "run-v0" and where.is_dir()
    metadata = json.loads((where / "data" / "metadata.json").read_text())
    assert metadata["edgesim"]["policy"] == "lyapunov"
    for arguments, message in (
        (["--minari", "edgesim/run-v0"], "is there already"),
        (["--minari", "no name"], "Malformed dataset ID"),
        (["--minari", "a-v0", "--slot", "1"], "--slot cannot be used with --minari"),
        (["--minari", "a-v0", "-o", "x"], "--output cannot be used with --minari"),
        (["--trust"], "--trust cannot be used with tables or a graph"),
    ):
        done = CliRunner().invoke(main, ["export", str(path), *arguments])
        assert done.exit_code == 2 and message in " ".join(done.output.split()), done.output


def test_a_policy_of_ones_own_needs_trust(folder: Path) -> None:
    """Whose trace names a class: the command has the option that its message asks for."""
    path = folder / "own.h5"
    policy = "test_offline:Silent"
    edgesim.run("iiot_20dev", path, policy=policy, overrides=["run.slots=2"])
    words = ["export", str(path), "--minari", "edgesim/own-v0"]
    asked = CliRunner().invoke(main, words)
    assert asked.exit_code == 2 and "--trust" in asked.output
    done = CliRunner().invoke(main, [*words, "--trust"])
    assert done.exit_code == 0, done.output


class Silent:
    """A policy under which nobody sends."""

    def reset(self, network: Any, problem: Any, rngs: Any) -> None:
        self._network = network

    def decide(self, observation: Any) -> Any:
        return edgesim.Decision.idle(self._network)


class Fails:
    """A policy that fails in its second slot."""

    def reset(self, network: Any, problem: Any, rngs: Any) -> None:
        pass

    def decide(self, observation: Any) -> Any:
        raise ZeroDivisionError("of its own")


def test_mistakes_are_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "fails.h5"
    with pytest.raises(RunError):
        edgesim.run("iiot_20dev", path, policy="test_offline:Fails", overrides=["run.slots=2"])
    with pytest.raises(
        RunError, match=r"policy 'test_offline:Fails': ZeroDivisionError: of its own"
    ):
        edgesim.export_minari(path, "a-v0", trust=True)
    assert not (folder / "minari" / "a-v0").exists()
    monkeypatch.setitem(__import__("sys").modules, "minari", None)
    with pytest.raises(ArgumentError, match=r"edgesim\[environments\]"):
        edgesim.export_minari(path, "a-v0")
