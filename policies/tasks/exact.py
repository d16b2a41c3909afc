"""The global optimum of C(10), with a proof.

Offloading is binary, and yet nothing has to be searched. Let l_m be the least emission of device m if
it stays local, C(9) at the slowest rate in time; it depends on nobody else. For any emission level,
whoever can stay local within it should: take a decision within the level in which such a device
offloads, and let it execute its task itself, with its power reduced until it only keeps up its rate
floor (which it kept as an offloader too). Everybody else hears less interference, so with unchanged
powers sends faster, spends less, and the server has more left; no limit is broken and no other
emission grows. So some optimum lets the devices with the largest l_m offload, k of them for some k,
and N + 1 sets remain instead of 2^N. For each the best powers and rates are a convex program
(`c10_convex`). Its optimum grows with k while the worst l_m of the others falls, so bisection on k
finds where they cross.

The same argument, with "can stay local if all limits are relaxed by a factor 1 + s" in place of the
emission level, gives the least violation s of an instance that has no feasible decision.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np

from ...scenarios.units import Seconds
from ...simulator.core.arrays import BoolArray, FloatArray, IntArray
from ...simulator.core.randomness import Generators
from ...simulator.tasks.channel import MrcChannel, rates_bps
from ...simulator.tasks.decision import TaskDecision
from ...simulator.tasks.network import CarbonAwareNetwork, Tasks
from ...simulator.tasks.observation import TaskObservation
from ...simulator.tasks.outcome import TOLERANCE, evaluate
from ...simulator.tasks.problem import WorstCaseEmission
from ..base import Policy
from .c10 import barrier as c10_convex
from .c10.barrier import GAP
from .c10.closed_form_rates import slowest_edge_hz, slowest_local_hz
from .replications import instances, together

MAX_DEVICES = 32
"""Above this many devices an instance is refused, unless there is a time limit."""

EXTRA_VIOLATION = 1e-6
"""Of an instance without a feasible decision, all limits are relaxed by this more than they must."""


@dataclass(frozen=True)
class Solution:
    """An optimum and its certificate.

    Attributes:
        decision: (N,) columns. CPU rates are zero where they mean nothing.
        worst_emission_g: its worst emission, C(10a).
        lower_bound_g: proven: no decision within the limits emits less. Where the instance has no
            feasible decision, the limits are those relaxed by the decision's violation.
        feasible: the decision holds all limits, up to `TOLERANCE`.
        violation: the least s such that limits relaxed by a factor 1 + s can be met, at most
            `EXTRA_VIOLATION` above the least possible; zero where feasible.
    """

    decision: TaskDecision
    worst_emission_g: float
    lower_bound_g: float
    feasible: bool
    violation: float

    @property
    def gap(self) -> float:
        """(worst_emission_g - lower_bound_g) / worst_emission_g."""
        if self.worst_emission_g == 0.0:
            return 0.0
        return 1.0 - self.lower_bound_g / self.worst_emission_g


class SizeError(ValueError):
    """An instance with more devices than `MAX_DEVICES`."""


Expired = Callable[[], bool]
"""Whether the time for one decision is over."""


def solve(
    network: CarbonAwareNetwork,
    tasks: Tasks,
    channel: MrcChannel,
    carbon_g_per_j: float,
    time_limit_s: float | None = None,
) -> Solution:
    """The decision with the least worst-case emission, or with the least violation.

    Args:
        network: capacities and limits; at most `MAX_DEVICES` devices, unless time is limited.
        tasks: (N,) columns of one instance.
        channel: (N,) and (N, N) gains of one instance.
        carbon_g_per_j: eta C_IE of C(9).
        time_limit_s: after so much time no further set is examined; the best decision so far and the
            bound proven so far are the answer. Least violations are found whatever it takes.

    Raises:
        SizeError: more than `MAX_DEVICES` devices, and no limit.
    """
    if time_limit_s is None and network.devices > MAX_DEVICES:
        raise SizeError(
            f"{network.devices} devices; the exact optimum is computed for at most {MAX_DEVICES}, "
            "use sca for larger networks, or set time_limit to get the best decision and the bound "
            "that are found within it"
        )
    end = np.inf if time_limit_s is None else perf_counter() + time_limit_s

    def expired() -> bool:
        return perf_counter() >= end

    # Within half the tolerance, so that limits that can just be met leave the barrier some room.
    relaxation = 1.0 + 0.5 * TOLERANCE
    best = _least_emission(*_relaxed(network, tasks, relaxation), channel, expired)
    if best.point is None:
        relaxation = _least_relaxation(network, tasks, channel) * (1.0 + EXTRA_VIOLATION)
        best = _least_emission(*_relaxed(network, tasks, relaxation), channel, expired)
    decision = _decision(*_relaxed(network, tasks, relaxation), channel, best)
    outcome = evaluate(network, tasks, channel, carbon_g_per_j, decision)
    return Solution(
        decision=decision,
        worst_emission_g=float(outcome.worst_emission_g),
        lower_bound_g=carbon_g_per_j * best.bound,
        feasible=bool(outcome.use.feasible),
        violation=float(outcome.use.violation),
    )


@dataclass(frozen=True)
class _Best:
    """The best set of offloaders.

    Attributes:
        offload: (N,).
        value: what is minimised: emission in joules, or relaxation.
        bound: proven lower bound of the value.
        point: (w, s, …) of `c10_convex`; None where limits cannot be met.
    """

    offload: BoolArray
    value: float
    bound: float
    point: FloatArray | None


def _relaxed(
    network: CarbonAwareNetwork, tasks: Tasks, factor: float
) -> tuple[CarbonAwareNetwork, Tasks]:
    """All limits (10b) to (10e) relaxed by the same factor."""
    return replace(
        network,
        energy_max_j=network.energy_max_j * factor,
        rate_min_bps=network.rate_min_bps / factor,
        server_cpu_hz=network.server_cpu_hz * factor,
    ), replace(tasks, deadline_s=tasks.deadline_s * factor)


def _least_emission(
    network: CarbonAwareNetwork, tasks: Tasks, channel: MrcChannel, expired: Expired
) -> _Best:
    """The least worst-case emission, in joules, that these limits allow."""
    local_hz = slowest_local_hz(network, tasks)
    local_j = network.theta_device * tasks.cycles * local_hz**2
    can_stay = (local_hz <= network.device_cpu_max_hz) & (local_j <= network.energy_max_j)

    def program(offload: BoolArray) -> _Best:
        instance = _instance(network, tasks, channel, offload)
        inside, relaxation, bound = c10_convex.least_relaxation(instance)
        if relaxation > -GAP:
            return _Best(offload, np.inf, np.inf if bound > 0.0 else 0.0, None)
        if not offload.any():
            return _Best(offload, 0.0, 0.0, inside)
        point, value, bound = c10_convex.least_emission(instance, inside)
        return _Best(offload, float(np.exp(value)), float(np.exp(bound)), point)

    return _best_set(np.where(can_stay, local_j, np.inf), program, expired)


def _least_relaxation(network: CarbonAwareNetwork, tasks: Tasks, channel: MrcChannel) -> float:
    """The least factor by which all limits must be relaxed so that they can be met."""
    # A device on its own: C / (D x) <= f_max, and theta C max(f_min, C / (D x))^2 <= E_max x.
    needed_hz = tasks.cycles / tasks.deadline_s
    joule = network.theta_device * tasks.cycles / network.energy_max_j
    local = np.maximum(
        needed_hz / network.device_cpu_max_hz,
        np.maximum(np.cbrt(joule * needed_hz**2), joule * network.device_cpu_min_hz**2),
    )

    def program(offload: BoolArray) -> _Best:
        instance = _instance(network, tasks, channel, offload)
        point, value, bound = c10_convex.least_relaxation(instance)
        return _Best(offload, float(np.exp(value)), float(np.exp(bound)), point)

    return _best_set(local, program, lambda: False).value


def _best_set(local: FloatArray, program: Callable[[BoolArray], _Best], expired: Expired) -> _Best:
    """The k devices that offload, by bisection on k.

    Args:
        local: (N,) what each device costs if it stays local; infinite where it cannot, and zero
            where it has nothing to do.
        program: what a set of offloaders costs at best; grows with the set.
        expired: ends the bisection before it is done.
    """
    order = np.argsort(-local, kind="stable")
    # Of the k-th set, the cost of those that stay; falls with k.
    stay = np.append(local[order], 0.0)
    answers: dict[int, _Best] = {}

    def answer(k: int) -> _Best:
        if k not in answers:
            offload = np.zeros(len(local), dtype=np.bool_)
            offload[order[:k]] = True
            answers[k] = program(offload)
        return answers[k]

    least = int((local == np.inf).sum())
    low, high = least, int((local > 0.0).sum())
    while low < high:
        if expired():
            answer(least)  # if any set is feasible, so is this one
            return _best_so_far(answers, stay, least, low, high)
        middle = (low + high) // 2
        if answer(middle).value >= stay[middle]:
            high = middle
        else:
            low = middle + 1
    crossing = answer(low)
    if low == least:
        return crossing
    # One fewer would be set by its worst device that stays, which bounds all smaller sets from below.
    worst_stay = float(stay[low - 1])
    bound = min(crossing.bound, worst_stay)
    if worst_stay <= crossing.value:
        within = answer(int((local > worst_stay).sum()))
        return replace(within, value=worst_stay, bound=bound)
    return replace(crossing, bound=bound)


def _best_so_far(
    answers: dict[int, _Best], stay: FloatArray, least: int, low: int, high: int
) -> _Best:
    """The best of the sets examined, while the crossing lies at some k from `low` to `high`."""
    costs = {k: max(one.value, float(stay[k])) for k, one in answers.items()}
    best = min(costs, key=lambda k: (costs[k], k))
    # Sets below `low` are set by who stays; from there on, what fewer offloaders cost is a bound.
    fewer = [one.bound for k, one in answers.items() if k < low]
    bound = max([float(stay[high]), *fewer])
    if low > least:
        bound = min(bound, float(stay[low - 1]))
    return replace(answers[best], value=costs[best], bound=min(bound, costs[best]))


def _transmitters(network: CarbonAwareNetwork, offload: BoolArray) -> IntArray:
    """Who transmits: the offloaders first, then those that only keep up their rate floor."""
    sending = np.flatnonzero(offload)
    if network.rate_floor == "offloading" or network.rate_min_bps == 0.0:
        return sending
    return np.concatenate([sending, np.flatnonzero(~offload)])


def _instance(
    network: CarbonAwareNetwork, tasks: Tasks, channel: MrcChannel, offload: BoolArray
) -> c10_convex.Instance:
    """The constants of the convex program for a set of offloaders."""
    on = _transmitters(network, offload)
    sending = on[: int(offload.sum())]
    gain = channel.gain[on]
    nats = np.log(2.0) / network.bandwidth_hz
    deadline_s, bits = tasks.deadline_s[sending], tasks.bits[sending]
    slowest_s = bits / network.rate_min_bps if network.rate_min_bps > 0.0 else np.inf
    return c10_convex.Instance(
        cross=channel.interference_gain[np.ix_(on, on)] / gain,
        power_max=np.log(network.device_power_max_w[on] * gain / network.noise_w),
        joule=np.log(network.noise_w / channel.gain[sending]),
        size=bits * nats,
        airtime_max=np.log(np.minimum(slowest_s, deadline_s)),
        deadline_s=deadline_s,
        cycles=tasks.cycles[sending],
        theta_server=network.theta_server,
        server_cpu_hz=network.server_cpu_hz,
        energy_max=float(np.log(network.energy_max_j)),
        floor=network.rate_min_bps * nats,
    )


def _decision(
    network: CarbonAwareNetwork, tasks: Tasks, channel: MrcChannel, best: _Best
) -> TaskDecision:
    """Powers and rates from a point of the convex program."""
    assert best.point is not None
    instance = _instance(network, tasks, channel, best.offload)
    on = _transmitters(network, best.offload)
    offloaders = int(best.offload.sum())
    log_rate = np.full(len(on), instance.floor)
    log_rate[:offloaders] = instance.size * np.exp(-best.point[len(on) : len(on) + offloaders])
    # The least powers that give these rates: every SINR just as high as it must be.
    sinr = np.expm1(log_rate)
    received = np.linalg.solve(np.eye(len(on)) - sinr[:, None] * instance.cross, sinr)
    power_w = np.zeros(network.devices)
    power_w[on] = received * network.noise_w / channel.gain[on]
    rate = rates_bps(network, channel, power_w)
    transmission_s = tasks.bits / np.where(best.offload, rate, np.inf)
    return TaskDecision(
        power_w=power_w,
        offload=best.offload,
        local_cpu_hz=np.where(best.offload, 0.0, slowest_local_hz(network, tasks)),
        edge_cpu_hz=np.where(best.offload, slowest_edge_hz(tasks, transmission_s), 0.0),
    )


@dataclass
class Exact(Policy):
    """The global optimum of C(10) in every slot, with its certificate in the trace.

    It is the optimum of what the twin shows, and so are `lower_bound_mg` and `optimality_gap`.
    Refused with a `SizeError` for more than `MAX_DEVICES` devices, unless there is a time limit.

    Attributes:
        time_limit: for one decision; then the best so far is taken, with the bound proven so far.
            What a decision reaches in it depends on the machine, so a run does not repeat exactly.

    Raises:
        ValueError: the limit is not positive.
    """

    time_limit: Seconds | None = None

    def __post_init__(self) -> None:
        if self.time_limit is not None and self.time_limit <= 0.0:
            raise ValueError(f"time_limit = {self.time_limit} s; allowed: more than 0 s")

    def reset(
        self, network: CarbonAwareNetwork, problem: WorstCaseEmission, rngs: Generators
    ) -> None:
        """Keep the network's limits."""
        self._network = network

    def decide(self, observation: TaskObservation) -> TaskDecision:
        """One replication after another."""
        solutions = [
            solve(self._network, tasks, channel, carbon, self.time_limit)
            for tasks, channel, carbon in instances(observation)
        ]
        return together(
            [solution.decision for solution in solutions],
            {
                "lower_bound_mg": np.array([one.lower_bound_g for one in solutions]) * 1e3,
                "optimality_gap": np.array([one.gap for one in solutions]),
            },
        )
