"""The command's process: its signals, and streams that cannot show everything or are cut."""

import codecs
import os
import select
import signal
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from edgesim.traces.printing import Printable

SHOWABLE = "edgesim-showable"
"""Error handler of streams: a character that an encoding has not is written with those that all have."""

_PLAIN = {"±": "+-", "µ": "u", "μ": "u"}

_IMPORTS = "<frozen importlib._bootstrap>"
_SAID = {int(signal.SIGINT): b"interrupted\n", int(signal.SIGTERM): b"terminated\n"}


def take_over() -> None:
    """Make streams and signals of this process those of the command."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started it
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        else:
            stream.reconfigure(errors=SHOWABLE)
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as in the background of a script
            signal.signal(number, _end)
    # Else numba, where it finds colorama, has it write a control sequence at the end of the process, also
    # for a terminal that knows none.
    os.environ.setdefault("NUMBA_DISABLE_ERROR_MESSAGE_HIGHLIGHTING", "1")


def give_back() -> None:
    """At the end of all work: a signal ends what is left of the process without a word."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is _end:
            signal.signal(number, signal.SIG_DFL)


def _end(number: int, frame: FrameType | None) -> None:
    """Raise what ends the command; at once while something is imported.

    Extension modules that are half imported print an exception, or turn it into another one.
    """
    while frame is not None:
        if frame.f_code.co_filename == _IMPORTS:
            show_cursor()
            os.write(2, _SAID[number])
            os._exit(128 + number)
        frame = frame.f_back
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    os.write(2, _SAID[number])
    sys.exit(128 + number)


def show_cursor() -> None:
    """Undo what a progress bar that was cut off has left."""
    with suppress(OSError):
        if os.isatty(2) and os.environ.get("TERM") != "dumb":
            os.write(2, b"\x1b[?25h")


def drop_unwritten() -> None:
    """Let what stdout and stderr do not take any more vanish, also at the end of the process."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def unread() -> bool:
    """Whether somebody has closed the pipe that stdout or stderr is."""
    return any(_closed(stream.fileno()) for stream in (sys.stdout, sys.stderr))


def _closed(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _showable(error: UnicodeError) -> tuple[str | bytes, int]:
    """For one character of what cannot be encoded."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character, end = error.object[error.start], error.start + 1
    if "\udc80" <= character <= "\udcff":  # a byte of a file's name that is no text
        return bytes([ord(character) - 0xDC00]), end
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return _PLAIN.get(character, plain or "?"), end


codecs.register_error(SHOWABLE, _showable)


def say(message: object, *, err: bool = False) -> None:
    """Print a message; what it quotes of files controls no terminal."""
    import click

    from edgesim.traces.printing import shown

    click.echo(shown(message), err=err)


def print_result(result: "Printable", as_json: bool) -> None:
    """As JSON, or as a table as wide as it needs."""
    if as_json:
        say(result.to_json())
        return
    print_table(result.to_table())


def print_table(table: "RenderableType") -> None:
    """Print a table as wide as the terminal, or as it needs where there is none.

    Where its columns are too many, the table comes in parts: a number is never cut in two.
    """
    from rich.console import Console
    from rich.segment import Segment
    from rich.text import Text

    from edgesim.traces.printing import shown

    class Showing(Console):
        """Replaces characters before a table is laid out, and leaves broken pipes to its caller."""

        def render_str(self, text: str, **how: object) -> Text:
            plain = text.encode(self.encoding, SHOWABLE).decode(self.encoding)
            return super().render_str(plain, **how)  # type: ignore[arg-type]

        def render(self, renderable: Any, options: Any = None) -> Iterator[Segment]:
            for text, style, control in super().render(renderable, options):
                yield Segment(text if control else shown(text), style, control)

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    console = Showing()
    if not console.is_terminal:
        console.width = 200
    for part in _parts(table, console):
        console.print(part)


def _parts(table: "RenderableType", console: "Console") -> list["RenderableType"]:
    """A table, or several with its first column and some of the others."""
    from rich.measure import Measurement
    from rich.table import Table

    def fits(one: Table) -> bool:
        least = Measurement.get(console, console.options.update_width(sys.maxsize), one).minimum
        return least <= console.width

    if not isinstance(table, Table) or len(table.columns) < 3 or fits(table):
        return [table]
    first, *others = table.columns
    half = len(others) // 2
    parts: list[RenderableType] = []
    for chosen in (others[:half], others[half:]):
        last = chosen[-1] is others[-1]
        part = Table(
            title=None if parts else table.title,
            caption=table.caption if last else None,
            box=table.box,
            show_header=table.show_header,
        )
        columns = [first, *chosen]
        for column in columns:
            part.add_column(column.header, justify=column.justify, no_wrap=column.no_wrap)
        for row, cells in zip(
            table.rows, zip(*(one.cells for one in columns), strict=True), strict=True
        ):
            part.add_row(*cells, style=row.style, end_section=row.end_section)
        parts += _parts(part, console)
    return parts
