"""Loops that numpy cannot express, compiled once and kept.

Compiled functions take plain arrays and scalars, keep no state, and are deterministic: no fast-math,
no threads, so the same numbers come out whatever the number of replications.
"""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba

from . import compiled_cache

P = ParamSpec("P")
T = TypeVar("T")


def compiled(function: Callable[P, T]) -> Callable[P, T]:
    """Compile `function` with numba on its first call; the machine code is kept on disk.

    What is kept is used again only while nothing has changed of all that the function reaches, in this
    package and in others: see `compiled_cache`. Division by zero gives infinities and NaN, as in numpy.
    """
    dispatcher: Any = numba.njit(**compiled_cache.OPTIONS)(function)
    dispatcher._cache = compiled_cache.Cache(function)
    return cast(Callable[P, T], dispatcher)


compiled_cache.watch_other_caches()
