"""Least powers for given rates on the MRC uplink: the fixed point p = G (I(p) + N_0).

Raising one power only raises what the others need, so the least powers are the limit of the iteration
p_m <- gamma_m (I_m(p) + N_0) / ||h_m||^2 from p = 0 (Yates, 1995): with G = diag(gamma_m / ||h_m||^2)
and the cross gains T, the solution of (I - G T) p = G N_0.
"""

import numpy as np

from ..core.arrays import FloatArray
from ..core.compiled import compiled, compiled_in_place
from ..core.elementary import exp2_each
from ..core.linear import solve
from ..network.spectral_efficiency import to_carry_each
from .channel import MrcChannel
from .network import TaskNetwork


def least_powers_w(network: TaskNetwork, channel: MrcChannel, rate_bps: FloatArray) -> FloatArray:
    """The least p with R_m(p), C(2), at least the rates asked for, cut at P_max.

    Where the fixed point passes P_max the device transmits with P_max, and falls short; likewise with what
    reaches the cap on spectral efficiency where the rate is beyond it.

    Args:
        network: gives B, N_0, P_max and what links carry at most.
        channel: (R, N) and (R, N, N) gains.
        rate_bps: (R, N) rates; a device that is asked for none is silent.

    Returns:
        (R, N) W.
    """
    # Beyond any P_max, and within the range of floats: a late device may ask for any rate.
    efficiency = to_carry_each(network.efficiency, rate_bps / network.bandwidth_hz)
    sinr = exp2_each(np.minimum(efficiency, 512.0)) - 1.0
    return _least_powers_each(
        np.ascontiguousarray(sinr / channel.gain),
        np.ascontiguousarray(channel.interference_gain),
        network.noise_w,
        network.device_power_max_w,
    )


def fixed_point_w(target: FloatArray, cross_gain: FloatArray, noise_w: float) -> FloatArray:
    """The powers at which every SINR is just as high as it must be, whatever P_max is.

    For many instances at once; `solve_powers` is the same for one, within P_max, for compiled callers.

    Args:
        target: (…, N) SINR / ||h||^2.
        cross_gain: (…, N, N) interference gains.
        noise_w: N_0.

    Returns:
        (…, N) W; some are negative where no powers suffice.
    """
    matrix = np.eye(target.shape[-1]) - target[..., None] * cross_gain
    return solve(matrix, target * noise_w)


@compiled
def _least_powers_each(
    target: FloatArray, cross_gain: FloatArray, noise_w: float, power_max_w: FloatArray
) -> FloatArray:
    """(R, N) `least_powers` of (R, N) and (R, N, N) columns."""
    power_w = np.empty(target.shape)
    for r in range(len(target)):
        least_powers(target[r], cross_gain[r], noise_w, power_max_w, power_w[r])
    return power_w


@compiled
def least_powers(
    target: FloatArray,
    cross_gain: FloatArray,
    noise_w: float,
    power_max_w: FloatArray,
    power_w: FloatArray,
) -> None:
    """The least powers of one instance, cut at P_max, for compiled callers.

    Args:
        target: (N,) SINR / ||h||^2.
        cross_gain: (N, N) interference gains.
        noise_w: N_0.
        power_max_w: (N,) P_max.
        power_w: (N,) is filled with the powers.
    """
    if not solve_powers(target, cross_gain, noise_w, power_max_w, power_w):
        _iterate(target, cross_gain, noise_w, power_max_w, power_w)
    # A rate that is short by rounding alone must not break C(10d).
    for m in range(len(power_w)):
        power_w[m] = min(power_w[m] * (1.0 + 1e-12), power_max_w[m])


@compiled
def solve_powers(
    target: FloatArray,
    cross_gain: FloatArray,
    noise_w: float,
    power_max_w: FloatArray,
    power_w: FloatArray,
) -> bool:
    """The fixed point, by elimination; False if there is none, or if it passes P_max.

    There is one where the matrix I - diag(target) cross_gain, whose other entries are not positive,
    has positive pivots; so none has to be looked for.

    Args:
        target: (N,) SINR / ||h||^2.
        cross_gain: (N, N) interference gains.
        noise_w: N_0.
        power_max_w: (N,) P_max.
        power_w: (N,) is filled with the powers.
    """
    matrix = np.empty((len(target), len(target)))
    return eliminate_powers(target, cross_gain, noise_w, power_max_w, power_w, matrix)


@compiled_in_place
def eliminate_powers(
    target: FloatArray,
    cross_gain: FloatArray,
    noise_w: float,
    power_max_w: FloatArray,
    power_w: FloatArray,
    matrix: FloatArray,
) -> bool:
    """`solve_powers` for who calls it often, with an (N, N) matrix as scratch."""
    devices = len(target)
    for m in range(devices):
        needed_w = target[m] * noise_w
        if needed_w > power_max_w[m]:  # with nobody else on the air
            return False
        row = matrix[m]
        for n in range(devices):
            row[n] = -target[m] * cross_gain[m, n]
        row[m] += 1.0
        for k in range(m):
            factor = row[k] / matrix[k, k]
            for n in range(k + 1, devices):
                row[n] -= factor * matrix[k, n]
            needed_w -= factor * power_w[k]
        if row[m] <= 0.0:
            return False
        power_w[m] = needed_w
    for k in range(devices - 1, -1, -1):
        for n in range(k + 1, devices):
            power_w[k] -= matrix[k, n] * power_w[n]
        power_w[k] /= matrix[k, k]
        if power_w[k] > power_max_w[k]:
            return False
    return True


@compiled
def _iterate(
    target: FloatArray,
    cross_gain: FloatArray,
    noise_w: float,
    power_max_w: FloatArray,
    power_w: FloatArray,
) -> None:
    """The limit of the iteration that is cut at P_max, into `power_w`."""
    devices = len(target)
    power_w[:] = 0.0
    for _ in range(10_000):
        change = 0.0
        for m in range(devices):
            heard_w = noise_w
            for n in range(devices):
                heard_w += cross_gain[m, n] * power_w[n]
            needed_w = min(target[m] * heard_w, power_max_w[m])
            change = max(change, needed_w - power_w[m] * (1.0 + 1e-13))
            power_w[m] = needed_w
        if change <= 0.0:
            break
