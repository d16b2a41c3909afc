"""What a sweep will take, from a glimpse of some of its runs."""

import json
import math
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ..scenarios.schema import Scenario
from ..simulator.errors import RunError
from ..simulator.simulation import Simulation
from ..traces.sweeps import duration
from .expansion import Case, Sweep, place, points
from .run import execute, prepare

if TYPE_CHECKING:
    from rich.table import Table

GLIMPSE_S = 0.5
"""Each run that is looked at gets so long, about, after its first slots."""

GLIMPSES = 3
"""Of each policy so many points are looked at, evenly spread over the sweep."""


@dataclass(frozen=True)
class PolicyEstimate:
    """What the runs of one policy will take.

    Attributes:
        policy: as the sweep file writes it.
        runs: of it.
        cpu_s: of a run, in the mean of the points looked at.
        size: bytes that it leaves, likewise.
        slowest: the point that took longest.
    """

    policy: str
    runs: int
    cpu_s: float
    size: float
    slowest: str


@dataclass(frozen=True)
class Estimate:
    """What a sweep will take.

    Attributes:
        title: of the sweep.
        points: how many.
        seeds: how many.
        runs: how many.
        policies: what each will take, but for those that fail wherever they were looked at.
        workers: processes that share the work.
        failures: runs that were looked at and failed, and why.
    """

    title: str
    points: int
    seeds: int
    runs: int
    policies: list[PolicyEstimate]
    workers: int
    failures: list[str]

    @property
    def cpu_s(self) -> float:
        """Of all runs."""
        return sum(one.runs * one.cpu_s for one in self.policies)

    @property
    def size(self) -> float:
        """Bytes of all traces."""
        return sum(one.runs * one.size for one in self.policies)

    def to_table(self) -> "Table":
        """For people."""
        from rich.table import Table
        from rich.text import Text

        table = Table(
            title=Text(self.title),
            caption=f"{self.points:,} points, {self.seeds:,} seeds; with {self.workers} processes "
            f"about {duration(self.cpu_s / self.workers)}",
        )
        table.add_column("policy")
        for heading in ("runs", "CPU time of one", "of all", "disk"):
            table.add_column(heading, justify="right")
        table.add_column("slowest point looked at")
        for one in self.policies:
            table.add_row(
                Text(one.policy),
                f"{one.runs:,}",
                duration(one.cpu_s),
                duration(one.runs * one.cpu_s),
                f"{one.runs * one.size / 1e6:,.1f} MB",
                Text(one.slowest),
            )
        table.add_section()
        size = f"{self.size / 1e6:,.1f} MB"
        table.add_row("", f"{self.runs:,}", "", duration(self.cpu_s), size, "")
        if self.failures:
            table.add_section()
        for failure in self.failures:
            table.add_row("fails", "", "", "", "", Text(failure))
        return table

    def to_json(self) -> str:
        """For machines."""
        return json.dumps(
            {
                "title": self.title,
                "points": self.points,
                "seeds": self.seeds,
                "runs": self.runs,
                "cpu_s": self.cpu_s,
                "bytes": self.size,
                "workers": self.workers,
                "policies": [asdict(one) for one in self.policies],
                "failures": self.failures,
            },
            indent=2,
        )


def estimate(sweep: Sweep, workers: int) -> Estimate:
    """Look at some points of each policy for a moment, and reckon.

    Args:
        sweep: what will be run.
        workers: processes that will share the work.
    """
    total = math.prod(len(axis.settings) for axis in sweep.axes)
    keys = list(points(sweep.axes))
    chosen = sorted({round(k * (total - 1) / (GLIMPSES - 1)) for k in range(GLIMPSES)})
    found, failures = [], []
    for number, policy in enumerate(sweep.policies):
        glimpses = []
        for point in chosen:
            case = sweep.cases[point * len(sweep.policies) + number]
            try:
                glimpses.append((*_glimpse(case, sweep), place(keys[point])))
            except RunError as error:
                failures.append(f"{place(keys[point], policy)}: {error}")
        if not glimpses:
            continue
        found.append(
            PolicyEstimate(
                policy=policy,
                runs=total * len(sweep.seeds),
                cpu_s=sum(cpu_s for cpu_s, _, _ in glimpses) / len(glimpses),
                size=sum(size for _, size, _ in glimpses) / len(glimpses),
                slowest=max(glimpses)[2],
            )
        )
    return Estimate(sweep.title, total, len(sweep.seeds), sweep.runs, found, workers, failures)


def _glimpse(case: Case, sweep: Sweep) -> tuple[float, float]:
    """CPU seconds and bytes of a run, from its first slots, in lock-step with its neighbours."""
    first, count = sweep.blocks[0]
    text = case.with_seeds(first, count)
    scenario = Scenario.model_validate_json(text).located(sweep.source, sweep.folders)
    slots = scenario.run.slots
    shortest = scenario.run.model_copy(update={"slots": min(2, slots)})
    begun = scenario.model_copy(update={"run": shortest})
    with TemporaryDirectory() as folder:
        path = Path(folder, "glimpse.h5")
        execute(prepare(begun), path)  # compiles, reads files, fills caches
        start = time.process_time()
        execute(prepare(begun), path)
        fixed_s, fixed_size = time.process_time() - start, path.stat().st_size
        simulations: list[Simulation] = []
        timer = threading.Timer(GLIMPSE_S, lambda: simulations[0].stop() if simulations else None)
        timer.start()
        start = time.process_time()
        execute(prepare(scenario), path, simulations.append)
        taken_s, size = time.process_time() - start, path.stat().st_size
        timer.cancel()
        done = simulations[0].world.state.slot
    share = slots / max(done, 1)
    seconds = fixed_s + max(taken_s - fixed_s, 0.0) * share
    return seconds / count, (fixed_size + max(size - fixed_size, 0) * share) / count
