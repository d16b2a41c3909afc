"""Loops that numpy cannot express, compiled once and cached beside the source.

Compiled functions take plain arrays and scalars, keep no state, and are deterministic: no fast-math,
no threads, so the same numbers come out whatever the number of replications.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar, cast

import numba
from numba.core.caching import FunctionCache

P = ParamSpec("P")
T = TypeVar("T")


def compiled(function: Callable[P, T]) -> Callable[P, T]:
    """Compile `function` with numba on its first call; the machine code is cached on disk.

    Division by zero gives infinities and NaN, as in numpy.
    """
    dispatcher: Any = numba.njit(error_model="numpy")(function)
    # What cache=True does.
    dispatcher._cache = _Cache(function)  # type: ignore[no-untyped-call]
    return cast(Callable[P, T], dispatcher)


class _Cache(FunctionCache):
    """A cache whose failures do not keep from computing: what cannot be read or kept is compiled again."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        except Exception:  # noqa: BLE001 - the file of an earlier version names classes that are gone
            self.flush()  # type: ignore[no-untyped-call]
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with suppress(OSError):
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]
