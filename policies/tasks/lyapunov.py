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
from ...simulator.core.assignment import copy_vector
from ...simulator.core.compiled import compiled
from ...simulator.core.elementary import exp2, log2, power
from ...simulator.core.randomness import Generators
from ...simulator.network.spectral_efficiency import carried, to_carry
from ...simulator.tasks.decision import TaskDecision
from ...simulator.tasks.network import TaskNetwork
from ...simulator.tasks.observation import TaskObservation
from ...simulator.tasks.outcome import TOLERANCE, local_energy_j
from ...simulator.tasks.powers import solve_powers
from ...simulator.tasks.problem import WorstCaseEmission
from ..among_present import Rows, among_present
from ..base import Policy
from .c10.closed_form_rates import slowest_edge_hz, slowest_local_hz
from .c10.nested_sets import worst_alone_first
from .c10.points import least_offloaded_j
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

    def reset(self, network: TaskNetwork, problem: WorstCaseEmission, rngs: Generators) -> None:
        """Keep the network's limits; nothing is overdrawn."""
        self._network = network
        self.overdrawn_j = np.zeros((len(rngs), network.devices))

    def decide(self, observation: TaskObservation) -> TaskDecision:
        """Minimise the slot's drift-plus-penalty, then let the virtual queues follow.

        That of a device that is absent waits.
        """
        return among_present(self._network, observation, self._decide)

    def _decide(
        self, network: TaskNetwork, observation: TaskObservation, rows: Rows
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

_ROUNDS = 30
"""Most rounds of moves by one factor. A few do, but beyond P_max some gain next to nothing without end."""

_FINE = np.array([[256.0, 1.05, 1.005]])


class _Offloaders(NamedTuple):
    """A set of K offloaders in the presence of the others, whose powers and emissions follow.

    The L others that transmit keep up their floor, so their powers are linear in those of the offloaders,
    who hear them as more noise and more of each other: what is left is an instance of K devices.

    Attributes:
        who: (K,) device numbers, ascending.
        gain: (K,) as in `SlotArrays`, so that the noise can stay N_0.
        cross_gain: (K, K) likewise; what a device hears of itself comes back through the others.
        power_max_w: (K,) P_max.
        echo: (L, K) powers of the others per W of the offloaders.
        floor_w: (L,) their powers if nobody offloads.
        others_max_w: (L,) their P_max.
        excess: of those who stay local, the largest.
        worst_j: their largest energy.
        staying_j: (N - K,) their energies.
        drift: sum of Z_m E_m over them.
        short: by how much the others miss their floor, relative, as what links carry is capped.
        settled: False where even the others have no powers within limits, and nothing above is known.
    """

    who: IntArray
    gain: FloatArray
    cross_gain: FloatArray
    power_max_w: FloatArray
    echo: FloatArray
    floor_w: FloatArray
    others_max_w: FloatArray
    excess: float
    worst_j: float
    staying_j: FloatArray
    drift: float
    short: float
    settled: bool


@compiled
def _offloaders(problem: _Problem, offload: BoolArray) -> _Offloaders:
    """The set of those who offload, (N,)."""
    slot = problem.slot
    who = np.flatnonzero(offload)
    others = np.flatnonzero(~offload & (slot.floor_bps > 0.0))
    excess, worst_j, drift = 0.0, 0.0, 0.0
    for m in range(len(offload)):
        if not offload[m]:
            excess = max(excess, problem.local_excess[m])
            worst_j = max(worst_j, problem.local_j[m])
            drift += problem.overdrawn_j[m] * problem.local_j[m]
    short = 0.0
    # (I - G T) p = G (N_0 + T p_K) of the others, by columns: for N_0, and for each offloader's W.
    count = len(others)
    matrix, answer = np.zeros((count, count)), np.zeros((count, len(who) + 1))
    for i in range(count):
        m = others[i]
        efficiency = to_carry(slot.efficiency, slot.floor_bps[m] / slot.bandwidth_hz)
        reached = slot.bandwidth_hz * carried(slot.efficiency, efficiency)
        short = max(short, slot.rate_min_bps / max(reached, 1e-300) - 1.0)
        target = (exp2(min(efficiency, 512.0)) - 1.0) / slot.gain[m]
        for j in range(count):
            matrix[i, j] = -target * slot.cross_gain[m, others[j]]
        matrix[i, i] += 1.0
        answer[i, 0] = target * slot.noise_w
        for j in range(len(who)):
            answer[i, j + 1] = target * slot.cross_gain[m, who[j]]
    settled = _eliminate_rows(matrix, answer)
    gain, cross_gain = np.zeros(len(who)), np.zeros((len(who), len(who)))
    for i in range(len(who)):
        noise_w = slot.noise_w
        for j in range(count):
            noise_w += slot.cross_gain[who[i], others[j]] * answer[j, 0]
        share = slot.noise_w / noise_w
        gain[i] = slot.gain[who[i]] * share
        for j in range(len(who)):
            heard = slot.cross_gain[who[i], who[j]]
            for k in range(count):
                heard += slot.cross_gain[who[i], others[k]] * answer[k, j + 1]
            cross_gain[i, j] = heard * share
    return _Offloaders(
        who,
        gain,
        cross_gain,
        slot.power_max_w[who],
        answer[:, 1:].copy(),
        answer[:, 0].copy(),
        slot.power_max_w[others],
        excess,
        worst_j,
        problem.local_j[~offload],
        drift,
        short,
        settled,
    )


@compiled
def _eliminate_rows(matrix: FloatArray, answer: FloatArray) -> bool:
    """Turn the (n, k) right sides into solutions; False if a pivot is not positive."""
    size = len(matrix)
    for i in range(size):
        if matrix[i, i] <= 0.0:
            return False
        for j in range(i + 1, size):
            factor = matrix[j, i] / matrix[i, i]
            if factor != 0.0:
                for k in range(i + 1, size):
                    matrix[j, k] -= factor * matrix[i, k]
                for k in range(answer.shape[1]):
                    answer[j, k] -= factor * answer[i, k]
    for i in range(size - 1, -1, -1):
        for k in range(answer.shape[1]):
            for j in range(i + 1, size):
                answer[i, k] -= matrix[i, j] * answer[j, k]
            answer[i, k] /= matrix[i, i]
    return True


@compiled
def _powers(slot: SlotArrays, who: IntArray, airtime_s: FloatArray) -> FloatArray:
    """(N,) the least powers that send within the (K,) airtimes and keep up the rate floor, cut at P_max.

    Cut, the powers at which every SINR is as high as it must be are a fixed point as well, and the only one
    (Yates, 1995). From P_max for all, those who need less are set free, and the linear system of who is free
    is solved, until nobody else is: powers only fall, so nobody has to be caught again.
    """
    devices = len(slot.gain)
    target, power_w = np.zeros(devices), slot.power_max_w.copy()
    rate_bps = slot.floor_bps.copy()
    for k in range(len(who)):
        m = who[k]
        rate_bps[m] = max(slot.rate_min_bps, slot.bits[m] / airtime_s[k])
    for m in range(devices):
        efficiency = to_carry(slot.efficiency, rate_bps[m] / slot.bandwidth_hz)
        target[m] = (exp2(min(efficiency, 512.0)) - 1.0) / slot.gain[m]
    free = np.zeros(devices, np.bool_)
    grown = True
    while grown:
        grown = False
        for m in range(devices):
            if not free[m]:
                heard_w = slot.noise_w
                for n in range(devices):
                    heard_w += slot.cross_gain[m, n] * power_w[n]
                if target[m] * heard_w < slot.power_max_w[m]:
                    free[m] = grown = True
        if grown:
            _settle(slot, target, np.flatnonzero(free), np.flatnonzero(~free), power_w)
    for m in range(devices):
        # A rate that is short by rounding alone must not break C(10d).
        power_w[m] = min(power_w[m] * (1.0 + 1e-12), slot.power_max_w[m])
    return power_w


@compiled
def _settle(
    slot: SlotArrays, target: FloatArray, free: IntArray, cut: IntArray, power_w: FloatArray
) -> None:
    """Give those who are free the powers that they need; the others have P_max."""
    size = len(free)
    matrix, answer = np.zeros((size, size)), np.zeros((size, 1))
    for i in range(size):
        m = free[i]
        heard_w = slot.noise_w
        for n in cut:
            heard_w += slot.cross_gain[m, n] * power_w[n]
        answer[i, 0] = target[m] * heard_w
        for j in range(size):
            matrix[i, j] = -target[m] * slot.cross_gain[m, free[j]]
        matrix[i, i] += 1.0
    if _eliminate_rows(matrix, answer):  # else by rounding only
        for i in range(size):
            power_w[free[i]] = min(answer[i, 0], slot.power_max_w[free[i]])


@compiled
def _radio(
    slot: SlotArrays, group: _Offloaders, airtime_s: FloatArray, power_w: FloatArray
) -> tuple[float, FloatArray]:
    """The offloaders' rates, (K,) bit/s, with powers that send within the airtimes, into `power_w`.

    Returns:
        The violation of rate floors by those who do not offload, and the rates.
    """
    count = len(group.who)
    rate_bps = np.zeros(count)
    for k in range(count):
        m = group.who[k]
        rate = max(slot.rate_min_bps, slot.bits[m] / airtime_s[k])
        efficiency = to_carry(slot.efficiency, rate / slot.bandwidth_hz)
        rate_bps[k] = (exp2(min(efficiency, 512.0)) - 1.0) / group.gain[k]
    held = group.settled
    held = held and solve_powers(
        rate_bps, group.cross_gain, slot.noise_w, group.power_max_w, power_w
    )
    for i in range(len(group.floor_w)):
        other_w = group.floor_w[i]
        for k in range(count):
            other_w += group.echo[i, k] * power_w[k]
        held = held and other_w <= group.others_max_w[i]
    if not held:
        return _radio_at_limits(slot, group, airtime_s, power_w)
    for k in range(count):
        # As in `least_powers`.
        power_w[k] = min(power_w[k] * (1.0 + 1e-12), group.power_max_w[k])
    for k in range(count):
        heard_w = slot.noise_w
        for n in range(count):
            heard_w += group.cross_gain[k, n] * power_w[n]
        efficiency = log2(1.0 + power_w[k] * group.gain[k] / heard_w)
        rate_bps[k] = slot.bandwidth_hz * carried(slot.efficiency, efficiency)
    return group.short, rate_bps


@compiled
def _radio_at_limits(
    slot: SlotArrays, group: _Offloaders, airtime_s: FloatArray, power_w: FloatArray
) -> tuple[float, FloatArray]:
    """As `_radio`, where somebody reaches P_max."""
    all_w = _powers(slot, group.who, airtime_s)
    violation, rate_bps, k = 0.0, np.zeros(len(group.who)), 0
    for m in range(len(all_w)):
        offloads = k < len(group.who) and group.who[k] == m
        if offloads or slot.floor_bps[m] > 0.0:
            heard_w = slot.noise_w
            for n in range(len(all_w)):
                heard_w += slot.cross_gain[m, n] * all_w[n]
            efficiency = log2(1.0 + all_w[m] * slot.gain[m] / heard_w)
            rate = slot.bandwidth_hz * carried(slot.efficiency, efficiency)
            if offloads:
                power_w[k], rate_bps[k] = all_w[m], rate
                k += 1
            else:
                violation = max(violation, slot.rate_min_bps / max(rate, 1e-300) - 1.0)
    return violation, rate_bps


@compiled
def _price(
    problem: _Problem, group: _Offloaders, airtime_s: FloatArray, sharpness: float, crowd: float
) -> tuple[float, float]:
    """The violation of the slot's limits, zero if they hold, and the drift-plus-penalty, J^2.

    The worst case is the norm of that exponent over devices, of which `crowd` are like the worst that stays
    local, or, at infinity, the maximum. Airtimes, (K,), are replaced by those that come about: with P_max, some may be
    longer than asked for.
    """
    slot, count = problem.slot, len(group.who)
    power_w, emitting_j = np.zeros(count), np.zeros(count)
    violation, rate_bps = _radio(slot, group, airtime_s, power_w)
    violation = max(violation, group.excess)
    drift, asked_hz, worst_j = group.drift, 0.0, group.worst_j
    for k in range(count):
        m = group.who[k]
        rate = max(rate_bps[k], 1e-300)
        violation = max(violation, slot.rate_min_bps / rate - 1.0)
        sending_s = slot.bits[m] / rate
        airtime_s[k] = max(airtime_s[k], sending_s)
        left_s = max(slot.deadline_s[m] - sending_s, slot.cycles[m] / slot.server_cpu_hz)
        violation = max(violation, (sending_s + left_s) / slot.deadline_s[m] - 1.0)
        edge_hz = slot.cycles[m] / left_s
        asked_hz += edge_hz
        device_j = power_w[k] * sending_s
        emitting_j[k] = device_j + slot.theta_server * slot.cycles[m] * edge_hz**2
        worst_j = max(worst_j, emitting_j[k])
        drift += problem.overdrawn_j[m] * device_j
    violation = max(violation, asked_hz / slot.server_cpu_hz - 1.0)
    if violation <= TOLERANCE:
        violation = 0.0
    if sharpness < np.inf and worst_j > 0.0:
        norm = crowd * power(group.worst_j / worst_j, sharpness)
        for k in range(count):
            norm += power(emitting_j[k] / worst_j, sharpness)
        worst_j *= power(norm, 1.0 / sharpness)
    return violation, problem.emission_price * worst_j + drift


@compiled
def _crowd(group: _Offloaders, sharpness: float) -> float:
    """How many devices that emit as the worst that stays local have the norm of all who stay."""
    crowd = 0.0
    if group.worst_j > 0.0 and sharpness < np.inf:
        for joule in group.staying_j:
            crowd += power(joule / group.worst_j, sharpness)
    return crowd


@compiled
def _better(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Less violation, or as little at a lower price; not by rounding alone."""
    if one[0] != other[0]:
        return one[0] < other[0] * (1.0 - TOLERANCE)
    return one[1] < other[1] * (1.0 - TOLERANCE)


@compiled
def _shift_airtimes(
    problem: _Problem, group: _Offloaders, airtime_s: FloatArray, steps: FloatArray
) -> tuple[float, float]:
    """Lengthen and shorten (K,) airtimes, in place, by ever smaller factors: all at once, then singly.

    Within the limits the price is convex in the logarithms of the airtimes, and smooth where the
    maximum is replaced by a norm: then moves along the axes do not get stuck.

    Returns:
        The price with the maximum itself.
    """
    count = len(airtime_s)
    changed_s = np.empty(count)
    for k in range(len(steps)):
        sharpness, step, last_step = steps[k]
        crowd = _crowd(group, sharpness)
        best = _price(problem, group, airtime_s, sharpness, crowd)
        rounds = 0
        while step > last_step:
            improved = False
            rounds += 1
            for move in range(2 * (count + 1)):
                moved = move // 2 - 1
                factor = step if move % 2 == 0 else 1.0 / step
                for n in range(count):
                    changed_s[n] = airtime_s[n] * (factor if moved in (-1, n) else 1.0)
                changed = _price(problem, group, changed_s, sharpness, crowd)
                if _better(changed, best):
                    best, improved = changed, True
                    copy_vector(airtime_s, changed_s)
            if not improved or rounds == _ROUNDS:
                step, rounds = np.sqrt(step), 0
    return _price(problem, group, airtime_s, np.inf, 0.0)


@compiled
def _search(problem: _Problem) -> tuple[BoolArray, FloatArray]:
    """(N,) who offloads, and the powers."""
    least_j = least_offloaded_j(problem.slot, np.zeros(len(problem.order)), True)
    offload, airtime_s, best = _best_nested_set(problem, least_j)
    improved = True
    while improved:
        improved = False
        for m in range(len(offload)):
            offload[m] = not offload[m]
            changed_s, changed = _coarse_airtimes(problem, offload, least_j, best)
            if _better(changed, best):
                airtime_s, best, improved = changed_s, changed, True
            else:
                offload[m] = not offload[m]
    group = _offloaders(problem, offload)
    _shift_airtimes(problem, group, airtime_s, _FINE)
    return offload, _powers(problem.slot, group.who, airtime_s)


@compiled
def _best_nested_set(
    problem: _Problem, least_j: FloatArray
) -> tuple[BoolArray, FloatArray, tuple[float, float]]:
    """One device after another offloads, in order, until that does not help any more.

    Returns:
        (N,) who offloads, (K,) airtimes, and their price.
    """
    offload = np.zeros(len(problem.order), np.bool_)
    best_s, best = _coarse_airtimes(problem, offload, least_j, (np.inf, np.inf))
    best_count = 0
    for count, device in enumerate(problem.order, 1):
        offload[device] = True
        airtime_s, price = _coarse_airtimes(problem, offload, least_j, best)
        if _better(price, best):
            best_s, best, best_count = airtime_s, price, count
        elif count - best_count == 2:
            break
    offload[problem.order[best_count:]] = False
    return offload, best_s, best


@compiled
def _coarse_airtimes(
    problem: _Problem, offload: BoolArray, least_j: FloatArray, enough: tuple[float, float]
) -> tuple[FloatArray, tuple[float, float]]:
    """(K,) airtimes and their price: from the best one share of the deadline for everybody.

    Args:
        problem: of the slot.
        offload: (N,) alpha.
        least_j: (N,) what each device emits at least if it offloads.
        enough: a set that cannot have a lower price is not looked into; its price is infinite.
    """
    excess, worst_j, drift = 0.0, 0.0, 0.0
    for m in range(len(offload)):
        if offload[m]:
            worst_j = max(worst_j, least_j[m])
        else:
            excess = max(excess, problem.local_excess[m])
            worst_j = max(worst_j, problem.local_j[m])
            drift += problem.overdrawn_j[m] * problem.local_j[m]
    bound = excess if excess > TOLERANCE else 0.0, problem.emission_price * worst_j + drift
    if enough[0] < np.inf and not _better(bound, enough):
        return np.zeros(1), (np.inf, np.inf)
    group = _offloaders(problem, offload)
    deadline_s = problem.slot.deadline_s[group.who]
    crowd = _crowd(group, _COARSE[0, 0])
    best, best_s = (np.inf, np.inf), deadline_s * _SHARES[0]
    for share in _SHARES:
        airtime_s = deadline_s * share
        price = _price(problem, group, airtime_s, _COARSE[0, 0], crowd)
        if _better(price, best):
            best, best_s = price, airtime_s
    return best_s, _shift_airtimes(problem, group, best_s, _COARSE)
