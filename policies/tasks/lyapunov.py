"""Lyapunov drift-plus-penalty on C(10): paper A's Algorithm 1 carried over to the task problem.

C(10) holds every device to its energy budget in every slot. Here (10c) is a limit on the long run,
lim (1/T) sum_t E_m(t) <= E_max, as the budget of a battery or of a day is: a device may spend more on
a large task and make up for it later. A virtual queue remembers what each device has overdrawn,

    Z_m(t + 1) = max(Z_m(t) + E_m(t) - E_max, 0),    Z_m(0) = 0,

and if it is mean-rate stable, the limit holds. The penalty is the worst-case emission, C(10a). From
(1/2) sum Z_m(t + 1)^2 <= (1/2) sum [Z_m(t) + E_m(t) - E_max]^2 the drift plus V times the penalty is
at most a constant plus what is minimised in each slot:

    V max_m xi_m(t) + sum_m Z_m(t) E_m(t)    subject to (10b), (10d), (10e), (10f) in this slot.

Deadline, rate floor and the server's capacity stay limits of each slot: another slot does not make up
for a late task or a lost connection.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ...simulator.core.arrays import BoolArray, FloatArray, IntArray
from ...simulator.core.compiled import compiled
from ...simulator.core.elementary import exp2, log2, power
from ...simulator.core.randomness import Generators
from ...simulator.network.spectral_efficiency import carried, to_carry
from ...simulator.tasks.decision import TaskDecision
from ...simulator.tasks.network import CarbonAwareNetwork
from ...simulator.tasks.observation import TaskObservation
from ...simulator.tasks.outcome import TOLERANCE, local_energy_j
from ...simulator.tasks.powers import least_powers
from ...simulator.tasks.problem import WorstCaseEmission
from ..among_present import Rows, among_present
from ..base import Policy
from .c10.closed_form_rates import slowest_edge_hz, slowest_local_hz
from .c10.nested_sets import worst_alone_first
from .c10.slot import SlotArrays, observed


class LyapunovTasks(Policy):
    """Drift-plus-penalty with a virtual queue for each device's mean energy; emission as penalty.

    Paper A's Algorithm 1 decides by drift-plus-penalty, for the stream problem; this is its natural
    counterpart for paper C's C(10), which has none.

    For given offloading and airtimes, powers and rates are optimal: the least powers, and the slowest
    rates in time. Airtimes are found by moves along the axes, and who offloads by a local search,
    which is not exact: of the N + 1 nested sets, in the order of what a device costs if it stays
    local, the best; then one device more or fewer, as long as that helps. Where limits cannot be met,
    less violation comes first.

    Args:
        emission_weight: V, J^2/g. The larger it is, the less is emitted, and the longer it takes
            until the mean energy is within its budget.

    Attributes:
        overdrawn_j: (R, N) Z_m. They are the twin's: what the policy expects its devices to spend.

    Raises:
        ValueError: a weight that is not positive.
    """

    remembers = ("overdrawn_j",)

    def __init__(self, emission_weight: float = 1e5) -> None:
        if not emission_weight > 0.0:
            raise ValueError(f"emission_weight = {emission_weight}; allowed: positive")
        self._emission_weight = emission_weight

    def reset(
        self, network: CarbonAwareNetwork, problem: WorstCaseEmission, rngs: Generators
    ) -> None:
        """Keep the network's limits; nothing is overdrawn."""
        self._network = network
        self.overdrawn_j = np.zeros((len(rngs), network.devices))

    def decide(self, observation: TaskObservation) -> TaskDecision:
        """Minimise the slot's drift-plus-penalty, then let the virtual queues follow.

        That of a device that is absent waits.
        """
        return among_present(self._network, observation, self._decide)

    def _decide(
        self, network: CarbonAwareNetwork, observation: TaskObservation, rows: Rows
    ) -> TaskDecision:
        tasks, overdrawn_j = observation.tasks, self.overdrawn_j[rows]
        slots = observed(network, observation)
        slowest_hz = slowest_local_hz(network, tasks)
        local_hz = np.minimum(slowest_hz, network.device_cpu_max_hz)
        local_j = local_energy_j(network, tasks, local_hz)
        local_excess = np.maximum(slowest_hz / network.device_cpu_max_hz - 1.0, 0.0)
        price_per_j = self._emission_weight * observation.carbon_g_per_j
        order = worst_alone_first(local_excess, local_j * (price_per_j + overdrawn_j))
        offload = np.zeros(tasks.bits.shape, dtype=np.bool_)
        power_w = np.zeros(tasks.bits.shape)
        for r in range(len(offload)):
            problem = _Problem(
                slot=slots.rows(r).arrays(),
                local_j=local_j[r],
                local_excess=local_excess[r],
                order=order[r],
                overdrawn_j=overdrawn_j[r],
                emission_price=float(price_per_j[r, 0]),
            )
            offload[r], power_w[r] = _search(problem)
        decision = TaskDecision(
            power_w=power_w,
            offload=offload,
            local_cpu_hz=np.where(offload, 0.0, local_hz),
            edge_cpu_hz=np.zeros(offload.shape),
        )
        outcome = slots.evaluate(decision)
        overdrawn_j = np.maximum(overdrawn_j + outcome.energy_j - network.energy_max_j, 0.0)
        self.overdrawn_j = self.overdrawn_j.copy()
        self.overdrawn_j[rows] = overdrawn_j
        edge_hz = np.where(offload, slowest_edge_hz(tasks, outcome.transmission_s), 0.0)
        edge_hz = np.minimum(edge_hz, network.server_cpu_hz)
        asked_hz = edge_hz.sum(axis=1, keepdims=True)
        return replace(
            decision,
            edge_cpu_hz=edge_hz
            * np.minimum(1.0, network.server_cpu_hz / np.maximum(asked_hz, 1.0)),
        )


class _Problem(NamedTuple):
    """One replication's drift-plus-penalty in one slot.

    Attributes:
        slot: tasks, gains and limits.
        local_j: (N,) energy of a device that stays local.
        local_excess: (N,) by how much its CPU is too slow for that, relative.
        order: (N,) devices in the order in which they begin to offload.
        overdrawn_j: (N,) Z_m.
        emission_price: V eta C_IE, J of Z_m E_m per J that the worst device emits for.
    """

    slot: SlotArrays
    local_j: FloatArray
    local_excess: FloatArray
    order: IntArray
    overdrawn_j: FloatArray
    emission_price: float


_SHARES = np.array([0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
"""Of the deadline, for transmission: where the search for airtimes starts."""

_COARSE = np.array([[8.0, 1.5, 1.1], [64.0, 1.2, 1.02]])
"""Exponents of the norms that stand for the maximum, first and last factors of airtimes: to compare
sets of offloaders, and for the best of them."""

_FINE = np.array([[256.0, 1.05, 1.005]])


@compiled
def _powers(slot: SlotArrays, offload: BoolArray, airtime_s: FloatArray) -> FloatArray:
    """(N,) the least powers that send within the airtimes and keep up the rate floor."""
    devices = len(offload)
    target = np.zeros(devices)
    for m in range(devices):
        rate = slot.floor_bps[m]
        if offload[m]:
            rate = max(slot.rate_min_bps, slot.bits[m] / airtime_s[m])
        efficiency = to_carry(slot.efficiency, rate / slot.bandwidth_hz)
        target[m] = (exp2(min(efficiency, 512.0)) - 1.0) / slot.gain[m]
    power_w = np.empty(devices)
    least_powers(target, slot.cross_gain, slot.noise_w, slot.power_max_w, power_w)
    return power_w


@compiled
def _price(
    problem: _Problem, offload: BoolArray, airtime_s: FloatArray, sharpness: float
) -> tuple[float, float]:
    """The violation of the slot's limits, zero if they hold, and the drift-plus-penalty, J^2.

    The worst case is the norm of that exponent over devices, or, at infinity, the maximum. Airtimes
    are replaced by those that come about: with P_max, some may be longer than asked for.
    """
    slot = problem.slot
    power_w = _powers(slot, offload, airtime_s)
    devices = len(offload)
    violation, drift, asked_hz, worst_j = 0.0, 0.0, 0.0, 0.0
    emitting_j = np.zeros(devices)
    for m in range(devices):
        device_j, server_j = problem.local_j[m], 0.0
        if not offload[m]:
            violation = max(violation, problem.local_excess[m])
        if offload[m] or slot.floor_bps[m] > 0.0:
            heard_w = slot.noise_w
            for n in range(devices):
                heard_w += slot.cross_gain[m, n] * power_w[n]
            efficiency = log2(1.0 + power_w[m] * slot.gain[m] / heard_w)
            rate = slot.bandwidth_hz * carried(slot.efficiency, efficiency)
            rate = max(rate, 1e-300)
            violation = max(violation, slot.rate_min_bps / rate - 1.0)
            if offload[m]:
                sending_s = slot.bits[m] / rate
                airtime_s[m] = max(airtime_s[m], sending_s)
                fastest_s = slot.cycles[m] / slot.server_cpu_hz
                left_s = max(slot.deadline_s[m] - sending_s, fastest_s)
                violation = max(violation, (sending_s + left_s) / slot.deadline_s[m] - 1.0)
                edge_hz = slot.cycles[m] / left_s
                asked_hz += edge_hz
                device_j = power_w[m] * sending_s
                server_j = slot.theta_server * slot.cycles[m] * edge_hz**2
        emitting_j[m] = device_j + server_j
        worst_j = max(worst_j, emitting_j[m])
        drift += problem.overdrawn_j[m] * device_j
    violation = max(violation, asked_hz / slot.server_cpu_hz - 1.0)
    if violation <= TOLERANCE:
        violation = 0.0
    if sharpness < np.inf and worst_j > 0.0:
        norm = 0.0
        for m in range(devices):
            norm += power(emitting_j[m] / worst_j, sharpness)
        worst_j *= power(norm, 1.0 / sharpness)
    return violation, problem.emission_price * worst_j + drift


@compiled
def _better(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Less violation, or as little at a lower price; not by rounding alone."""
    if one[0] != other[0]:
        return one[0] < other[0] * (1.0 - TOLERANCE)
    return one[1] < other[1] * (1.0 - TOLERANCE)


@compiled
def _shift_airtimes(
    problem: _Problem, offload: BoolArray, airtime_s: FloatArray, steps: FloatArray
) -> tuple[float, float]:
    """Lengthen and shorten airtimes, in place, by ever smaller factors: all at once, then singly.

    Within the limits the price is convex in the logarithms of the airtimes, and smooth where the
    maximum is replaced by a norm: then moves along the axes do not get stuck.

    Returns:
        The price with the maximum itself.
    """
    devices = len(offload)
    for k in range(len(steps)):
        sharpness, step, last_step = steps[k]
        best = _price(problem, offload, airtime_s, sharpness)
        while step > last_step:
            improved = False
            for move in range(2 * (devices + 1)):
                m = move // 2 - 1
                if m >= 0 and not offload[m]:
                    continue
                factor = step if move % 2 == 0 else 1.0 / step
                changed_s = airtime_s.copy()
                for n in range(devices):
                    if m in (-1, n):
                        changed_s[n] *= factor
                changed = _price(problem, offload, changed_s, sharpness)
                if _better(changed, best):
                    best, improved = changed, True
                    airtime_s[:] = changed_s
            if not improved:
                step = np.sqrt(step)
    return _price(problem, offload, airtime_s, np.inf)


@compiled
def _search(problem: _Problem) -> tuple[BoolArray, FloatArray]:
    """(N,) who offloads, and the powers."""
    offload, airtime_s, best = _best_nested_set(problem)
    improved = True
    while improved:
        improved = False
        for m in range(len(offload)):
            offload[m] = not offload[m]
            changed_s, changed = _coarse_airtimes(problem, offload)
            if _better(changed, best):
                airtime_s, best, improved = changed_s, changed, True
            else:
                offload[m] = not offload[m]
    _shift_airtimes(problem, offload, airtime_s, _FINE)
    return offload, _powers(problem.slot, offload, airtime_s)


@compiled
def _best_nested_set(problem: _Problem) -> tuple[BoolArray, FloatArray, tuple[float, float]]:
    """One device after another offloads, in order, until that does not help any more.

    Returns:
        (N,) who offloads, (N,) airtimes, and their price.
    """
    offload = np.zeros(len(problem.order), np.bool_)
    best_s, best = _coarse_airtimes(problem, offload)
    best_count = 0
    for count, device in enumerate(problem.order, 1):
        offload[device] = True
        airtime_s, price = _coarse_airtimes(problem, offload)
        if _better(price, best):
            best_s, best, best_count = airtime_s, price, count
        elif count - best_count == 2:
            break
    offload[problem.order[best_count:]] = False
    return offload, best_s, best


@compiled
def _coarse_airtimes(
    problem: _Problem, offload: BoolArray
) -> tuple[FloatArray, tuple[float, float]]:
    """(N,) airtimes and their price: from the best one share of the deadline for everybody."""
    best, best_s = (np.inf, np.inf), problem.slot.deadline_s * _SHARES[0]
    for share in _SHARES:
        airtime_s = problem.slot.deadline_s * share
        price = _price(problem, offload, airtime_s, _COARSE[0, 0])
        if _better(price, best):
            best, best_s = price, airtime_s
    return best_s, _shift_airtimes(problem, offload, best_s, _COARSE)
