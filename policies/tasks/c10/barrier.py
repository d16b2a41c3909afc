r"""C(10) for given offloading decisions: a convex program, and its optimum with a proof.

Given who offloads, what is left are powers p_m and airtimes tau_m = S_m / R_m; the server's rate for
an offloader is the slowest in time, f_m^0 = C_m / (D_m - tau_m). In the logarithms q = log p and
s = log tau every limit is convex:

- C(2), SINR at least gamma(tau) = 2^(S / (B tau)) - 1: log gamma(e^s) + log(I_m + N_0) - q_m -
  log ||h_m||^2 <= 0. The second term is a log-sum-exp of q. The first, log(e^u - 1) with
  u = a e^-s, has the second derivative u e^u (e^u - 1 - u) / (e^u - 1)^2 >= 0.
- (10c), q + s <= log E_max, and (10d), s <= log(S / R_min), are linear.
- (10e), sum of C / (D - e^s) <= F_max: -log(D - e^s) is convex in s, so each term is log-convex.
- C(9), e^(q + s) + theta_0 C^3 / (D - e^s)^2 <= e^t: a sum of log-convex terms.

The server's capacity couples the offloaders: more power buys a shorter airtime and a slower server.
Without it, the least powers at a given emission level would be a least fixed point; with it they
are not, and the convex program is what stays true.

Relaxing all limits of an instance by one factor e^sigma (D, E_max, F_max times it, R_min divided by
it) keeps this convex in (q, s, sigma) jointly: D e^sigma - e^s = e^sigma (D - e^(s - sigma)). The
least such sigma is the first phase: it finds a strictly feasible point, or proves that there is none.

Both phases are solved by Newton's method on the logarithmic barrier. The bound is not the usual
estimate of the gap but a proof that holds for any point and any multipliers lambda >= 0: convex
functions lie above their tangents, so all feasible z, which lie in a known box, have objective at
least y + lambda' f(x) + r' (z - x), with y the objective and r the gradient of the Lagrangian at x.
"""

from typing import NamedTuple

import numpy as np

from ....simulator.core.arrays import FloatArray
from ....simulator.core.compiled import compiled

GAP = 1e-9
"""Where the barrier method stops: relative gap of emission and of limits."""

_INTERIOR = 1e-2
"""The first phase stops early when all limits can be tightened by this much."""

_CENTRED = 0.1
"""Squared Newton decrement at which a point is near enough to the central path to go on."""

_SHARPEN = 30.0
"""Factor from one point of the central path to the next."""

_SHORTEST = 1e-12
"""Share of a Newton step below which the line search gives up."""

_STEPS = 300
"""Most Newton steps; some 30 are usual."""


class Instance(NamedTuple):
    """The constants of the program; offloaders first, then those that only keep up the rate floor.

    M devices transmit, the first K of them offload. Powers are in units of the noise as received:
    w_m = log(p_m ||h_m||^2 / N_0).

    Attributes:
        cross: (M, M) |h_m^H h_n|^2 / (||h_m||^2 ||h_n||^2), zero on the diagonal.
        power_max: (M,) the largest w.
        joule: (K,) log(N_0 / ||h_m||^2), which makes w + s the log of the radio's energy.
        size: (K,) S ln 2 / B, seconds: airtime times log(1 + SINR).
        airtime_max: (K,) the largest s that the rate floor, or else the deadline, allows.
        deadline_s: (K,) D.
        cycles: (K,) C.
        theta_server: theta_0.
        server_cpu_hz: F_max.
        energy_max: log E_max.
        floor: R_min ln 2 / B, the least log(1 + SINR) of those that do not offload.
    """

    cross: FloatArray
    power_max: FloatArray
    joule: FloatArray
    size: FloatArray
    airtime_max: FloatArray
    deadline_s: FloatArray
    cycles: FloatArray
    theta_server: float
    server_cpu_hz: float
    energy_max: float
    floor: float


def least_relaxation(instance: Instance) -> tuple[FloatArray, float, float]:
    """First phase: the least sigma such that limits relaxed by e^sigma can be met.

    Stops early at a point that is well inside all limits.

    Returns:
        The point (w, s, sigma); sigma there; a proven lower bound of sigma. Minus infinity where
        nobody transmits, so that nothing limits anything.
    """
    if len(instance.power_max) == 0:
        return np.empty(0), -np.inf, -np.inf
    return _minimise(instance, _start(instance), False)


def least_emission(instance: Instance, inside: FloatArray) -> tuple[FloatArray, float, float]:
    """Second phase: the least t = log max_m (E_m + E_m^0) over the offloaders, in joules.

    Args:
        instance: with K > 0.
        inside: a point of the first phase with sigma < 0.

    Returns:
        The point (w, s, t); t there; a proven lower bound of t.
    """
    offloaders, transmitters = len(instance.size), len(instance.power_max)
    w, s = inside[:offloaders], inside[transmitters:-1]
    edge_hz = instance.cycles / (instance.deadline_s - np.exp(s))
    joule = np.exp(w + s + instance.joule) + instance.theta_server * instance.cycles * edge_hz**2
    start = np.append(inside[:-1], np.log(joule.max()) + 1.0)
    return _minimise(instance, start, True)


@compiled
def _start(instance: Instance) -> FloatArray:
    """A point inside all limits, relaxed as much as it takes."""
    offloaders, transmitters = len(instance.size), len(instance.power_max)
    x = np.zeros(transmitters + offloaders + 1)
    x[:transmitters] = instance.power_max - 1.0
    received = np.exp(x[:transmitters])
    sigma, busy_hz = 0.0, 0.0
    for m in range(transmitters):
        disturbance = 1.0
        for n in range(transmitters):
            disturbance += instance.cross[m, n] * received[n]
        log_rate = np.log1p(received[m] / disturbance)
        if m < offloaders:
            s = np.log(instance.size[m] / log_rate) + 0.1
            x[transmitters + m] = s
            deadline = np.log(instance.deadline_s[m])
            # Half the deadline is left for the server.
            sigma = max(sigma, s + np.log(2.0) - deadline, s - instance.airtime_max[m])
            sigma = max(sigma, x[m] + s + instance.joule[m] - instance.energy_max)
            busy_hz += 2.0 * instance.cycles[m] / instance.deadline_s[m]
        else:
            sigma = max(sigma, np.log(instance.floor / log_rate))
    if offloaders > 0:
        sigma = max(sigma, 0.5 * np.log(busy_hz / instance.server_cpu_hz))
    x[-1] = sigma + 0.1
    return x


@compiled
def _slacks(instance: Instance, x: FloatArray, emission: bool, slack: FloatArray) -> bool:
    """Minus the value of every limit; False where one is not met.

    Order: SINR (M), power (M), energy (K), airtime (K), capacity (1 if K), emission (K, 2nd phase).
    """
    offloaders, transmitters = len(instance.size), len(instance.power_max)
    sigma = 0.0 if emission else x[-1]
    received = np.exp(x[:transmitters])
    busy_hz = 0.0
    for m in range(transmitters):
        disturbance = 1.0
        for n in range(transmitters):
            disturbance += instance.cross[m, n] * received[n]
        if m < offloaders:
            u = instance.size[m] * np.exp(-x[transmitters + m])
        else:
            u = instance.floor * np.exp(-sigma)
        log_sinr = u + np.log(-np.expm1(-u))
        slack[m] = x[m] - log_sinr - np.log(disturbance)
        slack[transmitters + m] = instance.power_max[m] - x[m]
    row = 2 * transmitters
    for k in range(offloaders):
        w, s = x[k], x[transmitters + k]
        radio = w + s + instance.joule[k]
        slack[row + k] = instance.energy_max + sigma - radio
        slack[row + offloaders + k] = instance.airtime_max[k] + sigma - s
        left_s = instance.deadline_s[k] * np.exp(sigma) - np.exp(s)
        if not left_s > 0.0:
            return False
        busy_hz += instance.cycles[k] / left_s
        if emission:
            server_j = instance.theta_server * instance.cycles[k] ** 3 / left_s**2
            slack[row + 2 * offloaders + 1 + k] = x[-1] - np.log(np.exp(radio) + server_j)
    if offloaders > 0:
        slack[row + 2 * offloaders] = np.log(instance.server_cpu_hz / busy_hz) + sigma
    for value in slack:
        if not value > 0.0:
            return False
    return True


@compiled
def _derivatives(
    instance: Instance,
    x: FloatArray,
    emission: bool,
    slack: FloatArray,
    gradient: FloatArray,
    hessian: FloatArray,
) -> None:
    """The gradient of every limit, and the sum of their Hessians, each divided by its slack."""
    offloaders, transmitters = len(instance.size), len(instance.power_max)
    last = len(x) - 1
    sigma = 0.0 if emission else x[-1]
    gradient[:] = 0.0
    hessian[:] = 0.0
    received = np.exp(x[:transmitters])
    share = np.empty(transmitters)
    for m in range(transmitters):
        disturbance = 1.0
        for n in range(transmitters):
            share[n] = instance.cross[m, n] * received[n]
            disturbance += share[n]
        for n in range(transmitters):
            share[n] /= disturbance
            gradient[m, n] = share[n]
        for n in range(transmitters):
            hessian[n, n] += share[n] / slack[m]
            for i in range(transmitters):
                hessian[n, i] -= share[n] * share[i] / slack[m]
        gradient[m, m] = -1.0
        # log(e^u - 1), u falling as e^-s of an offloader or as e^-sigma of the others.
        at = transmitters + m if m < offloaders else last
        u = instance.size[m] * np.exp(-x[at]) if m < offloaders else instance.floor * np.exp(-sigma)
        if m < offloaders or not emission:
            idle = -np.expm1(-u)
            gradient[m, at] = -u / idle
            hessian[at, at] += u * (idle - u * np.exp(-u)) / idle**2 / slack[m]
        gradient[transmitters + m, m] = 1.0

    row = 2 * transmitters
    capacity = row + 2 * offloaders
    busy_hz = 0.0
    for k in range(offloaders):
        left_s = instance.deadline_s[k] * np.exp(sigma) - np.exp(x[transmitters + k])
        busy_hz += instance.cycles[k] / left_s
    for k in range(offloaders):
        at = transmitters + k
        gradient[row + k, k] = 1.0
        gradient[row + k, at] = 1.0
        gradient[row + offloaders + k, at] = 1.0
        left_s = instance.deadline_s[k] * np.exp(sigma) - np.exp(x[at])
        ratio = np.exp(x[at]) / left_s
        curve = ratio + ratio**2
        part = instance.cycles[k] / left_s / busy_hz
        gradient[capacity, at] = part * ratio
        weight = part / slack[capacity]
        hessian[at, at] += weight * (curve + ratio**2)
        if emission:
            radio_j = np.exp(x[k] + x[at] + instance.joule[k])
            server_j = instance.theta_server * instance.cycles[k] ** 3 / left_s**2
            by_radio = radio_j / (radio_j + server_j)
            by_server = 1.0 - by_radio
            level = capacity + 1 + k
            gradient[level, k] = by_radio
            gradient[level, at] = by_radio + by_server * 2.0 * ratio
            gradient[level, last] = -1.0
            mixed = by_radio * by_server / slack[level]
            turn = 1.0 - 2.0 * ratio
            hessian[k, k] += mixed
            hessian[k, at] += mixed * turn
            hessian[at, k] += mixed * turn
            hessian[at, at] += mixed * turn**2 + by_server * 2.0 * curve / slack[level]
        else:
            gradient[row + k, last] = -1.0
            gradient[row + offloaders + k, last] = -1.0
            # The limit depends on sigma through s - sigma, and once more in C / D e^-sigma.
            gradient[capacity, last] -= part * (1.0 + ratio)
            cross = weight * (curve + ratio * (1.0 + ratio))
            hessian[at, last] -= cross
            hessian[last, at] -= cross
            hessian[last, last] += weight * (curve + (1.0 + ratio) ** 2)
    if offloaders > 0:
        for i in range(transmitters, last + 1):
            for j in range(transmitters, last + 1):
                outer = gradient[capacity, i] * gradient[capacity, j]
                hessian[i, j] -= outer / slack[capacity]
        if not emission:
            gradient[capacity, last] -= 1.0


@compiled
def _minimise(instance: Instance, x: FloatArray, emission: bool) -> tuple[FloatArray, float, float]:
    """Barrier method from a point inside; returns the point, its objective, and a lower bound."""
    offloaders, transmitters = len(instance.size), len(instance.power_max)
    size = len(x)
    limits = 2 * transmitters + 2 * offloaders
    if offloaders > 0:
        limits += 1 + (offloaders if emission else 0)
    slack, trial_slack = np.empty(limits), np.empty(limits)
    trial = np.empty(size)
    gradient, hessian = np.empty((limits, size)), np.empty((size, size))
    column = np.empty(size, dtype=np.int64)
    multiplier = np.empty(limits)
    sharpness = 1.0
    bound = -np.inf
    _slacks(instance, x, emission, slack)
    for _ in range(_STEPS):
        _derivatives(instance, x, emission, slack, gradient, hessian)
        slope = np.zeros(size)
        slope[-1] = sharpness
        for i in range(limits):
            entries = 0
            for j in range(size):
                if gradient[i, j] != 0.0:
                    column[entries] = j
                    entries += 1
            for a in range(entries):
                scaled = gradient[i, column[a]] / slack[i]
                slope[column[a]] += scaled
                for b in range(entries):
                    hessian[column[a], column[b]] += scaled * gradient[i, column[b]] / slack[i]
        step = _solve(hessian, slope)
        decrement = _dot(slope, step)
        if decrement < _CENTRED:
            # Those of the linearised central path; not negative, as the decrement is below one.
            for i in range(limits):
                share = _dot(gradient[i], step) / slack[i]
                multiplier[i] = max(1.0 - share, 0.0) / slack[i]
            bound = max(bound, _bound(instance, x, emission, slack, gradient, multiplier))
            if x[-1] - bound < GAP or (not emission and x[-1] < -_INTERIOR):
                break
            if sharpness > limits / GAP:
                break
            sharpness *= _SHARPEN
            continue
        length = 1.0
        while length > _SHORTEST:
            for j in range(size):
                trial[j] = x[j] - length * step[j]
            if _slacks(instance, trial, emission, trial_slack):
                change = sharpness * (trial[-1] - x[-1])
                for i in range(limits):
                    change -= np.log(trial_slack[i] / slack[i])
                if change <= -0.1 * length * decrement:
                    break
            length *= 0.5
        else:
            break  # As far as rounding allows.
        x, trial = trial, x
        slack, trial_slack = trial_slack, slack
    return x, x[-1], bound


@compiled
def _bound(
    instance: Instance,
    x: FloatArray,
    emission: bool,
    slack: FloatArray,
    gradient: FloatArray,
    multiplier: FloatArray,
) -> float:
    """A lower bound of the objective over all feasible points, for any multipliers."""
    offloaders, transmitters = len(instance.size), len(instance.power_max)
    size = len(x)
    # Scaled so that the Lagrangian does not depend on the objective's variable, which has no box.
    pull = 0.0
    for i in range(len(slack)):
        pull -= gradient[i, size - 1] * multiplier[i]
    bound = float(x[-1]) - _dot(multiplier, slack) / pull
    # The box need only hold those that are as good as this point.
    looser = 1.0 if emission else np.exp(max(x[-1], 0.0))
    for j in range(size - 1):
        residual = 0.0
        for i in range(len(slack)):
            residual += gradient[i, j] * multiplier[i]
        residual /= pull
        if j < transmitters:
            least = instance.floor
            if j < offloaders:
                least = instance.size[j] * np.exp(-instance.airtime_max[j])
            low = np.log(np.expm1(least / looser))
            high = instance.power_max[j]
        else:
            k = j - transmitters
            low = np.log(instance.size[k] / np.log1p(np.exp(instance.power_max[k])))
            high = instance.airtime_max[k] + np.log(looser)
        bound += min(residual * (low - x[j]), residual * (high - x[j]))
    return float(bound)


@compiled
def _dot(a: FloatArray, b: FloatArray) -> float:
    total = 0.0
    for i in range(len(a)):
        total += a[i] * b[i]
    return total


@compiled
def _solve(matrix: FloatArray, right: FloatArray) -> FloatArray:
    """Solve a symmetric positive definite system; the matrix is overwritten by its factor."""
    size = len(right)
    for j in range(size):
        for k in range(j):
            for i in range(j, size):
                matrix[i, j] -= matrix[i, k] * matrix[j, k]
        # Rounding may leave a pivot at zero where two limits are all but parallel.
        pivot = np.sqrt(max(matrix[j, j], 1e-300))
        for i in range(j, size):
            matrix[i, j] /= pivot
    solution = right.copy()
    for j in range(size):
        for k in range(j):
            solution[j] -= matrix[j, k] * solution[k]
        solution[j] /= matrix[j, j]
    for j in range(size - 1, -1, -1):
        for k in range(j + 1, size):
            solution[j] -= matrix[k, j] * solution[k]
        solution[j] /= matrix[j, j]
    return solution
