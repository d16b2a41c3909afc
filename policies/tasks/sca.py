"""SCA: paper C's Algorithm 1, as printed and as it should be (section III).

Algorithm 1 takes turns over three subproblems (`sca_subproblems`): powers (19), rates (20), offloading
(21). Taking turns gets stuck, for two reasons, and `variant = "improved"` removes both:

- Rates and powers share the deadline (15). While the rates stand still the radio cannot use more
  time, and while the radio stands still the rates cannot fall. (15) is convex in both together, so
  they become one subproblem. For given offloading C(10) is convex in log p, log D^tx and log f^0:
  that subproblem, repeated, ends in the optimum of its set of offloaders, wherever it starts.
- (21) judges an alternative at rates that nobody chose for it. At its own best rates, what a device
  emits if it stays local is a number that depends on nobody else. Whoever can stay within a given
  level should: the others hear less interference and share the server with fewer. So the best sets
  hold the devices that are worst off alone, and which of these N + 1 sets is found by bisection.

The worst case leaves open what happens below it. A local device that sets it is put aside and the
same is asked of the others, until the worst of them is an offloader.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ...scenarios.units import Hertz, Watts
from ...simulator.core.arrays import BoolArray, FloatArray
from ...simulator.core.randomness import Generators
from ...simulator.tasks.channel import MrcChannel
from ...simulator.tasks.decision import TaskDecision
from ...simulator.tasks.network import CarbonAwareNetwork, Tasks
from ...simulator.tasks.observation import TaskObservation
from ...simulator.tasks.outcome import TOLERANCE, TaskOutcome
from ...simulator.tasks.problem import WorstCaseEmission
from ..base import Policy
from ..solver_cache import SolverCache
from .c10.closed_form_rates import slowest_edge_hz, slowest_local_hz
from .replications import instances, together
from .sca_subproblems import Instance, OffloadingSubproblem, PowerSubproblem, RateSubproblem

Status = Literal["converged", "iteration limit", "infeasible"]

Level = tuple[float, float]
"""Violation, and emission in g: smaller is better, in this order."""

_TIE_WEIGHT = 1e-4
"""Of the mean emission of offloaders, beside the worst."""

_AIRTIME_SHARES = np.append(np.geomspace(0.02, 0.9, 12), 1.0 - 1e-6)
"""A start gives every offloader the same share of its time for transmission: one of these."""

_BOUND_STEPS = 48


@dataclass(frozen=True)
class Result:
    """What SCA answers.

    Attributes:
        decision: (N,) columns; rates are zero where they mean nothing.
        worst_emission_g: C(10a).
        feasible: all limits hold, up to `TOLERANCE`.
        iterations: of Algorithm 1; for "improved", convex programs solved.
        failed_solves: subproblems without an answer; the last point was kept.
        status: "infeasible" if the decision is; else whether it converged.
        history: (1 + iterations,) worst emission in g at the start and after each iteration: of the
            iterate as it is ("paper"), or of the best decision so far, infinite before one is
            feasible ("improved").
    """

    decision: TaskDecision
    worst_emission_g: float
    feasible: bool
    iterations: int
    failed_solves: int
    status: Status
    history: FloatArray


@dataclass
class Sca(Policy):
    """SCA: successive convex approximation of C(10) in powers, rates and offloading.

    With `rates = "initial"` it is the scheme that Fig. 6 calls "non-optimal computing rate".

    Attributes:
        variant: "improved", or "paper": Algorithm 1 to the letter, its weaknesses included.
        rates: "best", or "initial": they stay as they start.
        iterations_max: I_max; for "improved", of each set of offloaders.
        threshold: converged when the worst emission changes by no more than this, relative.
        power_min: P_min, all powers at the start of "paper"; the paper does not state it.
        local_cpu: the rate at which all devices start. By default, as printed, the least speed of
            their CPUs, at which "paper" gets nowhere if that is too late for a local device. With `rates = "initial"`, where that would miss most deadlines, it is
            (E_max / (theta_m D_max))^(1/3): at this rate a device executes every task, in time and
            within its energy, that it can execute at any rate (the least over devices).
        edge_cpu: the server's rate for each device at the start; by default, as printed, F_max / N.
    """

    variant: Literal["improved", "paper"] = "improved"
    rates: Literal["best", "initial"] = "best"
    iterations_max: int = 30
    threshold: float = 1e-3
    power_min: Watts = 1e-2
    local_cpu: Hertz | None = None
    edge_cpu: Hertz | None = None

    def __post_init__(self) -> None:
        self._built: SolverCache[int, _Subproblems] = SolverCache()

    def reset(
        self, network: CarbonAwareNetwork, problem: WorstCaseEmission, rngs: Generators
    ) -> None:
        """Keep the network's limits."""
        self._network = network

    def decide(self, observation: TaskObservation) -> TaskDecision:
        """One replication after another; `iterations` and `failed_solves` go into the trace."""
        results = [
            self.solve(self._network, _something_to_do(tasks), channel, carbon)
            for tasks, channel, carbon in instances(observation)
        ]
        return together(
            [result.decision for result in results],
            {
                "iterations": np.array([float(result.iterations) for result in results]),
                "failed_solves": np.array([float(result.failed_solves) for result in results]),
            },
        )

    def solve(
        self,
        network: CarbonAwareNetwork,
        tasks: Tasks,
        channel: MrcChannel,
        carbon_g_per_j: FloatArray | float,
    ) -> Result:
        """A decision for one instance; "improved": of least violation where none is feasible.

        Args:
            network: capacities and limits.
            tasks: (N,) columns, all positive.
            channel: (N,) and (N, N) gains.
            carbon_g_per_j: eta C_IE, a number or (N,).
        """
        instance = Instance(network, tasks, channel, carbon_g_per_j)
        if network.devices not in self._built:
            self._built[network.devices] = _Subproblems(self, network.devices)
        subproblems = self._built[network.devices]
        start = self._printed_start(network, tasks)
        if self.variant == "paper":
            return _algorithm_1(instance, start, self, subproblems)
        if self.rates == "best":
            start = replace(start, local_cpu_hz=_own_local_hz(network, tasks))
        return _Search(instance, start, self, subproblems.power).run()

    def _printed_start(self, network: CarbonAwareNetwork, tasks: Tasks) -> TaskDecision:
        """P = P_min, f = F_min, f^0 = F_max / M, and the first half offloads."""
        devices = network.devices
        local_hz = network.device_cpu_min_hz
        if self.local_cpu is not None:
            local_hz = np.full(devices, self.local_cpu)
        elif self.rates == "initial":
            versatile_hz = np.cbrt(network.energy_max_j / (network.theta_device * tasks.deadline_s))
            local_hz = np.clip(
                versatile_hz.min(), network.device_cpu_min_hz, network.device_cpu_max_hz
            )
        edge_hz = network.server_cpu_hz / devices if self.edge_cpu is None else self.edge_cpu
        return TaskDecision(
            power_w=np.minimum(self.power_min, network.device_power_max_w),
            offload=np.arange(devices) < devices // 2,
            local_cpu_hz=local_hz,
            edge_cpu_hz=np.full(devices, edge_hz),
        )


class _Subproblems:
    """Those that a variant needs, for one number of devices."""

    def __init__(self, keys: Sca, devices: int) -> None:
        if keys.variant == "paper":
            self.power = PowerSubproblem(devices)
            self.rates = RateSubproblem(devices)
            self.offloading = OffloadingSubproblem(devices)
        else:
            self.power = PowerSubproblem(
                devices, joint=keys.rates == "best", scaled=True, tie_weight=_TIE_WEIGHT
            )


def _algorithm_1(
    instance: Instance, start: TaskDecision, keys: Sca, subproblems: _Subproblems
) -> Result:
    """Algorithm 1 as printed, from any start.

    A subproblem that is not solved, as when the start breaks limits, leaves its variables alone.
    The objective of (19) holds the server's emissions as (11a) has them: they are given, but the
    line below (19), which drops them, would minimise the worst of something else.
    """
    point, failed = start, 0
    status: Status = "iteration limit"
    outcome = instance.evaluate(point)
    history = [float(outcome.worst_emission_g)]

    def accept(found: TaskDecision | None) -> None:
        nonlocal point, outcome, failed
        new = None if found is None else instance.evaluate(found)
        if found is None or new is None or (outcome.use.feasible and not new.use.feasible):
            failed += 1
        else:
            point, outcome = found, new

    while len(history) <= keys.iterations_max:
        step = subproblems.power.least_emission(instance, point, everybody=True)
        accept(None if step is None else replace(point, power_w=step.power_w))
        if keys.rates == "best":
            accept(subproblems.rates.solve(instance, point))
        offload = subproblems.offloading.solve(instance, point)
        accept(None if offload is None else replace(point, offload=offload))
        history.append(float(outcome.worst_emission_g))
        if abs(history[-2] - history[-1]) <= keys.threshold * history[-2]:
            status = "converged"
            break
    return _result(instance, point, failed, status, history)


@dataclass(frozen=True)
class _Point:
    """Powers and server rates for a set of offloaders, and what they cost.

    Attributes:
        offload: (N,).
        power_w: (N,).
        edge_cpu_hz: (N,).
        level: worst over the limits of radio and server, and over the emissions of offloaders.
        steps: of SCA that led here.
        converged: the last of them changed little, or nothing.
    """

    offload: BoolArray
    power_w: FloatArray
    edge_cpu_hz: FloatArray
    level: Level
    steps: int = 0
    converged: bool = False


class _Search:
    """The improved variant on one instance.

    Args:
        instance: what is given.
        start: its local rates are those of who stays local; its server rates are the server's, if
            rates stay as they start.
        keys: of the policy.
        power: the subproblem, joint with the server's rates unless these stay.
    """

    def __init__(
        self, instance: Instance, start: TaskDecision, keys: Sca, power: PowerSubproblem
    ) -> None:
        self._instance, self._keys, self._power = instance, keys, power
        self._local_hz, self._edge_hz = start.local_cpu_hz, start.edge_cpu_hz
        self._points: dict[tuple[int, ...], _Point] = {}
        self._failed = 0
        self._history: list[float] = []

        nobody = np.zeros(instance.network.devices, dtype=np.bool_)
        outcome = instance.evaluate(replace(start, power_w=np.zeros(len(nobody)), offload=nobody))
        use = np.maximum(np.maximum(outcome.use.delay, outcome.use.energy), outcome.use.local_cpu)
        self._local: list[Level] = list(
            zip(_excess(use).tolist(), outcome.emission_g.tolist(), strict=True)
        )
        self._bound_g = self._least_offloaded_g()

    def run(self) -> Result:
        """Bisection over the sets of offloaders; then the same for who is below the worst case."""
        # The worst off alone first.
        order = sorted(range(len(self._local)), key=lambda m: self._local[m], reverse=True)
        while True:
            low, high = 0, len(order)
            while low < high:
                middle = (low + high) // 2
                if self._is_below(order[:middle], self._local[order[middle]]):
                    low = middle + 1
                else:
                    high = middle
            # Either these offload, or the last of them stays and sets the worst case.
            offloaders = order[:low]
            if low == 0 or self._is_below(offloaders, self._local[order[low - 1]]):
                break
            del order[low - 1]
        point = self._improve(offloaders, (0.0, 0.0))
        if self._whole(point) > self._whole(self._best):
            point = self._best
        decision = TaskDecision(point.power_w, point.offload, self._local_hz, point.edge_cpu_hz)
        status: Status = "converged" if point.converged else "iteration limit"
        return _result(self._instance, decision, self._failed, status, self._history)

    def _is_below(self, offloaders: list[int], level: Level) -> bool:
        """Whether a set of offloaders gets by with less than a level."""
        if offloaders and (0.0, float(self._bound_g[offloaders].max())) >= level:
            return False
        return self._improve(offloaders, level).level < level

    def _improve(self, offloaders: list[int], enough: Level) -> _Point:
        """The best powers of a set that SCA finds, or the first that need less than `enough`."""
        key = tuple(sorted(offloaders))
        if key not in self._points:
            self._keep(key, self._start(offloaders))
        point = self._points[key]
        while not (
            point.level < enough or point.converged or point.steps >= self._keys.iterations_max
        ):
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
        stay = [self._local[m] for m in np.flatnonzero(~point.offload)]
        violations, emissions = zip(point.level, *stay, strict=True)
        return max(violations), max(emissions)

    def _start(self, offloaders: list[int]) -> _Point:
        """The best point at which transmissions take equal shares of the time that there is."""
        instance = self._instance
        network, tasks, channel = instance.network, instance.tasks, instance.channel
        offload = np.zeros(network.devices, dtype=np.bool_)
        offload[offloaders] = True
        time_s = tasks.deadline_s
        if self._keys.rates == "initial":
            time_s = np.maximum(time_s - tasks.cycles / self._edge_hz, 0.1 * time_s)
        floor_bps = network.rate_min_bps if network.rate_floor == "all" else 0.0
        rate_bps = np.where(
            offload,
            np.maximum(tasks.bits / (_AIRTIME_SHARES[:, None] * time_s), network.rate_min_bps),
            floor_bps,
        )
        # The least powers that give these rates: p ||h||^2 = s (I + N_0) with s the SINR needed.
        needed = np.expm1(np.log(2.0) * rate_bps / network.bandwidth_hz) / channel.gain
        coupling = np.eye(network.devices) - needed[..., None] * channel.interference_gain
        power_w = np.linalg.solve(coupling, (needed * network.noise_w)[..., None])[..., 0]
        exists = (power_w >= 0.0).all(axis=-1, keepdims=True)
        full_w = np.where(needed > 0.0, network.device_power_max_w, 0.0)
        power_w = np.where(exists, np.minimum(power_w, full_w), full_w)
        return self._pick(offload, power_w, self._server_rates(offload, power_w))

    def _step(self, point: _Point) -> _Point:
        """One step of SCA: towards a feasible point, or from there towards less emission."""
        instance = self._instance
        decision = TaskDecision(point.power_w, point.offload, self._local_hz, point.edge_cpu_hz)
        if point.level[0] > 0.0:
            step = self._power.least_violation(instance, decision)
        else:
            step = self._power.least_emission(instance, decision, everybody=False)
        if step is None:
            self._failed += 1
            return replace(point, steps=point.steps + 1, converged=True)
        # Steps are short where (12) and (17) bend more than what they bound; longer ones are tried.
        ratio = step.power_w / np.where(point.power_w > 0.0, point.power_w, 1.0)
        power_w = np.minimum(
            point.power_w * ratio ** np.array([[1.0], [1.0], [2.0], [4.0]]),
            instance.network.device_power_max_w,
        )
        edge_hz = self._server_rates(point.offload, power_w)
        edge_hz[0] = step.edge_cpu_hz
        found = self._pick(point.offload, power_w, edge_hz)
        if found.level >= point.level:
            return replace(point, steps=point.steps + 1, converged=True)
        what = 0 if point.level[0] > 0.0 else 1
        little = found.level[what] > (1.0 - self._keys.threshold) * point.level[what]
        return replace(found, steps=point.steps + 1, converged=little)

    def _server_rates(self, offload: BoolArray, power_w: FloatArray) -> FloatArray:
        """(…, N) the slowest in time, unless rates stay as they start."""
        if self._keys.rates == "initial":
            return np.broadcast_to(self._edge_hz, power_w.shape).copy()
        rate_bps = np.where(offload, self._instance.rates_bps(power_w), np.inf)
        edge_hz = slowest_edge_hz(self._instance.tasks, self._instance.tasks.bits / rate_bps)
        return np.minimum(edge_hz, self._instance.network.server_cpu_hz)

    def _pick(self, offload: BoolArray, power_w: FloatArray, edge_hz: FloatArray) -> _Point:
        """The best of several points, (K, N)."""
        local_hz = np.broadcast_to(self._local_hz, power_w.shape)
        outcome = self._instance.evaluate(TaskDecision(power_w, offload, local_hz, edge_hz))
        use = np.where(offload, outcome.use.worst, np.maximum(outcome.use.rate, outcome.use.power))
        violation = _excess(use.max(axis=-1))
        emission_g = np.where(offload, outcome.emission_g, 0.0).max(axis=-1)
        best = np.lexsort((emission_g, violation))[0]
        level = float(violation[best]), float(emission_g[best])
        return _Point(offload, power_w[best], edge_hz[best], level)

    def _least_offloaded_g(self) -> FloatArray:
        """(N,) what each device emits at least if it offloads: as if it were alone.

        The radio's energy falls with the airtime and the server's grows. Between two airtimes, there
        is no less than the radio's at the longer and the server's at the shorter.
        """
        instance = self._instance
        network, tasks, channel = instance.network, instance.tasks, instance.channel
        gain = channel.gain / network.noise_w
        most_bps = network.bandwidth_hz * np.log2(1.0 + network.device_power_max_w * gain)
        longest_s = tasks.deadline_s
        if network.rate_min_bps > 0.0:
            longest_s = np.minimum(longest_s, tasks.bits / network.rate_min_bps)
        shortest_s = np.minimum(tasks.bits / most_bps, longest_s)
        steps = np.linspace(0.0, 1.0, _BOUND_STEPS)[:, None]
        airtime_s = shortest_s * (longest_s / shortest_s) ** steps
        sinr = np.expm1(np.log(2.0) * tasks.bits / (network.bandwidth_hz * airtime_s))
        radio_j = sinr / gain * airtime_s
        edge_hz = self._edge_hz
        if self._keys.rates == "best":
            edge_hz = np.minimum(slowest_edge_hz(tasks, airtime_s), network.server_cpu_hz)[:-1]
        server_j = network.theta_server * tasks.cycles * edge_hz**2
        bound_g: FloatArray = instance.carbon_g_per_j * (radio_j[1:] + server_j).min(axis=0)
        return bound_g


def _something_to_do(tasks: Tasks) -> Tasks:
    """A bit and a cycle for devices of which no task has been reported yet."""
    return replace(tasks, bits=np.maximum(tasks.bits, 1.0), cycles=np.maximum(tasks.cycles, 1.0))


def _own_local_hz(network: CarbonAwareNetwork, tasks: Tasks) -> FloatArray:
    """(N,) the slowest rate in time; where no rate holds all limits, the least violating."""
    slowest_hz = slowest_local_hz(network, tasks)
    # Deadline and f_min ask for more, f_max and E_max for less: where either two are missed alike.
    joule = network.theta_device * tasks.cycles
    alike_hz = np.minimum(
        np.sqrt(slowest_hz * network.device_cpu_max_hz),
        np.cbrt(slowest_hz * network.energy_max_j / joule),
    )
    return np.minimum(slowest_hz, alike_hz)


def _excess(use: FloatArray) -> FloatArray:
    """How far beyond its limit; zero where it holds."""
    excess: FloatArray = np.where(use <= 1.0 + TOLERANCE, 0.0, use - 1.0)
    return excess


def _result(
    instance: Instance, point: TaskDecision, failed: int, status: Status, history: list[float]
) -> Result:
    """The decision as it is carried out: no rates, and no power, where they mean nothing."""
    offload, power_w = point.offload, point.power_w
    if instance.network.rate_floor == "offloading":
        power_w = np.where(offload, power_w, 0.0)
    decision = TaskDecision(
        power_w=power_w,
        offload=offload,
        local_cpu_hz=np.where(offload, 0.0, point.local_cpu_hz),
        edge_cpu_hz=np.where(offload, point.edge_cpu_hz, 0.0),
    )
    outcome: TaskOutcome = instance.evaluate(decision)
    feasible = bool(outcome.use.feasible)
    return Result(
        decision=decision,
        worst_emission_g=float(outcome.worst_emission_g),
        feasible=feasible,
        iterations=len(history) - 1,
        failed_solves=failed,
        status=status if feasible else "infeasible",
        history=np.array(history),
    )
