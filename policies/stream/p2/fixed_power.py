"""P2 with powers and bandwidths given: who sends, at full power in an equal share of the band."""

from typing import Any

import numpy as np

from ....simulator.core.arrays import FloatArray, IntArray
from ....simulator.core.compiled import compiled
from .allocation import full, local_gain
from .senders import descending

_HOPELESS = 0.8  # of what is known: switching single devices will not make up for it


@compiled
def _full_power_gain(cell: Any, device: Any, others: float, power_cost: float) -> float:
    """Best bits of a sender at full power, at its `capacity`; returns what they are worth alone."""
    cost = cell.edge_per_bit + power_cost * device.power_max / device.capacity
    bits = min(device.capacity, device.queue - device.local_min)
    if bits < device.capacity or device.queue - bits < device.local_max:
        edge = cell.edge * (1.0 + others / np.sqrt(bits))
        bits = min(device.capacity, full(cell, device, cost + edge))
        if bits < device.capacity:
            # Radio and CPU draw on the queue in proportion: no less than beside a CPU at full speed.
            share = device.capacity / (device.capacity + device.cpu)
            bits = min(device.capacity, max(bits, device.queue * share))
    device.bits = bits
    local = local_gain(cell, device, device.queue - bits)
    local -= local_gain(cell, device, device.queue)
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
def optimise_compute(
    cells: Any,
    candidates: Any,
    first: IntArray,
    gain: FloatArray,
    members: IntArray,
    power_cost: float,
    small: bool,
    target: float,
) -> None:
    """Who sends, at full power in an equal share of the band; set in `candidates` to the best met.

    First as many as is best, by what each is worth alone; then, in small networks, each is switched
    if that is a gain. Gives up where all that they are worth alone does not exceed `target`.
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
            device.power = 0.0
            device.bandwidth = bandwidth
            device.capacity = cells[j].bits_per_hz * bandwidth
            device.capacity *= np.log1p(device.power_max * device.gain / noise)
            worth[c] = _full_power_gain(cells[j], device, 0.0, power_cost)
            worth[c] -= cells[j].edge * device.bits
            bound += max(worth[c], 0.0)
    if bound <= target:
        return
    order = descending(worth)
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
    if best <= _HOPELESS * target:
        return
    for c in range(length, len(candidates)):
        candidates[order[c]].sends = 0
    switched = small
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
            device.power = device.power_max
            if device.bits < device.capacity:
                device.local_min = device.queue - device.bits
