"""Who sends what in a slot, about as P2 has it, steered by a learner, and at no more power than it takes.

P2, A(20), counts C (sum_i sqrt(D_i))^2 for a station's CPU, so each further sender makes it dearer for the others;
and of equal bits those that are sent in the whole slot need the least power. Devices of a cell are gone through
in the order of what they are worth; each is admitted if what it sends is worth its cost beside those before it. The
band is divided, and powers come to rest at the least that sends what is to be sent. This is done twice: first as if
each cell were alone, then in the interference of that first plan, for which a device pays what it costs others.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...simulator.core.arrays import FloatArray, IntArray
from ...simulator.core.compiled import compiled, compiled_in_place
from ...simulator.core.elementary import LN_2, exp, expm1, log, log2, power
from ...simulator.network.network import Network
from ...simulator.network.spectral_efficiency import SpectralEfficiency, carried, to_carry
from ...simulator.stream.channel import add_interference

_ROUNDS = 2
_PASSES_MAX = 50  # of powers that follow interference
_AT_REST = 1e-9  # relative change of a power
_LEAST_SENT = 1e-3  # of its queue: for less no device sends
_LEAST_EFFICIENCY = 1e-9  # bit/s/Hz
_ALL = 1.0 - 1e-9  # of what is wanted: all but for rounding

SHARPNESS = 8.0
"""A band is divided by what devices are worth, to this power."""


class Links(NamedTuple):
    """What does not change in a run.

    Attributes:
        slot_s: tau.
        bandwidth_hz: (B,) of each station.
        fixed_noise_w: (B,) noise that does not grow with a device's bandwidth.
        noise_w_per_hz: (B,) and that which does.
        limit: the efficiencies that links carry, bit/s/Hz.
        cpu_bits: (N,) what a device's CPU can execute in a slot.
    """

    slot_s: float
    bandwidth_hz: FloatArray
    fixed_noise_w: FloatArray
    noise_w_per_hz: FloatArray
    limit: SpectralEfficiency
    cpu_bits: FloatArray

    @classmethod
    def of(cls, network: Network) -> "Links":
        """Those of a network."""
        return cls(
            network.slot_s,
            network.station_bandwidth_hz,
            network.fixed_noise_w,
            network.noise_w_per_hz,
            network.efficiency,
            network.device_service_bits,
        )


class Wishes(NamedTuple):
    """What a slot is about, and how a learner steers it.

    Attributes:
        station: (R, N) of each device.
        gain: (R, N, B) power gains.
        queue_bits: (R, N) Q_i.
        value: (R, N) v_i, what P2 gives for a bit that leaves the queue, bit.
        net: (R, N) k_i = v_i - Q_j, for one that goes to the station.
        watt_cost: (R, N) what P2 counts for a watt of a device during the slot, bit^2/W.
        edge_cost: (R, B) C, bit: what it counts for D bits that are a station's only ones is C D.
        local_cost: (R, N) a, 1/bit: l bits executed by a device's CPU cost a l^3 / 3.
        power_max_w: (R, N) the most that each may send with; 0 of who must not.
        eagerness: (R, N) in [-1, 1]: worth counts (1 + x) / (1 - x) fold; at -1 nobody sends.
        priority: (R, N) worth in the order counts e^x fold.
        local: (R, N) in [-1, 1]: a CPU's bits, from none over P2's optimum to all that it can.
        reserve: (R, N) in [0, 1]: power, from what it takes (0) to the largest (1), on a logarithmic scale.
    """

    station: IntArray
    gain: FloatArray
    queue_bits: FloatArray
    value: FloatArray
    net: FloatArray
    watt_cost: FloatArray
    edge_cost: FloatArray
    local_cost: FloatArray
    power_max_w: FloatArray
    eagerness: FloatArray
    priority: FloatArray
    local: FloatArray
    reserve: FloatArray


class Plan(NamedTuple):
    """What is sent and executed, (R, N) each.

    Attributes:
        bandwidth_hz: w_i.
        power_w: p_i.
        wanted_bits: what a device would send if it could: all that its CPU does not execute.
        sent_bits: D_i; where it is less, all that the radio can send in the slot.
        local_bits: what the device's CPU executes; with D_i no more than the queue.
        worth: ln of what a device is worth for what it takes of band and CPU, without its priority, bit^2; 0 of
            who must not send.
        heard_cost: what P2 loses by a watt of interference on what a device sends, bit^2/W.
    """

    bandwidth_hz: FloatArray
    power_w: FloatArray
    wanted_bits: FloatArray
    sent_bits: FloatArray
    local_bits: FloatArray
    worth: FloatArray
    heard_cost: FloatArray


def plan_sending(links: Links, wishes: Wishes) -> Plan:
    """The plan of a slot, of all replications."""
    plan = Plan(*(np.zeros(wishes.queue_bits.shape) for _ in Plan._fields))
    heard_w = np.zeros(wishes.edge_cost.shape)
    for _ in range(_ROUNDS):
        needed_hz, weight = _admit(links, wishes, heard_w, plan)
        shares = priority_shares(weight, needed_hz, wishes.station, links.bandwidth_hz)
        _settle(links, wishes, shares, heard_w, plan)
    return plan


@compiled
def _admit(
    links: Links, wishes: Wishes, heard_w: FloatArray, plan: Plan
) -> tuple[FloatArray, FloatArray]:
    """Choose who sends, and set the bits that all want to send.

    Who sends in the last plan and not in this one disturbs nobody further down in the order, and is not disturbed.

    Args:
        links: of the network.
        wishes: of the slot.
        heard_w: (R, B) interference of the last plan; changed.
        plan: the last one.

    Returns:
        (R, N) the bandwidth that sends what is wanted, Hz; its weight in the band, 0 of who sends nothing.
    """
    replications, devices = wishes.queue_bits.shape
    stations = len(links.bandwidth_hz)
    needed_hz, weight = np.ones((replications, devices)), np.zeros((replications, devices))
    for r in range(replications):
        rank = _rank(links, wishes, r, heard_w[r], plan, needed_hz[r])
        left_hz, roots = links.bandwidth_hz.copy(), np.zeros(stations)
        first, heard_cost = np.zeros(stations), np.zeros(stations)
        for i in range(devices):
            heard_cost[wishes.station[r, i]] += plan.heard_cost[r, i]
        for i in np.argsort(-rank, kind="mergesort"):
            j = wishes.station[r, i]
            part = min(left_hz[j] / needed_hz[r, i], 1.0)
            bits = part * plan.wanted_bits[r, i]
            if rank[i] == -np.inf:
                break
            watt = wishes.watt_cost[r, i]
            for b in range(1, stations if j > 0 else 0):
                if b != j:
                    watt += heard_cost[b] * wishes.gain[r, i, b]
            # As the others may leave it all of the band that is left.
            power_w = _power_w(links, wishes, r, i, bits, left_hz[j], heard_w[r, j])
            root = np.sqrt(bits)
            cost = watt * power_w + wishes.edge_cost[r, j] * root * (root + 2.0 * roots[j])
            worth = wishes.net[r, i] * bits - _local_loss(links, wishes, r, i, bits)
            eager = wishes.eagerness[r, i]
            enough = bits >= _LEAST_SENT * wishes.queue_bits[r, i] and worth > 0.0
            if enough and worth * (1.0 + eager) > cost * (1.0 - eager):
                if roots[j] == 0.0:
                    first[j] = rank[i]
                roots[j] += root
                left_hz[j] -= part * needed_hz[r, i]
                weight[r, i] = exp(max(SHARPNESS * (rank[i] - first[j]), -50.0))
            else:
                add_interference(-plan.power_w[r, i], wishes.gain[r], i, j, heard_w[r])
                heard_cost[j] -= plan.heard_cost[r, i]
    return needed_hz, weight


@compiled
def _rank(
    links: Links, wishes: Wishes, r: int, heard_w: FloatArray, plan: Plan, needed_hz: FloatArray
) -> FloatArray:
    """(N,) ln of what devices are worth for what they take of band and CPU; minus infinity: must not send.

    Sets the bits that they want to send, and (N,) the bandwidths that these need at the largest power.
    """
    stations, devices = len(links.bandwidth_hz), len(needed_hz)
    rank, asking, sending = np.full(devices, -np.inf), np.zeros(stations), np.zeros(stations)
    for i in range(devices):
        sending[wishes.station[r, i]] += np.sqrt(plan.sent_bits[r, i])
        if wishes.power_max_w[r, i] > 0.0:
            asking[wishes.station[r, i]] += np.sqrt(wishes.queue_bits[r, i])
    for i in range(devices):
        j = wishes.station[r, i]
        queue, net = wishes.queue_bits[r, i], wishes.net[r, i]
        if wishes.power_max_w[r, i] == 0.0 or net <= 0.0 or queue <= 0.0:
            continue
        noise_w = links.fixed_noise_w[j] + links.noise_w_per_hz[j] * links.bandwidth_hz[j]
        received_w = wishes.power_max_w[r, i] * wishes.gain[r, i, j]
        efficiency = carried(links.limit, log2(1.0 + received_w / (noise_w + heard_w[j])))
        if efficiency < _LEAST_EFFICIENCY:
            continue
        # The CPU executes what sending would not do cheaper: a l^2 = Q_j + C sum sqrt(D) / sqrt(D_i).
        root = np.sqrt(queue)
        dearer = wishes.edge_cost[r, j] * max(sending[j], root) / root
        value = min(wishes.value[r, i], wishes.value[r, i] - net + dearer)
        wanted = max(queue - _steered_bits(links, wishes, r, i, value), _LEAST_SENT * queue)
        plan.wanted_bits[r, i] = wanted
        needed_hz[i] = wanted / (links.slot_s * efficiency)
        taken = needed_hz[i] / links.bandwidth_hz[j] + root / asking[j]
        plan.worth[r, i] = log(net * wanted / taken)
        rank[i] = plan.worth[r, i] + wishes.priority[r, i]
    return rank


@compiled_in_place
def _settle(
    links: Links,
    wishes: Wishes,
    bandwidth_hz: FloatArray,
    heard_w: FloatArray,
    plan: Plan,
) -> None:
    """Set the plan that these (R, N) bandwidths lead to, and the (R, B) interference.

    From the largest, each power falls to the least that sends what is wanted in the whole slot, and so does the
    interference, until all are at rest. What is wanted and not beyond reach is sent after any of these passes.
    """
    replications, devices = bandwidth_hz.shape
    for r in range(replications):
        for i in range(devices):
            sends = bandwidth_hz[r, i] > 0.0
            plan.bandwidth_hz[r, i] = bandwidth_hz[r, i]
            plan.power_w[r, i] = wishes.power_max_w[r, i] if sends else 0.0
            plan.sent_bits[r, i] = 0.0
        _hear(wishes, r, plan.power_w[r], heard_w[r])
        for _ in range(_PASSES_MAX):
            change = 0.0
            for i in range(devices):
                before = plan.power_w[r, i]
                if before > 0.0:
                    wanted, hertz = plan.wanted_bits[r, i], bandwidth_hz[r, i]
                    heard = heard_w[r, wishes.station[r, i]]
                    least_w = _power_w(links, wishes, r, i, wanted, hertz, heard)
                    reserve = wishes.reserve[r, i]
                    if reserve > 0.0:
                        least_w *= power(wishes.power_max_w[r, i] / least_w, reserve)
                    plan.power_w[r, i] = least_w
                    change = max(change, 1.0 - plan.power_w[r, i] / before)
            _hear(wishes, r, plan.power_w[r], heard_w[r])
            if change <= _AT_REST:
                break
        for i in range(devices):
            _set_bits(links, wishes, r, i, heard_w[r], plan)


@compiled_in_place
def _set_bits(
    links: Links, wishes: Wishes, r: int, i: int, heard_w: FloatArray, plan: Plan
) -> None:
    """Set what a device sends and executes at all powers, and what P2 loses by a watt of interference on it.

    Who sends all that it wants pays for it in power; who does not, by bits that it could send without: for each watt
    the same part of them.
    """
    j = wishes.station[r, i]
    sent, wanted = 0.0, plan.wanted_bits[r, i]
    plan.heard_cost[r, i] = 0.0
    hertz, power_w = plan.bandwidth_hz[r, i], plan.power_w[r, i]
    if power_w > 0.0:
        noise_w = links.fixed_noise_w[j] + links.noise_w_per_hz[j] * hertz + heard_w[j]
        received_w = power_w * wishes.gain[r, i, j]
        efficiency = carried(links.limit, log2(1.0 + received_w / noise_w))
        sent = min(links.slot_s * hertz * efficiency, wanted)
        if sent < wanted * _ALL:
            quiet_w = noise_w - heard_w[j]
            efficiency = carried(links.limit, log2(1.0 + received_w / quiet_w))
            more = min(links.slot_s * hertz * efficiency, wanted) - sent
            plan.heard_cost[r, i] = wishes.net[r, i] * more / max(heard_w[j], quiet_w)
        else:
            plan.heard_cost[r, i] = wishes.watt_cost[r, i] * power_w / noise_w
    plan.sent_bits[r, i] = sent
    if 0.0 < wanted * _ALL <= sent:
        plan.local_bits[r, i] = wishes.queue_bits[r, i] - sent
    else:
        bits = _steered_bits(links, wishes, r, i, wishes.value[r, i])
        plan.local_bits[r, i] = min(bits, wishes.queue_bits[r, i] - sent)


@compiled_in_place
def _hear(wishes: Wishes, r: int, power_w: FloatArray, heard_w: FloatArray) -> None:
    """Set (B,) the interference at (N,) powers."""
    heard_w[:] = 0.0
    for i in range(len(power_w)):
        if power_w[i] > 0.0:
            add_interference(power_w[i], wishes.gain[r], i, wishes.station[r, i], heard_w)


@compiled_in_place
def _power_w(
    links: Links, wishes: Wishes, r: int, i: int, bits: float, hertz: float, heard_w: float
) -> float:
    """The least power that sends these bits in the whole slot; the largest where none does."""
    j = wishes.station[r, i]
    noise_w = links.fixed_noise_w[j] + links.noise_w_per_hz[j] * hertz + heard_w
    efficiency = to_carry(links.limit, bits / (links.slot_s * hertz))
    power_w = noise_w * expm1(LN_2 * efficiency) / wishes.gain[r, i, j]
    return float(min(power_w, wishes.power_max_w[r, i]))


@compiled_in_place
def _best_bits(links: Links, wishes: Wishes, r: int, i: int, value: float) -> float:
    """What a CPU executes at best of bits that are worth so much: a l^2 = v, within limits."""
    most = min(links.cpu_bits[i], wishes.queue_bits[r, i])
    cost = wishes.local_cost[r, i]
    return float(min(most, np.sqrt(max(value, 0.0) / cost)) if cost > 0.0 else most)


@compiled_in_place
def _steered_bits(links: Links, wishes: Wishes, r: int, i: int, value: float) -> float:
    """The same, steered from none over it to all that there is."""
    best = _best_bits(links, wishes, r, i, value)
    towards = wishes.local[r, i]
    if towards < 0.0:
        return float(best * (1.0 + towards))
    return float(best + (min(links.cpu_bits[i], wishes.queue_bits[r, i]) - best) * towards)


@compiled_in_place
def _local_loss(links: Links, wishes: Wishes, r: int, i: int, sent_bits: float) -> float:
    """What a CPU gains less by the bits that are sent in its place, bit^2."""
    value, cost = wishes.value[r, i], wishes.local_cost[r, i] / 3.0
    before = _best_bits(links, wishes, r, i, value)
    after = min(before, wishes.queue_bits[r, i] - sent_bits)
    lost = value * (before - after)
    return float(lost - cost * (before * before * before - after * after * after))


@compiled
def priority_shares(
    weight: FloatArray, needed: FloatArray, station: NDArray[np.integer], capacity: FloatArray
) -> FloatArray:
    """Divide each station's capacity by weight, no device getting more than needed while others lack.

    Devices whose share by weight is more than they need are given just that; the remainder is divided
    again among the others. Where all have what they need the rest goes to them in proportion.

    Args:
        weight: (R, N) not negative; with zero a device is given nothing.
        needed: (R, N) positive, in the unit of the capacity.
        station: (R, N) of each device.
        capacity: (B,).

    Returns:
        (R, N); sums to the capacity of each station that has a device of positive weight.
    """
    replications, devices = weight.shape
    stations = len(capacity)
    share = np.zeros((replications, devices))
    for r in range(replications):
        served = weight[r] <= 0.0
        again = True
        while again:
            again = False
            # Summed anew: a difference of weights that lie decades apart would be all rounding.
            left, total = capacity.copy(), np.zeros(stations)
            for i in range(devices):
                if served[i]:
                    left[station[r, i]] -= share[r, i]
                else:
                    total[station[r, i]] += weight[r, i]
            level = np.maximum(left, 0.0) / np.where(total > 0.0, total, 1.0)
            for i in range(devices):
                j = station[r, i]
                if not served[i] and weight[r, i] * level[j] >= needed[r, i]:
                    share[r, i] = needed[r, i]
                    served[i] = again = True
        given = np.zeros(stations)
        for i in range(devices):
            j = station[r, i]
            if not served[i]:
                share[r, i] = weight[r, i] * level[j]
            given[j] += share[r, i]
        for i in range(devices):
            j = station[r, i]
            if given[j] > 0.0:
                share[r, i] *= capacity[j] / given[j]
    return share
