"""A live view of a run, from its trace alone: it may run in another terminal or on another machine."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .reader import Trace, TraceError, open_trace

if TYPE_CHECKING:
    from rich.console import Console, Group


@dataclass(frozen=True)
class Progress:
    """How far a run is, and how the network is doing.

    NaN is what its world does not have.

    Attributes:
        name: of the trace.
        policy: its name.
        status: of the run.
        slots: recorded so far.
        planned: slots of the whole run.
        queue_bits: mean queue of a device, in the newest batch of slots.
        station_queue_bits: mean queue of a station, in the newest batch.
        energy_per_bit_j: in the newest batch; NaN if no bit was executed or sent.
        worst_emission_mg: mean over the slots of the newest batch.
        feasible_share: of the slots of the newest batch.
        emission_mg: so far, mean over replications.
        tasks: completed so far, all replications.
    """

    name: str
    policy: str
    status: str
    slots: int
    planned: int
    queue_bits: float
    station_queue_bits: float
    energy_per_bit_j: float
    worst_emission_mg: float
    feasible_share: float
    emission_mg: float
    tasks: int

    @classmethod
    def of(cls, trace: Trace) -> "Progress":
        """From an open trace.

        Raises:
            TraceError: if no slot was recorded yet.
        """
        summary = trace.summary
        newest = summary.isel(batch=-1).mean("replication")

        def now(name: str) -> float:
            return float(newest[name]) if name in newest else np.nan

        departed = now("local_bits") + now("offloaded_bits")
        energy = now("local_energy_j") + now("offload_energy_j")
        return cls(
            name=trace.path.name,
            policy=trace.policy,
            status=trace.status,
            slots=int(summary["slots"].sum()),
            planned=trace.attrs["slots"],
            queue_bits=now("queue_bits") / trace.attrs["devices"],
            station_queue_bits=now("station_queue_bits") / trace.attrs["stations"],
            energy_per_bit_j=energy / departed if departed > 0.0 else np.nan,
            worst_emission_mg=now("worst_emission_mg"),
            feasible_share=now("feasible"),
            emission_mg=float(summary["emission_mg"].sum("batch").mean()),
            tasks=int(summary["tasks"].sel(outcome=["done", "late"]).sum()),
        )


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
        patience_s: a run whose trace has not grown for so long, or for the time of twenty slots, is
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
    progress: Progress | None = None
    grown = time.monotonic()
    with Live(console=console, auto_refresh=False) as live:
        while True:
            error: TraceError | None = None
            now = time.monotonic()
            try:
                with open_trace(path) as trace:
                    seen = Progress.of(trace)
            except TraceError as problem:
                error = problem  # a run that has only just begun cannot be read yet
            else:
                first = first or (now, seen.slots)
                if progress is None or seen.slots > progress.slots:
                    grown = now
                progress = seen
                rate = (seen.slots - first[1]) / (now - first[0]) if now > first[0] else 0.0
                live.update(_view(progress, rate, now - grown), refresh=True)
                patience_s = max(patience_s, 20.0 / rate if rate > 0.0 else 0.0)
            stalled = now - grown > patience_s or not Path(path).is_file()
            if error is not None and (once or stalled):
                raise error
            if progress is not None and (once or stalled or progress.status != "running"):
                return progress.status
            time.sleep(interval_s)


def _view(progress: Progress, rate: float, silent_s: float) -> "Group":
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
    for label, value, unit in (
        ("queue of a device", progress.queue_bits * 1e-6, "Mbit"),
        ("queue of a station", progress.station_queue_bits * 1e-6, "Mbit"),
        ("energy per bit", progress.energy_per_bit_j * 1e9, "nJ/bit"),
        ("worst-case emission", progress.worst_emission_mg, "mg"),
        ("slots feasible", progress.feasible_share * 100.0, "%"),
    ):
        if not np.isnan(value):
            numbers.add_row(label, f"{value:.4g} {unit}")
    numbers.add_row("emission so far", f"{progress.emission_mg:.4g} mg")
    numbers.add_row("tasks completed", f"{progress.tasks:,}")
    if running and silent_s > 10.0:
        numbers.add_row(Text(f"nothing new for {silent_s:.0f} s", style="yellow"))
    return Group(head, numbers)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
