"""From P2 with a cap on efficiency to one with steps: a decision is moved to steps, by P2's true value.

Where links carry the steps of a table alone, P2 is solved as if they carried all up to the last one. Then each
sender takes the step that carries its bits, at the power that just reaches it, and a band in proportion to what
it needs; it is on the air for a part of the slot. From there single senders go a step up or down, or fall
silent, and in small networks trade hertz, for as long as P2's true value grows.
"""

from typing import Any

import numpy as np

from ....simulator.core.arrays import FloatArray
from ....simulator.core.compiled import compiled, compiled_in_place
from ....simulator.core.elementary import expm1
from ....simulator.network.spectral_efficiency import to_carry
from .intercell import set_interference, true_gain
from .slot import Slot

_PASSES_MAX = 50  # of powers that follow interference
_SWEEPS_MAX = 20  # over the senders
_HERTZ = (0.3, 0.1, 0.03)  # parts of a band that change hands


@compiled
def choose_steps(slot: Slot, search: bool, trade: bool) -> None:
    """Move the devices' powers to steps, and their bandwidths with them.

    Args:
        slot: P2 with steps; its bandwidths, powers and bits are those of the best decision without them.
        search: try single steps; takes time with the square of the number of devices.
        trade: hertz as well.
    """
    devices = slot.devices
    plan = np.zeros((3, len(devices)))  # the best so far: band, step, bits wanted
    for c in range(len(devices)):
        device = devices[c]
        if device.power > 0.0 and device.bits > 0.0:
            step = to_carry(slot.limit, device.bits / _per_step(slot, device))
            plan[:, c] = device.bandwidth, step, device.bits
    trial = plan.copy()
    best = _reachable(slot, plan)
    _share_bands(slot, trial)
    gain = _reachable(slot, trial)
    if gain > best:
        best = gain
        plan[:] = trial
    if search:
        best = _search(slot, plan, trial, best, trade)
    _reachable(slot, plan)


@compiled_in_place
def _per_step(slot: Slot, device: Any) -> float:
    """Bits of a slot per unit of efficiency."""
    return float(slot.cells[0].bits_per_hz * device.bandwidth)


@compiled_in_place
def _share_bands(slot: Slot, plan: FloatArray) -> None:
    """Give each band away in proportion to what its senders need at their steps."""
    for j in range(len(slot.cells)):
        cell = slot.cells[j]
        needed = 0.0
        for c in range(cell.first, cell.end):
            if plan[1, c] > 0.0:
                needed += plan[2, c] / plan[1, c]
        for c in range(cell.first, cell.end):
            if plan[1, c] > 0.0:
                plan[0, c] = cell.bandwidth * (plan[2, c] / plan[1, c]) / needed


@compiled_in_place
def _reachable(slot: Slot, plan: FloatArray) -> float:
    """Set bandwidths and the least powers for the plan's steps; who cannot reach its own goes down.

    Returns:
        The gain over offloading nothing, bit^2.
    """
    gain = _settle(slot, plan)
    for _ in range(len(slot.limit.steps)):
        lowered = False
        for c in range(len(slot.devices)):
            device = slot.devices[c]
            if plan[1, c] > 0.0:
                reached = device.capacity / _per_step(slot, device)
                if reached < plan[1, c] * (1.0 - 1e-6):
                    lowered = True
                    plan[1, c] = to_carry(slot.limit, reached * (1.0 - 1e-6))
        if not lowered:
            break
        gain = _settle(slot, plan)
    return gain


@compiled_in_place
def _settle(slot: Slot, plan: FloatArray) -> float:
    """Set bandwidths and the least powers for the plan's steps, cut at their limits."""
    cells, devices = slot.cells, slot.devices
    for c in range(len(devices)):
        devices[c].bandwidth = plan[0, c]
        devices[c].power = 0.0
    for _ in range(_PASSES_MAX):
        set_interference(slot)
        change = 0.0
        for j in range(len(cells)):
            heard = cells[j].noise + slot.interference_w[j]
            for c in range(cells[j].first, cells[j].end):
                device = devices[c]
                if plan[1, c] > 0.0:
                    noise = heard + cells[j].noise_per_hz * device.bandwidth
                    # Interference still grows a little after the last pass.
                    power = expm1(plan[1, c]) / device.gain * noise * (1.0 + 1e-12)
                    power = min(power, device.power_max)
                    change = max(change, (power - device.power) / power)
                    device.power = power
        if change <= 1e-13:
            break
    return true_gain(slot)


@compiled
def _search(slot: Slot, plan: FloatArray, trial: FloatArray, best: float, trade: bool) -> float:
    """Change single senders' steps, and trade hertz, while that is a gain; returns the gain."""
    steps = np.append(0.0, slot.limit.steps)
    for _ in range(_SWEEPS_MAX):
        before = best
        for c in range(len(slot.devices)):
            at = _place(steps, plan[1, c])
            # Down, up, and silent; the band is shared anew, or stays.
            for turn in range(6 if at > 0 else 0):
                place = (at - 1, at + 1, 0)[turn // 2]
                if place == len(steps):
                    continue
                trial[:] = plan
                trial[1, c] = steps[place]
                if place == 0:
                    trial[:, c] = 0.0
                if turn % 2 == 0:
                    _share_bands(slot, trial)
                best = _keep(slot, plan, trial, best)
        if trade:
            best = _trade(slot, plan, trial, best)
        if best <= before * (1.0 + 1e-9):
            break
    return best


@compiled
def _place(steps: FloatArray, step: float) -> int:
    """Where a step stands."""
    for k in range(len(steps)):
        if steps[k] >= step:
            return k
    return len(steps) - 1


@compiled
def _trade(slot: Slot, plan: FloatArray, trial: FloatArray, best: float) -> float:
    """Let one sender of a cell give hertz to another, while that is a gain; returns the gain."""
    for j in range(len(slot.cells)):
        cell = slot.cells[j]
        for c in range(cell.first, cell.end):
            for d in range(cell.first, cell.end):
                for part in _HERTZ:
                    if c != d and plan[1, c] > 0.0 and plan[1, d] > 0.0:
                        trial[:] = plan
                        trial[0, c] -= part * plan[0, c]
                        trial[0, d] += part * plan[0, c]
                        best = _keep(slot, plan, trial, best)
    return best


@compiled
def _keep(slot: Slot, plan: FloatArray, trial: FloatArray, best: float) -> float:
    """Keep the trial as the plan if that is a gain; returns the greater gain."""
    gain = _reachable(slot, trial)
    if gain <= best:
        return best
    plan[:] = trial
    return gain
