"""Opening a file that is, or was, being written in HDF5's mode of a single writer and many readers."""

import ctypes
import os
from pathlib import Path

import h5py

ATTEMPTS = 27
"""To read what does not match its checksum, as it may just be written; the last is after 0.1 s."""


def open_swmr(path: Path) -> h5py.File:
    """Open a file for reading, without a lock.

    As `h5py.File(…, swmr=True)`, which makes a hundred attempts, each after twice the time of the one
    before: in a damaged file it never ends.

    Raises:
        OSError: it cannot be opened.
    """
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
    access.set_file_locking(False, True)
    # h5py has no name for this; its library is found through what is linked to it.
    set_attempts = ctypes.CDLL(h5py.h5p.__file__).H5Pset_metadata_read_attempts
    set_attempts.argtypes = (ctypes.c_int64, ctypes.c_uint)
    if set_attempts(access.id, ATTEMPTS) < 0:
        raise OSError(f"{path}: HDF5 does not take {ATTEMPTS} attempts")
    how = h5py.h5f.ACC_RDONLY | h5py.h5f.ACC_SWMR_READ
    return h5py.File(h5py.h5f.open(os.fsencode(path), how, fapl=access))
