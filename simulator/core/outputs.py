"""Files that the program writes: whole or not at all, and never through a link that somebody put there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedRandom
from pathlib import Path


class OutputError(Exception):
    """An output that nothing is written to; the message says which and why."""


def check_output(path: Path) -> None:
    """Refuse an output in the place of a link, a device or a folder.

    Raises:
        OutputError: there is one.
    """
    if path.is_symlink():
        raise OutputError(f"{path}: a link, which is not replaced; name the file that it leads to")
    if path.exists() and not path.is_file():
        raise OutputError(f"{path}: a folder or a device, which is not replaced")


def make_folder(output: Path, *names: str) -> Path:
    """The folder `output`/name/…, made if it is not there.

    Args:
        output: a folder that the user named, which may be a link.
        names: of folders in it, one below the other.

    Raises:
        OutputError: one of those is a link, which would lead out of the output; or a file is in the place of the folder.
        OSError: it cannot be made.
    """
    folder = output
    for name in names:
        folder = folder / name
        if folder.is_symlink():
            raise OutputError(f"{folder}: a link, which is not followed out of the output's folder")
    if folder.exists() and not folder.is_dir():
        raise OutputError(
            f"{folder}: a file; allowed: another output, a folder or the name of a new one"
        )
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A hidden path to write to, which takes the place of the file once it is whole.

    Raises:
        OSError: the system refused; it names the file, which is unchanged.
        OutputError: it would replace a link, a device or a folder.
    """
    check_output(path)
    hidden = path.with_name(f".{path.name}.new")
    try:
        hidden.unlink(missing_ok=True)  # who follows a link there would write elsewhere
        yield hidden
        hidden.replace(path)
    except OSError as error:
        if not error.errno:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
    finally:
        with suppress(OSError):
            hidden.unlink(missing_ok=True)  # it may have filled the disk


def put_text(path: Path, text: str) -> None:
    """Write a text file at once or not at all, as `replaced` does."""
    with replaced(path) as hidden:
        hidden.write_text(text, encoding="utf-8")


@contextmanager
def put_file(path: Path) -> Iterator[BufferedRandom]:
    """A file to write and read, `replaced` once it is whole and on the disk: it outlives a loss of power."""
    with replaced(path) as hidden, hidden.open("w+b") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def put_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write a file as `put_file` does."""
    with put_file(path) as file:
        file.write(content)
