"""How far a sweep is."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...traces.printing import Printable, finite
from .table import SweepTable, consistent

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class SweepStatus(Printable):
    """How far a sweep is.

    Attributes:
        folder: of the sweep.
        title: of the sweep.
        runs: that it asks for.
        complete: runs that have results.
        failed: runs that failed when they were last tried.
        failures: by message, how many runs failed with it.
        cpu_s: CPU time of what is complete.
        size: bytes of the traces.
        left_cpu_s: CPU time that what is missing will take, if it goes on like that; NaN if nothing
            is complete.
    """

    folder: Path
    title: str
    runs: int
    complete: int
    failed: int
    failures: Mapping[str, int]
    cpu_s: float
    size: int
    left_cpu_s: float

    def to_table(self) -> "Table":
        """A table for people."""
        from rich.table import Table
        from rich.text import Text

        table = Table(title=Text(self.title), show_header=False)
        table.add_column("")
        table.add_column("", justify="right", overflow="fold")
        table.add_row("runs", f"{self.runs:,}")
        table.add_row("complete", f"{self.complete:,}")
        table.add_row("missing", f"{self.runs - self.complete:,}")
        if self.failed:
            table.add_row("of which failed", f"{self.failed:,}")
        table.add_row("CPU time", duration(self.cpu_s))
        if self.complete < self.runs and not math.isnan(self.left_cpu_s):
            table.add_row("CPU time left, about", duration(self.left_cpu_s))
        table.add_row("size", f"{self.size / 1e6:,.1f} MB")
        if self.failures:
            table.add_section()
        for message, count in self.failures.items():
            table.add_row(Text(f"{count:,} failed"), Text(message))
        return table

    def to_dict(self) -> dict[str, Any]:
        """What `to_json` writes."""
        return {
            "folder": str(self.folder),
            "title": self.title,
            "runs": self.runs,
            "complete": self.complete,
            "failed": self.failed,
            "failures": dict(self.failures),
            "cpu_s": self.cpu_s,
            "bytes": self.size,
            "left_cpu_s": finite(self.left_cpu_s),
        }


def sweep_status(folder: str | Path) -> SweepStatus:
    """How far a sweep is, by its table.

    Raises:
        TraceError: there is no sweep, or it cannot be read.
    """
    folder = Path(folder)
    with consistent(folder), SweepTable(folder) as table:
        runs, complete, failed = table.counts()
        cpu_s, size, costed = table.cost()
        return SweepStatus(
            folder=folder,
            title=table.metadata("title") or "",
            runs=runs,
            complete=complete,
            failed=failed,
            failures=table.failures(),
            cpu_s=cpu_s,
            size=size,
            left_cpu_s=cpu_s / costed * (runs - complete) if costed else math.nan,
        )


def duration(seconds: float) -> str:
    """'3 h 20 min', '2 min 5 s' or '0.4 s'."""
    if seconds < 10.0:
        return f"{seconds:.2g} s"
    if seconds < 60.0:
        return f"{seconds:.0f} s"
    parts: Sequence[tuple[float, str]] = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))
    for (large, name), (small, lesser) in pairwise(parts):
        if seconds >= large:
            whole, rest = divmod(seconds, large)
            return f"{whole:.0f} {name} {rest // small:.0f} {lesser}"
    raise AssertionError("every duration of a minute or more has returned")
