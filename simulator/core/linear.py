"""Small systems of linear equations, with the same bits on every processor, unlike LAPACK's."""

from typing import NamedTuple

import numpy as np

from .arrays import FloatArray, IntArray
from .compiled import compiled, compiled_in_place


def solve(matrix: FloatArray, right: FloatArray) -> FloatArray:
    """X with `matrix` x = `right`, by elimination with partial pivoting.

    Args:
        matrix: (…, n, n).
        right: (…, n).

    Returns:
        (…, n); not finite where a matrix is singular.
    """
    size = right.shape[-1]
    systems = right.size // max(size, 1)
    x = right.copy().reshape(systems, size)
    eliminate(matrix.copy().reshape(systems, size, size), x)
    return x.reshape(right.shape)


@compiled
def eliminate(matrix: FloatArray, x: FloatArray) -> None:
    """Turn each right side in (K, n) `x` into its solution; (K, n, n) `matrix` is overwritten."""
    systems, size = x.shape
    for s in range(systems):
        a, b = matrix[s], x[s]
        for k in range(size):
            pivot = k
            for i in range(k + 1, size):
                if abs(a[i, k]) > abs(a[pivot, k]):
                    pivot = i
            if pivot != k:
                for j in range(k, size):
                    a[k, j], a[pivot, j] = a[pivot, j], a[k, j]
                b[k], b[pivot] = b[pivot], b[k]
            clear_below(a, b, k)
        for k in range(size - 1, -1, -1):
            for j in range(k + 1, size):
                b[k] -= a[k, j] * b[j]
            b[k] /= a[k, k]


@compiled
def clear_below(a: FloatArray, b: FloatArray, k: int) -> None:
    """Take row k of (n, n) `a` and (n,) `b` from the rows below, so that column k would be zero there.

    What is in the column itself is left: nobody looks at it again.
    """
    size = len(b)
    for i in range(k + 1, size):
        factor = a[i, k] / a[k, k]
        if factor != 0.0:
            for j in range(k + 1, size):
                a[i, j] -= factor * a[k, j]
            b[i] -= factor * b[k]


@compiled_in_place
def dot(a: FloatArray, b: FloatArray) -> float:
    """The product of (n,) `a` and (n,) `b`, added in their order."""
    total = 0.0
    for i in range(len(a)):
        total += a[i] * b[i]
    return total


class Sparse(NamedTuple):
    """Room for symmetric (n, n) matrices with the same entries that are not zero, and their factors.

    Attributes:
        matrix: (n, n) the upper half; after `factorise` the factor L' of L D L', with D on the diagonal.
        first: (n + 1,) where the entries of each row begin, the diagonal left out.
        place: (n (n - 1) / 2,) their columns, of matrix or factor.
    """

    matrix: FloatArray
    first: IntArray
    place: IntArray


@compiled
def no_entries(size: int) -> Sparse:
    """Room for matrices of (size, size)."""
    place = np.zeros(size * (size - 1) // 2, np.int64)
    return Sparse(np.zeros((size, size)), np.zeros(size + 1, np.int64), place)


@compiled_in_place
def find_entries(sparse: Sparse) -> None:
    """Note which entries the factor will have, of a matrix that is not zero where entries may be."""
    matrix, first, place = sparse
    size, count = len(matrix), 0
    for k in range(size):
        for j in range(k + 1, size):
            if matrix[k, j] != 0.0:
                place[count] = j
                count += 1
        first[k + 1] = count
        for at in range(first[k], count):
            for other in range(at + 1, count):
                matrix[place[at], place[other]] = 1.0


@compiled_in_place
def clear(sparse: Sparse) -> None:
    """Zero in all entries."""
    matrix, first, place = sparse
    for k in range(len(matrix)):
        matrix[k, k] = 0.0
        for at in range(first[k], first[k + 1]):
            matrix[k, place[at]] = 0.0


@compiled_in_place
def factorise(sparse: Sparse) -> None:
    """Turn a matrix into its factors; it is quasi-definite, but for rows without any entry."""
    matrix, first, place = sparse
    for k in range(len(matrix)):
        row = matrix[k]
        if row[k] == 0.0:
            row[k] = 1.0
        inverse = 1.0 / row[k]
        for at in range(first[k], first[k + 1]):
            j = place[at]
            part = row[j] * inverse
            other = matrix[j]
            for b in range(at, first[k + 1]):
                other[place[b]] -= part * row[place[b]]
        for at in range(first[k], first[k + 1]):
            row[place[at]] *= inverse


@compiled_in_place
def solve_factorised(sparse: Sparse, x: FloatArray) -> None:
    """Turn the (n,) right side in `x` into the solution, after `factorise`."""
    matrix, first, place = sparse
    size = len(x)
    for k in range(size):
        row = matrix[k]
        for at in range(first[k], first[k + 1]):
            x[place[at]] -= row[place[at]] * x[k]
    for k in range(size - 1, -1, -1):
        row = matrix[k]
        total = x[k] / row[k]
        for at in range(first[k], first[k + 1]):
            total -= row[place[at]] * x[place[at]]
        x[k] = total
