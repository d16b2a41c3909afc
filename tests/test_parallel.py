"""PettingZoo's parallel environments: its own tests, who joins and leaves, and what agents are shown."""

import pickle
import subprocess
import sys
import warnings
from copy import deepcopy
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

import edgesim
from edgesim.policies.learning.registration import PARALLEL, STREAM, TASKS

pytest.importorskip("pettingzoo")
from edgesim.experiments.environments import parallel_env
from edgesim.experiments.parallel import ParallelEnvironment

edgesim.register_envs()
SHORT = ["run.slots=6"]
CROSSING = {"scenario": "sumo_crossing", "overrides": ["run.slots=50"]}
CASES: dict[str, dict[str, Any]] = {
    "stream": {"overrides": SHORT},
    "stations": {"overrides": SHORT, "agents": "station", "flat": False},
    "stations, flat": {"overrides": SHORT, "agents": "station"},
    "tasks": {"name": PARALLEL[1], "overrides": SHORT},
    "crossing": CROSSING,
    "crossing, fixed": CROSSING | {"fixed": True},
    "crossing, stations": CROSSING | {"agents": "station"},
}


def moves(folder: Path, text: str, slots: int = 8) -> dict[str, Any]:
    """Keywords of a network whose devices move as a file says."""
    (folder / "moves.csv").write_text("t,id,x,y\n" + text)
    keys = ["mobility.model=trace", "mobility.file=moves.csv", f"run.slots={slots}"]
    count = len({line.split(",")[1] for line in text.splitlines()})
    return {"overrides": [*keys, f"devices.count={count}"], "data_dir": folder}


def play(env: ParallelEnvironment, seed: int) -> list[Any]:
    """All that an episode of random actions gives."""
    rng = np.random.default_rng(seed)
    seen: list[Any] = [env.reset(seed=seed)]
    while env.agents:
        actions = {
            agent: rng.uniform(-1, 1, env.action_space(agent).shape).astype(np.float32)
            for agent in env.agents
        }
        seen.append((tuple(env.agents), *env.step(actions)))
    return seen


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[k], other[k]) for k in one)
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(equal, one, other))
    return type(one) is type(other) and np.array_equal(one, other)


@pytest.mark.parametrize("case", CASES)
def test_pettingzoos_tests_find_nothing(case: str) -> None:
    """Warnings are errors here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # at each other, in PettingZoo
        from pettingzoo.test import parallel_api_test, parallel_seed_test

    parallel_api_test(parallel_env(**CASES[case]), num_cycles=100)
    parallel_seed_test(lambda: parallel_env(**CASES[case]), num_cycles=20)


@pytest.mark.parametrize("case", CASES)
def test_a_seed_is_an_episode(case: str) -> None:
    """To its end, also of a copy, beside another environment in the same process, and in any order."""
    one, other = parallel_env(**CASES[case]), parallel_env(**CASES[case])
    first = play(one, 3)
    assert not equal(first, play(one, 4))
    assert equal(first, play(one, 3))
    other.reset(seed=9)
    copies = [deepcopy(other), pickle.loads(pickle.dumps(other))]
    assert all(equal(first, play(copied, 3)) for copied in copies)
    assert equal(first, play(other, 3))


@pytest.mark.parametrize(
    ("case", "name"),
    [
        ("stream", STREAM),
        ("stations", STREAM),
        ("stations, flat", STREAM),
        ("tasks", TASKS),
    ],
)
def test_agents_together_are_the_environment(case: str, name: str) -> None:
    """The same rewards, and of each agent the rows that it is about."""
    env = parallel_env(**CASES[case])
    whole = gymnasium.make(name, overrides=SHORT, flat=False)
    seen, _ = whole.reset(seed=2)
    observations, _ = env.reset(seed=2)
    rng = np.random.default_rng(0)
    for _ in range(6):
        joint = rng.uniform(-1, 1, whole.action_space.shape).astype(np.float32)
        if case.startswith("stations"):
            # Each says something else about devices that are not its own: nobody listens.
            inner: Any = whole.unwrapped
            serving = inner.vector.observation.cells.station[0]
            assert len(set(serving)) > 2
            given = {}
            for j, agent in enumerate(env.possible_agents):
                own = serving == j
                shown = observations[agent].reshape(seen.shape)
                assert np.array_equal(shown[own], seen[own])
                assert not shown[~own].any()
                given[agent] = np.where(own[:, None], joint, rng.uniform(-1, 1, joint.shape))
                given[agent] = given[agent].reshape(env.action_space(agent).shape)
                assert given[agent].ndim == (1 if "flat" in case else 2)
        else:
            assert list(observations) == [f"device_{i}" for i in range(len(seen))]
            assert np.array_equal(list(observations.values()), seen)
            given = {f"device_{i}": row for i, row in enumerate(joint)}
        assert np.array_equal(env.state(), seen)
        seen, reward, _, over, info = whole.step(joint)
        observations, rewards, left, ended, infos = env.step(given)
        assert set(rewards.values()) == {reward}
        assert not any(left.values()) and set(ended.values()) == {over}
        assert infos[env.possible_agents[1]]["energy_j"] == info["energy_j"]
        if name == STREAM:
            key = "station_queue_bits" if case.startswith("stations") else "queue_bits"
            assert [one[key] for one in infos.values()] == list(info[key])
    assert env.agents == [] and over


def test_agents_join_and_leave_with_their_devices(tmp_path: Path) -> None:
    """a is there from slot 0 on, b from 0.2 s to 0.3 s, c from 0.5 s on; each ends in its own way."""
    text = "0,a,400,250\n9,a,400,250\n0.2,b,420,250\n0.3,b,420,250\n0.5,c,380,250\n9,c,380,250\n"
    env = parallel_env(**moves(tmp_path, text))
    seen = play(env, 1)
    assert set(seen[0][0]) == {"device_0"} and env.possible_agents == [
        f"device_{i}" for i in range(3)
    ]
    acted = [set(step[0]) for step in seen[1:]]
    a, b, c = ({f"device_{i}"} for i in range(3))
    assert acted == [a, a, a | b, a | b, a, a | c, a | c, a | c]
    for step, (_, observations, rewards, left, over, infos) in enumerate(seen[1:]):
        next_ones = acted[step + 1] if step < 7 else set()
        for agent in acted[step] | next_ones:
            gone = agent not in next_ones and step < 7
            assert left[agent] is gone and over[agent] is (step == 7)
            assert observations[agent].any() is np.bool_(not gone)
            assert (agent in acted[step]) == bool(infos[agent])
            assert agent in acted[step] or rewards[agent] == 0.0
        assert set(observations) == acted[step] | next_ones


def test_slots_without_devices_pass(tmp_path: Path) -> None:
    """A loop `while env.agents` must not end where the street is empty for a moment."""
    text = "0,a,400,250\n0.15,a,400,250\n0.6,b,420,250\n9,b,420,250\n"
    env = parallel_env(**moves(tmp_path, text))
    assert [step[0] for step in play(env, 1)[1:]] == [("device_0",)] * 2 + [("device_1",)] * 2
    late = ["devices.count=2", "run.slots=6", "mobility.model=test_parallel:ComesLate"]
    env = parallel_env(overrides=late)
    assert [len(step[0]) for step in play(env, 1)[1:]] == [2, 2]
    assert parallel_env(overrides=[*late, "run.slots=4"]).reset(seed=1) == ({}, {})


def test_agents_that_are_fixed_stay(tmp_path: Path) -> None:
    """Who is away shows zeros; the rewards of present devices' actions are those of agents that go."""
    text = "0,a,400,250\n9,a,400,250\n0.2,b,420,250\n0.3,b,420,250\n"
    keys = moves(tmp_path, text)
    env, other = parallel_env(**keys, fixed=True), parallel_env(**keys)
    env.reset(seed=1)
    other.reset(seed=1)
    shown, spoken = [], np.array([0.5, -0.2, 0.3, 0.9], np.float32)
    while other.agents:
        assert env.agents == env.possible_agents == ["device_0", "device_1"]
        observations, rewards, left, _, infos = env.step(dict.fromkeys(env.agents, spoken))
        reward = other.step(dict.fromkeys(other.agents, spoken))[1]["device_0"]
        assert not any(left.values()) and set(rewards.values()) == {reward}
        shown.append(bool(observations["device_1"].any()))
        assert infos["device_1"]["present"] == (len(shown) in (3, 4))
    assert shown == [False, True, True, False, False, False, False, False]
    assert env.agents == []


class ComesBack:
    """A mobility model: the second of two devices is away in every third slot."""

    moves = True
    present: Any
    remembers = ("slot", "present")

    def start(self, position_m: Any, area_m: Any, rngs_of: Any, placed: bool) -> Any:
        self.slot, self.present = 0, np.ones(position_m.shape[:2], np.bool_)
        return position_m

    def advance(self, position_m: Any, dt_s: float) -> Any:
        self.slot += 1
        self.present = np.ones(position_m.shape[:2], np.bool_)
        self.present[:, 1] = self.slot % 3 != 2
        return position_m


class ComesLate(ComesBack):
    """Nobody is there before slot 4."""

    def start(self, position_m: Any, area_m: Any, rngs_of: Any, placed: bool) -> Any:
        self.slot, self.present = 0, np.zeros(position_m.shape[:2], np.bool_)
        return position_m

    def advance(self, position_m: Any, dt_s: float) -> Any:
        self.slot += 1
        self.present = np.full(position_m.shape[:2], self.slot >= 4)
        return position_m


def test_who_comes_back_is_another_agent() -> None:
    keys = ["devices.count=2", "run.slots=6", "mobility.model=test_parallel:ComesBack"]
    env = parallel_env(overrides=keys, stays=2)
    assert env.possible_agents == ["device_0", "device_0_2", "device_1", "device_1_2"]
    acted = [set(step[0]) - {"device_0"} for step in play(env, 1)[1:]]
    first, second = {"device_1"}, {"device_1_2"}
    assert acted == [first, first, set(), second, second, set()]
    with pytest.raises(ValueError, match=r"stays = 1: device 1 comes back .* a larger `stays`"):
        play(parallel_env(overrides=keys), 1)


def test_pettingzoo_makes_them_by_name() -> None:
    """In a process of its own, in either order of imports; without PettingZoo it is not loaded."""
    code = """
import sys
import gymnasium
import edgesim
edgesim.register_envs()
assert "pettingzoo" not in sys.modules
import pettingzoo
edgesim.register_envs()
edgesim.register_envs()
for name in ("edgesim/Stream-parallel-v0", "edgesim/Tasks-parallel-v0"):
    env = pettingzoo.make("parallel", name, overrides=["run.slots=9"], max_cycles=2)
    env.reset(seed=1)
    while env.agents:
        env.step({a: env.action_space(a).sample() for a in env.agents})
    print(env.metadata["name"], env._env.vector.observation.slot)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{name} 2" for name in PARALLEL]


def test_a_picture_and_a_trace(tmp_path: Path) -> None:
    path = tmp_path / "t.h5"
    env = parallel_env(overrides=SHORT, render_mode="rgb_array", record_trace=path)
    env.reset(seed=4)
    assert env.render().shape == (540, 960, 3)
    play(env, 4)
    env.close()
    with edgesim.open_trace(path) as trace:
        assert (trace.status, list(trace.seeds)) == ("complete", [4])


def test_mistakes_are_told() -> None:
    mistakes: tuple[tuple[dict[str, Any], str], ...] = (
        ({"name": "edgesim/No-v0"}, "name = 'edgesim/No-v0'; allowed: edgesim/Stream-parallel-v0"),
        ({"agents": "cell"}, "agents = 'cell'; allowed: device, station"),
        ({"stays": 0}, "stays = 0; allowed: 1 or more"),
        ({"name": PARALLEL[1], "agents": "station"}, "agents = 'station'; allowed: device"),
    )
    for keywords, message in mistakes:
        with pytest.raises(ValueError, match=message):
            parallel_env(**keywords)
    env = parallel_env(overrides=["devices.count=2", "run.slots=1"])
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step({})
    env.reset(seed=1)
    still: Any = np.zeros(4)
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"device_0": still}, "actions: device_1; allowed: those in `agents`"),
        ({"device_0": still, "device_1": still, "x": still}, "actions: x; allowed"),
        (
            {"device_0": still, "device_1": np.zeros(3)},
            r"device_1 has shape \(3,\); allowed: \(4,\)",
        ),
        ({"device_0": still, "device_1": np.full(4, np.nan)}, "NaN"),
    )
    for given, message in cases:
        with pytest.raises(ValueError, match=message):
            env.step(given)
    env.step({"device_0": still, "device_1": still})
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step({})


@pytest.mark.filterwarnings("default")  # of SuperSuit and PettingZoo about themselves
def test_a_public_trainer_trains_agents_that_share_a_policy() -> None:
    supersuit = pytest.importorskip("supersuit")
    from stable_baselines3 import PPO

    env = parallel_env(scenario="sumo_crossing", overrides=["run.slots=30"], fixed=True)
    env = supersuit.pettingzoo_env_to_vec_env_v1(env)
    env = supersuit.concat_vec_envs_v1(env, 1, num_cpus=1, base_class="stable_baselines3")
    model = PPO("MlpPolicy", env, n_steps=20, batch_size=40, device="cpu")
    before = model.policy.state_dict()["action_net.weight"].clone()
    model.learn(40 * env.num_envs)
    assert not np.allclose(before, model.policy.state_dict()["action_net.weight"])
