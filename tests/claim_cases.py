"""For each claim of the papers results under which it holds, and others under which it fails.

What is named here is named by its label in the papers or in figures, not by what the program calls it.
"""

import zlib
from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import xarray as xr
from results_by_hand import (
    COSTS,
    EMITTED,
    TIMES,
    Change,
    Results,
    alike,
    both,
    by,
    named,
    scaled,
)

from edgesim.experiments.reproduction.catalogue import FIGURES
from edgesim.experiments.reproduction.figure import (
    left_out,
)
from edgesim.experiments.reproduction.judging import Judgement, judge

JOINT, RADIO, COMPUTE = "joint (P2 in each slot)", "radio alone", "compute alone"
ALGORITHMS = ("Algorithm 1 as printed", "Algorithm 1 from 0.794 GHz", "our search")
SEARCH = ALGORITHMS[-1]
RATES, EXACT = "non-optimal rates", "exact optimum"
REPAIRED_2, REPAIRED_AAC = "Algorithm 2 with our settings", "AAC with our settings"
DDPGS = ("Algorithm 2 as printed", REPAIRED_2, "guided Algorithm 2")


def proposed(emission: float, **others: float) -> dict[str, float]:
    """Algorithm 1 in all of its forms, and others."""
    return dict.fromkeys(ALGORITHMS, emission) | others


PRINTED_COUNTS = " ".join(f"printed-{count}" for count in (5, 10, 15, 20, 30, 40))
PRINTED_ENDS = " ".join(f"printed-{n}-{m}" for n in (20, 40) for m in (1, 6))


def schemes(**costs: float) -> Change:
    """Of the joint scheme in each slot and as AAC learns it, and of its two parts."""
    of = dict.fromkeys((JOINT, "AAC", "AAC as printed", REPAIRED_AAC), costs["joint"])
    of |= {RADIO: costs["radio"], COMPUTE: costs["compute"]}
    return scaled(f"schemes learned printed repaired {PRINTED_COUNTS}", COSTS, policy=of)


def stations(few: float, many: float) -> Change:
    """By how much the cost of 20 and of 40 devices changes from one SBS to six, from 1."""

    def change(results: Results) -> None:
        for study in named(f"stations learned {PRINTED_ENDS}", results):
            data = results[study]
            share = (data["SBSs"] - 1.0) / 5.0
            rise = xr.DataArray([few, many], {"devices": [20, 40]})
            for name in COSTS:
                data[name] = data[name] * (1.0 + rise * share)

    return change


def of_iterations(emission: Mapping[int, float], rest: float) -> Change:
    """The worst-case emission after some iterations, and after all others."""
    return by("iteration", lambda k: emission.get(int(k), rest), "convergence", EMITTED)


def training_course(
    studies: str, variable: str, rows: str, dim: str, values: Mapping[Any, list[tuple[int, float]]]
) -> Change:
    """A column of trainings' tables: by place of a dimension, (first row, value from there on)."""

    def change(results: Results) -> None:
        for study in studies.split():
            data = results[study]
            for place, parts in values.items():
                for first, value in parts:
                    data[variable].loc[{dim: place}][{rows: slice(first, None)}] = value

    return change


def rates(early: list[float], late: list[float]) -> Change:
    """The cost under learning rates 1e-2, 1e-3, 1e-4: before the last fifth, and in it."""
    places = dict(zip((1e-2, 1e-3, 1e-4), zip(early, late, strict=True), strict=True))
    values = {rate: [(0, a), (16, b)] for rate, (a, b) in places.items()}
    return training_course(
        "aac-rates aac-printed-rates", "system_cost", "evaluation", "learning rate", values
    )


PAIRS = ("3e-5, 1e-4", "5e-6, 1e-5", "5e-6, 3e-5", "5e-4, 1e-4")


def pairs(early: list[float], late: list[float]) -> Change:
    """The reward under the four pairs of rates: before the last fifth of the episodes, and in it."""
    values = {pair: [(0, a), (160, b)] for pair, a, b in zip(PAIRS, early, late, strict=True)}
    return training_course("pairs-printed pairs-guided", "reward", "log", "rates", values)


def scatter(early: list[float], late: list[float]) -> Change:
    """Rewards that go up and down by so much, in the first half and in the second."""

    def change(results: Results) -> None:
        sign = np.where(np.arange(200) % 2, 1.0, -1.0)
        for study in ("pairs-printed", "pairs-guided"):
            reward = results[study]["reward"]
            for pair, a, b in zip(PAIRS, early, late, strict=True):
                reward.loc[{"rates": pair}] = sign * np.where(np.arange(200) < 100, a, b)

    return change


def sizes(few: list[tuple[int, float]], more: list[tuple[int, float]]) -> Change:
    """The reward with 6 and with 10 devices."""
    return training_course(
        "sizes-printed sizes-guided", "reward", "log", "devices", {6: few, 10: more}
    )


def settled(then: float) -> Change:
    """From -10 to 0 at the end, and so much in the second fifth of the episodes."""
    course = [(0, -10.0), (4, -7.0), (40, then), (80, -4.0), (160, 0.0)]
    return sizes(course, course)


def ddpg(emission: float, others: Mapping[str, float] | None = None) -> dict[str, float]:
    """Algorithm 2 in both of its forms, and others."""
    return dict.fromkeys(DDPGS, emission) | dict(others or {})


EQUAL_RATES = ("F_max / N", "2 GHz", "1.2 GHz", "0.9 GHz")


def equal(optimal: float, epr: float, epr_ep: float) -> Change:
    """Of the optimal scheme, and of equal rates with and without the best powers."""
    kinds = {"EPR": epr, "EPR-EP": epr_ep}
    of = {f"{kind}, server at {rate}": x for kind, x in kinds.items() for rate in EQUAL_RATES}
    return scaled("schemes", EMITTED, policy=proposed(optimal) | of)


def twins(costs: list[float]) -> Change:
    """With an exact twin, and with errors of 5, 10 and 20 %, of any kind."""
    kinds = ("real rates higher", "real rates lower", "noise")
    of = {f"{kind} {p} %": x for kind in kinds for p, x in zip((5, 10, 20), costs[1:], strict=True)}
    return scaled("twins", EMITTED, twin={"exact twin": costs[0]} | of)


def waiting(then: float) -> Change:
    """What waits in the second half of a run, where it is 1 in the quarter before."""

    def change(results: Results) -> None:
        for study, name in product(("schemes", "printed"), ("queue_bits", "station_queue_bits")):
            results[left_out(study, 0.5)][name][:] = then
            results[study][name][:] = (0.25 + 0.5 * then) / 0.75

    return change


def useless(study: str, dim: str, place: Any, emission: float) -> Change:
    """In the first ten instances one of those compared breaks limits, and emits anything."""

    def change(results: Results) -> None:
        at = {dim: place, "seed": slice(1, 10)}
        results[study]["feasible_share"].loc[at] = 0.5
        results[study]["worst_emission_mg"].loc[at] = emission

    return change


RISING = [
    ("a6-rising", "devices", f"schemes learned {PRINTED_COUNTS}", COSTS),
    ("a7-rising", "devices", f"learned {PRINTED_COUNTS}", COSTS),
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
    ("a4-stable", "holds", waiting(1.04)),
    ("a4-stable", "fails", waiting(1.06)),
    ("a5-falling", "holds", stations(few=0.5, many=-0.1)),
    ("a5-falling", "fails", stations(few=-0.5, many=0.1)),
    ("a5-flat", "holds", stations(few=0.24, many=-1.0 + 1e-9)),
    ("a5-flat", "holds", stations(few=-0.24, many=1.0)),
    ("a5-flat", "fails", stations(few=0.26, many=1.0)),
    ("a5-flat", "fails", stations(few=-0.26, many=-1.0 + 1e-9)),
    ("a6-joint", "holds", schemes(joint=1, radio=2, compute=3)),
    ("a6-joint", "fails", schemes(joint=2, radio=1, compute=3)),
    ("a6-joint", "fails", schemes(joint=2, radio=3, compute=1)),
    (
        "a7-dqn",
        "holds",
        scaled(f"learned {PRINTED_COUNTS}", COSTS, policy={"AAC": 1.0, "DQN": 2.0, JOINT: 3.0}),
    ),
    (
        "a7-dqn",
        "fails",
        scaled(f"learned {PRINTED_COUNTS}", COSTS, policy={"AAC": 2.0, "DQN": 1.0, JOINT: 3.0}),
    ),
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
    ("c3-fifth", "holds", of_iterations({0: 11.0, 5: 1.011}, 1.0)),
    ("c3-fifth", "fails", of_iterations({0: 11.0, 5: 1.009}, 1.0)),
    ("c3-fifth", "fails", of_iterations({0: 11.0}, 1.0)),
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
    ("c4-eventually", "holds", pairs(early=[-10, -9, -1, -1], late=[-1, -1.8, 9, 9])),
    ("c4-eventually", "holds", pairs(early=[-10, -9, -1, -1], late=[-1, -0.2, 9, 9])),
    ("c4-eventually", "fails", pairs(early=[-10, -9, -1, -1], late=[-1, -2.0, -1, -1])),
    ("c4-eventually", "fails", pairs(early=[-10, -9, -1, -1], late=[-1, 0.0, -1, -1])),
    ("c4-stable", "holds", scatter(early=[9, 1, 1, 1], late=[1, 0, 2, 2])),
    ("c4-stable", "fails", scatter(early=[1, 9, 9, 9], late=[2, 9, 1, 1])),
    ("c5-devices", "holds", sizes([(0, -9.0), (160, -1.0)], [(0, -1.0), (160, -2.0)])),
    ("c5-devices", "fails", sizes([(0, -1.0), (160, -2.0)], [(0, -9.0), (160, -1.0)])),
    ("c5-converged", "holds", settled(-0.9)),
    ("c5-converged", "holds", settled(0.9)),
    ("c5-converged", "fails", settled(-1.1)),
    ("c5-converged", "fails", settled(1.1)),
    ("c6-below-1", "holds", scaled("schemes", EMITTED, policy=proposed(1.0) | {RATES: 2.0})),
    ("c6-below-1", "fails", scaled("schemes", EMITTED, policy=proposed(2.0) | {RATES: 1.0})),
    (
        "c6-below-1",
        "holds",
        both(
            scaled("schemes", EMITTED, policy=proposed(1.0) | {RATES: 2.0}),
            useless("schemes", "policy", list(ALGORITHMS), 99.0),
        ),
    ),
    ("c6-below-2", "holds", scaled("learned printed repaired", EMITTED, policy=ddpg(0.99))),
    ("c6-below-2", "fails", scaled("learned printed repaired", EMITTED, policy=ddpg(1.01))),
    ("c6-close", "holds", scaled("learned printed repaired", EMITTED, policy=ddpg(1.09))),
    (
        "c6-close",
        "holds",
        scaled("learned printed repaired", EMITTED, policy=ddpg(0.91, others={RATES: 9.0})),
    ),
    ("c6-close", "fails", scaled("learned printed repaired", EMITTED, policy=ddpg(1.11))),
    ("c6-close", "fails", scaled("learned printed repaired", EMITTED, policy=ddpg(0.89))),
    ("c6-near", "holds", scaled("schemes", EMITTED, policy=proposed(1.09) | {RATES: 9.0})),
    ("c6-near", "fails", scaled("schemes", EMITTED, policy=proposed(1.11) | {RATES: 0.1})),
    ("c6-near", "fails", scaled("schemes", EMITTED, policy=proposed(1.0) | {EXACT: 0.9})),
    ("c7-epr", "holds", equal(optimal=1, epr=2, epr_ep=1)),
    ("c7-epr", "fails", equal(optimal=2, epr=1, epr_ep=3)),
    ("c7-epr-ep", "holds", equal(optimal=3, epr=1, epr_ep=2)),
    ("c7-epr-ep", "fails", equal(optimal=3, epr=2, epr_ep=1)),
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
    ("time-real", "holds", scaled("stream printed", TIMES, policy={"P2 in each slot": 1.01})),
    ("time-real", "fails", scaled("stream printed", TIMES, policy={"P2 in each slot": 0.99})),
    ("complexity-1", "holds", by("devices", lambda n: n**2.4, "once", TIMES)),
    ("complexity-1", "fails", by("devices", lambda n: n**2.6, "once", TIMES)),
    *((name, "holds", by(dim, lambda x: x, of, what)) for name, dim, of, what in RISING),
    *((name, "fails", by(dim, lambda x: 1.0 / x, of, what)) for name, dim, of, what in RISING),
]

CLAIMS = {claim.id: (figure, claim) for figure in FIGURES.values() for claim in figure.claims}


def names() -> list[str]:
    """Of the cases: c9-size-holds, c9-size-holds-2, …"""
    heads = [f"{name}-{expected}" for name, expected, _ in CASES]
    counts = [heads[:k].count(head) for k, head in enumerate(heads)]
    return [f"{head}-{k + 1}" if k else head for head, k in zip(heads, counts, strict=True)]


def after(name: str, change: Change, noise: float = 0.0) -> Judgement:
    """A claim judged on results that are alike but for a change."""
    figure, claim = CLAIMS[name]
    results = alike(figure)
    change(results)
    if noise:
        blur(results, noise)
    return judge(claim, figure, results)


def blur(results: Results, noise: float) -> None:
    """Of each seed and number another small part more or less."""
    for study, data in results.items():
        for name in set(data.data_vars) - {"feasible_share", "steps", "evaluated_steps"}:
            rng = np.random.default_rng(zlib.crc32(f"{study} {name}".encode()))
            data[name] = data[name] * np.exp(noise * rng.standard_normal(data[name].shape))


def outcomes(of: Judgement) -> dict[str, str]:
    """Under each condition, of each subject and reading."""
    return {
        f"{subject.name}: {name}": outcome
        for subject in of.subjects
        for other in (False, True)
        for name, outcome in subject.outcomes(other).items()
    }
