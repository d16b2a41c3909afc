"""Claims judged, and lines drawn, on results that are as a paper has them, and on others, all made by hand.

What is named here is named by its label in the papers or in figures, not by what the program calls it.
"""

import csv
import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from edgesim.experiments.reproduction.catalogue import FIGURES
from edgesim.experiments.reproduction.engine import (
    Workshop,
    document,
    judge,
    labelled,
    measured,
    policies,
)
from edgesim.experiments.reproduction.figure import (
    Diagram,
    Factor,
    Figure,
    Study,
    Trainings,
    factor,
)
from edgesim.experiments.reproduction.measure import course, geometric_mean, level, with_shares
from edgesim.experiments.reproduction.trainings import steps, train_all
from edgesim.simulator.core.outputs import make_folder
from edgesim.traces.reader import open_trace

Results = dict[str, xr.Dataset]
Change = Callable[[Results], None]

COSTS = ("objective", "energy_per_bit_j", "power_w", "queue_bits")
"""All readings of the system cost."""

EMITTED = ("worst_emission_mg",)

# -------------------------------------------------------------------------------- results made by hand


def alike(figure: Figure) -> Results:
    """Full results in which all numbers are 1."""
    results: Results = {}
    for training in figure.trainings:
        coords: dict[str, Any] = {one.name: list(one.settings) for one in training.factors}
        coords["seed"] = np.arange(1, training.seeds + 1)
        shape = {dim: len(values) for dim, values in coords.items()}
        variables = {
            name: xr.DataArray(np.ones((*shape.values(), rows)), dims=[*shape, dim])
            for dim, rows, names in (
                ("log", 200, ("reward", "steps")),
                ("evaluation", 20, ("evaluated_steps", "system_cost", "gap_closed")),
                ("evaluation", 20, ("excess", "feasible", "lyapunov_system_cost")),
                ("evaluation", 20, ("local_system_cost",)),
            )
            for name in names
        }
        for name, dim in (("steps", "log"), ("evaluated_steps", "evaluation")):
            variables[name] = 1000.0 * variables[name].cumsum(dim)
        results[training.name] = xr.Dataset(variables, coords)
    for study in figure.studies:
        coords = {"policy": list(study.policies)}
        for label, name in study.learned.items():
            coords["policy"] += [f"{label} {seed}" for seed in results[name]["seed"].values]
        coords |= {one.name: list(one.settings) for one in study.factors}
        coords["seed"] = np.arange(1, study.seeds + 1)
        ones = xr.DataArray(np.ones([len(values) for values in coords.values()]), coords)
        names = (*COSTS, *EMITTED, "feasible_share", "offloaded_task_share", "emission_mg_per_bit")
        results[study.name] = xr.Dataset({name: ones.copy() for name in names})
    return results


def scale(data: xr.Dataset, names: tuple[str, ...], **factors: Mapping[Any, float]) -> None:
    """Multiply at places of dimensions; a policy that learns is named without its training's number."""
    for dim, by in factors.items():
        dim = dim.replace("_", " ") if dim not in data.dims else dim
        places = [
            at.rsplit(" ", 1)[0] if dim == "policy" and at[-1].isdigit() and at not in by else at
            for at in data[dim].values.tolist()
        ]
        factor = xr.DataArray([by.get(at, 1.0) for at in places], {dim: data[dim]})
        for name in names:
            data[name] = (data[name] * factor).transpose(*data[name].dims)


def scaled(studies: str, names: tuple[str, ...], **factors: Mapping[Any, float]) -> Change:
    """The change of some studies by `scale`, where they have the dimension."""

    def change(results: Results) -> None:
        for study in studies.split():
            scale(results[study], names, **factors)

    return change


def by(dim: str, value: Callable[[float], float], studies: str, names: tuple[str, ...]) -> Change:
    """Multiply by a function of the place of a dimension."""

    def change(results: Results) -> None:
        for study in studies.split():
            data = results[study]
            factor = xr.DataArray([value(at) for at in data[dim].values.tolist()], {dim: data[dim]})
            for name in names:
                data[name] = (data[name] * factor).transpose(*data[name].dims)

    return change


def both(*changes: Change) -> Change:
    """One after the other."""

    def change(results: Results) -> None:
        for one in changes:
            one(results)

    return change


# ------------------------------------------------------------------------------------------- claims

JOINT, RADIO, COMPUTE = "joint (P2 in each slot)", "radio alone", "compute alone"
PROPOSED, RATES = "Algorithm 1 (improved SCA)", "non-optimal rates"


def schemes(**costs: float) -> Change:
    """Of the joint scheme in each slot and as AAC learns it, and of its two parts."""
    of = {JOINT: costs["joint"], "AAC": costs["joint"]}
    of |= {RADIO: costs["radio"], COMPUTE: costs["compute"]}
    return scaled("schemes learned", COSTS, policy=of)


def stations(few: float, many: float) -> Change:
    """By how much the cost of 20 and of 40 devices changes from one SBS to six, from 1."""

    def change(results: Results) -> None:
        data = results["stations"]
        share = (data["SBSs"] - 1.0) / 5.0
        rise = xr.DataArray([few, many], {"devices": [20, 40]})
        for name in COSTS:
            data[name] = data[name] * (1.0 + rise * share)

    return change


def of_iterations(emission: Mapping[int, float], rest: float) -> Change:
    """The worst-case emission after some iterations, and after all others."""
    return by("iteration", lambda k: emission.get(int(k), rest), "convergence", EMITTED)


def training_course(
    study: str, variable: str, rows: str, dim: str, values: Mapping[Any, list[tuple[int, float]]]
) -> Change:
    """A column of trainings' tables: by place of a dimension, (first row, value from there on)."""

    def change(results: Results) -> None:
        data = results[study]
        for place, parts in values.items():
            for first, value in parts:
                data[variable].loc[{dim: place}][{rows: slice(first, None)}] = value

    return change


def rates(early: list[float], late: list[float]) -> Change:
    """The cost under learning rates 1e-2, 1e-3, 1e-4: before the last fifth, and in it."""
    places = dict(zip((1e-2, 1e-3, 1e-4), zip(early, late, strict=True), strict=True))
    values = {rate: [(0, a), (16, b)] for rate, (a, b) in places.items()}
    return training_course("rates", "system_cost", "evaluation", "learning rate", values)


PAIRS = ("3e-5, 1e-4", "5e-6, 1e-5", "5e-6, 3e-5", "5e-4, 1e-4")


def pairs(early: list[float], late: list[float]) -> Change:
    """The reward under the four pairs of rates: before the last fifth of the episodes, and in it."""
    values = {pair: [(0, a), (160, b)] for pair, a, b in zip(PAIRS, early, late, strict=True)}
    return training_course("pairs", "reward", "log", "rates", values)


def scatter(early: list[float], late: list[float]) -> Change:
    """Rewards that go up and down by so much, in the first half and in the second."""

    def change(results: Results) -> None:
        reward = results["pairs"]["reward"]
        sign = np.where(np.arange(200) % 2, 1.0, -1.0)
        for pair, a, b in zip(PAIRS, early, late, strict=True):
            reward.loc[{"rates": pair}] = sign * np.where(np.arange(200) < 100, a, b)

    return change


def sizes(few: list[tuple[int, float]], more: list[tuple[int, float]]) -> Change:
    """The reward with 6 and with 10 devices."""
    return training_course("sizes", "reward", "log", "devices", {6: few, 10: more})


def settled(then: float) -> Change:
    """From -10 to 0 at the end, and so much in the second fifth of the episodes."""
    course = [(0, -10.0), (4, -7.0), (40, then), (80, -4.0), (160, 0.0)]
    return sizes(course, course)


EQUAL_RATES = ("F_max / N", "2 GHz", "1.2 GHz", "0.9 GHz")


def equal(proposed: float, epr: float, epr_ep: float) -> Change:
    """Of the optimal scheme, and of equal rates with and without the best powers."""
    kinds = {"EPR": epr, "EPR-EP": epr_ep}
    of = {f"{kind}, server at {rate}": x for kind, x in kinds.items() for rate in EQUAL_RATES}
    return scaled("schemes", EMITTED, policy={PROPOSED: proposed} | of)


def twins(costs: list[float]) -> Change:
    """With an exact twin, and with errors of 5, 10 and 20 %, of any kind."""
    kinds = ("real rates higher", "real rates lower", "noise")
    of = {f"{kind} {p} %": x for kind in kinds for p, x in zip((5, 10, 20), costs[1:], strict=True)}
    return scaled("twins", EMITTED, twin={"exact twin": costs[0]} | of)


def useless(study: str, dim: str, place: Any, emission: float) -> Change:
    """In the first ten instances one of those compared breaks limits, and emits anything."""

    def change(results: Results) -> None:
        at = {dim: place, "seed": slice(1, 10)}
        results[study]["feasible_share"].loc[at] = 0.5
        results[study]["worst_emission_mg"].loc[at] = emission

    return change


RISING = [
    ("a6-rising", "devices", "schemes learned", COSTS),
    ("a7-rising", "devices", "learned", COSTS),
    ("c6-rising", "cycles", "schemes", EMITTED),
    ("c7-rising", "cycles", "schemes", EMITTED),
    ("c8-rising", "cycles", "twins", EMITTED),
    ("c9-rising", "cycles", "sizes", EMITTED),
]

CASES: list[tuple[str, str, Change]] = [
    ("a4-joint", "holds", schemes(joint=1, radio=2, compute=3)),
    ("a4-joint", "holds", schemes(joint=1, radio=3, compute=2)),
    ("a4-joint", "fails", schemes(joint=2, radio=1, compute=3)),
    ("a4-joint", "fails", schemes(joint=2, radio=3, compute=1)),
    ("a4-radio", "holds", schemes(joint=3, radio=1, compute=2)),
    ("a4-radio", "fails", schemes(joint=3, radio=2, compute=1)),
    ("a5-falling", "holds", stations(few=0.5, many=-0.1)),
    ("a5-falling", "fails", stations(few=-0.5, many=0.1)),
    ("a5-flat", "holds", stations(few=0.24, many=-1.0 + 1e-9)),
    ("a5-flat", "holds", stations(few=-0.24, many=1.0)),
    ("a5-flat", "fails", stations(few=0.26, many=1.0)),
    ("a5-flat", "fails", stations(few=-0.26, many=-1.0 + 1e-9)),
    ("a6-joint", "holds", schemes(joint=1, radio=2, compute=3)),
    ("a6-joint", "fails", schemes(joint=2, radio=1, compute=3)),
    ("a6-joint", "fails", schemes(joint=2, radio=3, compute=1)),
    ("a7-dqn", "holds", scaled("learned", COSTS, policy={"AAC": 1.0, "DQN": 2.0, JOINT: 3.0})),
    ("a7-dqn", "fails", scaled("learned", COSTS, policy={"AAC": 2.0, "DQN": 1.0, JOINT: 3.0})),
    ("a8-rate", "holds", rates(early=[1, 9, 1], late=[2, 1, 2])),
    ("a8-rate", "fails", rates(early=[9, 1, 9], late=[1, 2, 1])),
    ("c3-factor", "holds", of_iterations({0: 30.0}, 1.0)),
    ("c3-factor", "fails", of_iterations({0: 24.0}, 1.0)),
    ("c3-factor", "fails", of_iterations({0: 36.0}, 1.0)),
    ("c3-first", "holds", of_iterations({0: 11.0, 1: 5.9}, 1.0)),
    ("c3-first", "fails", of_iterations({0: 11.0, 1: 6.1}, 1.0)),
    ("c3-fifth", "holds", of_iterations({0: 11.0, 5: 1.4}, 1.0)),
    ("c3-fifth", "fails", of_iterations({0: 11.0, 5: 1.6}, 1.0)),
    ("c3-fifth", "fails", of_iterations({0: 11.0, 5: 0.4}, 1.0)),
    (
        "c3-factor",
        "holds",
        both(
            of_iterations({0: 30.0}, 1.0),
            useless("optimum", "policy", "exact optimum", 1.0),
            lambda results: (
                results["convergence"]["worst_emission_mg"]
                .loc[{"seed": slice(1, 10), "iteration": 0}]
                .__setitem__(..., 999.0)
            ),
        ),
    ),
    ("c4-best", "holds", pairs(early=[-9, -1, -1, -1], late=[-1, -2, -3, -2])),
    ("c4-best", "fails", pairs(early=[-1, -9, -9, -9], late=[-3, -2, -1, -2])),
    ("c4-second", "holds", pairs(early=[-1, -9, -1, -1], late=[-4, -1, -2, -3])),
    ("c4-second", "fails", pairs(early=[-1, -1, -9, -9], late=[-4, -3, -1, -2])),
    ("c4-stable", "holds", scatter(early=[9, 1, 1, 1], late=[1, 0, 2, 2])),
    ("c4-stable", "fails", scatter(early=[1, 9, 9, 9], late=[2, 9, 1, 1])),
    ("c5-devices", "holds", sizes([(0, -9.0), (160, -1.0)], [(0, -1.0), (160, -2.0)])),
    ("c5-devices", "fails", sizes([(0, -1.0), (160, -2.0)], [(0, -9.0), (160, -1.0)])),
    ("c5-converged", "holds", settled(-0.9)),
    ("c5-converged", "holds", settled(0.9)),
    ("c5-converged", "fails", settled(-1.1)),
    ("c5-converged", "fails", settled(1.1)),
    ("c6-below-1", "holds", scaled("schemes", EMITTED, policy={PROPOSED: 1.0, RATES: 2.0})),
    ("c6-below-1", "fails", scaled("schemes", EMITTED, policy={PROPOSED: 2.0, RATES: 1.0})),
    (
        "c6-below-1",
        "holds",
        both(
            scaled("schemes", EMITTED, policy={PROPOSED: 1.0, RATES: 2.0}),
            useless("schemes", "policy", PROPOSED, 99.0),
        ),
    ),
    ("c6-below-2", "holds", scaled("learned", EMITTED, policy={"Algorithm 2": 0.99})),
    ("c6-below-2", "fails", scaled("learned", EMITTED, policy={"Algorithm 2": 1.01})),
    ("c6-close", "holds", scaled("learned", EMITTED, policy={"Algorithm 2": 1.09})),
    ("c6-close", "holds", scaled("learned", EMITTED, policy={"Algorithm 2": 0.91, RATES: 9.0})),
    ("c6-close", "fails", scaled("learned", EMITTED, policy={"Algorithm 2": 1.11})),
    ("c6-close", "fails", scaled("learned", EMITTED, policy={"Algorithm 2": 0.89})),
    ("c7-epr", "holds", equal(proposed=1, epr=2, epr_ep=1)),
    ("c7-epr", "fails", equal(proposed=2, epr=1, epr_ep=3)),
    ("c7-epr-ep", "holds", equal(proposed=3, epr=1, epr_ep=2)),
    ("c7-epr-ep", "fails", equal(proposed=3, epr=2, epr_ep=1)),
    ("c8-accuracy", "holds", twins([1, 2, 3, 4])),
    ("c8-accuracy", "fails", twins([4, 3, 2, 1])),
    ("c9-size", "holds", scaled("sizes", EMITTED, size={1: 1.0, 4: 2.0})),
    ("c9-size", "fails", scaled("sizes", EMITTED, size={1: 2.0, 4: 1.0})),
    (
        "c9-size",
        "holds",
        both(
            scaled("sizes", EMITTED, size={1: 1.0, 4: 2.0}),
            useless("sizes", "size", 1, 9.0),
        ),
    ),
    *((name, "holds", by(dim, lambda x: x, of, what)) for name, dim, of, what in RISING),
    *((name, "fails", by(dim, lambda x: 1.0 / x, of, what)) for name, dim, of, what in RISING),
]

CLAIMS = {claim.id: (figure, claim) for figure in FIGURES.values() for claim in figure.claims}


def names() -> list[str]:
    """Of the cases: c9-size-holds, c9-size-holds-2, …"""
    heads = [f"{name}-{expected}" for name, expected, _ in CASES]
    counts = [heads[:k].count(head) for k, head in enumerate(heads)]
    return [f"{head}-{k + 1}" if k else head for head, k in zip(heads, counts, strict=True)]


@pytest.mark.parametrize(("name", "expected", "change"), CASES, ids=names())
def test_a_claim_holds_where_its_sentence_is_true(name: str, expected: str, change: Change) -> None:
    """Under each of its conditions, and under none of them where it is not."""
    figure, claim = CLAIMS[name]
    results = alike(figure)
    change(results)
    judged = judge(claim, results, quick=False)
    wrong = {one["name"]: one for one in judged["conditions"] if one["answer"] != expected}
    assert judged["conditions"] and not wrong
    assert judged["verdict"] == ("reproduced" if expected == "holds" else "not reproduced")


@pytest.mark.parametrize(
    ("name", "study", "names", "of", "places", "untouched"),
    [
        ("a6-rising", "schemes", COSTS, "policy", (JOINT, RADIO, COMPUTE), "AAC alone"),
        ("c6-rising", "schemes", EMITTED, "policy", (PROPOSED, RATES), "nothing"),
        ("c9-rising", "sizes", EMITTED, "size", (1, 4), "nothing"),
    ],
)
def test_each_scheme_has_to_rise(
    name: str, study: str, names: tuple[str, ...], of: str, places: tuple[Any, ...], untouched: str
) -> None:
    """One that falls is enough for conditions to fail."""
    figure, claim = CLAIMS[name]
    dim = next(dim for claimed, dim, _, _ in RISING if claimed == name)
    for place in places:
        results = alike(figure)
        for data in results.values():
            rank = data[dim].astype(float) if dim in data.dims else xr.DataArray(1.0)
            change = rank.where(data[of] != place, 1.0 / rank) if of in data.dims else rank
            for each in names:
                if each in data:
                    data[each] = data[each] * change
        judged = judge(claim, results, quick=False)
        fails = [one["name"] for one in judged["conditions"] if one["answer"] == "fails"]
        expected = [one["name"] for one in judged["conditions"] if untouched not in one["name"]]
        assert fails == expected, place


def test_all_claims_are_tried_both_ways() -> None:
    assert {(name, expected) for name, expected, _ in CASES} == {
        (name, expected) for name in CLAIMS for expected in ("holds", "fails")
    }


def test_claims_have_all_their_conditions() -> None:
    """Readings of the cost, learners, places: as the figures' notes have them."""
    count = {
        "a4-joint": 4 * 9 + 4,
        "a4-radio": 4 * 9,
        "a6-joint": 4 * 3 + 4,
        "a6-rising": 4 * 3 + 4,
    }
    count |= {"a5-falling": 4 * 2, "a5-flat": 4 * 2, "a7-dqn": 4, "a7-rising": 4}
    count |= {"c3-factor": 2 * 4 * 3 * 2, "c6-below-1": 3 * 2, "c7-epr": 3 * 2 * 2 * 2}
    count |= {"c8-accuracy": 3 * 3 * 2, "c9-size": 3 * 2, "c4-best": 3, "c5-devices": 3}
    for name, wanted in count.items():
        figure, claim = CLAIMS[name]
        assert len(claim.checks(alike(figure))) == wanted, name


# ---------------------------------------------------------------------------------------- questions


def answers(figure: str, asked: str, change: Change) -> dict[tuple[str, str], float]:
    """The numbers of the question that begins so, by condition and check."""
    results = alike(FIGURES[figure])
    change(results)
    (question,) = (one for one in FIGURES[figure].questions if one.asks.startswith(asked))
    rows = measured(question, results)["rows"]
    return {(row["name"], row["what"]): row["value"] for row in rows}


def test_how_much_of_the_gap_learners_close() -> None:
    """The best evaluation, and the last five of twenty, by who learned."""

    def change(results: Results) -> None:
        for name, best, last in (("aac", 0.9, 0.8), ("dqn", 0.7, 0.5), ("ddpg-stream", 0.3, 0.1)):
            gap = results[name]["gap_closed"]
            gap[:] = 0.0
            gap[{"evaluation": 3}], gap[{"evaluation": slice(15, None)}] = best, last

    found = answers("learners-a", "How much of the gap", change)
    ends = {("AAC"): (90.0, 80.0), "DQN": (70.0, 50.0), "DDPG": (30.0, 10.0)}
    for label, (best, last) in ends.items():
        assert found["best evaluation", label] == pytest.approx(best)
        assert found["mean of the last five", label] == pytest.approx(last)


def test_where_learners_of_the_task_problem_end() -> None:
    def change(results: Results) -> None:
        for name, excess in (("ddpg", 0.25), ("aac-tasks", 0.5)):
            results[name]["excess"][{"evaluation": -1}] = excess

    found = answers("learners-c", "Where do they end", change)
    assert found["emission over the optimum", "DDPG"] == pytest.approx(1.25)
    assert found["emission over the optimum", "AAC"] == pytest.approx(1.5)


@pytest.mark.parametrize("figure", ["a4", "a5", "a6", "a7"])
def test_gaps_are_above_p2_in_per_cent_of_it(figure: str) -> None:
    """P2's value may be negative: 50 % above -4 is -2."""
    learned = "stations" if figure == "a5" else "learned"
    change = scaled(
        f"{learned} sca", ("objective",), policy={JOINT: -4.0, "AAC": -2.0, "joint (SCA)": -3.0}
    )
    found = answers(figure, "How far is AAC above", change)
    assert list(found.values()) == pytest.approx([50.0] * len(found))
    found = answers(figure, "And successive convex", change)
    assert list(found.values()) == pytest.approx([25.0] * len(found))


@pytest.mark.parametrize("figure", ["age-a", "loss-a", "age-c", "loss-c"])
def test_what_a_stale_twin_adds_is_over_a_fresh_one(figure: str) -> None:
    """The k-th place costs k more than the first."""
    study, dim = ("stream", "tasks")[figure.endswith("c")], figure.partition("-")[0]

    def change(results: Results) -> None:
        data = results[study]
        rank = xr.DataArray(np.arange(float(data.sizes[dim])), {dim: data[dim]})
        for name in (*COSTS, *EMITTED, "feasible_share"):
            data[name] = data[name] + rank

    asked = "What does it add to P2's value" if study == "stream" else "And to the worst-case"
    found = answers(figure, asked, change)
    policies_of = {name for name, _ in found}
    for policy in policies_of:
        values = [value for (name, _), value in found.items() if name == policy]
        assert values == pytest.approx(np.arange(1.0, len(values) + 1.0))
    assert len(policies_of) >= 8


# -------------------------------------------------------------------------------------------- lines


def drawn(figure: str, change: Change) -> dict[tuple[str, str], set[float]]:
    """What lines show, by title of the diagram and by label; of the first row of diagrams."""
    results = alike(FIGURES[figure])
    change(results)
    found: dict[tuple[str, str], set[float]] = {}
    for diagram in FIGURES[figure].diagrams(results)[0]:
        for label, _, values in diagram.lines():
            found[diagram.title, label] = {float(f"{value:.6g}") for value in np.ravel(values)}
    return found


def test_lines_of_figures_of_paper_a_are_of_their_policies() -> None:
    costs = {JOINT: 1.0, RADIO: 2.0, COMPUTE: 3.0, "AAC": 4.0, "DQN": 5.0, "joint (SCA)": 6.0}
    change = scaled("learned sca", ("objective", "energy_per_bit_j"), policy=costs)
    per_bit = 1e9  # the second diagram of the row
    a6 = drawn("a6", scaled("learned sca", ("objective",), policy=costs))
    shown = {JOINT: 1.0, RADIO: 2.0, COMPUTE: 3.0, "joint (AAC)": 4.0, "joint (SCA)": 6.0}
    results = alike(FIGURES["a6"])
    change(results)
    first, second = FIGURES["a6"].diagrams(results)[0]
    for diagram, unit in ((first, 1.0), (second, per_bit)):
        for label, _, values in diagram.lines():
            np.testing.assert_allclose(values, unit * shown[label])
    assert {label for _, label in a6} == set(shown)
    results = alike(FIGURES["a7"])
    change(results)
    for label, _, values in FIGURES["a7"].diagrams(results)[0][0].lines():
        np.testing.assert_allclose(values, costs[label])
    by_scheme = drawn(
        "a4",
        both(
            scaled("learned sca", ("objective",), policy=costs),
            lambda results: results["aac"]["system_cost"].__setitem__(..., 7.0),
        ),
    )
    assert by_scheme == {
        ("", label): {costs[label]} for label in costs if label not in "AACDQN"
    } | {("", "joint (AAC)"): {7.0}}


def test_lines_of_sizes_and_schemes_are_of_their_runs() -> None:
    change = scaled(
        "sizes", EMITTED, size={1: 1.0, 4: 2.0}, policy={PROPOSED: 1.0, "exact optimum": 5.0}
    )
    wanted = {("1 MB", PROPOSED): 1.0, ("4 MB", PROPOSED): 2.0}
    wanted |= {("1 MB", "exact optimum"): 5.0, ("4 MB", "exact optimum"): 10.0}
    found = drawn("c9", change)
    for (_, label), values in found.items():
        size, _, policy = label.partition(", ")
        assert values == {wanted[size, policy]}
    assert len(found) == 3 * 4


def test_lines_of_equal_rates_are_of_the_rate_that_pays_at_their_theta_0() -> None:
    costs = {rate: float(k) for k, rate in enumerate(EQUAL_RATES, start=2)}
    of = {f"EPR, server at {rate}": cost for rate, cost in costs.items()}
    of |= {f"EPR-EP, server at {rate}": 10.0 * cost for rate, cost in costs.items()}
    found = drawn("c7", scaled("schemes", EMITTED, policy=of))
    for theta_0, cost in (("1e-28", 3.0), ("3e-28", 4.0), ("1e-27", 5.0)):
        of_theta = {
            label: values for (title, label), values in found.items() if f"= {theta_0}" in title
        }
        assert of_theta[PROPOSED] == of_theta["exact optimum"] == {1.0}
        assert of_theta["EPR, server at F_max / N"] == {2.0}
        assert of_theta["EPR, server at a rate that pays"] == {cost}
        assert of_theta["EPR-EP, server at a rate that pays"] == {10.0 * cost}


def test_lines_of_algorithm_1_are_of_their_start() -> None:
    change = both(
        scaled("convergence", EMITTED, policy={"as printed": 3.0, "feasible start": 2.0}),
        scaled("optimum", EMITTED, policy={"exact optimum": 0.5, "improved SCA": 0.75}),
    )
    found = drawn("c3", change)
    wanted = {"Algorithm 1, as printed": 3.0, "Algorithm 1, feasible start": 2.0}
    wanted |= {"exact optimum": 0.5, "improved SCA": 0.75}
    assert {label for _, label in found} == set(wanted)
    assert all(values == {wanted[label]} for (_, label), values in found.items())


# ------------------------------------------------------------------------- labels, runs and settings

LEARNS = {"AAC": "aac", "DQN": "dqn", "DDPG": "ddpg", "Algorithm 2": "ddpg"}

RUNS = {
    "joint (P2 in each slot)": "lyapunov",
    "P2 in each slot": "lyapunov",
    "drift plus penalty": "lyapunov",
    "radio alone": 'lyapunov{optimise=["radio"]}',
    "compute alone": 'lyapunov{optimise=["compute"]}',
    "joint (SCA)": "sca",
    "SCA": "sca",
    "improved SCA": "sca",
    "Algorithm 1 (improved SCA)": "sca",
    "non-optimal rates": 'sca{rates="initial"}',
    "exact": "exact",
    "exact optimum": "exact",
    "exact search": "exact",
    "local": "local",
    "offload all": "offload-all",
    "random": "random",
    "as printed": 'sca{variant="paper", threshold=0.0}',
    "feasible start": 'sca{variant="paper", threshold=0.0, local_cpu="794 MHz"}',
    "Algorithm 1 as printed": 'sca{variant="paper"}',
    "Algorithm 1, feasible start": 'sca{variant="paper", local_cpu="794 MHz"}',
    "EPR": "epr",
    "EPR-EP": "epr-ep",
    "EPR, server at F_max / N": "epr",
    "EPR-EP, server at F_max / N": "epr-ep",
}


def test_labels_are_those_of_the_policies_that_run() -> None:
    for figure in FIGURES.values():
        learners = {one.name: one.policy for one in figure.trainings}
        for study in figure.studies:
            for label, name in study.learned.items():
                assert learners[name] == LEARNS[label], (figure.id, label)
            for label, policy in study.policies.items():
                kind, _, rate = label.partition(", server at ")
                rated = f'{kind.lower()}{{edge_cpu="{rate}"}}'
                assert policy == RUNS.get(label, rated), (figure.id, label)
    for training in (one for figure in FIGURES.values() for one in figure.trainings):
        assert training.name.startswith(training.policy) or training.policy in ("aac", "ddpg")


def settings(figure: str, study: str, name: str) -> dict[Any, dict[str, Any]]:
    """What a factor's levels set, of a study or of trainings."""
    of: list[Any] = [*FIGURES[figure].studies, *FIGURES[figure].trainings]
    (found,) = (f for one in of if one.name == study for f in one.factors if f.name == name)
    return {level: dict(keys) for level, keys in found.settings.items()}


def test_levels_of_factors_set_what_they_are_called() -> None:
    assert settings("c4", "pairs", "rates") == {
        pair: {"policy.actor_rate": actor, "policy.critic_rate": critic}
        for pair, actor, critic in zip(
            PAIRS, (3e-5, 5e-6, 5e-6, 5e-4), (1e-4, 1e-5, 3e-5, 1e-4), strict=True
        )
    }
    key = "twin.deviation."
    twin = settings("c8", "twins", "twin")
    both_cpus = (f"{key}device_cpu.relative", f"{key}edge_cpu.relative")
    assert twin["real rates higher 5 %"] == dict.fromkeys(both_cpus, 0.05)
    assert twin["real rates lower 20 %"] == dict.fromkeys(both_cpus, -0.2)
    assert twin["noise 10 %"] == {
        f"{key}device_cpu.noise": "75.0 MHz",
        f"{key}edge_cpu.noise": "333.0 MHz",
    }
    assert set(twin["exact twin"].values()) == {0.0}
    ages = {"age-a": ("stream", 0.1), "age-c": ("tasks", 2.0)}
    for figure, (study, slot_s) in ages.items():
        age = settings(figure, study, "age")
        assert age[5] == {"twin.device.latency": f"{5 * slot_s:g} s"}
    assert settings("loss-a", "stream", "loss")[20] == {"twin.device.loss": 0.2}
    assert settings("c9", "sizes", "size")[4] == {"tasks.size": ["4 MB", "4 MB"]}
    assert settings("c3", "convergence", "tasks")["1000 to 1500 Mcycles"] == {
        "tasks.cycles": ["1000 Mcycles", "1500 Mcycles"]
    }
    assert settings("carbon", "stream", "moment")["July 6"] == {
        "carbon.intensity": {"file": "carbon_intensity_gb_2020.csv", "start": "2020-07-15T06:00"}
    }


def test_queues_have_filled_before_costs_are_counted() -> None:
    """A quarter of the slots is left out; half of them where the oldest twin knows nothing at first."""
    for figure in FIGURES.values():
        for study in figure.studies:
            if study.scenario == "iiot_20dev" and not study.timed:
                assert study.warmup == 0.25, (figure.id, study.name)
    for name in ("age-c", "loss-c"):
        (study,) = FIGURES[name].studies
        assert study.warmup * study.keys["run.slots"] > 20


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


def test_trained_policies_are_labelled_by_training() -> None:
    paths = {"AAC 1": Path("/x/aac-f00.pt"), "AAC 2": Path("/x/aac-ba2.pt")}
    # In the order in which a sweep runs them, and its dataset has them.
    assert list(policies(STUDY, paths).items()) == [
        ("nobody offloads", "local"),
        ("at random", "random"),
        ("AAC 1", 'aac{checkpoint="/x/aac-f00.pt"}'),
        ("AAC 2", 'aac{checkpoint="/x/aac-ba2.pt"}'),
    ]


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
            (one.folder / "done.json").write_text("{}")
            rate, seed = one.place
            for file, cost in (("progress.csv", "reward"), ("evaluation.csv", "system_cost")):
                with (one.folder / file).open("w", newline="") as opened:
                    rows: list[list[Any]] = [["steps", cost], [10, 100 * rate + seed], [20, ""]]
                    csv.writer(opened).writerows(rows[: 3 if seed else 2])
        data = train_all(training, tmp_path, quick, workers=1)
        assert data["seed"].values.tolist() == list(range(1, seeds + 1))
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
    data = Workshop(tmp_path).run_study(study, make_folder(tmp_path, "loads"), {})
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
