"""What a policy builds once and keeps, but need not save with a run."""

from typing import Any, Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Rebuilt(dict[Key, Value], Generic[Key, Value]):
    """A dictionary that is empty after it was pickled: solver's programs are built again then."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Rebuilt, ())
