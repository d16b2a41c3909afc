"""What Python's functions are given: traces as objects or as paths, names in a list or in one text."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from .errors import ArgumentError

if TYPE_CHECKING:
    from ..traces.reader import Trace

    AnyTrace: TypeAlias = str | Path | Trace

Names: TypeAlias = str | Sequence[str]
"""Several names, or one text in which commas separate them."""


def paths_of(traces: "AnyTrace | Sequence[AnyTrace]") -> list[Path]:
    """Of one trace or several.

    Raises:
        ArgumentError: there is none, or what is given is no trace.
    """
    if isinstance(traces, str) or not isinstance(traces, Sequence):
        return [path_of(traces)]
    if not traces:
        raise ArgumentError("no trace is given")
    return [path_of(one) for one in traces]


def path_of(trace: "AnyTrace") -> Path:
    """Of one trace.

    Raises:
        ArgumentError: what is given is no trace.
    """
    path = trace if isinstance(trace, str | Path) else getattr(trace, "path", None)
    if path is None:
        raise ArgumentError(f"a trace or its path is needed, not {trace!r:.80}")
    return Path(path)


def names_of(names: Names) -> list[str]:
    """Each by itself."""
    from ..scenarios.policy_list import split

    return [name for name in (split(names) if isinstance(names, str) else names) if name]
