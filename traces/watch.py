"""A live view of a run, from its trace alone: it may run in another terminal or on another machine."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .file_errors import reported
from .metrics import METRICS, metric_values
from .printing import shown
from .reader import Trace, TraceError, open_trace
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

LONGEST_S = 86_400.0
"""Between two looks."""

SILENT_S = 10.0
"""Seconds after which a trace that does not grow is marked."""


def watch(
    path: str | Path,
    interval_s: float = 1.0,
    *,
    patience_s: float = 60.0,
    once: bool = False,
    console: "Console | None" = None,
) -> str:
    """Show a run's progress until it ends; wait for it where it has not begun to write.

    Args:
        path: of the trace.
        interval_s: time between two looks.
        patience_s: a run whose trace has not grown for this time, or for the time of twenty slots, is
            taken for dead; so is one whose trace does not appear.
        once: look once and return.
        console: where to show it.

    Returns:
        The status of the run; "running" if it still runs or seems dead.

    Raises:
        TraceError: if no trace appears, there is not even its folder, or it stays unreadable.
        ValueError: an interval that is not positive, or longer than a day.
    """
    from rich.live import Live
    from rich.text import Text

    if not 0.0 < interval_s <= LONGEST_S:
        raise ValueError(f"interval_s = {interval_s}; allowed: > 0, <= {LONGEST_S:g}")
    first: tuple[float, int] | None = None
    last: Trace | None = None
    recorded, grown = -1, time.monotonic()
    with Live(console=console, auto_refresh=False) as live:
        while True:
            now, seen = time.monotonic(), _probe(path)
            if isinstance(seen, Trace):
                last, slots = seen, seen.totals.recorded
                first = first or (now, slots)
                if slots > recorded:
                    recorded, grown = slots, now
                    if slots > first[1]:  # as long as it grew: silence is no slow slot
                        patience_s = max(patience_s, 20.0 * (now - first[0]) / (slots - first[1]))
                rate = (slots - first[1]) / (now - first[0]) if now > first[0] else 0.0
                with reported(path):
                    view = _view(seen, rate, now - grown)
                live.update(view, refresh=True)
            gone = not Path(path).is_file() and (last is not None or not _may_come(Path(path)))
            at_end = once or now - grown > patience_s or gone
            if at_end and isinstance(seen, TraceError):
                raise seen
            if last is not None and (at_end or last.status != "running"):
                return last.status
            if last is None:
                live.update(Text(f"waiting for {path}"), refresh=True)
            time.sleep(interval_s)


def _may_come(path: Path) -> bool:
    """Whether a run may still make this file."""
    return path.parent.is_dir() and not path.is_dir()


def _probe(path: str | Path) -> Trace | TraceError:
    """The trace, closed, with its totals; the error where a run has only just begun."""
    try:
        with open_trace(path) as trace:
            trace.totals  # noqa: B018 - read while the file is open
            return trace
    except TraceError as error:
        return error


def _view(trace: Trace, rate: float, silent_s: float) -> "Group":
    """How far a run is, and the numbers of its newest batch of slots."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    planned, slots = trace.attrs["slots"], trace.totals.recorded
    left_s = (planned - slots) / rate if rate > 0.0 else None
    running = trace.status == "running"
    head = Table.grid(padding=(0, 2))
    head.add_row(
        Text(shown(trace.path.name), style="bold"),
        Text(shown(trace.policy)),
        ProgressBar(total=planned, completed=slots, width=20),
        f"{slots:,} of {planned:,} slots",
        f"{rate:,.0f} slots/s" if running and rate > 0.0 else "",
        Text(
            f"{_duration(left_s)} left" if running and left_s is not None else shown(trace.status)
        ),
    )
    columns = all_columns(trace.totals)
    newest = {name: np.asarray(column[:, -1].sum()) for name, column in columns.items()}
    values = metric_values(newest, METRICS)
    numbers = Table.grid(padding=(0, 2))
    for key in SHOWN:
        value, metric = float(values.get(key, np.nan)), METRICS[key]
        if not np.isnan(value):
            numbers.add_row(metric.label, f"{value * metric.scale:.4g} {metric.unit}")
    emission_mg = columns["emission_mg"].sum(axis=1).mean()  # of a replication
    numbers.add_row("emission so far", f"{emission_mg:.4g} mg")
    numbers.add_row("tasks completed", f"{columns['completed'].sum(axis=1).mean():,.0f}")
    if running and silent_s > SILENT_S:
        numbers.add_row(Text(f"nothing new for {silent_s:.0f} s", style="yellow"))
    return Group(head, numbers)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
