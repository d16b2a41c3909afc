"""Loops that numpy cannot express, compiled once and cached beside the source.

Compiled functions take plain arrays and scalars, keep no state, and are deterministic: no fast-math,
no threads, so the same numbers come out whatever the number of replications.
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
T = TypeVar("T")


def compiled(function: Callable[P, T]) -> Callable[P, T]:
    """Compile `function` with numba on its first call; the machine code is cached on disk.

    Division by zero gives infinities and NaN, as in numpy.
    """
    return cast(Callable[P, T], numba.njit(cache=True, error_model="numpy")(function))
