"""The interplay of cells in P2: bandwidths and powers of all, each cell at the others' interference."""

from typing import Any

import numpy as np

from ....simulator.core.arrays import FloatArray, IntArray
from ....simulator.core.compiled import compiled
from .allocation import local_gain, saving
from .senders import copy, descending, search

_PRECISION = 1e-3  # of the objective
_SAME = 1e-2  # relative change of interference and prices that needs no new answer
_SWEEPS = 3  # over the cells, from each start; twice as many in small networks
_BARRED = 1e200  # a price of power at which nobody sends


@compiled
def true_gain(
    cells: Any,
    candidates: Any,
    first: IntArray,
    gain: FloatArray,
    power_cost: float,
    received: FloatArray,
) -> float:
    """P2's gain over offloading nothing, of the candidates' bandwidths and powers.

    Fills `received` (B,) with interference, and in `candidates` the capacity of those who send and
    the bits offloaded.
    """
    stations = len(cells)
    received[:] = 0.0
    for j in range(1, stations):
        for c in range(first[j], first[j + 1]):
            device = candidates[c]
            if device.power > 0.0:
                for b in range(1, stations):
                    if b != j:
                        received[b] += device.power * gain[device.index, b]
    total = 0.0
    for j in range(stations):
        cell = cells[j]
        roots = 0.0
        for c in range(first[j], first[j + 1]):
            device = candidates[c]
            device.bits = 0.0
            device.capacity = 0.0
            if device.power > 0.0:
                noise = cell.noise_per_hz * device.bandwidth + cell.noise + received[j]
                device.capacity = cell.bits_per_hz * device.bandwidth
                device.capacity *= np.log1p(device.power * device.gain / noise)
                device.bits = min(device.capacity, device.queue - device.local_min)
                total += (device.net - cell.edge_per_bit) * device.bits
                total -= power_cost * device.power * device.bits / device.capacity
                total += local_gain(cell, device, device.queue - device.bits)
                total -= local_gain(cell, device, device.queue)
                roots += np.sqrt(device.bits)
        total -= cell.edge * roots * roots
    return float(total)


@compiled
def _hear(cells: Any, leak: FloatArray, j: int) -> float:
    """The disturbance at a station: noise, and the interference of the other SBS cells."""
    heard = cells[j].noise
    if j > 0:
        for b in range(1, len(cells)):
            if b != j:
                heard += leak[b, j]
    return float(heard)


@compiled
def _leaks(cell: Any, devices: Any, gain: FloatArray, leak: FloatArray) -> float:
    """Fill `leak` (B,) with the power that other stations _hear from a cell.

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
            saved = saving(cell, device.bandwidth, device.efficiency, growth)
            marginal += cell.band_price / saved * growth
    return marginal


@compiled
def _settle(
    cells: Any, candidates: Any, first: IntArray, gain: FloatArray, leak: FloatArray
) -> None:
    """Powers that keep everyone's rate at everyone's interference, as far as their limits allow."""
    for c in range(len(candidates)):
        if candidates[c].sends:
            candidates[c].score = np.expm1(candidates[c].efficiency) / candidates[c].gain
    for _ in range(2):
        for j in range(1, len(cells)):
            disturbance = _hear(cells, leak, j)
            leak[j, :] = 0.0
            for c in range(first[j], first[j + 1]):
                device = candidates[c]
                if device.sends:
                    noise = cells[j].noise_per_hz * device.bandwidth + disturbance
                    device.power = min(noise * device.score, device.power_max)
                    for b in range(1, len(cells)):
                        leak[j, b] += device.power * gain[device.index, b]


@compiled
def trim(
    cells: Any,
    candidates: Any,
    first: IntArray,
    gain: FloatArray,
    power_cost: float,
    received: FloatArray,
) -> float:
    """Take back power that would send more than there is, now that interference is settled.

    Returns:
        The gain.
    """
    for _ in range(200):
        true_gain(cells, candidates, first, gain, power_cost, received)
        trimmed = False
        for j in range(len(cells)):
            for c in range(first[j], first[j + 1]):
                device = candidates[c]
                if device.capacity > device.bits:
                    noise = cells[j].noise_per_hz * device.bandwidth + cells[j].noise + received[j]
                    sinr = np.expm1(device.bits / (cells[j].bits_per_hz * device.bandwidth))
                    trimmed = trimmed or device.capacity > device.bits * (1.0 + 1e-12)
                    device.power = min(device.power, noise * sinr / device.gain)
        if not trimmed:
            break
    return true_gain(cells, candidates, first, gain, power_cost, received)


@compiled
def _new_prices(
    cells: Any,
    candidates: Any,
    first: IntArray,
    j: int,
    gain: FloatArray,
    leak: FloatArray,
    marginal: FloatArray,
    power_cost: float,
    barred: int,
) -> bool:
    """Set a cell's disturbance, and the prices of its devices' power.

    Returns:
        Whether any of them changed noticeably.
    """
    before = cells[j].disturbance
    cells[j].disturbance = _hear(cells, leak, j)
    changed = abs(cells[j].disturbance - before) > _SAME * before
    for c in range(first[j], first[j + 1]):
        device = candidates[c]
        price = power_cost
        for b in range(1, len(cells)):
            if b != j and j > 0:
                price += marginal[b] * gain[device.index, b]
        if c == barred:
            price = _BARRED
        changed = changed or abs(price - device.price) > _SAME * device.price
        device.price = price
    return bool(changed)


@compiled
def _most(cells: Any, candidates: Any, first: IntArray) -> float:
    """A bound of the gain: each candidate alone with its cell's band, and its power for nothing."""
    bound = 0.0
    for j in range(len(cells)):
        cell = cells[j]
        noise = cell.noise + cell.noise_per_hz * cell.bandwidth
        for c in range(first[j], first[j + 1]):
            device = candidates[c]
            sinr = device.power_max * device.gain / noise
            bits = cell.bits_per_hz * cell.bandwidth * np.log1p(sinr)
            bits = min(bits, device.queue - device.local_min)
            bound += max(device.net - cell.edge - cell.edge_per_bit, 0.0) * bits
    return float(bound)


@compiled
def optimise_radio(
    cells: Any,
    candidates: Any,
    alone: Any,
    spare: Any,
    first: IntArray,
    gain: FloatArray,
    power_cost: float,
    small: bool,
    most_leads: int,
    target: float,
) -> bool:
    """Set the candidates' bandwidths and powers to the best that is met.

    Each cell as if it were alone bounds the gain from above. Then the SBS cells answer each other in
    turn, from several starts:

    0. all as if they were alone;
    1. and so on: one cell as if it were alone and the others silent, for those that would gain most;
    2. (small networks) as 0 and as 1, with one of the senders of the best decision so far barred.

    Gives up where the bound does not exceed `target`.

    Returns:
        Whether the gain comes close to the bound.
    """
    if _most(cells, candidates, first) <= target:
        return False
    stations = len(cells)
    senders = np.empty(len(candidates), np.int64)
    received = np.zeros(stations)
    leak = np.zeros((stations, stations))
    marginal = np.zeros(stations)
    found = np.zeros(stations)
    stale = np.zeros(stations, np.bool_)
    bound = 0.0
    active = 0
    for c in range(len(candidates)):
        candidates[c].price = power_cost
        candidates[c].sends = 0
        candidates[c].bits = 0.0
        candidates[c].limit = 0.0
    for j in range(stations):
        if first[j] < first[j + 1]:
            cells[j].disturbance = cells[j].noise
            rivals = candidates[first[j] : first[j + 1]]
            found[j] = search(cells[j], rivals, senders, spare)
            bound += found[j]
            active += int(j > 0 and found[j] > 0.0)
    if bound <= target:
        return False
    if active <= 1:
        return True
    copy(candidates, alone, len(candidates))
    best = -np.inf
    order = descending(found[1:]) + 1
    leads = active if small else min(active, most_leads)
    starts = 1 + leads
    for start in range(starts + 2 * len(candidates) if small else starts):
        barred = (start - starts) // 2 if start >= starts else -1
        if barred >= 0 and (alone[barred].kept_power == 0.0 or barred < first[1]):
            continue
        lead = order[start - 1] if 1 <= start < starts else 0
        if start >= starts and (start - starts) % 2 == 1:
            lead = order[0]
        for j in range(1, stations):
            cells[j].disturbance = cells[j].noise
            leak[j, :] = 0.0
            marginal[j] = 0.0
            stale[j] = True
            chooses = lead in (0, j)
            for c in range(first[j], first[j + 1]):
                candidates[c] = alone[c]
                if not chooses:
                    candidates[c].sends = 0
                    candidates[c].bits = 0.0
                    candidates[c].bandwidth = 0.0
                    candidates[c].power = 0.0
            if chooses and found[j] > 0.0:
                rivals = candidates[first[j] : first[j + 1]]
                marginal[j] = _leaks(cells[j], rivals, gain, leak[j])
                stale[j] = False
        last = -np.inf
        for sweep in range(2 * _SWEEPS if small else _SWEEPS):
            answered = False
            for turn in range(stations - 1):
                j = order[turn]
                if first[j] == first[j + 1] or (start == 0 and not small):
                    continue
                changed = _new_prices(
                    cells, candidates, first, j, gain, leak, marginal, power_cost, barred
                )
                if changed or stale[j]:
                    rivals = candidates[first[j] : first[j + 1]]
                    search(cells[j], rivals, senders, spare)
                    marginal[j] = _leaks(cells[j], rivals, gain, leak[j])
                    stale[j] = False
                    answered = True
            if sweep > 0 and not answered:
                break
            _settle(cells, candidates, first, gain, leak)
            total = true_gain(cells, candidates, first, gain, power_cost, received)
            if total > best:
                best = total
                for c in range(len(candidates)):
                    alone[c].kept_bandwidth = candidates[c].bandwidth
                    alone[c].kept_power = candidates[c].power
            if abs(total - last) <= _PRECISION * abs(total):
                break
            last = total
        if bound - best <= _PRECISION * bound:
            break
    for c in range(len(candidates)):
        candidates[c].bandwidth = alone[c].kept_bandwidth
        candidates[c].power = alone[c].kept_power
    return bound - best <= _PRECISION * bound
