"""One cell's part of P2: which of its devices send.

Approximate: the best prefix of a ranking, then single devices are added, taken out or swapped.
"""

from typing import Any

import numpy as np

from ....simulator.core.arrays import FloatArray, IntArray
from ....simulator.core.compiled import compiled
from .allocation import (
    INFEASIBLE,
    INFINITE,
    allocate,
    full,
    limit,
    local_gain,
    saving,
    steepness,
)

_NOTICEABLE = 1e-3  # of a cell's gain
_ROUNDS = 8  # of changes of a set of senders
_HANDFUL = 32  # values that are best sorted by insertion
_FINEST = 32  # a prefix is found to one part in so many; what is left is for the changes


@compiled
def copy(source: Any, target: Any, count: int) -> None:
    """Copy records one by one, which numba does without a temporary array."""
    for i in range(count):
        target[i] = source[i]


@compiled
def descending(value: FloatArray) -> IntArray:
    """The order of values, the greatest first; argsort takes ten times as long for a handful."""
    count = len(value)
    if count > _HANDFUL:
        return np.argsort(-value)
    order = np.empty(count, np.int64)
    for i in range(count):
        place = i
        while place > 0 and value[order[place - 1]] < value[i]:
            order[place] = order[place - 1]
            place -= 1
        order[place] = i
    return order


@compiled
def _try(cell: Any, devices: Any, senders: IntArray) -> float:
    """Allocate to those who send."""
    count = 0
    for i in range(len(devices)):
        if devices[i].sends:
            senders[count] = i
            count += 1
    return allocate(cell, devices, senders, count)


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
        band = load / (limit(cell, device, load) * cell.bandwidth)
        worth = (device.net - cell.edge - cell.edge_per_bit) * device.queue
        score[i] = worth / (band + np.sqrt(device.queue) / roots) if device.hopeful else -np.inf
    return descending(score)


@compiled
def _let_prefix(cell: Any, devices: Any, senders: IntArray, order: IntArray, count: int) -> float:
    """Allocate to the first `count` in an order."""
    for i in range(len(devices)):
        device = devices[order[i]]
        device.sends = int(i < count)
        if i >= count:
            device.bits = 0.0
    return _try(cell, devices, senders)


@compiled
def _best_prefix(cell: Any, devices: Any, senders: IntArray, spare: Any, n: int) -> float:
    """Let those of the `n` hopeful send who come first in the ranking, as many as it is best.

    From as many as fit at full power, up and down in ever smaller steps.

    Returns:
        The cell's gain.
    """
    order = _rank(cell, devices)
    count = 0
    needed = 0.0
    for s in range(n):
        device = devices[order[s]]
        load = full(cell, device, INFINITE) / cell.bits_per_hz
        needed += load / limit(cell, device, load)
        if needed > cell.bandwidth:
            break
        count += 1
    for i in range(len(devices)):
        devices[i].sends = 0
        devices[i].bits = 0.0
    at = max(1, count)
    best = _let_prefix(cell, devices, senders, order, at)
    price = cell.band_price
    copy(devices, spare, len(devices))
    step, sign, turned = max(1, at // 4), 1, False
    while step * _FINEST > at:
        trial = at + sign * step
        gain = INFEASIBLE
        if 1 <= trial <= n:
            gain = _let_prefix(cell, devices, senders, order, trial)
        if gain > best:
            at, best, price, turned = trial, gain, cell.band_price, True
            copy(devices, spare, len(devices))
        elif not turned:
            sign, turned = -1, True
        else:
            step, sign, turned = step // 2, 1, False
    copy(spare, devices, len(devices))
    cell.band_price = price
    if best <= 0.0:
        best = _let_prefix(cell, devices, senders, order, 0)
    return best


@compiled
def _reduced_gain(cell: Any, device: Any, others: float) -> float:
    """What a sender gains in full at the price of bandwidth: about what adding it would gain."""
    if cell.band_price <= 0.0:
        return float(device.net * device.queue)
    edge = cell.edge * (1.0 + others / np.sqrt(device.queue)) + cell.edge_per_bit
    bits = full(cell, device, edge)
    load = bits / cell.bits_per_hz
    e = limit(cell, device, load)
    cap = e
    local = local_gain(cell, device, device.queue - bits)
    local -= local_gain(cell, device, device.queue)
    gain = (device.net - cell.edge_per_bit) * bits + local
    gain -= cell.edge * (2.0 * others * np.sqrt(bits) + bits)
    if gain < cell.band_price * load / cap:
        return -1.0
    w, growth = 0.0, 0.0
    for _ in range(4):
        w = load / e
        growth = np.exp(e) - 1.0
        saved = saving(cell, w, e, growth)
        excess = np.log(saved * device.price / (device.gain * cell.band_price))
        if (e == cap and excess < 0.0) or abs(excess) < 0.1:
            break
        e = min(max(e - excess / steepness(cell, w, e, growth, saved), 0.3 * e), cap)
    power = (cell.noise_per_hz * w + cell.disturbance) * growth / device.gain
    return float(gain - device.price * power - cell.band_price * w)


@compiled
def _next_exchange(cell: Any, devices: Any, noticeable: float) -> tuple[int, int]:
    """Who would gain most by sending too, and who gains least by sending; -1 if nobody."""
    roots = 0.0
    for i in range(len(devices)):
        if devices[i].sends:
            roots += np.sqrt(devices[i].bits)
    entrant, leaver = -1, -1
    most, least = noticeable, INFINITE
    for i in range(len(devices)):
        device = devices[i]
        if device.sends:
            device.score = _reduced_gain(cell, device, roots - np.sqrt(device.bits))
            if device.score < least:
                leaver, least = i, device.score
        elif device.hopeful:
            device.score = _reduced_gain(cell, device, roots)
            if device.score > most:
                entrant, most = i, device.score
    return entrant, leaver


@compiled
def _exchange(
    cell: Any, devices: Any, senders: IntArray, spare: Any, best: float, entrant: int, leaver: int
) -> float:
    """Let one send and another not (neither if negative), unless that is no gain."""
    price = cell.band_price
    copy(devices, spare, len(devices))
    if entrant >= 0:
        devices[entrant].sends = 1
        devices[entrant].bits = 0.0
    if leaver >= 0:
        devices[leaver].sends = 0
        devices[leaver].bits = 0.0
    gain = _try(cell, devices, senders)
    if gain > best + _NOTICEABLE * abs(best):
        return gain
    copy(spare, devices, len(devices))
    cell.band_price = price
    return best


@compiled
def search(cell: Any, devices: Any, senders: IntArray, spare: Any) -> float:
    """Find who sends, from who does; if nobody, from the best prefix of a ranking.

    Single devices are added, taken out or swapped while that is a gain. Leaves the best set and its
    allocation in `devices`.

    Returns:
        The cell's gain.
    """
    hopeful = 0
    floor = cell.noise_per_hz + cell.disturbance / cell.bandwidth
    edge = cell.edge + cell.edge_per_bit
    for i in range(len(devices)):
        device = devices[i]
        first_bit = device.price * floor / (cell.bits_per_hz * device.gain)
        device.hopeful = int(device.net > edge + first_bit)
        hopeful += device.hopeful
        if not device.hopeful:
            device.sends = 0
        elif cell.noise_per_hz == 0.0:
            snr = device.power_max * device.gain / cell.disturbance
            device.limit = max(np.log1p(snr), 1e-6)
    best = 0.0
    if hopeful > 0:
        best = _try(cell, devices, senders)
        if best <= 0.0:
            best = _best_prefix(cell, devices, senders, spare, hopeful)
    for _ in range(_ROUNDS if hopeful > 1 else 0):
        before = best
        entrant, leaver = _next_exchange(cell, devices, _NOTICEABLE * best)
        if entrant >= 0:
            best = _exchange(cell, devices, senders, spare, best, entrant, -1)
        if best == before and leaver >= 0 and devices[leaver].score <= 0.0:
            best = _exchange(cell, devices, senders, spare, best, -1, leaver)
        swap = entrant >= 0 and leaver >= 0 and devices[entrant].score > devices[leaver].score
        if best == before and swap:
            best = _exchange(cell, devices, senders, spare, best, entrant, leaver)
        if best == before:
            break
    for i in range(len(devices)):
        device = devices[i]
        if not device.sends:
            device.bits = 0.0
            device.bandwidth = 0.0
            device.power = 0.0
    return best
