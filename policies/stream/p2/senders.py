"""Senders of a cell: which of its devices offload, at given interference and prices of power.

Approximate: the best prefix of a ranking, then single devices are added, taken out or swapped.
"""

from typing import Any, NamedTuple

import numpy as np

from ....simulator.core.arrays import FloatArray, IntArray
from ....simulator.core.assignment import copy_vector
from ....simulator.core.compiled import compiled, compiled_in_place
from ....simulator.core.elementary import exp, log
from ....simulator.core.sorting import begin_ranking, rank
from .allocation import (
    INFEASIBLE,
    INFINITE,
    allocate,
    efficiency_of,
    full_bits,
    greatest_efficiency,
    local_gain,
    power_saving,
    steepness,
)

_ROUNDING = 1e-9
_MIN_RELATIVE_GAIN = 1e-3  # of a cell's gain: less is no reason to change a set of senders
_CHANGES_MAX = 8  # of a set of senders
_INSERTION_SORT_MAX = 32  # values that are best sorted by insertion
_FINEST = 32  # a prefix is found to one part in so many; what is left is for the changes


class Scratch(NamedTuple):
    """Room for the search, of each at least as much as there are devices.

    Attributes:
        senders: indices of who sends.
        order: of a ranking.
        score: by which it is.
        spare: records `DEVICE`.
    """

    senders: IntArray
    order: IntArray
    score: FloatArray
    spare: Any


@compiled_in_place
def search(cell: Any, devices: Any, scratch: Scratch) -> float:
    """Find who sends, from who does; if nobody, from the best prefix of a ranking.

    Single devices are added, taken out or swapped while that is a gain. Leaves the best set and its
    allocation in `devices`.

    Args:
        cell: record `CELL`, with its disturbance.
        devices: (n,) records `DEVICE` of the cell, with the prices of their power.
        scratch: for the n of them, or more.

    Returns:
        The cell's gain over offloading nothing, bit^2.
    """
    senders, spare = scratch.senders, scratch.spare
    candidates = _find_candidates(cell, devices)
    best = 0.0
    if candidates > 0:
        best = _allocate_to_senders(cell, devices, senders)
        if best <= 0.0:
            best = _best_prefix(cell, devices, scratch, candidates)
    for _ in range(_CHANGES_MAX if candidates > 1 else 0):
        before = best
        entrant, leaver = _next_exchange(cell, devices, _MIN_RELATIVE_GAIN * best)
        if entrant >= 0:
            best = _exchange(cell, devices, senders, spare, best, entrant, -1)
        if best == before and leaver >= 0 and devices[leaver].gain_at_price <= 0.0:
            best = _exchange(cell, devices, senders, spare, best, -1, leaver)
        swap = best == before and entrant >= 0 and leaver >= 0
        if swap and devices[entrant].gain_at_price > devices[leaver].gain_at_price:
            best = _exchange(cell, devices, senders, spare, best, entrant, leaver)
        if best == before:
            break
    for i in range(len(devices)):
        if not devices[i].sends:
            silence(devices[i])
    return best


@compiled_in_place
def set_bounds(cell: Any, devices: Any) -> None:
    """Set what devices can gain at most by sending in full, how, and the least load that they send then.

    With l bits left to its CPU a device gains f(l) = (k - C)(Q - l) + v l - a l^3 / 3 at most, less what it
    gains without sending: concave, its summit where a l^2 = Q_j + C.
    """
    cost = cell.edge + cell.edge_per_bit
    for i in range(len(devices)):
        device = devices[i]
        local = np.sqrt((cell.queue + cost) / device.local_cost)
        local = max(local, min(device.local_min, 0.999 * device.queue))
        local = min(local, device.local_max)
        gain = (device.net - cost) * (device.queue - local) + local_gain(cell, device, local)
        device.most_gain = gain - local_gain(cell, device, device.queue)
        device.least_load = full_bits(cell, device, INFINITE) / cell.bits_per_hz
        device.most_efficiency = 0.0
        if cell.noise_per_hz == 0.0:
            snr = device.power_max * device.gain / cell.noise
            device.most_efficiency = efficiency_of(cell, snr)


@compiled
def silence(device: Any) -> None:
    """Let a device send nothing."""
    device.sends = 0
    device.bits = 0.0
    device.bandwidth = 0.0
    device.power = 0.0


@compiled_in_place
def copy(source: Any, target: Any) -> None:
    """Copy records one by one, which numba does without a temporary array."""
    for i in range(len(source)):
        target[i] = source[i]


@compiled_in_place
def descending(value: FloatArray, order: IntArray) -> None:
    """Set (n,) the order of (n,) values, the greatest first.

    By insertion where there are few, for which argsort takes ten times as long.
    """
    count = len(value)
    if count > _INSERTION_SORT_MAX:
        _descending_of_many(value, order)
        return
    for i in range(count):
        place = i
        while place > 0 and value[order[place - 1]] < value[i]:
            order[place] = order[place - 1]
            place -= 1
        order[place] = i


@compiled
def _descending_of_many(value: FloatArray, order: IntArray) -> None:
    copy_vector(order, np.argsort(-value, kind="mergesort"))


@compiled_in_place
def _find_candidates(cell: Any, devices: Any) -> int:
    """Find who gains by the first bit if alone in the whole band; all others do not send.

    Returns:
        How many there are.
    """
    count = 0
    floor = cell.noise_per_hz + cell.disturbance / cell.bandwidth
    edge = cell.edge + cell.edge_per_bit
    for i in range(len(devices)):
        device = devices[i]
        first_bit = device.power_price * floor / (cell.bits_per_hz * device.gain)
        device.is_candidate = int(device.net > edge + first_bit)
        count += device.is_candidate
        if not device.is_candidate:
            device.sends = 0
        elif cell.noise_per_hz == 0.0:
            device.efficiency_max = 0.0  # it was of another disturbance
    return count


@compiled_in_place
def _allocate_to_senders(cell: Any, devices: Any, senders: IntArray) -> float:
    """Allocate to those who send; returns the cell's gain."""
    count = 0
    for i in range(len(devices)):
        if devices[i].sends:
            senders[count] = i
            count += 1
    return allocate(cell, devices, senders[:count])


@compiled_in_place
def _score(cell: Any, devices: Any, score: FloatArray) -> None:
    """Set (n,) what devices are worth for what they take of the band and of the edge CPU."""
    roots = 0.0
    for i in range(len(devices)):
        roots += np.sqrt(devices[i].queue)
    for i in range(len(devices)):
        device = devices[i]
        if not device.is_candidate:
            score[i] = -np.inf
            continue
        load = device.queue / cell.bits_per_hz
        band = load / (greatest_efficiency(cell, device, load) * cell.bandwidth)
        worth = (device.net - cell.edge - cell.edge_per_bit) * device.queue
        score[i] = worth / (band + np.sqrt(device.queue) / roots)


@compiled_in_place
def _allocate_to_prefix(
    cell: Any, devices: Any, senders: IntArray, order: IntArray, count: int
) -> float:
    """Allocate to the last `count` in an order; returns the cell's gain."""
    for place in range(len(order)):
        device = devices[order[place]]
        device.sends = int(place >= len(order) - count)
        if not device.sends:
            device.bits = 0.0
    return _allocate_to_senders(cell, devices, senders)


@compiled_in_place
def _best_prefix(cell: Any, devices: Any, scratch: Scratch, candidates: int) -> float:
    """Let the most valuable of the candidates send, as many as it is best.

    From as many as fit at full power, up and down in ever smaller steps.

    Returns:
        The cell's gain.
    """
    senders, spare = scratch.senders, scratch.spare
    score, order = scratch.score[: len(devices)], scratch.order[: len(devices)]
    _score(cell, devices, score)
    begin_ranking(score, order)
    count, ranked = 0, 0
    needed = 0.0
    for s in range(candidates):
        ranked = rank(score, order, ranked, s + 1)
        device = devices[order[-s - 1]]
        load = full_bits(cell, device, INFINITE) / cell.bits_per_hz
        needed += load / greatest_efficiency(cell, device, load)
        if needed > cell.bandwidth:
            break
        count += 1
    for i in range(len(devices)):
        devices[i].sends = 0
        devices[i].bits = 0.0
    at = max(1, count)
    best = _allocate_to_prefix(cell, devices, senders, order, at)
    price = cell.band_price
    copy(devices, spare)
    step, sign, turned = max(1, at // 4), 1, False
    while step * _FINEST > at:
        trial = at + sign * step
        gain = INFEASIBLE
        if 1 <= trial <= candidates:
            ranked = rank(score, order, ranked, trial)
            gain = _allocate_to_prefix(cell, devices, senders, order, trial)
        if gain > best:
            at, best, price, turned = trial, gain, cell.band_price, True
            copy(devices, spare)
        elif not turned:
            sign, turned = -1, True
        else:
            step, sign, turned = step // 2, 1, False
    copy(spare[: len(devices)], devices)
    cell.band_price = price
    if best <= 0.0:
        best = _allocate_to_prefix(cell, devices, senders, order, 0)
    return best


@compiled
def _gain_at_price(cell: Any, device: Any, others: float, floor: float) -> float:
    """What a sender gains in full at the price of bandwidth: about what adding it would gain.

    Args:
        cell: its cell.
        device: the sender.
        others: sum of sqrt(D) over the other senders.
        floor: below zero or below this it does not matter how much.
    """
    if cell.band_price <= 0.0:
        return float(device.net * device.queue)
    edge = cell.edge * (1.0 + others / np.sqrt(device.queue)) + cell.edge_per_bit
    bits = full_bits(cell, device, edge)
    load = bits / cell.bits_per_hz
    e = greatest_efficiency(cell, device, load)
    cap = e
    local = local_gain(cell, device, device.queue - bits)
    local -= local_gain(cell, device, device.queue)
    gain = (device.net - cell.edge_per_bit) * bits + local
    gain -= cell.edge * (2.0 * others * np.sqrt(bits) + bits)
    bound = gain - cell.band_price * load / cap  # all power, and that for nothing
    if bound < 0.0 or bound < floor - _ROUNDING * gain:
        return -1.0
    w, growth = 0.0, 0.0
    for _ in range(4):
        w = load / e
        growth = exp(e) - 1.0
        saved = power_saving(cell, w, e, growth)
        excess = log(saved * device.power_price / (device.gain * cell.band_price))
        if (e == cap and excess < 0.0) or abs(excess) < 0.1:
            break
        e = min(max(e - excess / steepness(cell, w, e, growth, saved), 0.3 * e), cap)
    power = (cell.noise_per_hz * w + cell.disturbance) * growth / device.gain
    return float(gain - device.power_price * power - cell.band_price * w)


@compiled
def _out_of_reach(cell: Any, device: Any, floor: float) -> bool:
    """Whether a sender cannot gain as much as `floor` at the price of bandwidth: cheaper than to see what it gains."""
    if cell.band_price <= 0.0 or device.most_efficiency == 0.0:
        return False
    most = (device.most_gain - floor) + _ROUNDING * device.most_gain
    least_cost = cell.band_price * device.least_load  # times the efficiency
    if most * device.most_efficiency < least_cost:
        return True
    return bool(most * greatest_efficiency(cell, device, device.least_load) < least_cost)


@compiled_in_place
def _next_exchange(cell: Any, devices: Any, least_gain: float) -> tuple[int, int]:
    """Who would gain most by sending too, and who gains least by sending; -1 if nobody."""
    roots = 0.0
    for i in range(len(devices)):
        if devices[i].sends:
            roots += np.sqrt(devices[i].bits)
    entrant, leaver = -1, -1
    most, least = least_gain, INFINITE
    for i in range(len(devices)):
        device = devices[i]
        if device.sends:
            others = roots - np.sqrt(device.bits)
            device.gain_at_price = _gain_at_price(cell, device, others, -INFINITE)
            if device.gain_at_price < least:
                leaver, least = i, device.gain_at_price
        elif device.is_candidate and not _out_of_reach(cell, device, most):
            device.gain_at_price = _gain_at_price(cell, device, roots, most)
            if device.gain_at_price > most:
                entrant, most = i, device.gain_at_price
    return entrant, leaver


@compiled_in_place
def _exchange(
    cell: Any, devices: Any, senders: IntArray, spare: Any, best: float, entrant: int, leaver: int
) -> float:
    """Let one send and another not (neither if negative), unless that is no gain.

    Returns:
        The cell's gain; `best`, the one before, if nothing was changed.
    """
    price = cell.band_price
    # What is tried changes only those who send, before or after.
    for i in range(len(devices)):
        if devices[i].sends or i == entrant:
            spare[i] = devices[i]
    if entrant >= 0:
        devices[entrant].sends = 1
        devices[entrant].bits = 0.0
    if leaver >= 0:
        devices[leaver].sends = 0
        devices[leaver].bits = 0.0
    gain = _allocate_to_senders(cell, devices, senders)
    if gain > best + _MIN_RELATIVE_GAIN * abs(best):
        return gain
    for i in range(len(devices)):
        if devices[i].sends or i == leaver:
            devices[i] = spare[i]
    cell.band_price = price
    return best
