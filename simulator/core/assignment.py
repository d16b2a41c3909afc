"""Copies of arrays in compiled functions, number by number.

`into[:] = values` has numba compile, for two seconds and more, what would tell of both shapes if they did not match.
"""

from typing import Any

from numpy.typing import NDArray

from .arrays import FloatArray
from .compiled import compiled_in_place


@compiled_in_place
def copy_vector(into: NDArray[Any], values: NDArray[Any]) -> None:
    """Set (n,) to the first n of as many numbers or more."""
    for k in range(len(into)):
        into[k] = values[k]


@compiled_in_place
def copy_matrix(into: FloatArray, values: FloatArray) -> None:
    """Set (m, n) to (m, n) numbers."""
    for k in range(into.shape[0]):
        for n in range(into.shape[1]):
            into[k, n] = values[k, n]
