"""The slots of all runs of a sweep as lazy variables, read from the traces when they are used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
"""Dimensions for which the axes of the runs stand."""


@dataclass(frozen=True)
class _Layout:
    """What the traces of a case hold, all of them the same; nothing where there is no trace.

    Attributes:
        names: of variables.
        sizes: by dimension.
    """

    names: frozenset[str] = frozenset()
    sizes: Mapping[str, int] = field(default_factory=dict)


def slot_variables(
    traces: Path, cases: Sequence[Sequence[RunRow]], dims: Sequence[str], shape: Sequence[int]
) -> tuple[dict[str, xr.Variable], list[str]]:
    """The variables of /slots, over the axes of the runs and slot, device or station.

    Where runs differ in a size, the largest counts. What a run does not have is NaN, and "" in texts;
    whole numbers become floats where something is missing. One trace of each case is opened for its
    layout, and no values are read.

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
    sizes: dict[str, int] = {}
    for layout in layouts:
        sizes |= {dim: max(size, sizes.get(dim, 0)) for dim, size in layout.sizes.items()}
    if not sizes:
        raise TraceError(
            f'{traces}: no trace here holds slots; trace.level = "slots" in [set] records them'
        )
    runs = [(row, layout) for case, layout in zip(cases, layouts, strict=True) for row in case]
    complete = all(row.trace is not None and layout.sizes == sizes for row, layout in runs)
    variables = {
        dim: xr.Variable((dim,), np.arange(size), {"long_name": dim}) for dim, size in sizes.items()
    }
    for name, what in _KNOWN.items():
        rows = [row if name in layout.names else None for row, layout in runs]
        if name in _RUN or not any(rows):
            continue
        array = _Runs(traces, name, rows, tuple(shape), sizes, complete)
        attrs = {"long_name": what.long_name} | ({"units": what.units} if what.units else {})
        variables[name] = lazy_variable((*dims, *array.dims), array, attrs)
    return variables, [name for name in SLOT_COORDINATES if name in variables]


def _layout(traces: Path, case: Sequence[RunRow]) -> _Layout:
    """By the first trace of a case."""
    name = next((row.trace for row in case if row.trace is not None), None)
    if name is None:
        return _Layout()
    with open_trace(traces / name) as trace:
        shapes = trace.slot_shapes()
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
        sizes: by dimension, at least each run's.
        complete: whether all runs have a trace, and these sizes.

    Attributes:
        dims: of the variable's own axes.
    """

    def __init__(
        self,
        traces: Path,
        name: str,
        rows: Sequence[RunRow | None],
        shape: tuple[int, ...],
        sizes: Mapping[str, int],
        complete: bool,
    ) -> None:
        self._traces = traces
        self._name = name
        self._rows = rows
        self._runs = np.arange(len(rows)).reshape(shape)
        what = _KNOWN[name]
        self._replicated = what.dims[0] in _RUN
        self.dims = tuple(dim for dim in what.dims if dim not in _RUN)
        self.shape = shape + tuple(sizes[dim] for dim in self.dims)
        self.dtype: np.dtype[Any] = np.dtype(object if what.dtype == "text" else what.dtype)
        if self.dtype.kind in "iu" and not (complete and all(rows)):
            self.dtype = np.promote_types(self.dtype, np.float32)  # which has a NaN

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
        if values.size:
            for trace, places in self._by_trace(runs).items():
                self._fill(values, trace, places, own)
        # A number as key takes its axis away.
        kept = tuple(slice(None) if isinstance(part, slice | np.ndarray) else 0 for part in key)
        return values[kept]

    def _by_trace(self, runs: IntArray) -> dict[str, list[tuple[tuple[int, ...], int]]]:
        """Each trace once, with the places among `runs` and the replications that are in it."""
        found: dict[str, list[tuple[tuple[int, ...], int]]] = {}
        for place in np.ndindex(runs.shape):
            row = self._rows[int(runs[place])]
            if row is not None and row.trace is not None and row.replication is not None:
                found.setdefault(row.trace, []).append((place, row.replication))
        return found

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
