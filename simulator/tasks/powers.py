"""Least powers for given rates on the MRC uplink of world C."""

import numpy as np

from ..core.arrays import FloatArray
from ..core.compiled import compiled
from .channel import MrcChannel
from .network import CarbonAwareNetwork


def least_powers_w(
    network: CarbonAwareNetwork, channel: MrcChannel, rate_bps: FloatArray
) -> FloatArray:
    """The least p with R_m(p) >= the rates asked for, cut at P_max.

    Raising one power only raises what the others need, so the least powers are the limit of the
    iteration p_m <- gamma_m (I_m(p) + N_0) / ||h_m||^2 from p = 0 (Yates, 1995), a fixed point, and
    so the solution of a linear system. Where it passes P_max the device transmits with P_max, and
    falls short.

    Args:
        network: gives B, N_0 and P_max.
        channel: (R, N) and (R, N, N) gains.
        rate_bps: (R, N) rates; a device that is asked for none is silent.

    Returns:
        (R, N) W.
    """
    # Beyond any P_max, and within the range of floats: what is short of time asks for any rate.
    sinr = np.exp2(np.minimum(rate_bps / network.bandwidth_hz, 512.0)) - 1.0
    return least_powers(
        np.ascontiguousarray(sinr / channel.gain),
        np.ascontiguousarray(channel.interference_gain),
        network.noise_w,
        network.device_power_max_w,
    )


@compiled
def least_powers(
    target: FloatArray, cross: FloatArray, noise_w: float, power_max_w: FloatArray
) -> FloatArray:
    """The same from (R, N) SINR / ||h||^2 and (R, N, N) interference gains, for compiled callers."""
    power = np.zeros(target.shape)
    for r in range(len(target)):
        if not solve_powers(target[r], cross[r], noise_w, power_max_w, power[r]):
            _iterate(target[r], cross[r], noise_w, power_max_w, power[r])
        # What is short by rounding is not short of the limit C(10d).
        for m in range(len(power_max_w)):
            power[r, m] = min(power[r, m] * (1.0 + 1e-12), power_max_w[m])
    return power


@compiled
def solve_powers(
    target: FloatArray,
    cross: FloatArray,
    noise_w: float,
    power_max_w: FloatArray,
    power: FloatArray,
) -> bool:
    """The fixed point, by elimination; False if there is none, or if it passes P_max.

    There is one where the matrix I - diag(target) cross, whose other entries are not positive, has
    positive pivots; so none has to be looked for.
    """
    devices = len(target)
    matrix = np.empty((devices, devices))
    for m in range(devices):
        for n in range(devices):
            matrix[m, n] = -target[m] * cross[m, n]
        matrix[m, m] += 1.0
        power[m] = target[m] * noise_w
    for k in range(devices):
        if matrix[k, k] <= 0.0:
            return False
        for m in range(k + 1, devices):
            factor = matrix[m, k] / matrix[k, k]
            if factor != 0.0:
                for n in range(k + 1, devices):
                    matrix[m, n] -= factor * matrix[k, n]
                power[m] -= factor * power[k]
    for k in range(devices - 1, -1, -1):
        for n in range(k + 1, devices):
            power[k] -= matrix[k, n] * power[n]
        power[k] /= matrix[k, k]
        if power[k] > power_max_w[k]:
            return False
    return True


@compiled
def _iterate(
    target: FloatArray,
    cross: FloatArray,
    noise_w: float,
    power_max_w: FloatArray,
    power: FloatArray,
) -> None:
    """The limit of the iteration that is cut at P_max."""
    devices = len(target)
    power[:] = 0.0
    for _ in range(10_000):
        change = 0.0
        for m in range(devices):
            heard = noise_w
            for n in range(devices):
                heard += cross[m, n] * power[n]
            needed = min(target[m] * heard, power_max_w[m])
            change = max(change, needed - power[m] * (1.0 + 1e-13))
            power[m] = needed
        if change <= 0.0:
            break
