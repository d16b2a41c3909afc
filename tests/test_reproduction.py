"""Figures of the papers: how a claim is judged, what is drawn and told, and a very small one made."""

import ast
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from forked import run

from edgesim.experiments.reproduction import catalogue as catalogue_module
from edgesim.experiments.reproduction.catalogue import FIGURES, chosen, listing
from edgesim.experiments.reproduction.drawing import LOOKS, band, draw
from edgesim.experiments.reproduction.engine import (
    document,
    judge,
    measured,
    reproduce,
    write_lines,
)
from edgesim.experiments.reproduction.figure import (
    Answer,
    Check,
    Checks,
    Claim,
    Diagram,
    Evidence,
    Factor,
    Figure,
    Question,
    Results,
    Study,
    Trainings,
    answer,
    factor,
    verdict,
)
from edgesim.experiments.reproduction.measure import (
    by_training,
    conditions,
    emission,
    of_policy,
    split,
)
from edgesim.experiments.reproduction.measure import steps as rises
from edgesim.experiments.reproduction.page import INTRO, QUICK, best, write_pages
from edgesim.experiments.reproduction.trainings import steps
from edgesim.experiments.sweeps.sweep_file import load_sweep
from edgesim.experiments.train import learning_policy

RNG = np.random.default_rng(7)


def normal(mean: float, count: int = 20, spread: float = 1.0) -> Any:
    return mean + spread * RNG.standard_normal(count)


# ------------------------------------------------------------------------------------------- verdicts


def test_an_interval_is_students() -> None:
    """Four values with mean 2 and standard deviation 2: t(3) is 3.182, so ± 3.182."""
    sample = np.array([0.0, 4.0, 1.0, 3.0])
    value, low, high = Check("", sample).interval()
    half = 3.1824463052842624 * sample.std(ddof=1) / 2.0
    assert (value, low, high) == pytest.approx((2.0, 2.0 - half, 2.0 + half))


def test_the_interval_of_ratios_is_that_of_their_logarithms() -> None:
    logs = normal(1.0)
    value, low, high = Check("", np.exp(logs), log=True).interval()
    expected = Check("", logs).interval()
    assert np.log([value, low, high]) == pytest.approx(expected)


def test_the_interval_of_a_median_covers_it_whatever_the_law() -> None:
    five = np.array([3.0, -1.0, 1e9, 2.0, 0.5])
    assert Check("", five, skewed=True).interval() == (2.0, -1.0, 1e9)
    rng = np.random.default_rng(5)
    for seeds, coverage in ((5, 0.9375), (6, 0.96875), (30, 0.9572)):  # 1 - 2 P(below <= outside)
        ends = [
            Check("", np.exp(3.0 * rng.standard_normal(seeds)), skewed=True).interval()
            for _ in range(4000)
        ]
        hit = np.mean([low < 1.0 < high for _, low, high in ends])
        assert hit == pytest.approx(coverage, abs=3.0 * math.sqrt(0.06 * 0.94 / 4000))


def test_seeds_that_say_nothing_are_left_out() -> None:
    sample = np.array([1.0, math.nan, 3.0, math.inf])
    check = Check("", sample)
    assert check.seeds == 2
    assert check.interval()[0] == 2.0
    assert all(math.isnan(end) for end in Check("", np.array([1.0, math.nan])).interval())


@pytest.mark.parametrize(
    ("sample", "low", "high", "expected"),
    [
        ([1.0, 1.1, 0.9, 1.0], 0.5, math.inf, "holds"),
        ([1.0, 1.1, 0.9, 1.0], 0.5, 1.01, "undecided"),
        ([1.0, 1.1, 0.9, 1.0], 1.5, math.inf, "fails"),
        ([1.0, 1.1, 0.9, 1.0], -math.inf, 0.5, "fails"),
        ([-5.0, 5.0, -4.0, 6.0], 0.0, math.inf, "undecided"),
        ([0.0, 0.0, 0.0, 0.0], 0.0, math.inf, "fails"),  # equal is not less
        ([1.0, 1.1, 0.9], 0.5, math.inf, "undecided"),  # too few seeds
        ([math.nan] * 4, 0.5, math.inf, "undecided"),
    ],
)
def test_an_answer_is_where_the_interval_lies(
    sample: list[float], low: float, high: float, expected: str
) -> None:
    assert Check("", np.array(sample), low, high).answer(least=4) == expected


def test_a_margin_is_in_half_widths() -> None:
    sample = np.array([0.0, 4.0, 1.0, 3.0])
    _, low, high = Check("", sample).interval()
    half = (high - low) / 2.0
    assert Check("", sample, low=0.5).margin == pytest.approx(1.5 / half)
    assert Check("", sample, low=-9.0, high=1.0).margin == pytest.approx(-1.0 / half)
    ratios = np.exp(sample)
    assert Check("", ratios, 0.0, math.exp(3.0), log=True).margin == pytest.approx(1.0 / half)
    assert Check("", np.zeros(3), low=0.0).margin == 0.0
    assert Check("", np.ones(3), low=0.0).margin == math.inf
    assert math.isnan(Check("", np.array([1.0]), low=0.0).margin)


def test_a_condition_holds_if_all_its_checks_do() -> None:
    yes, no, open_ = (Check("", normal(mean), 0.0) for mean in (5.0, -5.0, 0.0))
    assert answer([yes, yes], 10) == "holds"
    assert answer([yes, open_], 10) == "undecided"
    assert answer([yes, open_, no], 10) == "fails"
    assert answer([], 10) == "undecided"


def test_a_verdict_counts_conditions() -> None:
    assert verdict({"a": "holds", "b": "holds"}) == "reproduced"
    assert verdict({"a": "holds", "b": "undecided"}) == "reproduced under stated conditions"
    assert verdict({"a": "fails", "b": "undecided"}) == "not reproduced"
    assert verdict({}) == "not reproduced"


def test_what_is_nearest_to_failing_is_told() -> None:
    """And the reason that fits the verdict, no other."""
    tight, wide = Check("tight", normal(1.0), 0.0), Check("wide", normal(9.0), 0.0)
    claim = Claim(
        "x",
        "Says.",
        "test",
        "mg",
        lambda results: {"one": [wide, tight], "two": [Check("no", normal(-9.0), 0.0)]},
        reason=lambda evidence: f"It holds under {list(evidence.answers.values()).count('holds')}.",
    )
    judged = judge(claim, {}, quick=False)
    assert judged["verdict"] == "reproduced under stated conditions"
    assert judged["reason"] == "It holds under 1."
    assert judge(replace(claim, explained="reproduced"), {}, quick=False)["reason"] == ""
    assert judged["conditions"][0]["tightest"]["what"] == "tight"
    assert judged["conditions"][0]["holding"] == 2
    measured_cell, holding = best(judged)
    assert "tight" in measured_cell and "mg" in measured_cell and holding == "1 of 2"
    json.dumps(judged, allow_nan=False)


def test_what_is_nearest_to_failing_is_told_where_one_fails() -> None:
    """What fails, and of what fails the worst."""
    checks = [Check(str(mean), normal(mean), 0.0) for mean in (1.0, -4.0, -9.0, 9.0)]
    judged = judge(Claim("x", "", "", "1", lambda results: {"": checks}), {}, quick=False)
    assert judged["conditions"][0]["tightest"]["what"] == "-9.0"
    assert judged["conditions"][0]["holding"] == 2


def test_few_seeds_are_enough_for_a_quick_run_alone() -> None:
    claim = Claim("x", "", "", "1", lambda results: {"": [Check("", normal(9.0, 3), 0.0)]})
    assert judge(claim, {}, quick=True)["verdict"] == "reproduced"
    assert judge(claim, {}, quick=False)["verdict"] == "not reproduced"


# ------------------------------------------------------------------------------- explaining sentences

ROOM = Path(catalogue_module.__file__).parent
ALLOWED = r"P[12]\b|theta_0|[AC]\(\d+\)|Figs?\. \d|Algorithm \d|\^2|\.\d?[fg]"
"""Problems, equations, figures, algorithms, squares and formats: no measured numbers."""

NUMBER = (
    r"\d|\b(two|three|four|five|six|seven|eight|nine|ten|twenty|half|twice|hundreds?|thousands?)\b"
)


def sentences_of(function: ast.FunctionDef) -> list[str]:
    """Texts in a function but its docstring, names of variables and keys."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return [
        part.value
        for statement in body
        for part in ast.walk(statement)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    ]


def explaining() -> dict[str, ast.FunctionDef]:
    """All functions that get evidence: those of claims, and what they share."""
    return {
        f"{path.stem}.{node.name}": node
        for path in ROOM.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
        and any("Evidence" in ast.dump(one) for one in node.args.args)
    }


def test_no_number_is_typed_into_an_explaining_sentence() -> None:
    found = explaining()
    names = {name.split(".")[1] for name in found}
    for figure in FIGURES.values():
        for claim in figure.claims:
            assert claim.reason is None or claim.reason.__name__ in names
    for name, function in found.items():
        for text in sentences_of(function):
            typed = re.search(NUMBER, re.sub(ALLOWED, "", text))
            assert typed is None, f"{name}: {text!r}"


def made_up(figure: Figure, rng: np.random.Generator) -> dict[str, xr.Dataset]:
    """Results of a quick run, drawn at random."""
    found = {}
    of: tuple[Study | Trainings, ...] = (*figure.studies, *figure.trainings)
    for one in of:
        coords: dict[str, Any] = {each.name: list(each.chosen(True)) for each in one.factors}
        over: dict[str, tuple[str, ...]] = {}
        if isinstance(one, Study):
            learned = [f"{label} {number}" for label in one.learned for number in (1, 2)]
            coords["policy"] = [*one.policies, *learned]
            values = (
                "objective energy_per_bit_j power_w queue_bits worst_emission_mg feasible_share"
            )
            over = dict.fromkeys([*values.split(), "offloaded_task_share"], ())
        else:
            over = {"reward": ("log",), "steps": ("log",), "system_cost": ("evaluation",)}
        coords["seed"] = range(1, one.quick_seeds + 1)
        data = {}
        for name, dims in over.items():
            shape = [*(len(coord) for coord in coords.values()), *(20 for _ in dims)]
            data[name] = ((*coords, *dims), rng.uniform(0.1, 0.9, shape))
        if "feasible_share" in data:
            data["feasible_share"] = (data["feasible_share"][0], np.ones(shape))
        found[one.name] = xr.Dataset(data, coords)
    return found


def explained(claim: Claim, results: Results, held: bool = False) -> str:
    """The sentence, whatever the verdict; or as if the claim held under all conditions."""
    checks = claim.checks(results)
    answers: dict[str, Answer] = {
        name: "holds" if held else answer(of, 2) for name, of in checks.items()
    }
    return claim.reason(Evidence(results, checks, answers)) if claim.reason else ""


CLAIMS = [(figure, claim) for figure in FIGURES.values() for claim in figure.claims if claim.reason]


@pytest.mark.parametrize(("figure", "claim"), CLAIMS, ids=[claim.id for _, claim in CLAIMS])
def test_an_explaining_sentence_is_of_its_results(figure: Figure, claim: Claim) -> None:
    """Another of other results and answers, and always one that can be read."""
    first, other = (
        explained(claim, made_up(figure, np.random.default_rng(seed)), held)
        for seed, held in ((1, False), (2, True))
    )
    assert first != other
    for text in (first, other):
        assert text.endswith(".") and "nan" not in text and "  " not in text


def test_numbers_of_an_explaining_sentence_follow_the_data() -> None:
    """By hand: who is ahead in how many trainings, and which part is offloaded."""
    results = made_up(FIGURES["c4"], np.random.default_rng(1))
    reward = results["pairs"]["reward"]
    reward[:] = 0.0
    best, second, *_ = FIGURES["c4"].claims
    assert "ahead in 0 of 6 pairs" in explained(best, results)
    reward.loc[{"rates": "3e-5, 1e-4", "seed": 1}] = 0.25
    assert "ahead in 3 of 6 pairs" in explained(best, results)
    assert "in the median, 0.125 per slot" in explained(best, results)
    assert "in 0 of 2 pairs" in explained(second, results)
    results = made_up(FIGURES["c9"], np.random.default_rng(1))
    share = results["sizes"]["offloaded_task_share"]
    share[:] = 0.5
    share.loc[{"theta_0": 3e-28, "size": 1}] = 0.875
    larger = explained(FIGURES["c9"].claims[0], results)
    assert "theta_0 = 1e-28, 50 and 50 %; theta_0 = 3e-28, 87.5 and 50 %" in larger


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
    (checks,) = conditions({"x = {}": difference}, along="x", low=0.0).values()
    assert [check.what for check in checks] == ["x = 1", "x = 2", "x = 3"]
    assert all((check.sample == 12.0).all() and check.low == 0.0 for check in checks)
    (steps_up,) = conditions(rises(data.sel(policy="a"), "x"), along="x").values()
    assert [check.what for check in steps_up] == ["x from 1 to 2", "x from 2 to 3"]
    assert all((check.sample == 4.0).all() for check in steps_up)


def test_conditions_are_places_and_checks_are_names() -> None:
    data = dataset()["worst_emission_mg"]
    found = conditions({"one": data, "two": -data}, "policy", "x", prefix="here", high=1.0)
    assert list(found)[:2] == ["here, policy = a, x = 1", "here, policy = a, x = 2"]
    one, two = found["here, policy = b, x = 3"]
    assert (one.what, two.what, one.high) == ("one", "two", 1.0)
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
    sample = np.array([[0.0, 4.0, 1.0, 3.0], [1.0, math.nan, math.nan, math.nan], [math.nan] * 4])
    value, half = band(sample)
    assert value[:2].tolist() == [2.0, 1.0] and math.isnan(value[2])
    assert half[0] == pytest.approx(Check("", sample[0]).interval()[2] - 2.0)
    assert np.isnan(half[1:]).all()


def test_any_two_lines_differ_in_more_than_colour() -> None:
    assert len({(str(dashes), marker) for _, dashes, marker in LOOKS}) == len(LOOKS)
    assert len({str(dashes) for _, dashes, _ in LOOKS}) == len(LOOKS)
    assert len({marker for _, _, marker in LOOKS}) == len(LOOKS)


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
    values = xr.DataArray([[1.0, 2.0], [3.0, 5.0]], {"x": [1.0, 2.0], "seed": [1, 2]})
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
    write_lines(diagrams(), "load [Mbit]", tmp_path / "lines.csv")
    rows = (tmp_path / "lines.csv").read_text().splitlines()
    assert rows[0] == "panel,number,line,load [Mbit],mean,low,high,seeds"
    assert len(rows) == 1 + 8
    assert rows[1].startswith("left,y [mg],$a_1$,1.0,1.5,") and rows[1].endswith(",2")
    # Of 1 and 2: t(1) is 12.706, the standard error 0.5.
    low, high = map(float, rows[1].split(",")[5:7])
    assert (low, high) == pytest.approx((1.5 - 6.353102, 1.5 + 6.353102))


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
        return conditions(rise, "network", along="load", low=0.0)

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
            ),
        ),
        claims=(Claim("t1-queues", "Queues rise | load.", "test", "bit", checks, least=3),),
        questions=(Question("How long are they?", "bit", checks),),
    )


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Figure:
    figure = tiny(tmp_path)
    monkeypatch.setitem(FIGURES, "t1", figure)
    return figure


def test_a_figure_is_made_once_and_told(catalogue: Figure, tmp_path: Path) -> None:
    """Runs, claims, pictures and the page; a second start changes nothing but runs nothing."""
    folder = tmp_path / "out"
    (first,) = reproduce([catalogue], folder)
    claim = first["claims"][0]
    assert claim["verdict"] == "reproduced"
    assert [one["name"] for one in claim["conditions"]] == ["in small", "in large"]
    traces = sorted((folder / "t1" / "sweeps" / "loads" / "traces").iterdir())
    before = {path: path.stat().st_mtime_ns for path in traces}
    files = ("lines.csv", "results.json", "t1.svg", "t1.png", "t1.pdf")
    content = {name: (folder / "t1" / name).read_bytes() for name in files}
    (second,) = reproduce([catalogue], folder)
    assert second == first
    assert {path: path.stat().st_mtime_ns for path in traces} == before
    assert {name: (folder / "t1" / name).read_bytes() for name in files} == content
    markdown = (folder / "index.md").read_text()
    html = (folder / "index.html").read_text()
    assert "Queues rise \\| load." in markdown
    assert "A &lt;title&gt; &amp; more" in html and "<title>A" not in html
    assert "edgesim reproduce t1" in html and "t1/t1.svg" in html
    for text in (markdown, html):
        assert QUICK not in text
        assert "reproduced" in text


@pytest.mark.usefixtures("in_this_process")
def test_a_page_of_quick_figures_says_so(tmp_path: Path, catalogue: Figure) -> None:
    reproduce([catalogue], tmp_path / "out", quick=True)
    write_pages(tmp_path / "out")
    for name in ("index.md", "index.html"):
        text = (tmp_path / "out" / name).read_text()
        assert QUICK in text and INTRO.split(",")[0] in text


def test_seeds_of_questions_are_told() -> None:
    question = Question("?", "mg", lambda results: {"a": [Check("b", normal(1.0))]})
    (row,) = measured(question, {})["rows"]
    assert row["name"] == "a" and row["what"] == "b" and row["seeds"] == 20


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
        for study in figure.studies:
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


def test_the_document_tells_the_times_that_the_command_tells() -> None:
    """Whole minutes of CPU time, of each training by the figures that use it, and of each figure."""
    text = Path(__file__).parents[1].joinpath("docs", "reproduction.md").read_text()
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.partition("## What it costs")[2].splitlines()
        if re.match(r"\|.*\d", line)
    ]
    known = list(FIGURES)
    trainings: list[tuple[list[str], float]] = []
    figures: dict[str, float] = {}
    for row in rows:
        names = []
        for one in row[-2].split(", "):
            first, _, last = one.partition(" to ")
            names += known[known.index(first) : known.index(last or first) + 1]
        hours, minutes = re.search(r"(?:(\d+) h )?(\d[\d, ]*) min", row[-1]).groups()  # type: ignore[union-attr]
        said = [60.0 * int(hours or 0) + int(one) for one in minutes.split(", ")]
        if len(row) == 3:
            trainings.append((sorted(names), said[0]))
        else:
            said = said * len(names) if len(said) == 1 else said
            figures |= dict(zip(names, said, strict=True))
    users: dict[str, list[str]] = {}
    costs: dict[str, float] = {}
    for name, figure in FIGURES.items():
        for training in figure.trainings:
            users.setdefault(training.name, []).append(name)
            costs[training.name] = training.minutes[0]
    found = sorted((sorted(users[name]), costs[name]) for name in costs)
    assert sorted(trainings) == found
    cheap = {name for name, figure in FIGURES.items() if figure.minutes == (0.1, 0.1)}
    assert set(figures) == set(FIGURES) - cheap
    for name, said_min in figures.items():
        assert abs(FIGURES[name].minutes[0] - said_min) <= 0.5


@pytest.mark.parametrize("name", list(FIGURES))
def test_a_figure_is_consistent(name: str) -> None:
    """Seeds as the project asks for; what is trained is there; at most one factor of several keys."""
    figure = FIGURES[name]
    trained = {training.name for training in figure.trainings}
    for study in figure.studies:
        assert set(study.learned.values()) <= trained
        assert sum(one.key is None for one in study.factors) <= 1
        assert study.seeds >= 10
        for one in study.factors:
            assert set(one.quick) <= set(one.settings)
    for training in figure.trainings:
        assert training.seeds >= 5
    for claim in figure.claims:
        assert claim.least >= (5 if figure.trainings else 10)
        assert claim.says.endswith(".")
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
    assert list(traces.glob("*.h5")) and not (folder / "c9" / "results.json").exists()
    done = edgesim("all", "--quick", "-o", folder, "--workers", 2)
    assert done.returncode == 0, done.stderr
    page = (folder / "index.html").read_text()
    for name, figure in FIGURES.items():
        about = json.loads((folder / name / "results.json").read_text())
        assert len(about["claims"]) == len(figure.claims)
        for claim in about["claims"]:
            # Under some conditions there may be nothing to measure, but not under all.
            assert any(one["tightest"]["seeds"] >= 2 for one in claim["conditions"]), claim["id"]
        assert all(one["rows"] for one in about["questions"])
        assert (folder / name / f"{name}.svg").stat().st_size > 5_000
        assert f'id="{name}"' in page
