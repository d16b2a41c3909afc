"""Rows of many columns' values in little memory: few are held, many lie in a temporary file."""

import os
from collections.abc import Iterator
from tempfile import TemporaryFile
from typing import IO, Any, Self, TypeAlias
from weakref import finalize

import numpy as np
from numpy.typing import DTypeLike, NDArray

Rows: TypeAlias = NDArray[Any]
"""A structured array."""

HELD_BYTES = 1 << 25
"""More than this is written to a temporary file, in the folder that TMPDIR names."""

BLOCK = 1 << 15
"""Rows that are read at once."""

SORTED_AT_ONCE = 1 << 19
"""Rows that are sorted in memory."""

_SAMPLED = 1 << 10
"""Of so many rows one is looked at to divide them evenly."""

_BLOCKS_KEPT = 4


class RowStore:
    """Rows that are written once, at the end, and then read anywhere. A copy shares them.

    Args:
        dtype: of a row, structured.
    """

    def __init__(self, dtype: DTypeLike) -> None:
        self.dtype = np.dtype(dtype)
        self.size = 0
        self._parts: list[Rows] = []
        self._file: IO[bytes] | None = None
        self._blocks: dict[int, Rows] = {}

    def append(self, rows: Rows) -> None:
        """Add rows at the end.

        Raises:
            OSError: no room for the temporary file.
        """
        self.size += rows.size
        if self._file is not None:
            self._file.write(rows.tobytes())
            return
        self._parts.append(rows)
        if self.size * self.dtype.itemsize > HELD_BYTES:
            self._file = TemporaryFile()  # noqa: SIM115 - it lives as long as this
            finalize(self, self._file.close)
            for part in self._parts:
                self._file.write(part.tobytes())
            self._parts = []

    def read(self, start: int, stop: int) -> Rows:
        """The rows `start`, …, `stop - 1`; not to be written to."""
        if self._file is None:
            if len(self._parts) != 1:
                self._parts = [np.concatenate([np.empty(0, self.dtype), *self._parts])]
            return self._parts[0][start:stop]
        self._file.flush()
        width = self.dtype.itemsize
        wanted, at = max(stop - start, 0) * width, start * width
        found = bytearray()
        # Without moving the file's position, which forked processes share.
        while len(found) < wanted and (
            piece := os.pread(self._file.fileno(), wanted - len(found), at + len(found))
        ):
            found += piece
        return np.frombuffer(found, self.dtype)

    def block(self, number: int) -> Rows:
        """The rows from `number * BLOCK` on, at most `BLOCK`; the last few blocks are kept."""
        if self._file is None:
            return self.read(number * BLOCK, (number + 1) * BLOCK)
        if number not in self._blocks:
            if len(self._blocks) == _BLOCKS_KEPT:
                del self._blocks[next(iter(self._blocks))]
            stop = min((number + 1) * BLOCK, self.size)
            self._blocks[number] = self.read(number * BLOCK, stop)
        return self._blocks[number]

    def blocks(self) -> Iterator[Rows]:
        """All rows, in their order."""
        for start in range(0, self.size, BLOCK):
            yield self.read(start, min(start + BLOCK, self.size))

    def take(self, rows: NDArray[np.int64]) -> Rows:
        """Some rows, by their (n,) numbers."""
        if self._file is None:
            return self.read(0, self.size)[rows]
        return np.concatenate([np.empty(0, self.dtype), *(self.read(row, row + 1) for row in rows)])

    def below(self, column: str, value: float, rows: slice | None = None) -> int:
        """The first row with at least a value, among rows that are sorted by that column."""
        low, high = (0, self.size) if rows is None else (rows.start, rows.stop)
        while low < high:
            middle = (low + high) // 2
            if self.read(middle, middle + 1)[column][0] < value:
                low = middle + 1
            else:
                high = middle
        return int(low)

    def sorted(self, column: str) -> "RowStore":
        """The same rows in the order of a column, equal ones in their own: an external merge sort."""
        runs, samples = RowStore(self.dtype), []
        for start in range(0, self.size, SORTED_AT_ONCE):
            rows = self.read(start, min(start + SORTED_AT_ONCE, self.size))
            rows = rows[np.argsort(rows[column], kind="stable")]
            runs.append(rows)
            samples.append(rows[column][::_SAMPLED].copy())
        if len(samples) <= 1:
            return runs
        sampled = np.sort(np.concatenate(samples))
        return runs._merged(column, np.unique(sampled[:: SORTED_AT_ONCE // _SAMPLED]))

    def _merged(self, column: str, splitters: NDArray[Any]) -> "RowStore":
        """Merge sorted runs of `SORTED_AT_ONCE` rows, each time those between two splitters."""
        merged = RowStore(self.dtype)
        starts = list(range(0, self.size, SORTED_AT_ONCE))
        ends = [min(start + SORTED_AT_ONCE, self.size) for start in starts]
        for splitter in [*splitters, None]:
            below, equal = list(ends), list(ends)
            if splitter is not None:
                # Of the splitter itself there may be any number: they need no sorting.
                above = np.nextafter(splitter, np.inf)
                for run, (start, end) in enumerate(zip(starts, ends, strict=True)):
                    below[run] = self.below(column, splitter, slice(start, end))
                    equal[run] = self.below(column, above, slice(below[run], end))
            between = [self.read(start, end) for start, end in zip(starts, below, strict=True)]
            rows = np.concatenate(between)
            merged.append(rows[np.argsort(rows[column], kind="stable")])
            for start, end in zip(below, equal, strict=True):
                for at in range(start, end, BLOCK):
                    merged.append(self.read(at, min(at + BLOCK, end)))
            starts = equal
        return merged

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (self.dtype, self.read(0, self.size).tobytes())


def _rebuilt(dtype: np.dtype[Any], content: bytes) -> RowStore:
    store = RowStore(dtype)
    store.append(np.frombuffer(content, dtype))
    return store
