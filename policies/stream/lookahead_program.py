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
        due: (N, H) bits of the queue that have to be executed by the end of each stretch, or sent a slot earlier.
        queue: (N,) bits.
        too_late: (N, H) share of what is sent in a stretch that is too late for what is due as it ends.
        coming: (K, N, H) bits of each class that will have arrived, and can leave, by then.
        coming_due: (K, N, H) bits of these that have to have left by then.
        station: (N,) of each device.
    """

    local_cost: FloatArray
    sent_cost: FloatArray
    local_most: FloatArray
    sent_most: FloatArray
    due: FloatArray
    queue: FloatArray
    too_late: FloatArray
    coming: FloatArray
    coming_due: FloatArray
    station: Any


@dataclass(frozen=True)
class Planned:
    """What solves it: (N, H) bits.

    Attributes:
        local: executed by devices.
        sent: of those that wait now.
        found: whether the solver found them; else bits are executed as evenly as deadlines allow.
    """

    local: FloatArray
    sent: FloatArray
    found: bool


_LATE_COST = 1e3
"""Of a bit that is late, in units of a usual bit's cost: what cannot be in time is as little as can be."""


class LookaheadProgram:
    """Least cost over the horizon; who is late makes it no less feasible.

    Minimise sum a l^3 + b s + 1e3 late, with l and s the bits that each device executes and sends in each
    stretch, and what of them is of those that wait now, and of each class that comes: of each no more leaves
    than is there, and no less than has to. In the last slot of what waits now a device executes, and
    sends nothing of it, unless enough leaves beside it. At a station sum s / s_most <= 1, so that each has it to itself for
    as long as it needs it: a CPU that two share costs as much for each as for both.

    Args:
        devices: N.
        stations: B.
        slots: of each of the H stretches.
        classes: K.
    """

    def __init__(self, devices: int, stations: int, slots: list[int], classes: int) -> None:
        import cvxpy as cp

        self._slots = np.array(slots)
        shape = (devices, len(slots))
        names = ("local_cost", "sent_cost", "local_most", "sent_most", "due", "too_late")
        self._given = {name: cp.Parameter(shape, nonneg=True) for name in names}
        self._given["queue"] = cp.Parameter(devices, nonneg=True)
        self._given["share"] = cp.Parameter((stations, devices), nonneg=True)
        for k in range(classes):
            self._given[f"coming {k}"] = cp.Parameter(shape, nonneg=True)
            self._given[f"coming_due {k}"] = cp.Parameter(shape, nonneg=True)
        p = self._given
        self._local, sent = cp.Variable(shape, nonneg=True), cp.Variable(shape, nonneg=True)
        executed, self._sent = cp.Variable(shape, nonneg=True), cp.Variable(shape, nonneg=True)
        late = cp.Variable(shape, nonneg=True)
        of_queue = cp.cumsum(executed + self._sent, axis=1)
        limits = [
            self._local <= p["local_most"],
            sent <= p["sent_most"],
            executed <= self._local,
            self._sent <= sent,
            of_queue - cp.multiply(p["too_late"], self._sent) + late >= p["due"],
            of_queue[:, -1] <= p["queue"],
            p["share"] @ sent <= self._slots,
        ]
        rest = self._local + sent - executed - self._sent
        for k in range(classes):
            leaving = rest
            if k < classes - 1:
                leaving = cp.Variable(shape, nonneg=True)
                rest = rest - leaving
            left = cp.cumsum(leaving, axis=1)
            limits += [left <= p[f"coming {k}"], left + late >= p[f"coming_due {k}"]]
        limits.append(rest >= 0.0)
        cost = cp.sum(cp.multiply(p["local_cost"], cp.power(self._local, 3)))
        cost += cp.sum(cp.multiply(p["sent_cost"], sent)) + _LATE_COST * cp.sum(late)
        self._problem = cp.Problem(cp.Minimize(cost), limits)

    def solve(self, wanted: Wanted) -> Planned:
        """The plan."""
        n, h = wanted.local_cost.shape
        due = wanted.due[:, -1] + wanted.coming_due[..., -1].sum(axis=0)
        unit = max(float(due.mean()) / h, 1.0)
        local, sent = wanted.local_cost * unit**3, wanted.sent_cost * unit
        some = np.concatenate(
            [local[:, :1], np.where(np.isfinite(sent), sent, np.inf)[:, :1]], axis=1
        )
        cost = max(float(some.min(axis=1).mean()), 1e-300)
        p = self._given
        p["local_cost"].value = local / cost
        p["sent_cost"].value = np.minimum(np.where(np.isfinite(sent), sent / cost, 1e4), 1e4)
        # Limits that cannot be reached only spoil the solver's scaling.
        total = (wanted.queue + wanted.coming[..., -1].sum(axis=0))[:, None] + unit
        most = np.where(np.isfinite(sent), np.minimum(wanted.sent_most, total), 0.0) / unit
        p["local_most"].value = np.minimum(wanted.local_most, total) / unit
        p["sent_most"].value = most
        p["due"].value, p["queue"].value = wanted.due / unit, wanted.queue / unit
        p["too_late"].value = wanted.too_late
        for k, (coming, coming_due) in enumerate(
            zip(wanted.coming, wanted.coming_due, strict=True)
        ):
            p[f"coming {k}"].value, p[f"coming_due {k}"].value = coming / unit, coming_due / unit
        share = np.zeros(p["share"].shape)
        alone = wanted.sent_most[:, 0] / unit
        share[wanted.station, np.arange(n)] = np.divide(
            1.0, alone, out=np.zeros(n), where=alone > 0.0
        )
        p["share"].value = share
        if not solved(self._problem, rough=True, refined=False):
            evenly = (wanted.due / self._slots.cumsum()).max(axis=1, keepdims=True) * self._slots
            return Planned(evenly, np.zeros((n, h)), False)
        return Planned(
            np.maximum(self._local.value, 0.0) * unit,
            np.maximum(self._sent.value, 0.0) * unit,
            True,
        )
