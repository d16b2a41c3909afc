"""Sweeps that train first, and searches among the settings of trainings."""

import csv
import json
import math
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edgesim.experiments import evaluation
from edgesim.experiments.sweeps import learned as module
from edgesim.experiments.sweeps import trainings
from edgesim.experiments.sweeps.execute import execute_sweep, plan
from edgesim.experiments.sweeps.learned import learned
from edgesim.experiments.sweeps.results import load_results
from edgesim.experiments.sweeps.search import SearchSection, ask
from edgesim.experiments.sweeps.sweep_file import load_sweep
from edgesim.experiments.sweeps.trainings import TrainingJob, make_trainings, run_training
from edgesim.experiments.sweeps.workers import LocalPool
from edgesim.scenarios.errors import ScenarioError
from edgesim.scenarios.loading import load_scenario
from edgesim.simulator.core.errors import RunError

SMALL = {
    "run": {"slots": 3},
    "policy": {
        "episode_slots": 2,
        "replicas": 2,
        "warmup": 4,
        "batch": 4,
        "episodes": 2,
        "hidden": [4],
    },
}
GRID: dict[str, Any] = {
    "scenario": "carbon_6ue",
    "policies": ["ddpg"],
    "train": True,
    "seeds": 2,
    "set": SMALL,
    "grid": {"policy": {"actor_rate": [1e-3, 1e-2]}},
}
SPACE = {
    "policy": {"actor_rate": {"low": 1e-4, "high": 1e-2, "log": True}, "head": ["grouped", "paper"]}
}
SEARCH = {key: value for key, value in GRID.items() if key not in ("grid", "train")} | {
    "search": {"trials": 12, "together": 3, "seed": 1, "space": SPACE}
}


@pytest.fixture
def _few(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Small evaluations in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(evaluation, "SHAPES", {"worst-case-emission": (2, 1)})


def here(jobs: Iterable[TrainingJob], folder: Path, workers: int) -> None:
    """All of them in this process."""
    for job in jobs:
        if not job.done:
            outcome = run_training(job, folder)
            assert outcome.end == "complete", outcome.message


@pytest.mark.usefixtures("_few")
def test_each_point_is_trained_and_run_on_other_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "make_trainings", here)
    folder = Path("out")
    sweep = learned(partial(load_sweep, GRID), folder, 1)
    assert sweep.seeds == (3, 4)  # trainings are evaluated on 1 and 2
    paths = [json.loads(case.scenario)["policy"]["checkpoint"] for case in sweep.cases]
    assert len(set(paths)) == 2 and all(Path(path).is_file() for path in paths)
    assert len({case.digest for case in sweep.cases}) == 2
    with (folder / "trainings.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["policy.actor_rate"] for row in rows} == {"0.001", "0.01"}
    assert [float(row["score"]) for row in rows] == sorted(float(row["score"]) for row in rows)
    assert {row["checkpoint"] for row in rows} == set(paths)
    # What follows is a sweep like any other.
    plan(sweep, folder)
    execute_sweep(sweep, folder, lambda: LocalPool(folder, 1))
    results = load_results(folder)
    assert results.complete.all() and results.labels("policy.actor_rate") == ["0.001", "0.01"]
    # Nothing is trained or run twice.
    monkeypatch.setattr(trainings, "run_training", None)
    again = learned(partial(load_sweep, GRID), folder, 1)
    assert again.cases == sweep.cases


@pytest.mark.slow
def test_agents_have_processes_of_their_own_there_too(tmp_path: Path) -> None:
    """As paper A's asynchronous ones; a pool's processes may have none, unless it is asked to let them."""
    keys = ["devices.count=2", "policy.workers=2", "policy.replicas=1", "policy.hidden=[4]"]
    keys += ["policy.episode_slots=4", "policy.steps=16", "policy.t_max=4", "policy.action=paper"]
    scenario = load_scenario("iiot_20dev", keys, policy="aac")
    job = TrainingJob(scenario, tmp_path / "trainings" / "one", "")
    make_trainings([job], tmp_path, 1)
    assert job.result()["steps"] >= 16 and float(job.result()["cpu_s"]) > 0.0


def test_a_policy_that_is_trained_already_is_not_trained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "make_trainings", lambda jobs, *_: list(jobs) and pytest.fail())
    table = {
        "scenario": "iiot_20dev",
        "train": True,
        "policies": ["local", 'aac{checkpoint="aac_iiot_20dev"}'],
    }
    sweep = learned(partial(load_sweep, table), tmp_path, 1)
    assert [case.digest for case in sweep.cases] == [
        case.digest for case in load_sweep(table).cases
    ]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"seeds": [40, 41]}, "40: on these seeds trainings are evaluated"),
        ({"points": [{"policy.discount": 0.5}]}, "also `search`"),
        ({"search": {"trials": 2, "space": {"policy": {"discount": [0.5]}}}}, "not values to"),
        ({"search": {"trials": 2, "space": {"policy": {"discount": 0.5}}}}, "not a range"),
        (
            {"search": {"trials": 2, "space": {"policy": {"discount": {"low": 0.5}}}}},
            "search.space.policy.discount",
        ),
        (
            {"search": {"trials": 2, "space": {"policy": {"updates": {"low": 3, "high": 2}}}}},
            "an empty range",
        ),
        (
            {"search": {"trials": 2, "space": {"policy": {"updates": {"low": 3, "high": 3}}}}},
            "an empty range",
        ),
        (
            {
                "search": {
                    "trials": 2,
                    "space": {"policy": {"noise": {"low": 0.0, "high": 1.0, "log": True}}},
                }
            },
            "no logarithm",
        ),
        (
            {"search": {"trials": 2, "space": {"policy": {"discount": {"low": 0.5, "high": 2.0}}}}},
            "policy.discount",
        ),
        ({"search": {"trials": 0, "space": SPACE}}, "search.trials"),
    ],
)
def test_mistakes_are_told_before_anything_is_trained(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ScenarioError) as error:
        load_sweep(SEARCH | changes)
    assert told in str(error.value)


def test_reported_seeds_are_apart_from_those_that_settings_are_chosen_by() -> None:
    """A scenario's first 40 seeds choose, in the task problem; a list has to be apart from them."""
    assert load_sweep(GRID).seeds == (41, 42)
    assert load_sweep(GRID | {"seeds": [41, 99]}).seeds == (41, 99)


def score(point: dict[str, Any]) -> float:
    """Best near 10^-2.5."""
    policy = point["policy"]
    return abs(math.log10(float(policy["actor_rate"])) + 2.5) + float(policy["head"] == "paper")


class Kept:
    """Trainings that are not made, but have a score; some number of them, then it is killed."""

    def __init__(self, left: int = 1000) -> None:
        self.left, self.made = left, list[str]()

    def __call__(self, jobs: Iterable[TrainingJob], folder: Path, workers: int) -> None:
        for job in jobs:
            if job.done:
                continue
            if self.left == 0:
                raise KeyboardInterrupt
            self.left -= 1
            job.folder.mkdir(parents=True)
            (job.folder / "best.pt").write_bytes(job.folder.name.encode())
            found = {"steps": 8, "score": score(job.scenario.model_dump())}
            (job.folder / "done.json").write_text(json.dumps(found))
            self.made.append(job.folder.name)


@pytest.mark.usefixtures("_few")
def test_a_search_that_is_killed_goes_on_as_if_it_had_not_been(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("optuna", reason="Optuna is not installed: edgesim[search]")
    whole = Kept()
    monkeypatch.setattr(module, "make_trainings", whole)
    expected = learned(partial(load_sweep, SEARCH), Path("whole"), 1)
    assert len(whole.made) == len(expected.cases) == 12
    first = Kept(left=5)
    monkeypatch.setattr(module, "make_trainings", first)
    with pytest.raises(KeyboardInterrupt):
        learned(partial(load_sweep, SEARCH), Path("parts"), 1)
    second = Kept()
    monkeypatch.setattr(module, "make_trainings", second)
    found = learned(partial(load_sweep, SEARCH), Path("parts"), 1)
    assert found.axes == expected.axes
    assert first.made + second.made == whole.made
    with Path("parts/trainings.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[0]["score"]) == min(float(row["score"]) for row in rows)
    # Another seed tries other settings.
    table: dict[str, Any] = {**SEARCH, "search": {**SEARCH["search"], "seed": 2}}
    assert learned(partial(load_sweep, table), Path("other"), 1).axes != expected.axes


def test_what_is_asked_depends_on_what_was_found() -> None:
    """Of 30 the last ten are nearer to the best than the first ten, which are drawn at random."""
    pytest.importorskip("optuna", reason="Optuna is not installed: edgesim[search]")
    section = SearchSection(trials=30, space={"rate": {"low": 1e-4, "high": 1e-2, "log": True}})
    tried: list[tuple[dict[str, Any], float]] = []
    for _ in range(30):
        (point,) = ask(section, "test", tried, 1)
        assert 1e-4 <= point["rate"] <= 1e-2
        tried.append((point, abs(math.log10(point["rate"]) + 2.5)))
    first, last = tried[:10], tried[20:]
    assert sum(one for _, one in last) < 0.5 * sum(one for _, one in first)


def test_least_and_greatest_first_and_last_are_looked_at_before_anything_is_trained() -> None:
    space = {"policy": SPACE["policy"] | {"head": ["grouped", "shared", "paper"]}}
    assert SearchSection(trials=1, space=space).ends("test") == [
        {"policy.actor_rate": 1e-4, "policy.head": "grouped"},
        {"policy.actor_rate": 1e-2, "policy.head": "paper"},
    ]


def test_kinds_of_values() -> None:
    pytest.importorskip("optuna", reason="Optuna is not installed: edgesim[search]")
    space = {
        "whole": {"low": 1, "high": 3},
        "lists": [[64, 64], [128]],
        "share": {"low": 0.0, "high": 1.0},
    }
    points = ask(SearchSection(trials=1, space=space), "test", [], 40)
    assert {point["whole"] for point in points} == {1, 2, 3}
    assert {json.dumps(point["lists"]) for point in points} == {"[64, 64]", "[128]"}
    assert all(isinstance(point["share"], float) for point in points)


@pytest.mark.usefixtures("_few")
def test_results_that_cannot_be_read_are_told() -> None:
    job = TrainingJob(load_scenario("carbon_6ue", policy="ddpg"), Path("one"), "test")
    job.folder.mkdir()
    for text in ("", "[]", '{"steps": 1}', '{"score": "best"}'):
        (job.folder / "done.json").write_text(text)
        with pytest.raises(RunError, match=r"one/done\.json is not what a training left"):
            job.result()
