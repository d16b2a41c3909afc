"""The last word on small networks: a decision is changed for as long as P2's true value grows.

The prices by which cells answer each other hold for small changes only, and `allocation` lets but one
device of a cell send a part of what it has. Neither is assumed here. A point is a band and a number of
bits for each sender, carried by the least powers that do; every change is judged by P2's own value. Changes
are steps of the bits of one sender, of bits between two cells and of hertz within a cell (`_climb`), and
changes of who sends, each followed by such steps.
"""

from typing import Any

import numpy as np

from ....simulator.core.arrays import FloatArray
from ....simulator.core.assignment import copy_matrix
from ....simulator.core.compiled import compiled, compiled_in_place
from ....simulator.core.elementary import expm1
from .allocation import most_bits
from .intercell import follow_interference, true_gain
from .slot import Slot

# Rows of a point: bits to send, band; bits that its powers can send; scratch of `_settle`.
_WANTED, _HERTZ, _SENT, _NEEDED, _ROWS = range(5)
_FIRST_STEP = 0.2  # relative, of bits or hertz
_FINE_STEP = 0.05  # the first where one sweep is to tell whether anything is to be had
_LAST_STEP = 1e-3
_SWEEPS_MAX = 40
_CLOSE = 1e-3  # to a bound, relative: nothing better is looked for
_LEAST_GAIN = 1e-5  # relative: less is no reason to go on
_FEWEST_BITS = 1e-4  # of a queue: who sends less, sends none
_PROSPECT = 10.0  # what is still to come is at most so many times what the last sweep has brought
_ENTRIES = 8  # of a sender: all, or a part, or a part of that, the others' bits kept or reduced
_PART = 0.2
_QUIETEST = 20.0  # halvings of what an entrant may want, to be no louder than the others can bear
_HALVINGS = 10  # of the interval in which it is looked for


@compiled
def refine(slot: Slot, exchange: bool, enough: float) -> float:
    """Improve the devices' bandwidths and powers by steps and, if wanted, by exchanging senders.

    Without exchanges it is given up where the steps bring so little that `enough` is out of reach.

    With exchanges the search begins from the decision that is there, then from what the cells would do if
    each were alone, and from one of these with the other SBS cells silent: a cell that is loud and one that
    is silent are two optima, between which no small step leads.

    Args:
        slot: P2, with bandwidths and powers.
        exchange: who sends may change; takes time with the cube of the number of devices.
        enough: bit^2; a smaller gain is of no use.

    Returns:
        The gain over offloading nothing, bit^2.
    """
    devices = slot.devices
    true_gain(slot)
    point = np.zeros((_ROWS, len(devices)))
    for c in range(len(devices)):
        device = devices[c]
        device.local_min = 0.0
        if device.bits > 0.0:
            at_limit = device.power >= device.power_max * (1.0 - 1e-6)
            if at_limit and device.bits == device.capacity:
                device.bits = max(device.bits, most_bits(device))
            point[_WANTED, c] = device.bits
            point[_HERTZ, c] = device.bandwidth
    if exchange:
        _refine_sets(slot, point)
    else:
        _climb(slot, point, _settle(slot, point), enough, _FINE_STEP)
    return _settle(slot, point)


@compiled
def _refine_sets(slot: Slot, point: FloatArray) -> None:
    """Improve a point, and who sends at it.

    What the cells gain if each is alone bounds what they gain together. Where the best comes close, it is
    left at that; the MBS's cell, which nobody disturbs, is done.
    """
    cells = slot.cells
    alone = np.zeros_like(point)
    gains = np.zeros(len(cells))
    for j in range(len(cells)):
        trial = np.zeros_like(point)
        own = slice(cells[j].first, cells[j].end)
        copy_matrix(trial[:, own], point[:, own])
        gains[j] = _climb(slot, trial, _settle(slot, trial), -np.inf, _FIRST_STEP)
        gains[j] = _exchange_senders(slot, trial, gains[j], j, j + 1)
        copy_matrix(alone[:, own], trial[:, own])
    copy_matrix(point[:, : cells[0].end], alone[:, : cells[0].end])
    best = _climb(slot, point, _settle(slot, point), -np.inf, _FIRST_STEP)
    enough = gains.sum() * (1.0 - _CLOSE)
    if best < enough:
        best = _exchange_senders(slot, point, best, 1, len(cells))
    for lead in range(len(cells)):
        if best >= enough or (lead > 0 and gains[lead] <= 0.0):
            continue
        trial = alone.copy()
        for j in range(1, len(cells)):
            if lead not in (0, j):
                trial[:, cells[j].first : cells[j].end] = 0.0
        gain = _climb(slot, trial, _settle(slot, trial), -np.inf, _FIRST_STEP)
        gain = _exchange_senders(slot, trial, gain, 1, len(cells))
        if gain > best:
            best = gain
            copy_matrix(point, trial)


@compiled
def _exchange_senders(slot: Slot, point: FloatArray, best: float, first: int, end: int) -> float:
    """Let one more send, one less, or one in place of another of its cell, while that is a gain.

    Args:
        slot: P2.
        point: who sends what.
        best: the gain at the point.
        first: this is tried in the cells from here on,
        end: up to here.

    Returns:
        The gain at the point now.
    """
    trial = np.empty_like(point)
    changed = True
    while changed:
        changed = False
        for j in range(first, end):
            nobody = slot.cells[j].first - 1
            for entrant in range(nobody, slot.cells[j].end):
                for leaver in range(nobody, slot.cells[j].end):
                    if not _is_exchange(slot, point, j, entrant, leaver):
                        continue
                    for wide in range(2 if entrant > nobody else 1):
                        target = best * (1.0 + _LEAST_GAIN)
                        gain = _exchange(slot, point, trial, j, entrant, leaver, wide == 1)
                        gain = _climb(slot, trial, gain, target, _FIRST_STEP)
                        if gain > target:
                            best = gain
                            copy_matrix(point, trial)
                            changed = True
                            break
    return best


@compiled
def _is_exchange(slot: Slot, point: FloatArray, j: int, entrant: int, leaver: int) -> bool:
    """Whether the entrant does not send yet but could gain by it, and the leaver does."""
    cell = slot.cells[j]
    enters, leaves = entrant >= cell.first, leaver >= cell.first
    if enters and (point[_HERTZ, entrant] > 0.0 or slot.devices[entrant].net <= cell.edge):
        return False
    return bool((enters or leaves) and (not leaves or point[_HERTZ, leaver] > 0.0))


@compiled
def _exchange(
    slot: Slot,
    point: FloatArray,
    trial: FloatArray,
    j: int,
    entrant: int,
    leaver: int,
    wide: bool,
) -> float:
    """Set `trial` to the point with another set of senders in cell j.

    An entrant sends at first all that it may want to or a part of it, while the others send what they did
    or so much less: whatever is best.

    Args:
        slot: P2.
        point: who sends what.
        trial: is set.
        j: the cell.
        entrant: who begins to send; nobody if before the cell's first.
        leaver: who ceases to; likewise.
        wide: the entrant's band is in proportion to all that it may want to send, else to the part.

    Returns:
        The gain over offloading nothing, bit^2.
    """
    cell = slot.cells[j]
    others = point[:, cell.first : cell.end].copy()
    if leaver >= cell.first:
        others[:, leaver - cell.first] = 0.0
    bits, hertz = others[_WANTED].sum(), others[_HERTZ].sum()
    enters = entrant >= cell.first
    most = most_bits(slot.devices[entrant]) if enters else 0.0
    copy_matrix(trial, point)
    best, best_entry = -np.inf, 0
    quiet = -1.0
    if enters and not wide and j > 0 and cell.efficiency_cap < np.inf:
        quiet = _bearable(slot, trial, j, entrant, most)
        copy_matrix(trial, point)
    for turn in range(_ENTRIES + 2 if enters else 1):
        entry = turn if turn <= _ENTRIES else best_entry
        if entry == _ENTRIES and quiet <= 0.0:
            continue
        wanted = most * _PART ** (entry // 2) if entry < _ENTRIES else quiet
        left = 1.0
        if entry % 2 == 1 and bits > 0.0:
            left = max(1.0 - wanted / bits, 0.1)
        share = 0.0
        if enters:
            share = most / (most + bits) if wide else wanted / (wanted + left * bits)
        for c in range(cell.first, cell.end):
            trial[_WANTED, c] = others[_WANTED, c - cell.first] * left
            trial[_HERTZ, c] = others[_HERTZ, c - cell.first]
            if hertz > 0.0:
                trial[_HERTZ, c] *= cell.bandwidth * (1.0 - share) / hertz
        if enters:
            trial[_WANTED, entrant] = wanted
            trial[_HERTZ, entrant] = cell.bandwidth * share
        gain = _settle(slot, trial)
        if gain > best:
            best, best_entry = gain, entry
    return best


@compiled
def _bearable(slot: Slot, trial: FloatArray, j: int, entrant: int, most: float) -> float:
    """The most bits of an entrant, alone in cell j, beside which all other cells' senders send theirs.

    Who sends at the cap has power to spare: a neighbour that is all but silent costs it next to nothing, one
    that is louder its bits, and no small step leads from there to the first. 0 if there are no such bits.
    """
    cell = slot.cells[j]
    trial[:, cell.first : cell.end] = 0.0
    trial[_HERTZ, entrant] = cell.bandwidth
    low, high = -_QUIETEST, 0.0
    for turn in range(_HALVINGS):
        middle = low if turn == 0 else 0.5 * (low + high)
        trial[_WANTED, entrant] = most * 2.0**middle
        _settle(slot, trial)
        bears, others = True, False
        for c in range(slot.cells[0].end, len(slot.devices)):
            if trial[_HERTZ, c] > 0.0 and c != entrant:
                others = True
                bears = bears and slot.devices[c].power < slot.devices[c].power_max
        if turn == 0 and not (bears and others):
            return 0.0
        if bears:
            low = middle
        else:
            high = middle
    return float(most * 2.0**low)


@compiled_in_place
def _settle(slot: Slot, point: FloatArray) -> float:
    """Set bandwidths, and the least powers that carry the bits, as far as limits allow.

    Returns:
        The gain over offloading nothing, bit^2.
    """
    cells, devices = slot.cells, slot.devices
    needed = point[_NEEDED]  # power per watt of noise and interference
    for j in range(len(cells)):
        for c in range(cells[j].first, cells[j].end):
            devices[c].bandwidth = point[_HERTZ, c]
            devices[c].power = 0.0
            needed[c] = 0.0
            if point[_HERTZ, c] > 0.0:
                efficiency = point[_WANTED, c] / (cells[j].bits_per_hz * point[_HERTZ, c])
                needed[c] = expm1(min(efficiency, cells[j].efficiency_cap)) / devices[c].gain
    follow_interference(slot, needed, 1.0, 1e-6)
    return true_gain(slot)


@compiled
def _climb(slot: Slot, point: FloatArray, gain: float, target: float, first_step: float) -> float:
    """Improve a point by steps of one or two senders, while it may come to exceed a target.

    Args:
        slot: P2, settled at the point.
        point: who sends what.
        gain: at the point.
        target: bit^2.
        first_step: relative.

    Returns:
        The gain of the point now.
    """
    cells, devices = slot.cells, slot.devices
    step = np.full((len(devices), len(devices)), first_step)
    for c in range(len(devices)):
        point[_SENT, c] = devices[c].bits
    for _ in range(_SWEEPS_MAX):
        before, longest = gain, 0.0
        for j in range(len(cells)):
            for c in range(cells[j].first, cells[j].end):
                if point[_HERTZ, c] == 0.0:
                    continue
                for d in range(c, len(devices) if j > 0 else cells[j].end):
                    if point[_HERTZ, d] > 0.0:
                        together = d < cells[j].end
                        gain = _step(slot, point, c, d, together, step, gain)
                        longest = max(longest, abs(step[c, d]))
                        if together and c != d:
                            gain = _step(slot, point, d, c, together, step, gain)
                            longest = max(longest, abs(step[d, c]))
        brought = gain - before
        if longest <= _LAST_STEP or gain + _PROSPECT * brought < target:
            break
        if longest <= 0.1 * _FIRST_STEP and brought <= _LEAST_GAIN * gain:
            break
    for c in range(len(devices)):
        if point[_SENT, c] <= _FEWEST_BITS * devices[c].queue:
            point[:, c] = 0.0
    return _settle(slot, point)


@compiled_in_place
def _step(
    slot: Slot, point: FloatArray, c: int, d: int, together: bool, step: FloatArray, gain: float
) -> float:
    """A step forth, or else back, if that is a gain; then the next one is longer, else shorter.

    Args:
        slot: P2.
        point: who sends what.
        c: a device.
        d: a device; bits are exchanged if it is in another cell, and those of c change if it is c.
        together: they are in one cell: hertz are exchanged, and bits with them if d comes first.
        step: (n, n) relative steps.
        gain: at the point.

    Returns:
        The gain at the point now.
    """
    if abs(step[c, d]) <= _LAST_STEP:
        return gain
    devices = slot.devices
    wanted_c, wanted_d = point[_WANTED, c], point[_WANTED, d]
    hertz_c, hertz_d = point[_HERTZ, c], point[_HERTZ, d]
    for _ in range(2):
        if c != d and together:
            given = step[c, d] * (hertz_c if step[c, d] > 0.0 else hertz_d)
            point[_HERTZ, c] = hertz_c - given
            point[_HERTZ, d] = hertz_d + given
            if d < c:
                point[_WANTED, c] = _moved_bits(devices[c], point, c, -given / hertz_c)
                point[_WANTED, d] = _moved_bits(devices[d], point, d, given / hertz_d)
        else:
            point[_WANTED, c] = _moved_bits(devices[c], point, c, step[c, d])
            if c != d:
                point[_WANTED, d] = _moved_bits(devices[d], point, d, -step[c, d])
        trial = _settle(slot, point)
        if trial > gain:
            step[c, d] = min(max(2.0 * step[c, d], -0.5), 0.5)
            for i in range(len(devices)):
                point[_SENT, i] = devices[i].bits
            return trial
        point[_WANTED, c], point[_WANTED, d] = wanted_c, wanted_d
        point[_HERTZ, c], point[_HERTZ, d] = hertz_c, hertz_d
        step[c, d] = -step[c, d]
    step[c, d] *= 0.5
    return gain


@compiled_in_place
def _moved_bits(device: Any, point: FloatArray, c: int, step: float) -> float:
    """Bits to be sent after a relative step, which stops where the CPU becomes or ceases to be busy."""
    at = point[_WANTED, c] if step > 0.0 else point[_SENT, c]
    kink = most_bits(device)
    moved = at * (1.0 + step)
    if (at - kink) * (moved - kink) < 0.0:
        moved = kink
    return float(min(moved, device.queue))
