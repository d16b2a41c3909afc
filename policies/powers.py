"""Least powers for given rates on the MRC uplink of world C."""

import numpy as np

from ..simulator.arrays import FloatArray
from ..simulator.compiled import compiled
from ..simulator.worst_case import CarbonAwareNetwork, MrcChannel


def least_powers_w(
    network: CarbonAwareNetwork, channel: MrcChannel, rate_bps: FloatArray
) -> FloatArray:
    """The least p with R_m(p) >= the rates asked for, cut at P_max.

    Raising one power only raises what the others need, so the least powers are the limit of the
    iteration p_m <- gamma_m (I_m(p) + N_0) / ||h_m||^2 from p = 0 (Yates, 1995). Where it passes
    P_max the device transmits with P_max, and falls short.

    Args:
        network: gives B, N_0 and P_max.
        channel: (R, N) and (R, N, N) gains.
        rate_bps: (R, N) rates; a device that is asked for none is silent.

    Returns:
        (R, N) W.
    """
    # Beyond any P_max, and within the range of floats: what is short of time asks for any rate.
    sinr = np.exp2(np.minimum(rate_bps / network.bandwidth_hz, 512.0)) - 1.0
    return _least_powers(
        np.ascontiguousarray(sinr / channel.gain),
        np.ascontiguousarray(channel.interference_gain),
        network.noise_w,
        network.device_power_max_w,
    )


@compiled
def _least_powers(
    target: FloatArray, cross: FloatArray, noise_w: float, power_max_w: FloatArray
) -> FloatArray:
    replications, devices = target.shape
    power = np.zeros((replications, devices))
    for r in range(replications):
        for _ in range(10_000):
            change = 0.0
            for m in range(devices):
                heard = noise_w
                for n in range(devices):
                    heard += cross[r, m, n] * power[r, n]
                needed = min(target[r, m] * heard, power_max_w[m])
                change = max(change, needed - power[r, m] * (1.0 + 1e-13))
                power[r, m] = needed
            if change <= 0.0:
                break
        # What is short by rounding is not short of the limit C(10d).
        for m in range(devices):
            power[r, m] = min(power[r, m] * (1.0 + 1e-12), power_max_w[m])
    return power
