"""Gymnasium environments: the checkers', Stable-Baselines3's and the simulation's own view of them."""

import math
import pickle
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import gymnasium
import numpy as np
import pytest
import xarray
from conftest import SMALL, simulate
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

import edgesim
from edgesim.policies.learning.encodings import encoding_of
from edgesim.policies.learning.environment import (
    StreamVectorEnvironment,
    TaskVectorEnvironment,
    VectorEnvironment,
)
from edgesim.policies.learning.registration import FORMER_IDS, STREAM, TASKS
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
    check_env(env.unwrapped, skip_render_check=find_spec("pygame") is None)  # for "human"
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


SPARSE = (
    "run.slots=12", "tasks.arrivals=poisson", "tasks.rate=1 tasks/s", "tasks.deadline=0.15 s",
    "tasks.buffer=1 Mbit",
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "base", "overrides"),
    [(STREAM, SMALL, SPARSE), (TASKS, "carbon_6ue", ("run.slots=4",))],
)
def test_the_info_is_what_a_run_records(name: str, base: str, overrides: Any) -> None:
    """Of the same decisions: sums over devices, queues of the next slot, tasks one by one."""
    small = "\n" in base
    make = parse_scenario if small else load_scenario
    scenario = make(*(base, "test", overrides) if small else (base, overrides))
    env = gymnasium.make_vec(name, num_envs=3, scenario=scenario, flat=False)
    assert isinstance(env, VectorEnvironment)
    chosen = actions(env)
    env.reset(seed=1)
    infos = [env.step(action)[4] for action in chosen]
    encoding = encoding_of(env.problem)
    run = simulate(
        *overrides,
        "run.replications=3",
        "run.seed=1",
        toml=env.scenario.to_toml(),
        decide=lambda observation: encoding.decision(chosen[observation.slot], observation),
    )
    kinds = {"tasks_done": (0,), "tasks_late": (1,), "tasks_lost": (3, 4)}
    silent = dropped = 0
    for t, info in enumerate(infos):
        row, table = run.trace.rows[t], run.trace.tables[t]
        parts = ("local_energy_j", "offload_energy_j") if name == STREAM else ("energy_j",)
        for r in range(3):
            spent = sum(math.fsum(row[part][r]) for part in parts)
            assert info["energy_j"][r] == pytest.approx(spent, rel=1e-12)
            assert info["emission_mg"][r] == pytest.approx(
                math.fsum(row["emission_mg"][r]), rel=1e-12
            )
            if name == TASKS:
                spent = math.fsum(row["server_energy_j"][r])
                assert info["server_energy_j"][r] == pytest.approx(spent, rel=1e-12)
                assert info["feasible"][r] == bool(row["feasible"][r])
            rows = [one for one in table if one["replication"] == r]
            for key, codes in kinds.items():
                assert info[key][r] == sum(one["outcome"] in codes for one in rows)
            dropped += sum(one["outcome"] == 3 for one in rows)
            took = [o["completion_s"] - o["arrival_s"] for o in rows if o["outcome"] < 2]
            assert info["_latency_s"][r] == bool(took)
            silent += not took
            assert info["latency_s"][r] == pytest.approx(sum(took) / max(len(took), 1), rel=1e-12)
        if name == STREAM and t + 1 < len(infos):
            assert np.array_equal(info["queue_bits"], run.trace.rows[t + 1]["queue_bits"])
            after = run.trace.rows[t + 1]["station_queue_bits"]
            assert np.array_equal(info["station_queue_bits"], after)
    if name == STREAM:
        assert dropped > 0 and silent > 3 and sum(info["tasks_late"].sum() for info in infos) > 0
    else:
        held = [info["feasible"].all() for info in infos]
        assert not all(held)


@pytest.mark.parametrize("name", BOTH)
def test_a_single_info_is_its_part_of_a_vectors(name: str) -> None:
    overrides = SPARSE if name == STREAM else SHORT
    vector = gymnasium.make_vec(name, num_envs=2, overrides=overrides)
    assert isinstance(vector, VectorEnvironment)
    alone = gymnasium.make(name, overrides=overrides)
    vector.reset(seed=4)
    alone.reset(seed=5)
    absent = 0
    for action in actions(vector):
        of_all, one = vector.step(action)[4], alone.step(action[1])[4]
        told = {key for key in of_all if not key.startswith("_") and of_all[f"_{key}"][1]}
        assert set(one) == told
        absent += "latency_s" not in one
        for key, value in one.items():
            assert isinstance(value, float | int | bool | np.ndarray)
            assert np.array_equal(value, of_all[key][1])
            if isinstance(value, np.ndarray):
                value[:] = 0  # nobody else's
    assert absent > 0 or name == TASKS


def test_the_info_says_who_is_present(tmp_path: Path) -> None:
    positions = "t,id,x,y\n0,a,100,100\n9,a,100,100\n0.2,b,120,100\n0.3,b,120,100\n"
    (tmp_path / "moves.csv").write_text(positions)
    keys = ["devices.count=2", "mobility.model=trace", "mobility.file=moves.csv", "run.slots=5"]
    env = gymnasium.make(STREAM, overrides=keys, data_dir=tmp_path)
    env.reset(seed=1)
    still = np.zeros(env.action_space.shape or 0)
    shown = [env.step(still)[4]["present"].tolist() for _ in range(5)]
    assert [True, False] in shown and [True, True] in shown


@pytest.mark.parametrize("name", BOTH)
def test_an_episode_leaves_the_trace_of_its_run(name: str, tmp_path: Path) -> None:
    """The slots and tasks of the same decisions in a run of the program, each episode in its file."""
    base = "iiot_20dev" if name == STREAM else "carbon_6ue"
    path = tmp_path / "episode-{episode}.h5"
    keys: Any = {"scenario": base, "overrides": SHORT, "record_trace": path, "flat": False}
    env = gymnasium.make_vec(name, num_envs=2, **keys)
    assert isinstance(env, VectorEnvironment)
    chosen = actions(env)
    env.reset(seed=7)
    for action in chosen:
        env.step(action)
    env.reset(seed=8)
    env.step(chosen[0])
    env.close()
    encoding = encoding_of(env.problem)

    class Same:
        def reset(self, network: Any, problem: Any, rngs: Any) -> None:
            pass

        def decide(self, observation: Any) -> Any:
            return encoding.decision(chosen[observation.slot], observation)

    expected = edgesim.run(
        base, tmp_path / "run.h5", policy=Same(), overrides=SHORT, seed=7, replications=2
    )
    with edgesim.open_trace(tmp_path / "episode-0.h5") as trace, expected:
        assert (trace.status, trace.policy) == ("complete", "__main__:Actions")
        assert trace.encoding["version"] == 2
        xarray.testing.assert_equal(trace.slots.load(), expected.slots.load())
        xarray.testing.assert_equal(trace.tasks.load(), expected.tasks.load())
    with edgesim.open_trace(tmp_path / "episode-1.h5") as trace:
        assert (trace.status, trace.recorded, trace.seeds) == ("interrupted", 1, [8, 9])
    with pytest.raises(ScenarioError, match="known only to the Python program"):
        edgesim.run(tmp_path / "episode-0.h5", tmp_path / "again.h5")
    for copied in (COPIES["copy"], pickle.dumps):
        with pytest.raises(TypeError, match="record_trace cannot be copied"):
            cast(Callable[[object], object], copied)(env)


def test_a_single_environment_leaves_its_trace(tmp_path: Path) -> None:
    env = gymnasium.make(STREAM, overrides=SHORT, record_trace=tmp_path / "t.h5")
    again = gymnasium.make(env.spec or "")
    assert again.spec == env.spec
    total = 0.0
    for seed in (1, 2):
        env.reset(seed=seed)
        for _ in range(5):
            last = env.step(np.zeros(80))[4]
            total += last["energy_j"] if seed == 2 else 0.0
    with edgesim.open_trace(tmp_path / "t.h5") as trace:
        assert list(trace.seeds) == [2]
        slots = trace.slots
        spent = float((slots["local_energy_j"] + slots["offload_energy_j"]).sum())
        assert spent == pytest.approx(total, rel=1e-12)
    env.close()


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


ROUGH = (
    "run.slots=8",
    "twin.sync=periodic",
    "twin.device.period=0.15 s",
    "twin.device.latency={exponential=0.1}",
    "twin.station.loss=0.2",
    'twin.predict=["location", "arrivals", "energy"]',
    "twin.deviation.device_cpu.noise=20 MHz",
    "mobility.model=random-waypoint",
    'mobility.speed=["5 m/s", "15 m/s"]',
    "devices.battery={capacity=0.05, harvest=0.06}",
    'stations.sbs.failures={time_to_failure=0.4, time_to_repair=0.1, queue="lost"}',
    "channel.coherence=0.2 s",
    "tasks.arrivals=poisson",
    "tasks.rate=20 tasks/s",
)
COPIES: dict[str, Any] = {"copy": deepcopy, "pickle": lambda env: pickle.loads(pickle.dumps(env))}


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize(("name", "overrides"), [(STREAM, ROUGH), (TASKS, ("run.slots=6",))])
def test_a_copy_goes_on_bit_for_bit(name: str, overrides: Any, how: str) -> None:
    """Made before the first reset, after it, at any step, and where the episode is over."""
    env: Any = gymnasium.make_vec(name, num_envs=2, overrides=list(overrides))
    chosen = actions(env)
    expected, _ = episode(COPIES[how](env), chosen, 4)
    env.reset(seed=4)
    for t in range(len(chosen) + 1):
        other = COPIES[how](env)
        for later in range(t, min(t + 4, len(chosen))):
            observation = other.step(chosen[later])[0]
            assert np.array_equal(observation, expected[later + 1])
        if t < len(chosen):  # the original does not notice
            assert np.array_equal(env.step(chosen[t])[0], expected[t + 1])
    # What follows the episode is the same episode, too.
    assert np.array_equal(env.step(chosen[0])[0], other.step(chosen[0])[0])


def test_a_single_environment_can_be_copied() -> None:
    env = gymnasium.make(STREAM, overrides=SHORT)
    env.reset(seed=1)
    action = np.full(env.action_space.shape or (), 0.5)
    env.step(action)
    for other in (deepcopy(env), pickle.loads(pickle.dumps(env.unwrapped))):
        assert np.array_equal(other.step(action)[0], deepcopy(env).step(action)[0])


def test_subprocesses_under_spawn_know_the_environments() -> None:
    """By the package's name before the id, or by a specification, whose entry point is text."""
    known: list[Any] = [f"edgesim:{STREAM}", gymnasium.spec(STREAM)]
    makes = [partial(gymnasium.make, one, overrides=SHORT) for one in known]
    many = gymnasium.vector.AsyncVectorEnv(makes, context="spawn")
    try:
        seen, _ = many.reset(seed=5)
    finally:
        many.close()
    alone, _ = gymnasium.make_vec(STREAM, num_envs=2, overrides=SHORT).reset(seed=5)
    assert np.array_equal(seen, alone)


def test_registering_loads_nothing_else() -> None:
    code = (
        f"import gymnasium, edgesim, sys; gymnasium.spec({STREAM!r}); print('numba' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_make_vec_takes_what_gymnasium_gives() -> None:
    env: Any = gymnasium.make_vec(
        STREAM, num_envs=2, overrides=["run.slots=9"], render_mode=None, max_episode_steps=3
    )
    assert (env.render_mode, env.scenario.run.slots) == (None, 3)
    longer: Any = gymnasium.make_vec(STREAM, overrides=SHORT, max_episode_steps=9)
    assert longer.scenario.run.slots == 5
    with pytest.raises(ValueError, match="render_mode = 'human'; allowed: None, rgb_array"):
        gymnasium.make_vec(STREAM, render_mode="human")
    for name in ("num_envs", "max_episode_steps"):
        keywords: Any = {name: 0}
        with pytest.raises(ValueError, match=f"{name} = 0; allowed: 1 or more"):
            StreamVectorEnvironment(**keywords)
    for mode in AutoresetMode:
        made: Any = gymnasium.make_vec(TASKS, autoreset_mode=mode.value)
        assert made.autoreset_mode is made.metadata["autoreset_mode"] is mode
    with pytest.raises(ValueError, match="autoreset_mode = 'never'; allowed: NextStep, SameStep"):
        gymnasium.make_vec(TASKS, autoreset_mode="never")


def test_options_of_reset_are_known_or_refused() -> None:
    env = StreamVectorEnvironment(3, overrides=SHORT)
    whole = np.ones(3, dtype=np.bool_)
    assert np.array_equal(
        env.reset(seed=2, options={"reset_mask": whole})[0], env.reset(seed=2, options={})[0]
    )
    for mask in (np.array([True, False, True]), np.ones(2, dtype=np.bool_), np.ones(3)):
        with pytest.raises(ValueError, match=r"reset_mask = .*; allowed: 3 times True"):
            env.reset(options={"reset_mask": mask})
    for made in (env, gymnasium.make(TASKS)):
        with pytest.raises(
            ValueError, match="options: colour, size not known; allowed: reset_mask"
        ):
            made.reset(options={"size": 3, "colour": "red"})


def test_a_seed_for_each_replication() -> None:
    env = StreamVectorEnvironment(3, overrides=SHORT)
    chosen = actions(env)
    listed, _ = episode(env, chosen, [9, 4, 9])  # type: ignore[arg-type]
    for r, seed in enumerate((9, 4, 9)):
        alone = gymnasium.make(STREAM, overrides=SHORT)
        assert np.array_equal(alone.reset(seed=seed)[0], listed[0, r])
        assert np.array_equal(alone.step(chosen[0, r])[0], listed[1, r])
    assert np.array_equal(episode(env, chosen, [4, 5, 6])[0], episode(env, chosen, 4)[0])  # type: ignore[arg-type]
    env.reset(seed=[None, None, None])
    for seeds in ([1, 2], [1, None, 2], [1, 2, 3, 4]):
        with pytest.raises(ValueError, match="allowed: one, or 3, or None"):
            env.reset(seed=seeds)


def test_same_step_has_the_last_info() -> None:
    env = StreamVectorEnvironment(
        2, overrides=["run.slots=1"], autoreset_mode=AutoresetMode.SAME_STEP
    )
    ended = StreamVectorEnvironment(2, overrides=["run.slots=1"], autoreset_mode="Disabled")
    env.reset(seed=3)
    ended.reset(seed=3)
    chosen = actions(env)[0]
    _, _, _, truncated, info = env.step(chosen)
    assert truncated.all() and info["_final_info"].all() and info["_final_obs"].all()
    expected = ended.step(chosen)[4]
    assert set(info["final_info"]) == set(expected)
    assert np.array_equal(info["final_info"]["objective"], expected["objective"])


@pytest.mark.filterwarnings("default::ResourceWarning")  # of files that Minari leaves
@pytest.mark.filterwarnings("default::pytest.PytestUnraisableExceptionWarning")
def test_minari_collects_an_episode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jax")  # which Minari's collector needs
    minari = pytest.importorskip("minari")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    collector = minari.DataCollector(gymnasium.make(STREAM, overrides=SHORT))
    collector.reset(seed=1)
    while not collector.step(collector.action_space.sample())[3]:
        pass
    about = ("code_permalink", "author", "author_email", "algorithm_name", "description")
    described: Any = dict.fromkeys(about, "none") | {"eval_env": STREAM}
    dataset = collector.create_dataset("edgesim/test-v0", **described)
    collector.close()
    assert dataset.total_steps == 5
    again = minari.load_dataset("edgesim/test-v0").recover_environment()
    assert type(again.unwrapped) is type(gymnasium.make(STREAM).unwrapped)


def test_torchrl_wraps_a_vector() -> None:
    envs = pytest.importorskip("torchrl.envs")
    made = gymnasium.make_vec(STREAM, num_envs=2, overrides=SHORT, autoreset_mode="SameStep")
    rollout = envs.GymWrapper(made).rollout(4)
    assert rollout["observation"].shape[:2] == (2, 4)


@pytest.mark.parametrize("name", BOTH)
def test_environments_share_nothing(name: str) -> None:
    """Of two that take turns, from one scenario object, each is what it is alone; so is a third, later."""
    scenario = load_scenario("iiot_20dev" if name == STREAM else "carbon_6ue", SHORT)
    made = [gymnasium.make_vec(name, num_envs=2, scenario=scenario) for _ in range(3)]
    one, other, later = made
    chosen = [actions(cast(VectorEnvironment, one), seed) for seed in (1, 2)]
    expected = []
    for seed in (1, 2):
        alone = gymnasium.make_vec(name, num_envs=2, scenario=scenario)
        expected.append(episode(cast(VectorEnvironment, alone), chosen[seed - 1], seed))
    seen: Any = [[one.reset(seed=1)[0]], [other.reset(seed=2)[0]]]
    for t in range(5):
        for env, which in ((one, 0), (other, 1)):
            seen[which].append(env.step(chosen[which][t])[0])
    for which in (0, 1):
        assert np.array_equal(np.stack(seen[which]), expected[which][0])
    again = episode(cast(VectorEnvironment, later), chosen[0], 1)
    assert np.array_equal(again[1], expected[0][1])


@pytest.mark.parametrize("name", BOTH)
def test_what_is_global_is_left_alone(name: str) -> None:
    """Generators and settings of torch, numpy, Python and matplotlib, from `make` to `close`."""
    import random

    import matplotlib
    import torch

    def known() -> Any:
        return [
            torch.get_rng_state().tolist(),
            torch.get_num_threads(),
            torch.get_default_dtype(),
            torch.are_deterministic_algorithms_enabled(),
            torch.is_grad_enabled(),
            str(np.random.get_state()),
            np.geterr(),
            random.getstate(),
            dict(matplotlib.rcParams),
        ]

    before = known()
    env = gymnasium.make(name, overrides=SHORT, render_mode="rgb_array")
    env.reset(seed=1)
    env.step(np.zeros(env.action_space.shape or ()))
    env.render()
    env.reset()
    env.close()
    assert known() == before


@pytest.mark.parametrize("name", BOTH)
def test_specifications_make_the_same_again(name: str) -> None:
    """Also as JSON, as data sets and registries keep them; of vectors, too."""
    keys: Any = {"overrides": SHORT, "flat": False, "render_mode": "rgb_array"}
    env = gymnasium.make(name, **keys)
    assert env.spec is not None
    as_json = gymnasium.envs.registration.EnvSpec.from_json(env.spec.to_json())
    for spec in (env.spec, as_json, pickle.loads(pickle.dumps(env.spec))):
        again = gymnasium.make(spec)
        assert again.spec == env.spec
        assert (again.observation_space, again.action_space) == (
            env.observation_space,
            env.action_space,
        )
        assert np.array_equal(again.reset(seed=3)[0], env.reset(seed=3)[0])
    vector = gymnasium.make_vec(name, num_envs=2, **keys)
    assert vector.spec is not None
    other = gymnasium.make_vec(vector.spec, num_envs=2)
    assert other.observation_space == vector.observation_space
    assert np.array_equal(other.reset(seed=3)[0], vector.reset(seed=3)[0])


@pytest.mark.parametrize("name", BOTH)
def test_a_single_environment_that_is_over_asks_for_reset(name: str) -> None:
    env = gymnasium.make(name, overrides=["run.slots=2"])
    still = np.zeros(env.action_space.shape or ())
    with pytest.raises(ResetNeeded):
        env.step(still)
    env.reset(seed=1)
    assert not env.step(still)[3] and env.step(still)[3]
    for _ in range(2):
        with pytest.raises(ResetNeeded):
            env.step(still)
    first, _ = env.reset(seed=1)
    assert np.array_equal(first, gymnasium.make(name, overrides=["run.slots=2"]).reset(seed=1)[0])
    env.step(still)


def test_an_environment_that_cannot_be_made_is_closed_quietly() -> None:
    """What is not there yet when its constructor fails is not asked for when it goes."""
    half = StreamVectorEnvironment.__new__(StreamVectorEnvironment)
    half.close_extras()


def test_overrides_of_a_loaded_scenario_count() -> None:
    """As they do where it is named; in all environments."""
    loaded, keys = load_scenario("iiot_20dev"), ["run.slots=7", "devices.count=3"]
    env = StreamVectorEnvironment(2, loaded, overrides=keys)
    assert (env.scenario.run.slots, env.scenario.devices.count) == (7, 3)
    single = cast(Any, gymnasium.make(STREAM, scenario=loaded, overrides=keys).unwrapped)
    assert single.vector.scenario.devices.count == 3
    assert len(edgesim.parallel_env(scenario=loaded, overrides=keys).possible_agents) == 3


EASY_TASKS = ('tasks.cycles=["1000 Mcycles", "1500 Mcycles"]', "energy.theta_0=1e-28")


def test_a_server_that_deviates_breaks_no_limit() -> None:
    """(10e) is of what was decided: a slot that keeps all limits costs its emission alone, C(22)."""
    keys = [*EASY_TASKS, "run.slots=4", "twin.deviation.edge_cpu.relative=0.5"]
    env = TaskVectorEnvironment(1, "carbon_6ue", overrides=keys)
    env.reset(seed=1)
    offloaders = 0
    for _ in range(4):
        action = np.zeros((1, 6, 4))
        action[..., 3] = env.encoding.decision(action, env.observation).offload  # all of the server
        _, reward, _, _, info = env.step(action)
        if info["feasible"].all():
            columns = cast(Any, env._simulation)._recorded
            offloaders += int(columns["offload"].sum())
            network = cast(Any, env.problem).network
            budget_mg = columns["carbon_g_per_kwh"][:, 0] / 3.6e3 * network.energy_max_j
            emission = columns["worst_emission_mg"] / budget_mg
            np.testing.assert_allclose(reward, -emission, rtol=1e-12)
    assert offloaders > 4


@pytest.mark.parametrize("action", ["guided", "paper", "corrected"])
def test_electricity_without_emission_has_no_share_of_it(action: Any) -> None:
    """All is a number, and what is learned from is the limits alone."""
    keys = [*EASY_TASKS, "run.slots=3", "carbon.intensity=0"]
    env = TaskVectorEnvironment(2, "carbon_6ue", overrides=keys, action=action)
    observations, rewards = episode(env, np.zeros_like(actions(env)), 1)
    assert np.isfinite(observations).all() and np.isfinite(rewards).all()
    if action == "guided":
        assert (rewards == 0.0).all()
        assert (observations.reshape(4, 2, 6, -1)[..., 7] == -5.0).all()
