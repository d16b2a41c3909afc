"""P2 with powers and bandwidths given: who sends, at full power in an equal share of the band."""

from typing import Any

import numpy as np

from ....simulator.core.compiled import compiled, compiled_in_place
from ....simulator.core.elementary import log1p
from ....simulator.network.spectral_efficiency import carried
from .allocation import full_bits, local_gain
from .intercell import set_interference
from .senders import Scratch, descending
from .slot import Slot

_WITHIN_REACH = 0.8  # of the target: from less, switching single devices will not lead beyond it


@compiled_in_place
def optimise_compute(slot: Slot, scratch: Scratch, small: bool, target: float) -> None:
    """Set the devices' bandwidths and powers to the best that is met.

    First as many send as is best, by what each is worth alone; then, in small networks, each is
    switched if that is a gain.

    Args:
        slot: P2.
        scratch: for its devices.
        small: switch single devices.
        target: where it cannot be exceeded nobody sends, bit^2.
    """
    cells, devices = slot.cells, slot.devices
    worth, order = scratch.score[: len(devices)], scratch.order[: len(devices)]
    bound = 0.0
    for j in range(len(cells)):
        cell = cells[j]
        bandwidth = cell.bandwidth / max(cell.members, 1)
        noise = cell.noise + cell.noise_per_hz * bandwidth
        for c in range(cell.first, cell.end):
            device = devices[c]
            device.power = 0.0
            device.bandwidth = bandwidth
            device.capacity = cell.bits_per_hz * bandwidth
            device.capacity *= carried(slot.limit, log1p(device.power_max * device.gain / noise))
            worth[c] = _set_bits(cell, device, 0.0) - cell.edge * device.bits
            bound += max(worth[c], 0.0)
    if bound <= target:
        return
    descending(worth, order)
    best = 0.0
    length = 0
    count = 1
    while count <= len(order):
        for c in order[:count]:
            devices[c].power = devices[c].power_max
        total = _full_power_gain(slot)
        if total > best:
            best, length = total, count
        count += max(1, count // 2)
    out_of_reach = best <= _WITHIN_REACH * target
    for c in order[0 if out_of_reach else length :]:
        devices[c].power = 0.0
    if out_of_reach:
        return
    if small:
        _switch_devices(slot, worth, best)
    _full_power_gain(slot)
    for c in range(len(devices)):
        device = devices[c]
        if device.power > 0.0 and device.bits < device.capacity:
            device.local_min = device.queue - device.bits


@compiled_in_place
def _switch_devices(slot: Slot, worth: Any, best: float) -> None:
    """Let single devices begin or cease to send for as long as that is a gain over `best`."""
    devices = slot.devices
    switched = True
    while switched:
        switched = False
        for c in range(len(devices)):
            device = devices[c]
            if worth[c] > 0.0:
                device.power = device.power_max - device.power
                total = _full_power_gain(slot)
                if total > best + 1e-9 * abs(best):
                    best = total
                    switched = True
                else:
                    device.power = device.power_max - device.power


@compiled_in_place
def _full_power_gain(slot: Slot) -> float:
    """Gain over offloading nothing of those whose power is not zero, and their best bits."""
    cells, devices = slot.cells, slot.devices
    set_interference(slot)
    total = 0.0
    for j in range(len(cells)):
        cell = cells[j]
        noise = cell.noise + slot.interference_w[j]
        roots = 0.0
        for c in range(cell.first, cell.end):
            device = devices[c]
            if device.power > 0.0:
                sinr = device.power_max * device.gain
                sinr /= noise + cell.noise_per_hz * device.bandwidth
                device.capacity = cell.bits_per_hz * device.bandwidth
                device.capacity *= carried(slot.limit, log1p(sinr))
                roots += np.sqrt(min(device.capacity, device.queue))
        others = 0.0
        for c in range(cell.first, cell.end):
            device = devices[c]
            if device.power > 0.0:
                root = np.sqrt(min(device.capacity, device.queue))
                total += _set_bits(cell, device, roots - root)
                others += np.sqrt(device.bits)
        total -= cell.edge * others * others
    return total


@compiled
def _set_bits(cell: Any, device: Any, others: float) -> float:
    """Set the best bits of a sender at full power, at its `capacity`; `others`: their sqrt(D).

    Returns:
        What the bits are worth without the station's CPU, bit^2.
    """
    if device.capacity == 0.0:  # less than the first step of what links carry
        device.bits = 0.0
        return 0.0
    cost = cell.edge_per_bit + cell.power_cost * device.power_max / device.capacity
    bits = min(device.capacity, device.queue - device.local_min)
    if bits < device.capacity or device.queue - bits < device.local_max:
        edge = cell.edge * (1.0 + others / np.sqrt(bits))
        bits = min(device.capacity, full_bits(cell, device, cost + edge))
        if bits < device.capacity:
            # Radio and CPU draw on the queue in proportion: no less than beside a CPU at full speed.
            share = device.capacity / (device.capacity + device.cpu)
            bits = min(device.capacity, max(bits, device.queue * share))
    device.bits = bits
    local = local_gain(cell, device, device.queue - bits)
    local -= local_gain(cell, device, device.queue)
    return float((device.net - cost) * bits + local)
