"""Compiled functions that come with the package: read, never written.

They are made as the package is built (`building/backend.py`), for any x86-64 processor of level 3, which
has AVX2 and FMA (nearly all since 2013). Bits do not depend on the processor, so they are those of code
that is compiled here. What is not there, or was made by other versions, is not found, and is compiled, of
which the user is told.
"""

import io
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zipfile import ZipFile

ARCHIVE = Path(__file__).resolve().parents[2] / "compiled" / "x86-64-v3.zip"

PROCESSOR = "x86-64-v3"
"""As LLVM calls it."""

_FEATURES = {"cx16", "sahf", "popcnt", "sse3", "sse4.1", "sse4.2", "ssse3"} | {
    "avx",
    "avx2",
    "bmi",
    "bmi2",
    "f16c",
    "fma",
    "lzcnt",
    "movbe",
    "xsave",
}
"""LLVM's names of what level 3 has."""


def target(host: tuple[str, str, str]) -> tuple[str, str, str]:
    """What the code is compiled for, in numba's words: the system, the processor, and no more features.

    Args:
        host: what this process compiles for.
    """
    return host[0], PROCESSOR, ""


def runs_on(host: tuple[str, str, str]) -> bool:
    """Whether it runs where this process compiles for."""
    features = {one[1:] for one in host[2].split(",") if one.startswith("+")}
    return host == target(host) or features >= _FEATURES


def read(name: str) -> bytes | None:
    """A file of the archive; None if there is none."""
    files = _files()
    try:
        return files.read(name) if files else None
    except Exception:  # noqa: BLE001 - KeyError, or an archive that is damaged in whatever way
        return None


@cache
def _files() -> "ZipFile | None":
    from zipfile import ZipFile

    # Read at once: processes that are forked would share the place in an open file.
    try:
        return ZipFile(io.BytesIO(ARCHIVE.read_bytes()))
    except Exception:  # noqa: BLE001 - none, or whatever is wrong with it
        return None


_to_tell: list[Callable[[], None]] = []


def tell_of_compilation(tell: Callable[[], None]) -> None:
    """Have a function called when the program has first to be compiled, which takes long."""
    _to_tell.append(tell)


def about_to_compile() -> None:
    """Call it, once."""
    while _to_tell:
        _to_tell.pop()()
