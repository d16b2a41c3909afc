"""Loops that numpy cannot express, compiled once and kept.

Compiled functions take plain arrays and scalars, keep no state, and are deterministic: no fast-math,
no threads, so the same numbers come out whatever the number of replications.

numba, half a second of imports, is imported when the first of them is called.
"""

import sys
from collections.abc import Callable, Sequence
from functools import cached_property, partial, update_wrapper
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any, ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")


def compiled(function: Callable[P, T]) -> Callable[P, T]:
    """Compile `function` with numba on its first call; the machine code is kept on disk.

    What is kept is used again only while nothing has changed of all that the function reaches, in this
    package and in others: see `compiled_cache`. Division by zero gives infinities and NaN, as in numpy.
    """
    found: Any = Compiled(lambda *arguments: found.dispatcher(*arguments))
    update_wrapper(found, function)
    found.py_func = function
    return cast(Callable[P, T], found)


def compiled_in_place(function: Callable[P, T]) -> Callable[P, T]:
    """As `compiled`, of a function that makes no array, and gets none from what it calls, views apart.

    Its arrays are its callers', who keep them alive, so nobody counts references to them: in short loops
    over short arrays counting takes longer than the arithmetic. An array made in it is refused by numba;
    one that a function hands it would never be freed.
    """
    vars(function)["in_place"] = True
    return compiled(function)


class Compiled(partial[Any]):
    """What `compiled` makes of a function: from its first use on, numba's dispatcher of it.

    A `partial`, because that hands a call on in 30 ns, where `__call__` in Python takes 190.

    Attributes:
        py_func: the function, whose name and signature it has.
    """

    py_func: Callable[..., Any]

    @property
    def dispatcher(self) -> Any:
        """numba's, made at the first call."""
        if not hasattr(self.func, "py_func"):
            from . import compiled_cache

            # What a partial calls is changed by what unpickling calls.
            state: Any = compiled_cache.dispatcher(self.py_func), (), {}, vars(self)
            super().__setstate__(state)  # type: ignore[misc]
        return self.func

    @cached_property
    def inner(self) -> Any:
        """Another, for callers that are compiled; they hold it by a weak reference."""
        from . import compiled_cache

        return compiled_cache.dispatcher(self.py_func, inner=True)

    @property
    def _numba_type_(self) -> Any:
        """What numba takes it for where compiled code names it."""
        return self.inner._numba_type_

    def __reduce__(self) -> str:
        """Pickled and copied by its name, as a function."""
        return self.py_func.__qualname__


class _Watch(MetaPathFinder):
    """Once numba is imported, by whomever, its own cache minds what is compiled here."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "numba":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_and_watch(module: ModuleType) -> None:
                load(module)
                from . import compiled_cache  # noqa: F401 - which watches

            spec.loader.exec_module = load_and_watch  # type: ignore[method-assign]
        return spec


if "numba" in sys.modules:
    from . import compiled_cache  # noqa: F401 - which watches
else:
    sys.meta_path.insert(0, _Watch())
