"""Programs that a policy builds once for its solver and keeps, but does not save with a run."""

from typing import Any, Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class SolverCache(dict[Key, Value], Generic[Key, Value]):
    """A dictionary that is pickled as an empty one: what it held is built again when asked for."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (SolverCache, ())
