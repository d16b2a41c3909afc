"""Progress bars on a terminal; runs, sweeps and trainings do not know of them."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..traces.printing import shown

if TYPE_CHECKING:
    from .replication_block import Running
    from .sweeps.execute import SweepProgress
    from .train import TrainingProgress
    from .training_time import Forecast

REFRESH_S = 0.2


@contextmanager
def run_progress(what: str = "") -> Iterator[Callable[["Running"], None]]:
    """For a run: a bar with slots, slots/s and time left, from the first slot on.

    Args:
        what: stands before it.
    """
    if not sys.stderr.isatty():
        yield lambda run: None
        return
    from .progress_bar import Bar

    bar = Bar("slots", what)
    task = bar.tasks[0]
    ended = threading.Event()

    def watch(run: "Running") -> None:
        while True:
            rate = f"{task.speed:,.0f} slots/s" if task.speed else "compiling"
            bar.update(task.id, completed=run.slot, text=rate)
            if ended.wait(REFRESH_S):
                return

    threads: list[threading.Thread] = []

    def follow(run: "Running") -> None:
        bar.reset(task.id, total=run.slots)
        bar.start()
        threads.append(threading.Thread(target=watch, args=(run,), daemon=True))
        threads[0].start()

    try:
        yield follow
    finally:
        ended.set()
        for thread in threads:
            thread.join()
        bar.stop()


@contextmanager
def sweep_progress() -> Iterator[tuple[Callable[["SweepProgress"], None], Callable[[str], None]]]:
    """For a sweep: a bar with its runs, and a function that reports failures, on a terminal or not."""
    if not sys.stderr.isatty():
        yield (
            lambda progress: None,
            lambda failure: print(f"failed: {shown(failure)}", file=sys.stderr),
        )
        return
    from .progress_bar import Bar

    bar = Bar("runs", style="red")
    task = bar.tasks[0]

    def watch(progress: "SweepProgress") -> None:
        if task.total is None:  # earlier runs are no measure of the time left
            bar.reset(task.id, total=progress.total, completed=progress.complete)
            bar.start()
        failed = f"{progress.failed:,} failed" if progress.failed else ""
        bar.update(task.id, completed=progress.complete + progress.failed, text=failed)

    try:
        yield watch, lambda failure: bar.console.print(f"failed: {shown(failure)}", markup=False)
    finally:
        bar.stop()


@contextmanager
def training_progress() -> Iterator[
    tuple[Callable[["TrainingProgress"], None], Callable[["Forecast"], None]]
]:
    """For a training: a bar with steps, steps/s, reward, losses and the last evaluation.

    And a function that tells how long it will take, on a terminal or not.
    """
    if not sys.stderr.isatty():
        yield lambda progress: None, lambda forecast: print(shown(str(forecast)), file=sys.stderr)
        return
    from .progress_bar import Bar

    bar = Bar("steps")
    task = bar.tasks[0]

    def follow(progress: "TrainingProgress") -> None:
        figures = dict(progress.means)
        if progress.evaluation:
            figures |= progress.evaluation.figures
        bar.update(
            task.id,
            completed=progress.steps,
            total=progress.total,
            text=f"{progress.steps_per_s:,.0f} steps/s",
            figures=", ".join(f"{name} {value:.4g}" for name, value in figures.items()),
        )

    def foretell(forecast: "Forecast") -> None:
        bar.console.print(str(forecast), markup=False, highlight=False)

    with bar:
        yield follow, foretell
