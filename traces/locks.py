"""Who is at work on a file: a lock that ends with its process, however that ends.

Processes that are forked meanwhile have no part in it: they may live a moment longer.
"""

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

_held: set[int] = set()
"""Descriptors of the locks of this process."""


def _leave() -> None:
    """In a process that was just forked."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave)


def lock_of(path: Path) -> Path:
    """The file that is locked by whoever writes the one at `path`: hidden, beside it."""
    return path.with_name(f".{path.name}.lock")


@contextmanager
def locked(path: Path, without: bool = True) -> Iterator[bool]:
    """Whether this process has the lock now; it is given up at the end, however that comes.

    Args:
        path: of the lock; its file is made, and removed at the end.
        without: the answer where the file system, or the system, has no locks; if it is yes, a warning
            says so.

    Raises:
        OSError: the file of the lock cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags, 0o666)
    _held.add(descriptor)
    try:
        try:
            _lock(descriptor)
            # Whoever had it may have removed the file between our opening and our locking it.
            mine = os.path.samestat(os.fstat(descriptor), path.stat())
        except (BlockingIOError, FileNotFoundError):
            mine = False
        except OSError as error:
            if mine := without:
                warnings.warn(
                    f"{path.parent}: there are no locks here ({error.strerror}): nothing keeps two "
                    "that are started on one output apart",
                    stacklevel=3,
                )
        try:
            yield mine
        finally:
            if mine and descriptor in _held:
                path.unlink(missing_ok=True)
    finally:
        if descriptor in _held:
            _held.remove(descriptor)
            os.close(descriptor)


def _lock(descriptor: int) -> None:
    """By `flock`, which holds between threads too, or else by POSIX locks, which network folders may have.

    Raises:
        BlockingIOError: another has it.
        OSError: there are no locks.
    """
    if fcntl is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except PermissionError as error:  # POSIX has either
            raise BlockingIOError(*error.args) from None
