"""The three convex programs of paper C's Algorithm 1, built once with CVXPY and solved many times.

All variables are relative to the point (p, r, f) at which (12) and (17) are expanded, which therefore
is (1, 1, 1); limits are relative to what is allowed, emissions to the largest. So all numbers are of
order one, and the inequalities take a short form. With P = p/p', T = r/r', SINR s' and a = s'/(1+s')
at the point (primed):

    (12)  ln(1 + s) >= ln(1 + s') + a (2 - 1/P - (I + N_0)/(I' + N_0))
    (17)  p r <= p' r' (P^2 + T^2) / 2

What a solver does not answer is None. Powers may be answered roughly: they are to be checked.
"""

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...simulator.core.arrays import BoolArray, FloatArray
from ...simulator.tasks.channel import MrcChannel, rates_bps
from ...simulator.tasks.decision import TaskDecision
from ...simulator.tasks.network import CarbonAwareNetwork, Tasks
from ...simulator.tasks.outcome import TOLERANCE, TaskOutcome, evaluate

if TYPE_CHECKING:
    import cvxpy as cp

MARGIN = 1e-6
"""Limits are tightened by this much, relative: more than a solver's error, so that they hold."""

ACCURACY = 1e-7
"""Of the convex solver. It cannot always reach its default, 1e-8, where optima are flat."""

REACH = 10.0
"""No power or airtime moves by more than this factor in one step."""


@dataclass(frozen=True)
class Instance:
    """C(10) for one slot of one replication: columns are (N,)."""

    network: CarbonAwareNetwork
    tasks: Tasks
    channel: MrcChannel
    carbon_g_per_j: FloatArray | float

    def evaluate(self, decision: TaskDecision) -> TaskOutcome:
        """C(2) to C(9) of a decision, whose columns may be (…, N)."""
        return evaluate(self.network, self.tasks, self.channel, self.carbon_g_per_j, decision)

    def rates_bps(self, power_w: FloatArray) -> FloatArray:
        """C(2)."""
        return rates_bps(self.network, self.channel, power_w)


class Expansion(NamedTuple):
    """Inequality (12) at given powers, per device and in the relative variables.

    1/T <= headroom - curvature / P - slope @ P - noise makes 1/T a lower bound of R / R'.

    Attributes:
        curvature: (N,) v / (x' ln(1 + s')).
        slope: (N, N) w times the interference, by interferer, over ln(1 + s').
        noise: (N,) w N_0 / ln(1 + s').
        headroom: (N,) u / ln(1 + s').
    """

    curvature: FloatArray
    slope: FloatArray
    noise: FloatArray
    headroom: FloatArray


def expand_rates(instance: Instance, power_w: FloatArray) -> Expansion:
    """(12) and (13) at the powers p'. Who is silent stays silent, and has R = R' whatever R' is."""
    channel, noise_w = instance.channel, instance.network.noise_w
    heard_w = channel.interference_gain * power_w
    disturbance_w = heard_w.sum(axis=-1) + noise_w
    sinr = power_w * channel.gain / disturbance_w
    sends = power_w > 0.0
    nats = np.where(sends, np.log1p(sinr), 1.0)
    curvature = sinr / (1.0 + sinr) / nats
    slope = curvature[:, None] * heard_w / disturbance_w[:, None]
    noise = curvature * noise_w / disturbance_w
    return Expansion(curvature, slope, noise, 1.0 + 2.0 * curvature)


class PowerStep(NamedTuple):
    """What the power subproblem answers.

    Attributes:
        power_w: (N,) p.
        edge_cpu_hz: (N,) f^0.
    """

    power_w: FloatArray
    edge_cpu_hz: FloatArray


class PowerSubproblem:
    """(19): the powers, by inequalities (12) and (17), at given offloading.

    Args:
        devices: N.
        joint: the server's rates are optimised too: (15) and the energies are convex in powers and
            rates together.
        scaled: p = P / z with a common z. (12) cannot see that all powers scaled alike leave the
            rates alone but for the noise, and would only allow short steps; with z, y = I(P) + N_0 z
            is as linear as before, and (17) is applied to P / z as well.
        tie_weight: of the mean emission, beside the worst emission: settles what the worst device
            leaves open.
    """

    def __init__(
        self, devices: int, joint: bool = False, scaled: bool = False, tie_weight: float = 0.0
    ) -> None:
        import cvxpy as cp

        self._data = cp.Parameter((13 + devices, devices), nonneg=True)
        self._power, self._airtime = cp.Variable(devices), cp.Variable(devices)
        self._rate = cp.Variable(devices) if joint else cp.Constant(np.ones(devices))
        self._scale = cp.Variable() if scaled else cp.Constant(1.0)
        self._joint, self._scaled = joint, scaled
        radio = cp.Variable(devices)
        emission = (
            cp.multiply(self._data[10], radio)
            + cp.multiply(self._data[11], cp.square(self._rate))
            + self._data[12]
        )
        worst = cp.Variable()
        self._emission = cp.Problem(
            cp.Minimize(worst + tie_weight / devices * cp.sum(emission)),
            [emission <= worst, *self._limits(radio, -MARGIN)],
        )
        excess = cp.Variable()
        self._violation = cp.Problem(
            cp.Minimize(excess), [excess >= -1e-2, *self._limits(radio, excess)]
        )

    def _limits(self, radio: "cp.Variable", excess: "cp.Variable | float") -> "list[cp.Constraint]":
        """All limits, relaxed by a factor 1 + excess."""
        import cvxpy as cp

        curvature, headroom, noise, power_max, airtime_max, rate_max = (
            self._data[i] for i in range(6)
        )
        transmission, execution, capacity, energy = (self._data[i] for i in range(6, 10))
        P, T, F, z = self._power, self._airtime, self._rate, self._scale
        allowed = 1.0 + excess
        constraints = [
            cp.inv_pos(T) + cp.multiply(curvature, cp.inv_pos(P)) + self._data[13:] @ P + noise * z
            <= headroom,  # (13)
            cp.multiply(transmission, T) + cp.multiply(execution, cp.inv_pos(F)) <= allowed,  # (15)
            cp.multiply(energy, radio) <= allowed,  # (18)
            airtime_max * allowed >= T,  # (14)
            capacity @ F <= allowed,  # (10e)
        ]
        if self._joint:
            constraints.append(rate_max >= F)
        p = P
        if self._scaled:
            p, inverse = cp.Variable(P.size), cp.Variable()
            constraints += [cp.inv_pos(z) <= inverse, _bounded_product(P, inverse, p)]
        return [*constraints, power_max * allowed >= p, _bounded_product(p, T, radio)]

    def least_emission(
        self, instance: Instance, point: TaskDecision, everybody: bool
    ) -> PowerStep | None:
        """One step towards the least worst emission.

        Args:
            instance: what is given.
            point: where to expand; the rates of its local devices are kept.
            everybody: (15), (18) and the worst case are those of all devices, else of those that
                offload; what local devices add is given, and nothing can be done here if they are
                beyond their limits.
        """
        if everybody:
            use = instance.evaluate(point).use
            beyond = np.maximum(use.delay, use.energy) > 1.0 + TOLERANCE
            if (beyond & ~point.offload).any():
                return None
        return self._step(self._emission, instance, point, everybody)

    def least_violation(self, instance: Instance, point: TaskDecision) -> PowerStep | None:
        """One step towards the least factor by which limits of radio and server must be relaxed."""
        return self._step(self._violation, instance, point, False)

    def _step(
        self, problem: "cp.Problem", instance: Instance, point: TaskDecision, everybody: bool
    ) -> PowerStep | None:
        network, tasks, offload = instance.network, instance.tasks, point.offload
        power_w, edge_hz = point.power_w, point.edge_cpu_hz
        sends = power_w > 0.0
        outcome = instance.evaluate(point)
        radio_j = power_w * np.where(sends, outcome.transmission_s, 0.0)
        curvature, slope, noise, headroom = expand_rates(instance, power_w)
        emission = instance.carbon_g_per_j * np.stack(
            [radio_j, outcome.server_energy_j, ~offload * outcome.energy_j * everybody]
        )
        largest = emission.sum(axis=0).max()
        self._data.value = np.vstack(
            [
                curvature,
                headroom,
                noise,
                _ratio(network.device_power_max_w, power_w),
                _ratio(outcome.rate_bps, np.where(sends, network.rate_min_bps, 0.0)),
                _ratio(network.server_cpu_hz, edge_hz),
                outcome.transmission_s / tasks.deadline_s,
                offload * tasks.cycles / (edge_hz * tasks.deadline_s),
                offload * edge_hz / network.server_cpu_hz,
                radio_j / network.energy_max_j,
                emission / (largest if largest > 0.0 else 1.0),
                slope,
            ]
        )
        if not solved(problem, rough=True):
            return None
        return PowerStep(
            np.minimum(power_w * self._power.value / self._scale.value, network.device_power_max_w),
            edge_hz * self._rate.value,
        )


class RateSubproblem:
    """(20): the processing rates, at given powers and offloading.

    A device has one rate that matters, its own or its share of the server: one variable each.
    """

    def __init__(self, devices: int) -> None:
        import cvxpy as cp

        self._data = cp.Parameter((7, devices), nonneg=True)
        self._rate = F = cp.Variable(devices)
        fixed, square, transmission, execution, capacity, least, most = (
            self._data[i] for i in range(7)
        )
        worst = cp.Variable()
        self._problem = cp.Problem(
            cp.Minimize(worst),
            [
                fixed + cp.multiply(square, cp.square(F)) <= worst,
                # Tighter than in (19), which otherwise would have no inside at these rates.
                transmission + cp.multiply(execution, cp.inv_pos(F)) <= 1.0 - 2.0 * MARGIN,  # (20b)
                capacity @ F <= 1.0 - 2.0 * MARGIN,  # (10e)
                least <= F,
                most >= F,  # with (20c)
            ],
        )

    def solve(self, instance: Instance, point: TaskDecision) -> TaskDecision | None:
        """The point with the best rates; rates that mean nothing are kept."""
        network, tasks, offload = instance.network, instance.tasks, point.offload
        outcome = instance.evaluate(point)
        rate_hz = np.where(offload, point.edge_cpu_hz, point.local_cpu_hz)
        computing_j = np.where(offload, outcome.server_energy_j, outcome.energy_j)
        radio_j = np.where(offload, outcome.energy_j, 0.0)
        # (20c) limits the rate of a local device, and does not concern those of the server.
        affordable_hz = np.sqrt(network.energy_max_j / (network.theta_device * tasks.cycles))
        local_max_hz = np.minimum(network.device_cpu_max_hz, affordable_hz)
        emission = instance.carbon_g_per_j * np.stack([radio_j, computing_j])
        largest = emission.sum(axis=0).max()
        self._data.value = np.vstack(
            [
                emission / largest,
                outcome.transmission_s / tasks.deadline_s,
                tasks.cycles / (rate_hz * tasks.deadline_s),
                offload * rate_hz / network.server_cpu_hz,
                np.where(offload, 0.0, network.device_cpu_min_hz / rate_hz),
                np.where(offload, network.server_cpu_hz, local_max_hz) / rate_hz,
            ]
        )
        if (radio_j > network.energy_max_j).any() or not solved(self._problem):
            return None
        rate_hz = rate_hz * self._rate.value
        local_hz = np.clip(rate_hz, network.device_cpu_min_hz, network.device_cpu_max_hz)
        return TaskDecision(
            power_w=point.power_w,
            offload=offload,
            local_cpu_hz=np.where(offload, point.local_cpu_hz, local_hz),
            edge_cpu_hz=np.where(offload, rate_hz, point.edge_cpu_hz),
        )


class OffloadingSubproblem:
    """(21): who offloads, at given powers and rates; a mixed-integer linear program."""

    def __init__(self, devices: int) -> None:
        import cvxpy as cp

        self._data = cp.Parameter((5, devices), nonneg=True)
        local, offloaded, local_breaks, offloaded_breaks, capacity = (
            self._data[i] for i in range(5)
        )
        self._offload = alpha = cp.Variable(devices, boolean=True)
        worst = cp.Variable()
        self._problem = cp.Problem(
            cp.Minimize(worst),
            [
                cp.multiply(local, 1.0 - alpha) + cp.multiply(offloaded, alpha) <= worst,
                # (21b), (21c): each forbids an alpha or does not.
                cp.multiply(local_breaks, 1.0 - alpha) + cp.multiply(offloaded_breaks, alpha)
                <= 0.5,
                capacity @ alpha <= 1.0,  # (21d)
            ],
        )

    def solve(self, instance: Instance, point: TaskDecision) -> BoolArray | None:
        """The best alpha."""
        network = instance.network
        nobody = np.zeros(network.devices, dtype=np.bool_)
        both = np.stack([nobody, ~nobody])
        outcome = instance.evaluate(
            TaskDecision(point.power_w, both, point.local_cpu_hz, point.edge_cpu_hz)
        )
        emission_g = outcome.emission_g
        breaks = np.maximum(outcome.use.delay, outcome.use.energy) > 1.0 + TOLERANCE
        self._data.value = np.vstack(
            [emission_g / emission_g.max(), breaks, point.edge_cpu_hz / network.server_cpu_hz]
        )
        if not solved(self._problem, mixed_integer=True):
            return None
        offload: BoolArray = self._offload.value > 0.5
        return offload


def _bounded_product(x: "cp.Variable", y: "cp.Variable", bound: "cp.Variable") -> "cp.Constraint":
    """(17): (x^2 + y^2) / 2 <= bound, one cone for each device."""
    import cvxpy as cp

    rows = [2.0 * x, 2.0 * cp.promote(y, x.shape), 2.0 * bound - 1.0]
    return cp.SOC(2.0 * bound + 1.0, cp.vstack(rows), axis=0)


def solved(problem: "cp.Problem", mixed_integer: bool = False, rough: bool = False) -> bool:
    """Solve, and tell whether the solver reached an optimum.

    Args:
        problem: with all its parameters set.
        mixed_integer: it has integer variables.
        rough: an optimum of less than the usual accuracy will do, because it is checked.
    """
    import cvxpy as cp

    # SciPy's copy of HiGHS: highspy, which cvxpy.HIGHS uses, writes a banner to the standard output.
    settings: dict[str, Any] = {"solver": cp.SCIPY}
    if not mixed_integer:
        settings = {
            "solver": cp.CLARABEL,
            "tol_feas": ACCURACY,
            "tol_gap_abs": ACCURACY,
            "tol_gap_rel": ACCURACY,
        }
    # What cvxpy warns of is in the status, which is looked at.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            # A warm start would make the answer depend on what was solved before.
            problem.solve(warm_start=False, **settings)
        except cp.SolverError:
            return False
    return problem.status in ((cp.OPTIMAL, cp.OPTIMAL_INACCURATE) if rough else (cp.OPTIMAL,))


def _ratio(limit: FloatArray | float, value: FloatArray) -> FloatArray:
    """Limit over value, within reach."""
    positive = value > 0.0
    return np.where(positive, np.minimum(limit / np.where(positive, value, 1.0), REACH), REACH)
