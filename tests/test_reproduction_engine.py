"""How figures are made: their sweeps, trainings and measures."""

import csv
import json
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from results_by_hand import (
    alike,
)

import edgesim
from edgesim.experiments import evaluation
from edgesim.experiments.reproduction.catalogue import FIGURES
from edgesim.experiments.reproduction.engine import Workshop, document, labelled, policies
from edgesim.experiments.reproduction.figure import (
    Diagram,
    Factor,
    Study,
    Trainings,
    factor,
)
from edgesim.experiments.reproduction.judging import answers
from edgesim.experiments.reproduction.measure import course, geometric_mean, level, with_shares
from edgesim.experiments.reproduction.trainings import steps, train_all
from edgesim.experiments.sweeps.sweep_file import load_sweep
from edgesim.simulator.core.outputs import make_folder
from edgesim.traces.reader import open_trace

# ------------------------------------------------------------------------------------- the engine

STUDY = Study(
    "loads",
    "iiot_20dev",
    {"nobody offloads": "local", "at random": "random"},
    (
        factor("load", "tasks.mean", {0.1: "0.1 Mbit", 0.9: "0.9 Mbit", 2.0: "2 Mbit"}, (0.1, 2.0)),
        Factor(
            "network", {"small": {"devices.count": 2}, "large": {"devices.count": 4, "area": 1}}
        ),
    ),
    keys={"run.slots": 400},
    seeds=30,
    quick_seeds=3,
    quick_keys={"run.slots": 60},
    together=7,
)


def test_a_sweep_file_has_the_settings_of_its_study() -> None:
    full, quick = (tomllib.loads(document(STUDY, quick)) for quick in (False, True))
    assert (full["seeds"], quick["seeds"]) == (30, 3)
    assert full["replications"] == quick["replications"] == 7
    assert (full["set"], quick["set"]) == ({"run.slots": 400}, {"run.slots": 60})
    assert full["policies"] == quick["policies"] == ["local", "random"]
    assert full["grid"] == {"tasks.mean": ["0.1 Mbit", "0.9 Mbit", "2 Mbit"]}
    assert quick["grid"] == {"tasks.mean": ["0.1 Mbit", "2 Mbit"]}
    assert full["points"] == [{"devices.count": 2}, {"devices.count": 4, "area": 1}]


def test_trained_policies_are_labelled_and_run_with_the_actions_they_learned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "SHAPES", {"worst-case-emission": (2, 1)})
    keys = ["run.slots=2", "policy.episode_slots=2", "policy.replicas=2", "policy.episodes=2"]
    keys += ["policy.warmup=4", "policy.batch=4", "policy.hidden=[4]"]
    trained = {}
    for action in ("guided", "paper"):
        made = edgesim.train(
            "carbon_6ue",
            tmp_path / action,
            policy="ddpg",
            overrides=[*keys, f"policy.action={action}"],
        )
        trained[action] = made.checkpoint
    study = replace(STUDY, scenario="carbon_6ue", factors=(), keys={})
    # In the order in which a sweep runs them, and its dataset has them.
    assert list(policies(study, trained).items()) == [
        ("nobody offloads", "local"),
        ("at random", "random"),
        ("guided", f'ddpg{{checkpoint="{trained["guided"]}", action="guided"}}'),
        ("paper", f'ddpg{{checkpoint="{trained["paper"]}", action="paper"}}'),
    ]
    file = tmp_path / "sweep.toml"
    file.write_text(document(study, False, trained))
    assert len(load_sweep(file).cases) == 4  # which a checkpoint of other actions refuses


@pytest.mark.parametrize("quick", [False, True])
def test_labels_of_a_dataset_are_those_of_its_runs(quick: bool) -> None:
    """As a sweep has them: keys in the order of the file, points, policies as it writes them."""
    loads = ["0.1 Mbit", "2 Mbit"] if quick else ["0.1 Mbit", "0.9 Mbit", "2 Mbit"]
    dims = ("tasks.mean", "point", "policy", "seed")
    shape = (len(loads), 2, 2, 3)
    numbers = np.arange(float(np.prod(shape))).reshape(shape)
    coords = {
        "tasks.mean": loads,
        "point": [0, 1],
        "devices.count": ("point", [2, 4]),
        "policy": ["local", "random"],
    }
    data = xr.Dataset({"queue_bits": (dims, numbers)}, coords)
    found = labelled(STUDY, data, quick, ["nobody offloads", "at random"])["queue_bits"]
    assert found.dims == ("load", "network", "policy", "seed")
    place = {"load": 2.0, "network": "large", "policy": "nobody offloads"}
    np.testing.assert_array_equal(found.sel(place), numbers[-1, 1, 0])
    place = {"load": 0.1, "network": "small", "policy": "at random"}
    np.testing.assert_array_equal(found.sel(place), numbers[0, 0, 1])


def test_trainings_are_read_where_they_were_made(tmp_path: Path) -> None:
    """Two rates and three seeds: each table's numbers at its own place, one of them without losses."""
    rates_of = Factor(
        "rate", {"slow": {"policy.actor_rate": 1e-4}, "fast": {"policy.actor_rate": 1e-2}}
    )
    training = Trainings(
        "x", "iiot_20dev", "aac", (rates_of,), {"policy.steps": 1000}, 3, 2, {"policy.steps": 100}
    )
    for quick, seeds, total in ((False, 3, 1000), (True, 2, 100)):
        made = list(steps(training, tmp_path, quick))
        assert [one.place for one in made] == [
            (rate, seed) for rate in (0, 1) for seed in range(seeds)
        ]
        for one in made:
            policy = one.scenario.policy
            assert policy.options["actor_rate"] == (1e-4, 1e-2)[one.place[0]]
            assert policy.options["steps"] == total
            assert one.scenario.run.seed == one.place[1] + 1
            one.folder.mkdir()
            (one.folder / "done.json").write_text('{"steps": 1, "score": 0.0, "cpu_s": 2.0}')
            rate, seed = one.place
            for file, cost in (("progress.csv", "reward"), ("evaluation.csv", "system_cost")):
                with (one.folder / file).open("w", newline="") as opened:
                    rows: list[list[Any]] = [["steps", cost], [10, 100 * rate + seed], [20, ""]]
                    csv.writer(opened).writerows(rows[: 3 if seed else 2])
        data = train_all(training, tmp_path, quick, workers=1)
        assert data["seed"].values.tolist() == list(range(1, seeds + 1))
        assert data.attrs["cpu_s"] == 2.0 * len(made)
        for rate, label in enumerate(("slow", "fast")):
            for seed in range(1, seeds + 1):
                of = data.sel(rate=label, seed=seed)
                expected = [100.0 * rate + seed - 1, np.nan]
                np.testing.assert_array_equal(of["reward"], expected)
                np.testing.assert_array_equal(of["system_cost"], expected)
                np.testing.assert_array_equal(of["steps"], [10.0, 20.0 if seed > 1 else np.nan])
                folder = next(one.folder for one in made if one.place == (rate, seed - 1))
                assert of["checkpoint"].item() == str(folder / "best.pt")


@pytest.mark.usefixtures("in_this_process")
def test_runs_of_a_study_are_told_without_their_warm_up(tmp_path: Path) -> None:
    """By the traces themselves: who decided, on which load, and the second half of the slots."""
    study = replace(
        STUDY,
        factors=STUDY.factors[:1],
        keys={"run.slots": 10, "devices.count": 2, "trace.level": "slots"},
        seeds=2,
        together=1,
        warmup=0.5,
    )
    found = Workshop(tmp_path).run_study(study, make_folder(tmp_path, "loads"), {})
    assert list(found) == ["loads"] and found["loads"].attrs["cpu_s"] > 0.0
    data = found["loads"]
    assert dict(data.sizes) == {"load": 3, "policy": 2, "seed": 2}
    for label, policy in study.policies.items():
        for load, mean in study.factors[0].settings.items():
            for seed in (1, 2):
                one = data.sel(policy=label, load=load, seed=seed)
                with open_trace(tmp_path / "loads" / "traces" / one["trace"].item()) as trace:
                    queues = trace.slots["queue_bits"].values
                    assert (trace.policy, trace.slots["seed"].values.tolist()) == (policy, [seed])
                    assert f'mean = "{mean["tasks.mean"]}"' in trace.scenario
                assert one["queue_bits"].item() == pytest.approx(queues[0, 5:].mean())


# ---------------------------------------------------------------------------------------- measures


def test_a_geometric_mean_is_of_factors() -> None:
    ratios = xr.DataArray([[1.0, 4.0, np.nan], [2.0, 2.0, 16.0]], dims=("seed", "cycles"))
    assert geometric_mean(ratios, "cycles").values == pytest.approx([2.0, 4.0])


def test_the_course_of_trainings_is_over_their_steps() -> None:
    steps_of = np.array([[10.0, 30.0], [20.0, 40.0]])
    data = xr.Dataset(
        {
            "cost": (("seed", "evaluation"), [[1.0, 2.0], [3.0, 4.0]]),
            "evaluated_steps": (("seed", "evaluation"), steps_of),
        }
    )
    found = course(data, "cost", "evaluated_steps", 5.0)
    assert found["evaluation"].values.tolist() == [3.0, 7.0]
    (line,) = Diagram("", "", {"": found}).lines()
    assert line[2].tolist() == [[1.0, 3.0], [2.0, 4.0]]
    flat = level(xr.DataArray([5.0, 6.0], {"seed": [1, 2]}), (3.0, 7.0))
    (line,) = Diagram("", "", {"": flat}).lines()
    assert line[1].tolist() == [3.0, 7.0] and line[2].tolist() == [[5.0, 6.0]] * 2


def test_shares_are_drawn_where_they_are_not_whole() -> None:
    def share(value: float) -> Diagram:
        lines = xr.DataArray([[value, 100.0]], {"x": [1.0], "seed": [1, 2]})
        return Diagram("", "slots feasible [%]", {"": lines})

    values = [Diagram("", "mg", {})]
    assert with_shares(values, [share(100.0), share(np.nan)]) == [values]
    parts = [share(100.0), share(99.0)]
    assert with_shares(values, parts) == [values, parts]
    json.dumps([share(99.0).percent])


def test_where_all_limits_are_kept_they_are_kept_in_all_instances() -> None:
    """A share in per cent, by each question of each figure."""
    asked = 0
    for figure in FIGURES.values():
        for question in figure.questions:
            if question.unit != "%" or "keep all limits" not in question.asks:
                continue
            results, asked = alike(figure), asked + 1
            for _, one in answers(question, results):
                assert one.interval[0] == pytest.approx(100.0), (figure.id, question.asks)
    assert asked >= 3
