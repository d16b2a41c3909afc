"""One cell's part of P2: which of its devices offload, how much, and with what band and power.

For given interference and prices rho_i of a watt, with D the bits offloaded and l those executed
locally,

    max  sum_i [k_i D_i + v_i l_i - V varsigma c^3/tau^2 l_i^3 - rho_i p_i] - C (sum_i sqrt(D_i))^2

    over sum w_i <= W, p_i <= p_max and D_i + l_i <= Q_i.

C makes each further sender dearer for the others, and a radio has economies of scale: all senders but
at most one send all that their CPUs had better not execute. So the problem is which set sends, see
`p2_search`. Here a given set is served: its band and bits by Newton's method on the price of
bandwidth (`_share`); the one sender that does not fit takes the rest (`_squeeze`).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....simulator.core.arrays import IntArray
from ....simulator.core.compiled import compiled
from ....simulator.stream.problem import DriftPlusPenalty

# A device that may offload, in the cell being solved.
DEVICE = np.dtype(
    [
        ("index", np.int64),  # its column in the network
        ("hopeful", np.int64),  # 1 if alone in the whole band, its first bit is worth its cost
        ("sends", np.int64),  # 1 in the set of senders
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
        ("kept_bandwidth", np.float64),  # of the best decision so far
        ("kept_power", np.float64),
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


def cells(problem: DriftPlusPenalty) -> NDArray[np.void]:
    """(B,) what P2 needs to know of each station; the rest of the fields are scratch."""
    network = problem.network
    records = np.zeros(network.stations, _CELL)
    records["bandwidth"] = network.station_bandwidth_hz
    records["bits_per_hz"] = network.slot_s / np.log(2.0)
    if network.noise_model == "total":
        records["noise"] = network.noise_w
    else:
        records["noise_per_hz"] = network.noise_w / network.station_bandwidth_hz
    cycles = network.cycles_per_bit
    records["edge_cost"] = problem.V * network.epsilon_w * cycles / network.station_cpu_hz
    records["local"] = problem.local_cost
    return records


INFINITE = 1e300
INFEASIBLE = -INFINITE
_PRECISION = 0.15  # before the last Newton step, which converges quadratically


@compiled
def local_gain(cell: Any, device: Any, bits: float) -> float:
    """What the device's own CPU is worth when at most `bits` are left to it."""
    local = min(device.local_max, bits)
    return float(device.value * local - cell.local * local * local * local / 3.0)


@compiled
def saving(cell: Any, bandwidth: float, efficiency: float, growth: float) -> float:
    """-dp/dw for given bits, times the channel gain; `growth` = exp(e) - 1, the SINR."""
    steep = efficiency * (1.0 + growth)
    curved = steep - growth if efficiency > 1e-3 else 0.5 * efficiency * efficiency
    return float(cell.noise_per_hz * curved + cell.disturbance * steep / bandwidth)


@compiled
def steepness(cell: Any, bandwidth: float, efficiency: float, growth: float, saved: float) -> float:
    """The derivative of ln(-dp/dw) with respect to e, for given bits."""
    slope = cell.noise_per_hz * efficiency + cell.disturbance * (2.0 + efficiency) / bandwidth
    return float((1.0 + growth) * slope / saved)


@compiled
def limit(cell: Any, device: Any, load: float) -> float:
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
        if abs(step) <= 1e-4 * e:
            break
    return float(e)


@compiled
def full(cell: Any, device: Any, bit_cost: float) -> float:
    """D of a device that executes locally only what offloading at `bit_cost` would not do cheaper."""
    local = np.sqrt((cell.queue + bit_cost) / cell.local)
    local = max(device.local_min, min(device.local_max, local))
    return float(max(device.queue - local, 1e-3 * device.queue))


@compiled
def _share(
    cell: Any, devices: Any, senders: IntArray, count: int, skip: int, bandwidth: float
) -> float:
    """Share a band among senders, but `skip`, who send in full.

    KKT: -rho_i dp_i/dw_i = nu for all whose power is below its limit, and sum w_i = bandwidth; D_i
    is what a CPU had better not execute at the cost of a further bit. Newton's method on all
    efficiencies and ln nu at once, with the bits brought up to date after each step, so linear in
    `count`. Starts from the efficiencies and bits that are there, where there are any.

    Returns:
        nu; -1 if the bits do not fit even with all power.
    """
    load_sum, needed, roots = 0.0, 0.0, 0.0
    for s in range(count):
        device = devices[senders[s]]
        if s != skip:
            if device.bits == 0.0:
                device.bits = full(cell, device, cell.edge * count + cell.edge_per_bit)
                device.efficiency = 0.0
            load = device.bits / cell.bits_per_hz
            device.limit = limit(cell, device, load)
            load_sum += load
            needed += load / device.limit
        roots += np.sqrt(device.bits)
    if needed > bandwidth:
        load_sum, needed = 0.0, 0.0
        for s in range(count):
            device = devices[senders[s]]
            if s != skip:
                device.bits = full(cell, device, INFINITE)
                load = device.bits / cell.bits_per_hz
                device.limit = limit(cell, device, load)
                load_sum += load
                needed += load / device.limit
        if needed > bandwidth:
            return -1.0
    for s in range(count):
        device = devices[senders[s]]
        if s != skip:
            start = device.efficiency if device.efficiency > 0.0 else load_sum / bandwidth
            device.efficiency = min(start, device.limit)
    log_price, bits_price, elastic = INFINITE, 0.0, 0.0
    for _ in range(20):
        weight = elastic
        pull = elastic * bits_price - bandwidth
        steepest = -INFINITE
        for s in range(count):
            if s == skip:
                continue
            device = devices[senders[s]]
            e = device.efficiency
            w = device.bits / (cell.bits_per_hz * e)
            growth = np.exp(e) - 1.0
            saved = saving(cell, w, e, growth)
            device.log_saving = np.log(saved * device.price / device.gain)
            device.steepness = steepness(cell, w, e, growth, saved)
            # (dp/dD) / (-dp/dw): the bandwidth that makes up for one more bit at the same power.
            device.score = (cell.noise_per_hz + cell.disturbance / w) * (1.0 + growth)
            device.score /= cell.bits_per_hz * saved
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
        price = np.exp(log_price)
        change = 0.0
        bits_price, elastic = log_price, 0.0
        before, roots_after = roots, 0.0
        for s in range(count):
            device = devices[senders[s]]
            if s != skip:
                e = device.efficiency
                wanted = e + (log_price - device.log_saving) / device.steepness
                device.efficiency = min(max(wanted, 0.3 * e), device.limit)
                change = max(change, abs(device.efficiency - e) / e)
                cost = price * device.score + cell.edge_per_bit
                cost += cell.edge * before / np.sqrt(device.bits)
                bits = full(cell, device, cost)
                change = max(change, abs(device.bits - bits) / bits)
                device.bits = bits
                local = device.queue - bits
                if device.local_min < local < device.local_max:
                    per_log = 0.5 * local / (cell.queue + cost) * price * device.score
                    elastic += per_log / (cell.bits_per_hz * device.efficiency)
            roots_after += np.sqrt(device.bits)
        roots = roots_after
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
            w = device.bits / (cell.bits_per_hz * device.efficiency) * bandwidth / total
            noise = cell.noise_per_hz * w + cell.disturbance
            e = device.efficiency * total / bandwidth
            power = noise * np.expm1(e) / device.gain
            if power > device.power_max:  # what is left over for it falls short of its bits
                power = device.power_max
                e = np.log1p(power * device.gain / noise)
                device.bits = cell.bits_per_hz * w * e
            device.bandwidth, device.efficiency, device.power = w, e, power
    return float(np.exp(log_price))


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
    snr = device.power_max * device.gain / noise
    most = min(scale * np.log1p(snr), device.queue - device.local_min)
    watt = device.price * noise / (device.gain * scale)
    bits = most
    for _ in range(30):
        if bits <= 1e-3 * device.queue:
            return 0.0
        edge = cell.edge * (1.0 + others / np.sqrt(bits)) + cell.edge_per_bit
        if edge >= device.net:
            return 0.0
        radio = watt * np.exp(bits / scale)
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
            wanted = min(wanted, scale * np.log(max(worth / watt, 1.0)))
        done = abs(wanted - bits) <= 1e-3 * bits
        bits = wanted
        if done:
            break
    device.bits = bits
    device.bandwidth = bandwidth
    device.efficiency = bits / scale
    growth = np.expm1(device.efficiency)
    device.power = min(noise * growth / device.gain, device.power_max)
    marginal = watt * (1.0 + growth)
    if device.power >= device.power_max * (1.0 - 1e-9):
        edge = cell.edge * (1.0 + others / np.sqrt(bits)) + cell.edge_per_bit
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
        local = local_gain(cell, device, device.queue - device.bits)
        local -= local_gain(cell, device, device.queue)
        total += (device.net - cell.edge_per_bit) * device.bits + local
        total -= device.price * device.power
    roots = _roots(devices, senders, count, -1)
    return float(total - cell.edge * roots * roots)


@compiled
def _squeeze(cell: Any, devices: Any, senders: IntArray, count: int, last: int) -> float:
    """All senders but the `last` send in full; that one takes the bandwidth that is best for it."""
    device = devices[senders[last]]
    if count == 1:
        cell.band_price = _fill(cell, device, cell.bandwidth, 0.0)
        return _gain(cell, devices, senders, count) if cell.band_price > 0.0 else INFEASIBLE
    needed = 0.0
    for s in range(count):
        if s != last:
            other = devices[senders[s]]
            load = other.bits / cell.bits_per_hz
            needed += load / limit(cell, other, load)
    low, high = 0.0, cell.bandwidth - needed
    if high <= 1e-6 * cell.bandwidth:
        return INFEASIBLE
    bandwidth = high * (1.0 - 1e-9)
    for _ in range(3):
        price = _fill(cell, device, bandwidth, _roots(devices, senders, count, last))
        if price == 0.0:
            return INFEASIBLE
        of_others = _share(cell, devices, senders, count, last, cell.bandwidth - bandwidth)
        if of_others < 0.0:
            return INFEASIBLE
        cell.band_price = price
        if of_others > price:
            high = bandwidth
        else:
            low = bandwidth
        if abs(of_others - price) < _PRECISION * price or high - low < 0.01 * cell.bandwidth:
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
    return _gain(cell, devices, senders, count)


@compiled
def allocate(cell: Any, devices: Any, senders: IntArray, count: int) -> float:
    """Bits, bandwidth and power of a set of senders.

    Returns:
        The cell's gain; `INFEASIBLE` where more than one could not send in full.
    """
    if count <= 1:
        if count == 1:
            return _squeeze(cell, devices, senders, 1, 0)
        cell.band_price = 0.0
        return 0.0
    price = _share(cell, devices, senders, count, -1, cell.bandwidth)
    roots = _roots(devices, senders, count, -1)
    weakest, widest = 0, 0
    least_worth, most_needed, needed_sum = INFINITE, 0.0, 0.0
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
            return INFEASIBLE
        gain = _squeeze(cell, devices, senders, count, weakest)
        if gain == INFEASIBLE and widest != weakest:
            device = devices[senders[weakest]]
            device.bits = full(cell, device, INFINITE)
            gain = _squeeze(cell, devices, senders, count, widest)
        return gain
    cell.band_price = price
    gain = _gain(cell, devices, senders, count)
    if least_worth < price:  # the weakest had better not send in full
        squeezed = _squeeze(cell, devices, senders, count, weakest)
        if squeezed >= gain:
            return squeezed
        devices[senders[weakest]].bits = 0.0
        cell.band_price = _share(cell, devices, senders, count, -1, cell.bandwidth)
    return gain
