"""P2, A(20), solved for one slot: who offloads how much, with what bandwidth, power and CPU.

With D the bits offloaded and l the bits executed locally, the other resources follow: at the
optimum a radio is busy for the whole slot (tau R = D, else less power would do), a station's CPU is
shared as sqrt(D), and l has a closed form. What is left is, for each station,

    max  sum_i [k_i D_i + v_i l_i - V varsigma c^3/tau^2 l_i^3 - rho_i p_i] - C (sum_i sqrt(D_i))^2

    over sum w_i <= W, p_i <= p_max and D_i + l_i <= Q_i, with v = V eta + Q_i - beta_i,
    k = v - Q_j, C = V epsilon c/F_j, and rho the price of a watt. SBS cells meet only in one number
    per station, the interference I_j; what a watt costs the other cells is linear in it for given
    rates, so rho_i = V tau + sum_b G_ib Lambda_b with Lambda_b what a watt of I_b costs cell b.

For given I and rho, C makes each further sender dearer for the others, and a radio has economies of
scale: all senders but at most one send all that their CPUs had better not execute. So a cell's
problem is which set sends. Iterative, to rounding: a set's band is split by Newton's method on the
price of bandwidth (`_split`); the one sender that does not fit takes the rest (`_squeeze`).
Approximate: the search over sets (`_search`), and the interplay of cells, each solved in turn at
the others' interference and prices from a few starts (`_optimise_radio`); of all decisions met, the
best by its true value is kept. Small networks get more starts.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..simulator.arrays import FloatArray, IntArray
from ..simulator.compiled import compiled
from ..simulator.network import Network

# A device that may offload, in the cell being solved.
_DEVICE = np.dtype(
    [
        ("index", np.int64),  # its column in the network
        ("sends", np.int64),  # 1 in the best set of senders so far
        ("queue", np.float64),  # Q_i
        ("value", np.float64),  # v_i, of a bit executed by its own CPU
        ("net", np.float64),  # k_i, of a bit offloaded
        ("gain", np.float64),  # to its own station
        ("power_max", np.float64),
        ("price", np.float64),  # rho_i, of a watt for the slot
        ("cpu", np.float64),  # bits that its CPU can execute at full speed
        ("local_min", np.float64),  # the least and most bits that it may
        ("local_max", np.float64),
        ("bits", np.float64),  # D_i
        ("bandwidth", np.float64),  # w_i
        ("efficiency", np.float64),  # e = ln(1 + SINR), so that D = kappa w e
        ("limit", np.float64),  # the efficiency that takes all the power
        ("power", np.float64),  # p_i
        ("log_saving", np.float64),  # ln(-rho_i dp/dw), equal to ln nu at the optimum
        ("steepness", np.float64),  # its derivative with respect to e
        ("score", np.float64),  # what it gains at the price of bandwidth
        ("capacity", np.float64),  # tau R, at everyone's power
        ("local", np.float64),  # l_i
        ("kept_bandwidth", np.float64),  # of the best decision so far
        ("kept_power", np.float64),
        ("kept_local_min", np.float64),
    ]
)

_CELL = np.dtype(
    [
        ("bandwidth", np.float64),  # W
        ("bits_per_hz", np.float64),  # kappa = tau / ln 2
        ("noise_per_hz", np.float64),  # noise that grows with w
        ("noise", np.float64),  # that does not
        ("disturbance", np.float64),  # the latter and the interference
        ("edge_cost", np.float64),  # C = V epsilon c / F
        ("edge", np.float64),  # of (sum sqrt D)^2: C, or 0 where CPU shares are fixed
        ("edge_per_bit", np.float64),  # where they are: C times the station's devices; else 0
        ("queue", np.float64),  # Q_j
        ("local", np.float64),  # 3 V varsigma c^3 / tau^2: a CPU's marginal cost is this times l^2
        ("band_price", np.float64),  # nu, of a hertz; found
    ]
)


def cells(network: Network, V: float) -> NDArray[np.void]:
    """(B,) what P2 needs to know of each station; the rest of the fields are scratch of `solve`."""
    records = np.zeros(network.stations, _CELL)
    records["bandwidth"] = network.station_bandwidth_hz
    records["bits_per_hz"] = network.slot_s / np.log(2.0)
    if network.noise_model == "total":
        records["noise"] = network.noise_w
    else:
        records["noise_per_hz"] = network.noise_w / network.station_bandwidth_hz
    cycles = network.cycles_per_bit
    records["edge_cost"] = V * network.epsilon_w * cycles / network.station_cpu_hz
    records["local"] = 3.0 * V * network.varsigma * cycles**3 / network.slot_s**2
    return records


_INFINITE = 1e300
_INFEASIBLE = -_INFINITE
_PRECISION = 1e-3  # of Newton steps, which converge quadratically; of sweeps, in the objective
_SWEEPS = 5  # over the cells, from each start
_ROUNDS = 8  # of changes of a set of senders
_SMALL_NETWORK = 12  # devices up to which many starts are cheap
_FEW_TRIALS = 64  # devices up to which trying each is cheap
_BARRED = 1e200  # a price of power at which nobody sends


@compiled
def _local_gain(cell: Any, device: Any, bits: float) -> float:
    """What the device's own CPU is worth when at most `bits` are left to it."""
    local = min(device.local_max, bits)
    return float(device.value * local - cell.local * local * local * local / 3.0)


@compiled
def _saving(cell: Any, bandwidth: float, efficiency: float, growth: float) -> float:
    """-dp/dw for given bits, times the channel gain; `growth` = exp(e) - 1, the SINR."""
    steep = efficiency * (1.0 + growth)
    curved = steep - growth if efficiency > 1e-3 else 0.5 * efficiency * efficiency
    return float(cell.noise_per_hz * curved + cell.disturbance * steep / bandwidth)


@compiled
def _steepness(
    cell: Any, bandwidth: float, efficiency: float, growth: float, saving: float
) -> float:
    """The derivative of ln(-dp/dw) with respect to e, for given bits."""
    slope = cell.noise_per_hz * efficiency + cell.disturbance * (2.0 + efficiency) / bandwidth
    return float((1.0 + growth) * slope / saving)


@compiled
def _hertz_per_bit(cell: Any, bandwidth: float, efficiency: float) -> float:
    """(dp/dD) / (-dp/dw): the bandwidth that makes up for one more bit at the same power."""
    growth = np.expm1(efficiency)
    slope = (cell.noise_per_hz + cell.disturbance / bandwidth) * (1.0 + growth) / cell.bits_per_hz
    return float(slope / _saving(cell, bandwidth, efficiency, growth))


@compiled
def _limit(cell: Any, device: Any, load: float) -> float:
    """The efficiency at which `load` = D / kappa takes all the power."""
    if cell.noise_per_hz == 0.0:
        return float(device.limit)
    snr = device.power_max * device.gain
    # e = ln(1 + SINR(e)), whose right side is concave in e: Newton's method from beyond the root.
    e = device.limit if device.limit > 1e-3 else max(load / cell.bandwidth, 1e-6)
    for _ in range(30):
        diluted = cell.noise_per_hz * load / e
        sinr = snr / (cell.disturbance + diluted)
        slope = sinr / (1.0 + sinr) * diluted / ((cell.disturbance + diluted) * e)
        step = (np.log1p(sinr) - e) / (1.0 - slope) if slope < 0.99 else 2.0 * e
        e = max(e + step, 1e-6)
        if abs(step) <= 1e-6 * e:
            break
    return float(e)


@compiled
def _split(
    cell: Any, devices: Any, senders: IntArray, count: int, skip: int, bandwidth: float, warm: bool
) -> float:
    """Split a band over senders of given bits, but `skip`, at the least cost of power.

    KKT: -rho_i dp_i/dw_i = nu for all whose power is below its limit, and sum w_i = bandwidth.
    Newton's method on all efficiencies and ln nu at once, so linear in `count`.

    Returns:
        nu; -1 if the bits do not fit even with all power.
    """
    load_sum = 0.0
    needed = 0.0
    for s in range(count):
        device = devices[senders[s]]
        if s != skip:
            load = device.bits / cell.bits_per_hz
            device.limit = _limit(cell, device, load)
            load_sum += load
            needed += load / device.limit
    if needed > bandwidth:
        return -1.0
    for s in range(count):
        device = devices[senders[s]]
        if s != skip:
            start = device.efficiency if warm else load_sum / bandwidth
            device.efficiency = min(start, device.limit)
    log_price = _INFINITE
    for _ in range(30):
        weight = 0.0
        pull = -bandwidth
        steepest = -_INFINITE
        for s in range(count):
            device = devices[senders[s]]
            if s == skip:
                continue
            e = device.efficiency
            w = device.bits / (cell.bits_per_hz * e)
            growth = np.expm1(e)
            saving = _saving(cell, w, e, growth)
            device.log_saving = np.log(saving * device.price / device.gain)
            device.steepness = _steepness(cell, w, e, growth, saving)
            pull += w
            steepest = max(steepest, device.log_saving)
            if e < device.limit or device.log_saving > log_price:
                per_log = w / (e * device.steepness)
                weight += per_log
                pull += per_log * device.log_saving
        if weight == 0.0:  # all at their limits: next, the one that saves most may leave its own
            log_price = steepest - 1e-9
            continue
        log_price = pull / weight
        change = 0.0
        for s in range(count):
            device = devices[senders[s]]
            if s == skip:
                continue
            e = device.efficiency
            wanted = e + (log_price - device.log_saving) / device.steepness
            device.efficiency = min(max(wanted, 0.3 * e), device.limit)
            change = max(change, abs(device.efficiency / e - 1.0))
        if change < _PRECISION:
            break
    total = 0.0
    for s in range(count):
        device = devices[senders[s]]
        if s != skip:
            total += device.bits / (cell.bits_per_hz * device.efficiency)
    for s in range(count):
        device = devices[senders[s]]
        if s != skip:
            device.efficiency *= total / bandwidth
            w = device.bits / (cell.bits_per_hz * device.efficiency)
            noise = cell.noise_per_hz * w + cell.disturbance
            device.bandwidth = w
            device.power = min(noise * np.expm1(device.efficiency) / device.gain, device.power_max)
    return float(np.exp(log_price))


@compiled
def _full(cell: Any, device: Any, bit_cost: float) -> float:
    """D of a device that executes locally only what offloading at `bit_cost` would not do cheaper."""
    local = np.sqrt((cell.queue + bit_cost) / cell.local)
    local = max(device.local_min, min(device.local_max, local))
    return float(max(device.queue - local, 1e-3 * device.queue))


@compiled
def _fill(cell: Any, device: Any, bandwidth: float, others: float) -> float:
    """Best bits and power of one sender in a given bandwidth.

    Args:
        cell: its cell.
        device: the sender.
        bandwidth: w_i.
        others: sum of sqrt(D) over the other senders.

    Returns:
        What a further hertz is worth to it; 0 if it had better not send.
    """
    noise = cell.noise_per_hz * bandwidth + cell.disturbance
    scale = cell.bits_per_hz * bandwidth
    most = scale * np.log1p(device.power_max * device.gain / noise)
    most = min(most, device.queue - device.local_min)
    bits = most
    for _ in range(30):
        if bits <= 1e-3 * device.queue:
            return 0.0
        edge = cell.edge * (1.0 + others / np.sqrt(bits)) + cell.edge_per_bit
        if edge >= device.net:
            return 0.0
        radio = device.price * noise * np.exp(bits / scale) / (device.gain * scale)
        # The CPU must not be the cheaper one: a Newton step.
        local = np.sqrt((cell.queue + edge + radio) / cell.local)
        slope = 0.5 * local / (cell.queue + edge + radio) * radio / scale
        if local > device.local_max:
            local, slope = device.local_max, 0.0
        elif local < device.local_min:
            local, slope = device.local_min, 0.0
        wanted = min(bits - (bits - (device.queue - local)) / (1.0 + slope), most)
        # The last bit must be worth its cost.
        worth = device.net - edge
        if radio > worth or wanted > bits:
            ceiling = worth * device.gain * scale / (device.price * noise)
            wanted = min(wanted, scale * np.log(max(ceiling, 1.0)))
        done = abs(wanted - bits) <= 1e-5 * bits
        bits = wanted
        if done:
            break
    device.bits = bits
    device.bandwidth = bandwidth
    device.efficiency = bits / scale
    growth = np.expm1(device.efficiency)
    device.power = min(noise * growth / device.gain, device.power_max)
    edge = cell.edge * (1.0 + others / np.sqrt(bits)) + cell.edge_per_bit
    marginal = device.price * noise * (1.0 + growth) / (device.gain * scale)
    if device.power >= device.power_max * (1.0 - 1e-9):
        left = min(device.local_max, device.queue - bits)
        marginal = max(
            marginal,
            device.value - cell.local * left * left - cell.queue - edge
            if device.queue - bits < device.local_max
            else device.net - edge,
        )
    dilution = growth / (1.0 + growth) * cell.noise_per_hz * bandwidth / noise
    return float(marginal * cell.bits_per_hz * (device.efficiency - dilution))


@compiled
def _roots(devices: Any, senders: IntArray, count: int, skip: int) -> float:
    """Sum of sqrt(D) over the senders but `skip`."""
    total = 0.0
    for s in range(count):
        if s != skip:
            total += np.sqrt(devices[senders[s]].bits)
    return total


@compiled
def _gain(cell: Any, devices: Any, senders: IntArray, count: int) -> float:
    """The cell's objective, over what it is when nobody sends."""
    total = 0.0
    for s in range(count):
        device = devices[senders[s]]
        local = _local_gain(cell, device, device.queue - device.bits)
        local -= _local_gain(cell, device, device.queue)
        total += (device.net - cell.edge_per_bit) * device.bits + local
        total -= device.price * device.power
    roots = _roots(devices, senders, count, -1)
    return float(total - cell.edge * roots * roots)


@compiled
def _squeeze(cell: Any, devices: Any, senders: IntArray, count: int, last: int) -> float:
    """All senders but the `last` send in full; that one takes the bandwidth that is best for it."""
    device = devices[senders[last]]
    others = _roots(devices, senders, count, last)
    if count == 1:
        cell.band_price = _fill(cell, device, cell.bandwidth, 0.0)
        return _gain(cell, devices, senders, count) if cell.band_price > 0.0 else _INFEASIBLE
    needed = 0.0
    for s in range(count):
        if s != last:
            other = devices[senders[s]]
            load = other.bits / cell.bits_per_hz
            needed += load / _limit(cell, other, load)
    low, high = 0.0, cell.bandwidth - needed
    if high <= 1e-6 * cell.bandwidth:
        return _INFEASIBLE
    bandwidth = high * (1.0 - 1e-9)
    price = 0.0
    for step in range(8):
        price = _fill(cell, device, bandwidth, others)
        if price == 0.0:
            return _INFEASIBLE
        of_others = _split(
            cell, devices, senders, count, last, cell.bandwidth - bandwidth, step > 0
        )
        if of_others < 0.0:
            return _INFEASIBLE
        total = others + np.sqrt(device.bits)
        for s in range(count):
            if s != last:
                other = devices[senders[s]]
                cost = of_others * _hertz_per_bit(cell, other.bandwidth, other.efficiency)
                cost += cell.edge * total / np.sqrt(other.bits) + cell.edge_per_bit
                other.bits = _full(cell, other, cost)
        if of_others > price:
            high = bandwidth
        else:
            low = bandwidth
        if abs(of_others - price) < 1e-3 * price or high - low < 1e-3 * cell.bandwidth:
            break
        # The others' band at this one's price, to first order in the logarithm.
        given = 0.0
        log_ratio = np.log(price / of_others)
        for s in range(count):
            if s != last:
                other = devices[senders[s]]
                given += other.bandwidth * np.exp(-log_ratio / (other.efficiency * other.steepness))
        bandwidth = cell.bandwidth - given
        if not low < bandwidth < high:
            bandwidth = 0.5 * (low + high)
    cell.band_price = price
    return _gain(cell, devices, senders, count)


@compiled
def _may_fit(cell: Any, devices: Any, senders: IntArray, count: int) -> bool:
    """Whether all but one can send what their CPUs leave."""
    needed_sum, most_needed = 0.0, 0.0
    for s in range(count):
        device = devices[senders[s]]
        load = _full(cell, device, _INFINITE) / cell.bits_per_hz
        needed = load / _limit(cell, device, load)
        needed_sum += needed
        most_needed = max(most_needed, needed)
    return bool(needed_sum - most_needed < cell.bandwidth)


@compiled
def _allocate(cell: Any, devices: Any, senders: IntArray, count: int) -> float:
    """Bits, bandwidth and power of a set of senders.

    Returns:
        The cell's gain; `_INFEASIBLE` where more than one could not send in full.
    """
    if count <= 1:
        if count == 1:
            return _squeeze(cell, devices, senders, 1, 0)
        cell.band_price = 0.0
        return 0.0
    if not _may_fit(cell, devices, senders, count):
        return _INFEASIBLE
    for s in range(count):
        device = devices[senders[s]]
        device.bits = _full(cell, device, cell.edge * count + cell.edge_per_bit)
    price = _split(cell, devices, senders, count, -1, cell.bandwidth, False)
    roots = _roots(devices, senders, count, -1)
    for s in range(count):
        device = devices[senders[s]]
        cost = _INFINITE  # nothing fits: offload only what the CPU cannot execute
        if price >= 0.0:
            cost = price * _hertz_per_bit(cell, device.bandwidth, device.efficiency)
            cost += cell.edge * roots / np.sqrt(device.bits) + cell.edge_per_bit
        device.bits = _full(cell, device, cost)
    price = _split(cell, devices, senders, count, -1, cell.bandwidth, price >= 0.0)
    roots = _roots(devices, senders, count, -1)
    weakest, widest = 0, 0
    least_worth, most_needed, needed_sum = _INFINITE, 0.0, 0.0
    for s in range(count):
        device = devices[senders[s]]
        edge = cell.edge * roots / np.sqrt(device.bits) + cell.edge_per_bit
        worth = (device.net - edge) * cell.bits_per_hz * device.limit
        needed = device.bits / (cell.bits_per_hz * device.limit)
        needed_sum += needed
        if worth < least_worth:
            weakest, least_worth = s, worth
        if needed > most_needed:
            widest, most_needed = s, needed
    if price < 0.0:
        if needed_sum - most_needed > cell.bandwidth:
            return _INFEASIBLE
        bits = devices[senders[weakest]].bits
        gain = _squeeze(cell, devices, senders, count, weakest)
        if gain == _INFEASIBLE and widest != weakest:
            devices[senders[weakest]].bits = bits
            gain = _squeeze(cell, devices, senders, count, widest)
        return gain
    cell.band_price = price
    gain = _gain(cell, devices, senders, count)
    if least_worth < price:  # the weakest had better not send in full
        bits = devices[senders[weakest]].bits
        squeezed = _squeeze(cell, devices, senders, count, weakest)
        if squeezed >= gain:
            return squeezed
        devices[senders[weakest]].bits = bits
        cell.band_price = _split(cell, devices, senders, count, -1, cell.bandwidth, False)
        gain = _gain(cell, devices, senders, count)
    return gain


@compiled
def _members(devices: Any, senders: IntArray) -> int:
    """List who sends."""
    count = 0
    for i in range(len(devices)):
        if devices[i].sends:
            senders[count] = i
            count += 1
    return count


@compiled
def _exchange(cell: Any, devices: Any, senders: IntArray, best: float, a: int, b: int) -> float:
    """Let `a` send and `b` not (neither if negative); undo it, and allocate anew, if no gain."""
    if a >= 0:
        devices[a].sends = 1
    if b >= 0:
        devices[b].sends = 0
    gain = _allocate(cell, devices, senders, _members(devices, senders))
    if gain > best + 1e-9 * abs(best):
        return gain
    if a >= 0:
        devices[a].sends = 0
    if b >= 0:
        devices[b].sends = 1
    return _allocate(cell, devices, senders, _members(devices, senders))


@compiled
def _rank(cell: Any, devices: Any) -> IntArray:
    """Candidates, the most valuable first for what they take of the band and of the edge CPU."""
    score = np.empty(len(devices))
    roots = 0.0
    for i in range(len(devices)):
        roots += np.sqrt(devices[i].queue)
    for i in range(len(devices)):
        device = devices[i]
        load = device.queue / cell.bits_per_hz
        band = load / (_limit(cell, device, load) * cell.bandwidth)
        worth = (device.net - cell.edge - cell.edge_per_bit) * device.queue
        score[i] = -worth / (band + np.sqrt(device.queue) / roots)
    return np.argsort(score)


@compiled
def _reduced_gain(cell: Any, device: Any, others: float) -> float:
    """What a sender gains in full at the price of bandwidth: about what adding it would gain."""
    if cell.band_price <= 0.0:
        return float(device.net * device.queue)
    edge = cell.edge * (1.0 + others / np.sqrt(device.queue)) + cell.edge_per_bit
    bits = _full(cell, device, edge)
    load = bits / cell.bits_per_hz
    e = _limit(cell, device, load)
    limit = e
    local = _local_gain(cell, device, device.queue - bits)
    local -= _local_gain(cell, device, device.queue)
    gain = (device.net - cell.edge_per_bit) * bits + local
    gain -= cell.edge * (2.0 * others * np.sqrt(bits) + bits)
    if gain < cell.band_price * load / limit:
        return -1.0
    for _ in range(4):
        w = load / e
        growth = np.expm1(e)
        saving = _saving(cell, w, e, growth)
        steepness = _steepness(cell, w, e, growth, saving)
        excess = np.log(saving * device.price / (device.gain * cell.band_price))
        if e == limit and excess < 0.0:
            break
        e = min(max(e - excess / steepness, 0.3 * e), limit)
    w = load / e
    power = (cell.noise_per_hz * w + cell.disturbance) * np.expm1(e) / device.gain
    return float(gain - device.price * power - cell.band_price * w)


@compiled
def _next_exchange(cell: Any, devices: Any) -> tuple[int, int]:
    """Who would gain most by sending too, and who gains least by sending; -1 if nobody."""
    roots = 0.0
    for i in range(len(devices)):
        if devices[i].sends:
            roots += np.sqrt(devices[i].bits)
    entrant, leaver = -1, -1
    most, least = 0.0, _INFINITE
    for i in range(len(devices)):
        device = devices[i]
        if device.sends:
            device.score = _reduced_gain(cell, device, roots - np.sqrt(device.bits))
            if device.score < least:
                leaver, least = i, device.score
        else:
            device.score = _reduced_gain(cell, device, roots)
            if device.score > most:
                entrant, most = i, device.score
    return entrant, leaver


@compiled
def _search(cell: Any, devices: Any, senders: IntArray, fresh: bool) -> float:
    """Find who sends: the best prefix of a ranking, then single devices and swaps of two.

    Leaves the best set and its allocation in `devices`.

    Returns:
        The cell's gain.
    """
    n = len(devices)
    if cell.noise_per_hz == 0.0:
        for i in range(n):
            snr = devices[i].power_max * devices[i].gain / cell.disturbance
            devices[i].limit = max(np.log1p(snr), 1e-6)
    best = _INFEASIBLE
    if not fresh:
        best = _allocate(cell, devices, senders, _members(devices, senders))
    if best == _INFEASIBLE:
        _best_prefix(cell, devices, senders)
        best = _allocate(cell, devices, senders, _members(devices, senders))
    for _ in range(_ROUNDS):
        before = best
        entrant, leaver = _next_exchange(cell, devices)
        if entrant >= 0:
            best = _exchange(cell, devices, senders, best, entrant, -1)
        if best == before and leaver >= 0 and devices[leaver].score <= 0.0:
            best = _exchange(cell, devices, senders, best, -1, leaver)
        if best == before and entrant >= 0 and leaver >= 0:
            best = _exchange(cell, devices, senders, best, entrant, leaver)
        if best == before:
            break
    for i in range(n):
        if not devices[i].sends:
            devices[i].bits = 0.0
            devices[i].bandwidth = 0.0
            devices[i].power = 0.0
    return best


@compiled
def _best_prefix(cell: Any, devices: Any, senders: IntArray) -> None:
    """Let those send who come first in the ranking, as many as it is best."""
    order = _rank(cell, devices)
    best = 0.0
    length = 0
    count = 1
    while count <= len(devices):
        for s in range(count):
            senders[s] = order[s]
        gain = _allocate(cell, devices, senders, count)
        if gain > best:
            best, length = gain, count
        count += max(1, count // 4)
    for i in range(len(devices)):
        devices[order[i]].sends = 1 if i < length else 0


@compiled
def _true_gain(
    cells: Any,
    station: IntArray,
    gain: FloatArray,
    state: Any,
    power_cost: float,
    received: FloatArray,
    roots: FloatArray,
) -> float:
    """P2's gain over the idle decision, apart from the stations' service.

    Fills `received` (B,) with interference, `roots` (B,) with sums of sqrt(D), and in `state` (N,)
    the bits that the decided bandwidths and powers carry, and those left to the CPU.
    """
    received[:] = 0.0
    roots[:] = 0.0
    for i in range(len(state)):
        if station[i] > 0 and state[i].power > 0.0:
            for b in range(1, len(received)):
                if b != station[i]:
                    received[b] += state[i].power * gain[i, b]
    total = 0.0
    for i in range(len(state)):
        device = state[i]
        device.bits = 0.0
        device.capacity = 0.0
        if device.power > 0.0:
            cell = cells[station[i]]
            noise = cell.noise_per_hz * device.bandwidth + cell.noise + received[station[i]]
            device.capacity = cell.bits_per_hz * device.bandwidth
            device.capacity *= np.log1p(device.power * gain[i, station[i]] / noise)
            device.bits = min(device.capacity, device.queue - device.local_min)
            total += (device.value - cell.queue - cell.edge_per_bit) * device.bits
            total -= power_cost * device.power * device.bits / device.capacity
            roots[station[i]] += np.sqrt(device.bits)
        device.local = min(device.local_max, device.queue - device.bits)
        total += _local_gain(cells[0], device, device.local)
    for b in range(len(roots)):
        total -= cells[b].edge * roots[b] * roots[b]
    return total


@compiled
def _hear(cells: Any, leak: FloatArray, j: int) -> None:
    """Set the disturbance at a station: noise, and the interference of the other SBS cells."""
    cells[j].disturbance = cells[j].noise
    if j > 0:
        for b in range(1, len(cells)):
            if b != j:
                cells[j].disturbance += leak[b, j]


@compiled
def _leak(cell: Any, devices: Any, gain: FloatArray, leak: FloatArray) -> float:
    """Fill `leak` (B,) with the power that other stations hear from a cell.

    Returns:
        Lambda, what a watt of interference costs the cell: by the envelope theorem
        sum_i nu p_i / (-dp_i/dw (noise + I)), nu the price of bandwidth.
    """
    leak[:] = 0.0
    marginal = 0.0
    for i in range(len(devices)):
        device = devices[i]
        if device.sends:
            for b in range(1, len(leak)):
                leak[b] += device.power * gain[device.index, b]
            growth = np.expm1(device.efficiency)
            saving = _saving(cell, device.bandwidth, device.efficiency, growth)
            marginal += cell.band_price / saving * growth
    return marginal


@compiled
def _settle(cells: Any, devices: Any, first: IntArray, gain: FloatArray, leak: FloatArray) -> None:
    """Powers that keep everyone's rate at everyone's interference, as far as their limits allow."""
    for c in range(len(devices)):
        devices[c].score = np.expm1(devices[c].efficiency) / devices[c].gain
    for _ in range(2):
        for j in range(1, len(cells)):
            _hear(cells, leak, j)
            leak[j, :] = 0.0
            for c in range(first[j], first[j + 1]):
                device = devices[c]
                if device.sends:
                    noise = cells[j].noise_per_hz * device.bandwidth + cells[j].disturbance
                    device.power = min(noise * device.score, device.power_max)
                    for b in range(1, len(cells)):
                        leak[j, b] += device.power * gain[device.index, b]


@compiled
def _full_power_gain(cell: Any, device: Any, others: float, power_cost: float) -> float:
    """Best bits of a sender at full power, at its `capacity`; returns what they are worth alone."""
    cost = cell.edge_per_bit + power_cost * device.power_max / device.capacity
    bits = min(device.capacity, device.queue - device.local_min)
    if bits < device.capacity or device.queue - bits < device.local_max:
        edge = cell.edge * (1.0 + others / np.sqrt(bits))
        bits = min(device.capacity, _full(cell, device, cost + edge))
        if bits < device.capacity:
            # Radio and CPU draw on the queue in proportion: no less than beside a CPU at full speed.
            share = device.capacity / (device.capacity + device.cpu)
            bits = min(device.capacity, max(bits, device.queue * share))
    device.bits = bits
    local = _local_gain(cell, device, device.queue - bits)
    local -= _local_gain(cell, device, device.queue)
    return float((device.net - cost) * bits + local)


@compiled
def _at_full_power(
    cells: Any,
    candidates: Any,
    first: IntArray,
    gain: FloatArray,
    power_cost: float,
    received: FloatArray,
) -> float:
    """The senders' gain at full power, and their bits."""
    received[:] = 0.0
    for j in range(1, len(cells)):
        for c in range(first[j], first[j + 1]):
            device = candidates[c]
            if device.sends:
                for b in range(1, len(cells)):
                    if b != j:
                        received[b] += device.power_max * gain[device.index, b]
    total = 0.0
    for j in range(len(cells)):
        cell = cells[j]
        noise = cell.noise + received[j]
        roots = 0.0
        for c in range(first[j], first[j + 1]):
            device = candidates[c]
            if device.sends:
                sinr = device.power_max * device.gain
                sinr /= noise + cell.noise_per_hz * device.bandwidth
                device.capacity = cell.bits_per_hz * device.bandwidth * np.log1p(sinr)
                roots += np.sqrt(min(device.capacity, device.queue))
        others = 0.0
        for c in range(first[j], first[j + 1]):
            device = candidates[c]
            if device.sends:
                root = np.sqrt(min(device.capacity, device.queue))
                total += _full_power_gain(cell, device, roots - root, power_cost)
                others += np.sqrt(device.bits)
        total -= cell.edge * others * others
    return total


@compiled
def _optimise_compute(
    cells: Any,
    network: Any,
    candidates: Any,
    first: IntArray,
    station: IntArray,
    gain: FloatArray,
    members: IntArray,
    power_cost: float,
    target: float,
) -> None:
    """Who sends, at full power in an equal share of the band; set in `network` to the best met.

    First as many candidates as is best, by what each is worth alone; then, in small networks, each
    is switched if that is a gain. Gives up where all that they are worth alone does not exceed
    `target`, a gain over what is reached without sending.
    """
    received = np.zeros(len(cells))
    worth = np.empty(len(candidates))
    bound = 0.0
    for j in range(len(cells)):
        bandwidth = cells[j].bandwidth / max(members[j], 1)
        noise = cells[j].noise + cells[j].noise_per_hz * bandwidth
        for c in range(first[j], first[j + 1]):
            device = candidates[c]
            device.sends = 0
            device.bandwidth = bandwidth
            device.capacity = cells[j].bits_per_hz * bandwidth
            device.capacity *= np.log1p(device.power_max * device.gain / noise)
            worth[c] = _full_power_gain(cells[j], device, 0.0, power_cost)
            worth[c] -= cells[j].edge * device.bits
            bound += max(worth[c], 0.0)
    for i in range(len(network)):
        network[i].bandwidth = cells[station[i]].bandwidth / members[station[i]]
        network[i].power = 0.0
    if bound <= target:
        return
    order = np.argsort(-worth)
    best = 0.0
    length = 0
    count = 1
    while count <= len(candidates):
        for c in range(count):
            candidates[order[c]].sends = 1
        total = _at_full_power(cells, candidates, first, gain, power_cost, received)
        if total > best:
            best, length = total, count
        count += max(1, count // 2)
    for c in range(length, len(candidates)):
        candidates[order[c]].sends = 0
    switched = len(network) <= _FEW_TRIALS
    while switched:
        switched = False
        for c in range(len(candidates)):
            if worth[c] > 0.0:
                candidates[c].sends = 1 - candidates[c].sends
                total = _at_full_power(cells, candidates, first, gain, power_cost, received)
                if total > best + 1e-9 * abs(best):
                    best = total
                    switched = True
                else:
                    candidates[c].sends = 1 - candidates[c].sends
    _at_full_power(cells, candidates, first, gain, power_cost, received)
    for c in range(len(candidates)):
        device = candidates[c]
        if device.sends:
            network[device.index].power = device.power_max
            if device.bits < device.capacity:
                network[device.index].local_min = device.queue - device.bits


@compiled
def _trim(
    cells: Any,
    network: Any,
    station: IntArray,
    gain: FloatArray,
    power_cost: float,
    received: FloatArray,
    roots: FloatArray,
) -> None:
    """Take back power that would send more than there is, now that interference is settled."""
    for _ in range(5):
        _true_gain(cells, station, gain, network, power_cost, received, roots)
        trimmed = False
        for i in range(len(network)):
            device = network[i]
            if device.capacity > device.bits:
                cell = cells[station[i]]
                noise = cell.noise_per_hz * device.bandwidth + cell.noise + received[station[i]]
                sinr = np.expm1(device.bits / (cell.bits_per_hz * device.bandwidth))
                trimmed = trimmed or device.capacity > device.bits * (1.0 + 1e-9)
                device.power = min(device.power, noise * sinr / device.gain)
        if not trimmed:
            break


@compiled
def _optimise_radio(
    cells: Any,
    network: Any,
    candidates: Any,
    first: IntArray,
    station: IntArray,
    gain: FloatArray,
    power_cost: float,
    target: float,
) -> bool:
    """Set bandwidths and powers in `network` to the best that is met.

    Cells answer each other in turn, from several starts:

    0. every cell as if it were alone, which bounds the gain from above; if what is then met comes
       close, there is no need of another start;
    1. the cell that would gain most alone chooses first, the next one at its interference and
       prices, and so on;
    2. (small networks) the other way round;
    3. (small networks) as 0 and as 1, with one of the senders of the best decision so far barred.

    Gives up where the bound does not exceed `target`.

    Returns:
        Whether the gain comes close to the bound.
    """
    stations = len(cells)
    senders = np.empty(len(candidates), np.int64)
    received = np.empty(stations)
    roots = np.empty(stations)
    leak = np.empty((stations, stations))
    marginal = np.empty(stations)
    alone = np.zeros(stations)
    order = np.arange(stations)
    bandwidth = np.zeros(len(network))
    power = np.zeros(len(network))
    for i in range(len(network)):
        network[i].bandwidth = 0.0
        network[i].power = 0.0
    best = _true_gain(cells, station, gain, network, power_cost, received, roots)
    bound = best
    small = len(network) <= _SMALL_NETWORK
    for start in range(3 + 2 * len(candidates) if small else 2):
        barred = (start - 3) // 2 if start >= 3 else -1
        if barred >= 0 and power[candidates[barred].index] == 0.0:
            continue
        leak[:] = 0.0
        marginal[:] = 0.0
        last = -np.inf
        for sweep in range(2 * _SWEEPS if small else _SWEEPS):
            as_if_alone = sweep == 0 and (start == 0 or (start >= 3 and start % 2 == 1))
            for turn in range(stations):
                j = order[stations - 1 - turn] if start == 2 else order[turn]
                if first[j] == first[j + 1] or (j == 0 and start + sweep > 0):
                    continue  # the MBS has a band of its own: its first answer stands
                rivals = candidates[first[j] : first[j + 1]]
                cells[j].disturbance = cells[j].noise
                if not as_if_alone:
                    _hear(cells, leak, j)
                for i in range(len(rivals)):
                    device = rivals[i]
                    device.price = power_cost
                    if j > 0 and not as_if_alone:
                        for b in range(1, stations):
                            if b != j:
                                device.price += marginal[b] * gain[device.index, b]
                    if first[j] + i == barred:
                        device.price = _BARRED
                found = _search(cells[j], rivals, senders, sweep == 0)
                if start + sweep == 0:
                    alone[j] = found
                    bound += found
                if j > 0:
                    marginal[j] = _leak(cells[j], rivals, gain, leak[j])
            if bound <= target:
                return False
            _settle(cells, candidates, first, gain, leak)
            for c in range(len(candidates)):
                device = candidates[c]
                network[device.index].bandwidth = device.bandwidth
                network[device.index].power = device.power
            total = _true_gain(cells, station, gain, network, power_cost, received, roots)
            if total > best:
                best = total
                for i in range(len(network)):
                    bandwidth[i] = network[i].bandwidth
                    power[i] = network[i].power
            if abs(total - last) <= _PRECISION * abs(total):
                break
            last = total
        if bound - best <= _PRECISION * abs(bound):
            break
        order = np.argsort(-alone)
    for i in range(len(network)):
        network[i].bandwidth = bandwidth[i]
        network[i].power = power[i]
    _trim(cells, network, station, gain, power_cost, received, roots)
    return bound - best <= _PRECISION * abs(bound)


@compiled
def _may_send(cell: Any, device: Any) -> int:
    """1 if a bit could be worth offloading when it is the station's only one."""
    return int(
        device.net > cell.edge + cell.edge_per_bit
        and device.queue > device.local_min
        and device.power_max * device.gain
        > 1e-6 * (cell.noise + cell.noise_per_hz * cell.bandwidth)
    )


@compiled
def _by_cell(cells: Any, network: Any, station: IntArray, candidates: Any, first: IntArray) -> None:
    """Copy who may send to `candidates`: cell j's from first[j] up to first[j + 1]."""
    first[:] = 0
    for i in range(len(network)):
        first[station[i] + 1] += _may_send(cells[station[i]], network[i])
    for j in range(len(cells)):
        first[j + 1] += first[j]
    filled = first.copy()
    for i in range(len(network)):
        j = station[i]
        if _may_send(cells[j], network[i]):
            candidates[filled[j]] = network[i]
            filled[j] += 1


@compiled
def _choose_cpus(cells: Any, network: Any, members: IntArray, compute: bool) -> None:
    """How CPUs are used: as is best, or devices' at full speed and the stations' shared equally."""
    for j in range(len(cells)):
        cells[j].edge = cells[j].edge_cost if compute else 0.0
        cells[j].edge_per_bit = 0.0 if compute else cells[j].edge_cost * members[j]
    for i in range(len(network)):
        device = network[i]
        device.local_max = min(device.cpu, device.queue)
        device.local_min = device.local_max
        if compute:
            best = np.sqrt(max(device.value, 0.0) / cells[0].local)
            device.local_max = min(device.local_max, best)
            device.local_min = 0.0


@compiled
def _keep(network: Any) -> None:
    """Remember this decision."""
    for i in range(len(network)):
        device = network[i]
        device.kept_bandwidth = device.bandwidth
        device.kept_power = device.power
        device.kept_local_min = device.local_min


@compiled
def solve(
    cells: Any,
    station: IntArray,
    gain: FloatArray,
    queue_bits: FloatArray,
    station_queue_bits: FloatArray,
    value: FloatArray,
    power_max_w: FloatArray,
    local_limit_bits: FloatArray,
    power_cost: float,
    radio: bool,
    compute: bool,
) -> FloatArray:
    """Solve P2 for every replication.

    Args:
        cells: (B,) what `cells` gives.
        station: (R, N) of each device.
        gain: (R, N, B) power gains, path loss included.
        queue_bits: (R, N) Q_i.
        station_queue_bits: (R, B) Q_j.
        value: (R, N) v_i = V eta + Q_i - beta_i.
        power_max_w: (R, N) p_i,max.
        local_limit_bits: (N,) what a CPU can execute in a slot, tau f_i^l/c.
        power_cost: V tau.
        radio: bandwidth and power are optimised; else equal shares and full power.
        compute: CPUs are optimised; else devices' CPUs run at full speed, and edge CPUs are
            shared equally.

    Returns:
        (4, R, N) bandwidth, power, bits for the device's CPU, and share of the edge CPU.
    """
    replications, devices = station.shape
    decision = np.empty((4, replications, devices))
    stations = len(cells)
    network = np.zeros(devices, _DEVICE)
    candidates = np.zeros(devices, _DEVICE)
    first = np.zeros(stations + 1, np.int64)
    members = np.zeros(stations, np.int64)
    received = np.empty(stations)
    roots = np.empty(stations)
    for r in range(replications):
        members[:] = 0
        for i in range(devices):
            members[station[r, i]] += 1
        for j in range(stations):
            cells[j].queue = station_queue_bits[r, j]
        for i in range(devices):
            device = network[i]
            device.index = i
            device.queue = queue_bits[r, i]
            device.value = value[r, i]
            device.net = value[r, i] - station_queue_bits[r, station[r, i]]
            device.gain = gain[r, i, station[r, i]]
            device.power_max = power_max_w[r, i]
            device.cpu = local_limit_bits[i]
            device.power = 0.0
        _choose_cpus(cells, network, members, compute)
        _by_cell(cells, network, station[r], candidates, first)
        chosen = candidates[: first[stations]]
        alone = _true_gain(cells, station[r], gain[r], network, power_cost, received, roots)
        best = -np.inf
        certain = False
        if radio:
            certain = _optimise_radio(
                cells, network, chosen, first, station[r], gain[r], power_cost, -np.inf
            )
            best = _true_gain(cells, station[r], gain[r], network, power_cost, received, roots)
            _keep(network)
        if not certain:  # be no worse than with one part of the optimisation
            _optimise_compute(
                cells,
                network,
                chosen,
                first,
                station[r],
                gain[r],
                members,
                power_cost,
                best - alone,
            )
            total = _true_gain(cells, station[r], gain[r], network, power_cost, received, roots)
            if total > best:
                best = total
                _keep(network)
        if not certain and radio and compute:
            _choose_cpus(cells, network, members, False)
            _by_cell(cells, network, station[r], candidates, first)
            chosen = candidates[: first[stations]]
            _optimise_radio(cells, network, chosen, first, station[r], gain[r], power_cost, best)
            _choose_cpus(cells, network, members, True)
            total = _true_gain(cells, station[r], gain[r], network, power_cost, received, roots)
            if total > best:
                _keep(network)
        for i in range(devices):
            network[i].bandwidth = network[i].kept_bandwidth
            network[i].power = network[i].kept_power
            network[i].local_min = network[i].kept_local_min
        _true_gain(cells, station[r], gain[r], network, power_cost, received, roots)
        for i in range(devices):
            device = network[i]
            j = station[r, i]
            decision[0, r, i] = device.bandwidth
            decision[1, r, i] = device.power
            # Where radio and CPU could empty the queue together, they draw in proportion.
            local = device.local
            if 0.0 < device.bits < device.capacity:
                local *= device.capacity / device.bits
            decision[2, r, i] = min(local, device.cpu)
            if compute:
                decision[3, r, i] = np.sqrt(device.bits) / roots[j] if roots[j] > 0.0 else 0.0
            else:
                decision[3, r, i] = 1.0 / members[j]
    return decision
