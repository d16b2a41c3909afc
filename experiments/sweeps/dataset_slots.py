"""The slots of all runs of a sweep as lazy variables: a value is read from its trace when it is used."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from ...simulator.core.arrays import IntArray
from ...traces.lazy_dataset import lazy_variable
from ...traces.reader import TraceError, open_trace
from ...traces.variables import SLOT_COORDINATES, SLOT_VARIABLES
from .table import RunRow

_KNOWN = SLOT_COORDINATES | SLOT_VARIABLES
_RUN = ("replication", "seed")
"""What the axes of the runs say instead."""


@dataclass(frozen=True)
class _Layout:
    """What the traces of a case hold; all of them the same.

    Attributes:
        names: of variables.
        sizes: by dimension.
    """

    names: frozenset[str]
    sizes: Mapping[str, int]


def slot_variables(
    traces: Path, cases: Sequence[Sequence[RunRow]], dims: Sequence[str], shape: Sequence[int]
) -> tuple[dict[str, xr.Variable], list[str]]:
    """The variables of /slots, over the axes of the runs and slot, device or station.

    Where runs differ in a size, the largest counts. What a run does not have is NaN, and "" in texts;
    whole numbers become floats where something is missing. One trace of each case is looked at, and
    no values are read.

    Args:
        traces: the folder.
        cases: (C, S) runs.
        dims: names of the axes of the runs.
        shape: of the runs along them, C S in all.

    Returns:
        By name, and which of them are coordinates.

    Raises:
        TraceError: no trace holds slots, or one cannot be read.
    """
    layouts = [_layout(traces, case) for case in cases]
    found = [layout for layout in layouts if layout is not None]
    if not found:
        raise TraceError(
            f'{traces}: no trace here holds slots; trace.level = "slots" in [set] records them'
        )
    sizes = {
        dim: max(one.sizes[dim] for one in found if dim in one.sizes)
        for dim in dict.fromkeys(dim for one in found for dim in one.sizes)
    }
    runs = [row for case in cases for row in case]
    of_run = [layout for case, layout in zip(cases, layouts, strict=True) for _ in case]
    alike = all(layout is not None and layout.sizes == sizes for layout in layouts)
    complete = alike and all(row.trace is not None for row in runs)
    variables = {
        dim: xr.Variable((dim,), np.arange(size), {"long_name": dim})
        for dim, size in sizes.items()
        if dim != "station"  # there is a variable of that name
    }
    labels = []
    for name, what in _KNOWN.items():
        having = [layout is not None and name in layout.names for layout in of_run]
        if name in _RUN or not any(having):
            continue
        own = tuple(dim for dim in what.dims if dim not in _RUN)
        dtype = np.dtype(object if what.dtype == "text" else what.dtype)
        if not (complete and all(having)) and dtype.kind in "iu":
            dtype = np.promote_types(dtype, np.float32)  # which has a NaN
        rows = [row if has else None for row, has in zip(runs, having, strict=True)]
        lengths = tuple(sizes[dim] for dim in own)
        array = _Runs(traces, name, rows, tuple(shape), lengths, dtype, what.dims[0] in _RUN)
        attrs = {"long_name": what.long_name} | ({"units": what.units} if what.units else {})
        variables[name] = lazy_variable((*dims, *own), array, attrs)
        if name in SLOT_COORDINATES:
            labels.append(name)
    return variables, labels


def _layout(traces: Path, case: Sequence[RunRow]) -> _Layout | None:
    """By the first trace of a case; None if there is none, or no slots in it."""
    name = next((row.trace for row in case if row.trace is not None), None)
    if name is None:
        return None
    with open_trace(traces / name) as trace:
        shapes = trace.slot_shapes()
    if not shapes:
        return None
    sizes = {
        dim: size
        for variable, shape in shapes.items()
        if variable in _KNOWN
        for dim, size in zip(_KNOWN[variable].dims, shape, strict=True)
        if dim not in _RUN
    }
    return _Layout(frozenset(shapes), sizes)


class _Runs(BackendArray):
    """A variable of /slots of all runs.

    Args:
        traces: the folder.
        name: of the variable.
        rows: of each run; None where it lacks the variable.
        shape: of the runs.
        lengths: of the variable's own axes, at least each run's.
        dtype: with a NaN, or object for texts, where anything is missing.
        replicated: whether its first axis in a trace is the replication.
    """

    def __init__(
        self,
        traces: Path,
        name: str,
        rows: Sequence[RunRow | None],
        shape: tuple[int, ...],
        lengths: tuple[int, ...],
        dtype: np.dtype[Any],
        replicated: bool,
    ) -> None:
        self._traces = traces
        self._name = name
        self._rows = rows
        self._runs = np.arange(len(rows)).reshape(shape)
        self._replicated = replicated
        self.shape = shape + lengths
        self.dtype = dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._read
        )

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        wanted = [
            np.atleast_1d(np.arange(size)[part]) for part, size in zip(key, self.shape, strict=True)
        ]
        axes = self._runs.ndim
        runs, own = self._runs[np.ix_(*wanted[:axes])], wanted[axes:]
        fill: Any = "" if self.dtype == object else np.nan if self.dtype.kind == "f" else 0
        values = np.full([len(part) for part in wanted], fill, self.dtype)
        for trace, places in self._by_trace(runs) if values.size else ():
            self._fill(values, trace, places, own)
        # A number as key takes its axis away.
        kept = tuple(slice(None) if isinstance(part, slice | np.ndarray) else 0 for part in key)
        return values[kept]

    def _by_trace(self, runs: IntArray) -> Iterator[tuple[str, list[tuple[tuple[int, ...], int]]]]:
        """Each trace once, with the places among `runs` and the replications that are in it."""
        found: dict[str, list[tuple[tuple[int, ...], int]]] = {}
        for place in np.ndindex(runs.shape):
            row = self._rows[int(runs[place])]
            if row is not None and row.trace is not None and row.replication is not None:
                found.setdefault(row.trace, []).append((place, row.replication))
        yield from found.items()

    def _fill(
        self,
        values: NDArray[Any],
        trace: str,
        places: list[tuple[tuple[int, ...], int]],
        own: Sequence[IntArray],
    ) -> None:
        """Read what is wanted of one trace, with what lies between, and put it in its places."""
        least = min(replication for _, replication in places)
        spans = [_span([replication for _, replication in places])] if self._replicated else []
        with open_trace(self._traces / trace) as file:
            block = file.slot_values(self._name, (*spans, *(_span(part) for part in own)))
        # What this trace has of it, among `values` and in the block, which begins where `own` does.
        lengths = block.shape[len(spans) :]
        offsets = [part - part.min() for part in own]
        inside = np.ix_(*(np.flatnonzero(o < n) for o, n in zip(offsets, lengths, strict=True)))
        taken = np.ix_(*(o[o < n] for o, n in zip(offsets, lengths, strict=True)))
        for place, replication in places:
            one = block[replication - least] if self._replicated else block
            values[place][inside] = one[taken]


def _span(wanted: Sequence[int] | IntArray) -> slice:
    return slice(int(min(wanted)), int(max(wanted)) + 1)
