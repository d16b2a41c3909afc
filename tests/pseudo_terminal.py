"""A process in a pseudo-terminal, as somebody at a keyboard has it: what it shows, and how it ends."""

import os
import pty
import re
import select
import struct
import sys
import termios
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fcntl import ioctl
from pathlib import Path

from forked import become

COMMAND = (sys.executable, "-m", "edgesim")
CTRL_C = b"\x03"


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        status: as a shell has it; negative for a signal.
        written: all that it wrote, control sequences included.
        seconds: that it took to end after the last key was pressed; without one, from its start.
    """

    status: int
    written: str
    seconds: float

    @property
    def text(self) -> str:
        """What was written, without control sequences."""
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.written)

    @property
    def lines(self) -> list[str]:
        """Of the text; what a carriage return has overwritten counts as a line, too."""
        return re.split(r"[\r\n]+", self.text)


def in_terminal(
    words: Sequence[str],
    folder: Path,
    *,
    columns: int = 80,
    environment: dict[str, str] | None = None,
    press: Callable[[str, float], bytes] = lambda text, seconds: b"",
    timeout_s: float = 120.0,
) -> Ended:
    """Run a program with a terminal as its stdin, stdout and stderr.

    Args:
        words: the program and its arguments; `COMMAND` is a fork.
        folder: where it runs.
        columns: of the terminal, which has 24 rows.
        environment: changes of this process's, in which it is an xterm.
        press: the keys to press, from what was written so far and the seconds since its start.
        timeout_s: seconds after which it is killed, and the test fails.
    """
    variables = os.environ | {"TERM": "xterm-256color", "LANG": "C.UTF-8"} | (environment or {})
    for name in ("COLUMNS", "LINES", "PYTEST_CURRENT_TEST"):
        variables.pop(name, None)
    process, terminal = pty.fork()
    if process == 0:
        try:
            os.chdir(folder)
            ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            if tuple(words[: len(COMMAND)]) == COMMAND:
                os.environ.clear()
                os.environ.update(variables)
                become(words[len(COMMAND) :])
            os.execvpe(words[0], list(words), variables)
        finally:
            os._exit(127)
    written, begun = b"", time.monotonic()
    pressed = begun
    try:
        while True:
            if keys := press(written.decode(errors="replace"), time.monotonic() - begun):
                os.write(terminal, keys)
                pressed = time.monotonic()
            if select.select([terminal], [], [], 0.01)[0]:
                try:
                    written += os.read(terminal, 65536)
                except OSError:  # Linux's way to say that the other end is closed
                    break
            assert time.monotonic() - begun < timeout_s, written.decode(errors="replace")
    except BaseException:
        os.kill(process, 9)
        raise
    finally:
        _, status = os.waitpid(process, 0)
        os.close(terminal)
    seconds = time.monotonic() - pressed
    return Ended(os.waitstatus_to_exitcode(status), written.decode(errors="replace"), seconds)


def once(key: bytes, when: Callable[[str, float], bool]) -> Callable[[str, float], bytes]:
    """Press a key the first time that this is so."""
    pressed: list[bytes] = []

    def press(text: str, seconds: float) -> bytes:
        if pressed or not when(text, seconds):
            return b""
        pressed.append(key)
        return key

    return press
