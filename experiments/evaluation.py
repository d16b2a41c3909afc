"""A policy's figures on seeds that no training has met, beside references under the same conditions."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..policies.base import Policy
from ..policies.registry import make_policy
from ..scenarios.errors import ScenarioError
from ..scenarios.schema import Scenario
from ..scenarios.sections import TwinSection
from ..simulator.assembly.build import blueprint
from ..simulator.core.arrays import BoolArray, FloatArray
from ..simulator.core.errors import RunError
from ..simulator.core.randomness import Streams
from ..simulator.core.recorder import NullRecorder
from ..simulator.stream.problem import DriftPlusPenalty
from ..traces.confidence_intervals import mean

SHAPES = {"drift-plus-penalty": (8, 400), "worst-case-emission": (40, 5)}
"""Replications and slots that are evaluated, for each problem; fewer slots where the scenario's data cover its
run, but not so many. In the task problem slots are independent
but for the devices' places, so few slots of many replications tell most."""

PROBED = 20
"""Slots that tell how long an evaluation takes."""

WARM_UP = 0.25
"""Share of the slots, in which queues fill, that is left out first in the stream problem."""

INFEASIBLE = 10.0
"""Weight of an infeasible slot in the score of the task problem, in units of the optimum's emission."""


_Columns = dict[str, FloatArray]
"""Trace variables by name, (R, T) or (R, T, N)."""


@dataclass(frozen=True)
class Evaluation:
    """A policy's figures.

    Attributes:
        figures: by name, with the references'.
        score: the best checkpoint has the least.
    """

    figures: Mapping[str, float]
    score: float


REFERENCES = {
    "drift-plus-penalty": ("lyapunov", "local"),
    "worst-case-emission": ("exact", "local"),
}
"""Of each problem the best that is known, and what needs no decision."""


def evaluation_seeds(scenario: Scenario) -> int:
    """How many of a scenario's seeds, from its own on, trainings are evaluated on."""
    return SHAPES[scenario.run.problem][0]


class Evaluator:
    """Runs policies on a scenario's own seeds, and compares them with two references.

    Stream problem: the "system cost" is minus the mean reward A(22), that is P2's objective; `local`
    closes 0 % of the gap, `lyapunov`, which solves P2, 100 %; "feasible" is the share of slots that A(14) holds
    for without scaling down. Task problem: the mean worst-case
    emission beyond that of `exact`, and the share of feasible slots, both over the slots that `exact`
    finds feasible. This `exact` sees the network itself, where the policy and `local` see the scenario's twin:
    of an old one it would find none. There is no gap where both cost the same, as where nothing arrives, no excess where
    `exact` emits nothing, and neither emission nor excess where it finds no slot feasible.

    Beside the score stands the energy, which is no part of it or a small one: per bit in the stream problem, of
    all devices and the server in a slot in the task problem, with the lower end of the 95 % interval of what
    the policy takes more than each reference, paired by seed.

    Args:
        scenario: what is trained for; its seeds are the ones held out.
        energy_price: what energy costs in the score of the stream problem beside P2's value, as in the reward.
    """

    def __init__(self, scenario: Scenario, energy_price: float = 0.0) -> None:
        self._energy_price = energy_price
        self._stream = scenario.run.problem == "drift-plus-penalty"
        replications, slots = SHAPES[scenario.run.problem]
        self._scenario = scenario.with_run(replications=replications, slots=slots)
        try:
            self.problem = blueprint(self._scenario).problem
        except ScenarioError:  # its data may cover the run, but no more
            if scenario.run.slots >= slots:
                raise
            self._scenario = scenario.with_run(replications=replications)
            self.problem = blueprint(self._scenario).problem
        self._references = {
            name: self._reference(name) for name in REFERENCES[scenario.run.problem]
        }

    def evaluate(self, policy: Policy) -> Evaluation:
        """The figures of a policy that is ready to act."""
        columns = self._run(policy, self._scenario)
        return self._stream_figures(columns) if self._stream else self._task_figures(columns)

    def seconds(self, policy: Policy) -> float:
        """What an evaluation takes here, about, by the clock, from some of its slots."""
        slots = self._scenario.run.slots
        few, more = 1, min(1 + PROBED, slots)
        taken = []
        for count in (few, few, more):  # the first compiles, and fills caches
            start = time.monotonic()
            self._run(policy, self._scenario, count)
            taken.append(time.monotonic() - start)
        per_slot = max(taken[2] - taken[1], 0.0) / max(more - few, 1)
        return taken[1] + per_slot * (slots - few)

    def _stream_figures(self, columns: _Columns) -> Evaluation:
        cost = float(columns["objective"].mean())
        best = float(self._references["lyapunov"]["objective"].mean())
        zero = float(self._references["local"]["objective"].mean())
        figures = {
            "system_cost": cost,
            "lyapunov_system_cost": best,
            "local_system_cost": zero,
            **self._energies("energy_per_bit_nj", columns, _energy_per_bit),
            "queue_mbit": float(columns["queue_bits"].mean()) * 1e-6,
            "feasible": float((columns["scaled"] == 0).mean()),
        }
        if zero != best:
            figures["gap_closed"] = (zero - cost) / (zero - best)
        problem = self.problem
        assert isinstance(problem, DriftPlusPenalty)  # by the problem's name
        spent = self._energy_price * problem.V * float(problem.spent(columns).mean())
        return Evaluation(figures, cost + spent)

    def _task_figures(self, columns: _Columns) -> Evaluation:
        best, local = self._references["exact"], self._references["local"]
        possible: BoolArray = best["feasible"].astype(bool)
        if not possible.any():
            return Evaluation({"feasible": 1.0}, 0.0)
        feasible = float(columns["feasible"][possible].mean())
        emission = float(columns["worst_emission_mg"][possible].mean())
        least = float(best["worst_emission_mg"][possible].mean())
        figures = {
            "worst_emission_mg": emission,
            "exact_worst_emission_mg": least,
            "local_worst_emission_mg": float(local["worst_emission_mg"][possible].mean()),
        }
        if least > 0.0:
            figures["excess"] = emission / least - 1.0
        figures["feasible"] = feasible
        figures["local_feasible"] = float(local["feasible"][possible].mean())
        figures |= self._energies("energy_per_slot_mj", columns, _energy_per_slot)
        return Evaluation(figures, figures.get("excess", 0.0) + INFEASIBLE * (1.0 - feasible))

    def _energies(
        self, name: str, columns: _Columns, energy: Callable[[_Columns], FloatArray]
    ) -> dict[str, float]:
        """Of the policy and of each reference, and what it takes more than them, at least."""
        ours = energy(columns)
        theirs = {other: energy(found) for other, found in self._references.items()}
        least = {other: mean(ours - one).low for other, one in theirs.items()}
        return {
            name: float(ours.mean()),
            **{f"{other}_{name}": float(one.mean()) for other, one in theirs.items()},
            # One seed has no interval.
            **{f"above_{other}_{name}": low for other, low in least.items() if isfinite(low)},
        }

    def _reference(self, name: str) -> _Columns:
        scenario = self._scenario.with_policy(name)
        if name == "exact":  # the twin is right
            scenario = scenario.model_copy(update={"twin": TwinSection()})
        try:
            return self._run(make_policy(scenario), scenario)
        except RunError as error:
            raise RunError(f"{error}; trainings are held against policy {name!r}") from error

    def _run(self, policy: Policy, scenario: Scenario, slots: int | None = None) -> _Columns:
        plan = blueprint(scenario if slots is None else scenario.with_run(slots=slots))
        streams = Streams(self._scenario.run.seed, self._scenario.run.replications)
        policy.reset(plan.problem.network, plan.problem, streams.generators("policy"))
        kept = _Kept(_STREAM if self._stream else _TASK)
        plan.simulation(policy.decide, kept, streams).run()
        first = round(WARM_UP * plan.scenario.run.slots) if self._stream else 0
        return {
            name: np.stack([row[name] for row in kept.rows[first:]], axis=1) for name in kept.names
        }


def beyond_best(evaluation: Evaluation) -> float:
    """How far a policy is beyond the best reference, in units of its world; less is better.

    Stream problem: of the gap between `lyapunov` and `local`, what is not closed; nothing where there is none.
    Task problem: the score, which is relative to `exact` as it is.
    """
    figures = evaluation.figures
    if "system_cost" not in figures:
        return evaluation.score
    best, zero = figures["lyapunov_system_cost"], figures["local_system_cost"]
    return (evaluation.score - best) / abs(zero - best) if zero != best else 0.0


def _energy_per_bit(columns: _Columns) -> FloatArray:
    """(R,) nJ of the devices for each bit that left a queue."""
    joule = columns["local_energy_j"] + columns["offload_energy_j"]
    bits = columns["local_bits"] + columns["offloaded_bits"]
    found: FloatArray = joule.sum(axis=(1, 2)) / np.maximum(bits.sum(axis=(1, 2)), 1.0)
    return found * 1e9


def _energy_per_slot(columns: _Columns) -> FloatArray:
    """(R,) mJ of all devices, and of the server for them, in a slot."""
    joule = columns["energy_j"] + columns["server_energy_j"]
    found: FloatArray = joule.sum(axis=2).mean(axis=1)
    return found * 1e3


def waste(figures: Mapping[str, float]) -> str:
    """One line on a policy that scores better than a reference and takes more energy; else nothing.

    More is what does not fall below the reference's in the 95 % interval.

    Args:
        figures: of an evaluation.
    """
    if "system_cost" in figures:
        problem, energy, unit = "drift-plus-penalty", "energy_per_bit_nj", "nJ per bit"
        better = {
            name: figures["system_cost"] < figures[f"{name}_system_cost"]
            for name in REFERENCES[problem]
        }
    elif "worst_emission_mg" in figures:
        problem, energy, unit = "worst-case-emission", "energy_per_slot_mj", "mJ per slot"
        is_cleaner = figures["worst_emission_mg"] < figures["local_worst_emission_mg"]
        better = {"local": is_cleaner and figures["feasible"] >= figures["local_feasible"]}
    else:
        return ""
    for name, is_better in better.items():
        if is_better and figures.get(f"above_{name}_{energy}", 0.0) > 0.0:
            ours, theirs = figures[energy], figures[f"{name}_{energy}"]
            return (
                f"it scores better than {name}, but takes {ours:.3g} {unit}, {name} {theirs:.3g}: "
                "energy weighs little in this score"
            )
    return ""


_STREAM = (
    "objective",
    "queue_bits",
    "local_energy_j",
    "offload_energy_j",
    "local_bits",
    "offloaded_bits",
    "emission_mg",
    "scaled",
)
_TASK = ("worst_emission_mg", "feasible", "energy_j", "server_energy_j")


@dataclass
class _Kept(NullRecorder):
    """Keeps some columns in memory."""

    names: tuple[str, ...]
    rows: list[dict[str, NDArray[Any]]] = field(default_factory=list)

    def slot(self, slot: int, columns: Mapping[str, NDArray[Any]]) -> None:
        self.rows.append({name: columns[name].copy() for name in self.names})
