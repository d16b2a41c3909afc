"""Outputs: names that nobody else takes, and one writer for each at a time."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..scenarios.schema import Scenario
from ..traces.locks import lock_of, locked
from .errors import ArgumentError

RUNS = Path("runs")
"""The folder of outputs that are given no path."""


def reserve(stem: str, suffix: str = "") -> Path:
    """A new file in `runs/`, empty, or a folder if it has no suffix: whoever asks next gets another.

    Raises:
        OSError: it cannot be made.
    """
    _import_first()
    RUNS.mkdir(parents=True, exist_ok=True)
    path, number = RUNS / f"{stem}{suffix}", 2
    while True:
        try:
            path.touch(exist_ok=False) if suffix else path.mkdir()
            return path
        except FileExistsError:
            path, number = RUNS / f"{stem}-{number}{suffix}", number + 1


def new_output(scenario: Scenario, prefix: str = "", suffix: str = "") -> Path:
    """A new path in `runs/`, named after scenario, policy and seed."""
    policy = scenario.policy.name.partition("(")[0].removeprefix("__main__:")
    policy = re.sub(r"[^\w.+-]+", ".", policy).lstrip(".")
    stem = Path(scenario.source).stem
    return reserve(f"{prefix}{stem}-{policy}-seed{scenario.run.seed}", suffix)


def filled(folder: str | Path) -> bool:
    """Whether there is a folder, and something in it."""
    return Path(folder).exists() and any(Path(folder).iterdir())


def sweep_folder(sweep: str | Path | Mapping[str, Any], output: str | Path | None) -> Path:
    """The folder of a sweep, by default one in `runs/` with the name of its file.

    Raises:
        ArgumentError: there is no file, and no folder is given.
    """
    if output is not None:
        return Path(output)
    if isinstance(sweep, Mapping):
        raise ArgumentError("a sweep that is given as tables needs `output`, its folder")
    return RUNS / Path(sweep).stem


def _import_first() -> None:
    """What takes long to import and every run needs: Ctrl-C meanwhile ends the process at once."""
    import numba  # noqa: F401


@contextmanager
def alone(path: Path, *, reserved: bool) -> Iterator[None]:
    """While this process writes an output, nobody else does.

    Args:
        path: of the output, a file or a folder.
        reserved: whether `reserve` made it; it is removed if nothing comes of it.

    Raises:
        ArgumentError: another is at it.
        OSError: its folder cannot be made or written.
    """
    _import_first()
    with locked(lock_of(path.resolve())) as mine:
        if not mine:
            raise ArgumentError(f"{path}: another run is at work on it; nothing was changed")
        try:
            yield
        finally:
            if reserved:
                with suppress(OSError):
                    if path.is_dir():
                        path.rmdir()  # if it is empty
                    elif path.stat().st_size == 0:
                        path.unlink()
