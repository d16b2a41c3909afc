"""Second-order cone programs, of which SCA solves many small ones, and the compiled method for them.

Minimise 1/2 x' P x + c' x, with P diagonal, such that A x + h lies in a product of cones: numbers that
are not negative, and (y_0, y_1) with y_0 >= |y_1|. That is the form to which CVXPY brings the
subproblems. The method is that of its solvers: primal-dual, with the scaling of Nesterov and Todd (1997)
and the predictor and corrector of Mehrotra (1992); see Vandenberghe, "The CVXOPT linear and quadratic
cone program solvers" (2010). It starts from where SCA stands, which need not be feasible, has no memory,
and knows no threads: a program has one answer, whatever was solved before.
"""

from typing import NamedTuple

import numpy as np

from ....simulator.core.arrays import FloatArray, IntArray
from ....simulator.core.assignment import copy_vector
from ....simulator.core.compiled import compiled, compiled_in_place
from ....simulator.core.linear import (
    Sparse,
    clear,
    dot,
    factorise,
    find_entries,
    no_entries,
    solve_factorised,
)

ACCURACY = 1e-8
"""Of cones, of the gradient of the Lagrangian and of the gap, where it can be reached."""

ENOUGH = 1e-7
"""What is taken for solved where rounding ends the method before."""

_STEPS = 60
"""Most Newton steps; some 12 are usual."""

_TO_THE_EDGE = 0.99
"""Share of the way to the edge of the cones that a step may go."""

_START = 0.1
"""Least slack, and the product of slack and multiplier, at the start."""


class Program(NamedTuple):
    """A program, as rows of A x + h, one after the other, and how many of them make each cone.

    Attributes:
        quadratic: (n,) the diagonal of P.
        cost: (n,) c.
        constant: (rows,) h.
        term: (rows + 1,) where the terms of each row begin.
        column: (terms,) the variable of a term.
        factor: (terms,) its factor, of A.
        cone: (cones + 1,) where the rows of each cone begin; a cone of one row is a number.
        place: (rows,) among the variables, of the multiplier of a row that is a `long_limit`; else -1.
        used: (3,) terms, rows and cones so far.
    """

    quadratic: FloatArray
    cost: FloatArray
    constant: FloatArray
    term: IntArray
    column: IntArray
    factor: FloatArray
    cone: IntArray
    place: IntArray
    used: IntArray


@compiled
def empty(variables: int, rows: int, terms: int) -> Program:
    """Room for a program of so many rows and terms at most."""
    return Program(
        np.zeros(variables),
        np.zeros(variables),
        np.zeros(rows),
        np.zeros(rows + 1, np.int64),
        np.zeros(terms, np.int64),
        np.zeros(terms),
        np.zeros(rows + 1, np.int64),
        np.full(rows, -1),
        np.zeros(3, np.int64),
    )


@compiled_in_place
def add(program: Program, factor: float, column: int) -> None:
    """One more term of the row that is being written."""
    at = program.used[0]
    program.column[at], program.factor[at] = column, factor
    program.used[0] = at + 1


@compiled_in_place
def end_row(program: Program, constant: float) -> None:
    """The row is complete."""
    row = program.used[1]
    program.constant[row] = constant
    program.term[row + 1] = program.used[0]
    program.used[1] = row + 1


@compiled_in_place
def end_cone(program: Program) -> None:
    """The rows since the last cone are one."""
    program.used[2] += 1
    program.cone[program.used[2]] = program.used[1]


@compiled_in_place
def not_negative(program: Program, constant: float) -> None:
    """The row is complete, and is a limit: terms + constant >= 0."""
    end_row(program, constant)
    end_cone(program)


@compiled_in_place
def long_limit(program: Program, constant: float, place: int) -> None:
    """As `not_negative`, of a row of many terms; `place` is kept free among the variables, before most.

    Newton's equations then have its multiplier as one more unknown, and no entry for each pair of terms.
    """
    program.place[program.used[1]] = place
    not_negative(program, constant)


@compiled_in_place
def inverse(program: Program, bound: int, x: int) -> None:
    """1 / x <= bound, x > 0: (bound + x)^2 >= (bound - x)^2 + 2^2."""
    add(program, 1.0, bound)
    add(program, 1.0, x)
    end_row(program, 0.0)
    add(program, 1.0, bound)
    add(program, -1.0, x)
    end_row(program, 0.0)
    end_row(program, 2.0)
    end_cone(program)


@compiled_in_place
def inverse_of_relaxed(program: Program, bound: int, excess: int) -> None:
    """1 / (1 + excess) <= bound, as `inverse`."""
    add(program, 1.0, bound)
    add(program, 1.0, excess)
    end_row(program, 1.0)
    add(program, 1.0, bound)
    add(program, -1.0, excess)
    end_row(program, -1.0)
    end_row(program, 2.0)
    end_cone(program)


@compiled_in_place
def square(program: Program, bound: int, x: int) -> None:
    """x^2 <= bound: (1 + bound)^2 >= (1 - bound)^2 + (2 x)^2."""
    add(program, 1.0, bound)
    end_row(program, 1.0)
    add(program, -1.0, bound)
    end_row(program, 1.0)
    add(program, 2.0, x)
    end_row(program, 0.0)
    end_cone(program)


@compiled_in_place
def half_squares(program: Program, bound: int, x: int, y: int) -> None:
    """(x^2 + y^2) / 2 <= bound: (2 bound + 1)^2 >= (2 x)^2 + (2 y)^2 + (2 bound - 1)^2."""
    add(program, 2.0, bound)
    end_row(program, 1.0)
    add(program, 2.0, x)
    end_row(program, 0.0)
    add(program, 2.0, y)
    end_row(program, 0.0)
    add(program, 2.0, bound)
    end_row(program, -1.0)
    end_cone(program)


class _Point(NamedTuple):
    """Where the method stands, scaled: W z = W^-1 s = scaled, in every cone.

    Attributes:
        slack: (rows,) s, inside the cones.
        multiplier: (rows,) z, likewise.
        off: (rows,) s - (A x + h).
        slope: (n,) gradient of the Lagrangian, P x + c - A' z.
        axis: (rows,) of W: w of the cone W / size = [[w_0, w_1'], [w_1, I + w_1 w_1' / (1 + w_0)]].
        size: (cones,) of W.
        scaled: (rows,) W z.
        sparse: P + A' W^-2 A.
    """

    slack: FloatArray
    multiplier: FloatArray
    off: FloatArray
    slope: FloatArray
    axis: FloatArray
    size: FloatArray
    scaled: FloatArray
    sparse: Sparse


@compiled
def minimise(program: Program, x: FloatArray) -> bool:
    """Solve a program, in place.

    Args:
        program: one that bounds every variable.
        x: (n,) where to start; is filled with the answer.

    Returns:
        Whether it is optimal; else nothing, or next to nothing, is within its limits.
    """
    rows, cones, size = program.used[1], program.used[2], len(x)
    point = _Point(
        np.zeros(rows),
        np.zeros(rows),
        np.zeros(rows),
        np.zeros(size),
        np.zeros(rows),
        np.zeros(cones),
        np.zeros(rows),
        no_entries(size),
    )
    aim, to_slack, to_multiplier = np.zeros(rows), np.zeros(rows), np.zeros(rows)
    step, best, best_x = np.zeros(size), np.inf, x.copy()
    _start(program, x, point)
    _mark_entries(program, point.sparse)
    find_entries(point.sparse)
    for _ in range(_STEPS):
        gap = dot(point.slack, point.multiplier)
        _residuals(program, x, point)
        worst = max(gap, max(_largest(point.off), _largest(point.slope)))
        if worst < best:
            best = worst
            copy_vector(best_x, x)
        if not worst < np.inf or worst <= ACCURACY or _excludes(program, point, step):
            break
        _scale(program, point)
        clear(point.sparse)
        _newton_matrix(program, point)
        factorise(point.sparse)
        for i in range(rows):
            aim[i] = -point.scaled[i]
        _direction(program, point, aim, step, to_slack, to_multiplier)
        length = _length(program, point, to_slack, to_multiplier)
        centring = (1.0 - length) ** 3
        _corrected(program, point, centring * gap / cones, to_slack, to_multiplier, aim)
        _direction(program, point, aim, step, to_slack, to_multiplier)
        length = min(1.0, _TO_THE_EDGE * _length(program, point, to_slack, to_multiplier))
        for j in range(size):
            x[j] += length * step[j]
        for i in range(rows):
            point.slack[i] += length * to_slack[i]
            point.multiplier[i] += length * to_multiplier[i]
    copy_vector(x, best_x)
    return best <= ENOUGH


@compiled_in_place
def _mark_entries(program: Program, sparse: Sparse) -> None:
    """Something in every entry of Newton's matrix that can be other than zero."""
    matrix, term = sparse.matrix, program.term
    for k in range(program.used[2]):
        first, end = program.cone[k], program.cone[k + 1]
        place = program.place[first]
        for at in range(term[first], term[end]):
            j = program.column[at]
            if place >= 0:
                matrix[min(j, place), max(j, place)] = 1.0
            else:
                for other in range(term[first], term[end]):
                    matrix[j, max(j, program.column[other])] = 1.0


@compiled_in_place
def _start(program: Program, x: FloatArray, point: _Point) -> None:
    """Slacks that are not too small, and multipliers on the central path."""
    _residuals(program, x, point)
    for k in range(program.used[2]):
        first, end = program.cone[k], program.cone[k + 1]
        length = 0.0
        for i in range(first, end):
            point.slack[i] = -point.off[i]
            if i > first:
                length += point.slack[i] ** 2
        length = np.sqrt(length)
        point.slack[first] = max(point.slack[first], length + _START)
        det = (point.slack[first] - length) * (point.slack[first] + length)
        for i in range(first, end):
            point.multiplier[i] = -_START * point.slack[i] / det
        point.multiplier[first] *= -1.0
        if end - first == 1:
            point.multiplier[first] = _START / point.slack[first]


@compiled_in_place
def _residuals(program: Program, x: FloatArray, point: _Point) -> None:
    """Fill in `off` and `slope`."""
    for j in range(len(x)):
        point.slope[j] = program.quadratic[j] * x[j] + program.cost[j]
    for i in range(program.used[1]):
        total = program.constant[i]
        for at in range(program.term[i], program.term[i + 1]):
            j = program.column[at]
            total += program.factor[at] * x[j]
            point.slope[j] -= program.factor[at] * point.multiplier[i]
        point.off[i] = point.slack[i] - total


@compiled_in_place
def _excludes(program: Program, point: _Point, total: FloatArray) -> bool:
    """Whether the multipliers prove that limits exclude each other: A' z = 0 and h' z < 0, up to rounding."""
    pull = 0.0
    for i in range(program.used[1]):
        pull += program.constant[i] * point.multiplier[i]
    if pull >= 0.0:
        return False
    total[:] = 0.0
    for i in range(program.used[1]):
        for at in range(program.term[i], program.term[i + 1]):
            total[program.column[at]] += program.factor[at] * point.multiplier[i]
    return _largest(total) <= 1e-8 * -pull


@compiled_in_place
def _scale(program: Program, point: _Point) -> None:
    """Fill in `axis`, `size` and `scaled`: the scaling in which slack and multiplier are the same."""
    slack, multiplier = point.slack, point.multiplier
    for k in range(program.used[2]):
        first, end = program.cone[k], program.cone[k + 1]
        if end == first + 1:
            point.size[k] = np.sqrt(slack[first] / multiplier[first])
            point.axis[first] = 1.0
            point.scaled[first] = point.size[k] * multiplier[first]
            continue
        s, z = np.sqrt(_det(slack, first, end)), np.sqrt(_det(multiplier, first, end))
        both = 0.0
        for i in range(first, end):
            both += slack[i] * multiplier[i]
        double = 2.0 * np.sqrt(max(0.5 * (1.0 + both / (s * z)), 1.0))
        point.size[k] = np.sqrt(s / z)
        for i in range(first, end):
            point.axis[i] = (slack[i] / s - multiplier[i] / z) / double
        point.axis[first] = (slack[first] / s + multiplier[first] / z) / double
        for i in range(first, end):
            point.scaled[i] = multiplier[i]
        _apply(point.axis, point.size[k], 1.0, first, end, point.scaled)


@compiled_in_place
def _det(x: FloatArray, first: int, end: int) -> float:
    """The product of the eigenvalues, x_0^2 - |x_1|^2; of a number, its square."""
    length = 0.0
    for i in range(first + 1, end):
        length += x[i] * x[i]
    length = np.sqrt(length)
    return float(max((x[first] - length) * (x[first] + length), 1e-300))


@compiled_in_place
def _apply(axis: FloatArray, size: float, sign: float, first: int, end: int, x: FloatArray) -> None:
    """W x, or W^-1 x with a `sign` of -1, of one cone and in place."""
    factor = size if sign > 0.0 else 1.0 / size
    if end == first + 1:
        x[first] *= factor
        return
    along = 0.0
    for i in range(first + 1, end):
        along += axis[i] * x[i]
    along *= sign
    head = axis[first] * x[first] + along
    along = x[first] + along / (1.0 + axis[first])
    for i in range(first + 1, end):
        x[i] = factor * (x[i] + sign * axis[i] * along)
    x[first] = factor * head


@compiled_in_place
def _newton_matrix(program: Program, point: _Point) -> None:
    """Fill in `matrix`; W^-2 = (2 v v' - J) / size^2 with v = (w_0, -w_1) and J = diag(1, -1, ...)."""
    matrix, axis = point.sparse.matrix, point.axis
    for j in range(len(matrix)):
        matrix[j, j] = program.quadratic[j]
    for k in range(program.used[2]):
        first, end = program.cone[k], program.cone[k + 1]
        place, square = program.place[first], point.size[k] * point.size[k]
        if place >= 0:
            matrix[place, place] = -square
            for at in range(program.term[first], program.term[end]):
                j = program.column[at]
                matrix[min(j, place), max(j, place)] += program.factor[at]
            continue
        scale = 1.0 / square
        for i in range(first, end):
            for other in range(first, end):
                weight = 2.0 * axis[i] * axis[other]
                if (i == first) != (other == first):
                    weight = -weight
                if i == other:
                    weight += -1.0 if i == first else 1.0
                weight *= scale
                for at in range(program.term[i], program.term[i + 1]):
                    row = matrix[program.column[at]]
                    part = weight * program.factor[at]
                    for at_other in range(program.term[other], program.term[other + 1]):
                        column = program.column[at_other]
                        if column >= program.column[at]:
                            row[column] += part * program.factor[at_other]


@compiled_in_place
def _corrected(
    program: Program,
    point: _Point,
    centre: float,
    to_slack: FloatArray,
    to_multiplier: FloatArray,
    aim: FloatArray,
) -> None:
    """Mehrotra's right side, from the predictor: (centre e - scaled o scaled - W^-1 ds o W dz) / scaled."""
    scaled = point.scaled
    for k in range(program.used[2]):
        first, end = program.cone[k], program.cone[k + 1]
        if end == first + 1:
            aim[first] = (centre - to_slack[first] * to_multiplier[first]) / scaled[first]
            aim[first] -= scaled[first]
            continue
        _apply(point.axis, point.size[k], -1.0, first, end, to_slack)
        _apply(point.axis, point.size[k], 1.0, first, end, to_multiplier)
        # The product is (u' v, u_0 v_1 + v_0 u_1).
        head = centre
        for i in range(first, end):
            head -= to_slack[i] * to_multiplier[i]
        tail_along = 0.0
        for i in range(first + 1, end):
            aim[i] = -to_slack[first] * to_multiplier[i] - to_multiplier[first] * to_slack[i]
            tail_along += scaled[i] * aim[i]
        new_head = (scaled[first] * head - tail_along) / _det(scaled, first, end)
        for i in range(first + 1, end):
            aim[i] = (aim[i] - new_head * scaled[i]) / scaled[first] - scaled[i]
        aim[first] = new_head - scaled[first]


@compiled_in_place
def _direction(
    program: Program,
    point: _Point,
    aim: FloatArray,
    step: FloatArray,
    to_slack: FloatArray,
    to_multiplier: FloatArray,
) -> None:
    """Newton's step of variables, slacks and multipliers, with W^-1 ds + W dz = aim."""
    for i in range(program.used[1]):
        to_multiplier[i] = point.off[i]
    _by_scale(program, point, aim, to_multiplier)
    for j in range(len(step)):
        step[j] = -point.slope[j]
    for i in range(program.used[1]):
        place = program.place[i]
        if place >= 0:
            step[place] = to_multiplier[i] * point.slack[i] / point.multiplier[i]
        else:
            for at in range(program.term[i], program.term[i + 1]):
                step[program.column[at]] += program.factor[at] * to_multiplier[i]
    solve_factorised(point.sparse, step)
    for i in range(program.used[1]):
        change = 0.0
        for at in range(program.term[i], program.term[i + 1]):
            change += program.factor[at] * step[program.column[at]]
        to_slack[i] = change - point.off[i]
        to_multiplier[i] = -to_slack[i]
    _by_scale(program, point, aim, to_multiplier)


@compiled_in_place
def _by_scale(program: Program, point: _Point, aim: FloatArray, x: FloatArray) -> None:
    """W^-1 (aim + W^-1 x), in place."""
    for k in range(program.used[2]):
        first, end = program.cone[k], program.cone[k + 1]
        _apply(point.axis, point.size[k], -1.0, first, end, x)
        for i in range(first, end):
            x[i] += aim[i]
        _apply(point.axis, point.size[k], -1.0, first, end, x)


@compiled_in_place
def _length(
    program: Program, point: _Point, to_slack: FloatArray, to_multiplier: FloatArray
) -> float:
    """How far a step can go within all cones, at most 1 / `_TO_THE_EDGE`."""
    length = 1.0 / _TO_THE_EDGE
    for k in range(program.used[2]):
        first, end = program.cone[k], program.cone[k + 1]
        length = min(length, _to_edge(point.slack, to_slack, first, end))
        length = min(length, _to_edge(point.multiplier, to_multiplier, first, end))
    return length


@compiled_in_place
def _to_edge(x: FloatArray, step: FloatArray, first: int, end: int) -> float:
    """How far from x along the step the edge of one cone is: the first root of det(x + length step)."""
    if end - first == 1:
        return -x[first] / step[first] if step[first] < 0.0 else np.inf
    square, half = step[first] * step[first], x[first] * step[first]
    for i in range(first + 1, end):
        square -= step[i] * step[i]
        half -= x[i] * step[i]
    det = _det(x, first, end)
    inside = half * half - square * det
    if square >= 0.0 and (half >= 0.0 or inside < 0.0):
        return np.inf
    # The smaller root, in a form that does not cancel.
    return float(det / (np.sqrt(max(inside, 0.0)) - half))


@compiled_in_place
def _largest(x: FloatArray) -> float:
    """The largest absolute value; infinite if one is not a number."""
    largest = 0.0
    for value in x:
        if not abs(value) <= largest:
            largest = min(np.inf, abs(value))
    return largest
