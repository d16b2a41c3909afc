"""Trainings over several worlds: which they are, who steps in which, and what is told of each."""

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_train import SMALL, edgesim, flat, refused, rows

from edgesim.experiments import evaluation, variants
from edgesim.experiments.evaluation import Evaluation, beyond_best
from edgesim.experiments.train import FORMAT, make_environment, train
from edgesim.experiments.variants import (
    Variant,
    VariedEnvironment,
    VariedEvaluator,
    make_environments,
    variants_of,
)
from edgesim.policies.learning.checkpoint import read
from edgesim.policies.learning.environment import TaskVectorEnvironment
from edgesim.policies.registry import make_policy
from edgesim.scenarios.errors import ScenarioError
from edgesim.scenarios.loading import load_scenario
from edgesim.scenarios.tables import flatten

THREE = "policy.variants.energy.theta_0=[1e-28, 3e-28, 1e-27]"
RANGES = 'policy.variants.tasks.cycles=[["1 Gcycles", "1.5 Gcycles"], ["1 Gcycles", "2 Gcycles"]]'


@pytest.fixture(autouse=True)
def _small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder of its own, and with little evaluation."""
    monkeypatch.chdir(tmp_path)
    shapes = {"drift-plus-penalty": (2, 8), "worst-case-emission": (2, 2)}
    monkeypatch.setattr(evaluation, "SHAPES", shapes)


def worlds_of(*keys: str, scenario: str = "carbon_6ue") -> tuple[Variant, ...]:
    loaded: Any = load_scenario(scenario, [*SMALL, *keys], policy="ddpg")
    policy: Any = make_policy(loaded)
    return variants_of(loaded, policy)


def test_every_combination_of_values_is_a_variant() -> None:
    found = worlds_of(THREE, RANGES, "run.seed=7")
    thetas = [one.scenario.energy.theta_0 for one in found]
    assert thetas == [1e-28, 1e-28, 3e-28, 3e-28, 1e-27, 1e-27]
    largest = [flatten(tomllib.loads(one.scenario.to_toml()))["tasks.cycles"][1] for one in found]
    assert largest == ["1.5 Gcycles", "2 Gcycles"] * 3
    assert found[1].label == ('energy.theta_0 = 1e-28, tasks.cycles = ["1 Gcycles", "2 Gcycles"]')
    assert all(one.scenario.run.seed == 7 for one in found)


def test_without_the_key_there_is_the_scenario_alone() -> None:
    scenario: Any = load_scenario("carbon_6ue", SMALL, policy="ddpg")
    policy: Any = make_policy(scenario)
    (only,) = variants_of(scenario, policy)
    assert only.scenario is scenario and only.label == ""
    env = make_environments([scenario], make_environment, 4, 5)
    assert isinstance(env, TaskVectorEnvironment) and env.num_envs == 4
    assert env.scenario.run.slots == 5


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("policy.variants.energy.theta_0=1e-28", "not a list; allowed: a list of values"),
        ("policy.variants.energy.theta_0=[]", "empty; allowed: a list of values"),
        ("policy.variants.energy.theta_0=[1e-28, -1.0]", "-1.0: too small; allowed: a number, > 0"),
        ("policy.variants.energy.theta=[1.0]", "unknown key"),
        ("policy.variants.run.seed=[1, 2]", "not of the world; allowed: keys of other sections"),
        ("policy.variants.policy.noise=[0.1]", "not of the world; allowed: keys of other sections"),
        ("policy.variants.devices.count=[6, 7]", "has 7 devices and 1 stations, the scenario 6"),
        (f"policy.variants.energy.theta_0={[1e-28] * 101}", "101 variants; allowed: <= 100"),
        ("policy.variants=3", "not a table"),
    ],
)
def test_what_is_no_variant_is_refused(key: str, said: str) -> None:
    told = refused("train", "carbon_6ue", "--policy", "ddpg", "--set", key)
    # What is about combinations is said of the table.
    name, of = key.partition("=")[0], ".devices.count" if "has 7" in said else ""
    of = ".energy.theta_0" if "101" in said else of
    assert said in told and f"key `{name.removesuffix(of)}`" in told
    assert len(told.strip().splitlines()) == 1


def test_variants_have_the_scenarios_stations() -> None:
    with pytest.raises(ScenarioError, match=r"5 stations.*the scenario.*4 stations"):
        worlds_of("policy.variants.stations.sbs.count=[3, 4]", scenario="iiot_20dev")


def test_each_variant_has_a_replication_at_least() -> None:
    keys = [word for key in (*SMALL, THREE, "policy.replicas=2") for word in ("--set", key)]
    told = refused("train", "carbon_6ue", "--policy", "ddpg", *keys)
    assert "policy.replicas" in told and "2" in told and ">= 3" in told


def test_each_replication_is_in_its_world_with_its_own_seed() -> None:
    """Bit for bit as in an environment of that world alone; 7 are 3, 2 and 2."""
    worlds = [one.scenario for one in worlds_of(THREE)]
    env: Any = make_environments(worlds, make_environment, 7, 2)
    assert isinstance(env, VariedEnvironment)
    actions = np.random.default_rng(1).uniform(-1.0, 1.0, (7, 6, 4))
    seen, _ = env.reset(seed=50)
    next_seen, reward, terminated, truncated, _ = env.step(actions)
    assert env.single_observation_space.shape == seen.shape[1:] == (6, 19)
    assert env.single_action_space.shape == (6, 4)
    first = 0
    for world, count in zip(worlds, (3, 2, 2), strict=True):
        of = slice(first, first + count)
        alone = make_environment(world, count, 2)
        assert np.array_equal(alone.reset(seed=50 + first)[0], seen[of])
        its_seen, its_reward, _, over, _ = alone.step(actions[of])
        assert np.array_equal(its_seen, next_seen[of]) and np.array_equal(its_reward, reward[of])
        assert not terminated[of].any() and np.array_equal(truncated[of], over)
        first += count
    assert len({seen[r].tobytes() for r in range(7)}) == 7
    assert env.step(actions)[3].all()
    env.close()


class Fixed:
    """Stands for an evaluator."""

    problem = "the first"

    def __init__(self, figures: dict[str, float], score: float) -> None:
        self._found = Evaluation(figures, score)

    def evaluate(self, policy: Any) -> Evaluation:
        return self._found

    def seconds(self, policy: Any) -> float:
        return 2.0


def test_variants_count_alike_in_the_score(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the stream problem in units of the gap, of the task problem as it is relative to `exact`."""
    stream = [
        Evaluation(
            {"system_cost": 6.0, "lyapunov_system_cost": 5.0, "local_system_cost": 9.0}, 6.0
        ),
        Evaluation(
            {"system_cost": 3e9, "lyapunov_system_cost": 1e9, "local_system_cost": 2e9}, 3e9
        ),
        Evaluation(
            {"system_cost": 3.0, "lyapunov_system_cost": 3.0, "local_system_cost": 3.0}, 3.0
        ),
    ]
    assert [beyond_best(one) for one in stream] == [0.25, 2.0, 0.0]
    monkeypatch.setattr(variants, "Evaluator", lambda fixed, price: fixed)
    nobody: Any = None
    one: Any = Fixed({"excess": 0.1, "feasible": 1.0, "above_exact_energy": 3.0, "only": 1.0}, 0.1)
    other: Any = Fixed({"excess": 0.3, "feasible": 0.9, "above_exact_energy": 4.0}, 1.3)
    evaluator = VariedEvaluator([Variant("a = 1", one), Variant("a = 2", other)])
    found = evaluator.evaluate(nobody)
    assert found.score == pytest.approx(0.7)
    assert found.figures == pytest.approx(
        {
            "excess": 0.2, "feasible": 0.95, "excess (a = 1)": 0.1, "excess (a = 2)": 0.3,
            "feasible (a = 1)": 1.0, "feasible (a = 2)": 0.9,
        }
    )  # fmt: skip
    assert evaluator.seconds(nobody) == 4.0
    assert VariedEvaluator([Variant("", other)]).evaluate(nobody) == other.evaluate(nobody)


@pytest.mark.parametrize("policy", ["ddpg", "aac"])
def test_a_training_over_variants_resumes_bit_for_bit(policy: str) -> None:
    """And learns from all of them: another theta_0 in one of three is another training."""
    keys = ["policy.episode_slots=3", "policy.replicas=3", "policy.hidden=[6, 6]"]
    keys += ["policy.workers=1"] if policy == "aac" else ["policy.warmup=9", "policy.batch=4"]

    def trained(folder: str, episodes: int, thetas: str, *, resume: bool = False) -> list[Any]:
        length = (
            f"policy.steps={9 * episodes}" if policy == "aac" else f"policy.episodes={episodes}"
        )
        given = f"policy.variants.energy.theta_0={thetas}"
        scenario = load_scenario("carbon_6ue", [*keys, length, given], policy=policy)
        assert train(scenario, Path(folder), resume=resume).complete
        return flat(read(Path(folder, "checkpoint.pt"), FORMAT)["learner"])

    def alike(some: list[Any], others: list[Any]) -> bool:
        return all(
            torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other
            for one, other in zip(some, others, strict=True)
        )

    three = "[1e-28, 3e-28, 1e-27]"
    whole = trained("whole", 2, three)
    trained("parts", 1, three)
    if policy == "ddpg":  # of aac rates hang on how long a training is
        assert alike(trained("parts", 2, three, resume=True), whole)
    assert not alike(trained("other", 2, "[1e-28, 3e-28, 5e-28]"), whole)
    last = rows(Path("whole/evaluation.csv"))[-1]
    each = [float(last[f"excess (energy.theta_0 = {theta})"]) for theta in (1e-28, 3e-28, 1e-27)]
    assert float(last["excess"]) == pytest.approx(np.mean(each))
    assert len(set(each)) > 1 and "feasible (energy.theta_0 = 1e-28)" in last
    assert not any(name.startswith("above_") for name in last)


def test_resume_wants_the_same_variants() -> None:
    words = ["train", "carbon_6ue", "--policy", "ddpg", "-o", "out", "--set", "policy.episodes=1"]
    words += [word for key in (*SMALL, THREE) for word in ("--set", key)]
    assert edgesim(*words).exit_code == 0
    changed = "policy.variants.energy.theta_0=[1e-28, 3e-28, 5e-28]"
    assert "policy.variants.energy.theta_0" in refused(*words, "--resume", "--set", changed)
    run = ["run", "carbon_6ue", "--policy", "ddpg", "--checkpoint", "out/best.pt", "--slots", "2"]
    assert edgesim(*run).exit_code == 0


@pytest.mark.slow
def test_agents_with_processes_of_their_own_have_all_variants() -> None:
    keys = [*SMALL[:2], SMALL[-1], THREE, "policy.workers=2", "policy.steps=80"]
    scenario = load_scenario("carbon_6ue", keys, policy="aac")
    result = train(scenario, Path("out"))
    assert result.complete and "excess (energy.theta_0 = 3e-28)" in result.best
