"""The table of learning.md: its means by hand, that its script trains, and goes on."""

import csv
import runpy
import tomllib
from concurrent.futures import Executor, Future
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import pyplot as plt

from edgesim.experiments import evaluation
from edgesim.experiments.reproduction import training_settings

ROOT = Path(__file__).resolve().parents[1]
TABLE: Any = runpy.run_path(str(ROOT / "docs" / "learners.py"))
Case = TABLE["Case"]


class Here(Executor):
    """Does in this process what is asked for."""

    def __init__(self, jobs: int, context: Any, max_tasks_per_child: int) -> None:
        assert max_tasks_per_child == 1

    def submit(self, call: Any, /, *arguments: Any, **keywords: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(call(*arguments, **keywords))
        return future


def test_every_learner_is_trained_five_times_with_both_actions_in_both_worlds() -> None:
    wanted = list(TABLE["cases"]())
    assert len(set(wanted)) == len(wanted) == 5 * (5 * 2 * 2 + 3 + 4)
    assert len({case[:3] for case in wanted if not case.rates}) == 20
    assert {(*case[:3], case.rates) for case in wanted[:27]} == {
        (*case[:3], case.rates) for case in wanted
    }


def test_means_by_hand_and_rows_that_are_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []

    def measured(case: Any) -> dict[str, Any]:
        made.append(case)
        closed = 0.5 if case.action == "paper" else 1.0 + 0.01 * case.seed
        row = dict(zip(TABLE["FIELDS"], (closed, 1.0, 8.0, 64_000.0, 60.0), strict=True))
        return row | {"curve": [(32_000.0, 0.5 * closed, 0.25), (64_000.0, closed, 0.5)]}

    globals_of = TABLE["results"].__globals__
    monkeypatch.setitem(globals_of, "measured", measured)
    monkeypatch.setitem(globals_of, "ProcessPoolExecutor", Here)
    wanted = [case for case in TABLE["cases"]() if case[:2] == ("stream", "sac")]
    rows = TABLE["results"](wanted[:4], tmp_path / "rows.jsonl", 1)
    lines = list(TABLE["table"](rows, "stream"))
    # Of 101 and 102 %: 101.5 and t(0.975, 1) sqrt(0.5 / 2) = 12.7062 / 2 around it.
    assert lines[2] == (
        "| `sac` | guided, 2 trainings | 101.5 ± 6.4 | 100 ± 0 | 8.0 ± 0.0 | 64,000 | 60 |"
    )
    assert lines[3].startswith("| `sac` | as printed, 2 trainings | 50.0 ± 0.0 |")
    rows = TABLE["results"](wanted, tmp_path / "rows.jsonl", 1)
    assert made == wanted
    # Of 101 to 105 %: 103 and t(0.975, 4) sqrt(2.5 / 5) = 2.7764 / sqrt(2) around it.
    assert list(TABLE["table"](rows, "stream"))[2].startswith("| `sac` | guided | 103.0 ± 2.0 |")
    with plt.rc_context(TABLE["STYLE"]):
        shown: list[Any] = []
        monkeypatch.setitem(globals_of, "save", lambda figure, path: shown.append(figure))
        TABLE["figure"](rows, tmp_path / "learners.svg")
    guided, printed, _ = shown[0].axes[0].lines
    # The median of five that end at 101 to 105 %.
    np.testing.assert_allclose(guided.get_xydata(), [[32_000, 51.5], [64_000, 103.0]])
    assert printed.get_ydata().tolist() == [25.0, 50.0] and printed.get_linestyle() == "--"
    plt.close(shown[0])
    of_tasks = [case for case in TABLE["cases"]() if case[:2] == ("tasks", "ddpg")]
    rows = TABLE["results"](of_tasks, tmp_path / "rows.jsonl", 1)
    with plt.rc_context(TABLE["STYLE"]):
        TABLE["figure"](rows, tmp_path / "learners.svg")
        TABLE["rates_figure"](rows, tmp_path / "rates.svg")
    # Printed decisions that break limits have no emission to speak of: the share that keeps them is shown.
    excess, kept = (shown[1].axes[place].lines[0].get_ydata().tolist() for place in (1, 2))
    assert excess == [51.5, 103.0] and kept == [25.0, 50.0]
    assert list(TABLE["table"](rows, "tasks"))[3].startswith(
        "| `ddpg` | as printed | 50.0 ± 0.0 | 100"
    )
    useless = {case: row | {"feasible": 0.0} for case, row in rows.items()}
    line = list(TABLE["table"](useless, "tasks"))[3]
    assert line.startswith("| `ddpg` | as printed | - | 0 ± 0 |")
    each = shown[2].axes[1].lines
    assert len(each) == 5 * 4 and each[0].get_ydata().tolist() == [25.0, 50.0]
    labels = [line.get_label() for line in each if not line.get_label().startswith("_")]
    assert labels == list(TABLE["RATES"]["tasks"])
    plt.close("all")


@pytest.mark.parametrize("world", ["stream", "tasks"])
@pytest.mark.parametrize("learner", ["ddpg", "ppo"])
def test_a_training_of_the_script(
    world: str, learner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is reported on seeds that neither training nor the choice of the best has met."""
    if learner == "ppo":
        pytest.importorskip("stable_baselines3")
    few = {"episodes": 1, "replicas": 2, "warmup": 64, "episode_slots": 5, "hidden": [8]}
    few |= {"action": "paper", "limit_weight": 2.0, "discount": 0.5}
    monkeypatch.setitem(TABLE["LEARNERS"]["ddpg"], world, few)
    monkeypatch.setitem(TABLE["settings"].__globals__, "searched", lambda learner, world: few)
    monkeypatch.setitem(TABLE["STEPS"], world, 8)
    shapes = {"drift-plus-penalty": (2, 6), "worst-case-emission": (2, 2)}
    monkeypatch.setattr(evaluation, "SHAPES", shapes)
    seeds = []

    class Noted(evaluation.Evaluator):
        def __init__(self, scenario: Any) -> None:
            seeds.append((scenario.run.seed, scenario.policy.name))
            super().__init__(scenario)

    monkeypatch.setitem(TABLE["measured"].__globals__, "Evaluator", Noted)
    if learner == "ppo":  # its 2048 steps at a time are too many for a test
        import stable_baselines3

        short = partial(stable_baselines3.PPO, n_steps=8, batch_size=8)
        monkeypatch.setattr(stable_baselines3, "PPO", short)
    found = TABLE["measured"](Case(world, learner, "paper", 1))
    curve = found.pop("curve")
    assert set(found) == set(TABLE["FIELDS"]) and np.isfinite(list(found.values())).all()
    assert len(curve) == (0 if learner == "ppo" else 1)
    assert found["steps"] == (8 if learner == "ppo" else 10)
    assert seeds == [(1001, "agent" if learner == "ppo" else "ddpg")]


def test_printed_actions_have_the_settings_that_a_recorded_search_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for world in ("tasks", "stream"):
        (tmp_path / f"{TABLE['IN_PAPERS'][world]}_{world}.toml").write_text(
            '[set]\nrun.slots = 5\npolicy.action = "paper"\npolicy.replicas = 3\npolicy.discount = 0.25\n'
            "[search]\ntrials = 2\n[search.space]\n"
            "policy.limit_weight = {low = 1.0, high = 9.0}\npolicy.hidden = [[8], [16, 8]]\n"
        )
        (tmp_path / f"{TABLE['IN_PAPERS'][world]}_{world}.csv").write_text(
            "policy.limit_weight,policy.hidden,score,energy_per_bit_nj,local_energy_per_bit_nj\n"
            '3,[8],-99,26,25\n2.5,"[16, 8]",0.5,24,25\n7,[8],0.75,9,25\n'
        )
    globals_of = TABLE["settings"].__globals__
    monkeypatch.setitem(globals_of, "SEARCHES", tmp_path)
    best = {"action": "paper", "replicas": 3, "discount": 0.25}
    best |= {"limit_weight": "2.5", "hidden": "[16, 8]"}
    assert TABLE["settings"](Case("tasks", "ddpg", "paper", 1)) == best
    stay = {"actor_rate": "3e-5", "critic_rate": "1e-4", "rate_decay": 0}
    assert TABLE["settings"](Case("tasks", "ddpg", "paper", 1, "3e-5, 1e-4")) == best | stay
    stay = {"actor_rate": "1e-2", "critic_rate": "1e-2", "final_rate": 1}
    assert TABLE["settings"](Case("stream", "aac", "paper", 1, "1e-2, 1e-2")) == best | stay
    assert TABLE["settings"](Case("stream", "aac", "paper", 1)) == best
    own = TABLE["LEARNERS"]["sac"]["stream"]
    reward = {"action": "paper", "discount": 0.25, "limit_weight": "2.5"}
    assert TABLE["settings"](Case("stream", "sac", "paper", 1)) == own | reward
    assert TABLE["settings"](Case("stream", "sac", "guided", 1)) == own | {"action": "guided"}
    assert TABLE["settings"](Case("stream", "ppo", "paper", 1)) == {"action": "paper"}


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "searches").glob("*.csv")))
def test_a_recorded_search_is_what_its_file_asks_for(path: Path) -> None:
    """As many trials, in its ranges, the best first."""
    sweep = tomllib.loads(path.with_suffix(".toml").read_text(encoding="utf-8"))
    with path.open(newline="", encoding="utf-8") as file:
        trials = list(csv.DictReader(file))
    assert len(trials) == sweep["search"]["trials"]
    scores = [float(trial["score"]) for trial in trials]
    assert scores == sorted(scores)
    for key, space in sweep["search"]["space"]["policy"].items():
        tried = [trial[f"policy.{key}"] for trial in trials]
        if isinstance(space, list):
            assert {str(one) for one in space} >= set(tried)
        else:
            low, high = space["low"] * (1.0 - 1e-5), space["high"] * (1.0 + 1e-5)
            assert all(low <= float(one) <= high for one in tried)


@pytest.mark.parametrize("world", ["stream", "tasks"])
def test_the_page_has_the_tables_of_the_stored_rows(world: str) -> None:
    page = (ROOT / "docs" / "learning.md").read_text(encoding="utf-8")
    table = "\n".join(TABLE["table"](TABLE["read"](ROOT / "docs" / "learners.jsonl"), world))
    assert table.count("\n") > 10 and table in page, "python docs/learners.py --page"


@pytest.mark.parametrize(
    ("settings", "learner", "world"),
    [
        ("AAC_REPAIRED", "aac", "stream"),
        ("DQN_PRINTED", "dqn", "stream"),
        ("DDPG_REPAIRED", "ddpg", "tasks"),
    ],
)
def test_settings_of_the_reproduction_are_those_that_were_found(
    settings: str, learner: str, world: str
) -> None:
    """The searches are not installed with the program, so their numbers stand there once more."""
    mine = getattr(training_settings, settings)
    found = TABLE["searched"](learner, world)
    found = {
        key: float(of) if isinstance(of, str) and key != "action" else of
        for key, of in found.items()
    }
    if settings == "DQN_PRINTED":  # as paper A has networks
        found["network"] = "flat"
    assert mine == {f"policy.{key}": of for key, of in found.items()}
