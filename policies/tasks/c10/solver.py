"""The global optimum of C(10), with a proof.

Offloading is binary, and yet nothing has to be searched. Let l_m be the least emission of device m if
it stays local, C(9) at the slowest rate in time; it depends on nobody else. For any emission level,
whoever can stay local within it should: take a decision within the level in which such a device
offloads, and let it execute its task itself, with its power reduced until it only keeps up its rate
floor (which it kept as an offloader too). Everybody else hears less interference, so with unchanged
powers sends faster, spends less, and the server has more left; no limit is broken and no other
emission grows. So some optimum lets the devices with the largest l_m offload, k of them for some k,
and N + 1 sets remain instead of 2^N. For each the best powers and rates are a convex program
(`program`, solved by `barrier`). Its optimum grows with k while the worst l_m of the others falls, so
bisection on k finds where they cross.

The same argument, with "can stay local if limits are relaxed by a factor 1 + s" in place of the emission
level, gives the least violation s of an instance that has no feasible decision. Relaxed is what a decision
can miss: D_max, E_max, R_min and f_min, not P_max, f_max and F_max, to which it is scaled down.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np

from ....simulator.core.arrays import BoolArray, FloatArray
from ....simulator.core.elementary import cbrt_each, exp
from ....simulator.tasks.decision import TaskDecision
from ....simulator.tasks.network import TaskNetwork
from ....simulator.tasks.outcome import TOLERANCE, local_energy_j
from .barrier import GAP, least_emission, least_relaxation
from .closed_form_rates import slowest_local_hz
from .nested_sets import crossing, worst_alone_first
from .program import decision_at, program_of
from .slot import Slot
from .steps import on_steps

MAX_DEVICES = 32
"""Above this many devices an instance is refused, unless there is a time limit."""

_SETS_BESIDE = 2
"""So many more and fewer offloaders than without steps are tried with them."""

EXTRA_VIOLATION = 1e-6
"""Of an instance without a feasible decision, limits are relaxed by this more than they must."""


@dataclass(frozen=True)
class Solution:
    """An optimum and its certificate.

    Attributes:
        decision: (N,) columns. CPU rates are zero where they have no effect.
        worst_emission_g: its worst emission, C(10a).
        lower_bound_g: proven: no decision within the limits emits less. Where the instance has no
            feasible decision, the limits are those relaxed by the decision's violation.
        feasible: the decision holds all limits, up to `TOLERANCE`.
        violation: the least s such that limits relaxed by a factor 1 + s can be met, at most
            `EXTRA_VIOLATION` above the least possible; zero where feasible. Where links carry steps
            alone it is that of the decision, which is searched and may not be the least.
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


def solve(slot: Slot, time_limit_s: float | None = None) -> Solution:
    """The decision with the least worst-case emission, or with the least violation.

    Where links carry steps of efficiency alone it is the best that is found around the optimum without
    steps, and that optimum is the bound.

    Args:
        slot: (N,) columns of one replication, and a number for the carbon intensity; at most
            `MAX_DEVICES` devices, unless time is limited.
        time_limit_s: after so much time no further set is examined; the best decision so far and the
            bound proven so far are the answer. Least violations are found whatever it takes.

    Raises:
        SizeError: more than `MAX_DEVICES` devices, and no limit.
    """
    devices = slot.network.devices
    if time_limit_s is None and devices > MAX_DEVICES:
        raise SizeError(
            f"{devices} devices; the exact optimum is computed for at most {MAX_DEVICES}, "
            "use sca for larger networks, or set time_limit to get the best decision and the bound "
            "that are found within it"
        )
    end = np.inf if time_limit_s is None else perf_counter() + time_limit_s

    def expired() -> bool:
        return perf_counter() >= end

    # Within half the tolerance, so that limits that can just be met leave the barrier some room.
    room = 1.0 + 0.5 * TOLERANCE
    network = replace(slot.network, server_cpu_hz=slot.network.server_cpu_hz * room)
    # A link by the cap alone carries no less than one by steps: what is proven of it holds.
    network = replace(network, efficiency=network.efficiency.without_steps())
    roomy = replace(slot, network=network)
    relaxed = roomy.relaxed(room)
    best = _least_emission(relaxed, expired)
    if best.point is None:
        relaxed = roomy.relaxed(_least_relaxation(roomy) * (1.0 + EXTRA_VIOLATION))
        best = _least_emission(relaxed, expired)
    assert best.point is not None
    decision = decision_at(relaxed, best.offload, best.point)
    stepped = len(slot.network.efficiency.steps) > 0
    if stepped:
        decision = _on_steps(slot, relaxed, best, expired)
    outcome = slot.evaluate(decision)
    if stepped and not outcome.use.feasible:
        # By steps more is violated, and limits that are relaxed by that much allow less emission.
        factor = (1.0 + float(outcome.use.violation)) * room
        best = _least_emission(roomy.relaxed(factor), expired)
    return Solution(
        decision=decision,
        worst_emission_g=float(outcome.worst_emission_g),
        lower_bound_g=float(slot.carbon_g_per_j * best.bound),
        feasible=bool(outcome.use.feasible),
        violation=float(outcome.use.violation),
    )


def _on_steps(slot: Slot, relaxed: Slot, best: "_Best", expired: Expired) -> TaskDecision:
    """The best decision by steps that is found, of this set of offloaders or of sets like it.

    That some optimum is one of the nested sets holds with steps, too: who hears less is carried no less.

    Args:
        slot: with steps.
        relaxed: without them, with limits that can be met.
        best: its optimum.
        expired: ends the search.
    """
    assert best.point is not None
    order = worst_alone_first(_local_j(relaxed))
    count = int(best.offload.sum())
    found = [on_steps(slot, decision_at(relaxed, best.offload, best.point))]
    for k in range(max(count - _SETS_BESIDE, 0), min(count + _SETS_BESIDE, len(order)) + 1):
        if k == count or expired():
            continue
        offload = np.zeros(len(order), dtype=np.bool_)
        offload[order[:k]] = True
        one = _least_emission_of(relaxed, offload)
        if one.point is not None:
            found.append(on_steps(slot, decision_at(relaxed, offload, one.point)))
    return min(found, key=lambda one: one[0])[1]


@dataclass(frozen=True)
class _Best:
    """The best set of offloaders.

    Attributes:
        offload: (N,).
        value: what is minimised: emission in joules, or relaxation.
        bound: proven lower bound of the value.
        point: (M + K + 1,) of the convex `program`; None where limits cannot be met.
    """

    offload: BoolArray
    value: float
    bound: float
    point: FloatArray | None


def _least_emission(slot: Slot, expired: Expired) -> _Best:
    """The least worst-case emission, in joules, within the slot's limits."""
    return _best_set(_local_j(slot), lambda offload: _least_emission_of(slot, offload), expired)


def _local_j(slot: Slot) -> FloatArray:
    """(N,) joules of each device if it stays local; infinite where it cannot."""
    network, tasks = slot.network, slot.tasks
    local_hz = slowest_local_hz(network, tasks)
    local_j = local_energy_j(network, tasks, local_hz)
    can_stay = (local_hz <= network.device_cpu_max_hz) & (local_j <= network.energy_max_j)
    return np.where(can_stay, local_j, np.inf)


def _least_emission_of(slot: Slot, offload: BoolArray) -> _Best:
    """The least worst-case emission of a set of offloaders, in joules."""
    if _floor_over_cap(slot.network) > 1.0:
        return _Best(offload, np.inf, np.inf, None)
    program = program_of(slot, offload)
    inside, relaxation, bound = least_relaxation(program)
    if relaxation > -GAP:
        return _Best(offload, np.inf, np.inf if bound > 0.0 else 0.0, None)
    if not offload.any():
        return _Best(offload, 0.0, 0.0, inside)
    point, value, bound = least_emission(program, inside)
    return _Best(offload, exp(value), exp(bound), point)


def _floor_over_cap(network: TaskNetwork) -> float:
    """The rate floor of all devices over the greatest rate; offloaders' airtimes have both anyway."""
    if network.rate_floor == "offloading":
        return 0.0
    return network.rate_min_bps / (network.bandwidth_hz * network.efficiency.cap)


def _least_relaxation(slot: Slot) -> float:
    """The least factor by which limits must be relaxed so that they can be met."""
    network, tasks = slot.network, slot.tasks
    # A device on its own: C / (D x) <= f_max, and theta C (max(f_min, C / D) / x)^2 <= E_max x.
    energy_j = local_energy_j(network, tasks, slowest_local_hz(network, tasks))
    needed_hz = tasks.cycles / tasks.deadline_s
    local = np.maximum(
        needed_hz / network.device_cpu_max_hz, cbrt_each(energy_j / network.energy_max_j)
    )

    carried = _floor_over_cap(network)

    def best_of(offload: BoolArray) -> _Best:
        point, value, bound = least_relaxation(program_of(slot, offload))
        return _Best(offload, max(exp(value), carried), max(exp(bound), carried), point)

    return _best_set(local, best_of, lambda: False).value


def _best_set(local: FloatArray, best_of: Callable[[BoolArray], _Best], expired: Expired) -> _Best:
    """The best of the nested sets, by bisection.

    Args:
        local: (N,) what each device costs if it stays local; infinite where it cannot, and zero
            where it has nothing to do.
        best_of: what a set of offloaders, (N,), costs at best; grows with the set.
        expired: ends the bisection before it is done.
    """
    order = worst_alone_first(local)
    # Of the k-th set, the cost of those that stay; falls with k.
    stay = np.append(local[order], 0.0)
    answers: dict[int, _Best] = {}

    def answer(k: int) -> _Best:
        if k not in answers:
            offload = np.zeros(len(local), dtype=np.bool_)
            offload[order[:k]] = True
            answers[k] = best_of(offload)
        return answers[k]

    least = int((local == np.inf).sum())
    low, high = crossing(
        least, int((local > 0.0).sum()), lambda k: bool(answer(k).value >= stay[k]), expired
    )
    if low < high:
        answer(least)  # if any set is feasible, so is this one
        return _best_so_far(answers, stay, least, low, high)
    at_crossing = answer(low)
    if low == least:
        return at_crossing
    # One fewer would be set by its worst device that stays, which bounds all smaller sets from below.
    worst_stay = float(stay[low - 1])
    bound = min(at_crossing.bound, worst_stay)
    if worst_stay <= at_crossing.value:
        within = answer(int((local > worst_stay).sum()))
        return replace(within, value=worst_stay, bound=bound)
    return replace(at_crossing, bound=bound)


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
