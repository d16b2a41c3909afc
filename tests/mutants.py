"""Would the tests notice a wrong line? `make mutants` applies each edit of `mutants.toml` and looks.

    python tests/mutants.py [--only REGEX] [--jobs N] [--list FILE]

An edit (`[[mutant]]`) names a file, the text in it that is replaced (`old`, which must stand there
exactly once), the text that replaces it (`new`) and the `tests` it concerns, as pytest takes them. Each
edit is made in a copy of the sources, and taken back; it is noticed when those tests fail, or do not end.
Tests that fail without any edit are told first. `survives` gives the reason of an edit that is known not
to be noticed.

Ends with 1 where an edit cannot be made, where a survivor has no reason, or where one with a reason is
noticed after all.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Queue
from tempfile import TemporaryDirectory

import platformdirs

ROOT = Path(__file__).resolve().parent.parent
LIST = Path(__file__).with_name("mutants.toml")
MOST_S = 600.0
"""A test that takes longer does not end."""

ALL_PASSED, SOME_FAILED, INTERRUPTED = (
    0,
    1,
    2,
)  # pytest's exit statuses; 2 where nothing can be imported


@dataclass(frozen=True)
class Mutant:
    """One wrong version of the program.

    Attributes:
        file: from the root.
        old: what stands there, once.
        new: what replaces it.
        tests: files, or single tests, that are about this.
        survives: why they cannot notice; empty if they are to.
    """

    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    survives: str = ""

    @property
    def title(self) -> str:
        """One line."""
        return f"{self.file}: {_line(self.old)}  ->  {_line(self.new)}"

    def apply(self, tree: Path) -> None:
        """Make the edit.

        Raises:
            ValueError: the text does not stand there exactly once.
        """
        path = tree / self.file
        text = path.read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise ValueError(f"stands there {text.count(self.old)} times, not once")
        path.write_text(text.replace(self.old, self.new), encoding="utf-8")


def _line(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 60 else f"{words[:57]}..."


def load(path: Path) -> list[Mutant]:
    """The edits of a list."""
    with path.open("rb") as file:
        rows = tomllib.load(file)["mutant"]
    return [Mutant(**row | {"tests": tuple(row["tests"])}) for row in rows]


@contextmanager
def sources() -> Iterator[Path]:
    """A copy of all files that git knows, as package `edgesim`; yields its root."""
    with TemporaryDirectory() as folder:
        tree = Path(folder, "edgesim")
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
        for name in names.split("\0"):
            if (ROOT / name).is_file():
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, tree / name)
        # Code compiled of edits would push that of the program out of the user's cache.
        cache = platformdirs.user_cache_path("edgesim") / "compiled"
        if cache.is_dir():
            shutil.copytree(cache, tree.with_name("compiled") / "edgesim")
        yield tree


def status(tree: Path, tests: tuple[str, ...], most_s: float | None = MOST_S) -> int | None:
    """How pytest ends; None if it does not."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    # Byte code of what is not edited is used again: most of the time would go to making it.
    variables = os.environ | {
        "PYTHONPATH": str(tree.parent),
        "PYTHONDONTWRITEBYTECODE": "",
        "NUMBA_CACHE_DIR": str(tree.with_name("compiled")),
    }
    try:
        done = subprocess.run(
            command,
            check=False,
            cwd=tree,
            env=variables,
            capture_output=True,
            text=True,
            timeout=most_s,
        )
    except subprocess.TimeoutExpired:
        return None
    if done.returncode < 0:
        return SOME_FAILED  # of a loop that wrote beyond its arrays
    if done.returncode not in (ALL_PASSED, SOME_FAILED, INTERRUPTED):
        raise ValueError(
            f"pytest {' '.join(tests)} ended with {done.returncode}:\n{done.stdout[-2000:]}"
        )
    return done.returncode


def judge(trees: "Queue[Path]", mutant: Mutant) -> str:
    """ "noticed", "survived", or why the edit could not be tried; the tree is left as it was."""
    tree = trees.get()
    try:
        mutant.apply(tree)
        return "survived" if status(tree, mutant.tests) == ALL_PASSED else "noticed"
    except ValueError as error:
        return str(error)
    finally:
        if (ROOT / mutant.file).is_file():
            shutil.copy2(ROOT / mutant.file, tree / mutant.file)
        trees.put(tree)


def main() -> int:
    """Tries all edits, prints what was not noticed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--only", metavar="REGEX", default="", help="edits whose line or tests match"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="edits tried at once")
    parser.add_argument("--list", type=Path, default=LIST, help="another list of edits")
    options = parser.parse_args()
    wanted = re.compile(options.only)
    mutants = [one for one in load(options.list) if wanted.search(f"{one.title} {one.tests}")]
    trees: Queue[Path] = Queue()
    with ExitStack() as stack, ThreadPoolExecutor(options.jobs) as pool:
        unchanged = stack.enter_context(sources())
        for _ in range(options.jobs):
            trees.put(stack.enter_context(sources()))
        tests = sorted({test for one in mutants for test in one.tests})
        parts = [tuple(tests[k :: options.jobs]) for k in range(options.jobs) if tests[k:]]
        as_it_is = partial(status, unchanged, most_s=None)
        if any(ended != ALL_PASSED for ended in pool.map(as_it_is, parts)):
            failing = [test for test in tests if as_it_is((test,)) != ALL_PASSED]
            print(f"fails without an edit: {' '.join(failing)}")
            return 1
        wrong = noticed = 0
        for one, verdict in zip(mutants, pool.map(partial(judge, trees), mutants), strict=True):
            noticed += verdict == "noticed"
            if verdict == "survived" and one.survives:
                print(f"survived, as said  {one.title}\n    {one.survives}", flush=True)
            elif verdict != "noticed" or one.survives:
                wrong += 1
                print(f"{verdict}  {one.title}", flush=True)
    share = noticed / max(len(mutants), 1)
    print(f"{noticed} of {len(mutants)} edits are noticed, {share:.1%}; {wrong} to be looked at")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
