"""`edgesim train`: what it leaves, how it goes on, and what it refuses."""

import csv
import json
import re
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from forked import Forked

from edgesim.cli import main
from edgesim.experiments import evaluation, variants
from edgesim.experiments import train as training
from edgesim.experiments.evaluation import Evaluation
from edgesim.experiments.sweeps.sweep_file import load_sweep
from edgesim.experiments.train import (
    FORMAT,
    TrainingProgress,
    _Session,
    learns,
    make_environment,
    train,
)
from edgesim.policies.learning.checkpoint import read, shipped, write
from edgesim.scenarios.errors import ScenarioError
from edgesim.scenarios.loading import load_scenario
from edgesim.simulator.assembly.build import blueprint
from edgesim.simulator.core.errors import RunError
from edgesim.traces.reader import open_trace

SMALL = (
    "policy.episode_slots=5",
    "policy.replicas=4",
    "policy.warmup=20",
    "policy.batch=8",
    "policy.hidden=[8, 8]",
)
"""Seconds of training: what it leaves is tested, not how good it is."""

WORLDS = ("carbon_6ue", "iiot_20dev")


@pytest.fixture(autouse=True)
def _small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder of its own, and with little evaluation."""
    monkeypatch.chdir(tmp_path)
    shapes = {"drift-plus-penalty": (2, 8), "worst-case-emission": (2, 2)}
    monkeypatch.setattr(evaluation, "SHAPES", shapes)


def edgesim(*words: str) -> Result:
    result = CliRunner().invoke(main, words)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def options(*keys: str) -> list[str]:
    return [word for key in (*SMALL, *keys) for word in ("--set", key)]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def flat(state: Any) -> list[Any]:
    """All values of a nested state, in order."""
    if isinstance(state, dict):
        return [leaf for value in state.values() for leaf in flat(value)]
    if isinstance(state, list | tuple):
        return [leaf for value in state for leaf in flat(value)]
    return [state]


class Walking:
    """A learner of 100 steps at a time; it earns as many as it has made."""

    actor = None
    cpu_s = 1000.0

    def __init__(self) -> None:
        self.steps = 0

    def advance(self) -> dict[str, float]:
        self.steps += 100
        return {"reward": float(self.steps)} | ({"loss": 1.0} if self.steps > 200 else {})

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps = state["steps"]


class Scored:
    """A policy whose evaluations have the scores that they are given, and that notes when it is kept."""

    name, problem = "scored", None

    def __init__(self, steps: int, scores: list[float]) -> None:
        self.steps, self.scores, self.kept = steps, iter(scores), list[float]()

    def set_actor(self, actor: None) -> None:
        """All are alike."""

    def evaluate(self, policy: "Scored") -> Evaluation:
        self.score = next(self.scores)
        return Evaluation({"figure": self.score}, self.score)

    def save(self, path: Path, problem: None, about: str) -> None:
        assert path.name == "best.pt" and about == "the command"
        self.kept.append(self.score)

    def train(self, saved: dict[str, Any] | None = None) -> tuple[Any, list[TrainingProgress]]:
        told: list[TrainingProgress] = []
        scenario = load_scenario("carbon_6ue", policy="ddpg")
        begun_s = time.process_time()
        about: Any = (self, Walking(), self, scenario, Path(), "the command", saved, begun_s)
        return _Session(*about).run(told.append), told


def test_the_policy_with_the_least_score_is_kept() -> None:
    scores = [5.0, 3.0, 4.0, 3.0, 2.0, 2.5, *[6.0] * 14]
    policy = Scored(4000, scores)
    result, told = policy.train()
    assert policy.kept == [5.0, 3.0, 2.0]
    assert result.complete and result.steps == 4000 and result.best == {"figure": 2.0}
    # Every twentieth of the steps, the last at the end; as many rows of the log as there is to say.
    found = rows(Path("evaluation.csv"))
    assert [int(row["steps"]) for row in found] == list(range(200, 4001, 200))
    assert [float(row["figure"]) for row in found] == scores
    assert [one.steps for one in told] == list(range(100, 4001, 100))
    assert told[0].evaluation is None and told[1].evaluation == Evaluation({"figure": 5.0}, 5.0)


def test_the_best_of_an_earlier_part_is_beaten_or_stays() -> None:
    for scores, kept in (([2.0] * 10, []), ([2.0, 0.5, 0.75, *[2.0] * 7], [0.5])):
        policy = Scored(4000, scores)
        best = {"figures": {"figure": 1.0}, "score": 1.0}
        saved = {"learner": {"steps": 2000}, "best": best, "since": [], "seconds": 0.0}
        result, _ = policy.train(saved)
        assert policy.kept == kept
        assert result.best == {"figure": min([1.0, *kept])}


def test_cpu_time_is_that_of_all_processes_and_of_earlier_parts() -> None:
    result, _ = Scored(4000, [0.0] * 20).train()
    assert 1000.0 < result.cpu_s < 1100.0
    kept = read(Path("checkpoint.pt"), FORMAT)
    assert 1000.0 < kept["cpu_s"] <= result.cpu_s
    for before_s in (None, 500.0):
        saved: dict[str, Any] = {
            "learner": {"steps": 2000},
            "best": None,
            "since": [],
            "seconds": 0.0,
        }
        if before_s is not None:
            saved["cpu_s"] = before_s
        result, _ = Scored(4000, [0.0] * 10).train(saved)
        assert 1000.0 < result.cpu_s - (before_s or 0.0) < 1100.0


def test_the_log_has_means_since_its_last_row() -> None:
    """400 episodes in 200 rows: of rewards 100 and 200, 300 and 400, …; losses where there are any."""
    _, told = Scored(40_000, [0.0] * 20).train()
    assert len(told) == 200
    assert [one.means["reward"] for one in told] == [200.0 * k + 150.0 for k in range(200)]
    assert "loss" not in told[0].means and {one.means["loss"] for one in told[1:]} == {1.0}
    assert rows(Path("progress.csv"))[0]["loss"] == ""


def test_trainings_meet_neither_the_seeds_of_evaluations_nor_each_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Seeds of scenarios are below 2^32; trainings' are above, 2^32 of them for each."""
    met: list[int] = []

    class Blank:
        single_observation_space = single_action_space = np.empty((6, 2))

        def __init__(self, scenario: Any, replicas: int, slots: int, *others: Any) -> None:
            self._shape = replicas, 6, 2

        def reset(self, seed: int) -> tuple[Any, dict[str, Any]]:
            met.extend(seed + r for r in range(self._shape[0]))
            return np.zeros(self._shape, np.float32), {}

        def step(self, action: Any) -> tuple[Any, ...]:
            return np.zeros(self._shape, np.float32), np.zeros(self._shape[0]), None, None, {}

        def close(self) -> None:
            """Nothing is held."""

    class Nobody:
        def __init__(self, scenario: Any, energy_price: float) -> None:
            self.problem = blueprint(scenario).problem

        def evaluate(self, policy: Any) -> Evaluation:
            return Evaluation({}, 0.0)

    monkeypatch.setattr(training, "make_environment", Blank)
    monkeypatch.setattr(variants, "Evaluator", Nobody)
    for seed in (0, 1, 2, 4294967295):
        keys = [*SMALL, "policy.episodes=3", "policy.updates=1", f"run.seed={seed}"]
        train(load_scenario("carbon_6ue", keys, policy="ddpg"), Path(f"seed{seed}"))
    assert len(set(met)) == len(met) == 4 * 3 * 4
    assert min(met) >= 1 << 32


def test_the_weight_of_limits_is_that_of_all_four() -> None:
    """Each limit exceeded by a quarter by one device: 4 times 3 times 1/4."""
    env: Any = make_environment(load_scenario("carbon_6ue"), 1, 7, 3.0)
    assert env.scenario.run.slots == 7
    columns = {
        "delay_s": [2.5, 1.0, 1.0, 1.0, 1.0, 1.0],
        "energy_j": [1.25, 0.0, 0.0, 0.0, 0.0, 0.0],
        "rate_bps": [0.8e6, 2e6, 2e6, 2e6, 2e6, 2e6],
        "offload": [True, False, False, False, False, False],
        "edge_cpu_hz": [25e9, 0.0, 0.0, 0.0, 0.0, 0.0],
        "deadline_s": [2.0] * 6,
    }
    given = {name: np.array([values]) for name, values in columns.items()}
    given |= {"worst_emission_mg": np.zeros(1), "carbon_g_per_kwh": np.array([[182.0]])}
    assert env.reward(given)[0] == pytest.approx(-3.0)


@pytest.mark.parametrize("policy", ["ddpg", "dqn", "sac"])
@pytest.mark.parametrize("scenario", WORLDS)
def test_train_then_run(scenario: str, policy: str) -> None:
    keys = options("policy.episodes=4")
    result = edgesim("train", scenario, "--policy", policy, *keys, "-o", "out", "--json")
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert told["steps"] == 4 * 5 * 4 and told["checkpoint"] == "out/best.pt"
    assert len(rows(Path("out/progress.csv"))) == 4
    assert len(rows(Path("out/evaluation.csv"))) == 4
    last = rows(Path("out/progress.csv"))[-1]
    assert {"reward", "steps_per_s", "seconds"} < set(last) and any("loss" in name for name in last)
    run = edgesim(
        "run",
        scenario,
        "--policy",
        policy,
        "--checkpoint",
        "out/best.pt",
        "--slots",
        "6",
        "-o",
        "t.h5",
    )
    assert run.exit_code == 0
    with open_trace("t.h5") as trace:
        assert trace.status == "complete" and trace.slots.sizes["slot"] == 6
        assert 'checkpoint = "out/best.pt"' in trace.scenario


@pytest.mark.parametrize("policy", ["ddpg", "dqn", "sac"])
def test_resuming_goes_on_bit_for_bit(policy: str) -> None:
    """7 episodes are 3 and then 4 in another process's place, in every tensor and generator."""

    def trained(folder: str, episodes: int, resume: bool) -> None:
        keys = [*SMALL, f"policy.episodes={episodes}"]
        scenario = load_scenario("carbon_6ue", keys, policy=policy)
        train(scenario, Path(folder), resume=resume)

    trained("whole", 7, resume=False)
    trained("parts", 3, resume=False)
    trained("parts", 7, resume=True)
    whole, parts = (
        read(Path(folder, "checkpoint.pt"), FORMAT)["learner"] for folder in ("whole", "parts")
    )
    assert whole["steps"] == 7 * 5 * 4
    leaves = flat(whole)
    assert len(leaves) > 20
    for one, other in zip(leaves, flat(parts), strict=True):
        assert torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


def test_what_came_after_a_checkpoint_is_done_again() -> None:
    """A table that is ahead of the checkpoint, as after kill -9, loses its last rows."""
    scenario = load_scenario("carbon_6ue", [*SMALL, "policy.episodes=4"], policy="ddpg")
    train(scenario, Path("out"))
    table = Path("out/progress.csv")
    before = table.read_text()
    table.write_text(before + "9999" + "," * (before.splitlines()[0].count(",")) + "\n")
    longer = load_scenario("carbon_6ue", [*SMALL, "policy.episodes=6"], policy="ddpg")
    train(longer, Path("out"), resume=True)
    assert [int(row["steps"]) for row in rows(table)] == [20, 40, 60, 80, 100, 120]


class Killed(BaseException):
    """As SIGKILL: nobody catches it, and nothing is written after it."""


def check_kills(
    choose: Callable[[list[str]], Iterable[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kill a training at some of the moments in which a file changes, and go on."""
    scenario = load_scenario("carbon_6ue", [*SMALL, "policy.episodes=5"], policy="ddpg")
    left, moments = 1 << 30, list[str]()

    def watched(change: Any) -> Any:
        def moment(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            left -= 1
            moments.append(change.__name__)
            if left < 0:
                raise Killed
            return change(*args, **kwargs)

        return moment

    def every_other(session: Any) -> None:
        if session._learner.steps % 40 == 0 or session._learner.steps == 100:
            save(session)

    save = _Session._save
    monkeypatch.setattr(training, "CHECKPOINT_S", 0.0)
    monkeypatch.setattr(_Session, "_save", every_other)
    monkeypatch.setattr(Path, "replace", watched(Path.replace))
    monkeypatch.setattr(csv.DictWriter, "writerows", watched(csv.DictWriter.writerows))
    monkeypatch.setattr(torch, "save", watched(torch.save))
    train(scenario, Path("whole"))
    expected = {name: content(Path("whole", name)) for name in TABLES}
    assert [len(table) for table in expected.values()] == [6, 6]
    for number in choose(moments.copy()):
        left = number
        with pytest.raises(Killed):
            train(scenario, Path(f"killed-{number}"))
        left = 1 << 30
        train(scenario, Path(f"killed-{number}"), resume=True)
        found = {name: content(Path(f"killed-{number}", name)) for name in TABLES}
        assert found == expected, number


TABLES = ("progress.csv", "evaluation.csv")


def content(path: Path) -> list[list[str]]:
    """The lines of a table, header first, without the times that they took."""
    with path.open(newline="") as file:
        lines = list(csv.reader(file))
    kept = [n for n, name in enumerate(lines[0]) if name not in ("seconds", "steps_per_s")]
    return [[line[n] for n in kept] for line in lines]


def test_tables_of_a_killed_training_are_those_of_one_that_was_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def last_of_each(moments: list[str]) -> list[int]:
        return list({name: number for number, name in enumerate(moments)}.values())

    check_kills(last_of_each, monkeypatch)


@pytest.mark.slow
def test_tables_are_the_same_whenever_it_was_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    check_kills(lambda moments: range(len(moments)), monkeypatch)


def test_a_table_that_is_none_is_told() -> None:
    keys = options("policy.episodes=1")
    words = ("train", "carbon_6ue", "--policy", "ddpg", *keys, "-o", "out")
    assert edgesim(*words).exit_code == 0
    for text in ("", "a,b\n1,2\n", "steps\nmany\n", "steps\n\xff\n"):
        Path("out/progress.csv").write_bytes(text.encode("latin-1"))
        if text:
            assert "out/progress.csv is not what a training left" in refused(*words, "--resume")
        else:
            assert edgesim(*words, "--resume").exit_code == 0


def test_a_killed_training_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_S", 0.0)
    keys = options("policy.episodes=100000")
    process = Forked(["train", "carbon_6ue", "--policy", "ddpg", *keys, "-o", "out"])
    checkpoint = tmp_path / "out" / "checkpoint.pt"
    deadline = time.monotonic() + 120.0
    while not checkpoint.exists() and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done = read(checkpoint, FORMAT)["learner"]["steps"]
    assert done > 0
    episodes = done // 20 + 3
    scenario = load_scenario("carbon_6ue", [*SMALL, f"policy.episodes={episodes}"], policy="ddpg")
    result = train(scenario, Path("out"), resume=True)
    assert result.complete and result.steps == episodes * 20


@pytest.mark.parametrize("policy", ["ddpg", "dqn", "sac"])
def test_not_a_number_stops_and_keeps_the_last_good_checkpoint(
    policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgesim.policies.learning.environment import TaskVectorEnvironment

    scenario = load_scenario("carbon_6ue", [*SMALL, "policy.episodes=4"], policy=policy)
    train(scenario, Path("out"))
    good = Path("out/checkpoint.pt").read_bytes()
    reward = TaskVectorEnvironment.reward
    monkeypatch.setattr(
        TaskVectorEnvironment, "reward", lambda self, columns: reward(self, columns) * float("nan")
    )
    longer = load_scenario("carbon_6ue", [*SMALL, "policy.episodes=9"], policy=policy)
    with pytest.raises(RunError, match=r"stopped after 80 steps: .*_loss is nan; .*checkpoint\.pt"):
        train(longer, Path("out"), resume=True)
    assert Path("out/checkpoint.pt").read_bytes() == good


def refused(*words: str) -> str:
    result = edgesim(*words)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return result.stderr


def test_a_policy_that_was_not_trained_says_what_to_do() -> None:
    for command in ("run", "validate"):
        said = refused(command, "iiot_20dev", "--policy", "ddpg")
        assert "edgesim train" in said and "--checkpoint" in said


def test_a_policy_that_does_not_learn_is_not_trained() -> None:
    said = refused("train", "carbon_6ue", "--policy", "exact")
    assert "does not learn" in said and "ddpg, aac, dqn, sac" in said


def test_checkpoints_that_do_not_fit_are_refused_and_not_executed() -> None:
    for name, scenario, network in (
        ("flat", "carbon_6ue", "flat"),
        ("shared", "carbon_6ue", "shared"),
    ):
        keys = options("policy.episodes=1", f"policy.network={network}")
        assert edgesim("train", scenario, "--policy", "ddpg", *keys, "-o", name).exit_code == 0
    run = ("--slots", "2", "--checkpoint")
    said = refused("run", "iiot_20dev", "--policy", "ddpg", *run, "flat/best.pt")
    assert "worst-case-emission" in said
    said = refused("run", "carbon_6ue", "--policy", "dqn", *run, "flat/best.pt")
    assert 'policy = "ddpg"' in said
    more = ("--set", "devices.count=9")
    said = refused("run", "carbon_6ue", "--policy", "ddpg", *more, *run, "flat/best.pt")
    assert "devices = 6" in said and "shared" in said
    assert (
        edgesim("run", "carbon_6ue", "--policy", "ddpg", *more, *run, "shared/best.pt").exit_code
        == 0
    )
    said = refused("run", "carbon_6ue", "--policy", "ddpg", *run, "flat/checkpoint.pt")
    assert "not a checkpoint of this kind" in said
    Path("broken.pt").write_bytes(Path("flat/best.pt").read_bytes()[:1000])
    assert "broken.pt" in refused("run", "carbon_6ue", "--policy", "ddpg", *run, "broken.pt")
    assert "No such file" in refused("run", "carbon_6ue", "--policy", "ddpg", *run, "none.pt")
    torch.save({"format": "edgesim policy 1", "actor": Bomb()}, "bomb.pt")
    assert "bomb.pt" in refused("run", "carbon_6ue", "--policy", "ddpg", *run, "bomb.pt")
    assert not Path("exploded").exists()


def test_a_price_of_energy_is_refused_where_there_is_no_p2() -> None:
    short = ("policy.episodes=1", "policy.episode_slots=2", "policy.energy_price=0.5")
    words = [word for key in short for word in ("--set", key)]
    said = refused("train", "carbon_6ue", "--policy", "sac", *words)
    assert "key `policy.energy_price` = 0.5: is of the stream problem alone; allowed: 0" in said


def test_so_many_levels_that_no_network_lists_their_actions_are_refused_by_their_key() -> None:
    """Five numbers of a printed action of the stream: 6^5 = 7776 are too many, 5^5 = 3125 are not."""
    keys = ("policy.levels=6", "policy.action=paper")
    said = refused(
        "train", "iiot_20dev", "--policy", "dqn", *(w for k in keys for w in ("--set", k))
    )
    assert "iiot_20dev: key `policy.levels` = 6: 6^5 actions of each device are more" in said
    assert said.rstrip().endswith("allowed: 2 to 5")
    assert learns(load_scenario("iiot_20dev", ["policy.levels=5", keys[1]], policy="dqn"))
    # Two levels are the fewest, and always few enough: there is no range without an end.
    table = {"scenario": "iiot_20dev", "policies": ["dqn"], "set": {"policy.action": "paper"}}
    table |= {"search": {"trials": 2, "space": {"policy.levels": {"low": 2, "high": 7}}}}
    with pytest.raises(ScenarioError, match=r"levels` = 7: 7\^5 .*allowed: 2 to 5"):
        load_sweep(table)


def test_shipped_checkpoints_are_found_by_name_and_small() -> None:
    paths = shipped()
    assert paths and sum(path.stat().st_size for path in paths) < 2_000_000
    for path in paths:
        command = read(path, "edgesim policy 1")["about"].split()
        assert command[:2] == ["edgesim", "train"]
        words = ("run", *command[2:5])  # SCENARIO --policy P
        assert edgesim(*words, "--slots", "2", "--checkpoint", path.stem).exit_code == 0
        said = refused(*words)
        assert [other.stem for other in paths if other.stem in said] == [path.stem]
    assert "shipped" not in refused("run", "carbon_6ue", "--policy", "dqn")
    assert "shipped" not in refused("run", "carbon_6ue", "--policy", "aac")


def test_a_network_that_learned_another_encoding_is_refused() -> None:
    """One of before the file said so is of the first."""
    path = next(path for path in shipped() if path.stem == "aac_iiot_20dev")
    saved = read(path, "edgesim policy 1")
    assert saved.pop("encoding") == 2
    write(Path("old.pt"), saved)
    said = refused("run", "iiot_20dev", "--policy", "aac", "--checkpoint", "old.pt")
    assert "the checkpoint has encoding = 1, the scenario 2: what its network sees" in said


class Bomb:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path("exploded"),)


def test_resume_wants_the_same_training() -> None:
    keys = options("policy.episodes=1")
    words = ("train", "carbon_6ue", "--policy", "ddpg", *keys)
    assert edgesim(*words, "-o", "out").exit_code == 0
    assert "--resume" in refused(*words, "-o", "out")
    assert "--output" in refused(*words, "--resume")
    said = refused(*words, "-o", "out", "--resume", "--set", "policy.discount=0.5")
    assert "policy.discount" in said and "0.5" in said
    assert edgesim(*words, "-o", "out", "--resume").exit_code == 0


def test_train_first() -> None:
    keys = options("policy.episodes=2")
    result = edgesim(
        "run", "carbon_6ue", "--policy", "ddpg", *keys, "--train-first", "--slots", "3"
    )
    assert result.exit_code == 0
    assert Path("runs/train-carbon_6ue-ddpg-seed1/best.pt").exists()
    assert "trace: runs/carbon_6ue-ddpg-seed1.h5" in result.stdout


def test_train_first_prints_json_alone_and_asks_before_it_trains() -> None:
    keys = options("policy.episodes=1")
    words = ("run", "carbon_6ue", "--policy", "ddpg", *keys, "--train-first", "--slots", "3")
    told = edgesim(*words, "--json", "-o", "a.h5")
    assert told.exit_code == 0 and "traces" in json.loads(told.stdout)
    trained = Path("runs/train-carbon_6ue-ddpg-seed1")
    assert trained.exists() and not trained.with_name(f"{trained.name}-2").exists()
    assert "--overwrite replaces it" in refused(*words, "-o", "a.h5")
    assert "--resume and --train-first" in refused(*words, "-o", "a.h5", "--resume")
    assert not trained.with_name(f"{trained.name}-2").exists(), "it was trained before it was asked"


def test_a_training_begins_from_nothing() -> None:
    said = refused("train", "carbon_6ue", "--policy", 'ddpg{checkpoint="ddpg_carbon_6ue"}')
    assert "policy.checkpoint" in said and "--resume" in said


@pytest.mark.parametrize("policy", ["ddpg", "aac"])
def test_actions_that_are_no_numbers_end_a_training(policy: str) -> None:
    keys = options("policy.actor_rate=1e30", "policy.episode_slots=40", "policy.warmup=8")
    if policy == "aac":
        keys = ["--set", "policy.actor_rate=1e30", "--set", "policy.workers=1"]
    ended = edgesim("train", "carbon_6ue", "--policy", policy, *keys, "-o", "out")
    assert ended.exit_code == 1
    assert re.search("not a number any more|is nan|is inf", ended.stderr)


def test_who_fails_in_an_evaluation_is_named() -> None:
    """Trainings are held against `exact`, which solves 32 devices at most."""
    keys = (*options("policy.episodes=1"), "--set", "devices.count=33")
    failed = edgesim("train", "carbon_6ue", "--policy", "ddpg", *keys, "-o", "out")
    assert failed.exit_code == 1
    assert "policy 'exact', slot 0: SizeError" in failed.stderr
    assert "; trainings are held against policy 'exact'" in failed.stderr


def test_what_covers_a_run_is_enough_for_an_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    """The data of this scenario end with its run, before an evaluation's usual slots are over."""
    monkeypatch.setattr(evaluation, "SHAPES", {"drift-plus-penalty": (2, 400)})
    keys = ("carbon.intensity.start=2021-01-08T00:00:00Z", "run.slots=90")
    evaluator = evaluation.Evaluator(load_scenario("green_shift_gb", keys))
    assert evaluator._scenario.run.slots == 90
    with pytest.raises(ScenarioError, match="covers"):
        evaluation.Evaluator(load_scenario("green_shift_gb", [keys[0], "run.slots=400"]))


def test_a_mistake_in_the_policys_keys_is_told() -> None:
    said = refused("train", "carbon_6ue", "--policy", "ddpg", "--set", "policy.discount=1.5")
    assert "policy.discount" in said
    said = refused("train", "carbon_6ue", "--policy", "dqn", "--set", "policy.level=3")
    assert "did you mean `policy.levels`" in said or "levels" in said
