"""Small systems of linear equations, with the same bits on every processor, unlike LAPACK's."""

from .arrays import FloatArray
from .compiled import compiled


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
    _eliminate(matrix.copy().reshape(systems, size, size), x)
    return x.reshape(right.shape)


@compiled
def _eliminate(matrix: FloatArray, x: FloatArray) -> None:
    """Turn each (n,) right side in `x` into its solution."""
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
