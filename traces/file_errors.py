"""Damaged files and full disks: one clear error instead of whatever HDF5 raises."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray

_ERRNO = re.compile(r"errno = (\d+)")


class TraceError(Exception):
    """A trace that cannot be read; the message says which and why."""


@contextmanager
def reported(path: object) -> Iterator[None]:
    """Around each access to an HDF5 file, which may raise any exception where the file is torn.

    Raises:
        TraceError: instead of any of them; it tells damage from what the system or its memory refuses.
    """
    try:
        yield
    except TraceError:
        raise
    except MemoryError as error:
        reason = (
            f"more than the memory has room for: {error}" if str(error) else "too little memory"
        )
        raise TraceError(f"{path}: {reason}; read less at a time, as in .isel(slot=...)") from error
    except Exception as error:
        if number := error_number(error):
            raise TraceError(f"{path}: {os.strerror(number)}") from error
        raise TraceError(f"{path}: the file is torn: it was cut or damaged ({error})") from error


def indices(values: NDArray[Any], count: int, path: object) -> NDArray[Any]:
    """The values, of any shape, checked to be indices below `count`.

    Raises:
        TraceError: they are not.
    """
    if values.size and (values.min() < 0 or values.max() >= count):
        found = values.min() if values.min() < 0 else values.max()
        raise TraceError(f"{path}: the file is damaged: it names number {found} of {count}")
    return values


def error_number(error: BaseException) -> int:
    """The system's error behind an exception, or 0; HDF5 hides it in its text, or in what led to it."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno:
            return seen.errno
        if found := _ERRNO.search(str(seen)):
            return int(found[1])
        seen = seen.__cause__ or seen.__context__
    return 0
