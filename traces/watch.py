"""A live view of a run, from its trace alone: it may run in another terminal or on another machine."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .metrics import METRICS, metric_values
from .reader import TraceError, open_trace
from .statistics import all_columns

if TYPE_CHECKING:
    from rich.console import Console, Group

SHOWN = (
    "queue_bits",
    "station_queue_bits",
    "energy_per_bit_j",
    "worst_emission_mg",
    "feasible_share",
)
"""Keys of `METRICS`, of the newest batch of slots; a run has those of its problem."""

SILENT_S = 10.0
"""Seconds after which a trace that does not grow is marked."""


@dataclass(frozen=True)
class RunProgress:
    """How far a run is, and how the network is doing.

    Attributes:
        name: of the trace.
        policy: its name.
        status: of the run.
        slots: recorded so far.
        planned: slots of the whole run.
        newest: by key of `METRICS`, SI, in the newest batch of slots; NaN if there is nothing to
            divide by.
        emission_mg: so far, mean over replications.
        tasks: completed so far, all replications.
    """

    name: str
    policy: str
    status: str
    slots: int
    planned: int
    newest: dict[str, float]
    emission_mg: float
    tasks: int


def watch(
    path: str | Path,
    interval_s: float = 1.0,
    *,
    patience_s: float = 60.0,
    once: bool = False,
    console: "Console | None" = None,
) -> str:
    """Show a run's progress until it ends.

    Args:
        path: of the trace.
        interval_s: time between two looks.
        patience_s: a run whose trace has not grown for this time, or for the time of twenty slots, is
            taken for dead.
        once: look once and return.
        console: where to show it.

    Returns:
        The status of the run; "running" if it still runs or seems dead.

    Raises:
        TraceError: if there is no trace, or it stays unreadable.
    """
    from rich.live import Live

    first: tuple[float, int] | None = None
    progress: RunProgress | None = None
    grown = time.monotonic()
    with Live(console=console, auto_refresh=False) as live:
        while True:
            now, seen = time.monotonic(), _look(path)
            if isinstance(seen, RunProgress):
                first = first or (now, seen.slots)
                if progress is None or seen.slots > progress.slots:
                    grown = now
                progress = seen
                rate = (seen.slots - first[1]) / (now - first[0]) if now > first[0] else 0.0
                live.update(_view(progress, rate, now - grown), refresh=True)
                patience_s = max(patience_s, 20.0 / rate if rate > 0.0 else 0.0)
            at_end = once or now - grown > patience_s or not Path(path).is_file()
            if at_end and isinstance(seen, TraceError):
                raise seen
            if progress is not None and (at_end or progress.status != "running"):
                return progress.status
            time.sleep(interval_s)


def _look(path: str | Path) -> RunProgress | TraceError:
    """How far a run is; the error where that cannot be read, as of a run that has only just begun."""
    try:
        with open_trace(path) as trace:
            totals = trace.totals
    except TraceError as error:
        return error
    columns = all_columns(totals)
    newest = metric_values(
        {name: one[:, -1:].sum(axis=0) for name, one in columns.items()}, METRICS
    )
    return RunProgress(
        name=trace.path.name,
        policy=trace.policy,
        status=trace.status,
        slots=totals.recorded,
        planned=trace.attrs["slots"],
        newest={key: value.item() for key, value in newest.items()},
        emission_mg=float(columns["emission_mg"].sum(axis=1).mean()),
        tasks=int(columns["completed"].sum()),
    )


def _view(progress: RunProgress, rate: float, silent_s: float) -> "Group":
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    left_s = (progress.planned - progress.slots) / rate if rate > 0.0 else None
    running = progress.status == "running"
    head = Table.grid(padding=(0, 2))
    head.add_row(
        Text(progress.name, style="bold"),
        progress.policy,
        ProgressBar(total=progress.planned, completed=progress.slots, width=20),
        f"{progress.slots:,} of {progress.planned:,} slots",
        f"{rate:,.0f} slots/s" if running and rate > 0.0 else "",
        f"{_duration(left_s)} left" if running and left_s is not None else progress.status,
    )
    numbers = Table.grid(padding=(0, 2))
    for key in SHOWN:
        value, metric = progress.newest.get(key, np.nan), METRICS[key]
        if not np.isnan(value):
            numbers.add_row(metric.label, f"{value * metric.scale:.4g} {metric.unit}")
    numbers.add_row("emission so far", f"{progress.emission_mg:.4g} mg")
    numbers.add_row("tasks completed", f"{progress.tasks:,}")
    if running and silent_s > SILENT_S:
        numbers.add_row(Text(f"nothing new for {silent_s:.0f} s", style="yellow"))
    return Group(head, numbers)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
