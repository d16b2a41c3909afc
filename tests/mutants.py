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
import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Queue
from tempfile import TemporaryDirectory

import platformdirs

ROOT = Path(__file__).resolve().parent.parent
LIST = Path(__file__).with_name("mutants.toml")
SERVER = Path(__file__).with_name("pytest_server.py")
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
            ValueError: the text does not stand there exactly once, or what becomes of it is no Python.
        """
        path = tree / self.file
        text = path.read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise ValueError(f"stands there {text.count(self.old)} times, not once")
        edited = text.replace(self.old, self.new)
        if path.suffix == ".py":
            try:
                ast.parse(edited)
            except SyntaxError as error:  # any test would notice that
                raise ValueError(f"is no Python: {error}") from error
        path.write_text(edited, encoding="utf-8")


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


class Tree:
    """A copy of the sources, and a process that runs its tests.

    Args:
        root: of the copy; `compiled` beside it is its cache.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        variables = os.environ | {
            "PYTHONPATH": str(root.parent),
            # Byte code of what is not edited is used again: most of the time would go to making it.
            "PYTHONDONTWRITEBYTECODE": "",
            "NUMBA_CACHE_DIR": str(root.with_name("compiled")),
            "OMP_NUM_THREADS": "1",
        }
        self._server = subprocess.Popen(
            [sys.executable, "-P", str(SERVER)],
            cwd=root,
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        """End its process."""
        self._server.communicate()

    def status(self, tests: tuple[str, ...], most_s: float | None = MOST_S) -> int | None:
        """How pytest ends; None if it does not.

        Raises:
            ValueError: it could not begin.
        """
        assert self._server.stdin and self._server.stdout
        words = ["-q", "-x", "-p", "no:cacheprovider", *tests]
        self._server.stdin.write(json.dumps([words, most_s]) + "\n")
        self._server.stdin.flush()
        ended, printed = json.loads(self._server.stdout.readline())
        if ended is None:
            return None
        if ended < 0:
            return SOME_FAILED  # of a loop that wrote beyond its arrays
        if ended not in (ALL_PASSED, SOME_FAILED, INTERRUPTED):
            raise ValueError(f"pytest {_line(' '.join(tests))} ended with {ended}:\n{printed}")
        return int(ended)


def judge(trees: "Queue[Tree]", mutant: Mutant) -> str:
    """ "noticed", "survived", or why the edit could not be tried; the tree is left as it was."""
    tree = trees.get()
    try:
        mutant.apply(tree.root)
        return "survived" if tree.status(mutant.tests) == ALL_PASSED else "noticed"
    except ValueError as error:
        return str(error)
    finally:
        if (ROOT / mutant.file).is_file():
            shutil.copy2(ROOT / mutant.file, tree.root / mutant.file)
        trees.put(tree)


def as_it_is(trees: "Queue[Tree]", tests: tuple[str, ...]) -> int | None:
    """How tests end without any edit."""
    tree = trees.get()
    try:
        return tree.status(tests, most_s=None)
    finally:
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
    trees: Queue[Tree] = Queue()
    with ExitStack() as stack, ThreadPoolExecutor(options.jobs) as pool:
        for _ in range(options.jobs):
            trees.put(stack.enter_context(closing(Tree(stack.enter_context(sources())))))
        tests = sorted({test for one in mutants for test in one.tests})
        parts = [tuple(tests[k :: options.jobs]) for k in range(options.jobs) if tests[k:]]
        passes = partial(as_it_is, trees)
        if any(ended != ALL_PASSED for ended in pool.map(passes, parts)):
            failing = [test for test in tests if passes((test,)) != ALL_PASSED]
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
