"""This checkout and an older one, each run in processes of its own, in turn."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Comparison:
    """One result of both.

    Attributes:
        what: was measured.
        base: the value of the older checkout; None where it is not measured.
        this: the value of this one.
        unit: of both.
        at_most: the target: this over base.
        this_at_most: another, of this alone.
    """

    what: str
    base: float | None
    this: float
    unit: str
    at_most: float | None = None
    this_at_most: float | None = None

    @property
    def ratio(self) -> float | None:
        """This over base."""
        return None if self.base is None else self.this / self.base

    @property
    def met(self) -> bool | None:
        """Whether all targets are met; None if none can be judged."""
        pairs = [(self.ratio, self.at_most), (self.this, self.this_at_most)]
        judged = [value <= most for value, most in pairs if value is not None and most is not None]
        return all(judged) if judged else None


class Spent(NamedTuple):
    """What a process took.

    Attributes:
        cpu_s: CPU seconds, user and system.
        peak_mb: its peak resident memory, MB. On Linux.
        printed: on its standard output.
    """

    cpu_s: float
    peak_mb: float
    printed: str


@dataclass(frozen=True)
class Checkout:
    """A folder with the program's source.

    Attributes:
        paths: a folder in which it is called `edgesim`.
        place: where its processes run.
    """

    paths: Path
    place: Path

    def spent(self, *arguments: str, **environment: str) -> Spent:
        """Run Python with these arguments, as `-m edgesim …` or `-c …`.

        Raises:
            RuntimeError: it failed.
        """
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(self.paths)} | environment,
            cwd=self.place,
        )
        assert process.stdout is not None  # as it was asked for
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if status:
            raise RuntimeError(f"{arguments[0]} failed in {self.paths}")
        return Spent(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6, printed)


@contextmanager
def checkouts(base: Path | None) -> Iterator[list[Checkout]]:
    """This checkout, and before it the other one, if there is one."""
    with ExitStack() as stack:
        found = []
        for root in (base, ROOT) if base else (ROOT,):
            folder = Path(stack.enter_context(TemporaryDirectory()))
            for name in ("paths", "place"):
                (folder / name).mkdir()
            (folder / "paths" / "edgesim").symlink_to(root.resolve())
            found.append(Checkout(folder / "paths", folder / "place"))
        yield found


def in_turn(
    each: Sequence[Checkout], work: Callable[[Checkout], float], rounds: int = 5
) -> tuple[float | None, float]:
    """The medians of base, if there is one, and this, over rounds in which both take their turn.

    A base that is too old for it, without the modules that the work names, is left out.

    Args:
        each: of `checkouts`.
        work: what is measured; it is done once before, to fill the caches.
        rounds: how often.
    """
    *before, here = each
    work(here)
    try:
        for one in before:
            work(one)
    except RuntimeError:
        each = [here]
    values = [[work(one) for one in each] for _ in range(rounds)]
    *base, this = map(median, zip(*values, strict=True))
    return (base[0] if base else None), this
