"""Who is at work on a file: a lock that ends with its process, however that ends."""

import errno
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # as on Windows
    fcntl = None  # type: ignore[assignment]


def lock_of(path: Path) -> Path:
    """The file that is locked by whoever writes the one at `path`: hidden, beside it."""
    return path.with_name(f".{path.name}.lock")


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Whether this process has the lock now; it is given up at the end, however that comes.

    Where the file system, or the system, has no locks, a warning says so, and everybody has it.

    Args:
        path: of the lock.

    Raises:
        OSError: the file of the lock cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            _lock(descriptor)
            # Whoever had it may have removed the file between our opening and our locking it.
            mine = os.path.samestat(os.fstat(descriptor), path.stat())
        except (BlockingIOError, FileNotFoundError):
            mine = False
        except OSError as error:
            warnings.warn(
                f"{path.parent}: there are no locks here ({error.strerror}): what is started twice on "
                "one output is not noticed",
                stacklevel=3,
            )
            mine = True
        yield mine
        if mine:
            path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    if fcntl is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
