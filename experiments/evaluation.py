"""A policy's figures on seeds that no training has met, beside references under the same conditions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..policies.base import Policy
from ..policies.registry import make_policy
from ..scenarios.schema import Scenario
from ..simulator.build import blueprint
from ..simulator.core.arrays import BoolArray, FloatArray
from ..simulator.core.randomness import Streams
from ..simulator.core.recorder import NullRecorder

SHAPES = {"drift-plus-penalty": (8, 400), "worst-case-emission": (40, 5)}
"""Replications and slots that are evaluated, for each problem. In the task problem slots are independent
but for the devices' places, so few slots of many replications tell most."""

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
        figures: by name, with the reference's.
        score: the best checkpoint has the least.
    """

    figures: Mapping[str, float]
    score: float


class Evaluator:
    """Runs policies on a scenario's own seeds, and compares them with a reference.

    Stream problem: the "system cost" is minus the mean reward A(22), that is P2's objective; `local`
    closes 0 % of the gap, `lyapunov`, which solves P2, 100 %; "feasible" is the share of slots that A(14) holds
    for without scaling down. Task problem: the mean worst-case
    emission beyond that of `exact`, and the share of feasible slots, both over the slots that `exact`
    finds feasible. There is no gap where both cost the same, as where nothing arrives, no excess where
    `exact` emits nothing, and neither emission nor excess where it finds no slot feasible.

    Args:
        scenario: what is trained for; its seeds are the ones held out.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._stream = scenario.run.problem == "drift-plus-penalty"
        replications, slots = SHAPES[scenario.run.problem]
        self._scenario = scenario.with_run(replications=replications, slots=slots)
        self.problem = blueprint(self._scenario).problem
        names = ("lyapunov", "local") if self._stream else ("exact",)
        self._references = {
            name: self._run(make_policy(scenario.with_policy(name))) for name in names
        }

    def evaluate(self, policy: Policy) -> Evaluation:
        """The figures of a policy that is ready to act."""
        columns = self._run(policy)
        return self._stream_figures(columns) if self._stream else self._task_figures(columns)

    def _stream_figures(self, columns: _Columns) -> Evaluation:
        cost = float(columns["objective"].mean())
        best = float(self._references["lyapunov"]["objective"].mean())
        zero = float(self._references["local"]["objective"].mean())
        joule = columns["local_energy_j"] + columns["offload_energy_j"]
        bits = columns["local_bits"] + columns["offloaded_bits"]
        figures = {
            "system_cost": cost,
            "lyapunov_system_cost": best,
            "local_system_cost": zero,
            "energy_per_bit_nj": float(joule.sum() / max(bits.sum(), 1.0)) * 1e9,
            "queue_mbit": float(columns["queue_bits"].mean()) * 1e-6,
            "feasible": float((columns["scaled"] == 0).mean()),
        }
        if zero != best:
            figures["gap_closed"] = (zero - cost) / (zero - best)
        return Evaluation(figures, cost)

    def _task_figures(self, columns: _Columns) -> Evaluation:
        best = self._references["exact"]
        possible: BoolArray = best["feasible"].astype(bool)
        if not possible.any():
            return Evaluation({"feasible": 1.0}, 0.0)
        feasible = float(columns["feasible"][possible].mean())
        emission = float(columns["worst_emission_mg"][possible].mean())
        least = float(best["worst_emission_mg"][possible].mean())
        figures = {"worst_emission_mg": emission, "exact_worst_emission_mg": least}
        if least > 0.0:
            figures["excess"] = emission / least - 1.0
        figures["feasible"] = feasible
        return Evaluation(figures, figures.get("excess", 0.0) + INFEASIBLE * (1.0 - feasible))

    def _run(self, policy: Policy) -> _Columns:
        plan = blueprint(self._scenario)
        streams = Streams(self._scenario.run.seed, self._scenario.run.replications)
        policy.reset(plan.problem.network, plan.problem, streams.generators("policy"))
        kept = _Kept(_STREAM if self._stream else _TASK)
        plan.simulation(policy.decide, kept, streams).run()
        first = round(WARM_UP * self._scenario.run.slots) if self._stream else 0
        return {
            name: np.stack([row[name] for row in kept.rows[first:]], axis=1) for name in kept.names
        }


_STREAM = (
    "objective",
    "queue_bits",
    "local_energy_j",
    "offload_energy_j",
    "local_bits",
    "offloaded_bits",
    "scaled",
)
_TASK = ("worst_emission_mg", "feasible")


@dataclass
class _Kept(NullRecorder):
    """Keeps some columns in memory."""

    names: tuple[str, ...]
    rows: list[dict[str, NDArray[Any]]] = field(default_factory=list)

    def slot(self, slot: int, columns: Mapping[str, NDArray[Any]]) -> None:
        self.rows.append({name: columns[name].copy() for name in self.names})
