"""Variables that grow together: compressed chunk by chunk, and readable up to their last row at any time."""

import time
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from ..simulator.core.arrays import IntArray
from ..simulator.core.compiled import compiled_in_place
from .netcdf import DEFLATE_LEVEL

_AS_IT_IS = 0b11
"""The mask of a chunk of which both filters are left out."""


class GrowingTable:
    """Appends rows to datasets of a file in HDF5's mode of a single writer and many readers.

    A chunk is compressed once, when it is whole. Were one compressed before, each further row would give
    it another length and so another place in the file, and in this mode the old place is never used
    again. So rows that have waited for long for others to make a chunk are written as they are, into one
    place. Compressed here and not by HDF5, as ISA-L writes the same format in a fifth of zlib's time; and a
    chunk that is the same as the one before, as of what never changes, is not compressed again.

    Args:
        datasets: by name, empty, shuffled and deflated; a chunk is as long as the dataset along all axes
            but `axis`, and of as many rows in all.
        axis: along which they grow.

    Attributes:
        datasets: of the file.
        rows: appended.
        written: of these, those that are in the file.
        wasted_bytes: of the file, in places that are no longer used.
    """

    def __init__(self, datasets: Mapping[str, h5py.Dataset], axis: int) -> None:
        self.datasets = datasets
        self.rows = self.written = self.wasted_bytes = 0
        self._along = (slice(None),) * axis
        self._axis = axis
        self._tails = {name: np.zeros(x.chunks, x.dtype) for name, x in datasets.items()}
        self._chunk = next(iter(self._tails.values())).shape[axis]
        self._tail_began = 0.0
        self._as_it_is = False
        # The last chunk of each, compressed; None once its tail has become another.
        self._packed: dict[str, bytes | None] = dict.fromkeys(datasets)

    def append(self, columns: Mapping[str, NDArray[Any]], rows: int) -> None:
        """Append the first rows of some columns, (rows or more,); whole chunks are written."""
        taken = 0
        while taken < rows:
            filled = self.rows % self._chunk
            more = min(self._chunk - filled, rows - taken)
            if not filled:
                self._tail_began = time.monotonic()
            there, here = slice(filled, filled + more), slice(taken, taken + more)
            for name, tail in self._tails.items():
                self._fill(name, tail[*self._along, there], columns[name][*self._along, here])
            taken += more
            self.rows += more
            if filled + more == self._chunk:
                self._compress()

    def _fill(self, name: str, tail: NDArray[Any], rows: NDArray[Any]) -> None:
        """Put rows into a part of a tail, unless the last chunk had the same ones there."""
        if self._packed[name] is not None:
            if _same(tail[*self._along, :1], rows[*self._along, :1]) and _same(tail, rows):
                return
            self._packed[name] = None
        tail[...] = rows

    def publish(self, waited_s: float) -> None:
        """Write the rows that wait for others, if the first of them has waited for so many seconds."""
        waits = self.rows > self.written
        if waits and time.monotonic() - self._tail_began >= waited_s:
            for name, tail in self._tails.items():
                self._write(name, tail.tobytes(), _AS_IT_IS)
            self.written, self._as_it_is = self.rows, True

    def copy(self, group: h5py.Group) -> None:
        """Write all that another file's datasets have, which are of the same names and chunks; nothing may follow."""
        for name, dataset in self.datasets.items():
            old = h5py.h5d.open(group.id, name.encode())
            self.rows = old.shape[self._axis]
            dataset.id.set_extent(old.shape)
            for first in range(0, self.rows, self._chunk):
                place = [0] * dataset.ndim
                place[self._axis] = first
                left_out, chunk = old.read_direct_chunk(tuple(place))
                dataset.id.write_direct_chunk(tuple(place), chunk, left_out)
        self.written = self.rows

    def end(self) -> None:
        """Write all that was appended; nothing may follow."""
        if tail_rows := self.rows % self._chunk:
            for name, tail in self._tails.items():
                self._packed[name] = None
                tail[*self._along, tail_rows:] = 0
            self._compress()

    def _compress(self) -> None:
        for name, tail in self._tails.items():
            packed = self._packed[name]
            if packed is None:
                packed = isal_zlib.compress(_shuffled(tail), DEFLATE_LEVEL)
                self._packed[name] = packed
            if len(packed) < tail.nbytes:
                self._write(name, packed, 0)
                if self._as_it_is:
                    self.wasted_bytes += tail.nbytes
            else:  # of the same length, HDF5 2.0 would not notice that it has other filters
                self._write(name, tail.tobytes(), _AS_IT_IS)
        self.written, self._as_it_is = self.rows, False

    def _write(self, name: str, chunk: bytes, left_out: int) -> None:
        """Write a variable's last chunk."""
        dataset, first = self.datasets[name], (self.rows - 1) // self._chunk * self._chunk
        shape = list(dataset.shape)
        if shape[self._axis] <= first:  # there has to be room for the chunk
            shape[self._axis] = first + 1
            dataset.id.set_extent(tuple(shape))
        place = [0] * dataset.ndim
        place[self._axis] = first
        dataset.id.write_direct_chunk(tuple(place), chunk, left_out)
        # Of rows in a chunk that readers know, they learn when all are there.
        shape[self._axis] = self.rows
        dataset.id.set_extent(tuple(shape))


def _same(tail: NDArray[Any], rows: NDArray[Any]) -> bool:
    """Whether rows are what is in the tail, to the last bit."""
    if tail.dtype == rows.dtype == np.float64:
        tail, rows = tail.view(np.int64), rows.view(np.int64)
    return bool((tail == rows).all())


def _shuffled(tail: NDArray[Any]) -> NDArray[np.uint8]:
    """(size, n) as HDF5 shuffles: the first byte of each number, then the second of each."""
    planes = np.empty((tail.itemsize, tail.size), np.uint8)
    if tail.itemsize == 8:
        _shuffle(tail.reshape(-1).view(np.int64), planes)
    else:
        planes[:] = tail.reshape(-1).view(np.uint8).reshape(planes.shape[::-1]).T
    return planes


@compiled_in_place
def _shuffle(numbers: IntArray, planes: NDArray[np.uint8]) -> None:
    """Into (8, n) bytes; five times as fast as numpy, which goes through them one by one."""
    for k in range(len(numbers)):
        number = numbers[k]
        for byte in range(8):
            planes[byte, k] = (number >> (8 * byte)) & 0xFF
