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
    """Scratch for a trial division.

    Attributes:
        target: (N,) SINR / ||h||^2.
        most: (N,) powers that E_max allows.
        cap: (N,) powers that may be used.
        power: (N,) that are.
        matrix: (N, N).
    """

    target: FloatArray
    most: FloatArray
    cap: FloatArray
    power: FloatArray
    matrix: FloatArray


@compiled
def _admit_each(
    slots: SlotArrays, stay_j: FloatArray, weight: FloatArray, budget: FloatArray, each: Division
) -> None:
    """Fill in the divisions of all replications, of which `slots` has (R, N) and (R, N, N) columns."""
    replications, devices = stay_j.shape
    scratch = np.empty((4, devices))
    matrix = np.empty((devices, devices))
    room = _Room(scratch[0], scratch[1], scratch[2], scratch[3], matrix)
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
    some = False
    for m in order:
        if stay_j[m] <= 0.0:
            break
        offload[m] = True
        if _divide(one, room, weight, budget, division, _TRIAL_BISECTIONS):
            tried_j[m] = _worst_j(one, division)
        # An infinite one is of tasks that would be late.
        offload[m] = tried_j[m] < stay_j[m]
        some = some or offload[m]
    if not some or not _divide(one, room, weight, budget, division, _BISECTIONS):
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
    """Fill in (N,) server times and energies of radios; False if the offloaders cannot all be in time."""
    offload, edge_s, radio_j, _ = division
    devices = len(offload)
    cap, power = room.cap, room.power
    for m in range(devices):
        cap[m] = one.power_max_w[m]
    least = _shares(one, offload, weight, edge_s)
    if least > SERVER_SHARE_MAX:
        return False
    # What stays local asks for the same whatever the server's times.
    for m in range(devices):
        if not offload[m]:
            efficiency = _efficiency(one, one.floor_bps[m])
            if efficiency < 0.0:
                return False
            room.most[m], room.target[m] = cap[m], _target(one, m, efficiency)
    if not _in_time(one, room, offload, edge_s, least):
        return False
    for m in range(devices):
        if offload[m]:
            cap[m] = power[m] ** (1.0 - budget[m]) * cap[m] ** budget[m] * (1.0 + 1e-9)
    low, high = np.log(least), np.log(SERVER_SHARE_MAX)
    for _ in range(bisections):
        middle = 0.5 * (low + high)
        if _in_time(one, room, offload, edge_s, np.exp(middle)):
            low = middle
        else:
            high = middle
    level = np.exp(low)
    _in_time(one, room, offload, edge_s, level)
    for m in range(devices):
        edge_s[m] *= level
        radio_j[m] = 0.0
        if offload[m]:
            rate_bps = max(one.bits[m] / (one.deadline_s[m] - edge_s[m]), one.rate_min_bps)
            radio_j[m] = power[m] * one.bits[m] / rate_bps
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
def _in_time(
    one: SlotArrays, room: _Room, offload: BoolArray, edge_s: FloatArray, level: float
) -> bool:
    """Whether powers within the cap and E_max suffice with `level` times the server's times."""
    for m in range(len(offload)):
        if offload[m]:
            radio_s = one.deadline_s[m] - level * edge_s[m]
            efficiency = _efficiency(one, max(one.bits[m] / radio_s, one.rate_min_bps))
            if efficiency < 0.0:
                return False
            if len(one.efficiency.steps) > 0:  # faster than asked for, it is done sooner
                radio_s = one.bits[m] / (one.bandwidth_hz * efficiency)
            room.most[m] = min(room.cap[m], one.energy_max_j / radio_s)
            room.target[m] = _target(one, m, efficiency)
    return eliminate_powers(
        room.target, one.cross_gain, one.noise_w, room.most, room.power, room.matrix
    )


@compiled_in_place
def _efficiency(one: SlotArrays, rate_bps: float) -> float:
    """The one that carries a rate, bit/s/Hz; -1 where links do not."""
    efficiency = rate_bps / one.bandwidth_hz
    if efficiency > one.efficiency.cap * (1.0 + 1e-9):
        return -1.0
    return to_carry(one.efficiency, efficiency)


@compiled_in_place
def _target(one: SlotArrays, m: int, efficiency: float) -> float:
    """SINR over ||h||^2 that gives it."""
    return float((np.exp2(min(efficiency, 512.0)) - 1.0) / one.gain[m])
