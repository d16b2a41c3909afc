"""Allocation within a cell: how much a given set of senders offloads, with what band and power.

For given interference and prices rho_i of a watt, with D the bits offloaded and l those executed
locally, a cell's part of P2 is

    max  sum_i [k_i D_i + v_i l_i - a l_i^3 / 3 - rho_i p_i] - C (sum_i sqrt(D_i))^2

    over sum w_i <= W, p_i <= p_max and D_i + l_i <= Q_i.

C makes each further sender dearer for the others, and a radio has economies of scale: all senders but
at most one send in full, that is, all that their CPUs had better not execute. Those share a band by
Newton's method on its price (`_share`); the one that does not fit takes what is left
(`_partial_sender`). Which devices send is the matter of `senders`.
"""

from typing import Any

import numpy as np

from ....simulator.core.arrays import IntArray
from ....simulator.core.compiled import compiled, compiled_in_place
from ....simulator.core.elementary import exp, expm1, log, log1p

INFINITE = 1e300
INFEASIBLE = -INFINITE
_PRECISION = 0.15  # before the last Newton step, which converges quadratically


@compiled_in_place
def allocate(cell: Any, devices: Any, senders: IntArray) -> float:
    """Set bits, bandwidth and power of a set of senders, and the cell's price of bandwidth.

    Args:
        cell: record `CELL`.
        devices: (n,) records `DEVICE` of the cell.
        senders: (s,) which of them send.

    Returns:
        The cell's gain over offloading nothing, bit^2; `INFEASIBLE` where more than one could not
        send in full.
    """
    if len(senders) == 0:
        cell.band_price = 0.0
        return 0.0
    if len(senders) == 1:
        return _partial_sender(cell, devices, senders, senders[0])
    price = _share(cell, devices, senders, -1, cell.bandwidth)
    roots = _sum_roots(devices, senders, -1)
    weakest, widest = 0, 0
    least_worth, most_needed, needed_sum = INFINITE, 0.0, 0.0
    for i in senders:
        device = devices[i]
        edge = cell.edge * roots / np.sqrt(device.bits) + cell.edge_per_bit
        worth = (device.net - edge) * cell.bits_per_hz * device.efficiency_max
        needed = device.bits / (cell.bits_per_hz * device.efficiency_max)
        needed_sum += needed
        if worth < least_worth:
            weakest, least_worth = i, worth
        if needed > most_needed:
            widest, most_needed = i, needed
    if price >= 0.0:
        cell.band_price = price
        gain = _gain(cell, devices, senders)
        if least_worth >= price:
            return gain
        # The weakest had better not send in full.
        partial = _partial_sender(cell, devices, senders, weakest)
        if partial >= gain:
            return partial
        devices[weakest].bits = 0.0
        cell.band_price = _share(cell, devices, senders, -1, cell.bandwidth)
        if cell.band_price >= 0.0:
            return gain
        # They fitted in with fewer bits only, which an earlier set had left them.
    if needed_sum - most_needed > cell.bandwidth:
        return INFEASIBLE
    gain = _partial_sender(cell, devices, senders, weakest)
    if gain == INFEASIBLE and widest != weakest:
        devices[weakest].bits = full_bits(cell, devices[weakest], INFINITE)
        gain = _partial_sender(cell, devices, senders, widest)
    return gain


@compiled
def local_gain(cell: Any, device: Any, bits: float) -> float:
    """What the device's own CPU is worth when at most `bits` are left to it, bit^2."""
    local = min(device.local_max, bits)
    return float(device.value * local - device.local_cost * local * local * local / 3.0)


@compiled
def full_bits(cell: Any, device: Any, bit_cost: float) -> float:
    """D of a sender whose CPU executes only what offloading at `bit_cost` would not do cheaper."""
    local = device.local_max
    if device.local_min < local:
        best = np.sqrt((cell.queue + bit_cost) / device.local_cost)
        local = max(device.local_min, min(local, best))
    return float(max(device.queue - local, 1e-3 * device.queue))


@compiled
def efficiency_of(cell: Any, sinr: float) -> float:
    """Of a link, ln(1 + SINR), as far as links carry it, and never zero."""
    return float(max(min(log1p(sinr), cell.efficiency_cap), 1e-6))


@compiled
def greatest_efficiency(cell: Any, device: Any, load: float) -> float:
    """The efficiency e at which `load` = D / kappa = w e takes all the power, or the cap."""
    snr = device.power_max * device.gain
    if cell.noise_per_hz == 0.0:
        if device.efficiency_max == 0.0:
            device.efficiency_max = efficiency_of(cell, snr / cell.disturbance)
        return float(device.efficiency_max)
    # e = ln(1 + SINR(e)), whose right side is concave in e: Newton's method from beyond the root.
    e = device.efficiency_max
    if e <= 1e-3:
        e = max(load / cell.bandwidth, 1e-6)
    for _ in range(30):
        diluted = cell.noise_per_hz * load / e
        sinr = snr / (cell.disturbance + diluted)
        slope = sinr / (1.0 + sinr) * diluted / ((cell.disturbance + diluted) * e)
        step = (log1p(sinr) - e) / (1.0 - slope) if slope < 0.99 else 2.0 * e
        e = max(e + step, 1e-6)
        if abs(step) <= 1e-4 * e:
            break
    return float(min(e, cell.efficiency_cap))


@compiled
def power_saving(cell: Any, bandwidth: float, efficiency: float, growth: float) -> float:
    """-dp/dw for given bits, times the channel gain; `growth` = exp(e) - 1, the SINR."""
    steep = efficiency * (1.0 + growth)
    curved = steep - growth if efficiency > 1e-3 else 0.5 * efficiency * efficiency
    return float(cell.noise_per_hz * curved + cell.disturbance * steep / bandwidth)


@compiled
def steepness(cell: Any, bandwidth: float, efficiency: float, growth: float, saved: float) -> float:
    """The derivative of ln(-dp/dw) with respect to e, for given bits."""
    slope = cell.noise_per_hz * efficiency + cell.disturbance * (2.0 + efficiency) / bandwidth
    return float((1.0 + growth) * slope / saved)


@compiled_in_place
def _share(cell: Any, devices: Any, senders: IntArray, skip: int, bandwidth: float) -> float:
    """Share a band among senders, but `skip` (-1: nobody), who send in full.

    KKT: -rho_i dp_i/dw_i = nu for all whose power is below its limit, and sum w_i = bandwidth; D_i
    is what a CPU had better not execute at the cost of a further bit. Newton's method on all
    efficiencies and ln nu at once, with the bits brought up to date after each step, so linear in
    the number of senders. Starts from the efficiencies and bits that are there, where there are any.

    Returns:
        nu; -1 if the bits do not fit even with all power.
    """
    load, roots = _full_load(cell, devices, senders, skip, bandwidth)
    if load < 0.0:
        return -1.0
    for i in senders:
        if i != skip:
            start = devices[i].efficiency if devices[i].efficiency > 0.0 else load / bandwidth
            devices[i].efficiency = min(start, devices[i].efficiency_max)
    log_price, bits_price, elastic = INFINITE, 0.0, 0.0
    for _ in range(20):
        weight, pull, steepest = elastic, elastic * bits_price - bandwidth, -INFINITE
        for i in senders:
            if i == skip:
                continue
            device = devices[i]
            w = _differentiate(cell, device)
            pull += w
            steepest = max(steepest, device.log_saving)
            if device.efficiency < device.efficiency_max or device.log_saving > log_price:
                per_log = w / (device.efficiency * device.steepness)
                weight += per_log
                pull += per_log * device.log_saving
        if weight == 0.0:  # all at their limits: next, the one that saves most may leave its own
            log_price = steepest - 1e-9
            continue
        log_price = bits_price = pull / weight
        change, elastic, roots = _newton_step(cell, devices, senders, skip, log_price, roots)
        if change < _PRECISION:
            break
    _hand_out(cell, devices, senders, skip, bandwidth)
    return float(exp(log_price))


@compiled_in_place
def _full_load(
    cell: Any, devices: Any, senders: IntArray, skip: int, bandwidth: float
) -> tuple[float, float]:
    """Set the bits of who has none and the greatest efficiencies; all to the fewest bits if need be.

    Returns:
        Sum of the loads D / kappa, -1 if they do not fit even with all power; sum of sqrt(D).
    """
    load_sum, needed, roots = 0.0, 0.0, 0.0
    for i in senders:
        device = devices[i]
        if i != skip:
            if device.bits == 0.0:
                cost = cell.edge * len(senders) + cell.edge_per_bit
                device.bits = full_bits(cell, device, cost)
                device.efficiency = 0.0
            load = device.bits / cell.bits_per_hz
            device.efficiency_max = greatest_efficiency(cell, device, load)
            load_sum += load
            needed += load / device.efficiency_max
        roots += np.sqrt(device.bits)
    if needed > bandwidth:
        load_sum, needed = 0.0, 0.0
        for i in senders:
            if i != skip:
                device = devices[i]
                device.bits = full_bits(cell, device, INFINITE)
                load = device.bits / cell.bits_per_hz
                device.efficiency_max = greatest_efficiency(cell, device, load)
                load_sum += load
                needed += load / device.efficiency_max
    return (-1.0 if needed > bandwidth else load_sum), roots


@compiled
def _differentiate(cell: Any, device: Any) -> float:
    """Set a sender's derivatives at its bits and efficiency; returns its bandwidth."""
    e = device.efficiency
    w = device.bits / (cell.bits_per_hz * e)
    growth = exp(e) - 1.0
    saved = power_saving(cell, w, e, growth)
    device.log_saving = log(saved * device.power_price / device.gain)
    device.steepness = steepness(cell, w, e, growth, saved)
    if device.local_min < device.local_max:
        device.hz_per_bit = (cell.noise_per_hz + cell.disturbance / w) * (1.0 + growth)
        device.hz_per_bit /= cell.bits_per_hz * saved  # (dp/dD) / (-dp/dw)
    return float(w)


@compiled_in_place
def _newton_step(
    cell: Any, devices: Any, senders: IntArray, skip: int, log_price: float, roots: float
) -> tuple[float, float, float]:
    """Move efficiencies and bits to a price of bandwidth.

    Returns:
        Their greatest relative change; by how many hertz the bits fall as the price's logarithm
        grows; sum of sqrt(D), which was `roots`.
    """
    price = exp(log_price)
    change, elastic, roots_after = 0.0, 0.0, 0.0
    for i in senders:
        device = devices[i]
        if i != skip:
            e = device.efficiency
            wanted = e + (log_price - device.log_saving) / device.steepness
            device.efficiency = min(max(wanted, 0.3 * e), device.efficiency_max)
            change = max(change, abs(device.efficiency - e) / e)
            cost = 0.0
            if device.local_min < device.local_max:  # else the bits do not depend on it
                cost = price * device.hz_per_bit + cell.edge_per_bit
                cost += cell.edge * roots / np.sqrt(device.bits)
            bits = full_bits(cell, device, cost)
            change = max(change, abs(device.bits - bits) / bits)
            device.bits = bits
            local = device.queue - bits
            if device.local_min < local < device.local_max:
                per_log = 0.5 * local / (cell.queue + cost) * price * device.hz_per_bit
                elastic += per_log / (cell.bits_per_hz * device.efficiency)
        roots_after += np.sqrt(device.bits)
    return change, elastic, roots_after


@compiled_in_place
def _hand_out(cell: Any, devices: Any, senders: IntArray, skip: int, bandwidth: float) -> None:
    """Give the whole band away, in proportion to what all need, and set the powers."""
    total = 0.0
    for i in senders:
        if i != skip:
            total += devices[i].bits / (cell.bits_per_hz * devices[i].efficiency)
    for i in senders:
        if i == skip:
            continue
        device = devices[i]
        w = device.bits / (cell.bits_per_hz * device.efficiency) * bandwidth / total
        noise = cell.noise_per_hz * w + cell.disturbance
        e = device.efficiency * total / bandwidth
        power = noise * expm1(e) / device.gain
        # What is left over for it may fall short of its bits.
        if e > cell.efficiency_cap:
            e = cell.efficiency_cap
            power = noise * expm1(e) / device.gain
            device.bits = cell.bits_per_hz * w * e
        if power > device.power_max:
            power = device.power_max
            e = log1p(power * device.gain / noise)
            device.bits = cell.bits_per_hz * w * e
        device.bandwidth, device.efficiency, device.power = w, e, power


@compiled_in_place
def _partial_sender(cell: Any, devices: Any, senders: IntArray, partial: int) -> float:
    """All senders but one send in full; that one takes the bandwidth that is best for it.

    Returns:
        The cell's gain, or `INFEASIBLE`.
    """
    device = devices[partial]
    if len(senders) == 1:
        cell.band_price = _single_sender(cell, device, cell.bandwidth, 0.0)
        return _gain(cell, devices, senders) if cell.band_price > 0.0 else INFEASIBLE
    needed = 0.0
    for i in senders:
        if i != partial:
            load = devices[i].bits / cell.bits_per_hz
            needed += load / greatest_efficiency(cell, devices[i], load)
    low, high = 0.0, cell.bandwidth - needed
    if high <= 1e-6 * cell.bandwidth:
        return INFEASIBLE
    bandwidth = high * (1.0 - 1e-9)
    for _ in range(3):
        price = _single_sender(cell, device, bandwidth, _sum_roots(devices, senders, partial))
        if price == 0.0:
            return INFEASIBLE
        of_others = _share(cell, devices, senders, partial, cell.bandwidth - bandwidth)
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
        log_ratio = log(price / of_others)
        for i in senders:
            if i != partial:
                other = devices[i]
                given += other.bandwidth * exp(-log_ratio / (other.efficiency * other.steepness))
        bandwidth = cell.bandwidth - given
        if not low < bandwidth < high:
            bandwidth = 0.5 * (low + high)
    return _gain(cell, devices, senders)


@compiled
def _single_sender(cell: Any, device: Any, bandwidth: float, others: float) -> float:
    """Set the best bits and power of one sender in a given bandwidth.

    Args:
        cell: its cell.
        device: the sender.
        bandwidth: w_i, Hz.
        others: sum of sqrt(D) over the other senders.

    Returns:
        What a further hertz is worth to it; 0 if it had better not send.
    """
    noise = cell.noise_per_hz * bandwidth + cell.disturbance
    scale = cell.bits_per_hz * bandwidth
    snr = device.power_max * device.gain / noise
    most = scale * min(log1p(snr), cell.efficiency_cap)
    most = min(most, device.queue - device.local_min)
    watt = device.power_price * noise / (device.gain * scale)
    bits = most
    for _ in range(30):
        if bits <= 1e-3 * device.queue:
            return 0.0
        edge = cell.edge * (1.0 + others / np.sqrt(bits)) + cell.edge_per_bit
        if edge >= device.net:
            return 0.0
        radio = watt * exp(bits / scale)
        # The CPU must not be the cheaper one: a Newton step.
        local = np.sqrt((cell.queue + edge + radio) / device.local_cost)
        slope = 0.5 * local / (cell.queue + edge + radio) * radio / scale
        if local > device.local_max:
            local, slope = device.local_max, 0.0
        elif local < device.local_min:
            local, slope = device.local_min, 0.0
        wanted = min(bits - (bits - (device.queue - local)) / (1.0 + slope), most)
        # The last bit must be worth its cost.
        worth = device.net - edge
        if radio > worth or wanted > bits:
            wanted = min(wanted, scale * log(max(worth / watt, 1.0)))
        done = abs(wanted - bits) <= 1e-3 * bits
        bits = wanted
        if done:
            break
    device.bits = bits
    device.bandwidth = bandwidth
    device.efficiency = bits / scale
    growth = expm1(device.efficiency)
    device.power = min(noise * growth / device.gain, device.power_max)
    marginal = watt * (1.0 + growth)
    at_cap = device.efficiency >= cell.efficiency_cap * (1.0 - 1e-9)
    if at_cap or device.power >= device.power_max * (1.0 - 1e-9):
        edge = cell.edge * (1.0 + others / np.sqrt(bits)) + cell.edge_per_bit
        left = device.queue - bits
        own_cpu = device.net - edge
        if left < device.local_max:
            own_cpu = device.value - device.local_cost * left * left - cell.queue - edge
        marginal = max(marginal, own_cpu)
    if at_cap:  # a further hertz carries as much as each, with as much power
        worth = marginal * cell.bits_per_hz * device.efficiency
        worth -= device.power_price * cell.noise_per_hz * growth / device.gain
        return float(max(worth, 1e-300))
    dilution = growth / (1.0 + growth) * cell.noise_per_hz * bandwidth / noise
    return float(marginal * cell.bits_per_hz * (device.efficiency - dilution))


@compiled_in_place
def _sum_roots(devices: Any, senders: IntArray, skip: int) -> float:
    """Sum of sqrt(D) over the senders but `skip` (-1: nobody)."""
    total = 0.0
    for i in senders:
        if i != skip:
            total += np.sqrt(devices[i].bits)
    return total


@compiled_in_place
def _gain(cell: Any, devices: Any, senders: IntArray) -> float:
    """The cell's objective, over what it is when nobody sends."""
    total = 0.0
    for i in senders:
        device = devices[i]
        local = local_gain(cell, device, device.queue - device.bits)
        local -= local_gain(cell, device, device.queue)
        total += (device.net - cell.edge_per_bit) * device.bits + local
        total -= device.power_price * device.power
    roots = _sum_roots(devices, senders, -1)
    return float(total - cell.edge * roots * roots)


@compiled_in_place
def most_bits(device: Any) -> float:
    """Bits that a device may want to send: what its CPU, at its best, leaves."""
    return float(max(device.queue - device.local_max, 1e-3 * device.queue))
