"""Admission of offloaders to the MRC uplink of the task problem, and the division of their deadlines.

An offloader's deadline D is shared by radio and server: D = S / R + C / f^0. The more time the server
has, the less it emits, and the faster all devices must send, until their powers no longer suffice.
"""

from typing import NamedTuple

import numpy as np

from ...simulator.core.arrays import BoolArray, FloatArray, IntArray
from ...simulator.core.compiled import compiled, compiled_in_place
from ...simulator.network.spectral_efficiency import to_carry
from ...simulator.tasks.channel import MrcChannel
from ...simulator.tasks.network import TaskNetwork
from ...simulator.tasks.powers import eliminate_powers
from ..tasks.c10.slot import SlotArrays

SERVER_SHARE_MAX = 0.95
"""The largest share of a deadline that the server has."""

RELATIVE_SHARE_MIN = 0.05
"""The smallest share that an offloader has, relative to the largest one."""

_BISECTIONS = 30
"""On the logarithm of a share: to a relative 1e-8."""

_TRIAL_BISECTIONS = 12
"""Likewise, where a set is only judged: to a relative 1e-3."""


class Division(NamedTuple):
    """Who offloads, and what that takes.

    Attributes:
        offload: (R, N).
        edge_s: (R, N) the server's time; zero without offloading.
        radio_j: (R, N) energy of the radio for sending; zero without offloading.
        tried_j: (R, N) what the worst offloader spent, its server's energy included, when the device was
            tried beside those admitted before it; infinite where they could not be in time, or it was not tried.
    """

    offload: BoolArray
    edge_s: FloatArray
    radio_j: FloatArray
    tried_j: FloatArray


def divide_deadlines(
    network: TaskNetwork,
    channel: MrcChannel,
    bits: FloatArray,
    cycles: FloatArray,
    time_s: FloatArray,
    floor_bps: FloatArray,
    stay_j: FloatArray,
    weight: FloatArray,
    budget: FloatArray,
) -> Division:
    """Admit offloaders while they spend less than who stays, and give the server all the time that powers allow.

    Devices are tried in the order of what they spend if they stay local, the largest first, as in
    `nested_sets`. One is admitted if it and those admitted before it can all be in time - within P_max and
    E_max, with the rate floors of all devices, the server at most at F_max - and the worst of them then spends
    less, radio and server together, than it would by itself. So each that is admitted lowers the worst case, or
    does not raise it. A device that is refused executes its task itself. Then the server's times C / f^0 grow
    in proportion to the weights, from those at F_max, until a radio comes to its power budget.

    Args:
        network: capacities and limits.
        channel: (R, N) and (R, N, N) gains.
        bits: (R, N) S.
        cycles: (R, N) C, positive.
        time_s: (R, N) D, s.
        floor_bps: (R, N) least rate of a device that does not offload; that of offloaders is R_min.
        stay_j: (R, N) joules at which a device that stays local is valued; with zero it does, and with
            infinity it is admitted if all can be in time.
        weight: (R, N) positive; the server's times are proportional to it.
        budget: (R, N) in [0, 1]; the power that a radio may use, on a logarithmic scale from the
            least that the server's capacity allows to P_max.
    """
    slots = SlotArrays(
        np.asarray(channel.gain),
        np.asarray(channel.interference_gain),
        np.asarray(bits),
        cycles,
        time_s,
        np.broadcast_to(floor_bps, bits.shape),
        network.device_power_max_w,
        network.bandwidth_hz,
        network.noise_w,
        network.theta_server,
        network.server_cpu_hz,
        network.rate_min_bps,
        network.energy_max_j,
        network.efficiency,
    )
    nobody = np.zeros(bits.shape, dtype=np.bool_)
    edge_s, radio_j = np.zeros(bits.shape), np.zeros(bits.shape)
    division = Division(nobody, edge_s, radio_j, np.full(bits.shape, np.inf))
    _admit_each(slots, stay_j, weight, budget, division)
    return division


class _Room(NamedTuple):
    """Scratch for the trial divisions of a replication. Columns of K have one entry for each that would offload.

    Attributes:
        stay_target: (N,) SINR / ||h||^2 of who stays local; infinite where links do not carry that rate.
        pace: (N,) powers of who stays over what it hears; zero for the others.
        heard: (N, N + 1) gains at which each hears the offloaders, those who stay along with them, and noise, W.
        who: (N,) the K, then those who stay.
        gain: (K,) ||h||^2 over how much more than noise is heard when no offloader sends.
        cross: (K, K) gains among them, likewise.
        target: (K,) SINR / ||h||^2.
        most: (K,) powers that E_max allows.
        cap: (K,) powers that may be used.
        power: (K,) that are.
        matrix: (K, K).
        bracket: (2,) logarithms of levels: they are in time at the first, and not at the second.
    """

    stay_target: FloatArray
    pace: FloatArray
    heard: FloatArray
    who: IntArray
    gain: FloatArray
    cross: FloatArray
    target: FloatArray
    most: FloatArray
    cap: FloatArray
    power: FloatArray
    matrix: FloatArray
    bracket: FloatArray


@compiled
def _admit_each(
    slots: SlotArrays, stay_j: FloatArray, weight: FloatArray, budget: FloatArray, each: Division
) -> None:
    """Fill in the divisions of all replications, of which `slots` has (R, N) and (R, N, N) columns."""
    replications, devices = stay_j.shape
    column = np.empty((7, devices))
    square = np.empty((2, devices, devices))
    room = _Room(
        column[0],
        column[1],
        np.empty((devices, devices + 1)),
        np.empty(devices, np.int64),
        column[2],
        square[0],
        column[3],
        column[4],
        column[5],
        column[6],
        square[1],
        np.empty(2),
    )
    for r in range(replications):
        one = SlotArrays(
            slots.gain[r],
            slots.cross_gain[r],
            slots.bits[r],
            slots.cycles[r],
            slots.deadline_s[r],
            slots.floor_bps[r],
            slots.power_max_w,
            slots.bandwidth_hz,
            slots.noise_w,
            slots.theta_server,
            slots.server_cpu_hz,
            slots.rate_min_bps,
            slots.energy_max_j,
            slots.efficiency,
        )
        division = Division(each.offload[r], each.edge_s[r], each.radio_j[r], each.tried_j[r])
        order = np.argsort(-stay_j[r], kind="mergesort")
        _admit(one, room, order, stay_j[r], weight[r], budget[r], division)


@compiled_in_place
def _admit(
    one: SlotArrays,
    room: _Room,
    order: IntArray,
    stay_j: FloatArray,
    weight: FloatArray,
    budget: FloatArray,
    division: Division,
) -> None:
    """Fill in the division of a replication, in whose order devices are tried."""
    offload, edge_s, radio_j, tried_j = division
    for m in range(len(offload)):
        efficiency = _efficiency(one, one.floor_bps[m])
        room.stay_target[m] = np.inf if efficiency < 0.0 else _target(efficiency, one.gain[m])
    low, high = -np.inf, np.log(SERVER_SHARE_MAX)
    for m in order:
        if stay_j[m] <= 0.0:
            break
        offload[m] = True
        room.bracket[0], room.bracket[1] = -np.inf, np.log(SERVER_SHARE_MAX)
        if _divide(one, room, weight, budget, division, _TRIAL_BISECTIONS):
            tried_j[m] = _worst_j(one, division)
        # An infinite one is of tasks that would be late.
        offload[m] = tried_j[m] < stay_j[m]
        if offload[m]:
            low, high = room.bracket
    # Of those who are admitted, so much is known from when the last of them was tried.
    room.bracket[0], room.bracket[1] = low, high
    more = _BISECTIONS - _TRIAL_BISECTIONS
    if low == -np.inf or not _divide(one, room, weight, budget, division, more):
        edge_s[:] = 0.0
        radio_j[:] = 0.0


@compiled_in_place
def _divide(
    one: SlotArrays,
    room: _Room,
    weight: FloatArray,
    budget: FloatArray,
    division: Division,
    bisections: int,
) -> bool:
    """Fill in (N,) server times and energies of radios; False if the offloaders cannot all be in time.

    The bracket is bisected so many times; where nothing is known it begins at the level that F_max allows.
    """
    offload, edge_s, radio_j, _ = division
    least = _shares(one, offload, weight, edge_s)
    if least > SERVER_SHARE_MAX:
        return False
    count = _gather(offload, room.who)
    if not _have_stayers_follow(one, room, count):
        return False
    cap, power = room.cap, room.power
    for k in range(count):
        cap[k] = one.power_max_w[room.who[k]]
    lowest = np.log(least)
    low, room.bracket[0] = max(lowest, room.bracket[0]), lowest
    if not _find_level(one, room, count, edge_s, 0):
        return False
    for k in range(count):
        m = room.who[k]
        cap[k] = power[k] ** (1.0 - budget[m]) * cap[k] ** budget[m] * (1.0 + 1e-9)
    room.bracket[0] = low
    _find_level(one, room, count, edge_s, bisections)
    level = np.exp(room.bracket[0])
    radio_j[:] = 0.0
    for k in range(count):
        m = room.who[k]
        edge_s[m] *= level
        rate_bps = max(one.bits[m] / (one.deadline_s[m] - edge_s[m]), one.rate_min_bps)
        radio_j[m] = power[k] * one.bits[m] / rate_bps
    return True


@compiled_in_place
def _gather(offload: BoolArray, who: IntArray) -> int:
    """How many offload; fill in their numbers, and then the others'."""
    count = 0
    for m in range(len(offload)):
        if offload[m]:
            who[count] = m
            count += 1
    others = count
    for m in range(len(offload)):
        if not offload[m]:
            who[others] = m
            others += 1
    return count


@compiled_in_place
def _have_stayers_follow(one: SlotArrays, room: _Room, count: int) -> bool:
    """Leave the offloaders' powers as the only unknown ones; False if those who stay cannot keep their rates.

    A device that stays asks for the same rate whatever the server's times. So its power is proportional to
    what it hears, and can be put in its place in what the others hear.
    """
    devices, heard, pace = len(room.who), room.heard, room.pace
    for m in range(devices):
        for n in range(devices):
            heard[m, n] = one.cross_gain[m, n]
        heard[m, devices] = one.noise_w
    for s in room.who[count:]:
        # What it hears of itself, by those who already follow.
        left = 1.0 - room.stay_target[s] * heard[s, s]
        if not left > 0.0 or room.stay_target[s] == np.inf:
            return False
        pace[s] = room.stay_target[s] / left
        for m in range(devices):
            factor = pace[s] * heard[m, s]
            if m != s and factor > 0.0:
                for n in range(devices + 1):
                    heard[m, n] += factor * heard[s, n]
    for k in range(count):
        m = room.who[k]
        share = one.noise_w / heard[m, devices]
        room.gain[k] = one.gain[m] * share
        for j in range(count):
            room.cross[k, j] = heard[m, room.who[j]] * share
    return True


@compiled_in_place
def _worst_j(one: SlotArrays, division: Division) -> float:
    """What the worst offloader spends, C(7) and C(8)."""
    offload, edge_s, radio_j, _ = division
    worst = 0.0
    for m in range(len(offload)):
        if offload[m]:
            edge_hz = one.cycles[m] / edge_s[m]
            worst = max(worst, radio_j[m] + one.theta_server * one.cycles[m] * edge_hz**2)
    return worst


@compiled_in_place
def _shares(one: SlotArrays, offload: BoolArray, weight: FloatArray, edge_s: FloatArray) -> float:
    """Fill in the server's times for a largest share of 1; the largest share that F_max needs."""
    longest = 0.0
    for m in range(len(weight)):
        edge_s[m] = weight[m] if offload[m] else 0.0
        longest = max(longest, edge_s[m] / one.deadline_s[m])
    needed_hz = 0.0
    for m in range(len(weight)):
        if offload[m]:
            share = max(edge_s[m] / (longest * one.deadline_s[m]), RELATIVE_SHARE_MIN)
            edge_s[m] = share * one.deadline_s[m]
            needed_hz += one.cycles[m] / edge_s[m]
    return needed_hz / one.server_cpu_hz


@compiled_in_place
def _find_level(
    one: SlotArrays, room: _Room, count: int, edge_s: FloatArray, bisections: int
) -> bool:
    """Bisect the bracket so many times, and leave the powers at its lower end; False if they do not suffice there.

    Those are to be within the cap and E_max with exp(level) times the server's times. All in one function:
    to hand on what it reads takes as long as what it does with it.
    """
    low, high = room.bracket
    power, devices = room.power[:count], len(room.who)
    suffices = False
    for left in range(bisections, -1, -1):
        if left == 0 and suffices:  # the powers are those of `low`
            break
        middle = 0.5 * (low + high) if left > 0 else low
        level, suffices = np.exp(middle), True
        for k in range(count):
            m = room.who[k]
            radio_s = one.deadline_s[m] - level * edge_s[m]
            efficiency = _efficiency(one, max(one.bits[m] / radio_s, one.rate_min_bps))
            if efficiency < 0.0:
                suffices = False
                break
            if len(one.efficiency.steps) > 0:  # faster than asked for, it is done sooner
                radio_s = one.bits[m] / (one.bandwidth_hz * efficiency)
            room.most[k] = min(room.cap[k], one.energy_max_j / radio_s)
            room.target[k] = _target(efficiency, room.gain[k])
        suffices = suffices and eliminate_powers(
            room.target[:count], room.cross, one.noise_w, room.most, power, room.matrix
        )
        for s in room.who[count : devices if suffices else count]:
            heard_w = room.heard[s, devices]
            for k in range(count):
                heard_w += room.heard[s, room.who[k]] * power[k]
            suffices = suffices and room.pace[s] * heard_w <= one.power_max_w[s]
        if suffices:
            low = middle
        elif left > 0:
            high = middle
    room.bracket[0], room.bracket[1] = low, high
    return suffices


@compiled_in_place
def _efficiency(one: SlotArrays, rate_bps: float) -> float:
    """The one that carries a rate, bit/s/Hz; -1 where links do not."""
    efficiency = rate_bps / one.bandwidth_hz
    if efficiency > one.efficiency.cap * (1.0 + 1e-9):
        return -1.0
    return to_carry(one.efficiency, efficiency)


@compiled_in_place
def _target(efficiency: float, gain: float) -> float:
    """SINR over ||h||^2 that gives it."""
    return float((np.exp2(min(efficiency, 512.0)) - 1.0) / gain)
