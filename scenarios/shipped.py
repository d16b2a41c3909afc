"""The scenarios that come with the program."""

import tomllib
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).resolve().parent
"""Where they are."""


class Shipped(NamedTuple):
    """A scenario that comes with the program."""

    name: str
    title: str
    path: Path


def shipped() -> list[Shipped]:
    """The scenarios that come with the program, by name."""
    return [
        Shipped(name, tomllib.loads(path.read_text(encoding="utf-8"))["title"], path)
        for name, path in shipped_files().items()
    ]


def shipped_files() -> dict[str, Path]:
    """Their files by name, none of which is read."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.toml"))}
