"""What cells do to each other: bandwidths and powers of all, each cell at the others' interference.

SBS cells meet only in one number per station, the interference I_j. For given rates the cost of
interference is linear in it, so a cell pays for a watt of device i the price
rho_i = V tau + sum_b G_ib Lambda_b, with Lambda_b what a watt of I_b costs cell b.
"""

from typing import Any, NamedTuple

import numpy as np

from ....simulator.core.arrays import FloatArray, IntArray
from ....simulator.core.compiled import compiled, compiled_in_place
from ....simulator.core.elementary import expm1, log1p
from ....simulator.network.spectral_efficiency import carried
from ....simulator.stream.channel import add_interference
from .allocation import local_gain, power_saving
from .senders import Scratch, copy, descending, search, set_bounds, silence
from .slot import DEVICE, Slot

_PRECISION = 1e-3  # of the objective
_SAME = 1e-2  # relative change of interference and prices that needs no new answer
_SWEEPS = 6  # over the cells, from each start
_BEHIND = 0.5  # of the best gain so far, after the first sweep: such a start is given up
_GROWTH = 3.0  # times what a sweep brought; later ones are not expected to bring more than that
_LEADS = 2  # cells that choose first, in turn; all in small networks
_PASSES_MAX = 50  # of powers that follow interference
_EXCLUDED_PRICE = 1e200  # of power, at which nobody sends


class Interplay(NamedTuple):
    """What is kept while the cells of a slot answer each other, for as many devices, or fewer.

    Attributes:
        leak_w: (B, B) what station b hears of cell j, in row j.
        alone: (n,) the slot's devices as each cell would have them send if it were alone; and, in
            the fields that are kept, the best decision so far.
        found: (B,) gain of each cell if it were alone.
        order: (B - 1,) the SBS cells, who answers first.
        needed: (n,) scratch.
        scratch: of a cell's search.
    """

    leak_w: FloatArray
    alone: Any
    found: FloatArray
    order: IntArray
    needed: FloatArray
    scratch: Scratch


@compiled
def interplay(stations: int, devices: int) -> Interplay:
    """Room for it, in any number of slots one after another."""
    index = np.empty((2, devices), np.int64)
    scratch = Scratch(index[0], index[1], np.empty(devices), np.empty(devices, DEVICE))
    return Interplay(
        np.zeros((stations, stations)),
        np.empty(devices, DEVICE),
        np.empty(stations),
        np.empty(stations - 1, np.int64),
        np.empty(devices),
        scratch,
    )


@compiled_in_place
def optimise_radio(slot: Slot, play: Interplay, small: bool) -> None:
    """Set the devices' bandwidths and powers to the best that is met.

    What each cell would gain if it were alone is what all can hope for. Then the SBS cells answer each
    other in turn, from several starts, each until it is far behind the best so far:

    0. all as if they were alone;
    1. and so on: one cell as if it were alone and the others silent, for those that would gain most;
    2. (small networks) as 0 and as 1, with one of the senders of the best decision so far excluded.

    Args:
        slot: P2.
        play: room for it.
        small: more starts, each to its end.
    """
    cells, devices = slot.cells, slot.devices
    found, order = play.found, play.order
    _answer_alone(slot, play)
    bound, active = 0.0, 0
    for j in range(len(cells)):
        bound += found[j]
        active += j > 0 and found[j] > 0.0
    if active <= 1:
        return
    descending(found[1:], order)
    for turn in range(len(order)):
        order[turn] += 1
    leads = active if small else min(active, _LEADS)
    best = -np.inf
    for start in range(1 + leads + 2 * len(devices) if small else 1 + leads):
        lead = order[start - 1] if 1 <= start <= leads else 0
        excluded = -1
        if start > leads:
            lead = order[0] if (start - leads) % 2 == 0 else 0
            excluded = (start - leads - 1) // 2
            if excluded < cells[0].end or play.alone[excluded].kept_power == 0.0:
                continue
        _begin(slot, play, lead)
        best = _answer_in_turn(slot, play, excluded, small, small or start > 0, best)
        if bound - best <= _PRECISION * bound:
            break
    for c in range(len(devices)):
        devices[c].bandwidth = play.alone[c].kept_bandwidth
        devices[c].power = play.alone[c].kept_power


@compiled_in_place
def true_gain(slot: Slot) -> float:
    """P2's gain over offloading nothing, of the devices' bandwidths and powers, bit^2.

    Sets the slot's interference, and the devices' capacities and bits offloaded.
    """
    set_interference(slot)
    cells, devices = slot.cells, slot.devices
    total = 0.0
    for j in range(len(cells)):
        cell = cells[j]
        heard = slot.interference_w[j]
        roots = 0.0
        for c in range(cell.first, cell.end):
            device = devices[c]
            device.bits = 0.0
            device.capacity = 0.0
            if device.power > 0.0:
                noise = cell.noise_per_hz * device.bandwidth + cell.noise + heard
                device.capacity = cell.bits_per_hz * device.bandwidth
                efficiency = log1p(device.power * device.gain / noise)
                device.capacity *= carried(slot.limit, efficiency)
                if device.capacity == 0.0:  # less than the first step
                    continue
                device.bits = min(device.capacity, device.queue - device.local_min)
                total += (device.net - cell.edge_per_bit) * device.bits
                total -= cell.power_cost * device.power * device.bits / device.capacity
                total += local_gain(cell, device, device.queue - device.bits)
                total -= local_gain(cell, device, device.queue)
                roots += np.sqrt(device.bits)
        total -= cell.edge * roots * roots
    return float(total)


@compiled_in_place
def set_interference(slot: Slot) -> None:
    """Set the slot's interference at the devices' powers, A(3)."""
    cells, devices, gain, interference_w, _ = slot
    interference_w[:] = 0.0
    for j in range(1, len(cells)):
        for c in range(cells[j].first, cells[j].end):
            if devices[c].power > 0.0:
                add_interference(devices[c].power, gain, devices[c].index, j, interference_w)


@compiled_in_place
def follow_interference(slot: Slot, needed: FloatArray, margin: float, at_rest: float) -> bool:
    """Let the devices' powers, from what they are, follow each other's interference.

    Args:
        slot: its devices' powers are set.
        needed: (n,) of each device, power per watt of noise and interference; 0 of who is silent.
        margin: by which factor each has more.
        at_rest: relative change of a pass that is none.

    Returns:
        Whether they came to rest.
    """
    cells, devices = slot.cells, slot.devices
    for _ in range(_PASSES_MAX):
        set_interference(slot)
        change = 0.0
        for j in range(len(cells)):
            heard = cells[j].noise + slot.interference_w[j]
            for c in range(cells[j].first, cells[j].end):
                device = devices[c]
                if needed[c] > 0.0:
                    noise = heard + cells[j].noise_per_hz * device.bandwidth
                    power = min(needed[c] * noise * margin, device.power_max)
                    change = max(change, (power - device.power) / power)
                    device.power = power
        if change <= at_rest:
            return True
    return False


@compiled_in_place
def power_trim(slot: Slot) -> float:
    """Take back power that would send more than there is or can be, now that interference is settled.

    Returns:
        The gain over offloading nothing, bit^2.
    """
    cells, devices = slot.cells, slot.devices
    gain, lowered = 0.0, True
    for _ in range(200):
        gain = true_gain(slot)
        trimmed = lowered = False
        for j in range(len(cells)):
            cell = cells[j]
            heard = slot.interference_w[j]
            for c in range(cell.first, cell.end):
                device = devices[c]
                before = device.power
                if device.capacity > device.bits:
                    noise = cell.noise_per_hz * device.bandwidth + cell.noise + heard
                    sinr = expm1(device.bits / (cell.bits_per_hz * device.bandwidth))
                    trimmed = trimmed or device.capacity > device.bits * (1.0 + 1e-12)
                    device.power = min(device.power, noise * sinr / device.gain)
                elif cell.efficiency_cap < np.inf and device.power > 0.0:
                    noise = cell.noise_per_hz * device.bandwidth + cell.noise + heard
                    enough = noise * expm1(cell.efficiency_cap) / device.gain
                    trimmed = trimmed or device.power > enough * (1.0 + 1e-12)
                    device.power = min(device.power, enough)
                lowered = lowered or device.power != before
        if not trimmed:
            break
    return true_gain(slot) if lowered else gain


@compiled_in_place
def _answer_alone(slot: Slot, play: Interplay) -> None:
    """Find what each cell would do, and gain, if it were alone."""
    cells, devices = slot.cells, slot.devices
    for j in range(len(cells)):
        own = devices[cells[j].first : cells[j].end]
        for i in range(len(own)):
            own[i].power_price = cells[j].power_cost
            own[i].sends = 0
            own[i].bits = 0.0
            own[i].efficiency_max = 0.0
        play.found[j] = 0.0
        if len(own) > 0:
            cells[j].disturbance = cells[j].noise
            set_bounds(cells[j], own)
            play.found[j] = search(cells[j], own, play.scratch)
    copy(devices, play.alone)


@compiled_in_place
def _begin(slot: Slot, play: Interplay, lead: int) -> None:
    """Start from what the cell `lead` would do if it were alone, all others silent; all cells if 0."""
    cells, devices = slot.cells, slot.devices
    for j in range(1, len(cells)):
        cells[j].disturbance = cells[j].noise
        cells[j].interference_price = 0.0
        cells[j].is_stale = 1
        play.leak_w[j, :] = 0.0
        for c in range(cells[j].first, cells[j].end):
            devices[c] = play.alone[c]
            if lead not in (0, j):
                silence(devices[c])
        if lead in (0, j) and play.found[j] > 0.0:
            _set_leak(slot, play.leak_w[j], j)


@compiled_in_place
def _answer_in_turn(
    slot: Slot,
    play: Interplay,
    excluded: int,
    patient: bool,
    answers: bool,
    best: float,
) -> float:
    """Let the cells answer each other until nothing changes, and keep the best decision met.

    Args:
        slot: P2, as the start has it.
        play: likewise.
        excluded: a device that must not send; -1 if there is none.
        patient: the start goes on though it is far behind the best decision so far.
        answers: else only powers follow interference.
        best: gain of the best decision so far.

    Returns:
        The gain of the best decision now.
    """
    cells, devices = slot.cells, slot.devices
    last = -np.inf
    for sweep in range(_SWEEPS):
        answered = False
        for turn in range(len(play.order) if answers else 0):
            j = play.order[turn]
            if cells[j].first == cells[j].end:
                continue
            if _set_prices(slot, play.leak_w, j, excluded) or cells[j].is_stale:
                own = devices[cells[j].first : cells[j].end]
                search(cells[j], own, play.scratch)
                _set_leak(slot, play.leak_w[j], j)
                answered = True
        if sweep > 0 and not answered:
            break
        _power_update(slot, play.leak_w, play.needed)
        total = true_gain(slot)
        if total > best:
            best = total
            for c in range(len(devices)):
                play.alone[c].kept_bandwidth = devices[c].bandwidth
                play.alone[c].kept_power = devices[c].power
        if abs(total - last) <= _PRECISION * abs(total):
            break
        if not patient and _hopeless(sweep, total, last, best):
            break
        last = total
    return best


@compiled_in_place
def _hopeless(sweep: int, total: float, last: float, best: float) -> bool:
    """Whether a start, at `total` after its `sweep`, is not expected to reach the best so far."""
    if sweep == 0:
        return best - total > _BEHIND * abs(best)
    return best - total > _GROWTH * abs(total - last)


@compiled_in_place
def _set_leak(slot: Slot, leak_w: FloatArray, j: int) -> None:
    """Set what other stations hear (B,) of a cell that has just chosen its senders, and its Lambda.

    By the envelope theorem, Lambda = sum_i nu p_i / (-dp_i/dw (noise + I)), nu the price of
    bandwidth.
    """
    cells, devices, gain, _, _ = slot
    cell = cells[j]
    leak_w[:] = 0.0
    price = 0.0
    for c in range(cell.first, cell.end):
        device = devices[c]
        if device.sends:
            add_interference(device.power, gain, device.index, j, leak_w)
            growth = expm1(device.efficiency)
            if device.efficiency >= cell.efficiency_cap * (1.0 - 1e-9):  # it takes power, no hertz
                price += device.power_price * growth / device.gain
                continue
            saved = power_saving(cell, device.bandwidth, device.efficiency, growth)
            price += cell.band_price / saved * growth
    cell.interference_price = price
    cell.is_stale = 0


@compiled_in_place
def _disturbance(cells: Any, leak_w: FloatArray, j: int) -> float:
    """The disturbance at a station: noise, and the interference of the other SBS cells."""
    heard = cells[j].noise
    if j > 0:
        for b in range(1, len(cells)):
            if b != j:
                heard += leak_w[b, j]
    return float(heard)


@compiled_in_place
def _set_prices(slot: Slot, leak_w: FloatArray, j: int, excluded: int) -> bool:
    """Set an SBS cell's disturbance, and the prices of its devices' power.

    Returns:
        Whether any of them changed noticeably.
    """
    cells, devices, gain, _, _ = slot
    before = cells[j].disturbance
    cells[j].disturbance = _disturbance(cells, leak_w, j)
    changed = abs(cells[j].disturbance - before) > _SAME * before
    for c in range(cells[j].first, cells[j].end):
        device = devices[c]
        price = cells[j].power_cost
        for b in range(1, len(cells)):
            if b != j:
                price += cells[b].interference_price * gain[device.index, b]
        if c == excluded:
            price = _EXCLUDED_PRICE
        changed = changed or abs(price - device.power_price) > _SAME * device.power_price
        device.power_price = price
    return bool(changed)


@compiled_in_place
def _power_update(slot: Slot, leak_w: FloatArray, needed: FloatArray) -> None:
    """Powers that keep everyone's rate at everyone's interference, as far as their limits allow.

    Args:
        slot: P2.
        leak_w: see `Interplay`.
        needed: (n,) scratch: power per watt of disturbance.
    """
    cells, devices, gain, _, _ = slot
    for c in range(len(devices)):
        if devices[c].sends:
            needed[c] = expm1(devices[c].efficiency) / devices[c].gain
    for _ in range(2):
        for j in range(1, len(cells)):
            disturbance = _disturbance(cells, leak_w, j)
            leaving_w = leak_w[j]
            leaving_w[:] = 0.0
            for c in range(cells[j].first, cells[j].end):
                device = devices[c]
                if device.sends:
                    noise = cells[j].noise_per_hz * device.bandwidth + disturbance
                    device.power = min(noise * needed[c], device.power_max)
                    add_interference(device.power, gain, device.index, j, leaving_w)
