"""Array types. Leading axes are (R, …): replications; N devices, B stations, station 0 the MBS."""

from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from .compiled import compiled

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]

Scalar = TypeVar("Scalar", bound=np.generic)


def read_only(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """The array, of any shape, which from now on cannot be written through: it may be trusted."""
    array.setflags(False)  # type: ignore[call-arg]  # write=False, at a third of its time
    return array


def spread(values: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Values of fewer axes in an array of this shape, not to be written to, whose entries lie side by side.

    Compiled code is another for each kind of array: if it can be written to, if its entries lie apart.
    """
    return read_only(np.ascontiguousarray(np.broadcast_to(values, shape)))


@compiled
def first_invalid(values: FloatArray) -> int:
    """The first entry of (n,) that is NaN, infinite or negative; -1 if there is none."""
    for k in range(values.size):
        if not (0.0 <= values[k] < np.inf):
            return k
    return -1


ROUNDING = 2.0**-47
"""Relative; some dozen operations in double precision err by less."""


def remainder(whole: FloatArray, taken: FloatArray, added: FloatArray | None = None) -> FloatArray:
    """max(whole - taken, 0) + added, or zero where that is no more than rounding of the whole.

    Else a battery that was emptied would have something left to send with, and a queue that was
    emptied something to send. All have the same shape.
    """
    left = np.zeros(whole.shape) if added is None else added.copy()
    _add_remainder(whole.ravel(), taken.ravel(), left.reshape(-1))
    return left


@compiled
def _add_remainder(whole: FloatArray, taken: FloatArray, left: FloatArray) -> None:
    for k in range(left.size):
        left[k] = rest(whole[k], taken[k], left[k])


@compiled
def rest(whole: float, taken: float, added: float) -> float:
    """`remainder` of one entry, for compiled callers."""
    left = added + max(whole - taken, 0.0)
    return left if left > whole * ROUNDING else 0.0
