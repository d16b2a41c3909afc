"""How far a sweep is."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...traces.printing import Printable, duration, finite
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
        bytes: of the traces.
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
    bytes: int
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
        table.add_row("size", f"{self.bytes / 1e6:,.1f} MB")
        if self.failures:
            table.add_section()
        for message, count in self.failures.items():
            table.add_row(Text(f"{count:,} failed"), Text(message))
        return table

    def to_dict(self) -> dict[str, Any]:
        """What `to_json` writes."""
        return asdict(self) | {"folder": str(self.folder), "left_cpu_s": finite(self.left_cpu_s)}


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
            bytes=size,
            left_cpu_s=cpu_s / costed * (runs - complete) if costed else math.nan,
        )
