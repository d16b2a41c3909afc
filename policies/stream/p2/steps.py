"""From P2 with a cap on efficiency to one with steps: a decision is moved to steps, by P2's true value.

Where links carry the steps of a table alone, P2 is solved as if they carried all up to the last one. Then each
sender takes the step that carries its bits, at the power that just reaches it, and a band in proportion to what
it needs; it is on the air for a part of the slot. From there single senders change their steps, bits and hertz,
for as long as P2's true value grows; in small networks devices enter and leave, too, from several starts.
Nothing is proven of it.
"""

from typing import Any

import numpy as np

from ....simulator.core.arrays import FloatArray
from ....simulator.core.assignment import copy_matrix
from ....simulator.core.compiled import compiled, compiled_in_place
from ....simulator.core.elementary import expm1
from ....simulator.core.linear import clear_below
from ....simulator.network.spectral_efficiency import to_carry
from .allocation import most_bits
from .intercell import follow_interference, true_gain
from .slot import Slot

# Rows of a plan.
_BAND, _STEP, _WANTED = 0, 1, 2  # Hz; nats, 0 of who is silent; bits

_MARGIN, _AT_REST = 1.0 + 1e-12, 1e-13  # interference still grows a little after the last pass
_SWEEPS_MAX = 20  # over the senders
_LEAST_GAIN = 1e-6  # relative, of a sweep: less is no reason to go on
_HERTZ = (0.3, 0.1, 0.03)  # parts of a band that change hands
_BITS = (0.25, 0.7, 0.9, 1.1, 1.4, 4.0)  # factors of what is wanted
_LEFT = (0.7, 0.85, 1.0, 1.1, 1.2, 1.4, 2.0)  # factors of bits, where hertz are left
_HIGHER = 2  # steps, at most, where hertz are left
_PART = 0.2  # of what an entrant may want


@compiled
def choose_steps(slot: Slot, search: bool, trade: bool, exchange: bool) -> None:
    """Move the devices' powers to steps, and their bandwidths with them.

    Args:
        slot: P2 with steps; its bandwidths, powers and bits are those of the best decision without them.
        search: change single senders; takes time with the square of the number of devices.
        trade: their hertz and bits as well.
        exchange: who sends may change, too, from more starts; takes time with its cube.
    """
    devices = slot.devices
    plan = np.zeros((3, len(devices)))
    for c in range(len(devices)):
        device = devices[c]
        if device.power > 0.0 and device.bits > 0.0:
            plan[_BAND, c], plan[_WANTED, c] = device.bandwidth, device.bits
            plan[_STEP, c] = to_carry(slot.limit, device.bits / _per_step(slot, device))
    start = plan.copy()
    best = _climb(slot, plan, search, trade, exchange)
    if exchange:
        # One cell alone on the air, and who is silent may enter; then nobody at first.
        trial = np.empty_like(plan)
        for lead in range(1, len(slot.cells)):
            if slot.cells[lead].first == slot.cells[lead].end:
                continue
            copy_matrix(trial, start)
            for j in range(1, len(slot.cells)):
                if j != lead:
                    trial[:, slot.cells[j].first : slot.cells[j].end] = 0.0
            gain = _climb(slot, trial, search, trade, exchange)
            if gain > best:
                best = gain
                copy_matrix(plan, trial)
        trial[:] = 0.0
        gain = _climb(slot, trial, search, trade, exchange)
        if gain > best:
            best = gain
            copy_matrix(plan, trial)
        steps = np.append(0.0, slot.limit.steps)
        for _ in range(_SWEEPS_MAX):
            before = best
            if _leave_hertz(slot, plan, trial, steps, before) <= before * (1.0 + _LEAST_GAIN):
                break
            best = _climb(slot, plan, search, trade, exchange)
    _reachable(slot, plan)


@compiled
def _climb(slot: Slot, plan: FloatArray, search: bool, trade: bool, exchange: bool) -> float:
    """Improve a plan by changes of single devices, while that is a gain; returns the gain."""
    trial = plan.copy()
    best = _reachable(slot, plan)
    _share_bands(slot, trial)
    best = _keep(slot, plan, trial, best)
    steps = np.append(0.0, slot.limit.steps)
    for _ in range(_SWEEPS_MAX if search else 0):
        before = best
        for c in range(len(slot.devices)):
            best = _change_step(slot, plan, trial, steps, c, best, exchange)
            if trade and plan[_STEP, c] > 0.0:
                best = _change_bits(slot, plan, trial, c, best)
        if trade:
            best = _change_hertz(slot, plan, trial, best)
        if exchange and best <= before * (1.0 + _LEAST_GAIN):
            best = _change_two(slot, plan, trial, steps, best)
        if best <= before * (1.0 + _LEAST_GAIN):
            break
    return best


@compiled
def _change_step(
    slot: Slot,
    plan: FloatArray,
    trial: FloatArray,
    steps: FloatArray,
    c: int,
    best: float,
    exchange: bool,
) -> float:
    """Try the next steps of a sender and its silence; with exchange all steps, of an entrant, too."""
    at = _place(steps, plan[_STEP, c])
    if not exchange and at == 0:
        return best
    device = slot.devices[c]
    kept = plan[:, c].copy()
    for place in range(len(steps)):
        if kept[_STEP] > 0.0 and plan[_STEP, c] == 0.0:  # silence was better: nothing of it is left
            break
        if place == at or not (exchange or place == 0 or abs(place - at) == 1):
            continue
        for turn in range(2):
            copy_matrix(trial, plan)
            trial[_STEP, c] = steps[place]
            if place == 0:
                trial[:, c] = 0.0
            elif kept[_STEP] == 0.0:
                trial[_WANTED, c] = most_bits(device) * (1.0 if turn == 0 else _PART)
            if turn == 0 or kept[_STEP] == 0.0:  # else the others keep their bands
                _share_bands(slot, trial)
            best = _keep(slot, plan, trial, best)
    return best


@compiled
def _change_bits(slot: Slot, plan: FloatArray, trial: FloatArray, c: int, best: float) -> float:
    """Try to send more or less at the same step, with bands that follow."""
    wanted = plan[_WANTED, c]
    for factor in _BITS:
        copy_matrix(trial, plan)
        trial[_WANTED, c] = min(wanted * factor, slot.devices[c].queue)
        _share_bands(slot, trial)
        best = _keep(slot, plan, trial, best)
    return best


@compiled
def _change_hertz(slot: Slot, plan: FloatArray, trial: FloatArray, best: float) -> float:
    """Let one sender of a cell give hertz to another."""
    for j in range(len(slot.cells)):
        cell = slot.cells[j]
        for c in range(cell.first, cell.end):
            for d in range(cell.first, cell.end):
                for part in _HERTZ:
                    if c != d and plan[_STEP, c] > 0.0 and plan[_STEP, d] > 0.0:
                        copy_matrix(trial, plan)
                        trial[_BAND, c] -= part * plan[_BAND, c]
                        trial[_BAND, d] += part * plan[_BAND, c]
                        best = _keep(slot, plan, trial, best)
    return best


@compiled
def _change_two(
    slot: Slot, plan: FloatArray, trial: FloatArray, steps: FloatArray, best: float
) -> float:
    """Try pairs: two senders each a step up or down; or one in place of another, at any step."""
    devices = slot.devices
    for c in range(len(devices)):
        for d in range(len(devices)):
            at, other = _place(steps, plan[_STEP, c]), _place(steps, plan[_STEP, d])
            if c == d or at == 0:
                continue
            for turn in range(4 if other > 0 else len(steps) - 1):
                if other > 0 and min(plan[_STEP, c], plan[_STEP, d]) == 0.0:  # one fell silent
                    break
                copy_matrix(trial, plan)
                if other > 0:
                    places = at + 2 * (turn // 2) - 1, other + 2 * (turn % 2) - 1
                    if d < c or max(places) == len(steps):
                        continue
                    trial[_STEP, c], trial[_STEP, d] = steps[places[0]], steps[places[1]]
                    if places[0] == 0:
                        trial[:, c] = 0.0
                    if places[1] == 0:
                        trial[:, d] = 0.0
                else:
                    trial[:, c] = 0.0
                    trial[_STEP, d], trial[_WANTED, d] = steps[turn + 1], most_bits(devices[d])
                _share_bands(slot, trial)
                best = _keep(slot, plan, trial, best)
    return best


@compiled
def _leave_hertz(
    slot: Slot, plan: FloatArray, trial: FloatArray, steps: FloatArray, best: float
) -> float:
    """Let a sender take fewer hertz at a higher step: for bits between what two steps carry in the whole band.

    What it leaves stays empty, or goes to another of its cell, at any step if that was silent.
    """
    devices = slot.devices
    for j in range(len(slot.cells)):
        cell = slot.cells[j]
        for c in range(cell.first, cell.end):
            at = _place(steps, plan[_STEP, c])
            for place in range(at, min(at + _HIGHER + 1, len(steps)) if at > 0 else 0):
                sent = min(plan[_BAND, c] * cell.bits_per_hz * plan[_STEP, c], devices[c].queue)
                for factor in _LEFT:
                    hertz = factor * sent / (cell.bits_per_hz * steps[place])
                    for d in range(cell.first, cell.end):
                        silent = plan[_STEP, d] == 0.0
                        for other in range(1, len(steps) if d != c and silent else 2):
                            if hertz >= plan[_BAND, c]:
                                break
                            copy_matrix(trial, plan)
                            trial[_STEP, c], trial[_BAND, c] = steps[place], hertz
                            trial[_WANTED, c] = factor * sent
                            if d != c:
                                trial[_BAND, d] += plan[_BAND, c] - hertz
                                if silent:
                                    trial[_STEP, d] = steps[other]
                                bits = trial[_BAND, d] * cell.bits_per_hz * trial[_STEP, d]
                                trial[_WANTED, d] = min(bits, devices[d].queue)
                            best = _keep(slot, plan, trial, best)
    return best


@compiled_in_place
def _per_step(slot: Slot, device: Any) -> float:
    """Bits of a slot per unit of efficiency."""
    return float(slot.cells[0].bits_per_hz * device.bandwidth)


@compiled_in_place
def _place(steps: FloatArray, step: float) -> int:
    """Where a step stands."""
    for k in range(len(steps)):
        if steps[k] >= step:
            return k
    return len(steps) - 1


@compiled_in_place
def _share_bands(slot: Slot, plan: FloatArray) -> None:
    """Give each band away in proportion to what its senders need at their steps."""
    for j in range(len(slot.cells)):
        cell = slot.cells[j]
        needed = 0.0
        for c in range(cell.first, cell.end):
            if plan[_STEP, c] > 0.0:
                needed += plan[_WANTED, c] / plan[_STEP, c]
        for c in range(cell.first, cell.end):
            if plan[_STEP, c] > 0.0:
                share = plan[_WANTED, c] / plan[_STEP, c] / needed
                plan[_BAND, c] = cell.bandwidth * share


@compiled
def _keep(slot: Slot, plan: FloatArray, trial: FloatArray, best: float) -> float:
    """Keep the trial as the plan if that is a gain; returns the greater gain."""
    gain = _reachable(slot, trial)
    if not gain > best + 1e-12 * abs(best):
        return best
    copy_matrix(plan, trial)
    return gain


@compiled
def _reachable(slot: Slot, plan: FloatArray) -> float:
    """Set bandwidths and the least powers for the plan's steps; who cannot reach its own goes down.

    Returns:
        The gain over offloading nothing, bit^2.
    """
    needed = np.zeros(len(slot.devices))  # power per watt of noise and interference
    for _ in range(len(slot.limit.steps) + 1):
        _settle(slot, plan, needed)
        gain = true_gain(slot)
        lowered = False
        for c in range(len(slot.devices)):
            device = slot.devices[c]
            if plan[_STEP, c] > 0.0:
                reached = device.capacity / _per_step(slot, device)
                if reached < plan[_STEP, c] * (1.0 - 1e-6):
                    lowered = True
                    plan[_STEP, c] = to_carry(slot.limit, reached * (1.0 - 1e-6))
                    if plan[_STEP, c] == 0.0:  # its band is the others'
                        plan[:, c] = 0.0
        if not lowered:
            break
    return gain


@compiled
def _settle(slot: Slot, plan: FloatArray, needed: FloatArray) -> None:
    """Set bandwidths and the least powers for the plan's steps, cut at their limits."""
    devices = slot.devices
    for c in range(len(devices)):
        devices[c].bandwidth = plan[_BAND, c]
        devices[c].power = 0.0
        needed[c] = expm1(plan[_STEP, c]) / devices[c].gain
    if follow_interference(slot, needed, _MARGIN, _AT_REST):
        return
    # Cells that hear each other well take many passes; elimination takes one.
    if not _eliminate(slot, needed):
        for c in range(len(devices)):
            devices[c].power = 0.0
        follow_interference(slot, needed, _MARGIN, _AT_REST)


@compiled
def _eliminate(slot: Slot, needed: FloatArray) -> bool:
    """Set the powers that the steps take together; False if there are none within the limits."""
    cells, devices = slot.cells, slot.devices
    senders = np.flatnonzero(needed > 0.0)
    station, alone_w = np.zeros(len(devices), np.int64), np.zeros(len(devices))
    for j in range(len(cells)):
        for c in range(cells[j].first, cells[j].end):
            station[c] = j
            noise = cells[j].noise + cells[j].noise_per_hz * devices[c].bandwidth
            alone_w[c] = needed[c] * noise
    matrix, power = np.eye(len(senders)), alone_w[senders]
    for m in range(len(senders)):
        c, j = senders[m], station[senders[m]]
        for n in range(len(senders)):
            d = senders[n]
            if j > 0 and station[d] > 0 and station[d] != j:
                matrix[m, n] = -needed[c] * slot.gain[devices[d].index, j]
    for k in range(len(senders)):
        if matrix[k, k] <= 0.0:
            return False
        clear_below(matrix, power, k)
    for k in range(len(senders) - 1, -1, -1):
        for n in range(k + 1, len(senders)):
            power[k] -= matrix[k, n] * power[n]
        power[k] = power[k] / matrix[k, k]
        if power[k] > devices[senders[k]].power_max:
            return False
        devices[senders[k]].power = min(power[k] * (1.0 + 1e-12), devices[senders[k]].power_max)
    return True
