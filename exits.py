"""How the command ends: its exit statuses, and one message where it does not go well."""

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from edgesim import terminal
from edgesim.simulator.core.shipped_code import tell_of_compilation

MISTAKE = 2
"""Exit status for mistakes that the user can correct."""

FAILED = 1
"""Exit status for a run that failed."""

INTERRUPTED = 130
"""Exit status for what was ended by Ctrl-C, as shells have it."""

UNREAD = 141
"""Exit status where whoever reads the output, as `head`, has gone, as shells have it."""

OPTIONS = {"data_dir": "data", "overrides": "set", "numbers": "number"}
"""Options that have another name than the argument of the function."""


class Program(click.Group):
    """The command, which ends without a traceback where its user ends it."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run what was parsed."""
        tell_of_compilation(_tell)
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            terminal.show_cursor()
            about = [in_options(interrupt)] if interrupt.args else []
            terminal.say("; ".join(["interrupted", *about]), err=True)
            sys.exit(INTERRUPTED)
        except OSError as error:
            gone = isinstance(error, BrokenPipeError) and terminal.unread()
            terminal.drop_unwritten()
            if gone:
                sys.exit(UNREAD)
            where = f"{error.filename}: " if error.filename else ""
            terminal.say(f"error: {where}{error.strerror or error}", err=True)
            sys.exit(FAILED)


def _tell() -> None:
    if sys.stderr.isatty():
        text = "compiling the simulation for this machine, once: it takes up to a minute"
        terminal.say(text, err=True)


@contextmanager
def user_errors() -> Iterator[None]:
    """One clear message, and no traceback, for errors that are not the program's own."""
    from edgesim.experiments.errors import ArgumentError, CheckpointError, SweepStoppedError
    from edgesim.scenarios.errors import ScenarioError
    from edgesim.simulator.core.errors import RunError
    from edgesim.simulator.core.outputs import OutputError
    from edgesim.traces.printing import shown
    from edgesim.traces.reader import TraceError

    try:
        yield
    except (ScenarioError, OutputError, TraceError) as error:
        terminal.say(f"error: {error}", err=True)
        sys.exit(MISTAKE)
    except CheckpointError as error:
        terminal.say(f"error: {in_options(error)}", err=True)
        sys.exit(MISTAKE)
    except ArgumentError as error:
        raise click.UsageError(shown(in_options(error))) from None
    except SweepStoppedError as error:
        terminal.say(f"error: {error}; what is complete is kept, start it again to go on", err=True)
        sys.exit(FAILED)
    except RunError as error:
        terminal.say(f"run failed: {error}", err=True)
        sys.exit(FAILED)


def in_options(error: BaseException) -> str:
    """A message in which arguments, `resume=True`, are the command's options, --resume."""
    return re.sub(r"`(\w+)(=True)?`", lambda argument: option_of(argument[1]), str(error))


def option_of(argument: str) -> str:
    """The option that sets a function's argument."""
    return f"--{OPTIONS.get(argument, argument).replace('_', '-')}"


def refuse(arguments: Mapping[str, object], what: str) -> None:
    """Refuse options that are given, but do not go with this."""
    given = [option_of(name) for name, value in arguments.items() if value not in (None, ())]
    if given:
        raise click.UsageError(f"{', '.join(given)} cannot be used with {what}")


def check_picture(path: Path | None) -> None:
    """Refuse a picture that cannot be drawn before anything is run for it."""
    from edgesim.traces.style import SUFFIXES

    if path and path.suffix.lower() not in SUFFIXES:
        raise click.UsageError(f"{path}: a picture ends in {', '.join(SUFFIXES)}")
