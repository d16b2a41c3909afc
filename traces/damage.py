"""What a damaged file, or a full disk, makes libraries do, in one clear message."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ERRNO = re.compile(r"errno = (\d+)")


class TraceError(Exception):
    """A trace that cannot be read; the message says which and why."""


@contextmanager
def reported(path: object) -> Iterator[None]:
    """Around each access to an HDF5 file, which raises all sorts of things where it is torn.

    Raises:
        TraceError: instead of any of them.
    """
    try:
        yield
    except TraceError:
        raise
    except Exception as error:
        raise TraceError(f"{path}: the file is torn: it was cut or damaged ({error})") from error


@contextmanager
def written(path: Path) -> Iterator[None]:
    """Around what writes a file: the system's errors know its name only when they come at its opening.

    Raises:
        OSError: instead of one without a name.
    """
    try:
        yield
    except OSError as error:
        if error.filename is not None or not error.errno:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


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
