"""Gymnasium environments: the checkers', Stable-Baselines3's and the simulation's own view of them."""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from conftest import SMALL, simulate
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

import edgesim
from edgesim.policies.learning.encoding import encoding_of
from edgesim.policies.learning.environment import (
    FORMER_IDS,
    STREAM,
    TASKS,
    StreamVectorEnvironment,
    TaskVectorEnvironment,
    VectorEnvironment,
)
from edgesim.scenarios.errors import ScenarioError
from edgesim.scenarios.loading import load_scenario, parse_scenario
from edgesim.simulator.stream.problem import DriftPlusPenalty

edgesim.register_envs()
BOTH = (STREAM, TASKS)
SHORT = ["run.slots=5"]


def actions(env: VectorEnvironment, seed: int = 0) -> Any:
    """(slots, R, N, A) random actions."""
    rng = np.random.default_rng(seed)
    shape = (env.scenario.run.slots, env.num_envs, *env.single_action_space.shape)  # type: ignore[misc]
    return rng.uniform(-1.0, 1.0, shape)


def episode(env: VectorEnvironment, chosen: Any, seed: int | None) -> tuple[Any, Any]:
    """Observations, the first included, and rewards of one episode."""
    seen, rewards = [env.reset(seed=seed)[0]], []
    for action in chosen:
        observation, reward, _, _, _ = env.step(action)
        seen.append(observation)
        rewards.append(reward)
    return np.stack(seen), np.stack(rewards)


@pytest.mark.parametrize("name", BOTH)
def test_checkers_find_nothing(name: str) -> None:
    """Neither Gymnasium's nor Stable-Baselines3's; warnings are errors here."""
    from stable_baselines3.common import env_checker

    env = gymnasium.make(name, overrides=SHORT)
    check_env(env.unwrapped)
    env_checker.check_env(env)


@pytest.mark.parametrize("name", BOTH)
def test_a_vector_is_made_of_its_single_environments(name: str) -> None:
    """Replication r of seed s is the single environment with seed s + r, bit for bit."""
    vector = gymnasium.make_vec(name, num_envs=3, overrides=SHORT)
    assert isinstance(vector, VectorEnvironment)
    chosen = actions(vector)
    seen, rewards = episode(vector, chosen, 11)
    for r in range(3):
        alone = gymnasium.make(name, overrides=SHORT)
        assert np.array_equal(alone.reset(seed=11 + r)[0], seen[0, r])
        for t in range(5):
            observation, reward, terminated, truncated, _ = alone.step(chosen[t, r])
            assert np.array_equal(observation, seen[t + 1, r])
            assert reward == rewards[t, r]
            assert (terminated, truncated) == (False, t == 4)


def test_an_episode_is_the_run_with_its_seed() -> None:
    """The same decisions in a run of the program: the rewards are A(22) of what it records."""
    env = StreamVectorEnvironment(2, parse_scenario(SMALL, "test", SHORT), flat=False)
    chosen = actions(env)
    _, rewards = episode(env, chosen, 1)
    assert isinstance(env.problem, DriftPlusPenalty)
    encoding = encoding_of(env.problem)
    run = simulate(
        *SHORT,
        "run.replications=2",
        decide=lambda observation: encoding.decision(chosen[observation.slot], observation),
    )
    unit = 10.0 * 6 * 0.5e6**2  # ten slots' work of 0.5 Mbit in six queues, times one slot's
    assert np.array_equal(rewards.T, -run.trace["objective"] / unit)


def test_the_reward_of_violated_limits() -> None:
    """1800 Mcycles at 0.9 GHz cost a device 1.458 J of its 1 J: emission, and six penalties."""
    over = ["run.slots=1", 'tasks.cycles=["1800 Mcycles", "1800 Mcycles"]']
    over += ['limits.rate_floor="offloading"']
    scenario = load_scenario("carbon_6ue", over)
    still = np.full((1, 6, 4), -1.0)
    for weight in (1.0, 3.0):
        env = TaskVectorEnvironment(
            1, scenario, flat=False, emission_weight=2.0, energy_weight=weight
        )
        env.reset()
        _, reward, _, _, info = env.step(still)
        assert reward[0] == pytest.approx(-(2.0 * 1.458 + weight * 6 * 0.458))
        assert not info["feasible"][0]


def test_a_late_task_costs_its_weight_and_no_more() -> None:
    """A device that executes 10^6 Mcycles takes minutes: its delay is one limit exceeded by 1."""
    over = ["run.slots=1", "devices.count=1", 'tasks.cycles=["1e6 Mcycles", "1e6 Mcycles"]']
    rewards = []
    for weight in (0.0, 5.0):
        env = TaskVectorEnvironment(
            1,
            load_scenario("carbon_6ue", over),
            flat=False,
            emission_weight=0.0,
            energy_weight=0.0,
            delay_weight=weight,
        )
        env.reset()
        rewards.append(env.step(-np.ones((1, 1, 4)))[1][0])
    assert rewards == [0.0, -5.0]


def test_seeds() -> None:
    """Each seed is another episode; without one, episodes differ, and follow from the last seed."""
    env = StreamVectorEnvironment(2, overrides=SHORT)
    chosen = actions(env)
    first, _ = episode(env, chosen, 5)
    second, _ = episode(env, chosen, None)
    third, _ = episode(env, chosen, None)
    again, _ = episode(env, chosen, 5)
    follows, _ = episode(env, chosen, None)
    assert np.array_equal(first, again)
    assert np.array_equal(second, follows)
    for one, other in ((first, second), (second, third), (first, third)):
        assert not np.allclose(one, other)
    assert np.array_equal(env.reset(seed=6)[0][0], first[0, 1])
    fresh = StreamVectorEnvironment(2, overrides=[*SHORT, "run.seed=5"])
    assert np.array_equal(episode(fresh, chosen, None)[0], first)


def test_what_happens_after_an_episode() -> None:
    """All three modes of Gymnasium; the state reached is seen before the next episode starts."""
    made = {
        mode: StreamVectorEnvironment(2, overrides=SHORT, autoreset_mode=mode)
        for mode in AutoresetMode
    }
    chosen = actions(made[AutoresetMode.DISABLED])
    seen, _ = episode(made[AutoresetMode.DISABLED], chosen, 3)
    with pytest.raises(ResetNeeded):
        made[AutoresetMode.DISABLED].step(chosen[0])

    start = {}
    for mode in (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP):
        env = made[mode]
        env.reset(seed=3)
        for action in chosen[:4]:
            assert not env.step(action)[3].any()
        observation, _, terminated, truncated, info = env.step(chosen[4])
        assert truncated.all()
        assert not terminated.any()
        if mode is AutoresetMode.SAME_STEP:
            assert np.array_equal(info["final_obs"], seen[-1])
        else:
            assert np.array_equal(observation, seen[-1])
            observation, reward, _, truncated, _ = env.step(chosen[0])
            assert not reward.any()
            assert not truncated.any()
        start[mode] = observation
    assert np.array_equal(start[AutoresetMode.NEXT_STEP], start[AutoresetMode.SAME_STEP])
    assert not np.allclose(start[AutoresetMode.SAME_STEP], seen[0])


def test_flat_and_by_device_are_the_same_numbers() -> None:
    flat = StreamVectorEnvironment(2, overrides=SHORT)
    columns = StreamVectorEnvironment(2, overrides=SHORT, flat=False)
    chosen = actions(columns)
    seen, rewards = episode(columns, chosen, 2)
    flat_seen, flat_rewards = episode(flat, chosen.reshape(5, 2, -1), 2)
    assert np.array_equal(seen.reshape(flat_seen.shape), flat_seen)
    assert np.array_equal(rewards, flat_rewards)
    assert flat_seen.shape[2:] == flat.single_observation_space.shape


@pytest.mark.parametrize(("former", "name"), FORMER_IDS.items())
def test_former_ids_make_the_same_environments_and_warn(former: str, name: str) -> None:
    with pytest.warns(FutureWarning, match=f"{former} is now {name}"):
        single = gymnasium.make(former, overrides=SHORT)
    with pytest.warns(FutureWarning, match=f"{former} is now {name}"):
        vector = gymnasium.make_vec(former, num_envs=2, overrides=SHORT)
    assert type(single.unwrapped) is type(gymnasium.make(name, overrides=SHORT).unwrapped)
    assert type(vector) is type(gymnasium.make_vec(name, num_envs=2, overrides=SHORT))


def test_mistakes_are_told() -> None:
    with pytest.raises(ScenarioError, match=r"run\.problem"):
        gymnasium.make(STREAM, scenario="carbon_6ue")
    env = StreamVectorEnvironment(1, overrides=SHORT)
    with pytest.raises(ResetNeeded):
        env.step(np.zeros((1, 80)))
    env.reset()
    with pytest.raises(ValueError, match="NaN"):
        env.step(np.full((1, 80), np.nan))


@pytest.mark.parametrize("name", BOTH)
def test_stable_baselines_trains_saves_loads_and_acts(name: str, tmp_path: Path) -> None:
    from stable_baselines3 import A2C

    env = gymnasium.make(name, overrides=["run.slots=20"])
    model = A2C("MlpPolicy", env, n_steps=10, seed=1, device="cpu")
    before = model.policy.state_dict()["action_net.weight"].clone()
    model.learn(60)
    model.save(tmp_path / "model")
    loaded = A2C.load(tmp_path / "model", device="cpu")
    observation, _ = env.reset(seed=9)
    action, _ = model.predict(observation, deterministic=True)
    assert not np.allclose(before, model.policy.state_dict()["action_net.weight"])
    assert np.array_equal(action, loaded.predict(observation, deterministic=True)[0])
    env.step(action)
