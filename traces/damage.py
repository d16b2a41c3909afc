"""What a damaged file makes HDF5 do, in one clear message."""

from collections.abc import Iterator
from contextlib import contextmanager


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
