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
from ....simulator.core.elementary import LN_2, cbrt_each, expm1_each, log2_each, power_each
from ....simulator.network.spectral_efficiency import to_carry_each
from ....simulator.tasks.decision import TaskDecision
from ....simulator.tasks.network import CarbonAwareNetwork, Tasks
from ....simulator.tasks.outcome import TOLERANCE
from ....simulator.tasks.powers import fixed_point_w
from ..c10.closed_form_rates import slowest_edge_hz, slowest_local_hz
from ..c10.nested_sets import crossing, worst_alone_first
from ..c10.slot import Slot
from ..c10.steps import on_steps, trimmed_w
from .joint_subproblem import JointSubproblem
from .result import Result, Status, result

Level = tuple[float, float]
"""Violation, and emission in g: smaller is better, in this order."""

_AIRTIME_SHARES = np.append(np.geomspace(0.02, 0.9, 12), 1.0 - 1e-6)
"""A start gives every offloader the same share of its time for transmission: one of these."""

_BOUND_STEPS = 48


@dataclass(frozen=True)
class _Point:
    """A decision for a set of offloaders, and what it costs.

    Attributes:
        decision: (N,) columns.
        level: worst over the limits of radio and server, and over the emissions of offloaders.
        steps: of SCA that led here.
        converged: the last of them changed little, or nothing.
    """

    decision: TaskDecision
    level: Level
    steps: int = 0
    converged: bool = False


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
        self._slot, self._subproblem, self._rates = slot, subproblem, rates
        self._iterations_max, self._threshold = iterations_max, threshold
        self._local_hz, self._edge_hz = start.local_cpu_hz, start.edge_cpu_hz
        if rates == "best":
            self._local_hz = _best_local_hz(slot.network, slot.tasks)
        self._points: dict[tuple[int, ...], _Point] = {}
        self._failed = 0
        self._history: list[float] = []

        nobody = np.zeros(slot.network.devices, dtype=np.bool_)
        alone = TaskDecision(np.zeros(len(nobody)), nobody, self._local_hz, self._edge_hz)
        outcome = slot.evaluate(alone)
        use = np.maximum(np.maximum(outcome.use.delay, outcome.use.energy), outcome.use.local_cpu)
        violation, emission_g = _excess(use), outcome.emission_g
        self._local: list[Level] = list(zip(violation.tolist(), emission_g.tolist(), strict=True))
        self._order: list[int] = worst_alone_first(violation, emission_g).tolist()
        self._bound_g = self._least_offloaded_g()

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
        point = self._improve(offloaders, (0.0, 0.0))
        if self._whole(point) > self._whole(self._best):
            point = self._best
        status: Status = "converged" if point.converged else "iteration limit"
        decision = point.decision
        if len(self._slot.network.efficiency.steps) > 0 and self._rates == "best":
            _, decision = on_steps(self._slot, decision)
        return result(self._slot, decision, self._failed, status, np.array(self._history))

    def _is_below(self, offloaders: list[int], level: Level) -> bool:
        """Whether a set of offloaders can stay below a level."""
        if offloaders and (0.0, float(self._bound_g[offloaders].max())) >= level:
            return False
        return self._improve(offloaders, level).level < level

    def _improve(self, offloaders: list[int], enough: Level) -> _Point:
        """The best point of a set that SCA finds, or the first below the level `enough`."""
        key = tuple(sorted(offloaders))
        if key not in self._points:
            self._keep(key, self._start(offloaders))
        point = self._points[key]
        while not (point.level < enough or point.converged or point.steps >= self._iterations_max):
            self._history.append(self._history[-1])
            point = self._step(point)
            self._keep(key, point)
        return point

    def _keep(self, key: tuple[int, ...], point: _Point) -> None:
        """Remember the point, and whether it is the best so far."""
        self._points[key] = point
        if not self._history:
            self._history.append(np.inf)
            self._best = point
        if self._whole(point) <= self._whole(self._best):
            self._best = point
            violation, emission_g = self._whole(point)
            self._history[-1] = np.inf if violation > 0.0 else emission_g

    def _whole(self, point: _Point) -> Level:
        """The level of the decision: those who stay local count too."""
        stay = [self._local[m] for m in np.flatnonzero(~point.decision.offload)]
        violations, emissions = zip(point.level, *stay, strict=True)
        return max(violations), max(emissions)

    def _start(self, offloaders: list[int]) -> _Point:
        """The best point at which transmissions take equal shares of the time that there is."""
        network, tasks, channel = self._slot.network, self._slot.tasks, self._slot.channel
        offload = np.zeros(network.devices, dtype=np.bool_)
        offload[offloaders] = True
        time_s = tasks.deadline_s
        if self._rates == "initial":
            time_s = np.maximum(time_s - tasks.cycles / self._edge_hz, 0.1 * time_s)
        floor_bps = network.rate_min_bps if network.rate_floor == "all" else 0.0
        rate_bps = np.where(
            offload,
            np.maximum(tasks.bits / (_AIRTIME_SHARES[:, None] * time_s), network.rate_min_bps),
            floor_bps,
        )
        if not network.efficiency.is_shannon:
            wanted = rate_bps / network.bandwidth_hz
            rate_bps = network.bandwidth_hz * to_carry_each(network.efficiency, wanted)
        needed = expm1_each(LN_2 * rate_bps / network.bandwidth_hz) / channel.gain
        power_w = fixed_point_w(needed, channel.interference_gain, network.noise_w)
        exists = (power_w >= 0.0).all(axis=-1, keepdims=True)
        full_w = np.where(needed > 0.0, network.device_power_max_w, 0.0)
        power_w = np.where(exists, np.minimum(power_w, full_w), full_w)
        return self._pick(offload, power_w, self._server_rates(offload, power_w))

    def _step(self, point: _Point) -> _Point:
        """One step of SCA: towards a feasible point, or from there towards less emission."""
        here, infeasible = point.decision, point.level[0] > 0.0
        program = self._subproblem
        step = (program.least_violation if infeasible else program.least_emission)(self._slot, here)
        if step is None:
            self._failed += 1
            return replace(point, steps=point.steps + 1, converged=True)
        # Steps are short where (12) and (17) bend more than what they bound; longer ones are tried.
        ratio = step.power_w / np.where(here.power_w > 0.0, here.power_w, 1.0)
        longer_w = here.power_w * power_each(ratio, np.array([[1.0], [1.0], [2.0], [4.0]]))
        power_w = np.minimum(longer_w, self._slot.network.device_power_max_w)
        power_w = trimmed_w(self._slot, power_w)
        edge_hz = self._server_rates(here.offload, power_w)
        edge_hz[0] = step.edge_cpu_hz
        found = self._pick(here.offload, power_w, edge_hz)
        if found.level >= point.level:
            return replace(point, steps=point.steps + 1, converged=True)
        what = 0 if infeasible else 1
        little = found.level[what] > (1.0 - self._threshold) * point.level[what]
        return replace(found, steps=point.steps + 1, converged=little)

    def _server_rates(self, offload: BoolArray, power_w: FloatArray) -> FloatArray:
        """(…, N) the slowest in time, unless rates stay as they start."""
        if self._rates == "initial":
            return np.broadcast_to(self._edge_hz, power_w.shape).copy()
        rate_bps = np.where(offload, self._slot.rates_bps(power_w), np.inf)
        rate_bps = np.maximum(rate_bps, 1e-200)  # zero below the first step of what links carry
        edge_hz = slowest_edge_hz(self._slot.tasks, self._slot.tasks.bits / rate_bps)
        return np.minimum(edge_hz, self._slot.network.server_cpu_hz)

    def _pick(self, offload: BoolArray, power_w: FloatArray, edge_hz: FloatArray) -> _Point:
        """The best of several points, (K, N)."""
        local_hz = np.broadcast_to(self._local_hz, power_w.shape)
        outcome = self._slot.evaluate(TaskDecision(power_w, offload, local_hz, edge_hz))
        use = np.where(offload, outcome.use.worst, np.maximum(outcome.use.rate, outcome.use.power))
        violation = _excess(use.max(axis=-1))
        emission_g = np.where(offload, outcome.emission_g, 0.0).max(axis=-1)
        best = np.lexsort((emission_g, violation))[0]
        level = float(violation[best]), float(emission_g[best])
        decision = TaskDecision(power_w[best], offload, self._local_hz, edge_hz[best])
        return _Point(decision, level)

    def _least_offloaded_g(self) -> FloatArray:
        """(N,) what each device emits at least if it offloads: as if it were alone.

        The radio's energy falls with the airtime and the server's grows. Between two airtimes, there
        is no less than the radio's at the longer and the server's at the shorter.
        """
        network, tasks, channel = self._slot.network, self._slot.tasks, self._slot.channel
        gain = channel.gain / network.noise_w
        most = np.minimum(
            log2_each(1.0 + network.device_power_max_w * gain), network.efficiency.cap
        )
        most_bps = network.bandwidth_hz * most
        longest_s = tasks.deadline_s
        if network.rate_min_bps > 0.0:
            longest_s = np.minimum(longest_s, tasks.bits / network.rate_min_bps)
        shortest_s = np.minimum(tasks.bits / most_bps, longest_s)
        steps = np.linspace(0.0, 1.0, _BOUND_STEPS)[:, None]
        airtime_s = shortest_s * power_each(longest_s / shortest_s, steps)
        sinr = expm1_each(LN_2 * tasks.bits / (network.bandwidth_hz * airtime_s))
        radio_j = sinr / gain * airtime_s
        edge_hz = self._edge_hz
        if self._rates == "best":
            edge_hz = np.minimum(slowest_edge_hz(tasks, airtime_s), network.server_cpu_hz)[:-1]
        server_j = network.theta_server * tasks.cycles * edge_hz**2
        bound_g: FloatArray = self._slot.carbon_g_per_j * (radio_j[1:] + server_j).min(axis=0)
        return bound_g


def _best_local_hz(network: CarbonAwareNetwork, tasks: Tasks) -> FloatArray:
    """(N,) the slowest rate in time; where no rate holds all limits, the least violating."""
    slowest_hz = slowest_local_hz(network, tasks)
    # Deadline and f_min ask for more, f_max and E_max for less: where either two are missed alike.
    energy_coefficient = network.theta_device * tasks.cycles
    alike_hz = np.minimum(
        np.sqrt(slowest_hz * network.device_cpu_max_hz),
        cbrt_each(slowest_hz * network.energy_max_j / energy_coefficient),
    )
    return np.minimum(slowest_hz, alike_hz)


def _excess(use: FloatArray) -> FloatArray:
    """How far beyond its limit; zero where it holds."""
    excess: FloatArray = np.where(use <= 1.0 + TOLERANCE, 0.0, use - 1.0)
    return excess
