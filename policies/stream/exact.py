"""The best of a multi-start search on P2, A(20): what stands in for an exact optimum.

P2 is neither convex nor has it a structure from which a bound could be had, so there is no
certificate: `optimality_gap` in the trace is NaN. On a small network all sets of senders can be
tried; the MBS and the SBS cells, whose bands do not interfere, are tried apart. Within a set, P2 is
smooth in bandwidths and log powers, and a sequential quadratic program finds local optima of it.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field
from threadpoolctl import ThreadpoolController

from ...scenarios.units import Whole
from ...simulator.core.arrays import BoolArray, FloatArray
from ...simulator.core.elementary import exp_each, log, log1p_each, log_each
from ...simulator.core.randomness import Generators
from ...simulator.network.network import Network
from ...simulator.stream.decision import Decision
from ...simulator.stream.observation import Observation
from ...simulator.stream.problem import DriftPlusPenalty
from ..base import Policy
from .lyapunov import Lyapunov
from .p2.program import Allocation, Program, decision, programs
from .p2.slot import watt_scale
from .p2.solver import on_steps
from .pressing import with_pressing
from .sca import ScaStream

MAX_DEVICES = 8
"""More devices than these are refused: 2^8 sets of senders take seconds per decision."""

_LEAST_SHARE = 1e-6
"""Of a band, and of the greatest power: less is for the smaller sets to try."""


@dataclass
class MultiStart(Policy):
    """Exact: best of a multi-start search over all sets of senders; no certificate.

    Each set is searched from several bandwidths (see `_starts`). Starts as well are the
    decisions of `sca`, `lyapunov` and the two ablations of that, so it is never worse than these.

    Attributes:
        starts: random starts in each set of senders, beside those that its structure suggests.

    Raises:
        ValueError: a negative number of starts; in `reset`, more than `MAX_DEVICES` devices.
    """

    remembers: ClassVar[tuple[str, ...]] = ("_rngs",)

    starts: Annotated[Whole, Field(ge=0)] = 1

    def __post_init__(self) -> None:
        if self.starts < 0:
            raise ValueError(f"starts = {self.starts}; allowed: not negative")

    def check(self, network: Network, problem: DriftPlusPenalty) -> None:
        """Refuse large networks.

        Raises:
            ValueError: it is one.
        """
        if network.devices > MAX_DEVICES:
            raise ValueError(
                f"{network.devices} devices; exact searches all sets of senders of at most "
                f"{MAX_DEVICES} devices: use sca or lyapunov for larger networks"
            )

    def reset(self, network: Network, problem: DriftPlusPenalty, rngs: Generators) -> None:
        """Get the policies ready whose decisions are starts.

        Raises:
            ValueError: as `check`.
        """
        self.check(network, problem)
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
        return with_pressing(
            self._problem,
            observation,
            self._decide,
            lambda: [policy.decide(observation) for policy in self._others],
        )

    def _decide(self, observation: Observation) -> Decision:
        considered = programs(self._problem, observation)
        found = [policy.decide(observation) for policy in self._others]
        scale = watt_scale(self._problem, observation)
        chosen = []
        for r, (instance, rng) in enumerate(zip(considered, self._rngs, strict=True)):
            at = instance.device
            starts = [
                instance.allocation(one.bandwidth_hz[r, at], one.power_w[r, at] * scale[r, at])
                for one in found
            ]
            chosen.append(self.search(instance, starts, rng))
        none = {"optimality_gap": np.full(len(considered), np.nan)}
        best = decision(self._problem, observation, considered, chosen, none)
        return on_steps(self._problem, observation, best, found)

    def search(
        self, instance: Program, starts: list[Allocation], rng: np.random.Generator
    ) -> Allocation:
        """The best allocation found from these starts and from those of every set of senders."""
        columns = np.zeros((2, len(instance.device)))
        # On several threads, BLAS sums in an order that depends on how many they are.
        with _blas().limit(limits=1, user_api="blas"):
            for band in (instance.station == 0, instance.station > 0):
                within = instance.only(band)
                best = self._best_of_band(within, [start.only(band) for start in starts], rng)
                columns[:, band] = best.bandwidth_hz, best.power_w
        return instance.allocation(*columns)

    def _best_of_band(
        self, band: Program, starts: list[Allocation], rng: np.random.Generator
    ) -> Allocation:
        best = band.silent()
        for start in starts:
            start = band.allocation(start.bandwidth_hz, start.power_w)
            sends = start.bits > 0.0
            found = local_optimum(band.only(sends), start.only(sends)).within(sends)
            best = max(best, start, found, key=lambda one: one.gain)
        for sends in _sets(len(band.device)):
            senders = band.only(sends)
            for start in self._starts(senders, rng):
                found = local_optimum(senders, start).within(sends)
                best = max(best, found, key=lambda one: one.gain)
        return best

    def _starts(self, senders: Program, rng: np.random.Generator) -> Iterator[Allocation]:
        """Full powers, and bandwidths by what it takes to send everything.

        At an optimum all senders but one, or all, send about all that they had better not execute
        themselves; so once in these proportions, once with each sender in turn on a tenth of its
        own, and then on random parts.
        """
        alone_w = senders.noise_w + senders.noise_w_per_hz * senders.bandwidth_hz
        nats = log1p_each(senders.power_max_w * senders.gain / alone_w)
        nats = np.minimum(nats, senders.efficiency_cap)
        needed_hz = senders.queue_bits / (senders.bits_per_hz * nats)
        parts = [np.ones(len(nats)), *(1.0 - 0.9 * np.eye(len(nats)))]
        parts += list(rng.uniform(size=(self.starts, len(nats))))
        for part in parts:
            bandwidth_hz = needed_hz * part
            used = (senders.together * bandwidth_hz).sum(axis=1) / senders.bandwidth_hz
            yield senders.allocation(bandwidth_hz / used, senders.power_max_w)


def _sets(devices: int) -> Iterator[BoolArray]:
    """All sets of senders but the empty one."""
    for chosen in product((False, True), repeat=devices):
        if any(chosen):
            yield np.array(chosen)


@cache
def _blas() -> ThreadpoolController:
    """The threads of BLAS, scipy's included, which is loaded by then."""
    import scipy.optimize  # noqa: F401

    return ThreadpoolController()


def local_optimum(instance: Program, start: Allocation) -> Allocation:
    """The local optimum that sequential quadratic programming finds if all devices send.

    Bits for the devices' own CPUs are variables too: their closed form has a kink, in which many an
    optimum lies.
    """
    from scipy.optimize import minimize

    if not (start.bits > 0.0).all() or not len(start.bits):
        return start
    program = _SmoothProgram(instance)
    limits: Any = {"type": "ineq", "fun": program.room, "jac": program.room_slope}
    with warnings.catch_warnings():
        # Rounding beyond a bound, which scipy corrects.
        warnings.simplefilter("ignore", RuntimeWarning)
        answer = minimize(
            program.loss,
            program.variables(start),
            method="SLSQP",
            jac=True,
            bounds=program.bounds,
            constraints=limits,
            options={"ftol": 1e-9, "maxiter": 100},
        )
    if not np.isfinite(answer.x).all():
        return start
    found = instance.allocation(*program.bandwidths_and_powers(answer.x))
    return max(start, found, key=lambda one: one.gain)


class _SmoothProgram:
    """P2 where all n devices send, in x = (ln w/W, ln p/p_max, l/l_max)."""

    def __init__(self, instance: Program) -> None:
        self._instance = instance
        n = len(instance.device)
        self.bounds = [(log(_LEAST_SHARE), 0.0)] * (2 * n) + [(0.0, 1.0)] * n
        self._local_max_bits = instance.local_bits(instance.queue_bits)
        self._scale = (instance.net * instance.queue_bits).sum()
        # Each station's band once: rows of `together` that are the first of their kind.
        first = np.unique(instance.station, return_index=True)[1]
        self._together = instance.together[first]
        self._x: FloatArray | None = None

    def variables(self, point: Allocation) -> FloatArray:
        """x, with local bits at their best."""
        one = self._instance
        shares = np.append(point.bandwidth_hz / one.bandwidth_hz, point.power_w / one.power_max_w)
        local = one.local_bits(one.queue_bits - point.bits)
        most = np.where(self._local_max_bits > 0.0, self._local_max_bits, 1.0)
        return np.append(log_each(np.maximum(shares, _LEAST_SHARE)), local / most)

    def bandwidths_and_powers(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(n,) w and p."""
        share, power, _ = np.split(exp_each(x), 3)
        return share * self._instance.bandwidth_hz, power * self._instance.power_max_w

    def loss(self, x: FloatArray) -> tuple[float, FloatArray]:
        """P2 and its slope, relative to what all queues are worth."""
        one = self._instance
        bits, slope = self._bits(x)
        _, power_w = self.bandwidths_and_powers(x)
        local = self._local_bits(x)
        gain = (one.net - one.edge_slope(bits)) * bits - one.power_cost * power_w
        gain += one.value * local - one.local_cost * (local * local * local) / 3.0
        per_bit = one.net - one.edge_slope(bits)
        by_radio = (per_bit[:, None] * slope).sum(axis=0)
        by_radio[len(bits) :] -= one.power_cost * power_w
        by_local = (one.value - one.local_cost * local**2) * self._local_max_bits
        return -gain.sum() / self._scale, np.append(by_radio, by_local) / -self._scale

    def room(self, x: FloatArray) -> FloatArray:
        """What is left of queues and bands, relative."""
        queue_bits = self._instance.queue_bits
        bits, _ = self._bits(x)
        share = exp_each(x[: len(bits)])
        left = 1.0 - (bits + self._local_bits(x)) / queue_bits
        free: FloatArray = 1.0 - (self._together * share).sum(axis=1)
        return np.append(left, free)

    def room_slope(self, x: FloatArray) -> FloatArray:
        """(n + stations, 3n)."""
        queue_bits = self._instance.queue_bits
        bits, slope = self._bits(x)
        share = exp_each(x[: len(bits)])
        bands, n = self._together.shape
        return np.block(
            [
                [-slope / queue_bits[:, None], np.diag(-self._local_max_bits / queue_bits)],
                [-self._together * share, np.zeros((bands, 2 * n))],
            ]
        )

    def _local_bits(self, x: FloatArray) -> FloatArray:
        return x[-len(self._local_max_bits) :] * self._local_max_bits

    def _bits(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(n,) D, and (n, 2n) by ln w and ln p; kept for the last point that was asked for."""
        if self._x is None or (x != self._x).any():
            self._x = x.copy()
            self._last = self._bits_at(x)
        return self._last

    def _bits_at(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        one = self._instance
        bandwidth_hz, power_w = self.bandwidths_and_powers(x)
        disturbance_w = one.disturbance_w(bandwidth_hz, power_w)
        sinr = power_w * one.gain / disturbance_w
        nats = log1p_each(sinr)
        lost = sinr / (1.0 + sinr)
        scale = one.bits_per_hz * bandwidth_hz
        if (capped := nats >= one.efficiency_cap).any():  # as much, whatever the power
            nats, lost = np.minimum(nats, one.efficiency_cap), np.where(capped, 0.0, lost)
        own_noise = lost * one.noise_w_per_hz * bandwidth_hz / disturbance_w
        heard = one.cross_gain * power_w / disturbance_w[:, None]
        by_power = (scale * lost)[:, None] * (np.eye(len(sinr)) - heard)
        return scale * nats, np.hstack([np.diag(scale * (nats - own_noise)), by_power])
