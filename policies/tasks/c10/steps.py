"""C(10) on links whose spectral efficiency is capped or has steps: powers that are not wasted.

With steps a decision is its steps: for given ones the least powers are best for all at once, as for given
rates. What is left to choose, a step for each transmitter, is searched from the optimum without steps; that
these are the best is not proven, but the optimum without steps bounds what any can do.
"""

from dataclasses import replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ....simulator.core.arrays import FloatArray
from ....simulator.tasks.channel import MrcChannel
from ....simulator.tasks.decision import TaskDecision
from ....simulator.tasks.powers import least_powers_w
from .closed_form_rates import slowest_edge_hz
from .slot import Slot

Level = tuple[float, float, float]
"""Violation, worst and mean emission: smaller is better, in this order."""

_SWEEPS_MAX = 100
_FEW = 8
"""Transmitters up to which two are moved at once."""


def trimmed_w(slot: Slot, power_w: FloatArray) -> FloatArray:
    """The least powers with the same rates: (K, N) for (K, N), of a slot of one replication."""
    if slot.network.efficiency.is_shannon:
        return power_w
    return np.minimum(_least_powers_w(slot, slot.rates_bps(power_w)), power_w)


def on_steps(slot: Slot, decision: TaskDecision) -> tuple[Level, TaskDecision]:
    """A decision for links that carry all up to a cap, moved to the steps that they do carry.

    Each transmitter takes the step that carries what it had, at the least powers. Then all of them, one or two
    take other steps, whatever is best, for as long as the violation of the limits falls, or else the emission.

    Args:
        slot: (N,) columns of one replication.
        decision: (N,) columns, with the slowest server rates in time.
    """
    limit = slot.network.efficiency
    sends = np.flatnonzero(decision.power_w > 0.0)
    smooth = replace(slot, network=replace(slot.network, efficiency=limit.without_steps()))
    wanted = smooth.rates_bps(decision.power_w)[sends] / slot.network.bandwidth_hz
    last = len(limit.steps) - 1
    place = np.minimum(np.searchsorted(limit.steps * (1.0 + 1e-9), wanted), last)
    moves = _moves(len(sends), last)
    best: tuple[Level, TaskDecision] | None = None
    for _ in range(_SWEEPS_MAX):
        trials = np.unique(np.clip(place + moves, 0, last), axis=0)
        level, found, chosen = _best_of(slot, decision, sends, trials)
        if best is not None and not level < best[0]:
            break
        best, place = (level, found), trials[chosen]
    assert best is not None
    return best


def _moves(transmitters: int, last: int) -> NDArray[np.int64]:
    """(K, M) by how many steps each moves; the first row is none."""
    each = np.eye(transmitters, dtype=np.int64)
    together = np.ones((1, transmitters), dtype=np.int64)
    rows = [0 * together, together, -together]
    rows += [far * each for far in range(-last, last + 1) if far]
    if transmitters <= _FEW:
        for one, other in combinations(each, 2):
            rows += [np.stack([one + other, -one - other, one - other, other - one])]
    return np.concatenate(rows)


def _best_of(
    slot: Slot, decision: TaskDecision, sends: NDArray[np.int64], places: NDArray[np.int64]
) -> tuple[Level, TaskDecision, int]:
    """Of (K, M) steps of the transmitters: the level of the best, it, and which it is."""
    network = slot.network
    rate_bps = np.zeros((len(places), network.devices))
    rate_bps[:, sends] = network.efficiency.steps[places] * network.bandwidth_hz
    power_w = _least_powers_w(slot, rate_bps)
    offload = decision.offload
    airtime_s = slot.tasks.bits / np.maximum(
        np.where(offload, slot.rates_bps(power_w), np.inf), 1.0
    )
    edge_hz = np.where(offload, slowest_edge_hz(slot.tasks, airtime_s), 0.0)
    many = TaskDecision(
        power_w=power_w,
        offload=np.broadcast_to(offload, power_w.shape),
        local_cpu_hz=np.broadcast_to(decision.local_cpu_hz, power_w.shape),
        edge_cpu_hz=np.minimum(edge_hz, network.server_cpu_hz),
    )
    outcome = slot.evaluate(many)
    violation = np.where(outcome.use.feasible, 0.0, outcome.use.violation)
    mean_g = outcome.emission_g.mean(axis=-1)
    chosen = int(np.lexsort((mean_g, outcome.worst_emission_g, violation))[0])
    level = (
        float(violation[chosen]),
        float(outcome.worst_emission_g[chosen]),
        float(mean_g[chosen]),
    )
    best = replace(decision, power_w=power_w[chosen], edge_cpu_hz=many.edge_cpu_hz[chosen])
    return level, best, chosen


def _least_powers_w(slot: Slot, rate_bps: FloatArray) -> FloatArray:
    """(K, N) the least powers for (K, N) rates, cut at P_max."""
    channel = slot.channel
    cross = np.broadcast_to(channel.interference_gain, (*rate_bps.shape, rate_bps.shape[1]))
    many = MrcChannel(np.broadcast_to(channel.gain, rate_bps.shape), cross)
    return least_powers_w(slot.network, many, rate_bps)
