"""Processes of this machine for part of the work, forked by a server that has imported once what all need.

A second or two of CPU time per process would be that of imports else.
"""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any, NamedTuple

from .signals import interrupts_held

STARTS = 8
"""Attempts to start a process, of which the first ones may meet a server that is just dying."""

_PRELOAD = f"{__package__.rpartition('.')[0]}.assembly.preload"

_ONE_THREAD = {
    f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA")
}


class Started(NamedTuple):
    """A process, and the line to it."""

    process: BaseProcess
    line: "Connection[Any, Any]"


def started(
    target: Callable[..., None],
    arguments: tuple[Any, ...],
    imports: Sequence[str] = (),
    *,
    daemon: bool = True,
) -> Started:
    """A new process, of one thread, from a new server if the old one was killed.

    It never sees SIGINT, which a terminal sends to all.

    Args:
        target: what it does with the other end of the line and the arguments; a function of a module.
        arguments: can be pickled, and are of no class of the script that runs.
        imports: modules that a new server imports first, beside the target's and what a run needs.
        daemon: it ends with this process, and has no processes of its own.

    Raises:
        OSError: it cannot be started.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([target.__module__, _PRELOAD, *imports])
    for attempt in range(STARTS):
        ours, theirs = context.Pipe()
        process = context.Process(target=target, args=(theirs, *arguments), daemon=daemon)
        try:
            with _one_thread(), _without_main():
                with interrupts_held():
                    forkserver.ensure_running()
                process.start()
        except (EOFError, OSError) as error:
            ours.close()
            failure = str(error)
            time.sleep(0.05 * attempt)  # until the server is seen to be gone
        except BaseException:
            ours.close()
            raise
        else:
            return Started(process, ours)
        finally:
            theirs.close()
    raise OSError(None, f"no process can be started: {failure or 'its server died'}")


@contextmanager
def _without_main() -> Iterator[None]:
    """Processes that begin now do not run the caller's script again, which has no need of a `__main__` guard."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def _one_thread() -> Iterator[None]:
    """An environment in which numeric libraries start no threads, for processes that begin now."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(_ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
