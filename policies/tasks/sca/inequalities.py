"""The inequalities (12), (13) and (17) by which paper C makes its power subproblem convex.

Powers p and times per bit r = 1 / R are relative to a point (p^(i), r^(i)), which therefore is (1, 1):
all numbers are of order one. With the SINR s at the point, x = p ||h||^2 and y = I(p) + N_0, (12) is

    ln(1 + x / y) >= ln(1 + s) (u - v / p - w y / y^(i)),

with u, v and w those of (12) over ln(1 + s), and x^(i) and y^(i) drawn into v and w. (17) becomes
p r <= (p^2 + r^2) / 2.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ....simulator.core.arrays import FloatArray
from ....simulator.core.compiled import compiled
from ....simulator.core.elementary import log1p
from ..c10.slot import SlotArrays

if TYPE_CHECKING:
    import cvxpy as cp

MARGIN = 1e-6
"""Limits are tightened by this much, relative: more than a solver's error, so that they hold."""

REACH = 10.0
"""No power or time per bit grows by more than this factor in one step."""


class RateBound(NamedTuple):
    """(13) at a point: R / R^(i) >= u - v / p - w p - w_noise z, if the noise is z N_0.

    Attributes:
        u: (N,) 1 + 2 s / (1 + s) / ln(1 + s).
        v: (N,) s / (1 + s) / ln(1 + s).
        w: (N, N) v times the share of each interferer in y^(i).
        w_noise: (N,) v times the share of the noise in y^(i).
    """

    u: FloatArray
    v: FloatArray
    w: FloatArray
    w_noise: FloatArray


@compiled
def rate_bound(slot: SlotArrays, power_w: FloatArray) -> RateBound:
    """(12) and (13) at (N,) powers p^(i).

    A silent device stays silent, and has R = R^(i) whatever R^(i) is.
    """
    devices = len(power_w)
    bound = RateBound(
        np.ones(devices), np.zeros(devices), np.zeros((devices, devices)), np.zeros(devices)
    )
    for m in range(devices):
        if power_w[m] > 0.0:
            disturbance_w = 0.0
            for n in range(devices):
                disturbance_w += slot.cross_gain[m, n] * power_w[n]
            disturbance_w += slot.noise_w
            sinr = power_w[m] * slot.gain[m] / disturbance_w
            v = sinr / (1.0 + sinr) / log1p(sinr)
            bound.u[m], bound.v[m] = 1.0 + 2.0 * v, v
            bound.w_noise[m] = v * slot.noise_w / disturbance_w
            for n in range(devices):
                bound.w[m, n] = v * (slot.cross_gain[m, n] * power_w[n]) / disturbance_w
    return bound


def product_bound(x: "cp.Variable", y: "cp.Variable", bound: "cp.Variable") -> "cp.Constraint":
    """(17): (x^2 + y^2) / 2 <= bound, one cone for each device."""
    import cvxpy as cp

    rows = [2.0 * x, 2.0 * cp.promote(y, x.shape), 2.0 * bound - 1.0]
    return cp.SOC(2.0 * bound + 1.0, cp.vstack(rows), axis=0)
