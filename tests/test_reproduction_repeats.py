"""The numbers that ship are those that the program makes, on whatever machine this is."""

import csv
import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from edgesim.experiments.reproduction import stored
from edgesim.experiments.reproduction.catalogue import FIGURES
from edgesim.experiments.reproduction.engine import Workshop
from edgesim.experiments.reproduction.figure import Factor, Study, Trainings
from edgesim.experiments.reproduction.trainings import steps
from edgesim.experiments.train import train
from edgesim.simulator.core.outputs import make_folder

SHIPPED = Path(__file__).parents[1] / "docs" / "reproduction"
SEEDS = 2
LONG = {"gap-a", "age-a", "loss-a"}
"""Figures whose runs take more than some seconds; so do those of `sca`."""


def studies() -> Iterator[object]:
    """Those whose numbers ship; a decision's time is another one each time."""
    for name, figure in FIGURES.items():
        path = SHIPPED / name / stored.NAME
        ships = json.loads(gzip.decompress(path.read_bytes()))["results"] if path.exists() else ()
        for study in figure.studies:
            if study.name in ships and study.policies and not study.timed:
                slow = [pytest.mark.slow] * (name in LONG or study.name == "sca")
                yield pytest.param(name, study, marks=slow, id=f"{name}-{study.name}")


def corner(study: Study, end: int) -> Study:
    """The first or last level of each factor alone, few seeds, none that learned."""
    factors = []
    for one in study.factors:
        level = list(one.settings)[end]
        factors.append(Factor(one.name, {level: one.settings[level]}))
    return replace(study, factors=tuple(factors), seeds=SEEDS, learned={}, warmups=())


@pytest.mark.parametrize("end", [pytest.param(0, marks=pytest.mark.slow), -1])
@pytest.mark.parametrize(("figure", "study"), list(studies()))
@pytest.mark.usefixtures("in_this_process")
def test_runs_of_a_figure_have_the_numbers_that_ship(
    figure: str, study: Study, end: int, tmp_path: Path
) -> None:
    """To the last digit that is stored. Seeds run in lock-step or alone are the same."""
    _, shipped = stored.load(SHIPPED / figure / stored.NAME)
    one = corner(study, end)
    found = Workshop(tmp_path).run_study(one, make_folder(tmp_path, "sweep"), {})[study.name]
    path = tmp_path / stored.NAME
    stored.store(replace(FIGURES[figure], studies=(one,)), {study.name: found}, True, path)
    _, again = stored.load(path)
    for name in study.kept:
        assert_same(again[study.name][name], shipped[study.name][name])


LOG_EPISODES = 5
"""Of the thousand of a training whose rewards ship, so many are one number."""


def trainings() -> Iterator[object]:
    """One for each setting of those whose rewards ship: of seed 1, all but the first setting slow."""
    for name, figure in FIGURES.items():
        path = SHIPPED / name / stored.NAME
        for training in figure.trainings if path.exists() else ():
            if "reward" not in training.kept:
                continue
            keys = {**training.keys, "policy.episodes": LOG_EPISODES}
            short = replace(training, keys=keys, seeds=1)
            for step in steps(short, Path("never"), False):
                *setting, _ = step.place
                options = step.scenario.policy.model_dump()
                if options["episode_slots"] * LOG_EPISODES > options["warmup"]:
                    continue  # else learned actions are among them, whose last digits are a machine's own
                slow = [pytest.mark.slow] * any(setting)
                place = tuple(setting)
                yield pytest.param(name, training, place, marks=slow, id=f"{training.name}-{place}")


@pytest.mark.parametrize(("figure", "training", "place"), list(trainings()))
@pytest.mark.usefixtures("in_this_process")
def test_trainings_of_a_figure_begin_with_the_rewards_that_ship(
    figure: str, training: Trainings, place: tuple[int, ...], tmp_path: Path
) -> None:
    """Those of random actions before anything is learned, to the last digit that is stored."""
    _, shipped = stored.load(SHIPPED / figure / stored.NAME)
    short = replace(training, keys={**training.keys, "policy.episodes": LOG_EPISODES})
    step = next(one for one in steps(short, tmp_path, False) if one.place == (*place, 0))
    train(step.scenario, step.folder)
    with (step.folder / "progress.csv").open(encoding="utf-8") as file:
        rewards = [float(row["reward"]) for row in csv.DictReader(file)]
    found = f"{np.mean(rewards):.{stored.DIGITS}g}"
    where = dict(zip((one.name for one in training.factors), place, strict=True))
    expected = shipped[training.name]["reward"].isel(where | {"seed": 0, "log": 0})
    assert float(found) == float(expected)


def assert_same(found: xr.DataArray, shipped: xr.DataArray) -> None:
    """Of those places that were found."""
    places = {dim: found[dim].values for dim in found.dims}
    expected = shipped.sel(places).transpose(*found.dims)
    assert found.size > 0
    np.testing.assert_array_equal(found.values, expected.values)
