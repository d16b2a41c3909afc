"""The program of `lookahead`: when, over a horizon, devices execute and send what they have and expect.

Stated once with CVXPY, for one number of devices, stations and stretches of time; its numbers are
parameters. All bits are in one unit, all costs in another.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...simulator.core.arrays import FloatArray
from ..convex_solver import solved


def stretches(slots: int) -> list[int]:
    """Lengths of stretches that make so many slots: one slot each at first, later a third of what lies before."""
    lengths: list[int] = []
    while (before := sum(lengths)) < slots:
        lengths.append(min(max(1, before // 3), slots - before))
    return lengths


@dataclass(frozen=True)
class Wanted:
    """What is to be planned, in H stretches. Bits and costs in any units.

    Attributes:
        local_cost: (N, H) a of a l^3 for l bits in a stretch.
        sent_cost: (N, H) of a bit that is sent.
        local_most: (N, H) bits that a CPU executes.
        sent_most: (N, H) bits that a radio sends alone.
        due: (N, H) bits of the queue that have to have left by the end of each stretch.
        queue: (N,) bits.
        coming: (N, H) bits that will have arrived, and can leave, by then.
        coming_due: (N, H) bits of these that have to have left by then.
        station: (N,) of each device.
    """

    local_cost: FloatArray
    sent_cost: FloatArray
    local_most: FloatArray
    sent_most: FloatArray
    due: FloatArray
    queue: FloatArray
    coming: FloatArray
    coming_due: FloatArray
    station: Any


_LATE_COST = 1e3
"""Of a bit that is late, in units of a usual bit's cost: what cannot be in time is as little as can be."""


class LookaheadProgram:
    """Least cost over the horizon; who is late makes it no less feasible.

    Minimise sum a l^3 + b s + 1e3 late, with l and s the bits that each device executes and sends in each
    stretch, and y those of them that wait now: what leaves of the queue and of what comes is no more than
    is there, and no less than has to. At a station sum s / s_most <= 1, so that each has it to itself for
    as long as it needs it: a CPU that two share costs as much for each as for both.

    Args:
        devices: N.
        stations: B.
        slots: of each of the H stretches.
    """

    def __init__(self, devices: int, stations: int, slots: list[int]) -> None:
        import cvxpy as cp

        shape = (devices, len(slots))
        names = (
            "local_cost",
            "sent_cost",
            "local_most",
            "sent_most",
            "due",
            "coming",
            "coming_due",
        )
        self._given = {name: cp.Parameter(shape, nonneg=True) for name in names}
        self._given["queue"] = cp.Parameter(devices, nonneg=True)
        self._given["share"] = cp.Parameter((stations, devices), nonneg=True)
        p = self._given
        self._local, self._sent = cp.Variable(shape, nonneg=True), cp.Variable(shape, nonneg=True)
        waiting, late = cp.Variable(shape, nonneg=True), cp.Variable(shape, nonneg=True)
        leaving = self._local + self._sent
        of_queue, of_coming = cp.cumsum(waiting, axis=1), cp.cumsum(leaving - waiting, axis=1)
        cost = cp.sum(cp.multiply(p["local_cost"], cp.power(self._local, 3)))
        cost += cp.sum(cp.multiply(p["sent_cost"], self._sent)) + _LATE_COST * cp.sum(late)
        self._problem = cp.Problem(
            cp.Minimize(cost),
            [
                self._local <= p["local_most"],
                self._sent <= p["sent_most"],
                waiting <= leaving,
                of_queue + late >= p["due"],
                of_queue[:, -1] <= p["queue"],
                of_coming <= p["coming"],
                of_coming + late >= p["coming_due"],
                p["share"] @ self._sent <= np.array(slots),
            ],
        )

    def solve(self, wanted: Wanted) -> tuple[FloatArray, FloatArray, bool]:
        """(N, H) bits executed and sent in each stretch, and whether the solver found them; else zeros."""
        n, h = wanted.local_cost.shape
        unit = max(float((wanted.due[:, -1] + wanted.coming_due[:, -1]).mean()) / h, 1.0)
        local, sent = wanted.local_cost * unit**3, wanted.sent_cost * unit
        some = np.concatenate(
            [local[:, :1], np.where(np.isfinite(sent), sent, np.inf)[:, :1]], axis=1
        )
        cost = max(float(some.min(axis=1).mean()), 1e-300)
        p = self._given
        p["local_cost"].value = local / cost
        p["sent_cost"].value = np.minimum(np.where(np.isfinite(sent), sent / cost, 1e4), 1e4)
        most = np.where(np.isfinite(sent), wanted.sent_most, 0.0) / unit
        p["local_most"].value, p["sent_most"].value = wanted.local_most / unit, most
        p["due"].value, p["queue"].value = wanted.due / unit, wanted.queue / unit
        p["coming"].value, p["coming_due"].value = wanted.coming / unit, wanted.coming_due / unit
        share = np.zeros(p["share"].shape)
        alone = wanted.sent_most[:, 0] / unit
        share[wanted.station, np.arange(n)] = np.divide(
            1.0, alone, out=np.zeros(n), where=alone > 0.0
        )
        p["share"].value = share
        if not solved(self._problem, rough=True):
            return np.zeros((n, h)), np.zeros((n, h)), False
        return (
            np.maximum(self._local.value, 0.0) * unit,
            np.maximum(self._sent.value, 0.0) * unit,
            True,
        )
