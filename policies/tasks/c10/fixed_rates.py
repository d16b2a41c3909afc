"""C(10) at fixed processing rates: who should offload.

Let l_m be what device m emits if it stays local; at a fixed rate that is a constant. For any level of
emission, whoever can stay within it should: an offloader that stays needs to transmit no more than its
rate floor, so the others hear less interference, and what the server spends on them is fixed. So the
best set is one of the `nested_sets`.

The argument needs powers that fall when an offloader stays local, or do not change; it holds for the
least powers and for equal powers alike.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ....simulator.core.arrays import BoolArray, FloatArray, IntArray
from ....simulator.core.elementary import exp2_each
from ....simulator.tasks.decision import TaskDecision
from ....simulator.tasks.outcome import TOLERANCE, local_energy_j
from .nested_sets import worst_alone_first
from .slot import Slot

_RELAXATION_BITS = 64.0
"""Limits are relaxed by at most two to this power."""

_RELAXATION_STEPS = 40
"""Halvings of its logarithm: to a relative precision of 4e-11, well within `TOLERANCE`."""


@dataclass(frozen=True)
class FixedRates:
    """Instances of C(10) with all processing rates given, one per replication.

    Attributes:
        slot: (R, N) columns.
        local_hz: (R, N) f_m.
        edge_hz: f_m^0 of every device that offloads.
    """

    slot: Slot
    local_hz: FloatArray
    edge_hz: float

    def rows(self, chosen: BoolArray) -> "FixedRates":
        """The instances of some replications, by a mask (R,)."""
        return FixedRates(self.slot.rows(chosen), self.local_hz[chosen], self.edge_hz)

    @property
    def local_j(self) -> FloatArray:
        """(R, N) C(7) of a device that stays local."""
        return local_energy_j(self.slot.network, self.slot.tasks, self.local_hz)

    @property
    def local_use(self) -> FloatArray:
        """(R, N) how much of its deadline and of its energy a device uses if it stays local."""
        tasks = self.slot.tasks
        delay = tasks.cycles / (self.local_hz * tasks.deadline_s)
        return np.maximum(delay, self.local_j / self.slot.network.energy_max_j)

    def needed_bps(self, offload: BoolArray, relaxation: FloatArray) -> FloatArray:
        """The slowest transmission rates within the limits (10b) and (10d).

        Args:
            offload: (R, N) alpha.
            relaxation: (R, 1) factor by which limits are relaxed.

        Returns:
            (R, N) bit/s: S_m / (D_m - C_m / f_m^0) or R_min, whichever is more; R_min alone where the
            server takes too long.
        """
        network, tasks = self.slot.network, self.slot.tasks
        left_s = tasks.deadline_s * relaxation - tasks.cycles / self.edge_hz
        in_time = offload & (left_s > 0.0)
        needed = np.where(in_time, tasks.bits / np.where(in_time, left_s, 1.0), 0.0)
        floor = offload | (network.rate_floor == "all")
        return np.maximum(needed, np.where(floor, network.rate_min_bps / relaxation, 0.0))

    def decision(self, offload: BoolArray, power_w: FloatArray) -> TaskDecision:
        """The fixed rates, with (R, N) offloading and powers."""
        return TaskDecision(
            power_w=power_w,
            offload=offload,
            local_cpu_hz=np.where(offload, 0.0, self.local_hz),
            edge_cpu_hz=np.where(offload, self.edge_hz, 0.0),
        )


PowerRule = Callable[[FixedRates, BoolArray, FloatArray], FloatArray]
"""(R, N) powers for (R, N) offloading within limits relaxed by (R, 1) factors."""


def best_offloading(instance: FixedRates, powers: PowerRule) -> TaskDecision:
    """The offloading with the least worst-case emission.

    Where no offloading holds all limits, it is the best within limits that are relaxed by the least
    factor that makes one hold them.

    Args:
        instance: one per replication.
        powers: gives the powers for an offloading.
    """
    relaxation = np.ones((len(instance.local_hz), 1))
    offload, holds = _best_set(instance, powers, relaxation)
    if not holds.all():
        broken = ~holds
        some = instance.rows(broken)
        relaxation[broken] = _least_relaxation(some, powers)
        offload[broken], _ = _best_set(some, powers, relaxation[broken])
    return instance.decision(offload, powers(instance, offload, relaxation))


def _best_set(
    instance: FixedRates, powers: PowerRule, relaxation: FloatArray
) -> tuple[BoolArray, BoolArray]:
    """(R, N) who offloads, and (R,) whether that holds the relaxed limits."""
    replications, devices = instance.local_hz.shape
    can_stay = instance.local_use <= relaxation * (1.0 + TOLERANCE)
    local_j = np.where(can_stay, instance.local_j, np.inf)
    order = worst_alone_first(local_j)
    place = np.argsort(order, axis=1, kind="stable")
    # Of the k-th set, the worst of those that stay; falls with k.
    stay_j = np.take_along_axis(local_j, order, axis=1)
    stay_j = np.concatenate([stay_j, np.zeros((replications, 1))], axis=1)

    def offload_j(k: IntArray) -> FloatArray:
        return _worst_offloader_j(instance, powers, place < k[:, None], relaxation)

    def stay_at(k: IntArray) -> FloatArray:
        return np.take_along_axis(stay_j, k[:, None], axis=1)[:, 0]

    # As `nested_sets.crossing`, of all replications at once.
    least = (~can_stay).sum(axis=1)
    low, high = least, np.full(replications, devices)
    while (low < high).any():
        middle = (low + high) // 2
        crossed = offload_j(middle) >= stay_at(middle)
        low, high = np.where(crossed, low, middle + 1), np.where(crossed, middle, high)
        low = np.minimum(low, high)
    at_crossing = np.maximum(offload_j(low), stay_at(low))
    fewer = np.maximum(low - 1, least)
    # Where they are not yet crossed, those who stay are the worst.
    choose_fewer = (fewer < low) & (stay_at(fewer) <= at_crossing)
    offload = place < np.where(choose_fewer, fewer, low)[:, None]
    return offload, choose_fewer | (at_crossing < np.inf)


def _least_relaxation(instance: FixedRates, powers: PowerRule) -> FloatArray:
    """(R, 1) the least factor by which all limits must be relaxed so that they can be met."""
    local_use = instance.local_use
    low = np.zeros((len(local_use), 1))
    high = np.full((len(local_use), 1), _RELAXATION_BITS)
    for _ in range(_RELAXATION_STEPS):
        middle = 0.5 * (low + high)
        relaxation = exp2_each(middle)
        must_leave = local_use > relaxation * (1.0 + TOLERANCE)
        worst_j = _worst_offloader_j(instance, powers, must_leave, relaxation)
        holds = (worst_j < np.inf)[:, None]
        low, high = np.where(holds, low, middle), np.where(holds, middle, high)
    return exp2_each(high)


def _worst_offloader_j(
    instance: FixedRates, powers: PowerRule, offload: BoolArray, relaxation: FloatArray
) -> FloatArray:
    """(R,) energy of the worst offloader, its server's included; infinite if a limit breaks."""
    decision = instance.decision(offload, powers(instance, offload, relaxation))
    outcome = instance.slot.evaluate(decision)
    holds = outcome.use.worst.max(axis=1) <= relaxation[:, 0] * (1.0 + TOLERANCE)
    spent_j = outcome.energy_j + outcome.server_energy_j
    worst_j = np.where(offload, spent_j, 0.0).max(axis=1)
    return np.where(holds, worst_j, np.inf)
