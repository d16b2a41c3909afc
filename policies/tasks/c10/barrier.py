"""The optimum of C(10) for given offloading decisions, with a proof.

Both phases of the `program` are solved by Newton's method on the logarithmic barrier. The bound is not
the usual estimate of the gap but a proof that holds for any point and any multipliers lambda >= 0:
convex functions lie above their tangents, so all feasible z, which lie in a known box, have objective
at least y + lambda' f(x) + r' (z - x), with y the objective and r the gradient of the Lagrangian at x.
"""

import numpy as np

from ....simulator.core.arrays import FloatArray
from ....simulator.core.assignment import copy_vector
from ....simulator.core.compiled import compiled
from ....simulator.core.elementary import exp, log
from ....simulator.core.linear import dot
from .program import (
    Limits,
    Program,
    derivatives,
    emission_start,
    empty_limits,
    in_box,
    relaxed_start,
    slacks,
)

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


def least_relaxation(program: Program) -> tuple[FloatArray, float, float]:
    """First phase: the least sigma such that limits relaxed by e^sigma can be met.

    Stops early at a point that is well inside all limits.

    Returns:
        The point (M + K + 1,) of (w, s, sigma); sigma there; a proven lower bound of sigma. Minus
        infinity where nobody transmits, so that nothing limits anything.
    """
    if len(program.power_max) == 0:
        return np.empty(0), -np.inf, -np.inf
    return _minimise(program, relaxed_start(program), False)


def least_emission(program: Program, inside: FloatArray) -> tuple[FloatArray, float, float]:
    """Second phase: the least t = log max_m (E_m + E_m^0) over the offloaders, in joules.

    Args:
        program: with K > 0.
        inside: (M + K + 1,) a point of the first phase with sigma < 0.

    Returns:
        The point (M + K + 1,) of (w, s, t); t there; a proven lower bound of t.
    """
    return _minimise(program, emission_start(program, inside), True)


@compiled
def _minimise(program: Program, x: FloatArray, emission: bool) -> tuple[FloatArray, float, float]:
    """Barrier method from a point inside; returns the point, its objective, and a lower bound."""
    limits = empty_limits(program, len(x), emission)
    slack, gradient = limits.slack, limits.gradient
    count, trial = len(slack), np.empty(len(x))
    trial_slack, multiplier = np.empty(count), np.empty(count)
    sharpness = 1.0
    bound = -np.inf
    slacks(program, x, emission, slack)
    for _ in range(_STEPS):
        derivatives(program, x, emission, limits)
        slope = _barrier_derivatives(sharpness, limits)
        step = _solve(limits.hessian, slope)
        decrement = dot(slope, step)
        if decrement < _CENTRED:
            # Those of the linearised central path; not negative, as the decrement is below one.
            for i in range(count):
                share = dot(gradient[i], step) / slack[i]
                multiplier[i] = max(1.0 - share, 0.0) / slack[i]
            bound = max(bound, _bound(program, x, emission, limits, multiplier))
            if x[-1] - bound < GAP or (not emission and x[-1] < -_INTERIOR):
                break
            if sharpness > count / GAP:
                break
            sharpness *= _SHARPEN
            continue
        length = 1.0
        while length > _SHORTEST:
            for j in range(len(x)):
                trial[j] = x[j] - length * step[j]
            if slacks(program, trial, emission, trial_slack):
                change = sharpness * (trial[-1] - x[-1])
                for i in range(count):
                    change -= log(trial_slack[i] / slack[i])
                if change <= -0.1 * length * decrement:
                    break
            length *= 0.5
        else:
            break  # As far as rounding allows.
        copy_vector(x, trial)
        copy_vector(slack, trial_slack)
    return x, x[-1], bound


@compiled
def _barrier_derivatives(sharpness: float, limits: Limits) -> FloatArray:
    """The gradient of sharpness x_last - sum log slack; completes the sum of the Hessians to its own."""
    slack, gradient, hessian = limits.slack, limits.gradient, limits.hessian
    size = len(hessian)
    slope = np.zeros(size)
    slope[-1] = sharpness
    for i in range(len(slack)):
        for a in range(size):
            if gradient[i, a] != 0.0:
                scaled = gradient[i, a] / slack[i]
                slope[a] += scaled
                for b in range(size):
                    if gradient[i, b] != 0.0:
                        hessian[a, b] += scaled * gradient[i, b] / slack[i]
    return slope


@compiled
def _bound(
    program: Program, x: FloatArray, emission: bool, limits: Limits, multiplier: FloatArray
) -> float:
    """A lower bound of the objective over all feasible points, for any multipliers."""
    gradient, last = limits.gradient, len(x) - 1
    # Scaled so that the Lagrangian does not depend on the objective's variable, which has no box.
    pull = 0.0
    for i in range(len(multiplier)):
        pull -= gradient[i, last] * multiplier[i]
    bound = float(x[-1]) - dot(multiplier, limits.slack) / pull
    # The box need only hold those that are as good as this point.
    looser = 1.0 if emission else exp(max(x[-1], 0.0))
    for j in range(last):
        residual = 0.0
        for i in range(len(multiplier)):
            residual += gradient[i, j] * multiplier[i]
        residual /= pull
        low, high = in_box(program, j, looser)
        bound += min(residual * (low - x[j]), residual * (high - x[j]))
    return float(bound)


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
