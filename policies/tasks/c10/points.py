"""The points between which the improved variant chooses: what they cost, and the best of several.

The same as `Slot.evaluate` says, of one replication, without the columns that the search does not look at.
"""

from typing import NamedTuple

import numpy as np

from ....simulator.core.arrays import BoolArray, FloatArray
from ....simulator.core.compiled import compiled, compiled_in_place
from ....simulator.core.elementary import LN_2, exp, expm1, log, log2
from ....simulator.core.linear import eliminate
from ....simulator.network.spectral_efficiency import carried, to_carry
from ....simulator.tasks.outcome import TOLERANCE
from ....simulator.tasks.powers import least_powers
from .slot import SlotArrays

Level = tuple[float, float]
"""Violation, and emission: smaller is better, in this order."""

_SHARES = 12
_LEAST_SHARE, _LARGE_SHARE, _WHOLE = 0.02, 0.9, 1.0 - 1e-6
"""A start gives every offloader the same share of its time for transmission: `_SHARES` from the least to a
large one, or all."""

_BOUND_STEPS = 48

_LENGTHS = (1.0, 1.0, 2.0, 4.0)
"""How far to go the way of a step; the first time at the server's rates of the step."""


class Point(NamedTuple):
    """Powers and server rates for given offloaders, and what they cost.

    Attributes:
        power_w: (N,) p.
        edge_hz: (N,) f^0.
        rate_bps: (N,) C(2).
        violation: the largest over the limits of radio and server; zero where they hold.
        emission_j: of the worst offloader, in joules of device and server.
    """

    power_w: FloatArray
    edge_hz: FloatArray
    rate_bps: FloatArray
    violation: float
    emission_j: float


@compiled
def start(slot: SlotArrays, offload: BoolArray, edge_hz: FloatArray, slowest: bool) -> Point:
    """The best point at which transmissions take equal shares of the time that there is.

    Args:
        slot: of one replication.
        offload: (N,) alpha.
        edge_hz: (N,) f^0 where it stays.
        slowest: f^0 is the slowest in time instead.
    """
    devices = len(offload)
    target, power_w = np.zeros((1, devices)), np.zeros((1, devices))
    matrix = np.zeros((1, devices, devices))
    trial, best = _room(devices), _room(devices)
    best_level = np.inf, np.inf
    for k in range(_SHARES + 1):
        share = _WHOLE
        if k < _SHARES:
            share = _LEAST_SHARE * exp(log(_LARGE_SHARE / _LEAST_SHARE) * k / (_SHARES - 1))
        for m in range(devices):
            rate = slot.floor_bps[m]
            if offload[m]:
                time_s = slot.deadline_s[m]
                if not slowest:
                    time_s = max(time_s - slot.cycles[m] / edge_hz[m], 0.1 * time_s)
                rate = max(slot.bits[m] / (share * time_s), slot.rate_min_bps)
            efficiency = to_carry(slot.efficiency, rate / slot.bandwidth_hz)
            target[0, m] = expm1(LN_2 * efficiency) / slot.gain[m]
        # The powers at which every SINR is as high as it must be, if there are any.
        for m in range(devices):
            power_w[0, m] = target[0, m] * slot.noise_w
            for n in range(devices):
                matrix[0, m, n] = -target[0, m] * slot.cross_gain[m, n]
            matrix[0, m, m] += 1.0
        eliminate(matrix, power_w)
        exist = True
        for m in range(devices):
            exist = exist and power_w[0, m] >= 0.0
        for m in range(devices):
            full_w = slot.power_max_w[m] if target[0, m] > 0.0 else 0.0
            trial.power_w[m] = min(power_w[0, m], full_w) if exist else full_w
        _complete(slot, offload, edge_hz, slowest, trial)
        best_level = _keep_better(slot, offload, trial, best, best_level)
    return Point(best.power_w, best.edge_hz, best.rate_bps, best_level[0], best_level[1])


@compiled
def prolonged(
    slot: SlotArrays,
    offload: BoolArray,
    here_w: FloatArray,
    step_w: FloatArray,
    step_hz: FloatArray,
    slowest: bool,
) -> Point:
    """The best point the way of a step.

    Steps are short where (12) and (17) bend more than what they bound; longer ones are tried.

    Args:
        slot: of one replication.
        offload: (N,) alpha.
        here_w: (N,) p where the step begins.
        step_w: (N,) and where it leads.
        step_hz: (N,) f^0 there.
        slowest: as for `start`.
    """
    devices = len(offload)
    trial, best = _room(devices), _room(devices)
    best_level = np.inf, np.inf
    for k in range(len(_LENGTHS)):
        for m in range(devices):
            trial.power_w[m] = 0.0
            if here_w[m] > 0.0:
                ratio = step_w[m] / here_w[m]
                grown = ratio if _LENGTHS[k] == 1.0 else exp(_LENGTHS[k] * log(ratio))
                trial.power_w[m] = min(here_w[m] * grown, slot.power_max_w[m])
        if slot.efficiency.cap < np.inf:
            _trim(slot, trial.power_w)
        _complete(slot, offload, step_hz, slowest and k > 0, trial)
        best_level = _keep_better(slot, offload, trial, best, best_level)
    return Point(best.power_w, best.edge_hz, best.rate_bps, best_level[0], best_level[1])


@compiled
def least_offloaded_j(slot: SlotArrays, edge_hz: FloatArray, slowest: bool) -> FloatArray:
    """(N,) what each device emits at least if it offloads, in joules: as if it were alone.

    The radio's energy falls with the airtime and the server's grows. Between two airtimes, there is no less
    than the radio's at the longer and the server's at the shorter.

    Args:
        slot: of one replication.
        edge_hz: (N,) f^0 where it stays.
        slowest: as for `start`.
    """
    devices = len(slot.bits)
    least_j = np.full(devices, np.inf)
    for m in range(devices):
        gain = slot.gain[m] / slot.noise_w
        longest_s = slot.deadline_s[m]
        if slot.rate_min_bps > 0.0:
            longest_s = min(longest_s, slot.bits[m] / slot.rate_min_bps)
        most = min(log2(1.0 + slot.power_max_w[m] * gain), slot.efficiency.cap)
        most_bps = slot.bandwidth_hz * most
        shortest_s = min(slot.bits[m] / most_bps, longest_s)
        growth = log(longest_s / shortest_s) / (_BOUND_STEPS - 1)
        before_s = shortest_s
        for k in range(1, _BOUND_STEPS):
            airtime_s = shortest_s * exp(growth * k)
            sinr = expm1(LN_2 * slot.bits[m] / (slot.bandwidth_hz * airtime_s))
            hz = edge_hz[m]
            if slowest:
                hz = min(_slowest_hz(slot, m, before_s), slot.server_cpu_hz)
            server_j = slot.theta_server * slot.cycles[m] * hz**2
            least_j[m] = min(least_j[m], sinr / gain * airtime_s + server_j)
            before_s = airtime_s
    return least_j


@compiled
def _trim(slot: SlotArrays, power_w: FloatArray) -> None:
    """As `trimmed_w`, in place: the least powers with the same rates."""
    devices = len(power_w)
    target, least_w = np.zeros(devices), np.empty(devices)
    for m in range(devices):
        heard_w = slot.noise_w
        for n in range(devices):
            heard_w += slot.cross_gain[m, n] * power_w[n]
        efficiency = carried(slot.efficiency, log2(1.0 + power_w[m] * slot.gain[m] / heard_w))
        wanted = to_carry(slot.efficiency, efficiency)
        target[m] = expm1(LN_2 * min(wanted, 512.0)) / slot.gain[m]
    least_powers(target, slot.cross_gain, slot.noise_w, slot.power_max_w, least_w)
    for m in range(devices):
        power_w[m] = min(power_w[m], least_w[m])


@compiled
def _room(devices: int) -> Point:
    """A point whose columns are to be filled in."""
    return Point(np.zeros(devices), np.zeros(devices), np.zeros(devices), np.inf, np.inf)


@compiled_in_place
def _complete(
    slot: SlotArrays, offload: BoolArray, edge_hz: FloatArray, slowest: bool, point: Point
) -> None:
    """Fill in the rates of radio and server that go with the powers."""
    devices = len(offload)
    for m in range(devices):
        heard_w = 0.0
        for n in range(devices):
            heard_w += slot.cross_gain[m, n] * point.power_w[n]
        sinr = point.power_w[m] * slot.gain[m] / (heard_w + slot.noise_w)
        point.rate_bps[m] = slot.bandwidth_hz * carried(slot.efficiency, log2(1.0 + sinr))
        point.edge_hz[m] = edge_hz[m]
        if slowest:
            # The rate is zero below the first step of what links carry.
            airtime_s = slot.bits[m] / max(point.rate_bps[m], 1e-200) if offload[m] else 0.0
            point.edge_hz[m] = min(_slowest_hz(slot, m, airtime_s), slot.server_cpu_hz)


@compiled_in_place
def _slowest_hz(slot: SlotArrays, m: int, airtime_s: float) -> float:
    """As `slowest_edge_hz`."""
    left_s = slot.deadline_s[m] - airtime_s
    return slot.cycles[m] / left_s if left_s > 0.0 else np.inf


@compiled_in_place
def _keep_better(
    slot: SlotArrays, offload: BoolArray, trial: Point, best: Point, best_level: Level
) -> Level:
    """Copy the trial if it is better, or no worse than nothing; returns the better level."""
    level = _level(slot, offload, trial)
    if best_level[0] < np.inf and not level < best_level:
        return best_level
    for m in range(len(offload)):
        best.power_w[m] = trial.power_w[m]
        best.edge_hz[m] = trial.edge_hz[m]
        best.rate_bps[m] = trial.rate_bps[m]
    return level


@compiled_in_place
def _level(slot: SlotArrays, offload: BoolArray, point: Point) -> Level:
    """Violation of the limits of radio and server, and emission of the worst offloader, J."""
    asked_hz, use, worst_j = 0.0, 0.0, 0.0
    for m in range(len(offload)):
        if offload[m]:
            asked_hz += point.edge_hz[m]
    for m in range(len(offload)):
        power_w, rate_bps, edge_hz = point.power_w[m], point.rate_bps[m], point.edge_hz[m]
        use = max(use, power_w / slot.power_max_w[m])
        floor_bps = slot.rate_min_bps if offload[m] else slot.floor_bps[m]
        if floor_bps > 0.0:
            use = max(use, floor_bps / rate_bps)
        if offload[m]:
            sending_s = slot.bits[m] / rate_bps
            radio_j = power_w * sending_s if power_w > 0.0 else 0.0
            use = max(use, (sending_s + slot.cycles[m] / edge_hz) / slot.deadline_s[m])
            use = max(use, radio_j / slot.energy_max_j)
            server_j = slot.theta_server * slot.cycles[m] * edge_hz**2
            worst_j = max(worst_j, radio_j + server_j)
    use = max(use, asked_hz / slot.server_cpu_hz)
    return (0.0 if use <= 1.0 + TOLERANCE else use - 1.0), worst_j
