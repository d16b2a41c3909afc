"""Makes the pictures of gallery.md by what stands below them: `python docs/gallery.py [NAME]…`, some CPU-minutes.

A section of the page has a picture, gallery/NAME.svg or .png, and the commands or the Python that make it. A TOML
block whose first line is a comment with a file's name is that file.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS))

from tutorials import in_folder

PICTURE = re.compile(r"^!\[[^\]]+\]\(gallery/((\w+)\.(?:svg|png))\)$", re.MULTILINE)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def sections(text: str) -> dict[str, tuple[str, list[tuple[str, str]]]]:
    """By a picture's name, its file and the blocks of its section, (language, text) each.

    Raises:
        ValueError: a section has no picture, or several.
    """
    found = {}
    for section in text.split("\n## ")[1:]:
        pictures = PICTURE.findall(section)
        if len(pictures) != 1:
            raise ValueError(f"{section.splitlines()[0]}: {len(pictures)} pictures; allowed: one")
        ((file, name),) = pictures
        found[name] = (file, BLOCK.findall(section))
    return found


def make(file: str, blocks: Iterable[tuple[str, str]], folder: Path) -> Path:
    """Run a section's blocks in a folder; the picture.

    Raises:
        CalledProcessError: a block fails.
        FileNotFoundError: none of them makes the picture.
    """
    variables = in_folder(folder) | {"MPLBACKEND": "agg", "SOURCE_DATE_EPOCH": "0"}
    # So that the same picture is the same file.
    (folder / "matplotlibrc").write_text(
        "svg.hashsalt: edgesim\nfigure.constrained_layout.use: true\n"
    )
    for language, block in blocks:
        if language == "toml":
            (folder / block.split()[1]).write_text(block, encoding="utf-8")
            continue
        words = ["sh", "-ec", re.sub(r"^\$ ", "", block, flags=re.MULTILINE)]
        if language == "python":
            words = [sys.executable, "-c", block]
        subprocess.run(words, cwd=folder, env=variables, check=True, stdout=subprocess.DEVNULL)
    if not (folder / file).exists():
        raise FileNotFoundError(file)
    return folder / file


def main(names: Iterable[str]) -> None:
    """Make these."""
    there = sections((DOCS / "gallery.md").read_text(encoding="utf-8"))
    (DOCS / "gallery").mkdir(exist_ok=True)
    for name in names or there:
        with TemporaryDirectory() as folder:
            shutil.copy(make(*there[name], Path(folder)), DOCS / "gallery")
        print(f"{name}: done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
