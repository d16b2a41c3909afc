"""The command in a process of its own that has imported everything: a fork of this one.

For tests of what a process does, and of signals, locks and terminals, whose start is not the point: a
start takes two seconds of CPU, a fork none.
"""

import os
import signal
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

import rich

from edgesim import __main__


def become(words: Sequence[str]) -> NoReturn:
    """In a fork: the command with these arguments, on the streams 0, 1 and 2, as if it had just begun."""
    status = 70
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            signal.signal(number, default)
        warnings.resetwarnings()
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
        rich._console = None  # it knows the streams of before
        sys.argv = ["edgesim", *words]
        __main__.main()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - as an interpreter ends
        traceback.print_exc()
        status = 1
    finally:
        try:
            sys.stdout.flush()
        finally:
            os._exit(status)  # nothing of the parent's is flushed or removed


class Forked:
    """A command under way; as `subprocess.Popen` of text.

    Args:
        words: its arguments.
        before: is called in it first.
    """

    def __init__(self, words: Sequence[str], before: Callable[[], object] = lambda: None) -> None:
        self._folder = TemporaryDirectory()
        self._streams = [Path(self._folder.name, name) for name in ("out", "err")]
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            for number, path in enumerate(self._streams, start=1):
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            before()
            become(words)

    def poll(self) -> int | None:
        """Its status, if it has ended."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """While it runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def communicate(self, timeout: float = 600.0) -> tuple[str, str]:
        """What it wrote, once it has ended."""
        until = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > until:
                self.send_signal(signal.SIGKILL)
                raise subprocess.TimeoutExpired("edgesim", timeout)
            time.sleep(0.005)
        out, err = (path.read_text() if path.exists() else "" for path in self._streams)
        self._folder.cleanup()
        return out, err


def run(
    *words: object, before: Callable[[], object] = lambda: None
) -> "subprocess.CompletedProcess[str]":
    """The command with these arguments, to its end."""
    arguments = [str(word) for word in words]
    process = Forked(arguments, before)
    out, err = process.communicate()
    assert process.returncode is not None
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def doing(action: Callable[[], object]) -> Forked:
    """A process that does this instead of a command; its status is 1."""

    def alone() -> NoReturn:
        try:
            action()
        except BaseException:  # noqa: BLE001 - as an interpreter ends
            traceback.print_exc()
        finally:
            os._exit(1)

    return Forked([], alone)
