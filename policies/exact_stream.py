"""The best of a multi-start search on P2, A(20): what stands in for an exact optimum in world A.

P2 is neither convex nor has it a structure from which a bound could be had, so there is no
certificate: `optimality_gap` in the trace is NaN. On a small network all sets of senders can be
tried; the MBS and the SBS cells, whose bands do not interfere, are tried apart. Within a set, P2 is
smooth in bandwidths and log powers, and a sequential quadratic program finds local optima of it.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from ..simulator.arrays import BoolArray, FloatArray
from ..simulator.decision import Decision
from ..simulator.network import Network
from ..simulator.observation import Observation
from ..simulator.problem import DriftPlusPenalty
from ..simulator.randomness import Generators
from .base import Policy
from .lyapunov import Lyapunov
from .p2_instance import Allocation, Instance, allocation, decision, instances, nothing
from .sca_stream import ScaStream

MAX_DEVICES = 8
"""More devices than these are refused: 2^8 sets of senders take seconds per decision."""

_LEAST_SHARE = 1e-6
"""Of a band, and of the greatest power: less is for the smaller sets to try."""


@dataclass
class MultiStart(Policy):
    """Exact: best of a multi-start search over all sets of senders; no certificate.

    Starts in each set from equal bandwidths and full powers, and from random ones; and from the
    decisions of `sca`, `lyapunov` and the two ablations of that, so it is never worse than these.

    Attributes:
        starts: random starts in each set of senders.

    Raises:
        ValueError: fewer than no starts; in `reset`, more than `MAX_DEVICES` devices.
    """

    starts: int = 4

    def __post_init__(self) -> None:
        if self.starts < 0:
            raise ValueError(f"starts = {self.starts}; allowed: not negative")

    def reset(self, network: Network, problem: DriftPlusPenalty, rngs: Generators) -> None:
        """Refuse large networks; get the policies ready whose decisions are starts."""
        if network.devices > MAX_DEVICES:
            raise ValueError(
                f"{network.devices} devices; exact searches all sets of senders of at most "
                f"{MAX_DEVICES} devices: use sca or lyapunov for larger networks"
            )
        self._problem = problem
        self._rngs = rngs
        self._others: list[Policy] = [
            ScaStream(),
            Lyapunov(),
            Lyapunov(["radio"]),
            Lyapunov(["compute"]),
        ]
        for policy in self._others:
            policy.reset(network, problem, rngs)

    def decide(self, observation: Observation) -> Decision:
        """The best decision found in every replication."""
        considered = instances(self._problem, observation)
        found = [policy.decide(observation) for policy in self._others]
        chosen = []
        for r, (instance, rng) in enumerate(zip(considered, self._rngs, strict=True)):
            at = instance.device
            starts = [
                allocation(instance, one.bandwidth_hz[r, at], one.power_w[r, at]) for one in found
            ]
            chosen.append(self.search(instance, starts, rng))
        none = {"optimality_gap": np.full(len(considered), np.nan)}
        return decision(self._problem, observation, considered, chosen, none)

    def search(
        self, instance: Instance, starts: list[Allocation], rng: np.random.Generator
    ) -> Allocation:
        """The best allocation found from these starts and from those of every set of senders."""
        columns = np.zeros((2, len(instance.device)))
        for band in (instance.station == 0, instance.station > 0):
            within = instance.only(band)
            best = self._best_of_band(within, [start.only(band) for start in starts], rng)
            columns[:, band] = best.bandwidth_hz, best.power_w
        return allocation(instance, *columns)

    def _best_of_band(
        self, band: Instance, starts: list[Allocation], rng: np.random.Generator
    ) -> Allocation:
        best = nothing(band)
        for start in starts:
            start = allocation(band, start.bandwidth_hz, start.power_w)
            sends = start.bits > 0.0
            found = local_optimum(band.only(sends), start.only(sends)).within(sends)
            best = max(best, start, found, key=lambda one: one.gain)
        for sends in _sets(len(band.device)):
            senders = band.only(sends)
            for start in self._starts(senders, rng):
                found = local_optimum(senders, start).within(sends)
                best = max(best, found, key=lambda one: one.gain)
        return best

    def _starts(self, senders: Instance, rng: np.random.Generator) -> Iterator[Allocation]:
        """Equal bandwidths and full powers, then random ones."""
        share = 1.0 / senders.together.sum(axis=1)
        yield allocation(senders, share * senders.bandwidth_hz, senders.power_max_w)
        for _ in range(self.starts):
            share = rng.exponential(size=len(share))
            share /= (senders.together * share).sum(axis=1)
            power_w = senders.power_max_w * 10.0 ** -rng.uniform(0.0, 4.0, len(share))
            yield allocation(senders, share * senders.bandwidth_hz, power_w)


def _sets(devices: int) -> Iterator[BoolArray]:
    """All sets of senders but the empty one."""
    for chosen in product((False, True), repeat=devices):
        if any(chosen):
            yield np.array(chosen)


def local_optimum(instance: Instance, start: Allocation) -> Allocation:
    """The local optimum that sequential quadratic programming finds if all devices send."""
    from scipy.optimize import minimize

    if not (start.bits > 0.0).all() or not len(start.bits):
        return start
    n = len(start.bits)
    # Each station's band once: rows of `together` that are the first of their kind.
    first = np.unique(instance.station, return_index=True)[1]
    together = np.hstack([instance.together[first], np.zeros((len(first), n))])
    queue_bits = instance.queue_bits
    scale = (instance.net * queue_bits).sum()
    cached = _Cached(instance)

    def loss(x: FloatArray) -> tuple[float, FloatArray]:
        gain, slope, _, _ = cached(x)
        return -gain / scale, -slope / scale

    def room(x: FloatArray) -> FloatArray:
        """What is left of queues and bands, relative."""
        _, _, bits, _ = cached(x)
        left: FloatArray = np.append(1.0 - bits / queue_bits, 1.0 - (together * x).sum(axis=1))
        return left

    def room_slope(x: FloatArray) -> FloatArray:
        _, _, _, slope = cached(x)
        return np.vstack([-slope / queue_bits[:, None], -together])

    limits: Any = {"type": "ineq", "fun": room, "jac": room_slope}
    x = np.append(
        start.bandwidth_hz / instance.bandwidth_hz, np.log(start.power_w / instance.power_max_w)
    )
    with warnings.catch_warnings():
        # Rounding beyond a bound, which scipy corrects.
        warnings.simplefilter("ignore", RuntimeWarning)
        answer = minimize(
            loss,
            np.maximum(x, np.repeat([_LEAST_SHARE, np.log(_LEAST_SHARE)], n)),
            method="SLSQP",
            jac=True,
            bounds=[(_LEAST_SHARE, 1.0)] * n + [(np.log(_LEAST_SHARE), 0.0)] * n,
            constraints=limits,
            options={"ftol": 1e-9, "maxiter": 200},
        )
    share, log_power = np.split(answer.x, 2)
    if not np.isfinite(answer.x).all():
        return start
    found = allocation(
        instance, share * instance.bandwidth_hz, instance.power_max_w * np.exp(log_power)
    )
    return max(start, found, key=lambda one: one.gain)


class _Cached:
    """P2's gain, bits, and the derivatives of both, at the last point that was asked for."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._x: FloatArray | None = None

    def __call__(self, x: FloatArray) -> tuple[float, FloatArray, FloatArray, FloatArray]:
        """At (w / W, ln p/p_max): gain, its (2n,) slope, D, and its (n, 2n) slope."""
        if self._x is None or (x != self._x).any():
            self._x = x.copy()
            self._value = _gain_and_bits(self._instance, x)
        return self._value


def _gain_and_bits(
    instance: Instance, x: FloatArray
) -> tuple[float, FloatArray, FloatArray, FloatArray]:
    share, log_power = np.split(x, 2)
    bandwidth_hz = share * instance.bandwidth_hz
    power_w = instance.power_max_w * np.exp(log_power)
    disturbance_w = instance.disturbance_w(bandwidth_hz, power_w)
    sinr = power_w * instance.gain / disturbance_w
    nats = np.log1p(sinr)
    lost = sinr / (1.0 + sinr)
    scale = instance.bits_per_hz * instance.bandwidth_hz
    bits = scale * share * nats
    own_noise = lost * instance.noise_w_per_hz * bandwidth_hz / disturbance_w
    by_share = np.diag(scale * (nats - own_noise))
    heard = instance.cross_gain * power_w / disturbance_w[:, None]
    by_power = (scale * share * lost)[:, None] * (np.eye(len(bits)) - heard)
    slope = np.hstack([by_share, by_power])

    left = instance.queue_bits - bits
    local = instance.local_bits(left)
    last_bit = np.where(local == left, instance.value - instance.local_cost * local**2, 0.0)
    per_bit = instance.net - instance.edge_slope(bits) - last_bit
    gain_slope = (per_bit[:, None] * slope).sum(axis=0)
    gain_slope[len(bits) :] -= instance.power_cost * power_w
    return instance.gain_over_local(power_w, bits), gain_slope, bits, slope
