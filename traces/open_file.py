"""A trace's file, open for reading: beside its writer, and beside anybody else who reads it.

HDF5 shares what it knows of a file among all who open it in a process, and refuses who opens it with
other flags than the first; and it refuses files that their writer left open. So it is given the bytes
by us: each reader by itself, without locks, of a file that looks closed and as long as it will ever be.
What a writer of the single-writer mode leaves is whole at any time, in the order in which it is read.
"""

import io
import math
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, TypeVar

import h5py
import numpy as np

from ..simulator.core.memory import memory_bytes
from . import global_heap, superblock
from .file_errors import TraceError, error_number, reported

PAUSES_S = (0.005, 0.02, 0.1)
"""Before each new attempt to read what does not match its checksum, as it may just be written."""

LEFT_AFTER_S = 10.0
"""A writer lets a file say that it is open for some microseconds; after this time it is dead."""

_PLAIN_BYTES = 1 << 28
"""Values of this size are read without a look at the memory."""

_CLAIM = 2000
"""So many times the bytes that they take, values may have: what is not stored is zero, in a histogram of a
long run, and what is stored was made up to 1032 times smaller, the most that DEFLATE can."""

_LONGEST = 1 << 60
"""More bytes than any file has."""

_GUESSED = 1 << 20
"""HDF5 reads fewer bytes than this where it does not know yet how many there are."""

T = TypeVar("T")


class OpenFile:
    """A file that is read; pickled, it is opened again where it is used.

    Args:
        path: of the file.

    Raises:
        TraceError: it cannot be opened, or is cut.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._bytes: _Bytes | None = None
        self._file: Any = None
        self._origin: bytes | None = None
        self._closed = False
        self.read(lambda file: None)

    def read(self, action: Callable[[h5py.File], T]) -> T:
        """What `action` reads of the file, all of which it takes out.

        Raises:
            TraceError: the file is closed, cut or damaged, or what is read exceeds the memory.
        """
        with reported(self.path):
            for pause_s in PAUSES_S:
                try:
                    return self._attempt(action)
                except (TraceError, MemoryError):
                    raise
                except Exception as error:
                    if error_number(error):
                        raise
                    self._file = None  # with all that it remembers
                time.sleep(pause_s)
            return self._attempt(action)

    def _attempt(self, action: Callable[[h5py.File], T]) -> T:
        if self._closed:
            raise TraceError(f"{self.path}: this trace was closed; open it again to read more")
        return action(self._file or self._opened())

    def _opened(self) -> h5py.File:
        if self._bytes is None:
            self._bytes = _Bytes(self.path)
            mend(self.path)
        self._bytes.check()
        self._file = file = h5py.File(self._bytes, "r")
        origin = bytes(file["timing"].attrs["started"]) if "timing" in file else b""
        if self._origin not in (None, origin):
            raise TraceError(f"{self.path}: meanwhile this is the trace of another run")
        self._origin = origin
        return file

    def close(self) -> None:
        """Let go of the file; it is not read again."""
        self._closed = True
        self._file = None
        if self._bytes is not None:
            self._bytes.close()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_bytes": None, "_file": None, "path": self.path.absolute()}

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


def mend(path: Path) -> None:
    """Let other readers open a trace whose writer was killed: it says of itself that it is closed.

    Nothing happens to what is closed, was written just now, or cannot be changed.
    """
    with suppress(OSError), path.open("rb") as file:
        head = file.read(superblock.SIZE)
        left = superblock.is_superblock(head) and superblock.says_open(head)
        if left and time.time() - path.stat().st_mtime > LEFT_AFTER_S:
            with path.open("r+b") as same:
                same.write(superblock.as_closed(head, superblock.end_of(head)))


def read_values(group: h5py.Group, name: str, part: Any = ...) -> Any:
    """The values of a dataset, or of a part of it; texts as objects.

    Args:
        group: that it lies in.
        name: its name there.
        part: a number, slice or list of numbers for each axis.

    Raises:
        KeyError: there is none.
        ValueError: its values lie in other files.
        MemoryError: it has more than the memory has room for, or than such a file ever tells.
    """
    opened = h5py.h5d.open(group.id, name.encode())
    about = opened.get_create_plist()
    if about.get_external_count() or about.get_layout() == h5py.h5d.VIRTUAL:
        raise ValueError(f"{group.name}/{name} lies in another file")
    shape, dtype = opened.shape, opened.dtype
    axes = zip(part, shape, strict=False) if isinstance(part, tuple) else ()
    count = math.prod(shape)
    for taken, size in axes:
        inner = len(range(*taken.indices(size))) if isinstance(taken, slice) else np.size(taken)
        count = count // max(size, 1) * inner
    size = count * dtype.itemsize
    if size > _PLAIN_BYTES and size > min(memory_bytes(), _CLAIM * opened.get_storage_size()):
        raise MemoryError(f"{size / 1e9:.3g} GB of {group.name}/{name}")
    if part is ... and dtype.kind in "fiu" and count:  # without h5py's looks at what a part may be
        values = np.empty(shape, dtype)
        opened.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
        return values
    dataset = h5py.Dataset(opened)
    is_text = h5py.check_string_dtype(dtype) is not None
    return (dataset.asstr() if is_text else dataset)[part]


class _Bytes(io.RawIOBase):
    """The bytes of a file, of which HDF5 believes that it is closed and has no end."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._place = 0

    def check(self) -> None:
        """See whether the file has the length that it says.

        Raises:
            ValueError: it is cut.
        """
        if superblock.is_superblock(head := self._head()):
            size, end = os.fstat(self._file).st_size, superblock.end_of(head)
            if size < end:
                raise ValueError(f"{size:,} of {end:,} bytes are left")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: _LONGEST}[whence]
        self._place = start + offset
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: Any) -> int:
        view, place, filled = memoryview(buffer).cast("B"), self._place, 0
        if len(view) > max(_GUESSED, os.fstat(self._file).st_size):
            raise ValueError(f"a piece of it claims {len(view):,} bytes")
        while count := self._into(view[filled:], place + filled):
            filled += count
        view[filled:] = bytes(len(view) - filled)  # what is not there is zero, as in a sparse file
        if place < superblock.SIZE and superblock.is_superblock(head := self._head()):
            known = superblock.as_closed(head, _LONGEST)[place : place + len(view)]
            view[: len(known)] = known
        for start in global_heap.collections(view):
            self._check_heap(place + start)
        self._place = place + len(view)
        return len(view)

    def _check_heap(self, place: int) -> None:
        header = bytearray(global_heap.HEADER)
        self._into(memoryview(header), place)
        size = global_heap.size_of(header)
        if size <= os.fstat(self._file).st_size - place:
            heap = bytearray(size)
            self._into(memoryview(heap), place)
            if global_heap.is_whole(heap):
                return
        raise ValueError("texts in it are damaged")

    def close(self) -> None:
        if not self.closed:
            os.close(self._file)
        super().close()

    def _head(self) -> bytes:
        head = bytearray(superblock.SIZE)
        return bytes(head[: self._into(memoryview(head), 0)])

    def _into(self, view: memoryview, place: int) -> int:
        return read_into(self._file, view, place)


def read_into(file: int, view: memoryview, place: int) -> int:
    """Bytes of a file from a place on, as many as there are or fit into the view; their number."""
    if hasattr(os, "preadv"):  # leaves the file's place, which processes that fork share
        return os.preadv(file, [view], place)
    os.lseek(file, place, os.SEEK_SET)
    part = os.read(file, len(view))
    view[: len(part)] = part
    return len(part)
