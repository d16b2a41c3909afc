"""Runs the commands of the tutorials and writes what they print below them: `python docs/tutorials.py [NAME]…`.

A tutorial is a page tutorial_NAME.md beside this file. Its TOML and Python blocks whose first line is a comment with a
file's name are written to that file first. What a command prints replaces the text block after it; pictures that it makes and
the page shows are kept beside the page.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

DOCS = Path(__file__).resolve().parent
COMMAND = re.compile(
    r"^```console\n\$ (.*?)\n```\n\n(?:```text\n.*?```\n\n)?", re.MULTILINE | re.DOTALL
)
FILE = re.compile(r"^```(?:toml|python)\n# (\S+\.(?:toml|py))\n(.*?)^```", re.MULTILINE | re.DOTALL)
PICTURE = re.compile(r"!\[[^\]]*\]\((tutorial_\w+\.svg)\)")


def in_folder(folder: Path) -> dict[str, str]:
    """Variables of a shell in which `edgesim` is this one; a file in the folder calls it."""
    (folder / "edgesim").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m edgesim "$@"\n')
    (folder / "edgesim").chmod(0o755)
    path = f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return os.environ | {"PATH": path, "COLUMNS": "100"}


def executed(text: str, folder: Path) -> str:
    """A tutorial with what its commands print, run in a folder.

    Raises:
        CalledProcessError: a command fails.
    """
    for name, content in FILE.findall(text):
        (folder / name).write_text(content, encoding="utf-8")
    variables = in_folder(folder)

    def run(found: re.Match[str]) -> str:
        done = subprocess.run(
            found[1],
            shell=True,
            cwd=folder,
            env=variables,
            check=True,
            capture_output=True,
            text=True,
        )
        printed = "\n".join(line.rstrip() for line in done.stdout.strip("\n").splitlines())
        block = f"```text\n{printed}\n```\n\n" if printed else ""
        return f"```console\n$ {found[1]}\n```\n\n{block}"

    return COMMAND.sub(run, text)


def main(names: Iterable[str]) -> None:
    """Run these, and write them."""
    for name in names:
        page = DOCS / f"tutorial_{name}.md"
        with TemporaryDirectory() as place:
            text = executed(page.read_text(encoding="utf-8"), Path(place))
            for picture in PICTURE.findall(text):
                shutil.copy(Path(place) / picture, DOCS / picture)
        page.write_text(text, encoding="utf-8")
        print(f"{name}: done", flush=True)


if __name__ == "__main__":
    pages = sorted(path.stem.removeprefix("tutorial_") for path in DOCS.glob("tutorial_*.md"))
    main(sys.argv[1:] or pages)
