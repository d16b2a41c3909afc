"""A file that others read while it is written, in HDF5's mode of a single writer and many readers.

What the mode writes is in an order in which any beginning of it is whole. But the file also says that it
is open, for which HDF5 opens it to nobody who does not ask for the mode, and to nobody at all once the
writer was killed; and that it ends where it does now, beyond which nobody reads. So after each flush it is
made to say that it is closed, and longer than it is by what comes next.
"""

import ctypes
import os
from contextlib import suppress
from pathlib import Path

import h5py

from .superblock import SIZE, as_closed, end_of

FORMAT = ("v110", "v110")
"""Of HDF5: the mode needs 1.10 and no more, and so does whoever reads the file."""

AHEAD_BYTES = 1 << 20
"""By which a growing file says at least that it is longer than it is; on the disk they take no room."""

CHUNK_CACHE_BYTES = 1 << 20
"""For each variable that is written; HDF5's default of 8 MB would fill with data never read."""

ATTEMPTS = 27
"""To read what does not match its checksum, the last after 0.1 s: in a file that is cut, HDF5's own
hundred attempts, each after twice the time of the one before, never end."""


class GrowingFile:
    """A file of `FORMAT`, open for writing; only datasets that are there grow, and values change.

    Args:
        path: of the file; it may be moved, see `path`.

    Attributes:
        path: where the file is now.
        hdf5: open in the mode.
        end: bytes of the file, as of the last flush.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.hdf5 = opened(path, h5py.h5f.ACC_SWMR_WRITE)
        self._handle: int = self.hdf5.id.get_vfd_handle()
        self.end = 0
        self._look_closed()

    def flush(self) -> None:
        """Let readers see what was written so far."""
        self.hdf5.flush()
        self._look_closed()

    def _look_closed(self) -> None:
        """Who begins to read now reads without error what the next flush writes, too."""
        self._superblock = os.pread(self._handle, SIZE, 0)
        grown, self.end = end_of(self._superblock) - self.end, end_of(self._superblock)
        ahead = self.end + max(4 * grown, AHEAD_BYTES)
        with suppress(OSError):  # there may be a limit on the size of files
            os.truncate(self._handle, ahead)
        self._size = os.fstat(self._handle).st_size
        os.pwrite(self._handle, as_closed(self._superblock, min(ahead, self._size)), 0)

    def is_lost(self) -> bool:
        """Whether somebody cut, removed or replaced the file since the last flush."""
        ours = os.fstat(self._handle)
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return True
        return not os.path.samestat(ours, there) or ours.st_size < self._size

    def close(self) -> None:
        """Close the file; it has its true length then."""
        self.hdf5.close()
        with self.path.open("r+b") as file:
            file.truncate(end_of(file.read(SIZE)))

    def abandon(self) -> None:
        """Let go of a file that cannot be written: it stays as after a kill.

        HDF5 closes no file without having written all of it, and crashes the process at its end if
        that fails. So what is left goes to where there is always room. The superblock may already
        count more than could be written; it becomes what it was.
        """
        with suppress(Exception):
            nowhere = os.open(os.devnull, os.O_RDWR)
            ours = os.dup(self._handle)
            os.dup2(nowhere, self._handle)
            try:
                self.hdf5.close()
                os.pwrite(ours, as_closed(self._superblock, self.end), 0)
            finally:
                os.close(nowhere)
                os.close(ours)


def opened(path: Path, how: int = 0) -> h5py.File:
    """A file, open for writing, without locks, and apart from who reads it in this process.

    HDF5 opens a file once for all in a process who use the same driver, and refuses whoever wants it
    locked otherwise. So this is the driver that can keep a log, but keeps none.
    """
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
    access.set_libver_bounds(h5py.h5f.LIBVER_V110, h5py.h5f.LIBVER_V110)
    access.set_file_locking(False, True)
    access.set_fapl_log(b"", 0, 0)
    entries, slots, _, preemption = access.get_cache()
    access.set_cache(entries, slots, CHUNK_CACHE_BYTES, preemption)
    # h5py has no name for this; its library is found through what is linked to it.
    set_attempts = ctypes.CDLL(h5py.h5p.__file__).H5Pset_metadata_read_attempts
    set_attempts.argtypes = (ctypes.c_int64, ctypes.c_uint)
    if set_attempts(access.id, ATTEMPTS) < 0:
        raise OSError(f"{path}: HDF5 does not take {ATTEMPTS} attempts")
    return h5py.File(h5py.h5f.open(os.fsencode(path), h5py.h5f.ACC_RDWR | how, fapl=access))
