"""Figures of the papers: what is measured, drawn, stored and told, and a very small one made."""

import gzip
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from forked import run

from edgesim.experiments.reproduction import drawing, stored
from edgesim.experiments.reproduction.catalogue import FIGURES, chosen, listing
from edgesim.experiments.reproduction.drawing import band, draw, write_lines
from edgesim.experiments.reproduction.engine import document, redraw, reproduce
from edgesim.experiments.reproduction.figure import (
    Claim,
    Diagram,
    Factor,
    Figure,
    NotRun,
    Question,
    Results,
    Study,
    Trainings,
    factor,
    left_out,
)
from edgesim.experiments.reproduction.judging import answers, judge
from edgesim.experiments.reproduction.measure import (
    by_training,
    conditions,
    emission,
    of_policy,
    split,
)
from edgesim.experiments.reproduction.measure import steps as rises
from edgesim.experiments.reproduction.page import QUICK, page, write_pages
from edgesim.experiments.reproduction.registration import Entry, registered
from edgesim.experiments.reproduction.trainings import steps
from edgesim.experiments.reproduction.verdicts import Check, Checks, Rule
from edgesim.experiments.sweeps.sweep_file import load_sweep
from edgesim.experiments.train import learning_policy
from edgesim.simulator.core.errors import RunError

# --------------------------------------------------------------------------------------- measurements


def dataset() -> xr.Dataset:
    """Two policies, three places, four seeds; the second policy fails in the last seed."""
    shape = ("policy", "x", "seed")
    values = np.arange(24.0).reshape(2, 3, 4)
    feasible = np.ones((2, 3, 4))
    feasible[1, :, 3] = 0.0
    return xr.Dataset(
        {"worst_emission_mg": (shape, values), "feasible_share": (shape, feasible)},
        {"policy": ["a", "b"], "x": [1, 2, 3], "seed": [1, 2, 3, 4]},
    )


def test_emission_is_compared_where_all_policies_keep_all_limits() -> None:
    both = emission(dataset())
    assert np.isnan(both.sel(seed=4)).all() and both.sel(seed=[1, 2, 3]).notnull().all()
    assert emission(dataset(), ["a"]).notnull().all()


def test_differences_are_paired_by_seed() -> None:
    data = dataset()["worst_emission_mg"]
    difference = data.sel(policy="b") - data.sel(policy="a")
    (checks,) = conditions({"x = {}": difference}, along="x").values()
    assert [check.what for check in checks] == ["x = 1", "x = 2", "x = 3"]
    assert all((check.sample == 12.0).all() and check.kept is None for check in checks)
    (steps_up,) = conditions(rises(data.sel(policy="a"), "x"), along="x").values()
    assert [check.what for check in steps_up] == ["x from 1 to 2", "x from 2 to 3"]
    assert all((check.sample == 4.0).all() for check in steps_up)


def test_conditions_are_places_and_checks_are_names() -> None:
    data = dataset()["worst_emission_mg"]
    found = conditions({"one": data, "two": -data}, "policy", "x", prefix="here", kept=data > 20.0)
    assert list(found)[:2] == ["here, policy = a, x = 1", "here, policy = a, x = 2"]
    one, two = found["here, policy = b, x = 3"]
    assert (one.what, two.what) == ("one", "two")
    assert one.kept is not None and one.kept.tolist() == [0.0, 1.0, 1.0, 1.0]
    assert one.sample.tolist() == [20.0, 21.0, 22.0, 23.0]
    assert two.sample.tolist() == [-20.0, -21.0, -22.0, -23.0]


def test_a_policy_that_learns_is_a_sample_of_trainings() -> None:
    data = dataset().assign_coords(policy=["AAC 1", "AAC 2"])
    values = data["worst_emission_mg"]
    assert of_policy(values, data, "AAC").sel(x=1).values.tolist() == [1.5, 13.5]
    assert of_policy(values, data, "AAC 1").sizes["seed"] == 4


def test_trained_policies_are_a_sample_of_trainings() -> None:
    data = xr.Dataset(
        {"cost": (("policy", "x", "seed"), np.arange(24.0).reshape(3, 2, 4))},
        {"policy": ["AAC 1", "AAC 2", "AAC beside"], "x": [1, 2], "seed": [1, 2, 3, 4]},
    )
    values = by_training(data["cost"], data, "AAC")
    assert dict(values.sizes) == {"seed": 2, "x": 2}
    assert values.sel(seed=1, x=1).item() == 1.5


def test_trainings_of_two_kinds_are_paired() -> None:
    data = xr.Dataset(
        {"cost": (("policy", "x", "seed"), np.arange(24.0).reshape(4, 2, 3))},
        {"policy": ["AAC 1", "AAC 2", "DQN 1", "DQN 2"], "x": [1, 2], "seed": [1, 2, 3]},
    )
    aac, dqn = (by_training(data["cost"], data, label) for label in ("AAC", "DQN"))
    for check in conditions(dqn - aac, along="x")[""]:
        assert check.sample.tolist() == [12.0, 12.0]


def test_split_names_each_combination() -> None:
    assert [name for name, _ in split(dataset(), "policy", "x")][:2] == [
        "policy = a, x = 1",
        "policy = a, x = 2",
    ]
    assert [name for name, _ in split(dataset())] == [""]


# ----------------------------------------------------------------------------------------- the picture


def test_a_band_is_the_interval_over_seeds() -> None:
    """Of four and fewer there is none: that of two reaches far beyond all that was seen."""
    nan = math.nan
    sample = np.array(
        [[0.0, 4.0, 1.0, 3.0, 2.0], [0.0, 4.0, 1.0, 3.0, nan], [1.0, *[nan] * 4], [nan] * 5]
    )
    value, low, high = band(sample)
    assert value[:3].tolist() == [2.0, 2.0, 1.0] and math.isnan(value[3])
    # The deviation is sqrt(10 / 4), and Student's t of four degrees of freedom 2.7764.
    half = 2.776445 * math.sqrt(2.5 / 5.0)
    assert (2.0 - low[0], high[0] - 2.0) == pytest.approx((half, half))
    assert np.isnan([low[1:], high[1:]]).all()


@pytest.mark.parametrize(
    ("diagram", "average", "low", "high"),
    [
        # Half-widths as above, of the values and of their logarithms.
        ({}, 2.2, 2.2 - 1.6189, 2.2 + 1.6189),
        ({"least": 1.0}, 2.2, 1.0, 2.2 + 1.6189),
        ({"log": True}, 1.88818, 1.88818 / 2.18725, 1.88818 * 2.18725),
        ({"log": True, "least": 1.0}, 1.88818, 1.0, 1.88818 * 2.18725),
    ],
)
def test_a_band_ends_where_values_do(
    diagram: dict[str, Any], average: float, low: float, high: float, tmp_path: Path
) -> None:
    """And means on a logarithmic axis are geometric; with a value of zero there is none."""
    sizes = np.array([1.0, 1.0, 2.0, 3.0, 4.0])
    for values, expected in ((sizes, (average, low, high)), (sizes - 1.0, None)):
        curve = xr.DataArray([values], dims=["x", "seed"], coords={"x": [1.0]})
        shown = Diagram("", "y", {"a": curve}, **diagram)
        write_lines(a_figure(), [[shown]], tmp_path / "lines.csv")
        row = (tmp_path / "lines.csv").read_text().splitlines()[1].split(",")
        assert row[-1] == "5"
        if expected is None:
            assert float(row[4]) == pytest.approx(1.2) and not shown.logarithmic
        else:
            assert [float(one) for one in row[4:7]] == pytest.approx(expected, rel=1e-3)


def test_a_band_of_a_median_is_between_order_statistics() -> None:
    """Of ten values the second and the ninth, whatever the others are; of five there are none."""
    ten = np.array([1e9, 5.0, 3.0, 4.0, 2.0, 8.0, 7.0, 6.0, -1e9, 9.0])
    sample = np.array([ten, np.where(np.arange(10) < 5, ten, math.nan)])
    value, low, high = band(sample, "median")
    assert (value[0], low[0], high[0]) == (5.5, 2.0, 9.0)
    assert value[1] == 4.0 and math.isnan(low[1]) and math.isnan(high[1])


@pytest.mark.parametrize(
    ("farthest", "scale"), [(2990.0, "linear"), (3010.0, "symlog"), (-3010.0, "symlog")]
)
def test_what_is_far_out_does_not_make_all_else_one_line(
    farthest: float, scale: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From 300 times the median size on; the axis is linear up to the median's power of ten."""
    values = xr.DataArray([[farthest], [10.0], [-10.0]], {"x": [1.0, 2.0, 3.0], "seed": [1]})
    drawn: list[Any] = []
    monkeypatch.setattr(drawing, "save", lambda canvas, path: drawn.append(canvas))
    draw(a_figure(), [[Diagram("", "y", {"a": values})]], "again", tmp_path / "one")
    [axes] = drawn[0].axes
    assert axes.get_yscale() == scale
    if scale == "symlog":
        assert axes.yaxis.get_transform().linthresh == pytest.approx(10.0, rel=0.01)
        assert sum(abs(tick) < 11.0 for tick in axes.get_yticks()) <= 3  # -10, 0, 10


@pytest.mark.parametrize(("rows", "height"), [(1, 4.0), (2, 6.5), (4, 1.25 * 5.8)])
def test_no_picture_is_as_tall_as_a_page(
    rows: int, height: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(drawing, "save", lambda canvas, path: drawn.append(canvas))
    draw(a_figure(), diagrams() * rows, "again", tmp_path / "one")
    assert drawn[0].get_size_inches().tolist() == pytest.approx([5.8, height])


def test_a_picture_shows_what_its_claims_are_about() -> None:
    """The median of trainings, where all of its claims are about them, if some are about others too."""
    for name, figure in FIGURES.items():
        about = [one.entry for one in figure.claims if one.entry.trained]
        about += [one.entry for one in figure.claims if one.entry.average == "median"]
        if len(about) == len(figure.claims) > 0:
            assert figure.average == "median", name
        assert about or figure.average == "mean", name


def a_figure(**changes: Any) -> Figure:
    values: dict[str, Any] = {
        "id": "t1",
        "title": "A <title> & more",
        "notes": "Notes | with a bar.",
        "x": "load [Mbit]",
        "diagrams": lambda results: [],
        "minutes": (0.1, 0.1),
    }
    return Figure(**(values | changes))


def diagrams() -> list[list[Diagram]]:
    seeds = [1.0, 2.0, 1.5, 1.5, 1.5], [3.0, 5.0, 4.0, 4.0, 4.0]
    values = xr.DataArray(list(seeds), {"x": [1.0, 2.0], "seed": range(5)})
    lines = {name: values for name in ("$a_1$", "b")}
    return [[Diagram("left", "y [mg]", lines), Diagram("right", "y [mg]", lines)]]


def test_pictures_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    """Vector and PNG; text that looks like mathematics is shown as it is."""
    for name in ("one", "two"):
        draw(a_figure(), diagrams(), "edgesim reproduce t1", tmp_path / name)
    for suffix in (".svg", ".pdf", ".png"):
        first, second = ((tmp_path / name).with_suffix(suffix) for name in ("one", "two"))
        assert first.read_bytes() == second.read_bytes()
        assert first.stat().st_size > 1000


def test_the_numbers_of_a_picture_are_a_table(tmp_path: Path) -> None:
    write_lines(a_figure(), diagrams(), tmp_path / "lines.csv")
    rows = (tmp_path / "lines.csv").read_text().splitlines()
    assert rows[0] == "panel,number,line,load [Mbit],average,low,high,seeds"
    assert len(rows) == 1 + 8
    assert rows[1].startswith("left,y [mg],$a_1$,1.0,1.5,") and rows[1].endswith(",5")
    # t(4) is 2.7764, the standard error sqrt(0.5 / 4 / 5).
    low, high = map(float, rows[1].split(",")[5:7])
    assert (low, high) == pytest.approx((1.5 - 0.438995, 1.5 + 0.438995))


# ---------------------------------------------------------------------------------------------- a run

TINY = """
title = "tiny"
[run]
slots = 20
[devices]
count = 3
[tasks]
mean = "0.4 Mbit"
"""


def tiny(folder: Path) -> Figure:
    """A study with a factor of one key and one of several, and what its claim says."""
    base = folder / "tiny.toml"
    base.write_text(TINY)

    def queues(results: Results) -> xr.DataArray:
        return results["loads"]["queue_bits"]

    def checks(results: Results) -> Checks:
        values = queues(results).sel(policy="nobody offloads")
        rise = rises(values, "load").assign_coords(network=["in small", "in large"])
        return conditions(rise, "network", along="load")

    def missing(results: Results) -> Checks:
        return checks({"loads": results["trained"]})

    def drawn(results: Results) -> list[list[Diagram]]:
        values = queues(results).sel(network="small")
        lines = {policy: values.sel(policy=policy) for policy in values["policy"].values.tolist()}
        return [[Diagram("", "queue [bit]", lines)]]

    return a_figure(
        diagrams=drawn,
        studies=(
            Study(
                "loads",
                str(base),
                {"nobody offloads": "local", "at random": "random"},
                (
                    factor("load", "tasks.mean", {0.1: "0.1 Mbit", 0.9: "0.9 Mbit"}),
                    Factor(
                        "network",
                        {
                            "small": {"devices.count": 2},
                            "large": {"devices.count": 4, "stations.sbs.count": 2},
                        },
                    ),
                ),
                seeds=3,
                together=2,
                warmups=(0.5,),
                kept=("queue_bits",),
            ),
        ),
        claims=(Claim("t1-queues", {"nobody": checks, "somebody": missing}),),
        questions=(Question("How long are they?", "bit", checks),),
    )


ENTRY = Entry(
    says="Queues rise | load.",
    quote="queues rise",
    section="none",
    statistic="difference",
    unit="bit",
    low=0.0,
    seeds=3,
    least=3,
    printed=("nobody",),
    ours=("somebody",),
    open={"network": ("in small", "in large")},
)


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Figure:
    figure = tiny(tmp_path)
    monkeypatch.setitem(FIGURES, "t1", figure)
    monkeypatch.setitem(registered().claim, "t1-queues", ENTRY)
    return figure


FILES = ("numbers.json.gz", "lines.csv", "t1.svg", "t1.png", "t1.pdf")


def test_a_figure_is_made_once_and_told(catalogue: Figure, tmp_path: Path) -> None:
    """Runs, numbers, pictures and the page; a second start changes nothing but runs nothing."""
    folder = tmp_path / "out"
    reproduce([catalogue], folder)
    about, results = stored.load(folder / "t1" / stored.NAME)
    assert about["figure"] == "t1" and not about["quick"] and about["made"]["cpu_min"] >= 0.0
    assert list(results) == ["loads", left_out("loads", 0.5)]
    of = judge(catalogue.claims[0], catalogue, results)
    assert of.verdict == "reproduced as printed"
    assert list(of.subjects[0].conditions) == ["in small", "in large"]
    assert of.again == {"50 % of the slots left out first": "reproduced as printed"}
    traces = sorted((folder / "t1" / "sweeps" / "loads" / "traces").iterdir())
    before = {path: path.stat().st_mtime_ns for path in traces}
    pages = [folder / "index.md", folder / "index.html"]
    content = {path: path.read_bytes() for path in [*(folder / "t1" / n for n in FILES), *pages]}
    reproduce([catalogue], folder)
    assert {path: path.stat().st_mtime_ns for path in traces} == before
    assert {path: path.read_bytes() for path in content} == content
    markdown, html = (path.read_text() for path in pages)
    assert "Queues rise \\| load." in markdown
    assert "A &lt;title&gt; &amp; more" in html and "<title>A" not in html
    assert "edgesim reproduce t1" in html and "t1/t1.svg" in html
    for text in (markdown, html):
        assert QUICK not in text
        assert "Queues rise" in text and "Reproduced as printed." in text
        assert "somebody: not run" in text


def test_pictures_and_page_are_made_of_the_numbers_alone(catalogue: Figure, tmp_path: Path) -> None:
    """In a folder that has nothing else; what was not run is neither drawn nor judged."""
    folder = tmp_path / "out"
    reproduce([catalogue], folder)
    content = {name: (folder / "t1" / name).read_bytes() for name in FILES}
    text = (folder / "index.md").read_text()
    alone = tmp_path / "alone" / "t1"
    alone.mkdir(parents=True)
    (alone / stored.NAME).write_bytes(content[stored.NAME])
    redraw(alone.parent)
    assert {name: (alone / name).read_bytes() for name in FILES} == content
    assert (alone.parent / "index.md").read_text() == text
    assert f"Not run: {', '.join([*FIGURES][:2])}" in text
    rows = [line for line in text.splitlines() if line.startswith("| [c9](#c9) |")]
    assert len(rows) == 2 and all("| not run |" in row for row in rows)


@pytest.mark.usefixtures("in_this_process")
def test_a_page_of_quick_figures_says_so(tmp_path: Path, catalogue: Figure) -> None:
    reproduce([catalogue], tmp_path / "out", quick=True)
    write_pages(tmp_path / "out")
    for name in ("index.md", "index.html"):
        assert QUICK in (tmp_path / "out" / name).read_text()


def test_what_needs_trainings_is_left_out_without_them(
    catalogue: Figure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = Trainings("x", "iiot_20dev", "aac")
    study = replace(catalogue.studies[0], name="with", learned={"AAC": "x"})
    more = replace(catalogue, studies=(*catalogue.studies, study), trainings=(training,))
    monkeypatch.setitem(FIGURES, "t1", more)
    reproduce([more], tmp_path / "out", train=False)
    _, results = stored.load(tmp_path / "out" / "t1" / stored.NAME)
    assert list(results) == ["loads", left_out("loads", 0.5)]
    with pytest.raises(NotRun, match="with"):
        results["with"]


def test_seeds_of_questions_are_told() -> None:
    sample = np.random.default_rng(7).standard_normal(20)
    question = Question("?", "mg", lambda results: {"a": [Check("b", sample)]})
    ((name, row),) = answers(question, {})
    assert (name, row.what, row.seeds) == ("a", "b", 20)
    assert row.interval == Rule().interval(sample)


# ------------------------------------------------------------------------------------ what is stored


def test_six_digits_of_all_numbers_are_stored(tmp_path: Path) -> None:
    """What differs by less is equal; what is not known stays so; another variable is left."""
    figure = a_figure(studies=(Study("s", "x", {"p": "p"}, kept=("a", "b")),))
    values = np.array([[1.0, 1.0000001, 123456.7], [math.nan, -2.5e-9, 1e12]])
    coords = {"policy": ["p", "q"], "seed": [1, 2, 3]}
    dims = ("policy", "seed")
    data = xr.Dataset(
        {"a": (dims, values), "b": (("seed",), np.arange(3.0)), "c": (dims, values)}, coords
    )
    path = tmp_path / "numbers.json.gz"
    stored.store(figure, {"s": data}, False, path)
    _, results = stored.load(path)
    found = results["s"]
    assert set(found.data_vars) == {"a", "b"}
    assert found["a"].sel(policy="p").values.tolist() == [1.0, 1.0, 123457.0]
    np.testing.assert_array_equal(found["a"].sel(policy="q"), [math.nan, -2.5e-9, 1e12])
    assert found["b"].sel(seed=3) == 2.0
    first = path.read_bytes()
    stored.store(figure, {"s": data.assign_attrs(cpu_s=60.0)}, False, path)
    assert path.read_bytes() == first
    stored.store(figure, {"s": data.assign_attrs(cpu_s=90.0)}, True, path)
    assert stored.load(path)[0]["made"]["cpu_min"] == 1.5


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"results": {"s": {}}}', '{"results": {}}'])
@pytest.mark.parametrize(
    "written",
    [bytes, gzip.compress, lambda text: gzip.compress(text)[:-5], lambda _: b"\x1f\x8b\x08"],
)
def test_a_file_that_holds_no_numbers_is_told(
    text: str, written: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    """As it is, compressed, and cut off."""
    path = tmp_path / "numbers.json.gz"
    path.write_bytes(written(text.encode()))
    with pytest.raises(RunError, match=r"numbers\.json\.gz: not the numbers of a figure"):
        stored.load(path)


SHIPPED = Path(__file__).parents[1] / "docs" / "reproduction"


def test_the_page_in_the_documentation_is_of_the_stored_numbers() -> None:
    """Word for word; and they are few enough to be shipped."""
    from edgesim.experiments.reproduction.page import _markdown

    assert (SHIPPED / "index.md").read_text(encoding="utf-8") == _markdown(page(SHIPPED))
    paths = list(SHIPPED.glob("*/numbers.json.gz"))
    assert len(paths) >= 5
    assert sum(path.stat().st_size for path in paths) < 2_000_000
    for path in paths:
        about, _ = stored.load(path)
        assert about["figure"] == path.parent.name in FIGURES
        assert not about["quick"]


def test_no_picture_is_shown_whose_numbers_are_not_stored() -> None:
    pictures = {path.stem for path in SHIPPED.rglob("*.svg")}
    assert pictures <= {path.parent.name for path in SHIPPED.glob("*/numbers.json.gz")}


# ----------------------------------------------------------------------------------------- trainings


def test_a_training_is_named_after_what_it_depends_on(tmp_path: Path) -> None:
    """The same settings give the same folder in any figure; another seed or rate another."""
    rates = Factor("rate", {1.0: {"policy.actor_rate": 1e-3}, 2.0: {"policy.actor_rate": 2e-3}})

    def folders(**keys: Any) -> list[str]:
        training = Trainings("x", "iiot_20dev", "aac", (rates,), keys=keys, seeds=2)
        return [step.folder.name for step in steps(training, tmp_path, quick=False)]

    found = folders()
    assert len(set(found)) == 4 and found == folders()
    assert set(found).isdisjoint(folders(**{"policy.discount": 0.9}))


# ----------------------------------------------------------------------------------------- catalogue


@pytest.mark.parametrize("quick", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_all_scenarios_are_right(quick: bool, tmp_path: Path) -> None:
    """Of sweeps and trainings, with the policies that they name; what needs data is left to a slow test."""
    for name, figure in FIGURES.items():
        for training in figure.trainings:
            for step in steps(training, tmp_path, quick):
                learning_policy(step.scenario)
        for study in figure.parts(quick)[1]:
            if name != "carbon":
                file = tmp_path / "sweep.toml"
                file.write_text(document(study, quick))
                load_sweep(file)


def test_figures_are_found_by_name() -> None:
    assert chosen(["C9", "c3"]) == ["c3", "c9"]
    assert chosen(["all"]) == list(FIGURES)
    with pytest.raises(ValueError, match="no figure 'c33'; did you mean c3"):
        chosen(["c33"])


def test_all_figures_of_both_papers_are_there() -> None:
    of_papers = [f"a{k}" for k in range(4, 9)] + [f"c{k}" for k in range(3, 10)]
    assert [name for name in FIGURES if FIGURES[name].paper] == of_papers
    assert all(FIGURES[name].claims for name in of_papers)
    ids = [claim.id for figure in FIGURES.values() for claim in figure.claims]
    assert len(set(ids)) == len(ids)
    assert all(FIGURES[name].questions for name in FIGURES if not FIGURES[name].paper)


def test_what_figures_share_has_one_name() -> None:
    """Trainings are kept and counted by name."""
    named: dict[str, Trainings] = {}
    for figure in FIGURES.values():
        for training in figure.trainings:
            assert named.setdefault(training.name, training) == training
            assert min(training.minutes) > 0.0
        assert min(figure.minutes) > 0.0


def test_a_quick_run_trains_only_for_what_it_runs() -> None:
    """Printed networks fit one number of devices: those of the others are not trained."""
    names = {quick: [one.name for one in FIGURES["a7"].parts(quick)[0]] for quick in (False, True)}
    printed = [
        f"{policy}-printed-{count}" for count in (5, 10, 15, 20) for policy in ("aac", "dqn")
    ]
    assert sorted(names[False]) == sorted([*printed, "aac", "dqn"])
    assert set(names[False]) - set(names[True]) == set(printed[:4])
    # What no study runs, but a claim reads.
    assert [one.name for one in FIGURES["c5"].parts(True)[0]] == ["sizes-printed", "sizes-guided"]


@pytest.mark.parametrize("name", list(FIGURES))
def test_a_figure_is_consistent(name: str) -> None:
    """Seeds as the project asks for; what is trained is there; at most one factor of several keys."""
    figure = FIGURES[name]
    trained = {training.name for training in figure.trainings}
    names = [*trained, *(study.name for study in figure.studies)]
    assert len(names) == len(set(names)), "results are found by name"
    for study in figure.studies:
        assert set(study.learned.values()) <= trained
        assert sum(one.key is None for one in study.factors) <= 1
        assert study.seeds >= 10
        for one in study.factors:
            assert set(one.quick) <= set(one.settings)
    for training in figure.trainings:
        assert training.seeds >= 10
    for claim in figure.claims:
        assert claim.entry.least >= 10
        assert claim.entry.says.endswith(".")
    assert figure.notes.endswith(".")


def test_the_list_needs_no_heavy_library() -> None:
    code = (
        "import sys; from edgesim.experiments.reproduction.catalogue import listing; listing();"
        "print([m for m in ('torch', 'cvxpy', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    text = listing()
    for figure in FIGURES.values():
        assert figure.title in text


# --------------------------------------------------------------------------------------- the command


def edgesim(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return run("reproduce", *arguments)


def test_the_command_lists_figures_and_refuses_others() -> None:
    listed = edgesim()
    assert listed.returncode == 0 and "c7" in listed.stdout and "less than EPR." in listed.stdout
    refused = edgesim("c3", "gap-d")
    assert refused.returncode == 2
    assert "no figure 'gap-d'; did you mean gap-c?" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    failed = edgesim("c9", "--quick", "-o", tmp_path / "file" / "out")
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1 and "file" in failed.stderr


@pytest.mark.slow
def test_all_figures_quickly(tmp_path: Path) -> None:
    """And what was killed in the middle goes on: c9 is killed as soon as runs are there."""
    folder = tmp_path / "out"
    arguments = ["c9", "--quick", "-o", folder, "--workers", "1"]
    killed = subprocess.Popen(
        [sys.executable, "-m", "edgesim", "reproduce", *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    traces = folder / "c9" / "sweeps" / "sizes" / "traces"
    deadline = time.monotonic() + 120.0
    while not list(traces.glob("*.h5")) and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert list(traces.glob("*.h5")) and not (folder / "c9" / stored.NAME).exists()
    done = edgesim("all", "--quick", "-o", folder, "--workers", 2)
    assert done.returncode == 0, done.stderr
    page = (folder / "index.html").read_text()
    for name, figure in FIGURES.items():
        _, results = stored.load(folder / name / stored.NAME)
        for claim in figure.claims:
            assert all(subject.run for subject in judge(claim, figure, results).subjects)
        assert all(list(answers(one, results)) for one in figure.questions)
        assert (folder / name / f"{name}.svg").stat().st_size > 5_000
        assert f'id="{name}"' in page
