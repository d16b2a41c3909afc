"""The improved variant of SCA: a search over nested sets of offloaders, with one convex program.

Algorithm 1 gets stuck, for two reasons, and this removes both:

- Rates and powers are optimised in turn although they share the deadline (15). Here they are one
  program (`joint_subproblem`). For given offloading C(10) is convex in log p, log D^tx and log f^0:
  that program, repeated, ends in the optimum of its set of offloaders, wherever it starts.
- (21) judges an alternative at rates that nobody chose for it. At its own best rates, what a device
  emits if it stays local is a number that depends on nobody else. So the best offloaders are one of
  the N + 1 `nested_sets`.

The worst case leaves open what happens below it. A local device that sets it is put aside and the
same is asked of the others, until the worst of them is an offloader.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ....simulator.core.arrays import BoolArray, FloatArray
from ....simulator.core.elementary import cbrt_each
from ....simulator.tasks.decision import TaskDecision
from ....simulator.tasks.network import TaskNetwork, Tasks
from ....simulator.tasks.outcome import TOLERANCE
from ..c10.closed_form_rates import slowest_local_hz
from ..c10.nested_sets import crossing, worst_alone_first
from ..c10.points import Level, Point, least_offloaded_j, prolonged, start
from ..c10.slot import Slot
from ..c10.steps import on_steps
from .joint_subproblem import JointSubproblem
from .result import Result, Status, result


@dataclass(frozen=True)
class _Found:
    """A point for a set of offloaders, and how the search came to it.

    Attributes:
        offload: (N,) alpha.
        point: powers and rates.
        level: its violation and emission, g.
        whole: the same of the decision: those who stay local count too.
        steps: of SCA that led here.
        converged: the last of them changed little, or nothing.
    """

    offload: BoolArray
    point: Point
    level: Level
    whole: Level
    steps: int
    converged: bool


class Search:
    """The improved variant on one slot.

    Args:
        slot: (N,) columns of one replication.
        start: gives the local and server rates, if rates stay as they start.
        subproblem: joint with the server's rates unless these stay.
        rates: "best", or "initial": they stay as they start.
        iterations_max: convex programs of each set of offloaders.
        threshold: converged when a step lowers the level by no more than this, relative.
    """

    def __init__(
        self,
        slot: Slot,
        start: TaskDecision,
        subproblem: JointSubproblem,
        rates: Literal["best", "initial"],
        iterations_max: int,
        threshold: float,
    ) -> None:
        self._slot, self._subproblem, self._slowest = slot, subproblem, rates == "best"
        self._arrays = slot.arrays()
        self._iterations_max, self._threshold = iterations_max, threshold
        self._local_hz, self._edge_hz = start.local_cpu_hz, start.edge_cpu_hz
        if rates == "best":
            self._local_hz = _best_local_hz(slot.network, slot.tasks)
        self._points: dict[tuple[int, ...], _Found] = {}
        self._failed = 0
        self._history: list[float] = []

        nobody = np.zeros(slot.network.devices, dtype=np.bool_)
        alone = TaskDecision(np.zeros(len(nobody)), nobody, self._local_hz, self._edge_hz)
        outcome = slot.evaluate(alone)
        use = np.maximum(np.maximum(outcome.use.delay, outcome.use.energy), outcome.use.local_cpu)
        violation = np.where(use <= 1.0 + TOLERANCE, 0.0, use - 1.0)
        self._local: list[Level] = list(
            zip(violation.tolist(), outcome.emission_g.tolist(), strict=True)
        )
        self._order: list[int] = worst_alone_first(violation, outcome.emission_g).tolist()
        least_j = least_offloaded_j(self._arrays, self._edge_hz, self._slowest)
        self._bound_g: list[float] = (slot.carbon_g_per_j * least_j).tolist()

    def run(self) -> Result:
        """Bisection over the sets of offloaders; then the same for the devices below the worst case."""
        order = self._order
        while True:
            count, _ = crossing(
                0, len(order), lambda k: not self._is_below(order[:k], self._local[order[k]])
            )
            # Either these offload, or the last of them stays and sets the worst case.
            offloaders = order[:count]
            if count == 0 or self._is_below(offloaders, self._local[order[count - 1]]):
                break
            del order[count - 1]
        found = self._improve(offloaders, (0.0, 0.0))
        if found.whole > self._best.whole:
            found = self._best
        point = found.point
        status: Status = "converged" if found.converged else "iteration limit"
        decision = TaskDecision(point.power_w, found.offload, self._local_hz, point.edge_hz)
        if len(self._slot.network.efficiency.steps) > 0 and self._slowest:
            _, decision = on_steps(self._slot, decision)
        return result(self._slot, decision, self._failed, status, np.array(self._history))

    def _is_below(self, offloaders: list[int], level: Level) -> bool:
        """Whether a set of offloaders can stay below a level."""
        if offloaders and (0.0, max(self._bound_g[m] for m in offloaders)) >= level:
            return False
        return self._improve(offloaders, level).level < level

    def _improve(self, offloaders: list[int], enough: Level) -> _Found:
        """The best point of a set that SCA finds, or the first below the level `enough`."""
        key = tuple(sorted(offloaders))
        if key not in self._points:
            offload = np.zeros(len(self._local), dtype=np.bool_)
            offload[offloaders] = True
            point = start(self._arrays, offload, self._edge_hz, self._slowest)
            self._keep(key, self._found(offload, point, 0, False))
        found = self._points[key]
        while not (found.level < enough or found.converged or found.steps >= self._iterations_max):
            self._history.append(self._history[-1])
            found = self._step(found)
            self._keep(key, found)
        return found

    def _found(self, offload: BoolArray, point: Point, steps: int, converged: bool) -> _Found:
        level = point.violation, float(self._slot.carbon_g_per_j * point.emission_j)
        stay = [
            local for local, gone in zip(self._local, offload.tolist(), strict=True) if not gone
        ]
        violations, emissions = zip(level, *stay, strict=True)
        whole = max(violations), max(emissions)
        return _Found(offload, point, level, whole, steps, converged)

    def _keep(self, key: tuple[int, ...], found: _Found) -> None:
        """Remember the point, and whether it is the best so far."""
        self._points[key] = found
        if not self._history:
            self._history.append(np.inf)
            self._best = found
        if found.whole <= self._best.whole:
            self._best = found
            violation, emission_g = found.whole
            self._history[-1] = np.inf if violation > 0.0 else emission_g

    def _step(self, here: _Found) -> _Found:
        """One step of SCA: towards a feasible point, or from there towards less emission."""
        steps, infeasible = here.steps + 1, here.level[0] > 0.0
        step = self._subproblem.step(self._arrays, here.offload, here.point, relaxed=infeasible)
        if step is None:
            self._failed += 1
            return replace(here, steps=steps, converged=True)
        point = prolonged(self._arrays, here.offload, here.point.power_w, *step, self._slowest)
        found = self._found(here.offload, point, steps, False)
        if found.level >= here.level:
            return replace(here, steps=steps, converged=True)
        what = 0 if infeasible else 1
        little = found.level[what] > (1.0 - self._threshold) * here.level[what]
        return replace(found, converged=little)


def _best_local_hz(network: TaskNetwork, tasks: Tasks) -> FloatArray:
    """(N,) the slowest rate in time; where no rate holds all limits, the least violating."""
    slowest_hz = slowest_local_hz(network, tasks)
    # Deadline and f_min ask for more, f_max and E_max for less: where either two are missed alike.
    energy_coefficient = network.theta_device * tasks.cycles
    alike_hz = np.minimum(
        np.sqrt(slowest_hz * network.device_cpu_max_hz),
        cbrt_each(slowest_hz * network.energy_max_j / energy_coefficient),
    )
    return np.minimum(slowest_hz, alike_hz)
