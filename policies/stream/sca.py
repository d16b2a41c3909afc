"""SCA in the stream problem: successive convex approximation of P2, A(20).

Paper C's method, applied to paper A's problem. In the bandwidths w, powers p, efficiencies
e = ln(1 + SINR), offloaded bits D and local bits l (see `p2.program`) three things are not convex,
and each has a bound that is, and that is tight where it is expanded (primed); T is noise and
interference:

- the rate, D <= kappa w e: (1 + D/D')^2 / 4 <= (w/w') (e/e');
- interference: e <= ln(T + p g) - ln T' - (T - T') / T';
- shared edge CPUs, whose cost C (sum sqrt(D))^2 is concave: its tangent.

All are on the safe side, so every step's answer is feasible and no worse than where it started. Then
the step is prolonged for as long as that pays, with the true objective as the judge, and devices that
have become silent are left out of what follows.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from ...scenarios.units import Count
from ...simulator.core.arrays import FloatArray
from ...simulator.core.elementary import LN_2, log_each, power_each
from ...simulator.core.randomness import Generators
from ...simulator.network.network import Network
from ...simulator.stream.decision import Decision
from ...simulator.stream.observation import Observation
from ...simulator.stream.problem import DriftPlusPenalty
from ..base import Policy
from ..convex_solver import solved
from .lyapunov import Lyapunov
from .p2.program import Allocation, Program, decision, programs
from .p2.slot import watt_scale
from .p2.solver import on_steps
from .pressing import with_pressing

_REACH = 100.0
"""No power or bandwidth grows by more than this factor in one step."""

_LONGEST = 64.0
"""How far, in its own lengths, a step is prolonged at most."""


@dataclass
class ScaStream(Policy):
    """SCA: bandwidth, power, CPUs and offloading by successive convex approximation of P2.

    A local method: it can silence a device but not wake one, so the start matters.

    Attributes:
        start: "lyapunov": that policy's decision, than which the answer then never is worse;
            "equal": every device for which offloading could pay sends with full power in an equal
            share of its station's band, which owes nothing to `lyapunov`, and takes longer.
        iterations_max: I_max, steps at most.
        threshold: converged when a step gains no more than this, relative.

    Raises:
        ValueError: no iterations, or a negative threshold.
    """

    start: Literal["lyapunov", "equal"] = "lyapunov"
    iterations_max: Count = 50
    threshold: Annotated[float, Field(ge=0)] = 1e-4

    def __post_init__(self) -> None:
        if self.iterations_max < 1:
            raise ValueError(f"iterations_max = {self.iterations_max}; allowed: at least 1")
        if self.threshold < 0.0:
            raise ValueError(f"threshold = {self.threshold}; allowed: not negative")
        self._approximations: dict[int, Approximation] = {}

    def reset(self, network: Network, problem: DriftPlusPenalty, rngs: Generators) -> None:
        """Keep the problem."""
        self._problem = problem
        self._lyapunov = Lyapunov()
        self._lyapunov.reset(network, problem, rngs)

    def decide(self, observation: Observation) -> Decision:
        """SCA in every replication; "iterations" and "failed_solves" go into the trace."""
        return with_pressing(self._problem, observation, self._decide)

    def _decide(self, observation: Observation) -> Decision:
        considered, firsts = programs(self._problem, observation), []
        if self.start == "lyapunov":
            firsts = [first := self._lyapunov.decide(observation)]
            power_w = first.power_w * watt_scale(self._problem, observation)
            columns = list(zip(first.bandwidth_hz, power_w, strict=True))
            starts = [
                one.allocation(bandwidth[one.device], power[one.device])
                for one, (bandwidth, power) in zip(considered, columns, strict=True)
            ]
        else:
            starts = [
                one.allocation(one.bandwidth_hz / one.together.sum(axis=1), one.power_max_w)
                for one in considered
            ]
        answers = [self.improve(*pair) for pair in zip(considered, starts, strict=True)]
        chosen, steps, failed = zip(*answers, strict=True)
        diagnostics = {
            "iterations": np.array(steps, dtype=np.float64),
            "failed_solves": np.array(failed, dtype=np.float64),
        }
        best = decision(self._problem, observation, considered, chosen, diagnostics)
        return on_steps(self._problem, observation, best, firsts)

    def improve(self, instance: Program, start: Allocation) -> tuple[Allocation, int, int]:
        """SCA from a start.

        Returns:
            The last and best allocation; how many steps led there; and whether (0 or 1) a program
            was not solved, which ends the search where it is.
        """
        point = start
        for step in range(self.iterations_max):
            sends = point.bits > 0.0
            if not sends.any():
                return point, step, 0
            here = point.only(sends)
            active = instance.only(sends)
            towards = self._approximation(len(here.bits)).solve(active, here)
            if towards is None:
                return point, step, 1
            new = _prolonged(active, here, *towards).within(sends)
            gained, point = new.gain - point.gain, max(new, point, key=lambda one: one.gain)
            if gained <= self.threshold * abs(point.gain):
                return point, step + 1, 0
        return point, self.iterations_max, 0

    def _approximation(self, devices: int) -> "Approximation":
        if devices not in self._approximations:
            cap = self._problem.network.efficiency.cap * LN_2
            self._approximations[devices] = Approximation(devices, cap)
        return self._approximations[devices]


class Approximation:
    """The convex program around a point at which all of n devices send, built once with CVXPY.

    All variables are relative to that point, which is (1, …, 1), local bits to the most that the CPU
    can execute, and the objective to what the point's bits are worth: all numbers are of order one.
    """

    def __init__(self, devices: int, efficiency_cap: float = np.inf) -> None:
        import cvxpy as cp

        n = devices
        self._any = cp.Parameter((2, n))
        self._data = cp.Parameter((9, n), nonneg=True)
        self._heard, self._received, self._share = (
            cp.Parameter((n, n), nonneg=True) for _ in range(3)
        )
        w, p, e, bits, local = (cp.Variable(n, nonneg=True) for _ in range(5))
        worth, local_worth = self._any[0], self._any[1]
        power, cube, nats, noise, received_noise, floor, direct, queue, queue_local = (
            self._data[i] for i in range(9)
        )
        self._power_max = cp.Parameter(n, nonneg=True)
        # (T - T') / T', and (T + p g) / (T' + p' g).
        disturbance = cp.multiply(noise, w - 1.0) + self._heard @ (p - 1.0)
        received = (
            floor + cp.multiply(received_noise, w) + self._received @ p + cp.multiply(direct, p)
        )
        self._bandwidth, self._power = w, p
        # The steps of a problem without a cap rest on the last bits of the program without one.
        capped = [cp.multiply(nats, e) <= efficiency_cap] if efficiency_cap < np.inf else []
        self._problem = cp.Problem(
            cp.Maximize(worth @ bits + local_worth @ local - power @ p - cube @ cp.power(local, 3)),
            [
                cp.SOC(w + e, cp.vstack([1.0 + bits, w - e]), axis=0),
                cp.multiply(nats, e) <= nats + cp.log(received) - disturbance,
                self._share @ w <= 1.0,  # A(14a)
                p <= self._power_max,  # A(14b)
                local <= 1.0,  # A(14c)
                cp.multiply(queue, bits) + cp.multiply(queue_local, local) <= 1.0,
                *capped,
            ],
        )

    def solve(self, instance: Program, point: Allocation) -> tuple[FloatArray, FloatArray] | None:
        """The best (n,) bandwidths, Hz, and powers, W, by the approximation; None if there are none."""
        w, p, bits = point.bandwidth_hz, point.power_w, point.bits
        disturbance_w = instance.disturbance_w(w, p)
        received_w = disturbance_w + p * instance.gain
        heard_w = instance.cross_gain * p
        noise_w = instance.noise_w_per_hz * w
        local = instance.local_max_bits
        scale = (instance.net * bits).sum()
        self._any.value = (
            np.stack([(instance.net - instance.edge_slope(bits)) * bits, instance.value * local])
            / scale
        )
        self._data.value = np.stack(
            [
                instance.power_cost * p / scale,
                instance.local_cost * (local * local * local) / (3.0 * scale),
                log_each(received_w / disturbance_w),
                noise_w / disturbance_w,
                noise_w / received_w,
                instance.noise_w / received_w,
                p * instance.gain / received_w,
                bits / instance.queue_bits,
                local / instance.queue_bits,
            ]
        )
        self._heard.value = heard_w / disturbance_w[:, None]
        self._received.value = heard_w / received_w[:, None]
        self._share.value = instance.together * w / instance.bandwidth_hz
        self._power_max.value = np.minimum(instance.power_max_w / p, _REACH)
        if not solved(self._problem):
            return None
        return w * np.maximum(self._bandwidth.value, 0.0), p * np.maximum(self._power.value, 0.0)


def _prolonged(
    instance: Program, point: Allocation, bandwidth_hz: FloatArray, power_w: FloatArray
) -> Allocation:
    """The best point on the way from `point` through these, on a logarithmic scale.

    The bounds are tight at the point only, so steps are too short where little is at stake.
    """
    growth_w = np.maximum(bandwidth_hz / point.bandwidth_hz, 1e-12)
    growth_p = np.maximum(power_w / point.power_w, 1e-12)
    best = None
    length = 1.0
    while length <= _LONGEST:
        bandwidth_hz = point.bandwidth_hz * power_each(growth_w, length)
        used = (instance.together * bandwidth_hz).sum(axis=1) / instance.bandwidth_hz
        power_w = np.minimum(point.power_w * power_each(growth_p, length), instance.power_max_w)
        new = instance.allocation(bandwidth_hz / used, power_w)
        if best is not None and new.gain <= best.gain:
            break
        best = new
        length *= 2.0
    assert best is not None
    return best
