"""Admission of offloaders to the MRC uplink of the task problem, and the division of their deadlines.

An offloader's deadline D is shared by radio and server: D = S / R + C / f^0. The more time the server
has, the less it emits, and the faster all devices must send, until their powers no longer suffice.
"""

import numpy as np

from ...simulator.core.arrays import BoolArray, FloatArray
from ...simulator.core.compiled import compiled
from ...simulator.network.spectral_efficiency import to_carry
from ...simulator.tasks.channel import MrcChannel
from ...simulator.tasks.network import CarbonAwareNetwork
from ...simulator.tasks.powers import solve_powers
from ..tasks.c10.slot import SlotArrays

SERVER_SHARE_MAX = 0.95
"""The largest share of a deadline that the server has."""

RELATIVE_SHARE_MIN = 0.05
"""The smallest share that an offloader has, relative to the largest one."""

_BISECTIONS = 30
"""On the logarithm of a share: to a relative 1e-8."""


def divide_deadlines(
    network: CarbonAwareNetwork,
    channel: MrcChannel,
    bits: FloatArray,
    cycles: FloatArray,
    time_s: FloatArray,
    floor_bps: FloatArray,
    priority: FloatArray,
    weight: FloatArray,
    budget: FloatArray,
) -> tuple[BoolArray, FloatArray]:
    """Admit offloaders by priority, then give the server all the time that their powers allow.

    A device is admitted if it and those admitted before it can all be in time: within P_max and E_max,
    with the rate floors of all devices, the server at most at F_max. A device that is refused executes
    its task itself. Then the server's times C / f^0 grow in proportion to the weights, from those at
    F_max, until a radio comes to its power budget.

    Args:
        network: capacities and limits.
        channel: (R, N) and (R, N, N) gains.
        bits: (R, N) S.
        cycles: (R, N) C, positive.
        time_s: (R, N) D, s.
        floor_bps: (R, N) least rate of a device that does not offload; that of offloaders is R_min.
        priority: (R, N) the largest is admitted first; with zero or less a device stays local.
        weight: (R, N) positive; the server's times are proportional to it.
        budget: (R, N) in [0, 1]; the power that a radio may use, on a logarithmic scale from the
            least that the server's capacity allows to P_max.

    Returns:
        (R, N) offloading, and (R, N) the server's time in seconds, zero without offloading.
    """
    floor_bps = np.broadcast_to(floor_bps, bits.shape)
    offload = np.zeros(bits.shape, dtype=np.bool_)
    edge_s = np.zeros(bits.shape)
    for r in range(len(bits)):
        one = SlotArrays(
            channel.gain[r],
            channel.interference_gain[r],
            bits[r],
            cycles[r],
            time_s[r],
            floor_bps[r],
            network.device_power_max_w,
            network.bandwidth_hz,
            network.noise_w,
            network.theta_server,
            network.server_cpu_hz,
            network.rate_min_bps,
            network.energy_max_j,
            network.efficiency,
        )
        _divide(one, priority[r], weight[r], budget[r], offload[r], edge_s[r])
    return offload, edge_s


@compiled
def _divide(
    one: SlotArrays,
    priority: FloatArray,
    weight: FloatArray,
    budget: FloatArray,
    offload: BoolArray,
    edge_s: FloatArray,
) -> None:
    """Fill in (N,) offloading and (N,) server times."""
    devices = len(priority)
    cap, power = one.power_max_w.copy(), np.zeros(devices)
    for m in np.argsort(-priority, kind="mergesort"):
        if priority[m] <= 0.0:
            break
        offload[m] = True
        least = _shares(one, offload, weight, edge_s)
        if least > SERVER_SHARE_MAX or not _in_time(one, offload, edge_s, least, cap, power):
            offload[m] = False
    if not offload.any():
        edge_s[:] = 0.0
        return
    low = _shares(one, offload, weight, edge_s)
    _in_time(one, offload, edge_s, low, cap, power)
    for m in range(devices):
        if offload[m]:
            cap[m] = power[m] ** (1.0 - budget[m]) * cap[m] ** budget[m] * (1.0 + 1e-9)
    low, high = np.log(low), np.log(SERVER_SHARE_MAX)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        if _in_time(one, offload, edge_s, np.exp(middle), cap, power):
            low = middle
        else:
            high = middle
    edge_s *= np.exp(low)


@compiled
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


@compiled
def _in_time(
    one: SlotArrays,
    offload: BoolArray,
    edge_s: FloatArray,
    level: float,
    cap: FloatArray,
    power: FloatArray,
) -> bool:
    """Whether powers within `cap` and E_max suffice with `level` times the server's times."""
    devices = len(power)
    target, most = np.empty(devices), cap.copy()
    for m in range(devices):
        rate_bps = one.floor_bps[m]
        if offload[m]:
            radio_s = one.deadline_s[m] - level * edge_s[m]
            rate_bps = max(one.bits[m] / radio_s, one.rate_min_bps)
        efficiency = rate_bps / one.bandwidth_hz
        if efficiency > one.efficiency.cap * (1.0 + 1e-9):
            return False
        efficiency = to_carry(one.efficiency, efficiency)
        if offload[m]:
            if len(one.efficiency.steps) > 0:  # faster than asked for, it is done sooner
                radio_s = one.bits[m] / (one.bandwidth_hz * efficiency)
            most[m] = min(most[m], one.energy_max_j / radio_s)
        sinr = np.exp2(min(efficiency, 512.0)) - 1.0
        target[m] = sinr / one.gain[m]
    return solve_powers(target, one.cross_gain, one.noise_w, most, power)
